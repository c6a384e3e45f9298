/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the devices behind a guest's disk how they are, through the opener:
 * it has the rights, and its processes may get stuck.
 */
#include "diag/collect/health.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 1500
#define MAX_TEXT (64u << 10)
#define MAX_ASKED 64 /* devices behind all disks of a guest */
#define NOT_ASKED 1

struct answered
{
  char number[24];
  struct health health;
  struct error why;
  int rc;
};

struct health_asked
{
  struct answered list[MAX_ASKED];
  unsigned n;
};

/* Of all devices together: the worst pool, the worst disk. */
struct sum
{
  struct health pool, disk;
  char pool_name[100], disk_name[40];
  int64_t media_errors;
  bool failed; /* one gap for a disk of the guest is enough */
  bool asleep;
};

struct health_asked *
health_asked_new (void)
{
  return calloc (1, sizeof (struct health_asked));
}

void
health_asked_free (struct health_asked *all)
{
  free (all);
}

static bool
is_asked (const char *device, const char *kind)
{
  if (strncmp (device, "dm-", 3) == 0)
    return strcmp (kind, "crypt") != 0;
  return strcmp (kind, "nvme") == 0 || strcmp (kind, "scsi") == 0;
}

static bool
may_sleep (const char *kind)
{
  return strcmp (kind, "scsi") == 0;
}

static int
ask (struct collect_ctx *ctx, const char *number, struct health *ret,
     struct error *err)
{
  struct opener *opener = ctx->env->opener;
  const struct open_req req
      = { .kind = OPEN_HEALTH, .root = "/dev/block", .path = number };
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  CLEANUP_CLOSE int fd = -1;
  int lock = -1, r;

  if (!opener)
    return error_set (err, ENOTSUP, "nobody to open it");
  r = opener->open (opener, &req, collect_until (ctx, ASK_MS), &fd, &lock,
                    err);
  if (r == 0)
    r = collect_slurp_fd (fd, &text, err);
  if (r < 0)
    return r;
  health_read (buf_str (&text), text.len, ret);
  return 0;
}

static const struct answered *
find (const struct health_asked *all, const char *number)
{
  for (unsigned i = 0; i < all->n; i++)
    if (strcmp (all->list[i].number, number) == 0)
      return &all->list[i];
  return NULL;
}

/* The same behind several disks is asked once: a dead one costs its time
 * once. */
static void
want (struct health_asked *all, const char *number)
{
  struct answered *a;

  if (find (all, number) || all->n == MAX_ASKED
      || strlen (number) >= sizeof a->number)
    return;
  a = &all->list[all->n++];
  snprintf (a->number, sizeof a->number, "%s", number);
  a->rc = NOT_ASKED;
  error_set (&a->why, ETIMEDOUT, "the budget ended before it was asked");
}

static void
want_those (struct health_asked *all, struct json_object *devices,
            bool sleepers, bool dead)
{
  for (size_t i = 0; i < json_count (devices); i++)
    {
      struct json_object *o = json_object_array_get_idx (devices, i);
      const char *device = json_get_str (o, "device");
      const char *kind = json_get_str (o, "kind");
      const char *number = json_get_str (o, "number");
      const char *state = json_get_str (o, "state");

      if (device && kind && number
          && (state && strcmp (state, "dead") == 0) == dead
          && (sleepers ? may_sleep (kind) : is_asked (device, kind)))
        want (all, number);
    }
}

struct asking
{
  struct answered *those[MAX_ASKED];
  unsigned n;
};

static void
ask_part (struct collect_ctx *ctx, unsigned i, void *arg)
{
  struct answered *a = ((struct asking *) arg)->those[i];

  a->why = (struct error) ERROR_INIT;
  a->rc = ask (ctx, a->number, &a->health, &a->why);
}

void
health_ask_together (struct collect_ctx *ctx,
                     struct json_object *const *lists, unsigned n,
                     bool sleepers, struct health_asked *all)
{
  struct asking asking = { .n = 0 };

  for (unsigned dead = 0; dead < 2; dead++)
    for (unsigned i = 0; i < n; i++)
      want_those (all, lists[i], sleepers, dead);
  for (unsigned i = 0; i < all->n; i++)
    if (all->list[i].rc == NOT_ASKED)
      asking.those[asking.n++] = &all->list[i];
  collect_together (ctx, asking.n, ask_part, &asking);
}

/* Into its object of disk/images.json. */
static void
note (struct json_object *o, const struct health *h)
{
  if (h->pool)
    json_add_str (o, "pool", pool_state_names[h->pool]);
  if (h->data >= 0)
    json_object_object_add (o, "data", json_object_new_double (h->data));
  if (h->metadata >= 0)
    json_object_object_add (o, "metadata",
                            json_object_new_double (h->metadata));
  if (h->disk)
    json_add_str (o, "health", disk_health_names[h->disk]);
  if (h->media_errors >= 0)
    json_add_int (o, "media_errors", h->media_errors);
  if (h->why[0])
    json_add_str (o, "warns", h->why);
  if (h->asleep)
    json_add_bool (o, "asleep", true);
}

static void
take (struct sum *sum, struct json_object *o, const struct health *h)
{
  const char *name = json_get_str (o, "name");
  const char *device = json_get_str (o, "device");

  /* The pool is below its volumes, which say the same of it. */
  if (h->pool && h->pool >= sum->pool.pool)
    {
      sum->pool = *h;
      snprintf (sum->pool_name, sizeof sum->pool_name, "%s",
                name ? name : device);
    }
  if (h->disk > sum->disk.disk)
    {
      sum->disk = *h;
      snprintf (sum->disk_name, sizeof sum->disk_name, "%s", device);
    }
  sum->asleep |= h->asleep;
  if (h->media_errors >= 0)
    sum->media_errors = (sum->media_errors > 0 ? sum->media_errors : 0)
                        + h->media_errors;
}

static void
one (struct collect_ctx *ctx, const char *target, struct json_object *o,
     struct health_asked *all, struct sum *sum)
{
  const char *device = json_get_str (o, "device");
  const char *kind = json_get_str (o, "kind");
  const char *number = json_get_str (o, "number");
  const struct answered *a;
  const char *why;

  if (!device || !kind || !number || !is_asked (device, kind))
    return;
  a = find (all, number);
  if (a && a->rc == 0)
    {
      note (o, &a->health);
      take (sum, o, &a->health);
    }
  /* Of a kind that says nothing: that is no gap. */
  if (a && (a->rc == 0 || a->rc == -ENODEV))
    return;
  why = a ? error_text (&a->why) : "too many devices";
  json_add_text (o, "not_asked", why, strlen (why));
  if (!sum->failed)
    ctx->out->gap (ctx->out, "disk/images.json", "%s: how %s behind it is: %s",
                   target, device, why);
  sum->failed = true;
}

/* ---- facts ---- */

static const char *
trouble_of (const struct health *h)
{
  switch (h->pool)
    {
    case POOL_OUT_OF_DATA:
      return h->errors_if_full ? "has no room for data, and fails writes"
                               : "has no room for data, and lets writes wait";
    case POOL_READ_ONLY:
      return "is read-only";
    case POOL_NEEDS_CHECK:
      return "needs a check of its metadata (needs_check)";
    case POOL_FAILED:
      return "has failed";
    default:
      return NULL;
    }
}

static void
say_pool (struct collect_ctx *ctx, const char *target, const struct sum *sum)
{
  const struct health *h = &sum->pool;
  const char *trouble = trouble_of (h);
  char name[FACT_NAME_MAX], text[200];

  if (h->pool == POOL_NONE)
    return;
  collect_name (name, sizeof name, "disk.", target, ".pool");
  collect_str (ctx, name, "host", sum->pool_name);
  collect_name (name, sizeof name, "disk.", target, ".pool_state");
  collect_str (ctx, name, "host", pool_state_names[h->pool]);
  collect_name (name, sizeof name, "disk.", target, ".pool_data");
  if (h->data >= 0)
    collect_real (ctx, name, "host", h->data);
  collect_name (name, sizeof name, "disk.", target, ".pool_metadata");
  if (h->metadata >= 0)
    collect_real (ctx, name, "host", h->metadata);
  snprintf (text, sizeof text, "thin pool %s %s", sum->pool_name,
            trouble ? trouble : "");
  collect_name (name, sizeof name, "disk.", target, ".pool_trouble");
  if (trouble)
    collect_str (ctx, name, "host", text);
}

static void
say_disk (struct collect_ctx *ctx, const char *target, const struct sum *sum)
{
  const struct health *h = &sum->disk;
  char name[FACT_NAME_MAX], text[220];

  if (h->disk == HEALTH_UNKNOWN)
    return;
  collect_name (name, sizeof name, "disk.", target, ".health");
  collect_str (ctx, name, "host", disk_health_names[h->disk]);
  snprintf (text, sizeof text, "%s: %s", sum->disk_name, h->why);
  collect_name (name, sizeof name, "disk.", target, ".health_trouble");
  if (h->why[0])
    collect_str (ctx, name, "host", text);
  collect_name (name, sizeof name, "disk.", target, ".media_errors");
  if (sum->media_errors >= 0)
    collect_int (ctx, name, "host", sum->media_errors);
}

void
health_ask (struct collect_ctx *ctx, const char *target,
            struct json_object *devices, struct health_asked *all)
{
  struct sum sum = { .media_errors = -1 };
  char name[FACT_NAME_MAX];

  health_ask_together (ctx, &devices, 1, false, all);
  for (size_t i = 0; i < json_count (devices); i++)
    one (ctx, target, json_object_array_get_idx (devices, i), all, &sum);
  say_pool (ctx, target, &sum);
  say_disk (ctx, target, &sum);
  collect_name (name, sizeof name, "disk.", target, ".asleep");
  if (sum.asleep)
    collect_bool (ctx, name, "host", true);
}

bool
health_slept (struct json_object *devices, const struct health_asked *all)
{
  bool slept = false;

  for (size_t i = 0; i < json_count (devices); i++)
    {
      struct json_object *o = json_object_array_get_idx (devices, i);
      const char *number = json_get_str (o, "number");
      const struct answered *a = number ? find (all, number) : NULL;

      slept |= a && a->rc == 0 && a->health.asleep;
    }
  return slept;
}
