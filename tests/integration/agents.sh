#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2016,SC2034,SC2154
#
# Guest agents that mean ill, beside guests that are well: replies of 100 MB, without an end, nested, malformed, a byte
# a second, or none. Each is called by what it is, and nobody else is late or bigger for it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init agents jq
. "$src/tests/integration/neighbour.sh"

modes='well huge endless noise malformed deep many half slow silent'
neighbour_make
for m in $modes; do
    # The one of which the agent tells addresses, and one guest alone has it.
    nic=''
    [ "$m" = well ] && nic="-netdev tap,id=n0,ifname=hd-none0 -device virtio-net-pci,netdev=n0,mac=52:54:00:aa:bb:01"
    # shellcheck disable=SC2086 # a list of words
    fake_agent "ill-$m" "$m" $nic
done
cat >"$work/scenarios/ping.json" <<EOJ
{ "name": "ill", "kind": "agent-ping", "select": {"name": "ill-*"}, "interval": "2s", "timeout": "1900ms",
  "initial-delay": "0s", "retry-interval": "2s", "failure-threshold": 100 }
EOJ
cat >"$work/scenarios/port.json" <<'EOJ'
{ "name": "agent-port", "kind": "tcp", "select": {"name": "ill-well"}, "address": "guest:9", "interval": "2h", "timeout": "1s",
  "initial-delay": "1h", "retry-interval": "1h", "failure-threshold": 50 }
EOJ
chaos_config "$fake_source" "\"mailboxes\": [\"$work/boxes\"]"

code_of() { rows "select(.row == \"scenario\" and .scenario == \"ill\" and .guest == \"ill-$1\") | .code"; }
# shellcheck disable=SC2053 # a pattern
is_called() { [[ $(code_of "$1") == $2 ]]; }
all_called() {
    local m want
    for m in $modes; do
        case $m in
            well) want=ok ;;
            half) want=no-answer ;;
            # Of a guest that has just begun, which is three minutes.
            slow | silent) want='agent-[sw]*' ;;
            *) want=protocol ;;
        esac
        until_ok 30 is_called "$m" "$want" || { hd status; die "an agent that is $m is called $(code_of "$m")"; }
        step "$m: $want"
    done
}
neighbour_compare "$work/scenarios/ping.json" all_called

# An address that nobody on this host knows: its agent says it, of the nic that it has.
nic() { hd list --json 2>/dev/null | jq -r 'select(.display == "ill-well") | .nics[0] | "\(.ip) \(.ip_from)"'; }
said() { [ "$(nic)" = "192.0.2.7 agent" ]; }
asked() { hd dump | sed -n 's/^addresses: .*agents asked //p'; }
exact "no agent is asked that nobody needs" "$(asked)" 0
exact "nobody knows its address" "$(hd probe ill-well --scenario agent-port --json 2>/dev/null | jq -r .code)" no-address
until_ok 30 said || { hd list --json; hd dump; die "its agent's address is not taken: $(nic)"; }
exact "one was asked, once" "$(asked)" 1
step "the agent's address"
hd_stop
step "they cost nobody but themselves"
