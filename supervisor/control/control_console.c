/* SPDX-License-Identifier: Apache-2.0
 *
 * `hangdog console`: many people read along, one may type.
 *
 * Reading is a tap whose bytes go out as they come; a client too slow to take
 * them is told how many it missed, and holds up nobody.  Typing needs the
 * lease, which is got and written in a job, because both may block; what is
 * typed meanwhile waits, bounded.
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
#include "guests/registry.h"
#include "transports/console/hub.h"

#include <string.h>

#define LEASE_MS 5000
#define WRITE_MS 10000
#define MAX_TYPED (64u << 10)
#define READ_SIZE (16u << 10)
#define IDLE_CHECK_MS 1000

/* One person at one console. */
struct seat
{
  struct answer *answer; /* NULL once the person left */
  struct daemon *d;
  const struct guest *guest;
  char console[32];
  struct tap *tap;
  struct lease *lease; /* NULL = reads only */
  struct timer *idle;
  struct buf typed; /* not yet written */
  uint64_t last_typed_ms;
  uint64_t missed; /* bytes that found no room in the client's queue */
  enum console_state told; /* the last that the person knows of */
  bool job; /* a lease or write job is out: it uses the lease */
};

/* What a job takes along. */
struct seat_job
{
  struct hub *hub;
  struct lease *lease; /* to write with, or got */
  char uuid[UUID_TEXT], console[32], by[64];
  bool take, want_lease;
  struct buf bytes;
  struct error err;
};

static void pump_typed (struct seat *s);

static void
seat_free (struct seat *s)
{
  tap_free (s->tap);
  lease_free (s->lease);
  timer_free (s->idle);
  buf_done (&s->typed);
  guest_unref (s->guest);
  free (s);
}

static void
seat_end (struct seat *s, const struct error *why)
{
  struct answer *a = s->answer;

  s->answer = NULL;
  if (a)
    {
      a->gone = NULL;
      if (why)
        answer_error (a, why);
      else
        answer_end (a, NULL);
    }
  if (!s->job)
    seat_free (s);
}

static void
seat_gone (struct answer *a)
{
  struct seat *s = a->arg;

  s->answer = NULL;
  if (!s->job)
    seat_free (s);
}

static void
say (struct seat *s, const char *note)
{
  struct json_object *row;

  if (!s->answer)
    return;
  row = json_object_new_object ();
  json_add_str (row, "note", note);
  answer_row (s->answer, row);
}

/* Reading goes on, and what was typed in vain is forgotten. */
static void
lost_keyboard (struct seat *s)
{
  lease_free (steal_ptr (&s->lease));
  buf_done (&s->typed);
  s->typed = (struct buf) BUF_INIT (MAX_TYPED);
  say (s, "somebody else took the keyboard; you still read along");
}

/* ---- reading ---- */

static void
on_data (struct tap *tap, void *arg)
{
  struct seat *s = arg;
  char bytes[READ_SIZE];
  uint64_t lost;
  size_t n;

  if (!s->answer)
    return;
  while ((n = tap_read (tap, bytes, sizeof (bytes), &lost)) > 0)
    {
      struct json_object *row = json_object_new_object ();

      lost += s->missed;
      if (lost)
        json_add_int (row, "lost", (int64_t) lost);
      s->missed = 0;
      if (!answer_bytes (s->answer, row, bytes, n))
        {
          s->missed = lost + n; /* the next that goes out tells */
          return;
        }
    }
}

/* ---- typing ---- */

static void
seat_job_free (void *arg)
{
  struct seat_job *j = arg;

  if (j->want_lease)
    lease_free (j->lease);
  buf_done (&j->bytes);
  free (j);
}

/* What a job that was written off leaves behind: nobody else has its lease
 * any more. */
static void
seat_job_abandoned (void *arg)
{
  struct seat_job *j = arg;

  lease_free (steal_ptr (&j->lease));
  seat_job_free (j);
}

static int
seat_run (struct job *job, void *arg)
{
  struct seat_job *j = arg;

  if (j->want_lease)
    return hub_lease (j->hub, j->uuid, j->console, LEASE_PERSON, j->by,
                      j->take, job_deadline (job), &j->lease, &j->err);
  return lease_write (j->lease, buf_str (&j->bytes), j->bytes.len,
                      job_deadline (job), &j->err);
}

static void
seat_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct seat *s = owner;
  struct seat_job *j = arg;
  struct error err = ERROR_INIT;

  s->job = false;
  if (end == JOB_DISCARDED)
    {
      /* The job still uses the lease: it is left to it. */
      s->lease = NULL;
      error_set (&err, ETIMEDOUT, "the console is stuck");
      seat_end (s, &err);
      return;
    }
  if (j->want_lease && rc == 0)
    {
      s->lease = steal_ptr (&j->lease);
      say (s, "you have the keyboard");
    }
  err = j->err;
  seat_job_free (j);
  if (!s->answer)
    seat_free (s);
  else if (rc < 0 && s->lease && lease_lost (s->lease))
    lost_keyboard (s);
  else if (rc < 0)
    seat_end (s, &err);
  else
    pump_typed (s);
}

static int
start_job (struct seat *s, struct seat_job *j, uint64_t timeout_ms,
           struct error *err)
{
  struct job_spec spec = {
    .name = j->want_lease ? "console lease" : "console typing",
    .guest = s->guest->inc.uuid,
    /* Persons at two consoles of a guest are not in each other's way. */
    .lane = j->want_lease ? LANE_PERSON_LEASE : LANE_PERSON,
    .part = s->console,
    .timeout_ms = timeout_ms,
    .run = seat_run,
    .done = seat_done,
    .free_arg = seat_job_abandoned,
    .owner = s,
    .arg = j,
  };
  int r;

  r = job_start (s->d->jobs, &spec, err);
  if (r < 0)
    seat_job_free (j);
  else
    s->job = true;
  return r;
}

static void
pump_typed (struct seat *s)
{
  struct error err = ERROR_INIT;
  struct seat_job *j;

  if (s->job || !s->lease || s->typed.len == 0)
    return;
  j = calloc (1, sizeof (*j));
  if (!j)
    return;
  j->lease = s->lease;
  j->bytes = s->typed;
  s->typed = (struct buf) BUF_INIT (MAX_TYPED);
  if (start_job (s, j, WRITE_MS, &err) < 0)
    seat_end (s, &err);
}

/* Who looks at a console that says nothing is told why. */
static void
tell_state (struct seat *s)
{
  struct hub_look look;
  struct error err = ERROR_INIT;
  char note[300];
  bool talks;

  if (hub_look (s->d->hub, s->guest->inc.uuid, s->console, &look, &err) < 0)
    return;
  talks = look.state == CONSOLE_SILENT || look.state == CONSOLE_TALKING;
  if (look.state == s->told || look.state == CONSOLE_CONNECTING
      || (talks && s->told == CONSOLE_TALKING))
    return;
  s->told = talks ? CONSOLE_TALKING : look.state;
  snprintf (note, sizeof (note), "%s: %s%s%s", s->console,
            talks ? "connected" : console_state_names[look.state],
            look.detail[0] ? ": " : "", look.detail);
  say (s, note);
}

static void
idle_due (struct timer *t, void *arg)
{
  struct seat *s = arg;

  timer_in (t, IDLE_CHECK_MS);
  tell_state (s);
  if (s->job || !s->lease)
    return;
  if (lease_lost (s->lease))
    lost_keyboard (s);
  else if (loop_now (s->d->loop) - s->last_typed_ms > LEASE_PERSON_IDLE_MS)
    {
      lease_free (steal_ptr (&s->lease));
      say (s, "five idle minutes: the keyboard is free again");
    }
}

static int
seat_new (struct answer *a, const struct guest *g, struct seat **ret,
          struct error *err)
{
  const char *console = json_get_str (a->head, "console");
  struct seat *s;
  int r;

  if (!console && g->nconsoles == 0)
    return error_set (err, ENOENT, "%s has no console that can be reached",
                      g->display);
  if (console && !guest_console_find (g, console))
    return error_set (err, ENOENT, "%s has no console \"%s\"", g->display,
                      console);
  s = calloc (1, sizeof (*s));
  if (!s)
    return error_set (err, ENOMEM, "no memory");
  s->answer = a;
  s->d = a->d;
  s->guest = guest_ref (g);
  s->typed = (struct buf) BUF_INIT (MAX_TYPED);
  s->last_typed_ms = loop_now (a->d->loop);
  s->told = CONSOLE_TALKING;
  snprintf (s->console, sizeof (s->console), "%s",
            console ? console : g->consoles[0].name);
  r = loop_timer (a->d->loop, "console seat", idle_due, s, &s->idle, err);
  if (r == 0)
    r = hub_tap (a->d->hub, g->inc.uuid, s->console, a->by,
                 (enum tap_start) (TAP_KEPT | TAP_ACTIVE), on_data, s,
                 &s->tap, err);
  if (r < 0)
    {
      seat_free (s);
      return r;
    }
  timer_in (s->idle, IDLE_CHECK_MS);
  *ret = s;
  return 0;
}

void
op_console (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  struct error err = ERROR_INIT;
  struct seat *s = NULL;
  struct seat_job *j;

  if (!g)
    return;
  if (seat_new (a, g, &s, &err) < 0)
    {
      answer_error (a, &err);
      return;
    }
  a->arg = s;
  a->gone = seat_gone;
  on_data (s->tap, s);
  if (!json_get_bool (a->head, "write", false))
    return;
  j = calloc (1, sizeof (*j));
  if (!j)
    {
      error_set (&err, ENOMEM, "no memory");
      seat_end (s, &err);
      return;
    }
  j->hub = a->d->hub;
  j->want_lease = true;
  j->take = json_get_bool (a->head, "take", false);
  memcpy (j->uuid, g->inc.uuid, sizeof (j->uuid));
  memcpy (j->console, s->console, sizeof (j->console));
  memcpy (j->by, a->by, sizeof (j->by));
  if (start_job (s, j, LEASE_MS, &err) < 0)
    seat_end (s, &err);
}

/* {"op":"input","to":ID of the console request} with the keys as body. */
void
op_input (struct answer *a, struct frame *f)
{
  struct answer *to = answer_find (a, json_get_int (a->head, "to", -1));
  struct error err = ERROR_INIT;
  struct seat *s = to && to->gone == seat_gone ? to->arg : NULL;

  if (!s)
    error_set (&err, ENOENT, "you do not sit at that console");
  else if (!s->lease && !s->job)
    error_set (&err, EPERM, "you read along; open the console with --write");
  else if (s->typed.len + f->body_len > MAX_TYPED)
    error_set (&err, ENOBUFS, "the guest does not take what you type");
  if (err.code)
    {
      answer_error (a, &err);
      return;
    }
  buf_append (&s->typed, f->body, f->body_len);
  s->last_typed_ms = loop_now (a->d->loop);
  answer_end (a, NULL);
  pump_typed (s);
}
