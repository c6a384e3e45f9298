#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The documents keep up with the tree: every verb and every key of the configuration has its place, files and
# tests that a page names are there, and the manual pages are well-formed.
src=${srcdir:-.} build=$PWD
failed=0
bad() { echo "$*"; failed=1; }
page() { # NAME: where it is, in the build tree or shipped
    if [ -e "$build/docs/man/$1" ]; then echo "$build/docs/man/$1"; else echo "$src/docs/man/$1"; fi
}

# ---- verbs ----
verbs=$("$build/hangdog" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p')
[ "$(echo "$verbs" | wc -l)" -ge 15 ] || bad "hangdog --help lists hardly any verbs"
version=$("$build/hangdog" version | sed 's/.* //;q')
sh "$src/docs/man/verbs2man" "$build/hangdog" "$version" >"page.$$"
cmp -s "page.$$" "$(page hangdog.1)" || bad "hangdog.1 is not what the verbs say: make -B docs/man/hangdog.1"
rm -f "page.$$"
for v in $verbs; do
    said=$("$build/hangdog" "$v" --help)
    grep -qE '^Examples?:$' <<<"$said" || bad "hangdog $v --help: no example"
    grep -qE '^Exit codes?: 0' <<<"$said" || bad "hangdog $v --help: no exit codes"
    if [ -e "$src/docs/man/hangdog-$v.8" ]; then
        for o in $(grep -oE -- '--[a-z-]+' <<<"$said" | sort -u); do
            case $o in --config|--run|--state) continue ;; esac
            sed 's/\\-/-/g' "$src/docs/man/hangdog-$v.8" | grep -q -- "$o" || bad "hangdog-$v.8: nothing about $o"
        done
    fi
    grep -q "^\.SS $v\$" "$(page hangdog.1)" || bad "hangdog.1: no verb $v: make -B docs/man/hangdog.1"
    for shell in bash zsh fish; do
        "$build/hangdog" completion $shell | grep -q "$v" || bad "completion for $shell: no verb $v"
    done
done
for shell in bash zsh fish; do
    "$build/hangdog" completion $shell >"completion.$$"
    case $shell in zsh) f=zsh/_hangdog ;; fish) f=fish/hangdog.fish ;; *) f=bash/hangdog ;; esac
    p=$build/packaging/completions/$f
    [ -e "$p" ] || p=$src/packaging/completions/$f
    cmp -s "completion.$$" "$p" || bad "$p is not what hangdog completion $shell says"
    ! command -v $shell >/dev/null || $shell -n "completion.$$" || bad "completion for $shell does not parse"
done
rm -f "completion.$$"

# ---- keys of the configuration ----
keys=$("$build/hangdog" config schema | sed -n 's/^ *"\([a-z-]*\)": {$/\1/p' | grep -vE '^(properties|items|definitions)$' | sort -u)
[ "$(echo "$keys" | wc -l)" -ge 25 ] || bad "hangdog config schema has hardly any keys"
for k in $keys; do
    grep -q "^| \`$k\`" "$src/docs/configuration.md" || bad "docs/configuration.md: nothing about \"$k\""
    grep -qE "^ *(// *)?(.*[{,] )?\"$k\":" "$src/examples/config.json" || bad "examples/config.json: nothing about \"$k\""
done

# ---- published schemas ----
"$build/hangdog" config schema | diff -u "$src/docs/schema/config-1.json" - ||
    bad "docs/schema/config-1.json: print it again: ./run hangdog config schema >docs/schema/config-1.json"
"$build/hangdog" rules schema --verdict | diff -u "$src/docs/schema/verdict-rules-1.json" - ||
    bad "docs/schema/verdict-rules-1.json: print it again: ./run hangdog rules schema --verdict"
"$build/hangdog" rules schema --redact | diff -u "$src/docs/schema/redact-1.json" - ||
    bad "docs/schema/redact-1.json: print it again: ./run hangdog rules schema --redact >docs/schema/redact-1.json"
HANGDOG_LIBEXEC=$build "$build/hangdog" playbook schema | diff -u "$src/docs/schema/playbook-1.json" - ||
    bad "docs/schema/playbook-1.json: print it again: ./run hangdog playbook schema >docs/schema/playbook-1.json"
HANGDOG_LIBEXEC=$build "$build/hangdog" scenario schema | diff -u "$src/scenarios/schema/scenario-1.json" - ||
    bad "scenarios/schema/scenario-1.json: print it again: ./run hangdog scenario schema"

# ---- files that a page names in code marks ----
for doc in "$src"/README.md "$src"/CONTRIBUTING.md "$src"/docs/*.md; do
    n=0
    while read -r f; do
        case $f in *'*'*|*NAME*|*ID*|*...*|*…*|*.log) continue ;; esac
        n=$((n + 1))
        [ -e "$src/$f" ] || [ -e "$src/${f%/}.c" ] || [ -e "$build/$f" ] || ls "$src/$f".[ch] >/dev/null 2>&1 ||
            bad "${doc#"$src"/}: there is no $f"
    done < <(grep -oE '`(\./)?(base|guests|transports|kernel|scenarios|diag|controller-proto|supervisor|tests|docs|examples|packaging|\.ci)/[A-Za-z0-9_./*-]+`' "$doc" | tr -d '`' | sort -u)
done

# ---- functions that a page names, `like_this()` ----
sources() { find "$src"/base "$src"/guests "$src"/transports "$src"/kernel "$src"/scenarios "$src"/diag "$src"/controller-proto "$src"/supervisor -name '*.[ch]'; }
grep -ohE '`[a-z][a-z0-9]*(_[a-z0-9]+)+\(\)`' "$src"/CONTRIBUTING.md "$src"/docs/*.md | tr -d '`()' | sort -u >"named.$$"
sources | xargs grep -ohE '\b[a-z][a-z0-9]*(_[a-z0-9]+)+_? \(' | sed 's/ ($//' | sort -u >"defined.$$"
[ "$(wc -l <"named.$$")" -ge 10 ] || bad "hardly any function is named in docs/: the test looks at the wrong place"
while read -r f; do bad "docs: there is no function $f()"; done < <(comm -23 "named.$$" "defined.$$")
rm -f "named.$$" "defined.$$"

# ---- every folder that something is installed into is one ----
for d in $(sed -n 's/.*"$(DESTDIR)$(\([a-z0-9]*dir\))".*/\1/p' "$src/Makefile.am" | sort -u); do
    grep -q "^$d = ." "$build/Makefile" || bad "Makefile.am: $d is used and not said: things would be installed into /"
done

# ---- manual pages ----
if command -v man >/dev/null && command -v groff >/dev/null; then
    for f in hangdog.1 hangdog.json.5 hangdog-scenario.5 hangdog-daemon.8 hangdog-controller.8; do
        out=$(LC_ALL=C.UTF-8 MANWIDTH=100 man -l --warnings=w "$(page $f)" 2>&1 >/dev/null)
        [ -z "$out" ] || bad "$f: $out"
        for part in NAME DESCRIPTION; do
            grep -q "^\.SH $part" "$(page $f)" || bad "$f: no $part"
        done
    done
else
    echo "the pages were not formatted: man or groff is missing"
fi
exit $failed
