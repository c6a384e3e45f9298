#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Playbooks of an operator's own, dropped into a folder: taken at start and by a reload; what is wrong with a file is
# said by `config check`, the log, status, doctor and dump, and costs neither a scenario nor another playbook. Rules
# of the verdict likewise.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init playbooks jq

for g in alpha beta; do fake_guest $g -P dead; done
mkdir "$work/playbooks.d" "$work/verdicts.d"
playbook() { # FILE NAME STEPS
    printf '{ "schema": "hangdog/playbook/1", "name": "%s", "summary": "mine",\n  "steps": [%s] }\n' "$2" "$3" >"$work/playbooks.d/$1"
}
scenario() { # NAME PLAYBOOK
    cat >"$work/scenarios/$1.json" <<EOJ
{ "schema": "hangdog/scenario/1", "name": "$1", "kind": "tcp", "address": "192.0.2.1:1", "interval": "2h",
  "initial-delay": "20h", "timeout": "1s", "playbook": "$2" }
EOJ
}
chaos_config "{\"kind\": \"rundir\", \"root\": \"$work/fake\", \"consoles\": \"cons0\", \"console-mode\": \"hold\"}" \
    "\"playbooks\": [\"$work/playbooks.d\"], \"verdicts\": [\"$work/verdicts.d\"]"
cfg=(--config "$work/config.json")
playbook 10-good.json storage '"host"'
playbook 20-bad.json disks '"host", { "do": "dsk" }'
place="$work/playbooks.d/20-bad.json:2:23: steps[1].do: "
scenario one storage

# ---- without a daemon ----
hd "${cfg[@]}" config check >"$work/out" 2>&1 && die "config check takes a broken playbook"
grep -qF "$place" "$work/out" || { cat "$work/out"; die "config check does not say where it is wrong"; }
grep -qF 'did you mean "disk"?' "$work/out" || { cat "$work/out"; die "config check gives no hint"; }
exact "lines of config check" "$(wc -l <"$work/out")" 1
hd "${cfg[@]}" config check --json >"$work/out" 2>&1
jq -se '.[0].line == 2 and .[0].path == "steps[1].do" and .[1].row == "checked" and .[1].ok == false
  and .[1].files == 3 and .[1].errors == 1' "$work/out" >/dev/null || { cat "$work/out"; die "config check --json"; }
hd "${cfg[@]}" playbook list >"$work/out" 2>"$work/err"
exact "the end of list" $? 2
grep -qF "$place" "$work/err" || { cat "$work/err"; die "playbook list does not say what it leaves out"; }
exact "playbooks that are listed" "$(awk 'NR > 1 { print $1 }' "$work/out" | tr '\n' ' ')" "deep no-touch quick standard storage "
exact "and their first line" "$(head -n 1 "$work/out")" "playbooks=5"
hd "${cfg[@]}" playbook show storage >"$work/shown.json" || die "playbook show"
hd playbook check "$work/shown.json" >/dev/null || die "what is shown is not taken"
hd "${cfg[@]}" playbook show storag >"$work/out" 2>&1
exact "the end of show, of none" $? 2
grep -qF 'did you mean "storage"?' "$work/out" || { cat "$work/out"; die "show gives no hint"; }
hd playbook check "$work/playbooks.d/20-bad.json" >"$work/out" 2>&1
exact "the end of check" $? 2
grep -qF "$place" "$work/out" || { cat "$work/out"; die "check does not say where it is wrong"; }
hd playbook schema | jq -e '.properties.steps.items.anyOf[1].allOf | length > 5' >/dev/null || die "the schema"
# The one that a scenario names might be in the file that is not good.
hd "${cfg[@]}" scenario check "$work/scenarios/one.json" >"$work/out" 2>&1 || { cat "$work/out"; die "scenario check"; }
hd scenario check "$work/scenarios/one.json" >"$work/out" 2>&1 && die "scenario check knows playbooks of another host"
grep -qF 'playbook: no playbook "storage"' "$work/out" || { cat "$work/out"; die "scenario check"; }

# ---- at start: the good ones, and all scenarios ----
scenario two disks
hd_start
until_ok 10 logged '1 playbooks of 2 files, 0 of them in the place of ours' || die "the good file is not taken"
grep -qF "$place" "$work/hangdog.log" || die "the log does not name the broken file"
until_ok 10 logged '2 scenarios' || die "a playbook costs a scenario"
hd status >"$work/out" && die "status is well with a broken file"
grep -qF 20-bad.json "$work/out" || { cat "$work/out"; die "status does not name the broken file"; }
hd dump >"$work/out"
grep -qF 20-bad.json "$work/out" || die "dump does not name the broken file"
grep -q '^playbooks: 5, of operators 1$' "$work/out" || { grep ^playb "$work/out"; die "dump does not count the playbooks"; }
hd "${cfg[@]}" doctor | tr -s ' \n' ' ' | grep -qF "bad playbooks: $work/playbooks.d/20-bad.json:2:23" || die "doctor does not name the broken file"
hd tables --json | jq -se 'map(select(.table == "playbook") | .name) | index("storage")' >/dev/null || die "tables does not know it"
did() { # GUEST PLAYBOOK: the collectors that ran
    hd diagnose "$1" --playbook "$2" --json 2>"$work/err" | jq -r 'select(.row == "progress" and .ended) | .step' | sort | tr '\n' ' '
}
exact "steps of mine" "$(did alpha storage)" "host "
hd diagnose alpha --playbook disks >"$work/out" 2>&1
exact "the end of one that is not taken" $? 2
grep -qF 'no playbook "disks"' "$work/out" || { cat "$work/out"; die "an order does not say that there is none"; }

# ---- mended; and of a scenario and its playbook that come together both are taken ----
again() { # WORDS OF THE LOG
    local n
    n=$(grep -cE -- "$1" "$work/hangdog.log")
    kill -HUP "$keeper"
    until_ok 10 sh -c "[ \$(grep -cE -- '$1' '$work/hangdog.log') -gt $n ]" || die "no \"$1\" in the log"
}
playbook 20-bad.json disks '"console", "host"'
playbook 30-quick.json quick '{ "do": "host", "name": "first" }'
playbook 40-new.json brand-new '"host"'
scenario three brand-new
again '3 scenarios'
until_ok 10 logged '4 playbooks of 4 files, 1 of them in the place of ours' || die "the mended one is not taken"
exact "what is wrong" "$(hd status --json | jq -r 'select(.row=="daemon") | .bad_playbooks')" null
exact "steps of the mended one" "$(did alpha disks)" "console host "
exact "steps of one in the place of ours" "$(did beta quick)" "first "

# ---- what would be done, and is not ----
playbook 50-dry.json dry '"host", { "do": "monitor", "name": "again", "budget": "3s", "if": ["vmm == alive"] }, "net", "sysrq"'
again '5 playbooks of 5 files'
cat "$work/alpha.report" >"$work/report.before"
incidents=$(hd incidents --json | jq -s length)
hd diagnose alpha --playbook dry --dry-run >"$work/out" || die "dry-run: $?"
head -n 1 "$work/out" | grep -qE '^plan=dry guest=alpha steps=4 touching=[0-9]+ time=[0-9a-z]+ bytes=[0-9A-Za-z]+$' || { cat "$work/out"; die "the first line of a plan"; }
grep -q '^   if: vmm == alive' "$work/out" || { cat "$work/out"; die "a plan without its conditions"; }
grep -q 'connects by TCP to 192.0.2.1:1 once' "$work/out" || { cat "$work/out"; die "a plan without its packets"; }
grep -qi 'sysrq w' "$work/out" || { cat "$work/out"; die "a plan without what is typed"; }
hd diagnose alpha --playbook dry --dry-run --json >"$work/out"
jq -se 'length == 5 and .[4].row == "plan" and .[4].steps == 4 and .[1].step == "again" and .[1].collector == "monitor"
  and ((.[1].ms == 3000 and .[1].if == "vmm == alive") or .[1].never != null)
  and (.[3].acts | length) > 0 and .[0].acts == [] and .[4].ms > 3000' "$work/out" >/dev/null || { cat "$work/out"; die "a plan in JSON"; }
exact "the end of a plan by none" "$(hd diagnose alpha --playbook dri --dry-run >/dev/null 2>&1; echo $?)" 2
exact "incidents by plans" "$(($(hd incidents --json | jq -s length) - incidents))" 0
cmp "$work/report.before" "$work/alpha.report" || die "a plan was typed"

# ---- all guests, and their bundles into a folder ----
hd diagnose --all --playbook storage -o "$work/evidence" >"$work/out" 2>"$work/err"
rc=$?
head -n 1 "$work/out" | grep -qE '^guests=2 trouble=[0-9]+ slow=[0-9]+ no-verdict=[0-9]+ failed=0$' || { cat "$work/out" "$work/err"; die "the first line of all"; }
case $rc in 0|3|4|6) ;; *) die "the end of all: $rc" ;; esac
for g in alpha beta; do
    for what in "BEGIN $g" "PROGRESS $g 1/1 host" "OK $g .*verdict="; do
        grep -qE "^$what" "$work/err" || { cat "$work/err"; die "no line \"$what\""; }
    done
    b=$(sed -n "s/.* guest=$g .*bundle=//p" "$work/out")
    case $b in "$work/evidence/$g-"*) ;; *) die "the bundle of $g is \"$b\"" ;; esac
    hd bundle verify "$b" >/dev/null || die "the bundle of $g is not whole"
done
exact "files of all" "$(find "$work/evidence" -type f | wc -l)" 2
hd diagnose --all --playbook storage --json >"$work/out" 2>/dev/null
jq -se 'length == 3 and ([.[0, 1].guest] | sort) == ["alpha", "beta"] and .[2].row == "all" and .[2].failed == 0' "$work/out" >/dev/null ||
    { cat "$work/out"; die "all in JSON"; }
# One guest's, too.
hd diagnose alpha --playbook storage -o "$work/one" >"$work/out" 2>"$work/err"
b=$(sed -n '1s/^verdict=.* bundle=//p' "$work/out")
case $b in "$work/one/alpha-"*) ;; *) cat "$work/out" "$work/err"; die "the bundle of one is \"$b\"" ;; esac
grep -qF "OK alpha $b" "$work/err" || { cat "$work/err"; die "the end of one"; }
hd bundle verify "$b" >/dev/null || die "the bundle of one is not whole"
# One that can't be copied is there all the same.
id=$(sed -n '1s/.* incident=\([^ ]*\) .*/\1/p' "$work/out")
: >"$b.part"
hd diagnose "$id" --watch -o "$work/one" >"$work/out" 2>"$work/err"
exact "the end of a copy that fails" $? 5
is=$(sed -n '1s/^verdict=.* bundle=//p' "$work/out")
[ -s "$is" ] || { cat "$work/out"; die "the bundle is not where that is said"; }
grep -qxF "hangdog: the bundle is at $is and could not be copied: $b.part: File exists" "$work/err" || { cat "$work/err"; die "a copy that fails"; }
hd diagnose alpha --dry-run -o "$work/one" >/dev/null 2>&1
exact "a plan has no bundle" $? 2
: >"$work/file"
hd diagnose --all -o "$work/file" >/dev/null 2>&1 && die "a file is taken for a folder"
hd diagnose --all --playbook nonesuch -o "$work/evidence" >"$work/out" 2>"$work/err"
exact "the end of all by none" $? 5
grep -q '^FAIL alpha .*: no playbook "nonesuch"' "$work/err" || { cat "$work/err"; die "all by none"; }

# ---- rules of the verdict: by a reload, and the last good ones stay ----
verdict() { # CLASS
    cat >"$work/verdicts.d/10-mine.json" <<EOJ
{ "schema": "hangdog/verdict-rules/1",
  "verdicts": [ { "name": "mine", "class": "$1", "confidence": "low", "codes": ["ordered"], "if": "host.memory.available > 0",
                  "says": "Mine.", "next": "Nothing." } ] }
EOJ
}
judged() { hd diagnose beta --playbook disks --json 2>/dev/null | jq -r 'select(.row == "verdict" or .verdict) | .verdict.class? // .class'; }
verdict slow
again '1 rules of the verdict of 1 files, 0 of them in the place of ours'
exact "what mine says" "$(judged)" slow
verdict slowly
again 'rules of the verdict are not taken: .*10-mine.json:2:'
hd status | grep -q 'rules of the verdict are not taken, the last good ones stay' || die "status does not name the bad rules"
exact "what the last good one says" "$(judged)" slow
rm "$work/verdicts.d/10-mine.json"
again '0 rules of the verdict of 0 files'
exact "what is said without it is another" "$([ "$(judged)" = slow ]; echo $?)" 1

# ---- broken again: the last good ones stay ----
echo '{' >"$work/playbooks.d/10-good.json"
playbook 40-new.json brand-new '"host", "console"'
again 'the last good playbooks stay'
hd status | grep -q 'last good ones stay' || die "status does not say that the last good ones stay"
exact "steps of the last good one" "$(did alpha storage)" "host "
exact "and none of them is changed" "$(did alpha brand-new)" "host "

# ---- without them: whoever names one is told where, and the last good scenarios stay ----
rm "$work/playbooks.d"/*
again '0 playbooks of 0 files'
hd status >"$work/out"
grep -qE 'scenarios/one.json:2:[0-9]+: playbook: no playbook "storage"' "$work/out" || { cat "$work/out"; die "status does not name the scenario"; }
exact "the end of an order" "$(hd diagnose alpha --playbook storage >/dev/null 2>&1; echo $?)" 2
hd_stop
step "playbooks are read"
