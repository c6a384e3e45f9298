#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# hangdog core on a real guest: well; dead, with its disk dead, too; and with a QEMU that is stopped, so that no
# monitor answers. The core is read by hangdog inspect, and by crash and drgn where they are installed. Part of
# make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/looks.sh"
bed_lab

# ran CODE ARGUMENT... - hangdog core with them ends like that; what it says is in $work/text.
ran() {
    local want=$1 rc
    shift
    hd core "$@" >"$work/text" 2>&1
    rc=$?
    [ $rc = "$want" ] || fail "core $*: exit code $rc and not $want: $(cat "$work/text")"
}
partials() { find "$work/cores" -name '*.partial-*' | wc -l; }

one=core$$
lab_disk "$work/disk" 64M || exit $?
lab_start_eve "$one" kernel=6.1 mem=256 profile=shell disk="$work/disk" || exit $?
lab_wait_up "$one" 90 || exit 1
mkdir "$work/cores"
cores=$work/cores
bed_config
bed_daemon
bed_seen "$one"
release=$(lab_ctl "$one" uname -r)

# ---- a guest that is well ----
before=$(resident "$one")
hd core "$one" -o "$cores/well" --json >"$work/row" 2>"$work/text" || fail "exit code $?: $(cat "$work/text")"
after=$(resident "$one")
[ $((after - before)) -lt 16384 ] || fail "it grew from $before to $after KiB while it was read"
jq -e --arg r "$release" '.row == "core" and .release == $r and .vmcoreinfo and .linear and .cpus == 2 and .registers
    and .unreadable == 0 and .bytes > 268435456 and .disk_bytes < .bytes' "$work/row" >/dev/null || fail "$(cat "$work/row")"
[ "$(stat -c %a "$cores/well")" = 600 ] || fail "others may read it"
[ "$(($(stat -c '%b * %B' "$cores/well")))" -lt $((after * 1024 + (32 << 20))) ] || fail "its holes were filled"
hd inspect "$cores/well" tasks --json | jq -r 'select(.row == "task") | .comm' >"$work/text"
says "$work/text" '^kthreadd$'
ran 2 "$one" -o "$cores/well"
says "$work/text" 'is there already; --force'
ran 0 "$one" -o "$cores/well" --force --no-registers
says "$work/text" '^core=.* cpus=0 vmcoreinfo=yes'
ran 1 "$one" -o "$cores/small" --max 1MiB
says "$work/text" '--max is 1MiB'
ran 1 "$one" -o "$cores/small" --leave 1000000GiB
says "$work/text" 'are to stay free'
ran 2 "$one" -o "$work/nowhere/core"
ran 2 "nosuch$$" -o "$cores/none"
ran 2 "$one"
for f in small none; do [ ! -e "$cores/$f" ] || fail "a core that is none: $f"; done

# ---- dead: no interrupt is taken, and its disk answers nothing ----
lab_disk_stall "$one"
lab_ctl "$one" 'dd if=/dev/vda of=/dev/null bs=64k count=16 & sleep 1; true' >/dev/null 2>&1
lab_ctl "$one" lab-fault irqoff-all
lab_until 20 "hd inspect '$one' cpus --json | jq -e -s 'map(select(.row == \"cpu\" and .irqs_off)) | length == 2' >/dev/null" \
    || fail "both vCPUs with interrupts off are not seen"
ran 0 "$one" -o "$cores/dead"
says "$work/text" '^core=.* cpus=2 vmcoreinfo=yes'
hd inspect "$cores/dead" cpus >"$work/text"; told $? "inspect of the dead one's core"
says "$work/text" '^vCPU [01].*zoo_irqoff.*interrupts OFF'
says "$work/text" '^ RIP: zoo_.* \[zoo\]'

# ---- and its QEMU is stopped: there is no monitor ----
kill -STOP "$(lab_pid "guest.$one")"
ran 0 "$one" -o "$cores/stopped"
says "$work/text" '^core=.* cpus=0 vmcoreinfo=yes'
says "$work/text" '^without registers: '
hd inspect "$cores/stopped" tasks dmesg >"$work/text"; told $? "inspect of the stopped one's core"
says "$work/text" "^kernel=${release//./\\.} "
says "$work/text" 'Linux version '

# ---- cancelled, while it waits for the monitor; what is left is nothing ----
"$build/hangdog" core "$one" -o "$cores/cancelled" 2>/dev/null &
client=$!
lab_until 10 "ls '$cores'/cancelled.partial-* >/dev/null 2>&1" || fail "no file that is being written"
sleep 0.5 # it is asked only what is being waited for: the answer takes 2 s
kill -TERM $client
wait $client
[ $? = 143 ] || fail "cancelled: not by its signal"
[ ! -e "$cores/cancelled" ] || fail "it was cancelled, and is there"
[ "$(partials)" = 0 ] || fail "something is left of it: $(ls "$cores")"
kill -CONT "$(lab_pid "guest.$one")"

# ---- without a daemon ----
kill "$daemon"
wait "$daemon" 2>/dev/null
daemon=''
hd --config "$work/config.json" core "$one" -o "$cores/alone" >"$work/text" 2>&1 || fail "without a daemon: $(cat "$work/text")"
says "$work/text" '^core=.* cpus=2 vmcoreinfo=yes'

# ---- others open it ----
if command -v crash >/dev/null; then
    crash --osrelease "$cores/dead" >"$work/text" 2>&1
    says "$work/text" "^${release//./\\.}\$"
fi
if command -v drgn >/dev/null; then
    # By a virtual address, which it finds by the program headers alone.
    uts=$(head -c 65536 "$cores/dead" | grep -ao 'SYMBOL(init_uts_ns)=[0-9a-f]*' | cut -d= -f2)
    echo "print(prog.read(0x$uts + 130, 65).split(bytes(1))[0].decode())" >"$work/drgn.py"
    drgn -q -c "$cores/dead" "$work/drgn.py" >"$work/text" 2>&1
    says "$work/text" "^${release//./\\.}\$"
fi

# ---- it goes while it is read: what there is of it is nobody's core ----
bed_daemon
bed_seen "$one"
kill -STOP "$(lab_pid "guest.$one")"
"$build/hangdog" core "$one" -o "$cores/gone" --keep >"$work/text" 2>&1 &
client=$!
lab_until 10 "ls '$cores'/gone.partial-* >/dev/null 2>&1" || fail "no file that is being written, the second time"
kill -KILL "$(lab_pid "guest.$one")"
wait $client
[ $? = 6 ] || fail "of a guest that went: $(cat "$work/text")"
says "$work/text" 'went while its memory was read|is another one by now'
[ ! -e "$cores/gone" ] || fail "a core of a guest that went"
exit $failed
