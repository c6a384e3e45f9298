/* SPDX-License-Identifier: Apache-2.0
 *
 * The trace buffer: rings, pages, records in them, what the kernel says of its
 * events.  Whatever these say, the section comes to an end, and its rows are
 * rows.
 *
 * All is in one piece, pages last; a place of 8 bytes may be given the address
 * of another, and what is between % and its letter is an input's, too.
 */
#include "tests/fuzz/pokes.h"
#include "tests/unit/kernel-memory/trace-bed.h"

#define PIECE (40u << 10)
#define EVENTS 7 /* that are told when nothing was changed */

struct bed
{
  struct fakekernel f;
  struct pokes pokes;
  uint64_t piece, used, format, page;
};

static uint64_t
take (struct fakekernel *f, uint64_t len, void *arg)
{
  struct bed *b = arg;
  uint64_t at = b->used;

  b->used += (len + 15) & ~15ULL;
  MUST (b->used <= b->piece + PIECE);
  return at;
}

static void
put_formats (struct bed *b, struct tracebed *t)
{
  uint64_t class;

  trace_own (t);
  trace_switch (t, 300);
  class = trace_class (t, "odd") + 48;
  trace_call (t, class - 48, 400, "every");
  trace_field (t, class, "__data_loc char[]", "name", 8, 4, false);
  trace_field (t, class, "__rel_loc u16[]", "rel", 12, 4, false);
  trace_field (t, class, "unsigned long[4]", "four", 16, 32, false);
  trace_field (t, class, "const char *", "text", 48, 8, false);
  trace_field (t, class, "u8[6]", "mac", 56, 6, false);
  b->format = trace_text (t, "n=%*d s=%-9s x=%#llx p=%pM c=%c %.3s\n");
}

static void
put_events (struct bed *b, struct tracebed *t, uint64_t page)
{
  struct traceevent e = { .pid = 10 };
  uint64_t text = FAKE_TEXT;

  memcpy (e.rest, &text, 8);
  memcpy (e.rest + 8, &text, 8);
  e.type = 1;
  (void) trace_event (t, page, 1, &e, 16);
  (void) trace_record (t, page, 30, 9, &(uint32_t){ 1 }, 4);
  e.type = 5;
  (void) trace_event (t, page, 1, &e, 24);
  memcpy (e.rest + 8, &b->format, 8);
  e.type = 6;
  (void) trace_event (t, page, 1, &e, 80);
  (void) trace_record (t, page, 29, 9, (uint32_t[]){ 8, 0 }, 8);
  e.type = 4;
  (void) trace_event (t, page, 1, &e, 48);
  (void) trace_record (t, page, 31, 1000, &(uint32_t){ 0 }, 4);
  memcpy (e.rest, (uint32_t[]){ 5u << 16 | 70, 4u << 16 | 58 }, 8);
  e.type = 400;
  (void) trace_event (t, page, 1, &e, 72);
}

static void
put_saved (struct bed *b, struct tracebed *t)
{
  /* Too large for the piece: only where it is and what it leads to are. */
  uint64_t saved = fakemem_alloc (&b->f.mem, SAVED_SIZE), pids, names;

  pids = trace_get (t, 16);
  names = trace_get (t, 64);
  fakemem_u64 (&b->f.mem, var (&b->f, "savedcmd"), saved);
  fakemem_u64 (&b->f.mem, saved + 131080, pids);
  fakemem_u32 (&b->f.mem, saved + 131088, 4);
  fakemem_u64 (&b->f.mem, saved + 131096, names);
  fakemem_u32 (&b->f.mem, saved + 4 * 10, 2);
  fakemem_u32 (&b->f.mem, pids + 8, 10);
  fakemem_text (&b->f.mem, names + 32, "traced");
}

static void
make (struct bed *b)
{
  struct fakekernel *f = &b->f;
  struct tracebed t = { .f = f, .take = take, .arg = b };
  uint64_t page[3], reader;

  make_system (f);
  fakekernel_with_tasks (f);
  trace_types (f);
  fakekernel_load (f);
  b->piece = b->used = fakemem_alloc (&f->mem, PIECE);
  trace_buffer (&t, 2);
  put_formats (b, &t);
  put_saved (b, &t);
  reader = trace_page (&t, 500);
  page[0] = trace_page (&t, 1000);
  put_events (b, &t, page[0]);
  b->page = trace_data (&t, page[0]);
  page[1] = trace_page (&t, 2000);
  (void) trace_event (&t, page[1], 1, &(struct traceevent){ 300 }, 32);
  page[2] = trace_page (&t, 3000);
  (void) trace_event (&t, page[2], 1, &(struct traceevent){ 300 }, 32);
  (void) trace_ring (&t, 0, reader, page, 2);
  (void) trace_ring (&t, 1, reader, page + 2, 1);
  pokes_keep (&b->pokes, &f->mem, b->piece, PIECE);
}

/* Six bytes: a place, a place whose address it is given, and how much more. */
static void
cross (struct bed *b, const uint8_t *data, size_t size)
{
  for (size_t i = 1; i + 6 <= size; i += 6)
    {
      uint64_t at = ((data[i] | (uint64_t) data[i + 1] << 8) * 8) % PIECE;
      uint64_t to = ((data[i + 2] | (uint64_t) data[i + 3] << 8) * 8) % PIECE;

      fakemem_u64 (&b->f.mem, b->piece + at,
                   b->piece + to + (data[i + 4] & 7) * (data[i + 5] & 15));
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct bed b;

  if (size > 4096)
    return 0;
  if (!b.f.k)
    make (&b);
  mem_again (b.f.m, 0);
  pokes_apply (&b.pokes, NULL, 0);
  if (size > 0 && (data[0] & 0x20))
    /* The records of one page. */
    memcpy (fakemem_at (&b.f.mem, b.page), data + 1, size - 1);
  else if (size > 0 && (data[0] & 0x40))
    cross (&b, data, size);
  else if (size > 0 && (data[0] & 0x10))
    memcpy (fakemem_at (&b.f.mem, b.format), data + 1,
            size - 1 < 40 ? size - 1 : 40);
  else
    pokes_apply (&b.pokes, data, size);
  pokes_look (&b.f, &section_ftrace);
  if (size == 0)
    {
      assert_no_row (&b.f, "lacks");
      MUST (fakekernel_count (&b.f, "\"row\":\"trace\",") == EVENTS);
    }
  return 0;
}
