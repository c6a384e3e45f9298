/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads that tell more of a report that is open.  See report.h.
 *
 * Want of memory is told in up to four places, each of which a guest may leave
 * out: who asked for memory ("invoked oom-killer", with a stack and tables),
 * why ("oom-kill:constraint=", "killed as a result of limit of"), and who was
 * killed.  And some watchdogs bark by way of a warning, whose second line says
 * what about.
 */
#include "kernel/text/report_impl.h"

#include <stdlib.h>
#include <string.h>

static bool
is_kind (const struct text_rule *rule, const char *kind)
{
  return strcmp (rule->kind, kind) == 0;
}

static bool
is_of_kernel (const struct text_rule *rule)
{
  return rule->where == WHERE_KERNEL;
}

/* "Kill process 7 (a) score 900 or sacrifice child", and behind it who it was:
 * "Killed process 9 (b) total-vm:". */
bool
report_tells_victim (const struct rule_match *m)
{
  static const char word[] = "Killed process ";

  return strncmp (m->rule->kind, "oom_kill", 8) == 0 && m->whole.text
         && memmem (m->whole.text, m->whole.len, word, sizeof word - 1);
}

static bool
joins_warning (const struct report *r, const struct text_rule *rule)
{
  return r->lines < 3 && !r->has_trace && !r->ncalls
         && (is_kind (rule, "net_tx_timeout") || is_kind (rule, "hard_lockup"));
}

static bool
joins_oom (const struct report *r, const struct rule_match *m)
{
  struct rule_span pid = rule_member (m, MEMBER_PID);
  char text[16];

  if (is_kind (m->rule, "oom"))
    /* Who invokes it begins another one. */
    return !r->victim && m->rule != r->match.rule
           && strcmp (m->rule->name, "oom-invoked") != 0;
  if (!is_kind (m->rule, "oom_kill") && !is_kind (m->rule, "oom_kill_cgroup"))
    return false;
  if (!r->victim || !pid.text || !is_of_kernel (m->rule)
      || pid.len >= sizeof text)
    return true;
  memcpy (text, pid.text, pid.len);
  text[pid.len] = '\0';
  return r->oom_group || r->e.pid == (int) strtol (text, NULL, 10);
}

bool
report_joins (const struct report *r, const struct rule_match *m)
{
  if (r->recipe->flags & RECIPE_WARN)
    return joins_warning (r, m->rule);
  return (r->recipe->flags & RECIPE_OOM) && joins_oom (r, m);
}

/* Who was killed, who asked: "java:812" in the place of who is in the way. */
static void
take_victim (struct report *r, const struct text_event *e)
{
  if (r->victim || !e->comm[0])
    return;
  if (r->e.comm[0] && strcmp (r->e.comm, e->comm) != 0)
    span_put (r->e.other, sizeof r->e.other, r->e.comm, strlen (r->e.comm));
  memcpy (r->e.comm, e->comm, sizeof r->e.comm);
  r->e.pid = e->pid;
}

/* The title stays that of the warning: that is what trackers know it by. */
static void
join_warning (struct report *r, const struct text_event *e)
{
  r->e.kind = e->kind;
  r->e.severity = e->severity;
  memcpy (r->e.class_, e->class_, sizeof r->e.class_);
  memcpy (r->e.subject, e->subject, sizeof r->e.subject);
}

static void
join_oom (struct report *r, const struct rule_match *m,
          const struct text_event *e)
{
  bool kill = !is_kind (m->rule, "oom");

  if (e->subject[0] && !r->e.subject[0])
    {
      /* A cgroup's limit is of more use than where the victim lived. */
      const char *s = e->other[0] ? e->other : e->subject;

      span_put (r->e.subject, sizeof r->e.subject, s, strlen (s));
    }
  if (!is_of_kernel (m->rule))
    return;
  take_victim (r, e);
  if (!kill || r->victim || m->rule->severity < SEVERITY_ERROR)
    return;
  r->victim = report_tells_victim (m);
  /* A cgroup's limit was named before. */
  if (strcmp (r->e.kind, "oom_kill_cgroup") == 0)
    return;
  r->match.rule = m->rule;
  r->e.kind = e->kind;
  r->e.rule = e->rule;
  r->e.severity = e->severity;
}

void
report_join (struct report *r, const struct rule_match *m,
             const struct text_msg *msg)
{
  struct text_event e;

  memset (&e, 0, sizeof e);
  e.pid = -1;
  rule_fill (m, &e);
  r->e.last_line = msg->line->number;
  r->e.end_at = msg->line->at + msg->line->raw_len;
  r->e.last_ms = msg->line->last_ms;
  r->idle = 0;
  if (r->recipe->flags & RECIPE_OOM)
    join_oom (r, m, &e);
  else
    join_warning (r, &e);
}

bool
report_oom_over (const struct report *r)
{
  return (r->recipe->flags & RECIPE_OOM) && r->victim && r->idle > 0;
}
