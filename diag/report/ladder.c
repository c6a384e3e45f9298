/* SPDX-License-Identifier: Apache-2.0
 *
 * The ladder, drawn as it is climbed: the host at the foot, and on each rung
 * what stands on it.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define FACETS_MOST 64

static const struct rung
{
  const char *name, *facets[5];
} rungs[] = {
  { "the host", { "host" } },
  { "QEMU", { "vmm" } },
  { "run state", { "run-state" } },
  { "processors", { "vcpu" } },
  { "clock", { "ticks" } },
  { "scheduler", { "scheduler" } },
  { "the kernel's services", { "block", "memory", "network", "filesystem" } },
  { "user space", { "init", "console", "agent", "ssh" } },
  { "application", { "application" } },
};

#define RUNGS (sizeof rungs / sizeof rungs[0])

static const struct look_of_state
{
  const char *state, *mark;
} states[] = {
  { "alive", "&#10003;" },
  { "slow", "&#8776;" },
  { "dead", "&#10005;" },
  { "unknown", "?" },
};

static const struct look_of_state *
state_of (struct json_object *facet)
{
  for (size_t i = 0; i < 3; i++)
    if (strcmp (states[i].state, str_of (facet, "state")) == 0)
      return &states[i];
  return &states[3];
}

/* What is of no rung that is known here stands on the uppermost. */
static size_t
rung_of (struct json_object *facet)
{
  const char *name = str_of (facet, "facet");

  for (size_t i = 0; i < RUNGS; i++)
    for (size_t k = 0; k < 5 && rungs[i].facets[k]; k++)
      if (strcmp (rungs[i].facets[k], name) == 0)
        return i;
  return RUNGS - 1;
}

/* "memory: tasks.blocked 5", linked to where it stands. */
static void
evidence (struct page *p, const char *text)
{
  char source[32], name[80];
  const char *file;
  unsigned line;
  int at = 0;

  if (sscanf (text, "%31[^:]: %79s %n", source, name, &at) != 2 || at <= 0)
    {
      html_in (p, "span", "says", text);
      return;
    }
  html (p, "<span class=\"says\">");
  html_text (p, source);
  html (p, ": ");
  html_fact (p, name);
  html (p, " ");
  html_value (p, name, text + at);
  html (p, "</span>");
  if (place_of_fact (p, source, name, text + at, &file, &line))
    html_place (p, file, line);
}

static void
one_facet (struct page *p, struct json_object *f, bool lowest)
{
  const struct look_of_state *s = state_of (f);

  html (p, "<div class=\"facet ");
  html (p, s->state);
  html (p, lowest ? " here\">" : "\">");
  html (p, "<p><b aria-hidden=\"true\">");
  html (p, s->mark);
  html (p, "</b> <strong>");
  html_text (p, str_of (f, "facet"));
  html (p, "</strong> <span class=\"state\">");
  html (p, s->state);
  html (p, "</span></p>");
  if (lowest)
    html (p, "<p class=\"lowest\">the lowest known to be dead</p>");
  if (str_of (f, "evidence")[0])
    evidence (p, str_of (f, "evidence"));
  html (p, "</div>");
}

/* Of a rung the worst counts. */
static const char *
worst_of (struct json_object *ladder, size_t rung)
{
  static const char *const order[] = { "dead", "slow", "alive" };

  for (size_t k = 0; k < 3; k++)
    for (size_t i = 0; i < array_len (ladder); i++)
      {
        struct json_object *f = json_object_array_get_idx (ladder, i);

        if (rung_of (f) == rung && strcmp (state_of (f)->state, order[k]) == 0)
          return order[k];
      }
  return "unknown";
}

static void
one_rung (struct page *p, struct json_object *ladder, size_t rung,
          size_t lowest)
{
  size_t n = array_len (ladder);
  bool open = false;

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *f = json_object_array_get_idx (ladder, i);

      if (rung_of (f) != rung)
        continue;
      if (!open)
        {
          html (p, "<li class=\"");
          html (p, worst_of (ladder, rung));
          html (p, "\"><span class=\"rung\">");
          html_printf (p, "<i>%zu</i> ", rung);
          html (p, rungs[rung].name);
          html (p, "</span><div class=\"facets\">");
          open = true;
        }
      one_facet (p, f, i == lowest);
    }
  if (open)
    html (p, "</div></li>");
}

void
report_ladder (struct page *p)
{
  struct json_object *ladder = json_get (p->manifest, "ladder");
  size_t n = array_len (ladder), lowest = n;

  if (n == 0 || n > FACETS_MOST)
    return;
  for (size_t i = n; i > 0; i--)
    if (strcmp (state_of (json_object_array_get_idx (ladder, i - 1))->state,
                "dead")
        == 0)
      lowest = i - 1;
  section_begin (p, "ladder", "How far it is alive");
  html (p, "<p class=\"hint\">Each rung needs those below it. What is not "
           "known was not asked, or nobody could say.</p>"
           "<ol class=\"ladder\">");
  for (size_t i = RUNGS; i > 0; i--)
    one_rung (p, ladder, i - 1, lowest);
  html (p, "</ol>");
  section_end (p);
}
