/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: its items, and what is asked about them.
 *
 * The invariant is that an item is what its .json says: evidence without one
 * was never told to be durable, and a bundle whose .json knows of none was not
 * finished.  Recovery removes both.
 */
#include "controller-proto/spool_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *const spool_place_names[]
    = { "open", "ready", "sent", "parked", NULL };

/* ---- items ---- */

bool
spool_id_ok (const char *id)
{
  if (id == NULL || strlen (id) != 36)
    return false;
  for (unsigned i = 0; i < 36; i++)
    {
      bool dash = i == 8 || i == 13 || i == 18 || i == 23;
      char c = id[i];

      if (dash ? c != '-'
               : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
        return false;
    }
  return true;
}

int
spool_check_id (const char *id, struct error *err)
{
  if (!spool_id_ok (id))
    return error_set (err, EINVAL, "an incident's id is a lower-case uuid");
  return 0;
}

struct item *
spool_find (struct spool *sp, const char *id)
{
  for (size_t i = 0; i < sp->count; i++)
    if (strcmp (sp->items[i]->pub.id, id) == 0)
      return sp->items[i];
  return NULL;
}

struct item *
spool_add (struct spool *sp, const char *id, enum spool_place place)
{
  struct item *it = calloc (1, sizeof *it);

  if (it && sp->count == sp->cap)
    {
      size_t cap = sp->cap ? sp->cap * 2 : 32;
      struct item **items = realloc (sp->items, cap * sizeof *items);

      if (items == NULL)
        {
          free (it);
          return NULL;
        }
      sp->items = items;
      sp->cap = cap;
    }
  if (it == NULL)
    return NULL;
  memcpy (it->pub.id, id, 37);
  it->pub.place = place;
  sp->items[sp->count++] = it;
  return it;
}

void
spool_forget (struct spool *sp, struct item *it)
{
  for (size_t i = 0; i < sp->count; i++)
    if (sp->items[i] == it)
      {
        sp->items[i] = sp->items[--sp->count];
        json_object_put (it->gaps);
        free (it);
        return;
      }
}

char *
spool_json_name (char *dst, const char *id)
{
  snprintf (dst, 64, "%.36s.json", id);
  return dst;
}

char *
spool_bundle_name (char *dst, const char *id)
{
  snprintf (dst, 64, "%.36s.tar.zst", id);
  return dst;
}

int
spool_missing (const char *id, struct error *err)
{
  return error_set (err, ENOENT, "no incident %s in the spool", id);
}

int
spool_lookup (struct spool *sp, const char *id, struct item **ret,
              struct error *err)
{
  struct item *it;
  int r = spool_check_id (id, err);

  if (r < 0)
    return r;
  it = spool_find (sp, id);
  if (it == NULL)
    return spool_missing (id, err);
  *ret = it;
  return 0;
}

/* ---- ID.json ---- */

int
spool_load_item (int dirfd, const char *id, struct json_object **ret,
                 struct error *err)
{
  CLEANUP_FREE char *text = NULL;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  char name[64];
  size_t len;
  int r = store_get_file (dirfd, spool_json_name (name, id),
                          SPOOL_MAX_ITEM_FILE, &text, &len, err);

  if (r < 0)
    return r;
  r = json_parse (text, len, JSON_WIRE, name, SPOOL_MAX_ITEM_FILE, &doc, err);
  if (r < 0)
    return r;
  if (!json_object_is_type (json_root (doc), json_type_object)
      || !json_object_is_type (json_get (json_root (doc), "spool"),
                               json_type_object)
      || !json_object_is_type (json_get (json_root (doc), "incident"),
                               json_type_object))
    return error_set (err, EBADMSG, "%s is not an item of the spool", name);
  *ret = json_object_get (json_root (doc));
  return 0;
}

void
spool_take_document (struct item *it, struct json_object *incident)
{
  const char *end = json_get_str (incident, "end");

  it->pub.stands = end && strcmp (end, "not-ended") == 0;
}

static struct json_object *
state_json (const struct item *it)
{
  struct json_object *state = json_object_new_object ();
  const struct spool_item *s = &it->pub;

  json_add_str (state, "place", spool_place_names[s->place]);
  json_add_int (state, "rev", (int64_t) s->rev);
  json_add_int (state, "since_ms", (int64_t) s->since_ms);
  if (s->bundle)
    {
      json_add_int (state, "bytes", (int64_t) s->bytes);
      if (s->unpacked)
        json_add_int (state, "unpacked", (int64_t) s->unpacked);
      json_add_str (state, "digest", s->digest);
    }
  if (s->note[0])
    json_add_str (state, "note", s->note);
  spool_at_to_json (it, state);
  return state;
}

static int
put_text (struct spool *sp, struct item *it, struct json_object *all,
          struct error *err)
{
  char name[64];
  size_t len = 0;
  const char *text = json_object_to_json_string_length (
      all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  int r;

  if (text == NULL)
    return error_set (err, ENOMEM, "no memory for %s", it->pub.id);
  spool_json_name (name, it->pub.id);
  r = store_put_file (sp->docs_fd, name, text, len, 0600, err);
  if (r == -ENOSPC || r == -EDQUOT)
    {
      /* What the ballast is for. */
      spool_ballast_drop (sp);
      r = store_put_file (sp->docs_fd, name, text, len, 0600, err);
    }
  if (r == 0)
    {
      it->json_bytes = len;
      spool_ballast_make (sp);
    }
  return r;
}

int
spool_write_item (struct spool *sp, struct item *it,
                  struct json_object *incident, struct error *err)
{
  CLEANUP_JSON struct json_object *old = NULL;
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  int r = 0;

  if (incident == NULL)
    {
      r = spool_load_item (sp->docs_fd, it->pub.id, &old, err);
      incident = old ? json_get (old, "incident") : NULL;
    }
  if (r == 0)
    {
      json_object_object_add (all, "spool", state_json (it));
      json_object_object_add (all, "incident", json_object_get (incident));
      r = put_text (sp, it, all, err);
    }
  it->behind = r < 0;
  return r;
}

int
spool_open_dir (struct spool *sp, const char *id, const char *sub, int *ret,
                struct error *err)
{
  char path[64];
  int fd;

  snprintf (path, sizeof path, "%.36s", id);
  if (mkdirat (sp->open_fd, path, 0700) < 0 && errno != EEXIST)
    return error_errno (err, errno, "making open/%s", path);
  if (sub)
    {
      snprintf (path, sizeof path, "%.36s/%.20s", id, sub);
      if (mkdirat (sp->open_fd, path, 0700) < 0 && errno != EEXIST)
        return error_errno (err, errno, "making open/%s", path);
    }
  fd = openat (sp->open_fd, path,
               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "open/%s", path);
  *ret = fd;
  return 0;
}

/* ---- dropping ---- */

int
spool_drop (struct spool *sp, const char *id, struct error *err)
{
  char name[64];
  struct item *it;
  int r = spool_check_id (id, err);

  if (r < 0 || (it = spool_find (sp, id)) == NULL)
    return r;
  /* The .json first: without it the others belong to nothing. */
  if (unlinkat (sp->docs_fd, spool_json_name (name, id), 0) < 0
      && errno != ENOENT)
    return error_errno (err, errno, "dropping %s", id);
  if (fsync (sp->docs_fd) < 0)
    return error_errno (err, errno, "fsync of incidents/");
  unlinkat (sp->blobs_fd, spool_bundle_name (name, id), 0);
  spool_forms_drop (sp, it);
  spool_remove_tree (sp->open_fd, id);
  spool_forget (sp, it);
  return 0;
}

/* ---- looking ---- */

static int
older (const void *a, const void *b)
{
  const struct item *const *x = a, *const *y = b;
  uint64_t s = (*x)->pub.since_ms, t = (*y)->pub.since_ms;

  if (s != t)
    return s < t ? -1 : 1;
  return strcmp ((*x)->pub.id, (*y)->pub.id);
}

void
spool_each (struct spool *sp, enum spool_place place,
            void (*fn) (const struct spool_item *item, void *arg), void *arg)
{
  if (sp->count > 0)
    qsort (sp->items, sp->count, sizeof *sp->items, older);
  for (size_t i = 0; i < sp->count; i++)
    if (sp->items[i]->pub.place == place)
      fn (&sp->items[i]->pub, arg);
}

int
spool_document (struct spool *sp, const char *id, const char *sink,
                char **ret_json, size_t *ret_len, struct error *err)
{
  CLEANUP_JSON struct json_object *all = NULL;
  struct json_object *incident;
  struct item *it;
  size_t len = 0;
  int r = spool_lookup (sp, id, &it, err);

  if (r < 0 || (r = spool_load_item (sp->docs_fd, id, &all, err)) < 0)
    return r;
  incident = json_get (all, "incident");
  json_object_object_del (incident, "rev");
  json_add_int (incident, "rev",
                json_get_int (json_get (all, "spool"), "rev", 1));
  if (sink)
    spool_form_tell (it, sink, incident);
  const char *text = json_object_to_json_string_length (
      incident, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  char *copy = text ? strndup (text, len) : NULL;
  if (copy == NULL)
    return error_set (err, ENOMEM, "no memory for %s", id);
  *ret_json = copy;
  *ret_len = len;
  return 0;
}

int
spool_bundle_fd (struct spool *sp, const char *id, int *ret_fd,
                 struct error *err)
{
  char name[64];
  struct item *it;
  int fd, r = spool_check_id (id, err);

  if (r < 0)
    return r;
  it = spool_find (sp, id);
  if (it == NULL || !it->pub.bundle)
    return error_set (err, ENOENT, "no bundle of incident %s", id);
  fd = openat (sp->blobs_fd, spool_bundle_name (name, id),
               O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "opening %s", name);
  *ret_fd = fd;
  return 0;
}

void
spool_stats (struct spool *sp, struct spool_stats *ret)
{
  memset (ret, 0, sizeof *ret);
  for (size_t i = 0; i < sp->count; i++)
    {
      ret->count[sp->items[i]->pub.place]++;
      ret->bytes += sp->items[i]->pub.bytes + sp->items[i]->json_bytes
                    + spool_forms_bytes (sp->items[i]);
    }
  ret->evicted = sp->evicted;
  ret->gaps = sp->gaps;
  ret->taken_over = sp->taken_over;
  ret->left_behind = sp->left_behind;
}
