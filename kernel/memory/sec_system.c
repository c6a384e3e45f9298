/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "system": how long it runs, its load and pressure, its command line,
 * whether it panicked or is tainted, and each CPU's run queue.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define CMDLINE 4096
#define FSHIFT 11
#define CPUS_MAX 8192u
#define LOGLEVELS 16u /* 15 shows all */
#define SYSRQ_ALL 0x1ffu

static const char *const pressures[] = { "io_some", "io_full",  "memory_some",
                                         "memory_full", "cpu_some",
                                         "cpu_full" };

/* Each CPU's clock stands still while nothing happens on it: the latest of
 * them is what time it is. */
uint64_t
look_clock (struct kernel *k)
{
  unsigned n = kernel_cpus (k);
  uint64_t at, v, latest = 0;

  for (unsigned cpu = 0; cpu < n && cpu < CPUS_MAX; cpu++)
    if ((at = kernel_percpu (k, "runqueues", cpu))
        && kernel_get (k, at, RQ_CLOCK, &v) && v > latest)
      latest = v;
  return latest;
}

/* Jiffies begin five minutes before they would go round, at a rate that the
 * kernel does not tell: the one that agrees with the clock is it. */
bool
look_ticks (const struct look *l, struct look_ticks *ret)
{
  static const unsigned rates[] = { 250, 1000, 300, 100 };
  uint64_t at = kernel_var (l->k, "jiffies_64"), j, ms, off;
  uint64_t now = l->now_ns / 1000000, best = UINT64_MAX;

  if (!at || !space_u64 (l->k->space, at, &j))
    return false;
  for (size_t i = 0; i < ARRAY_LEN (rates); i++)
    {
      ms = (j - (uint32_t) -(300 * (int) rates[i])) * 1000 / rates[i];
      off = ms > now ? ms - now : now - ms;
      if (off >= best)
        continue;
      best = off;
      *ret = (struct look_ticks){ .now = j, .up_ms = ms, .hz = rates[i] };
    }
  return best < 3600000;
}

/* The clock that timers go by, when the kernel last looked at it; 0 = not
 * known.  It may stand still: then it is the time at which that began. */
uint64_t
look_monotonic (const struct look *l)
{
  struct kernel *k = l->k;
  uint64_t at = kernel_var (k, "tk_core"), base, nsec, shift, now;

  /* Before it had a name it was behind a count of four bytes. */
  at += at ? kernel_has (k, TK_DATA_TK) ? k->fields.at[TK_DATA_TK].offset : 8
           : 0;
  if (!at || !kernel_get (k, at, TK_MONO_BASE, &base)
      || !kernel_get (k, at, TK_MONO_NSEC, &nsec)
      || !kernel_get (k, at, TK_MONO_SHIFT, &shift) || shift > 63)
    return l->now_ns;
  now = base + (nsec >> shift);
  /* A CPU's clock and this one begin within a boot. */
  return now - l->now_ns + 3600000000000 < 7200000000000 ? now : l->now_ns;
}

static void
say_load (struct look *l)
{
  uint64_t at = kernel_var (l->k, "avenrun"), v;

  if (!at)
    return;
  rows_array (l->rows, "load");
  for (unsigned i = 0; i < 3; i++)
    if (space_u64 (l->k->space, at + 8 * i, &v))
      rows_real (l->rows, NULL, (double) (v & UINT32_MAX) / (1 << FSHIFT), 2);
  rows_array_end (l->rows);
}

/* Share of the last ten seconds, in percent. */
static void
say_pressure (struct look *l)
{
  uint64_t at = kernel_var (l->k, "psi_system"), v;

  if (!at || !kernel_has (l->k, PSI_AVG))
    return;
  at += l->k->fields.at[PSI_AVG].offset;
  rows_object (l->rows, "pressure");
  for (size_t i = 0; i < ARRAY_LEN (pressures); i++)
    if (24 * (i + 1) <= l->k->fields.at[PSI_AVG].size
        && space_u64 (l->k->space, at + 24 * i, &v))
      rows_real (l->rows, pressures[i],
                 (double) (v & UINT32_MAX) / (1 << FSHIFT), 2);
  rows_object_end (l->rows);
}

/* The kernel's own letters; the first is G when nothing proprietary is in. */
static void
say_taint (struct look *l)
{
  static const char letters[] = "PFSRMBUDAWCIOELKXTNJ";
  uint64_t at = kernel_var (l->k, "tainted_mask"), v;
  char text[sizeof letters];
  unsigned n = 0;

  if (!at || !space_u64 (l->k->space, at, &v))
    return;
  for (unsigned i = 0; i < sizeof letters - 1; i++)
    if (v >> i & 1)
      text[n++] = letters[i];
  text[n] = '\0';
  rows_uint (l->rows, "taint", v);
  if (n)
    rows_str (l->rows, "taint_letters", text);
}

/* The CPU that is in panic(), which nobody leaves; -1 = none is seen there. */
static int
cpu_in_panic (struct look *l)
{
  CLEANUP_FREE int *cpu = NULL;
  struct stack s;
  struct ksym sym;

  if (!l->k->syms || look_cpus (l, &cpu, NULL) < 0)
    return -1;
  for (unsigned i = 0; i < l->k->ncpus; i++)
    {
      if (cpu[i] < 0 || unwind_cpu (l->k, &l->k->cpus[i], &s) < 0)
        continue;
      for (unsigned n = 0; n < s.n; n++)
        if (!s.frames[n].guess
            && ksyms_find (l->k->syms,
                           s.frames[n].pc - (s.frames[n].exact ? 0 : 1), &sym)
            && strcmp (sym.name, "panic") == 0)
          return cpu[i];
    }
  return -1;
}

/* Kernels that name no data show it by their stacks alone. */
static void
say_panic (struct look *l)
{
  uint64_t at = kernel_var (l->k, "panic_cpu");
  uint32_t cpu = UINT32_MAX;

  if (at && !space_u32 (l->k->space, at, &cpu))
    return;
  if (!at)
    cpu = (uint32_t) cpu_in_panic (l);
  if (!at && cpu == UINT32_MAX)
    return;
  rows_bool (l->rows, "panicked", cpu != UINT32_MAX);
  if (cpu != UINT32_MAX)
    rows_uint (l->rows, "panic_cpu", cpu);
}

static void
say_cmdline (struct look *l)
{
  uint64_t at = kernel_var (l->k, "saved_command_line"), text;
  char line[CMDLINE];

  if (at && space_u64 (l->k->space, at, &text)
      && space_text (l->k->space, text, line, sizeof line))
    rows_text (l->rows, "cmdline", line, strlen (line));
}

/* How many tasks there may be: numbers for them, and room. */
static void
say_tasks_max (struct look *l)
{
  static const char *const bounds[] = { "pid_max", "max_threads" };
  uint32_t v;

  for (size_t i = 0; i < ARRAY_LEN (bounds); i++)
    {
      uint64_t at = kernel_var (l->k, bounds[i]);

      if (at && space_u32 (l->k->space, at, &v) && v > 0 && v <= 1u << 22)
        rows_uint (l->rows, bounds[i], v);
    }
}

/* Which messages a console shows, and what its kernel does when SysRq is
 * pressed: the mask, by which 1 is all. */
static void
say_console (struct look *l)
{
  uint64_t at = kernel_var (l->k, "console_printk");
  unsigned char always = 0;
  uint32_t v;

  if (at && space_u32 (l->k->space, at, &v) && v < LOGLEVELS)
    rows_uint (l->rows, "loglevel", v);
  at = kernel_var (l->k, "sysrq_enabled");
  if (!at || !space_u32 (l->k->space, at, &v) || v > SYSRQ_ALL)
    return;
  at = kernel_var (l->k, "sysrq_always_enabled");
  if (at && space_read (l->k->space, at, &always, 1) == 0
      && always == 1)
    v = 1;
  rows_uint (l->rows, "sysrq", v);
}

static void
say_queues (struct look *l)
{
  struct kernel *k = l->k;
  unsigned n = kernel_cpus (k);
  uint64_t at, v;

  for (unsigned cpu = 0; cpu < n && cpu < CPUS_MAX; cpu++)
    {
      if (!(at = kernel_percpu (k, "runqueues", cpu))
          || !kernel_has (k, RQ_RUNNING))
        return;
      rows_begin (l->rows, "runqueue");
      rows_uint (l->rows, "cpu", cpu);
      if (kernel_get (k, at, RQ_RUNNING, &v))
        rows_uint (l->rows, "running", v);
      if (kernel_get (k, at, RQ_SWITCHES, &v))
        rows_uint (l->rows, "switches", v);
      if (l->now_ns && kernel_get (k, at, RQ_CLOCK, &v) && v <= l->now_ns)
        rows_real (l->rows, "behind_s", (double) (l->now_ns - v) / 1e9, 3);
      rows_end (l->rows);
    }
}

static int
run (struct look *l, struct error *err)
{
  struct look_ticks t;

  rows_begin (l->rows, "system");
  if (look_ticks (l, &t))
    {
      rows_real (l->rows, "uptime_s", (double) t.up_ms / 1000, 3);
      rows_uint (l->rows, "hz", t.hz);
    }
  if (l->now_ns)
    rows_real (l->rows, "clock_s", (double) l->now_ns / 1e9, 3);
  rows_uint (l->rows, "cpus", kernel_cpus (l->k));
  say_load (l);
  say_pressure (l);
  say_panic (l);
  say_taint (l);
  say_tasks_max (l);
  say_console (l);
  say_cmdline (l);
  rows_end (l->rows);
  say_queues (l);
  return 0;
}

const struct section section_system = {
  .name = "system",
  .summary = "uptime, load, pressure, panic and taint, run queues",
  .cheap = true,
  .run = run,
};
