/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions on facts.
 */
#include "diag/ladder/ladder_impl.h"

#include "base/buf.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static double
number_of (const struct fact *f)
{
  switch (f->type)
    {
    case FACT_INT:
      return (double) f->i;
    case FACT_REAL:
      return f->d;
    case FACT_BOOL:
      return f->b ? 1 : 0;
    case FACT_TEXT:
      break;
    }
  return 0;
}

/* What collectors find in kept text, and what the worker that reads it live
 * calls it.  Only what means the same to the tables: other kinds have their
 * say by kernel.class. */
static const struct
{
  const char *mark, *event;
} live[] = {
  { "console.text.panic", "kernel.event.panic" },
  { "console.text.panic", "kernel.event.windows_stop" },
  { "console.text.panic", "kernel.event.hypervisor_crash" },
  { "console.text.soft_lockup", "kernel.event.soft_lockup" },
  { "console.text.hard_lockup", "kernel.event.hard_lockup" },
  { "console.text.rcu_stall", "kernel.event.rcu_stall" },
  { "console.text.hung_task", "kernel.event.hung_task" },
  { "console.text.hung_task", "kernel.event.cant_die" },
  { "console.text.oom", "kernel.event.oom_kill" },
  { "console.text.oom", "kernel.event.oom_kill_cgroup" },
  { "console.text.oom", "kernel.event.oom_deadlock" },
  { "console.text.oom", "kernel.event.oom" },
  { "console.text.read_only", "kernel.event.fs_readonly" },
  { "console.text.read_only", "kernel.event.fs_shutdown" },
  { "console.text.io_error", "kernel.event.io_error" },
};

const char *
ladder_mark_of (const char *kind)
{
  static const char head[] = "kernel.event.";

  for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
    if (strcmp (live[i].event + sizeof head - 1, kind) == 0)
      return live[i].mark;
  return NULL;
}

static bool
is_called (const char *pattern, const char *name)
{
  if (text_glob (pattern, name))
    return true;
  for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
    if (strcmp (live[i].event, name) == 0
        && strcmp (live[i].mark, pattern) == 0)
      return true;
  return false;
}

static bool
is_one_of (const char *word, const char *list)
{
  size_t n = strlen (word), len;

  for (; *list; list += len + (list[len] == '|'))
    {
      len = strcspn (list, "|");
      if (len == n && memcmp (list, word, n) == 0)
        return true;
    }
  return false;
}

/* Of two of one time the one that came later in the list. */
static bool
is_latest (const struct fact_set *set, size_t i)
{
  for (size_t k = 0; k < set->n; k++)
    if (k != i && strcmp (set->facts[k].name, set->facts[i].name) == 0
        && (set->facts[k].time_ms > set->facts[i].time_ms
            || (set->facts[k].time_ms == set->facts[i].time_ms && k > i)))
      return false;
  return true;
}

const struct fact *
fact_last (const struct fact_set *set, const char *name)
{
  for (size_t i = 0; i < set->n; i++)
    if (strcmp (set->facts[i].name, name) == 0 && is_latest (set, i))
      return &set->facts[i];
  return NULL;
}

const struct fact *
fact_told (const struct fact_set *set, const char *name)
{
  const struct fact *f;

  for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
    if (strcmp (live[i].mark, name) == 0
        && (f = fact_last (set, live[i].event)))
      return f;
  return fact_last (set, name);
}

static bool
always (const struct fact_set *set, const struct fact *f, const char *text)
{
  size_t seen = 0;

  for (size_t i = 0; i < set->n; i++)
    if (strcmp (set->facts[i].name, f->name) == 0)
      {
        if (set->facts[i].type != FACT_TEXT
            || strcmp (set->facts[i].text, text) != 0)
          return false;
        seen += set->facts[i].sample > 0;
      }
  return seen >= 2;
}

static bool
holds (const struct cond *c, const struct fact_set *set,
       const struct fact *f)
{
  const struct fact *other;

  switch (c->op)
    {
    case OP_IS:
      return f->type == FACT_TEXT && strcmp (f->text, c->text) == 0;
    case OP_ONE_OF:
      return f->type == FACT_TEXT && is_one_of (f->text, c->text);
    case OP_ALWAYS:
      return always (set, f, c->text);
    case OP_HAS:
      return f->type == FACT_TEXT && strstr (f->text, c->text) != NULL;
    case OP_BEGINS:
      return f->type == FACT_TEXT
             && strncmp (f->text, c->text, strlen (c->text)) == 0;
    case OP_THERE:
      return true;
    case OP_TRUE:
      return f->type != FACT_TEXT && number_of (f) != 0;
    case OP_FALSE:
      return f->type != FACT_TEXT && number_of (f) == 0;
    case OP_ABOVE:
      return f->type != FACT_TEXT && number_of (f) > c->num;
    case OP_BELOW:
      return f->type != FACT_TEXT && number_of (f) < c->num;
    case OP_SAME_AS:
      other = fact_last (set, c->text);
      return other && f->type != FACT_TEXT && other->type != FACT_TEXT
             && number_of (f) == number_of (other);
    case OP_NONE:
    case OP_ABSENT:
      break;
    }
  return false;
}

static bool
cond_holds (const struct cond *c, const struct fact_set *set,
            const struct fact **ret)
{
  bool any = false;

  *ret = NULL;
  for (size_t i = 0; i < set->n; i++)
    {
      const struct fact *f = &set->facts[i];

      if (!is_called (c->fact, f->name) || !is_latest (set, i))
        continue;
      any = true;
      if (holds (c, set, f))
        {
          *ret = f;
          return true;
        }
    }
  return c->op == OP_ABSENT && !any;
}

bool
conds_hold (const struct cond *conds, const struct fact_set *set,
            const struct fact **ret_first)
{
  const struct fact *first = NULL, *f;

  for (size_t i = 0; i < MAX_CONDS && conds[i].op != OP_NONE; i++)
    {
      if (!cond_holds (&conds[i], set, &f))
        return false;
      if (!first)
        first = f;
    }
  if (ret_first)
    *ret_first = first;
  return true;
}

void
fact_describe (const struct fact *f, char *dst, size_t n)
{
  struct buf text CLEANUP_BUF = BUF_INIT (n - 1);

  buf_printf (&text, "%s: %s ", f->source, f->name);
  switch (f->type)
    {
    case FACT_TEXT:
      text_escape (&text, f->text, strnlen (f->text, sizeof f->text), 0);
      break;
    case FACT_INT:
      buf_printf (&text, "%" PRId64, f->i);
      break;
    case FACT_REAL:
      buf_printf (&text, "%.3g", f->d);
      break;
    case FACT_BOOL:
      buf_puts (&text, f->b ? "yes" : "no");
      break;
    }
  snprintf (dst, n, "%s", buf_str (&text));
}
