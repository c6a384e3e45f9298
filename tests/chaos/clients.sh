#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Clients that ask for what is not there, all at once, or for more than there is room for, and do not wait for
# the answer, end no daemon and keep no guest from being asked. Best with a build of --enable-asan.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init clients jq

fake_guest alpha -r 2000
chaos_scenario up '*' 1s 800ms
chaos_config "$fake_source"
hd_start
until_ok 10 well_beyond alpha 1 || die "alpha is not well"
pid=$(hd_pid daemon)

# ---- a guest that is not there ----
for verb in 'console release' probe diagnose doctor status; do
    # shellcheck disable=SC2086
    hd $verb nobody >/dev/null 2>"$work/err" </dev/null && die "$verb of nobody went well"
    grep -q nobody "$work/err" || die "$verb of nobody: $(cat "$work/err")"
done
exact "nobody asked for: the daemon is the same" "$(hd_pid daemon)" "$pid"

# ---- all at once ----
asking=()
for _ in {1..50}; do
    hd status --json >/dev/null 2>&1 </dev/null &
    asking+=("$!")
done
wait "${asking[@]}"
exact "fifty at once: the daemon is the same" "$(hd_pid daemon)" "$pid"

# ---- more orders than there is room for at once, while the writer stands still ----
writer=$(hd_pid writer)
kill -STOP "$writer"
asking=()
for i in {1..40}; do
    hd diagnose alpha --playbook no-touch >/dev/null 2>"$work/order.$i" </dev/null &
    asking+=("$!")
done
until_ok 15 gone "$writer" || die "a writer that stands still is not killed"
for i in {1..39}; do kill "${asking[$i]}" 2>/dev/null; done # they do not wait for it
until_ok 60 gone "${asking[0]}" || die "who waited for an order has no answer"
exact "forty orders: the daemon is the same" "$(hd_pid daemon)" "$pid"
until_ok 10 well_beyond alpha "$(scenario_of alpha ok)" || die "no probe after that"
hd_stop
logged 'Sanitizer' && die "a sanitizer speaks in $work/hangdog.log"
step "nobody was in the way"
