#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Codes of outcomes: what is reported and what the page says is what scenarios/codes.def has, and
# nothing in there is reported by nobody.
src=${srcdir:-.} build=$PWD
failed=0
bad() { echo "$*"; failed=1; }
table=$("$build/hangdog-check" --codes)
has() { grep -qE "^\| \`$1\` \| ${2:-[a-z-]+} \|" <<<"$table"; }
# The row of a code whose way is that.
way() { grep -E "^\| \`$1\` \| [a-z-]+ \| $2 \|" <<<"$table"; }
tmp=$(mktemp) || exit 1
trap 'rm -f "$tmp"' EXIT
# One file on one line, so that what was broken into lines is found.
flat() { tr '\n' ' ' <"$1"; echo; }

# ---- what is reported: by its outcome, and without ----
said=
for f in "$src"/scenarios/*.c "$src"/scenarios/kinds/*.c "$src"/supervisor/watch/bindings*.c; do
    while read -r outcome codes; do
        o=$(tr 'A-Z_' 'a-z-' <<<"$outcome")
        for c in $codes; do
            said+=" $c"
            has "$c" "$o" || bad "${f#"$src"/}: \"$c\" ($o) is not so in scenarios/codes.def"
        done
    done < <(flat "$f" | grep -oE 'OUTCOME_(OK|FAILED|NO_VERDICT),[^"{};]*"[a-z-]+"( +: +"[a-z-]+")?' |
        sed -E 's/^OUTCOME_([A-Z_]+)[^"]*/\1 /; s/[":]/ /g')
    for c in $(flat "$f" | grep -oE '(no_verdict_? \(|snprintf \([^;"]*code)[^;"]*"[a-z-]+"' | sed -E 's/.*"([a-z-]+)"$/\1/'); do
        said+=" $c"
        has "$c" || bad "${f#"$src"/}: \"$c\" is not in scenarios/codes.def"
    done
done
[ "$(tr ' ' '\n' <<<"$said" | sort -u | wc -l)" -ge 40 ] || bad "hardly any codes were found in the sources"
for c in $(sed -nE 's/^\| `([a-z-]+)`.*/\1/p' <<<"$table"); do
    case " $said " in *" $c "*) ;; *) bad "scenarios/codes.def: nobody reports \"$c\"" ;; esac
done
twice=$(sed -nE 's/^\| `([a-z-]+)`.*/\1/p' <<<"$table" | sort | uniq -d)
[ -z "$twice" ] || bad "scenarios/codes.def has twice: $twice"

# Who can't be heard: nobody answers there, or not to the end.
for c in $(sed -nE 's/^ *"mute": "(.*)".*/\1/p' "$src/diag/rules/ladder.json" | tr '|' ' '); do
    [ -n "$(way "$c" dead)" ] || [ "$c" = endless ] || bad "diag/rules: \$mute: by \"$c\" its way is not dead"
done

# ---- what is said of the way ----
# An attempt that did not come to ask leaves the way unusable.
flat "$src/supervisor/watch/bindings_run.c" | grep -oE 'run_no_verdict_ \(&[a-z]+->report, "[a-z-]+"' |
    sed -E 's/.*"([a-z-]+)"$/\1/' >"$tmp"
[ "$(wc -l <"$tmp")" -ge 6 ] || bad "hardly any codes were found in supervisor/watch/bindings_run.c"
while read -r c; do
    way "$c" unusable >/dev/null || bad "bindings_run.c: by \"$c\" its way is not unusable"
done <"$tmp"
# The table says it, and no list beside it.
for f in watch/reach.c watch/bindings_host.c control/word.c; do
    flat "$src/supervisor/$f" | grep -oE '= *\{( *\{)? *"[a-z-]+", *"' && bad "supervisor/$f: a list of codes of its own?"
done
grep -nE '(->|\.)way = WAY_' "$src"/scenarios/*.c "$src"/scenarios/kinds/*.c |
    grep -vE 'kinds/(arp|dialogue)\.c:' && bad "a way that codes.def does not say"

# ---- the page ----
sed -n '/^| code | outcome | way | means |$/,/^$/p' "$src/docs/scenarios.md" | sed '1,2d; /^$/d' | diff -u - <(echo "$table") ||
    bad "docs/scenarios.md: its table is not what hangdog-check --codes prints"
exit $failed
