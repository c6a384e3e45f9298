/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the section "ftrace", as the kernel's own file "trace" has them.
 */
#include "supervisor/cli/inspect_impl.h"
#include "supervisor/cli/inspect_out.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "supervisor/cli/cli.h"

#include <string.h>

#define LINE_MAX_BYTES (64u << 10)

static void
print_line (struct inspect_view *v, struct buf *line)
{
  print_text (v->to, buf_str (line));
  fputc ('\n', v->to);
  buf_clear (line);
}

void
inspect_print_trace_buffer_ (struct inspect_view *v, struct json_object *row)
{
  struct buf line CLEANUP_BUF = BUF_INIT (LINE_MAX_BYTES);
  long long here = num (row, "entries");

  buf_printf (&line, "# tracer: %s", row_str (row, "tracer"));
  if (row_str (row, "instance")[0])
    buf_printf (&line, " of the instance %s", row_str (row, "instance"));
  if (json_get (row, "on"))
    buf_printf (&line, ", tracing is %s",
                !json_get_bool (row, "on", false)    ? "off"
                : json_get_bool (row, "held", false) ? "held up for now"
                                                     : "on");
  if (row_str (row, "clock")[0])
    buf_printf (&line, ", clock %s", row_str (row, "clock"));
  print_line (v, &line);
  if (here == 0)
    buf_puts (&line, "# the buffer is empty");
  else
    buf_printf (&line,
                "# entries-in-buffer/entries-written: %lld/%lld   #P:%lld",
                here, here + num (row, "overrun"), num (row, "cpus"));
  if (num (row, "lost"))
    buf_printf (&line, ", %lld could not be written", num (row, "lost"));
  print_line (v, &line);
}

/* Of CPUs that lost nothing there is nothing to say. */
void
inspect_print_trace_cpu_ (struct inspect_view *v, struct json_object *row)
{
  struct buf line CLEANUP_BUF = BUF_INIT (LINE_MAX_BYTES);

  if (num (row, "overrun") == 0 && num (row, "lost") == 0)
    return;
  buf_printf (&line,
              "# CPU %lld: %lld entries, %lld older ones were written over",
              num (row, "cpu"), num (row, "entries"), num (row, "overrun"));
  if (num (row, "lost"))
    buf_printf (&line, ", %lld could not be written", num (row, "lost"));
  print_line (v, &line);
}

/* ---- an event ---- */

static void
add_fields (struct buf *line, struct json_object *fields)
{
  struct buf text CLEANUP_BUF = BUF_INIT (LINE_MAX_BYTES);

  if (!json_object_is_type (fields, json_type_object))
    return;
  json_object_object_foreach (fields, key, value)
    {
      buf_printf (line, " %s=", key);
      if (json_object_is_type (value, json_type_string))
        buf_puts (line, json_object_get_string (value));
      else
        {
          buf_clear (&text);
          json_show (value, &text);
          buf_puts (line, buf_str (&text));
        }
    }
}

static void
print_frames (struct inspect_view *v, struct json_object *frames,
              struct buf *line)
{
  if (!json_object_is_type (frames, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (frames); i++)
    {
      const char *text
          = json_object_get_string (json_object_array_get_idx (frames, i));

      buf_printf (line, " => %s", text ? text : "?");
      print_line (v, line);
    }
}

static void
add_event (struct buf *line, struct json_object *row)
{
  const char *event = row_str (row, "event");

  if (!event[0])
    buf_printf (line, "an event of the unknown type %lld", num (row, "type"));
  else if (row_str (row, "by")[0])
    buf_printf (line, "%s: %s", row_str (row, "by"), row_str (row, "text"));
  else if (json_get (row, "text"))
    buf_puts (line, row_str (row, "text"));
  else if (json_get (row, "frames"))
    buf_puts (line, "<stack trace>");
  else
    {
      buf_printf (line, "%s:", event);
      add_fields (line, json_get (row, "fields"));
    }
}

void
inspect_print_trace_event_ (struct inspect_view *v, struct json_object *row)
{
  struct buf line CLEANUP_BUF = BUF_INIT (LINE_MAX_BYTES);
  const char *comm = row_str (row, "comm");
  long long us = num (row, "ns") / 1000 + (num (row, "ns") % 1000 >= 500);

  buf_printf (&line, "%16s-%-7lld [%03lld] %s ", comm[0] ? comm : "<...>",
              num (row, "pid"), num (row, "cpu"), row_str (row, "flags"));
  if (json_get (row, "ns"))
    buf_printf (&line, "%5lld.%06lld: ", us / 1000000, us % 1000000);
  else
    buf_printf (&line, "%12lld: ", num (row, "count"));
  add_event (&line, row);
  print_line (v, &line);
  print_frames (v, json_get (row, "frames"), &line);
}
