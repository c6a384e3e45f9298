# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC1091,SC2154,SC2016
#
# inspect: CPU time of the whole command on a real guest's core, cold (nothing is kept between two), at some
# 60 tasks and at 4,000; what of it finds the kernel and its tables, and what reads the sections. crash beside
# it where it and the kernel's debug information are.

. "$src/tests/lab/lab.sh"
rounds=${INSPECT_ROUNDS:-15}

# inspect_core NAME FILE - the core of a guest of the lab
inspect_core() {
    lab_qmp "$1" "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$2\"}}" >/dev/null
    [ -s "$2" ]
}
# cpu_ms COMMAND... - user and system time of it and its children, ms
cpu_ms() {
    local TIMEFORMAT='%3U %3S' t
    t=$({ time "$@" >/dev/null 2>"$work/inspect.err"; } 2>&1)
    awk '{ print ($1 + $2) * 1000 }' <<<"$t"
}
# field NAME FILE - a number of the last row
field() { sed -n '$s/.*"'"$1"'":\([0-9]*\).*/\1/p' "$2"; }

# inspect_figures WHAT FILE WHOLE-LIMIT DECODE-LIMIT
inspect_figures() {
    local what=$1 core=$2 tasks whole decode find peak
    export HANGDOG_LIBEXEC=$build
    "$build/hangdog" inspect "$core" --json >"$work/rows"
    tasks=$(grep -c '^{"row":"task"' "$work/rows")
    whole=$(for _ in $(seq "$rounds"); do cpu_ms "$build/hangdog" inspect "$core"; done | median)
    decode=$(for _ in $(seq "$rounds"); do
        "$build/hangdog" inspect "$core" --json >"$work/rows"
        sed -n '$s/.*"cost":{[^}]*"cpu_us":\([0-9]*\).*/\1/p' "$work/rows"
    done | median)
    find=$(sed -n '$s/.*"cost":{[^}]*"find_us":\([0-9]*\).*/\1/p' "$work/rows")
    peak=$(field peak_bytes "$work/rows")
    promise "inspect" "$what, $tasks tasks: the whole command $(calc "$whole" 1) ms" "$whole" '<=' "$3"
    promise "inspect" "$what: reading $(calc "$decode / 1000" 1) ms, of which $(calc "$find / 1000" 1) to find the kernel and its tables; $(calc "$peak / 1048576" 1) MiB" \
        "$decode / 1000" '<=' "$4"
}

# inspect_crash FILE - crash(8) on the same, where there is debug information of that kernel
inspect_crash() {
    local release vmlinux
    have crash "inspect crash" || return 0
    release=$(sed -n 's/.*"release":"\([^"]*\)".*/\1/p;q' "$work/rows")
    vmlinux=/usr/lib/debug/boot/vmlinux-$release
    [ -e "$vmlinux" ] || { echo "inspect crash: no $vmlinux (linux-image-$release-dbg): left out"; return 0; }
    printf 'ps\nforeach bt\nlog\nquit\n' >"$work/crash.in"
    echo "inspect: crash on the same: $(calc "$(cpu_ms crash -s -i "$work/crash.in" "$vmlinux" "$1")" 0) ms for ps, foreach bt, log"
}

if ! command -v qemu-system-x86_64 >/dev/null || ! lab_init "$work/lab"; then
    echo "inspect: no lab here: left out"
elif lab_start_eve ins60 kernel=6.1 mem=256 profile=shell && lab_wait_up ins60 120; then
    inspect_core ins60 "$work/core" && inspect_figures "a small guest" "$work/core" 150 60 && inspect_crash "$work/core"
    lab_stop ins60
    rm -f "$work/core"
    if lab_start_eve ins4k kernel=6.1 mem=1536 profile=shell && lab_wait_up ins4k 120; then
        lab_ctl ins4k '(i=0; while [ $i -lt 4000 ]; do sleep 100000 & i=$((i + 1)); done; wait) >/dev/null 2>&1 &' >/dev/null
        lab_until 240 "[ \"\$(lab_ctl ins4k 'ls -d /proc/[0-9]* | wc -l')\" -gt 4000 ]" || echo "inspect: the guest did not make its tasks in time"
        inspect_core ins4k "$work/core" && inspect_figures "many tasks" "$work/core" 350 200 && inspect_crash "$work/core"
        lab_stop ins4k
    fi
    rm -f "$work/core"
fi
