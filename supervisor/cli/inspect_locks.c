/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of `hangdog inspect` of what somebody waits for: locks, requests of
 * disks, and what moved since the look before.
 */
#include "supervisor/cli/inspect_impl.h"
#include "supervisor/cli/inspect_out.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "supervisor/cli/cli.h"

#include <string.h>

#define MAX_NAMED 12 /* of those that wait for one lock */

/* ---- locks, requests ---- */

/* Of thousands a few do; `more` are not in the list. */
static void
print_tasks_of (struct inspect_view *v, struct json_object *list,
                const char *between, long long more)
{
  size_t n = json_count (list);

  for (size_t i = 0; i < n && i < MAX_NAMED; i++)
    {
      if (i > 0)
        out (v, "%s", between);
      print_task_name (v, json_object_array_get_idx (list, i));
    }
  if (n > MAX_NAMED)
    out (v, "%s%lld more", between, (long long) (n - MAX_NAMED) + more);
}

void
inspect_print_lock_ (struct inspect_view *v, struct json_object *row)
{
  out (v, "%s %s: ", row_str (row, "kind"),
       row_str (row, "name")[0] ? row_str (row, "name") : row_str (row, "at"));
  if (json_get_bool (row, "readers", false))
    out (v, "held by readers");
  else
    {
      out (v, "held by ");
      print_task_name (v, json_get (row, "owner"));
    }
  out (v, ", waited for by ");
  print_tasks_of (v, json_get (row, "waiters"), ", ",
                  num (row, "more_waiters"));
  end_line (v);
}

/* Who may have it, and why that is thought. */
static void
print_maybe (struct inspect_view *v, struct json_object *list)
{
  static const char *const why[][2]
      = { { "preempt_off", "preemption off" },
          { "irqs_off", "interrupts off" },
          { "has_address", "its address at hand" },
          { "same_module", "in code of its module" } };

  for (size_t i = 0; json_object_is_type (list, json_type_array)
                     && i < json_object_array_length (list);
       i++)
    {
      struct json_object *c = json_object_array_get_idx (list, i);
      const char *sep = ": ";

      out (v, "  perhaps CPU %lld has it, with ", num (c, "cpu"));
      print_task_name (v, c);
      for (size_t n = 0; n < ARRAY_LEN (why); n++)
        if (json_get_bool (c, why[n][0], false))
          {
            out (v, "%s%s", sep, why[n][1]);
            sep = ", ";
          }
      end_line (v);
    }
}

void
inspect_print_spinlock_ (struct inspect_view *v, struct json_object *row)
{
  out (v, "%s %s: ", row_str (row, "kind"),
       row_str (row, "name")[0] ? row_str (row, "name")
       : row_str (row, "at")[0] ? row_str (row, "at")
                                : "(which is not known)");
  if (json_get (row, "owner"))
    {
      out (v, "held by ");
      print_task_name (v, json_get (row, "owner"));
      out (v, ", ");
    }
  else if (json_get (row, "owner_recorded"))
    out (v, "who has it is not recorded, ");
  out (v, "spun for by ");
  print_tasks_of (v, json_get (row, "waiters"), ", ", 0);
  end_line (v);
  print_maybe (v, json_get (row, "maybe"));
}

void
inspect_print_deadlock_ (struct inspect_view *v, struct json_object *row)
{
  out (v, "DEADLOCK: ");
  print_tasks_of (v, json_get (row, "tasks"), " waits for ",
                  num (row, "more_tasks"));
  out (v, " waits for the first");
  end_line (v);
}

void
inspect_print_disk_ (struct inspect_view *v, struct json_object *row)
{
  out (v, "disk %s: %lld in flight, %lld queues of %lld tags",
       row_str (row, "disk"), num (row, "in_flight"), num (row, "queues"),
       num (row, "tags"));
  end_line (v);
}

void
inspect_print_request_ (struct inspect_view *v, struct json_object *row)
{
  out (v, "  %s queue %lld tag %lld %s sector %lld len %lld",
       row_str (row, "disk"), num (row, "queue"), num (row, "tag"),
       row_str (row, "op"), num (row, "sector"), num (row, "bytes"));
  if (json_get (row, "age_s"))
    out (v, ", since %.3f s", real (row, "age_s"));
  end_line (v);
}

/* ---- what moved since the look before ---- */

void
inspect_print_moved_ (struct inspect_view *v, struct json_object *row)
{
  const char *what = row_str (row, "what");

  out (v, "moved in %.3f s: %s ", real (row, "apart_s"), what);
  if (strcmp (what, "cpu") == 0)
    out (v, "%lld: %lld switches, its clock %s", num (row, "cpu"),
         num (row, "switches"),
         json_get_bool (row, "clock", false) ? "goes on" : "STANDS");
  else if (strcmp (what, "vcpu") == 0)
    out (v, "%lld: %s%s", num (row, "vcpu"),
         json_get_bool (row, "pc", false) ? "elsewhere" : "at the same place",
         json_get_bool (row, "halted", false) ? ", halted" : "");
  else if (strcmp (what, "task") == 0)
    {
      print_task_name (v, row);
      out (v, " %s: %lld switches%s", row_str (row, "state"),
           num (row, "switches"),
           !json_get (row, "stuck")                ? ""
           : json_get_bool (row, "stuck", false) ? ", STUCK"
                                                 : ", slow");
    }
  else if (strcmp (what, "request") == 0)
    out (v, "%s queue %lld tag %lld: the same, STUCK", row_str (row, "disk"),
         num (row, "queue"), num (row, "tag"));
  else if (strcmp (what, "requests") == 0)
    out (v, "%lld answered, %lld begun, %lld the same", num (row, "answered"),
         num (row, "begun"), num (row, "same"));
  else
    out (v, "clock: %.3f s", real (row, "clock_s"));
  end_line (v);
}
