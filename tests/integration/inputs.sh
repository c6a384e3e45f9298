#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Bad command lines, documents and reloads: one line that names the place, exit code 2, the last good
# configuration stays. And a healthy guest gets nothing but the configured command.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init inputs jq

# bad WHAT REGEX COMMAND...: exits 2, in time, says one line on stderr that matches.
hd_() { timeout 60 "$build/hangdog" "$@"; }
bad() {
    local what=$1 regex=$2 rc
    shift 2
    "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    [ "$rc" = 2 ] || { cat "$work/out" "$work/err" >&2; die "$what: exit code $rc, wanted 2"; }
    [ "$(wc -l <"$work/err")" = 1 ] || { cat "$work/err" >&2; die "$what: $(wc -l <"$work/err") lines, wanted one"; }
    grep -qE -- "$regex" "$work/err" || { cat "$work/err" >&2; die "$what: does not say $regex"; }
    bads=$((bads + 1))
    step "$what: $(cut -c1-150 "$work/err")"
}
bads=0
export HANGDOG_RUN=$work/norun HANGDOG_STATE=$work/nostate
bad "unknown verb" 'statsu.*did you mean' hd_ statsu
bad "unknown option" 'bogus' hd_ status --bogus
bad "an argument too many" 'what is "b" for' hd_ status a b
bad "no guest named" 'which guest' hd_ probe
bad "daemon, unknown option" 'bogus' hd_ daemon --bogus
bad "daemon, an argument too many" 'what is "now" for' hd_ daemon now
bad "daemon, a value is missing" 'value is missing' hd_ daemon --config
bad "a timeout that is none" 'soon' hd_ wait web --timeout soon

bad "an option without its value" 'value is missing after "--scenario"' hd_ probe web --scenario
bad "a slip in an option" 'wach.*did you mean "--watch"' hd_ status --wach
bad "an option twice" '"--no-start" is there twice' hd_ list --no-start --no-start
bad "options that exclude each other" '--watch, --nagios or --npd' hd_ status --watch --npd
bad "no value before a verb" 'value is missing after "--run"' hd_ --run
bad "an empty value before a verb" 'value is missing after "--state"' hd_ --state= list
bad "a slip before a verb" 'unknown option "--jsn" .did you mean "--json"' hd_ --jsn list
bad "config, too many files" 'what is "b" for' hd_ config check a b
bad "config, an option" 'unknown option "--bogus"' hd_ config check --bogus
bad "scenario, an option" 'unknown option "--bogus"' hd_ scenario check --bogus
bad "no such section" 'what is "taks" for.*did you mean "tasks"' hd_ inspect web taks
bad "a slip in a health" 'no health "hong".*did you mean "hung"' hd_ wait web --for hong
bad "no such place in the spool" 'known: open, ready, sent, parked' hd_ spool list bogus
bad "controller, no folder" '--data is missing' hd_ controller
bad "controller, no address" 'ADDRESS:PORT' hd_ controller --data "$work/nodata" --listen here
bad "bundle, an unknown word" 'frob' hd_ bundle frob
bad "bundle, no member" 'which member' hd_ bundle cat x
bad "no daemon, and a configuration that is not there" 'did not start: .*nowhere.json' hd_ --config "$work/nowhere.json" list
mkdir "$work/noguests"
printf '{"schema":"hangdog/config/1","sources":[{"kind":"rundir","root":"%s"}]}' "$work/noguests" >"$work/noguests.json"
bad "no such playbook, and no guest" 'no playbook "nosuch"' hd_ --config "$work/noguests.json" diagnose --all --playbook nosuch
rm -rf "$work/norun" "$work/nostate" # the last ones made them
# What a later version has is said, with 6; a plugin never calls hung what cannot be asked.
for v in demo metrics monitor; do
    hd_ $v web >"$work/out" 2>"$work/err" </dev/null
    [ $? = 6 ] && [ "$(grep -c "$v is not in this version" "$work/err")" = 1 ] || { cat "$work/err" >&2; die "$v: not one clear line and 6"; }
done
HANGDOG_LIBEXEC=$work/nothing hd_ status --nagios >"$work/out" 2>"$work/err"
exact "status --nagios without anybody to ask: exit code" $? 3
grep -q '^HANGDOG UNKNOWN - .*hangdog-keeper' "$work/out" || { cat "$work/out" "$work/err" >&2; die "status --nagios does not say why"; }

# Without a daemon somebody who may see nothing is told that, and not only that there is nothing.
anybody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
if [ "$(id -u)" = 0 ] && anybody test -x "$build/hangdog-daemon" 2>/dev/null; then
    install -d -m 700 -o 65534 "$work/anybody"
    chmod a+x "$work"
    HANGDOG_LIBEXEC=$build anybody "$build/hangdog" --run "$work/anybody/run" --state "$work/anybody/state" inspect web >"$work/out" 2>"$work/err"
    exact "a guest that this user may not see: exit code" $? 2
    grep -q "no guest 'web' .*try as root" "$work/err" || { cat "$work/err" >&2; die "who has no rights is not told so"; }
fi

# A full disk is no end of what there is to say; a closed pipe is one of listening.
hd_ --help >/dev/full 2>"$work/err"
exact "a full disk: exit code" $? 1
grep -q 'not all of it could be printed: No space left' "$work/err" || { cat "$work/err" >&2; die "a full disk is not told"; }
exact "and once" "$(wc -l <"$work/err")" 1
mkfifo "$work/closed"
exec 7<>"$work/closed"
exec 8>"$work/closed" 7<&-
hd_ --help >&8 2>"$work/err"
exact "a closed pipe: exit code" $? 0
exact "and says nothing" "$(wc -c <"$work/err")" 0
exec 8>&-
rm -f "$work/closed"

doc() { printf '%s' "$2" >"$work/$1"; }
config() { # WHAT REGEX DOCUMENT
    doc c.json "$3"
    bad "config: $1" "$2" hd_ config check "$work/c.json"
    bad "config: $1 (daemon)" "$2" hd_ --config "$work/c.json" daemon
}
s='"schema": "hangdog/config/1"'
config "unknown key" 'c\.json:2:[0-9]+:.*limts.*limits' "{ $s,
  \"limts\": {} }"
config "wrong type" 'c\.json:2:[0-9]+:.*sources' "{ $s,
  \"sources\": 7 }"
config "duplicate key" 'c\.json:3:[0-9]+:.*twice|c\.json:3:[0-9]+:.*again|c\.json:3:[0-9]+:.*dupl' "{ $s,
  \"roots\": [],
  \"roots\": [] }"
config "cut off" 'c\.json:[0-9]+:[0-9]+:' "{ $s, \"roots\": ["
config "an empty URI" 'c\.json:1:[0-9]+:.*uri' "{ $s, \"sources\": [{\"kind\": \"libvirt\", \"uri\": \"\"}] }"
config "no kind of source" 'c\.json:1:[0-9]+:.*kind' "{ $s, \"sources\": [{}] }"
config "a relative root" 'c\.json:1:[0-9]+:.*root' "{ $s, \"sources\": [{\"kind\": \"rundir\", \"root\": \"run\"}] }"
config "a duration without a unit" 'c\.json:1:[0-9]+:.*sweep' "{ $s, \"limits\": {\"console-sweep\": \"5\"} }"
bad "config: it is not there" 'nowhere.json' hd_ config check "$work/nowhere.json"
doc c.json "{ $s, \"limts\": {} }"
hd_ --config "$work/c.json" doctor >"$work/out" 2>&1
exact "doctor with a configuration that would not be taken: exit code" $? 3
exact "doctor with a configuration that would not be taken: says so" "$(grep -c '^bad .*configuration: .*c.json:1:.*limts' "$work/out")" 1
bad "config: it is a folder" "$work" hd_ config check "$work"
# A file may be meant for another host: the check only notes who is missing on this one.
doc c.json "{ $s, \"groups\": [\"no-such-group\"] }"
hd_ config check "$work/c.json" >"$work/out" 2>"$work/err" || die "a group of another host is refused: $(cat "$work/err")"
grep -q 'note: .*no-such-group' "$work/out" "$work/err" || die "config check does not say that a group is missing"
# Who is for all guests takes the built-in one from them: that is said, in one line.
doc all.json '{ "scenarios": [{ "name": "a", "kind": "icmp" }, { "name": "b", "kind": "icmp", "select": { "name": "b*" } }] }'
exact "scenario check: notes of one for all guests" "$(hd_ scenario check "$work/all.json" | grep -c '^note: .*"a" is for all guests.*memory heartbeat')" 1
doc all.json '{ "scenarios": [{ "name": "a", "kind": "icmp" }, { "name": "b", "kind": "memory-heartbeat" }] }'
exact "and with a heartbeat of its own" "$(hd_ scenario check "$work/all.json" | grep -c '^note')" 0
for who in user group; do
    doc c.json "{ $s, \"$who\": \"no-such-one\" }"
    bad "config: nobody is called so ($who)" 'no-such-one.*does not exist: add' hd_ --config "$work/c.json" daemon
done
{ printf '{ "roots": ["'; head -c 100M /dev/zero | tr '\0' x; printf '"] }'; } >"$work/huge.json"
bad "config: 100 MB" 'huge.json' hd_ config check "$work/huge.json"
bad "config: without an end" '/dev/zero' hd_ config check /dev/zero

scenario() { doc s.json "$3"; bad "scenario: $1" "$2" hd_ scenario check "$work/s.json"; }
b='"schema": "hangdog/scenario/1", "name": "x", "kind": "console-command", "command": "true"'
scenario "unknown key" 's\.json:2:[0-9]+:.*intervall.*interval' "{ $b,
  \"intervall\": \"5s\" }"
scenario "wrong type" 's\.json:2:[0-9]+:.*failure-threshold' "{ $b,
  \"failure-threshold\": \"two\" }"
scenario "duplicate key" 's\.json:2:[0-9]+:.*name' "{ $b,
  \"name\": \"y\" }"
scenario "missing name" 's\.json:1:[0-9]+:.*name' '{ "schema": "hangdog/scenario/1", "kind": "console-command", "command": "true" }'
scenario "a key of another kind" 's\.json:2:[0-9]+:.*"steps" is a key of kind dialogue, not of console-command' "{ $b,
  \"steps\": [] }"
scenario "unknown kind" 's\.json:1:[0-9]+:.*kind' '{ "schema": "hangdog/scenario/1", "name": "x", "kind": "consol-command" }'
scenario "deep" 's\.json:1:[0-9]+:' "$(printf '[%.0s' $(seq 100000))"
bad "scenario: 100 MB" 'huge.json' hd_ scenario check "$work/huge.json"
bad "scenario: without an end" '/dev/zero' hd_ scenario check /dev/zero
bad "scenario: it is a folder" 'scenarios: it is a folder' hd_ scenario check "$work/scenarios"

# As JSON: a row for each finding, one at the end, the same exit code, and nothing else on either stream.
findings() { # WHAT EXIT FILTER COMMAND...: jq FILTER holds of the list of all rows
    local what=$1 want=$2 filter=$3 rc
    shift 3
    "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    [ "$rc" = "$want" ] || { cat "$work/out" "$work/err" >&2; die "$what: exit code $rc, wanted $want"; }
    [ ! -s "$work/err" ] || { cat "$work/err" >&2; die "$what: says something on stderr"; }
    jq -se "$filter" "$work/out" >"$work/jq" || { cat "$work/out" >&2; die "$what: not as it should be: $filter"; }
    step "$what: $(wc -l <"$work/out") rows"
}
all='(map(select(.row != "cost")) | .[:-1] | all(.row == "finding" and (.severity | IN("error", "note")) and .file and .message)) and (.[-1] | .row == "checked" and .ok == (.errors == 0))'
doc c.json "{ $s,
  \"limts\": {} }"
findings "config --json: unknown key" 2 "$all"' and .[0].line == 2 and .[0].column == 3 and .[0].path == "limts" and .[0].hint == "did you mean \"limits\"?" and .[-1].errors == 1' \
    hd_ --json config check "$work/c.json"
doc ok.json "{ $s }"
findings "config --json: well" 0 "$all and length == 1" hd_ config check "$work/ok.json" --json
findings "config --json: it is not there" 2 "$all and (.[0] | has(\"line\") | not) and .[0].file == \"$work/nowhere.json\"" \
    hd_ config check --json "$work/nowhere.json"
doc s1.json "{ \"scenarios\": [ { $b },
  { \"schema\": \"hangdog/scenario/1\", \"name\": \"y\", \"kind\": \"tcp\", \"address\": \"192.0.2.1:1\", \"playbook\": \"stadard\" } ] }"
doc s2.json "{ ${b/\"x\"/\"z\"}, \"select\": {\"name\": \"z\"} }"
doc s3.json "{"
findings "scenario --json: several files" 2 "$all"' and .[-1].files == 3 and .[-1].errors == 2 and (map(select(.row == "finding")) | .[0].path == "scenarios[1].playbook" and .[0].line == 2 and .[1].line == 1)' \
    hd_ scenario check --json "$work/s1.json" "$work/s2.json" "$work/s3.json"
findings "scenario --json: well" 0 "$all"' and length == 2 and .[0].row == "cost" and .[0].runs_a_day > 0' hd_ scenario check "$work/s2.json" --json
doc s4.json "{ \"schema\": \"hangdog/scenario/1\", \"name\": \"x\", \"kind\": \"console-command\", \"command\": \"uptime\",
  \"transports\": [\"console\", \"disk\", \"ssh\"], \"ssh\": { \"user\": \"root\", \"key\": \"k\" }, \"interval\": \"5m\", \"address\": \"192.0.2.1:22\" }"
findings "scenario --json: each way has its cost" 0 'map(select(.row == "cost")) | map(.transport) == ["console", "disk", "ssh"] and .[0].typed_bytes_a_day > 0 and .[1].disk_bytes_a_day > 0 and .[2].network_bytes_a_day > 0' \
    hd_ scenario check "$work/s4.json" --json
rm -f "$work/huge.json"
test ! -e "$work/norun" -a ! -e "$work/nostate" || die "a bad document left something behind"
exact "bad inputs that were refused with one line and 2" "$bads" "$bads"
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state

# ---- a running one ----
fake_guest alpha
mkdir "$work/fake/folder" "$work/fake/folder/cons0" # a console that is a folder
chaos_scenario up '*' 1s 800ms
chaos_config "$fake_source"
cp "$work/config.json" "$work/good.json"
hd_start
until_ok 10 well_beyond alpha 0 || die "alpha is not well"
timeout 60 "$build/hangdog" --run "$work/run2" --config "$work/good.json" daemon >"$work/out" 2>"$work/err"
exact "a second one with the same state: exit code" $? 1
grep -q "another hangdog keeps its spool and logs in $work/state" "$work/err" || { cat "$work/err" >&2; die "the second does not say why"; }
reloads() { grep -cE 'not taken' "$work/hangdog.log"; }
interval() { "$build/hangdog" status --json | jq -r 'select(.row=="scenario") | .next_ms'; }
broken() { # WHAT REGEX
    local n
    n=$(reloads)
    kill -HUP "$keeper"
    until_ok 5 sh -c "[ \$(grep -c 'not taken' '$work/hangdog.log') -gt $n ]" || die "reload, $1: nobody said anything"
    sleep 0.3
    exact "reload, $1: lines that say so" $(($(reloads) - n)) 1
    grep 'not taken' "$work/hangdog.log" | tail -n 1 | jq -r .msg | tee "$work/msg" | sed 's/^/            /'
    grep -qE "$2" "$work/msg" || die "reload, $1: does not say $2"
    n=$(scenario_of alpha ok)
    until_ok 5 well_beyond alpha "$n" || { hd status; die "reload, $1: the last good one does not stay"; }
}
echo '{ "schema": "hangdog/config/1", "surces": [] }' >"$work/config.json"
broken "unknown key in the configuration" 'config.json:1:[0-9]+:.*surces'
jq '.group = "no-such-group"' "$work/good.json" >"$work/config.json"
broken "a group that does not exist" 'no-such-group'
rm "$work/config.json"
broken "no configuration" 'config.json'
cp "$work/good.json" "$work/config.json"
sed -i 's/"timeout"/"tiemout"/' "$work/scenarios/up.json"
broken "unknown key in a scenario" 'up.json:[0-9]+:[0-9]+:.*tiemout'
head -c 3M /dev/zero >"$work/scenarios/up.json"
broken "a scenario of zeros" 'up.json'
chaos_scenario up '*' 1s 800ms
cp "$work/scenarios/up.json" "$work/scenarios/twin.json"
broken "two scenarios of one name" 'twin.json|up.json'
rm "$work/scenarios/twin.json"
# A good one, live.
chaos_scenario up '*' 3s 800ms
chaos_scenario more '*' 1s 800ms
sed -i 's/"output": "load average"/"output": "(?<n>[0-9]+).*load average", "compare": [{"capture": "n", "op": ">=", "value": 0}]/' "$work/scenarios/more.json"
pid=$(hd_pid daemon)
kill -HUP "$keeper"
applies() { hd status --json >"$work/more"; jq -se 'any(.[]; .row=="scenario" and .scenario=="more" and .ok > 1 and .outcome == "ok")' "$work/more" >/dev/null; }
until_ok 20 applies || { hd status; die "the good one does not apply"; }
exact "the number in its answer" "$(jq -r 'select(.row=="scenario" and .scenario=="more" and .outcome=="ok") | .value >= 0' "$work/more")" true
exact "a good reload applies live: the daemon is the same" "$(hd_pid daemon)" "$pid"

# ---- libvirt comes and goes: another programme of the same daemon ----
maps_libvirt() { # yes|no
    local p
    p=$(hd_pid daemon) && [ -n "$p" ] || return 1
    if grep -q 'libvirt\.so' "/proc/$p/maps" 2>/dev/null; then [ "$1" = yes ]; else [ "$1" = no ]; fi
}
maps_libvirt no || die "a daemon without a libvirt source has libvirt's libraries"
if [ "$("$build/hangdog" version --json | jq -r .libvirt)" = true ] && ldd "$build/hangdog-daemon-libvirt" 2>/dev/null | grep -q libvirt; then
    jq '.sources += [{"kind": "libvirt", "uri": "test:///default"}]' "$work/good.json" >"$work/config.json"
    kill -HUP "$keeper"
    until_ok 10 maps_libvirt yes || die "a libvirt source was added, and nothing calls libvirt"
    # A new daemon counts from nothing, and may not know its guests yet.
    until_ok 10 well_beyond alpha 0 || { hd status; die "alpha is not asked by the daemon with libvirt"; }
    until_ok 10 sh -c "'$build/hangdog' list --json | grep -q '\"test\"'" || { hd list --json; die "libvirt's own guest is not there"; }
    cp "$work/good.json" "$work/config.json"
    kill -HUP "$keeper"
    until_ok 10 maps_libvirt no || die "the libvirt source is gone, and libvirt is still there"
    until_ok 10 well_beyond alpha 0 || { hd status; die "alpha is not asked any more"; }
    exact "deaths that the keeper counted meanwhile" "$(grep -c 'daemon (pid [0-9]*) ' "$work/hangdog.log")" 0
fi
hd_stop

# ---- a daemon that dies again and again: not "well", whoever asks ----
hd_start
for n in 1 2 3; do
    pid=$(hd_pid daemon)
    kill -9 "$pid"
    until_ok 10 hd_new_pid daemon "$pid" || die "no daemon after death $n"
done
until_ok 10 sh -c "'$build/hangdog' status --json | jq -se 'any(.[]; .row==\"daemon\" and .drain_only and .writer)' >'$work/out'" || die "three deaths, and it does not only drain"
hd status >"$work/out"
exact "status of one that only drains: exit code" $? 4
grep -q 'only drains' "$work/out" || { cat "$work/out" >&2; die "status does not say that it only drains"; }
hd list >"$work/out" 2>&1
exact "list of one that only drains: exit code" $? 4
grep -q 'only drains' "$work/out" || { cat "$work/out" >&2; die "list does not say that it only drains"; }
hd wait alpha --for well --timeout 1s >"$work/out" 2>&1
exact "wait for one that only drains: exit code" $? 4
exact "wait for one that only drains: says so" "$(grep -c 'only drains' "$work/out")" 1
hd status --nagios >"$work/out"
exact "nagios of one that only drains: exit code" $? 1
grep -q 'WARNING.*only drains' "$work/out" || { cat "$work/out" >&2; die "the plugin does not say that it only drains"; }
hd_stop

# ---- reloads one behind the other: the last one counts ----
hd_start
for n in $(seq 200); do chaos_scenario "none$n" nobody 1s 800ms; done # so that to read them takes a while
for n in $(seq 20); do
    chaos_scenario "up$n" '*' 1s 800ms
    rm -f "$work/scenarios/up$((n - 1)).json"
    kill -HUP "$keeper"
    sleep 0.0$((n % 4))
done
until_ok 10 sh -c "'$build/hangdog' status --json | jq -se '[.[] | select(.row==\"scenario\") | .scenario] | (index(\"up20\") != null) and (index(\"up19\") == null)' >'$work/out'" \
    || { hd status; die "the last of twenty reloads is not what is in force"; }
hd_stop
rm -f "$work/scenarios/"none*.json
# A bad one when it starts: it asks nobody, and does not call that well.
echo '{ "schema": "hangdog/scenario/1", "nam": "x" }' >"$work/scenarios/up20.json"
hd_start
# The log is that of earlier starts, too.
until_ok 10 sh -c "'$build/hangdog' status | grep -q up20.json:1" || die "a bad scenario at the start is not told"
hd status >"$work/out"
exact "status of one whose scenarios are bad: exit code" $? 4
grep -q 'scenarios are not taken.*up20.json:1' "$work/out" || { cat "$work/out" >&2; die "status does not say that the scenarios are bad"; }
hd_stop
rm -f "$work/scenarios/"up[0-9]*.json

# ---- nobody was named to be watched ----
chaos_config ''
hd_start
hd status >"$work/out"
exact "status of one that has nowhere to look: exit code" $? 4
grep -q 'nowhere to look' "$work/out" || { cat "$work/out" >&2; die "status does not say that there is nowhere to look"; }
hd_stop

# ---- a healthy guest gets nothing but the configured command ----
rm "$work/scenarios/more.json"
chaos_scenario up alpha 1s 800ms
fake_guest gamma
fake_guest delta
chaos_scenario text gamma 1s 800ms
chaos_config "$fake_source"
keys() { # GUEST: bytes its console received so far
    local n
    n=$(wc -l <"$work/$1.report")
    fake_tell "$1" stats
    until_ok 5 sh -c "[ \$(wc -l <'$work/$1.report') -gt $n ]" || die "$1 does not report"
    tail -n 1 "$work/$1.report" | jq "$2"
}
before=$(keys alpha .keys) executed=$(keys alpha .executed)
hd_start
until_ok 20 well_beyond alpha 9 || die "no ten probes"
at=$(now_ms)
runs=$(scenario_of alpha runs)
hd_stop
may=$((1 + $(since_ms "$at") / 1000))
n=$(($(keys alpha .executed) - executed))
per=$((($(keys alpha .keys) - before) / n))
step "a healthy guest received $(($(keys alpha .keys) - before)) bytes in $n probes"
figure "commands executed beyond the probes that were asked for" $((n - runs)) "$may" " (one may have run in each second since they were counted)"
figure "bytes per probe (the command, its frame and nonce)" "$per" 160 " bytes"
exact "bytes that a guest without a scenario received" "$(keys delta .keys)" 0
exact "times that a guest without a scenario was connected to (probe mode)" "$(keys delta .connects)" 0

# ---- a folder that was copied, uuid and all: shown as such, and nobody's trouble ----
FAKE_UUID=$(sed 's/.*-uuid\x00\([^\x00]*\).*/\1/' "/proc/$fake_delta/cmdline" | tr -d '\0') fake_guest copy
chaos_config "$fake_source"
hd_start
until_ok 10 sh -c "'$build/hangdog' list | grep -E '^(delta|copy) +claimed-twice +running '" || { hd list; die "a uuid claimed twice is not shown"; }
hd status >"$work/out" 2>&1
exact "status with a uuid claimed twice: exit code" $? 4
exact "status with a uuid claimed twice: rows that say so" "$(grep -c 'its uuid is claimed twice: [a-z]* is watched for it' "$work/out")" 1
exact "incidents out of it" "$(incidents)" 0
hd_stop
step "inputs are what they should be"
