/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents: every step from every life, the way from a trouble to a bundle,
 * who is believed how much, and what a restart knows.
 *
 * The writer, the diagnosis and the bindings are faked: an answer comes when
 * the test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/daemon.h"
#include "supervisor/diagnose.h"
#include "supervisor/incidents_impl.h"
#include "supervisor/writer_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "/run/x"
#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define B "bbbbbbbb-2222-4333-8444-555555555555"
#define C "cccccccc-2222-4333-8444-555555555555"
#define MAX 16

struct asked /* of the writer, and not answered yet */
{
  struct incident inc; /* of a put */
  incident_done_fn *done;
  void *arg;
};

struct diagnosis
{
  struct world *w;
  const struct diagnosis_ops *ops;
  void *arg;
  char scenario[64], code[32], sentence[200];
  unsigned nsteps;
  bool stopped;
};

struct world
{
  struct daemon d;
  struct incident_sink sink;
  struct scenario uptime, tcp;
  struct asked puts[MAX], packs[MAX];
  unsigned nputs, npacks;
  struct json_object *head; /* of the last pack */
  struct diagnosis *running[MAX];
  unsigned nrunning;
  const char *start_fails;
  char standing[8192], open[4096]; /* what the writer has */
  unsigned packed;                 /* what a watch was told */
};

static struct world *world; /* for the fakes that get no argument */

/* ---- the writer ---- */

static void
sink_put (struct incident_sink *self, const struct incident *inc,
          incident_done_fn *done, void *arg)
{
  if (!done)
    return;
  assert_true (world->nputs < MAX);
  world->puts[world->nputs++] = (struct asked){ *inc, done, arg };
}

static void
sink_artifact (struct incident_sink *self, const char *id, const char *name,
               uint64_t offset, const void *data, size_t len,
               incident_done_fn *done, void *arg)
{
}

static void
sink_pack (struct incident_sink *self, const char *id,
           struct json_object *head, incident_done_fn *done, void *arg)
{
  assert_true (world->npacks < MAX);
  if (world->head)
    json_object_put (world->head);
  world->head = head;
  world->packs[world->npacks++] = (struct asked){ .done = done, .arg = arg };
}

struct incident_sink *
writer_link_incidents (struct writer_link *wl)
{
  return &world->sink;
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
  const char *op = json_get_str (head, "op");
  struct frame f = { .head = json_object_new_object () };

  if (strcmp (op, "state-put") == 0)
    snprintf (world->standing, sizeof world->standing, "%.*s", (int) body_len,
              (const char *) body);
  else if (strcmp (op, "state-get") == 0)
    f.body = strdup (world->standing);
  else
    f.body = strdup (world->open);
  f.body_len = f.body ? strlen (f.body) : 0;
  fn (&f, NULL, arg);
  free (f.body);
  json_object_put (f.head);
  json_object_put (head);
  return 0;
}

/* The oldest that waits; err NULL: it is on disk. */
static struct incident
on_disk (struct world *w, const struct error *err)
{
  struct asked a = w->puts[0];

  assert_true (w->nputs > 0);
  memmove (&w->puts[0], &w->puts[1], --w->nputs * sizeof w->puts[0]);
  a.done (err, NULL, a.arg);
  return a.inc;
}

static void
packed (struct world *w, const struct error *err)
{
  struct json_object *answer = json_object_new_object ();
  struct asked a = w->packs[0];

  assert_true (w->npacks > 0);
  memmove (&w->packs[0], &w->packs[1], --w->npacks * sizeof w->packs[0]);
  json_add_str (answer, "path", "/ready/x.tar.zst");
  a.done (err, err ? NULL : answer, a.arg);
  json_object_put (answer);
}

/* ---- the diagnosis ---- */

int
diagnosis_start (struct daemon *d, const struct guest *g,
                 const struct cause *cause,
                 const struct diagnosis_step *steps, unsigned nsteps,
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
  dg->nsteps = nsteps;
  snprintf (dg->scenario, sizeof dg->scenario, "%s", cause->scenario);
  snprintf (dg->code, sizeof dg->code, "%s", cause->code);
  snprintf (dg->sentence, sizeof dg->sentence, "%s", cause->sentence);
  *ret = dg;
  return 0;
}

void
diagnosis_stop (struct diagnosis *dg, const char *why)
{
  dg->stopped = true;
}

void
diagnosis_free (struct diagnosis *dg)
{
  free (dg);
}

/* Of the diagnosis that runs for the longest time. */
static void
verdict (struct world *w, const char *class_, const char *confidence)
{
  struct diagnosis *dg = w->running[0];
  struct verdict v = { "" };

  assert_true (w->nrunning > 0);
  memmove (&w->running[0], &w->running[1],
           --w->nrunning * sizeof w->running[0]);
  snprintf (v.class_, sizeof v.class_, "%s", class_);
  snprintf (v.confidence, sizeof v.confidence, "%s", confidence);
  snprintf (v.sentence, sizeof v.sentence, "It is so.");
  dg->ops->done (&v, json_object_new_object (), dg->arg);
  free (dg);
}

/* ---- the bindings ---- */

struct json_object *
bindings_addresses (struct bindings *b, const char *uuid)
{
  return json_object_new_object ();
}

void
bindings_each (struct bindings *b, const char *uuid,
               void (*fn) (const struct binding_info *info, void *arg),
               void *arg)
{
}

static void
outcome (struct world *w, const char *uuid, const struct scenario *s,
         enum outcome how, const char *code, enum health_change change)
{
  const struct guest *g = NULL;
  struct outcome_report last = { .outcome = how };
  struct binding_info info
      = { .scenario = s,
          .failures = 2,
          .mute = 6,
          .last = &last,
          .health = how == OUTCOME_OK ? HEALTH_WELL : HEALTH_FAILED };

  snprintf (last.code, sizeof last.code, "%s", code);
  snprintf (last.sentence, sizeof last.sentence, "status: it said");
  assert_int_equal (registry_find (w->d.registry, uuid, &g, NULL), 0);
  info.guest = g;
  incidents_outcome (&info, change, w->d.incidents);
  guest_unref (g);
}

static void
fails (struct world *w, const char *uuid)
{
  outcome (w, uuid, &w->uptime, OUTCOME_FAILED, "silent",
           HEALTH_BECAME_FAILED);
}

static void
is_mute (struct world *w, const char *uuid)
{
  outcome (w, uuid, &w->uptime, OUTCOME_NO_VERDICT, "console-timeout",
           HEALTH_BECAME_MUTE);
}

/* ---- the rest of the house ---- */

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  if (w->d.incidents)
    {
      incidents_guest (w->d.incidents, change, was, now);
      incidents_changed (w->d.incidents, was, now);
    }
}

static void
on_event (const struct guest *g, enum guest_event event, const char *detail,
          void *arg)
{
  incidents_event (((struct world *) arg)->d.incidents, g, event, detail);
}

static struct guest *
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

static void
lives (struct world *w, const char *uuid, int32_t pid)
{
  registry_update (w->d.registry, living (uuid, pid));
}

static void
is_now (struct world *w, const char *uuid, int32_t pid, enum guest_run run,
        const char *reason)
{
  struct guest *g = living (uuid, pid);

  g->run = run;
  snprintf (g->reason, sizeof g->reason, "%s", reason);
  registry_update (w->d.registry, g);
}

static void
turn (struct world *w)
{
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
}

/* As kernel/text does it: on the bus, for whoever may listen. */
static void
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

static struct active *
newest (struct world *w)
{
  assert_non_null (w->d.incidents->first);
  return w->d.incidents->first;
}

static bool
told_as_hung (struct world *w, const char *uuid)
{
  return incidents_standing (w->d.incidents, uuid) != NULL;
}

static void
start_incidents (struct world *w)
{
  assert_int_equal (incidents_new (&w->d, &w->d.incidents, NULL), 0);
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);

  world = w;
  w->sink = (struct incident_sink){ .put = sink_put,
                                    .artifact = sink_artifact,
                                    .pack = sink_pack };
  snprintf (w->standing, sizeof w->standing, "[]");
  w->uptime.name = (char *) "uptime";
  w->tcp.name = (char *) "tcp";
  w->d.config.limits.max_diagnoses = 2;
  assert_int_equal (loop_new_fake (&w->d.loop, NULL), 0);
  assert_int_equal (fact_bus_new (w->d.loop, 64, &w->d.bus, NULL), 0);
  assert_int_equal (registry_new (w->d.loop, w->d.bus, &w->d.registry, NULL),
                    0);
  assert_int_equal (registry_listen (w->d.registry, on_guest, on_event, w,
                                     NULL),
                    0);
  lives (w, A, 7);
  lives (w, B, 8);
  lives (w, C, 9);
  start_incidents (w);
  *state = w;
  return 0;
}

static int
up (void **state)
{
  setup (state);
  incidents_writer_up (((struct world *) *state)->d.incidents);
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;
  unsigned missteps = w->d.incidents->missteps;

  incidents_free (w->d.incidents);
  registry_free (w->d.registry);
  fact_bus_free (w->d.bus);
  loop_free (w->d.loop);
  if (w->head)
    json_object_put (w->head);
  free (w);
  /* Whatever was played: no step that was not one. */
  return missteps == 0 ? 0 : -1;
}

/* ---- the steps ---- */

static void
only_the_legal_steps (void **state)
{
  static const struct
  {
    enum life from;
    enum step step;
    enum life to;
    enum incident_phase phase;
  } legal[] = {
    { LIFE_WRITING, STEP_WRITTEN, LIFE_WAITING, INCIDENT_OPEN },
    { LIFE_WAITING, STEP_BEGUN, LIFE_COUNTING, INCIDENT_COLLECTING },
    { LIFE_WAITING, STEP_GIVEN_UP, LIFE_PACKING, INCIDENT_COLLECTING },
    { LIFE_COUNTING, STEP_COUNTED, LIFE_COLLECTING, INCIDENT_COLLECTING },
    { LIFE_COLLECTING, STEP_JUDGED, LIFE_PACKING, INCIDENT_COLLECTING },
    { LIFE_COLLECTING, STEP_GIVEN_UP, LIFE_PACKING, INCIDENT_COLLECTING },
    { LIFE_PACKING, STEP_PACKED, LIFE_DONE, INCIDENT_PACKED },
    { LIFE_DONE, STEP_TAKEN_UP, LIFE_WAITING, INCIDENT_OPEN },
  };
  const size_t n = sizeof legal / sizeof legal[0];
  struct incidents in = { .missteps = 0 };
  unsigned taken = 0;

  for (int from = LIFE_WRITING; from <= LIFE_DONE; from++)
    for (int step = 0; step < STEP_MAX; step++)
      {
        struct active a = { .all = &in, .life = (enum life) from };
        unsigned missteps = in.missteps;
        size_t i = 0;

        a.inc.phase = INCIDENT_ENDED;
        while (i < n
               && ((int) legal[i].from != from || (int) legal[i].step != step))
          i++;
        assert_int_equal (incident_step (&a, (enum step) step), i < n);
        assert_int_equal (a.life, i < n ? (int) legal[i].to : from);
        assert_int_equal (a.inc.phase,
                          i < n ? legal[i].phase : INCIDENT_ENDED);
        assert_int_equal (in.missteps, missteps + (i == n));
        assert_int_equal (a.stand, STAND_NOT); /* goes its own way */
        taken += i < n;
      }
  assert_int_equal (taken, n);
}

/* ---- one life ---- */

static void
brought_to (struct world *w, const char *class_, const char *confidence)
{
  while (w->nputs)
    on_disk (w, NULL);
  verdict (w, class_, confidence);
  packed (w, NULL);
}

static void
from_failure_to_bundle (void **state)
{
  struct world *w = *state;
  struct incident inc;

  fails (w, A);
  assert_int_equal (newest (w)->life, LIFE_WRITING);
  assert_true (told_as_hung (w, A));
  assert_int_equal (w->nrunning, 0); /* nothing before it is on disk */
  inc = on_disk (w, NULL);
  assert_int_equal (inc.attempts, 0);
  assert_string_equal (inc.code, "silent");
  assert_string_equal (inc.reason, "status: it said");

  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  assert_int_equal (w->nrunning, 0);
  inc = on_disk (w, NULL);
  assert_int_equal (inc.attempts, 1);
  assert_int_equal (inc.phase, INCIDENT_COLLECTING);

  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  assert_string_equal (w->running[0]->scenario, "uptime");
  assert_string_equal (w->running[0]->code, "silent");
  assert_string_equal (w->running[0]->sentence, "status: it said");
  assert_int_equal (w->running[0]->nsteps, 6); /* of "standard" */
  verdict (w, "userspace-stuck", "high");

  assert_int_equal (newest (w)->life, LIFE_PACKING);
  assert_string_equal (json_get_str (json_get (w->head, "incident"), "code"),
                       "silent");
  packed (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_DONE);
  assert_int_equal (newest (w)->inc.phase, INCIDENT_PACKED);
  assert_string_equal (newest (w)->bundle, "/ready/x.tar.zst");
  assert_true (told_as_hung (w, A)); /* until it is well */
  assert_non_null (strstr (w->standing, newest (w)->inc.id));

  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_SAME);
  assert_true (told_as_hung (w, A)); /* another check says nothing of it */
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_false (told_as_hung (w, A));
  assert_int_equal (newest (w)->inc.end, INCIDENT_RECOVERED);
  assert_string_equal (w->standing, "[]");
  /* A check that failed beside it, and goes on to. */
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_SAME);
  assert_true (told_as_hung (w, A));
  brought_to (w, "network-lost", "medium");
}

static void
a_full_disk_does_not_blind (void **state)
{
  struct world *w = *state;
  struct error full = ERROR_INIT;

  error_set (&full, ENOSPC, "no space");
  fails (w, A);
  on_disk (w, &full);
  on_disk (w, &full);
  verdict (w, "userspace-stuck", "high");
  packed (w, &full);
  assert_int_equal (newest (w)->life, LIFE_DONE);
  assert_string_equal (newest (w)->bundle, "");
}

static void
no_more_at_once_than_set (void **state)
{
  struct world *w = *state;

  fails (w, A);
  fails (w, B);
  fails (w, C);
  for (int i = 0; i < 5; i++)
    on_disk (w, NULL);
  assert_int_equal (w->nrunning, 2);
  assert_int_equal (newest (w)->life, LIFE_WAITING);
  assert_string_equal (newest (w)->inc.inc.uuid, C);
  verdict (w, "unknown", "low");
  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  verdict (w, "unknown", "low");
  verdict (w, "unknown", "low");
  while (w->npacks)
    packed (w, NULL);
}

static void
oldest_first (void **state)
{
  struct world *w = *state;

  w->d.config.limits.max_diagnoses = 1;
  fails (w, A);
  fails (w, B);
  fails (w, C);
  while (w->nputs)
    on_disk (w, NULL);
  for (int i = 0; i < 3; i++)
    {
      struct active *a = w->running[0]->arg;

      assert_int_equal (w->nrunning, 1);
      assert_int_equal (a->inc.inc.uuid[0], "abc"[i]);
      brought_to (w, "unknown", "low");
      while (w->nputs)
        on_disk (w, NULL);
    }
}

static void
count_packed (const struct incident *inc, const char *bundle,
              const struct error *why, void *arg)
{
  ((struct world *) arg)->packed++;
}

static void
what_cannot_begin_is_given_up (void **state)
{
  static const struct incident_watch_ops ops = { .packed = count_packed };
  struct world *w = *state;
  const struct guest *g = NULL;
  char id[UUID_TEXT];

  w->start_fails = "no memory today";
  assert_int_equal (registry_find (w->d.registry, A, &g, NULL), 0);
  assert_int_equal (incidents_order (w->d.incidents, g, NULL, "me", &ops, w,
                                     id, NULL),
                    0);
  guest_unref (g);
  assert_string_equal (newest (w)->inc.code, CODE_ORDERED);
  assert_false (told_as_hung (w, A));
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_PACKING);
  assert_string_equal (newest (w)->inc.verdict.class_, "unknown");
  assert_non_null (strstr (newest (w)->inc.verdict.sentence, "no memory to"));
  assert_int_equal (w->packed, 0);
  packed (w, NULL);
  assert_int_equal (w->packed, 1);
}

/* ---- who is believed ---- */

static void
who_cannot_be_asked_is_not_called_hung (void **state)
{
  struct world *w = *state;

  is_mute (w, A);
  assert_int_equal (newest (w)->stand, STAND_SUSPECTED);
  assert_string_equal (newest (w)->inc.playbook, "quick");
  assert_false (told_as_hung (w, A));
  brought_to (w, "unknown", "low");
  assert_int_equal (newest (w)->stand, STAND_NOT);
  /* unless something is found */
  is_mute (w, B);
  brought_to (w, "vmm-stuck", "high");
  assert_true (told_as_hung (w, B));
  /* or another check fails */
  is_mute (w, C);
  outcome (w, C, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_true (told_as_hung (w, C));
  brought_to (w, "slow", "low");
}

static void
the_hypervisor_is_believed (void **state)
{
  struct world *w = *state;

  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_STOP,
                  "");
  assert_null (w->d.incidents->first);
  /* At once: it says so once, and the guest may be another one by the time
   * that facts are told. */
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC,
                  "poweroff");
  assert_true (told_as_hung (w, A));
  assert_string_equal (newest (w)->inc.code, CODE_VMM_EVENT);
  brought_to (w, "kernel-panic", "high");
}

/* No event came: it was lost, or was before us. */
static void
its_state_is_believed (void **state)
{
  struct world *w = *state;
  struct active *a;

  is_now (w, A, 7, GUEST_PAUSED, "user");
  assert_null (w->d.incidents->first);
  is_now (w, A, 7, GUEST_CRASHED, "io-error");
  a = newest (w);
  assert_true (told_as_hung (w, A));
  brought_to (w, "io-error", "high");
  is_now (w, A, 7, GUEST_RUNNING, "");
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  /* Its process dies; an owner's destroy says so. */
  is_now (w, A, 0, GUEST_OFF, "crashed");
  assert_ptr_not_equal (newest (w), a);
  assert_non_null (strstr (newest (w)->inc.reason, "DIED"));
  brought_to (w, "vmm-dead", "high");
  lives (w, A, 9);
  a = newest (w);
  is_now (w, A, 0, GUEST_OFF, "destroyed");
  assert_ptr_equal (newest (w), a);
}

/* Ended for a panic that was told: the same trouble. */
static void
one_death_is_told_once (void **state)
{
  struct world *w = *state;
  struct active *a;

  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC, "");
  a = newest (w);
  is_now (w, A, 0, GUEST_OFF, "crashed");
  assert_ptr_equal (newest (w), a);
  assert_int_equal (a->inc.end, INCIDENT_REPLACED);
}

#define PANIC "Kernel panic - not syncing: Fatal exception"

static void
kernel_text_raises_a_suspicion (void **state)
{
  struct world *w = *state;
  struct active *a;

  says (w, A, 7, "kernel.trouble.panic", PANIC "\033[2J");
  a = newest (w);
  assert_string_equal (a->inc.scenario, BY_KERNEL);
  assert_string_equal (a->inc.code, CODE_KERNEL_EVENT);
  assert_string_equal (a->inc.playbook, "quick"); /* nothing is typed */
  assert_non_null (strstr (a->inc.reason, PANIC));
  assert_null (strchr (a->inc.reason, '\033'));
  assert_int_equal (a->stand, STAND_SUSPECTED);
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_string_equal (w->running[0]->code, CODE_KERNEL_EVENT);
  /* Nothing else agrees: it is on record, and nobody is called hung. */
  verdict (w, "kernel-panic", "low");
  packed (w, NULL);
  assert_int_equal (a->stand, STAND_SUSPECTED);
  assert_false (told_as_hung (w, A));
  /* Who prints it over and over is not looked at over and over. */
  for (int i = 0; i < 20; i++)
    says (w, A, 7, "kernel.trouble.panic", PANIC);
  assert_ptr_equal (newest (w), a);
  /* Nor does it become truer by being said for long. */
  a->inc.opened_wall_ms -= 11 * 60 * 1000;
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  assert_ptr_equal (newest (w), a);
  assert_int_equal (a->stand, STAND_SUSPECTED);
  a->inc.opened_wall_ms += 11 * 60 * 1000;
  /* Somebody was answered since. */
  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_SAME);
  assert_int_equal (a->stand, STAND_NOT);
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  says (w, A, 7, "kernel.trouble.hung_task", "INFO: task x blocked");
  assert_ptr_equal (newest (w), a);
  /* Later it is news again. */
  a->inc.opened_wall_ms -= 11 * 60 * 1000;
  says (w, A, 7, "kernel.trouble.hung_task", "INFO: task x blocked");
  assert_ptr_not_equal (newest (w), a);
}

static void
a_second_vantage_point_makes_it_firm (void **state)
{
  struct world *w = *state;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  brought_to (w, "kernel-panic", "high");
  assert_true (told_as_hung (w, A));
  says (w, B, 8, "kernel.trouble.panic", PANIC);
  brought_to (w, "unknown", "low"); /* it was only said */
  assert_int_equal (newest (w)->stand, STAND_NOT);
  assert_false (told_as_hung (w, B));
}

/* The look that text was worth must not stand in the way of the one that a
 * failed check is worth. */
static void
a_failed_check_outdoes_text (void **state)
{
  struct world *w = *state;
  struct active *text;

  says (w, A, 7, "kernel.trouble.soft_lockup", "BUG: soft lockup");
  text = newest (w);
  brought_to (w, "soft-lockup", "low");
  fails (w, A);
  assert_ptr_not_equal (newest (w), text);
  assert_int_equal (text->stand, STAND_NOT);
  assert_string_equal (newest (w)->inc.playbook, "standard");
  assert_true (told_as_hung (w, A));
  /* And text adds nothing to what is firm. */
  text->inc.opened_wall_ms = 0;
  text = newest (w);
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  assert_ptr_equal (newest (w), text);
  brought_to (w, "soft-lockup", "medium");
}

/* pvpanic and the text of one panic come in the same breath. */
static void
one_panic_is_told_once (void **state)
{
  struct world *w = *state;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC,
                  "");
  assert_int_equal (w->d.incidents->count, 1);
  assert_string_equal (newest (w)->inc.scenario, BY_MONITOR);
  assert_string_equal (newest (w)->inc.code, CODE_VMM_EVENT);
  assert_int_equal (newest (w)->stand, STAND_FIRM);
  assert_non_null (strstr (w->standing, CODE_VMM_EVENT));
  on_disk (w, NULL);
  assert_string_equal (on_disk (w, NULL).code, CODE_VMM_EVENT);
  assert_string_equal (w->running[0]->code, CODE_VMM_EVENT);
  verdict (w, "kernel-panic", "high");
  packed (w, NULL);
}

static void
text_that_is_no_suspicion (void **state)
{
  struct world *w = *state;
  struct incarnation inc = { .uuid = A, .pid = 7, .start_time = 100 };
  struct fact f;

  says (w, A, 7, "kernel.event.usb_plugged", "new device");
  says (w, A, 7, "kernel.event.panic", PANIC); /* worth no look by its rule */
  says (w, A, 7, "kernel.troubled", PANIC);
  says (w, A, 6, "kernel.trouble.panic", PANIC); /* of an earlier life */
  says (w, "dddddddd-2222-4333-8444-555555555555", 7, "kernel.trouble.panic",
        PANIC);
  says (w, "", 0, "kernel.trouble.panic", PANIC); /* the host's */
  fact_int (&f, &inc, "kernel.trouble.panic", "console", 1);
  fact_publish (w->d.bus, &f);
  turn (w);
  assert_null (w->d.incidents->first);
}

/* ---- guests that come and go ---- */

static void
another_life_ends_it (void **state)
{
  struct world *w = *state;
  struct active *a;

  fails (w, A);
  a = newest (w);
  on_disk (w, NULL);
  on_disk (w, NULL);
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_RESET,
                  "");
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  assert_int_equal (a->stand, STAND_NOT);
  assert_int_equal (a->life, LIFE_COLLECTING); /* what was begun is packed */
  assert_true (w->running[0]->stopped);
  verdict (w, "unknown", "low");
  packed (w, NULL);
  assert_int_equal (a->life, LIFE_DONE);
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  fails (w, B);
  lives (w, B, 80);
  assert_int_equal (newest (w)->inc.end, INCIDENT_REPLACED);
  brought_to (w, "unknown", "low");
}

/* ---- after a restart ---- */

static const char *
document (const char *uuid, int pid, const char *scenario, unsigned attempts,
          const char *confidence)
{
  static char text[2048];
  struct incident inc = { .attempts = attempts,
                          .phase = INCIDENT_COLLECTING,
                          .opened_wall_ms = 5 };
  struct json_object *o;

  snprintf (inc.id, sizeof inc.id, "%.1s0000000-0000-4000-8000-000000000000",
            uuid);
  snprintf (inc.inc.uuid, sizeof inc.inc.uuid, "%s", uuid);
  inc.inc.pid = pid;
  inc.inc.start_time = 100;
  snprintf (inc.scenario, sizeof inc.scenario, "%s", scenario);
  if (confidence)
    {
      snprintf (inc.verdict.class_, sizeof inc.verdict.class_, "kernel-panic");
      snprintf (inc.verdict.confidence, sizeof inc.verdict.confidence, "%s",
                confidence);
    }
  o = incident_to_json (&inc);
  snprintf (text, sizeof text, "%s",
            json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  json_object_put (o);
  return text;
}

static void
one_hang_is_told_once (void **state)
{
  struct world *w = *state;
  size_t n;

  n = (size_t) snprintf (w->standing, sizeof w->standing, "[%s,",
                         document (A, 7, "uptime", 1, "high"));
  snprintf (w->standing + n, sizeof w->standing - n, "%s]",
            document (B, 8, BY_KERNEL, 1, "low"));
  fails (w, A); /* it is not known yet whether this is news */
  says (w, C, 9, "kernel.trouble.panic", PANIC);
  assert_null (w->d.incidents->first);
  incidents_writer_up (w->d.incidents);
  assert_int_equal (w->d.incidents->count, 2);
  assert_true (told_as_hung (w, A));
  assert_false (told_as_hung (w, B));
  fails (w, A);
  assert_int_equal (w->d.incidents->count, 2);
  assert_int_equal (w->nputs + w->nrunning, 0);
}

static void
what_was_open_is_taken_up (void **state)
{
  struct world *w = *state;

  snprintf (w->open, sizeof w->open, "%s",
            document (A, 7, "uptime", 1, NULL));
  incidents_writer_up (w->d.incidents);
  assert_true (told_as_hung (w, A));
  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  assert_int_equal (on_disk (w, NULL).attempts, 2);
  verdict (w, "unknown", "low");
  packed (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_DONE);
}

/* It took the daemon with it twice. */
static void
no_third_attempt (void **state)
{
  struct world *w = *state;

  snprintf (w->open, sizeof w->open, "%s",
            document (A, 7, "uptime", 2, NULL));
  incidents_writer_up (w->d.incidents);
  assert_int_equal (newest (w)->life, LIFE_PACKING);
  assert_int_equal (w->nputs + w->nrunning, 0);
  packed (w, NULL);
}

static void
it_waits_for_its_guest (void **state)
{
  struct world *w = *state;

  snprintf (w->open, sizeof w->open, "%s",
            document ("eeeeeeee-2222-4333-8444-555555555555", 5, "uptime", 0,
                      NULL));
  incidents_writer_up (w->d.incidents);
  assert_int_equal (newest (w)->life, LIFE_WAITING);
  lives (w, "eeeeeeee-2222-4333-8444-555555555555", 5);
  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  brought_to (w, "unknown", "low");
}

static void
but_not_for_ever (void **state)
{
  struct world *w = *state;

  snprintf (w->open, sizeof w->open, "%s",
            document ("eeeeeeee-2222-4333-8444-555555555555", 5, "uptime", 0,
                      NULL));
  incidents_writer_up (w->d.incidents);
  loop_advance (w->d.loop, FIND_GUESTS_MS + 1);
  turn (w);
  assert_int_equal (newest (w)->life, LIFE_PACKING);
  packed (w, NULL);
}

int
main (void)
{
#define WITH(s, t) cmocka_unit_test_setup_teardown (t, s, teardown)
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (only_the_legal_steps),
    WITH (up, from_failure_to_bundle),
    WITH (up, a_full_disk_does_not_blind),
    WITH (up, no_more_at_once_than_set),
    WITH (up, oldest_first),
    WITH (up, what_cannot_begin_is_given_up),
    WITH (up, who_cannot_be_asked_is_not_called_hung),
    WITH (up, the_hypervisor_is_believed),
    WITH (up, its_state_is_believed),
    WITH (up, one_death_is_told_once),
    WITH (up, kernel_text_raises_a_suspicion),
    WITH (up, a_second_vantage_point_makes_it_firm),
    WITH (up, a_failed_check_outdoes_text),
    WITH (up, one_panic_is_told_once),
    WITH (up, text_that_is_no_suspicion),
    WITH (up, another_life_ends_it),
    WITH (setup, one_hang_is_told_once),
    WITH (setup, what_was_open_is_taken_up),
    WITH (setup, no_third_attempt),
    WITH (setup, it_waits_for_its_guest),
    WITH (setup, but_not_for_ever),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
