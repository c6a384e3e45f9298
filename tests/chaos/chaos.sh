# shellcheck shell=bash disable=SC1091,SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# chaos.sh - what the tests of the promises share: real processes of hangdog, real guests of the lab or fake
# ones, a real receiver. A bash library:
#
#   . "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
#   chaos_init kill jq socat          # 77 when something is missing
#
# Every figure is printed by `figure`, beside the bound it is held against, and a test fails on the first one
# beyond it. Only processes started here are signalled, each by its pid.

set -u
src=${HANGDOG_SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
build=${HANGDOG_BUILD:-$PWD}
. "$src/tests/lab/lab.sh"

work='' keeper='' controller='' url=''
chaos_fakes=()

# Since boot, in steps of ten: the clock on the wall may be set.
now_ms() { local up rest; read -r up rest </proc/uptime; echo $((10#${up/./} * 10)); }
since_ms() { echo $(($(now_ms) - $1)); }

step() { printf '%7d ms  %s\n' "$(since_ms "$chaos_began")" "$*"; }
die() {
    echo "$chaos_name: FAIL: $*" >&2
    [ -s "$work/hangdog.log" ] && tail -n 25 "$work/hangdog.log" | sed "s/^/$chaos_name: log: /" >&2
    exit 1
}
# figure WHAT VALUE BOUND [UNIT]: VALUE must not be above BOUND.
figure() {
    printf '%7d ms  FIGURE %s: %s%s (at most %s)\n' "$(since_ms "$chaos_began")" "$1" "$2" "${4:- ms}" "$3"
    [ "$2" -le "$3" ] || die "$1: $2 is more than $3"
}
# exact WHAT VALUE WANTED
exact() {
    printf '%7d ms  FIGURE %s: %s (wanted %s)\n' "$(since_ms "$chaos_began")" "$1" "$2" "$3"
    [ "$2" = "$3" ] || die "$1: \"$2\", wanted \"$3\""
}

# chaos_init NAME TOOL...
chaos_init() {
    local t
    chaos_name=$1
    chaos_began=$(now_ms)
    shift
    for t in "$@"; do
        command -v "$t" >/dev/null || { echo "$chaos_name: skipped: $t is missing" >&2; exit 77; }
    done
    umask 022 # the daemon, with no rights of its own, reads what is written here
    work=$(mktemp -d /tmp/hdc.XXXXXX) || exit 1
    chmod 711 "$work"
    trap chaos_finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    export HANGDOG_RUN=$work/run HANGDOG_STATE=$work/state HANGDOG_LIBEXEC=$build
    # A proxy of whoever runs this is not for loopback.
    export no_proxy='*' NO_PROXY='*'
    mkdir -p "$work/scenarios"
    : >"$work/hangdog.log"
}

chaos_finish() {
    local rc=$? p
    trap '' INT TERM
    for p in $keeper $(hd_children); do kill -CONT "$p" 2>/dev/null; done
    [ -n "$keeper" ] && kill "$keeper" 2>/dev/null && wait "$keeper" 2>/dev/null
    [ -n "$controller" ] && kill "$controller" 2>/dev/null && wait "$controller" 2>/dev/null
    [ -n "${LAB_DIR:-}" ] && lab_stop_all
    for p in ${chaos_fakes[@]+"${chaos_fakes[@]}"}; do kill -CONT "$p" 2>/dev/null; kill "$p" 2>/dev/null; done
    type chaos_more_cleanup >/dev/null 2>&1 && chaos_more_cleanup
    if [ "${CHAOS_KEEP:-0}" = 1 ]; then echo "$chaos_name: kept $work" >&2; else rm -rf "$work"; fi
    exit "$rc"
}

# ---- guests ----

# The lab of real guests, and where hangdog finds them.
chaos_lab() {
    lab_init "$work/lab" || exit $?
    chmod 711 "$work/lab" "$LAB_DIR"
    "$src/tests/lab/fetch" 6.1 >/dev/null || exit $?
    "$src/tests/lab/image" 6.1 >/dev/null || exit $?
    eve_source="{\"kind\": \"rundir\", \"root\": \"$LAB_RUN/hypervisor/kvm\", \"eve\": \"$LAB_RUN\"}"
}

chaos_libvirt_source() { # [MORE MEMBERS]: after the first lab_start_libvirt
    chmod 711 "$LAB_DIR/lv" "$LAB_DIR/lv/sock"
    chmod 777 "$LAB_DIR/lv/sock/libvirt-sock"
    lv_source="{\"kind\": \"libvirt\", \"uri\": \"$LAB_URI\"${1:+, $1}}"
}

# fake_guest NAME [FAKECONS OPTIONS]... - a process that looks like a QEMU and serves a fake console in its
# folder $work/fake/NAME, of a uuid made of that if FAKE_UUID gives none: hangdog looks at all processes, also at
# those of the test beside this one. FAKE_ARGS: more words of that QEMU. Orders for the console go to fake_tell NAME ORDER; its report is in $work/NAME.report.
fake_guest() {
    local name=$1 dir=$work/fake/$1 uuid
    shift
    mkdir -p "$dir"
    uuid=$(printf '%s' "$dir" | md5sum)
    uuid=${FAKE_UUID:-${uuid:0:8}-${uuid:8:4}-4${uuid:13:3}-8${uuid:17:3}-${uuid:20:12}}
    mkfifo "$work/$name.orders"
    # Its orders are held open for writing too, so that one order's end is not theirs. QEMU's options stand
    # behind the folder, where a getopt that keeps POSIX does not look.
    (
        export POSIXLY_CORRECT=1
        exec -a qemu-system-x86_64 "$build/tests/fakes/fakecons" "$@" "$dir" \
            -name "guest=$name" -uuid "$uuid" -pidfile "$dir/pid" ${FAKE_ARGS:-} <>"$work/$name.orders" >"$work/$name.report" 2>"$work/$name.err"
    ) &
    chaos_fakes+=("$!")
    eval "fake_$name=$!"
    echo "$!" >"$dir/pid"
    until_ok 5 grep -q ready "$work/$name.report" || die "fakecons did not start: $(cat "$work/$name.err")"
    fake_source="{\"kind\": \"rundir\", \"root\": \"$work/fake\", \"consoles\": \"cons0\"}"
}
fake_tell() { printf '%s\n' "${*:2}" >"$work/$1.orders"; }

# ---- hangdog ----

# chaos_config SOURCES [MORE MEMBERS]
chaos_config() {
    {
        echo "{ \"schema\": \"hangdog/config/1\", \"sources\": [$1],"
        echo "  \"scenarios\": [\"$work/scenarios\"]"
        # They bring about the same hang again and again, and count its bundles.
        echo '  , "repeat": "0s"'
        [ -n "$url" ] && echo "  , \"sink\": {\"url\": \"$url/bundles\"}"
        [ -n "${2:-}" ] && echo "  , $2"
        echo "}"
    } >"$work/config.json"
}

# chaos_scenario NAME SELECT INTERVAL TIMEOUT [MORE MEMBERS]
chaos_scenario() {
    cat >"$work/scenarios/$1.json" <<EOJ
{
  "schema": "hangdog/scenario/1", "name": "$1", "kind": "console-command",
  "select": {"name": "$2"}, "transports": ["console"],
  "interval": "$3", "timeout": "$4", "initial-delay": "${DELAY:-100ms}", "retry-interval": "${RETRY:-1s}", "jitter": "0s",
  "failure-threshold": 2, "success-threshold": 1, "playbook": "standard",
  "command": "uptime", "expect": {"status": 0, "output": "load average"}${5:+, $5}
}
EOJ
}

hd() { "$build/hangdog" "$@"; }

hd_start() {
    "$build/hangdog" --config "$work/config.json" daemon ${CHAOS_DEBUG:+--debug} 2>>"$work/hangdog.log" &
    keeper=$!
    until_ok 15 hd_ready || die "hangdog did not start"
}
# Not before the daemon is there: a client that finds none starts one of its own.
hd_ready() { kill -0 "$keeper" && [ -n "$(hd_pid daemon)" ] && hd spool >/dev/null 2>&1 </dev/null; }
hd_stop() {
    kill "$keeper" 2>/dev/null
    wait "$keeper" 2>/dev/null
    keeper=''
}
hd_children() { [ -n "$keeper" ] && cat "/proc/$keeper/task/"*/children 2>/dev/null; }
hd_pid() { # daemon|writer: its pid, "" when there is none
    local p
    for p in $(hd_children); do
        case $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null) in *"hangdog-$1 "* | *"hangdog-$1-libvirt "*) echo "$p" ;; esac
    done
}
hd_new_pid() { # daemon|writer OLD: true once another one runs
    local p
    p=$(hd_pid "$1")
    [ -n "$p" ] && [ "$p" != "$2" ]
}
rows() { hd status --json 2>/dev/null | jq -r "$1" 2>/dev/null; }
# The built-in heartbeat is not meant: it is there before a test's own documents are read, and goes when they are.
bound_own='select(.row=="scenario" and .scenario!="heartbeat")'
# scenario_of GUEST MEMBER: of the guest's first binding
scenario_of() { rows "$bound_own | select(.guest==\"$1\") | .$2" | head -n 1; }
# bindings N: there are so many.
bindings() { [ "$(rows "$bound_own | .guest" | wc -l)" = "$1" ]; }
console_of() { rows "select(.row==\"console\" and .guest==\"$1\") | .$2" | head -n 1; }
incidents() { rows 'select(.row=="incident") | .id' | wc -l; }
# A guest's probe has gone well once more than N times.
well_beyond() { [ "$(scenario_of "$1" ok)" -gt "$2" ] 2>/dev/null; }

chaos_controller() {
    mkdir -p "$work/received"
    "$build/hangdog-controller" --listen 127.0.0.1:0 --data "$work/received" >"$work/controller.out" 2>"$work/controller.err" &
    controller=$!
    until_ok 10 grep -q '^listening ' "$work/controller.out" || die "the controller did not start: $(cat "$work/controller.err")"
    url=$(sed -n 's/^listening //p' "$work/controller.out")
}
received() { curl -fsS "$url/bundles" | grep -oE 'tar\.zst"' | wc -l; }
received_at_least() { [ "$(received)" -ge "$1" ]; }
got_bundle() { # FILE: fetches the newest one
    local name
    name=$(curl -fsS "$url/bundles" | grep -oE '"name": ?"[^"]*tar\.zst"' | tail -n 1 | sed 's/.*"name": *"//; s/"$//')
    curl -fsS -o "$1" "$url/bundles/$name"
}

# until_ok SECONDS COMMAND... - every 20 ms. So many seconds are enough on a quiet machine; on one that has much
# else to do six times as long is waited. What is promised of times is held by `figure`.
until_ok() {
    local end=$(($(now_ms) + $1 * 6000))
    shift
    until "$@" 2>/dev/null; do
        [ "$(now_ms)" -lt "$end" ] || return 1
        sleep 0.02
    done
}
gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }
logged() { grep -qE -- "$1" "$work/hangdog.log"; }
