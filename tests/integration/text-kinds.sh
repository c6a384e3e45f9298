#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Kinds that hear a console, in a whole hangdog and on fake guests: a heartbeat that comes, is missing, and comes again;
# a line that must not come; what hangdog types itself counts for neither, nor does a document that says something else now
# keep what the old one knew.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init text-kinds jq

kind() { # NAME KIND MORE
    cat >"$work/scenarios/$1.json" <<EOJ
{ "schema": "hangdog/scenario/1", "name": "$1", "kind": "$2", "interval": "${EVERY:-1s}", "timeout": "${WITHIN:-900ms}",
  "initial-delay": "100ms", "retry-interval": "1s", "flap-damping": false, $3 }
EOJ
}
kind beat console-heartbeat '"pattern": "hd-beat (?<n>\\d+)", "counter": "n", "every": "1s", "missed": 3'
kind bad console-pattern '"must-not-match": "hd-(bad|worse)", "clear": "3s", "failure-threshold": 100'
# Types the label, with a number that grows, on the same console.
EVERY=5s WITHIN=4s kind shell console-command '"command": "echo hd-beat $(date +%s) hd-worse", "expect": {"status": -1}'
fake_guest alpha -P shell
chaos_config "{\"kind\": \"rundir\", \"root\": \"$work/fake\", \"consoles\": \"cons0\", \"console-mode\": \"hold\"}"
hd_start
says() { fake_tell alpha "say 0 $1\\r\\n"; }
is() { # NAME OUTCOME CODE [WORDS]
    rows "select(.row==\"scenario\" and .scenario==\"$1\") | \"\(.outcome) \(.code) \(.sentence)\"" | grep -q "^$2 $3 .*${4:-}"
}
becomes() {
    until_ok 15 is "$@" || { hd status --json | jq -c 'select(.row=="scenario")'; hd dump | grep -A3 '^text'; die "$1 is not $2 $3 ${4:-}"; }
    step "$1: $(rows "select(.row==\"scenario\" and .scenario==\"$1\") | .sentence")"
}

# What lasts for seconds alone is said again until it is seen; not at once, since each second it is looked at.
saying() { # LINES IS-ARGUMENTS...: N in them grows
    local n=0 lines=$1 at=-2000
    shift
    heard() {
        [ "$(since_ms "$at")" -lt 2000 ] || { says "${lines//N/$((n += 1))}" && at=$(now_ms); }
        is "$@"
    }
    until_ok 15 heard "$@" || becomes "$@"
    step "$1: $(rows "select(.row==\"scenario\" and .scenario==\"$1\") | .sentence")"
}

becomes beat no-verdict not-yet
becomes bad ok ok
saying 'a hd-beat N' beat ok ok 'number [1-9]'
# It stops; hangdog types the label all the while.
becomes beat failed beat-missing 'last heartbeat'
becomes shell ok ok
is bad ok ok || die "what hangdog typed is taken for the guest's words"
is beat failed beat-missing || die "what hangdog typed passes for a heartbeat"
saying '[  100.000000] hd-beat 100N' beat ok ok 'number 100'
saying '[  101.000000] hd-beat 2\r\n[  101.500000] hd-beat 1' beat ok ok 'from 2 to 1'
saying '[  102.000000] hd-bad things happen' bad failed pattern-seen 'hd-bad things happen'
becomes bad ok ok

# ---- another text: what the old one had heard is over, and the new one hears ----
kind beat console-heartbeat '"label": "hd-tick", "every": "1m"'
kill -HUP "$keeper"
becomes beat no-verdict not-yet
says '[  200.000000] hd-beat 9'
says '[  201.000000] hd-tick'
becomes beat ok ok 'came'

hd_stop
step "what a guest says by itself is heard"
