#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# truth-lab.sh [KERNEL]... - what is read from a guest's memory beside what the guest says of itself.
#
# A guest with a crowd of tasks in all states and many system calls (tests/lab/guest/truth.c) writes down what
# its /proc/*/task/*/{stat,stack,cgroup,comm,status} and its log say, and stands still; its vCPUs are stopped, so
# that the two looks are at the same thing; hangdog looks from outside, at the process and at a core. The guest's
# own notes are fetched afterwards. Fails under: the task set equal, the states of all that did not run between
# the looks equal, 99 % of their frames, names, groups, the log byte by byte. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq
bed_lab

here=$src/tests/integration one=''

# truth_tell - the guest writes down what it knows, and its vCPUs are stopped
truth_tell() {
    local from
    lab_qmp "$one" cont >/dev/null
    from=$(lab_console_size "$one")
    lab_ctl "$one" 'killall -q -9 truth-tell; ln -sf labd /bin/truth-tell; truth-tell truth tell /run/truth >/dev/null 2>&1 </dev/null &' >/dev/null
    lab_wait_console "$one" TRUTH-READY 60 "$from" || return 1
    lab_qmp "$one" stop >/dev/null
}
# truth_fetch - sets $work/truth and $work/truth.log
truth_fetch() {
    local f
    lab_qmp "$one" cont >/dev/null
    for f in truth truth.log; do
        lab_ctl "$one" "gzip -c /run/$f | base64 -w 900" | base64 -d | gzip -dc >"$work/$f" || return 1
    done
}
# truth_log ROWS WHAT - is the log the guest's own?
truth_log() {
    local word=yes
    jq -r -f "$here/truth-log.jq" "$1" >"$work/log.memory"
    if ! cmp -s "$work/truth.log" "$work/log.memory"; then
        word=no
        fail "$2: the log differs: $(diff "$work/truth.log" "$work/log.memory" | head -n 6)"
    fi
    echo "$2: dmesg byte-equal $word ($(wc -c <"$work/truth.log") bytes)"
}
# truth_compare ROWS WHAT - 2 when another set of tasks was seen
truth_compare() {
    local rc
    jq -r -s -f "$here/truth.jq" "$1" >"$work/memory"
    awk -f "$here/truth.awk" "$work/truth" "$work/memory" >"$work/figures"
    rc=$?
    sed "1s/^/$2: /" "$work/figures"
    [ $rc != 1 ] || fail "$2: less than was promised"
    return $rc
}

truth_kernel() { # KERNEL
    local try rc=1
    one=truth${1#*.}-$$
    lab_start_eve "$one" kernel="$1" mem=256 profile=shell || exit $?
    lab_wait_up "$one" 120 || exit 1
    lab_ctl "$one" 'labd truth crowd; [ ! -e /lib/lab/zoo.ko ] || { lab-fault mutex; lab-fault abba; lab-fault dstate; }' >/dev/null ||
        { fail "$1: the crowd was not made"; return; }
    bed_seen "$one"
    # A kernel that makes or ends a worker between the two looks gets another chance.
    for try in 1 2 3; do
        truth_tell || { fail "$1: no truth from the guest"; return; }
        hd inspect "$one" tasks dmesg --json >"$work/live"
        [ $? = 5 ] || [ -s "$work/live" ] || { fail "$1: nothing was read"; return; }
        hd core "$one" -o "$work/core" --force >/dev/null 2>"$work/err" || fail "$1: no core: $(cat "$work/err")"
        hd inspect "$work/core" tasks dmesg --json >"$work/dead"
        truth_fetch || { fail "$1: the truth was not fetched"; return; }
        truth_compare "$work/live" "$1 live"
        rc=$?
        [ $rc = 2 ] || break
        echo "$1: another task set in look $try"
    done
    [ $rc != 2 ] || fail "$1: the task set differs each time"
    truth_log "$work/live" "$1 live"
    truth_compare "$work/dead" "$1 core" || failed=1
    truth_log "$work/dead" "$1 core"
    cp "$work/truth" "$work/memory" "$work/truth.log" "${TRUTH_KEEP:-$work/lab}" 2>/dev/null
    # For those who look for what is wrong with it.
    [ -z "${TRUTH_KEEP:-}" ] || cp --sparse=always "$work/core" "$TRUTH_KEEP/core-$1"
    lab_stop "$one"
    rm -f "$work/core"
}

bed_config
bed_daemon
[ $# -gt 0 ] || set -- 6.1 6.12
for kernel in "$@"; do truth_kernel "$kernel"; done
exit $failed
