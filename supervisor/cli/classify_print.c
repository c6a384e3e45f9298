/* SPDX-License-Identifier: Apache-2.0
 *
 * How hangdog classify tells what it found.  All of it is what a guest said:
 * nothing is printed unescaped.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

#define KEPT 2048     /* lines */
#define KEPT_LINE 512 /* bytes of each */
#define SHOWN 120     /* lines of an event that --explain prints */
#define FRAMES_SHOWN 8
#define NPD_LINE 80
#define TEXT_MOST (16u << 20) /* that wait in memory until all is read */

/* ---- the latest lines ---- */

struct kept
{
  struct
  {
    uint64_t number;
    char *text;
  } line[KEPT];
  unsigned next;
};

int
kept_new (struct kept **ret, struct error *err)
{
  struct kept *k = calloc (1, sizeof (*k));

  if (!k)
    return error_set (err, ENOMEM, "no memory");
  *ret = k;
  return 0;
}

void
kept_free (struct kept *k)
{
  if (!k)
    return;
  for (unsigned i = 0; i < KEPT; i++)
    free (k->line[i].text);
  free (k);
}

void
kept_line (struct kept *k, const struct text_msg *msg)
{
  const struct text_line *line = msg->line;
  size_t n = line->len < KEPT_LINE ? line->len : KEPT_LINE;
  unsigned at = k->next;

  /* One that was given while it was open comes again, longer. */
  if (k->line[(at + KEPT - 1) % KEPT].number == line->number)
    at = (at + KEPT - 1) % KEPT;
  free (k->line[at].text);
  k->line[at].text = strndup (line->text, n);
  k->line[at].number = k->line[at].text ? line->number : 0;
  k->next = (at + 1) % KEPT;
}

void
kept_each (const struct kept *k, uint64_t first, uint64_t last,
           void (*fn) (uint64_t number, const char *text, void *arg), void *arg)
{
  for (unsigned i = 0; i < KEPT; i++)
    {
      unsigned at = (k->next + i) % KEPT;

      if (k->line[at].text && k->line[at].number >= first
          && k->line[at].number <= last)
        fn (k->line[at].number, k->line[at].text, arg);
    }
}

/* ---- one event, for people ---- */

static void
say (FILE *to, const char *label, const char *text)
{
  if (!text[0])
    return;
  fputs (label, to);
  print_text (to, text);
}

static void
print_who (FILE *to, const struct text_event *e)
{
  if (e->comm[0] || e->pid >= 0)
    {
      say (to, "  task=", e->comm[0] ? e->comm : "?");
      if (e->pid >= 0)
        fprintf (to, ":%d", e->pid);
    }
  if (e->cpu >= 0)
    fprintf (to, "  cpu=%d", e->cpu);
  if (e->seconds >= 0)
    fprintf (to, "  for=%.3gs", e->seconds);
  say (to, "  about=", e->subject);
  say (to, "  held-by=", e->other);
  say (to, "  kernel=", e->release);
}

static void
print_frames (FILE *to, const struct text_event *e)
{
  unsigned shown = 0;

  for (unsigned i = 0; i < e->nframes && shown < FRAMES_SHOWN; i++)
    {
      if (e->frames[i].guess)
        continue;
      fputs (shown++ ? " < " : "    ", to);
      print_text (to, e->frames[i].func);
      if (e->frames[i].module[0])
        {
          say (to, " [", e->frames[i].module);
          fputc (']', to);
        }
    }
  if (shown)
    fputc ('\n', to);
}

static void
print_line (uint64_t number, const char *text, void *arg)
{
  FILE *to = arg;

  fprintf (to, "    %7llu | ", (unsigned long long) number);
  print_text (to, text);
  fputc ('\n', to);
}

static void
print_lines (FILE *to, const struct text_event *e, const struct kept *kept)
{
  uint64_t last = e->last_line;

  fprintf (to, "    rule %s (kind %s) fired on line %llu, took up to %llu:\n",
           e->rule, e->kind, (unsigned long long) e->first_line,
           (unsigned long long) e->last_line);
  if (last > e->first_line + SHOWN)
    last = e->first_line + SHOWN;
  kept_each (kept, e->first_line, last, print_line, to);
  if (last < e->last_line)
    fprintf (to, "            | ... %llu more\n",
             (unsigned long long) (e->last_line - last));
}

static void
print_event (struct classify *c, const char *file, const struct text_event *e,
             const struct kept *kept)
{
  FILE *to = c->out;

  /* As many as a hostile guest likes to print. */
  if (to != stdout && ftello (to) > (off_t) TEXT_MOST)
    {
      c->unshown++;
      return;
    }
  if (c->many)
    {
      print_text (to, file);
      fputc (':', to);
    }
  fprintf (to, "%llu: %s%s: ", (unsigned long long) e->first_line,
           text_severity_names[e->severity], e->ours ? " (asked for)" : "");
  print_text (to, e->title);
  fputc ('\n', to);
  fputs ("   ", to);
  say (to, " type=", e->type);
  say (to, "  class=", e->class_);
  print_who (to, e);
  fprintf (to, "  stage=%s  %s%s", text_stage_names[e->stage],
           text_evidence_names[e->evidence], e->corrupted ? ", corrupted" : "");
  say (to, "  signature=", e->signature);
  fputc ('\n', to);
  print_frames (to, e);
  if (kept)
    print_lines (to, e, kept);
  /* Somebody follows. */
  if (to == stdout)
    fflush (to);
}

/* ---- one event, for programmes ---- */

static void
add_line (uint64_t number, const char *text, void *arg)
{
  struct json_object *list = arg, *o;

  if (json_object_array_length (list) > SHOWN)
    return;
  o = json_object_new_object ();
  json_add_int (o, "line", (int64_t) number);
  json_add_text (o, "text", text, strlen (text));
  json_object_array_add (list, o);
}

/* These are always there: who asks for one need not ask whether it is. */
static void
add_missing (struct json_object *o)
{
  static const char *const always[]
      = { "title",    "type",       "class",     "severity", "corrupted",
          "evidence", "first_line", "last_line", "frames",   "cpu",
          "comm",     "pid",        "kernel",    "stage",    "signature",
          "kind",     "rule",       "subject" };

  for (unsigned i = 0; i < ARRAY_LEN (always); i++)
    if (!json_object_object_get_ex (o, always[i], NULL))
      json_object_object_add (o, always[i], NULL);
}

static void
json_event (struct classify *c, const char *file, const struct text_event *e,
            const struct kept *kept)
{
  CLEANUP_JSON struct json_object *o = text_event_to_json (e);

  add_missing (o);
  json_add_text (o, "file", file, strlen (file));
  if (kept)
    {
      struct json_object *lines = json_object_new_array ();

      kept_each (kept, e->first_line, e->last_line, add_line, lines);
      json_object_object_add (o, "lines", lines);
    }
  print_json (o);
}

static void
add_trouble (struct classify *c, enum text_severity severity, const char *title)
{
  c->troubles++;
  if (!c->troubled || severity > c->worst_severity)
    {
      c->worst_severity = severity;
      snprintf (c->worst, sizeof (c->worst), "%s", title);
    }
  c->troubled = true;
}

void
classify_stands (struct classify *c, const char *file,
                 const struct stage *stage)
{
  char title[TEXT_TITLE_MAX];

  if (stage->stop == STOP_NONE || stage->stop == STOP_HALTED)
    return;
  snprintf (title, sizeof (title), "it stands still: %s",
            text_stop_names[stage->stop]);
  add_trouble (c, SEVERITY_ERROR, title);
  if (c->how != TELL_TEXT)
    return;
  if (c->many)
    {
      print_text (c->out, file);
      fputc (':', c->out);
    }
  fprintf (c->out, "%llu: error: %s\n    stage=%s\n",
           (unsigned long long) stage->line, title,
           text_stage_names[stage->stage]);
}

void
classify_event (struct classify *c, const char *file,
                const struct text_event *e, const struct kept *kept)
{
  bool remark = e->ours || e->severity == SEVERITY_INFO;

  if (remark && !c->all)
    {
      c->hidden++;
      return;
    }
  c->severity[e->severity]++;
  if (!remark)
    add_trouble (c, e->severity, e->title);
  if (c->how == TELL_JSON)
    json_event (c, file, e, kept);
  else if (c->how == TELL_TEXT)
    print_event (c, file, e, kept);
}

/* ---- all of it ---- */

static unsigned
events (const struct classify *c)
{
  unsigned n = 0;

  for (unsigned i = 0; i < SEVERITY_MAX; i++)
    n += c->severity[i];
  return n;
}

/* In plain ASCII, and no longer than n. */
static void
cut_line (char *dst, size_t n, const char *text)
{
  struct buf safe = BUF_INIT (4096);

  text_escape (&safe, text, strlen (text), TEXT_ASCII);
  snprintf (dst, n, "%s", buf_str (&safe));
  buf_done (&safe);
}

static int
end_nagios (const struct classify *c, int bad)
{
  char title[TEXT_TITLE_MAX];
  bool critical = c->troubled && c->worst_severity >= SEVERITY_ERROR;
  int code = critical ? 2 : bad ? 3 : c->troubled ? 1 : 0;
  static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

  cut_line (title, sizeof (title), c->worst);
  /* A bar begins the figures. */
  for (char *p = title; *p; p++)
    *p = *p == '|' ? '/' : *p;
  printf ("HANGDOG %s - %s | events=%u fatal=%u error=%u warning=%u\n",
          words[code],
          c->troubled ? title
          : bad       ? "a file cannot be read"
                      : "nothing is wrong",
          events (c), c->severity[SEVERITY_FATAL], c->severity[SEVERITY_ERROR],
          c->severity[SEVERITY_WARNING]);
  return code;
}

static int
end_npd (const struct classify *c, int bad)
{
  char line[NPD_LINE + 1];

  cut_line (line, sizeof (line),
            c->troubled ? c->worst
            : bad       ? "a file cannot be read"
                        : "nothing is wrong");
  printf ("%s\n", line);
  return c->troubled ? 1 : bad ? 2 : 0;
}

int
classify_end (struct classify *c, int bad)
{
  if (c->given_up)
    fprintf (stderr,
             "hangdog: a rule's expression was given up on %llu lines: it "
             "takes too many steps\n",
             (unsigned long long) c->given_up);
  if (c->how == TELL_NAGIOS)
    return end_nagios (c, bad);
  if (c->how == TELL_NPD)
    return end_npd (c, bad);
  /* Nothing could be read, and that was said. */
  if (bad && c->lines == 0)
    return bad;
  if (c->how == TELL_TEXT)
    {
      printf ("events=%u worst=%s remarks=%u lines=%llu boots=%llu stage=%s "
              "stop=%s",
              events (c),
              c->troubled ? text_severity_names[c->worst_severity] : "none",
              c->hidden, (unsigned long long) c->lines,
              (unsigned long long) c->boots, text_stage_names[c->stage.stage],
              text_stop_names[c->stage.stop]);
      say (stdout, " kernel=", c->stage.release);
      fputc ('\n', stdout);
    }
  return bad ? bad : c->troubled ? EXIT_TROUBLE : EXIT_WELL;
}
