/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions over guest bytes: PCRE2 without JIT, with limits.
 *
 * The subject is hostile and the pattern may come from a controller: no JIT
 * (it maps writable code), limits on steps, depth and heap, and bytes instead
 * of UTF-8, so that nothing a guest prints can be an invalid subject.
 *
 * An expression is compiled once and never changed; what a match needs to
 * write to is a scratch.  regex_match() uses one of the expression's own, so
 * it is for one thread; regex_find() is given one, and any number of threads
 * may use the same expression, each with a scratch.
 */
#ifndef HANGDOG_BASE_REGEX_H
#define HANGDOG_BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct regex;
struct regex_scratch;

#define REGEX_MAX_PATTERN 2048

/* err names the offset. */
int regex_new (const char *pattern, struct regex **ret, struct error *err);
void regex_free (struct regex *re);
static inline void
regex_freep (struct regex **re)
{
  regex_free (*re);
}
#define CLEANUP_REGEX __attribute__ ((cleanup (regex_freep)))

bool regex_matches_nothing (const struct regex *re);
bool regex_has_group (const struct regex *re, const char *name);
/* Number of a named group, 0 = there is none of that name. */
unsigned regex_group_number (const struct regex *re, const char *name);
/* How many groups it has, named or not. */
unsigned regex_groups (const struct regex *re);
/* Bytes of memory it takes. */
size_t regex_size (const struct regex *re);

/* 1 matches, 0 does not, -E2BIG a limit was hit. */
int regex_match (struct regex *re, const char *text, size_t len,
                 struct error *err);
/* After a match; false when the group took no part in it. */
bool regex_group (const struct regex *re, const char *name,
                  const char *text, const char **ret_start, size_t *ret_len);

/* ---- with a scratch of the caller's ---- */

struct regex_limits
{
  uint32_t steps;    /* from one place of the subject */
  uint32_t depth;
  uint32_t heap_kib;
  size_t last_start; /* a match begins there at the latest; 0 = anywhere */
  uint32_t cpu_ms;   /* of this thread's time, for all places of a subject
                      * beyond the first 1024; 0 = a second */
};
#define REGEX_LIMITS                                                          \
  { .steps = 200000, .depth = 2000, .heap_kib = 1024, .last_start = 0 }

/* For expressions of so many groups; of those that have more, the rest of the
 * groups are not seen. */
int regex_scratch_new (unsigned groups, const struct regex_limits *limits,
                       struct regex_scratch **ret, struct error *err);
void regex_scratch_free (struct regex_scratch *s);
/* 1 matches, 0 does not, -E2BIG a limit was hit, -EINVAL otherwise; cheap in
 * failing. */
int regex_find (const struct regex *re, struct regex_scratch *s,
                const char *text, size_t len);
/* A match that begins at `from` or behind it; what is before it is only looked
 * back at.  Spans are of the whole text. */
int regex_find_from (const struct regex *re, struct regex_scratch *s,
                     const char *text, size_t len, size_t from);
/* After a match: where group `number` (0 = all of it) is in the text; false
 * when it took no part. */
bool regex_span (const struct regex_scratch *s, unsigned number,
                 size_t *ret_at, size_t *ret_len);

#endif
