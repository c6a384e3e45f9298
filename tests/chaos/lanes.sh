#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# One guest, one folder, one log that is stuck holds up nobody else: the others are asked on schedule, and
# `hangdog status` says what is stuck and since when.

# Mounts of its own, so that a dead one never outlives the test.
if [ -z "${CHAOS_OWN_MOUNTS:-}" ] && unshare -m --propagation private true 2>/dev/null; then
    CHAOS_OWN_MOUNTS=1 exec unshare -m --propagation private bash "$0" "$@"
fi
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/chaos/chaos.sh"
chaos_init lanes jq
. "$src/tests/integration/neighbour.sh"
[ -n "${CHAOS_OWN_MOUNTS:-}" ] || { echo "lanes: skipped: no mount namespaces here" >&2; exit 77; }

chaos_more_cleanup() {
    local m
    for m in $(awk -v w="$work" 'index($2, w) == 1 { print $2 }' /proc/self/mounts); do umount -l "$m"; done
}
dead=()
dead_later() { # FILE: a well one until `kill -USR1 $later`
    mkfifo "$work/later.in"
    "$build/tests/lib/dead-fuse" -l "$1" <>"$work/later.in" >"$work/later.out" 2>"$work/later.err" &
    later=$!
    chaos_fakes+=("$later")
    until_ok 5 grep -q ready "$work/later.out" || { cat "$work/later.err" >&2; echo "lanes: skipped: no FUSE" >&2; exit 77; }
}
dead_mount() { # WHERE: from now on whoever touches it is stuck
    mkfifo "$work/dead.${#dead[@]}"
    "$build/tests/lib/dead-fuse" "$1" <>"$work/dead.${#dead[@]}" >"$work/dead.out" 2>"$work/dead.err" &
    dead+=("$!")
    chaos_fakes+=("$!")
    until_ok 5 grep -q ready "$work/dead.out" || { cat "$work/dead.err" >&2; echo "lanes: skipped: no FUSE" >&2; exit 77; }
}
revive() {
    local p
    for p in ${dead[@]+"${dead[@]}"}; do kill "$p"; wait "$p" 2>/dev/null; done
    dead=()
    rm -f "$work"/dead.[0-9]*
}

for g in alpha beta gamma delta; do fake_guest "$g" -r 500; done
: >"$work/fake/beta/console.log"
dead_mount "$work/fake/beta/console.log"
mkdir "$work/more"
chaos_scenario up '*' 1s 800ms
fake_source="{\"kind\": \"rundir\", \"root\": \"$work/fake\", \"consoles\": \"cons0,console.log\"}"
chaos_config "$fake_source"
sed -i "s|\"$work/scenarios\"|\"$work/scenarios\", \"$work/more\"|" "$work/config.json"
# An empty one is an error of the configuration's: one scenario that selects nobody.
chaos_scenario none nobody 1h 1s && mv "$work/scenarios/none.json" "$work/more/"
hd_start
all_well() { for g in "$@"; do well_beyond "$g" "${beyond:-1}" || return 1; done; }
until_ok 15 all_well alpha gamma delta || { hd status; die "not all are well"; }

# The worst delay and the fewest runs of the guests named, over a while in which each is due ten times.
watch_others() { # WHAT STUCK GUEST...: STUCK is what `status` must name as stuck, or "-"
    local what=$1 stuck=$2 g n worst=0 least=99 was
    shift 2
    declare -A was
    for g in "$@"; do was[$g]=$(scenario_of "$g" ok); done
    sleep 8
    for g in "$@"; do
        n=$(($(scenario_of "$g" ok) - ${was[$g]}))
        [ "$n" -lt "$least" ] && least=$n
        n=$(scenario_of "$g" worst_late_ms)
        [ "$n" -gt "$worst" ] && worst=$n
    done
    if [ "$stuck" != - ]; then
        hd status | sed -n '/^STUCK/,/^$/p' | sed 's/^/            /'
        rows "select(.row==\"stuck\" and (.job | contains(\"$stuck\")) and .since_ms > 2000) | .lane" | grep -q . ||
            { hd status; die "$what: status does not name $stuck as stuck, and since when"; }
    fi
    figure "$what: the others' worst probe was late by" "$worst" 1000
    figure "$what: probes missed of 8 by the worst of the others" $((8 - least)) 1 " probes"
}
not_stuck() { [ "$(rows 'select(.row=="stuck")' | wc -l)" = 0 ]; }

# ---- a QEMU that stands still ----
kill -STOP "$fake_alpha"
watch_others "one QEMU stopped" - gamma delta
hd status alpha | sed 's/^/            /' | head -n 12
kill -CONT "$fake_alpha"
beyond=$(scenario_of alpha ok)
until_ok 20 all_well alpha || { hd status; die "alpha is not asked again"; }
beyond=1

# ---- a guest's log on a dead file system, since before hangdog began ----
watch_others "one log dead" fake/beta alpha beta gamma delta
revive
until_ok 10 not_stuck || { hd status; die "the log answers again, and is called stuck"; }

# ---- a guest that is slow by each of its ways at once; a socket is asked only where its QEMU itself listens, so
# its agent and its monitor are two more ----
fake_guest zeta -P xoff
fake_agent zeta-agent silent
fake_monitor zeta-monitor greet-only
zeta_pids="$fake_zeta $(cat "$work/fake/zeta-agent/pid" "$work/fake/zeta-monitor/pid")"
for m in greets trickle content dns; do peer "$m" "$m"; done
mkdir -m 755 "$work/boxes" "$work/exec.d"
printf '#!/bin/sh\nexec sleep 5\n' >"$work/exec.d/slow" && chmod 755 "$work/exec.d/slow"
hd mailbox create "$work/boxes/zeta.mailbox" >/dev/null || die "no mailbox"
dead_mount "$work/boxes/zeta.mailbox"
mkdir -m 700 "$work/ssh" && : >"$work/ssh/known_hosts" && : >"$work/ssh/k" && chmod 600 "$work/ssh"/*
if [ "$(id -u)" = 0 ]; then chown -R "$(id -un hangdog 2>/dev/null || echo nobody)" "$work/ssh"; fi
zetas=''
zeta() { # NAME MEMBERS [GUEST]: unless this hangdog was built without
    local when='"interval": "2s", "timeout": "1900ms", "initial-delay": "0s", "retry-interval": "1s", "failure-threshold": 100'
    local d="{\"name\": \"$1\", \"select\": {\"name\": \"${3:-zeta}\"}, $when, $2}"
    echo "$d" >"$work/zeta.json"
    hd scenario check "$work/zeta.json" >/dev/null 2>&1 || { echo "not asked: $1"; return; }
    zetas+="${zetas:+,}$d"
}
zeta z-agent '"kind": "agent-ping"' zeta-agent
zeta z-monitor '"kind": "monitor", "samples-apart": "100ms"' zeta-monitor
zeta z-disk '"kind": "disk-mailbox"'
zeta z-exec '"kind": "exec", "program": "slow"'
zeta z-tcp "\"kind\": \"tcp\", \"address\": \"127.0.0.1:$port_trickle\", \"expect\": {\"output\": \"never\"}"
zeta z-dns "\"kind\": \"dns\", \"address\": \"127.0.0.1:$port_dns\", \"query\": \"app.lan\""
zeta z-ssh "\"kind\": \"ssh-command\", \"command\": \"uptime\", \"address\": \"127.0.0.1:$port_greets\", \"ssh\": {\"user\": \"u\", \"key\": \"k\"}"
zeta z-http "\"kind\": \"http\", \"url\": \"http://127.0.0.1:$port_content/\", \"expect\": {\"output\": \"never\"}"
echo "{\"scenarios\": [$zetas]}" >"$work/scenarios/zeta.json"
sed -i "s|\"sources\"|\"mailboxes\": [\"$work/boxes\"], \"exec\": [\"$work/exec.d\"], &|" "$work/config.json"
# The folder of programs counts from the start.
hd_stop
hd_start
until_ok 15 all_well alpha gamma delta || { hd status; die "not all are well"; }
zeta_asked() { [ "$(rows 'select(.row=="scenario" and (.guest | startswith("zeta")) and .runs < 1) | .scenario' | wc -l)" = 0 ]; }
until_ok 30 zeta_asked || { hd status zeta; die "zeta is not asked in each way"; }
watch_others "one guest slow in all ways" - alpha gamma delta
rows 'select(.row=="scenario" and (.guest | startswith("zeta"))) | "            \(.scenario) of \(.guest): \(.code)"'
exact "one guest slow in all ways: it is well by none" "$(rows 'select(.row=="scenario" and (.guest | startswith("zeta"))) | .ok' | sort -u)" 0
neighbour_memory
rm "$work/scenarios/zeta.json"
# shellcheck disable=SC2086
kill $zeta_pids
revive
umount -l "$work/boxes/zeta.mailbox" 2>/dev/null
kill -HUP "$keeper"
zeta_gone() { [ -z "$(rows 'select(.row=="scenario" and (.guest | startswith("zeta"))) | .scenario')" ]; }
rm -rf "$work/fake"/zeta*
until_ok 30 zeta_gone || { hd status; die "zeta does not go"; }

# ---- a guest's folder on a dead file system ----
dead_mount "$work/fake/gamma"
mkdir "$work/fake/omega" # all folders are looked at again
watch_others "one run folder dead" fake/gamma alpha delta
logged 'fake/gamma does not answer' || die "nobody said that the folder is stuck"
exact "one run folder dead: its guest is still" "$(rows 'select(.row=="guest" and .display=="gamma") | .run')" running
revive
umount -l "$work/fake/gamma" 2>/dev/null
beyond=$(scenario_of gamma ok)
until_ok 30 all_well gamma || { hd status; die "gamma is not asked again once its folder answers"; }

# ---- a log that would die while it is read: it is not followed in the first place ----
fake_guest epsilon
: >"$work/fake/epsilon/console.log"
dead_later "$work/fake/epsilon/console.log"
mkdir "$work/fake/again"
not_followed() { rows 'select(.row=="console" and .guest=="epsilon" and .name=="console.log") | .detail' | grep -q 'not followed'; }
until_ok 40 not_followed || { hd status; die "status does not say that the log of epsilon is not followed"; }
old=$(hd_pid daemon)
kill -USR1 "$later"
watch_others "a log dies later" - alpha beta gamma delta epsilon
exact "a log dies later: the daemon is the same" "$(hd_pid daemon)" "$old"
kill "$later"
wait "$later" 2>/dev/null
umount -l "$work/fake/epsilon/console.log" 2>/dev/null
rm -f "$work/fake/epsilon/console.log"

# ---- the folder of scenarios on a dead file system ----
dead_mount "$work/more"
kill -HUP "$keeper"
watch_others "scenario folder dead" more alpha gamma delta
# A keeper that died holds nothing up either, though what it was stuck in still is.
kill -9 "$keeper"
wait "$keeper" 2>/dev/null
at=$(now_ms)
hd_start
figure "keeper killed while a folder is dead: the next one runs after" "$(since_ms "$at")" 3000
until_ok 15 logged 'scenarios (could not be read|are not taken)' || die "nobody said that the scenarios were not read"
revive
umount -l "$work/more" 2>/dev/null
kill -HUP "$keeper"
sleep 1
exact "bindings after it all" "$(rows 'select(.row=="daemon") | .bindings')" 5
hd_stop

# ---- a daemon that the kernel keeps: not even SIGKILL ends it ----
mkdir "$work/stuck" "$work/libexec"
chmod 755 "$work/libexec" "$work/stuck"
: >"$work/stuck/file"
dead_mount "$work/stuck/file"
ln -s "$build"/hangdog-* "$work/libexec/"
rm "$work/libexec/hangdog-daemon"
cat >"$work/libexec/hangdog-daemon" <<EOS
#!/bin/sh
# The first one reads what never answers.
if mkdir "$work/first" 2>/dev/null; then exec cat "$work/stuck/file"; fi
exec "$build/hangdog-daemon" "\$@"
EOS
chmod 755 "$work/libexec/hangdog-daemon"
chmod 777 "$work"
at=$(now_ms)
HANGDOG_LIBEXEC=$work/libexec hd_start
figure "a daemon stuck in the kernel: another one runs after" "$(since_ms "$at")" 5000
stuck_pid=$(jq -r 'select(.msg | test("is left behind")) | .msg' "$work/hangdog.log" | sed 's/.*pid \([0-9]*\).*/\1/' | tail -n 1)
[ -n "$stuck_pid" ] || die "nobody said that one was left behind"
exact "the one left behind is in state" "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$stuck_pid/status")" D
beyond=1
until_ok 20 all_well alpha beta gamma delta || { hd status; die "not all are asked by the second one"; }
revive
until_ok 5 gone "$stuck_pid" || die "the stuck one does not end with what it was stuck in"
hd_stop
step "nobody waited for the stuck"
