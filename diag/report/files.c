/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a bundle: each is read once, and bounded.
 */
#include "diag/report/report_impl.h"

#include "base/error.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned
count_lines (const struct buf *text)
{
  const char *at = buf_str (text), *stop = at + text->len;
  unsigned n = 0;

  while (at < stop)
    {
      const char *nl = memchr (at, '\n', (size_t) (stop - at));

      n++;
      at = nl ? nl + 1 : stop;
    }
  return n;
}

struct file_text *
file_read (struct page *p, const char *name)
{
  size_t left = ALL_READ_MAX - p->read, size;
  struct file_text *f;

  for (unsigned i = 0; i < p->nfiles; i++)
    if (strcmp (p->files[i]->name, name) == 0)
      return p->files[i]->there ? p->files[i] : NULL;
  if (p->nfiles == FILES_READ || strlen (name) >= sizeof f->name
      || !(f = calloc (1, sizeof *f)))
    return NULL;
  snprintf (f->name, sizeof f->name, "%s", name);
  f->text = (struct buf) BUF_INIT (ROWS_MAX);
  p->files[p->nfiles++] = f;
  f->there = left > 0
             && p->source->read (p->source, name,
                                 left < ROWS_MAX ? left : ROWS_MAX, 0,
                                 &f->text, &size)
                    == 0;
  p->read += f->text.len;
  f->nlines = count_lines (&f->text);
  return f->there ? f : NULL;
}

void
files_done (struct page *p)
{
  for (unsigned i = 0; i < p->nfiles; i++)
    {
      buf_done (&p->files[i]->text);
      free (p->files[i]);
    }
}

unsigned
file_line_with (const struct file_text *f, const char *what, unsigned from)
{
  const char *at = buf_str (&f->text), *stop = at + f->text.len, *nl, *hit;
  unsigned line = 1;

  if (!what[0])
    return 0;
  for (; line < from && at < stop; line++)
    {
      nl = memchr (at, '\n', (size_t) (stop - at));
      at = nl ? nl + 1 : stop;
    }
  hit = memmem (at, (size_t) (stop - at), what, strlen (what));
  if (!hit)
    return 0;
  while ((nl = memchr (at, '\n', (size_t) (hit - at))))
    {
      at = nl + 1;
      line++;
    }
  return line;
}

void
file_lines (const struct file_text *f,
            void (*fn) (unsigned n, const char *line, size_t len, void *arg),
            void *arg)
{
  const char *at = buf_str (&f->text), *stop = at + f->text.len, *end;

  for (unsigned n = 1; at < stop; n++)
    {
      end = memchr (at, '\n', (size_t) (stop - at));
      if (!end)
        end = stop;
      fn (n, at, (size_t) (end - at), arg);
      at = end + 1;
    }
}

struct rows
{
  const char *name;
  void (*fn) (struct json_object *row, unsigned line, void *arg);
  void *arg;
};

static void
one_row (unsigned n, const char *line, size_t len, void *arg)
{
  struct rows *r = arg;
  struct error err = ERROR_INIT;
  struct json_doc *doc;

  if (n > ROWS_MOST || len == 0 || len > ROW_MAX
      || json_parse (line, len, JSON_WIRE, r->name, ROW_MAX, &doc, &err) < 0)
    return;
  if (json_object_is_type (json_root (doc), json_type_object))
    r->fn (json_root (doc), n, r->arg);
  json_doc_free (doc);
}

bool
rows_each (struct page *p, const char *name,
           void (*fn) (struct json_object *row, unsigned line, void *arg),
           void *arg)
{
  struct rows r = { .name = name, .fn = fn, .arg = arg };
  const struct file_text *f = file_read (p, name);

  if (f)
    file_lines (f, one_row, &r);
  return f != NULL;
}
