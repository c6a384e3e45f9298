#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Reads every include of the house and fails on one that runs against the arrows. Also: no source file
# over 700 lines, an SPDX line in each, and no unbounded copying.
src=${srcdir:-.}
cd "$src" || exit 1
failed=0
bad() { echo "$*"; failed=1; }

may() { # ROOM: the rooms that it may include; a room within a room may have less than the whole
    case $1 in
        base) echo base ;;
        guests) echo base guests ;;
        transports) echo base guests transports ;;
        kernel) echo base kernel ;;
        controller-proto) echo base controller-proto ;;
        scenarios) echo base guests transports kernel scenarios ;;
        # To judge asks nobody: what is judged again later has no guest any more.
        diag/ladder|diag/outside|diag/report) echo base guests kernel diag ;;
        diag) echo base guests transports kernel diag ;;
        supervisor) echo base guests transports kernel controller-proto scenarios diag supervisor ;;
    esac
}
own() { # ROOM of supervisor/: whose headers in supervisor/ it may include besides its own
    case $1 in
        archive|conf|links|parser|redact|report) ;;
        keeper|check|text) echo conf ;;
        writer) echo archive conf links ;;
        beats) echo parser ;;
        watch) echo conf links text ;;
        incidents) echo links text watch ;;
        control) echo conf links beats text watch incidents ;;
        daemon) echo conf links beats text watch incidents control ;;
        cli) echo archive conf text ;;
        *) echo no-such-room ;;
    esac
}
rooms=
for room in base guests transports kernel controller-proto scenarios diag supervisor; do
    [ ! -d "$room" ] || rooms="$rooms $room"
done
for room in supervisor/*/; do
    room=${room#supervisor/}
    room=${room%/}
    allowed=" $room $(own "$room") "
    while IFS=: read -r file line text; do
        to=${text#*\"supervisor/}
        to=${to%%/*}
        case $allowed in
            *" $to "*) ;;
            *) bad "$file:$line: supervisor/$room may not include supervisor/$to: $text" ;;
        esac
    done < <(grep -rnE '^#[[:space:]]*include "supervisor/' --include='*.[ch]' "supervisor/$room")
done
[ -z "$(find supervisor -maxdepth 1 -name '*.[ch]')" ] || bad "supervisor/ has files of no room"
n=0
for room in $rooms; do
    allowed=" $(may "$room") "
    while IFS=: read -r file line text; do
        to=${text#*\"}
        to=${to%%/*}
        n=$((n + 1))
        case "$rooms " in *" $to "*) ;; *) continue ;; esac
        within=$allowed
        case $file in diag/ladder/*|diag/outside/*|diag/report/*) within=" $(may "${file%/*}") " ;; esac
        case $within in
            *" $to "*) ;;
            *) bad "$file:$line: $room may not include $to: $text" ;;
        esac
    done < <(grep -rnE '^#[[:space:]]*include "[^"]+/' --include='*.[ch]' "$room")
done
[ "$n" -gt 100 ] || bad "only $n includes were read: the test looks at the wrong place"

while read -r lines file; do
    # Tables of cases may run on; code may not.
    case $file in tests/*) most=1000 ;; *) most=700 ;; esac
    [ "$file" = total ] || [ "$lines" -le $most ] || bad "$file: $lines lines: a room too large"
done < <(find $rooms tests -name '*.[ch]' -print0 | xargs -0 wc -l)

for f in $(find $rooms tests -name '*.[ch]') $(find tests packaging .ci run-tests quickstart -name '*.sh' -o -type f -perm -u+x ! -name '*.so' 2>/dev/null | sort -u); do
    case $f in *.[ch]|*.sh|packaging/*|.ci/run|run-tests|quickstart) ;; *) continue ;; esac
    head -n 4 "$f" | grep -q 'SPDX-License-Identifier' || bad "$f: no SPDX line"
done

while IFS= read -r hit; do
    bad "unbounded: $hit"
done < <(grep -rnE '\b(strcpy|strcat|sprintf|gets|system|popen|alloca) \(' --include='*.[ch]' $rooms)

# What goes to stdout is escaped by json_show() on its way.
while IFS= read -r hit; do
    bad "unescaped: $hit"
done < <(grep -nE 'json_object_to_json_string' supervisor/cli/*.c supervisor/conf/finding.c supervisor/check/check.c)
exit $failed
