# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What the tests of libvirt's events share; sourced after chaos_init.

# lv_disk TARGET FORMAT FILE [MORE ATTRIBUTES OF ITS DRIVER]: XML of a disk
lv_disk() {
    echo "<disk type='file' device='disk'><driver name='qemu' type='$2' ${4:-}/><source file='$3'/><target dev='$1' bus='virtio'/></disk>"
}

# What is heard is in the log, in order: each lv_heard looks behind the line that the one before found.
lv_line=0
lv_find_() {
    local n
    n=$(tail -n "+$((lv_line + 1))" "$work/hangdog.log" | grep -nE -m 1 -- "$1" | cut -d: -f1)
    [ -n "$n" ] && lv_line=$((lv_line + n))
}
# lv_heard GUEST EVENT [DETAIL] - hangdog tells of that event within ten seconds.
lv_heard() {
    until_ok 10 lv_find_ "guest=.{0,2}$1.{0,2} event $2 ?${3:-}" || die "not heard of $1: $2 ${3:-}"
    step "$1: $2 ${3:-}"
}

lv_row() { hd list --json 2>/dev/null | jq -r "select(.display==\"$1\") | .$2"; } # GUEST MEMBER
lv_is_() { [ "$(lv_row "$1" run)" = "$2" ] && [ "$(lv_row "$1" intent)" = "$3" ]; }
# lv_is GUEST RUN INTENT - so it is called within five seconds.
lv_is() {
    until_ok 5 lv_is_ "$@" || { hd list --json; die "$1 is not called $2, and meant to $3"; }
    step "$1: $2, $(lv_row "$1" reason); meant: $3, says $(lv_row "$1" intent_from)"
}

# lv_again GUEST - a probe of it that begins now goes well.
lv_again() {
    local n
    n=$(scenario_of "$1" ok)
    until_ok 20 well_beyond "$1" "${n:-0}" || { hd status; die "$1 is not well again"; }
}

# lv_trouble GUEST CLASS - it has an incident, diagnosed as that. lv_ended GUEST END - and how that ended.
lv_incident() { rows "select(.row==\"incident\" and .guest==\"$1\") | .$2" | head -n 1; }
lv_incident_is_() { [ "$(lv_incident "$1" "$2")" = "$3" ]; }
lv_trouble() {
    until_ok 20 lv_incident_is_ "$1" verdict.class "$2" || { hd status --json | grep incident; die "$1: no incident of class $2"; }
    step "$1: $2: $(lv_incident "$1" verdict.sentence)"
}
lv_ended() {
    until_ok 10 lv_incident_is_ "$1" end "$2" || { hd status --json | grep incident; die "$1: the incident did not end as $2"; }
    step "$1: its incident ended: $2"
}
