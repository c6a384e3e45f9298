/* SPDX-License-Identifier: Apache-2.0
 *
 * From C structs back to JSON objects, by the tables that filled them.
 *
 * One spelling of each value, so that two documents that mean the same are
 * the same as text.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json_decode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool put_members (struct json_object *obj,
                         const struct json_field *fields, const void *in);
static bool value_of (const struct json_field *f, const void *slot,
                      struct json_object **ret);

/* ---- plain values ---- */

static struct json_object *
duration_text (uint64_t ms)
{
  static const struct
  {
    const char *unit;
    uint64_t ms;
  } units[] = { { "d", 86400000 },
                { "h", 3600000 },
                { "m", 60000 },
                { "s", 1000 },
                { "ms", 1 } };
  char text[32];
  size_t i = 0;

  /* Exact, unlike units_format_duration(), which is for people. */
  while (ms % units[i].ms)
    i++;
  if (!ms)
    return json_object_new_string ("0s");
  snprintf (text, sizeof text, "%llu%s",
            (unsigned long long) (ms / units[i].ms), units[i].unit);
  return json_object_new_string (text);
}

static struct json_object *
size_number (uint64_t n)
{
  return n > INT64_MAX ? json_object_new_uint64 (n)
                       : json_object_new_int64 ((int64_t) n);
}

static bool
within (const struct json_field *f, uint64_t n)
{
  return (f->min == 0 && f->max == 0)
         || (n >= (uint64_t) f->min && n <= (uint64_t) f->max);
}

static bool
string_of (const struct json_field *f, const char *s, struct json_object **ret)
{
  CLEANUP_BUF struct buf text = BUF_INIT (0);
  int64_t min, max;

  json_string_bounds (f, &min, &max);
  if (!s || (int64_t) strlen (s) < min)
    return false;
  if (f->kind == JSON_STRING)
    {
      *ret = json_object_new_string (s);
      return true;
    }
  text.max = strlen (s) * JSON_ESCAPE_MAX + 1;
  json_escape (s, &text);
  *ret = json_object_new_string (buf_str (&text));
  return true;
}

static bool
name_of (const struct json_field *f, int i, struct json_object **ret)
{
  int n = 0;

  while (f->names[n])
    n++;
  if (i < 0 || i >= n)
    return false;
  *ret = json_object_new_string (f->names[i]);
  return true;
}

/* ---- values of any shape ---- */

static int
by_name (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static struct json_object *sorted (struct json_object *v);

static struct json_object *
sorted_object (struct json_object *v)
{
  struct json_object *out = json_object_new_object ();
  size_t n = (size_t) json_object_object_length (v), i = 0;
  CLEANUP_FREE const char **keys = calloc (n + 1, sizeof *keys);

  if (!keys)
    return out;
  json_object_object_foreach (v, key, val)
    {
      (void) val;
      keys[i++] = key;
    }
  qsort (keys, n, sizeof *keys, by_name);
  for (i = 0; i < n; i++)
    json_object_object_add (
        out, keys[i], sorted (json_object_object_get (v, keys[i])));
  return out;
}

/* The members of objects in the order of their keys: a JSON object has none of
 * its own. */
static struct json_object *
sorted (struct json_object *v)
{
  struct json_object *out;

  if (json_object_is_type (v, json_type_object))
    return sorted_object (v);
  if (!json_object_is_type (v, json_type_array))
    return json_object_get (v);
  out = json_object_new_array ();
  for (size_t i = 0; i < json_object_array_length (v); i++)
    json_object_array_add (out, sorted (json_object_array_get_idx (v, i)));
  return out;
}

/* ---- what is made of others ---- */

static bool
list_of (const struct json_field *f, const struct json_list *list,
         struct json_object **ret)
{
  struct json_field elem = json_elem_field (f);
  size_t size = json_slot_size (f);
  struct json_object *out;

  if ((list->count == 0 && !f->keep_empty) || (int64_t) list->count < f->min)
    return false;
  out = json_object_new_array ();
  for (size_t i = 0; i < list->count; i++)
    {
      struct json_object *v = NULL;

      if (value_of (&elem, (const char *) list->items + i * size, &v))
        json_object_array_add (out, v);
      else
        json_object_put (v);
    }
  *ret = out;
  return true;
}

static bool
object_of (const struct json_field *f, const void *in,
           struct json_object **ret)
{
  struct json_object *out = json_object_new_object ();

  if (!put_members (out, f->sub, in))
    {
      json_object_put (out);
      return false;
    }
  *ret = out;
  return true;
}

/* False when no document could say it; what is in *ret then is the caller's
 * all the same. */
static bool
value_of (const struct json_field *f, const void *slot,
          struct json_object **ret)
{
  const int64_t *i = slot;
  const double *d = slot;
  const uint64_t *u = slot;
  struct json_object *const *raw = slot;

  switch (f->kind)
    {
    case JSON_BOOL:
      *ret = json_object_new_boolean (*(const bool *) slot);
      return true;
    case JSON_INT:
      *ret = json_object_new_int64 (*i);
      return (f->min == 0 && f->max == 0) || (*i >= f->min && *i <= f->max);
    case JSON_DOUBLE:
      *ret = json_object_new_double (*d);
      return isfinite (*d)
             && ((f->min == 0 && f->max == 0)
                 || (*d >= (double) f->min && *d <= (double) f->max));
    case JSON_DURATION:
      *ret = duration_text (*u);
      return within (f, *u);
    case JSON_SIZE:
      *ret = size_number (*u);
      return within (f, *u);
    case JSON_STRING:
    case JSON_BYTES:
      return string_of (f, *(char *const *) slot, ret);
    case JSON_ENUM:
      return name_of (f, *(const int *) slot, ret);
    case JSON_OBJECT:
      return object_of (f, slot, ret);
    case JSON_ARRAY:
      return list_of (f, slot, ret);
    case JSON_RAW:
      *ret = *raw ? sorted (*raw) : NULL;
      return *raw != NULL;
    default:
      return false;
    }
}

/* False when one that must be there can't be said. */
static bool
put_members (struct json_object *obj, const struct json_field *fields,
             const void *in)
{
  bool whole = true;

  for (; fields->kind != JSON_END; fields++)
    {
      const void *slot = (const char *) in + fields->offset;
      struct json_object *v = NULL;

      if (fields->kind == JSON_GROUP)
        whole = put_members (obj, fields->sub, slot) && whole;
      else if (value_of (fields, slot, &v))
        json_object_object_add (obj, fields->name, v);
      else
        {
          json_object_put (v);
          whole = whole && !fields->required;
        }
    }
  return whole;
}

struct json_object *
json_encode (const struct json_field *fields, const void *in)
{
  struct json_object *out = json_object_new_object ();

  put_members (out, fields, in);
  return out;
}
