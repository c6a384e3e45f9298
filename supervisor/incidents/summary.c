/* SPDX-License-Identifier: Apache-2.0
 *
 * The short text of an incident.
 */
#include "supervisor/incidents/summary.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "base/units.h"
#include "diag/report/machine.h"

#include <string.h>

#define WIDTH 78

/* Escapes and wraps at spaces; what follows the first line stands under the
 * text of it. */
static void
wrapped_at (struct buf *out, unsigned indent, const char *text)
{
  struct buf safe = BUF_INIT (4096);
  size_t room = WIDTH - indent, n;
  const char *p, *cut;

  text_escape (&safe, text, strlen (text), 0);
  p = buf_str (&safe);
  while ((n = strlen (p)) > room)
    {
      cut = p + room;
      while (cut > p && *cut != ' ')
        cut--;
      if (cut == p)
        cut = p + room;
      buf_append (out, p, (size_t) (cut - p));
      buf_printf (out, "\n%*s", (int) indent, "");
      p = *cut == ' ' ? cut + 1 : cut;
    }
  buf_puts (out, p);
  buf_putc (out, '\n');
  buf_done (&safe);
}

static void
wrapped (struct buf *out, const char *label, const char *text)
{
  buf_printf (out, "%-12s", label);
  wrapped_at (out, 12, text);
}

/* "  - a: b" */
static void
item (struct buf *out, const char *a, const char *b)
{
  CLEANUP_BUF struct buf text = BUF_INIT (4096);

  buf_puts (&text, a);
  if (b)
    {
      buf_puts (&text, ": ");
      buf_puts (&text, b);
    }
  buf_puts (out, "  - ");
  wrapped_at (out, 4, buf_str (&text));
}

static void
when (struct buf *out, const char *label, uint64_t wall_ms)
{
  char text[40];

  if (wall_ms)
    buf_printf (out, "%-12s%s\n", label,
                clock_format (text, sizeof (text), wall_ms));
}

static void
facets (struct json_object *head, struct buf *out)
{
  struct json_object *ladder = json_get (head, "ladder");

  if (!json_object_is_type (ladder, json_type_array))
    return;
  buf_puts (out, "\nLadder (lowest rung first):\n");
  for (size_t i = 0; i < json_object_array_length (ladder); i++)
    {
      struct json_object *o = json_object_array_get_idx (ladder, i);
      const char *name = json_get_str (o, "facet");
      const char *state = json_get_str (o, "state");
      const char *evidence = json_get_str (o, "evidence");

      buf_printf (out, "  %-14s %-8s ", name ? name : "?",
                  state ? state : "unknown");
      wrapped_at (out, 26, evidence ? evidence : "");
    }
}

static void
rests_on (const struct verdict *v, struct buf *out)
{
  if (v->nfacts)
    buf_puts (out, "\nEvidence:\n");
  for (unsigned i = 0; i < v->nfacts; i++)
    {
      const struct verdict_fact *f = &v->facts[i];
      CLEANUP_BUF struct buf text = BUF_INIT (4096);
      char value[VERDICT_BRIEF];

      buf_printf (&text, "%s %s", f->name,
                  verdict_brief (f->value, sizeof f->value, v->sentence,
                                 value));
      item (out, f->source, buf_str (&text));
    }
}

#define CHILDREN_MOST 8

/* Of a host's: the guests that it hit, and what each of them shows. */
static void
tell_children (struct json_object *list, struct buf *out)
{
  size_t n = json_count (list);
  char text[300];

  for (size_t i = 0; i < n && i < CHILDREN_MOST; i++)
    {
      struct json_object *o = json_object_array_get_idx (list, i);
      const char *guest = json_get_str (o, "guest");
      const char *class_ = json_get_str (o, "class");
      const char *id = json_get_str (o, "incident");

      snprintf (text, sizeof (text), "%.100s: %.40s (incident %.40s)",
                guest ? guest : "", class_ ? class_ : "", id ? id : "");
      wrapped (out, i ? "" : "It hit", text);
    }
  if (n > CHILDREN_MOST)
    {
      snprintf (text, sizeof (text), "and %zu more", n - CHILDREN_MOST);
      wrapped (out, "", text);
    }
}

static void
machine (struct json_object *head, struct buf *out)
{
  CLEANUP_BUF struct buf text = BUF_INIT (1024);

  machine_guest (head, &text);
  if (text.len)
    wrapped (out, "Machine", buf_str (&text));
}

static void
list (struct json_object *head, const char *key, const char *title,
      const char *a, const char *b, struct buf *out)
{
  struct json_object *l = json_get (head, key);

  if (!json_object_is_type (l, json_type_array)
      || json_object_array_length (l) == 0)
    return;
  buf_printf (out, "\n%s:\n", title);
  for (size_t i = 0; i < json_object_array_length (l); i++)
    {
      struct json_object *o = json_object_array_get_idx (l, i);
      const char *x = json_get_str (o, a), *y = b ? json_get_str (o, b) : NULL;

      item (out, x ? x : "", y);
    }
}

static void
impact (struct json_object *head, struct buf *out)
{
  int64_t stood = json_get_int (head, "vm_paused_ms", -1);
  char title[120], text[32];

  units_format_duration (text, sizeof text, stood > 0 ? (uint64_t) stood : 0);
  snprintf (title, sizeof title, "What was done to the guest%s%s%s",
            stood < 0    ? ""
            : stood == 0 ? " (it was not stopped for it"
                         : " (it was stopped for it, at most ",
            stood > 0 ? text : "", stood < 0 ? "" : ")");
  list (head, "impact", title, "collector", "what", out);
}

/* Too large for the bundle, or nobody else's business. */
static void
beside (struct json_object *head, struct buf *out)
{
  struct json_object *l = json_get (head, "attachments");
  size_t n = json_count (l);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *o = json_object_array_get_idx (l, i);
      const char *path = json_get_str (o, "path");
      const char *send = json_get_str (o, "send");
      char size[32], text[128];

      if (i == 0)
        buf_puts (out, "\nBeside the bundle, on its host:\n");
      units_format_size (size, sizeof size,
                         (uint64_t) json_get_int (o, "bytes", 0));
      snprintf (text, sizeof text, "%s; sent: %.32s", size,
                send ? send : "never");
      item (out, path ? path : "", text);
    }
}

/* What a gap below says, too, is said there. */
static void
questions (struct json_object *head, struct buf *out)
{
  struct json_object *l = json_get (head, "questions");
  size_t n = json_count (l);
  bool any = false;

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *o = json_object_array_get_idx (l, i);
      const char *about = json_get_str (o, "about");
      const char *why = json_get_str (o, "why");

      if (verdict_gap_says (json_get (head, "gaps"), about ? about : "",
                            why ? why : ""))
        continue;
      if (!any)
        buf_puts (out, "\nNobody could say:\n");
      any = true;
      item (out, about ? about : "", why);
    }
}

/* Did it find that the guest, or this host, has no such thing?  That is no
 * failure, and the same in each bundle. */
static bool
has_none (struct json_object *head, const char *collector)
{
  struct json_object *l = json_get (head, "collectors");

  for (size_t i = 0; i < json_count (l); i++)
    {
      struct json_object *o = json_object_array_get_idx (l, i);
      const char *name = json_get_str (o, "name");

      if (name && strcmp (name, collector) == 0)
        return json_get_bool (o, "none", false);
    }
  return false;
}

/* In one line, behind what was to be got and was not. */
static void
not_there (struct json_object *head, struct buf *out)
{
  struct json_object *l = json_get (head, "gaps");
  char text[400] = "";
  size_t len = 0;

  for (size_t i = 0; i < json_count (l) && len < sizeof (text); i++)
    {
      struct json_object *o = json_object_array_get_idx (l, i);
      const char *who = json_get_str (o, "collector");
      const char *why = json_get_str (o, "why");

      if (who && has_none (head, who))
        len += (size_t) snprintf (text + len, sizeof (text) - len,
                                  "%s%.60s (%.120s)", len ? ", " : "", who,
                                  why ? why : "");
    }
  if (text[0])
    item (out, "not to be had of this guest", text);
}

/* "all of it" tells nobody of what. */
static void
gaps (struct json_object *head, struct buf *out)
{
  struct json_object *l = json_get (head, "gaps");
  size_t n = json_count (l);

  if (n)
    buf_puts (out, "\nWhat is missing:\n");
  for (size_t i = 0; i < n; i++)
    {
      struct json_object *o = json_object_array_get_idx (l, i);
      const char *who = json_get_str (o, "collector");
      const char *what = json_get_str (o, "what");
      char name[200];

      who = who ? who : "";
      what = what ? what : "";
      if (has_none (head, who))
        continue;
      /* What is no file's name has blanks. */
      if (!strchr (what, ' '))
        who = "";
      snprintf (name, sizeof (name), "%.90s%s%.90s", who, who[0] ? ", " : "",
                what);
      item (out, name, json_get_str (o, "why"));
    }
  not_there (head, out);
}

#define WRAPPED(OUT, LABEL, FIELD, SAID) \
  wrapped (OUT, LABEL, verdict_brief (FIELD, sizeof (FIELD), SAID, brief))

/* Where nobody hangs, nobody is to blame. */
static void
the_verdict (const struct verdict *v, struct buf *out)
{
  bool well = strcmp (v->class_, "none") == 0;
  char brief[VERDICT_BRIEF];

  WRAPPED (out, "What", v->sentence, NULL);
  if (v->culprit[0])
    WRAPPED (out, well ? "Suspected" : "Culprit", v->culprit, v->sentence);
  if (v->next[0])
    WRAPPED (out, "Next", v->next, NULL);
}

void
summary_text (const struct incident *inc, struct json_object *head,
              struct buf *out)
{
  bool well = strcmp (inc->verdict.class_, "none") == 0;
  char id[128], brief[VERDICT_BRIEF];

  buf_printf (out, "verdict=%s confidence=%s incident=%s\n\n",
              inc->verdict.class_[0] ? inc->verdict.class_ : "unknown",
              inc->verdict.confidence[0] ? inc->verdict.confidence : "low",
              inc->id);
  wrapped (out, "Guest", inc->guest);
  wrapped (out, "Identity", incarnation_format (id, sizeof (id), &inc->inc));
  machine (head, out);
  if (inc->parent[0])
    wrapped (out, "Part of", inc->parent);
  tell_children (json_get (head, "children"), out);
  the_verdict (&inc->verdict, out);
  wrapped (out, "Seen by", inc->scenario);
  if (inc->code[0])
    wrapped (out, "Outcome", inc->code);
  WRAPPED (out, "It said", inc->reason, inc->verdict.sentence);
  if (inc->severity && !well)
    wrapped (out, "Severity", incident_severity_names[inc->severity]);
  when (out, "Last well", inc->last_ok_wall_ms);
  when (out, "Detected", inc->opened_wall_ms);
  when (out, "Collected", inc->collected_wall_ms);
  if (inc->verdict.signature[0])
    wrapped (out, "Signature", inc->verdict.signature);
  rests_on (&inc->verdict, out);
  facets (head, out);
  list (head, "findings", "Findings", "level", "says", out);
  questions (head, out);
  impact (head, out);
  beside (head, out);
  gaps (head, out);
}

/* ---- in colours ---- */

/* The first that fits gives a line its colour. */
static const struct
{
  const char *begins, *has, *sgr;
} colours[] = {
  { "verdict=none ", NULL, "1;32" },
  /* Nothing is hung, or nobody knows: as the page has it. */
  { "verdict=paused ", NULL, "1;33" },
  { "verdict=slow ", NULL, "1;33" },
  { "verdict=unknown ", NULL, "1;33" },
  { "verdict=probe-misconfigured ", NULL, "1;33" },
  { "verdict=console-busy ", NULL, "1;33" },
  { "verdict=", NULL, "1;31" },
  { "Next ", NULL, "1" },
  { "  - fail: ", NULL, "31" },
  { "  - warn: ", NULL, "33" },
  { "  - pass: ", NULL, "32" },
  { "  ", " dead     ", "31" },
  { "  ", " slow     ", "33" },
  { "  ", " alive    ", "32" },
};

static const char *
colour_of (const char *line, size_t len)
{
  for (unsigned i = 0; i < ARRAY_LEN (colours); i++)
    {
      size_t n = strlen (colours[i].begins);
      const char *has = colours[i].has;

      if (len >= n && memcmp (line, colours[i].begins, n) == 0
          && (!has || memmem (line, len, has, strlen (has))))
        return colours[i].sgr;
    }
  /* What begins a part. */
  return len > 0 && line[0] != ' ' && line[len - 1] == ':' ? "1" : NULL;
}

void
summary_ansi (const char *text, struct buf *out)
{
  for (size_t len; *text; text += len + (text[len] == '\n'))
    {
      const char *sgr;

      len = strcspn (text, "\n");
      sgr = colour_of (text, len);
      if (sgr)
        buf_printf (out, "\033[%sm", sgr);
      buf_append (out, text, len);
      buf_puts (out, sgr ? "\033[0m\n" : "\n");
    }
}
