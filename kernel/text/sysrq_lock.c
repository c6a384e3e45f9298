/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: held locks, as lockdep prints them: for all tasks, or
 * for one within another report.
 *
 *   2 locks held by getty/4449:
 *    #0: 00000000abe66848 (&tty->ldisc_sem){++++}-{0:0}, at: f+0x37/0x40
 */
#include "kernel/text/sysrq_impl.h"

#include "base/json.h"

#include <string.h>

static bool lock_section (struct sysrq_dump *d, struct dump_ctx *ctx,
                          struct cursor c);

static bool
room (struct sysrq_dump *d)
{
  if (d->nlocks < 2 * DUMP_LOCKS)
    {
      d->nlocks++;
      return true;
    }
  dump_gap (d, "limit", 1, "held locks");
  return false;
}

/* "2 locks held by getty/4449:", "1 lock held by x/1 on CPU 0:" */
static bool
holder (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct cursor who, pid;
  const char *slash = NULL;
  uint64_t n;
  int v;

  if (!cur_u64 (&c, &n)
      || (!cur_lit (&c, " lock held by ") && !cur_lit (&c, " locks held by ")))
    return false;
  if (ctx->section != lock_section)
    dump_section (d, ctx, lock_section);
  d->body++;
  d->holder = NULL;
  if (!room (d))
    return true;
  for (const char *p = c.p; p < c.end; p++)
    if (*p == '/')
      slash = p;
  who = (struct cursor){ c.p, slash ? slash : c.end };
  if (!d->locks)
    d->locks = json_object_new_array ();
  d->holder = json_object_new_object ();
  json_object_array_add (d->locks, d->holder);
  dump_text (d->holder, "comm", &who);
  pid = (struct cursor){ slash ? slash + 1 : c.end, c.end };
  if (cur_int (&pid, &v))
    json_add_int (d->holder, "pid", v);
  json_add_int (d->holder, "count", (int64_t) (n & INT64_MAX));
  json_add_int (d->holder, "line", (int64_t) d->line);
  json_object_object_add (d->holder, "locks", json_object_new_array ());
  return true;
}

static const char *
last_of (const struct cursor *c, const char *lit)
{
  const char *hit = NULL;
  struct cursor t = *c;

  for (const char *at; (at = cur_find (&t, lit)); t.p = at + 1)
    hit = at;
  return hit;
}

static void
lock_says (struct json_object *o, struct cursor c)
{
  const char *open, *close, *at;
  struct cursor t;
  uint64_t address;

  if (cur_hex (&c, &address, NULL))
    cur_blanks (&c);
  at = last_of (&c, ", at: ");
  if (at)
    {
      t = (struct cursor){ at + 6, c.end };
      if (cur_lit (&t, "[<") && (close = cur_find (&t, ">] ")))
        t.p = close + 3;
      dump_text (o, "at", &t);
      c.end = at;
    }
  /* Names of locks have brackets of their own. */
  open = memchr (c.p, '(', cur_left (&c));
  close = last_of (&c, "){");
  if (!open || !close || close <= open)
    {
      dump_text (o, "name", &c);
      return;
    }
  t = (struct cursor){ open + 1, close };
  dump_text (o, "name", &t);
  t = (struct cursor){ close + 1, c.end };
  dump_text (o, "usage", &t);
}

static bool
lock (struct sysrq_dump *d, struct cursor c)
{
  struct json_object *o;
  uint64_t n;

  if (!cur_lit (&c, "#") || !cur_u64 (&c, &n) || !cur_lit (&c, ":"))
    return false;
  if (!d->holder || !room (d))
    return true;
  cur_blanks (&c);
  o = json_object_new_object ();
  json_add_int (o, "number", (int64_t) (n & INT64_MAX));
  lock_says (o, c);
  json_object_array_add (json_get (d->holder, "locks"), o);
  return true;
}

static bool
lock_section (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  (void) ctx;
  cur_blanks (&c);
  if (cur_lit (&c, "====="))
    return d->locks_end = true;
  return lock (d, c);
}

bool
dump_lock_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  cur_blanks (&c);
  if (c.p < c.end && *c.p >= '0' && *c.p <= '9')
    return holder (d, ctx, c);
  if (!cur_at (&c, "Showing all locks held"))
    return false;
  dump_section (d, ctx, lock_section);
  json_object_put (d->locks);
  d->locks = json_object_new_array ();
  d->holder = NULL;
  d->nlocks = 0;
  d->locks_all = true;
  d->locks_end = false;
  return true;
}

void
dump_lock_end (struct sysrq_dump *d)
{
  size_t n = json_count (d->locks);
  uint64_t lack = 0;

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *o = json_object_array_get_idx (d->locks, i);
      int64_t said = json_get_int (o, "count", 0);
      int64_t have
          = (int64_t) json_object_array_length (json_get (o, "locks"));

      /* A number that nobody could hold is a lie. */
      if (said > have && said < DUMP_LOCKS)
        lack += (uint64_t) (said - have);
    }
  if (lack)
    dump_gap (d, "torn", lack, "held locks that were not named");
  if (d->locks_all && !d->locks_end)
    dump_gap (d, "cut", 1, "held locks");
}
