/* SPDX-License-Identifier: Apache-2.0
 *
 * What every scenario document has, as a table: it checks, fills the struct,
 * suggests the nearest key, writes it again, and prints the schema.  What only
 * some have is described in their kinds.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"

#include <stddef.h>
#include <stdlib.h>

#define SECOND 1000
#define DAY (24 * 60 * 60 * SECOND)

const char *const scenario_severity_names[]
    = { "info", "warning", "critical", NULL };

#define AT(type, member) .offset = offsetof (struct type, member)

static const struct json_field select_fields[] = {
  { .name = "name", .kind = JSON_STRING, AT (scenario_select, name),
    .max = 128, .min = 1,
    .help = "glob on the hypervisor's or the display name" },
  { .name = "uuid", .kind = JSON_STRING, AT (scenario_select, uuid),
    .min = 1, .max = 64, .help = "glob on the uuid" },
  { .name = "display-name", .kind = JSON_STRING,
    AT (scenario_select, display_name), .min = 1, .max = 128,
    .help = "glob on what people call it" },
  { .name = "labels", .kind = JSON_RAW, AT (scenario_select, labels),
    .help = "object of label: glob; all must match" },
  { .name = NULL },
};

static const struct json_field hours_fields[] = {
  { .name = "from", .kind = JSON_STRING, AT (scenario_hours, from),
    .required = true, .min = 5, .max = 5, .help = "HH:MM, local time" },
  { .name = "to", .kind = JSON_STRING, AT (scenario_hours, to),
    .required = true, .min = 5, .max = 5,
    .help = "HH:MM, not included; before `from` = on the next day" },
  { .name = "days", .kind = JSON_STRING, AT (scenario_hours, days),
    .min = 3, .max = 40,
    .help = "\"mon,tue\": days on which it begins; default every day" },
  { .name = NULL },
};

static const struct json_field behind_fields[] = {
  { .name = "unit", .kind = JSON_STRING, AT (scenario_behind, unit),
    .min = 1, .max = 63, .help = "a unit of systemd's" },
  { .name = "container", .kind = JSON_STRING, AT (scenario_behind, container),
    .min = 1, .max = 71, .help = "its id, or what that begins with" },
  { .name = "process", .kind = JSON_STRING, AT (scenario_behind, process),
    .min = 1, .max = 15, .help = "its name, as /proc/PID/comm has it" },
  { .name = "port", .kind = JSON_INT, AT (scenario_behind, port),
    .min = 1, .max = 65535,
    .help = "on which it listens in the guest, behind any forward" },
  { .name = NULL },
};

/* As the table below says it: a test compares them. */
const struct scenario scenario_defaults = {
  .interval_ms = 30 * SECOND,
  .timeout_ms = 10 * SECOND,
  .initial_delay_ms = 60 * SECOND,
  .retry_ms = 5 * SECOND,
  .failure_threshold = 2,
  .success_threshold = 1,
  .flap_damping = true,
  .severity = SCENARIO_CRITICAL,
  .alert = true,
};

const struct json_field scenario_fields[] = {
  { .name = "schema", .kind = JSON_STRING, AT (scenario, schema),
    .help = SCENARIO_SCHEMA },
  { .name = "name", .kind = JSON_STRING, AT (scenario, name),
    .required = true, .min = 1, .max = 63,
    .help = "[A-Za-z0-9._-], unique on a host" },
  { .name = "kind", .kind = JSON_STRING, AT (scenario, kind_name),
    .required = true, .min = 1, .max = SCENARIO_KIND_MAX,
    .help = "how it is asked; other keys are those of its kind" },
  { .name = "description", .kind = JSON_STRING, AT (scenario, description),
    .max = 1000, .min = 0, .help = "for people" },
  { .name = "select", .kind = JSON_OBJECT, AT (scenario, select),
    .sub = select_fields,
    .help = "which guests; all that is given must match" },
  { .name = "transports", .kind = JSON_ARRAY, AT (scenario, transports),
    .max = 8, .elem_size = sizeof (char *), .elem_kind = JSON_STRING,
    .help = "ways it may take; default those of its kind" },
  /* Lower bounds that depend on another member are checked in scenario.c,
   * which can name both. */
  { .name = "interval", .kind = JSON_DURATION, AT (scenario, interval_ms),
    .min = 0, .max = 7LL * DAY,
    .help = "from start to start, 1s or longer; default 30s" },
  { .name = "timeout", .kind = JSON_DURATION, AT (scenario, timeout_ms),
    .min = 0, .max = DAY,
    .help = "for one run, shorter than the interval; default 10s" },
  { .name = "max-time", .kind = JSON_DURATION, AT (scenario, max_time_ms),
    .min = 1, .max = DAY,
    .help = "a right answer may take so long, of kinds that ask one question; "
            "shorter than the timeout; default as long as it likes" },
  { .name = "jitter", .kind = JSON_DURATION, AT (scenario, jitter_ms),
    .min = 0, .max = DAY,
    .help = "random time added to the interval; default 0s" },
  { .name = "initial-delay", .kind = JSON_DURATION,
    AT (scenario, initial_delay_ms), .min = 0, .max = DAY,
    .help = "after the guest's boot; default 60s" },
  { .name = "retry-interval", .kind = JSON_DURATION, AT (scenario, retry_ms),
    .min = 0, .max = DAY,
    .help = "until the next look after a first failure; default 5s" },
  { .name = "failure-threshold", .kind = JSON_INT,
    AT (scenario, failure_threshold), .min = 1, .max = 100,
    .help = "failures in a row that make an incident; default 2" },
  { .name = "success-threshold", .kind = JSON_INT,
    AT (scenario, success_threshold), .min = 1, .max = 100,
    .help = "successes in a row that make it well; default 1" },
  { .name = "flap-damping", .kind = JSON_BOOL, AT (scenario, flap_damping),
    .help = "while it is now well and now not, its incident stays open; "
            "default true" },
  { .name = "quiet-hours", .kind = JSON_ARRAY, AT (scenario, quiet_hours),
    .max = 16, .sub = hours_fields,
    .elem_size = sizeof (struct scenario_hours),
    .help = "when it is not run" },
  { .name = "severity", .kind = JSON_ENUM, AT (scenario, severity),
    .names = scenario_severity_names,
    .help = "of its incidents; default critical" },
  { .name = "alert", .kind = JSON_BOOL, AT (scenario, alert),
    .help = "whether its failures make incidents; false for what is but a "
            "part of others; default true" },
  { .name = "playbook", .kind = JSON_STRING, AT (scenario, playbook),
    .min = 1, .max = 63,
    .help = "what is collected when it failed; default standard" },
  { .name = "behind", .kind = JSON_OBJECT, AT (scenario, behind),
    .sub = behind_fields,
    .help = "what answers in the guest, for who diagnoses: by default it is "
            "found by the port or the command" },
  { .name = NULL },
};

void
scenario_table (const struct scenario_kind *kind, struct json_field ret[3])
{
  ret[0] = (struct json_field){ .kind = JSON_GROUP, .sub = scenario_fields };
  ret[1] = (struct json_field){ .kind = kind->fields ? JSON_GROUP : JSON_END,
                                .sub = kind->fields,
                                .offset = SCENARIO_OWN_AT };
  ret[2] = (struct json_field){ .kind = JSON_END };
}

/* ---- the published schema ---- */

/* {"items": {"enum": the ways that it can take}}. */
static struct json_object *
ways_schema (const struct scenario_kind *kind)
{
  struct json_object *out = json_object_new_object ();
  struct json_object *items = json_object_new_object ();
  struct json_object *names = json_object_new_array ();

  for (const char *const *w = kind->transports; w && *w; w++)
    json_object_array_add (names, json_object_new_string (*w));
  json_object_object_add (items, "enum", names);
  json_object_object_add (out, "items", items);
  return out;
}

/* {"if": it is of that kind, "then": these are its keys too}. */
static struct json_object *
kind_schema (const struct scenario_kind *kind)
{
  struct json_object *out = json_object_new_object ();
  struct json_object *is = json_object_new_object ();
  struct json_object *names = json_object_new_object ();
  struct json_object *name = json_object_new_object ();
  struct json_object *must = json_object_new_array ();
  struct json_object *then = json_schema_object (kind->fields);

  json_add_str (name, "const", kind->name);
  json_object_object_add (names, "kind", name);
  json_object_object_add (is, "properties", names);
  json_object_array_add (must, json_object_new_string ("kind"));
  json_object_object_add (is, "required", must);
  json_object_object_del (then, "additionalProperties");
  json_object_object_del (json_get (then, "properties"), "$schema");
  if (!kind->timed)
    json_add_bool (json_get (then, "properties"), "max-time", false);
  if (kind->transports)
    json_object_object_add (json_get (then, "properties"), "transports",
                            ways_schema (kind));
  json_add_str (then, "description", kind->summary);
  json_object_object_add (out, "if", is);
  json_object_object_add (out, "then", then);
  return out;
}

void
scenario_schema (struct buf *out)
{
  struct json_object *body = json_schema_object (scenario_fields);
  struct json_object *kinds = json_object_new_array ();
  struct json_object *names = json_object_new_array ();

  for (size_t i = 0; scenario_kinds[i]; i++)
    {
      json_object_array_add (names,
                             json_object_new_string (scenario_kinds[i]->name));
      json_object_array_add (kinds, kind_schema (scenario_kinds[i]));
    }
  json_object_object_add (json_get (json_get (body, "properties"), "kind"),
                          "enum", names);
  /* Unevaluated, not additional: the latter knows of no "then". */
  json_object_object_del (body, "additionalProperties");
  json_object_object_add (body, "allOf", kinds);
  json_add_bool (body, "unevaluatedProperties", false);
  json_schema_print (SCENARIO_SCHEMA, "What \"well\" means for a guest", body,
                     out);
}
