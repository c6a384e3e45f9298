/* SPDX-License-Identifier: Apache-2.0
 *
 * The same trouble told over and over.  See repeats.h.
 */
#include "kernel/text/repeats.h"

#include <string.h>

static uint64_t
mix (uint64_t h, const char *s)
{
  for (; *s; s++)
    h = (h ^ (unsigned char) *s) * 1099511628211ull;
  return (h ^ 0xff) * 1099511628211ull;
}

static uint64_t
mix_number (uint64_t h, int v)
{
  return (h ^ (uint64_t) (unsigned) v) * 1099511628211ull;
}

static uint64_t
begin (const struct text_event *e)
{
  return mix (14695981039346656037ull, e->kind);
}

/* A fault happens anew each time, and so does a panic.  Who hangs is known by
 * name and has a memory of its own in the reader. */
static bool
is_new_each_time (const struct report *r)
{
  unsigned f = r->recipe->flags;

  return r->e.ours || (f & RECIPE_HUNG) || strcmp (r->e.kind, "panic") == 0
         || ((f & RECIPE_IP) && !(f & (RECIPE_STALL | RECIPE_WARN)));
}

static uint64_t
head_key (const struct report *r)
{
  const struct text_event *e = &r->e;
  uint64_t h = mix (begin (e), e->title);

  h = mix (h, e->subject);
  /* A place in the code that warns does so whoever comes by. */
  if (r->recipe->flags & RECIPE_WARN)
    return h | 1;
  h = mix (h, e->comm);
  return mix_number (mix_number (h, e->pid), e->cpu) | 1;
}

static bool
is_recent (const struct repeat *p, const struct text_event *e)
{
  const int64_t gap = REPEATS_GAP_S, again = REPEATS_AGAIN_S;

  if (p->last_us >= 0 && e->stamp_us >= 0)
    return e->stamp_us >= p->last_us && e->stamp_us - p->last_us < gap * 1000000
           && e->stamp_us - p->told_us < again * 1000000;
  if (p->last_ms && e->first_ms)
    return e->first_ms >= p->last_ms
           && e->first_ms - p->last_ms < (uint64_t) gap * 1000
           && e->first_ms - p->told_ms < (uint64_t) again * 1000;
  return true;
}

static void
count (struct repeat *p, const struct text_event *e)
{
  p->count++;
  p->last_us = e->stamp_us;
  p->last_ms = e->first_ms;
}

/* "fsck wants somebody", when of a disk it was said a moment ago. */
static struct repeat *
find_vague (struct repeats *s, const struct report *r)
{
  uint64_t rule = mix (0, r->e.rule);
  unsigned i;

  if (r->e.subject[0] || !strstr (r->match.rule->title, "{subject}"))
    return NULL;
  for (i = 0; i < REPEATS_MAX; i++)
    if (s->list[i].head && s->list[i].rule == rule)
      return &s->list[i];
  return NULL;
}

static struct repeat *
find_head (struct repeats *s, uint64_t key)
{
  unsigned i;

  for (i = 0; i < REPEATS_MAX; i++)
    if (s->list[i].head == key)
      return &s->list[i];
  return NULL;
}

/* Whatever is said of what it was about, if it is no trouble, is that it
 * works again: what comes after that is news. */
static void
settle (struct repeats *s, const struct text_event *e)
{
  uint64_t subject = mix (0, e->subject);
  unsigned i;

  for (i = 0; i < REPEATS_MAX; i++)
    if (s->list[i].subject == subject)
      s->list[i].head = s->list[i].whole = 0;
}

bool
repeats_head (struct repeats *s, struct report *r)
{
  struct repeat *p;

  r->head_key = head_key (r);
  if (is_new_each_time (r))
    return false;
  if (r->e.severity == SEVERITY_INFO && r->e.subject[0])
    settle (s, &r->e);
  p = find_head (s, r->head_key);
  if (!p && (r->recipe->flags & RECIPE_LINE))
    p = find_vague (s, r);
  if (!p || !is_recent (p, &r->e))
    return false;
  if (r->recipe->flags & RECIPE_LINE)
    count (p, &r->e);
  return true;
}

bool
repeats_whole (struct repeats *s, struct report *r)
{
  struct text_event *e = &r->e;
  uint64_t whole = mix (begin (e), e->title) | 1;
  struct repeat *p;

  if (is_new_each_time (r))
    return false;
  p = find_head (s, r->head_key);
  if (p && is_recent (p, e)
      && (p->whole == whole || e->evidence != EVIDENCE_REPORT))
    {
      count (p, e);
      return true;
    }
  if (!p)
    {
      p = &s->list[s->next];
      s->next = (s->next + 1) % REPEATS_MAX;
      p->count = 0;
    }
  e->repeats = p->whole == whole ? p->count : 0;
  *p = (struct repeat){ .head = r->head_key,
                        .whole = whole,
                        .rule = mix (0, e->rule),
                        .kind = mix (0, e->kind),
                        .subject = mix (0, e->subject),
                        .last_us = e->stamp_us,
                        .told_us = e->stamp_us,
                        .last_ms = e->first_ms,
                        .told_ms = e->first_ms };
  return false;
}

void
repeats_forget (struct repeats *s)
{
  memset (s, 0, sizeof *s);
}

void
repeats_forget_kind (struct repeats *s, const char *kind)
{
  uint64_t which = mix (0, kind);
  unsigned i;

  for (i = 0; i < REPEATS_MAX; i++)
    if (s->list[i].kind == which)
      s->list[i].head = s->list[i].whole = 0;
}
