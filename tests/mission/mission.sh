#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# mission.sh libvirt|eve - the whole way once, on a real guest: bound to `uptime` over its console, it
# stops answering; hangdog notices, looks, packs, and the bundle reaches a real receiver, which is asked
# for it again and looked into. Nothing is simulated. 77: something it needs is missing.
#
# MISSION_FAST=1 shortens the interval (10 s instead of 30); MISSION_KEEP=1 keeps the folder;
# MISSION_KERNEL=6.12 takes that guest kernel instead of 6.1.

set -u
way=${1:-libvirt}
kernel=${MISSION_KERNEL:-6.1}
src=${HANGDOG_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${HANGDOG_BUILD:-$PWD}
. "$src/tests/lab/lab.sh"

began=$(date +%s.%N)
step() { printf '%7.1f s  %s\n' "$(echo "$(date +%s.%N) - $began" | bc)" "$*"; }
die() {
    echo "mission: $*" >&2
    [ -s "$work/hangdog.log" ] && tail -n 15 "$work/hangdog.log" | sed 's/^/mission: log: /' >&2
    exit 1
}
need() { command -v "$1" >/dev/null || { echo "mission: skipped: $1 is missing" >&2; exit 77; }; }
need curl
need bc
case $way in libvirt|eve) ;; *) echo "usage: mission.sh libvirt|eve" >&2; exit 2 ;; esac
if [ "$way" = libvirt ] && ! "$build/hangdog" version --json | grep -q '"libvirt":true'; then
    echo "mission: skipped: this build has no libvirt" >&2
    exit 77
fi

umask 022 # the daemon, with no rights of its own, reads what is written here
work=$(mktemp -d /tmp/hdm.XXXXXX) || exit 1
chmod 711 "$work"
daemon='' controller=''
finish() {
    local rc=$?
    trap '' INT TERM
    [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    [ -n "$controller" ] && kill "$controller" 2>/dev/null && wait "$controller" 2>/dev/null
    lab_stop_all
    if [ "${MISSION_KEEP:-0}" = 1 ]; then echo "mission: kept $work" >&2; else rm -rf "$work"; fi
    exit "$rc"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

lab_init "$work/lab" || exit $?
chmod 711 "$work/lab" "$LAB_DIR"
"$src/tests/lab/fetch" "$kernel" >/dev/null || exit $?
"$src/tests/lab/image" "$kernel" >/dev/null || exit $?
step "accelerator: $LAB_ACCEL, $way, kernel $kernel"

# ---- a real guest ----
lab_disk "$work/disk.img" 64M || exit $?
"lab_start_$way" web profile=shell sysrq=1 "kernel=$kernel" "disk=$work/disk.img" || exit $?
lab_wait_console web '~ # ' 120 || die "the guest did not reach its shell"
if [ "$way" = libvirt ]; then
    # The daemon has no rights of its own: libvirt's socket must let it in.
    chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
    chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
    source="{\"kind\": \"libvirt\", \"uri\": \"$LAB_URI\"}"
else
    source="{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\"}"
fi
step "guest booted to its shell"

# ---- a real receiver ----
mkdir -p "$work/received"
"$build/hangdog-controller" --listen 127.0.0.1:0 --data "$work/received" >"$work/controller.out" 2>"$work/controller.err" &
controller=$!
lab_until 10 "grep -q '^listening ' '$work/controller.out'" || die "the controller did not start: $(cat "$work/controller.err")"
url=$(sed -n 's/^listening //p' "$work/controller.out")
step "receiver at $url"

# ---- hangdog ----
mkdir -p "$work/scenarios"
interval=30s retry=5s
[ "${MISSION_FAST:-0}" = 1 ] && interval=10s retry=3s
cat >"$work/scenarios/uptime.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "uptime",
  "kind": "console-command",
  "select": {"name": "*"},
  "transports": ["console"],
  "interval": "$interval", "timeout": "$([ "$interval" = 30s ] && echo 10s || echo 5s)",
  "initial-delay": "1s", "retry-interval": "$retry",
  "failure-threshold": 2, "success-threshold": 1,
  "playbook": "standard",
  "command": "uptime",
  "expect": {"status": 0, "output": "load average"}
}
EOJ
cat >"$work/scenarios/banner.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "banner",
  "kind": "tcp",
  "transports": ["tcp"],
  "interval": "1h", "timeout": "5s", "initial-delay": "30m",
  "address": "127.0.0.1:$(lab_get web port)",
  "expect": {"output": "LAB-BANNER"}
}
EOJ
cat >"$work/config.json" <<EOJ
{
  // One source, one folder of scenarios, one receiver.
  "schema": "hangdog/config/1",
  "sources": [$source],
  "scenarios": ["$work/scenarios"],
  "sink": {"url": "$url/bundles"},
}
EOJ
# A proxy of whoever runs this is not for loopback.
export no_proxy='*' NO_PROXY='*'
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
hd() { "$build/hangdog" "$@"; }
"$build/hangdog" --config "$work/config.json" daemon ${MISSION_DEBUG:+--debug} 2>"$work/hangdog.log" &
daemon=$!
lab_until 15 "test -S '$work/run/control'" || die "the daemon did not start"
hd wait web --for well --timeout 90s >/dev/null || { hd status; die "the healthy guest was not found well"; }
step "hangdog: $(hd probe web --scenario uptime)"

# ---- it stops answering ----
lab_ctl web lab-fault mutex >/dev/null || die "the fault was not made"
lab_ctl web lab-fault shell-stop >/dev/null || die "the fault was not made"
fault=$(date +%s.%N)
step "fault: a kernel mutex that is never let go, and the console's shell is stopped"
hd wait web --for hung --timeout 150s >/dev/null || { hd status; die "the hang was not noticed"; }
step "noticed, $(echo "($(date +%s.%N) - $fault)/1" | bc) s after the fault"
lab_until 90 "curl -fsS '$url/bundles' | grep -q tar.zst" || { hd status; hd spool; die "no bundle arrived"; }
step "the bundle arrived, $(echo "($(date +%s.%N) - $fault)/1" | bc) s after the fault"

# ---- what arrived ----
name=$(curl -fsS "$url/bundles" | grep -oE '"name": ?"[^"]*tar\.zst"' | head -n 1 | sed 's/.*"name": *"//; s/"$//')
curl -fsS -o "$work/got.tar.zst" "$url/bundles/$name" || die "the receiver does not give $name back"
hd bundle verify "$work/got.tar.zst" || die "the bundle does not agree with its manifest"
want() { # MEMBER REGEX WHAT
    hd bundle cat "$work/got.tar.zst" "$1" >"$work/member" || die "$3: the bundle has no $1"
    grep -qE -- "$2" "$work/member" || { head -n 20 "$work/member" >&2; die "$3: $1 does not say $2"; }
    step "in the bundle: $3"
}
want manifest.json '"hangdog/bundle/1"' "the manifest"
want sysrq/w.txt 'Show Blocked State' "SysRq-w over the console"
want sysrq/w.txt 'zoo' "... which shows the blocked task"
want monitor/status.json 'running' "the monitor's status"
want disk/blockstats.json 'vda|virtio' "the disk probe"
want net/net.json "LAB-BANNER|ok" "the network probe"
want metrics/host.otlp.jsonl 'resourceMetrics' "the metric snapshot"
want summary.txt '^verdict=' "the summary"
sed 's/^/           | /' "$work/member" | head -n 30
count=$(curl -fsS "$url/bundles" | grep -oE 'tar\.zst"' | wc -l)
[ "$count" = 1 ] || die "$count bundles arrived for one hang"
if [ -n "${MISSION_OUT:-}" ]; then
    mkdir -p "$MISSION_OUT"
    cp "$work/got.tar.zst" "$MISSION_OUT/bundle.tar.zst"
    step "kept: $MISSION_OUT/bundle.tar.zst"
fi
step "mission accomplished ($way, $LAB_ACCEL)"
