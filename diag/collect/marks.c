/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks of trouble in console text.
 *
 * What the text worker tells of what it reads live, of text that was kept:
 * nobody may have read it while it came.  The same reader, the rules that are
 * shipped, and only since the last boot.  Whatever is found here is something
 * that anybody in the guest could have printed.
 */
#include "diag/collect/collect.h"
#include "diag/ladder/ladder.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/text/reader.h"

#include <string.h>

#define MARKS_MAX 16
#define LINE_MAX 300

struct mark
{
  const char *fact;
  uint64_t at; /* where the line begins that told of it first */
};

struct marks
{
  struct mark list[MARKS_MAX];
  unsigned n;
};

static void
on_event (const struct text_event *e, void *arg)
{
  struct marks *m = arg;
  const char *fact = ladder_mark_of (e->kind);
  unsigned i = 0;

  /* A remark is no trouble, and a log that was shown is of another time. */
  if (!fact || e->severity < SEVERITY_WARNING || e->ours)
    return;
  while (i < m->n && strcmp (m->list[i].fact, fact) != 0)
    i++;
  if (i == MARKS_MAX)
    return;
  if (i == m->n)
    m->list[m->n++] = (struct mark){ fact, e->first_at };
  else if (e->first_at < m->list[i].at)
    m->list[i].at = e->first_at;
}

static void
on_stage (const struct stage *stage, enum stage_change change, void *arg)
{
  struct marks *m = arg;

  if (change == STAGE_NEW_BOOT)
    m->n = 0;
}

static const struct text_reader_ops ops
    = { .event = on_event, .stage = on_stage };

static int
read_marks (struct marks *m, const char *text, size_t len, struct error *err)
{
  struct text_rules *rules;
  struct text_reader *reader;
  int rc = text_rules_new (&rules, err);

  if (rc < 0)
    return rc;
  rc = text_reader_new (rules, &ops, m, &reader, err);
  if (rc == 0)
    {
      text_reader_feed (reader, text, len, 0);
      text_reader_end (reader);
      text_reader_free (reader);
    }
  text_rules_free (rules);
  return rc;
}

static void
publish_line (struct collect_ctx *ctx, const char *fact, const char *line,
              size_t len)
{
  size_t end = 0;

  while (end < len && end < LINE_MAX && line[end] != '\n' && line[end] != '\r')
    end++;
  collect_text (ctx, fact, "console", line, end);
}

void
collect_marks (struct collect_ctx *ctx, const char *text, size_t len)
{
  struct marks m = { .n = 0 };
  struct error err = ERROR_INIT;

  if (len == 0)
    return;
  if (read_marks (&m, text, len, &err) < 0)
    {
      ctx->out->gap (ctx->out, "console", "its text was not read: %s",
                     error_text (&err));
      return;
    }
  for (unsigned i = 0; i < m.n; i++)
    if (m.list[i].at < len)
      publish_line (ctx, m.list[i].fact, text + m.list[i].at,
                    len - (size_t) m.list[i].at);
}
