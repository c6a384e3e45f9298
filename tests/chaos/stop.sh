#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A daemon that stands still lets go of the consoles in time, since an open and unread one stops its guest; a
# host that stood still is not taken for one.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init stop jq

# Held, chatty, and with little room: the guest blocks as soon as nobody reads.
fake_guest alpha -r 40000 -s 4096
fake_guest beta -r 2000
chaos_scenario up '*' 1s 800ms
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}"
hd_start
until_ok 10 well_beyond alpha 1 || die "alpha is not well"

report() { # GUEST MEMBER of a fresh report
    local n
    n=$(wc -l <"$work/$1.report")
    fake_tell "$1" stats
    until_ok 5 sh -c "[ \$(wc -l <'$work/$1.report') -gt $n ]" || die "$1 does not report"
    tail -n 1 "$work/$1.report" | jq ".$2"
}
blocked_ms() { report alpha 'blocked_seconds * 1000 | floor'; }
reconnected() { [ "$(report alpha connects)" -gt "$1" ]; }

was=$(blocked_ms) connects=$(report alpha connects)
old=$(hd_pid daemon)
at=$(now_ms)
kill -STOP "$old"
until_ok 10 gone "$old" || die "a daemon that stands still is not killed"
figure "daemon stopped: its consoles are let go after" "$(since_ms "$at")" 2000
until_ok 10 reconnected "$connects" || die "the console is not held again"
figure "daemon stopped: the console is read again after" "$(since_ms "$at")" 3000
figure "daemon stopped: its guest was kept from writing for" $(($(blocked_ms) - was)) 2000
until_ok 10 well_beyond alpha 1 || die "no probe after the daemon was stopped"
figure "daemon stopped: two probes went well after" "$(since_ms "$at")" 6000
logged 'has not answered' || die "nobody said why"

# ---- the host stood still ----
pid=$(hd_pid daemon) writer=$(hd_pid writer)
for order in "$keeper $pid $writer" "$pid $writer $keeper"; do
    kill -STOP "$keeper" "$pid" "$writer"
    sleep 5
    # Whoever runs first must not blame the others.
    for p in $order; do kill -CONT "$p"; sleep 0.05; done
    ok=$(scenario_of alpha ok)
    until_ok 10 well_beyond alpha "$ok" || die "no probe after the host stood still"
    sleep 2
    exact "host stood still for 5 s: the daemon is the same" "$(hd_pid daemon)" "$pid"
    exact "host stood still for 5 s: the writer is the same" "$(hd_pid writer)" "$writer"
    exact "host stood still for 5 s: incidents" "$(incidents)" 0
done

# ---- a slow host: each process runs one tenth of the time ----
at=$(now_ms)
while [ "$(since_ms "$at")" -lt 6000 ]; do
    kill -STOP "$keeper" "$pid" "$writer"; sleep 0.45
    kill -CONT "$keeper" "$pid" "$writer"; sleep 0.05
done
until_ok 10 well_beyond alpha "$(scenario_of alpha ok)" || die "no probe on a slow host"
exact "starved host: the daemon is the same" "$(hd_pid daemon)" "$pid"

# ---- the writer stands still: it holds no console, and has more time ----
at=$(now_ms)
ok=$(scenario_of alpha ok)
kill -STOP "$writer"
until_ok 15 gone "$writer" || die "a writer that stands still is not killed"
figure "writer stopped: replaced after" "$(since_ms "$at")" 8000
well_beyond alpha $((ok + 3)) || die "probing waited for the writer"
exact "writer stopped: the daemon is the same" "$(hd_pid daemon)" "$pid"
figure "writer stopped: the worst probe was late by" "$(rows 'select(.row=="scenario") | .worst_late_ms' | sort -n | tail -n 1)" 6000
hd_stop
step "nobody was held up"
