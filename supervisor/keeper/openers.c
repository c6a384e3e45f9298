/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes that open for the keeper.
 */
#include "supervisor/keeper/openers.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/opener.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELPER_SOCKET 3

struct ask
{
  struct ask *next; /* while it waits for a helper */
  struct open_req req; /* its strings are ours */
  char folder[256];
  openers_done_fn *done;
  void *arg;
};

struct helper
{
  struct openers *all;
  struct helper *next;
  struct channel *channel;
  struct timer *slow;
  struct ask *ask; /* NULL = idle */
  bool given_up;   /* its request was answered without it */
  uint64_t since_ms;
};

struct openers
{
  struct loop *loop;
  openers_stuck_fn *stuck;
  void *stuck_arg;
  struct helper *helpers;
  unsigned nhelpers, nqueued;
  struct ask *first, **last;
};

static void pump (struct openers *o);

/* ---- in the helper ---- */

static int
read_request (struct json_object *head, struct open_req *req)
{
  *req = (struct open_req){
    .kind = (enum open_kind) json_get_int (head, "kind", 0),
    .root = json_get_str (head, "root"),
    .path = json_get_str (head, "path"),
    .check_pid = (int32_t) json_get_int (head, "check_pid", 0),
    .check_start = (uint64_t) json_get_int (head, "check_start", 0),
    .lock_pid = (int32_t) json_get_int (head, "lock_pid", 0),
    .socket = (enum open_socket) json_get_int (head, "socket", 0),
    .six = json_get_bool (head, "six", false),
    .ifname = json_get_str (head, "ifname"),
  };
  return req->root && req->path ? 0 : -EINVAL;
}

static int
serve_one (struct error *err)
{
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_CLOSE int fd = -1, lock = -1;
  struct error why = ERROR_INIT;
  struct open_req req;
  int fds[2], r, rc;

  r = frame_read (HELPER_SOCKET, &f, CLOCK_NEVER, err);
  if (r < 0)
    return r;
  json_add_int (head, "re", json_get_int (f.head, "id", 0));
  r = read_request (f.head, &req);
  if (r == 0)
    r = opener_do (&req, &fd, &lock, &why);
  if (r < 0)
    {
      json_add_int (head, "failed", -r);
      json_add_text (head, "why", error_text (&why),
                     strlen (error_text (&why)));
    }
  fds[0] = fd;
  fds[1] = lock;
  rc = frame_write (HELPER_SOCKET, head, NULL, 0, fds,
                    r < 0 ? 0 : lock < 0 ? 1 : 2, CLOCK_NEVER, err);
  /* It is in a namespace from which it can't come back. */
  return rc < 0 ? rc : r == -ENOTRECOVERABLE ? r : 0;
}

/* A fork of a process with one thread, so everything may be called here.  It
 * keeps none of the keeper's descriptors: stuck, it would keep the lock and
 * the consoles of others with it. */
static _Noreturn void
helper_main (int sock)
{
  struct error err = ERROR_INIT;
  sigset_t none;

  if (dup2 (sock, HELPER_SOCKET) < 0
      || close_range (HELPER_SOCKET + 1, ~0u, 0) < 0)
    _exit (126);
  prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  prctl (PR_SET_NAME, "hangdog-opener", 0, 0, 0);
  signal (SIGHUP, SIG_IGN);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  while (serve_one (&err) >= 0)
    ;
  _exit (0);
}

/* ---- requests ---- */

/* The root and the first component: what is mounted is seldom deeper, and
 * one guest's folder must not stand for all.  A mailbox is a file of the root
 * itself: each would be a folder of its own, and never refused.  Each disk
 * that is asked how it is is one of its own: a dead one says nothing of
 * another.  Nor does a file that a QEMU has open. */
static bool
is_image (const struct open_req *req)
{
  return req->kind == OPEN_PROC && strstr (req->path, "/fd/");
}

static void
folder_of (const struct open_req *req, char *dst, size_t n)
{
  if (is_image (req))
    {
      snprintf (dst, n, "%.180s/%.32s (image)", req->root, req->path);
      return;
    }
  if (req->kind == OPEN_MAILBOX)
    {
      snprintf (dst, n, "%.180s (mailboxes)", req->root);
      return;
    }
  if (req->kind == OPEN_HEALTH)
    {
      snprintf (dst, n, "%.180s/%.32s (health)", req->root, req->path);
      return;
    }
  snprintf (dst, n, "%.180s/%.*s", req->root, (int) strcspn (req->path, "/"),
            req->path);
}

static void
ask_free (struct ask *a)
{
  if (!a)
    return;
  free ((char *) a->req.root);
  free ((char *) a->req.path);
  free ((char *) a->req.ifname);
  free (a);
}

static struct ask *
ask_new (const struct open_req *req, openers_done_fn *done, void *arg)
{
  struct ask *a = calloc (1, sizeof (*a));

  if (!a)
    return NULL;
  a->req = *req;
  a->req.root = strdup (req->root);
  a->req.path = strdup (req->path);
  a->req.ifname = req->ifname ? strdup (req->ifname) : NULL;
  a->req.lock_dir = NULL;
  a->done = done;
  a->arg = arg;
  if (!a->req.root || !a->req.path || (req->ifname && !a->req.ifname))
    {
      ask_free (a);
      return NULL;
    }
  folder_of (req, a->folder, sizeof (a->folder));
  return a;
}

static void
ask_fail (struct ask *a, int code, const char *why)
{
  struct error err = ERROR_INIT;

  error_set (&err, code, "%s", why);
  if (a->done)
    a->done (-1, -1, &err, a->arg);
  a->done = NULL;
}

static struct json_object *
request (const struct ask *a)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", "open");
  json_add_int (head, "kind", a->req.kind);
  json_add_str (head, "root", a->req.root);
  json_add_str (head, "path", a->req.path);
  json_add_int (head, "check_pid", a->req.check_pid);
  json_add_int (head, "check_start", (int64_t) a->req.check_start);
  json_add_int (head, "lock_pid", a->req.lock_pid);
  json_add_int (head, "socket", a->req.socket);
  json_add_bool (head, "six", a->req.six);
  json_add_str (head, "ifname", a->req.ifname);
  return head;
}

/* ---- helpers ---- */

static bool
folder_stuck (const struct openers *o, const char *folder)
{
  for (const struct helper *h = o->helpers; h; h = h->next)
    if (h->ask && h->given_up && strcmp (h->ask->folder, folder) == 0)
      return true;
  return false;
}

/* How many are at work in a's folder, and is there no hope for a?  One stuck
 * file is not the folder, two stuck ones are.  So no two ask for the same. */
static unsigned
busy_in (const struct openers *o, const struct ask *a, bool *ret_stuck)
{
  unsigned n = 0, stuck = 0;

  *ret_stuck = false;
  for (const struct helper *h = o->helpers; h; h = h->next)
    if (h->ask && strcmp (h->ask->folder, a->folder) == 0)
      {
        n++;
        stuck += h->given_up;
        if (strcmp (h->ask->req.path, a->req.path) != 0)
          continue;
        n += OPENERS_PER_FOLDER;
        if (h->given_up)
          *ret_stuck = true;
      }
  if (stuck >= OPENERS_PER_FOLDER)
    *ret_stuck = true;
  return n;
}

/* How many helpers all like it may have, in however many folders; 0 = that is
 * not bounded. */
static unsigned
most_of (const struct open_req *req)
{
  return req->kind == OPEN_MAILBOX  ? OPENERS_OF_MAILBOXES
         : req->kind == OPEN_HEALTH ? OPENERS_OF_HEALTH
         : is_image (req)           ? OPENERS_OF_IMAGES
                                    : 0;
}

/* Is there a helper for a, of those that such may have?  All stuck: none of
 * these comes back. */
static bool
kind_may (const struct openers *o, const struct ask *a, bool *ret_all_stuck)
{
  unsigned n = 0, stuck = 0, most = most_of (&a->req);

  *ret_all_stuck = false;
  if (!most)
    return true;
  for (const struct helper *h = o->helpers; h; h = h->next)
    if (h->ask && h->ask->req.kind == a->req.kind
        && is_image (&h->ask->req) == is_image (&a->req))
      {
        n++;
        stuck += h->given_up;
      }
  *ret_all_stuck = stuck >= most;
  return n < most;
}

static void
helper_free (struct helper *h)
{
  struct helper **p = &h->all->helpers;

  while (*p && *p != h)
    p = &(*p)->next;
  if (*p)
    *p = h->next;
  h->all->nhelpers--;
  timer_free (h->slow);
  channel_free (h->channel);
  if (h->ask)
    ask_fail (h->ask, ECANCELED, "the process that opens it is gone");
  ask_free (h->ask);
  free (h);
}

static void
on_answer (struct frame *frame, const struct error *err, void *arg)
{
  struct helper *h = arg;
  struct ask *a;
  int fd = -1, lock = -1, failed;
  const char *why;

  if (err || !h->ask)
    return; /* on_close() comes */
  a = steal_ptr (&h->ask);
  timer_stop (h->slow);
  if (h->given_up)
    {
      log_info ("%s answers again", a->folder);
      if (!folder_stuck (h->all, a->folder))
        h->all->stuck (a->folder, false, h->since_ms, h->all->stuck_arg);
    }
  h->given_up = false;
  if (frame->nfds > 0)
    fd = steal_fd (&frame->fds[0]);
  if (frame->nfds > 1)
    lock = steal_fd (&frame->fds[1]);
  failed = (int) json_get_int (frame->head, "failed", fd < 0 ? EIO : 0);
  why = json_get_str (frame->head, "why");
  if (failed)
    ask_fail (a, failed, why ? why : "it can't be opened");
  else if (a->done)
    a->done (fd, lock, NULL, a->arg);
  else
    {
      /* Nobody waits any more: the lock of a terminal is a file, too. */
      close (fd);
      open_lock_release (&a->req, lock);
    }
  ask_free (a);
  pump (h->all);
}

static void
slow_due (struct timer *t, void *arg)
{
  struct helper *h = arg;
  char why[320];

  if (!h->ask || h->given_up)
    return;
  h->given_up = true;
  snprintf (why, sizeof (why), "%.200s does not answer: the %s is stuck",
            h->ask->folder,
            h->ask->req.kind == OPEN_HEALTH ? "disk" : "file system it is on");
  log_warn ("%s", why);
  h->all->stuck (h->ask->folder, true, h->since_ms, h->all->stuck_arg);
  ask_fail (h->ask, ETIMEDOUT, why);
  pump (h->all);
}

static void
on_close (struct channel *ch, const struct error *why, void *arg)
{
  struct helper *h = arg;
  struct openers *o = h->all;

  helper_free (h);
  pump (o);
}

static void
on_frame (struct channel *ch, struct frame *frame, void *arg)
{
}

static const struct channel_ops helper_channel_ops = {
  .on_frame = on_frame,
  .on_close = on_close,
};

static struct helper *
helper_new (struct openers *o, struct error *err)
{
  struct helper *h = calloc (1, sizeof (*h));
  int pair[2];
  pid_t pid;

  if (!h)
    return NULL;
  h->all = o;
  h->next = o->helpers;
  o->helpers = h;
  o->nhelpers++;
  if (loop_timer (o->loop, "slow open", slow_due, h, &h->slow, err) < 0
      || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    {
      helper_free (h);
      return NULL;
    }
  pid = fork ();
  if (pid == 0)
    helper_main (pair[1]);
  close (pair[1]);
  /* Its death is seen on the channel; the keeper reaps whoever dies. */
  if (pid < 0
      || channel_new (o->loop, "opener", pair[0], 64u << 10,
                      &helper_channel_ops, h, &h->channel, err)
             < 0)
    {
      close (pair[0]);
      helper_free (h);
      return NULL;
    }
  return h;
}

static void
give (struct helper *h, struct ask *a)
{
  struct error err = ERROR_INIT;

  h->ask = a;
  h->given_up = false;
  h->since_ms = loop_now (h->all->loop);
  timer_in (h->slow, OPENERS_SLOW_MS);
  if (channel_call (h->channel, request (a), NULL, 0, NULL, 0, CLOCK_NEVER,
                    on_answer, h, &err)
      < 0)
    helper_free (h);
}

static struct helper *
idle_helper (struct openers *o)
{
  struct error err = ERROR_INIT;

  for (struct helper *h = o->helpers; h; h = h->next)
    if (!h->ask)
      return h;
  return o->nhelpers < OPENERS_MAX ? helper_new (o, &err) : NULL;
}

static bool
all_stuck (const struct openers *o)
{
  for (const struct helper *h = o->helpers; h; h = h->next)
    if (!h->given_up)
      return false;
  return o->nhelpers > 0;
}

/* What becomes of one that waits: true when it need not wait longer. */
static bool
move_on (struct openers *o, struct ask *a)
{
  char why[320];
  struct helper *h;
  bool stuck, all;
  unsigned n = busy_in (o, a, &stuck);
  bool may = kind_may (o, a, &all);

  /* That says nothing of this one: it is not late. */
  if (all && !stuck && is_image (&a->req))
    {
      ask_fail (a, EAGAIN, "too many images of guests are stuck to open "
                           "another");
      ask_free (a);
      return true;
    }
  if (stuck || all)
    {
      snprintf (why, sizeof (why), "%.200s does not answer: an earlier open "
                "there is still stuck", a->folder);
      ask_fail (a, ETIMEDOUT, why);
      ask_free (a);
      return true;
    }
  if (n >= OPENERS_PER_FOLDER || !may)
    return false;
  h = idle_helper (o);
  if (h)
    {
      give (h, a);
      return true;
    }
  if (o->nhelpers < OPENERS_MAX || all_stuck (o))
    {
      ask_fail (a, EAGAIN, o->nhelpers < OPENERS_MAX
                               ? "no process to open it with"
                               : "too many file systems are stuck");
      ask_free (a);
      return true;
    }
  return false;
}

static void
pump (struct openers *o)
{
  struct ask **p = &o->first, *a;

  while ((a = *p))
    {
      struct ask *next = a->next;

      *p = next;
      if (move_on (o, a))
        {
          o->nqueued--;
          continue;
        }
      *p = a;
      p = &a->next;
    }
  o->last = p;
}

void
openers_tell_stuck (struct openers *o)
{
  for (const struct helper *h = o->helpers; h; h = h->next)
    if (h->given_up)
      o->stuck (h->ask->folder, true, h->since_ms, o->stuck_arg);
}

void
openers_ask (struct openers *o, const struct open_req *req,
             openers_done_fn *done, void *arg)
{
  struct error err = ERROR_INIT;
  struct ask *a;

  a = o->nqueued < OPENERS_QUEUED ? ask_new (req, done, arg) : NULL;
  if (!a)
    {
      error_set (&err, ENOBUFS, "too many things are to be opened at once");
      done (-1, -1, &err, arg);
      return;
    }
  *o->last = a;
  o->last = &a->next;
  o->nqueued++;
  pump (o);
}

int
openers_new (struct loop *loop, openers_stuck_fn *fn, void *arg,
             struct openers **ret, struct error *err)
{
  struct openers *o = calloc (1, sizeof (*o));

  if (!o)
    return error_set (err, ENOMEM, "no memory");
  o->loop = loop;
  o->stuck = fn;
  o->stuck_arg = arg;
  o->last = &o->first;
  *ret = o;
  return 0;
}

void
openers_free (struct openers *o)
{
  struct ask *a;

  if (!o)
    return;
  while ((a = o->first))
    {
      o->first = a->next;
      ask_fail (a, ECANCELED, "the keeper is ending");
      ask_free (a);
    }
  o->last = &o->first;
  while (o->helpers)
    helper_free (o->helpers);
  free (o);
}
