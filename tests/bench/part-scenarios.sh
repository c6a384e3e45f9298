# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# Scenarios: 1,000 fake guests with five scenarios each, every 30 s: how late they begin, and what that costs
# all of hangdog. Then 50 guests, 10 of them dead, beside monit doing the same checks at the same interval: for
# hangdog how late a check begins, for monit how long a cycle of its takes, which is that late.

# A server that greets and hangs up: its CPU is not hangdog's.
greeter_start() {
    cat >"$work/greeter.py" <<'EOP'
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 0))
s.listen(512)
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    try:
        c.sendall(b"SSH-2.0-fake\r\n")
    except OSError:
        pass
    c.close()
EOP
    python3 "$work/greeter.py" >"$work/greeter.port" 2>/dev/null 8>&- 9<&- &
    GREETER=$!
    until [ -s "$work/greeter.port" ]; do sleep 0.05; done
    port=$(cat "$work/greeter.port")
}
greeter_stop() {
    [ -n "$GREETER" ] || return 0
    kill "$GREETER" 2>/dev/null
    wait "$GREETER" 2>/dev/null
    GREETER=''
}

# five INTERVAL TIMEOUT
five() {
    local all="\"select\":{\"name\":\"fake*\"},\"interval\":\"$1\",\"timeout\":\"$2\",\"initial-delay\":\"0s\",\"playbook\":\"quick\""
    mkdir -p "$work/scenarios"
    cat >"$work/scenarios/five.json" <<EOJ
{"scenarios": [
 {"name": "uptime", "kind": "console-command", $all, "command": "uptime", "expect": {"output": "load average"}},
 {"name": "load", "kind": "console-command", $all, "command": "uptime",
  "expect": {"output": "load average: (?<load>[0-9.]+)", "compare": [{"capture": "load", "op": "<", "value": 1000}]}},
 {"name": "connect", "kind": "tcp", $all, "address": "127.0.0.1:$port", "expect": {"output": "."}},
 {"name": "greets", "kind": "tcp", $all, "address": "127.0.0.1:$port", "expect": {"output": "^SSH-"}},
 {"name": "silence", "kind": "console-silence", $all, "silence": "1h"}
]}
EOJ
}
of_daemon() { hd status --json | sed -n "s/.*\"row\":\"daemon\".*\"$1\":\([0-9]*\).*/\1/p"; }
bindings_are() { [ "$(of_daemon bindings)" = "$1" ]; }
begin_five() { # N
    hd_config "{\"kind\":\"rundir\",\"root\":\"$work/r\",\"console-mode\":\"hold\"}"
    hd_start
    fakes_connected "$1" 30000
    for t in $(seq 100); do bindings_are $((5 * $1)) && return; sleep 0.1; done
    echo "scenarios: not all are bound" >&2
}
runs_of() { # MEMBER of all bindings
    hd status --json | grep '"row":"scenario"' | grep -o "\"$1\":[0-9]*" | awk -F: '{ n += $2 } END { print n + 0 }'
}

greeter_start
N=1000
fakes_start $N 80
five 30s 10s
begin_five $N
# The first interval has what every start has.
sleep 32
before=$(runs_of runs)
window 30 -o $HD -q $FAKES
ran=$(($(runs_of runs) - before))
cpu=$(calc "100 * $exact / $wall" 2)
each=$(calc "1000000 * $exact / $ran" 0)
others=$(calc "$foreign / $wall" 1)
p99=$(of_daemon late_p99_ms) late_max=$(of_daemon late_max_ms)
bad=$(($(runs_of failed) + $(runs_of skipped)))
note "$(hd dump | grep 'begun in turn')"
if [ -n "${BENCH_PERF:-}" ]; then
    # Of every process of hangdog's, by thread and symbol, for who wants to know where it goes.
    perf record -q -g -F 499 -p "$(pgrep -d, -P $HD)" -o "$work/perf.data" -- sleep 20 2>/dev/null
    perf report -i "$work/perf.data" --no-children -g none --sort comm,symbol --stdio 2>/dev/null | grep -v '^#' | grep . | head -n 60 >&2
fi
hd_stop
fakes_stop
rate=$(calc "$ran / $wall" 0)
promise "scenarios lateness" "$N guests x 5, $rate runs a second: p99 at most $p99 ms late, the latest $late_max ms, $bad failed or skipped" "$p99" "<" 250
# Of what hangdog itself has run, by the scheduler's nanoseconds: what others use meanwhile is not in it, and what
# they cost it by its caches is far less than the room that there is. So it is judged on a busy machine, too.
promise "scenarios CPU" "$N guests x 5: all of hangdog $cpu % of a core, $each us a check, consoles with a line a second included; others used $others cores" "$cpu" "<" 10

# ---- ten of fifty dead ----

fakes_start 50 0
five 5s 2s
for i in $(seq 0 9); do fakes_tell "play $((i * 5)) dead"; done
begin_five 50
before=$(runs_of runs)
window 40 -o $HD -q $FAKES
each=$(calc "1000000 * $exact / $(($(runs_of runs) - before))" 0)
p99=$(of_daemon late_p99_ms) late_max=$(of_daemon late_max_ms)
# The checks of guests that live, each with every run in its turn.
least=$(hd status --json | grep '"row":"scenario"' | grep -v -E '"guest":"fake(0|5|10|15|20|25|30|35|40|45)"' | grep -oE '"runs":[0-9]+' | cut -d: -f2 | sort -n | head -n 1)
hd_stop
text=
if have monit "scenarios monit"; then
    {
        echo "set daemon 5"
        echo "set pidfile $work/monit.pid"
        echo "set statefile $work/monit.state"
        echo "set idfile $work/monit.id"
        echo "set log $work/monit.log"
        echo "check program cycle with path \"$work/cycle\""
        echo "  if status != 0 then alert"
        for i in $(seq 0 49); do
            echo "check process fake$i with pidfile $work/r/fake$i/pid"
            for k in 1 2; do
                echo "  if failed unixsocket $work/r/fake$i/cons with send \"uptime\\r\" expect \".*load average.*\" timeout 2 seconds for 2 cycles then exec \"/bin/true\""
            done
            echo "  if failed host 127.0.0.1 port $port type tcp timeout 2 seconds then alert"
            echo "  if failed host 127.0.0.1 port $port type tcp expect \"SSH-.*\" timeout 2 seconds then alert"
        done
    } >"$work/monitrc"
    chmod 600 "$work/monitrc"
    printf '#!/bin/sh\ndate +%%s%%N >>%s\n' "$work/cycles" >"$work/cycle"
    chmod 755 "$work/cycle"
    monit -I -c "$work/monitrc" >/dev/null 2>"$work/monit.err" 8>&- 9<&- &
    PEER=$!
    for t in $(seq 140); do
        [ -f "$work/cycles" ] && [ "$(wc -l <"$work/cycles")" -ge 2 ] && break
        sleep 1
    done
    # All of its checks in each of its rounds; the programme that counts them is not in it.
    if [ "$(wc -l <"$work/cycles" 2>/dev/null || echo 0)" -ge 2 ]; then
        text="; monit $(awk -v n="$(wc -l <"$work/cycles")" '{ c += $1 } END { printf "%.0f", c / 1000 / 250 / (n - 1) }' "/proc/$PEER/task/"*/schedstat) us a check"
    fi
    cycle=$(awk 'NR > 1 { print ($1 - was) / 1000000 } { was = $1 }' "$work/cycles" 2>/dev/null | sort -n | tail -n 1)
    peer_stop
    if [ -n "$cycle" ]; then
        text+="; monit, one check after another, comes round every ${cycle%.*} ms"
    else
        text+="; monit did not come round once in 140 s"
    fi
fi
fakes_stop
greeter_stop
promise "scenarios beside the dead" "50 guests x 5 every 5 s, 10 dead: p99 at most $p99 ms late, the latest $late_max ms, who lives was asked $least times in 40 s, $each us of CPU a check$text" "$p99" "<" 250
