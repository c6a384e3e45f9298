/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of tables: makes documents at random as a table allows them, and
 * looks whether what is decoded, written and decoded again is the same.
 */
#ifndef HANGDOG_TESTS_JSON_ROUND_H
#define HANGDOG_TESTS_JSON_ROUND_H

#include "base/error.h"
#include "base/json_decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same in each run. */
struct dice
{
  uint64_t state;
};

static inline uint64_t
roll (struct dice *d, uint64_t n)
{
  d->state = d->state * 6364136223846793005u + 1442695040888963407u;
  return n ? (d->state >> 20) % n : 0;
}

static struct json_object *round_object (struct dice *d,
                                         const struct json_field *fields,
                                         unsigned depth);

static inline struct json_object *
round_string (struct dice *d, const struct json_field *f)
{
  static const char *const plain[]
      = { "a", "B", "0", ":", "-", " ", "\"", "/", "\xc3\xa4", "\n", "\x01" };
  static const char *const bytes[] = { "\\\\", "\\x80", "\\e", "\\r", "\\xc3",
                                       "\\xA4", "\\t", "\\n", "z", "\x02" };
  int64_t min, max, n;
  char text[600] = "";

  json_string_bounds (f, &min, &max);
  n = min + (int64_t) roll (d, (uint64_t) (max - min < 20 ? max - min : 20));
  for (int64_t i = 0; i < n; i++)
    {
      const char *more = f->kind == JSON_BYTES
                             ? bytes[roll (d, sizeof bytes / sizeof *bytes)]
                             : plain[roll (d, sizeof plain / sizeof *plain)];

      /* Bounds are in bytes. */
      if (strlen (more) > 1 && f->kind == JSON_STRING && i + 1 >= n)
        more = "x";
      i += f->kind == JSON_STRING ? (int64_t) strlen (more) - 1 : 0;
      strncat (text, more, sizeof text - strlen (text) - 1);
    }
  return json_object_new_string (text);
}

static inline int64_t
round_number (struct dice *d, const struct json_field *f)
{
  bool any = f->min == 0 && f->max == 0;
  uint64_t span = any ? 1u << 20 : (uint64_t) (f->max - f->min) + 1;

  return (any ? 0 : f->min) + (int64_t) roll (d, span);
}

static inline struct json_object *
round_raw (void)
{
  return json_tokener_parse ("{\"z\":[{\"b\":1,\"a\":null}],\"c\":\"d\","
                             "\"a\":{\"y\":2,\"x\":true}}");
}

static inline struct json_object *
round_value (struct dice *d, const struct json_field *f, unsigned depth)
{
  struct json_field elem;
  struct json_object *list;
  char text[40];
  size_t n = 0;

  switch (f->kind)
    {
    case JSON_BOOL:
      return json_object_new_boolean ((int) roll (d, 2));
    case JSON_INT:
    case JSON_SIZE:
      return json_object_new_int64 (round_number (d, f));
    case JSON_DOUBLE:
      return json_object_new_double ((double) round_number (d, f)
                                     + (f->max ? 0 : 0.1));
    case JSON_DURATION:
      snprintf (text, sizeof text, "%lldms", (long long) round_number (d, f));
      return json_object_new_string (text);
    case JSON_ENUM:
      while (f->names[n])
        n++;
      return json_object_new_string (f->names[roll (d, n)]);
    case JSON_OBJECT:
      return round_object (d, f->sub, depth + 1);
    case JSON_ARRAY:
      elem = json_elem_field (f);
      list = json_object_new_array ();
      n = (size_t) f->min + roll (d, f->max > 0 && f->max < 4 ? 1 : 3);
      while (n-- > 0)
        json_object_array_add (list, round_value (d, &elem, depth));
      return list;
    case JSON_RAW:
      return round_raw ();
    default:
      return round_string (d, f);
    }
}

static inline void
round_members (struct dice *d, const struct json_field *fields,
               struct json_object *out, unsigned depth)
{
  for (; fields->kind != JSON_END; fields++)
    if (fields->kind == JSON_GROUP)
      round_members (d, fields->sub, out, depth);
    else if (fields->required || roll (d, 3))
      json_object_object_add (out, fields->name,
                              round_value (d, fields, depth));
}

static inline struct json_object *
round_object (struct dice *d, const struct json_field *fields, unsigned depth)
{
  struct json_object *out = json_object_new_object ();

  if (depth < 6)
    round_members (d, fields, out, depth);
  return out;
}

/* ---- what was decoded is the same ---- */

static inline bool
same_string (const char *a, const char *b)
{
  return a == b || (a && b && strcmp (a, b) == 0);
}

static bool same_members (const struct json_field *fields, const char *a,
                          const char *b);

static inline bool
same_value (const struct json_field *f, const char *a, const char *b)
{
  const struct json_list *la = (const void *) a, *lb = (const void *) b;
  struct json_field elem;
  size_t size;

  switch (f->kind)
    {
    case JSON_STRING:
    case JSON_BYTES:
      return same_string (*(char *const *) a, *(char *const *) b);
    case JSON_RAW:
      return json_object_equal (*(struct json_object *const *) a,
                                *(struct json_object *const *) b);
    case JSON_OBJECT:
    case JSON_GROUP:
      return same_members (f->sub, a, b);
    case JSON_ARRAY:
      elem = json_elem_field (f);
      size = json_slot_size (f);
      for (size_t i = 0; i < la->count && la->count == lb->count; i++)
        if (!same_value (&elem, (char *) la->items + i * size,
                         (char *) lb->items + i * size))
          return false;
      return la->count == lb->count;
    default:
      size = json_slot_size (&(struct json_field){ .elem_kind = f->kind });
      return memcmp (a, b, size) == 0;
    }
}

static inline bool
same_members (const struct json_field *fields, const char *a, const char *b)
{
  for (; fields->kind != JSON_END; fields++)
    if (!same_value (fields, a + fields->offset, b + fields->offset))
      {
        print_error ("%s: ", fields->name ? fields->name : "group");
        return false;
      }
  return true;
}

/* n documents of that table, filled into structs of that size that are made
 * as `init` is (no pointers in it; NULL: zeroes). */
static inline void
json_round (const struct json_field *fields, size_t size, const void *init,
            unsigned n)
{
  struct dice d = { 7 };

  for (unsigned i = 0; i < n; i++)
    {
      CLEANUP_JSON struct json_object *doc = round_object (&d, fields, 0);
      CLEANUP_JSON struct json_object *first = NULL, *second = NULL;
      char *a = calloc (2, size), *b = a + size;
      struct error err = ERROR_INIT;

      if (init)
        {
          memcpy (a, init, size);
          memcpy (b, init, size);
        }
      if (json_decode (NULL, doc, "", fields, a, &err) < 0)
        fail_msg ("%s: %s", json_object_to_json_string (doc), err.msg);
      first = json_encode (fields, a);
      if (json_decode (NULL, first, "", fields, b, &err) < 0)
        fail_msg ("%s: %s", json_object_to_json_string (first), err.msg);
      if (!same_members (fields, a, b))
        fail_msg ("%s became %s", json_object_to_json_string (doc),
                  json_object_to_json_string (first));
      second = json_encode (fields, b);
      assert_string_equal (json_object_to_json_string (first),
                           json_object_to_json_string (second));
      json_decoded_done (fields, a);
      json_decoded_done (fields, b);
      free (a);
    }
}

#endif
