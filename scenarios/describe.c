/* SPDX-License-Identifier: Apache-2.0
 *
 * A kind as data, for its manual page and for the command line: what its table
 * of keys says, and nothing that would have to be kept in step with it.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A table may name itself. */
#define MAX_NESTED 6
/* As large as it likes. */
#define NO_BOUND (INT64_MAX / 2)

static const char *
type_name (const struct json_field *f)
{
  static const char *const names[] = {
    [JSON_BOOL] = "true or false", [JSON_INT] = "number",
    [JSON_DOUBLE] = "number", [JSON_DURATION] = "duration",
    [JSON_SIZE] = "size", [JSON_STRING] = "string",
    [JSON_BYTES] = "string with escapes", [JSON_ENUM] = "one of",
    [JSON_OBJECT] = "object", [JSON_RAW] = "any",
  };

  if (f->kind == JSON_ARRAY)
    return f->sub ? "list of objects" : "list of strings";
  return names[f->kind] ? names[f->kind] : "any";
}

static void
add_duration (struct json_object *o, const char *key, int64_t ms)
{
  char text[32];

  json_add_str (o, key,
                units_format_duration (text, sizeof (text), (uint64_t) ms));
}

/* Only where a table has bounds; of a string they are of its bytes, of a list
 * of its elements. */
static void
add_range (struct json_object *o, const struct json_field *f)
{
  if (f->min == 0 && f->max == 0)
    return;
  if (f->kind == JSON_DURATION)
    {
      if (f->min > 0)
        add_duration (o, "min", f->min);
      if (f->max > 0)
        add_duration (o, "max", f->max);
      return;
    }
  json_add_int (o, "min", f->min);
  if (f->max > 0 && f->max < NO_BOUND)
    json_add_int (o, "max", f->max);
}

static void
add_values (struct json_object *o, const struct json_field *f)
{
  struct json_object *values = json_object_new_array ();

  for (size_t i = 0; f->names[i]; i++)
    json_object_array_add (values, json_object_new_string (f->names[i]));
  json_object_object_add (o, "values", values);
}

/* defaults: what is encoded of a document that says nothing, at the level of
 * these fields; NULL where nothing can be. */
static void
add_keys (struct json_object *list, const char *before,
          const struct json_field *fields, struct json_object *defaults,
          unsigned nested)
{
  for (; fields && fields->kind != JSON_END; fields++)
    {
      struct json_object *o, *standard;
      char path[160], below[170];

      if (fields->kind == JSON_GROUP)
        {
          add_keys (list, before, fields->sub, defaults, nested);
          continue;
        }
      snprintf (path, sizeof (path), "%s%s", before, fields->name);
      standard = defaults ? json_get (defaults, fields->name) : NULL;
      o = json_object_new_object ();
      json_add_str (o, "key", path);
      json_add_str (o, "type", type_name (fields));
      json_add_bool (o, "required", fields->required);
      if (standard && !fields->required && fields->kind != JSON_OBJECT)
        json_object_object_add (o, "default", json_object_get (standard));
      add_range (o, fields);
      if (fields->kind == JSON_ENUM)
        add_values (o, fields);
      json_add_str (o, "help", fields->help);
      json_object_array_add (list, o);
      if (!fields->sub || nested == MAX_NESTED)
        continue;
      snprintf (below, sizeof (below), "%s%s.", path,
                fields->kind == JSON_ARRAY ? "[]" : "");
      add_keys (list, below, fields->sub,
                fields->kind == JSON_OBJECT ? standard : NULL, nested + 1);
    }
}

static struct json_object *
kind_defaults (const struct scenario_kind *kind)
{
  CLEANUP_FREE void *zero = NULL;

  if (kind->own_init)
    return json_encode (kind->fields, kind->own_init);
  zero = calloc (1, kind->own_size);
  return zero ? json_encode (kind->fields, zero) : NULL;
}

struct json_object *
scenario_kind_describe (const struct scenario_kind *kind)
{
  CLEANUP_JSON struct json_object *defaults = NULL;
  struct json_object *o = json_object_new_object ();
  struct json_object *ways = json_object_new_array ();
  struct json_object *keys = json_object_new_array ();

  if (kind->fields)
    defaults = kind_defaults (kind);
  json_add_str (o, "kind", kind->name);
  json_add_str (o, "summary", kind->summary);
  json_add_str (o, "shape",
                kind->ask       ? "asks"
                : kind->combine ? "combines"
                                : "watches");
  for (const char *const *w = kind->transports; w && *w; w++)
    json_object_array_add (ways, json_object_new_string (*w));
  json_object_object_add (o, "transports", ways);
  json_add_bool (o, "commands", kind->commands);
  add_keys (keys, "", kind->fields, defaults, 0);
  json_object_object_add (o, "keys", keys);
  return o;
}
