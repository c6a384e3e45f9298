#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# The conduct of scenarios in the daemon, asked over its control socket: pauses and bound documents outlive a
# daemon that is killed, a host that stood still gives no verdict, and the history tells what was.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init conduct jq

ask() { "$build/tests/lib/control-ask" "$work/run/control" "$@"; }
field() { # REQUEST FILTER
    ask "$1" | jq -r "$2"
}
refused() { # NAME REQUEST
    local said
    said=$(ask "$2") && die "not refused: $2"
    [ "$(jq -r .error.code <<<"$said")" = "$1" ] || die "refused otherwise: $said"
}
binding_of() { # GUEST SCENARIO MEMBER
    rows "select(.row==\"scenario\" and .guest==\"$1\" and .scenario==\"$2\") | .$3"
}
runs_beyond() { [ "$(binding_of "$1" "$2" runs)" -gt "$3" ]; }
held_as() { [[ $(binding_of "$1" "$2" held_off) == $3 ]]; }

fake_guest one
fake_guest two
url=
chaos_config "$fake_source"
DELAY=0s chaos_scenario up '*' 1s 900ms
hd_start
for g in one two; do until_ok 15 well_beyond "$g" 2 || die "$g is not well: $(hd status)"; done
step "both are well"

# ---- history: "?" where this host itself had no processor for it ----
h=$(rows 'select(.row=="scenario" and .guest=="one") | .history')
jq -e '(.runs | test("^[+?]{3,}$")) and .availability == 1 and .p50_ms <= .p90_ms and .p99_ms <= .max_ms' <<<"$h" >/dev/null \
    || die "its history: $h"
jq -e '(.times_ms | length) == (.runs | length)' <<<"$(hd status one --json | jq -c 'select(.row=="scenario") | .history')" >/dev/null \
    || die "times of its runs: $(hd status one --json)"
hd status one </dev/null | grep -Eq "^up +[+?]+ +100.0 %" || die "it is not shown: $(hd status one </dev/null)"
step "history: $(jq -c . <<<"$h")"

# ---- what there is ----
exact "scenarios" "$(field '{"op":"scenarios"}' 'select(.row=="scenario") | [.name,.kind,.guests] | @csv' | tr '\n' ' ')" \
    '"up","console-command",2 "heartbeat","memory-heartbeat",0 '
exact "who has the built-in one no more" "$(field '{"op":"scenarios"}' '.without // empty | sort | join(" ")')" "one two"
[ "$(field '{"op":"scenarios"}' 'select(.row=="scenario" and .name=="up") | .origin')" = "file $work/scenarios/up.json" ] || die "its origin: $(ask '{"op":"scenarios"}')"
exact "its document" "$(field '{"op":"scenario-show","scenario":"up"}' '.document.command // empty')" uptime
refused ENOENT '{"op":"scenario-show","scenario":"nobody"}'

# ---- pauses ----
exact "paused" "$(field '{"op":"scenario-pause","guest":"two","seconds":1000,"reason":"an update","who":"ann"}' 'select(has("kept")) | [.bindings,.kept] | @csv')" '1,true'
until_ok 10 held_as two up 'paused by ann until *: an update' || die "not held off: $(hd status)"
n=$(binding_of two up runs)
m=$(binding_of one up runs)
until_ok 20 runs_beyond one up $((m + 2)) || die "the other one is not asked"
[ "$(binding_of two up runs)" -le $((n + 1)) ] || die "it is asked in spite of it"
daemon=$(hd_pid daemon)
kill -9 "$daemon"
until_ok 15 hd_new_pid daemon "$daemon" || die "no new daemon"
until_ok 15 well_beyond one 1 || die "not well after the restart: $(hd status)"
until_ok 10 held_as two up 'paused by ann until *' || die "the pause is forgotten: $(hd status)"
# One may have begun before the list was read.
figure "runs of the paused one" "$(binding_of two up runs)" 1 ""
refused EINVAL '{"op":"scenario-pause","seconds":0}'
refused ENOENT '{"op":"scenario-pause","scenario":"nobody","seconds":5}'
exact "resumed" "$(field '{"op":"scenario-resume","guest":"two"}' 'select(has("kept")) | [.ended,.still,.kept] | @csv')" '1,0,true'
until_ok 15 well_beyond two 1 || die "it is not asked again: $(hd status)"
step "a pause outlives the daemon, and ends"

# ---- bound ----
doc='{"name":"extra","kind":"console-command","interval":"1s","timeout":"900ms","initial-delay":"0s","command":"uptime","expect":{"output":"load"}}'
exact "bound" "$(field "{\"op\":\"scenario-bind\",\"guest\":\"one\",\"document\":$doc}" 'select(has("kept")) | [.replaced,.kept] | @csv')" 'false,true'
until_ok 15 runs_beyond one extra 0 || die "what is bound does not run: $(hd status)"
[ -z "$(binding_of two extra runs)" ] || die "it is bound to the other guest, too"
refused EEXIST "{\"op\":\"scenario-bind\",\"document\":${doc/extra/up}}"
refused EINVAL "{\"op\":\"scenario-bind\",\"document\":${doc/console-command/no-kind}}"
refused EPERM '{"op":"scenario-unbind","scenario":"up"}'
refused ENOENT '{"op":"scenario-unbind","scenario":"nobody"}'
if said=$(ask '{"op":"scenario-bind","origin":"mine.json"}' '{
  "name": "worse", "kind": "tcp", "colour": "red"
}'); then die "a wrong key is taken"; fi
[[ $said == *'mine.json:2:'*colour* ]] || die "it does not say where: $said"
daemon=$(hd_pid daemon)
kill -9 "$daemon"
until_ok 15 hd_new_pid daemon "$daemon" || die "no new daemon"
until_ok 15 runs_beyond one extra 0 || die "what is bound is forgotten: $(hd status)"
exact "unbound" "$(field '{"op":"scenario-unbind","scenario":"extra"}' .kept)" true
[ -z "$(binding_of one extra runs)" ] || die "it is asked still"
step "what is bound outlives the daemon, and ends"

# ---- a host that stands still ----
# All of hangdog, as a freezer would: the keeper first, which would start others, and last again.
pids="$keeper $(hd_pid daemon) $(hd_pid writer)"
for p in $pids; do kill -STOP "$p"; done
sleep 3
for p in $pids; do kill -CONT "$p"; done
frozen() { rows 'select(.row=="host") | .code' | grep -qx host-frozen; }
until_ok 10 frozen || die "nothing is said of it: $(hd status --json | grep '"host"')"
hd status </dev/null | grep -q '^host-frozen ' || die "it is not shown: $(hd status </dev/null)"
step "$(rows 'select(.row=="host") | .says')"
[ "$(incidents)" = 0 ] || die "an incident: $(hd incidents)"
for g in one two; do until_ok 15 well_beyond "$g" "$(scenario_of "$g" ok)" || die "$g is not asked any more"; done
hd_stop
step "done"
