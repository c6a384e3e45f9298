#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hangdog classify: what it reads, how it tells, and its exit codes; no daemon is needed.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
requires jq
tmpdir
hangdog=$HANGDOG_BUILD/hangdog
cd "$tmpdir" || exit 1

# A quiet guest's hung task, a panic, and a boot that is well.
cat >hung.log <<'LOG'
[  242.100000] INFO: task backup:812 blocked for more than 120 seconds.
[  242.100100]       Not tainted 6.1.0-18-amd64 #1 Debian 6.1.76-1
[  242.100200] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
LOG
cat >panic.log <<'LOG'
[    0.000000] Linux version 6.1.0-18-amd64 (builder@host) (gcc 12.2.0) #1 SMP PREEMPT_DYNAMIC
[    4.110000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000b00
[    4.110500] CPU: 0 PID: 1 Comm: init Not tainted 6.1.0-18-amd64 #1
[    4.111000] Call Trace:
[    4.111100]  <TASK>
[    4.111200]  dump_stack_lvl+0x44/0x5c
[    4.111300]  panic+0x118/0x2ed
[    4.111400]  do_exit.cold+0x15/0x15
[    4.111500]  do_group_exit+0x2d/0x80
[    4.111600]  </TASK>
[    4.112000] ---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000b00 ]---
LOG
cat >well.log <<'LOG'
[    0.000000] Linux version 6.1.0-18-amd64 (builder@host) (gcc 12.2.0) #1 SMP PREEMPT_DYNAMIC
[    0.600000] NMI watchdog: Shutting down hard lockup detector on all cpus
[    1.900000] EXT4-fs (vda1): mounted filesystem with ordered data mode. Quota mode: none.

Debian GNU/Linux 12 web-1 ttyS0

web-1 login:
LOG

# run WANTED-EXIT-CODE ARG... - output in out, complaints in err
run() {
  want=$1 rc=0
  shift
  timeout 200 "$hangdog" classify "$@" >out 2>err || rc=$?
  [ "$rc" = "$want" ] || { cat out err >&2; fail "classify $*: exit code $rc, want $want"; }
}

# ---- what was found, and where the guest stands ----
run 0 well.log
grep -q '^events=0 .*stage=login' out || fail "a boot that is well: $(cat out)"
run 3 hung.log
head -n 1 out | grep -q '^events=1 ' || fail "the first line does not sum up: $(head -n 1 out)"
grep -q 'backup' out || fail "the task is not named: $(cat out)"
run 3 panic.log well.log
grep -q '^panic.log:2: fatal: ' out || fail "no panic on line 2 of its file: $(cat out)"

# ---- for programmes ----
run 3 --json panic.log
[ "$(wc -l <out)" = 1 ] || fail "a panic is one event: $(cat out)"
for field in title type class severity corrupted evidence first_line last_line frames cpu comm pid kernel stage \
  signature kind rule subject file; do
  jq -e "has(\"$field\")" out >/dev/null || fail "no $field: $(cat out)"
done
check_eq "$(jq -r .severity out)" fatal "severity"
check_eq "$(jq -r .title out)" "kernel panic: Attempted to kill init!" "title"
check_eq "$(jq -r .first_line out)" 2 "first_line"
check_eq "$(jq -r .comm out)" init "comm"
check_eq "$(jq -r .kernel out)" 6.1.0-18-amd64 "kernel"
jq -r '.frames[].func' out | grep -qx panic || fail "no frame panic: $(cat out)"
run 3 --json hung.log
check_eq "$(jq -r .evidence out)" header-only "evidence of a quiet guest"
check_eq "$(jq -r .pid out)" 812 "pid"
run 0 --json well.log
check_eq "$(wc -c <out)" 0 "a log that is well"

# ---- which lines ----
run 3 --explain hung.log
grep -q '1 | .*blocked for more than' out || fail "--explain does not show the line: $(cat out)"
run 3 --explain --json hung.log
check_eq "$(jq -r '.lines[0].line' out)" 1 "lines of --explain --json"

# ---- checks ----
run 2 --nagios panic.log
grep -q '^HANGDOG CRITICAL - kernel panic.* | events=1' out || fail "nagios: $(cat out)"
run 0 --nagios well.log
run 3 --nagios none.log
run 1 --npd panic.log
check_eq "$(wc -l <out)" 1 "lines of --npd"
[ "$(wc -c <out)" -le 81 ] || fail "npd: $(cat out)"
run 0 --npd well.log
run 2 --npd none.log

# ---- a guest that stands still, and complains of nothing ----
printf 'U-Boot 2023.01 (Jan 01 2023)\r\nDRAM:  1 GiB\r\nHit any key to stop autoboot:  0 \r\n=> ' >still.log
run 3 still.log
grep -q '^events=0 worst=error .*stop=bootloader' out || fail "it stands at a prompt: $(cat out)"
grep -q '^4: error: it stands still: bootloader' out || fail "it stands at a prompt: $(cat out)"
run 2 --nagios still.log
grep -q '^HANGDOG CRITICAL - it stands still: bootloader |' out || fail "nagios, at a prompt: $(cat out)"
run 1 --npd well.log still.log
{ cat well.log; printf '[  100.000000] reboot: System halted\n'; } >halted.log
run 0 halted.log

# ---- where it comes from ----
rc=0
timeout 200 "$hangdog" classify --json <panic.log >out || rc=$?
check_eq "$rc" 3 "a file as standard input"
(cat panic.log; sleep 0.1; cat hung.log) | timeout 200 "$hangdog" classify --json - >out || rc=$?
check_eq "$(wc -l <out)" 2 "events from a pipe"
run 2 none.log
run 2 .
run 2 --json --npd well.log
run 2 --bogus well.log
gzip -k well.log
run 2 well.log.gz
grep -q 'zcat well.log.gz | hangdog classify -' err || fail "gzip: $(cat err)"
# Text, and no lines of a log: it is not said to be well.
sed 's/^/_TRANSPORT=kernel\nMESSAGE=/; 1s/^/__CURSOR=s=1\n/' panic.log >export
run 2 export
grep -q 'sed -n s/^MESSAGE=//p export | hangdog classify -' err || fail "a journal's export: $(cat err)"
sed -n s/^MESSAGE=//p export | timeout 200 "$hangdog" classify --json - >out || :
check_eq "$(jq -r .kind out)" panic "an export, as it is told to be read"
sed 's/.*/{"__REALTIME_TIMESTAMP":"1","MESSAGE":"&"}/' panic.log >journal.json
run 2 journal.json
grep -q 'jq -r .MESSAGE journal.json | hangdog classify -' err || fail "a journal in JSON: $(cat err)"
run 2 --json - <journal.json
grep -q 'the standard input is a journal in JSON: jq -r .MESSAGE  *| hangdog' err || fail "from a pipe: $(cat err)"
printf 'QFI\373\000\000\000\003' >disk.qcow2
run 2 --npd disk.qcow2
grep -q 'disk.qcow2 is a disk image' err || fail "a disk image: $(cat err)"
run 2 --follow .
grep -q 'is a folder' err || fail "--follow waits for a folder: $(cat err)"

# ---- more than anybody reads ----
# 60 million bytes of output: what is told waits in memory, and is bounded.
seq 200000 | sed 's/.*/[   9.000000] INFO: task t&:& blocked for more than 120 seconds./' >many.log
rc=0
# A build with a sanitizer does not even start within it.
most=300000
(ulimit -v $most; "$hangdog" version >/dev/null 2>&1) || most=unlimited
(ulimit -v $most; timeout 200 "$hangdog" classify --explain many.log >out 2>err) || rc=$?
check_eq "$rc" 3 "many events: exit code"
head -n 1 out | grep -q '^events=200000 ' || fail "many events: $(head -n 1 out)"
tail -n 1 out | grep -q '^\.\.\. and [0-9]* more: --json tells of all$' || fail "many events: $(tail -n 1 out)"
[ "$(wc -c <out)" -lt 18000000 ] || fail "many events: $(wc -c <out) bytes"

# ---- nothing a guest says reaches a terminal as it is ----
printf '[   10.0] Kernel panic - not syncing: \033]0;owned\007 \033[2J\n' >evil.log
for how in '' --json --nagios --npd --explain; do
  # shellcheck disable=SC2086
  timeout 200 "$hangdog" classify $how evil.log >out 2>&1 || :
  if LC_ALL=C grep -q "$(printf '[\033\007]')" out; then fail "an escape sequence got through with \"$how\""; fi
done

# ---- files that grow ----
# The marks of what was read are its answers: nothing is slept for.
events() { wc -l <follow.out; }
has() { [ "$(events)" -ge "$1" ]; }
start follow "$hangdog" classify --follow --json grow.log
await 60 grep -q waiting follow.err || fail "a file that is not there is not waited for: $(cat follow.err)"
cat panic.log >grow.log
await 60 has 1 || fail "nothing of a file that came"
mv grow.log grow.log.1
cat hung.log >grow.log
await 60 has 2 || fail "nothing after a rotation"
: >grow.log
printf '[  300.000000] Kernel panic - not syncing: Fatal exception\n' >>grow.log
await 60 has 3 || fail "nothing after it was cut"
# A line that was not at its end when the file was cut does not go on in what
# comes then.
printf '[  301.000000] INFO: task s:8 blocked for more than 120 seconds.\n%0200d\n[  301.000000] Kernel panic - not ' 0 >>grow.log
await 60 has 4 || fail "nothing before it was cut in a line"
: >grow.log
printf 'syncing: forged\n[  302.000000] INFO: task t:9 blocked for more than 120 seconds.\n' >>grow.log
await 60 has 5 || fail "nothing after it was cut in a line"
stop_started follow
check_eq "$status" 3 "exit code of --follow"
check_eq "$(events)" 5 "events of --follow"
check_eq "$(jq -r .comm follow.out | tail -n 1)" t "after it was cut in a line"

# ---- rules of an operator's own ----
cat >mine.json <<'JSON'
{ "schema": "hangdog/text-rules/1",
  "rules": [ {
    "name": "pump-stuck", "kind": "bug", "severity": "error", "type": "PUMP",
    "any": ["pump controller:"],
    "match": "pump controller: no answer from pump (?<subject>\\d+)",
    "where": "any", "report": "line", "title": "pump {subject} does not answer",
    "samples": { "match": ["pump controller: no answer from pump 3",
                           "[   12.000000] pump controller: no answer from pump 14"],
                 "not": ["pump controller: ready", "no answer from pump 3"] } } ] }
JSON
echo 'pump controller: no answer from pump 7' >pump.log
run 0 pump.log
run 3 --json --rules mine.json pump.log
check_eq "$(jq -r '.title + "/" + .rule + "/" + .subject' out)" "pump 7 does not answer/pump-stuck/7" "a rule of one's own"
rc=0
"$hangdog" rules check mine.json >out 2>err || rc=$?
check_eq "$rc:$(cat out)" "0:ok mine.json: 1 rules" "rules check"
sed 's/"not": \["pump controller: ready"/"not": ["pump controller: no answer from pump 1"/' mine.json >bad.json
rc=0
"$hangdog" rules check bad.json >out 2>err || rc=$?
check_eq "$rc" 2 "rules check of a sample that must not match and does"
grep -q pump-stuck err || fail "the rule is not named: $(cat err)"
run 2 --rules bad-none.json pump.log
# One that takes for ever is given up, and that is said.
cat >slow.json <<'JSON'
{ "schema": "hangdog/text-rules/1",
  "rules": [ { "name": "slow", "kind": "bug", "severity": "error", "any": ["pump controller:"],
    "match": "pump controller: (a+)+$", "where": "any", "report": "line", "title": "slow" } ] }
JSON
printf 'pump controller: %0400d\n' 0 | tr 0 a | sed 's/$/!/' >slow.log
run 0 --rules slow.json slow.log
grep -q 'given up on 1 lines' err || fail "a rule that was given up: $(cat out err)"
"$hangdog" rules list --rules mine.json >out
grep -q '^pump-stuck .*mine.json' out || fail "rules list: no pump-stuck"
[ "$(head -n 1 out | cut -d= -f2)" -gt 50 ] || fail "rules list: $(head -n 1 out)"
"$hangdog" rules list --json | jq -e .name >/dev/null || fail "rules list --json"
"$hangdog" rules schema | jq -e .properties.rules >/dev/null || fail "rules schema"
