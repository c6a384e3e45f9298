/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of bindings.  Loop, jobs, facts, registry and documents are the
 * real ones; the kind of the scenarios is one that does as the test says, and
 * boots, texts and who knows whether a guest is meant to run are faked.
 * Included once in a programme.
 */
#ifndef HANGDOG_TESTS_BINDINGS_BED_H
#define HANGDOG_TESTS_BINDINGS_BED_H

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/links/writer_link.h"
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/boots.h"
#include "supervisor/watch/meant.h"
#include "tests/lib/until.h"
#include "transports/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"

struct world
{
  struct bindings_env env;
  struct transport_env transports;
  struct bindings *b;
  unsigned told; /* outcomes */
  enum health_change change;
  struct outcome_report last;
  struct binding_info info;
};

/* ---- what is faked ---- */

/* What the check does: read by its job. */
static struct
{
  pthread_mutex_t m;
  pthread_cond_t c;
  bool wait, entered;
  enum outcome outcome;
  /* By the transport of that name, if it is one of these: what an attempt
   * says of it, with "by NAME" for a sentence. */
  struct
  {
    const char *name;
    enum outcome outcome;
    enum way_said way;
    const char *code;
    bool wait; /* only this one does */
    unsigned asked;
  } ways[4];
  char asked[64]; /* the document's "send" */
} check = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

static enum typing typing_now;
static enum meant meant_now;
static struct loop *asked_on;
static unsigned shells; /* that answered on a console */

static int
run_check (const struct scenario *s, const struct guest *g,
           const struct transport_ops *way, const struct transport_env *env,
           struct job *job, struct outcome_report *ret, struct error *err)
{
  CLEANUP_JSON struct json_object *hints = json_object_new_object ();
  struct json_object *list;
  const char *send = NULL;
  LOCK_SCOPE (&check.m);

  check.entered = true;
  scenario_hints (s, g, hints);
  list = json_get (hints, "addresses");
  if (list)
    send = json_get_str (json_object_array_get_idx (list, 0), "send");
  snprintf (check.asked, sizeof check.asked, "%s", send ? send : "");
  pthread_cond_broadcast (&check.c);
  while (check.wait)
    pthread_cond_wait (&check.c, &check.m);
  *ret = (struct outcome_report){ .outcome = check.outcome, .value = NAN };
  snprintf (ret->code, sizeof ret->code, "fake");
  for (unsigned i = 0; i < ARRAY_LEN (check.ways); i++)
    if (check.ways[i].name && strcmp (check.ways[i].name, way->name) == 0)
      {
        check.ways[i].asked++;
        while (check.ways[i].wait)
          pthread_cond_wait (&check.c, &check.m);
        ret->outcome = check.ways[i].outcome;
        ret->way = check.ways[i].way;
        ret->shell = way->lane == LANE_CONSOLE;
        snprintf (ret->code, sizeof ret->code, "%s", check.ways[i].code);
        snprintf (ret->sentence, sizeof ret->sentence, "by %s", way->name);
      }
  return 0;
}

static inline void
set_waiting (bool wait)
{
  LOCK_SCOPE (&check.m);
  check.wait = wait;
  if (wait)
    check.entered = false;
  pthread_cond_broadcast (&check.c);
}

static inline void
until_entered (void)
{
  LOCK_SCOPE (&check.m);
  while (!check.entered)
    pthread_cond_wait (&check.c, &check.m);
}

bool
boots_answered (struct boots *b, const struct incarnation *inc,
                uint64_t begun_ms, const struct uptime *up)
{
  return false;
}

void
texts_answered (struct texts *t, const char *uuid)
{
  shells++;
}

static struct
{
  char uuid[UUID_TEXT];
  size_t n;
  unsigned told;
} listened;

void
texts_listen (struct texts *t, const char *uuid, struct lines *const *list,
              size_t n)
{
  snprintf (listened.uuid, sizeof listened.uuid, "%s", uuid);
  listened.n = n;
  listened.told++;
}

bool
guest_paused_by_owner (const struct guest *g)
{
  return g->run == GUEST_PAUSED;
}

struct answer
{
  meant_fn *fn;
  void *arg;
};

static inline void
answer (void *arg)
{
  struct answer *a = arg;

  a->fn (meant_now, "paused", a->arg);
  free (a);
}

int
meant_ask (struct job_pool *jobs, const struct transport_env *env,
           const struct guest *g, meant_fn *fn, void *arg, struct error *err)
{
  struct answer *a;

  if (meant_now == MEANT_TO_RUN)
    return -ENOENT;
  a = malloc (sizeof *a);
  *a = (struct answer){ fn, arg };
  return loop_post (asked_on, answer, a, free);
}

static enum typing
may_type (void *arg, const char *uuid, const char *console, char *what,
          size_t n)
{
  snprintf (what, n, "its kernel boots");
  return typing_now;
}

/* There is none. */
int
writer_link_call (struct writer_link *wl, struct json_object *head,
                  const void *body, size_t body_len, uint64_t timeout_ms,
                  channel_reply_fn *fn, void *arg, struct error *err)
{
  json_object_put (head);
  return error_set (err, ENOTCONN, "there is no writer");
}

bool
writer_link_broke (int code)
{
  return code == ENOTCONN;
}

/* ---- the world ---- */

static struct guest *
a_guest (uint64_t start_time, enum guest_run run)
{
  struct guest *g = guest_new ();

  snprintf (g->inc.uuid, sizeof g->inc.uuid, A);
  g->inc.pid = 7;
  g->inc.start_time = start_time;
  snprintf (g->name, sizeof g->name, "a");
  snprintf (g->display, sizeof g->display, "a");
  snprintf (g->source, sizeof g->source, "rundir");
  snprintf (g->host, sizeof g->host, "/run/x");
  g->run = run;
  g->nconsoles = 1;
  snprintf (g->consoles[0].name, sizeof g->consoles[0].name, "cons");
  return g;
}

static inline void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  bindings_guest (w->b, change, was, now);
}

static inline void
on_outcome (const struct binding_info *info, enum health_change change,
            void *arg)
{
  struct world *w = arg;

  w->told++;
  w->change = change;
  w->last = *info->last;
}

static inline int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);

  check.wait = check.entered = false;
  memset (check.ways, 0, sizeof check.ways);
  shells = 0;
  check.outcome = OUTCOME_OK;
  typing_now = TYPING_FREE;
  meant_now = MEANT_TO_RUN;
  w->transports.may_type = may_type;
  w->env.transports = &w->transports;
  assert_int_equal (loop_new_fake (&w->env.loop, NULL), 0);
  asked_on = w->env.loop;
  assert_int_equal (job_pool_new (w->env.loop, &few, &w->env.jobs, NULL), 0);
  assert_int_equal (fact_bus_new (w->env.loop, 64, &w->env.bus, NULL), 0);
  assert_int_equal (fact_table_new (w->env.bus, 16, &w->env.facts, NULL), 0);
  assert_int_equal (
      registry_new (w->env.loop, w->env.bus, &w->env.registry, NULL), 0);
  assert_int_equal (bindings_new (&w->env, &w->b, NULL), 0);
  assert_int_equal (bindings_listen (w->b, on_outcome, w, NULL), 0);
  assert_int_equal (registry_listen (w->env.registry, on_guest, NULL, w, NULL), 0);
  registry_update (w->env.registry, a_guest (100, GUEST_RUNNING));
  *state = w;
  return 0;
}

static inline void
until_idle (struct world *w)
{
  struct job_stats stats;

  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats),
               stats.running + stats.discarded == 0));
}

static inline int
teardown (void **state)
{
  struct world *w = *state;

  set_waiting (false);
  until_idle (w);
  assert_int_equal (job_pool_free (w->env.jobs, UNTIL_MS), 0);
  registry_free (w->env.registry);
  bindings_free (w->b);
  fact_table_free (w->env.facts);
  fact_bus_free (w->env.bus);
  loop_free (w->env.loop);
  free (w);
  return 0;
}

/* Takes over the documents; `kind` is asked instead of tcp when it is given. */
/* What scenario_list() has made: the bindings have references of their own. */
static inline void
free_all (struct scenario **all, size_t n)
{
  for (size_t i = 0; i < n; i++)
    scenario_unref (all[i]);
  free (all);
}

static inline void
bind (struct world *w, const char *text, const struct scenario_kind *kind)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario **all;
  size_t n;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, NULL),
                    0);
  assert_int_equal (scenario_list (doc, &all, &n, NULL), 0);
  for (size_t i = 0; kind && i < n; i++)
    all[i]->kind = kind;
  assert_int_equal (bindings_set (w->b, all, n, NULL), 0);
  free_all (all, n);
}

/* Its documents are tcp's. */
static inline const struct scenario_kind *
kind_fake (void)
{
  static struct scenario_kind kind;

  kind = kind_tcp;
  kind.ask = run_check;
  return &kind;
}

#define TCP(name, more)                                                       \
  "{\"name\":\"" name "\",\"kind\":\"tcp\",\"interval\":\"30s\"," more        \
  "\"initial-delay\":\"7s\",\"failure-threshold\":2,\"retry-interval\":\"5s\","                        \
  "\"address\":\"192.0.2.1:1\"}"

static inline void
get_info (const struct binding_info *info, void *arg)
{
  static struct outcome_report last; /* theirs ends with the call */
  struct world *w = arg;

  w->info = *info;
  if (!info->last)
    return;
  last = *info->last;
  w->info.last = &last;
}

static inline const struct binding_info *
info (struct world *w)
{
  memset (&w->info, 0, sizeof w->info);
  bindings_each (w->b, A, get_info, w);
  return &w->info;
}

/* Runs it now, and waits for what becomes of it. */
static inline void
ask (struct world *w, enum outcome outcome)
{
  unsigned before = w->told;

  check.outcome = outcome;
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, w->told > before);
}

/* The same when it falls due; no further, since its time is the clock's. */
static inline void
in_turn (struct world *w)
{
  unsigned before = w->told;

  loop_advance (w->env.loop, info (w)->next_ms - loop_now (w->env.loop));
  UNTIL_LOOP (w->env.loop, w->told > before);
}

/* ---- many ---- */

static inline void
name_of (char dst[UUID_TEXT], unsigned i)
{
  snprintf (dst, UUID_TEXT, "%08x-2222-4333-8444-555555555555", i);
}

static inline void
add_guests (struct world *w, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    {
      struct guest *g = a_guest (100, GUEST_RUNNING);

      name_of (g->inc.uuid, i);
      g->inc.pid = 1000 + (int) i;
      registry_update (w->env.registry, g);
    }
}

#define assert_last(w, o, text)                                               \
  do                                                                          \
    {                                                                         \
      assert_int_equal ((w)->last.outcome, o);                                \
      assert_string_equal ((w)->last.code, text);                             \
    }                                                                         \
  while (0)

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

/* ---- facts ---- */

static inline void
assert_fact (struct world *w, const char *name, const char *text)
{
  const struct fact *f = NULL;

  UNTIL_LOOP (w->env.loop, (f = fact_latest (w->env.facts, A, name)) != NULL
                               && strcmp (f->text, text) == 0);
}

/* What it is when all that was told before is there; NULL: nothing. */
static inline void
assert_kept (struct world *w, const char *name, const char *text)
{
  const struct incarnation inc = { .uuid = A };
  static unsigned marks;
  const struct fact *f;
  struct fact mark;
  char n[16];

  snprintf (n, sizeof n, "%u", ++marks);
  fact_text (&mark, &inc, "guest.core", "test", n, strlen (n));
  fact_publish (w->env.bus, &mark);
  assert_fact (w, "guest.core", n);
  f = fact_latest (w->env.facts, A, name);
  assert_int_equal (f != NULL, text != NULL);
  if (f)
    assert_string_equal (f->text, text);
}

/* Nobody was asked for it, so what was known of the guest stays. */
static inline void
assert_untold (struct world *w, const char *name)
{
  assert_kept (w, name, NULL);
}

#endif
