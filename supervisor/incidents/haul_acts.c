/* SPDX-License-Identifier: Apache-2.0
 *
 * Acts that have to be undone: the collector's thread asks, and stands until
 * the loop has the answer of the disk.
 */
#include "supervisor/incidents/haul_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"

#include <stdio.h>
#include <string.h>

static void
ask (void *arg)
{
  struct haul *h = arg;
  bool closed;

  {
    LOCK_SCOPE (&h->m);
    closed = h->closed;
  }
  /* Its text stays as it is until this is answered. */
  if (!closed)
    h->ops->intend (h, h->intent.undo, h->arg);
  haul_unref (h);
}

bool
haul_answer (struct haul *h, const struct error *err)
{
  bool taken;
  LOCK_SCOPE (&h->m);

  taken = h->intent.state == ASK_WAITS && !h->closed;
  h->intent.state = taken ? ASK_ANSWERED : ASK_NONE;
  h->intent.err = err ? *err : (struct error) ERROR_INIT;
  pthread_cond_broadcast (&h->taken);
  return taken;
}

static int
wait_for_answer_locked (struct haul *h, struct error *err)
{
  while (h->intent.state == ASK_WAITS && !h->closed
         && !(h->job && job_stopping (h->job)))
    haul_stand_locked (h);
  if (h->intent.state != ASK_ANSWERED)
    {
      h->intent.state = ASK_LEFT;
      return error_set (err, ETIMEDOUT,
                        "what is to be undone did not get to the disk in "
                        "time: it is not done");
    }
  h->intent.state = ASK_NONE;
  if (!h->intent.err.code)
    return 0;
  if (err)
    *err = h->intent.err;
  return -h->intent.err.code;
}

static int
out_intend (struct collect_out *out, struct json_object *undo,
            struct error *err)
{
  struct haul *h = container_of (out, struct haul, out);
  CLEANUP_JSON struct json_object *mine = undo;
  const char *text
      = json_object_to_json_string_ext (mine, JSON_C_TO_STRING_PLAIN);
  char what[256];
  int r;
  LOCK_SCOPE (&h->m);

  if (strlen (text) >= sizeof (h->intent.undo))
    return error_set (err, EINVAL, "what is to be undone is too long");
  if (h->closed || h->intent.state != ASK_NONE)
    return error_set (err, ECANCELED, "nobody would undo it");
  snprintf (h->intent.undo, sizeof (h->intent.undo), "%s", text);
  h->intent.state = ASK_WAITS;
  h->refs++;
  if (loop_post (h->loop, ask, h, haul_not_woken) < 0)
    {
      h->refs--;
      h->intent.state = ASK_NONE;
      return error_set (err, ENOMEM, "no memory to remember an act");
    }
  r = wait_for_answer_locked (h, err);
  if (r == 0)
    {
      snprintf (what, sizeof (what), "changed, and to be undone: %.200s",
                text);
      haul_add_impact_locked (h, clock_ms (), what);
    }
  return r;
}

/* The loop's: told in the order in which they were undone. */
void
haul_tell_undone (struct haul *h)
{
  char list[UNDONE_MAX][sizeof (h->undone[0])];
  unsigned n;

  {
    LOCK_SCOPE (&h->m);
    n = h->nundone;
    memcpy (list, h->undone, sizeof (list));
    h->nundone = 0;
  }
  for (unsigned i = 0; i < n; i++)
    h->ops->undone (list[i], h->arg);
}

static void
undone_told (void *arg)
{
  struct haul *h = arg;
  bool closed;

  {
    LOCK_SCOPE (&h->m);
    closed = h->closed;
  }
  if (!closed)
    haul_tell_undone (h);
  haul_unref (h);
}

/* Whom it does not reach any more, or who has no place for it, has its undoer
 * do it again. */
static void
out_undone (struct collect_out *out, const char *act)
{
  struct haul *h = container_of (out, struct haul, out);
  char what[80];
  LOCK_SCOPE (&h->m);

  if (h->closed || h->nundone == UNDONE_MAX)
    return;
  snprintf (h->undone[h->nundone++], sizeof (h->undone[0]), "%s", act);
  snprintf (what, sizeof (what), "undone: %.60s", act);
  haul_add_impact_locked (h, clock_ms (), what);
  h->refs++;
  /* Without memory: told when it is closed. */
  if (loop_post (h->loop, undone_told, h, haul_not_woken) < 0)
    h->refs--;
}

void
haul_allow_acts (struct haul *h)
{
  h->out.intend = out_intend;
  h->out.undone = out_undone;
}
