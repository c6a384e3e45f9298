#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest's memory that is damaged or lies: cores of two real guests, spoilt in ten thousand ways (SPOIL_COUNT,
# from number SPOIL_FIRST on), bits, words, pointers and pages, before the kernel was found and after. The look at
# each ends, within its limits, and says rows; under gcc's address and undefined behaviour sanitizers, whatever
# the rest of the build has. One line of figures; it fails with one crash or one that hung. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_lab
spoil=$build/tests/fuzz/spoil-core-san
[ -x "$spoil" ] || spoil=$build/tests/fuzz/spoil-core
cores=()
for kernel in 6.1 6.12; do
    guest=spoil${kernel#*.}-$$
    lab_start_eve "$guest" kernel=$kernel mem=256 profile=shell || exit $?
    lab_wait_up "$guest" 120 || exit 1
    lab_ctl "$guest" 'labd truth crowd; lab-fault mutex; lab-fault abba' >/dev/null
    lab_qmp "$guest" "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$work/core$kernel\"}}" >/dev/null
    lab_stop "$guest"
    [ -s "$work/core$kernel" ] || { echo "FAIL: no core"; exit 1; }
    cores+=("$work/core$kernel")
done
SECONDS=0
"$spoil" -j "$(nproc)" "${SPOIL_FIRST:-0}" "${SPOIL_COUNT:-10000}" "${cores[@]}" >"$work/out" 2>"$work/err"
rc=$?
cat "$work/out"
echo "$(basename "$spoil"): $SECONDS s"
[ $rc = 0 ] || { echo "FAIL: of these:"; tail -n 60 "$work/err"; exit 1; }
