/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents by themselves: the writer, the diagnosis and the bindings are
 * faked, an answer comes when the test says so.
 */
#ifndef HANGDOG_TESTS_INCIDENTS_BED_H
#define HANGDOG_TESTS_INCIDENTS_BED_H

#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/hostlook.h"
#include "supervisor/incidents/incidents_impl.h"
#include "supervisor/links/writer_link.h"
#include "supervisor/text/text.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "/run/x"
#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define B "bbbbbbbb-2222-4333-8444-555555555555"
#define C "cccccccc-2222-4333-8444-555555555555"
#define MAX 16
#define PANIC "Kernel panic - not syncing: Fatal exception"

struct stored /* by the writer */
{
  char id[UUID_TEXT], place[8], text[4096];
  bool ended;
};

struct asked /* of the writer, and not answered yet */
{
  struct incident inc; /* of a put */
  incident_done_fn *done;
  void *arg;
  bool without; /* a bundle */
};

struct diagnosis
{
  struct world *w;
  const struct diagnosis_ops *ops;
  void *arg;
  char scenario[64], code[32], sentence[200];
  const struct playbook *playbook, *more; /* of who took over, if any */
  unsigned nsteps;
  bool stopped;
};

struct world
{
  struct incidents_env d;
  struct incidents *incidents;
  struct scenario uptime, tcp;
  bool flapping; /* both of them */
  const struct scenario *unbound, *paused, *quiet; /* of the two */
  struct asked puts[MAX], packs[MAX];
  struct incident last_put;
  unsigned nputs, npacks;
  struct json_object *head; /* of the last pack */
  const char *events;            /* of its text, a row a line; NULL = none */
  const struct history *history; /* of each check */
  char timeline[32768];          /* the last timeline.jsonl */
  struct diagnosis *running[MAX];
  unsigned nrunning;
  const char *start_fails;
  struct stored docs[MAX]; /* what the writer has */
  unsigned ndocs;
  int list_fails; /* so often */
  unsigned packed;                 /* what a watch was told */
  double cpu_some;                 /* of the host, in percent */
};

static struct world *world; /* for the fakes that get no argument */

/* ---- the writer ---- */

static inline struct stored *
stored (struct world *w, const char *id)
{
  for (unsigned i = 0; i < w->ndocs; i++)
    if (strcmp (w->docs[i].id, id) == 0)
      return &w->docs[i];
  return NULL;
}

static inline void
store (struct world *w, const struct incident *inc, const char *place)
{
  struct json_object *o = incident_to_json (inc);
  struct stored *s = stored (w, inc->id);

  assert_true (s || w->ndocs < MAX);
  if (!s)
    s = &w->docs[w->ndocs++];
  snprintf (s->id, sizeof s->id, "%s", inc->id);
  if (place || !s->place[0])
    snprintf (s->place, sizeof s->place, "%s", place ? place : "open");
  snprintf (s->text, sizeof s->text, "%s",
            json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  s->ended = inc->end != INCIDENT_NOT_ENDED;
  json_object_put (o);
}

/* Is there one of that text that had not ended, for the next daemon? */
static inline bool
stands_on_disk (struct world *w, const char *text)
{
  for (unsigned i = 0; i < w->ndocs; i++)
    if (!w->docs[i].ended && strstr (w->docs[i].text, text))
      return true;
  return false;
}

void
writer_link_put (struct writer_link *wl, const struct incident *inc,
          incident_done_fn *done, void *arg)
{
  assert_true (inc->rev > 0);
  store (world, inc, NULL);
  world->last_put = *inc;
  if (!done)
    return;
  assert_true (world->nputs < MAX);
  world->puts[world->nputs++] = (struct asked){ *inc, done, arg };
}

void
writer_link_artifact (struct writer_link *wl, const char *id,
                      const char *name, uint64_t offset, const void *data,
                      size_t len, incident_done_fn *done, void *arg)
{
  if (strcmp (name, "timeline.jsonl") == 0)
    snprintf (world->timeline, sizeof world->timeline, "%.*s", (int) len,
              (const char *) data);
  done (NULL, NULL, arg);
}

void
writer_link_pack (struct writer_link *wl, const char *id,
                  struct json_object *head, incident_done_fn *done, void *arg)
{
  assert_true (world->npacks < MAX);
  if (world->head)
    json_object_put (world->head);
  world->head = head;
  world->packs[world->npacks]
      = (struct asked){ .done = done, .arg = arg, .without = !head };
  snprintf (world->packs[world->npacks++].inc.id, UUID_TEXT, "%s", id);
}

size_t
writer_link_kept (const struct writer_link *wl)
{
  return 0;
}

bool
writer_link_broke (int code)
{
  return code == EPIPE;
}

int
writer_link_call (struct writer_link *wl, struct json_object *head,
                  const void *body, size_t body_len, uint64_t timeout_ms,
                  channel_reply_fn *fn, void *arg, struct error *err)
{
  struct error why = ERROR_INIT;

  assert_string_equal (json_get_str (head, "op"), "incidents");
  json_object_put (head);
  if (world->list_fails > 0)
    {
      world->list_fails--;
      error_set (&why, EIO, "the disk");
      fn (NULL, &why, arg);
      return 0;
    }
  for (unsigned i = 0; i <= world->ndocs; i++)
    {
      const struct stored *s = &world->docs[i];
      struct frame f = { .head = json_object_new_object () };

      if (i < world->ndocs)
        {
          json_add_str (f.head, "incident", s->id);
          json_add_str (f.head, "place", s->place);
          json_add_bool (f.head, "more", true);
          f.body = strdup (s->text);
          f.body_len = strlen (s->text);
        }
      fn (&f, NULL, arg);
      free (f.body);
      json_object_put (f.head);
    }
  return 0;
}

/* The oldest that waits; err NULL: it is on disk. */
static inline struct incident
on_disk (struct world *w, const struct error *err)
{
  struct asked a = w->puts[0];

  assert_true (w->nputs > 0);
  memmove (&w->puts[0], &w->puts[1], --w->nputs * sizeof w->puts[0]);
  a.done (err, NULL, a.arg);
  return a.inc;
}

static inline void
packed (struct world *w, const struct error *err)
{
  struct json_object *answer = json_object_new_object ();
  struct asked a = w->packs[0];

  assert_true (w->npacks > 0);
  memmove (&w->packs[0], &w->packs[1], --w->npacks * sizeof w->packs[0]);
  if (!a.without)
    json_add_str (answer, "path", "/blobs/x.tar.zst");
  if (!err && a.inc.id[0])
    snprintf (stored (w, a.inc.id)->place, sizeof stored (w, a.inc.id)->place,
              "ready");
  a.done (err, err ? NULL : answer, a.arg);
  json_object_put (answer);
}

/* ---- the host ---- */

unsigned
hostlook (struct fact dst[HOSTLOOK_FACTS])
{
  fact_real (&dst[0], NULL, "host.psi.memory.full", "host", 0.5);
  fact_real (&dst[1], NULL, "host.psi.cpu.some", "host", world->cpu_some);
  return 2;
}

/* ---- the diagnosis ---- */

int
diagnosis_start (const struct diagnosis_env *env, const struct guest *g,
                 const struct cause *cause, struct playbook *playbook,
                 const struct diagnosis_ops *ops, void *arg,
                 struct diagnosis **ret, struct error *err)
{
  struct diagnosis *dg;

  if (world->start_fails)
    return error_set (err, ENOMEM, "%s", world->start_fails);
  dg = calloc (1, sizeof *dg);
  assert_true (world->nrunning < MAX);
  world->running[world->nrunning++] = dg;
  dg->w = world;
  dg->ops = ops;
  dg->arg = arg;
  dg->playbook = playbook;
  dg->nsteps = playbook->nsteps;
  snprintf (dg->scenario, sizeof dg->scenario, "%s", cause->scenario);
  snprintf (dg->code, sizeof dg->code, "%s", cause->code);
  snprintf (dg->sentence, sizeof dg->sentence, "%s", cause->sentence);
  *ret = dg;
  return 0;
}

bool
diagnosis_retell (struct diagnosis *dg, const struct cause *cause,
                  struct playbook *playbook)
{
  unsigned was = dg->nsteps;

  dg->more = playbook;
  for (unsigned i = 0; i < playbook->nsteps; i++)
    dg->nsteps += !playbook_step_named (dg->playbook, playbook->steps[i].name);
  snprintf (dg->scenario, sizeof dg->scenario, "%s", cause->scenario);
  snprintf (dg->code, sizeof dg->code, "%s", cause->code);
  snprintf (dg->sentence, sizeof dg->sentence, "%s", cause->sentence);
  return dg->nsteps > was;
}

void
diagnosis_stop (struct diagnosis *dg, const char *why)
{
  dg->stopped = true;
}

void
diagnosis_room (struct diagnosis *dg)
{
}

void
diagnosis_free (struct diagnosis *dg)
{
  free (dg);
}

/* Of the diagnosis that runs for the longest time; by what it was seen: "name"
 * by its source, or NULL. */
static inline void
verdict_by (struct world *w, const char *class_, const char *confidence,
            const char *name, const char *source)
{
  struct diagnosis *dg = w->running[0];
  struct verdict v = { "" };

  assert_true (w->nrunning > 0);
  memmove (&w->running[0], &w->running[1],
           --w->nrunning * sizeof w->running[0]);
  snprintf (v.class_, sizeof v.class_, "%s", class_);
  snprintf (v.confidence, sizeof v.confidence, "%s", confidence);
  snprintf (v.sentence, sizeof v.sentence, "It is so.");
  snprintf (v.culprit, sizeof v.culprit, "disk vda");
  if (name)
    {
      snprintf (v.facts[0].name, sizeof v.facts[0].name, "%s", name);
      snprintf (v.facts[0].source, sizeof v.facts[0].source, "%s", source);
      snprintf (v.facts[0].value, sizeof v.facts[0].value, "no");
      v.nfacts = 1;
    }
  dg->ops->done (&v, json_object_new_object (), dg->arg);
  free (dg);
}

static inline void
verdict (struct world *w, const char *class_, const char *confidence)
{
  verdict_by (w, class_, confidence, NULL, NULL);
}

#ifndef OUTCOMES_OF_ITS_OWN /* who links the scenarios has their words */
const char *const outcome_names[] = { "ok", "failed", "no-verdict", NULL };
#endif

void
texts_events (struct texts *t, const char *uuid, struct buf *out)
{
  if (world->events)
    buf_puts (out, world->events);
}

/* ---- who undoes: a test of that has its own ---- */

#ifndef UNDOERS_OF_ITS_OWN
const struct collect_undoer *
collect_undoer_find (const char *act)
{
  return NULL;
}
#endif

/* ---- the bindings ---- */

void
bindings_each (struct bindings *b, const char *uuid,
               void (*fn) (const struct binding_info *info, void *arg),
               void *arg)
{
  const struct scenario *both[] = { &world->uptime, &world->tcp };
  const struct guest *g CLEANUP_GUEST = NULL;

  if (uuid)
    registry_find (world->d.registry, uuid, &g, NULL);
  for (size_t i = 0; uuid && i < 2; i++)
    {
      struct binding_info info = { .guest = g,
                                   .scenario = both[i],
                                   .history = world->history,
                                   .paused = world->paused == both[i],
                                   .quiet = world->quiet == both[i] };

      if (world->unbound != both[i])
        fn (&info, arg);
    }
}

/* Its daemon is old enough to know its guests. */
static inline void
grown (struct world *w)
{
  loop_advance (w->d.loop, FIND_GUESTS_MS + 1);
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
}

static inline void
outcome (struct world *w, const char *uuid, const struct scenario *s,
         enum outcome how, const char *code, enum health_change change)
{
  const struct guest *g = NULL;
  struct outcome_report last = { .outcome = how };
  struct binding_info info
      = { .scenario = s,
          .failures = 2,
          .mute = 6,
          .flapping = w->flapping,
          .damped = w->flapping && s->flap_damping,
          .last = &last,
          .health = how == OUTCOME_OK                   ? HEALTH_WELL
                    : change == HEALTH_BECAME_SUSPECT ? HEALTH_SUSPECT
                                                      : HEALTH_FAILED };

  snprintf (last.code, sizeof last.code, "%s", code);
  snprintf (last.sentence, sizeof last.sentence, "status: it said");
  assert_int_equal (registry_find (w->d.registry, uuid, &g, NULL), 0);
  info.guest = g;
  incidents_outcome (&info, change, w->incidents);
  guest_unref (g);
}

static inline void
fails (struct world *w, const char *uuid)
{
  outcome (w, uuid, &w->uptime, OUTCOME_FAILED, "silent", HEALTH_BECAME_FAILED);
}

static inline void
is_mute (struct world *w, const char *uuid)
{
  outcome (w, uuid, &w->uptime, OUTCOME_NO_VERDICT, "console-timeout",
           HEALTH_BECAME_MUTE);
}

/* ---- the rest of the house ---- */

static inline void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  if (w->incidents)
    {
      incidents_guest (w->incidents, change, was, now);
    }
}

static inline void
on_event (const struct guest *g, enum guest_event event, const char *detail,
          void *arg)
{
  incidents_event (((struct world *) arg)->incidents, g, event, detail);
}

static inline struct guest *
living (const char *uuid, int32_t pid)
{
  struct guest *g = guest_new ();

  snprintf (g->inc.uuid, sizeof g->inc.uuid, "%s", uuid);
  g->inc.pid = pid;
  g->inc.start_time = 100;
  snprintf (g->name, sizeof g->name, "guest-%.1s", uuid);
  snprintf (g->display, sizeof g->display, "guest-%.1s", uuid);
  snprintf (g->source, sizeof g->source, "rundir");
  snprintf (g->host, sizeof g->host, HOST);
  g->run = GUEST_RUNNING;
  return g;
}

static inline void
lives (struct world *w, const char *uuid, int32_t pid)
{
  registry_update (w->d.registry, living (uuid, pid));
}

static inline void
is_now (struct world *w, const char *uuid, int32_t pid, enum guest_run run,
        const char *reason)
{
  struct guest *g = living (uuid, pid);

  g->run = run;
  snprintf (g->reason, sizeof g->reason, "%s", reason);
  registry_update (w->d.registry, g);
}

static inline void
turn (struct world *w)
{
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
}

/* As kernel/text does it: on the bus, for whoever may listen. */
static inline void
says (struct world *w, const char *uuid, int32_t pid, const char *name,
      const char *text)
{
  struct incarnation inc = { .pid = pid, .start_time = 100 };
  struct fact f;

  snprintf (inc.uuid, sizeof inc.uuid, "%s", uuid);
  fact_text (&f, &inc, name, "console", text, strlen (text));
  fact_publish (w->d.bus, &f);
  turn (w);
}

static inline struct active *
newest (struct world *w)
{
  assert_non_null (w->incidents->first);
  return w->incidents->first;
}

static inline bool
told_as_hung (struct world *w, const char *uuid)
{
  return incidents_standing (w->incidents, uuid) != NULL;
}

static inline void
start_incidents (struct world *w)
{
  assert_int_equal (incidents_new (&w->d, &w->incidents, NULL), 0);
}

static inline int
setup (void **state)
{
  static char no_texts;
  static const struct diagnosis_env nobody
      = { .texts = (struct texts *) &no_texts };
  struct world *w = calloc (1, sizeof *w);

  world = w;
  w->d.diagnosis = &nobody;
  w->uptime.name = (char *) "uptime";
  w->uptime.alert = w->tcp.alert = true;
  w->tcp.name = (char *) "tcp";
  w->d.max_diagnoses = 2;
  assert_int_equal (loop_new_fake (&w->d.loop, NULL), 0);
  assert_int_equal (fact_bus_new (w->d.loop, 64, &w->d.bus, NULL), 0);
  assert_int_equal (registry_new (w->d.loop, w->d.bus, &w->d.registry, NULL),
                    0);
  assert_int_equal (
      registry_listen (w->d.registry, on_guest, on_event, w, NULL), 0);
  assert_int_equal (playbook_set_new (NULL, 0, &w->d.playbooks, NULL), 0);
  lives (w, A, 7);
  lives (w, B, 8);
  lives (w, C, 9);
  start_incidents (w);
  *state = w;
  return 0;
}

static inline int
up (void **state)
{
  setup (state);
  incidents_writer_up (((struct world *) *state)->incidents);
  return 0;
}

static inline int
teardown (void **state)
{
  struct world *w = *state;
  unsigned missteps = w->incidents->missteps;

  incidents_free (w->incidents);
  playbook_set_unref (w->d.playbooks);
  registry_free (w->d.registry);
  fact_bus_free (w->d.bus);
  loop_free (w->d.loop);
  if (w->head)
    json_object_put (w->head);
  free (w);
  /* Whatever was played: no step that was not one. */
  return missteps == 0 ? 0 : -1;
}

/* All that waits to be. */
static inline void
all_on_disk (struct world *w)
{
  while (w->nputs)
    on_disk (w, NULL);
}

static inline void
brought_to (struct world *w, const char *class_, const char *confidence)
{
  all_on_disk (w);
  verdict (w, class_, confidence);
  packed (w, NULL);
}

#define WITH(s, t) cmocka_unit_test_setup_teardown (t, s, teardown)

#endif
