#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119
#
# selftest.sh - is the lab itself well? Boots an EVE guest and a libvirt guest, talks to both, makes each
# sick, saves and restores, stops, and looks that nothing is left. 77: something it needs is missing.
# LAB_KERNEL=6.12 takes the other kernel.

cd "$(dirname "$0")" || exit 1
. ./lab.sh
failed=0
check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then echo "ok - $what"; else echo "not ok - $what"; failed=1; fi
}
since() { # WHAT: milliseconds since the last one
    local now
    now=$("$LAB_TOOL" now)
    [ $# = 0 ] || echo "time - $1: $((now - mark)) ms"
    mark=$now
}

lab_init || exit $?
lab_trap
kernel=${LAB_KERNEL:-6.1}
./fetch "$kernel" >/dev/null || exit $?
./image "$kernel" >/dev/null || exit $?
echo "info - accel=$LAB_ACCEL kernel=$kernel $($LAB_QEMU --version | head -n 1)"
since

lab_start_eve eve "kernel=$kernel" || exit $?
since "eve: started"
check "eve: prompt on the console" lab_wait_console eve '~ # ' 90
since "eve: start to prompt"
check "eve: order over lab.ctl" lab_ctl eve 'test "$(id -u)" = 0'
since "eve: order"
lab_ctl eve 'exit 7'
check "eve: exit code of an order" test $? = 7
check "eve: not tainted" test "$(lab_ctl eve cat /proc/sys/kernel/tainted)" = 0
banner=
{ exec 5<>"/dev/tcp/127.0.0.1/$(lab_get eve port)" && read -r -t 10 banner <&5; exec 5>&-; } 2>/dev/null
check "eve: banner on the forwarded port" test "$banner" = LAB-BANNER
since
check "eve: saved" lab_save eve "$LAB_DIR/snap"
since "eve: save"
check "eve: mutex fault" lab_ctl eve lab-fault mutex
check "eve: the waiter is in D" lab_until 5 "lab_ctl eve 'grep -l zoo_waiter /proc/[0-9]*/comm | while read -r f; do cat \${f%comm}stat; done' | grep -q ') D '"
since
lab_stop eve
check "eve: nothing left" test ! -e "$LAB_RUN/hypervisor/kvm/$(lab_uuid eve).1.1"
since "eve: stop"
check "eve: restored" lab_restore eve "$LAB_DIR/snap"
check "eve: answers after restore" lab_wait_up eve 30
since "eve: restore to first answer"
lab_stop eve

since
lab_libvirt_start
rc=$?
if [ $rc = 77 ]; then
    echo "skip - libvirt"
    [ $failed = 0 ] && exit 77
    exit 1
fi
check "libvirt: daemon" test $rc = 0
since "libvirt: daemon (first start asks QEMU what it can do)"
lab_start_libvirt lv "kernel=$kernel" || exit $?
since "libvirt: started"
check "libvirt: prompt on the console" lab_wait_console lv '~ # ' 90
since "libvirt: start to prompt"
check "libvirt: order over lab.ctl" lab_ctl lv true
check "libvirt: state" test "$(lab_virsh domstate lv)" = running
check "libvirt: console device" test -c "$(lab_get lv cons)"
check "libvirt: mutex fault" lab_ctl lv lab-fault mutex
check "libvirt: the waiter is in D" lab_until 5 "lab_ctl lv 'grep -l zoo_waiter /proc/[0-9]*/comm | while read -r f; do cat \${f%comm}stat; done' | grep -q ') D '"
since
pids=$(cat "$LAB_DIR"/pids/* | cut -d' ' -f1)
lab_stop_all
since "libvirt: stop, and the daemons"
left=
for p in $pids; do "$LAB_TOOL" starttime "$p" >/dev/null && left="$left $p"; done
check "nothing of ours still runs" test -z "$left"
exit $failed
