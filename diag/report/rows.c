/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of a bundle that are rows of JSON.
 */
#include "diag/report/report_impl.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

static void
one_row (const char *line, size_t len, const char *name,
         void (*fn) (struct json_object *row, void *arg), void *arg)
{
  struct error err = ERROR_INIT;
  struct json_doc *doc;

  if (len == 0 || len > ROW_MAX
      || json_parse (line, len, JSON_WIRE, name, ROW_MAX, &doc, &err) < 0)
    return;
  if (json_object_is_type (json_root (doc), json_type_object))
    fn (json_root (doc), arg);
  json_doc_free (doc);
}

bool
rows_each (struct page *p, const char *name,
           void (*fn) (struct json_object *row, void *arg), void *arg)
{
  CLEANUP_BUF struct buf text = BUF_INIT (ROWS_MAX);
  const char *at, *end, *stop;
  size_t size;

  if (p->source->read (p->source, name, ROWS_MAX, 0, &text, &size) < 0)
    return false;
  at = buf_str (&text);
  stop = at + text.len;
  for (unsigned n = 0; at < stop && n < ROWS_MOST; n++)
    {
      end = memchr (at, '\n', (size_t) (stop - at));
      if (!end)
        end = stop;
      one_row (at, (size_t) (end - at), name, fn, arg);
      at = end + 1;
    }
  return true;
}
