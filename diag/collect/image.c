/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector image: does the host's storage behind the guest's disks answer,
 * is there room, and what have the guest's file systems noted down of errors?
 *
 * The images are those that QEMU itself has open, found by its descriptors:
 * what an image names as its base is believed only where QEMU has it open.
 * They are opened by the opener, past the host's cache, and read by a parser
 * process: what gets stuck there is neither the daemon nor this job.
 */
#include "diag/collect/backing.h"
#include "diag/collect/health.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"
#include "diag/facts.h"
#include "kernel/image/image.h"
#include "transports/memory/parser.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_MS 2000 /* for one disk; a healthy one takes a few */
#define LEAST_MS 1000 /* less says nothing of one that does not come */
#define ASLEEP_MS 1500
#define HEALTH_MS 2000 /* kept for the last of it */
#define MAX_LIST (256u << 10)

/* ---- what QEMU has open ---- */

static int
open_of (struct collect_ctx *ctx, const char *what, int *ret_fd,
         struct error *err)
{
  const struct incarnation *inc = &ctx->guest->inc;
  struct opener *opener = ctx->env->opener;
  char path[64];
  const struct open_req req = { .kind = OPEN_PROC, .root = "/proc",
                                .path = path, .check_pid = inc->pid,
                                .check_start = inc->start_time };
  int lock = -1;

  if (!opener)
    return error_set (err, ENOTSUP, "nobody to open it");
  snprintf (path, sizeof path, "%d/%s", inc->pid, what);
  return opener->open (opener, &req, collect_until (ctx, 1500), ret_fd, &lock,
                       err);
}

/* The number of the descriptor that leads there, -1 = there is none. */
static int
fd_of (const char *list, const char *path)
{
  size_t n = strlen (path);

  for (const char *line = list; line && *line;)
    {
      const char *end = strchr (line, '\n');
      const char *target = strchr (line, ' ');

      if (!end || !target)
        return -1;
      target++;
      if (target < end && (size_t) (end - target) == n
          && memcmp (target, path, n) == 0)
        return atoi (line);
      line = end + 1;
    }
  return -1;
}

/* Relative names are so to the image that has them. */
static void
behind_path (const char *above, const char *name, char *dst, size_t n)
{
  const char *slash = strrchr (above, '/');

  if (strncmp (name, "file:", 5) == 0)
    name += 5;
  if (name[0] == '/' || !slash)
    snprintf (dst, n, "%s", name);
  else
    snprintf (dst, n, "%.*s/%s", (int) (slash - above), above, name);
}

/* ---- one parser ---- */

struct answer
{
  struct json_object *read, *image;
  char why[200];
};

static void
answer_done (struct answer *a)
{
  json_object_put (a->read);
  json_object_put (a->image);
  *a = (struct answer){ .read = NULL };
}

static int
on_frame (struct frame *f, void *arg)
{
  struct answer *a = arg;
  const char *op = json_get_str (f->head, "op");
  const char *said;

  if (op && strcmp (op, "read") == 0 && !a->read)
    {
      a->read = json_object_get (f->head);
      return 0;
    }
  if (op && strcmp (op, "image") == 0)
    {
      a->image = json_object_get (f->head);
      return 1;
    }
  said = json_get_str (json_get (f->head, "error"), "message");
  snprintf (a->why, sizeof a->why, "%.190s",
            said ? said : "the parser said something else");
  return 1;
}

static bool
has_time (const struct collect_ctx *ctx)
{
  return clock_ms () + LEAST_MS <= ctx->deadline;
}

/* -ETIMEDOUT: the storage, or the parser, did not answer. */
static int
parse (struct collect_ctx *ctx, const int *fds, unsigned n, struct answer *ret,
       struct error *err)
{
  static const char *const args[] = { "image", NULL };
  uint64_t deadline = collect_until (ctx, READ_MS);
  struct parser_spec spec = { .libexec = ctx->env->libexec,
                              .program = "hangdog-parser",
                              .deadline_ms = READ_MS + 1000,
                              .args = args,
                              .inputs = fds,
                              .ninputs = n };
  struct parser_run *p = NULL;
  int r = parser_run_start (&spec, &p, err);

  if (r < 0)
    return r;
  r = parser_run_listen (p, deadline, on_frame, ret, err);
  parser_run_end (p, r < 0, NULL);
  if (r >= 0 && !ret->image)
    return error_set (err, EIO, "%s", ret->why);
  return r < 0 ? r : 0;
}

/* ---- what it says, as facts ---- */

static void
say_error (struct collect_ctx *ctx, const char *name, struct json_object *e)
{
  const char *where = json_get_str (e, "where");
  int64_t at = json_get_int (e, "time", 0);
  char text[160], time[32] = "?";

  if (at > 0 && at < INT64_C (1) << 40)
    clock_format (time, sizeof time, (uint64_t) at * 1000);
  snprintf (text, sizeof text, "%.40s:%" PRId64 " (inode %" PRId64 ") at %s",
            where ? where : "?", json_get_int (e, "line", 0),
            json_get_int (e, "inode", 0), time);
  collect_str (ctx, name, "host", text);
}

/* "vda1"; "disk0p1", where the name ends in a digit. */
static void
part_name (char *dst, size_t n, const char *target, int64_t partition)
{
  size_t len = strlen (target);
  bool digit = len && target[len - 1] >= '0' && target[len - 1] <= '9';

  if (partition > 0 && partition < 256)
    snprintf (dst, n, "%.24s%s%d", target, digit ? "p" : "",
              (int) partition);
  else
    snprintf (dst, n, "%.30s", target);
}

static void
say_fs (struct collect_ctx *ctx, const char *target, struct json_object *fs)
{
  const char *type = json_get_str (fs, "type");
  const char *state = json_get_str (fs, "state");
  struct json_object *last = json_get (fs, "last");
  int64_t errors = json_get_int (fs, "errors", 0), at;
  int64_t now = (int64_t) (clock_wall_ms () / 1000);
  char part[40], name[FACT_NAME_MAX];

  part_name (part, sizeof part, target, json_get_int (fs, "partition", 0));
  collect_name (name, sizeof name, "disk.", part, ".fs.type");
  if (type)
    collect_text (ctx, name, "host", type, strnlen (type, IMAGE_WORD));
  collect_name (name, sizeof name, "disk.", part, ".fs.state");
  /* A parser may have been taken over: only what the table has. */
  if (state && fact_is_word ("unknown|clean|in-use|errors", state))
    collect_str (ctx, name, "host", state);
  if (!type || strncmp (type, "ext", 3) != 0)
    return;
  collect_name (name, sizeof name, "disk.", part, ".fs.errors");
  collect_int (ctx, name, "host", errors);
  if (errors <= 0 || !last)
    return;
  collect_name (name, sizeof name, "disk.", part, ".fs.first_error");
  say_error (ctx, name, json_get (fs, "first"));
  collect_name (name, sizeof name, "disk.", part, ".fs.last_error");
  say_error (ctx, name, last);
  at = json_get_int (last, "time", 0);
  collect_name (name, sizeof name, "disk.", part, ".fs.error_age_s");
  if (at > 0 && at <= now)
    collect_real (ctx, name, "host", (double) (now - at));
}

static void
say_image (struct collect_ctx *ctx, const char *target,
           struct json_object *image)
{
  struct json_object *list = json_get (image, "fs");
  char name[FACT_NAME_MAX];

  collect_name (name, sizeof name, "disk.", target, ".image_corrupt");
  collect_bool (ctx, name, "host", json_get_bool (image, "corrupt", false));
  for (size_t i = 0; json_object_is_type (list, json_type_array)
                     && i < json_object_array_length (list)
                     && i < IMAGE_FS_MAX;
       i++)
    say_fs (ctx, target, json_object_array_get_idx (list, i));
}

static void
say_read (struct collect_ctx *ctx, const struct guest_disk *d, int rc,
          struct json_object *read)
{
  const char *target = d->target;
  char name[FACT_NAME_MAX];

  collect_name (name, sizeof name, "disk.", target, ".host_read");
  if (read)
    collect_str (ctx, name, "host", "ok");
  else if (rc == -ETIMEDOUT)
    collect_str (ctx, name, "host", "late");
  else if (rc == -EIO)
    collect_str (ctx, name, "host", "failed");
  if (!read)
    return;
  collect_name (name, sizeof name, "disk.", target, ".host_read_ms");
  collect_real (ctx, name, "host",
                (double) json_get_int (read, "took_us", 0) / 1e3);
  collect_name (name, sizeof name, "disk.", target, ".host_free");
  if (json_get (read, "fs_free") && strncmp (d->path, "/dev/", 5) != 0)
    collect_int (ctx, name, "host", json_get_int (read, "fs_free", 0));
}

struct backing
{
  char kinds[200];
  const char *state; /* NULL = not known */
};

/* First of all: it asks nothing of what may be dead. */
static void
say_backing (struct collect_ctx *ctx, const struct guest_disk *d,
             struct json_object *doc, struct backing *ret)
{
  static const struct backing_of host = { "/sys", "/proc/self/mountinfo",
                                          "/proc/spl/kstat/zfs" };
  const char *target = d->target;
  char name[FACT_NAME_MAX];

  ret->state = NULL;
  json_object_object_add (doc, "backing",
                          backing_look (&host, d->path, ret->kinds,
                                        &ret->state));
  collect_name (name, sizeof name, "disk.", target, ".backing");
  if (ret->kinds[0])
    collect_str (ctx, name, "host", ret->kinds);
  collect_name (name, sizeof name, "disk.", target, ".backing_state");
  if (ret->state)
    collect_str (ctx, name, "host", ret->state);
}

/* On which side a disk stands that does not answer: what of this host does not
 * do its work, and nothing where all of it does.  What the image says of itself
 * is none of that: of a raw one the guest has written it. */
static void
say_trouble (struct collect_ctx *ctx, const struct guest_disk *d,
             const struct backing *b, int rc)
{
  bool stands = b->state && strcmp (b->state, "ok") != 0
                && strcmp (b->state, "degraded") != 0;
  const char *how = rc == -ETIMEDOUT ? "a read of it is not answered"
                    : rc == -EIO     ? "a read of it fails"
                    : stands ? "what is behind it is amiss"
                             : NULL;
  const char *slash = strrchr (d->path, '/'), *target = d->target;
  char text[240], name[FACT_NAME_MAX];

  if (!how)
    return;
  snprintf (text, sizeof text, "%.48s (%.24s): %s%s%.80s%s%s",
            slash && slash[1] ? slash + 1 : d->path, target, how,
            b->kinds[0] ? ", on " : "", b->kinds, stands ? ", " : "",
            stands ? b->state : "");
  collect_name (name, sizeof name, "disk.", target, ".host_trouble");
  collect_str (ctx, name, "host", text);
}

/* ---- one disk ---- */

struct looked
{
  const struct guest_disk *d;
  struct json_object *o; /* its own in disk/images.json, NULL = no file */
  struct backing backing;
  struct answer answer;
  struct error why;
  bool asked; /* in time */
  int rc;
};

struct probe
{
  struct collect_ctx *ctx;
  const char *list; /* of QEMU's descriptors */
  struct json_object *doc;
  char behind[240]; /* of those that were looked at */
  bool mixed;       /* they have not the same behind them */
  struct health_asked *health;
  struct looked disks[GUEST_MAX_DISKS];
  unsigned ndisks;
  struct looked *to_read[GUEST_MAX_DISKS];
  unsigned nto_read;
};

/* What one of them waits for is told where that is the same of all. */
static void
stands_behind (struct probe *p, const char *text)
{
  p->mixed = p->mixed || !text[0]
             || (p->behind[0] && strcmp (p->behind, text) != 0);
  snprintf (p->behind, sizeof p->behind, "%s", text);
}

/* Of one that is no file of this host: who serves it. */
static void
served (struct probe *p, const struct guest_disk *d)
{
  char who[120], text[160] = "", name[FACT_NAME_MAX];
  const char *target = d->target;

  if (guest_disk_server (d->path, who, sizeof who))
    snprintf (text, sizeof text, "server %s", who);
  stands_behind (p, text);
  collect_name (name, sizeof name, "disk.", target, ".backing");
  if (text[0])
    collect_str (p->ctx, name, "host", text);
}

static void
close_all (int *fds, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    close (fds[i]);
}

static int
open_image (struct collect_ctx *ctx, const char *list, const char *path,
            int *ret_fd, struct error *err)
{
  int fd = fd_of (list, path);
  char what[24];

  if (fd < 0)
    return error_set (err, ENOENT, "QEMU has no such file open: %s", path);
  snprintf (what, sizeof what, "fd/%d", fd);
  return open_of (ctx, what, ret_fd, err);
}

/* The image, and again with what is behind it where that is needed. */
static int
look (struct collect_ctx *ctx, const char *list, const struct guest_disk *d,
      struct answer *ret, struct error *err)
{
  int fds[IMAGE_LAYERS];
  unsigned n = 0;
  char path[IMAGE_NAME + 300];
  int r;

  /* A volume has a name of its own, and QEMU the device that it leads to. */
  snprintf (path, sizeof path, "%s", d->path);
  if (backing_is_device (path))
    {
      CLEANUP_FREE char *device = realpath (path, NULL);

      if (device)
        snprintf (path, sizeof path, "%s", device);
    }
  r = open_image (ctx, list, path, &fds[0], err);
  while (r == 0)
    {
      const char *behind;
      char above[sizeof path];

      n++;
      answer_done (ret);
      r = parse (ctx, fds, n, ret, err);
      behind = r == 0 ? json_get_str (ret->image, "behind") : NULL;
      if (r < 0 || n == IMAGE_LAYERS || !behind || !behind[0]
          || !json_get_bool (ret->image, "lacking", false))
        break;
      snprintf (above, sizeof above, "%s", path);
      behind_path (above, behind, path, sizeof path);
      /* What was read so far stands. */
      if (!has_time (ctx) || open_image (ctx, list, path, &fds[n], NULL) < 0)
        break;
    }
  close_all (fds, n);
  return r;
}

/* What is known without asking what may be dead. */
static void
begin (struct probe *p, const struct guest_disk *d)
{
  struct looked *l = &p->disks[p->ndisks++];
  struct collect_ctx *ctx = p->ctx;
  const char *target = d->target;
  char name[FACT_NAME_MAX];

  *l = (struct looked){ .d = d };
  if (d->path[0] != '/')
    {
      served (p, d);
      ctx->out->gap (ctx->out, "disk/images.json",
                     "%s: no file or device of this host", d->target);
      return;
    }
  l->o = json_object_new_object ();
  json_object_object_add (p->doc, d->target, l->o);
  say_backing (ctx, d, l->o, &l->backing);
  json_add_text (l->o, "path", d->path, strlen (d->path));
  collect_name (name, sizeof name, "disk.", target, ".image");
  collect_str (ctx, name, "host", d->path);
}

/* A read would wake it, and come too late as of one that is dead. */
static void
pick (struct probe *p, struct looked *l)
{
  struct collect_ctx *ctx = p->ctx;

  if (!health_slept (json_get (l->o, "backing"), p->health))
    {
      p->to_read[p->nto_read++] = l;
      return;
    }
  ctx->out->gap (ctx->out, "disk/images.json", "%s: a disk behind it "
                 "sleeps: it was not woken to be read", l->d->target);
  stands_behind (p, "");
}

static void
read_part (struct collect_ctx *ctx, unsigned i, void *arg)
{
  struct probe *p = arg;
  struct looked *l = p->to_read[i];

  if (!has_time (ctx))
    return;
  l->asked = true;
  l->rc = look (ctx, p->list, l->d, &l->answer, &l->why);
}

static void
tell (struct probe *p, struct looked *l)
{
  struct collect_ctx *ctx = p->ctx;
  const struct guest_disk *d = l->d;
  struct answer *a = &l->answer;

  if (l->asked)
    say_read (ctx, d, l->rc, a->read);
  else
    l->rc = error_set (&l->why, ECANCELED, "the budget ended before it was "
                                           "read");
  say_trouble (ctx, d, &l->backing, a->read ? 0 : l->rc);
  stands_behind (p, a->read ? "files or devices that the host itself reads "
                              "well"
                            : "");
  if (a->read)
    json_object_object_add (l->o, "read", json_object_get (a->read));
  if (a->image)
    {
      json_object_object_add (l->o, "image", json_object_get (a->image));
      say_image (ctx, d->target, a->image);
    }
  if (l->rc < 0)
    {
      json_add_text (l->o, "error", l->why.msg, strlen (l->why.msg));
      ctx->out->gap (ctx->out, "disk/images.json", "%s: %s", d->target,
                     error_text (&l->why));
    }
}

/* ---- all of them ---- */

/* The lists of devices, of those disks first that were read. */
static void
ask_health (struct probe *p, struct collect_ctx *ctx, bool sleepers)
{
  struct json_object *lists[GUEST_MAX_DISKS];
  unsigned n = 0;

  for (int was_read = 1; was_read >= 0; was_read--)
    for (unsigned i = 0; i < p->ndisks; i++)
      if (p->disks[i].o && (p->disks[i].answer.read != NULL) == was_read)
        lists[n++] = json_get (p->disks[i].o, "backing");
  health_ask_together (ctx, lists, n, sleepers, p->health);
}

/* None of those that are dead may take the others' time. */
static void
ask_all (struct probe *p)
{
  uint64_t now = clock_ms (), left = p->ctx->deadline - now;
  struct collect_ctx some = *p->ctx;

  if (now >= p->ctx->deadline)
    left = 0;
  some.deadline = now + (left / 4 < ASLEEP_MS ? left / 4 : ASLEEP_MS);
  ask_health (p, &some, true);
  for (unsigned i = 0; i < p->ndisks; i++)
    if (p->disks[i].o)
      pick (p, &p->disks[i]);
  some.deadline = now + left - (left / 4 < HEALTH_MS ? left / 4 : HEALTH_MS);
  collect_together (&some, p->nto_read, read_part, p);
  for (unsigned i = 0; i < p->nto_read; i++)
    tell (p, p->to_read[i]);
  /* Last: what is dead does not answer this, either. */
  ask_health (p, p->ctx, false);
  for (unsigned i = 0; i < p->ndisks; i++)
    if (p->disks[i].o)
      health_ask (p->ctx, p->disks[i].d->target,
                  json_get (p->disks[i].o, "backing"), p->health);
}

static void
probe_done (struct probe *p)
{
  for (unsigned i = 0; i < p->ndisks; i++)
    answer_done (&p->disks[i].answer);
  health_asked_free (p->health);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  struct buf list CLEANUP_BUF = BUF_INIT (MAX_LIST);
  struct probe p = { .ctx = ctx, .doc = doc };
  CLEANUP_CLOSE int fd = -1;
  int r;

  if (ctx->guest->inc.pid <= 0)
    return error_set (err, ENOENT, "its process is not known on this host");
  if (ctx->guest->ndisks == 0)
    return error_set (err, ENODEV, "no disks of this guest are known");
  r = open_of (ctx, "fd", &fd, err);
  if (r == 0)
    r = collect_slurp_fd (fd, &list, err);
  if (r < 0)
    return r;
  p.list = buf_str (&list);
  p.health = health_asked_new ();
  if (!p.health)
    return error_set (err, ENOMEM, "no memory");
  for (unsigned i = 0; i < ctx->guest->ndisks && i < GUEST_MAX_DISKS; i++)
    begin (&p, &ctx->guest->disks[i]);
  ask_all (&p);
  probe_done (&p);
  /* Our own conclusion: no vantage point. */
  if (p.behind[0] && !p.mixed)
    collect_str (ctx, "disk.behind", "diagnosis", p.behind);
  collect_json (ctx, "disk/images.json", doc);
  return 0;
}

static void
plan (const struct guest *g, const void *own, struct collect_plan *ret)
{
  (void) own;
  if (g->inc.pid <= 0 || g->ndisks == 0)
    snprintf (ret->never, sizeof ret->never,
              "no disks of this guest are known on this host");
  ret->none = g->inc.pid > 0 && g->ndisks == 0;
}

const struct collector collect_image = {
  .name = "image",
  .summary = "the storage behind its disks, and errors its file systems noted",
  .touch = TOUCH_NOTHING,
  .lane = LANE_HOST,
  .budget_ms = 8000,
  .bytes = 8192,
  .plan = plan,
  .run = run,
};
