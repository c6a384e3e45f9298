/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "dmesg": the kernel's log, from the ring of 5.10 and later or from
 * the simpler one before it.
 *
 * Both are copied as a whole and read from the copy.  A record is told when
 * its number is that of its slot, its state says that it was written, and its
 * text lies within the ring in one lap; the rest is counted.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BITS 22u     /* records */
#define MAX_BYTES_BITS 26u
/* Of one record: kernels write a thousand bytes.  What is escaped grows by
 * five, and has to fit into a row. */
#define MAX_TEXT (32u << 10)
#define STATE_SHIFT 62
#define ID_MASK ((UINT64_C (1) << STATE_SHIFT) - 1)

/* What the two highest bits of a descriptor say. */
enum
{
  COMMITTED = 1,
  FINAL = 2,
};

struct ring
{
  struct kernel *k;
  unsigned bits, data_bits;
  uint64_t head, tail;
  uint32_t desc_size, info_size;
  unsigned char *descs, *infos;
  char *data;
  uint64_t bad, skipped;
};

static uint32_t
at (const struct ring *r, enum field f)
{
  return r->k->fields.at[f].offset;
}

static uint64_t
get64 (const void *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return v;
}

/* ---- rows ---- */

/* level and facility are neighbours: one byte and three bits of the next. */
static void
say (struct look *l, uint64_t seq, uint64_t ts_ns, unsigned facility,
     unsigned level, uint64_t caller, const char *text, size_t len)
{
  char who[16];

  rows_begin (l->rows, "dmesg");
  rows_uint (l->rows, "seq", seq);
  rows_uint (l->rows, "us", ts_ns / 1000);
  rows_uint (l->rows, "level", level);
  if (facility)
    rows_uint (l->rows, "facility", facility);
  if (caller != UINT64_MAX)
    {
      snprintf (who, sizeof who, "%c%" PRIu64,
                caller & 0x80000000u ? 'C' : 'T', caller & 0x7fffffffu);
      rows_str (l->rows, "caller", who);
    }
  rows_text (l->rows, "text", text, len < MAX_TEXT ? len : MAX_TEXT);
  rows_end (l->rows);
}

/* ---- 5.10 and later ---- */

static uint32_t
size_of (const struct kernel *k, const char *type)
{
  uint32_t n = 0;

  if (k->btf && btf_sizeof (k->btf, type, &n))
    return n;
  return k->info && vmcoreinfo_size (k->info, type, &n) ? n : 0;
}

static void *
copy (struct kernel *k, uint64_t va, size_t len)
{
  void *p = malloc (len);

  if (p && space_read (k->space, va, p, len) < 0)
    {
      free (p);
      return NULL;
    }
  return p;
}

/* Offsets are the guest's word, too: all that is looked at lies within. */
static bool
fits (const struct ring *r)
{
  uint32_t block = at (r, DESC_BLOCK);

  return r->desc_size >= 24 && r->desc_size <= 256 && r->info_size >= 16
         && r->info_size <= 1024 && at (r, DESC_STATE) <= r->desc_size - 8
         && block <= r->desc_size - 16
         && at (r, BLOCK_BEGIN) <= r->desc_size - 8 - block
         && at (r, BLOCK_NEXT) <= r->desc_size - 8 - block
         && at (r, INFO_SEQ) <= r->info_size - 8
         && at (r, INFO_TS) <= r->info_size - 8
         && at (r, INFO_LEN) <= r->info_size - 2
         && at (r, INFO_FACILITY) <= r->info_size - 2
         && at (r, INFO_CALLER) <= r->info_size - 4;
}

/* NULL, or why not. */
static const char *
read_ring (struct ring *r, uint64_t prb)
{
  struct kernel *k = r->k;
  uint64_t desc = prb + at (r, PRB_DESC_RING);
  uint64_t text = prb + at (r, PRB_TEXT_RING);
  uint64_t bits, data_bits, descs, infos, data;

  r->desc_size = size_of (k, "prb_desc");
  r->info_size = size_of (k, "printk_info");
  if (!kernel_has (k, DESC_STATE) || !kernel_has (k, INFO_LEN) || !fits (r))
    return "how its records are made is not known";
  if (!kernel_get (k, desc, DESC_RING_BITS, &bits)
      || !kernel_get (k, desc, DESC_RING_DESCS, &descs)
      || !kernel_get (k, desc, DESC_RING_INFOS, &infos)
      || !kernel_get (k, desc, DESC_RING_HEAD, &r->head)
      || !kernel_get (k, desc, DESC_RING_TAIL, &r->tail)
      || !kernel_get (k, text, DATA_RING_BITS, &data_bits)
      || !kernel_get (k, text, DATA_RING_DATA, &data))
    return "its head cannot be read";
  bits &= UINT32_MAX;
  data_bits &= UINT32_MAX;
  if (bits < 4 || bits > MAX_BITS || data_bits < 10
      || data_bits > MAX_BYTES_BITS)
    return "its head makes no sense";
  r->bits = (unsigned) bits;
  r->data_bits = (unsigned) data_bits;
  r->head &= ID_MASK;
  r->tail &= ID_MASK;
  r->descs = copy (k, descs, (size_t) r->desc_size << bits);
  r->infos = copy (k, infos, (size_t) r->info_size << bits);
  r->data = copy (k, data, (size_t) 1 << data_bits);
  return r->descs && r->infos && r->data ? NULL : "it cannot be read";
}

/* Where the text of a block is, NULL when it is nowhere. */
static const char *
text_of (const struct ring *r, uint64_t id, uint64_t begin, uint64_t next,
         size_t *ret_room)
{
  uint64_t mask = (UINT64_C (1) << r->data_bits) - 1, from, to;

  /* Without data: a line that had no room, or an empty one. */
  if (begin & 1)
    return NULL;
  from = begin & mask;
  to = next & mask;
  /* A block that would not fit before the end stands at the beginning. */
  if (begin >> r->data_bits != next >> r->data_bits && to != 0)
    from = 0;
  if (to == 0)
    to = mask + 1;
  if (from % 8 != 0 || to < from + 8 || to > mask + 1
      || (get64 (r->data + from) & ID_MASK) != id)
    return NULL;
  *ret_room = (size_t) (to - from - 8);
  return r->data + from + 8;
}

static void
say_record (struct look *l, struct ring *r, uint64_t id)
{
  uint64_t slot = id & ((UINT64_C (1) << r->bits) - 1);
  const unsigned char *d = r->descs + slot * r->desc_size;
  const unsigned char *i = r->infos + slot * r->info_size;
  uint64_t state = get64 (d + at (r, DESC_STATE)), caller = UINT64_MAX;
  uint64_t begin = get64 (d + at (r, DESC_BLOCK) + at (r, BLOCK_BEGIN));
  uint64_t next = get64 (d + at (r, DESC_BLOCK) + at (r, BLOCK_NEXT));
  const char *text;
  size_t room = 0;
  uint16_t len;
  uint32_t who;

  if ((state & ID_MASK) != id
      || (state >> STATE_SHIFT != COMMITTED && state >> STATE_SHIFT != FINAL))
    {
      r->skipped++;
      return;
    }
  memcpy (&len, i + at (r, INFO_LEN), sizeof len);
  text = text_of (r, id, begin, next, &room);
  if ((!text && len > 0 && !(begin & 1)) || (text && len > room))
    {
      r->bad++;
      return;
    }
  if (kernel_has (r->k, INFO_CALLER))
    {
      memcpy (&who, i + at (r, INFO_CALLER), sizeof who);
      caller = who;
    }
  say (l, get64 (i + at (r, INFO_SEQ)), get64 (i + at (r, INFO_TS)),
       i[at (r, INFO_FACILITY)], i[at (r, INFO_FACILITY) + 1] >> 5, caller,
       text ? text : "", text ? len : 0);
}

static void
ring_done (struct ring *r)
{
  free (r->descs);
  free (r->infos);
  free (r->data);
}

static void
say_ring (struct look *l, uint64_t prb)
{
  struct ring r = { .k = l->k };
  const char *why = read_ring (&r, prb);
  uint64_t n;

  if (why)
    look_lacks (l, "dmesg", "the log", "%s", why);
  else
    {
      /* Ids go round at 2^62. */
      n = (r.head - r.tail) & ID_MASK;
      if (n >= UINT64_C (1) << r.bits)
        n = (UINT64_C (1) << r.bits) - 1;
      for (uint64_t i = 0; i <= n && !rows_failed (l->rows); i++)
        say_record (l, &r, (r.head - n + i) & ID_MASK);
      if (r.bad)
        look_lacks (l, "dmesg", "some records",
                    "%" PRIu64 " have text outside of the log", r.bad);
    }
  ring_done (&r);
}

/* ---- before 5.10 ---- */

static void
say_old (struct look *l, uint64_t buf, uint64_t len, uint32_t first,
         uint32_t next, uint64_t seq)
{
  struct kernel *k = l->k;
  CLEANUP_FREE unsigned char *log = copy (k, buf, (size_t) len);
  uint32_t head = size_of (k, "printk_log"), at = first;
  uint16_t size, text;
  bool wrapped = false;

  if (!log || !kernel_has (k, LOG_TEXT_LEN) || head < 16 || head >= len
      || k->fields.at[LOG_TS].offset > head - 8
      || k->fields.at[LOG_LEN].offset > head - 2
      || k->fields.at[LOG_TEXT_LEN].offset > head - 2
      || k->fields.at[LOG_FACILITY].offset > head - 2)
    {
      look_lacks (l, "dmesg", "the log",
                  log ? "how its records are made is not known"
                      : "it cannot be read");
      return;
    }
  while (at != next)
    {
      const unsigned char *e = log + at;

      if (at > len - head)
        break;
      memcpy (&size, e + k->fields.at[LOG_LEN].offset, sizeof size);
      memcpy (&text, e + k->fields.at[LOG_TEXT_LEN].offset, sizeof text);
      if (size == 0 && !wrapped)
        {
          at = 0; /* the rest is at the beginning */
          wrapped = true;
          continue;
        }
      if (size < head || size > len - at || text > size - head)
        break;
      say (l, seq++, get64 (e + k->fields.at[LOG_TS].offset),
           e[k->fields.at[LOG_FACILITY].offset],
           e[k->fields.at[LOG_FACILITY].offset + 1] >> 5, UINT64_MAX,
           (const char *) e + head, text);
      at += size;
      /* Over the end, which then lies within a record. */
      if (at > next && (wrapped || first < next))
        break;
    }
  if (at != next)
    look_lacks (l, "dmesg", "the end of the log", "a record in it is damaged");
}

static bool
find_old (struct look *l)
{
  struct kernel *k = l->k;
  uint64_t var = kernel_var (k, "log_buf"), buf;
  uint64_t len_at = kernel_var (k, "log_buf_len");
  uint64_t first_at = kernel_var (k, "log_first_idx");
  uint64_t next_at = kernel_var (k, "log_next_idx");
  uint64_t seq_at = kernel_var (k, "log_first_seq"), seq = 0;
  uint32_t len, first, next;

  if (!var || !len_at || !first_at || !next_at)
    return false;
  if (!space_u64 (k->space, var, &buf) || !space_u32 (k->space, len_at, &len)
      || !space_u32 (k->space, first_at, &first)
      || !space_u32 (k->space, next_at, &next) || len < 1024
      || len > 1u << MAX_BYTES_BITS || first >= len || next >= len)
    look_lacks (l, "dmesg", "the log", "its head makes no sense");
  else
    {
      if (seq_at && !space_u64 (k->space, seq_at, &seq))
        seq = 0;
      say_old (l, buf, len, first, next, seq);
    }
  return true;
}

static int
run (struct look *l, struct error *err)
{
  uint64_t var = kernel_var (l->k, "prb"), prb = 0;

  if (var && space_u64 (l->k->space, var, &prb) && prb
      && kernel_has (l->k, PRB_DESC_RING))
    say_ring (l, prb);
  else if (!find_old (l))
    look_lacks (l, "dmesg", "the log",
                "where it is is not known: no symbol prb or log_buf, or "
                "nothing of their types");
  return 0;
}

const struct section section_dmesg = {
  .name = "dmesg",
  .summary = "the kernel's log",
  .cheap = true,
  .run = run,
};
