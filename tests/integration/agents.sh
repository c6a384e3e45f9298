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
for m in $modes; do fake_agent "ill-$m" "$m"; done
cat >"$work/scenarios/ping.json" <<EOJ
{ "name": "ill", "kind": "agent-ping", "select": {"name": "ill-*"}, "interval": "2s", "timeout": "1900ms",
  "initial-delay": "0s", "retry-interval": "2s", "failure-threshold": 100 }
EOJ
chaos_config "$fake_source" "\"mailboxes\": [\"$work/boxes\"]"

code_of() { rows "select(.row == \"scenario\" and .guest == \"ill-$1\") | .code"; }
is_called() { [ "$(code_of "$1")" = "$2" ]; }
all_called() {
    local m want
    for m in $modes; do
        case $m in
            well) want=ok ;;
            half) want=no-answer ;;
            # Of a guest that has just begun.
            slow | silent) want=agent-waiting ;;
            *) want=protocol ;;
        esac
        until_ok 30 is_called "$m" "$want" || { hd status; die "an agent that is $m is called $(code_of "$m")"; }
        step "$m: $want"
    done
}
neighbour_compare "$work/scenarios/ping.json" all_called
hd_stop
step "they cost nobody but themselves"
