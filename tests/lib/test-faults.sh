#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# test-faults - the faults that people are given for their own guests, examples/faults: each says what it does, none is
# made in the wrong place or without leave, and what can be undone is. On processes, a network and a file system of the test's own.
#
# shellcheck disable=SC2015,SC2016
set -u
src=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
dir=$(mktemp -d) || exit 1
pids=''
failed=0
# Without a word of it.
# shellcheck disable=SC2086 # pids
trap 'disown -a; kill -9 $pids 2>/dev/null; rm -rf "$dir"' EXIT
fail() { echo "FAIL: $*"; failed=1; }
f=$src/examples/faults
export HANGDOG_FAULT_STATE=$dir HANGDOG_FAULT_SYSTEMD=$dir/no-systemd # this host's is left alone
# A guest, as far as the scripts look.
mkdir -p "$dir/proc/1" "$dir/host/12"
printf 'flags\t: fpu hypervisor lm\n' >"$dir/proc/cpuinfo"
cp "$dir/proc/cpuinfo" "$dir/host/"
echo init >"$dir/proc/1/comm"
echo qemu-system-x86 >"$dir/host/12/comm"
export HANGDOG_FAULT_PROC=$dir/proc
sh=$(command -v dash || command -v sh)
# A second that they wait, be it --for or for others to be quick, is a tenth of one here.
mkdir "$dir/bin"
real=$(type -P sleep)
printf '#!/bin/sh\n[ "$1" != 1 ] || set 0.1\nexec %s "$@"\n' "$real" >"$dir/bin/sleep"
chmod +x "$dir/bin/sleep"
PATH=$dir/bin:$PATH
! command -v shellcheck >/dev/null || shellcheck -s sh "$f"/{in-guest,in-app,on-host}.sh >"$dir/checked" &
checks=$!

exits() { # CODE SCRIPT ARG...
    local want=$1 rc=0
    shift
    "$sh" "$f/$1.sh" "${@:2}" >"$dir/said" 2>&1 || rc=$?
    [ $rc = "$want" ] || { fail "$*: $rc, not $want: $(head -c 300 "$dir/said")"; return 1; }
}
says() { # WORDS SCRIPT ARG...: wrong use, and that is what is said of it
    exits 2 "${@:2}"
    grep -qF -- "$1" "$dir/said" || fail "${*:2} does not say \"$1\" but: $(head -c 300 "$dir/said")"
}
state() { sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null; }
until_true() { # COMMAND; a bound against hanging alone
    local end=$((SECONDS + 60))
    while [ $SECONDS -lt $end ]; do eval "$1" && return 0; sleep 0.05; done
    fail "in vain: $1"
}

# ---- what they say ----
for s in in-guest in-app on-host; do
    for shell in "$sh" 'busybox sh' 'bash --posix'; do
        # shellcheck disable=SC2086 # words
        ! command -v ${shell%% *} >/dev/null || $shell -n "$f/$s.sh" || fail "$s: $shell cannot read it"
    done
    exits 0 $s --help
    grep -q "^ *$s.sh .*--for" "$dir/said" || fail "$s --help has no example"
    cp "$dir/said" "$dir/help"
    exits 0 $s --list
    while IFS='|' read -r name _ what says end _; do
        grep -qF "  $name " "$dir/help" || fail "$s --help does not know $name"
        grep -qE "^(${name//-/_}|${name}_it)\(\) \{" "$f/$s.sh" || fail "$s: $name is listed and not there"
        case $end in undo | for | reset | restart) ;; *) fail "$s: $name ends by \"$end\"" ;; esac
        [ -n "$what" ] && [ -n "$says" ] || fail "$s: $name does not say what it does, or what hangdog says"
        grep -A1 -F "  $name " "$dir/help" | grep -qF "hangdog says: $says. " || fail "$s --help does not say what hangdog says of $name"
    done <"$dir/said"
    exits 2 $s
    exits 2 $s no-such-thing
    exits 2 $s --no-such-option
    says '--for wants a number of seconds, not "soon"' $s --for soon
    says 'stop' $s stop one two
    grep -q 'no fault\|no state\|"two" is one more' "$dir/said" || fail "$s: $(cat "$dir/said")"
done
says 'server-stopped wants the PID of one process, not "12 13"' on-host server-stopped '12 13'
says 'server-stopped takes one argument at most, and "13" is one more' on-host server-stopped 12 13
says 'server-stopped wants the PID of one process, not ""' on-host server-stopped
says 'starve wants a number (PERCENT), not "much"' on-host starve much
says 'memory-taken wants a number of MiB' on-host memory-taken --pid 12
says '--guest wants a name, not ""' on-host stop --guest
says '--guest wants a name of letters, digits and _.-, not "a b"' on-host stop --guest 'a b'
says 'cpu-hog wants a number (N), not "all"' in-guest cpu-hog all
says 'throttled wants a number (PERCENT), not "x"' in-app throttled x
says '--pid wants the PID of one process, not "1 2"' in-app stopped --pid '1 2'

# ---- not in the wrong place, not without leave: nothing here would do harm if it were made ----
HANGDOG_FAULT_PROC=$dir/host exits 3 in-guest program-stopped no-such-program
HANGDOG_FAULT_PROC=$dir/host exits 3 in-app stopped --name no-such-program
printf 'flags\t: fpu lm\n' >"$dir/host/cpuinfo"
rm "$dir/host/12/comm"
HANGDOG_FAULT_PROC=$dir/host exits 3 in-guest program-stopped no-such-program
cp "$real" "$dir/qemu-system-x86"
"$dir/qemu-system-x86" 600 &
q=$!
sleep 600 &
other=$!
pids="$q $other"
until_true "[ \"\$(cat /proc/$q/comm)\" = qemu-system-x86 ]"
exits 3 on-host stop --pid $other
exits 3 on-host stop --guest no-such-guest
exits 2 on-host stop
exits 2 on-host kill --pid $q
exits 2 on-host kill --pid $q --for 5 --yes
exits 2 on-host link-down --pid $q
exits 1 on-host stop --pid $q --undo
[ "$(state $q)$(state $other)" = SS ] || fail "something was done to them"

# ---- from the host ----
exits 0 on-host stop --pid $q
until_true "[ \"\$(state $q)\" = T ]"
exits 2 on-host stop --pid $q
exits 0 on-host stop --pid $q --undo
until_true "[ \"\$(state $q)\" = S ]"
exits 0 on-host server-stopped $other
until_true "[ \"\$(state $other)\" = T ]"
exits 0 on-host server-stopped $other --undo
until_true "[ \"\$(state $other)\" = S ]"
exits 0 on-host server-stopped $other --for 1
until_true "[ \"\$(state $other)\" = S ]"
until_true "[ -z \"\$(ls '$dir/hangdog-fault')\" ]"
# Its monitor: what it is told, and told again.
cat >"$dir/ask" <<'EOT'
#!/bin/sh
echo "$1" >>"${0}ed"
case $1 in
    *query-rx-filter*) echo '{"return": [{"main-mac": "52:54:00:12:34:56", "name": "net7", "promiscuous": false}]}' ;;
    *query-block*) echo '{"return": [{"device": "", "locked": false, "qdev": "/machine/disk", "type": "unknown"}]}' ;;
    *query-balloon*) echo '{"return": {"actual": 268435456}}' ;;
    *'"stop"'*) echo '{"error": {"class": "GenericError", "desc": "no"}}' ;;
    *) echo '{"return": {}}' ;;
esac
EOT
chmod +x "$dir/ask"
told() { # SCRIPT'S ARGUMENTS... : is then told, and by --undo, what stands in the input
    : >"$dir/asked"
    exits 0 on-host "$@" --pid $q --ask "$dir/ask"
    exits 0 on-host "$@" --pid $q --ask "$dir/ask" --undo
    grep -v query- "$dir/asked" | diff - "$dir/want" || fail "$* tells its monitor something else"
}
cat >"$dir/want" <<'EOT'
{"execute":"set_link","arguments":{"name":"net7","up":false}}
{"execute":"set_link","arguments":{"name":"net7","up":true}}
EOT
told link-down
cat >"$dir/want" <<'EOT'
{"execute":"block_set_io_throttle","arguments":{"id":"/machine/disk","bps":9,"bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0}}
{"execute":"block_set_io_throttle","arguments":{"id":"/machine/disk","bps":0,"bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0}}
EOT
told crawl 9
printf '{"execute":"balloon","arguments":{"value":%s}}\n' 33554432 268435456 >"$dir/want"
told memory-taken 32
exits 1 on-host paused --pid $q --ask "$dir/ask" # what it refuses is said, and there is nothing to undo
exits 1 on-host paused --pid $q --ask "$dir/ask" --undo
# Its log: who reads the pipe, and not who else writes to it.
"$dir/qemu-system-x86" 600 >"$dir/log" &
q2=$!
pids="$pids $q2"
# A file is no pipe.
( exec "$dir/qemu-system-x86" 600 2>/dev/null; ) > >(exec sleep 600) &
q3=$!
pids="$pids $q3"
until_true "[ \"\$(cat /proc/$q3/comm)\" = qemu-system-x86 ]"
exits 1 on-host log-blocked --pid $q2
exits 0 on-host log-blocked --pid $q3
who=$(sed -n 's/.*kill -CONT //p' "$dir/hangdog-fault/host-log-blocked.$q3")
pids="$pids $who"
until_true "[ \"\$(state ${who% })\$(state $q3)\" = TS ]"
exits 0 on-host log-blocked --pid $q3 --undo

# ---- from inside ----
if [ "$(id -u)" = 0 ]; then
    exits 2 in-guest panic           # without --yes
    exits 2 in-guest panic --for 5   # which nothing would undo
    exits 2 in-guest tasks-full "a;b" --yes
    exits 1 in-guest program-stopped no-such-program
    cp "$real" "$dir/prey.$$"
    "$dir/prey.$$" 600 &
    prey=$!
    pids="$pids $prey"
    until_true "[ \"\$(cat /proc/$prey/comm)\" = prey.$$ ]"
    exits 0 in-guest program-stopped prey.$$
    until_true "[ \"\$(state $prey)\" = T ]"
    exits 2 in-guest program-stopped prey.$$
    exits 0 in-guest program-stopped --undo
    until_true "[ \"\$(state $prey)\" = S ]"
    exits 0 in-guest cpu-hog 1
    hog=$(sed -n 's/kill -9 -\([0-9]*\).*/\1/p' "$dir/hangdog-fault/cpu-hog")
    pids="$pids $hog"
    until_true "[ \"\$(state $hog)\" = R ]"
    exits 0 in-guest cpu-hog --undo
    until_true "[ -z \"\$(state $hog)\" ]"
    exits 0 in-guest cpu-hog 1 --for 1
    until_true "[ ! -e '$dir/hangdog-fault/cpu-hog' ]"
    # A network and a file system of its own.
    if unshare -mn sh -c "ip link set lo up && mount -t tmpfs -o size=1m x '$dir/host'" 2>/dev/null; then
        unshare -mn bash -c "
            ip link set lo up; ip addr add 192.0.2.7/24 dev lo; ip route add default via 192.0.2.1 dev lo
            mount -t tmpfs -o size=1m x '$dir/host'
            now() { for i in \$(seq 1200); do eval \"\$1\" && return; sleep 0.05; done; echo \"FAIL: in vain: \$1\"; exit 1; }
            '$sh' '$f/in-guest.sh' address-gone && now '! ip addr show lo | grep -q 192.0.2.7' &&
            '$sh' '$f/in-guest.sh' address-gone --undo && now 'ip route | grep -q \"^default via 192.0.2.1 dev lo\"' &&
            '$sh' '$f/in-guest.sh' net-down && now '! ip link show lo | grep -q LOWER_UP' &&
            '$sh' '$f/in-guest.sh' net-down --undo && now 'ip route | grep -q \"^default\"' &&
            '$sh' '$f/in-guest.sh' disk-full '$dir/host' && { ! echo x >'$dir/host/y'; } 2>/dev/null &&
            '$sh' '$f/in-guest.sh' disk-full --undo && echo x >'$dir/host/y' && rm '$dir/host/y' &&
            '$sh' '$f/on-host.sh' disk-full '$dir/host' && { ! echo x >'$dir/host/y'; } 2>/dev/null &&
            '$sh' '$f/on-host.sh' disk-full '$dir/host' --undo && echo x >'$dir/host/y'" >"$dir/said" 2>&1 || fail "network or disk: $(cat "$dir/said")"
    else echo "no network of its own: address-gone, net-down and disk-full were not made"; fi
    # The application: one that takes no orders is not harmed by one.
    exits 1 in-app loop --name prey.$$
    exits 1 in-app blocked --pid $prey
    [ ! -e "$dir/hangdog-fault/app-blocked" ] && [ "$(state $prey)" = S ] || fail "who takes no orders got one"
    # What is started is called as it is called, and gone when it does not come.
    cp "$dir/prey.$$" "$dir/daemon.$$.of-a-long-name"
    exits 0 in-app start "$dir/daemon.$$.of-a-long-name" 600
    long=$(sed -n "s/^daemon.$$.of-a-long-name runs: process //p" "$dir/said")
    pids="$pids $long"
    [ "$(readlink "/proc/$long/exe")" = "$dir/daemon.$$.of-a-long-name" ] || fail "started: $(cat "$dir/said")"
    exits 1 in-app start "$dir/daemon.$$.of-a-long-name" 600
    printf '#!/bin/sh\nexec "%s" 600\n' "$dir/prey.$$" >"$dir/other.$$"
    printf '#!/bin/sh\nexec %s 0.01\n' "$real" >"$dir/sleep" # it waits for half a minute
    chmod +x "$dir/other.$$" "$dir/sleep"
    PATH=$dir:$PATH exits 1 in-app start --name never.$$ "$dir/other.$$"
    until_true "[ \"\$(grep -lx prey.$$ /proc/[0-9]*/comm 2>/dev/null)\" = /proc/$prey/comm ]"
    exits 1 in-app start "$(type -P false)"
    # What systemd is told: a unit of this host's is not for that.
    printf '#!/bin/sh\necho "${0##*/} $*" >>"%s"\ncase $1 in is-active) exit 3 ;; esac\n' "$dir/systemd" >"$dir/systemctl"
    chmod +x "$dir/systemctl"
    cp "$dir/systemctl" "$dir/systemd-run"
    HANGDOG_FAULT_SYSTEMD=$dir PATH=$dir:$PATH exits 1 in-app start "$dir/other.$$"
    grep -q "^systemd-run .*--unit=other.$$ " "$dir/systemd" && grep -qx "systemctl stop other.$$.service" "$dir/systemd" ||
        fail "a unit that does not come is left: $(cat "$dir/systemd")"
    if command -v perl >/dev/null; then
        # Below those that the kernel gives to whoever connects, and nobody's now.
        port=$((12000 + (RANDOM + $$) % 20000))
        while (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do port=$((port + 1)); done
        start() {
            exits 0 in-app start --name shop.$$ $port || return
            shop=$(sed -n 's/.*process //p' "$dir/said")
            pids="$pids $shop"
            mkdir -p "$dir/proc/$shop"
            echo 0::/system.slice/shop.$$.service >"$dir/proc/$shop/cgroup"
            answers
        }
        answers() { until_true "exec 3<>/dev/tcp/127.0.0.1/$port && timeout 5 head -n 1 <&3 | grep -q open" 2>/dev/null; }
        told_so() { PATH=$dir:$PATH exits 0 in-app "$@"; }
        ended() {
            kill -9 "$shop"
            until_true "[ -z \"\$(state $shop)\" ]"
        }
        start
        told_so throttled --pid "$shop" # whoever is meant so is told nothing
        answers
        told_so throttled --undo
        told_so throttled 5 --name shop.$$
        until_true "[ \"\$(state $shop)\" = R ]"
        told_so throttled --undo
        answers
        grep -qx "systemctl set-property --runtime shop.$$.service CPUQuota=5%" "$dir/systemd" &&
            [ "$(tail -n 1 "$dir/systemd")" = "systemctl set-property --runtime shop.$$.service CPUQuota=" ] || fail "throttled: $(cat "$dir/systemd")"
        told_so blocked --name shop.$$ --for 1
        until_true "[ ! -e '$dir/hangdog-fault/app-blocked' ]"
        answers
        exits 0 in-app deadlock --name shop.$$
        until_true "[ \"\$(state $shop)\" = S ]"
        until_true "grep -q '^202 ' /proc/$shop/syscall || [ \"\$(uname -m)\" != x86_64 ]"
        ended
        start
        exits 0 in-app loop --name shop.$$
        until_true "[ \"\$(state $shop)\" = R ]"
        ended
    else echo "no perl: the application of its own was not started"; fi
else echo "not root: nothing was made from inside"; fi
wait $checks || fail "shellcheck: $(cat "$dir/checked")"
[ $failed = 0 ] && echo ok
exit $failed
