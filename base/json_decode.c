/* SPDX-License-Identifier: Apache-2.0
 *
 * Fills C structs from JSON objects by tables.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json_decode.h"
#include "base/json_scan.h"
#include "base/text.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHOICES 64

struct decode
{
  const struct json_doc *doc;
  struct buf path;
  struct error *err;
};

static int object_at (struct decode *d, struct json_object *obj,
                      const struct json_field *fields, void *out);
static int value_at (struct decode *d, struct json_object *v,
                     const struct json_field *f, void *slot);

size_t
json_slot_size (const struct json_field *f)
{
  if (f->elem_size > 0)
    return f->elem_size;
  switch (f->elem_kind)
    {
    case JSON_BOOL:
      return sizeof (bool);
    case JSON_INT:
      return sizeof (int64_t);
    case JSON_DOUBLE:
      return sizeof (double);
    case JSON_DURATION:
    case JSON_SIZE:
      return sizeof (uint64_t);
    case JSON_STRING:
    case JSON_BYTES:
      return sizeof (char *);
    case JSON_ENUM:
      return sizeof (int);
    case JSON_RAW:
      return sizeof (struct json_object *);
    default:
      return 0;
    }
}

struct json_field
json_elem_field (const struct json_field *f)
{
  return (struct json_field){
    .name = f->name,
    .kind = f->sub ? JSON_OBJECT : f->elem_kind,
    .names = f->names,
    .sub = f->sub,
  };
}

void
json_string_bounds (const struct json_field *f, int64_t *ret_min,
                    int64_t *ret_max)
{
  bool any = f->min == 0 && f->max == 0;

  *ret_min = any ? 1 : f->min;
  *ret_max = any ? 4096 : f->max;
}

/* ---- freeing ---- */

static void
free_slot (const struct json_field *f, void *slot)
{
  struct json_field elem;
  struct json_list *list;
  size_t size;

  switch (f->kind)
    {
    case JSON_STRING:
    case JSON_BYTES:
      free (*(char **) slot);
      *(char **) slot = NULL;
      break;
    case JSON_RAW:
      json_object_put (*(struct json_object **) slot);
      *(struct json_object **) slot = NULL;
      break;
    case JSON_OBJECT:
    case JSON_GROUP:
      json_decoded_done (f->sub, slot);
      break;
    case JSON_ARRAY:
      list = slot;
      elem = json_elem_field (f);
      size = json_slot_size (f);
      for (size_t i = 0; i < list->count; i++)
        free_slot (&elem, (char *) list->items + i * size);
      free (list->items);
      *list = (struct json_list){ NULL, 0 };
      break;
    default:
      break;
    }
}

void
json_decoded_done (const struct json_field *fields, void *out)
{
  if (!out)
    return;
  for (; fields->kind != JSON_END; fields++)
    free_slot (fields, (char *) out + fields->offset);
}

/* ---- errors ---- */

/* What the document says is escaped and cut before it is shown. */
#define SHOWN_VALUE 64

static void
show (struct buf *b, const char *s)
{
  text_escape (b, s, strlen (s), 0);
  if (b->cut)
    {
      /* A buffer that was cut takes no more: the dots are to be seen. */
      b->cut = false;
      b->max += 4;
      buf_puts (b, "...");
    }
}

static int
wrong_type (struct decode *d, struct json_object *v, const char *expected)
{
  static const char *const names[] = {
    [json_type_null] = "null",     [json_type_boolean] = "true or false",
    [json_type_double] = "a number", [json_type_int] = "a number",
    [json_type_object] = "an object", [json_type_array] = "an array",
    [json_type_string] = "a string",
  };

  return json_error_at (d->doc, buf_str (&d->path), d->err,
                        "expected %s, found %s", expected,
                        names[json_object_get_type (v)]);
}

static int
fail_near (struct decode *d, const char *what, const char *word,
           const char *const *known)
{
  CLEANUP_BUF struct buf shown = BUF_INIT (SHOWN_VALUE);
  char rest[200];

  show (&shown, word);
  return json_error_at (d->doc, buf_str (&d->path), d->err, "%s \"%s\"%s",
                        what, buf_str (&shown),
                        text_did_you_mean (rest, sizeof rest, word, known));
}

static size_t
names_of (const struct json_field *fields, const char **names, size_t n)
{
  for (; fields->kind != JSON_END && n < MAX_CHOICES; fields++)
    if (fields->kind == JSON_GROUP)
      n = names_of (fields->sub, names, n);
    else
      names[n++] = fields->name;
  return n;
}

static int
unknown_key (struct decode *d, const struct json_field *fields,
             const char *key)
{
  const char *known[MAX_CHOICES + 1];

  known[names_of (fields, known, 0)] = NULL;
  return fail_near (d, "unknown key", key, known);
}

/* ---- values ---- */

static int
int_at (struct decode *d, struct json_object *v, const struct json_field *f,
        int64_t *slot)
{
  bool any = f->min == 0 && f->max == 0;
  int64_t min = any ? INT64_MIN : f->min, max = any ? INT64_MAX : f->max;
  int64_t n;

  if (!json_object_is_type (v, json_type_int))
    return wrong_type (d, v, "a whole number");
  n = json_object_get_int64 (v);
  /* Beyond the signed half json-c saturates. */
  if (n < min || n > max
      || (n == INT64_MAX && json_object_get_uint64 (v) > INT64_MAX))
    return json_error_at (d->doc, buf_str (&d->path), d->err,
                          "it must lie within %" PRId64 " and %" PRId64, min,
                          max);
  *slot = n;
  return 0;
}

static int
double_at (struct decode *d, struct json_object *v,
           const struct json_field *f, double *slot)
{
  double n;

  if (!json_object_is_type (v, json_type_double)
      && !json_object_is_type (v, json_type_int))
    return wrong_type (d, v, "a number");
  n = json_object_get_double (v);
  if ((f->min != 0 || f->max != 0)
      && (n < (double) f->min || n > (double) f->max))
    return json_error_at (d->doc, buf_str (&d->path), d->err,
                          "it must lie within %" PRId64 " and %" PRId64,
                          f->min, f->max);
  *slot = n;
  return 0;
}

static int
check_units (struct decode *d, const struct json_field *f, uint64_t n,
             char *(*format) (char *, size_t, uint64_t), uint64_t *slot)
{
  char min[32], max[32];

  if ((f->min != 0 || f->max != 0)
      && (n < (uint64_t) f->min || n > (uint64_t) f->max))
    return json_error_at (d->doc, buf_str (&d->path), d->err,
                          "it must lie within %s and %s",
                          format (min, sizeof min, (uint64_t) f->min),
                          format (max, sizeof max, (uint64_t) f->max));
  *slot = n;
  return 0;
}

static int
duration_at (struct decode *d, struct json_object *v,
             const struct json_field *f, uint64_t *slot)
{
  struct error why = ERROR_INIT;
  uint64_t n = 0;

  if (!json_object_is_type (v, json_type_string))
    return wrong_type (d, v, "a duration like \"30s\"");
  if (units_parse_duration (json_object_get_string (v), &n, &why) < 0)
    return json_error_at (d->doc, buf_str (&d->path), d->err, "%s", why.msg);
  return check_units (d, f, n, units_format_duration, slot);
}

static int
size_at (struct decode *d, struct json_object *v, const struct json_field *f,
         uint64_t *slot)
{
  struct error why = ERROR_INIT;
  uint64_t n = 0;

  if (json_object_is_type (v, json_type_int))
    {
      if (json_object_get_int64 (v) < 0)
        return json_error_at (d->doc, buf_str (&d->path), d->err,
                              "it must not be negative");
      /* json-c keeps what is beyond INT64_MAX apart; this takes either. */
      n = json_object_get_uint64 (v);
    }
  else if (!json_object_is_type (v, json_type_string))
    return wrong_type (d, v, "a size like \"64MiB\"");
  else if (units_parse_size (json_object_get_string (v), &n, &why) < 0)
    return json_error_at (d->doc, buf_str (&d->path), d->err, "%s", why.msg);
  return check_units (d, f, n, units_format_size, slot);
}

static int
check_length (struct decode *d, const struct json_field *f, int64_t len)
{
  int64_t min, max;

  json_string_bounds (f, &min, &max);
  if (len >= min && len <= max)
    return 0;
  return json_error_at (d->doc, buf_str (&d->path), d->err,
                        "it must have %" PRId64 " to %" PRId64
                        " bytes, it has %" PRId64,
                        min, max, len);
}

static int
string_at (struct decode *d, struct json_object *v,
           const struct json_field *f, char **slot)
{
  CLEANUP_FREE char *copy = NULL;
  const char *why;
  int r;

  if (!json_object_is_type (v, json_type_string))
    return wrong_type (d, v, "a string");
  if (f->kind == JSON_STRING
      && (r = check_length (d, f, json_object_get_string_len (v))) < 0)
    return r;
  /* The scanner refused \u0000: no string ends before its length. */
  copy = strdup (json_object_get_string (v));
  if (!copy)
    return error_set (d->err, ENOMEM, "not enough memory");
  if (f->kind == JSON_BYTES)
    {
      if (json_unescape (copy, &why) < 0)
        return json_error_at (d->doc, buf_str (&d->path), d->err, "%s", why);
      r = check_length (d, f, (int64_t) strlen (copy));
      if (r < 0)
        return r;
    }
  free (*slot);
  *slot = steal_ptr (&copy);
  return 0;
}

static int
enum_at (struct decode *d, struct json_object *v, const struct json_field *f,
         int *slot)
{
  if (!json_object_is_type (v, json_type_string))
    return wrong_type (d, v, "a string");
  for (int i = 0; f->names[i]; i++)
    if (strcmp (f->names[i], json_object_get_string (v)) == 0)
      {
        *slot = i;
        return 0;
      }
  return fail_near (d, "unknown value", json_object_get_string (v), f->names);
}

static int
array_at (struct decode *d, struct json_object *v, const struct json_field *f,
          struct json_list *slot)
{
  struct json_field elem = json_elem_field (f);
  size_t max = f->max > 0 ? (size_t) f->max : 1024;
  size_t n, size = json_slot_size (f), keep = d->path.len;
  struct json_list list = { NULL, 0 };
  int r = 0;

  if (!json_object_is_type (v, json_type_array))
    return wrong_type (d, v, "an array");
  n = json_object_array_length (v);
  if (n > max || n < (size_t) f->min)
    return json_error_at (d->doc, buf_str (&d->path), d->err,
                          "it must have %" PRId64 " to %zu elements, it has "
                          "%zu", f->min, max, n);
  list.items = n > 0 ? calloc (n, size) : NULL;
  if (n > 0 && !list.items)
    return error_set (d->err, ENOMEM, "not enough memory");
  for (size_t i = 0; i < n && r == 0; i++)
    {
      char *item = (char *) list.items + i * size;

      if (f->elem_init)
        memcpy (item, f->elem_init, size);
      list.count = i + 1;
      json_path_index (&d->path, i);
      r = value_at (d, json_object_array_get_idx (v, i), &elem, item);
      json_path_cut (&d->path, keep);
    }
  if (r == 0)
    {
      struct json_list old = *slot;

      *slot = list;
      list = old;
    }
  free_slot (f, &list);
  return r;
}

static int
value_at (struct decode *d, struct json_object *v, const struct json_field *f,
          void *slot)
{
  switch (f->kind)
    {
    case JSON_BOOL:
      if (!json_object_is_type (v, json_type_boolean))
        return wrong_type (d, v, "true or false");
      *(bool *) slot = json_object_get_boolean (v);
      return 0;
    case JSON_INT:
      return int_at (d, v, f, slot);
    case JSON_DOUBLE:
      return double_at (d, v, f, slot);
    case JSON_DURATION:
      return duration_at (d, v, f, slot);
    case JSON_SIZE:
      return size_at (d, v, f, slot);
    case JSON_STRING:
    case JSON_BYTES:
      return string_at (d, v, f, slot);
    case JSON_ENUM:
      return enum_at (d, v, f, slot);
    case JSON_OBJECT:
      return object_at (d, v, f->sub, slot);
    case JSON_ARRAY:
      return array_at (d, v, f, slot);
    case JSON_RAW:
      json_object_get (v);
      json_object_put (*(struct json_object **) slot);
      *(struct json_object **) slot = v;
      return 0;
    default:
      return error_set (d->err, EINVAL, "%s: a table with a wrong kind",
                        buf_str (&d->path));
    }
}

/* ---- objects ---- */

const struct json_field *
json_field_named (const struct json_field *fields, const char *key,
                  size_t *ret_offset)
{
  const struct json_field *f;

  for (; fields->kind != JSON_END; fields++)
    if (fields->kind == JSON_GROUP)
      {
        f = json_field_named (fields->sub, key, ret_offset);
        if (f)
          {
            *ret_offset += fields->offset;
            return f;
          }
      }
    else if (strcmp (fields->name, key) == 0)
      {
        *ret_offset = fields->offset;
        return fields;
      }
  return NULL;
}

/* The first that must be there and is not. */
static const char *
missing_key (const struct json_field *fields, struct json_object *obj)
{
  const char *name = NULL;

  for (; fields->kind != JSON_END && !name; fields++)
    if (fields->kind == JSON_GROUP)
      name = missing_key (fields->sub, obj);
    else if (fields->required
             && !json_object_object_get_ex (obj, fields->name, NULL))
      name = fields->name;
  return name;
}

static int
object_at (struct decode *d, struct json_object *obj,
           const struct json_field *fields, void *out)
{
  size_t keep = d->path.len, offset = 0;
  const char *missing;
  int r = 0;

  if (!json_object_is_type (obj, json_type_object))
    return wrong_type (d, obj, "an object");
  json_object_object_foreach (obj, key, val)
    {
      const struct json_field *f = json_field_named (fields, key, &offset);

      /* What tells an editor which schema to use is not for us. */
      if (!f && keep == 0 && strcmp (key, "$schema") == 0)
        continue;
      json_path_key (&d->path, key, strlen (key));
      r = f ? value_at (d, val, f, (char *) out + offset)
            : unknown_key (d, fields, key);
      json_path_cut (&d->path, keep);
      if (r < 0)
        return r;
    }
  missing = missing_key (fields, obj);
  return missing ? json_error_at (d->doc, buf_str (&d->path), d->err,
                                  "the key \"%s\" is missing", missing)
                 : 0;
}

int
json_decode (const struct json_doc *doc, struct json_object *obj,
             const char *path, const struct json_field *fields, void *out,
             struct error *err)
{
  struct decode d = { doc, BUF_INIT (JSON_MAX_PATH), err };
  int r;

  buf_puts (&d.path, path);
  r = object_at (&d, obj, fields, out);
  buf_done (&d.path);
  return r;
}
