#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# systemd-lab.sh [libvirt|eve] - hangdog and a guest as people have them: Debian with systemd, agetty, bash with
# readline and a coloured prompt; and a second one that shows its login prompt. Minutes: make check-long.
#
# SYSTEMD_FAULTS chooses the faults, SYSTEMD_PARTS of "login reboot acpi getty" what comes before them; BED_KEEP=1 keeps the folder. 77: something it needs is missing.

. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
way=${1:-libvirt}
faults=${SYSTEMD_FAULTS-mutex panic hardlockup}
parts=${SYSTEMD_PARTS-login reboot acpi getty}
part() { case " $parts " in *" $1 "*) ;; *) return 1 ;; esac; }

began=$(date +%s)
step() { printf '%5d s  %s\n' $(($(date +%s) - began)) "$*"; }
command -v jq >/dev/null || { echo "skipped: jq is missing"; exit 77; }
if [ "$way" = libvirt ] && ! "$build/hangdog" version --json | grep -q '"libvirt":true'; then
    echo "skipped: this build has no libvirt"
    exit 77
fi

bed_lab
"$src/tests/lab/systemd-image" 6.1 >/dev/null || exit $?
export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build

# ---- the guests ----
boot() { # NAME OPTION...
    local from=$SECONDS
    "lab_start_$way" "$@" system=systemd || exit $?
    lab_wait_up "$1" 300 || die "$1 did not come up"
    step "$1 takes orders, $((SECONDS - from)) s after its start"
}
# What a guest shows when it waits for somebody; from byte FROM of its console on.
at_shell() { lab_wait_console "$1" 'root@lab' 300 "${2:-0}" || die "$1 shows no shell"; }
at_login() { lab_wait_console "$1" 'lab login: ' 300 "${2:-0}" || die "$1 shows no login prompt"; }

boot web profile=shell sysrq=1
has_door=
if part login || part reboot; then
    has_door=1
    boot door profile=login
    at_login door
fi
at_shell web
step "web shows its shell${has_door:+, door its login prompt}"
if [ "$way" = libvirt ]; then
    chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
    chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
    source="{\"kind\": \"libvirt\", \"uri\": \"$LAB_URI\"}"
else
    source="{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\"}"
fi

# ---- hangdog ----
# On EVE nobody tells of a reset, and until its virtio console is there, a guest is as silent as a dead one: 15 s
# under emulation.
threshold=2
[ "$way" = libvirt ] || threshold=3
mkdir -p "$work/scenarios"
cat >"$work/scenarios/uptime.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "uptime",
  "kind": "console-command",
  "interval": "15s", "timeout": "10s",
  "initial-delay": "1s", "retry-interval": "5s",
  "failure-threshold": $threshold, "success-threshold": 1,
  "command": "uptime",
  "expect": {"status": 0, "output": "load average"}
}
EOJ
# Says where to ask over the network, and is not asked in the time of this test.
cat >"$work/scenarios/ssh.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "ssh",
  "kind": "tcp",
  "select": {"name": "web"},
  "interval": "2h", "timeout": "5s", "initial-delay": "90m",
  "address": "127.0.0.1:$(lab_get web port)",
  "expect": {"output": "^SSH-2.0"}
}
EOJ
# The same guest over ssh: a check that is asked when this test wants it.
over_ssh=
if [ -x "$build/hangdog-ssh" ]; then
    over_ssh=1
    who=nobody
    ! id hangdog >/dev/null 2>&1 || who=hangdog
    install -d -m 700 -o $who "$work/ssh"
    install -m 600 -o $who "$(lab_get web secrets)/key" "$work/ssh/web"
    ssh_known() { echo "[127.0.0.1]:$(lab_get web port) $(cut -d' ' -f1,2 "$(lab_get web secrets)/hostkey.pub")" >"$work/ssh/known_hosts"; }
    ssh_known
    chmod 644 "$work/ssh/known_hosts"
    cat >"$work/scenarios/shell.json" <<EOJ
{
  "schema": "hangdog/scenario/1",
  "name": "over-ssh",
  "kind": "ssh-command",
  "select": {"name": "web"},
  "interval": "2h", "timeout": "30s", "initial-delay": "90m",
  "address": "127.0.0.1:$(lab_get web port)",
  "ssh": {"user": "root", "key": "web"},
  "command": "cat /proc/uptime",
  "expect": {"output": "^[0-9.]+ [0-9.]+$"}
}
EOJ
fi
# The delay is short on purpose: whether a guest is still booting has to be seen, not waited for.
cat >"$work/config.json" <<EOJ
{
  "schema": "hangdog/config/1",
  "sources": [$source],
  "scenarios": ["$work/scenarios"]
}
EOJ
"$build/hangdog" --config "$work/config.json" daemon --debug 2>"$work/log" &
daemon=$!
lab_until 30 "test -S '$work/run/control'" || die "the daemon did not start"

row() { # GUEST ROW JQ: of status
    hd status --json | jq -r --arg g "$1" --arg r "$2" "select(.row == \$r and ((.display // .guest) == \$g)) | $3"
}
uptime_row() { # GUEST JQ
    hd status --json | jq -r --arg g "$1" "select(.row == \"scenario\" and .guest == \$g and .scenario == \"uptime\") | $2"
}
incidents() { row "$1" incident .id | wc -l; }
open_incident() { # GUEST: the verdict of the one that has not ended: class|culprit|sentence
    row "$1" incident 'select(.end == "not-ended") | .verdict | select(.class) | "\(.class)|\(.culprit)|\(.sentence)"'
}
well() { hd wait "$1" --for well --timeout "${2:-120s}" >/dev/null || die "$1 is not found well"; }
# after a fault: found hung, and called so
hung() { # GUEST REGEX WHAT
    local said from=$SECONDS
    hd wait "$1" --for hung --timeout 200s >/dev/null || die "$3: not noticed"
    step "$3: noticed after $((SECONDS - from)) s"
    lab_until 120 "open_incident '$1' | grep -q ." || die "$3: no verdict"
    said=$(open_incident "$1")
    grep -Eq -- "$2" <<<"$said" && step "$3: $said" || fail "$3: called $said, wanted $2"
}

# ---- one is well, the other at its login prompt ----
answers() {
    local said
    well web
    said=$(hd probe web --scenario uptime)
    grep -q 'code=ok' <<<"$said" || fail "bash does not answer: $said"
    step "web: $said"
}
at_the_door() { # never asked, never failed
    local said
    said=$(hd probe door --scenario uptime)
    [ $? = 6 ] || fail "a login prompt is not 'no verdict' (6): $said"
    grep -q 'code=login-prompt' <<<"$said" || fail "a login prompt is not seen as one: $said"
    step "door: $said"
}
nothing_typed() { # GUEST: no name, no password, no command
    local log
    log=$(lab_get "$1" log)
    # What is typed, agetty or the terminal echoes. On EVE a console is connected anew each time, so what a
    # silent one shows is not known: a command may come before the getty, which throws it away.
    if [ "$way" = libvirt ] || [ "${2:-}" != rebooted ]; then
        ! grep -aqE 'printf|uptime' "$log" || fail "a command was typed where nobody is logged in: $1"
    fi
    ! grep -aqE 'Login incorrect|Password:' "$log" || fail "$1 was given a name"
    [ "$(lab_ctl "$1" "journalctl -b --no-pager -q | grep -cE 'FAILED LOGIN|authentication failure'")" = 0 ] ||
        fail "the journal of $1 knows of logins that failed"
}
answers
answers_ssh() {
    local said
    said=$(hd probe web --scenario over-ssh)
    grep -q 'code=ok' <<<"$said" || fail "over ssh it does not answer: $said"
    step "web over ssh: $said"
    # Another key than the one that the operator wrote down is never overlooked.
    sed -i 's/ ssh-ed25519 .*/ ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f/' "$work/ssh/known_hosts"
    said=$(hd probe web --scenario over-ssh)
    grep -q 'code=host-key-changed' <<<"$said" || fail "another host key is overlooked: $said"
    step "web over ssh: $said"
    ssh_known
    said=$(hd probe web --scenario over-ssh)
    grep -q 'code=ok' <<<"$said" || fail "over ssh it does not answer with its own key again: $said"
}
[ -z "$over_ssh" ] || answers_ssh
if part login; then
    at_the_door
    at_the_door
    nothing_typed door
fi

# ---- both are started again from within ----
reboot_both() {
    local before g from began_reboot seen='' runs
    before=$(row web guest .boot)
    for g in web ${has_door:+door}; do
        from=$(lab_console_size $g)
        eval "from_$g=$from"
        lab_ctl $g 'systemctl --no-block reboot' >/dev/null || fail "$g: the order to reboot was not taken"
    done
    began_reboot=$SECONDS
    # On EVE nobody tells of a reset: there, only that it is not taken for a hang.
    if [ "$way" = libvirt ]; then
        lab_until 120 "row web guest .boot | grep -qx '$((before + 1))'" || fail "web: the boot number stays $(row web guest .boot), was $before"
        step "web lives anew, $((SECONDS - began_reboot)) s after the order"
    fi
    while ! tail -c "+$((from_web + 1))" "$(lab_get web log)" | grep -aq 'automatic login' && [ $((SECONDS - began_reboot)) -lt 300 ]; do
        case $(uptime_row web '.code // "-"') in booting) seen=1 ;; esac
        sleep 1
    done
    at_shell web "$from_web"
    at_login door "$from_door"
    step "both are up again, $((SECONDS - began_reboot)) s after the order${seen:+; meanwhile: booting}"
    well web
    # Twice around: what came late would be an incident by then.
    runs=$(uptime_row web .runs)
    lab_until 60 "test \"\$(uptime_row web .runs)\" -ge $((runs + 2))" || fail "web is not asked any more"
    for g in web ${has_door:+door}; do
        [ "$(incidents $g)" = 0 ] || fail "$g: an incident out of a reboot: $(row $g incident '"\(.reason) \(.verdict.class) \(.end)"')"
    done
    at_the_door
    nothing_typed door rebooted
    step "a reboot is no incident"
}
if part reboot; then reboot_both; fi
[ -z "$has_door" ] || lab_stop door

# ---- its owner presses the power button, and libvirt starts it again ----
acpi_reboot() {
    local before from began_reboot runs n
    before=$(row web guest .boot)
    from=$(lab_console_size web)
    n=$(incidents web)
    well web
    began_reboot=$SECONDS
    lab_virsh reboot --mode acpi web >/dev/null || { fail "virsh reboot: refused"; return; }
    lab_until 180 "row web guest .boot | grep -qx '$((before + 1))'" || { fail "virsh reboot: the boot number stays $(row web guest .boot), was $before"; return; }
    step "virsh reboot: lives anew after $((SECONDS - began_reboot)) s"
    at_shell web "$from"
    well web
    runs=$(uptime_row web .runs)
    lab_until 60 "test \"\$(uptime_row web .runs)\" -ge $((runs + 2))" || fail "web is not asked any more"
    [ "$(incidents web)" = "$n" ] || fail "virsh reboot: an incident: $(row web incident '"\(.reason) \(.verdict.class) \(.end)"')"
    [ "$(row web guest '"\(.run) \(.intent)"')" = "running run" ] || fail "virsh reboot: it is called $(row web guest '"\(.run) \(.intent)"')"
    step "virsh reboot is no incident"
}
if [ "$way" = libvirt ] && part acpi; then acpi_reboot; fi

# ---- getty respawns; nobody reads the console any more ----
getty_goes() {
    local was said
    was=$(lab_ctl web "systemctl show -p MainPID --value serial-getty@ttyS0")
    lab_ctl web "kill -9 $was" >/dev/null
    lab_until 60 "lab_ctl web 'systemctl show -p MainPID --value serial-getty@ttyS0' | grep -vqxE '0|$was'" ||
        fail "no new getty"
    sleep 3 # for its shell: nothing on the console tells it from the one before
    said=$(hd probe web --scenario uptime)
    grep -q 'code=ok' <<<"$said" || fail "behind a new getty: $said"
    step "a new getty: $said"

    lab_ctl web 'systemctl stop serial-getty@ttyS0' >/dev/null || fail "the getty was not stopped"
    hung web '^console-lost\|' "no getty"
    lab_ctl web 'systemctl start serial-getty@ttyS0' >/dev/null
    well web
    step "no getty: ended when it was back"
}
if part getty; then getty_goes; fi

# ---- faults, each in a new life ----
fresh() {
    local from
    from=$(lab_console_size web)
    if [ "$way" = libvirt ]; then lab_virsh reset web; else lab_qmp web system_reset >/dev/null; fi
    at_shell web "$from"
    well web 200s
    step "web is well in a new life"
}
n=0
for f in $faults; do
    [ $n = 0 ] || fresh
    n=$((n + 1))
    case $f in
        mutex)
            lab_ctl web lab-fault mutex >/dev/null && lab_ctl web lab-fault shell-stop >/dev/null || die "no fault"
            hung web '^lock-deadlock\|.*zoo' mutex ;;
        panic)
            lab_ctl web lab-fault panic >/dev/null || die "no fault"
            hung web '^kernel-panic\|' panic ;;
        hardlockup)
            lab_ctl web lab-fault irqoff-all >/dev/null || die "no fault"
            hung web '^hard-lockup\|' 'hard lockup' ;;
        init-kill)
            lab_ctl web lab-fault init-kill >/dev/null || die "no fault"
            lab_ctl web lab-fault shell-stop >/dev/null
            hung web '^(userspace-stuck|init-dead|console-lost)\|' 'systemd dead' ;;
        *) fail "no fault $f" ;;
    esac
done
[ $failed = 0 ] && step "PASS ($way, $LAB_ACCEL)"
exit $failed
