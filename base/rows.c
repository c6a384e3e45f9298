/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of JSON, written as they come.
 */
#include "base/rows.h"

#include "base/buf.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATHER (64u << 10)
#define ROWS_MAX (256u << 20)

struct rows
{
  rows_fn *fn;
  void *arg;
  uint64_t max, said, dropped;
  struct buf out;    /* whole lines, then the one that is being made */
  size_t whole;      /* so much of it is whole */
  unsigned depth;    /* of the present row; 0 = none is begun */
  bool first, failed;
};

struct rows *
rows_new (rows_fn *fn, void *arg, uint64_t max)
{
  struct rows *r = calloc (1, sizeof *r);

  if (r == NULL)
    return NULL;
  r->fn = fn;
  r->arg = arg;
  r->max = max ? max : ROWS_MAX;
  r->out = (struct buf) BUF_INIT (GATHER + ROWS_MAX_ROW);
  return r;
}

void
rows_free (struct rows *r)
{
  if (r == NULL)
    return;
  buf_done (&r->out);
  free (r);
}

int
rows_flush (struct rows *r)
{
  size_t rest = r->out.len - r->whole;

  if (r->whole > 0 && !r->failed
      && r->fn (buf_str (&r->out), r->whole, r->arg) < 0)
    r->failed = true;
  if (rest > 0)
    memmove (r->out.data, r->out.data + r->whole, rest);
  r->out.len = rest;
  r->whole = 0;
  return r->failed ? -1 : 0;
}

bool
rows_failed (const struct rows *r)
{
  return r->failed;
}

uint64_t
rows_dropped (const struct rows *r)
{
  return r->dropped;
}

uint64_t
rows_left (const struct rows *r)
{
  return r->max - r->said;
}

/* ---- one row ---- */

static void
comma (struct rows *r, const char *name)
{
  if (r->depth == 0)
    r->failed = true;
  if (!r->first)
    buf_putc (&r->out, ',');
  r->first = false;
  if (name)
    {
      buf_putc (&r->out, '"');
      buf_puts (&r->out, name);
      buf_puts (&r->out, "\":");
    }
}

static void
open_one (struct rows *r, char c)
{
  buf_putc (&r->out, c);
  r->first = true;
  r->depth++;
}

static void
close_one (struct rows *r, char c)
{
  if (r->depth < 2)
    r->failed = true;
  else
    r->depth--;
  buf_putc (&r->out, c);
  r->first = false;
}

void
rows_begin (struct rows *r, const char *kind)
{
  if (r->depth != 0)
    r->failed = true;
  r->depth = 0;
  open_one (r, '{');
  rows_str (r, "row", kind);
}

/* A row that is too long, or one too many, is as if it had not been. */
void
rows_end (struct rows *r)
{
  size_t len;

  if (r->depth != 1)
    r->failed = true;
  r->depth = 0;
  buf_puts (&r->out, "}\n");
  len = r->out.len - r->whole;
  if (r->out.cut || len > ROWS_MAX_ROW || r->failed || len > r->max - r->said)
    {
      r->dropped++;
      r->out.len = r->whole;
      r->out.cut = false;
      return;
    }
  r->said += len;
  r->whole = r->out.len;
  if (r->whole >= GATHER)
    (void) rows_flush (r);
}

void
rows_int (struct rows *r, const char *name, int64_t v)
{
  comma (r, name);
  buf_printf (&r->out, "%" PRId64, v);
}

void
rows_uint (struct rows *r, const char *name, uint64_t v)
{
  comma (r, name);
  buf_printf (&r->out, "%" PRIu64, v);
}

void
rows_real (struct rows *r, const char *name, double v, int digits)
{
  comma (r, name);
  /* JSON has no word for what is no number. */
  if (v != v || v > 1e300 || v < -1e300)
    buf_puts (&r->out, "null");
  else
    buf_printf (&r->out, "%.*f", digits, v);
}

void
rows_hex (struct rows *r, const char *name, uint64_t v)
{
  comma (r, name);
  buf_printf (&r->out, "\"0x%" PRIx64 "\"", v);
}

void
rows_bool (struct rows *r, const char *name, bool v)
{
  comma (r, name);
  buf_puts (&r->out, v ? "true" : "false");
}

static void
put_json (struct buf *out, const char *s, size_t len)
{
  size_t from = 0;

  buf_putc (out, '"');
  for (size_t i = 0; i < len; i++)
    {
      const char *as = s[i] == '"'    ? "\\\""
                       : s[i] == '\\' ? "\\\\"
                       : s[i] == '\n' ? "\\n"
                       : s[i] == '\t' ? "\\t"
                                      : NULL;

      if (as == NULL)
        continue;
      buf_append (out, s + from, i - from);
      buf_puts (out, as);
      from = i + 1;
    }
  buf_append (out, s + from, len - from);
  buf_putc (out, '"');
}

static bool
is_plain (const char *s, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\')
      return false;
  return true;
}

void
rows_text (struct rows *r, const char *name, const void *text, size_t len)
{
  struct buf safe;

  comma (r, name);
  /* Nearly all there is. */
  if (is_plain (text, len))
    {
      buf_putc (&r->out, '"');
      buf_append (&r->out, text, len);
      buf_putc (&r->out, '"');
      return;
    }
  if (len > ROWS_MAX_ROW / 4)
    len = ROWS_MAX_ROW / 4;
  safe = (struct buf) BUF_INIT (4 * len + 1);
  text_escape (&safe, text, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  put_json (&r->out, buf_str (&safe), safe.len);
  buf_done (&safe);
}

void
rows_str (struct rows *r, const char *name, const char *text)
{
  if (text)
    rows_text (r, name, text, strlen (text));
}

void
rows_array (struct rows *r, const char *name)
{
  comma (r, name);
  open_one (r, '[');
}

void
rows_array_end (struct rows *r)
{
  close_one (r, ']');
}

void
rows_object (struct rows *r, const char *name)
{
  comma (r, name);
  open_one (r, '{');
}

void
rows_object_end (struct rows *r)
{
  close_one (r, '}');
}
