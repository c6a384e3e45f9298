/* SPDX-License-Identifier: Apache-2.0
 *
 * A diagnosis: what its collectors bring reaches the ladder once, what the
 * house knew before does not stand in for it, and what does not come back is
 * said.
 *
 * Loop, jobs, facts and registry are the real ones; collectors, bindings and
 * texts are faked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/haul.h"
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings.h"
#include "tests/lib/until.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define FILES_MAX (1u << 20)

struct world
{
  struct diagnosis_env d;
  struct transport_env env;
  struct fact_bus *bus;
  const struct guest *guest;
  struct diagnosis *dg;
  bool done;
  struct verdict verdict;
  struct json_object *head;
  bool no_room;     /* for files */
  uint64_t bytes;   /* of them */
  struct buf files; /* "[name@offset]bytes", as they come */
  struct buf legs;  /* "+name ", "-name ", "!name " (failed), likewise */
};

/* ---- what is faked ---- */

void
bindings_each (struct bindings *b, const char *uuid,
               void (*fn) (const struct binding_info *info, void *arg),
               void *arg)
{
}

struct json_object *
bindings_addresses (struct bindings *b, const char *uuid)
{
  return NULL;
}

void
texts_events (struct texts *t, const char *uuid, struct buf *out)
{
}

static void
found (struct collect_ctx *ctx, const char *name, const char *value)
{
  struct fact f;

  fact_text (&f, &ctx->guest->inc, name, "test", value, strlen (value));
  ctx->out->fact (ctx->out, &f);
}

static int
greets_once (struct collect_ctx *ctx, struct error *err)
{
  found (ctx, "qemu.state", "running");
  found (ctx, "vmm.monitor", "greets-only");
  return 0;
}

static int
greets_twice (struct collect_ctx *ctx, struct error *err)
{
  greets_once (ctx, err);
  found (ctx, "vmm.monitor", "greets-only");
  return 0;
}

static int
answers_twice (struct collect_ctx *ctx, struct error *err)
{
  found (ctx, "vmm.monitor", "answers");
  found (ctx, "vmm.monitor", "answers");
  return 0;
}

static int
finds_too_much (struct collect_ctx *ctx, struct error *err)
{
  char name[32];

  for (unsigned i = 0; i < 300; i++)
    {
      snprintf (name, sizeof name, "vcpu.%u.share", i);
      found (ctx, name, "much");
    }
  return 0;
}

static int
finds_nothing (struct collect_ctx *ctx, struct error *err)
{
  return 0;
}

/* Where a collector waits for the test. */
static struct
{
  pthread_mutex_t m;
  pthread_cond_t c;
  bool open, left;
} gate = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

static void
gate_set (bool *what)
{
  LOCK_SCOPE (&gate.m);
  *what = true;
  pthread_cond_broadcast (&gate.c);
}

static void
gate_wait (const bool *what)
{
  LOCK_SCOPE (&gate.m);
  while (!*what)
    pthread_cond_wait (&gate.c, &gate.m);
}

static void
brings (struct collect_ctx *ctx, const char *name, const char *text)
{
  ctx->out->file (ctx->out, name, text, strlen (text));
}

/* And goes on to bring when nobody waits for it any more. */
static int
gets_stuck (struct collect_ctx *ctx, struct error *err)
{
  brings (ctx, "a.txt", "one ");
  brings (ctx, "b.txt", "other ");
  found (ctx, "qemu.state", "running");
  found (ctx, "vmm.monitor", "greets-only");
  ctx->out->impact (ctx->out, "it was looked at");
  /* The last: the test waits for it. */
  brings (ctx, "a.txt", "two");
  gate_wait (&gate.open);
  brings (ctx, "a.txt", "late");
  found (ctx, "vmm.monitor", "greets-only");
  ctx->out->gap (ctx->out, "a.txt", "late");
  ctx->out->impact (ctx->out, "late");
  gate_set (&gate.left);
  return 0;
}

/* Two pieces and a half, and then more than there is room for. */
static int
brings_much (struct collect_ctx *ctx, struct error *err)
{
  static char much[HAUL_PIECE * 5 / 2], more[HAUL_MAX_BYTES];

  memset (much, 'x', sizeof much);
  ctx->out->file (ctx->out, "much", much, sizeof much);
  ctx->out->file (ctx->out, "more", more, sizeof more);
  brings (ctx, "more", "no hole");
  brings (ctx, "much", "!");
  return error_set (err, EIO, "broken off");
}

/* Stays until the test lets it go, by its name, or its job is to stop. */
static struct
{
  pthread_mutex_t m;
  pthread_cond_t c;
  char let_go[256];
} room = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

static int
stays (struct collect_ctx *ctx, struct error *err)
{
  const char *name = job_name (ctx->job) + strlen ("collect ");
  struct timespec soon;
  LOCK_SCOPE (&room.m);

  while (!strstr (room.let_go, name))
    {
      if (job_stopping (ctx->job))
        return error_set (err, ECANCELED, "it was stopped");
      clock_gettime (CLOCK_REALTIME, &soon);
      soon.tv_nsec += 10000000;
      soon.tv_sec += soon.tv_nsec / 1000000000;
      soon.tv_nsec %= 1000000000;
      pthread_cond_timedwait (&room.c, &room.m, &soon);
    }
  return 0;
}

static void
let_go (const char *names)
{
  LOCK_SCOPE (&room.m);
  snprintf (room.let_go, sizeof room.let_go, "%s", names);
  pthread_cond_broadcast (&room.c);
}

/* In the name of its step. */
static int
brings_64k (struct collect_ctx *ctx, struct error *err)
{
  static const char much[64 << 10];

  ctx->out->file (ctx->out, job_name (ctx->job) + strlen ("collect "), much,
                  sizeof much);
  return 0;
}

/* 3 MiB, piece by piece; how many of them it is rid of. */
static atomic_uint pieces_gone;
#define PIECES 12u

static int
brings_3m (struct collect_ctx *ctx, struct error *err)
{
  static const char piece[HAUL_PIECE];

  for (unsigned i = 0; i < PIECES; i++)
    {
      ctx->out->file (ctx->out, "3m", piece, sizeof piece);
      atomic_fetch_add (&pieces_gone, 1);
    }
  return 0;
}

#define FAKE(name_, run_)                                                     \
  {                                                                           \
    .name = name_, .lane = LANE_HOST, .budget_ms = 5000, .run = run_          \
  }
#define STAYS(name_, lane_, touch_)                                           \
  {                                                                           \
    .name = name_, .lane = lane_, .budget_ms = 60000, .run = stays,           \
    .touch = touch_                                                           \
  }
static const struct collector fakes[] = {
  FAKE ("gets-stuck", gets_stuck),
  FAKE ("brings-much", brings_much),
  FAKE ("finds-nothing", finds_nothing),
  FAKE ("greets-once", greets_once),
  FAKE ("greets-twice", greets_twice),
  FAKE ("answers-twice", answers_twice),
  FAKE ("finds-too-much", finds_too_much),
  FAKE ("brings-64k", brings_64k),
  FAKE ("brings-3m", brings_3m),
  STAYS ("a-host", LANE_HOST, TOUCH_NOTHING),
  STAYS ("a-monitor", LANE_MONITOR, TOUCH_MONITOR),
  STAYS ("a-disk", LANE_MONITOR, TOUCH_MONITOR),
  STAYS ("a-net", LANE_NET, TOUCH_NETWORK),
  STAYS ("a-key", LANE_CONSOLE, TOUCH_CONSOLE),
  STAYS ("an-nmi", LANE_CORE, TOUCH_INTRUSIVE),
};

/* What playbooks are read by. */
const struct collector *const collectors[] = {
  &fakes[0], &fakes[1],  &fakes[2],  &fakes[3],  &fakes[4],
  &fakes[5], &fakes[6],  &fakes[7],  &fakes[8],  &fakes[9],
  &fakes[10], &fakes[11], &fakes[12], &fakes[13], &fakes[14], NULL,
};

const struct collector *
collector_find (const char *name)
{
  for (size_t i = 0; collectors[i]; i++)
    if (strcmp (collectors[i]->name, name) == 0)
      return collectors[i];
  return NULL;
}

void
collector_plan (const struct collector *c, const struct guest *g,
                const void *own, struct collect_plan *ret)
{
  *ret = (struct collect_plan){ .touch = c->touch,
                                .lane = c->lane,
                                .ms = c->budget_ms };
}

/* Of these steps, a JSON array; or these members. */
static struct playbook *
playbook_of (const char *steps)
{
  char text[300];
  CLEANUP_JSON struct json_object *o = NULL;
  struct playbook *p;

  snprintf (text, sizeof text, "{'name':'test',%s%s}",
            steps[0] == '[' ? "'steps':" : "", steps);
  for (char *q = text; *q; q++)
    *q = *q == '\'' ? '"' : *q;
  o = json_tokener_parse (text);
  assert_int_equal (playbook_read (NULL, o, "", "test", &p, NULL), 0);
  return p;
}

/* ---- the world ---- */

static void
on_file (const char *name, uint64_t offset, const void *data, size_t len,
         void *arg)
{
  struct world *w = arg;

  assert_false (w->no_room);
  w->bytes += len;
  buf_printf (&w->files, "[%s@%llu]", name, (unsigned long long) offset);
  buf_append (&w->files, data, len);
}

static bool
on_room (size_t len, void *arg)
{
  return !((struct world *) arg)->no_room;
}

static void
on_progress (unsigned n, unsigned total, const char *what, bool ended,
             const char *failure, void *arg)
{
  struct world *w = arg;

  assert_in_range (n, 1, total);
  buf_printf (&w->legs, "%s%s ", !ended ? "+" : failure ? "!" : "-", what);
}

static void
on_done (const struct verdict *verdict, struct json_object *head, void *arg)
{
  struct world *w = arg;

  w->verdict = *verdict;
  w->head = head;
  w->done = true;
  w->dg = NULL;
}

static const struct diagnosis_ops ops
    = { .file = on_file,
        .room = on_room,
        .progress = on_progress,
        .done = on_done };

static struct guest *
living (int32_t pid)
{
  struct guest *g = guest_new ();

  snprintf (g->inc.uuid, sizeof g->inc.uuid, A);
  g->inc.pid = pid;
  g->inc.start_time = 100;
  snprintf (g->name, sizeof g->name, "a");
  snprintf (g->display, sizeof g->display, "a");
  snprintf (g->source, sizeof g->source, "rundir");
  snprintf (g->host, sizeof g->host, "/run/x");
  g->run = GUEST_RUNNING;
  return g;
}

static int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);

  w->files.max = FILES_MAX;
  w->legs.max = 1024;
  let_go ("");
  assert_int_equal (loop_new_fake (&w->d.loop, NULL), 0);
  assert_int_equal (job_pool_new (w->d.loop, &few, &w->d.jobs, NULL), 0);
  assert_int_equal (fact_bus_new (w->d.loop, 512, &w->bus, NULL), 0);
  assert_int_equal (fact_table_new (w->bus, 16, &w->d.facts, NULL), 0);
  assert_int_equal (registry_new (w->d.loop, w->bus, &w->d.registry, NULL), 0);
  w->d.transports = &w->env;
  assert_int_equal (verdict_rules_new (&w->d.rules, NULL), 0);
  registry_update (w->d.registry, living (7));
  assert_int_equal (registry_find (w->d.registry, A, &w->guest, NULL), 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  diagnosis_free (w->dg);
  guest_unref (w->guest);
  assert_int_equal (job_pool_free (w->d.jobs, UNTIL_MS), 0);
  registry_free (w->d.registry);
  fact_table_free (w->d.facts);
  fact_bus_free (w->bus);
  verdict_rules_unref (w->d.rules);
  loop_free (w->d.loop);
  if (w->head)
    json_object_put (w->head);
  buf_done (&w->files);
  buf_done (&w->legs);
  free (w);
  return 0;
}

static void
begin (struct world *w, const char *steps)
{
  static const struct cause cause = { "uptime", "silent", "It is silent." };
  struct playbook *p = playbook_of (steps);

  assert_int_equal (
      diagnosis_start (&w->d, w->guest, &cause, p, &ops, w, &w->dg, NULL), 0);
  playbook_unref (p); /* it has its own */
}

static void
diagnose (struct world *w, const char *collector)
{
  char steps[64];

  snprintf (steps, sizeof steps, "[\"%s\"]", collector);
  begin (w, steps);
  UNTIL_LOOP (w->d.loop, w->done);
}

static void
says (struct world *w, const char *source, const char *name,
      const char *value)
{
  struct fact f;

  fact_text (&f, &w->guest->inc, name, source, value, strlen (value));
  fact_publish (w->bus, &f);
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
}

static void
house_says (struct world *w, const char *name, const char *value)
{
  says (w, "house", name, value);
}

static unsigned
threads (struct world *w)
{
  struct job_stats st;

  job_pool_stats (w->d.jobs, &st);
  return st.threads;
}

/* The nth fact of that name in the bundle, or NULL. */
static struct json_object *
told (struct world *w, const char *name, unsigned nth)
{
  struct json_object *facts = json_object_object_get (w->head, "facts"), *o;

  for (size_t i = 0; i < json_object_array_length (facts); i++)
    {
      o = json_object_array_get_idx (facts, i);
      if (strcmp (json_get_str (o, "name"), name) == 0 && nth-- == 0)
        return o;
    }
  return NULL;
}

/* ---- facts ---- */

/* Said once by its collector it is one sample, wherever else it went. */
static void
one_sample_stays_one (void **state)
{
  struct world *w = *state;

  begin (w, "[\"greets-once\", \"finds-nothing\"]");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_string_equal (w->verdict.class_, "slow");
  assert_non_null (told (w, "vmm.monitor", 0));
  assert_null (told (w, "vmm.monitor", 1));
}

static void
two_samples_are_two (void **state)
{
  struct world *w = *state;

  diagnose (w, "greets-twice");
  assert_string_equal (w->verdict.class_, "vmm-stuck");
  assert_int_equal (
      json_get_int (told (w, "vmm.monitor", 0), "sample", 0), 1);
  assert_int_equal (
      json_get_int (told (w, "vmm.monitor", 1), "sample", 0), 2);
  assert_null (told (w, "vmm.monitor", 2));
}

/* Neither does what an earlier diagnosis found count for the next one. */
static void
a_second_diagnosis_begins_anew (void **state)
{
  struct world *w = *state;

  diagnose (w, "greets-once");
  json_object_put (steal_ptr (&w->head));
  w->done = false;
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  diagnose (w, "greets-once");
  assert_string_equal (w->verdict.class_, "slow");
  assert_null (told (w, "vmm.monitor", 1));
}

/* The last step, and what was known of old says otherwise. */
static void
what_was_known_gives_way (void **state)
{
  struct world *w = *state;

  says (w, "test", "vmm.monitor", "greets-only");
  house_says (w, "vmm.status", "running");
  diagnose (w, "answers-twice");
  assert_non_null (told (w, "vmm.monitor", 1));
  assert_null (told (w, "vmm.monitor", 2));
  assert_string_equal (
      json_get_str (told (w, "vmm.monitor", 0), "value"), "answers");
  /* And what nobody looked at is there. */
  assert_non_null (told (w, "vmm.status", 0));
}

/* What somebody else saw is a word of its own: it may take two. */
static void
another_witness_stays (void **state)
{
  struct world *w = *state;

  house_says (w, "vmm.monitor", "held");
  diagnose (w, "answers-twice");
  assert_non_null (told (w, "vmm.monitor", 2));
  assert_string_equal (
      json_get_str (told (w, "vmm.monitor", 2), "source"), "house");
}

/* A guest that goes while it is looked at: the table forgets it. */
static void
known_from_its_begin (void **state)
{
  struct world *w = *state;

  house_says (w, "guest.intent", "stop libvirt");
  begin (w, "[\"greets-twice\"]");
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  fact_forget (w->d.facts, A);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_non_null (told (w, "guest.intent", 0));
}

static void
too_many_are_counted (void **state)
{
  struct world *w = *state;
  struct json_object *gaps;

  house_says (w, "guest.intent", "stop libvirt");
  diagnose (w, "finds-too-much");
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 1);
  assert_non_null (strstr (
      json_get_str (json_object_array_get_idx (gaps, 0), "why"), "44 more"));
  /* They push out nothing that is only said when it changes. */
  assert_non_null (told (w, "guest.intent", 0));
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  assert_non_null (fact_latest (w->d.facts, A, "guest.intent"));
}

/* ---- somebody else tells of it, too ---- */

static void
goes_on_for_another_cause (void **state)
{
  static const struct cause text
      = { BY_KERNEL, CODE_KERNEL_EVENT, "its console says: x" };
  static const struct cause check = { "uptime", "silent", "It is silent." };
  struct playbook *few = playbook_of ("[\"greets-once\"]"), *more;
  struct world *w = *state;

  house_says (w, "kernel.class", "soft-lockup");
  assert_int_equal (
      diagnosis_start (&w->d, w->guest, &text, few, &ops, w, &w->dg, NULL), 0);
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  /* What is asked for already is not done again, whatever stands before. */
  assert_false (diagnosis_retell (w->dg, &check, few));
  more = playbook_of ("[\"answers-twice\", {\"do\": \"greets-twice\", "
                      "\"name\": \"greets-once\"}]");
  assert_true (diagnosis_retell (w->dg, &check, more));
  playbook_unref (few);
  playbook_unref (more);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "collectors")),
                    2);
  assert_non_null (told (w, "vmm.monitor", 2));
  /* By its text it would be a soft lockup. */
  assert_string_equal (w->verdict.class_, "unknown");
  assert_non_null (strstr (w->verdict.sentence, "It is silent."));
}

/* ---- which steps run, and when ---- */

#define LEGS(w, text) UNTIL_LOOP ((w)->d.loop, legs_are ((w), (text)))

static bool
legs_are (struct world *w, const char *text)
{
  return strcmp (buf_str (&w->legs), text) == 0;
}

static const char *
collector_said (struct world *w, size_t nth, const char *key)
{
  struct json_object *list = json_object_object_get (w->head, "collectors");

  return json_get_str (json_object_array_get_idx (list, nth), key);
}

static void
lanes_run_beside_each_other (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host', 'a-monitor', 'a-disk', 'a-net']");
  LEGS (w, "+a-host +a-monitor +a-net ");
  let_go ("a-monitor");
  LEGS (w, "+a-host +a-monitor +a-net -a-monitor +a-disk ");
  let_go ("a-disk a-net");
  UNTIL_LOOP (w->d.loop, threads (w) == 1);
  assert_false (w->done);
  let_go ("a-host");
  UNTIL_LOOP (w->d.loop, w->done);
  /* Told in the order of the playbook. */
  assert_string_equal (collector_said (w, 0, "name"), "a-host");
  assert_string_equal (collector_said (w, 1, "name"), "a-monitor");
  assert_string_equal (collector_said (w, 2, "name"), "a-disk");
  assert_string_equal (collector_said (w, 3, "name"), "a-net");
}

/* Harmless evidence first; and nothing looks while somebody types. */
static void
what_touches_the_guest_goes_alone (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host', 'a-net', 'a-key', 'a-monitor', 'an-nmi', 'a-disk']");
  LEGS (w, "+a-host +a-net ");
  let_go ("a-host");
  LEGS (w, "+a-host +a-net -a-host ");
  let_go ("a-net");
  LEGS (w, "+a-host +a-net -a-host -a-net +a-key ");
  let_go ("a-key");
  LEGS (w, "+a-host +a-net -a-host -a-net +a-key -a-key +a-monitor ");
  let_go ("a-monitor");
  LEGS (w, "+a-host +a-net -a-host -a-net +a-key -a-key +a-monitor "
           "-a-monitor +an-nmi ");
  let_go ("an-nmi a-disk");
  UNTIL_LOOP (w->d.loop, w->done);
}

/* ---- lanes that others have ---- */

static int
holds_its_lane (struct job *job, void *arg)
{
  gate_wait (arg);
  return 0;
}

static void
lane_was_left (void *owner, void *arg, enum job_end end, int rc)
{
}

static void
somebody_takes (struct world *w, enum job_lane lane, bool *until)
{
  const struct job_spec spec = { .name = "a scenario",
                                 .guest = A,
                                 .lane = lane,
                                 .timeout_ms = 3600000,
                                 .run = holds_its_lane,
                                 .done = lane_was_left,
                                 .arg = until };

  *until = false;
  assert_int_equal (job_start (w->d.jobs, &spec, NULL), 0);
}

/* No time passes: it begins when the lane is free. */
static void
a_taken_lane_is_waited_for (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_MONITOR, &leaves);
  let_go ("a-monitor a-disk a-host");
  begin (w, "['a-monitor', 'a-disk', 'a-host']");
  LEGS (w, "+a-monitor +a-host -a-host ");
  gate_set (&leaves);
  LEGS (w, "+a-monitor +a-host -a-host -a-monitor +a-disk -a-disk ");
  assert_true (w->done);
}

static void
but_not_for_ever (void **state)
{
  static bool leaves;
  struct world *w = *state;
  struct json_object *gaps;

  somebody_takes (w, LANE_MONITOR, &leaves);
  let_go ("a-host");
  begin (w, "['a-monitor', 'a-host']");
  LEGS (w, "+a-monitor +a-host -a-host ");
  loop_advance (w->d.loop, 14999);
  assert_false (w->done);
  loop_advance (w->d.loop, 1);
  assert_true (w->done);
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 1);
  assert_non_null (strstr (
      json_get_str (json_object_array_get_idx (gaps, 0), "why"),
      "\"a scenario\""));
  gate_set (&leaves);
}

/* ---- conditions ---- */

static void
a_condition_that_does_not_hold (void **state)
{
  struct world *w = *state;

  begin (w, "['answers-twice', {'do':'a-net', 'if':'vmm == dead'},"
            " {'do':'finds-nothing', 'if':'vmm.monitor == answers'}]");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+answers-twice -answers-twice "
                            "+finds-nothing -finds-nothing "));
  assert_string_equal (collector_said (w, 1, "name"), "a-net");
  assert_string_equal (collector_said (w, 1, "skipped"), "vmm == dead");
  assert_null (collector_said (w, 2, "skipped"));
  /* Nothing is missing. */
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "gaps")),
                    0);
  assert_null (told (w, "diagnosis.failed", 0));
  /* It asked the house, and what that said is in there once. */
  assert_null (told (w, "vmm.monitor", 2));
}

/* What the house knew before counts, too. */
static void
a_condition_on_what_is_known (void **state)
{
  struct world *w = *state;

  house_says (w, "kernel.class", "soft-lockup");
  begin (w, "[{'do':'a-host', 'if':'kernel.class == soft-lockup'},"
            " {'do':'greets-once', 'if':'kernel.class == soft-lockup'}]");
  LEGS (w, "+a-host ");
  house_says (w, "kernel.class", "kernel-panic");
  let_go ("a-host");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+a-host -a-host "));
  assert_non_null (told (w, "kernel.class", 0));
  assert_null (told (w, "kernel.class", 1));
}

/* Of all before it; and those behind do not come before it, or what it sees
 * would hang on who is faster. */
static void
a_condition_waits_for_its_facts (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host',"
            " {'do':'a-monitor', 'if':'no kernel.event.panic'}, 'a-net']");
  LEGS (w, "+a-host ");
  let_go ("a-host");
  LEGS (w, "+a-host -a-host +a-monitor +a-net ");
  let_go ("a-monitor a-net");
  UNTIL_LOOP (w->d.loop, w->done);
}

/* ---- budgets ---- */

static const char *
gap_said (struct world *w, size_t nth, const char *key)
{
  struct json_object *gaps = json_object_object_get (w->head, "gaps");

  return json_get_str (json_object_array_get_idx (gaps, nth), key);
}

static void
the_time_of_a_playbook_ends (void **state)
{
  struct world *w = *state;

  begin (w, "'budget':'10s', 'steps':['a-host', 'a-key']");
  LEGS (w, "+a-host ");
  loop_advance (w->d.loop, 10000);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+a-host !a-host +a-key !a-key "));
  assert_string_equal (gap_said (w, 0, "why"), "it was stopped");
  assert_non_null (strstr (gap_said (w, 1, "why"), "time that the playbook"));
}

/* Also of who waits for a lane. */
static void
nobody_waits_longer_than_that (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_MONITOR, &leaves);
  begin (w, "'budget':'10s', 'steps':['a-monitor']");
  LEGS (w, "+a-monitor ");
  loop_advance (w->d.loop, 10000);
  assert_true (w->done);
  assert_non_null (strstr (gap_said (w, 0, "why"), "time that the playbook"));
  gate_set (&leaves);
}

static void
the_bytes_of_a_playbook_end (void **state)
{
  struct world *w = *state;

  begin (w, "'bytes':'160KiB', 'steps':['brings-64k',"
            " {'do':'brings-64k', 'name':'b'},"
            " {'do':'brings-64k', 'name':'c'}]");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (w->bytes, 128 << 10);
  assert_string_equal (gap_said (w, 0, "what"), "c");
  assert_non_null (strstr (gap_said (w, 0, "why"), "bytes that the playbook"));
  assert_null (gap_said (w, 1, "why"));
}

static void
no_step_begins_without_any (void **state)
{
  struct world *w = *state;

  begin (w, "'bytes':'64KiB', 'steps':['brings-64k', 'finds-nothing']");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+brings-64k -brings-64k "
                            "+finds-nothing !finds-nothing "));
  assert_non_null (strstr (gap_said (w, 0, "why"), "bytes that the playbook"));
}

/* ---- a disk that is slow ---- */

/* Who brings more than a little waits, and nothing is lost. */
static void
who_brings_much_waits_for_the_disk (void **state)
{
  struct world *w = *state;

  w->no_room = true;
  atomic_store (&pieces_gone, 0);
  begin (w, "['brings-3m']");
  UNTIL_LOOP (w->d.loop, atomic_load (&pieces_gone) == 4);
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal (loop_round (w->d.loop, 20, NULL), 0);
  assert_int_equal (atomic_load (&pieces_gone), 4);
  w->no_room = false;
  diagnosis_room (w->dg);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (w->bytes, PIECES * HAUL_PIECE);
  assert_null (gap_said (w, 0, "why"));
}

/* Its step has ended, the next one runs; only the verdict waits. */
static void
what_was_brought_is_not_forgotten (void **state)
{
  struct world *w = *state;

  w->no_room = true;
  begin (w, "['brings-64k', 'a-key']");
  LEGS (w, "+brings-64k -brings-64k +a-key ");
  let_go ("a-key");
  LEGS (w, "+brings-64k -brings-64k +a-key -a-key ");
  loop_advance (w->d.loop, 29999);
  assert_false (w->done);
  w->no_room = false;
  diagnosis_room (w->dg);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (w->bytes, 64 << 10);
  assert_null (gap_said (w, 0, "why"));
}

/* But a disk that hangs does not keep the verdict; what is lost is one gap of
 * each reason. */
static void
a_disk_that_hangs_is_given_up (void **state)
{
  struct world *w = *state;

  w->no_room = true;
  atomic_store (&pieces_gone, 0);
  begin (w, "['brings-3m']");
  UNTIL_LOOP (w->d.loop, atomic_load (&pieces_gone) == 4);
  loop_advance (w->d.loop, 5000); /* its budget */
  LEGS (w, "+brings-3m -brings-3m ");
  assert_false (w->done);
  loop_advance (w->d.loop, 30000);
  assert_true (w->done);
  assert_string_equal (gap_said (w, 0, "what"), "3m");
  assert_non_null (strstr (gap_said (w, 0, "why"), "2097152 bytes"));
  assert_non_null (strstr (gap_said (w, 1, "why"), "1048576 bytes"));
  assert_null (gap_said (w, 2, "why"));
}

/* ---- its end before its end ---- */

static void
a_stop_ends_those_that_run (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_MONITOR, &leaves);
  begin (w, "['a-host', 'a-monitor', 'a-net', 'a-key']");
  LEGS (w, "+a-host +a-monitor +a-net ");
  diagnosis_stop (w->dg, "the guest is gone");
  assert_false (w->done);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_string_equal (json_get_str (w->head, "stopped"), "the guest is gone");
  /* What was not begun is not in there. */
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "collectors")),
                    3);
  assert_string_equal (collector_said (w, 0, "failure"), "it was stopped");
  assert_string_equal (collector_said (w, 1, "failure"), "the guest is gone");
  gate_set (&leaves);
}

/* Before its first step, and while nothing but a lane is waited for. */
static void
a_stop_before_anything (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host']");
  diagnosis_stop (w->dg, "never mind");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, ""));
}

static void
a_stop_while_a_lane_is_waited_for (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_HOST, &leaves);
  begin (w, "['a-host']");
  LEGS (w, "+a-host ");
  diagnosis_stop (w->dg, "never mind");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+a-host !a-host "));
  gate_set (&leaves);
}

/* What he wants beside it begins at once. */
static void
another_playbook_takes_over (void **state)
{
  static const struct cause check = { "uptime", "silent", "It is silent." };
  struct playbook *his = playbook_of ("['a-net','a-host','a-key']");
  struct world *w = *state;

  begin (w, "['a-host', 'a-monitor', 'a-disk']");
  LEGS (w, "+a-host +a-monitor ");
  assert_true (diagnosis_retell (w->dg, &check, his));
  playbook_unref (his);
  LEGS (w, "+a-host +a-monitor +a-net ");
  let_go ("a-host a-monitor a-net a-disk a-key");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_string_equal (collector_said (w, 0, "name"), "a-host");
  assert_string_equal (collector_said (w, 1, "name"), "a-monitor");
  assert_string_equal (collector_said (w, 2, "name"), "a-disk");
  assert_string_equal (collector_said (w, 3, "name"), "a-net");
  assert_string_equal (collector_said (w, 4, "name"), "a-key");
}

/* Its host may still be looked at. */
static void
another_guest_is_not_touched (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host', 'a-monitor', 'a-disk', 'finds-nothing']");
  LEGS (w, "+a-host +a-monitor ");
  registry_update (w->d.registry, living (8));
  let_go ("a-host a-monitor");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_non_null (strstr (buf_str (&w->legs), "-a-host"));
  assert_non_null (strstr (buf_str (&w->legs), "-a-monitor"));
  assert_non_null (strstr (buf_str (&w->legs), "+a-disk !a-disk"));
  assert_non_null (strstr (buf_str (&w->legs), "-finds-nothing"));
}

/* ---- files ---- */

/* What was brought by somebody who does not come back is there at once, and
 * what he brings later is nobody's. */
static void
what_is_stuck_keeps_what_it_brought (void **state)
{
  struct world *w = *state;
  struct json_object *gaps, *gap;

  begin (w, "[\"gets-stuck\"]");
  UNTIL_LOOP (w->d.loop, strstr (buf_str (&w->files), "two"));
  assert_false (w->done);
  assert_string_equal (buf_str (&w->files),
                       "[a.txt@0]one [b.txt@0]other [a.txt@4]two");
  loop_advance (w->d.loop, 5000);
  loop_advance (w->d.loop, 100);
  assert_true (w->done);
  assert_string_equal (w->verdict.class_, "slow");
  assert_non_null (told (w, "vmm.monitor", 0));
  assert_non_null (told (w, "diagnosis.failed", 0));
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 1);
  gap = json_object_array_get_idx (gaps, 0);
  assert_string_equal (json_get_str (gap, "what"), "the rest of it");
  assert_non_null (strstr (json_get_str (gap, "why"), "did not come back"));

  gate_set (&gate.open);
  UNTIL_LOOP (w->d.loop, threads (w) == 0);
  assert_true (gate.left);
  assert_null (strstr (buf_str (&w->files), "late"));
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "impact")),
                    1);
}

static void
what_is_too_much_is_cut (void **state)
{
  struct world *w = *state;
  struct json_object *gaps;
  char at[32];

  diagnose (w, "brings-much");
  assert_non_null (strstr (buf_str (&w->files), "[much@0]x"));
  snprintf (at, sizeof at, "x[much@%u]x", HAUL_PIECE);
  assert_non_null (strstr (buf_str (&w->files), at));
  snprintf (at, sizeof at, "x[much@%u]x", 2 * HAUL_PIECE);
  assert_non_null (strstr (buf_str (&w->files), at));
  snprintf (at, sizeof at, "x[much@%u]!", HAUL_PIECE * 5 / 2);
  assert_non_null (strstr (buf_str (&w->files), at));
  assert_null (strstr (buf_str (&w->files), "[more@"));
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 2);
  assert_string_equal (
      json_get_str (json_object_array_get_idx (gaps, 0), "what"), "more");
  assert_string_equal (
      json_get_str (json_object_array_get_idx (gaps, 1), "what"),
      "the rest of it");
}

int
main (void)
{
#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (one_sample_stays_one),
    T (two_samples_are_two),
    T (a_second_diagnosis_begins_anew),
    T (what_was_known_gives_way),
    T (another_witness_stays),
    T (known_from_its_begin),
    T (too_many_are_counted),
    T (goes_on_for_another_cause),
    T (lanes_run_beside_each_other),
    T (what_touches_the_guest_goes_alone),
    T (a_taken_lane_is_waited_for),
    T (but_not_for_ever),
    T (a_condition_that_does_not_hold),
    T (a_condition_on_what_is_known),
    T (a_condition_waits_for_its_facts),
    T (the_time_of_a_playbook_ends),
    T (nobody_waits_longer_than_that),
    T (the_bytes_of_a_playbook_end),
    T (no_step_begins_without_any),
    T (who_brings_much_waits_for_the_disk),
    T (what_was_brought_is_not_forgotten),
    T (a_disk_that_hangs_is_given_up),
    T (a_stop_ends_those_that_run),
    T (a_stop_before_anything),
    T (a_stop_while_a_lane_is_waited_for),
    T (another_playbook_takes_over),
    T (another_guest_is_not_touched),
    T (what_is_stuck_keeps_what_it_brought),
    T (what_is_too_much_is_cut),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
