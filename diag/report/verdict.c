/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer, which is understood in ten seconds: what, who, since when, how
 * sure, what to do next; and of a host's incident, the guests it hit.
 */
#include "diag/incident.h"
#include "diag/report/machine.h"
#include "diag/report/report_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* How a class is meant: trouble, or nothing that is hung. */
static const char *
tone_of (const char *class_)
{
  static const char *const calm[]
      = { "none", "well", "paused", "powered-off", "probe-misconfigured",
          "console-busy", NULL };
  static const char *const doubt[] = { "unknown", "slow", "", NULL };

  for (size_t i = 0; calm[i]; i++)
    if (strcmp (class_, calm[i]) == 0)
      return "calm";
  for (size_t i = 0; doubt[i]; i++)
    if (strcmp (class_, doubt[i]) == 0)
      return "doubt";
  return "bad";
}

/* ---- how sure ---- */

static const struct
{
  const char *name, *means;
} steps[] = {
  { "low", "a suspicion: little stands behind it" },
  { "medium", "likely: more than one sign points there" },
  { "high", "a trustworthy vantage point shows it" },
  { "certain", "independent vantage points show the same" },
};

#define STEPS ARRAY_LEN (steps)

/* Whose word it rests on. */
static void
vantages (struct page *p)
{
  struct json_object *list = p->verdict ? json_get (p->verdict, "evidence")
                                        : NULL;
  unsigned n = 0;

  for (size_t i = 0; i < array_len (list) && i < 16; i++)
    {
      const char *by = str_of (json_object_array_get_idx (list, i), "source");
      bool told = !by[0];

      for (size_t k = 0; k < i && !told; k++)
        told = strcmp (str_of (json_object_array_get_idx (list, k), "source"),
                       by)
               == 0;
      if (told)
        continue;
      html (p, n++ ? ", " : "<br><small>told by ");
      html_text (p, by);
    }
  if (n)
    html (p, "</small>");
}

static void
confidence (struct page *p)
{
  const char *is = str_of (p->verdict, "confidence");
  size_t n = 0;

  for (size_t i = 0; i < STEPS; i++)
    if (strcmp (is, steps[i].name) == 0)
      n = i + 1;
  html (p, "<span class=\"sure\" aria-hidden=\"true\">");
  for (size_t i = 0; i < STEPS; i++)
    html (p, i < n ? "<i class=\"on\"></i>" : "<i></i>");
  html (p, "</span> <strong>");
  html_text (p, is[0] ? is : "not said");
  html (p, "</strong>");
  if (n)
    {
      html (p, "<br><small>");
      html (p, steps[n - 1].means);
      html (p, "</small>");
    }
  vantages (p);
}

/* ---- since when ---- */

static void
span_of (struct page *p, int64_t from, int64_t to, const char *what)
{
  if (from <= 0 || to < from)
    return;
  html (p, "<br><small>");
  html (p, what);
  html (p, " ");
  html_ms (p, to - from);
  html (p, "</small>");
}

static void
since (struct page *p)
{
  int64_t ok = json_get_int (p->incident, "last_ok_ms", 0);
  int64_t opened = json_get_int (p->incident, "opened_ms", 0);
  int64_t ended = json_get_int (p->incident, "ended_ms", 0);
  char text[40];

  html (p, "<strong>");
  if (opened > 0)
    {
      /* "2026-01-02T03:04:05.678Z", without what nobody needs here. */
      clock_format (text, sizeof text, (uint64_t) opened);
      html_printf (p, "%.10s %.8s UTC", text,
                   strlen (text) > 19 ? text + 11 : "");
    }
  else
    html (p, "not known");
  html (p, "</strong>");
  if (ok > 0)
    span_of (p, ok, opened, "last seen well before that by");
  else if (opened > 0)
    html (p, "<br><small>when it was last well is not known</small>");
  span_of (p, opened, ended, "it lasted");
  span_of (p, opened, json_get_int (p->incident, "collected_ms", 0),
           "found out within");
}

/* ---- the card ---- */

static void
row (struct page *p, const char *name, const char *value)
{
  if (!value[0])
    return;
  html_in (p, "dt", NULL, name);
  html_in (p, "dd", NULL, value);
}

static void
row_time (struct page *p, const char *name, const char *iso,
          const char *ms_key)
{
  int64_t ms = json_get_int (p->incident, ms_key, 0);

  if (ms <= 0)
    return;
  html_in (p, "dt", NULL, name);
  html (p, "<dd>");
  html_text (p, str_of (p->incident, iso));
  if (p->zero_ms && (uint64_t) ms != p->zero_ms)
    {
      html (p, " <small>");
      html_when (p, (uint64_t) ms);
      html (p, "</small>");
    }
  html (p, "</dd>");
}

static void
more (struct page *p)
{
  struct json_object *inc = json_get (p->incident, "incarnation");
  const char *end = str_of (p->incident, "end");

  html (p, "<details><summary>More of this incident</summary>"
           "<dl class=\"more\">");
  row (p, "seen by", str_of (p->incident, "scenario"));
  row (p, "its outcome", str_of (p->incident, "code"));
  row (p, "it said", str_of (p->incident, "reason"));
  /* Where nobody hangs, nothing is severe. */
  if (strcmp (str_of (p->verdict, "class"), "none") != 0)
    row (p, "severity", str_of (p->incident, "severity"));
  row_time (p, "last well", "last_ok", "last_ok_ms");
  row_time (p, "noticed", "opened", "opened_ms");
  row_time (p, "found out", "collected", "collected_ms");
  row_time (p, "ended", "ended", "ended_ms");
  if (strcmp (end, "not-ended") != 0)
    row (p, "end", end);
  row (p, "playbook", str_of (p->incident, "playbook"));
  row (p, "guest's uuid", str_of (inc, "uuid"));
  row (p, "incident", str_of (p->incident, "id"));
  row (p, "rule", str_of (p->verdict, "rule"));
  row (p, "signature", str_of (p->verdict, "signature"));
  html (p, "</dl></details>");
}

static void
line (struct page *p, const char *name, const char *value)
{
  if (!value[0])
    return;
  html (p, name);
  html_text (p, value);
  html (p, "\n");
}

static void
to_copy (struct page *p)
{
  html (p, "<details><summary>Summary to copy</summary><pre class=\"copy\">");
  line (p, "Guest:      ", str_of (p->incident, "guest"));
  line (p, "Verdict:    ", str_of (p->verdict, "class"));
  line (p, "Confidence: ", str_of (p->verdict, "confidence"));
  line (p, "What:       ", str_of (p->verdict, "sentence"));
  line (p, "Culprit:    ", str_of (p->verdict, "culprit"));
  line (p, "Next:       ", str_of (p->verdict, "next"));
  line (p, "Last well:  ", str_of (p->incident, "last_ok"));
  line (p, "Noticed:    ", str_of (p->incident, "opened"));
  line (p, "Signature:  ", str_of (p->verdict, "signature"));
  line (p, "Incident:   ", str_of (p->incident, "id"));
  html (p, "</pre></details>");
}

static void
tile (struct page *p, const char *class_, const char *name)
{
  html (p, "<div class=\"");
  html (p, class_);
  html (p, "\"><dt>");
  html (p, name);
  html (p, "</dt><dd>");
}

/* Several guests failed together: the host's own page says why. */
static void
part_of (struct page *p)
{
  const char *parent = str_of (p->incident, "parent");

  if (!parent[0])
    return;
  html (p, "<p class=\"part\">Other guests of this host failed with it: "
           "the incident of the host is ");
  html_incident (p, parent);
  html (p, "</p>");
}

static void
machine_line (struct page *p, const char *of,
              void (*words) (struct json_object *manifest, struct buf *out))
{
  CLEANUP_BUF struct buf text = BUF_INIT (TEXT_SHOWN);

  words (p->manifest, &text);
  if (!text.len)
    return;
  html (p, "<p class=\"place\"><b>");
  html (p, of);
  html (p, "</b> ");
  html_text (p, buf_str (&text));
  html (p, "</p>");
}

void
report_verdict (struct page *p)
{
  const char *class_ = str_of (p->verdict, "class");
  const char *culprit = str_of (p->verdict, "culprit");
  const char *next = str_of (p->verdict, "next");
  const char *sentence = str_of (p->verdict, "sentence");
  char brief[VERDICT_BRIEF];

  html (p, "<header class=\"card ");
  html (p, tone_of (class_));
  html (p, "\"><p class=\"who\"><span class=\"class\">");
  html_text (p, class_[0] ? class_ : "no verdict");
  html (p, "</span> <span class=\"guest\">");
  html_text (p, str_of (p->incident, "guest"));
  html (p, "</span></p><h1>");
  html_text (p, sentence[0] ? verdict_brief (sentence,
                                             sizeof ((struct verdict *) 0)
                                                 ->sentence,
                                             NULL, brief)
                            : "Nothing here says what came of it.");
  html (p, "</h1>");
  part_of (p);
  html (p, "<dl class=\"tiles\">");
  tile (p, "next", "What to do next");
  html_prose (p, next[0] ? next : "Nothing is known that would help: read "
                                  "what it said, and what could not be got.");
  html (p, "</dd></div>");
  tile (p, "culprit",
        strcmp (class_, "none") == 0 && culprit[0] ? "Was suspected" : "Who");
  if (culprit[0])
    html_in (p, "code", NULL,
             verdict_brief (culprit, sizeof ((struct verdict *) 0)->culprit,
                            str_of (p->verdict, "sentence"), brief));
  else
    html (p, "<small>nobody is named</small>");
  html (p, "</dd></div>");
  tile (p, "since", "Since");
  since (p);
  html (p, "</dd></div>");
  tile (p, "how", "How sure");
  confidence (p);
  html (p, "</dd></div></dl>");
  machine_line (p, "the guest", machine_guest);
  machine_line (p, "its host", machine_host);
  more (p);
  to_copy (p);
  html (p, "</header>\n");
}

/* ---- guests of a host's incident ---- */

void
report_children (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "children");
  size_t n = array_len (list), i = 0;

  if (!n)
    return;
  section_begin (p, "children", "The guests that it hit");
  html_printf (p, "<p>%zu guest%s failed together. Each has a bundle of its "
                  "own, with what was found in it; the links work where each "
                  "is unpacked in a folder of its incident's name beside this "
                  "one.</p>"
                  "<div class=\"wide\"><table><thead><tr><th>guest</th>"
                  "<th>is</th><th>its incident</th></tr></thead><tbody>",
               n, n == 1 ? "" : "s");
  for (; i < n && i < SHOWN_MOST && room (p); i++)
    {
      struct json_object *c = json_object_array_get_idx (list, i);

      html (p, "<tr>");
      html_in (p, "td", "guest", str_of (c, "guest"));
      html (p, "<td><span class=\"class ");
      html (p, tone_of (str_of (c, "class")));
      html (p, "\">");
      html_text (p, str_of (c, "class"));
      html (p, "</span></td><td>");
      html_incident (p, str_of (c, "incident"));
      html (p, "</td></tr>");
    }
  html (p, "</tbody></table></div>");
  if (i < n)
    html_printf (p, "<p><small>and %zu more</small></p>", n - i);
  section_end (p);
}
