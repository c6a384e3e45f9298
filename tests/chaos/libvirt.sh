#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# libvirt: people and owners come first there, too; a libvirtd, virtlogd or QEMU that stands still holds up
# no other guest; a keeper that was killed leaves a terminal's lock that the next one takes over.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init libvirt jq socat script virsh
"$build/hangdog" version --json | grep -q '"libvirt":true' || { echo "libvirt: skipped: not in this build" >&2; exit 77; }
chaos_lab
lab_start_libvirt web serial=pty || exit $?
lab_start_libvirt db serial=unix log=no || exit $?
lab_wait_up web 90 || exit 1
lab_wait_up db 90 || exit 1
chaos_libvirt_source
# A guest that boots is given its time.
DELAY=12s chaos_scenario up '*' 2s 1900ms
chaos_config "$lv_source" "\"roots\": [\"$LAB_DIR/g/db\"]"
hd_start
# Of who was met in the middle a line of the kernel may be the first: it excuses him for half a minute.
until_ok 75 well_beyond web 1 || { hd status; die "web is not well"; }
until_ok 75 well_beyond db 1 || { hd status; die "db is not well"; }
step "two guests are well"
failed() { echo $(($(scenario_of web failed) + $(scenario_of db failed))); }
again() { # GUEST SECONDS: a probe of it goes well from now on
    local n
    n=$(scenario_of "$1" ok)
    until_ok "$2" well_beyond "$1" "${n:-0}" || { hd status; die "$1 is not well again"; }
}

# ---- people ----
virsh_console() { # SECONDS: types into virsh console of web; what came is in $work/virsh.out
    {
        sleep 0.7
        printf '\n'
        sleep 0.3
        printf 'echo per""son-here\n'
        sleep "$1"
        printf '\035'
        sleep 0.3
    } | timeout 20 script -qec "virsh -c '$LAB_URI' console web" /dev/null >"$work/virsh.out" 2>&1
}
virsh_console 0.5
grep -aq person-here "$work/virsh.out" && die "virsh got in while hangdog reads: two readers of one terminal"
step "virsh console while hangdog holds it: $(tr -d '\r' <"$work/virsh.out" | grep -a error | head -n 1)"
was=$(scenario_of web failed)
hd console release web --for 30s || die "the console is not let go"
virsh_console 6 &
person=$!
until_ok 10 grep -aq person-here "$work/virsh.out" || { cat "$work/virsh.out"; die "virsh does not get in after release"; }
sleep 4.5
exact "virsh console has it: the last probe says" "$(scenario_of web outcome)" no-verdict
step "it says: $(scenario_of web sentence)"
wait "$person"
hd console release web --for 0s || die "the console is not taken back"
again web 15
exact "virsh console had it: probes that failed" $(($(scenario_of web failed) - was)) 0

out=$work/socat.out
mkfifo "$work/socat.in"
socat "UNIX-CONNECT:$(lab_get db cons)" - <"$work/socat.in" >"$out" 2>/dev/null &
person=$!
exec 8>"$work/socat.in"
at=$(now_ms)
printf '\necho per""son-here\n' >&8
until_ok 10 grep -aq person-here "$out" || { hd status; die "socat does not get in"; }
figure "unix serial held: a person is served after" "$(since_ms "$at")" 1000
sleep 4
exec 8>&-
kill "$person" 2>/dev/null
wait "$person" 2>/dev/null
again db 20
exact "a person at the unix serial: probes that failed" "$(failed)" 0
exact "people at both: incidents" "$(incidents)" 0

# ---- owners ----
lab_virsh suspend web; sleep 6
exact "virsh suspend: incidents" "$(incidents)" 0
lab_virsh resume web
again web 15
lab_virsh managedsave db >/dev/null || die "managedsave"
sleep 3
exact "virsh managedsave: incidents" "$(incidents)" 0
lab_virsh start db >/dev/null || die "start"
lab_adopt guest.db "$(cat "$LAB_DIR/lv/run/qemu/db.pid")"
until_ok 75 well_beyond db 0 || { hd status; die "db is not well after managedsave"; }
lab_virsh reset db >/dev/null || die "reset"
sleep 1
lab_virsh destroy db >/dev/null || die "destroy"
sleep 4
exact "virsh destroy: incidents" "$(incidents)" 0
lab_virsh start db >/dev/null || die "start"
lab_adopt guest.db "$(cat "$LAB_DIR/lv/run/qemu/db.pid")"
lab_wait_up db 90 || exit 1
until_ok 75 well_beyond db 0 || { hd status; die "db is not well after destroy and start"; }
exact "suspend, resume, managedsave, reset, destroy, start: incidents" "$(incidents)" 0

# ---- what stands still ----
watch() { # WHAT GUEST PROBES-DUE
    local was late
    was=$(scenario_of "$2" ok)
    sleep $(($3 * 2))
    late=$(scenario_of "$2" worst_late_ms)
    figure "$1: $2's worst probe was late by" "$late" 1000
    figure "$1: $2's probes missed of $3" $(($3 - ($(scenario_of "$2" ok) - was))) 1 " probes"
}
hd_stop
hd_start
until_ok 75 well_beyond web 1 || { hd status; die "web is not well"; }
until_ok 75 well_beyond db 1 || { hd status; die "db is not well"; }
p=$(lab_pid libvirtd)
at=$(now_ms)
kill -STOP "$p"
watch "libvirtd stopped" web 6
told() { rows 'select((.row=="source" and .healthy==false) or .row=="stuck") | .row' | grep -q .; }
until_ok 20 told || { hd status; die "libvirtd stopped: status says nothing of it"; }
figure "libvirtd stopped: status says so after" "$(since_ms "$at")" 13000
hd status | sed -n '/^SOURCE/,/^$/p; /^STUCK/,/^$/p' | sed 's/^/            /'
watch "libvirtd stopped" db 4
exact "libvirtd stopped: incidents" "$(incidents)" 0
kill -CONT "$p"
until_ok 60 sh -c "'$build/hangdog' status --json | grep '\"row\":\"source\"' | grep -q '\"healthy\":true'" || { hd status; die "the source does not mend"; }

p=$(lab_pid virtlogd)
kill -STOP "$p"
watch "virtlogd stopped" db 4
kill -CONT "$p"
again web 15

p=$(lab_pid guest.db)
kill -STOP "$p"
watch "a QEMU stopped" web 6
kill -CONT "$p"
again db 40

# ---- the terminal's lock of a keeper that was killed ----
lock=/var/lock/LCK..$(lab_get web cons | sed 's|^/dev/||; s|/|_|g')
[ -e "$lock" ] || lock=$(ls /var/lock/LCK..*"$(basename "$(lab_get web cons)")" 2>/dev/null | head -n 1)
test -s "$lock" || { ls -l /var/lock; die "the terminal is held without a lock"; }
kill -9 "$keeper"
wait "$keeper" 2>/dev/null
test -s "$lock" && step "the lock is stale: pid $(cat "$lock")"
at=$(now_ms)
hd_start
connected() { console_of web state | grep -qE 'silent|talking'; }
until_ok 20 connected || { hd status; die "web's console is not read over a stale lock"; }
figure "keeper killed: the console is read again, over a stale lock, after" "$(since_ms "$at")" 5000
until_ok 75 well_beyond web 0 || { hd status; die "web is not asked over a stale lock"; }
hd_stop
[ ! -e "$lock" ] || die "the lock is left behind: $lock"
step "libvirt's guests, people and owners had their way"
