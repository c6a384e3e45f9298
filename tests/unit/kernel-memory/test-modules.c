/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules of a guest that says nothing of how they look, in the forms that
 * kernels had; and what the section tells of them.
 */
#include "kernel/memory/kernel_impl.h"
#include "kernel/memory/look.h"
#include "tests/lib/fakemem.h"
#include "tests/unit/kernel-memory/ksyms-builder.h"

#include <elf.h>

#define MODULES 5u
#define HEAD (FAKE_IMAGE + FAKE_IMAGE_LEN / 2 + 0x40000)
#define TABLES (FAKE_IMAGE + FAKE_IMAGE_LEN / 4 * 3)
#define PIECES 320u /* where a module tells of its memory */

/* How a piece is told: what is between its address and its length. */
struct form
{
  const char *name;
  uint32_t each, size, self, n; /* n 2: the form of before 6.4 */
};

static const struct form forms[] = {
  { "core and init", 80, 8, 24, 2 },
  { "each use", 72, 8, 16, 7 },
  { "each use, may be rox", 72, 12, 16, 7 },
  { "each use, with a copy", 80, 20, 24, 7 },
};

struct guest
{
  struct fakemem f;
  struct kernel k;
  const struct form *form;
  uint64_t at[MODULES], text[MODULES], data[MODULES];
};

static void
make_pieces (struct guest *g, unsigned i)
{
  const struct form *p = g->form;
  uint64_t at = g->at[i] + PIECES;

  for (unsigned n = 0; n < p->n; n++, at += p->each)
    {
      if (n == 0)
        {
          fakemem_u64 (&g->f, at, g->text[i]);
          fakemem_u32 (&g->f, at + p->size, p->n == 2 ? 0x3000 : 0x2000);
          if (p->n == 2)
            fakemem_u32 (&g->f, at + p->size + 4, 0x2000);
        }
      else if (n == 1 && p->n > 2)
        {
          fakemem_u64 (&g->f, at, g->data[i]);
          fakemem_u32 (&g->f, at + p->size, 0x1000);
        }
      fakemem_u64 (&g->f, at + p->self, g->at[i]);
    }
}

static void
make_symbols (struct guest *g, unsigned i)
{
  uint64_t table = fakemem_alloc (&g->f, 4096), strings = table + 2048;
  uint64_t at = g->at[i] + 960;
  Elf64_Sym syms[3] = {
    { 0 },
    { .st_name = 1, .st_shndx = 1, .st_value = g->text[i] + 16 },
    { .st_name = 6, .st_shndx = 2, .st_value = g->data[i] + 8 },
  };
  static const char names[] = "\0work\0lock";

  fakemem_put (&g->f, table, syms, sizeof syms);
  fakemem_put (&g->f, strings, names, sizeof names);
  fakemem_u64 (&g->f, at, at + 8);
  fakemem_u64 (&g->f, at + 8, table);
  fakemem_u32 (&g->f, at + 16, 3);
  fakemem_u64 (&g->f, at + 24, strings);
}

static void
make_orc (struct guest *g, unsigned i)
{
  uint64_t ips = fakemem_alloc (&g->f, 4096), at = g->at[i] + 928;

  for (uint32_t n = 0; n < 16; n++)
    fakemem_u32 (&g->f, ips + n * 4,
                 (uint32_t) (g->text[i] + n * 32 - (ips + n * 4)));
  fakemem_u32 (&g->f, at, 16);
  fakemem_u64 (&g->f, at + 8, ips);
  fakemem_u64 (&g->f, at + 16, ips + 1024);
}

static void
make_module (struct guest *g, unsigned i)
{
  char name[16];

  g->at[i] = fakemem_alloc (&g->f, 4096);
  g->text[i] = fakemem_alloc (&g->f, 0x3000);
  g->data[i] = g->text[i] + 0x2000;
  snprintf (name, sizeof name, "module_%u", i);
  fakemem_text (&g->f, g->at[i] + 24, name);
  fakemem_u64 (&g->f, g->at[i] + 136, g->at[i]); /* its kobject's */
  make_pieces (g, i);
  make_symbols (g, i);
  make_orc (g, i);
  fakemem_list_add (&g->f, HEAD, g->at[i] + 8);
}

static void
guest_new (struct guest *g, const struct form *form)
{
  struct ksyms_recipe r = { .layout = BASE,
                            .n = 1500,
                            .text_only = true,
                            .image = FAKE_IMAGE,
                            .len = FAKE_IMAGE_LEN };
  struct ksyms_places p;

  memset (g, 0, sizeof *g);
  g->form = form;
  fakemem_new (&g->f, 32 << 20);
  fakemem_kernel (&g->f, "6.9.0-test");
  ksyms_make (&r, fakemem_at (&g->f, TABLES), &p);
  fakemem_list (&g->f, HEAD);
  for (unsigned i = 0; i < MODULES; i++)
    make_module (g, i);
  g->k.mem = fakemem_open (&g->f);
  g->k.space = fakemem_space (&g->f, g->k.mem);
  g->k.arch = ARCH_X86_64;
  g->k.image = (struct ksyms_image){ FAKE_IMAGE, FAKE_IMAGE_LEN };
  assert_int_equal (
      ksyms_load (g->k.space, &g->k.image, NULL, &g->k.syms, NULL), 0);
}

static void
guest_free (struct guest *g)
{
  kernel_learned_free_ (g->k.learned);
  ksyms_free (g->k.syms);
  space_free (g->k.space);
  mem_free (g->k.mem);
  free (g->k.modules);
  fakemem_free (&g->f);
}

static void
check (struct guest *g)
{
  struct ksym sym;

  kernel_modules (&g->k);
  assert_int_equal (g->k.nmodules, MODULES);
  for (unsigned i = 0; i < MODULES; i++)
    {
      const struct kernel_module *m = &g->k.modules[i];
      char name[16];

      snprintf (name, sizeof name, "module_%u", i);
      assert_string_equal (m->name, name);
      assert_true (m->at == g->at[i] && m->text == g->text[i]);
      assert_int_equal (m->text_len, 0x2000);
      assert_ptr_equal (kernel_module_of (&g->k, m->text + 0x1fff), m);
      assert_null (kernel_module_of (&g->k, m->text + 0x2000));
      assert_true (ksyms_find (g->k.syms, m->text + 20, &sym));
      assert_string_equal (sym.name, "work");
      assert_string_equal (sym.module, name);
      assert_true (ksyms_find (g->k.syms, g->data[i] + 8, &sym));
      assert_string_equal (sym.name, "lock");
      assert_true (ksyms_is_text (g->k.syms, m->text));
      assert_false (ksyms_is_text (g->k.syms, g->data[i]));
    }
  assert_int_equal (g->k.fields.at[MODULE_ORCS].offset, 928);
  assert_int_equal (g->k.fields.at[MODULE_ORC_IP].offset, 936);
}

/* With the head of the list known, and without. */
static void
all_forms (void **state)
{
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
    for (unsigned told = 0; told < 2; told++)
      {
        struct guest g;

        guest_new (&g, &forms[i]);
        if (told)
          ksyms_add (g.k.syms, "modules", HEAD);
        check (&g);
        assert_int_equal (ksyms_addr (g.k.syms, "modules"), HEAD);
        guest_free (&g);
      }
}

/* One of them is still being loaded: its symbols are elsewhere. */
static void
one_coming (void **state)
{
  struct guest g;

  guest_new (&g, &forms[0]);
  fakemem_u32 (&g.f, g.at[3], 1);
  fakemem_u64 (&g.f, g.at[3] + 960, fakemem_alloc (&g.f, 64));
  kernel_modules (&g.k);
  assert_int_equal (g.k.nmodules, MODULES);
  assert_int_equal (g.k.fields.at[MODULE_KALLSYMS].offset, 960);
  guest_free (&g);
}

static void
something_else (void **state)
{
  struct guest g;

  /* A list of things that have no names is none. */
  guest_new (&g, &forms[1]);
  fakemem_text (&g.f, g.at[2] + 24, "no name at all");
  kernel_modules (&g.k);
  assert_int_equal (g.k.nmodules, 0);
  assert_false (kernel_has (&g.k, MODULE_NAME));
  guest_free (&g);
  /* A piece that is too large is not one. */
  guest_new (&g, &forms[1]);
  fakemem_u32 (&g.f, g.at[2] + PIECES + 8, 0x7fffffff);
  kernel_modules (&g.k);
  assert_false (kernel_has (&g.k, MODULE_MEM));
  assert_int_equal (g.k.nmodules, MODULES);
  assert_null (kernel_module_of (&g.k, g.text[0]));
  guest_free (&g);
  /* Nobody is there. */
  guest_new (&g, &forms[0]);
  fakemem_list (&g.f, HEAD);
  ksyms_add (g.k.syms, "modules", HEAD);
  kernel_modules (&g.k);
  assert_int_equal (g.k.nmodules, 0);
  guest_free (&g);
}

struct said
{
  char text[8192];
  size_t len;
};

static int
keep (const void *lines, size_t len, void *arg)
{
  struct said *s = arg;

  assert_true (s->len + len < sizeof s->text);
  memcpy (s->text + s->len, lines, len);
  s->len += len;
  return 0;
}

static void
section (void **state)
{
  const struct section *s = section_find ("modules");
  struct said said = { .len = 0 };
  struct look l = { .rows = rows_new (keep, &said, 0) };
  struct error err = ERROR_INIT;
  struct guest g;

  assert_non_null (s);
  guest_new (&g, &forms[0]);
  l.k = &g.k;
  fakemem_u32 (&g.f, g.at[1], 2);
  fakemem_u32 (&g.f, g.at[1] + 1200, 4);
  fakemem_u64 (&g.f, g.at[1] + 1208, 1u << 12 | 1u << 13);
  g.k.fields.at[MODULE_REFS]
      = (struct field_at){ .offset = 1200, .size = 4, .how = FIELD_BTF };
  g.k.fields.at[MODULE_TAINTS]
      = (struct field_at){ .offset = 1208, .size = 8, .how = FIELD_BTF };
  assert_int_equal (s->run (&l, &err), 0);
  assert_int_equal (rows_flush (l.rows), 0);
  assert_non_null (strstr (said.text, "\"name\":\"module_0\",\"state\":\"live\","
                                      "\"refs\":-1,\"size\":12288,"));
  assert_non_null (strstr (said.text, "\"name\":\"module_1\",\"state\":"
                                      "\"going\",\"refs\":3,"));
  assert_non_null (strstr (said.text, "\"taint\":\"OE\"}"));
  rows_free (l.rows);
  guest_free (&g);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (all_forms),
    cmocka_unit_test (one_coming),
    cmocka_unit_test (something_else),
    cmocka_unit_test (section),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
