/* SPDX-License-Identifier: Apache-2.0
 *
 * A spool of the first format, in which an item moved from folder to folder:
 *
 *   open/ID/incident.json, open/ID/files/...
 *   ready/, sent/, parked/: ID.json, ID.tar.zst
 *
 * becomes one of ours, item by item: the new .json is durable before the old
 * one goes, so whoever is killed in between begins again where it was.  How an
 * incident ended was not in it.  What was packed is taken as closed: a hang
 * that stands is told once more.
 */
#include "controller-proto/spool_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct taking
{
  struct spool *sp;
  int fd; /* of the old folder */
  enum spool_place place;
};

static int
write_new (struct taking *t, const char *id, struct json_object *state,
           struct json_object *incident, struct error *err)
{
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  char name[64];
  const char *text;

  json_add_str (state, "place", spool_place_names[t->place]);
  json_add_int (state, "rev", 1);
  json_object_object_add (all, "spool", json_object_get (state));
  json_object_object_add (all, "incident", json_object_get (incident));
  text = json_object_to_json_string_ext (
      all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
  return store_put_file (t->sp->docs_fd, spool_json_name (name, id), text,
                         strlen (text), 0600, err);
}

/* What can't be read stays where it is. */
static void
count (struct taking *t, int r)
{
  t->sp->taken_over += r == 0;
  t->sp->left_behind += r < 0;
}

/* ready/, sent/, parked/ */
static void
take_packed (const char *name, void *arg)
{
  struct taking *t = arg;
  CLEANUP_JSON struct json_object *all = NULL;
  struct json_object *incident;
  struct error err = ERROR_INIT;
  char id[40], bundle[64];
  int r;

  snprintf (id, sizeof id, "%.36s", name);
  if (!spool_id_ok (id) || strcmp (name + 36, ".json") != 0)
    return;
  r = spool_load_item (t->fd, id, &all, &err);
  if (r == 0)
    {
      spool_bundle_name (bundle, id);
      if (renameat (t->fd, bundle, t->sp->blobs_fd, bundle) < 0
          && errno != ENOENT)
        r = error_errno (&err, errno, "moving %s", bundle);
    }
  if (r == 0 && fsync (t->sp->blobs_fd) < 0)
    r = error_errno (&err, errno, "fsync of blobs/");
  if (r == 0)
    {
      incident = json_get (all, "incident");
      json_object_object_del (incident, "end");
      json_add_str (incident, "end", "closed");
      r = write_new (t, id, json_get (all, "spool"), incident, &err);
    }
  if (r == 0)
    unlinkat (t->fd, name, 0);
  count (t, r);
}

static void
take_open (const char *id, void *arg)
{
  struct taking *t = arg;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_JSON struct json_object *state = NULL;
  CLEANUP_FREE char *text = NULL;
  CLEANUP_CLOSE int dir = -1;
  struct error err = ERROR_INIT;
  size_t len;
  int r;

  if (!spool_id_ok (id)
      || (dir = openat (t->fd, id,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
             < 0
      || faccessat (dir, "incident.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
    return;
  r = store_get_file (dir, "incident.json", SPOOL_MAX_INCIDENT, &text, &len,
                      &err);
  if (r == 0)
    r = json_parse (text, len, JSON_WIRE, "incident.json", SPOOL_MAX_INCIDENT,
                    &doc, &err);
  if (r == 0)
    {
      state = json_object_new_object ();
      r = write_new (t, id, state, json_root (doc), &err);
    }
  if (r == 0)
    unlinkat (dir, "incident.json", 0);
  else if (r == -EIO || r == -ENOMEM || r == -ENOSPC || r == -EDQUOT)
    t->sp->unread = true; /* the next start may have more luck */
  else
    /* Evidence that belongs to nobody would be removed. */
    spool_set_aside (t->sp, t->fd, "open", id);
  count (t, r);
}

int
spool_take_over (struct spool *sp, struct error *err)
{
  static const enum spool_place past[]
      = { SPOOL_READY, SPOOL_SENT, SPOOL_PARKED };
  struct taking t = { .sp = sp, .fd = sp->open_fd, .place = SPOOL_OPEN };
  int r = spool_each_name (sp->open_fd, take_open, &t);

  for (unsigned i = 0; r == 0 && i < ARRAY_LEN (past); i++)
    {
      CLEANUP_CLOSE int fd = -1;

      t.place = past[i];
      t.fd = fd = openat (sp->dirfd, spool_place_names[past[i]],
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0)
        continue;
      r = spool_each_name (fd, take_packed, &t);
      /* What else lies there stays, and so does the folder then. */
      if (r == 0)
        unlinkat (sp->dirfd, spool_place_names[past[i]], AT_REMOVEDIR);
    }
  return r < 0 ? error_errno (err, -r, "reading the spool of an older hangdog")
               : 0;
}
