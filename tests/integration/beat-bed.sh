# shellcheck shell=bash disable=SC1091,SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What tests of the two kinds of heartbeat share; after bed.sh.

# beat_guest NAME [OPT=VAL]... - a guest with the ACPI table.
beat_guest() {
    local n=$1
    shift
    lab_start_eve "$n" net=no "$@" args="-acpitable file=$build/share/acpi/hangdog-beat.aml -chardev socket,id=hangdog-beat,path=$LAB_RUN/hypervisor/kvm/$(lab_uuid "$n").1.1/beat,server=on,wait=off -device isa-debugcon,iobase=0x580,chardev=hangdog-beat"
}

# beat_scenarios - both kinds, quick, for guests whose names begin with "b".
beat_scenarios() {
    mkdir -p "$work/scenarios"
    cat >"$work/scenarios/beats.json" <<'EOJ'
{"scenarios": [
  {"schema": "hangdog/scenario/1", "name": "memory", "kind": "memory-heartbeat", "select": {"display-name": "b*"},
   "interval": "1s", "timeout": "500ms", "retry-interval": "1s", "initial-delay": "0s", "playbook": "no-touch", "stands": "3s"},
  {"schema": "hangdog/scenario/1", "name": "acpi", "kind": "acpi-heartbeat", "select": {"display-name": "b*"},
   "interval": "1s", "timeout": "500ms", "retry-interval": "1s", "initial-delay": "0s", "playbook": "no-touch", "missed": 3}
]}
EOJ
    bed_config '"heartbeat": "1s", "scenarios": ["'"$work"'/scenarios"],'
}

# outcome GUEST SCENARIO - its last, as "OUTCOME CODE RUNS FAILED".
outcome() { hd status "$1" --json | jq -r --arg s "$2" 'select(.row == "scenario" and .scenario == $s) | "\(.outcome) \(.code) \(.runs) \(.failed)"'; }
# is GUEST SCENARIO CODE
is() { [[ "$(outcome "$1" "$2")" == *" $3 "* ]]; }
# becomes SECONDS GUEST SCENARIO CODE
becomes() {
    lab_until "$1" "is '$2' '$3' '$4'" || fail "$3 of $2 is not $4 but $(outcome "$2" "$3"): $(hd status "$2" --json | jq -r --arg s "$3" 'select(.scenario == $s) | .sentence')"
}
# stays GUEST SCENARIO RUNS - well for so many runs more, and never anything else.
stays() {
    local was now
    was=$(outcome "$1" "$2")
    lab_until 60 "(( \$(outcome '$1' '$2' | cut -d' ' -f3) >= $(cut -d' ' -f3 <<<"$was") + $3 ))" || fail "$2 of $1 does not go on"
    now=$(outcome "$1" "$2")
    [[ "$now" == "ok ok "* ]] || fail "$2 of $1 is $now"
    [ "${now##* }" = "${was##* }" ] || fail "$2 of $1 failed meanwhile: $was, then $now"
}
