/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind acpi-heartbeat: whether the guest's own kernel beats, by the ACPI table
 * that it was given (share/acpi).  Nobody is asked: it hears of the beats that
 * transports/acpi reads.
 *
 * A beat says that the guest's timers, its workqueues and its ACPI go on.  Only
 * one that beat in this life can be missed: a guest may have no driver for it.
 */
#include "scenarios/scenario_impl.h"

#include "base/fact.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct own
{
  uint64_t every_ms;
  int64_t missed;
};

static const struct own defaults = { .every_ms = 5000, .missed = 12 };

static const struct json_field fields[] = {
  { .name = "every", .kind = JSON_DURATION,
    .offset = offsetof (struct own, every_ms), .min = 1000,
    .max = 60 * 60 * 1000,
    .help = "how often it beats: 5s, as the shipped table has it" },
  { .name = "missed", .kind = JSON_INT, .offset = offsetof (struct own, missed),
    .min = 2, .max = 1000,
    .help = "so many beats in a row must be missing; 12" },
  { .name = NULL },
};

struct beating
{
  char port[FACT_TEXT_MAX]; /* "" = the guest has none */
  uint64_t read_ms;         /* since when it is read, 0 = it is not */
  uint64_t beat_ms;         /* the last, 0 = none in this life */
  int64_t sequence, fell;   /* fell: from where, 0 = it did not */
};

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  (void) s;
  (void) now_ms;
  return calloc (1, sizeof (struct beating));
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  struct beating *h = state;
  uint64_t at = fact->time_ms < now_ms ? fact->time_ms : now_ms;

  (void) s;
  if (strcmp (fact->name, "guest.acpi_port") == 0 && fact->type == FACT_TEXT)
    {
      snprintf (h->port, sizeof h->port, "%s", fact->text);
      if (strcmp (h->port, "read") != 0)
        h->read_ms = 0;
      else if (!h->read_ms)
        h->read_ms = at;
    }
  if (strcmp (fact->name, "guest.acpi_beat") != 0 || fact->type != FACT_INT)
    return;
  if (h->beat_ms && fact->i < h->sequence)
    h->fell = h->sequence;
  h->sequence = fact->i;
  h->beat_ms = at;
}

/* Why nothing can be said, if that is so. */
static bool
is_mute (const struct beating *h, struct outcome_report *ret)
{
  char why[160];

  if (!h->port[0])
    report_set (ret, OUTCOME_NO_VERDICT, "no-beat-device",
                "it has no ACPI heartbeat: `hangdog doctor GUEST` has the "
                "options that give it one");
  else if (!h->read_ms)
    report_set (ret, OUTCOME_NO_VERDICT, "beat-unread",
                "the port where it beats is %s",
                report_quote (why, sizeof why, h->port, strlen (h->port)));
  else if (!h->beat_ms)
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "it has not beaten in this life: it boots, or lacks the table "
                "or the driver of ACPI's thermal zones");
  else
    return false;
  return true;
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  struct beating *h = state;
  const struct own *own = s->own;
  uint64_t from = h->beat_ms > h->read_ms ? h->beat_ms : h->read_ms;
  uint64_t quiet = now_ms > from ? now_ms - from : 0;
  char text[32], every[32];

  if (is_mute (h, ret))
    return;
  units_format_duration (text, sizeof text, quiet);
  units_format_duration (every, sizeof every, own->every_ms);
  ret->value = (double) quiet / 1000;
  if (quiet >= own->every_ms * (uint64_t) own->missed)
    report_set (ret, OUTCOME_FAILED, "beat-missing",
                "its kernel has not beaten for %s, where it did each %s", text,
                every);
  else if (h->fell)
    report_set (ret, OUTCOME_NO_VERDICT, "beat-restarted",
                "its beats are counted from the start again, after %lld: it "
                "booted",
                (long long) h->fell);
  else
    report_set (ret, OUTCOME_OK, "ok", "its kernel beat %s ago, beat %lld",
                text, (long long) h->sequence);
  h->fell = 0;
}

static const char *const facts[]
    = { "guest.acpi_beat", "guest.acpi_port", NULL };

static const struct scenario_watch watch = {
  .facts = facts,
  .state_new = state_new,
  .state_free = free,
  .fact = on_fact,
  .due = on_due,
};

static const char *const uses[] = { "acpi", NULL };

const struct scenario_kind kind_acpi_heartbeat = {
  .name = "acpi-heartbeat",
  .summary = "whether its own kernel beats, by a small ACPI table",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .watch = &watch,
};
