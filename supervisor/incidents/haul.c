/* SPDX-License-Identifier: Apache-2.0
 *
 * What one collector brings home.
 *
 * One lock guards all that the two sides share.  The loop is woken under it:
 * once haul_close() had it, the collector's thread touches neither the loop
 * nor anything the loop has taken, however late it comes back.
 */
#include "supervisor/incidents/haul_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* So soon a collector that stands looks whether its job is to stop. */
#define STAND_MS 50

static const char *const lack_names[]
    = { [LACK_SIZE] = "step", [LACK_LIMIT] = "playbook", [LACK_TIME] = "time" };
static const char *const lacks[] = {
  [LACK_SIZE] = "more than 8 MiB or 64 files in one step, or no memory",
  [LACK_LIMIT] = "the bytes that the playbook allows were used up",
  [LACK_TIME] = "the disk did not take it before the step's time was over",
};

/* ---- references ---- */

struct haul *
haul_ref (struct haul *h)
{
  LOCK_SCOPE (&h->m);
  h->refs++;
  return h;
}

void
haul_unref (struct haul *h)
{
  bool last;

  if (!h)
    return;
  {
    LOCK_SCOPE (&h->m);
    last = --h->refs == 0;
  }
  if (!last)
    return;
  haul_drop (h);
  haul_limit_unref (h->limit);
  if (h->impact)
    json_object_put (h->impact);
  if (h->gaps)
    json_object_put (h->gaps);
  if (h->attached)
    json_object_put (h->attached);
  pthread_cond_destroy (&h->taken);
  pthread_mutex_destroy (&h->m);
  free (h);
}

/* ---- the loop takes ---- */

/* The first of them, if there is room for it.  Only the loop takes, so it is
 * still the first when the lock was left meanwhile. */
static struct piece *
take (struct haul *h)
{
  struct piece *p;
  bool room;

  {
    LOCK_SCOPE (&h->m);
    p = h->pieces;
    h->held = false;
  }
  room = p && (!h->ops->room || h->ops->room (p->len, h->arg));
  LOCK_SCOPE (&h->m);
  h->held = p && !room;
  if (!room)
    return NULL;
  h->pieces = p->next;
  if (!h->pieces)
    h->pieces_end = &h->pieces;
  h->queued -= p->len;
  pthread_cond_broadcast (&h->taken);
  return p;
}

bool
haul_pump (struct haul *h)
{
  struct piece *p;

  while ((p = take (h)))
    {
      h->ops->file (p->name, p->offset, p->data, p->len, h->arg);
      free (p);
    }
  LOCK_SCOPE (&h->m);
  return !h->pieces;
}

uint64_t
haul_drop (struct haul *h)
{
  uint64_t bytes = 0;
  LOCK_SCOPE (&h->m);

  for (struct piece *next, *p = h->pieces; p; p = next)
    {
      next = p->next;
      bytes += p->len;
      free (p);
    }
  h->pieces = NULL;
  h->pieces_end = &h->pieces;
  h->queued = 0;
  return bytes;
}

static void
woken (void *arg)
{
  struct haul *h = arg;
  bool closed;

  {
    LOCK_SCOPE (&h->m);
    h->woken = false;
    closed = h->closed;
  }
  if (!closed)
    haul_pump (h);
  haul_unref (h);
}

void
haul_not_woken (void *arg)
{
  haul_unref (arg);
}

/* ---- the collector puts in ---- */

/* limit: which of them it was, or NULL. */
static void
add_gap_locked (struct haul *h, const char *what, const char *why,
                const char *limit)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "collector", h->collector);
  json_add_text (o, "what", what, strlen (what));
  json_add_text (o, "why", why, strlen (why));
  json_add_str (o, "limit", limit);
  json_object_array_add (h->gaps, o);
}

static void
out_gap (struct collect_out *out, const char *what, const char *fmt, ...)
{
  struct haul *h = container_of (out, struct haul, out);
  char text[256];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof (text), fmt, ap);
  va_end (ap);
  LOCK_SCOPE (&h->m);
  if (!h->closed)
    add_gap_locked (h, what, text, NULL);
}

void
haul_add_impact_locked (struct haul *h, uint64_t begun_ms, const char *text)
{
  uint64_t ago = clock_ms () - begun_ms;
  struct json_object *o;

  if (h->closed)
    return;
  o = json_object_new_object ();
  json_add_str (o, "collector", h->collector);
  json_add_int (o, "wall_ms", (int64_t) (clock_wall_ms () - ago));
  json_add_text (o, "what", text, strlen (text));
  json_object_array_add (h->impact, o);
}

static void
out_impact (struct collect_out *out, const char *fmt, ...)
{
  struct haul *h = container_of (out, struct haul, out);
  char text[256];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof (text), fmt, ap);
  va_end (ap);
  LOCK_SCOPE (&h->m);
  haul_add_impact_locked (h, clock_ms (), text);
}

static void
out_impact_since (struct collect_out *out, uint64_t begun_ms, const char *fmt,
                  ...)
{
  struct haul *h = container_of (out, struct haul, out);
  char text[256];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof (text), fmt, ap);
  va_end (ap);
  LOCK_SCOPE (&h->m);
  haul_add_impact_locked (h, begun_ms, text);
}

static void
out_attach (struct collect_out *out, const struct collect_attachment *a)
{
  struct haul *h = container_of (out, struct haul, out);
  const char *slash = strrchr (a->path, '/');
  const char *name = slash ? slash + 1 : a->path;
  struct json_object *o;
  LOCK_SCOPE (&h->m);

  if (h->closed)
    return;
  if (h->attached && json_object_array_length (h->attached)
                         >= HAUL_MAX_ATTACHED)
    {
      add_gap_locked (h, "attachments", "more than are listed", NULL);
      return;
    }
  if (!h->attached)
    h->attached = json_object_new_array ();
  o = json_object_new_object ();
  json_add_text (o, "name", name, strlen (name));
  json_add_text (o, "path", a->path, strlen (a->path));
  json_add_int (o, "bytes", (int64_t) a->bytes);
  json_add_str (o, "sha256", a->sha256);
  json_add_str (o, "collector", h->collector);
  json_add_str (o, "sensitivity", "secret");
  json_add_str (o, "send", a->send);
  json_object_array_add (h->attached, o);
}

static struct haul_file *
find_locked (struct haul *h, const char *name)
{
  for (unsigned i = 0; i < h->nfiles; i++)
    if (strcmp (h->files[i].name, name) == 0)
      return &h->files[i];
  return NULL;
}

static struct haul_file *
file_locked (struct haul *h, const char *name)
{
  struct haul_file *f = find_locked (h, name);
  size_t n = strlen (name);

  if (f)
    return f;
  if (h->nfiles == HAUL_MAX_FILES || n >= sizeof (f->name))
    return NULL;
  f = &h->files[h->nfiles];
  if (!haul_limit_name (h->limit, name, h->step, f->shown))
    return NULL;
  memcpy (f->name, name, n + 1);
  h->nfiles++;
  return f;
}

static bool
put_piece_locked (struct haul *h, struct haul_file *f, const void *data,
                  size_t len)
{
  struct piece *p = malloc (sizeof (*p) + len);

  if (!p)
    return false;
  p->next = NULL;
  memcpy (p->name, f->shown, sizeof (p->name));
  p->offset = f->size;
  p->len = len;
  memcpy (p->data, data, len);
  *h->pieces_end = p;
  h->pieces_end = &p->next;
  f->size += len;
  h->bytes += len;
  h->queued += len;
  return true;
}

static void
wake_locked (struct haul *h)
{
  if (h->woken || h->held || !h->pieces)
    return;
  h->refs++;
  /* Without memory they wait for the next call, or for the end. */
  if (loop_post (h->loop, woken, h, haul_not_woken) < 0)
    h->refs--;
  else
    h->woken = true;
}

/* Under the lock, which it leaves while it stands. */
void
haul_stand_locked (struct haul *h)
{
  struct timespec until;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_nsec += STAND_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_cond_timedwait (&h->taken, &h->m, &until);
}

static bool
stand_for_room (struct haul *h, size_t len)
{
  while (h->job && !h->closed && h->queued + len > HAUL_QUEUE)
    {
      if (job_stopping (h->job))
        return false;
      wake_locked (h);
      haul_stand_locked (h);
    }
  return true;
}

/* All of it, in pieces, or what did not go is named. */
static enum lack
put_locked (struct haul *h, struct haul_file *f, const char *from, size_t *len)
{
  if (!f || h->bytes + *len > HAUL_MAX_BYTES)
    return LACK_SIZE;
  if (!haul_limit_take (h->limit, *len))
    return LACK_LIMIT;
  for (size_t n; *len > 0; from += n, *len -= n)
    {
      n = *len < HAUL_PIECE ? *len : HAUL_PIECE;
      if (!stand_for_room (h, n))
        return LACK_TIME;
      if (h->closed)
        return LACK_MAX;
      if (!put_piece_locked (h, f, from, n))
        return LACK_SIZE;
    }
  return LACK_MAX;
}

static void
out_file (struct collect_out *out, const char *name, const void *data,
          size_t len)
{
  struct haul *h = container_of (out, struct haul, out);
  struct haul_file *f;
  enum lack lack;
  LOCK_SCOPE (&h->m);

  if (h->closed)
    return;
  f = file_locked (h, name);
  /* What comes after a hole would stand at the wrong place. */
  if (f && f->cut)
    {
      h->lost[f->cut - 1].bytes += len;
      f->lost += len;
      return;
    }
  lack = put_locked (h, f, data, &len);
  if (lack < LACK_MAX)
    {
      if (!h->lost[lack].first[0])
        snprintf (h->lost[lack].first, sizeof (h->lost[lack].first), "%s",
                  name);
      h->lost[lack].bytes += len;
      if (f)
        {
          f->cut = 1 + (unsigned) lack;
          f->lost += len;
        }
    }
  wake_locked (h);
}

static void
out_fact (struct collect_out *out, const struct fact *fact)
{
  struct haul *h = container_of (out, struct haul, out);
  struct fact *f;
  LOCK_SCOPE (&h->m);

  if (h->closed)
    return;
  if (h->nfacts == HAUL_MAX_FACTS)
    {
      h->facts_lost++;
      return;
    }
  f = &h->facts[h->nfacts];
  *f = *fact;
  f->sample = 1;
  for (unsigned i = 0; i < h->nfacts; i++)
    f->sample += strcmp (h->facts[i].name, f->name) == 0;
  h->nfacts++;
}

/* ---- begin and end ---- */

int
haul_new (struct loop *loop, const char *collector, struct haul_limit *limit,
          const struct haul_ops *ops, void *arg, struct haul **ret,
          struct error *err)
{
  struct haul *h = calloc (1, sizeof (*h));
  pthread_condattr_t attr;

  if (!h)
    return error_set (err, ENOMEM, "no memory for the collector");
  h->out = (struct collect_out){
    .file = out_file,
    .fact = out_fact,
    .impact = out_impact,
    .impact_since = out_impact_since,
    .gap = out_gap,
    .attach = out_attach,
  };
  if (ops->intend)
    haul_allow_acts (h);
  h->loop = loop;
  snprintf (h->collector, sizeof (h->collector), "%s", collector);
  h->ops = ops;
  h->arg = arg;
  h->limit = haul_limit_ref (limit);
  pthread_mutex_init (&h->m, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&h->taken, &attr);
  pthread_condattr_destroy (&attr);
  h->refs = 1;
  h->pieces_end = &h->pieces;
  h->impact = json_object_new_array ();
  h->gaps = json_object_new_array ();
  *ret = h;
  return 0;
}

void
haul_step (struct haul *h, const char *step)
{
  snprintf (h->step, sizeof (h->step), "%s", step);
}

void
haul_job (struct haul *h, const struct job *job)
{
  LOCK_SCOPE (&h->m);
  h->job = job;
}

struct collect_out *
haul_out (struct haul *h)
{
  return &h->out;
}

/* What lacks something is called as the file is, also where it was told before
 * the file was begun. */
static void
name_gaps_locked (struct haul *h)
{
  for (size_t i = 0; i < json_object_array_length (h->gaps); i++)
    {
      struct json_object *o = json_object_array_get_idx (h->gaps, i);
      const char *what = json_get_str (o, "what");
      struct haul_file *f = what ? find_locked (h, what) : NULL;

      if (f && strcmp (f->shown, f->name) != 0)
        json_add_str (o, "what", f->shown);
    }
}

/* One gap of each reason. */
static void
add_lost_locked (struct haul *h)
{
  char text[160];

  for (unsigned i = 0; i < LACK_MAX; i++)
    if (h->lost[i].first[0])
      {
        snprintf (text, sizeof (text),
                  "%s: %" PRIu64 " bytes from here on", lacks[i],
                  h->lost[i].bytes);
        add_gap_locked (h, h->lost[i].first, text, lack_names[i]);
      }
  if (h->facts_lost)
    {
      snprintf (text, sizeof (text), "%u more than %u in one step",
                h->facts_lost, HAUL_MAX_FACTS);
      add_gap_locked (h, "facts", text, lack_names[LACK_SIZE]);
    }
}

static struct json_object *
names_of (const struct haul *h)
{
  struct json_object *list = json_object_new_array ();

  for (unsigned i = 0; i < h->nfiles; i++)
    if (h->files[i].size > 0)
      json_object_array_add (list,
                             json_object_new_string (h->files[i].shown));
  return list;
}

/* Of those of which a beginning is there. */
static struct json_object *
cut_of (const struct haul *h)
{
  struct json_object *o = NULL;

  for (unsigned i = 0; i < h->nfiles; i++)
    if (h->files[i].lost > 0 && h->files[i].size > 0)
      {
        if (!o)
          o = json_object_new_object ();
        json_add_int (o, h->files[i].shown,
                      (int64_t) (h->files[i].size + h->files[i].lost));
      }
  return o;
}

void
haul_close (struct haul *h, struct haul_end *ret)
{
  {
    LOCK_SCOPE (&h->m);
    h->closed = true;
    /* Who stands in out->file() may go. */
    pthread_cond_broadcast (&h->taken);
  }
  /* From here on the thread changes nothing in it. */
  if (!ret)
    {
      haul_drop (h);
      return;
    }
  haul_tell_undone (h);
  haul_pump (h);
  add_lost_locked (h);
  name_gaps_locked (h);
  *ret = (struct haul_end){ h->facts, h->nfacts, steal_ptr (&h->impact),
                            steal_ptr (&h->gaps), names_of (h),
                            steal_ptr (&h->attached), cut_of (h), 0,
                            h->bytes };
  for (unsigned i = 0; i < LACK_MAX; i++)
    ret->lost += h->lost[i].bytes;
}
