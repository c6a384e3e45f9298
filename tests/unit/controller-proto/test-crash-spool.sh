#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The spool under crash-shim.so: ended, cut off from power, or refused at
# every call by which it changes the disk.  Every acknowledged step holds,
# nothing lies about, and the spool works again.
# HD_LONG=1 tries more power cuts.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"

shim=$HANGDOG_BUILD/tests/lib/crash-shim.so
writer=$HANGDOG_BUILD/tests/unit/controller-proto/spool-writer
requires test -f "$shim"
tmpdir
d=$tmpdir/spool
acks=$tmpdir/acks
runs=0

attempt ()
{
  rm -rf "$d" "$tmpdir/lost"
  mkdir "$tmpdir/lost" "$d"
  runs=$((runs + 1))
  r=0
  env LD_PRELOAD="$shim" HD_CRASH_UNDER="$d" HD_LOST_DIR="$tmpdir/lost" \
    HD_CRASH_COUNT_FILE="$tmpdir/count" $1 \
    "$writer" write "$d" >"$acks" 2>"$tmpdir/err" || r=$?
  case $2 in
  *" $r "*) ;;
  *)
    cat "$acks" "$tmpdir/err" >&2
    fail "$1: the status is $r" ;;
  esac
  "$writer" check "$d" "$acks" || {
    cat "$acks" >&2
    (cd "$d" && find . | sort >&2)
    fail "$1"
  }
}

attempt "" " 0 "
calls=$(cat "$tmpdir/count")
[ "$calls" -ge 40 ] || fail "only $calls calls counted: is the shim loaded?"
n=1
while [ "$n" -le "$calls" ]; do
  # In the short run the kinds take turns; a power cut is always tried.
  case $((n % 4))${HD_LONG:+ long} in
  0) kinds="before" code=ENOSPC ;;
  1) kinds="after" code=EIO ;;
  2) kinds="torn" code=ENOSPC ;;
  3) kinds="mixed" code=EIO ;;
  *) kinds="before after torn mixed" code="ENOSPC EIO" ;;
  esac
  for when in lost $kinds; do
    for seed in 1 ${HD_LONG:+2 3 4 5 6}; do
      attempt "HD_CRASH_AT=$n HD_CRASH_WHEN=$when HD_CRASH_SEED=$seed" " 137 "
      [ "$when" = mixed ] || break
    done
  done
  # Refused, perhaps by half: it is tried again and goes well.
  for c in $code; do
    attempt "HD_CRASH_AT=$n HD_CRASH_WHEN=torn HD_FAIL_ERRNO=$c" " 0 "
  done
  n=$((n + 1))
done
echo "$calls calls, $runs runs"
