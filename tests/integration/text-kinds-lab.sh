#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Kinds that hear the console of a real guest: a heartbeat that comes, one that stops while the guest goes on and a check
# types the very label there, a guest that is paused; a line that must not come; a flood. Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init text-kinds-lab jq
chaos_lab
lab_boot_eve web profile=shell || exit $?

kind() { # NAME KIND MORE
    cat >"$work/scenarios/$1.json" <<EOJ
{ "schema": "hangdog/scenario/1", "name": "$1", "kind": "$2", "interval": "1s", "timeout": "900ms",
  "initial-delay": "100ms", "retry-interval": "500ms", $3 }
EOJ
}
kind beat console-heartbeat '"pattern": "hd-beat (?<n>\\d+)", "counter": "n", "every": "1s", "missed": 4'
kind bad console-pattern '"must-not-match": "hd-(bad|worse)", "clear": "4s", "failure-threshold": 100'
kind flood console-flood '"rate": "2KiB", "window": "30s", "failure-threshold": 100'
# Types the label, with a number that grows, on the same console.
kind shell console-command '"command": "echo hd-beat $(date +%s) hd-worse", "expect": {"output": "hd-beat"}, "timeout": "15s", "interval": "20s"'
chaos_config "{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\", \"console-mode\": \"hold\"}"

beats_begin() {
    lab_ctl web 'sh -c "n=0; while :; do n=\$((n+1)); echo hd-beat \$n >/dev/kmsg; sleep 1; done" >/dev/null 2>&1 & echo $! >/tmp/beats' >/dev/null ||
        die "the guest's loop was not started"
}
beats_end() { lab_ctl web 'kill $(cat /tmp/beats)' >/dev/null || die "the guest's loop was not ended"; }
is() { # NAME OUTCOME CODE [WORDS]
    rows "select(.row==\"scenario\" and .scenario==\"$1\") | \"\(.outcome) \(.code) \(.sentence)\"" | grep -q "^$2 $3 .*${4:-}"
}
becomes() {
    until_ok 30 is "$@" || { hd status web --json | jq -c 'select(.row=="scenario")'; die "$1 is not $2 $3 ${4:-}"; }
    step "$1: $(rows "select(.row==\"scenario\" and .scenario==\"$1\") | .sentence")"
}

# ---- well ----
beats_begin
hd_start
becomes beat ok ok 'number'
becomes bad ok ok
becomes shell ok ok 'hd-beat'
is bad ok ok || die "what hangdog typed itself is taken for the guest's words"

# ---- broken as the kind is for: the rest of the guest goes on ----
beats_end
becomes beat failed beat-missing 'last heartbeat'
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

# ---- broken otherwise: its owner paused it ----
began=$(incidents)
lab_qmp web stop >/dev/null || die "the guest was not paused"
becomes beat no-verdict 'paused\|held-off'
exact "incidents of a paused guest" "$(incidents)" "$began"
lab_qmp web cont >/dev/null
becomes beat ok ok

# ---- a flood, in which the heartbeat is heard all the same ----
lab_ctl web 'lab-fault flood 32' >/dev/null || die "the flood was not made"
becomes flood failed console-flood
is beat ok ok || die "the heartbeat is not heard in a flood"

hd_stop
step "what a guest says by itself is heard"
