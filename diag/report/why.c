/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: what the verdict rests on, what else was found, and what is not known.
 * Evidence leads to the line that it was read from.
 */
#include "diag/facts.h"
#include "diag/incident.h"
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <string.h>

#define EVIDENCE_MOST 32
#define QUESTIONS_MOST 64

static void
where (struct page *p, struct json_object *e, const char *name,
       const char *value)
{
  int64_t line = json_get_int (e, "line", 0);
  unsigned at = line > 0 && line < 100000000 ? (unsigned) line : 0;
  const char *file = str_of (e, "file"), *source = str_of (e, "source");

  if (!file[0] && name[0] && strcmp (source, "diagnosis") == 0)
    html (p, " <a class=\"at\" href=\"#work\">how it was found out</a>");
  else if (file[0]
           || (name[0]
               && place_of_fact (p, source, name, value, &file, &at)))
    {
      html (p, " ");
      html_place (p, file, at);
    }
}

static bool
is_same (struct json_object *a, struct json_object *b)
{
  return str_of (a, "name")[0]
         && strcmp (str_of (a, "name"), str_of (b, "name")) == 0
         && json_object_equal (json_get (a, "value"), json_get (b, "value"));
}

/* Where no sentence beside it says it: what its name means.  A value of
 * several words is one. */
static void
meaning (struct page *p, const char *name, const char *value)
{
  const struct fact_kind *k = fact_kind_find (name);

  if (k && !strchr (value, ' '))
    html_in (p, "small", "means", k->help);
}

/* A place in a file, or a fact and where it stands: whoever says it. */
static void
one_evidence (struct page *p, struct json_object *list, size_t i, bool alone)
{
  struct json_object *e = json_object_array_get_idx (list, i);
  const char *name = str_of (e, "name");
  char value[TEXT_SHOWN];
  size_t n = array_len (list);

  for (size_t k = 0; k < i; k++)
    if (is_same (json_object_array_get_idx (list, k), e))
      return;
  html (p, "<li>");
  value_text (json_get (e, "value"), value, sizeof value);
  if (name[0])
    {
      html_fact (p, name);
      html (p, " = <code>");
      html_value (p, name, value);
      /* One that fills its place was cut. */
      if (strlen (value) + 1 == sizeof ((struct verdict_fact *) 0)->value)
        html (p, "...");
      html (p, "</code> <small>by ");
      html_text (p, str_of (e, "source"));
      html (p, "</small> ");
    }
  html_text (p, str_of (e, "text"));
  where (p, e, name, value);
  for (size_t k = i + 1; k < n && k < EVIDENCE_MOST; k++)
    if (is_same (json_object_array_get_idx (list, k), e))
      {
        e = json_object_array_get_idx (list, k);
        html (p, "<small>, and by ");
        html_text (p, str_of (e, "source"));
        html (p, "</small> ");
        where (p, e, name, value);
      }
  if (alone)
    meaning (p, name, value);
  html (p, "</li>");
}

static void
evidence (struct page *p, struct json_object *list, bool alone)
{
  size_t n = array_len (list);

  if (n == 0)
    return;
  html (p, "<ul class=\"evidence\">");
  for (size_t i = 0; i < n && i < EVIDENCE_MOST && room (p); i++)
    one_evidence (p, list, i, alone);
  html (p, "</ul>");
}

static const char *
level_of (struct json_object *f)
{
  const char *is = str_of (f, "level");

  return strcmp (is, "fail") == 0 ? "fail" : strcmp (is, "warn") == 0 ? "warn"
                                                                       : "pass";
}

static void
one_finding (struct page *p, struct json_object *f)
{
  struct json_object *one = json_get (f, "evidence");
  const char *level = level_of (f);

  html (p, "<li class=\"");
  html (p, level);
  html (p, "\"><strong>");
  html (p, level);
  html (p, "</strong> ");
  html_text (p, str_of (f, "says"));
  if (str_of (f, "see")[0])
    {
      html (p, " &rarr; ");
      html_prose (p, str_of (f, "see"));
    }
  if (json_object_is_type (one, json_type_array))
    evidence (p, one, false);
  else if (one)
    {
      struct json_object *list CLEANUP_JSON = json_object_new_array ();

      json_object_array_add (list, json_object_get (one));
      evidence (p, list, false);
    }
  html (p, "</li>");
}

/* Those of one level; returns how many there are. */
static size_t
findings_of (struct page *p, struct json_object *list, const char *level)
{
  size_t n = array_len (list), all = 0, shown = 0;

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *f = json_object_array_get_idx (list, i);

      if (strcmp (level_of (f), level) != 0)
        continue;
      if (!all++)
        html (p, "<ul class=\"findings\">");
      if (shown < SHOWN_MOST && room (p))
        {
          one_finding (p, f);
          shown++;
        }
    }
  if (all)
    html (p, "</ul>");
  if (shown < all)
    html_printf (p, "<p><small>and %zu more, in manifest.json</small></p>",
                 all - shown);
  return all;
}

/* What is well is said, too: it is what was ruled out. */
static void
findings (struct page *p, struct json_object *list)
{
  bool any = false;

  findings_of (p, list, "fail");
  findings_of (p, list, "warn");
  for (size_t i = 0; i < array_len (list) && !any; i++)
    any = strcmp (level_of (json_object_array_get_idx (list, i)), "pass") == 0;
  if (!any)
    return;
  html (p, "<h3>Ruled out</h3>");
  findings_of (p, list, "pass");
}

/* The i-th question or the next one behind it that is shown: "not there, and
 * why" tells the others. */
static size_t
next_question (struct page *p, struct json_object *open, size_t i)
{
  size_t n = array_len (open);

  for (; i < n && i < QUESTIONS_MOST; i++)
    {
      struct json_object *q = json_object_array_get_idx (open, i);

      if (!verdict_gap_says (json_get (p->manifest, "gaps"),
                             str_of (q, "about"), str_of (q, "why")))
        return i;
    }
  return QUESTIONS_MOST;
}

/* What is not known for one reason is told at once. */
static void
questions (struct page *p, struct json_object *open)
{
  const char *before = NULL;
  size_t next;

  if (array_len (open) == 0)
    return;
  html (p, "<h3>Not known, and why</h3><ul>");
  for (size_t i = next_question (p, open, 0); i < QUESTIONS_MOST; i = next)
    {
      struct json_object *q = json_object_array_get_idx (open, i);
      const char *why = str_of (q, "why");
      bool more;

      next = next_question (p, open, i + 1);
      more = next < QUESTIONS_MOST && room (p)
             && strcmp (str_of (json_object_array_get_idx (open, next), "why"),
                        why)
                    == 0;
      html (p, before && strcmp (before, why) == 0 ? ", " : "<li>");
      html_in (p, "strong", NULL, str_of (q, "about"));
      before = why;
      if (more)
        continue;
      html (p, ": ");
      html_text (p, why);
      html (p, "</li>");
      if (!room (p))
        break;
    }
  html (p, "</ul>");
}

/* Of what a check saw alone. */
static void
the_check (struct page *p)
{
  const char *reason = str_of (p->incident, "reason"), *file;
  unsigned line;

  if (!reason[0])
    return;
  html (p, "<p>The verdict rests on what the check ");
  html_in (p, "code", NULL, str_of (p->incident, "scenario"));
  html (p, " said: ");
  html_text (p, reason);
  html (p, " ");
  if (place_of_fact (p, "scenario", "probe", "", &file, &line))
    html_place (p, file, line);
  html (p, "</p>");
}

void
report_findings (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "findings");
  struct json_object *rests = p->verdict ? json_get (p->verdict, "evidence")
                                         : NULL;
  struct json_object *open = json_get (p->manifest, "questions");

  if (array_len (list) + array_len (rests) + array_len (open) == 0
      && !str_of (p->incident, "reason")[0])
    return;
  section_begin (p, "findings", "Why");
  if (array_len (rests))
    html (p, "<p>The verdict rests on:</p>");
  else
    the_check (p);
  evidence (p, rests, true);
  findings (p, list);
  questions (p, open);
  section_end (p);
}
