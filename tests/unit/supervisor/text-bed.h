/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of guests as the daemon reads it: a hub, fake consoles, and what is
 * published of them.
 */
#ifndef HANGDOG_TESTS_TEXT_BED_H
#define HANGDOG_TESTS_TEXT_BED_H

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "supervisor/text/text_impl.h"
#include "tests/fakes/hubscene.h"
#include "tests/lib/until.h"
#include "transports/console/hub_impl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACTS 4096
#define WAIT_MS UNTIL_MS
#define BANNER "[    0.000000] Linux version 6.1.0-41-amd64 (debian) #1\\r\\n"
#define PANIC                                                                  \
  "[   12.345678] Kernel panic - not syncing: Attempted to kill "              \
  "init! exitcode=0x00000700\\r\\n"

struct world
{
  struct scene s;
  struct texts *t;
  unsigned threads;
  atomic_uint boots, replays;
  struct fact_sub *sub;
  pthread_mutex_t m; /* what follows */
  struct fact facts[FACTS];
  unsigned nfacts;
};

/* ---- a hub, fakes, and texts ---- */

static inline void
on_boot (const char *uuid, void *arg)
{
  atomic_fetch_add (&((struct world *) arg)->boots, 1);
}

static inline void
on_replay (const char *uuid, void *arg)
{
  atomic_fetch_add (&((struct world *) arg)->replays, 1);
}

static const struct texts_ops ops = { .boot = on_boot, .replay = on_replay };

static inline void
on_fact (const struct fact *f, void *arg)
{
  struct world *w = arg;
  LOCK_SCOPE (&w->m);

  if (w->nfacts < FACTS)
    w->facts[w->nfacts++] = *f;
}

static inline void
make_texts (void *arg)
{
  struct world *w = arg;
  struct error err = ERROR_INIT;
  struct text_rules *rules;

  /* cmocka has no say on this thread. */
  if (text_rules_new (&rules, &err) < 0)
    {
      fprintf (stderr, "%s\n", error_text (&err));
      abort ();
    }
  assert_int_equal (texts_new (w->s.w.loop, w->s.w.hub, w->s.w.bus, rules,
                               w->threads, &ops, w, &w->t, NULL),
                    0);
  assert_int_equal (
      fact_subscribe (w->s.w.bus, "test", "", on_fact, w, &w->sub, NULL), 0);
}

static inline void
free_texts (void *arg)
{
  struct world *w = arg;

  texts_free (w->t);
  w->t = NULL;
  fact_unsubscribe (w->sub);
}

struct told
{
  struct world *w;
  enum guest_change change;
  struct guest *g;
};

static inline void
tell (void *arg)
{
  struct told *o = arg;
  const struct guest *was = o->change == GUEST_GONE ? o->g : NULL;
  const struct guest *now = o->change == GUEST_GONE ? NULL : o->g;

  hub_guest (o->w->s.w.hub, o->change, was, now);
  texts_guest (o->w->t, o->change, was, now);
  guest_unref (o->g);
}

static inline void
guest (struct world *w, unsigned i, enum guest_change change, unsigned start,
       unsigned boot)
{
  struct told o = { w, change,
                    hubworld_snapshot (i, w->s.kind, CONSOLE_HOLD,
                                       fakecons_path (w->s.fake, i)) };

  o.g->inc.start_time = start;
  o.g->inc.boot = boot;
  hubworld_do (&w->s.w, tell, &o);
}

/* Somebody listens to it: what it says now is not said to nobody. */
static inline void
is_read (struct world *w, unsigned i)
{
  struct hubworld_seen seen;

  UNTIL ((hubworld_see (&w->s.w, i, &seen),
          seen.state == CONSOLE_SILENT || seen.state == CONSOLE_TALKING));
}

static inline struct world *
begin (unsigned n, unsigned rate, const struct hub_limits *limits)
{
  struct fakecons_config cfg
      = { .n = n, .rate = rate, .slot_ms = 2, .play = FAKE_DEAD };
  struct world *w = calloc (1, sizeof *w);

  signal (SIGPIPE, SIG_IGN); /* of the fakes, when they are let go of */
  assert_non_null (w);
  pthread_mutex_init (&w->m, NULL);
  w->threads = n > 1 ? 2 : 1;
  scene_begin (&w->s, NULL, CONSOLE_HOLD, limits);
  scene_fakes (&w->s, &cfg);
  hubworld_do (&w->s.w, make_texts, w);
  for (unsigned i = 0; i < n; i++)
    guest (w, i, GUEST_ADDED, 7, 0);
  for (unsigned i = 0; i < n; i++)
    is_read (w, i);
  return w;
}

static inline void
end (struct world *w)
{
  if (w->t)
    hubworld_do (&w->s.w, free_texts, w);
  scene_end (&w->s);
  free (w);
}

static inline void
says (struct world *w, unsigned i, const char *text)
{
  char order[4096];

  snprintf (order, sizeof order, "say %u %s", i, text);
  assert_int_equal (fakecons_command (w->s.fake, order), 0);
}

static inline unsigned
count (struct world *w, const char *name)
{
  unsigned n = 0;
  LOCK_SCOPE (&w->m);

  for (unsigned i = 0; i < w->nfacts; i++)
    n += strcmp (w->facts[i].name, name) == 0;
  return n;
}

static inline bool
heard (struct world *w, const char *name, unsigned n)
{
  for (uint64_t until = clock_ms () + WAIT_MS; clock_ms () < until; nap_ms (1))
    if (count (w, name) >= n)
      return true;
  return false;
}

static inline struct fact
last (struct world *w, const char *name)
{
  struct fact f = { .name = "" };
  LOCK_SCOPE (&w->m);

  for (unsigned i = 0; i < w->nfacts; i++)
    if (strcmp (w->facts[i].name, name) == 0)
      f = w->facts[i];
  return f;
}

/* Ours, and one for "pump N". */
static inline struct text_rules *
pump_rules (const char *title)
{
  struct error err = ERROR_INIT;
  struct text_rules *rules = NULL;
  char json[400];

  snprintf (json, sizeof json,
            "{\"schema\": \"hangdog/text-rules/1\", \"rules\": [{\"name\": "
            "\"pump\", \"kind\": \"warning\", \"severity\": \"error\", "
            "\"where\": \"any\", \"any\": [\"pump\"], \"match\": \"^pump "
            "\\\\d+$\", \"title\": \"%s\"}]}",
            title);
  if (text_rules_new (&rules, &err) < 0
      || text_rules_take (rules, json, strlen (json), "own.json", &err) < 0)
    fail_msg ("%s", error_text (&err));
  return rules;
}

struct rules_order
{
  struct world *w;
  struct text_rules *rules;
};

static inline void
give_rules (void *arg)
{
  struct rules_order *o = arg;

  texts_rules (o->w->t, o->rules);
}

/* Takes them. */
static inline void
other_rules (struct world *w, struct text_rules *rules)
{
  struct rules_order o = { w, rules };

  hubworld_do (&w->s.w, give_rules, &o);
}

struct seen
{
  struct world *w;
  unsigned n;
  uint64_t lines, bytes, gaps, lost;
  size_t memory;
  unsigned events;
  enum text_stage stage;
  char note[160], title[TEXT_TITLE_MAX];
  struct buf list, dump;
};

static inline void
see_one (const struct texts_look *l, void *arg)
{
  struct seen *v = arg;

  v->n++;
  v->lines += l->stats.lines;
  v->bytes += l->stats.bytes;
  v->gaps += l->stats.gaps;
  v->lost += l->stats.lost_bytes;
  v->memory += l->stats.memory;
  v->events += l->events;
  v->stage = l->stage->stage;
  snprintf (v->note, sizeof v->note, "%s", l->note);
  snprintf (v->title, sizeof v->title, "%s", l->title);
}

static inline void
see_all (void *arg)
{
  struct seen *v = arg;
  char uuid[UUID_TEXT];

  texts_each (v->w->t, NULL, see_one, v);
  v->list = (struct buf) BUF_INIT (1 << 20);
  texts_events (v->w->t, hubworld_uuid (0, uuid, sizeof uuid), &v->list);
  v->dump = (struct buf) BUF_INIT (1 << 20);
  texts_dump (v->w->t, &v->dump);
}

static inline void
see (struct world *w, struct seen *v)
{
  *v = (struct seen){ .w = w };
  hubworld_do (&w->s.w, see_all, v);
}

static inline void
seen_done (struct seen *v)
{
  buf_done (&v->list);
  buf_done (&v->dump);
}

static inline uint64_t
bytes_read (struct world *w)
{
  struct seen v;

  see (w, &v);
  seen_done (&v);
  return v.bytes + v.lost;
}

static inline bool
read_beyond (struct world *w, uint64_t n)
{
  for (uint64_t until = clock_ms () + WAIT_MS; clock_ms () < until; nap_ms (1))
    if (bytes_read (w) >= n)
      return true;
  return false;
}

static inline void
ours (struct world *w, char key)
{
  char uuid[UUID_TEXT];

  texts_ours (w->t, hubworld_uuid (0, uuid, sizeof uuid), key,
              clock_ms () + 10000);
}

#endif
