/* SPDX-License-Identifier: Apache-2.0
 *
 * What scenarios listen for, from a fake console's bytes to facts: rationed,
 * the guest's own, and neither what was typed nor a log that is shown again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/text-bed.h"

struct order
{
  struct world *w;
  struct lines *lines; /* NULL: nothing any more */
};

static void
give (void *arg)
{
  struct order *o = arg;
  char uuid[UUID_TEXT];

  texts_listen (o->w->t, hubworld_uuid (0, uuid, sizeof uuid), &o->lines,
                o->lines != NULL);
}

static void
listen (struct world *w, const char *regex, const char *value)
{
  struct line_pattern p = { .name = "heard.x", .regex = regex,
                            .value = value };
  struct order o = { .w = w };

  if (regex)
    assert_int_equal (lines_new (&p, 1, &o.lines, NULL), 0);
  hubworld_do (&w->s.w, give, &o);
  lines_unref (o.lines);
}

static struct lease *
lease (struct world *w, enum lease_rank rank)
{
  struct lease *l = NULL;
  char uuid[UUID_TEXT];

  assert_int_equal (hub_lease (w->s.w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                               "serial0", rank, "test", false,
                               clock_ms () + WAIT_MS, &l, NULL),
                    0);
  return l;
}

/* What was said before it has been read when that has. */
static void
mark (struct world *w)
{
  static unsigned n;
  unsigned had = count (w, "kernel.release");
  char line[120];

  snprintf (line, sizeof line,
            "\\r\\n[    0.000000] Linux version 6.1.%u-x (d) #1\\r\\n", ++n);
  says (w, 0, line);
  assert_true (heard (w, "kernel.release", had + 1));
}

static void
test_heard (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct fact f;

  listen (w, "beat (?<n>\\d+)", "n");
  says (w, 0, "be\033[1mat\033[0m 5\\r\\n");
  assert_true (heard (w, "counted.x", 1));
  f = last (w, "counted.x");
  assert_int_equal (f.type, FACT_INT);
  assert_int_equal (f.i, 5);
  assert_int_equal (f.inc.start_time, 7);
  assert_string_equal (f.source, "console");
  /* The latest of those that came too soon, by a timer. */
  says (w, 0, "beat 6\\r\\n");
  says (w, 0, "beat 7\\r\\n");
  assert_true (heard (w, "counted.x", 2));
  nap_ms (1);
  f = last (w, "counted.x");
  assert_true (f.i == 7 || heard (w, "counted.x", 3));
  assert_int_equal (last (w, "counted.x").i, 7);
  end (w);
}

/* From one moment to the next. */
static void
test_no_more (void **state)
{
  struct world *w = begin (1, 0, NULL);

  listen (w, "beat", NULL);
  says (w, 0, "a beat\\r\\n");
  assert_true (heard (w, "heard.x", 1));
  assert_string_equal (last (w, "heard.x").text, "a beat");
  listen (w, NULL, NULL);
  says (w, 0, "a beat\\r\\n");
  mark (w);
  assert_int_equal (count (w, "heard.x"), 1);
  end (w);
}

/* A console of which much is said at once. */
static void
test_typed (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct lease *l;

  listen (w, "beat \\d", NULL);
  says (w, 0, "~ # ");
  l = lease (w, LEASE_SCENARIO);
  assert_int_equal (
      lease_write (l, "echo beat 1\r", 12, clock_ms () + WAIT_MS, NULL), 0);
  says (w, 0, "echo beat 1\\r\\nbeat 1\\r\\n~ # ");
  mark (w);
  assert_int_equal (count (w, "heard.x"), 0);
  /* The kernel says it meanwhile. */
  says (w, 0, "\\r\\n[    1.500000] beat 2\\r\\n~ # ");
  assert_true (heard (w, "heard.x", 1));
  assert_non_null (strstr (last (w, "heard.x").text, "beat 2"));
  mark (w);
  lease_free (l);
  /* Behind a prompt that came while we typed. */
  nap_ms (LINES_AGAIN_MS + 200);
  says (w, 0, "beat 3\\r\\n");
  assert_true (heard (w, "heard.x", 2));
  assert_non_null (strstr (last (w, "heard.x").text, "beat 3"));
  /* A person is none of us. */
  l = lease (w, LEASE_PERSON);
  assert_int_equal (
      lease_write (l, "x\r", 2, clock_ms () + WAIT_MS, NULL), 0);
  nap_ms (LINES_AGAIN_MS + 200);
  says (w, 0, "beat 4\\r\\n");
  assert_true (heard (w, "heard.x", 3));
  lease_free (l);
  end (w);
}

/* A log that is shown again says nothing of now. */
static void
test_shown_again (void **state)
{
  struct world *w = begin (1, 0, NULL);

  listen (w, "beat", NULL);
  says (w, 0, BANNER "[  100.000000] something\\r\\n");
  mark (w);
  listen (w, NULL, NULL);
  listen (w, "beat", NULL);
  says (w, 0, "[  100.500000] other\\r\\n[   50.000000] old beat\\r\\n");
  says (w, 0, "[  100.600000] a beat\\r\\n");
  assert_true (heard (w, "heard.x", 1));
  assert_non_null (strstr (last (w, "heard.x").text, "a beat"));
  end (w);
}

/* An expression that goes astray is said, and holds up nobody. */
static void
test_astray (void **state)
{
  struct world *w = begin (1, 0, NULL);
  char line[2000];

  listen (w, "(a+)+[bc]$", NULL);
  memset (line, 'a', sizeof line - 5);
  memcpy (line + sizeof line - 5, "\\r\\n", 5);
  says (w, 0, line);
  assert_true (heard (w, "unheard.x", 1));
  assert_int_equal (last (w, "unheard.x").i, 1);
  mark (w);
  end (w);
}

/* A guest that comes later, and one that goes while it is listened to. */
static void
test_gone (void **state)
{
  struct world *w = begin (1, 0, NULL);

  listen (w, "beat", NULL);
  says (w, 0, "beat\\r\\n");
  assert_true (heard (w, "heard.x", 1));
  guest (w, 0, GUEST_GONE, 7, 0);
  guest (w, 0, GUEST_ADDED, 8, 0);
  is_read (w, 0);
  listen (w, "beat", NULL);
  says (w, 0, "beat\\r\\n");
  assert_true (heard (w, "heard.x", 2));
  assert_int_equal (last (w, "heard.x").inc.start_time, 8);
  end (w);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_heard),       cmocka_unit_test (test_no_more),
    cmocka_unit_test (test_typed),       cmocka_unit_test (test_shown_again),
    cmocka_unit_test (test_astray),      cmocka_unit_test (test_gone),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
