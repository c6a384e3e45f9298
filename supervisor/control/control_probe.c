/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that ask guests how they are, now: probe (scenarios that are
 * bound, of one guest or of all), scenario-run (one that is bound to nobody).
 *
 * When the client leaves first, `gone` cuts the way back, and whoever finishes
 * later finds nobody to tell.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/watch/bindings.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 10000 /* beyond a scenario's own timeout */
/* All guests together: there are so many threads, and those who are due have
 * to find one, too. */
#define AT_ONCE 16
/* Of all clients together; and one of all guests always has room. */
#define PROBES_MAX 16
#define ROWS_MAX 16384

struct json_object *
control_tried (const struct outcome_report *r)
{
  struct json_object *all = json_object_new_array ();

  for (unsigned i = 0; i < r->ntried; i++)
    {
      const struct tried *t = &r->tried[i];
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "transport", t->transport);
      json_add_str (o, "code", t->code);
      json_add_text (o, "sentence", t->sentence, strlen (t->sentence));
      json_object_array_add (all, o);
    }
  return all;
}

static void
report_row (struct answer *a, const struct guest *g, const char *scenario,
            const struct outcome_report *r, const char *health)
{
  struct json_object *row = json_object_new_object ();

  json_add_str (row, "guest", g->display);
  json_add_str (row, "uuid", g->inc.uuid);
  json_add_str (row, "scenario", scenario);
  json_add_str (row, "outcome", outcome_names[r->outcome]);
  json_add_str (row, "code", r->code);
  json_add_text (row, "sentence", r->sentence, strlen (r->sentence));
  json_add_str (row, "transport", r->transport);
  if (r->ntried)
    json_object_object_add (row, "tried", control_tried (r));
  json_add_int (row, "took_ms", (int64_t) r->took_ms);
  control_add_value (row, r);
  json_add_str (row, "health", health);
  answer_row (a, row);
}

/* ---- probe ---- */

struct wanted
{
  char uuid[UUID_TEXT];
  char scenario[64];
  uint64_t timeout_ms; /* by all its ways */
};

struct probe
{
  struct answer *answer;
  struct probe *next; /* of all that wait */
  struct wanted *list;
  size_t n, at; /* at: the next to be begun */
  struct wanted *out[AT_ONCE];
  unsigned nout, rows;
  bool starting;
  struct error why; /* of the last that could not be begun */
  struct timer *patience; /* a scenario may be unbound while it runs */
  uint64_t late_ms;       /* when the last of those that are out is so */
};

static void
probe_free (struct probe *p)
{
  struct probe **at = &p->answer->d->probes;

  while (*at && *at != p)
    at = &(*at)->next;
  if (*at)
    *at = p->next;
  timer_free (p->patience);
  free (p->list);
  free (p);
}

static void
probe_gone (struct answer *a)
{
  probe_free (a->arg);
}

static void
probe_end (struct probe *p, const struct error *why)
{
  struct answer *a = p->answer;
  struct error err = why ? *why : (struct error) ERROR_INIT;

  probe_free (p);
  a->gone = NULL;
  if (why)
    answer_error (a, &err);
  else
    answer_end (a, NULL);
}

static void
probe_late (struct timer *t, void *arg)
{
  struct error err = ERROR_INIT;

  error_set (&err, ETIMEDOUT, "an outcome did not come: the guest may be "
             "gone, or its scenario");
  probe_end (arg, &err);
}

/* One that could not be begun, among others that could. */
static void
not_begun (struct probe *p, const struct wanted *w)
{
  CLEANUP_GUEST const struct guest *g = NULL;
  struct outcome_report r = { .outcome = OUTCOME_NO_VERDICT, .value = NAN };

  if (registry_find (p->answer->d->registry, w->uuid, &g, NULL) < 0)
    return;
  snprintf (r.code, sizeof (r.code), "%s",
            p->why.code == EBUSY ? "lane-busy" : "no-capacity");
  snprintf (r.sentence, sizeof (r.sentence), "%.190s", error_text (&p->why));
  report_row (p->answer, g, w->scenario, &r, "");
}

static void
begun (struct probe *p, struct wanted *w)
{
  uint64_t late = loop_now (p->answer->d->loop) + w->timeout_ms + PATIENCE_MS;

  p->out[p->nout++] = w;
  if (late <= p->late_ms)
    return;
  p->late_ms = late;
  timer_at (p->patience, late);
}

static void
ended (struct probe *p, const struct wanted *w)
{
  unsigned i = 0;

  while (p->out[i] != w)
    i++;
  p->out[i] = p->out[--p->nout];
}

/* Begins more of them, and ends the answer when all were there. */
static void
probe_more (struct probe *p)
{
  if (p->starting)
    return;
  p->starting = true;
  while (p->nout < AT_ONCE && p->at < p->n)
    {
      struct wanted *w = &p->list[p->at++];

      /* Its outcome may come before it is begun. */
      begun (p, w);
      if (bindings_probe (p->answer->d->bindings, w->uuid, w->scenario,
                          &p->why)
          == 0)
        continue;
      ended (p, w);
      if (p->n > 1)
        not_begun (p, w);
    }
  p->starting = false;
  if (p->nout == 0)
    probe_end (p, p->rows == 0 && p->n == 1 && p->why.code ? &p->why : NULL);
}

void
control_outcome (const struct binding_info *info, enum health_change change,
                 void *arg)
{
  struct daemon *d = arg;

  for (struct probe *p = d->probes, *next; p; p = next)
    {
      struct wanted *w = NULL;

      next = p->next;
      for (unsigned i = 0; i < p->nout && !w; i++)
        if (strcmp (p->out[i]->uuid, info->guest->inc.uuid) == 0
            && strcmp (p->out[i]->scenario, info->scenario->name) == 0)
          w = p->out[i];
      if (!w)
        continue;
      ended (p, w);
      p->rows++;
      report_row (p->answer, info->guest, w->scenario, info->last,
                  health_names[info->health]);
      probe_more (p);
    }
}

struct gathering
{
  struct probe *probe;
  const char *scenario; /* NULL = all */
  bool all;             /* of all guests */
  size_t cap;
  bool no_memory; /* for all of them */
};

static void
gather (const struct binding_info *info, void *arg)
{
  struct gathering *go = arg;
  struct probe *p = go->probe;
  size_t ways = info->scenario->transports.count;
  struct wanted *w;

  if (go->scenario && strcmp (go->scenario, info->scenario->name) != 0)
    return;
  /* One that nobody asked for, and that can't tell, is no answer missing. */
  if (go->all && !go->scenario && info->builtin
      && info->health == HEALTH_UNKNOWN)
    return;
  if (p->n == go->cap)
    {
      size_t cap = go->cap ? 2 * go->cap : 16;

      w = reallocarray (p->list, cap, sizeof (*p->list));
      if (!w)
        {
          go->no_memory = true;
          return;
        }
      p->list = w;
      go->cap = cap;
    }
  w = &p->list[p->n++];
  *w = (struct wanted){
    .timeout_ms = info->scenario->timeout_ms * (ways ? ways : 1),
  };
  memcpy (w->uuid, info->guest->inc.uuid, sizeof (w->uuid));
  snprintf (w->scenario, sizeof (w->scenario), "%s", info->scenario->name);
}

static void
nothing_bound (const struct guest *g, const char *scenario, struct error *err)
{
  if (scenario)
    error_set (err, ENOENT,
               "no scenario \"%.60s\" is bound to %s; `hangdog status` lists "
               "those that are",
               scenario, g ? g->display : "any guest");
  else
    error_set (err, ENOENT, "no scenario is bound to %s; see docs/scenarios.md",
               g ? g->display : "any guest");
}

static void
count_probes (const struct daemon *d, unsigned *ret_probes, size_t *ret_rows)
{
  *ret_probes = 0;
  *ret_rows = 0;
  for (const struct probe *p = d->probes; p; p = p->next)
    {
      *ret_probes += 1;
      *ret_rows += p->n;
    }
}

void
control_probes_dump (const struct daemon *d, struct buf *out)
{
  unsigned probes;
  size_t rows;

  count_probes (d, &probes, &rows);
  buf_printf (out, "probes: %u of %u, of %zu scenarios of %u\n", probes,
              PROBES_MAX, rows, ROWS_MAX);
}

/* What one client wants is not to be paid for by all. */
static int
probe_room (const struct daemon *d, size_t n, struct error *err)
{
  unsigned probes;
  size_t rows;

  count_probes (d, &probes, &rows);
  if (probes < PROBES_MAX && (probes == 0 || rows + n <= ROWS_MAX))
    return 0;
  return error_set (err, EBUSY,
                    "%u probes of %zu scenarios wait for their outcomes "
                    "already: ask again later",
                    probes, rows);
}

void
op_probe (struct answer *a, struct frame *f)
{
  bool all = json_get_bool (a->head, "all", false);
  CLEANUP_GUEST const struct guest *g = all ? NULL : answer_guest (a);
  struct error err = ERROR_INIT;
  struct gathering go = { .scenario = NULL };
  struct probe *p;

  if (!all && !g)
    return;
  go.scenario = json_get_str (a->head, "scenario");
  p = calloc (1, sizeof (*p));
  if (!p)
    {
      error_set (&err, ENOMEM, "no memory");
      answer_error (a, &err);
      return;
    }
  p->answer = a;
  go.probe = p;
  go.all = all;
  bindings_each (a->d->bindings, g ? g->inc.uuid : NULL, gather, &go);
  if (go.no_memory)
    error_set (&err, ENOMEM, "no memory for so many outcomes");
  else if (p->n == 0)
    nothing_bound (g, go.scenario, &err);
  else if (probe_room (a->d, p->n, &err) == 0)
    loop_timer (a->d->loop, "probe", probe_late, p, &p->patience, &err);
  if (!p->patience)
    {
      probe_free (p);
      answer_error (a, &err);
      return;
    }
  a->arg = p;
  a->gone = probe_gone;
  p->next = a->d->probes;
  a->d->probes = p;
  probe_more (p);
}

/* ---- scenario-run ---- */

/* It outlives the answer: nobody calls off what a guest is being asked. */
struct once
{
  struct answer *answer; /* NULL = the client left */
  const struct guest *guest;
  struct scenario *scenario;
};

static void
once_gone (struct answer *a)
{
  struct once *o = a->arg;

  o->answer = NULL;
}

static void
once_free (struct once *o)
{
  guest_unref (o->guest);
  scenario_unref (o->scenario);
  free (o);
}

static void
once_over (const struct outcome_report *r, void *arg)
{
  struct once *o = arg;
  struct answer *a = o->answer;
  struct error err = ERROR_INIT;

  if (a)
    {
      a->gone = NULL;
      if (r)
        {
          report_row (a, o->guest, o->scenario->name, r, "");
          answer_end (a, NULL);
        }
      else
        {
          error_set (&err, ECANCELED, "it was called off");
          answer_error (a, &err);
        }
    }
  once_free (o);
}

void
op_scenario_run (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct json_object *doc;
  struct once *o;
  int r;

  /* Where there is none, the answer is given and gone. */
  if (!g)
    return;
  doc = json_get (a->head, "document");
  o = calloc (1, sizeof (*o));
  if (!o)
    r = error_set (&err, ENOMEM, "no memory");
  else if (!doc)
    r = error_set (&err, EINVAL, "the request has no document");
  else
    r = scenario_parse (NULL, doc, "", &o->scenario, &err);
  if (r == 0)
    {
      o->guest = guest_ref (g);
      o->answer = a;
      a->arg = o;
      a->gone = once_gone;
      r = bindings_once (a->d->bindings, g, o->scenario, once_over, o, &err);
    }
  if (r == 0)
    return;
  a->gone = NULL;
  if (o)
    once_free (o);
  answer_error (a, &err);
}
