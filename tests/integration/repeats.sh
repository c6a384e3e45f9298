#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# The same hang again and again, to a real receiver: one bundle and a counter, also over a daemon that is killed; a
# different hang has a bundle of its own, and beyond the window of `repeat` the same one has one again.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init repeats jq curl
chaos_controller

fake_guest web
RETRY=1s DELAY=0s chaos_scenario up '*' 1s 700ms '"flap-damping": false'
sed -i 's/"playbook": "standard"/"playbook": "no-touch"/; s/"failure-threshold": 2/"failure-threshold": 1/' "$work/scenarios/up.json"
# What a host that has much else to do would otherwise be blamed for.
cat >"$work/rules.json" <<'EOJ'
{ "schema": "hangdog/verdict-rules/1", "verdicts": [
  { "name": "silent", "class": "console-lost", "confidence": "medium", "codes": ["silent"],
    "culprit": "its console", "says": "It is silent.", "next": "Look." },
  { "name": "other", "class": "userspace-stuck", "confidence": "medium", "if": "host.cpus > 0",
    "culprit": "its shell", "says": "It says something: {outcome}", "next": "Look." } ] }
EOJ
window() {
    chaos_config "$fake_source" "\"verdicts\": [\"$work/rules.json\"]"
    sed -i "s/\"repeat\": \"0s\"/\"repeat\": \"$1\"/" "$work/config.json"
}
window 6h
hd_start

# At the receiver: FILTER of all incidents' documents, the first one first.
arrived() { cat "$work"/received/bundles/*.json | jq -rs "sort_by(.opened_ms) | $1"; }
is() { [ "$(arrived "$1")" = "$2" ]; }

# hangs MODE N - in that way, until the receiver knows the Nth incident, packed and over.
hangs() {
    fake_tell web play 0 "$1"
    until_ok 20 is "length, (.[$2 - 1] | .phase)" "$2
packed" || die "incident $2 is not there: $(hd incidents; arrived .)"
    fake_tell web play 0 shell
    until_ok 20 is ".[$2 - 1].end" recovered || die "incident $2 is not over: $(hd incidents)"
    step "$1: $(arrived ".[$2 - 1] | .verdict.class + \" \" + .verdict.signature + \" \" + (.no_bundle // \"bundle\")")"
}

until_ok 10 well_beyond web 0 || die "web is not well: $(hd status)"
hangs dead 1
# Who counts is another daemon than the one that packed.
daemon=$(hd_pid daemon)
kill -9 "$daemon"
until_ok 15 hd_new_pid daemon "$daemon" || die "no new daemon"
until_ok 10 well_beyond web 0 || die "web is not well: $(hd status)"
hangs dead 2
until_ok 10 is '.[0].repeats' 1 || die "not counted: $(arrived .)"
exact "bundles of a hang and the same again" "$(received)" 1
exact "what the second is" "$(arrived '.[1].repeat_of')" "$(arrived '.[0].id')"
hd incidents >"$work/out"
grep -q 'came again 1 times' "$work/out" && grep -q "repeats $(arrived '.[0].id[:8]')" "$work/out" || die "the list: $(cat "$work/out")"

hd diagnose "$(arrived '.[1].id')" --watch -o "$work/copies" >"$work/out" 2>"$work/err"
exact "the end of a copy of none" $? 5
grep -qxF "hangdog: no bundle: the same trouble as that of $(arrived '.[0].id')" "$work/err" || die "why there is none: $(cat "$work/err")"

hangs mute 3
exact "bundles, with a different hang" "$(received)" 2
exact "what is counted then" "$(arrived '.[0].repeats, (.[2].repeat_of // "new")' | tr '\n' ' ')" "1 new "
[ "$(arrived '.[2].verdict.signature')" != "$(arrived '.[0].verdict.signature')" ] || die "two hangs have one signature"

taken=$(grep -c 'rules of the verdict of' "$work/hangdog.log")
window 1ms
kill -HUP "$keeper"
reloaded() { [ "$(grep -c 'rules of the verdict of' "$work/hangdog.log")" -gt "$taken" ]; }
until_ok 10 reloaded || die "not read again"
hangs dead 4
exact "bundles, beyond the window" "$(received)" 3
exact "what is counted then" "$(arrived '.[0].repeats, (.[3].repeat_of // "new")' | tr '\n' ' ')" "1 new "
hd_stop
