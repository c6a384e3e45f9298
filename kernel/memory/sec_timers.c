/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "timers": of each CPU its clock's next event, how many timers are
 * pending, and which of them is most overdue.
 *
 * A timer that is overdue by seconds is a CPU that takes no interrupts, or
 * runs no softirqs.  "Now" is when the kernel last looked at its clock: when
 * that stands still, all of this is as it was then.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

#define CPUS_MAX 8192u
#define MAX_BASES 8u
#define MAX_TIMERS 10000u /* of one CPU and kind */
#define MAX_DEPTH 64u
#define WHEEL_MAX 2048u
#define TIMER_DEFERRABLE 0x00080000u

struct first
{
  uint64_t n;
  int64_t due; /* of the earliest: ns, or jiffies */
  uint64_t func;
  bool cut; /* there may be more */
};

struct timers
{
  struct look *l;
  uint64_t now;            /* of the clock of timers, ns */
  struct look_ticks ticks; /* hz 0: not known */
};

/* Both are the guest's: their difference may be anything. */
static double
apart (uint64_t due, uint64_t now)
{
  return (double) (int64_t) (due - now);
}

static void
take (struct first *f, int64_t due, uint64_t func)
{
  if (f->n++ == 0 || due < f->due)
    {
      f->due = due;
      f->func = func;
    }
}

static void
say_first (struct timers *t, const char *name, const struct first *f,
           double due_s)
{
  struct look *l = t->l;
  struct ksym sym;

  rows_object (l->rows, name);
  rows_uint (l->rows, "pending", f->n);
  if (f->cut)
    rows_bool (l->rows, "cut", true);
  if (f->n)
    {
      if (kernel_sym (l->k, f->func, &sym) && sym.start == f->func)
        rows_str (l->rows, "first", sym.name);
      else
        rows_hex (l->rows, "first", f->func);
      rows_real (l->rows, "due_s", due_s, 3);
    }
  rows_object_end (l->rows);
}

/* ---- the clock's next event ---- */

static void
say_clock (struct timers *t, unsigned cpu)
{
  static const char *const states[] = { "detached", "shut down", "periodic",
                                        "one shot", "stopped" };
  struct look *l = t->l;
  struct kernel *k = l->k;
  uint64_t at = kernel_percpu (k, "tick_cpu_device", cpu), dev, v;
  char name[32];

  if (!at || !kernel_get (k, at, TICK_DEVICE, &dev) || !dev)
    return;
  if (kernel_get (k, dev, CLOCK_NAME, &v)
      && space_text (k->space, v, name, sizeof name))
    rows_str (l->rows, "clock", name);
  if (kernel_get (k, dev, CLOCK_STATE, &v))
    rows_str (l->rows, "clock_state",
              (v & UINT32_MAX) < ARRAY_LEN (states) ? states[v & UINT32_MAX]
                                                    : "?");
  /* A time that never comes is that of a clock that sleeps. */
  if (kernel_get (k, dev, CLOCK_NEXT, &v) && v < (uint64_t) INT64_MAX && t->now)
    rows_real (l->rows, "next_event_s",
               apart (v, t->now) / 1e9, 3);
}

/* ---- hrtimers: a tree for each clock ---- */

static void
take_hrtimer (struct timers *t, uint64_t node, int64_t offset,
              struct first *f)
{
  struct kernel *k = t->l->k;
  uint64_t timer = node - k->fields.at[HRTIMER_NODE].offset, func, due;

  if (kernel_get (k, timer, HRTIMER_FUNC, &func)
      && (kernel_has (k, HRTIMER_EXPIRES)
              ? kernel_get (k, timer, HRTIMER_EXPIRES, &due)
              : kernel_get (k, timer, HRTIMER_SOFT, &due)))
    take (f, (int64_t) (due - (uint64_t) offset), func);
}

/* Depth first, and not deeper than a tree of that many can be; in a tree that
 * leads back into itself the number of steps ends it. */
static void
walk_tree (struct timers *t, uint64_t root, int64_t offset, struct first *f)
{
  struct kernel *k = t->l->k;
  uint64_t todo[2 * MAX_DEPTH], node, child;
  unsigned n = 0, steps = 0;

  todo[n++] = root;
  while (n > 0)
    {
      node = todo[--n];
      if (++steps > MAX_TIMERS)
        {
          f->cut = true;
          return;
        }
      take_hrtimer (t, node, offset, f);
      if (n + 2 > ARRAY_LEN (todo))
        {
          f->cut = true;
          continue;
        }
      if (kernel_get (k, node, RB_RIGHT, &child) && child)
        todo[n++] = child;
      if (kernel_get (k, node, RB_LEFT, &child) && child)
        todo[n++] = child;
    }
}

static void
say_hrtimers (struct timers *t, unsigned cpu)
{
  struct kernel *k = t->l->k;
  uint64_t at = kernel_percpu (k, "hrtimer_bases", cpu), root, hangs;
  uint32_t each = 0;
  struct first f = { 0 };
  int64_t offset;

  if (!at || !k->btf || !btf_sizeof (k->btf, "hrtimer_clock_base", &each)
      || each == 0 || !kernel_has (k, HRTIMER_BASES)
      || !kernel_has (k, HRTIMER_ROOT) || !kernel_has (k, HRTIMER_FUNC)
      || !kernel_has (k, RB_LEFT))
    return;
  for (uint32_t i = 0; i < k->fields.at[HRTIMER_BASES].size / each
                       && i < MAX_BASES;
       i++)
    {
      uint64_t base = at + k->fields.at[HRTIMER_BASES].offset
                      + (uint64_t) i * each;

      if (!kernel_get (k, base, HRTIMER_ROOT, &root) || !root)
        continue;
      if (!kernel_get_signed (k, base, HRTIMER_OFFSET, &offset))
        offset = 0;
      walk_tree (t, root, offset, &f);
    }
  say_first (t, "hrtimers", &f, apart ((uint64_t) f.due, t->now) / 1e9);
  if (kernel_get (k, at, HRTIMER_HANGS, &hangs) && hangs)
    rows_uint (t->l->rows, "hrtimer_hangs", hangs);
}

/* ---- timers: a wheel for each kind ---- */

static void
walk_slot (struct timers *t, uint64_t entry, struct first *f)
{
  struct kernel *k = t->l->k;
  uint64_t timer, due, func, flags;

  for (unsigned steps = 0; entry; steps++)
    {
      if (steps > MAX_TIMERS || f->n > MAX_TIMERS)
        {
          f->cut = true;
          return;
        }
      timer = entry - k->fields.at[TIMER_ENTRY].offset;
      if (!kernel_get (k, timer, TIMER_EXPIRES, &due)
          || !kernel_get (k, timer, TIMER_FUNC, &func)
          || !space_u64 (k->space, entry, &entry))
        return;
      /* Those may wait until the CPU has something else to do. */
      if (!kernel_get (k, timer, TIMER_FLAGS, &flags)
          || !(flags & TIMER_DEFERRABLE))
        take (f, (int64_t) due, func);
    }
}

static void
say_wheels (struct timers *t, unsigned cpu)
{
  struct kernel *k = t->l->k;
  uint64_t at = kernel_percpu (k, "timer_bases", cpu), slots[WHEEL_MAX], whose;
  uint32_t each = 0, n = k->fields.at[TIMER_BASE_WHEEL].size / 8;
  struct first f = { 0 };
  /* One more since CPUs may expire each other's. */
  unsigned bases = kernel_var (k, "tmigr_cpu") ? 3 : 2;

  if (!at || !t->ticks.hz || n == 0 || n > WHEEL_MAX || !k->btf
      || !btf_sizeof (k->btf, "timer_base", &each) || each == 0
      || !kernel_has (k, TIMER_EXPIRES) || !kernel_has (k, TIMER_ENTRY)
      || !kernel_has (k, TIMER_FUNC))
    return;
  for (unsigned i = 0; i < bases; i++)
    {
      uint64_t base = at + (uint64_t) i * each;

      if (!kernel_get (k, base, TIMER_BASE_CPU, &whose)
          || (whose & UINT32_MAX) != cpu
          || space_read (k->space,
                         base + k->fields.at[TIMER_BASE_WHEEL].offset, slots,
                         n * 8u)
                 < 0)
        continue;
      for (uint32_t s = 0; s < n; s++)
        walk_slot (t, slots[s], &f);
    }
  say_first (t, "timers", &f,
             apart ((uint64_t) f.due, t->ticks.now) / t->ticks.hz);
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  unsigned n = kernel_cpus (k);
  struct timers t = { .l = l, .now = look_monotonic (l) };

  if (!look_ticks (l, &t.ticks))
    t.ticks.hz = 0;
  if (!kernel_has (k, TICK_DEVICE) && !kernel_has (k, HRTIMER_ROOT))
    {
      look_lacks (l, "timers", "all", "how they are made is not known");
      return 0;
    }
  for (unsigned cpu = 0; cpu < n && cpu < CPUS_MAX && !rows_failed (l->rows);
       cpu++)
    {
      rows_begin (l->rows, "timers");
      rows_uint (l->rows, "cpu", cpu);
      say_clock (&t, cpu);
      say_hrtimers (&t, cpu);
      say_wheels (&t, cpu);
      rows_end (l->rows);
    }
  return 0;
}

const struct section section_timers = {
  .name = "timers",
  .summary = "each CPU's next event, and timers that are overdue",
  .cheap = true,
  .run = run,
};
