/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's log, the ring and the one before it: whatever lies there, its
 * records are bounded in number and within it.  The piece that inputs change
 * has the ring's head, its records, their texts, and the old log with its own
 * variables.
 */
#include "tests/fuzz/pokes.h"

#define RECORDS 16u
#define TEXT 1024u
#define DESC 24u
#define INFO 32u
#define OLD 1024u
#define HEAD 128u
#define PIECE (HEAD + RECORDS * (DESC + INFO) + TEXT + OLD)

struct bed
{
  struct fakekernel f;
  struct pokes pokes;
  uint64_t prb;
};

static void
put_ring (struct bed *b, uint64_t piece)
{
  struct fakemem *m = &b->f.mem;
  uint64_t descs = piece + HEAD, infos = descs + RECORDS * DESC;
  uint64_t data = infos + RECORDS * INFO;

  fakemem_u32 (m, piece, 4);
  fakemem_u64 (m, piece + 8, descs);
  fakemem_u64 (m, piece + 16, infos);
  fakemem_u64 (m, piece + 24, RECORDS - 1);
  fakemem_u64 (m, piece + 32, 0);
  fakemem_u32 (m, piece + 48, 10);
  fakemem_u64 (m, piece + 56, data);
  for (uint64_t i = 0; i < RECORDS; i++)
    {
      fakemem_u64 (m, descs + i * DESC, 2ULL << 62 | i);
      fakemem_u64 (m, descs + i * DESC + 8, i * 64);
      fakemem_u64 (m, descs + i * DESC + 16, i * 64 + 64);
      fakemem_u64 (m, infos + i * INFO, i);
      fakemem_u16 (m, infos + i * INFO + 16, 9);
      fakemem_u64 (m, data + i * 64, i);
      fakemem_text (m, data + i * 64 + 8, "some text");
    }
}

/* Four variables, then the log. */
static void
put_old (struct bed *b, uint64_t vars, uint64_t log)
{
  struct fakemem *m = &b->f.mem;

  fakemem_u64 (m, vars, log);
  fakemem_u32 (m, vars + 8, OLD);
  fakemem_u32 (m, vars + 12, OLD - 64);
  fakemem_u32 (m, vars + 16, 64);
  for (unsigned i = 0; i < OLD; i += 32)
    {
      fakemem_u16 (m, log + i + 8, 32);
      fakemem_u16 (m, log + i + 10, 9);
      fakemem_text (m, log + i + 16, "some text");
    }
  /* The rest is at the beginning. */
  fakemem_u16 (m, log + OLD - 32 + 8, 0);
}

static void
make (struct bed *b)
{
  struct fakekernel *f = &b->f;
  uint64_t piece;

  fakekernel_new (f);
  fakekernel_type (f, "prb_desc_ring", 48,
                   "count_bits@0:4 descs@8:8 infos@16:8 head_id@24:8 "
                   "tail_id@32:8");
  fakekernel_type (f, "prb_data_ring", 32, "size_bits@0:4 data@8:8");
  fakekernel_type (f, "printk_ringbuffer", 88,
                   "desc_ring@0=prb_desc_ring text_data_ring@48=prb_data_ring");
  fakekernel_type (f, "prb_data_blk_lpos", 16, "begin@0:8 next@8:8");
  fakekernel_type (f, "prb_desc", DESC,
                   "state_var@0:8 text_blk_lpos@8=prb_data_blk_lpos");
  fakekernel_type (f, "printk_info", INFO,
                   "seq@0:8 ts_nsec@8:8 text_len@16:2 facility@18:1 "
                   "caller_id@20:4");
  fakekernel_type (f, "printk_log", 16,
                   "ts_nsec@0:8 len@8:2 text_len@10:2 facility@14:1");
  b->prb = fakekernel_var (f, "prb", 8);
  piece = fakekernel_var (f, "piece", PIECE);
  fakekernel_symbol (f, "log_buf", piece + 96, 'D');
  fakekernel_symbol (f, "log_buf_len", piece + 104, 'D');
  fakekernel_symbol (f, "log_first_idx", piece + 108, 'D');
  fakekernel_symbol (f, "log_next_idx", piece + 112, 'D');
  fakekernel_load (f);
  put_ring (b, piece);
  put_old (b, piece + 96, piece + PIECE - OLD);
  pokes_keep (&b->pokes, &f->mem, piece, PIECE);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct bed b;

  if (!b.f.k)
    make (&b);
  mem_again (b.f.m, 0);
  pokes_apply (&b.pokes, data, size);
  for (int old = 0; old < 2; old++)
    {
      fakemem_u64 (&b.f.mem, b.prb,
                   old ? 0 : fakekernel_at (&b.f, "piece"));
      pokes_look (&b.f, &section_dmesg);
      /* A ring of other bits may lie over all that is mapped. */
      MUST (fakekernel_count (&b.f, "\"row\":\"dmesg\"") <= 1u << 22);
      if (size == 0)
        MUST (fakekernel_count (&b.f, "\"row\":\"dmesg\"") == (old ? 3 : 16));
    }
  return 0;
}
