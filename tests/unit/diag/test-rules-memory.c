/* SPDX-License-Identifier: Apache-2.0
 *
 * What is concluded from a look at memory: the class and the culprit, and near
 * misses that conclude nothing of it.
 */
#include "concludes.h"

#define LIVES "kernel.panicked=0;kernel.clock_moved=1;kernel.switches=20"
#define WEB "what the check web asks for"
#define WELL LIVES ";vcpu.irqs_off=0;tasks.blocked=0;tasks.in_lock=0"

static void
names_class_and_culprit (void **state)
{
  concludes ("kernel.panicked=1;finding.kernel_panic=KERNEL PANIC on CPU 0: "
             "Attempted to kill init! exitcode=0x7;culprit.kernel_panic=x (1)",
             "silent", "init-dead", "init: x (1)");
  concludes ("kernel.panicked=1;finding.kernel_panic=KERNEL PANIC on CPU 0: "
             "bad;culprit.kernel_panic=f [m], t (7) on CPU 0",
             "silent", "kernel-panic", "f [m], t (7) on CPU 0");
  /* Nor is who looks for a first process, where there is none. */
  concludes ("kernel.panicked=1;finding.kernel_panic=KERNEL PANIC on CPU 0: "
             "No working init found.  Try passing init= option to kernel.;"
             "culprit.kernel_panic=swapper/1 (1) on CPU 0",
             "boot-stopped", "init-dead",
             "init: none was found that could be started");
  concludes ("kernel.panicked=1;finding.kernel_panic=KERNEL PANIC on CPU 0: "
             "Requested init /bin/x failed (error -2).;"
             "culprit.kernel_panic=swapper/1 (1) on CPU 0",
             "boot-stopped", "init-dead",
             "init: the one that was asked for can't be started");
  /* Whoever panics for want of a disk is not to blame. */
  concludes ("kernel.panicked=1;finding.kernel_panic=KERNEL PANIC on CPU 1: "
             "VFS: Unable to mount root fs on unknown-block(0,0);"
             "culprit.kernel_panic=swapper/0 (1) on CPU 1;"
             "kernel.event.root_missing=no root file system: sda1",
             "boot-stopped", "kernel-panic", "no root file system: sda1");
  /* By two vantage points it is the same one. */
  concludes ("vmm.status@monitor=paused guest-panicked;kernel.panicked=1;"
             "finding.kernel_panic=KERNEL PANIC on CPU 0: bad;"
             "culprit.kernel_panic=f [m], t (7) on CPU 0",
             "silent", "kernel-panic", "f [m], t (7) on CPU 0");
  concludes ("kernel.panicked=0;kernel.clock_moved=0;kernel.switches=0;"
             "vcpu.irqs_off=2;finding.hard_lockup=CPU 0 takes no interrupts;"
             "culprit.hard_lockup=spin [m], t (7) on CPU 0",
             "silent", "hard-lockup", "spin [m], t (7) on CPU 0");
  /* One that is not let run stands with interrupts off, too. */
  concludes (LIVES ";vcpu.irqs_off=1;finding.hard_lockup=CPU 1 takes none;"
             "culprit.hard_lockup=spin [m];qemu.wanted@host=1.9;"
             "qemu.got@host=0.01",
             "silent", "host-starved", NULL);
  concludes (LIVES ";vcpu.irqs_off=1;finding.hard_lockup=CPU 1 takes none;"
             "culprit.hard_lockup=spin [m];qemu.wanted@host=1.9;"
             "qemu.got@host=0.2",
             "silent", "hard-lockup", "spin [m]");
  /* But it would have passed on its CPU, and who waits for whom is no matter
   * of time; and a guest that hardly wants anything is not refused it. */
  concludes (LIVES ";finding.soft_lockup=CPU 1 lets nothing else run;"
             "culprit.soft_lockup=spin [m];qemu.wanted@host=1.9;"
             "qemu.got@host=0.01",
             "silent", "soft-lockup", "spin [m]");
  concludes (LIVES ";tasks.blocked=2;finding.lock_deadlock=a waits for b;"
             "culprit.lock_deadlock=a;qemu.wanted@host=1.9;qemu.got@host=0.01",
             "silent", "lock-deadlock", "a");
  concludes (LIVES ";vcpu.irqs_off=1;finding.hard_lockup=CPU 1 takes none;"
             "culprit.hard_lockup=spin [m];qemu.wanted@host=0.02;"
             "qemu.got@host=0.01",
             "silent", "hard-lockup", "spin [m]");
  /* Registers were not seen: its host tells whether it runs. */
#define STANDS                                                                \
  "kernel.panicked=0;kernel.clock_moved=0;kernel.switches=0;"                 \
  "kernel.stands_with=spin [m], t (7) on CPU 0;qemu.state@host=running;"      \
  "guest.ticks=dead;"
  concludes (STANDS "qemu.wanted@host=1.9;qemu.got@host=0.19", "ticks-dead",
             "hard-lockup", "spin [m], t (7) on CPU 0");
  /* Between two looks a guest that gets a third of a processor may stand. */
  concludes (STANDS "qemu.wanted@host=1.9;qemu.got@host=0.3;guest.ticks=alive",
             "ticks-dead", "unknown", NULL);
  concludes (STANDS "qemu.wanted@host=1.9;qemu.got@host=0.01", "ticks-dead",
             "host-starved", NULL);
  concludes (STANDS "qemu.wanted@host=0.1;qemu.got@host=0.9", "ticks-dead",
             "unknown", NULL);
  concludes (STANDS "vmm.status@monitor=paused;qemu.wanted@host=1.9;"
                    "qemu.got@host=0.9",
             "ticks-dead", "paused", NULL);
  /* Who keeps a CPU is why the works of its pool are not begun. */
  concludes (LIVES ";finding.soft_lockup=CPU 0 lets nothing else run;"
             "culprit.soft_lockup=spin [m];workqueue.stuck_s=56.0;"
             "finding.workqueue_lockup=1 works of pool 4 wait",
             "scheduler-dead", "soft-lockup", "spin [m]");
  /* A small guest has no files in memory, and memory all the same. */
  concludes (LIVES ";mem.available=0.085;mem.file_cache=0.001;"
             "qemu.wanted@host=2.3;qemu.got@host=0.12",
             "xoff", "out-of-memory",
             "no memory left: 0.001 of 1 holds files, 0.085 could be had");
  concludes (LIVES ";mem.available=0.85;mem.file_cache=0.0;"
             "qemu.wanted@host=2.3;qemu.got@host=0.12",
             "xoff", "host-starved", NULL);
  /* Whoever waits waits for memory, and the host gives little besides. */
#define SHORT                                                                 \
  ";mem.available=0.06;mem.file_cache=0.02;mem.short=6 % is left;"             \
  "qemu.wanted@host=2.3;qemu.got@host=0.12;mem.held_by=shared memory and tmpfs"
  concludes (LIVES SHORT ";kernel.answers@sysrq=shown", "no-echo",
             "out-of-memory", "memory, held by shared memory and tmpfs");
  concludes (LIVES SHORT ";tasks.blocked=1;tasks.in_lock=1;lock.waited_s=9.5;"
             "lock.name=mmap_lock;lock.owner=cat",
             "no-answer", "out-of-memory",
             "memory, held by shared memory and tmpfs");
  concludes (LIVES SHORT ";kernel.event.oom_kill=killed x;mem.oom_kills=1",
             "silent", "out-of-memory",
             "killed x; memory is held by shared memory and tmpfs");
  concludes (LIVES SHORT ";kernel.event.oom_kill=killed x;mem.oom_kills=1;"
             "mem.new_oom_kills=1",
             "kernel-event", "out-of-memory",
             "killed x; memory is held by shared memory and tmpfs");
  concludes (LIVES SHORT ";finding.soft_lockup=CPU 0 lets nothing else run;"
             "culprit.soft_lockup=spin [m]",
             "silent", "soft-lockup", "spin [m]");
  concludes (LIVES SHORT ";finding.storage_stalled=disk vda: 1 request;"
             "culprit.storage_stalled=disk vda;disk.any_moved=0",
             "no-answer", "storage-stalled", "disk vda");
  concludes (LIVES ";mem.new_oom_kills=2;mem.oom_kills=3;"
             "kernel.event.balloon=balloon: the guest has no memory to give;"
             "kernel.event.oom_kill=Out of memory: killed sh",
             "timeout", "out-of-memory",
             "the balloon, by which its host takes the guest's memory: Out of "
             "memory: killed sh");
  /* But a worker that keeps it is the works' own fault. */
  concludes (LIVES ";finding.soft_lockup=CPU 0 lets nothing else run;"
             "culprit.soft_lockup=spin [m], kworker/0:1 (7) on CPU 0;"
             "workqueue.stuck_s=16.0",
             "silent", "workqueue-lockup",
             "spin [m], kworker/0:1 (7) on CPU 0");
  /* So is a reader of RCU; what the kernel has said stands before both. */
  concludes (LIVES ";finding.soft_lockup=CPU 0 lets nothing else run: t (7), "
             "as a reader of RCU that does not end;culprit.soft_lockup=spin [m]",
             "silent", "rcu-stall", "spin [m]");
  concludes (LIVES ";finding.soft_lockup=CPU 0 lets nothing else run: t (7), "
             "as a reader of RCU that does not end;culprit.soft_lockup=spin [m];"
             "kernel.event.soft_lockup=CPU#0 stuck for 22s",
             "silent", "soft-lockup", "spin [m]");
  concludes (LIVES ";finding.filesystem_error=file system ext4 on vda is "
             "read-only, though it was mounted for writing: its kernel gave it "
             "up after an error;culprit.filesystem_error=device vda",
             "fs-given-up", "filesystem-error", "device vda");
  concludes (LIVES ";tasks.blocked=1;tasks.in_lock=0;tasks.blocked_s=31.0;"
             "tasks.culprit=dd in zoo_wait",
             "tasks-stuck", "lock-deadlock", "dd in zoo_wait");
  /* Of one CPU others may still answer SysRq. */
  concludes (LIVES ";vcpu.irqs_off=1;finding.hard_lockup=CPU 1 takes none;"
             "culprit.hard_lockup=spin [m];kernel.answers@sysrq=disabled",
             "no-answer", "hard-lockup", "spin [m]");
  concludes (LIVES ";tasks.blocked=2;tasks.in_lock=2;finding.lock_deadlock="
             "DEADLOCK: a waits for b waits for the first;"
             "culprit.lock_deadlock=f [m], lock a, x (7);lock.waited_s=20.0;"
             "lock.owner=other",
             "status", "lock-deadlock", "f [m], lock a, x (7)");
  concludes (LIVES ";tasks.blocked=2;tasks.in_lock=2;lock.waited_s=20.5;"
             "lock.name=a [m];lock.owner=hold [m], lock a [m], h (9)",
             "ordered", "lock-deadlock", "hold [m], lock a [m], h (9)");
  concludes (LIVES ";finding.soft_lockup=CPU 0 lets nothing else run;"
             "culprit.soft_lockup=f [m], t (7) on CPU 0;"
             "kernel.answers@sysrq=disabled",
             "silent", "soft-lockup", "f [m], t (7) on CPU 0");
  concludes (LIVES ";finding.storage_stalled=disk vda: 1 request;"
             "culprit.storage_stalled=disk vda;disk.any_moved=0;"
             "tasks.blocked=1;tasks.in_io=1;lock.waited_s=30.0;tasks.in_lock=1",
             "no-answer", "storage-stalled", "disk vda");
  concludes (LIVES ";finding.storage_stalled=disk vda: 1 request;"
             "culprit.storage_stalled=disk vda;disk.any_moved=1",
             "no-answer", "slow", "disk vda");
  concludes (LIVES ";finding.storage_stalled=disk vda: 1 request;"
             "culprit.storage_stalled=disk vda;disk.any_moved=0;"
             "disk.disk0.crawls@monitor=1",
             "no-answer", "slow", "disk vda, by its throttle");
  concludes (LIVES ";finding.storage_stalled=disk vda: 1 request;"
             "culprit.storage_stalled=disk vda;disk.any_moved=0;"
             "disk.disk0.crawls@monitor=0",
             "no-answer", "storage-stalled", "disk vda");
  concludes (WELL ";finding.workqueue_lockup=2 works of pool 3 wait;"
             "culprit.workqueue_lockup=f [m], pool 3, kworker (8)",
             "silent", "workqueue-lockup", "f [m], pool 3, kworker (8)");
  concludes (WELL ";mem.new_oom_kills=1;kernel.event.oom_kill=killed x",
             "timeout", "out-of-memory", "killed x");
  concludes (WELL ";mem.available=0.05;mem.oom_kills=3;"
             "kernel.event.oom_kill=killed x",
             "silent", "out-of-memory", "killed x");
  concludes (WELL ";tasks.room=0", "silent", "task-exhaustion", NULL);
  concludes (WELL ";init.state=dead", "silent", "init-dead", "init");
  concludes (WELL ";kernel.event.fs_readonly=EXT4-fs error (vda)", "status",
             "filesystem-error", "EXT4-fs error (vda)");
}

/* Most of them, or all that have the console: else it is a guess, and whatever
 * else there is stands before it. */
static void
some_that_stand_are_no_cause (void **state)
{
#define STOPPED(share)                                                        \
  WELL ";tasks.stopped=2;tasks.stopped_who=sh (7), sh (8)"                    \
       ";tasks.stopped_share=" share
#define FROZEN(share)                                                         \
  WELL ";tasks.frozen=1;tasks.frozen_who=sh (7) of /held"                     \
       ";tasks.frozen_share=" share
  concludes (STOPPED ("0.9"), "silent", "userspace-stuck",
             "stopped processes: sh (7), sh (8)");
  assert_string_equal (last, "high");
  concludes (FROZEN ("1.0"), "silent", "userspace-stuck",
             "frozen processes: sh (7) of /held");
  assert_string_equal (last, "high");
  concludes (STOPPED ("0.02"), "silent", "userspace-stuck", NULL);
  assert_string_equal (last, "low");
  concludes (FROZEN ("0.02"), "silent", "userspace-stuck", NULL);
  assert_string_equal (last, "low");
  concludes (STOPPED ("0.02") ";console.readers=0", "timeout",
             "userspace-stuck", NULL);
  assert_string_equal (last, "low");
  concludes (STOPPED ("0.02") ";console.held_by=sh (7)", "silent",
             "userspace-stuck", "stopped processes: sh (7), sh (8)");
  assert_string_equal (last, "medium");
  concludes (FROZEN ("0.02") ";console.held_by=sh (7)", "silent",
             "userspace-stuck", "frozen processes: sh (7) of /held");
  assert_string_equal (last, "medium");
  /* What says that nobody listens stands before it. */
  concludes (FROZEN ("0.02") ";tasks.stopped=0;console.readers=0;"
             "init.state=sleeping",
             "silent", "console-lost", NULL);
  /* That others are stopped does not say that somebody does. */
  concludes (STOPPED ("0.02") ";console.readers=0;init.state=sleeping",
             "silent", "console-lost", NULL);
  concludes (STOPPED ("0.02") ";console.readers=0;init.state=sleeping"
             ";console.held_by=sh (7)",
             "silent", "userspace-stuck", NULL);
  assert_string_equal (last, "medium");
}

/* What its terminal is known by, whoever else stands about. */
static void
console_holds_output_back (void **state)
{
#define QUIET WELL ";kernel.answers@sysrq=shown;console.readers=2"
  concludes (QUIET ";console.stopped=key;console.waits=sh (9), for 14 s",
             "silent", "console-lost",
             "flow control of the console: its output was stopped by ^S");
  assert_string_equal (last, "high");
  /* Nobody says anything there just now. */
  concludes (QUIET ";console.stopped=key", "no-echo", "console-lost", NULL);
  assert_string_equal (last, "high");
  concludes (QUIET ";console.stopped=key", "console-lost", "console-lost",
             "flow control of the console: its output was stopped by ^S");
  concludes (QUIET ";console.stopped=program", "silent", "console-lost",
             "flow control of the console: a program stopped its output "
             "(tcflow)");
  assert_string_equal (last, "high");
  concludes (QUIET ";console.stopped=line;console.waits=sh (9), for 14 s",
             "silent", "console-lost",
             "flow control of the console's line (CTS): sh (9), for 14 s "
             "waits for it");
  assert_string_equal (last, "medium");
  concludes (QUIET ";console.waits=sh (9), for 14 s", "silent",
             "console-lost", NULL);
  assert_string_equal (last, "medium");
  /* A shell that stands, a lock, a guest that is not let run: those first. */
  concludes (STOPPED ("0.02") ";console.held_by=sh (7);"
             "console.waits=sh (9), for 14 s",
             "silent", "userspace-stuck", "stopped processes: sh (7), sh (8)");
  concludes (QUIET ";console.stopped=key;tasks.blocked=2;"
             "finding.lock_deadlock=a waits for b;culprit.lock_deadlock=a",
             "silent", "lock-deadlock", "a");
  concludes (QUIET ";console.stopped=key;vmm.status@monitor=paused", "silent",
             "paused", NULL);
  /* Who was asked by another way, and answered. */
  concludes (QUIET ";console.stopped=key", "status", "application-dead", NULL);
}

#define TOLD(class, title)                                                    \
  ";kernel.class@console=" class ";kernel.title@console=" title                \
  ";kernel.class=" class ";kernel.title=" title

/* What the console tells and the kernel's own log, too, is no more than that
 * where something was found; and whatever a guest's log tells, how it is now
 * is seen. */
static void
believes_its_log (void **state)
{
  concludes (WELL TOLD ("kernel-oops", "BUG: x in f"), "kernel-event",
             "kernel-oops", "BUG: x in f");
  concludes (WELL TOLD ("out-of-memory", "Out of memory: killed x"),
             "kernel-event", "out-of-memory", "Out of memory: killed x");
  concludes (WELL TOLD ("rcu-stall", "INFO: rcu stall"), "kernel-event",
             "rcu-stall", "INFO: rcu stall");
  concludes (LIVES ";finding.soft_lockup=CPU 0;culprit.soft_lockup=f [m]" TOLD (
                 "rcu-stall", "INFO: rcu stall"),
             "kernel-event", "soft-lockup", "f [m]");
  concludes (LIVES ";tasks.blocked=1;tasks.in_lock=1;tasks.blocked_s=130.0;"
             "tasks.culprit=a in f" TOLD ("lock-deadlock", "INFO: hung task"),
             "kernel-event", "lock-deadlock", "a in f");
  concludes (LIVES ";tasks.blocked=1;tasks.in_io=1;tasks.blocked_s=130.0;"
             "tasks.culprit=a in f" TOLD ("storage-stalled", "INFO: hung task"),
             "kernel-event", "storage-stalled", "a in f");
  concludes (WELL TOLD ("kernel-oops", "BUG: x in f"), "silent", "kernel-oops",
             "BUG: x in f");
  /* Somebody has shown a log. */
  concludes (WELL ";kernel.class@console=kernel-panic;kernel.title@console=x",
             "kernel-event", "none", "x");
  concludes (WELL ";kernel.class@console=kernel-oops;kernel.title@console=x",
             "kernel-event", "kernel-oops", "x");
}

static void
names_what_never_came_up (void **state)
{
  concludes ("kernel.absent=no kernel yet: its CPUs are in real mode", "xoff",
             "firmware-stuck", "firmware or boot loader");
  concludes ("kernel.absent=the guest runs Windows, which is not understood",
             "xoff", "unknown", NULL);
  concludes ("guest.boot@libvirt=1 reset;kernel.event.panic@console=no init;"
             "kernel.boots@console=2;kernel.panicked=1;finding.kernel_panic=x",
             "boot-stopped", "reboot-loop", "no init, at each boot");
  concludes ("kernel.class@console=boot-stuck;kernel.title@console=a shell;"
             "kernel.event.fsck_needed@console=fsck wants somebody: vda1;"
             "guest.stop@console=initramfs",
             "kernel-event", "boot-stuck", "fsck wants somebody: vda1");
  concludes ("guest.stop@console=initramfs;kernel.event.device_missing@console="
             "no vdb1",
             "boot-late", "boot-stuck", "no vdb1");
  /* The one that failed; what the kernel was told. */
  concludes ("guest.stop@console=maintenance;kernel.class@console=boot-stuck;"
             "kernel.event.unit_failed@console=systemd: data.mount failed;"
             "kernel.event.unit_unmet@console=systemd: Local File Systems;"
             "kernel.event.emergency_mode@console=emergency",
             "kernel-event", "boot-stuck", "systemd: data.mount failed");
  concludes ("guest.stop@console=maintenance;kernel.class@console=boot-stuck;"
             "kernel.event.boot_asked@console=told: systemd.unit=x.target;"
             "kernel.event.emergency_mode@console=emergency",
             "kernel-event", "boot-stuck", "told: systemd.unit=x.target");
  /* A guest that does what it was told, and something else is amiss. */
  concludes ("guest.stage@console=userspace;vmm.status@monitor=running;"
             "kernel.event.boot_asked@console=told: systemd.unit=x.target",
             "timeout", "unknown", NULL);
  concludes ("guest.stop@console=passphrase;"
             "kernel.event.passphrase_prompt@console=passphrase of vda3",
             "silent", "boot-stuck", "passphrase of vda3");
  /* Once is not again and again. */
  concludes ("kernel.event.panic@console=no init;kernel.boots@console=1;"
             "kernel.panicked=1;finding.kernel_panic=x;culprit.kernel_panic=f",
             "boot-stopped", "kernel-panic", "f");
}

#define ASKED(title)                                                          \
  "guest.stage@console=userspace;kernel.event.boot_asked@console=" title

/* A default of its own many have; and of a boot that fails what fails. */
static void
names_where_it_was_sent (void **state)
{
  concludes (ASKED ("command line: systemd.unit=x.target"), "boot-late",
             "boot-stuck", "command line: systemd.unit=x.target");
  assert_string_equal (last, "medium");
  concludes (ASKED ("told to boot to Kiosk"), "boot-late", "boot-stuck",
             "perhaps: told to boot to Kiosk");
  assert_string_equal (last, "low");
  concludes (ASKED ("told to boot to Rescue Mode;guest.stop@console="
                    "maintenance"),
             "boot-stopped", "boot-stuck", "told to boot to Rescue Mode");
  assert_string_equal (last, "medium");
  concludes (ASKED ("command line: systemd.unit=x.target;"
                    "kernel.event.job_waiting@console=waits for dev-vdz"),
             "boot-late", "boot-stuck", "waits for dev-vdz");
  concludes (ASKED ("command line: systemd.unit=x.target;"
                    "kernel.event.unit_failed@console=shop failed"),
             "boot-late", "boot-stuck", "the guest's boot");
  concludes (ASKED ("command line: x;kernel.event.unit_unmet@console=a lacks"),
             "boot-late", "boot-stuck", "the guest's boot");
}

/* Who is unlocked by itself prints the question, too. */
static void
names_a_passphrase_that_is_waited_for (void **state)
{
#define PROMPT "kernel.event.passphrase_prompt@console=passphrase of vda3;"
#define WAITS PROMPT "kernel.event.job_waiting@console=waits for dev-vdz;"
  concludes (WAITS, "boot-late", "boot-stuck", "waits for dev-vdz");
  concludes (WAITS "guest.stop@console=passphrase", "boot-stopped",
             "boot-stuck", "passphrase of vda3");
  concludes (WAITS "guest.stop@console=passphrase", "silent", "boot-stuck",
             "passphrase of vda3");
  concludes (WAITS "guest.stop@console=passphrase;kernel.panicked=0;"
                   "kernel.class@console=boot-stuck;init.state=sleeping",
             "kernel-event", "boot-stuck", "passphrase of vda3");
  assert_string_equal (last_verdict.rule, "boot-stands-at-passphrase");
}

/* Nothing was killed, and nothing is left: it looks for memory for ever. */
static void
names_a_thrashing_one (void **state)
{
#define NONE_LEFT "no memory left (the share that could be had: 0.01)"
  concludes (WELL ";mem.available=0.01", "silent", "out-of-memory", NONE_LEFT);
  assert_string_equal (last, "medium");
  assert_string_equal (last_verdict.rule, "memory-thrashes");
  /* Who waits for pages waits for a disk that works. */
  concludes (LIVES ";tasks.blocked=4;tasks.in_io=4;tasks.blocked_s=7.0;"
                   "tasks.in_lock=0;mem.available=0.01;disk.any_moved=1",
             "silent", "out-of-memory", NONE_LEFT);
  concludes (LIVES ";tasks.blocked=4;tasks.in_io=4;tasks.blocked_s=7.0;"
                   "tasks.in_lock=0;mem.available=0.01;disk.any_moved=0;"
                   "tasks.culprit=cat in f",
             "silent", "storage-stalled", "cat in f");
  /* Somebody was killed: that is named by what its log says. */
  concludes (WELL ";mem.available=0.01;mem.new_oom_kills=2;"
                  "kernel.event.oom_kill=killed cat",
             "silent", "out-of-memory", "killed cat");
  /* A small one is not short. */
  concludes (WELL ";mem.available=0.03", "silent", "unknown", NULL);
}

static void
names_a_stall_of_rcu (void **state)
{
#define RCU                                                                   \
  LIVES ";vcpu.irqs_off=0;kernel.event.rcu_stall=stall in f;"                 \
        "workqueue.stuck_s=26.0;qemu.wanted@host=0.7"
  concludes (RCU ";qemu.got@host=0.9", "silent", "rcu-stall", "stall in f");
  assert_string_equal (last, "medium");
  concludes (RCU ";qemu.got@host=0.9;finding.soft_lockup=CPU 0: f;"
                 "culprit.soft_lockup=f",
             "silent", "soft-lockup", "f");
  /* It was not let run; and it stalled once, and goes on. */
  concludes (RCU ";qemu.got@host=0.1", "silent", "host-starved", NULL);
  concludes (LIVES ";vcpu.irqs_off=0;kernel.event.rcu_stall=stall in f;"
                   "workqueue.stuck_s=0.1;qemu.wanted@host=0.7;"
                   "qemu.got@host=0.9",
             "silent", "unknown", NULL);
}

#define ENDED(why, tied)                                                      \
  WELL ";app.ended=shop.service, shop (7);app.ended_why=" why                 \
       ";app.ended_tied=" tied

static void
names_applications (void **state)
{
  concludes (WELL ";app.culprit=shop.service;app.amiss=throttled;"
             "app.tied=command", "status", "application-dead", "shop.service");
  concludes (WELL ";app.culprit=shop.service;app.amiss=no-room;app.tied=named;"
             "fs.full@inside=/data", "status", "application-dead",
             "shop.service");
  concludes (WELL ";fs.full@inside=/data", "status", "application-dead",
             "no room left in /data");
  concludes (ENDED ("killed", "only"), "status", "application-dead",
             "shop.service, shop (7)");
  concludes (ENDED ("failed", "named"), "status", "application-dead",
             "shop.service, shop (7)");
  concludes (ENDED ("crashed", "only"), "refused", "application-dead",
             "shop.service, shop (7)");
  concludes (ENDED ("crashed", "only") ";app.missing=nothing listens on port 1",
             "refused", "application-dead", "shop.service, shop (7)");
  /* What was asked is another one, which is there. */
  concludes (ENDED ("failed", "only") ";app.tied=port;app.amiss=nothing;"
             "app.culprit=web.service", "status", "application-dead",
             "web.service");
  /* Its group had no memory left; the guest had. */
  concludes (ENDED ("killed", "only") ";mem.new_oom_kills=1;mem.available=0.8",
             "kernel-event", "application-dead", "shop.service, shop (7)");
  concludes (ENDED ("killed", "only") ";mem.new_oom_kills=1;mem.available=0.01;"
             "kernel.event.oom=x", "kernel-event", "out-of-memory", "x");
}

/* Somebody else's word of the same name is not the memory's; what passes is no
 * finding; who answers badly answers. */
static void
near_misses (void **state)
{
  concludes ("kernel.panicked@console=1;" WELL, "status", "application-dead",
             WEB);
  concludes (WELL ";mem.oom_kills=3;mem.available=0.5", "status",
             "application-dead", WEB);
  concludes (WELL ";tasks.room=40", "status",
             "application-dead", WEB);
  concludes (WELL ";init.state=sleeping", "status",
             "application-dead", WEB);
  concludes (WELL ";kernel.event.fs_readonly@console=EXT4-fs error", "status",
             "application-dead", WEB);
  concludes (LIVES ";tasks.blocked=1;tasks.in_lock=1;lock.waited_s=2.0;"
             "lock.owner=x", "status",
             "application-dead", WEB);
  concludes (WELL ";tasks.stopped=1;tasks.stopped_who=sh (7)", "status",
             "application-dead", WEB);
  concludes (WELL ";tasks.frozen=1;tasks.frozen_who=sh (7)", "status",
             "application-dead", WEB);
  concludes (ENDED ("crashed", "only"), "silent", "unknown", NULL);
}

/* One check answers, and of another nobody could ask: who has the console. */
static void
who_has_the_console (void **state)
{
  static const char well[]
      = WELL ";vmm.monitor@monitor=answers;vmm.status@monitor=running;"
             "probe.lives@scenario=ok";
  char text[512];

  concludes (well, "ordered", "none", NULL);
  snprintf (text, sizeof text, "%s;reach.console@scenario=%s", well,
            "unusable console-busy");
  concludes (text, "ordered", "console-busy", "another client of the console");
  snprintf (text, sizeof text, "%s;reach.console@scenario=%s", well, "alive");
  concludes (text, "ordered", "none", NULL);
}

/* What is told on its console is a cause where nobody knows a better one. */
static void
told_causes (void **state)
{
  static const char full[] = "kernel.event.disk_full@console=dd: no space",
                    out[] = "kernel.event.oom_kill_cgroup@console=killed shop";
  char text[512];

  snprintf (text, sizeof text, WELL ";%s", full);
  concludes (text, "status", "application-dead", "dd: no space");
  snprintf (text, sizeof text, WELL ";%s;fs.full@inside=/data", full);
  concludes (text, "status", "application-dead", "no room left in /data");
  snprintf (text, sizeof text, WELL ";%s", out);
  concludes (text, "status", "application-dead", "killed shop");
  concludes (text, "refused", "application-dead", "killed shop");
  concludes (text, "no-answer", "out-of-memory", "killed shop");
}

static void
facet (const char *text, enum facet_id id, enum facet_state want)
{
  struct fact facts[32];
  size_t n = facts_from (text, facts, ARRAY_LEN (facts));
  struct fact_set *set;
  struct ladder l;

  assert_int_equal (fact_set_new (n, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_climb (rules, set, &l);
  fact_set_free (set);
  if (l.facets[id].state != want)
    fail_msg ("%s: %s is %s instead of %s", text, facet_names[id],
              facet_state_names[l.facets[id].state], facet_state_names[want]);
}

/* What stands is no more alive above than below. */
static void
what_a_dead_kernel_leaves (void **state)
{
  static const char stands[]
      = "kernel.panicked=0;kernel.stands_with=f [m];guest.ticks=dead;"
        "qemu.state@host=running;qemu.wanted@host=2.0;qemu.got@host=0.9;"
        "kernel.answers@sysrq=shown;probe.a@scenario=ok";
  static const char one[] = "finding.hard_lockup=CPU 0 takes none;"
                            "kernel.panicked=0;"
                            "kernel.clock_moved=1;net.answer@net=open;"
                            "vcpu.irqs_off=1;kernel.switches=4";

  facet (stands, FACET_VCPU, FACET_DEAD);
  facet (stands, FACET_TICKS, FACET_DEAD);
  facet (stands, FACET_SCHEDULER, FACET_DEAD);
  facet (stands, FACET_APPLICATION, FACET_DEAD);
  facet ("kernel.panicked=1;finding.hard_lockup=CPU 0;kernel.clock_moved=0",
         FACET_VCPU, FACET_UNKNOWN);
  facet (one, FACET_VCPU, FACET_SLOW);
  facet (one, FACET_TICKS, FACET_ALIVE);
  facet (one, FACET_SCHEDULER, FACET_DEAD);
  facet ("finding.soft_lockup=CPU 0;net.answer@net=open", FACET_SCHEDULER,
         FACET_DEAD);
  facet ("kernel.panicked=1;probe.a@scenario=ok", FACET_APPLICATION,
         FACET_DEAD);
  facet ("kernel.panicked=1;reach.ssh@scenario=alive", FACET_SSH, FACET_DEAD);
  facet ("kernel.panicked=1", FACET_SSH, FACET_UNKNOWN);
  /* An answer is of before it, or of after it. */
  facet ("probe.a@scenario=ok;kernel.event.panic@console=x",
         FACET_APPLICATION, FACET_UNKNOWN);
  facet ("kernel.event.panic@console=x;probe.a@scenario=ok",
         FACET_APPLICATION, FACET_ALIVE);
  facet ("reach.agent@scenario=alive;kernel.event.panic@console=x", FACET_AGENT,
         FACET_UNKNOWN);
  facet ("kernel.event.panic@console=x;reach.agent@scenario=alive", FACET_AGENT,
         FACET_ALIVE);
}

/* The outcome that a verdict goes by is its evidence: that it failed, whatever
 * it says later. */
static void
rests_on_its_outcome (void **state)
{
  static const struct cause by = { "web", "status", "it ended with 1" };
  static const struct
  {
    const char *facts, *rests_on;
  } table[] = {
    { "probe.other@scenario=failed;probe.web@scenario=failed", "probe.web" },
    { "probe.web@scenario=failed;probe.web@scenario=no-verdict", "probe.web" },
    { "look.web@scenario=failed", "look.web" },
    { "probe.web@scenario=ok", NULL },
  };

  for (size_t i = 0; i < ARRAY_LEN (table); i++)
    {
      struct ladder l;
      struct verdict v;

      judged (table[i].facts, &by, &l, &v);
      assert_string_equal (v.rule, "answers-wrongly");
      assert_int_equal (v.nfacts, table[i].rests_on != NULL);
      if (!table[i].rests_on)
        continue;
      assert_string_equal (v.facts[0].name, table[i].rests_on);
      assert_string_equal (v.facts[0].value, "failed");
    }
}

/* What is to be done is what mends it. */
static void
what_to_do_next (void **state)
{
#define AMISS(how) \
  WELL ";app.culprit=shop.service;app.tied=command;app.amiss=" how
#define HELD "tasks.blocked=2;tasks.in_lock=2;lock.waited_s=15.0;lock.name=a"
  static const struct
  {
    const char *facts, *code, *rule, *next, *not_next;
  } cases[] = {
    { AMISS ("stopped"), "status", "inside-stopped", "kill -CONT", "restart" },
    { AMISS ("frozen"), "status", "inside-frozen", "Thaw", "restart" },
    { AMISS ("busy"), "status", "inside-busy", "See what it computes",
      "waits" },
    { AMISS ("no-room"), "status", "inside-lacks-room", "Make room", "waits" },
    { AMISS ("futex"), "status", "inside-service-amiss", "what it waits for",
      "CONT" },
    /* Of its own log. */
    { WELL TOLD ("kernel-oops", "BUG: x in f"), "kernel-event",
      "memory-log-says", "restart it soon", NULL },
    { WELL TOLD ("filesystem-error", "EXT4-fs error on vda")
      ";kernel.event.fs_readonly=file system on vda went read-only",
      "kernel-event", "memory-log-read-only", "fsck", "soon" },
    { WELL TOLD ("filesystem-error", "EXT4-fs error on vda"), "kernel-event",
      "memory-log-filesystem", "fsck", "restart" },
    { WELL TOLD ("out-of-memory", "Out of memory: killed x"), "kernel-event",
      "memory-log-oom", "more memory", "restart" },
    /* A lock of which nobody known is the owner. */
    { LIVES ";" HELD ";lock.owner=f, x (7)", "status", "memory-lock-held",
      "what the owner does", NULL },
    { LIVES ";" HELD, "status", "memory-lock-nobody", "restart the guest",
      "owner" },
    { LIVES ";finding.soft_lockup=CPU 0: t (7), as a reader of RCU",
      "silent", "memory-rcu-reader", "restart", NULL },
    { LIVES ";finding.soft_lockup=CPU 0;culprit.soft_lockup=kworker/0:1 (7);"
      "workqueue.stuck_s=16.0",
      "silent", "memory-worker-keeps-cpu", "restart", NULL },
    { LIVES ";tasks.blocked=1;tasks.in_lock=0;tasks.in_io=0;"
      "tasks.blocked_s=31.0",
      "silent", "memory-stuck", "restart", NULL },
    /* Who is stopped is to blame only if it is the one. */
    { WELL ";tasks.stopped=2;tasks.stopped_who=sh (7), qemu-ga (119)",
      "agent-silent", "agent-is-stopped", "kill -CONT", NULL },
    { WELL ";tasks.frozen=1;tasks.frozen_who=qemu-ga (119) of /a",
      "agent-silent", "agent-frozen", "Thaw", NULL },
    { WELL ";tasks.stopped=1;tasks.stopped_who=sh (7)", "agent-silent",
      "agent-silent-kernel-lives", "qemu-guest-agent", NULL },
    { WELL ";app.ended=shop.service;app.ended_why=crashed", "status",
      "inside-ended-untied", "Start it again", NULL },
    { WELL ";app.tied=only;app.culprit=shop;app.amiss=futex", "status",
      "inside-only-one-stuck", "restart it", NULL },
    { WELL ";app.tied=only;app.culprit=shop;app.amiss=frozen", "status",
      "inside-only-one-stands", "thawing", "restart" },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    leads_to (cases[i].facts, cases[i].code, cases[i].rule, cases[i].next,
              cases[i].not_next);
  concludes (WELL ";tasks.stopped=1;tasks.stopped_who=qemu-ga (119)",
             "agent-silent", "application-dead",
             "the guest agent, stopped: qemu-ga (119)");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (names_class_and_culprit),
    cmocka_unit_test (console_holds_output_back),
    cmocka_unit_test (some_that_stand_are_no_cause),
    cmocka_unit_test (believes_its_log),
    cmocka_unit_test (names_what_never_came_up),
    cmocka_unit_test (names_where_it_was_sent),
    cmocka_unit_test (names_a_passphrase_that_is_waited_for),
    cmocka_unit_test (names_a_thrashing_one),
    cmocka_unit_test (names_a_stall_of_rcu),
    cmocka_unit_test (names_applications),
    cmocka_unit_test (near_misses),
    cmocka_unit_test (who_has_the_console),
    cmocka_unit_test (told_causes),
    cmocka_unit_test (what_a_dead_kernel_leaves),
    cmocka_unit_test (rests_on_its_outcome),
    cmocka_unit_test (what_to_do_next),
  };

  return cmocka_run_group_tests (tests, begin_rules, end_rules);
}
