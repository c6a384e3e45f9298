/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: the lines that a task or a CPU begins with, and what
 * is said of tasks elsewhere.
 *
 * Four generations of the task's line.  The name has a fixed width of 15 in
 * all of them, since it may hold anything, blanks and colons included:
 *
 *   init            S ffff88008ad8f5b0     0  2293      1 0x00000000
 *   jbd2/sda-8      D22600  3563      2 0x80000000
 *   task:init            state:D stack:    0 pid:  102 ppid:     1 flags:0x2
 *   task:init            state:D stack:0     pid:102   tgid:102   ppid:1
 *     task_flags:0x400140 flags:0x00000002             (all on one line)
 *
 * The kernel prints it in pieces, so it may be torn between any two of them.
 */
#include "kernel/text/sysrq_impl.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMM_WIDTH 15
#define COMM_LOOK 96 /* a name of which bytes were taken or escaped */

static bool
is_state (char ch)
{
  return ch && strchr ("RSDTtXZPIKWxN?", ch);
}

/* ---- new ones ---- */

static struct sysrq_task *
task_new (struct sysrq_dump *d, struct dump_ctx *ctx)
{
  struct sysrq_task *t;

  dump_section (d, ctx, dump_block_line);
  if (d->ntasks == d->tasks_cap)
    {
      unsigned cap = d->tasks_cap ? 2 * d->tasks_cap : 64;

      t = d->ntasks < SYSRQ_MAX_TASKS
              ? realloc (d->tasks, cap * sizeof *d->tasks)
              : NULL;
      if (!t)
        {
          d->lost_tasks++;
          ctx->section = NULL;
          return NULL;
        }
      d->tasks = t;
      d->tasks_cap = cap;
    }
  t = &d->tasks[d->ntasks];
  *t = (struct sysrq_task){ .state = '?', .pid = -1, .ppid = -1, .tgid = -1,
                            .blocked_s = -1, .boot = d->boot, .key = d->key,
                            .line = d->line };
  ctx->block = (struct dump_block){ .task = (int) d->ntasks++, .cpu = -1 };
  return t;
}

static struct sysrq_cpu *
cpu_new (struct sysrq_dump *d, struct dump_ctx *ctx, int cpu)
{
  struct sysrq_cpu *c;

  dump_section (d, ctx, dump_block_line);
  if (d->ncpus == d->cpus_cap)
    {
      unsigned cap = d->cpus_cap ? 2 * d->cpus_cap : 8;

      c = d->ncpus < SYSRQ_MAX_CPUS ? realloc (d->cpus, cap * sizeof *d->cpus)
                                    : NULL;
      if (!c)
        {
          d->lost_cpus++;
          ctx->section = NULL;
          return NULL;
        }
      d->cpus = c;
      d->cpus_cap = cap;
    }
  c = &d->cpus[d->ncpus];
  *c = (struct sysrq_cpu){ .cpu = cpu, .pid = -1, .boot = d->boot,
                           .key = d->key, .line = d->line };
  ctx->block = (struct dump_block){ .task = -1, .cpu = (int) d->ncpus++ };
  return c;
}

/* ---- "task:" ---- */

/* "stack:0 pid:109 ppid:1 flags:0x2", any of them. */
static bool
numbers (struct cursor c, struct sysrq_task *t)
{
  static const struct
  {
    const char *name;
    size_t at;
  } ints[] = {
    { "pid:", offsetof (struct sysrq_task, pid) },
    { "ppid:", offsetof (struct sysrq_task, ppid) },
    { "tgid:", offsetof (struct sysrq_task, tgid) },
  };
  bool any = false;
  struct cursor word;

  for (cur_blanks (&c); c.p < c.end; cur_blanks (&c))
    {
      bool known = false;

      if (cur_lit (&c, "running task"))
        known = t->running = true;
      for (size_t i = 0; i < ARRAY_LEN (ints) && !known; i++)
        if (cur_lit (&c, ints[i].name))
          {
            cur_blanks (&c);
            known = cur_int (&c, (int *) (void *) ((char *) t + ints[i].at));
          }
      if (!known && cur_lit (&c, "stack:"))
        {
          uint64_t unused;

          cur_blanks (&c);
          known = cur_u64 (&c, &unused);
        }
      if (!known && cur_lit (&c, "flags:"))
        known = t->has_flags = cur_hex (&c, &t->flags, NULL);
      any = any || known;
      if (!known && !cur_word (&c, &word))
        break;
    }
  return any;
}

static bool
new_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  static const char mark[] = " state:";
  const struct cursor look
      = { c.p, c.p + (cur_left (&c) < COMM_LOOK ? cur_left (&c) : COMM_LOOK) };
  struct cursor fixed = c, comm = c;
  const char *at = NULL;
  struct sysrq_task *t;

  if (cur_left (&c) >= COMM_WIDTH)
    {
      fixed.p += COMM_WIDTH;
      at = cur_at (&fixed, mark) ? fixed.p : cur_find (&look, mark);
    }
  /* Oopses of older kernels have "task: ffff8801d1da0100 task.stack: ..."; a
   * head without a state is one where tasks are being listed only. */
  if (!at && (!d->key || !strchr ("tw", d->key) || cur_at (&c, " ")
              || c.p == c.end))
    return false;
  t = task_new (d, ctx);
  if (!t)
    return true;
  comm.end = at ? at : c.p + (cur_left (&c) < COMM_WIDTH ? cur_left (&c)
                                                         : COMM_WIDTH);
  cur_copy (&comm, t->comm, sizeof t->comm);
  if (d->key == 't')
    d->tasks_of_t = true;
  if (!at)
    return true;
  c.p = at + strlen (mark);
  if (c.p < c.end && is_state (*c.p))
    t->state = *c.p++;
  numbers (c, t);
  return true;
}

/* ---- the older form ---- */

/* Pieces after the state: "[PC] stack pid ppid 0xflags". */
static bool
old_numbers (struct cursor c, struct sysrq_task *t)
{
  struct cursor words[6], flags;
  unsigned n = 0, digits = 0;
  struct sysrq_task got = *t;
  uint64_t unused;

  cur_blanks (&c);
  if (cur_lit (&c, "running task"))
    got.running = true;
  for (cur_blanks (&c); n < 6 && cur_word (&c, &words[n]); cur_blanks (&c))
    n++;
  if (n < 4 || n > 5 || c.p < c.end)
    return false;
  flags = words[n - 1];
  if (!cur_at (&flags, "0x") || !cur_hex (&flags, &got.flags, &digits)
      || digits < 8 || flags.p < flags.end)
    return false;
  got.has_flags = true;
  if (n == 5 && !cur_hex (&words[0], &unused, &digits))
    return false;
  if (!cur_u64 (&words[n - 4], &unused) || !cur_int (&words[n - 3], &got.pid)
      || !cur_int (&words[n - 2], &got.ppid))
    return false;
  for (unsigned i = n - 4; i < n - 1; i++)
    if (words[i].p < words[i].end)
      return false;
  *t = got;
  return true;
}

static bool
old_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct cursor comm = { c.p, c.p + COMM_WIDTH }, rest;
  struct sysrq_task probe = { .pid = -1, .ppid = -1, .tgid = -1 }, *t;
  bool whole;

  if (cur_left (&c) < COMM_WIDTH + 2 || c.p[COMM_WIDTH] != ' '
      || !is_state (c.p[COMM_WIDTH + 1]) || *c.p == ' ' || *c.p == '\t')
    return false;
  rest = (struct cursor){ c.p + COMM_WIDTH + 2, c.end };
  whole = old_numbers (rest, &probe);
  /* The state may be the last that came of a torn line; that alone is little,
   * so only among others of its kind. */
  if (!whole
      && (rest.p < rest.end || !d->key || !strchr ("tw", d->key)
          || d->tasks_of_t))
    return false;
  t = task_new (d, ctx);
  if (!t)
    return true;
  probe.blocked_s = -1;
  probe.key = t->key;
  probe.line = t->line;
  *t = probe;
  t->state = c.p[COMM_WIDTH + 1];
  cur_copy (&comm, t->comm, sizeof t->comm);
  return true;
}

/* The rest of a line that was torn between its pieces. */
static bool
head_goes_on (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct sysrq_task *t = ctx->block.task >= 0 ? &d->tasks[ctx->block.task]
                                              : NULL;

  if (!t || t->has_flags || ctx->block.trace || t->nframes)
    return false;
  cur_blanks (&c);
  if (cur_at (&c, "stack:") || cur_at (&c, "running task")
      || cur_at (&c, "pid:") || cur_at (&c, "flags:"))
    return numbers (c, t);
  return old_numbers (c, t);
}

bool
dump_task_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct cursor t = c;

  cur_blanks (&t);
  if (cur_lit (&t, "task:"))
    return new_head (d, ctx, t);
  if (ctx->section == dump_block_line && head_goes_on (d, ctx, c))
    return true;
  if (old_head (d, ctx, c))
    return true;
  /* The title of the older form's table. */
  if (cur_lit (&t, "task ") && cur_find (&t, "PC stack"))
    {
      dump_section (d, ctx, NULL);
      d->body++;
      return true;
    }
  return false;
}

/* ---- CPUs ---- */

/* "CPU: 1 UID: 0 PID: 0 Comm: swapper/1 Not tainted 6.12.107 #1 ..." */
static void
cpu_says (struct sysrq_cpu *cpu, struct cursor c)
{
  static const char *const ends[]
      = { " Not tainted", " Tainted: ", " Kdump: " };
  const char *pid = cur_find (&c, "PID: "), *comm = cur_find (&c, "Comm: ");
  struct cursor t;
  int n;

  if (cur_int (&c, &n) && cpu->cpu != n)
    cpu->torn = true; /* another CPU's lines are mixed in */
  if (pid)
    {
      t = (struct cursor){ pid + 5, c.end };
      cur_int (&t, &cpu->pid);
    }
  if (!comm)
    return;
  t = (struct cursor){ comm + 6, c.end };
  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      const char *end = cur_find (&t, ends[i]);

      if (end)
        t.end = end;
    }
  cur_copy (&t, cpu->comm, sizeof cpu->comm);
}

bool
dump_regs_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct cursor t;
  struct sysrq_cpu *cpu;
  int n;

  cur_blanks (&c);
  if (!cur_lit (&c, "CPU: "))
    return false;
  t = c;
  if (!cur_int (&t, &n))
    return false;
  cpu = cpu_new (d, ctx, n);
  if (cpu)
    cpu_says (cpu, c);
  return true;
}

static void
answered (struct sysrq_dump *d, int cpu)
{
  if (cpu >= 0 && cpu < SYSRQ_MAX_CPUS)
    d->asked.answered[cpu / 8] |= (uint8_t) (1u << (cpu % 8));
}

static bool
is_silent (const struct dump_asked *a, unsigned cpu)
{
  return cpu < SYSRQ_MAX_CPUS
         && (a->cpus[cpu / 8] & ~a->answered[cpu / 8] & (1u << (cpu % 8)));
}

/* CPUs that take not even an NMI are the finding: "1,4-7". */
static void
silent (struct sysrq_dump *d)
{
  uint64_t line = d->line;
  unsigned count = 0;
  size_t n = 0;
  char list[64];

  for (unsigned i = 0, last; i < SYSRQ_MAX_CPUS; i = last + 1)
    {
      for (last = i; is_silent (&d->asked, last); last++)
        ;
      if (last == i)
        continue;
      count += last - i;
      if (n + 12 < sizeof list)
        n += (size_t) snprintf (list + n, sizeof list - n,
                                last - i > 1 ? "%s%u-%u" : "%s%u",
                                n ? "," : "", i, last - 1);
    }
  d->line = d->asked.line;
  if (count)
    dump_gap (d, "silent", count, "cpu %s did not answer the NMI", list);
  d->line = line;
  d->asked = (struct dump_asked){ .line = line };
}

/* "Sending NMI from CPU 1 to CPUs 0,2-3:" */
static bool
sending (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  unsigned left = SYSRQ_MAX_CPUS; /* a CPU is named once in what is true */
  uint64_t from, to;

  if (!cur_lit (&c, "Sending NMI "))
    return false;
  dump_section (d, ctx, NULL);
  d->body++;
  silent (d);
  if (!cur_lit (&c, "from CPU ") || !cur_u64 (&c, &from)
      || !cur_lit (&c, " to CPUs "))
    return true;
  while (cur_u64 (&c, &from))
    {
      to = from;
      if (cur_lit (&c, "-"))
        cur_u64 (&c, &to);
      for (; from <= to && from < SYSRQ_MAX_CPUS && left; from++, left--)
        d->asked.cpus[from / 8] |= (uint8_t) (1u << (from % 8));
      if (!left || !cur_lit (&c, ","))
        break;
    }
  return true;
}

static void
idling (struct sysrq_dump *d, struct dump_ctx *ctx, struct sysrq_cpu *cpu,
        struct cursor c)
{
  struct text_frame f;

  cpu->idle = true;
  if (cur_lit (&c, "at ") && dump_frame (&c, &f))
    snprintf (cpu->rip, sizeof cpu->rip, "%s", f.func);
  dump_section (d, ctx, NULL);
}

bool
dump_cpu_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct sysrq_cpu *cpu;
  struct cursor t;
  int n;

  cur_blanks (&c);
  if (c.p < c.end && *c.p == 'S')
    return sending (d, ctx, c);
  if (cur_lit (&c, "NMI backtrace for cpu "))
    {
      if (!cur_int (&c, &n))
        return false;
      answered (d, n);
      cpu = cpu_new (d, ctx, n);
      if (cpu && cur_lit (&c, " skipped: idling "))
        idling (d, ctx, cpu, c);
      return true;
    }
  if (!cur_lit (&c, "CPU"))
    return false;
  /* Where there is no NMI, each CPU says its own: "CPU3:". */
  t = c;
  if (d->key == 'l' && cur_int (&t, &n) && cur_lit (&t, ":") && t.p == t.end)
    {
      cpu_new (d, ctx, n);
      return true;
    }
  if (ctx->section == dump_block_line && ctx->block.cpu >= 0
      && !ctx->block.trace && cur_lit (&c, ": "))
    {
      cpu_says (&d->cpus[ctx->block.cpu], c);
      return true;
    }
  return false;
}

/* ---- hung tasks ---- */

static struct dump_hung *
hung_of (struct sysrq_dump *d, struct cursor c)
{
  const char *colon = NULL;
  struct cursor comm, pid;
  char name[32];
  int n;

  for (const char *p = c.p; p < c.end; p++)
    if (*p == ':')
      colon = p;
  if (!colon)
    return NULL;
  comm = (struct cursor){ c.p, colon };
  pid = (struct cursor){ colon + 1, c.end };
  if (!cur_int (&pid, &n))
    return NULL;
  cur_copy (&comm, name, sizeof name);
  for (unsigned i = 0; i < d->nhung; i++)
    if (d->hung[i].pid == n && d->hung[i].boot == d->boot
        && strcmp (d->hung[i].comm, name) == 0)
      return &d->hung[i];
  if (d->nhung == DUMP_HUNG)
    {
      dump_gap (d, "limit", 1, "tasks that hang");
      return NULL;
    }
  d->hung[d->nhung] = (struct dump_hung){ .pid = n, .seconds = -1,
                                            .boot = d->boot };
  memcpy (d->hung[d->nhung].comm, name, sizeof name);
  return &d->hung[d->nhung++];
}

static void
owner (struct dump_hung *h, struct cursor c)
{
  static const char *const says[]
      = { "owned by task ", "last held by task ", "held by task " };
  const char *at = NULL, *end;

  for (size_t i = 0; i < ARRAY_LEN (says) && !at; i++)
    if ((at = cur_find (&c, says[i])))
      c.p = at + strlen (says[i]);
  if (!at)
    return;
  end = cur_find (&c, " <");
  c.end = end ? end : c.end;
  while (c.end > c.p && c.end[-1] == '.')
    c.end--;
  cur_copy (&c, h->owner, sizeof h->owner);
}

/* "INFO: task C:P blocked for more than 120 seconds.", and the newer "INFO:
 * task C:P is blocked on a mutex likely owned by task C2:P2." */
bool
dump_hung_line (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  static const char more[] = " for more than ";
  const char *blocked, *at;
  struct cursor who, t;
  struct dump_hung *h;
  uint64_t s;

  cur_blanks (&c);
  if (!cur_lit (&c, "INFO: task "))
    return false;
  blocked = cur_find (&c, "blocked ");
  if (!blocked)
    return false;
  dump_section (d, ctx, NULL);
  d->key = '\0';
  who = (struct cursor){ c.p, blocked };
  h = hung_of (d, who);
  if (!h)
    return true;
  t = (struct cursor){ blocked + 7, c.end };
  at = cur_find (&t, more);
  if (at)
    {
      t.p = at + strlen (more);
      /* No kernel has been up for longer. */
      if (cur_u64 (&t, &s) && s <= UINT32_MAX)
        h->seconds = (double) s;
    }
  else
    owner (h, t);
  return true;
}

void
dump_tasks_end (struct sysrq_dump *d)
{
  silent (d);
  for (unsigned i = 0; i < d->nhung; i++)
    for (unsigned k = 0; k < d->ntasks; k++)
      if (d->tasks[k].pid == d->hung[i].pid
          && d->tasks[k].boot == d->hung[i].boot
          && strcmp (d->tasks[k].comm, d->hung[i].comm) == 0)
        {
          if (d->hung[i].seconds >= 0)
            d->tasks[k].blocked_s = d->hung[i].seconds;
          memcpy (d->tasks[k].owner, d->hung[i].owner,
                  sizeof d->tasks[k].owner);
        }
  if (d->torn)
    dump_gap (d, "torn", d->torn, "stacks that are cut off or mixed up");
  if (d->lost_tasks)
    dump_gap (d, "limit", d->lost_tasks, "tasks");
  if (d->lost_frames)
    dump_gap (d, "limit", d->lost_frames, "frames");
  if (d->lost_cpus)
    dump_gap (d, "limit", d->lost_cpus, "backtraces of CPUs");
  /* The kernels that have this form of line end with busy workqueues. */
  if (d->tasks_of_t && !d->after_tasks)
    dump_gap (d, "cut", 1, "SysRq t: what follows the tasks");
}
