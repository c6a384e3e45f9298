#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A configuration that is read again (SIGHUP) takes effect in every process, with none of them started anew:
# the bounds of what the writer keeps, down and up; and a writer that is started later gets the latest of it.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init reload jq

fake_guest loud -r 400000
source_=${fake_source%\}}', "console-mode": "hold"}'
limits() { chaos_config "$source_" "\"limits\": {\"log-total\": \"$1\", \"spool-free-floor\": \"1MiB\", \"max-threads\": $2}"; }
# Each file once: one that is renamed while this looks would be seen twice.
log_bytes() { find "$work/state/logs" -type f -printf '%i %s\n' 2>/dev/null | awk '{ s[$1] = $2 } END { for (i in s) n += s[i]; print n + 0 }'; }
above() { [ "$(log_bytes)" -gt "$1" ]; }
below() { [ "$(log_bytes)" -lt "$1" ]; }
again() { kill -HUP "$keeper"; }
stands() { grep -q '^State:.T' "/proc/$writer/status"; }

limits 64MiB 64
hd_start
writer=$(hd_pid writer) daemon=$(hd_pid daemon)
until_ok 30 above 4000000 || die "the logs do not grow: $(log_bytes)"
step "logs hold $(log_bytes) bytes, bounded by 64 MiB"

limits 1MiB 33
again
until_ok 5 below 1048577 || die "a lower bound does not reach the writer: $(log_bytes) bytes"
n=0 most=0
while [ $((n += 1)) -le 40 ]; do
    # Of one moment: it must not write on while this looks at one file after the other.
    kill -STOP "$writer"
    until_ok 5 stands || die "the writer does not stand still"
    b=$(log_bytes)
    kill -CONT "$writer"
    [ "$b" -gt "$most" ] && most=$b
    sleep 0.05
done
figure "most bytes of logs in two seconds of noise under a bound of 1 MiB" "$most" 1048576 " bytes"
until_ok 5 sh -c "'$build/hangdog' dump | grep -q 33" || { hd dump >&2; die "the number of threads does not reach the daemon"; }

limits 64MiB 64
again
until_ok 30 above 2000000 || die "a higher bound does not reach the writer: $(log_bytes) bytes"
step "logs hold $(log_bytes) bytes again"
exact "the writer is the same" "$(hd_pid writer)" "$writer"
exact "the daemon is the same" "$(hd_pid daemon)" "$daemon"

# What came by a reload is what the next writer begins with.
mkdir "$work/drop"
url=
chaos_config "$source_" "\"limits\": {\"log-total\": \"2MiB\"}, \"sink\": {\"url\": \"dir:$work/drop\"}"
again
until_ok 5 sh -c "[ \$(grep -c 'configuration read again' '$work/hangdog.log') = 3 ]" || die "not read again"
kill -9 "$writer"
until_ok 10 hd_new_pid writer "$writer" || die "no new writer"
tr '\0' ' ' <"/proc/$(hd_pid writer)/cmdline" >"$work/args"
echo >>"$work/args"
grep -q "dir:" "$work/args" || die "the new writer has the old sink: $(cat "$work/args")"
grep -q -- '"log-total": 2097152' "$work/args" || die "the new writer has the old limits: $(cat "$work/args")"
hd_stop
step "reloads reach every process"
