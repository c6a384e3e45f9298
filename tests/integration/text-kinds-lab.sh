#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Kinds that hear or talk to the console of real guests: a heartbeat, a line that must come and one that must not, a
# silence, a flood, a dialogue, a boot; each well, broken in the way the kind is for, and broken in another. Three guests
# at once: web has a shell, door shows a login prompt, mute says nothing once it has booted. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init text-kinds-lab jq
chaos_lab
lab_boot_eve web profile=shell net=no || exit $?

kind() { # NAME KIND MORE
    cat >"$work/scenarios/$1.json" <<EOJ
{ "schema": "hangdog/scenario/1", "name": "$1", "kind": "$2", "interval": "${EVERY:-1s}", "timeout": "${WITHIN:-900ms}",
  "initial-delay": "100ms", "retry-interval": "1s", "select": { "display-name": "${GUEST:-web}" }, $3 }
EOJ
}
kind beat console-heartbeat '"pattern": "hd-beat (?<n>\\d+)", "counter": "n", "every": "1s", "missed": 4, "failure-threshold": 100'
kind bad console-pattern '"must-not-match": "hd-(bad|worse)", "clear": "4s", "failure-threshold": 100'
kind tick console-pattern '"must-match": "hd-beat", "within": "5s", "failure-threshold": 100'
kind flood console-flood '"rate": "2KiB", "window": "30s", "failure-threshold": 100'
GUEST=mute kind silence console-silence '"silence": "30s", "failure-threshold": 100'
kind talks console-silence '"silence": "30s", "failure-threshold": 100'
# Nobody reads its console, so no prompt comes there.
GUEST=mute kind prompt boot-stage '"stage": "login", "within": "15s", "failure-threshold": 100'
GUEST=door kind boot boot-stage '"stage": "login", "within": "10m"'
GUEST=door EVERY=3s WITHIN=2500ms kind login dialogue '"failure-threshold": 100,
  "steps": [ { "name": "wake", "send": "\\r", "expect": [ "login: ?$" ], "timeout": "1500ms" } ]'
# Types the label, with a number that grows, on the same console.
EVERY=20s WITHIN=5s kind shell console-command '"command": "echo hd-beat $(date +%s) hd-worse", "expect": {"output": "hd-beat"}'
chaos_config "{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\", \"console-mode\": \"hold\"}"

beats_begin() {
    lab_ctl web 'sh -c "n=0; while :; do n=\$((n+1)); echo hd-beat \$n >/dev/kmsg; sleep 1; done" >/dev/null 2>&1 & echo $! >/tmp/beats' >/dev/null ||
        die "the guest's loop was not started"
}
beats_end() { lab_ctl web 'kill $(cat /tmp/beats)' >/dev/null || die "the guest's loop was not ended"; }
is() { # NAME OUTCOME CODE [WORDS]
    rows "select(.row==\"scenario\" and .scenario==\"$1\") | \"\(.outcome) \(.code) \(.sentence)\"" | grep -q "^$2 \($3\).* .*${4:-}"
}
becomes() {
    until_ok 10 is "$@" || { hd status --json | jq -c 'select(.row=="scenario")'; die "$1 is not $2 $3 ${4:-}"; }
    step "$1: $(rows "select(.row==\"scenario\" and .scenario==\"$1\") | .sentence")"
}

# ---- well ----
beats_begin
hd_start
lab_start_eve door profile=login net=no || exit $?
lab_start_eve mute profile=none net=no || exit $?
becomes beat ok ok 'number'
becomes bad ok ok
becomes tick ok ok
becomes shell ok ok 'hd-beat'
becomes talks ok ok
is bad ok ok || die "what hangdog typed itself is taken for the guest's words"

# ---- broken as the kind is for: the rest of the guest goes on ----
beats_end
becomes beat failed beat-missing 'last heartbeat'
becomes tick failed pattern-missing
answered=$(rows 'select(.row=="scenario" and .scenario=="shell") | .ok')
hd probe web --scenario shell >/dev/null 2>&1
[ "$(rows 'select(.row=="scenario" and .scenario=="shell") | .ok')" -gt "$answered" ] || die "the shell does not answer"
is beat failed beat-missing || die "what hangdog typed passes for a heartbeat"
beats_begin
becomes beat ok ok

# ---- what must not be said ----
lab_ctl web 'echo hd-bad things happen >/dev/kmsg' >/dev/null
becomes bad failed pattern-seen 'hd-bad things happen'
becomes bad ok ok

# ---- a boot that came to its prompt, and one that did not ----
becomes boot ok ok 'login'
becomes login ok ok
becomes prompt failed boot-late 'no further than'
lab_ctl door lab-fault getty-gone >/dev/null || die "the getty was not ended"
becomes login failed 'silent\|mismatch'
is boot ok ok || die "what comes after a boot is taken for a part of it"

# ---- broken otherwise: their owner paused them, which is known some seconds later ----
for g in web door; do lab_qmp $g stop >/dev/null || die "$g was not paused"; done
for s in beat tick login; do becomes $s no-verdict 'paused\|held-off'; done
is bad no-verdict 'paused\|held-off' || is bad ok ok || die "a paused guest says what it must not"
for g in web door; do lab_qmp $g cont >/dev/null; done
becomes beat ok ok
becomes tick ok ok

# ---- nothing said for too long: any line will do ----
becomes silence failed console-silent 'nothing for'
lab_ctl mute 'echo something >/dev/console' >/dev/null
becomes silence ok ok

# ---- a flood, in which the heartbeat is heard all the same; a shell that is stopped is none ----
lab_ctl web lab-fault shell-stop >/dev/null
becomes flood ok ok
# A guest that started a minute ago may still be booting, and is excused.
shell_is_missed() {
    hd probe web --scenario shell >/dev/null 2>&1
    is shell failed 'silent\|no-'
}
until_ok 15 shell_is_missed ||
    die "a shell that is stopped: $(rows 'select(.row=="scenario" and .scenario=="shell") | "\(.outcome) \(.code) \(.sentence)"')"
is flood ok ok || die "a silent shell is taken for a flood"
is talks ok ok || die "a shell that is stopped is taken for a silent console"
lab_ctl web lab-fault shell-cont >/dev/null
lab_ctl web 'lab-fault flood 32' >/dev/null || die "the flood was not made"
becomes flood failed console-flood
is beat ok ok || die "the heartbeat is not heard in a flood"

hd_stop
step "what a guest says by itself is heard"
