# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# H5: CPU of one dialogue (`uptime` over a console), on quiet consoles, without the fake guests' own.
# H6: false verdicts under noise: the kernel writes 50 KB/s between any two bytes of the answers.

num() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$line"; }

if has h5; then
    values=''
    for i in 1 2 3; do
        line=$("$bench/bench-hub" -n 200 -r 0 -d 4000 -T 8 -C)
        note "$line"
        values="$values $(num cpu_us_per_dialogue)"
    done
    h5=$(tr ' ' '\n' <<<"$values" | grep . | median)
    text=
    if have expect "H5 expect" && have socat "H5 expect"; then
        fakes_start 1 0
        cat >"$work/uptime.exp" <<EOX
log_user 0
set timeout 5
spawn -noecho socat -,raw,echo=0 UNIX-CONNECT:$work/r/fake0/cons
sleep 0.02
send "uptime\r"
expect "load average" { exit 0 } timeout { exit 1 }
EOX
        t0=$(awk '{ print $16 + $17 }' /proc/$$/stat)
        for i in $(seq 50); do expect "$work/uptime.exp" || echo "H5 expect: no answer"; done
        t1=$(awk '{ print $16 + $17 }' /proc/$$/stat)
        text=", expect(1) with socat $(calc "($t1 - $t0) * 10000 / 50" 0) us"
        fakes_stop
    fi
    promise "H5 dialogue" "hangdog $h5 us of CPU each$text" "$h5" "<=" 60
fi
if has h6; then
    line=$("$bench/bench-hub" -n 32 -r 50000 -w -d 10000 -T 32 -g 20 -C)
    note "$line"
    wrong=$(num wrong)
    right=$(num right)
    text=
    if python3 -c 'import pexpect' 2>/dev/null; then
        fakes_start 20 0
        quiet=$(python3 "$dir/pexpect-peer.py" "$work/r" 20 3)
        fakes_stop
        fakes_start 20 50000 -w
        peer=$(python3 "$dir/pexpect-peer.py" "$work/r" 20 5)
        text="; pexpect with the usual pattern: $peer, without noise $quiet"
        fakes_stop
    else
        echo "H6 pexpect: not installed: left out (packaging/install-deps bench)"
    fi
    promise "H6 noise" "$wrong wrong of 10000 dialogues, $right right, $(num refused) refused, slowest $(num slowest_ms) ms, guests blocked $(num blocked_seconds) s$text" \
        "$((10000 - right))" "<=" 0
fi
