#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What an operator does with scenarios at a shell: tries a document on a guest, asks all guests, waits for what a
# test wants to see, and looks where a setting is from.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init scenario-verbs jq

fake_guest alpha
fake_guest beta
fake_guest gamma -P mute
DELAY=1h RETRY=1h chaos_scenario up 'alpha' 2h 3s
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}"
hd_start
there() { [ "$(rows 'select(.row=="guest") | .display' | wc -l)" = 3 ] && bindings 1; }
until_ok 15 there || { hd status; die "not all are there"; }

ended() { # WHAT WANTED COMMAND...: its exit code
    local what=$1 want=$2 rc
    shift 2
    "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    [ "$rc" = "$want" ] || { cat "$work/out" "$work/err"; die "$what: exit code $rc, wanted $want"; }
    step "$what: $rc, $(head -c 150 "$work/out" | head -n 1)"
}

# What nobody has written is listed, too.
ended "show what is built in" 0 hd scenario show heartbeat
exact "where it is from" "$(hd scenario list --json | jq -r 'select(.name=="heartbeat") | .origin')" built-in

# ---- check: what the daemon would say of them together ----
echo '{"name": "one", "kind": "monitor"}' >"$work/a.json"
echo '{"name": "one", "kind": "tcp", "select": {"name": "x"}, "address": "guest:22"}' >"$work/b.json"
ended "check one that is for every guest" 0 hd scenario check "$work/a.json"
grep -q '^note: .*a.json: scenario "one" is for all guests' "$work/out" || die "it is not said what every guest loses"
ended "check two of one name" 2 hd scenario check "$work/a.json" "$work/b.json"
grep -q 'b.json:1:2: name: there is another scenario named "one" in .*/a.json' "$work/err" || { cat "$work/err"; die "it is not said which"; }
echo '{"name": "kernel", "kind": "memory-heartbeat"}' >"$work/b.json"
ended "check it beside a heartbeat" 0 hd scenario check "$work/a.json" "$work/b.json"
! grep -q '^note:' "$work/out" || die "nothing is lost, and it is said"
ended "check a folder" 2 hd scenario check "$work/scenarios"
grep -q 'name its files' "$work/err" || { cat "$work/err"; die "it is not said how"; }
ended "a kind that there is not" 2 hd scenario kinds cosole-command
grep -q 'did you mean "console-command"' "$work/err" || { cat "$work/err"; die "without a hint"; }
ended "all kinds, a line each" 0 hd scenario kinds
grep -q '^tcp  *a TCP connection' "$work/out" || die "tcp is not among them"
ended "kinds" 0 hd scenario kinds --json tcp icmp
exact "as rows" "$(jq -r .kind "$work/out" | tr '\n' ' ')" "tcp icmp "

# ---- run: bound to nobody ----
cat >"$work/try.json" <<END
// on any guest
{ "schema": "hangdog/scenario/1", "name": "try", "kind": "console-command", "interval": "10s", "timeout": "3s",
  "command": "uptime", "expect": { "output": "load average" }, }
END
ended "run on one that is well" 0 hd scenario run "$work/try.json" beta
grep -q '^outcome=ok guest=beta scenario=try code=ok' "$work/out" || die "run does not say how it went"
ended "run on one that is mute" 3 hd scenario run "$work/try.json" gamma
exact "an outcome of nobody's is no scenario of the guest" "$(rows 'select(.row=="scenario" and .scenario=="try") | .guest')" ""
exact "and makes no incident" "$(hd incidents --json | wc -l)" 0
sed 's/"kind": "console-command"/"kind": "console-silence", "silence": "5m"/; s/"command".*//; $s/.*/}/' "$work/try.json" >"$work/hear.json"
ended "run what does not ask" 2 hd scenario run "$work/hear.json" beta
grep -q 'does not ask' "$work/err" || { cat "$work/err"; die "it is not said why"; }
sed 's/uptime/\\n/' "$work/try.json" >"$work/bad.json"
ended "run what is refused" 2 hd scenario run "$work/bad.json" beta
grep -q 'bad.json:3:' "$work/err" || { cat "$work/err"; die "without its place"; }
ended "run on nobody" 2 hd scenario run "$work/try.json" nobody
ended "probe nobody" 2 hd probe nobody --scenario up

# Its answer comes after 2 s at the least, and that is too late for one of them.
sed 's/"command": "uptime"/"command": "sleepms 2000; uptime", "max-time": "1s"/; s/"3s"/"8s"/' "$work/try.json" >"$work/late.json"
ended "run on one that answers late" 3 hd scenario run "$work/late.json" beta
grep -q 'code=slow .*answer is right, but took [2-8][0-9]* ms and may take 1s: .*load average' "$work/out" || { cat "$work/out"; die "it is not said how late, and what is the bound"; }
sed -i 's/"max-time": "1s"/"max-time": "7s"/' "$work/late.json"
ended "run on one that may answer late" 0 hd scenario run "$work/late.json" beta
exact "as a row" "$(hd scenario run "$work/try.json" beta --json | jq -r '.row + " " + .code')" "outcome ok"
echo '{"name": "sum", "kind": "all", "of": ["up"]}' >"$work/sum.json"
ended "run what only looks at others" 2 hd scenario run "$work/sum.json" beta
grep -q 'other scenarios have found; bind it' "$work/err" || { cat "$work/err"; die "it is not said why"; }
ended "a word that there is not" 2 hd scenario chekc
grep -q 'did you mean "check"' "$work/err" || { cat "$work/err"; die "without a hint"; }
echo hello >"$work/said.log"
ended "a state that there is not" 2 hd scenario test "$work/hear.json" --replay "$work/said.log" --from talkin
grep -q 'did you mean "talking"' "$work/err" || { cat "$work/err"; die "without a hint"; }
states=$(sed -n 's/^| `console.state` | text | \([^|]*\) |.*/\1/p' "$src/docs/facts.md" | tr -d ' ')
for s in ${states//,/ }; do hd scenario test "$work/hear.json" --replay "$work/said.log" --from "$s" >/dev/null || die "--from $s is refused"; done

# ---- all of them ----
ended "one and all" 2 hd probe alpha --all
ended "probe --all" 0 hd probe --all
exact "its sums" "$(tail -n 1 "$work/out")" "probed=1 ok=1 failed=0 no-verdict=0"
ended "probe --all, of a scenario that nobody has" 2 hd probe --all --scenario none
sed -i 's/"name": "alpha"/"name": "*"/' "$work/scenarios/up.json"
kill -HUP "$keeper"
until_ok 15 bindings 3 || die "the change is not taken"
ended "probe --all, one of them mute" 3 hd probe --all
exact "its sums" "$(tail -n 1 "$work/out")" "probed=3 ok=2 failed=1 no-verdict=0"

# ---- waiting ----
exact "wait as a row" "$(hd wait alpha --ready --timeout 120s --json | jq -r '.row, .guest, .met, .health' | tr '\n' ' ')" "wait alpha true well "
ended "a time that is no health" 2 hd wait alpha --for 10s
grep -q -- '--timeout' "$work/err" || { cat "$work/err"; die "without a hint"; }
ended "one that is there twice" 2 hd wait --guest alpha --guest beta
grep -q 'twice' "$work/err" || { cat "$work/err"; die "it is said wrongly"; }
ended "wait --ready" 0 hd wait --guest alpha --ready --timeout 120s
ended "wait --no-incident, too short" 6 hd wait alpha --no-incident --for 1h --timeout 1s
ended "wait --no-incident" 0 hd wait alpha --no-incident --for 1s
ended "wait for a class that there is not" 2 hd wait gamma --verdict userspace-stukc
grep -q 'did you mean "userspace-stuck"' "$work/err" || { cat "$work/err"; die "without a hint"; }
ended "wait --verdict, none yet" 6 hd wait gamma --verdict any --timeout 1s
ended "two of them" 2 hd wait gamma --verdict any --ready
# It is mute, and said so twice: that is an incident.
fails() { hd probe gamma >/dev/null 2>&1 || [ $? = 3 ]; }
until_ok 20 fails || die "it does not fail once more"
ended "wait --verdict" 0 hd wait gamma --verdict any --timeout 60s
grep -q ' incident=[0-9a-f-]* verdict=[a-z]' "$work/out" || { cat "$work/out"; die "it is not said which"; }
ended "wait --no-incident, there is one" 3 hd wait gamma --no-incident --for 1s

# ---- bound at run time, and paused ----
ended "list" 0 hd scenario list
grep -Eq '^up +console-command +3 ' "$work/out" || { cat "$work/out"; die "list does not show it"; }
grep -Eq '^heartbeat +memory-heartbeat +0 .*built-in; guests .* have it not: [a-z]+, [a-z]+, [a-z]+$' "$work/out" ||
    { cat "$work/out"; die "list does not show the built-in one, and who has it no more"; }
ended "show the built-in one" 0 hd scenario show heartbeat
ended "show" 0 hd scenario show up
jq -e '.name == "up" and .["failure-threshold"] == 2 and .severity == "critical"' "$work/out" >/dev/null || { cat "$work/out"; die "show is no document"; }
ended "show what is not there" 2 hd scenario show upp
grep -q 'did you mean "up"' "$work/err" || { cat "$work/err"; die "without a hint"; }
ended "bind" 0 hd scenario bind "$work/try.json" --guest beta
exact "whom it is bound to" "$(rows 'select(.row=="scenario" and .scenario=="try") | .guest')" beta
ended "bind what is refused" 2 hd scenario bind "$work/bad.json"
ended "bind over a file's" 2 hd scenario bind "$work/scenarios/up.json"
ended "pause a guest" 0 hd scenario pause --guest alpha --for 10m --reason 'kernel update'
exact "of how many" "$(sed 's/.* //' "$work/out")" bindings=1
exact "whose, and why" "$(rows 'select(.row=="pause") | .guest + ": " + .reason')" "alpha: kernel update"
exact "it is held" "$(scenario_of alpha paused)" true
exact "and nobody else" "$(scenario_of beta paused)" false
hd status >"$work/out" 2>&1
grep -q '^PAUSED .*WHY$' "$work/out" && grep -q '^alpha  *all .*kernel update$' "$work/out" || { cat "$work/out"; die "status does not show the pause"; }
ended "pause all, with nobody named" 2 hd scenario pause --for 10m
ended "pause with a slip" 2 hd scenario pause --guest alpha --fro 10m
grep -q 'unknown option "--fro"' "$work/err" || { cat "$work/err"; die "another thing is said"; }
ended "resume it" 0 hd scenario resume --guest alpha
exact "how many were ended" "$(grep -o 'ended=[0-9]*' "$work/out")" ended=1
exact "nothing is held" "$(scenario_of alpha paused)" false
exact "pausing, as rows" "$(hd scenario pause --guest alpha --for 1m --json | jq -r .row | tr '\n' ' ')" "pause done "
hd scenario resume --guest alpha >/dev/null
hd_stop
hd_start
still() { [ "$(rows 'select(.row=="scenario" and .scenario=="try") | .guest')" = beta ]; }
until_ok 15 still || { hd scenario list; die "what was bound is not there after a restart"; }
ended "unbind" 0 hd scenario unbind try
exact "nobody has it" "$(rows 'select(.row=="scenario" and .scenario=="try") | .guest')" ""
ended "unbind a file's" 1 hd scenario unbind up

# ---- a wrong check: who binds it and takes it away again has no guest that is hung for ever ----
cat >"$work/wrong.json" <<END
{ "schema": "hangdog/scenario/1", "name": "wrong", "kind": "console-command", "interval": "5s", "timeout": "3s",
  "failure-threshold": 1, "initial-delay": "1s", "command": "uptime", "expect": { "output": "nothing such" } }
END
word_of() { rows "select(.row==\"guest\" and .display==\"$1\") | .health"; }
hung() { [ "$(word_of beta)" = hung ]; }
over() { [ "$(rows 'select(.row=="incident" and .scenario=="wrong") | .end')" = withdrawn ]; }
ended "bind a wrong one" 0 hd scenario bind "$work/wrong.json" --guest beta
until_ok 20 hung || die "it does not fail"
ended "take it away" 0 hd scenario unbind wrong
until_ok 30 over || { hd incidents; die "its incident goes on standing"; }
exact "and it is not hung" "$(hung; echo $?)" 1

# ---- where a setting is from ----
hd config show --origin --json "$work/config.json" >"$work/out"
exact "a setting of the file" "$(jq -r 'select(.path=="sources[0].kind") | .value, .origin' "$work/out" | tr '\n' ' ' | sed "s|$work/||")" \
    "rundir config.json:$(grep -n '"kind"' "$work/config.json" | cut -d: -f1):$(($(sed -n 's/"kind".*//p' "$work/config.json" | head -n 1 | wc -c))) "
exact "and one that it has by default" "$(jq -r 'select(.path=="limits.max-diagnoses") | .origin' "$work/out")" default
ended "config show of what is not there" 2 hd config show "$work/nothing.json"
hd config show "$work/config.json" | jq -e '.sources[0].kind == "rundir"' >/dev/null || die "config show is no document"
hd_stop
step "documents are tried, guests are waited for"
