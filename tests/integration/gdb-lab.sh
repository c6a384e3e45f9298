#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# The collector gdb on a real guest: refused where nobody allowed it; where it is allowed the registers of all vCPUs
# are told and the guest goes on, also when the daemon is killed while it stands.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq
bed_lab
mkdir -p "$work/gdb"
# QEMU's, and ours to look for: a folder of its own.
lab_start_eve web profile=shell args="-gdb unix:$work/gdb/web,server=on,wait=off" || exit $?
lab_wait_up web 180 || exit 1
mkdir -p "$work/playbooks"
echo '{ "name": "regs", "steps": [ { "do": "gdb", "budget": "30s" } ] }' >"$work/playbooks/regs.json"
status() { lab_qmp web query-status | jq -r .return.status; }
# look - what a diagnosis is told; $bundle
look() {
    hd diagnose web --playbook regs >"$work/out" 2>&1
    bundle=$(grep -Eo 'bundle=[^ ]*' "$work/out"); bundle=${bundle#bundle=}
    [ -s "$bundle" ] || die "no bundle: $(head -n 5 "$work/out")"
}
part() { hd bundle cat "$bundle" "$1" 2>/dev/null; }

bed_config "\"playbooks\": [\"$work/playbooks\"], \"roots\": [\"$work/gdb\"],"
bed_daemon
bed_seen web
look
part manifest.json | jq -e '[.gaps[].why] | any(test("does not allow"))' >/dev/null || fail "it is not refused: $(part manifest.json | jq -c .gaps)"
part manifest.json | jq -e '.impact == []' >/dev/null || fail "it was done all the same: $(part manifest.json | jq -c .impact)"
kill "$daemon"
wait "$daemon"

bed_config "\"playbooks\": [\"$work/playbooks\"], \"roots\": [\"$work/gdb\"], \"intrusive\": [\"gdb\"],"
bed_daemon
bed_seen web
look
[ "$(part gdb/registers.txt | grep -c '^CPU#')" = 2 ] || fail "registers: $(part gdb/registers.txt | head -n 3) gaps: $(part manifest.json | jq -c .gaps)"
part gdb/registers.txt | grep -Eq '^RIP=[0-9a-f]{16}$' || fail "there is no RIP"
[ "$(status)" = running ] || fail "the guest is $(status)"
part manifest.json | jq -r '.impact[].what' | grep 'stopped the guest for' || fail "impact does not say that it was stopped"

# Somebody else's: what runs is not what we stopped, and a paused guest is not let go on.
lab_qmp web stop >/dev/null
look
[ "$(status)" = paused ] || fail "a guest that its owner paused is $(status)"
lab_qmp web cont >/dev/null

# ---- the daemon dies while the guest stands ----
for p in $(cat "/proc/$daemon/task/"*/children); do
    case $(tr '\0' ' ' <"/proc/$p/cmdline") in *hangdog-daemon*) old=$p ;; esac
done
# Slow enough to be caught: QEMU is held while it is connected to.
qemu=$(lab_get web pid)
hd diagnose web --playbook regs >/dev/null 2>&1 &
asks=$!
lab_until 20 "grep -rqs vm-paused '$work/state'" || die "no intent on disk"
kill -STOP "$qemu"
kill -9 "$old"
kill -CONT "$qemu"
wait "$asks"
lab_until 60 "[ \"\$(lab_qmp web query-status | jq -r .return.status)\" = running ]" || fail "the daemon was killed, and the guest is $(status)"
sleep 1
[ "$(status)" = running ] || fail "later the guest is $(status)"
[ "$failed" = 0 ] || tail -n 5 "$work/log"
[ "$failed" = 0 ] && echo PASS
exit "$failed"
