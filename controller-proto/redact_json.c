/* SPDX-License-Identifier: Apache-2.0
 *
 * Redaction of a JSON document: value by value, so that whatever a guest has
 * put into one of them, the document stays one, and no other goes with it.
 *
 * Rules look at `{"key":"value"}`, as they would in text: a password is known
 * by its key.
 */
#include "controller-proto/redact_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define VALUE_MAX (8u << 20) /* of what one may become */

/* So deep keys are the document's own, which it is read by: a guest that calls
 * itself "verdict" takes no verdict away. */
#define OWN_DEPTH 2

struct walk
{
  struct redactor *r;
  struct buf out; /* what became of the present line */
  uint64_t hits;
  unsigned depth; /* of objects */
};

/* goes_on: the line before it is one of the same text. */
static void
look (struct walk *w, const char *p, size_t len, bool goes_on)
{
  const struct redact_pattern *inside = goes_on ? w->r->inside : NULL;
  unsigned lines = w->r->inside_lines;

  buf_clear (&w->out);
  redact_begin (w->r, REDACT_REPLACE);
  w->r->inside = inside;
  w->r->inside_lines = lines;
  redact_feed (w->r, p, len, &w->out);
  redact_end (w->r, &w->out);
  w->hits += redact_hits (w->r);
}

/* The only member or element of what the line became; NULL: it has become
 * something else.  What is for the caller to put. */
static struct json_object *
parsed (struct walk *w, char *key, size_t n)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *is, *v = NULL;

  if (w->out.cut
      || json_parse (buf_str (&w->out), w->out.len, JSON_WIRE, "a value",
                     VALUE_MAX, &doc, NULL)
             < 0)
    return NULL;
  is = json_root (doc);
  if (json_object_is_type (is, json_type_object)
      && json_object_object_length (is) == 1)
    {
      json_object_object_foreach (is, name, value)
        {
          if ((size_t) snprintf (key, n, "%s", name) < n)
            v = value;
        }
    }
  else if (json_object_is_type (is, json_type_array)
           && json_object_array_length (is) == 1)
    v = json_object_array_get_idx (is, 0);
  return json_object_get (v);
}

/* A key by itself. */
static void
take_key (struct walk *w, const char *was, char *key, size_t n)
{
  look (w, was, strlen (was), false);
  snprintf (key, n, "%.*s", (int) w->out.len, buf_str (&w->out));
}

/* was: a string or a number, with its key or as an element (NULL).  What it
 * is from now on, and its key. */
static struct json_object *
take_plain (struct walk *w, const char *was_key, struct json_object *was,
            bool goes_on, char *key, size_t n)
{
  CLEANUP_JSON struct json_object *line
      = was_key ? json_object_new_object () : json_object_new_array ();
  struct json_object *is;
  const char *text;
  size_t len;

  if (was_key)
    json_object_object_add (line, was_key, json_object_get (was));
  else
    json_object_array_add (line, json_object_get (was));
  text = json_object_to_json_string_ext (line,
                                         JSON_C_TO_STRING_NOSLASHESCAPE);
  len = strlen (text);
  look (w, text, len, goes_on);
  if (w->out.len == len && memcmp (buf_str (&w->out), text, len) == 0)
    {
      snprintf (key, n, "%s", was_key ? was_key : "");
      return json_object_get (was);
    }
  is = parsed (w, key, n);
  if (!is)
    {
      /* A secret that does not end took the end of the line with it. */
      buf_puts (&w->out, was_key ? "\"}" : "\"]");
      is = parsed (w, key, n);
    }
  if (is)
    return is;
  if (was_key)
    {
      take_key (w, was_key, key, n);
      w->r->inside = NULL;
    }
  return json_object_new_string (REDACT_MARK);
}

/* Two keys may have become one. */
static void
add (struct json_object *to, char *key, size_t n, struct json_object *v)
{
  size_t len = strlen (key);

  for (unsigned i = 2; json_object_object_get_ex (to, key, NULL); i++)
    {
      len = len + 12 < n ? len : n - 12;
      snprintf (key + len, n - len, ".%u", i);
    }
  json_object_object_add (to, key, v);
}

static struct json_object *take (struct walk *w, struct json_object *was);

static bool
is_plain (struct json_object *v)
{
  return json_object_is_type (v, json_type_string)
         || json_object_is_type (v, json_type_int)
         || json_object_is_type (v, json_type_double);
}

static bool
is_own (const struct walk *w, const char *key)
{
  return w->depth <= OWN_DEPTH
         && strspn (key, "abcdefghijklmnopqrstuvwxyz_") == strlen (key);
}

static struct json_object *
take_object (struct walk *w, struct json_object *was)
{
  struct json_object *to = json_object_new_object (), *is;
  char key[1024];

  w->depth++;
  json_object_object_foreach (was, name, value)
    {
      if (is_plain (value))
        is = take_plain (w, name, value, false, key, sizeof key);
      else
        {
          is = take (w, value);
          take_key (w, name, key, sizeof key);
        }
      if (is_own (w, name))
        snprintf (key, sizeof key, "%s", name);
      add (to, key, sizeof key, is);
    }
  w->depth--;
  return to;
}

/* Elements may be the lines of one text. */
static struct json_object *
take_array (struct walk *w, struct json_object *was)
{
  struct json_object *to = json_object_new_array ();
  bool goes_on = false;
  char none[1024];

  for (size_t i = 0; i < json_object_array_length (was); i++)
    {
      struct json_object *v = json_object_array_get_idx (was, i);
      bool plain = is_plain (v);

      json_object_array_add (
          to, plain ? take_plain (w, NULL, v, goes_on, none, sizeof none)
                    : take (w, v));
      goes_on = plain;
    }
  return to;
}

static struct json_object *
take (struct walk *w, struct json_object *was)
{
  if (json_object_is_type (was, json_type_object))
    return take_object (w, was);
  if (json_object_is_type (was, json_type_array))
    return take_array (w, was);
  return json_object_get (was);
}

struct json_object *
redact_json (struct redactor *r, struct json_object *doc, uint64_t *ret_hits)
{
  struct walk w = { .r = r, .out = BUF_INIT (VALUE_MAX) };
  struct json_object *is = take (&w, doc);

  buf_done (&w.out);
  *ret_hits = w.hits;
  return is;
}
