/* SPDX-License-Identifier: Apache-2.0
 *
 * What scenarios listen for: the first line is an expression, the rest a
 * guest's text.  The literal that is looked for first is in every line that
 * the expression matches; what is told is a part of what came, and rationed.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/regex.h"
#include "scenarios/lines.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MS 100

struct heard
{
  struct listener *listener;
  struct regex_scratch *scratch;
  struct regex *regex;
  char literal[LINES_LITERAL];
  bool has_literal;
  uint64_t now, last_ms;
  unsigned told;
};

static void
on_hit (const struct line_hit *hit, void *arg)
{
  struct heard *h = arg;

  MUST (hit->len <= LINES_TEXT);
  if (hit->given_up)
    return;
  MUST (hit->at_ms <= h->now);
  MUST (h->told == 0 || h->now - h->last_ms >= LINES_AGAIN_MS);
  h->last_ms = h->now;
  h->told++;
}

static void
on_line (const struct text_line *line, void *arg)
{
  struct heard *h = arg;
  struct text_msg msg;

  prefix_strip (line, &msg);
  h->now += MS;
  listener_line (h->listener, h->scratch, &msg, 0, h->now);
  if (h->has_literal
      && regex_find (h->regex, h->scratch, line->text, line->len) == 1)
    MUST (memmem (line->text, line->len, h->literal, strlen (h->literal)));
  listener_due (h->listener, h->now);
}

static void
listen (struct heard *h, struct lines *lines, const char *text, size_t len)
{
  struct splitter *splitter = NULL;

  MUST (lines_scratch_new (&h->scratch, NULL) == 0);
  MUST (listener_new (NULL, on_hit, h, &h->listener, NULL) == 0);
  MUST (listener_set (h->listener, &lines, 1, NULL) == 0);
  MUST (splitter_new (on_line, h, &splitter, NULL) == 0);
  splitter_feed (splitter, text, len, 1);
  splitter_end (splitter);
  h->now += LINES_AGAIN_MS;
  listener_due (h->listener, h->now);
  MUST (listener_due (h->listener, h->now + LINES_AGAIN_MS) == CLOCK_NEVER);
  splitter_free (splitter);
  listener_free (h->listener);
  regex_scratch_free (h->scratch);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const uint8_t *nl = size ? memchr (data, '\n', size) : NULL;
  size_t n = nl ? (size_t) (nl - data) : 0;
  struct line_pattern p = { .name = "heard.x", .value = NULL };
  struct heard h = { .now = 1 };
  struct lines *lines = NULL;
  char *regex;

  if (n == 0 || n > 200 || memchr (data, '\0', n))
    return 0;
  regex = strndup ((const char *) data, n);
  p.regex = regex;
  MUST (regex);
  if (lines_new (&p, 1, &lines, NULL) >= 0)
    {
      MUST (regex_new (regex, &h.regex, NULL) >= 0);
      h.has_literal = lines_literal (regex, h.literal);
      listen (&h, lines, (const char *) nl + 1, size - n - 1);
    }
  regex_free (h.regex);
  lines_unref (lines);
  free (regex);
  return 0;
}
