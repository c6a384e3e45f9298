#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# in-guest.sh - makes a guest of yours sick, from inside it, so that you see what hangdog says of it.
# No module, no compiler: a POSIX sh (busybox' will do) and root. --help says how, and the table below what there is.
#
# shellcheck disable=SC2015 # "|| fail" is meant for all before it
# shellcheck disable=SC2317 # the faults are called by their names
# shellcheck disable=SC2016 # what a shell of its own does
set -u
me=${0##*/}

# FAULT | ARGUMENT | what it does | what hangdog says | how it ends: undo: by --undo or --for; for: by --for alone; reset
faults() { cat <<'EOT'
panic||the kernel panics (SysRq c)|kernel-panic|reset
init-dead|[SIGNAL]|init gets that signal (SEGV): systemd freezes, others die, and the kernel panics of it|init-dead or kernel-panic|reset
all-stopped||all processes but init are stopped (SIGSTOP)|userspace-stuck|for
tasks-full|[N]|no more than N tasks (400) are allowed, and there are as many|task-exhaustion|for
memory-full||all memory is taken, again whenever who takes it is killed|out-of-memory|for
memory-low||hardly any memory is left, and nothing is killed: all of it reads its own programs again and again|out-of-memory|for
rt-hog||a real-time loop on each CPU|soft-lockup|for
getty-gone||nobody reads the consoles any more|console-lost|undo
shells-stopped||who sits at the consoles is stopped (SIGSTOP)|userspace-stuck|undo
shells-frozen||who sits at the consoles is in a control group that is frozen|userspace-stuck|undo
session-full|[UNIT]|that unit of systemd's (the console's getty) may have one task (TasksMax)|task-exhaustion|undo
program-stopped|NAME|the program NAME is stopped (SIGSTOP), as qemu-ga|application-dead: of what asks it|undo
sshd-dead||sshd is killed and not started again|application-dead|undo
sshd-full|[N]|N connections (100) to sshd that do not log in|application-dead|undo
address-gone|[INTERFACE]|the addresses are taken from it (that of the default route)|network-lost|undo
net-down|[INTERFACE]|it is taken down|network-lost|undo
disk-full|DIR|the file system of DIR is filled|application-dead or filesystem-error|undo
fs-error|DIR|the file system of DIR (ext4) has an error, and becomes read-only|filesystem-error|reset
fs-frozen|DIR|the file system of DIR is frozen: who writes waits|storage-stalled|undo
cpu-hog|[N]|N busy loops (as many as CPUs): busy and not hung|nothing|undo
EOT
}

help() {
    cat <<EOT
$me FAULT [ARGUMENT] [--for SECONDS] [--yes] [--here]
$me FAULT --undo

Run it in a guest of your own, as root, while hangdog watches that guest from its host:

    $me net-down --for 120      # and in the guest's host: hangdog wait GUEST --verdict any
    $me disk-full /srv          # and later: $me disk-full --undo

EOT
    faults | while IFS='|' read -r this with what says end; do
        printf '  %-15s %-11s %s\n%30shangdog says: %s. Ends by: %s\n' "$this" "$with" "$what" '' "$says" \
            "$(case $end in undo) echo '--undo, --for' ;; for) echo '--for, or a reset' ;; *) echo 'a reset of the guest' ;; esac)"
    done
    cat <<EOT

  --for SECONDS   it is undone after so long
  --undo          undoes it
  --yes           what ends by a reset only is not made without it
  --here          this is a guest although it does not look like one

Exit status: 0 made (or undone), 1 it could not be, 2 wrong use, 3 this is no place for it.
EOT
}

say() { echo "$me: $*" >&2; }
fail() { say "$@"; drop_undo; exit 1; }
wrong() { say "$@" "(--help)"; exit 2; }
wants() { wrong "$1 wants $2, not \"$3\""; }
number() { case $1 in '' | *[!0-9]* | ??????????*) return 1 ;; esac; }

# ---- what undoes it: lines of sh, written before it is done, read by a shell that may be the last ----

# Not for everybody to write to: it is run as root.
for state in ${HANGDOG_FAULT_STATE:-} /run /var/run /dev/shm ''; do [ -d "$state" ] && [ -w "$state" ] && break; done
[ -n "$state" ] || state=/root
state=$state/hangdog-fault
make_state() { [ -d "$state" ] || mkdir -m 700 "$state"; }
undo_file() { echo "$state/$fault"; }
undo_by() { make_state && echo "$*" >>"$(undo_file)" || fail "$(undo_file) can't be written"; }
drop_undo() { [ -z "${fault:-}" ] || rm -f "$(undo_file)"; }
undo() {
    [ -r "$(undo_file)" ] || { say "nothing is known of a $fault that could be undone"; exit 1; }
    # shellcheck disable=SC1090 # it is what this script wrote
    . "$(undo_file)"
    drop_undo
}

# later COMMAND - in a second, by nobody's child: the order has been answered by then, and whoever gave it may go with the console.
later() { quietly "sleep 1; $1"; }
# quietly COMMAND - in a session of its own, pid in $by.
quietly() {
    setsid sh -c "$1" </dev/null >/dev/null 2>&1 &
    by=$!
}
# busy COMMAND - quietly, and undone by its end, with all its children.
busy() {
    quietly "$1"
    undo_by "kill -9 -$by 2>/dev/null"
}
# From when it is made, a second from now. Begun before, where nobody might be able to begin any more; neither starved nor chosen when memory is out.
waker() {
    [ "$for" -gt 0 ] || return 0
    quietly "echo -1000 >/proc/self/oom_score_adj; chrt -f -p 99 \$\$; sleep $((for + 1)); . '$(undo_file)'; rm -f '$(undo_file)'"
}

# ---- is it the right place ----

proc=${HANGDOG_FAULT_PROC:-/proc} # its test has one of its own
no_guest() { # why it is none
    for c in "$proc"/[0-9]*/comm; do
        read -r n 2>/dev/null <"$c" || continue
        case $n in
            qemu-system-* | qemu-kvm | kvm | cloud-hyperviso* | firecracker)
                echo "a hypervisor runs here ($n)"; return ;;
        esac
    done
    if grep -q '^flags' "$proc/cpuinfo" 2>/dev/null && ! grep -q '^flags.* hypervisor' "$proc/cpuinfo"; then
        echo "its CPU is no guest's"
    fi
}

# ---- who is meant ----

has_systemd() { [ -d /run/systemd/system ]; }
consoles() {
    read -r all </sys/class/tty/console/active
    for t in $all; do
        if [ "$t" = tty0 ]; then read -r t </sys/class/tty/tty0/active; fi
        echo "$t"
    done
}
sitters() { # PID PARENT of who has a console
    numbers=' '
    for t in $(consoles); do
        IFS=: read -r major minor <"/sys/class/tty/$t/dev" && numbers="$numbers$((major * 256 + minor)) "
    done
    for s in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$s" || continue
        # shellcheck disable=SC2086 # fields; the name may hold blanks
        set -- ${line%% *} ${line##*) }
        case $numbers in *" $6 "*) echo "$1 $3" ;; esac
    done
}
sitting() { # their pids in one line
    sitters | while read -r p _; do printf '%s ' "$p"; done
}
default_interface() {
    set -- "$(ip route | sed -n 's/^default.* dev \([^ ]*\).*/\1/p' | head -n 1)"
    echo "${1:-eth0}"
}
route_back() { # the default route of an interface goes with it
    ip route | grep "^default.* dev $1\( \|\$\)" | while read -r r; do undo_by "ip route add $r 2>/dev/null"; done
}
folder() { [ -n "$1" ] && [ -d "$1" ] || wants "$fault" "a folder (DIR)" "$1"; }
units_of() { # which of those patterns are active
    systemctl list-units --plain --no-legend --state=active "$@" | sed 's/ .*//' | tr '\n' ' '
}

# ---- the faults ----

panic() {
    echo 1 >/proc/sys/kernel/sysrq
    later 'echo c >/proc/sysrq-trigger'
}
init_dead() { later "kill -${1:-SEGV} 1"; }
all_stopped() {
    # It is not sent to who sends it: that one can go on.
    wake=
    [ "$for" -eq 0 ] || wake="sleep $for; kill -CONT -1"
    later "trap '' HUP; kill -STOP -1; $wake"
}
tasks_full() {
    was=$(cat /proc/sys/kernel/pid_max) # read by "read", byte by byte, it has one
    undo_by "echo $was >/proc/sys/kernel/pid_max"
    waker
    echo "${1:-400}" >/proc/sys/kernel/pid_max || fail "${1:-400} tasks: the kernel does not take that"
    busy 'while :; do sleep 100000 & done'
}
memory_full() {
    undo_by : # tail keeps a line that never ends
    waker
    busy 'while :; do tail /dev/zero; done'
}
memory_low() {
    fill=$state/fill
    make_state && mkdir -p "$fill" && mount -t tmpfs -o size=95% fill "$fill" || fail "no tmpfs can be mounted"
    undo_by "umount -l $fill; rmdir $fill"
    waker
    # To nine MiB; who fills is not the one that is killed.
    busy 'echo -1000 >/proc/self/oom_score_adj
        while :; do
            a=$(sed -n "s/^MemAvailable: *\([0-9]*\).*/\1/p" /proc/meminfo)
            n=$((a / 1024 - 9))
            if [ $n -gt 0 ]; then dd if=/dev/zero bs=1M count=$n >>'"$fill"'/f; else sleep 1; fi
        done'
    all="while :; do cat /usr/lib/*-linux-gnu*/*.so* /usr/lib/*.so* /usr/bin/* /bin/*; done"
    busy "$all"
    busy "$all"
}
rt_hog() {
    command -v chrt >/dev/null && command -v taskset >/dev/null || fail "it needs chrt and taskset"
    was=$(cat /proc/sys/kernel/sched_rt_runtime_us)
    undo_by "echo $was >/proc/sys/kernel/sched_rt_runtime_us"
    waker
    echo -1 >/proc/sys/kernel/sched_rt_runtime_us
    n=$(grep -c ^processor /proc/cpuinfo)
    while [ "$n" -gt 0 ]; do
        n=$((n - 1))
        busy "sleep 1; exec taskset -c $n chrt -f 98 sh -c 'while :; do :; done'"
    done
}
getty_gone() {
    if has_systemd; then
        units=$(units_of 'serial-getty@*' 'getty@*' 'console-getty*')
        [ -n "$units" ] || fail "no getty runs"
        undo_by "systemctl start $units"
        waker
        later "systemctl stop $units"
        return
    fi
    # Who starts it anew goes first; init does that itself, and cannot be told to leave it.
    who=$(sitters | while read -r p parent; do [ "$parent" -le 1 ] || printf '%s ' "$parent"; printf '%s ' "$p"; done)
    [ -n "$who" ] || fail "nobody sits at a console"
    say "only a reset ends that where there is no systemd; where init starts gettys, take them out of /etc/inittab first"
    later "kill -9 $who"
}
shells_stopped() {
    who=$(sitting)
    [ -n "$who" ] || fail "nobody sits at a console"
    undo_by "kill -CONT $who 2>/dev/null"
    waker
    later "kill -STOP $who"
}
shells_frozen() {
    who=$(sitting)
    [ -n "$who" ] || fail "nobody sits at a console"
    cg=$(while read -r _ dir type _; do if [ "$type" = cgroup2 ]; then echo "$dir"; break; fi; done </proc/mounts)
    if [ -z "$cg" ]; then
        cg=$state/cgroup
        make_state && mkdir -p "$cg" && mount -t cgroup2 cgroup2 "$cg" || fail "no control groups here"
    fi
    mkdir "$cg/fault" || fail "no control group can be made"
    undo_by "echo 0 >$cg/fault/cgroup.freeze; for p in $who; do echo \$p >$cg/cgroup.procs; done 2>/dev/null; rmdir $cg/fault"
    waker
    later "for p in $who; do echo \$p >$cg/fault/cgroup.procs; done; echo 1 >$cg/fault/cgroup.freeze"
}
session_full() {
    has_systemd || fail "it needs systemd"
    unit=${1:-serial-getty@$(consoles | tail -n 1).service}
    was=$(systemctl show -P TasksMax "$unit") || fail "$unit: no such unit"
    undo_by "systemctl set-property --runtime '$unit' TasksMax=$was"
    waker
    systemctl set-property --runtime "$unit" TasksMax=1 || fail "$unit: TasksMax can't be set"
}
program_stopped() {
    [ -n "$1" ] || wants "$fault" "the NAME of a program" ""
    who=$(pidof "$1") || fail "no program $1 runs"
    undo_by "kill -CONT $who 2>/dev/null"
    waker
    # shellcheck disable=SC2086 # pids
    kill -STOP $who
}
sshd_dead() {
    if has_systemd; then
        units=$(units_of ssh.socket ssh.service sshd.socket sshd.service)
        [ -n "$units" ] || fail "no sshd runs"
        undo_by "systemctl start $units"
        waker
        # shellcheck disable=SC2086 # names
        systemctl kill -s KILL $units 2>/dev/null
        # shellcheck disable=SC2086
        systemctl stop $units
        return
    fi
    who=$(pidof sshd) || fail "no sshd runs"
    # Its own way to start again is not known here.
    exe=$(readlink "/proc/${who##* }/exe") && undo_by "$exe"
    waker
    # shellcheck disable=SC2086
    kill -9 $who
}
sshd_full() {
    if command -v bash >/dev/null; then one="bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; sleep 100000'"
    else one="sleep 100000 | nc 127.0.0.1 22"; fi
    busy "i=0; while [ \$i -lt ${1:-100} ]; do $one & i=\$((i + 1)); done; wait"
    waker
    sleep 1
}
address_gone() {
    dev=${1:-$(default_interface)}
    ip -o addr show dev "$dev" scope global >/dev/null || fail "no interface $dev"
    ip -o addr show dev "$dev" scope global | while read -r _ _ _ cidr _; do undo_by "ip addr add $cidr dev $dev"; done
    route_back "$dev"
    waker
    later "ip addr flush dev $dev"
}
net_down() {
    dev=${1:-$(default_interface)}
    [ -e "/sys/class/net/$dev" ] || fail "no interface $dev"
    undo_by "ip link set $dev up"
    route_back "$dev"
    waker
    later "ip link set $dev down"
}
disk_full() {
    folder "$1"
    undo_by "rm -f '$1/.hangdog-fault' '$1/.hangdog-fault.more'"
    waker
    dd if=/dev/zero of="$1/.hangdog-fault" bs=64k 2>/dev/null
    dd if=/dev/zero of="$1/.hangdog-fault.more" bs=4k 2>/dev/null
    df "$1"
}
fs_error() {
    folder "$1"
    dev=$(df -P "$1" | sed -n '2s/ .*//p')
    where=$(df -P "$1" | sed -n '2s/.* //p')
    dev=$(readlink -f "$dev")
    [ -w "/sys/fs/ext4/${dev##*/}/trigger_fs_error" ] || fail "$1 is no ext4, or this kernel cannot be told to find an error there"
    mount -o remount,errors=remount-ro "$where" && echo "$me" >"/sys/fs/ext4/${dev##*/}/trigger_fs_error"
}
fs_frozen() {
    folder "$1"
    undo_by "fsfreeze --unfreeze '$1'"
    waker
    fsfreeze --freeze "$1" || fail "$1 can't be frozen"
}
cpu_hog() {
    n=${1:-$(grep -c ^processor /proc/cpuinfo)}
    while [ "$n" -gt 0 ]; do busy 'while :; do :; done'; n=$((n - 1)); done
    waker
}

# ---- what is asked for ----

fault='' arg='' for=0 undo='' yes='' here=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) help; exit 0 ;;
        --list) faults; exit 0 ;;
        --undo) undo=1 ;;
        --yes) yes=1 ;;
        --here) here=1 ;;
        --for) number "${2:-}" && [ "$2" -gt 0 ] || wants --for "a number of seconds" "${2:-}"; for=$2; shift ;;
        -*) wrong "no option $1" ;;
        *) if [ -z "$fault" ]; then fault=$1; elif [ -z "$arg" ]; then arg=$1; else wrong "$fault takes one argument at most, and \"$1\" is one more"; fi ;;
    esac
    shift
done
[ -n "$fault" ] || { help >&2; exit 2; }
row=$(faults | grep "^$fault|") || { f=$fault; fault=''; wrong "no fault \"$f\""; }
end=${row##*|}
case $row in *'|[N]|'*) [ -z "$arg" ] || number "$arg" || wants "$fault" "a number (N)" "$arg" ;; esac
case $arg in *[!A-Za-z0-9_.@/:+-]* | -*) wants "$fault" "one word of letters, digits and _.@/:+-" "$arg" ;; esac
why=$(no_guest)
[ -z "$why" ] || [ -n "$here" ] || { say "this is no guest: $why. Where it is one, --here says so"; exit 3; }
[ "$(id -u)" = 0 ] || { say "it needs root"; exit 3; }
if [ -n "$undo" ]; then undo; exit; fi
[ "$for" -eq 0 ] || [ "$end" != reset ] || wrong "$fault ends by a reset alone, not --for"
if [ -z "$yes" ] && [ "$for" -eq 0 ] && [ "$end" != undo ]; then
    wrong "$fault ends by a reset of this guest: say --yes"
fi
if [ -e "$(undo_file)" ]; then fault=''; wrong "it is so already: --undo"; fi
"$(echo "$fault" | tr - _)" "$arg"
