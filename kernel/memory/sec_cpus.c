/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "cpus": what each vCPU is executing.
 *
 * Which of the kernel's CPUs a vCPU is: in the kernel its GS base is that
 * CPU's per-cpu area.  In user mode it is the program's, but its task register
 * points at the CPU's own segment.  No register that QEMU tells of an arm64
 * CPU does: there the task on whose stack it is knows.  For those that are
 * left the numbers are taken to be in the same order.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/ipi.h"
#include "kernel/memory/stacks.h"
#include "kernel/memory/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 8192u
#define WAITS_MAX 64u

static int
cpu_of (struct kernel *k, const struct vcpu_regs *r, unsigned ncpus)
{
  uint64_t base;

  for (unsigned cpu = 0; cpu < ncpus; cpu++)
    if (kernel_cpu_base (k, cpu, &base) && base != 0
        && (base == r->gs_base || base == r->kernel_gs_base))
      return (int) cpu;
  return -1;
}

/* Its task state segment is seen at another address, so it is the same page
 * that tells. */
static int
cpu_of_segment (struct kernel *k, const struct vcpu_regs *r, unsigned ncpus)
{
  uint64_t at, want, pa, run;

  if (r->tr_base == 0
      || space_translate (k->space, r->tr_base, &want, &run) < 0)
    return -1;
  for (unsigned cpu = 0; cpu < ncpus; cpu++)
    if ((at = kernel_percpu (k, "cpu_tss_rw", cpu))
        && space_translate (k->space, at, &pa, &run) == 0 && pa == want)
      return (int) cpu;
  return -1;
}

/* The task that a CPU runs, by whichever way this kernel has. */
static uint64_t
current_of (struct kernel *k, unsigned cpu)
{
  uint64_t at, task = 0;

  if ((at = kernel_percpu (k, "pcpu_hot", cpu))
      && kernel_get (k, at, HOT_CURRENT, &task) && task)
    return task;
  if ((at = kernel_percpu (k, "current_task", cpu))
      && space_u64 (k->space, at, &task) && task)
    return task;
  if ((at = kernel_percpu (k, "runqueues", cpu))
      && kernel_get (k, at, RQ_CURR, &task))
    return task;
  return 0;
}

/* The task whose stack it is on: arm64, and where per-cpu variables have no
 * names. */
static uint64_t
task_on_stack (const struct look *l, uint64_t sp)
{
  struct stack_area a;

  for (size_t i = 0; l->tasks && i < l->tasks->n; i++)
    if (unwind_area (l->k, l->tasks->tasks[i].at, &a) && sp >= a.lo
        && sp < a.hi)
      return l->tasks->tasks[i].at;
  return 0;
}

uint64_t
look_current (const struct look *l, const struct vcpu_regs *r, int cpu)
{
  uint64_t task = cpu >= 0 ? current_of (l->k, (unsigned) cpu) : 0;

  return task || r->cpl == 3 ? task : task_on_stack (l, r->sp);
}

/* arm64 has no register for it that QEMU tells: the one that the task whose
 * stack it is on says it is on. */
static int
cpu_of_task (const struct look *l, const struct vcpu_regs *r, unsigned ncpus,
             const bool *taken)
{
  uint64_t task = r->arch == ARCH_ARM64 && r->cpl != 3
                      ? task_on_stack (l, r->sp)
                      : 0;
  const struct look_task *t = task ? look_task_at (l->tasks, task) : NULL;

  return t && t->on_cpu && t->cpu >= 0 && (unsigned) t->cpu < ncpus
                 && !taken[t->cpu]
             ? t->cpu
             : -1;
}

static void
say_current (struct look *l, uint64_t task)
{
  const struct look_task *t = task ? look_task_at (l->tasks, task) : NULL;
  uint64_t readers;

  if (!t)
    return;
  rows_int (l->rows, "pid", t->pid);
  rows_text (l->rows, "comm", t->comm, strlen (t->comm));
  /* Until it is done with that no grace period ends. */
  if (kernel_get (l->k, t->at, TASK_RCU_NESTING, &readers)
      && (int32_t) readers > 0)
    rows_bool (l->rows, "rcu_reader", true);
}

/* In user mode: where in which file. */
static void
say_user_at (struct look *l, const struct vcpu_regs *r, uint64_t task)
{
  const struct look_task *t = task ? look_task_at (l->tasks, task) : NULL;
  char where[1100];

  if (t && look_user_at (l->k, t->mm, r->pc, where, sizeof where))
    rows_str (l->rows, "at", where);
}

static void
say_waits (struct look *l, unsigned cpu, uint64_t task, const struct stack *s)
{
  uint32_t others[WAITS_MAX];
  unsigned n = ipi_waits (l->k, cpu, task, s, others, WAITS_MAX);

  if (n > 0)
    {
      rows_array (l->rows, "waits_for_cpus");
      for (unsigned i = 0; i < n; i++)
        rows_uint (l->rows, NULL, others[i]);
      rows_array_end (l->rows);
    }
  if ((n = ipi_unanswered (l->k, cpu)) > 0)
    rows_uint (l->rows, "unanswered_calls", n);
}

static void
say_cpu (struct look *l, const struct vcpu_regs *r, int cpu)
{
  struct stack s;
  unsigned stack;
  char where[600];
  uint64_t task = look_current (l, r, cpu);

  if (unwind_cpu (l->k, r, &s) < 0)
    s.n = 0;
  stack = stacks_say (l, &s);
  rows_begin (l->rows, "cpu");
  rows_uint (l->rows, "vcpu", r->index);
  if (cpu >= 0)
    rows_int (l->rows, "cpu", cpu);
  rows_str (l->rows, "mode", r->cpl == 3 ? "user" : "kernel");
  if (r->cpl != 3)
    {
      kernel_modules (l->k);
      kernel_name_of (l->k, r->pc, where, sizeof where);
      rows_str (l->rows, "at", where);
    }
  else
    say_user_at (l, r, task);
  rows_hex (l->rows, "pc", r->pc);
  rows_bool (l->rows, "irqs_off", r->irqs_off);
  rows_bool (l->rows, "halted", r->halted);
  say_current (l, task);
  if (stack)
    rows_uint (l->rows, "stack", stack);
  if (cpu >= 0)
    say_waits (l, (unsigned) cpu, task, &s);
  rows_end (l->rows);
}

/* ---- without registers: what the kernel wrote down ---- */

/* A kernel thread's own function: whatever it calls, it is there. */
static void
say_begun (struct look *l, const struct look_task *t)
{
  char name[600], *plus;
  uint64_t kthread, func;

  if (!t->kernel_thread || !kernel_get (l->k, t->at, TASK_KTHREAD, &kthread)
      || kthread == 0 || !kernel_get (l->k, kthread, KTHREAD_FUNC, &func)
      || !space_is_kernel (l->k->space, func))
    return;
  kernel_modules (l->k);
  kernel_name_of (l->k, func, name, sizeof name);
  /* "func+0x0/0x80 [module]" */
  plus = strstr (name, "+0x0/");
  if (!plus)
    return;
  memmove (plus, plus + strcspn (plus, " "),
           strlen (plus + strcspn (plus, " ")) + 1);
  rows_str (l->rows, "begun", name);
}

static void
say_remembered (struct look *l, unsigned cpu)
{
  uint64_t task = current_of (l->k, cpu);
  const struct look_task *t = task ? look_task_at (l->tasks, task) : NULL;
  unsigned stack = 0, n;
  struct stack s;
  char where[600];

  if (t && t->pid > 0 && unwind_left (l->k, task, &s) == 0)
    stack = stacks_say (l, &s);
  rows_begin (l->rows, "cpu");
  rows_int (l->rows, "cpu", (int) cpu);
  say_current (l, task);
  if (stack)
    {
      kernel_modules (l->k);
      kernel_name_of (l->k, s.frames[0].pc, where, sizeof where);
      rows_str (l->rows, "at", where);
      rows_str (l->rows, "seen", "interrupt");
      rows_uint (l->rows, "stack", stack);
    }
  if (t)
    say_begun (l, t);
  if ((n = ipi_unanswered (l->k, cpu)) > 0)
    rows_uint (l->rows, "unanswered_calls", n);
  rows_end (l->rows);
}

static void
say_from_memory (struct look *l, unsigned ncpus)
{
  look_lacks (l, "cpus", "registers",
              "nobody gave them: QEMU's monitor does not answer, or was not "
              "asked");
  for (unsigned cpu = 0; cpu < ncpus; cpu++)
    say_remembered (l, cpu);
}

int
look_cpus (const struct look *l, int **ret, struct error *err)
{
  struct kernel *k = l->k;
  unsigned ncpus = kernel_cpus (k);
  CLEANUP_FREE int *cpu = NULL;
  CLEANUP_FREE bool *taken = NULL;

  if (ncpus > CPUS_MAX)
    ncpus = CPUS_MAX;
  cpu = calloc (k->ncpus, sizeof *cpu);
  taken = calloc (ncpus + 1, sizeof *taken);
  if (!cpu || !taken)
    return error_set (err, ENOMEM, "no memory for CPUs");
  for (unsigned i = 0; i < k->ncpus; i++)
    if ((cpu[i] = cpu_of (k, &k->cpus[i], ncpus)) >= 0
        || (cpu[i] = cpu_of_segment (k, &k->cpus[i], ncpus)) >= 0
        || (cpu[i] = cpu_of_task (l, &k->cpus[i], ncpus, taken)) >= 0)
      taken[cpu[i]] = true;
  for (unsigned i = 0, next = 0; i < k->ncpus; i++)
    {
      while (next < ncpus && taken[next])
        next++;
      if (cpu[i] < 0 && next < ncpus)
        cpu[i] = (int) next++;
    }
  *ret = steal_ptr (&cpu);
  return 0;
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  unsigned ncpus = kernel_cpus (k);
  CLEANUP_FREE int *cpu = NULL;
  int r;

  if (k->ncpus == 0)
    {
      say_from_memory (l, ncpus < CPUS_MAX ? ncpus : CPUS_MAX);
      return 0;
    }
  r = look_cpus (l, &cpu, err);
  for (unsigned i = 0; r == 0 && i < k->ncpus; i++)
    say_cpu (l, &k->cpus[i], cpu[i]);
  return r;
}

const struct section section_cpus = {
  .name = "cpus",
  .summary = "what each vCPU is executing",
  .cheap = true,
  .run = run,
};
