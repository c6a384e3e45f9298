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

# A guest whose process ends before it was seen up is begun once more; after that it is said, and nothing else done.
ends() { # NAME COMMAND...: waits while its process is ended
    { sleep 0.2; kill -KILL "$(lab_pid "guest.$1")"; } &
    "${@:2}" 2>&1
    echo "code $?"
    wait $!
}
lab_start_eve again "kernel=$kernel" || exit $?
was=$(lab_pid guest.again)
ends again lab_wait_up again 90 >"$LAB_DIR/ends"
check "eve: ended in its boot: begun once more, and up" grep -q '^code 0$' "$LAB_DIR/ends"
check "eve: it says so" grep -q "BEGUN ONCE MORE: the guest 'again'" "$LAB_DIR/ends"
check "eve: it is another process" test "$(lab_pid guest.again)" != "$was"
ends again lab_wait_console again never-said 60 >"$LAB_DIR/ends"
check "eve: ended later: not begun again" test "$(grep -c 'BEGUN ONCE MORE' "$LAB_DIR/ends")" = 0
check "eve: not called late, but ended" grep -q "has ended by itself, after it was seen up" "$LAB_DIR/ends"
check "eve: and its last words" grep -q 'g/again/console.log ends with:' "$LAB_DIR/ends"
lab_stop again
since "eve: ended by itself, twice"

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
ends lv lab_wait_console lv '~ # ' 90 >"$LAB_DIR/ends"
check "libvirt: ended in its boot: begun once more, and its prompt" grep -q '^code 0$' "$LAB_DIR/ends"
check "libvirt: what QEMU said last" grep -q 'lv/log/qemu/lv.log ends with:' "$LAB_DIR/ends"
check "libvirt: prompt on the console" lab_wait_console lv '~ # ' 90
since "libvirt: start to prompt"
check "libvirt: order over lab.ctl" lab_ctl lv true
check "libvirt: state" test "$(lab_virsh domstate lv)" = running
check "libvirt: console device" test -c "$(lab_get lv cons)"
check "libvirt: mutex fault" lab_ctl lv lab-fault mutex
check "libvirt: the waiter is in D" lab_until 5 "lab_ctl lv 'grep -l zoo_waiter /proc/[0-9]*/comm | while read -r f; do cat \${f%comm}stat; done' | grep -q ') D '"
since
pids=$(cat "$LAB_DIR"/pids/* | cut -d' ' -f1)
# As one that libvirt began by itself: nobody wrote it down.
rm -r "$LAB_DIR/pids/guest.lv" "$LAB_DIR/g/lv"
lab_stop_all
since "libvirt: stop, and the daemons"
left=
for p in $pids; do "$LAB_TOOL" starttime "$p" >/dev/null && left="$left $p"; done
check "nothing of ours still runs" test -z "$left"
exit $failed
