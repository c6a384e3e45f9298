# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# H4: how long until a guest that stops answering is called hung, while 0, 7 and 50 of 100 others are
# dead already: scenario every 2 s, 1 s to answer, two failures. monit beside it, with the same numbers and
# the same shares, on 20 guests: it asks one after another, so 100 would take longer than anybody waits.

# verdicts FIRST COUNT - guests FIRST.. stop answering together; prints the median of their times, ms
verdicts() {
    local i pids='' t0
    t0=$(date +%s%N)
    for i in $(seq "$1" $(($1 + $2 - 1))); do
        fakes_tell "play $i dead"
        ( hd wait "fake$i" --for hung --timeout 40s >/dev/null 8>&- 9<&-
          echo $((($(date +%s%N) - t0) / 1000000)) >"$work/verdict.$i" ) &
        pids="$pids $!"
    done
    # shellcheck disable=SC2086
    wait $pids
    for i in $(seq "$1" $(($1 + $2 - 1))); do cat "$work/verdict.$i"; done | median
}
# dead FIRST LAST - these stop answering, and are known to be hung before we go on
dead() {
    local i
    for i in $(seq "$1" "$2"); do fakes_tell "play $i dead"; done
    for i in $(seq "$1" "$2"); do hd wait "fake$i" --for hung --timeout 40s >/dev/null; done
}

fakes_start 100 0
hd_config "{\"kind\":\"rundir\",\"root\":\"$work/r\",\"console-mode\":\"hold\"}"
hd_scenario 2s 1s 1s
hd_start
fakes_connected 100 10000
for i in 99 98 90 50; do hd wait "fake$i" --for well --timeout 20s >/dev/null || echo "H4: fake$i was not found well"; done
t_0=$(verdicts 93 7)
t_7=$(verdicts 86 7)
dead 0 35 # with those before: fifty
t_50=$(verdicts 79 7)
wrong=$(hd status --json | grep '"row":"guest"' | grep -c '"health":"hung"')
hd_stop
fakes_stop
rm -rf "$work/scenarios"

text=
if have monit "H4 monit"; then
    fakes_start 20 0
    {
        echo "set daemon 2"
        echo "set pidfile $work/monit.pid"
        echo "set statefile $work/monit.state"
        echo "set idfile $work/monit.id"
        echo "set log $work/monit.log"
        for i in $(seq 0 19); do
            echo "check process fake$i with pidfile $work/r/fake$i/pid"
            echo "  if failed unixsocket $work/r/fake$i/cons with send \"uptime\\r\" expect \".*load average.*\" timeout 1 seconds for 2 cycles then exec \"/bin/true\""
        done
    } >"$work/monitrc"
    chmod 600 "$work/monitrc"
    monit -I -c "$work/monitrc" >/dev/null 2>"$work/monit.err" 8>&- 9<&- &
    PEER=$!
    # monit_verdict GUEST - milliseconds until it is called failed
    monit_verdict() {
        local t0 t
        t0=$(date +%s%N)
        fakes_tell "play $1 dead"
        for t in $(seq 300); do
            grep -qs "'fake$1' exec" "$work/monit.log" && break
            sleep 0.2
        done
        echo $((($(date +%s%N) - t0) / 1000000))
    }
    sleep 5
    m_0=$(monit_verdict 19)
    for i in $(seq 0 8); do fakes_tell "play $i dead"; done
    sleep 14
    m_50=$(monit_verdict 18)
    note "$(grep -c failed "$work/monit.log") lines of failure; $(tail -n 1 "$work/monit.log")"
    peer_stop
    fakes_stop
    text="; monit on 20: 0 dead $m_0 ms, 10 dead $m_50 ms"
fi
promise "H4 verdict" "0 dead $t_0 ms, 7 of 100 $t_7 ms, 50 of 100 $t_50 ms$text" "($t_50) - ($t_0)" "<=" 1000
promise "H4 verdict" "$wrong guests called hung of 57 that are" "$wrong" "==" 57
