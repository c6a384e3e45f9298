#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A real qemu-ga in a guest of libvirt's, asked through it: well; stopped; frozen for a backup, which is no failure;
# ended, which libvirt knows. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
. "$src/tests/integration/agent.sh"

bed_needs jq virsh
[ -x "$build/hangdog-daemon-libvirt" ] || { echo "skipped: no libvirt in this build"; exit 77; }
bed_lab
lab_disk "$work/data.img" 32M || exit $?
lab_start_libvirt web agent=run net=no disk="$work/data.img" || exit $?
chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
lab_wait_up web 120 || exit 1
agent_scenarios
cat >"$work/config.json" <<EOJ
{"schema": "hangdog/config/1", "scenarios": ["$work/scenarios"], "sources": [{"kind": "libvirt", "uri": "$LAB_URI"}]}
EOJ
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
bed_daemon
bed_seen web

at=well
agent_is_well
hd doctor web >"$work/doctor"
says "$work/doctor" 'qemu-ga [0-9.]+ answers'

agent_stopped

at=frozen
lab_virsh domfsfreeze web >/dev/null || fail "its file systems are not frozen"
must exec no-verdict frozen agent
must file no-verdict frozen agent
must ping ok ok agent
lab_virsh domfsthaw web >/dev/null || fail "they are not thawed"
must exec ok ok agent

at=ended
# shellcheck disable=SC2016 # for the guest's shell
lab_ctl web 'kill $(cat /run/qga.pid)' >/dev/null
lab_until 20 "asked ping failed agent-silent" || fail "it is gone: $(sentence ping)"
must agent-first failed way-lost console
[ "$failed" = 0 ] && echo PASS
exit "$failed"
