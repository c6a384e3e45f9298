# SPDX-License-Identifier: Apache-2.0
#
# truth.awk TRUTH MEMORY - what a guest said of its tasks (tests/lab/guest/truth.c), beside what was read from
# its memory (truth.jq). One line of figures; then what differs. Exit 1: less than was promised; 2: another task
# set, which is also what one task less or more between the two looks makes.
#
# A task is a witness when it has not run in between: its switches are those of before. Of the others the set,
# the name and the group are compared, and how many of them are still in the state they were in is said.

function tell(text) { if (told++ < 40) print "  " text }

# Frames in which the two agree: from the top as far as they are the same, then from the bottom.
function same_frames(pid, nt, nm,    top, bottom) {
    for (top = 0; top < nt && top < nm && tframe[pid, top] == mframe[pid, top]; top++) ;
    for (bottom = 0; bottom < nt - top && bottom < nm - top &&
         tframe[pid, nt - 1 - bottom] == mframe[pid, nm - 1 - bottom]; bottom++) ;
    return top + bottom
}

BEGIN { FS = "\t" }
$1 == "S" { left_out[$2] = 1 }
FNR == NR && $1 == "R" { release = $2 }
FNR == NR && $1 == "T" {
    truth[$2] = 1; ttgid[$2] = $3; tstate[$2] = $4; tparent[$2] = $5; tgroup[$2] = $8; tname[$2] = $9
    tswitches[$2] = $7; torn[$2] = $6 != $7
}
# Before 5.2 a stack ended with a mark that is no frame.
FNR == NR && $1 == "F" && $3 != "0xffffffffffffffff" { tframe[$2, tn[$2]++] = $3 }
FNR != NR && $1 == "R" { mrelease = $2 }
FNR != NR && $1 == "T" {
    memory[$2] = 1; mtgid[$2] = $3; mstate[$2] = $4; mparent[$2] = $5; mswitches[$2] = $6; running[$2] = $7
    mgroup[$2] = $8; mname[$2] = $9
}
FNR != NR && $1 == "F" {
    f = $3
    sub(/\+.*/, "", f)
    if (!(f in left_out)) mframe[$2, mn[$2]++] = $3
}
END {
    if (release != mrelease) { print "  another kernel: " release ", " mrelease; bad = 1 }
    for (pid in memory)
        if (!(pid in truth)) { more++; tell("only in memory: " pid " " mname[pid]) }
    for (pid in truth) {
        all++
        if (!(pid in memory)) { less++; tell("not in memory: " pid " " tname[pid]); continue }
        same = tname[pid] == mname[pid] && tparent[pid] == mparent[pid] && ttgid[pid] == mtgid[pid]
        woken = mstate[pid] == "R" && tstate[pid] != "R" # but did not run yet
        moved = torn[pid] || tswitches[pid] != mswitches[pid] || running[pid] || woken
        # /proc of 6.8 cuts the names of those that wait for a lack of workers.
        if (!same && tname[pid] ~ /^kworker\/R-/ && length(tname[pid]) == 15 && index(mname[pid], tname[pid]) == 1) same = 1
        # A worker is called after what it did last.
        if (!same && moved && mname[pid] ~ /^kworker/) same = 1
        names += same
        if (!same)
            tell(pid ": '" tname[pid] "' of " tparent[pid] " in " ttgid[pid] " is '" mname[pid] "' of " mparent[pid] " in " mtgid[pid])
        if (mgroup[pid] != "-") {
            grouped++
            groups += tgroup[pid] == mgroup[pid]
            if (tgroup[pid] != mgroup[pid]) tell(pid " " tname[pid] ": group '" tgroup[pid] "' is '" mgroup[pid] "'")
        }
        if (moved) {
            nmoved++
            still += tstate[pid] == mstate[pid]
            moved_names = moved_names " " tname[pid]
            continue
        }
        witnesses++
        states += tstate[pid] == mstate[pid]
        if (tstate[pid] != mstate[pid]) tell(pid " " tname[pid] ": state " tstate[pid] " is " mstate[pid])
        nt = tn[pid] + 0; nm = mn[pid] + 0; most = nt > nm ? nt : nm
        got = same_frames(pid, nt, nm)
        frames += most; equal += got; stacks++; whole += got == most
        if (got != most) {
            text = pid " " tname[pid] ":"
            for (i = 0; i < nt; i++) text = text " " tframe[pid, i]
            text = text " | is |"
            for (i = 0; i < nm; i++) text = text " " mframe[pid, i]
            tell(text)
        }
    }
    share = frames ? 100 * equal / frames : 0
    printf "task set %d of %d%s, states %d of %d, names %d, groups %d of %d, frames %d of %d (%.1f %%), stacks %d of %d", \
        all - less, all, more ? ", " more " more" : "", states, witnesses, names, groups, grouped, equal, frames, share, whole, stacks
    printf "; %d ran between the looks, %d of them in the same state\n", nmoved, still
    if (nmoved) print "  ran:" moved_names
    if (less || more) exit 2
    if (bad || all < 40 || nmoved > all / 6 || states != witnesses || names != all || groups != grouped || grouped < 10 || share < 99) exit 1
}
