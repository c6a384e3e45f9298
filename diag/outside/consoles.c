/* SPDX-License-Identifier: Apache-2.0
 *
 * Who reads the guest's consoles: processes whose keys come from one, and
 * those that wait for a line of any terminal.
 */
#include "diag/outside/outside_impl.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 24

/* "console=ttyS0,115200" among the words of its kernel. */
static bool
is_console (const char *cmdline, const char *tty)
{
  static const char word[] = "console=";
  size_t n = strlen (tty);

  for (const char *p = cmdline; (p = strstr (p, word)) != NULL; p++)
    {
      const char *name = p + sizeof word - 1;

      if ((p == cmdline || p[-1] == ' ') && strncmp (name, tty, n) == 0
          && (name[n] == '\0' || name[n] == ' ' || name[n] == ','))
        return true;
    }
  return false;
}

static bool
lives (struct json_object *task)
{
  return task && !strchr ("ZX", str_of (task, "state")[0]);
}

/* In a function that begins so. */
static bool
is_in_function (const struct outside *o, struct json_object *task,
                const char *function)
{
  const char *names[DEPTH];
  unsigned n = outside_frames_ (o, task, names, DEPTH);

  for (unsigned i = 0; i < n; i++)
    if (strncmp (names[i], function, strlen (function)) == 0)
      return true;
  return false;
}

static bool
waits_for_line (const struct outside *o, struct json_object *task)
{
  return is_in_function (o, task, "n_tty_read")
         || is_in_function (o, task, "n_tty_poll");
}

/* Of those that a console is the terminal of: a job that its user stopped is
 * no reason, as long as his shell goes on.  Who waits for its child, as login
 * does for a shell, takes no keys meanwhile. */
static bool
stands_still (const struct outside *o, struct json_object *task)
{
  return strchr ("Tt", str_of (task, "state")[0])
         || outside_is_frozen_ (o, task);
}

int
outside_console_readers_ (const struct outside *o,
                          struct json_object **ret_held)
{
  struct json_object *task, *held = NULL;
  int going = 0; /* of those with a console */
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "system", &i);
  const char *cmdline = str_of (row, "cmdline");
  int readers = 0;
  bool known = false;

  *ret_held = NULL;
  if (!strstr (cmdline, "console="))
    return -1;
  for (i = 0; i < o->tasks.n; i++)
    {
      task = o->tasks.rows[i];
      if (json_get_bool (task, "kthread", false))
        continue;
      known = known || outside_stack (o, task);
      readers += num_of (task, "pid") > 1 && waits_for_line (o, task);
    }
  for (i = 0; (row = outside_next_ (o, "process", &i));)
    if (is_console (cmdline, str_of (row, "tty"))
        && lives (task = outside_task_ (o, num_of (row, "pid"))))
      {
        readers++;
        if (stands_still (o, task))
          held = held ? held : task;
        else
          going += !is_in_function (o, task, "do_wait");
      }
  *ret_held = going == 0 ? held : NULL;
  return known && o->processes ? readers : -1;
}
