#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Kinds monitor, exec, all, any and sequence on a real guest: well; with a shell that is stopped, which QEMU knows nothing
# of; with a disk that the host does not answer, which the shell does not notice; with a program that says otherwise, and
# one that runs away; with its QEMU stopped. Nothing of it makes an incident: all have "alert": false. Part of
# make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_lab
bed_needs jq

one=kinds$$
lab_disk "$work/disk" 64M || exit $?
lab_start_eve "$one" mem=256 profile=shell disk="$work/disk" || exit $?
lab_wait_console "$one" '~ # ' 120 || die "the guest did not boot"

mkdir -m 755 "$work/exec.d" "$work/scenarios"
echo 0 >"$work/flag"
cat >"$work/exec.d/check_guest" <<EOF2
#!/bin/sh
# What it is told is so, and it says what the test wants.
[ -d "/proc/\$HANGDOG_QEMU_PID" ] && [ "\$HANGDOG_NAME" = "\$1" ] || { echo "told: \$HANGDOG_NAME \$HANGDOG_QEMU_PID"; exit 9; }
read -r code <$work/flag
echo "code \$code | code=\$code.5;1;2"
exit "\$code"
EOF2
cat >"$work/exec.d/check_late" <<EOF2
#!/bin/sh
setsid sh -c 'trap "" HUP INT TERM; (sleep 7777.$$ & exec sleep 7777.$$) & exit 0' &
exec sleep 7777.$$
EOF2
chmod 755 "$work/exec.d"/*
# When they are asked is this test's matter.
common='"interval": "5m", "initial-delay": "20h", "retry-interval": "5m", "failure-threshold": 1, "alert": false'
cat >"$work/scenarios/all.json" <<EOF2
{ "scenarios": [
  { "name": "qemu", "kind": "monitor", "timeout": "10s", "vcpus": true, "samples-apart": "1500ms", $common },
  { "name": "shell", "kind": "console-command", "command": "true", "timeout": "4s", $common },
  { "name": "plugin", "kind": "exec", "program": "check_guest", "args": [ "$one" ], $common },
  { "name": "late", "kind": "exec", "program": "check_late", "timeout": "1s", $common },
  { "name": "no-such", "kind": "exec", "program": "no-such", $common },
  { "name": "whole", "kind": "all", "of": [ "qemu", "shell", "plugin" ], $common },
  { "name": "some", "kind": "any", "of": [ "shell", "plugin" ], $common },
  { "name": "stack", "kind": "sequence", "of": [ "qemu", "shell", "plugin" ], $common }
] }
EOF2
bed_config "\"scenarios\": [\"$work/scenarios\"], \"exec\": [\"$work/exec.d\"],"
bed_daemon
bed_seen "$one"

# is SCENARIO WANTED [WORDS] - asked now, it is that: "outcome code"; WORDS: of its sentence.
is() {
    local said
    hd probe "$one" --scenario "$1" --json >"$work/said" 2>&1
    said=$(jq -r '"\(.outcome) \(.code)"' "$work/said" 2>/dev/null)
    [ "$said" = "$2" ] || fail "$1 is not \"$2\": $(cat "$work/said")"
    [ $# -lt 3 ] || jq -r .sentence "$work/said" | grep -qF -- "$3" || fail "$1 does not say \"$3\": $(cat "$work/said")"
}
parts() { is qemu "$1"; is shell "$2"; is plugin "$3"; }

at=healthy
is whole "no-verdict part-untold" "not asked yet"
parts "ok ok" "ok ok" "ok ok"
is plugin "ok ok" "code 0"
[ "$(jq .value "$work/said")" = 0.5 ] || fail "the value: $(cat "$work/said")"
is whole "ok ok" "all 3 are well"
is some "ok ok"
is stack "ok ok" "up to plugin"

at="shell stopped"
lab_ctl "$one" lab-fault shell-stop >/dev/null
parts "ok ok" "failed no-echo" "ok ok" 2>/dev/null >"$work/first"
# What a stopped shell looks like is console-command's matter.
failed=0
is qemu "ok ok"
hd probe "$one" --scenario shell --json | jq -e '.outcome == "failed"' >/dev/null || fail "the shell is well"
is whole "failed part-failed" "1 of 3 failed: shell: "
is some "ok ok" "1 of 2"
is stack "failed stops-at" "stops at 2 of 3: shell: "
lab_ctl "$one" lab-fault shell-cont >/dev/null

at="disk stalled"
lab_disk_stall "$one"
lab_ctl "$one" 'for i in 1 2 3; do dd if=/dev/vda of=/dev/null bs=64k count=16 skip=$((i * 32)) iflag=direct & done; sleep 1; true' >/dev/null 2>&1
is qemu "failed disk-stalled" "none was answered in 1500ms"
is stack "failed stops-at" "stops at 1 of 3: qemu: disk-stalled"
is shell "ok ok"
lab_disk_flow "$one"
lab_until 20 'hd probe "$one" --scenario qemu --json | jq -e ".code == \"ok\"" >/dev/null' || fail "the disk goes on, and that is not seen"

at="the program"
is no-such "no-verdict exec-unusable" "no program no-such"
echo 3 >"$work/flag"
is plugin "no-verdict exec-unknown" "code 3"
is some "ok ok"
is whole "no-verdict part-untold" "plugin"
echo 2 >"$work/flag"
is plugin "failed status" "code 2 (status 2)"
is whole "failed part-failed" "plugin: status: code 2"
chmod o+w "$work/exec.d/check_guest"
is plugin "no-verdict exec-unusable" "chmod go-w $work/exec.d/check_guest"
chmod o-w "$work/exec.d/check_guest"
is late "failed timeout" "did not end in time"
[ -z "$(ps -eo args | grep -F "sleep 7777.$$" | grep -v grep)" ] || fail "what a program started lives on: $(ps -eo pid,ppid,args | grep -F 7777)"

at="QEMU stopped"
kill -STOP "$(lab_pid "guest.$one")"
is qemu "failed vmm-stopped"
kill -CONT "$(lab_pid "guest.$one")"

at=
[ -z "$(hd incidents --json | jq -r 'select(.row == "incident") | .id')" ] || fail "what makes no incident has made one: $(hd incidents)"
exit $failed
