#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A real guest on a real interface, in a network namespace of its own: its address is what EVE says, and where EVE
# says none what the host's table of neighbours has; and "guest:22" leads there.
if [ -z "${ADDRESS_OWN_NET:-}" ]; then
    unshare -n true 2>/dev/null || { echo "no network namespaces here"; exit 77; }
    ADDRESS_OWN_NET=1 exec unshare -n bash "$0" "$@"
fi
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init address-lab jq
{ ip link set lo up && ip tuntap add dev t0 mode tap && ip addr add 10.0.2.2/24 dev t0 && ip link set t0 up; } 2>"$work/err" \
    || { cat "$work/err"; echo "no tap device can be made here"; exit 77; }
chaos_lab
lab_boot_eve web net=no "args=-netdev tap,id=tap0,ifname=t0,script=no,downscript=no -device virtio-net-pci,netdev=tap0,mac=02:16:3e:00:00:01" || exit $?

cat >"$work/scenarios/port.json" <<'EOJ'
{ "schema": "hangdog/scenario/1", "name": "port", "kind": "tcp", "address": "guest:22", "interval": "2h", "timeout": "5s",
  "initial-delay": "1h", "retry-interval": "1h", "failure-threshold": 50 }
EOJ
chaos_config "$eve_source"
hd_start
nic() { hd list --json 2>/dev/null | jq -r 'select(.row=="guest") | .nics[0] | "\(.mac) \(.ip) \(.ip_from)"'; }
nic_is() { [ "$(nic)" = "$1" ]; }
says() { hd probe web --scenario port --json 2>"$work/err" | jq -r '"\(.outcome) \(.code)"'; }
way() { hd status web --json 2>/dev/null | jq -r 'select(.row=="reach" and .way=="tcp") | .state'; }

until_ok 15 nic_is "02:16:3e:00:00:01 10.0.2.15 eve" || { hd list --json; die "EVE's word is not taken"; }
exact "the guest's port, by the address that EVE says" "$(says)" "ok ok"
exact "and so the way is" "$(way)" alive

# EVE says none any more: the host has just talked to it.
status=$LAB_RUN/zedrouter/AppNetworkStatus/$(lab_get web uuid).json
sed 's/"AssignedAddresses":{[^}]*}[^}]*}/"AssignedAddresses":{"IPv4Addrs":null,"IPv6Addrs":null}/' "$status" >"$work/none"
grep -q '10\.0\.2\.15' "$work/none" && die "the file still has it"
lab_json "$status" <"$work/none"
neighbour() { says >/dev/null; nic_is "02:16:3e:00:00:01 10.0.2.15 neighbour"; }
until_ok 20 neighbour || { hd list --json; ip neigh; hd dump; die "the neighbour is not found"; }
exact "the guest's port, by the table of neighbours" "$(says)" "ok ok"

# Nobody listens at a port is the guest's word, not the way's.
lab_json "$status" <<<"$(sed 's/"IPv4Addrs":null/"IPv4Addrs":[{"Address":"10.0.2.15"}]/' "$work/none")"
until_ok 15 nic_is "02:16:3e:00:00:01 10.0.2.15 eve" || { hd list --json; die "EVE's new word is not taken"; }
exact "its life is the same" "$(hd list --json | jq -r 'select(.row=="guest").boot')" 0
hd_stop
step "its address is known by whom it should"
