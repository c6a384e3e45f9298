# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# A guest that is well, asked each second by its console, its agent, its disk and its network: how late its checks
# begin alone, and how late beside those who mean ill. A bash library, to be read behind chaos_init.

# peer NAME MODE - a server on loopback; its port is in $port_NAME.
peer() {
    mkfifo "$work/$1.peer"
    "$build/tests/fakes/fake-peer" "$2" <>"$work/$1.peer" >"$work/$1.port" &
    chaos_fakes+=("$!")
    until_ok 5 test -s "$work/$1.port" || die "fake-peer $2 did not start"
    eval "port_$1=$(cat "$work/$1.port")"
}

# fake_agent GUEST MODE [OPTION...], fake_monitor GUEST MODE - a process that looks like a QEMU, whose guest's agent,
# or whose monitor, is of that mode.
fake_agent() {
    fake_qemu "$1" fake-qga "$2" qga.sock -chardev "socket,id=qga,path=$work/fake/$1/qga.sock,server=on" \
        -device virtserialport,chardev=qga,name=org.qemu.guest_agent.0 "${@:3}"
}
fake_monitor() { fake_qemu "$1" fake-qmp "$2" qmp; }
fake_qemu() { # GUEST PROGRAM MODE SOCKET OPTION...
    local name=$1 program=$2 mode=$3 dir=$work/fake/$1 uuid
    mkdir -p "$dir"
    uuid=$(printf '%s' "$dir" | md5sum)
    uuid=${uuid:0:8}-${uuid:8:4}-4${uuid:13:3}-8${uuid:17:3}-${uuid:20:12}
    mkfifo "$work/$name.stdin"
    (
        exec -a qemu-system-x86_64 "$build/tests/fakes/$program" "$mode" "$dir/$4" \
            -name "guest=$name" -uuid "$uuid" -pidfile "$dir/pid" "${@:5}" <>"$work/$name.stdin" >"$work/$name.report"
    ) &
    chaos_fakes+=("$!")
    echo "$!" >"$dir/pid"
    until_ok 5 grep -q ready "$work/$name.report" || die "$program did not start"
}

# neighbour_make - alpha with a console, beta with an agent, gamma with a mailbox, and a server for their network:
# each of them a guest that is well, $neighbours with a scenario for each.
neighbour_make() {
    neighbours='alpha beta gamma'
    mkdir -p "$work/boxes" "$work/ill"
    chmod 755 "$work/boxes" "$work/ill"
    fake_guest alpha
    fake_agent beta well
    fake_guest gamma
    hd mailbox create "$work/boxes/gamma.mailbox" --size 256KiB >/dev/null || die "no mailbox"
    sh "$src/packaging/guest/hangdog-mailbox" --device "$work/boxes/gamma.mailbox" --dir "$work/play" --interval 1 \
        --poll 1 --report-only &
    chaos_fakes+=("$!")
    peer well well
    local often='"interval": "1s", "timeout": "900ms", "initial-delay": "0s", "failure-threshold": 5'
    cat >"$work/scenarios/neighbours.json" <<EOJ
{"scenarios": [
 {"name": "up", "kind": "console-command", "select": {"name": "alpha"}, $often, "command": "uptime", "expect": {"output": "load average"}},
 {"name": "port", "kind": "tcp", "select": {"name": "alpha"}, $often, "address": "127.0.0.1:$port_well", "expect": {"output": "^SSH-"}},
 {"name": "ping", "kind": "agent-ping", "select": {"name": "beta"}, $often},
 {"name": "beat", "kind": "disk-mailbox", "select": {"name": "gamma"}, $often, "every": "3s", "missed": 10}
]}
EOJ
}

of_neighbours() { # FILTER of their rows
    rows "select(.row==\"scenario\" and (.guest==\"alpha\" or .guest==\"beta\" or .guest==\"gamma\")) | $1"
}
neighbours_beyond() { [ "$(of_neighbours "select(.ok > $1) | .guest" | wc -l)" = 4 ]; }

# neighbour_measure - each of them well five times more; then how late the latest of theirs was in $late, and how
# many of them failed or were skipped in $lost.
neighbour_measure() {
    local least
    until_ok 20 neighbours_beyond 0 || { hd status; die "the neighbours are not well"; }
    least=$(of_neighbours .ok | sort -n | tail -n 1)
    until_ok 40 neighbours_beyond $((least + 5)) || { hd status; die "the neighbours are not asked any more"; }
    late=$(of_neighbours .worst_late_ms | sort -n | tail -n 1)
    lost=$(of_neighbours '.failed + .skipped' | awk '{ n += $1 } END { print n + 0 }')
}

# Every process of hangdog's: what it holds of its own. A sanitizer's memory is not hangdog's.
descendants() { # PID
    local p
    for p in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        echo "$p"
        descendants "$p"
    done
}
neighbour_memory() {
    local p rss all='' name
    grep -aqE '__(asan|tsan)_init' "$build/hangdog-daemon" && return 0
    for p in "$keeper" $(descendants "$keeper"); do
        rss=$(awk '/^RssAnon/ { print $2 }' "/proc/$p/status" 2>/dev/null)
        name=$(cat "/proc/$p/comm" 2>/dev/null)
        [ -n "$rss" ] && all+="$rss $name"$'\n'
    done
    while read -r rss name; do
        [ -n "$name" ] && figure "memory of $name" "$rss" 24576 " KiB"
    done < <(sort -k2,2 -k1,1nr <<<"$all" | awk 'NF && !seen[$2]++')
}

# neighbour_compare ILL-DOCUMENT COMMAND... - how late they are without that document, and with it while COMMAND (that
# each of the ill has its outcome) is waited for. A machine that is busy elsewhere makes anybody late, and some fail:
# what is hangdog's doing shows each time.
neighbour_compare() {
    local doc=$1 try alone alone_lost
    shift
    mv "$doc" "$work/ill.json"
    for try in 1 2 3; do
        rm -f "$doc"
        hd_start
        neighbour_measure
        hd_stop
        alone=$late alone_lost=$lost
        step "alone: their latest check began $alone ms late, $alone_lost failed or were skipped"
        cp "$work/ill.json" "$doc"
        hd_start
        ill_daemon=$(hd_pid daemon)
        "$@"
        neighbour_measure
        step "beside the ill: their latest check began $late ms late, $lost failed or were skipped"
        [ "$lost" -le "$alone_lost" ] && [ "$late" -le $((5 * alone + 500)) ] && break
        [ "$try" = 3 ] || hd_stop
    done
    figure "checks of the well beside them that failed or were skipped" "$lost" "$alone_lost" " checks"
    figure "their latest check, $alone ms late when alone, is late by" "$late" $((5 * alone + 500))
    exact "the daemon is the same" "$(hd_pid daemon)" "$ill_daemon"
    neighbour_memory
}
