/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation inspect: what a guest's kernel says, in its memory.
 *
 * The parser runs here and not at the client: whoever may ask on the control
 * socket is given rows, and never a descriptor by which all of QEMU's memory,
 * keys included, could be read.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "transports/memory/look_guest.h"

#include <string.h>
#include <time.h>

#define LOOK_MS 20000 /* of one look, all its parts together */
#define SPARE_MS 3000    /* for a parser to be ended after it */
#define MAX_ROWS (LOOK_MAX_BYTES + (64u << 10)) /* and rows of our own */
#define PIECE (512u << 10)   /* of an answer */
#define KEEP_MS 600000       /* a watch's parser */
#define END_MS 4000
#define MIN_APART_MS 100u
#define MAX_APART_MS 60000u

/* Loop side. */
struct inspect_answer
{
  struct answer *answer;  /* NULL when the client left */
  struct daemon *d;
  struct timer *next;     /* until the next look of a watch */
  struct inspect_job *job; /* between two looks; else the job has it */
  uint64_t begun_ms;      /* the look before */
  uint64_t timeout_ms;    /* of the job */
};

/* The job's, and then the loop's again. */
struct inspect_job
{
  struct json_object *sections; /* NULL = the usual ones */
  bool twice, watch;
  uint64_t apart_ms;
  /* Whole, since a look that fails has no rows: what is told is why. */
  struct buf rows;
  struct json_object *end;
  struct error why;
  struct look_guest at; /* a watch keeps it open from look to look */
  unsigned samples;
};

/* ---- in the job ---- */

static int
take_rows (const void *lines, size_t len, void *arg)
{
  struct inspect_job *j = arg;

  buf_append (&j->rows, lines, len);
  return j->rows.cut ? -E2BIG : 0;
}

/* Each look of a watch ends with one of these. */
static void
say_sample (struct inspect_job *j)
{
  CLEANUP_JSON struct json_object *o = json_object_new_object ();
  struct json_object *cost = json_get (j->end, "cost");

  json_add_str (o, "row", "sample");
  json_add_int (o, "n", ++j->samples);
  json_add_bool (o, "found", json_get_bool (j->end, "found", false));
  if (json_get_str (j->end, "why"))
    json_add_text (o, "why", json_get_str (j->end, "why"),
                   strlen (json_get_str (j->end, "why")));
  json_add_int (o, "cpu_us", json_get_int (cost, "cpu_us", 0));
  json_add_int (o, "bytes", json_get_int (cost, "bytes", 0));
  buf_puts (&j->rows,
            json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  buf_putc (&j->rows, '\n');
}

/* When a look that begins now must be over. */
static uint64_t
look_until (const struct job *job)
{
  uint64_t end = job_deadline (job) - SPARE_MS, usual = clock_ms () + LOOK_MS;

  return usual < end ? usual : end;
}

/* What was said before is forgotten. */
static int
sample (struct inspect_job *j, uint64_t until)
{
  buf_clear (&j->rows);
  j->rows.cut = false;
  json_object_put (j->end);
  j->end = NULL;
  return look_guest_ask (&j->at, j->sections, until, take_rows, j, &j->end,
                         &j->why);
}

/* A parser that is kept has its limits of time, too: then another one. */
static int
sample_again (struct inspect_job *j, uint64_t until)
{
  bool warm = j->at.session != NULL;
  int r = sample (j, until);

  if (r < 0 && warm && j->watch && clock_ms () < until)
    {
      j->why = (struct error) ERROR_INIT;
      r = sample (j, until);
    }
  if (r == 0 && j->watch)
    say_sample (j);
  return r;
}

static bool
wait_for (struct job *job, uint64_t ms)
{
  uint64_t until = clock_ms () + ms;
  struct timespec nap = { 0, 20000000 };

  while (clock_ms () < until && !job_stopping (job))
    nanosleep (&nap, NULL);
  return !job_stopping (job);
}

static int
inspect_job_run (struct job *job, void *arg)
{
  struct inspect_job *j = arg;
  uint64_t until = look_until (job);
  int r;

  j->at.job = job;
  r = look_guest_open (&j->at, until, &j->why);
  if (r == 0)
    r = sample_again (j, until);
  if (r == 0 && j->twice && wait_for (job, j->apart_ms))
    {
      until = look_until (job);
      r = look_guest_check (&j->at, until, &j->why);
      if (r == 0)
        r = sample (j, until);
    }
  if (!j->watch)
    look_guest_close (&j->at);
  j->at.job = NULL;
  return r;
}

/* What waits for a process to end is no work for the loop. */
static int
inspect_end_run (struct job *job, void *arg)
{
  struct inspect_job *j = arg;

  look_guest_close (&j->at);
  return 0;
}

/* ---- on the loop ---- */

static void inspect_gone (struct answer *a);

static void
inspect_job_free (void *arg)
{
  struct inspect_job *j = arg;

  look_guest_close (&j->at);
  guest_unref (j->at.guest);
  json_object_put (j->sections);
  json_object_put (j->end);
  buf_done (&j->rows);
  free (j);
}

static void
end_done (void *owner, void *arg, enum job_end end, int rc)
{
  if (arg)
    inspect_job_free (arg);
}

/* Nobody asks any more. */
static void
inspect_free (struct inspect_answer *i)
{
  struct inspect_job *j = i->job;
  struct job_spec spec = {
    .name = "inspect end",
    .guest = j ? j->at.guest->inc.uuid : NULL,
    .lane = LANE_MEMORY_END,
    .timeout_ms = END_MS,
    .run = inspect_end_run,
    .done = end_done,
    .free_arg = inspect_job_free,
    .arg = j,
  };

  timer_free (i->next);
  /* With no thread left, or while all ends, it is done here. */
  if (j && (!j->at.open || job_start (i->d->jobs, &spec, NULL) < 0))
    inspect_job_free (j);
  free (i);
}

/* Bytes of many frames.  False: the client reads too slowly, and was told. */
static bool
give (struct answer *a, struct inspect_job *j)
{
  const char *p = buf_str (&j->rows);
  struct error err = ERROR_INIT;

  for (size_t left = j->rows.len, n; left > 0; p += n, left -= n)
    {
      n = left < PIECE ? left : PIECE;
      if (!answer_bytes (a, json_object_new_object (), p, n))
        {
          error_set (&err, ENOBUFS, "you read too slowly: rows were dropped");
          answer_error (a, &err);
          return false;
        }
    }
  return true;
}

static void
give_all (struct answer *a, struct inspect_job *j)
{
  if (!give (a, j))
    return;
  json_add_str (j->end, "row", "end");
  answer_end (a, steal_ptr (&j->end));
}

/* The guest may be gone, or without a kernel for a moment while it boots: the
 * rows say that. */
static bool
go_on (struct inspect_answer *i, struct inspect_job *j)
{
  uint64_t now = loop_now (i->d->loop), due = i->begun_ms + j->apart_ms;

  i->answer->gone = NULL;
  if (!give (i->answer, j))
    return false;
  i->answer->gone = inspect_gone;
  timer_in (i->next, due > now ? due - now : 0);
  return true;
}

static void
inspect_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct inspect_answer *i = owner;
  struct inspect_job *j = arg;
  struct error err = ERROR_INIT;

  i->job = j;
  if (i->answer && j && rc == 0 && j->watch && go_on (i, j))
    return;
  if (i->answer && j && rc == 0 && j->watch)
    i->answer = NULL; /* it was told */
  if (i->answer)
    i->answer->gone = NULL;
  if (i->answer && j && rc == 0)
    give_all (i->answer, j);
  else if (i->answer && j)
    answer_error (i->answer, &j->why);
  else if (i->answer)
    {
      error_set (&err, ETIMEDOUT,
                 "the guest's memory was not read within %u s: this host may "
                 "be what is stuck",
                 (unsigned) (i->timeout_ms / 1000));
      answer_error (i->answer, &err);
    }
  inspect_free (i);
}

static void
inspect_gone (struct answer *a)
{
  struct inspect_answer *i = a->arg;

  i->answer = NULL;
  /* While a look goes on its end is waited for. */
  if (i->job)
    inspect_free (i);
}

/* Two looks have the time of two. */
static uint64_t
time_of (const struct inspect_job *j)
{
  return SPARE_MS + (j->twice ? 2 * LOOK_MS + j->apart_ms : LOOK_MS);
}

static int
start (struct inspect_answer *i, struct inspect_job *j, struct error *err)
{
  struct job_spec spec = {
    .name = "inspect",
    .guest = j->at.guest->inc.uuid,
    /* Whoever looks once is not refused because somebody watches. */
    .lane = j->watch ? LANE_MEMORY_WATCH : LANE_MEMORY,
    .timeout_ms = time_of (j),
    .run = inspect_job_run,
    .done = inspect_done,
    .free_arg = inspect_job_free,
    .owner = i,
    .arg = j,
  };
  int r;

  i->begun_ms = loop_now (i->d->loop);
  i->timeout_ms = spec.timeout_ms;
  i->job = NULL;
  r = job_start (i->d->jobs, &spec, err);
  if (r < 0)
    i->job = j;
  return r;
}

/* Somebody else may look meanwhile: then this look is left out. */
static void
look_due (struct timer *t, void *arg)
{
  struct inspect_answer *i = arg;
  struct inspect_job *j = i->job;
  struct error err = ERROR_INIT;
  int r = start (i, j, &err);

  if (r == -EBUSY || r == -EAGAIN)
    timer_in (t, j->apart_ms);
  else if (r < 0)
    {
      i->answer->gone = NULL;
      answer_error (i->answer, &err);
      inspect_free (i);
    }
}

/* How often, within what is reasonable. */
static int
take_times (struct inspect_job *j, struct json_object *head, struct error *err)
{
  int64_t samples = json_get_int (head, "samples", 1);
  int64_t apart = json_get_int (head, "apart_ms", 1000);

  j->watch = json_get_bool (head, "watch", false);
  j->twice = samples == 2 && !j->watch;
  j->apart_ms = (uint64_t) apart;
  j->at.again = j->watch || j->twice;
  j->at.keep_ms = j->watch   ? KEEP_MS
                  : j->twice ? j->apart_ms + LOOK_MS
                             : 0;
  if (samples < 1 || samples > 2)
    return error_set (err, EINVAL, "one sample or two");
  if (apart < MIN_APART_MS || apart > MAX_APART_MS)
    return error_set (err, EINVAL, "looks may be %u ms to %u s apart",
                      MIN_APART_MS, MAX_APART_MS / 1000);
  return 0;
}

static struct inspect_job *
job_of (struct answer *a, const struct guest *g)
{
  struct inspect_job *j = calloc (1, sizeof *j);

  if (!j)
    return NULL;
  j->at.env = &a->d->env;
  j->at.guest = guest_ref (g);
  j->at.no_registers = !json_get_bool (a->head, "registers", true);
  j->rows = (struct buf) BUF_INIT (MAX_ROWS);
  j->sections = json_object_get (json_get (a->head, "sections"));
  return j;
}

void
op_inspect (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct inspect_answer *i;
  int r;

  if (!g)
    return;
  i = calloc (1, sizeof *i);
  if (!i || !(i->job = job_of (a, g)))
    {
      free (i);
      error_set (&err, ENOMEM, "no memory");
      answer_error (a, &err);
      return;
    }
  i->answer = a;
  i->d = a->d;
  r = take_times (i->job, a->head, &err);
  if (r == 0 && i->job->watch)
    r = loop_timer (i->d->loop, "inspect watch", look_due, i, &i->next, &err);
  a->arg = i;
  a->gone = inspect_gone;
  if (r == 0)
    r = start (i, i->job, &err);
  if (r < 0)
    {
      a->gone = NULL;
      answer_error (a, &err);
      inspect_free (i);
    }
}
