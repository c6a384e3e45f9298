#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# cpu-hog.sh [N] - N busy loops in this guest (as many as it has CPUs).
# Run it in a guest of your own: it is busy, and not hung, and hangdog must say nothing.
case ${1:-} in -h|--help) sed -n '4,5s/^# //p' "$0"; exit 0 ;; esac
n=${1:-$(grep -c ^processor /proc/cpuinfo)}
while [ "$n" -gt 0 ]; do (while :; do :; done) >/dev/null 2>&1 & n=$((n - 1)); done
