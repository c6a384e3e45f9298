#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A mailbox of a real guest: well, and asked; its script stopped; the guest paused, which is no trouble of its own;
# and the guest killed while it writes. Part of make check-lab; make lab-long kills it 200 times.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq
bed_lab
. "$src/tests/integration/mailboxes.sh"

box_make
one=mail$$
lab_start_eve "$one" profile=shell "args=$box_args" || exit $?
lab_wait_up "$one" 90 || exit 1
box_script "$one" --allow-commands
lab_until 20 beating "guest.$one" || { fail "it does not beat"; exit 1; }
mkdir "$work/scenarios"
cat >"$work/scenarios/beat.json" <<EOJ
{"schema": "hangdog/scenario/1", "name": "beat", "kind": "disk-mailbox", "mailbox": "box", "interval": "1h", "timeout": "20s",
 "initial-delay": "1h", "limits": [{"figure": "mem_available_kib", "op": ">", "value": 1000}]}
EOJ
cat >"$work/scenarios/up.json" <<EOJ
{"schema": "hangdog/scenario/1", "name": "up", "kind": "console-command", "transports": ["disk"], "mailbox": "box",
 "interval": "1h", "timeout": "20s", "initial-delay": "1h", "command": "uname -r; hostname"}
EOJ
bed_config '"scenarios": ["'"$work"'/scenarios"], "mailboxes": ["'"$work"'/boxes"], "heartbeat": "0s",'
bed_daemon
bed_seen "$one"

probe() { hd probe "$one" --json --scenario "$1" >"$work/out" 2>"$work/err"; code=$(jq -r '"\(.outcome) \(.code)"' "$work/out"); }
is() { probe "$1" && true; [ "$code" = "$2" ]; }
become() { lab_until "$3" "is '$1' '$2'" "guest.$one" || fail "$1 is '$code' and not '$2': $(cat "$work/out")"; }

# ---- well ----
become beat "ok ok" 20
become up "ok ok" 20

# ---- as it is for: its userspace does not come as far as writing ----
lab_ctl "$one" 'kill -STOP $(cat /run/hangdog-mailbox/pid)'
become beat "failed beat-missing" 30
lab_ctl "$one" 'kill -CONT $(cat /run/hangdog-mailbox/pid)'
become beat "ok ok" 30

# ---- another way: somebody paused it. It does not write, and that is meant ----
lab_qmp "$one" stop >/dev/null
lab_eve_publish "$one" 117
paused() { probe beat; case $code in "failed "*) fail "a paused guest is blamed: $(cat "$work/out")" ;; esac; [ "${code%% *}" = no-verdict ]; }
lab_until 30 paused "guest.$one" || fail "paused: $code"
echo "paused: $(jq -r '.code + ": " + .sentence' "$work/out")"
lab_qmp "$one" cont >/dev/null
lab_stop "$one"
kill "$daemon" && wait "$daemon"
daemon=''

# ---- killed in the middle of a write ----
kill_prepare "$one"
kill_rounds "$one" "${MAILBOX_KILLS:-10}"
exit "$failed"
