/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines of our own other programs.  The command line links neither
 * libvirt nor curl, so a verb that needs them becomes the program that does.
 */
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
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

/* In the child. */
static void
become (const struct cli *cli, const struct program *p, int out)
{
  char path[4096];
  int null = open ("/dev/null", O_RDWR);

  dup2 (null, STDIN_FILENO);
  dup2 (out, STDOUT_FILENO);
  dup2 (null, STDERR_FILENO);
  snprintf (path, sizeof (path), "%s/%s", cli->libexec, p->name);
  execv (path, p->args);
  _exit (EXIT_ERROR);
}

int
program_rows (const struct cli *cli, const struct program *p,
              void (*fn) (struct json_object *row, void *arg), void *arg)
{
  CLEANUP_FREE char *line = NULL;
  CLEANUP_FCLOSE FILE *said = NULL;
  size_t room = 0;
  ssize_t n;
  int fds[2], status = -1;
  pid_t pid;

  fflush (stdout);
  if (pipe2 (fds, O_CLOEXEC) < 0)
    return EXIT_ERROR;
  pid = fork ();
  if (pid == 0)
    become (cli, p, fds[1]);
  close (fds[1]);
  said = fdopen (fds[0], "re");
  if (!said)
    close (fds[0]);
  while (pid > 0 && said && (n = getline (&line, &room, said)) > 0)
    {
      CLEANUP_JSON_DOC struct json_doc *doc = NULL;

      if (json_parse (line, (size_t) n, JSON_WIRE, p->name, JSON_MAX_FILE,
                      &doc, NULL)
          == 0)
        fn (json_root (doc), arg);
    }
  if (pid < 0 || waitpid (pid, &status, 0) != pid || !WIFEXITED (status))
    return EXIT_ERROR;
  return WEXITSTATUS (status);
}
