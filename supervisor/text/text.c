/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of guests: which consoles there are, who reads them, what is known.
 * How the files divide the work is told in text_impl.h.
 */
#include "supervisor/text/text_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

static unsigned
bucket_of (const char *uuid)
{
  uint32_t h = 2166136261u;

  for (; *uuid; uuid++)
    h = (h ^ (unsigned char) *uuid) * 16777619u;
  return h % TEXT_BUCKETS;
}

struct text_guest *
text_guest_find_ (struct texts *t, const char *uuid)
{
  struct text_guest *g = t->buckets[bucket_of (uuid)];

  while (g && strcmp (g->uuid, uuid) != 0)
    g = g->next;
  return g;
}

/* t->m held. */
static struct text_source *
sources_of (struct texts *t, const char *uuid)
{
  struct text_guest *g = text_guest_find_ (t, uuid);

  return g ? g->sources : NULL;
}

void
text_guest_unref_ (struct texts *t, struct text_guest *g)
{
  bool last;

  {
    LOCK_SCOPE (&t->m);
    last = --g->refs == 0;
    if (last)
      text_trouble_free_ (t, g);
  }
  if (!last)
    return;
  text_listen_free_ (g);
  free (g);
}

/* The one with the fewest consoles; a second one is started when it is worth
 * a thread. */
static struct text_worker *
choose_worker (struct texts *t, struct error *err)
{
  unsigned want = t->threads ? t->threads : t->nsources > TEXTS_FEW ? 2 : 1;
  struct text_worker *best = NULL;

  for (unsigned i = 0; i < want && i < TEXTS_THREADS; i++)
    {
      if (!t->workers[i] && text_worker_new_ (t, i, &t->workers[i], err) < 0)
        return best;
      if (!best || t->workers[i]->consoles < best->consoles)
        best = t->workers[i];
    }
  return best;
}

static struct text_guest *
guest_listed (struct texts *t, const char *uuid, struct error *err)
{
  struct text_guest *g = calloc (1, sizeof *g);
  unsigned b = bucket_of (uuid);

  if (!g)
    {
      error_errno (err, ENOMEM, "reading along with a guest");
      return NULL;
    }
  g->worker = choose_worker (t, err);
  if (!g->worker)
    {
      free (g);
      return NULL;
    }
  guest_copy (g->uuid, sizeof g->uuid, uuid);
  g->refs = 1;
  t->nguests++;
  g->worker->guests++;
  LOCK_SCOPE (&t->m);
  g->next = t->buckets[b];
  t->buckets[b] = g;
  return g;
}

/* ---- consoles ---- */

/* The hub's tick: any number of consoles, then once text_tick(). */
static void
on_data (struct tap *tap, void *arg)
{
  struct text_source *s = arg;

  if (!s->going)
    text_worker_note_ (s->guest->worker, s);
}

static void
on_tick (void *arg)
{
  struct texts *t = arg;

  for (unsigned i = 0; i < TEXTS_THREADS; i++)
    if (t->workers[i])
      text_worker_wake_ (t->workers[i]);
}

static int
source_new (struct texts *t, struct text_guest *g, const char *console,
            const struct incarnation *inc, struct error *err)
{
  struct text_source *s = calloc (1, sizeof *s);
  int r;

  if (!s)
    return error_errno (err, ENOMEM, "reading along a console");
  s->all = t;
  s->guest = g;
  s->serial = ++t->serial;
  s->inc = s->next_inc = *inc;
  guest_copy (s->console, sizeof s->console, console);
  r = hub_tap (t->hub, g->uuid, console, "text",
               (enum tap_start) (TAP_KEPT | TAP_FOLLOW), on_data,
               s, &s->tap, err);
  if (r < 0)
    {
      free (s);
      return r;
    }
  t->nsources++;
  g->worker->consoles++;
  {
    LOCK_SCOPE (&t->m);
    g->refs++;
    s->next = g->sources;
    g->sources = s;
  }
  /* What the ring has already. */
  text_worker_note_ (g->worker, s);
  return 0;
}

/* Its worker frees it, when it comes to it. */
static void
source_drop (struct texts *t, struct text_guest *g, struct text_source *s)
{
  struct text_source **p = &g->sources;

  {
    LOCK_SCOPE (&t->m);
    while (*p != s)
      p = &(*p)->next;
    *p = s->next;
  }
  t->nsources--;
  g->worker->consoles--;
  text_worker_note_ (g->worker, s);
  s->going = true;
}

static void
guest_drop (struct texts *t, struct text_guest *g)
{
  struct text_guest **p = &t->buckets[bucket_of (g->uuid)];

  while (g->sources)
    source_drop (t, g, g->sources);
  {
    LOCK_SCOPE (&t->m);
    while (*p != g)
      p = &(*p)->next;
    *p = g->next;
  }
  t->nguests--;
  g->worker->guests--;
  text_guest_unref_ (t, g);
}

/* t->m held.  With the list full the last one makes room: what the reader is
 * told too late is less than what it is not told. */
/* A dump that goes on is announced again and again. */
static bool
goes_on (const struct text_order *last, const struct text_order *o)
{
  return last->what == ORDER_OURS && o->what == ORDER_OURS && o->key != '\0'
         && last->key == o->key;
}

static void
order (struct text_source *s, const struct text_order *o)
{
  if (s->norders > 0 && goes_on (&s->orders[s->norders - 1], o))
    {
      s->orders[s->norders - 1].until_ms = o->until_ms;
      return;
    }
  if (s->norders == TEXT_ORDERS)
    s->norders--;
  s->orders[s->norders] = *o;
  s->orders[s->norders++].at = tap_head (s->tap);
}

static void
follow_life (struct text_source *s, enum guest_change change,
             const struct guest *g)
{
  const struct text_order o = { .what = ORDER_LIFE, .change = change };

  if (change < GUEST_REBOOTED)
    return;
  s->next_inc = g->inc;
  GUEST_FORGET_BOOT (s, change);
  if (change == GUEST_REBOOTED)
    {
      s->of_boot.reset_ms = clock_ms ();
      s->of_boot.by_memory = g->boot_by == BOOT_BY_MEMORY;
      if (g->inc.pid > 0)
        monitor_process_time (g->inc.pid, &s->of_boot.cpu);
    }
  order (s, &o);
  /* Also if it says nothing any more. */
  text_worker_note_ (s->guest->worker, s);
}

static struct text_source *
source_of (struct text_guest *g, const char *console)
{
  struct text_source *s = g->sources;

  while (s && strcmp (s->console, console) != 0)
    s = s->next;
  return s;
}

static void
follow_consoles (struct texts *t, struct text_guest *tg,
                 enum guest_change change, const struct guest *g)
{
  struct error err = ERROR_INIT;
  struct text_source *s, *next;

  for (s = tg->sources; s; s = next)
    {
      next = s->next;
      if (!guest_console_find (g, s->console))
        source_drop (t, tg, s);
    }
  for (unsigned i = 0; i < g->nconsoles && i < GUEST_MAX_CONSOLES; i++)
    {
      s = source_of (tg, g->consoles[i].name);
      if (!s && source_new (t, tg, g->consoles[i].name, &g->inc, &err) < 0)
        {
          t->untapped++;
          log_guest (LOG_LEVEL_WARN, tg->uuid, "its text is not read: %s",
                     error_text (&err));
          continue;
        }
      if (!s)
        s = source_of (tg, g->consoles[i].name);
      LOCK_SCOPE (&t->m);
      s->primary = i == 0;
      follow_life (s, change, g);
    }
}

void
texts_guest (struct texts *t, enum guest_change change, const struct guest *was,
             const struct guest *now)
{
  struct error err = ERROR_INIT;
  struct text_guest *g;

  if (!t)
    return;
  g = text_guest_find_ (t, now ? now->inc.uuid : was->inc.uuid);
  if (!now)
    {
      if (g)
        guest_drop (t, g);
    }
  else
    {
      if (!g && now->nconsoles > 0)
        g = guest_listed (t, now->inc.uuid, &err);
      if (g)
        follow_consoles (t, g, change, now);
      else if (now->nconsoles > 0)
        {
          t->untapped++;
          log_guest (LOG_LEVEL_WARN, now->inc.uuid, "its text is not read: %s",
                     error_text (&err));
        }
    }
  on_tick (t);
}

void
texts_ours (struct texts *t, const char *uuid, char key, uint64_t until_ms)
{
  const struct text_order o
      = { .what = ORDER_OURS, .key = key, .until_ms = until_ms };

  if (!t)
    return;
  LOCK_SCOPE (&t->m);
  /* A key pressed on the keyboard is answered on any of them. */
  for (struct text_source *s = sources_of (t, uuid); s; s = s->next)
    order (s, &o);
  t->ours++;
}

/* ---- what workers tell the loop ---- */

static void
post_unref (struct text_post *p)
{
  if (p && atomic_fetch_sub (&p->refs, 1) == 1)
    free (p);
}

static void
post_dropped (void *arg)
{
  post_unref (arg);
}

static void
tell_guest (struct texts *t, struct text_guest *g)
{
  bool boot, replay;

  {
    LOCK_SCOPE (&t->m);
    boot = g->boot;
    replay = g->replay;
    g->boot = g->replay = false;
  }
  if (boot && t->ops && t->ops->boot)
    t->ops->boot (g->uuid, t->arg);
  if (replay && t->ops && t->ops->replay)
    t->ops->replay (g->uuid, t->arg);
}

static void
slow_rule (const struct text_rule *rule, void *arg)
{
  struct texts *t = arg;
  struct text_rule_info i;
  unsigned k = 0;

  text_rule_info (rule, &i);
  if (i.given_up < TEXT_SLOW_FIRST)
    return;
  while (k < TEXT_SLOW_RULES && t->slow[k].rule && t->slow[k].rule != rule)
    k++;
  if (k == TEXT_SLOW_RULES || i.given_up < 10 * t->slow[k].told)
    return;
  t->slow[k].rule = rule;
  t->slow[k].told = i.given_up;
  log_warn ("the text rule \"%s\" of %s was given up on %u lines: its "
            "expression takes too many steps",
            i.name, i.origin, i.given_up);
}

static void
tell_slow_rules (struct texts *t)
{
  bool some;

  {
    LOCK_SCOPE (&t->m);
    some = t->gave_up;
    t->gave_up = false;
  }
  if (some)
    text_rules_each (t->rules, slow_rule, t);
}

static void
on_post (void *arg)
{
  struct text_post *p = arg;
  struct texts *t = p->t;

  atomic_store (&p->posted, false);
  if (t)
    tell_slow_rules (t);
  for (unsigned i = 0; t && i < TEXT_BUCKETS; i++)
    for (struct text_guest *g = t->buckets[i], *next; g; g = next)
      {
        next = g->next;
        tell_guest (t, g);
      }
  post_unref (p);
}

void
text_post_ (struct texts *t)
{
  /* One under way at most, however many a hostile guest gives reason for. */
  if (atomic_exchange (&t->post->posted, true))
    return;
  atomic_fetch_add (&t->post->refs, 1);
  if (loop_post (t->loop, on_post, t->post, post_dropped) == 0)
    return;
  atomic_store (&t->post->posted, false);
  post_unref (t->post);
}

/* ---- before a key ---- */

/* t->m held.  Where the console itself has said nothing of its boot, another
 * one may have. */
static const struct stage *
stage_beside (const struct text_guest *g, const struct text_source *s)
{
  const struct stage *best = &s->stage;

  for (const struct text_source *o = g->sources; o; o = o->next)
    if (s->stage.stage == STAGE_UNKNOWN && o->stage.stage != STAGE_UNKNOWN
        && (best == &s->stage || o->stage.since_ms > best->since_ms))
      best = &o->stage;
  return best;
}

/* Who hardly wants anything waits for no boot's sake. */
static unsigned
starved_since (int pid, const struct thread_time *was, uint64_t reset_ms)
{
  uint64_t passed_ns = (clock_ms () - reset_ms) * 1000000;
  struct thread_time now;
  uint64_t ran, wanted;

  if (was->run == 0 || !monitor_process_time (pid, &now)
      || now.run <= was->run || now.wait < was->wait)
    return 0;
  ran = now.run - was->run;
  wanted = ran + now.wait - was->wait;
  return wanted < passed_ns / 4 ? 0 : (unsigned) (wanted / ran);
}

static bool
stand_of (struct texts *t, const char *uuid, const char *console,
          struct texts_stand *ret, int *ret_pid, struct thread_time *ret_cpu)
{
  const struct stage *stage;
  struct text_guest *g;
  struct text_source *s;

  LOCK_SCOPE (&t->m);
  g = text_guest_find_ (t, uuid);
  s = g ? source_of (g, console) : NULL;
  if (!s)
    return false;
  stage = stage_beside (g, s);
  ret->stage = *stage;
  ret->beside = stage != &s->stage;
  ret->reset_ms = s->of_boot.reset_ms;
  ret->by_memory = s->of_boot.by_memory;
  ret->answered = s->of_boot.answered == s->stage.boots + 1;
  *ret_pid = s->next_inc.pid;
  *ret_cpu = s->of_boot.cpu;
  return true;
}

bool
texts_stand (struct texts *t, const char *uuid, const char *console,
             struct texts_stand *ret)
{
  struct thread_time cpu;
  int pid;

  if (!t || !stand_of (t, uuid, console, ret, &pid, &cpu))
    return false;
  ret->starved
      = ret->reset_ms ? starved_since (pid, &cpu, ret->reset_ms) : 0;
  return true;
}

void
texts_answered (struct texts *t, const char *uuid)
{
  if (!t)
    return;
  LOCK_SCOPE (&t->m);
  for (struct text_source *s = sources_of (t, uuid); s; s = s->next)
    {
      s->of_boot.reset_ms = 0;
      s->of_boot.answered = s->stage.boots + 1;
    }
}

/* ---- making ---- */

int
texts_new (struct loop *loop, struct hub *hub, struct fact_bus *bus,
           struct text_rules *rules, unsigned threads,
           const struct texts_ops *ops, void *arg, struct texts **ret,
           struct error *err)
{
  CLEANUP_FREE struct texts *t = calloc (1, sizeof *t);
  CLEANUP_FREE struct text_post *post = calloc (1, sizeof *post);

  if (!t || !post)
    return error_errno (err, ENOMEM, "reading guests' text");
  t->loop = loop;
  t->hub = hub;
  t->bus = bus;
  t->rules = rules;
  t->threads = threads;
  t->ops = ops;
  t->arg = arg;
  pthread_mutex_init (&t->m, NULL);
  atomic_init (&post->refs, 1);
  atomic_init (&post->posted, false);
  post->t = t;
  t->post = steal_ptr (&post);
  hub_after_tick (hub, on_tick, t);
  *ret = steal_ptr (&t);
  return 0;
}

void
texts_limit (struct texts *t, unsigned threads)
{
  if (t)
    t->threads = threads;
}

void
texts_rules (struct texts *t, struct text_rules *rules)
{
  const struct text_rules *was;

  if (!t)
    {
      text_rules_free (rules);
      return;
    }
  {
    LOCK_SCOPE (&t->m);
    was = t->rules;
    t->rules = rules;
  }
  memset (t->slow, 0, sizeof t->slow);
  text_rules_unref (was);
  /* Also those that say nothing: they would keep the old ones for ever. */
  for (unsigned i = 0; i < TEXT_BUCKETS; i++)
    for (struct text_guest *g = t->buckets[i]; g; g = g->next)
      for (struct text_source *s = g->sources; s; s = s->next)
        text_worker_note_ (g->worker, s);
  on_tick (t);
}

void
texts_free (struct texts *t)
{
  if (!t)
    return;
  hub_after_tick (t->hub, NULL, NULL);
  for (unsigned i = 0; i < TEXT_BUCKETS; i++)
    while (t->buckets[i])
      guest_drop (t, t->buckets[i]);
  on_tick (t);
  for (unsigned i = 0; i < TEXTS_THREADS; i++)
    if (t->workers[i])
      {
        text_worker_stop_ (t->workers[i]);
        text_worker_free_ (t->workers[i]);
      }
  t->post->t = NULL;
  post_unref (t->post);
  text_rules_unref (t->rules);
  pthread_mutex_destroy (&t->m);
  free (t);
}
