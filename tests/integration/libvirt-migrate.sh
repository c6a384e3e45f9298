#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest that is migrated from one libvirtd to another, both watched: it is seen on its way, is asked again
# where it arrives, and is no incident. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init libvirt-migrate jq virsh
. "$src/tests/integration/libvirt.sh"
chaos_lab
lab_start_libvirt web serial=pty log=no net=no || exit $?
lab_libvirt_second || exit $?
chaos_libvirt_source
chmod 711 "$LAB_DIR/lv2" "$LAB_DIR/lv2/sock"
chmod 777 "$LAB_DIR/lv2/sock/libvirt-sock"
DELAY=0s chaos_scenario up '*' 1s 900ms
chaos_config "$lv_source, {\"kind\": \"libvirt\", \"uri\": \"$LAB_URI2\"}"
lab_wait_up web 90 || exit 1
hd_start
until_ok 30 well_beyond web 0 || { hd status; die "web is not well"; }
was=$(lv_row web pid)
exact "web is well; its process" "$was" "$(lab_pid guest.web)"

# migrate FROM TO - live, over a socket, while a probe asks every second; ends when hangdog has followed.
migrate() {
    local from=$1 to=$2
    lv_line=$(wc -l <"$work/hangdog.log")
    # Slow enough to be seen on its way: the guest's memory is some 100 MB.
    virsh -q -c "$from" migrate-setspeed web 60 </dev/null
    virsh -q -c "$from" migrate --live web "$to" --migrateuri "unix://$LAB_DIR/mig.sock" $3 </dev/null &
    on_its_way() { [ "$(lv_row web intent)" = migrate ]; }
    until_ok 20 on_its_way || { hd list --json; die "it is not seen on its way"; }
    exact "on its way: it is called" "$(lv_row web health), $(lv_row web intent_from)" "held-off, libvirt: migration"
    wait $! || die "virsh migrate"
    arrived() { [ "$(lv_row web host)" = "$to" ] && lv_is_ web running run; }
    until_ok 5 arrived || { hd list --json; die "it is not seen where it has arrived"; }
    step "web has arrived, pid $(lv_row web pid)"
    lv_again web
}
migrate "$LAB_URI" "$LAB_URI2" ''
lab_adopt guest.web "$(cat "$LAB_DIR/lv2/run/qemu/web.pid")"
exact "its process is the other one's" "$(lv_row web pid)" "$(lab_pid guest.web)"
# And back, leaving no definition there.
migrate "$LAB_URI2" "$LAB_URI" --persistent\ --undefinesource
lab_adopt guest.web "$(cat "$LAB_DIR/lv/run/qemu/web.pid")"
exact "its process is the first one's" "$(lv_row web pid)" "$(lab_pid guest.web)"

# One that is given up: it goes on where it was.
virsh -q -c "$LAB_URI" migrate-setspeed web 1 </dev/null
virsh -q -c "$LAB_URI" migrate --live web "$LAB_URI2" --migrateuri "unix://$LAB_DIR/mig.sock" </dev/null 2>/dev/null &
on_its_way() { [ "$(lv_row web intent)" = migrate ]; }
until_ok 20 on_its_way || { hd list --json; die "it is not seen on its way"; }
lab_virsh domjobabort web
wait $!
lv_is web running run
lv_again web
exact "migrated there, back and given up: incidents" "$(incidents)" 0
step "a guest on its way is no incident"
