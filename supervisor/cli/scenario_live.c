/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog scenario: what the daemon has, and what it is told of it.
 */
#include "supervisor/cli/probe.h"
#include "supervisor/cli/scenario.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

/* ---- documents ---- */

/* Whether hangdog-check would take it; it has said why not. */
static bool
is_taken (const struct cli *cli, const char *file)
{
  char path[4096];
  struct program check;
  struct error err = ERROR_INIT;
  int status = -1;
  pid_t pid;

  program_init (&check, "hangdog-check");
  if (cli->config_path)
    {
      program_arg (&check, "--config");
      program_arg (&check, cli->config_path);
    }
  program_arg (&check, file);
  snprintf (path, sizeof (path), "%s/%s", cli->libexec, check.name);
  fflush (stdout);
  pid = fork ();
  if (pid == 0)
    {
      int null = open ("/dev/null", O_WRONLY);

      dup2 (null, STDOUT_FILENO);
      execv (path, check.args);
      program_failed (path, errno, &err);
      cli_fail (&err);
      _exit (EXIT_ERROR);
    }
  return pid > 0 && waitpid (pid, &status, 0) == pid && status == 0;
}

/* Calls fn for each scenario of a file that hangdog-check has taken. */
static int
each_of (const char *file,
         int (*fn) (struct json_object *scenario, void *arg), void *arg,
         struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *all;
  int r = json_load (file, JSON_FILE, JSON_MAX_FILE, &doc, err);

  if (r < 0)
    return r;
  all = json_get (json_root (doc), "scenarios");
  if (!all)
    return fn (json_root (doc), arg);
  for (size_t i = 0; r == 0 && i < json_object_array_length (all); i++)
    r = fn (json_object_array_get_idx (all, i), arg);
  return r;
}

/* ---- list, show ---- */

static const char *
paused_text (char *dst, size_t n, struct json_object *row)
{
  int64_t until = json_get_int (row, "paused_until_ms", 0);
  uint64_t now = clock_wall_ms ();
  char age[32];

  *dst = '\0';
  if (until > 0 && (uint64_t) until > now)
    snprintf (dst, n, "for %s more",
              print_age (age, sizeof (age), (uint64_t) until - now));
  return dst;
}

/* And why it says nothing.  The built-in one: whose is it not?  A few of them,
 * in one line. */
static const char *
from_text (struct buf *dst, struct json_object *row)
{
  struct json_object *all = json_get (row, "without");
  size_t n = json_count (all);

  buf_puts (dst, row_str (row, "origin"));
  if (row_str (row, "fault")[0])
    buf_printf (dst, "; no verdict: %s", row_str (row, "fault"));
  for (size_t i = 0; i < n && i < 3; i++)
    buf_printf (dst, "%s%.40s",
                i     ? ", "
                : n > 1 ? "; guests that others are for have it not: "
                        : "; a guest that others are for has it not: ",
                json_object_get_string (json_object_array_get_idx (all, i)));
  if (n > 3)
    buf_printf (dst, " and %zu more", n - 3);
  return buf_str (dst);
}

static int
list_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  char guests[24], well[24], failed[24], paused[64];
  struct buf from CLEANUP_BUF = BUF_INIT (1024);
  const char *cells[]
      = { row_str (row, "name"), row_str (row, "kind"),
          guests, well, failed, paused, from_text (&from, row) };

  if (strcmp (row_str (row, "row"), "scenario") != 0)
    return 0;
  snprintf (guests, sizeof (guests), "%lld",
            (long long) json_get_int (row, "guests", 0));
  snprintf (well, sizeof (well), "%lld",
            (long long) json_get_int (row, "well", 0));
  snprintf (failed, sizeof (failed), "%lld",
            (long long) json_get_int (row, "failed", 0));
  paused_text (paused, sizeof (paused), row);
  listing_row (arg, row, cells);
  return 0;
}

int
scenario_list_bound (struct cli *cli)
{
  static const char *const titles[] = { "SCENARIO", "KIND",   "GUESTS",
                                        "WELL",     "FAILED", "PAUSED",
                                        "FROM",     NULL };

  int r = cli_rest (cli, &verb_scenario, 1);

  if (r)
    return r;
  return cli_list (cli, "scenarios", titles, client_request ("scenarios", NULL),
                   list_row);
}

static int
show_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct json_object *doc = json_get (row, "document");
  struct buf out CLEANUP_BUF = BUF_INIT (SIZE_MAX / 2);

  if (!doc)
    return 0;
  if (*(const bool *) arg)
    json_show (row, &out);
  else
    json_show_spread (doc, &out);
  puts (buf_str (&out));
  return 0;
}

int
scenario_show (struct cli *cli)
{
  struct json_object *head;
  int r = cli_rest (cli, &verb_scenario, 2);

  if (r)
    return r;
  if (cli->argc != 3)
    return cli_usage (&verb_scenario, "which scenario?");
  head = client_request ("scenario-show", NULL);
  json_add_text (head, "scenario", cli_arg (cli, 2),
                 strlen (cli_arg (cli, 2)));
  return cli_ask (cli, true, head, show_row, &cli->json);
}

/* ---- run ---- */

struct running
{
  struct client *client;
  const char *guest;
  struct probed said;
  struct error *err;
};

static int
run_one (struct json_object *scenario, void *arg)
{
  struct running *run = arg;
  struct json_object *head = client_request ("scenario-run", run->guest);

  json_object_object_add (head, "document", json_object_get (scenario));
  return client_call (run->client, head, probe_row, &run->said, run->err);
}

int
scenario_run (struct cli *cli)
{
  struct error err = ERROR_INIT;
  struct running run = { .said.json = cli->json, .err = &err };
  const char *file = cli_arg (cli, 2);
  int r = cli_rest (cli, &verb_scenario, 3);

  if (r)
    return r;
  if (cli->argc != 4)
    return cli_usage (&verb_scenario, "which file, on which guest?");
  if (!is_taken (cli, file))
    return EXIT_USAGE;
  run.guest = cli_arg (cli, 3);
  r = client_open (cli, true, &run.client, &err);
  if (r == 0)
    r = each_of (file, run_one, &run, &err);
  client_close (run.client);
  return r < 0 ? cli_fail (&err) : probe_end (&run.said);
}

/* ---- bind, unbind ---- */

/* What is in force, and would be forgotten with the daemon. */
static void
warn_unkept (struct json_object *row)
{
  char text[300];

  if (json_get_bool (row, "kept", true))
    return;
  snprintf (text, sizeof (text),
            "it is in force, but not on disk, and ends with this daemon: "
            "%.200s",
            row_str (row, "why"));
  print_paragraph (stderr, "hangdog: ", text);
}

static int
bind_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  if (*(const bool *) arg)
    print_json_as (row, "done");
  else if (strcmp (row_str (row, "row"), "scenario") == 0)
    {
      printf ("bound=%s guests=%lld\n", row_str (row, "name"),
              (long long) json_get_int (row, "guests", 0));
      if (row_str (row, "fault")[0])
        print_paragraph (stderr, "hangdog: no verdict: ",
                         row_str (row, "fault"));
      if (json_get_int (row, "guests", 0) == 0)
        print_paragraph (stderr, "hangdog: ",
                         "no guest that is there now is selected by it; "
                         "`hangdog list --json` shows their names and labels");
    }
  else
    warn_unkept (row);
  return 0;
}

struct binding_one
{
  struct client *client;
  const char *guest;
  bool json;
  struct error *err;
};

static int
bind_one (struct json_object *scenario, void *arg)
{
  struct binding_one *b = arg;
  struct json_object *head = client_request ("scenario-bind", b->guest);

  json_object_object_add (head, "document", json_object_get (scenario));
  return client_call (b->client, head, bind_row, &b->json, b->err);
}

/* What is bound stays so; by a daemon for one command it would not be
 * watched. */
int
scenario_bind (struct cli *cli)
{
  struct error err = ERROR_INIT;
  struct binding_one b = { .guest = cli_option (cli, "--guest"),
                           .json = cli->json, .err = &err };
  int r = cli_rest (cli, &verb_scenario, cli->argc);

  if (r)
    return r;
  if (cli->argc < 3)
    return cli_usage (&verb_scenario, "which file?");
  for (int i = 2; i < cli->argc; i++)
    if (!is_taken (cli, cli->argv[i]))
      return EXIT_USAGE;
  r = client_open (cli, false, &b.client, &err);
  for (int i = 2; r == 0 && i < cli->argc; i++)
    r = each_of (cli->argv[i], bind_one, &b, &err);
  client_close (b.client);
  return r < 0 ? cli_fail (&err) : EXIT_WELL;
}

struct told
{
  bool json;
  char counts[120]; /* " ended=2" */
};

static int
told_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  static const char *const names[] = { "bindings", "ended", "still", NULL };
  struct told *told = arg;
  size_t n;

  if (told->json)
    {
      print_json_as (row, "done");
      return 0;
    }
  for (unsigned i = 0; names[i]; i++)
    if (json_get (row, names[i]))
      {
        n = strlen (told->counts);
        snprintf (told->counts + n, sizeof (told->counts) - n, " %s=%lld",
                  names[i], (long long) json_get_int (row, names[i], 0));
      }
  warn_unkept (row);
  return 0;
}

static int
tell (struct cli *cli, struct json_object *head, const char *done)
{
  struct told told = { .json = cli->json };
  int r = cli_ask (cli, false, head, told_row, &told);

  if (r == EXIT_WELL && !cli->json)
    printf ("%s%s\n", done, told.counts);
  return r;
}

int
scenario_unbind (struct cli *cli)
{
  struct json_object *head;
  char done[160];
  int r = cli_rest (cli, &verb_scenario, 2);

  if (r)
    return r;
  if (cli->argc != 3)
    return cli_usage (&verb_scenario, "which scenario?");
  head = client_request ("scenario-unbind", NULL);
  json_add_text (head, "scenario", cli_arg (cli, 2),
                 strlen (cli_arg (cli, 2)));
  snprintf (done, sizeof (done), "unbound=%.120s", cli_arg (cli, 2));
  return tell (cli, head, done);
}

/* ---- pause, resume ---- */

/* Whom it is about; *ret NULL with the exit code returned. */
static int
about (struct cli *cli, const char *op, struct json_object **ret)
{
  const char *guest = cli_option (cli, "--guest");
  bool all = cli_flag (cli, "--all");
  int r = cli_rest (cli, &verb_scenario, 2);

  *ret = NULL;
  if (r)
    return r;
  if (all == (guest || cli->argc == 3))
    return cli_usage (&verb_scenario,
                      all ? "--all, or one of them?"
                          : "which scenario, which guest, or --all?");
  *ret = client_request (op, guest);
  if (cli->argc == 3)
    json_add_text (*ret, "scenario", cli_arg (cli, 2),
                   strlen (cli_arg (cli, 2)));
  return EXIT_WELL;
}

int
scenario_pause (struct cli *cli)
{
  const char *span = cli_option (cli, "--for");
  const char *reason = cli_option (cli, "--reason");
  struct error err = ERROR_INIT;
  struct json_object *head;
  char age[32], done[64];
  uint64_t ms = 0;
  int r;

  /* First what is there that should not: `--fro 10m` is no missing --for. */
  r = about (cli, "scenario-pause", &head);
  if (!head)
    return r;
  r = span ? units_parse_duration (span, &ms, &err) : 0;
  if (!span || r < 0 || ms < 1000)
    {
      json_object_put (head);
      return r < 0 ? cli_fail (&err)
                   : cli_usage (&verb_scenario,
                                span ? "--for is a second at least"
                                     : "for how long? (--for 10m)");
    }
  json_add_int (head, "seconds", (int64_t) (ms / 1000));
  if (reason)
    json_add_text (head, "reason", reason, strlen (reason));
  snprintf (done, sizeof (done), "paused for=%s",
            print_age (age, sizeof (age), ms));
  return tell (cli, head, done);
}

int
scenario_resume (struct cli *cli)
{
  struct json_object *head;
  int r = about (cli, "scenario-resume", &head);

  return head ? tell (cli, head, "resumed") : r;
}
