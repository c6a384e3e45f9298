#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Rules of an operator's own, dropped into a folder: taken at start and by a reload, while guests are read; what
# is wrong with a file is said by `config check`, the log, status, doctor and dump, and costs no other rule.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init rules jq

for g in alpha beta; do fake_guest $g -P dead; done
mkdir "$work/rules.d"
rule() { # FILE NAME WORD [MORE]: a rule for "pump WORD N"
    cat >"$work/rules.d/$1" <<EOJ
{ "schema": "hangdog/text-rules/1", "rules": [
  { "name": "$2", "kind": "warning", "severity": "warning", "any": ["pump $3"],
    "match": "^pump $3 (?<subject>\\\\w+)$", "where": "any", "title": "pump $3 at {subject}",
    "samples": { "match": ["pump $3 north"], "not": ["pump $3"] } }${4:+, $4}
] }
EOJ
}
chaos_config "{\"kind\": \"rundir\", \"root\": \"$work/fake\", \"consoles\": \"cons0\", \"console-mode\": \"hold\"}" \
    "\"rules\": [\"$work/rules.d\"]"
cfg="--config $work/config.json"
rule 10-good.json pump-leaks leaks
rule 20-bad.json pump-stops stops
sed -i 's/"severity"/"sevrity"/' "$work/rules.d/20-bad.json"
place="$work/rules.d/20-bad.json:2:46: rules[0].sevrity: "

# ---- without a daemon ----
# shellcheck disable=SC2086
hd $cfg config check >"$work/out" 2>&1 && die "config check takes a broken rule"
grep -qF "$place" "$work/out" || { cat "$work/out"; die "config check does not say where it is wrong"; }
grep -qF 'did you mean "severity"?' "$work/out" || { cat "$work/out"; die "config check gives no hint"; }
exact "lines of config check" "$(wc -l <"$work/out")" 1
# shellcheck disable=SC2086
hd $cfg config check --json >"$work/out" 2>&1
jq -se '.[0].line == 2 and .[0].path == "rules[0].sevrity" and .[1].row == "checked" and .[1].ok == false
  and .[1].files == 3 and .[1].errors == 1' "$work/out" >/dev/null || { cat "$work/out"; die "config check --json"; }
# shellcheck disable=SC2086
hd $cfg rules list --json >"$work/out" 2>"$work/err"
exact "rules of mine that are listed" "$(jq -r 'select(.builtin | not) | .name' "$work/out")" pump-leaks
grep -qF "$place" "$work/err" || { cat "$work/err"; die "rules list does not say what it leaves out"; }
# shellcheck disable=SC2086
exact "and with --shipped" "$(hd $cfg rules list --shipped --json | jq -r 'select(.builtin | not) | .name')" ""
# shellcheck disable=SC2086
exact "classify has it" "$(echo 'pump leaks north' | hd $cfg classify --json 2>/dev/null | jq -r .title)" "pump leaks at north"
# shellcheck disable=SC2086
hd $cfg rules check >/dev/null 2>&1 && die "rules check takes a broken rule"
hd rules check "$work/rules.d/10-good.json" >/dev/null || die "rules check does not take a good one"

# ---- at start: the good ones ----
hd_start
held() { [ "$(rows 'select(.row=="console" and .state!="connecting" and .state!="absent") | .guest' | wc -l)" = 2 ]; }
until_ok 10 held || { hd status; die "not all consoles are held"; }
until_ok 10 logged '1 text rules of 1 files' || die "the good file is not taken"
grep -qF "$place" "$work/hangdog.log" || die "the log does not name the broken file"
hd status >"$work/out" && die "status is well with a broken file"
grep -qF 20-bad.json "$work/out" || { cat "$work/out"; die "status does not name the broken file"; }
hd dump | grep -qF 20-bad.json || die "dump does not name the broken file"
hd dump | grep -q 'of operators 1 ' || die "dump does not count the rules"
# shellcheck disable=SC2086
hd $cfg doctor | tr -s ' \n' ' ' | grep -qF "bad text rules: $work/rules.d/20-bad.json:2:46" || die "doctor does not name the broken file"
says() { fake_tell "$1" "say 0 $2"; }
text_of() { hd status "$1" --json 2>/dev/null | jq -r "select(.row==\"text\") | .$2"; }
title_is() { [ "$(text_of "$1" title)" = "$2" ]; }
says alpha '[    0.000000] Linux version 6.1.0-41-amd64 (debian) #1 SMP\r\npump leaks south\r\npump stops south\r\n'
until_ok 5 title_is alpha "pump leaks at south" || { hd status alpha; die "the good rule does not work"; }

# ---- mended, and one that takes the place of one of ours; others that are there stay ----
rule 20-bad.json pump-stops stops '{ "name": "hung-task", "kind": "harmless", "any": ["blocked for more than"],
    "match": "^INFO: task backup:" }'
again() { # WORDS OF THE LOG
    local n
    n=$(grep -cE -- "$1" "$work/hangdog.log")
    kill -HUP "$keeper"
    until_ok 10 sh -c "[ \$(grep -cE -- '$1' '$work/hangdog.log') -gt $n ]" || die "no \"$1\" in the log"
}
again '3 text rules of 2 files, 1 of them in the place of ours'
exact "what is wrong" "$(hd status --json | jq -r 'select(.row=="daemon") | .bad_rules')" null
says alpha 'pump stops south\r\n'
until_ok 5 title_is alpha "pump stops at south" || { hd status alpha; die "the mended rule does not work"; }
exact "the stage that was known" "$(text_of alpha stage)" kernel
exact "its kernel" "$(text_of alpha release)" 6.1.0-41-amd64
events=$(text_of alpha events)
exact "its events" "$events" 2
says alpha '[  240.000000] INFO: task backup:812 blocked for more than 120 seconds.\r\npump leaks west\r\n'
until_ok 5 title_is alpha "pump leaks at west" || die "the first rule is lost"
exact "its events: ours is replaced" "$(text_of alpha events)" 3

# ---- broken again: the last good ones stay ----
echo '{' >"$work/rules.d/10-good.json"
again 'the last good text rules stay'
hd status | grep -q 'last good ones stay' || die "status does not say that the last good ones stay"
says beta 'pump leaks east\r\n'
until_ok 5 title_is beta "pump leaks at east" || { hd status beta; die "the last good rules do not stay"; }

# ---- an expression that goes astray is bounded, and named; others are read meanwhile ----
rule 10-good.json pump-leaks leaks '{ "name": "astray", "kind": "warning", "severity": "info", "where": "any",
    "any": ["wombat"], "match": "^wombat (?:(?:a+)+)+$", "title": "t" }'
again '4 text rules of 2 files'
for _ in $(seq 20); do says beta 'wombat aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\r\n'; done
says alpha 'pump stops north\r\n'
until_ok 5 title_is alpha "pump stops at north" || die "another guest is not read"
until_ok 10 logged 'text rule .*astray.* of .*10-good.json was given up on [12][0-9] lines' || die "the slow rule is not named"
until_ok 5 sh -c "'$build/hangdog' dump | grep -q 'rule astray .* given up on 20 lines'" ||
    { hd dump | grep rule; die "dump does not name the slow rule"; }

# ---- without the folder's rules ----
rm "$work/rules.d"/*
again '0 text rules of 0 files'
hd_stop
step "rules are read"
