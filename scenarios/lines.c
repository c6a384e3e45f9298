/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines searched for what scenarios want to hear.  See lines.h.
 */
#include "scenarios/lines.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/regex.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For one line.  An expression that goes astray costs a millisecond, and then
 * rests: whoever prints what it goes astray on prints it again. */
#define STEPS_MAX 5000
#define DEPTH_MAX 500
#define HEAP_KIB 256
#define CPU_MS 20
#define REST_MS 1000
/* It is said that often at most. */
#define GIVEN_UP_MS 60000
/* What was heard within this second need not be counted to the last. */
#define LOOKS_MAX 1000
/* A kernel's CPUs do not stamp in step; what is older was said before. */
#define OLD_US 1000000
/* What we type to ask a command has this in it: when the guest hung, its echo
 * may come much later. */
static const char frame[] = "HD%s%s:";

struct pattern
{
  char name[FACT_NAME_MAX], counted[FACT_NAME_MAX], given_up[FACT_NAME_MAX];
  char console[LINES_CONSOLE];
  char literal[LINES_LITERAL];
  size_t literal_len;
  struct regex *regex; /* NULL: the literal is all */
  unsigned value;      /* number of its group, 0 = none */
};

struct lines
{
  atomic_uint refs;
  size_t n;
  struct pattern list[LINES_MAX];
};

/* What waits until its second is over. */
struct kept
{
  struct line_hit hit;
  char text[LINES_TEXT];
};

struct state
{
  const struct pattern *pattern;
  struct lines *of;
  bool told_any, off;
  uint64_t told_ms, last_line;
  unsigned more, looks;
  uint64_t off_until, given_up, given_up_ms;
  struct kept *kept; /* NULL = never had to wait */
};

struct listener
{
  char console[LINES_CONSOLE];
  line_hit_fn *fn;
  void *arg;
  struct state *states;
  size_t n;
  struct listener_stats stats;
};

/* ---- patterns ---- */

const char *
lines_name (char dst[FACT_NAME_MAX], const char *family, const char *scenario)
{
  int n = snprintf (dst, FACT_NAME_MAX, "%.*s%s",
                    (int) strcspn (family, "*"), family, scenario);

  if (n >= FACT_NAME_MAX)
    snprintf (dst + FACT_NAME_MAX - 10, 10, "~%08x",
              (unsigned) hash_text (scenario));
  return dst;
}

static int
compile (struct pattern *p, const struct line_pattern *from,
         struct error *err)
{
  const char *literal = from->literal, *dot = strchr (from->name, '.');
  char found[LINES_LITERAL];
  int rc;

  snprintf (p->name, sizeof p->name, "%s", from->name);
  lines_name (p->counted, "counted.*", dot ? dot + 1 : "");
  lines_name (p->given_up, "unheard.*", dot ? dot + 1 : "");
  snprintf (p->console, sizeof p->console, "%s",
            from->console ? from->console : "");
  if (from->regex)
    {
      rc = regex_new (from->regex, &p->regex, err);
      if (rc < 0)
        return rc;
      p->value
          = from->value ? regex_group_number (p->regex, from->value) : 0;
      if (from->value && (p->value == 0 || p->value > LINES_GROUPS))
        return error_set (err, EINVAL, "has no group (?<%s>...) among its "
                          "first %u", from->value, LINES_GROUPS);
      if (!literal && lines_literal (from->regex, found))
        literal = found;
    }
  p->literal_len = literal ? strlen (literal) : 0;
  if (p->literal_len >= sizeof p->literal
      || (p->literal_len == 0 && !p->regex))
    return error_set (err, EINVAL, "a text to listen for has 1 to %zu bytes",
                      sizeof p->literal - 1);
  if (literal)
    memcpy (p->literal, literal, p->literal_len);
  return 0;
}

int
lines_new (const struct line_pattern *list, size_t n, struct lines **ret,
           struct error *err)
{
  struct lines *l = calloc (1, sizeof *l);
  int rc = 0;

  if (!l || n > LINES_MAX)
    {
      free (l);
      return error_set (err, l ? EINVAL : ENOMEM, "no room to listen");
    }
  atomic_init (&l->refs, 1);
  for (size_t i = 0; i < n && rc >= 0; i++)
    {
      l->n++;
      rc = compile (&l->list[i], &list[i], err);
    }
  if (rc < 0)
    {
      lines_unref (l);
      return rc;
    }
  *ret = l;
  return 0;
}

struct lines *
lines_ref (struct lines *l)
{
  if (l)
    atomic_fetch_add (&l->refs, 1);
  return l;
}

void
lines_unref (struct lines *l)
{
  if (!l || atomic_fetch_sub (&l->refs, 1) != 1)
    return;
  for (size_t i = 0; i < l->n; i++)
    regex_free (l->list[i].regex);
  free (l);
}

/* ---- listening ---- */

int
listener_new (const char *console, line_hit_fn *fn, void *arg,
              struct listener **ret, struct error *err)
{
  struct listener *l = calloc (1, sizeof *l);

  if (!l)
    return error_set (err, ENOMEM, "no memory to listen to a console");
  if (console)
    snprintf (l->console, sizeof l->console, "%s", console);
  l->fn = fn;
  l->arg = arg;
  *ret = l;
  return 0;
}

static void
state_done (struct state *s)
{
  free (s->kept);
  lines_unref (s->of);
}

void
listener_free (struct listener *l)
{
  if (!l)
    return;
  for (size_t i = 0; i < l->n; i++)
    state_done (&l->states[i]);
  free (l->states);
  free (l);
}

/* As it was, if it was there. */
static struct state
inherit (struct listener *l, const struct pattern *p, struct lines *of)
{
  for (size_t i = 0; i < l->n; i++)
    if (l->states[i].pattern == p)
      {
        struct state s = l->states[i];

        l->states[i].kept = NULL;
        s.of = lines_ref (of);
        return s;
      }
  return (struct state){ .pattern = p, .of = lines_ref (of) };
}

int
listener_set (struct listener *l, struct lines *const *list, size_t n,
              struct error *err)
{
  struct state *states = calloc (n ? n : 1, LINES_MAX * sizeof *states);
  size_t k = 0;

  if (!states)
    return error_set (err, ENOMEM, "no memory to listen to a console");
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < list[i]->n; j++)
      {
        const struct pattern *p = &list[i]->list[j];

        if (!p->console[0] || !l->console[0]
            || strcmp (p->console, l->console) == 0)
          states[k++] = inherit (l, p, list[i]);
      }
  for (size_t i = 0; i < l->n; i++)
    state_done (&l->states[i]);
  free (l->states);
  l->states = states;
  l->n = k;
  return 0;
}

int
lines_scratch_new (struct regex_scratch **ret, struct error *err)
{
  static const struct regex_limits limits = { .steps = STEPS_MAX,
                                              .depth = DEPTH_MAX,
                                              .heap_kib = HEAP_KIB,
                                              .cpu_ms = CPU_MS };

  return regex_scratch_new (LINES_GROUPS, &limits, ret, err);
}

void
listener_stats (const struct listener *l, struct listener_stats *ret)
{
  *ret = l->stats;
}

/* ---- what was heard ---- */

static void
keep (struct state *s, const struct line_hit *hit)
{
  if (!s->kept)
    s->kept = calloc (1, sizeof *s->kept);
  if (!s->kept)
    return;
  s->kept->hit = *hit;
  memcpy (s->kept->text, hit->text, hit->len);
  s->kept->hit.text = s->kept->text;
}

static void
tell (struct listener *l, struct state *s, struct line_hit *hit, uint64_t now)
{
  hit->more = s->more;
  s->more = s->looks = 0;
  s->told_any = true;
  s->told_ms = now;
  l->fn (hit, l->arg);
}

static bool
just_told (const struct state *s, uint64_t now)
{
  return s->told_any && now - s->told_ms < LINES_AGAIN_MS;
}

static void
take_hit (struct listener *l, struct state *s, struct line_hit *hit,
          uint64_t now)
{
  l->stats.hits++;
  s->last_line = hit->line;
  if (!just_told (s, now))
    {
      /* What waited is counted: this one is the later of both. */
      tell (l, s, hit, now);
      return;
    }
  s->more++;
  keep (s, hit);
}

static void
give_up (struct listener *l, struct state *s, uint64_t line, uint64_t now)
{
  struct line_hit hit = { .name = s->pattern->given_up, .text = "",
                          .line = line, .at_ms = now };

  l->stats.given_up++;
  s->given_up++;
  s->off = true;
  s->off_until = now + REST_MS;
  if (s->given_up > 1 && now - s->given_up_ms < GIVEN_UP_MS)
    return;
  s->given_up_ms = now;
  hit.given_up = s->given_up;
  l->fn (&hit, l->arg);
}

uint64_t
listener_due (struct listener *l, uint64_t now)
{
  uint64_t next = CLOCK_NEVER;

  for (size_t i = 0; i < l->n; i++)
    {
      struct state *s = &l->states[i];
      struct line_hit hit;

      if (s->more == 0 || !s->kept)
        continue;
      if (just_told (s, now))
        {
          if (s->told_ms + LINES_AGAIN_MS < next)
            next = s->told_ms + LINES_AGAIN_MS;
          continue;
        }
      hit = s->kept->hit;
      s->more--;
      tell (l, s, &hit, now);
    }
  return next;
}

/* ---- searching ---- */

static bool
read_value (const struct pattern *p, const struct regex_scratch *scratch,
            const char *text, int64_t *ret)
{
  size_t at, len;
  int64_t v = 0;

  if (!p->value || !regex_span (scratch, p->value, &at, &len) || len == 0
      || len > 18)
    return false;
  for (size_t i = 0; i < len; i++)
    {
      if (text[at + i] < '0' || text[at + i] > '9')
        return false;
      v = v * 10 + (text[at + i] - '0');
    }
  *ret = v;
  return true;
}

/* 1 heard, 0 not, < 0 given up. */
static int
search (const struct pattern *p, struct regex_scratch *scratch,
        const char *text, size_t len, struct line_hit *hit)
{
  int rc;

  if (p->literal_len && !memmem (text, len, p->literal, p->literal_len))
    return 0;
  if (!p->regex)
    return 1;
  rc = regex_find (p->regex, scratch, text, len);
  if (rc == 1)
    hit->has_value = read_value (p, scratch, text, &hit->value);
  if (rc == 1 && hit->has_value)
    hit->name = p->counted;
  return rc;
}

static bool
may_search (struct listener *l, struct state *s, uint64_t line, bool again,
            uint64_t now)
{
  /* Given open before, and heard then. */
  if (again && s->last_line == line)
    return false;
  if (s->off && now < s->off_until)
    {
      l->stats.skipped++;
      return false;
    }
  s->off = false;
  if (just_told (s, now) && s->more > 0 && ++s->looks > LOOKS_MAX)
    {
      s->more += s->more < UINT32_MAX;
      l->stats.skipped++;
      return false;
    }
  return true;
}

void
listener_line (struct listener *l, struct regex_scratch *scratch,
               const struct text_msg *msg, size_t from, uint64_t now)
{
  const struct text_line *line = msg->line;
  size_t prefix = (size_t) (msg->text - line->text);

  if (from >= line->len)
    return;
  for (size_t i = 0; i < l->n; i++)
    {
      struct state *s = &l->states[i];
      struct line_hit hit = { .name = s->pattern->name, .line = line->number,
                              .at_ms = now };
      size_t at = prefix > from ? prefix : from;
      int rc;

      if (!may_search (l, s, line->number, line->again, now))
        continue;
      l->stats.searched++;
      rc = search (s->pattern, scratch, line->text + from, line->len - from,
                   &hit);
      /* "^" is where the message begins, too. */
      if (rc == 0 && prefix > from && s->pattern->regex)
        rc = search (s->pattern, scratch, msg->text, msg->len, &hit);
      if (rc < 0)
        give_up (l, s, line->number, now);
      if (rc <= 0 || memmem (line->text, line->len, frame, sizeof frame - 1))
        continue;
      hit.text = line->text + at;
      hit.len = line->len - at < LINES_TEXT ? line->len - at : LINES_TEXT;
      take_hit (l, s, &hit, now);
    }
}

bool
lines_old (const struct stage *stage, const struct text_msg *msg)
{
  return msg->stamped ? msg->stamp_us + OLD_US < stage->live_us
                      : stage->replay;
}
