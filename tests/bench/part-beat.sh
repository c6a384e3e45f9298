# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC1091,SC2154
#
# The memory heartbeat: CPU time of one reading, by the scheduler's account, of a real guest and of many
# fake ones (memory files with the pages of a dump of it), and what it does to the guest's memory. The
# guest stands still while its pages are counted: what it takes itself is not to be seen.

beat_value() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" <<<"$2"; }

beat_bench() {
    local one=beat$$ pid line all='' i
    . "$src/tests/lab/lab.sh"
    if ! lab_init "$work/lab" || ! lab_start_eve "$one" kernel=6.1 mem=256 profile=shell || ! lab_wait_up "$one" 90; then
        echo "beat: no guest of the lab could be started: left out"
        return 0
    fi
    pid=$(lab_pid "guest.$one")
    for i in 1 2 3; do
        line=$("$bench/bench-beat" pid "$build" "$pid" 20000 2>"$work/beat.why") || { cat "$work/beat.why"; broken=1; return 0; }
        note "$line"
        all="$all $(beat_value ns "$line")"
    done
    i=$(tr ' ' '\n' <<<"$all" | grep . | median)
    promise "beat CPU" "a live guest, by its $(beat_value by "$line"): $(calc "$i / 1000" 2) us, $(beat_value reads "$line") reads" "$i" "<=" 50000
    promise "beat RSS" "20,000 beats make the guest $(beat_value growth_kib "$line") KiB larger" "$(beat_value growth_kib "$line")" "==" 0
    echo "beat facets: vcpu $(beat_value vcpu "$line"), ticks $(beat_value ticks "$line"), scheduler $(beat_value scheduler "$line")"
    lab_qmp "$one" "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$work/beat.core\"}}" >/dev/null
    all=''
    for i in 1 2 3; do
        line=$("$bench/bench-beat" core "$build" "$work/beat.core" 2000 20 2>"$work/beat.why") || { cat "$work/beat.why"; broken=1; return 0; }
        note "$line"
        all="$all $(beat_value per_second "$line")"
    done
    i=$(tr ' ' '\n' <<<"$all" | grep . | median)
    promise "beat rate" "2,000 fake guests: $i guests/s a core, $(beat_value table "$line") bytes of host memory each" "$i" ">=" 10000
    rm -f "$work/beat.core"
}
beat_bench
