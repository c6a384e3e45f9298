/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind boot-stage: how far a guest must have come, and how soon after its
 * start.  Nobody is asked, and nothing is typed: it hears how far the guest is
 * by its console's text.
 *
 * A guest that says nothing at all may not have begun to, and may have been up
 * for long when hangdog came.  So silence is a failure only of a boot whose
 * beginning was seen: its process is as young as this watch is, it was reset
 * meanwhile, or its text has shown an earlier stage.  And only where somebody
 * listens: of a console that is not read nothing is known.
 */
#include "scenarios/scenario_impl.h"

#include "base/clock.h"
#include "base/fact.h"
#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MS (10 * 1000)
#define MOST_MS (24LL * 60 * 60 * 1000)
/* Who is found so soon after its process began is seen from its start. */
#define YOUNG_MS (30 * 1000)
#define UNKNOWN "unknown"

/* As the text of a console shows them, in their order; what a document may ask
 * for are the last three. */
static const char *const stages[]
    = { UNKNOWN,     "firmware",  "bootloader", "kernel",
        "initramfs", "userspace", "login",      "shell", NULL };
static const char *const wanted[] = { "userspace", "login", "shell", NULL };
#define FIRST_WANTED 5

struct own
{
  int stage; /* index into wanted */
  uint64_t within_ms;
};

static const struct own init = { .stage = 1 };

static const struct json_field fields[] = {
  { .name = "stage", .kind = JSON_ENUM, .offset = offsetof (struct own, stage),
    .names = wanted,
    .help = "what its console must have shown: userspace (init runs), login "
            "(a login prompt, or a shell) or shell; default login" },
  { .name = "within", .kind = JSON_DURATION,
    .offset = offsetof (struct own, within_ms), .required = true,
    .min = LEAST_MS, .max = MOST_MS,
    .help = "how soon after its start; 10s at least" },
  { .name = NULL },
};

struct boot
{
  struct hearing hearing;
  uint64_t since_ms; /* the watch of this boot */
  uint64_t began_ms; /* the boot, where it was seen to begin; else 0 */
  int stage;         /* now */
  bool reached;      /* it has come so far, whatever it shows now */
  uint64_t reached_ms;
  char stop[32];     /* why it does not go on, "" = nothing said so */
};

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  struct boot *b = calloc (1, sizeof (struct boot));

  (void) s;
  if (b)
    b->since_ms = now_ms;
  return b;
}

static int
stage_of (const char *name)
{
  for (int i = 0; stages[i]; i++)
    if (strcmp (stages[i], name) == 0)
      return i;
  return -1;
}

/* Its boot may have begun before anybody said so. */
static void
look_at_life (struct boot *b, const struct incarnation *inc)
{
  uint64_t process_ms;

  if (b->began_ms)
    return;
  if (inc->boot > 0)
    {
      b->began_ms = b->since_ms;
      return;
    }
  if (!inc->start_time)
    return;
  process_ms = clock_of_start (inc->start_time);
  if (process_ms + YOUNG_MS >= b->since_ms)
    b->began_ms = process_ms ? process_ms : 1;
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  struct boot *b = state;
  const struct own *own = s->own;
  int stage;

  look_at_life (b, &fact->inc);
  hearing_fact (&b->hearing, NULL, fact, now_ms);
  if (fact->type != FACT_TEXT)
    return;
  if (strcmp (fact->name, "guest.stop") == 0)
    snprintf (b->stop, sizeof b->stop, "%.31s",
              strcmp (fact->text, "none") == 0 ? "" : fact->text);
  if (strcmp (fact->name, "guest.stage") != 0
      || (stage = stage_of (fact->text)) < 0)
    return;
  b->stage = stage;
  if (stage > 0 && stage < FIRST_WANTED && !b->began_ms)
    b->began_ms = fact->time_ms ? fact->time_ms : now_ms;
  if (stage >= FIRST_WANTED + own->stage && !b->reached)
    {
      b->reached = true;
      b->reached_ms = fact->time_ms < now_ms ? fact->time_ms : now_ms;
    }
}

static void
say_reached (const struct boot *b, const struct own *own,
             struct outcome_report *ret)
{
  char text[32];

  if (!b->began_ms || b->reached_ms < b->began_ms)
    {
      report_set (ret, OUTCOME_OK, "ok", "it is up: %s", stages[b->stage]);
      return;
    }
  units_format_duration (text, sizeof text, b->reached_ms - b->began_ms);
  ret->value = (double) (b->reached_ms - b->began_ms) / 1000;
  report_set (ret, OUTCOME_OK, "ok", "it showed %s %s after its start",
              wanted[own->stage], text);
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  const struct boot *b = state;
  const struct own *own = s->own;
  uint64_t age = b->began_ms && now_ms > b->began_ms ? now_ms - b->began_ms
                                                     : 0;
  char text[32];

  if (b->reached)
    {
      say_reached (b, own, ret);
      return;
    }
  units_format_duration (text, sizeof text, age);
  if (b->stop[0])
    report_set (ret, OUTCOME_FAILED, "boot-stopped",
                "its boot does not go on: %s", b->stop);
  else if (!hearing_judge (&b->hearing, ret))
    return;
  else if (!b->began_ms)
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "its boot was not seen: it may have been up before it was "
                "watched, and its console has shown no stage since");
  else if (age < own->within_ms)
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "it boots for %s, and has come as far as: %s", text,
                b->stage ? stages[b->stage] : "no stage that it shows");
  else
    report_set (ret, OUTCOME_FAILED, "boot-late",
                b->stage ? "%s after its start it has come no further than: %s"
                         : "%s after its start it has shown no stage of its "
                           "boot%s",
                text, b->stage ? stages[b->stage] : "");
}

static const char *const facts[]
    = { "guest.stage",   "guest.stop", "vmm.status", "guest.boot",
        "console.state", NULL };

static const struct scenario_watch watch = {
  .facts = facts,
  .state_new = state_new,
  .state_free = free,
  .fact = on_fact,
  .gap = hearing_on_gap,
  .due = on_due,
};

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_boot_stage = {
  .name = "boot-stage",
  .summary = "how far a guest must have booted, and how soon after its start",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &init,
  .watch = &watch,
};
