#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every kind of scenarios has a page that names all its keys, a manual page made of it, an example that is accepted,
# and its row in docs/scenarios.md; and there is no page of a kind that is none.
src=${srcdir:-.} build=$PWD
failed=0 n=0
bad() { echo "$*"; failed=1; }
kinds=$("$build/hangdog-check" --kinds | sed -n 's/^# //p')
for k in $kinds; do
    n=$((n + 1))
    page=$src/docs/kinds/$k.md
    if [ ! -e "$page" ]; then
        bad "docs/kinds/$k.md: there is no page of kind $k"
    else
        [ "$(grep -v '^<!--' "$page" | sed '/^$/d;q')" = "# $k" ] || bad "docs/kinds/$k.md: its title is not \"# $k\""
        # Those of its own; what stands inside an object may be told elsewhere.
        for key in $("$build/hangdog-check" --kinds "$k" | sed -n 's/^| `\([a-z-]*\)` .*/\1/p'); do
            grep -qE "[\`\"]$key[\`\"]" "$page" || bad "docs/kinds/$k.md: nothing about \"$key\""
        done
        man=$build/docs/man/hangdog-$k.7
        if [ ! -e "$man" ]; then
            bad "docs/man/hangdog-$k.7 was not made"
        else
            if "$build/hangdog-check" --kinds "$k" | grep -q '^|' && ! grep -q '^\.SH KEYS' "$man"; then
                bad "hangdog-$k.7: without the table of keys"
            fi
            if command -v man >/dev/null; then
                said=$(MANROFFSEQ='' LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$man" 2>&1 >/dev/null)
                [ -z "$said" ] || bad "hangdog-$k.7: $said"
            fi
        fi
    fi
    grep -lE "\"kind\": \"$k\"" "$src"/examples/scenarios/*.json >/dev/null || bad "examples/scenarios: none of kind $k"
    grep -qE "^\| \`$k\` \|" "$src/docs/scenarios.md" || bad "docs/scenarios.md: no row of kind $k"
done
[ "$n" -ge 5 ] || bad "only $n kinds were found"
for page in "$src"/docs/kinds/*.md; do
    k=$(basename "$page" .md)
    grep -qx "$k" <<<"$kinds" || bad "docs/kinds/$k.md: there is no kind $k"
done

# What they print of themselves is also data.
while read -r row; do
    case $row in '{"kind":"'*'","summary":"'*'"keys":['*) ;; *) bad "hangdog-check --kinds --json: $row" ;; esac
    n=$((n - 1))
done < <("$build/hangdog-check" --kinds --json)
[ "$n" = 0 ] || bad "hangdog-check --kinds --json: another count of rows"
exit $failed
