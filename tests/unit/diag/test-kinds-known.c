/* SPDX-License-Identifier: Apache-2.0
 *
 * What kernel/text may raise an alarm by, and what of it the ladder's tables
 * know: each kind is one of their marks, or is left out with a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "diag/ladder/ladder_impl.h"
#include "kernel/text/rules.h"

#include <stdio.h>
#include <string.h>

#define KINDS_MAX 256

/* Why a kind is no mark. */
#define FAULT ""    /* the kernel caught it and goes on, without that task */
#define CHECKER ""  /* it may go wrong; what has gone wrong is told besides */
#define STORAGE ""  /* of one device; that nothing moves, the disks say */
#define SERVICE ""  /* of one service or link: checks say what it means */
#define BOOTING ""  /* guest.stop says where it stands, class what it is */
#define HARDWARE "" /* of one device, or corrected */
#define BY_CLASS "" /* nothing but its class to say */

static const struct
{
  const char *kind, *mark;
} known[] = {
  { "panic", "console.text.panic" },
  { "windows_stop", "console.text.panic" },
  { "hypervisor_crash", "console.text.panic" },
  { "soft_lockup", "console.text.soft_lockup" },
  { "hard_lockup", "console.text.hard_lockup" },
  { "rcu_stall", "console.text.rcu_stall" },
  { "hung_task", "console.text.hung_task" },
  { "cant_die", "console.text.hung_task" },
  { "oom", "console.text.oom" },
  { "oom_kill", "console.text.oom" },
  { "oom_kill_cgroup", "console.text.oom" },
  { "oom_deadlock", "console.text.oom" },
  { "fs_readonly", "console.text.read_only" },
  { "fs_shutdown", "console.text.read_only" },
  { "io_error", "console.text.io_error" },

  { "oops", FAULT },
  { "gpf", FAULT },
  { "null_deref", FAULT },
  { "paging_fault", FAULT },
  { "double_fault", FAULT },
  { "stack_overflow", FAULT },
  { "divide_error", FAULT },
  { "invalid_opcode", FAULT },
  { "int3", FAULT },
  { "unhandled_fault", FAULT },
  { "alignment_trap", FAULT },
  { "internal_error", FAULT },
  { "kernel_bug", FAULT },
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
  { "device_offline", STORAGE },
  { "device_reset", STORAGE },
  { "fs_error", STORAGE },
  { "io_timeout", STORAGE },
  { "path_failed", STORAGE },
  { "pool_full", STORAGE },
  { "raid_degraded", STORAGE },
  { "remote_storage_lost", STORAGE },
  { "server_not_responding", STORAGE },
  { "swap_error", STORAGE },

  { "file_exhaustion", SERVICE },
  { "init_stuck", SERVICE },
  { "job_waiting", SERVICE },
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
  { "task_exhaustion", SERVICE },
  { "unit_failed", SERVICE },
  { "unkillable", SERVICE },

  { "boot_denied", BOOTING },
  { "bootloader_error", BOOTING },
  { "bootloader_stopped", BOOTING },
  { "device_missing", BOOTING },
  { "emergency_mode", BOOTING },
  { "firmware_crash", BOOTING },
  { "firmware_shell", BOOTING },
  { "fsck_needed", BOOTING },
  { "initramfs_shell", BOOTING },
  { "kernel_load_failed", BOOTING },
  { "maintenance_prompt", BOOTING },
  { "no_boot_device", BOOTING },
  { "no_init", BOOTING },
  { "passphrase_prompt", BOOTING },
  { "root_missing", BOOTING },
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
  { "workqueue_lockup", BY_CLASS },
};
#define KNOWN (sizeof known / sizeof known[0])

static const char *const marks[]
    = { "console.text.panic",       "console.text.soft_lockup",
        "console.text.hard_lockup", "console.text.rcu_stall",
        "console.text.hung_task",   "console.text.oom",
        "console.text.read_only",   "console.text.io_error" };
#define MARKS (sizeof marks / sizeof marks[0])

/* The mark that an event of this kind is taken for, "" = none. */
static const char *
mark_of (const char *kind)
{
  struct fact f = { .type = FACT_TEXT, .time_ms = 1000, .text = "x" };
  const struct fact_set set = { &f, 1 };
  const char *found = "";

  snprintf (f.name, sizeof f.name, "kernel.event.%s", kind);
  for (size_t i = 0; i < MARKS; i++)
    {
      const struct cond conds[MAX_CONDS] = { { marks[i], OP_THERE } };

      if (!conds_hold (conds, &set, NULL))
        continue;
      assert_string_equal (found, "");
      /* And it is what people read. */
      assert_ptr_equal (fact_told (&set, marks[i]), &f);
      found = marks[i];
    }
  return found;
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
      if (strcmp (mark_of (known[i].kind), known[i].mark) != 0)
        fail_msg ("%s is \"%s\" to the ladder, not \"%s\"", known[i].kind,
                  mark_of (known[i].kind), known[i].mark);
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

/* By name, NULL = none of that name. */
static const char *
known_as (const char *kind)
{
  for (size_t i = 0; i < KNOWN; i++)
    if (strcmp (known[i].kind, kind) == 0)
      return known[i].mark;
  return NULL;
}

/* Whoever adds a rule that raises an alarm says what the ladder makes of its
 * kind; and what raises none is no mark. */
static void
each_alarm_is_in_the_table (void **state)
{
  struct text_rules *rules = NULL;
  struct alarms a = { .n = 0 };

  assert_int_equal (text_rules_new (&rules, NULL), 0);
  text_rules_each (rules, add_alarm, &a);
  assert_true (a.n > 50);
  for (size_t i = 0; i < a.n; i++)
    if (!known_as (a.kinds[i]))
      fail_msg ("the ladder has nothing to say of %s", a.kinds[i]);
  for (const struct text_kind *k = text_kinds; k->name; k++)
    if (!known_as (k->name) && mark_of (k->name)[0])
      fail_msg ("%s is %s, and no alarm", k->name, mark_of (k->name));
  /* Nor does anything stand there that no rule raises any more. */
  for (size_t i = 0; i < KNOWN; i++)
    {
      size_t k = 0;

      while (k < a.n && strcmp (a.kinds[k], known[i].kind) != 0)
        k++;
      if (k == a.n)
        fail_msg ("no rule raises an alarm by %s", known[i].kind);
    }
  text_rules_free (rules);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_kind_is_known_or_left_out),
    cmocka_unit_test (each_alarm_is_in_the_table),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
