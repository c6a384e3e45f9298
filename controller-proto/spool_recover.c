/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening the spool, and putting right what a crash left half done.
 *
 * Whatever is found here is never a reason not to start: what cannot be read
 * goes to bad/, what was begun and not finished is removed or taken back.
 */
#include "controller-proto/spool_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BAD 64
#define MAX_TREE_DEPTH 16

static int
make_place (int dirfd, const char *name, int *ret, struct error *err)
{
  if (mkdirat (dirfd, name, 0700) < 0 && errno != EEXIST)
    return error_errno (err, errno, "making the spool's %s/", name);
  *ret = openat (dirfd, name,
                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (*ret < 0)
    return error_errno (err, errno, "opening the spool's %s/", name);
  return 0;
}

/* ---- folders ---- */

/* Calls fn for each name; what fn removes or moves may be gone afterwards. */
static int
each_name (int dirfd, void (*fn) (const char *name, void *arg), void *arg)
{
  CLEANUP_CLOSEDIR DIR *d = NULL;
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct dirent *e;

  if (fd < 0)
    return -errno;
  if ((d = fdopendir (fd)) == NULL)
    {
      close (fd);
      return -ENOMEM;
    }
  while ((e = readdir (d)) != NULL)
    if (strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0)
      fn (e->d_name, arg);
  return 0;
}

struct tree
{
  int fd;
  unsigned depth;
  int rc;
};

static void
remove_in (const char *name, void *arg)
{
  struct tree *t = arg;

  if (unlinkat (t->fd, name, 0) == 0 || errno == ENOENT)
    return;
  struct tree sub = { .depth = t->depth + 1 };
  if (sub.depth > MAX_TREE_DEPTH
      || (sub.fd = openat (t->fd, name,
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
             < 0)
    {
      t->rc = -errno;
      return;
    }
  int r = each_name (sub.fd, remove_in, &sub);
  close (sub.fd);
  if (r < 0 || (r = sub.rc) < 0)
    t->rc = r;
  else if (unlinkat (t->fd, name, AT_REMOVEDIR) < 0)
    t->rc = -errno;
}

int
spool_remove_tree (int dirfd, const char *name)
{
  struct tree t = { .fd = dirfd };

  remove_in (name, &t);
  return t.rc;
}

static void
count_name (const char *name, void *arg)
{
  (*(unsigned *) arg)++;
}

/* bad/ is bounded: beyond that, what cannot be read is simply removed. */
static void
set_aside (struct spool *sp, int from, const char *place, const char *name)
{
  char to[300];
  unsigned n = 0;

  each_name (sp->bad_fd, count_name, &n);
  snprintf (to, sizeof to, "%s-%.200s", place, name);
  if (n >= MAX_BAD || renameat (from, name, sp->bad_fd, to) < 0)
    spool_remove_tree (from, name);
}

/* ---- names ---- */

enum name_kind
{
  NAME_OTHER,
  NAME_TEMP, /* what a crash left of a file being made */
  NAME_JSON,
  NAME_BUNDLE,
};

static enum name_kind
name_kind (const char *name, char id[40])
{
  size_t len = strlen (name);

  if (name[0] == '.' || (len > 4 && strcmp (name + len - 4, ".new") == 0))
    return NAME_TEMP;
  if (len < 37)
    return NAME_OTHER;
  snprintf (id, 40, "%.36s", name);
  if (!spool_id_ok (id))
    return NAME_OTHER;
  if (strcmp (name + 36, ".json") == 0)
    return NAME_JSON;
  if (strcmp (name + 36, ".tar.zst") == 0)
    return NAME_BUNDLE;
  return NAME_OTHER;
}

/* ---- items past open ---- */

struct scan
{
  struct spool *sp;
  enum spool_place place;
  bool no_memory;
};

static void
take_item (struct scan *s, const char *name, const char *id)
{
  struct spool *sp = s->sp;
  CLEANUP_JSON struct json_object *all = NULL;
  struct error err = ERROR_INIT;
  struct json_object *st;
  struct item *it;
  const char *text;

  if (spool_load_item (sp, s->place, id, &all, &err) < 0)
    {
      if (err.code != ENOMEM && err.code != EIO)
        set_aside (sp, sp->place_fd[s->place], spool_place_names[s->place],
                   name);
      return;
    }
  /* The same item in two places cannot come from a crash, as a move is one
   * rename; the later place is the one that says more. */
  if ((it = spool_find (sp, id)) != NULL)
    {
      set_aside (sp, sp->place_fd[s->place], spool_place_names[s->place],
                 name);
      return;
    }
  if ((it = spool_add (sp, id, s->place)) == NULL)
    {
      s->no_memory = true;
      return;
    }
  st = json_get (all, "spool");
  it->json_bytes = strlen (json_object_to_json_string (all));
  it->pub.bytes = (uint64_t) json_get_int (st, "bytes", 0);
  it->pub.since_ms = (uint64_t) json_get_int (st, "since_ms", 0);
  it->pub.attempts = (unsigned) json_get_int (st, "attempts", 0);
  it->pub.next_ms = (uint64_t) json_get_int (st, "next_ms", 0);
  if ((text = json_get_str (st, "digest")))
    snprintf (it->pub.digest, sizeof it->pub.digest, "%s", text);
  if ((text = json_get_str (st, "last_error")))
    snprintf (it->pub.last_error, sizeof it->pub.last_error, "%s", text);
}

static void
see_json (const char *name, void *arg)
{
  struct scan *s = arg;
  char id[40];

  switch (name_kind (name, id))
    {
    case NAME_JSON:
      take_item (s, name, id);
      break;
    case NAME_TEMP:
      unlinkat (s->sp->place_fd[s->place], name, 0);
      break;
    case NAME_BUNDLE:
    case NAME_OTHER:
      break;
    }
}

/* Second pass: every item is known, bundles are brought to theirs. */
static void
see_bundle (const char *name, void *arg)
{
  struct scan *s = arg;
  struct spool *sp = s->sp;
  int fd = sp->place_fd[s->place];
  struct item *it;
  char id[40];

  if (name_kind (name, id) != NAME_BUNDLE)
    return;
  it = spool_find (sp, id);
  if (it == NULL || it->pub.place == SPOOL_OPEN)
    /* Packed, but the item never became ready; or dropped, .json first. */
    unlinkat (fd, name, 0);
  else if (it->pub.place == s->place)
    it->bundle = true;
  else if (renameat (fd, name, sp->place_fd[it->pub.place], name) == 0)
    it->bundle = true;
}

static void
check_bundles (struct spool *sp)
{
  for (size_t i = 0; i < sp->count; i++)
    {
      struct item *it = sp->items[i];
      char name[64];
      struct stat st;

      if (it->pub.place == SPOOL_OPEN)
        continue;
      if (it->bundle
          && fstatat (sp->place_fd[it->pub.place],
                      spool_bundle_name (name, it->pub.id), &st,
                      AT_SYMLINK_NOFOLLOW) == 0
          && S_ISREG (st.st_mode) && (uint64_t) st.st_size == it->pub.bytes)
        continue;
      /* Evicted, or not what it should be: the incident goes alone. */
      if (it->bundle)
        set_aside (sp, sp->place_fd[it->pub.place],
                   spool_place_names[it->pub.place], name);
      it->bundle = false;
      it->pub.bytes = 0;
      it->pub.digest[0] = '\0';
    }
}

/* ---- open items ---- */

static uint64_t
tree_bytes (int dirfd, unsigned depth)
{
  CLEANUP_CLOSEDIR DIR *d = io_opendir (dirfd);
  struct dirent *e;
  uint64_t n = 0;

  if (d == NULL)
    return 0;
  while ((e = readdir (d)) != NULL)
    {
      struct stat st;

      if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0
          || fstatat (dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue;
      if (S_ISREG (st.st_mode))
        n += (uint64_t) st.st_size;
      else if (S_ISDIR (st.st_mode) && depth < MAX_TREE_DEPTH)
        {
          CLEANUP_CLOSE int sub
              = openat (dirfd, e->d_name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          if (sub >= 0)
            n += tree_bytes (sub, depth + 1);
        }
    }
  return n;
}

static void
see_open (const char *name, void *arg)
{
  struct scan *s = arg;
  struct spool *sp = s->sp;
  int fd = sp->place_fd[SPOOL_OPEN];
  CLEANUP_FREE char *json = NULL;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_CLOSE int dir = -1;
  struct error err = ERROR_INIT;
  struct item *it;
  struct stat st;
  size_t len;

  /* Past open already: only the removal was left to do. */
  if (!spool_id_ok (name) || spool_find (sp, name) != NULL)
    {
      spool_remove_tree (fd, name);
      return;
    }
  dir = openat (fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (dir < 0 || fstatat (dir, "incident.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
    {
      /* Nobody was told that it is durable. */
      spool_remove_tree (fd, name);
      return;
    }
  if ((it = spool_add (sp, name, SPOOL_OPEN)) == NULL)
    {
      s->no_memory = true;
      return;
    }
  it->pub.since_ms = (uint64_t) st.st_mtime * 1000;
  it->pub.bytes = tree_bytes (dir, 0);
  unlinkat (dir, "incident.json.new", 0);
  unlinkat (dir, "gaps.json.new", 0);
  if (spool_read_incident (sp, name, &json, &len, &err) < 0
      || json_parse (json, len, JSON_WIRE, "incident", SPOOL_MAX_INCIDENT,
                     &doc, &err) < 0)
    {
      spool_forget (sp, it);
      if (err.code != ENOMEM && err.code != EIO)
        set_aside (sp, fd, "open", name);
    }
}

int
spool_recover (struct spool *sp, struct error *err)
{
  /* The later place first: see take_item(). */
  static const enum spool_place past[]
      = { SPOOL_SENT, SPOOL_PARKED, SPOOL_READY };
  struct scan s = { .sp = sp };
  int r;

  for (unsigned i = 0; i < ARRAY_LEN (past); i++)
    {
      s.place = past[i];
      if ((r = each_name (sp->place_fd[s.place], see_json, &s)) < 0)
        return error_errno (err, -r, "reading the spool's %s/",
                            spool_place_names[s.place]);
    }
  if ((r = each_name (sp->place_fd[SPOOL_OPEN], see_open, &s)) < 0)
    return error_errno (err, -r, "reading the spool's open/");
  for (unsigned i = 0; i < ARRAY_LEN (past); i++)
    {
      s.place = past[i];
      each_name (sp->place_fd[s.place], see_bundle, &s);
    }
  if (s.no_memory)
    return error_set (err, ENOMEM, "no memory for the spool's items");
  check_bundles (sp);
  return 0;
}

/* ---- opening and closing ---- */

void
spool_close (struct spool *sp)
{
  if (sp == NULL)
    return;
  while (sp->count > 0)
    spool_forget (sp, sp->items[0]);
  free (sp->items);
  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    if (sp->place_fd[i] >= 0)
      close (sp->place_fd[i]);
  if (sp->bad_fd >= 0)
    close (sp->bad_fd);
  if (sp->dirfd >= 0)
    close (sp->dirfd);
  free (sp);
}

static void
default_limits (struct spool_limits *l)
{
  if (l->max_bytes == 0)
    l->max_bytes = 1u << 30;
  if (l->free_floor == 0)
    l->free_floor = 256u << 20;
  if (l->max_artifact == 0)
    l->max_artifact = 16u << 20;
  if (l->keep_sent == 0)
    l->keep_sent = 50;
}

int
spool_open (int dirfd, const struct spool_limits *limits, struct spool **ret,
            struct error *err)
{
  struct spool *sp = calloc (1, sizeof *sp);
  int r = 0;

  if (sp == NULL)
    return error_set (err, ENOMEM, "no memory for the spool");
  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    sp->place_fd[i] = -1;
  sp->bad_fd = -1;
  if (limits)
    sp->limits = *limits;
  default_limits (&sp->limits);
  sp->dirfd = fcntl (dirfd, F_DUPFD_CLOEXEC, 3);
  if (sp->dirfd < 0)
    r = error_errno (err, errno, "opening the spool");
  for (unsigned i = 0; r == 0 && i < SPOOL_PLACE_MAX; i++)
    r = make_place (dirfd, spool_place_names[i], &sp->place_fd[i], err);
  if (r == 0)
    r = make_place (dirfd, "bad", &sp->bad_fd, err);
  if (r == 0 && fsync (dirfd) < 0)
    r = error_errno (err, errno, "fsync of the spool");
  if (r == 0)
    r = spool_recover (sp, err);
  if (r < 0)
    {
      spool_close (sp);
      return r;
    }
  spool_evict_sent (sp);
  spool_ballast_make (sp);
  *ret = sp;
  return 0;
}

void
spool_limit (struct spool *sp, uint64_t max_bytes, uint64_t free_floor)
{
  sp->limits.max_bytes = max_bytes;
  sp->limits.free_floor = free_floor;
  default_limits (&sp->limits);
  /* Where nothing more may go it stays above: the next write is refused. */
  spool_room (sp, 0, false, NULL);
}
