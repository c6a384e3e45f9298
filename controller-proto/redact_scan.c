/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding what names somebody, in one pass over a line.
 *
 * At each place where something may begin, what could stand there is tried:
 * a MAC, an IPv6 address, an IPv4 address, else a word.  What was tried and
 * is nothing is passed as a whole, or up to its first colon, so that each byte
 * is looked at a few times at most.
 */
#include "controller-proto/redact_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define IS(fn, c) (fn ((unsigned char) (c)) != 0)

struct scan
{
  struct redactor *r;
  const char *p;
  size_t len, from; /* up to `from` it is in out */
  struct buf *out;
};

/* What stands there is to be this; counted. */
static void
replace (struct scan *s, size_t at, size_t n, const char *with,
         enum redact_kind kind)
{
  buf_append (s->out, s->p + s->from, at - s->from);
  buf_puts (s->out, with);
  s->from = at + n;
  s->r->hits++;
  s->r->counts[kind]++;
}

static char
char_at (const struct scan *s, size_t at)
{
  return at < s->len ? s->p[at] : '\0';
}

static bool
is_word (char c)
{
  return IS (isalnum, c) || c == '_';
}

/* ---- addresses that were seen before ---- */

static struct redact_cached *
cached (struct redactor *r, enum redact_kind kind, char form,
        const unsigned char *value, unsigned char len, bool *ret_new)
{
  uint32_t h = 2166136261u ^ kind ^ (unsigned char) form;
  struct redact_cached *c;

  for (unsigned i = 0; i < len; i++)
    h = (h ^ value[i]) * 16777619u;
  c = &r->cache[(h ^ h >> 15) & (CACHE_SLOTS - 1)];
  *ret_new = c->len != len || c->kind != (unsigned char) kind
             || c->form != (unsigned char) form
             || memcmp (c->value, value, len) != 0;
  if (*ret_new)
    {
      memcpy (c->value, value, len);
      c->len = len;
      c->kind = (unsigned char) kind;
      c->form = (unsigned char) form;
    }
  return c;
}

/* form: of a MAC, its separator, with the high bit for capitals. */
static const char *
fake_of (struct redactor *r, enum redact_kind kind, char form,
         const unsigned char *value, unsigned char len)
{
  char text[FAKE_MAX] = "";
  bool new;
  struct redact_cached *c = cached (r, kind, form, value, len, &new);

  if (new)
    {
      if (kind == KIND_IPV4)
        c->fake = redact_fake_ipv4 (&r->faker, value, text);
      else if (kind == KIND_IPV6)
        c->fake = redact_fake_ipv6 (&r->faker, value, text);
      else
        c->fake = redact_fake_mac (&r->faker, value, form & 0x7f, form & 0x80,
                                   text);
      snprintf (c->text, sizeof c->text, "%.47s", text);
    }
  return c->fake ? c->text : NULL;
}

/* ---- MAC ---- */

static unsigned
hex_value (char c)
{
  return IS (isdigit, c) ? (unsigned) (c - '0')
                         : (unsigned) (tolower ((unsigned char) c) - 'a' + 10);
}

/* How many pairs of digits there are, with the same thing between them. */
static unsigned
pairs_at (const struct scan *s, size_t at, char *ret_sep)
{
  unsigned n = 0;
  char sep = char_at (s, at + 2);

  if (sep != ':' && sep != '-')
    return 0;
  *ret_sep = sep;
  while (IS (isxdigit, char_at (s, at)) && IS (isxdigit, char_at (s, at + 1)))
    {
      n++;
      if (char_at (s, at + 2) != sep)
        break;
      at += 3;
    }
  return n;
}

static bool
try_mac (struct scan *s, size_t at, size_t *ret_n)
{
  char sep = 0;
  unsigned n = pairs_at (s, at, &sep), first;
  unsigned char mac[6];
  bool upper = false;
  const char *fake;

  if (n < 6)
    return false;
  *ret_n = 3 * n - 1;
  /* As many as a fingerprint or a dump of bytes has.  With 01 before it, it
   * is as a DHCP client tells who it is. */
  if (n > 7 || is_word (char_at (s, at + *ret_n))
      || (n == 7 && (s->p[at] != '0' || s->p[at + 1] != '1')))
    return true;
  first = n - 6;
  for (unsigned i = 0; i < 6; i++)
    {
      const char *d = s->p + at + 3 * (first + i);

      mac[i] = (unsigned char) (hex_value (d[0]) << 4 | hex_value (d[1]));
      upper |= IS (isupper, d[0]) || IS (isupper, d[1]);
    }
  fake = fake_of (s->r, KIND_MAC, (char) (sep | (upper ? 0x80 : 0)), mac, 6);
  if (fake)
    replace (s, at + 3 * first, 17, fake, KIND_MAC);
  return true;
}

/* ---- IPv4 ---- */

/* Of p, which has len bytes: how long it is; 0 = it is none. */
static size_t
parse_ipv4 (const char *p, size_t len, unsigned char ret[4])
{
  size_t at = 0;

  for (unsigned i = 0; i < 4; i++)
    {
      unsigned v = 0, digits = 0;

      if (i > 0 && (at >= len || p[at++] != '.'))
        return 0;
      while (at < len && IS (isdigit, p[at]) && digits < 3)
        v = v * 10 + (unsigned) (p[at++] - '0'), digits++;
      if (digits == 0 || v > 255 || (digits > 1 && p[at - digits] == '0'))
        return 0;
      ret[i] = (unsigned char) v;
    }
  return at;
}

/* "version 6.1.0.13": the word before it, over what may stand between. */
static bool
behind_version (const struct scan *s, size_t at)
{
  size_t end, begin;

  for (end = at; end > 0 && at - end < 6; end--)
    if (!strchr (" :=\"'(\\-_/v", s->p[end - 1]) || s->p[end - 1] == '\0')
      break;
  if (end < at && s->p[at - 1] == 'v')
    return true;
  for (begin = end; begin > 0 && IS (isalpha, s->p[begin - 1])
                    && end - begin < 16;)
    begin--;
  return end > begin
         && redact_listed (&s->r->rules.versions, s->p + begin, end - begin,
                           false);
}

static bool
is_version (const struct scan *s, size_t at, size_t n,
            const unsigned char ip[4])
{
  char next = char_at (s, at + n);

  if ((next == '-' || next == '+' || next == '~') && ip[0] <= 9
      && IS (isalpha, char_at (s, at + n + 1)))
    return true;
  return behind_version (s, at);
}

static bool
try_ipv4 (struct scan *s, size_t at, size_t *ret_n)
{
  unsigned char ip[4];
  size_t n = parse_ipv4 (s->p + at, s->len - at, ip);
  char next = char_at (s, at + n);
  const char *fake;

  if (n == 0 || IS (isalnum, next)
      || (next == '.' && IS (isdigit, char_at (s, at + n + 1))))
    {
      /* All numbers with dots: "2.3.4.5" of "1.2.3.4.5" is none either. */
      for (n = 0; IS (isdigit, char_at (s, at + n))
                  || (n > 0 && char_at (s, at + n) == '.');)
        n++;
      *ret_n = n;
      return n > 0 && memchr (s->p + at, '.', n)
             && !IS (isalpha, char_at (s, at + n));
    }
  *ret_n = n;
  if (is_version (s, at, n, ip))
    return true;
  fake = fake_of (s->r, KIND_IPV4, 0, ip, 4);
  if (fake)
    replace (s, at, n, fake, KIND_IPV4);
  return true;
}

/* ---- IPv6 ---- */

static bool
parse_ipv6 (const char *p, size_t len, unsigned char ret[16])
{
  unsigned char b[16] = { 0 };
  size_t at = 0, n = 0, gap = 17;

  if (len >= 2 && p[0] == ':' && p[1] == ':')
    gap = 0, at = 2;
  while (at < len)
    {
      unsigned v = 0, digits = 0;

      if (n <= 12 && memchr (p + at, '.', len - at)
          && !memchr (p + at, ':', len - at))
        {
          if (parse_ipv4 (p + at, len - at, b + n) != len - at)
            return false;
          n += 4;
          break;
        }
      while (at < len && IS (isxdigit, p[at]) && digits < 5)
        v = v << 4 | hex_value (p[at++]), digits++;
      if (digits == 0 || digits > 4 || n > 14)
        return false;
      b[n++] = (unsigned char) (v >> 8);
      b[n++] = (unsigned char) v;
      if (at == len)
        break;
      if (p[at++] != ':' || at == len)
        return false;
      if (p[at] == ':')
        {
          if (gap <= 16)
            return false;
          gap = n;
          at++;
        }
    }
  if (gap > 16 ? n != 16 : n > 14)
    return false;
  memset (ret, 0, 16);
  if (gap > 16)
    gap = n;
  memcpy (ret, b, gap);
  memcpy (ret + 16 - (n - gap), b + gap, n - gap);
  return true;
}

static bool
try_ipv6 (struct scan *s, size_t at, size_t *ret_n)
{
  unsigned char ip[16];
  unsigned colons = 0;
  size_t n = 0;
  const char *fake;
  char c;

  while (n < 48 && (c = char_at (s, at + n)) != '\0'
         && (IS (isxdigit, c) || c == ':' || c == '.'))
    {
      colons += c == ':';
      n++;
    }
  if (colons < 2 || n >= 48 || is_word (char_at (s, at + n)))
    return false;
  while (n > 0 && (s->p[at + n - 1] == '.'
                   || (s->p[at + n - 1] == ':' && n > 1
                       && s->p[at + n - 2] != ':')))
    n--;
  if (!parse_ipv6 (s->p + at, n, ip))
    return false;
  fake = fake_of (s->r, KIND_IPV6, 0, ip, 16);
  if (!fake)
    return false;
  replace (s, at, n, fake, KIND_IPV6);
  *ret_n = n;
  return true;
}

/* ---- words ---- */

static bool
is_uuid (const char *p, size_t n)
{
  if (n != 36)
    return false;
  for (unsigned i = 0; i < 36; i++)
    if (i == 8 || i == 13 || i == 18 || i == 23 ? p[i] != '-'
                                                : !IS (isxdigit, p[i]))
      return false;
  return true;
}

static void
replace_uuid (struct scan *s, size_t at)
{
  unsigned char md[DIGEST_BYTES];
  char low[37], text[FAKE_MAX];

  for (unsigned i = 0; i < 36; i++)
    low[i] = (char) tolower ((unsigned char) s->p[at + i]);
  digest_mac (&s->r->faker.key, low, 36, md);
  snprintf (text, sizeof text,
            "%02x%02x%02x%02x-%02x%02x-4%01x%02x-8%01x%02x-"
            "%02x%02x%02x%02x%02x%02x",
            md[0], md[1], md[2], md[3], md[4], md[5], md[6] & 15, md[7],
            md[8] & 15, md[9], md[10], md[11], md[12], md[13], md[14], md[15]);
  replace (s, at, 36, text, KIND_UUID);
}

/* The last part behind a dot, or NULL. */
static const char *
last_part (const char *p, size_t n, size_t *ret_n)
{
  const char *dot = memrchr (p, '.', n);

  if (!dot)
    return NULL;
  *ret_n = (size_t) (p + n - dot - 1);
  return dot + 1;
}

static bool
try_email (struct scan *s, size_t at, size_t n, size_t *ret_n)
{
  const struct redact_rules *rules = &s->r->rules;
  size_t host = at + n + 1, len = 0, end_n = 0;
  char user[FAKE_MAX], name[FAKE_MAX], all[2 * FAKE_MAX];
  const char *end;

  if (char_at (s, at + n) != '@' || !rules->kinds[KIND_EMAIL])
    return false;
  while (IS (isalnum, char_at (s, host + len))
         || char_at (s, host + len) == '-' || char_at (s, host + len) == '.')
    len++;
  while (len > 0 && !IS (isalnum, s->p[host + len - 1]))
    len--;
  end = last_part (s->p + host, len, &end_n);
  if (!end || end_n < 2 || n > 64 || len > 100)
    return false;
  for (size_t i = 0; i < end_n; i++)
    if (!IS (isalpha, end[i]))
      return false;
  if (redact_listed (&rules->no_domains, end, end_n, false)
      || redact_listed (&rules->keep, s->p + host, len, true))
    return false;
  redact_fake_word (&s->r->faker, KIND_USER, s->p + at, n, user);
  redact_fake_host (&s->r->faker, s->p + host, len, name);
  snprintf (all, sizeof all, "%s@%s", user, name);
  *ret_n = n + 1 + len;
  replace (s, at, *ret_n, all, KIND_EMAIL);
  return true;
}

static bool
try_host (struct scan *s, size_t at, size_t n)
{
  const struct redact_rules *rules = &s->r->rules;
  const char *end;
  size_t end_n = 0;
  char text[FAKE_MAX];

  end = last_part (s->p + at, n, &end_n);
  if (!end || !rules->kinds[KIND_HOSTNAME] || n > 100
      || !redact_listed (&rules->domains, end, end_n, false)
      || redact_listed (&rules->keep, s->p + at, n, true))
    return false;
  for (size_t i = 0; i < n; i++)
    if (s->p[at + i] == '_' || s->p[at + i] == '+'
        || (s->p[at + i] == '.' && (i == 0 || s->p[at + i - 1] == '.')))
      return false;
  redact_fake_host (&s->r->faker, s->p + at, n, text);
  replace (s, at, n, text, KIND_HOSTNAME);
  return true;
}

/* A learned word that begins there, with as many of the parts behind it as it
 * has. */
static size_t
try_learned (struct scan *s, size_t at, size_t end)
{
  char text[FAKE_MAX];
  size_t best = 0;
  unsigned hit = 0, parts = 0;

  if (s->r->nwords == 0)
    return 0;
  for (size_t i = at; i < end && parts < 6 && i - at < WORD_BYTES; parts++)
    {
      unsigned w;

      while (i < end && IS (isalnum, s->p[i]))
        i++;
      w = redact_word_find (s->r, s->p + at, i - at);
      if (w)
        hit = w, best = i - at;
      while (i < end && !IS (isalnum, s->p[i]))
        i++;
    }
  if (!hit || !s->r->rules.kinds[s->r->words[hit - 1].kind])
    return 0;
  redact_fake_word (&s->r->faker, s->r->words[hit - 1].kind, s->p + at, best,
                    text);
  replace (s, at, best, text, s->r->words[hit - 1].kind);
  return best;
}

static void
parts_of_word (struct scan *s, size_t at, size_t end)
{
  size_t n;

  while (at < end)
    {
      char before = at > s->from ? s->p[at - 1] : '\0';

      if (!IS (isalnum, s->p[at]))
        {
          at++;
          continue;
        }
      if (IS (isdigit, s->p[at]) && (before == '_' || before == '-')
          && s->r->rules.kinds[KIND_IPV4] && try_ipv4 (s, at, &n))
        {
          at += n;
          continue;
        }
      n = try_learned (s, at, end);
      if (n == 0)
        while (at + n < end && IS (isalnum, s->p[at + n]))
          n++;
      at += n;
    }
}

/* How much is passed. */
static size_t
word (struct scan *s, size_t at)
{
  size_t n = 0, all;

  while (is_word (char_at (s, at + n)) || char_at (s, at + n) == '.'
         || char_at (s, at + n) == '-' || char_at (s, at + n) == '+')
    n++;
  all = n;
  while (n > 1 && !is_word (s->p[at + n - 1]))
    n--;
  if (try_email (s, at, n, &all))
    return all;
  if (s->r->rules.kinds[KIND_UUID] && is_uuid (s->p + at, n))
    replace_uuid (s, at);
  else if (!try_host (s, at, n))
    parts_of_word (s, at, at + n);
  return all;
}

/* ---- a line ---- */

/* What JSON and our own escapes put before a letter that is none: `\n10.0.0.1`
 * begins with a digit. */
static size_t
escape_len (const struct scan *s, size_t at)
{
  size_t n = 0;
  char c;

  /* JSON within JSON has more of them. */
  while (char_at (s, at + n) == '\\')
    n++;
  c = char_at (s, at + n);
  if (c == 'x' && IS (isxdigit, char_at (s, at + n + 1))
      && IS (isxdigit, char_at (s, at + n + 2)))
    return n + 3;
  if (c == 'u' && IS (isxdigit, char_at (s, at + n + 1))
      && at + n + 5 <= s->len)
    return n + 5;
  if (c == '\0' || !strchr ("nrtbfe", c)
      || (n % 2 == 0 && IS (isalpha, char_at (s, at + n + 1))))
    return n;
  return n + 1;
}

/* Behind ESC, or how it is written: colours end with a letter, and what comes
 * next is no part of that. */
static size_t
colour_len (const struct scan *s, size_t at)
{
  size_t n = 1;

  if (char_at (s, at) != '[')
    return 0;
  while (IS (isdigit, char_at (s, at + n)) || char_at (s, at + n) == ';'
         || char_at (s, at + n) == '?')
    n++;
  return IS (isalpha, char_at (s, at + n)) ? n + 1 : 0;
}

static size_t
step (struct scan *s, size_t at)
{
  const bool *kinds = s->r->rules.kinds;
  char c = s->p[at], before = at > 0 ? s->p[at - 1] : '\0';
  size_t n;

  if (c == '\\')
    {
      n = escape_len (s, at);
      return s->p[at + n - 1] == 'e' ? n + colour_len (s, at + n) : n;
    }
  if (c == '\033')
    return 1 + colour_len (s, at + 1);
  if (c == ':' && char_at (s, at + 1) == ':' && kinds[KIND_IPV6]
      && !IS (isalnum, before) && before != ':' && try_ipv6 (s, at, &n))
    return n;
  if (!is_word (c))
    return 1;
  if (IS (isxdigit, c))
    {
      if (kinds[KIND_MAC] && try_mac (s, at, &n))
        return n;
      if (kinds[KIND_IPV6] && try_ipv6 (s, at, &n))
        return n;
      if (IS (isdigit, c) && kinds[KIND_IPV4] && try_ipv4 (s, at, &n))
        return n;
    }
  return word (s, at);
}

void
redact_scan (struct redactor *r, const char *p, size_t len, struct buf *out)
{
  struct scan s = { .r = r, .p = p, .len = len, .out = out };
  size_t at = 0;

  while (at < len)
    {
      size_t n = step (&s, at);

      at += n > 0 ? n : 1;
    }
  buf_append (out, p + s.from, len - s.from);
}
