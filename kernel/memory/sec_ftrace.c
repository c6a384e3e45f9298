/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "ftrace": what the kernel was told to trace and has traced, of all
 * CPUs in the order of time.
 *
 * A buffer holds hundreds of thousands of events: the newest are told.  There
 * may be several buffers, each with a name.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/kernel_impl.h"
#include "kernel/memory/tasks.h"
#include "kernel/memory/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BUFFERS 64u
#define MAX_PAGES (1u << 17)    /* of all CPUs */
#define MAX_COPIES (64u << 20)  /* bytes: each CPU's present page */
#define MAX_ORDER 7u
#define MAX_TOLD 50000u
#define COMM_LEN 16u
#define SWITCHED_OFF (1u << 20) /* in the count of who wants it to rest */
#define NO_COMM UINT32_MAX
#define PIDS 0x8000u

struct ftrace
{
  struct look *l;
  struct trace_formats formats;
  uint64_t saved;     /* names of tasks that were */
  unsigned buffers;   /* that were told */
  uint32_t page_size; /* of the kernel */
  /* The present buffer. */
  const char *clock;
  bool ns; /* its clock counts nanoseconds */
  struct trace_ring *rings;
  unsigned nrings;
  int e;
};

/* ---- who it was ---- */

static bool
saved_comm (struct ftrace *t, int32_t pid, char comm[COMM_LEN + 1])
{
  struct kernel *k = t->l->k;
  const struct field_at *at = k->fields.at;
  uint64_t pids, names = t->saved + at[SAVED_NAMES].offset, n;
  uint32_t place, whose;

  comm[COMM_LEN] = '\0';
  if (t->saved == 0 || pid < 0 || !kernel_has (k, SAVED_BY_PID)
      || !kernel_has (k, SAVED_NAMES)
      || !kernel_get (k, t->saved, SAVED_N, &n)
      || !kernel_get (k, t->saved, SAVED_PIDS, &pids)
      || !space_u32 (k->space,
                     t->saved + at[SAVED_BY_PID].offset
                         + 4 * ((uint32_t) pid & (PIDS - 1)),
                     &place)
      || place == NO_COMM || place >= n
      || !space_u32 (k->space, pids + 4ULL * place, &whose)
      || whose != (uint32_t) pid)
    return false;
  /* Behind a pointer, or since 6.9 in the same piece of memory. */
  if (at[SAVED_NAMES].size == 8 && !space_u64 (k->space, names, &names))
    return false;
  return space_text (k->space, names + (uint64_t) COMM_LEN * place, comm,
                     COMM_LEN);
}

/* Where the kernel has forgotten the name, that of whoever has the number. */
static void
say_who (struct ftrace *t, int32_t pid)
{
  char comm[COMM_LEN + 1];
  const struct look_task *task;

  rows_int (t->l->rows, "pid", pid);
  if (pid == 0)
    rows_str (t->l->rows, "comm", "<idle>");
  else if (saved_comm (t, pid, comm))
    rows_text (t->l->rows, "comm", comm, strlen (comm));
  else if (t->l->tasks && (task = look_task_pid (t->l->tasks, pid)))
    rows_text (t->l->rows, "comm", task->comm, strlen (task->comm));
}

/* ---- an event ---- */

/* The five letters that stand before the time of each. */
static void
say_flags (struct ftrace *t, unsigned flags, unsigned preempt)
{
  static const char hex[] = "0123456789abcdef";
  bool off = flags & 0x01, bottom = flags & 0x80, hard = flags & 0x08;
  bool soft = flags & 0x10, nmi = flags & 0x40;
  char text[6];

  text[0] = off && bottom ? 'D' : off ? 'd' : bottom ? 'b' : '.';
  /* By: the task should go, lazily, its CPU should. */
  text[1] = ".lpLnbNB"[(flags >> 2 & 1) * 4 + (flags >> 5 & 1) * 2
                       + (flags >> 1 & 1)];
  text[2] = nmi && hard    ? 'Z'
            : nmi          ? 'z'
            : hard && soft ? 'H'
            : hard         ? 'h'
            : soft         ? 's'
                           : '.';
  text[3] = preempt & 15 ? hex[preempt & 15] : '.';
  text[4] = preempt >> 4 & 15 ? hex[preempt >> 4 & 15] : '.';
  text[5] = '\0';
  rows_str (t->l->rows, "flags", text);
}

static uint32_t
head_value (const struct ftrace *t, const struct trace_ring *r, enum field f)
{
  const struct field_at *at = &t->l->k->fields.at[f];
  uint32_t v = 0;

  if (at->size > 0 && at->size <= sizeof v && at->offset < r->event_len
      && at->size <= r->event_len - at->offset)
    memcpy (&v, r->event + at->offset, at->size);
  return v;
}

static void
say_event (struct ftrace *t, const struct trace_ring *r)
{
  struct rows *rows = t->l->rows;
  uint16_t id = (uint16_t) head_value (t, r, ENTRY_TYPE);

  rows_begin (rows, "trace");
  rows_uint (rows, t->ns ? "ns" : "count", r->stamp);
  rows_uint (rows, "cpu", r->cpu);
  say_who (t, (int32_t) head_value (t, r, ENTRY_PID));
  say_flags (t, head_value (t, r, ENTRY_FLAGS),
             head_value (t, r, ENTRY_PREEMPT));
  trace_say_event (t->l, trace_format_of (t->l->k, &t->formats, id), id,
                   r->event, r->event_len);
  rows_end (rows);
}

/* ---- the newest of all CPUs ---- */

struct dated
{
  uint64_t stamp;
  uint32_t entries;
};

static int
newest_first (const void *a, const void *b)
{
  const struct dated *x = a, *y = b;

  return x->stamp > y->stamp ? -1 : x->stamp < y->stamp;
}

/* Pages whose events would be too many are passed over; how many events those
 * had. */
static uint64_t
leave_old (struct ftrace *t, size_t npages)
{
  struct dated *all = calloc (npages, sizeof *all);
  uint64_t sum = 0, left = 0, since;
  size_t n = 0, i;

  if (!all)
    {
      t->e = -ENOMEM;
      return 0;
    }
  for (unsigned c = 0; c < t->nrings; c++)
    for (i = 0; i < t->rings[c].n; i++)
      all[n++] = (struct dated){ t->rings[c].pages[i].stamp,
                                 t->rings[c].pages[i].entries };
  qsort (all, n, sizeof *all, newest_first);
  for (i = 0; i < n && sum <= MAX_TOLD; i++)
    sum += all[i].entries + 1;
  since = i == n && sum <= MAX_TOLD ? 0 : all[i - 1].stamp;
  free (all);
  for (unsigned c = 0; c < t->nrings; c++)
    {
      struct trace_ring *r = &t->rings[c];

      for (; r->at < r->n && r->pages[r->at].stamp < since; r->at++)
        left += r->pages[r->at].entries;
    }
  return left;
}

/* The one of all rings that comes next; NULL: there is none. */
static struct trace_ring *
earliest (struct ftrace *t)
{
  struct trace_ring *first = NULL;

  for (unsigned i = 0; i < t->nrings; i++)
    if (t->rings[i].event && (!first || t->rings[i].stamp < first->stamp))
      first = &t->rings[i];
  return first;
}

static void
advance (struct ftrace *t, struct trace_ring *r)
{
  int e = trace_ring_next (t->l->k, r);

  if (e <= 0)
    r->event = NULL;
  if (e < 0)
    t->e = e;
}

static void
say_events (struct ftrace *t, size_t npages)
{
  uint64_t left = npages > 0 ? leave_old (t, npages) : 0, told = 0;
  struct trace_ring *r;

  for (unsigned i = 0; i < t->nrings && t->e == 0; i++)
    advance (t, &t->rings[i]);
  while (t->e == 0 && (r = earliest (t)) && !rows_failed (t->l->rows))
    {
      /* Pages may have more in them than they say. */
      if (told++ > 2 * MAX_TOLD)
        {
          look_lacks (t->l, "ftrace", "newer events",
                      "there are more than can be told");
          break;
        }
      say_event (t, r);
      advance (t, r);
    }
  if (left > 0)
    look_lacks (t->l, "ftrace", "older events",
                "%llu of them are left out: the newest are told",
                (unsigned long long) left);
}

/* ---- a buffer ---- */

static const struct
{
  const char *func, *name;
  bool ns;
} clocks[] = {
  { "trace_clock_local", "local", true },
  { "trace_clock_global", "global", true },
  { "trace_clock_counter", "counter", false },
  { "trace_clock_jiffies", "uptime", false },
  { "trace_clock", "perf", true },
  { "ktime_get_mono_fast_ns", "mono", true },
  { "ktime_get_raw_fast_ns", "mono_raw", true },
  { "ktime_get_boot_fast_ns", "boot", true },
  { "ktime_get_tai_fast_ns", "tai", true },
  { "trace_clock_x86_tsc", "x86-tsc", false },
};

static void
know_clock (struct ftrace *t, uint64_t buffer)
{
  struct kernel *k = t->l->k;
  struct ksym sym;
  uint64_t fn;

  t->clock = NULL;
  t->ns = false;
  if (!kernel_get (k, buffer, TRACE_CLOCK, &fn) || !kernel_sym (k, fn, &sym))
    return;
  for (size_t i = 0; i < ARRAY_LEN (clocks); i++)
    if (strcmp (clocks[i].func, sym.name) == 0)
      {
        t->clock = clocks[i].name;
        t->ns = clocks[i].ns;
      }
}

static void
say_text_at (struct ftrace *t, const char *name, uint64_t at)
{
  char text[64];

  if (at && space_text (t->l->k->space, at, text, sizeof text))
    rows_text (t->l->rows, name, text, strlen (text));
}

static void
say_buffer (struct ftrace *t, uint64_t array, uint64_t buffer)
{
  struct kernel *k = t->l->k;
  struct rows *rows = t->l->rows;
  uint64_t v, entries = 0, overrun = 0, lost = 0;

  for (unsigned i = 0; i < t->nrings; i++)
    {
      entries += t->rings[i].counts.entries;
      overrun += t->rings[i].counts.overrun;
      lost += t->rings[i].counts.lost;
    }
  rows_begin (rows, "trace_buffer");
  if (kernel_get (k, array, TRACE_NAME, &v))
    say_text_at (t, "instance", v);
  if (kernel_get (k, array, TRACE_TRACER, &v) && v
      && kernel_get (k, v, TRACER_NAME, &v))
    say_text_at (t, "tracer", v);
  if (kernel_get (k, buffer, TRACE_OFF, &v))
    {
      rows_bool (rows, "on", !(v & SWITCHED_OFF));
      if (v & (SWITCHED_OFF - 1))
        rows_bool (rows, "held", true);
    }
  rows_str (rows, "clock", t->clock);
  rows_uint (rows, "entries", entries);
  rows_uint (rows, "overrun", overrun);
  rows_uint (rows, "lost", lost);
  rows_uint (rows, "cpus", t->nrings);
  rows_end (rows);
}

static void
say_ring (struct ftrace *t, const struct trace_ring *r)
{
  struct rows *rows = t->l->rows;

  rows_begin (rows, "trace_cpu");
  rows_uint (rows, "cpu", r->cpu);
  rows_uint (rows, "entries", r->counts.entries);
  rows_uint (rows, "overrun", r->counts.overrun);
  rows_uint (rows, "lost", r->counts.lost);
  rows_uint (rows, "bytes", r->counts.bytes);
  rows_uint (rows, "pages", r->counts.pages);
  if (r->counts.off)
    rows_bool (rows, "off", true);
  rows_end (rows);
}

/* What of the rings was not as it should be. */
static void
say_harm (struct ftrace *t)
{
  unsigned damaged = 0, changed = 0;

  for (unsigned i = 0; i < t->nrings; i++)
    {
      damaged += t->rings[i].damaged;
      changed += t->rings[i].changed;
    }
  if (damaged)
    look_lacks (t->l, "ftrace", "some events",
                "the pages of %u CPUs' rings are damaged, or changed while "
                "they were read", damaged);
  if (changed)
    look_lacks (t->l, "ftrace", "some events",
                "pages of %u CPUs' rings were written over while they were "
                "read", changed);
}

/* Lists the pages of all CPUs; how many. */
static size_t
open_rings (struct ftrace *t, uint64_t buffer, unsigned cpus, uint32_t size)
{
  struct kernel *k = t->l->k;
  uint64_t all, at;
  size_t npages = 0;

  if (!kernel_get (k, buffer, TRACE_BUFFERS, &all))
    return 0;
  mem_fresh (k->mem);
  for (unsigned cpu = 0; cpu < cpus && t->e == 0; cpu++)
    {
      if (!space_u64 (k->space, all + 8ULL * cpu, &at) || at == 0)
        continue;
      if (npages >= MAX_PAGES || (uint64_t) t->nrings * size >= MAX_COPIES)
        {
          look_lacks (t->l, "ftrace", "some CPUs", "their rings are too many");
          break;
        }
      t->e = trace_ring_open (k, at, cpu, size, &t->rings[t->nrings]);
      npages += t->rings[t->nrings++].n;
    }
  return npages;
}

static void
close_rings (struct ftrace *t)
{
  for (unsigned i = 0; i < t->nrings; i++)
    trace_ring_close (&t->rings[i]);
  free (t->rings);
  t->rings = NULL;
  t->nrings = 0;
}

static void
say_array (struct ftrace *t, uint64_t array)
{
  struct kernel *k = t->l->k;
  uint64_t buffer, cpus, order = 0;
  size_t npages;

  if (!kernel_get (k, array, TRACE_BUFFER, &buffer) || !buffer)
    return;
  /* Since 7.2 it is all that there may be. */
  if (!kernel_get (k, buffer, TRACE_CPUS, &cpus))
    cpus = kernel_cpus (k);
  cpus &= UINT32_MAX;
  if (cpus > KERNEL_MAX_CPUS
      || (kernel_has (k, TRACE_ORDER)
          && (!kernel_get (k, buffer, TRACE_ORDER, &order)
              || order > MAX_ORDER)))
    {
      look_lacks (t->l, "ftrace", "a buffer", "it makes no sense");
      return;
    }
  t->rings = calloc (cpus + 1, sizeof *t->rings);
  if (!t->rings)
    {
      t->e = -ENOMEM;
      return;
    }
  know_clock (t, buffer);
  npages = open_rings (t, buffer, (unsigned) cpus, t->page_size << order);
  t->buffers++;
  say_buffer (t, array, buffer);
  for (unsigned i = 0; i < t->nrings; i++)
    say_ring (t, &t->rings[i]);
  say_events (t, npages);
  say_harm (t);
  close_rings (t);
}

/* ---- all of them ---- */

static bool
on_array (uint64_t node, void *arg)
{
  struct ftrace *t = arg;

  say_array (t, node - t->l->k->fields.at[TRACE_LIST].offset);
  return t->e == 0;
}

/* What this cannot do without; NULL = it is all there. */
static const char *
unknown (struct kernel *k)
{
  static const enum field needed[]
      = { TRACE_LIST,  TRACE_BUFFER, TRACE_BUFFERS, RING_PAGES,
          RING_COMMIT, RING_READER,  RING_NR_PAGES, PAGE_LIST,
          PAGE_PAGE,   PAGE_READ,    PAGE_ENTRIES,  PAGE_STAMP,
          PAGE_COMMIT, PAGE_DATA,    ENTRY_TYPE,    ENTRY_PID };

  if (!k->btf)
    return "the kernel carries no types (BTF), which alone tell how the trace "
           "buffer is made";
  for (size_t i = 0; i < ARRAY_LEN (needed); i++)
    if (!kernel_has (k, needed[i]))
      return "how the trace buffer is made is not known, or it has none";
  if (!kernel_var (k, "ftrace_trace_arrays") && !kernel_var (k, "global_trace"))
    return "the kernel has no trace buffer, or no names of its variables";
  return NULL;
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  const char *why = unknown (k);
  struct ftrace t = { .l = l, .page_size = 4096 };
  uint64_t arrays, v;

  if (why)
    {
      look_lacks (l, "ftrace", "all", "%s", why);
      return 0;
    }
  kernel_modules (k);
  if (k->arch == ARCH_ARM64 && space_def (k->space)->page_shift > 12)
    t.page_size = 1u << space_def (k->space)->page_shift;
  if ((v = kernel_var (k, "savedcmd")) && !space_u64 (k->space, v, &t.saved))
    t.saved = 0;
  t.e = trace_formats_read (k, &t.formats);
  if (t.formats.n == 0)
    look_lacks (l, "ftrace", "names of events", "their list was not found");
  arrays = kernel_var (k, "ftrace_trace_arrays");
  if (t.e == 0 && arrays
      && kernel_list (k, arrays, MAX_BUFFERS, on_array, &t) < 0)
    look_lacks (l, "ftrace", "some buffers", "their list is damaged");
  /* Before the kernel has begun to trace the list is empty. */
  if (t.e == 0 && t.buffers == 0 && (v = kernel_var (k, "global_trace")))
    say_array (&t, v);
  close_rings (&t);
  trace_formats_free (&t.formats);
  return t.e < 0 ? error_set (err, ENOMEM, "no memory for a trace") : 0;
}

const struct section section_ftrace = {
  .name = "ftrace",
  .summary = "what the kernel traced: events of all CPUs in the order of time",
  .run = run,
};
