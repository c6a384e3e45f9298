#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# Text of a real kernel, on a console that is held: where it stands; SysRq dumps that we asked for are no
# trouble; an oops is, and silence after it no recovery. Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init text-lab jq
chaos_lab
lab_start_eve web profile=shell sysrq=1 || exit $?
lab_wait_console web '~ # ' 120 || die "the guest did not boot"
chaos_config "{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\", \"console-mode\": \"hold\"}"
hd_start
talks() { [ -n "$(console_of web state)" ]; }
until_ok 20 talks || { hd status; die "the guest is not found"; }
text_of() { hd status web --json 2>/dev/null | jq -r "select(.row==\"text\" and .events > 0) | .$1" | head -n 1; }
by_text() { [ "$(rows 'select(.row=="incident" and .code=="kernel-event") | .id' | wc -l)" = "$1" ]; }

# ---- our own keys: a task waits in D all the while ----
lab_ctl web lab-fault dstate >/dev/null || die "the fault was not made"
for _ in 1 2; do timeout 90 "$build/hangdog" diagnose web --playbook standard >"$work/out" 2>&1; done
tail -n 2 "$work/out"
keys=$(hd dump | sed -n 's/.*keys of ours \([0-9]*\).*/\1/p')
step "keys that were announced: $keys"
[ "${keys:-0}" -ge 2 ] || die "our own keys were not announced"
by_text 0 || { hd status; die "our own SysRq output is taken for trouble"; }

# ---- an oops ----
lab_ctl web lab-fault oops >/dev/null || die "the fault was not made"
until_ok 20 by_text 1 || { hd status web; hd dump; die "the oops was not noticed"; }
explained() { text_of note | grep -q 'no recovery'; }
until_ok 5 explained || { hd status web; die "silence is not explained"; }
hd status web | grep -E 'STAGE|recovery'
bundle_of() { bundle=$(find "$work" -name '*.tar.zst' -newer "$work/out" | head -n 1); [ -n "$bundle" ]; }
until_ok 60 bundle_of || { hd status web; die "there is no bundle"; }
hd bundle cat "$bundle" kernel/events.jsonl >"$work/events" || die "no kernel/events.jsonl"
jq -r '.kind + ": " + .title' "$work/events"
jq -se 'map(select(.whole and (.frames | length) > 2)) | length > 0' "$work/events" >/dev/null || { cat "$work/events"; die "no whole report with frames in it"; }

hd_stop
step "a real kernel's text is read"
