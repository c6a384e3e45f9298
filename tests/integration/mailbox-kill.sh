#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
#
# A guest that is killed 200 times while it writes to its mailbox, with and without the host's page cache between:
# no wrong reading. Part of make lab-long.
. "${HANGDOG_SRC:-${srcdir:-.}}/tests/integration/bed.sh"
bed_needs jq
bed_lab
. "$src/tests/integration/mailboxes.sh"

for MAILBOX_CACHE in none writeback; do
    box_make
    kill_prepare "kill$MAILBOX_CACHE$$"
    kill_rounds "kill$MAILBOX_CACHE$$" $((${MAILBOX_KILLS:-200} / 2))
done
exit "$failed"
