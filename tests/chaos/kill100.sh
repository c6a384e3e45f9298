#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# kill -9 of one of hangdog's processes at random points of an incident's life, POINTS times (20): between its first suspicion
# and some time after its bundle.  No hang is lost, none is told twice, no bundle is torn, nothing stays half done to the guest.
# The seed is printed; SEED=N plays the same points again. 
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init kill100 jq curl zstd
points=${POINTS:-20}
RANDOM=${SEED:=$$}
step "SEED=$SEED POINTS=$points"

fake_guest alpha -r 200
chaos_controller
chaos_scenario up '*' 1s 800ms
chaos_config "$fake_source"
hd_start

well() {
    fake_tell alpha "play 0 shell"
    hd wait alpha --for well --timeout 60s >/dev/null || { hd status; die "point $n: alpha does not get well"; }
}
victim() { # one of the processes that run now, by name and pid
    local all
    mapfile -t all < <(
        echo "keeper $keeper"
        for p in $(hd_children); do echo "$(cat "/proc/$p/comm" 2>/dev/null) $p"; done
        # Those that a child of the keeper's runs meanwhile: the parser.
        for p in $(hd_children); do for c in $(cat "/proc/$p/task/"*/children 2>/dev/null); do echo "$(cat "/proc/$c/comm" 2>/dev/null) $c"; done; done
    )
    echo "${all[RANDOM % ${#all[@]}]}"
}
settled() { hd status --json 2>/dev/null | jq -se 'all(.[]; .row!="incident" or (.collecting or .waiting | not))' >/dev/null; }
standing() { rows 'select(.row=="incident" and .end=="not-ended") | .id' | wc -l; }

declare -A killed
told=$(received)
for ((n = 1; n <= points; n++)); do
    well
    fake_tell alpha "play 0 dead"
    # From before the failure counts (2 probes) to after its bundle.
    sleep "$((RANDOM % 5)).$((RANDOM % 10))"
    read -r name pid < <(victim)
    kill -9 "$pid" 2>/dev/null
    killed[$name]=$((${killed[$name]:-0} + 1))
    if [ "$pid" = "$keeper" ]; then
        wait "$keeper" 2>/dev/null
        hd_start
    fi
    hd wait alpha --for hung --timeout 60s >/dev/null || { hd status; die "point $n ($name): the hang is lost"; }
    told=$((told + 1))
    until_ok 90 received_at_least "$told" || { hd status; hd spool; die "point $n ($name): no bundle arrived"; }
    until_ok 30 settled || die "point $n ($name): a diagnosis does not end"
    exact "point $n ($name): bundles of one hang" "$(($(received) - told + 1))" 1
    exact "point $n ($name): incidents that stand" "$(standing)" 1
    got_bundle "$work/got.tar.zst" || die "point $n ($name): the receiver does not give it back"
    zstd -qt "$work/got.tar.zst" || die "point $n ($name): the bundle is torn"
    hd bundle verify "$work/got.tar.zst" >/dev/null || die "point $n ($name): the bundle does not agree with its manifest"
    hd dump | grep -q '^to be undone:' && die "point $n ($name): something is not undone"
done
for name in "${!killed[@]}"; do step "killed $name: ${killed[$name]} times"; done
