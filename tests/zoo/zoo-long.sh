#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# zoo-long.sh - all of the zoo, on both kernels, and by every vantage. Part of make check-long. It prints the tables;
# it fails when a fault cannot be brought about, and when a control raises something.
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)}
export HANGDOG_SRC=$src HANGDOG_BUILD=${HANGDOG_BUILD:-$PWD}
out=$(mktemp -d /tmp/zoo.XXXXXX) || exit 1
trap 'rm -rf "$out"' EXIT
failed=0
go() { # KERNEL VANTAGE
    echo "== kernel $1, vantage $2"
    bash "$src/tests/zoo/run" --kernel "$1" --vantage "$2" --out "$out/$1-$2" || failed=$?
    [ "$failed" != 77 ] || exit 77
    cat "$out/$1-$2"/*.json | jq -se 'all(if .control and (.lost or .invalid | not) then .incidents == 0 else true end)' >/dev/null || failed=1
}
go 6.1 all
go 6.12 all
for v in console monitor memory eve; do go 6.1 $v; done
bash "$src/tests/zoo/table" "$out"/6.*
exit "$failed"
