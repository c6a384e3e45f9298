/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at a guest's kernel: sections, each of which stands alone and says in
 * rows what it found.
 *
 * A row is one JSON object on one line, with "row" as its first member:
 * task, stack, cpu, lock, request, ... (docs/inspect-json.md).  What a section
 * could not find out is a row "lacks" with a reason, not an error.  All text
 * of the guest goes through rows_text(), which escapes it.
 */
#ifndef HANGDOG_KERNEL_MEMORY_LOOK_H
#define HANGDOG_KERNEL_MEMORY_LOOK_H

#include "base/rows.h"
#include "kernel/memory/inspect.h"
#include "kernel/memory/kernel.h"
#include "kernel/memory/moved.h"
#include "kernel/memory/unwind.h"

struct error;
struct stacks;

struct look
{
  struct kernel *k;
  struct rows *rows;
  uint64_t now_ns;        /* the guest's clock, 0 = not known */
  struct stacks *stacks;  /* identical ones have one number (stacks.c) */
  struct look_tasks *tasks; /* read once for all sections; tasks.h */
  struct moved *moved;      /* NULL = it is looked at once */
};

struct section
{
  const char *name;    /* "tasks" */
  const char *summary; /* for --help */
  bool cheap;          /* part of a look that was asked for nothing special */
  /* 0, or an error of our own (no memory, over the limits): what the guest
   * lacks is told in rows. */
  int (*run) (struct look *l, struct error *err);
};
extern const struct section *const sections[]; /* ends with NULL */
extern const struct section section_system, section_cpus, section_tasks,
    section_locks, section_io, section_mem, section_modules, section_timers,
    section_work, section_net, section_procs, section_mounts, section_dmesg,
    section_ftrace;
const struct section *section_find (const char *name);

/* The guest's clock in ns, as its CPUs last looked at it; 0 = not known. */
uint64_t look_clock (struct kernel *k);

/* Jiffies, and what they are in time; false = not known. */
struct look_ticks
{
  uint64_t now, up_ms;
  unsigned hz;
};
bool look_ticks (const struct look *l, struct look_ticks *ret);
/* The clock of timers in ns, which may stand still; 0 = not known. */
uint64_t look_monotonic (const struct look *l);

/* Which of the guest's CPUs each vCPU of k->cpus is; -1 = not known.  ret is
 * malloc'ed.  (sec_cpus.c) */
int look_cpus (const struct look *l, int **ret, struct error *err);
/* The task that it runs, by that number or its stack; 0 = not known. */
uint64_t look_current (const struct look *l, const struct vcpu_regs *r,
                       int cpu);

/* What a file or place is called, from the root of its mount on, or through
 * all mounts when it is known which it is (0 = not); paths.c. */
bool look_path (struct kernel *k, uint64_t vfsmount, uint64_t dentry,
                char *dst, size_t size);
/* "/usr/lib/libc.so.6+0x1234": the place in a file that is mapped at va in
 * this address space; user.c. */
bool look_user_at (struct kernel *k, uint64_t mm, uint64_t va, char *dst,
                   size_t size);

/* "/system.slice/ssh.service", from the root on; NULL = not known; sec_tasks.c.
 */
#define LOOK_CGROUP 1024
const char *look_cgroup_path (struct kernel *k, uint64_t cgroup,
                              char buf[LOOK_CGROUP]);

/* A row {"row":"lacks","section":...,"what":...,"why":...}. */
void look_lacks (struct look *l, const char *section, const char *what,
                 const char *why, ...)
    __attribute__ ((format (printf, 4, 5)));

#endif
