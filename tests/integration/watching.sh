#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A diagnosis that is ordered here is watched there, and called off; and what members of the socket's group may.
# The writer stands still meanwhile, so that no diagnosis is over before it is looked at.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init watching jq

group=$(getent group nogroup nobody | head -n 1 | cut -d: -f1)
stranger() { setpriv --reuid 54321 --regid "$group" --clear-groups -- "$build/hangdog" "$@"; }
shared=0
[ "$(id -u)" = 0 ] && [ -n "$group" ] && stranger version >"$work/out" 2>&1 && shared=1

fake_guest one -P mute
url=
chaos_config "$fake_source" "\"group\": \"$([ $shared = 1 ] && echo "$group")\", \"group-may\": [\"look\"]"
hd_start
there() { rows 'select(.row=="guest") | .display' | grep -qx one; }
until_ok 15 there || { hd status; die "the guest is not there"; }

# ---- watched ----
writer=$(hd_pid writer)
kill -STOP "$writer"
hd diagnose one >"$work/first" 2>&1 &
first=$!
until_ok 15 grep -q '^incident=' "$work/first" || die "not accepted: $(cat "$work/first")"
id=$(sed -n 's/^incident=//p' "$work/first")
kill "$first"
wait "$first" 2>/dev/null
watchers=()
for n in 1 2; do
    what=one
    [ $n = 1 ] || what=$id
    hd diagnose "$what" --watch >"$work/out.$n" 2>"$work/err.$n" &
    watchers+=("$!")
    until_ok 15 grep -qx "incident=$id" "$work/err.$n" || die "not watched: $(cat "$work/err.$n")"
done
step "two watch what a third one ordered"

# ---- called off ----
exact "called off" "$(hd diagnose one --cancel)" "cancelled incident=$id"
kill -CONT "$writer"
for n in 1 2; do
    wait "${watchers[n - 1]}"
    exact "its end" $? 6
    head -n 1 "$work/out.$n" | grep -q "^verdict=unknown .* incident=$id bundle=/" || die "the end: $(cat "$work/out.$n")"
    grep -q 'called off by uid' "$work/out.$n" || die "who called it off: $(cat "$work/out.$n")"
done
exact "watched too late" "$(hd diagnose "$id" --watch 2>/dev/null)" "$(cat "$work/out.1")"
hd diagnose one --watch >"$work/out" 2>&1
exact "none is under way" "$? $(cat "$work/out")" "2 hangdog: no diagnosis of one is under way"
hd diagnose one --watch --cancel >"$work/out" 2>&1
exact "both at once" $? 2
step "called off"

# ---- who may what ----
if [ $shared = 1 ]; then
    stranger list >"$work/out" 2>&1 || die "a member of the group may not look: $(cat "$work/out")"
    stranger diagnose one --playbook no-touch >"$work/out" 2>&1
    exact "a member orders a diagnosis" $? 1
    grep -q '"group-may" of the configuration does not name "diagnose"' <(tr '\n' ' ' <"$work/out") || die "$(cat "$work/out")"
    stranger console one --write </dev/null >"$work/out" 2>&1 && die "a member types: $(cat "$work/out")"
    tr '\n' ' ' <"$work/out" | grep -q 'does not name "console"' || die "$(cat "$work/out")"
    sed -i 's/"group-may": \["look"\]/"group-may": ["look", "diagnose"]/' "$work/config.json"
    kill -HUP "$keeper"
    may() { stranger diagnose one --playbook no-touch >"$work/out" 2>&1; grep -q '^verdict=' "$work/out"; }
    until_ok 15 may || die "still refused: $(cat "$work/out")"
    # But not read the bundle: that is not to say that there is none.
    mkdir "$work/mine" && chown 54321 "$work/mine"
    stranger diagnose one --playbook no-touch -o "$work/mine" >"$work/out" 2>"$work/err"
    exact "the end of one whose copy they may not have" $? 5
    b=$(sed -n '1s/^verdict=.* bundle=//p' "$work/out")
    [ -s "$b" ] || die "the bundle is not at \"$b\": $(cat "$work/out")"
    grep -qxF "hangdog: the bundle is at $b and could not be copied: $b: Permission denied; use sudo" "$work/err" || die "$(cat "$work/err")"
    stranger diagnose --all --playbook no-touch -o "$work/mine" >"$work/out" 2>"$work/err"
    rc=$? # 3 where the host is starved
    case $rc in 3|5) ;; *) die "the end of all then: $rc" ;; esac
    grep -q ' failed=1$' "$work/out" || die "$(cat "$work/out")"
    b=$(sed -n 's/^verdict=.* bundle=//p' "$work/out")
    grep -q "^FAIL one .*: the bundle is at $b and could not be copied: .*; use sudo\$" "$work/err" || die "$(cat "$work/err")"
    exact "what is left of copies" "$(find "$work/mine" -type f)" ""
    step "members of the group may what the configuration says"
fi
hd_stop
