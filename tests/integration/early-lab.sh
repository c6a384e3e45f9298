#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154,SC2016,SC2015,SC2034,SC2086
#
# Guests without a kernel that can be read, or with one that has hardly begun: hangdog inspect says in one sentence
# what is there, or what there is by then. A boot loader's place is stopped at, and hung in, by QEMU's debugger port;
# a guest whose pages are still on the host that it came from; and who may not read at all. EARLY_KERNELS: those that
# hang early. make lab-matrix runs it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/looks.sh"
bed_needs jq
bed_lab

# ---- the debugger's port ----

gdb_send() { # PACKET: $gdb_reply
    local sum=0 i c
    for ((i = 0; i < ${#1}; i++)); do
        printf -v c '%d' "'${1:i:1}"
        sum=$(((sum + c) & 255))
    done
    printf '$%s#%02x' "$1" $sum >&7
}
gdb_hear() { # SECONDS
    gdb_reply=''
    IFS= read -r -d '#' -t "$1" -u 7 gdb_reply || return 1
    read -r -N 2 -t 5 -u 7 _
    printf '+' >&7
    gdb_reply=${gdb_reply##*\$}
}
# What is told of stops meanwhile is left out; a packet that arrives while it runs only stops it.
gdb_ask() { # PACKET: $gdb_reply
    for _ in 1 2 3; do
        gdb_send "$1"
        while gdb_hear 5; do
            case $gdb_reply in [TS][0-9]*) ;; *) return 0 ;; esac
        done
    done
    return 1
}
# The place that it stands at, as the packet has it: the lowest byte first.
gdb_pc() { gdb_ask g && gdb_reply=${gdb_reply:pc_reg * 16:16}; }
gdb_open() { # GUEST
    local port
    port=$("$LAB_TOOL" freeport)
    lab_qmp "$1" "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"gdbserver tcp:127.0.0.1:$port\"}}" >/dev/null
    exec 7<>"/dev/tcp/127.0.0.1/$port" && gdb_pc
}
# stop_at GUEST ADDRESS - it goes on to there, and stands before that instruction.
stop_at() {
    local at_le i
    printf -v i '%016x' "0x$2"
    at_le=${i:14:2}${i:12:2}${i:10:2}${i:8:2}${i:6:2}${i:4:2}${i:2:2}${i:0:2}
    gdb_ask "Z1,$2,1" && [ "$gdb_reply" = OK ] || { fail "no breakpoint at $2: '$gdb_reply'"; return 1; }
    for i in 1 2 3; do
        gdb_send c && gdb_hear 60
        gdb_pc && [ "$gdb_reply" = "$at_le" ] && { gdb_ask "z1,$2,1"; return; }
    done
    fail "it does not come to $2: it is at $gdb_reply"
    return 1
}
# hang_at GUEST ADDRESS - it runs there in a circle of one instruction.
hang_at() {
    stop_at "$1" "$2" && gdb_ask "M$2,$((${#circle} / 2)):$circle" && [ "$gdb_reply" = OK ] || { fail "nothing can be written at $2: '$gdb_reply'"; return 1; }
    gdb_send c && read -r -N 1 -t 5 -u 7 _ # it has heard that
    exec 7>&-
}

bed_config
bed_daemon

# ---- no Linux ----
begin "not begun"
g=none$$
lab_start_eve $g kernel=6.1 start=no net=no || exit $?
bed_seen $g
no_kernel $g 'no kernel yet|memory is empty|nothing of the guest.s memory is there'
lab_stop $g

begin "firmware with nothing to boot"
g=bios$$
lab_start_eve $g kernel=none net=no mem=64 || exit $?
bed_seen $g
no_kernel $g 'no kernel yet: its CPUs are in .*mode.*, so in firmware or a boot loader'
lab_stop $g

begin "a boot sector that goes round"
g=loop$$
{ printf '\372\353\376'; head -c 507 /dev/zero; printf '\125\252'; head -c 65024 /dev/zero; } >"$work/sector"
lab_start_eve $g kernel=none net=no mem=64 disk="$work/sector" || exit $?
bed_seen $g
lab_until 30 "hd inspect $g 2>&1 | grep -q 'real mode'"
no_kernel $g 'no kernel yet: its CPUs are in real mode'
lab_stop $g

begin "a kernel of 32 bits"
g=bits$$
if lab_start_eve $g kernel=6.1-686 net=no mem=256 consoles=ttyS0; then
    bed_seen $g
    lab_until 60 "hd inspect $g 2>&1 | grep -q '32-bit'" || fail "it is not said"
    no_kernel $g 'its CPUs are in 32-bit mode; only 64-bit kernels are understood'
    lab_stop $g
else
    echo "left out: no such kernel"
fi

# ---- early ----
symbol() { awk -v n="$1" '$3 == n { print $1; exit }' "$work/symbols"; }
early() { # KERNEL
    local pc_reg=16 circle=ebfe first late release
    case $1 in *-arm64) pc_reg=32 circle=00000014 ;; esac
    g=early${1//[.-]/}$$ at="$1: early"
    lab_start_eve $g kernel="$1" net=no append=nokaslr
    case $? in 0) ;; 77) echo "$1: left out"; return ;; *) fail "no guest"; return ;; esac
    lab_wait_up $g 180 || { fail "it does not come up"; return; }
    bed_seen $g
    release=$(lab_ctl $g uname -r)
    lab_ctl $g "grep -E ' (crash_save_vmcoreinfo_init|start_kernel)$' /proc/kallsyms" >"$work/symbols"
    late=$(symbol crash_save_vmcoreinfo_init) first=$(symbol start_kernel)
    if [ -z "$late" ] || [ -z "$first" ]; then fail "the kernel does not name what is early"; return; fi
    gdb_open $g || { fail "no debugger's port"; return; }

    if [ $pc_reg = 16 ]; then
        begin "$1: the kernel unpacks itself"
        lab_qmp $g system_reset >/dev/null
        stop_at $g 100000
        no_kernel $g 'no kernel yet: its CPUs are in protected mode without paging'
        stop_at $g 100200
        no_kernel $g 'no kernel yet: its CPUs are in long mode at low addresses'
    fi

    begin "$1: the first function"
    lab_qmp $g system_reset >/dev/null
    stop_at $g "$first"
    look_rows $g
    # It is not meant to run: the debugger holds it.
    case $look_code in 3 | 6) ;; *) fail "exit code $look_code" ;; esac
    hd inspect $g >"$work/text" 2>&1
    rows 'of("kernel")[0].release == "'"$release"'"'
    rows 'of("cpu") | any(.at // "" | startswith("start_kernel+"))'
    said '^ (RIP|PC): start_kernel\+'

    # In memory that has nothing of an earlier one.
    begin "$1: hung before VMCOREINFO"
    exec 7>&-
    lab_stop $g
    g=h$g
    lab_start_eve $g kernel="$1" net=no append=nokaslr start=no || { fail "no guest"; return; }
    bed_seen $g
    gdb_open $g || { fail "no debugger's port"; return; }
    hang_at $g "$late" || return
    # It takes interrupts: now and then one is on top of it.
    until_rows 60 'of("cpu") | any((.at // "" | startswith("crash_save_vmcoreinfo_init+")) and .pid == 1 and (s(.stack) | test("(do_one_initcall|kernel_init_freeable).*kernel_init")))' $g || return
    rows 'of("lacks") | any(.what == "vmcoreinfo")'
    # Without VMCOREINFO and names of data nobody tells where the log is.
    rows '(of("dmesg") | any(.text | startswith("Linux version "))) or ((of("kernel")[0].tables.data_symbols | not) and (of("lacks") | any(.section == "dmesg")))'
    rows 'of("task") | any(.comm == "kthreadd")'
    said 'crash_save_vmcoreinfo_init\+'
    until_rows 60 'of("moved") | any(.what == "vcpu" and .pc == false)' $g --samples 2 --apart 2s cpus
}
for k in ${EARLY_KERNELS:-6.1 6.12 5.10 new 6.1-arm64}; do
    early "$k"
    exec 7>&-
    lab_stop "$g"
done

# ---- pages that are still on the other host ----
begin "post-copy"
g=post$$
lab_start_eve $g kernel=6.1 net=no || exit $?
lab_wait_up $g 90 || exit 1
lab_start_eve "to$g" kernel=6.1 net=no start=no standin=no args="-incoming unix:$work/mig" || exit 1
bed_seen "to$g"
caps='{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"postcopy-ram","state":true}]}}'
if lab_qmp "to$g" "$caps" >/dev/null && lab_qmp $g "$caps" >/dev/null; then
    lab_ctl $g 'dd if=/dev/zero of=/tmp/a bs=1M count=100 2>/dev/null; while :; do dd if=/dev/urandom of=/tmp/a conv=notrunc bs=1M count=100 2>/dev/null; done & sleep 1' >/dev/null
    lab_qmp $g '{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":2000000,"max-postcopy-bandwidth":2000000}}' \
        "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"unix:$work/mig\"}}" >/dev/null
    lab_until 20 "lab_qmp $g query-migrate | grep -q '\"status\": \"active\"'" || fail "it does not begin: $(lab_qmp $g query-migrate)"
    lab_qmp $g migrate-start-postcopy >/dev/null
    # It was started without going on, so it stays as it came.
    lab_until 30 "lab_qmp to$g query-status | grep -qE '\"status\": \"(paused|running)\"'" || fail "it does not go over: $(lab_qmp "to$g" query-status)"
    lab_qmp "to$g" cont >/dev/null || fail "it does not go on"
    kill -STOP "$(lab_pid guest.$g)"
    SECONDS=0
    look_rows "to$g" cpus tasks system
    case $look_code in 3 | 4 | 5 | 6) ;; *) fail "exit code $look_code" ;; esac
    hd inspect "to$g" cpus tasks system >"$work/text" 2>&1
    [ $SECONDS -lt 40 ] || fail "two looks took $SECONDS s"
    rows 'of("guest")[0].note | test("post-copy")'
    echo "    found=$(jq -r 'select(.row == "end").found' "$work/rows") tasks=$(grep -c '"row":"task"' "$work/rows") in $SECONDS s"
    kill -CONT "$(lab_pid guest.$g)"
else
    echo "left out: no userfaultfd here"
fi
lab_stop "to$g"

# ---- who may not ----
begin "Yama 3"
# This host is not locked up for it: the file is another's, and who asks is nobody.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null && command -v setpriv >/dev/null; then
    pid=$(lab_pid guest.$g)
    cp "$build/tests/lib/memory-where" "$work/where" 2>/dev/null
    chmod 755 "$work" "$work/where"
    unshare -m sh -c "mount -t tmpfs none /proc/sys/kernel && mkdir /proc/sys/kernel/yama && echo 3 >/proc/sys/kernel/yama/ptrace_scope &&
        exec setpriv --reuid 65534 --regid 65534 --clear-groups '$work/where' $pid unix '$LAB_RUN/hypervisor/kvm' '$(lab_get $g domain)/qmp'" >"$work/text" 2>&1
    grep -q 'kernel.yama.ptrace_scope is 3' "$work/text" || fail "it is not said: $(cat "$work/text")"
else
    echo "left out: not root"
fi
lab_stop $g

begin "encrypted"
# As /proc has one of SEV: no such processor is needed for what is said before anything is read.
if command -v perl >/dev/null; then
    (exec -a qemu-system-x86_64 perl -e 'sleep 300' -- -name sev -m 256 -machine q35,confidential-guest-support=s -object sev-guest,id=s,cbitpos=47) &
    pid=$!
    "$build/tests/lib/memory-where" $pid unix "$LAB_RUN/hypervisor/kvm" none/qmp >"$work/text" 2>&1
    kill $pid
    grep -q 'its memory is encrypted by AMD SEV: from the host only ciphertext can be read' "$work/text" || fail "it is not said: $(cat "$work/text")"
fi
exit $failed
