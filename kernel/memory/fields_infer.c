/* SPDX-License-Identifier: Apache-2.0
 *
 * Where members of a task are, learned from the tasks themselves, for kernels
 * that carry no types.
 *
 * Each member has a property that its neighbours lack: pid and tgid of a
 * process are one number twice and no other process has it; a stack has the
 * kernel's own mark at its end; what a sleeping task left behind lies on that
 * stack and leads into code.  A property must hold for all tasks that were
 * copied (or nearly all where tasks may be dying or running), and the whole
 * once more for all there are: else nothing is kept.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/infer_impl.h"

#include <stdio.h>
#include <stdlib.h>

#define STACK_MARK 0x57ac6e9du
#define INFO_MAX 256u /* a thread_info, where it is on the stack */
#define STACK_MAX (32u << 10)
#define PF_KTHREAD 0x00200000u
#define STATES 0x1ffffu /* all bits a state may have */
#define PID_MAX (1u << 22)
#define SIGCHLD_NR 17u
/* sigcnt, live and the count of threads come before the list in all. */
#define THREAD_HEAD 16u
#define FIRST 3u /* the idle task, init and kthreadd */

/* Nearly all: some may be dying or running. */
static bool
most (size_t have, size_t of)
{
  return of > 0 && have * 4 >= of * 3;
}

static void
learn (struct infer *in, enum field f, uint32_t off, unsigned size)
{
  infer_learn_ (in, f, off, size);
}

static uint32_t
offset (const struct infer *in, enum field f)
{
  return in->k->fields.at[f].offset;
}

static bool
is_text (const struct infer *in, uint64_t va)
{
  if (in->k->syms)
    return ksyms_is_text (in->k->syms, va);
  return va - in->k->image.va < in->k->image.len;
}

/* ---- pid and tgid ---- */

static bool
pid_at (const struct infer *in, uint32_t off)
{
  for (size_t i = 0; i < in->n; i++)
    {
      uint32_t pid = infer_u32 (in, i, off);

      if (pid != infer_u32 (in, i, off + 4) || pid >= PID_MAX
          || (i < FIRST ? pid != i : pid == 0)
          || (i > 0 && pid == infer_u32 (in, i - 1, off)))
        return false;
    }
  return true;
}

static bool
find_pid (struct infer *in)
{
  for (uint32_t off = 0; off + 8 <= INFER_PIECE; off += 4)
    if (pid_at (in, off))
      {
        learn (in, TASK_PID, off, 4);
        learn (in, TASK_TGID, off + 4, 4);
        return true;
      }
  return false;
}

/* ---- the stack, and what is left on it ---- */

/* The mark is at its end; in kernels before 4.9 (x86) and 4.10 (arm64), which
 * have their thread_info there, behind that: and the task is in it. */
static bool
is_stack (const struct infer *in, uint64_t va, uint64_t task)
{
  uint64_t words[INFO_MAX / 8];
  bool has_task = false;

  if (va % 4096 != 0 || !space_is_kernel (in->k->space, va)
      || space_read (in->k->space, va, words, sizeof words) < 0)
    return false;
  if ((uint32_t) words[0] == STACK_MARK)
    return true;
  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    {
      if (has_task && (uint32_t) words[i] == STACK_MARK)
        return true;
      has_task = has_task || words[i] == task;
    }
  return false;
}

static bool
find_stack (struct infer *in)
{
  for (uint32_t off = 0; off + 8 <= INFER_PIECE; off += 8)
    {
      size_t good = 0, i;

      for (i = 0; i < in->n; i++)
        {
          uint64_t va = infer_u64 (in, i, off);

          /* A dying task's is gone. */
          if (va != 0 && !is_stack (in, va, in->at[i]))
            break;
          good += va != 0;
        }
      if (i == in->n && most (good, in->n))
        {
          learn (in, TASK_STACK, off, 8);
          return true;
        }
    }
  return false;
}

static bool
on_stack (const struct infer *in, size_t i, uint64_t va)
{
  return va % 8 == 0
         && va - infer_u64 (in, i, offset (in, TASK_STACK)) < STACK_MAX;
}

/* How many tasks' word at off lies on their stacks; those without a stack
 * count as well. */
static size_t
words_on_stack (const struct infer *in, uint32_t off)
{
  size_t n = 0;

  for (size_t i = 0; i < in->n; i++)
    n += infer_u64 (in, i, offset (in, TASK_STACK)) == 0
         || on_stack (in, i, infer_u64 (in, i, off));
  return n;
}

/* x86-64: six registers are pushed before the stack is switched, so code is 48
 * bytes above (with the flags first, in some versions, 56). */
static bool
find_sp (struct infer *in)
{
  for (uint32_t off = offset (in, TASK_STACK) + 8; off + 8 <= INFER_PIECE;
       off += 8)
    {
      if (words_on_stack (in, off) < in->n)
        continue;
      for (uint32_t ret = 48; ret <= 56; ret += 8)
        {
          size_t good = 0;

          for (size_t i = 0; i < in->n; i++)
            {
              uint64_t pc;

              good += space_u64 (in->k->space, infer_u64 (in, i, off) + ret,
                                 &pc)
                      && is_text (in, pc);
            }
          if (!most (good, in->n))
            continue;
          learn (in, TASK_THREAD_SP, off, 8);
          learn (in, INACTIVE_RET, ret, 8);
          learn (in, INACTIVE_BP, ret - 8, 8);
          return true;
        }
    }
  return false;
}

/* Before 4.9 the frame pointer is the last that was pushed, and where it goes
 * on is the same for all. */
static bool
find_old_sp (struct infer *in)
{
  for (uint32_t off = offset (in, TASK_STACK) + 8; off + 8 <= INFER_PIECE;
       off += 8)
    {
      size_t good = 0;

      if (words_on_stack (in, off) < in->n)
        continue;
      for (size_t i = 0; i < in->n; i++)
        {
          uint64_t sp = infer_u64 (in, i, off), fp, pc;

          good += space_u64 (in->k->space, sp, &fp) && fp > sp
                  && on_stack (in, i, fp)
                  && space_u64 (in->k->space, fp + 8, &pc) && is_text (in, pc);
        }
      if (!most (good, in->n))
        continue;
      learn (in, TASK_THREAD_SP, off, 8);
      learn (in, INACTIVE_BP, 0, 8);
      return true;
    }
  return false;
}

/* arm64: frame pointer, stack pointer and code, one after the other. */
static bool
find_context (struct infer *in)
{
  for (uint32_t off = offset (in, TASK_STACK) + 8; off + 24 <= INFER_PIECE;
       off += 8)
    {
      size_t good = 0;

      if (!most (words_on_stack (in, off), in->n)
          || !most (words_on_stack (in, off + 8), in->n))
        continue;
      for (size_t i = 0; i < in->n; i++)
        good += is_text (in, infer_u64 (in, i, off + 16));
      if (!most (good, in->n))
        continue;
      learn (in, TASK_THREAD_FP, off, 8);
      learn (in, TASK_THREAD_ARM_SP, off + 8, 8);
      learn (in, TASK_THREAD_PC, off + 16, 8);
      return true;
    }
  return false;
}

/* ---- what is near the stack's pointer ---- */

static void
find_state (struct infer *in)
{
  uint32_t off = offset (in, TASK_STACK) - 8;
  size_t asleep = 0;

  if (offset (in, TASK_STACK) < 8 || infer_u32 (in, 0, off) != 0)
    return;
  for (size_t i = 0; i < in->n; i++)
    {
      if (infer_u32 (in, i, off) & ~STATES)
        return;
      asleep += infer_u32 (in, i, off) != 0;
    }
  if (asleep > in->n / 2)
    learn (in, TASK_STATE, off, 4);
}

/* Since 5.16 the CPU is the last of what lies before the state; before there
 * is nothing but zeros. */
static void
find_cpu (struct infer *in)
{
  uint32_t off = offset (in, TASK_STACK) - 12, max = 0;
  uint32_t cpus = in->k->ncpus > 0 ? in->k->ncpus : REGS_MAX_CPUS;

  if (offset (in, TASK_STACK) < 12)
    return;
  for (size_t i = 0; i < in->n; i++)
    if (infer_u32 (in, i, off) > max)
      max = infer_u32 (in, i, off);
  if (max > 0 && max < cpus)
    learn (in, TASK_CPU, off, 4);
}

/* Whether it is on a CPU: a word, since 7.x a byte.  How many are; -1 = it is
 * not there. */
static int
on_cpus_at (const struct infer *in, uint32_t off, bool *ret_word)
{
  int n = 0;

  *ret_word = true;
  for (size_t i = 0; i < in->n; i++)
    {
      if ((infer_u32 (in, i, off) & 0xff) > 1)
        return -1;
      *ret_word &= infer_u32 (in, i, off) <= 1;
      n += infer_u32 (in, i, off) & 1;
    }
  return n;
}

/* Behind what traces it; before 5.8 a pointer is between, which is nobody's in
 * who sleeps, and, from 4.9 on, the CPU behind it. */
static void
find_on_cpu (struct infer *in, uint32_t flags)
{
  const uint32_t new = flags + 8, old = ((flags + 8 + 7) & ~7u) + 8;
  uint32_t max = 0, cpus = in->k->ncpus > 0 ? in->k->ncpus : REGS_MAX_CPUS;
  bool word, old_word;
  int n = on_cpus_at (in, new, &word);

  if (n > 0 || on_cpus_at (in, old, &old_word) <= 0)
    {
      if (n >= 0)
        learn (in, TASK_ON_CPU, new, word ? 4 : 1);
      return;
    }
  learn (in, TASK_ON_CPU, old, 4);
  for (size_t i = 0; i < in->n; i++)
    if (infer_u32 (in, i, old + 4) > max)
      max = infer_u32 (in, i, old + 4);
  if (max > 0 && max < cpus)
    learn (in, TASK_CPU, old + 4, 4);
}

/* Kernel threads have a flag that never changed; init has it not, kthreadd
 * and the idle task have it. */
static void
find_flags (struct infer *in)
{
  uint32_t from = offset (in, TASK_STACK) + 8;

  for (uint32_t off = from; off < from + 32; off += 4)
    {
      if (!(infer_u32 (in, 0, off) & PF_KTHREAD)
          || infer_u32 (in, 1, off) & PF_KTHREAD
          || !(infer_u32 (in, 2, off) & PF_KTHREAD))
        continue;
      learn (in, TASK_FLAGS, off, 4);
      find_on_cpu (in, off);
      return;
    }
}

/* ---- what is near the list ---- */

/* mm and active_mm are one for whoever has user space. */
static bool
mm_at (const struct infer *in, uint32_t off)
{
  size_t with = 0;

  for (size_t i = 0; i < in->n; i++)
    {
      uint64_t mm = infer_u64 (in, i, off);
      bool thread = infer_u32 (in, i, offset (in, TASK_FLAGS)) & PF_KTHREAD;

      if (mm == 0)
        continue;
      if (thread || !space_is_kernel (in->k->space, mm)
          || mm != infer_u64 (in, i, off + 8))
        return false;
      with++;
    }
  return with > 0 && infer_u64 (in, 1, off) != 0;
}

/* Zombies and the dead have few values; two words on is the signal that tells
 * their parent. */
static bool
exit_at (const struct infer *in, uint32_t off)
{
  size_t good = 0;

  for (size_t i = 0; i < in->n; i++)
    {
      uint32_t v = infer_u32 (in, i, off);

      if (v != 0 && v != 16 && v != 32 && v != 48)
        return false;
      good += infer_u32 (in, i, off + 8) == SIGCHLD_NR;
    }
  return most (good, in->n);
}

static void
find_mm (struct infer *in)
{
  if (!fields_has (&in->k->fields, TASK_FLAGS))
    return;
  for (uint32_t off = in->tasks + 16; off < in->tasks + 256; off += 8)
    if (mm_at (in, off))
      {
        learn (in, TASK_MM, off, 8);
        for (uint32_t e = off + 16; e < off + 256; e += 4)
          if (exit_at (in, e))
            {
              learn (in, TASK_EXIT_STATE, e, 4);
              break;
            }
        return;
      }
}

/* When it last began to run, and when it was last queued: that is zero for who
 * sleeps. */
static bool
arrival_at (const struct infer *in, uint32_t off)
{
  size_t ran = 0, idle = 0;

  for (size_t i = 0; i < in->n; i++)
    {
      uint64_t v = infer_u64 (in, i, off);

      if (v >> 56)
        return false;
      ran += v != 0;
      idle += infer_u64 (in, i, off + 8) == 0;
    }
  return most (ran, in->n) && most (idle, in->n);
}

/* They lie before the list; since 7.x two words are between. */
static void
find_arrival (struct infer *in)
{
  for (uint32_t before = 16; before <= 32 && before <= in->tasks; before += 16)
    if (arrival_at (in, in->tasks - before))
      {
        learn (in, TASK_LAST_ARRIVAL, in->tasks - before, 8);
        return;
      }
}

/* ---- other tasks ---- */

static int
by_value (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return x < y ? -1 : x > y;
}

/* The first word behind the pids that is a task for nearly all, and init_task
 * for itself, for init and for kthreadd. */
static void
find_parent (struct infer *in)
{
  CLEANUP_FREE uint64_t *sorted = reallocarray (NULL, in->nall, 8);
  uint32_t from = (offset (in, TASK_TGID) + 4 + 7) & ~7u;

  if (!sorted)
    return;
  memcpy (sorted, in->all, in->nall * 8);
  qsort (sorted, in->nall, 8, by_value);
  for (uint32_t off = from; off < from + 64; off += 8)
    {
      size_t good = 0;

      for (size_t i = 0; i < in->n; i++)
        {
          uint64_t parent = infer_u64 (in, i, off);

          good += i < FIRST ? parent == in->init
                               : bsearch (&parent, sorted, in->nall, 8,
                                          by_value)
                                     != NULL;
        }
      if (most (good, in->n) && infer_u64 (in, 0, off) == in->init)
        {
          learn (in, TASK_PARENT, off, 8);
          return;
        }
    }
}

/* Task i's word at off leads to a list of threads whose first is the task
 * itself, at *ret_node. */
static bool
signal_at (const struct infer *in, size_t i, uint32_t off, uint64_t *ret_node)
{
  uint64_t head = infer_u64 (in, i, off) + THREAD_HEAD, next, node, back;

  if (head % 8 != 0 || !space_is_kernel (in->k->space, head)
      || !space_u64 (in->k->space, head, &next) || next == head)
    return false;
  node = next - in->at[i];
  if (node % 8 != 0 || node > INFER_PIECE - 16)
    return false;
  back = infer_u64 (in, i, (uint32_t) node + 8);
  *ret_node = node;
  return back == head;
}

static void
find_threads (struct infer *in)
{
  for (uint32_t off = 0; off + 8 <= INFER_PIECE; off += 8)
    {
      uint64_t node, other;
      size_t good = 1;

      if (!signal_at (in, 0, off, &node))
        continue;
      for (size_t i = 1; i < in->n; i++)
        good += signal_at (in, i, off, &other) && other == node;
      if (!most (good, in->n))
        continue;
      learn (in, TASK_SIGNAL, off, 8);
      learn (in, TASK_THREAD_NODE, (uint32_t) node, 16);
      learn (in, SIGNAL_THREAD_HEAD, THREAD_HEAD, 16);
      return;
    }
}

/* Times of birth, twice in a row, ascend with the list; the two words before
 * count how often the task was switched away from. */
static void
find_switches (struct infer *in)
{
  for (uint32_t off = 16; off + 16 <= INFER_PIECE; off += 8)
    {
      size_t i;

      for (i = 2; i < in->n; i++)
        {
          uint64_t v = infer_u64 (in, i, off);

          if (v == 0 || v >> 56 || v < infer_u64 (in, i - 1, off)
              || infer_u64 (in, i, off + 8) < v
              || infer_u64 (in, i, off + 8) - v > UINT64_MAX >> 8
              || infer_u64 (in, i, off - 16) >> 48
              || infer_u64 (in, i, off - 8) >> 48)
            break;
        }
      if (i < in->n || infer_u64 (in, in->n - 1, off) < 1000000
          || infer_u64 (in, 1, off - 16) == 0)
        continue;
      learn (in, TASK_NVCSW, off - 16, 8);
      learn (in, TASK_NIVCSW, off - 8, 8);
      return;
    }
}

/* ---- all of them ---- */

static bool
proves_itself (struct infer *in)
{
  size_t stacks = 0;

  for (size_t i = 0; i < in->nall; i++)
    {
      uint64_t pid, tgid, stack;

      if (!kernel_get (in->k, in->all[i], TASK_PID, &pid)
          || !kernel_get (in->k, in->all[i], TASK_TGID, &tgid)
          || !kernel_get (in->k, in->all[i], TASK_STACK, &stack)
          || pid != tgid || pid >= PID_MAX || (pid == 0) != (i == 0))
        return false;
      stacks += is_stack (in, stack, in->all[i]);
    }
  return most (stacks, in->nall);
}

static void
forget (struct kernel *k)
{
  for (size_t i = 0; i < FIELD_MAX; i++)
    if (k->fields.at[i].how == FIELD_INFERRED)
      k->fields.at[i] = (struct field_at){ 0 };
}

static void
learn_task (struct infer *in)
{
  learn (in, LIST_NEXT, 0, 8);
  learn (in, LIST_PREV, 8, 8);
  learn (in, TASK_COMM, in->comm, INFER_COMM);
  learn (in, TASK_TASKS, in->tasks, 16);
  if (in->n <= FIRST || !find_pid (in) || !find_stack (in)
      || !proves_itself (in))
    {
      forget (in->k);
      return;
    }
  if (in->k->arch == ARCH_ARM64)
    find_context (in);
  else if (!find_sp (in))
    find_old_sp (in);
  find_state (in);
  if (in->k->arch == ARCH_X86_64)
    find_cpu (in);
  find_flags (in);
  find_mm (in);
  find_arrival (in);
  find_parent (in);
  find_threads (in);
  find_switches (in);
  infer_queue_ (in);
  infer_locks_ (in);
  /* It is the first of what is asked for all the time. */
  if (kernel_var (in->k, "pcpu_hot") > 0)
    learn (in, HOT_CURRENT, 0, 8);
}

int
fields_infer (struct kernel *k)
{
  struct infer in = { .k = k };
  int learned = 0;

  if (infer_root_ (&in))
    {
      if (!k->btf)
        learn_task (&in);
      /* Tables of code alone do not name it. */
      if (k->syms && ksyms_addr (k->syms, "init_task") == 0)
        ksyms_add (k->syms, "init_task", in.init);
    }
  infer_done_ (&in);
  for (size_t i = 0; i < FIELD_MAX; i++)
    learned += k->fields.at[i].how == FIELD_INFERRED;
  return learned;
}
