/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine of redaction: lines, the names that text tells of, and secrets.
 */
#include "controller-proto/redact_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A secret that has begun and does not end: so many lines of it. */
#define INSIDE_MAX 256
#define SPANS_MAX 64

/* ---- making one ---- */

static int learn (struct redactor *r, enum redact_kind kind, const char *p,
                  size_t len);

int
redactor_rules (struct redactor *r, const char *text, size_t len,
                const char *origin, struct error *err)
{
  size_t had = r->rules.nnamed;
  int rc = redact_rules_add (&r->rules, text, len, origin, err);

  for (size_t i = had; rc == 0 && i < r->rules.nnamed; i++)
    if (learn (r, r->rules.named[i].as, r->rules.named[i].word,
               strlen (r->rules.named[i].word))
        < 0)
      return error_set (err, E2BIG, "more than %d words", WORDS_MAX);
  return rc;
}

int
redactor_new (const void *key, size_t len, struct redactor **ret,
              struct error *err)
{
  static const char about[] = "name of the key";
  const struct regex_limits limits = REGEX_LIMITS;
  CLEANUP_REDACTOR struct redactor *r = calloc (1, sizeof *r);
  unsigned char md[DIGEST_BYTES];
  int rc = 0;

  if (len < REDACT_KEY_MIN)
    return error_set (err, EINVAL, "a key has %d bytes or more",
                      REDACT_KEY_MIN);
  if (r)
    {
      r->cache = calloc (CACHE_SLOTS, sizeof *r->cache);
      r->faker.orders = calloc (REDACT_ORDERS, sizeof *r->faker.orders);
      r->faker.sums = calloc (REDACT_SUMS, sizeof *r->faker.sums);
    }
  if (!r || !r->cache || !r->faker.orders || !r->faker.sums)
    return error_set (err, ENOMEM, "no memory to redact");
  digest_key_init (&r->faker.key, key, len);
  digest_mac (&r->faker.key, about, sizeof about, md);
  for (unsigned i = 0; i < 8; i++)
    snprintf (r->key_name + 2 * i, 3, "%02x", md[i]);
  rc = regex_scratch_new (16, &limits, &r->scratch, err);
  for (const struct embedded_file *f = redact_rules_shipped;
       rc == 0 && f->name; f++)
    rc = redactor_rules (r, (const char *) f->text, f->len, f->name, err);
  if (rc == 0)
    *ret = steal_ptr (&r);
  return rc;
}

void
redactor_free (struct redactor *r)
{
  if (!r)
    return;
  redact_rules_done (&r->rules);
  regex_scratch_free (r->scratch);
  free (r->cache);
  free (r->faker.orders);
  free (r->faker.sums);
  explicit_bzero (&r->faker.key, sizeof r->faker.key);
  free (r);
}

const char *
redact_left_out (const struct redactor *r, const char *member)
{
  for (size_t i = 0; i < r->rules.nleave; i++)
    if (text_glob (r->rules.leave[i].member, member))
      return r->rules.leave[i].reason;
  return NULL;
}

/* ---- words ---- */

static uint32_t
word_hash (const char *p, size_t len)
{
  uint32_t h = 2166136261u;

  for (size_t i = 0; i < len; i++)
    h = (h ^ (unsigned char) tolower ((unsigned char) p[i])) * 16777619u;
  return h ^ h >> 15;
}

/* Its slot, or the free one where it would be. */
static uint32_t
word_slot (const struct redactor *r, const char *p, size_t len)
{
  uint32_t at = word_hash (p, len) & (WORD_SLOTS - 1);

  while (r->slots[at])
    {
      const char *is = r->words[r->slots[at] - 1].text;

      if (strncasecmp (is, p, len) == 0 && is[len] == '\0')
        break;
      at = (at + 1) & (WORD_SLOTS - 1);
    }
  return at;
}

unsigned
redact_word_find (const struct redactor *r, const char *p, size_t len)
{
  return len < 2 || len >= WORD_BYTES ? 0 : r->slots[word_slot (r, p, len)];
}

static int
learn (struct redactor *r, enum redact_kind kind, const char *p, size_t len)
{
  struct redact_word *w;
  uint32_t at;

  if (len < 2 || len >= WORD_BYTES)
    return 0;
  at = word_slot (r, p, len);
  if (r->slots[at])
    return 0;
  if (r->nwords == WORDS_MAX)
    {
      r->unlearnt++;
      return -E2BIG;
    }
  w = &r->words[r->nwords++];
  for (size_t i = 0; i < len; i++)
    w->text[i] = (char) tolower ((unsigned char) p[i]);
  w->text[len] = '\0';
  w->kind = kind;
  r->slots[at] = (uint16_t) r->nwords;
  return 0;
}

/* What text tells of may be nobody's name: "login: root", "for user 1000". */
static void
learn_from (struct redactor *r, enum redact_kind kind, const char *p,
            size_t len)
{
  bool letters = false;

  while (len > 0 && !isalnum ((unsigned char) p[len - 1]))
    len--;
  for (size_t i = 0; i < len; i++)
    letters |= isalpha ((unsigned char) p[i]) != 0;
  if (len < 3 || !letters || redact_listed (&r->rules.keep, p, len, true))
    return;
  (void) learn (r, kind, p, len);
  /* The host's own name, of one with dots. */
  const char *dot = memchr (p, '.', len);
  if (dot && dot - p >= 3
      && !redact_listed (&r->rules.keep, p, (size_t) (dot - p), true))
    (void) learn (r, kind, p, (size_t) (dot - p));
}

void
redactor_word (struct redactor *r, const char *as, const char *word)
{
  learn_from (r, strcmp (as, "user") == 0 ? KIND_USER : KIND_HOSTNAME, word,
              strlen (word));
}

/* ---- which rules a line wakes ---- */

/* Of the pass that it is, what begins there. */
static uint64_t
near_at (const struct redactor *r, unsigned k, const char *low, size_t len)
{
  uint64_t woken = 0;

  while (k)
    {
      const struct redact_near *near = &r->rules.nears[k - 1];

      if (near->len <= len && memcmp (near->text, low, near->len) == 0)
        woken |= 1ull << near->pattern;
      k = near->next;
    }
  return woken;
}

static uint64_t
wakes (struct redactor *r, const char *p, size_t len)
{
  const struct redact_begins *begins = &r->rules.begins[r->pass];
  const unsigned char *low = (const unsigned char *) r->low;
  uint64_t woken = 0;

  for (size_t i = 0; i < len; i++)
    r->low[i] = (char) (p[i] + (p[i] >= 'A' && p[i] <= 'Z' ? 'a' - 'A' : 0));
  for (size_t i = 0; i + 1 < len; i++)
    {
      unsigned at = redact_pair (low[i], low[i + 1]);

      if (begins->bits[at / 8] & 1u << at % 8)
        woken |= near_at (r, begins->first[at % REDACT_FIRSTS], r->low + i,
                          len - i);
    }
  return woken;
}

/* ---- secrets of a line ---- */

struct span
{
  size_t at, end;
};

struct spans
{
  struct span all[SPANS_MAX];
  unsigned n;
  bool lost; /* not all could be found: the whole line has to go */
};

static void
add_span (struct spans *s, size_t at, size_t end)
{
  if (s->n == SPANS_MAX)
    s->lost = true;
  else if (end > at)
    s->all[s->n++] = (struct span){ at, end };
}

static int
by_place (const void *a, const void *b)
{
  const struct span *x = a, *y = b;

  return (x->at > y->at) - (x->at < y->at);
}

static bool
is_mark (const char *p, size_t len)
{
  return len >= sizeof REDACT_MARK - 2
         && memcmp (p, REDACT_MARK, sizeof REDACT_MARK - 2) == 0;
}

/* One that goes on beyond the end of the line.  Where it ends in it. */
static size_t
secret_until (struct redactor *r, const struct redact_pattern *pat,
              const char *p, size_t len, size_t at, struct spans *spans)
{
  const char *end = memmem (p + at, len - at, pat->until, strlen (pat->until));

  if (end)
    len = (size_t) (end - p);
  else
    {
      r->inside = pat;
      r->inside_lines = 0;
    }
  add_span (spans, at, len);
  return len;
}

static void
find_with (struct redactor *r, unsigned i, const char *p, size_t len,
           struct spans *spans)
{
  const struct redact_pattern *pat = &r->rules.patterns[i];
  size_t from = 0, at, n;
  int rc;

  while (from < len
         && (rc = regex_find_from (pat->regex, r->scratch, p, len, from)) != 0)
    {
      if (rc < 0)
        {
          spans->lost = true;
          return;
        }
      if (!regex_span (r->scratch, pat->group, &at, &n)
          || (n == 0 && !pat->until[0]))
        {
          if (!regex_span (r->scratch, 0, &at, &n))
            return;
          from = at + (n ? n : 1);
          continue;
        }
      from = at + n;
      if (is_mark (p + at, n))
        continue;
      r->secret_counts[i]++;
      if (pat->until[0])
        from = secret_until (r, pat, p, len, at, spans);
      else
        add_span (spans, at, at + n);
    }
}

static void
learn_with (struct redactor *r, unsigned i, const char *p, size_t len)
{
  const struct redact_pattern *pat = &r->rules.patterns[i];
  size_t from = 0, at, n;

  while (from < len
         && regex_find_from (pat->regex, r->scratch, p, len, from) == 1
         && regex_span (r->scratch, pat->group, &at, &n))
    {
      learn_from (r, pat->as, p + at, n);
      from = at + (n ? n : 1);
    }
}

static void
mark (struct redactor *r, struct buf *out)
{
  buf_puts (out, REDACT_MARK);
  r->hits++;
  r->counts[KIND_SECRET]++;
}

/* Between the secrets: the rest. */
static void
write_around (struct redactor *r, const char *p, size_t len,
              struct spans *spans, struct buf *out)
{
  size_t from = 0;

  if (spans->n > 1)
    qsort (spans->all, spans->n, sizeof spans->all[0], by_place);
  for (unsigned i = 0; i < spans->n; i++)
    {
      if (spans->all[i].end <= from)
        continue;
      if (spans->all[i].at >= from)
        {
          redact_scan (r, p + from, spans->all[i].at - from, out);
          mark (r, out);
        }
      from = spans->all[i].end;
    }
  if (from < len)
    redact_scan (r, p + from, len - from, out);
}

/* Still within a secret: true when the line is written. */
static bool
go_on_inside (struct redactor *r, const char **p, size_t *len,
              struct buf *out)
{
  const char *until = r->inside->until;
  const char *end = memmem (*p, *len, until, strlen (until));

  if (!end && ++r->inside_lines < INSIDE_MAX)
    {
      mark (r, out);
      return true;
    }
  r->inside = NULL;
  if (end)
    {
      if (end > *p)
        mark (r, out);
      *len -= (size_t) (end - *p);
      *p = end;
    }
  return false;
}

static void
take_line (struct redactor *r, const char *p, size_t len, struct buf *out)
{
  struct spans spans = { .n = 0 };
  uint64_t woken;

  if (r->pass == REDACT_REPLACE && r->inside
      && go_on_inside (r, &p, &len, out))
    return;
  woken = wakes (r, p, len);
  for (unsigned i = 0; woken; i++, woken >>= 1)
    if ((woken & 1) && r->pass == REDACT_LEARN)
      learn_with (r, i, p, len);
    else if (woken & 1)
      find_with (r, i, p, len, &spans);
  if (r->pass == REDACT_LEARN)
    return;
  if (spans.lost)
    {
      r->lines_given_up++;
      mark (r, out);
      return;
    }
  write_around (r, p, len, &spans, out);
}

/* ---- pieces into lines ---- */

void
redact_begin (struct redactor *r, enum redact_pass pass)
{
  r->pass = pass;
  r->len = 0;
  r->binary = false;
  r->inside = NULL;
  r->hits = 0;
}

/* A line that is longer than we hold: up to where no word is cut. */
static void
take_part (struct redactor *r, struct buf *out)
{
  size_t n = r->len;

  while (n > REDACT_LINE / 2
         && !strchr (" \t,;\"'{}[]()<>|", r->line[n - 1]))
    n--;
  /* There is none: at least no address is cut. */
  if (n == REDACT_LINE / 2)
    for (n = r->len; n > r->len - 64
                     && (isxdigit ((unsigned char) r->line[n - 1])
                         || strchr (":.-", r->line[n - 1]));)
      n--;
  take_line (r, r->line, n, out);
  memmove (r->line, r->line + n, r->len - n);
  r->len -= n;
}

void
redact_feed (struct redactor *r, const void *data, size_t len,
             struct buf *out)
{
  const char *p = data;

  if (memchr (p, '\0', len))
    r->binary = true;
  while (len > 0 && !r->binary)
    {
      const char *nl = memchr (p, '\n', len);
      size_t n = nl ? (size_t) (nl - p) : len;
      size_t room = REDACT_LINE - r->len;

      n = n < room ? n : room;
      memcpy (r->line + r->len, p, n);
      r->len += n;
      p += n;
      len -= n;
      if (len > 0 && *p == '\n')
        {
          take_line (r, r->line, r->len, out);
          if (out && r->pass == REDACT_REPLACE)
            buf_putc (out, '\n');
          r->len = 0;
          p++;
          len--;
        }
      else if (r->len == REDACT_LINE)
        take_part (r, out);
    }
}

bool
redact_end (struct redactor *r, struct buf *out)
{
  if (!r->binary && r->len > 0)
    take_line (r, r->line, r->len, out);
  r->len = 0;
  return !r->binary;
}

uint64_t
redact_unlearnt (const struct redactor *r)
{
  return r->unlearnt;
}

uint64_t
redact_hits (const struct redactor *r)
{
  return r->hits;
}

struct json_object *
redact_to_json (const struct redactor *r)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *counts = json_object_new_object ();
  char name[64];

  json_add_str (o, "mode", "pseudonyms");
  json_add_str (o, "ruleset", r->rules.name);
  json_add_int (o, "version", r->rules.version);
  json_add_str (o, "key", r->key_name);
  for (unsigned k = 0; k < KIND_MAX; k++)
    if (r->counts[k])
      json_add_int (counts, redact_kinds[k], (int64_t) r->counts[k]);
  for (unsigned i = 0; i < r->rules.npatterns; i++)
    if (!r->rules.learns[i] && r->secret_counts[i])
      {
        snprintf (name, sizeof name, "secret.%s", r->rules.patterns[i].name);
        json_add_int (counts, name, (int64_t) r->secret_counts[i]);
      }
  if (r->lines_given_up)
    json_add_int (counts, "lines_given_up", (int64_t) r->lines_given_up);
  if (r->unlearnt)
    json_add_int (counts, "names_not_learnt", (int64_t) r->unlearnt);
  json_object_object_add (o, "counts", counts);
  return o;
}
