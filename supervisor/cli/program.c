/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines of our own other programs.  The command line links neither
 * libvirt nor curl, so a verb that needs them becomes the program that does.
 */
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void
program_init (struct program *p, const char *name)
{
  *p = (struct program){ .name = name };
  program_arg (p, name);
}

void
program_arg (struct program *p, const char *arg)
{
  /* One stays NULL.  A file left out in silence would count as checked. */
  if (p->n + 1 >= ARRAY_LEN (p->args))
    p->full = true;
  else
    p->args[p->n++] = (char *) arg;
}

void
program_rest (struct program *p, const struct cli *cli, int n)
{
  for (int i = n; i < cli->argc; i++)
    program_arg (p, cli->argv[i]);
}

void
program_keeper (struct program *p, const struct cli *cli)
{
  /* All of them, also the defaults: the keeper has the same, but an
   * environment may have changed ours. */
  program_init (p, "hangdog-keeper");
  program_arg (p, "--run");
  program_arg (p, cli->run_path);
  program_arg (p, "--state");
  program_arg (p, cli->state_path);
  program_arg (p, "--libexec");
  program_arg (p, cli->libexec);
  if (cli->config_path)
    {
      program_arg (p, "--config");
      program_arg (p, cli->config_path);
    }
}

void
program_failed (const char *path, int code, struct error *err)
{
  if (code == ENOENT)
    error_set (err, EIO,
               "%s is not there: hangdog is not installed whole; in a built "
               "tree it is ./run hangdog",
               path);
  else
    error_errno (err, code, "%s", path);
}

int
cli_exec (struct cli *cli, const struct program *p)
{
  char path[4096];
  struct error err = ERROR_INIT;

  if (p->full)
    {
      error_set (&err, E2BIG, "more than %zu arguments at once",
                 ARRAY_LEN (p->args) - 2);
      cli_fail (&err);
      return EXIT_USAGE;
    }
  snprintf (path, sizeof (path), "%s/%s", cli->libexec, p->name);
  execv (path, p->args);
  program_failed (path, errno, &err);
  cli_fail (&err);
  /* Not EXIT_USAGE, as a missing file is otherwise: the caller named none. */
  return EXIT_ERROR;
}
