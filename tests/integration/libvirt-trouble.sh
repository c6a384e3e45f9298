#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What a hypervisor tells of a guest in trouble - storage that refuses, a watchdog that nobody fed, a panic -
# becomes an incident of the right class although no scenario is configured. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init libvirt-trouble jq virsh
. "$src/tests/integration/libvirt.sh"
chaos_lab
small=$work/small
mkdir "$small"
# Before libvirtd, which has a mount namespace of its own.
mount -t tmpfs -o size=12m none "$small" 2>/dev/null || { echo "libvirt-trouble: skipped: no tmpfs can be mounted" >&2; exit 77; }
chaos_more_cleanup() { umount "$small"; }
truncate -s 64M "$small/disk"
lv_disk vda raw "$small/disk" "error_policy='stop' rerror_policy='stop'" >"$work/devices.xml"
lab_start_libvirt full serial=pty log=no net=no pvpanic=yes devices="$work/devices.xml" || exit $?
lab_start_libvirt dog kernel=6.12 serial=pty log=no net=no watchdog=none || exit $?
chaos_libvirt_source
chaos_config "$lv_source"
lab_wait_up full 90 || exit 1
hd_start
until_ok 10 lv_is_ full running run || die "full is not seen"

# ---- storage ----
# A moment later: it is stopped for it, and must have said by then that it took the order.
lab_ctl full '(sleep 3; dd if=/dev/zero of=/dev/vda bs=1M count=40 oflag=direct) >/dev/null 2>&1 &' || die "no order is taken"
lv_heard full IO_ERROR
lv_trouble full io-error
lv_is full crashed run
exact "io-error: it is called" "$(lv_row full health)" hung
hd_stop
hd_start
lv_line=0
lv_trouble full io-error
sleep 0.5
exact "hangdog was started again: incidents of it" "$(rows 'select(.row=="incident" and .guest=="full") | .id' | wc -l)" 1
mount -o remount,size=80m "$small"
# libvirtd's namespace has a mount of its own of the same tmpfs: one size for both.
lab_virsh resume full
lv_heard full RESUME
lv_ended full recovered
lab_ctl full true || die "full does not go on"

# ---- a panic; one that libvirt ends for it; a QEMU that dies ----
again() {
    lab_virsh start full >/dev/null || die "start"
    lab_adopt guest.full "$(cat "$LAB_DIR/lv/run/qemu/full.pid")"
}
lab_ctl full lab-fault panic
lv_heard full PANIC
lv_trouble full kernel-panic
lv_is full crashed run
exact "panicked: it is called" "$(lv_row full health)" hung
lab_virsh destroy full
lv_ended full replaced
again
lab_virsh set-lifecycle-action full crash destroy --live >/dev/null || die "set-lifecycle-action"
lab_wait_up full 90 || exit 1
lab_ctl full lab-fault panic
lv_heard full SHUTDOWN crashed
lv_trouble full kernel-panic
again
lv_ended full replaced
kill -9 "$(lab_pid guest.full)"
lv_heard full SHUTDOWN failed
lv_trouble full vmm-dead
exact "io-error, panic, panic, death: incidents of it" "$(rows 'select(.row=="incident" and .guest=="full") | .id' | wc -l)" 4
lab_stop full

# ---- its own watchdog ----
lab_wait_up dog 90 || exit 1
bite() { # ACTION
    lab_qmp dog "{\"execute\":\"watchdog-set-action\",\"arguments\":{\"action\":\"$1\"}}" >/dev/null || die "watchdog-set-action $1"
    # One that says it feeds the watchdog and does not.
    lab_ctl dog 'killall watchdog 2>/dev/null && usleep 300000; watchdog -T 2 -t 60 /dev/watchdog' || die "the guest has no watchdog"
    lv_heard dog WATCHDOG "$1"
}
bite pause
lv_trouble dog userspace-stuck
exact "its watchdog paused it: it is called" "$(lv_row dog health)" hung
lab_virsh resume dog
lv_ended dog recovered
bite none
lv_trouble dog userspace-stuck
bite reset
lv_heard dog RESET
lv_ended dog rebooted
step "the hypervisor's word is enough"
