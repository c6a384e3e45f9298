#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What people copy works: the examples are accepted, and what is packaged is understood by whom it is for.
src=${srcdir:-.} build=$PWD
export HANGDOG_LIBEXEC=$build
failed=0 n=0
bad() { echo "$*"; failed=1; }
has() { grep -q "^#define WITH_$1 1" "$build/config.h"; }

for f in "$src"/examples/config*.json; do
    n=$((n + 1))
    # A build without libvirt or curl rightly refuses what names them.
    if out=$("$build/hangdog" config check "$f" 2>&1); then continue; fi
    case $out in
        *'no source "libvirt"'*) has LIBVIRT || continue ;;
        *'no sink of this build'*) has CURL || continue ;;
    esac
    bad "$out"
done
for f in "$src"/examples/scenarios/*.json; do
    n=$((n + 1))
    if out=$("$build/hangdog" scenario check "$f" 2>&1 >/dev/null); then continue; fi
    case $out in *'built without ssh'*) has SSH || continue ;; *'built without curl'*) has CURL || continue ;; esac
    bad "$f is refused: $out"
done
"$build/hangdog" playbook check "$src"/examples/playbooks/*.json >/dev/null || bad "a playbook of the examples is refused"
# What is copied together must be taken together, as the daemon takes a folder.
if has SSH && has CURL; then
    out=$("$build/hangdog" scenario check "$src"/examples/scenarios/*.json 2>&1 >/dev/null) || bad "the examples together are refused: $out"
fi
# Its head says whom an example is for, where that is not seen at once.
for f in "$src"/examples/scenarios/*.json; do
    head=$(sed -n '/^\/\//!q; p' "$f") text=$(grep -v '^ *//' "$f")
    ! grep -q '"labels":' <<<"$text" || grep -q 'label' <<<"$head" || bad "${f##*/}: its head says nothing of the label by which it selects"
    [ "$(grep -c '"select":' <<<"$text")" = "$(grep -c '"kind":' <<<"$text")" ] || grep -qi 'every guest' <<<"$head" ||
        bad "${f##*/}: without \"select\", and its head does not say that it is for every guest"
done
[ "$n" -ge 5 ] || bad "only $n examples were found"

# Examples in the documents are documents too: a scenario or a configuration that begins with "{".
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
for doc in README.md docs/playbooks.md docs/scenarios.md docs/configuration.md docs/eve.md docs/mailbox.md $(cd "$src" && ls docs/kinds/*.md); do
    awk -v out="$tmp/$(basename "$doc" .md)" '
        /^    (\/\/.*|\{.*)$/ && !on { on = 1; text = ""; n++ }
        on && /^    / { text = text substr($0, 5) "\n"; next }
        on { if (text ~ /"hangdog\/(scenario|config|playbook)\/1"|"kind":/) printf "%s", text > (out n ".json"); on = 0 }
        END { if (on && text ~ /"hangdog\/|"kind":/) printf "%s", text > (out n ".json") }' "$src/$doc"
done
n=0
for f in "$tmp"/*.json; do
    n=$((n + 1))
    if grep -q '"hangdog/playbook/1"' "$f"; then
        "$build/hangdog" playbook check "$f" >/dev/null || bad "the example in ${f##*/} is refused"
    elif ! grep -q '"hangdog/config/1"' "$f"; then
        out=$("$build/hangdog" scenario check "$f" 2>&1 >/dev/null) && continue
        case $out in *'built without ssh'*) has SSH || continue ;; *'built without curl'*) has CURL || continue ;; esac
        bad "the example in ${f##*/} is refused: $out"
    elif has LIBVIRT && has CURL; then
        "$build/hangdog" config check "$f" >/dev/null || bad "the example in ${f##*/} is refused"
    fi
done
[ "$n" -ge 30 ] || bad "only $n examples were found in the documents"
# And what the example only shows, behind "//".
sed 's,^\( *\)// *\(["{}]\),\1\2,' "$src/examples/config.json" >"$tmp/all.json"
if has LIBVIRT && has CURL; then
    out=$("$build/hangdog" config check "$tmp/all.json" 2>&1) || bad "config.json with all that it shows is refused: $out"
fi

if command -v systemd-analyze >/dev/null && [ -e packaging/hangdog.service ]; then
    sed 's,^ExecStart=.*,ExecStart=/bin/true,; /^Documentation=/d' packaging/hangdog.service >"$tmp/hangdog.service"
    out=$(systemd-analyze verify "$tmp/hangdog.service" 2>&1) || bad "hangdog.service: $out"
    case $out in *Unknown*|*nvalid*|*ailed\ to\ parse*) bad "hangdog.service: $out" ;; esac
fi
grep -q '@' packaging/hangdog.service && bad "hangdog.service: something was not filled in"
exit $failed
