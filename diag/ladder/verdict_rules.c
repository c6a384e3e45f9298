/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the verdict: the lowest rung first, and on one rung what has
 * more vantage points first.  Console text alone makes a suspicion of low
 * confidence, never more: anybody in the guest can print it.
 */
#include "diag/ladder/ladder_impl.h"

/* Sets of facet states. */
#define ALIVE (1u << FACET_ALIVE)
#define SLOW (1u << FACET_SLOW)
#define DEAD (1u << FACET_DEAD)
#define UNKNOWN (1u << FACET_UNKNOWN)

#define CODES_MUTE "silent", "no-echo", "no-answer", "xoff", "endless"

/* With CODE_ORDERED nobody failed: no scenario of the guest either, or its
 * outcome would stand there. */

/* Whatever was looked at is as it should be.  A host that is slow is no fault
 * of the guest. */
#define NOTHING_AMISS                                                         \
  { FACET_VMM, ALIVE }, { FACET_RUN_STATE, ALIVE | UNKNOWN },                 \
      { FACET_TICKS, ALIVE | UNKNOWN }, { FACET_SCHEDULER, ALIVE | UNKNOWN }, \
      { FACET_BLOCK, ALIVE | UNKNOWN }, { FACET_CONSOLE, ALIVE | UNKNOWN }
#define NETWORK_FINE { FACET_NETWORK, ALIVE | UNKNOWN }

const struct verdict_rule verdict_rules_[] = {
  /* ---- rungs 0 and 1: the process ---- */
  { .class_ = "kernel-panic", .confidence = "high",
    .when = { { "vmm.trouble", OP_BEGINS, "PANIC" },
              { "vmm.event", OP_IS, "SHUTDOWN crashed" } },
    .culprit = "=" EVENT_PANIC,
    .sentence = "The guest's kernel panicked, told the hypervisor so, and "
                "was ended for it (on_crash).",
    .next = "console/tail.log has its last words." },
  { .class_ = "powered-off", .confidence = "high",
    .facets = { { FACET_VMM, DEAD } },
    .when = { { "qemu.state", OP_IS, "gone" },
              { "vmm.event", OP_HAS, "SHUTDOWN" } },
    .sentence = "The guest was shut down and its QEMU process has ended.",
    .next = "Start it again if it should run." },
  { .class_ = "powered-off", .confidence = "high",
    .facets = { { FACET_VMM, DEAD } },
    .when = { { "qemu.state", OP_IS, "gone" },
              { "guest.intent", OP_HAS, "stop" } },
    .culprit = "=guest.intent",
    .sentence = "The guest was stopped by its owner.",
    .next = "Nothing: this is no hang." },
  { .class_ = "vmm-dead", .confidence = "high",
    .facets = { { FACET_VMM, DEAD } },
    .when = { { "qemu.state", OP_IS, "gone" } },
    .culprit = "QEMU process",
    .sentence = "The QEMU process of the guest is gone.",
    .next = "Look for its core dump, the host's OOM killer and the "
            "hypervisor's log; start the guest again." },
  { .class_ = "vmm-dead", .confidence = "high",
    .facets = { { FACET_VMM, DEAD } },
    .when = { { "qemu.state", OP_IS, "zombie" } },
    .culprit = "QEMU process",
    .sentence = "The QEMU process has died and nobody has taken note of it.",
    .next = "Look at the process that started it." },
  { .class_ = "vmm-stuck", .confidence = "high",
    .facets = { { FACET_VMM, DEAD } },
    .when = { { "qemu.state", OP_IS, "stopped" } },
    .culprit = "QEMU process, stopped by a signal",
    .sentence = "The QEMU process is stopped (SIGSTOP or a debugger), and "
                "the guest with it.",
    .next = "Find who stopped it; kill -CONT lets it run on." },
  { .class_ = "host-log-blocked", .confidence = "high",
    .when = { { "vmm.monitor", OP_ALWAYS, "greets-only" },
              { "qemu.blocked_in", OP_HAS, "pipe_write" } },
    .culprit = "reader of the guest's console log",
    .sentence = "QEMU stands in a write to its log pipe: who reads the "
                "guest's console log on the host does not read.",
    .next = "Look at virtlogd, or on EVE at the log path (containerd-shim, "
            "memlogd); the guest goes on as soon as it is read." },
  { .class_ = "vmm-stuck", .confidence = "high",
    .when = { { "vmm.monitor", OP_ALWAYS, "greets-only" },
              { "qemu.stuck_threads", OP_ABOVE, NULL, 0 } },
    .culprit = "QEMU thread waiting in the host's kernel",
    .sentence = "QEMU's main loop does not answer, and a thread of it waits "
                "in the host's kernel: most often host storage.",
    .next = "qemu/stacks.txt shows where; look at that storage." },
  { .class_ = "vmm-stuck", .confidence = "medium",
    .when = { { "vmm.monitor", OP_ALWAYS, "greets-only" } },
    .culprit = "QEMU main loop",
    .sentence = "QEMU's monitor greets, but its main loop did not answer "
                "twice.",
    .next = "qemu/stacks.txt and qemu/threads.txt show what it does." },
  { .class_ = "vmm-stuck", .confidence = "medium",
    .when = { { "vmm.monitor", OP_ALWAYS, "no-greeting" },
              { "qemu.stuck_threads", OP_ABOVE, NULL, 0 } },
    .culprit = "QEMU thread waiting in the host's kernel",
    .sentence = "QEMU's monitor does not even greet, and a thread of it "
                "waits in the host's kernel.",
    .next = "qemu/stacks.txt shows where it waits." },

  /* ---- rung 2: run state ---- */
  { .class_ = "io-error", .confidence = "high",
    .when = { { "vmm.status", OP_HAS, "io-error" } },
    .culprit = "=vmm.status",
    .sentence = "QEMU stopped the guest because the host's storage refused "
                "its writes or reads.",
    .next = "Free or repair that storage, then continue the guest (cont)." },
  { .class_ = "vmm-internal-error", .confidence = "high",
    .when = { { "vmm.status", OP_HAS, "internal-error" } },
    .culprit = "=vmm.status",
    .sentence = "QEMU stopped the guest after an internal error (KVM could "
                "not go on).",
    .next = "Keep QEMU's log; the guest needs a reset." },
  { .class_ = "kernel-panic", .confidence = "high",
    .when = { { "vmm.status", OP_HAS, "panicked" } },
    .culprit = "=" EVENT_PANIC,
    .sentence = "The guest's kernel panicked and told the hypervisor so.",
    .next = "console/tail.log has its last words." },
  { .class_ = "vmm-dead", .confidence = "high",
    .when = { { "vmm.status", OP_BEGINS, "off crashed" } },
    .culprit = "QEMU process",
    .sentence = "The guest's QEMU process has died: nobody had asked it to "
                "end.",
    .next = "Look for its core dump, the host's OOM killer and the "
            "hypervisor's log; start the guest again." },
  { .class_ = "userspace-stuck", .confidence = "medium",
    .when = { { "vmm.status", OP_HAS, "watchdog" } },
    .culprit = "guest's watchdog daemon",
    .sentence = "The guest's own watchdog was not fed in time, and the "
                "hypervisor stopped the guest for it.",
    .next = "console/tail.log shows what came before; continue it (virsh "
            "resume) or reset it." },
  { .class_ = "powered-off", .confidence = "high",
    .when = { { "vmm.status", OP_BEGINS, "shut" } },
    .culprit = "=vmm.status",
    .sentence = "The guest has powered itself off; its QEMU waits to be "
                "ended.",
    .next = "Start it again if it should run." },
  { .class_ = "powered-off", .confidence = "high",
    .when = { { "vmm.status", OP_BEGINS, "off" } },
    .culprit = "=vmm.status",
    .sentence = "The guest does not run.",
    .next = "Start it again if it should run." },
  { .class_ = "paused", .confidence = "high",
    .when = { { "vmm.status", OP_BEGINS, "paused" } },
    .culprit = "=vmm.status",
    .sentence = "The guest is paused: it does not run, and is not hung.",
    .next = "Find who paused it, or continue it (cont, virsh resume)." },
  { .class_ = "paused", .confidence = "high",
    .when = { { "vmm.status", OP_BEGINS, "suspended" } },
    .culprit = "=vmm.status",
    .sentence = "The guest has suspended itself.",
    .next = "Wake it up (system_wakeup, virsh dompmwakeup)." },

  /* ---- somebody answered, and it may not be the guest ---- */
  { .class_ = "probe-misconfigured", .confidence = "high",
    .codes = { "host-key-changed" },
    .facets = { { FACET_RUN_STATE, ALIVE | UNKNOWN } },
    .culprit = "the guest's ssh host key",
    .sentence = "An ssh server answers with another key than the guest is "
                "known by: it was installed anew, or it is another machine, "
                "or somebody stands in between.",
    .next = "Compare the fingerprint with the guest's own; if it is the "
            "guest, write its new key into ssh/known_hosts." },

  /* ---- the host starves: nothing above can be trusted ---- */
  { .class_ = "host-starved", .confidence = "high",
    .facets = { { FACET_HOST, DEAD } },
    .culprit = "host memory",
    .sentence = "The host spends most of its time waiting for memory: every "
                "guest on it stands.",
    .next = "Free memory on the host; host/ has the numbers." },

  /* ---- the shell answered: whatever it is, the guest lives ---- */
  { .class_ = "application-dead", .confidence = "high",
    .codes = { "status", "mismatch", "compare", "forbidden", "not-a-number",
               "fail-step" },
    .facets = { { FACET_RUN_STATE, ALIVE | UNKNOWN } },
    .culprit = "=",
    .sentence = "The guest answers, but not as a well application does: ",
    .next = "Look at the application inside the guest." },

  { .class_ = "application-dead", .confidence = "high",
    .codes = { "http-status", "tls-failed", "rcode", "protocol", "killed",
               "agent-error", "stale", "beat-garbled" },
    .facets = { { FACET_RUN_STATE, ALIVE | UNKNOWN } },
    .culprit = "=",
    .sentence = "The guest answers, but not as a well application does: ",
    .next = "Look at the application inside the guest." },

  /* ---- well: asked about, and nothing is amiss ---- */
  { .class_ = "none", .confidence = "high",
    .codes = { CODE_ORDERED },
    .facets = { NOTHING_AMISS, NETWORK_FINE, { FACET_APPLICATION, ALIVE },
                { FACET_HOST, ALIVE | UNKNOWN } },
    .sentence = "The guest is well: its scenarios are answered, and nothing "
                "that was looked at is amiss.",
    .next = "Nothing." },
  { .class_ = "none", .confidence = "medium",
    .codes = { CODE_ORDERED },
    .facets = { NOTHING_AMISS, NETWORK_FINE, { FACET_APPLICATION, ALIVE } },
    .sentence = "The guest is well: its scenarios are answered. The host is "
                "short of processor, memory or storage time, which may slow "
                "it.",
    .next = "host/ has the numbers." },
  { .class_ = "none", .confidence = "medium",
    .codes = { CODE_ORDERED },
    .facets = { NOTHING_AMISS, NETWORK_FINE, { FACET_TICKS, ALIVE },
                { FACET_APPLICATION, UNKNOWN } },
    .sentence = "The guest's kernel answers, and nothing that was looked at "
                "is amiss; no scenario says how its applications are.",
    .next = "Have them asked: hangdog status GUEST shows its scenarios." },
  { .class_ = "none", .confidence = "low",
    .codes = { CODE_ORDERED },
    .facets = { NOTHING_AMISS, { FACET_NETWORK, DEAD },
                { FACET_APPLICATION, ALIVE } },
    .sentence = "The guest is well by its scenarios; its address does not "
                "answer, which a firewall explains as well.",
    .next = "If its network matters, bind a tcp scenario to it." },
  { .class_ = "none", .confidence = "low",
    .codes = { CODE_ORDERED },
    .facets = { NOTHING_AMISS, { FACET_NETWORK, DEAD },
                { FACET_TICKS, ALIVE }, { FACET_APPLICATION, UNKNOWN } },
    .sentence = "The guest's kernel answers; its address does not, which a "
                "firewall explains as well.",
    .next = "If its network matters, bind a tcp scenario to it." },

  /* ---- the kernel has died ---- */
  { .class_ = "kernel-panic", .confidence = "high",
    .when = { { EVENT_PANIC, OP_THERE, .source = "console" },
              { "kernel.answers", OP_IS, "none", .source = "sysrq" },
              { "net.answer", OP_IS, "timeout" } },
    .culprit = "=" EVENT_PANIC,
    .sentence = "The guest's kernel panicked: its console says so, and "
                "neither SysRq nor the network answer any more.",
    .next = "console/tail.log has its last words; restart the guest." },
  { .class_ = "kernel-panic", .confidence = "medium",
    .facets = { { FACET_TICKS, UNKNOWN | DEAD } },
    .when = { { EVENT_PANIC, OP_THERE, .source = "console" },
              { "kernel.answers", OP_IS, "none", .source = "sysrq" } },
    .culprit = "=" EVENT_PANIC,
    .sentence = "The guest's console says that its kernel panicked, and "
                "SysRq is not answered.",
    .next = "console/tail.log has its last words; restart the guest." },
  { .class_ = "kernel-panic", .confidence = "low",
    .facets = { { FACET_NETWORK, DEAD | UNKNOWN },
                { FACET_TICKS, DEAD | UNKNOWN } },
    .when = { { EVENT_PANIC, OP_THERE, .source = "console" } },
    .culprit = "=" EVENT_PANIC,
    .sentence = "The guest's console says that its kernel panicked; nothing "
                "else confirms it.",
    .next = "Look at console/tail.log before acting on it." },
  { .class_ = "hard-lockup", .confidence = "high",
    .when = { { EVENT_HARD_LOCKUP, OP_THERE },
              { "vcpu.busy", OP_ABOVE, NULL, 0 },
              { "kernel.answers", OP_IS, "none", .source = "sysrq" } },
    .culprit = "=" EVENT_HARD_LOCKUP,
    .sentence = "A processor of the guest spins with interrupts off: its "
                "kernel said so, the vCPU burns, and SysRq is not answered.",
    .next = "console/tail.log has the stack." },
  { .class_ = "hard-lockup", .confidence = "high",
    .facets = { { FACET_TICKS, DEAD }, { FACET_NETWORK, DEAD } },
    .culprit = "all vCPUs",
    .sentence = "All vCPUs run without pause, and neither SysRq nor the "
                "network give a sign: the kernel spins with interrupts off.",
    .next = "Registers of the vCPUs (info registers) show where." },
  { .class_ = "hard-lockup", .confidence = "medium",
    .when = { { "vcpu.busy", OP_ABOVE, NULL, 0 },
              { "vcpu.busy", OP_SAME_AS, "vcpu.count" },
              { "kernel.answers", OP_IS, "none", .source = "sysrq" } },
    .facets = { { FACET_NETWORK, DEAD | UNKNOWN },
                { FACET_BLOCK, DEAD | SLOW | UNKNOWN } },
    .codes = { CODES_MUTE, "timeout" },
    .culprit = "all vCPUs",
    .sentence = "All vCPUs run without pause, and SysRq is not answered by "
                "any route: the kernel spins with interrupts off.",
    .next = "Registers of the vCPUs (info registers) show where." },
  { .class_ = "hard-lockup", .confidence = "low",
    .when = { { "vcpu.busy", OP_ABOVE, NULL, 0 },
              { "kernel.answers", OP_IS, "none", .source = "sysrq" } },
    .facets = { { FACET_NETWORK, DEAD | UNKNOWN },
                { FACET_BLOCK, DEAD | SLOW | UNKNOWN } },
    .codes = { CODES_MUTE, "timeout" },
    .culprit = "a vCPU at 100 %",
    .sentence = "A vCPU runs without pause and SysRq is not answered; "
                "whether SysRq works on this console is not known.",
    .next = "Registers of the vCPUs (info registers) show where." },
  { .class_ = "soft-lockup", .confidence = "medium",
    .facets = { { FACET_TICKS, ALIVE } },
    .when = { { EVENT_SOFT_LOCKUP, OP_THERE },
              { "vcpu.busy", OP_ABOVE, NULL, 0 } },
    .culprit = "=" EVENT_SOFT_LOCKUP,
    .sentence = "A processor of the guest does not come back from the "
                "kernel; interrupts are still taken.",
    .next = "console/tail.log and sysrq/l.txt have the stack." },
  { .class_ = "rcu-stall", .confidence = "medium",
    .facets = { { FACET_TICKS, ALIVE } },
    .when = { { EVENT_RCU_STALL, OP_THERE },
              { "vcpu.busy", OP_ABOVE, NULL, 0 } },
    .culprit = "=" EVENT_RCU_STALL,
    .sentence = "The guest's RCU has stalled behind a processor that does "
                "not come back.",
    .next = "console/tail.log has the stack." },

  /* ---- kernel services ---- */
  { .class_ = "storage-stalled", .confidence = "high",
    .when = { { "disk.*.new_errors", OP_ABOVE, NULL, 0 } },
    .culprit = "host side of the guest's disk",
    .sentence = "The host fails the guest's disk requests right now.",
    .next = "Look at the storage under the guest's disks on the host." },
  { .class_ = "storage-stalled", .confidence = "medium",
    .facets = { { FACET_HOST, SLOW } },
    .when = { { "tasks.in_io", OP_ABOVE, NULL, 0 },
              { "disk.any_moved", OP_FALSE },
              { "host.psi.io.full", OP_ABOVE, NULL, 60 } },
    .culprit = "host storage",
    .sentence = "Tasks of the guest wait for its disks, which stand still, "
                "while the host itself waits for storage.",
    .next = "Look at the host's storage first." },
  { .class_ = "storage-stalled", .confidence = "medium",
    .facets = { { FACET_BLOCK, DEAD } },
    .when = { { "tasks.in_io", OP_ABOVE, NULL, 0 } },
    .culprit = "=tasks.culprit",
    .sentence = "Tasks of the guest wait without end, and its disks do not "
                "move.",
    .next = "sysrq/w.txt shows who waits where." },
  { .class_ = "lock-deadlock", .confidence = "medium",
    .when = { { "tasks.in_lock", OP_ABOVE, NULL, 0 } },
    .codes = { CODES_MUTE, "timeout" },
    .culprit = "=tasks.culprit",
    .sentence = "Tasks of the guest wait for a kernel lock that is not given "
                "back, and nothing answers.",
    .next = "sysrq/w.txt shows who waits; who holds it may sleep elsewhere "
            "(SysRq t)." },
  { .class_ = "storage-stalled", .confidence = "low",
    .facets = { { FACET_BLOCK, SLOW } },
    .when = { { EVENT_HUNG_TASK, OP_THERE } },
    .culprit = "=" EVENT_HUNG_TASK,
    .sentence = "The guest reported hung tasks and its disks do not move.",
    .next = "Ask again with SysRq w." },
  { .class_ = "out-of-memory", .confidence = "low",
    .when = { { EVENT_OOM, OP_THERE } },
    .codes = { CODES_MUTE, "timeout", "refused" },
    .culprit = "=" EVENT_OOM,
    .sentence = "The guest's kernel killed tasks for lack of memory before "
                "it stopped answering.",
    .next = "Give the guest more memory, or find who eats it (SysRq m)." },

  /* ---- who is asked lives, who should answer does not ---- */
  { .class_ = "network-lost", .confidence = "medium",
    .codes = { "timeout", "unreachable", "reset" },
    .facets = { { FACET_TICKS, ALIVE }, { FACET_NETWORK, DEAD } },
    .culprit = "the guest's network",
    .sentence = "The guest's kernel answers over the console, but not over "
                "the network.",
    .next = "Look at its interface, bridge and firewall; net/net.json has "
            "the counters." },
  { .class_ = "application-dead", .confidence = "high",
    .codes = { "refused", "reset" },
    .facets = { { FACET_NETWORK, ALIVE } },
    .culprit = "=",
    .sentence = "The guest's kernel lives and its service does not: ",
    .next = "Look at the service inside the guest." },
  { .class_ = "console-lost", .confidence = "high",
    .codes = { "console-lost" },
    .culprit = "console or the shell on it",
    .sentence = "The guest is well by another way that it was asked by, but "
                "nobody answers on its console.",
    .next = "Look at the guest's getty or shell on that console." },
  { .class_ = "application-dead", .confidence = "medium",
    .codes = { "way-lost" },
    .when = { { "reach.ssh", OP_IS, "dead refused" } },
    .culprit = "the guest's ssh server",
    .sentence = "The guest is well by another way that it was asked by, but "
                "nobody listens on its ssh port.",
    .next = "Look at sshd inside the guest." },
  { .class_ = "application-dead", .confidence = "medium",
    .codes = { "way-lost" },
    .when = { { "reach.agent", OP_BEGINS, "dead" } },
    .culprit = "the guest agent",
    .sentence = "The guest is well by another way that it was asked by, but "
                "its guest agent does not answer.",
    .next = "Look at qemu-guest-agent inside the guest." },
  { .class_ = "network-lost", .confidence = "medium",
    .codes = { "way-lost" },
    .culprit = "the guest's network, or what answers there",
    .sentence = "The guest is well by another way that it was asked by, but "
                "does not answer over the network.",
    .next = "Look at its interface, bridge and firewall; net/net.json has "
            "the counters." },
  { .class_ = "console-lost", .confidence = "medium",
    .codes = { CODES_MUTE },
    .when = { { "net.answer", OP_IS, "open" } },
    .culprit = "console or the shell on it",
    .sentence = "The guest answers over the network, but nobody answers on "
                "its console.",
    .next = "Look at the guest's getty or shell on that console." },
  { .class_ = "console-lost", .confidence = "medium",
    .codes = { CODES_MUTE },
    .when = { { "net.answer", OP_IS, "mismatch" } },
    .culprit = "console or the shell on it",
    .sentence = "The guest answers over the network, but nobody answers on "
                "its console.",
    .next = "Look at the guest's getty or shell on that console." },
  { .class_ = "probe-misconfigured", .confidence = "high",
    .when = { { "console.state", OP_IS, "broken" },
              { "console.refused", OP_THERE } },
    .culprit = "=console.refused",
    .sentence = "Hangdog may not open the guest's console; of the guest this "
                "says nothing.",
    .next = "hangdog doctor GUEST says what mends it." },
  { .class_ = "console-lost", .confidence = "high",
    .facets = { { FACET_CONSOLE, DEAD },
                { FACET_VMM, ALIVE | SLOW | UNKNOWN } },
    .culprit = "=console.state",
    .sentence = "The guest's console can't be reached any more while its "
                "QEMU lives.",
    .next = "Look at the console's socket or terminal on the host." },
  { .class_ = "userspace-stuck", .confidence = "medium",
    .codes = { CODES_MUTE },
    .when = { { "kernel.answers", OP_IS, "shown", .source = "sysrq" },
              { "tasks.blocked", OP_FALSE } },
    .culprit = "=",
    .sentence = "The guest's kernel answers at interrupt level and no task "
                "waits in it, but nobody answers on the console (getty, a "
                "shell, or all of user space): ",
    .next = "See whether it answers by another way; if so, restart the getty "
            "or shell on that console." },
  { .class_ = "userspace-stuck", .confidence = "high",
    .codes = { CODES_MUTE },
    .when = { { "kernel.answers", OP_IS, "shown", .source = "sysrq" } },
    .culprit = "=",
    .sentence = "The guest's kernel answers at interrupt level, but nothing "
                "in user space answers: ",
    .next = "sysrq/ shows who waits where." },
  { .class_ = "userspace-stuck", .confidence = "high",
    .codes = { CODES_MUTE },
    .when = { { "kernel.answers", OP_IS, "disabled", .source = "sysrq" } },
    .culprit = "=",
    .sentence = "The guest's kernel takes SysRq (and refuses the dump), but "
                "nothing in user space answers: ",
    .next = "Set kernel.sysrq=1 in the guest to see who waits where." },
  { .class_ = "userspace-stuck", .confidence = "medium",
    .codes = { CODES_MUTE, "timeout", "login-timeout" },
    .facets = { { FACET_NETWORK, ALIVE } },
    .culprit = "=",
    .sentence = "The guest's network lives, but its user space does not "
                "answer: ",
    .next = "Ask its kernel with SysRq w, or log in over the network." },
  { .class_ = "userspace-stuck", .confidence = "low",
    .codes = { CODES_MUTE, "timeout" },
    .facets = { { FACET_BLOCK, ALIVE } },
    .culprit = "=",
    .sentence = "The guest's disks still move, but nothing answers: ",
    .next = "Ask its kernel with SysRq w." },

  { .class_ = "application-dead", .confidence = "medium",
    .codes = { "agent-silent" },
    .facets = { { FACET_TICKS, ALIVE }, { FACET_SCHEDULER, ALIVE | UNKNOWN },
                { FACET_BLOCK, ALIVE | UNKNOWN } },
    .culprit = "the guest agent",
    .sentence = "The guest's kernel lives, but its guest agent does not "
                "answer.",
    .next = "Look at qemu-guest-agent inside the guest; a check by another way "
            "tells whether it is alone." },
  { .class_ = "application-dead", .confidence = "low",
    .codes = { "agent-silent" },
    .culprit = "the guest agent",
    .sentence = "The guest's agent does not answer; nothing else that was "
                "looked at is amiss.",
    .next = "Look at qemu-guest-agent inside the guest; a check by another way "
            "tells whether it is alone." },

  /* ---- what a check says by itself, where nothing says more ---- */
  { .class_ = "vmm-dead", .confidence = "medium",
    .codes = { "vmm-dead" },
    .culprit = "QEMU process",
    .sentence = "The QEMU process of the guest was gone when it was asked.",
    .next = "Look for its core dump, the host's OOM killer and the "
            "hypervisor's log; start the guest again." },
  { .class_ = "vmm-stuck", .confidence = "medium",
    .codes = { "vmm-stopped", "monitor-silent" },
    .culprit = "=",
    .sentence = "QEMU did not go on when the guest was asked: ",
    .next = "Look who stopped it, and at the host's storage." },
  { .class_ = "firmware-stuck", .confidence = "medium",
    .codes = { "boot-stopped", "boot-late" },
    .when = { { "guest.stop", OP_ONE_OF, "no-boot-device|firmware-shell" } },
    .culprit = "=guest.stop",
    .sentence = "The guest's firmware found nothing to start.",
    .next = "Look at the guest's disks and their boot order." },
  { .class_ = "boot-stuck", .confidence = "medium",
    .codes = { "boot-stopped", "boot-late" },
    .culprit = "=",
    .sentence = "The guest's boot does not come to its end: ",
    .next = "console/tail.log shows how far it came." },
  { .class_ = "storage-stalled", .confidence = "medium",
    .codes = { "disk-error", "disk-stalled" },
    .culprit = "host side of the guest's disk",
    .sentence = "A disk of the guest did not do what it was asked: ",
    .next = "Look at the storage under the guest's disks on the host." },
  { .class_ = "network-lost", .confidence = "medium",
    .codes = { "arp-foreign" },
    .culprit = "another machine with the guest's address",
    .sentence = "The guest's address is another's: ",
    .next = "Find that machine by its hardware address." },
  { .class_ = "slow", .confidence = "medium",
    .codes = { "slow", "load" },
    .culprit = "=",
    .sentence = "The guest lives, and is slower than it may be: ",
    .next = "Look what it does, and whether its host is short." },
  { .class_ = "none", .confidence = "medium",
    .codes = { "tls-expires", "console-flood" },
    .culprit = "=",
    .sentence = "The guest lives, and this is no hang: ",
    .next = "Mend what the check says." },

  /* ---- ours to mend ---- */
  { .class_ = "probe-misconfigured", .confidence = "high",
    .codes = { "auth-failed", "ssh-unusable", "http-unusable",
               "exec-unusable", "host-key-unknown", "mailbox-unusable",
               "agent-blocked" },
    .culprit = "=",
    .sentence = "The check itself can't work as it is set up: ",
    .next = "Mend the scenario, or what it needs on this host." },
  { .class_ = "probe-misconfigured", .confidence = "high",
    .codes = { "login-prompt", "password-prompt", "no-address",
               "console-read-only", "regex-limit", "no-route" },
    .culprit = "=",
    .sentence = "The check itself can't work as it is set up: ",
    .next = "Mend the scenario or the guest's console." },
  { .class_ = "firmware-stuck", .confidence = "medium",
    .codes = { CODES_MUTE, "timeout", "refused", "bootloader" },
    .when = { { "guest.stop", OP_ONE_OF, "no-boot-device|firmware-shell" } },
    .culprit = "=guest.stop",
    .sentence = "The guest's firmware found nothing to start.",
    .next = "Look at the guest's disks and their boot order." },
  { .class_ = "boot-stuck", .confidence = "medium",
    .codes = { CODES_MUTE, "timeout", "refused", "bootloader" },
    .when = { { "guest.stop", OP_ONE_OF,
                "bootloader|initramfs|fsck|maintenance|passphrase|no-root" } },
    .culprit = "=guest.stop",
    .sentence = "The guest's boot stands still until somebody answers it on "
                "its console.",
    .next = "console/tail.log shows what it asks." },
  { .class_ = "powered-off", .confidence = "low",
    .codes = { CODES_MUTE, "timeout", "refused" },
    .when = { { "guest.stop", OP_IS, "halted" } },
    .culprit = "=guest.stop",
    .sentence = "The guest's console says that it was halted.",
    .next = "Start it again if it should run." },
  { .class_ = "boot-stuck", .confidence = "low",
    .codes = { "bootloader" },
    .culprit = "firmware or boot loader",
    .sentence = "The console is still in the firmware or boot loader.",
    .next = "Look at the console; it may wait for a key." },
  { .class_ = "boot-stuck", .confidence = "low",
    .codes = { "booting" },
    .culprit = "start or stop of the guest's services",
    .sentence = "The guest still starts or stops its services.",
    .next = "Ask again; console/tail.log says which one it waits for." },
  { .class_ = "console-busy", .confidence = "high",
    .codes = { "console-busy", "console-taken" },
    .culprit = "=",
    .sentence = "Somebody else has the console: ",
    .next = "Nothing: hangdog asks again when it is free." },

  { .class_ = "probe-misconfigured", .confidence = "high",
    .codes = { "console-broken" },
    .facets = { { FACET_RUN_STATE, ALIVE | UNKNOWN } },
    .culprit = "=",
    .sentence = "Hangdog could not use the guest's console: ",
    .next = "hangdog doctor GUEST says what mends it." },

  /* ---- asked about, with little to go by ---- */
  { .class_ = "lock-deadlock", .confidence = "low",
    .codes = { CODE_ORDERED },
    .when = { { "tasks.in_lock", OP_ABOVE, NULL, 0 } },
    .culprit = "=tasks.culprit",
    .sentence = "Tasks of the guest waited for a kernel lock when it was "
                "asked, which may pass.",
    .next = "Diagnose again: who still waits then is stuck." },
  { .class_ = "none", .confidence = "low",
    .codes = { CODE_ORDERED },
    .facets = { NOTHING_AMISS, NETWORK_FINE,
                { FACET_APPLICATION, UNKNOWN } },
    .when = { { "vcpu.busy", OP_FALSE }, { "kernel.answers", OP_ABSENT },
              { "diagnosis.failed", OP_ABSENT } },
    .sentence = "Nothing that was looked at is amiss, but the guest itself "
                "was not asked.",
    .next = "Diagnose with the standard playbook, or bind a scenario." },
  { .class_ = "none", .confidence = "low",
    .codes = { CODE_ORDERED },
    .facets = { NOTHING_AMISS, NETWORK_FINE,
                { FACET_APPLICATION, UNKNOWN } },
    .when = { { "vcpu.busy", OP_ABSENT }, { "kernel.answers", OP_ABSENT },
              { "diagnosis.failed", OP_ABSENT } },
    .sentence = "Nothing that was looked at is amiss, but the guest itself "
                "was not asked.",
    .next = "Diagnose with the standard playbook, or bind a scenario." },

  /* ---- the guest's text, and nothing else ---- */
  { .class_ = "unknown", .confidence = "low",
    .codes = { CODE_KERNEL_EVENT },
    .facets = { { FACET_TICKS, ALIVE } },
    .when = { { "kernel.class", OP_ONE_OF, "kernel-panic|hard-lockup" } },
    .culprit = "=kernel.title",
    .sentence = "Text of the guest says that its kernel stands, but that "
                "answers: it may be a log that somebody looked at.",
    .next = "kernel/events.jsonl and console/tail.log have the text." },
  { .class_ = "=kernel.class", .confidence = "low",
    .codes = { CODE_KERNEL_EVENT },
    .when = { { "kernel.class", OP_THERE } },
    .culprit = "=kernel.title",
    .sentence = "The guest's kernel or init tells of trouble on its console; "
                "nothing else confirms it.",
    .next = "kernel/events.jsonl has what it told." },

  /* ---- the hypervisor's word, and nothing else ---- */
  { .class_ = "userspace-stuck", .confidence = "low",
    .when = { { "vmm.trouble", OP_BEGINS, "WATCHDOG" } },
    .culprit = "guest's watchdog daemon",
    .sentence = "The guest's own watchdog was not fed in time.",
    .next = "console/tail.log shows what came before." },
  { .class_ = "io-error", .confidence = "medium",
    .when = { { "vmm.trouble", OP_BEGINS, "IO_ERROR" } },
    .culprit = "=vmm.trouble",
    .sentence = "The host's storage refused a write or a read of the guest, "
                "which was told so and goes on.",
    .next = "Free or repair that storage." },
  { .class_ = "kernel-panic", .confidence = "medium",
    .when = { { "vmm.trouble", OP_BEGINS, "PANIC" } },
    .culprit = "=" EVENT_PANIC,
    .sentence = "The guest's kernel panicked and told the hypervisor so.",
    .next = "console/tail.log has its last words." },

  /* ---- slow ---- */
  { .class_ = "host-starved", .confidence = "low",
    .facets = { { FACET_HOST, SLOW } },
    .culprit = "host",
    .sentence = "The host is short of processor, memory or storage time; "
                "the guest may only be slow.",
    .next = "host/ has the numbers." },
  { .class_ = "slow", .confidence = "low",
    .facets = { { FACET_VMM, SLOW } },
    .culprit = "QEMU",
    .sentence = "QEMU answered late once.",
    .next = "Diagnose again." },
  { .class_ = NULL },
};
