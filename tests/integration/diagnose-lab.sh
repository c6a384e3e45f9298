#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# How long a diagnosis of a real guest takes, from the order to the verdict, and which of its steps ran beside each
# other. Prints the figures of three runs each; a quick one is to take less than 3 s and a standard one less than
# 15 s, of a guest that is well and of one whose kernel is dead. On a machine that has other things to do four times
# as much is allowed.
# Part of make check-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_lab
bed_needs jq

one=dgn$$
lab_start_eve "$one" profile=shell pvpanic=yes || exit $?
lab_wait_up "$one" 60 || exit 1
bed_config
bed_daemon
bed_seen "$one"

# timed PLAYBOOK MOST_MS - three diagnoses; $took: the slowest.
timed() {
    local i t0 out slack=1
    awk -v n="$(nproc)" '{exit $1 <= n}' /proc/loadavg && slack=4
    took=0
    for i in 1 2 3; do
        t0=$(date +%s%N)
        hd diagnose "$one" --playbook "$1" >"$work/out" 2>"$work/steps"
        t0=$((($(date +%s%N) - t0) / 1000000))
        says "$work/out" '^verdict='
        out=$(grep -Eo 'bundle=[^ ]*' "$work/out")
        [ -s "${out#bundle=}" ] || fail "no bundle: $(head -n 1 "$work/out")"
        echo "$1 $i: bundle after $t0 ms; $(tr '\n' ';' <"$work/steps")"
        [ $t0 -gt $took ] && took=$t0
    done
    [ $took -lt $(($2 * slack)) ] || fail "$1: $took ms, and $slack times $2 ms are allowed"
    echo "$1: at most $took ms (to be under $2 ms)"
}
timed quick 3000
timed standard 15000
at=panicked
lab_ctl "$one" lab-fault panic >/dev/null || fail "the fault was not made"
lab_until 30 "hd diagnose '$one' --playbook quick | grep -q verdict=kernel-panic" || fail "no panic was seen"
timed quick 3000
timed standard 15000

[ $failed = 0 ] || tail -n 5 "$work/log"
[ $failed = 0 ] && echo "PASS"
exit $failed
