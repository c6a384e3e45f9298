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
make_folder (int dirfd, const char *name, int *ret, struct error *err)
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

int
spool_each_name (int dirfd, void (*fn) (const char *name, void *arg), void *arg)
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
  int r = spool_each_name (sub.fd, remove_in, &sub);
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

/* Beyond the bound, what cannot be read is simply removed. */
void
spool_set_aside (struct spool *sp, int from, const char *place,
                 const char *name)
{
  char to[300];
  unsigned n = 0;

  spool_each_name (sp->bad_fd, count_name, &n);
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
  NAME_FORM, /* of a bundle, for a sink */
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
  if (name[36] == '.' && len > 44 && strcmp (name + len - 8, ".tar.zst") == 0)
    return NAME_FORM;
  return NAME_OTHER;
}

/* ---- documents ---- */

struct scan
{
  struct spool *sp;
  bool no_memory;
};

static bool
place_named (const char *name, enum spool_place *ret)
{
  for (unsigned i = 0; name && i < SPOOL_PLACE_MAX; i++)
    if (strcmp (spool_place_names[i], name) == 0)
      {
        *ret = (enum spool_place) i;
        return true;
      }
  return false;
}

static void
fill_item (struct item *it, struct json_object *all)
{
  struct json_object *st = json_get (all, "spool");
  const char *digest = json_get_str (st, "digest");
  const char *note = json_get_str (st, "note");

  it->json_bytes = strlen (json_object_to_json_string_ext (
      all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
  it->pub.rev = (uint64_t) json_get_int (st, "rev", 1);
  it->pub.bytes = (uint64_t) json_get_int (st, "bytes", 0);
  it->pub.unpacked = (uint64_t) json_get_int (st, "unpacked", 0);
  it->pub.since_ms = (uint64_t) json_get_int (st, "since_ms", 0);
  snprintf (it->pub.digest, sizeof it->pub.digest, "%s", digest ? digest : "");
  snprintf (it->pub.note, sizeof it->pub.note, "%s", note ? note : "");
  spool_take_document (it, json_get (all, "incident"));
  spool_at_from_json (it, st);
}

static void
take_document (struct scan *s, const char *name, const char *id)
{
  struct spool *sp = s->sp;
  CLEANUP_JSON struct json_object *all = NULL;
  enum spool_place place = SPOOL_OPEN;
  struct error err = ERROR_INIT;
  struct item *it;

  if (spool_load_item (sp->docs_fd, id, &all, &err) < 0
      || !place_named (json_get_str (json_get (all, "spool"), "place"),
                       &place))
    {
      /* A disk that is in trouble may be able to say it later. */
      if (err.code == ENOMEM || err.code == EIO)
        sp->unread = true;
      else
        spool_set_aside (sp, sp->docs_fd, "incidents", name);
      return;
    }
  if ((it = spool_add (sp, id, place)) == NULL)
    {
      s->no_memory = true;
      return;
    }
  fill_item (it, all);
}

static void
see_document (const char *name, void *arg)
{
  struct scan *s = arg;
  char id[40];

  switch (name_kind (name, id))
    {
    case NAME_JSON:
      take_document (s, name, id);
      break;
    case NAME_TEMP:
      unlinkat (s->sp->docs_fd, name, 0);
      break;
    case NAME_BUNDLE:
    case NAME_FORM:
    case NAME_OTHER:
      break;
    }
}

/* ---- what belongs to them ---- */

static void
see_bundle (const char *name, void *arg)
{
  struct scan *s = arg;
  struct spool *sp = s->sp;
  struct item *it;
  char id[40];

  switch (name_kind (name, id))
    {
    case NAME_BUNDLE:
      it = spool_find (sp, id);
      /* Packed, and that was not written down; or dropped, .json first. */
      if (it && it->pub.place != SPOOL_OPEN)
        it->pub.bundle = true;
      else if (!sp->unread)
        unlinkat (sp->blobs_fd, name, 0);
      break;
    case NAME_FORM:
      if (!sp->unread && !spool_form_known (sp, name))
        unlinkat (sp->blobs_fd, name, 0);
      break;
    case NAME_TEMP:
      unlinkat (sp->blobs_fd, name, 0);
      break;
    case NAME_JSON:
    case NAME_OTHER:
      break;
    }
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
      spool_bundle_name (name, it->pub.id);
      if (it->pub.bundle
          && fstatat (sp->blobs_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
          && S_ISREG (st.st_mode) && (uint64_t) st.st_size == it->pub.bytes)
        continue;
      /* Evicted, or not what it should be: the document goes alone. */
      if (it->pub.bundle)
        {
          spool_set_aside (sp, sp->blobs_fd, "blobs", name);
          snprintf (it->pub.note, sizeof it->pub.note,
                    "the bundle was not what was packed");
        }
      it->pub.bundle = false;
      it->pub.bytes = 0;
      it->pub.digest[0] = '\0';
    }
}

/* What was being made when we ended is made again. */
static void
see_work (const char *name, void *arg)
{
  spool_remove_tree (*(int *) arg, name);
}

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
  struct item *it = spool_id_ok (name) ? spool_find (sp, name) : NULL;
  CLEANUP_CLOSE int dir = -1;

  /* Nobody was told that it is durable; or it is packed, and only the removal
   * was left to do. */
  if (it == NULL || it->pub.place != SPOOL_OPEN)
    {
      if (!sp->unread)
        spool_remove_tree (sp->open_fd, name);
      return;
    }
  dir = openat (sp->open_fd, name,
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (dir < 0)
    return;
  it->pub.bytes = tree_bytes (dir, 0);
  unlinkat (dir, "gaps.json.new", 0);
}

int
spool_recover (struct spool *sp, struct error *err)
{
  struct scan s = { .sp = sp };
  int r = spool_each_name (sp->docs_fd, see_document, &s);

  if (r < 0)
    return error_errno (err, -r, "reading the spool's incidents/");
  /* Before anything is removed for belonging to nobody. */
  if (s.no_memory)
    return error_set (err, ENOMEM, "no memory for the spool's items");
  if ((r = spool_each_name (sp->open_fd, see_open, &s)) < 0)
    return error_errno (err, -r, "reading the spool's open/");
  if ((r = spool_each_name (sp->blobs_fd, see_bundle, &s)) < 0)
    return error_errno (err, -r, "reading the spool's blobs/");
  check_bundles (sp);
  spool_forms_check (sp);
  spool_each_name (sp->work_fd, see_work, &sp->work_fd);
  return 0;
}

/* ---- opening and closing ---- */

void
spool_close (struct spool *sp)
{
  if (sp == NULL)
    return;
  const int fds[]
      = { sp->docs_fd, sp->blobs_fd, sp->open_fd,
          sp->bad_fd,  sp->work_fd,  sp->dirfd };
  while (sp->count > 0)
    spool_forget (sp, sp->items[0]);
  free (sp->items);
  for (unsigned i = 0; i < ARRAY_LEN (fds); i++)
    if (fds[i] >= 0)
      close (fds[i]);
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

static int
make_folders (struct spool *sp, struct error *err)
{
  const struct
  {
    const char *name;
    int *fd;
  } all[] = { { "incidents", &sp->docs_fd },
              { "blobs", &sp->blobs_fd },
              { "open", &sp->open_fd },
              { "bad", &sp->bad_fd },
              { "work", &sp->work_fd } };
  int r;

  for (unsigned i = 0; i < ARRAY_LEN (all); i++)
    if ((r = make_folder (sp->dirfd, all[i].name, all[i].fd, err)) < 0)
      return r;
  if (fsync (sp->dirfd) < 0)
    return error_errno (err, errno, "fsync of the spool");
  return 0;
}

int
spool_open (int dirfd, const struct spool_limits *limits, struct spool **ret,
            struct error *err)
{
  struct spool *sp = calloc (1, sizeof *sp);
  int r = 0;

  if (sp == NULL)
    return error_set (err, ENOMEM, "no memory for the spool");
  sp->docs_fd = sp->blobs_fd = sp->open_fd = sp->bad_fd = sp->work_fd = -1;
  if (limits)
    sp->limits = *limits;
  default_limits (&sp->limits);
  sp->dirfd = fcntl (dirfd, F_DUPFD_CLOEXEC, 3);
  if (sp->dirfd < 0)
    r = error_errno (err, errno, "opening the spool");
  if (r == 0)
    r = make_folders (sp, err);
  if (r == 0)
    r = spool_take_over (sp, err);
  if (r == 0)
    r = spool_recover (sp, err);
  if (r < 0)
    {
      spool_close (sp);
      return r;
    }
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
  spool_room (sp, 0, SPOOL_BULK, NULL);
}
