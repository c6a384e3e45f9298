#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# no-tasks.sh [N] - lets this guest have N tasks (400), and makes sleepers until there are as many: no process can be made any more.
# Run it in a guest of your own, as root, and see what hangdog says: task-exhaustion. Ends by a reset of the guest.
case ${1:-} in -h|--help) sed -n '4,5s/^# //p' "$0"; exit 0 ;; esac
echo "${1:-400}" >/proc/sys/kernel/pid_max
(while :; do sleep 100000 & done) >/dev/null 2>&1 &
