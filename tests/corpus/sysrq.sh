#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# sysrq.sh - hangdog sysrq parse on collected dumps, against an independent count by grep and awk on the raw text: each
# task (name, state, pid, in order), the frames of their stacks, the blocked set, backtraces of CPUs, and that what is
# whole is called whole. Of other logs the counts are printed and promise nothing. HANGDOG_CORPORA names the folder of
# the logs, else it is ../shared/corpora beside the sources. CORPUS_VERBOSE=1 shows what differs. Exit 1 when a promise
# is broken, 77 without a corpus.
set -u
export LC_ALL=C
src=${HANGDOG_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${HANGDOG_BUILD:-$PWD}
corpora=${HANGDOG_CORPORA:-$src/../shared/corpora}
hangdog=$build/hangdog
captures=$corpora/sysrq-captures
[ -d "$captures" ] || { echo "sysrq: skipped, no corpus ($captures)"; exit 77; }
[ -x "$hangdog" ] || { echo "sysrq: $hangdog is not built" >&2; exit 1; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
broken=0

# Name, state and pid of each task's line, fixed columns: "COMM|S|PID".
raw_tasks() {
    tr -d '\r\000' | awk '
        function trim(s) { sub(/ +$/, "", s); return s }
        (i = index($0, "task:")) && substr($0, i + 20, 7) == " state:" {
            rest = substr($0, i + 28)
            pid = -1
            if (match(rest, / pid: *[0-9]+/)) { pid = substr(rest, RSTART, RLENGTH); gsub(/[^0-9]/, "", pid) }
            print trim(substr($0, i + 5, 15)) "|" substr($0, i + 27, 1) "|" pid
        }'
}
# Those whose last line says D, sorted.
raw_blocked() { awk -F'|' '{ last[$3] = $0 } END { for (p in last) if (split(last[p], f, "|") && f[2] == "D") print last[p] }' | sort; }
# Lines of stacks that follow a task's line: until its stack ends, or something that is none.
raw_frames() {
    tr -d '\r\000' | awk '
        /task:.* state:/ { on = 1; next }
        on && /<\/TASK>|RIP: / { on = 0 }
        on && /\+0x[0-9a-f]+\/0x[0-9a-f]+/ { n++; next }
        on && !/Call Trace:|<TASK>|Workqueue:|Stopper:/ { on = 0 }
        END { print n + 0 }'
}
# "A key, three values" of our document, without a JSON reader: names here hold no quotes.
our_tasks() { grep -oE '"comm":"[^"]*","state":"[A-Za-z?]"(,"pid":[0-9]+)?' "$1" | sed -E 's/"comm":"([^"]*)","state":"(.)"/\1|\2|/; s/,"pid"://; s,\\/,/,g'; }
our_frames() { sed -E 's/.*"tasks":\[//; s/\],"cpus":.*//' "$1" | grep -oE '"func":' | wc -l; }

differ() { # FILE WHAT
    echo "DIFFERS $1: $2"
    [ "${CORPUS_VERBOSE:-0}" != 1 ] || diff "$tmp/raw" "$tmp/ours"
    broken=1
}
printf '%-36s %5s %6s %6s %8s %8s %5s %6s\n' "kernel" files tasks right D-sets frames cpus whole
for folder in "$captures"/*/; do
    files=0 tasks=0 right=0 dsets=0 dright=0 frames=0 fright=0 cpus=0 cright=0 whole=0
    for f in "$folder"*.txt; do
        files=$((files + 1))
        name=${f#"$captures"/}
        timeout 20 "$hangdog" sysrq parse "$f" --json >"$tmp/doc" 2>/dev/null
        status=$?
        # 2: there is no dump in it, and grep must find none either.
        case $status in 0) whole=$((whole + 1)) ;; 2|5) ;; *) differ "$name" "exit code $status" ;; esac
        raw_tasks <"$f" >"$tmp/raw"
        our_tasks "$tmp/doc" >"$tmp/ours"
        n=$(wc -l <"$tmp/raw")
        tasks=$((tasks + n))
        if cmp -s "$tmp/raw" "$tmp/ours"; then right=$((right + n)); else differ "$name" tasks; fi
        raw_blocked <"$tmp/raw" >"$tmp/d"
        cp "$tmp/d" "$tmp/raw"
        timeout 20 "$hangdog" sysrq parse "$f" --json --blocked >"$tmp/doc-d" 2>/dev/null
        our_tasks "$tmp/doc-d" | sort >"$tmp/ours"
        dsets=$((dsets + 1))
        if cmp -s "$tmp/raw" "$tmp/ours"; then dright=$((dright + 1)); else differ "$name" "blocked set"; fi
        n=$(raw_frames <"$f") m=$(our_frames "$tmp/doc")
        frames=$((frames + n))
        if [ "$n" = "$m" ]; then fright=$((fright + n)); else differ "$name" "frames: $n, not $m"; fi
        n=$(($(grep -ac 'NMI backtrace for cpu' "$f") + $(grep -a -A1 'sysrq: Show Regs' "$f" | grep -ac 'CPU: ')))
        m=$(grep -oE '"cpu":[0-9]+,"idle":' "$tmp/doc" | wc -l)
        cpus=$((cpus + n))
        if [ "$n" = "$m" ]; then cright=$((cright + n)); else differ "$name" "CPUs: $n, not $m"; fi
    done
    printf '%-36s %5s %6s %6s %8s %8s %5s %6s\n' "$(basename "$folder")" "$files" "$tasks" "$right" "$dright/$dsets" \
        "$fright/$frames" "$cright/$cpus" "$whole"
done

# Logs of other people's making, all generations of the line: how many of the heads that grep sees are read.
reports=$corpora/syzkaller/report
heads='task:.{15} state:|^(\[[^]]*\])* ?[^ ].{14} [RSDTtXZPI](  running task)? *([0-9a-f]{16} +)?[0-9]+ +[0-9]+ +[0-9]+ 0x[0-9a-f]{8}.?$'
if [ -d "$reports" ]; then
    n=0 m=0 files=0
    for f in $(grep -laE "$heads" "$reports"/*); do
        files=$((files + 1))
        timeout 20 "$hangdog" sysrq parse "$f" --json >"$tmp/doc" 2>/dev/null
        n=$((n + $(grep -acE "$heads" "$f")))
        m=$((m + $(our_tasks "$tmp/doc" | wc -l)))
    done
    echo "other logs: $m tasks read in $files files, $n heads by grep (no promise)"
fi
exit $broken
