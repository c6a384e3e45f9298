/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that do something: release, doctor, spool.
 *
 * What goes on after the request returned has a small context of its own.
 * When the client leaves first, `gone` cuts the context's way back, and
 * whoever finishes later finds nobody to tell.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/links/writer_link.h"
#include "supervisor/watch/examine.h"
#include "supervisor/watch/reach.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/units.h"
#include "diag/collector.h"
#include "transports/console/hub.h"

#include <string.h>

#define DOCTOR_MS 15000
#define DOCTOR_ONE_MS 2500
#define SPOOL_MS 30000

/* ---- console release ---- */

/* One that is forgotten must not leave a guest unwatched for good. */
#define RELEASE_MAX_MS (24u * 60 * 60 * 1000)

static int
parse_release (const char *text, uint64_t *ret_ms, struct error *err)
{
  uint64_t ms;
  int r = units_parse_duration (text, &ms, err);

  if (r < 0)
    return r;
  if (ms > RELEASE_MAX_MS)
    return error_set (err, EINVAL,
                      "a console is let go for 24h at most; to leave it to "
                      "others for good, set its \"console-mode\" to \"probe\"");
  *ret_ms = ms;
  return 0;
}

void
op_release (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  uint64_t ms = 10 * 60 * 1000;
  struct json_object *row;
  const char *for_;

  if (!g)
    return;
  for_ = json_get_str (a->head, "for");
  if ((for_ && parse_release (for_, &ms, &err) < 0)
      || hub_release (a->d->hub, g->inc.uuid,
                      json_get_str (a->head, "console"), ms, &err)
             < 0)
    {
      answer_error (a, &err);
      return;
    }
  row = json_object_new_object ();
  json_add_str (row, "row", "released");
  json_add_str (row, "guest", g->display);
  json_add_int (row, "for_ms", (int64_t) ms);
  answer_end (a, row);
}

/* ---- doctor: in a job, since it looks at what may be stuck ---- */

struct examining
{
  struct answer *answer; /* NULL when the client left */
  struct daemon *d;
};

static void
exam_row (struct answer *a, const struct exam_row *r)
{
  struct json_object *row = json_object_new_object ();

  json_add_str (row, r->transport ? "transport" : "collector",
                r->transport ? r->transport : r->collector);
  json_add_str (row, "state", exam_state_names[r->state]);
  json_add_str (row, "what", r->what);
  json_add_str (row, "finding", r->finding);
  if (r->fix[0])
    json_add_str (row, "fix", r->fix);
  answer_row (a, row);
}

static void
exam_more (struct answer *a, size_t n)
{
  struct exam_row row = { .transport = "all", .state = DOCTOR_WARN,
                          .what = "left out" };

  snprintf (row.finding, sizeof (row.finding),
            "%zu more lines, which were too many", n);
  exam_row (a, &row);
}

static void
exam_done (const struct exam *exam, void *arg)
{
  struct examining *e = arg;
  struct error err = ERROR_INIT;

  if (e->answer)
    e->answer->gone = NULL;
  if (exam)
    reach_examined (e->d->reach, exam);
  if (e->answer && exam)
    {
      for (size_t i = 0; i < exam->nrows; i++)
        exam_row (e->answer, &exam->rows[i]);
      if (exam->left_out)
        exam_more (e->answer, exam->left_out);
      answer_end (e->answer, NULL);
    }
  else if (e->answer)
    {
      error_set (&err, ETIMEDOUT,
                 "the examination did not come back within %u s: something "
                 "it looked at is stuck; see `hangdog status`",
                 DOCTOR_MS / 1000);
      answer_error (e->answer, &err);
    }
  free (e);
}

static void
exam_gone (struct answer *a)
{
  struct examining *e = a->arg;

  e->answer = NULL;
}

void
op_doctor (struct answer *a, struct frame *f)
{
  static const struct exam_how how = { .name = "doctor",
                                       .timeout_ms = DOCTOR_MS,
                                       .one_ms = DOCTOR_ONE_MS,
                                       .collectors = collector_doctors };
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct examining *e;

  if (!g)
    return;
  e = calloc (1, sizeof (*e));
  if (!e)
    {
      error_set (&err, ENOMEM, "no memory");
      answer_error (a, &err);
      return;
    }
  e->answer = a;
  e->d = a->d;
  a->arg = e;
  a->gone = exam_gone;
  if (examine (a->d->jobs, &a->d->env, g, &how, exam_done, e, &err) < 0)
    {
      free (e);
      a->gone = NULL;
      answer_error (a, &err);
    }
}

/* ---- spool: the writer answers, we pass it on ---- */

struct passed
{
  struct answer *answer; /* NULL when the client left */
};

static void
passed_reply (struct frame *frame, const struct error *err, void *arg)
{
  struct passed *p = arg;
  bool more = frame && json_get_bool (frame->head, "more", false);
  struct json_object *row;

  if (p->answer && err)
    {
      p->answer->gone = NULL;
      answer_error (p->answer, err);
    }
  else if (p->answer)
    {
      /* The writer's numbers of the exchange are not the client's. */
      row = json_object_get (frame->head);
      json_object_object_del (row, "re");
      json_object_object_del (row, "more");
      if (more)
        answer_bytes (p->answer, row, frame->body, frame->body_len);
      else
        {
          p->answer->gone = NULL;
          answer_end (p->answer, row);
        }
    }
  if (!more)
    free (p);
}

static void
passed_gone (struct answer *a)
{
  struct passed *p = a->arg;

  p->answer = NULL;
}

void
op_spool (struct answer *a, struct frame *f)
{
  struct passed *p = calloc (1, sizeof (*p));
  struct json_object *head = json_object_new_object ();
  const char *incident = json_get_str (a->head, "incident");
  const char *place = json_get_str (a->head, "place");
  struct error err = ERROR_INIT;

  json_add_str (head, "op", json_get_str (a->head, "op"));
  if (incident)
    json_add_str (head, "incident", incident);
  if (place)
    json_add_str (head, "place", place);
  if (!p)
    {
      json_object_put (head);
      error_set (&err, ENOMEM, "no memory");
      answer_error (a, &err);
      return;
    }
  p->answer = a;
  a->arg = p;
  a->gone = passed_gone;
  if (writer_link_call (a->d->writer, head, NULL, 0, SPOOL_MS, passed_reply,
                        p, &err)
      < 0)
    {
      a->gone = NULL;
      free (p);
      answer_error (a, &err);
    }
}
