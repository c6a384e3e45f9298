/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents: text checked by the scanner, then made into a tree by json-c.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json_scan.h"
#include "base/text.h"
#include "base/units.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_ORIGIN 160

struct json_doc
{
  char *text; /* as it was given, NUL terminated */
  size_t len;
  enum json_dialect dialect;
  char *origin;
  struct json_object *root;
};

void
json_doc_free (struct json_doc *doc)
{
  if (!doc)
    return;
  json_object_put (doc->root);
  free (doc->origin);
  free (doc->text);
  free (doc);
}

struct json_object *
json_root (const struct json_doc *doc)
{
  return doc->root;
}

/* A file's name may hold anything; of a long one the end tells more. */
static void
put_origin (struct buf *b, const char *origin)
{
  size_t n = strlen (origin);

  if (n > SHOWN_ORIGIN)
    {
      buf_puts (b, "...");
      origin += n - SHOWN_ORIGIN;
    }
  text_escape (b, origin, strlen (origin), 0);
}

/* "origin:line:col: path: what" */
static int
fail_at (struct error *err, int code, const struct json_doc *doc, size_t at,
         const char *path, const char *what)
{
  CLEANUP_BUF struct buf where = BUF_INIT (4 * SHOWN_ORIGIN + 64);
  size_t line, column, n = strlen (path);
  int r;

  json_place (doc->text, doc->len, at, &line, &column);
  put_origin (&where, doc->origin);
  buf_printf (&where, ":%zu:%zu: ", line, column);
  r = error_set (err, code, "%s%s%s%s", buf_str (&where), path, n ? ": " : "",
                 what);
  error_place (err, line, column, where.len, n, where.len + n + (n ? 2 : 0));
  return r;
}

int
json_error_at (const struct json_doc *doc, const char *path,
               struct error *err, const char *fmt, ...)
{
  struct error what = ERROR_INIT;
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (what.msg, sizeof what.msg, fmt, ap);
  va_end (ap);
  if (!doc)
    return error_set (err, EINVAL, "%s%s%s", path, path[0] ? ": " : "",
                      what.msg);
  return fail_at (err, EINVAL, doc,
                      json_find (doc->text, doc->len, doc->dialect, path),
                      path, what.msg);
}

/* Values in the tree, counted as the scanner counts them: null, which json-c
 * keeps as NULL, is one too. */
static size_t
count_values (struct json_object *o)
{
  size_t n = 1;

  if (json_object_is_type (o, json_type_object))
    {
      json_object_object_foreach (o, key, val)
        {
          (void) key;
          n += count_values (val);
        }
    }
  else if (json_object_is_type (o, json_type_array))
    for (size_t i = 0; i < json_object_array_length (o); i++)
      n += count_values (json_object_array_get_idx (o, i));
  return n;
}

/* Parses what the scanner left.  After it json-c has nothing to refuse and
 * nothing to mend: that it did neither is checked all the same, since a tree
 * that lost a part would be believed. */
static int
build_tree (struct json_doc *doc, const char *clean, size_t values,
            struct error *err)
{
  struct json_tokener *tok = json_tokener_new_ex (JSON_MAX_DEPTH + 2);
  enum json_tokener_error e;
  size_t end;

  if (!tok)
    return error_set (err, ENOMEM, "not enough memory");
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT
                                   | JSON_TOKENER_VALIDATE_UTF8);
  /* With its NUL, so that a bare number is known to be over. */
  doc->root = json_tokener_parse_ex (tok, clean, (int) doc->len + 1);
  e = json_tokener_get_error (tok);
  end = json_tokener_get_parse_end (tok);
  json_tokener_free (tok);
  if (e != json_tokener_success)
    return fail_at (err, EINVAL, doc, end, "",
                        json_tokener_error_desc (e));
  if (end < doc->len || count_values (doc->root) != values)
    return fail_at (err, EINVAL, doc, end, "", "a part of it was lost");
  return 0;
}

static int
check_and_build (struct json_doc *doc, struct error *err)
{
  CLEANUP_FREE char *clean = malloc (doc->len + 1);
  struct json_fault fault;
  size_t values;

  if (!clean)
    return error_set (err, ENOMEM, "not enough memory");
  memcpy (clean, doc->text, doc->len + 1);
  if (json_scan (doc->text, doc->len, doc->dialect, clean, &values, &fault)
      < 0)
    return fail_at (err, fault.code, doc, fault.at, fault.path,
                        fault.what);
  return build_tree (doc, clean, values, err);
}

static int
too_large (struct error *err, const char *origin, size_t max_bytes)
{
  struct buf shown = BUF_INIT (4 * SHOWN_ORIGIN);
  char size[32];
  int r;

  put_origin (&shown, origin);
  r = error_set (err, EFBIG, "%s: it has more than the %s that are allowed",
                 buf_str (&shown),
                 units_format_size (size, sizeof size, max_bytes));
  buf_done (&shown);
  return r;
}

int
json_parse (const char *text, size_t len, enum json_dialect dialect,
            const char *origin, size_t max_bytes, struct json_doc **ret_doc,
            struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  int r;

  if (max_bytes > JSON_MAX_SCAN)
    max_bytes = JSON_MAX_SCAN;
  if (len > max_bytes)
    return too_large (err, origin, max_bytes);
  doc = calloc (1, sizeof *doc);
  if (!doc)
    return error_set (err, ENOMEM, "not enough memory");
  doc->dialect = dialect;
  doc->len = len;
  doc->origin = strdup (origin);
  doc->text = malloc (len + 1);
  if (!doc->origin || !doc->text)
    return error_set (err, ENOMEM, "not enough memory");
  if (len > 0)
    memcpy (doc->text, text, len);
  doc->text[len] = '\0';
  r = check_and_build (doc, err);
  if (r < 0)
    return r;
  *ret_doc = steal_ptr (&doc);
  return 0;
}

static const char *
kind_of (mode_t mode)
{
  return S_ISDIR (mode)    ? "a folder"
         : S_ISFIFO (mode) ? "a fifo"
         : S_ISSOCK (mode) ? "a socket"
         : S_ISCHR (mode) || S_ISBLK (mode) ? "a device"
                                            : "no regular file";
}

/* Opens a regular file.  It is looked at before it is opened, since opening
 * alone moves some devices, and again afterwards, since it may have been
 * changed for another in between. */
static int
open_regular (const char *path, const char *shown, int *ret_fd,
              struct stat *ret_st, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;

  if (stat (path, ret_st) < 0)
    return error_errno (err, errno, "%s", shown);
  if (S_ISREG (ret_st->st_mode))
    {
      fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
      if (fd < 0)
        return error_errno (err, errno, "%s", shown);
      if (fstat (fd, ret_st) < 0)
        return error_errno (err, errno, "%s", shown);
    }
  if (!S_ISREG (ret_st->st_mode))
    return error_set (err, S_ISDIR (ret_st->st_mode) ? EISDIR : EINVAL,
                      "%s: it is %s, a regular file was expected", shown,
                      kind_of (ret_st->st_mode));
  *ret_fd = steal_fd (&fd);
  return 0;
}

int
json_load (const char *path, enum json_dialect dialect, size_t max_bytes,
           struct json_doc **ret_doc, struct error *err)
{
  CLEANUP_BUF struct buf shown = BUF_INIT (4 * SHOWN_ORIGIN);
  CLEANUP_BUF struct buf text = BUF_INIT (max_bytes);
  CLEANUP_CLOSE int fd = -1;
  struct stat st;
  int r;

  put_origin (&shown, path);
  r = open_regular (path, buf_str (&shown), &fd, &st, err);
  if (r < 0)
    return r;
  if (st.st_size > 0 && (uint64_t) st.st_size > max_bytes)
    return too_large (err, path, max_bytes);
  for (;;)
    {
      char chunk[16384];
      ssize_t n = read (fd, chunk, sizeof chunk);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "%s", buf_str (&shown));
      if (n == 0)
        break;
      /* It may have grown since. */
      if ((size_t) n > max_bytes - text.len)
        return too_large (err, path, max_bytes);
      buf_append (&text, chunk, (size_t) n);
      if (text.cut)
        return error_set (err, ENOMEM, "%s: not enough memory",
                          buf_str (&shown));
    }
  return json_parse (buf_str (&text), text.len, dialect, path, max_bytes,
                     ret_doc, err);
}

/* ---- building and reading ---- */

void
json_add_text (struct json_object *obj, const char *key, const char *bytes,
               size_t len)
{
  struct buf safe = BUF_INIT (len < SIZE_MAX / 8 ? 4 * len : SIZE_MAX / 2);

  text_escape (&safe, bytes, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  json_object_object_add (
      obj, key, json_object_new_string_len (buf_str (&safe), (int) safe.len));
  buf_done (&safe);
}

void
json_add_str (struct json_object *obj, const char *key, const char *s)
{
  size_t i = 0, len;
  unsigned n = 1;

  if (!s)
    return;
  len = strlen (s);
  while (i < len && n > 0)
    i += n = text_utf8 ((const unsigned char *) s + i, len - i, NULL);
  if (i < len)
    json_add_text (obj, key, s, len);
  else
    json_object_object_add (obj, key, json_object_new_string (s));
}

void
json_add_int (struct json_object *obj, const char *key, int64_t v)
{
  json_object_object_add (obj, key, json_object_new_int64 (v));
}

void
json_add_bool (struct json_object *obj, const char *key, bool v)
{
  json_object_object_add (obj, key, json_object_new_boolean (v));
}

/* ---- shown to a person ---- */

/* What json-c made of it holds nothing that a terminal would act on, nor an
 * escape of such a thing, which a reader of the JSON would turn into one. */
static bool
is_plain (const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++)
    {
      if ((unsigned char) text[i] < 0x20 || (unsigned char) text[i] > 0x7e)
        return false;
      if (text[i] == '\\' && !strchr ("\"\\/nt", text[++i]))
        return false;
    }
  return true;
}

static struct json_object *safe_copy (struct json_object *obj);

static struct json_object *
safe_object (struct json_object *obj)
{
  struct json_object *copy = json_object_new_object ();
  struct buf safe;

  json_object_object_foreach (obj, key, value)
    {
      safe = (struct buf) BUF_INIT (SIZE_MAX / 2);
      text_escape (&safe, key, strlen (key),
                   TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
      json_object_object_add (copy, buf_str (&safe), safe_copy (value));
      buf_done (&safe);
    }
  return copy;
}

static struct json_object *
safe_string (struct json_object *obj)
{
  struct json_object *holder = json_object_new_object (), *copy;

  json_add_text (holder, "s", json_object_get_string (obj),
                 (size_t) json_object_get_string_len (obj));
  copy = json_object_get (json_get (holder, "s"));
  json_object_put (holder);
  return copy;
}

static struct json_object *
safe_copy (struct json_object *obj)
{
  struct json_object *copy;

  switch (json_object_get_type (obj))
    {
    case json_type_object:
      return safe_object (obj);
    case json_type_string:
      return safe_string (obj);
    case json_type_array:
      copy = json_object_new_array ();
      for (size_t i = 0; i < json_object_array_length (obj); i++)
        json_object_array_add (copy,
                               safe_copy (json_object_array_get_idx (obj, i)));
      return copy;
    default:
      return json_object_get (obj);
    }
}

void
json_show (struct json_object *obj, struct buf *out)
{
  CLEANUP_JSON struct json_object *copy = NULL;
  const char *text;
  size_t len;

  text = json_object_to_json_string_length (obj, JSON_C_TO_STRING_PLAIN, &len);
  if (text && !is_plain (text, len))
    {
      copy = safe_copy (obj);
      text = json_object_to_json_string_length (copy, JSON_C_TO_STRING_PLAIN,
                                                &len);
    }
  if (text)
    buf_append (out, text, len);
}

void
json_show_spread (struct json_object *obj, struct buf *out)
{
  CLEANUP_JSON struct json_object *copy = safe_copy (obj);
  const char *text = json_object_to_json_string_ext (
      copy, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

  if (text)
    buf_puts (out, text);
}

struct json_object *
json_get (struct json_object *obj, const char *key)
{
  struct json_object *v = NULL;

  if (!json_object_is_type (obj, json_type_object))
    return NULL;
  return json_object_object_get_ex (obj, key, &v) ? v : NULL;
}

size_t
json_count (struct json_object *list)
{
  return json_object_is_type (list, json_type_array)
             ? json_object_array_length (list)
             : 0;
}

const char *
json_get_str (struct json_object *obj, const char *key)
{
  struct json_object *v = json_get (obj, key);

  return json_object_is_type (v, json_type_string)
             ? json_object_get_string (v)
             : NULL;
}

int64_t
json_get_int (struct json_object *obj, const char *key, int64_t dflt)
{
  struct json_object *v = json_get (obj, key);

  if (!json_object_is_type (v, json_type_int))
    return dflt;
  /* Beyond the signed half json-c would saturate. */
  if (json_object_get_int64 (v) == INT64_MAX
      && json_object_get_uint64 (v) > INT64_MAX)
    return dflt;
  return json_object_get_int64 (v);
}

bool
json_get_bool (struct json_object *obj, const char *key, bool dflt)
{
  struct json_object *v = json_get (obj, key);

  return json_object_is_type (v, json_type_boolean)
             ? json_object_get_boolean (v)
             : dflt;
}
