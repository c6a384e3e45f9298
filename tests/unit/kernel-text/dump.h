/* SPDX-License-Identifier: Apache-2.0
 *
 * A text, read whole as SysRq output: for unit tests and the fuzz target.
 */
#ifndef HANGDOG_TESTS_KERNEL_TEXT_DUMP_H
#define HANGDOG_TESTS_KERNEL_TEXT_DUMP_H

#include "base/json.h"
#include "kernel/text/sysrq.h"

#include <stdlib.h>
#include <string.h>

static inline void
dump_line (const struct text_line *line, void *arg)
{
  struct text_msg msg;

  prefix_strip (line, &msg);
  sysrq_dump_line (arg, &msg);
}

/* In pieces of so many bytes; 0 = all at once. */
static inline struct sysrq_dump *
dump_of_bytes (const void *text, size_t len, size_t piece)
{
  struct sysrq_dump *d = NULL;
  struct splitter *s = NULL;

  if (sysrq_dump_new (&d, NULL) < 0
      || splitter_new (dump_line, d, &s, NULL) < 0)
    abort ();
  for (size_t at = 0; at < len;)
    {
      size_t n = piece && len - at > piece ? piece : len - at;

      splitter_feed (s, (const char *) text + at, n, 0);
      at += n;
    }
  splitter_end (s);
  splitter_free (s);
  sysrq_dump_end (d);
  return d;
}

static inline struct sysrq_dump *
dump_of (const char *text)
{
  return dump_of_bytes (text, strlen (text), 0);
}

/* A member of a document by its path: "memory.0.nodes.1.kb.free". */
static inline struct json_object *
dump_at (struct json_object *doc, const char *path)
{
  char copy[200], *save = NULL;
  struct json_object *o = doc;

  if (strlen (path) >= sizeof copy)
    abort ();
  memcpy (copy, path, strlen (path) + 1);
  for (char *p = strtok_r (copy, ".", &save); p && o;
       p = strtok_r (NULL, ".", &save))
    if (json_object_is_type (o, json_type_array))
      o = json_object_array_get_idx (o, strtoul (p, NULL, 10));
    else
      o = json_get (o, p);
  return o;
}

#endif
