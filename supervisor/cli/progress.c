/* SPDX-License-Identifier: Apache-2.0
 */
#include "supervisor/cli/progress.h"

#include "base/clock.h"
#include "supervisor/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHOW_MS 200
#define TELL_MS 1000 /* in a pipe */
#define LINE 128
#define WHAT 48 /* of a line that is written over: it must not wrap */

void
progress_say (const char *word, const char *of)
{
  fprintf (stderr, "%s ", word);
  print_text (stderr, of);
}

void
progress_begin (struct progress *p, const char *of, bool quiet)
{
  *p = (struct progress){ .of = of,
                          .begun = clock_ms (),
                          .shown = clock_ms (),
                          .terminal = isatty (STDERR_FILENO),
                          .quiet = quiet };
  if (p->quiet || p->terminal)
    return;
  progress_say ("BEGIN", of);
  fputc ('\n', stderr);
}

void
progress_late (struct progress *p, const char *of, bool quiet)
{
  progress_begin (p, of, true);
  p->quiet = quiet;
  p->late = true;
}

/* Whether anything is to be said. */
static bool
is_told (struct progress *p)
{
  if (p->quiet || !p->late)
    return !p->quiet;
  if (clock_ms () < p->begun + TELL_MS)
    return false;
  p->late = false;
  if (!p->terminal)
    {
      progress_say ("BEGIN", p->of);
      fputc ('\n', stderr);
    }
  return true;
}

static void
show (struct progress *p, uint64_t done, uint64_t total, const char *count,
      const char *what)
{
  char bar[LINE], some[WHAT + 1];

  snprintf (some, sizeof some, "%s", what);
  fprintf (stderr, "\r%s %s  ", progress_bar (bar, sizeof bar, done, total),
           count);
  print_text (stderr, some);
  fputs ("\033[K", stderr);
  fflush (stderr);
  p->on = true;
}

static void
tell (const struct progress *p, uint64_t n, uint64_t total, const char *what)
{
  progress_say ("PROGRESS", p->of);
  fprintf (stderr, " %" PRIu64 "/%" PRIu64 " ", n, total);
  print_text (stderr, what);
  fputc ('\n', stderr);
}

void
progress_told (struct progress *p, uint64_t n, uint64_t total,
               const char *what)
{
  char count[48];

  if (!is_told (p))
    return;
  snprintf (count, sizeof count, "%" PRIu64 "/%" PRIu64, n, total);
  if (p->terminal)
    show (p, n, total, count, what);
  else
    tell (p, n, total, what);
}

/* Whether it is time for another one. */
static bool
is_due (struct progress *p, uint64_t every_ms)
{
  uint64_t now = clock_ms ();

  if (now - p->shown < every_ms)
    return false;
  p->shown = now;
  return true;
}

void
progress_step (struct progress *p, uint64_t n, uint64_t total,
               const char *what)
{
  if (p->terminal || is_due (p, TELL_MS))
    progress_told (p, n, total, what);
}

void
progress_bytes (struct progress *p, uint64_t done, uint64_t total)
{
  unsigned is = progress_percent (done, total);
  char count[16], line[LINE];

  if (!is_told (p))
    return;
  progress_rate (line, sizeof line, done, total, clock_ms () - p->begun);
  if (p->terminal && is_due (p, SHOW_MS))
    {
      snprintf (count, sizeof count, "%3u%%", is);
      show (p, done, total, count, line);
    }
  else if (!p->terminal && is_due (p, TELL_MS))
    tell (p, is, 100, line);
}

void
progress_far (uint64_t done, uint64_t total, void *p)
{
  progress_bytes (p, done, total);
}

void
progress_clear (struct progress *p)
{
  if (p->on)
    fputs ("\r\033[K", stderr);
  p->on = false;
}

bool
progress_end (struct progress *p, bool ok, const char *text)
{
  size_t len = p->of ? strlen (p->of) : 0;
  bool tells = p->of && !p->quiet && !p->terminal && !p->late;

  progress_clear (p);
  /* Errors name what they are about, and so does the line. */
  if (len && strncmp (text, p->of, len) == 0
      && strncmp (text + len, ": ", 2) == 0)
    text += len + 2;
  if (tells)
    {
      progress_say (ok ? "OK" : "FAIL", p->of);
      fputs (text[0] ? " " : "", stderr);
      print_text (stderr, text);
      fputc ('\n', stderr);
    }
  p->quiet = true;
  return tells;
}
