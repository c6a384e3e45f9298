#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hangdog scenario test: what would have been said of a recorded console log, by its times; no daemon is needed.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
requires jq
tmpdir
HANGDOG_LIBEXEC=$HANGDOG_BUILD
export HANGDOG_LIBEXEC
hangdog=$HANGDOG_BUILD/hangdog
cd "$tmpdir" || exit 1

cat >all.json <<'DOC'
{ "scenarios": [
  { "name": "beat", "kind": "console-heartbeat", "pattern": "beat (?<n>\\d+)", "counter": "n", "every": "1m" },
  { "name": "oom", "kind": "console-pattern", "must-not-match": "Out of memory", "clear": "1m" },
  { "name": "quiet", "kind": "console-silence", "silence": "5m" },
  { "name": "flood", "kind": "console-flood", "rate": "1KiB" },
  { "name": "up", "kind": "console-command", "command": "uptime", "expect": { "output": "load average", "not-output": "rror" } },
  { "name": "login", "kind": "dialogue", "steps": [ { "name": "wake", "send": "\r", "expect": [ "login: $", "${nonce}" ] } ] },
  { "name": "port", "kind": "tcp", "address": "192.0.2.1:22" },
] }
DOC
# A log of hangdog's own: host times, escaped, a line that went on later.
cat >host.log <<'LOG'
-- the log begins --
2026-03-01T10:00:00.123Z  boot
2026-03-01T10:00:10.000Z  beat 1
2026-03-01T10:01:10.000Z  be\e[1mat 2
2026-03-01T10:02:10.000Z  beat 3
2026-03-01T10:02:11.000Z  Out of memory: Killed process 77 (x)
2026-03-01T10:10:10.000Z  vm login: 
2026-03-01T10:10:12.000Z+ root
2026-03-01T10:10:13.000Z  load average: 0.1
2026-03-01T10:11:00.000Z  beat 1
2026-03-01T10:12:00.000Z  beat 2
LOG
# The bytes as they came.
sed 's/^2.\{25\}//; s/\\e/\x1b/; s/$/\r/' host.log >none.log
cat >kernel.log <<'LOG'
[    1.000000] beat 1
[  100.000000] beat 2
some programme's words
[  160.000000] beat 2
[  220.000000] beat 2
[ 9000.000000] something
LOG

# tried WANTED-EXIT-CODE ARG...
tried() {
    want=$1
    shift
    rc=0
    "$hangdog" scenario test "$@" --json >out 2>err || rc=$?
    [ $rc = "$want" ] || { cat out err; fail "scenario test $*: exit code $rc, wanted $want"; }
}
# has WHAT FILTER: some row is so
has() { jq -se "map(select($2)) | length > 0" out >/dev/null || { cat out; fail "$1"; }; }
hasnt() { jq -se "map(select($2)) | length == 0" out >/dev/null || { cat out; fail "$1"; }; }

# ---- host times ----
tried 3 all.json --replay host.log
has "the times are not known" '.row == "replayed" and .times == "host"'
has "colours hide a heartbeat" '.row == "heard" and .fact == "counted.beat" and .value == 2 and .line == 4'
has "the heartbeat was not missed" '.scenario == "beat" and .code == "beat-missing" and (.time | startswith("2026-03-01T10:05:3"))'
has "its restart is not told" '.scenario == "beat" and .code == "ok" and (.sentence | contains("from 3 to 1"))'
has "what must not be said was" '.scenario == "oom" and .code == "pattern-seen" and (.sentence | contains("Killed process 77"))'
has "and it was over" '.scenario == "oom" and .code == "ok" and .time > "2026-03-01T10:03:11"'
has "the silence" '.scenario == "quiet" and .code == "console-silent"'
hasnt "a flood of nothing" '.scenario == "flood" and .outcome == "failed"'
has "what a command expects" '.row == "expect" and .scenario == "up" and .wanted and .first == 9 and .lines == 1'
has "what it must not have" '.row == "expect" and .scenario == "up" and (.wanted | not) and .lines == 0'
has "a prompt that stood" '.row == "expect" and .scenario == "login" and .first == 7'
has "what is no console's" '.row == "note" and .scenario == "port"'

# ---- no times: patterns alone ----
tried 3 all.json --replay none.log
has "there are no times" '.row == "replayed" and .times == "none"'
has "a pattern is judged" '.scenario == "oom" and .code == "pattern-seen"'
hasnt "nothing else is" '.row == "outcome" and .scenario != "oom"'
has "which is said" '.row == "note" and .scenario == "beat"'

# ---- the kernel's stamps ----
tried 3 all.json --replay kernel.log
has "a kernel's stamps" '.row == "replayed" and .times == "kernel"'
has "a counter that stands still" '.scenario == "beat" and .code == "beat-missing" and (.sentence | contains("stood still at 2"))'

# ---- what is refused; what never ends ----
tried 2 all.json --replay nowhere.log
tried 2 nowhere.json --replay host.log
tried 2 all.json
tried 2 --replay host.log
printf '{ "name": "x", "kind": "console-pattern", "must-match": "(" }' >bad.json
tried 2 bad.json --replay host.log
has "where it is wrong" '.row == "finding" and .path == "must-match"'
printf '[    1.000000] a\n[99999999.000000] b\n[    1.000000] a\n' >forged.log
tried 3 all.json --replay forged.log
has "a log without an end" '.row == "note" and (.message | contains("too long"))'
: >empty.log
tried 0 all.json --replay empty.log

# Whatever the guest said, nothing of it reaches a terminal.
printf 'Out of memory \033]0;x\007\n' >hostile.log
"$hangdog" scenario test all.json --replay hostile.log >out || true
grep -q 'Out of memory' out || fail "the line is not shown"
if LC_ALL=C grep -q "$(printf '[\001-\010\033]')" out; then fail "a control character was printed"; fi
