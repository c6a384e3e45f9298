/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations diagnose, watch and cancel: one is ordered, looked at by as many
 * as like, and called off.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/incidents/incidents.h"

#include "base/error.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* One client that looks at one diagnosis.  Its incidents know it by its
 * address, until it goes or they have told the end. */
struct looker
{
  struct answer *answer;
  char id[UUID_TEXT];
};

static void
on_progress (unsigned n, unsigned total, const char *what, bool ended,
             const char *failure, void *arg)
{
  struct looker *l = arg;
  struct json_object *row = json_object_new_object ();

  json_add_str (row, "row", "progress");
  json_add_int (row, "n", n);
  json_add_int (row, "total", total);
  json_add_str (row, "step", what);
  json_add_bool (row, "ended", ended);
  if (failure)
    json_add_text (row, "failure", failure, strlen (failure));
  answer_row (l->answer, row);
}

static void
on_packed (const struct incident *inc, const char *bundle,
           const struct error *why, void *arg)
{
  struct looker *l = arg;
  struct answer *a = l->answer;
  struct json_object *row = incident_to_json (inc);

  json_add_str (row, "row", "incident");
  json_add_str (row, "bundle", bundle);
  if (why)
    json_add_str (row, "bundle_error", error_text (why));
  a->gone = NULL;
  free (l);
  answer_end (a, row);
}

static const struct incident_watch_ops look_ops = {
  .progress = on_progress,
  .packed = on_packed,
};

static void
looker_gone (struct answer *a)
{
  struct looker *l = a->arg;

  incidents_unwatch (a->d->incidents, l->id, l);
  free (l);
}

static struct looker *
looker_new (struct answer *a, struct error *err)
{
  struct looker *l = calloc (1, sizeof (*l));

  if (!l)
    {
      error_set (err, ENOMEM, "no memory");
      return NULL;
    }
  l->answer = a;
  a->arg = l;
  a->gone = looker_gone;
  return l;
}

static void
looker_fails (struct looker *l, const struct error *why)
{
  struct answer *a = l->answer;

  a->gone = NULL;
  free (l);
  answer_error (a, why);
}

static void
say_accepted (struct answer *a, const char *id)
{
  struct json_object *row = json_object_new_object ();

  json_add_str (row, "row", "accepted");
  json_add_str (row, "incident", id);
  answer_row (a, row);
}

void
op_diagnose (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct looker *l;

  if (!g)
    return;
  l = looker_new (a, &err);
  if (!l)
    answer_error (a, &err);
  else if (incidents_order (a->d->incidents, g,
                            json_get_str (a->head, "playbook"), a->by,
                            &look_ops, l, l->id, &err)
           < 0)
    looker_fails (l, &err);
  else
    say_accepted (a, l->id);
}

/* ---- of one that there is ---- */

/* The incident that "of" names; false: the answer is ended. */
static bool
find_incident (struct answer *a, char ret_id[UUID_TEXT])
{
  const char *of = json_get_str (a->head, "of"), *id;
  const struct guest *g CLEANUP_GUEST = NULL;
  struct error err = ERROR_INIT;

  if (!of)
    error_set (&err, EINVAL, "of which guest, or which incident?");
  id = of ? incidents_find (a->d->incidents, of, NULL) : NULL;
  if (of && !id && registry_find (a->d->registry, of, &g, &err) == 0)
    {
      id = incidents_find (a->d->incidents, NULL, g->inc.uuid);
      if (!id)
        error_set (&err, ENOENT, "no diagnosis of %s is under way",
                   g->display);
    }
  if (!id)
    {
      answer_error (a, &err);
      return false;
    }
  memcpy (ret_id, id, UUID_TEXT);
  return true;
}

void
op_watch (struct answer *a, struct frame *f)
{
  struct error err = ERROR_INIT;
  char id[UUID_TEXT];
  struct looker *l;

  if (!find_incident (a, id))
    return;
  l = looker_new (a, &err);
  if (!l)
    {
      answer_error (a, &err);
      return;
    }
  memcpy (l->id, id, sizeof (id));
  /* Before: the end may be told at once, and then there is no answer. */
  say_accepted (a, id);
  if (incidents_watch (a->d->incidents, id, &look_ops, l, &err) < 0)
    looker_fails (l, &err);
}

void
op_cancel (struct answer *a, struct frame *f)
{
  struct error err = ERROR_INIT;
  struct json_object *row;
  char id[UUID_TEXT];

  if (!find_incident (a, id))
    return;
  if (incidents_cancel (a->d->incidents, id, a->by, &err) < 0)
    {
      answer_error (a, &err);
      return;
    }
  row = json_object_new_object ();
  json_add_str (row, "row", "cancelled");
  json_add_str (row, "incident", id);
  answer_end (a, row);
}
