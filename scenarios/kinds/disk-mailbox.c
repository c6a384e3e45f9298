/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind disk-mailbox: the guest's own script writes a heartbeat onto a small
 * disk, with a few figures, and may be asked a command there.
 *
 * The guest's clock is not believed: how old a heartbeat is, is for how long
 * this host has not seen it move.
 */
#include "scenarios/scenario_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/text.h"
#include "transports/disk/disk.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct own
{
  char *mailbox;
  uint64_t every_ms; /* 0 = as often as the guest says */
  int64_t missed;
  struct json_list limits; /* of struct limit */
  char *command;           /* NULL = none */
  struct scenario_expect expect;
};

static const struct own defaults = { .missed = 2 };

struct limit
{
  char *figure;
  int op; /* index into scenario_compare_ops */
  double value;
};

static const struct json_field limit_fields[] = {
  { .name = "figure", .kind = JSON_STRING,
    .offset = offsetof (struct limit, figure), .required = true, .min = 1,
    .max = 32, .help = "of the heartbeat: load1, blocked, mem_available_kib" },
  { .name = "op", .kind = JSON_ENUM, .offset = offsetof (struct limit, op),
    .required = true, .names = scenario_compare_ops,
    .help = "what must hold between it and the value" },
  { .name = "value", .kind = JSON_DOUBLE,
    .offset = offsetof (struct limit, value), .required = true,
    .help = "the number it is compared with" },
  { .name = NULL },
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_mailbox_keys,
    .offset = offsetof (struct own, mailbox) },
  { .name = "every", .kind = JSON_DURATION,
    .offset = offsetof (struct own, every_ms), .min = 1000,
    .max = 24 * 60 * 60 * 1000,
    .help = "how often the guest writes; default as often as it says, at most "
            "10m" },
  { .name = "missed", .kind = JSON_INT, .offset = offsetof (struct own, missed),
    .min = 1, .max = 100,
    .help = "so many heartbeats may be missing; default 2" },
  { .name = "limits", .kind = JSON_ARRAY,
    .offset = offsetof (struct own, limits), .max = 16, .sub = limit_fields,
    .elem_size = sizeof (struct limit),
    .help = "figures of the heartbeat, all must hold" },
  { .name = "command", .kind = JSON_STRING,
    .offset = offsetof (struct own, command), .min = 1, .max = 1024,
    .help = "one shell command, run by the guest's script" },
  { .kind = JSON_GROUP, .sub = scenario_expect_keys,
    .offset = offsetof (struct own, expect) },
  { .name = NULL },
};

/* ---- the document ---- */

static int
check_limits (const struct own *own, const struct scenario_at *at)
{
  const struct limit *l = own->limits.items;

  for (size_t i = 0; i < own->limits.count; i++, l++)
    {
      const char *const *name = mailbox_figure_names;
      char key[40], known[400];

      while (*name && strcmp (*name, l->figure) != 0)
        name++;
      snprintf (key, sizeof key, "limits[%zu].figure", i);
      if (!*name)
        return scenario_bad (at, key, "no heartbeat has \"%s\"%s", l->figure,
                             text_did_you_mean (known, sizeof known, l->figure,
                                                mailbox_figure_names));
    }
  return 0;
}

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  const struct scenario_command command = { own->command, own->expect };
  int rc = check_limits (own, at);

  if (rc < 0)
    return rc;
  if (own->command)
    return scenario_check_command (at, &command, "or a script in the guest");
  if (own->expect.output || own->expect.not_output
      || own->expect.compare.count)
    return scenario_bad (at, "expect",
                         "there is no command whose answer this could be");
  return 0;
}

/* ---- the heartbeat ---- */

static void
judge_missing (const struct guest *g, const struct disk_look *look,
               struct outcome_report *ret)
{
  if (judge_process (g, ret))
    return;
  report_set (ret, OUTCOME_FAILED, "beat-missing",
              "no heartbeat for %llu s; one is to come within %llu s, and the "
              "guest said that it writes one every %u s",
              (unsigned long long) look->age_ms / 1000,
              (unsigned long long) look->limit_ms / 1000,
              look->beat.interval_s);
}

/* False when ret was set. */
static bool
judge_limits (const struct own *own, const struct mailbox_beat *b,
              struct outcome_report *ret)
{
  const struct limit *l = own->limits.items;

  for (size_t i = 0; i < own->limits.count; i++, l++)
    {
      double v = mailbox_figure (b, l->figure);

      if (isnan (v))
        report_set (ret, OUTCOME_FAILED, "not-a-number",
                    "its heartbeat does not say %s", l->figure);
      else if (!judge_holds (l->op, v, l->value))
        report_set (ret, OUTCOME_FAILED, "compare",
                    "%s is %g, which is not %s %g", l->figure, v,
                    scenario_compare_ops[l->op], l->value);
      else
        continue;
      return false;
    }
  return true;
}

static double
figure_or_0 (const struct mailbox_beat *b, const char *name)
{
  double v = mailbox_figure (b, name);

  return isnan (v) ? 0 : v;
}

static void
say_well (const struct disk_look *look, struct outcome_report *ret)
{
  const struct mailbox_beat *b = &look->beat;

  report_set (ret, OUTCOME_OK, "ok",
              "heartbeat %llu, up for %llu s, load %.2f, %.0f blocked",
              (unsigned long long) b->slot.seq,
              (unsigned long long) b->uptime_s,
              figure_or_0 (b, "load1"), figure_or_0 (b, "blocked"));
}

/* True when it is as it must be. */
static bool
judge_beat (const struct scenario *s, const struct guest *g,
            const struct disk_look *look, struct outcome_report *ret)
{
  if (look->end != DISK_OK)
    judge_end (disk_ask_end (look->end), look->detail, ret);
  else if (look->state == MAILBOX_EMPTY)
    report_set (ret, OUTCOME_NO_VERDICT, "mailbox-empty",
                "nobody has ever written a heartbeat there: does "
                "hangdog-mailbox run in the guest?");
  else if (look->state == MAILBOX_BAD)
    report_set (ret, OUTCOME_FAILED, "beat-garbled",
                "what is written in its mailbox is no heartbeat");
  else if (look->missing)
    judge_missing (g, look, ret);
  else if (!look->fresh)
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "its heartbeat was not seen to move yet, and not watched "
                "for long enough (%llu of %llu s)",
                (unsigned long long) look->age_ms / 1000,
                (unsigned long long) look->limit_ms / 1000);
  else if (judge_limits (s->own, &look->beat, ret))
    {
      say_well (look, ret);
      return true;
    }
  return false;
}

/* ---- the asking ---- */

static int
ask_command (const struct scenario *s, const struct guest *g,
             const struct transport_ops *way, const struct transport_env *env,
             struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  char who[96];
  const struct ask ask = { .command = own->command, .who = who,
                           .mailbox = own->mailbox };
  struct ask_result said = { .status = -1 };
  double age = ret->value;
  int rc;

  snprintf (who, sizeof who, "scenario %s", s->name);
  rc = way->command (env, g, &ask, job, &said, err);
  if (rc < 0)
    return rc;
  if (said.end == ASK_OK)
    judge_command (&own->expect, said.status, buf_str (&said.output),
                   said.output.len, ret);
  else
    judge_end (said.end, said.detail, ret);
  ret->value = age;
  ask_result_done (&said);
  return 0;
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  const struct disk_patience how = { .mailbox = own->mailbox,
                                     .every_ms = own->every_ms,
                                     .missed = (unsigned) own->missed };
  struct outcome_report report = { .value = NAN };
  uint64_t begun = clock_ms ();
  struct disk_look look;
  int rc = disk_look (env, g, &how, job_deadline (job), &look, err);

  if (rc < 0)
    return rc;
  if (look.end == DISK_OK && look.state == MAILBOX_GOOD)
    report.value = (double) look.age_ms / 1000;
  if (judge_beat (s, g, &look, &report) && own->command)
    rc = ask_command (s, g, way, env, job, &report, err);
  if (rc < 0)
    return rc;
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

/* The command is a second process, which looks for itself. */
static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  const struct own *own = s->own;

  scenario_cost_way (s, way, ret);
  if (!own->command)
    return;
  ret->cpu_us += way->cpu_us;
  ret->disk += ret->disk + scenario_cost_mailbox (own->command);
}

static const char *const uses[] = { "disk", NULL };

const struct scenario_kind kind_disk_mailbox = {
  .name = "disk-mailbox",
  .summary = "a heartbeat that the guest writes onto a small disk",
  .application = true,
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .check = check,
  .cost = cost,
  .ask = ask,
};
