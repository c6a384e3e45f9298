#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2016,SC2034,SC2154
#
# Servers and disks that mean ill, beside guests that are well: an sshd that greets and never says a word again, a
# mailbox of random bytes on storage that is slow, servers that drip or flood, DNS that answers garbage for ever, and
# a console that echoes. Each is called by what it is, and nobody else is late or bigger for it.

# Mounts of its own, so that a slow one never outlives the test.
if [ -z "${CHAOS_OWN_MOUNTS:-}" ] && unshare -m --propagation private true 2>/dev/null; then
    CHAOS_OWN_MOUNTS=1 exec unshare -m --propagation private bash "$0" "$@"
fi
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init neighbours jq
. "$src/tests/integration/neighbour.sh"
chaos_more_cleanup() {
    local m
    [ -n "${CHAOS_OWN_MOUNTS:-}" ] || return 0
    for m in $(awk -v w="$work" 'index($2, w) == 1 { print $2 }' /proc/self/mounts); do umount -l "$m"; done
}

neighbour_make
for m in greets trickle headers content flood dns; do
    peer "$m" "$m"
done

# ill NAME CODE MEMBERS [GUEST] - a guest of that name with that scenario, and what it must be called.
ills='' wanted='' play=mute
ill() {
    [ -n "${4:-}" ] || fake_guest "$1" -P "$play"
    local when='"interval": "2s", "timeout": "1800ms", "initial-delay": "0s", "retry-interval": "2s", "failure-threshold": 100'
    ills+="${ills:+, }{\"name\": \"$1\", \"select\": {\"name\": \"${4:-$1}\"}, $when, $3}"
    wanted+="$1 $2"$'\n'
}
# A kind that this hangdog was built without is not asked.
can() {
    echo "{\"name\": \"x\", $1}" >"$work/can.json"
    hd scenario check "$work/can.json" >/dev/null 2>&1 || { echo "not asked: $(hd scenario check "$work/can.json" 2>&1 | head -n 1)"; return 1; }
}
at() { eval "echo 127.0.0.1:\$port_$1"; }

# Consoles that say back all that they are sent, once, twice, later, and made up as an answer. Nobody executes it.
for play in mute twice late forge; do
    ill "asks$play" no-answer '"kind": "console-command", "command": "echo tick-tock", "expect": {"status": -1}'
    # What another check has typed is not the guest's own word, whenever it comes.
    ill "hears$play" beat-missing '"kind": "console-heartbeat", "label": "tick-tock", "every": "1s", "first": "4s"' "asks$play"
    ill "talks$play" mismatch '"kind": "dialogue", "steps": [ {"name": "a", "send": "\r", "expect": ["\\n"], "else": "b"},
        {"name": "b", "send": "printf A%s ${nonce}\r", "expect": ["A${nonce}"] } ]'
done
play=mute
ill drips mismatch "\"kind\": \"tcp\", \"address\": \"$(at trickle)\", \"expect\": {\"output\": \"never\"}"
ill floods mismatch "\"kind\": \"tcp\", \"address\": \"$(at flood)\", \"expect\": {\"output\": \"never\"}"
ill garbage protocol "\"kind\": \"dns\", \"address\": \"$(at dns)\", \"query\": \"app.lan\""
ssh="\"kind\": \"ssh-command\", \"command\": \"uptime\", \"address\": \"$(at greets)\", \"ssh\": {\"user\": \"u\", \"key\": \"k\"}"
if can "$ssh"; then
    mkdir -m 700 "$work/ssh" && : >"$work/ssh/known_hosts" && : >"$work/ssh/k" && chmod 600 "$work/ssh"/*
    # They have to be the daemon's.
    if [ "$(id -u)" = 0 ]; then chown -R "$(id -un hangdog 2>/dev/null || echo nobody)" "$work/ssh"; fi
    ill greets login-timeout "$ssh"
fi
if can '"kind": "http", "url": "http://127.0.0.1/"'; then
    ill headers endless "\"kind\": \"http\", \"url\": \"http://$(at headers)/\""
    ill content endless "\"kind\": \"http\", \"url\": \"http://$(at content)/\", \"expect\": {\"output\": \"never\"}"
    ill flooded protocol "\"kind\": \"http\", \"url\": \"http://$(at flood)/\""
fi
ill random beat-garbled '"kind": "disk-mailbox"'
echo "{\"scenarios\": [$ills]}" >"$work/scenarios/ill.json"

# Random behind its head, as a guest may write it; each read of it takes long where a file system may be mounted.
box=$work/boxes/random.mailbox
hd mailbox create "$box" --size 256KiB >/dev/null || die "no mailbox"
dd if=/dev/urandom of="$box" bs=4096 seek=1 count=60 conv=notrunc 2>/dev/null
if [ -n "${CHAOS_OWN_MOUNTS:-}" ]; then
    cp "$box" "$work/backing"
    mkfifo "$work/slow.in"
    "$build/tests/lib/dead-fuse" -s 100 "$work/backing" "$box" <>"$work/slow.in" >"$work/slow.out" 2>"$work/slow.err" &
    chaos_fakes+=("$!")
    until_ok 5 grep -q ready "$work/slow.out" || { cat "$work/slow.err"; echo "no FUSE: the mailbox is not slow"; }
fi
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}" "\"mailboxes\": [\"$work/boxes\"]"

code_of() { rows "select(.row == \"scenario\" and .scenario == \"$1\") | .code"; }
is_called() { [ "$(code_of "$1")" = "$2" ]; }
all_called() {
    local name want
    while read -r name want; do
        [ -n "$name" ] || continue
        until_ok 30 is_called "$name" "$want" || { hd status; die "$name is called $(code_of "$name")"; }
        step "$name: $want"
    done <<<"$wanted"
}
neighbour_compare "$work/scenarios/ill.json" all_called
exact "checks of the ill that were called well" "$(rows 'select(.row == "scenario" and (.guest | IN("alpha", "beta", "gamma") | not)) | .ok' | awk '{ n += $1 } END { print n + 0 }')" 0
hd_stop
step "they cost nobody but themselves"
