#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# systemd-lab.sh [libvirt|eve] - hangdog and a guest as people have them: Debian with systemd, agetty, bash with
# readline and a coloured prompt; and a second one that shows its login prompt. Minutes: make check-long.
#
# SYSTEMD_FAULTS chooses the faults; SYSTEMD_KEEP=1 keeps the folder. 77: something it needs is missing.

set -u
way=${1:-libvirt}
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)} build=${HANGDOG_BUILD:-$PWD}
faults=${SYSTEMD_FAULTS:-mutex panic hardlockup}
. "$src/tests/lab/lab.sh"

began=$(date +%s)
step() { printf '%5d s  %s\n' $(($(date +%s) - began)) "$*"; }
failed=0
fail() { echo "FAIL: $*"; failed=1; }
die() {
    echo "FAIL: $*"
    hd status
    tail -n 15 "$work/hangdog.log" 2>/dev/null | sed 's/^/log: /'
    exit 1
}
command -v jq >/dev/null || { echo "skipped: jq is missing"; exit 77; }
if [ "$way" = libvirt ] && ! "$build/hangdog" version --json | grep -q '"libvirt":true'; then
    echo "skipped: this build has no libvirt"
    exit 77
fi

work=$(mktemp -d /tmp/hds.XXXXXX) || exit 1
chmod 711 "$work"
daemon=''
finish() {
    local rc=$?
    trap '' INT TERM
    [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    lab_stop_all
    if [ "${SYSTEMD_KEEP:-0}" = 1 ]; then echo "kept $work"; else rm -rf "$work"; fi
    exit "$rc"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
lab_init "$work/lab" || exit $?
chmod 711 "$work/lab" "$LAB_DIR"
"$src/tests/lab/systemd-image" 6.1 >/dev/null || exit $?
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
hd() { "$build/hangdog" "$@"; }

# ---- the guests ----
boot() { # NAME OPTION...
    local from=$SECONDS
    "lab_start_$way" "$@" system=systemd || exit $?
    lab_wait_up "$1" 300 || die "$1 did not come up"
    step "$1 takes orders, $((SECONDS - from)) s after its start"
}
# What a guest shows when it waits for somebody; from byte FROM of its console on.
at_shell() { lab_wait_console "$1" 'root@lab' 300 "${2:-0}" || die "$1 shows no shell"; }
at_login() { lab_wait_console "$1" 'lab login: ' 300 "${2:-0}" || die "$1 shows no login prompt"; }

boot web profile=shell sysrq=1
boot door profile=login
at_shell web
at_login door
step "one shows its shell, one its login prompt"
if [ "$way" = libvirt ]; then
    chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
    chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
    source="{\"kind\": \"libvirt\", \"uri\": \"$LAB_URI\"}"
else
    source="{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\"}"
fi

# ---- hangdog ----
mkdir -p "$work/scenarios"
cat >"$work/scenarios/uptime.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "uptime",
  "kind": "console-command",
  "interval": "15s", "timeout": "10s",
  "initial-delay": "1s", "retry-interval": "5s",
  "failure-threshold": 2, "success-threshold": 1,
  "command": "uptime",
  "expect": {"status": 0, "output": "load average"}
}
EOJ
cat >"$work/config.json" <<EOJ
{
  "schema": "hangdog/config/1",
  "sources": [$source],
  "scenarios": ["$work/scenarios"]
}
EOJ
"$build/hangdog" --config "$work/config.json" daemon --debug 2>"$work/hangdog.log" &
daemon=$!
lab_until 30 "test -S '$work/run/control'" || die "the daemon did not start"
