/* SPDX-License-Identifier: Apache-2.0
 *
 * All rules together: their order, and which of them a line matches.
 */
#include "kernel/text/rules_priv.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Given up after about a millisecond or two; a line that makes several rules
 * that expensive is none that a kernel printed.  Enough for an expression that
 * goes through a line of 8 KiB a few times, byte by byte. */
#define STEPS_MAX 100000
#define DEPTH_MAX 1000
#define HEAP_MAX_KIB 256
#define START_MAX 1024 /* a head does not begin behind so many bytes */
#define GIVE_UP 4      /* expressions given up on a line */

#define POOL_SLOTS 8

struct rules_pool
{
  /* Each is taken out and put back whole, so no lock is needed. */
  struct regex_scratch *_Atomic slots[POOL_SLOTS];
  atomic_uint refs;
};

const char *const rule_member_names[] = {
  [MEMBER_COMM] = "comm",       [MEMBER_PID] = "pid",
  [MEMBER_CPU] = "cpu",         [MEMBER_SECONDS] = "seconds",
  [MEMBER_SUBJECT] = "subject", [MEMBER_OTHER] = "other",
  [MEMBER_FUNC] = "func",       [MEMBER_RIP] = "rip",
  [MEMBER_MAX] = NULL,
};

/* ---- scratches ---- */

struct regex_scratch *
rules_take (const struct text_rules *r)
{
  static const struct regex_limits limits = {
    .steps = STEPS_MAX,
    .depth = DEPTH_MAX,
    .heap_kib = HEAP_MAX_KIB,
    .last_start = START_MAX,
  };
  struct regex_scratch *s;

  for (unsigned i = 0; i < POOL_SLOTS; i++)
    if ((s = atomic_exchange (&r->pool->slots[i], NULL)))
      return s;
  return regex_scratch_new (RULE_GROUPS_MAX, &limits, &s, NULL) < 0 ? NULL : s;
}

void
rules_give (const struct text_rules *r, struct regex_scratch *s)
{
  for (unsigned i = 0; i < POOL_SLOTS && s; i++)
    {
      struct regex_scratch *none = NULL;

      if (atomic_compare_exchange_strong (&r->pool->slots[i], &none, s))
        return;
    }
  regex_scratch_free (s);
}

/* ---- one line ---- */

/* Nobody is named on a console: then it may be that programme.  Who does not
 * say which process may be that one, too. */
static bool
said_by (const struct text_rule *rule, const struct text_msg *msg)
{
  char name[80];
  int n = (int) msg->ident_len;

  if (msg->from != FROM_USER || n == 0)
    return true;
  if (n > 64)
    return false;
  snprintf (name, sizeof name, "%.*s[%u]", n, msg->ident, msg->pid);
  for (unsigned i = 0; i < rule->n_by; i++)
    {
      const char *by = rule->by[i];
      size_t len = strlen (by);
      bool whole = len > 0 && by[len - 1] == ']' && msg->pid > 0;

      if (whole ? strcmp (by, name) == 0
                : strcspn (by, "[") == (size_t) n
                      && memcmp (by, name, (size_t) n) == 0)
        return true;
    }
  return false;
}

bool
rule_applies (const struct text_rule *rule, const struct text_msg *msg,
              const struct stage *stage)
{
  if (rule->n_by > 0 && !said_by (rule, msg))
    return false;
  switch (rule->where)
    {
    case WHERE_KERNEL:
      return stage_kernel_speaks (stage, msg);
    case WHERE_USER:
      return msg->from != FROM_KERNEL;
    case WHERE_BOOT:
      return stage->stage < STAGE_USERSPACE;
    case WHERE_ANY:
      break;
    }
  return true;
}

static size_t
subject_len (const struct text_msg *msg)
{
  return msg->len < TEXT_LINE_MAX ? msg->len : TEXT_LINE_MAX;
}

static struct rule_span
span_of (const struct regex_scratch *s, unsigned group, const char *text)
{
  size_t at, len;

  if (!regex_span (s, group, &at, &len))
    return (struct rule_span){ NULL, 0 };
  return (struct rule_span){ text + at, len };
}

int
rule_try (const struct text_rule *rule, struct regex_scratch *s,
          const struct text_msg *msg, struct rule_match *ret)
{
  int rc = regex_find (rule->match, s, msg->text, subject_len (msg));

  if (rc != 1)
    return rc;
  ret->rule = rule;
  ret->whole = span_of (s, 0, msg->text);
  /* Now: what forbids it writes to the same scratch.  All of them, also the
   * 0th: who copies a match looks at each. */
  for (unsigned g = 0; g <= RULE_GROUPS_MAX; g++)
    ret->group[g] = g <= rule->groups ? span_of (s, g, msg->text)
                                      : (struct rule_span){ NULL, 0 };
  for (unsigned i = 0; i < rule->n_nots && rc == 1; i++)
    {
      rc = regex_find (rule->nots[i], s, msg->text, subject_len (msg));
      if (rc >= 0)
        rc = !rc;
    }
  return rc;
}

/* The rules whose bit is set, in their order. */
static int
ask (const struct text_rules *r, const uint64_t *hit,
     struct regex_scratch *s, const struct text_msg *msg,
     const struct stage *stage, struct rule_match *ret)
{
  for (size_t w = 0; w < text_scan_words (r->scan); w++)
    for (uint64_t bits = hit[w]; bits; bits &= bits - 1)
      {
        struct text_rule *rule
            = r->order[w * 64 + (unsigned) __builtin_ctzll (bits)];
        int rc = 0;

        if (rule_applies (rule, msg, stage))
          rc = rule_try (rule, s, msg, ret);
        if (rc == 1)
          return 1;
        if (rc == 0)
          continue;
        atomic_fetch_add_explicit (&rule->given_up, 1, memory_order_relaxed);
        if (++ret->limits_hit >= GIVE_UP)
          return 0;
      }
  return 0;
}

int
text_rules_scan (const struct text_rules *r, const struct text_msg *msg,
                 const struct stage *stage, struct rule_match *ret)
{
  uint64_t hit[RULES_MAX / 64]; /* rules_load.c sees to it that it suffices */
  struct regex_scratch *s;
  int rc;

  ret->limits_hit = 0;
  if (!text_scan_find (r->scan, msg->text, subject_len (msg), hit))
    return 0;
  s = rules_take (r);
  if (!s)
    {
      ret->limits_hit = 1;
      return 0;
    }
  rc = ask (r, hit, s, msg, stage, ret);
  rules_give (r, s);
  return rc;
}

/* ---- all of them ---- */

/* A file that was added; our own are one together. */
static const struct rules_file *
batch_end (const struct rules_file *f)
{
  unsigned batch = f->batch;

  while (f && f->batch == batch)
    f = f->next;
  return f;
}

/* The place of one of ours is taken by an operator's of that name. */
static bool
is_replaced (const struct rules_file *files, const struct text_rule *rule)
{
  for (const struct rules_file *f = files; f && f->batch > 0; f = f->next)
    for (unsigned i = 0; i < f->n; i++)
      if (strcmp (f->rules[i].name, rule->name) == 0)
        {
          f->rules[i].replaces = true;
          return true;
        }
  return false;
}

static int
order_files (const struct rules_file *files, struct text_rule ***ret,
             unsigned *ret_n, struct error *err)
{
  const struct rules_file *f, *first, *end;
  struct text_rule **order;
  unsigned n = 0, k = 0;

  for (f = files; f; f = f->next)
    n += f->n;
  order = calloc (n + 1, sizeof *order);
  if (!order)
    return error_set (err, ENOMEM, "not enough memory");
  for (first = files; first; first = end)
    {
      end = batch_end (first);
      for (int harmless = 1; harmless >= 0; harmless--)
        for (f = first; f != end; f = f->next)
          for (unsigned i = 0; i < f->n; i++)
            if (f->rules[i].harmless == harmless
                && !(f->batch == 0 && is_replaced (files, f->rules + i)))
              order[k++] = f->rules + i;
    }
  *ret = order;
  *ret_n = k;
  return 0;
}

static int
scan_for (struct text_rule *const *order, unsigned n, struct text_scan **ret,
          struct error *err)
{
  CLEANUP_FREE struct scan_literal *literals = NULL;
  size_t all = 0, k = 0;

  for (unsigned i = 0; i < n; i++)
    all += order[i]->n_any;
  literals = calloc (all + 1, sizeof *literals);
  if (!literals)
    return error_set (err, ENOMEM, "not enough memory");
  for (unsigned i = 0; i < n; i++)
    for (unsigned j = 0; j < order[i]->n_any; j++)
      literals[k++] = (struct scan_literal){
        .text = order[i]->any[j],
        .len = strlen (order[i]->any[j]),
        .id = i,
      };
  return text_scan_new (literals, all, ret, err);
}

/* Makes r that of these files, or leaves it as it was.  The order and the scan
 * that it had are the caller's to free. */
static int
arrange (struct text_rules *r, struct rules_file *files, struct error *err)
{
  CLEANUP_FREE struct text_rule **order = NULL;
  struct text_scan *scan;
  unsigned n = 0;
  int rc = order_files (files, &order, &n, err);

  if (rc == 0)
    rc = scan_for (order, n, &scan, err);
  if (rc < 0)
    return rc;
  r->files = files;
  r->order = steal_ptr (&order);
  r->n = n;
  r->scan = scan;
  return 0;
}

static int
load_builtin (struct text_rules *r, struct error *err)
{
  struct rules_file **end = &r->files;

  for (const struct embedded_file *b = rules_builtin; b->name; b++)
    {
      int rc = rules_file_load (r, (const char *) b->text, b->len, b->name, 0,
                                end, NULL, err);

      if (rc < 0)
        return rc;
      end = &(*end)->next;
    }
  return arrange (r, r->files, err);
}

static int
make (bool builtin, struct text_rules **ret, struct error *err)
{
  struct text_rules *r = calloc (1, sizeof *r);
  int rc;

  if (r)
    r->pool = calloc (1, sizeof *r->pool);
  if (r && r->pool)
    atomic_init (&r->pool->refs, 1);
  if (!r || !r->pool)
    rc = error_set (err, ENOMEM, "not enough memory");
  else
    rc = builtin ? load_builtin (r, err) : arrange (r, NULL, err);
  if (rc < 0)
    {
      text_rules_free (r);
      return rc;
    }
  *ret = r;
  return 0;
}

int
text_rules_new (struct text_rules **ret, struct error *err)
{
  return make (true, ret, err);
}

int
text_rules_none (struct text_rules **ret, struct error *err)
{
  return make (false, ret, err);
}

static void
drop_arranged (const struct text_rules *r)
{
  free (r->order);
  text_scan_free (r->scan);
}

static int
add_file (struct text_rules *r, const char *json, size_t len,
          const char *origin, bool try, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  const struct text_rules was = *r;
  struct rules_file *f;
  int rc = rules_file_load (r, json, len, origin, r->batches + 1, &f, &doc,
                            err);

  if (rc < 0)
    return rc;
  f->next = r->files;
  rc = arrange (r, f, err);
  if (rc < 0)
    error_wrap (err, "%s", origin);
  else if (try && (rc = rules_file_try (r, f, doc, err)) < 0)
    {
      drop_arranged (r);
      *r = was;
    }
  if (rc < 0)
    {
      rules_file_free (f);
      return rc;
    }
  drop_arranged (&was);
  r->batches++;
  return 0;
}

int
text_rules_add (struct text_rules *r, const char *json, size_t len,
                const char *origin, struct error *err)
{
  return add_file (r, json, len, origin, false, err);
}

int
text_rules_take (struct text_rules *r, const char *json, size_t len,
                 const char *origin, struct error *err)
{
  return add_file (r, json, len, origin, true, err);
}

const struct text_rules *
text_rules_ref (const struct text_rules *r)
{
  if (r)
    atomic_fetch_add (&r->pool->refs, 1);
  return r;
}

static void
rules_destroy (struct text_rules *r)
{
  for (struct rules_file *f = r->files, *next; f; f = next)
    {
      next = f->next;
      rules_file_free (f);
    }
  for (unsigned i = 0; r->pool && i < POOL_SLOTS; i++)
    regex_scratch_free (r->pool->slots[i]);
  free (r->pool);
  drop_arranged (r);
  free (r);
}

void
text_rules_unref (const struct text_rules *r)
{
  /* A half-built one has no pool yet, and nobody else. */
  if (r && (!r->pool || atomic_fetch_sub (&r->pool->refs, 1) == 1))
    rules_destroy ((struct text_rules *) r);
}

void
text_rules_free (struct text_rules *r)
{
  text_rules_unref (r);
}

void
text_rules_each (const struct text_rules *r,
                 void (*fn) (const struct text_rule *rule, void *arg),
                 void *arg)
{
  for (unsigned i = 0; i < r->n; i++)
    fn (r->order[i], arg);
}

void
text_rule_info (const struct text_rule *rule, struct text_rule_info *ret)
{
  *ret = (struct text_rule_info){
    .name = rule->name,
    .kind = rule->kind,
    .type = rule->type,
    .class_ = rule->class_,
    .title = rule->title,
    .origin = rule->origin,
    .severity = rule->severity,
    .harmless = rule->harmless,
    .builtin = rule->builtin,
    .replaces = rule->replaces,
    .given_up = atomic_load_explicit (&rule->given_up, memory_order_relaxed),
  };
}
