#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# zoo-ci.sh - a dozen of the zoo, those with "ci": each is brought about, noticed, and named by its class; nothing is
# said that must not be, and no control raises anything. Part of make check-lab.
#
# Eight guests at once on two processors, and what else the machine does: one that was not made or not judged right is
# made once more, alone, and that counts. It is printed, with what was said at first, and counted: when more than
# ZOO_RETRIES (4) of the dozen need it, the machine or hangdog is not well, and it fails.
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)}
export HANGDOG_SRC=$src HANGDOG_BUILD=${HANGDOG_BUILD:-$PWD}
out=$(mktemp -d /tmp/zoo.XXXXXX) || exit 1
trap 'rm -rf "$out"' EXIT
export ZOO_FAST=25
ZOO_JOBS=${ZOO_JOBS:-8} bash "$src/tests/zoo/run" --ci --out "$out"
[ $? != 77 ] || exit 77
amiss() { # RESULT: what is not right, nothing when it is
    [ -e "$1" ] || { echo "no result"; return; }
    jq -r 'if .lost or .invalid then .lost // .invalid
        elif .control then (if .incidents == 0 then empty else "raised \(.incident_list | join("; "))" end)
        elif .class == "nothing" then "not noticed"
        elif .class_ok | not then "said \(.class), wanted \(.want | join(" or "))"
        else .wrong[] | "says what must not be said: \(.)" end' "$1"
}
failed=0 retried=0 all=0
for f in "$out"/*.json; do
    all=$((all + 1))
    first=$(amiss "$f")
    [ -n "$first" ] || continue
    name=$(basename "$f" .json) retried=$((retried + 1))
    bash "$src/tests/zoo/run" --out "$out/again" "$name" >"$out/again.log" 2>&1
    second=$(amiss "$out/again/$name.json")
    echo "retried: $name: $first (host: $(sed -n 's/^some \(avg10=[0-9.]*\).*/cpu some \1/p' /proc/pressure/cpu 2>/dev/null)); alone: ${second:-well}"
    [ -z "$second" ] || { echo "FAIL: $name: $second"; failed=1; }
done
echo "$all documents, $retried retried"
[ $retried -le "${ZOO_RETRIES:-4}" ] || { echo "FAIL: $retried of $all had to be made twice"; failed=1; }
exit $failed
