/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a heartbeat, of a kernel that was found.
 */
#include "kernel/memory/beat.h"

#include "base/error.h"
#include "kernel/memory/look.h"

#include <string.h>

struct beat_maker
{
  struct kernel *k;
  unsigned char *dst;
  unsigned n;
  unsigned char canary[BEAT_CANARY_LEN];
};

/* All pieces of a value, or none: half of one is worth nothing. */
static bool
add (struct beat_maker *b, enum beat_what what, unsigned cpu, uint64_t va,
     unsigned size)
{
  struct beat_entry e = { .what = (uint8_t) what,
                          .cpu = (uint8_t) cpu,
                          .size = (uint8_t) size };
  unsigned n = b->n;
  uint64_t run, left;

  if (va == 0 || size == 0 || size > BEAT_BANNER_LEN
      || !(beat_sizes (what) >> (size - 1) & 1))
    return false;
  for (unsigned at = 0; at < size; at += e.len)
    {
      if (n >= BEAT_MAX_ENTRIES
          || space_translate (b->k->space, va + at, &e.gpa, &run) < 0)
        return false;
      left = BEAT_PAGE - e.gpa % BEAT_PAGE;
      run = run < left ? run : left;
      e.at = (uint8_t) at;
      e.len = (uint8_t) (run < size - at ? run : size - at);
      if (e.len == 0 || !mem_has (b->k->mem, e.gpa, e.len))
        return false;
      beat_put_entry (b->dst + BEAT_HEAD + BEAT_ENTRY * n++, &e);
    }
  b->n = n;
  return true;
}

/* ---- what is another in each boot ---- */

/* Read by the table itself: what is compared later is exactly that. */
static bool
add_canary (struct beat_maker *b, enum beat_what what, uint64_t va,
            unsigned size, unsigned at)
{
  unsigned before = b->n;

  if (!add (b, what, 0, va, size))
    return false;
  for (unsigned i = before; i < b->n; i++)
    {
      struct beat_entry e
          = beat_get_entry (b->dst + BEAT_HEAD + BEAT_ENTRY * i);

      if (mem_read (b->k->mem, e.gpa, b->canary + at + e.at, e.len, NULL) < 0)
        {
          memset (b->canary + at, 0, size);
          b->n = before;
          return false;
        }
    }
  return true;
}

static bool
add_canaries (struct beat_maker *b)
{
  static const char *const bases[]
      = { "page_offset_base", "kimage_voffset", "memstart_addr", "phys_base" };
  struct kernel *k = b->k;
  uint64_t init = kernel_var (k, "init_task");
  bool banner = k->banner_at
                && add_canary (b, BEAT_BANNER, k->banner_at, BEAT_BANNER_LEN,
                               0);
  bool boot = init && k->fields.at[TASK_STACK_CANARY].size == 8
              && add_canary (b, BEAT_BOOT,
                             init + k->fields.at[TASK_STACK_CANARY].offset, 8,
                             BEAT_BANNER_LEN);

  for (unsigned i = 0; i < sizeof bases / sizeof *bases; i++)
    if (add_canary (b, BEAT_BASE, kernel_var (k, bases[i]), 8,
                    BEAT_BANNER_LEN + 8))
      break;
  return banner || boot;
}

/* ---- what moves ---- */

static bool
add_member (struct beat_maker *b, enum beat_what what, unsigned cpu,
            uint64_t object, enum field f)
{
  const struct field_at *at = &b->k->fields.at[f];

  return at->size > 0 && at->bits == 0
         && add (b, what, cpu, object + at->offset, at->size);
}

/* True when anything of it moves while the CPU lives. */
static bool
add_cpu (struct beat_maker *b, unsigned cpu)
{
  uint64_t rq = kernel_percpu (b->k, "runqueues", cpu);
  bool moves;

  if (!rq)
    return false;
  moves = add_member (b, BEAT_SWITCHES, cpu, rq, RQ_SWITCHES);
  moves = add_member (b, BEAT_CLOCK, cpu, rq, RQ_CLOCK) || moves;
  (void) add_member (b, BEAT_RUNNING, cpu, rq, RQ_RUNNING);
  (void) add_member (b, BEAT_BLOCKED, cpu, rq, RQ_UNINTERRUPTIBLE);
  (void) add_member (b, BEAT_CURR, cpu, rq, RQ_CURR);
  (void) add_member (b, BEAT_IDLE, cpu, rq, RQ_IDLE);
  return moves;
}

static unsigned
rate_of (struct kernel *k)
{
  const struct look l = { .k = k, .now_ns = look_clock (k) };
  struct look_ticks t;

  return look_ticks (&l, &t) ? t.hz : 0;
}

int
kernel_beat (struct kernel *k, unsigned char *dst, size_t *ret_len,
             struct error *err)
{
  struct beat_maker b = { .k = k, .dst = dst };
  struct beat_head head = { 0 };
  unsigned cpus;
  bool moves;

  mem_fresh (k->mem);
  if (!add_canaries (&b))
    return error_set (err, ENOENT, "nothing is known by which another boot of "
                                   "the guest could be told");
  cpus = kernel_cpus (k);
  moves = add (&b, BEAT_TICKS, 0, kernel_var (k, "jiffies_64"), 8);
  (void) add (&b, BEAT_LOAD, 0, kernel_var (k, "avenrun"), 24);
  (void) add (&b, BEAT_PANIC, 0, kernel_var (k, "panic_cpu"), 4);
  for (unsigned cpu = 0; cpu < cpus && cpu < BEAT_MAX_CPUS; cpu++)
    moves = add_cpu (&b, cpu) || moves;
  if (!moves)
    return error_set (err, ENOENT, "neither its ticks nor its run queues are "
                                   "known");
  head.entries = (uint16_t) b.n;
  head.cpus = (uint16_t) cpus;
  head.hz = (uint16_t) rate_of (k);
  head.canary = beat_hash (b.canary);
  beat_put_head (dst, &head);
  *ret_len = BEAT_HEAD + BEAT_ENTRY * (size_t) b.n;
  return 0;
}
