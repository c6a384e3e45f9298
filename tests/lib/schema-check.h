/* SPDX-License-Identifier: Apache-2.0
 *
 * As much of JSON Schema as ours use: type, const, enum, properties, required,
 * additionalProperties, items.  An error names the place.
 */
#ifndef HANGDOG_TESTS_SCHEMA_CHECK_H
#define HANGDOG_TESTS_SCHEMA_CHECK_H

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define SCHEMA_PLACE 300

static inline bool
schema_type_ok (const char *type, struct json_object *v)
{
  static const struct
  {
    const char *name;
    enum json_type type;
  } types[] = { { "string", json_type_string }, { "object", json_type_object },
                { "array", json_type_array },   { "boolean", json_type_boolean },
                { "integer", json_type_int },   { "number", json_type_double },
                { "number", json_type_int } };

  for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcmp (types[i].name, type) == 0
        && json_object_is_type (v, types[i].type))
      return true;
  return false;
}

static inline bool
schema_wrong (const char *place, const char *what, char ret[SCHEMA_PLACE])
{
  snprintf (ret, SCHEMA_PLACE, "%s: %s", place, what);
  return false;
}

static inline bool schema_ok (struct json_object *schema,
                              struct json_object *v, const char *place,
                              char ret[SCHEMA_PLACE]);

static inline bool
schema_object_ok (struct json_object *schema, struct json_object *v,
                  const char *place, char ret[SCHEMA_PLACE])
{
  struct json_object *props = json_get (schema, "properties");
  struct json_object *need = json_get (schema, "required");
  struct json_object *more = json_get (schema, "additionalProperties");
  char where[SCHEMA_PLACE - 100];

  for (size_t i = 0; need && i < json_object_array_length (need); i++)
    {
      const char *key = json_object_get_string (
          json_object_array_get_idx (need, i));

      snprintf (where, sizeof where, "%s.%s", place, key);
      if (!json_get (v, key))
        return schema_wrong (where, "is missing", ret);
    }
  json_object_object_foreach (v, key, value)
    {
      struct json_object *sub = json_get (props, key);

      snprintf (where, sizeof where, "%s.%s", place, key);
      if (!sub && more && json_object_is_type (more, json_type_boolean)
          && !json_object_get_boolean (more))
        return schema_wrong (where, "is in no schema", ret);
      if (!sub && json_object_is_type (more, json_type_object))
        sub = more;
      if (sub && !schema_ok (sub, value, where, ret))
        return false;
    }
  return true;
}

static inline bool
schema_ok (struct json_object *schema, struct json_object *v,
           const char *place, char ret[SCHEMA_PLACE])
{
  struct json_object *one = json_get (schema, "const");
  struct json_object *all = json_get (schema, "enum");
  struct json_object *items = json_get (schema, "items");
  const char *type = json_get_str (schema, "type");
  char where[SCHEMA_PLACE - 100];
  bool found = !all;

  if (one && !json_object_equal (one, v))
    return schema_wrong (place, "is not the one value", ret);
  if (type && !schema_type_ok (type, v))
    return schema_wrong (place, "is of another type", ret);
  for (size_t i = 0; all && i < json_object_array_length (all); i++)
    found |= json_object_equal (json_object_array_get_idx (all, i), v);
  if (!found)
    return schema_wrong (place, "is none of those named", ret);
  if (json_object_is_type (v, json_type_object))
    return schema_object_ok (schema, v, place, ret);
  for (size_t i = 0; items && i < json_object_array_length (v); i++)
    {
      snprintf (where, sizeof where, "%s[%zu]", place, i);
      if (!schema_ok (items, json_object_array_get_idx (v, i), where, ret))
        return false;
    }
  return true;
}

#endif
