/* SPDX-License-Identifier: Apache-2.0
 *
 * Unwind tables and stacks: whatever they say, a walk comes to an end within
 * its bounds.  The piece that inputs change has the addresses, the rules, and
 * a stack, which is also that of a task, with what interrupts left on it.
 */
#include "tests/fuzz/pokes.h"

#define ENTRIES 32u
#define STACK_BYTES 2048u
#define PIECE (10u * ENTRIES + STACK_BYTES)

struct bed
{
  struct fakekernel f;
  struct pokes pokes;
  uint64_t stack, task, top; /* top: of the task's */
};

static void
put_rules (struct fakekernel *f, uint64_t ips)
{
  for (unsigned i = 0; i < ENTRIES; i++)
    {
      struct fakerule rule = { .type = ORC_CALL,
                               .sp = i % 8 == 7 ? ORC_BP : ORC_SP };
      int16_t off = 16;
      uint16_t flags;

      rule.type = i % 8 == 6 ? ORC_REGS : i == 29 ? ORC_END : ORC_CALL;
      flags = fakekernel_flags (3, &rule);
      fakemem_u32 (&f->mem, ips + 4 * i,
                   (uint32_t) (FAKE_TEXT + i * FAKE_FUNC - (ips + 4 * i)));
      fakemem_put (&f->mem, ips + 4 * ENTRIES + 6 * i, &off, 2);
      fakemem_put (&f->mem, ips + 4 * ENTRIES + 6 * i + 4, &flags, 2);
    }
}

/* Where the task's is, so that they are whole until an input breaks them. */
static void
put_left (struct bed *b)
{
  for (unsigned at = 256; at + 512 < STACK_BYTES; at += 512)
    {
      uint64_t sp = b->top - STACK_BYTES + at + 168;

      fakemem_u64 (&b->f.mem, b->stack + at + 128, FAKE_TEXT + at);
      fakemem_u64 (&b->f.mem, b->stack + at + 136, 0x10);
      fakemem_u64 (&b->f.mem, b->stack + at + 144, 0x246);
      fakemem_u64 (&b->f.mem, b->stack + at + 152, sp);
      fakemem_u64 (&b->f.mem, b->stack + at + 160, 0x18);
    }
}

static void
make (struct bed *b)
{
  uint64_t piece;
  char name[16];

  fakekernel_new (&b->f);
  fakekernel_with_tasks (&b->f);
  for (unsigned i = 0; i < ENTRIES; i++)
    {
      snprintf (name, sizeof name, "func%u", i);
      fakekernel_func (&b->f, name);
    }
  piece = fakekernel_var (&b->f, "piece", PIECE);
  fakekernel_symbol (&b->f, "__start_orc_unwind_ip", piece, 'D');
  fakekernel_symbol (&b->f, "__stop_orc_unwind_ip", piece + 4 * ENTRIES, 'D');
  fakekernel_symbol (&b->f, "__start_orc_unwind", piece + 4 * ENTRIES, 'D');
  fakekernel_load (&b->f);
  put_rules (&b->f, piece);
  b->stack = piece + 10 * ENTRIES;
  for (unsigned i = 0; i < STACK_BYTES / 8; i++)
    fakemem_u64 (&b->f.mem, b->stack + 8 * i,
                 i % 2 ? FAKE_TEXT + i % ENTRIES * FAKE_FUNC + 8
                       : b->stack + 8 * i + 64);
  b->task = fakekernel_task (&b->f, 7, "runner", 0);
  b->top = fakemem_get (&b->f.mem, b->task + FAKE_STACK_AT) + FAKE_STACK;
  put_left (b);
  pokes_keep (&b->pokes, &b->f.mem, piece, PIECE);
}

static void
walk_left (struct bed *b)
{
  struct stack s;

  for (unsigned i = 0; i < STACK_BYTES; i += 8)
    fakemem_u64 (&b->f.mem, b->top - STACK_BYTES + i,
                 fakemem_get (&b->f.mem, b->stack + i));
  if (unwind_left (b->f.k, b->task, &s) < 0)
    return;
  MUST (s.n >= 2 && s.n <= UNWIND_MAX);
  MUST (s.end == END_USER || s.end == END_THREAD);
  MUST (space_is_kernel (b->f.k->space, s.frames[0].pc));
}

static void
walk_from (struct bed *b, uint64_t pc, uint64_t sp)
{
  struct vcpu_regs r = fakemem_cpu (&b->f.mem, 0);
  struct stack s;

  r.pc = pc;
  r.sp = sp;
  r.fp = sp + 256;
  MUST (unwind_cpu (b->f.k, &r, &s) == 0);
  MUST (s.n >= 1 && s.n <= UNWIND_MAX && s.end <= END_LOST);
  MUST (s.frames[0].pc == pc && s.frames[0].exact);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct bed b;
  struct error err = ERROR_INIT;
  struct orc_row row;

  if (!b.f.k)
    make (&b);
  pokes_apply (&b.pokes, data, size);
  mem_fresh (b.f.m);
  if (orc_load (b.f.k, &b.f.k->orc, &err) < 0)
    {
      MUST (!b.f.k->orc && err.code != 0);
      return 0;
    }
  for (unsigned i = 0; i < ENTRIES; i++)
    {
      uint64_t pc = FAKE_TEXT + i * FAKE_FUNC + i;

      if (orc_find (b.f.k, pc, &row))
        MUST (row.type <= ORC_IRET && row.sp <= ORC_SP_INDIRECT);
      walk_from (&b, pc, b.stack + 8 * i);
    }
  walk_left (&b);
  orc_free (b.f.k->orc);
  b.f.k->orc = NULL;
  return 0;
}
