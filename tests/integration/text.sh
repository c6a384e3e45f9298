#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# What a guest says is read as it comes: a panic on a console that is held becomes a suspicion, an incident
# and a bundle with kernel/events.jsonl; harmless text and a guest that says the words at a shell do not; status
# says where a guest stands and what its kernel said last.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init text jq

boot='[    0.000000] Linux version 6.1.0-41-amd64 (debian) #1 SMP\r\n[    0.000000] Command line: quiet\r\n'
for g in alpha beta gamma; do fake_guest $g -P dead; done
chaos_config "{\"kind\": \"rundir\", \"root\": \"$work/fake\", \"consoles\": \"cons0\", \"console-mode\": \"hold\"}"
hd_start
held() { [ "$(rows 'select(.row=="console" and .state!="connecting" and .state!="absent") | .guest' | wc -l)" = 3 ]; }
until_ok 10 held || { hd status; die "not all consoles are held"; }
says() { fake_tell "$1" "say 0 $2"; }
text_of() { hd status "$1" --json 2>/dev/null | jq -r "select(.row==\"text\") | .$2"; }

says alpha "$boot"
says beta "$boot"
says gamma "$boot"
stands() { [ "$(text_of "$1" stage)" = "$2" ]; }
until_ok 5 stands alpha kernel || { hd status alpha; die "its boot was not seen"; }

# ---- harmless: lines with the words in them, and warnings of no weight ----
says beta '[    0.100000] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.\r\n'
says beta '[    0.200000] Speculative Return Stack Overflow: WARNING: See https://kernel.org for mitigation options.\r\n'
says beta '[    5.000000] systemd[1]: Started test: Kernel panic - not syncing is what it greps for.\r\n'
says beta '[    6.000000] blk_update_request: I/O error, dev sr0, sector 0\r\n'

# ---- a panic ----
t0=$(now_ms)
says alpha '[   12.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700\r\n'
says alpha '[   12.000100] CPU: 0 PID: 1 Comm: init Not tainted 6.1.0-41-amd64 #1\r\n[   12.000200] Call Trace:\r\n'
says alpha '[   12.000300]  dump_stack_lvl+0x44/0x5c\r\n[   12.000400]  panic+0x118/0x2ed\r\n[   12.000500]  do_exit.cold+0x15/0x15\r\n'
says alpha '[   12.000600] ---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700 ]---\r\n'
suspected() { [ "$(rows "select(.row==\"incident\" and .guest==\"$1\") | .code")" = kernel-event ]; }
until_ok 10 suspected alpha || { hd status; die "nobody suspects anything"; }
# Who waits for some timer needs longer; how fast it is tests/bench measures.
figure "from the panic to the incident (a client's processes included)" "$(since_ms "$t0")" 20000
packed() { hd spool list ready --json 2>/dev/null | grep -q tar; }
bundle_there() { bundle=$(find "$work" -name '*.tar.zst' | head -n 1); [ -n "$bundle" ]; }
until_ok 60 bundle_there || { hd status; die "there is no bundle"; }
until_ok 10 logged 'verdict=' || die "there is no verdict"
grep -o 'verdict=[^"]*' "$work/hangdog.log" | head -n 1
# A host that is short of processors is another vantage point, and blamed.
logged 'verdict=kernel-panic.*confidence=low|verdict=host-starved' || die "text alone is not called kernel-panic with low confidence"
hd bundle cat "$bundle" kernel/events.jsonl >"$work/events" || die "no kernel/events.jsonl in the bundle"
jq -se 'length == 1 and .[0].kind == "panic" and (.[0].title | test("Attempted to kill init")) and (.[0].first_text | test("exitcode"))' "$work/events" >/dev/null ||
    { cat "$work/events"; die "the event is not as it should be"; }
step "the bundle has it: $(jq -r .title "$work/events")"

# ---- status ----
hd status alpha >"$work/status" || true
grep -q 'silence is no recovery' "$work/status" || { cat "$work/status"; die "status does not say that silence means nothing now"; }
grep -E 'GUEST.*STAGE|silence' "$work/status"
hd dump >"$work/dump"
grep -E '^text:|worker [0-9]' "$work/dump" || die "dump does not show the workers"

# ---- a flood of it is one incident, and of the others there is none ----
lines_read() { hd dump | sed -n 's/^text:.* lines \([0-9]*\),.*/\1/p'; }
lines_beyond() { [ "$(lines_read)" -gt "$1" ]; }
before=$(lines_read)
for i in $(seq 200); do says alpha "[   13.$((100000 + i))] INFO: task x$i:$((100 + i)) blocked for more than 120 seconds.\\r\\n"; done
until_ok 10 lines_beyond $((before + 199)) || { hd dump | grep ^text; die "the flood is not read to its end"; }
exact "incidents of all guests" "$(incidents)" 1
exact "facts that were dropped" "$(hd dump | sed -n 's/^facts: dropped //p')" 0

# ---- another kernel boots in alpha: what the old one said is its own ----
says alpha "$boot"
until_ok 10 sh -c "[ \"\$('$build/hangdog' status alpha --json | jq -r 'select(.row==\"text\") | .note')\" = '' ]" ||
    { hd status alpha; die "the note of an earlier boot stays"; }
hd_stop
step "text is read"
