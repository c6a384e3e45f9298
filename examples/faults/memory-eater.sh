#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# memory-eater.sh - takes all the memory of this guest, and begins again whenever it is killed for it.
# Run it in a guest of your own, as root, and see what hangdog says: out-of-memory. Ends by a reset of the guest.
case ${1:-} in -h|--help) sed -n '4,5s/^# //p' "$0"; exit 0 ;; esac
# tail keeps a line that never ends.
(while :; do tail /dev/zero; done) >/dev/null 2>&1 &
