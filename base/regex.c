/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions over guest bytes: what PCRE2 is allowed to do.
 */
#include "base/regex.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define LIMIT_NESTING 50
/* Places of a subject that are tried between two looks at the clock. */
#define SLICE 1024
#define SLICE_MAX (16 * SLICE)
#define CPU_MS 1000

struct regex
{
  pcre2_code *code;
  struct regex_scratch *own; /* made by the first regex_match() */
  bool whole; /* it asks where the search began: not to be cut into slices */
};

struct regex_scratch
{
  pcre2_match_data *match;
  pcre2_match_context *limits;
  uint32_t steps, cpu_ms;
  size_t last_start;
};

static pcre2_code *
compile (const char *pattern, struct error *err)
{
  pcre2_compile_context *ctx = pcre2_compile_context_create (NULL);
  pcre2_code *code;
  PCRE2_SIZE offset = 0;
  int rc = 0;

  if (!ctx)
    {
      error_set (err, ENOMEM, "no memory");
      return NULL;
    }
  /* The compiler recurses: this bounds our stack, not the pattern's taste. */
  pcre2_set_parens_nest_limit (ctx, LIMIT_NESTING);
  code = pcre2_compile ((PCRE2_SPTR) pattern, PCRE2_ZERO_TERMINATED,
                        PCRE2_MULTILINE | PCRE2_NEVER_UTF
                            | PCRE2_NEVER_BACKSLASH_C
                            | PCRE2_USE_OFFSET_LIMIT,
                        &rc, &offset, ctx);
  if (!code)
    {
      PCRE2_UCHAR why[120] = "";

      pcre2_get_error_message (rc, why, sizeof why);
      error_set (err, EINVAL, "not a regular expression: %s at offset %zu",
                 (const char *) why, (size_t) offset);
    }
  pcre2_compile_context_free (ctx);
  return code;
}

int
regex_new (const char *pattern, struct regex **ret, struct error *err)
{
  CLEANUP_REGEX struct regex *re = calloc (1, sizeof *re);

  if (!re)
    return error_set (err, ENOMEM, "no memory");
  if (strlen (pattern) > REGEX_MAX_PATTERN)
    return error_set (err, EINVAL,
                      "the regular expression is longer than %d bytes",
                      REGEX_MAX_PATTERN);
  /* Its own start-of-pattern settings could lift our limits or ask for UTF:
   * PCRE2 only lets them lower the former, and NEVER_UTF refuses the latter. */
  re->code = compile (pattern, err);
  if (!re->code)
    return -EINVAL;
  re->whole = strstr (pattern, "\\G") != NULL;
  *ret = steal_ptr (&re);
  return 0;
}

void
regex_free (struct regex *re)
{
  if (!re)
    return;
  regex_scratch_free (re->own);
  pcre2_code_free (re->code);
  free (re);
}

bool
regex_matches_nothing (const struct regex *re)
{
  uint32_t empty = 0;

  pcre2_pattern_info (re->code, PCRE2_INFO_MATCHEMPTY, &empty);
  return empty != 0;
}

unsigned
regex_group_number (const struct regex *re, const char *name)
{
  int number
      = pcre2_substring_number_from_name (re->code, (PCRE2_SPTR) name);

  return number > 0 ? (unsigned) number : 0;
}

bool
regex_has_group (const struct regex *re, const char *name)
{
  return regex_group_number (re, name) > 0;
}

unsigned
regex_groups (const struct regex *re)
{
  uint32_t n = 0;

  pcre2_pattern_info (re->code, PCRE2_INFO_CAPTURECOUNT, &n);
  return n;
}

size_t
regex_size (const struct regex *re)
{
  size_t n = 0;

  pcre2_pattern_info (re->code, PCRE2_INFO_SIZE, &n);
  return n + sizeof *re;
}

/* ---- matching ---- */

int
regex_scratch_new (unsigned groups, const struct regex_limits *limits,
                   struct regex_scratch **ret, struct error *err)
{
  struct regex_scratch *s = calloc (1, sizeof *s);

  if (!s)
    return error_set (err, ENOMEM, "no memory");
  s->match = pcre2_match_data_create (groups + 1, NULL);
  s->limits = pcre2_match_context_create (NULL);
  if (!s->match || !s->limits)
    {
      regex_scratch_free (s);
      return error_set (err, ENOMEM, "no memory");
    }
  s->steps = limits->steps;
  s->cpu_ms = limits->cpu_ms ? limits->cpu_ms : CPU_MS;
  s->last_start = limits->last_start ? limits->last_start : PCRE2_UNSET;
  pcre2_set_depth_limit (s->limits, limits->depth);
  pcre2_set_heap_limit (s->limits, limits->heap_kib);
  *ret = s;
  return 0;
}

void
regex_scratch_free (struct regex_scratch *s)
{
  if (!s)
    return;
  pcre2_match_context_free (s->limits);
  pcre2_match_data_free (s->match);
  free (s);
}

int
regex_find (const struct regex *re, struct regex_scratch *s, const char *text,
            size_t len)
{
  return regex_find_from (re, s, text, len, 0);
}

static uint64_t
cpu_ms (void)
{
  struct timespec ts = { 0 };

  (void) clock_gettime (CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

static int
find (const struct regex *re, struct regex_scratch *s, const char *text,
      size_t len, size_t from, size_t last, uint32_t steps)
{
  int rc;

  pcre2_set_match_limit (s->limits, steps);
  pcre2_set_offset_limit (s->limits, last);
  rc = pcre2_match (re->code, (PCRE2_SPTR) text, len, from, 0, s->match,
                    s->limits);
  if (rc >= 0)
    return 1;
  switch (rc)
    {
    case PCRE2_ERROR_NOMATCH:
      return 0;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
      return -E2BIG;
    default:
      return -EINVAL;
    }
}

/* PCRE2's limit of steps is for each place where a match may begin: a guest
 * that keeps below it in a hundred thousand places would take minutes.  So a
 * long subject is searched in slices.  A larger one has fewer steps for each
 * place, and is searched again in small ones where they are not enough. */
int
regex_find_from (const struct regex *re, struct regex_scratch *s,
                 const char *text, size_t len, size_t from)
{
  size_t end = len < s->last_start ? len : s->last_start, slice = SLICE;
  uint64_t until = 0;
  int rc;

  if (re->whole || from > end || end - from <= SLICE)
    return find (re, s, text, len, from, s->last_start, s->steps);
  until = cpu_ms () + s->cpu_ms;
  for (;;)
    {
      size_t last = end - from < slice ? end : from + slice - 1;

      rc = find (re, s, text, len, from, last,
                 (uint32_t) (s->steps / (slice / SLICE)));
      if (rc == -E2BIG && slice > SLICE)
        slice = SLICE;
      else if (rc != 0 || last == end)
        return rc;
      else
        {
          from = last + 1;
          slice = slice < SLICE_MAX ? 2 * slice : slice;
        }
      if (cpu_ms () > until)
        return -E2BIG;
    }
}

bool
regex_span (const struct regex_scratch *s, unsigned number, size_t *ret_at,
            size_t *ret_len)
{
  PCRE2_SIZE *at = pcre2_get_ovector_pointer (s->match);

  /* Unset: the group stands in a branch that was not taken. */
  if (number >= pcre2_get_ovector_count (s->match)
      || at[2 * number] == PCRE2_UNSET)
    return false;
  /* \K in a lookaround may make an end before its start. */
  if (at[2 * number + 1] < at[2 * number])
    return false;
  *ret_at = at[2 * number];
  *ret_len = at[2 * number + 1] - at[2 * number];
  return true;
}

int
regex_match (struct regex *re, const char *text, size_t len,
             struct error *err)
{
  static const struct regex_limits limits = REGEX_LIMITS;
  int rc = 0;

  if (!re->own)
    rc = regex_scratch_new (regex_groups (re), &limits, &re->own, err);
  if (rc < 0)
    return rc;
  rc = regex_find (re, re->own, text, len);
  if (rc == -E2BIG)
    return error_set (err, E2BIG,
                      "matching took more steps than are allowed; make the "
                      "regular expression simpler");
  if (rc < 0)
    return error_set (err, -rc, "matching failed");
  return rc;
}

bool
regex_group (const struct regex *re, const char *name, const char *text,
             const char **ret_start, size_t *ret_len)
{
  unsigned number = regex_group_number (re, name);
  size_t at;

  if (number == 0 || !re->own || !regex_span (re->own, number, &at, ret_len))
    return false;
  *ret_start = text + at;
  return true;
}
