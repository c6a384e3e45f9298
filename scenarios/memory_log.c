/* SPDX-License-Identifier: Apache-2.0
 *
 * File systems that a guest's kernel gave up, by its own log.
 *
 * Kernels write "EXT4-fs (vda): ..." and so do the others: what stands between
 * parentheses is the device.  Of each device that is mounted is kept what its
 * file system said since that was mounted last, and once that is too much only
 * whether it was given up; of which only what the rules of kernel text know is
 * believed.
 */
#include "scenarios/memory_log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/text/reader.h"
#include "scenarios/scenario_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEVICES 32u
#define MAX_LINES (8u << 10) /* of a device's, before they are read */
#define MAX_LINE 400

struct device
{
  char name[34];
  struct buf lines;           /* since it was mounted, not read yet */
  char given_up[TEXT_TITLE_MAX]; /* by those that were read; "" = it was not */
};

struct memory_log
{
  struct device devices[MAX_DEVICES];
  unsigned n;
  struct text_rules *rules; /* NULL: not needed yet */
};

struct memory_log *
memory_log_new (void)
{
  return calloc (1, sizeof (struct memory_log));
}

void
memory_log_free (struct memory_log *l)
{
  if (!l)
    return;
  for (unsigned i = 0; i < l->n; i++)
    buf_done (&l->devices[i].lines);
  text_rules_free (l->rules);
  free (l);
}

static struct device *
device_of (struct memory_log *l, const char *name, size_t len)
{
  for (unsigned i = 0; i < l->n; i++)
    if (strlen (l->devices[i].name) == len
        && memcmp (l->devices[i].name, name, len) == 0)
      return &l->devices[i];
  return NULL;
}

void
memory_log_device (struct memory_log *l, const char *name)
{
  struct device *d = &l->devices[l->n];

  /* One whose name is cut off would be another's. */
  if (l->n == MAX_DEVICES || !name[0] || strlen (name) >= sizeof d->name
      || device_of (l, name, strlen (name)))
    return;
  l->n++;
  snprintf (d->name, sizeof d->name, "%s", name);
  d->lines = (struct buf) BUF_INIT (MAX_LINES);
}

/* ---- what was said of one ---- */

static void
on_event (const struct text_event *e, void *arg)
{
  struct device *d = arg;

  if (strcmp (e->kind, "fs_readonly") == 0
      || strcmp (e->kind, "fs_shutdown") == 0)
    snprintf (d->given_up, sizeof d->given_up, "%s", e->title);
}

/* Nearly never: rules cost more than the look. */
static void
read_lines (struct memory_log *l, struct device *d)
{
  static const struct text_reader_ops ops = { .event = on_event };
  struct text_reader *reader;

  if (d->lines.len > 0 && (l->rules || text_rules_new (&l->rules, NULL) == 0)
      && text_reader_new (l->rules, &ops, d, &reader, NULL) == 0)
    {
      text_reader_feed (reader, buf_str (&d->lines), d->lines.len, 0);
      text_reader_end (reader);
      text_reader_free (reader);
    }
  buf_clear (&d->lines);
}

/* Somebody mounts it, again or for the first time. */
static bool
is_new_mount (const char *said)
{
  static const char *const words[]
      = { "mounted filesystem", "re-mounted", "Mounting V",
          "Ending clean mount", "unmounting filesystem",
          "Unmounting Filesystem" };

  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    if (strncmp (said, words[i], strlen (words[i])) == 0)
      return true;
  return false;
}

/* "EXT4-fs (vda): ...": who, of which one, what.  Nothing else at its
 * beginning: names of tasks and files come later in a line, and hold anything.
 * NULL: it is none of ours. */
static struct device *
whose (struct memory_log *l, const char *text, const char **ret_said)
{
  const char *p = text, *end;

  while (isalnum ((unsigned char) *p) || *p == '-')
    p++;
  if (p == text || strncmp (p, " (", 2) != 0)
    return NULL;
  p += 2;
  end = strstr (p, "): ");
  if (!end)
    return NULL;
  *ret_said = end + 3;
  return device_of (l, p, (size_t) (end - p));
}

void
memory_log_line (struct memory_log *l, int64_t us, const char *text)
{
  struct device *d;
  const char *said;

  if (!text || !(d = whose (l, text, &said)))
    return;
  if (is_new_mount (said))
    {
      buf_clear (&d->lines);
      d->given_up[0] = '\0';
      return;
    }
  if (d->lines.len + MAX_LINE + 32 > MAX_LINES)
    read_lines (l, d);
  buf_printf (&d->lines, "[%5lld.%06lld] %.*s\n", (long long) us / 1000000,
              (long long) us % 1000000, MAX_LINE, text);
}

bool
memory_log_given_up (struct memory_log *l, char *dst, size_t n)
{
  for (unsigned i = 0; i < l->n; i++)
    {
      struct device *d = &l->devices[i];

      if (!d->given_up[0])
        read_lines (l, d);
      if (!d->given_up[0])
        continue;
      report_quote (dst, n, d->given_up, strlen (d->given_up));
      return true;
    }
  return false;
}
