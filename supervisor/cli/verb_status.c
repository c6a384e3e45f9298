/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog status: one guest or all, in detail.
 */
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct status
{
  bool json;
  FILE *out;
  struct json_object *rows[14]; /* arrays, by kind below */
  unsigned guests, hung, lost, suspect, held, unknown, sick_sources, stuck;
  unsigned running_doubles;
  const char *trouble; /* of hangdog itself, or NULL */
  bool nowhere; /* and no source of guests was told of yet */
};

static const char *const kinds[]
    = { "daemon", "source", "guest", "console", "scenario", "incident",
        "stuck",  "text",   "claimed-twice", "heartbeat", "no-heartbeat",
        "reach",  "host",   "history" /* made here, of a guest's scenarios */ };
enum
{
  DAEMON,
  SOURCE,
  GUEST,
  CONSOLE,
  SCENARIO,
  INCIDENT,
  STUCK,
  TEXT,
  DOUBLE,
  BEAT,
  NO_BEAT,
  REACH,
  HOST,
  HISTORY,
  KINDS
};

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct status *st = arg;
  const char *kind = json_get_str (row, "row");
  const char *health = json_get_str (row, "health");

  if (st->json)
    print_json (row);
  for (unsigned i = 0; kind && i < KINDS; i++)
    if (strcmp (kind, kinds[i]) == 0)
      {
        json_object_array_add (st->rows[i], json_object_get (row));
        if (i == DAEMON)
          st->trouble = daemon_trouble (row);
        if (i == DOUBLE)
          st->running_doubles += strcmp (row_str (row, "run"), "running") == 0;
        if (i == STUCK)
          st->stuck++;
        if (i == SOURCE)
          {
            bool well = json_get_bool (row, "healthy", false);

            st->nowhere = false;
            st->sick_sources += !well;
            json_add_str (row, "well", well ? "yes" : "no");
          }
        if (i == GUEST)
          {
            st->guests++;
            if (health && strcmp (health, "hung") == 0)
              st->hung++;
            else if (health && (strcmp (health, "console-lost") == 0
                                || strcmp (health, "way-lost") == 0
                                || strcmp (health, "impaired") == 0))
              st->lost++;
            else if (health && strcmp (health, "suspect") == 0)
              st->suspect++;
            else if (health && strcmp (health, "held-off") == 0)
              st->held++;
            else if (health && strcmp (health, "unknown") == 0)
              st->unknown++;
          }
      }
  return 0;
}

#define MAX_COLUMNS 10
#define CELL 48
#define MAX_INCIDENTS 5 /* shown; the others `hangdog incidents` lists */

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
section (struct status *st, unsigned kind, const char *const *titles,
         const char *const *members)
{
  struct table *t = table_new (titles);
  char texts[MAX_COLUMNS][CELL];
  size_t n = json_object_array_length (st->rows[kind]), shown = n;

  if (kind == INCIDENT && shown > MAX_INCIDENTS)
    shown = MAX_INCIDENTS;
  for (size_t i = 0; i < shown; i++)
    {
      struct json_object *row = json_object_array_get_idx (st->rows[kind], i);
      const char *cells[MAX_COLUMNS] = { NULL };

      for (unsigned c = 0; members[c]; c++)
        cells[c] = cell (row, members[c], texts[c]);
      table_row (t, cells);
    }
  if (n > 0)
    {
      fputc ('\n', st->out);
      table_print (t, st->out);
    }
  if (shown < n)
    fprintf (st->out, "... and %zu older: hangdog incidents\n", n - shown);
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
add_history (struct status *st, struct json_object *scenario)
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
  json_object_array_add (st->rows[HISTORY], row);
}

/* What a row says in words, as its member "says". */
static void
add_words (struct json_object *row, unsigned kind)
{
  const char *held = json_get_str (row, "held_off");
  const char *text = json_get_str (row, "sentence");
  char says[400];

  if (kind == SCENARIO)
    {
      snprintf (says, sizeof (says), "%s%s", row_str (row, "scenario"),
                json_get_bool (row, "builtin", false) ? " (built-in)" : "");
      json_add_text (row, "named", says, strlen (says));
      snprintf (says, sizeof (says), "%s%s%s",
                json_get_bool (row, "flapping", false) ? "flapping; " : "",
                held && held[0] ? "not asked: " : "",
                held && held[0] ? held : text ? text : "");
    }
  else if (kind == INCIDENT)
    {
      const char *end = json_get_str (row, "end");
      const char *phase = json_get_str (row, "phase");
      struct json_object *v = json_get (row, "verdict");
      const char *class_ = json_get_str (v, "class");

      text = json_get_str (v, "sentence");
      json_add_str (row, "class", class_ ? class_ : "");
      json_add_str (row, "now",
                    end && strcmp (end, "not-ended") != 0 ? end
                    : json_get_bool (row, "perhaps_rebooted", false)
                        ? "rebooted?"
                    : json_get_bool (row, "flapping", false) ? "flapping"
                    : phase                               ? phase
                                                          : "");
      snprintf (says, sizeof (says), "%s", text ? text : "");
    }
  else if (kind == REACH)
    {
      const char *what = json_get_str (row, "says");
      const char *code = json_get_str (row, "code");
      const char *fix = json_get_str (row, "fix");

      snprintf (says, sizeof (says), "%s%s%s%s%s", code ? code : "",
                code && code[0] && what && what[0] ? ": " : "",
                what ? what : "", fix && fix[0] ? "; mend it by: " : "",
                fix ? fix : "");
    }
  else if (kind == GUEST)
    address_words (row, says, sizeof (says));
  else if (kind == TEXT)
    text_words (row, says, sizeof (says));
  else
    return;
  json_add_text (row, "says", says, strlen (says));
}

static void
all_words (struct status *st)
{
  struct json_object *row;

  for (unsigned k = 0; k < KINDS; k++)
    for (size_t i = 0; i < json_object_array_length (st->rows[k]); i++)
      {
        row = json_object_array_get_idx (st->rows[k], i);
        add_words (row, k);
        if (k == SCENARIO)
          add_history (st, row);
      }
}

static unsigned
how_bad (struct json_object *row)
{
  static const char *const worst[]
      = { "hung",    "failed",  "console-lost", "way-lost",
          "impaired", "suspect", "unknown", "held-off" };
  const char *health = row_str (row, "health");
  unsigned i = 0;

  while (i < ARRAY_LEN (worst) && strcmp (worst[i], health) != 0)
    i++;
  return i;
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

/* The worst first: what a tired person came for is at the top, also of a
 * screen that has no room for all. */
static void
print_all (struct status *st)
{
  static const char *const guest_t[]
      = { "GUEST",  "HEALTH", "STATE",   "BOOT", "REASON",
          "INTENT", "SOURCE", "ADDRESS", NULL };
  static const char *const guest_m[]
      = { "display", "health", "run",  "boot", "reason",
          "intent",  "source", "says", NULL };
  static const char *const scen_t[]
      = { "GUEST", "SCENARIO", "HEALTH", "SINCE", "LAST",
          "TOOK",  "NEXT",     "SAYS",   NULL };
  static const char *const scen_m[]
      = { "guest",    "named", "health", "health_ms%", "outcome",
          "took_ms%", "next_ms%", "says",   NULL };
  static const char *const hist_t[]
      = { "SCENARIO", "LAST RUNS", "WELL", "OF", "P50",
          "P90",      "P99",       "MAX",  NULL };
  static const char *const hist_m[]
      = { "scenario", "runs",   "well",   "since_ms%", "p50_ms",
          "p90_ms",   "p99_ms", "max_ms", NULL };
  static const char *const host_t[]
      = { "THIS HOST", "AGO", "GUESTS SPARED", "SAYS", NULL };
  static const char *const host_m[]
      = { "code", "ago_ms%", "guests", "says", NULL };
  static const char *const inc_t[]
      = { "INCIDENT", "GUEST", "VERDICT", "NOW", "SAYS", NULL };
  static const char *const inc_m[]
      = { "id!", "guest", "class", "now", "says", NULL };
  static const char *const stuck_t[]
      = { "STUCK LANE", "GUEST", "SINCE", "JOB", NULL };
  static const char *const stuck_m[]
      = { "lane", "guest", "since_ms%", "job", NULL };
  static const char *const cons_t[]
      = { "GUEST", "CONSOLE", "MODE",   "STATE",  "SINCE",
          "QUIET", "BYTES",   "HOLDER", "DETAIL", NULL };
  static const char *const cons_m[]
      = { "guest",     "name",  "mode",   "state",  "state_ms%",
          "quiet_ms%", "bytes", "holder", "detail", NULL };
  static const char *const text_t[]
      = { "GUEST", "CONSOLE", "STAGE", "SINCE", "STANDS AT",
          "LAST EVENT", "KERNEL SAYS", NULL };
  static const char *const text_m[]
      = { "guest", "console",   "stage", "stage_ms%", "stop",
          "event_ms%", "says", NULL };
  static const char *const beat_t[]
      = { "HEARTBEAT", "AGE", "VCPUS", "TICKS", "SCHEDULER", "LOAD", "BLOCKED",
          "SAYS", NULL };
  static const char *const beat_m[]
      = { "guest", "age_ms%", "vcpus", "ticks", "scheduler", "load1",
          "blocked", "says", NULL };
  static const char *const mute_t[] = { "NO HEARTBEAT", "SAYS", NULL };
  static const char *const mute_m[] = { "guests", "says", NULL };
  static const char *const reach_t[]
      = { "WAY", "STATE", "SINCE", "TRIED", "BY", "WHAT", NULL };
  static const char *const reach_m[]
      = { "way", "state", "since_ms%", "tried_ms%", "by", "says", NULL };
  static const char *const twice_t[]
      = { "CLAIMED TWICE", "STATE", "UUID", "WATCHED", "SAYS", NULL };
  static const char *const twice_m[]
      = { "display", "run", "uuid", "watched", "says", NULL };
  static const char *const src_t[] = { "HEALTHY", "SOURCE", NULL };
  static const char *const src_m[] = { "well", "state", NULL };

  static const unsigned sorted[] = { GUEST, DOUBLE, SCENARIO, TEXT, CONSOLE };

  all_words (st);
  for (unsigned i = 0; i < ARRAY_LEN (sorted); i++)
    json_object_array_sort (st->rows[sorted[i]], worse);
  section (st, GUEST, guest_t, guest_m);
  section (st, DOUBLE, twice_t, twice_m);
  section (st, STUCK, stuck_t, stuck_m);
  section (st, HOST, host_t, host_m);
  section (st, SCENARIO, scen_t, scen_m);
  section (st, REACH, reach_t, reach_m);
  section (st, HISTORY, hist_t, hist_m);
  section (st, INCIDENT, inc_t, inc_m);
  section (st, BEAT, beat_t, beat_m);
  section (st, NO_BEAT, mute_t, mute_m);
  section (st, TEXT, text_t, text_m);
  section (st, CONSOLE, cons_t, cons_m);
  section (st, SOURCE, src_t, src_m);
}

/* What is wrong with hangdog itself, so that it would not tell what is wrong
 * with guests; NULL: nothing. */
static const char *
ours (const struct status *st)
{
  if (st->trouble)
    return st->trouble;
  if (st->nowhere)
    return "nowhere to look for guests: name \"sources\" in the configuration "
           "(`hangdog doctor` says more)";
  return NULL;
}

static int
judge (const struct status *st)
{
  if (st->hung)
    return EXIT_TROUBLE;
  if (st->lost || st->suspect || st->sick_sources || st->stuck
      || st->running_doubles || ours (st))
    return EXIT_DEGRADED;
  /* Nobody is ill, but nobody was asked either: a script must not take that
   * for well. */
  if (st->guests && st->held + st->unknown == st->guests)
    return EXIT_NO_VERDICT;
  return EXIT_WELL;
}

static const char *const words[]
    = { "well", "error", "usage", "hung", "degraded", "partial", "no-verdict" };

static void
status_init (struct status *st, bool json)
{
  *st = (struct status){ .json = json };
  for (unsigned i = 0; i < KINDS; i++)
    st->rows[i] = json_object_new_array ();
}

static void
status_done (struct status *st)
{
  for (unsigned i = 0; i < KINDS; i++)
    json_object_put (st->rows[i]);
}

enum
{
  NAGIOS = 1,
  NPD,
};

/* Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.  npd (node problem
 * detector): 0 well, 1 problem, 2 unknown. */
static int
plugin_line (const struct status *st, bool npd)
{
  int code = judge (st);
  const char *word = code == EXIT_WELL       ? "OK"
                     : code == EXIT_TROUBLE  ? "CRITICAL"
                     : code == EXIT_DEGRADED ? "WARNING"
                                             : "UNKNOWN";

  printf ("HANGDOG %s - %u guests, %u hung, %u suspect", word, st->guests,
          st->hung, st->suspect);
  if (ours (st))
    {
      fputs (", ", stdout);
      print_text (stdout, ours (st));
    }
  if (!npd)
    printf (" | guests=%u hung=%u;;0 suspect=%u;0", st->guests, st->hung,
            st->suspect);
  fputc ('\n', stdout);
  if (npd)
    return code == EXIT_WELL ? 0 : code == EXIT_NO_VERDICT ? 2 : 1;
  return code == EXIT_WELL       ? 0
         : code == EXIT_DEGRADED ? 1
         : code == EXIT_TROUBLE  ? 2
                                 : 3;
}

/* A plugin's caller shows the first line of stdout, and takes 2 for a guest
 * that hangs: not being able to ask is none. */
static int
plugin_fail (const struct error *err, int plugin)
{
  fputs ("HANGDOG UNKNOWN - ", stdout);
  print_text (stdout, error_text (err));
  fputc ('\n', stdout);
  return plugin == NPD ? 2 : 3;
}

static int
once (struct client *c, const char *guest, struct status *st,
      struct error *err)
{
  return client_call (c, client_request ("status", guest), on_row, st, err);
}

static int
show (struct cli *cli, struct client *c, const char *guest, int plugin,
      FILE *out, struct error *err)
{
  struct status st;
  int r;

  status_init (&st, cli->json && !plugin);
  st.out = out;
  st.nowhere = guest == NULL;
  r = once (c, guest, &st, err);
  if (r < 0)
    {
      status_done (&st);
      return plugin ? plugin_fail (err, plugin) : cli_fail (err);
    }
  if (plugin)
    r = plugin_line (&st, plugin == NPD);
  else
    {
      r = judge (&st);
      if (!cli->json)
        {
          fprintf (out, "status=%s guests=%u hung=%u suspect=%u stuck=%u\n",
                   words[r], st.guests, st.hung, st.suspect, st.stuck);
          if (ours (&st))
            print_paragraph (out, "", ours (&st));
          print_all (&st);
        }
    }
  status_done (&st);
  return r;
}

/* One picture, from the top: what does not fit is the least of it. */
static int
picture (struct cli *cli, struct client *c, const char *guest,
         struct error *err)
{
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream (&text, &len);
  int r;

  if (!out)
    {
      error_set (err, ENOMEM, "no memory");
      return cli_fail (err);
    }
  /* Into memory first: what is cleared is drawn again at once. */
  r = show (cli, c, guest, 0, out, err);
  fclose (out);
  if (r != EXIT_ERROR && r != EXIT_USAGE)
    print_screen (text);
  free (text);
  return r;
}

/* A daemon that is started anew does not end it. */
static int
watch (struct cli *cli, struct client **c, struct error *err)
{
  bool screen = isatty (STDOUT_FILENO) && !cli->json;
  const char *guest = cli_arg (cli, 1);
  int r;

  do
    {
      r = screen ? picture (cli, *c, guest, err)
                 : show (cli, *c, guest, 0, stdout, err);
      fflush (stdout);
      cli_nap (2000);
      /* The old picture stays meanwhile. */
      while (r == EXIT_ERROR)
        {
          struct error why = ERROR_INIT;

          client_close (*c);
          *c = NULL;
          if (client_open (cli, false, c, &why) == 0)
            r = EXIT_WELL;
          else
            cli_nap (1000);
        }
    }
  while (r != EXIT_USAGE && !ferror (stdout));
  return r;
}

static int
run (struct cli *cli)
{
  bool again = cli_flag (cli, "--watch");
  bool nagios = cli_flag (cli, "--nagios"), npd = cli_flag (cli, "--npd");
  int plugin = nagios ? NAGIOS : npd ? NPD : 0;
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_status, 1);

  if (r == 0 && again + nagios + npd > 1)
    r = cli_usage (&verb_status, "--watch, --nagios or --npd?");
  if (r)
    return plugin == NAGIOS ? 3 : r;
  if (plugin)
    cli->untold = plugin == NPD ? 2 : 3;
  r = client_open (cli, true, &c, &err);
  if (r < 0)
    return plugin ? plugin_fail (&err, plugin) : cli_fail (&err);
  r = again ? watch (cli, &c, &err)
            : show (cli, c, cli_arg (cli, 1), plugin, stdout, &err);
  client_close (c);
  return r;
}

const struct verb verb_status = {
  .name = "status",
  .args = "[GUEST] [--watch] [--nagios | --npd]",
  .summary = "show how a guest (or every guest) is, and since when",
  .help = "GUEST is a uuid (or its beginning), a name or a display name.\n"
          "  --watch    again every two seconds\n"
          "  --nagios   one line and exit codes of a Nagios plugin\n"
          "  --npd      one line and exit codes of a node-problem-detector "
          "plugin\n"
          "Exit codes: 0 well, 3 hung, 4 suspect or impaired, a way to it is "
          "lost, a lane is\nstuck, a source sick, or hangdog itself is, 6 no "
          "verdict (all held off, or not\nasked yet).\n"
          "\nExamples:\n"
          "  hangdog status\n"
          "  hangdog status web-1 --watch\n"
          "  hangdog status --json | jq 'select(.row==\"scenario\")'\n",
  .run = run,
};
