# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
#
# kernel/text: its speed, on one core, by the CPU time of the process, so that others disturb little.

corpora=${HANGDOG_CORPORA:-$src/../shared/corpora}
if [ -x "$bench/bench-text" ]; then "$bench/bench-text" "$corpora" || broken=1; else echo "text: not built: left out"; fi
echo "text: peers are not installable here; measured earlier on such a machine (2 vCPUs, EPYC, one thread), not in this" \
    "run: clean text syzkaller 127 MB/s, abrt 240; reports syzkaller 1.9, abrt 30, satyr 80 to 100 (frames only)"
