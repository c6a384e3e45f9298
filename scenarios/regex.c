/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions over guest bytes.
 *
 * The subject is hostile and the pattern may come from a controller: no JIT
 * (it maps writable code), limits on steps, depth and heap, and bytes instead
 * of UTF-8, so that nothing a guest prints can be an invalid subject.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define LIMIT_STEPS 200000
#define LIMIT_DEPTH 2000
#define LIMIT_HEAP_KIB 1024
#define LIMIT_NESTING 50

struct regex
{
  pcre2_code *code;
  pcre2_match_data *match;
  pcre2_match_context *limits;
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
                            | PCRE2_NEVER_BACKSLASH_C,
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
  re->match = pcre2_match_data_create_from_pattern (re->code, NULL);
  re->limits = pcre2_match_context_create (NULL);
  if (!re->match || !re->limits)
    return error_set (err, ENOMEM, "no memory");
  pcre2_set_match_limit (re->limits, LIMIT_STEPS);
  pcre2_set_depth_limit (re->limits, LIMIT_DEPTH);
  pcre2_set_heap_limit (re->limits, LIMIT_HEAP_KIB);
  *ret = steal_ptr (&re);
  return 0;
}

void
regex_free (struct regex *re)
{
  if (!re)
    return;
  pcre2_match_context_free (re->limits);
  pcre2_match_data_free (re->match);
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

bool
regex_has_group (const struct regex *re, const char *name)
{
  return pcre2_substring_number_from_name (re->code, (PCRE2_SPTR) name) > 0;
}

int
regex_match (struct regex *re, const char *text, size_t len,
             struct error *err)
{
  int rc = pcre2_match (re->code, (PCRE2_SPTR) text, len, 0, 0, re->match,
                        re->limits);

  if (rc >= 0)
    return 1;
  switch (rc)
    {
    case PCRE2_ERROR_NOMATCH:
      return 0;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
      return error_set (err, E2BIG,
                        "matching took more steps than are allowed; make the "
                        "regular expression simpler");
    default:
      return error_set (err, EINVAL, "matching failed (PCRE2 error %d)", rc);
    }
}

bool
regex_group (const struct regex *re, const char *name, const char *text,
             const char **ret_start, size_t *ret_len)
{
  int number
      = pcre2_substring_number_from_name (re->code, (PCRE2_SPTR) name);
  PCRE2_SIZE *at = pcre2_get_ovector_pointer (re->match);

  /* Unset: the group stands in a branch that was not taken. */
  if (number <= 0
      || (uint32_t) number >= pcre2_get_ovector_count (re->match)
      || at[2 * number] == PCRE2_UNSET)
    return false;
  /* \K in a lookaround may make an end before its start. */
  if (at[2 * number + 1] < at[2 * number])
    return false;
  *ret_start = text + at[2 * number];
  *ret_len = at[2 * number + 1] - at[2 * number];
  return true;
}
