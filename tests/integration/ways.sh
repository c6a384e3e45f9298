#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# One question by two ways: which is asked, and what is said of the other.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init ways jq

# Nobody listens on that port: it is the host's own, and reserved.
two='"transports": ["console", "ssh"], "address": "127.0.0.1:1", "ssh": {"user": "u", "key": "k"}'
fake_guest alpha
fake_guest beta -P login
fake_guest gamma -P mute
# It runs when it is asked for, and no failure of it is looked into: that would type on the console, too.
DELAY=1h RETRY=1h chaos_scenario up '*' 2h 5s
sed -i "s|\"transports\": \[\"console\"\]|$two|; s|\"failure-threshold\": 2|\"failure-threshold\": 50|" "$work/scenarios/up.json"
hd scenario check "$work/scenarios/up.json" >"$work/out" 2>&1 || {
    grep -q 'built without ssh' "$work/out" && { echo "without ssh"; exit 77; }
    cat "$work/out"
    die "the scenario is refused"
}
mkdir -m 700 "$work/ssh" && : >"$work/ssh/known_hosts" && : >"$work/ssh/k" && chmod 600 "$work/ssh"/*
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}"
hd_start
until_ok 15 bindings 3 || { hd status; die "not all are there"; }

# asked GUEST WANTED...: outcome, code, who spoke, who was tried
asked() {
    hd probe "$1" --json >"$work/out" 2>"$work/err"
    exact "$1: $2" "$(jq -r '"\(.outcome) \(.code) by \(.transport), \([.tried[]? | .transport + " " + .code] | join(" "))"' "$work/out")" "$2"
}
asked alpha "ok ok by console, "
asked beta "failed refused by ssh, console login-prompt"
asked gamma "failed no-answer by console, ssh refused"
exact "the same for people" "$(hd probe beta | grep -c '\[console: login-prompt\]$')" 1
exact "what status says of it" "$(scenario_of beta 'tried[0].code')" login-prompt
hd_stop
step "each way is told of"
