#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest's memory that is damaged or lies: a real guest's, spoilt in ten thousand ways (SPOIL_COUNT). The
# look at it ends, within its limits, and says rows. Most worth in a build with --enable-asan --enable-ubsan.
# Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_lab
guest=spoil$$
lab_start_eve "$guest" kernel=6.1 mem=256 profile=shell || exit $?
lab_wait_up "$guest" 90 || exit 1
lab_ctl "$guest" lab-fault mutex
lab_qmp "$guest" "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$work/core\"}}" >/dev/null
lab_stop "$guest"
[ -s "$work/core" ] || { echo "FAIL: no core"; exit 1; }
count=${SPOIL_COUNT:-10000}
for ((first = 0; first < count; first += 500)); do
    SPOIL_LOUD=1 "$build/tests/fuzz/spoil-core" "$work/core" $first 500 >"$work/out" 2>"$work/err" ||
        { echo "FAIL: from number $first on, at the last of these:"; tail -n 40 "$work/err"; exit 1; }
    cat "$work/out"
done
