/* SPDX-License-Identifier: Apache-2.0
 *
 * Who has a heartbeat, and who is looked for and read when.
 */
#include "supervisor/beats/eyes_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/opener.h"

#include <string.h>

#define TICK_MS 250u
/* A kernel comes up meanwhile; and a host that starts has other work first. */
#define FIRST_MS 10000u
#define REBOOT_MS 20000u
/* After one was looked for all rest so many times as long as that took: the
 * start with a thousand guests must not be felt. */
#define REST 4u
/* It doubles with each time that no kernel is found. */
#define AGAIN_MS 30000u
#define AGAIN_MAX_MS (15u * 60 * 1000)
/* Another kernel is there, or its pages are gone. */
#define CHANGED_MS 5000u
/* But who seems to be another all the time, by what he writes there, is looked
 * for ever more seldom: each time costs a parser. */
#define CHANGES_FREE 3u
#define CHANGED_MOST_MS (2u * 60 * 1000)
/* Whose last look took so long comes after all others: a guest can make it
 * long. */
#define SLOW_MS 4000u
/* Of a kernel that was found while it came up not all CPUs are known. */
#define SURE_MS 60000u
/* What seems dead, and could not be looked at: again. */
#define DOUBT_MS 30000u
/* And what was looked at, and moved again: not sooner, for others wait. */
#define MOVED_AGAIN_MS 10000u
/* Where QEMU does not say whether it runs that kernel. */
#define BLIND_MS 30000u
/* Behind what hangdog had a kernel print. */
#define OURS_MS 3000u
/* Who can't be looked for: the look before it has not come back, or there is no
 * thread for it. */
#define BUSY_MS 2000u
/* Whether QEMU answers: it may have come back, or hang by now. */
#define ASK_AGAIN_MS 30000u
/* So many are asked at once: those on one dead disk stand together. */
#define ASKING_MAX 4u
/* Whose memory does not come back is left alone for so long. */
#define STUCK_MS (10u * 60 * 1000)

static const char *const eye_states[]
    = { "waits", "is looked for", "beats", "has none" };

struct eyes
{
  struct eyes_env env;
  struct beater *beater;
  struct timer *timer;
  struct eye **list; /* by id - 1; NULL where nobody is */
  size_t n;
  unsigned nasking; /* whether QEMUs answer */
  bool finding; /* one at a time: it costs a parser's CPU */
  bool of_doubt; /* the last of them */
  uint64_t find_ms, rest_ms; /* when that began; until when nobody is */
};

/* ---- one guest ---- */

static struct eye *
by_id (const struct eyes *e, uint32_t id)
{
  return id > 0 && id <= e->n ? e->list[id - 1] : NULL;
}

static struct eye *
by_uuid (const struct eyes *e, const char *uuid)
{
  for (size_t i = 0; i < e->n; i++)
    if (e->list[i] && strcmp (e->list[i]->guest->inc.uuid, uuid) == 0)
      return e->list[i];
  return NULL;
}

static void
wait_for (struct eyes *e, struct eye *eye, uint64_t ms)
{
  if (eye->found_ms)
    beater_drop (e->beater, eye->id);
  if (eye->judged)
    eye_untell_ (e->env.bus, eye);
  eye_forget_ (eye);
  eye_moves_ (eye);
  eye->found_ms = 0;
  eye->sure = eye->panic_asked = false;
  eye->state = EYE_WAITS;
  eye->due_ms = loop_now (e->env.loop) + ms;
}

/* Last: who hears of it may have it wait for the new life already. */
static void
began_anew (struct eyes *e, const struct eye *eye)
{
  const struct incarnation inc = eye->guest->inc;

  if (e->env.anew)
    e->env.anew (&inc, e->env.arg);
}

static void
changed (struct eyes *e, struct eye *eye)
{
  uint64_t ms = CHANGED_MS;

  if (loop_now (e->env.loop) - eye->first_ms >= SURE_MS)
    eye->changes = 0;
  for (unsigned i = CHANGES_FREE; i <= eye->changes && ms < CHANGED_MOST_MS;
       i++)
    ms *= 2;
  eye->changes++;
  wait_for (e, eye, ms < CHANGED_MOST_MS ? ms : CHANGED_MOST_MS);
  began_anew (e, eye);
}

static void
not_found (struct eyes *e, struct eye *eye, const struct error *why)
{
  uint64_t again = AGAIN_MS;
  char text[sizeof eye->why + 8];

  for (unsigned i = 0; i < eye->fails && again < AGAIN_MAX_MS; i++)
    again *= 2;
  eye->fails++;
  wait_for (e, eye, again < AGAIN_MAX_MS ? again : AGAIN_MAX_MS);
  /* What is no QEMU, or has its memory where nobody can read it, does not
   * become another thing. */
  if (why->code == EOPNOTSUPP || why->code == EINVAL)
    eye->state = EYE_NEVER;
  if (strcmp (eye->why, error_text (why)) == 0)
    return;
  snprintf (eye->why, sizeof eye->why, "%.199s", error_text (why));
  snprintf (text, sizeof text, "none: %s", eye->why);
  eye_tell_text_ (e->env.bus, eye, "guest.beat", text);
}

/* By the table that there is. */
static void
still_read (struct eyes *e, struct eye *eye, const struct find *f)
{
  eye->state = EYE_BEATS;
  eye->sure = true;
  if (f->doubt)
    eye->doubt_ms = loop_now (e->env.loop) + DOUBT_MS;
}

static void
found (struct eyes *e, struct eye *eye, const struct find *f)
{
  uint64_t now = loop_now (e->env.loop);
  bool same = eye->found_ms && f->kernel == eye->kernel;

  if (!eye->found_ms)
    eye->first_ms = now;
  eye->state = EYE_BEATS;
  eye->sure = eye->found_ms != 0;
  eye->fails = 0;
  eye->why[0] = '\0';
  if (f->doubt && same
      && (f->stands || (f->blind && now - eye->since_ms < BLIND_MS)))
    eye->doubt_ms = now + DOUBT_MS;
  else if (f->doubt)
    {
      eye->doubt = false;
      eye->confirmed_ms
          = same && eye->nkept ? eye->kept[eye->nkept - 1]->at_ms : 0;
    }
  /* The same one may be read elsewhere: who panics takes its CPUs away. */
  if (f->doubt && f->where != eye->where)
    eye_forget_ (eye);
  eye->kernel = f->kernel;
  eye->where = f->where;
  eye->found_ms = eye->due_ms = now;
}

static void
find_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct eyes *e = owner;
  struct find *f = arg;
  struct eye *eye;
  uint64_t now = loop_now (e->env.loop);

  e->finding = false;
  if (!f || !f->doubt)
    e->rest_ms = now + REST * (now - e->find_ms);
  if (end == JOB_DISCARDED)
    {
      for (size_t i = 0; i < e->n; i++)
        if (e->list[i] && e->list[i]->state == EYE_FINDS)
          wait_for (e, e->list[i], STUCK_MS);
      return;
    }
  eye = by_id (e, f->id);
  if (eye && eye->state == EYE_FINDS
      && incarnation_equal (&eye->guest->inc, &f->guest->inc))
    {
      eye->took_ms = now - e->find_ms;
      if (f->doubt)
        eye->again_ms = now + MOVED_AGAIN_MS + REST * (now - e->find_ms);
      if (rc == 0)
        rc = beater_add (e->beater, eye->id, f->table, f->fd, &f->why);
      /* Of the kernel that was read nothing runs: its firmware does, or
       * another system.  That none was found says no such thing. */
      if ((rc == -ENXIO || rc == -ENOENT) && eye->found_ms && f->doubt)
        {
          not_found (e, eye, &f->why);
          if (rc == -ENXIO)
            began_anew (e, eye);
        }
      else if (rc < 0 && !eye->found_ms)
        not_found (e, eye, &f->why);
      else if (rc < 0)
        still_read (e, eye, f);
      else
        found (e, eye, f);
    }
  else if (eye && eye->state == EYE_FINDS)
    wait_for (e, eye, CHANGED_MS);
  find_free_ (f);
}

static bool
is_read (const struct guest *g)
{
  return g->run == GUEST_RUNNING && g->intent == INTENT_RUN && g->inc.pid > 0;
}

/* Meanwhile it is the others' turn. */
static void
put_off (struct eyes *e, struct eye *eye)
{
  uint64_t now = loop_now (e->env.loop);

  if (eye->doubt)
    eye->doubt_ms = now + BUSY_MS;
  else if (eye->state == EYE_WAITS)
    eye->due_ms = now + BUSY_MS;
  e->rest_ms = now + TICK_MS;
}

static void
begin_find (struct eyes *e, struct eye *eye)
{
  struct find *f = calloc (1, sizeof *f);
  const struct job_spec spec = {
    .name = "find a heartbeat",
    .guest = eye->guest->inc.uuid,
    .lane = LANE_BEAT,
    .timeout_ms = FIND_MS,
    .run = find_run_,
    .done = find_done,
    .free_arg = find_free_,
    .owner = e,
    .arg = f,
  };

  if (!f)
    return;
  f->fd = -1;
  f->id = eye->id;
  f->doubt = eye->doubt;
  f->guest = guest_ref (eye->guest);
  f->env = e->env.transports;
  if (job_start (e->env.jobs, &spec, NULL) < 0)
    {
      find_free_ (f);
      put_off (e, eye);
      return;
    }
  e->finding = true;
  e->of_doubt = eye->doubt;
  e->find_ms = loop_now (e->env.loop);
  eye->state = EYE_FINDS;
}

/* ---- does its QEMU answer? ---- */

static void
ask_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct eyes *e = owner;
  struct question *q = arg;
  uint64_t now = loop_now (e->env.loop);
  struct eye *eye;

  (void) rc;
  e->nasking--;
  if (end == JOB_DISCARDED)
    {
      /* It has its deadlines: of whom is not known any more. */
      for (size_t i = 0; i < e->n; i++)
        if (e->list[i] && e->list[i]->asking)
          {
            e->list[i]->asking = false;
            e->list[i]->ask_ms = now + STUCK_MS;
          }
      return;
    }
  eye = by_id (e, q->id);
  /* Whoever has this place by now, nobody is asked for it any more. */
  if (eye)
    {
      eye->asking = false;
      eye->ask_ms = now + ASK_AGAIN_MS;
      eye->mute = q->mute && eye->asleep
                  && incarnation_equal (&eye->guest->inc, &q->guest->inc);
      if (eye->mute)
        eye->due_ms = now;
    }
  ask_free_ (q);
}

/* libvirt says a guest's state without asking its QEMU. */
static bool
wants_ask (const struct eye *eye, uint64_t now)
{
  return eye->asleep && !eye->asking && eye->state == EYE_BEATS
         && eye->guest->monitor == MONITOR_UNIX && now >= eye->ask_ms;
}

static void
begin_ask (struct eyes *e, struct eye *eye)
{
  struct question *q = calloc (1, sizeof *q);
  const struct job_spec spec = {
    .name = "ask whether its QEMU answers",
    .guest = eye->guest->inc.uuid,
    .lane = LANE_MONITOR,
    .timeout_ms = 3 * QEMU_ASK_MS,
    .run = ask_run_,
    .done = ask_done,
    .free_arg = ask_free_,
    .owner = e,
    .arg = q,
  };

  if (!q)
    return;
  q->id = eye->id;
  q->guest = guest_ref (eye->guest);
  q->env = e->env.transports;
  eye->ask_ms = loop_now (e->env.loop) + BUSY_MS;
  if (job_start (e->env.jobs, &spec, NULL) < 0)
    {
      ask_free_ (q);
      return;
    }
  eye->asking = true;
  e->nasking++;
}

/* ---- beats ---- */

static void
on_beat (uint32_t id, const struct beat *b, void *arg)
{
  struct eyes *e = arg;
  struct eye *eye = by_id (e, id);
  struct beat_verdict v;

  if (!eye || eye->found_ms == 0)
    return;
  eye->beats++;
  if (!b->canary_ok)
    {
      changed (e, eye);
      return;
    }
  /* Another number of CPUs: by another table. */
  if (eye->nkept > 0 && eye->kept[0]->cpus != b->cpus)
    eye_forget_ (eye);
  if (eye->nkept > 0)
    {
      eye_judge_ (eye, b, &v);
      if (v.rebooted)
        {
          changed (e, eye);
          return;
        }
      eye_question_ (eye, b, &v, loop_now (e->env.loop));
      eye_process_ (eye, &v);
      eye_tell_ (e->env.bus, eye, b, &v, loop_now (e->env.loop));
      eye->verdict = v;
      eye->judged = true;
    }
  eye_keep_ (eye, b);
}

static void
on_failed (uint32_t id, const struct error *why, void *arg)
{
  struct eyes *e = arg;
  struct eye *eye = by_id (e, id);

  if (eye && eye->found_ms)
    not_found (e, eye, why);
}

static void
on_lost (uint32_t id, void *arg)
{
  struct eyes *e = arg;
  struct eye *stuck = by_id (e, id);

  for (size_t i = 0; i < e->n; i++)
    if (e->list[i] && e->list[i]->found_ms)
      wait_for (e, e->list[i],
                e->list[i] == stuck ? STUCK_MS : CHANGED_MS);
  if (!stuck)
    return;
  snprintf (stuck->why, sizeof stuck->why,
            "reading its memory does not come back: it is on this host's "
            "swap or a file, and that does not answer");
  log_guest (LOG_LEVEL_WARN, stuck->guest->inc.uuid, "%s: %s",
             stuck->guest->display, stuck->why);
  eye_tell_text_ (e->env.bus, stuck, "guest.beat", stuck->why);
}

static const struct beater_ops beater_callbacks
    = { .beat = on_beat, .failed = on_failed, .lost = on_lost };

/* Whose QEMU is asked, or mute, could not say what its vCPUs do. */
static bool
wants_find (const struct eye *eye, uint64_t now)
{
  if (eye->found_ms && (eye->asking || eye->mute))
    return false;
  return eye->state == EYE_WAITS
         || (eye->state == EYE_BEATS && !eye->sure
             && now - eye->found_ms >= SURE_MS)
         || (eye->state == EYE_BEATS && eye->doubt && now >= eye->doubt_ms);
}

/* Of one kind: the one that was to be looked for first. */
static bool
is_before (const struct eye *a, const struct eye *b)
{
  bool slow = a->took_ms >= SLOW_MS;

  if (slow != (b->took_ms >= SLOW_MS))
    return !slow;
  return a->doubt ? a->doubt_ms < b->doubt_ms : a->due_ms < b->due_ms;
}

static void
tick (struct timer *t, void *arg)
{
  struct eyes *e = arg;
  uint64_t now = loop_now (e->env.loop);
  uint32_t ids[BEATER_ASK_MAX];
  struct eye *next = NULL, *doubted = NULL, **of_kind;
  unsigned n = 0;

  timer_in (t, TICK_MS);
  for (size_t i = 0; i < e->n; i++)
    {
      struct eye *eye = e->list[i];

      if (!eye || !is_read (eye->guest))
        continue;
      if (e->nasking < ASKING_MAX && wants_ask (eye, now))
        begin_ask (e, eye);
      if (eye->due_ms > now && !eye->doubt)
        continue;
      if (eye->found_ms && eye->due_ms <= now && n < BEATER_ASK_MAX)
        ids[n++] = eye->id;
      of_kind = eye->doubt ? &doubted : &next;
      if (wants_find (eye, now) && (!*of_kind || is_before (eye, *of_kind)))
        *of_kind = eye;
    }
  if (beater_ask (e->beater, ids, n))
    for (unsigned i = 0; i < n; i++)
      by_id (e, ids[i])->due_ms = now + e->env.interval_ms;
  if (now < e->rest_ms)
    next = NULL;
  /* One in doubt has a rest of its own, and goes first; but who has himself
   * doubted all the time must not keep others from being looked for at all. */
  if (doubted && (!next || !e->of_doubt))
    next = doubted;
  if (next && !e->finding)
    begin_find (e, next);
}

/* ---- who is there ---- */

static struct eye **
free_place (struct eyes *e)
{
  size_t was = e->n, n = was ? 2 * was : 32;
  struct eye **list;

  for (size_t i = 0; i < was; i++)
    if (!e->list[i])
      return &e->list[i];
  if (n > BEATER_MAX)
    n = BEATER_MAX;
  list = n > was ? reallocarray (e->list, n, sizeof (struct eye *)) : NULL;
  if (!list)
    return NULL;
  memset (list + was, 0, (n - was) * sizeof (struct eye *));
  e->list = list;
  e->n = n;
  return &e->list[was];
}

static void
add (struct eyes *e, const struct guest *g)
{
  struct eye **place = free_place (e);

  if (!place || !(*place = calloc (1, sizeof (struct eye))))
    {
      log_guest (LOG_LEVEL_WARN, g->inc.uuid,
                 "%s: no memory for its heartbeat", g->display);
      return;
    }
  (*place)->guest = guest_ref (g);
  (*place)->id = (uint32_t) (place - e->list) + 1;
  wait_for (e, *place, FIRST_MS);
}

static void
drop (struct eyes *e, struct eye *eye)
{
  if (eye->found_ms)
    beater_drop (e->beater, eye->id);
  e->list[eye->id - 1] = NULL;
  guest_unref (eye->guest);
  eye_forget_ (eye);
  free (eye->chance);
  free (eye);
}

void
eyes_guest (struct eyes *e, enum guest_change change, const struct guest *was,
            const struct guest *now)
{
  struct eye *eye;

  if (!e)
    return;
  eye = by_uuid (e, (now ? now : was)->inc.uuid);
  if (!now)
    {
      if (eye)
        drop (e, eye);
      return;
    }
  if (!eye)
    {
      add (e, now);
      return;
    }
  guest_unref (eye->guest);
  eye->guest = guest_ref (now);
  if (change == GUEST_REPLACED || change == GUEST_REBOOTED)
    {
      eye->fails = 0;
      wait_for (e, eye, change == GUEST_REBOOTED ? REBOOT_MS : FIRST_MS);
    }
  else if (!is_read (now))
    {
      eye_forget_ (eye);
      eye_moves_ (eye);
    }
}

void
eyes_ours (struct eyes *e, const char *uuid, uint64_t until_ms)
{
  struct eye *eye = e ? by_uuid (e, uuid) : NULL;

  if (eye && until_ms + OURS_MS > eye->ours_until_ms)
    eye->ours_until_ms = until_ms + OURS_MS;
}

/* ---- showing ---- */

bool
eyes_look (const struct eyes *e, const char *uuid, struct eyes_look *ret)
{
  const struct eye *eye = e ? by_uuid (e, uuid) : NULL;

  if (!eye)
    return false;
  *ret = (struct eyes_look){
    .uuid = eye->guest->inc.uuid,
    .beating = eye->found_ms != 0,
    .why = eye->why,
    .found_ms = eye->found_ms,
    .beat = eye->nkept ? eye->kept[eye->nkept - 1] : NULL,
    .verdict = eye->judged ? &eye->verdict : NULL,
    .beats = eye->beats,
  };
  return true;
}

void
eyes_dump (const struct eyes *e, struct buf *out)
{
  unsigned of[ARRAY_LEN (eye_states)] = { 0 };

  if (!e)
    return;
  for (size_t i = 0; i < e->n; i++)
    if (e->list[i])
      of[e->list[i]->state]++;
  buf_printf (out, "heartbeats every=%llums pid=%d",
              (unsigned long long) e->env.interval_ms,
              (int) beater_pid (e->beater));
  for (size_t i = 0; i < ARRAY_LEN (eye_states); i++)
    buf_printf (out, " \"%s\"=%u", eye_states[i], of[i]);
  buf_putc (out, '\n');
}

/* ---- making ---- */

void
eyes_interval (struct eyes *e, uint64_t interval_ms)
{
  if (!e)
    return;
  e->env.interval_ms = interval_ms;
  if (interval_ms == 0)
    timer_stop (e->timer);
  else if (!timer_armed (e->timer))
    timer_in (e->timer, TICK_MS);
}

int
eyes_new (const struct eyes_env *env, struct eyes **ret, struct error *err)
{
  struct eyes *e = calloc (1, sizeof *e);
  int r;

  if (!e)
    return error_set (err, ENOMEM, "no memory for heartbeats");
  e->env = *env;
  r = beater_new (env->loop, env->transports->libexec, &beater_callbacks, e,
                  &e->beater, err);
  if (r == 0)
    r = loop_timer (env->loop, "heartbeats", tick, e, &e->timer, err);
  if (r < 0)
    {
      eyes_free (e);
      return r;
    }
  eyes_interval (e, env->interval_ms);
  *ret = e;
  return 0;
}

void
eyes_free (struct eyes *e)
{
  if (!e)
    return;
  for (size_t i = 0; i < e->n; i++)
    if (e->list[i])
      drop (e, e->list[i]);
  timer_free (e->timer);
  beater_free (e->beater);
  free (e->list);
  free (e);
}
