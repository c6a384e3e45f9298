/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool's way out: what is to go to which sink, and what became of it.
 *
 * Each part of an item, at each sink, has a state of its own, so nobody waits
 * for another: a document goes by a bundle that takes hours, and a sink that
 * refuses or denies holds up no other.
 */
#include "controller-proto/spool_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* A clock that was set back must not keep an item for years: no honest next
 * attempt lies further ahead than this. */
#define NEXT_MAX_AHEAD_MS (2u * 60 * 60 * 1000)

static const char *const part_names[SPOOL_PARTS] = { "document", "bundle" };

/* ---- as it is on disk ---- */

static struct json_object *
sending_json (const struct spool_sending *s)
{
  struct json_object *o = json_object_new_object ();

  json_add_int (o, "acked", (int64_t) s->acked);
  if (s->attempts)
    json_add_int (o, "attempts", s->attempts);
  if (s->next_ms)
    json_add_int (o, "next_ms", (int64_t) s->next_ms);
  if (s->refused)
    json_add_bool (o, "refused", true);
  return o;
}

void
spool_at_to_json (const struct item *it, struct json_object *state)
{
  struct json_object *sinks = json_object_new_object ();

  for (unsigned i = 0; i < it->pub.nat; i++)
    {
      const struct spool_at *at = &it->pub.at[i];
      struct json_object *o = json_object_new_object ();

      for (unsigned p = 0; p < SPOOL_PARTS; p++)
        json_object_object_add (o, part_names[p], sending_json (&at->part[p]));
      if (at->form.digest[0])
        json_object_object_add (o, "form", spool_form_to_json (&at->form));
      if (at->why[0])
        json_add_text (o, "why", at->why, strlen (at->why));
      json_object_object_add (sinks, at->sink, o);
    }
  json_object_object_add (state, "sinks", sinks);
}

static uint64_t
count_of (struct json_object *o, const char *key)
{
  int64_t v = json_get_int (o, key, 0);

  return v > 0 ? (uint64_t) v : 0;
}

void
spool_at_from_json (struct item *it, struct json_object *state)
{
  struct json_object *sinks = json_get (state, "sinks");

  if (!json_object_is_type (sinks, json_type_object))
    return;
  json_object_object_foreach (sinks, name, o)
    {
      struct spool_at *at = &it->pub.at[it->pub.nat];
      const char *why = json_get_str (o, "why");

      if (it->pub.nat == SPOOL_MAX_SINKS || strlen (name) >= SPOOL_SINK_NAME)
        continue;
      memset (at, 0, sizeof *at);
      snprintf (at->sink, sizeof at->sink, "%s", name);
      snprintf (at->why, sizeof at->why, "%s", why ? why : "");
      spool_form_from_json (&at->form, json_get (o, "form"));
      for (unsigned p = 0; p < SPOOL_PARTS; p++)
        {
          struct json_object *s = json_get (o, part_names[p]);

          at->part[p].acked = count_of (s, "acked");
          at->part[p].attempts = (unsigned) count_of (s, "attempts");
          at->part[p].next_ms = count_of (s, "next_ms");
          at->part[p].refused = json_get_bool (s, "refused", false);
        }
      it->pub.nat++;
    }
}

/* ---- who has what ---- */

static bool
is_configured (const struct spool *sp, const char *sink)
{
  for (unsigned i = 0; i < sp->nsinks; i++)
    if (strcmp (sp->sinks[i], sink) == 0)
      return true;
  return false;
}

struct spool_at *
spool_find_at (struct item *it, const char *sink)
{
  for (unsigned i = 0; i < it->pub.nat; i++)
    if (strcmp (it->pub.at[i].sink, sink) == 0)
      return &it->pub.at[i];
  return NULL;
}

struct spool_at *
spool_make_at (struct spool *sp, struct item *it, const char *sink)
{
  struct spool_at *at = spool_find_at (it, sink);

  if (at)
    return at;
  for (unsigned i = 0; i < it->pub.nat && !at; i++)
    if (!is_configured (sp, it->pub.at[i].sink))
      at = &it->pub.at[i];
  if (it->pub.nat < SPOOL_MAX_SINKS)
    at = &it->pub.at[it->pub.nat++];
  if (at == NULL)
    return NULL;
  spool_form_drop (sp, it, at);
  memset (at, 0, sizeof *at);
  snprintf (at->sink, sizeof at->sink, "%s", sink);
  return at;
}

/* Has that part still to get there?  What is done with is not begun anew for a
 * sink that was configured later. */
static bool
is_pending (struct item *it, const char *sink, enum spool_part part)
{
  const struct spool_at *at = spool_find_at (it, sink);
  uint64_t want = part == SPOOL_DOCUMENT ? it->pub.rev
                  : it->pub.place != SPOOL_OPEN && it->pub.bundle;

  if (at == NULL)
    return want > 0
           && (it->pub.place == SPOOL_OPEN || it->pub.place == SPOOL_READY);
  return !at->part[part].refused && at->part[part].acked < want;
}

/* Whose bundle it is is told first, if that can be told at all. */
static bool
is_next (struct item *it, const char *sink, enum spool_part part)
{
  const struct spool_at *at = spool_find_at (it, sink);
  const struct spool_sending *doc = at ? &at->part[SPOOL_DOCUMENT] : NULL;

  return is_pending (it, sink, part)
         && (part == SPOOL_DOCUMENT
             || (doc && (doc->acked > 0 || doc->refused)));
}

bool
spool_is_quiet (const struct spool *sp, const struct item *it)
{
  for (unsigned i = 0; i < sp->nsinks; i++)
    for (unsigned p = 0; p < SPOOL_PARTS; p++)
      if (is_pending ((struct item *) it, sp->sinks[i], (enum spool_part) p))
        return false;
  return true;
}

bool
spool_settle (struct spool *sp, struct item *it)
{
  enum spool_place to = SPOOL_SENT;

  if (it->pub.place != SPOOL_READY || sp->nsinks == 0
      || !spool_is_quiet (sp, it))
    return false;
  for (unsigned i = 0; i < sp->nsinks; i++)
    {
      const struct spool_at *at = spool_find_at (it, sp->sinks[i]);

      for (unsigned p = 0; at && p < SPOOL_PARTS; p++)
        if (at->part[p].refused)
          to = SPOOL_PARKED;
    }
  it->pub.place = to;
  it->pub.since_ms = clock_wall_ms ();
  return true;
}

void
spool_sinks (struct spool *sp, const char *const *names, unsigned n)
{
  sp->nsinks = n < SPOOL_MAX_SINKS ? n : SPOOL_MAX_SINKS;
  for (unsigned i = 0; i < sp->nsinks; i++)
    snprintf (sp->sinks[i], sizeof sp->sinks[i], "%s", names[i]);
  for (size_t i = 0; i < sp->count; i++)
    if (spool_settle (sp, sp->items[i]))
      spool_write_item (sp, sp->items[i], NULL, NULL);
  spool_evict_sent (sp);
}

/* ---- what is next ---- */

static const struct spool_sending *
sending (struct item *it, const char *sink, enum spool_part part)
{
  static const struct spool_sending untried;
  const struct spool_at *at = spool_find_at (it, sink);

  return at ? &at->part[part] : &untried;
}

static bool
is_older (const struct item *a, const struct item *b)
{
  if (a->pub.since_ms != b->pub.since_ms)
    return a->pub.since_ms < b->pub.since_ms;
  return strcmp (a->pub.id, b->pub.id) < 0;
}

static struct item *
oldest_due (struct spool *sp, const char *sink, enum spool_part part,
            uint64_t now)
{
  struct item *best = NULL;

  for (size_t i = 0; i < sp->count; i++)
    {
      struct item *it = sp->items[i];
      uint64_t next = sending (it, sink, part)->next_ms;

      if (!is_next (it, sink, part)
          || (next > now && next - now <= NEXT_MAX_AHEAD_MS))
        continue;
      if (best == NULL || is_older (it, best))
        best = it;
    }
  return best;
}

bool
spool_next (struct spool *sp, const char *sink, uint64_t wall_now_ms,
            struct spool_load *ret)
{
  for (unsigned p = 0; p < SPOOL_PARTS; p++)
    {
      struct item *it
          = oldest_due (sp, sink, (enum spool_part) p, wall_now_ms);

      if (it == NULL)
        continue;
      ret->item = it->pub;
      ret->part = (enum spool_part) p;
      ret->rev = p == SPOOL_DOCUMENT ? it->pub.rev : 1;
      ret->attempts = sending (it, sink, ret->part)->attempts;
      ret->unmade = sending (it, sink, ret->part)->unmade;
      return true;
    }
  return false;
}

uint64_t
spool_next_at (struct spool *sp, const char *sink)
{
  uint64_t at = UINT64_MAX;

  for (size_t i = 0; i < sp->count; i++)
    for (unsigned p = 0; p < SPOOL_PARTS; p++)
      if (is_next (sp->items[i], sink, (enum spool_part) p))
        {
          uint64_t next
              = sending (sp->items[i], sink, (enum spool_part) p)->next_ms;

          if (next < at)
            at = next;
        }
  return at;
}

void
spool_due (struct spool *sp, const char *sink)
{
  for (size_t i = 0; i < sp->count; i++)
    {
      struct spool_at *at = spool_find_at (sp->items[i], sink);

      for (unsigned p = 0; at && p < SPOOL_PARTS; p++)
        at->part[p].next_ms = 0;
    }
}

/* ---- what became of it ---- */

static int
noting (struct spool *sp, const char *sink, const struct spool_load *load,
        struct item **ret, struct spool_at **ret_at, struct error *err)
{
  int r = spool_lookup (sp, load->item.id, ret, err);

  if (r < 0)
    return r;
  *ret_at = spool_make_at (sp, *ret, sink);
  if (*ret_at == NULL)
    return error_set (err, ENOBUFS, "too many sinks for incident %s",
                      load->item.id);
  if ((*ret_at)->part[load->part].acked >= load->rev && !(*ret)->behind)
    return error_set (err, EALREADY, "%s of %s is there already",
                      part_names[load->part], load->item.id);
  return 0;
}

static void
set_reason (struct spool_at *at, const char *why)
{
  snprintf (at->why, sizeof at->why, "%s", why ? why : "");
}

/* What is known here goes for as long as we live, also if the disk does not
 * take it: else it would be sent again and again. */
static int
noted (struct spool *sp, struct item *it, const char *sink,
       const struct spool_load *load, struct error *err)
{
  struct spool_at *at = spool_find_at (it, sink);
  int r;

  spool_settle (sp, it);
  r = spool_write_item (sp, it, NULL, err);
  /* Not before: until then the very same bytes may have to be sent again. */
  if (r == 0 && load->part == SPOOL_BUNDLE
      && (at->part[SPOOL_BUNDLE].acked || at->part[SPOOL_BUNDLE].refused))
    spool_form_drop (sp, it, at);
  spool_evict_sent (sp);
  return r;
}

int
spool_sent (struct spool *sp, const char *sink, const struct spool_load *load,
            struct error *err)
{
  struct spool_sending *s;
  struct spool_at *at;
  struct item *it;
  int r = noting (sp, sink, load, &it, &at, err);

  if (r < 0)
    return r;
  s = &at->part[load->part];
  if (s->acked < load->rev)
    s->acked = load->rev;
  s->attempts = s->unmade = 0;
  s->next_ms = 0;
  set_reason (at, NULL);
  return noted (sp, it, sink, load, err);
}

int
spool_failed (struct spool *sp, const char *sink,
              const struct spool_load *load, uint64_t next_wall_ms,
              const char *why, struct error *err)
{
  struct spool_at *at;
  struct item *it;
  int r = noting (sp, sink, load, &it, &at, err);

  if (r < 0)
    return r;
  at->part[load->part].attempts++;
  at->part[load->part].next_ms = next_wall_ms;
  set_reason (at, why);
  return noted (sp, it, sink, load, err);
}

int
spool_park (struct spool *sp, const char *sink, const struct spool_load *load,
            const char *why, struct error *err)
{
  struct spool_at *at;
  struct item *it;
  int r = noting (sp, sink, load, &it, &at, err);

  if (r < 0)
    return r;
  at->part[load->part].refused = true;
  at->part[load->part].next_ms = 0;
  set_reason (at, why);
  return noted (sp, it, sink, load, err);
}

int
spool_retry (struct spool *sp, const char *id, struct error *err)
{
  bool any = false;
  struct item *it;
  int r = spool_lookup (sp, id, &it, err);

  if (r < 0)
    return r;
  for (unsigned i = 0; i < it->pub.nat; i++)
    for (unsigned p = 0; p < SPOOL_PARTS; p++)
      {
        struct spool_sending *s = &it->pub.at[i].part[p];

        any |= s->refused;
        s->refused = false;
        s->attempts = s->unmade = 0;
        s->next_ms = 0;
      }
  if (it->pub.place == SPOOL_PARKED)
    {
      it->pub.place = SPOOL_READY;
      it->pub.since_ms = clock_wall_ms ();
    }
  else if (it->pub.place == SPOOL_SENT && !any && spool_is_quiet (sp, it))
    return error_set (err, EALREADY, "incident %s is sent", id);
  spool_settle (sp, it);
  return spool_write_item (sp, it, NULL, err);
}
