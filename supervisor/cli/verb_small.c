/* SPDX-License-Identifier: Apache-2.0
 *
 * Verbs that are little more than a call: version, dump, tables, controller,
 * daemon, scenario, config.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/settings.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "config.h"

#include <string.h>

/* ---- version ---- */

static int
run_version (struct cli *cli)
{
  struct json_object *row;
  int r = cli_rest (cli, &verb_version, 0);

  if (r)
    return r;
  if (!cli->json)
    {
      puts ("hangdog " PACKAGE_VERSION);
      return EXIT_WELL;
    }
  row = json_object_new_object ();
  json_add_str (row, "name", "hangdog");
  json_add_str (row, "version", PACKAGE_VERSION);
#ifdef WITH_LIBVIRT
  json_add_bool (row, "libvirt", true);
#else
  json_add_bool (row, "libvirt", false);
#endif
  print_json (row);
  json_object_put (row);
  return EXIT_WELL;
}

const struct verb verb_version = {
  .name = "version",
  .args = "",
  .summary = "say which version this is",
  .run = run_version,
};

/* ---- daemon: becomes the keeper ---- */

static int
run_daemon (struct cli *cli)
{
  char *args[64];
  int n = 0;

  args[n++] = (char *) "hangdog-keeper";
  args[n++] = (char *) "--run";
  args[n++] = (char *) cli->run_path;
  args[n++] = (char *) "--state";
  args[n++] = (char *) cli->state_path;
  args[n++] = (char *) "--libexec";
  args[n++] = (char *) cli->libexec;
  if (cli->config_path)
    {
      args[n++] = (char *) "--config";
      args[n++] = (char *) cli->config_path;
    }
  for (int i = 1; i < cli->argc && n < 60; i++)
    args[n++] = cli->argv[i];
  args[n] = NULL;
  return cli_exec (cli, "hangdog-keeper", args);
}

const struct verb verb_daemon = {
  .name = "daemon",
  .args = "[--check] [--debug]",
  .summary = "watch all guests of this host until told to stop",
  .help = "  --check   read the configuration, say what is wrong, end\n"
          "  --debug   say more\n"
          "\nIt stays in the foreground; SIGHUP reads the configuration again, "
          "SIGTERM ends\nit.\n"
          "\nExamples:\n"
          "  hangdog daemon\n"
          "  hangdog --config my.json --run /tmp/hd --state /tmp/hd-state "
          "daemon --debug\n",
  .run = run_daemon,
};

/* ---- controller ---- */

static int
run_controller (struct cli *cli)
{
  char *args[32];
  int n = 0;

  args[n++] = (char *) "hangdog-controller";
  for (int i = 1; i < cli->argc && n < 30; i++)
    args[n++] = cli->argv[i];
  args[n] = NULL;
  return cli_exec (cli, "hangdog-controller", args);
}

const struct verb verb_controller = {
  .name = "controller",
  .args = "--listen ADDRESS:PORT --data DIR [--token-file FILE]",
  .summary = "run the reference controller, which receives bundles",
  .help = "Example:\n"
          "  hangdog controller --listen 127.0.0.1:8080 --data /srv/hangdog\n",
  .run = run_controller,
};

/* ---- dump ---- */

static int
dump_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  fwrite (body, 1, len, stdout);
  return 0;
}

static int
simple_call (struct cli *cli, const struct verb *verb, const char *op,
             bool start, client_row_fn *fn, void *arg)
{
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, verb, 0);

  if (r)
    return r;
  r = client_open (cli, start, &c, &err);
  if (r == 0)
    r = client_call (c, client_request (op, NULL), fn, arg, &err);
  client_close (c);
  return r < 0 ? cli_fail (&err) : EXIT_WELL;
}

static int
run_dump (struct cli *cli)
{
  return simple_call (cli, &verb_dump, "dump", false, dump_row, NULL);
}

const struct verb verb_dump = {
  .name = "dump",
  .args = "",
  .summary = "show the daemon's own state: jobs, timers, bounds, drops",
  .run = run_dump,
};

/* ---- tables ---- */

struct tables
{
  bool json;
  struct table *table;
};

static int
tables_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct tables *t = arg;
  const char *cells[] = { json_get_str (row, "table"),
                          json_get_str (row, "name"),
                          json_get_str (row, "summary") };
  const char *touches = json_get_str (row, "touches");
  char text[600];

  if (touches)
    {
      snprintf (text, sizeof (text), "%s [touches: %s]", cells[2], touches);
      cells[2] = text;
    }

  if (t->json)
    print_json (row);
  else
    table_row (t->table, cells);
  return 0;
}

static int
run_tables (struct cli *cli)
{
  static const char *const titles[]
      = { "TABLE", "NAME", "SUMMARY", NULL };
  struct tables t = { cli->json, table_new (titles) };
  int r = simple_call (cli, &verb_tables, "tables", true, tables_row, &t);

  table_print (t.table, stdout);
  table_free (t.table);
  return r;
}

const struct verb verb_tables = {
  .name = "tables",
  .args = "",
  .summary = "list what this build has: sources, transports, collectors, ...",
  .help = "What each does, and what using it does to the guest.\n",
  .run = run_tables,
};

/* ---- scenario, config: the documents ---- */

static int
run_scenario (struct cli *cli)
{
  const char *what = cli_arg (cli, 1);
  char *args[64];
  int n = 0;

  args[n++] = (char *) "hangdog-check";
  if (what && strcmp (what, "schema") == 0 && cli->argc == 2)
    args[n++] = (char *) "--schema";
  else if (what && strcmp (what, "check") == 0 && cli->argc > 2)
    for (int i = 2; i < cli->argc && n < 60; i++)
      args[n++] = cli->argv[i];
  else
    return cli_usage (&verb_scenario, NULL);
  args[n] = NULL;
  return cli_exec (cli, "hangdog-check", args);
}

const struct verb verb_scenario = {
  .name = "scenario",
  .args = "check FILE... | schema",
  .summary = "check scenario documents, or print their JSON Schema",
  .help = "Example:\n"
          "  hangdog scenario check /etc/hangdog/scenarios/*.json\n",
  .run = run_scenario,
};

static int
config_show (struct cli *cli)
{
  struct buf out = BUF_INIT (256u << 10);

  config_schema (&out);
  puts (buf_str (&out));
  buf_done (&out);
  return EXIT_WELL;
}

static int
run_config (struct cli *cli)
{
  const char *what = cli_arg (cli, 1);

  if (what && strcmp (what, "schema") == 0 && cli->argc == 2)
    return config_show (cli);
  if (what && strcmp (what, "check") == 0 && cli->argc <= 3)
    {
      char *file = cli->argc == 3 ? cli->argv[2] : (char *) cli->config_path;
      char *args[] = { (char *) "hangdog-keeper", (char *) "--check",
                       file ? (char *) "--config" : NULL, file, NULL };

      return cli_exec (cli, "hangdog-keeper", args);
    }
  return cli_usage (&verb_config, NULL);
}

const struct verb verb_config = {
  .name = "config",
  .args = "check [FILE] | schema",
  .summary = "check the configuration, or print its JSON Schema",
  .help = "Example:\n"
          "  hangdog config check /etc/hangdog/config.json\n",
  .run = run_config,
};
