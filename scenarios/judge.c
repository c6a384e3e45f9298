/* SPDX-License-Identifier: Apache-2.0
 *
 * From what came back to an outcome.
 *
 * The line that matters runs between FAILED and NO_VERDICT: only what the
 * guest itself did or failed to do may cost it its health; what kept us from
 * asking is ours.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
report_set (struct outcome_report *r, enum outcome outcome, const char *code,
            const char *fmt, ...)
{
  va_list ap;

  r->outcome = outcome;
  snprintf (r->code, sizeof r->code, "%s", code);
  r->way = outcome_code_way (code);
  va_start (ap, fmt);
  vsnprintf (r->sentence, sizeof r->sentence, fmt, ap);
  va_end (ap);
}

const char *
report_quote (char *dst, size_t n, const char *bytes, size_t len)
{
  struct buf text CLEANUP_BUF = BUF_INIT (n - 1);
  const char *end = bytes + len;

  /* A sentence has one line: what ends lines at its ends says nothing, and
   * in the middle becomes a bar. */
  while (bytes < end && (*bytes == '\r' || *bytes == '\n' || *bytes == ' '))
    bytes++;
  while (bytes < end && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
    end--;
  while (bytes < end)
    {
      const char *p = bytes;

      while (p < end && *p != '\r' && *p != '\n')
        p++;
      text_escape (&text, bytes, (size_t) (p - bytes), 0);
      if (p < end)
        buf_puts (&text, " | ");
      while (p < end && (*p == '\r' || *p == '\n'))
        p++;
      bytes = p;
    }
  snprintf (dst, n, "%s", buf_str (&text));
  return dst;
}

/* ---- answers ---- */

bool
judge_holds (int op, double a, double b)
{
  switch (op)
    {
    case 0:
      return a < b;
    case 1:
      return a <= b;
    case 2:
      return a == b;
    case 3:
      return a != b;
    case 4:
      return a >= b;
    default:
      return a > b;
    }
}

/* The whole capture must be one finite number. */
static bool
number (const char *p, size_t len, double *ret)
{
  char text[64], *end;
  double v;

  if (len == 0 || len >= sizeof text || memchr (p, '\0', len))
    return false;
  memcpy (text, p, len);
  text[len] = '\0';
  v = strtod (text, &end);
  if (*end || end == text || !isfinite (v))
    return false;
  *ret = v;
  return true;
}

/* False when ret was set. */
static bool
judge_compare (const struct scenario_expect *ex, const struct regex *re,
               const char *out, struct outcome_report *ret)
{
  const struct scenario_compare *c = ex->compare.items;
  char seen[64];

  for (size_t i = 0; i < ex->compare.count; i++, c++)
    {
      const char *p = "";
      size_t len = 0;
      double v;

      if (!regex_group (re, c->capture, out, &p, &len) || !number (p, len, &v))
        {
          report_set (ret, OUTCOME_FAILED, "not-a-number",
                      "\"%s\" should be a number and is \"%s\"", c->capture,
                      report_quote (seen, sizeof seen, p, len));
          return false;
        }
      if (i == 0)
        ret->value = v;
      if (!judge_holds (c->op, v, c->value))
        {
          report_set (ret, OUTCOME_FAILED, "compare",
                      "%s is %g, which is not %s %g", c->capture, v,
                      scenario_compare_ops[c->op], c->value);
          return false;
        }
    }
  return true;
}

/* 1 matched, 0 not; < 0: ret was set. */
static int
try_match (const char *pattern, const char *out, size_t len,
           struct regex **ret_re, struct outcome_report *ret)
{
  struct error why = ERROR_INIT;
  CLEANUP_REGEX struct regex *re = NULL;
  int rc = regex_new (pattern, &re, &why);

  if (rc >= 0)
    rc = regex_match (re, out, len, &why);
  if (rc < 0)
    report_set (ret, OUTCOME_NO_VERDICT, "regex-limit", "%s",
                error_text (&why));
  else if (ret_re)
    *ret_re = steal_ptr (&re);
  return rc;
}

void
judge_answer (const struct scenario_expect *ex, int64_t status, const char *out,
              size_t len, struct outcome_report *ret)
{
  CLEANUP_REGEX struct regex *re = NULL;
  char seen[100];
  int rc;

  ret->value = NAN;
  if (ex->status >= 0 && status != ex->status)
    {
      report_set (ret, OUTCOME_FAILED, "status",
                  "the command ended with status %lld instead of %lld%s%s",
                  (long long) status, (long long) ex->status,
                  len > 0 ? ": " : ", and said nothing",
                  report_quote (seen, sizeof seen, out, len));
      return;
    }
  if (ex->output)
    {
      rc = try_match (ex->output, out, len, &re, ret);
      if (rc == 0)
        report_set (ret, OUTCOME_FAILED, "mismatch",
                    len > 0 ? "the answer does not match what is expected: %s"
                            : "the answer is empty, which does not match what "
                              "is expected%s",
                    report_quote (seen, sizeof seen, out, len));
      if (rc <= 0 || !judge_compare (ex, re, out, ret))
        return;
    }
  if (ex->not_output)
    {
      rc = try_match (ex->not_output, out, len, NULL, ret);
      if (rc > 0)
        report_set (ret, OUTCOME_FAILED, "forbidden",
                    "the answer has what it must not have: %s",
                    report_quote (seen, sizeof seen, out, len));
      if (rc != 0)
        return;
    }
  report_set (ret, OUTCOME_OK, "ok", "%s",
              report_quote (seen, sizeof seen, out, len));
}

void
judge_command (const struct scenario_expect *expect, int64_t status,
               const char *out, size_t len, struct outcome_report *ret)
{
  judge_answer (expect, status, out, len, ret);
  ret->has_uptime = uptime_parse (out, len, &ret->uptime);
}

/* ---- time ---- */

/* Only of what is right: a wrong answer is not mended by being quick. */
static void
judge_time (const struct scenario *s, struct outcome_report *ret)
{
  uint64_t ms = ret->took_ms > ret->own_ms ? ret->took_ms - ret->own_ms : 0;
  char bound[32], said[sizeof ret->sentence];

  if (!s->max_time_ms || ret->outcome != OUTCOME_OK || ms <= s->max_time_ms)
    return;
  units_format_duration (bound, sizeof bound, s->max_time_ms);
  snprintf (said, sizeof said, "%s", ret->sentence);
  report_set (ret, OUTCOME_FAILED, "slow",
              "the answer is right, but took %llu ms and may take %s%s%.120s",
              (unsigned long long) ms, bound, said[0] ? ": " : "", said);
}

int
scenario_ask (const struct scenario *s, const struct guest *g,
              const struct transport_ops *way, const struct transport_env *env,
              struct job *job, struct outcome_report *ret, struct error *err)
{
  int rc = s->kind->ask (s, g, way, env, job, ret, err);

  if (rc >= 0)
    judge_time (s, ret);
  return rc;
}
