/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of events there are.  See event.h.
 */
#include "kernel/text/event.h"

#include <string.h>

const struct text_kind text_kinds[] = {
  { "panic", "the kernel gave up" },
  { "oops",
    "a fault within the kernel, of a sort that its first line did not say" },
  { "gpf", "a general protection fault within the kernel" },
  { "null_deref", "the kernel used a NULL pointer" },
  { "paging_fault", "the kernel used an address that is not mapped" },
  { "double_fault", "a fault while a fault was handled" },
  { "stack_overflow", "a kernel stack was used up or written over" },
  { "divide_error", "the kernel divided by zero" },
  { "invalid_opcode", "the kernel came upon an instruction that is none" },
  { "int3", "the kernel ran into a breakpoint" },
  { "unhandled_fault", "a fault that the kernel has no handler for" },
  { "alignment_trap", "an access that is not aligned" },
  { "internal_error", "arm: an exception within the kernel" },
  { "kernel_bug",
    "the kernel found itself in a state that must not be (BUG)" },
  { "bug", "the kernel complains of a bug of its own" },
  { "warning", "the kernel found something that it did not expect (WARNING)" },
  { "refcount", "a reference count overflowed or was used after its end" },
  { "list_corruption", "a linked list was written over" },
  { "usercopy", "a copy to or from userspace beyond an object's bounds" },
  { "object_bug",
    "an object was used before or after its life (ODEBUG, kobject)" },
  { "memory_corruption", "a memory allocator found its memory written over" },
  { "bad_page", "a page or its table is in a state that must not be" },
  { "hung_task", "a task waits for too long" },
  { "soft_lockup", "a CPU does not schedule" },
  { "hard_lockup", "a CPU does not take interrupts" },
  { "rcu_stall", "a CPU or task holds up RCU's grace periods" },
  { "workqueue_lockup", "workers do not get on with their work" },
  { "cant_die", "a task that was killed does not die" },
  { "atomic_sleep", "something slept or scheduled where that must not be" },
  { "preempt_bug", "per-CPU data used where the task may move" },
  { "lockdep",
    "an order of locks that may end in a deadlock, or locks misused" },
  { "suspicious_rcu", "RCU used without its protection" },
  { "spinlock_bug",
    "a spinlock, mutex or semaphore misused or held for too long" },
  { "ubsan", "undefined behaviour was caught" },
  { "kasan", "a wrong memory access was caught by KASAN" },
  { "kmsan", "uninitialised memory was used, caught by KMSAN" },
  { "kcsan", "a data race was caught by KCSAN" },
  { "kfence", "a wrong memory access was caught by KFENCE" },
  { "memory_leak", "memory that nobody refers to" },
  { "rust_panic", "code in Rust gave up" },
  { "unwind_bug", "the unwinder met a stack that it does not understand" },
  { "netdev_refs", "a network device waits for its last user" },
  { "vfs_bug", "a file system's objects were used after their end" },
  { "nmi", "a non-maskable interrupt that nobody wanted" },
  { "mce", "the hardware reported an error" },
  { NULL, NULL },
};

const struct text_kind *
text_kind_find (const char *name)
{
  const struct text_kind *k;

  for (k = text_kinds; k->name; k++)
    if (strcmp (k->name, name) == 0)
      return k;
  return NULL;
}
