#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest on the EVE launcher panics while nobody is connected to its console. Nothing tells of it: no pvpanic,
# no event. The next probes find it mute; the diagnosis finds its last words in memlogd (a stand-in that
# serves what QEMU wrote to its standard output). Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"

bed_lab
lab_start_eve web profile=shell || exit $?
lab_wait_console web '~ # ' 120 || { echo "FAIL: the guest did not boot"; exit 1; }
lab_spawn memlogd "$work/memlogd.log" "$build/tests/fakes/fake-memlogd" "$LAB_RUN/memlogdq.sock" \
    "guest_vm-$(lab_get web domain)" "$(lab_get web log)" || exit 1

mkdir "$work/scenarios"
cat >"$work/scenarios/uptime.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "uptime",
  "kind": "console-command",
  "interval": "10s", "timeout": "4s", "initial-delay": "1s", "retry-interval": "3s",
  "failure-threshold": 2,
  "command": "uptime",
  "expect": {"output": "load average"},
}
EOJ
cat >"$work/config.json" <<EOJ
{
  "schema": "hangdog/config/1",
  "sources": [{"kind": "rundir", "root": "$LAB_RUN/hypervisor/kvm", "eve": "$LAB_RUN"}],
  "scenarios": ["$work/scenarios"],
  "sink": {"url": "dir:$work/out"},
}
EOJ
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
"$build/hangdog" --config "$work/config.json" daemon 2>"$work/log" &
daemon=$!
lab_until 15 "test -S '$work/run/control'" || die "the daemon did not start"
hd wait web --for well --timeout 60s >/dev/null || die "the healthy guest is not found well"

lab_ctl web lab-fault panic >/dev/null || die "the fault was not made"
hd wait web --for hung --timeout 90s >/dev/null || die "the panic was not noticed"
lab_until 90 "grep -q 'verdict=' '$work/log'" || die "there is no verdict"
grep -o 'verdict=[^"]*' "$work/log"
grep -q 'verdict=kernel-panic' "$work/log" || die "it is called something else"
bundle=$(find "$work" -name '*.tar.zst' | head -n 1)
hd bundle cat "$bundle" console/platform.log | grep 'Kernel panic - not syncing' || die "its last words are not in the bundle"
hd bundle cat "$bundle" console/tail.log | grep -q 'Kernel panic' && echo "(a probe saw it, too)"
echo "PASS"
