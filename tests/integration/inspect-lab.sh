#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# hangdog inspect on real guests: one that is well, whose tasks are what it says itself; and one whose CPUs
# all spin with interrupts off, and which answers nobody any more. Where QEMU has its memory is what its
# monitor says; the guest is not made larger by reading it. Part of make check-lab.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/looks.sh"
bed_lab

one=inspect$$
lab_start_eve "$one" kernel=6.1 mem=256 profile=shell || exit $?
lab_wait_up "$one" 90 || exit 1
bed_config '"heartbeat": "1s",'
bed_daemon
# scheduler STATE - what its heartbeat says of it.
scheduler() { hd status "$one" --json | jq -e -s "map(select(.row == \"heartbeat\")) | any(.scheduler == \"$1\")" >/dev/null; }

# ---- where it is, and that looking does not touch ----
"$build/tests/lib/memory-where" "$(lab_pid "guest.$one")" unix "$LAB_RUN/hypervisor/kvm" "$(lab_get "$one" domain)/qmp" >"$work/where" 2>&1
says "$work/where" '^cross-check=same'
before=$(resident "$one")
for _ in 1 2 3; do hd inspect "$one" --json >"$work/rows"; rc=$?; done
after=$(resident "$one")
# It lives on and takes pages of its own; all of it at once it would never take.
[ $((after - before)) -lt 16384 ] || fail "it grew from $before to $after KiB while it was looked at"
[ "$rc" = 0 ] || [ "$rc" = 5 ] || fail "exit code $rc: $(tail -n 3 "$work/rows")"
release=$(lab_ctl "$one" uname -r)
jq -e . "$work/rows" >/dev/null || fail "not every line is JSON"
jq -r 'select(.row == "kernel") | .release' "$work/rows" >"$work/release"
says "$work/release" "^${release//./\\.}\$"
# Tasks: those that were there before and after the look.
# shellcheck disable=SC2016 # the guest's shell expands it
pids() { lab_ctl "$one" 'for t in /proc/[0-9]*/task/[0-9]*; do echo ${t##*/}; done' | sort -u; }
pids >"$work/before"
hd inspect "$one" tasks --json | jq -r 'select(.row == "task") | .pid' | sort -u >"$work/seen"
pids >"$work/after"
missed=$(comm -12 "$work/before" "$work/after" | comm -23 - "$work/seen")
[ -z "$missed" ] || fail "tasks that were not seen: $missed"
hd inspect "$one" >"$work/text" || [ $? = 5 ] || fail "as text: exit code $?"
says "$work/text" '^guest=.* run=running .*read_by='
says "$work/text" "^kernel=${release//./\\.} arch=x86-64 vcpus=2 "
says "$work/text" '^vCPU 0'
says "$work/text" '^ Call Trace:'
hd inspect "$one" dmesg >"$work/text" || [ $? = 5 ] || fail "dmesg: exit code $?"
says "$work/text" '^\[ +0\.000000\] Linux version '
hd inspect "$one" --folded >"$work/text" || [ $? = 5 ] || fail "folded: exit code $?"
says "$work/text" '^kthreadd;.*;kthreadd;schedule;__schedule 1$'
hd inspect "$one" nosuch >"$work/text" 2>&1
[ $? = 2 ] || fail "an unknown section is not refused"
hd inspect nosuchguest >"$work/text" 2>&1
[ $? = 2 ] || fail "an unknown guest is not refused"

# ---- a QEMU that stands still: its monitor says nothing, its memory does ----
kill -STOP "$(lab_pid "guest.$one")"
SECONDS=0
hd inspect "$one" tasks --json >"$work/rows"
rc=$?
[ $SECONDS -lt 30 ] || fail "beside a monitor that is stuck it took $SECONDS s"
kill -CONT "$(lab_pid "guest.$one")"
[ "$rc" = 5 ] || fail "beside a monitor that is stuck: exit code $rc"
[ "$(jq -r 'select(.row == "task") | .pid' "$work/rows" | wc -l)" -gt 20 ] || fail "no tasks beside a monitor that is stuck"
jq -e -s 'any(.row == "guest" and .registers == false and .registers_why != null)' "$work/rows" >/dev/null ||
    fail "it does not say why there are no registers: $(head -n 1 "$work/rows")"

# ---- what it traced: the same events as its own file has, in the same order ----
# shellcheck disable=SC2016 # the guest's shell expands it
lab_ctl "$one" 'mount -t tracefs tracefs /sys/kernel/tracing; cd /sys/kernel/tracing && echo 1 >events/sched/sched_switch/enable; echo 1 >events/raw_syscalls/sys_enter/enable; echo seen from outside >trace_marker; ls / >/dev/null; echo 0 >tracing_on; cat trace' >"$work/trace"
sed -nE 's/^.*-([0-9]+) +\[0*([0-9]+)\] [^ ]+ +([0-9]+)\.([0-9]{6}): ([a-z_]+):.*/\2 \1 \3\4 \5/p' "$work/trace" >"$work/its"
hd inspect "$one" ftrace --json >"$work/rows" || [ $? = 5 ] || fail "ftrace: exit code $?"
jq -r 'select(.row == "trace") | "\(.cpu) \(.pid) \(((.ns + 500) / 1000 | floor) as $us | "\($us / 1000000 | floor)\("\($us % 1000000 + 1000000)"[1:])") \(.by // .event)"' "$work/rows" >"$work/ours"
[ "$(wc -l <"$work/its")" -gt 20 ] || fail "the guest traced little: $(tail -n 5 "$work/trace")"
diff "$work/its" "$work/ours" >"$work/diff" || fail "another trace than its own: $(head -n 10 "$work/diff")"
hd inspect "$one" ftrace >"$work/text" || [ $? = 5 ] || fail "ftrace as text: exit code $?"
says "$work/text" '^# tracer: nop, tracing is off'
says "$work/text" ': tracing_mark_write: seen from outside$'
says "$work/text" ': sched_switch: prev_comm=.* next_pid=[0-9]+'

# ---- its heartbeat ----
"$build/tests/bench/bench-beat" follow "$build" "$(lab_pid "guest.$one")" 1 5000 >"$work/text" 2>&1
says "$work/text" '^vcpu=alive ticks=alive scheduler=alive canary=ok rebooted=0'

# ---- two looks, and many with one parser ----
hd inspect "$one" --samples 2 --apart 2s --json >"$work/rows" || [ $? = 5 ] || fail "two looks: exit code $?"
jq -e -s 'map(select(.row == "moved" and .what == "cpu")) | length == 2' "$work/rows" >/dev/null || fail "two CPUs should be compared"
jq -e -s 'map(select(.row == "moved" and .what == "guest" and .apart_s >= 2)) | length == 1' "$work/rows" >/dev/null || fail "how far they are apart"
timeout -s INT 12 "$build/hangdog" inspect "$one" --watch 1s >"$work/text"
[ "$(grep -c '^guest=' "$work/text")" -ge 3 ] || fail "a watch showed: $(head -n 5 "$work/text")"
timeout -s INT 12 "$build/hangdog" inspect "$one" --watch=1s --json >"$work/rows"
jq -r 'select(.row == "sample") | .cpu_us' "$work/rows" >"$work/costs"
echo "one parser, look by look, us of CPU: $(tr '\n' ' ' <"$work/costs")"
[ "$(sed -n 2p "$work/costs")" -lt "$(sed -n 1p "$work/costs")" ] || fail "the second look costs what the first did"
hd inspect "$one" --watch --samples 2 >"$work/text" 2>&1
[ $? = 2 ] || fail "--watch with --samples is not refused"

lab_until 60 "scheduler alive" || fail "it has no heartbeat: $(hd status "$one" --json | grep heartbeat)"

# ---- dead: no interrupt is taken on any CPU ----
lab_ctl "$one" lab-fault irqoff-all
lab_until 20 "hd inspect '$one' cpus --json | jq -e -s 'map(select(.row == \"cpu\" and .irqs_off)) | length == 2 and any(.comm // \"\" | startswith(\"zoo_irqoff\"))' >/dev/null" \
    || fail "both vCPUs with interrupts off are not seen"
lab_until 20 "hd inspect '$one' >'$work/text'; test \$? = 3" || fail "of the dead one: not exit code 3"
says "$work/text" '^What stands out'
says "$work/text" '^vCPU [01].*zoo_irqoff.*interrupts OFF'
says "$work/text" '^ RIP: zoo_.* \[zoo\]'
says "$work/text" 'zoo_irqoff'

lab_until 60 "scheduler dead" || fail "its heartbeat goes on: $(hd status "$one" --json | grep heartbeat)"
hd status >"$work/text" # of all guests only trouble
says "$work/text" "^$one .* dead .*neither switched nor looked at (its|their) clock"
lab_until 20 "'$build/tests/bench/bench-beat' follow '$build' '$(lab_pid "guest.$one")' 1 3000 2>/dev/null |
    grep -q '^vcpu=unknown ticks=dead scheduler=dead canary=ok rebooted=0'" || fail "its heartbeat does not stop"
hd inspect "$one" --samples 2 --apart 3s cpus system >"$work/text"; told $? "two looks at the dead one"
says "$work/text" '^moved in .*: cpu 0: 0 switches, its clock STANDS'
says "$work/text" '^moved in .*: cpu 1: 0 switches, its clock STANDS'

# ---- a core of it: the same without a daemon ----
kill "$daemon"
wait "$daemon" 2>/dev/null
lab_qmp "$one" "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$work/core\"}}" >/dev/null
hd inspect "$work/core" cpus >"$work/text"; told $? "of a core"
says "$work/text" '^ RIP: zoo_.* \[zoo\]'
hd inspect "$work/core" --samples 2 >"$work/text" 2>&1
[ $? = 2 ] || fail "two looks at a core are not refused"
head -c 100000 "$work/core" >"$work/torn"
hd inspect "$work/torn" >"$work/text" 2>&1
case $? in 2 | 6) ;; *) fail "of a torn core: exit code $?" ;; esac
exit $failed
