#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The ACPI table that is shipped is whole, and is what iasl makes of its source.
src=${srcdir:-.} build=$PWD
table=$build/share/acpi/hangdog-beat.aml
mapfile -t bytes < <(od -An -v -tu1 -w1 "$table" | tr -d ' ')
sum=0
for b in "${bytes[@]}"; do sum=$(((sum + b) % 256)); done
[ "$(head -c 4 "$table")" = SSDT ] || { echo "$table is no SSDT"; exit 1; }
[ "$sum" = 0 ] || { echo "$table: its checksum is wrong"; exit 1; }
[ ${#bytes[@]} = $((bytes[4] + 256 * bytes[5])) ] || { echo "$table: ${#bytes[@]} bytes"; exit 1; }
command -v iasl >/dev/null || { echo "no iasl: it was not compiled again"; exit 0; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
iasl -p "$tmp/new" "$src/share/acpi/hangdog-beat.asl" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
grep -q ' 0 Warnings, 0 Remarks' "$tmp/log" || { cat "$tmp/log"; exit 1; }
# Who compiled it, and the sum with that in it, are not of the source.
plain() { od -An -v -tx1 -w1 "$1" | sed -e 10d -e 29,36d; }
if [ "$(plain "$table")" != "$(plain "$tmp/new.aml")" ]; then
    if cmp -s <(od -j 32 -N 4 "$table") <(od -j 32 -N 4 "$tmp/new.aml"); then
        echo "share/acpi/hangdog-beat.hex is not what iasl makes of hangdog-beat.asl: od -An -v -tx1 of it goes there"
        exit 1
    fi
    echo "another iasl makes another table: not compared"
fi
