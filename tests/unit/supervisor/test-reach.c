/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of ways: what it learns, from whom, and when it forgets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"
#include "diag/collector.h"
#include "supervisor/watch/examine.h"
#include "supervisor/watch/reach.h"
#include "tests/lib/until.h"
#include "transports/transport.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define B "bbbbbbbb-2222-4333-8444-555555555555"

/* ---- the ways that there are here ---- */

static atomic_uint looks, asked_agent;
static atomic_int console_says; /* enum doctor_state */

static void
console_doctor (const struct transport_env *env, const struct guest *g,
                struct doctor_report *r, uint64_t deadline)
{
  looks++;
  r->line (r, DOCTOR_OK, "console", "it is connected", NULL);
  r->line (r, (enum doctor_state) console_says, "console", "\033[31mheld",
           "ss -xp");
}

static const char *
console_absent (const struct guest *g)
{
  return g->nconsoles == 0 ? "no console" : NULL;
}

static void
monitor_doctor (const struct transport_env *env, const struct guest *g,
                struct doctor_report *r, uint64_t deadline)
{
  r->line (r, DOCTOR_OK, "monitor", "it answers", NULL);
}

static void
tcp_doctor (const struct transport_env *env, const struct guest *g,
            struct doctor_report *r, uint64_t deadline)
{
  if (g->nnics == 0)
    r->line (r, DOCTOR_NA, "tcp", "no interface", NULL);
}

const struct transport_ops transport_console = {
  .name = "console", .lane = LANE_CONSOLE, .doctor = console_doctor,
  .absent = console_absent,
};
const struct transport_ops transport_monitor
    = { .name = "monitor", .lane = LANE_MONITOR, .doctor = monitor_doctor };
const struct transport_ops transport_tcp
    = { .name = "tcp", .lane = LANE_TCP, .doctor = tcp_doctor };
static void
agent_doctor (const struct transport_env *env, const struct guest *g,
              struct doctor_report *r, uint64_t deadline)
{
  asked_agent++;
  r->line (r, DOCTOR_OK, "agent", "it answers", NULL);
}

const struct transport_ops transport_agent
    = { .name = "agent", .lane = LANE_AGENT, .doctor = agent_doctor };
const struct transport_ops *const transports[]
    = { &transport_console, &transport_monitor, &transport_tcp,
        &transport_agent, NULL };

/* ---- the world ---- */

struct world
{
  struct loop *loop;
  struct job_pool *jobs;
  struct guest_registry *reg;
  struct transport_env env;
  struct reach *r;
};

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  reach_guest (((struct world *) arg)->r, change, was, now);
}

static void
on_event (const struct guest *g, enum guest_event event, const char *detail,
          void *arg)
{
  reach_event (((struct world *) arg)->r, g, event);
}

static int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);
  struct reach_env env;

  looks = asked_agent = 0;
  console_says = DOCTOR_OK;
  assert_int_equal (loop_new_fake (&w->loop, NULL), 0);
  assert_int_equal (job_pool_new (w->loop, &few, &w->jobs, NULL), 0);
  assert_int_equal (registry_new (w->loop, NULL, &w->reg, NULL), 0);
  env = (struct reach_env){ w->loop, w->jobs, w->reg, &w->env };
  assert_int_equal (reach_new (&env, &w->r, NULL), 0);
  assert_int_equal (registry_listen (w->reg, on_guest, on_event, w, NULL), 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  assert_int_equal (job_pool_free (w->jobs, UNTIL_MS), 0);
  registry_free (w->reg);
  reach_free (w->r);
  loop_free (w->loop);
  free (w);
  return 0;
}

static struct guest *
a_guest (const char *uuid, uint64_t start_time)
{
  struct guest *g = guest_new ();

  guest_copy (g->inc.uuid, sizeof g->inc.uuid, uuid);
  g->inc.pid = 7;
  g->inc.start_time = start_time;
  guest_copy (g->source, sizeof g->source, "libvirt");
  guest_copy (g->host, sizeof g->host, "x");
  g->run = GUEST_RUNNING;
  g->monitor = MONITOR_LIBVIRT;
  g->nconsoles = 1;
  g->nnics = 1;
  return g;
}

static void
print_row (const struct reach_row *row, void *arg)
{
  buf_printf (arg, "%s %s%s%s%s%s by %s; ", row->way,
              reach_state_names[row->state], row->code[0] ? " " : "", row->code,
              row->sentence[0] ? ": " : "", row->sentence, row->by);
}

static bool
is_so (struct world *w, const char *uuid, const char *want)
{
  CLEANUP_BUF struct buf out = BUF_INIT (4096);

  reach_each (w->r, uuid, print_row, &out);
  return strcmp (buf_str (&out), want) == 0;
}

static void
assert_ways (struct world *w, const char *uuid, const char *want)
{
  CLEANUP_BUF struct buf out = BUF_INIT (4096);

  reach_each (w->r, uuid, print_row, &out);
  assert_string_equal (buf_str (&out), want);
}

static struct reach_row found;

static void
find_row (const struct reach_row *row, void *arg)
{
  if (strcmp (row->way, arg) == 0)
    found = *row;
}

/* ---- outcomes ---- */

static void
outcome (struct world *w, const struct outcome_report *last)
{
  static const struct scenario up = { .name = (char *) "up" };
  const struct guest *g CLEANUP_GUEST = NULL;
  struct binding_info info = { .scenario = &up, .last = last };

  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  info.guest = g;
  reach_outcome (w->r, &info);
}

static void
learns_from_outcomes (void **state)
{
  struct world *w = *state;
  struct outcome_report lost = {
    .outcome = OUTCOME_FAILED,
    .transport = "tcp",
    .code = "console-lost",
    .sentence = "it answers well over tcp, but not over console",
    .way = WAY_ANSWERS,
    .took_ms = 12,
    .tried = { { "console", "silent", "nothing came", WAY_LOST } },
    .ntried = 1,
  };
  struct outcome_report held = { .outcome = OUTCOME_NO_VERDICT,
                                 .transport = "console",
                                 .code = "console-busy",
                                 .sentence = "somebody has it",
                                 .way = WAY_UNUSABLE };
  struct outcome_report boots = { .outcome = OUTCOME_NO_VERDICT,
                                  .transport = "console",
                                  .code = "booting",
                                  .way = WAY_GUEST };
  struct outcome_report paused
      = { .code = "paused", .way = WAY_UNUSABLE };
  uint64_t since;

  registry_update (w->reg, a_guest (A, 100));
  assert_ways (w, A, "console untried by ; monitor untried by ; tcp untried by "
                     "; agent untried by ; ");
  outcome (w, &lost);
  assert_ways (w, A, "console dead silent: nothing came by scenario up; "
                     "monitor untried by ; tcp alive by scenario up; "
                     "agent untried by ; ");
  reach_each (w->r, A, find_row, (void *) "tcp");
  assert_int_equal (found.took_ms, 12);
  reach_each (w->r, A, find_row, (void *) "console");
  since = found.since_ms;
  /* The same again: tried anew, and so since then. */
  loop_advance (w->loop, 5000);
  outcome (w, &lost);
  reach_each (w->r, A, find_row, (void *) "console");
  assert_int_equal (found.since_ms, since);
  assert_int_equal (found.tried_ms, since + 5000);
  outcome (w, &held);
  assert_ways (w, A, "console unusable console-busy: somebody has it by "
                     "scenario up; monitor untried by ; tcp alive by scenario "
                     "up; agent untried by ; ");
  /* What the guest or its owner is the cause of says nothing of the way. */
  outcome (w, &boots);
  outcome (w, &paused);
  reach_each (w->r, A, find_row, (void *) "console");
  assert_string_equal (found.code, "console-busy");
  /* Of nobody that is known. */
  assert_ways (w, B, "");
}

/* What each word of a way makes of it, and what is no word of it. */
static void
learns_what_is_said (void **state)
{
  static const struct
  {
    enum way_said way;
    const char *code;
    enum reach_state state;
  } cases[] = {
    { WAY_UNSAID, "stopped", REACH_UNTRIED },
    { WAY_ANSWERS, "ok", REACH_ALIVE },
    { WAY_LOST, "refused", REACH_DEAD },
    { WAY_UNSAID, "stopped", REACH_DEAD },
    { WAY_GUEST, "vmm-dead", REACH_DEAD },
    { WAY_ANSWERS, "mismatch", REACH_ALIVE },
    { WAY_UNSAID, "endless", REACH_ALIVE },
    { WAY_LOST, "timeout", REACH_DEAD },
  };
  struct world *w = *state;

  registry_update (w->reg, a_guest (A, 100));
  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct outcome_report last
          = { .way = cases[i].way, .transport = "tcp" };

      snprintf (last.code, sizeof last.code, "%s", cases[i].code);
      outcome (w, &last);
      reach_each (w->r, A, find_row, (void *) "tcp");
      assert_int_equal (found.state, cases[i].state);
      assert_string_equal (found.code,
                           cases[i].state == REACH_DEAD ? i == 7 ? "timeout"
                                                                 : "refused"
                                                        : "");
    }
}

static void
forgets_with_the_boot (void **state)
{
  struct world *w = *state;
  struct outcome_report ok = { .transport = "console", .way = WAY_ANSWERS };
  struct guest *g;

  registry_update (w->reg, a_guest (A, 100));
  outcome (w, &ok);
  g = a_guest (A, 100);
  g->vcpus = 3;
  registry_update (w->reg, g);
  reach_each (w->r, A, find_row, (void *) "console");
  assert_int_equal (found.state, REACH_ALIVE);
  registry_event (w->reg, "libvirt", "x", A, GUEST_EVENT_RESET, NULL);
  reach_each (w->r, A, find_row, (void *) "console");
  assert_int_equal (found.state, REACH_UNTRIED);
  outcome (w, &ok);
  registry_update (w->reg, a_guest (A, 200));
  reach_each (w->r, A, find_row, (void *) "console");
  assert_int_equal (found.state, REACH_UNTRIED);
  registry_gone (w->reg, "libvirt", "x", A);
  assert_ways (w, A, "");
}

static void
hears_events (void **state)
{
  struct world *w = *state;

  registry_update (w->reg, a_guest (A, 100));
  registry_event (w->reg, "libvirt", "x", A, GUEST_EVENT_AGENT_UP, NULL);
  reach_each (w->r, A, find_row, (void *) "agent");
  assert_int_equal (found.state, REACH_ALIVE);
  assert_string_equal (found.by, "libvirt");
  registry_event (w->reg, "libvirt", "x", A, GUEST_EVENT_AGENT_DOWN, NULL);
  reach_each (w->r, A, find_row, (void *) "agent");
  assert_int_equal (found.state, REACH_DEAD);
}

/* ---- looking ---- */

static void
looks_once_a_life (void **state)
{
  struct world *w = *state;

  console_says = DOCTOR_BAD;
  registry_update (w->reg, a_guest (A, 100));
  registry_update (w->reg, a_guest (B, 100));
  loop_advance (w->loop, 19000);
  assert_int_equal (looks, 0);
  /* One after the other. */
  loop_advance (w->loop, 1000);
  UNTIL_LOOP (w->loop, looks == 1);
#define LOOKED                                                                \
  "console unusable: \\e[31mheld by first look; monitor alive: it answers "  \
  "by first look; tcp untried by ; agent untried by ; "
  UNTIL_LOOP (w->loop, is_so (w, A, LOOKED) || is_so (w, B, LOOKED));
  loop_advance (w->loop, 1000);
  UNTIL_LOOP (w->loop, is_so (w, A, LOOKED) && is_so (w, B, LOOKED));
  reach_each (w->r, A, find_row, (void *) "console");
  assert_string_equal (found.fix, "ss -xp");
  loop_advance (w->loop, 600000);
  assert_int_equal (looks, 2);
  /* To ask the agent is more than to look. */
  assert_int_equal (asked_agent, 0);
  registry_event (w->reg, "libvirt", "x", A, GUEST_EVENT_RESET, NULL);
  loop_advance (w->loop, 20000);
  UNTIL_LOOP (w->loop, looks == 3 && is_so (w, A, LOOKED));
}

/* One that starts, or is to be stopped, is left alone. */
static void
looks_at_who_is_ready (void **state)
{
  struct world *w = *state;
  struct guest *g = a_guest (A, 100);

  g->intent = INTENT_HANDS_OFF;
  registry_update (w->reg, g);
  loop_advance (w->loop, 600000);
  assert_int_equal (looks, 0);
  registry_update (w->reg, a_guest (A, 100));
  loop_advance (w->loop, 2000);
  UNTIL_LOOP (w->loop, looks == 1);
}

static void
leaves_a_monitor_with_one_place (void **state)
{
  struct world *w = *state;
  struct guest *g = a_guest (A, 100);

  g->monitor = MONITOR_UNIX;
  g->nconsoles = g->nnics = 0;
  registry_update (w->reg, g);
  assert_ways (w, A, "console absent: no console by ; monitor untried by ; tcp "
                     "untried by ; agent untried by ; ");
  loop_advance (w->loop, 20000);
  UNTIL_LOOP (w->loop, looks == 1);
  UNTIL_LOOP (w->loop,
              is_so (w, A,
                     "console untried: it is connected by first look; monitor "
                     "untried by ; tcp absent: no interface by first look; "
                     "agent untried by ; "));
}

/* Who asked knows more than who looked, and `doctor` more than the first. */
static void
what_was_asked_stands (void **state)
{
  struct world *w = *state;
  struct outcome_report ok = { .transport = "console", .way = WAY_ANSWERS };
  struct exam_row rows[] = {
    { .transport = "console", .state = DOCTOR_NA,
      .finding = "the guest is off" },
    { .transport = "tcp", .state = DOCTOR_BAD, .skipped = true },
    { .collector = "monitor", .state = DOCTOR_BAD },
    { .transport = "gone", .state = DOCTOR_BAD },
  };
  const struct guest *g CLEANUP_GUEST = a_guest (A, 100);
  const struct exam exam = { .guest = g, .rows = rows,
                             .nrows = ARRAY_LEN (rows) };

  registry_update (w->reg, a_guest (A, 100));
  reach_examined (w->r, &exam);
  reach_each (w->r, A, find_row, (void *) "console");
  assert_int_equal (found.state, REACH_ABSENT);
  assert_string_equal (found.by, "doctor");
  outcome (w, &ok);
  reach_examined (w->r, &exam);
  reach_each (w->r, A, find_row, (void *) "console");
  assert_int_equal (found.state, REACH_ALIVE);
  /* Of another life. */
  registry_update (w->reg, a_guest (A, 200));
  reach_examined (w->r, &exam);
  reach_each (w->r, A, find_row, (void *) "console");
  assert_int_equal (found.state, REACH_UNTRIED);
}

/* ---- one examination ---- */

struct seen
{
  unsigned calls;
  bool ended;
  char rows[8000];
  char fix[1000];
  size_t nrows, left_out;
};

static void
on_exam (const struct exam *exam, void *arg)
{
  struct seen *s = arg;
  struct buf out CLEANUP_BUF = BUF_INIT (sizeof s->rows - 1);

  s->calls++;
  s->ended = exam != NULL;
  if (!exam)
    return;
  s->nrows = exam->nrows;
  s->left_out = exam->left_out;
  for (size_t i = 0; i < exam->nrows && i < 8; i++)
    {
      const struct exam_row *row = &exam->rows[i];

      buf_printf (&out, "%s%s %s%s: %.30s; ",
                  row->transport ? row->transport : "",
                  row->collector ? row->collector : "",
                  exam_state_names[row->state], row->skipped ? " -" : "",
                  row->finding);
      snprintf (s->fix, sizeof s->fix, "%s", row->fix);
    }
  snprintf (s->rows, sizeof s->rows, "%s", buf_str (&out));
}

static atomic_bool hold;

static void
chatty (const struct transport_env *env, const struct guest *g,
        struct doctor_report *r, uint64_t deadline)
{
  char longer[2000];

  memset (longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  for (unsigned i = 0; i < EXAM_ROWS; i++)
    r->line (r, DOCTOR_BAD, longer, longer, i ? longer : "ss -xp");
}

static void
held (const struct transport_env *env, const struct guest *g,
      struct doctor_report *r, uint64_t deadline)
{
  while (hold)
    nanosleep (&(struct timespec){ 0, 1000000 }, NULL);
}

static const struct collector one = { .name = "one" }, two = { .name = "two" };

static bool
no_way (const struct transport_ops *t, const struct guest *g)
{
  return false;
}

/* What a guest makes them say is bounded, and no half of a command. */
static void
an_examination_is_bounded (void **state)
{
  static const struct collector_doctor list[]
      = { { &one, monitor_doctor }, { &two, chatty }, { NULL, NULL } };
  const struct exam_how all = { "doctor", 60000, 60000, NULL, NULL };
  const struct exam_how some = { "doctor", 60000, 60000, no_way, list };
  struct world *w = *state;
  const struct guest *g CLEANUP_GUEST = a_guest (A, 100);
  struct seen s = { 0 };

  console_says = DOCTOR_WARN;
  assert_int_equal (examine (w->jobs, &w->env, g, &all, on_exam, &s, NULL), 0);
  UNTIL_LOOP (w->loop, s.calls == 1);
  assert_true (s.ended);
  assert_string_equal (s.rows, "console ok: it is connected; console warn: "
                               "\\e[31mheld; monitor ok: it answers; agent ok: "
                               "it answers; ");
  /* One of a guest at a time. */
  assert_int_equal (examine (w->jobs, &w->env, g, &some, on_exam, &s, NULL),
                    0);
  assert_int_equal (examine (w->jobs, &w->env, g, &some, on_exam, &s, NULL),
                    -EBUSY);
  UNTIL_LOOP (w->loop, s.calls == 2);
  assert_int_equal (s.nrows, EXAM_ROWS);
  assert_int_equal (s.left_out, 1);
  assert_int_equal (strncmp (s.rows, "one ok: it answers; two bad: xxx", 32), 0);
  assert_string_equal (s.fix, "");
}

static void
an_examination_that_hangs (void **state)
{
  static const struct collector_doctor list[]
      = { { &one, held }, { &two, monitor_doctor }, { NULL, NULL } };
  const struct exam_how how = { "doctor", 1000, 1000, no_way, list };
  struct world *w = *state;
  const struct guest *g CLEANUP_GUEST = a_guest (A, 100);
  struct seen s = { 0 };

  hold = true;
  assert_int_equal (examine (w->jobs, &w->env, g, &how, on_exam, &s, NULL), 0);
  loop_advance (w->loop, 1000);
  assert_int_equal (s.calls, 0);
  loop_advance (w->loop, 200);
  UNTIL_LOOP (w->loop, s.calls == 1);
  assert_false (s.ended);
  hold = false;
  UNTIL_LOOP (w->loop,
              examine (w->jobs, &w->env, g, &how, on_exam, &s, NULL) == 0);
  UNTIL_LOOP (w->loop, s.calls == 2);
  assert_true (s.ended);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (learns_from_outcomes),
    T (learns_what_is_said),
    T (forgets_with_the_boot),
    T (hears_events),
    T (looks_once_a_life),
    T (looks_at_who_is_ready),
    T (leaves_a_monitor_with_one_place),
    T (what_was_asked_stands),
    T (an_examination_is_bounded),
    T (an_examination_that_hangs),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
