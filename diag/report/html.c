/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of a page: everything that is not our own markup is escaped twice,
 * for people (base/text.h) and for HTML.
 */
#include "diag/report/report_impl.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "diag/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
html (struct page *p, const char *markup)
{
  buf_puts (p->out, markup);
}

void
html_printf (struct page *p, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  buf_vprintf (p->out, fmt, ap);
  va_end (ap);
}

static void
put_char (struct buf *out, char c)
{
  switch (c)
    {
    case '&':
      buf_puts (out, "&amp;");
      break;
    case '<':
      buf_puts (out, "&lt;");
      break;
    case '>':
      buf_puts (out, "&gt;");
      break;
    case '"':
      buf_puts (out, "&quot;");
      break;
    case '\'':
      buf_puts (out, "&#39;");
      break;
    default:
      buf_putc (out, c);
    }
}

void
html_bytes (struct page *p, const char *s, size_t len)
{
  CLEANUP_BUF struct buf text = BUF_INIT (4 * (len < ROW_MAX ? len : ROW_MAX));
  size_t from = 0;

  text_escape (&text, s, len < ROW_MAX ? len : ROW_MAX, TEXT_KEEP_TAB);
  /* Runs of harmless bytes at once: a page is megabytes of them. */
  for (size_t i = 0; i <= text.len; i++)
    if (i == text.len || strchr ("&<>\"'", text.data[i]))
      {
        if (i > from)
          buf_append (p->out, text.data + from, i - from);
        if (i < text.len)
          put_char (p->out, text.data[i]);
        from = i + 1;
      }
}

void
html_text (struct page *p, const char *s)
{
  size_t len = s ? strlen (s) : 0;

  if (!s)
    return;
  html_bytes (p, s, len < TEXT_SHOWN ? len : TEXT_SHOWN);
  if (len > TEXT_SHOWN)
    html (p, "&hellip;");
}

bool
room (const struct page *p)
{
  return p->out->len + 8u * TEXT_SHOWN + 512 < p->out->max;
}

void
html_in (struct page *p, const char *tag, const char *class_, const char *s)
{
  html (p, "<");
  html (p, tag);
  if (class_)
    {
      html (p, " class=\"");
      html (p, class_);
      html (p, "\"");
    }
  html (p, ">");
  html_text (p, s);
  html (p, "</");
  html (p, tag);
  html (p, ">");
}

/* Only of our own making: what else a name holds is no address. */
static bool
is_plain (const char *name)
{
  return name[0]
         && strspn (name, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")
                == strlen (name)
         && name[0] != '/' && name[0] != '.' && !strstr (name, "..")
         && !strstr (name, "//");
}

void
html_file (struct page *p, const char *name)
{
  if (!is_plain (name))
    {
      html_in (p, "code", NULL, name);
      return;
    }
  html (p, "<a href=\"");
  html (p, name);
  html (p, "\"><code>");
  html (p, name);
  html (p, "</code></a>");
}

void
section_begin (struct page *p, const char *id, const char *title)
{
  html (p, "<section id=\"");
  html (p, id);
  html (p, "\"><h2>");
  html (p, title);
  html (p, "</h2>\n");
}

void
section_end (struct page *p)
{
  html (p, "</section>\n");
}

void
html_ms (struct page *p, int64_t ms)
{
  if (ms < 0)
    ms = 0;
  if (ms < 1000)
    html_printf (p, "%" PRId64 " ms", ms);
  else if (ms < 120 * 1000)
    html_printf (p, "%.1f s", (double) ms / 1000);
  else if (ms < 2 * 3600 * 1000)
    html_printf (p, "%" PRId64 " min %" PRId64 " s", ms / 60000,
                 ms / 1000 % 60);
  else
    html_printf (p, "%" PRId64 " h %" PRId64 " min", ms / 3600000,
                 ms / 60000 % 60);
}

void
html_bytes_of (struct page *p, uint64_t n)
{
  if (n < 1024)
    html_printf (p, "%" PRIu64 " B", n);
  else if (n < 1024 * 1024)
    html_printf (p, "%.1f KiB", (double) n / 1024);
  else
    html_printf (p, "%.1f MiB", (double) n / (1024 * 1024));
}

void
html_when (struct page *p, uint64_t wall_ms)
{
  char text[32];

  clock_format (text, sizeof text, wall_ms);
  html (p, "<time title=\"");
  html (p, text);
  html (p, "\">");
  if (!p->zero_ms)
    html (p, text);
  else if (wall_ms == p->zero_ms)
    html (p, "0");
  else if (wall_ms >= p->zero_ms)
    {
      html (p, "+");
      html_ms (p, (int64_t) (wall_ms - p->zero_ms));
    }
  else
    {
      html (p, "&minus;");
      html_ms (p, (int64_t) (p->zero_ms - wall_ms));
    }
  html (p, "</time>");
}

const char *
str_of (struct json_object *obj, const char *key)
{
  const char *s = obj ? json_object_get_string (
                            json_object_object_get (obj, key))
                      : NULL;

  return s ? s : "";
}

size_t
array_len (struct json_object *array)
{
  return json_object_is_type (array, json_type_array)
             ? json_object_array_length (array)
             : 0;
}

void
value_text (struct json_object *value, char *dst, size_t n)
{
  switch (json_object_get_type (value))
    {
    case json_type_null:
      snprintf (dst, n, "%s", "");
      break;
    case json_type_boolean:
      snprintf (dst, n, "%s", json_object_get_boolean (value) ? "yes" : "no");
      break;
    case json_type_double:
      snprintf (dst, n, "%.4g", json_object_get_double (value));
      break;
    default:
      snprintf (dst, n, "%s", json_object_get_string (value));
    }
}

void
html_fact (struct page *p, const char *name)
{
  const struct fact_kind *k = fact_kind_find (name);

  html (p, "<code");
  if (k)
    {
      html (p, " title=\"");
      html_text (p, k->help);
      html (p, "\"");
    }
  html (p, ">");
  html_text (p, name);
  html (p, "</code>");
}

/* A share of one is told in percent: so people read it. */
void
html_value (struct page *p, const char *name, const char *value)
{
  const struct fact_kind *k = fact_kind_find (name);
  bool number = k && (k->type == FACT_INT || k->type == FACT_REAL);
  char *end;
  double v = strtod (value, &end);

  if (number && strcmp (k->unit, "of 1") == 0 && end != value && !*end)
    html_printf (p, "%.3g %%", 100 * v);
  else
    {
      html_text (p, value);
      if (number && k->unit[0])
        html (p, " ");
      /* "1 task", and "1 s". */
      if (number)
        html_bytes (p, k->unit,
                    strlen (k->unit)
                        - (strcmp (value, "1") == 0
                           && strcmp (k->unit, "tasks") == 0));
    }
}

void
html_incident (struct page *p, const char *id)
{
  bool plain = strlen (id) == 36
               && strspn (id, "0123456789abcdefABCDEF-") == 36;

  if (plain)
    html_printf (p, "<a href=\"../%.36s/index.html\">", id);
  html_in (p, "code", NULL, id);
  if (plain)
    html (p, "</a>");
}

/* As clock_format() writes it. */
int
iso_ms (const char *text, uint64_t *ret)
{
  struct tm tm = { .tm_isdst = 0 };
  unsigned ms = 0;
  const char *end = strptime (text, "%Y-%m-%dT%H:%M:%S", &tm);
  time_t t = end ? timegm (&tm) : -1;

  if (t < 0)
    return -1;
  if (*end == '.')
    sscanf (end, ".%3u", &ms);
  *ret = (uint64_t) t * 1000 + ms;
  return 0;
}
