#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# How a command ends that nobody wanted to end so: its output has no room, its reader goes, it is killed, it is
# started without descriptors. Half an answer is no answer, and nothing is left behind that holds consoles.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init ends jq script

for g in web-10 web-2 alpha; do fake_guest "$(tr -d - <<<"$g")"; done
chaos_scenario up '*' 2s 1900ms
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}"
hd_() { timeout 120 "$build/hangdog" --config "$work/config.json" "$@" </dev/null; }

# ---- without a daemon: what was started for a command ends with it ----
ours() { grep -lsa "$work/ru[n]" /proc/[0-9]*/cmdline | wc -l; }
nobody() { [ "$(ours)" = 0 ]; }
for sig in TERM KILL HUP; do
    rm -f "$work/run/control" # the one before
    "$build/hangdog" --config "$work/config.json" wait alpha --for hung </dev/null >"$work/out" 2>&1 &
    pid=$!
    until_ok 20 test -S "$work/run/control" || die "a daemon for one command does not start"
    kill "-$sig" "$pid"
    wait "$pid" 2>/dev/null
    until_ok 10 nobody || die "killed by $sig, a command leaves its keeper behind"
    step "a command that is ended by SIG$sig leaves nothing behind"
done

# ---- with one that was started without descriptors ----
"$build/hangdog" --config "$work/config.json" daemon <&- >&- 2>&- &
keeper=$!
until_ok 15 hd_ready || die "hangdog without descriptors did not start"
for p in $keeper $(hd_children); do
    name=$(cut -d '' -f 1 "/proc/$p/cmdline" 2>/dev/null | sed 's,.*/,,')
    to=$(readlink "/proc/$p/fd/0" "/proc/$p/fd/1" "/proc/$p/fd/2" | tr '\n' ' ')
    gone "$p" && continue # a helper that has ended
    exact "standard descriptors of $name" "$to" "/dev/null /dev/null /dev/null "
done
hd_ list >&- || die "list without a stdout"
timeout 1 "$build/hangdog" console alpha <&- >&- 2>"$work/err"
exact "console without a stdout goes on until it is ended: exit code" $? 124
hd_stop

# ---- no room for the answer ----
hd_start
for g in alpha web2 web10; do until_ok 20 well_beyond $g 0 || die "$g is not well"; done
full() { # VERB...
    hd_ "$@" >/dev/full 2>"$work/err"
    exact "$* into a full disk: exit code" $? "${lost:-1}"
    exact "$* into a full disk: says so" "$(grep -c 'not all of it could be printed' "$work/err")" 1
    { hd_ "$@" 2>"$work/err"; echo $? >"$work/rc"; } | true
    exact "$* whose reader is gone: exit code" "$(cat "$work/rc")" "${want:-0}"
    exact "$* whose reader is gone: words" "$(grep -c printed "$work/err")" 0
}
doc=$work/scenarios/up.json
for v in list status 'status --json' 'status alpha' incidents tables 'tables --json' dump 'spool list' version --help \
    'completion bash' 'rules list' 'config schema' 'config check' 'config check --json' 'scenario schema' \
    "scenario check $doc" "scenario check $doc --json" 'probe alpha' 'wait alpha'; do
    # shellcheck disable=SC2086
    full $v
done
lost=3 full status --nagios
lost=2 full status --npd
hd_ console alpha >/dev/full 2>"$work/err"
exact "console into a full disk ends: exit code" $? 1

# ---- the terminal is as it was ----
cat >"$work/tty.sh" <<EOT
"$build/hangdog" console alpha </dev/tty &
pid=\$!
n=0
until stty -a </dev/tty | grep -q -- '-icanon' || [ \$((n += 1)) -gt 1000 ]; do sleep 0.05; done
stty -a </dev/tty | grep -o -- '-icanon'
kill -\$1 \$pid
wait \$pid
echo "code \$?"
stty -a </dev/tty | grep -oE -- '[ -]icanon'
EOT
for sig in TERM HUP; do
    script -qec "sh $work/tty.sh $sig" /dev/null </dev/null | tr -d '\r' >"$work/out"
    grep -q '^code 1[24]' "$work/out" || { cat "$work/out"; die "console ended by $sig: not so"; }
    exact "console takes the terminal, and gives it back at SIG$sig" "$(grep -oE '[ -]icanon$' "$work/out" | tr -d '\n')" "-icanon icanon"
done

# ---- the order of what is listed ----
exact "list: by name, as people count" "$(hd_ list | awk 'NR > 2 { printf "%s ", $1 }')" "alpha web2 web10 "
fake_tell web10 play 0 dead
until_ok 30 sh -c "'$build/hangdog' status | grep -q '^web10 *hung'" || { hd status; die "web10 is not hung"; }
hd status >"$work/out"
exact "status: who hangs is at the top" "$(awk 'NR == 4 { print $1 }' "$work/out") $(awk '$1 == "GUEST" && $2 == "SCENARIO" { getline; print $1 }' "$work/out")" "web10 web10"
exact "status: blanks at the end of a line" "$(grep -c ' $' "$work/out")" 0

# ---- the owner of a console lets go ----
exact "console release says what it did" "$(hd_ console release alpha --for 90s)" "released guest=alpha for=1m30s"
exact "console release --for 0s" "$(hd_ console release alpha --for 0s)" "taken-back guest=alpha"
hd_ console release alpha --for 25h >"$work/out" 2>"$work/err"
exact "console release for more than a day: exit code" $? 2
grep -q '24h at most' "$work/err" || die "console release for more than a day is not explained: $(cat "$work/err")"
hd_ console release alpha --for 1s --json | jq -e '.row == "released" and .for_ms == 1000' >"$work/out" || die "release --json"

# ---- who reads along is told why nothing comes ----
timeout 60 "$build/hangdog" console web2 </dev/null >"$work/out" 2>"$work/err" &
reader=$!
until_ok 20 test -s "$work/out" || die "a reader gets nothing" # of what the ring had
hd_ console release web2 --for 1500ms >>"$work/out"
for words in 'given-way: released on request' connected; do
    until_ok 20 grep -q "cons0: $words" "$work/err" || { cat "$work/err"; die "a reader is not told: $words"; }
done
kill "$reader"
wait "$reader" 2>/dev/null
fake_guest folder
rm "$work/fake/folder/cons0"
mkdir "$work/fake/folder/cons0"
fake_tell folder 'drop 0' # who was there already stays else
until_ok 15 sh -c "'$build/hangdog' probe folder | grep -q 'folder/cons0 is a folder, not a socket'" || { hd probe folder; die "a console that is a folder is not told"; }
hd_stop
step "commands end as they should"
