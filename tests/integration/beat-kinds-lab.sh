#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# The kinds memory-heartbeat and acpi-heartbeat on a real guest: well; its userspace stopped, of which neither says
# anything; all its CPUs dead, which both do. And what a guest has that no scenario is for. Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
. "$src/tests/integration/beat-bed.sh"
bed_lab

one=beats$$
beat_scenarios
beat_guest "$one" kernel=6.1 profile=shell || exit $?
bed_daemon
lab_wait_up "$one" 90 || exit 1

# ---- well ----
becomes 90 "$one" acpi ok
becomes 90 "$one" memory ok
hd doctor "$one" >"$work/text"
says "$work/text" '^ok +acpi .*/beat'
[ "$(lab_ctl "$one" cat /sys/class/thermal/thermal_zone0/temp)" = 25000 ] || fail "its zone is not of 25 degrees"

# ---- its userspace stands still: its kernel does not ----
lab_ctl "$one" lab-fault shell-stop
stays "$one" acpi 6
stays "$one" memory 1

# ---- no interrupt is taken on any CPU ----
lab_ctl "$one" lab-fault irqoff-all
becomes 90 "$one" memory ticks-dead
becomes 90 "$one" acpi beat-missing
hd wait "$one" --for hung --timeout 60s >/dev/null || fail "it is not hung"

# ---- one that no scenario is for ----
echo '{"scenarios": []}' >"$work/scenarios/beats.json"
kill -HUP "$daemon"
lab_until 30 "hd status '$one' | grep -q 'heartbeat (built-in)'" || fail "it has no built-in scenario: $(hd status "$one")"
exit $failed
