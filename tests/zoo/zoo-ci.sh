#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# zoo-ci.sh - a dozen of the zoo, those with "ci": each is brought about, noticed and judged. What is said of a fault
# is measured by make zoo and not held here, but for this: no control raises anything. Part of make check-lab.
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)}
export HANGDOG_SRC=$src HANGDOG_BUILD=${HANGDOG_BUILD:-$PWD}
out=$(mktemp -d /tmp/zoo.XXXXXX) || exit 1
trap 'rm -rf "$out"' EXIT
ZOO_FAST=25 ZOO_JOBS=${ZOO_JOBS:-6} bash "$src/tests/zoo/run" --ci --out "$out"
rc=$?
[ $rc != 77 ] || exit 77
failed=$rc
for f in "$out"/*.json; do
    jq -e 'if .lost or .invalid then true elif .control then .incidents == 0 else .class != "nothing" end' "$f" >/dev/null && continue
    jq -r '"FAIL: \(.name): " + if .control then "raised \(.incident_list | join("; "))" else "not noticed" end' "$f"
    failed=1
done
exit $failed
