#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# zoo-long.sh - all of the zoo, on both kernels, and by every vantage. Part of make check-long. It prints the tables; it
# fails when a fault cannot be brought about, and when something does not hold that must (docs/zoo.md).
src=${HANGDOG_SRC:-$(cd "${srcdir:-.}" && pwd)}
export HANGDOG_SRC=$src HANGDOG_BUILD=${HANGDOG_BUILD:-$PWD}
out=$(mktemp -d /tmp/zoo.XXXXXX) || exit 1
trap 'rm -rf "$out"' EXIT
bash "$src/tests/zoo/matrix" --kernels 6.12 --vantages all --out "$out"
rc=$?
[ $rc != 77 ] || exit 77
bash "$src/tests/zoo/matrix" --kernels 6.1 --out "$out" || rc=$?
exit "$rc"
