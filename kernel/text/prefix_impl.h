/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files that strip prefixes share; nobody else's business.
 */
#ifndef HANGDOG_KERNEL_TEXT_PREFIX_IMPL_H
#define HANGDOG_KERNEL_TEXT_PREFIX_IMPL_H

#include "kernel/text/prefix.h"

#include <string.h>

#define PREFIX_WORD_MAX 64 /* a host's name */

struct prefix_text
{
  const char *p, *end;
  struct text_msg *msg;
  bool wall; /* what was before it is what syslogs begin with */
};

static inline char
peek (const struct prefix_text *c, size_t i)
{
  return i < (size_t) (c->end - c->p) ? c->p[i] : '\0';
}

static inline bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static inline bool
is_alpha (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
begins (const char *p, const char *end, const char *with)
{
  size_t n = strlen (with);

  return (size_t) (end - p) >= n && memcmp (p, with, n) == 0;
}

static inline void
skip_blank (struct prefix_text *c)
{
  if (peek (c, 0) == ' ')
    c->p++;
}

/* Digits, at most `most` of them; NULL if there is none, or more. */
static inline const char *
read_number (const char *p, const char *end, unsigned most, uint64_t *ret)
{
  const char *s = p;
  uint64_t v = 0;

  for (; s < end && is_digit (*s); s++)
    {
      if ((unsigned) (s - p) == most)
        return NULL;
      v = v * 10 + (uint64_t) (*s - '0');
    }
  if (s == p)
    return NULL;
  *ret = v;
  return s;
}

/* Ends a word; every message is asked where its first one does. */
static inline bool
ends_word (char c)
{
  return (unsigned char) (c - '!') > '~' - '!' || c == ':' || c == '['
         || c == ']';
}

/* "9" a digit, "_" a digit or blank, "A" a letter, "a" a small one, else
 * itself.  The end of it, or NULL. */
const char *prefix_shape (const char *p, const char *end, const char *shape);
/* "12.345678": seconds, and a fraction of any length. */
const char *prefix_seconds (const char *p, const char *end, uint64_t *ret_us,
                            unsigned *ret_digits);
/* Behind a date: fraction and zone. */
const char *prefix_zone (const char *p, const char *end);

/* Each takes one prefix, or says false and leaves all as it was. */
bool prefix_date (struct prefix_text *c);
/* Within brackets: minicom, ts, dmesg -T ("[Thu Jan  1 00:00:05 1970]"), and
 * the two of dmesg -H, "[Jan 1 00:00]" and "[  +0.000012]". */
bool prefix_bracketed_date (struct prefix_text *c);
/* dmesg -x: "kern  :info  : ". */
bool prefix_facility (struct prefix_text *c);
/* [host] [facility.level] ident[pid]: */
bool prefix_head (struct prefix_text *c);
/* "01-01 00:00:00.000     0     0 I kernel  : message" */
bool prefix_logcat (struct prefix_text *c);
/* /dev/kmsg, netconsole: "6,339,5140900,-,caller=T1;message". */
bool prefix_kmsg (struct prefix_text *c);
/* RFC 5424, behind its "<3>": "1 2026-01-01T00:00:00Z host kernel - - - ". */
bool prefix_5424 (struct prefix_text *c);

#endif
