#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# net-down.sh [INTERFACE] - takes down an interface of this guest (eth0).
# Run it in a guest of your own, as root, with a scenario that asks over the network, and see what hangdog says: network-lost.
case ${1:-} in -h|--help) sed -n '4,5s/^# //p' "$0"; exit 0 ;; esac
(sleep 1; ip link set "${1:-eth0}" down) >/dev/null 2>&1 &
