/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole consoles, of guests that are well and of such that are not: which
 * rules fire, in which order, and where the guest stands in the end.
 *
 * A file of samples/ begins with lines "#= KEY: VALUE": the stage and the stop
 * it ends with, and a rule for each event that is more than a remark.
 */
#include "kernel/text/reader.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER "tests/unit/kernel-text/samples"
#define EVENTS_MAX 32

struct seen
{
  uint64_t line;
  char rule[64];
};

struct seens
{
  unsigned count;
  struct seen list[EVENTS_MAX];
};

static void
on_event (const struct text_event *e, void *arg)
{
  struct seens *s = arg;

  if (e->severity == SEVERITY_INFO || s->count == EVENTS_MAX)
    return;
  s->list[s->count].line = e->first_line;
  snprintf (s->list[s->count++].rule, sizeof s->list[0].rule, "%s", e->rule);
}

static int
by_line (const void *a, const void *b)
{
  const struct seen *x = a, *y = b;

  return x->line < y->line ? -1 : x->line > y->line;
}

/* The value of the next line "#= KEY: ..."; *at goes behind it. */
static bool
next_value (const char **at, const char *key, char *dst, size_t n)
{
  while (strncmp (*at, "#= ", 3) == 0)
    {
      const char *line = *at + 3, *end = strchr (line, '\n');
      size_t len = strlen (key);

      if (!end)
        return false;
      *at = end + 1;
      if (strncmp (line, key, len) != 0 || strncmp (line + len, ": ", 2) != 0)
        continue;
      snprintf (dst, n, "%.*s", (int) (end - line - (long) len - 2),
                line + len + 2);
      return true;
    }
  return false;
}

static const char *
behind_head (const char *text)
{
  while (strncmp (text, "#= ", 3) == 0)
    text = strchr (text, '\n') + 1;
  return text;
}

static unsigned
compare (const char *name, const char *text, const struct seens *s,
         const struct stage *stage)
{
  const char *at = text;
  char want[64] = "";
  unsigned i = 0, bad = 0;

  if (!next_value (&at, "stage", want, sizeof want)
      || strcmp (want, text_stage_names[stage->stage]) != 0)
    bad += fprintf (stderr, "%s: stage \"%s\", not \"%s\"\n", name,
                    text_stage_names[stage->stage], want)
           > 0;
  if (!next_value (&at, "stop", want, sizeof want)
      || strcmp (want, text_stop_names[stage->stop]) != 0)
    bad += fprintf (stderr, "%s: stop \"%s\", not \"%s\"\n", name,
                    text_stop_names[stage->stop], want)
           > 0;
  for (; next_value (&at, "event", want, sizeof want); i++)
    if (i >= s->count || strcmp (want, s->list[i].rule) != 0)
      bad += fprintf (stderr, "%s: event %u is \"%s\", not \"%s\"\n", name, i,
                      i < s->count ? s->list[i].rule : "", want)
             > 0;
  for (; i < s->count; i++)
    bad += fprintf (stderr, "%s: event %u is \"%s\", not wanted\n", name, i,
                    s->list[i].rule)
           > 0;
  return bad;
}

static unsigned
one_file (const struct text_rules *rules, const char *path, const char *name,
          size_t piece)
{
  static const struct text_reader_ops ops = { .event = on_event };
  static char text[1 << 18];
  CLEANUP_FCLOSE FILE *f = fopen (path, "rbe");
  struct seens s = { 0 };
  struct text_reader *r;
  const char *log;
  unsigned bad;

  assert_non_null (f);
  text[fread (text, 1, sizeof text - 1, f)] = '\0';
  log = behind_head (text);
  assert_int_equal (text_reader_new (rules, &ops, &s, &r, NULL), 0);
  for (size_t n = strlen (log); n > 0;)
    {
      size_t now = piece > 0 && piece < n ? piece : n;

      text_reader_feed (r, log, now, 0);
      log += now;
      n -= now;
    }
  text_reader_end (r);
  qsort (s.list, s.count, sizeof s.list[0], by_line);
  bad = compare (name, text, &s, text_reader_stage (r));
  text_reader_free (r);
  return bad;
}

static void
test_samples (void **state)
{
  const char *src = getenv ("srcdir");
  struct text_rules *rules = NULL;
  char path[1024];
  struct dirent *e;
  unsigned files = 0, bad = 0;
  DIR *dir;

  snprintf (path, sizeof path, "%s/%s", src ? src : ".", FOLDER);
  dir = opendir (path);
  assert_non_null (dir);
  assert_int_equal (text_rules_new (&rules, NULL), 0);
  while ((e = readdir (dir)))
    if (strstr (e->d_name, ".log"))
      {
        snprintf (path, sizeof path, "%s/%s/%s", src ? src : ".", FOLDER,
                  e->d_name);
        /* However it is cut. */
        bad += one_file (rules, path, e->d_name, 0);
        bad += one_file (rules, path, e->d_name, 1);
        bad += one_file (rules, path, e->d_name, 61);
        files++;
      }
  closedir (dir);
  text_rules_free (rules);
  assert_true (files >= 20);
  assert_int_equal (bad, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_samples) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
