# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# H2: a thousand quiet consoles (a line of 80 bytes each second), logged to disk: CPU and memory.
# H7: how long until all are read. The CPU is that of the processes and of the kernel's threads: with
# nothing but sockets there is no hidden work, and a percent of a core is too little for /proc/stat's ticks.

N=1000
fakes_start $N 80
hd_config "{\"kind\":\"rundir\",\"root\":\"$work/r\",\"console-mode\":\"hold\"}"
rm -rf "$work/scenarios"

starts='' cpus='' psss=''
for i in 1 2 3; do
    fakes_ask stats
    before=$(stat_of connects)
    t0=$(date +%s%N)
    hd_start
    fakes_connected $((before + N)) 30000
    starts="$starts $((($(date +%s%N) - t0) / 1000000))"
    note "start: $((nconnected - before)) of $N after $took ms"
    [ "$nconnected" = $((before + N)) ] || starts="$starts 99999"
    if has h2; then
        # Five seconds after the first look at the folders comes a second one.
        sleep 8
        quiet_window 5 -o $HD -q $FAKES
        cpus="$cpus $(calc "100 * $exact / $wall" 2)"
        psss="$psss $pss"
    fi
    hd_stop
done
h7=$(tr ' ' '\n' <<<"$starts" | grep . | median)
if has h2; then
    h2=$(tr ' ' '\n' <<<"$cpus" | grep . | median)
    h2_pss=$(tr ' ' '\n' <<<"$psss" | grep . | median)
fi
conserver_text='' conserver_pss='' half=''
if have conserver "H2 conserver"; then
    {
        echo 'config * { defaultaccess allowed; }'
        echo 'default full { rw *; }'
        echo "default fake { master localhost; type uds; include full; logfile $work/cons/&; timestamp \"\"; }"
        for i in $(seq 0 $((N - 1))); do echo "console fake$i { include fake; uds $work/r/fake$i/cons; }"; done
        echo 'access * { trusted 127.0.0.1; }'
    } >"$work/conserver.cf"
    : >"$work/conserver.passwd"
    mkdir -p "$work/cons"
    fakes_ask stats
    before=$(stat_of connects)
    conserver -C "$work/conserver.cf" -P "$work/conserver.passwd" -p 37820 -b 37900 -M 127.0.0.1 -n >"$work/conserver.log" 2>&1 8>&- 9<&- &
    PEER=$!
    fakes_connected $((before + N)) 24000
    half=$((nconnected - before))
    note "conserver: $half of $N after $took ms"
    fakes_connected $((before + N)) 15000
    cpus=''
    psss=''
    for i in 1 2 3; do
        quiet_window 5 -o $PEER -q $FAKES
        cpus="$cpus $(calc "100 * $exact / $wall" 2)"
        psss="$psss $pss"
    done
    fakes_ask stats
    now=$(($(stat_of connects) - before))
    peer_stop
    conserver_cpu=$(tr ' ' '\n' <<<"$cpus" | grep . | median)
    conserver_pss=$pss # of the last window: by then it has most of them
    conserver_text=", conserver $conserver_cpu % with $now connected"
fi
fakes_stop
if has h2; then
    promise_quiet "H2 CPU" "$N quiet consoles: hangdog $h2 % of a core$conserver_text" "$h2" "<=" 1.5
    if [ -n "$conserver_pss" ]; then
        promise "H2 PSS" "$N quiet consoles: hangdog $((${h2_pss%.*} / 1024)) MiB, conserver $((${conserver_pss%.*} / 1024)) MiB (ratio $(calc "$h2_pss / $conserver_pss" 2))" \
            "$(calc "$h2_pss / $conserver_pss")" "<=" 0.3
    else
        echo "H2 PSS: $N quiet consoles: hangdog $((${h2_pss%.*} / 1024)) MiB"
    fi
fi
if has h7; then
    promise "H7 start" "all $N consoles are read $h7 ms after the start${half:+, conserver $half of them after 24 s}" "$h7" "<=" 2000
fi
