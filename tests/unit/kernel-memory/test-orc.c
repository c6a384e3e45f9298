/* SPDX-License-Identifier: Apache-2.0
 *
 * Unwind tables: four formats, told by the types and learned without them,
 * sorted and not, and those that are none.
 */
#include "tests/lib/fakekernel.h"

#include <errno.h>

#define N_PLAIN 8

/* Most of all code has its frame above the stack pointer; then one of each
 * kind. */
static const struct fakerule kinds[] = {
  { .type = ORC_CALL, .sp = ORC_BP, .sp_offset = 16, .bp = ORC_PREV_SP,
    .bp_offset = -16 },
  { .type = ORC_CALL, .sp = ORC_SP_INDIRECT, .sp_offset = 8 },
  { .type = ORC_CALL, .sp = ORC_BP_INDIRECT, .sp_offset = -24 },
  { .type = ORC_REGS, .sp = ORC_SP, .signal = true },
  { .type = ORC_IRET, .sp = ORC_SP, .sp_offset = 8, .signal = true },
  { .type = ORC_END, .sp = ORC_NOTHING },
};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

static void
make (struct fakekernel *f, int format, bool told, bool backwards)
{
  struct fakerule rules[N_PLAIN + N_KINDS], other[N_PLAIN + N_KINDS];
  unsigned n = 0;
  char name[16];

  fakekernel_new (f);
  f->orc = format;
  f->orc_told = told;
  for (; n < N_PLAIN + N_KINDS; n++)
    {
      snprintf (name, sizeof name, "func%u", n);
      if (n < N_PLAIN)
        rules[n] = (struct fakerule){ .type = ORC_CALL,
                                      .sp = ORC_SP,
                                      .sp_offset = 8 + 8 * (int) n };
      else
        rules[n] = kinds[n - N_PLAIN];
      rules[n].at = fakekernel_func (f, name);
    }
  for (unsigned i = 0; i < n; i++)
    other[i] = rules[backwards ? n - 1 - i : i];
  fakekernel_rules (f, other, n);
}

static void
check (struct fakekernel *f, bool signals)
{
  struct orc_row r;

  for (unsigned i = 0; i < N_PLAIN; i++)
    {
      assert_true (orc_find (f->k, FAKE_TEXT + i * FAKE_FUNC + 0x42, &r));
      assert_int_equal (r.type, ORC_CALL);
      assert_int_equal (r.sp, ORC_SP);
      assert_int_equal (r.bp, ORC_NOTHING);
      assert_int_equal (r.sp_offset, 8 + 8 * i);
    }
  for (unsigned i = 0; i < N_KINDS; i++)
    {
      uint64_t at = FAKE_TEXT + (N_PLAIN + i) * FAKE_FUNC;

      /* The first byte and the last. */
      for (unsigned last = 0; last < 2; last++)
        {
          assert_true (orc_find (f->k, at + last * (FAKE_FUNC - 1), &r));
          assert_int_equal (r.type, kinds[i].type);
          assert_int_equal (r.sp, kinds[i].sp);
          assert_int_equal (r.bp, kinds[i].bp);
          assert_int_equal (r.sp_offset, kinds[i].sp_offset);
          assert_int_equal (r.bp_offset, kinds[i].bp_offset);
          assert_int_equal (r.signal, signals && kinds[i].signal);
        }
    }
}

static void
test_formats (void **state)
{
  struct fakekernel f;

  for (int format = 1; format <= 4; format++)
    for (int told = 0; told < 2; told++)
      {
        make (&f, format, told, false);
        fakekernel_load (&f);
        check (&f, format > 1);
        fakekernel_free (&f);
      }
}

static void
test_unsorted (void **state)
{
  struct fakekernel f;

  make (&f, 3, true, true);
  fakekernel_load (&f);
  check (&f, true);
  fakekernel_free (&f);
}

/* Before the first entry, and where no code of the kernel is. */
static void
test_outside (void **state)
{
  struct fakekernel f;
  struct orc_row r;

  make (&f, 3, true, false);
  fakekernel_load (&f);
  assert_false (orc_find (f.k, FAKE_TEXT - 1, &r));
  assert_false (orc_find (f.k, 0, &r));
  assert_false (orc_find (f.k, FAKE_IMAGE - 1, &r));
  assert_false (orc_find (f.k, UINT64_MAX, &r));
  fakekernel_free (&f);
}

/* What the older formats say where nothing is known. */
static void
test_nothing_known (void **state)
{
  struct fakekernel f;
  struct orc_row r;
  struct fakerule rules[] = {
    { .at = FAKE_TEXT, .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 8 },
    { .at = FAKE_TEXT + 0x100, .type = ORC_CALL, .sp = ORC_SP },
    { .at = FAKE_TEXT + 0x200, .type = ORC_UNKNOWN, .sp = ORC_NOTHING },
  };

  for (int format = 1; format <= 4; format++)
    {
      fakekernel_new (&f);
      f.orc = format;
      f.orc_told = true;
      fakekernel_rules (&f, rules, 3);
      fakekernel_load (&f);
      assert_true (orc_find (f.k, FAKE_TEXT + 0x210, &r));
      assert_int_equal (r.type, ORC_UNKNOWN);
      fakekernel_free (&f);
    }
}

/* What it says is tried on a kernel whose symbols the test moves about. */
static int
load_with (uint64_t ips, uint64_t ips_end, uint64_t rules)
{
  struct fakekernel f;
  struct error err = ERROR_INIT;
  struct orc *o = NULL;
  int r;

  fakekernel_new (&f);
  if (ips)
    fakekernel_symbol (&f, "__start_orc_unwind_ip", ips, 'R');
  fakekernel_symbol (&f, "__stop_orc_unwind_ip", ips_end, 'R');
  fakekernel_symbol (&f, "__start_orc_unwind", rules, 'R');
  fakekernel_load (&f);
  r = orc_load (f.k, &o, &err);
  assert_true (r < 0);
  assert_null (o);
  assert_true (error_text (&err)[0] != '\0');
  fakekernel_free (&f);
  return r;
}

static void
test_hostile (void **state)
{
  uint64_t at = FAKE_VARS;

  assert_int_equal (load_with (0, at + 64, at), -ENOENT);
  assert_int_equal (load_with (at + 64, at + 64, at), -ENOENT);
  assert_int_equal (load_with (at + 64, at, at), -ENOENT);
  /* Half an entry is none. */
  assert_int_equal (load_with (at, at + 3, at), -ENOENT);
  /* More than any kernel has. */
  assert_int_equal (load_with (at, at + (64ULL << 20), at), -EBADMSG);
  assert_int_equal (load_with (at, UINT64_MAX, at), -EBADMSG);
  /* Beyond what is mapped. */
  assert_int_equal (load_with (FAKE_IMAGE + FAKE_IMAGE_LEN - 8,
                               FAKE_IMAGE + FAKE_IMAGE_LEN + 64, at),
                    -EFAULT);
  /* All zeros: no rule has its frame anywhere. */
  assert_int_equal (load_with (at, at + 64, at + 256), -EBADMSG);
}

/* Entries that lie everywhere have no common base. */
static void
test_far (void **state)
{
  struct fakekernel f;
  struct error err = ERROR_INIT;
  struct orc *o = NULL;
  struct fakerule rules[] = {
    { .at = FAKE_TEXT, .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 8 },
    { .at = FAKE_TEXT, .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 8 },
  };

  fakekernel_new (&f);
  f.orc = 3;
  f.orc_told = true;
  fakekernel_rules (&f, rules, 2);
  fakemem_u32 (&f.mem, fakekernel_at (&f, "__start_orc_unwind_ip"),
               0x80000000u);
  fakemem_u32 (&f.mem, fakekernel_at (&f, "__start_orc_unwind_ip") + 4,
               0x7fffffffu);
  f.orc = 0;
  fakekernel_load (&f);
  /* Four bytes more than fit. */
  assert_int_equal (orc_load (f.k, &o, &err), -EBADMSG);
  fakekernel_free (&f);
}

/* ---- a table that nobody names ---- */

#define FUNCS 400u
#define ENTRIES 5000u /* one each 32 bytes, so eight a function */

static void
put_entry (struct fakekernel *f, uint64_t ips, unsigned i)
{
  const struct fakerule rule = { .type = ORC_CALL,
                                 .sp = ORC_SP,
                                 .sp_offset = 8 + 8 * (int) (i % 8) };
  uint64_t at = ips + 4 * ENTRIES + 6 * i;
  int16_t sp = (int16_t) rule.sp_offset, bp = 0;
  uint16_t flags = fakekernel_flags (3, &rule);

  fakemem_u32 (&f->mem, ips + 4 * i,
               (uint32_t) (FAKE_TEXT + 32 * i - (ips + 4 * i)));
  fakemem_put (&f->mem, at, &sp, 2);
  fakemem_put (&f->mem, at + 2, &bp, 2);
  fakemem_put (&f->mem, at + 4, &flags, 2);
}

static uint64_t
make_unnamed (struct fakekernel *f)
{
  char name[16];
  uint64_t ips;

  fakekernel_new (f);
  f->orc = 3;
  for (unsigned i = 0; i < FUNCS; i++)
    {
      snprintf (name, sizeof name, "func%u", i);
      fakekernel_func (f, name);
    }
  ips = fakekernel_table_ (f, 4 + 10 * ENTRIES) + 4;
  for (unsigned i = 0; i < ENTRIES; i++)
    put_entry (f, ips, i);
  return ips;
}

static void
check_unnamed (struct fakekernel *f)
{
  struct orc_row r;

  for (unsigned i = 0; i < 8 * FUNCS; i++)
    {
      assert_true (orc_find (f->k, FAKE_TEXT + 32 * i + 3, &r));
      assert_int_equal (r.type, ORC_CALL);
      assert_int_equal (r.sp, ORC_SP);
      assert_int_equal (r.sp_offset, 8 + 8 * (i % 8));
    }
}

static void
test_unnamed (void **state)
{
  struct fakekernel f;
  uint64_t ips = make_unnamed (&f);

  fakekernel_load (&f);
  check_unnamed (&f);
  fakekernel_free (&f);
  /* What stands before it happens to lead into the image, too. */
  ips = make_unnamed (&f);
  fakemem_u32 (&f.mem, ips - 4, (uint32_t) (FAKE_IMAGE + 64 - (ips - 4)));
  fakekernel_load (&f);
  check_unnamed (&f);
  fakekernel_free (&f);
}

/* Rules that are not those of functions: it is something else. */
static void
test_unnamed_other (void **state)
{
  struct fakekernel f;
  struct error err = ERROR_INIT;
  struct orc *o = NULL;
  uint64_t ips = make_unnamed (&f);
  int16_t sp = 16;

  for (unsigned i = 0; i < ENTRIES; i++)
    fakemem_put (&f.mem, ips + 4 * ENTRIES + 6 * i, &sp, 2);
  f.orc = 0;
  fakekernel_load (&f);
  assert_int_equal (orc_load (f.k, &o, &err), -ENOENT);
  fakekernel_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_formats), cmocka_unit_test (test_unsorted),
    cmocka_unit_test (test_outside), cmocka_unit_test (test_nothing_known),
    cmocka_unit_test (test_hostile), cmocka_unit_test (test_far),
    cmocka_unit_test (test_unnamed), cmocka_unit_test (test_unnamed_other),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
