/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks of trouble in console text.
 *
 * What the text worker tells of what it reads live, of text that was kept:
 * nobody may have read it while it came.  The same reader, the rules that are
 * shipped, the same facts, and only since the last boot.  Whatever is found
 * here is something that anybody in the guest could have printed.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/text/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first of its kind. */
struct mark
{
  const char *kind;
  uint64_t at;
  char title[TEXT_TITLE_MAX];
};

struct marks
{
  int64_t since_us; /* by the kernel's clock; 0 = all */
  struct mark *list; /* room for each kind there is */
  unsigned n, max;
  /* The latest error that has a class of a verdict. */
  char class_[32], title[TEXT_TITLE_MAX];
};

static void
on_event (const struct text_event *e, void *arg)
{
  struct marks *m = arg;
  unsigned i = 0;

  /* A remark is no trouble, and a log that was shown is of another time. */
  if (e->severity < SEVERITY_WARNING || e->ours
      || (e->stamp_us >= 0 && e->stamp_us < m->since_us))
    return;
  if (e->severity >= SEVERITY_ERROR && e->class_[0])
    {
      snprintf (m->class_, sizeof m->class_, "%s", e->class_);
      snprintf (m->title, sizeof m->title, "%s", e->title);
    }
  while (i < m->n && strcmp (m->list[i].kind, e->kind) != 0)
    i++;
  if (i == m->max || (i < m->n && e->first_at >= m->list[i].at))
    return;
  m->n += i == m->n;
  m->list[i] = (struct mark){ e->kind, e->first_at, "" };
  snprintf (m->list[i].title, sizeof m->list[i].title, "%s", e->title);
}

static void
on_stage (const struct stage *stage, enum stage_change change, void *arg)
{
  struct marks *m = arg;

  if (change == STAGE_NEW_BOOT)
    {
      m->n = 0;
      m->class_[0] = '\0';
    }
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
marks_done (struct marks *m)
{
  free (m->list);
}

void
collect_marks_since (struct collect_ctx *ctx, const char *source,
                     const char *text, size_t len, int64_t since_us)
{
  struct marks m CLEANUP (marks_done) = { .since_us = since_us };
  struct error err = ERROR_INIT;
  char name[FACT_NAME_MAX];

  if (len == 0)
    return;
  while (text_kinds[m.max].name)
    m.max++;
  m.list = calloc (m.max, sizeof *m.list);
  if (!m.list || read_marks (&m, text, len, &err) < 0)
    {
      ctx->out->gap (ctx->out, source, "its text was not read: %s",
                     m.list ? error_text (&err) : "no memory");
      return;
    }
  for (unsigned i = 0; i < m.n; i++)
    {
      snprintf (name, sizeof name, "kernel.event.%s", m.list[i].kind);
      collect_str (ctx, name, source, m.list[i].title);
    }
  /* Of text that anybody may have printed whoever reads it live says so. */
  if (m.class_[0] && strcmp (source, "memory") == 0)
    {
      collect_str (ctx, "kernel.class", source, m.class_);
      collect_str (ctx, "kernel.title", source, m.title);
    }
}

void
collect_marks (struct collect_ctx *ctx, const char *text, size_t len)
{
  collect_marks_since (ctx, "console", text, len, 0);
}
