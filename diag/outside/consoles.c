/* SPDX-License-Identifier: Apache-2.0
 *
 * Who reads the guest's consoles: processes whose keys come from one, and
 * those that wait for a line of any terminal.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 24
#define WAITS_S 5.0

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

/* What it says, or that all of it was said: both end when the terminal has
 * taken it. */
static bool
waits_to_say (const struct outside *o, struct json_object *task)
{
  static const char *const places[]
      = { "n_tty_write", "tty_wait_until_sent", "set_termios" };

  for (size_t i = 0; i < ARRAY_LEN (places); i++)
    if (is_in_function (o, task, places[i]))
      return strspn (str_of (task, "state"), "SD") > 0
             && real_of (task, "since_s") >= WAITS_S;
  return false;
}

/* The driver of hvc0 says on what that mark forbids. */
static const char *
stopped_by (struct json_object *process)
{
  static const char *const known[] = { "program", "key", "line" };

  for (size_t i = 0; i < ARRAY_LEN (known); i++)
    if (strcmp (str_of (process, "tty_stopped"), known[i]) == 0
        && strncmp (str_of (process, "tty"), "hvc", 3) != 0)
      return known[i];
  return "";
}

/* The screen is a console too ("tty1"), and nobody's of us. */
static bool
is_screen (const char *tty)
{
  return strncmp (tty, "tty", 3) == 0 && tty[3] >= '0' && tty[3] <= '9';
}

const char *
outside_console_stopped_ (const struct outside *o,
                          struct json_object **ret_waits)
{
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "system", &i), *task;
  const char *cmdline = str_of (row, "cmdline"), *by = "";

  *ret_waits = NULL;
  for (i = 0; (row = outside_next_ (o, "process", &i));)
    {
      if (!is_console (cmdline, str_of (row, "tty"))
          || is_screen (str_of (row, "tty"))
          || !lives (task = outside_task_ (o, num_of (row, "pid"))))
        continue;
      if (!by[0])
        by = stopped_by (row);
      if (waits_to_say (o, task)
          && (!*ret_waits
              || real_of (task, "since_s") > real_of (*ret_waits, "since_s")))
        *ret_waits = task;
    }
  return by;
}
