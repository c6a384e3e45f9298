/* SPDX-License-Identifier: Apache-2.0
 *
 * What is concluded from what the host shows of QEMU, of the storage and the
 * network under a guest, and of what its file systems have noted down: class
 * and culprit, and near misses that conclude nothing of it.
 */
#include "concludes.h"

#define LIVES "kernel.panicked=0;kernel.clock_moved=1;kernel.switches=20;"
#define IDLE                                                                  \
  "tasks.blocked=0;tasks.in_lock=0;tasks.stopped=0;tasks.frozen=0;"           \
  "init.state=sleeping;"
#define RUNS "vmm.monitor@monitor=answers;vmm.status@monitor=running;"
#define GONE "qemu.state@host=gone;"

static void
facet_is (const char *name, const char *state)
{
  for (size_t i = 0; i < FACET_MAX; i++)
    if (strcmp (facet_names[i], name) == 0)
      {
        assert_string_equal (facet_state_names[last_ladder.facets[i].state],
                             state);
        return;
      }
  fail_msg ("there is no facet %s", name);
}

/* The fact of that name is in its evidence. */
static void
cites (const char *name)
{
  for (unsigned i = 0; i < last_verdict.nfacts; i++)
    if (strcmp (last_verdict.facts[i].name, name) == 0)
      return;
  fail_msg ("%s does not rest on %s", last_verdict.rule, name);
}

static void
who_is_held_and_who_tells_of_it (void **state)
{
  concludes ("vmm.monitor@monitor=answers;vmm.status@monitor=running;"
             "kernel.clock_moved=0;kernel.panicked=0;qemu.wanted@host=0.01;"
             "qemu.stuck_threads@host=2",
             "ticks-dead", "host-starved",
             "host: QEMU waits in its kernel");
  /* Whose processors tell their registers is not held: it is another thread. */
  concludes ("vmm.monitor@monitor=answers;vmm.status@monitor=running;"
             "kernel.clock_moved=0;kernel.panicked=0;qemu.wanted@host=0.01;"
             "qemu.stuck_threads@host=1;culprit.hard_lockup=f [m];"
             "finding.hard_lockup=CPU 0 is halted with interrupts off, at f: "
             "nothing wakes it",
             "ticks-dead", "hard-lockup", "f [m]");
  concludes ("vmm.monitor@monitor=answers;vmm.status@monitor=running;"
             "kernel.event.hung_task@console=INFO: task hung in hold;"
             "kernel.event.panic@console=Kernel panic - not syncing: "
             "hung_task: blocked tasks;kernel.answers@sysrq=none",
             "silent", "kernel-panic", "INFO: task hung in hold");
#define SAID_BEFORE                                                           \
  "vmm.monitor@monitor=answers;vmm.status@monitor=running;"                   \
  "kernel.answers@sysrq=none;kernel.event.hung_task@console=INFO: task hung;"
  /* Another report, which did not do it. */
  concludes (SAID_BEFORE
             "kernel.event.soft_lockup@console=BUG: soft lockup in spin;"
             "kernel.event.panic@console=kernel panic: softlockup: hung tasks",
             "silent", "kernel-panic", "BUG: soft lockup in spin");
  /* None of them did. */
  concludes (SAID_BEFORE "kernel.event.null_deref@console=null-ptr in f;"
             "kernel.event.panic@console=kernel panic: Fatal exception",
             "silent", "kernel-panic", "null-ptr in f");
}

/* A truth of 1 or 0 is as good as true and false. */
static void
who_ended_qemu (void **state)
{
  concludes (GONE "qemu.oom_killed@host=1;host.log.guest@host="
                  "Out of memory: Killed process 7 (qemu)",
             "vmm-dead", "vmm-dead",
             "host's OOM killer: the host had no memory left for QEMU");
  cites ("qemu.oom_killed");
  cites ("host.log.guest");
  concludes (GONE "qemu.oom_killed@host=1;host.log.guest@host="
                  "Memory cgroup out of memory: Killed process 7 (qemu)",
             "vmm-dead", "vmm-dead",
             "host's OOM killer: the memory limit of QEMU's control group");
  concludes (GONE "host.log.guest@host=vnet0: left promiscuous mode",
             "vmm-dead", "vmm-dead", "QEMU process");
  /* An old line of a QEMU that lives says nothing of it. */
  concludes (RUNS "qemu.oom_killed@host=1;qemu.state@host=running", "silent",
             "unknown", NULL);
}

static void
who_holds_qemu_back (void **state)
{
#define STARVES "qemu.wanted@host=1.9;qemu.got@host=0.01;"
#define QUOTA                                                                 \
  "qemu.cgroup.throttled@host=0.9;"                                           \
  "qemu.cgroup.held_back@host=quota of 0.10 processors (control group /m/z1)"
  concludes (LIVES STARVES QUOTA, "silent", "host-starved",
             "host CPU: quota of 0.10 processors (control group /m/z1)");
  cites ("qemu.cgroup.held_back");
  concludes (LIVES STARVES, "silent", "host-starved",
             "host CPU: the guest gets hardly any of it");
  concludes ("qemu.wanted@host=1.9;qemu.got@host=0.1;"
             "kernel.answers@sysrq=shown;" QUOTA,
             "silent", "host-starved",
             "host CPU: quota of 0.10 processors (control group /m/z1)");
  concludes ("qemu.cgroup.frozen@host=1;vmm.monitor@monitor=no-greeting;"
             "qemu.state@host=running",
             "silent", "vmm-stuck",
             "QEMU process, frozen with its control group");
  facet_is ("vmm", "dead");
  /* Who answers is not frozen. */
  concludes (RUNS "qemu.cgroup.frozen@host=1;qemu.state@host=running",
             "silent", "unknown", NULL);
}

#define STALLED                                                               \
  LIVES "finding.storage_stalled=disk vda: 1 request;disk.any_moved=0;"       \
        "culprit.storage_stalled=disk vda;"
#define TROUBLE                                                               \
  "disk.vda.host_trouble@host=a.img (vda): a read of it is not answered;"     \
  "disk.vda.host_read@host=late;"

static void
which_side_of_a_disk (void **state)
{
  concludes (STALLED RUNS TROUBLE, "no-answer", "storage-stalled",
             "disk vda; host side: a.img (vda): a read of it is not answered");
  assert_string_equal (last, "certain");
  cites ("disk.vda.host_trouble");
  concludes (STALLED RUNS "qemu.stuck_threads@host=2", "no-answer",
             "storage-stalled",
             "disk vda; host side: QEMU's threads wait in the host's kernel");
  /* Who serves it is no second witness. */
  concludes (STALLED RUNS "disk.behind@diagnosis=server nbd 10.0.0.1:10809",
             "no-answer", "storage-stalled",
             "disk vda; server nbd 10.0.0.1:10809");
  assert_string_equal (last, "high");
  concludes (STALLED RUNS "disk.behind@diagnosis=files or devices that the "
                          "host itself reads well;disk.vda.host_read@host=ok",
             "no-answer", "storage-stalled", "disk vda");
  assert_non_null (strstr (last_verdict.next, "the host itself reads well"));
  /* Who waits for it is named first. */
  concludes (STALLED RUNS TROUBLE "app.culprit=shop.service;app.amiss=blocked",
             "no-answer", "storage-stalled", "shop.service; disk vda");
  /* Without a look at its memory. */
  concludes (RUNS "disk.any_moved@monitor=0;tasks.in_io@sysrq=2;" TROUBLE,
             "no-answer", "storage-stalled",
             "host side: a.img (vda): a read of it is not answered");
  concludes (RUNS "disk.any_moved@monitor=0;" TROUBLE, "no-answer",
             "storage-stalled",
             "host side: a.img (vda): a read of it is not answered");
  facet_is ("block", "dead");
  concludes (RUNS "disk.any_moved@monitor=0;tasks.in_io@sysrq=2;"
                  "tasks.culprit@sysrq=cat in io_schedule;"
                  "disk.behind@diagnosis=server nbd s:1",
             "no-answer", "storage-stalled",
             "server nbd s:1; cat in io_schedule");
  /* A disk that moves is served, whatever one read brought. */
  concludes (LIVES IDLE RUNS TROUBLE "disk.any_moved@monitor=1", "no-answer",
             "userspace-stuck", NULL);
}

static void
what_stopped_it (void **state)
{
  concludes ("vmm.status@monitor=io-error;disk.vda.io_status@monitor=nospace",
             "vmm-event", "io-error",
             "no space left on the host for its disk (io-error)");
  facet_is ("block", "dead");
  concludes ("vmm.status@monitor=io-error;disk.vda.io_status@monitor=failed",
             "vmm-event", "io-error", "io-error");
  concludes ("vmm.status@monitor=paused;vmm.migration@monitor=active",
             "silent", "paused", "its migration: active");
  concludes ("vmm.status@monitor=paused;vmm.migration@monitor=completed",
             "silent", "paused", "paused");
}

#define NOTED                                                                 \
  "disk.vda1.fs.state@host=errors;disk.vda1.fs.errors@host=3;"                \
  "disk.vda1.fs.last_error@host=ext4_lookup:77;"

static void
what_file_systems_noted (void **state)
{
  concludes (NOTED "disk.vda1.fs.error_age_s@host=60.0", "silent",
             "filesystem-error", "ext4_lookup:77");
  assert_string_equal (last, "medium");
  facet_is ("filesystem", "slow");
  concludes (NOTED "disk.vda1.fs.error_age_s@host=60.0;"
                   "kernel.event.fs_error@console=EXT4-fs error on vda1",
             "silent", "filesystem-error",
             "EXT4-fs error on vda1; on the disk: ext4_lookup:77");
  assert_string_equal (last, "certain");
  /* Of another day; and one whose disk is what fails. */
  concludes (NOTED "disk.vda1.fs.error_age_s@host=864000.0", "silent",
             "unknown", NULL);
  concludes (NOTED "disk.vda1.fs.error_age_s@host=60.0;" STALLED, "silent",
             "storage-stalled", "disk vda");
  concludes ("disk.vda1.fs.state@host=in-use;disk.vda1.fs.errors@host=0;"
             "disk.any_moved@monitor=1",
             "silent", "userspace-stuck", NULL);
  facet_is ("filesystem", "alive");
  concludes ("disk.vda1.fs.state@host=in-use;disk.vda1.fs.errors@host=0",
             "silent", "unknown", NULL);
  facet_is ("filesystem", "unknown");
}

static void
what_the_network_shows (void **state)
{
  concludes (RUNS "net.answer@net=timeout;net.arp@net=another", "timeout",
             "network-lost", "another machine with the guest's address");
  facet_is ("network", "dead");
  concludes (RUNS "net.answer@net=timeout;net.carrier@host=0", "timeout",
             "network-lost", "no carrier: the guest's tap, or its bridge");
  /* Its kernel answers there: it is the service. */
  concludes (RUNS "net.answer@net=timeout;net.arp@net=answers;"
                  "net.echo@net=answers;kernel.answers@sysrq=shown",
             "timeout", "application-dead", "what the check web asks for");
  facet_is ("network", "alive");
  concludes (RUNS "net.answer@net=timeout;net.arp@net=none;"
                  "kernel.answers@sysrq=shown",
             "timeout", "network-lost", "the guest's network");
}

#define OWN                                                                   \
  "net.amiss=no-link;net.culprit=device ens3 has no carrier;"

/* What its own devices say is the reason, and none where somebody answers. */
static void
what_its_devices_show (void **state)
{
  concludes (RUNS OWN "net.answer@net=timeout;net.devices_well=0", "timeout",
             "network-lost", "device ens3 has no carrier");
  assert_string_equal (last, "certain");
  concludes (RUNS OWN "reach.tcp@scenario=dead timeout;net.devices_well=0",
             "timeout", "network-lost", "device ens3 has no carrier");
  assert_string_equal (last, "medium");
  /* Who has another one may not use this one. */
  concludes (RUNS OWN "net.answer@net=timeout;net.devices_well=1", "timeout",
             "network-lost", "perhaps: device ens3 has no carrier");
  assert_string_equal (last, "low");
  concludes (RUNS OWN "net.answer@net=refused;net.devices_well=1", "refused",
             "application-dead", NULL);
  concludes (RUNS OWN "net.answer@net=timeout;net.arp@net=another;"
                      "net.devices_well=0",
             "timeout", "network-lost",
             "another machine with the guest's address");
}

#define BARE(word)                                                            \
  RUNS "net.amiss=" word ";net.culprit=a device;net.answer@net=timeout;"

/* Without an address: by whom is not said.  What its memory does not show it
 * may have all the same. */
static void
what_its_devices_lack (void **state)
{
  leads_to (BARE ("no-address") "net.devices_well=0", "timeout",
            "own-device-amiss", "DHCP server", "all else in the guest");
  assert_string_equal (last, "certain");
  leads_to (BARE ("no-address-above") "net.devices_well=0", "timeout",
            "own-device-not-seen", "what should have its address", NULL);
  assert_string_equal (last, "medium");
  leads_to (BARE ("no-device") "net.devices_well=0", "timeout",
            "own-device-not-seen", "DPDK", NULL);
  assert_string_equal (last, "medium");
  /* As many a guest is. */
  concludes (BARE ("no-ipv4") "net.devices_well=1", "timeout", "network-lost",
             "perhaps: a device");
  assert_string_equal (last, "low");
  concludes (BARE ("no-route") "net.devices_well=2;net.carrier@host=0",
             "timeout", "network-lost",
             "no carrier: the guest's tap, or its bridge");
}

#define NO_KEYS "flow control (^S) of the console, or nobody reads there"

static void
a_console_that_takes_no_keys (void **state)
{
  concludes (LIVES IDLE RUNS, "xoff", "console-lost", NO_KEYS);
  assert_string_equal (last, "high");
  assert_non_null (strstr (last_verdict.next, "^Q"));
  facet_is ("scheduler", "alive");
  facet_is ("init", "alive");
  concludes (RUNS "kernel.answers@sysrq=shown;tasks.blocked@sysrq=0", "xoff",
             "console-lost", NO_KEYS);
  assert_string_equal (last, "medium");
  /* Who is silent may be anything; who is not let run takes no keys, and so
   * does whoever is held. */
  concludes (RUNS "kernel.answers@sysrq=shown;tasks.blocked@sysrq=0",
             "silent", "userspace-stuck", NULL);
  concludes (RUNS "kernel.answers@sysrq=shown;qemu.wanted@host=1.9;"
                  "qemu.got@host=0.1",
             "xoff", "host-starved", NULL);
  concludes (LIVES RUNS "tasks.blocked=2;tasks.stopped=0;tasks.frozen=0;"
                        "lock.waited_s=9.0;tasks.in_lock=2;lock.name=m",
             "xoff", "lock-deadlock", "m");
  concludes (LIVES RUNS "tasks.blocked=0;tasks.stopped=9;tasks.frozen=0;"
                        "tasks.stopped_share=0.9;tasks.stopped_who=bash (9)",
             "xoff", "userspace-stuck", "stopped processes: bash (9)");
  /* A kernel of which nothing is known. */
  concludes (RUNS, "xoff", "unknown", NULL);
#define WENT_ON "kernel.answers@sysrq=disabled;console.xon@console=goes-on"
  concludes (RUNS WENT_ON, "silent", "console-lost",
             "flow control of the console: its output was stopped by ^S");
  assert_string_equal (last, "medium");
  concludes (RUNS "kernel.answers@sysrq=disabled;console.xon@console=nothing",
             "silent", "userspace-stuck", NULL);
  concludes (RUNS WENT_ON ";reach.ssh@scenario=alive", "console-lost",
             "console-lost",
             "flow control of the console: its output was stopped by ^S");
  assert_string_equal (last, "medium");
  concludes (RUNS "kernel.answers@sysrq=disabled;console.xon@console=nothing;"
                  "reach.ssh@scenario=alive",
             "console-lost", "console-lost", "console or the shell on it");
  /* By the console alone a terminal that is stopped for good can't be told from
   * a user space that is; by any other way it can. */
#define ALONE RUNS "kernel.answers@sysrq=shown;tasks.blocked@sysrq=0;"           \
                   "console.xon@console=nothing"
  concludes (ALONE, "silent", "userspace-stuck", NULL);
  assert_string_equal (last, "low");
  assert_non_null (strstr (last_verdict.sentence, "tcflow"));
  concludes (ALONE ";net.answer@net=answers", "silent", "userspace-stuck",
             NULL);
  assert_string_equal (last, "medium");
  concludes (RUNS "kernel.answers@sysrq=disabled;sysrq.refused@sysrq=w;"
                  "console.xon@console=nothing", "silent", "userspace-stuck",
             NULL);
  assert_string_equal (last, "low");
  assert_non_null (strstr (last_verdict.sentence, "tcflow"));
  /* A slow answer that comes just then is none to that key. */
  concludes (RUNS WENT_ON ";qemu.wanted@host=1.9;qemu.got@host=0.1",
             "silent", "host-starved", NULL);
  concludes (RUNS "kernel.answers@sysrq=shown;console.guest_open@monitor=0",
             "silent", "console-lost",
             "the guest's end of the console: nobody in it has it open");
}

static void
its_heartbeat (void **state)
{
#define BEAT "guest.beat=no clock of it went on for 12 s;"
  concludes (RUNS BEAT "guest.ticks=dead;guest.vcpus=dead", "ticks-dead",
             "hard-lockup", "no clock of it went on for 12 s");
  assert_string_equal (last, "low");
  facet_is ("ticks", "dead");
  facet_is ("vcpu", "dead");
  concludes (RUNS BEAT "guest.scheduler=dead;guest.ticks=alive",
             "scheduler-dead", "soft-lockup", NULL);
  facet_is ("ticks", "alive");
  concludes (RUNS BEAT "guest.ticks=dead;guest.vcpus=dead;guest.panicked=1",
             "ticks-dead", "kernel-panic", "no clock of it went on for 12 s");
  concludes (RUNS BEAT LIVES "guest.panicked=1", "ticks-dead", "unknown",
             NULL);
  /* A look of now is worth more. */
  concludes (RUNS BEAT LIVES "guest.ticks=dead", "ticks-dead", "unknown",
             NULL);
  facet_is ("ticks", "alive");
  concludes ("vmm.status@monitor=paused;guest.ticks=dead", "ticks-dead",
             "paused", NULL);
}

/* What one fact, or two, make of a facet by themselves. */
static void
facets_by_themselves (void **state)
{
#define MOVES ";disk.any_moved@monitor=1"
#define STANDS ";disk.any_moved@monitor=0"
  static const struct
  {
    const char *facts, *facet, *want;
  } cases[] = {
    { "qemu.cgroup.frozen@host=1;qemu.state@host=running", "vmm", "dead" },
    { "qemu.cgroup.frozen@host=0;qemu.state@host=running", "vmm", "alive" },
    { "disk.vda.io_status@monitor=failed" MOVES, "block", "dead" },
    { "disk.vda.io_status@monitor=ok" MOVES, "block", "alive" },
    { "disk.vda.latency_ms@monitor=3000.0" MOVES, "block", "slow" },
    { "disk.vda.latency_ms@monitor=300.0" MOVES, "block", "alive" },
    { "disk.vda.backing_state@host=suspended" STANDS, "block", "dead" },
    { "disk.vda.backing_state@host=degraded" STANDS, "block", "unknown" },
    { "disk.vda.host_read@host=late", "block", "slow" },
    { "net.arp@net=another;net.echo@net=answers", "network", "dead" },
    { "net.arp@net=answers", "network", "alive" },
    { "net.arp@net=none", "network", "dead" },
    { "net.carrier@host=0", "network", "dead" },
    { "net.carrier@host=1", "network", "unknown" },
    { "disk.vda1.fs.error_age_s@host=60.0", "filesystem", "slow" },
    { "disk.vda1.fs.error_age_s@host=86400.0", "filesystem", "unknown" },
    { "disk.vda1.fs.state@host=errors" MOVES, "filesystem", "slow" },
    { "inside.way@inside=ssh" MOVES, "filesystem", "alive" },
    { "inside.way@inside=ssh" STANDS, "filesystem", "unknown" },
    { "guest.vcpus=slow", "vcpu", "slow" },
    { "guest.vcpus=alive", "vcpu", "alive" },
    { "vcpu.0.moved@monitor=1", "vcpu", "alive" },
    { "vcpu.0.moved@monitor=0", "vcpu", "unknown" },
    { "guest.ticks=slow", "ticks", "slow" },
    { "guest.ticks=alive;guest.panicked=1", "ticks", "dead" },
    { "guest.scheduler=dead", "scheduler", "dead" },
    { "guest.scheduler=slow", "scheduler", "slow" },
    { "guest.scheduler=alive", "scheduler", "alive" },
    { "guest.scheduler=unknown", "scheduler", "unknown" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      print_message ("%s\n", cases[i].facts);
      concludes (cases[i].facts, "no-such-code", NULL, NULL);
      facet_is (cases[i].facet, cases[i].want);
    }
  concludes (RUNS "disk.vda.latency_ms@monitor=3000.0" MOVES, "ordered",
             "slow", NULL);
}

/* What a file system has noted down is no failed request of the host's. */
static void
whose_errors (void **state)
{
  size_t n;

  assert_false (is_found ("disk.vda.errors@monitor=0;disk.vda.fs.errors@host=3",
                          "disk-failed-before", &n));
  assert_true (is_found ("disk.vda.errors@monitor=0;disk.vda.fs.errors@host=3",
                         "filesystem-noted-errors", &n));
  assert_true (is_found ("disk.vda.errors@monitor=2", "disk-failed-before",
                         &n));
}

static void
what_holds_it_back_is_named (void **state)
{
  size_t n;

  assert_true (is_found (QUOTA, "qemu-held-back", &n));
  assert_non_null (strstr (last_says, "quota of 0.10"));
  assert_true (is_found ("qemu.cgroup.throttled@host=0.9", "qemu-held-back",
                         &n));
  assert_non_null (strstr (last_says, "see qemu/cgroups.txt"));
}

#define STUCK                                                                 \
  "qemu.state@host=running;vmm.monitor@monitor=greets-only;"                  \
  "vmm.monitor@monitor=greets-only;"

#define HALTS                                                                 \
  STUCK "disk.vda.backing@host=server nbd /run/nbd;disk.vda.waits_s=0.7;"     \
        "disk.vdb.waits_s=0.0;disk.any_moved=0;kernel.clock_moved=0;"

/* The guest stands with it: its clock does not tell for how long. */
static void
a_main_loop_and_a_guest_that_stands (void **state)
{
  concludes (HALTS "tasks.in_io=1", "silent", "vmm-stuck",
             "server nbd /run/nbd under disk vda, and QEMU's main loop with "
             "it");
  concludes (HALTS "tasks.in_io=0", "silent", "vmm-stuck", "QEMU main loop");
}

/* Its main loop stands, and so does what it may wait for. */
static void
a_main_loop_and_its_storage (void **state)
{
  concludes (STUCK STALLED "tasks.in_io=1", "silent", "vmm-stuck",
             "storage under disk vda, and QEMU's main loop with it");
  assert_string_equal (last, "medium");
  leads_to (STUCK STALLED "tasks.in_io=1", "silent", "main-loop-on-storage",
            "storage under that disk", NULL);
  leads_to (STUCK STALLED "tasks.in_io=0", "silent", "main-loop-stuck",
            "qemu/stacks.txt", NULL);
  leads_to ("vmm.status@monitor=guest-panicked", "vmm-event",
            "panicked-by-vmm", "memory/dmesg.txt", NULL);
  assert_non_null (strstr (last_verdict.next, "restart the guest"));
}

/* Requests are out whatever holds it: storage that the host reads well is not
 * to blame. */
static void
a_main_loop_beside_its_storage (void **state)
{
  leads_to (HALTS "tasks.in_io=1;disk.vda.host_read@host=ok", "silent",
            "main-loop-beside-storage", "vhost-user", "storage");
  concludes (HALTS "tasks.in_io=1;disk.vda.host_read@host=ok", "silent",
             "vmm-stuck", "QEMU main loop");
  assert_string_equal (last, "medium");
  concludes (STUCK STALLED "tasks.in_io=1;disk.vda.waits_s=9.5;"
                           "disk.vda.host_read@host=ok",
             "silent", "vmm-stuck", "QEMU main loop");
  /* Of another disk that does not tell. */
  concludes (HALTS "tasks.in_io=1;disk.vdb.host_read@host=ok", "silent",
             "vmm-stuck",
             "server nbd /run/nbd under disk vda, and QEMU's main loop with "
             "it");
  concludes (STUCK STALLED "tasks.in_io=1;disk.vdb.waits_s=9.5;"
                           "disk.vdb.host_read@host=ok;" TROUBLE,
             "silent", "vmm-stuck",
             "storage under disk vda, and QEMU's main loop with it");
}

#define HUNG                                                                  \
  RUNS "kernel.event.hung_task@console=INFO: task hung in corrupted;"         \
       "disk.any_moved@monitor=0;"

/* No disk of it is known: that none moved says nothing. */
static void
a_hung_task_and_no_disk (void **state)
{
  concludes (HUNG, "kernel-event", "unknown", NULL);
  concludes (HUNG "disk.vda.moved@monitor=0;"
                  "kernel.trouble.hung_task@console=INFO: task hung in f",
             "kernel-event", "storage-stalled", "INFO: task hung in f");
  assert_string_equal (last, "low");
}

/* All of it was read at once, with what is known since. */
static void
what_a_kernel_died_of (void **state)
{
#define MUTE RUNS "kernel.answers@sysrq=none;"
#define DIED "kernel.event.panic@console~7301=kernel panic: Fatal exception;"
#define LATE "kernel.event.gpf@console~7300=GPF in g;"
#define LONG_AGO "kernel.event.null_deref@console~100=NULL deref in f;"
  concludes (MUTE LATE DIED, "silent", "kernel-panic", "GPF in g");
  assert_string_equal (last_verdict.rule, "panic-after-oops");
  assert_string_equal (last, "medium");
  concludes (MUTE LATE DIED "net.answer@net=timeout", "silent",
             "kernel-panic", "GPF in g");
  assert_string_equal (last, "certain");
  /* Whoever it was two hours ago, it went on. */
  concludes (MUTE LONG_AGO DIED, "silent", "kernel-panic",
             "kernel panic: Fatal exception");
  concludes (MUTE LONG_AGO DIED "net.answer@net=timeout", "silent",
             "kernel-panic", "kernel panic: Fatal exception");
  concludes (MUTE LONG_AGO LATE DIED, "silent", "kernel-panic", "GPF in g");
  assert_non_null (strstr (last_verdict.sentence, "GPF in g"));
  /* One of a kind both times: the first stands last, as it is told. */
  concludes (MUTE LATE "kernel.event.gpf@console~90=GPF in a;" DIED, "silent",
             "kernel-panic", "GPF in g");
  /* What it said when it was over is no reason. */
  concludes (MUTE "kernel.event.gpf@console~7302=GPF in g;" DIED, "silent",
             "kernel-panic", "kernel panic: Fatal exception");
}

/* By 6.12's: who noticed is in the BUG, and nobody's culprit. */
static void
whom_a_watchdog_of_workers_names (void **state)
{
#define WORKERS MUTE "kernel.event.workqueue_lockup@console~191=lockup: f;"
#define BUG_IN(f, s) "kernel.event.kernel_bug@console~" s "=kernel BUG in " f ";"
#define ENDED "kernel.event.panic@console~200=kernel panic: Fatal exception;"
  concludes (WORKERS BUG_IN ("wq_watchdog_timer_fn", "199") ENDED, "silent",
             "kernel-panic", "lockup: f");
  assert_string_equal (last, "medium");
  concludes (WORKERS BUG_IN ("wq_watchdog_timer_fn", "199") ENDED
             "net.answer@net=timeout", "silent", "kernel-panic", "lockup: f");
  assert_string_equal (last, "certain");
  concludes (WORKERS BUG_IN ("g", "199") ENDED, "silent", "kernel-panic",
             "kernel BUG in g");
  concludes (WORKERS BUG_IN ("wq_watchdog_timer_fn", "110") ENDED, "silent",
             "kernel-panic", "kernel panic: Fatal exception");
}

/* On whatever it lay; and not by an error of an hour before. */
static void
a_disk_and_then_a_file_system (void **state)
{
#define GIVEN_UP ";kernel.event.fs_shutdown@console~900=XFS on sda2 is shut down"
  size_t n;

  assert_true (is_found ("kernel.event.io_timeout@console~890=nvme: timeout"
                         GIVEN_UP, "io-error-then-readonly", &n));
  assert_non_null (strstr (last_says, "nvme: timeout; XFS on sda2"));
  assert_true (is_found ("kernel.event.device_offline@console~890=scsi: gone"
                         GIVEN_UP, "io-error-then-readonly", &n));
  assert_false (is_found ("kernel.event.io_error@console~100=I/O error"
                          GIVEN_UP, "io-error-then-readonly", &n));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (who_is_held_and_who_tells_of_it),
    cmocka_unit_test (who_ended_qemu),
    cmocka_unit_test (who_holds_qemu_back),
    cmocka_unit_test (which_side_of_a_disk),
    cmocka_unit_test (what_stopped_it),
    cmocka_unit_test (what_file_systems_noted),
    cmocka_unit_test (what_the_network_shows),
    cmocka_unit_test (what_its_devices_show),
    cmocka_unit_test (what_its_devices_lack),
    cmocka_unit_test (a_console_that_takes_no_keys),
    cmocka_unit_test (its_heartbeat),
    cmocka_unit_test (facets_by_themselves),
    cmocka_unit_test (whose_errors),
    cmocka_unit_test (what_holds_it_back_is_named),
    cmocka_unit_test (a_main_loop_and_its_storage),
    cmocka_unit_test (a_main_loop_beside_its_storage),
    cmocka_unit_test (a_main_loop_and_a_guest_that_stands),
    cmocka_unit_test (a_hung_task_and_no_disk),
    cmocka_unit_test (what_a_kernel_died_of),
    cmocka_unit_test (a_disk_and_then_a_file_system),
    cmocka_unit_test (whom_a_watchdog_of_workers_names),
  };

  return cmocka_run_group_tests (tests, begin_rules, end_rules);
}
