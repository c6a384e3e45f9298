#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2034,SC2154
#
# What is not there is a gap, and no end: with QEMU standing still, with its monitor held by another client, with no shell
# and no SysRq, and with a full disk under the spool a diagnosis still ends with a verdict and a bundle, within its
# playbook's time. Prints both for each. Part of make check-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq socat mount
bed_lab
mounted=''
odd_finish() {
    local rc=$?
    [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    daemon=''
    [ -z "$mounted" ] || umount "$work/state"
    (exit $rc)
    bed_finish
}
trap odd_finish EXIT

lab_disk "$work/disk" 32M || exit $?
lab_start_eve web profile=shell disk="$work/disk" || exit $?
lab_start_eve mute profile=none sysrq=0 || exit $?
lab_wait_up web 180 || exit 1
lab_wait_up mute 180 || exit 1
bed_config
bed_daemon
bed_seen web
bed_seen mute

# look WHAT GUEST PLAYBOOK SECONDS [CLASSES] - a diagnosis of it, which has so long; $bundle, $out its first line.
look() {
    local at=$1 ms class
    ms=$(date +%s%N)
    hd diagnose "$2" --playbook "$3" >"$work/out" 2>"$work/steps"
    ms=$((($(date +%s%N) - ms) / 1000000))
    out=$(head -n 1 "$work/out")
    bundle=$(grep -Eo 'bundle=[^ ]*' <<<"$out"); bundle=${bundle#bundle=}
    class=$(grep -Eo 'verdict=[^ ]*' <<<"$out")
    printf '%-34s %-9s %6d ms of %d s: %s\n' "$1" "$3" "$ms" "$4" "${class:-$out}"
    # Packing comes behind the steps.
    [ "$ms" -lt $((($4 + 15) * 1000)) ] || fail "$3 took $ms ms, of $4 s and 15 for packing"
    grep -Eq "verdict=(${5:-[a-z-]+})( |\$)" <<<"$out" || fail "not ${5:-a verdict}: $out"
    { [ -s "$bundle" ] && hd bundle verify "$bundle" >/dev/null; } || fail "no bundle that verifies: $out"
}
gaps() { hd bundle cat "$bundle" manifest.json | jq -r '.gaps[] | "\(.step // .what // ""): \(.why)"'; }

# ---- nothing is odd: what the rest is beside ----
lab_ctl web lab-fault mutex >/dev/null
lab_ctl mute lab-fault mutex >/dev/null
look "two tasks wait for one lock" web quick 30 lock-deadlock
look "two tasks wait for one lock" web standard 60 lock-deadlock

# ---- no shell, no SysRq ----
look "no shell, SysRq off" mute quick 30 lock-deadlock
look "no shell, SysRq off" mute standard 60 lock-deadlock
gaps | grep -qi sysrq || fail "no shell, SysRq off: no gap tells of it: $(gaps)"

# ---- somebody else has the monitor ----
qmp=$(lab_get web qmp)
socat -u "UNIX-CONNECT:$qmp" "OPEN:$work/greeting,create" &
held=$!
lab_until 10 "grep -q QMP '$work/greeting'" || die "the monitor does not greet"
look "the monitor is held by another" web quick 30 lock-deadlock
look "the monitor is held by another" web standard 60 lock-deadlock
gaps | grep -Eqi 'monitor|client' || fail "the monitor is held: no gap tells of it: $(gaps)"
kill "$held"
wait "$held" 2>/dev/null

# ---- QEMU stands still ----
qemu=$(lab_get web pid)
kill -STOP "$qemu"
look "QEMU is stopped" web quick 30 'vmm-stuck|vmm-dead'
look "QEMU is stopped" web standard 60 'vmm-stuck|vmm-dead'
kill -CONT "$qemu"

# ---- no room under the spool: what it keeps for that is enough for a bundle of some size ----
kill "$daemon"
wait "$daemon"
daemon=''
rm -rf "$work/state"
mkdir "$work/state"
mount -t tmpfs -o size=32m,mode=755 tmpfs "$work/state" || { echo "skipped: the disk that is full: no mount here" >&2; [ "$failed" = 0 ] && exit 77; exit 1; }
mounted=yes
bed_config '"limits": {"spool-free-floor": "4MiB"},'
bed_daemon
bed_seen web
dd if=/dev/zero of="$work/state/filler" bs=4k 2>/dev/null
echo "under the spool are $(df --output=avail -k "$work/state" | tail -n 1 | tr -d ' ') KiB left"
look "the spool's disk is full" web quick 30 lock-deadlock
look "the spool's disk is full" web standard 60 lock-deadlock
hd status >"$work/out"
says "$work/out" 'state is full'
rm "$work/state/filler"
look "and has room again" web standard 60 lock-deadlock
[ "$failed" = 0 ] || tail -n 15 "$work/log"
[ "$failed" = 0 ] && echo PASS
exit "$failed"
