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

struct exam
{
  struct doctor_report report;
  struct answer *answer; /* loop side only; NULL when the client left */
  struct daemon *d;
};

struct exam_job
{
  struct doctor_report report;
  const struct guest *guest;
  struct transport_env env;
  struct json_object *rows;
  const char *who, *name; /* "transport" or "collector", and which */
};

static const char *const doctor_states[] = { "ok", "warn", "bad", "n/a" };

static void
exam_line (struct doctor_report *r, enum doctor_state state,
           const char *what, const char *finding, const char *fix)
{
  struct exam_job *j = container_of (r, struct exam_job, report);
  struct json_object *row = json_object_new_object ();

  json_add_str (row, j->who, j->name);
  json_add_str (row, "state", doctor_states[state]);
  json_add_text (row, "what", what, strlen (what));
  json_add_text (row, "finding", finding, strlen (finding));
  if (fix)
    json_add_text (row, "fix", fix, strlen (fix));
  json_object_array_add (j->rows, row);
}

/* What does not answer must not take the time of all others. */
static uint64_t
one_look (struct job *job)
{
  uint64_t end = clock_ms () + DOCTOR_ONE_MS;

  return end < job_deadline (job) ? end : job_deadline (job);
}

static int
exam_run (struct job *job, void *arg)
{
  struct exam_job *j = arg;

  j->who = "transport";
  for (unsigned i = 0; transports[i] && !job_stopping (job); i++)
    {
      j->name = transports[i]->name;
      transports[i]->doctor (&j->env, j->guest, &j->report, one_look (job));
    }
  j->who = "collector";
  for (unsigned i = 0; collector_doctors[i].doctor; i++)
    {
      j->name = collector_doctors[i].collector->name;
      if (job_stopping (job))
        exam_line (&j->report, DOCTOR_WARN, j->name,
                   "not examined: what was looked at before took too long",
                   NULL);
      else
        collector_doctors[i].doctor (&j->env, j->guest, &j->report,
                                     one_look (job));
    }
  return 0;
}

static void
exam_free (void *arg)
{
  struct exam_job *j = arg;

  guest_unref (j->guest);
  json_object_put (j->rows);
  free (j);
}

static void
exam_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct exam *e = owner;
  struct exam_job *j = arg;
  struct error err = ERROR_INIT;

  if (e->answer)
    e->answer->gone = NULL;
  if (j)
    reach_examined (e->d->reach, &j->guest->inc, j->rows);
  if (e->answer && j)
    {
      for (size_t i = 0; i < json_object_array_length (j->rows); i++)
        answer_row (e->answer,
                    json_object_get (json_object_array_get_idx (j->rows, i)));
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
  if (j)
    exam_free (j);
  free (e);
}

static void
exam_gone (struct answer *a)
{
  struct exam *e = a->arg;

  e->answer = NULL;
}

void
op_doctor (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct exam_job *j;
  struct exam *e;

  if (!g)
    return;
  e = calloc (1, sizeof (*e));
  j = calloc (1, sizeof (*j));
  if (!e || !j)
    {
      free (e);
      free (j);
      error_set (&err, ENOMEM, "no memory");
      answer_error (a, &err);
      return;
    }
  e->answer = a;
  e->d = a->d;
  j->report.line = exam_line;
  j->guest = guest_ref (g);
  j->env = a->d->env;
  j->rows = json_object_new_array ();
  struct job_spec spec = {
    .name = "doctor",
    .guest = g->inc.uuid,
    .lane = LANE_DOCTOR,
    .timeout_ms = DOCTOR_MS,
    .run = exam_run,
    .done = exam_done,
    .free_arg = exam_free,
    .owner = e,
    .arg = j,
  };
  a->arg = e;
  a->gone = exam_gone;
  if (job_start (a->d->jobs, &spec, &err) < 0)
    {
      exam_free (j);
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
