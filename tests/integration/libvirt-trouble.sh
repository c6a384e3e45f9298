#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What a hypervisor tells of a guest in trouble - storage that refuses, a watchdog that nobody fed, a panic -
# becomes an incident of the right class although no scenario is configured. Part of make check-lab.
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
lab_start_libvirt full serial=pty log=no net=no devices="$work/devices.xml" || exit $?
lab_start_libvirt dog kernel=6.12 serial=pty log=no net=no watchdog=none || exit $?
chaos_libvirt_source
chaos_config "$lv_source"
lab_wait_up full 90 || exit 1
hd_start
until_ok 10 lv_is_ full running run || die "full is not seen"

# ---- storage ----
lab_ctl full 'dd if=/dev/zero of=/dev/vda bs=1M count=40 oflag=direct >/dev/null 2>&1 &' || die "no order is taken"
lv_heard full IO_ERROR
lv_trouble full io-error
lv_is full crashed run
exact "io-error: it is called" "$(lv_row full health)" hung
mount -o remount,size=80m "$small"
# libvirtd's namespace has a mount of its own of the same tmpfs: one size for both.
lab_virsh resume full
lv_heard full RESUME
lv_ended full recovered
lab_ctl full true || die "full does not go on"

# ---- a panic ----
lab_stop full
lab_start_libvirt doom serial=pty log=no net=no pvpanic=yes || exit $?
lab_wait_up doom 90 || exit 1
lab_ctl doom lab-fault panic
lv_heard doom PANIC
lv_trouble doom kernel-panic
lv_is doom crashed run
exact "panicked: it is called" "$(lv_row doom health)" hung
lab_virsh destroy doom
lv_ended doom replaced
