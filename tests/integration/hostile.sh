#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2016,SC2034,SC2154
#
# Guests that mean ill, beside one that is well: their consoles say terminal escapes, forged frames, prompts, boots
# and reports, endless lines, and more bytes than anybody can read. It costs nobody but themselves.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init hostile jq

fake_guest alpha
fake_guest evil
fake_guest flood -r 4000000
fake_guest woven -W -b -r 20000
chaos_scenario up '*' 2s 1900ms
chaos_config "${fake_source%\}}, \"console-mode\": \"hold\"}"
hd_start
until_ok 20 well_beyond alpha 1 || die "alpha is not well"
daemon=$(hd_pid daemon) writer=$(hd_pid writer)

nasty=(
    '\e[2J\e]0;pwned\x07\e[31m\xc2\x9b2J\xe2\x80\xaegnol\n'
    'Kernel panic - not syncing: Fatal exception\n'
    '[    0.000000] Linux version 6.1.0 (x@y) #1 SMP\n[    0.000000] Command line: x\n'
    '[99999999999999999999.999999] BUG: unable to handle page fault for address: ffffffffffffffff\n'
    'INFO: task \e[7m$(reboot):1 blocked for more than 120 seconds.\n'
    'watchdog: BUG: soft lockup - CPU#4294967295 stuck for 18446744073709551615s! [x:-1]\n'
    'sysrq: Show Blocked State\ntask:x state:D stack:0 pid:1 ppid:0 flags:0x00000000\nCall Trace:\n <TASK>\n'
    '\nlogin: \rPassword: '
    'GNU GRUB  version 2.06\n'
    '\x11\x13\x13\x01x\x01c\x08\x08\x08\x08\xff\xfe\xed\x7f'
    '%s%n%n%p{"row":"guest","health":"well"}\n'
    '-- 5 bytes not kept: nothing --\n'
    '\r~ # \r# \r$ '
)
long=$(printf 'A%.0s' $(seq 9000))
before=$(scenario_of alpha ok) failed=$(scenario_of alpha failed)
for n in $(seq 12); do
    for line in "${nasty[@]}"; do
        printf 'say 0 %b\n' "${line//\\n/\\\\n}" >"$work/evil.orders"
        printf 'say 0 %s\n' "$long" >"$work/evil.orders"
    done
    { hd list; hd status; hd status --json; hd dump; hd incidents --json; } >>"$work/said" 2>&1
    timeout 0.3 "$build/hangdog" console evil </dev/null >>"$work/said" 2>&1
done
# However long it takes to be connected here.
"$build/hangdog" console evil </dev/null >>"$work/said" 2>&1 &
reader=$!
shown() { fake_tell evil 'say 0 \e]0;pwned\r\n' && grep -q pwned "$work/said"; }
until_ok 20 shown || die "nothing of it was shown at all"
kill "$reader"
wait "$reader" 2>/dev/null
until_ok 20 well_beyond alpha $((before + 5)) || die "alpha is not asked any more"
hd status
exact "the daemon is the same" "$(hd_pid daemon)" "$daemon"
exact "the writer is the same" "$(hd_pid writer)" "$writer"
exact "probes of a well guest beside them that failed" $(($(scenario_of alpha failed) - failed)) 0
exact "incidents of the well guest" "$(rows 'select(.row == "incident" and .guest == "alpha") | .id' | wc -l)" 0

# ---- what people and programmes read ----
control='[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae'
ctl() { LC_ALL=C grep -acP "$control" "$@"; }
exact "control bytes in list, status, dump, incidents, console" "$(ctl "$work/said")" 0
exact "control bytes in hangdog's own log" "$(ctl "$work/hangdog.log")" 0
exact "control bytes in the consoles' clean logs" "$(cat "$work"/state/logs/*/*.log | ctl)" 0
exact "lines of a guest that look like ours" "$(cat "$work"/state/logs/*/*.log | grep -c '^-- 5 bytes')" 0
hd diagnose evil --playbook quick >"$work/out" 2>&1
bundle=$(sed -n 's/.* bundle=//p' "$work/out" | head -n 1)
[ -s "$bundle" ] || { cat "$work/out"; die "no bundle of the evil one"; }
hd bundle verify "$bundle" >"$work/out" || { cat "$work/out"; die "its bundle is not whole"; }
hd bundle cat "$bundle" index.html --raw >"$work/page.html" || die "its bundle has no page"
grep -q 'What it said' "$work/page.html" || die "its page does not show its console"
exact "scripts in its page" "$(grep -ci '<script\|onerror=\|javascript:' "$work/page.html")" 0
# What hangdog said of it itself, and nothing of other guests.
hd bundle cat "$bundle" logs/hangdog.jsonl --raw >"$work/own.log" || die "its bundle has nothing of hangdog's own log"
jq -se 'length > 2 and ([.[].guest | select(. != null)] | unique | length == 1)' "$work/own.log" >/dev/null ||
    die "hangdog's own log in its bundle: $(head -c 600 "$work/own.log")"
hd report "$bundle" -o "$work/again.html" >"$work/out" || die "its page can't be made again"
hd bundle extract "$bundle" "$work/unpacked" >"$work/out" || die "its bundle can't be unpacked"
hd report "$work/unpacked" >"$work/third.html" || die "nor from the folder"
exact "the page made again, from the folder" "$(cmp "$work/again.html" "$work/third.html")" ""
hd bundle ls "$bundle" | awk '$2 == "ok" { print $3 }' | while read -r m; do hd bundle cat "$bundle" "$m"; done >"$work/members"
exact "control bytes in what is shown of its bundle" "$(ctl "$work/members")" 0
# A sanitizer's own memory is not hangdog's.
grep -aqE '__(asan|tsan)_init' "$build/hangdog-daemon" ||
    figure "memory of the daemon" "$(awk '/^RssAnon/ { print $2 }' "/proc/$daemon/status")" 16384 " KiB"
hd_stop
step "it cost nobody but themselves"
