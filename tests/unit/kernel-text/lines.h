/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines as a splitter gave them, written down to be compared: for unit tests
 * and the fuzz target.
 */
#ifndef HANGDOG_TESTS_KERNEL_TEXT_LINES_H
#define HANGDOG_TESTS_KERNEL_TEXT_LINES_H

#include "kernel/text/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lines
{
  char *text; /* one line each: "N @at+raw cut flags|text" */
  size_t len, cap;
  uint64_t n;
  uint64_t bad; /* lines that break what line.h promises */
  uint64_t end; /* of the line before */
};

static inline void
lines_add (struct lines *l, const char *p, size_t n)
{
  if (l->len + n + 1 > l->cap)
    {
      l->cap = (l->len + n + 1) * 2;
      l->text = realloc (l->text, l->cap);
      if (!l->text)
        abort ();
    }
  memcpy (l->text + l->len, p, n);
  l->len += n;
  l->text[l->len] = '\0';
}

static inline void
lines_write (const struct text_line *line, void *arg)
{
  struct lines *l = arg;
  char head[160];
  int n = snprintf (head, sizeof head, "%llu @%llu+%llu cut %llu %s%s%s%s|",
                    (unsigned long long) line->number,
                    (unsigned long long) line->at,
                    (unsigned long long) line->raw_len,
                    (unsigned long long) line->cut, line->open ? "o" : "",
                    line->over ? "v" : "", line->again ? "a" : "",
                    line->torn ? "t" : "");

  l->n++;
  l->bad += line->len > TEXT_LINE_MAX
            || (line->cut > 0 && line->len != TEXT_LINE_MAX)
            || line->raw_len < line->len || line->at < l->end;
  for (size_t i = 0; i < line->len; i++)
    l->bad += ((unsigned char) line->text[i] < 0x20 && line->text[i] != '\t')
              || line->text[i] == 0x7f;
  if (!line->open)
    l->end = line->at + line->raw_len;
  lines_add (l, head, (size_t) n);
  lines_add (l, line->text, line->len);
  lines_add (l, "\n", 1);
}

#endif
