/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: the stack of a task or a CPU, and its registers.
 *
 * What another CPU prints in between is passed over.  That a stack is not
 * whole shows where brackets ("<TASK>", since 5.16) do not close, where bytes
 * or messages were lost, and where nothing followed the head.
 */
#include "kernel/text/frames.h"
#include "kernel/text/sysrq_impl.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Functions that an idle CPU stands in. */
static const char *const idle_in[] = {
  "native_safe_halt", "pv_native_safe_halt", "default_idle", "mwait_idle",
  "intel_idle", "acpi_safe_halt", "acpi_idle_do_entry", "arch_cpu_idle",
  "cpu_do_idle", "amd_e400_idle", "poll_idle", "cpuidle_enter_state",
  "wait_for_interrupt", "kvm_wait",
};

bool
dump_frame (const struct cursor *c, struct text_frame *ret)
{
  return frame_parse (c->p, cur_left (c), ret) == FRAME_CALL;
}

/* The arrays of what a context is in. */
struct target
{
  struct text_frame **frames;
  struct sysrq_reg **regs;
  unsigned *nframes, *more, *nregs;
};

static bool
target_of (struct sysrq_dump *d, const struct dump_block *b,
           struct target *ret)
{
  if (b->task >= 0)
    {
      struct sysrq_task *t = &d->tasks[b->task];

      *ret = (struct target){ &t->frames, &t->regs, &t->nframes,
                              &t->more_frames, &t->nregs };
      return true;
    }
  if (b->cpu >= 0)
    {
      struct sysrq_cpu *c = &d->cpus[b->cpu];

      *ret = (struct target){ &c->frames, &c->regs, &c->nframes,
                              &c->more_frames, &c->nregs };
      return true;
    }
  return false;
}

static void
add_frame (struct sysrq_dump *d, struct dump_block *b,
           const struct text_frame *f)
{
  struct target t;

  if (!target_of (d, b, &t))
    return;
  if (*t.nframes == b->cap)
    {
      unsigned cap = b->cap ? 2 * b->cap : 8;
      struct text_frame *more = NULL;

      if (cap <= SYSRQ_MAX_STACK && d->nframes < SYSRQ_MAX_FRAMES)
        more = realloc (*t.frames, cap * sizeof *more);
      if (more)
        {
          *t.frames = more;
          b->cap = cap;
        }
    }
  if (*t.nframes == b->cap || d->nframes == SYSRQ_MAX_FRAMES)
    {
      (*t.more)++;
      d->lost_frames++;
      return;
    }
  (*t.frames)[(*t.nframes)++] = *f;
  d->nframes++;
}

static void
add_reg (struct sysrq_dump *d, struct dump_block *b, const struct cursor *name,
         uint64_t value)
{
  struct target t;

  if (!target_of (d, b, &t) || *t.nregs == SYSRQ_MAX_REGS)
    return;
  if (*t.nregs == b->rcap)
    {
      unsigned cap = b->rcap ? SYSRQ_MAX_REGS : 20;
      struct sysrq_reg *more = realloc (*t.regs, cap * sizeof *more);

      if (!more)
        return;
      *t.regs = more;
      b->rcap = cap;
    }
  cur_copy (name, (*t.regs)[*t.nregs].name, sizeof (*t.regs)->name);
  (*t.regs)[(*t.nregs)++].value = value;
}

/* ---- the end of one ---- */

static bool
task_torn (const struct sysrq_task *t, const struct dump_block *b)
{
  if (t->torn || t->pid < 0 || !t->has_flags || t->state == '?')
    return true;
  if (b->open && !b->over)
    return true;
  /* Where it runs its stack cannot be read. */
  return !b->trace && t->nframes == 0 && !t->running;
}

static void
cpu_over (struct sysrq_cpu *c, const struct dump_block *b)
{
  if (b->open && !b->over)
    c->torn = true;
  /* Cut right after its head. */
  if (!c->idle && c->pid < 0 && c->nframes == 0)
    c->torn = true;
  if (c->pid != 0 || c->user)
    return;
  for (size_t i = 0; i < ARRAY_LEN (idle_in); i++)
    if (strcmp (c->rip, idle_in[i]) == 0)
      c->idle = true;
}

void
dump_block_close (struct sysrq_dump *d, struct dump_ctx *ctx)
{
  struct dump_block *b = &ctx->block;
  struct text_frame *fit;
  struct target t;

  if (!target_of (d, b, &t))
    return;
  if (b->task >= 0)
    {
      struct sysrq_task *task = &d->tasks[b->task];

      task->torn = task_torn (task, b);
      d->torn += task->torn;
    }
  else
    {
      cpu_over (&d->cpus[b->cpu], b);
      d->torn += d->cpus[b->cpu].torn;
    }
  if (*t.nframes < b->cap && *t.nframes)
    {
      fit = realloc (*t.frames, *t.nframes * sizeof *fit);
      *t.frames = fit ? fit : *t.frames;
    }
  *b = (struct dump_block){ .task = -1, .cpu = -1 };
}

/* ---- registers ---- */

/* "002b:00007ffc75073ef0" or "ff2c0d6241268000(0000)". */
static bool
reg_value (struct cursor *c, uint64_t *ret)
{
  unsigned digits;

  if (!cur_hex (c, ret, &digits) || digits < 4)
    return false;
  if (digits == 4 && cur_lit (c, ":") && !cur_hex (c, ret, &digits))
    return false;
  if (c->p < c->end && *c->p == '(')
    while (c->p < c->end && !isspace ((unsigned char) *c->p))
      c->p++;
  return c->p == c->end || *c->p == ' ';
}

static bool
registers (struct sysrq_dump *d, struct dump_block *b, struct cursor c)
{
  unsigned n = 0;

  for (cur_blanks (&c); c.p < c.end; cur_blanks (&c), n++)
    {
      struct cursor name = { c.p, c.p };
      uint64_t value;

      while (c.p < c.end && (isalnum ((unsigned char) *c.p) || *c.p == '_'))
        c.p++;
      name.end = c.p;
      if (cur_left (&name) < 2 || cur_left (&name) > 11)
        break;
      cur_blanks (&c);
      if (!cur_lit (&c, ":"))
        break;
      cur_blanks (&c);
      if (!reg_value (&c, &value))
        break;
      if (b->user)
        add_reg (d, b, &name, value);
    }
  return n > 0;
}

/* "[<ffffffff8100>] [<ffffffff8100>] func+0x1/0x2": older ones. */
static void
skip_addresses (struct cursor *c)
{
  for (cur_blanks (c); cur_at (c, "[<"); cur_blanks (c))
    {
      const char *end = cur_find (c, ">]");

      if (!end)
        return;
      c->p = end + 2;
    }
}

static void
cpu_pc (struct sysrq_cpu *cpu, struct dump_block *b, struct cursor c,
        bool user)
{
  struct text_frame f;

  b->user = !b->pc; /* its registers are those that follow the first one */
  if (b->pc)
    return;
  b->pc = true;
  cpu->user = user;
  cpu->interrupted = cpu->nframes;
  skip_addresses (&c);
  if (!user && dump_frame (&c, &f))
    snprintf (cpu->rip, sizeof cpu->rip, "%s", f.func);
  else
    cur_copy (&c, cpu->rip, sizeof cpu->rip);
}

/* "RIP: 0010:func+0xb/0x10", "RIP: 0033:0x4307d8", "pc : func+0x8/0xc". */
static bool
pc_line (struct sysrq_dump *d, struct dump_block *b, struct cursor c)
{
  static const char *const says[] = { "RIP: ", "EIP: ", "pc : ", "PC is at ",
                                      "epc : " };
  bool is = false, user = false;
  struct cursor seg;
  uint64_t v;
  unsigned digits;

  cur_blanks (&c);
  for (size_t i = 0; i < ARRAY_LEN (says) && !is; i++)
    is = cur_lit (&c, says[i]);
  if (!is)
    return false;
  seg = c;
  if (cur_hex (&seg, &v, &digits) && digits == 4 && cur_lit (&seg, ":"))
    {
      user = (v & 3) == 3; /* x86: the ring it was in */
      c = seg;
    }
  if (b->cpu >= 0)
    cpu_pc (&d->cpus[b->cpu], b, c, user);
  else if (b->task >= 0)
    {
      struct sysrq_task *t = &d->tasks[b->task];

      b->user = user && !t->user_ip[0];
      if (b->user)
        cur_copy (&c, t->user_ip, sizeof t->user_ip);
    }
  return true;
}

/* ---- lines ---- */

/* "Workqueue: events_unbound flush_to_ldisc", "Workqueue:  0x0 (events)",
 * "Workqueue: writeback wb_workfn (flush-8:0)". */
static void
workqueue (struct cursor c, char *dst, size_t n)
{
  struct cursor name = c, func, desc;
  char a[40], f[64], e[40];

  /* One blank is the format's; a second one is an idle worker's empty name. */
  cur_lit (&name, " ");
  desc = name;
  if (!cur_word (&desc, &name))
    name.end = name.p;
  cur_blanks (&desc);
  if (!cur_word (&desc, &func))
    func = (struct cursor){ desc.p, desc.p };
  cur_blanks (&desc);
  if (cur_lit (&desc, "(") && desc.p < desc.end && desc.end[-1] == ')')
    desc.end--;
  cur_copy (&name, a, sizeof a);
  cur_copy (&func, f, sizeof f);
  cur_copy (&desc, e, sizeof e);
  if (!a[0] && (strcmp (f, "0x0") == 0 || strcmp (f, "(null)") == 0))
    snprintf (dst, n, "%s", e);
  else if (snprintf (dst, n, "%s (%s)%s%s", a, f, e[0] ? " " : "", e) < 0)
    dst[0] = '\0';
}

static bool
about (struct sysrq_dump *d, const struct dump_block *b, struct cursor c)
{
  struct sysrq_task *t = b->task >= 0 ? &d->tasks[b->task] : NULL;

  cur_blanks (&c);
  if (cur_lit (&c, "Workqueue:"))
    {
      if (t)
        workqueue (c, t->workqueue, sizeof t->workqueue);
      else if (b->cpu >= 0)
        workqueue (c, d->cpus[b->cpu].workqueue,
                   sizeof d->cpus[b->cpu].workqueue);
      return true;
    }
  if (cur_lit (&c, "Stopper:"))
    {
      if (t)
        cur_copy (&c, t->stopper, sizeof t->stopper);
      return true;
    }
  return cur_at (&c, "Code:") || cur_at (&c, "Hardware name:")
         || cur_at (&c, "Modules linked in:");
}

/* "<TASK>", "</TASK>", "<IRQ>", ...  A stack that begins twice is two. */
static bool
bracket (struct sysrq_dump *d, struct dump_block *b, struct cursor c)
{
  enum bracket which;
  bool closes;

  cur_blanks (&c);
  if (!cur_lit (&c, "<") || c.p == c.end || c.end[-1] != '>'
      || cur_left (&c) > 16)
    return false;
  closes = cur_lit (&c, "/") || cur_at (&c, "EO");
  which = cur_at (&c, "TASK") ? BRACKET_TASK : BRACKET_OTHER;
  if (!closes)
    {
      if ((b->open & which) && which == BRACKET_TASK)
        {
          if (b->task >= 0)
            d->tasks[b->task].torn = true;
          else if (b->cpu >= 0)
            d->cpus[b->cpu].torn = true;
        }
      b->open |= which;
      return true;
    }
  b->open &= ~(unsigned) which;
  b->over = which == BRACKET_TASK;
  b->open = b->over ? 0 : b->open;
  return true;
}

static bool
is_trace (struct cursor c)
{
  cur_blanks (&c);
  return cur_at (&c, "Call Trace:") || cur_at (&c, "Call trace:")
         || cur_at (&c, "Backtrace:");
}

/* Something else begins to be reported: what follows is its stack. */
static bool
is_other (const struct dump_block *b, struct cursor c)
{
  static const char *const says[]
      = { "------------[ cut here", "BUG: ", "WARNING: ", "Kernel panic",
          "Oops: ", "Unable to handle kernel", "general protection fault",
          "watchdog: BUG", "rcu: INFO: " };

  cur_blanks (&c);
  if (b->task >= 0 && cur_at (&c, "CPU: ") && cur_find (&c, "Comm: "))
    return true;
  for (size_t i = 0; i < ARRAY_LEN (says); i++)
    if (cur_at (&c, says[i]))
      return true;
  return false;
}

bool
dump_block_line (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct dump_block *b = &ctx->block;
  struct text_frame f;

  if (b->over)
    return false;
  if (is_trace (c))
    {
      /* The second one of a stack is another report's. */
      if (b->trace)
        {
          dump_section (d, ctx, NULL);
          return false;
        }
      return b->trace = true;
    }
  if (bracket (d, b, c) || about (d, b, c) || pc_line (d, b, c))
    return true;
  if ((b->pc || b->user) && registers (d, b, c))
    return true;
  if (dump_frame (&c, &f))
    {
      add_frame (d, b, &f);
      return true;
    }
  if (is_other (b, c))
    dump_section (d, ctx, NULL);
  return false;
}
