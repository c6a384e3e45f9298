#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# in-app.sh - starts an application in a guest of yours and makes it get stuck, or does what can be done to one of your
# own, so that you see what hangdog says of it. Needs root, and systemd where units are meant. --help says how.
#
# shellcheck disable=SC2015 # "|| fail" is meant for all before it
# shellcheck disable=SC2317 # the states are called by their names
# shellcheck disable=SC2016 # what is perl's
set -u
me=${0##*/}

# STATE | ARGUMENT | what it does | what hangdog says | how it ends | whose: any application, or one that heeds the signals as that of "start"
states() { cat <<'EOT'
stopped||it is stopped (SIGSTOP)|application-dead|undo|any
frozen||its control group is frozen, as by "docker pause"|application-dead|undo|any
throttled|[PERCENT]|it may use so many percent of a CPU (1); that of "start", where it is not meant by --pid, works hard, too (USR2)|application-dead or slow|undo|any
crashed||it dies of SIGSEGV|application-dead|restart|any
deadlock||it waits for a lock that nobody gives back (futex); signal USR1|application-dead|restart|start
loop||it goes round in a loop; signal USR2|application-dead|restart|start
queue-full||it takes no connections any more; signal HUP|application-dead|restart|start
oom||it takes memory until it is killed in its control group; signal ALRM|application-dead or out-of-memory|restart|start
blocked|[SERVER]|it reads its file past the cache, again and again; signal TTIN. With SERVER (an address): nothing reaches that any more, whose NFS or 9p the file is on|storage-stalled or application-dead|undo|start
EOT
}

help() {
    cat <<EOT
$me start [--container | --id ID] [--name NAME] [PROGRAM ARGUMENT... | PORT FILE]
$me STATE [ARGUMENT] [--name NAME | --pid PID] [--for SECONDS] [--here]
$me STATE --undo

Run it in a guest of your own, as root, while hangdog watches that guest and asks the application, as by a scenario
{"kind": "console-command", "command": "nc -w 3 127.0.0.1 8080 | grep open"}:

    $me start                   # unit "shop": answers each connection to port 8080 with a line
    $me deadlock                # and in the guest's host: hangdog wait GUEST --verdict any
    $me stopped --name nginx --for 120

EOT
    states | while IFS='|' read -r this with what says end whose; do
        printf '  %-11s %-10s %s\n%25shangdog says: %s. %s. Ends by: %s\n' "$this" "$with" "$what" '' "$says" \
            "$([ "$whose" = any ] && echo 'Any application' || echo 'That of "start"')" \
            "$([ "$end" = undo ] && echo '--undo, --for' || echo 'its restart')"
    done
    cat <<EOT

  --container     it runs as the process of a container does: in namespaces and a scope of its own
  --id ID         the same, and that is the container's (64 hexadecimal digits; else any)
  --name NAME     of the unit, and of the process (shop; started as PROGRAM, that's, without its folders)
  --pid PID       which process
  --for SECONDS   it is undone after so long
  --undo          undoes it
  --here          this is a guest although it does not look like one

start with PROGRAM (beginning with /) runs that, which has to stay in the foreground and to keep its name; else an application of its own, in perl, with 48 MiB at most: by PORT
(8080), FILE (of "blocked", /etc/hostname). A signal CONT ends what USR2 and TTIN began, there.
Exit status: 0 made (or undone), 1 it could not be, 2 wrong use, 3 this is no place for it.
EOT
}

say() { echo "$me: $*" >&2; }
fail() { say "$@"; rm -f "$(undo_file)"; exit 1; }
wrong() { say "$@" "(--help)"; exit 2; }
wants() { wrong "$1 wants $2, not \"$3\""; }
number() { case $1 in '' | *[!0-9]* | ??????????*) return 1 ;; esac; }

# Not for everybody to write to: it is run as root.
for state in ${HANGDOG_FAULT_STATE:-} /run /var/run /dev/shm ''; do [ -d "$state" ] && [ -w "$state" ] && break; done
[ -n "$state" ] || state=/root
state=$state/hangdog-fault
undo_file() { echo "$state/app-$want"; }
undo_by() {
    [ -d "$state" ] || mkdir -m 700 "$state"
    echo "$*" >>"$(undo_file)" || fail "$(undo_file) can't be written"
}
undo() {
    [ -r "$(undo_file)" ] || { say "nothing is known of a $want that could be undone"; exit 1; }
    # shellcheck disable=SC1090 # it is what this script wrote
    . "$(undo_file)"
    rm -f "$(undo_file)"
}
quietly() { setsid sh -c "$1" </dev/null >/dev/null 2>&1 & }
waker() { [ "$for" -eq 0 ] || quietly "sleep $for; . '$(undo_file)'; rm -f '$(undo_file)'"; }

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
systemd=${HANGDOG_FAULT_SYSTEMD:-/run/systemd/system}

# ---- who is meant ----

find_pid() { # of that name, the youngest where there are several: the one in the container
    [ -z "$pid" ] || return 0
    comm=$(printf %.15s "$name") # as much of it as the kernel keeps
    for c in /proc/[0-9]*/comm; do
        read -r n 2>/dev/null <"$c" || continue
        [ "$n" != "$comm" ] || { p=${c#/proc/}; p=${p%/comm}; [ "$p" -lt "${pid:-0}" ] || pid=$p; }
    done
    [ -n "$pid" ]
}
unit_of() { # that the process belongs to
    unit=$(sed -n 's/^0::.*\///p; s/^[0-9]*:name=systemd:.*\///p' "$proc/$pid/cgroup" | head -n 1)
    case $unit in *.service | *.scope) ;; *) fail "process $pid belongs to no unit" ;; esac
}
heeds() { # does it catch HUP, USR1, USR2, ALRM and TTIN, so that none is its end, or something else to it?
    caught=$(sed -n 's/^SigCgt:[^0-9a-f]*//p' "/proc/$pid/status")
    caught=${caught#"${caught%????????}"}
    [ $((0x${caught:-0} & 0x102a01)) = $((0x102a01)) ]
}

# ---- the application ----

# One that needs nothing but perl, without modules that are not in its smallest package.
shop='
use Socket; my ($port, $file, $arch, $name) = @ARGV; my $order = "";
$SIG{PIPE} = "IGNORE"; for my $s (qw(USR1 USR2 HUP ALRM TTIN CONT)) { $SIG{$s} = sub { $order = $s } }
socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in($port, INADDR_ANY)) && listen(S, 2) or die "port $port: $!\n";
$0 = $name;
while (1) {
    my $ok = accept(C, S);
    if ($order eq "USR1") { my $lock = pack("L", 0); syscall($arch =~ /x86_64/ ? 202 : $arch =~ /aarch64|riscv/ ? 98 : 240, $lock, 0, 0, 0, 0, 0) while 1 }
    if ($order eq "USR2") { 1 while $order eq "USR2" }
    if ($order eq "HUP") { sleep while 1 }
    if ($order eq "ALRM") { my @all; push @all, "x" x 1048576 while 1 }
    if ($order eq "TTIN") { while ($order eq "TTIN") { sysopen(F, $file, 040000 * ($arch =~ /x86|i.86/ ? 1 : 4)) || sysopen(F, $file, 0) or select(undef, undef, undef, 0.1); my $b; sysread(F, $b, 4096); close F } }
    next unless $ok; syswrite(C, "$name: open\n"); close C;
}'

start() {
    case ${1:-} in
        /*)
            [ -x "$1" ] || wants PROGRAM "one that can be run" "$1"
            name=${name:-${1##*/}}
            case $name in *[!A-Za-z0-9_.-]*) fail "a unit can't be called $name: --name, where the process has another" ;; esac ;;
        *)
            name=${name:-shop}
            perl=$(command -v perl) || fail "its own application needs perl: give it a PROGRAM"
            number "${1:-8080}" || wants PORT "a number" "$1"
            set -- "$perl" -e "$shop" "${1:-8080}" "${2:-/etc/hostname}" "$(uname -m)" "$name" ;;
    esac
    pid=''
    ! find_pid || fail "a process $name runs already ($pid)"
    unit=$name.service
    if [ ! -d "$systemd" ]; then
        [ -z "$container" ] || fail "--container needs systemd"
        unit=''
        setsid "$@" </dev/null >/dev/null 2>&1 &
    elif [ -n "$container" ]; then
        [ -n "$id" ] || id=$(tr -dc 0-9a-f </proc/sys/kernel/random/uuid)$(tr -dc 0-9a-f </proc/sys/kernel/random/uuid)
        unit=docker-$id.scope
        setsid systemd-run --quiet --scope --unit="docker-$id" --property=MemoryMax=48M --property=MemorySwapMax=0 \
            unshare -pmf --mount-proc "$@" </dev/null >/dev/null 2>&1 &
    else
        systemd-run --quiet --unit="$name" --property=Restart=no --property=MemoryMax=48M --property=MemorySwapMax=0 "$@" ||
            fail "systemd does not start it; systemctl reset-failed $name where an old one is in its way"
    fi
    by=${!:-}
    tries=0
    until find_pid && stays; do
        pid=''
        if [ "$tries" -ge 30 ]; then
            begun_ends
            fail "no process $name came of it: what was begun has been ended"
        fi
        # Who has ended already may have left it behind.
        if begun_lives; then tries=$((tries + 1)); sleep 1; else tries=30; fi
    done
    echo "$name runs: process $pid"
}
stays() { # one that ends at once has been seen for a moment, too
    sleep 1
    case $(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null) in '' | [ZXx]) return 1 ;; esac
}
begun_lives() { if [ -n "$by" ]; then kill -0 "$by" 2>/dev/null; else systemctl is-active --quiet "$unit"; fi; }
begun_ends() {
    [ -z "$by" ] || kill -9 "-$by" 2>/dev/null
    [ -z "$unit" ] || { systemctl stop "$unit"; systemctl reset-failed "$unit"; } 2>/dev/null
}

# ---- the states ----

tell() { find_pid || fail "no process $name runs"; kill "-$1" "$pid" || fail "process $pid can't be told"; }
order() { # SIGNAL, to who takes orders
    find_pid || fail "no process $name runs"
    heeds || fail "process $pid takes no such orders, as that of \"start\" does: SIG$1 may be its end"
    tell "$1"
}
stopped() { find_pid || fail "no process $name runs"; undo_by "kill -CONT $pid"; waker; tell STOP; }
frozen() {
    find_pid || fail "no process $name runs"
    unit_of
    undo_by "systemctl thaw '$unit'"
    waker
    systemctl freeze "$unit" || fail "$unit can't be frozen"
}
throttled() {
    meant=$pid
    find_pid || fail "no process $name runs"
    unit_of
    worker=''
    [ -n "$meant" ] || ! heeds || worker=$pid
    undo_by "systemctl set-property --runtime '$unit' CPUQuota=${worker:+; kill -CONT $worker}"
    waker
    systemctl set-property --runtime "$unit" "CPUQuota=${1:-1}%" || fail "$unit can't be throttled"
    [ -z "$worker" ] || tell USR2
}
crashed() { tell SEGV; }
deadlock() { order USR1; }
loop() { order USR2; }
queue_full() { order HUP; }
oom() { find_pid || fail "no process $name runs"; unit_of; order ALRM; }
blocked() {
    find_pid || fail "no process $name runs"
    undo_by "${1:+ip route del blackhole $1; }kill -CONT $pid"
    waker
    order TTIN
    [ -z "$1" ] || { sleep 1; ip route add blackhole "$1"; } || fail "$1: no route can be made of it"
}

# ---- what is asked for ----

want='' arg='' for=0 undo='' here='' name='' pid='' container='' id=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) help; exit 0 ;;
        --list) states; exit 0 ;;
        --undo) undo=1 ;;
        --yes) ;; # as the others
        --here) here=1 ;;
        --container) container=1 ;;
        --id) id=${2:-}; container=1; case $id in '' | *[!0-9a-f]*) wants --id "hexadecimal digits" "$id" ;; esac; shift ;;
        --name) name=${2:-}; case $name in '' | *[!A-Za-z0-9_.-]*) wants --name "a NAME of letters, digits and _.-" "$name" ;; esac; shift ;;
        --pid) number "${2:-}" && [ "$2" -gt 1 ] || wants --pid "the PID of one process" "${2:-}"; pid=$2; shift ;;
        --for) number "${2:-}" && [ "$2" -gt 0 ] || wants --for "a number of seconds" "${2:-}"; for=$2; shift ;;
        -*) wrong "no option $1" ;;
        *) if [ "$want" = start ]; then break; elif [ -z "$want" ]; then want=$1; elif [ -z "$arg" ]; then arg=$1; else wrong "$want takes one argument at most, and \"$1\" is one more"; fi ;;
    esac
    shift
done
[ -n "$want" ] || { help >&2; exit 2; }
row=$(states | grep "^$want|") || [ "$want" = start ] || wrong "no state \"$want\""
case $arg in *[!A-Za-z0-9_.:/]*) wants "$want" "an address" "$arg" ;; esac
case $row in *'|[PERCENT]|'*) [ -z "$arg" ] || number "$arg" || wants "$want" "a number (PERCENT)" "$arg" ;; esac
why=$(no_guest)
[ -z "$why" ] || [ -n "$here" ] || { say "this is no guest: $why. Where it is one, --here says so"; exit 3; }
[ "$(id -u)" = 0 ] || { say "it needs root"; exit 3; }
if [ "$want" = start ]; then start "$@"; exit; fi
name=${name:-shop}
row=${row%|*}
if [ -n "$undo" ]; then undo; exit; fi
[ "$for" -eq 0 ] || [ "${row##*|}" = undo ] || wrong "$want ends by its restart, not --for"
[ ! -e "$(undo_file)" ] || wrong "it is so already: --undo"
"$(echo "$want" | tr - _)" "$arg"
