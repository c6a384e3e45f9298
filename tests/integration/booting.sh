#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest that is silent in the middle of its boot, or at a boot loader, gets no key and does not fail; one that
# shows its prompt is asked.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init booting jq
fake_guest web -P dead
scenarios() {
    chaos_scenario up web 1s 800ms
    # Asked beside the console, of a port where nobody listens.
    cat >"$work/scenarios/web-port.json" <<EOJ
{ "schema": "hangdog/scenario/1", "name": "web-port", "kind": "tcp", "select": {"name": "web"},
  "interval": "1s", "timeout": "800ms", "initial-delay": "100ms", "retry-interval": "1s", "jitter": "0s",
  "failure-threshold": 100, "playbook": "no-touch", "address": "127.0.0.1:1", "expect": {"output": "^x"} }
EOJ
}
port_of() { hd status web --json | jq -r "select(.row == \"scenario\" and .scenario == \"web-port\") | .$1"; }
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}"
hd_start
keys() { # bytes that its console received so far
    local n
    n=$(wc -l <"$work/web.report")
    fake_tell web stats
    until_ok 5 sh -c "[ \$(wc -l <'$work/web.report') -gt $n ]" || die "the fake does not report"
    tail -n 1 "$work/web.report" | jq .keys
}
connected() { [ "$(console_of web state)" = silent ]; }
until_ok 10 connected || { hd status; die "its console is not held"; }
stage() { hd status web --json | jq -r 'select(.row == "text") | .stage'; }
stands() { [ "$(stage)" = "$1" ]; }
more_runs() { [ "$(scenario_of web runs)" -ge "$1" ]; }

# silent WHERE - it is asked about three times, and nothing is typed.
silent() {
    local before
    until_ok 5 stands "$1" || { hd status web; die "it does not stand at $1: $(stage)"; }
    before=$(keys)
    until_ok 20 more_runs $(($(scenario_of web runs) + 3)) || { hd status; die "$1: it is not looked at"; }
    exact "silent at $1: keys" $(($(keys) - before)) 0
    exact "silent at $1: outcome" "$(scenario_of web outcome) $(scenario_of web code)" "no-verdict booting"
    exact "silent at $1: checks that failed" "$(scenario_of web failed)" 0
    step "$(scenario_of web sentence)"
}
fake_tell web 'say 0 [    0.000000] Linux version 6.1.0-41-amd64 (debian) #1 SMP\r\n[    0.000000] Command line: quiet\r\n'
until_ok 5 stands kernel || { hd status web; die "its boot was not seen"; }
# Not before: a guest of which nothing is known is asked.
scenarios
kill -HUP "$keeper"
until_ok 15 bindings 2 || { hd status; die "the scenarios are not taken"; }
silent kernel
fake_tell web 'say 0 [    2.000000] Run /init as init process\r\n\r\nWelcome to Debian GNU/Linux 12 (bookworm)!\r\n\r\n'
silent userspace
fake_tell web 'say 0 [   12.000000] reboot: Restarting system\r\n'
silent shutdown
fake_tell web 'say 0 \r\nGNU GRUB  version 2.06-13+deb12u1\r\n\r\n'
silent bootloader
fake_tell web 'say 0 [    0.000000] Linux version 6.1.0-41-amd64 (debian) #1 SMP\r\n[    0.000000] Command line: quiet\r\n'
silent kernel
exact "a port that is asked meanwhile" "$(port_of outcome) $(port_of code) $(port_of failed)" "no-verdict booting 0"
fake_tell web 'play 0 shell'
fake_tell web 'say 0 \r\n~ # '
until_ok 20 well_beyond web 0 || { hd status; die "it is up, and not found well"; }
exact "incidents out of it" "$(incidents)" 0
step "a boot is left alone"
