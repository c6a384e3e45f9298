/* SPDX-License-Identifier: Apache-2.0
 *
 * The notes of a core: its CPUs, and what its kernel wrote down of itself.
 */
#include "kernel/memory/core.h"

#include "base/cleanup.h"
#include "kernel/memory/look.h"
#include "kernel/memory/regs_impl.h"
#include "kernel/memory/tasks.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void
note (struct buf *b, const char *name, uint32_t type, const void *desc,
      size_t len)
{
  static const char zeros[4];
  size_t namesz = strlen (name) + 1;
  Elf64_Nhdr head = { .n_namesz = (uint32_t) namesz,
                      .n_descsz = (uint32_t) len,
                      .n_type = type };

  buf_append (b, &head, sizeof head);
  buf_append (b, name, namesz);
  buf_append (b, zeros, -namesz & 3);
  buf_append (b, desc, len);
  buf_append (b, zeros, -len & 3);
}

/* ---- whom they run ---- */

struct who
{
  unsigned vcpu;
  int cpu; /* of the kernel; -1 = not known */
  uint32_t pid;
};

#define NOBODY UINT32_MAX

static uint32_t
pid_of (struct look *l, const struct vcpu_regs *r, int cpu)
{
  uint64_t task = look_current (l, r, cpu);
  int64_t pid;

  /* By its stack, then: all of them are needed for that. */
  if (task == 0 && !l->tasks && look_tasks_read (l->k, &l->tasks, NULL) == 0)
    task = look_current (l, r, cpu);
  return task && kernel_get_signed (l->k, task, TASK_PID, &pid)
             ? (uint32_t) pid
             : NOBODY;
}

static int
by_cpu (const void *a, const void *b)
{
  const struct who *x = a, *y = b;

  return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

/* As a kernel that dumps itself has them: its own numbers in their order, and
 * pr_pid of the task, 0 of idle ones.  drgn unwinds a running task by that.
 * Without a kernel it is the number of the vCPU and 1, as QEMU has it. */
static void
ask_who (struct kernel *k, unsigned ncpus, struct who *w)
{
  struct look l = { .k = k };
  CLEANUP_FREE int *cpu = NULL;
  bool all = true;

  for (unsigned i = 0; i < ncpus; i++)
    w[i] = (struct who){ i, -1, i + 1 };
  if (!k || k->ncpus != ncpus)
    return;
  /* There a CPU is known by its task. */
  if (k->arch == ARCH_ARM64)
    (void) look_tasks_read (k, &l.tasks, NULL);
  if (look_cpus (&l, &cpu, NULL) < 0)
    {
      look_tasks_free (l.tasks);
      return;
    }
  for (unsigned i = 0; i < ncpus; i++)
    {
      w[i].cpu = cpu[i];
      w[i].pid = pid_of (&l, &k->cpus[i], cpu[i]);
      all = all && cpu[i] >= 0;
    }
  look_tasks_free (l.tasks);
  if (all)
    qsort (w, ncpus, sizeof *w, by_cpu);
}

/* ---- the notes ---- */

static void
prstatus_x86 (struct buf *b, const struct vcpu_regs *r, uint32_t pid)
{
  unsigned char desc[PRSTATUS_X86] = { 0 };
  uint64_t v[PRSTATUS_X86_REGS] = { 0 };

  for (size_t i = 0; i < ARRAY_LEN (prstatus_x86_order_); i++)
    v[i] = r->gpr[prstatus_x86_order_[i]];
  v[15] = UINT64_MAX; /* orig_rax: no system call is to be begun anew */
  v[16] = r->pc;
  v[17] = r->seg[SEG_CS].selector;
  v[18] = r->flags;
  v[19] = r->sp;
  v[20] = r->seg[SEG_SS].selector;
  v[21] = r->seg[SEG_FS].base;
  v[22] = r->gs_base;
  v[23] = r->seg[SEG_DS].selector;
  v[24] = r->seg[SEG_ES].selector;
  v[25] = r->seg[SEG_FS].selector;
  v[26] = r->seg[SEG_GS].selector;
  memcpy (desc + PRSTATUS_PID, &pid, sizeof pid);
  memcpy (desc + PRSTATUS_REGS, v, sizeof v);
  note (b, "CORE", NT_PRSTATUS, desc, sizeof desc);
}

static void
prstatus_arm64 (struct buf *b, const struct vcpu_regs *r, uint32_t pid)
{
  unsigned char desc[PRSTATUS_ARM64] = { 0 };
  uint64_t v[PRSTATUS_ARM64_REGS] = { 0 };

  memcpy (v, r->gpr, 31 * sizeof v[0]);
  v[31] = r->sp;
  v[32] = r->pc;
  v[33] = r->flags;
  memcpy (desc + PRSTATUS_PID, &pid, sizeof pid);
  memcpy (desc + PRSTATUS_REGS, v, sizeof v);
  note (b, "CORE", NT_PRSTATUS, desc, sizeof desc);
}

static void
qemu_cpu (struct buf *b, const struct vcpu_regs *r)
{
  struct qemu_cpu q = {
    .version = QEMU_CPU_VERSION,
    .size = sizeof q,
    .rax = r->gpr[0],
    .rcx = r->gpr[1],
    .rdx = r->gpr[2],
    .rbx = r->gpr[3],
    .rsp = r->gpr[4],
    .rbp = r->gpr[5],
    .rsi = r->gpr[6],
    .rdi = r->gpr[7],
    .rip = r->pc,
    .rflags = r->flags,
    .cr = { [0] = r->cr0, [2] = r->cr2, [3] = r->cr3, [4] = r->cr4 },
    .kernel_gs_base = r->kernel_gs_base,
  };

  memcpy (q.r, r->gpr + 8, sizeof q.r);
  for (unsigned i = 0; i < SEG_MAX; i++)
    q.seg[i] = (struct qemu_segment){ .selector = r->seg[i].selector,
                                      .limit = r->seg[i].limit,
                                      .flags = r->seg[i].flags,
                                      .base = r->seg[i].base };
  note (b, "QEMU", 0, &q, sizeof q);
}

static void
vmcoreinfo (struct core *c, const struct kernel *k)
{
  CLEANUP_FREE char *text = malloc (VMCOREINFO_MAX);
  size_t len = 0;

  if (text && k && k->info)
    len = vmcoreinfo_text (k->info, text, VMCOREINFO_MAX);
  if (len > 0)
    note (&c->head, "VMCOREINFO", 0, text, len);
  c->vmcoreinfo = len > 0;
}

/* Kinds in QEMU's order. */
int
core_notes_ (struct core *c, struct kernel *k, const struct vcpu_regs *cpus,
             unsigned ncpus)
{
  CLEANUP_FREE struct who *w = calloc (ncpus + 1, sizeof *w);

  if (!w)
    return -ENOMEM;
  ask_who (k, ncpus, w);
  for (unsigned i = 0; i < ncpus; i++)
    {
      const struct vcpu_regs *r = &cpus[w[i].vcpu];

      if (r->arch == ARCH_X86_64)
        prstatus_x86 (&c->head, r, w[i].pid);
      else if (r->arch == ARCH_ARM64)
        prstatus_arm64 (&c->head, r, w[i].pid);
    }
  for (unsigned i = 0; i < ncpus; i++)
    if (cpus[w[i].vcpu].arch == ARCH_X86_64)
      qemu_cpu (&c->head, &cpus[w[i].vcpu]);
  vmcoreinfo (c, k);
  c->cpus = ncpus;
  return 0;
}
