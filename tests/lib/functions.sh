# SPDX-License-Identifier: Apache-2.0
#
# For shell tests under automake's harness.  A test begins with
#
#     #!/bin/sh
#     # SPDX-License-Identifier: Apache-2.0
#     # What it is for.
#     . "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"
#
# and runs from the top of the build tree (make check does that; so does
# ./run, from anywhere).  Plain POSIX sh; set -eu is on.  Sourcing sets
#
#     HANGDOG_SRC, HANGDOG_BUILD   the source and the build tree, absolute
#
# and gives:
#
#     skip REASON             ends the test as skipped (exit 77)
#     fail WHAT               ends the test as failed (exit 1)
#     requires PROG           skips unless PROG is in the PATH or executable
#     requires CMD ARG...     skips unless the command goes well:
#                             requires test -w /dev/kvm
#     check_eq GOT WANT [WHAT]  fails unless the two are the same
#     tmpdir                  makes a folder of the test's own, sets $tmpdir,
#                             removes it at the end (HD_KEEP=1 keeps it); a
#                             second call changes nothing
#     cleanup_fn CMD ARG...   runs the command at the end, however the test
#                             ends; the last given runs first
#     start NAME CMD ARG...   starts CMD in the background, output to
#                             $tmpdir/NAME.out and NAME.err, nothing on stdin,
#                             stopped at the end if it still runs
#     pid_of_started NAME     prints its pid
#     stop_started NAME [SIG] signals it (TERM), waits for it (KILL after
#                             $HD_STOP_S, 60 s) and sets $status to its exit status
#     await SECONDS CMD ARG...  tries the command every 50 ms until it goes
#                             well; says so and returns 1 after SECONDS.  For
#                             what cannot be waited for otherwise
#
# Only processes that start() started are signalled, each by its pid, and each
# is waited for before its pid can belong to anyone else.

set -eu

HANGDOG_SRC=$(cd "${HANGDOG_SRC:-${srcdir:-.}}" && pwd)
HANGDOG_BUILD=$(cd "${HANGDOG_BUILD:-.}" && pwd)
export HANGDOG_SRC HANGDOG_BUILD

cleanups_=
tmpdir=
status=

skip ()
{
  echo "SKIP: $*" >&2
  exit 77
}

fail ()
{
  echo "FAIL: $*" >&2
  exit 1
}

requires ()
{
  if [ $# -eq 1 ]; then
    command -v "$1" >/dev/null 2>&1 || skip "requires $1"
  else
    "$@" >/dev/null 2>&1 || skip "requires: $*"
  fi
}

check_eq ()
{
  [ "$1" = "$2" ] || fail "${3:-check_eq}: got \"$1\", want \"$2\""
}

# The arguments, so quoted that eval gives them back.
quote_ ()
{
  for q_word in "$@"; do
    q_out=
    while :; do
      case $q_word in
      *\'*)
        q_out="$q_out${q_word%%\'*}'\\''"
        q_word=${q_word#*\'} ;;
      *) break ;;
      esac
    done
    printf "'%s' " "$q_out$q_word"
  done
}

cleanup_fn ()
{
  cleanups_="$(quote_ "$@")|| :
$cleanups_"
}

# Takes its status from the exit that ran it.
run_cleanups_ ()
{
  c_status=$?
  trap '' INT TERM HUP
  set +e
  c_todo=$cleanups_
  cleanups_=
  eval "$c_todo"
  trap - EXIT
  exit $c_status
}

trap run_cleanups_ EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

remove_tmpdir_ ()
{
  if [ "${HD_KEEP-}" = 1 ]; then
    echo "kept: $1" >&2
  else
    rm -rf "$1"
  fi
}

tmpdir ()
{
  [ -z "$tmpdir" ] || return 0
  tmpdir=$(mktemp -d "${TMPDIR:-/tmp}/hangdog-XXXXXX")
  cleanup_fn remove_tmpdir_ "$tmpdir"
}

# Hundredths of a second since boot: no process to start, no clock to be set.
now_ ()
{
  read -r n_up n_rest </proc/uptime
  n_now=${n_up%.*}${n_up#*.}
}

await ()
{
  now_
  a_end=$((n_now + $1 * 100))
  shift
  until "$@"; do
    now_
    if [ "$n_now" -ge "$a_end" ]; then
      echo "await: gave up on: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

start ()
{
  tmpdir
  s_name=$1
  shift
  # Emptied here and not in the child: what an earlier one of the same name
  # wrote must not be taken for this one's.
  : >"$tmpdir/$s_name.out"
  : >"$tmpdir/$s_name.err"
  "$@" </dev/null >"$tmpdir/$s_name.out" 2>"$tmpdir/$s_name.err" &
  echo $! >"$tmpdir/$s_name.pid"
  cleanup_fn stop_started "$s_name"
}

pid_of_started ()
{
  cat "$tmpdir/$1.pid"
}

# True when the process is no more, or waits to be waited for.
ended_ ()
{
  e_stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  case ${e_stat##*) } in
  Z*) return 0 ;;
  esac
  return 1
}

stop_started ()
{
  [ -e "$tmpdir/$1.pid" ] || return 0
  p_pid=$(cat "$tmpdir/$1.pid")
  if ! ended_ "$p_pid"; then
    kill -s "${2:-TERM}" "$p_pid" 2>/dev/null || :
    await "${HD_STOP_S:-60}" ended_ "$p_pid" || kill -s KILL "$p_pid" 2>/dev/null || :
  fi
  status=0
  wait "$p_pid" 2>/dev/null || status=$?
  rm -f "$tmpdir/$1.pid"
}
