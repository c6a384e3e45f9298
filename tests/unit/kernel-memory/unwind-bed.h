/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel with one sleeping task, and functions of all kinds whose stacks can
 * be made and walked.
 */
#ifndef HANGDOG_TESTS_UNWIND_BED_H
#define HANGDOG_TESTS_UNWIND_BED_H

#include "tests/lib/fakekernel.h"

#include <errno.h>

/* Of the registers that an interrupt leaves. */
enum
{
  PT_BP = 32,
  PT_DI = 112,
  PT_SI = 104,
  PT_NR = 120,
  PT_IP = 128,
  PT_CS = 136,
  PT_SP = 152,
  PT_SIZE = 168,
};

struct bed
{
  struct fakekernel f;
  uint64_t task, lo, hi;
  struct stack s;
};

static inline uint64_t
func (struct bed *b, const char *name)
{
  return fakekernel_at (&b->f, name);
}

/* What the functions of these tests do with their stacks. */
static inline void
make (struct bed *b, int format)
{
  static const struct
  {
    const char *name;
    struct fakerule rule;
  } funcs[] = {
    { "leaf", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "middle", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "outer", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "by_bp", { .type = ORC_CALL, .sp = ORC_BP, .sp_offset = 16,
                 .bp = ORC_PREV_SP, .bp_offset = -16 } },
    { "switched", { .type = ORC_CALL, .sp = ORC_SP_INDIRECT,
                    .sp_offset = 8 } },
    { "irq", { .type = ORC_REGS, .sp = ORC_SP, .signal = true } },
    { "fault", { .type = ORC_IRET, .sp = ORC_SP, .sp_offset = 8,
                 .signal = true } },
    { "by_r10", { .type = ORC_CALL, .sp = ORC_R10, .sp_offset = 8 } },
    { "spin", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 0 } },
    { "thread", { .type = ORC_END } },
    { "behind", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "unknown", { .type = ORC_UNKNOWN } },
  };
  struct fakerule rules[sizeof funcs / sizeof funcs[0]];

  memset (b, 0, sizeof *b);
  fakekernel_new (&b->f);
  fakekernel_with_tasks (&b->f);
  b->f.orc = format;
  b->f.orc_told = true;
  for (size_t i = 0; i < sizeof funcs / sizeof funcs[0]; i++)
    {
      rules[i] = funcs[i].rule;
      rules[i].at = fakekernel_func (&b->f, funcs[i].name);
    }
  if (format)
    fakekernel_rules (&b->f, rules, sizeof rules / sizeof rules[0]);
  fakekernel_load (&b->f);
  b->task = fakekernel_task (&b->f, 7, "sleeper", 2);
  b->lo = fakemem_get (&b->f.mem, b->task + FAKE_STACK_AT);
  b->hi = b->lo + FAKE_STACK;
}

static inline void
put (struct bed *b, uint64_t at, uint64_t v)
{
  fakemem_u64 (&b->f.mem, at, v);
}

static inline void
walk_task (struct bed *b)
{
  mem_fresh (b->f.m);
  assert_int_equal (unwind_task (b->f.k, b->task, &b->s), 0);
}

static inline void
walk_cpu (struct bed *b, const struct vcpu_regs *r)
{
  mem_fresh (b->f.m);
  assert_int_equal (unwind_cpu (b->f.k, r, &b->s), 0);
}

static inline void
assert_frames (struct bed *b, const char *names)
{
  struct ksym sym;
  unsigned i = 0;

  for (; *names; i++)
    {
      size_t n = strcspn (names, " ");

      assert_true (i < b->s.n);
      assert_true (ksyms_find (b->f.k->syms, b->s.frames[i].pc - 1, &sym));
      if (strlen (sym.name) != n || strncmp (sym.name, names, n) != 0)
        fail_msg ("frame %u is %s, not %s", i, sym.name, names);
      names += n + (names[n] == ' ');
    }
  assert_int_equal (b->s.n, i);
}

#endif
