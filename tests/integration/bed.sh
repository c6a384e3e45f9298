# shellcheck shell=bash disable=SC1091,SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What tests with real guests and a daemon of their own begin with: a work folder, the lab in it, and all of it
# gone however the test ends. A bash library:
#
#   . "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
#   bed_lab                           # 77 when something is missing
#
# $daemon, when set, is ended first. BED_KEEP=1 keeps the folder.
set -u
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)} build=${HANGDOG_BUILD:-$PWD}
. "$src/tests/lab/lab.sh"
daemon='' work=''

bed_finish() {
    local rc=$?
    trap '' INT TERM
    [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    lab_stop_all
    if [ "${BED_KEEP:-0}" = 1 ]; then echo "kept $work"; else rm -rf "$work"; fi
    exit "$rc"
}

bed_lab() {
    umask 022 # the daemon, with no rights of its own, reads what is written here
    work=$(mktemp -d /tmp/hdi.XXXXXX) || exit 1
    chmod 711 "$work"
    trap bed_finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    lab_init "$work/lab" || exit $?
    chmod 711 "$work/lab" "$LAB_DIR"
}

hd() { "$build/hangdog" "$@"; }
# What a test that is lost says; $work/log is the daemon's.
die() {
    echo "FAIL: $*"
    hd status
    tail -n 30 "$work/log"
    exit 1
}
