/* SPDX-License-Identifier: Apache-2.0
 *
 * What a dump says, as data; and who is blocked, and on what: the short reading
 * of SysRq w.
 *
 * Facts: tasks.blocked (how many), .in_io and .in_lock (those of them that
 * wait for storage, or for a lock), .culprit ("task in function": the first
 * one's innermost function that is not waiting itself).  One task in D for a
 * moment is nothing; whether these are stuck the ladder decides with others.
 *
 * A header alone says nothing: a low console loglevel hides the rest.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "kernel/text/sysrq.h"
#include "kernel/wait.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 32
#define MOST_DATA (512u << 10)

struct lines
{
  struct sysrq_dump *dump;
  size_t kernel;
};

static void
on_line (const struct text_line *line, void *arg)
{
  struct lines *l = arg;
  struct text_msg msg;

  prefix_strip (line, &msg);
  l->kernel += msg.from == FROM_KERNEL;
  sysrq_dump_line (l->dump, &msg);
}

int
collect_sysrq_read (const char *text, size_t len, struct sysrq_dump **ret,
                    size_t *ret_kernel_lines, struct error *err)
{
  struct lines l = { .kernel = 0 };
  struct splitter *s = NULL;
  int rc = sysrq_dump_new (&l.dump, err);

  if (rc < 0)
    return rc;
  rc = splitter_new (on_line, &l, &s, err);
  if (rc < 0)
    {
      sysrq_dump_free (l.dump);
      return rc;
    }
  splitter_feed (s, text, len, 0);
  splitter_end (s);
  splitter_free (s);
  sysrq_dump_end (l.dump);
  *ret = l.dump;
  if (ret_kernel_lines)
    *ret_kernel_lines = l.kernel;
  return 0;
}

/* As a look at its memory has it (wait_key()). */
static void
key_of (const struct sysrq_task *t, char *dst, size_t size)
{
  char text[DEPTH][TEXT_FUNC_MAX + 40];
  const char *names[DEPTH];
  unsigned n = 0;

  for (unsigned i = 0; i < t->nframes && n < DEPTH; i++)
    {
      const struct text_frame *f = &t->frames[i];

      if (f->guess)
        continue;
      snprintf (text[n], sizeof text[n], "%s%s%s%s", f->func,
                f->module[0] ? " [" : "", f->module, f->module[0] ? "]" : "");
      names[n] = text[n];
      n++;
    }
  wait_key (names, n, dst, size);
}

static void
culprit (struct collect_ctx *ctx, const struct sysrq_task *t)
{
  const struct text_frame *f = sysrq_where (t->frames, t->nframes);
  char text[192];

  if (f)
    snprintf (text, sizeof text, "%s in %s%s%s%s", t->comm, f->func,
              f->module[0] ? " [" : "", f->module, f->module[0] ? "]" : "");
  else
    snprintf (text, sizeof text, "%s", t->comm);
  collect_str (ctx, "tasks.culprit", "sysrq", text);
  key_of (t, text, sizeof text);
  if (text[0])
    collect_str (ctx, "stack.tasks", "sysrq", text);
}

static void
facts (struct collect_ctx *ctx, const struct sysrq_dump *d)
{
  unsigned n = sysrq_dump_blocked (d, NULL, 0);
  unsigned *idx CLEANUP_FREE = calloc (n + 1, sizeof *idx);
  int64_t count[WAIT_MAX] = { 0 };
  const struct sysrq_task *tasks;

  if (!idx)
    return;
  sysrq_dump_tasks (d, &tasks);
  sysrq_dump_blocked (d, idx, n);
  for (unsigned i = 0; i < n; i++)
    count[sysrq_wait_of (tasks[idx[i]].frames, tasks[idx[i]].nframes)]++;
  collect_int (ctx, "tasks.blocked", "sysrq", n);
  collect_int (ctx, "tasks.in_io", "sysrq", count[WAIT_IO]);
  collect_int (ctx, "tasks.in_lock", "sysrq", count[WAIT_LOCK]);
  if (n)
    culprit (ctx, &tasks[idx[0]]);
}

static bool
header_only (const char *text, size_t len)
{
  const char *nl = memchr (text, '\n', len);

  return !nl || !memchr (nl + 1, '\n', len - (size_t) (nl + 1 - text));
}

/* The document of docs/sysrq-json.md.  What is too long for it the text has. */
static void
data (struct collect_ctx *ctx, char key, const struct sysrq_dump *d)
{
  CLEANUP_JSON struct json_object *doc = NULL;
  CLEANUP_BUF struct buf shown = BUF_INIT (MOST_DATA);
  char file[32];

  snprintf (file, sizeof file, "sysrq/%c.json", key);
  sysrq_dump_show (d, &shown);
  if (!shown.cut)
    {
      ctx->out->file (ctx->out, file, buf_str (&shown), shown.len);
      return;
    }
  buf_done (&shown);
  doc = sysrq_dump_to_json_short (d);
  ctx->out->gap (ctx->out, file,
                 "its tasks and CPUs are more than %u KiB: the text has them",
                 MOST_DATA >> 10);
  if (doc)
    collect_json (ctx, file, doc);
}

void
collect_dump (struct collect_ctx *ctx, char key, const char *text, size_t len,
              bool loud)
{
  struct error why = ERROR_INIT;
  struct sysrq_dump *d = NULL;
  char file[32];

  snprintf (file, sizeof file, "sysrq/%c.txt", key);
  if (!loud && header_only (text, len))
    {
      if (key == 'w')
        ctx->out->gap (ctx->out, file,
                       "only the header came: nobody is blocked, or the "
                       "guest's console loglevel hides the rest");
      return;
    }
  if (collect_sysrq_read (text, len, &d, NULL, &why) < 0)
    {
      ctx->out->gap (ctx->out, file, "%s", error_text (&why));
      return;
    }
  if (key == 'w')
    facts (ctx, d);
  if (sysrq_dump_any (d))
    data (ctx, key, d);
  sysrq_dump_free (d);
}
