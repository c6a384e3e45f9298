/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is blocked, and on what: the short reading of SysRq w.
 *
 * Facts: sysrq.w.blocked (tasks), .in_io and .in_lock (those of them that
 * wait for storage, or for a lock), .culprit ("task in function": the first
 * one's innermost function that is not waiting itself).  One task in D for a
 * moment is nothing; whether these are stuck the ladder decides with others.
 *
 * A header alone says nothing: a low console loglevel hides the rest.
 */
#include "diag/collect/collect.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define COMM_MAX 15 /* fixed width in the kernel's line; may hold anything */

/* Innermost frames that only say "waits"; beginnings of names. */
static const char *const waiting[] = {
  "__schedule", "schedule", "context_switch", "preempt_schedule",
  "__wait_", "wait_", "do_wait", "autoremove_wake", NULL,
};
static const char *const io[] = {
  "io_schedule", "blk_", "__blk_", "bio_", "submit_bio", "bit_wait_io",
  "folio_wait", "__folio_", "wait_on_page", "__wait_on_buffer",
  "__wait_on_bit", "wait_on_buffer", "jbd2_", "xlog_", "xfs_buf", "rq_qos",
  "nvme_", "virtblk_", "nfs_", "rpc_wait", NULL,
};
static const char *const lock[] = {
  "__mutex_lock", "mutex_lock", "rwsem_", "down_read", "down_write",
  "__down", "down", "rt_mutex", "__rt_mutex", "percpu_rwsem", NULL,
};

struct blocked
{
  int64_t tasks, in_io, in_lock;
  bool counted; /* the present task is in one of the two */
  bool named;   /* the culprit has its function */
  char comm[COMM_MAX + 1];
  char culprit[128];
};

static bool
begins_one (const char *name, const char *const *list)
{
  for (size_t i = 0; list[i]; i++)
    if (strncmp (name, list[i], strlen (list[i])) == 0)
      return true;
  return false;
}

static void
task (struct blocked *b, const char *comm, size_t left)
{
  size_t n = left < COMM_MAX ? left : COMM_MAX;

  b->tasks++;
  b->counted = false;
  if (b->tasks > 1)
    return;
  while (n && comm[n - 1] == ' ')
    n--;
  memcpy (b->comm, comm, n);
  b->comm[n] = '\0';
}

/* "func+0x1/0x2 [module]"; a "?" before it means it is only on the stack. */
static void
frame (struct blocked *b, const char *line, size_t len)
{
  const char *plus = memmem (line, len, "+0x", 3), *start = plus, *end;
  char name[80];
  size_t n;

  if (!plus || b->tasks == 0)
    return;
  while (start > line
         && (isalnum ((unsigned char) start[-1]) || strchr ("_.", start[-1])))
    start--;
  n = (size_t) (plus - start);
  if (n == 0 || n >= sizeof name
      || (start > line + 1 && start[-1] == ' ' && start[-2] == '?'))
    return;
  memcpy (name, start, n);
  name[n] = '\0';
  if (!b->counted && begins_one (name, io))
    b->in_io++, b->counted = true;
  else if (!b->counted && begins_one (name, lock))
    b->in_lock++, b->counted = true;
  if (b->tasks > 1 || b->named || begins_one (name, waiting)
      || begins_one (name, io) || begins_one (name, lock))
    return;
  b->named = true;
  end = memchr (plus, ' ', (size_t) (line + len - plus));
  snprintf (b->culprit, sizeof b->culprit, "%s in %s%.*s", b->comm, name,
            end ? (int) (line + len - end) : 0, end ? end : "");
}

static void
line_of (struct blocked *b, const char *line, size_t len)
{
  const char *at = memmem (line, len, "task:", 5);

  while (len && (line[len - 1] == '\r' || line[len - 1] == ' '))
    len--;
  if (at && memmem (at, (size_t) (line + len - at), "state:D", 7))
    task (b, at + 5, (size_t) (line + len - at - 5));
  else if (!memmem (line, len, "RIP:", 4))
    frame (b, line, len);
}

void
collect_blocked (struct collect_ctx *ctx, const char *text, size_t len)
{
  struct blocked b = { 0 };
  const char *p = text, *end = text + len, *nl;
  size_t lines = 0;

  for (; (nl = memchr (p, '\n', (size_t) (end - p))); p = nl + 1, lines++)
    line_of (&b, p, (size_t) (nl - p));
  if (lines <= 1)
    {
      ctx->out->gap (ctx->out, "sysrq/w.txt",
                     "only the header came: nobody is blocked, or the "
                     "guest's console loglevel hides the rest");
      return;
    }
  collect_int (ctx, "sysrq.w.blocked", "console", b.tasks);
  collect_int (ctx, "sysrq.w.in_io", "console", b.in_io);
  collect_int (ctx, "sysrq.w.in_lock", "console", b.in_lock);
  if (b.named)
    collect_str (ctx, "sysrq.w.culprit", "console", b.culprit);
  else if (b.tasks)
    collect_str (ctx, "sysrq.w.culprit", "console", b.comm);
}
