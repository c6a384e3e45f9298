#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A real qemu-ga in a guest of libvirt's, asked through it: well; stopped; frozen for a backup, which is no failure;
# ended, which libvirt knows. And its monitor through libvirt, and its ACPI heartbeat by libvirt's words for it: it runs
# and beats, whatever its agent does; somebody pauses it.
# Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
. "$src/tests/integration/agent.sh"

bed_needs jq virsh
[ -x "$build/hangdog-daemon-libvirt" ] || { echo "skipped: no libvirt in this build"; exit 77; }
bed_lab
lab_disk "$work/data.img" 32M || exit $?
mkdir "$work/beats"
chmod 755 "$work"
chmod 777 "$work/beats"
lab_start_libvirt web agent=run net=no disk="$work/data.img" args="-acpitable file=$build/share/acpi/hangdog-beat.aml -chardev socket,id=hangdog-beat,path=$work/beats/web,server=on,wait=off -device isa-debugcon,iobase=0x580,chardev=hangdog-beat" || exit $?
chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
lab_wait_up web 120 || exit 1
agent_scenarios
cat >"$work/scenarios/monitor.json" <<EOJ
{ "scenarios": [
  { "name": "runs", "kind": "monitor", "interval": "1h", "timeout": "20s", "initial-delay": "1h" },
  { "name": "beats", "kind": "acpi-heartbeat", "interval": "2s", "timeout": "1s", "missed": 3, "failure-threshold": 100 }
] }
EOJ
cat >"$work/config.json" <<EOJ
{"schema": "hangdog/config/1", "scenarios": ["$work/scenarios"], "roots": ["$work/beats"], "sources": [{"kind": "libvirt", "uri": "$LAB_URI"}]}
EOJ
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
bed_daemon
bed_seen web

at=well
agent_is_well
hd doctor web >"$work/doctor"
says "$work/doctor" 'qemu-ga [0-9.]+ answers'

must runs ok ok monitor
lab_until 20 "asked beats ok ok" || fail "its kernel does not beat: $(sentence beats)"

agent_stopped

at=frozen
lab_virsh domfsfreeze web >/dev/null || fail "its file systems are not frozen"
must runs ok ok monitor
must exec no-verdict frozen agent
must file no-verdict frozen agent
must ping ok ok agent
lab_virsh domfsthaw web >/dev/null || fail "they are not thawed"
must exec ok ok agent
must beats ok ok

at=ended
must runs ok ok monitor
lab_virsh suspend web >/dev/null || fail "it is not paused"
lab_until 20 "asked runs no-verdict paused || asked runs no-verdict held-off" || fail "it is paused: $(sentence runs)"
lab_until 20 "asked beats no-verdict" || fail "it is paused: $(sentence beats)"
lab_virsh resume web >/dev/null || fail "it does not go on"
lab_until 20 "asked runs ok ok monitor" || fail "it goes on: $(sentence runs)"
# shellcheck disable=SC2016 # for the guest's shell
lab_ctl web 'kill $(cat /run/qga.pid)' >/dev/null
lab_until 20 "asked ping failed agent-silent" || fail "it is gone: $(sentence ping)"
must agent-first failed way-lost console
[ "$failed" = 0 ] && echo PASS
exit "$failed"
