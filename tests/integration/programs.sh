#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154,SC2034
#
# Programs of the operator's around a diagnosis: a step that runs one, what it says being evidence; one that hangs, and
# is ended with all that it has started; a core that nobody has a folder for; who is told of a bundle, and what becomes
# of a diagnosis when that program hangs or fails.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init programs jq

for g in alpha beta; do fake_guest $g -P dead; done
mkdir -m 755 "$work/playbooks.d" "$work/exec.d"
mkdir -m 777 "$work/said"
cat >"$work/exec.d/array" <<EOP
#!/bin/sh
echo "before the first"
echo "@@ ports"
echo "\$HANGDOG_GUEST has \$1 of \$HANGDOG_UUID"
printf '@@ odd/na me\nesc \033[2J\n'
echo "trouble" >&2
exit 2
EOP
cat >"$work/exec.d/hangs" <<EOP
#!/bin/sh
setsid sleep 300 &
echo \$! >$work/said/child
echo "got so far"
sleep 300
EOP
cat >"$work/exec.d/leaves" <<EOP
#!/bin/sh
cd "\$HANGDOG_OUTPUT" || exit 9
printf 'of %s\n' "\$HANGDOG_GUEST" >state.txt
printf 'a\0b' >"b c"
printf 'other' >"b_c"
ln -s /etc/passwd link
pwd >$work/said/where
EOP
cat >"$work/exec.d/fills" <<EOP
#!/bin/sh
setsid sh -c 'while :; do head -c 1000000 /dev/zero >>"\$HANGDOG_OUTPUT/a"; done' &
wait
EOP
cat >"$work/exec.d/stays" <<EOP
#!/bin/sh
echo 1 >"\$HANGDOG_OUTPUT/a"
setsid sleep 300 &
echo \$! >$work/said/stays
wait
EOP
cat >"$work/exec.d/tell" <<EOP
#!/bin/sh
case \$HANGDOG_GUEST in
    beta) setsid sleep 300 & echo \$! >$work/said/told-child; sleep 300 ;;
esac
env >$work/said/part && mv $work/said/part $work/said/told
echo "pager is broken" >&2
exit 7
EOP
chmod 755 "$work/exec.d"/*
cat >"$work/playbooks.d/mine.json" <<EOJ
{ "name": "mine", "steps": [
  { "do": "exec", "name": "array", "program": "array", "args": ["two parts"] },
  { "do": "exec", "name": "again", "program": "array", "args": ["other words"] },
  { "do": "exec", "name": "hangs", "program": "hangs", "budget": "2s" },
  { "do": "exec", "name": "none", "program": "nonesuch" },
  { "do": "dialogue", "name": "panel", "budget": "5s", "steps": [
    { "name": "in", "send": "hunter2\\\\r", "expect": ["never-said"], "timeout": "300ms" } ] },
  { "do": "host", "if": "exec.array.status == 2" },
  { "do": "core", "max": "1GiB" } ] }
EOJ
cat >"$work/playbooks.d/left.json" <<EOJ
{ "name": "left", "steps": [
  { "do": "exec", "name": "leaves", "program": "leaves" },
  { "do": "exec", "name": "fills", "program": "fills", "budget": "60s" } ] }
EOJ
echo '{ "name": "stays", "steps": [ { "do": "exec", "program": "stays", "budget": "5m" } ] }' >"$work/playbooks.d/stays.json"
echo '{ "name": "short", "steps": [ "console" ] }' >"$work/playbooks.d/short.json"
cfg() { # NOTIFY
    chaos_config "{\"kind\": \"rundir\", \"root\": \"$work/fake\", \"consoles\": \"cons0\", \"console-mode\": \"hold\"}" \
        "\"playbooks\": [\"$work/playbooks.d\"], \"exec\": [\"$work/exec.d\"], \"notify\": $1"
}

# ---- a mistake in the document has its place ----
cfg '{ "exec": ["/bin/true"] }'
hd --config "$work/config.json" config check >"$work/out" 2>&1 && die "a path is taken for a program's name"
grep -q 'notify.exec\[0\]: is the name of a program' "$work/out" || { cat "$work/out"; die "where it is wrong"; }
echo '{ "name": "bad", "steps": [ { "do": "exec", "program": "../x" } ] }' >"$work/bad.json"
hd playbook check "$work/bad.json" >"$work/out" 2>&1 && die "a path is taken for a step's program"
grep -q 'steps\[0\].program: is the name' "$work/out" || { cat "$work/out"; die "where the step is wrong"; }

# ---- what would be done ----
cfg '{ "exec": ["tell", "an argument"], "timeout": "3s" }'
hd_start
until_ok 10 logged '4 playbooks of 4 files' || die "the playbooks"
until_ok 10 sh -c "'$build/hangdog' list | grep -q beta" || die "no guests"
hd diagnose alpha --playbook mine --dry-run >"$work/out" || die "dry-run: $?"
grep -q 'runs the host.s program array' "$work/out" || { cat "$work/out"; die "the plan has no program"; }
grep -q 'writes its memory there, 1024 MiB at most' "$work/out" || { cat "$work/out"; die "the plan has no core"; }
grep -qF 'types on its console: hunter2' "$work/out" || { cat "$work/out"; die "the plan does not say what is typed"; }
grep -q 'takes what it leaves in a folder of its own, 4 MiB and 32 files' "$work/out" || { cat "$work/out"; die "the plan has no folder"; }
[ ! -e "$work/said/child" ] || die "a plan runs programs"

# ---- what is ----
hd diagnose alpha --playbook mine >"$work/out" 2>&1
bundle=$(grep -Eo 'bundle=[^ ]*' "$work/out"); bundle=${bundle#bundle=}
[ -s "$bundle" ] || { cat "$work/out"; die "no bundle"; }
part() { hd bundle cat "$bundle" "$1" 2>/dev/null; }
part exec/array-ports.txt | grep -q '^alpha has two parts of [0-9a-f-]*$' || die "what it said: $(part exec/array-ports.txt)"
hd bundle ls "$bundle" | grep -q 'exec/array-odd' || die "its other file"
part exec/array-odd_na_me.txt | grep -q "$(printf '\033')" && die "it is not escaped"
part exec/array-stderr.txt | grep -q trouble || die "its standard error"
part exec/array-ports-again.txt | grep -q '^alpha has other words of ' || die "a second step of a program: $(hd bundle ls "$bundle")"
part manifest.json >"$work/manifest"
jq -r '.gaps[].why' "$work/manifest" >"$work/gaps"
lacks() { grep -q -- "$1" "$work/gaps" || { cat "$work/gaps"; die "no gap \"$1\""; }; } # PATTERN
jq -e '[.facts[] | select(.name == "exec.array.status") | .value] == [2]' "$work/manifest" >/dev/null || die "its status is no fact"
jq -e '[.facts[] | select(.name == "exec.again.status") | .value] == [2]' "$work/manifest" >/dev/null || die "the second one's"
jq -e '.collectors[] | select(.name == "host") | .status != "skipped"' "$work/manifest" >/dev/null || die "no step goes by it"
part exec/hangs.txt | grep -q 'got so far' || die "what it said before it hung"
lacks 'hangs did not end in time, and was ended with [1-9]'
lacks nonesuch
lacks 'no folder for cores'
jq -r '.impact[].what' "$work/manifest" | grep -q 'program array' || die "impact"
jq -e '[.facts[] | select(.name == "dialogue.panel.end" and .source == "console") | .value] == ["silent"]' "$work/manifest" >/dev/null ||
    die "how a dialogue ended is no fact"
jq -r '.impact[].what' "$work/manifest" | grep -qx 'typed 8 bytes on its console' || die "impact of a dialogue"
part dialogue/panel.txt | grep -qx '> ended in step in: silent' || { part dialogue/panel.txt; die "what was said"; }
hd bundle grep hunter2 "$bundle" >"$work/out" 2>&1 && { cat "$work/out"; die "what was typed is in the bundle"; }
until_ok 5 gone "$(cat "$work/said/child")" || die "what it has started lives on"

# ---- who is told ----
until_ok 10 test -e "$work/said/told" || die "nobody was told"
grep -q "^HANGDOG_BUNDLE=$bundle\$" "$work/said/told" || { cat "$work/said/told"; die "of which bundle"; }
grep -q '^HANGDOG_GUEST=alpha$' "$work/said/told" || die "of which guest"
grep -Eq '^HANGDOG_CLASS=[a-z-]+$' "$work/said/told" || die "of which class"
grep -Eq "^HANGDOG_INCIDENT=$(jq -r .incident.id "$work/manifest")\$" "$work/said/told" || die "of which incident"
grep -q '^HOME=' "$work/said/told" && die "it has an environment of somebody else's"
until_ok 10 logged 'notify: .*tell exited 7.*pager is broken' || die "that it failed is not in the log"

# ---- one that hangs hurts nobody ----
rm "$work/said/told"
began=$(now_ms)
hd diagnose beta --playbook short >"$work/out" 2>&1
grep -q 'bundle=/' "$work/out" || { cat "$work/out"; die "no bundle where who is told hangs"; }
until_ok 10 logged 'notify: .*tell timeout' || die "it is not ended"
until_ok 5 gone "$(cat "$work/said/told-child")" || die "what it has started lives on"
hd diagnose alpha --playbook short >"$work/out" 2>&1
until_ok 10 test -e "$work/said/told" || die "nobody is told any more"

# ---- what it leaves: in a folder of its own, in the bundle, and nowhere else ----
folders() { find "$work/run/exec" -mindepth 1 -maxdepth 1 | wc -l; }
hd diagnose alpha --playbook left >"$work/out" 2>&1
left=$(grep -Eo 'bundle=[^ ]*' "$work/out"); left=${left#bundle=}
[ -s "$left" ] || { cat "$work/out"; die "no bundle"; }
hd bundle verify "$left" >/dev/null || die "that bundle is not whole"
exact "what it left" "$(hd bundle cat "$left" exec/leaves/state.txt)" "of alpha"
exact "what else it left" "$(hd bundle cat "$left" exec/leaves/b_c)" 'a\x00b'
exact "and one of a like name" "$(hd bundle cat "$left" exec/leaves/b_c-1)" other
hd bundle cat "$left" manifest.json >"$work/manifest-left"
jq -r '.gaps[] | .what + ": " + .why' "$work/manifest-left" >"$work/gaps"
lacks '^exec/leaves/link: a link is not followed'
lacks 'fills did not stop to fill its folder'
lacks '^exec/fills/a: cut off'
exact "where it is" "$(dirname "$(cat "$work/said/where")")" "$work/run/exec"
no_folder() { [ "$(folders)" = 0 ]; }
until_ok 5 no_folder || die "folders are left: $(ls -A "$work/run/exec")"

# ---- called off: at once, with all that it has started ----
began=$(now_ms)
hd diagnose alpha --playbook stays >"$work/out" 2>&1 &
watcher=$!
until_ok 10 test -s "$work/said/stays" || die "it does not begin"
hd diagnose alpha --cancel >/dev/null || die "it is not called off"
until_ok 60 gone "$watcher" || die "it goes on"
wait $watcher
exact "called off: its end" $? 6
grep -q 'called off by uid' "$work/out" || { cat "$work/out"; die "who called it off"; }
until_ok 5 gone "$(cat "$work/said/stays")" || die "what it has started lives on"
until_ok 5 no_folder || die "folders are left: $(ls -A "$work/run/exec")"
rm "$work/said/stays"

# ---- killed: what it has started is ended, and its folder goes; where nobody could, at the next start ----
hd diagnose beta --playbook stays >/dev/null 2>&1 &
until_ok 10 test -s "$work/said/stays" || die "it does not begin"
exact "its folder" "$(folders)" 1
its=$(ls "$work/run/exec")
child=$(cat "$work/said/stays")
mkdir -p "$work/run/exec/run-older/a/b"
chown -R --reference="$work/run/exec" "$work/run/exec/run-older"
kill -9 "$(hd_pid daemon)"
until_ok 10 gone "$child" || die "what it had started outlives the daemon"
# The next daemon begins that diagnosis once more, with another folder.
no_folders() { [ ! -e "$work/run/exec/$its" ] && [ ! -e "$work/run/exec/run-older" ]; }
until_ok 15 no_folders || die "$its or run-older outlive the daemon: $(ls -A "$work/run/exec")"
hd_stop
mkdir -p "$work/run/exec/run-older/a/b"
chown -R --reference="$work/run/exec" "$work/run/exec/run-older"
rm "$work/playbooks.d/stays.json"
hd_start
until_ok 15 test ! -e "$work/run/exec/run-older" || die "a start does not take it away"
step PASS
