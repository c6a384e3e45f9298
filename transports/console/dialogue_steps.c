/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a dialogue: a small machine with jumps, written by somebody
 * else.  A circle without an `expect` would spin, and steps from which no way
 * leads to the end would call each guest hung: both are refused.
 */
#include "transports/console/dialogue.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/regex.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY (24 * 60 * 60 * 1000)
#define NONCE "${nonce}"

#define AT(type, member) .offset = offsetof (struct type, member)

/* Lengths are bounds on what one document may make the daemon keep and type:
 * it may come from a controller. */
static const struct json_field step_fields[] = {
  { .name = "name", .kind = JSON_STRING, AT (dialogue_step, name),
    .required = true, .min = 1, .max = 63, .help = "of this step" },
  { .name = "send", .kind = JSON_BYTES, AT (dialogue_step, send), .min = 1,
    .max = 1024,
    .help = "typed first; \\r \\n \\t \\e \\xNN \\\\ as in C, ${nonce} is "
            "random in each run" },
  { .name = "expect", .kind = JSON_ARRAY, AT (dialogue_step, expect),
    .max = DIALOGUE_MAX_EXPECTS, .elem_size = sizeof (char *),
    .elem_kind = JSON_STRING,
    .help = "PCRE2s: the first that matches decides" },
  { .name = "timeout", .kind = JSON_DURATION,
    AT (dialogue_step, timeout_ms), .min = 1, .max = DAY,
    .help = "how long to wait for one; default what is left of all" },
  { .name = "go-to", .kind = JSON_STRING, AT (dialogue_step, go_to),
    .min = 1, .max = 63,
    .help = "step after a match, \"end\" = well; default the next" },
  { .name = "else", .kind = JSON_STRING, AT (dialogue_step, otherwise),
    .min = 1, .max = 63,
    .help = "step when nothing matched in time; default: failed" },
  { .name = "fail", .kind = JSON_STRING, AT (dialogue_step, fail), .min = 1,
    .max = 150, .help = "sentence: a match here is a failure" },
  { .name = NULL },
};

const struct json_field dialogue_keys[] = {
  { .name = "steps", .kind = JSON_ARRAY, .required = true, .min = 1,
    .max = 64, .sub = step_fields,
    .elem_size = sizeof (struct dialogue_step),
    .help = "what is said and waited for" },
  { .name = NULL },
};

const struct dialogue_step *
dialogue_step_at (const struct json_list *steps, size_t i)
{
  return (const struct dialogue_step *) steps->items + i;
}

/* Index of a step; the count of steps is the well end; -1 unknown. */
static int
find_step (const struct json_list *steps, const char *name)
{
  if (strcmp (name, DIALOGUE_LAST) == 0)
    return (int) steps->count;
  for (size_t i = 0; i < steps->count; i++)
    if (strcmp (dialogue_step_at (steps, i)->name, name) == 0)
      return (int) i;
  return -1;
}

int
dialogue_step_after (const struct json_list *steps, size_t i,
                     const char *name)
{
  return name ? find_step (steps, name) : (int) i + 1;
}

/* After a match. */
static int
after (const struct json_list *steps, size_t i)
{
  return dialogue_step_after (steps, i, dialogue_step_at (steps, i)->go_to);
}

char *
dialogue_text (const char *text, const char *nonce)
{
  struct buf out CLEANUP_BUF = BUF_INIT (16384);
  const char *at;

  while ((at = strstr (text, NONCE)))
    {
      buf_append (&out, text, (size_t) (at - text));
      buf_puts (&out, nonce);
      text = at + strlen (NONCE);
    }
  buf_puts (&out, text);
  return out.cut ? NULL : buf_steal (&out);
}

/* ---- checking ---- */

struct steps_at
{
  const struct json_doc *doc;
  const char *path;
  const struct json_list *steps;
  uint64_t timeout_ms;
  struct error *err;
};

static int bad (const struct steps_at *at, size_t step, const char *key,
                const char *fmt, ...) __attribute__ ((format (printf, 4, 5)));

static int
bad (const struct steps_at *at, size_t step, const char *key, const char *fmt,
     ...)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (400);
  char path[256], msg[300];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (msg, sizeof msg, fmt, ap);
  va_end (ap);
  snprintf (path, sizeof path, "%s%ssteps[%zu]%s%s", at->path,
            *at->path ? "." : "", step, *key ? "." : "", key);
  text_escape (&shown, msg, strlen (msg), 0);
  return json_error_at (at->doc, path, at->err, "%s", buf_str (&shown));
}

#define SAMPLE "0123456789abcdef"

/* A console that hangs may echo still: what is sent, behind a prompt or at the
 * beginning of a line.  0, or what it is taken for. */
static int
check_echo (const struct steps_at *at, size_t i, const char *key,
            struct regex *re)
{
  for (size_t k = 0; k < at->steps->count; k++)
    {
      const struct dialogue_step *st = dialogue_step_at (at->steps, k);
      CLEANUP_FREE char *sent = st->send && strstr (st->send, NONCE)
                                    ? dialogue_text (st->send, SAMPLE)
                                    : NULL;
      CLEANUP_BUF struct buf echo = BUF_INIT (2 * 16384);

      if (!sent)
        continue;
      buf_printf (&echo, "# %s\n%s\n", sent, sent);
      if (regex_match (re, buf_str (&echo), echo.len, NULL) == 1)
        return bad (at, i, key,
                    "matches what step \"%s\" sends, so an echo would do for "
                    "an answer; let the guest put it together: \"send\": "
                    "\"printf A%%s %s\\r\", \"expect\": [\"A%s\"]",
                    st->name, NONCE, NONCE);
    }
  return 0;
}

static int
check_patterns (const struct steps_at *at, size_t i)
{
  const struct dialogue_step *st = dialogue_step_at (at->steps, i);
  char *const *patterns = st->expect.items;

  for (size_t k = 0; k < st->expect.count; k++)
    {
      CLEANUP_FREE char *pattern
          = dialogue_text (patterns[k], SAMPLE);
      CLEANUP_REGEX struct regex *re = NULL;
      struct error why = ERROR_INIT;
      char key[40];
      int rc;

      snprintf (key, sizeof key, "expect[%zu]", k);
      if (!pattern)
        return error_set (at->err, ENOMEM, "no memory");
      if (regex_new (pattern, &re, &why) < 0)
        return bad (at, i, key, "%s", error_text (&why));
      if (regex_matches_nothing (re))
        return bad (at, i, key,
                    "matches no text at all, so it waits for nothing; ask "
                    "for at least one character");
      rc = strstr (patterns[k], NONCE) ? check_echo (at, i, key, re) : 0;
      if (rc < 0)
        return rc;
    }
  return 0;
}

static int
check_step (const struct steps_at *at, size_t i)
{
  const struct json_list *steps = at->steps;
  const struct dialogue_step *st = dialogue_step_at (steps, i);

  if (!text_is_name (st->name))
    return bad (at, i, "name",
                "a name is made of letters, digits, \".\", \"_\" and \"-\"");
  if (strcmp (st->name, DIALOGUE_LAST) == 0)
    return bad (at, i, "name", "\"%s\" is the name of the well end",
                DIALOGUE_LAST);
  if (find_step (steps, st->name) != (int) i)
    return bad (at, i, "name", "another step has the same name");
  if (st->go_to && find_step (steps, st->go_to) < 0)
    return bad (at, i, "go-to", "there is no step \"%s\"", st->go_to);
  if (st->otherwise && find_step (steps, st->otherwise) < 0)
    return bad (at, i, "else", "there is no step \"%s\"", st->otherwise);
  if (st->fail && st->go_to)
    return bad (at, i, "go-to", "a step with \"fail\" goes nowhere");
  if (!st->expect.count && (st->otherwise || st->timeout_ms))
    return bad (at, i, st->otherwise ? "else" : "timeout",
                "has no meaning without \"expect\"");
  if (!st->expect.count && !st->send && !st->fail && !st->go_to)
    return bad (at, i, "", "this step does nothing; give it \"send\" or "
                "\"expect\"");
  if (at->timeout_ms && st->timeout_ms > at->timeout_ms)
    return bad (at, i, "timeout", "is longer than all of it may take");
  return check_patterns (at, i);
}

/* From each step follow the edges that need no match. */
static int
check_circles (const struct steps_at *at)
{
  const struct json_list *steps = at->steps;

  for (size_t i = 0; i < steps->count; i++)
    {
      size_t pos = i, hops = 0;

      /* More hops than steps without waiting once: it has come round. */
      while (pos < steps->count && !dialogue_step_at (steps, pos)->expect.count
             && !dialogue_step_at (steps, pos)->fail)
        {
          if (hops++ > steps->count)
            return bad (at, i, "go-to",
                        "goes round for ever without an \"expect\"");
          pos = (size_t) after (steps, pos);
        }
    }
  return 0;
}

/* From the first step along every edge.  A dialogue that never comes to its
 * end would call each guest hung. */
static int
check_end (const struct steps_at *at)
{
  const struct json_list *steps = at->steps;
  size_t end = steps->count;
  CLEANUP_FREE bool *reached = calloc (end + 1, sizeof (*reached));
  bool more = true;

  if (!reached)
    return error_set (at->err, ENOMEM, "no memory");
  reached[0] = true;
  while (more)
    {
      more = false;
      for (size_t i = 0; i < end; i++)
        {
          const struct dialogue_step *st = dialogue_step_at (steps, i);
          bool waits = st->expect.count > 0;
          /* After a match, and where none came in time. */
          int to[] = { st->fail ? -1 : after (steps, i),
                       waits && (st->otherwise || st->fail)
                           ? dialogue_step_after (steps, i, st->otherwise)
                           : -1 };

          for (unsigned k = 0; reached[i] && k < ARRAY_LEN (to); k++)
            if (to[k] >= 0 && !reached[to[k]])
              more = reached[to[k]] = true;
        }
    }
  if (reached[end])
    return 0;
  return bad (at, 0, "",
              "no way leads from here to the end, so it can never end well; "
              "let a step go on behind the last one, or to \"%s\"",
              DIALOGUE_LAST);
}

int
dialogue_check (const struct json_doc *doc, const char *path,
                const struct json_list *steps, uint64_t timeout_ms,
                struct error *err)
{
  const struct steps_at at = { doc, path, steps, timeout_ms, err };
  bool expects = false;
  int rc;

  for (size_t i = 0; i < steps->count; i++)
    {
      rc = check_step (&at, i);
      if (rc < 0)
        return rc;
      if (dialogue_step_at (steps, i)->expect.count)
        expects = true;
    }
  if (!expects)
    return bad (&at, 0, "",
                "no step has an \"expect\": nothing would ever be learned");
  rc = check_circles (&at);
  return rc < 0 ? rc : check_end (&at);
}
