#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Both sources and the monitor against real QEMUs: what they say of a guest that is started, halted on
# purpose, captured, paused, reset, killed, stopped with SIGSTOP. Part of make check-lab.
set -u
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)} build=${HANGDOG_BUILD:-$PWD}
dump=$build/tests/lib/guest-dump ask=$build/tests/lib/monitor-ask
. "$src/tests/lab/lab.sh"
lab_init || exit $?
lab_trap

failed=0
fail() { echo "FAIL: $*"; failed=1; }

# expect FILE PATTERN [SECONDS] - a line of the dump, at the latest then.
expect() {
    local n=0
    until grep -Eq "$2" "$1"; do
        n=$((n + 1))
        if [ $n -gt $((${3:-60} * 20)) ]; then fail "not said: $2"; return 1; fi
        sleep 0.05
    done
}
says() { # TEXT PATTERN
    grep -Eq "$2" <<<"$1" || fail "'$2' is not in: $1"
}

# ---- run directories, as on EVE ----
kvm=$LAB_RUN/hypervisor/kvm out=$LAB_DIR/eve.out
mkdir -p "$kvm"
mkfifo "$LAB_DIR/eve.in"
"$dump" rundir "$kvm" "$LAB_RUN" <"$LAB_DIR/eve.in" >"$out" 2>&1 &
dumper=$!
exec 7>"$LAB_DIR/eve.in"
lab_start_eve web profile=shell || exit
domain=$(lab_get web domain)
expect "$out" '"display":"web".*"run":"running","intent":"run".*"monitor":"unix".*"device":"mux","muxed":true'
says "$("$ask" unix "$kvm" "$domain/qmp" 2>&1)" 'health=answers status ok .*status=running'
kill -STOP "$(lab_pid guest.web)"
says "$("$ask" unix "$kvm" "$domain/qmp" 2>&1)" 'health=no-greeting status failed'
kill -CONT "$(lab_pid guest.web)"
lab_eve_publish web 118
expect "$out" '"run":"stopping".*"intent":"stop","intent_from":"DomainStatus.State=HALTING"'
lab_eve_publish web 115 1
expect "$out" '"intent":"hands-off"'
kill -KILL "$(lab_pid guest.web)"
expect "$out" '"change":"reincarnated".*"pid":0.*"run":"off"'
lab_stop web
expect "$out" '"change":"gone"'
exec 7>&-
wait $dumper || fail "guest-dump rundir ended with $?"

# ---- libvirt ----
lab_libvirt_start; rc=$?
[ $rc = 77 ] && { echo "without libvirt: the rest is skipped"; exit $failed; }
[ $rc = 0 ] || exit 1
out=$LAB_DIR/virt.out
lab_start_libvirt lv || exit
uuid=$(lab_get lv uuid)
mkfifo "$LAB_DIR/virt.in"
"$dump" libvirt "$LAB_URI" <"$LAB_DIR/virt.in" >"$out" 2>&1 &
dumper=$!
exec 8>"$LAB_DIR/virt.in"
expect "$out" "\"pid\":$(lab_get lv pid),.*\"name\":\"lv\".*\"run\":\"running\".*\"kind\":\"pty\",\"mode\":\"hold\",\"device\":\"serial\""
lab_virsh suspend lv
expect "$out" '"event":"STOP".*"detail":"user"'
expect "$out" '"run":"paused","reason":"user","intent":"pause"'
lab_virsh resume lv
expect "$out" '"event":"RESUME"'
lab_virsh reset lv
expect "$out" '"event":"RESET".*"boot":1'
says "$("$ask" libvirt "$LAB_URI" "$uuid" 2>&1)" 'health=answers status ok .*status=running'
# The one that does not answer must not make libvirt itself look dead, the second time neither.
kill -STOP "$(lab_get lv pid)"
for _ in 1 2; do
    said=$("$ask" libvirt "$LAB_URI" "$uuid" 2>&1)
    says "$said" 'health=greets-only status failed'
    grep -q 'does not answer' <<<"$said" && fail "libvirt was blamed: $said"
done
kill -CONT "$(lab_get lv pid)"
lab_virsh destroy lv
expect "$out" '"run":"off","reason":"destroyed","intent":"stop"'
lab_kill libvirtd
echo '?' >&8
expect "$out" 'unwell: .*not connected'
grep -q '"boot":2' "$out" && fail "one reset was counted twice"
grep -q '"change":"gone"' "$out" && fail "a guest was lost with the connection"
exec 8>&-
wait $dumper || fail "guest-dump libvirt ended with $?"
[ $failed = 0 ] && echo "PASS"
exit $failed
