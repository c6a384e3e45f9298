#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What the collectors do that disturbs, on a real guest behind a real tap and bridge: the headers of its packets, of
# which no payload is kept; what its links did; an NMI, refused and then allowed; a core of it, and its bounds. In a
# network namespace of its own.
# Part of make lab-long.
if [ -z "${COLLECT_LAB_INSIDE:-}" ]; then
    unshare -n -m true 2>/dev/null || { echo "collect-lab: skipped: no network namespaces here" >&2; exit 77; }
    [ -w /dev/net/tun ] || { echo "collect-lab: skipped: no /dev/net/tun" >&2; exit 77; }
    # /sys shows the interfaces of who mounts it.
    # shellcheck disable=SC2016
    COLLECT_LAB_INSIDE=1 exec unshare -n -m --propagation private \
        sh -c 'mount -t sysfs sysfs /sys && exec bash "$0"' "$0"
fi
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq ip curl od
getent passwd daemon >/dev/null || { echo "collect-lab: skipped: no user daemon" >&2; exit 77; }
bed_lab
ip link set lo up
ip link add bn1 type bridge || { echo "collect-lab: skipped: no bridges here" >&2; exit 77; }
ip tuntap add nbu1x1 mode tap
ip link set nbu1x1 master bn1
ip link set nbu1x1 up
ip link set bn1 up
ip addr add 10.0.2.2/24 dev bn1
lab_start_eve web net=no sysrq=1 args="-netdev tap,id=hostnet0,ifname=nbu1x1,script=no,downscript=no -device virtio-net-pci,netdev=hostnet0,mac=02:16:3e:00:00:01,romfile=" || exit $?
mkdir -p "$work/playbooks"
cat >"$work/playbooks/packets.json" <<EOJ
{ "name": "packets", "steps": [ { "do": "net", "address": "10.0.2.15:8080", "capture": "6s", "budget": "40s" } ] }
EOJ
echo '{ "name": "nmi", "steps": [ { "do": "nmi", "budget": "10s" } ] }' >"$work/playbooks/nmi.json"
lab_wait_up web 180 || exit 1
part() { hd bundle cat "$bundle" "$1" 2>/dev/null; }
is() { # FACT PATTERN
    local v
    v=$(part manifest.json | jq -r --arg n "$1" '.facts[] | select(.name == $n) | .value')
    grep -Eq -- "^($2)\$" <<<"$v" || fail "$1 is '$v' and not '$2'"
}
look() { # PLAYBOOK
    hd diagnose web --playbook "$1" >"$work/out" 2>&1
    bundle=$(grep -Eo 'bundle=[^ ]*' "$work/out"); bundle=${bundle#bundle=}
    [ -s "$bundle" ] || die "no bundle: $(head -n 5 "$work/out")"
}
# frames FILE - of a pcap, one a line: kept, whole, and the ethertype.
frames() {
    od -An -v -tu1 -w1 "$1" | awk 'function u32(o) { return b[o] + 256 * (b[o+1] + 256 * (b[o+2] + 256 * b[o+3])) }
        { b[n++] = $1 + 0 }
        END { for (o = 24; o + 16 <= n; o += 16 + k) { k = u32(o + 8); w = u32(o + 12);
            print k, w, b[o + 28] * 256 + b[o + 29] } if (o != n) print "torn" }'
}

# ---- the headers of its packets ----
at=packets
bed_config "\"playbooks\": [\"$work/playbooks\"],"
bed_daemon
bed_seen web
hd diagnose web --playbook packets --dry-run >"$work/plan"
says "$work/plan" 'headers of packets on its tap for 6 s'
says "$work/plan" 'ARP who has 10.0.2.15'
lab_ctl web 'mkdir -p /www && for i in 1 2 3 4 5 6 7 8; do echo GUESTS-OWN-SECRET; done >/www/health && httpd -p 8080 -h /www' >/dev/null || die "its service does not start"
# Somebody talks with it meanwhile, and one word is to be found in each of his packets.
while sleep 0.3; do ip neigh flush dev bn1; curl -s -m 2 -H "X-Word: HOSTS-OWN-SECRET" "http://10.0.2.15:8080/health"; done >"$work/page" 2>&1 &
talks=$!
look packets
kill "$talks"
wait "$talks" 2>/dev/null
grep -q GUESTS-OWN "$work/page" || fail "nobody got its page"
hd bundle cat "$bundle" net/tap.pcap --raw >"$work/tap.pcap"
[ "$(od -An -tx4 -N4 "$work/tap.pcap" | tr -d ' ')" = a1b2c3d4 ] || fail "that is no pcap: $(part manifest.json | jq -c .gaps)"
frames "$work/tap.pcap" >"$work/frames"
echo "$(wc -l <"$work/frames") frames; the longest: $(sort -n "$work/frames" | tail -n 1)"
grep -q torn "$work/frames" && fail "the pcap is torn"
[ "$(grep -c ' 2048$' "$work/frames")" -gt 10 ] || fail "no packets: $(head -n 3 "$work/frames")"
grep -q ' 2054$' "$work/frames" || fail "no ARP"
awk '$1 > 96 { exit 1 }' "$work/frames" || fail "more than headers"
awk '$2 > 120 && $3 == 2048 { n++ } END { exit !n }' "$work/frames" || fail "no packet had a payload"
grep -qa 'SECRET' "$work/tap.pcap" && fail "payload is kept"
is net.captured '[1-9][0-9]*'
is net.answer open
is net.arp answers
is net.echo answers
is net.carrier true
part net/net.json | jq -e '.links.nbu1x1.port_state == 3 and .links.bn1.carrier == 1 and .taps.nbu1x1.second.rx_packets > .taps.nbu1x1.first.rx_packets' >/dev/null ||
    fail "its links: $(part net/net.json | jq -c .)"

# ---- an NMI ----
at="an NMI that is refused"
look nmi
part manifest.json | jq -e '[.gaps[].why] | any(test("does not allow"))' >/dev/null || fail "it is not refused: $(part manifest.json | jq -c .gaps)"
part manifest.json | jq -e '.impact == []' >/dev/null || fail "it was done all the same"
kill "$daemon"
wait "$daemon"
lab_ctl web 'dmesg' | grep -q 'NMI received' && fail "the guest got one"
at="an NMI that is allowed"
mkdir -m 777 "$work/cores"
bed_config "\"playbooks\": [\"$work/playbooks\"], \"cores\": \"$work/cores\", \"user\": \"daemon\", \"intrusive\": [\"nmi\"],"
mkdir -m 755 "$work/own"
export HANGDOG_STATE=$work/own/state # what the other has written is root's
bed_daemon
bed_seen web
look nmi
part manifest.json | jq -r '.impact[].what' | grep -q 'NMI' || fail "impact does not tell of it"
lab_until 20 "lab_ctl web dmesg | grep -q 'NMI received for unknown reason'" || fail "the guest got none"
lab_ctl web 'echo alive' | grep -q alive || fail "it did not survive"

# ---- a core ----
at=core
echo '{ "name": "small", "steps": [ { "do": "core", "max": "1MiB" } ] }' >"$work/playbooks/small.json"
echo '{ "name": "core", "steps": [ { "do": "core", "max": "1GiB" } ] }' >"$work/playbooks/core.json"
echo '{ "name": "hasty", "steps": [ { "do": "core", "budget": "3100ms" } ] }' >"$work/playbooks/hasty.json"
kill -HUP "$daemon"
lab_until 20 "grep -q '5 playbooks of 5 files' '$work/log'" || fail "the playbooks are not taken: $(tail -n 2 "$work/log")"
look small
part manifest.json | jq -e '[.gaps[].why] | any(test("--max is 1MiB"))' >/dev/null || fail "it has no bound: $(part manifest.json | jq -c .gaps)"
look core
core=$(find "$work/cores" -name '*.core')
[ -s "$core" ] || fail "there is no core: $(part manifest.json | jq -c .gaps)"
is guest.core "$core"
part manifest.json | jq -r '.impact[].what' | grep -q "memory to $core" || fail "impact does not tell of it"
[ "$(stat -c %a "$core")" = 600 ] || fail "others may read it"
part manifest.json | jq -e --arg p "$core" --arg s "$(sha256sum "$core" | cut -d' ' -f1)" --argjson n "$(stat -c %s "$core")" \
    '.attachments == [{name: ($p | sub(".*/"; "")), path: $p, bytes: $n, sha256: $s, collector: "core", sensitivity: "secret", send: "never"}]
    and .impact_level == "monitor" and (.trigger.config_sha256 | length) == 64 and .times.started != null' >/dev/null ||
    fail "the manifest does not tell of it: $(part manifest.json | jq -c '[.attachments, .impact_level, .trigger, .times]')"
hd inspect "$core" tasks --json | jq -r 'select(.row == "task") | .comm' | grep -q '^kthreadd$' || fail "it can't be read"
look core
[ "$(find "$work/cores" -type f | wc -l)" = 1 ] || fail "the next one does not take its place: $(ls "$work/cores")"
# No time for it: nothing is left behind. Whoever stops QEMU makes it slow to ask.
qemu=$(lab_get web pid)
kill -STOP "$qemu"
look hasty
kill -CONT "$qemu"
[ "$(find "$work/cores" -type f | wc -l)" = 1 ] || fail "what is not whole is left: $(ls "$work/cores")"
[ "$failed" = 0 ] || tail -n 5 "$work/log"
[ "$failed" = 0 ] && echo PASS
exit "$failed"
