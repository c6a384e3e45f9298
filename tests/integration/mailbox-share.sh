#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A mailbox in a folder that is shared with a real guest (9p): its heartbeat, and a command. What the guest then makes
# of its folder leads to no other guest's mailbox. Part of make lab-long; the kernel must have 9p.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq tar
bed_lab
kernel=${MAILBOX_KERNEL:-5.15-ubuntu}
"$LAB_QEMU" -device help 2>/dev/null | grep -q virtio-9p-pci || { echo "mailbox-share: skipped: this QEMU has no 9p"; exit 77; }

one=share$$
uuid=$(lab_uuid "$one")
share=$work/boxes/$uuid
box=$share/$uuid.mailbox
mkdir -p "$share" "$work/mods" && chmod 755 "$work/boxes" "$share"
"$build/hangdog" mailbox create "$box" >/dev/null || exit 1
cp "$src/packaging/guest/hangdog-mailbox" "$share/"
"$src/tests/lab/image" "$kernel" >/dev/null || exit 77
mods=''
for m in netfs fscache 9pnet 9pnet_virtio 9p; do
    f=$(find "$LAB_CACHE/kernel-$kernel/root/lib/modules" -name "$m.ko" 2>/dev/null | head -n 1)
    [ -n "$f" ] && cp "$f" "$work/mods/" && mods="$mods $m.ko"
done
case $mods in *" 9p.ko") ;; *) echo "mailbox-share: skipped: kernel $kernel has no 9p"; exit 77 ;; esac
tar -C "$work/mods" -cf "$work/mods.tar" .

shared="-virtfs local,path=$share,mount_tag=box,security_model=none,id=box"
drive="-drive file=$work/mods.tar,if=none,id=mods,format=raw,readonly=on -device virtio-blk-pci,drive=mods"
lab_start_eve "$one" profile=shell kernel="$kernel" "args=$shared $drive" || exit $?
lab_wait_up "$one" 90 || exit 1
lab_ctl "$one" "cd /tmp && tar xf /dev/vda && for m in$mods; do insmod \$m; done; mkdir -p /mnt && mount -t 9p -o trans=virtio,version=9p2000.L box /mnt"
lab_ctl "$one" "sh /mnt/hangdog-mailbox --device /mnt/$uuid.mailbox --interval 1 --poll 1 --allow-commands </dev/null >/dev/null 2>&1 &"
shown() { "$build/hangdog" mailbox show "$box" --json | jq -r "$1"; }
beating() { [ "$(shown .beat.state)" = good ]; }
lab_until 30 beating "guest.$one" || { fail "it does not beat"; exit 1; }

mkdir "$work/scenarios"
cat >"$work/scenarios/beat.json" <<EOJ
{"schema": "hangdog/scenario/1", "name": "beat", "kind": "disk-mailbox", "interval": "1h", "timeout": "20s", "initial-delay": "1h"}
EOJ
cat >"$work/scenarios/up.json" <<EOJ
{"schema": "hangdog/scenario/1", "name": "up", "kind": "console-command", "transports": ["disk"],
 "interval": "1h", "timeout": "20s", "initial-delay": "1h", "command": "ls /mnt", "expect": {"output": "$uuid.mailbox"}}
EOJ
bed_config '"scenarios": ["'"$work"'/scenarios"], "mailboxes": ["'"$work"'/boxes"], "heartbeat": "0s",'
bed_daemon
bed_seen "$one"

probe() { hd probe "$one" --json --scenario "$1" >"$work/out" 2>"$work/err"; code=$(jq -r '"\(.outcome) \(.code)"' "$work/out"); }
is() { probe "$1" && true; [ "$code" = "$2" ]; }
become() { lab_until 30 "is '$1' '$2'" "guest.$one" || fail "$1 is '$code' and not '$2': $(cat "$work/out")"; }
become beat "ok ok"
become up "ok ok"

# ---- another's mailbox, which a link in its own folder leads to ----
"$build/hangdog" mailbox create "$work/boxes/theirs.mailbox" >/dev/null || exit 1
# shellcheck disable=SC2016
lab_ctl "$one" 'kill $(cat /run/hangdog-mailbox/pid)'
lab_ctl "$one" "rm /mnt/$uuid.mailbox; ln -s ../theirs.mailbox /mnt/$uuid.mailbox"
[ -h "$box" ] || fail "the guest's link is not one here: $(ls -l "$share")"
become beat "no-verdict mailbox-absent"
become up "no-verdict mailbox-absent"
exit "$failed"
