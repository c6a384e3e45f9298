/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer: what it is, how sure, why; the ladder; the findings.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <string.h>

/* ---- the card ---- */

/* How a class is meant: trouble, or nothing that is hung. */
static const char *
tone_of (const char *class_)
{
  static const char *const calm[]
      = { "none", "paused", "powered-off", "probe-misconfigured",
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
confidence (struct page *p)
{
  static const char *const steps[] = { "low", "medium", "high", "certain" };
  const char *is = str_of (p->verdict, "confidence");
  size_t n = 0;

  for (size_t i = 0; i < 4; i++)
    if (strcmp (is, steps[i]) == 0)
      n = i + 1;
  html (p, "<span class=\"sure\" role=\"img\" aria-label=\"confidence ");
  html_text (p, is);
  html (p, "\">");
  for (size_t i = 0; i < 4; i++)
    html (p, i < n ? "<i class=\"on\"></i>" : "<i></i>");
  html (p, "</span> <small>confidence ");
  html_text (p, is[0] ? is : "not said");
  html (p, "</small>");
}

void
report_verdict (struct page *p)
{
  const char *class_ = str_of (p->verdict, "class");
  const char *culprit = str_of (p->verdict, "culprit");
  const char *end = str_of (p->incident, "end");

  html (p, "<header class=\"card ");
  html (p, tone_of (class_));
  html (p, "\"><p class=\"who\">");
  html_text (p, str_of (p->incident, "guest"));
  html (p, "</p><p><span class=\"class\">");
  html_text (p, class_[0] ? class_ : "no verdict");
  html (p, "</span> ");
  confidence (p);
  html (p, "</p><h1>");
  html_text (p, str_of (p->verdict, "sentence"));
  html (p, "</h1>");
  if (culprit[0])
    {
      html (p, "<p class=\"culprit\"><small>culprit</small> ");
      html_in (p, "code", NULL, culprit);
      html (p, "</p>");
    }
  if (str_of (p->verdict, "next")[0])
    {
      html (p, "<p class=\"next\"><small>next</small> ");
      html_text (p, str_of (p->verdict, "next"));
      html (p, "</p>");
    }
  html (p, "<dl>");
  row (p, "told by", str_of (p->incident, "scenario"));
  row (p, "because", str_of (p->incident, "reason"));
  row_time (p, "last well", "last_ok", "last_ok_ms");
  row_time (p, "noticed", "opened", "opened_ms");
  row_time (p, "found out", "collected", "collected_ms");
  row_time (p, "ended", "ended", "ended_ms");
  if (strcmp (end, "not-ended") != 0)
    row (p, "end", end);
  row (p, "signature", str_of (p->verdict, "signature"));
  row (p, "part of", str_of (p->incident, "parent"));
  html (p, "</dl></header>\n");
}

/* ---- the ladder ---- */

struct look_of_state
{
  const char *state, *mark;
};
static const struct look_of_state states[] = {
  { "alive", "&#10003;" },
  { "slow", "&#126;" },
  { "dead", "&#10005;" },
  { "unknown", "?" },
};

static const struct look_of_state *
state_of (const char *name)
{
  for (size_t i = 0; i < 3; i++)
    if (strcmp (states[i].state, name) == 0)
      return &states[i];
  return &states[3];
}

/* Drawn as it is climbed: the host at the foot. */
void
report_ladder (struct page *p)
{
  struct json_object *ladder = json_get (p->manifest, "ladder");
  size_t n = array_len (ladder), lowest = n;

  if (n == 0 || n > 64)
    return;
  for (size_t i = n; i > 0; i--)
    if (strcmp (str_of (json_object_array_get_idx (ladder, i - 1), "state"),
                "dead") == 0)
      lowest = i - 1;
  section_begin (p, "ladder", "How far it is alive");
  html (p, "<ol class=\"ladder\">");
  for (size_t i = n; i > 0; i--)
    {
      struct json_object *f = json_object_array_get_idx (ladder, i - 1);
      const struct look_of_state *s = state_of (str_of (f, "state"));

      html (p, "<li class=\"");
      html (p, s->state);
      html (p, i - 1 == lowest ? " here\"><b>" : "\"><b>");
      html (p, s->mark);
      html (p, "</b><div><strong>");
      html_text (p, str_of (f, "facet"));
      html (p, "</strong> <span class=\"state\">");
      html (p, s->state);
      html (p, "</span>");
      if (i - 1 == lowest)
        html (p, " <em>the lowest that is dead</em>");
      html_in (p, "p", NULL, str_of (f, "evidence"));
      html (p, "</div></li>");
    }
  html (p, "</ol>");
  section_end (p);
}

/* ---- findings and evidence ---- */

/* A place in a file, or a fact. */
static void
one_evidence (struct page *p, struct json_object *e)
{
  const char *file = str_of (e, "file");
  int64_t line = json_get_int (e, "line", 0);
  char value[200];

  html (p, "<li>");
  if (file[0])
    {
      html_file (p, file);
      if (line > 0)
        html_printf (p, " line %lld", (long long) line);
      html (p, " ");
    }
  if (str_of (e, "name")[0])
    {
      value_text (json_get (e, "value"), value, sizeof value);
      html_in (p, "code", NULL, str_of (e, "name"));
      html (p, " = ");
      html_in (p, "code", NULL, value);
      html (p, " <small>by ");
      html_text (p, str_of (e, "source"));
      html (p, "</small>");
    }
  html_text (p, str_of (e, "text"));
  html (p, "</li>");
}

static void
evidence (struct page *p, struct json_object *list)
{
  size_t n = array_len (list);

  if (n == 0)
    return;
  html (p, "<ul class=\"evidence\">");
  for (size_t i = 0; i < n && i < 32; i++)
    one_evidence (p, json_object_array_get_idx (list, i));
  html (p, "</ul>");
}

static void
one_finding (struct page *p, struct json_object *f)
{
  const char *is = str_of (f, "level");
  struct json_object *one = json_get (f, "evidence");

  html (p, "<li class=\"");
  html (p, strcmp (is, "fail") == 0   ? "fail"
           : strcmp (is, "warn") == 0 ? "warn"
                                      : "pass");
  html (p, "\"><strong>");
  html_text (p, is);
  html (p, "</strong> ");
  html_text (p, str_of (f, "says"));
  if (str_of (f, "see")[0])
    {
      html (p, " &rarr; ");
      html_file (p, str_of (f, "see"));
    }
  if (json_object_is_type (one, json_type_array))
    evidence (p, one);
  else if (one)
    {
      html (p, "<ul class=\"evidence\">");
      one_evidence (p, one);
      html (p, "</ul>");
    }
  html (p, "</li>");
}

static void
one_question (struct page *p, struct json_object *q)
{
  html (p, "<li>");
  html_in (p, "strong", NULL, str_of (q, "about"));
  html (p, " ");
  html_text (p, str_of (q, "why"));
  html (p, "</li>");
}

void
report_findings (struct page *p)
{
  struct json_object *findings = json_get (p->manifest, "findings");
  struct json_object *rests = p->verdict ? json_get (p->verdict, "evidence")
                                         : NULL;
  struct json_object *open = json_get (p->manifest, "questions");
  size_t n = array_len (findings);

  if (n + array_len (rests) + array_len (open) == 0)
    return;
  section_begin (p, "findings", "Why");
  if (array_len (rests))
    html (p, "<p>The verdict rests on:</p>");
  evidence (p, rests);
  if (n)
    html (p, "<ul class=\"findings\">");
  for (size_t i = 0; i < n && i < SHOWN_MOST; i++)
    one_finding (p, json_object_array_get_idx (findings, i));
  if (n)
    html (p, "</ul>");
  if (array_len (open))
    html (p, "<p>Not known:</p><ul>");
  for (size_t i = 0; i < array_len (open) && i < 32; i++)
    one_question (p, json_object_array_get_idx (open, i));
  if (array_len (open))
    html (p, "</ul>");
  section_end (p);
}
