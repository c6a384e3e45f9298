#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# on-host.sh - makes a guest of yours sick from its host: what happens to its QEMU, to its disk's server, to its log.
# For a guest that may be lost, on a host of your own. --help says how.
#
# shellcheck disable=SC2015 # "|| fail" is meant for all before it
# shellcheck disable=SC2317 # the faults are called by their names
set -u
me=${0##*/}

# FAULT | ARGUMENT | what it does | what hangdog says | how it ends | what it needs: q = a QEMU, m = its monitor
faults() { cat <<'EOT'
stop||QEMU is stopped (SIGSTOP)|vmm-stuck|undo|q
kill||QEMU is killed|vmm-dead|reset|q
starve|[PERCENT]|QEMU gets so many percent of one CPU (1), by its control group|host-starved|undo|q
log-blocked||who reads QEMU's output is stopped: QEMU stops as soon as that pipe is full|host-log-blocked|undo|q
server-stopped|PID|that process is stopped: the server (NBD, NFS, iSCSI) of the disk of one guest or of several|storage-stalled|undo|
disk-frozen|DIR|the host's file system, on which the disks lie, is frozen|storage-stalled|undo|
disk-full|DIR|that file system is filled: a disk that grows gets ENOSPC|io-error|undo|
link-down|[NIC]|the cable of the guest's network card is pulled|network-lost|undo|m
crawl|[BYTES]|its first disk may read and write so many bytes a second (2048)|slow|undo|m
memory-taken|MIB|a balloon leaves the guest so much memory|out-of-memory|undo|m
paused||the guest is paused by its monitor, as an operator does|nothing: paused, and no incident|undo|m
EOT
}

help() {
    cat <<EOT
$me FAULT [ARGUMENT] --guest NAME | --pid PID [--qmp SOCKET | --ask COMMAND] [--for SECONDS] [--yes]
$me FAULT [ARGUMENT] --guest NAME | --pid PID --undo

Run it on the host of a guest of your own, while hangdog watches that guest:

    $me stop --guest web --for 60
    $me server-stopped \$(pidof qemu-nbd) --for 60
    $me link-down --guest web --ask "virsh qemu-monitor-command web"
    $me crawl --pid 4711 --qmp /run/hypervisor/kvm/web/qmp      # and later: ... --undo

EOT
    faults | while IFS='|' read -r this with what says end _; do
        printf '  %-14s %-9s %s\n%27shangdog says: %s. Ends by: %s\n' "$this" "$with" "$what" '' "$says" \
            "$([ "$end" = undo ] && echo '--undo, --for' || echo 'starting it again')"
    done
    cat <<EOT

  --guest NAME    the QEMU that was started with -name NAME or -name guest=NAME
  --pid PID       that one
  --qmp SOCKET    its monitor, by socat; nobody else may hold it meanwhile
  --ask COMMAND   who is given each order to the monitor as its last word
  --for SECONDS   it is undone after so long
  --undo          undoes it
  --yes           what kills a guest is not done without it
  --here          it is a QEMU although it is not called so

Exit status: 0 made (or undone), 1 it could not be, 2 wrong use, 3 this is no place for it.
EOT
}

say() { echo "$me: $*" >&2; }
fail() { say "$@"; rm -f "$undo_file"; exit 1; }
wrong() { say "$@" "(--help)"; exit 2; }
wants() { wrong "$1 wants $2, not \"$3\""; }
number() { case $1 in '' | *[!0-9]* | ??????????*) return 1 ;; esac; }

state=/run
[ "$(id -u)" = 0 ] || state=${XDG_RUNTIME_DIR:-$HOME}
state=${HANGDOG_FAULT_STATE:-$state}/hangdog-fault # its test has one of its own
undo_file=''
undo_by() {
    [ -d "$state" ] || mkdir -m 700 "$state"
    echo "$*" >>"$undo_file" || fail "$undo_file can't be written"
}
undo() {
    [ -r "$undo_file" ] || { say "nothing is known of a $fault of that that could be undone"; exit 1; }
    # shellcheck disable=SC1090 # it is what this script wrote
    . "$undo_file"
    rm -f "$undo_file"
}
# In a session of its own: it is undone, too, when the terminal is closed.
waker() {
    [ "$for" -eq 0 ] ||
        setsid sh "$0" "$fault" ${arg:+"$arg"} ${pid:+--pid "$pid"} ${qmp:+--qmp "$qmp"} ${ask:+--ask "$ask"} --here --wait "$for" --undo </dev/null >/dev/null 2>&1 &
}

# ---- who is meant ----

is_qemu() { # PID
    read -r n 2>/dev/null <"/proc/$1/comm" || return 1
    case $n in qemu-system* | qemu-kvm | kvm | qemu) ;; *) return 1 ;; esac
}
find_qemu() {
    if [ -z "$pid" ]; then
        [ -n "$guest" ] || wrong "$fault of which guest? --guest NAME or --pid PID"
        for c in /proc/[0-9]*/comm; do
            p=${c#/proc/}
            p=${p%/comm}
            is_qemu "$p" || continue
            tr '\0' '\n' 2>/dev/null <"/proc/$p/cmdline" | grep -A1 '^-name$' | grep -qE "^(guest=)?$guest(,|\$)" || continue
            [ -z "$pid" ] || fail "several guests are called $guest: --pid PID"
            pid=$p
        done
        [ -n "$pid" ] || { say "no guest $guest runs here"; exit 3; }
    fi
    [ -n "$here" ] || is_qemu "$pid" || { say "process $pid is no QEMU: nothing is done to it. Where it is one, --here says so"; exit 3; }
    kill -0 "$pid" 2>/dev/null || { say "process $pid: not there, or not yours"; exit 3; }
}

# ---- its monitor ----

order() { # JSON: its answer
    if [ -n "$ask" ]; then said=$(sh -c "$ask \"\$1\"" sh "$1" 2>&1)
    elif [ -n "$qmp" ]; then
        command -v socat >/dev/null || fail "--qmp needs socat; or --ask"
        said=$( (printf '%s\n' '{"execute":"qmp_capabilities"}' "$1"; sleep 1) | socat -t 1 - "UNIX-CONNECT:$qmp" 2>&1)
    else wrong "$fault needs its monitor: --qmp SOCKET or --ask COMMAND"; fi
    case $said in *'"error"'* | *rror:*) return 1 ;; *'"return"'*) ;; *) return 1 ;; esac
}
must() { order "$1" || fail "the monitor says: $said"; }
undo_order() { undo_by "order '$1'"; }
first_of() { # KEY of what the monitor said
    echo "$said" | tr '{},' '[\n*3]' | sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\"]*\)\"\{0,1\} *\$/\1/p" | head -n 1
}

# ---- the faults ----

stop() { undo_by "kill -CONT $pid"; waker; kill -STOP "$pid"; }
kill_it() { command kill -9 "$pid"; }
starve() {
    percent=${1:-1}
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        d=/sys/fs/cgroup was=$d$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
        mkdir "$d/hangdog-fault.$pid" && echo "$((percent * 1000)) 100000" >"$d/hangdog-fault.$pid/cpu.max" || fail "no control group with a quota can be made"
    else
        d=/sys/fs/cgroup/cpu was=$d$(sed -n 's/^[0-9]*:[^:]*\bcpu\b[^:]*://p' "/proc/$pid/cgroup" | head -n 1)
        mkdir "$d/hangdog-fault.$pid" && echo 100000 >"$d/hangdog-fault.$pid/cpu.cfs_period_us" &&
            echo $((percent * 1000)) >"$d/hangdog-fault.$pid/cpu.cfs_quota_us" || fail "no control group with a quota can be made"
    fi
    undo_by "echo $pid >'$was/cgroup.procs' || echo $pid >$d/cgroup.procs; rmdir $d/hangdog-fault.$pid"
    waker
    echo "$pid" >"$d/hangdog-fault.$pid/cgroup.procs"
}
log_blocked() {
    out=$(readlink "/proc/$pid/fd/1")
    [ -p "/proc/$pid/fd/1" ] || fail "QEMU's output is no pipe but $out"
    readers=$(for f in /proc/[0-9]*/fd/*; do
        [ "$(readlink "$f")" = "$out" ] || continue
        p=${f#/proc/} p=${p%%/*}
        # Not who has the end that is written to.
        grep -q '^flags:.*1$' "/proc/$p/fdinfo/${f##*/}" || echo "$p"
    done 2>/dev/null | sort -u | tr '\n' ' ')
    [ -n "$readers" ] || fail "who reads QEMU's output was not found"
    undo_by "kill -CONT $readers"
    waker
    # shellcheck disable=SC2086 # pids
    kill -STOP $readers
}
server_stopped() {
    undo_by "kill -CONT $1"
    waker
    kill -STOP "$1" || fail "process $1 can't be stopped"
}
folder() {
    [ -n "$1" ] && [ -d "$1" ] || wants "$fault" "a folder (DIR)" "$1"
    # Who would thaw it writes there, too.
    [ "$(stat -c %d "$1")" != "$(stat -c %d /)" ] || fail "$1 is on this host's root file system: not that"
}
disk_frozen() {
    folder "$1"
    undo_by "fsfreeze --unfreeze '$1'"
    waker
    fsfreeze --freeze "$1" || fail "$1 can't be frozen"
}
disk_full() {
    folder "$1"
    undo_by "rm -f '$1/.hangdog-fault'"
    waker
    dd if=/dev/zero of="$1/.hangdog-fault" bs=64k 2>/dev/null
    df "$1"
}
link_down() {
    nic=$1
    [ -n "$nic" ] || { must '{"execute":"query-rx-filter"}'; nic=$(first_of name); }
    [ -n "$nic" ] || fail "which network card? The monitor knows of none by itself"
    undo_order "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"$nic\",\"up\":true}}"
    waker
    must "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"$nic\",\"up\":false}}"
}
throttle() { # DISK BYTES
    echo "{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"$1\",\"bps\":$2,\"bps_rd\":0,\"bps_wr\":0,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0}}"
}
crawl() {
    must '{"execute":"query-block"}'
    disk=$(first_of qdev)
    [ -n "$disk" ] || fail "the monitor knows of no disk"
    undo_order "$(throttle "$disk" 0)"
    waker
    must "$(throttle "$disk" "${1:-2048}")"
}
memory_taken() {
    must '{"execute":"query-balloon"}'
    was=$(first_of actual)
    [ -n "$was" ] || fail "the monitor does not say how much it has"
    undo_order "{\"execute\":\"balloon\",\"arguments\":{\"value\":$was}}"
    waker
    must "{\"execute\":\"balloon\",\"arguments\":{\"value\":$(($1 * 1048576))}}"
}
paused() {
    undo_order '{"execute":"cont"}'
    waker
    must '{"execute":"stop"}'
}

# ---- what is asked for ----

fault='' arg='' for=0 undo='' yes='' here='' guest='' pid='' qmp='' ask='' wait=0
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) help; exit 0 ;;
        --list) faults; exit 0 ;;
        --undo) undo=1 ;;
        --yes) yes=1 ;;
        --here) here=1 ;;
        --guest | --qmp | --ask) [ -n "${2:-}" ] || wants "$1" "$(case $1 in --guest) echo a name ;; --qmp) echo a socket ;; *) echo a command ;; esac)" ""
            case $1 in --guest) guest=$2 ;; --qmp) qmp=$2 ;; *) ask=$2 ;; esac; shift ;;
        --pid) number "${2:-}" && [ "$2" -gt 1 ] || wants --pid "the PID of one process" "${2:-}"; pid=$2; shift ;;
        --for | --wait) number "${2:-}" && [ "$2" -gt 0 ] || wants "$1" "a number of seconds" "${2:-}"
            case $1 in --for) for=$2 ;; *) wait=$2 ;; esac; shift ;;
        -*) wrong "no option $1" ;;
        *) if [ -z "$fault" ]; then fault=$1; elif [ -z "$arg" ]; then arg=$1; else wrong "$fault takes one argument at most, and \"$1\" is one more"; fi ;;
    esac
    shift
done
[ -n "$fault" ] || { help >&2; exit 2; }
row=$(faults | grep "^$fault|") || wrong "no fault \"$fault\""
case $row in
    *'|[PERCENT]|'*) [ -z "$arg" ] || number "$arg" || wants "$fault" "a number (PERCENT)" "$arg" ;;
    *'|[BYTES]|'*) [ -z "$arg" ] || number "$arg" || wants "$fault" "a number (BYTES)" "$arg" ;;
    *'|MIB|'*) [ -n "$undo" ] || { number "$arg" && [ "$arg" -gt 0 ]; } || wants "$fault" "a number of MiB that are left to it" "$arg" ;;
    *'|PID|'*) number "$arg" && [ "$arg" -gt 1 ] || wants "$fault" "the PID of one process" "$arg" ;;
esac
case $arg in *[!A-Za-z0-9_./-]* | -*) wants "$fault" "one word of letters, digits and _./-" "$arg" ;; esac
case $guest in *[!A-Za-z0-9_.-]*) wants --guest "a name of letters, digits and _.-" "$guest" ;; esac
if [ "${row##*|}" = q ] || { [ "${row##*|}" = m ] && [ -n "$guest$pid" ]; }; then find_qemu; fi
undo_file=$state/host-$fault.${pid:-$(echo "$arg$qmp$ask" | tr -c 'A-Za-z0-9\n' _)}
if [ -n "$undo" ]; then [ "$wait" -eq 0 ] || sleep "$wait"; undo; exit; fi
row=${row%|*}
if [ "${row##*|}" = reset ]; then
    [ "$for" -eq 0 ] || wrong "$fault can't be undone"
    [ -n "$yes" ] || wrong "$fault is the end of this guest: say --yes"
fi
[ ! -e "$undo_file" ] || { undo_file=''; wrong "it is so already: --undo"; }
case $fault in kill) kill_it ;; *) "$(echo "$fault" | tr - _)" "$arg" ;; esac
