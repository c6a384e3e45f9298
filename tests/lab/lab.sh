# shellcheck shell=bash disable=SC2015,SC2016,SC2034
# SPDX-License-Identifier: Apache-2.0
#
# lab.sh - real guests for tests. A bash library: source it, then lab_init. docs/lab.md is its manual.
#
#   . tests/lab/lab.sh
#   lab_init "$workdir" || exit $?          # 77 when something it needs is missing
#   lab_trap
#   lab_start_eve web profile=shell || exit $?
#   lab_wait_console web '~ # ' 60
#   lab_ctl web lab-fault mutex
#   lab_stop_all
#
# Every process it starts is written down with its start time before anything else happens, and is
# killed by that pair and by nothing else: a pid alone may be somebody else's by then.
#
# SC2034: what is set here is used by the pieces beside it, too.

LAB_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_CACHE=${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hangdog-lab}
export LAB_CACHE
LAB_QEMU=${LAB_QEMU:-qemu-system-x86_64}
LAB_DIR=
LAB_URI='' LAB_URI2=''
LAB_ACCEL=

. "$LAB_SRC/eve.sh"
. "$LAB_SRC/libvirt.sh"
. "$LAB_SRC/ended.sh"

lab_log() { echo "lab: $*" >&2; }
lab_fail() { echo "lab: $*" >&2; return 1; }
# 77 is automake's "skipped": the test cannot run here, which is not the same as failing.
lab_skip() { echo "lab: skipped: $*" >&2; return 77; }

# ---- processes ----

# lab_spawn LABEL LOGFILE PROGRAM ARG... - starts a session of its own and writes it down.
lab_spawn() {
    local label=$1 id
    shift
    id=$("$LAB_TOOL" spawn "$@") || return 1
    echo "$id" >"$LAB_DIR/pids/$label"
}

lab_pid() { # LABEL: its pid, if it still is that process
    local pid start
    [ -e "$LAB_DIR/pids/$1" ] && read -r pid start <"$LAB_DIR/pids/$1" || return 1
    [ "$("$LAB_TOOL" starttime "$pid" 2>/dev/null)" = "$start" ] || return 1
    echo "$pid"
}

lab_adopt() { # LABEL PID: a process that somebody else (libvirtd) started for us
    local start
    start=$("$LAB_TOOL" starttime "$2") || return 1
    echo "$2 $start" >"$LAB_DIR/pids/$1"
}

# lab_kill LABEL [SECONDS] - SIGTERM (and SIGCONT: a test may have stopped it), then SIGKILL.
lab_kill() {
    local pid n=0 max=$((${2:-3} * 20))
    if pid=$(lab_pid "$1"); then
        kill -TERM "$pid" 2>/dev/null
        kill -CONT "$pid" 2>/dev/null
        while lab_pid "$1" >/dev/null && [ $n -lt $max ]; do sleep 0.05; n=$((n + 1)); done
        if lab_pid "$1" >/dev/null; then
            kill -KILL "$pid" 2>/dev/null
            n=0
            while lab_pid "$1" >/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
            lab_pid "$1" >/dev/null && { lab_fail "$1 (pid $pid) survived SIGKILL: a thread in D?"; return 1; }
        fi
    fi
    rm -f "$LAB_DIR/pids/$1"
    return 0
}

# ---- set-up ----

# lab_init [DIR] - the work folder. Sets LAB_DIR, where sockets live; when DIR is too long for a unix
# socket below it, LAB_DIR is a short folder under /tmp and DIR/lab points to it.
lab_init() {
    local t dir=${1:-} hash cc
    for t in "$LAB_QEMU" flock; do
        command -v "$t" >/dev/null || { lab_skip "$t is missing: install qemu-system-x86 and util-linux"; return; }
    done
    read -ra cc <<<"${CC:-cc}" # "ccache gcc" is one, too
    command -v "${cc[0]}" >/dev/null || { lab_skip "no C compiler: install gcc or set CC"; return; }
    mkdir -p "$LAB_CACHE" || return 1
    hash=$(sha256sum <"$LAB_SRC/labtool.c" | cut -c1-12)
    LAB_TOOL=$LAB_CACHE/labtool-$hash
    if [ ! -x "$LAB_TOOL" ]; then
        "${cc[@]}" -O2 -Wall -o "$LAB_TOOL.$$" "$LAB_SRC/labtool.c" && mv "$LAB_TOOL.$$" "$LAB_TOOL" ||
            { lab_fail "labtool.c did not build"; return 1; }
    fi
    LAB_OWN_DIR=
    LAB_LINK=
    if [ -z "$dir" ]; then
        LAB_DIR=$(mktemp -d /tmp/hl.XXXXXX) || return 1
        LAB_OWN_DIR=$LAB_DIR
    else
        mkdir -p "$dir" && dir=$(cd "$dir" && pwd -P) || return 1
        # <DIR>/run/hypervisor/kvm/<36>.1.1/listener.qmp must stay below 108 bytes.
        if [ ${#dir} -le 33 ]; then
            LAB_DIR=$dir
        else
            LAB_DIR=$(mktemp -d /tmp/hl.XXXXXX) || return 1
            LAB_OWN_DIR=$LAB_DIR
            LAB_LINK=$dir/lab
            ln -sfn "$LAB_DIR" "$LAB_LINK"
        fi
    fi
    LAB_RUN=$LAB_DIR/run
    mkdir -p "$LAB_DIR/pids" "$LAB_DIR/g" "$LAB_RUN"
    lab_accel
    return 0
}

# lab_accel - sets LAB_ACCEL: tcg, or kvm when ACCEL=kvm and a guest really ran under it.
lab_accel() {
    LAB_ACCEL=tcg
    [ "${ACCEL:-tcg}" = kvm ] || return 0
    # The reset vector of a 64 KiB ROM writes to the exit port: ten bytes that only a working KVM
    # executes. That the device can be opened says nothing.
    local rom=$LAB_DIR/kvm-try.rom rc
    head -c 65520 /dev/zero >"$rom"
    printf '\260\020\346\364\364\353\375\220\220\220\220\220\220\220\220\220' >>"$rom"
    timeout 5 "$LAB_QEMU" -accel kvm -machine q35 -m 16 -display none -nodefaults -monitor none \
        -bios "$rom" -device isa-debug-exit,iobase=0xf4,iosize=4 >/dev/null 2>&1 </dev/null
    rc=$?
    rm -f "$rom"
    if [ $rc = 33 ]; then
        LAB_ACCEL=kvm
    else
        lab_log "ACCEL=kvm was asked for, but no guest runs under it here: using tcg"
    fi
}

# lab_disk FILE SIZE - a raw ext4 disk, in FILE (made anew).
lab_disk() {
    command -v mkfs.ext4 >/dev/null || { lab_skip "mkfs.ext4 is missing: install e2fsprogs"; return; }
    rm -f "$1"
    truncate -s "$2" "$1" && mkfs.ext4 -q -F "$1"
}

# lab_uuid NAME - the same each time in one lab; another in another, since a host has each uuid once.
lab_uuid() {
    local h
    h=$(printf '%s' "$LAB_DIR/$1" | md5sum)
    echo "${h:0:8}-${h:8:4}-4${h:13:3}-8${h:17:3}-${h:20:12}"
}

# lab_get NAME KEY - pid uuid domain qmp cons shim ctl log port dir disk kind ... of a guest.
lab_get() {
    if [ "$2" = pid ]; then
        lab_pid "guest.$1"
    else
        sed -n "s/^$2=//p" "$LAB_DIR/g/$1/env" 2>/dev/null | grep . | tail -n 1
    fi
}

lab_set() { echo "$2=$3" >>"$LAB_DIR/g/$1/env"; }

# Options to o_* variables, which the callers declare local (bash's scope is dynamic).
lab_options() {
    local a
    o_kernel=6.1 o_system=busybox o_profile=shell o_smp=2 o_mem='' o_net=yes o_kind=vm o_serial=pty o_start=yes o_standin=yes
    o_agent=no o_sshd=no o_pvpanic=no o_watchdog=no o_vmcoreinfo=no
    o_sysrq='' o_machine='' o_consoles='' o_disk='' o_noisy='' o_append='' o_cpu='' o_log='' o_args=''
    o_quiet='' o_incoming='' o_port='' o_devices='' o_crash=preserve
    for a in "$@"; do
        case $a in
            kernel=*|profile=*|sysrq=*|smp=*|mem=*|machine=*|consoles=*|disk=*|net=*|noisy=*|append=*|\
            cpu=*|kind=*|log=*|serial=*|args=*|agent=*|sshd=*|pvpanic=*|watchdog=*|quiet=*|incoming=*|\
            port=*|start=*|standin=*|vmcoreinfo=*|system=*|devices=*|crash=*)
                printf -v "o_${a%%=*}" '%s' "${a#*=}" ;;
            *) lab_fail "unknown option '$a': see docs/lab.md"; return 2 ;;
        esac
    done
    case $o_system in busybox) o_mem=${o_mem:-256} ;; systemd) o_mem=${o_mem:-512} ;; *) lab_fail "system=$o_system: busybox or systemd"; return 2 ;; esac
    o_mem=${o_mem%M}
    case $o_kind in vm|container) ;; *) lab_fail "kind=$o_kind: vm or container"; return 2 ;; esac
    case $o_profile in shell|login|none|quiet) ;; *) lab_fail "profile=$o_profile: shell, login, none or quiet"; return 2 ;; esac
    # QEMU 7.2's TCG runs cmpxchg16b wrongly for kernel 6.12 on two CPUs: a guest without it is well.
    if [ -z "$o_cpu" ]; then
        o_cpu=host
        [ "$LAB_ACCEL" = tcg ] && o_cpu=qemu64,-cx16
    fi
    return 0
}

lab_image() { # KERNEL [AGENT [SSHD]]: sets img_kernel and img_initrd; "-": there is none
    local line parts=()
    [ "${2:-}" != run ] || parts+=(agent)
    [ "${3:-no}" = no ] || parts+=(sshd)
    img_kernel=- img_initrd=- img_arch=amd64
    [ "$1" != none ] || return 0
    line=$("$LAB_SRC/image" "$1" ${parts[@]+"${parts[@]}"}) || return
    read -r img_kernel img_initrd _ <<<"$line"
    case $1 in *-arm64) img_arch=arm64 ;; esac
}

# lab_system NAME - the disk of a guest that has one: an overlay of its own on the image, which stays as it
# was built. Sets o_sysdisk.
lab_system() {
    local line base secrets
    o_sysdisk=
    [ "$o_system" = systemd ] || return 0
    line=$("$LAB_SRC/systemd-image" "$o_kernel") || return
    read -r base secrets <<<"$line"
    o_sysdisk=$LAB_DIR/g/$1/system.qcow2
    # What a saved guest's memory knows of its disk is so of the disk as it was then.
    if [ -n "$o_incoming" ]; then
        cp --sparse=always "$o_incoming.system" "$o_sysdisk" || return 1
    else
        qemu-img create -q -f qcow2 -F qcow2 -b "$base" "$o_sysdisk" || return 1
    fi
    lab_set "$1" system "$o_system"
    lab_set "$1" secrets "$secrets"
}

lab_cmdline() { # the kernel's command line from the o_* options
    local c IFS=,
    for c in $o_consoles; do printf 'console=%s ' "$c"; done
    # A panicked guest stays: what became of it is what a test looks at.
    printf 'panic=0 lab.consoles=%s lab.profile=%s' "${o_shell_consoles:-$o_consoles}" "$o_profile"
    [ -n "$o_sysrq" ] && printf ' lab.sysrq=%s' "$o_sysrq"
    [ -n "$o_noisy" ] && printf ' lab.noisy=%s' "$o_noisy"
    [ "$o_profile" = quiet ] || [ -n "$o_quiet" ] && printf ' quiet'
    [ "$o_system" = systemd ] && printf ' lab.system=systemd net.ifnames=0'
    [ "$o_agent" = run ] && printf ' lab.agent=1'
    [ "$o_sshd" = yes ] && printf ' lab.sshd=1'
    [ -n "$o_append" ] && printf ' %s' "$o_append"
    printf '\n'
}

# ---- a guest that runs ----

# lab_until SECONDS COMMAND [LABEL] - waits for the command to succeed; gives up when LABEL has died. So many
# seconds are enough for a quiet machine; three times as long is waited.
lab_until() {
    local n=0 max=$(($1 * 120)) # six times as long: a bound against hanging
    while ! eval "$2" 2>/dev/null; do
        if [ -n "${3:-}" ] && ! lab_pid "$3" >/dev/null; then
            eval "$2" 2>/dev/null && return 0
            return 2
        fi
        [ $n -lt $max ] || return 1
        sleep 0.05
        n=$((n + 1))
    done
    return 0
}

# lab_qmp NAME COMMAND... - over a monitor of the lab's own, so that "qmp" stays free for who is tested.
lab_qmp() {
    local name=$1
    shift
    if [ "$(lab_get "$name" launcher)" = libvirt ]; then
        local c rc=0
        for c in "$@"; do
            case $c in '{'*) ;; *) c="{\"execute\":\"$c\"}" ;; esac
            lab_virsh qemu-monitor-command "$name" "$c" || rc=5
        done
        return $rc
    fi
    "$LAB_TOOL" qmp "$(lab_get "$name" labqmp)" "${LAB_TIMEOUT:-10}" "$@"
}

# lab_ctl NAME COMMAND... - runs it in the guest by sh; its output, its exit code; 124: no answer.
lab_ctl() {
    local name=$1
    shift
    "$LAB_TOOL" ctl "$(lab_get "$name" ctl)" "${LAB_TIMEOUT:-20}" "$*"
}

# lab_wait_console NAME REGEX SECONDS [FROM] - waits for text in the console's log, from byte FROM on
# (see lab_console_size). Reads the log, so it takes the console from nobody.
lab_wait_console() {
    local log
    log=$(lab_get "$1" log) || { lab_fail "no guest '$1'"; return 1; }
    # grep reads bytes: a guest may print anything.
    lab_until_up "$1" "$3" "tail -c +$((${4:-0} + 1)) '$log' | LC_ALL=C grep -aqE -- '$2'" && return 0
    # Of one that has ended the console has been shown.
    lab_pid "guest.$1" >/dev/null || { lab_fail "'$2' was not seen on the console of '$1'"; return 1; }
    lab_fail "'$2' not seen on the console of '$1' in $3 s; its last lines:"
    tail -n 5 "$log" | cat -v | sed 's/^/lab:   /' >&2
    return 1
}

lab_console_size() { stat -c %s "$(lab_get "$1" log)"; }

# lab_wait_up NAME SECONDS - waits until the guest answers on lab.ctl.
lab_wait_up() {
    local rc=0
    lab_until_up "$1" "$2" "LAB_TIMEOUT=2 lab_ctl '$1' true" || rc=$?
    case $rc in
        0) ;;
        2) lab_fail "'$1' did not come up: its process has ended" ;;
        *) lab_fail "'$1' did not come up in $2 s" ;;
    esac
}

# lab_sshd NAME DIR - starts the sshd of a guest with sshd=yes. DIR, made by it: "key" opens it for root, "host.pub" is
# the guest's, "known_hosts" has it at lab_get NAME port.
lab_sshd() {
    local f
    mkdir -p "$2" || return 1
    for f in key host; do ssh-keygen -q -t ed25519 -N '' -C '' -f "$2/$f" || return 1; done
    echo "[127.0.0.1]:$(lab_get "$1" port) $(cut -d' ' -f1,2 "$2/host.pub")" >"$2/known_hosts"
    # A whole distribution has its own sshd, with keys of its own, and takes its folder away with it.
    lab_ctl "$1" "! [ -d /run/systemd/system ] || systemctl stop ssh; umask 077; echo '$(base64 -w0 "$2/host")' | base64 -d >/etc/ssh/hostkey && echo '$(cat "$2/key.pub")' >/etc/ssh/authorized && mkdir -p -m 755 /run/sshd && /sbin/sshd -h /etc/ssh/hostkey -o AuthorizedKeysFile=/etc/ssh/authorized" >/dev/null ||
        lab_fail "no sshd in '$1': start the guest with sshd=yes"
}

# lab_disk_stall NAME / lab_disk_flow NAME - the host stops, and goes on, answering the guest's disk.
lab_disk_stall() { lab_throttle "$1" 1; }
lab_disk_flow() { lab_throttle "$1" 0; }
lab_throttle() {
    # The frontend's own object: -drive and -blockdev both find it by this path, by its id neither does.
    local id=/machine/peripheral/virtio-disk0/virtio-backend
    # 1 byte a second: the first request passes, what follows waits for hours.
    lab_qmp "$1" "{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"$id\",\"bps\":$2,\"bps_rd\":0,\"bps_wr\":0,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0}}" >/dev/null
}

# ---- saved guests ----

# lab_save NAME SNAP - writes the running guest to the files SNAP*; it runs on. EVE guests only.
lab_save() {
    local name=$1 snap=$2 disk
    rm -f "$snap" "$snap.options" "$snap.disk" "$snap.system"
    LAB_TIMEOUT=120 lab_qmp "$name" stop \
        "{\"execute\":\"migrate-set-parameters\",\"arguments\":{\"max-bandwidth\":4294967296}}" \
        "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat >$snap.part\"}}" >/dev/null ||
        { lab_fail "saving '$name' did not start"; return 1; }
    lab_until 120 "lab_qmp '$name' query-migrate | grep -qE '\"status\": \"(completed|failed)\"'" "guest.$name"
    lab_qmp "$name" query-migrate | grep -q '"status": "completed"' || { lab_fail "saving '$name' failed"; return 1; }
    disk=$(lab_get "$name" disk)
    [ -z "$disk" ] || cp --sparse=always "$disk" "$snap.disk"
    [ "$(lab_get "$name" system)" != systemd ] || cp --sparse=always "$LAB_DIR/g/$name/system.qcow2" "$snap.system"
    cp "$LAB_DIR/g/$name/options" "$snap.options"
    mv "$snap.part" "$snap"
    lab_qmp "$name" cont >/dev/null
}

# lab_restore NAME SNAP [OPTION=VALUE]... - a guest that goes on where SNAP was taken. Options that
# change the machine (smp, mem, kernel, ...) must stay as they were.
lab_restore() {
    local name=$1 snap=$2 opts=() disk=()
    shift 2
    [ -e "$snap" ] || { lab_fail "no saved state '$snap'"; return 1; }
    mapfile -t opts <"$snap.options"
    [ "${opts[0]:-}" != "" ] || opts=()
    if [ -e "$snap.disk" ]; then
        cp --sparse=always "$snap.disk" "$LAB_DIR/$name.restored.disk"
        disk=("disk=$LAB_DIR/$name.restored.disk")
    fi
    lab_start_eve "$name" "${opts[@]}" "${disk[@]}" "$@" "incoming=$snap"
}

# lab_eve_text - all that an EVE guest is started by: where it is another, a saved one is of no use.
lab_eve_text() { cat "$LAB_SRC/lab.sh" "$LAB_SRC/eve.sh"; }

# lab_boot_eve NAME [OPTION=VALUE]... - lab_start_eve and waiting until it is up, from a state saved
# earlier in the cache when there is one. What tests use that do not look at the boot itself.
lab_boot_eve() {
    local name=$1 key snap img a
    shift
    img=$("$LAB_SRC/image" "$(printf '%s\n' "$@" | sed -n 's/^kernel=//p' | grep . || echo 6.1)") || return
    case " $* " in *" disk="*|*" system=systemd "*) lab_start_eve "$name" "$@" && lab_wait_up "$name" 90; return ;; esac
    key=$( (echo "$img $LAB_ACCEL"; printf '%s\n' "$@"; "$LAB_QEMU" --version; lab_eve_text) | sha256sum | cut -c1-16)
    snap=$LAB_CACHE/state-$key
    if [ -e "$snap" ]; then
        lab_restore "$name" "$snap" && lab_wait_up "$name" 30 && return 0
        lab_log "the saved state $snap is of no use: booting"
        lab_stop "$name"
        rm -f "$snap" "$snap.options"
    fi
    lab_start_eve "$name" "$@" || return
    lab_wait_up "$name" 90 || return
    # Settled: the shell has its prompt out before the state is taken.
    a=$(lab_get "$name" log)
    case " $* " in *" profile=none "*|*" profile=login "*) ;; *) lab_until 30 "grep -aqF '~ # ' '$a'" "guest.$name" ;; esac
    (
        flock -n 9 || exit 0
        [ -e "$snap" ] || lab_save "$name" "$snap"
        # 100 MB each, and a changed lab makes all of them useless: the newest eight stay.
        find "$LAB_CACHE" -maxdepth 1 -name 'state-????????????????' -printf '%T@ %p\n' | sort -rn |
            tail -n +9 | cut -d' ' -f2- | while read -r old; do rm -f "$old" "$old.options"; done
    ) 9>"$snap.lock"
    rm -f "$snap.lock"
}

# ---- the end ----

# lab_stop NAME - as its owner would, then by force; afterwards nothing of the guest is left.
lab_stop() {
    local name=$1 g=$LAB_DIR/g/$1 uuid dir pid
    [ -e "$g" ] || return 0
    if [ "$(lab_get "$name" launcher)" = libvirt ]; then
        # A stopped QEMU does not answer libvirt, which then waits for it.
        pid=$(lab_pid "guest.$name") && kill -CONT "$pid" 2>/dev/null
        if [ -n "$LAB_URI" ] && lab_pid libvirtd >/dev/null; then
            timeout 20 virsh -q -c "$LAB_URI" destroy "$name" >/dev/null 2>&1 </dev/null
            timeout 20 virsh -q -c "$LAB_URI" undefine "$name" >/dev/null 2>&1 </dev/null
        fi
    fi
    lab_kill "guest.$name" || return 1
    lab_kill "pillar.$name"
    lab_kill "logpump.$name"
    if [ "$(lab_get "$name" launcher)" = eve ]; then
        uuid=$(lab_get "$name" uuid)
        dir=$(lab_get "$name" dir)
        rm -rf "$dir" "$LAB_RUN/domainmgr/DomainStatus/$uuid.json" "$LAB_RUN/zedmanager/AppInstanceStatus/$uuid.json" \
            "$LAB_RUN/zedrouter/AppNetworkStatus/$uuid.json" "$LAB_RUN/zedagent/AppInstanceConfig/$uuid.json"
    fi
    # The last console log stays: it is what one wants after a failure.
    mkdir -p "$LAB_DIR/logs"
    cp "$g/console.log" "$LAB_DIR/logs/$name.console.log" 2>/dev/null
    rm -rf "$g" "$LAB_DIR/$name.restored.disk"
    return 0
}

# lab_strays - the pids of QEMUs of this lab, also of those that nobody wrote down: libvirt starts one by itself where a managed
# save is begun again, and at a migration's other end. Not every command line names the lab's folder, since libvirt
# hands files over open; so it is theirs, too, who sees the lab's folder in the place of /run/libvirt.
lab_strays() {
    local p lv
    for p in /proc/[0-9]*; do
        case $(readlink "$p/exe" 2>/dev/null) in */qemu-system-*) ;; *) continue ;; esac
        if tr '\0' '\n' <"$p/cmdline" 2>/dev/null | grep -qF "$LAB_DIR/"; then
            echo "${p##*/}"
            continue
        fi
        for lv in "$LAB_DIR"/lv "$LAB_DIR"/lv2; do
            [ ! "$p/root/run/libvirt" -ef "$lv/run" ] || echo "${p##*/}"
        done
    done
}

# lab_stop_strays - when nobody is left who would start another.
lab_stop_strays() {
    local p
    for p in $(lab_strays); do
        lab_log "a stray QEMU is ended: pid $p"
        kill -KILL "$p" 2>/dev/null
    done
}

# lab_stop_all - every guest, then every daemon, then whatever else is written down.
lab_stop_all() {
    local f
    [ -n "$LAB_DIR" ] && [ -d "$LAB_DIR/pids" ] || return 0
    for f in "$LAB_DIR"/g/*; do [ -e "$f" ] && lab_stop "${f##*/}"; done
    lab_kill libvirtd
    lab_kill libvirtd2
    lab_stop_strays
    lab_kill virtlogd
    lab_kill virtlogd2
    for f in "$LAB_DIR"/pids/*; do [ -e "$f" ] && lab_kill "${f##*/}"; done
    LAB_URI=
    return 0
}

# lab_trap - from now on everything is stopped however this shell ends, SIGKILL excepted (see reap).
lab_trap() {
    trap lab_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# lab_cleanup - what lab_trap runs: stops all, removes what lab_init made, keeps the exit status. With
# LAB_KEEP=1 the folder stays. A test with an EXIT trap of its own calls this last in it.
lab_cleanup() {
    local rc=$?
    trap '' INT TERM
    lab_stop_all
    if [ -n "$LAB_LINK" ]; then
        mkdir -p "$(dirname "$LAB_LINK")/lab-logs" && cp -r "$LAB_DIR/logs/." "$(dirname "$LAB_LINK")/lab-logs/" 2>/dev/null
    fi
    if [ -n "$LAB_OWN_DIR" ] && [ "${LAB_KEEP:-0}" != 1 ]; then
        rm -rf "$LAB_OWN_DIR"
        [ -z "$LAB_LINK" ] || rm -f "$LAB_LINK"
    fi
    trap - EXIT INT TERM
    exit "$rc"
}
