/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots: references, comparing, printing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "guests/guest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct guest *
example (void)
{
  struct guest *g = guest_new ();

  strcpy (g->inc.uuid, "11111111-2222-4333-8444-555555555555");
  g->inc.pid = 7;
  strcpy (g->name, "a");
  strcpy (g->display, "the \x1b[31m app");
  g->run = GUEST_RUNNING;
  g->nconsoles = 1;
  strcpy (g->consoles[0].name, "cons");
  g->consoles[0].device = CONSOLE_DEV_MUX;
  g->nnics = 1;
  strcpy (g->nics[0].ip, "10.0.0.2");
  g->ndisks = 1;
  strcpy (g->disks[0].target, "vda");
  g->labels = json_object_new_object ();
  json_add_str (g->labels, "k", "v");
  return g;
}

static void
compares_everything_but_what_is_behind_the_nul (void **state)
{
  struct guest *a = example (), *b = example ();

  strcpy (b->name, "a-longer-name");
  assert_false (guest_same (a, b));
  strcpy (b->name, "a");
  assert_true (guest_same (a, b));
  assert_true (guest_same (a, a));
  b->consoles[0].muxed = true;
  assert_false (guest_same (a, b));
  b->consoles[0].muxed = false;
  strcpy (b->nics[0].ip, "10.0.0.3");
  assert_false (guest_same (a, b));
  strcpy (b->nics[0].ip, "10.0.0.2");
  json_add_str (b->labels, "k", "w");
  assert_false (guest_same (a, b));
  json_object_put (b->labels);
  b->labels = NULL;
  assert_false (guest_same (a, b));
  assert_false (guest_same (b, a));
  guest_unref (a);
  guest_unref (b);
}

static void
prints_itself_without_control_characters (void **state)
{
  struct guest *g = example ();
  struct json_object *obj CLEANUP_JSON = guest_to_json (g);
  struct json_object *list;

  /* The copy outlives the snapshot. */
  assert_non_null (guest_console_find (g, "cons"));
  assert_null (guest_console_find (g, "con"));
  guest_unref (g);
  assert_string_equal (json_get_str (obj, "run"), "running");
  assert_string_equal (json_get_str (obj, "intent"), "run");
  assert_null (strchr (json_get_str (obj, "display"), '\x1b'));
  assert_string_equal (json_get_str (json_get (obj, "labels"), "k"), "v");
  list = json_get (obj, "consoles");
  assert_int_equal (json_object_array_length (list), 1);
  assert_string_equal (
      json_get_str (json_object_array_get_idx (list, 0), "device"), "mux");
}

static void
cuts_what_does_not_fit (void **state)
{
  char dst[4] = "xxx";

  guest_copy (dst, sizeof dst, "abcdef");
  assert_string_equal (dst, "abc");
  guest_copy (dst, sizeof dst, "");
  assert_string_equal (dst, "");
}

static void *
ref_and_unref (void *arg)
{
  for (unsigned i = 0; i < 20000; i++)
    guest_unref (guest_ref (arg));
  guest_unref (arg);
  return NULL;
}

static void
counts_references_from_many_threads (void **state)
{
  struct guest *g = example ();
  pthread_t t[4];

  for (unsigned i = 0; i < ARRAY_LEN (t); i++)
    assert_int_equal (
        pthread_create (&t[i], NULL, ref_and_unref, guest_ref (g)), 0);
  for (unsigned i = 0; i < ARRAY_LEN (t); i++)
    pthread_join (t[i], NULL);
  assert_string_equal (g->name, "a");
  guest_unref (g);
  guest_unref (NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (compares_everything_but_what_is_behind_the_nul),
    cmocka_unit_test (prints_itself_without_control_characters),
    cmocka_unit_test (cuts_what_does_not_fit),
    cmocka_unit_test (counts_references_from_many_threads),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
