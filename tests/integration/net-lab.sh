#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest that is reached from a network namespace of its own alone, as an application's may be: what http, tcp, dns,
# icmp and arp say when it is well, when its services are stopped, when its kernel is dead, and when it is asked from
# the wrong place. 77: something it needs is missing.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq ip
[ -w /dev/net/tun ] || { echo "net-lab: skipped: no /dev/net/tun" >&2; exit 77; }
grep -q '^#define WITH_CURL 1' "$build/config.h" || { echo "net-lab: skipped: built without curl" >&2; exit 77; }
began=$(date +%s%N)
step() { printf '%6d ms  %s\n' $((($(date +%s%N) - began) / 1000000)) "$*"; }

# ---- a namespace with the guest's tap in it, and QEMU there, too ----
ns=hangdog-lab-$$
ip netns add "$ns" 2>/dev/null || { echo "net-lab: skipped: no network namespaces here" >&2; exit 77; }
finish() {
    ip netns del "$ns"
    bed_finish
}
qemu=${LAB_QEMU:-qemu-system-x86_64}
bed_lab
trap '(exit $?); finish' EXIT
ip -n "$ns" link set lo up
# What EVE's files say of the guest: its tap, its MAC, its address.
ip -n "$ns" tuntap add nbu1x1 mode tap
ip -n "$ns" addr add 10.0.2.2/24 dev nbu1x1
ip -n "$ns" link set nbu1x1 up
cat >"$work/qemu" <<EOS
#!/bin/sh
exec ip netns exec $ns $qemu "\$@"
EOS
chmod 755 "$work/qemu"
LAB_QEMU=$work/qemu
lab_start_eve web net=no args="-netdev tap,id=hostnet0,ifname=nbu1x1,script=no,downscript=no -device virtio-net-pci,netdev=hostnet0,mac=02:16:3e:00:00:01,romfile=" || exit $?

# ---- what is asked ----
mkdir "$work/scenarios"
scenario() { # NAME KIND MEMBERS
    echo "{\"schema\": \"hangdog/scenario/1\", \"name\": \"$1\", \"kind\": \"$2\", \"interval\": \"1h\", \"initial-delay\": \"1h\",
      \"timeout\": \"2s\", \"failure-threshold\": 100, \"playbook\": \"no-touch\", $3}" >"$work/scenarios/$1.json"
}
scenario http http '"netns": "guest", "url": "http://guest:8080/health", "expect": {"status": ["200"], "output": "^up$"}'
scenario missing http '"netns": "guest", "url": "http://guest:8080/other"'
scenario tcp tcp "\"netns\": \"$ns\", \"address\": \"guest:8080\""
scenario dns dns '"netns": "guest", "address": "guest:53", "query": "app.lan", "expect": {"output": " A 192\\.0\\.2\\.7$"}'
scenario icmp icmp '"netns": "guest"'
scenario arp arp '"netns": "guest"'
scenario nowhere http '"netns": "hangdog-none", "url": "http://guest:8080/health"'
scenario outside arp '"interface": "nbu1x1"'
bed_config "\"scenarios\": [\"$work/scenarios\"],"
bed_daemon
lab_wait_up web 60 || die "web did not come up"
bed_seen web
step "the guest is up"

# ---- what is said ----
asked() { # SCENARIO OUTCOME CODE PATTERN
    hd probe web --scenario "$1" --json >"$work/out"
    jq -r 'select(.scenario == "'"$1"'") | "\(.outcome) \(.code): \(.sentence)"' "$work/out" >"$work/said"
    step "$at: $1: $(cat "$work/said")"
    grep -Eq "^$2 $3: .*$4" "$work/said" || fail "$1: not $2 $3: '$4': $(cat "$work/out")"
}

at="well"
lab_ctl web 'mkdir -p /www && echo up >/www/health && httpd -p 8080 -h /www && { labd dns 192.0.2.7 >/dev/null 2>&1 & echo $! >/tmp/dns; }' >/dev/null ||
    die "its services do not start"
lab_until 10 "lab_ctl web 'netstat -ltun | grep -q :53' >/dev/null" || die "no DNS there"
asked http ok ok 'answers 200'
asked missing failed http-status 'answers 404'
asked tcp ok ok connected
asked dns ok ok 'A 192.0.2.7'
asked icmp ok ok '3 of 3'
asked arp ok ok '02:16:3e:00:00:01'
at="from elsewhere"
asked nowhere no-verdict no-netns 'hangdog-none'
# On the host there is no such interface: that is nobody's hang.
asked outside no-verdict no-route 'nbu1x1'
at="services stopped"
lab_ctl web 'killall httpd; kill $(cat /tmp/dns)' >/dev/null
lab_until 10 "! lab_ctl web 'netstat -ltun | grep -qE \":53|:8080\"' >/dev/null" || die "its services do not stop"
asked http failed refused refused
asked tcp failed refused refused
asked dns failed refused refused
asked icmp ok ok '3 of 3'
asked arp ok ok '02:16:3e:00:00:01'
at="kernel dead"
lab_ctl web lab-fault panic >/dev/null
lab_wait_console web 'Kernel panic' 20 || die "it does not die"
for s in http tcp dns icmp; do asked $s failed timeout .; done
asked arp failed timeout nobody
[ "$failed" = 0 ] && echo "net-lab: well in $((($(date +%s%N) - began) / 1000000000)) s"
exit "$failed"
