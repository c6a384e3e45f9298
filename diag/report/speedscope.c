/* SPDX-License-Identifier: Apache-2.0
 *
 * Folded stacks as a document that speedscope opens.
 */
#include "diag/report/speedscope.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A piece of the folded text, and which frame it is of those that differ. */
struct frame
{
  const char *text;
  size_t len;
  unsigned number;
};

/* A line of it: "frames N". */
struct stack
{
  const char *frames, *end;
  uint64_t n;
};

/* The next line that is a stack, and what is behind it. */
static bool
next_stack (const char **at, const char *stop, struct stack *ret)
{
  while (*at < stop)
    {
      const char *nl = memchr (*at, '\n', (size_t) (stop - *at));
      const char *line = *at, *end = nl ? nl : stop, *p = end;
      uint64_t n = 0;

      *at = nl ? nl + 1 : stop;
      while (p > line && p[-1] >= '0' && p[-1] <= '9')
        p--;
      if (p == end || end - p > 15 || p - line < 2 || p[-1] != ' ')
        continue;
      for (const char *d = p; d < end; d++)
        n = n * 10 + (uint64_t) (*d - '0');
      *ret = (struct stack){ line, p - 1, n };
      return true;
    }
  return false;
}

static bool
next_frame (struct stack *s, struct frame *ret)
{
  const char *semi;

  if (s->frames >= s->end)
    return false;
  semi = memchr (s->frames, ';', (size_t) (s->end - s->frames));
  *ret = (struct frame){ .text = s->frames,
                         .len = (size_t) ((semi ? semi : s->end)
                                          - s->frames) };
  s->frames = semi ? semi + 1 : s->end;
  return true;
}

static int
by_text (const void *a, const void *b)
{
  const struct frame *x = a, *y = b;
  int r = memcmp (x->text, y->text, x->len < y->len ? x->len : y->len);

  return r ? r : (x->len > y->len) - (x->len < y->len);
}

/* All frames, sorted; each that differs from the one before has a number of
 * its own. */
static void
number_frames (struct frame *list, size_t n)
{
  unsigned number = 0;

  if (n)
    qsort (list, n, sizeof *list, by_text);
  for (size_t i = 0; i < n; i++)
    {
      if (i && by_text (&list[i - 1], &list[i]) != 0)
        number++;
      list[i].number = number;
    }
}

static void
quoted (struct buf *out, const char *text, size_t len)
{
  buf_putc (out, '"');
  for (size_t i = 0; i < len; i++)
    {
      if (text[i] == '"' || text[i] == '\\')
        buf_putc (out, '\\');
      buf_putc (out, text[i] >= ' ' && text[i] < 0x7f ? text[i] : '_');
    }
  buf_putc (out, '"');
}

static void
put_frames (const struct frame *list, size_t n, struct buf *out)
{
  buf_puts (out, "\"shared\":{\"frames\":[");
  for (size_t i = 0; i < n; i++)
    if (i == 0 || list[i].number != list[i - 1].number)
      {
        buf_puts (out, i ? ",\n{\"name\":" : "\n{\"name\":");
        quoted (out, list[i].text, list[i].len);
        buf_putc (out, '}');
      }
  buf_puts (out, "]},\n");
}

static void
put_stacks (const struct frame *list, size_t n, const char *folded,
            size_t len, struct buf *out)
{
  const char *at = folded, *stop = folded + len;
  const struct frame *is;
  struct frame f;
  struct stack s;

  buf_puts (out, "\"samples\":[");
  for (unsigned i = 0; next_stack (&at, stop, &s); i++)
    {
      buf_puts (out, i ? ",\n[" : "\n[");
      for (unsigned k = 0; next_frame (&s, &f); k++)
        {
          is = bsearch (&f, list, n, sizeof *list, by_text);
          buf_printf (out, "%s%u", k ? "," : "", is ? is->number : 0);
        }
      buf_putc (out, ']');
    }
  buf_puts (out, "],\n\"weights\":[");
  at = folded;
  for (unsigned i = 0; next_stack (&at, stop, &s); i++)
    buf_printf (out, "%s%" PRIu64, i ? "," : "", s.n);
  buf_puts (out, "]");
}

int
speedscope_write (const struct speedscope *s, const char *folded, size_t len,
                  struct buf *out, struct error *err)
{
  const char *at = folded, *stop = folded + len;
  CLEANUP_FREE struct frame *list = NULL;
  uint64_t all = 0;
  size_t n = 0, most = 1;
  struct stack one;
  struct frame f;

  /* No line has more than this. */
  for (size_t i = 0; i < len; i++)
    most += folded[i] == ';' || folded[i] == '\n';
  list = calloc (most, sizeof *list);
  if (!list)
    return error_set (err, ENOMEM, "no memory for a profile");
  while (next_stack (&at, stop, &one))
    {
      all += one.n;
      while (next_frame (&one, &f))
        list[n++] = f;
    }
  number_frames (list, n);
  buf_puts (out, "{\"$schema\":\"https://www.speedscope.app/"
                 "file-format-schema.json\",\n\"exporter\":\"" PACKAGE_NAME
                 "@" PACKAGE_VERSION "\",\n\"name\":");
  quoted (out, s->name, strlen (s->name));
  buf_puts (out, ",\n");
  put_frames (list, n, out);
  buf_puts (out, "\"profiles\":[{\"type\":\"sampled\",\"name\":");
  quoted (out, s->name, strlen (s->name));
  buf_puts (out, ",\"unit\":");
  quoted (out, s->unit, strlen (s->unit));
  buf_printf (out, ",\"startValue\":0,\"endValue\":%" PRIu64 ",\n", all);
  put_stacks (list, n, folded, len, out);
  buf_puts (out, "}]}\n");
  return 0;
}
