/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader of one guest's text.  See reader.h.
 */
#include "kernel/text/reader.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "kernel/text/repeats.h"
#include "kernel/text/titles.h"

#include <stdlib.h>
#include <string.h>

#define SEEN_MAX 16
#define TWINS_SURE 2

/* A trouble that a kernel tells again and again while it lasts. */
struct seen
{
  uint64_t key;
  double seconds;
};

/* The kernel's last line: two of its consoles may be one wire, and all that it
 * says comes twice, stamp and all. */
struct twin
{
  uint64_t stamp_us;
  size_t len;
  unsigned pairs; /* since a line came once only */
  bool paired;
  uint64_t digest; /* of all of it: two kills may differ in a digit */
};

struct text_reader
{
  const struct text_rules *rules;
  struct text_reader_ops ops;
  void *arg;
  struct splitter *splitter;
  struct stage stage;
  struct text_reader_stats stats;
  struct report *open[REPORTS_MAX]; /* oldest first */
  unsigned nopen;
  struct seen seen[SEEN_MAX];
  unsigned next_seen;
  struct repeats repeats;
  struct twin last;
  bool panicked;        /* this boot: its head and its end mark are one */
  bool replaying;       /* SysRq R: what is older than its header is old */
  uint64_t replay_us;
  uint64_t open_head;   /* number of the unfinished line that had a head */
  uint64_t ours_until;  /* 0 = nothing was asked */
  char ours_key;
};

/* ---- the end of reports ---- */

static void
finish (struct text_reader *r, unsigned i, bool cut)
{
  struct report *p = r->open[i];

  r->nopen--;
  memmove (&r->open[i], &r->open[i + 1],
           (r->nopen - i) * sizeof r->open[0]);
  report_finish (p, cut);
  /* Of what is suspected, the end is told. */
  if (repeats_whole (&r->repeats, p) && p->held)
    r->stats.repeats++;
  else
    {
      if (p->held)
        {
          p->e.id = ++r->stats.heads;
          if (r->ops.suspect)
            r->ops.suspect (&p->e, r->arg);
        }
      r->stats.events++;
      if (r->ops.event)
        r->ops.event (&p->e, r->arg);
    }
  report_free (p);
}

static void
finish_all (struct text_reader *r, bool cut)
{
  while (r->nopen)
    finish (r, 0, cut);
}

/* A text that was kept has no ticks, but the guest's stamps: what stood still
 * for so long is over, and what comes is news. */
static void
finish_old (struct text_reader *r, const struct text_msg *msg)
{
  unsigned i = 0;

  while (msg->stamped && msg->from == FROM_KERNEL && i < r->nopen)
    if (r->open[i]->last_us > 0 && report_has_caller (r->open[i], msg)
        && msg->stamp_us > r->open[i]->last_us + REPORT_QUIET_US)
      finish (r, i, false);
    else
      i++;
}

/* Another head in the same context ends what was open there, but for those
 * whose stack may be within the new one's report. */
static void
make_way (struct text_reader *r, const struct text_msg *msg,
          const struct text_rule *rule)
{
  unsigned i = 0;
  bool panic = strcmp (rule->kind, "panic") == 0;

  while (i < r->nopen)
    {
      struct report *p = r->open[i];
      bool stall = p->recipe->flags & RECIPE_STALL;

      if (!report_has_caller (p, msg))
        i++;
      else if ((p->recipe->flags & RECIPE_SHARES) && !p->has_trace
               && p->ncalls < 2
               && (panic || (stall && strcmp (rule->kind, "warning") == 0)))
        {
          report_nested (p);
          i++;
        }
      else if (msg->caller == CALLER_NONE && p->in_stack && !panic)
        i++; /* two CPUs talk at once: nobody stops amid a stack */
      else
        finish (r, i, false);
    }
}

/* ---- heads ---- */

static uint64_t
mix (uint64_t h, const char *s)
{
  for (; *s; s++)
    h = (h ^ (unsigned char) *s) * 1099511628211ull;
  return (h ^ 0xff) * 1099511628211ull;
}

/* Whether it was told before and goes on: the seconds grow. */
static bool
told_before (struct text_reader *r, const struct report *p)
{
  const struct text_event *e = &p->e;
  uint64_t key = 14695981039346656037ull;
  size_t i;

  if (!(p->recipe->flags & (RECIPE_HUNG | RECIPE_STALL)) || !e->comm[0]
      || e->pid < 0)
    return false;
  key = mix (mix (key, e->kind), e->comm);
  key = (key ^ (uint64_t) e->pid) * 1099511628211ull;
  for (i = 0; i < SEEN_MAX; i++)
    if (r->seen[i].key == key)
      {
        bool again = e->seconds >= r->seen[i].seconds;

        r->seen[i].seconds = e->seconds;
        return again;
      }
  r->seen[r->next_seen] = (struct seen){ key, e->seconds };
  r->next_seen = (r->next_seen + 1) % SEEN_MAX;
  return false;
}

static bool
is_tail (const struct text_msg *msg)
{
  static const char mark[] = "---[ end Kernel panic";

  return memmem (msg->text, msg->len, mark, sizeof mark - 1) != NULL;
}

/* No key but c makes a kernel say that it does not go on: it may well come to
 * that while it is asked why it hangs, and it says so once. */
static bool
asked_for (const struct text_reader *r, const struct text_msg *msg,
           const struct text_rule *rule)
{
  return r->ours_until && msg->line->first_ms <= r->ours_until
         && (rule->severity < SEVERITY_FATAL || r->ours_key == 'c');
}

static bool
is_ours (const struct text_reader *r, const struct text_msg *msg,
         const struct text_rule *rule)
{
  if (asked_for (r, msg, rule))
    return true;
  /* A shell shows a log, or another console is told what was said. */
  if (r->stage.replay)
    return true;
  return r->replaying && msg->stamped && msg->stamp_us <= r->replay_us;
}

static bool
absorbed (struct text_reader *r, const struct text_msg *msg,
          const struct text_rule *rule)
{
  unsigned i;

  for (i = 0; i < r->nopen; i++)
    if (report_has_caller (r->open[i], msg)
        && report_absorbs (r->open[i], rule))
      return true;
  return false;
}

/* A head that tells more of a trouble whose report is open. */
static bool
joined (struct text_reader *r, const struct text_msg *msg,
        const struct rule_match *m)
{
  unsigned i;

  for (i = 0; i < r->nopen; i++)
    {
      struct report *p = r->open[i];
      const char *kind = p->e.kind;

      if ((msg->from != FROM_USER && !report_has_caller (p, msg))
          || !report_joins (p, m))
        continue;
      report_join (p, m, msg);
      title_head (p);
      if (p->e.kind != kind && !p->held && r->ops.suspect)
        r->ops.suspect (&p->e, r->arg);
      return true;
    }
  return false;
}

static void
take_head (struct text_reader *r, const struct rule_match *m,
           const struct text_msg *msg)
{
  bool panic = strcmp (m->rule->kind, "panic") == 0;
  struct report *p;

  if (panic && is_tail (msg) && r->panicked)
    {
      make_way (r, msg, m->rule);
      return;
    }
  p = report_new (m, msg);
  if (!p)
    {
      r->stats.reports_cut++;
      return;
    }
  if (!(p->recipe->flags & RECIPE_LINE))
    make_way (r, msg, m->rule);
  p->e.ours = is_ours (r, msg, m->rule);
  if (!p->e.ours && told_before (r, p))
    {
      report_free (p);
      return;
    }
  if (panic && !p->e.ours)
    r->panicked = true;
  p->e.stage = r->stage.stage;
  title_head (p);
  p->held = repeats_head (&r->repeats, p);
  if (p->held && (p->recipe->flags & RECIPE_LINE))
    {
      r->stats.repeats++;
      report_free (p);
      return;
    }
  if (!p->held)
    {
      p->e.id = ++r->stats.heads;
      if (r->ops.suspect)
        r->ops.suspect (&p->e, r->arg);
    }
  if (r->nopen == REPORTS_MAX)
    {
      r->stats.reports_cut++;
      finish (r, 0, true);
    }
  r->open[r->nopen++] = p;
  if (p->recipe->flags & RECIPE_LINE)
    finish (r, r->nopen - 1, false);
}

/* ---- lines ---- */

static bool
begins (const struct text_msg *msg, const char *word)
{
  size_t n = strlen (word);

  return msg->len >= n && memcmp (msg->text, word, n) == 0;
}

/* Everything older than the header that comes now was said before. */
static void
watch_replay (struct text_reader *r, const struct text_msg *msg)
{
  if (msg->len > 20 && (msg->text[0] == 's' || msg->text[0] == 'S')
      && (begins (msg, "sysrq: Replay kernel logs")
          || begins (msg, "sysrq: SysRq : Replay kernel logs")))
    {
      if (!r->replaying)
        r->replay_us = msg->stamp_us;
      /* One from the future would not end. */
      r->replaying = msg->stamped && msg->stamp_us <= r->stage.live_us;
    }
  else if (r->replaying && msg->stamped && msg->stamp_us > r->replay_us)
    r->replaying = false;
}

/* The kernel's own count, for it stops at some number: each task is told
 * once. */
static void
count_hung (struct text_reader *r, const struct text_msg *msg)
{
  static const char blocked[] = " blocked ";

  if (msg->from != FROM_KERNEL || msg->line->open || r->stage.replay
      || r->replaying)
    return;
  if (begins (msg, "INFO: task ")
      && memmem (msg->text, msg->len, blocked, sizeof blocked - 1))
    r->stats.hung_tasks++;
  else if (begins (msg, "Future hung task reports are suppressed"))
    r->stats.hung_tasks += TEXT_HUNG_WARNINGS;
}

/* A firmware tries one way after another, and each that fails says so in a few
 * lines: they are one trouble, the next attempt's are another. */
static void
watch_netboot (struct text_reader *r, const struct text_msg *msg)
{
  static const char *const begin[]
      = { ">>Start ", "iPXE (PCI ", "Booting from ROM",
          "Booting from network", "CLIENT MAC ADDR" };
  unsigned i;

  if (r->stage.stage != STAGE_FIRMWARE)
    return;
  for (i = 0; i < ARRAY_LEN (begin); i++)
    if (begins (msg, begin[i]))
      repeats_forget_kind (&r->repeats, "netboot_failed");
}

/* The stack of another CPU, who was asked for it by a report that is open. */
static void
join_reports (struct text_reader *r, const struct text_msg *msg)
{
  unsigned i;

  if (msg->caller == CALLER_NONE || !begins (msg, "NMI backtrace for cpu"))
    return;
  for (i = 0; i < r->nopen; i++)
    if (report_has_caller (r->open[i], msg))
      return;
  for (i = r->nopen; i-- > 0;)
    if (r->open[i]->nmi)
      {
        report_add_caller (r->open[i], msg);
        return;
      }
}

static void
feed_reports (struct text_reader *r, const struct text_msg *msg)
{
  unsigned i = 0;

  if (msg->from == FROM_USER)
    return;
  join_reports (r, msg);
  while (i < r->nopen)
    if (report_has_caller (r->open[i], msg)
        && report_line (r->open[i], msg))
      finish (r, i, false);
    else
      i++;
}

static void
on_stage (struct text_reader *r, enum stage_change change)
{
  if (change == STAGE_NEW_BOOT)
    {
      finish_all (r, true);
      memset (r->seen, 0, sizeof r->seen);
      repeats_forget (&r->repeats);
      /* What was asked was asked of another kernel; R shows its banner. */
      if (!r->replaying && r->ours_key != 'R')
        r->ours_until = 0;
      r->panicked = r->replaying = false;
    }
  if (r->ops.stage)
    r->ops.stage (&r->stage, change, r->arg);
}

static uint64_t
digest (const char *s, size_t n)
{
  uint64_t h = n, w;

  for (; n > 8; s += 8, n -= 8)
    {
      memcpy (&w, s, 8);
      h = (h ^ w) * 0x9e3779b97f4a7c15;
      h ^= h >> 32;
    }
  w = 0;
  memcpy (&w, s, n);
  return (h ^ w) * 0x9e3779b97f4a7c15;
}

/* Whether the line is the one before it once more. */
static bool
is_twin (struct twin *t, const struct text_msg *msg)
{
  uint64_t now = digest (msg->text, msg->len);

  if (msg->stamp_us == t->stamp_us && msg->len == t->len && !t->paired
      && now == t->digest)
    {
      t->paired = true;
      t->pairs++;
      return true;
    }
  if (!t->paired)
    t->pairs = 0;
  t->paired = false;
  t->stamp_us = msg->stamp_us;
  t->len = msg->len;
  t->digest = now;
  return false;
}

static void
on_line (const struct text_line *line, void *arg)
{
  struct text_reader *r = arg;
  struct text_msg msg;
  struct rule_match m;
  enum stage_change change;
  bool head, twin;

  prefix_strip (line, &msg);
  if (!line->again)
    r->stats.lines++;
  if (r->ops.line)
    r->ops.line (&msg, r->arg);
  twin = msg.stamped && !line->open && is_twin (&r->last, &msg);
  if (twin && r->last.pairs >= TWINS_SURE)
    return;
  change = stage_line (&r->stage, &msg);
  if (change != STAGE_SAME)
    on_stage (r, change);
  watch_replay (r, &msg);
  watch_netboot (r, &msg);
  if (msg.len > 20 && (msg.text[0] == 'I' || msg.text[0] == 'F'))
    count_hung (r, &msg);
  if (r->nopen)
    finish_old (r, &msg);
  m.limits_hit = 0;
  head = text_rules_scan (r->rules, &msg, &r->stage, &m);
  r->stats.limits_hit += m.limits_hit;
  if (head && m.rule->harmless)
    head = false;
  /* An unfinished line is looked at for prompts, and has one head: what a
   * kernel says comes whole. */
  if (head && line->open && m.rule->where == WHERE_KERNEL)
    head = false;
  if (head && line->again && r->open_head == line->number)
    head = false;
  if (head && line->open)
    r->open_head = line->number;
  /* Nothing happens twice at the same moment in the same words. */
  if (head && (twin || joined (r, &msg, &m)))
    return;
  if (head && !absorbed (r, &msg, m.rule))
    take_head (r, &m, &msg);
  else if (!line->open && r->nopen)
    feed_reports (r, &msg);
}

/* ---- outside ---- */

int
text_reader_new (const struct text_rules *rules,
                 const struct text_reader_ops *ops, void *arg,
                 struct text_reader **ret, struct error *err)
{
  struct text_reader *r = calloc (1, sizeof *r);
  int rc;

  if (!r)
    return error_set (err, ENOMEM, "out of memory");
  r->rules = text_rules_ref (rules);
  if (ops)
    r->ops = *ops;
  r->arg = arg;
  rc = splitter_new (on_line, r, &r->splitter, err);
  if (rc < 0)
    {
      text_rules_unref (rules);
      free (r);
      return rc;
    }
  *ret = r;
  return 0;
}

void
text_reader_free (struct text_reader *r)
{
  unsigned i;

  if (!r)
    return;
  for (i = 0; i < r->nopen; i++)
    report_free (r->open[i]);
  splitter_free (r->splitter);
  text_rules_unref (r->rules);
  free (r);
}

void
text_reader_rules (struct text_reader *r, const struct text_rules *rules)
{
  if (r->rules == rules)
    return;
  /* They point into the rules that found them. */
  finish_all (r, true);
  text_rules_unref (r->rules);
  r->rules = text_rules_ref (rules);
}

void
text_reader_feed (struct text_reader *r, const void *data, size_t len,
                  uint64_t ms)
{
  r->stats.bytes += len;
  splitter_feed (r->splitter, data, len, ms);
}

void
text_reader_gap (struct text_reader *r, uint64_t lost, uint64_t ms)
{
  unsigned i;

  r->stats.gaps++;
  r->stats.lost_bytes += lost;
  splitter_gap (r->splitter, lost, ms);
  for (i = 0; i < r->nopen; i++)
    r->open[i]->mixed = true;
}

uint64_t
text_reader_tick (struct text_reader *r, uint64_t now)
{
  uint64_t next = splitter_tick (r->splitter, now);
  unsigned i = 0;

  while (i < r->nopen)
    {
      uint64_t due = r->open[i]->e.last_ms + REPORT_QUIET_MS;

      if (r->open[i]->e.last_ms && due <= now)
        {
          finish (r, i, false);
          continue;
        }
      if (r->open[i]->e.last_ms && due < next)
        next = due;
      i++;
    }
  return next;
}

void
text_reader_end (struct text_reader *r)
{
  splitter_end (r->splitter);
  finish_all (r, true);
}

void
text_reader_ours (struct text_reader *r, char key, uint64_t until_ms)
{
  if (key == '\0' || until_ms > r->ours_until)
    r->ours_until = until_ms;
  if (key != '\0')
    r->ours_key = key;
}

const struct stage *
text_reader_stage (const struct text_reader *r)
{
  return &r->stage;
}

void
text_reader_stats (const struct text_reader *r, struct text_reader_stats *ret)
{
  unsigned i;

  *ret = r->stats;
  ret->memory = sizeof *r + splitter_size (r->splitter);
  for (i = 0; i < r->nopen; i++)
    ret->memory += report_size (r->open[i]);
}
