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

# bed_needs TOOL... - without them the test is skipped.
bed_needs() {
    local t
    for t; do command -v "$t" >/dev/null || { echo "$(basename "$0" .sh): skipped: no $t" >&2; exit 77; }; done
}

# bed_config [MEMBERS] - $work/config.json: the lab's EVE guests are looked at; MEMBERS: more of it, with a comma at
# the end. What hangdog is asked from now on is of that.
bed_config() {
    # They are there on EVE before any guest is.
    mkdir -p "$LAB_RUN/hypervisor/kvm" "$LAB_RUN"/{domainmgr/DomainStatus,zedmanager/AppInstanceStatus,zedagent/AppInstanceConfig,zedrouter/AppNetworkStatus}
    echo "{\"schema\": \"hangdog/config/1\", ${1:-} \"sources\": [{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\"}]}" >"$work/config.json"
    export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
}

# bed_daemon - starts it with that configuration.
bed_daemon() {
    "$build/hangdog" --config "$work/config.json" daemon 2>"$work/log" &
    daemon=$!
    lab_until 15 "test -S '$work/run/control'" || { echo "FAIL: the daemon did not start"; tail -n 5 "$work/log"; exit 1; }
}
bed_seen() { lab_until 15 "hd list 2>/dev/null | grep -q '$1'" || fail "the daemon does not see $1"; } # GUEST

# With a bound: a command that hangs is a finding, and not the end of the run.
hd() { timeout 300 "$build/hangdog" "$@"; }

failed=0 at=''
fail() { echo "FAIL: ${at:+$at: }$*"; failed=1; }
# says FILE PATTERN - a line of it.
says() { grep -Eq -- "$2" "$1" || { fail "'$2' is not in:"; sed 's/^/    /' "$1" | head -60; }; }
# What a test that is lost says; $work/log is the daemon's.
die() {
    echo "FAIL: $*"
    hd status
    tail -n 30 "$work/log"
    exit 1
}
