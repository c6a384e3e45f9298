/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings: a line each.
 */
#include "supervisor/conf/finding.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

static void
print (struct json_object *row)
{
  struct buf out CLEANUP_BUF = BUF_INIT (SIZE_MAX / 2);

  json_show (row, &out);
  puts (buf_str (&out));
  json_object_put (row);
}

/* Messages of the house say what is wrong and then, in parentheses or after a
 * semicolon, what to do.  The start of the latter; its end in *ret_end. */
static const char *
find_hint (const char *what, const char **ret_end)
{
  size_t len = strlen (what);
  const char *at = NULL;

  if (len > 0 && what[len - 1] == ')')
    for (const char *p = what; (p = strstr (p, " (")); p++)
      at = p;
  *ret_end = at ? what + len - 1 : what + len;
  return at ? at : strstr (what, "; ");
}

static void
add_words (struct json_object *row, const char *what)
{
  const char *end, *hint = find_hint (what, &end);

  json_add_text (row, "message", what,
                 hint ? (size_t) (hint - what) : strlen (what));
  if (hint)
    json_add_text (row, "hint", hint + 2, (size_t) (end - hint - 2));
}

static void
add_finding (const char *severity, const char *file, const struct error *err,
             const char *what)
{
  struct json_object *row = json_object_new_object ();
  size_t n = strlen (file);

  json_add_str (row, "row", "finding");
  json_add_str (row, "severity", severity);
  json_add_text (row, "file", file, n);
  if (err && err->line)
    {
      json_add_int (row, "line", err->line);
      json_add_int (row, "column", err->column);
      if (err->path_len)
        json_add_text (row, "path", err->msg + err->path_at, err->path_len);
      what += err->what_at;
    }
  else if (strncmp (what, file, n) == 0 && strncmp (what + n, ": ", 2) == 0)
    what += n + 2;
  add_words (row, what);
  print (row);
}

void
finding_error (struct findings *f, const char *file, const struct error *err)
{
  f->errors++;
  if (f->json)
    add_finding ("error", file, err, error_text (err));
  else
    fprintf (stderr, "hangdog: %s\n", error_text (err));
}

void
finding_note (struct findings *f, const char *file, const char *text)
{
  f->notes++;
  if (f->json)
    add_finding ("note", file, NULL, text);
  else
    printf ("note: %s: %s\n", file, text);
}

int
findings_end (const struct findings *f)
{
  struct error err = ERROR_INIT;
  struct json_object *row;

  if (f->json)
    {
      row = json_object_new_object ();
      json_add_str (row, "row", "checked");
      json_add_bool (row, "ok", f->errors == 0);
      json_add_int (row, "files", f->files);
      json_add_int (row, "errors", f->errors);
      json_add_int (row, "notes", f->notes);
      print (row);
    }
  if (io_finish_stdout (&err) < 0)
    {
      fprintf (stderr, "hangdog: %s\n", error_text (&err));
      return 1;
    }
  return f->errors ? 2 : 0;
}
