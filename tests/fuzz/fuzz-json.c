/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON scanner, with json-c as the second opinion: what the scanner lets
 * pass json-c must take whole, print, and take again; what json-c refuses in
 * its strictest mode the scanner must have refused too.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "tests/unit/base/text-check.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOUND 64 /* values looked for again, of each document */

/* Each value that has a path of its own is found within the text. */
static void
find_all (const char *text, size_t len, enum json_dialect dialect,
          struct json_object *o, struct buf *path, int *left)
{
  size_t keep = path->len, line, column;

  if (--*left < 0)
    return;
  size_t at = json_find (text, len, dialect, buf_str (path));
  MUST (at < len);
  json_place (text, len, at, &line, &column);
  MUST (line > 0 && column > 0 && line + column <= len + 1);
  if (json_object_is_type (o, json_type_object))
    {
      json_object_object_foreach (o, key, val)
        {
          json_path_key (path, key, strlen (key));
          if (!path->cut)
            MUST (text[json_find (text, len, dialect, buf_str (path))] == '"');
          find_all (text, len, dialect, val, path, left);
          json_path_cut (path, keep);
        }
    }
  else if (json_object_is_type (o, json_type_array))
    for (size_t i = 0; i < json_object_array_length (o); i++)
      {
        json_path_index (path, i);
        find_all (text, len, dialect, json_object_array_get_idx (o, i), path,
                  left);
        json_path_cut (path, keep);
      }
}

static void
check_passed (const char *text, size_t len, enum json_dialect dialect)
{
  struct json_doc *doc = NULL, *again = NULL;
  struct error err = ERROR_INIT;
  struct buf path = BUF_INIT (JSON_MAX_PATH);
  int left = MAX_FOUND;
  const char *printed;

  if (json_parse (text, len, dialect, "fuzz", len, &doc, &err) < 0)
    {
      fprintf (stderr, "%s\n", err.msg);
      abort ();
    }
  find_all (text, len, dialect, json_root (doc), &path, &left);
  printed = json_object_to_json_string_ext (json_root (doc), 0);
  if (json_parse (printed, strlen (printed), JSON_WIRE, "again",
                  strlen (printed), &again, &err)
      < 0)
    {
      fprintf (stderr, "%s: %s\n", err.msg, printed);
      abort ();
    }
  MUST (json_object_equal (json_root (doc), json_root (again)));
  json_doc_free (again);
  json_doc_free (doc);
  buf_done (&path);
}

/* Does json-c itself take it, in the mode that is nearest to RFC 8259? */
static bool
json_c_takes (const char *text, size_t len)
{
  struct json_tokener *tok = json_tokener_new_ex (JSON_MAX_DEPTH + 2);
  char *copy = malloc (len + 1);
  struct json_object *o;
  bool ok;

  memcpy (copy, text, len);
  copy[len] = '\0';
  json_tokener_set_flags (tok, JSON_TOKENER_STRICT
                                   | JSON_TOKENER_VALIDATE_UTF8);
  o = json_tokener_parse_ex (tok, copy, (int) len + 1);
  ok = json_tokener_get_error (tok) == json_tokener_success;
  json_object_put (o);
  json_tokener_free (tok);
  free (copy);
  return ok;
}

static int
scan (const char *text, size_t len, enum json_dialect dialect)
{
  struct json_fault fault;
  size_t values = 0;
  char *clean = malloc (len + 1);
  int r;

  memcpy (clean, text, len);
  r = json_scan (text, len, dialect, clean, &values, &fault);
  if (r == 0)
    {
      MUST (values > 0);
      MUST (json_scan (clean, len, JSON_WIRE, NULL, NULL, NULL) == 0);
    }
  else
    {
      MUST (fault.at <= len && fault.code == -r);
      MUST (!check_escaped (fault.path, strlen (fault.path), 0));
      MUST (!check_escaped (fault.what, strlen (fault.what), 0));
      MUST (fault.what[0]);
    }
  free (clean);
  return r;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *) data;
  int wire, file;

  if (size > 65536)
    return 0;
  wire = scan (text, size, JSON_WIRE);
  file = scan (text, size, JSON_FILE);
  /* The file dialect only adds. */
  MUST (wire < 0 || file == 0);
  if (wire == 0)
    {
      MUST (json_c_takes (text, size));
      check_passed (text, size, JSON_WIRE);
    }
  if (file == 0)
    check_passed (text, size, JSON_FILE);
  return 0;
}
