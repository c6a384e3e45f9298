/* SPDX-License-Identifier: Apache-2.0
 *
 * How the rows of `hangdog inspect` are written: everything in them may be the
 * guest's, and out() escapes it.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_INSPECT_OUT_H
#define HANGDOG_SUPERVISOR_CLI_INSPECT_OUT_H

#include "base/json.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/inspect_impl.h"

#include <stdarg.h>

static inline void __attribute__ ((format (printf, 2, 3)))
out (struct inspect_view *v, const char *fmt, ...)
{
  char text[4096];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  print_text (v->to, text);
}

static inline void
end_line (struct inspect_view *v)
{
  fputc ('\n', v->to);
}

static inline double
real (struct json_object *row, const char *key)
{
  return json_object_get_double (json_get (row, key));
}

static inline long long
num (struct json_object *row, const char *key)
{
  return (long long) json_get_int (row, key, 0);
}

/* "zoo_holder (315)" */
static inline void
print_task_name (struct inspect_view *v, struct json_object *task)
{
  if (json_get (task, "comm"))
    out (v, "%s (%lld)", row_str (task, "comm"), num (task, "pid"));
  else
    out (v, "nobody known");
}

#endif
