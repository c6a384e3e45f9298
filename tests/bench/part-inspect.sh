# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC1091,SC2034,SC2154,SC2016
#
# inspect: CPU time of the whole command on a real guest's core, cold (nothing is kept between two), at some
# 60 tasks and at 4,000; what of it finds the kernel and its tables, and what reads the sections; and what another
# look by the same parser takes. The guest stands still meanwhile. Beside it, on the same core, crash and drgn with
# the kernel's debug information (tests/lab/fetch debug: 280 MB, once): their CPU time, whether crash opens the core
# and has the same tasks, and how many frames drgn has alike.

. "$src/tests/lab/lab.sh"
rounds=${INSPECT_ROUNDS:-15}
peer_rounds=${INSPECT_PEER_ROUNDS:-3}
inspect_vmlinux='' inspect_debug=''

# cpu_ms COMMAND... - user and system time of it and its children, ms
cpu_ms() {
    local TIMEFORMAT='%3U %3S' t
    t=$({ time "$@" >"$work/inspect.out" 2>"$work/inspect.err"; } 2>&1)
    awk '{ print ($1 + $2) * 1000 }' <<<"$t"
}
# median_ms ROUNDS COMMAND...
median_ms() {
    local n=$1
    shift
    for _ in $(seq "$n"); do cpu_ms "$@"; done | median
}
# inspect_core NAME FILE [OPTION]... - hangdog's own, of a guest of the lab
inspect_core() {
    hd core "$1" -o "$2" --force "${@:3}" >"$work/inspect.out" 2>&1
    [ -s "$2" ] || { echo "inspect: no core: $(tail -n 2 "$work/inspect.out")"; broken=1; return 1; }
}
# field NAME FILE - a number of the last row
field() { sed -n '$s/.*"'"$1"'":\([0-9]*\).*/\1/p' "$2"; }

# inspect_figures WHAT FILE WHOLE-LIMIT DECODE-LIMIT
inspect_figures() {
    local what=$1 core=$2 tasks whole decode find peak
    "$build/hangdog" inspect "$core" --json >"$work/rows"
    tasks=$(grep -c '^{"row":"task"' "$work/rows")
    whole=$(median_ms "$rounds" "$build/hangdog" inspect "$core")
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

# inspect_warm WHAT NAME SECONDS LIMIT - all sections, the second look and those after it by one parser, of the guest itself
inspect_warm() {
    local us n
    timeout -s INT "$3" "$build/hangdog" --config "$work/config.json" inspect "$2" all --watch=300ms --json 2>"$work/inspect.err" |
        sed -n 's/^{"row":"sample".*"cpu_us":\([0-9]*\).*/\1/p' | tail -n +2 >"$work/warm"
    n=$(wc -l <"$work/warm")
    [ "$n" -ge 3 ] || { echo "inspect: $1: $n warm looks only: left out: $(tail -n 2 "$work/inspect.err")"; return; }
    us=$(median <"$work/warm")
    promise "inspect" "$1: once more by the same parser, $(calc "$us / 1000" 2) ms (median of $n)" "$us / 1000" '<=' "$4"
}

# inspect_debug_wanted RELEASE - debug information of exactly this kernel
inspect_debug_wanted() {
    local line
    line=$("$src/tests/lab/fetch" debug 6.1 2>"$work/inspect.err") ||
        { echo "inspect: no debug information of $1: crash and drgn left out ($(tail -n 1 "$work/inspect.err"))"; return 1; }
    read -r _ inspect_vmlinux inspect_debug <<<"$line"
}
# inspect_crash WHAT CORE - crash(8): opens it, has the same processes by walking the kernel's own list
inspect_crash() {
    local ms tasks same
    have crash "inspect crash" || return 0
    printf 'bt -a\nforeach bt\nlog\nps\nquit\n' >"$work/crash.in"
    ms=$(median_ms "$peer_rounds" timeout 300 crash -s -i "$work/crash.in" "$inspect_vmlinux" "$2")
    tasks=$(grep -cE '^[> ] +[0-9]+ +[0-9]+ +[0-9]+ +[0-9a-f]{16} ' "$work/inspect.out")
    echo "inspect: $1: crash $(crash --version | sed -n '1,3s/^crash //p' | head -n 1) with debug information: $(calc "$ms" 0) ms for bt -a, foreach bt, log, ps, which lists $tasks tasks"
    printf 'list task_struct.tasks -S task_struct.pid -h init_task\nquit\n' >"$work/crash.in"
    timeout 300 crash -s -i "$work/crash.in" "$inspect_vmlinux" "$2" >"$work/inspect.out" 2>&1
    awk '/^[0-9a-f]+$/ { at = $1 } $1 == "pid" && $3 > 0 { print $3 " 0x" at }' "$work/inspect.out" | sort >"$work/theirs"
    jq -r 'select(.row == "task" and .pid == .tgid and .pid != 0) | "\(.pid) \(.at)"' "$work/rows" | sort >"$work/ours"
    same=$(comm -12 "$work/ours" "$work/theirs" | wc -l)
    promise "inspect" "$1: crash opens hangdog's core and has $same of our $(wc -l <"$work/ours") processes, and $(wc -l <"$work/theirs") in all" \
        "$same == $(wc -l <"$work/ours") && $same == $(wc -l <"$work/theirs") && $same > 0" '==' 1
}
# inspect_drgn WHAT CORE - all tasks with stacks, and how many frames are the same. Without registers: it takes those
# of a QEMU's CPU for those of the task with that number.
inspect_drgn() {
    local ms drgn=(timeout 300 drgn -q -c "$2" -s "$inspect_vmlinux") m
    have drgn "inspect drgn" || return 0
    for m in "$inspect_debug"/*.ko; do drgn+=(-s "$m"); done
    ms=$(median_ms "$peer_rounds" "${drgn[@]}" "$dir/inspect-peer.py")
    echo "inspect: $1: $(drgn --version | cut -d' ' -f1,2) with debug information: $(calc "$ms" 0) ms for all tasks with stacks ($(wc -l <"$work/inspect.out") tasks)"
    "$build/hangdog" inspect "$2" tasks --json | jq -r -s -f "$src/tests/integration/truth.jq" >"$work/memory"
    "${drgn[@]}" "$dir/inspect-peer.py" "$work/memory" >"$work/inspect.out" 2>&1
    tail -n 1 "$work/inspect.out" | tr ' ' '\n' | grep '=' >"$work/peer" || { echo "inspect: drgn failed: $(tail -n 1 "$work/inspect.out")"; broken=1; return; }
    local stacks=0 frames=1 equal=0 tasks=0 both=0
    . "$work/peer"
    head -n -1 "$work/inspect.out" | head -n 5 | cut -c1-600
    promise "inspect" "$1: tasks that drgn and hangdog have $both of $tasks, frames of $stacks sleeping ones alike $equal of $frames ($(calc "100 * $equal / $frames" 2) %)" \
        "$equal / $frames" '>=' 0.99
}

# inspect_guest WHAT NAME WHOLE DECODE WARM - a guest of the lab that has its tasks
inspect_guest() {
    lab_qmp "$2" stop >/dev/null
    hd_start
    lab_until 20 "hd list 2>/dev/null | grep -q '$2'" || { echo "inspect: $1: the daemon does not see the guest"; broken=1; return; }
    if inspect_core "$2" "$work/core" && inspect_core "$2" "$work/core-plain" --no-registers; then
        inspect_figures "$1" "$work/core" "$3" "$4"
        inspect_warm "$1" "$2" 15 "$5"
        if inspect_debug_wanted "$(lab_get "$2" kernel)"; then
            inspect_crash "$1" "$work/core"
            inspect_drgn "$1" "$work/core-plain"
        fi
    fi
    hd_stop
    rm -f "$work/core" "$work/core-plain"
    lab_stop "$2"
}

inspect_part() {
    if ! command -v qemu-system-x86_64 >/dev/null || ! lab_init "$work/lab"; then
        echo "inspect: no lab here: left out"
        return
    fi
    hd_config "{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\"}"
    chmod 711 "$work/lab" "$LAB_DIR"
    lab_start_eve ins60 kernel=6.1 mem=256 profile=shell && lab_wait_up ins60 120 || return
    inspect_guest "a small guest" ins60 150 60 8
    lab_start_eve ins4k kernel=6.1 mem=1536 profile=shell && lab_wait_up ins4k 120 || return
    lab_ctl ins4k '(i=0; while [ $i -lt 4000 ]; do sleep 100000 & i=$((i + 1)); done; wait) >/dev/null 2>&1 &' >/dev/null
    lab_until 240 "[ \"\$(lab_ctl ins4k 'ls -d /proc/[0-9]* | wc -l')\" -gt 4000 ]" || echo "inspect: the guest did not make its tasks in time"
    inspect_guest "many tasks" ins4k 350 200 120
}
export HANGDOG_LIBEXEC=$build
inspect_part
