/* SPDX-License-Identifier: Apache-2.0
 *
 * Pauses: a short list, and its state file.
 */
#include "supervisor/watch/pauses.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define FORMAT 1

struct entry
{
  struct pause said;
  uint64_t until_ms; /* CLOCK_BOOTTIME */
};

struct pauses
{
  struct pauses_env env;
  struct kept *kept;
  struct entry *list;
  unsigned n, cap;
  char boot_id[40];
};

/* ---- time ---- */

static uint64_t
boot_now (void *arg)
{
  (void) arg;
  return clock_boot_ms ();
}

static uint64_t
wall_now (void *arg)
{
  (void) arg;
  return clock_wall_ms ();
}

/* "" when there is none: then the wall clock has to do. */
static void
read_boot_id (char *dst, size_t n)
{
  CLEANUP_CLOSE int fd = open (BOOT_ID, O_RDONLY | O_CLOEXEC);
  ssize_t len = fd < 0 ? 0 : read (fd, dst, n - 1);

  dst[len > 0 ? len : 0] = '\0';
  dst[strcspn (dst, "\n")] = '\0';
}

/* ---- the list ---- */

/* As of now: a clock that was set meanwhile changes when it ends for people,
 * and not for how long it holds. */
static void
say (struct pauses *p, const struct entry *e, struct pause *ret)
{
  uint64_t now = p->env.boot_ms (p->env.arg);

  *ret = e->said;
  ret->left_ms = e->until_ms > now ? e->until_ms - now : 0;
  ret->until_wall_ms = p->env.wall_ms (p->env.arg) + ret->left_ms;
}

static void
drop (struct pauses *p, unsigned i)
{
  memmove (&p->list[i], &p->list[i + 1], (--p->n - i) * sizeof (*p->list));
}

/* What is over is gone; on disk it stays until the next change, and is over
 * there, too. */
static void
expire (struct pauses *p)
{
  uint64_t now = p->n ? p->env.boot_ms (p->env.arg) : 0;

  for (unsigned i = p->n; i-- > 0;)
    if (p->list[i].until_ms <= now)
      drop (p, i);
}

static struct entry *
find (struct pauses *p, const struct pause *what)
{
  for (unsigned i = 0; i < p->n; i++)
    if (strcmp (p->list[i].said.uuid, what->uuid) == 0
        && strcmp (p->list[i].said.scenario, what->scenario) == 0)
      return &p->list[i];
  return NULL;
}

static struct entry *
room (struct pauses *p, struct error *err)
{
  if (p->n >= PAUSES_MAX)
    {
      error_set (err, ENOBUFS, "%u pauses stand already: resume some",
                 PAUSES_MAX);
      return NULL;
    }
  if (p->n == p->cap)
    {
      unsigned cap = p->cap ? 2 * p->cap : 4;
      struct entry *list = realloc (p->list, cap * sizeof (*list));

      if (!list)
        {
          error_set (err, ENOMEM, "no memory for a pause");
          return NULL;
        }
      p->list = list;
      p->cap = cap;
    }
  return &p->list[p->n++];
}

bool
pauses_hold (struct pauses *p, const char *uuid, const char *scenario,
             struct pause *ret)
{
  const struct entry *best = NULL;

  expire (p);
  for (unsigned i = 0; i < p->n; i++)
    {
      const struct entry *e = &p->list[i];

      if ((e->said.uuid[0] && strcmp (e->said.uuid, uuid) != 0)
          || (e->said.scenario[0] && strcmp (e->said.scenario, scenario) != 0)
          || (best && best->until_ms >= e->until_ms))
        continue;
      best = e;
    }
  if (best)
    say (p, best, ret);
  return best != NULL;
}

int
pauses_add (struct pauses *p, struct pause *what, uint64_t seconds,
            struct error *err)
{
  struct entry *e;

  if (seconds < 1 || seconds > PAUSE_LONGEST_S)
    return error_set (err, EINVAL,
                      "a pause is 1 second to 31 days long, not %llu seconds",
                      (unsigned long long) seconds);
  expire (p);
  e = find (p, what);
  if (!e)
    e = room (p, err);
  if (!e)
    return -err->code;
  e->said = *what;
  e->said.since_wall_ms = p->env.wall_ms (p->env.arg);
  e->until_ms = p->env.boot_ms (p->env.arg) + seconds * 1000;
  say (p, e, what);
  return 0;
}

unsigned
pauses_end (struct pauses *p, const char *uuid, const char *scenario,
            pause_fn *fn, void *arg)
{
  unsigned ended = 0;

  expire (p);
  for (unsigned i = p->n; i-- > 0;)
    {
      struct pause was;

      if ((uuid && strcmp (p->list[i].said.uuid, uuid) != 0)
          || (scenario && strcmp (p->list[i].said.scenario, scenario) != 0))
        continue;
      say (p, &p->list[i], &was);
      drop (p, i);
      ended++;
      if (fn)
        fn (&was, arg);
    }
  return ended;
}

void
pauses_keep (struct pauses *p, kept_done_fn *done, void *arg)
{
  kept_save (p->kept, done, arg);
}

void
pauses_each (struct pauses *p, pause_fn *fn, void *arg)
{
  expire (p);
  for (unsigned i = 0; i < p->n; i++)
    {
      struct pause now;

      say (p, &p->list[i], &now);
      fn (&now, arg);
    }
}

void
pause_words (const struct pause *pause, char *dst, size_t n)
{
  char until[32];

  clock_format (until, sizeof (until), pause->until_wall_ms);
  snprintf (dst, n, "paused by %s until %.19sZ%s%s",
            pause->who[0] ? pause->who : pause->by, until,
            pause->reason[0] ? ": " : "", pause->reason);
}

/* ---- on disk ---- */

static struct json_object *
give (void *arg)
{
  struct pauses *p = arg;
  struct json_object *root = json_object_new_object ();
  struct json_object *all = json_object_new_array ();

  expire (p);
  json_add_int (root, "format", FORMAT);
  json_add_str (root, "boot_id", p->boot_id);
  for (unsigned i = 0; i < p->n; i++)
    {
      struct json_object *o = json_object_new_object ();
      struct pause s;

      say (p, &p->list[i], &s);
      json_add_str (o, "uuid", s.uuid);
      json_add_text (o, "guest", s.guest, strlen (s.guest));
      json_add_text (o, "scenario", s.scenario, strlen (s.scenario));
      json_add_text (o, "who", s.who, strlen (s.who));
      json_add_text (o, "by", s.by, strlen (s.by));
      json_add_text (o, "reason", s.reason, strlen (s.reason));
      json_add_int (o, "since_wall_ms", (int64_t) s.since_wall_ms);
      json_add_int (o, "until_wall_ms", (int64_t) s.until_wall_ms);
      json_add_int (o, "until_boot_ms", (int64_t) p->list[i].until_ms);
      json_object_array_add (all, o);
    }
  json_object_object_add (root, "pauses", all);
  return root;
}

static void
copy (struct json_object *o, const char *key, char *dst, size_t n)
{
  const char *s = json_get_str (o, key);

  snprintf (dst, n, "%s", s ? s : "");
}

/* How long it has still to go; of another boot by the wall clock. */
static uint64_t
left_of (struct pauses *p, struct json_object *o, bool same_boot)
{
  int64_t now = (int64_t) (same_boot ? p->env.boot_ms (p->env.arg)
                                     : p->env.wall_ms (p->env.arg));
  int64_t until
      = json_get_int (o, same_boot ? "until_boot_ms" : "until_wall_ms", 0);

  if (until <= now)
    return 0;
  until -= now;
  return until < PAUSE_LONGEST_S * 1000LL ? (uint64_t) until
                                          : PAUSE_LONGEST_S * 1000ull;
}

static void
take_one (struct pauses *p, struct json_object *o, bool same_boot)
{
  uint64_t left = left_of (p, o, same_boot);
  struct pause was = { .left_ms = left };
  struct error err = ERROR_INIT;
  struct entry *e;

  copy (o, "uuid", was.uuid, sizeof (was.uuid));
  copy (o, "guest", was.guest, sizeof (was.guest));
  copy (o, "scenario", was.scenario, sizeof (was.scenario));
  copy (o, "who", was.who, sizeof (was.who));
  copy (o, "by", was.by, sizeof (was.by));
  copy (o, "reason", was.reason, sizeof (was.reason));
  was.since_wall_ms = (uint64_t) json_get_int (o, "since_wall_ms", 0);
  /* What was said since we started is newer. */
  if (left == 0 || find (p, &was))
    return;
  e = room (p, &err);
  if (!e)
    return;
  e->said = was;
  e->until_ms = p->env.boot_ms (p->env.arg) + left;
}

static bool
take (struct json_object *root, void *arg)
{
  struct pauses *p = arg;
  struct json_object *all = root ? json_get (root, "pauses") : NULL;
  const char *id = root ? json_get_str (root, "boot_id") : NULL;
  bool same_boot = id && id[0] && strcmp (id, p->boot_id) == 0;

  if (!json_object_is_type (all, json_type_array))
    return !root;
  for (size_t i = 0; i < json_object_array_length (all); i++)
    take_one (p, json_object_array_get_idx (all, i), same_boot);
  if (p->n)
    log_info ("%u pauses of an earlier daemon go on", p->n);
  return json_get_int (root, "format", FORMAT) <= FORMAT;
}

static const struct kept_ops kept_ops = {
  .file = "pauses.json",
  .what = "the list of pauses",
  .take = take,
  .give = give,
};

/* ---- making ---- */

int
pauses_new (const struct pauses_env *env, struct pauses **ret,
            struct error *err)
{
  struct pauses *p = calloc (1, sizeof (*p));
  int r;

  if (!p)
    return error_set (err, ENOMEM, "no memory for pauses");
  p->env = *env;
  if (!p->env.boot_ms)
    p->env.boot_ms = boot_now;
  if (!p->env.wall_ms)
    p->env.wall_ms = wall_now;
  if (env->boot_id)
    snprintf (p->boot_id, sizeof (p->boot_id), "%s", env->boot_id);
  else
    read_boot_id (p->boot_id, sizeof (p->boot_id));
  r = kept_new (env->loop, env->writer, &kept_ops, p, &p->kept, err);
  if (r < 0)
    {
      free (p);
      return r;
    }
  *ret = p;
  return 0;
}

void
pauses_free (struct pauses *p)
{
  if (!p)
    return;
  kept_free (p->kept);
  free (p->list);
  free (p);
}

void
pauses_writer_up (struct pauses *p)
{
  kept_up (p->kept);
}
