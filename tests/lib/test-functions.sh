#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# functions.sh itself: a test that wrongly passes is worse than none.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
tmpdir

# Runs the lines on stdin as a test of their own; sets $status, $out.
try ()
{
  { echo '. "$HANGDOG_SRC/tests/lib/functions.sh"'; cat; } >"$tmpdir/t.sh"
  status=0
  out=$(sh "$tmpdir/t.sh" 2>"$tmpdir/t.err") || status=$?
}

try <<'T'
:
T
check_eq "$status" 0 "nothing wrong"
try <<'T'
false
echo not reached
T
check_eq "$status$out" 1 "a failing command"
try <<'T'
skip no reason
T
check_eq "$status" 77 "skip"
grep -q "no reason" "$tmpdir/t.err" || fail "skip does not say why"
try <<'T'
requires sh
requires test -d /
requires no-such-programme
T
check_eq "$status" 77 "requires PROG"
grep -q no-such-programme "$tmpdir/t.err" || fail "requires does not say what"
try <<'T'
requires test -d /no-such-folder
T
check_eq "$status" 77 "requires CMD"
try <<'T'
check_eq a a
check_eq a b what
T
check_eq "$status" 1 "check_eq"

# Cleanups: in reverse, arguments as they were, whatever fails, and the
# test's own status at the end.
try <<'T'
cleanup_fn echo "it's" '$HOME  *' ''
cleanup_fn false
cleanup_fn printf '%s|' "a b" c "q'q'"
fail here
T
check_eq "$status" 1 "the status after cleanups"
check_eq "$out" "a b|c|q'q'|it's \$HOME  * " "cleanups"

try <<'T'
tmpdir
a=$tmpdir
tmpdir
check_eq "$a" "$tmpdir"
echo "$a"
test -d "$a"
T
check_eq "$status" 0 "tmpdir"
[ ! -e "$out" ] || fail "tmpdir: $out is still there"

# A started process is stopped at the end, though the test failed.
try <<'T'
start sleeper sleep 100
pid_of_started sleeper
fail here
T
check_eq "$status" 1
[ ! -e "/proc/$out" ] || fail "process $out runs on"
try <<'T'
start stubborn sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'
await 60 grep -q up "$tmpdir/stubborn.out"
HD_STOP_S=1
stop_started stubborn
echo $status
HD_STOP_S=60
start short sh -c 'exit 3'
stop_started short
echo $status
# What is signalled before its exec has this shell's traps still.
start again sh -c 'echo up; exec sleep 100'
await 60 grep -q up "$tmpdir/again.out"
stop_started again HUP
echo $status
T
check_eq "$out" "137
3
129" "stop_started"

try <<'T'
await 1 false || echo late
await 60 true && echo soon
n=0
third () { n=$((n + 1)); [ $n -ge 3 ]; }
await 60 third
echo $n
await 1 false
echo not reached
T
check_eq "$status" 1 "await"
check_eq "$out" "late
soon
3" "await"

# Ended by a signal: cleanups run all the same.
cat >"$tmpdir/t.sh" <<'T'
. "$HANGDOG_SRC/tests/lib/functions.sh"
cleanup_fn touch "$1"
echo ready
while :; do sleep 0.05; done
T
start victim sh "$tmpdir/t.sh" "$tmpdir/cleaned"
await 60 grep -q ready "$tmpdir/victim.out"
stop_started victim
check_eq "$status" 143 "the status after SIGTERM"
test -e "$tmpdir/cleaned" || fail "no cleanup after SIGTERM"
