/* SPDX-License-Identifier: Apache-2.0
 *
 * How hard it was lately: averages of some times, which are a short history;
 * and what moved between two looks.
 */
#include "diag/report/tasks.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* ---- averages ---- */

static const struct averages
{
  const char *title, *file;
  bool load; /* "1m 5m 15m ...", else lines "some avg10=.. avg60=.." */
} averages[] = {
  { "host: waits for CPU", "host/pressure-cpu", false },
  { "host: waits for storage", "host/pressure-io", false },
  { "host: waits for memory", "host/pressure-memory", false },
  { "host: load", "host/loadavg", true },
  { "guest: waits for CPU", "inside/pressure-cpu.txt", false },
  { "guest: waits for storage", "inside/pressure-io.txt", false },
  { "guest: waits for memory", "inside/pressure-memory.txt", false },
  { "guest: load", "inside/loadavg.txt", true },
};

static bool
read_averages (struct page *p, const struct averages *a, double v[3])
{
  const struct file_text *f = file_read (p, a->file);
  const char *text = f ? buf_str (&f->text) : "";

  if (!a->load)
    {
      text = strstr (text, "some avg10=");
      return text
             && sscanf (text, "some avg10=%lf avg60=%lf avg300=%lf", &v[2],
                        &v[1], &v[0])
                    == 3;
    }
  for (; *text; text += strcspn (text, "\n") + (strchr (text, '\n') != NULL))
    if (sscanf (text, "%lf %lf %lf", &v[2], &v[1], &v[0]) == 3)
      return true;
  return false;
}

static void
draw_averages (struct page *p, const struct averages *a, const double v[3])
{
  static const char *const spans[2][3]
      = { { "5 min", "1 min", "10 s" }, { "15 min", "5 min", "1 min" } };
  double most = a->load ? 1 : 100;

  for (unsigned i = 0; i < 3; i++)
    if (a->load && v[i] > most)
      most = v[i];
  html (p, "<figure><figcaption>");
  html (p, a->title);
  html (p, "</figcaption><svg class=\"bars\" width=\"100%\" height=\"66\" "
           "role=\"img\" aria-label=\"averages, the latest last\">");
  for (unsigned i = 0; i < 3; i++)
    {
      double is = v[i] < 0 || !(v[i] <= 1e6) ? 0 : v[i];
      double high = is > most ? 30 : 30 * is / most;

      html_printf (p,
                   "<rect class=\"%s\" x=\"%.1f%%\" y=\"%.1f\" width=\"28%%\" "
                   "height=\"%.1f\"/><text x=\"%.1f%%\" y=\"%.1f\" "
                   "text-anchor=\"middle\">%.3g%s</text><text class=\"soft\" "
                   "x=\"%.1f%%\" y=\"62\" text-anchor=\"middle\">%s</text>",
                   is > most / 2 && !a->load ? "high" : "low", 3 + 33.0 * i,
                   48 - (high < 1 ? 1 : high), high < 1 ? 1 : high,
                   17 + 33.0 * i, 43 - (high < 1 ? 1 : high), is,
                   a->load ? "" : " %", 17 + 33.0 * i, spans[a->load][i]);
    }
  html (p, "</svg></figure>");
}

bool
report_pressure (struct page *p)
{
  unsigned n = 0;
  double v[3];

  for (size_t i = 0; i < sizeof averages / sizeof averages[0]; i++)
    if (read_averages (p, &averages[i], v))
      {
        if (!n++)
          html (p, "<h3>Pressure: how much of the last time some task had "
                   "to wait</h3><div class=\"charts\">");
        draw_averages (p, &averages[i], v);
      }
  if (n)
    html (p, "</div>");
  return n > 0;
}

/* ---- what moved ---- */

struct moved
{
  struct page *page;
  unsigned n, tasks, stuck;
};

static void
moved_row (struct moved *m, struct json_object *row, const char *what,
           int64_t number, const char *is, bool good)
{
  struct page *p = m->page;

  if (!m->n++)
    html (p, "<h3>What moved between two looks at its memory</h3>"
             "<div class=\"wide\"><table><tbody>");
  html (p, "<tr><td>");
  html (p, what);
  if (number >= 0)
    html_printf (p, " %lld", (long long) number);
  html (p, good ? "</td><td>" : "</td><td class=\"fail\">");
  html (p, is);
  html (p, "</td><td>");
  if (json_get (row, "switches"))
    html_printf (p, "%lld switches from task to task",
                 (long long) json_get_int (row, "switches", 0));
  if (json_get (row, "clock_s"))
    html_printf (p, "its clock went on by %.3f s",
                 json_object_get_double (json_get (row, "clock_s")));
  if (json_get (row, "answered"))
    html_printf (p, "%lld answered, %lld begun, %lld still the same",
                 (long long) json_get_int (row, "answered", 0),
                 (long long) json_get_int (row, "begun", 0),
                 (long long) json_get_int (row, "same", 0));
  if (json_get (row, "apart_s") && strcmp (what, "the guest") == 0)
    html_printf (p, ", in %.3f s of the host's",
                 json_object_get_double (json_get (row, "apart_s")));
  html (p, "</td></tr>");
}

static void
on_row (struct json_object *row, unsigned line, void *arg)
{
  struct moved *m = arg;
  const char *what = str_of (row, "what");
  bool clock = json_get_bool (row, "clock", false);

  (void) line;
  if (strcmp (str_of (row, "row"), "moved") != 0 || m->n > 80)
    return;
  if (strcmp (what, "guest") == 0)
    moved_row (m, row, "the guest", -1, clock ? "lives" : "stands still",
               clock);
  else if (strcmp (what, "cpu") == 0)
    moved_row (m, row, "its CPU", json_get_int (row, "cpu", -1),
               clock ? "clock goes on" : "clock stands still", clock);
  else if (strcmp (what, "vcpu") == 0
           && !json_get_bool (row, "halted", false))
    moved_row (m, row, "vCPU", json_get_int (row, "vcpu", -1),
               json_get_bool (row, "pc", false) ? "moves on"
                                                : "at the same place twice",
               json_get_bool (row, "pc", false));
  else if (strcmp (what, "requests") == 0)
    moved_row (m, row, "requests to disks", -1,
               json_get_int (row, "answered", 0) > 0 ? "are answered"
               : json_get_int (row, "same", 0) > 0   ? "none was answered"
                                                     : "there were none",
               json_get_int (row, "answered", 0) > 0
                   || json_get_int (row, "same", 0) == 0);
  else if (strcmp (what, "task") == 0)
    {
      m->tasks += json_get_int (row, "switches", 0) > 0;
      m->stuck += json_get_bool (row, "stuck", false);
    }
}

bool
report_moved (struct page *p)
{
  struct moved m = { .page = p };

  if (p->tasks->file[0])
    rows_each (p, p->tasks->file, on_row, &m);
  if (m.n)
    {
      html (p, "</tbody></table></div>");
      html_printf (p, "<p>%u task%s ran", m.tasks, m.tasks == 1 ? "" : "s");
      if (m.stuck)
        html_printf (p, "; %u %s blocked and did not", m.stuck,
                     m.stuck == 1 ? "was" : "were");
      html (p, ".</p>");
    }
  return m.n > 0;
}
