/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the JSON Schema of a decoding table.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/json_decode.h"

#include <string.h>

/* A table may name itself: what is nested deeper is left open. */
#define MAX_NESTED 8

/* What units_parse_duration() and units_parse_size() take, as far as a pattern
 * can say it: an editor that believes the schema must not refuse what we
 * accept. */
#define DURATION_PATTERN "^([0-9]+([.][0-9]+)?(d|h|m|s|ms))+$"
#define SIZE_PATTERN "^[0-9]+([.][0-9]+)?([KMGTPE]iB|B)?$"

static struct json_object *object_schema (const struct json_field *fields,
                                          unsigned nested);
static struct json_object *value_schema (const struct json_field *f,
                                         unsigned nested);

static void
add_bounds (struct json_object *o, const char *min_key, const char *max_key,
            int64_t min, int64_t max)
{
  json_add_int (o, min_key, min);
  json_add_int (o, max_key, max);
}

static void
add_string (struct json_object *o, const struct json_field *f)
{
  int64_t min, max;

  json_string_bounds (f, &min, &max);
  json_add_str (o, "type", "string");
  add_bounds (o, "minLength", "maxLength", min, max);
}

/* The bounds are of the bytes that are meant; an escape is longer. */
static void
add_bytes (struct json_object *o, const struct json_field *f)
{
  int64_t min, max;

  json_string_bounds (f, &min, &max);
  json_add_str (o, "type", "string");
  add_bounds (o, "minLength", "maxLength", min, max * JSON_ESCAPE_MAX);
}

static void
add_size (struct json_object *o)
{
  struct json_object *types = json_object_new_array ();

  json_object_array_add (types, json_object_new_string ("integer"));
  json_object_array_add (types, json_object_new_string ("string"));
  json_object_object_add (o, "type", types);
  json_add_int (o, "minimum", 0);
  json_add_str (o, "pattern", SIZE_PATTERN);
}

static void
add_enum (struct json_object *o, const struct json_field *f)
{
  struct json_object *names = json_object_new_array ();

  for (size_t i = 0; f->names[i]; i++)
    json_object_array_add (names, json_object_new_string (f->names[i]));
  json_object_object_add (o, "enum", names);
}

static void
add_array (struct json_object *o, const struct json_field *f, unsigned nested)
{
  struct json_field elem = json_elem_field (f);

  json_add_str (o, "type", "array");
  json_object_object_add (o, "items", value_schema (&elem, nested + 1));
  add_bounds (o, "minItems", "maxItems", f->min, f->max > 0 ? f->max : 1024);
}

static struct json_object *
value_schema (const struct json_field *f, unsigned nested)
{
  struct json_object *o = f->kind == JSON_OBJECT
                              ? object_schema (f->sub, nested + 1)
                              : json_object_new_object ();

  if (f->help)
    json_add_str (o, "description", f->help);
  switch (f->kind)
    {
    case JSON_BOOL:
      json_add_str (o, "type", "boolean");
      break;
    case JSON_INT:
    case JSON_DOUBLE:
      json_add_str (o, "type", f->kind == JSON_INT ? "integer" : "number");
      if (f->min != 0 || f->max != 0)
        add_bounds (o, "minimum", "maximum", f->min, f->max);
      break;
    case JSON_DURATION:
      json_add_str (o, "type", "string");
      json_add_str (o, "pattern", DURATION_PATTERN);
      break;
    case JSON_SIZE:
      add_size (o);
      break;
    case JSON_STRING:
      add_string (o, f);
      break;
    case JSON_BYTES:
      add_bytes (o, f);
      break;
    case JSON_ENUM:
      add_enum (o, f);
      break;
    case JSON_ARRAY:
      add_array (o, f, nested);
      break;
    default:
      break;
    }
  return o;
}

static void
add_members (struct json_object *properties, struct json_object *required,
             const struct json_field *fields, unsigned nested)
{
  for (; fields->kind != JSON_END; fields++)
    {
      if (fields->kind == JSON_GROUP)
        {
          add_members (properties, required, fields->sub, nested);
          continue;
        }
      json_object_object_add (properties, fields->name,
                              value_schema (fields, nested));
      if (fields->required)
        json_object_array_add (required,
                               json_object_new_string (fields->name));
    }
}

static struct json_object *
object_schema (const struct json_field *fields, unsigned nested)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *properties, *required;

  json_add_str (o, "type", "object");
  if (nested > MAX_NESTED)
    return o;
  properties = json_object_new_object ();
  required = json_object_new_array ();
  add_members (properties, required, fields, nested);
  /* Ignored by the decoder, so that an editor can be pointed at this. */
  if (nested == 0)
    json_object_object_add (properties, "$schema", json_object_new_object ());
  json_object_object_add (o, "properties", properties);
  json_object_object_add (o, "required", required);
  json_add_bool (o, "additionalProperties", false);
  return o;
}

struct json_object *
json_schema_object (const struct json_field *fields)
{
  return object_schema (fields, 0);
}

void
json_schema (const struct json_field *fields, const char *id,
             const char *title, struct buf *b)
{
  json_schema_print (id, title, json_schema_object (fields), b);
}

void
json_schema_print (const char *id, const char *title,
                   struct json_object *body, struct buf *b)
{
  CLEANUP_JSON struct json_object *top = json_object_new_object ();

  json_add_str (top, "$schema",
                "https://json-schema.org/draft/2020-12/schema");
  json_add_str (top, "$id", id);
  json_add_str (top, "title", title);
  /* Behind the title: people read the printed schema, too. */
  json_object_object_foreach (body, key, val)
    json_object_object_add (top, key, json_object_get (val));
  json_object_put (body);
  buf_puts (b, json_object_to_json_string_ext (
                   top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
                            | JSON_C_TO_STRING_NOSLASHESCAPE));
  buf_putc (b, '\n');
}
