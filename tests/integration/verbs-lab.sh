#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# The command line on real guests, as a person uses it: what is said of guests that are well, at a login
# prompt, paused, stopped, and of one whose QEMU stands in a write to its log, and with which exit code.
# Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_lab

# want CODE PATTERN VERB... - exit code, and a line of what is printed.
want() {
    local code=$1 pattern=$2 out rc
    shift 2
    out=$(hd "$@" 2>&1)
    rc=$?
    if [ $rc != "$code" ] || ! grep -Eq -- "$pattern" <<<"$out"; then
        echo "FAIL: hangdog $*: exit code $rc instead of $code, or no line like '$pattern':"
        sed 's/^/    /' <<<"$out"
        failed=1
    fi
}

# ---- guests ----
# A name that no other lab has: their uuids are made of their names.
one=verbs$$ log=vlog$$
lab_start_eve "$one" profile=shell pvpanic=yes || exit $?
lab_start_eve "$log" profile=shell log=pipe noisy=40000 || exit $?
lab_start_eve "l$one" profile=login || exit $?
lab_wait_up "$one" 60 && lab_wait_up "$log" 60 && lab_wait_up "l$one" 60 || exit 1
mkdir "$work/scenarios"
cat >"$work/scenarios/uptime.json" <<EOJ
{"schema": "hangdog/scenario/1", "name": "uptime", "kind": "console-command", "interval": "3s",
 "timeout": "2900ms", "initial-delay": "0s", "retry-interval": "1s", "failure-threshold": 2,
 "command": "uptime", "playbook": "quick"}
EOJ
bed_config '"scenarios": ["'"$work"'/scenarios"],'

# ---- without a daemon: usage and bad input ----
want 1 'no daemon answers' dump
want 1 'no daemon answers' list --no-start
want 2 'did you mean "list"' lst
want 2 'did you mean "hung"' wait "$one" --for hng
want 2 '/nowhere.json' config check /nowhere.json
want 0 '^ok' config check "$work/config.json"
sed 's/quick/quik/' "$work/scenarios/uptime.json" >"$work/bad.json"
want 2 'playbook: no playbook "quik" \(did you mean "quick"' scenario check "$work/bad.json"
hd completion bash | bash -n || { echo "FAIL: completion is no bash"; failed=1; }

bed_daemon

# ---- well ----
want 0 '^health=well' wait "$one" --for well --timeout 60s
want 0 '^health=well' wait "$log" --for well --timeout 60s
want 0 '^status=well' status "$one"
want 6 '^status=no-verdict' status "l$one"
want 0 '^verdict=none .*confidence=' diagnose "$one" --playbook no-touch
want 0 '^verdict=none .*confidence=(high|medium)' diagnose "$one"
want 0 '^verdict=none .*confidence=(medium|low)' diagnose "l$one"
want 6 'code=login-prompt' probe "l$one"
want 2 'did you mean' diagnose "$one" --playbook quik
want 2 'no guest' console nosuchguest
want 4 'pvpanic: the guest has it' doctor "$one"
want 4 'SysRq mask' doctor "$one"
want 4 '^warn  monitor  pvpanic: the guest has none' doctor "$log"
for verb in list status incidents "doctor $one" tables; do
    # shellcheck disable=SC2086
    hd --json $verb | while read -r line; do
        [[ $line == {*} ]] || { echo "FAIL: --json $verb: $line"; exit 1; }
    done || failed=1
done

# ---- paused, stopped ----
lab_qmp "$one" stop >/dev/null
want 6 '^verdict=paused' diagnose "$one" --playbook quick
lab_qmp "$one" cont >/dev/null
kill -STOP "$(lab_pid "guest.$one")"
want 3 '^verdict=vmm-stuck .*confidence=(high|certain)' diagnose "$one" --playbook quick
kill -CONT "$(lab_pid "guest.$one")"

# ---- nobody can ask it: it must not stay silent for ever ----
kill -STOP "$(lab_pid "logpump.$log")"
want 0 '^health=hung' wait "$log" --for hung --timeout 90s
want 3 'host-log-blocked' status "$log"
kill -CONT "$(lab_pid "logpump.$log")"
want 0 '^health=well' wait "$log" --for well --timeout 60s
want 0 ' recovered ' incidents

[ $failed = 0 ] || tail -n 5 "$work/log"
[ $failed = 0 ] && echo "PASS"
exit $failed
