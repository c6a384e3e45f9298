/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of it is left when consoles are quiet, lose lines, or are shared;
 * and that it does not matter how a text is cut.
 */
#include "tests/corpus/corpus.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define WANT_QUIET 90
#define ROUNDS 3 /* with other dice, where there are any */
#define MAX_TEXT (64u << 20)
#define MAX_TOLD (64u << 20)

struct right
{
  unsigned logs, found, type, class_;
  unsigned whole, whole_class; /* of those that were right when whole */
};

static bool
counted (const struct sample *s)
{
  return s->group != GROUP_NONE && s->group != GROUP_APART;
}

/* ---- quiet guests ---- */

static void
judge (struct right *r, const struct sample *s, const struct text_event *e,
       bool whole)
{
  bool class_ = e && same_class (s->type, e->type);

  r->logs++;
  r->found += e != NULL;
  r->type += e && same_type (s->type, e->type);
  r->class_ += class_;
  r->whole += whole;
  r->whole_class += whole && class_;
}

/* What is right of a log when nothing is missing. */
static int
whole_right (const struct measure *m, const struct samples *s, bool *right,
             struct error *err)
{
  for (size_t i = 0; i < s->count; i++)
    {
      const struct text_event *e;
      struct found f;
      int r = found_read (m->rules, s->list[i].log, s->list[i].len, &f, err);

      if (r < 0)
        return error_wrap (err, "%s", s->list[i].name);
      e = found_first (&f);
      right[i] = e && same_class (s->list[i].type, e->type);
      found_done (&f);
    }
  return 0;
}

static int
one_mutation (const struct measure *m, const struct samples *s, enum mutation u,
              const bool *whole, struct right *ret, struct error *err)
{
  bool random = u >= MUTATION_DROP1 && u <= MUTATION_DROP5;
  unsigned rounds = random ? ROUNDS : 1;
  struct dice dice = { m->seed + u };
  struct buf text = BUF_INIT (MAX_TEXT);
  int r = 0;

  for (size_t i = 0; i < s->count * rounds && r == 0; i++)
    {
      const struct sample *x = &s->list[i % s->count];
      const struct text_event *e;
      struct found f;

      if (!counted (x) || !mutation_fits (u, x))
        continue;
      mutate (u, x, &dice, &text);
      r = found_read (m->rules, buf_str (&text), text.len, &f, err);
      if (r < 0)
        break;
      e = found_first (&f);
      judge (ret, x, e, whole[i % s->count]);
      if (m->verbose && whole[i % s->count]
          && !(e && same_class (x->type, e->type)))
        printf ("spoilt\t%s\t%s\t%s\t%s\t%s\n", x->name, mutation_names[u],
                x->type, e ? e->type : "-", e ? e->title : "-");
      found_done (&f);
    }
  buf_done (&text);
  return r;
}

static const struct text_event *
with_class (const struct found *f, const char *type)
{
  for (unsigned i = 0; i < f->count; i++)
    if (same_class (type, f->list[i].type))
      return &f->list[i];
  return found_first (f);
}

/* Another one that is counted, of another class if that can be had: two of one
 * class would vouch for each other. */
static const struct sample *
partner (const struct samples *s, const struct sample *a, struct dice *d)
{
  const struct sample *b = a;

  for (unsigned i = 0; i < 16; i++)
    {
      b = &s->list[dice_below (d, s->count)];
      if (counted (b) && !same_class (a->type, b->type))
        return b;
    }
  return counted (b) ? b : a;
}

/* Each of two must be found among the events of both. */
static int
mixed (const struct measure *m, const struct samples *s, const bool *whole,
       struct right *ret, struct error *err)
{
  struct dice dice = { m->seed + MUTATION_MAX };
  struct buf text = BUF_INIT (MAX_TEXT);
  int r = 0;

  for (size_t i = 0; i < s->count && r == 0; i++)
    {
      const struct sample *a = &s->list[i], *b;
      struct found f;
      size_t k;

      if (!counted (a))
        continue;
      b = partner (s, a, &dice);
      k = (size_t) (b - s->list);
      mutate_mix (a, b, &dice, &text);
      r = found_read (m->rules, buf_str (&text), text.len, &f, err);
      if (r < 0)
        break;
      judge (ret, a, with_class (&f, a->type), whole[i]);
      judge (ret, b, with_class (&f, b->type), whole[k]);
      if (m->verbose)
        for (unsigned n = 0; n < 2; n++)
          {
            const struct sample *x = n ? b : a;
            const struct text_event *e = with_class (&f, x->type);

            if (whole[n ? k : i] && !(e && same_class (x->type, e->type)))
              printf ("spoilt\t%s\tmixed with %s\t%s\t%s\n", x->name,
                      n ? a->name : b->name, x->type, e ? e->title : "-");
          }
      found_done (&f);
    }
  buf_done (&text);
  return r;
}

static int
row (const char *name, const struct right *x, double wanted)
{
  int broken = measure_row (name, x->class_, x->logs, wanted);

  printf ("  %-46s detected %u, TYPE exact %u, class right of those that are "
          "when whole %u/%u\n",
          "", x->found, x->type, x->whole_class, x->whole);
  return broken;
}

int
measure_quiet (const struct measure *m, const struct samples *s,
               struct error *err)
{
  CLEANUP_FREE bool *whole = calloc (s->count + 1, sizeof (*whole));
  struct right x;
  int r, broken = 0;

  if (!whole)
    return error_set (err, ENOMEM, "no memory");
  r = whole_right (m, s, whole, err);
  if (r < 0)
    return r;
  printf ("quiet guests, other logs: class of what was spoilt (seed %llu)\n",
          (unsigned long long) m->seed);
  for (unsigned u = 0; u < MUTATION_MAX; u++)
    {
      x = (struct right){ 0 };
      r = one_mutation (m, s, (enum mutation) u, whole, &x, err);
      if (r < 0)
        return r;
      /* Without a stamp nothing tells a kernel's line from others. */
      broken
          += row (mutation_names[u], &x, u == MUTATION_BARE ? 0 : WANT_QUIET);
    }
  x = (struct right){ 0 };
  r = mixed (m, s, whole, &x, err);
  if (r < 0)
    return r;
  return broken + row ("two logs interleaved", &x, WANT_QUIET);
}

/* ---- however it was cut ---- */

struct told
{
  struct buf text; /* all that was told, a line each */
};

static void
tell (struct told *t, const char *how, const struct text_event *e)
{
  CLEANUP_JSON struct json_object *o = text_event_to_json (e);

  buf_printf (&t->text, "%s %s\n", how,
              json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
}

static void
tell_suspect (const struct text_event *e, void *arg)
{
  tell (arg, "suspect", e);
}

static void
tell_event (const struct text_event *e, void *arg)
{
  tell (arg, "event", e);
}

static void
tell_stage (const struct stage *s, enum stage_change change, void *arg)
{
  struct told *t = arg;

  buf_printf (&t->text, "stage %s %s %d line %llu\n",
              text_stage_names[s->stage], text_stop_names[s->stop],
              (int) change, (unsigned long long) s->line);
}

/* Pieces of one size, or of any up to it. */
struct cut
{
  size_t size;
  bool any;
  bool tick; /* asked in between whether something stood still: no */
};
#define NOW 1000 /* all of it comes in the same millisecond */

static int
feed_cut (const struct measure *m, const struct sample *s, struct cut cut,
          struct dice *d, struct told *t, struct error *err)
{
  static const struct text_reader_ops ops
      = { .suspect = tell_suspect, .event = tell_event, .stage = tell_stage };
  struct text_reader *r;
  int rc;

  buf_clear (&t->text);
  rc = text_reader_new (m->rules, &ops, t, &r, err);
  if (rc < 0)
    return rc;
  for (size_t at = 0; at < s->len;)
    {
      size_t n = cut.any ? 1 + dice_below (d, cut.size) : cut.size;

      n = n < s->len - at ? n : s->len - at;
      text_reader_feed (r, s->log + at, n, NOW);
      if (cut.tick)
        text_reader_tick (r, NOW);
      at += n;
    }
  text_reader_end (r);
  text_reader_free (r);
  return 0;
}

/* The first line that differs, of each. */
static void
show_difference (const struct told *a, const struct told *b)
{
  const char *p = buf_str (&a->text), *q = buf_str (&b->text);

  while (*p && *q)
    {
      size_t n = strcspn (p, "\n"), k = strcspn (q, "\n");

      if (n != k || memcmp (p, q, n) != 0)
        break;
      p += n + (p[n] != '\0');
      q += k + (q[k] != '\0');
    }
  printf ("  in one piece: %.*s\n  cut:          %.*s\n",
          (int) strcspn (p, "\n"), p, (int) strcspn (q, "\n"), q);
}

static int
one_sample (const struct measure *m, const struct sample *s, unsigned rounds,
            struct told *whole, struct told *cut, struct dice *d,
            struct error *err)
{
  static const struct cut cuts[]
      = { { 1, false, false },  { 16, true, true }, { 200, true, false },
          { 4096, true, true }, { 7, false, true }, { 60000, true, false } };
  struct cut one = { s->len > 0 ? s->len : 1, false, false };
  int r = feed_cut (m, s, one, d, whole, err);

  if (r < 0)
    return r;
  for (unsigned i = 0; i < rounds; i++)
    {
      struct cut c = cuts[i % ARRAY_LEN (cuts)];
      uint64_t state = d->state;

      r = feed_cut (m, s, c, d, cut, err);
      if (r < 0)
        return r;
      if (strcmp (buf_str (&whole->text), buf_str (&cut->text)) == 0)
        continue;
      printf ("  %s: other events in pieces of %s%zu (seed %llu):\n", s->name,
              c.any ? "up to " : "", c.size, (unsigned long long) state);
      show_difference (whole, cut);
      return 1;
    }
  return 0;
}

int
measure_chunks (const struct measure *m, const struct samples *s,
                const char *what, unsigned rounds, struct error *err)
{
  struct told whole = { BUF_INIT (MAX_TOLD) }, cut = { BUF_INIT (MAX_TOLD) };
  struct dice dice = { m->seed };
  unsigned logs = 0;
  int r = 0;

  for (; logs < s->count && r == 0; logs++)
    r = one_sample (m, &s->list[logs], rounds, &whole, &cut, &dice, err);
  if (r >= 0)
    printf ("  %-46s %5u logs, %u cuts each: %s\n", what, logs, rounds,
            r ? "OTHER EVENTS: BROKEN" : "the same events: held");
  buf_done (&whole.text);
  buf_done (&cut.text);
  return r;
}
