/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader with the rules of ours, and what it told.
 */
#ifndef HANGDOG_TESTS_READER_BED_H
#define HANGDOG_TESTS_READER_BED_H

#include "base/error.h"
#include "kernel/text/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BED_MAX 16

struct bed
{
  struct text_rules *rules;
  struct text_reader *reader;
  struct text_event *events; /* BED_MAX of them */
  unsigned nevents, nsuspects;
  char suspects[BED_MAX][TEXT_TITLE_MAX];
};

static void
bed_suspect (const struct text_event *e, void *arg)
{
  struct bed *b = arg;

  if (b->nsuspects < BED_MAX)
    memcpy (b->suspects[b->nsuspects], e->title, sizeof e->title);
  b->nsuspects++;
}

static void
bed_event (const struct text_event *e, void *arg)
{
  struct bed *b = arg;

  if (b->nevents < BED_MAX)
    b->events[b->nevents] = *e;
  b->nevents++;
}

static const struct text_reader_ops bed_ops
    = { .suspect = bed_suspect, .event = bed_event };

static inline void
bed_open (struct bed *b)
{
  struct error err = ERROR_INIT;

  b->nevents = b->nsuspects = 0;
  assert_int_equal (
      text_reader_new (b->rules, &bed_ops, b, &b->reader, &err), 0);
}

static inline void
bed_close (struct bed *b)
{
  text_reader_free (b->reader);
  b->reader = NULL;
}

static inline void
bed_feed (struct bed *b, const char *text, uint64_t ms)
{
  text_reader_feed (b->reader, text, strlen (text), ms);
}

/* All of a text, by itself. */
static inline void
bed_read (struct bed *b, const char *text)
{
  bed_open (b);
  bed_feed (b, text, 0);
  text_reader_end (b->reader);
  bed_close (b);
}

static inline int
bed_setup (void **state)
{
  struct bed *b = calloc (1, sizeof *b);
  struct error err = ERROR_INIT;

  assert_non_null (b);
  b->events = calloc (BED_MAX, sizeof *b->events);
  assert_non_null (b->events);
  if (text_rules_new (&b->rules, &err) < 0)
    fail_msg ("%s", error_text (&err));
  *state = b;
  return 0;
}

static inline int
bed_teardown (void **state)
{
  struct bed *b = *state;

  text_rules_free (b->rules);
  free (b->events);
  free (b);
  return 0;
}

#endif
