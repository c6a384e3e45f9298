/* SPDX-License-Identifier: Apache-2.0
 *
 * File systems that a guest's kernel gave up, by its own log.
 *
 * Kernels write "EXT4-fs (vda): ..." and so do the others: what stands between
 * parentheses is the device.  Only lines that have such a thing are kept, and
 * of those only what the rules of kernel text know is believed.
 */
#include "scenarios/memory_log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/text/reader.h"
#include "scenarios/scenario_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEVICES 32u
#define MAX_LOG (64u << 10) /* of such lines: the latest */
#define MAX_LINE 400

struct memory_log
{
  char devices[MAX_DEVICES][34];
  unsigned n;
  struct buf lines;
};

struct memory_log *
memory_log_new (void)
{
  struct memory_log *l = calloc (1, sizeof *l);

  if (l)
    l->lines = (struct buf) BUF_INIT (MAX_LOG);
  return l;
}

void
memory_log_free (struct memory_log *l)
{
  if (!l)
    return;
  buf_done (&l->lines);
  free (l);
}

void
memory_log_device (struct memory_log *l, const char *name)
{
  if (l->n < MAX_DEVICES && name[0])
    snprintf (l->devices[l->n++], sizeof l->devices[0], "%.33s", name);
}

/* A device is named, and by somebody who writes of file systems. */
static bool
is_of_interest (const char *text)
{
  const char *open = strchr (text, '(');

  return open && open < text + 40 && strchr (open, ')')
         && strlen (text) < MAX_LINE;
}

void
memory_log_line (struct memory_log *l, int64_t us, const char *text)
{
  if (!text || !is_of_interest (text))
    return;
  /* Full: what is older is worth less. */
  if (l->lines.len + MAX_LINE + 32 > MAX_LOG)
    buf_clear (&l->lines);
  buf_printf (&l->lines, "[%5lld.%06lld] %s\n", (long long) us / 1000000,
              (long long) us % 1000000, text);
}

/* ---- one device ---- */

struct told
{
  char title[TEXT_TITLE_MAX];
};

static void
on_event (const struct text_event *e, void *arg)
{
  struct told *t = arg;

  if (strcmp (e->kind, "fs_readonly") == 0
      || strcmp (e->kind, "fs_shutdown") == 0)
    snprintf (t->title, sizeof t->title, "%s", e->title);
}

/* Somebody mounts it, again or for the first time. */
static bool
is_new_mount (const char *line, size_t len)
{
  static const char *const words[]
      = { ": mounted filesystem", ": re-mounted", ": Mounting V",
          ": Ending clean mount", ": unmounting filesystem",
          ": Unmounting Filesystem" };

  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    if (memmem (line, len, words[i], strlen (words[i])))
      return true;
  return false;
}

/* The lines of that device since it was mounted last. */
static void
lines_of (const struct memory_log *l, const char *device, struct buf *ret)
{
  const char *p = buf_str (&l->lines), *nl;
  char key[40];

  snprintf (key, sizeof key, "(%s)", device);
  for (; (nl = strchr (p, '\n')); p = nl + 1)
    {
      size_t len = (size_t) (nl - p);

      if (!memmem (p, len, key, strlen (key)))
        continue;
      if (is_new_mount (p, len))
        buf_clear (ret);
      else
        buf_append (ret, p, len + 1);
    }
}

static bool
read_lines (const struct text_rules *rules, struct told *t,
            const struct buf *lines)
{
  static const struct text_reader_ops ops = { .event = on_event };
  struct text_reader *reader;

  if (text_reader_new (rules, &ops, t, &reader, NULL) < 0)
    return false;
  text_reader_feed (reader, buf_str (lines), lines->len, 0);
  text_reader_end (reader);
  text_reader_free (reader);
  return t->title[0] != '\0';
}

bool
memory_log_given_up (struct memory_log *l, char *dst, size_t n)
{
  struct text_rules *rules = NULL;
  bool found = false;

  for (unsigned i = 0; !found && i < l->n; i++)
    {
      struct buf lines CLEANUP_BUF = BUF_INIT (MAX_LOG);
      struct told told = { .title = "" };

      lines_of (l, l->devices[i], &lines);
      /* Nearly always: rules cost more than the look. */
      if (lines.len == 0)
        continue;
      if (!rules && text_rules_new (&rules, NULL) < 0)
        return false;
      found = read_lines (rules, &told, &lines);
      if (found)
        report_quote (dst, n, told.title, strlen (told.title));
    }
  text_rules_free (rules);
  return found;
}
