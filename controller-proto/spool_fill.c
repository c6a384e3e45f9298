/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool's open items: the incident's own record, its artifacts, the gaps
 * among them, and their becoming a bundle.
 */
#include "controller-proto/spool_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/store.h"
#include "controller-proto/bundle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the incident's record ---- */

static int
check_incident (const void *json, size_t len, struct json_object **ret,
                struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  int r = json_parse (json, len, JSON_WIRE, "incident", SPOOL_MAX_INCIDENT,
                      &doc, err);

  if (r < 0)
    return r;
  if (!json_object_is_type (json_root (doc), json_type_object))
    return error_set (err, EINVAL, "an incident is a JSON object");
  *ret = json_object_get (json_root (doc));
  return 0;
}

static int
new_item (struct spool *sp, const char *id, bool update, struct item **ret,
          struct error *err)
{
  if (update)
    return spool_missing (id, err);
  *ret = spool_add (sp, id, SPOOL_OPEN);
  if (*ret == NULL)
    return error_set (err, ENOMEM, "no memory for an incident");
  (*ret)->pub.since_ms = clock_wall_ms ();
  return 0;
}

/* News: however long the last revision would have waited. */
static void
due_again (struct item *it)
{
  for (unsigned i = 0; i < it->pub.nat; i++)
    {
      struct spool_sending *s = &it->pub.at[i].part[SPOOL_DOCUMENT];

      s->attempts = 0;
      s->next_ms = 0;
    }
}

int
spool_incident (struct spool *sp, const char *id, const void *json,
                size_t len, bool update, struct error *err)
{
  CLEANUP_JSON struct json_object *incident = NULL;
  struct spool_item was;
  struct item *it;
  int64_t rev;
  bool fresh;
  int r = spool_check_id (id, err);

  if (r < 0 || (r = check_incident (json, len, &incident, err)) < 0)
    return r;
  it = spool_find (sp, id);
  fresh = it == NULL;
  rev = json_get_int (incident, "rev", 0);
  if (it && rev > 0 && (uint64_t) rev <= it->pub.rev)
    return it->behind ? spool_write_item (sp, it, NULL, err) : 0;
  if ((r = spool_room (sp, len, SPOOL_CRITICAL, err)) < 0)
    return r;
  /* Who had to go for it may have been that one. */
  it = spool_find (sp, id);
  if (it == NULL && (r = new_item (sp, id, update || !fresh, &it, err)) < 0)
    return r;
  was = it->pub;
  it->pub.rev = rev > 0 ? (uint64_t) rev : it->pub.rev + 1;
  spool_take_document (it, incident);
  due_again (it);
  r = spool_write_item (sp, it, incident, err);
  if (r < 0 && fresh)
    spool_forget (sp, it);
  else if (r < 0)
    it->pub = was;
  return r;
}

bool
spool_has (struct spool *sp, const char *id)
{
  return spool_find (sp, id) != NULL;
}

/* ---- gaps ---- */

static void
save_gaps (struct spool *sp, struct item *it)
{
  CLEANUP_CLOSE int dir = -1;
  size_t len = 0;
  const char *text;

  if (!it->gaps_dirty || spool_open_dir (sp, it->pub.id, NULL, &dir, NULL) < 0)
    return;
  text = json_object_to_json_string_length (it->gaps, JSON_C_TO_STRING_PLAIN,
                                            &len);
  /* On a full disk it stays in memory and is tried again. */
  if (text && store_put_file (dir, "gaps.json", text, len, 0600, NULL) == 0)
    it->gaps_dirty = false;
}

static void
note_gap (struct spool *sp, struct item *it, const char *name,
          uint64_t offset, uint64_t bytes, int code)
{
  struct json_object *g = NULL;

  sp->gaps++;
  if (it->gaps == NULL && (it->gaps = json_object_new_array ()) == NULL)
    return;
  for (size_t i = 0; i < json_object_array_length (it->gaps); i++)
    {
      struct json_object *o = json_object_array_get_idx (it->gaps, i);
      const char *was = json_get_str (o, "path");

      if (was && strcmp (was, name) == 0)
        g = o;
    }
  if (g == NULL)
    {
      if (json_object_array_length (it->gaps) >= SPOOL_MAX_GAPS)
        return;
      g = json_object_new_object ();
      json_add_str (g, "path", name);
      json_add_int (g, "from", (int64_t) offset);
      json_add_str (g, "reason", strerror (code));
      json_object_array_add (it->gaps, g);
    }
  int64_t lost = json_get_int (g, "bytes_lost", 0) + (int64_t) bytes;
  json_object_object_del (g, "bytes_lost");
  json_add_int (g, "bytes_lost", lost);
  it->gaps_dirty = true;
  save_gaps (sp, it);
}

/* ---- artifacts ---- */

static bool
artifact_name_ok (const char *name)
{
  return bundle_name_ok (name) && strcmp (name, "manifest.json") != 0
         && strcmp (name, "incident.json") != 0;
}

/* Opens files/NAME, making the folders on the way to it. */
static int
open_artifact (struct spool *sp, const char *id, const char *name, int *ret,
               struct error *err)
{
  CLEANUP_CLOSE int dir = -1;
  int r = spool_open_dir (sp, id, "files", &dir, err);

  if (r < 0)
    return r;
  for (const char *slash; (slash = strchr (name, '/')); name = slash + 1)
    {
      char part[128];
      int sub;

      snprintf (part, sizeof part, "%.*s", (int) (slash - name), name);
      if (mkdirat (dir, part, 0700) < 0 && errno != EEXIST)
        return error_errno (err, errno, "making %s", part);
      sub = openat (dir, part,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (sub < 0)
        return error_errno (err, errno, "opening %s", part);
      close (dir);
      dir = sub;
    }
  *ret = openat (dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (*ret < 0)
    return error_errno (err, errno, "creating %s", name);
  return 0;
}

static enum spool_what
what_of (uint64_t bytes)
{
  return bytes <= SPOOL_SMALL_BYTES ? SPOOL_SMALL : SPOOL_BULK;
}

static int
append (struct spool *sp, struct item *it, const char *name, uint64_t offset,
        const void *data, size_t len, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct stat st;
  int r;

  if (offset > sp->limits.max_artifact
      || len > sp->limits.max_artifact - offset)
    return error_set (err, EFBIG, "%s is larger than an artifact may be",
                      name);
  if ((r = spool_room (sp, len, what_of (it->pub.bytes + len), err)) < 0
      || (r = open_artifact (sp, it->pub.id, name, &fd, err)) < 0)
    return r;
  if (fstat (fd, &st) < 0)
    return error_errno (err, errno, "%s", name);
  if (offset > (uint64_t) st.st_size)
    return error_set (err, EFBIG, "%s was cut before", name);
  /* Less than what is there: a repeated request, which replaces. */
  if (offset < (uint64_t) st.st_size && ftruncate (fd, (off_t) offset) < 0)
    return error_errno (err, errno, "%s", name);
  r = io_pwrite (fd, data, len, offset);
  if (r < 0)
    {
      (void) !ftruncate (fd, (off_t) offset);
      len = 0;
    }
  it->pub.bytes += offset + len;
  it->pub.bytes -= it->pub.bytes < (uint64_t) st.st_size
                       ? it->pub.bytes
                       : (uint64_t) st.st_size;
  return r < 0 ? error_errno (err, -r, "writing %s", name) : 0;
}

int
spool_artifact (struct spool *sp, const char *id, const char *name,
                uint64_t offset, const void *data, size_t len,
                struct error *err)
{
  struct error why = ERROR_INIT;
  struct item *it;
  int r = spool_check_id (id, err);

  if (r < 0)
    return r;
  if (!artifact_name_ok (name))
    return error_set (err, EINVAL, "not a name for an artifact");
  it = spool_find (sp, id);
  if (it == NULL)
    return spool_missing (id, err);
  if (it->pub.place != SPOOL_OPEN)
    return error_set (err, EALREADY, "incident %s is past open", id);
  r = append (sp, it, name, offset, data, len, &why);
  if (r == -EDQUOT)
    r = -(why.code = ENOSPC);
  if (r < 0)
    note_gap (sp, it, name, offset, len, -r);
  else if (it->gaps_dirty)
    save_gaps (sp, it);
  if (r < 0 && err)
    *err = why;
  return r;
}

/* ---- packing ---- */

static void
load_gaps (struct spool *sp, struct item *it, int dir)
{
  CLEANUP_FREE char *text = NULL;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  size_t len;

  if (it->gaps == NULL
      && store_get_file (dir, "gaps.json", 64u << 10, &text, &len, NULL) == 0
      && json_parse (text, len, JSON_WIRE, "gaps", 64u << 10, &doc, NULL) == 0
      && json_object_is_type (json_root (doc), json_type_array))
    it->gaps = json_object_get (json_root (doc));
}

/* head with what this side knows of gaps added; the caller's head stays. */
static struct json_object *
with_gaps (struct json_object *head, struct json_object *gaps)
{
  struct json_object *h = json_object_new_object ();
  struct json_object *all = json_object_new_array ();
  struct json_object *given = head ? json_get (head, "gaps") : NULL;

  if (head && json_object_is_type (head, json_type_object))
    {
      json_object_object_foreach (head, key, value)
        {
          if (strcmp (key, "gaps") != 0)
            json_object_object_add (h, key, json_object_get (value));
        }
    }
  struct json_object *lists[] = { given, gaps };
  for (unsigned k = 0; k < 2; k++)
    if (lists[k] && json_object_is_type (lists[k], json_type_array))
      for (size_t i = 0; i < json_object_array_length (lists[k]); i++)
        json_object_array_add (
            all, json_object_get (json_object_array_get_idx (lists[k], i)));
  json_object_object_add (h, "gaps", all);
  return h;
}

void
spool_page (struct spool *sp, spool_page_fn *fn, void *arg)
{
  sp->page = fn;
  sp->page_arg = arg;
}

/* Without its page a bundle is whole all the same. */
static void
make_page (struct spool *sp, int files, struct json_object *full)
{
  struct error err = ERROR_INIT;
  struct json_object *gap;

  if (!sp->page || sp->page (sp->page_arg, files, full, &err) == 0)
    return;
  gap = json_object_new_object ();
  json_add_str (gap, "what", "index.html");
  json_add_text (gap, "why", error_text (&err), strlen (error_text (&err)));
  json_object_array_add (json_get (full, "gaps"), gap);
}

/* The bundle is under its name when this returns, but the item is still
 * open: before its .json says otherwise recovery removes the bundle again. */
static int
pack_bundle (struct spool *sp, struct item *it, struct json_object *head,
             char digest[65], uint64_t *size, struct error *err)
{
  CLEANUP_CLOSE int dir = -1, files = -1;
  CLEANUP_FREE char *text = NULL;
  CLEANUP_JSON struct json_object *full = NULL;
  char name[64];
  size_t len;
  int r;

  if ((r = spool_open_dir (sp, it->pub.id, NULL, &dir, err)) < 0
      || (r = spool_open_dir (sp, it->pub.id, "files", &files, err)) < 0
      || (r = spool_document (sp, it->pub.id, NULL, &text, &len, err)) < 0
      || (r = store_put_file (files, "incident.json", text, len, 0600, err))
             < 0)
    return r;
  load_gaps (sp, it, dir);
  full = with_gaps (head, it->gaps);
  make_page (sp, files, full);
  return bundle_pack (files, sp->blobs_fd,
                      spool_bundle_name (name, it->pub.id), full,
                      bundle_order, digest, size, err);
}

int
spool_pack (struct spool *sp, const char *id, struct json_object *head,
            struct spool_item *ret_item, struct error *err)
{
  struct item *it;
  struct spool_item was;
  char name[64];
  bool without = head && json_get_bool (head, "no_bundle", false);
  int r = spool_lookup (sp, id, &it, err);

  if (r < 0)
    return r;
  /* Asked again after a lost answer. */
  if (it->pub.place != SPOOL_OPEN)
    {
      *ret_item = it->pub;
      return 0;
    }
  was = it->pub;
  if (without)
    {
      it->pub.bytes = 0;
      snprintf (it->pub.note, sizeof it->pub.note,
                "no bundle was made of it");
    }
  else if ((r = spool_room (sp, it->pub.bytes, what_of (it->pub.bytes), err))
               < 0
      || (r = pack_bundle (sp, it, head, it->pub.digest, &it->pub.bytes,
                           err)) < 0)
    {
      it->pub = was;
      return r;
    }
  it->pub.place = SPOOL_READY;
  it->pub.since_ms = clock_wall_ms ();
  it->pub.bundle = !without;
  it->pub.unpacked = without ? 0 : was.bytes;
  r = spool_write_item (sp, it, NULL, err);
  if (r < 0)
    {
      it->pub = was;
      unlinkat (sp->blobs_fd, spool_bundle_name (name, id), 0);
      return r;
    }
  json_object_put (steal_ptr (&it->gaps));
  it->gaps_dirty = false;
  spool_remove_tree (sp->open_fd, id);
  *ret_item = it->pub;
  return 0;
}
