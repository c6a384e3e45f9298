#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# `hangdog console` on a real guest: many read, one types, escapes stay visible; and the verbs do their work
# without a running daemon, too, and leave none behind.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init console-people jq
chaos_lab
lab_boot_eve web || exit $?
chaos_scenario up '*' 2s 1900ms
chaos_config "$eve_source"
hd_start
until_ok 20 well_beyond web 0 || { hd status; die "web is not well"; }

# ---- readers and writers ----
sit() { # NAME OPTION...: sits down at the console; keys go to fd $in, output to $work/NAME.out and .err
    local name=$1
    shift
    mkfifo "$work/$name.in"
    "$build/hangdog" console web "$@" <>"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err" &
    chaos_fakes+=("$!")
    eval "seat_$name=$!"
}
type_() { printf '%b' "$2" >"$work/$1.in"; }
saw() { grep -aq -- "$2" "$work/$1.out"; }
noted() { grep -aq -- "$2" "$work/$1.err"; }

sit reader1
sit reader2
sit writer1 --write
until_ok 10 noted writer1 'you have the keyboard' || { cat "$work/writer1.err"; die "the keyboard is not given"; }
type_ writer1 'echo key""board-$((6*7))\n'
at=$(now_ms)
for who in writer1 reader1 reader2; do
    until_ok 10 saw "$who" keyboard-42 || { cat "$work/$who.out"; die "$who does not see what was typed"; }
done
figure "keys reach the guest and the answer three people, after" "$(since_ms "$at")" 20000

timeout 60 "$build/hangdog" console web --write </dev/null >"$work/second.out" 2>"$work/second.err"
rc=$?
[ "$rc" != 0 ] || die "a second writer is let in"
step "a second writer: exit code $rc, $(tr -d '\r' <"$work/second.err" | grep . | tail -n 1)"
grep -q "pid $seat_writer1" "$work/second.err" || die "the refusal does not name who has the keyboard"

sit writer2 --take
until_ok 10 noted writer2 'you have the keyboard' || { cat "$work/writer2.err"; die "--take does not take"; }
type_ writer2 'echo ta""ken\n'
until_ok 10 saw reader1 taken || die "who took the keyboard can't type"
type_ writer1 'echo sto""len\n'
until_ok 12 noted writer1 'somebody else took the keyboard' || { cat "$work/writer1.err"; die "who lost the keyboard is not told"; }
sleep 1
kill -0 "$seat_writer1" || die "who lost the keyboard does not even read any more"
! saw reader1 stolen || die "who lost the keyboard still types"

# ---- escapes ----
type_ writer2 "printf '\\\\033]0;pwned\\\\007\\\\033[31mred\\\\033[2J\\\\233H-esc-%s-\\\\n' end\\n"
until_ok 10 saw reader1 'esc-end-' || { cat -v "$work/reader1.out" | tail -n 5; die "the escapes were not printed"; }
sleep 0.3
exact "control bytes of the guest that reached a reader's terminal" \
    "$(cat "$work/reader1.out" "$work/reader2.out" "$work/writer2.out" | LC_ALL=C grep -acP '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]')" 0
grep -aq '\\e\]0;pwned' "$work/reader1.out" || die "the escapes are not shown either"
for p in "$seat_reader1" "$seat_reader2" "$seat_writer1" "$seat_writer2"; do kill "$p"; wait "$p" 2>/dev/null; done
# A guest's name is its owner's to choose.
status=$LAB_RUN/domainmgr/DomainStatus/$(lab_get web uuid).json
sed 's/"DisplayName":"web"/"DisplayName":"we\\u001b[31mb\\u202eevil"/' "$status" >"$status.tmp" && mv "$status.tmp" "$status"
sleep 2
{ hd list; hd status; hd status --json; cat "$work/hangdog.log"; } >"$work/said" 2>&1
exact "control bytes in list, status and the log" "$(LC_ALL=C grep -acP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80\xae' "$work/said")" 0
lab_eve_publish web
failed=$(scenario_of web failed)
exact "probes that failed because people typed" "$failed" 0
hd_stop

# ---- without a daemon ----
export HANGDOG_RUN=$work/alone HANGDOG_STATE=$work/alone-state
alone() { "$build/hangdog" --config "$work/config.json" "$@"; }
left() { # processes with that run folder
    grep -lsa "$work/alon[e]" /proc/[0-9]*/cmdline 2>/dev/null | wc -l
}
at=$(now_ms)
alone list >"$work/out" || { cat "$work/out"; die "list"; }
grep -q web "$work/out" || die "list does not find the guest"
step "list alone: $(since_ms "$at") ms"
at=$(now_ms)
alone status web >"$work/out"; rc=$?
grep -q web "$work/out" || die "status (exit code $rc)"
step "status alone: exit code $rc, $(since_ms "$at") ms"
at=$(now_ms)
alone wait web --for well --timeout 60s >"$work/out" || { cat "$work/out"; die "wait"; }
step "wait alone: $(cat "$work/out"), $(since_ms "$at") ms"
at=$(now_ms)
alone probe web >"$work/out" || { cat "$work/out"; die "probe"; }
step "probe alone: $(head -c 100 "$work/out" | head -n 1), $(since_ms "$at") ms"
at=$(now_ms)
alone diagnose web --playbook quick >"$work/out" 2>&1; rc=$?
grep -qE 'tar\.zst' "$work/out" || { cat "$work/out"; die "diagnose (exit code $rc)"; }
step "diagnose alone: exit code $rc, $(since_ms "$at") ms"
nobody() { [ "$(left)" = 0 ]; }
until_ok 5 nobody
exact "processes left behind" "$(left)" 0
exact "sockets left behind" "$(find "$work/alone" -type s | wc -l)" 0
exact "locks held" "$(flock -n "$work/alone/keeper.lock" echo free)" free
step "people are served"
