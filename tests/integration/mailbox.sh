#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Mailboxes, with the guest's own script on this host as the guest: who has no shell on his console answers through
# his disk; who stops is missed, and who takes no commands is not asked; a mailbox on storage that is dead holds up
# nobody else; and what is no mailbox is not opened.

# Mounts of its own, so that a dead one never outlives the test.
if [ -z "${CHAOS_OWN_MOUNTS:-}" ] && unshare -m --propagation private true 2>/dev/null; then
    CHAOS_OWN_MOUNTS=1 exec unshare -m --propagation private bash "$0" "$@"
fi
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init mailbox jq
command -v setsid >/dev/null || { echo "mailbox: skipped: no setsid" >&2; exit 77; }
chaos_more_cleanup() {
    local m
    [ -n "${CHAOS_OWN_MOUNTS:-}" ] || return 0
    for m in $(awk -v w="$work" 'index($2, w) == 1 { print $2 }' /proc/self/mounts); do umount -l "$m"; done
}
mkdir "$work/boxes" "$work/dead"
chmod 755 "$work/boxes" "$work/dead"

# play GUEST OPTION... - the guest's script, on its mailbox.
play() {
    local name=$1
    shift
    sh "$src/packaging/guest/hangdog-mailbox" --device "$work/boxes/$name.mailbox" --dir "$work/play.$name" \
        --interval 1 --poll 1 "$@" &
    chaos_fakes+=("$!")
    eval "script_$name=$!"
}
for g in alpha beta; do
    fake_guest "$g" -P login
    hd mailbox create "$work/boxes/$g.mailbox" --size 256KiB >/dev/null || die "no mailbox for $g"
done
fake_guest gamma -P login
fake_guest delta -P login
hd mailbox create "$work/boxes/alpha.mailbox" >/dev/null 2>&1 && die "a mailbox that is there is overwritten"
# A guest's own disk: not for us, though it lies in that folder.
head -c 300000 /dev/urandom >"$work/boxes/delta.mailbox"
play alpha --allow-commands
play beta --report-only

two='"transports": ["console", "disk"]'
DELAY=1h RETRY=1h chaos_scenario up '*' 2h 20s
sed -i "s|\"transports\": \[\"console\"\]|$two|; s|\"failure-threshold\": 2|\"failure-threshold\": 50|" "$work/scenarios/up.json"
cat >"$work/scenarios/beat.json" <<EOJ
{"schema": "hangdog/scenario/1", "name": "beat", "kind": "disk-mailbox", "interval": "2h", "timeout": "20s",
 "initial-delay": "1h", "retry-interval": "1h", "failure-threshold": 50,
 "limits": [{"figure": "load1", "op": ">=", "value": 0}]}
EOJ
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}" "\"mailboxes\": [\"$work/boxes\"]"
hd_start
until_ok 15 bindings 8 || { hd status; die "not all are there"; }

beaten() { [ "$(hd mailbox show "$work/boxes/$1.mailbox" --json | jq -r .beat.state)" = good ]; }
for g in alpha beta; do until_ok 15 beaten "$g" || die "the script of $g does not write"; done

# asked GUEST SCENARIO WANTED...: outcome, code, who spoke, who was tried
asked() {
    hd probe "$1" --json --scenario "$2" >"$work/out" 2>"$work/err"
    exact "$1 $2: $3" "$(jq -r '"\(.outcome) \(.code) by \(.transport), \([.tried[]? | .transport + " " + .code] | join(" "))"' "$work/out")" "$3" ||
        { cat "$work/out" "$work/err"; }
}
asked alpha beat "ok ok by disk, "
asked alpha up "ok ok by disk, console login-prompt"
asked beta beat "ok ok by disk, "
asked beta up "no-verdict login-prompt by console, disk mailbox-report-only"
asked gamma beat "no-verdict mailbox-absent by disk, "
asked delta beat "no-verdict mailbox-absent by disk, "
hd mailbox show "$work/boxes/alpha.mailbox" --json >"$work/out" || die "the mailbox is not shown"
exact "what is in it" "$(jq -r '"\(.mode) \(.beat.state) \(.answer.end) \(.answer.whole) \(.command.id)"' "$work/out")" "commands good done true "
hd mailbox show "$work/boxes/alpha.mailbox" | grep -q '^heartbeat: ' || die "the mailbox is not shown to people"
hd mailbox show "$work/boxes/delta.mailbox" >/dev/null 2>&1 && die "what is no mailbox is shown as one"

# ---- its script stops: missed by the host's own clock ----
says() { hd probe "$1" --json --scenario beat >"$work/out" 2>/dev/null; [ "$(jq -r .code "$work/out")" = "$2" ]; }
kill -STOP "$script_alpha"
until_ok 30 says alpha beat-missing || { cat "$work/out"; die "a script that is stopped is not missed"; }
exact "its outcome" "$(jq -r .outcome "$work/out")" failed
kill -CONT "$script_alpha"
until_ok 30 says alpha ok || { cat "$work/out"; die "it is not well again"; }

# ---- noise ----
kill "$script_beta"
wait "$script_beta" 2>/dev/null
# What it had started may write once more.
spoilt() {
    dd if=/dev/urandom of="$work/boxes/beta.mailbox" bs=4096 seek=1 count=60 conv=notrunc 2>/dev/null
    says beta beat-garbled
}
until_ok 10 spoilt || { cat "$work/out"; die "noise is not told"; }
exact "its outcome" "$(jq -r '.outcome + " by " + .transport' "$work/out")" "failed by disk"

# ---- the script killed while it writes, with all that it has started: what can be read is what it wrote ----
box=$work/boxes/kill.mailbox
hd mailbox create "$box" >/dev/null || die "no mailbox to kill at"
sh "$src/packaging/guest/hangdog-mailbox" --device "$box" --dir "$work/play.kill" --once || die "no heartbeat"
played() { hd mailbox show "$box" --json | jq -r "$1"; }
for ((i = 0; i < ${MAILBOX_KILLS:-10}; i++)); do
    setsid sh "$src/packaging/guest/hangdog-mailbox" --device "$box" --dir "$work/play.kill" --interval 1 --poll 1 --allow-commands &
    script=$!
    until_ok 10 test -s "$work/play.kill/pid" || die "the script does not start"
    "$build/tests/lib/mailbox-ask" "$box" 'head -c 65536 /dev/zero | tr "\000" x' 1600 >"$work/answer" 2>/dev/null &
    asker=$!
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    kill -KILL -- "-$script"
    wait "$script" 2>/dev/null
    # What it was answered is whole, or it was not answered.
    if wait "$asker"; then
        [ "$(tr -d x <"$work/answer" | wc -c) $(wc -c <"$work/answer")" = "0 65536" ] || die "round $i: another answer"
        answered=$((${answered:-0} + 1))
    fi
    said=$(played '"\(.beat.state) \(.answer.state != "bad") \(if .answer.end == "done" then .answer.whole else true end)"')
    [ "$said" = "good true true" ] || { hd mailbox show "$box"; die "round $i: $said"; }
    seq=$(played .beat.seq)
    [ "$seq" -ge "${before:-1}" ] || die "round $i: heartbeat $seq behind ${before:-1}"
    before=$seq
    rm -f "$work/play.kill/pid"
done
step "killed $i times while it wrote, answered in ${answered:-0}"

# ---- storage that is dead: gamma has none elsewhere, so that it is looked for there ----
if [ -n "${CHAOS_OWN_MOUNTS:-}" ]; then
    mkfifo "$work/dead.in"
    "$build/tests/lib/dead-fuse" "$work/dead" <>"$work/dead.in" >"$work/dead.out" 2>"$work/dead.err" &
    chaos_fakes+=("$!")
    if until_ok 5 grep -q ready "$work/dead.out"; then
        sed -i "s|\"mailboxes\": \[|&\"$work/boxes\", \"$work/dead\"], \"rules\": [|; s|, \"rules\": \[\"$work/boxes\"\]||" "$work/config.json"
        kill -HUP "$keeper"
        until_ok 20 says gamma mailbox-stuck || { cat "$work/out"; die "dead storage is not told"; }
        asked alpha beat "ok ok by disk, "
    else
        echo "no FUSE: storage that is dead is not tried"
    fi
fi
hd_stop
step "guests are asked through their disks"
