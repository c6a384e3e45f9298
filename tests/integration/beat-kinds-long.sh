#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# The two kinds of heartbeat where each could be wrong: kernels, a reset that nobody tells of, a pause, a disk that
# stalls, init gone, a panic, one CPU locked up. BEAT_KERNELS, BEAT_CASES: only these. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
. "$src/tests/integration/beat-bed.sh"
bed_lab
beat_scenarios
bed_daemon

# up NAME [OPT=VAL]... - such a guest, found well by both.
up() {
    beat_guest "$@" || exit $?
    lab_wait_up "$1" 120 || exit 1
    becomes 120 "$1" acpi ok
    becomes 120 "$1" memory ok
}
incidents() { hd incidents --json | jq -s --arg g "$1" 'map(select(.guest == $g or .display == $g)) | length'; }

case_kernels() {
    local k n
    for k in ${BEAT_KERNELS:-5.10 6.12}; do
        at="kernel $k" n=bk$k
        up "$n" kernel="$k" profile=shell
        stays "$n" acpi 10
        lab_ctl "$n" lab-fault irqoff-all
        becomes 120 "$n" memory ticks-dead
        becomes 120 "$n" acpi beat-missing
        lab_stop "$n"
    done
}

# A machine that is reset lies in memory as it died; firmware, which prints nothing here, stays for as long as it likes.
case_reset() {
    local failures
    at=reset
    up br profile=quiet
    failures=$(outcome br memory | cut -d' ' -f4)
    for _ in 1 2 3; do
        lab_qmp br system_reset >/dev/null
        lab_wait_up br 180 || fail "it does not come up"
        becomes 120 br memory ok
        becomes 120 br acpi ok
    done
    [ "$(outcome br memory | cut -d' ' -f4)" = "$failures" ] || fail "a reset was taken for a death: $(outcome br memory)"
    lab_stop br
}

case_pause() {
    at=pause
    up bp profile=shell
    lab_qmp bp stop >/dev/null
    lab_until 60 "is bp acpi paused" || fail "paused, acpi says $(outcome bp acpi)"
    sleep 15
    [[ "$(outcome bp memory)" == *" 0" ]] || fail "a pause was taken for a death: $(outcome bp memory)"
    lab_qmp bp cont >/dev/null
    becomes 60 bp memory ok
    becomes 60 bp acpi ok
    [[ "$(outcome bp memory)" == *" 0" ]] || fail "after a pause: $(outcome bp memory)"
    lab_stop bp
}

case_other() {
    at="a stalled disk"
    lab_disk "$work/disk" 64M
    up bd profile=shell disk="$work/disk"
    lab_disk_stall bd
    lab_ctl bd lab-fault disk-wait
    stays bd acpi 20
    stays bd memory 5
    lab_disk_flow bd
    lab_stop bd
}

case_panics() {
    at="init gone"
    up bi profile=shell
    lab_ctl bi lab-fault init-kill
    # Without init its kernel panics, and says so in memory.
    becomes 120 bi memory scheduler-dead
    becomes 120 bi acpi beat-missing
    lab_stop bi
    at=panic
    up bq profile=shell
    lab_ctl bq lab-fault panic
    becomes 120 bq memory scheduler-dead
    becomes 120 bq acpi beat-missing
    lab_stop bq
}

# One CPU of two: the scheduler is dead in memory; the other goes on beating, or waits for it.
case_one_cpu() {
    at="one CPU"
    up bh profile=shell
    lab_ctl bh lab-fault hardlockup 1
    becomes 120 bh memory scheduler-dead
    echo "one of two CPUs locked up: acpi says $(outcome bh acpi)"
    lab_stop bh
}

for c in ${BEAT_CASES:-kernels reset pause other panics one_cpu}; do "case_$c"; done
exit $failed
