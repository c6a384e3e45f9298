#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# EVE: the socket of a console has one client's place, and people come first. Nor is what EVE or a person does
# to a guest ever told as a hang.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init eve-people jq socat
chaos_lab
lab_boot_eve web || exit $?
cons=$(lab_get web cons)
chaos_scenario up '*' 2s 1900ms

# A person with socat: types, and wants the prompt. Sets got to the milliseconds until it came.
person() { # SECONDS TO STAY
    local at out=$work/person.out
    : >"$out"
    mkfifo "$work/person.in"
    socat "UNIX-CONNECT:$cons" - <"$work/person.in" >"$out" 2>/dev/null &
    local p=$!
    exec 8>"$work/person.in"
    at=$(now_ms)
    printf 'echo per""son-here\n' >&8
    got=99999
    until_ok 10 grep -aq 'person-here' "$out" && got=$(since_ms "$at")
    sleep "$1"
    exec 8>&-
    kill "$p" 2>/dev/null
    wait "$p" 2>/dev/null
    rm -f "$work/person.in"
}
verdicts() { echo $(($(scenario_of web ok) + $(scenario_of web failed))); }

for mode in ${MODES:-hold probe}; do
    chaos_config "${eve_source%\}}, \"console-mode\": \"$mode\"}"
    hd_start
    until_ok 20 well_beyond web 1 || { hd status; die "$mode: web is not well"; }
    failed=$(scenario_of web failed)
    for n in 1 2; do
        person 1
        # Within a second is the promise, which tests/chaos holds on a quiet machine.
        figure "$mode mode: person $n is served after" "$got" 10000
        runs=$(scenario_of web ok)
        at=$(now_ms)
        until_ok 25 well_beyond web "$runs" || { hd status; die "$mode: hangdog does not come back"; }
        figure "$mode mode: after person $n left, probes go well again after" "$(since_ms "$at")" 60000
    done
    exact "$mode mode: probes that failed because somebody was there" $(($(scenario_of web failed) - failed)) 0
    exact "$mode mode: incidents" "$(incidents)" 0
    hd_stop
done

# ---- what its owner does ----
chaos_config "$eve_source"
hd_start
until_ok 20 well_beyond web 1 || die "web is not well"
held() { rows 'select(.row=="guest") | .health' | grep -q held-off; }
status=$LAB_RUN/zedmanager/AppInstanceStatus/$(lab_get web uuid).json
# STATE CRASHSTATE WHAT [COUNTER]; meanwhile the guest answers nobody.
dead_while() {
    lab_eve_publish web "$1" "$2"
    if [ -n "${4:-}" ]; then sed "s/\"$4\":0/\"$4\":2/" "$status" >"$status.tmp" && mv "$status.tmp" "$status"; fi
    until_ok 10 held || { hd status; die "$3: not held off"; }
    lab_qmp web stop >/dev/null
    sleep 4
    exact "$3: incidents" "$(incidents)" 0
    exact "$3: probes of it that failed" "$(scenario_of web failed)" 0
    lab_qmp web cont >/dev/null
    lab_eve_publish web 115
    n=$(scenario_of web ok)
    until_ok 20 well_beyond web "$n" || { hd status; die "$3: not asked again afterwards"; }
}
dead_while 117 0 "EVE says paused"
dead_while 118 0 "EVE says halting"
dead_while 115 0 "EVE says restarting" RestartInprogress
dead_while 115 1 "EVE says that it looks at a crash itself"
# Stopped over its monitor, and EVE says nothing.
lab_qmp web stop >/dev/null
says_paused() { [ "$(scenario_of web code)" = paused ] && [ "$(scenario_of web no_verdict)" -ge "$1" ]; }
until_ok 20 says_paused $(($(scenario_of web no_verdict) + 2)) || { hd status; die "the monitor was not asked"; }
exact "stopped over its monitor: incidents" "$(incidents)" 0
lab_qmp web cont >/dev/null
n=$(scenario_of web ok)
until_ok 20 well_beyond web "$n" || { hd status; die "not asked again after cont"; }
# EVE ends it, and its folder goes.
lab_eve_publish web 118
lab_stop web
sleep 3
exact "ended by EVE: incidents" "$(incidents)" 0
hd_stop
step "people and owners first"
