/* SPDX-License-Identifier: Apache-2.0
 *
 * What kernel/text may raise an alarm by, and what of it the ladder's tables
 * know: each kind is asked for by a condition, or is left out with a reason.
 */
#include "rules-bed.h"

#include "diag/facts.h"
#include "diag/ladder/rules_impl.h"
#include "kernel/text/rules.h"

#include <stdio.h>
#include <string.h>

#define KINDS_MAX 256

#define ASKED true     /* by a condition of the tables */
/* Or why not. */
#define FAULT false    /* the kernel caught it and goes on, without that task */
#define CHECKER false  /* may go wrong; what has gone wrong is told besides */
#define STORAGE false  /* of one device; that nothing moves, the disks say */
#define SERVICE false  /* of one service or link: checks say what it means */
#define BOOTING false  /* guest.stop says where it stands, class what it is */
#define HARDWARE false /* of one device, or corrected */
#define BY_CLASS false /* nothing but its class to say */

static const struct
{
  const char *kind;
  bool asked;
} known[] = {
  { "panic", ASKED },
  { "windows_stop", ASKED },
  { "hypervisor_crash", ASKED },
  { "soft_lockup", ASKED },
  { "hard_lockup", ASKED },
  { "rcu_stall", ASKED },
  { "hung_task", ASKED },
  { "workqueue_lockup", ASKED },
  { "cant_die", ASKED },
  { "oom", ASKED },
  { "oom_kill", ASKED },
  { "oom_kill_cgroup", ASKED },
  { "oom_deadlock", ASKED },
  { "fs_error", ASKED },
  { "fs_readonly", ASKED },
  { "fs_shutdown", ASKED },
  { "io_error", ASKED },
  { "task_exhaustion", ASKED },
  { "job_waiting", ASKED },
  { "fsck_needed", ASKED },
  { "root_missing", ASKED },
  { "device_missing", ASKED },
  { "emergency_mode", ASKED },
  { "unit_failed", ASKED },
  { "passphrase_prompt", ASKED },

  /* Of what a kernel died. */
  { "oops", ASKED },
  { "gpf", ASKED },
  { "null_deref", ASKED },
  { "paging_fault", ASKED },
  { "double_fault", ASKED },
  { "stack_overflow", ASKED },
  { "divide_error", ASKED },
  { "invalid_opcode", ASKED },
  { "unhandled_fault", ASKED },
  { "internal_error", ASKED },
  { "kernel_bug", ASKED },

  /* Before a file system was given up. */
  { "device_offline", ASKED },
  { "io_timeout", ASKED },
  { "pool_full", ASKED },
  { "remote_storage_lost", ASKED },

  { "int3", FAULT },
  { "alignment_trap", FAULT },
  { "bug", FAULT },
  { "rust_panic", FAULT },
  { "list_corruption", FAULT },
  { "usercopy", FAULT },
  { "memory_corruption", FAULT },
  { "bad_page", FAULT },
  { "vfs_bug", FAULT },

  { "refcount", CHECKER },
  { "atomic_sleep", CHECKER },
  { "preempt_bug", CHECKER },
  { "lockdep", CHECKER },
  { "suspicious_rcu", CHECKER },
  { "spinlock_bug", CHECKER },
  { "ubsan", CHECKER },
  { "kasan", CHECKER },
  { "kmsan", CHECKER },
  { "kfence", CHECKER },

  { "alloc_failure", STORAGE },
  { "data_corrupt", STORAGE },
  { "device_reset", STORAGE },
  { "path_failed", STORAGE },
  { "raid_degraded", STORAGE },
  { "server_not_responding", STORAGE },
  { "swap_error", STORAGE },

  { "file_exhaustion", SERVICE },
  { "init_stuck", SERVICE },
  { "link_down", SERVICE },
  { "net_memory", SERVICE },
  { "net_table_full", SERVICE },
  { "net_tx_timeout", SERVICE },
  { "netdev_refs", SERVICE },
  { "console_dead", SERVICE },
  { "provisioning_failed", SERVICE },
  { "runtime_stuck", SERVICE },
  { "service_killed", SERVICE },
  { "service_stuck", SERVICE },
  { "unit_unmet", ASKED },
  { "unkillable", SERVICE },

  { "boot_denied", BOOTING },
  { "bootloader_error", BOOTING },
  { "bootloader_stopped", BOOTING },
  { "firmware_crash", BOOTING },
  { "firmware_shell", BOOTING },
  { "initramfs_shell", BOOTING },
  { "kernel_load_failed", BOOTING },
  { "maintenance_prompt", BOOTING },
  { "no_boot_device", BOOTING },
  { "no_init", BOOTING },
  { "windows_boot_failed", BOOTING },

  { "cpu_failed", HARDWARE },
  { "hyperv_error", HARDWARE },
  { "iommu_fault", HARDWARE },
  { "irq_lost", HARDWARE },
  { "mce", HARDWARE },
  { "memory_error", HARDWARE },
  { "pcie_error", HARDWARE },
  { "virtio_error", HARDWARE },
  { "xen_error", HARDWARE },

  { "init_died", BY_CLASS },
  { "watchdog_device", BY_CLASS },
};
#define KNOWN (sizeof known / sizeof known[0])

struct wanted
{
  const char *name;
  bool asked;
};

static void
on_cond (const struct cond *c, const char *where, void *arg)
{
  struct wanted *w = arg;

  w->asked = w->asked || fact_is_word (c->fact, w->name);
}

static bool
is_asked_for (const char *kind)
{
  char name[FACT_NAME_MAX];
  struct wanted w = { name, false };

  snprintf (name, sizeof name, "kernel.event.%s", kind);
  verdict_rules_each_cond_ (rules, on_cond, &w);
  return w.asked;
}

static void
each_kind_is_known_or_left_out (void **state)
{
  for (size_t i = 0; i < KNOWN; i++)
    {
      for (size_t k = 0; k < i; k++)
        assert_string_not_equal (known[k].kind, known[i].kind);
      if (!text_kind_find (known[i].kind))
        fail_msg ("%s is no kind of events", known[i].kind);
      if (is_asked_for (known[i].kind) != known[i].asked)
        fail_msg ("%s: the ladder %s", known[i].kind,
                  known[i].asked ? "does not ask for it" : "asks for it");
    }
}

/* ---- against the rules ---- */

struct alarms
{
  const char *kinds[KINDS_MAX];
  size_t n;
};

static void
add_alarm (const struct text_rule *rule, void *arg)
{
  struct alarms *a = arg;
  struct text_rule_info info;

  text_rule_info (rule, &info);
  if (info.harmless || info.severity < SEVERITY_ERROR)
    return;
  for (size_t i = 0; i < a->n; i++)
    if (strcmp (a->kinds[i], info.kind) == 0)
      return;
  assert_in_range (a->n, 0, KINDS_MAX - 1);
  a->kinds[a->n++] = info.kind;
}

static bool
is_known (const char *kind)
{
  for (size_t i = 0; i < KNOWN; i++)
    if (strcmp (known[i].kind, kind) == 0)
      return true;
  return false;
}

/* Raises no alarm, and tells why a check failed. */
static bool
explains (const char *kind)
{
  return strcmp (kind, "disk_full") == 0 || strcmp (kind, "balloon") == 0
         || strcmp (kind, "boot_asked") == 0;
}

/* Whoever adds a rule that raises an alarm says what the ladder makes of its
 * kind; and what raises none is asked for where it explains only. */
static void
each_alarm_is_in_the_table (void **state)
{
  struct text_rules *texts = NULL;
  struct alarms a = { .n = 0 };

  assert_int_equal (text_rules_new (&texts, NULL), 0);
  text_rules_each (texts, add_alarm, &a);
  assert_true (a.n > 50);
  for (size_t i = 0; i < a.n; i++)
    if (!is_known (a.kinds[i]))
      fail_msg ("the ladder has nothing to say of %s", a.kinds[i]);
  for (const struct text_kind *k = text_kinds; k->name; k++)
    if (!is_known (k->name) && is_asked_for (k->name) != explains (k->name))
      fail_msg ("%s is asked for, and no alarm", k->name);
  /* Nor does anything stand there that no rule raises any more. */
  for (size_t i = 0; i < KNOWN; i++)
    {
      size_t k = 0;

      while (k < a.n && strcmp (a.kinds[k], known[i].kind) != 0)
        k++;
      if (k == a.n)
        fail_msg ("no rule raises an alarm by %s", known[i].kind);
    }
  text_rules_free (texts);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_kind_is_known_or_left_out),
    cmocka_unit_test (each_alarm_is_in_the_table),
  };

  return cmocka_run_group_tests (tests, begin_rules, end_rules);
}
