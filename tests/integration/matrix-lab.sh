#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154,SC2016
#
# matrix-lab.sh [KERNEL]... - each kernel of the lab, dead in each way: what hangdog inspect says of it names who
# did it, in rows and in text. Kernels: 6.1 6.12 6.1-arm64 5.10 6.1-rt new (those of tests/lab/fetch); MATRIX_KERNELS
# says the same; MATRIX_CASES: only those functions below, on the first. make lab-matrix runs it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
for t in jq qemu-nbd; do command -v $t >/dev/null || { echo "matrix-lab: skipped: no $t" >&2; exit 77; }; done
bed_lab

failed=0 at='' arch='' nbd=''
# A server that is stopped does not end by itself.
trap 'rc=$?; [ -z "$nbd" ] || kill -KILL "$nbd" 2>/dev/null; (exit $rc); bed_finish' EXIT
fail() { echo "FAIL: $at: $*"; failed=1; }
hd() { timeout 100 "$build/hangdog" "$@"; }
# look WHAT SECTION... - both kinds of it: $work/rows and $work/text. WHAT is a guest or a core.
look() {
    local rc
    hd inspect "$@" --json >"$work/rows" 2>"$work/err"
    rc=$?
    [ $rc = 0 ] || [ $rc = 3 ] || [ $rc = 5 ] || fail "inspect $*: exit code $rc: $(tail -n 2 "$work/err" "$work/rows")"
    hd inspect "$@" >"$work/text" 2>&1
}
# rows FILTER - jq's, over all rows as $r; s(ID): the frames of a stack as one line.
asks() {
    jq -e -s "map(select(type == \"object\")) as \$r | def s(\$id): [\$r[] | select(.row == \"stack\" and .id == \$id) | .frames[]] | join(\" \");
        def of(\$row): \$r | map(select(.row == \$row)); $1" "$work/rows" >/dev/null 2>&1
}
rows() { asks "$1" || { fail "not so: $1"; shown; }; }
says() { grep -Eq -- "$1" "$work/text" || { fail "'$1' is not said"; shown; }; }
shown() { # once a case: what there was
    [ "$at" != "${shown_at:-}" ] || return
    shown_at=$at
    jq -c 'select(.row as $x | ["dmesg", "module", "mem", "timers", "zone", "net", "kernel"] | index($x) | not)' "$work/rows" |
        grep -E 'zoo|labd|dd|"row":"(guest|cpu|lock|deadlock|system|disk|request|moved|lacks|end)"' | cut -c1-500 | head -n 40
    grep -E 'zoo|labd|CPU|vda|DEADLOCK|held by|moved|RIP|PC:' "$work/text" | head -n 30
}
until_rows() { # SECONDS FILTER SECTION...
    local n=0 max=$(($1 * 2)) filter=$2
    shift 2
    until look "$guest" "$@" && asks "$filter"; do
        [ $n -lt $max ] || { fail "not so in time: $filter"; shown; return 1; }
        n=$((n + 1))
        sleep 0.5
    done
}
begin() { at="$kernel: $*"; echo "$at"; }
again() { # the guest begins anew, in the same QEMU
    lab_qmp "$guest" system_reset >/dev/null
    lab_wait_up "$guest" 90 || { fail "it does not come up again"; return 1; }
}
fault() { lab_ctl "$guest" lab-fault "$@" || fail "the fault $* is not to be had: $?"; }

# ---- the ways to be dead ----

healthy() {
    begin "well"
    look "$guest"
    rows 'of("kernel") | length == 1 and .[0].release == "'"$release"'" and .[0].arch == "'"$arch"'"'
    rows 'of("task") | map(.comm) | (index("kthreadd") != null) and (index("labd") != null)'
    # Of all who sleep the way to the end is found; one is being made or dying now and then.
    rows 'of("stack") | (map(select(.end == "lost" or .end == "cut")) | length) * 10 <= length'
    rows 'of("dmesg") | any(.text | startswith("Linux version "))'
    says "^kernel=${release//./\\.} arch=$arch vcpus=2 "
}

deadlock() {
    begin "deadlock"
    fault abba
    until_rows 20 'of("deadlock") | length == 1' tasks locks || return
    rows 'of("deadlock")[0].tasks | map(.comm) | sort == ["zoo_abba_first", "zoo_abba_secnd"]'
    rows 'of("lock") | map(select(.owner.comm // "" | startswith("zoo_abba"))) | length == 2'
    rows 'of("task") | map(select(.comm | startswith("zoo_abba"))) | length == 2 and all(s(.stack) | test("zoo_abba_(first|second)\\+.* \\[zoo\\]"))'
    says '^DEADLOCK: zoo_abba_.* waits for zoo_abba_.* waits for the first'
    # Only tables with data in them say which.
    asks 'of("kernel")[0].tables.data_symbols' && says '^(rt)?mutex zoo_mutex_[ab].*\[zoo\]: held by zoo_abba'
}

# The same kernel as one that names only its code and carries no types, in a core.
plain() { # WHAT FILTER PATTERN
    case $kernel in 6.1 | 6.12) ;; *) return ;; esac
    begin "$1, without types and names of data"
    rm -f "$work/core"
    hd core "$guest" -o "$work/core" >"$work/err" 2>&1 || { fail "no core: $(cat "$work/err")"; return; }
    "$build/tests/lib/plain-core" "$work/core" >"$work/err" 2>&1 || { fail "$(cat "$work/err")"; return; }
    look "$work/core"
    rows 'of("kernel")[0].tables | (.data_symbols | not) and .unwinder and .symbols > 30000'
    rows 'of("lacks") | any(.what == "types")'
    rows "$2"
    says "$3"
}

# A task in D that goes on, and one that does not, by two looks.
slow_and_stuck() {
    begin "slow"
    lab_throttle_to "$guest" 131072
    fault disk-wait
    lab_until 20 "lab_ctl $guest 'ps' | grep -q direct-read"
    until_rows 20 'of("moved") | any(.what == "requests" and .answered > 0 and .same == 0)' --samples 2 --apart 3s tasks io || return
    rows 'of("moved") | any(.what == "task" and .comm == "labd" and .switches > 0)'
    rows 'of("moved") | all((.what != "task") or (.comm != "labd") or ((.stuck // false) | not))'
    says '^moved in .*: requests? .*answered'
    lab_throttle_to "$guest" 0
}

storage() {
    begin "dead storage"
    lab_ctl "$guest" ps | grep -q direct-read || fault disk-wait
    kill -STOP "$nbd"
    until_rows 20 'of("moved") | any(.what == "request" and .stuck)' --samples 2 --apart 2s tasks io || return
    rows 'of("moved") | any(.what == "task" and .comm == "labd" and .stuck)'
    says '^moved in .*: request vda queue .* STUCK'
    says '^moved in .*: task labd.*STUCK'
    rows 'of("request") | any(.disk == "vda" and .op == "read" and .age_s > 1)'
    rows 'of("task") | any(.comm == "labd" and (.state | startswith("D")) and (s(.stack) | test("io_schedule|blkdev_direct_IO|blkdev_read_iter")))'

    begin "dead storage, and QEMU's main loop waits for it"
    # It drains what is in flight before it stops.
    lab_spawn "stop.$guest" /dev/null "$LAB_TOOL" qmp "$(lab_get "$guest" labqmp)" 200 stop
    until_rows 20 'of("guest") | any(.registers == false and .registers_why != null)' tasks io || return
    rows 'of("request") | any(.disk == "vda" and .op == "read" and .age_s > 2)'
    rows 'of("task") | any(.comm == "labd" and (.state | startswith("D")))'
    says '^no registers: '
    says '^  vda queue .* read .*since '
    kill -CONT "$nbd"
    lab_until 30 "! lab_pid 'stop.$guest' >/dev/null"
    lab_qmp "$guest" cont >/dev/null || fail "it does not go on"
}

irqs_off() {
    begin "no CPU takes interrupts"
    fault irqoff-all
    until_rows 20 'of("cpu") | map(select(.irqs_off and (.at // "" | test("^zoo_hardlockup\\+.*\\[zoo\\]")))) | length == 2' cpus || return
    rows 'of("cpu") | map(.comm) | sort == ["zoo_irqoff", "zoo_irqoff"]'
    says '^vCPU [01].*zoo_irqoff.*in kernel mode, interrupts OFF'
    says '^ (RIP|PC): zoo_hardlockup\+.*\[zoo\]'
    look "$guest" --samples 2 --apart 3s cpus system
    rows 'of("moved") | map(select(.what == "cpu" and .clock == false)) | length == 2'
    plain "no CPU takes interrupts" 'of("cpu") | map(select(.irqs_off and (.at | test("^zoo_hardlockup\\+.*\\[zoo\\]")))) | length == 2' \
        '^ RIP: zoo_hardlockup\+.*\[zoo\]'
}

ipi() {
    begin "one CPU is off, the other waits for its answer"
    fault zoo ipi 0 1
    until_rows 20 'of("cpu") | any(.waits_for_cpus == [1])' cpus || return
    rows 'of("cpu") | any(.cpu == 1 and .irqs_off and .comm == "zoo_ipi_off" and (.at | test("^zoo_ipi_off\\+.*\\[zoo\\]")))'
    rows 'of("cpu") | any(.cpu == 0 and .comm == "zoo_ipi_wait" and (s(.stack) | test("smp_call_function_single.* zoo_ipi_wait\\+.*\\[zoo\\]")))'
    says '^ waits for an answer of the CPUs .*1'
}

panicked() {
    local who=zoo_panic
    begin "panic"
    if [ "$zoo" = yes ]; then fault zoo-panic; else fault panic; who=sysrq_handle_crash; fi
    until_rows 20 'of("system") | any(.panicked)' cpus system dmesg || return
    rows 'of("system")[0].panic_cpu as $c | of("cpu") | any(.cpu == $c and (s(.stack) | test("'$who'")))'
    rows 'of("dmesg") | any(.text | startswith("Kernel panic - not syncing: "))'
    says "PANICKED on CPU [01]"
    says "^  \\??.*$who\\+"
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
        args="-drive file=nbd+unix:///?socket=$work/nbd,format=raw,if=none,id=d -device virtio-blk-pci,id=virtio-disk0,drive=d" || { fail "no guest"; return; }
    lab_wait_up "$guest" 120 || { fail "it does not come up"; return; }
    release=$(lab_ctl "$guest" uname -r)
    lab_ctl "$guest" test -e /lib/lab/zoo.ko && zoo=yes
    lab_until 15 "hd list 2>/dev/null | grep -q '$guest'" || { fail "it is not seen"; return; }
    echo "$kernel: $release, $arch, zoo=$zoo"
    [ -z "${MATRIX_CASES:-}" ] || { for c in $MATRIX_CASES; do $c; done; return; }
    healthy
    if [ $zoo = yes ]; then
        deadlock
        plain deadlock 'of("deadlock") | length == 1 and (.[0].tasks | map(.comm) | sort == ["zoo_abba_first", "zoo_abba_secnd"])' '^DEADLOCK: zoo_abba_'
    fi
    slow_and_stuck
    storage
    if [ $zoo = yes ]; then
        ipi
        again && irqs_off
        again
    fi
    panicked
}

cat >"$work/config.json" <<EOJ
{"schema": "hangdog/config/1", "sources": [{"kind": "rundir", "root": "$LAB_RUN/hypervisor/kvm", "eve": "$LAB_RUN"}]}
EOJ
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
mkdir -p "$LAB_RUN/hypervisor/kvm"
"$build/hangdog" --config "$work/config.json" daemon 2>"$work/log" &
daemon=$!
lab_until 15 "test -S '$work/run/control'" || exit 1
[ $# -gt 0 ] || IFS=' ' read -r -a list <<<"${MATRIX_KERNELS:-6.1 6.12 6.1-arm64 5.10 6.1-rt new}"
for k in "${list[@]:-$@}"; do
    case $k in *-arm64) command -v qemu-system-aarch64 >/dev/null || { echo "$k: left out: no qemu-system-aarch64"; continue; } ;; esac
    one "$k"
    [ -z "$nbd" ] || { kill -CONT "$nbd"; lab_stop "$guest"; kill "$nbd"; wait "$nbd"; } 2>/dev/null
    nbd=''
    rm -f "$work/nbd"
done
exit $failed
