/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of what was found in a guest's text: facts, rationed, and the
 * list of events that goes into a bundle.  The worker's thread.
 */
#include "supervisor/text/text_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fact.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kinds after which a kernel no longer looks for hung tasks. */
static const char *const dying[] = {
  "oops",
  "gpf",
  "null_deref",
  "paging_fault",
  "double_fault",
  "divide_error",
  "invalid_opcode",
  "int3",
  "kernel_bug",
  "internal_error",
  "unhandled_fault",
  "panic",
};

/* ---- rations ---- */

static bool
take_token (struct tokens *k, unsigned burst, uint64_t refill_ms, uint64_t now)
{
  uint64_t n = (now - k->at) / refill_ms;

  if (k->at == 0) /* never used */
    *k = (struct tokens){ burst, now };
  else if (n > 0)
    {
      k->at += n * refill_ms;
      k->left = n < burst - k->left ? k->left + (unsigned) n : burst;
    }
  if (k->left == 0)
    return false;
  k->left--;
  return true;
}

static struct text_trouble *
trouble_of (struct text_source *s)
{
  struct text_guest *g = s->guest;
  struct text_trouble *tr;

  if (g->trouble)
    return g->trouble;
  tr = calloc (1, sizeof *tr);
  if (tr)
    {
      LOCK_SCOPE (&s->all->m);
      g->trouble = tr;
    }
  return tr;
}

void
text_trouble_free_ (struct texts *t, struct text_guest *g)
{
  struct text_trouble *tr = g->trouble;

  if (!tr)
    return;
  for (unsigned i = 0; i < EVENTS_MAX; i++)
    {
      t->event_bytes -= tr->kept[i].len;
      free (tr->kept[i].json);
    }
  free (tr);
  g->trouble = NULL;
}

/* ---- facts of events ---- */

static void
publish (struct text_source *s, const char *name, const char *text,
         unsigned more, int64_t stamp_us)
{
  struct fact f;

  fact_text (&f, &s->inc, name, "console", text, strlen (text));
  f.more = more;
  f.kernel_us = stamp_us > 0 ? (uint64_t) stamp_us : 0;
  fact_publish (s->all->bus, &f);
}

static void
say (struct text_source *s, const struct said *d, unsigned more)
{
  char name[FACT_NAME_MAX];

  /* What is an incident's reason comes first: if there is room for one fact
   * only, it is for that. */
  if (d->trouble)
    {
      snprintf (name, sizeof name, "kernel.trouble.%s", d->kind);
      publish (s, name, d->title, more, d->stamp_us);
    }
  snprintf (name, sizeof name, "kernel.event.%s", d->kind);
  publish (s, name, d->title, more, d->stamp_us);
}

static void
say_repeats (struct text_source *s, struct said *d, uint64_t now)
{
  say (s, d, d->more - 1);
  d->more = 0;
  d->since_ms = now;
}

static struct said *
said_of (struct text_trouble *tr, const char *kind)
{
  struct said *oldest = &tr->of_boot.said[0];

  for (unsigned i = 0; i < SAID_KINDS; i++)
    {
      struct said *d = &tr->of_boot.said[i];

      if (d->kind && strcmp (d->kind, kind) == 0)
        return d;
      if (!d->kind || (oldest->kind && d->since_ms < oldest->since_ms))
        oldest = d;
    }
  *oldest = (struct said){ 0 };
  return oldest;
}

static void
hold (struct text_source *s)
{
  LOCK_SCOPE (&s->all->m);
  s->all->facts_held++;
}

/* The head was read, or (again) the report has given it a better title. */
static void
tell (struct text_source *s, struct text_trouble *tr,
      const struct text_event *e, bool again)
{
  uint64_t now = clock_ms ();
  struct said *d = said_of (tr, e->kind);
  bool same = d->kind && d->id == e->id && d->source == s->serial;

  if (again && (!same || strcmp (d->title, e->title) == 0))
    return;
  if (d->kind && !same && now - d->since_ms < SAID_AGAIN_MS)
    {
      d->more++;
      d->id = e->id;
      d->source = s->serial;
      d->stamp_us = e->stamp_us;
      snprintf (d->title, sizeof d->title, "%s", e->title);
      hold (s);
      return;
    }
  if (same && d->more > 0)
    {
      /* It is summed up with others: under its better name, then. */
      snprintf (d->title, sizeof d->title, "%s", e->title);
      return;
    }
  *d = (struct said){ .kind = e->kind,
                      .id = e->id,
                      .source = s->serial,
                      .since_ms = same ? d->since_ms : now,
                      .stamp_us = e->stamp_us,
                      .trouble = e->severity >= SEVERITY_ERROR };
  snprintf (d->title, sizeof d->title, "%s", e->title);
  if (!take_token (&tr->facts, SAID_BURST, SAID_REFILL_MS, now))
    {
      hold (s);
      return;
    }
  if (d->trouble && e->class_[0])
    {
      publish (s, "kernel.class", e->class_, 0, e->stamp_us);
      publish (s, "kernel.title", e->title, 0, e->stamp_us);
    }
  say (s, d, 0);
}

/* Repeats whose time is over; when the next one's is. */
static uint64_t
say_due_repeats (struct text_source *s, struct text_trouble *tr, uint64_t now)
{
  uint64_t next = CLOCK_NEVER;

  for (unsigned i = 0; i < SAID_KINDS; i++)
    {
      struct said *d = &tr->of_boot.said[i];

      if (!d->kind || d->more == 0 || d->source != s->serial)
        continue;
      if (now >= d->since_ms + SAID_AGAIN_MS)
        say_repeats (s, d, now);
      else if (d->since_ms + SAID_AGAIN_MS < next)
        next = d->since_ms + SAID_AGAIN_MS;
    }
  return next;
}

/* ---- the list for a bundle ---- */

static const char *
sample (const struct text_worker *w, uint64_t number, size_t *ret_len)
{
  for (unsigned i = 0; i < 2; i++)
    if (number && w->line[i].number == number)
      {
        *ret_len = w->line[i].len;
        return w->line[i].text;
      }
  return NULL;
}

static char *
event_json (const struct text_worker *w, const struct text_source *s,
            const struct text_event *e, bool whole, const char *first,
            size_t *ret_len)
{
  CLEANUP_JSON struct json_object *o = text_event_to_json (e);
  uint64_t now = clock_ms ();
  char inc[96], wall[32];
  const char *text;
  size_t n;

  if (!o)
    return NULL;
  incarnation_format (inc, sizeof inc, &s->inc);
  json_add_str (o, "incarnation", inc);
  json_add_text (o, "console", s->console, strlen (s->console));
  json_add_str (
      o, "time",
      clock_format (
          wall, sizeof wall,
          clock_wall_ms ()
              - (now > e->first_ms && e->first_ms ? now - e->first_ms : 0)));
  json_add_bool (o, "whole", whole);
  if (first)
    json_add_str (o, "first_text", first);
  else if ((text = sample (w, e->first_line, &n)))
    json_add_text (o, "first_text", text, n);
  if (e->last_line > e->first_line && (text = sample (w, e->last_line, &n)))
    json_add_text (o, "last_text", text, n);
  text = json_object_to_json_string_length (
      o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, ret_len);
  return text && *ret_len <= EVENT_BYTES ? strndup (text, *ret_len) : NULL;
}

static struct kept_event *
kept_of (struct text_trouble *tr, const struct text_source *s, uint64_t id)
{
  for (unsigned i = 0; i < EVENTS_MAX; i++)
    if (tr->kept[i].json && tr->kept[i].id == id
        && tr->kept[i].source == s->serial)
      return &tr->kept[i];
  return NULL;
}

/* The first few stay: what follows is mostly of their making. */
static struct kept_event *
next_kept (struct text_trouble *tr)
{
  struct kept_event *k;

  if (tr->nkept < EVENTS_MAX)
    return &tr->kept[tr->nkept++];
  k = &tr->kept[EVENTS_FIRST + tr->next];
  tr->next = (tr->next + 1) % EVENTS_LAST;
  return k;
}

static uint64_t
head_of (const struct text_event *e)
{
  const char *const texts[] = { e->kind, e->title };
  uint64_t h = 14695981039346656037ull;

  for (unsigned i = 0; i < ARRAY_LEN (texts); i++)
    for (const char *p = texts[i]; *p; p++)
      h = (h ^ (unsigned char) *p) * 1099511628211ull;
  return h | 1; /* 0 = none */
}

static bool
head_known (const struct text_trouble *tr, uint64_t head)
{
  for (unsigned i = 0; i < tr->nkept; i++)
    if (tr->kept[i].json && tr->kept[i].head == head)
      return true;
  return false;
}

/* Another one of the same trouble. */
static struct kept_event *
alike (struct text_trouble *tr, const struct kept_event *but,
       const struct text_event *e)
{
  for (unsigned i = 0; i < tr->nkept && e->signature[0]; i++)
    if (&tr->kept[i] != but && tr->kept[i].json
        && strcmp (tr->kept[i].signature, e->signature) == 0)
      return &tr->kept[i];
  return NULL;
}

/* t->m held.  What comes next gets its place, if nothing came meanwhile. */
static void
drop_kept (struct texts *t, struct text_trouble *tr, struct kept_event *k)
{
  unsigned at = (unsigned) (k - tr->kept), newest;

  t->event_bytes -= k->len;
  free (k->json);
  *k = (struct kept_event){ 0 };
  newest = (tr->next + EVENTS_LAST - 1) % EVENTS_LAST;
  if (tr->nkept < EVENTS_MAX && at == tr->nkept - 1)
    tr->nkept--;
  else if (tr->nkept == EVENTS_MAX && at == EVENTS_FIRST + newest)
    tr->next = newest;
}

/* What the head's line was is known only while it is read. */
static char *
first_text (struct text_source *s, const struct kept_event *k)
{
  static const char member[] = "first_text";
  CLEANUP_JSON struct json_object *o = NULL;
  const char *text;

  if (!k || !k->json)
    return NULL;
  o = json_tokener_parse (k->json);
  text = o ? json_get_str (o, member) : NULL;
  return text ? strdup (text) : NULL;
}

/* t->m held. */
static void
put_kept (struct texts *t, struct kept_event *k, const struct text_source *s,
          const struct text_event *e, char *json, size_t len)
{
  uint64_t head = k->head ? k->head : head_of (e);

  t->event_bytes -= k->len;
  t->event_bytes += len;
  free (k->json);
  *k = (struct kept_event){ .json = json,
                            .len = len,
                            .id = e->id,
                            .source = s->serial,
                            .count = 1,
                            .head = head };
  memcpy (k->signature, e->signature, sizeof k->signature);
}

static void
keep (const struct text_worker *w, struct text_source *s,
      struct text_trouble *tr, const struct text_event *e, bool whole)
{
  struct texts *t = s->all;
  /* Only this thread changes the list. */
  struct kept_event *k = kept_of (tr, s, e->id);
  CLEANUP_FREE char *first = whole ? first_text (s, k) : NULL;
  CLEANUP_FREE char *json = NULL;
  size_t len = 0;

  json = event_json (w, s, e, whole, first, &len);
  LOCK_SCOPE (&t->m);
  if (!json || t->event_bytes + len > EVENTS_TOTAL + (k ? k->len : 0))
    {
      t->events_dropped++;
      return;
    }
  if (!k)
    {
      k = next_kept (tr);
      k->head = 0;
    }
  put_kept (t, k, s, e, steal_ptr (&json), len);
}

/* What is told over and over is there once, with a number: it must not push
 * out what else there was.  Its head is only remembered by what it says, for
 * the same head may be that of another report. */
static bool
counted (struct text_source *s, struct text_trouble *tr,
         const struct text_event *e)
{
  struct kept_event *k = kept_of (tr, s, e->id), *of = alike (tr, k, e);
  LOCK_SCOPE (&s->all->m);

  if (!of)
    return false;
  of->count++;
  of->last_wall_ms = clock_wall_ms ();
  if (k)
    drop_kept (s->all, tr, k);
  return true;
}

/* Is there room for one more? */
static bool
may_keep (struct text_source *s, struct text_trouble *tr)
{
  if (take_token (&tr->reports, KEPT_BURST, KEPT_REFILL_MS, clock_ms ()))
    return true;
  LOCK_SCOPE (&s->all->m);
  s->all->events_dropped++;
  return false;
}

/* ---- events ---- */

static bool
is_dying (const struct text_event *e)
{
  for (unsigned i = 0; i < ARRAY_LEN (dying); i++)
    if (strcmp (e->kind, dying[i]) == 0)
      return true;
  return strchr (e->taint, 'D') != NULL;
}

/* t->m held. */
static void
remember (struct text_trouble *tr, const struct text_event *e, bool head)
{
  tr->of_boot.events += head;
  tr->of_boot.oops |= is_dying (e);
  /* A link that came up does not hide an oops. */
  if (tr->of_boot.last_kind && e->severity < SEVERITY_WARNING
      && tr->of_boot.severity >= SEVERITY_WARNING)
    return;
  tr->of_boot.last_kind = e->kind;
  tr->of_boot.severity = e->severity;
  if (head)
    tr->of_boot.last_ms = e->first_ms ? e->first_ms : clock_ms ();
  snprintf (tr->of_boot.title, sizeof tr->of_boot.title, "%s", e->title);
}

const char *
text_note_ (const struct text_trouble *tr)
{
  if (tr->of_boot.oops)
    return "its kernel had an oops or a panic and tells of hung tasks no more: "
           "silence is no recovery";
  if (tr->of_boot.hung >= TEXT_HUNG_WARNINGS)
    return "its kernel has told of as many hung tasks as it ever tells of: "
           "silence is no recovery";
  return "";
}

void
text_say_suspect_ (struct text_worker *w, struct text_source *s,
                   const struct text_event *e)
{
  struct text_trouble *tr;

  if (e->ours || !(tr = trouble_of (s)))
    return;
  {
    LOCK_SCOPE (&s->all->m);
    remember (tr, e, true);
  }
  /* Who hears of it finds it in the list. */
  if (!head_known (tr, head_of (e)) && may_keep (s, tr))
    keep (w, s, tr, e, false);
  tell (s, tr, e, false);
}

void
text_say_event_ (struct text_worker *w, struct text_source *s,
                 const struct text_event *e)
{
  struct text_trouble *tr = s->guest->trouble;

  if (e->ours || !tr)
    return;
  {
    LOCK_SCOPE (&s->all->m);
    remember (tr, e, false);
  }
  if (!counted (s, tr, e)
      && (kept_of (tr, s, e->id) || may_keep (s, tr)))
    keep (w, s, tr, e, true);
  tell (s, tr, e, true);
}

/* ---- stages ---- */

static void
stage_name (const struct text_source *s, bool primary, const char *name,
            char dst[FACT_NAME_MAX])
{
  snprintf (dst, FACT_NAME_MAX, "%s%s%s", name, primary ? "" : ".",
            primary ? "" : s->console);
}

static void
say_stage (struct text_source *s, uint64_t now)
{
  const struct stage *is = text_reader_stage (s->reader);
  struct stage *was = &s->said_stage;
  char name[FACT_NAME_MAX];
  struct fact f;
  bool primary;

  {
    LOCK_SCOPE (&s->all->m);
    primary = s->primary;
  }
  stage_name (s, primary, "guest.stage", name);
  if (is->stage != was->stage)
    publish (s, name, text_stage_names[is->stage], 0, -1);
  stage_name (s, primary, "guest.stop", name);
  if (is->stop != was->stop)
    publish (s, name, text_stop_names[is->stop], 0, -1);
  stage_name (s, primary, "kernel.release", name);
  if (is->release[0] && strcmp (is->release, was->release) != 0)
    publish (s, name, is->release, 0, -1);
  stage_name (s, primary, "kernel.boots", name);
  if (is->boots != was->boots)
    {
      fact_int (&f, &s->inc, name, "console", is->boots);
      fact_publish (s->all->bus, &f);
    }
  *was = *is;
  s->stage_said_ms = now;
  s->stage_new = false;
}

void
text_say_hung_ (struct text_source *s, unsigned n)
{
  struct text_trouble *tr = trouble_of (s);

  if (!tr)
    return;
  LOCK_SCOPE (&s->all->m);
  tr->of_boot.hung += n;
}

uint64_t
text_say_due_ (struct text_source *s, uint64_t now)
{
  uint64_t next = CLOCK_NEVER, at;

  if (s->stage_new && s->reader)
    {
      at = s->stage_said_ms ? s->stage_said_ms + STAGE_AGAIN_MS : 0;
      if (now >= at)
        say_stage (s, now);
      else
        next = at;
    }
  if (s->guest->trouble)
    {
      at = say_due_repeats (s, s->guest->trouble, now);
      next = at < next ? at : next;
    }
  return next;
}

/* ---- another life ---- */

void
text_say_life_ (struct text_source *s, enum guest_change change)
{
  struct texts *t = s->all;

  if (!s->guest->trouble)
    return;
  LOCK_SCOPE (&t->m);
  if (change >= GUEST_REPLACED)
    text_trouble_free_ (t, s->guest);
  else
    GUEST_FORGET_BOOT (s->guest->trouble, change);
}
