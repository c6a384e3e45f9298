/* SPDX-License-Identifier: Apache-2.0
 *
 * BTF: what is looked up is right, what is wrong is refused.
 */
#include "tests/unit/kernel-memory/btf-builder.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct btf *
take (const struct btf_builder *b)
{
  struct error err = ERROR_INIT;
  struct btf *ret = NULL;
  size_t len;
  void *blob = bb_blob (b, &len);

  assert_int_equal (btf_length (blob, len), len);
  if (btf_new (blob, len, &ret, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return ret;
}

static void
refused (const struct btf_builder *b)
{
  struct error err = ERROR_INIT;
  struct btf *ret = NULL;
  size_t len;
  void *blob = bb_blob (b, &len);

  assert_int_equal (btf_new (blob, len, &ret, &err), -EBADMSG);
  assert_null (ret);
  assert_string_not_equal (error_text (&err), "");
}

static void
at (const struct btf *b, const char *path, uint32_t offset, uint32_t size)
{
  struct btf_member m = { .offset = 999 };

  if (!btf_member (b, "task_struct", path, &m))
    fail_msg ("no %s", path);
  assert_int_equal (m.offset, offset);
  assert_int_equal (m.size, size);
  assert_int_equal (m.bits, 0);
}

static void
nowhere (const struct btf *b, const char *type, const char *path)
{
  struct btf_member m = { .offset = 999 };

  assert_false (btf_member (b, type, path, &m));
  assert_int_equal (m.offset, 999);
}

static void
members (void **state)
{
  static struct btf_builder bb;
  struct btf *b;

  bb_kernel (&bb);
  b = take (&bb);
  assert_int_equal (btf_types (b), bb.n + 1);
  at (b, "__state", 0, 4);
  at (b, "rcu_users", 8, 4);
  at (b, "rcu", 8, 8);
  at (b, "tasks", 16, 16);
  at (b, "tasks.prev", 24, 8);
  at (b, "comm", 32, 16);
  at (b, "comm[3]", 35, 1);
  at (b, "thread.sp", 72, 8);
  at (b, "thread.tls[2]", 64, 8);
  nowhere (b, "task_struct", "thread.tls[3]");
  nowhere (b, "task_struct", "thread.tls[");
  nowhere (b, "task_struct", "thread.tls[1");
  nowhere (b, "task_struct", "thread.tls[99999999999999999999]");
  nowhere (b, "task_struct", "thread.");
  nowhere (b, "task_struct", ".thread");
  nowhere (b, "task_struct", "comm.x");
  nowhere (b, "task_struct", "tas");
  nowhere (b, "task_struct", "task");
  nowhere (b, "nothing", "tasks");
  nowhere (b, "state_t", "tasks");
  btf_free (b);
}

static void
bit_fields (void **state)
{
  static struct btf_builder bb;
  struct btf_member m;
  struct btf *b;
  uint32_t bits;

  bb_kernel (&bb);
  /* Before there was a flag, the type itself said which bits. */
  bits = bb_type (&bb, "unsigned int", KIND_INT, 0, false, 4);
  bb_u32 (&bb, 2u << 16 | 3);
  (void) bb_type (&bb, "old", KIND_STRUCT, 1, false, 8);
  bb_member (&bb, "few", bits, 32);
  b = take (&bb);
  assert_true (btf_member (b, "task_struct", "on_rq", &m));
  assert_int_equal (m.offset, 4);
  assert_int_equal (m.bit, 0);
  assert_int_equal (m.bits, 1);
  assert_int_equal (m.size, 1);
  assert_true (btf_member (b, "task_struct", "in_iowait", &m));
  assert_int_equal (m.offset, 4);
  assert_int_equal (m.bit, 5);
  assert_int_equal (m.bits, 3);
  assert_true (btf_member (b, "old", "few", &m));
  assert_int_equal (m.offset, 4);
  assert_int_equal (m.bit, 2);
  assert_int_equal (m.bits, 3);
  btf_free (b);
}

static void
enums_and_variables (void **state)
{
  static struct btf_builder bb;
  struct btf *b;
  uint32_t offset, size;
  int64_t v;

  bb_kernel (&bb);
  b = take (&bb);
  assert_true (btf_enum (b, "PIDTYPE_PID", &v) && v == 0);
  assert_true (btf_enum (b, "PIDTYPE_BAD", &v) && v == -1);
  assert_true (btf_enum (b, "BIG_ONE", &v) && v == (1ll << 32) + 5);
  assert_false (btf_enum (b, "PIDTYPE", &v));
  assert_string_equal (btf_enum_name (b, "pid_type", -1), "PIDTYPE_BAD");
  assert_null (btf_enum_name (b, "pid_type", 7));
  assert_null (btf_enum_name (b, "task_struct", 0));
  assert_true (btf_percpu (b, "current_task", &offset) && offset == 4096);
  assert_false (btf_percpu (b, "schedule", &offset));
  assert_true (btf_sizeof (b, "task_struct", &size) && size == 128);
  assert_true (btf_sizeof (b, "state_t", &size) && size == 4);
  assert_true (btf_sizeof (b, "pid_type", &size) && size == 4);
  assert_false (btf_sizeof (b, "nowhere", &size));
  btf_free (b);
}

/* Enums of a kernel that never says that they are signed. */
static void
old_enums (void **state)
{
  static struct btf_builder bb;
  struct btf *b;
  int64_t v;

  bb_new (&bb);
  (void) bb_type (&bb, "e", KIND_ENUM, 1, false, 4);
  bb_u32 (&bb, bb_str (&bb, "MINUS"));
  bb_u32 (&bb, (uint32_t) -2);
  b = take (&bb);
  assert_true (btf_enum (b, "MINUS", &v) && v == -2);
  btf_free (b);
}

static void
type_names (void **state)
{
  static struct btf_builder bb;
  char name[64], small[8];
  struct btf *b;
  uint32_t task, ptr;

  bb_kernel (&bb);
  task = bb_type (&bb, "mm_struct", KIND_STRUCT, 0, false, 8);
  ptr = bb_type (&bb, "", KIND_CONST, 0, false, task);
  ptr = bb_type (&bb, "", KIND_PTR, 0, false, ptr);
  ptr = bb_type (&bb, "", KIND_PTR, 0, false, ptr);
  b = take (&bb);
  assert_int_equal (btf_type_name (b, 1, name, sizeof name), 12);
  assert_string_equal (name, "unsigned int");
  btf_type_name (b, ptr, name, sizeof name);
  assert_string_equal (name, "const struct mm_struct **");
  btf_type_name (b, 0, name, sizeof name);
  assert_string_equal (name, "void");
  btf_type_name (b, bb.n + 9, name, sizeof name);
  assert_string_equal (name, "?");
  assert_true (btf_type_name (b, ptr, small, sizeof small) > sizeof small);
  assert_int_equal (strlen (small), sizeof small - 1);
  btf_free (b);
}

/* Types that go round in circles, or fan out without end. */
static void
endless (void **state)
{
  static struct btf_builder bb;
  struct btf_member m;
  char name[64];
  struct btf *b;
  uint32_t size, a, last;

  bb_new (&bb);
  a = bb_type (&bb, "ring", KIND_TYPEDEF, 0, false, 2);
  (void) bb_type (&bb, "ring2", KIND_TYPEDEF, 0, false, a);
  (void) bb_type (&bb, "self", KIND_STRUCT, 64, false, 8);
  for (unsigned i = 0; i < 64; i++)
    bb_member (&bb, "", 3, 0);
  (void) bb_array (&bb, 4, 0x10000); /* of itself */
  (void) bb_type (&bb, "holder", KIND_STRUCT, 1, false, 8);
  bb_member (&bb, "x", 4, 0);
  last = bb_int (&bb, "int", 4);
  for (unsigned i = 0; i < 40; i++)
    last = bb_type (&bb, i == 39 ? "deep" : "", KIND_CONST, 0, false, last);
  (void) bb_type (&bb, "deep_t", KIND_TYPEDEF, 0, false, last);
  (void) bb_type (&bb, "stars", KIND_PTR, 0, false, bb.n + 1);
  b = take (&bb);
  assert_false (btf_sizeof (b, "ring", &size));
  assert_false (btf_sizeof (b, "deep_t", &size));
  nowhere (b, "ring", "x");
  nowhere (b, "self", "x");
  assert_true (btf_member (b, "holder", "x", &m));
  assert_int_equal (m.size, 0);
  nowhere (b, "holder", "x[0]");
  nowhere (b, "holder", "x[0].y");
  btf_type_name (b, bb.n, name, sizeof name);
  assert_string_equal (name, "?");
  btf_free (b);
}

/* Arrays whose sizes do not fit. */
static void
too_large (void **state)
{
  static struct btf_builder bb;
  struct btf *b;
  uint32_t id;

  bb_new (&bb);
  id = bb_int (&bb, "long", 8);
  for (unsigned i = 0; i < 8; i++)
    id = bb_array (&bb, id, 0xffffffff);
  (void) bb_type (&bb, "s", KIND_STRUCT, 1, false, 8);
  bb_member (&bb, "x", id, 0);
  b = take (&bb);
  nowhere (b, "s", "x[4]");
  nowhere (b, "s", "x[4294967294][4294967294]");
  btf_free (b);
}

static void
wrong_ids (void **state)
{
  static struct btf_builder bb;
  uint32_t words[3] = { 0 };

  bb_new (&bb);
  (void) bb_type (&bb, "p", KIND_PTR, 0, false, 2);
  refused (&bb);
  bb_new (&bb);
  (void) bb_int (&bb, "int", 4);
  (void) bb_array (&bb, 3, 1);
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "s", KIND_STRUCT, 1, false, 8);
  bb_member (&bb, "x", 2, 0);
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, ".data..percpu", KIND_DATASEC, 1, false, 8);
  words[0] = 7;
  for (unsigned i = 0; i < 3; i++)
    bb_u32 (&bb, words[i]);
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "", KIND_FUNC_PROTO, 1, false, 0);
  bb_u32 (&bb, 0);
  bb_u32 (&bb, 9);
  refused (&bb);
}

static void
wrong_names (void **state)
{
  static struct btf_builder bb;

  bb_new (&bb);
  (void) bb_type (&bb, "", KIND_FWD, 0, false, 0);
  memcpy (bb.types, (uint32_t[]){ 1 }, 4); /* beyond the names */
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "fine", KIND_FWD, 0, false, 0);
  bb.strs[2] = '\033';
  refused (&bb);
  bb.strs[2] = '\x7f';
  refused (&bb);
  bb.strs[2] = '\xc3';
  refused (&bb);
  bb.strs[2] = 'i';
  bb.strs[0] = 'x'; /* the empty name is not */
  refused (&bb);
  bb.strs[0] = '\0';
  bb.slen--; /* no end */
  refused (&bb);
}

static void
wrong_records (void **state)
{
  static struct btf_builder bb;

  bb_new (&bb);
  (void) bb_type (&bb, "s", KIND_STRUCT, 2, false, 8);
  bb_member (&bb, "x", 0, 0); /* of two */
  refused (&bb);
  for (unsigned kind = 0; kind < 32; kind += kind == 0 ? KIND_MAX : 1)
    {
      bb_new (&bb);
      (void) bb_type (&bb, "odd", kind, 0, false, 0);
      refused (&bb);
    }
  bb_new (&bb);
  (void) bb_type (&bb, "s", KIND_FWD, 0, false, 0);
  bb.types[6] = 1; /* bits that mean nothing */
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "i", KIND_INT, 0, false, 4);
  bb_u32 (&bb, 33);
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "i", KIND_INT, 0, false, 4);
  bb_u32 (&bb, 16u << 16 | 17);
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "s", KIND_STRUCT, 1, false, 8);
  bb_member (&bb, "x", 0, 65); /* beyond it */
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "s", KIND_STRUCT, 1, true, 8);
  bb_member (&bb, "x", 0, 60 | 5u << 24);
  refused (&bb);
  bb_new (&bb);
  (void) bb_type (&bb, "s", KIND_STRUCT, 1, true, 800);
  bb_member (&bb, "x", 0, 65u << 24);
  refused (&bb);
}

static void
headers (void **state)
{
  static struct btf_builder bb;
  size_t len;
  uint32_t *h;

  bb_kernel (&bb);
  h = bb_blob (&bb, &len);
  assert_int_equal (btf_length (h, 23), 0);
  assert_int_equal (btf_length (h, 24), len);
  for (unsigned i = 0; i < 6; i++)
    {
      uint32_t was = h[i];

      if (i != 5) /* longer names are only a longer blob */
        {
          h[i] = 0xfffffffc;
          assert_int_equal (btf_length (h, len), 0);
        }
      h[i] = i == 2 ? 2 : 0;
      assert_int_equal (btf_length (h, len), 0);
      h[i] = was;
    }
  h[5] = BTF_MAX_BYTES;
  assert_int_equal (btf_length (h, len), 0);
  free (h);
  h = bb_blob (&bb, &len);
  assert_int_equal (btf_new (h, len - 1, NULL, NULL), -EBADMSG);
  assert_int_equal (btf_new (NULL, 0, NULL, NULL), -EBADMSG);
}

/* Every byte of a good blob, changed: refused or harmless. */
static void
damaged (void **state)
{
  static struct btf_builder bb;
  unsigned char *blob;
  size_t len;

  bb_kernel (&bb);
  blob = bb_blob (&bb, &len);
  for (size_t i = 0; i < len; i++)
    for (unsigned bit = 0; bit < 8; bit++)
      {
        unsigned char *copy = malloc (len);
        struct btf *b = NULL;
        struct btf_member m;
        char name[32];
        int64_t v;
        uint32_t u;

        assert_non_null (copy);
        memcpy (copy, blob, len);
        copy[i] ^= (unsigned char) (1u << bit);
        if (btf_new (copy, len, &b, NULL) < 0)
          continue;
        btf_member (b, "task_struct", "thread.tls[1]", &m);
        btf_enum (b, "BIG_ONE", &v);
        btf_percpu (b, "current_task", &u);
        for (uint32_t id = 0; id < btf_types (b); id++)
          btf_type_name (b, id, name, sizeof name);
        btf_free (b);
      }
  free (blob);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (members),
    cmocka_unit_test (bit_fields),
    cmocka_unit_test (enums_and_variables),
    cmocka_unit_test (old_enums),
    cmocka_unit_test (type_names),
    cmocka_unit_test (endless),
    cmocka_unit_test (too_large),
    cmocka_unit_test (wrong_ids),
    cmocka_unit_test (wrong_names),
    cmocka_unit_test (wrong_records),
    cmocka_unit_test (headers),
    cmocka_unit_test (damaged),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
