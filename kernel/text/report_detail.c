/* SPDX-License-Identifier: Apache-2.0
 *
 * What the lines of a report say that are no frames.  See report_impl.h.
 */
#include "kernel/text/report_impl.h"

#include "base/cleanup.h"

#include <string.h>

typedef void detail_fn (struct report *r, const char *s, size_t len);

struct detail
{
  const char *begin; /* of the line */
  detail_fn *take;   /* gets what is behind it */
};

/* A decimal number at s; -1 = none. */
static long
number (const char *s, size_t len)
{
  long v = 0;
  size_t i;

  for (i = 0; i < len && i < 9 && s[i] >= '0' && s[i] <= '9'; i++)
    v = v * 10 + (s[i] - '0');
  return i ? v : -1;
}

static void
put_once (char *dst, size_t n, const char *s, size_t len)
{
  if (!dst[0])
    span_put (dst, n, s, len);
}

/* "Not tainted 5.10.0 #1", "Tainted: G        W  O 5.10.0 #1": what is behind
 * the letters is the release. */
static void
take_taint (struct report *r, const char *s, size_t len)
{
  const char *end = s + len, *p, *from = NULL, *to = NULL;

  if (span_begins (s, len, "Not tainted "))
    p = s + 12;
  else if (span_begins (s, len, "Tainted: "))
    {
      p = from = s + 9;
      /* Upper-case letters and blanks, each of one letter or in brackets. */
      while (p < end
             && (*p == ' ' || *p == '[' || *p == ']' || *p == '='
                 || *p == ',' || *p == '_' || *p == '(' || *p == ')'
                 || (*p >= 'A' && *p <= 'Z')))
        p++;
      to = p;
    }
  else
    return;
  if (from && !r->e.taint[0])
    {
      while (to > from && to[-1] == ' ')
        to--;
      span_put (r->e.taint, sizeof r->e.taint, from, (size_t) (to - from));
    }
  while (p < end && (*p == '(' || *p == ' '))
    p++;
  if (p < end)
    {
      const char *e = memchr (p, ' ', (size_t) (end - p));

      if (!e)
        e = end;
      put_once (r->e.release, sizeof r->e.release, p, (size_t) (e - p));
    }
}

static const char *
find_taint (const char *s, size_t len)
{
  const char *t = span_find (s, len, " Not tainted ");

  if (!t)
    t = span_find (s, len, " Tainted: ");
  return t;
}

static void
take_comm (struct report *r, const char *s, size_t len)
{
  const char *t = find_taint (s, len);
  const char *kdump = span_find (s, len, " Kdump: ");
  size_t n = t ? (size_t) (t - s) : len;

  if (kdump && (size_t) (kdump - s) < n)
    n = (size_t) (kdump - s);
  put_once (r->e.comm, sizeof r->e.comm, s, n);
  if (t)
    take_taint (r, t + 1, (size_t) (s + len - t - 1));
}

/* "CPU: 1 PID: 0 Comm: x Not tainted ...", "CPU: 1 UID: 0 PID: 0 Comm: ...". */
static void
take_cpu (struct report *r, const char *s, size_t len)
{
  const char *p = span_find (s, len, "PID: ");
  const char *c = span_find (s, len, "Comm: ");
  bool first = !r->e.release[0];

  if (!p || !c)
    return;
  /* In a stall, whoever prints first is not who stands still: those of the
   * head stay, the first who are named are taken. */
  if (r->e.cpu < 0 || (first && !(r->recipe->flags & RECIPE_STALL)))
    r->e.cpu = (int) number (s, len);
  if (r->e.pid < 0)
    {
      const char *pid = p + 5;

      r->e.pid = (int) number (pid, (size_t) (s + len - pid));
    }
  take_comm (r, c + 6, (size_t) (s + len - (c + 6)));
  if (r->ncalls)
    report_mark (r, ITEM_CPU);
  r->body = true;
}

/* "Pid: 12, comm: x Not tainted 3.2.0 #1": 2.6 and early 3. */
static void
take_old_pid (struct report *r, const char *s, size_t len)
{
  const char *c = span_find (s, len, "comm: ");

  if (!c)
    return;
  if (r->e.pid < 0)
    r->e.pid = (int) number (s, len);
  take_comm (r, c + 6, (size_t) (s + len - (c + 6)));
  r->body = true;
}

static void
take_hardware (struct report *r, const char *s, size_t len)
{
  put_once (r->e.hardware, sizeof r->e.hardware, s, len);
  r->body = true;
}

static void
take_modules (struct report *r, const char *s, size_t len)
{
  while (len && *s == ' ')
    {
      s++;
      len--;
    }
  put_once (r->e.modules, sizeof r->e.modules, s, len);
  r->body = true;
}

static void
take_trace (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  r->has_trace = r->body = true;
  report_mark (r, ITEM_TRACE);
}

static void
take_nmi (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  r->nmi = true;
}

static void
take_backtrace (struct report *r, const char *s, size_t len)
{
  if (r->e.cpu < 0)
    r->e.cpu = (int) number (s, len);
  r->body = true;
  if (span_find (s, len, " skipped: idling"))
    r->cpu_idle = true;
  if (r->recipe->flags & RECIPE_HUNG)
    r->over = true; /* everybody's stacks follow those of who hangs */
  report_mark (r, ITEM_CPU);
}

static void
take_kthread (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  report_mark (r, ITEM_KTHREAD);
}

static void
take_section (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  r->body = true;
  report_mark (r, ITEM_SECTION);
}

static void
take_access (struct report *r, const char *s, size_t len)
{
  static const char *const words[] = { " by task ", " by " };
  const char *by = NULL, *slash;

  for (unsigned i = 0; i < ARRAY_LEN (words) && !by; i++)
    if ((by = span_find (s, len, words[i])))
      by += strlen (words[i]);
  if (!by)
    return;
  slash = memrchr (by, '/', (size_t) (s + len - by));
  if (slash)
    {
      put_once (r->e.comm, sizeof r->e.comm, by, (size_t) (slash - by));
      if (r->e.pid < 0)
        r->e.pid
            = (int) number (slash + 1, (size_t) (s + len - slash - 1));
    }
}

static void
take_read (struct report *r, const char *s, size_t len)
{
  put_once (r->access, sizeof r->access, "Read", 4);
  take_access (r, s, len);
}

static void
take_write (struct report *r, const char *s, size_t len)
{
  put_once (r->access, sizeof r->access, "Write", 5);
  take_access (r, s, len);
}

static void
take_over (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  r->over = true;
}

/* What follows is about everybody; only a hung task's report is done then,
 * those of stalls may go on. */
static void
take_locks (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  if (r->recipe->flags & RECIPE_HUNG)
    r->over = true;
}

/* "Tasks in /x are going to be killed due to memory.oom.group set". */
static void
take_group (struct report *r, const char *s, size_t len)
{
  if ((r->recipe->flags & RECIPE_OOM) && span_find (s, len, "oom.group"))
    r->oom_group = true;
}

static void
take_nothing (struct report *r, const char *s, size_t len)
{
  (void) r;
  (void) s;
  (void) len;
}

static void
take_body (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  r->body = true;
}

static void
take_not_tainted (struct report *r, const char *s, size_t len)
{
  take_taint (r, s - 12, len + 12);
}

static void
take_tainted (struct report *r, const char *s, size_t len)
{
  take_taint (r, s - 9, len + 9);
}

static void
take_task (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  r->body = true;
  report_mark (r, ITEM_TASK);
}

/* arm: what the frames before it interrupted comes now. */
static void
take_interrupted (struct report *r, const char *s, size_t len)
{
  (void) s;
  (void) len;
  report_mark (r, ITEM_IRQ_END);
}

/* "caller is f+0x1/0x2", "last function: f". */
static void
take_place (struct report *r, const char *s, size_t len)
{
  struct text_frame f;
  size_t i;

  if (!(r->recipe->flags & RECIPE_HEAD) || r->head_func[0])
    return;
  if (frame_parse (s, len, &f) == FRAME_CALL)
    span_put (r->head_func, sizeof r->head_func, f.func, strlen (f.func));
  else
    {
      for (i = 0; i < len && s[i] != ' ' && s[i] != '.' && s[i] != '+'; i++)
        ;
      span_put (r->head_func, sizeof r->head_func, s, i);
    }
}

/* "(&mm->mmap_lock){++++}-{3:3}, at: f+0x1/0x2": lockdep's first is the lock
 * that it is about. */
static bool
take_at (struct report *r, const char *s, size_t len)
{
  const char *at = span_find (s, len, ", at: ");
  struct text_frame f;

  /* Two sorts of interrupts: it is about who takes the lock in one. */
  if (memmem (s, len, "irq-safe at:", 12) && span_begins (s, len, "... which"))
    {
      r->safe_next = true;
      return true;
    }
  /* "is trying to release lock (&x) at:", and on the next line where. */
  if (len > 4 && memcmp (s + len - 4, " at:", 4) == 0
      && span_find (s, len, "lock ("))
    {
      r->place_next = true;
      return true;
    }
  if (!at)
    return false;
  at += 6;
  if (!r->head_func[0]
      && frame_parse (at, (size_t) (s + len - at), &f) == FRAME_CALL)
    span_put (r->head_func, sizeof r->head_func, f.func, strlen (f.func));
  return true;
}

/* By first letter, so that a line is compared with few of them. */
/* In the order of their first bytes. */
static const struct detail details[] = {
  { "\"echo 0 > /proc/sys/", take_nothing },
  { "---[ end trace", take_over },
  { "---[ end Kernel panic", take_over },
  { "Allocated by task", take_section },
  { "Allocated in ", take_section },
  { "Backtrace:", take_trace },
  { "CPU: ", take_cpu },
  { "Call Trace:", take_trace },
  { "Call trace:", take_trace },
  { "Code: ", take_nothing },
  { "Exception stack(", take_interrupted },
  { "Freed by task", take_section },
  { "Freed in ", take_section },
  { "Hardware name: ", take_hardware },
  { "Last potentially related work", take_section },
  { "Local variable ", take_section },
  { "Modules linked in:", take_modules },
  { "NMI backtrace for cpu ", take_backtrace },
  { "Not tainted ", take_not_tainted },
  { "Pid: ", take_old_pid },
  { "RCU grace-period kthread stack dump", take_kthread },
  { "Read at addr ", take_read },
  { "Read of size ", take_read },
  { "Second to last potentially", take_section },
  { "Sending NMI ", take_nmi },
  { "Showing all locks held in", take_locks },
  { "Stack:", take_body },
  { "Tainted: ", take_tainted },
  { "Tasks in ", take_group },
  { "Uninit was ", take_section },
  { "Workqueue: ", take_body },
  { "Write at addr ", take_write },
  { "Write of size ", take_write },
  { "caller is ", take_place },
  { "kworker thread backtrace", take_section },
  { "last function: ", take_place },
  { "oom_reaper: reaped ", take_nothing },
  { "rcu: RCU grace-period kthread stack dump", take_kthread },
  { "read of size ", take_read },
  { "stack backtrace:", take_body },
  { "task:", take_task },
  { "write of size ", take_write },
};

/* "comm            D 0 12 2 0x00000000" and "comm R  running task 123 1": the
 * task line of kernels before 5.9. */
static bool
is_old_task (const char *s, size_t len)
{
  const char *end = s + (len < 22 ? len : 22), *p = s;

  /* A stack's lines have no blanks, most of them. */
  for (; end - p > 3 && (p = memchr (p, ' ', (size_t) (end - p - 3))); p++)
    if (memchr ("RSDTtXZPI", p[1], 9)
        && (p[2] == ' ' || (p[2] >= '0' && p[2] <= '9')))
      {
        size_t j = (size_t) (p + 2 - s);

        while (j < len && s[j] == ' ')
          j++;
        /* Its last column are the flags. */
        return span_find (s + j, len - j, " 0x")
               && (span_begins (s + j, len - j, "running")
                   || (s[j] >= '0' && s[j] <= '9')
                   || (s[j] >= 'a' && s[j] <= 'f'));
      }
  return false;
}

/* "task a:1 is blocked on a mutex likely owned by task b:2." */
static void
take_owner (struct report *r, const char *s, size_t len)
{
  static const char *const words[]
      = { "likely owned by task ", "likely last held by task ",
          "likely held by task " };
  size_t i;

  for (i = 0; i < ARRAY_LEN (words); i++)
    {
      const char *o = span_find (s, len, words[i]);
      size_t n;

      if (!o)
        continue;
      o += strlen (words[i]);
      n = (size_t) (s + len - o);
      /* "b:2 <reader>." */
      if (memmem (o, n, " <", 2))
        n = (size_t) ((const char *) memmem (o, n, " <", 2) - o);
      while (n && (o[n - 1] == '.' || o[n - 1] == ' '))
        n--;
      put_once (r->e.other, sizeof r->e.other, o, n);
      return;
    }
}

/* The first that begins so, or the place where it would be. */
static size_t
first_detail (char c)
{
  size_t from = 0, to = ARRAY_LEN (details);

  while (from < to)
    {
      size_t middle = from + (to - from) / 2;

      if ((unsigned char) details[middle].begin[0] < (unsigned char) c)
        from = middle + 1;
      else
        to = middle;
    }
  return from;
}

bool
report_detail (struct report *r, const char *s, size_t len)
{
  size_t i;

  for (i = first_detail (s[0]);
       i < ARRAY_LEN (details) && details[i].begin[0] == s[0]; i++)
    if (span_begins (s, len, details[i].begin))
      {
        size_t n = strlen (details[i].begin);

        details[i].take (r, s + n, len - n);
        return true;
      }
  if ((r->recipe->flags & RECIPE_LOCKS) && take_at (r, s, len))
    return true;
  if (is_old_task (s, len))
    {
      take_task (r, s, len);
      return true;
    }
  if (span_begins (s, len, "INFO: task ")
      && (r->recipe->flags & RECIPE_HUNG))
    {
      take_owner (r, s, len);
      return r->e.other[0] != '\0';
    }
  return false;
}
