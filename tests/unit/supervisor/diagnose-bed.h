/* SPDX-License-Identifier: Apache-2.0
 *
 * A diagnosis by itself.  Loop, jobs, facts and registry are the real ones;
 * collectors, bindings and texts are faked.
 */
#ifndef HANGDOG_TESTS_DIAGNOSE_BED_H
#define HANGDOG_TESTS_DIAGNOSE_BED_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "diag/ladder/rules.h"
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/haul.h"
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings.h"
#include "tests/lib/until.h"

#include <stdatomic.h>
#include <errno.h>
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
  char intended[64], undone[24];
  diagnosis_answer_fn *answer;
  void *answer_arg;
};

/* ---- what is faked ---- */

void
bindings_each (struct bindings *b, const char *uuid,
               void (*fn) (const struct binding_info *info, void *arg),
               void *arg)
{
}

struct json_object *
bindings_hints (struct bindings *b, const char *uuid)
{
  return NULL;
}

void
texts_events (struct texts *t, const char *uuid, struct buf *out)
{
}

static inline void
found (struct collect_ctx *ctx, const char *name, const char *value)
{
  struct fact f;

  fact_text (&f, &ctx->guest->inc, name, "test", value, strlen (value));
  ctx->out->fact (ctx->out, &f);
}

static inline int
greets_once (struct collect_ctx *ctx, struct error *err)
{
  found (ctx, "qemu.state", "running");
  found (ctx, "vmm.monitor", "greets-only");
  return 0;
}

static inline int
greets_twice (struct collect_ctx *ctx, struct error *err)
{
  greets_once (ctx, err);
  found (ctx, "vmm.monitor", "greets-only");
  return 0;
}

static inline int
answers_twice (struct collect_ctx *ctx, struct error *err)
{
  found (ctx, "vmm.monitor", "answers");
  found (ctx, "vmm.monitor", "answers");
  return 0;
}

static inline int
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

static inline int
finds_nothing (struct collect_ctx *ctx, struct error *err)
{
  return 0;
}

static inline int
has_none (struct collect_ctx *ctx, struct error *err)
{
  return error_set (err, ENODEV, "this guest has no display");
}

/* Where a collector waits for the test. */
static struct
{
  pthread_mutex_t m;
  pthread_cond_t c;
  bool open, left;
} gate = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

static inline void
gate_set (bool *what)
{
  LOCK_SCOPE (&gate.m);
  *what = true;
  pthread_cond_broadcast (&gate.c);
}

static inline void
gate_wait (const bool *what)
{
  LOCK_SCOPE (&gate.m);
  while (!*what)
    pthread_cond_wait (&gate.c, &gate.m);
}

static inline void
brings (struct collect_ctx *ctx, const char *name, const char *text)
{
  ctx->out->file (ctx->out, name, text, strlen (text));
}

/* And goes on to bring when nobody waits for it any more. */
static inline int
gets_stuck (struct collect_ctx *ctx, struct error *err)
{
  brings (ctx, "a.txt", "one ");
  brings (ctx, "b.txt", "other ");
  found (ctx, "qemu.state", "running");
  found (ctx, "vmm.monitor", "greets-only");
  ctx->out->impact (ctx->out, "it was looked at");
  ctx->out->impact_since (ctx->out, clock_ms () - 60000, "for a minute");
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
static inline int
brings_much (struct collect_ctx *ctx, struct error *err)
{
  static char much[HAUL_PIECE * 5 / 2], more[HAUL_MAX_BYTES];

  memset (much, 'x', sizeof much);
  ctx->out->file (ctx->out, "much", much, sizeof much);
  ctx->out->file (ctx->out, "more", more, sizeof more);
  brings (ctx, "more", "no hole");
  brings (ctx, "much", "!");
  brings (ctx, "part", "abcd");
  ctx->out->file (ctx->out, "part", more, sizeof more);
  brings (ctx, "part", "late");
  ctx->out->attach (ctx->out, &(struct collect_attachment){
                                  .path = "/var/crash/a.core",
                                  .bytes = 77,
                                  .send = "never" });
  return error_set (err, EIO, "broken off");
}

/* Stays until the test lets it go, by its name, or its job is to stop. */
static struct
{
  pthread_mutex_t m;
  pthread_cond_t c;
  char let_go[256];
} room = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

static inline int
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

static inline void
let_go (const char *names)
{
  LOCK_SCOPE (&room.m);
  snprintf (room.let_go, sizeof room.let_go, "%s", names);
  pthread_cond_broadcast (&room.c);
}

/* In the name of its step. */
static inline int
brings_64k (struct collect_ctx *ctx, struct error *err)
{
  static const char much[64 << 10];

  ctx->out->file (ctx->out, job_name (ctx->job) + strlen ("collect "), much,
                  sizeof much);
  return 0;
}

/* By one name, whichever step it is; what it lacks is told first. */
static inline int
asks (struct collect_ctx *ctx, struct error *err)
{
  ctx->out->gap (ctx->out, "q/asked.jsonl", "of %s", ctx->step);
  brings (ctx, "q/asked.jsonl", ctx->step);
  brings (ctx, "q/.odd", ctx->step);
  brings (ctx, "q/asked.jsonl", "!");
  return 0;
}

/* 3 MiB, piece by piece; how many of them it is rid of. */
static atomic_uint pieces_gone;
#define PIECES 12u

static inline int
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

/* Acts only when that is remembered, and undoes it. */
static inline int
acts (struct collect_ctx *ctx, struct error *err)
{
  struct json_object *undo = json_object_new_object ();
  int r;

  json_add_str (undo, "act", "level");
  r = ctx->out->intend (ctx->out, undo, err);
  if (r < 0)
    return r;
  found (ctx, "qemu.state", "acted");
  ctx->out->undone (ctx->out, "level");
  return 0;
}

#define FAKE(name_, run_)                                                     \
  {                                                                           \
    .name = name_, .lane = LANE_HOST, .budget_ms = 5000, .run = run_          \
  }
#define STAYS(name_, lane_, touch_)                                           \
  {                                                                           \
    .name = name_, .lane = lane_, .budget_ms = 60000, .run = stays,           \
    .touch = touch_, .fades = lane_ == LANE_HOST                              \
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
  FAKE ("acts", acts),
  FAKE ("has-none", has_none),
  FAKE ("asks", asks),
};

/* What playbooks are read by. */
const struct collector *const collectors[] = {
  &fakes[0], &fakes[1],  &fakes[2],  &fakes[3],  &fakes[4],
  &fakes[5], &fakes[6],  &fakes[7],  &fakes[8],  &fakes[9],
  &fakes[10], &fakes[11], &fakes[12], &fakes[13], &fakes[14], &fakes[15],
  &fakes[16], &fakes[17], NULL,
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
static inline struct playbook *
playbook_of (const char *steps)
{
  char text[400];
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

static inline void
on_file (const char *name, uint64_t offset, const void *data, size_t len,
         void *arg)
{
  struct world *w = arg;

  assert_false (w->no_room);
  w->bytes += len;
  buf_printf (&w->files, "[%s@%llu]", name, (unsigned long long) offset);
  buf_append (&w->files, data, len);
}

static inline bool
on_room (size_t len, void *arg)
{
  return !((struct world *) arg)->no_room;
}

static inline void
on_progress (unsigned n, unsigned total, const char *what, bool ended,
             const char *failure, void *arg)
{
  struct world *w = arg;

  assert_in_range (n, 1, total);
  buf_printf (&w->legs, "%s%s ", !ended ? "+" : failure ? "!" : "-", what);
}

static inline void
on_done (const struct verdict *verdict, struct json_object *head, void *arg)
{
  struct world *w = arg;

  w->verdict = *verdict;
  w->head = head;
  w->done = true;
  w->dg = NULL;
}

static inline void
on_intend (const char *undo, diagnosis_answer_fn *fn, void *fn_arg, void *arg)
{
  struct world *w = arg;

  snprintf (w->intended, sizeof w->intended, "%s", undo);
  w->answer = fn;
  w->answer_arg = fn_arg;
}

static inline void
on_undone (const char *act, void *arg)
{
  struct world *w = arg;

  snprintf (w->undone, sizeof w->undone, "%s", act);
}

static const struct diagnosis_ops ops
    = { .file = on_file,
        .intend = on_intend,
        .undone = on_undone,
        .room = on_room,
        .progress = on_progress,
        .done = on_done };

static inline struct guest *
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

static inline int
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

static inline int
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

static inline void
begin (struct world *w, const char *steps)
{
  static const struct cause cause = { "uptime", "silent", "It is silent." };
  struct playbook *p = playbook_of (steps);

  assert_int_equal (
      diagnosis_start (&w->d, w->guest, &cause, p, &ops, w, &w->dg, NULL), 0);
  playbook_unref (p); /* it has its own */
}

static inline void
diagnose (struct world *w, const char *collector)
{
  char steps[64];

  snprintf (steps, sizeof steps, "[\"%s\"]", collector);
  begin (w, steps);
  UNTIL_LOOP (w->d.loop, w->done);
}

static inline void
says (struct world *w, const char *source, const char *name,
      const char *value)
{
  struct fact f;

  fact_text (&f, &w->guest->inc, name, source, value, strlen (value));
  fact_publish (w->bus, &f);
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
}

static inline void
house_says (struct world *w, const char *name, const char *value)
{
  says (w, "house", name, value);
}

static inline unsigned
threads (struct world *w)
{
  struct job_stats st;

  job_pool_stats (w->d.jobs, &st);
  return st.threads;
}

/* The nth fact of that name in the bundle, or NULL. */
static inline struct json_object *
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

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

#endif
