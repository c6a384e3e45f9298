/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the report: a bundle of texts, and the page that is made of it.
 */
#ifndef HANGDOG_TESTS_REPORT_BED_H
#define HANGDOG_TESTS_REPORT_BED_H

#include "base/buf.h"
#include "base/error.h"
#include "diag/report/report.h"
#include "tests/lib/html-check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file
{
  const char *name, *text;
};

struct shelf
{
  struct report_source source;
  const struct file *files;
};

static int
read_file (struct report_source *source, const char *name, size_t max, int end,
           struct buf *out, size_t *ret_size)
{
  struct shelf *s = (struct shelf *) source;

  for (const struct file *f = s->files; f && f->name; f++)
    if (strcmp (f->name, name) == 0)
      {
        size_t len = strlen (f->text), n = len < max ? len : max;

        buf_append (out, end ? f->text + len - n : f->text, n);
        *ret_size = len;
        return 0;
      }
  return -ENOENT;
}

static void
each (struct report_source *source,
      void (*fn) (const char *name, size_t size, void *arg), void *arg)
{
  struct shelf *s = (struct shelf *) source;

  for (const struct file *f = s->files; f && f->name; f++)
    fn (f->name, strlen (f->text), arg);
}

static inline int
page_and_stacks (const char *manifest, const struct file *files,
                 struct buf *out, struct buf *folded, struct error *err)
{
  struct shelf s = { .source = { .read = read_file, .each = each },
                     .files = files };
  struct json_object *m = json_tokener_parse (manifest);
  int r;

  assert_non_null (m);
  r = report_html (&s.source, m, out, folded, err);
  json_object_put (m);
  return r;
}

static inline int
page_of (const char *manifest, const struct file *files, struct buf *out,
         struct error *err)
{
  return page_and_stacks (manifest, files, out, NULL, err);
}

static inline size_t
count (const char *in, const char *what)
{
  size_t n = 0;

  for (const char *p = in; (p = strstr (p, what)); p += strlen (what))
    n++;
  return n;
}

/* Whatever it was made of. */
static inline void
is_a_page (const struct buf *page)
{
  const char *text = buf_str (page), *why = html_check (text, page->len);

  if (why)
    fail_msg ("%s", why);
  assert_int_equal (strncmp (text, "<!DOCTYPE html>", 15), 0);
  assert_non_null (strstr (text, "default-src 'none'; style-src 'sha256-"));
  assert_int_equal (strcmp (text + page->len - 8, "</html>\n"), 0);
  assert_true (page->len <= REPORT_MAX);
}

#endif
