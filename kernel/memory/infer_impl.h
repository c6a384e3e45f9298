/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that infer members share: the guest's tasks, found by their
 * list alone, and copies of some of them.
 */
#ifndef HANGDOG_KERNEL_MEMORY_INFER_IMPL_H
#define HANGDOG_KERNEL_MEMORY_INFER_IMPL_H

#include "kernel/memory/kernel.h"

#include <string.h>

/* More than a task_struct has before its floating point registers. */
#define INFER_PIECE 12288u
#define INFER_COMM 16u

struct infer
{
  struct kernel *k;
  uint64_t init;        /* init_task */
  uint32_t comm, tasks; /* offsets */
  uint64_t *all;        /* all leaders, in the order of the list; init first */
  size_t nall;
  /* Copies of the first and the last of them. */
  uint64_t *at;
  uint8_t *copy;
  size_t n;
};

/* init_task by its symbol or by what it looks like, and its list. */
bool infer_root_ (struct infer *in);
void infer_done_ (struct infer *in);
/* The modules' list where it has no name, and how a module looks where there
 * are no types. */
void infer_modules_ (struct kernel *k);
/* What each CPU runs; where locks have their owners and who waits. */
void infer_queue_ (struct infer *in);
void infer_locks_ (struct infer *in);
/* The kernel's image in pieces that overlap, from so far on, rounded down to a
 * page; what can't be read is passed over.  fn: 0 to go on; else that is
 * returned. */
typedef int infer_piece_fn (const uint8_t *piece, size_t len, uint64_t va,
                            void *arg);
int infer_scan_ (struct kernel *k, uint64_t from, infer_piece_fn *fn,
                 void *arg);
/* Nothing but what can be a task's name. */
bool infer_is_comm_ (const char comm[INFER_COMM]);

/* What is known stays. */
static inline void
infer_learn_ (struct infer *in, enum field f, uint32_t off, unsigned size)
{
  struct field_at *at = &in->k->fields.at[f];

  if (at->size == 0)
    *at = (struct field_at){ .offset = off,
                             .size = (uint16_t) size,
                             .how = FIELD_INFERRED };
}

static inline uint64_t
infer_u64 (const struct infer *in, size_t i, uint32_t off)
{
  uint64_t v;

  memcpy (&v, in->copy + i * INFER_PIECE + off, sizeof v);
  return v;
}

static inline uint32_t
infer_u32 (const struct infer *in, size_t i, uint32_t off)
{
  uint32_t v;

  memcpy (&v, in->copy + i * INFER_PIECE + off, sizeof v);
  return v;
}

#endif
