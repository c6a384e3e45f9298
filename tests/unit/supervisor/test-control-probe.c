/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation probe: how long it waits for whom, and how many there may be.
 * Bindings and clients are faked: an outcome comes when the test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"

static struct daemon house;
static struct guest *guest;
static struct scenario slow, quick;
static unsigned many; /* bindings, or 0: one of each of the two */
static unsigned asked, refuse;

/* ---- bindings ---- */

static void
tell (const struct scenario *s, const struct outcome_report *last,
      void (*fn) (const struct binding_info *info, void *arg), void *arg)
{
  const struct binding_info info
      = { .guest = guest, .scenario = s, .health = HEALTH_WELL, .last = last };

  fn (&info, arg);
}

void
bindings_each (struct bindings *b, const char *uuid,
               void (*fn) (const struct binding_info *info, void *arg),
               void *arg)
{
  for (unsigned i = 0; i < many; i++)
    tell (&quick, NULL, fn, arg);
  if (many)
    return;
  tell (&slow, NULL, fn, arg);
  tell (&quick, NULL, fn, arg);
}

int
bindings_probe (struct bindings *b, const char *uuid, const char *scenario,
                struct error *err)
{
  asked++;
  return asked == refuse ? error_set (err, EBUSY, "its lane is taken") : 0;
}

int
registry_find (struct guest_registry *r, const char *pattern,
               const struct guest **ret, struct error *err)
{
  *ret = guest_ref (guest);
  return 0;
}

int
bindings_once (struct bindings *b, const struct guest *g, struct scenario *s,
               bindings_once_fn *fn, void *arg, struct error *err)
{
  return error_set (err, EINVAL, "not here");
}

static void
now_says (const struct binding_info *info, void *arg)
{
  control_outcome (info, HEALTH_SAME, &house);
}

static void
says (const struct scenario *s)
{
  struct outcome_report ok = { .outcome = OUTCOME_OK, .code = "ok" };

  tell (s, &ok, now_says, NULL);
}

/* ---- a client ---- */

struct seen
{
  unsigned rows;
  bool ended;
  int error;
};

static struct seen *
seen_of (struct answer *a)
{
  return (struct seen *) a->client;
}

bool
answer_row (struct answer *a, struct json_object *row)
{
  seen_of (a)->rows++;
  json_object_put (row);
  return true;
}

static void
over (struct answer *a)
{
  seen_of (a)->ended = true;
  json_object_put (a->head);
  free (a);
}

void
answer_end (struct answer *a, struct json_object *last)
{
  over (a);
}

void
answer_error (struct answer *a, const struct error *why)
{
  seen_of (a)->error = why->code;
  over (a);
}

const struct guest *
answer_guest (struct answer *a)
{
  return guest_ref (guest);
}

void
control_add_value (struct json_object *row, const struct outcome_report *last)
{
}

static struct answer *
asks (struct seen *seen, bool all)
{
  struct answer *a = calloc (1, sizeof *a);

  *seen = (struct seen){ .rows = 0 };
  a->d = &house;
  a->client = (struct client *) seen;
  a->head = json_object_new_object ();
  json_add_bool (a->head, "all", all);
  op_probe (a, NULL);
  return a;
}

static void
leaves (struct answer *a)
{
  a->gone (a);
  over (a);
}

/* ---- */

static int
setup (void **state)
{
  asked = refuse = many = 0;
  memset (&house, 0, sizeof house);
  assert_int_equal (loop_new_fake (&house.loop, NULL), 0);
  guest = guest_new ();
  snprintf (guest->inc.uuid, sizeof guest->inc.uuid, A);
  slow = (struct scenario){ .name = (char *) "slow", .timeout_ms = 120000 };
  quick = (struct scenario){ .name = (char *) "quick", .timeout_ms = 5000 };
  return 0;
}

static int
teardown (void **state)
{
  assert_null (house.probes);
  guest_unref (guest);
  loop_free (house.loop);
  return 0;
}

static void
after (uint64_t ms)
{
  loop_advance (house.loop, ms);
  assert_int_equal (loop_round (house.loop, 0, NULL), 0);
}

/* The quick one is begun last, and makes nobody give up on the slow one. */
static void
waits_for_the_slowest (void **state)
{
  struct seen seen;

  asks (&seen, true);
  assert_int_equal (asked, 2);
  says (&quick);
  after (119000);
  assert_false (seen.ended);
  says (&slow);
  assert_true (seen.ended);
  assert_int_equal (seen.rows, 2);
  assert_int_equal (seen.error, 0);
}

static void
but_not_for_ever (void **state)
{
  struct seen seen;

  asks (&seen, true);
  says (&quick);
  after (131000);
  assert_true (seen.ended);
  assert_int_equal (seen.error, ETIMEDOUT);
}

/* One that can't be begun is not waited for. */
static void
told_when_not_begun (void **state)
{
  struct seen seen;

  refuse = 1;
  asks (&seen, false);
  assert_false (seen.ended);
  assert_int_equal (seen.rows, 1);
  says (&quick);
  assert_true (seen.ended);
  assert_int_equal (seen.rows, 2);
  assert_int_equal (seen.error, 0);
}

static void
so_many_and_no_more (void **state)
{
  struct buf out = BUF_INIT (1024);
  struct answer *a[16];
  struct seen seen[17];

  for (unsigned i = 0; i < 16; i++)
    a[i] = asks (&seen[i], false);
  control_probes_dump (&house, &out);
  assert_string_equal (buf_str (&out),
                       "probes: 16 of 16, of 32 scenarios of 16384\n");
  buf_done (&out);
  asks (&seen[16], false);
  assert_true (seen[16].ended);
  assert_int_equal (seen[16].error, EBUSY);
  leaves (a[3]);
  a[3] = asks (&seen[3], false);
  assert_false (seen[3].ended);
  /* Each of them hears of it. */
  says (&slow);
  says (&quick);
  for (unsigned i = 0; i < 16; i++)
    assert_true (seen[i].ended && seen[i].rows == 2);
}

static void
all_of_a_large_host_once (void **state)
{
  struct answer *a;
  struct seen large, other;

  many = 16384;
  a = asks (&large, true);
  assert_false (large.ended);
  assert_int_equal (asked, 16); /* at once */
  asks (&other, true);
  assert_int_equal (other.error, EBUSY);
  leaves (a);
  a = asks (&other, true);
  assert_false (other.ended);
  leaves (a);
}

#define P(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    P (waits_for_the_slowest), P (but_not_for_ever),
    P (told_when_not_begun),   P (so_many_and_no_more),
    P (all_of_a_large_host_once),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
