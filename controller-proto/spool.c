/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: what is asked of it, and the moves of an item.
 *
 * The invariant is that an item is where its .json is.  A move renames the
 * bundle first and the .json last; recovery takes a bundle back to its .json,
 * so that every move is either not begun or done.
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

/* A clock that was set back must not keep an item for years: no honest next
 * attempt lies further ahead than this. */
#define NEXT_MAX_AHEAD_MS (2u * 60 * 60 * 1000)

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
spool_load_item (struct spool *sp, enum spool_place place, const char *id,
                 struct json_object **ret, struct error *err)
{
  CLEANUP_FREE char *text = NULL;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  char name[64];
  size_t len;
  int r = store_get_file (sp->place_fd[place], spool_json_name (name, id),
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

int
spool_write_item (struct spool *sp, struct item *it,
                  struct json_object *incident, struct error *err)
{
  CLEANUP_JSON struct json_object *old = NULL;
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  struct json_object *state = json_object_new_object ();
  const struct spool_item *s = &it->pub;
  char name[64];
  size_t len = 0;

  if (incident == NULL)
    {
      int r = spool_load_item (sp, s->place, s->id, &old, err);
      if (r < 0)
        {
          json_object_put (state);
          return r;
        }
      incident = json_get (old, "incident");
    }
  json_add_int (state, "bytes", (int64_t) s->bytes);
  json_add_str (state, "digest", s->digest);
  json_add_int (state, "since_ms", (int64_t) s->since_ms);
  json_add_int (state, "attempts", s->attempts);
  json_add_int (state, "next_ms", (int64_t) s->next_ms);
  json_add_text (state, "last_error", s->last_error, strlen (s->last_error));
  json_add_bool (state, "bundle", it->bundle);
  json_object_object_add (all, "spool", state);
  json_object_object_add (all, "incident", json_object_get (incident));
  const char *text = json_object_to_json_string_length (
      all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  if (text == NULL)
    return error_set (err, ENOMEM, "no memory for %s", s->id);
  it->json_bytes = len;
  return store_put_file (sp->place_fd[s->place],
                         spool_json_name (name, s->id), text, len, 0600, err);
}

int
spool_open_dir (struct spool *sp, const char *id, const char *sub, int *ret,
                struct error *err)
{
  char path[64];
  int fd;

  snprintf (path, sizeof path, "%.36s%s%s", id, sub ? "/" : "",
            sub ? sub : "");
  fd = openat (sp->place_fd[SPOOL_OPEN], path,
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
  if (it->pub.place == SPOOL_OPEN)
    r = spool_remove_tree (sp->place_fd[SPOOL_OPEN], id);
  else
    {
      int fd = sp->place_fd[it->pub.place];

      /* The .json first: from then on there is no such item. */
      if (unlinkat (fd, spool_json_name (name, id), 0) < 0 && errno != ENOENT)
        r = -errno;
      else
        unlinkat (fd, spool_bundle_name (name, id), 0);
    }
  if (r < 0)
    return error_errno (err, -r, "removing %s", id);
  spool_forget (sp, it);
  return 0;
}

/* ---- looking ---- */

static int
older (const void *a, const void *b)
{
  const struct item *x = *(struct item *const *) a;
  const struct item *y = *(struct item *const *) b;

  if (x->pub.since_ms != y->pub.since_ms)
    return x->pub.since_ms < y->pub.since_ms ? -1 : 1;
  return strcmp (x->pub.id, y->pub.id);
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
spool_read_incident (struct spool *sp, const char *id, char **ret_json,
                     size_t *ret_len, struct error *err)
{
  CLEANUP_JSON struct json_object *all = NULL;
  CLEANUP_CLOSE int dir = -1;
  struct item *it;
  int r = spool_lookup (sp, id, &it, err);

  if (r < 0)
    return r;
  if (it->pub.place == SPOOL_OPEN)
    {
      if ((r = spool_open_dir (sp, id, NULL, &dir, err)) < 0)
        return r;
      return store_get_file (dir, "incident.json", SPOOL_MAX_INCIDENT,
                             ret_json, ret_len, err);
    }
  if ((r = spool_load_item (sp, it->pub.place, id, &all, err)) < 0)
    return r;
  size_t len = 0;
  const char *text = json_object_to_json_string_length (
      json_get (all, "incident"),
      JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
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
  int fd = -1, r = spool_check_id (id, err);

  if (r < 0)
    return r;
  it = spool_find (sp, id);
  if (it == NULL || !it->bundle)
    return error_set (err, ENOENT, "no bundle of incident %s", id);
  spool_bundle_name (name, id);
  fd = openat (sp->place_fd[it->pub.place], name,
               O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  /* A move that failed half way, and could not be taken back either. */
  for (unsigned i = SPOOL_READY; fd < 0 && errno == ENOENT
                                 && i < SPOOL_PLACE_MAX; i++)
    fd = openat (sp->place_fd[i], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "opening %s", name);
  *ret_fd = fd;
  return 0;
}

bool
spool_next (struct spool *sp, uint64_t wall_now_ms, struct spool_item *ret)
{
  struct item *best = NULL;

  for (size_t i = 0; i < sp->count; i++)
    {
      struct item *it = sp->items[i];

      if (it->pub.place != SPOOL_READY)
        continue;
      if (it->pub.next_ms > wall_now_ms
          && it->pub.next_ms - wall_now_ms <= NEXT_MAX_AHEAD_MS)
        continue;
      if (best == NULL || older (&it, &best) < 0)
        best = it;
    }
  if (best)
    *ret = best->pub;
  return best != NULL;
}

uint64_t
spool_next_at (struct spool *sp)
{
  uint64_t at = UINT64_MAX;

  for (size_t i = 0; i < sp->count; i++)
    if (sp->items[i]->pub.place == SPOOL_READY
        && sp->items[i]->pub.next_ms < at)
      at = sp->items[i]->pub.next_ms;
  return at;
}

void
spool_due (struct spool *sp)
{
  for (size_t i = 0; i < sp->count; i++)
    if (sp->items[i]->pub.place == SPOOL_READY)
      sp->items[i]->pub.next_ms = 0;
}

/* ---- moves ---- */

/* The bundle, then the .json.  When that cannot be, the bundle goes back. */
static int
move_files (struct spool *sp, struct item *it, enum spool_place from,
            enum spool_place to, struct error *err)
{
  int a = sp->place_fd[from], b = sp->place_fd[to], r = 0;
  char json[64], bundle[64];

  spool_json_name (json, it->pub.id);
  spool_bundle_name (bundle, it->pub.id);
  /* It may be there already, from a try that failed half way. */
  if (it->bundle && renameat (a, bundle, b, bundle) < 0
      && (errno != ENOENT || faccessat (b, bundle, F_OK, 0) < 0))
    return error_errno (err, errno, "moving %s", bundle);
  if (it->bundle && fsync (b) < 0)
    r = error_errno (err, errno, "fsync of %s/", spool_place_names[to]);
  else if (renameat (a, json, b, json) < 0)
    r = error_errno (err, errno, "moving %s", json);
  if (r < 0 && it->bundle)
    (void) !renameat (b, bundle, a, bundle);
  return r;
}

static int
move (struct spool *sp, struct item *it, enum spool_place to,
      struct error *err)
{
  enum spool_place from = it->pub.place;
  int r;

  /* What the item will say there is written here before it moves, so that
   * the move itself is two renames. */
  it->pub.since_ms = clock_wall_ms ();
  r = spool_write_item (sp, it, NULL, err);
  if (r < 0 && r != -ENOSPC && r != -EDQUOT)
    return r; /* on a full disk it moves with what it said before */
  if ((r = move_files (sp, it, from, to, err)) < 0)
    return r;
  it->pub.place = to;
  /* A failure here: the move may be undone by a power cut, and is then made
   * again.  Nothing is lost by it. */
  if (fsync (sp->place_fd[to]) < 0 || fsync (sp->place_fd[from]) < 0)
    return error_errno (err, errno, "fsync of the spool");
  return 0;
}

static int
ready_item (struct spool *sp, const char *id, struct item **ret,
            struct error *err)
{
  int r = spool_lookup (sp, id, ret, err);

  if (r < 0)
    return r;
  if ((*ret)->pub.place != SPOOL_READY)
    return error_set (err, EALREADY, "incident %s is not in ready/ but %s/",
                      id, spool_place_names[(*ret)->pub.place]);
  return 0;
}

static void
set_reason (struct item *it, const char *why)
{
  snprintf (it->pub.last_error, sizeof it->pub.last_error, "%s",
            why ? why : "");
}

int
spool_sent (struct spool *sp, const char *id, struct error *err)
{
  struct item *it;
  int r = ready_item (sp, id, &it, err);

  if (r < 0)
    return r;
  set_reason (it, NULL);
  it->pub.next_ms = 0;
  r = move (sp, it, SPOOL_SENT, err);
  spool_evict_sent (sp);
  return r;
}

int
spool_failed (struct spool *sp, const char *id, uint64_t next_wall_ms,
              const char *why, struct error *err)
{
  struct item *it;
  int r = ready_item (sp, id, &it, err);

  if (r < 0)
    return r;
  it->pub.attempts++;
  it->pub.next_ms = next_wall_ms;
  set_reason (it, why);
  return spool_write_item (sp, it, NULL, err);
}

int
spool_park (struct spool *sp, const char *id, const char *why,
            struct error *err)
{
  struct item *it;
  int r = ready_item (sp, id, &it, err);

  if (r < 0)
    return r;
  set_reason (it, why);
  it->pub.next_ms = 0;
  return move (sp, it, SPOOL_PARKED, err);
}

int
spool_retry (struct spool *sp, const char *id, struct error *err)
{
  struct item *it;
  int r = spool_lookup (sp, id, &it, err);

  if (r < 0)
    return r;
  if (it->pub.place != SPOOL_READY && it->pub.place != SPOOL_PARKED)
    return error_set (err, EALREADY, "incident %s is %s", id,
                      spool_place_names[it->pub.place]);
  it->pub.attempts = 0;
  it->pub.next_ms = 0;
  if (it->pub.place == SPOOL_PARKED)
    return move (sp, it, SPOOL_READY, err);
  return spool_write_item (sp, it, NULL, err);
}

void
spool_stats (struct spool *sp, struct spool_stats *ret)
{
  memset (ret, 0, sizeof *ret);
  for (size_t i = 0; i < sp->count; i++)
    {
      ret->count[sp->items[i]->pub.place]++;
      ret->bytes += sp->items[i]->pub.bytes + sp->items[i]->json_bytes;
    }
  ret->evicted = sp->evicted;
  ret->gaps = sp->gaps;
}
