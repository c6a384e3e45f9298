# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What tests of the guest agent share: a bash library, after bed.sh. The guest is called web.

agent_scenarios() {
    mkdir -p "$work/scenarios"
    cat >"$work/scenarios/agent.json" <<EOJ
{ "scenarios": [
  { "name": "ping", "kind": "agent-ping", "interval": "3s", "timeout": "2500ms", "initial-delay": "0s",
    "retry-interval": "2s", "failure-threshold": 2, "playbook": "quick" },
  { "name": "exec", "kind": "agent-exec", "program": "/bin/cat", "args": [ "/proc/uptime" ],
    "expect": { "output": "^(?<up>[0-9.]+) ", "compare": [ { "capture": "up", "op": ">", "value": 0 } ] },
    "interval": "1h", "timeout": "20s", "initial-delay": "1h" },
  { "name": "no-program", "kind": "agent-exec", "program": "/bin/no-such-program",
    "interval": "1h", "timeout": "20s", "initial-delay": "1h" },
  { "name": "file", "kind": "agent-file", "path": "/run/health", "max-age": "10m",
    "expect": { "output": "^ok (?<stamp>[0-9]+)$" },
    "interval": "1h", "timeout": "20s", "initial-delay": "1h" },
  { "name": "console-first", "kind": "console-command", "command": "uptime", "transports": [ "console", "agent" ],
    "expect": { "output": "load average" }, "interval": "1h", "timeout": "20s", "initial-delay": "1h" },
  { "name": "agent-first", "kind": "console-command", "command": "uptime", "transports": [ "agent", "console" ],
    "expect": { "output": "load average" }, "interval": "1h", "timeout": "10s", "initial-delay": "1h" },
] }
EOJ
}

row() { hd probe web --scenario "$1" --json 2>/dev/null | grep '"outcome"' | tail -n 1; }
# asked SCENARIO OUTCOME CODE [TRANSPORT] - it is asked now, and so it ends. Its row is in $work/row.SCENARIO.
asked() {
    row "$1" >"$work/row.$1"
    jq -e --arg o "$2" --arg c "${3:-}" --arg t "${4:-}" \
        '.outcome == $o and ($c == "" or .code == $c) and ($t == "" or .transport == $t)' "$work/row.$1" >/dev/null
}
sentence() { jq -c . "$work/row.$1"; }
must() { asked "$@" || fail "$1 is to be $2 ${3:-}: $(sentence "$1")"; }

agent_is_well() {
    lab_until 20 "asked ping ok ok agent" || fail "the agent does not answer: $(sentence ping)"
    must exec ok ok agent
    must no-program failed agent-error agent
    # shellcheck disable=SC2016 # for the guest's shell
    lab_ctl web 'echo "ok $(date +%s)" >/run/health' >/dev/null
    must file ok ok agent
    lab_ctl web 'echo "ok 1000000000" >/run/health' >/dev/null
    must file failed stale agent
    lab_ctl web 'rm /run/health' >/dev/null
    must file failed agent-error agent
    must console-first ok ok console
    must agent-first ok ok agent
}

# Stopped, it is missed by who asks it, and nobody else is.
agent_stopped() {
    at='agent stopped'
    # shellcheck disable=SC2016
    lab_ctl web 'kill -STOP $(cat /run/qga.pid)' >/dev/null
    must ping failed agent-silent agent
    # Another scenario that waits for the stopped agent has its lane for a while: then it is not asked.
    lab_until 30 "asked agent-first failed way-lost console" || fail "the agent's way is lost: $(sentence agent-first)"
    must console-first ok ok console
    # shellcheck disable=SC2016
    lab_ctl web 'kill -CONT $(cat /run/qga.pid)' >/dev/null
    lab_until 20 "asked ping ok ok agent" || fail "the agent goes on: $(sentence ping)"
    # What the guest was asked while it was stopped it answers now: that is nobody's.
    must exec ok ok agent
}
