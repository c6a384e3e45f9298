/* SPDX-License-Identifier: Apache-2.0
 *
 * Console bytes to lines, prefixes and stages: whatever comes, cut anywhere,
 * the lines are the same, bounded, and within what came.
 */
#include "base/clock.h"
#include "base/error.h"
#include "kernel/text/stage.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/kernel-text/lines.h"

#include <string.h>

struct reader
{
  struct lines lines;
  struct stage stage;
};

static void
check_msg (const struct text_line *line, const struct text_msg *m)
{
  const char *end = line->text + line->len;

  MUST (m->line == line && m->text >= line->text && m->text + m->len == end);
  MUST (m->level >= -1 && m->level <= 7);
  MUST (m->from == FROM_USER || !m->ident);
  MUST (!m->ident || (m->ident >= line->text && m->ident_len > 0
                      && m->ident + m->ident_len <= m->text));
}

static void
read_line (const struct text_line *line, void *arg)
{
  struct reader *r = arg;
  struct text_msg msg, whole;
  struct text_line copy = *line;
  uint32_t boots = r->stage.boots;
  enum stage_change change;
  char *exact = malloc (line->len > 0 ? line->len : 1);

  MUST (exact);
  /* No spare bytes behind it. */
  memcpy (exact, line->text, line->len);
  copy.text = exact;
  prefix_strip (&copy, &msg);
  check_msg (&copy, &msg);
  change = stage_line (&r->stage, &msg);
  MUST (r->stage.stage < STAGE_MAX && r->stage.stop < STOP_MAX);
  MUST (r->stage.boots == boots + (change == STAGE_NEW_BOOT));
  MUST (memchr (r->stage.release, '\0', sizeof r->stage.release));
  MUST (msg.from == FROM_UNKNOWN
        || stage_kernel_speaks (&r->stage, &msg) == (msg.from == FROM_KERNEL));
  prefix_strip (line, &whole);
  MUST (whole.len == msg.len && whole.from == msg.from);
  free (exact);
  lines_write (line, &r->lines);
}

/* Pieces by a number that the input gives; 0 = all at once. */
static void
run (const uint8_t *data, size_t size, unsigned seed, struct reader *r)
{
  struct splitter *s = NULL;
  size_t done = 0;

  memset (r, 0, sizeof *r);
  MUST (splitter_new (read_line, r, &s, NULL) == 0);
  while (done < size)
    {
      size_t n = size;

      if (seed > 0)
        {
          seed = seed * 1103515245u + 12345u;
          n = 1 + (seed >> 16) % (1 + (seed >> 8) % 64);
        }
      n = n < size - done ? n : size - done;
      splitter_feed (s, data + done, n, 0);
      done += n;
      MUST (splitter_size (s) <= TEXT_LINE_MAX + 1024);
    }
  splitter_end (s);
  MUST (r->lines.bad == 0 && r->lines.end <= size);
  splitter_free (s);
}

/* With times, ticks and gaps: only that it holds together. */
static void
run_live (const uint8_t *data, size_t size)
{
  struct splitter *s = NULL;
  struct reader r = { .lines = { .n = 0 } };
  uint64_t now = 1;

  MUST (splitter_new (read_line, &r, &s, NULL) == 0);
  for (size_t done = 0; done < size;)
    {
      size_t n = 1 + data[done] % 32;

      n = n < size - done ? n : size - done;
      splitter_feed (s, data + done, n, now);
      if (data[done] % 3 == 0)
        {
          uint64_t next = splitter_tick (s, now);

          MUST (next == CLOCK_NEVER || next > now);
          now += data[done];
          MUST (next == CLOCK_NEVER || next > now
                || splitter_tick (s, now) == CLOCK_NEVER);
        }
      if (data[done] == 'g')
        splitter_gap (s, n, now);
      done += n;
    }
  splitter_end (s);
  MUST (r.lines.bad == 0);
  splitter_free (s);
  free (r.lines.text);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct reader whole, cut;

  if (size > 1 << 16)
    return 0;
  run (data, size, 0, &whole);
  for (unsigned seed = 1; seed <= 3; seed++)
    {
      run (data, size, seed * 77 + (size > 0 ? data[0] : 0), &cut);
      MUST (cut.lines.len == whole.lines.len
            && (cut.lines.len == 0
                || memcmp (cut.lines.text, whole.lines.text, cut.lines.len)
                       == 0));
      MUST (memcmp (&cut.stage, &whole.stage, sizeof cut.stage) == 0);
      free (cut.lines.text);
    }
  free (whole.lines.text);
  run_live (data, size);
  return 0;
}
