/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of the kernel's log that tell of a process's end.
 *
 * A name of a process may hold anything, a comma too: what stands behind it is
 * looked for from the end.
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
  group = strstr (line, ",task_memcg=");
  task = group ? strstr (group + 1, ",task=") : NULL;
  pid = task ? last_of (task + 1, ",pid=") : NULL;
  if (!pid)
    return false;
  e->why = ENDED_KILLED;
  e->pid = atoll (pid + strlen (",pid="));
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

/* "shop[214]: segfault at 0 ip ... error 4 in libc.so.6[7f00+1000]",
 * "traps: shop[214] trap divide error ip:...", of arm64 "shop[214]: unhandled
 * exception: ..." */
static bool
read_crash (const char *line, struct ended *e)
{
  static const char *const whats[]
      = { "segfault at ", "general protection", "trap ", "unhandled ",
          "bad frame" };
  const char *name = strncmp (line, "traps: ", 7) == 0 ? line + 7 : line;
  const char *what = NULL, *open, *in, *end;

  /* "[214]" with what is said behind it. */
  for (open = strchr (name, '['); open; open = strchr (open + 1, '['))
    {
      size_t digits = strspn (open + 1, "0123456789");

      if (digits == 0 || digits > 9 || open[1 + digits] != ']')
        continue;
      what = open + digits + 2;
      what += *what == ':';
      what += *what == ' ';
      break;
    }
  if (!what || open == name || open - name > 31)
    return false;
  for (size_t i = 0; i < sizeof whats / sizeof whats[0]; i++)
    if (strncmp (what, whats[i], strlen (whats[i])) == 0)
      {
        e->why = ENDED_CRASHED;
        e->pid = atoll (open + 1);
        copy (e->comm, sizeof e->comm, name, open);
        end = what + strcspn (what, i == 0 ? " " : ":");
        if (i == 2 && strstr (what, " ip"))
          end = strstr (what, " ip");
        else if (i == 1)
          end = what + strlen (whats[1]);
        in = last_of (what, " in ");
        copy (e->how, sizeof e->how - 40, what, end);
        if (in)
          snprintf (e->how + strlen (e->how), 40, " in %.*s",
                    (int) strcspn (in + 4, "[ "), in + 4);
        return true;
      }
  return false;
}

void
ended_line (struct ended_log *log, const char *line, int64_t us)
{
  struct ended e = { .us = us };

  if (read_kill (line, &e) || read_old_kill (log, line, &e)
      || read_crash (line, &e))
    keep (log, &e);
}
