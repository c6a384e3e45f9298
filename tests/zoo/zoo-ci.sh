#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# zoo-ci.sh - a dozen of the zoo, those with "ci": each is brought about, noticed and judged. What is said of a fault
# is measured by make zoo and not held here, but for this: no control raises anything. Part of make check-lab.
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)}
export HANGDOG_SRC=$src HANGDOG_BUILD=${HANGDOG_BUILD:-$PWD}
out=$(mktemp -d /tmp/zoo.XXXXXX) || exit 1
trap 'rm -rf "$out"' EXIT
export ZOO_FAST=25
well() { jq -e '.lost == null and .invalid == null and if .control then .incidents == 0 else .class != "nothing" end' "$1" >/dev/null; }
ZOO_JOBS=${ZOO_JOBS:-8} bash "$src/tests/zoo/run" --ci --out "$out"
[ $? != 77 ] || exit 77
failed=0
for f in "$out"/*.json; do
    well "$f" && continue
    # Eight guests at once on two processors: what went wrong is looked at once more, alone.
    name=$(basename "$f" .json)
    bash "$src/tests/zoo/run" --out "$out/again" "$name" >"$out/again.log" 2>&1
    well "$out/again/$name.json" && { echo "$name: well when it is alone"; continue; }
    jq -r '"FAIL: \(.name): " + if .lost or .invalid then .lost // .invalid elif .control then "raised \(.incident_list | join("; "))" else "not noticed" end' "$f"
    failed=1
done
exit $failed
