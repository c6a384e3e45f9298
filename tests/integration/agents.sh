#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
#
# Guest agents that mean ill, beside a guest that is well: replies of 100 MB, without an end, nested, malformed, a byte
# a second, or none. Each is called by what it is, and nobody else is late or bigger for it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init agents jq

# fake_agent MODE - a process that looks like a QEMU, whose guest's agent is of that mode.
fake_agent() {
    local mode=$1 dir=$work/fake/ill-$1 uuid nic=
    # The one of which the agent tells addresses, and one guest alone has it.
    [ "$mode" = well ] && nic="-netdev tap,id=n0,ifname=hd-none0 -device virtio-net-pci,netdev=n0,mac=52:54:00:aa:bb:01"
    mkdir -p "$dir"
    uuid=$(printf '%s' "$dir" | md5sum)
    uuid=${uuid:0:8}-${uuid:8:4}-4${uuid:13:3}-8${uuid:17:3}-${uuid:20:12}
    mkfifo "$work/$mode.stdin"
    (
        exec -a qemu-system-x86_64 "$build/tests/fakes/fake-qga" "$mode" "$dir/qga.sock" \
            -name "guest=ill-$mode" -uuid "$uuid" -pidfile "$dir/pid" \
            -chardev "socket,id=qga,path=$dir/qga.sock,server=on" \
            -device virtserialport,chardev=qga,name=org.qemu.guest_agent.0 \
            $nic \
            <>"$work/$mode.stdin" >"$work/$mode.report"
    ) &
    chaos_fakes+=("$!")
    echo "$!" >"$dir/pid"
    until_ok 5 grep -q ready "$work/$mode.report" || die "fake-qga did not start"
}

fake_guest alpha
modes='well huge endless noise malformed deep many half slow silent'
for m in $modes; do fake_agent "$m"; done
chaos_scenario up alpha 1s 900ms
cat >"$work/scenarios/ping.json" <<EOJ
{ "name": "ping", "kind": "agent-ping", "select": {"name": "ill-*"}, "interval": "2s", "timeout": "1900ms",
  "initial-delay": "0s", "retry-interval": "2s", "failure-threshold": 100 }
EOJ
cat >"$work/scenarios/port.json" <<'EOJ'
{ "name": "port", "kind": "tcp", "select": {"name": "ill-well"}, "address": "guest:9", "interval": "2h", "timeout": "1s",
  "initial-delay": "1h", "retry-interval": "1h", "failure-threshold": 50 }
EOJ
chaos_config "$fake_source"
hd_start
until_ok 20 well_beyond alpha 1 || die "alpha is not well"
daemon=$(hd_pid daemon)
before=$(scenario_of alpha ok) failed=$(scenario_of alpha failed)

code_of() { rows "select(.row == \"scenario\" and .scenario == \"ping\" and .guest == \"ill-$1\") | .code"; }
is_called() { [ "$(code_of "$1")" = "$2" ]; }
for m in $modes; do
    case $m in
        well) want=ok ;;
        half) want=no-answer ;;
        # Of a guest that has just begun.
        slow|silent) want=agent-waiting ;;
        *) want=protocol ;;
    esac
    until_ok 30 is_called "$m" "$want" || { hd status; die "an agent that is $m is called $(code_of "$m")"; }
    step "$m: $want"
done
# An address that nobody on this host knows: its agent says it, of the nic that it has.
nic() { hd list --json 2>/dev/null | jq -r 'select(.display == "ill-well") | .nics[0] | "\(.ip) \(.ip_from)"'; }
said() { [ "$(nic)" = "192.0.2.7 agent" ]; }
asked() { hd dump | sed -n 's/^addresses: .*agents asked //p'; }
exact "no agent is asked that nobody needs" "$(asked)" 0
exact "nobody knows its address" "$(hd probe ill-well --scenario port --json 2>/dev/null | jq -r .code)" no-address
until_ok 30 said || { hd list --json; hd dump; die "its agent's address is not taken: $(nic)"; }
exact "one was asked, once" "$(asked)" 1
step "the agent's address"
until_ok 40 well_beyond alpha $((before + 8)) || die "alpha is not asked any more"
exact "the daemon is the same" "$(hd_pid daemon)" "$daemon"
exact "probes of a well guest beside them that failed" $(($(scenario_of alpha failed) - failed)) 0
# A sanitizer's own memory is not hangdog's.
grep -aqE '__(asan|tsan)_init' "$build/hangdog-daemon" ||
    figure "memory of the daemon" "$(awk '/^RssAnon/ { print $2 }' "/proc/$daemon/status")" 24576 " KiB"
hd_stop
step "they cost nobody but themselves"
