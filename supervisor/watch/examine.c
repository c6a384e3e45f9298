/* SPDX-License-Identifier: Apache-2.0
 *
 * The job that examines a guest's ways.
 */
#include "supervisor/watch/examine.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/text.h"
#include "diag/collector.h"
#include "guests/guest.h"

#include <stdlib.h>
#include <string.h>

const char *const exam_state_names[] = {
  [DOCTOR_OK] = "ok",
  [DOCTOR_WARN] = "warn",
  [DOCTOR_BAD] = "bad",
  [DOCTOR_NA] = "n/a",
};

/* Thread side: what the job takes with it. */
struct look
{
  struct doctor_report report;
  struct exam_how how;
  const struct guest *guest;
  const struct transport_env *env;
  struct exam_row *rows;
  size_t n, room, left_out;
  const char *transport, *collector; /* that speaks now */
};

/* Loop side, also of a job that never comes back. */
struct waiting
{
  exam_fn *fn;
  void *arg;
};

/* False where it does not fit. */
static bool
take_text (char *dst, size_t size, const char *text)
{
  struct buf out CLEANUP_BUF = BUF_INIT (size - 1);

  text_escape (&out, text, strlen (text), 0);
  snprintf (dst, size, "%s", buf_str (&out));
  return !out.cut;
}

static struct exam_row *
add_row (struct look *l)
{
  if (l->n == l->room)
    {
      size_t room = l->room ? 2 * l->room : 16;
      struct exam_row *rows
          = room <= EXAM_ROWS ? reallocarray (l->rows, room, sizeof *rows)
                              : NULL;

      if (!rows)
        {
          l->left_out++;
          return NULL;
        }
      l->rows = rows;
      l->room = room;
    }
  return memset (&l->rows[l->n++], 0, sizeof (struct exam_row));
}

static struct exam_row *
say (struct look *l, enum doctor_state state, const char *what,
     const char *finding, const char *fix)
{
  struct exam_row *row = add_row (l);

  if (!row)
    return NULL;
  row->transport = l->transport;
  row->collector = l->collector;
  row->state = state;
  take_text (row->what, sizeof (row->what), what);
  take_text (row->finding, sizeof (row->finding), finding);
  /* Half of a command may do something else. */
  if (fix && !take_text (row->fix, sizeof (row->fix), fix))
    row->fix[0] = '\0';
  return row;
}

static void
on_line (struct doctor_report *report, enum doctor_state state,
         const char *what, const char *finding, const char *fix)
{
  (void) say (container_of (report, struct look, report), state, what,
              finding, fix);
}

/* False: there is no time for it. */
static bool
has_time (struct look *l, const struct job *job, const char *name)
{
  struct exam_row *row;

  if (!job_stopping (job))
    return true;
  row = say (l, DOCTOR_WARN, name,
             "not examined: what was looked at before took too long", NULL);
  if (row)
    row->skipped = true;
  return false;
}

static uint64_t
one_look (const struct look *l, const struct job *job)
{
  uint64_t end = clock_ms () + l->how.one_ms;

  return end < job_deadline (job) ? end : job_deadline (job);
}

static int
examine_run (struct job *job, void *arg)
{
  struct look *l = arg;

  for (unsigned i = 0; transports[i]; i++)
    {
      const struct transport_ops *t = transports[i];

      l->transport = t->name;
      if (t->doctor && (!l->how.looks_at || l->how.looks_at (t, l->guest))
          && has_time (l, job, t->name))
        t->doctor (l->env, l->guest, &l->report, one_look (l, job));
    }
  l->transport = NULL;
  for (const struct collector_doctor *c = l->how.collectors; c && c->doctor;
       c++)
    {
      l->collector = c->collector->name;
      if (has_time (l, job, l->collector))
        c->doctor (l->env, l->guest, &l->report, one_look (l, job));
    }
  return 0;
}

static void
examine_free (void *arg)
{
  struct look *l = arg;

  guest_unref (l->guest);
  free (l->rows);
  free (l);
}

static void
examine_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct waiting *w = owner;
  struct look *l = arg;
  struct exam exam;

  (void) rc;
  if (l && end == JOB_RETURNED)
    {
      exam = (struct exam){ l->guest, l->rows, l->n, l->left_out };
      w->fn (&exam, w->arg);
    }
  else
    w->fn (NULL, w->arg);
  if (l)
    examine_free (l);
  free (w);
}

int
examine (struct job_pool *jobs, const struct transport_env *env,
         const struct guest *g, const struct exam_how *how, exam_fn *fn,
         void *arg, struct error *err)
{
  struct look *l = calloc (1, sizeof (*l));
  struct waiting *w = calloc (1, sizeof (*w));
  struct job_spec spec = {
    .name = how->name,
    .guest = g->inc.uuid,
    .lane = LANE_DOCTOR,
    .timeout_ms = how->timeout_ms,
    .run = examine_run,
    .done = examine_done,
    .free_arg = examine_free,
    .owner = w,
    .arg = l,
  };
  int rc;

  if (!l || !w)
    {
      free (l);
      free (w);
      return error_set (err, ENOMEM, "no memory to examine a guest");
    }
  *w = (struct waiting){ fn, arg };
  l->report.line = on_line;
  l->how = *how;
  l->guest = guest_ref (g);
  l->env = env;
  rc = job_start (jobs, &spec, err);
  if (rc < 0)
    {
      examine_free (l);
      free (w);
    }
  return rc;
}
