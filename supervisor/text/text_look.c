/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of guests: what is known of them, for who asks.  Loop thread.
 */
#include "supervisor/text/text_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

static void
put_event (struct buf *out, const struct kept_event *k)
{
  char last[32];

  /* A number goes before the brace that ends it. */
  buf_append (out, k->json, k->count > 1 ? k->len - 1 : k->len);
  if (k->count > 1)
    buf_printf (out, ",\"count\":%u,\"last_time\":\"%s\"}", k->count,
                clock_format (last, sizeof last, k->last_wall_ms));
  buf_putc (out, '\n');
}

void
texts_events (struct texts *t, const char *uuid, struct buf *out)
{
  const struct text_trouble *tr;
  struct text_guest *g;
  unsigned n;

  if (!t)
    return;
  LOCK_SCOPE (&t->m);
  g = text_guest_find_ (t, uuid);
  tr = g ? g->trouble : NULL;
  n = tr ? tr->nkept : 0;
  for (unsigned i = 0; i < n; i++)
    {
      /* Behind the first ones a ring, whose oldest is at next. */
      unsigned k
          = i < EVENTS_FIRST || n < EVENTS_MAX
                ? i
                : EVENTS_FIRST + (tr->next + i - EVENTS_FIRST) % EVENTS_LAST;

      if (!tr->kept[k].json)
        continue;
      put_event (out, &tr->kept[k]);
    }
}

static void
look_at (struct texts *t, struct text_guest *g, struct text_source *s,
         void (*fn) (const struct texts_look *look, void *arg), void *arg)
{
  struct texts_look look = {
    .uuid = g->uuid, .console = s->console, .kind = "", .title = "", .note = ""
  };
  struct stage stage;
  char title[TEXT_TITLE_MAX];

  {
    const struct text_trouble *tr;
    LOCK_SCOPE (&t->m);

    stage = s->stage;
    look.stats = s->stats;
    tr = g->trouble;
    if (tr)
      {
        memcpy (title, tr->of_boot.title, sizeof title);
        look.title = title;
        look.kind = tr->of_boot.last_kind ? tr->of_boot.last_kind : "";
        look.severity = tr->of_boot.severity;
        look.event_ms = tr->of_boot.last_ms;
        look.events = tr->of_boot.events;
        look.note = text_note_ (tr);
      }
  }
  look.stage = &stage;
  fn (&look, arg);
}

void
texts_each (struct texts *t, const char *uuid,
            void (*fn) (const struct texts_look *look, void *arg), void *arg)
{
  for (unsigned i = 0; t && i < TEXT_BUCKETS; i++)
    for (struct text_guest *g = t->buckets[i]; g; g = g->next)
      if (!uuid || strcmp (g->uuid, uuid) == 0)
        for (struct text_source *s = g->sources; s; s = s->next)
          look_at (t, g, s, fn, arg);
}

struct sum
{
  struct text_reader_stats all;
  unsigned readers;
  struct buf *out;
};

static void
add_look (const struct texts_look *look, void *arg)
{
  struct sum *sum = arg;
  const struct text_reader_stats *a = &look->stats;

  sum->all.bytes += a->bytes;
  sum->all.lines += a->lines;
  sum->all.heads += a->heads;
  sum->all.events += a->events;
  sum->all.gaps += a->gaps;
  sum->all.lost_bytes += a->lost_bytes;
  sum->all.limits_hit += a->limits_hit;
  sum->all.reports_cut += a->reports_cut;
  sum->all.memory += a->memory;
  sum->readers += a->memory > 0;
}

static void
dump_look (const struct texts_look *look, void *arg)
{
  const struct text_reader_stats *a = &look->stats;

  if (a->gaps || a->limits_hit || a->reports_cut || look->events)
    buf_printf (arg,
                "  text %s:%s stage=%s lines=%" PRIu64 " events=%u"
                " gaps=%" PRIu64 " lost=%" PRIu64 " limits=%" PRIu64
                " cut=%" PRIu64 " memory=%zu\n",
                look->uuid, look->console, text_stage_names[look->stage->stage],
                a->lines, look->events, a->gaps, a->lost_bytes, a->limits_hit,
                a->reports_cut, a->memory);
}

struct rules_sum
{
  struct buf *out;
  unsigned all, theirs, replaced;
};

static void
add_rule (const struct text_rule *rule, void *arg)
{
  struct rules_sum *s = arg;
  struct text_rule_info i;

  text_rule_info (rule, &i);
  s->all++;
  s->theirs += !i.builtin;
  s->replaced += i.replaces;
}

static void
dump_slow (const struct text_rule *rule, void *arg)
{
  struct text_rule_info i;

  text_rule_info (rule, &i);
  if (i.given_up)
    buf_printf (arg, "  rule %s (%s) given up on %u lines\n", i.name, i.origin,
                i.given_up);
}

static void
dump_rules (struct texts *t, struct buf *out)
{
  struct rules_sum sum = { .out = out };

  text_rules_each (t->rules, add_rule, &sum);
  buf_printf (out, "  rules %u, of operators %u (%u in the place of ours)\n",
              sum.all, sum.theirs, sum.replaced);
  text_rules_each (t->rules, dump_slow, out);
}

static void
dump_worker (struct text_worker *w, struct buf *out)
{
  unsigned queued = 0;
  LOCK_SCOPE (&w->m);

  for (struct text_source *s = w->queue; s; s = s->next_queued)
    queued++;
  buf_printf (out,
              "  worker %u: consoles %u, queued %u, wake-ups %" PRIu64
              ", turns %" PRIu64 ", timers %" PRIu64 "\n",
              w->index, w->consoles, queued, w->wakeups, w->turns, w->timers);
}

void
texts_dump (struct texts *t, struct buf *out)
{
  struct sum sum = { .out = out };

  if (!t)
    {
      buf_puts (out, "text: not read\n");
      return;
    }
  texts_each (t, NULL, add_look, &sum);
  {
    LOCK_SCOPE (&t->m);
    buf_printf (out,
                "text: guests %u, consoles %u (not read %u), readers %u, "
                "memory %zu, bytes %" PRIu64 ", lines %" PRIu64
                ", events %" PRIu64 ", gaps %" PRIu64 " of %" PRIu64
                " bytes, limits hit %" PRIu64 ", reports cut %" PRIu64
                "; kept %zu of %u bytes (dropped %" PRIu64
                "), facts held back %" PRIu64 ", keys of ours %" PRIu64
                ", logs shown again %" PRIu64 "\n",
                t->nguests, t->nsources, t->untapped, sum.readers,
                sum.all.memory, sum.all.bytes, sum.all.lines, sum.all.events,
                sum.all.gaps, sum.all.lost_bytes, sum.all.limits_hit,
                sum.all.reports_cut, t->event_bytes, EVENTS_TOTAL,
                t->events_dropped, t->facts_held, t->ours, t->replays);
  }
  for (unsigned i = 0; i < TEXTS_THREADS; i++)
    if (t->workers[i])
      dump_worker (t->workers[i], out);
  dump_rules (t, out);
  texts_each (t, NULL, dump_look, out);
}
