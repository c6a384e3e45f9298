#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A real qemu-ga in a guest on the EVE launcher, asked at its virtio port's socket: well; stopped, which the kinds that
# ask it find and no other way is blamed for; its guest's kernel dead, which is found by what it is. Part of make
# check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
. "$src/tests/integration/agent.sh"

bed_needs jq socat
bed_lab
lab_boot_eve web profile=shell agent=run net=no || exit $?
agent_scenarios
bed_config "\"scenarios\": [\"$work/scenarios\"], \"sink\": {\"url\": \"dir:$work/out\"},"
bed_daemon
bed_seen web

at=well
agent_is_well
hd doctor web >"$work/doctor"
says "$work/doctor" 'qemu-ga [0-9.]+ answers'

# Whoever has the socket is not the guest's fault, and is not disturbed.
at=held
socat -u UNIX-CONNECT:"$(lab_get web dir)/qga.sock" OPEN:/dev/null &
socat=$!
lab_until 10 "asked ping no-verdict agent-busy" || fail "somebody else has it: $(sentence ping)"
kill "$socat" 2>/dev/null
wait "$socat" 2>/dev/null
lab_until 10 "asked ping ok ok" || fail "it was let go of: $(sentence ping)"

agent_stopped

at='kernel dead'
lab_ctl web lab-fault panic >/dev/null || die "the fault was not made"
lab_until 30 "asked ping failed agent-silent" || fail "a dead kernel: $(sentence ping)"
must console-first failed
# Nobody answers by any way, and it is said why.
lab_until 60 "hd status | grep -q 'it panicked'" || fail "nobody says that the kernel panicked"
[ "$failed" = 0 ] && echo PASS
exit "$failed"
