/* SPDX-License-Identifier: Apache-2.0
 *
 * kallsyms: in every layout, found by what a kernel says and by looking;
 * modules; and tables that are none.
 */
#include "kernel/memory/ksyms.h"

#include "kernel/memory/vmcoreinfo.h"
#include "tests/lib/fakemem.h"
#include "tests/unit/kernel-memory/ksyms-builder.h"

#include <elf.h>

#define TABLES (FAKE_IMAGE + FAKE_IMAGE_LEN / 2 + FAKE_IMAGE_LEN / 4)

static const struct ksyms_image image = { FAKE_IMAGE, FAKE_IMAGE_LEN };

struct world
{
  struct fakemem f;
  struct mem *m;
  struct space *s;
  struct ksyms_recipe r;
  struct ksyms_places p;
  struct vmcoreinfo *v;
};

static void
world_new (struct world *w, const struct ksyms_recipe *r)
{
  struct error err = ERROR_INIT;
  char text[2048];

  memset (w, 0, sizeof *w);
  w->r = *r;
  w->r.image = FAKE_IMAGE;
  w->r.len = FAKE_IMAGE_LEN;
  fakemem_new (&w->f, 32 << 20);
  fakemem_kernel (&w->f, "6.1.0-test");
  ksyms_make (&w->r, fakemem_at (&w->f, TABLES), &w->p);
  assert_true (w->p.end < FAKE_IMAGE_LEN / 4);
  ksyms_vmcoreinfo (&w->r, &w->p, text, sizeof text);
  if (vmcoreinfo_parse (text, strlen (text), &w->v, &err) < 0)
    fail_msg ("%s", error_text (&err));
  w->m = fakemem_open (&w->f);
  w->s = fakemem_space (&w->f, w->m);
}

static void
world_free (struct world *w)
{
  vmcoreinfo_free (w->v);
  space_free (w->s);
  mem_free (w->m);
  fakemem_free (&w->f);
}

/* Every symbol, both ways. */
static void
check_all (struct world *w, struct ksyms *k)
{
  uint64_t before = 0;
  struct ksym sym;
  char name[400];

  assert_int_equal (ksyms_count (k), w->r.n);
  for (uint32_t i = 0; i < w->r.n; i++)
    {
      uint64_t va = ksyms_made (&w->r, i, name);

      if (strcmp (name, "t__key") != 0)
        if (ksyms_addr (k, name + 1) != va)
          fail_msg ("%s of %u in layout %d", name, w->r.n, w->r.layout);
      assert_true (va == 0 || va >= before);
      before = va;
      if (va < FAKE_IMAGE)
        {
          assert_false (ksyms_find (k, va, &sym));
          continue;
        }
      assert_true (ksyms_find (k, va + 15, &sym));
      assert_string_equal (sym.name, name + 1);
      assert_true (sym.start == va);
      assert_int_equal (sym.type, name[0]);
      assert_null (sym.module);
    }
  assert_int_equal (ksyms_addr (k, "nobody"), 0);
  assert_int_equal (ksyms_addr (k, ""), 0);
}

static void
load_both (struct world *w)
{
  struct error err = ERROR_INIT;
  struct ksyms *k;

  for (unsigned scan = 0; scan < 2; scan++)
    {
      if (ksyms_load (w->s, &image, scan ? NULL : w->v, &k, &err) < 0)
        fail_msg ("%s: %s", scan ? "scan" : "info", error_text (&err));
      assert_int_equal (strncmp (ksyms_how (k), scan ? "scanned" : "vmcore", 6),
                        0);
      check_all (w, k);
      ksyms_free (k);
    }
}

static void
layouts (void **state)
{
  static const struct ksyms_recipe recipes[] = {
    { .layout = BASE, .n = 1500 },
    { .layout = BASE, .n = 1536, .wide = true },
    { .layout = PERCPU, .n = 1537, .seqs = true, .long_names = true },
    { .layout = PERCPU, .n = 2000, .behind = true, .long_names = true },
    { .layout = FULL, .n = 1600 },
    { .layout = FULL, .n = 1025, .seqs = true, .long_names = true },
    { .layout = PLACE, .n = 3000, .behind = true, .long_names = true },
    { .layout = PLACE, .n = 2999, .long_names = true },
    { .layout = BASE, .n = 1500, .text_only = true, .long_names = true },
    { .layout = PLACE,
      .n = 2001,
      .behind = true,
      .long_names = true,
      .tight = true },
    { .layout = PLACE, .n = 2003, .long_names = true, .tight = true },
  };
  static const char *const says[] = { "offsets from a base",
                                      "offsets from a base or zero",
                                      "full addresses",
                                      "offsets from their places" };

  for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++)
    {
      struct error err = ERROR_INIT;
      struct world w;
      struct ksyms *k;

      world_new (&w, &recipes[i]);
      load_both (&w);
      assert_int_equal (ksyms_load (w.s, &image, w.v, &k, &err), 0);
      assert_string_equal (strstr (ksyms_how (k), "o, ") + 3,
                           says[recipes[i].layout]);
      assert_int_equal (ksyms_has_data (k), !recipes[i].text_only);
      ksyms_free (k);
      world_free (&w);
    }
}

static void
text_and_sizes (void **state)
{
  static const struct ksyms_recipe r = { .layout = PERCPU, .n = 2000 };
  struct error err = ERROR_INIT;
  struct ksyms *k;
  struct ksym sym;
  struct world w;

  world_new (&w, &r);
  assert_int_equal (ksyms_load (w.s, &image, NULL, &k, &err), 0);
  assert_true (ksyms_is_text (k, FAKE_IMAGE));
  assert_true (ksyms_is_text (k, FAKE_IMAGE + 32 * 500));
  assert_false (ksyms_is_text (k, FAKE_IMAGE + 32 * 1000)); /* after _etext */
  assert_false (ksyms_is_text (k, FAKE_IMAGE + FAKE_IMAGE_LEN / 2));
  assert_false (ksyms_is_text (k, FAKE_IMAGE - 1));
  assert_false (ksyms_is_text (k, 0));
  assert_true (ksyms_find (k, FAKE_IMAGE + 40, &sym));
  assert_int_equal (sym.size, 32);
  assert_false (ksyms_find (k, FAKE_IMAGE - 1, &sym));
  assert_false (ksyms_find (k, FAKE_IMAGE + FAKE_IMAGE_LEN, &sym));
  assert_true (ksyms_find (k, FAKE_IMAGE + FAKE_IMAGE_LEN - 1, &sym));
  assert_int_equal (sym.size, 0);
  /* Of one name, the first. */
  assert_true (ksyms_addr (k, "__key") == FAKE_IMAGE + 32);
  assert_int_equal (ksyms_addr (k, "jiffies"), 0);
  assert_true (ksyms_add (k, "jiffies", 77));
  assert_int_equal (ksyms_addr (k, "jiffies"), 77);
  ksyms_free (k);
  world_free (&w);
}

/* Tables that VMCOREINFO tells wrong are found by looking. */
static void
lying_vmcoreinfo (void **state)
{
  static const struct ksyms_recipe r = { .layout = BASE, .n = 2000 };
  struct error err = ERROR_INIT;
  struct ksyms *k;
  struct world w;

  world_new (&w, &r);
  w.p.names += 3;
  vmcoreinfo_free (w.v);
  {
    char text[2048];

    ksyms_vmcoreinfo (&w.r, &w.p, text, sizeof text);
    assert_int_equal (vmcoreinfo_parse (text, strlen (text), &w.v, &err), 0);
  }
  assert_int_equal (ksyms_load (w.s, &image, w.v, &k, &err), 0);
  assert_int_equal (strncmp (ksyms_how (k), "scanned", 7), 0);
  ksyms_free (k);
  world_free (&w);
}

static void
refused_ (struct world *w, int line)
{
  struct error err = ERROR_INIT;
  struct ksyms *k = NULL;

  if (ksyms_load (w->s, &image, w->v, &k, &err) != -EBADMSG)
    fail_msg ("line %d: taken", line);
  assert_int_equal (ksyms_load (w->s, &image, NULL, &k, &err), -ENOENT);
  assert_null (k);
  assert_string_not_equal (error_text (&err), "");
}

#define refused(w) refused_ (w, __LINE__)

static void
poke (struct world *w, uint32_t at, unsigned char v)
{
  *fakemem_at (&w->f, TABLES + at) = v;
  mem_again (w->m, 0);
}

static void
wrong_tables (void **state)
{
  static const struct ksyms_recipe r = { .layout = BASE, .n = 2000 };
  struct world w;
  unsigned char was;

  world_new (&w, &r);
  poke (&w, w.p.tokens + 3, '\033'); /* "do_": no text */
  refused (&w);
  poke (&w, w.p.tokens + 3, '\0');
  poke (&w, w.p.tokens + 2, '_');
  poke (&w, w.p.index + 3, 77);
  refused (&w);
  poke (&w, w.p.index + 3, 0);
  poke (&w, w.p.tokens + 3, '_');
  world_free (&w);

  world_new (&w, &r);
  was = *fakemem_at (&w.f, TABLES + w.p.names);
  poke (&w, w.p.names, 0); /* a name of nothing */
  refused (&w);
  poke (&w, w.p.names, was + 1); /* all others begin elsewhere */
  refused (&w);
  poke (&w, w.p.names, was);
  was = *fakemem_at (&w.f, TABLES + w.p.markers + 8);
  poke (&w, w.p.markers + 8, was + 1);
  refused (&w);
  poke (&w, w.p.markers + 8, was);
  poke (&w, w.p.num + 1, 255); /* more than there are */
  refused (&w);
  poke (&w, w.p.num + 1, 2000 >> 8);
  poke (&w, w.p.addresses + 4 * 100 + 3, 1); /* do not ascend */
  refused (&w);
  poke (&w, w.p.addresses + 4 * 100 + 3, 0);
  poke (&w, w.p.base + 4, 0); /* code is elsewhere */
  refused (&w);
  world_free (&w);
}

static void
too_many (void **state)
{
  static const struct ksyms_recipe r = { .layout = BASE, .n = 2000 };
  struct world w;

  world_new (&w, &r);
  fakemem_u32 (&w.f, TABLES + w.p.num, KSYMS_MAX + 1);
  refused (&w);
  fakemem_u32 (&w.f, TABLES + w.p.num, 0);
  mem_again (w.m, 0);
  refused (&w);
  world_free (&w);
}

/* ---- modules ---- */

static uint64_t
make_symtab (struct fakemem *f, uint64_t text, uint64_t strings)
{
  static const char names[]
      = "\0spinner\0hang_lock\0$x\0unused\0again\0\033[2J\0other";
  const Elf64_Sym syms[] = {
    { 0 },
    { .st_name = 9, .st_shndx = 2, .st_value = text + 0x2000, .st_size = 8 },
    { .st_name = 1, .st_shndx = 1, .st_value = text + 0x10 },
    { .st_name = 19, .st_shndx = 1, .st_value = text + 0x10 },
    { .st_name = 22, .st_shndx = SHN_UNDEF, .st_value = text + 0x20 },
    { .st_name = 29,
      .st_shndx = 1,
      .st_value = text + 0x40,
      .st_info = ELF64_ST_INFO (STB_GLOBAL, STT_FUNC) },
    { .st_name = 35, .st_shndx = 1, .st_value = text + 0x50 },
    { .st_name = 40, .st_shndx = 1, .st_value = text + 0x900000 },
    { .st_name = 1u << 30, .st_shndx = 1, .st_value = text + 0x60 },
  };
  uint64_t at = fakemem_alloc (f, 4096);

  fakemem_put (f, at, syms, sizeof syms);
  fakemem_put (f, strings, names, sizeof names);
  return at;
}

static void
modules (void **state)
{
  static const struct ksyms_recipe r = { .layout = BASE, .n = 2000 };
  struct error err = ERROR_INIT;
  struct ksyms_module m = { .name = "hang", .text_len = 0x1000, .nsyms = 9 };
  struct ksyms *k;
  struct ksym sym;
  struct world w;

  world_new (&w, &r);
  m.text = fakemem_alloc (&w.f, 0x4000);
  m.strtab = fakemem_alloc (&w.f, 4096);
  m.symtab = make_symtab (&w.f, m.text, m.strtab);
  m.areas[m.nareas++]
      = (struct ksyms_area){ .at = m.text + 0x2000, .len = 0x1000 };
  m.areas[m.nareas++] = (struct ksyms_area){ .at = m.text + 0x3000,
                                             .len = 0x1000,
                                             .code = true };
  assert_int_equal (ksyms_load (w.s, &image, w.v, &k, &err), 0);
  assert_false (ksyms_find (k, m.text + 0x13, &sym));
  assert_int_equal (ksyms_add_module (k, w.s, &m, &err), 0);
  assert_true (ksyms_find (k, m.text + 0x13, &sym));
  assert_string_equal (sym.name, "spinner");
  assert_string_equal (sym.module, "hang");
  assert_int_equal (sym.size, 0x30);
  assert_int_equal (sym.type, 't');
  assert_true (ksyms_find (k, m.text + 0x55, &sym));
  assert_string_equal (sym.name, "again");
  assert_int_equal (sym.type, 'T');
  assert_int_equal (sym.size, 0x1000 - 0x40);
  assert_true (ksyms_find (k, m.text + 0x2004, &sym));
  assert_string_equal (sym.name, "hang_lock");
  assert_int_equal (sym.type, 'd');
  assert_false (ksyms_find (k, m.text + 0xf, &sym));
  assert_false (ksyms_find (k, m.text + 0x1000, &sym));
  assert_false (ksyms_find (k, m.text + 0x3000, &sym));
  assert_true (ksyms_is_text (k, m.text + 0xf));
  assert_true (ksyms_is_text (k, m.text + 0x3000));
  assert_false (ksyms_is_text (k, m.text + 0x2004));
  assert_true (ksyms_addr (k, "hang_lock") == m.text + 0x2000);
  assert_int_equal (ksyms_addr (k, "unused"), 0);
  /* Symbols that are not there leave the place. */
  m.name = "broken";
  m.text += 0x100000;
  m.nareas = 0;
  m.symtab = 0x1000;
  assert_int_equal (ksyms_add_module (k, w.s, &m, &err), -EFAULT);
  assert_true (ksyms_is_text (k, m.text));
  assert_false (ksyms_find (k, m.text, &sym));
  m.nsyms = UINT32_MAX;
  assert_int_equal (ksyms_add_module (k, w.s, &m, &err), -EBADMSG);
  ksyms_free (k);
  world_free (&w);
}

/* Every byte of the tables' ends, changed: refused or harmless. */
static void
damaged (void **state)
{
  static const struct ksyms_recipe r = { .layout = PERCPU, .n = 1025 };
  struct world w;
  uint32_t done = 0;

  world_new (&w, &r);
  for (uint32_t at = 0; at < w.p.end; at += at < w.p.tokens ? 61 : 7)
    {
      unsigned char *p = fakemem_at (&w.f, TABLES + at), was = *p;
      struct ksyms *k;
      struct ksym sym;

      *p ^= (unsigned char) (1u << at % 8);
      mem_again (w.m, 0);
      if (ksyms_load (w.s, &image, w.v, &k, NULL) == 0)
        {
          for (uint64_t va = 0; va < 32 * 600; va += 32)
            ksyms_find (k, FAKE_IMAGE + va, &sym);
          ksyms_addr (k, "do_init_5");
          ksyms_free (k);
        }
      *p = was;
      done++;
    }
  assert_true (done > 200);
  world_free (&w);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (layouts),
    cmocka_unit_test (text_and_sizes),
    cmocka_unit_test (lying_vmcoreinfo),
    cmocka_unit_test (wrong_tables),
    cmocka_unit_test (too_many),
    cmocka_unit_test (modules),
    cmocka_unit_test (damaged),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
