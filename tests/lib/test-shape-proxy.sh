#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The bad link: does it do what it says, and let everything else through?
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/lib/functions.sh"

proxy=$HANGDOG_BUILD/tests/lib/shape-proxy
peer=$HANGDOG_BUILD/tests/lib/tcp-peer
tmpdir

start server "$peer" serve
await 60 test -s "$tmpdir/server.out"
server_port=$(head -n 1 "$tmpdir/server.out")

# Starts the proxy with the given options; sets $port.
link ()
{
  stop_started link
  start link "$proxy" --listen 127.0.0.1:0 --to "127.0.0.1:$server_port" "$@"
  await 60 test -s "$tmpdir/link.out"
  port=$(head -n 1 "$tmpdir/link.out")
}

# Sends $1 bytes (for at most $2 ms); sets $said, $took and $status.
send ()
{
  status=0
  said=$("$peer" send "$port" "$@") || status=$?
  took=${said##* in }
  said=${said% in *}
}

# Ends the proxy and checks its last line.
summary ()
{
  stop_started link
  check_eq "$status" 0 "the proxy's status"
  check_eq "$(tail -n 1 "$tmpdir/link.out")" "$1" "the proxy's summary"
}

served ()
{
  tail -n 1 "$tmpdir/server.out" | grep -qx "$1"
}

want ()
{
  "$peer" sum "$1"
}

# Plain: every byte arrives, the half-close too, and the answer comes back.
link
for bytes in 0 1 4096 3000000; do
  send $bytes
  check_eq "$said" "$(want $bytes)" "plain, $bytes bytes"
done
summary "connections 4 up 3004097 down 85 cut 0 stalled 0 dropped 0 reset 0 failed 0"

# Rate: 60000 bytes at 200000 a second take 0.3 s, less the first burst.
link --rate 200000
send 60000
check_eq "$said" "$(want 60000)" "rate"
[ "$took" -ge 200 ] || fail "60000 bytes at 200000 a second took $took ms"

# Delay: there and back.
link --delay 150
send 1000
check_eq "$said" "$(want 1000)" "delay"
[ "$took" -ge 300 ] || fail "twice 150 ms took $took ms"

# Cut: exactly so many bytes arrive, then both ends see a reset; each time.
link --cut-after 70000
for i in 1 2; do
  send 500000
  check_eq "$status" 3 "cut: the sender's status"
  await 60 served "broken after 70000"
done
send 69999
check_eq "$said" "$(want 69999)" "less than is cut"
summary "connections 3 up 209999 down 23 cut 2 stalled 0 dropped 0 reset 0 failed 0"

# Stall: nothing more, and no end either.
link --stall-after 5000
send 20000 1500
check_eq "$said $status" "timeout 4" "stall"
summary "connections 1 up 5000 down 0 cut 0 stalled 1 dropped 0 reset 0 failed 0"

# The request is served, the answer is lost: twice, then never again.
link --drop-reply 2
for i in 1 2; do
  send $((1000 + i))
  check_eq "$said $status" "reset 3" "dropped reply $i"
  await 60 served "$(want $((1000 + i)))"
done
send 1003
check_eq "$said" "$(want 1003)" "after the dropped replies"
summary "connections 3 up 3006 down 22 cut 0 stalled 0 dropped 2 reset 0 failed 0"

# Half of the connections are refused, in a fixed order.
link --accept-reset 50
seen=
for i in 1 2 3 4; do
  send 10
  seen="$seen $status"
done
check_eq "$seen" " 0 3 0 3" "every second connection"

# Nobody behind it.
stop_started server
# No port of its own: that may be somebody else's by now.
server_port=1
link
send 10
check_eq "$status" 3 "no target"
summary "connections 1 up 0 down 0 cut 0 stalled 0 dropped 0 reset 0 failed 1"

# It ends with its stdin.
mkfifo "$tmpdir/stdin"
"$proxy" --listen 127.0.0.1:0 --to 127.0.0.1:1 <"$tmpdir/stdin" \
  >"$tmpdir/stdin.out" &
exec 3>"$tmpdir/stdin"
await 60 test -s "$tmpdir/stdin.out"
exec 3>&-
wait $! || fail "the proxy did not end well with its stdin"

status=0
"$proxy" --listen nowhere --to 127.0.0.1:1 2>/dev/null || status=$?
check_eq "$status" 2 "a wrong address"
