#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Which address a guest has and who says so, and the table of the ways to it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init reach jq

# Macs of no maker, and addresses of nobody (RFC 5737): nothing of this is sent anywhere that answers.
mac() { echo "-netdev user,id=n0 -device virtio-net-pci,netdev=n0,mac=06:fe:ed:00:00:0$1"; }
FAKE_ARGS=$(mac a) fake_guest alpha
FAKE_ARGS=$(mac b) fake_guest beta -P mute
fake_guest gamma
DELAY=1h RETRY=1h chaos_scenario up '*' 2h 2s
cat >"$work/scenarios/port.json" <<'EOJ'
{ "schema": "hangdog/scenario/1", "name": "port", "kind": "tcp", "address": "guest:9", "interval": "2h", "timeout": "1s",
  "initial-delay": "1h", "retry-interval": "1h", "failure-threshold": 50 }
EOJ
sed -i 's|"failure-threshold": 2|"failure-threshold": 50|' "$work/scenarios/up.json"
: >"$work/dhcp.leases"
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}" "\"leases\": [\"$work/dhcp.leases\"]"
hd_start
until_ok 15 bindings 6 || { hd status; die "not all are there"; }

# nic GUEST: address, who says so, what is refused. way GUEST WAY: its state, code, and who found out.
nic() { hd list --json 2>/dev/null | jq -r "select(.display==\"$1\") | .nics[0] | \"\(.ip) \(.ip_from) \(.refused)\""; }
nic_is() { [ "$(nic "$1")" = "$2" ]; }
way() { hd status "$1" --json 2>/dev/null | jq -r "select(.row==\"reach\" and .way==\"$2\") | \"\(.state) \(.code) by \(.by)\""; }
says() { hd probe "$1" --scenario "$2" --json 2>"$work/err" | jq -r "$3"; }

# ---- addresses ----
exact "nobody knows one" "$(says alpha port .code)" no-address
exact "and who has no interface has none" "$(says gamma port .sentence)" "the guest has no network interface that is known here, so no IP address"
exact "so the way can't be used" "$(way alpha tcp)" "unusable no-address by scenario port"
echo "0 06:fe:ed:00:00:0a 192.0.2.7 alpha *" >"$work/dhcp.leases"
# The outcome without one wanted it to be looked for: it does not take the minute.
says alpha port .code >/dev/null
until_ok 15 nic_is alpha "192.0.2.7 lease null" || { hd list --json; hd dump; die "the lease is not found"; }
step "the lease is found"
code=$(says alpha port .code)
case $code in no-address | '') die "it is not asked there: $code" ;; esac
hd status alpha | grep -q '192\.0\.2\.7 (lease)' || { hd status alpha; die "status does not show it"; }
exact "its boot is the same" "$(hd list --json | jq -r 'select(.display=="alpha").boot')" 0

printf '0 06:fe:ed:00:00:0%s 192.0.2.7 x *\n' a b >"$work/dhcp.leases"
says beta port .code >/dev/null
until_ok 15 nic_is alpha "null lease 192.0.2.7" || { hd list --json; die "an address that two claim is used"; }
exact "nor for the other" "$(nic beta)" "null lease 192.0.2.7"
exact "and it is said why" "$(says beta port .sentence)" \
    "192.0.2.7 (lease) is claimed by another guest or the host, too: it is used for neither"

# ---- ways ----
exact "no console was asked yet" "$(way alpha console | cut -d' ' -f1)" untried
says alpha up .code >/dev/null
exact "it answers" "$(way alpha console)" "alive  by scenario up"
says beta up .code >/dev/null
exact "one that does not" "$(way beta console)" "dead no-answer by scenario up"
exact "the others are there, too" "$(hd status alpha --json | jq -r 'select(.row=="reach").way' | grep -cE '^(console|monitor|tcp|memory|ssh)$')" 5
exact "not in the table of all" "$(rows 'select(.row=="reach").way' | wc -l)" 0
hd status beta | grep -qE '^console +dead .*scenario up +no-answer: ' || { hd status beta; die "no table for people"; }
# What a look finds does not outweigh who was asked.
hd doctor beta >/dev/null 2>&1
exact "a look at it" "$(way beta console)" "dead no-answer by scenario up"
case $(way beta memory) in *' by doctor' | *' by first look') ;; *) die "doctor taught nothing: $(way beta memory)" ;; esac
hd dump | grep -q '^ways: guests 3' || die "nothing of it in the dump"
hd_stop
step "each way is known"
