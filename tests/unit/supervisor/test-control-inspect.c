/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation inspect: how long its parts may take, and what is said when
 * they do.  Memory, monitor and parser are faked, and so is the clock: each of
 * them takes all the time that it is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "transports/memory/parser.h"
#include "transports/memory/memory.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- time ---- */

static uint64_t now_ms;

uint64_t
clock_ms (void)
{
  return now_ms;
}

uint64_t
clock_us (void)
{
  return now_ms * 1000;
}

uint64_t
clock_wall_ms (void)
{
  return now_ms;
}

char *
clock_format (char *dst, size_t n, uint64_t wall_ms)
{
  snprintf (dst, n, "%llu", (unsigned long long) wall_ms);
  return dst;
}

int
nanosleep (const struct timespec *req, struct timespec *left)
{
  now_ms += (uint64_t) req->tv_nsec / 1000000;
  return 0;
}

/* ---- a job ---- */

struct job
{
  uint64_t deadline;
};

static struct job_spec started; /* the last one */
static struct job the_job;

int
job_start (struct job_pool *pool, const struct job_spec *spec,
           struct error *err)
{
  started = *spec;
  return 0;
}

uint64_t
job_deadline (const struct job *job)
{
  return job->deadline;
}

bool
job_stopping (const struct job *job)
{
  return now_ms >= job->deadline;
}

static int
run_job (void)
{
  the_job.deadline = now_ms + started.timeout_ms;
  return started.run (&the_job, started.arg);
}

/* ---- what takes its time: until just before the end ---- */

static bool slow, stuck;

static void
take_until (uint64_t deadline)
{
  assert_true (deadline <= the_job.deadline);
  if (slow && deadline > now_ms + 1)
    now_ms = deadline - 1;
}

int
memory_open (const struct transport_env *env, const struct guest *g,
             uint64_t deadline, struct memory *ret, struct error *err)
{
  take_until (deadline);
  *ret = (struct memory){ .fd = -1, .pagemap = -1, .map.plugged = 1 };
  return 0;
}

int
memory_check (const struct transport_env *env, const struct guest *g,
              uint64_t deadline, const struct memory *m, struct error *err)
{
  take_until (deadline);
  return 0;
}

int
memory_ask (const struct transport_env *env, const struct guest *g,
                    uint64_t deadline, struct memory *m, struct error *err)
{
  take_until (deadline);
  return 0;
}

int
memory_registers (const struct transport_env *env, const struct guest *g,
                  uint64_t deadline, char **ret, size_t *ret_len,
                  char state[MEMORY_STATE], struct error *err)
{
  take_until (deadline);
  return error_set (err, ETIMEDOUT, "no answer");
}

void
memory_done (struct memory *m)
{
}

struct json_object *
memory_where (const struct memory *m)
{
  return json_object_new_object ();
}

struct parser_run
{
  int unused;
};
static struct parser_run the_parser;
static unsigned parsers;       /* that live */
static unsigned parsers_begun; /* in all */
static unsigned questions;     /* of looks */
static bool dies;              /* at the next question */

int
parser_run_start (const struct parser_spec *spec, struct parser_run **ret,
                  struct error *err)
{
  parsers++;
  parsers_begun++;
  *ret = &the_parser;
  return 0;
}

int
parser_run_ask (struct parser_run *p, struct json_object *head,
                const void *body, size_t len, uint64_t deadline,
                struct error *err)
{
  const char *op = json_get_str (head, "op");
  int64_t ms = json_get_int (head, "deadline_ms", 0);

  /* What is the parser's is less than what we wait. */
  if (op && strcmp (op, "look") == 0)
    {
      assert_in_range (ms, 1, deadline - now_ms);
      questions++;
    }
  json_object_put (head);
  return 0;
}

int
parser_run_listen (struct parser_run *p, uint64_t deadline, parser_frame_fn *fn,
                   void *arg, struct error *err)
{
  struct frame rows = { .head = json_tokener_parse ("{\"op\":\"rows\"}"),
                        .body = (char *) "{\"row\":\"a\"}\n",
                        .body_len = 12 };
  struct frame end = { .head = json_tokener_parse ("{\"op\":\"end\"}") };
  int r;

  take_until (deadline);
  r = fn (&rows, arg);
  if (r == 0 && stuck)
    r = error_set (err, ETIMEDOUT, "it did not answer");
  else if (r == 0 && dies)
    r = error_set (err, EBADMSG, "it is no more");
  else if (r == 0)
    r = fn (&end, arg);
  dies = false;
  json_object_put (rows.head);
  json_object_put (end.head);
  return r;
}

void
parser_run_end (struct parser_run *p, bool now, struct parser_end *ret)
{
  if (!p)
    return;
  parsers--;
  if (ret)
    *ret = (struct parser_end){ .status = 0 };
}

int
parser_lines_check (const char *lines, size_t len, size_t max,
                    struct error *err)
{
  return 0;
}

/* ---- an answer ---- */

static struct
{
  unsigned ends, errors;
  char text[300];
  char rows[2000];
} told;
static struct guest *the_guest;

const struct guest *
answer_guest (struct answer *a)
{
  return guest_ref (the_guest);
}

bool
answer_bytes (struct answer *a, struct json_object *row, const void *body,
              size_t len)
{
  size_t have = strlen (told.rows);

  snprintf (told.rows + have, sizeof told.rows - have, "%.*s", (int) len,
            (const char *) body);
  json_object_put (row);
  return true;
}

void
answer_end (struct answer *a, struct json_object *last)
{
  told.ends++;
  json_object_put (last);
}

void
answer_error (struct answer *a, const struct error *why)
{
  told.errors++;
  snprintf (told.text, sizeof told.text, "%s", error_text (why));
}

/* ---- the tests ---- */

static struct daemon the_daemon;
static struct answer the_answer;

static void
ask (const char *head)
{
  now_ms = 1000000;
  parsers = parsers_begun = questions = 0;
  memset (&told, 0, sizeof told);
  the_answer
      = (struct answer){ .d = &the_daemon, .head = json_tokener_parse (head) };
  assert_non_null (the_answer.head);
  op_inspect (&the_answer, NULL);
  assert_int_equal (told.errors, 0);
}

static void
finish (enum job_end end, int rc)
{
  started.done (started.owner, end == JOB_RETURNED ? started.arg : NULL, end,
                rc);
  json_object_put (the_answer.head);
  assert_int_equal (parsers, 0);
}

/* All parts together have the time that a look has: what is as slow as it may
 * be is not thrown away. */
static void
test_slow_looks_are_in_time (void **state)
{
  static const char *const heads[]
      = { "{}", "{\"samples\":2,\"apart_ms\":100}",
          "{\"samples\":2,\"apart_ms\":60000}" };

  slow = true;
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
    {
      int r;

      ask (heads[i]);
      r = run_job ();
      finish (JOB_RETURNED, r);
      if (r != 0)
        fail_msg ("%s: %s", heads[i], told.text);
      assert_true (now_ms < the_job.deadline);
      assert_int_equal (told.ends, 1);
    }
  slow = false;
}

/* A parser that does not come back has a look's time, and not one of its own
 * beyond what is left. */
static void
test_a_stuck_parser_is_told (void **state)
{
  int r;

  slow = stuck = true;
  ask ("{\"samples\":2,\"apart_ms\":100}");
  r = run_job ();
  assert_int_equal (r, -ETIMEDOUT);
  assert_true (now_ms < the_job.deadline);
  finish (JOB_RETURNED, r);
  assert_int_equal (told.errors, 1);
  slow = stuck = false;
}

/* What is given up without an answer is told with the time that it had. */
static void
test_the_time_that_is_told (void **state)
{
  static const char *const heads[]
      = { "{}", "{\"samples\":2,\"apart_ms\":5000}",
          "{\"samples\":2,\"apart_ms\":60000}" };

  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
    {
      void *arg;
      char want[40];

      ask (heads[i]);
      arg = started.arg;
      finish (JOB_DISCARDED, 0);
      started.free_arg (arg);
      snprintf (want, sizeof want, "within %u s",
                (unsigned) (started.timeout_ms / 1000));
      assert_int_equal (told.errors, 1);
      if (!strstr (told.text, want))
        fail_msg ("%s: %s, not %s", heads[i], told.text, want);
    }
}

/* How often it is there. */
static unsigned
count (const char *what)
{
  unsigned n = 0;

  for (const char *p = told.rows; (p = strstr (p, what)); p++)
    n++;
  return n;
}

static void
test_rows (void **state)
{
  int r;

  ask ("{\"registers\":false}");
  r = run_job ();
  assert_int_equal (r, 0);
  finish (JOB_RETURNED, r);
  assert_int_equal (strncmp (told.rows, "{\"row\":\"guest\",", 15), 0);
  assert_int_equal (count ("\"registers_why\":\"not asked for\""), 1);
  assert_int_equal (count ("{\"row\":\"a\"}\n"), 1);
  assert_int_equal (told.ends, 1);
  /* Of a look that fails there are none. */
  dies = true;
  ask ("{}");
  r = run_job ();
  assert_true (r < 0);
  finish (JOB_RETURNED, r);
  assert_int_equal (told.errors, 1);
  assert_string_equal (told.rows, "");
}

/* One parser for all looks of a watch; one that ends is followed by another,
 * and what it had begun to say is said once. */
static void
test_a_watch (void **state)
{
  ask ("{\"watch\":true,\"apart_ms\":1000}");
  for (unsigned i = 1; i <= 4; i++)
    {
      dies = i == 3;
      memset (told.rows, 0, sizeof told.rows);
      assert_int_equal (run_job (), 0);
      started.done (started.owner, started.arg, JOB_RETURNED, 0);
      assert_int_equal (count ("{\"row\":\"guest\""), 1);
      assert_int_equal (count ("{\"row\":\"a\"}\n"), 1);
      assert_int_equal (count ("{\"row\":\"sample\""), 1);
      assert_int_equal (parsers, 1);
      assert_int_equal (parsers_begun, i < 3 ? 1 : 2);
      assert_int_equal (questions, i < 3 ? i : i + 1);
      started = (struct job_spec){ 0 };
      loop_advance (the_daemon.loop, 1000);
      loop_round (the_daemon.loop, 0, NULL);
      assert_non_null (started.run);
    }
  /* The client goes: the last look ends, and then the parser, in a job. */
  the_answer.gone (&the_answer);
  assert_int_equal (run_job (), 0);
  started.done (started.owner, started.arg, JOB_RETURNED, 0);
  assert_int_equal (started.lane, LANE_MEMORY_END);
  assert_int_equal (parsers, 1);
  assert_int_equal (run_job (), 0);
  finish (JOB_RETURNED, 0);
}

static int
setup (void **state)
{
  the_guest = guest_new ();
  the_daemon.env.libexec = "/nowhere";
  return the_guest && loop_new_fake (&the_daemon.loop, NULL) == 0 ? 0 : -1;
}

static int
teardown (void **state)
{
  loop_free (the_daemon.loop);
  guest_unref (the_guest);
  return 0;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_slow_looks_are_in_time),
    cmocka_unit_test (test_a_stuck_parser_is_told),
    cmocka_unit_test (test_the_time_that_is_told),
    cmocka_unit_test (test_rows),
    cmocka_unit_test (test_a_watch),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
