#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What a guest's text says is a suspicion: it is on disk at once, and somebody else says whether it is so. A kernel
# that panics is believed for what its memory shows; a live guest whose console says the same is not called hung.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq
bed_lab
for g in web db; do lab_start_eve $g profile=shell || exit $?; done
for g in web db; do lab_wait_console $g '~ # ' 180 || { echo "FAIL: $g did not boot"; exit 1; }; done
cat >"$work/config.json" <<EOJ
{ "schema": "hangdog/config/1", "scenarios": [],
  "sources": [{"kind": "rundir", "root": "$LAB_RUN/hypervisor/kvm", "eve": "$LAB_RUN", "console-mode": "hold"}] }
EOJ
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
bed_daemon
holds() { hd status "$1" --json | jq -r 'select(.row == "console") | .state' | grep -qE '^(silent|talking)$'; }
for g in web db; do
    bed_seen $g
    lab_until 30 "holds $g" || die "the console of $g is not held"
done

of() { hd incidents --json | jq -r "select(.guest == \"$1\" and .phase == \"packed\") | $2"; }
judged() { # GUEST
    lab_until 90 "[ -n \"\$(of $1 .id)\" ]" || { hd incidents; die "$1 is not judged"; }
    echo "$1: $(of "$1" '"\(.verdict.class) \(.verdict.confidence), looked at for \(.collected_ms - .opened_ms) ms"')"
}

# It lives, and prints what a kernel would.
lab_ctl db sh -c 'echo "[   99.000000] Kernel panic - not syncing: Fatal exception" >/dev/hvc0' >/dev/null || die "nothing was printed"
judged db
[ "$(of db .verdict.confidence)" != high ] || die "text of a live guest is believed"
[ "$(hd status db --json | jq -r 'select(.row == "guest") | .health')" != hung ] || die "a live guest is called hung"

lab_ctl web lab-fault panic >/dev/null || die "the fault was not made"
judged web
[ "$(of web '"\(.verdict.class) \(.verdict.confidence)"')" = "kernel-panic high" ] || die "the panic is not confirmed"
# What text says is not left in doubt for long: from the suspicion to who confirms it.
took=$(of web '(.timeline | map({key: .step, value: .time_ms}) | from_entries | .confirmed) - .opened_ms')
echo "web: confirmed $took ms after it was suspected"
[ "$took" -lt 3000 ] || fail "confirmed after $took ms, and 3000 are allowed"
[ "$failed" = 0 ] && echo PASS
exit "$failed"
