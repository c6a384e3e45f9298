/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of hangdog status: their titles, and what rows say in words.
 */
#include "supervisor/cli/status.h"

#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 10
#define CELL 48
#define MAX_INCIDENTS 5 /* shown; the others `hangdog incidents` lists */

const char *const status_kinds[STATUS_KINDS] = {
  [STATUS_DAEMON] = "daemon",
  [STATUS_SOURCE] = "source",
  [STATUS_GUEST] = "guest",
  [STATUS_CONSOLE] = "console",
  [STATUS_SCENARIO] = "scenario",
  [STATUS_INCIDENT] = "incident",
  [STATUS_STUCK] = "stuck",
  [STATUS_TEXT] = "text",
  [STATUS_DOUBLE] = "claimed-twice",
  [STATUS_BEAT] = "heartbeat",
  [STATUS_NO_BEAT] = "no-heartbeat",
  [STATUS_REACH] = "reach",
  [STATUS_HOST] = "host",
  [STATUS_PAUSE] = "pause",
  [STATUS_HISTORY] = "history",
};

/* member: as cell() reads it. */
struct column
{
  const char *title, *member;
};

struct view
{
  struct json_object *const *rows; /* arrays, by kind */
  FILE *out;
};

/* A member as text: "name%" is an age in milliseconds, "name!" a uuid cut to
 * its first eight digits. */
static const char *
cell (struct json_object *row, const char *member, char dst[CELL])
{
  char key[40];
  size_t len = strlen (member) - 1;
  const char *s;

  snprintf (key, sizeof (key), "%s", member);
  if (member[len] == '%' || member[len] == '!')
    key[len] = '\0';
  if (member[len] == '%')
    return json_get (row, key)
               ? print_age (dst, CELL, (uint64_t) json_get_int (row, key, 0))
               : "-";
  s = json_get_str (row, key);
  if (member[len] == '!' && s)
    snprintf (dst, CELL, "%.8s", s);
  else if (json_object_is_type (json_get (row, key), json_type_int))
    snprintf (dst, CELL, "%lld", (long long) json_get_int (row, key, 0));
  else
    return s;
  return dst;
}

static void
section (const struct view *v, enum status_kind kind,
         const struct column *columns)
{
  const char *titles[MAX_COLUMNS] = { NULL };
  char texts[MAX_COLUMNS][CELL];
  size_t n = json_object_array_length (v->rows[kind]), shown = n;
  struct table *t;

  for (unsigned c = 0; columns[c].title; c++)
    titles[c] = columns[c].title;
  t = table_new (titles);
  if (kind == STATUS_INCIDENT && shown > MAX_INCIDENTS)
    shown = MAX_INCIDENTS;
  for (size_t i = 0; i < shown; i++)
    {
      struct json_object *row = json_object_array_get_idx (v->rows[kind], i);
      const char *cells[MAX_COLUMNS] = { NULL };

      for (unsigned c = 0; columns[c].title; c++)
        cells[c] = cell (row, columns[c].member, texts[c]);
      table_row (t, cells);
    }
  if (n > 0)
    {
      fputc ('\n', v->out);
      table_print (t, v->out);
    }
  if (shown < n)
    fprintf (v->out, "... and %zu older: hangdog incidents\n", n - shown);
  table_free (t);
}

/* Of what its kernel told last, and whether silence means anything since. */
static void
text_words (struct json_object *row, char *dst, size_t n)
{
  const char *title = json_get_str (row, "title");
  const char *note = json_get_str (row, "note");
  long long gaps = (long long) json_get_int (row, "gaps", 0), lost;
  char gap[80] = "";

  lost = (long long) json_get_int (row, "lost", 0);
  if (gaps)
    snprintf (gap, sizeof (gap), " [%lld bytes in %lld gaps were not read]",
              lost, gaps);
  snprintf (dst, n, "%s%s%s%s%s", title ? title : "",
            note && note[0] ? " (" : "", note ? note : "",
            note && note[0] ? ")" : "", gap);
}

/* Its addresses and who says so: "192.0.2.7 (lease)". */
static void
address_words (struct json_object *row, char *dst, size_t n)
{
  struct json_object *nics = json_get (row, "nics");
  size_t used = 0;

  dst[0] = '\0';
  for (size_t i = 0; nics && i < json_object_array_length (nics); i++)
    {
      struct json_object *nic = json_object_array_get_idx (nics, i);
      const char *ip = json_get_str (nic, "ip");
      const char *ip2 = json_get_str (nic, "ip2");
      const char *refused = json_get_str (nic, "refused");

      if (used >= n || (!ip && !refused))
        continue;
      used += (size_t) snprintf (
          dst + used, n - used, "%s%s%s%s (%s)", used ? ", " : "",
          ip ? ip : refused, ip && ip2 ? " " : "", ip && ip2 ? ip2 : "",
          ip ? row_str (nic, "ip_from") : "claimed by another, too: not used");
    }
}

/* How long a check took mostly: "2ms"; "-" when it never answered. */
static void
add_took (struct json_object *row, struct json_object *h, const char *key)
{
  char text[32] = "-";

  if (json_get (h, key))
    units_format_duration (text, sizeof (text),
                           (uint64_t) json_get_int (h, key, 0));
  json_add_str (row, key, text);
}

/* Of one guest it is told when each run was: then it is shown. */
static void
add_history (const struct view *v, struct json_object *scenario)
{
  struct json_object *h = json_get (scenario, "history"), *row;
  const char *runs = json_get_str (h, "runs");
  size_t n = runs ? strlen (runs) : 0;
  char share[16] = "-";

  if (!n || !json_get (h, "times_ms"))
    return;
  row = json_object_new_object ();
  if (json_get (h, "availability"))
    snprintf (share, sizeof (share), "%.1f %%",
              100 * json_object_get_double (json_get (h, "availability")));
  json_add_str (row, "scenario", row_str (scenario, "scenario"));
  json_add_str (row, "runs", runs + (n > 20 ? n - 20 : 0));
  json_add_str (row, "well", share);
  json_add_int (row, "since_ms", json_get_int (h, "since_ms", 0));
  add_took (row, h, "p50_ms");
  add_took (row, h, "p90_ms");
  add_took (row, h, "p99_ms");
  add_took (row, h, "max_ms");
  json_object_array_add (v->rows[STATUS_HISTORY], row);
}

static void
scenario_words (struct json_object *row, char *dst, size_t n)
{
  const char *held = json_get_str (row, "held_off");
  const char *text = json_get_str (row, "sentence");

  snprintf (dst, n, "%s%s", row_str (row, "scenario"),
            json_get_bool (row, "builtin", false) ? " (built-in)" : "");
  json_add_text (row, "named", dst, strlen (dst));
  snprintf (dst, n, "%s%s%s",
            json_get_bool (row, "flapping", false) ? "flapping; " : "",
            held && held[0] ? "not asked: " : "",
            held && held[0] ? held : text ? text : "");
}

static void
incident_words (struct json_object *row, char *dst, size_t n)
{
  struct json_object *verdict = json_get (row, "verdict");
  const char *class_ = json_get_str (verdict, "class");
  const char *text = json_get_str (verdict, "sentence");
  char now[64];

  json_add_str (row, "class", class_ ? class_ : "");
  json_add_str (row, "now", incident_now (row, now, sizeof (now)));
  snprintf (dst, n, "%s", text ? text : "");
}

static void
reach_words (struct json_object *row, char *dst, size_t n)
{
  const char *what = json_get_str (row, "says");
  const char *code = json_get_str (row, "code");
  const char *fix = json_get_str (row, "fix");

  snprintf (dst, n, "%s%s%s%s%s", code ? code : "",
            code && code[0] && what && what[0] ? ": " : "", what ? what : "",
            fix && fix[0] ? "; mend it by: " : "", fix ? fix : "");
}

static void
pause_words (struct json_object *row, char *dst, size_t n)
{
  const char *guest = row_str (row, "guest");
  const char *scenario = row_str (row, "scenario");
  const char *who = row_str (row, "who");

  /* Nothing is of all of them. */
  json_add_str (row, "of", guest[0] ? guest : "every guest");
  json_add_str (row, "what", scenario[0] ? scenario : "all");
  snprintf (dst, n, "%s%s%s", who, who[0] ? ", " : "", row_str (row, "by"));
}

/* What a row says in words, as its member "says". */
static void
add_words (struct json_object *row, unsigned kind)
{
  static void (*const words[STATUS_KINDS]) (struct json_object *row,
                                            char *dst, size_t n)
      = {
          [STATUS_SCENARIO] = scenario_words,
          [STATUS_INCIDENT] = incident_words,
          [STATUS_REACH] = reach_words,
          [STATUS_PAUSE] = pause_words,
          [STATUS_GUEST] = address_words,
          [STATUS_TEXT] = text_words,
        };
  char says[400];

  if (!words[kind])
    return;
  words[kind](row, says, sizeof (says));
  json_add_text (row, "says", says, strlen (says));
}

static void
all_words (const struct view *v)
{
  struct json_object *row;

  for (unsigned k = 0; k < STATUS_KINDS; k++)
    for (size_t i = 0; i < json_object_array_length (v->rows[k]); i++)
      {
        row = json_object_array_get_idx (v->rows[k], i);
        add_words (row, k);
        if (k == STATUS_SCENARIO)
          add_history (v, row);
      }
}

/* A scenario that has failed is to a guest what a guest that hangs is to the
 * host.  Of those that are not ill none is worse. */
static unsigned
how_bad (struct json_object *row)
{
  const char *health = row_str (row, "health");
  enum health_word word = health_word_find (
      strcmp (health, "failed") == 0 ? health_words[WORD_HUNG] : health);

  return word < WORD_WATCHED ? (unsigned) word : WORD_WATCHED;
}

static int
worse (const void *a, const void *b)
{
  struct json_object *x = *(struct json_object *const *) a;
  struct json_object *y = *(struct json_object *const *) b;
  /* A guest is "guest" in the rows of what belongs to it. */
  const char *key = json_get_str (x, "guest") ? "guest" : "display";
  int r = (int) how_bad (x) - (int) how_bad (y);

  return r ? r : strverscmp (row_str (x, key), row_str (y, key));
}

/* In the order in which they are shown. */
static const struct
{
  enum status_kind kind;
  struct column columns[MAX_COLUMNS];
} tables[] = {
  { STATUS_GUEST,
    { { "GUEST", "display" }, { "HEALTH", "health" }, { "STATE", "run" },
      { "BOOT", "boot" }, { "REASON", "reason" }, { "INTENT", "intent" },
      { "SOURCE", "source" }, { "ADDRESS", "says" } } },
  { STATUS_DOUBLE,
    { { "CLAIMED TWICE", "display" }, { "STATE", "run" },
      { "UUID", "uuid" }, { "WATCHED", "watched" }, { "SAYS", "says" } } },
  { STATUS_STUCK,
    { { "STUCK LANE", "lane" }, { "GUEST", "guest" },
      { "SINCE", "since_ms%" }, { "JOB", "job" } } },
  { STATUS_HOST,
    { { "THIS HOST", "code" }, { "AGO", "ago_ms%" },
      { "GUESTS SPARED", "guests" }, { "SAYS", "says" } } },
  { STATUS_SCENARIO,
    { { "GUEST", "guest" }, { "SCENARIO", "named" }, { "HEALTH", "health" },
      { "SINCE", "health_ms%" }, { "LAST", "outcome" },
      { "TOOK", "took_ms%" }, { "NEXT", "next_ms%" }, { "SAYS", "says" } } },
  { STATUS_PAUSE,
    { { "PAUSED", "of" }, { "SCENARIO", "what" },
      { "STILL FOR", "left_ms%" }, { "BY", "says" }, { "WHY", "reason" } } },
  { STATUS_REACH,
    { { "WAY", "way" }, { "STATE", "state" }, { "SINCE", "since_ms%" },
      { "TRIED", "tried_ms%" }, { "BY", "by" }, { "WHAT", "says" } } },
  { STATUS_HISTORY,
    { { "SCENARIO", "scenario" }, { "LAST RUNS", "runs" },
      { "WELL", "well" }, { "OF", "since_ms%" }, { "P50", "p50_ms" },
      { "P90", "p90_ms" }, { "P99", "p99_ms" }, { "MAX", "max_ms" } } },
  { STATUS_INCIDENT,
    { { "INCIDENT", "id!" }, { "GUEST", "guest" }, { "VERDICT", "class" },
      { "NOW", "now" }, { "SAYS", "says" } } },
  { STATUS_BEAT,
    { { "HEARTBEAT", "guest" }, { "AGE", "age_ms%" }, { "VCPUS", "vcpus" },
      { "TICKS", "ticks" }, { "SCHEDULER", "scheduler" },
      { "LOAD", "load1" }, { "BLOCKED", "blocked" }, { "SAYS", "says" } } },
  { STATUS_NO_BEAT,
    { { "NO HEARTBEAT", "guests" }, { "SAYS", "says" } } },
  { STATUS_TEXT,
    { { "GUEST", "guest" }, { "CONSOLE", "console" }, { "STAGE", "stage" },
      { "SINCE", "stage_ms%" }, { "STANDS AT", "stop" },
      { "LAST EVENT", "event_ms%" }, { "KERNEL SAYS", "says" } } },
  { STATUS_CONSOLE,
    { { "GUEST", "guest" }, { "CONSOLE", "name" }, { "MODE", "mode" },
      { "STATE", "state" }, { "SINCE", "state_ms%" },
      { "QUIET", "quiet_ms%" }, { "BYTES", "bytes" },
      { "HOLDER", "holder" }, { "DETAIL", "detail" } } },
  { STATUS_SOURCE,
    { { "HEALTHY", "well" }, { "SOURCE", "state" } } },
};

/* The worst first: what a tired person came for is at the top, also of a
 * screen that has no room for all. */
void
status_tables (struct json_object *const rows[STATUS_KINDS], FILE *out)
{
  static const enum status_kind sorted[]
      = { STATUS_GUEST, STATUS_DOUBLE, STATUS_SCENARIO, STATUS_TEXT,
          STATUS_CONSOLE };
  const struct view view = { rows, out }, *v = &view;

  all_words (v);
  for (unsigned i = 0; i < ARRAY_LEN (sorted); i++)
    json_object_array_sort (v->rows[sorted[i]], worse);
  for (unsigned i = 0; i < ARRAY_LEN (tables); i++)
    section (v, tables[i].kind, tables[i].columns);
}
