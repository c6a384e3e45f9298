#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What a guest's text says is a suspicion: on disk within 100 ms, judged within 3 s, of low confidence while nobody else
# says so, and a near miss when the guest is found well before anybody did.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init suspected jq
guests='a b c d e'
for g in $guests; do fake_guest "$g"; done
DELAY=0s chaos_scenario up '*' 2s 1900ms
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}"
hd_start
for g in $guests; do until_ok 20 well_beyond "$g" 0 || die "$g is not well: $(hd status)"; done

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
on_disk() { grep -qs "\"guest\": *\"$1\"" "$work"/state/spool/incidents/*; } # GUEST
# A machine that has more to do than it has processors keeps no times: a process that only writes a file and syncs it
# needs some ms, and for each ten of them beyond that all of hangdog's may be once more as long.
peer() { dd if=/dev/zero of="$work/peer" bs=4096 count=1 conv=fsync 2>/dev/null; }
times='' peers=''
for g in $guests; do
    began=$(now_us)
    peer
    peers="$peers $((($(now_us) - began) / 1000))"
    began=$(now_us)
    printf 'say 0 [   99.000000] Kernel panic - not syncing: Fatal exception\\n\n' >"$work/$g.orders"
    until on_disk "$g"; do
        [ $(($(now_us) - began)) -lt 10000000 ] || die "$g: no incident: $(ls -R "$work/state/spool")"
    done
    times="$times $((($(now_us) - began) / 1000))"
done
# shellcheck disable=SC2086 # a list of numbers
slack=$((1 + $(printf '%s\n' $peers | sort -n | tail -n 1) / 10))
step "suspected on disk after$times ms; a file synced after$peers ms"
figure "median from a guest's word to its incident on disk" "$(printf '%s\n' $times | sort -n | sed -n 3p)" $((100 * slack))

all() { hd incidents --json | jq -rs "$1"; }
judged() { [ "$(all 'map(select(.phase == "packed")) | length')" = 5 ]; }
until_ok 20 judged || die "not judged: $(hd incidents)"
took='map((.timeline | map(select(.step == "judged"))[0].time_ms) - (.timeline | map(select(.step == "suspected"))[0].time_ms)) | sort'
step "suspected to judged: $(all "$took" | tr -d '\n ') ms"
figure "median from suspected to a verdict" "$(all "$took[2]")" $((3000 * slack))
exact "panics that are believed by text alone" "$(all 'map(select(.verdict.class == "kernel-panic" and .verdict.confidence != "low")) | length')" 0
# A host that is short of processors is another vantage point, and blamed; and what seems to have booted stands until
# somebody confirms it: those do not count.
own='map(select(.verdict.class != "host-starved" and (.perhaps_rebooted | not)))'
over() { [ "$(all "$own"' | map(select(.end == "not-ended")) | length')" = 0 ]; }
until_ok 20 over || die "not over: $(hd incidents; all .)"
exact "found well, and no near miss" "$(all "$own"' | map(select(.timeline | any(.step == "near-miss") | not)) | length')" 0
step "$(all "$own | length") near misses of 5"
hd_stop
