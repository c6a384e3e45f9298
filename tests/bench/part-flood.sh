# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC1091,SC2154
#
# H1: a real QEMU whose guest writes its serial port for ever (flood.S). What all of the machine spends on
# each MB of it beyond that QEMU, with the same bytes logged to disk.
# H3: and how fast the guest is meanwhile, beside the plainest reader there is; also with the folder of our
# logs on a full disk, and with the daemon full of jobs that do not come back.
#
# The subjects take turns, three rounds, so that other work on this machine hits all of them.

. "$src/tests/lab/lab.sh"

flood_skip() { echo "H1 H3: $1: left out"; }

# flood_up NAME SERIAL - a guest of the lab's libvirtd; sets qemu
flood_up() {
    cat >"$work/$1.xml" <<EOX
<domain type='$([ "$LAB_ACCEL" = kvm ] && echo kvm || echo qemu)'>
  <name>$1</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>$(command -v qemu-system-x86_64)</emulator>
    <controller type='usb' model='none'/><memballoon model='none'/>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$work/flood.bin'/><target dev='hda' bus='ide'/></disk>
    <serial $2<target port='0'/></serial>
  </devices>
</domain>
EOX
    lab_virsh create "$work/$1.xml" >/dev/null || return 1
    qemu=$(cat "$LAB_DIR/lv/run/qemu/$1.pid")
    flood=$1
}
flood_down() { lab_virsh destroy "$flood" >/dev/null; }
flood_count() { lab_virsh qemu-monitor-command "$flood" --hmp 'xp /1dg 0x7e00' | awk '/:/ { print $2 }'; }

# flood_window SUBJECT PID... - one window: KB/s and CPU per MB go to files of that name
flood_window() {
    local subject=$1 args='' p c0 c1 t0 t1 best
    shift
    for p in "$@"; do args="$args -o $p"; done
    local kbs f least=99
    while :; do
        c0=$(flood_count) t0=$EPOCHREALTIME
        # shellcheck disable=SC2086
        window 2.5 -q "$qemu" $args -o "$(lab_pid libvirtd)" -o "$(lab_pid virtlogd)" ${FAKES:+-q $FAKES}
        c1=$(flood_count) t1=$EPOCHREALTIME
        # The count goes on while it is asked for: by time, to the window's length.
        f=$(calc "$foreign / $wall")
        if awk "BEGIN { exit !($f < $least) }"; then
            least=$f
            kbs=$(calc "($c1 - $c0) / ($t1 - $t0) / 1000" 1)
            best="busy=$busy foreign=$foreign set=$set wall=$wall"
        fi
        if [ "$tries" -le 0 ] || awk "BEGIN { exit !($f < 0.33) }"; then break; fi
        tries=$((tries - 1))
    done
    eval "$best"
    echo "$least" >>"$work/noise"
    echo "$kbs" >>"$work/$subject.kbs"
    awk "BEGIN { m = $kbs * $wall / 1000; if (m > 0.01) printf \"%.4f\n\", ($busy - $foreign - $set) / m }" >>"$work/$subject.cpu"
    note "$subject: $kbs KB/s, $(tail -n 1 "$work/$subject.cpu") s/MB"
}
of() { median <"$work/$1.$2"; }

plain() { # SUBJECT PATH OPTION...
    local subject=$1 path=$2
    shift 2
    "$bench/plain-reader" "$@" -l "$work/plain.log" "$path" >/dev/null &
    PEER=$!
    sleep 0.5
    flood_window "$subject" $PEER
    peer_stop
    rm -f "$work/plain.log"
}
# So many jobs wait for guests that do not answer; those that are bound to wait take one interval to begin.
jobs_stuck() {
    lab_until 15 "'$build/hangdog' --config '$work/config.json' dump | sed -n 's/^jobs: running \([0-9]*\).*/\1/p' | grep -qE '^([$(($1 / 10))-9][0-9]|[0-9]{3,})'" ||
        { echo "H3: there are no $1 stuck jobs: $(hd dump | grep '^jobs:')"; broken=1; }
}
stuck_jobs=0
ours() { # SUBJECT [STATE]
    hd_start "${2:-}"
    lab_until 15 "test -S '$work/run/control'" || { echo "H1: hangdog did not start"; tail -n 3 "$work/hangdog.log"; exit 1; }
    lab_until 10 "'$build/hangdog' --config '$work/config.json' status --json | grep '\"row\":\"console\"' | grep '\"$flood\"' | grep -q talking" ||
        { echo "H1: hangdog does not read the flood"; hd status; exit 1; }
    [ "$stuck_jobs" = 0 ] || jobs_stuck "$stuck_jobs"
    sleep 0.5
    flood_window "$1" $HD
    hd_stop
}
conserver_pty() {
    cat >"$work/c.cf" <<EOC
config * { defaultaccess allowed; }
default full { rw *; }
console flood { master localhost; include full; type device; device $1; baud 9600; parity none; logfile $work/conserver.flood; timestamp ""; }
access * { trusted 127.0.0.1; }
EOC
    : >"$work/c.passwd"
    conserver -C "$work/c.cf" -P "$work/c.passwd" -p 37821 -b 37990 -M 127.0.0.1 -n >"$work/conserver.log" 2>&1 &
    PEER=$!
    sleep 1.5
    flood_window conserver $PEER
    [ -s "$work/conserver.flood" ] || note "conserver logged nothing: $(tail -n 1 "$work/conserver.log")"
    peer_stop
    rm -f "$work/conserver.flood"
}

flood_run() {
    local r pty
    for r in $(seq "${BENCH_ROUNDS:-3}"); do
        flood_up flood-file "type='file'><source path='$work/virtlogd.log'/>" || return 1
        sleep 2.5
        flood_window virtlogd
        flood_down
        rm -f "$work"/virtlogd.log*

        flood_up flood-pty "type='pty'>" || return 1
        pty=$(lab_virsh ttyconsole flood-pty | grep .)
        sleep 2
        plain plain-pty "$pty"
        plain swept-pty "$pty" -s 5
        hd_config "$libvirt"
        ours hangdog-pty
        if has h1 && [ -n "$conserver" ]; then conserver_pty "$pty"; fi
        if has h3; then
            ours full-pty "$work/full/state"
            hd_config "$libvirt" "{\"kind\":\"rundir\",\"root\":\"$work/r\",\"console-mode\":\"hold\"}"
            hd_scenario 6s 5500ms 6s
            fakes_start 60 0 -P mute
            # The fake guests are work for the machine, too: whoever reads beside them is compared there.
            plain stuck-plain "$pty" -s 5
            stuck_jobs=50
            ours stuck-pty
            stuck_jobs=0
            fakes_stop
            rm -rf "$work/scenarios"
        fi
        flood_down

        flood_up flood-unix "type='unix'><source mode='bind' path='$work/flood.sock'/>" || return 1
        sleep 2
        plain plain-unix "$work/flood.sock"
        hd_config "$libvirt"
        ours hangdog-unix
        flood_down
    done
}

flood_report() {
    local ours best
    ours=$(of hangdog-pty cpu)
    if has h1; then
        promise_quiet "H1 pty" "hangdog $ours s/MB, virtlogd $(of virtlogd cpu) (ratio $(calc "$ours / $(of virtlogd cpu)" 2))" "$ours / $(of virtlogd cpu)" "<=" 0.5
        if [ -n "$conserver" ]; then
            promise_quiet "H1 pty" "hangdog $ours s/MB, conserver $(of conserver cpu) (ratio $(calc "$ours / $(of conserver cpu)" 2))" "$ours / $(of conserver cpu)" "<=" 0.3
        fi
        echo "H1 unix socket: hangdog $(of hangdog-unix cpu) s/MB, plain reader $(of plain-unix cpu)"
        echo "H1 plain readers of a pty: at once $(of plain-pty cpu) s/MB, swept $(of swept-pty cpu)"
    fi
    if has h3; then
        best=$(calc "$(of plain-pty kbs) > $(of swept-pty kbs) ? $(of plain-pty kbs) : $(of swept-pty kbs)" 1)
        promise_quiet "H3 pty" "guest writes $(of hangdog-pty kbs) KB/s, best plain reader $best (virtlogd $(of virtlogd kbs))" "$(of hangdog-pty kbs) / $best" ">=" 0.95
        promise_quiet "H3 pty, full disk" "guest writes $(of full-pty kbs) KB/s, best plain reader $best" "$(of full-pty kbs) / $best" ">=" 0.95
        promise_quiet "H3 pty, stuck jobs" "guest writes $(of stuck-pty kbs) KB/s, plain reader beside the same 60 guests $(of stuck-plain kbs)" "$(of stuck-pty kbs) / $(of stuck-plain kbs)" ">=" 0.95
        promise_quiet "H3 unix socket" "guest writes $(of hangdog-unix kbs) KB/s, plain reader $(of plain-unix kbs)" "$(of hangdog-unix kbs) / $(of plain-unix kbs)" ">=" 0.95
    fi
}

# H3 on fake consoles: they count each microsecond for which they could not write.
blocked_of() { # TEXT
    fakes_tell "rate * 50000"
    sleep 5
    fakes_tell "rate * 0"
    sleep 0.5
    fakes_ask stats
    promise "H3 blocked" "100 fake consoles x 50 KB/s$1: $(stat_of blocked_seconds) s ($(calc "$(stat_of bytes) / 1000000" 0) MB)" "$(stat_of blocked_seconds)" "<" 0.005
}
if has h3; then
    mkdir -p "$work/full"
    [ "$(id -u)" != 0 ] || mount -t tmpfs -o size=1m,mode=755 hangdog-bench "$work/full" || true
    mkdir -p "$work/full/state"
    [ "$(id -u)" != 0 ] || head -c 900k /dev/zero >"$work/full/filler" 2>/dev/null
    hd_config "{\"kind\":\"rundir\",\"root\":\"$work/r\",\"console-mode\":\"hold\"}"
    rm -rf "$work/scenarios"
    for state in "" "$work/full/state"; do
        fakes_start 100 0 -s 4096
        hd_start "$state"
        fakes_connected 100 10000
        blocked_of "${state:+, disk full}"
        hd_stop
        fakes_stop
    done
    fakes_start 100 0 -s 4096 -P mute
    hd_scenario 9s 8500ms 9s
    hd_start
    fakes_connected 100 10000
    jobs_stuck 60
    blocked_of ", 60 jobs stuck"
    hd_stop
    fakes_stop
    rm -rf "$work/scenarios"
fi

conserver=
if has h1 && have conserver "H1 conserver"; then conserver=yes; fi
if ! command -v objcopy >/dev/null || ! cc -m32 -c -o "$work/flood.o" "$dir/flood.S" 2>/dev/null; then
    flood_skip "no assembler for x86 here"
elif ! objcopy -O binary -j .text "$work/flood.o" "$work/flood.bin"; then
    flood_skip "objcopy made no boot sector"
elif ! "$build/hangdog" version --json | grep -q '"libvirt":true'; then
    flood_skip "this build has no libvirt"
elif ! lab_init "$work/lab" || ! lab_libvirt_start; then
    flood_skip "no libvirt here"
else
    chmod 711 "$work/lab" "$LAB_DIR" "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
    chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
    libvirt="{\"kind\":\"libvirt\",\"uri\":\"$LAB_URI\"}"
    echo "accelerator: $LAB_ACCEL"
    if flood_run; then flood_report; else echo "H1: the flood guest did not start"; broken=1; fi
fi
