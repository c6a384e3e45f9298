#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hangdog sysrq parse: what it reads, how it tells, and its exit codes; no daemon is needed.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
tmpdir
hangdog=$HANGDOG_BUILD/hangdog
cd "$tmpdir" || exit 1

cat >w.log <<'LOG'
[  301.000100] sysrq: Show Blocked State
[  301.000200] task:backup          state:D stack:0     pid:812   tgid:812   ppid:1      flags:0x00000002
[  301.000300] Call Trace:
[  301.000400]  <TASK>
[  301.000500]  __schedule+0x505/0xc00
[  301.000600]  ? stale_one+0x10/0x10
[  301.000700]  io_schedule+0x46/0x70
[  301.000800]  copies_a_file+0x29/0x300 [shop]
[  301.000900]  do_syscall_64+0x87/0x180
[  301.001000]  </TASK>
LOG
# Cut in the middle of its second task, with a name that would like to paint.
{ cat w.log; printf '[  301.001100] task:\033[31mred         state:D stack:0     pid:9     ppid:1      flags:0x00000002\n[  301.001100] Call Trace:\n[  301.001100]  <TASK>\n'; } >cut.log
printf '[    5.000000] sysrq: This sysrq operation is disabled.\n' >refused.log
echo "nothing of the kind" >other.log

# run WANTED-EXIT-CODE ARG... - output in out, complaints in err
run() {
  want=$1 rc=0
  shift
  timeout 200 "$hangdog" sysrq "$@" >out 2>err || rc=$?
  [ "$rc" = "$want" ] || { cat out err >&2; fail "sysrq $*: exit code $rc, want $want"; }
}
has() { grep -qF -- "$1" out || { cat out >&2; fail "\"$1\" is not in it"; }; }

run 0 parse w.log
check_eq "$(head -n 1 out)" "tasks=1 blocked=1 cpus=0 gaps=0 keys=w"
has "backup:812, waits for storage"
has "in copies_a_file [shop] < do_syscall_64"
! grep -q stale_one out || fail "a guess is shown as where it is"
run 0 parse - <w.log
check_eq "$(head -n 1 out)" "tasks=1 blocked=1 cpus=0 gaps=0 keys=w" stdin
run 0 parse w.log --blocked
has "? stale_one+0x10/0x10"
run 0 parse w.log --json
check_eq "$(wc -l <out)" 1 "one document"
has '"schema":"hangdog\/sysrq\/1","complete":true,"keys":"w"'
run 0 --json parse w.log --blocked
has '"comm":"backup","state":"D","pid":812'

run 5 parse cut.log
has "torn: "
! grep -q "$(printf '\033')" out || fail "the terminal is painted"
run 2 parse .
grep -q 'is a folder' err || fail "a folder: $(cat err)"
gzip -k w.log
run 2 parse w.log.gz
grep -q 'zcat w.log.gz | hangdog sysrq parse -' err || fail "gzip: $(cat err)"
# A C1 control in UTF-8 is one to a terminal, too, in whatever way it is told.
printf '[    1.0] sysrq: Show Blocked State\n[    2.0] INFO: task a\302\2332Jb:77 blocked for more than 120 seconds.\n' >c1.log
for how in "" --json; do
  # shellcheck disable=SC2086
  "$hangdog" sysrq parse c1.log $how >out 2>err
  has 2Jb
  ! LC_ALL=C grep -q "$(printf '\302\233')" out || fail "a C1 control comes through: ${how:-text}"
done
run 0 parse refused.log
has "refused: "
run 2 parse other.log
grep -q "no SysRq output" err || fail "what is wrong is not said: $(cat err)"
run 2 parse no-such-file
run 2 parse
run 2
run 2 parse w.log --nonsense
run 2 burn w.log
