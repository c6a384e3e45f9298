/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's log: the ring with its laps, records without data, half
 * written and damaged ones, offsets that lie; and the log before it.
 */
#include "tests/lib/fakekernel.h"

#define BITS 4        /* 16 records */
#define DATA_BITS 10  /* 1 KiB */
#define DESC 24
#define INFO 96
#define FINAL_STATE (2ULL << 62)
#define COMMITTED_STATE (1ULL << 62)
#define REUSABLE_STATE (3ULL << 62)

struct ring
{
  struct fakekernel f;
  uint64_t prb, descs, infos, data;
  uint64_t id;   /* the next record's */
  uint64_t lpos; /* where its text begins */
};

static void
types (struct fakekernel *f)
{
  fakekernel_type (f, "prb_desc_ring", 48,
                   "count_bits@0:4 descs@8:8 infos@16:8 head_id@24:8 "
                   "tail_id@32:8");
  fakekernel_type (f, "prb_data_ring", 32,
                   "size_bits@0:4 data@8:8 head_lpos@16:8 tail_lpos@24:8");
  fakekernel_type (f, "printk_ringbuffer", 88,
                   "desc_ring@0=prb_desc_ring text_data_ring@48=prb_data_ring");
  fakekernel_type (f, "prb_data_blk_lpos", 16, "begin@0:8 next@8:8");
  fakekernel_type (f, "prb_desc", DESC,
                   "state_var@0:8 text_blk_lpos@8=prb_data_blk_lpos");
  fakekernel_type (f, "printk_info", INFO,
                   "seq@0:8 ts_nsec@8:8 text_len@16:2 facility@18:1 "
                   "caller_id@20:4");
}

/* The first id is chosen: they go round. */
static void
make (struct ring *r, uint64_t first)
{
  uint64_t var;

  memset (r, 0, sizeof *r);
  fakekernel_new (&r->f);
  types (&r->f);
  var = fakekernel_var (&r->f, "prb", 8);
  fakekernel_load (&r->f);
  r->prb = fakemem_alloc (&r->f.mem, 96);
  r->descs = fakemem_alloc (&r->f.mem, DESC << BITS);
  r->infos = fakemem_alloc (&r->f.mem, INFO << BITS);
  r->data = fakemem_alloc (&r->f.mem, 1 << DATA_BITS);
  r->id = first;
  fakemem_u64 (&r->f.mem, var, r->prb);
  fakemem_u32 (&r->f.mem, r->prb, BITS);
  fakemem_u64 (&r->f.mem, r->prb + 8, r->descs);
  fakemem_u64 (&r->f.mem, r->prb + 16, r->infos);
  fakemem_u64 (&r->f.mem, r->prb + 24, first);
  fakemem_u64 (&r->f.mem, r->prb + 32, first);
  fakemem_u32 (&r->f.mem, r->prb + 48, DATA_BITS);
  fakemem_u64 (&r->f.mem, r->prb + 56, r->data);
}

static uint64_t
desc_of (struct ring *r, uint64_t id)
{
  return r->descs + (id & ((1 << BITS) - 1)) * DESC;
}

static uint64_t
info_of (struct ring *r, uint64_t id)
{
  return r->infos + (id & ((1 << BITS) - 1)) * INFO;
}

/* As the kernel does: a block that does not fit before the end goes to the
 * beginning.  Returns its id. */
static uint64_t
add (struct ring *r, const char *text, uint64_t seq)
{
  const uint64_t mask = (1 << DATA_BITS) - 1, ids = (1ULL << 62) - 1;
  uint64_t len = strlen (text), size = (8 + len + 7) & ~7ULL, at;
  uint64_t begin = r->lpos, next = begin + size, id = r->id;
  uint32_t caller = 0x80000002u;
  uint16_t n = (uint16_t) len;

  at = begin & mask;
  if ((begin >> DATA_BITS) != ((next - 1) >> DATA_BITS))
    {
      next = ((begin >> DATA_BITS) + 1) << DATA_BITS;
      next += size;
      at = 0;
    }
  r->lpos = next;
  fakemem_u64 (&r->f.mem, r->data + at, id);
  fakemem_put (&r->f.mem, r->data + at + 8, text, len);
  fakemem_u64 (&r->f.mem, desc_of (r, id), FINAL_STATE | id);
  fakemem_u64 (&r->f.mem, desc_of (r, id) + 8, begin);
  fakemem_u64 (&r->f.mem, desc_of (r, id) + 16, next);
  fakemem_u64 (&r->f.mem, info_of (r, id), seq);
  fakemem_u64 (&r->f.mem, info_of (r, id) + 8, seq * 1000000);
  fakemem_put (&r->f.mem, info_of (r, id) + 16, &n, 2);
  fakemem_put (&r->f.mem, info_of (r, id) + 18, "\x01\xc0", 2);
  fakemem_u32 (&r->f.mem, info_of (r, id) + 20, caller);
  fakemem_u64 (&r->f.mem, r->prb + 24, id);
  if (((id - fakemem_get (&r->f.mem, r->prb + 32)) & ids) >= 1 << BITS)
    fakemem_u64 (&r->f.mem, r->prb + 32, (id - (1 << BITS) + 1) & ids);
  r->id = (id + 1) & ids;
  return id;
}

static void
look (struct ring *r)
{
  fakekernel_look (&r->f, &section_dmesg);
}

static void
test_plain (void **state)
{
  struct ring r;

  make (&r, 0);
  add (&r, "first", 0);
  add (&r, "second \"one\"", 1);
  look (&r);
  assert_row (&r.f, "{\"row\":\"dmesg\",\"seq\":0,\"us\":0,\"level\":6,"
                    "\"facility\":1,\"caller\":\"C2\",\"text\":\"first\"}");
  assert_row (&r.f, "\"us\":1000,");
  assert_row (&r.f, "\"text\":\"second \\\"one\\\"\"");
  assert_int_equal (fakekernel_count (&r.f, "\"row\""), 2);
  fakekernel_free (&r.f);
}

/* Many laps, texts of all lengths: the last ones are there and whole. */
static void
laps (uint64_t first)
{
  struct ring r;
  char text[64], want[96];

  make (&r, first);
  for (unsigned i = 0; i < 300; i++)
    {
      snprintf (text, sizeof text, "%u:%.*s", i, (int) (i % 40),
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
      add (&r, text, i);
      if (i % 7 != 0)
        continue;
      look (&r);
      assert_int_equal (fakekernel_count (&r.f, "\"row\":\"dmesg\""),
                        i < 16 ? i + 1 : 16);
      assert_no_row (&r.f, "lacks");
      snprintf (want, sizeof want, "\"text\":\"%s\"", text);
      assert_row (&r.f, want);
      if (i >= 16)
        {
          snprintf (want, sizeof want, "\"seq\":%u,", i - 15);
          assert_row (&r.f, want);
        }
    }
  fakekernel_free (&r.f);
}

static void
test_laps (void **state)
{
  laps (0);
  laps ((1ULL << 62) - 100); /* ids go round on the way */
}

/* A line without text, and one that had no room. */
static void
test_without_data (void **state)
{
  struct ring r;
  uint64_t a, b;

  make (&r, 0);
  a = add (&r, "", 0);
  b = add (&r, "lost", 1);
  add (&r, "third", 2);
  fakemem_u64 (&r.f.mem, desc_of (&r, a) + 8, 3);
  fakemem_u64 (&r.f.mem, desc_of (&r, a) + 16, 3);
  fakemem_u64 (&r.f.mem, desc_of (&r, b) + 8, 1);
  fakemem_u64 (&r.f.mem, desc_of (&r, b) + 16, 1);
  look (&r);
  assert_row (&r.f, "\"seq\":0,\"us\":0,\"level\":6,\"facility\":1,"
                    "\"caller\":\"C2\",\"text\":\"\"}");
  assert_row (&r.f, "\"seq\":1,");
  assert_row (&r.f, "\"text\":\"third\"");
  assert_no_row (&r.f, "lacks");
  fakekernel_free (&r.f);
}

/* One record as long as its length can say, of bytes that grow when they are
 * escaped: it does not take the rows around it along. */
static void
test_long_record (void **state)
{
  const size_t len = UINT16_MAX;
  struct ring r;
  uint64_t id, data;
  char *text = malloc (len);

  make (&r, 0);
  add (&r, "first", 0);
  id = add (&r, "second", 1);
  add (&r, "third", 2);
  assert_non_null (text);
  memset (text, 0xff, len);
  data = fakemem_alloc (&r.f.mem, 1 << 18);
  for (uint64_t at = 0; at < 1 << DATA_BITS; at += 8)
    fakemem_u64 (&r.f.mem, data + at, fakemem_get (&r.f.mem, r.data + at));
  fakemem_u32 (&r.f.mem, r.prb + 48, 18);
  fakemem_u64 (&r.f.mem, r.prb + 56, data);
  fakemem_u64 (&r.f.mem, data + 4096, id);
  fakemem_put (&r.f.mem, data + 4104, text, len);
  fakemem_u64 (&r.f.mem, desc_of (&r, id) + 8, 4096);
  fakemem_u64 (&r.f.mem, desc_of (&r, id) + 16, 4096 + 8 + 65536);
  fakemem_put (&r.f.mem, info_of (&r, id) + 16, &(uint16_t){ UINT16_MAX }, 2);
  look (&r);
  assert_row (&r.f, "\"text\":\"first\"");
  assert_row (&r.f, "\"text\":\"\\\\xff\\\\xff");
  assert_row (&r.f, "\"text\":\"third\"");
  assert_true (r.f.rows_len < ROWS_MAX_ROW);
  free (text);
  fakekernel_free (&r.f);
}

static void
test_states (void **state)
{
  struct ring r;
  uint64_t id[4];

  make (&r, 0);
  for (int i = 0; i < 4; i++)
    id[i] = add (&r, "text", (uint64_t) i);
  /* Being written; to be used again; of another lap; not yet final. */
  fakemem_u64 (&r.f.mem, desc_of (&r, id[0]), id[0]);
  fakemem_u64 (&r.f.mem, desc_of (&r, id[1]), REUSABLE_STATE | id[1]);
  fakemem_u64 (&r.f.mem, desc_of (&r, id[2]), FINAL_STATE | (id[2] + 16));
  fakemem_u64 (&r.f.mem, desc_of (&r, id[3]), COMMITTED_STATE | id[3]);
  look (&r);
  assert_int_equal (fakekernel_count (&r.f, "\"row\":\"dmesg\""), 1);
  assert_row (&r.f, "\"seq\":3,");
  fakekernel_free (&r.f);
}

/* Records whose text is elsewhere are counted, and the others told. */
static void
test_damaged (void **state)
{
  static const struct
  {
    uint64_t begin, next;
  } places[] = {
    { 0, 8 },               /* no room for its text */
    { 8, 0 },               /* ends before it begins */
    { 4, 32 },              /* crooked */
    { 512, 4096 + 2048 },   /* somebody else's */
    { ~7ULL, 16 },          { 0x7ffffffffffffff8, 0x7fffffffffffff },
    { 0, 0 },
  };
  struct ring r;
  uint64_t id;

  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
    {
      make (&r, 0);
      add (&r, "before", 0);
      id = add (&r, "the text of this", 1);
      add (&r, "after", 2);
      fakemem_u64 (&r.f.mem, desc_of (&r, id) + 8, places[i].begin);
      fakemem_u64 (&r.f.mem, desc_of (&r, id) + 16, places[i].next);
      look (&r);
      assert_row (&r.f, "before");
      assert_row (&r.f, "after");
      assert_no_row (&r.f, "the text of");
      assert_row (&r.f, "1 have text outside of the log");
      fakekernel_free (&r.f);
    }
  /* A length beyond its block. */
  make (&r, 0);
  id = add (&r, "the text of this", 1);
  fakemem_put (&r.f.mem, info_of (&r, id) + 16, "\xff\xff", 2);
  look (&r);
  assert_no_row (&r.f, "the text of");
  fakekernel_free (&r.f);
}

static void
test_hostile_head (void **state)
{
  struct ring r;

  for (uint64_t bits = 0; bits < 64; bits++)
    {
      make (&r, 0);
      add (&r, "text", 0);
      fakemem_u32 (&r.f.mem, r.prb, (uint32_t) bits);
      look (&r);
      fakemem_u32 (&r.f.mem, r.prb, BITS);
      fakemem_u32 (&r.f.mem, r.prb + 48, (uint32_t) bits);
      look (&r);
      fakekernel_free (&r.f);
    }
  make (&r, 0);
  add (&r, "text", 0);
  fakemem_u32 (&r.f.mem, r.prb, 23);
  look (&r);
  assert_row (&r.f, "its head makes no sense");
  fakemem_u32 (&r.f.mem, r.prb, BITS);
  /* Ids that are far apart: as many as there are places. */
  fakemem_u64 (&r.f.mem, r.prb + 32, 1ULL << 40);
  look (&r);
  assert_int_equal (fakekernel_count (&r.f, "\"row\":\"dmesg\""), 1);
  fakemem_u64 (&r.f.mem, r.prb + 8, 0x1000);
  look (&r);
  assert_row (&r.f, "it cannot be read");
  fakemem_u64 (&r.f.mem, fakekernel_at (&r.f, "prb"), 0x1000);
  look (&r);
  assert_row (&r.f, "its head cannot be read");
  fakekernel_free (&r.f);
}

/* Members that lie beyond their structure. */
static void
test_hostile_offsets (void **state)
{
  static const enum field members[] = {
    DESC_STATE, DESC_BLOCK, BLOCK_BEGIN, BLOCK_NEXT, INFO_SEQ,
    INFO_TS,    INFO_LEN,   INFO_FACILITY, INFO_CALLER,
  };
  static const uint32_t offsets[] = { DESC, INFO - 1, INFO, 4096, 0x7fffffff,
                                      UINT32_MAX - 7, UINT32_MAX };

  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    for (size_t j = 0; j < sizeof offsets / sizeof offsets[0]; j++)
      {
        struct ring r;

        make (&r, 0);
        add (&r, "text", 0);
        r.f.k->fields.at[members[i]].offset = offsets[j];
        look (&r);
        if (j >= 2)
          assert_row (&r.f, "how its records are made is not known");
        fakekernel_free (&r.f);
      }
}

/* What the kernel does not tell of its callers. */
static void
test_no_caller (void **state)
{
  struct ring r;

  make (&r, 0);
  add (&r, "text", 0);
  memset (&r.f.k->fields.at[INFO_CALLER], 0, sizeof (struct field_at));
  look (&r);
  assert_row (&r.f, "\"facility\":1,\"text\":\"text\"");
  fakekernel_free (&r.f);
}

/* ---- before 5.10 ---- */

struct old
{
  struct fakekernel f;
  uint64_t buf;
  uint32_t at;
};

#define OLD_LEN 1024

static void
make_old (struct old *o)
{
  uint64_t buf, len;

  memset (o, 0, sizeof *o);
  fakekernel_new (&o->f);
  fakekernel_type (&o->f, "printk_log", 16,
                   "ts_nsec@0:8 len@8:2 text_len@10:2 dict_len@12:2 "
                   "facility@14:1");
  buf = fakekernel_var (&o->f, "log_buf", 8);
  len = fakekernel_var (&o->f, "log_buf_len", 4);
  fakekernel_var (&o->f, "log_first_idx", 4);
  fakekernel_var (&o->f, "log_first_seq", 8);
  fakekernel_var (&o->f, "log_next_idx", 4);
  fakekernel_load (&o->f);
  o->buf = fakemem_alloc (&o->f.mem, OLD_LEN);
  fakemem_u64 (&o->f.mem, buf, o->buf);
  fakemem_u32 (&o->f.mem, len, OLD_LEN);
}

static void
add_old (struct old *o, const char *text)
{
  uint16_t n = (uint16_t) strlen (text), size = (uint16_t) ((16 + n + 3) & ~3);

  if (o->at + size + 16 > OLD_LEN)
    {
      fakemem_u16 (&o->f.mem, o->buf + o->at + 8, 0);
      o->at = 0;
    }
  fakemem_u64 (&o->f.mem, o->buf + o->at, 5000000);
  fakemem_u16 (&o->f.mem, o->buf + o->at + 8, size);
  fakemem_u16 (&o->f.mem, o->buf + o->at + 10, n);
  fakemem_put (&o->f.mem, o->buf + o->at + 14, "\0\x80", 2);
  fakemem_put (&o->f.mem, o->buf + o->at + 16, text, n);
  o->at += size;
  fakemem_u32 (&o->f.mem, fakekernel_at (&o->f, "log_next_idx"), o->at);
}

static void
test_old (void **state)
{
  struct old o;

  make_old (&o);
  add_old (&o, "first");
  add_old (&o, "second");
  fakekernel_look (&o.f, &section_dmesg);
  assert_row (&o.f, "\"seq\":0,\"us\":5000,\"level\":4,\"text\":\"first\"}");
  assert_row (&o.f, "\"text\":\"second\"");
  /* Behind its end it goes on at the beginning. */
  o.at = OLD_LEN - 32;
  fakemem_u32 (&o.f.mem, fakekernel_at (&o.f, "log_first_idx"), o.at);
  add_old (&o, "near end");
  fakekernel_look (&o.f, &section_dmesg);
  assert_int_equal (fakekernel_count (&o.f, "\"row\":\"dmesg\""), 1);
  assert_row (&o.f, "near end");
  assert_no_row (&o.f, "lacks");
  o.at = OLD_LEN - 48;
  fakemem_u32 (&o.f.mem, fakekernel_at (&o.f, "log_first_idx"), o.at);
  fakemem_u64 (&o.f.mem, fakekernel_at (&o.f, "log_first_seq"), 70);
  add_old (&o, "last");
  add_old (&o, "again at the beginning");
  assert_int_equal (o.at, 40);
  fakekernel_look (&o.f, &section_dmesg);
  assert_row (&o.f, "\"seq\":70,");
  assert_row (&o.f, "\"seq\":71,\"us\":5000,\"level\":4,"
                    "\"text\":\"again at the beginning\"");
  assert_int_equal (fakekernel_count (&o.f, "\"row\":\"dmesg\""), 2);
  fakekernel_free (&o.f);
}

static void
test_old_damaged (void **state)
{
  struct old o;

  make_old (&o);
  add_old (&o, "first");
  add_old (&o, "second");
  /* A record of more than there is, of less than its head, of no end. */
  fakemem_u16 (&o.f.mem, o.buf + 24 + 8, 0xfff0);
  fakekernel_look (&o.f, &section_dmesg);
  assert_row (&o.f, "first");
  assert_row (&o.f, "a record in it is damaged");
  fakemem_u16 (&o.f.mem, o.buf + 24 + 8, 4);
  fakekernel_look (&o.f, &section_dmesg);
  assert_row (&o.f, "a record in it is damaged");
  fakemem_u16 (&o.f.mem, o.buf + 24 + 8, 24);
  fakemem_u16 (&o.f.mem, o.buf + 24 + 10, 100);
  fakekernel_look (&o.f, &section_dmesg);
  assert_row (&o.f, "a record in it is damaged");
  /* Nothing but ends: back to the beginning once, not for ever. */
  fakemem_u16 (&o.f.mem, o.buf + 8, 0);
  fakekernel_look (&o.f, &section_dmesg);
  assert_int_equal (fakekernel_count (&o.f, "\"row\":\"dmesg\""), 0);
  assert_row (&o.f, "a record in it is damaged");
  /* An end that no record has is not run past again and again. */
  fakemem_u16 (&o.f.mem, o.buf + 8, 24);
  fakemem_u16 (&o.f.mem, o.buf + 24 + 10, 6);
  fakemem_u32 (&o.f.mem, fakekernel_at (&o.f, "log_next_idx"), 30);
  fakekernel_look (&o.f, &section_dmesg);
  assert_int_equal (fakekernel_count (&o.f, "\"row\":\"dmesg\""), 2);
  assert_row (&o.f, "a record in it is damaged");
  fakemem_u32 (&o.f.mem, fakekernel_at (&o.f, "log_next_idx"), 5000);
  fakekernel_look (&o.f, &section_dmesg);
  assert_row (&o.f, "its head makes no sense");
  fakekernel_free (&o.f);
}

static void
test_none (void **state)
{
  struct fakekernel f;

  fakekernel_new (&f);
  fakekernel_load (&f);
  fakekernel_look (&f, &section_dmesg);
  assert_row (&f, "\"row\":\"lacks\",\"section\":\"dmesg\"");
  assert_row (&f, "no symbol prb or log_buf");
  fakekernel_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_plain),
    cmocka_unit_test (test_laps),
    cmocka_unit_test (test_without_data),
    cmocka_unit_test (test_long_record),
    cmocka_unit_test (test_states),
    cmocka_unit_test (test_damaged),
    cmocka_unit_test (test_hostile_head),
    cmocka_unit_test (test_hostile_offsets),
    cmocka_unit_test (test_no_caller),
    cmocka_unit_test (test_old),
    cmocka_unit_test (test_old_damaged),
    cmocka_unit_test (test_none),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
