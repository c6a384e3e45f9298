/* SPDX-License-Identifier: Apache-2.0
 *
 * What was done to find out: who collected, what it did to the guest, what is
 * not there and why; the facts, and the files.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"
#include "diag/facts.h"

#include <string.h>

/* When it ran, of the time that all of it took. */
static void
bar (struct page *p, struct json_object *c, int64_t all)
{
  int64_t at = json_get_int (c, "began_ms", -1);
  int64_t took = json_get_int (c, "took_ms", 0);

  if (at < 0 || took < 0 || all <= 0 || at > all || took > all)
    return;
  html_printf (p,
               "<svg width=\"100%%\" height=\"12\" aria-hidden=\"true\">"
               "<rect class=\"%s\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"1\" "
               "height=\"10\" rx=\"3\"/></svg>",
               json_get_bool (c, "ok", false)
                       || json_get_bool (c, "none", false)
                   ? "got"
                   : "notgot",
               100.0 * (double) at / (double) all,
               took * 100 < all ? 1.0 : 100.0 * (double) took / (double) all);
}

static bool
has_gap (struct page *p, const char *collector)
{
  struct json_object *gaps = json_get (p->manifest, "gaps");

  for (size_t i = 0; i < array_len (gaps); i++)
    if (strcmp (str_of (json_object_array_get_idx (gaps, i), "collector"),
                collector)
        == 0)
      return true;
  return false;
}

static void
one_collector (struct page *p, struct json_object *c, int64_t all)
{
  const char *failure = str_of (c, "failure");

  html (p, "<tr>");
  html_in (p, "td", NULL, str_of (c, "name"));
  html (p, "<td class=\"bar\">");
  bar (p, c, all);
  html (p, "</td><td class=\"num\">");
  html_ms (p, json_get_int (c, "took_ms", 0));
  html (p, "</td><td>");
  if (json_get_bool (c, "ok", false))
    html (p, has_gap (p, str_of (c, "name"))
                 ? "&#10003; got, <a href=\"#gaps\">but not all</a>"
                 : "&#10003; got");
  else if (json_get_bool (c, "none", false))
    html_in (p, "small", NULL, failure);
  else
    html_in (p, "span", "fail", failure[0] ? failure : "failed");
  html (p, "</td></tr>");
}

/* Those that were not to be done, by the condition that did not hold. */
static void
skipped (struct page *p, struct json_object *list)
{
  size_t n = array_len (list) < SHOWN_MOST ? array_len (list) : SHOWN_MOST;
  bool any = false;

  for (size_t i = 0; i < n && room (p); i++)
    {
      const char *why
          = str_of (json_object_array_get_idx (list, i), "skipped");
      bool told = !why[0];

      for (size_t k = 0; k < i && !told; k++)
        told = strcmp (str_of (json_object_array_get_idx (list, k),
                               "skipped"), why) == 0;
      if (told)
        continue;
      html (p, any ? "<li>" : "<h3>Not done, as there was no reason or no "
                              "way</h3><ul><li>");
      any = true;
      for (size_t k = i; k < n; k++)
        {
          struct json_object *c = json_object_array_get_idx (list, k);

          if (strcmp (str_of (c, "skipped"), why) != 0)
            continue;
          html (p, k > i ? ", " : "");
          html_in (p, "strong", NULL, str_of (c, "name"));
        }
      html (p, ": it is not so that ");
      html_in (p, "code", NULL, why);
      html (p, "</li>");
    }
  if (any)
    html (p, "</ul>");
}

static void
collectors (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "collectors");
  int64_t all = json_get_int (p->manifest, "took_ms", 0);

  if (array_len (list) == 0)
    return;
  for (size_t i = 0; i < array_len (list) && i < SHOWN_MOST; i++)
    {
      struct json_object *c = json_object_array_get_idx (list, i);
      int64_t at = json_get_int (c, "began_ms", 0);
      int64_t took = json_get_int (c, "took_ms", 0);

      if (at >= 0 && took >= 0 && at < 1000000000 && took < 1000000000
          && at + took > all)
        all = at + took;
    }
  html (p, "<div class=\"wide\"><table class=\"collectors\"><thead><tr>"
           "<th>who</th><th>when</th><th>took</th><th>end</th></tr></thead>"
           "<tbody>");
  for (size_t i = 0; i < array_len (list) && i < SHOWN_MOST && room (p); i++)
    if (!str_of (json_object_array_get_idx (list, i), "skipped")[0])
      one_collector (p, json_object_array_get_idx (list, i), all);
  html (p, "</tbody></table></div>");
  if (json_get_int (p->manifest, "took_ms", 0) > 0)
    {
      html (p, "<p><small>in all ");
      html_ms (p, json_get_int (p->manifest, "took_ms", 0));
      html (p, "</small></p>");
    }
  skipped (p, list);
}

/* The first that a guest's owner asks. */
static void
stood (struct page *p)
{
  int64_t ms = json_get_int (p->manifest, "vm_paused_ms", -1);

  if (ms == 0)
    html (p, "<p>It was not stopped for any of it.</p>");
  if (ms <= 0)
    return;
  html (p, "<p>It was stopped for it, <strong>");
  html_ms (p, ms);
  html (p, "</strong> at most in all.</p>");
}

static void
impact (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "impact");
  size_t n = array_len (list);

  html (p, "<h3>Done to the guest</h3>");
  if (n == 0)
    {
      html (p, "<p>Nothing.</p>");
      return;
    }
  html (p, "<ul>");
  for (size_t i = 0; i < n && i < SHOWN_MOST && room (p); i++)
    {
      struct json_object *a = json_object_array_get_idx (list, i);

      html (p, "<li>");
      html_text (p, str_of (a, "what"));
      html (p, " <small>");
      html_text (p, str_of (a, "collector"));
      if (json_get_int (a, "wall_ms", 0) > 0)
        {
          html (p, ", ");
          html_when (p, (uint64_t) json_get_int (a, "wall_ms", 0));
        }
      html (p, "</small></li>");
    }
  html (p, "</ul>");
  stood (p);
}

static void
gap_rows (struct page *p, struct json_object *list)
{
  for (size_t i = 0; i < array_len (list) && i < SHOWN_MOST && room (p); i++)
    {
      struct json_object *g = json_object_array_get_idx (list, i);

      html (p, "<tr><td>");
      html_text (p, str_of (g, "collector"));
      html (p, "</td><td>");
      html_in (p, "code", NULL,
               str_of (g, "what")[0] ? str_of (g, "what")
                                     : str_of (g, "path"));
      html (p, "</td><td>");
      html_text (p, str_of (g, "why"));
      html (p, "</td></tr>");
    }
}

void
report_work (struct page *p)
{
  struct json_object *gaps = json_get (p->manifest, "gaps");
  struct json_object *missing = json_get (p->manifest, "missing");
  const char *stopped = str_of (p->manifest, "stopped");

  if (array_len (json_get (p->manifest, "children"))
      && !array_len (json_get (p->manifest, "collectors")))
    return;
  section_begin (p, "work", "How it was found out");
  if (stopped[0])
    {
      html (p, "<p class=\"fail\">The diagnosis did not come to its end: ");
      html_text (p, stopped);
      html (p, "</p>");
    }
  collectors (p);
  impact (p);
  if (array_len (gaps) + array_len (missing))
    {
      html (p, "<h3 id=\"gaps\">Not there, and why</h3><div class=\"wide\">"
               "<table class=\"gaps\"><thead><tr><th>who</th><th>what</th>"
               "<th>why</th></tr></thead>"
               "<tbody>");
      gap_rows (p, gaps);
      gap_rows (p, missing);
      html (p, "</tbody></table></div>");
    }
  section_end (p);
}

void
report_facts (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "facts");
  size_t n = array_len (list);
  char value[200];

  if (n == 0)
    return;
  section_begin (p, "facts", "Facts");
  html_printf (p, "<details><summary>%zu facts, by which it was judged"
                  "</summary><div class=\"wide\"><table><thead><tr>"
                  "<th>fact</th><th>value</th><th>by</th><th>what it is</th>"
                  "</tr></thead><tbody>",
               n);
  for (size_t i = 0; i < n && i < 1024 && room (p); i++)
    {
      struct json_object *f = json_object_array_get_idx (list, i);
      const struct fact_kind *k = fact_kind_find (str_of (f, "name"));

      value_text (json_get (f, "value"), value, sizeof value);
      html (p, "<tr><td>");
      html_in (p, "code", NULL, str_of (f, "name"));
      html (p, "</td><td>");
      html_value (p, str_of (f, "name"), value);
      html (p, "</td><td>");
      html_text (p, str_of (f, "source"));
      if (json_get_int (f, "sample", 0) > 0)
        html_printf (p, " <small>%lld</small>",
                     (long long) json_get_int (f, "sample", 0));
      html (p, "</td><td><small>");
      html_text (p, k ? k->help : "");
      html (p, "</small></td></tr>");
    }
  html (p, "</tbody></table></div></details>");
  section_end (p);
}

struct files
{
  struct page *page;
  unsigned n;
};

static void
on_file (const char *name, size_t size, void *arg)
{
  struct files *f = arg;
  struct page *p = f->page;

  if (f->n++ >= 512 || !room (p))
    return;
  html (p, "<tr><td>");
  html_file (p, name);
  html (p, "</td><td class=\"num\">");
  html_bytes_of (p, size);
  html (p, "</td></tr>");
}

/* Not in it: on the host that it was made on. */
static void
beside (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "attachments");
  size_t n = json_object_is_type (list, json_type_array)
                 ? json_object_array_length (list) : 0;

  if (n == 0)
    return;
  html (p, "<p>Beside the bundle, on its host:</p><table><tbody>");
  for (size_t i = 0; i < n && i < 64 && room (p); i++)
    {
      struct json_object *a = json_object_array_get_idx (list, i);

      html (p, "<tr><td>");
      html_in (p, "code", NULL, str_of (a, "path"));
      html (p, "</td><td class=\"num\">");
      html_bytes_of (p, (uint64_t) json_get_int (a, "bytes", 0));
      html (p, "</td><td>sent: ");
      html_text (p, str_of (a, "send"));
      html (p, "</td></tr>");
    }
  html (p, "</tbody></table>");
}

void
report_files (struct page *p)
{
  struct files f = { .page = p };

  section_begin (p, "files", "Files");
  html (p, "<p>Links work where the bundle is unpacked.</p><details><summary>"
           "all files</summary><table><tbody>");
  p->source->each (p->source, on_file, &f);
  html (p, "</tbody></table></details>");
  beside (p);
  section_end (p);
}
