#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154,SC2016
#
# Guests without a kernel that can be read, or with one that has hardly begun: hangdog inspect says in one sentence
# what is there, or what there is by then. A boot loader's place is stopped at, and hung in, by QEMU's debugger port;
# a guest whose pages are still on the host that it came from; and who may not read at all. make lab-matrix runs it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
command -v jq >/dev/null || { echo "early-lab: skipped: no jq" >&2; exit 77; }
bed_lab

failed=0 at=''
fail() { echo "FAIL: $at: $*"; failed=1; }
hd() { timeout 100 "$build/hangdog" "$@"; }
begin() { at=$*; echo "$at"; }
seen() { lab_until 15 "hd list 2>/dev/null | grep -q '$1'" || fail "it is not seen"; }
# look GUEST CODE SECTION... - $work/rows and $work/text; rows ends with one of the CODEs (a pattern).
look() {
    local codes=$2 rc who=$1
    shift 2
    hd inspect "$who" "$@" --json >"$work/rows" 2>"$work/err"
    rc=$?
    hd inspect "$who" "$@" >"$work/text" 2>&1
    [[ $rc =~ ^($codes)$ ]] || { fail "exit code $rc and not $codes"; shown; }
}
shown() { cut -c1-400 "$work/rows" | grep -v '"row":"dmesg"' | head -n 20; cat "$work/err"; head -n 30 "$work/text"; }
rows() { jq -e -s "map(select(type == \"object\")) as \$r | def s(\$id): [\$r[] | select(.row == \"stack\" and .id == \$id) | .frames[]] | join(\" \"); def of(\$row): \$r | map(select(.row == \$row)); $1" "$work/rows" >/dev/null || { fail "not so: $1"; shown; }; }
# sentence PATTERN - there is no kernel, and why, in rows and in text.
sentence() {
    jq -r 'select(.row == "end" and .found == false).why' "$work/rows" | grep -Eq -- "$1" || { fail "the rows do not say '$1'"; shown; }
    tr '\n' ' ' <"$work/text" | grep -Eq -- "$1" || { fail "the text does not say '$1'"; shown; }
}

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
gdb_ask() { gdb_send "$1" && gdb_hear 10; }
# stop_at GUEST ADDRESS - the guest begins anew and stands before the instruction there.
gdb_open() {
    local port
    port=$("$LAB_TOOL" freeport)
    lab_qmp "$1" "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"gdbserver tcp:127.0.0.1:$port\"}}" >/dev/null
    exec 7<>"/dev/tcp/127.0.0.1/$port" || return 1
    # It tells that it stopped, once by itself and once when it is asked.
    gdb_send '?'
    while gdb_hear 1; do :; done
}
stop_at() {
    lab_qmp "$1" system_reset >/dev/null
    gdb_ask "Z1,$2,1" && [ "$gdb_reply" = OK ] && gdb_send c && gdb_hear 60 || { fail "it does not come to $2: '$gdb_reply'"; return 1; }
    gdb_ask "z1,$2,1"
}
# hang_at GUEST ADDRESS - it runs there in a circle of two bytes.
hang_at() {
    stop_at "$1" "$2" && gdb_ask "M$2,2:ebfe" && [ "$gdb_reply" = OK ] || { fail "nothing can be written at $2: '$gdb_reply'"; return 1; }
    gdb_send D && gdb_hear 5
    exec 7>&-
}

cat >"$work/config.json" <<EOJ
{"schema": "hangdog/config/1", "sources": [{"kind": "rundir", "root": "$LAB_RUN/hypervisor/kvm", "eve": "$LAB_RUN"}]}
EOJ
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
mkdir -p "$LAB_RUN/hypervisor/kvm"
"$build/hangdog" --config "$work/config.json" daemon 2>"$work/log" &
daemon=$!
lab_until 15 "test -S '$work/run/control'" || exit 1

# ---- no Linux ----
begin "not begun"
g=none$$
lab_start_eve $g kernel=6.1 start=no net=no || exit $?
seen $g
look $g 6
sentence 'no kernel yet|memory is empty|nothing of the guest.s memory is there'
lab_stop $g

begin "firmware with nothing to boot"
g=bios$$
lab_start_eve $g kernel=none net=no mem=64 || exit $?
seen $g
sleep 3 # it tries what there is and gives up: it says so nowhere
look $g 6
sentence 'no kernel yet: its CPUs are in (real mode|protected mode without paging), so in firmware or a boot loader'
lab_stop $g

begin "a boot sector that goes round"
g=loop$$
{ printf '\372\353\376'; head -c 507 /dev/zero; printf '\125\252'; head -c 65024 /dev/zero; } >"$work/sector"
lab_start_eve $g kernel=none net=no mem=64 disk="$work/sector" || exit $?
seen $g
lab_until 30 "hd inspect $g 2>&1 | grep -q 'real mode'"
look $g 6
sentence 'no kernel yet: its CPUs are in real mode'
lab_stop $g

begin "a kernel of 32 bits"
g=bits$$
if lab_start_eve $g kernel=6.1-686 net=no mem=256 consoles=ttyS0; then
    seen $g
    lab_until 60 "hd inspect $g 2>&1 | grep -q '32-bit'" || fail "it is not said"
    look $g 6
    sentence 'its CPUs are in 32-bit mode; only 64-bit kernels are understood'
    lab_stop $g
else
    echo "left out: no such kernel"
fi

# ---- early ----
g=early$$
lab_start_eve $g kernel=6.1 net=no append=nokaslr || exit $?
lab_wait_up $g 90 || exit 1
seen $g
release=$(lab_ctl $g uname -r)
symbol() { lab_ctl $g "cat /proc/kallsyms" | awk -v n="$1" '$3 == n { print $1; exit }'; }
late=$(symbol crash_save_vmcoreinfo_init)
first=$(symbol start_kernel)
if [ -z "$late" ] || [ -z "$first" ]; then fail "the kernel does not name what is early"; exit 1; fi
gdb_open $g || { fail "no debugger's port"; exit 1; }

begin "the kernel unpacks itself"
stop_at $g 100000
look $g 6
sentence 'no kernel yet: its CPUs are in (real mode|protected mode without paging)'
stop_at $g 100200
look $g 6
sentence 'no kernel yet: its CPUs are in long mode at low addresses'

begin "the first function"
stop_at $g "$first"
look $g 5
rows 'of("kernel")[0].release == "'"$release"'"'
rows 'of("cpu") | any(.at // "" | startswith("start_kernel+"))'
grep -q '^ RIP: start_kernel+' "$work/text" || { fail "the text does not name it"; shown; }

begin "hung before VMCOREINFO"
if hang_at $g "$late"; then
    look $g 5
    rows 'of("cpu") | any((.at // "" | startswith("crash_save_vmcoreinfo_init+")) and .pid == 1 and (s(.stack) | test("do_one_initcall.*kernel_init")))'
    rows 'of("lacks") | any(.what == "vmcoreinfo")'
    rows 'of("dmesg") | any(.text | startswith("Linux version "))'
    rows 'of("task") | any(.comm == "kthreadd")'
    grep -q '^ RIP: crash_save_vmcoreinfo_init+' "$work/text" || { fail "the text does not name it"; shown; }
    hd inspect $g --samples 2 --apart 2s cpus --json >"$work/rows"
    rows 'of("moved") | any(.what == "vcpu" and .pc == false)'
fi
lab_stop $g

# ---- pages that are still on the other host ----
begin "post-copy"
g=post$$
lab_start_eve $g kernel=6.1 net=no || exit $?
lab_wait_up $g 90 || exit 1
lab_start_eve "to$g" kernel=6.1 net=no start=no standin=no args="-incoming unix:$work/mig" || exit 1
seen "to$g"
caps='{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"postcopy-ram","state":true}]}}'
if lab_qmp "to$g" "$caps" >/dev/null && lab_qmp $g "$caps" >/dev/null; then
    lab_ctl $g 'dd if=/dev/zero of=/tmp/a bs=1M count=100 2>/dev/null; while :; do dd if=/dev/urandom of=/tmp/a conv=notrunc bs=1M count=100 2>/dev/null; done & sleep 1' >/dev/null
    lab_qmp $g '{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":2000000,"max-postcopy-bandwidth":2000000}}' \
        "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"unix:$work/mig\"}}" >/dev/null
    lab_until 20 "lab_qmp $g query-migrate | grep -q '\"status\": \"active\"'" || fail "it does not begin: $(lab_qmp $g query-migrate)"
    lab_qmp $g migrate-start-postcopy >/dev/null
    lab_until 30 "lab_qmp to$g query-status | grep -q '\"status\": \"running\"'" || fail "it does not go over: $(lab_qmp "to$g" query-status)"
    kill -STOP "$(lab_pid guest.$g)"
    SECONDS=0
    look "to$g" '5|6' cpus tasks system
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
