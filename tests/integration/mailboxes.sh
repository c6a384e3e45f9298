# shellcheck shell=bash disable=SC1091,SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What the tests of mailboxes with real guests share: a guest with one, and its death in the middle of a write.
# A bash library, to be read behind bed_lab.

# box_make: $box, with the guest's script behind all that the format has, where the guest takes it from.
box_make() {
    mkdir -p "$work/boxes" && chmod 755 "$work/boxes"
    box=$work/boxes/box
    rm -f "$box"
    "$build/hangdog" mailbox create "$box" >/dev/null || exit 1
    dd if="$src/packaging/guest/hangdog-mailbox" of="$box" bs=4096 seek=64 conv=notrunc 2>/dev/null
    script_size=$(stat -c %s "$src/packaging/guest/hangdog-mailbox")
    # Not the guest's alone: hangdog opens it beside QEMU, and takes no lock.
    box_args="-drive file=$box,if=none,id=box,format=raw,cache=${MAILBOX_CACHE:-none} -device virtio-blk-pci,drive=box,serial=hangdog-mailbox"
}
# box_script GUEST OPTION... - starts it there.
box_script() {
    local name=$1
    shift
    lab_ctl "$name" "dd if=/dev/vda bs=4096 skip=64 2>/dev/null | head -c $script_size >/tmp/hm"
    lab_ctl "$name" "sh /tmp/hm --interval 1 --poll 1 $* </dev/null >/dev/null 2>&1 &"
}
shown() { "$build/hangdog" mailbox show "$box" --json | jq -r "$1"; }
beating() { [ "$(shown .beat.state)" = good ]; }

# Each of these is one of the guest's: a guest that writes its heartbeat and nothing else as fast as it can, and one
# that answers.
kill_prepare() {
    lab_start_eve "$1" profile=shell "args=$box_args" && lab_wait_up "$1" 90 || exit 1
    lab_ctl "$1" "dd if=/dev/vda bs=4096 skip=64 2>/dev/null | head -c $script_size >/tmp/hm"
    lab_ctl "$1" "(while :; do sh /tmp/hm --once; done) </dev/null >/dev/null 2>&1 & echo \$! >/tmp/writer"
    lab_until 20 beating "guest.$1" || { fail "it does not beat"; exit 1; }
    lab_save "$1" "$work/writes" || exit 1
    lab_ctl "$1" 'kill $(cat /tmp/writer); sleep 1; sh /tmp/hm --interval 1 --poll 1 --allow-commands </dev/null >/dev/null 2>&1 &'
    "$build/tests/lib/mailbox-ask" "$box" true 20000 || fail "it does not answer"
    lab_save "$1" "$work/answers" || exit 1
    boot=$(shown .beat.boot)
    lab_stop "$1"
}

# What is in it, after whatever has happened to its writer, is what he wrote.
kill_check() {
    local said
    said=$(shown '"\(.beat.state) \(.beat.boot) \(.answer.state) \(if .answer.end == "done" then .answer.whole else true end) \((.answer.output // "") | test("^x*$"))"')
    case $said in
    "good $boot good true true" | "good $boot empty true true") return 0 ;;
    esac
    fail "round $1 ($2): $said"
    "$build/hangdog" mailbox show "$box"
    return 1
}

# kill_rounds GUEST N
kill_rounds() {
    local i what torn=0 asker
    for ((i = 0; i < $2; i++)); do
        [ $((i % 2)) = 0 ] && what=writes || what=answers
        lab_restore "$1" "$work/$what" >/dev/null || { fail "round $i: the guest does not go on"; return 1; }
        asker=''
        if [ $what = answers ]; then
            # shellcheck disable=SC2016
            (while "$build/tests/lib/mailbox-ask" "$box" 'head -c 65536 /dev/zero | tr "\000" x' 4000 >"$work/answer" 2>/dev/null; do
                [ "$(tr -d x <"$work/answer" | wc -c) $(wc -c <"$work/answer")" = "0 65536" ] || touch "$work/wrong"
            done) &
            asker=$!
        fi
        sleep "0.$((RANDOM % 900 + 100))"
        kill -9 "$(lab_pid "guest.$1")"
        [ -z "$asker" ] || wait "$asker"
        [ "$(shown '.beat.other_bad')" = true ] && torn=$((torn + 1))
        kill_check "$i" "$what" || return 1
        lab_stop "$1" 2>/dev/null
    done
    [ ! -e "$work/wrong" ] || fail "an answer was another one's"
    echo "killed $2 times; a heartbeat was cut off in $torn"
}
