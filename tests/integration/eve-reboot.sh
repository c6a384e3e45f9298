#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest on the EVE launcher is rebooted from inside: nobody tells, its QEMU stays the same. hangdog has to
# find out, by the uptime that a scenario brings back, or by the boot's banner when a probe sees it; and a
# reboot is no incident. One that stood ends as "rebooted". Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
boot() { hd status web --json 2>/dev/null | grep '"row":"guest"' | grep -oE '"boot":[0-9]+'; }
reboot() { # by the guest itself
    lab_ctl web '(sleep 2; busybox reboot -f) >/dev/null 2>&1 &' >/dev/null
}
uptime() { # the guest's, in whole seconds
    lab_ctl web 'cut -d. -f1 /proc/uptime'
}

bed_lab
lab_start_eve web profile=shell || exit $?
lab_wait_console web '~ # ' 120 || { echo "FAIL: the guest did not boot"; exit 1; }

mkdir "$work/scenarios"
cat >"$work/scenarios/uptime.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "uptime",
  "kind": "console-command",
  "interval": "5s", "timeout": "4s", "initial-delay": "1s", "retry-interval": "4s",
  "failure-threshold": 4,
  "playbook": "quick",
  "command": "cat /proc/uptime",
  "expect": {"status": 0},
}
EOJ
config() { # MODE
    cat >"$work/config.json" <<EOJ
{
  "schema": "hangdog/config/1",
  "sources": [{"kind": "rundir", "root": "$LAB_RUN/hypervisor/kvm", "eve": "$LAB_RUN", "console-mode": "$1"}],
  "scenarios": ["$work/scenarios"],
  "sink": {"url": "dir:$work/out"},
}
EOJ
}
start() { # MODE
    config "$1"
    "$build/hangdog" --config "$work/config.json" daemon 2>"$work/log" &
    daemon=$!
    lab_until 15 "test -S '$work/run/control'" || die "the daemon did not start"
}
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
start probe
hd wait web --for well --timeout 60s >/dev/null || die "the healthy guest is not found well"
[ "$(boot)" = '"boot":0' ] || die "it has not rebooted yet: $(boot)"
pid=$(lab_get web pid)

# ---- rebooted from its shell, when it was up for longer than a boot takes ----
lab_until 60 '[ "$(uptime)" -ge 25 ]' || die "its uptime is $(uptime)"
hd probe web --scenario uptime >/dev/null || die "it does not answer"
size=$(lab_console_size web)
reboot
lab_wait_console web 'LAB-UP' 60 "$size" || die "it does not boot again"
lab_wait_console web '~ # ' 120 "$size" || die "it did not come up again"
lab_until 60 '[ "$(boot)" = "\"boot\":1" ]' || die "the reboot was not noticed: $(boot)"
hd wait web --for well --timeout 150s >/dev/null || die "it is not well in its new life"
kill -0 "$pid" 2>/dev/null || die "its QEMU was another one: the test tests nothing"
[ "$(boot)" = '"boot":1' ] || die "one reboot was counted more than once: $(boot)"
hd status --json | grep -q '"row":"incident"' && die "a reboot became an incident"
grep -E 'lives anew' "$work/log" || die "the log does not tell of it"

# ---- it hangs, and is rebooted: what stood has ended ----
lab_until 60 '[ "$(uptime)" -ge 25 ]' || die "its uptime is $(uptime)"
lab_ctl web lab-fault shell-stop >/dev/null || die "the fault was not made"
hd wait web --for hung --timeout 90s >/dev/null || die "the hang was not noticed"
reboot
lab_until 90 '[ "$(boot)" = "\"boot\":2" ]' || die "the second reboot was not noticed: $(boot)"
hd wait web --for well --timeout 150s >/dev/null || die "it is not well after the second reboot"
# Where a banner came first, it is certain only with an answer.
ended() { hd status --json | grep '"row":"incident"' | grep -q '"end":"rebooted"'; }
lab_until 30 ended || die "the incident did not end as rebooted"

# ---- no uptime, but a console that shows the kernel from its first line ----
kill "$daemon" && wait "$daemon"
daemon=''
lab_stop web
sed -i 's|cat /proc/uptime|true|' "$work/scenarios/uptime.json"
lab_start_eve web profile=shell consoles=ttyS0,hvc0 || die "no second guest"
lab_wait_console web '~ # ' 120 || die "the second guest did not boot"
start hold
hd wait web --for well --timeout 60s >/dev/null || die "the second guest is not found well"
size=$(lab_console_size web)
reboot
lab_wait_console web 'Linux version' 60 "$size" || die "no banner: the test tests nothing"
lab_until 30 '[ "$(boot)" = "\"boot\":1" ]' || die "the banner was not noticed: $(boot)"
lab_wait_console web 'LAB-UP' 120 "$size" || die "the second guest did not come up again"
hd wait web --for well --timeout 150s >/dev/null || die "it is not well after its reboot"
[ "$(boot)" = '"boot":1' ] || die "one reboot was counted more than once: $(boot)"
echo "PASS"
