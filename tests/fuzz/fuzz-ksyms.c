/* SPDX-License-Identifier: Apache-2.0
 *
 * kallsyms: tables that are damaged, or none, are refused; what is taken in
 * names everything within bounds.
 *
 * Tables are large and each byte of them depends on others, so good ones are
 * made and the input says what is changed: its first byte is the layout, then
 * three bytes each are a place and a value.  With the top bit set all further
 * bytes are the tables themselves.
 */
#include "base/error.h"
#include "kernel/memory/ksyms.h"
#include "kernel/memory/space.h"
#include "kernel/memory/vmcoreinfo.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/kernel-memory/ksyms-builder.h"

#include <string.h>

#define IMAGE 0xffffffff81000000ull
#define LEN (256u << 10)
#define TABLES (LEN / 4 * 3)

/* In place of the library's: the image, and nothing else. */
struct space
{
  uint8_t bytes[LEN];
};

size_t
space_read_some (struct space *s, uint64_t va, void *dst, size_t len)
{
  uint64_t at = va - IMAGE;

  if (at >= LEN)
    return 0;
  len = len < LEN - at ? len : LEN - at;
  memcpy (dst, s->bytes + at, len);
  return len;
}

int
space_read (struct space *s, uint64_t va, void *dst, size_t len)
{
  return space_read_some (s, va, dst, len) == len ? 0 : -EFAULT;
}

bool
space_u64 (struct space *s, uint64_t va, uint64_t *ret)
{
  return space_read (s, va, ret, sizeof *ret) == 0;
}

bool
space_u32 (struct space *s, uint64_t va, uint32_t *ret)
{
  return space_read (s, va, ret, sizeof *ret) == 0;
}

/* Made once for each layout: that takes longer than all the rest. */
struct made
{
  bool done;
  struct ksyms_places places;
  uint8_t bytes[LEN - TABLES];
};

static void
fill (struct space *s, struct ksyms_recipe *r, struct ksyms_places *p,
      const uint8_t *data, size_t size)
{
  static struct made made[128];
  unsigned how = size > 0 ? data[0] : 0;
  struct made *m = &made[how & 127];

  *r = (struct ksyms_recipe){ .layout = how & 3,
                              .behind = how & 4,
                              .seqs = how & 8,
                              .wide = how & 16,
                              .long_names = how & 32,
                              .tight = how & 64,
                              .n = 1100,
                              .image = IMAGE,
                              .len = LEN };
  if (!m->done)
    ksyms_make (r, m->bytes, &m->places);
  m->done = true;
  *p = m->places;
  memcpy (s->bytes + TABLES, m->bytes, sizeof m->bytes);
  if (how & 128)
    memcpy (s->bytes + TABLES, data + 1,
            size - 1 < LEN / 4 ? size - 1 : LEN / 4);
  else
    for (size_t i = 1; i + 3 <= size; i += 3)
      s->bytes[TABLES + (data[i] | (size_t) data[i + 1] << 8) % (LEN / 4)]
          = data[i + 2];
}

static void
check_sym (const struct ksyms *k, const struct ksym *sym, uint64_t va)
{
  size_t len = strnlen (sym->name, KSYMS_NAME + 1);

  MUST (len <= KSYMS_NAME && sym->start <= va);
  MUST (sym->size == 0 || va - sym->start < sym->size);
  for (size_t i = 0; i < len; i++)
    MUST (sym->name[i] > ' ' && sym->name[i] <= '~');
  MUST (sym->module || ksyms_addr (k, sym->name) <= sym->start);
}

static void
ask (struct ksyms *k, struct space *s)
{
  struct ksyms_module m = { .name = "module",
                            .text = IMAGE + LEN,
                            .text_len = 1 << 20,
                            .symtab = IMAGE + TABLES,
                            .strtab = IMAGE + TABLES + 4096,
                            .nsyms = 200 };
  struct ksym sym;

  MUST (ksyms_count (k) > 0 && ksyms_count (k) <= KSYMS_MAX);
  ksyms_add_module (k, s, &m, NULL);
  for (uint64_t va = IMAGE - 64; va < IMAGE + LEN + 4096; va += 397)
    {
      ksyms_is_text (k, va);
      if (ksyms_find (k, va, &sym))
        check_sym (k, &sym, va);
    }
  MUST (ksyms_addr (k, "no such name") == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct ksyms_image image = { IMAGE, LEN };
  struct space *s = calloc (1, sizeof *s);
  struct vmcoreinfo *v = NULL;
  struct ksyms_recipe r;
  struct ksyms_places p;
  char text[2048];

  MUST (s);
  fill (s, &r, &p, data, size);
  ksyms_vmcoreinfo (&r, &p, text, sizeof text);
  MUST (vmcoreinfo_parse (text, strlen (text), &v, NULL) == 0);
  for (unsigned scan = 0; scan < 2; scan++)
    {
      struct error err = ERROR_INIT;
      struct ksyms *k = NULL;

      if (ksyms_load (s, &image, scan ? NULL : v, &k, &err) == 0)
        ask (k, s);
      else
        MUST (!k && err.code != 0);
      ksyms_free (k);
    }
  vmcoreinfo_free (v);
  free (s);
  return 0;
}
