/* SPDX-License-Identifier: Apache-2.0
 *
 * How reports of each sort are assembled, as data.  See report.h.
 */
#include "kernel/text/report.h"

#include "base/cleanup.h"

#include <string.h>

/* Lines that other heads' reports have, too. */
static const char *const oops_lines[]
    = { "oops", "internal_error", "bug", NULL };
static const char *const bug_lines[]
    = { "oops", "internal_error", "invalid_opcode", "bug", NULL };
static const char *const list_lines[]
    = { "kernel_bug", "list_corruption", "invalid_opcode", "oops",
        "internal_error", "bug", "warning", NULL };
static const char *const rust_lines[]
    = { "kernel_bug", "invalid_opcode", "oops", "internal_error", NULL };
static const char *const stack_lines[]
    = { "oops", "internal_error", "double_fault", "paging_fault", "bug", NULL };
static const char *const stall_lines[]
    = { "rcu_stall", "rcu_starved", "softlockup_detail", NULL };
static const char *const fault_lines[] = { "oops", "internal_error", NULL };
static const char *const warn_lines[]
    = { "refcount", "warning", "object_bug", NULL };
static const char *const object_lines[] = { "object_bug", "warning", NULL };
static const char *const lockdep_lines[]
    = { "lockdep", "suspicious_rcu", NULL };

static const char *const leaked_lines[] = { "memory_leak", NULL };
static const char *const slab_lines[] = { "memory_corruption", NULL };

/* kmemleak has a stack of every allocation; who allocates is the one above
 * the allocator. */
static const char *const leaked_names[]
    = { "create_object", "kmemleak_alloc*", "slab_post_alloc_hook*" };
static const struct skip_list leaked
    = { leaked_names, ARRAY_LEN (leaked_names) };

static const struct recipe recipes[] = {
  { "line", RECIPE_LINE, 0, NULL, NULL },
  /* Registers, then a stack: faults of all sorts. */
  { "oops", RECIPE_IP, 40, NULL, oops_lines },
  { "fault", RECIPE_IP, 40, NULL, fault_lines },
  { "bug-at", RECIPE_IP, 40, NULL, bug_lines },
  { "list", RECIPE_IP, 40, NULL, list_lines },
  { "rust", RECIPE_IP | RECIPE_MESSAGE, 40, NULL, rust_lines },
  { "stack-overflow", RECIPE_IP | RECIPE_SHARES | RECIPE_ANCHOR, 40, NULL,
    stack_lines },
  /* A stack that dump_stack() printed. */
  { "trace", RECIPE_SHARES, 40, NULL, NULL },
  /* The same where the head may name the place. */
  { "trace-at", RECIPE_HEAD | RECIPE_SHARES, 40, NULL, NULL },
  { "sanitizer", RECIPE_HEAD | RECIPE_SHARES, 60, NULL, NULL },
  /* The head has the whole title; its stacks are of both sides. */
  { "checker", RECIPE_HEAD, 60, NULL, NULL },
  { "lockdep", RECIPE_SHARES | RECIPE_HEAD | RECIPE_LOCKS, 120, NULL,
    lockdep_lines },
  { "deadlock", RECIPE_SHARES | RECIPE_HEAD | RECIPE_LOCKS | RECIPE_BARE,
    120, NULL, lockdep_lines },
  { "warning", RECIPE_HEAD | RECIPE_IP | RECIPE_SHARES | RECIPE_WARN, 40,
    NULL, warn_lines },
  /* What is wrong is said first, then that it is a warning. */
  { "object", RECIPE_IP | RECIPE_SHARES | RECIPE_WARN, 40, NULL,
    object_lines },
  { "panic", RECIPE_NUMBERS | RECIPE_SHARES, 40, NULL, NULL },
  { "stall", RECIPE_IP | RECIPE_STALL | RECIPE_QUIET | RECIPE_SHARES, 80,
    NULL, stall_lines },
  { "hung-task", RECIPE_HUNG | RECIPE_QUIET, 24, NULL, NULL },
  /* One line, whose numbers are of no use. */
  { "numbers", RECIPE_LINE | RECIPE_NUMBERS, 0, NULL, NULL },
  /* What no rule has a better word for. */
  { "any-bug", RECIPE_NUMBERS | RECIPE_SHARES, 40, NULL, NULL },
  { "workqueue", 0, 80, NULL, NULL },
  { "preempt", RECIPE_HEAD | RECIPE_SHARES, 40, NULL, NULL },
  { "rcu-usage", RECIPE_SHARES, 80, NULL, lockdep_lines },
  { "leak", RECIPE_HEAD, 40, NULL, lockdep_lines },
  { "leaked", 0, 40, &leaked, leaked_lines },
  { "slab", 0, 80, NULL, slab_lines },
  { "oom", RECIPE_QUIET | RECIPE_OOM, 1000, NULL, NULL },
};

const char *const text_recipes[] = {
  "line", "oops", "fault", "bug-at", "list", "rust", "stack-overflow", "trace",
  "trace-at", "sanitizer", "checker", "lockdep", "deadlock", "warning",
  "panic", "stall", "hung-task", "numbers", "any-bug", "workqueue", "preempt",
  "rcu-usage", "leak", "leaked", "slab", "oom", "object", NULL,
};

const struct recipe *
recipe_find (const char *name)
{
  size_t i;

  for (i = 0; i < ARRAY_LEN (recipes); i++)
    if (strcmp (recipes[i].name, name) == 0)
      return &recipes[i];
  return &recipes[0];
}
