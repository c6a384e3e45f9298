/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kernel writes down of itself: read, found, and not believed blindly.
 */
#include "tests/lib/fakemem.h"

#include "kernel/memory/vmcoreinfo.h"

#define MIB (1ULL << 20)
#define SIZE (64 * MIB)

static const char sample[] = "OSRELEASE=6.1.0-56-cloud-amd64\n"
                             "BUILD-ID=0123456789abcdef\n"
                             "PAGESIZE=4096\n"
                             "SYMBOL(init_uts_ns)=ffffffff9ce1b1c0\n"
                             "OFFSET(uts_namespace.name)=0\n"
                             "SYMBOL(_stext)=ffffffff9b400000\n"
                             "SIZE(list_head)=16\n"
                             "OFFSET(list_head.next)=0\n"
                             "OFFSET(list_head.prev)=8\n"
                             "LENGTH(free_area.free_list)=5\n"
                             "NUMBER(phys_base)=-1358954496\n"
                             "NUMBER(VA_BITS)=48\n"
                             "NUMBER(kimage_voffset)=0xffff7fffc7600000\n"
                             "KERNELOFFSET=1a400000\n"
                             "CRASHTIME=1\n";

static struct vmcoreinfo *
parsed (const char *text, size_t len)
{
  struct vmcoreinfo *v = NULL;
  struct error err = ERROR_INIT;
  char *exact = malloc (len);

  memcpy (exact, text, len);
  if (vmcoreinfo_parse (exact, len, &v, &err) < 0)
    fail_msg ("%s", error_text (&err));
  free (exact);
  return v;
}

static void
keys (void **state)
{
  struct vmcoreinfo *v = parsed (sample, sizeof sample - 1);
  uint64_t at;
  uint32_t n;
  int64_t i;

  assert_string_equal (vmcoreinfo_release (v), "6.1.0-56-cloud-amd64");
  assert_true (vmcoreinfo_symbol (v, "init_uts_ns", &at));
  assert_true (at == 0xffffffff9ce1b1c0);
  assert_false (vmcoreinfo_symbol (v, "init_uts", &at));
  assert_false (vmcoreinfo_symbol (v, "list_head", &at));
  assert_true (vmcoreinfo_offset (v, "list_head.prev", &n));
  assert_int_equal (n, 8);
  assert_true (vmcoreinfo_size (v, "list_head", &n));
  assert_int_equal (n, 16);
  assert_true (vmcoreinfo_number (v, "phys_base", &i));
  assert_true (i == -1358954496);
  assert_true (vmcoreinfo_number (v, "kimage_voffset", &i));
  assert_true ((uint64_t) i == 0xffff7fffc7600000);
  assert_true (vmcoreinfo_value (v, "KERNELOFFSET", &at));
  assert_int_equal (at, 0x1a400000);
  assert_true (vmcoreinfo_value (v, "PAGESIZE", &at));
  assert_int_equal (at, 4096);
  assert_false (vmcoreinfo_value (v, "KERNEL", &at));
  vmcoreinfo_free (v);
  vmcoreinfo_free (NULL);
}

static void
cut_and_ended (void **state)
{
  char page[4096] = { 0 };
  struct vmcoreinfo *v;
  uint64_t at;

  memcpy (page, sample, sizeof sample);
  strcpy (page + sizeof sample, "OSRELEASE=other\n");
  v = parsed (page, sizeof page);
  assert_true (vmcoreinfo_value (v, "CRASHTIME", &at));
  vmcoreinfo_free (v);
  for (size_t n = 0; n < sizeof sample; n++)
    {
      char *exact = malloc (n > 0 ? n : 1);

      memcpy (exact, sample, n);
      if (vmcoreinfo_parse (exact, n, &v, NULL) == 0)
        vmcoreinfo_free (v);
      else
        assert_true (n < 100);
      free (exact);
    }
}

static void
without_sense (void **state)
{
  static const char *const texts[] = {
    "",
    "OSRELEASE",
    "OSRELEASE=",
    "OSRELEASE=6.1\n",
    "OSRELEASE=\nPAGESIZE=4096\nSYMBOL(a)=1\nSYMBOL(b)=1\n",
    "XOSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(a)=1\n",
    "OSRELEASE=6.1\nPAGESIZE=4096\nSYM\033[2J(a)=1\nSYMBOL(b)=1\n",
    "OSRELEASE=6.1\nPAGESIZE=4096\nno sense\nSYMBOL(b)=1\n",
    ("OSRELEASE=0123456789012345678901234567890123456789012345678901234567890"
     "1234\nPAGESIZE=4096\nSYMBOL(a)=1\nSYMBOL(b)=1\n"),
  };
  struct vmcoreinfo *v = NULL;
  struct error err;

  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (vmcoreinfo_parse (texts[i], strlen (texts[i]), &v, &err) != -EBADMSG)
      fail_msg ("taken: %s", texts[i]);
  assert_null (v);
}

static void
odd_values (void **state)
{
  static const char text[] = "OSRELEASE=1\nSYMBOL(a)=\nSYMBOL(b)=12x\n"
                             "SYMBOL(c)=11112222333344445\nSIZE(d)=-1\n"
                             "SIZE(e)=4294967296\nNUMBER(f)=0x\n"
                             "OFFSET(g)=1\nSYMBOL(h=1\nSYMBOL(i)=1=2\n";
  struct vmcoreinfo *v = parsed (text, sizeof text - 1);
  uint64_t at = 77;
  uint32_t n = 77;
  int64_t i = 77;

  assert_false (vmcoreinfo_symbol (v, "a", &at));
  assert_false (vmcoreinfo_symbol (v, "b", &at));
  assert_false (vmcoreinfo_symbol (v, "c", &at));
  assert_false (vmcoreinfo_size (v, "d", &n));
  assert_false (vmcoreinfo_size (v, "e", &n));
  assert_false (vmcoreinfo_number (v, "f", &i));
  assert_false (vmcoreinfo_symbol (v, "h", &at));
  assert_false (vmcoreinfo_symbol (v, "i", &at));
  assert_true (at == 77 && n == 77 && i == 77);
  vmcoreinfo_free (v);
}

struct found
{
  uint64_t at[8];
  unsigned n, stop;
};

static bool
tell (const struct vmcoreinfo *v, uint64_t gpa, void *arg)
{
  struct found *f = arg;

  f->at[f->n++] = gpa;
  return f->n == f->stop;
}

static void
in_memory (void **state)
{
  struct fakemem f;
  struct found found = { .n = 0 };
  struct vmcoreinfo *v;
  struct mem *m;
  uint64_t at;

  fakemem_new (&f, SIZE);
  strcpy ((char *) f.bytes + MIB, sample);
  strcpy ((char *) f.bytes + 2 * MIB + 24, sample); /* the note's copy */
  strcpy ((char *) f.bytes + 3 * MIB, "OSRELEASE=junk");
  strcpy ((char *) f.bytes + 25 * MIB, sample);
  /* More than a page, as newer kernels have it. */
  strcpy ((char *) f.bytes + SIZE - 8192, sample);
  memset (f.bytes + SIZE - 8192 + sizeof sample - 1, '\n',
          4096 - sizeof sample + 1);
  strcpy ((char *) f.bytes + SIZE - 4096, "SYMBOL(far)=5\n");
  m = fakemem_open (&f);
  assert_false (vmcoreinfo_scan (m, tell, &found));
  assert_int_equal (found.n, 3);
  /* From both ends. */
  assert_int_equal (found.at[0], MIB);
  assert_int_equal (found.at[1], SIZE - 8192);
  assert_int_equal (found.at[2], 25 * MIB);
  v = vmcoreinfo_read (m, found.at[1]);
  assert_non_null (v);
  assert_true (vmcoreinfo_symbol (v, "far", &at));
  vmcoreinfo_free (v);
  assert_null (vmcoreinfo_read (m, 0));
  found = (struct found){ .stop = 2 };
  assert_true (vmcoreinfo_scan (m, tell, &found));
  assert_int_equal (found.n, 2);
  mem_free (m);
  fakemem_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (keys),          cmocka_unit_test (cut_and_ended),
    cmocka_unit_test (without_sense), cmocka_unit_test (odd_values),
    cmocka_unit_test (in_memory),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
