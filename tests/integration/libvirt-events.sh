#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What owners do to their guests through libvirt - suspend, save, back up, reset, reboot, destroy, undefine - is
# seen, called by its name, and never an incident, although a scenario asks all the time. Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init libvirt-events jq virsh qemu-img
. "$src/tests/integration/libvirt.sh"
chaos_lab
qemu-img create -q -f qcow2 "$work/data.qcow2" 64M || exit 1
lv_disk vdb qcow2 "$work/data.qcow2" >"$work/devices.xml"
lab_start_libvirt web serial=pty log=no agent=yes net=no devices="$work/devices.xml" || exit $?
chaos_libvirt_source
DELAY=0s chaos_scenario up '*' 1s 900ms
# It asks at once and all the time; a reset leaves it without an answer for the four seconds of a boot.
sed -i 's/"failure-threshold": 2/"failure-threshold": 6/' "$work/scenarios/up.json"
chaos_config "$lv_source"
lab_wait_up web 90 || exit 1
hd_start
until_ok 30 well_beyond web 0 || { hd status; die "web is not well"; }
step "web is well"

# ---- its agent comes and goes ----
# shellcheck disable=SC2016 # for the guest's shell
lab_ctl web 'for p in /sys/class/virtio-ports/*; do grep -q guest_agent $p/name && sleep 1 <>/dev/${p##*/}; done' &
lv_heard web AGENT_UP
lv_heard web AGENT_DOWN
wait $!

# ---- paused, saved ----
called() { [ "$(lv_row web health)" = "$1" ]; }
lab_virsh suspend web
lv_heard web STOP user
lv_is web paused pause
until_ok 5 called held-off || die "suspended: it is called $(lv_row web health)"
was=$(scenario_of web failed)
sleep 3
exact "suspended for 3 s: probes that failed" $(($(scenario_of web failed) - was)) 0
lab_virsh resume web
lv_heard web RESUME
lv_again web

lab_virsh managedsave web >/dev/null || die "managedsave"
lv_heard web SHUTDOWN saved
lv_is web off save
lab_virsh start web >/dev/null || die "start after managedsave"
lab_adopt guest.web "$(cat "$LAB_DIR/lv/run/qemu/web.pid")"
lv_again web

lab_virsh save web "$work/web.save" >/dev/null || die "save"
lv_is web off save
lab_virsh restore "$work/web.save" >/dev/null || die "restore"
lab_adopt guest.web "$(cat "$LAB_DIR/lv/run/qemu/web.pid")"
lv_again web

lab_virsh dump --memory-only --live web "$work/web.core" >/dev/null || die "dump"
rm -f "$work/web.core"
lv_again web

# ---- backed up ----
cat >"$work/backup.xml" <<EOX
<domainbackup mode='push'><disks>
  <disk name='vdb' type='file'><target file='$work/backup.qcow2'/><driver type='qcow2'/></disk>
</disks></domainbackup>
EOX
lab_virsh backup-begin web "$work/backup.xml" >/dev/null || die "backup-begin"
backed_up() { lab_virsh domjobinfo web --completed | grep -q Backup; }
until_ok 10 backed_up || die "the backup does not end"
lv_again web
exact "backed up: it is" "$(lv_row web run) $(lv_row web intent)" "running run"

# ---- ended and started again ----
lab_virsh reset web || die "reset"
lv_heard web RESET
# Alone a boot takes 4 s; beside everything else that a machine of two cores may have to do, more than half a minute.
lab_wait_up web 180 || { find "$work/state/logs" -name '*.log' -exec tail -n 40 {} +; lab_virsh domstate --reason web; die "a guest that was reset does not come up"; }
lv_again web
lab_virsh reboot --mode acpi web >/dev/null 2>&1
lab_virsh destroy web >/dev/null || die "destroy"
lv_heard web SHUTDOWN destroyed
lv_is web off stop
until_ok 5 called held-off || die "destroyed: it is called $(lv_row web health)"
lab_virsh undefine web >/dev/null || die "undefine"
no_web() { [ -z "$(lv_row web name)" ]; }
until_ok 5 no_web || { hd list; die "an undefined guest is still listed"; }

exact "suspend, save, dump, backup, reset, destroy, undefine: incidents" "$(incidents)" 0
exact "suspend, save, dump, backup, reset, destroy, undefine: diagnoses" "$(grep -c 'incident' "$work/hangdog.log")" 0
step "owners had their way"
