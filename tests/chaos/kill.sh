#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# kill -9 of each process while guests are watched: work goes on, nothing is torn, one hang is told once; a
# diagnosis that kills the daemon each time is given up and told all the same.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init kill jq curl zstd

fake_guest alpha -r 2000
fake_guest beta -r 2000
chaos_controller
chaos_scenario up '*' 1s 800ms
chaos_config "$fake_source"
hd_start
until_ok 10 well_beyond alpha 0 || die "alpha is not well"
until_ok 10 well_beyond beta 0 || die "beta is not well"

# ---- the daemon ----
old=$(hd_pid daemon)
at=$(now_ms)
kill -9 "$old"
until_ok 10 hd_new_pid daemon "$old" || die "no new daemon"
figure "daemon killed: the next one runs after" "$(since_ms "$at")" 1000
until_ok 10 well_beyond alpha 0 || die "no probe after the daemon died"
figure "daemon killed: probes go well again after" "$(since_ms "$at")" 3000

# ---- the writer ----
old=$(hd_pid writer) was=$(hd_pid daemon)
ok=$(scenario_of alpha ok)
at=$(now_ms)
kill -9 "$old"
until_ok 10 hd_new_pid writer "$old" || die "no new writer"
figure "writer killed: the next one runs after" "$(since_ms "$at")" 1000
until_ok 5 hd spool || die "the spool does not answer"
figure "writer killed: the spool answers after" "$(since_ms "$at")" 2000
until_ok 5 well_beyond alpha $((ok + 1)) || die "no probe after the writer died"
exact "writer killed: the daemon is the same" "$(hd_pid daemon)" "$was"
# Only whole lines of the fake console's, and gaps that say so, in the clean log.
log=$(ls "$work"/state/logs/*/cons0.log | head -n 1)
exact "lines of the console's log that are neither a guest's nor a gap" \
    "$(grep -cavE '^[0-9T:.Z-]+( {2}|\+ )|^-- ' "$log")" 0

# ---- one hang, the daemon killed in each phase of its incident: one bundle ----
hang() { fake_tell alpha "play 0 dead"; }
well() {
    fake_tell alpha "play 0 shell"
    hd wait alpha --for well --timeout 30s >/dev/null || die "alpha does not get well"
}
collecting() { rows 'select(.row=="incident" and .collecting) | .id' | grep -q .; }
# Judged, and not yet told to be packed.
packing() { rows 'select(.row=="incident" and .collecting and .verdict) | .id' | grep -q .; }
told=0
one_more() { # PHASE: exactly one bundle more arrived, and stays the only one
    told=$((told + 1))
    until_ok 60 received_at_least "$told" || { hd status; hd spool; die "killed while $1: no bundle arrived"; }
    # A second one would be on its way within two probes and a diagnosis.
    hd wait alpha --for hung --timeout 10s >/dev/null || die "killed while $1: not hung any more"
    sleep 3
    until_ok 30 sh -c "'$build/hangdog' status --json | jq -se 'all(.[]; .row!=\"incident\" or (.collecting or .waiting | not))' >/dev/null"
    exact "daemon killed while $1: bundles for one hang" "$(($(received) - told + 1))" 1
    exact "daemon killed while $1: standing incidents" "$(rows 'select(.row=="incident" and .end=="not-ended") | .id' | wc -l)" 1
}
fresh() { hd_stop; : >"$work/hangdog.log"; hd_start; hd wait alpha --for well --timeout 20s >/dev/null || die "alpha is not well"; }

fresh
hang
until_ok 20 logged 'failed 2 times' || die "the hang was not noticed"
kill -9 "$(hd_pid daemon)"
one_more opened
well

fresh
hang
until_ok 20 collecting || die "nothing is collected"
kill -9 "$(hd_pid daemon)"
one_more collecting
well

fresh
hang
until_ok 20 collecting || die "nothing is collected"
writer=$(hd_pid writer)
# Nothing is packed while the writer stands still; it is killed for that only after 6 s.
kill -STOP "$writer"
until_ok 5 packing || die "no verdict was reached"
kill -9 "$(hd_pid daemon)"
kill -CONT "$writer"
one_more packing
well

# ---- the writer, killed while it has an incident open ----
fresh
hang
until_ok 20 collecting || die "nothing is collected"
kill -9 "$(hd_pid writer)"
one_more "collecting (the writer)"
got_bundle "$work/got.tar.zst" || die "the receiver does not give it back"
zstd -qt "$work/got.tar.zst" || die "the bundle is torn"
if [ -x "$build/hangdog-parser" ]; then
    hd bundle verify "$work/got.tar.zst" || die "the bundle does not agree with its manifest"
fi
well

# ---- a diagnosis that takes the daemon with it ----
fresh
hang
for n in 1 2; do
    until_ok 30 collecting || die "attempt $n was not begun"
    old=$(hd_pid daemon)
    kill -9 "$old"
    until_ok 10 hd_new_pid daemon "$old" || die "no new daemon"
done
one_more "collecting, each time"
exact "attempts that the incident counts" "$(rows 'select(.row=="incident") | .attempts' | head -n 1)" 2
logged 'none is begun again' || die "nobody said that it was given up"
exact "deaths of the daemon by one poisoned incident" "$(grep -c '"daemon (pid [0-9]*) killed' "$work/hangdog.log")" 2
got_bundle "$work/got.tar.zst" || die "the receiver does not give it back"
zstd -dc "$work/got.tar.zst" | tar xO --wildcards '*summary.txt' >"$work/summary.txt" || die "no summary in it"
grep -q 'did not come to an end' "$work/summary.txt" || { cat "$work/summary.txt"; die "the summary does not say why it is short"; }
well

# ---- the parser, while it reads a bundle ----
if [ -x "$build/hangdog-parser" ]; then
    mkdir "$work/libexec"
    printf '#!/bin/sh\nkill -9 $$\n' >"$work/libexec/hangdog-parser"
    chmod +x "$work/libexec/hangdog-parser"
    at=$(now_ms)
    HANGDOG_LIBEXEC=$work/libexec "$build/hangdog" bundle verify "$work/got.tar.zst" >"$work/out" 2>"$work/err"
    rc=$?
    figure "parser killed: bundle verify ends after" "$(since_ms "$at")" 1000
    exact "parser killed: bundle verify's exit code" "$rc" 2
    exact "parser killed: lines that say so" "$(wc -l <"$work/err")" 1
    hd bundle verify "$work/got.tar.zst" >/dev/null || die "the bundle does not verify afterwards"
fi

# ---- the keeper ----
fresh
daemon=$(hd_pid daemon) writer=$(hd_pid writer)
at=$(now_ms)
kill -9 "$keeper"
wait "$keeper" 2>/dev/null
until_ok 5 gone "$daemon" || die "the daemon outlives the keeper"
until_ok 5 gone "$writer" || die "the writer outlives the keeper"
figure "keeper killed: its children are gone after" "$(since_ms "$at")" 1000
test -S "$work/run/control" || die "no stale socket to start on"
at=$(now_ms)
hd_start
figure "keeper killed: started again, over the stale socket, after" "$(since_ms "$at")" 3000
until_ok 10 well_beyond alpha 0 || die "no probe after the keeper died"
hd_stop
step "all processes killed, all promises kept"
