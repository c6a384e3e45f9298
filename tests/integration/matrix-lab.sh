#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154,SC2016,SC2015,SC2034,SC2086
#
# matrix-lab.sh [KERNEL]... - each kernel of the lab, dead in each way: what hangdog inspect says of it names who
# did it, in rows and in text. Kernels: 6.1 6.12 6.1-arm64 5.10 6.1-rt new (those of tests/lab/fetch); MATRIX_KERNELS
# says the same; MATRIX_CASES: only those functions below, on the first. make lab-matrix runs it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/looks.sh"
bed_needs jq qemu-nbd
bed_lab

arch='' nbd=''
# A server that is stopped does not end by itself.
trap 'rc=$?; [ -z "$nbd" ] || kill -KILL "$nbd" 2>/dev/null; (exit $rc); bed_finish' EXIT
again() { # the guest begins anew, in the same QEMU
    lab_qmp "$guest" system_reset >/dev/null
    lab_wait_up "$guest" 90 || { fail "it does not come up again"; return 1; }
}
fault() { lab_ctl "$guest" lab-fault "$@" || fail "the fault $* is not to be had: $?"; }

# blames PATTERN - what is told first of all, to people and to programs.
blames() {
    until_rows 60 "of(\"finding\") | any(.text | test(\"$1\"))" "$guest" || return
    [ "$look_code" = 3 ] || fail "exit code $look_code of a dead guest"
    tr -s '\n ' ' ' <"$work/text" | grep -Eq -- "$1" || { fail "'$1' is not said"; shown; }
}

# ---- the ways to be dead ----

healthy() {
    begin "$kernel: well"
    look "$guest"
    rows 'of("kernel") | length == 1 and .[0].release == "'"$release"'" and .[0].arch == "'"$arch"'"'
    rows 'of("task") | map(.comm) | (index("kthreadd") != null) and (index("labd") != null)'
    # Of all who sleep the way to the end is found; one is being made or dying now and then.
    rows 'of("stack") | (map(select(.end == "lost" or .end == "cut")) | length) * 10 <= length'
    rows 'of("dmesg") | any(.text | startswith("Linux version "))'
    said "^kernel=${release//[.+]/.} arch=$arch vcpus=2 "
    # Nothing that a machine under load does not have, too.
    until_rows 60 'of("finding") | all(.weight == "note" or .weight == "degraded")' "$guest"
}

deadlock() {
    begin "$kernel: deadlock"
    fault abba
    until_rows 60 'of("deadlock") | length == 1' "$guest" tasks locks || return
    rows 'of("deadlock")[0].tasks | map(.comm) | sort == ["zoo_abba_first", "zoo_abba_secnd"]'
    rows 'of("lock") | map(select(.owner.comm // "" | startswith("zoo_abba"))) | length == 2'
    rows 'of("task") | map(select(.comm | startswith("zoo_abba"))) | length == 2 and all(s(.stack) | test("zoo_abba_(first|second)\\+.* \\[zoo\\]"))'
    said '^DEADLOCK: zoo_abba_.* waits for zoo_abba_.* waits for the first'
    # Only tables with data in them say which.
    blames 'DEADLOCK: zoo_abba'
    ! asks 'of("kernel")[0].tables.data_symbols' || said '^(rt)?mutex zoo_mutex_[ab].*\[zoo\]: held by zoo_abba'
}

# The same kernel as one that names only its code and carries no types, in a core.
plain() { # WHAT FILTER PATTERN
    case $kernel in 6.1 | 6.12) ;; *) return ;; esac
    begin "$kernel: $1, without types and names of data"
    rm -f "$work/core"
    hd core "$guest" -o "$work/core" >"$work/err" 2>&1 || { fail "no core: $(cat "$work/err")"; return; }
    "$build/tests/lib/plain-core" "$work/core" >"$work/err" 2>&1 || { fail "$(cat "$work/err")"; return; }
    look "$work/core"
    rows 'of("kernel")[0].tables | (.data_symbols | not) and .unwinder and .symbols > 30000'
    rows 'of("lacks") | any(.what == "types")'
    rows "$2"
    said "$3"
}

# A task in D that goes on, and one that does not, by two looks.
slow_and_stuck() {
    begin "$kernel: slow"
    lab_throttle_to "$guest" 131072
    fault disk-wait
    lab_until 20 "lab_ctl $guest 'ps' | grep -q direct-read"
    until_rows 60 'of("moved") | any(.what == "requests" and .answered > 0 and .same == 0)' "$guest" --samples 2 --apart 3s tasks io || return
    rows 'of("moved") | any(.what == "task" and .comm == "labd" and .switches > 0)'
    rows 'of("moved") | all((.what != "task") or (.comm != "labd") or ((.stuck // false) | not))'
    # Between two requests there is none.
    lab_until 60 "hd inspect '$guest' --samples 2 --apart 2s tasks io | grep -Eq '^moved in .*: requests? .*answered'" || fail "the text does not say that requests are answered"
}

storage() {
    begin "$kernel: dead storage"
    lab_ctl "$guest" ps | grep -q direct-read || fault disk-wait
    kill -STOP "$nbd"
    until_rows 60 'of("moved") | any(.what == "request" and .stuck)' "$guest" --samples 2 --apart 2s tasks io || return
    rows 'of("moved") | any(.what == "task" and .comm == "labd" and .stuck)'
    said '^moved in .*: request vda queue .* STUCK'
    said '^moved in .*: task labd.*STUCK'
    rows 'of("request") | any(.disk == "vda" and .op == "read" and .age_s > 1)'
    rows 'of("task") | any(.comm == "labd" and (.state | startswith("D")) and (s(.stack) | test("io_schedule|blkdev_direct_IO|blkdev_read_iter")))'

    begin "$kernel: dead storage, and QEMU's main loop waits for it"
    # It drains what is in flight before it stops.
    lab_spawn "stop.$guest" /dev/null "$LAB_TOOL" qmp "$(lab_get "$guest" labqmp)" 200 stop
    until_rows 60 'of("guest") | any(.registers == false and .registers_why != null)' "$guest" tasks io || return
    rows 'of("request") | any(.disk == "vda" and .op == "read" and .age_s > 2)'
    rows 'of("task") | any(.comm == "labd" and (.state | startswith("D")))'
    said '^no registers: '
    said '^  vda queue .* read .*since '
    blames 'disk vda: .* without an answer'
}
disk_flows() { # again, whatever came before
    kill -CONT "$nbd"
    lab_throttle_to "$guest" 0
    lab_until 60 "! lab_pid 'stop.$guest' >/dev/null"
    lab_qmp "$guest" cont >/dev/null || fail "it does not go on"
}

irqs_off() {
    begin "$kernel: no CPU takes interrupts"
    fault irqoff-all
    until_rows 60 'of("cpu") | map(select(.irqs_off and (.at // "" | test("^zoo_hardlockup\\+.*\\[zoo\\]")))) | length == 2' "$guest" cpus || return
    rows 'of("cpu") | map(.comm) | sort == ["zoo_irqoff", "zoo_irqoff"]'
    said '^vCPU [01].*zoo_irqoff.*in kernel mode, interrupts OFF'
    said '^ (RIP|PC): zoo_hardlockup\+.*\[zoo\]'
    look "$guest" --samples 2 --apart 3s cpus system
    rows 'of("moved") | map(select(.what == "cpu" and .clock == false)) | length == 2'
    blames 'CPU [01] takes no interrupts: zoo_irqoff|all 2 CPUs have interrupts off: zoo_irqoff'
    plain "no CPU takes interrupts" 'of("cpu") | map(select(.irqs_off and (.at | test("^zoo_hardlockup\\+.*\\[zoo\\]")))) | length == 2' \
        '^ RIP: zoo_hardlockup\+.*\[zoo\]'
}

ipi() {
    begin "$kernel: one CPU is off, the other waits for its answer"
    fault zoo ipi 0 1
    until_rows 60 'of("cpu") | any(.waits_for_cpus == [1])' "$guest" cpus || return
    rows 'of("cpu") | any(.cpu == 1 and .irqs_off and .comm == "zoo_ipi_off" and (.at | test("^zoo_ipi_off\\+.*\\[zoo\\]")))'
    rows 'of("cpu") | any(.cpu == 0 and .comm == "zoo_ipi_wait" and (s(.stack) | test("smp_call_function_single.* zoo_ipi_wait\\+.*\\[zoo\\]")))'
    blames 'CPU 1 takes no interrupts: zoo_ipi_off .*CPU 0, zoo_ipi_wait .*waits for its answer'
    said '^ waits for an answer of the CPUs .*1'
}

panicked() {
    local who=zoo_panic
    begin "$kernel: panic"
    if [ "$zoo" = yes ]; then fault zoo-panic; else fault panic; who=sysrq_handle_crash; fi
    # Registers are read before memory is: they may be of the moment before.
    until_rows 60 'of("system")[0] | .panicked and (.panic_cpu as $c | $r | any(.row == "cpu" and .cpu == $c and (s(.stack) | test("'$who'"))))' "$guest" cpus system dmesg || return
    rows 'of("dmesg") | any(.text | startswith("Kernel panic - not syncing: "))'
    blames 'KERNEL PANIC on CPU [01]: '
    said "PANICKED on CPU [01]"
    said "^  \\??.*$who\\+"
}

# ---- a guest with a disk behind a server of its own ----

lab_throttle_to() {
    lab_qmp "$1" "{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"/machine/peripheral/virtio-disk0/virtio-backend\",\"bps\":$2,\"bps_rd\":0,\"bps_wr\":0,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0}}" >/dev/null ||
        fail "no throttle"
}

one() {
    kernel=$1 zoo=no arch=x86-64
    case $kernel in *-arm64) arch=arm64 ;; esac
    guest=m${kernel//[.-]/}-$$
    truncate -s 64M "$work/disk"
    qemu-nbd -f raw -k "$work/nbd" --persistent --shared=2 "$work/disk" 2>"$work/nbd.log" &
    nbd=$!
    lab_until 15 "test -S '$work/nbd'" || { echo "FAIL: no qemu-nbd: $(cat "$work/nbd.log")"; failed=1; return; }
    at=$kernel
    lab_start_eve "$guest" kernel="$kernel" mem=256 profile=shell \
        args="-drive file=nbd+unix:///?socket=$work/nbd,format=raw,if=none,id=d -device virtio-blk-pci,id=virtio-disk0,drive=d"
    case $? in 0) ;; 77) echo "$kernel: left out"; return ;; *) fail "no guest"; return ;; esac
    lab_wait_up "$guest" 120 || { fail "it does not come up"; return; }
    release=$(lab_ctl "$guest" uname -r)
    lab_ctl "$guest" test -e /lib/lab/zoo.ko && zoo=yes
    bed_seen "$guest"
    echo "$kernel: $release, $arch, zoo=$zoo"
    [ -z "${MATRIX_CASES:-}" ] || { for c in $MATRIX_CASES; do $c; done; return; }
    healthy
    if [ $zoo = yes ]; then
        deadlock
        plain deadlock 'of("deadlock") | length == 1 and (.[0].tasks | map(.comm) | sort == ["zoo_abba_first", "zoo_abba_secnd"])' '^DEADLOCK: zoo_abba_'
    fi
    slow_and_stuck
    disk_flows
    storage
    disk_flows
    if [ $zoo = yes ]; then
        ipi
        again && irqs_off
        again
    fi
    panicked
}

bed_config
bed_daemon
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- ${MATRIX_KERNELS:-6.1 6.12 6.1-arm64 5.10 6.1-rt new}
for k; do
    one "$k"
    [ -z "$nbd" ] || { kill -CONT "$nbd"; lab_stop "$guest"; kill "$nbd"; wait "$nbd"; } 2>/dev/null
    nbd=''
    rm -f "$work/nbd"
done
exit $failed
