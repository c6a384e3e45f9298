#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A libvirt host over TCP, and one that may only be looked at; a libvirtd that stands still, and one that is
# started again while consoles are held. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init libvirt-remote jq virsh
. "$src/tests/integration/libvirt.sh"
chaos_lab
LAB_LIBVIRT_TCP=$("$LAB_TOOL" freeport)
lab_start_libvirt web serial=pty log=no net=no || exit $?
lab_start_libvirt db serial=unix log=no net=no smp=1 || exit $?
lab_wait_up web 90 || exit 1
lab_wait_up db 90 || exit 1
chaos_libvirt_source
tcp=qemu+tcp://127.0.0.1:$LAB_LIBVIRT_TCP/system
DELAY=0s chaos_scenario up '*' 2s 1900ms

# ---- over the network ----
chaos_config "{\"kind\": \"libvirt\", \"uri\": \"$tcp\"}"
hd_start
until_ok 30 well_beyond web 1 || { hd status; hd list --json; die "web is not well over $tcp"; }
exact "over TCP: web's console is a" "$(lv_row web 'consoles[0].kind'), $(console_of web state | sed 's/silent/talking/')" "stream, talking"
exact "over TCP: its process is" "$(lv_row web pid)" 0
says() { # TEXT PATTERN
    grep -qE -- "$2" <<<"$1" || { echo "$1"; die "it is not said: $2"; }
    step "said: $(grep -m 1 -E -- "$2" <<<"$1" | cut -c1-140)"
}
says "$(hd doctor web)" 'QEMU process: it is not on this host'
says "$(hd doctor web)" '^ok +monitor +answers: the guest is running'
# libvirt streams no console that is a socket there.
says "$(hd doctor db)" "attach-device .* --config /dev/stdin <<<\"<serial type='pty'/>\""
out=$(hd diagnose web --playbook standard 2>&1)
says "$out" 'verdict=none'
# Started again: libvirt's own number of the start tells that it is another life.
was=$(lv_row web start_time)
lab_virsh destroy web && lab_virsh start web || die "destroy and start"
lab_adopt guest.web "$(cat "$LAB_DIR/lv/run/qemu/web.pid")"
anew() { [ "$(lv_row web start_time)" -gt "$was" ]; }
until_ok 5 anew || { hd list --json; die "another life is not told from the first"; }
lab_wait_up web 60 || exit 1
lv_again web
hd_stop

# ---- with the right to look only ----
chmod 777 "$LAB_DIR/lv/sock/libvirt-sock-ro"
chaos_config "{\"kind\": \"libvirt\", \"uri\": \"$LAB_URI-ro\"}"
hd_start
until_ok 30 well_beyond web 1 || { hd status; hd list --json; die "web is not well when only looked at"; }
says "$(hd status)" 'read-only: guests are seen, but no SysRq key'
out=$(hd diagnose web --playbook standard 2>&1)
says "$out" 'verdict=none'
hd_stop

# ---- a libvirtd that stands still, one that is started again ----
# Lines with numbers: what is missing is seen.
lab_ctl web '(i=0; while :; do echo "seq $i end"; i=$((i + 1)); usleep 20000; done) >/dev/ttyS0 2>&1 &'
numbers() { find "$HANGDOG_STATE" -name '*.raw*' -type f -print0 | sort -z | xargs -0 cat | grep -aoE 'seq [0-9]+ end' | awk '{ print $2 }'; }
last_number() { numbers | tail -n 1; }
beyond() { [ "$(last_number)" -gt "$1" ] 2>/dev/null; }
stands_still() { # WHAT
    local at failed p
    p=$(lab_pid libvirtd)
    failed=$(scenario_of web failed)
    at=$(now_ms)
    kill -STOP "$p"
    unwell() { rows 'select(.row=="source") | .healthy' | grep -q false; }
    until_ok 20 unwell || { hd status; die "$1, libvirtd stopped: status says nothing of it"; }
    figure "$1, libvirtd stopped: status says so after" "$(since_ms "$at")" 10500
    says "$(hd status)" 'the connection was lost'
    if [ "$1" = pty ]; then
        lv_again web
        exact "$1, libvirtd stopped: probes that failed" $(($(scenario_of web failed) - failed)) 0
    fi
    kill -CONT "$p"
    well_again "$1, libvirtd goes on"
}
well() { rows 'select(.row=="source") | .healthy' | grep -q true; }
well_again() { # WHAT
    local at
    at=$(now_ms)
    until_ok 70 well || { hd status; die "$1: the source does not mend"; }
    step "$1: the source is well after $(since_ms "$at") ms"
    lv_again web
    at=$(last_number)
    until_ok 20 beyond "$at" || { hd status; die "$1: the console is not read"; }
}
starts_again() { # WHAT
    local failed
    failed=$(scenario_of web failed)
    lab_kill libvirtd 10
    until_ok 10 unwell || { hd status; die "$1: libvirtd has ended and status does not say so"; }
    sleep 3
    [ "$1" = pty ] && lv_again web
    lab_libvirtd_again || die "libvirtd does not start again"
    lab_libvirtd_up_ "$LAB_DIR/lv" '' "$LAB_URI" || exit 1
    chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
    well_again "$1, libvirtd was started again"
    [ "$1" = stream ] || exact "$1, libvirtd was started again: probes that failed" $(($(scenario_of web failed) - failed)) 0
}
chaos_config "$lv_source"
hd_start
until_ok 30 well_beyond web 1 || { hd status; die "web is not well"; }
exact "web's console is a" "$(lv_row web 'consoles[0].kind')" pty
first=$(last_number)
stands_still pty
starts_again pty
numbers | awk -v first="$first" '$1 > first && seen && $1 != last + 1 { print "from " last " to " $1 } $1 > first { seen = 1; last = $1 }' >"$work/holes"
exact "pty, a libvirtd that stood still and one started again: lines of the console lost of $(($(last_number) - first))" "$(cat "$work/holes")" ''
hd_stop

chaos_config "{\"kind\": \"libvirt\", \"uri\": \"$tcp\"}"
hd_start
until_ok 30 well_beyond web 1 || { hd status; die "web is not well"; }
exact "web's console is a" "$(lv_row web 'consoles[0].kind')" stream
stands_still stream
starts_again stream
exact "pty, stream: incidents of web beside the ordered ones" "$(rows 'select(.row=="incident" and .guest=="web" and .scenario!="order") | .id' | wc -l)" 0
step "libvirt from afar, and from beside, is what it is said to be"
