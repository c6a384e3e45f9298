#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The store under crash-shim.so: ended, cut off from power, or refused at
# every single call by which it changes the disk.  What was acknowledged must
# be there, once, in order, and nothing else; the store must open and take
# the next record.  HD_LONG=1 tries more pairs of faults.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"

shim=$HANGDOG_BUILD/tests/lib/crash-shim.so
writer=$HANGDOG_BUILD/tests/lib/store-writer
requires test -f "$shim"
# What lasts is what the shim says: a disk would only be waited for.
[ ! -w /dev/shm ] || TMPDIR=/dev/shm
tmpdir
verb=write
runs=0
bad=

# A fresh folder: from nothing, or from a damaged log.
prepare ()
{
  work=$tmpdir/$scene/$((runs += 1))
  [ $((runs % 64)) != 0 ] || rm -rf "$tmpdir/${scene:?}"
  d=$work/store
  acks=$work/acks
  case $scene in
  damaged | unreadable) mkdir -p "$work/lost" ;;
  *) mkdir -p "$work/lost" "$d" ;;
  esac
  first=1
  echo "from 0" >"$acks"
  case $scene in
  damaged)
    cp -r "$tmpdir/damaged.log" "$d"
    first=2
    echo "from 5" >"$acks" ;;
  unreadable) cp -r "$tmpdir/long" "$d" ;;
  esac
}

# HD_...=... variables in $1; the others are the writer's exit statuses that
# are well.
attempt ()
{
  prepare
  r=0
  env LD_PRELOAD="$shim" HD_CRASH_UNDER="$d" HD_LOST_DIR="$work/lost" \
    HD_CRASH_COUNT_FILE="$work/count" ${bad:+"HD_UNREADABLE=$bad:$d/log"} $1 \
    "$writer" $verb "$d" "$records" >>"$acks" 2>"$work/err" || r=$?
  shift_=$1
  shift
  for well; do
    [ "$r" != "$well" ] || well=ok
    [ "$well" != ok ] || break
  done
  [ "$well" = ok ] || {
    cat "$acks" "$work/err" >&2
    fail "$scene, $shift_: the writer's status is $r"
  }
  clean=
  [ "$r$scene" != 0empty ] || clean=clean
  if [ $verb = put ]; then
    check="check-put $d $acks"
  else
    check="check $d $acks $first $clean"
  fi
  "$writer" $check || {
    cat "$acks" >&2
    fail "$scene, $shift_"
  }
  if [ "$scene" = unreadable ]; then
    cmp "$d/log.bad" "$tmpdir/long/log" || fail "$shift_: not kept whole"
  elif [ "$scene" = damaged ]; then
    grep -q spoilt "$d/log.bad" || fail "$scene, $shift_: nothing set aside"
  fi
}

# How many calls there are without a fault: all of them are tried.
count_calls ()
{
  attempt "" 0
  calls=$(cat "$work/count")
  [ "$calls" -ge 10 ] || fail "only $calls calls counted: is the shim loaded?"
}

crash_everywhere ()
{
  n=1
  while [ "$n" -le "$calls" ]; do
    for when in before after torn lost; do
      attempt "HD_CRASH_AT=$n HD_CRASH_WHEN=$when" 137
    done
    for seed in 1 2 3; do
      attempt "HD_CRASH_AT=$n HD_CRASH_WHEN=mixed HD_CRASH_SEED=$seed" 137
    done
    n=$((n + 1))
  done
}

fail_everywhere ()
{
  n=1
  while [ "$n" -le "$calls" ]; do
    for code in ENOSPC EIO; do
      for count in 1 3; do
        for when in before torn; do
          attempt "HD_CRASH_AT=$n HD_FAIL_ERRNO=$code HD_FAIL_COUNT=$count \
            HD_CRASH_WHEN=$when" 0
        done
      done
    done
    n=$((n + 1))
  done
}

# A call fails, and later the power goes: at each pair of calls.  With the
# repeated tries there are a few calls more than without a fault; beyond the
# last the writer ends well.
fail_then_crash ()
{
  m=1
  while [ "$m" -le "$calls" ]; do
    n=$((m + 1))
    while [ "$n" -le $((calls + 3)) ]; do
      for count in 1 2; do
        attempt "HD_FAIL_AT=$m HD_FAIL_ERRNO=EIO HD_FAIL_COUNT=$count \
          HD_CRASH_AT=$n HD_CRASH_WHEN=lost" 137 0
      done
      n=$((n + 1))
    done
    m=$((m + 1))
  done
}

of_log ()
{
  records=6
  count_calls
  crash_everywhere
  fail_everywhere
  if [ "$scene" = empty ] || [ "${HD_LONG-}" = 1 ]; then
    records=3
    count_calls
    fail_then_crash
  fi
}

# A block that the disk does not give back, at the front and at the end: what
# is before it is there, the whole of the old log is kept, and the store
# takes records again.
of_bad_blocks ()
{
  records=4
  for block in 0 $((size / 4096 * 4096)); do
    bad=$block
    attempt "" 0
    calls=$(cat "$work/count")
    from=$(grep from "$acks" | tail -n 1)
    case $block,$from in
    0,'from 0') ;;
    [1-9]*,'from 2'[0-9]) ;;
    *) fail "block $block of $size: $from" ;;
    esac
    n=1
    while [ "$n" -le "$calls" ]; do
      attempt "HD_CRASH_AT=$n HD_FAIL_ERRNO=EIO" 0
      attempt "HD_CRASH_AT=$n HD_FAIL_ERRNO=ENOSPC HD_FAIL_COUNT=3" 0
      n=$((n + 1))
    done
  done
}

# Whole small files, and the state folder they are in.
of_files ()
{
  verb=put
  records=3
  count_calls
  crash_everywhere
  fail_everywhere
  records=2
  count_calls
  fail_then_crash
}

mkdir "$tmpdir/damaged.log" "$tmpdir/long"
"$writer" damage "$tmpdir/damaged.log"
"$writer" write "$tmpdir/long" 30 >"$tmpdir/acks"
check_eq "$(tail -n 1 "$tmpdir/acks")" "ack 30"
size=$(wc -c <"$tmpdir/long/log")
[ "$size" -ge 16384 ] || fail "only $size bytes in 30 records"

# Side by side, each in a folder of its own.
scenes="empty:of_log damaged:of_log unreadable:of_bad_blocks files:of_files"
pids=
for s in $scenes; do
  (
    trap - EXIT
    scene=${s%:*}
    ${s#*:}
    echo "$scene: $runs runs"
  ) &
  pids="$pids $!"
done
failed=
for p in $pids; do
  wait "$p" || failed=1
done
[ -z "$failed" ] || fail "one of them"
