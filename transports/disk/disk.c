/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of mailboxes, and finding and opening a guest's.
 */
#include "transports/disk/disk_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "guests/guest.h"
#include "guests/qemu.h"
#include "transports/transport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUESTS_MAX 4096
#define FOLDERS_MAX 16
#define SUFFIX ".mailbox"

struct known
{
  struct known *next; /* who was asked for last comes first */
  char uuid[64];
  struct disk_seen seen;
  struct helper stuck; /* pid 0 = none */
};

struct disk
{
  pthread_mutex_t lock; /* of all of it */
  struct known *first;
  unsigned nknown;
  char *folders[FOLDERS_MAX];
  unsigned nfolders;
};

/* ---- what is known ---- */

int
disk_new (struct disk **ret, struct error *err)
{
  struct disk *d = calloc (1, sizeof *d);

  if (!d)
    return error_set (err, ENOMEM, "no memory");
  pthread_mutex_init (&d->lock, NULL);
  *ret = d;
  return 0;
}

static void
free_folders (struct disk *d)
{
  while (d->nfolders)
    free (d->folders[--d->nfolders]);
}

void
disk_free (struct disk *d)
{
  if (!d)
    return;
  while (d->first)
    {
      struct known *k = d->first;

      d->first = k->next;
      helper_end (&k->stuck);
      free (k);
    }
  free_folders (d);
  pthread_mutex_destroy (&d->lock);
  free (d);
}

int
disk_folders (struct disk *d, char *const *folders, size_t n,
              struct error *err)
{
  LOCK_SCOPE (&d->lock);

  free_folders (d);
  for (size_t i = 0; i < n && i < FOLDERS_MAX; i++)
    {
      d->folders[i] = strdup (folders[i]);
      if (!d->folders[i])
        return error_set (err, ENOMEM, "no memory for folders");
      d->nfolders++;
    }
  return 0;
}

/* The last one that nobody hangs in makes room. */
static void
forget_one (struct disk *d)
{
  struct known **last = NULL, *k;

  for (struct known **p = &d->first; *p; p = &(*p)->next)
    if (!(*p)->stuck.pid)
      last = p;
  if (!last)
    return;
  k = *last;
  *last = k->next;
  free (k);
  d->nknown--;
}

static struct known *
find (struct disk *d, const char *uuid, bool make)
{
  struct known **p = &d->first, *k;

  while (*p && strcmp ((*p)->uuid, uuid) != 0)
    p = &(*p)->next;
  k = *p;
  if (k)
    *p = k->next;
  else if (!make || !(k = calloc (1, sizeof *k)))
    return NULL;
  else
    {
      k->stuck = (struct helper) HELPER_INIT;
      snprintf (k->uuid, sizeof k->uuid, "%s", uuid);
      if (d->nknown >= GUESTS_MAX)
        forget_one (d);
      d->nknown++;
    }
  k->next = d->first;
  d->first = k;
  return k;
}

void
disk_recall_ (struct disk *d, const char *uuid, struct disk_seen *ret)
{
  struct known *k;

  *ret = (struct disk_seen){ 0 };
  if (!d)
    return;
  LOCK_SCOPE (&d->lock);
  k = find (d, uuid, false);
  if (k)
    *ret = k->seen;
}

void
disk_keep_ (struct disk *d, const char *uuid, const struct disk_seen *seen)
{
  struct known *k;

  if (!d)
    return;
  LOCK_SCOPE (&d->lock);
  k = find (d, uuid, true);
  if (k)
    k->seen = *seen;
}

bool
disk_stuck_ (struct disk *d, const char *uuid)
{
  struct helper h = HELPER_INIT;
  struct known *k;

  if (!d)
    return false;
  {
    LOCK_SCOPE (&d->lock);
    k = find (d, uuid, false);
    if (k)
      h = k->stuck;
  }
  /* Not under the lock: it waits a moment.  One job per guest comes here. */
  if (helper_end (&h))
    h = (struct helper) HELPER_INIT;
  disk_leave_stuck_ (d, uuid, &h);
  return h.pid > 0;
}

void
disk_leave_stuck_ (struct disk *d, const char *uuid, const struct helper *h)
{
  struct known *k;

  if (!d)
    return;
  LOCK_SCOPE (&d->lock);
  k = find (d, uuid, h->pid > 0);
  if (k)
    k->stuck = *h;
}

/* ---- finding it ---- */

struct search
{
  const struct transport_env *env;
  uint64_t deadline;
  char *folders[FOLDERS_MAX]; /* copies: opening is not done under the lock */
  unsigned nfolders;
  int fd;
  enum disk_end end;
  char *detail;
  size_t n;
};

static void
copy_folders (struct disk *d, struct search *s)
{
  LOCK_SCOPE (&d->lock);
  for (unsigned i = 0; i < d->nfolders; i++)
    {
      s->folders[s->nfolders] = strdup (d->folders[i]);
      if (s->folders[s->nfolders])
        s->nfolders++;
    }
}

/* True when it is one.  Of those that are none the worst is told. */
static bool
try_open (struct search *s, const char *folder, const char *path)
{
  struct open_req req
      = { .kind = OPEN_MAILBOX, .root = folder, .path = path };
  struct opener *o = s->env->opener;
  struct error why = ERROR_INIT;
  int r = o->open (o, &req, s->deadline, &s->fd, NULL, &why);

  if (r >= 0)
    {
      s->end = DISK_OK;
      return true;
    }
  if (r == -ENOENT || r == -EINVAL || r == -EXDEV || r == -ENOTDIR
      || s->end == DISK_STUCK)
    return false;
  if (r == -ELOOP)
    {
      /* Guests' disks may be links; so may be what a guest has made. */
      if (s->end == DISK_ABSENT)
        snprintf (s->detail, s->n, "%s", error_text (&why));
      return false;
    }
  s->end = r == -ETIMEDOUT ? DISK_STUCK : DISK_UNUSABLE;
  snprintf (s->detail, s->n, "%s", error_text (&why));
  return false;
}

/* An absolute path, where it lies beneath one of the folders. */
static bool
try_path (struct search *s, const char *path)
{
  for (unsigned i = 0; i < s->nfolders; i++)
    {
      size_t n = strlen (s->folders[i]);

      while (n > 1 && s->folders[i][n - 1] == '/')
        n--;
      if (strncmp (path, s->folders[i], n) == 0 && path[n] == '/'
          && path[n + 1] && try_open (s, s->folders[i], path + n + 1))
        return true;
    }
  return false;
}

static bool
try_file (struct search *s, const char *file)
{
  for (unsigned i = 0; i < s->nfolders; i++)
    if (try_open (s, s->folders[i], file))
      return true;
  return false;
}

/* NAME.mailbox, or the same in NAME, a folder that is shared with it. */
static bool
try_name (struct search *s, const char *name)
{
  char file[300];

  if (!text_is_name (name))
    return false;
  snprintf (file, sizeof file, "%s" SUFFIX, name);
  if (try_file (s, file))
    return true;
  snprintf (file, sizeof file, "%s/%s" SUFFIX, name, name);
  return try_file (s, file);
}

/* ---- whose it is ----
 *
 * A document may be for many guests, and a guest's name is what its owner
 * likes.  So what `mailbox` says only chooses among those that are the
 * guest's: one of its disks, or a file that is called as it is. */

/* Another guest's uuid is no name to find that one's by; and what a guest of
 * another host is called, one of this host may be, too. */
static bool
has_name (const struct guest *g)
{
  return g->inc.pid > 0 && !uuid_is_valid (g->name);
}

static bool
is_named (const char *file, const char *name)
{
  size_t n = strlen (name);

  return strncmp (file, name, n) == 0 && strcmp (file + n, SUFFIX) == 0;
}

static bool
is_own_file (const struct guest *g, const char *path)
{
  const char *slash = strrchr (path, '/');
  const char *file = slash ? slash + 1 : path;

  if (is_named (file, g->inc.uuid)
      || (has_name (g) && is_named (file, g->name)))
    return true;
  for (unsigned i = 0; g->inc.pid > 0 && i < g->ndisks; i++)
    if (strcmp (g->disks[i].path, path) == 0)
      return true;
  return false;
}

static bool
try_disks (struct search *s, const struct guest *g, const char *target)
{
  /* The disks of a guest of another host are there. */
  for (unsigned i = 0; g->inc.pid > 0 && i < g->ndisks; i++)
    if ((!target || strcmp (g->disks[i].target, target) == 0)
        && try_path (s, g->disks[i].path))
      return true;
  return false;
}

static void
look_for (struct search *s, const struct guest *g, const char *mailbox)
{
  if (!mailbox)
    (void) (try_disks (s, g, NULL) || try_name (s, g->inc.uuid)
            || (has_name (g) && try_name (s, g->name)));
  else if (*mailbox != '/' && try_disks (s, g, mailbox))
    return;
  else if (!is_own_file (g, mailbox))
    snprintf (s->detail, s->n, "\"%.100s\" is not this guest's: neither one "
              "of its disks nor a file that is called as it is, \"%.100s"
              SUFFIX "\"", mailbox, has_name (g) ? g->name : g->inc.uuid);
  else if (*mailbox == '/')
    (void) try_path (s, mailbox);
  else
    (void) try_file (s, mailbox);
}

enum disk_end
disk_open_ (const struct transport_env *env, const struct guest *g,
            const char *mailbox, uint64_t deadline, int *ret_fd, char *detail,
            size_t n)
{
  struct search s = { .env = env, .deadline = deadline, .fd = -1,
                      .end = DISK_ABSENT, .detail = detail, .n = n };

  snprintf (detail, n, "none of its disks is a mailbox in a folder of "
                       "\"mailboxes\"");
  if (mailbox)
    snprintf (detail, n, "\"%.100s\" is no mailbox in a folder of "
                         "\"mailboxes\"", mailbox);
  if (env->disk)
    copy_folders (env->disk, &s);
  if (s.nfolders == 0)
    snprintf (detail, n, "the configuration names no folder with mailboxes "
                         "(\"mailboxes\")");
  look_for (&s, g, mailbox);
  for (unsigned i = 0; i < s.nfolders; i++)
    free (s.folders[i]);
  if (s.end == DISK_OK)
    *ret_fd = s.fd;
  return s.end;
}
