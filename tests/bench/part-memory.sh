# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# Budgets: private dirty memory of all processes, and CPU when nothing happens (a check of each guest
# every 30 s, a line of log per second, written to disk).

memory() { # N MIB PERCENT
    local n=$1 cpus='' i
    fakes_start "$n" 80
    hd_config "{\"kind\":\"rundir\",\"root\":\"$work/r\",\"console-mode\":\"hold\"}"
    hd_scenario 30s 10s 5s
    hd_start
    fakes_connected "$n" 20000
    sleep 4
    for i in 1 2 3; do
        quiet_window 5 -o $HD -q $FAKES
        cpus="$cpus $(calc "100 * $exact / $wall" 2)"
    done
    hd_stop
    fakes_stop
    rm -rf "$work/scenarios"
    promise "memory" "$n guests: $(calc "$dirty / 1024" 1) MiB private dirty" "$(calc "$dirty / 1024")" "<" "$2"
    cpu=$(tr ' ' '\n' <<<"$cpus" | grep . | median)
    promise "idle CPU" "$n guests: $cpu % of a core" "$cpu" "<" "$3"
}
memory 10 8 0.5
memory 1000 64 5
