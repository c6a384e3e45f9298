#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2154
#
# faults-lab [busybox|systemd|apps|host]... - examples/faults on real guests: each fault is made, is seen, and is undone. What hangdog
# says of them the zoo asks (docs/zoo.md); here it is that people get their guest back. 77: no lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
. "$src/tests/zoo/zoo.sh"
bed_lab
launcher=eve failed=0
fail() { echo "FAIL: $*"; failed=1; }
f=$src/examples/faults
g=web
inside() { lab_ctl $g "$*"; }
put() { local s; for s in in-guest in-app; do zoo_put $g $s && inside "mv /tmp/fault /tmp/$s.sh" || exit 1; done; }
until_in() { # COMMAND in the guest, for a while
    lab_until 12 "lab_ctl $g '$1' >/dev/null 2>&1" || { fail "in vain: $1"; return 1; }
}
silent() { # FAULT ARGUMENT...: no order is taken while it lasts, and that is how it is seen
    inside "sh /tmp/in-guest.sh $*" >"$work/said" 2>&1 || fail "$*: $? $(cat "$work/said")"
    lab_until 12 "! LAB_TIMEOUT=2 lab_ctl $g true" || fail "$1, and it answers"
}
made() { # SEEN WELL SCRIPT ARG...: it is seen, and gone when it is undone
    local seen=$1 well=$2
    shift 2
    inside "sh /tmp/$1.sh ${*:2}" >"$work/said" 2>&1 || { fail "$*: $? $(cat "$work/said")"; return; }
    until_in "$seen" || return
    case " $* " in
        *' --for '*) ;;
        *) inside "sh /tmp/$1.sh $2 --undo" >"$work/said" 2>&1 || fail "$* --undo: $? $(cat "$work/said")" ;;
    esac
    until_in "$well" && echo "ok: ${*:2}"
}

on_busybox() {
    lab_disk "$work/disk" 64M || exit 77
    lab_start_eve $g disk="$work/disk" kernel="${FAULTS_KERNEL:-6.1}" && lab_wait_up $g 180 && lab_wait_console $g '~ # ' 120 || exit 1
    put
    local shells='for f in /run/lab/console.*; do read -r s p <$f; grep "^State:" /proc/$p/status; done'
    inside 'ip route' >"$work/route"
    made '! ip route | grep -q default' 'ip route | grep -q default && ip addr show eth0 | grep -q 10.0.2.15' in-guest net-down --for 3
    made '! ip addr show eth0 | grep -q "inet "' 'ip addr show eth0 | grep -q 10.0.2.15' in-guest address-gone
    inside 'ip route' | diff - "$work/route" || fail "the routes are others now"
    made "($shells) | grep -q T" "! ($shells) | grep -q T" in-guest shells-stopped
    made 'grep -rq "frozen 1" /run/hangdog-fault/cgroup/fault/cgroup.events' '[ ! -d /run/hangdog-fault/cgroup/fault ]' in-guest shells-frozen
    made 'grep -q "load" /proc/loadavg || ps | grep -q "while [:]"' '! ps | grep -q "while [:]"' in-guest cpu-hog 2 --for 3
    made '! echo xxxxx >/data/new' 'echo x >/data/new' in-guest disk-full /data
    made '(echo x >/data/new) & sleep 1; grep -q "^State:.D" /proc/$!/status' 'echo x >/data/new' in-guest fs-frozen /data
    # And that they are over, by the guest's being there again.
    local most from
    most=$(inside 'cat /proc/sys/kernel/pid_max')
    silent tasks-full --for 8
    until_in "[ \"\$(cat /proc/sys/kernel/pid_max)\" = $most ]" && until_in '! ps | grep -q "sleep [1]00000"' && echo "ok: tasks-full"
    silent all-stopped --for 8
    until_in true && echo "ok: all-stopped"
    from=$(lab_console_size $g)
    inside 'sh /tmp/in-guest.sh memory-full --for 20' >"$work/said" 2>&1 || fail "memory-full: $? $(cat "$work/said")"
    lab_wait_console $g 'Out of memory: Killed process' 60 "$from" || fail "memory-full, and nobody was killed for it"
    until_in '! ps | grep -q "tail /dev/[z]ero"' && echo "ok: memory-full"
    inside 'sh /tmp/in-guest.sh fs-error /data --yes' >"$work/said" 2>&1 || fail "fs-error: $(cat "$work/said")"
    until_in '! echo x >/data/no' && echo "ok: fs-error"
    inside 'sh /tmp/in-guest.sh getty-gone' >"$work/said" 2>&1 || fail "getty-gone: $(cat "$work/said")"
    until_in 'for f in /run/lab/console.*; do read -r s p <$f; [ ! -d /proc/$s ] && [ ! -d /proc/$p ] || exit 1; done' && echo "ok: getty-gone"
    inside 'sh /tmp/in-guest.sh panic --yes' >"$work/said" 2>&1
    lab_wait_console $g 'Kernel panic - not syncing: sysrq triggered crash' 30 && echo "ok: panic" || fail "no panic"
    lab_stop $g
}
systemd_up() {
    lab_start_eve $g system=systemd kernel="${FAULTS_KERNEL:-6.1}" && lab_wait_up $g 300 && lab_wait_console $g 'root@lab' 180 || exit 1
    put
}
on_apps() {
    systemd_up
    local how ask='timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/8080; head -n 1 <&3" | grep -q open'
    for how in '' --container; do
        for s in ${FAULTS_STATES:-deadlock loop queue-full oom crashed stopped frozen throttled blocked}; do
            inside "systemctl reset-failed shop; sh /tmp/in-app.sh start $how" >"$work/said" 2>&1 || { fail "start $how: $(cat "$work/said")"; return; }
            until_in "$ask" || return
            inside "sh /tmp/in-app.sh $s" >"$work/said" 2>&1 || fail "$s: $(cat "$work/said")"
            until_in "! $ask" && echo "ok: $s $how"
            case $s in
                stopped | frozen | throttled | blocked)
                    inside "sh /tmp/in-app.sh $s --undo" >"$work/said" 2>&1 || fail "$s --undo: $? $(cat "$work/said")"
                    until_in "$ask" || fail "$s --undo" ;;
            esac
            inside 'pkill -9 -x shop; systemctl stop shop; true' >/dev/null 2>&1
            until_in '! pgrep -x shop'
        done
    done
    lab_stop $g
}
on_systemd() {
    systemd_up
    made '[ "$(systemctl show -P TasksMax serial-getty@hvc0)" = 1 ]' '[ "$(systemctl show -P TasksMax serial-getty@hvc0)" != 1 ]' in-guest session-full
    made '! systemctl is-active -q serial-getty@hvc0' 'systemctl is-active -q serial-getty@hvc0' in-guest getty-gone
    made '! systemctl is-active -q ssh' 'systemctl is-active -q ssh || systemctl is-active -q ssh.socket' in-guest sshd-dead
    made '[ "$(pgrep -c "sleep")" -ge 5 ]' '[ "$(pgrep -c "sleep")" -lt 5 ]' in-guest sshd-full 5
    silent rt-hog --for 8
    until_in '! pgrep -f "while [:]"' && until_in '[ "$(cat /proc/sys/kernel/sched_rt_runtime_us)" = 950000 ]' && echo "ok: rt-hog"
    inside 'sh /tmp/in-guest.sh init-dead --yes' >"$work/said" 2>&1
    lab_wait_console $g 'Freezing execution' 60 && echo "ok: init-dead" || fail "init lives"
    lab_stop $g
}
on_hosts() {
    lab_disk "$work/disk2" 64M || exit 77
    lab_start_eve $g disk="$work/disk2" log=pipe kernel="${FAULTS_KERNEL:-6.1}" && lab_wait_up $g 180 || exit 1
    local pid alive='LAB_TIMEOUT=3 lab_ctl web true' state
    pid=$(lab_pid "guest.$g")
    done_to() { # SEEN FAULT ARG...
        local seen=$1
        shift
        zoo_host "$@" >"$work/said" 2>&1 || { fail "$*: $(cat "$work/said")"; return; }
        lab_until 20 "$seen" || fail "$*: not seen"
        sh "$f/on-host.sh" "$@" --pid "$pid" --ask "'$LAB_TOOL' qmp '$(lab_get $g labqmp)' 10" --undo >"$work/said" 2>&1 || fail "$* --undo: $(cat "$work/said")"
        lab_until 30 "$alive" && echo "ok: $*"
    }
    done_to "grep -q '^State:.T' /proc/$pid/status" stop
    done_to "grep -q hangdog-fault /proc/$pid/cgroup" starve 1
    done_to "grep -q '^State:.T' /proc/$(lab_pid logpump.$g)/status" log-blocked
    done_to 'lab_ctl web "[ \$(cat /sys/class/net/eth0/carrier) = 0 ]"' link-down
    done_to 'lab_qmp web query-block | grep -q "\"bps\": 4096"' crawl 4096
    done_to 'lab_qmp web query-status | grep -q paused' paused
    zoo_host kill --yes && lab_until 20 "[ ! -d /proc/$pid ]" && echo "ok: kill" || fail "it was not killed"
    lab_stop $g
}
[ $# -gt 0 ] || set -- busybox systemd apps host
for part; do
    case $part in busybox) on_busybox ;; systemd) on_systemd ;; apps) on_apps ;; host) on_hosts ;; *) exit 2 ;; esac
done
[ -z "$(ls /run/hangdog-fault 2>/dev/null)" ] || fail "left behind: $(ls /run/hangdog-fault)"
exit $failed
