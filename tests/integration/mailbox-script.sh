#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# The guest's script by itself, in each shell that is here: where it works, what it reads, and which disk it takes.
# What needs root, a mount or a loop device is left out where that can't be had.

# Mounts of its own: /run, /dev/shm and /tmp are the test's then.
if [ -z "${CHAOS_OWN_MOUNTS:-}" ] && unshare -m --propagation private true 2>/dev/null; then
    CHAOS_OWN_MOUNTS=1 exec unshare -m --propagation private bash "$0" "$@"
fi
src=$(realpath "${HANGDOG_SRC:-${srcdir:-.}}")
build=$(realpath "${HANGDOG_BUILD:-$PWD}")
command -v jq >/dev/null || exit 77
work=$(mktemp -d) || exit 99
made=$work loop=''
over() {
    [ -z "$loop" ] || losetup -d "$loop"
    cd /
    [ "$work" = "$made" ] || umount -l /tmp /dev/shm /run "$work"
    rm -rf "$made"
}
trap over EXIT
die() {
    echo "mailbox-script: $*" >&2
    exit 1
}
script=$src/packaging/guest/hangdog-mailbox
box=$work/box
export HANGDOG_MAILBOX_CONF=/nonexistent
shells='sh'
for s in dash 'busybox sh'; do command -v "${s%% *}" >/dev/null && shells="$shells,$s"; done
IFS=, read -r -a shells <<<"$shells"

new_box() { rm -f "$box" && "$build/hangdog" mailbox create "$box" --size 256KiB >/dev/null || die "no mailbox"; }
shown() { "$build/hangdog" mailbox show "$box" --json | jq -r "$1"; }
# play OPTION...: one heartbeat, by $shell
# shellcheck disable=SC2086
play() { timeout 60 $shell "$script" --device "$box" --once "$@" 2>"$work/err"; }

# ---- --text: a plain file, and nothing else ----
texts() {
    new_box
    echo 'all is well' >"$work/text"
    play --dir "$work/dir" --text "$work/text" || die "$shell: $(cat "$work/err")"
    [ "$(head -c 12288 "$box" | grep -ac 'all is well')" = 1 ] || die "$shell: the text is not there"
    new_box
    echo 'of root alone' >"$work/secret"
    ln -sf "$work/secret" "$work/link"
    play --dir "$work/dir" --text "$work/link" || die "$shell: $(cat "$work/err")"
    grep -aq 'of root alone' "$box" && die "$shell: a link is followed"
    # Nobody writes there: who opens it waits for ever.
    rm -f "$work/fifo" && mkfifo "$work/fifo"
    play --dir "$work/dir" --text "$work/fifo" || die "$shell: a FIFO holds it up: $?"
    [ "$(shown '"\(.beat.state) \(.beat.seq)"')" = "good 2" ] || die "$shell: $(shown .beat)"
}

# ---- where it works, with neither --dir nor /run ----
places() {
    local theirs=/dev/shm/hangdog-mailbox
    rm -rf /dev/shm/hangdog-mailbox /tmp/hangdog-mailbox
    mkdir "$theirs" && echo theirs >"$theirs/payload" && chown -R 65534:65534 "$theirs" || die "no folder of somebody else's"
    new_box
    play || die "$shell: $(cat "$work/err")"
    [ "$(cat "$theirs/payload")" = theirs ] || die "$shell: it works in a folder of somebody else's"
    [ "$(stat -c '%a %u' /tmp/hangdog-mailbox)" = "700 0" ] || die "$shell: it does not work in /tmp"
    # Its own is used again, and a link to one is not.
    play || die "$shell: $(cat "$work/err")"
    rm -rf /tmp/hangdog-mailbox && mkdir "/tmp/$$" && ln -s "/tmp/$$" /tmp/hangdog-mailbox
    play && die "$shell: it works where a link leads to"
    rm -rf "/tmp/$$" /tmp/hangdog-mailbox
    [ "$(shown .beat.seq)" = 2 ] || die "$shell: $(shown .beat)"
}

# ---- which disk ----
disks() {
    local found
    # shellcheck disable=SC2086
    found=$($shell "$script" --find 2>/dev/null)
    [ "$found" != "$loop" ] || die "$shell: a loop device is taken for the mailbox"
}

for shell in "${shells[@]}"; do texts; done
echo "texts: ${shells[*]}"
if [ "$(id -u)" = 0 ] && [ -n "${CHAOS_OWN_MOUNTS:-}" ]; then
    # What it stands on may lie beneath one of them.
    real=/mnt
    mount -t tmpfs none "$real" && mkdir "$real/work" && mount --bind "$work" "$real/work" || exit 77
    work=$real/work box=$real/work/box
    case $src$build in
    /tmp/* | /run/* | /dev/shm/*)
        mkdir "$real/tree" "$real/build" && mount --bind "$src" "$real/tree" && mount --bind "$build" "$real/build" || exit 77
        script=$real/tree/packaging/guest/hangdog-mailbox build=$real/build
        ;;
    esac
    mount -t tmpfs -o ro none /run && mount -t tmpfs none /dev/shm && mount -t tmpfs none /tmp || exit 77
    for shell in "${shells[@]}"; do places; done
    echo "places: ${shells[*]}"
    new_box
    if loop=$(losetup -f --show "$box" 2>/dev/null) && [ -b "$loop" ]; then
        for shell in "${shells[@]}"; do disks; done
        echo "disks: ${shells[*]}"
    else
        loop=''
    fi
fi
exit 0
