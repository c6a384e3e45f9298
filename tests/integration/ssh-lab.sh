#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154,SC2016
#
# Kind ssh-command on a real guest with a real sshd: well; its shell on the console stopped while ssh works, which is
# console-lost and no hang; a command that hangs; sshd stopped, and ended, while the console works; the guest paused.
# Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq ssh-keygen
bed_lab
[ -x "$build/hangdog-ssh" ] || { echo "ssh-lab: skipped: no ssh in this build"; exit 77; }

one=ssh$$
lab_boot_eve "$one" profile=shell sshd=yes || exit $?
lab_sshd "$one" "$work/keys" || exit $?
# Who asks by ssh has no rights of its own, and takes its files from nobody else.
who=nobody
! id hangdog >/dev/null 2>&1 || who=hangdog
install -d -m 700 -o $who "$work/ssh"
install -m 600 -o $who "$work/keys/key" "$work/ssh/key"
install -m 644 "$work/keys/known_hosts" "$work/ssh/known_hosts"

mkdir "$work/scenarios"
# When they are asked is this test's matter. Those that never are well count for nothing.
common='"interval": "2h", "timeout": "8s", "initial-delay": "20h", "retry-interval": "2h", "playbook": "no-touch", "failure-threshold"'
ssh="\"address\": \"127.0.0.1:$(lab_get "$one" port)\", \"ssh\": { \"user\": \"root\", \"key\": \"key\" }"
cat >"$work/scenarios/all.json" <<EOJ
{ "scenarios": [
  { "name": "over-ssh", "kind": "ssh-command", "command": "cat /proc/uptime", "expect": { "output": "^[0-9.]+ [0-9.]+$" }, $ssh, $common: 1 },
  { "name": "status", "kind": "ssh-command", "command": "echo down; exit 3", $ssh, $common: 50 },
  { "name": "hangs", "kind": "ssh-command", "command": "sleep 7777", $ssh, $common: 50 },
  { "name": "console-first", "kind": "console-command", "command": "echo \$((6*7))", "expect": { "output": "^42$" },
    "transports": [ "console", "ssh" ], $ssh, $common: 1 },
  { "name": "ssh-first", "kind": "console-command", "command": "echo \$((6*7))", "expect": { "output": "^42$" },
    "transports": [ "ssh", "console" ], $ssh, $common: 1 }
] }
EOJ
bed_config "\"scenarios\": [\"$work/scenarios\"],"
bed_daemon
! grep 'not taken' "$work/log" || die "the scenarios are wrong"
bed_seen "$one"

# is SCENARIO "OUTCOME CODE TRANSPORT" [WORDS] - asked now, it is that; WORDS: of its sentence.
asked() { hd probe "$one" --scenario "$1" --json >"$work/said" 2>&1; said=$(jq -r '"\(.outcome) \(.code) \(.transport)"' "$work/said" 2>/dev/null); }
is() {
    asked "$1"
    [ "$said" = "$2" ] || fail "$1 is not \"$2\": $(cat "$work/said")"
    [ $# -lt 3 ] || jq -r .sentence "$work/said" | grep -qE -- "$3" || fail "$1 does not say \"$3\": $(cat "$work/said")"
    echo "${at:+$at: }$1: $(jq -r '"\(.code): \(.sentence)"' "$work/said")"
}

at=well
is over-ssh "ok ok ssh"
is console-first "ok ok console"
is ssh-first "ok ok ssh"

# ---- the console fails, and ssh works ----
at="shell stopped"
lab_ctl "$one" lab-fault shell-stop >/dev/null
is over-ssh "ok ok ssh"
is console-first "failed console-lost ssh"
is ssh-first "ok ok ssh"
hd wait "$one" --for console-lost --timeout 20s >"$work/said" 2>&1 || fail "it is not console-lost: $(cat "$work/said"; hd status "$one" | head -12)"
hd status "$one" >/dev/null
rc=$?
[ $rc = 4 ] || fail "status ends with $rc, and not with 4"
lab_ctl "$one" lab-fault shell-cont >/dev/null
lab_until 20 'asked console-first; [ "$said" = "ok ok console" ]' || fail "the shell goes on: $said"

# ---- a command that says no, and one that hangs: the guest lives ----
at=
is status "failed status ssh" 3
is hangs "failed no-answer ssh" "did not end in time"
is over-ssh "ok ok ssh"

# ---- sshd is stopped: its connections are taken by the kernel, and nobody greets; then it is gone ----
at="sshd stopped"
lab_ctl "$one" 'kill -STOP $(cat /run/sshd.pid)' >/dev/null
is over-ssh "failed silent ssh" "did not greet"
is console-first "ok ok console"
is ssh-first "failed way-lost console"
lab_ctl "$one" 'kill -CONT $(cat /run/sshd.pid)' >/dev/null
lab_until 20 'asked over-ssh; [ "$said" = "ok ok ssh" ]' || fail "sshd goes on: $said"
at="sshd gone"
lab_ctl "$one" 'kill $(cat /run/sshd.pid)' >/dev/null
# QEMU's own network takes the connection before it asks the guest; another one would say refused.
asked over-ssh
case $said in "failed disconnected ssh" | "failed refused ssh") ;; *) fail "no sshd: $(cat "$work/said")" ;; esac
is console-first "ok ok console"
lab_ctl "$one" /sbin/sshd >/dev/null
lab_until 20 'asked over-ssh; [ "$said" = "ok ok ssh" ]' || fail "sshd is back: $said"

# ---- its owner paused it ----
at=paused
lab_qmp "$one" stop >/dev/null
lab_until 20 'asked over-ssh; [[ "$said" == no-verdict* ]]' || fail "it is paused: $(cat "$work/said")"
lab_qmp "$one" cont >/dev/null

exit $failed
