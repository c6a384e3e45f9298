/* SPDX-License-Identifier: Apache-2.0
 *
 * CPUs that spin for a lock: for which, and who may have it.
 *
 * A queued spinlock is one word: taken or not, whether one waits, and which
 * CPU is the last of those that queue behind that one.  Who has it is written
 * nowhere, but in kernels for debugging.  What can be said without a guess:
 * who waits; that whoever has it is on a CPU with preemption off; and that a
 * CPU whose count says otherwise has it not.
 *
 * Where the lock is the code around tells: it reads the word over and over
 * through a register.
 */
#include "kernel/memory/spin.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/look.h"
#include "kernel/memory/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 8u          /* frames above the one that spins */
#define CODE_BEFORE 32u   /* bytes of its loop */
#define CODE 64u
#define STACK_WORDS 512u  /* that are looked through for the lock */
#define PREEMPT_BITS 0xffu
#define SPIN_MAGIC 0xdead4eadu
#define NOT_COUNTED UINT32_MAX

struct cpu
{
  const struct vcpu_regs *regs;
  int cpu; /* the guest's number; -1 = not known */
  const struct look_task *task;
  struct stack stack;
  uint32_t preempt; /* how often it is off; NOT_COUNTED */
  bool spins, here; /* here: it was not interrupted */
  const char *kind;
  uint64_t lock; /* 0 = not known */
  uint32_t value;
  bool said;
};

struct spin
{
  struct look *l;
  struct cpu *cpus;
  unsigned n;
};

/* ---- who spins ---- */

static const struct
{
  const char *func, *kind;
} slow_paths[] = {
  { "queued_spin_lock_slowpath", "spinlock" },
  { "queued_read_lock_slowpath", "rwlock" },
  { "queued_write_lock_slowpath", "rwlock" },
};

static void
see_spinning (struct kernel *k, struct cpu *c)
{
  struct ksym sym;

  for (unsigned i = 0; i < c->stack.n && i < DEPTH; i++)
    {
      const struct frame *f = &c->stack.frames[i];

      if (f->guess || !kernel_sym (k, f->exact ? f->pc : f->pc - 1, &sym))
        return;
      for (size_t n = 0; n < ARRAY_LEN (slow_paths); n++)
        if (strstr (sym.name, slow_paths[n].func))
          {
            c->spins = true;
            c->here = i == 0;
            c->kind = slow_paths[n].kind;
            return;
          }
    }
}

/* How often somebody wants preemption off, where the kernel counts that. */
static uint32_t
preempt_of (struct kernel *k, const struct cpu *c)
{
  uint64_t at, v;
  uint32_t n;

  if (k->arch == ARCH_X86_64 && c->cpu >= 0)
    {
      if ((at = kernel_percpu (k, "pcpu_hot", (unsigned) c->cpu))
          && kernel_get (k, at, HOT_PREEMPT, &v))
        return (uint32_t) v & PREEMPT_BITS;
      if ((at = kernel_percpu (k, "__preempt_count", (unsigned) c->cpu))
          && space_u32 (k->space, at, &n))
        return n & PREEMPT_BITS;
    }
  else if (c->task && kernel_get (k, c->task->at, TASK_PREEMPT, &v))
    return (uint32_t) v & PREEMPT_BITS;
  return NOT_COUNTED;
}

/* ---- which lock ---- */

/* What the word may be while somebody waits. */
static bool
is_lock (const struct spin *s, uint64_t at, uint32_t *ret)
{
  struct kernel *k = s->l->k;
  uint32_t v, magic;

  if (at % 4 != 0 || !space_is_kernel (k->space, at)
      || !space_u32 (k->space, at, &v) || v == 0)
    return false;
  /* 3: somebody who waits sleeps beneath a hypervisor that knows of it. */
  if (((v & 0xff) > 1 && (v & 0xff) != 3) || (v >> 8 & 0xff) > 1
      || v >> 18 > kernel_cpus (k))
    return false;
  if (kernel_has (k, SPIN_MAGIC_AT)
      && (!space_u32 (k->space, at + k->fields.at[SPIN_MAGIC_AT].offset,
                      &magic)
          || magic != SPIN_MAGIC))
    return false;
  *ret = v;
  return true;
}

/* Registers that the code around reads four bytes through: "8b /r" without a
 * distance.  A bit for each. */
static uint32_t
read_through (const uint8_t *code, size_t len)
{
  uint32_t bits = 0;

  for (size_t i = 1; i + 2 < len; i++)
    {
      unsigned mode = code[i + 1] >> 6, base = code[i + 1] & 7;
      unsigned high = (code[i - 1] & 0xf9) == 0x41 ? 8 : 0;

      if (code[i] != 0x8b || base == 4)
        continue;
      if ((mode == 0 && base != 5)
          || (mode == 1 && base == 5 && code[i + 2] == 0))
        bits |= 1u << (base + high);
    }
  return bits;
}

static void
find_by_code (struct spin *s, struct cpu *c)
{
  const struct vcpu_regs *r = c->regs;
  uint8_t code[CODE];
  uint64_t found = 0;
  uint32_t bits, v, value = 0;

  if (!c->here || r->arch != ARCH_X86_64 || strcmp (c->kind, "spinlock") != 0
      || space_read (s->l->k->space, r->pc - CODE_BEFORE, code, sizeof code)
             < 0)
    return;
  bits = read_through (code, sizeof code);
  for (unsigned i = 0; i < 16; i++)
    if ((bits >> i & 1) && is_lock (s, r->gpr[i], &v) && r->gpr[i] != found)
      {
        if (found != 0)
          return;
        found = r->gpr[i];
        value = v;
      }
  c->lock = found;
  c->value = value;
}

/* The last of a queue is named in the lock's word. */
static void
find_by_tail (struct spin *s)
{
  for (unsigned i = 0; i < s->n; i++)
    for (unsigned n = 0; s->cpus[i].lock && n < s->n; n++)
      {
        struct cpu *c = &s->cpus[n];

        if (c->spins && !c->lock && c->cpu >= 0
            && s->cpus[i].value >> 18 == (uint32_t) c->cpu + 1)
          {
            c->lock = s->cpus[i].lock;
            c->value = s->cpus[i].value;
          }
      }
}

/* ---- who may have it ---- */

/* The lock's address among what it works with. */
static bool
has_address (struct spin *s, const struct cpu *c, uint64_t lock)
{
  struct stack_area a;
  uint64_t at, v;

  for (unsigned i = 0; i < 16; i++)
    if (c->regs->gpr[i] == lock)
      return true;
  if (!c->task || !unwind_area (s->l->k, c->task->at, &a)
      || c->regs->sp < a.lo || c->regs->sp >= a.hi)
    return false;
  at = (c->regs->sp + 7) & ~UINT64_C (7);
  for (unsigned i = 0; i < STACK_WORDS && at + 8 <= a.hi; i++, at += 8)
    if (space_u64 (s->l->k->space, at, &v) && v == lock)
      return true;
  return false;
}

static bool
in_module (struct kernel *k, const struct cpu *c,
           const struct kernel_module *m)
{
  for (unsigned i = 0; m && i < c->stack.n; i++)
    if (!c->stack.frames[i].guess
        && kernel_module_of (k, c->stack.frames[i].pc) == m)
      return true;
  return false;
}

/* A module's variables are no code of it: by the name. */
static const struct kernel_module *
module_of (struct kernel *k, uint64_t lock)
{
  struct ksym sym;

  if (!kernel_sym (k, lock, &sym) || !sym.module)
    return NULL;
  for (size_t i = 0; i < k->nmodules; i++)
    if (strcmp (k->modules[i].name, sym.module) == 0)
      return &k->modules[i];
  return NULL;
}

/* In the kernel, not spinning for the same, and with preemption off as far as
 * that is known. */
static bool
may_have (const struct cpu *c, const struct cpu *waiter)
{
  if (c == waiter || c->regs->cpl == 3
      || (c->spins && c->lock == waiter->lock))
    return false;
  /* Where the waiter's own is not counted, nobody's is. */
  if (waiter->preempt != NOT_COUNTED && waiter->preempt > 0
      && c->preempt != NOT_COUNTED)
    return c->preempt > 0;
  return c->regs->irqs_off || !c->regs->halted;
}

/* ---- telling ---- */

static void
say_cpu (struct look *l, const struct cpu *c)
{
  if (c->cpu >= 0)
    rows_int (l->rows, "cpu", c->cpu);
  else
    rows_uint (l->rows, "vcpu", c->regs->index);
  if (!c->task)
    return;
  rows_int (l->rows, "pid", c->task->pid);
  rows_text (l->rows, "comm", c->task->comm, strlen (c->task->comm));
}

static void
say_maybe (struct spin *s, const struct cpu *waiter)
{
  struct kernel *k = s->l->k;
  struct rows *rows = s->l->rows;
  const struct kernel_module *m = module_of (k, waiter->lock);

  rows_array (rows, "maybe");
  for (unsigned i = 0; i < s->n; i++)
    {
      const struct cpu *c = &s->cpus[i];

      if (!may_have (c, waiter))
        continue;
      rows_object (rows, NULL);
      say_cpu (s->l, c);
      if (c->preempt != NOT_COUNTED && waiter->preempt > 0
          && waiter->preempt != NOT_COUNTED)
        rows_bool (rows, "preempt_off", c->preempt > 0);
      rows_bool (rows, "irqs_off", c->regs->irqs_off);
      if (has_address (s, c, waiter->lock))
        rows_bool (rows, "has_address", true);
      if (in_module (k, c, m))
        rows_bool (rows, "same_module", true);
      rows_object_end (rows);
    }
  rows_array_end (rows);
}

/* Kernels for debugging remember it. */
static bool
say_owner (struct spin *s, uint64_t lock)
{
  struct kernel *k = s->l->k;
  const struct look_task *t;
  uint64_t owner, cpu;

  if (!kernel_has (k, SPIN_MAGIC_AT)
      || !kernel_get (k, lock, SPIN_OWNER, &owner)
      || !(t = look_task_at (s->l->tasks, owner)))
    return false;
  rows_object (s->l->rows, "owner");
  if (kernel_get (k, lock, SPIN_OWNER_CPU, &cpu)
      && (uint32_t) cpu < kernel_cpus (k))
    rows_uint (s->l->rows, "cpu", (uint32_t) cpu);
  rows_int (s->l->rows, "pid", t->pid);
  rows_text (s->l->rows, "comm", t->comm, strlen (t->comm));
  rows_object_end (s->l->rows);
  return true;
}

static void
say_waiters (struct spin *s, struct cpu *first)
{
  rows_array (s->l->rows, "waiters");
  for (unsigned i = 0; i < s->n; i++)
    {
      struct cpu *c = &s->cpus[i];

      if (c != first && (!c->spins || !first->lock || c->lock != first->lock))
        continue;
      rows_object (s->l->rows, NULL);
      say_cpu (s->l, c);
      rows_object_end (s->l->rows);
      c->said = true;
    }
  rows_array_end (s->l->rows);
}

static void
say_lock (struct spin *s, struct cpu *c)
{
  struct look *l = s->l;
  char name[600];
  struct ksym sym;

  rows_begin (l->rows, "spinlock");
  rows_str (l->rows, "kind", c->kind);
  if (c->lock)
    {
      rows_hex (l->rows, "at", c->lock);
      if (kernel_sym (l->k, c->lock, &sym))
        {
          kernel_name_of (l->k, c->lock, name, sizeof name);
          rows_str (l->rows, "name", name);
        }
      rows_hex (l->rows, "value", c->value);
    }
  say_waiters (s, c);
  if (c->lock && !say_owner (s, c->lock))
    {
      rows_bool (l->rows, "owner_recorded", false);
      say_maybe (s, c);
    }
  rows_end (l->rows);
}

int
spin_say (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  CLEANUP_FREE struct cpu *cpus = NULL;
  CLEANUP_FREE int *which = NULL;
  struct spin s = { .l = l, .n = k->ncpus };
  bool any = false;
  int r;

  if (k->ncpus == 0)
    return 0;
  r = look_cpus (l, &which, err);
  if (r < 0)
    return r;
  s.cpus = cpus = calloc (k->ncpus, sizeof *cpus);
  if (!cpus)
    return error_set (err, ENOMEM, "no memory for CPUs");
  kernel_modules (k);
  for (unsigned i = 0; i < s.n; i++)
    {
      struct cpu *c = &cpus[i];

      c->regs = &k->cpus[i];
      c->cpu = which[i];
      c->task = look_task_at (l->tasks, look_current (l, c->regs, c->cpu));
      if (unwind_cpu (k, c->regs, &c->stack) < 0)
        c->stack.n = 0;
      c->preempt = preempt_of (k, c);
      see_spinning (k, c);
      any |= c->spins;
    }
  for (unsigned i = 0; any && i < s.n; i++)
    if (cpus[i].spins)
      find_by_code (&s, &cpus[i]);
  find_by_tail (&s);
  for (unsigned i = 0; i < s.n && !rows_failed (l->rows); i++)
    if (cpus[i].spins && !cpus[i].said)
      say_lock (&s, &cpus[i]);
  return 0;
}
