/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-flood: a console on which more is said than should be.  Nobody
 * is asked, and nothing is typed: it hears of the bytes that the console hub
 * reads.
 */
#include "scenarios/scenario_impl.h"

#include "base/fact.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

/* The hub tells of bytes every 10 s at most: over less than three of these a
 * rate would be chance. */
#define LEAST_MS (30 * 1000)
#define MOST_MS (60 * 60 * 1000)
#define WINDOW_MS 60000
/* Two that are not further apart than this had no silence in between. */
#define FLOW_MS 15000
#define SAMPLES 64

struct own
{
  uint64_t rate, window_ms;
};

static const struct own init = { .window_ms = WINDOW_MS };

static const struct json_field fields[] = {
  { .name = "rate", .kind = JSON_SIZE, .offset = offsetof (struct own, rate),
    .required = true, .min = 1, .max = 1LL << 40,
    .help = "bytes a second that its first console may say, as \"100KiB\"" },
  { .name = "window", .kind = JSON_DURATION,
    .offset = offsetof (struct own, window_ms), .min = LEAST_MS,
    .max = MOST_MS, .help = "over which it is counted, 30s to 1h; default 1m" },
  { .name = NULL },
};

struct sample
{
  uint64_t at_ms, bytes;
};

struct flow
{
  struct hearing hearing;
  struct sample list[SAMPLES]; /* oldest first */
  unsigned n;
  bool flooded;
};

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  (void) s;
  (void) now_ms;
  return calloc (1, sizeof (struct flow));
}

/* Samples that lie closer together than the list has room for over a window
 * become one: the later. */
static void
add (struct flow *f, uint64_t at, uint64_t bytes, uint64_t window)
{
  struct sample *last = f->n ? &f->list[f->n - 1] : NULL;

  if (last && (bytes < last->bytes || at < last->at_ms))
    f->n = 0;
  else if (f->n > 1 && last->at_ms - last[-1].at_ms < window / (SAMPLES / 2))
    f->n--;
  if (f->n == SAMPLES)
    memmove (f->list, f->list + 1, --f->n * sizeof f->list[0]);
  f->list[f->n++] = (struct sample){ at, bytes };
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  const struct own *own = s->own;
  struct flow *f = state;
  uint64_t since = f->hearing.since_ms;

  hearing_fact (&f->hearing, NULL, fact, now_ms);
  if (!f->hearing.since_ms && since)
    f->n = 0;
  if (strcmp (fact->name, "console.bytes") == 0 && fact->type == FACT_INT)
    add (f, fact->time_ms < now_ms ? fact->time_ms : now_ms,
         (uint64_t) fact->i, own->window_ms);
}

/* How much it had said by then. */
static uint64_t
said_by (const struct flow *f, uint64_t at)
{
  unsigned i = 0;
  const struct sample *a, *b;

  while (i + 1 < f->n && f->list[i + 1].at_ms <= at)
    i++;
  a = &f->list[i];
  if (at <= a->at_ms || i + 1 == f->n)
    return a->bytes;
  b = a + 1;
  /* What came behind a silence came at its end. */
  if (b->at_ms - a->at_ms > FLOW_MS)
    return a->bytes;
  return a->bytes
         + (uint64_t) ((double) (b->bytes - a->bytes)
                       * (double) (at - a->at_ms)
                       / (double) (b->at_ms - a->at_ms));
}

static void
on_gap (void *state, const struct scenario *s, uint64_t from_ms,
        uint64_t to_ms)
{
  struct flow *heard = state;

  (void) s;
  (void) from_ms;
  hearing_gap (&heard->hearing, to_ms);
  /* What waited comes all at once now. */
  heard->n = 0;
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  const struct own *own = s->own;
  struct flow *f = state;
  uint64_t from = now_ms > own->window_ms ? now_ms - own->window_ms : 0;
  uint64_t bytes
      = f->n ? f->list[f->n - 1].bytes - said_by (f, from) : 0;
  double rate = (double) bytes / ((double) own->window_ms / 1000);
  char said[32], may[32], window[32];

  if (!hearing_judge (&f->hearing, ret))
    {
      f->flooded = false;
      return;
    }
  ret->value = rate;
  f->flooded = rate > (double) own->rate
               || (f->flooded && rate >= (double) own->rate / 2);
  units_format_size (said, sizeof said, (uint64_t) rate);
  units_format_size (may, sizeof may, own->rate);
  units_format_duration (window, sizeof window, own->window_ms);
  if (f->flooded)
    report_set (ret, OUTCOME_FAILED, "console-flood",
                "its console said %s a second over the last %s; %s is "
                "allowed%s",
                said, window, may,
                rate > (double) own->rate ? ""
                                          : ", and well again is below half");
  else if (now_ms - f->hearing.since_ms < own->window_ms)
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "its console is not read for %s yet", window);
  else
    report_set (ret, OUTCOME_OK, "ok", "%s a second over the last %s", said,
                window);
}

static const char *const facts[] = { "console.bytes", "console.state", NULL };

static const struct scenario_watch watch = {
  .facts = facts,
  .state_new = state_new,
  .state_free = free,
  .fact = on_fact,
  .gap = on_gap,
  .due = on_due,
};

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_console_flood = {
  .name = "console-flood",
  .summary = "a console that says more than it may, without asking",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &init,
  .watch = &watch,
};
