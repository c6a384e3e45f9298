/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader given text of any content, whole and in pieces of any size with
 * gaps and ticks between.  The first byte says how it is cut.
 *
 * Whatever it is: each head is told once, each report at most once and after
 * its head; what is told is in bounds; cutting changes nothing; memory is
 * bounded.
 */
#include "config.h"

#include "base/error.h"
#include "base/json.h"
#include "kernel/text/reader.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (1u << 20)

struct told
{
  uint64_t suspects, events, ids, titles;
};

static bool
is_text (const char *s, size_t n)
{
  return memchr (s, '\0', n) != NULL;
}

static void
on_suspect (const struct text_event *e, void *arg)
{
  struct told *t = arg;

  /* Again, when a later line told what it really is. */
  if (e->id == t->suspects + 1)
    t->suspects++;
  MUST (e->id >= 1 && e->id <= t->suspects);
  MUST (is_text (e->title, sizeof e->title) && e->title[0]);
}

static void
on_event (const struct text_event *e, void *arg)
{
  struct told *t = arg;
  struct json_object *o;
  const char *s;
  unsigned i;

  t->events++;
  MUST (e->id >= 1 && e->id <= t->suspects);
  t->ids += e->id;
  MUST (text_kind_find (e->kind) != NULL);
  MUST (is_text (e->title, sizeof e->title) && e->title[0]);
  MUST (is_text (e->comm, sizeof e->comm));
  MUST (is_text (e->modules, sizeof e->modules));
  MUST (e->first_line <= e->last_line && e->first_at <= e->end_at);
  MUST (e->nframes <= TEXT_FRAMES_MAX);
  for (i = 0; i < e->nframes; i++)
    MUST (is_text (e->frames[i].func, sizeof e->frames[i].func));
  for (s = e->title; *s; s++)
    t->titles = t->titles * 31 + (unsigned char) *s;
  o = text_event_to_json (e);
  MUST (json_object_to_json_string (o) != NULL);
  json_object_put (o);
}

static const struct text_reader_ops ops
    = { .suspect = on_suspect, .event = on_event };

static struct text_rules *
the_rules (void)
{
  static struct text_rules *rules;
  struct error err = ERROR_INIT;

  if (!rules)
    MUST (text_rules_new (&rules, &err) == 0);
  return rules;
}

static void
read_it (const uint8_t *data, size_t size, unsigned how, struct told *t)
{
  struct text_reader *r = NULL;
  struct text_reader_stats stats;
  struct error err = ERROR_INIT;
  size_t step = how ? how : size, at;

  memset (t, 0, sizeof *t);
  MUST (text_reader_new (the_rules (), &ops, t, &r, &err) == 0);
  for (at = 0; at < size; at += step)
    {
      size_t n = size - at < step ? size - at : step;

      text_reader_feed (r, data + at, n, 0);
    }
  text_reader_stats (r, &stats);
  MUST (stats.memory < MEMORY_MAX);
  text_reader_end (r);
  MUST (t->events == t->suspects);
  text_reader_free (r);
}

/* Time, gaps and our own keys: other events, but none that are wrong. */
static void
disturb (const uint8_t *data, size_t size, unsigned how)
{
  struct text_reader *r = NULL;
  struct error err = ERROR_INIT;
  struct told t = { 0, 0, 0, 0 };
  uint64_t ms = 1;
  size_t at, step = 1 + how % 61;

  MUST (text_reader_new (the_rules (), &ops, &t, &r, &err) == 0);
  for (at = 0; at < size; at += step, ms += 97 * (how % 7))
    {
      size_t n = size - at < step ? size - at : step;

      text_reader_feed (r, data + at, n, ms);
      if (data[at] % 29 == 0)
        text_reader_gap (r, data[at], ms);
      if (data[at] % 31 == 0)
        (void) text_reader_tick (r, ms + 3000);
      if (data[at] % 37 == 0)
        text_reader_ours (r, 'l', ms + 50);
    }
  text_reader_end (r);
  text_reader_free (r);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct told whole, cut;

  if (size < 1)
    return 0;
  read_it (data + 1, size - 1, 0, &whole);
  read_it (data + 1, size - 1, 1 + data[0], &cut);
  MUST (memcmp (&whole, &cut, sizeof whole) == 0);
  disturb (data + 1, size - 1, data[0]);
  return 0;
}
