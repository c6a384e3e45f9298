/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the keeper to open things.  Job threads block here; the loop thread
 * owns the channel.  A request is a counted object shared by the two, since
 * either may give up first.
 */
#include "supervisor/links/keeper_link.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define STUCK_MAX 16

struct keeper_link
{
  struct opener opener;
  struct loop *loop;
  struct channel *channel;
  const struct keeper_link_ops *ops;
  void *arg;
  struct stuck_folder stuck[STUCK_MAX];
  unsigned nstuck;
};

struct ask
{
  struct keeper_link *kl;
  pthread_mutex_t lock;
  pthread_cond_t cond;
  unsigned refs; /* under lock */
  bool done;
  struct json_object *head; /* until it is sent */
  uint64_t deadline;
  int fd, token;
  struct error err;
};

static void
ask_unref (struct ask *a)
{
  bool last;

  pthread_mutex_lock (&a->lock);
  last = --a->refs == 0;
  pthread_mutex_unlock (&a->lock);
  if (!last)
    return;
  if (a->fd >= 0)
    close (a->fd);
  if (a->token >= 0)
    close (a->token);
  if (a->head)
    json_object_put (a->head);
  pthread_cond_destroy (&a->cond);
  pthread_mutex_destroy (&a->lock);
  free (a);
}

static void
ask_finish (struct ask *a, struct frame *frame, const struct error *err)
{
  pthread_mutex_lock (&a->lock);
  if (frame && frame->nfds >= 1)
    {
      a->fd = steal_fd (&frame->fds[0]);
      if (frame->nfds >= 2)
        a->token = steal_fd (&frame->fds[1]);
    }
  else if (err)
    a->err = *err;
  else
    error_set (&a->err, EPROTO, "the keeper answered without a descriptor");
  a->done = true;
  pthread_cond_signal (&a->cond);
  pthread_mutex_unlock (&a->lock);
  ask_unref (a);
}

static void
ask_reply (struct frame *frame, const struct error *err, void *arg)
{
  ask_finish (arg, frame, err);
}

/* Loop thread. */
static void
ask_send (void *arg)
{
  struct ask *a = arg;
  struct error err = ERROR_INIT;
  uint64_t now = clock_ms ();
  struct json_object *head = steal_ptr (&a->head);

  if (!a->kl->channel)
    {
      json_object_put (head);
      error_set (&err, ENOTCONN, "the keeper is gone");
      ask_finish (a, NULL, &err);
      return;
    }
  if (channel_call (a->kl->channel, head, NULL, 0, NULL, 0,
                    a->deadline > now ? a->deadline - now : 1, ask_reply, a,
                    &err)
      < 0)
    ask_finish (a, NULL, &err);
}

static void
ask_drop (void *arg)
{
  struct error err = ERROR_INIT;

  error_set (&err, ECANCELED, "the daemon is ending");
  ask_finish (arg, NULL, &err);
}

static struct ask *
ask_new (struct keeper_link *kl, const struct open_req *req,
         uint64_t deadline)
{
  struct ask *a = calloc (1, sizeof (*a));
  pthread_condattr_t attr;

  if (!a)
    return NULL;
  a->kl = kl;
  a->refs = 2;
  a->fd = a->token = -1;
  a->deadline = deadline;
  pthread_mutex_init (&a->lock, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&a->cond, &attr);
  pthread_condattr_destroy (&attr);
  a->head = json_object_new_object ();
  json_add_str (a->head, "op", "open");
  json_add_int (a->head, "kind", req->kind);
  json_add_str (a->head, "root", req->root);
  json_add_str (a->head, "path", req->path);
  json_add_int (a->head, "check_pid", req->check_pid);
  json_add_int (a->head, "check_start", (int64_t) req->check_start);
  if (req->kind == OPEN_SOCKET)
    {
      json_add_int (a->head, "socket", req->socket);
      json_add_bool (a->head, "six", req->six);
      json_add_str (a->head, "ifname", req->ifname);
    }
  return a;
}

static int
link_open (struct opener *self, const struct open_req *req, uint64_t deadline,
           int *ret_fd, int *ret_lock, struct error *err)
{
  struct keeper_link *kl = container_of (self, struct keeper_link, opener);
  struct ask *a = ask_new (kl, req, deadline);
  struct timespec ts = { .tv_sec = (time_t) (deadline / 1000),
                         .tv_nsec = (long) (deadline % 1000) * 1000000 };
  int r = 0;

  if (!a)
    return error_set (err, ENOMEM, "no memory to ask the keeper");
  if (loop_post (kl->loop, ask_send, a, ask_drop) < 0)
    {
      a->refs = 1;
      ask_unref (a);
      return error_set (err, ENOMEM, "no memory to ask the keeper");
    }
  pthread_mutex_lock (&a->lock);
  while (!a->done && r == 0)
    r = pthread_cond_timedwait (&a->cond, &a->lock, &ts);
  if (!a->done)
    r = error_set (err, ETIMEDOUT, "the keeper did not answer in time");
  else if (a->fd < 0)
    r = error_set (err, a->err.code ? a->err.code : EIO, "%s",
                   error_text (&a->err));
  else
    {
      *ret_fd = steal_fd (&a->fd);
      if (ret_lock)
        *ret_lock = steal_fd (&a->token);
      r = 0;
    }
  pthread_mutex_unlock (&a->lock);
  ask_unref (a);
  return r;
}

/* The lock is the keeper's; what we have is a token whose closing says that
 * we do not need it any more. */
static void
link_release (struct opener *self, const struct open_req *req, int lock_fd)
{
  if (lock_fd >= 0)
    close (lock_fd);
}

/* One folder may be told of more than once: several opens hang in it. */
static void
note_stuck (struct keeper_link *kl, struct json_object *head)
{
  const char *folder = json_get_str (head, "folder");
  unsigned i = 0;

  if (!folder)
    return;
  while (i < kl->nstuck && strcmp (kl->stuck[i].folder, folder) != 0)
    i++;
  if (!json_get_bool (head, "stuck", false))
    {
      if (i < kl->nstuck)
        kl->stuck[i] = kl->stuck[--kl->nstuck];
      return;
    }
  if (i < kl->nstuck || kl->nstuck == STUCK_MAX)
    return;
  snprintf (kl->stuck[i].folder, sizeof (kl->stuck[i].folder), "%s", folder);
  kl->stuck[i].since_ms = (uint64_t) json_get_int (head, "since", 0);
  kl->nstuck++;
}

const struct stuck_folder *
keeper_link_stuck (const struct keeper_link *kl, unsigned *ret_n)
{
  *ret_n = kl->nstuck;
  return kl->stuck;
}

static void
on_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct keeper_link *kl = arg;
  const char *op = json_get_str (frame->head, "op");
  struct json_object *head;

  if (!op)
    return;
  if (strcmp (op, "ping") == 0)
    {
      head = json_object_new_object ();
      json_add_str (head, "op", "pong");
      json_add_int (head, "n", json_get_int (frame->head, "n", 0));
      channel_send (ch, head, NULL, 0, NULL, 0);
    }
  else if (strcmp (op, "stuck") == 0)
    note_stuck (kl, frame->head);
  else if (strcmp (op, "reload") == 0)
    kl->ops->reload (frame->body, frame->body_len, kl->arg);
  else if (strcmp (op, "peer") == 0 && frame->nfds == 2)
    kl->ops->peer (steal_fd (&frame->fds[0]), steal_fd (&frame->fds[1]),
                   kl->arg);
}

static void
on_close (struct channel *ch, const struct error *why, void *arg)
{
  struct keeper_link *kl = arg;

  kl->ops->gone (kl->arg);
}

static const struct channel_ops link_channel_ops = {
  .on_frame = on_frame,
  .on_close = on_close,
};

int
keeper_link_new (struct loop *loop, int fd, const struct keeper_link_ops *ops,
                 void *arg, struct keeper_link **ret, struct error *err)
{
  struct keeper_link *kl = calloc (1, sizeof (*kl));
  int r;

  if (!kl)
    return error_set (err, ENOMEM, "no memory for the keeper's channel");
  kl->opener.open = link_open;
  kl->opener.release = link_release;
  kl->loop = loop;
  kl->ops = ops;
  kl->arg = arg;
  r = channel_new (loop, "keeper", fd, 4u << 20, &link_channel_ops, kl,
                   &kl->channel, err);
  if (r < 0)
    {
      free (kl);
      return r;
    }
  *ret = kl;
  return 0;
}

void
keeper_link_free (struct keeper_link *kl)
{
  if (!kl)
    return;
  channel_free (kl->channel);
  free (kl);
}

struct opener *
keeper_link_opener (struct keeper_link *kl)
{
  return &kl->opener;
}

static void
tell (struct keeper_link *kl, const char *op, const char *text)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", op);
  if (text)
    json_add_str (head, "text", text);
  channel_send (kl->channel, head, NULL, 0, NULL, 0);
}

void
keeper_link_ready (struct keeper_link *kl)
{
  tell (kl, "ready", NULL);
}

void
keeper_link_status (struct keeper_link *kl, const char *text)
{
  tell (kl, "status", text);
}
