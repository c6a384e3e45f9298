/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of the kernel's log that tell of a process's end.
 *
 * A name of a process, or of a control group, may hold anything, a comma too:
 * what stands behind it is looked for from the end, and where that leaves a
 * doubt about the group none is named.
 */
#include "diag/outside/ended.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const ended_why_names[] = { "failed", "killed", "crashed", NULL };

static void
keep (struct ended_log *log, const struct ended *e)
{
  log->list[log->next] = *e;
  log->next = (log->next + 1) % ENDED_MAX_KEPT;
  log->n += log->n < ENDED_MAX_KEPT;
}

const struct ended *
ended_get (const struct ended_log *log, unsigned i)
{
  return i < log->n
             ? &log->list[(log->next + ENDED_MAX_KEPT - 1 - i)
                          % ENDED_MAX_KEPT]
             : NULL;
}

static void
copy (char *dst, size_t size, const char *from, const char *end)
{
  size_t n = (size_t) (end - from);

  snprintf (dst, size, "%.*s", (int) (n < size ? n : size - 1), from);
}

/* The last one of a line; NULL = there is none. */
static const char *
last_of (const char *line, const char *word)
{
  const char *last = NULL;

  for (const char *p = line; (p = strstr (p, word)); p++)
    last = p;
  return last;
}

/* "oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a,task_memcg=/a/b,
 * task=shop,pid=214,uid=0" */
static bool
read_kill (const char *line, struct ended *e)
{
  static const char head[] = "oom-kill:constraint=CONSTRAINT_MEMCG,";
  const char *group, *task, *pid;

  if (strncmp (line, head, strlen (head)) != 0)
    return false;
  group = last_of (line, ",task_memcg=");
  task = group ? last_of (group + 1, ",task=") : NULL;
  pid = task ? last_of (task + 1, ",pid=") : NULL;
  if (!pid)
    return false;
  e->why = ENDED_KILLED;
  e->pid = atoll (pid + strlen (",pid="));
  if (strstr (line, ",task_memcg=") == group
      && strstr (line, ",task=") == task)
    copy (e->cgroup, sizeof e->cgroup, group + strlen (",task_memcg="), task);
  copy (e->comm, sizeof e->comm, task + strlen (",task="), pid);
  return true;
}

/* Before 5.0: "Task in /a/b killed as a result of limit of /a", and then
 * "Memory cgroup out of memory: Kill process 214 (shop) score ...". */
static bool
read_old_kill (struct ended_log *log, const char *line, struct ended *e)
{
  static const char head[] = "Memory cgroup out of memory: Kill";
  const char *end = strstr (line, " killed as a result of limit of ");
  const char *name, *last;

  if (strncmp (line, "Task in ", 8) == 0 && end)
    {
      log->group[0] = '\0';
      if (end == last_of (line, " killed as a result of limit of "))
        copy (log->group, sizeof log->group, line + 8, end);
      return false;
    }
  if (strncmp (line, head, strlen (head)) != 0 || !log->group[0]
      || !(name = strstr (line, " (")))
    return false;
  last = last_of (name, ") score ");
  last = last ? last : last_of (name, ")");
  if (!last)
    return false;
  e->why = ENDED_KILLED;
  while (name > line && isdigit ((unsigned char) name[-1]))
    name--;
  e->pid = atoll (name);
  name = strchr (name, '(') + 1;
  copy (e->comm, sizeof e->comm, name, last > name ? last : name);
  snprintf (e->cgroup, sizeof e->cgroup, "%s", log->group);
  log->group[0] = '\0';
  return true;
}

/* What is said behind "[214]". */
static const char *const crashes[]
    = { "segfault at ", "general protection", "trap ", "unhandled ",
        "bad frame" };
enum
{
  SEGFAULT,
  PROTECTION,
  TRAP,
};

/* In front of it stands a name.  NULL: it is not "[214]" and one of those. */
static const char *
crash_behind (const char *open, unsigned *ret_which)
{
  size_t digits = strspn (open + 1, "0123456789");
  const char *what;

  if (digits == 0 || digits > 9 || open[1 + digits] != ']')
    return NULL;
  what = open + digits + 2;
  what += *what == ':';
  what += *what == ' ';
  for (unsigned i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
    if (strncmp (what, crashes[i], strlen (crashes[i])) == 0)
      {
        *ret_which = i;
        return what;
      }
  return NULL;
}

/* "shop[214]: segfault at 0 ip ... error 4 in libc.so.6[7f00+1000]",
 * "traps: shop[214] trap divide error ip:...", of arm64 "shop[214]: unhandled
 * exception: ...".  A process may call itself "db[5]: trap x": the last that
 * stands where a name ends is it. */
static bool
read_crash (const char *line, struct ended *e)
{
  const char *name = strncmp (line, "traps: ", 7) == 0 ? line + 7 : line;
  const char *what = NULL, *at = NULL, *in, *end;
  unsigned i = 0, which;

  for (const char *p = strchr (name, '['); p && p - name <= 31;
       p = strchr (p + 1, '['))
    {
      const char *behind = p > name ? crash_behind (p, &which) : NULL;

      if (behind)
        {
          at = p;
          what = behind;
          i = which;
        }
    }
  if (!what)
    return false;
  e->why = ENDED_CRASHED;
  e->pid = atoll (at + 1);
  copy (e->comm, sizeof e->comm, name, at);
  end = what + strcspn (what, i == SEGFAULT ? " " : ":");
  if (i == TRAP && strstr (what, " ip"))
    end = strstr (what, " ip");
  else if (i == PROTECTION)
    end = what + strlen (crashes[i]);
  in = last_of (what, " in ");
  copy (e->how, sizeof e->how - 40, what, end);
  if (in)
    snprintf (e->how + strlen (e->how), 40, " in %.*s",
              (int) strcspn (in + 4, "[ "), in + 4);
  return true;
}

void
ended_line (struct ended_log *log, const char *line, int64_t us)
{
  struct ended e = { .us = us };

  if (read_kill (line, &e) || read_old_kill (log, line, &e)
      || read_crash (line, &e))
    keep (log, &e);
}
