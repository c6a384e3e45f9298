#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# bench.sh [PART]... - figures beside peers, measured in the same run; docs/bench.md tells how to read
# them. One line per figure; exit 1 when a promise is broken. Parts: h1 h2 h3 h4 h5 h6 h7 mem soak text
# inspect beat scenarios redact peaks (all).
# h3 is measured with h1, h7 with h2.
#
# A peer or a right that is missing is said, and its figure left out. BENCH_VERBOSE=1 shows each window.

set -u
export LC_ALL=C
src=${HANGDOG_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${HANGDOG_BUILD:-$PWD}
bench=$build/tests/bench
dir=$src/tests/bench
broken=0
HD='' FAKES='' PEER='' GREETER=''

work=$(mktemp -d /tmp/hb.XXXXXX) || exit 1
chmod 711 "$work"
finish() {
    local rc=$?
    trap '' INT TERM
    hd_stop
    peer_stop
    fakes_stop
    if declare -F greeter_stop >/dev/null; then greeter_stop; fi
    if declare -F lab_stop_all >/dev/null; then lab_stop_all; fi
    if mountpoint -q "$work/full" 2>/dev/null; then umount "$work/full"; fi
    rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
    exit "$rc"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- arithmetic and words ----

calc() { awk "BEGIN { printf \"%.${2:-3}f\", ($1) }"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
note() { if [ "${BENCH_VERBOSE:-0}" = 1 ]; then echo "   $*" >&2; fi; }
have() { command -v "$1" >/dev/null && return 0; echo "$2: $1 is not installed: left out (packaging/install-deps bench)"; return 1; }
has() { tr ',' ' ' <<<"$parts" | grep -qw "$1"; }

# promise WHAT TEXT VALUE OP LIMIT
promise() {
    local word=held
    awk "BEGIN { exit !(($3) $4 ($5)) }" || { word=BROKEN; broken=1; }
    echo "$1: $2 (promise $4 $5: $word)"
}

# The same for what a busy machine spoils: with more than half a core of others' work in the middle of the
# windows it is told, but neither held nor broken.
promise_quiet() {
    local others
    others=$(median <"$work/noise")
    if awk "BEGIN { exit !($others > 0.5) }"; then
        echo "$1: $2 (promise $4 $5: NOT JUDGED, others used $others cores)"
    else
        promise "$@"
    fi
}

# ---- hangdog ----

hd() { "$build/hangdog" --config "$work/config.json" "$@"; }
# config SOURCE... - JSON of the sources
hd_config() {
    local IFS=,
    mkdir -p "$work/scenarios"
    echo "{\"schema\":\"hangdog/config/1\",\"sources\":[$*],\"scenarios\":[\"$work/scenarios\"]}" >"$work/config.json"
}
# scenario INTERVAL TIMEOUT RETRY - uptime over the console, on every guest of a run directory
hd_scenario() {
    mkdir -p "$work/scenarios"
    cat >"$work/scenarios/uptime.json" <<EOJ
{"schema": "hangdog/scenario/1", "name": "uptime", "kind": "console-command", "select": {"name": "fake*"},
 "transports": ["console"], "interval": "$1", "timeout": "$2", "initial-delay": "0s", "retry-interval": "$3",
 "failure-threshold": 2, "success-threshold": 1, "command": "uptime", "expect": {"output": "load average"}}
EOJ
}
hd_start() {
    export HANGDOG_RUN=$work/run HANGDOG_STATE=${1:-$work/state} HANGDOG_LIBEXEC=$build
    # A stale control socket would have `status` do the work itself, in the place of the daemon.
    rm -rf "$work/state" "$work/run"
    "$build/hangdog" --config "$work/config.json" daemon 2>"$work/hangdog.log" 8>&- 9<&- &
    HD=$!
}
hd_stop() {
    [ -n "$HD" ] || return 0
    kill "$HD" 2>/dev/null
    wait "$HD" 2>/dev/null
    HD=''
}
peer_stop() {
    local kids
    [ -n "$PEER" ] || return 0
    # conserver's children may outlive it.
    kids=$(ps -o pid= --ppid "$PEER")
    # shellcheck disable=SC2086
    kill "$PEER" $kids 2>/dev/null
    wait "$PEER" 2>/dev/null
    PEER=''
}

# ---- fake guests ----

fakes_start() { # N RATE [OPTION]...
    local n=$1 rate=$2 ready
    shift 2
    rm -rf "$work/r" "$work/to" "$work/from"
    mkdir -p "$work/r"
    mkfifo "$work/to" "$work/from"
    "$build/tests/fakes/fake-rundir" -n "$n" -r "$rate" "$@" "$work/r" <"$work/to" >"$work/from" &
    FAKES=$!
    exec 8>"$work/to" 9<"$work/from"
    read -r -t 60 ready <&9 || { echo "bench: the fake guests did not start" >&2; exit 1; }
}
fakes_tell() { echo "$*" >&8; }
fakes_ask() { echo "$*" >&8; read -r -t 90 said <&9; }
fakes_stop() {
    [ -n "$FAKES" ] || return 0
    exec 8>&-
    wait "$FAKES" 2>/dev/null
    exec 9<&-
    FAKES=''
}
# fakes_connected N MS - sets nconnected and took (ms)
fakes_connected() {
    fakes_ask "connected $1 $2"
    read -r _ nconnected took <<<"$said"
}
stat_of() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$said"; }

# ---- windows ----

# quiet_window SECONDS OPTION... - the same, at a time at which others leave the machine alone: once more
# when they used more than a third of a core. There are so many tries in all, for an evening has its end.
tries=8
quiet_window() {
    local best='' line f least=99
    while :; do
        line=$("$bench/window" "$@") || exit 1
        f=$(sed 's/.*wall=\([0-9.]*\).*foreign=\([0-9.]*\).*/\2 \1/' <<<"$line" | awk '{ printf "%.3f", $1 / $2 }')
        if awk "BEGIN { exit !($f < $least) }"; then least=$f best=$line; fi
        if [ "$tries" -le 0 ] || awk "BEGIN { exit !($f < 0.33) }"; then break; fi
        tries=$((tries - 1))
    done
    echo "$least" >>"$work/noise"
    note "$best"
    eval "$best"
}
# window SECONDS OPTION... - sets wall busy kernel ours set foreign pss dirty
window() {
    local line
    line=$("$bench/window" "$@") || exit 1
    note "$line"
    eval "$line"
}

for p in "${@:-all}"; do parts=${parts-}${parts+,}$p; done
if [ "$parts" = all ] || [ -z "$parts" ]; then parts=h1,h2,h3,h4,h5,h6,h7,mem,soak,text,inspect,beat,scenarios,redact,peaks; fi
for p in $(tr ',' ' ' <<<"$parts"); do
    case $p in h[1-7]|mem|soak|text|inspect|beat|scenarios|redact|peaks) ;; *) echo "bench: there is no part $p: h1 ... h7, mem, soak, text, inspect, beat, scenarios, redact, peaks" >&2; exit 2 ;; esac
done
began=$SECONDS
if has h1 || has h3; then . "$dir/part-flood.sh"; fi
if has h2 || has h7; then . "$dir/part-quiet.sh"; fi
if has h4; then . "$dir/part-verdict.sh"; fi
if has h5 || has h6; then . "$dir/part-dialogue.sh"; fi
if has mem; then . "$dir/part-memory.sh"; fi
if has soak; then . "$dir/part-soak.sh"; fi
if has text; then . "$dir/part-text.sh"; fi
if has inspect; then . "$dir/part-inspect.sh"; fi
if has beat; then . "$dir/part-beat.sh"; fi
if has scenarios; then . "$dir/part-scenarios.sh"; fi
if has redact; then . "$dir/part-redact.sh"; fi
if has peaks; then . "$dir/part-peaks.sh"; fi
noise=
if [ -s "$work/noise" ]; then noise=", others used $(median <"$work/noise") cores in the middle of the windows"; fi
echo "bench: $((SECONDS - began)) s$noise, load $(cut -d' ' -f1 /proc/loadavg), $(nproc) CPUs"
exit "$broken"
