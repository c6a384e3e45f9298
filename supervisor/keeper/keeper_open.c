/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening for the daemon, within the roots of the configuration.
 */
#include "supervisor/keeper/keeper_open.h"
#include "supervisor/conf/settings.h"
#include "supervisor/keeper/openers.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/opener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The lock of one terminal.  The daemon holds the other end of `token`;
 * when that closes, also by the daemon's death, the lock goes. */
struct held_lock
{
  struct keeper_open *owner;
  struct held_lock *next;
  struct watch *watch;
  struct open_req req; /* its strings are ours */
  int lock;
  int token;
};

struct keeper_open
{
  struct loop *loop;
  char **roots, **boxes; /* boxes: for mailboxes, and for nothing else */
  size_t nroots, nboxes;
  int32_t reader; /* the daemon: whose pid stands in a terminal's lock */
  struct channel *daemon; /* to tell what is stuck; NULL = nobody */
  struct held_lock *locks;
  struct openers *openers; /* with the first request: --check opens nothing */
  struct pending *pending;
};

/* A request that is being opened.  When the daemon that asked is gone, so is
 * its channel. */
struct pending
{
  struct keeper_open *owner;
  struct pending *next;
  struct channel *channel; /* NULL = nobody to answer */
  struct frame request;    /* a reference of its head: for the answer, and
                              req's strings are in it */
  struct open_req req;
};

static void free_roots (char **list, size_t n);

int
keeper_open_new (struct loop *loop, struct keeper_open **ret,
                 struct error *err)
{
  struct keeper_open *ko = calloc (1, sizeof (*ko));

  if (!ko)
    return error_set (err, ENOMEM, "no memory");
  ko->loop = loop;
  *ret = ko;
  return 0;
}

void
keeper_open_free (struct keeper_open *ko)
{
  if (!ko)
    return;
  keeper_open_release_all (ko);
  openers_free (ko->openers);
  free_roots (ko->roots, ko->nroots);
  free_roots (ko->boxes, ko->nboxes);
  free (ko);
}

struct roots
{
  char **list;
  size_t n;
  bool failed;
};

static void
add_root (const char *root, void *arg)
{
  struct roots *rs = arg;
  char **list;

  for (size_t i = 0; i < rs->n; i++)
    if (strcmp (rs->list[i], root) == 0)
      return;
  list = realloc (rs->list, (rs->n + 1) * sizeof (*list));
  if (!list)
    {
      rs->failed = true;
      return;
    }
  rs->list = list;
  list[rs->n] = strdup (root);
  if (list[rs->n])
    rs->n++;
  else
    rs->failed = true;
}

static void
free_roots (char **list, size_t n)
{
  for (size_t i = 0; i < n; i++)
    free (list[i]);
  free (list);
}

int
keeper_open_roots (struct keeper_open *ko, const struct config *cfg,
                   const char *config_path, struct error *err)
{
  struct roots rs = { 0 }, boxes = { 0 };

  config_roots (cfg, config_path, add_root, &rs);
  config_mailboxes (cfg, add_root, &boxes);
  if (rs.failed || boxes.failed)
    {
      free_roots (rs.list, rs.n);
      free_roots (boxes.list, boxes.n);
      return error_set (err, ENOMEM, "no memory for the roots");
    }
  free_roots (ko->roots, ko->nroots);
  free_roots (ko->boxes, ko->nboxes);
  ko->roots = rs.list;
  ko->nroots = rs.n;
  ko->boxes = boxes.list;
  ko->nboxes = boxes.n;
  return 0;
}

static bool
in_list (char *const *list, size_t n, const char *root)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (list[i], root) == 0)
      return true;
  return false;
}

/* Where mailboxes are guests' own disks are, too. */
static bool
root_known (const struct keeper_open *ko, const struct open_req *req)
{
  return req->kind == OPEN_MAILBOX
             ? in_list (ko->boxes, ko->nboxes, req->root)
             : in_list (ko->roots, ko->nroots, req->root);
}

/* ---- locks ---- */

static void
lock_release (struct held_lock *l)
{
  struct held_lock **p = &l->owner->locks;

  while (*p && *p != l)
    p = &(*p)->next;
  if (*p)
    *p = l->next;
  watch_free (l->watch);
  open_lock_release (&l->req, l->lock);
  if (l->token >= 0)
    close (l->token);
  free ((char *) l->req.root);
  free ((char *) l->req.path);
  free (l);
}

static void
token_event (struct watch *w, int fd, unsigned events, void *arg)
{
  lock_release (arg);
}

/* The daemon shows it to people. */
static void
on_stuck (const char *folder, bool stuck, uint64_t since_ms, void *arg)
{
  struct keeper_open *ko = arg;
  struct json_object *head;

  if (!ko->daemon)
    return;
  head = json_object_new_object ();
  json_add_str (head, "op", "stuck");
  json_add_text (head, "folder", folder, strlen (folder));
  json_add_bool (head, "stuck", stuck);
  json_add_int (head, "since", (int64_t) since_ms);
  channel_send (ko->daemon, head, NULL, 0, NULL, 0);
}

void
keeper_open_reader (struct keeper_open *ko, int32_t pid, struct channel *ch)
{
  ko->reader = pid;
  ko->daemon = ch;
}

void
keeper_open_tell_stuck (struct keeper_open *ko)
{
  if (ko->openers)
    openers_tell_stuck (ko->openers);
}

void
keeper_open_release_all (struct keeper_open *ko)
{
  while (ko->locks)
    lock_release (ko->locks);
  for (struct pending *p = ko->pending; p; p = p->next)
    p->channel = NULL;
  ko->daemon = NULL;
}

/* Takes lock; *ret_token is the end for the daemon. */
static int
lock_keep (struct keeper_open *ko, const struct open_req *req, int lock,
           int *ret_token, struct error *err)
{
  struct held_lock *l = calloc (1, sizeof (*l));
  int pair[2];
  int r;

  if (!l)
    {
      open_lock_release (req, lock);
      return error_set (err, ENOMEM, "no memory for a lock");
    }
  l->owner = ko;
  l->lock = lock;
  l->token = -1;
  l->req = *req;
  l->req.root = strdup (req->root);
  l->req.path = strdup (req->path);
  if (!l->req.root || !l->req.path)
    {
      /* Not yet ours to release by: its names are missing. */
      free ((char *) l->req.root);
      free ((char *) l->req.path);
      free (l);
      open_lock_release (req, lock);
      return error_set (err, ENOMEM, "no memory for a lock");
    }
  l->next = ko->locks;
  ko->locks = l;
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    r = error_errno (err, errno, "socketpair");
  else
    {
      l->token = pair[0];
      r = loop_watch (ko->loop, "terminal lock", l->token, LOOP_READ,
                      token_event, l, &l->watch, err);
      if (r < 0)
        close (pair[1]);
    }
  if (r < 0)
    {
      lock_release (l);
      return r;
    }
  *ret_token = pair[1];
  return 0;
}

/* ---- requests ---- */

static int
parse (const struct keeper_open *ko, struct json_object *head,
       struct open_req *req, struct error *err)
{
  int64_t kind = json_get_int (head, "kind", -1);

  req->root = json_get_str (head, "root");
  req->path = json_get_str (head, "path");
  req->check_pid = (int32_t) json_get_int (head, "check_pid", 0);
  req->check_start = (uint64_t) json_get_int (head, "check_start", 0);
  req->lock_pid = ko->reader;
  req->socket = (enum open_socket) json_get_int (head, "socket", 0);
  req->six = json_get_bool (head, "six", false);
  req->ifname = json_get_str (head, "ifname");
  if (kind < 0 || kind >= OPEN_KIND_MAX || !req->root || !req->path)
    return error_set (err, EINVAL, "malformed open request");
  req->kind = (enum open_kind) kind;
  if (req->kind == OPEN_SOCKET || req->kind == OPEN_KMSG
      || req->kind == OPEN_HEALTH)
    return open_req_check (req, NULL, err);
  if (!root_known (ko, req))
    return error_set (err, EPERM,
                      "%s is not among the folders of the configuration: add "
                      "it to \"%s\"",
                      req->root,
                      req->kind == OPEN_MAILBOX ? "mailboxes" : "roots");
  return 0;
}

static void
pending_free (struct pending *p)
{
  struct pending **at = &p->owner->pending;

  while (*at && *at != p)
    at = &(*at)->next;
  if (*at)
    *at = p->next;
  json_object_put (p->request.head);
  free (p);
}

static void
opened (int fd, int lock, const struct error *why, void *arg)
{
  struct pending *p = arg;
  struct error err = ERROR_INIT;
  CLEANUP_CLOSE int mine = fd, token = -1;
  int fds[2], r = 0;

  if (!p->channel)
    {
      if (fd >= 0)
        close (steal_fd (&mine));
      open_lock_release (&p->req, lock);
    }
  else if (why)
    channel_reply_error (p->channel, &p->request, why);
  else
    {
      if (lock >= 0)
        r = lock_keep (p->owner, &p->req, lock, &token, &err);
      fds[0] = fd;
      fds[1] = token;
      if (r < 0)
        channel_reply_error (p->channel, &p->request, &err);
      else
        channel_reply (p->channel, &p->request, NULL, NULL, 0, fds,
                       token >= 0 ? 2 : 1);
    }
  pending_free (p);
}

void
keeper_open_serve (struct keeper_open *ko, struct channel *ch,
                   struct frame *request)
{
  struct error err = ERROR_INIT;
  struct open_req req = { 0 };
  struct pending *p = NULL;
  int r;

  r = parse (ko, request->head, &req, &err);
  if (r == 0 && !ko->openers)
    r = openers_new (ko->loop, on_stuck, ko, &ko->openers, &err);
  if (r == 0 && !(p = calloc (1, sizeof (*p))))
    r = error_set (&err, ENOMEM, "no memory");
  if (r < 0)
    {
      channel_reply_error (ch, request, &err);
      return;
    }
  p->owner = ko;
  p->channel = ch;
  p->request.head = json_object_get (request->head);
  p->req = req;
  p->next = ko->pending;
  ko->pending = p;
  openers_ask (ko->openers, &req, opened, p);
}
