/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader of one guest's text: console, log file, dmesg, pstore.
 *
 * bytes -> lines -> prefixes -> stage -> heads (rules) -> reports, several at a
 * time by context -> title -> event.  Pure: no clock, no I/O, no threads; one
 * reader is used by one thread at a time, rules are shared.
 */
#ifndef HANGDOG_KERNEL_TEXT_READER_H
#define HANGDOG_KERNEL_TEXT_READER_H

#include "kernel/text/rules.h"

struct text_reader;

struct text_reader_ops
{
  /* Each may be NULL.  The event is good during the call only. */
  /* A head was read; and again, when a later line told what it really is. */
  void (*suspect) (const struct text_event *e, void *arg);
  void (*event) (const struct text_event *e, void *arg);   /* report is over */
  void (*stage) (const struct stage *s, enum stage_change change, void *arg);
  /* Every line, before anything is made of it: for --explain and for those
   * who keep lines. */
  void (*line) (const struct text_msg *msg, void *arg);
};

/* How many warnings of hung tasks a kernel gives, if nobody told it another
 * number (kernel.hung_task_warnings). */
#define TEXT_HUNG_WARNINGS 10

struct text_reader_stats
{
  uint64_t bytes, lines, heads, events, gaps, lost_bytes;
  uint64_t limits_hit;   /* regular expressions that were given up */
  uint64_t reports_cut;  /* reports dropped for want of room */
  uint64_t repeats;      /* not told: the same was, a moment ago */
  /* Warnings of hung tasks, of all boots, told or not; when the kernel says
   * that there are no more, TEXT_HUNG_WARNINGS at once. */
  uint64_t hung_tasks;
  size_t memory;
};

/* Holds a reference of the rules. */
int text_reader_new (const struct text_rules *rules,
                     const struct text_reader_ops *ops, void *arg,
                     struct text_reader **ret, struct error *err);
void text_reader_free (struct text_reader *r);
/* From the next line on; what it knows of the guest stays, reports that are
 * open end here. */
void text_reader_rules (struct text_reader *r, const struct text_rules *rules);
void text_reader_feed (struct text_reader *r, const void *data, size_t len,
                       uint64_t ms);
/* As splitter_gap(). */
void text_reader_gap (struct text_reader *r, uint64_t lost, uint64_t ms);
/* Lines and reports that stood still.  Returns when to be called again, or
 * CLOCK_NEVER. */
uint64_t text_reader_tick (struct text_reader *r, uint64_t now);
void text_reader_end (struct text_reader *r);
/* We pressed a SysRq key, and from here to its end (or until ms) what the
 * guest prints is ours: events in it have `ours` set, but for the fatal ones
 * (unless the key is c) and those of another boot.  A key of 0: all that was
 * asked for was seen, what comes after until_ms is the guest's own. */
void text_reader_ours (struct text_reader *r, char key, uint64_t until_ms);
const struct stage *text_reader_stage (const struct text_reader *r);
void text_reader_stats (const struct text_reader *r,
                        struct text_reader_stats *ret);

#endif
