/* SPDX-License-Identifier: Apache-2.0
 *
 * The ladder's tables: for each class the facts that make it, and for each a
 * near miss that must not.
 */
#include "rules-bed.h"

#include "base/json.h"
#include "diag/ladder/rules_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FACTS 32

/* "name@source", or who says such things. */
static void
who_says (struct fact *f)
{
  static const struct
  {
    const char *begin, *source;
  } usual[] = { { "kernel.answers", "sysrq" },
                { "tasks.", "sysrq" },
                { "kernel.event.", "console" },
                { "", "test" } };
  char *at = strchr (f->name, '@');
  size_t i = 0;

  if (at)
    {
      snprintf (f->source, sizeof f->source, "%s", at + 1);
      *at = '\0';
      return;
    }
  while (strncmp (f->name, usual[i].begin, strlen (usual[i].begin)) != 0)
    i++;
  snprintf (f->source, sizeof f->source, "%s", usual[i].source);
}

static void
one_fact (struct fact *f, const char *text, uint64_t at)
{
  const char *eq = strchr (text, '=');
  char *end;
  double v;

  memset (f, 0, sizeof *f);
  snprintf (f->name, sizeof f->name, "%.*s", (int) (eq - text), text);
  who_says (f);
  f->time_ms = at;
  v = strtod (eq + 1, &end);
  if (*end || end == eq + 1)
    {
      f->type = FACT_TEXT;
      snprintf (f->text, sizeof f->text, "%s", eq + 1);
    }
  else if (strchr (eq, '.'))
    {
      f->type = FACT_REAL;
      f->d = v;
    }
  else
    {
      f->type = FACT_INT;
      f->i = (int64_t) v;
    }
}

/* "name=value;name=value", in order of time, each of them a sample; returns how
 * many. */
static size_t
facts_from (const char *text, struct fact facts[MAX_FACTS])
{
  char *copy = strdup (text), *save = NULL;
  size_t n = 0;

  for (char *p = strtok_r (copy, ";", &save); p;
       p = strtok_r (NULL, ";", &save))
    {
      assert_in_range (n, 0, MAX_FACTS - 1);
      one_fact (&facts[n], p, 1000 + n);
      facts[n].sample = 1;
      for (size_t i = 0; i < n; i++)
        facts[n].sample += strcmp (facts[i].name, facts[n].name) == 0;
      n++;
    }
  free (copy);
  return n;
}

/* Each time a set of their own. */
static void
climb (const struct fact *facts, size_t n, struct ladder *ret)
{
  struct fact_set *set;

  assert_int_equal (fact_set_new (n, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_climb (rules, set, ret);
  fact_set_free (set);
}

static void
judge (const struct ladder *l, const struct fact *facts, size_t n,
       const struct cause *cause, struct verdict *ret)
{
  struct fact_set *set;

  assert_int_equal (fact_set_new (n, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_verdict (rules, l, set, cause, ret);
  fact_set_free (set);
}

/* ---- verdicts ---- */

#define WELL_HOST "host.psi.io.full=0.5;host.memory.available=0.4;"
#define WELL_VMM                                                              \
  WELL_HOST "qemu.state=running;vmm.monitor=answers;vmm.monitor=answers;"     \
            "vmm.status=running;"
#define BUSY1 "vcpu.count=2;vcpu.busy=1;vcpu.0.share=0.01;vcpu.1.share=0.99;"
#define BUSY2 "vcpu.count=2;vcpu.busy=2;vcpu.0.share=0.99;vcpu.1.share=0.99;"
#define IDLE "vcpu.count=2;vcpu.busy=0;vcpu.0.share=0.0;vcpu.1.share=0.01;"

static const struct
{
  const char *facts, *code, *class_, *confidence;
} cases[] = {
  /* the process */
  { "qemu.state=gone", "silent", "vmm-dead", "high" },
  { "qemu.state=zombie", "silent", "vmm-dead", "high" },
  { "qemu.state=gone;vmm.event=SHUTDOWN guest", "silent", "powered-off",
    "high" },
  { "qemu.state=gone;guest.intent=stop libvirt", "silent", "powered-off",
    "high" },
  { "qemu.state=stopped;vmm.monitor=no-greeting", "silent", "vmm-stuck",
    "high" },
  { WELL_HOST "qemu.state=running;qemu.stuck_threads=1;"
              "vmm.monitor=greets-only;vmm.monitor=greets-only",
    "silent", "vmm-stuck", "high" },
  { WELL_HOST "qemu.state=running;qemu.stuck_threads=0;"
              "vmm.monitor=greets-only;vmm.monitor=greets-only",
    "silent", "vmm-stuck", "medium" },
  { WELL_HOST "qemu.state=running;qemu.blocked_in=anon_pipe_write;"
              "vmm.monitor=greets-only;vmm.monitor=greets-only",
    "silent", "host-log-blocked", "high" },
  /* once late is slow, not stuck */
  { WELL_HOST "qemu.state=running;vmm.monitor=answers;"
              "vmm.monitor=greets-only",
    "silent", "slow", "low" },
  { WELL_HOST "qemu.state=running;vmm.monitor=greets-only", "silent", "slow",
    "low" },
  /* somebody else has the monitor: no verdict on QEMU */
  { WELL_HOST "qemu.state=running;vmm.monitor=held;vmm.monitor=held",
    "silent", "unknown", "low" },

  /* run states, in QEMU's words and in libvirt's */
  { "qemu.state=running;vmm.monitor=answers;vmm.status=io-error", "silent",
    "io-error", "high" },
  { "vmm.status=paused io-error", "silent", "io-error", "high" },
  { "vmm.status=internal-error", "silent", "vmm-internal-error", "high" },
  { "vmm.status=guest-panicked", "silent", "kernel-panic", "high" },
  { "vmm.status=crashed panicked", "silent", "kernel-panic", "high" },
  { "vmm.status=paused", "silent", "paused", "high" },
  { "vmm.status=watchdog", "silent", "userspace-stuck", "medium" },
  { "vmm.status=paused watchdog", "silent", "userspace-stuck", "medium" },
  /* a watchdog that only tells */
  { "vmm.status=running;vmm.trouble=WATCHDOG none", "vmm-event",
    "userspace-stuck", "low" },
  { "vmm.status=running;vmm.trouble=IO_ERROR virtio-disk0 eio", "vmm-event",
    "io-error", "medium" },
  /* ended for its panic, whatever is left of its process by then */
  { "vmm.trouble=PANIC;vmm.event=PANIC;qemu.state=zombie;vmm.status=off "
    "crashed;vmm.event=SHUTDOWN crashed", "vmm-event", "kernel-panic",
    "high" },
  /* a panic long ago, and now the process */
  { "vmm.trouble=PANIC;vmm.event=SHUTDOWN failed;vmm.status=off crashed",
    "vmm-event", "vmm-dead", "high" },
  { "vmm.status=paused user", "silent", "paused", "high" },
  { "vmm.status=shutdown", "silent", "powered-off", "high" },
  { "vmm.status=off gone", "silent", "powered-off", "high" },
  { "vmm.status=running unpaused", "silent", "unknown", "low" },
  { "vmm.status=paused;vmm.status=running", "silent", "unknown", "low" },
  { "vmm.status=running;vmm.status=paused", "silent", "paused", "high" },

  /* the host */
  { "host.psi.memory.full=60.0;vmm.status=running", "silent", "host-starved",
    "high" },
  { "host.psi.io.full=80.0;vmm.status=running", "silent", "host-starved",
    "low" },
  { "host.psi.cpu.some=20.0;vmm.status=running", "silent", "unknown", "low" },

  /* the guest answered, wrongly */
  { WELL_VMM, "status", "application-dead", "medium" },
  { WELL_VMM "kernel.event.panic=Kernel panic - not syncing: forged",
    "mismatch", "application-dead", "medium" },
  { WELL_VMM "kernel.event.disk_full=No space left on device", "status",
    "application-dead", "medium" },
  { WELL_VMM "net.answer=refused", "refused", "application-dead",
    "high" },
  { WELL_VMM "host.psi.io.full=80.0", "host-key-changed",
    "probe-misconfigured", "high" },

  /* somebody answers, though not on the console */
  { WELL_VMM "reach.console=dead silent;reach.ssh=alive", "console-lost",
    "console-lost", "high" },
  { WELL_VMM "reach.ssh=dead refused;reach.console=alive", "way-lost",
    "application-dead", "medium" },
  { WELL_VMM "reach.ssh=dead timeout;reach.console=alive", "way-lost",
    "network-lost", "medium" },
  { WELL_VMM "kernel.answers=shown;net.answer=open", "silent", "console-lost",
    "medium" },
  { WELL_VMM "kernel.answers=shown;net.answer=mismatch", "silent",
    "console-lost", "medium" },
  { WELL_VMM "kernel.answers=shown;net.answer=forwarded", "silent",
    "userspace-stuck", "medium" },

  /* panic: text alone is a suspicion */
  { WELL_VMM IDLE "kernel.event.panic=Kernel panic - not syncing: Fatal;"
                  "kernel.answers=none;net.answer=timeout",
    "silent", "kernel-panic", "certain" },
  { WELL_VMM IDLE "kernel.event.panic=Kernel panic - not syncing: Fatal;"
                  "kernel.answers=none",
    "silent", "kernel-panic", "medium" },
  { WELL_VMM "kernel.event.panic=Kernel panic - not syncing: Fatal", "silent",
    "kernel-panic", "low" },
  { WELL_VMM IDLE "kernel.event.panic=Kernel panic - not syncing: Fatal",
    "kernel-event", "kernel-panic", "low" },
  { WELL_VMM IDLE "kernel.event.panic=Kernel panic - not syncing: Fatal",
    "silent", "kernel-panic", "low" },
  { WELL_VMM IDLE "kernel.event.panic=Kernel panic - not syncing: Fatal;"
                  "kernel.answers=none;net.answer=timeout",
    "silent", "kernel-panic", "certain" },
  /* its rule says what it is, if that is a class of ours */
  { WELL_VMM IDLE "kernel.class=filesystem-error;kernel.title=EXT4-fs error",
    "kernel-event", "filesystem-error", "low" },
  { WELL_VMM "net.answer=open;kernel.class=filesystem-error", "kernel-event",
    "filesystem-error", "low" },
  { WELL_VMM IDLE "kernel.class=my-own", "kernel-event", "unknown", "low" },
  { WELL_VMM IDLE "kernel.class=filesystem-error", "silent", "unknown",
    "low" },
  { WELL_VMM "kernel.answers=shown;kernel.class=kernel-panic", "kernel-event",
    "unknown", "low" },
  /* where its boot stands */
  { WELL_VMM "guest.stop=initramfs", "silent", "boot-stuck", "medium" },
  { WELL_VMM "guest.stop=init", "silent", "unknown", "low" },
  { WELL_VMM "guest.stop=none", "silent", "unknown", "low" },
  { WELL_VMM "guest.stop=no-root", "timeout", "boot-stuck", "medium" },
  { WELL_VMM "guest.stop=no-boot-device", "no-answer", "firmware-stuck",
    "medium" },
  { WELL_VMM "guest.stop=halted", "silent", "powered-off", "low" },
  { WELL_VMM BUSY1 "kernel.answers=none;kernel.event.hard_lockup=x", "silent",
    "hard-lockup", "certain" },
  { WELL_VMM "kernel.event.panic=Kernel panic - not syncing: Fatal;"
             "net.answer=open", "kernel-event", "unknown", "low" },
  { WELL_VMM IDLE "kernel.event.hung_task=INFO: task x blocked for more than",
    "kernel-event", "unknown", "low" },
  { WELL_VMM IDLE "kernel.event.oom_kill_cgroup=Memory cgroup out of memory: "
                  "killed java",
    "silent", "out-of-memory", "low" },
  { WELL_VMM IDLE "kernel.event.alloc_failure=page allocation failure",
    "silent", "unknown", "low" },
  { WELL_VMM IDLE "kernel.event.windows_stop=Windows stopped;"
                  "kernel.answers=none;net.answer=timeout",
    "timeout", "kernel-panic", "certain" },
  { "vmm.status=crashed panicked;kernel.event.panic=Kernel panic",
    "kernel-event", "kernel-panic", "high" },
  /* somebody printed it: the kernel answers */
  { WELL_VMM "kernel.event.panic=Kernel panic - not syncing: x;"
             "kernel.answers=shown",
    "silent", "userspace-stuck", "medium" },
  { WELL_VMM "kernel.event.panic=Kernel panic - not syncing: x;"
             "kernel.answers=none;net.answer=open",
    "silent", "console-lost", "medium" },

  /* lockups */
  { WELL_VMM BUSY2 "kernel.answers=none;net.answer=timeout;net.guest_sent=0",
    "silent", "hard-lockup", "certain" },
  { WELL_VMM BUSY2 "kernel.answers=none", "silent", "hard-lockup", "medium" },
  { WELL_VMM BUSY2 "kernel.answers=none;disk.any_moved=1", "silent",
    "userspace-stuck", "low" },
  { WELL_VMM BUSY1 "kernel.answers=none;kernel.event.hard_lockup=NMI watchdog: "
                   "Watchdog detected hard LOCKUP on cpu 1",
    "no-answer", "hard-lockup", "certain" },
  { WELL_VMM BUSY1 "kernel.answers=none", "silent", "hard-lockup", "low" },
  { WELL_VMM BUSY1 "kernel.answers=none;disk.any_moved=1", "silent",
    "userspace-stuck", "low" },
  { WELL_VMM BUSY2 "kernel.answers=shown", "no-answer", "userspace-stuck",
    "medium" },
  { WELL_VMM BUSY2 "kernel.answers=shown;tasks.blocked=1", "no-answer",
    "userspace-stuck", "high" },
  /* Its help alone; its tasks are refused, which may hide a lock or a disk. */
  { WELL_HOST "qemu.state=running;qemu.wanted=0.1;qemu.got=0.9;"
              "kernel.answers=shown;sysrq.refused=wlt",
    "silent", "userspace-stuck", "low" },
  { WELL_HOST "qemu.state=running;qemu.wanted=0.1;qemu.got=0.9;"
              "kernel.answers=shown;sysrq.refused=wlt;kernel.event.hung_task="
              "INFO: task hung in f",
    "silent", "lock-deadlock", "low" },
  /* A twentieth of a processor is enough to answer at interrupt level. */
  { WELL_HOST "qemu.state=running;qemu.wanted=1.9;qemu.got=0.09;"
              "kernel.answers=none",
    "silent", "hard-lockup", "low" },
  { WELL_HOST "qemu.state=running;qemu.wanted=1.9;qemu.got=0.09;"
              "kernel.answers=disabled",
    "silent", "host-starved", "medium" },
  { WELL_HOST "qemu.state=running;qemu.wanted=1.9;qemu.got=0.09;"
              "kernel.answers=shown;sysrq.refused=w",
    "silent", "host-starved", "low" },
  { WELL_HOST "qemu.state=running;qemu.wanted=1.9;qemu.got=0.09", "silent",
    "host-starved", "medium" },
  { WELL_HOST "qemu.state=running;qemu.wanted=1.9;qemu.got=0.01;"
              "kernel.answers=none",
    "silent", "host-starved", "high" },
  { WELL_VMM BUSY2 "kernel.answers=none;net.guest_sent=12", "silent",
    "userspace-stuck", "medium" },
  { WELL_VMM BUSY1 "kernel.answers=disabled;kernel.event.soft_lockup=watchdog: "
                   "BUG: soft lockup - CPU#1 stuck for 22s! [x:1]",
    "no-answer", "soft-lockup", "medium" },
  { WELL_VMM BUSY1 "kernel.answers=shown;kernel.event.rcu_stall=rcu: INFO: rcu_"
                   "sched self-detected stall on CPU",
    "no-answer", "rcu-stall", "medium" },

  /* storage */
  { WELL_VMM IDLE "kernel.answers=shown;tasks.blocked=7;"
                  "tasks.in_io=7;disk.any_moved=0",
    "no-answer", "storage-stalled", "medium" },
  { WELL_VMM IDLE "kernel.answers=shown;tasks.blocked=7;"
                  "tasks.in_io=7;disk.any_moved=1",
    "no-answer", "userspace-stuck", "high" },
  { WELL_VMM IDLE "kernel.answers=shown;tasks.blocked=1;tasks.in_lock=1;"
                  "tasks.in_io=0;disk.any_moved=0",
    "no-answer", "lock-deadlock", "medium" },
  { WELL_VMM IDLE "kernel.answers=shown;tasks.blocked=1;tasks.in_lock=1",
    "status", "application-dead", "medium" },
  { WELL_VMM IDLE "disk.vdb.new_errors=3;disk.any_moved=1", "no-answer",
    "storage-stalled", "high" },
  { WELL_VMM IDLE "disk.vdb.new_errors=0;disk.any_moved=0", "no-answer",
    "unknown", "low" },
  { "host.psi.io.full=90.0;vmm.status=running;kernel.answers=shown;"
    "tasks.in_io=2;disk.any_moved=0",
    "no-answer", "storage-stalled", "medium" },

  /* who lives, who does not */
  { WELL_VMM IDLE "kernel.answers=shown;tasks.blocked=0", "silent",
    "userspace-stuck", "medium" },
  { WELL_VMM IDLE "kernel.answers=disabled", "no-echo", "userspace-stuck",
    "medium" },
  /* No monitor: how much QEMU runs is all that is known of its vCPUs. */
  { WELL_HOST "qemu.state=running;qemu.wanted=1.0;qemu.got=0.9;kernel.answers=disabled",
    "silent", "soft-lockup", "low" },
  { WELL_HOST "qemu.state=running;qemu.wanted=0.1;qemu.got=0.9;kernel.answers=disabled",
    "silent", "userspace-stuck", "medium" },
  { WELL_HOST "qemu.state=running;qemu.wanted=1.0;qemu.got=0.9;kernel.answers=none",
    "silent", "hard-lockup", "low" },
  { WELL_HOST "qemu.state=running;qemu.wanted=1.0;qemu.got=0.9;"
              "kernel.event.soft_lockup=CPU#1 stuck",
    "silent", "soft-lockup", "medium" },
  { WELL_HOST "qemu.state=running;kernel.answers=disabled;reach.console=dead silent;"
              "reach.tcp=dead timeout", "timeout", "unknown", "low" },
  { WELL_HOST "qemu.state=running;kernel.answers=disabled;reach.console=alive;"
              "reach.tcp=dead timeout", "timeout", "network-lost", "low" },
  { WELL_VMM "kernel.event.fs_readonly=file system on vda went read-only",
    "status", "filesystem-error", "medium" },
  { WELL_VMM, "vcpu-spins", "hard-lockup", "medium" },
  { WELL_VMM, "vcpus-halted", "kernel-panic", "medium" },
  { WELL_VMM IDLE "kernel.answers=none;net.answer=refused", "silent",
    "userspace-stuck", "medium" },
  { WELL_VMM IDLE "net.answer=open", "silent", "console-lost", "medium" },
  { WELL_VMM IDLE "net.answer=forwarded", "silent", "unknown", "low" },
  { WELL_VMM "kernel.answers=shown;net.answer=timeout", "timeout",
    "network-lost", "medium" },
  { WELL_VMM "console.state=absent", "silent", "console-lost", "high" },

  /* ours to mend */
  { WELL_VMM, "login-prompt", "probe-misconfigured",
    "high" },
  { WELL_VMM, "console-busy", "console-busy", "high" },
  { WELL_VMM, "bootloader", "boot-stuck", "low" },

  { "console.state=broken;console.refused=/x is not among the folders;"
    WELL_VMM, "silent", "probe-misconfigured", "high" },
  { "console.state=broken;" WELL_VMM, "silent", "console-lost", "high" },
  { WELL_VMM, "console-broken", "probe-misconfigured",
    "high" },

  /* asked about a guest that is well */
  { WELL_VMM "probe.uptime=ok", "ordered", "none", "high" },
  { WELL_VMM "probe.uptime=ok;host.psi.cpu.some=90.0", "ordered",
    "none", "medium" },
  { WELL_VMM "kernel.answers=disabled", "ordered", "none", "medium" },
  { WELL_VMM IDLE, "ordered", "none", "low" },
  { WELL_VMM "probe.uptime=ok;net.answer=timeout", "ordered",
    "none", "low" },
  { "qemu.state=running", "ordered", "none", "low" },
  { "qemu.state=running;diagnosis.failed=monitor", "ordered",
    "unknown", "low" },
  /* and not: it is busy and mute, waits, was asked and is silent */
  { WELL_VMM BUSY2, "ordered", "unknown", "low" },
  { WELL_VMM IDLE "kernel.answers=none", "ordered", "unknown", "low" },
  { WELL_VMM "probe.uptime=failed", "ordered", "unknown", "low" },
  { WELL_VMM "kernel.answers=shown;tasks.blocked=1;tasks.in_lock=1",
    "ordered", "lock-deadlock", "low" },
  { WELL_VMM "probe.uptime=ok", "silent", "unknown", "low" },

  { "", "ordered", "unknown", "low" },
  { WELL_VMM IDLE, "", "unknown", "low" },
};

static bool
known_class (const char *class_)
{
  for (size_t i = 0; verdict_classes[i]; i++)
    if (strcmp (verdict_classes[i], class_) == 0)
      return true;
  return false;
}

static void
verdict_of (const struct ladder *ladder, const struct fact *facts, size_t n,
            const char *code, struct verdict *ret)
{
  const struct cause cause = { "uptime", code, "what it said" };

  judge (ladder, facts, n, &cause, ret);
}

static void
test_verdicts (void **state)
{
  unsigned wrong = 0;

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct fact facts[MAX_FACTS];
      size_t n = facts_from (cases[i].facts, facts);
      struct ladder ladder;
      struct verdict v;

      climb (facts, n, &ladder);
      verdict_of (&ladder, facts, n, cases[i].code, &v);
      if (strcmp (v.class_, cases[i].class_) != 0
          || strcmp (v.confidence, cases[i].confidence) != 0)
        {
          print_message ("%s\n  %s -> %s %s by %s instead of %s %s\n",
                         cases[i].facts, cases[i].code, v.class_, v.confidence,
                         v.rule, cases[i].class_, cases[i].confidence);
          wrong++;
        }
      /* No verdict without evidence. */
      assert_true (v.nfacts || strcmp (v.confidence, "certain") != 0);
      assert_true (known_class (v.class_));
      assert_true (strlen (v.sentence) > 10 && strlen (v.next) > 5);
    }
  assert_int_equal (wrong, 0);
}

/* The order of the facts is nobody's business, only their times are. */
static void
test_order (void **state)
{
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct fact facts[MAX_FACTS], turned[MAX_FACTS];
      size_t n = facts_from (cases[i].facts, facts);
      struct ladder a, b;
      struct verdict va, vb;

      for (size_t k = 0; k < n; k++)
        turned[k] = facts[n - 1 - k];
      climb (facts, n, &a);
      climb (turned, n, &b);
      verdict_of (&a, facts, n, cases[i].code, &va);
      verdict_of (&b, turned, n, cases[i].code, &vb);
      for (int f = 0; f < FACET_MAX; f++)
        assert_int_equal (a.facets[f].state, b.facets[f].state);
      assert_string_equal (va.class_, vb.class_);
      assert_string_equal (va.confidence, vb.confidence);
    }
}

/* ---- facets ---- */

static void
facet (const char *text, enum facet_id id, enum facet_state want)
{
  struct fact facts[MAX_FACTS];
  size_t n = facts_from (text, facts);
  struct ladder l;

  climb (facts, n, &l);
  if (l.facets[id].state != want)
    fail_msg ("%s: %s is %s instead of %s", text, facet_names[id],
              facet_state_names[l.facets[id].state], facet_state_names[want]);
  assert_int_equal (l.facets[id].evidence[0] != '\0', want != FACET_UNKNOWN);
}

static void
test_facets (void **state)
{
  for (int f = 0; f < FACET_MAX; f++)
    facet ("", (enum facet_id) f, FACET_UNKNOWN);
  facet ("vmm.monitor=answers", FACET_VMM, FACET_ALIVE);
  facet ("vmm.monitor=greets-only;vmm.monitor=answers", FACET_VMM,
         FACET_ALIVE);
  facet ("vmm.monitor=held", FACET_VMM, FACET_UNKNOWN);
  facet ("disk.any_moved=1", FACET_BLOCK, FACET_ALIVE);
  facet ("disk.any_moved=0", FACET_BLOCK, FACET_UNKNOWN);
  facet ("disk.any_moved=0;tasks.blocked=0", FACET_BLOCK, FACET_UNKNOWN);
  facet ("kernel.answers=none", FACET_TICKS, FACET_UNKNOWN);
  facet ("kernel.answers=disabled", FACET_TICKS, FACET_ALIVE);
  facet ("kernel.panicked@memory=1;init.state=running", FACET_INIT,
         FACET_DEAD);
  facet ("kernel.panicked@memory=1;kernel.answers=disabled", FACET_TICKS,
         FACET_DEAD);
  facet ("kernel.panicked@memory=0;init.state=running", FACET_INIT,
         FACET_ALIVE);
  facet ("net.answer=forwarded", FACET_NETWORK, FACET_UNKNOWN);
  facet ("net.answer=timeout", FACET_NETWORK, FACET_DEAD);
  facet ("net.guest_sent=0;net.not_taken=4", FACET_NETWORK, FACET_DEAD);
  facet ("host.psi.cpu.some=3;qemu.cgroup.throttled=0.9;qemu.wanted=2.0",
         FACET_HOST, FACET_SLOW);
  facet ("host.psi.cpu.some=3;qemu.cgroup.throttled=0.9;qemu.wanted=0.1",
         FACET_HOST, FACET_ALIVE);
  facet ("mem.available=0.5", FACET_MEMORY, FACET_ALIVE);
  facet ("mem.available=0.5;mem.new_oom_kills=2", FACET_MEMORY, FACET_SLOW);
  facet ("mem.available=0.01", FACET_MEMORY, FACET_SLOW);
  facet ("mem.available=0.01;mem.new_oom_kills=2", FACET_MEMORY, FACET_DEAD);
  facet ("mem.oom_kills=2", FACET_MEMORY, FACET_UNKNOWN);
  facet ("kernel.event.fs_readonly=x", FACET_FILESYSTEM, FACET_SLOW);
  facet ("kernel.event.fs_readonly@memory=x", FACET_FILESYSTEM, FACET_DEAD);
  facet ("kernel.event.fs_error=x", FACET_FILESYSTEM, FACET_UNKNOWN);
  facet ("init.state=sleeping", FACET_INIT, FACET_ALIVE);
  facet ("init.state=stopped", FACET_INIT, FACET_DEAD);
  facet ("init.state=unknown", FACET_INIT, FACET_UNKNOWN);
  facet ("reach.ssh=alive ok", FACET_SSH, FACET_ALIVE);
  facet ("reach.ssh=dead refused", FACET_SSH, FACET_DEAD);
  facet ("reach.ssh=unusable auth-failed", FACET_SSH, FACET_UNKNOWN);
  facet ("reach.agent=dead agent-silent", FACET_AGENT, FACET_DEAD);
  facet ("reach.ssh=alive ok", FACET_AGENT, FACET_UNKNOWN);
  facet ("console.silent_ms=100", FACET_CONSOLE, FACET_ALIVE);
  facet ("console.silent_ms=100000", FACET_CONSOLE, FACET_UNKNOWN);
  facet ("probe.a=ok;probe.b=failed", FACET_APPLICATION, FACET_DEAD);
  facet ("probe.a=failed;probe.a=ok", FACET_APPLICATION, FACET_ALIVE);
  /* Who asks no application says nothing of one. */
  facet ("look.a=ok", FACET_APPLICATION, FACET_UNKNOWN);
  facet ("look.a=failed;probe.b=ok", FACET_APPLICATION, FACET_ALIVE);
  facet ("app.amiss=frozen;app.tied=port;probe.a=ok", FACET_APPLICATION,
         FACET_DEAD);
  facet ("app.amiss=busy;app.tied=port;probe.a=ok", FACET_APPLICATION,
         FACET_ALIVE);
  facet ("app.ended=web.service;probe.a=ok", FACET_APPLICATION, FACET_ALIVE);
  facet ("app.ended_tied=named;probe.a=ok", FACET_APPLICATION, FACET_DEAD);
  facet ("app.missing=80;probe.a=ok", FACET_APPLICATION, FACET_DEAD);
}

/* Nothing that a guest said leaves unescaped. */
static void
test_escaped (void **state)
{
  struct fact facts[MAX_FACTS];
  size_t n = facts_from ("kernel.event.panic=Kernel panic\033[2J\x9b;"
                         "vmm.status=paused \033[0m",
                         facts);
  struct ladder l;
  struct verdict v;
  const struct cause loud = { "sc\033", "silent", "\033[1mloud" };
  struct json_object *o;

  climb (facts, n, &l);
  judge (&l, facts, n, &loud, &v);
  assert_null (strchr (v.culprit, '\033'));
  assert_null (strchr (l.facets[FACET_RUN_STATE].evidence, '\033'));
  o = ladder_to_json (&l);
  assert_int_equal (json_object_array_length (o), FACET_MAX);
  assert_null (strchr (json_object_to_json_string (o), '\033'));
  json_object_put (o);
  judge (&l, facts, 1, &loud, &v);
  assert_null (strchr (v.sentence, '\033'));
  assert_null (strchr (v.culprit, '\033'));
  memset (&l, 0, sizeof l);
  judge (&l, NULL, 0, &loud, &v);
  assert_string_equal (v.class_, "unknown");
  assert_null (strchr (v.sentence, '\033'));
}

/* A text that fills its field is read within it. */
static void
test_full_fields (void **state)
{
  struct fact f = { .type = FACT_TEXT };
  struct ladder l;
  struct verdict v;

  snprintf (f.name, sizeof f.name, "vmm.status");
  memset (f.text, 'p', sizeof f.text - 1);
  memcpy (f.text, "paused", 6);
  climb (&f, 1, &l);
  verdict_of (&l, &f, 1, "silent", &v);
  assert_string_equal (v.class_, "paused");
}

/* Rules go by the code; the sentence, which may hold a guest's words, is only
 * repeated. */
static void
test_code_not_words (void **state)
{
  static const struct cause causes[] = {
    { "s", "own-failure", "status: ended with 1" },
    { "s", "status-quo", "status" },
    { "s", "", "ordered by nobody" },
  };
  const struct cause mute = { "s", "silent", "" };
  struct fact facts[MAX_FACTS];
  size_t n = facts_from (WELL_VMM "probe.s=ok", facts);
  struct ladder l;
  struct verdict v;

  climb (facts, n, &l);
  for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++)
    {
      judge (&l, facts, n, &causes[i], &v);
      assert_string_equal (v.class_, "unknown");
      assert_non_null (strstr (v.sentence, causes[i].sentence));
    }
  /* Without a sentence the code is better than nothing. */
  judge (&l, facts, n, &mute, &v);
  assert_non_null (strstr (v.sentence, ": silent"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_verdicts), cmocka_unit_test (test_order),
    cmocka_unit_test (test_facets),   cmocka_unit_test (test_escaped),
    cmocka_unit_test (test_full_fields),
    cmocka_unit_test (test_code_not_words),
  };

  return cmocka_run_group_tests (tests, begin_rules, end_rules);
}
