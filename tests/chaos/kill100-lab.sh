#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2034,SC2154
#
# kill -9 at POINTS (100) random moments of the diagnosis of a real guest by all steps of the shipped playbook "deep".  Its
# kernel is quiet (so its loglevel is raised for its dumps), and it is stopped for a moment (collector gdb, allowed here).  Killed in turn: daemon, keeper,
# writer, parser, the helpers that make the page and ask over http, and a client that reads the console.  After each: no
# bundle is torn, the incident of that hang is there once, the guest runs, its loglevel is what it was, and it answers over
# its console again.
#
# WAY=mux: of a guest without a keyboard, whose kernel has its console behind the other one of that mux, so that each key moves the
# input focus there and back: kill100-mux-lab.sh.  That it is where it was is shown by the console's answers.
#
# The seed is printed; SEED=N takes the same turns and moments again.  Part of make check-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
way=${WAY:-keyboard}
chaos_init "kill100-lab $way" jq curl zstd
points=${POINTS:-100}
RANDOM=${SEED:=$$}
step "SEED=$SEED POINTS=$points WAY=$way"
kinds=(daemon keeper writer parser report net console)

chaos_lab
mkdir "$work/gdb"
lab_disk "$work/disk" 32M || exit $?
case $way in
    keyboard) console=hvc0 append=lab.hung_task=0 ;;
    mux) console=ttyS0 append='lab.hung_task=0 lab.consoles=hvc0 i8042.nokbd' ;;
    *) die "WAY=$way: keyboard or mux" ;;
esac
lab_start_eve web profile=quiet sysrq=1 "consoles=$console" "append=$append" disk="$work/disk" \
    args="-gdb unix:$work/gdb/web,server=on,wait=off" || exit $?
lab_wait_up web 180 || exit 1
chaos_controller
chaos_scenario up web 1s 900ms
# So that its helper is there at any time.
cat >"$work/scenarios/receiver.json" <<EOJ
{ "schema": "hangdog/scenario/1", "name": "receiver", "kind": "http", "select": {"name": "web"}, "url": "$url/bundles",
  "interval": "1s", "timeout": "900ms", "initial-delay": "100ms", "failure-threshold": 100, "jitter": "0s" }
EOJ
# In the place of ours, which a scenario asks for that names "standard": all steps of the shipped "deep" as they are, so that
# what is shown holds for what ships, and gdb's before the first that types, which no playbook of ours has.
mkdir "$work/playbooks"
echo '{}' >"$work/none.json" # what this host may have in the place of ours counts for nothing
hd --config "$work/none.json" playbook show deep >"$work/deep.json" || die "no playbook deep"
jq '(.steps | map(.do == "sysrq") | index(true)) as $at | .name = "standard"
    | .steps |= .[:$at] + [{"do": "gdb", "budget": "15s"}] + .[$at:]' "$work/deep.json" >"$work/playbooks/standard.json" ||
    die "deep is none"
chaos_config "$eve_source" "\"playbooks\": [\"$work/playbooks\"], \"roots\": [\"$work/gdb\"], \"intrusive\": [\"gdb\"]"
for f in "$work"/scenarios/*.json; do hd scenario check "$f" >/dev/null || die "a scenario of this test is none"; done
hd playbook check "$work/playbooks/standard.json" >/dev/null || die "the playbook of this test is none"
hd_start

# ---- who is killed, without a process for each look ----
kids_of() { # PID: $kids
    local f l
    kids=()
    for f in "/proc/$1/task/"*/children; do
        l=''
        read -r l <"$f"
        # shellcheck disable=SC2206
        kids+=($l)
    done 2>/dev/null
}
find_kind() { # KIND: $victim, of the keeper's children and theirs
    local p c name
    victim=''
    case $1 in
        keeper) victim=$keeper; return 0 ;;
        console) victim=$reader; return 0 ;;
    esac
    kids_of "$keeper"
    for p in ${kids[@]+"${kids[@]}"}; do
        name=''
        read -r name <"/proc/$p/comm"
        [ "$name" != "hangdog-$1" ] || { victim=$p; return 0; }
        kids_of "$p"
        for c in ${kids[@]+"${kids[@]}"}; do
            name=''
            read -r name <"/proc/$c/comm"
            [ "$name" != "hangdog-$1" ] || { victim=$c; return 0; }
        done
    done 2>/dev/null
    return 1
}
pause_ms() { sleep "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))"; }

# kill_one KIND - at a random moment of a diagnosis' length from now on. Who lives for ms only is waited for: a parser is
# killed some way into its life, and if it has ended by then the next one; the page is made once, and at once too late.
kill_one() {
    local end=$((SECONDS + 30)) wait=$((RANDOM * (window + 500) / 32768))
    case $1 in
        parser) wait=$((RANDOM * 60 / 32768)) ;;
        report) ;;
        *) pause_ms "$wait" ;;
    esac
    while [ $SECONDS -lt $end ]; do
        find_kind "$1" || continue
        [ "$1" != parser ] || { pause_ms "$wait"; wait=$((wait / 2)); }
        kill -9 "$victim" 2>/dev/null && return 0
    done
    return 1
}

# ---- what is looked at ----
levels() { LAB_TIMEOUT=5 lab_ctl web cat /proc/sys/kernel/printk 2>/dev/null; }
runs() { [ "$(lab_qmp web query-status | jq -r .return.status)" = running ]; }
as_before() { [ "$(levels)" = "$before" ]; }
settled() { hd status --json 2>/dev/null | jq -se 'all(.[]; .row!="incident" or (.collecting or .waiting | not))' >/dev/null; }
standing() { rows 'select(.row=="incident" and .end=="not-ended") | .id' | wc -l; }
quiet() { settled && [ "$(standing)" = 0 ]; }
nothing_left() { hd dump >"$work/dump" 2>/dev/null && ! grep -q '^to be undone:' "$work/dump"; }
half_done() { grep -rqsE "\"act\": ?\"$1\", ?\"state\": ?\"open\"" "$work/state"; } # ACT, by what is on disk
wait_for() { hd wait web --for "$1" --timeout 180s >/dev/null; }
lost() { hd status; hd spool; die "SEED=$SEED point $n ($kind): $*"; }

# hang - the guest gets well, and then its shell stands; $told: bundles before it.
hang() {
    lab_ctl web lab-fault shell-cont >/dev/null || lost "the guest takes no orders"
    wait_for well || lost "it does not answer over its console again: its focus, its loglevel, or it itself is not as before"
    until_ok 30 quiet || lost "an incident does not end"
    told=$(received)
    lab_ctl web lab-fault shell-stop >/dev/null || lost "the fault was not made"
}
# judged - what must hold after a kill.
judged() {
    wait_for hung || lost "the hang is lost"
    until_ok 240 received_at_least $((told + 1)) || lost "no bundle arrived"
    until_ok 60 settled || lost "a diagnosis does not end"
    until_ok 30 runs || lost "the guest is left $(lab_qmp web query-status)"
    until_ok 30 as_before || lost "loglevels are $(levels) and were $before"
    until_ok 30 nothing_left || lost "something is not undone: $(grep -A3 '^to be undone:' "$work/dump")"
    [ "$(received)" = $((told + 1)) ] || lost "$(($(received) - told)) bundles of one hang"
    [ "$(standing)" = 1 ] || lost "$(standing) incidents stand"
    got_bundle "$work/got.tar.zst" || lost "the receiver does not give it back"
    zstd -qt "$work/got.tar.zst" || lost "the bundle is torn"
    hd bundle verify "$work/got.tar.zst" >/dev/null || lost "the bundle does not agree with its manifest"
}

n=0 kind=nobody reader='' victim=''
before=$(levels)
hang
at=$(now_ms)
judged
window=$(since_ms "$at")
hd bundle cat "$work/got.tar.zst" manifest.json | jq -r '.impact[].what' >"$work/impact"
grep -q 'back to' "$work/impact" || die "the loglevel was not raised: $(cat "$work/impact")"
grep -q 'stopped the guest' "$work/impact" || die "the guest was not stopped: $(cat "$work/impact")"
[ "$way" = keyboard ] || grep -q '"act":"focus"' "$work/impact" || die "the focus was not moved: $(cat "$work/impact")"
step "undisturbed: $window ms from the hang to all of it being looked at; loglevels $before"

declare -A killed
raised=0 stopped=0 moved=0 missed=0 turn=()
for ((n = 1; n <= points; n++)); do
    # Each kind once, in an order of its own each time: three deaths of a daemon of one keeper's would end its work.
    [ ${#turn[@]} -gt 0 ] || mapfile -t turn < <(for kind in "${kinds[@]}"; do echo "$RANDOM $kind"; done | sort -n | cut -d' ' -f2)
    kind=${turn[0]}
    turn=("${turn[@]:1}")
    hang
    if [ "$kind" = console ]; then
        "$build/hangdog" console web </dev/null >/dev/null 2>&1 &
        reader=$!
    fi
    if ! kill_one "$kind"; then
        # It came and went between two looks: that is no point.
        [ $((missed += 1)) -lt 30 ] || lost "it is never seen"
        judged
        turn+=("$kind")
        n=$((n - 1))
        continue
    fi
    killed[$kind]=$((${killed[$kind]:-0} + 1))
    half_done loglevel && raised=$((raised + 1))
    half_done vm-paused && stopped=$((stopped + 1))
    half_done focus && moved=$((moved + 1))
    if [ "$kind" = keeper ]; then
        { wait "$keeper"; } 2>/dev/null
        hd_start
    fi
    [ -z "$reader" ] || { kill "$reader"; wait "$reader"; } 2>/dev/null
    reader=''
    judged
    [ $((n % 10)) != 0 ] || step "$n points"
done
by=''
for kind in "${kinds[@]}"; do by="$by, $kind ${killed[$kind]:-0}"; done
hang
step "$points points, by process${by#,}: 0 torn, 0 lost, 0 doubled, 0 left stopped, 0 with another loglevel or focus"
step "at $raised of them the loglevel was raised, at $stopped the guest was to be stopped, at $moved the focus was to be moved; $missed times somebody was gone before he was killed"
