/* SPDX-License-Identifier: Apache-2.0
 *
 * Pauses: whom they hold, how long, and that they outlive the daemon and the
 * host.  The writer is faked: a file in memory, which may be away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kept-bed.h"

#include "supervisor/watch/pauses.h"

#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define B "bbbbbbbb-2222-4333-8444-555555555555"

static uint64_t boot_ms, wall_ms;

static uint64_t
boot_now (void *arg)
{
  return boot_ms;
}

static uint64_t
wall_now (void *arg)
{
  return wall_ms;
}

static struct pauses *
daemon_of (const char *boot_id)
{
  const struct pauses_env env = { .loop = kept_loop,
                                  .writer = KEPT_WRITER,
                                  .boot_ms = boot_now,
                                  .wall_ms = wall_now,
                                  .boot_id = boot_id };
  struct pauses *p;

  assert_int_equal (pauses_new (&env, &p, NULL), 0);
  pauses_writer_up (p);
  return p;
}

static int
begin (void **state)
{
  kept_reset ();
  boot_ms = 5000000;
  wall_ms = 1760000000000;
  *state = daemon_of ("one");
  return 0;
}

static int
end (void **state)
{
  pauses_free (*state);
  kept_done ();
  return 0;
}

static void
pause_ (struct pauses *p, const char *uuid, const char *scenario,
        uint64_t seconds)
{
  struct pause what = { .left_ms = 0 };

  snprintf (what.uuid, sizeof what.uuid, "%s", uuid);
  snprintf (what.scenario, sizeof what.scenario, "%s", scenario);
  snprintf (what.who, sizeof what.who, "ann");
  snprintf (what.reason, sizeof what.reason, "update");
  assert_int_equal (pauses_add (p, &what, seconds, NULL), 0);
  assert_int_equal (what.left_ms, seconds * 1000);
  assert_int_equal (what.until_wall_ms, wall_ms + seconds * 1000);
  pauses_keep (p, kept_told, NULL);
}

static bool
holds (struct pauses *p, const char *uuid, const char *scenario)
{
  struct pause got;

  return pauses_hold (p, uuid, scenario, &got);
}

static void
move (uint64_t s)
{
  boot_ms += s * 1000;
  wall_ms += s * 1000;
}

static void
test_holds (void **state)
{
  struct pauses *p = *state;
  struct pause got;

  assert_false (holds (p, A, "up"));
  pause_ (p, A, "up", 60);
  assert_true (holds (p, A, "up"));
  assert_false (holds (p, A, "net"));
  assert_false (holds (p, B, "up"));
  pause_ (p, A, "", 120);
  assert_true (holds (p, A, "net"));
  assert_false (holds (p, B, "net"));
  pause_ (p, "", "up", 240);
  assert_true (holds (p, B, "up"));
  assert_false (holds (p, B, "net"));
  pause_ (p, "", "", 30);
  assert_true (holds (p, B, "net"));
  /* The one that holds longest is told. */
  assert_true (pauses_hold (p, A, "up", &got));
  assert_int_equal (got.left_ms, 240000);
  move (31);
  assert_false (holds (p, B, "net"));
  move (30);
  assert_true (holds (p, A, "up"));
  move (60);
  assert_false (holds (p, A, "net"));
  assert_true (holds (p, A, "up"));
  move (120);
  assert_false (holds (p, A, "up"));
}

static unsigned ended;

static void
count (const struct pause *pause, void *arg)
{
  ended++;
}

static void
test_ends (void **state)
{
  struct pauses *p = *state;

  pause_ (p, A, "up", 60);
  pause_ (p, A, "net", 60);
  pause_ (p, "", "up", 60);
  pause_ (p, B, "", 60);
  ended = 0;
  assert_int_equal (pauses_end (p, B, "up", count, NULL), 0);
  assert_int_equal (pauses_end (p, A, "up", count, NULL), 1);
  assert_true (holds (p, A, "up")); /* by that of all guests */
  assert_int_equal (pauses_end (p, NULL, "up", count, NULL), 1);
  assert_false (holds (p, A, "up"));
  assert_int_equal (pauses_end (p, A, NULL, count, NULL), 1);
  assert_true (holds (p, B, "up"));
  assert_int_equal (pauses_end (p, NULL, NULL, count, NULL), 1);
  assert_int_equal (ended, 4);
  assert_false (holds (p, B, "up"));
}

static void
test_bounds (void **state)
{
  struct pauses *p = *state;
  struct pause what = { .left_ms = 0 };
  struct error err = ERROR_INIT;

  assert_int_equal (pauses_add (p, &what, 0, &err), -EINVAL);
  assert_int_equal (pauses_add (p, &what, PAUSE_LONGEST_S + 1, &err), -EINVAL);
  for (unsigned i = 0; i < PAUSES_MAX; i++)
    {
      snprintf (what.scenario, sizeof what.scenario, "s%u", i);
      assert_int_equal (pauses_add (p, &what, 60, &err), 0);
    }
  snprintf (what.scenario, sizeof what.scenario, "one more");
  assert_int_equal (pauses_add (p, &what, 60, &err), -ENOBUFS);
  /* Again is no more; and what is over makes room. */
  snprintf (what.scenario, sizeof what.scenario, "s7");
  assert_int_equal (pauses_add (p, &what, 600, &err), 0);
  move (61);
  ended = 0;
  pauses_each (p, count, NULL);
  assert_int_equal (ended, 1);
  assert_true (holds (p, A, "s7"));
}

static void
test_clock_is_set (void **state)
{
  struct pauses *p = *state;
  struct pause got;

  pause_ (p, A, "up", 600);
  wall_ms -= 86400000;
  move (500);
  assert_true (pauses_hold (p, A, "up", &got));
  assert_int_equal (got.left_ms, 100000);
  assert_int_equal (got.until_wall_ms, wall_ms + 100000);
  wall_ms += 10 * 86400000ull;
  assert_true (holds (p, A, "up"));
  move (101);
  assert_false (holds (p, A, "up"));
}

static void
test_outlives_the_daemon (void **state)
{
  struct pauses *p = *state;
  struct pause got;

  pause_ (p, A, "up", 600);
  pause_ (p, "", "net", 60);
  assert_int_equal (kept_saved, 2);
  pauses_free (p);
  move (100);
  wall_ms -= 86400000; /* and the clock was set: the boot is the same */
  *state = p = daemon_of ("one");
  assert_true (pauses_hold (p, A, "up", &got));
  assert_int_equal (got.left_ms, 500000);
  assert_string_equal (got.who, "ann");
  assert_string_equal (got.reason, "update");
  assert_false (holds (p, A, "net"));
  pause_ (p, B, "", 60); /* writes the present end by the wall down */
  pauses_free (p);

  /* Another boot of the host: the wall clock it is. */
  move (100);
  boot_ms = 3000;
  *state = p = daemon_of ("two");
  assert_true (pauses_hold (p, A, "up", &got));
  assert_int_equal (got.left_ms, 400000);
  pauses_free (p);
  wall_ms += 500000;
  *state = p = daemon_of ("three");
  assert_false (holds (p, A, "up"));
}

/* What is paused before the writer answers is added to what it has. */
static void
test_writer_is_away (void **state)
{
  struct pauses *p = *state;

  pause_ (p, A, "up", 600);
  pauses_free (p);
  kept_away = true;
  *state = p = daemon_of ("one");
  assert_false (holds (p, A, "up"));
  pause_ (p, A, "net", 600);
  assert_int_equal (kept_failed, 1);
  assert_true (holds (p, A, "net"));
  kept_away = false;
  pauses_writer_up (p);
  assert_true (holds (p, A, "up"));
  assert_true (holds (p, A, "net"));
  pauses_free (p);
  *state = p = daemon_of ("one");
  assert_true (holds (p, A, "up"));
  assert_true (holds (p, A, "net"));
}

/* A disk that refuses: it holds, and is written when the writer is back. */
static void
test_disk_refuses (void **state)
{
  struct pauses *p = *state;

  kept_refuses = true;
  pause_ (p, A, "up", 600);
  assert_int_equal (kept_failed, 1);
  kept_refuses = false;
  pauses_writer_up (p);
  pauses_free (p);
  *state = p = daemon_of ("one");
  assert_true (holds (p, A, "up"));
}

/* What stands in a file that could not be read is not written over. */
static void
test_not_read (void **state)
{
  struct pauses *p = *state;

  pause_ (p, A, "up", 600);
  pauses_free (p);
  kept_unread = EIO;
  *state = p = daemon_of ("one");
  assert_false (holds (p, A, "up"));
  pause_ (p, A, "net", 600);
  assert_int_equal (kept_failed, 1);
  pauses_writer_up (p);
  kept_wait ();
  assert_null (strstr (kept_text, "\"net\""));
  kept_unread = 0;
  kept_wait ();
  assert_true (holds (p, A, "up"));
  assert_true (holds (p, A, "net"));
  assert_non_null (strstr (kept_text, "\"up\""));
  assert_non_null (strstr (kept_text, "\"net\""));
}

/* Nor what is no document: a copy of it stays. */
static void
test_put_aside (void **state)
{
  struct pauses *p = *state;

  pauses_free (p);
  kept_put ("{\"pauses\":[");
  kept_refuses = true;
  *state = p = daemon_of ("one");
  pause_ (p, A, "net", 600);
  assert_string_equal (kept_text, "{\"pauses\":[");
  kept_refuses = false;
  kept_wait ();
  assert_string_equal (kept_bad, "{\"pauses\":[");
  assert_non_null (strstr (kept_text, "\"net\""));
  pauses_free (p);
  kept_put ("{\"format\":2,\"pauses\":[{\"of\":\"tomorrow\"}]}");
  *state = daemon_of ("one");
  assert_non_null (strstr (kept_bad, "tomorrow"));
}

static void
test_hostile_file (void **state)
{
  static const char *const texts[] = {
    "", "[", "[]", "{}", "{\"pauses\":7}", "{\"pauses\":[7,null,{}]}",
    "{\"boot_id\":\"one\",\"pauses\":[{\"until_boot_ms\":-1}]}",
    "{\"boot_id\":\"one\",\"pauses\":[{\"uuid\":7,\"until_boot_ms\":\"x\"}]}",
  };

  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    {
      pauses_free (*state);
      kept_put (texts[i]);
      *state = daemon_of ("one");
      assert_false (holds (*state, A, "up"));
    }
  /* For ever is not as long as that. */
  pauses_free (*state);
  kept_put ("{\"boot_id\":\"one\",\"pauses\":[{\"scenario\":\"up\","
            "\"until_boot_ms\":9223372036854775807}]}");
  *state = daemon_of ("one");
  assert_true (holds (*state, A, "up"));
  move (PAUSE_LONGEST_S + 1);
  assert_false (holds (*state, A, "up"));
}

static void
test_words (void **state)
{
  struct pause p = { .until_wall_ms = 1760000000000, .by = "uid 0 (pid 7)" };
  char text[96];

  pause_words (&p, text, sizeof text);
  assert_string_equal (text, "paused by uid 0 (pid 7) until "
                             "2025-10-09T08:53:20Z");
  snprintf (p.who, sizeof p.who, "ann");
  snprintf (p.reason, sizeof p.reason, "update");
  pause_words (&p, text, sizeof text);
  assert_string_equal (text,
                       "paused by ann until 2025-10-09T08:53:20Z: update");
}

#define P(fn) cmocka_unit_test_setup_teardown (fn, begin, end)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    P (test_holds),          P (test_ends),
    P (test_bounds),         P (test_clock_is_set),
    P (test_outlives_the_daemon), P (test_writer_is_away),
    P (test_disk_refuses),   P (test_hostile_file),
    P (test_words),          P (test_not_read),
    P (test_put_aside),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
