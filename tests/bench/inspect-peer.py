# SPDX-License-Identifier: Apache-2.0
#
# For drgn: all tasks of a core with their stacks, one line each. Behind it a file of what hangdog reads of the
# same core (tests/integration/truth.jq): then what differs is said instead, and in the last line how much is the
# same. A frame is a function that was called; those that the compiler put into others are none. Stacks end where
# the kernel does. Two names of one place are the same: addresses are compared.
import functools
import sys

from drgn.helpers.linux.pid import for_each_task

USER = 1 << 47


def stack_of(task):
    try:
        frames = list(prog.stack_trace(task))  # noqa: F821 (drgn's)
    except ValueError:
        return None  # it runs, and the core has no registers
    pcs = []
    for frame in frames:
        if frame.pc < USER:
            break
        if not frame.is_inline:
            pcs.append((frame.pc, frame.name or "?"))
    return pcs


@functools.lru_cache(maxsize=None)
def addresses(text):
    """Where function+offset may be: a name may be that of several. drgn looks through all symbols each time."""
    name, _, offset = text.split(" ")[0].split("/")[0].partition("+")
    if not offset:
        return [int(name, 16)] if name.startswith("0x") else []
    try:
        return [s.address + int(offset, 16) for s in prog.symbols(name)]  # noqa: F821
    except LookupError:
        return []


def same_frames(theirs, ours):
    same = [pc in addresses(text) for (pc, _), text in zip(theirs, ours)]
    top = same.index(False) if False in same else len(same)
    both = [pc in addresses(text) for (pc, _), text in zip(theirs[::-1], ours[::-1])]
    end = both.index(False) if False in both else len(both)
    return min(top + end, len(theirs), len(ours))


theirs = {t.pid.value_(): (t.comm.string_().decode(errors="replace"), stack_of(t)) for t in for_each_task(prog)}  # noqa: F821
if len(sys.argv) < 2:
    for pid, (comm, stack) in theirs.items():
        print(pid, comm, " ".join("%s(0x%x)" % (name, pc) for pc, name in stack or []))
    sys.exit(0)
ours, running = {}, set()
for line in open(sys.argv[1], errors="replace"):
    word = line.rstrip("\n").split("\t")
    if word[0] == "T":
        ours[int(word[1])] = []
        if word[6] == "1":
            running.add(int(word[1]))
    elif word[0] == "F":
        ours[int(word[1])].append(word[2])
frames = equal = stacks = 0
for pid in sorted(set(theirs) & set(ours) - running):
    comm, stack = theirs[pid]
    if stack is None:
        continue
    got = same_frames(stack, ours[pid])
    stacks += 1
    frames += max(len(stack), len(ours[pid]))
    equal += got
    if got != max(len(stack), len(ours[pid])):
        print("%d %s: drgn: %s | hangdog: %s" % (pid, comm, " ".join("%s(0x%x)" % (n, pc) for pc, n in stack), " ".join(ours[pid])))
for pid in set(theirs) ^ set(ours):
    print("%d is only in one of the two" % pid)
print("stacks=%d frames=%d equal=%d tasks=%d both=%d" % (stacks, frames, equal, len(theirs), len(set(theirs) & set(ours))))
