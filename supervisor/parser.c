/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-parser: reads what strangers made, with nothing in its hands.
 */
#include "config.h"

#include "supervisor/parser.h"

#include "base/channel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const struct parser_task *const parser_tasks[] = {
  &task_bundle_list,
  &task_bundle_cat,
  &task_bundle_verify,
  NULL,
};

/* ---- trying the walls ---- */

static int
try_socket (void)
{
  return socket (AF_INET, SOCK_STREAM, 0) < 0;
}

static int
try_exec (void)
{
  char *argv[] = { (char *) (uintptr_t) "/bin/true", NULL };

  return execv (argv[0], argv) < 0;
}

static int
try_fork (void)
{
  return fork () < 0;
}

static int
try_exec_memory (void)
{
  return mmap (NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
         == MAP_FAILED;
}

static int
try_ptrace (void)
{
  return syscall (SYS_ptrace, 0, 0, 0, 0) < 0;
}

static int
try_open (void)
{
  return open ("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0;
}

static int
try_memory (void)
{
  return mmap (NULL, 256u << 20, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
         == MAP_FAILED;
}

static int
try_deadline (void)
{
  char c;

  /* The channel stays silent: this blocks until the deadline. */
  return read (PARSER_CHANNEL, &c, 1) < 0;
}

static int
try_nothing (void)
{
  return 1;
}

/* fn returns 1 when it was refused; most never return. */
static const struct
{
  const char *name;
  int (*fn) (void);
} walls[] = {
  { "nothing", try_nothing }, { "socket", try_socket },
  { "exec", try_exec },       { "fork", try_fork },
  { "ptrace", try_ptrace },   { "exec-memory", try_exec_memory },
  { "open", try_open },       { "memory", try_memory },
  { "deadline", try_deadline },
};

static int
self_test (const char *name)
{
  for (size_t i = 0; i < sizeof walls / sizeof *walls; i++)
    if (strcmp (walls[i].name, name) == 0)
      return walls[i].fn () ? 0 : 9;
  return 2;
}

/* ---- main ---- */

static void
usage (FILE *out)
{
  fprintf (out, "usage: hangdog-parser [--deadline DURATION] "
                "[--memory SIZE] TASK [ARG...]\n"
                "fd 3 = channel, fd 4 = input\n");
  for (unsigned i = 0; parser_tasks[i]; i++)
    fprintf (out, "  %s %s\t%s\n", parser_tasks[i]->name,
             parser_tasks[i]->args ? parser_tasks[i]->args : "",
             parser_tasks[i]->summary);
}

static const struct parser_task *
find_task (const char *name)
{
  for (unsigned i = 0; parser_tasks[i]; i++)
    if (strcmp (parser_tasks[i]->name, name) == 0)
      return parser_tasks[i];
  return NULL;
}

static void
report (const struct error *err)
{
  struct json_object *head = json_object_new_object ();
  struct json_object *e = json_object_new_object ();

  json_add_str (head, "op", "error");
  json_add_int (e, "errno", err->code);
  json_add_text (e, "message", error_text (err), strlen (error_text (err)));
  json_object_object_add (head, "error", e);
  frame_write (PARSER_CHANNEL, head, NULL, 0, NULL, 0, CLOCK_NEVER, NULL);
  json_object_put (head);
}

struct options
{
  struct jail jail;
  const char *self_test;
};

static int
parse_options (int argc, char **argv, struct options *o)
{
  static const struct option longs[]
      = { { "deadline", required_argument, NULL, 'd' },
          { "memory", required_argument, NULL, 'm' },
          { "self-test", required_argument, NULL, 's' },
          { "help", no_argument, NULL, 'h' },
          { 0 } };
  struct error err = ERROR_INIT;
  int c, r = 0;

  /* "+": what follows the task's name is the task's. */
  while (r == 0 && (c = getopt_long (argc, argv, "+h", longs, NULL)) != -1)
    switch (c)
      {
      case 'd':
        r = units_parse_duration (optarg, &o->jail.deadline_ms, &err);
        break;
      case 'm':
        r = units_parse_size (optarg, &o->jail.memory, &err);
        break;
      case 's':
        o->self_test = optarg;
        break;
      case 'h':
        usage (stdout);
        return 0;
      default:
        return 2;
      }
  if (r < 0 || o->jail.deadline_ms == 0)
    {
      fprintf (stderr, "hangdog-parser: %s\n",
               r < 0 ? error_text (&err) : "a deadline is needed");
      return 2;
    }
  return -1;
}

int
main (int argc, char **argv)
{
  struct options o = { .jail = { .memory = 64u << 20, .deadline_ms = 30000,
                                 .cpu_s = 30 } };
  const struct parser_task *task = NULL;
  struct error err = ERROR_INIT;
  bool landlock = false;
  int r = parse_options (argc, argv, &o);

  if (r >= 0)
    return r;
  if (o.self_test == NULL
      && (optind >= argc || (task = find_task (argv[optind])) == NULL))
    {
      usage (stderr);
      return 2;
    }
  signal (SIGPIPE, SIG_IGN);
  /* Nothing inherited by mistake: only the channel, the input, stderr. */
  syscall (SYS_close_range, PARSER_INPUT + 1, ~0u, 0);
  /* json-c seeds its hash tables, from a file if it must. */
  json_object_put (json_tokener_parse ("{\"a\":1}"));
  r = task && task->warm_up ? task->warm_up (&err) : 0;
  if (r == 0)
    r = jail_enter (&o.jail, &landlock, &err);
  if (r == 0 && o.self_test)
    _exit (self_test (o.self_test));
  if (r == 0)
    r = task->run (argc - optind - 1, argv + optind + 1, &err);
  if (r < 0)
    report (&err);
  /* No destructors: they may want calls that are gone. */
  _exit (r < 0 ? 1 : 0);
}
