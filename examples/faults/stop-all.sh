#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# stop-all.sh - stops every process of this guest but init and the kernel's own (SIGSTOP).
# Run it in a guest of your own, as root, and see what hangdog says: userspace-stuck. Ends by a reset of the guest.
case ${1:-} in -h|--help) sed -n '4,5s/^# //p' "$0"; exit 0 ;; esac
(sleep 1; trap '' HUP; kill -STOP -1) >/dev/null 2>&1 &
