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
  struct buf files; /* "[name@offset]bytes", as they come */
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

#define FAKE(name_, run_)                                                     \
  {                                                                           \
    .name = name_, .lane = LANE_HOST, .budget_ms = 5000, .run = run_          \
  }
static const struct collector fakes[] = {
  FAKE ("gets-stuck", gets_stuck),
  FAKE ("brings-much", brings_much),
  FAKE ("finds-nothing", finds_nothing),
  FAKE ("greets-once", greets_once),
  FAKE ("greets-twice", greets_twice),
  FAKE ("answers-twice", answers_twice),
  FAKE ("finds-too-much", finds_too_much),
};

/* What playbooks are read by. */
const struct collector *const collectors[] = {
  &fakes[0], &fakes[1], &fakes[2], &fakes[3], &fakes[4], &fakes[5], &fakes[6],
  NULL,
};

const struct collector *
collector_find (const char *name)
{
  for (size_t i = 0; collectors[i]; i++)
    if (strcmp (collectors[i]->name, name) == 0)
      return collectors[i];
  return NULL;
}

/* Of these steps, a JSON array. */
static struct playbook *
playbook_of (const char *steps)
{
  char text[300];
  CLEANUP_JSON struct json_object *o = NULL;
  struct playbook *p;

  snprintf (text, sizeof text, "{\"name\":\"test\",\"steps\":%s}", steps);
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

  buf_printf (&w->files, "[%s@%llu]", name, (unsigned long long) offset);
  buf_append (&w->files, data, len);
}

static void
on_progress (unsigned n, unsigned total, const char *what, bool ended,
             const char *failure, void *arg)
{
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
    = { .file = on_file, .progress = on_progress, .done = on_done };

static int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);
  struct guest *g = guest_new ();

  w->files.max = FILES_MAX;
  assert_int_equal (loop_new_fake (&w->d.loop, NULL), 0);
  assert_int_equal (job_pool_new (w->d.loop, &few, &w->d.jobs, NULL), 0);
  assert_int_equal (fact_bus_new (w->d.loop, 512, &w->bus, NULL), 0);
  assert_int_equal (fact_table_new (w->bus, 16, &w->d.facts, NULL), 0);
  assert_int_equal (registry_new (w->d.loop, w->bus, &w->d.registry, NULL), 0);
  w->d.transports = &w->env;
  assert_int_equal (verdict_rules_new (&w->d.rules, NULL), 0);
  snprintf (g->inc.uuid, sizeof g->inc.uuid, A);
  g->inc.pid = 7;
  g->inc.start_time = 100;
  snprintf (g->name, sizeof g->name, "a");
  snprintf (g->display, sizeof g->display, "a");
  snprintf (g->source, sizeof g->source, "rundir");
  snprintf (g->host, sizeof g->host, "/run/x");
  g->run = GUEST_RUNNING;
  registry_update (w->d.registry, g);
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
    T (what_is_stuck_keeps_what_it_brought),
    T (what_is_too_much_is_cut),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
