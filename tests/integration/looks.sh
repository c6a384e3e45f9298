# shellcheck shell=bash disable=SC1091,SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What tests share that look at guests from outside: a look, and what is asked of its rows and its text. A bash
# library on top of bed.sh:
#
#   look GUEST SECTION...             $work/rows and $work/text
#   rows 'of("cpu") | length == 2'    jq's, over all rows
#   said '^vCPU 0'                    a line of the text
#
# What is not so is told with what there was instead, once for each $at.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"

# told CODE WHAT - a look that told what there is, be it trouble.
told() { case $1 in 0 | 3 | 4 | 5) ;; *) fail "$2: exit code $1" ;; esac; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid "guest.$1")/status"; } # GUEST

# look GUEST|CORE WORD... - sets look_code, too.
look() {
    look_rows "$@"
    told "$look_code" "inspect $*: $(tail -n 2 "$work/err" "$work/rows")"
    hd inspect "$@" >"$work/text" 2>&1
    return 0
}
look_rows() {
    hd inspect "$@" --json >"$work/rows" 2>"$work/err"
    look_code=$?
    return 0
}

# asks FILTER - s(ID): the frames of a stack in one line; of(ROW): all rows of a kind.
asks() {
    jq -e -s "map(select(type == \"object\")) as \$r |
        def s(\$id): [\$r[] | select(.row == \"stack\" and .id == \$id) | .frames[]] | join(\" \");
        def of(\$row): \$r | map(select(.row == \$row)); $1" "$work/rows" >/dev/null 2>&1
}
rows() { asks "$1" || { fail "not so: $1"; shown; }; }
said() { grep -Eq -- "$1" "$work/text" || { fail "'$1' is not said"; shown; }; }

# no_kernel GUEST PATTERN - there is none, for that reason, in rows and in text.
no_kernel() {
    look_rows "$1"
    [ "$look_code" = 6 ] || { fail "exit code $look_code and not 6"; shown; }
    jq -r 'select(.row == "end" and .found == false).why' "$work/rows" | grep -Eq -- "$2" || { fail "the rows do not say '$2'"; shown; }
    hd inspect "$1" >"$work/text" 2>&1
    tr '\n' ' ' <"$work/text" | grep -Eq -- "$2" || { fail "the text does not say '$2'"; shown; }
}

# until_rows SECONDS FILTER GUEST WORD... - looks until it is so.
until_rows() {
    local end=$((SECONDS + 6 * $1)) filter=$2
    shift 2
    until look_rows "$@" && asks "$filter"; do
        [ $SECONDS -lt $end ] || { fail "not so in time: $filter"; shown; return 1; }
        sleep 0.3
    done
    hd inspect "$@" >"$work/text" 2>&1
    return 0
}

shown() {
    [ "$at" != "${shown_at:-}" ] || return
    shown_at=$at
    cat "$work/err"
    jq -c 'select(.row as $x | ["dmesg", "module", "mem", "timers", "zone", "net"] | index($x) | not)' "$work/rows" |
        grep -E 'zoo|labd|dd|panic|"row":"(guest|kernel|cpu|lock|deadlock|system|disk|request|moved|finding|lacks|end)"' | cut -c1-500 | head -n 40
    grep -E 'zoo|labd|CPU|vda|DEADLOCK|held by|moved|RIP|PC:' "$work/text" | head -n 30
}
begin() { at=$*; echo "$at"; }
