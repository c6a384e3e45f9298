/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in the files a thing stands: evidence is linked to a line, and that
 * line is shown with what is around it.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE 3 /* lines before and after one that is linked */
#define AFTER 6
#define LINE_SHOWN 400
/* Once a section has that much, of long lines only the beginning. */
#define LONG_UNTIL (160u << 10)
#define LINE_SHORT 40
#define NEEDLE 120

/* ---- links ---- */

static unsigned
index_of (const struct page *p, const struct file_text *f)
{
  unsigned i = 0;

  while (p->files[i] != f)
    i++;
  return i;
}

static bool
mark (struct page *p, unsigned file, unsigned line, bool plain)
{
  for (unsigned i = 0; i < p->nmarks; i++)
    if (p->marks[i].file == file && p->marks[i].line == line)
      {
        p->marks[i].plain = p->marks[i].plain && plain;
        return true;
      }
  if (p->nmarks == MARKS_MOST)
    return false;
  p->marks[p->nmarks++] = (struct mark){ file, line, plain };
  return true;
}

static void
link_to (struct page *p, const char *file, unsigned line, bool plain)
{
  struct file_text *f = line ? file_read (p, file) : NULL;
  unsigned n = f ? index_of (p, f) : 0;

  if (!f || line > f->nlines || !mark (p, n, line, plain))
    {
      html_file (p, file);
      if (line)
        html_printf (p, " line %u", line);
      return;
    }
  html_printf (p, "<a class=\"at\" href=\"#L%u-%u\">", n, line);
  html_text (p, file);
  html_printf (p, ":%u</a>", line);
}

void
html_place (struct page *p, const char *file, unsigned line)
{
  link_to (p, file, line, false);
}

void
html_place_plain (struct page *p, const char *file, unsigned line)
{
  link_to (p, file, line, true);
}

/* ---- of a fact ---- */

/* Who says a fact says it somewhere: `find` is what that line has; "%v": the
 * fact's value, "%w": the first word of the value that is found there, "%e":
 * it is what the file ends with. */
static const struct place
{
  const char *source, *name, *file, *find;
} places[] = {
  { "memory", "finding.*", "memory/findings.json", "%v" },
  { "memory", "culprit.*", "memory/findings.json", "%w" },
  { "memory", "tasks.stopped_who", "memory/look.jsonl", "%w" },
  { "memory", "tasks.stopped", "memory/look.jsonl", "\"state\":\"T\"" },
  { "memory", "tasks.culprit", "memory/findings.json", "%w" },
  { "memory", "tasks.*", "memory/look.jsonl", "\"state\":\"D\"" },
  { "memory", "app.*", "memory/applications.json", "%w" },
  { "memory", "lock.*", "memory/findings.json", "%w" },
  { "memory", "lock.*", "memory/look.jsonl", "\"row\":\"lock\"" },
  { "memory", "vcpu.irqs_off", "memory/look.jsonl", "\"irqs_off\":true" },
  { "memory", "vcpu.*", "memory/look.jsonl", "\"row\":\"cpu\"" },
  { "memory", "kernel.panicked", "memory/look.jsonl", "\"panicked\":" },
  { "memory", "kernel.clock_moved", "memory/look.jsonl", "\"what\":\"guest\"" },
  { "memory", "kernel.switches", "memory/look.jsonl", "\"what\":\"cpu\"" },
  { "memory", "kernel.release", "memory/look.jsonl", "\"row\":\"kernel\"" },
  { "memory", "mem.*", "memory/look.jsonl", "\"row\":\"mem\"" },
  { "memory", "disk.*", "memory/look.jsonl", "\"row\":\"request\"" },
  { "memory", "disk.*", "memory/look.jsonl", "\"row\":\"disk\"" },
  { "memory", "init.state", "memory/look.jsonl", "\"pid\":1,\"" },
  { "memory", "console.stopped", "memory/look.jsonl", "\"tty_stopped\":" },
  { "memory", "console.waits", "memory/look.jsonl", "%w" },
  { "memory", "workqueue.*", "memory/look.jsonl", "\"row\":\"workpool\"" },
  { "memory", "guest.*", "memory/look.jsonl", "\"row\":\"system\"" },
  { "monitor", "vmm.monitor", "monitor/status.json", "\"monitor\":" },
  { "monitor", "vmm.status", "monitor/status.json", "\"status\":" },
  { "monitor", "disk.*.slowest_ms", "monitor/latency.txt", "  +" },
  { "monitor", "disk.*", "disk/blockstats.json", "\"second\"" },
  { "monitor", "vmm.*", "monitor/status.json", "%v" },
  { "monitor", "vcpu.count", "qmp/transcript.jsonl", "query-cpus-fast" },
  { "monitor", "vcpu.*.share", "qmp/transcript.jsonl", "query-cpus-fast" },
  { "monitor", "vcpu.*.waited", "qmp/transcript.jsonl", "query-cpus-fast" },
  { "monitor", "vcpu.*", "qmp/transcript.jsonl", "info registers" },
  { "libvirt", "vmm.status", "qmp/transcript.jsonl", "state.state" },
  { "host", "host.psi.cpu.full", "host/pressure-cpu", "full" },
  { "host", "host.psi.cpu.*", "host/pressure-cpu", "some" },
  { "host", "host.psi.io.full", "host/pressure-io", "full" },
  { "host", "host.psi.io.*", "host/pressure-io", "some" },
  { "host", "host.psi.memory.full", "host/pressure-memory", "full" },
  { "host", "host.psi.memory.*", "host/pressure-memory", "some" },
  { "host", "host.memory.*", "host/meminfo", "MemAvailable" },
  { "host", "host.load1", "host/loadavg", " " },
  { "host", "qemu.state", "qemu/status", "State:" },
  { "host", "qemu.blocked_in", "qemu/stacks.txt", "%v" },
  { "host", "qemu.stuck_threads", "qemu/threads.txt", " D" },
  { "host", "vcpu.*", "qemu/threads.txt", "tid" },
  { "host", "qemu.wanted", "qemu/threads.txt", "tid" },
  { "host", "qemu.got", "qemu/threads.txt", "tid" },
  { "host", "disk.*.fs.*", "disk/images.json", "\"fs\"" },
  { "host", "disk.*.pool*", "disk/images.json", "\"pool\":" },
  { "host", "disk.*.health*", "disk/images.json", "\"health\":" },
  { "host", "disk.*.media_errors", "disk/images.json", "\"media_errors\":" },
  { "host", "disk.*", "disk/images.json", "{" },
  { "host", "host.log.*", "host/kernel.log", "%v" },
  { "host", "host.fs.full", "host/filesystems", "%w" },
  { "host", "host.fs.used", "host/filesystems", "MiB" },
  { "host", "net.*.*", "host/links.json", "carrier" },
  { "host", "net.carrier", "host/links.json", "carrier" },
  { "sysrq", "kernel.answers", "sysrq/h.txt", "sysrq:" },
  { "sysrq", "kernel.answers", "sysrq/w.txt", "sysrq:" },
  { "sysrq", "kernel.answers", "sysrq/l.txt", "sysrq:" },
  { "sysrq", "kernel.answers", "sysrq/t.txt", "sysrq:" },
  { "sysrq", "tasks.culprit", "sysrq/w.txt", "%w" },
  { "sysrq", "tasks.*", "sysrq/w.txt", "task:" },
  { "inside", "app.*", "application/applications.json", "%w" },
  { "inside", "units.*", "inside/failed.txt", "%w" },
  { "inside", "fs.full", "inside/df.txt", "%w" },
  { "inside", "mem.*", "inside/meminfo.txt", "MemAvailable" },
  { "inside", "guest.load1", "inside/loadavg.txt", " " },
  { "inside", "guest.uptime_s", "inside/uptime.txt", " " },
  { "net", "net.*", "net/net.json", "answer" },
  { "scenario", "*", "timeline.jsonl", "\"confirmed\"" },
  { "console", "guest.stop", "console/tail.log", "%e" },
  { "console", "guest.stage", "console/tail.log", "%e" },
  { "console", "console.xon", "timeline.jsonl", "XON" },
  { "console", "console.*", "timeline.jsonl", "\"confirmed\"" },
};

/* What a JSON text has of it as it is. */
static void
needle_of (char *dst, size_t n, const char *value)
{
  size_t len = strcspn (value, "\"\\\n");

  snprintf (dst, n, "%.*s", (int) (len < n ? len : n - 1), value);
}

/* Of words: what is told of somebody begins with how he is. */
static unsigned
line_of_word (const struct file_text *f, const char *value)
{
  char word[NEEDLE];
  unsigned line = 0;

  for (unsigned tries = 0; *value && tries < 12 && !line;)
    {
      size_t len = strcspn (value, " ,;:()[]\"\\\n");

      if (len >= 3 && len < sizeof word)
        {
          snprintf (word, sizeof word, "%.*s", (int) len, value);
          line = file_line_with (f, word, 1);
          tries++;
        }
      value += len + strspn (value + len, " ,;:()[]\"\\\n");
    }
  return line;
}

struct event_wanted
{
  const char *title;
  unsigned line;
  char text[NEEDLE];
};

static void
on_event (struct json_object *row, unsigned line, void *arg)
{
  struct event_wanted *w = arg;

  if (w->line || strcmp (str_of (row, "title"), w->title) != 0)
    return;
  w->line = line;
  needle_of (w->text, sizeof w->text, str_of (row, "first_text"));
}

bool
place_of_text (struct page *p, const char *text, const char **ret_file,
               unsigned *ret_line)
{
  static const char *const logs[]
      = { "console/tail.log", "memory/dmesg.txt", "inside/dmesg.txt" };

  for (size_t i = 0; i < 3 && strlen (text) >= 8; i++)
    {
      const struct file_text *f = file_read (p, logs[i]);
      unsigned line = f ? file_line_with (f, text, 1) : 0;

      if (line)
        {
          *ret_file = logs[i];
          *ret_line = line;
          return true;
        }
    }
  return false;
}

/* What a line of text was taken for: the line. */
static bool
place_of_event (struct page *p, const char *title, const char **ret_file,
                unsigned *ret_line)
{
  struct event_wanted w = { .title = title };

  rows_each (p, "kernel/events.jsonl", on_event, &w);
  if (w.line && place_of_text (p, w.text, ret_file, ret_line))
    return true;
  *ret_file = "kernel/events.jsonl";
  *ret_line = w.line;
  return w.line > 0;
}

bool
place_of_fact (struct page *p, const char *source, const char *name,
               const char *value, const char **ret_file, unsigned *ret_line)
{
  char needle[NEEDLE];

  if (strncmp (name, "kernel.event.", 13) == 0
      || strncmp (name, "kernel.trouble.", 15) == 0
      || strcmp (name, "kernel.title") == 0)
    return place_of_event (p, value, ret_file, ret_line);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
    {
      const struct place *at = &places[i];
      const struct file_text *f;
      unsigned line;

      if (strcmp (at->source, source) != 0 || fnmatch (at->name, name, 0) != 0
          || !(f = file_read (p, at->file)))
        continue;
      needle_of (needle, sizeof needle,
                 strcmp (at->find, "%v") == 0 ? value : "");
      line = strcmp (at->find, "%w") == 0   ? line_of_word (f, value)
             : strcmp (at->find, "%e") == 0 ? f->nlines
             : needle[0]                  ? file_line_with (f, needle, 1)
                         : file_line_with (f, at->find, 1);
      if (!line)
        continue;
      *ret_file = at->file;
      *ret_line = line;
      return true;
    }
  return false;
}

/* ---- files that a text names ---- */

/* What a log is read for is at its end. */
static unsigned
line_to_read (const struct file_text *f)
{
  const char *dot = strrchr (f->name, '.');

  return dot && (strcmp (dot, ".txt") == 0 || strcmp (dot, ".log") == 0)
             ? f->nlines
             : 1;
}

void
html_prose (struct page *p, const char *text)
{
  static const char file_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-/";
  const struct file_text *f;
  char name[128];

  while (*text)
    {
      size_t len = strspn (text, file_chars), other;

      while (len && strchr (".-/", text[len - 1]))
        len--;
      snprintf (name, sizeof name, "%.*s", (int) (len < 127 ? len : 127),
                text);
      if (len > 4 && len < 127 && strchr (name, '/') && strchr (name, '.')
          && p->nfiles < FILES_READ - 8 && (f = file_read (p, name)))
        html_place (p, name, line_to_read (f));
      else
        html_bytes (p, text, len);
      text += len;
      other = *text ? 1 + strcspn (text + 1, file_chars) : 0;
      html_bytes (p, text, other);
      text += other;
    }
}

/* ---- lines ---- */

struct lines
{
  struct page *page;
  unsigned file, from, to;
};

/* A console's text has its control characters written out; of what only sets
 * colours or moves the cursor nothing is to be read here. */
static void
plain_line (struct buf *line, const char *at, size_t len)
{
  if (len >= 4 && memcmp (at + len - 4, "\\x0d", 4) == 0)
    len -= 4;
  for (size_t i = 0; i < len;)
    {
      size_t n = 3;
      const char *end = len - i > 4 && memcmp (at + i, "\\e]", 3) == 0
                            ? memmem (at + i, len - i, "\\x07", 4) : NULL;

      /* The title of a window. */
      if (end)
        {
          i = (size_t) (end - at) + 4;
          continue;
        }
      if (len - i > 3 && memcmp (at + i, "\\e[", 3) == 0)
        {
          while (i + n < len && n < 24 && strchr ("0123456789;?", at[i + n]))
            n++;
          if (i + n < len && strchr ("mJKHABCDhlnr", at[i + n]))
            {
              i += n + 1;
              continue;
            }
        }
      buf_putc (line, at[i++]);
    }
}

static bool
is_ours (const struct page *p, unsigned file, unsigned n)
{
  if (p->nours == 0 || strcmp (p->files[file]->name, CONSOLE_LOG) != 0)
    return false;
  for (unsigned i = 0; i < p->nours; i++)
    if (n >= p->ours[i].from && n <= p->ours[i].to)
      return true;
  return false;
}

static void
on_line (unsigned n, const char *line, size_t len, void *arg)
{
  CLEANUP_BUF struct buf text = BUF_INIT (2 * LINE_SHOWN);
  struct lines *l = arg;
  struct page *p = l->page;
  size_t most = p->out->len < LONG_UNTIL ? LINE_SHOWN : LINE_SHORT;
  bool hit = false;

  if (n < l->from || n > l->to)
    return;
  for (unsigned i = 0; i < p->nmarks && !hit; i++)
    hit = !p->marks[i].plain && p->marks[i].file == l->file
          && p->marks[i].line == n;
  html_printf (p, "<span%s id=\"L%u-%u\"><a href=\"#L%u-%u\">%u</a>",
               hit                      ? " class=\"hit\""
               : is_ours (p, l->file, n) ? " class=\"ours\""
                                         : "",
               l->file, n, l->file, n, n);
  plain_line (&text, line, len < most ? len : most);
  html_bytes (p, buf_str (&text), text.len);
  if (len > most)
    html_printf (p, "<i>&hellip; %zu more bytes</i>", len - most);
  html (p, "\n</span>");
}

void
html_lines (struct page *p, const struct file_text *f, unsigned from,
            unsigned to)
{
  struct lines l = { .page = p, .file = index_of (p, f), .from = from,
                     .to = to };

  html (p, "<pre class=\"lines\">");
  file_lines (f, on_line, &l);
  html (p, "</pre>");
}

/* ---- what is linked, and is not shown by another section ---- */

static int
by_place (const void *a, const void *b)
{
  const struct mark *x = a, *y = b;

  return x->file != y->file ? (x->file < y->file ? -1 : 1)
                            : (x->line > y->line) - (x->line < y->line);
}

static bool
is_shown (const struct file_text *f, unsigned line)
{
  return line >= f->from && line <= f->to;
}

/* Around mark i, and those after it as far as they touch; returns how many.
 * What another section has has its address there. */
static unsigned
one_excerpt (struct page *p, unsigned i)
{
  const struct file_text *f = p->files[p->marks[i].file];
  unsigned line = p->marks[i].line, n = 1;
  unsigned from = line > BEFORE ? line - BEFORE : 1, to = line + AFTER;

  while (i + n < p->nmarks && p->marks[i + n].file == p->marks[i].file
         && p->marks[i + n].line <= to + BEFORE + 1)
    to = p->marks[i + n++].line + AFTER;
  if (!f->to || from > f->to || to < f->from)
    html_lines (p, f, from, to);
  else
    {
      if (from < f->from)
        html_lines (p, f, from, f->from - 1);
      if (to > f->to)
        html_lines (p, f, f->to + 1, to);
    }
  return n;
}

void
report_places (struct page *p)
{
  unsigned last = FILES_READ, open = 0;

  qsort (p->marks, p->nmarks, sizeof p->marks[0], by_place);
  for (unsigned i = 0; i < p->nmarks;)
    {
      const struct mark *m = &p->marks[i];
      const struct file_text *f = p->files[m->file];

      if (is_shown (f, m->line))
        {
          i++;
          continue;
        }
      if (!open++)
        {
          section_begin (p, "places", "The evidence in its files");
          html (p, "<p class=\"hint\">The lines that are linked above, with "
                   "what stands around them.</p>");
        }
      if (m->file != last)
        {
          html (p, "<h3>");
          html_file (p, f->name);
          html (p, "</h3>");
          last = m->file;
        }
      i += one_excerpt (p, i);
    }
  if (open)
    section_end (p);
}
