# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# 1,000 consoles at 50 KB/s each for a minute, through the whole daemon: nothing lost where consoles are
# read, no guest held up, memory flat. What the disk could not take is counted.

N=1000 SOAK=${BENCH_SOAK_SECONDS:-60}
sum_of() { # MEMBER - over all consoles
    hd status --json | awk -v k="\"$1\":" 'index($0, "\"row\":\"console\"") { i = index($0, k); s += substr($0, i + length(k)) + 0 } END { printf "%.0f\n", s }'
}
fakes_start $N 0
hd_config "{\"kind\":\"rundir\",\"root\":\"$work/r\",\"console-mode\":\"hold\"}"
hd_start
fakes_connected $N 20000
[ "$nconnected" = $N ] || echo "soak: only $nconnected of $N consoles connected"
sleep 1
taps=
for i in 0 250 500 750 999; do
    timeout $((SOAK + 60)) "$build/hangdog" --config "$work/config.json" console "fake$i" --raw </dev/null 2>"$work/tap.err$i" 8>&- 9<&- |
        "$bench/line-check" >"$work/tap$i" &
    taps="$taps $!"
done
sleep 0.5
fakes_tell "rate * 50000"
sleep 5
window 1 -o $HD -q $FAKES
early=$dirty
# The run directory is looked at again after 30 s; what that needs once is no growth.
window $((SOAK / 2)) -o $HD -q $FAKES
middle=$dirty
window $((SOAK / 2 - 10)) -o $HD -q $FAKES
rate=$(calc "100 * $ours / $wall" 0)
late=$dirty
fakes_tell "rate * 0"
sleep 2
fakes_ask stats
said_bytes=$(stat_of bytes)
blocked=$(stat_of blocked_seconds)
bytes=$(sum_of bytes)
dropped=$(sum_of log_dropped)
hd_stop
# shellcheck disable=SC2086
wait $taps
fakes_stop
lines=0 lost=0
for i in 0 250 500 750 999; do
    read -r l lo br <"$work/tap$i"
    lines=$((lines + l)) lost=$((lost + lo + br))
    if [ -s "$work/tap.err$i" ]; then note "tap $i: $(head -n 1 "$work/tap.err$i")"; fi
done
promise "soak" "$N consoles, $((said_bytes / 1000000)) MB in $SOAK s ($rate % of a core): $((said_bytes - bytes)) bytes lost where they are read" "$((said_bytes - bytes))" "<=" 0
promise "soak" "5 consoles line by line: $lost of $lines lost or broken" "$lost" "<=" 0
promise "soak" "guests blocked $blocked s" "$blocked" "<=" 0.005
promise "soak" "memory $((early / 1024)) MiB after 6 s, $((middle / 1024)) after $((SOAK / 2 + 6)), $((late / 1024)) after $((SOAK - 4)) (ratio of these $(calc "$late / $middle" 2))" "$(calc "$late / $middle")" "<=" 1.1
echo "soak: $(calc "100 * $dropped / ($said_bytes + 1)" 1) % of the bytes were counted gaps between the daemon and the disk"
