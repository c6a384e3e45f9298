/* SPDX-License-Identifier: Apache-2.0
 *
 * One row of `hangdog inspect` each, as who reads kernels expects it.
 *
 * Everything in a row may be the guest's: what goes out goes through out().
 */
#include "supervisor/cli/inspect_impl.h"
#include "supervisor/cli/inspect_out.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "supervisor/cli/cli.h"

#include <string.h>

#define PAGE_KIB 4

/* ---- rows that nobody has described here ---- */

static void
print_value (struct inspect_view *v, struct json_object *value)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4096);

  if (json_object_is_type (value, json_type_string))
    out (v, "%s", json_object_get_string (value));
  else
    {
      json_show (value, &text);
      out (v, "%s", buf_str (&text));
    }
}

static void
print_any (struct inspect_view *v, struct json_object *row)
{
  out (v, "%s", row_str (row, "row"));
  json_object_object_foreach (row, key, value)
    {
      if (strcmp (key, "row") == 0)
        continue;
      out (v, " %s=", key);
      print_value (v, value);
    }
  end_line (v);
}

/* ---- the guest, its kernel ---- */

/* The first lines are for programmes, too. */
static void
print_guest (struct inspect_view *v, struct json_object *row)
{
  out (v, "guest=%s pid=%lld run=%s memory_mib=%lld read_by=%s",
       row_str (row, "guest"), num (row, "pid"), row_str (row, "run"),
       num (row, "memory_bytes") >> 20, row_str (row, "read_by"));
  end_line (v);
  if (row_str (row, "registers_why")[0])
    print_paragraph (v->to, "no registers: ", row_str (row, "registers_why"));
  if (row_str (row, "note")[0])
    print_paragraph (v->to, "note: ", row_str (row, "note"));
  if (row_str (row, "impact")[0])
    print_paragraph (v->to, "impact: ", row_str (row, "impact"));
}

static void
print_kernel (struct inspect_view *v, struct json_object *row)
{
  out (v, "kernel=%s arch=%s vcpus=%lld memory_mib=%lld at=%s found_by=%s",
       row_str (row, "release"), row_str (row, "arch"), num (row, "vcpus"),
       num (row, "memory_bytes") >> 20, row_str (json_get (row, "image"), "va"),
       row_str (row, "found"));
  if (row_str (row, "host")[0])
    out (v, " host=%s", row_str (row, "host"));
  end_line (v);
  print_paragraph (v->to, "", row_str (row, "banner"));
}

static void
print_system (struct inspect_view *v, struct json_object *row)
{
  struct json_object *load = json_get (row, "load");
  char age[32];

  /* Not every kernel's ticks are known; its CPUs' clocks begin with it. */
  out (v, "up %s",
       json_get (row, "uptime_s") || json_get (row, "clock_s")
           ? print_age (age, sizeof age,
                        inspect_ms_ (json_get (row, "uptime_s")
                                   ? real (row, "uptime_s")
                                   : real (row, "clock_s")))
           : "?");
  if (json_object_is_type (load, json_type_array)
      && json_object_array_length (load) == 3)
    out (v, ", load %.2f %.2f %.2f",
         json_object_get_double (json_object_array_get_idx (load, 0)),
         json_object_get_double (json_object_array_get_idx (load, 1)),
         json_object_get_double (json_object_array_get_idx (load, 2)));
  out (v, ", %lld CPUs", num (row, "cpus"));
  if (num (row, "taint"))
    out (v, ", tainted: %s", row_str (row, "taint_letters"));
  if (json_get_bool (row, "panicked", false))
    out (v, ", PANICKED on CPU %lld", num (row, "panic_cpu"));
  end_line (v);
  if (json_object_is_type (json_get (row, "pressure"), json_type_object))
    {
      out (v, "pressure");
      json_object_object_foreach (json_get (row, "pressure"), key, value)
        {
          out (v, " %s=", key);
          print_value (v, value);
        }
      end_line (v);
    }
  if (row_str (row, "cmdline")[0])
    print_paragraph (v->to, "command line: ", row_str (row, "cmdline"));
}

static void
print_runqueue (struct inspect_view *v, struct json_object *row)
{
  out (v, "CPU %lld: %lld running, %lld switches", num (row, "cpu"),
       num (row, "running"), num (row, "switches"));
  if (json_get (row, "behind_s"))
    out (v, ", last looked at its clock %.3f s ago", real (row, "behind_s"));
  end_line (v);
}

/* ---- CPUs ---- */

void
inspect_print_trace_ (struct inspect_view *v, struct json_object *stack)
{
  struct json_object *frames = json_get (stack, "frames");

  if (!json_object_is_type (frames, json_type_array))
    return;
  out (v, " Call Trace:");
  end_line (v);
  for (size_t i = 0; i < json_object_array_length (frames); i++)
    {
      const char *text
          = json_object_get_string (json_object_array_get_idx (frames, i));

      out (v, "  %s", text ? text : "?");
      end_line (v);
    }
  if (strcmp (row_str (stack, "end"), "lost") == 0)
    fputs ("  (how it goes on could not be found out)\n", v->to);
}

static void
print_cpu_head (struct inspect_view *v, struct json_object *row)
{
  if (json_get (row, "vcpu"))
    out (v, "vCPU %lld", num (row, "vcpu"));
  if (json_get (row, "cpu"))
    out (v, "%sCPU %lld", json_get (row, "vcpu") ? ", the guest's " : "",
         num (row, "cpu"));
  if (json_get (row, "comm"))
    out (v, ": %s (%lld)", row_str (row, "comm"), num (row, "pid"));
  if (row_str (row, "mode")[0])
    out (v, ", in %s mode", row_str (row, "mode"));
  if (json_get (row, "irqs_off"))
    out (v, ", interrupts %s",
         json_get_bool (row, "irqs_off", false) ? "OFF" : "on");
  if (json_get_bool (row, "halted", false))
    out (v, ", halted");
}

void
inspect_print_cpu_line_ (struct inspect_view *v, struct json_object *row)
{
  print_cpu_head (v, row);
  if (row_str (row, "at")[0])
    out (v, ", at %s", row_str (row, "at"));
  end_line (v);
}

static void
print_cpu (struct inspect_view *v, struct json_object *row)
{
  end_line (v);
  print_cpu_head (v, row);
  end_line (v);
  if (row_str (row, "pc")[0])
    {
      out (v, " %s: %s", outside_is_arm (v->seen) ? "PC" : "RIP",
           row_str (row, "at")[0] ? row_str (row, "at") : row_str (row, "pc"));
      end_line (v);
    }
  if (json_get (row, "waits_for_cpus"))
    {
      out (v, " waits for an answer of the CPUs ");
      print_value (v, json_get (row, "waits_for_cpus"));
      end_line (v);
    }
  if (num (row, "unanswered_calls"))
    {
      out (v, " has not answered %lld calls of others",
           num (row, "unanswered_calls"));
      end_line (v);
    }
  if (outside_stack (v->seen, row))
    inspect_print_trace_ (v, outside_stack (v->seen, row));
}

/* ---- memory, messages ---- */

static void
print_mem (struct inspect_view *v, struct json_object *row)
{
  struct buf text = BUF_INIT (16u << 10);

  out (v, "memory: %lld MiB, %lld MiB free",
       num (row, "total_pages") * PAGE_KIB / 1024,
       num (row, "free_pages") * PAGE_KIB / 1024);
  end_line (v);
  json_object_object_foreach (row, key, value)
    if (json_object_is_type (value, json_type_int)
        && json_object_get_int64 (value) != 0)
      buf_printf (&text, "%s%s=%lld", text.len ? " " : "", key,
                  (long long) json_object_get_int64 (value));
  print_paragraph (v->to, "  ", buf_str (&text));
  buf_done (&text);
}

static void
print_zone (struct inspect_view *v, struct json_object *row)
{
  out (v, "  node %lld zone %s: %lld pages, free by order ", num (row, "node"),
       row_str (row, "zone"), num (row, "present"));
  print_value (v, json_get (row, "free_by_order"));
  end_line (v);
}

/* ---- timers, works, devices, file systems ---- */

static void
print_first (struct inspect_view *v, struct json_object *row, const char *what)
{
  struct json_object *o = json_get (row, what);

  if (!json_object_is_type (o, json_type_object))
    return;
  out (v, ", %lld %s", num (o, "pending"), what);
  if (row_str (o, "first")[0])
    out (v, " (%s %s %.3f s)", row_str (o, "first"),
         real (o, "due_s") < 0 ? "OVERDUE since" : "in",
         real (o, "due_s") < 0 ? -real (o, "due_s") : real (o, "due_s"));
}

static void
print_timers (struct inspect_view *v, struct json_object *row)
{
  out (v, "  CPU %lld: clock %s, %s", num (row, "cpu"), row_str (row, "clock"),
       row_str (row, "clock_state"));
  if (json_get (row, "next_event_s"))
    out (v, ", next event %s %.3f s",
         real (row, "next_event_s") < 0 ? "OVERDUE since" : "in",
         real (row, "next_event_s") < 0 ? -real (row, "next_event_s")
                                        : real (row, "next_event_s"));
  if (num (row, "hrtimer_hangs"))
    out (v, ", %lld hangs of timers", num (row, "hrtimer_hangs"));
  print_first (v, row, "hrtimers");
  print_first (v, row, "timers");
  end_line (v);
}

static void
print_work (struct inspect_view *v, struct json_object *row)
{
  out (v, "  pool %lld: %s %s", num (row, "pool"), row_str (row, "state"),
       row_str (row, "func"));
  if (row_str (row, "queue")[0])
    out (v, " of %s", row_str (row, "queue"));
  if (json_get (row, "comm"))
    {
      out (v, " by ");
      print_task_name (v, row);
    }
  if (json_get (row, "asleep_s"))
    out (v, ", asleep since %.3f s", real (row, "asleep_s"));
  end_line (v);
}

/* Of pools that have nothing to do there are many. */
static void
print_workpool (struct inspect_view *v, struct json_object *row)
{
  if (num (row, "waiting") == 0 && num (row, "held_back") == 0
      && num (row, "on_cpu") == 0)
    return;
  out (v, "  pool %lld", num (row, "pool"));
  if (json_get (row, "cpu"))
    out (v, " of CPU %lld", num (row, "cpu"));
  out (v, ": %lld workers, %lld idle, %lld works wait", num (row, "workers"),
       num (row, "idle"), num (row, "waiting"));
  if (num (row, "held_back"))
    out (v, ", %lld are held back", num (row, "held_back"));
  if (json_get (row, "no_progress_s"))
    out (v, ", NO PROGRESS since %.3f s", real (row, "no_progress_s"));
  end_line (v);
}

static void
print_net (struct inspect_view *v, struct json_object *row)
{
  struct json_object *list = json_get (row, "addresses");
  size_t n = json_object_is_type (list, json_type_array)
                 ? json_object_array_length (list)
                 : 0;

  out (v, "  %s: %s, %s, mtu %lld, %lld of %lld queues stopped",
       row_str (row, "name"), json_get_bool (row, "up", false) ? "up" : "down",
       json_get_bool (row, "carrier", false) ? "carrier" : "NO carrier",
       num (row, "mtu"), num (row, "tx_stopped"), num (row, "tx_queues"));
  if (json_get (row, "tx_silent_s"))
    out (v, ", sent nothing since %.3f s", real (row, "tx_silent_s"));
  if (json_get_bool (row, "tx_timed_out", false))
    out (v, ", TIMED OUT");
  for (size_t i = 0; i < n; i++)
    out (v, "%s%s", i > 0 ? " " : ", ",
         json_object_get_string (json_object_array_get_idx (list, i)));
  end_line (v);
}

/* Of those that listen; others are for whoever reads rows. */
static void
print_socket (struct inspect_view *v, struct json_object *row)
{
  if (strcmp (row_str (row, "state"), "listen") != 0 || !json_get (row, "port"))
    return;
  out (v, "  %s port %lld of pid %lld", row_str (row, "proto"),
       num (row, "port"), num (row, "pid"));
  if (json_get (row, "room"))
    out (v, ", %lld of %lld wait to be taken", num (row, "waiting"),
         num (row, "room"));
  end_line (v);
}

static void
print_process (struct inspect_view *v, struct json_object *row)
{
  long long files = num (row, "files"), max = num (row, "max_files");

  if (max == 0 || files < max)
    return;
  out (v, "  pid %lld has all files open that it may: %lld of %lld",
       num (row, "pid"), files, max);
  end_line (v);
}

static void
print_cgroup (struct inspect_view *v, struct json_object *row)
{
  bool frozen = json_get_bool (row, "frozen", false);

  if (!frozen && num (row, "oom_kills") == 0)
    return;
  out (v, "  %s:%s", row_str (row, "cgroup"), frozen ? " FROZEN" : "");
  if (num (row, "oom_kills"))
    out (v, " %lld killed for lack of memory in it", num (row, "oom_kills"));
  end_line (v);
}

static void
print_mount (struct inspect_view *v, struct json_object *row)
{
  struct json_object *at = json_get (row, "at");

  out (v, "  %s %s on ", row_str (row, "type"), row_str (row, "device"));
  for (size_t i = 0; json_object_is_type (at, json_type_array)
                     && i < json_object_array_length (at);
       i++)
    {
      if (i > 0)
        out (v, ", ");
      print_value (v, json_object_array_get_idx (at, i));
    }
  if (json_get_bool (row, "read_only", false))
    out (v, ", read-only");
  if (row_str (row, "frozen")[0])
    out (v, ", FROZEN (%s)", row_str (row, "frozen"));
  if (row_str (row, "write_error")[0])
    out (v, ", WRITE ERROR %s", row_str (row, "write_error"));
  end_line (v);
}

/* As `lsmod` does. */
static void
print_module (struct inspect_view *v, struct json_object *row)
{
  out (v, "  %-20s %9lld %3lld", row_str (row, "name"), num (row, "size"),
       num (row, "refs"));
  if (strcmp (row_str (row, "state"), "live") != 0)
    out (v, " %s", row_str (row, "state"));
  if (row_str (row, "taint")[0])
    out (v, " (%s)", row_str (row, "taint"));
  end_line (v);
}

/* As `dmesg` does: the time before each line of it. */
static void
print_dmesg (struct inspect_view *v, struct json_object *row)
{
  const char *text = row_str (row, "text");
  long long us = num (row, "us");

  do
    {
      size_t n = strcspn (text, "\n");

      out (v, "[%5lld.%06lld] %.*s", us / 1000000, us % 1000000,
           (int) (n < 4000 ? n : 4000), text);
      end_line (v);
      text += n + (text[n] != '\0');
    }
  while (*text);
}

/* ---- the table ---- */

static const struct
{
  const char *kind;
  void (*print) (struct inspect_view *v, struct json_object *row);
  const char *title; /* once, before the first of several */
} printers[] = {
  { "guest", print_guest, NULL },
  { "kernel", print_kernel, NULL },
  { "system", print_system, NULL },
  { "runqueue", print_runqueue, NULL },
  { "cpu", print_cpu, NULL },
  { "lock", inspect_print_lock_, "\nLocks that are waited for:" },
  { "spinlock", inspect_print_spinlock_, "\nSpinning:" },
  { "deadlock", inspect_print_deadlock_, NULL },
  { "disk", inspect_print_disk_, "\nDisks:" },
  { "request", inspect_print_request_, NULL },
  { "moved", inspect_print_moved_, "\nMoved:" },
  { "mem", print_mem, "" },
  { "zone", print_zone, NULL },
  { "timers", print_timers, "\nTimers:" },
  { "work", print_work, "\nWorks:" },
  { "workpool", print_workpool, NULL },
  { "socket", print_socket, "\nProcesses:" },
  { "sockets", print_socket, NULL }, /* for whoever reads rows */
  { "process", print_process, "\nProcesses:" },
  { "cgroup", print_cgroup, "\nProcesses:" },
  { "net", print_net, "\nNetwork devices:" },
  { "mount", print_mount, "\nFile systems:" },
  { "module", print_module, "\nModules:" },
  { "trace_buffer", inspect_print_trace_buffer_, "\nTrace:" },
  { "trace_cpu", inspect_print_trace_cpu_, NULL },
  { "trace", inspect_print_trace_event_, NULL },
  { "dmesg", print_dmesg, "" },
};

static bool
is_of_processes (const char *kind)
{
  return strcmp (kind, "socket") == 0 || strcmp (kind, "process") == 0
         || strcmp (kind, "cgroup") == 0;
}

/* Rows of two kinds that take turns under one title. */
static bool
goes_on (const char *last, const char *kind)
{
  return (strcmp (kind, "disk") == 0 && strcmp (last, "request") == 0)
         || (is_of_processes (kind) && is_of_processes (last))
         || (strcmp (kind, "work") == 0 && strcmp (last, "workpool") == 0);
}

void
inspect_print_row_ (struct inspect_view *v, const char *kind,
                    struct json_object *row)
{
  for (size_t i = 0; i < ARRAY_LEN (printers); i++)
    if (strcmp (printers[i].kind, kind) == 0)
      {
        if (printers[i].title && strcmp (v->last, kind) != 0
            && !goes_on (v->last, kind))
          fprintf (v->to, "%s\n", printers[i].title);
        printers[i].print (v, row);
        return;
      }
  print_any (v, row);
}

void
inspect_print_lacks_ (struct inspect_view *v)
{
  if (v->lacks.n > 0)
    fputs ("\nNot found out:\n", v->to);
  for (size_t i = 0; i < v->lacks.n; i++)
    {
      struct json_object *row = v->lacks.rows[i];
      char label[160];

      snprintf (label, sizeof label, "  %s, %s: ", row_str (row, "section"),
                row_str (row, "what"));
      print_paragraph (v->to, label, row_str (row, "why"));
    }
}
