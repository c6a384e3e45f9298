/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog status: one guest or all, in detail.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/status.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct status
{
  bool json;
  FILE *out;
  struct json_object *rows[STATUS_KINDS]; /* arrays */
  unsigned guests, by_word[WORD_MAX + 1], sick_sources, stuck;
  unsigned running_doubles;
  const char *trouble; /* of hangdog itself, or NULL */
  bool nowhere; /* and no source of guests was told of yet */
};

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct status *st = arg;
  const char *kind = json_get_str (row, "row");
  const char *health = json_get_str (row, "health");

  if (st->json)
    print_json (row);
  for (unsigned i = 0; kind && i < STATUS_KINDS; i++)
    if (strcmp (kind, status_kinds[i]) == 0)
      {
        json_object_array_add (st->rows[i], json_object_get (row));
        if (i == STATUS_DAEMON)
          st->trouble = daemon_trouble (row);
        if (i == STATUS_DOUBLE)
          st->running_doubles += strcmp (row_str (row, "run"), "running") == 0;
        if (i == STATUS_STUCK)
          st->stuck++;
        if (i == STATUS_SOURCE)
          {
            bool well = json_get_bool (row, "healthy", false);

            st->nowhere = false;
            st->sick_sources += !well;
            json_add_str (row, "well", well ? "yes" : "no");
          }
        if (i == STATUS_GUEST)
          {
            st->guests++;
            st->by_word[health_word_find (health ? health : "")]++;
          }
      }
  return 0;
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
  int code = health_code (st->by_word);

  if (code != EXIT_TROUBLE
      && (st->sick_sources || st->stuck || st->running_doubles || ours (st)))
    return EXIT_DEGRADED;
  return code;
}

static const char *const words[]
    = { "well", "error", "usage", "hung", "degraded", "partial", "no-verdict" };

static void
status_init (struct status *st, bool json)
{
  *st = (struct status){ .json = json };
  for (unsigned i = 0; i < STATUS_KINDS; i++)
    st->rows[i] = json_object_new_array ();
}

static void
status_done (struct status *st)
{
  for (unsigned i = 0; i < STATUS_KINDS; i++)
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
          st->by_word[WORD_HUNG], st->by_word[WORD_SUSPECT]);
  if (ours (st))
    {
      fputs (", ", stdout);
      print_text (stdout, ours (st));
    }
  if (!npd)
    printf (" | guests=%u hung=%u;;0 suspect=%u;0", st->guests,
            st->by_word[WORD_HUNG], st->by_word[WORD_SUSPECT]);
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
                   words[r], st.guests, st.by_word[WORD_HUNG],
                   st.by_word[WORD_SUSPECT], st.stuck);
          if (ours (&st))
            print_paragraph (out, "", ours (&st));
          status_tables (st.rows, out);
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
