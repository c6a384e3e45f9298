/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics as one line of the OTLP JSON file format.
 *
 * The rules that bite: 64-bit integers and times are strings, enums are
 * numbers, attribute values are wrapped, a time of 0 is refused by readers.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CUMULATIVE 2

static void
add_time (struct json_object *o, const char *key, uint64_t ns)
{
  char text[24];

  snprintf (text, sizeof text, "%" PRIu64, ns);
  json_add_str (o, key, text);
}

static struct json_object *
attribute (const char *key, const char *value)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *v = json_object_new_object ();

  json_add_str (o, "key", key);
  json_add_text (v, "stringValue", value, strlen (value));
  json_object_object_add (o, "value", v);
  return o;
}

static struct json_object *
point (const struct otlp *o, double v, const char *attr, const char *value,
       bool cumulative)
{
  struct json_object *p = json_object_new_object ();

  if (cumulative)
    add_time (p, "startTimeUnixNano", o->start_ns);
  add_time (p, "timeUnixNano", o->time_ns);
  if (isfinite (v))
    json_object_object_add (p, "asDouble", json_object_new_double (v));
  else
    json_add_int (p, "flags", 1); /* no recorded value */
  if (attr && value)
    {
      struct json_object *list = json_object_new_array ();

      json_object_array_add (list, attribute (attr, value));
      json_object_object_add (p, "attributes", list);
    }
  return p;
}

/* Points of one name belong together: the same metric again gets one more. */
static struct json_object *
points_of (struct otlp *o, const char *name, const char *unit, bool sum)
{
  size_t n = json_object_array_length (o->metrics);
  const char *kind = sum ? "sum" : "gauge";
  struct json_object *m, *data, *points;

  for (size_t i = 0; i < n; i++)
    {
      m = json_object_array_get_idx (o->metrics, i);
      if (strcmp (json_get_str (m, "name"), name) == 0)
        return json_get (json_get (m, kind), "dataPoints");
    }
  m = json_object_new_object ();
  data = json_object_new_object ();
  points = json_object_new_array ();
  json_add_str (m, "name", name);
  json_add_str (m, "unit", unit);
  if (sum)
    {
      json_add_int (data, "aggregationTemporality", CUMULATIVE);
      json_add_bool (data, "isMonotonic", true);
    }
  json_object_object_add (data, "dataPoints", points);
  json_object_object_add (m, kind, data);
  json_object_array_add (o->metrics, m);
  return points;
}

void
otlp_begin (struct otlp *o, uint64_t start_wall_ms)
{
  o->metrics = json_object_new_array ();
  o->time_ns = clock_wall_ms () * 1000000;
  o->start_ns = start_wall_ms * 1000000;
}

void
otlp_at (struct otlp *o, uint64_t wall_ms)
{
  o->time_ns = wall_ms * 1000000;
}

void
otlp_gauge (struct otlp *o, const char *name, const char *unit, double v,
            const char *attr, const char *value)
{
  json_object_array_add (points_of (o, name, unit, false),
                         point (o, v, attr, value, false));
}

void
otlp_sum (struct otlp *o, const char *name, const char *unit, double v,
          const char *attr, const char *value)
{
  json_object_array_add (points_of (o, name, unit, true),
                         point (o, v, attr, value, true));
}

void
otlp_end (struct otlp *o, struct collect_ctx *ctx, const char *file)
{
  CLEANUP_JSON struct json_object *line = json_object_new_object ();
  struct json_object *all = json_object_new_array ();
  struct json_object *rm = json_object_new_object ();
  struct json_object *resource = json_object_new_object ();
  struct json_object *attrs = json_object_new_array ();
  struct json_object *scopes = json_object_new_array ();
  struct json_object *sm = json_object_new_object ();
  struct json_object *scope = json_object_new_object ();
  size_t len = 0;
  const char *text;

  json_object_array_add (attrs, attribute ("service.name", "hangdog"));
  json_object_array_add (attrs, attribute ("vm.id", ctx->guest->inc.uuid));
  json_object_array_add (attrs, attribute ("vm.name", ctx->guest->display));
  json_object_object_add (resource, "attributes", attrs);
  json_object_object_add (rm, "resource", resource);
  json_add_str (scope, "name", "hangdog");
  json_object_object_add (sm, "scope", scope);
  json_object_object_add (sm, "metrics", steal_ptr (&o->metrics));
  json_object_array_add (scopes, sm);
  json_object_object_add (rm, "scopeMetrics", scopes);
  json_object_array_add (all, rm);
  json_object_object_add (line, "resourceMetrics", all);
  text = json_object_to_json_string_length (
      line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
  if (!text)
    return;
  ctx->out->file (ctx->out, file, text, len);
  ctx->out->file (ctx->out, file, "\n", 1);
}
