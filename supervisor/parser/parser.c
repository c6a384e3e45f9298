/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-parser: reads what strangers made, with nothing in its hands.
 */
#include "config.h"

#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_io.h"

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
  &task_bundle_all,
  &task_bundle_verify,
#ifdef PARSER_INSPECT
  &task_inspect,
  &task_core,
  &task_unzstd,
  &task_image,
#endif
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
                "[--memory SIZE] [--inputs N] TASK [ARG...]\n"
                "fd 3 = channel, fd 4 = input, and so on for N of them\n");
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

struct options
{
  struct jail jail; /* 0 = not said */
  unsigned inputs;
  const char *self_test;
};

static int
parse_options (int argc, char **argv, struct options *o)
{
  static const struct option longs[]
      = { { "deadline", required_argument, NULL, 'd' },
          { "memory", required_argument, NULL, 'm' },
          { "inputs", required_argument, NULL, 'i' },
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
      case 'i':
        o->inputs = (unsigned) strtoul (optarg, NULL, 10);
        if (o->inputs == 0 || o->inputs > PARSER_MAX_INPUTS)
          r = error_set (&err, EINVAL, "between 1 and %u inputs",
                         PARSER_MAX_INPUTS);
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

/* What was not said is the task's, and what that does not say, everybody's. */
static void
fill_jail (struct jail *j, const struct parser_task *task)
{
  if (j->memory == 0)
    j->memory = task && task->memory ? task->memory : 64u << 20;
  j->cpu_s = task && task->cpu_s ? task->cpu_s : 30;
}

static int
run (const struct parser_task *task, const struct options *o, int argc,
     char **argv)
{
  struct parser_io io = { .channel = PARSER_CHANNEL, .ninputs = o->inputs };
  struct error err = ERROR_INIT;
  bool landlock = false;
  int r;

  for (unsigned i = 0; i < o->inputs; i++)
    io.inputs[i] = PARSER_INPUT + (int) i;
  r = task && task->warm_up ? task->warm_up (&err) : 0;
  if (r == 0)
    r = jail_enter (&o->jail, &landlock, &err);
  if (r == 0 && o->self_test)
    return self_test (o->self_test);
  if (r == 0)
    r = task->run (&io, argc, argv, &err);
  if (r < 0)
    parser_answer_error (&io, &err);
  return r < 0 ? 1 : 0;
}

int
main (int argc, char **argv)
{
  struct options o = { .jail = { .deadline_ms = 30000 }, .inputs = 1 };
  const struct parser_task *task = NULL;
  int r = parse_options (argc, argv, &o);

  if (r >= 0)
    return r;
  if (o.self_test == NULL
      && (optind >= argc || (task = find_task (argv[optind])) == NULL))
    {
      usage (stderr);
      return 2;
    }
  fill_jail (&o.jail, task);
  signal (SIGPIPE, SIG_IGN);
  /* Nothing inherited by mistake: only the channel, the inputs, stderr. */
  syscall (SYS_close_range, PARSER_INPUT + o.inputs, ~0u, 0);
  /* json-c seeds its hash tables, from a file if it must. */
  json_object_put (json_tokener_parse ("{\"a\":1}"));
  /* No destructors: they may want calls that are gone. */
  _exit (run (task, &o, argc - optind - 1, argv + optind + 1));
}
