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

struct telling
{
  uint64_t at;
  int64_t stamp_us; /* -1 = none */
  char title[TEXT_TITLE_MAX];
};

/* The first of its kind is what it is about; the latest is what may have led
 * to what came after it. */
struct mark
{
  const char *kind;
  struct telling first, latest;
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
keep (struct telling *t, const struct text_event *e)
{
  *t = (struct telling){ .at = e->first_at, .stamp_us = e->stamp_us };
  snprintf (t->title, sizeof t->title, "%s", e->title);
}

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
  if (i == m->max)
    return;
  if (i == m->n || e->first_at < m->list[i].first.at)
    keep (&m->list[i].first, e);
  if (i == m->n || e->first_at >= m->list[i].latest.at)
    keep (&m->list[i].latest, e);
  m->list[i].kind = e->kind;
  m->n += i == m->n;
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

static void
say (struct collect_ctx *ctx, const char *name, const char *source,
     const struct telling *t)
{
  struct fact f;

  fact_text (&f, &ctx->guest->inc, name, source, t->title, strlen (t->title));
  f.kernel_us = t->stamp_us > 0 ? (uint64_t) t->stamp_us : 0;
  ctx->out->fact (ctx->out, &f);
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
      /* What is said last counts where nobody asks when it was. */
      if (m.list[i].latest.stamp_us > m.list[i].first.stamp_us)
        say (ctx, name, source, &m.list[i].latest);
      say (ctx, name, source, &m.list[i].first);
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
