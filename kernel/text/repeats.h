/* SPDX-License-Identifier: Apache-2.0
 *
 * The same trouble told over and over: a server that does not answer, a stall
 * that lasts, an emergency that init says in three ways.
 *
 * What was told less than REPEATS_GAP_S ago is told again only after
 * REPEATS_AGAIN_S, with how often it was said in between.  Times are the
 * kernel's where lines have them, else those of arrival; a log without either
 * has it once.
 */
#ifndef HANGDOG_KERNEL_TEXT_REPEATS_H
#define HANGDOG_KERNEL_TEXT_REPEATS_H

#include "kernel/text/report.h"

#define REPEATS_MAX 16
#define REPEATS_GAP_S 300
#define REPEATS_AGAIN_S 600

struct repeat
{
  uint64_t head, whole; /* keys: of the head, of the title; 0 = free */
  uint64_t rule, kind, subject;
  int64_t last_us, told_us; /* -1 = no stamps */
  uint64_t last_ms, told_ms;
  uint32_t count;
};

struct repeats
{
  struct repeat list[REPEATS_MAX];
  unsigned next;
};

/* A head, its title made: whether it may be one.  Of a trouble that is but a
 * line it is, and is counted. */
bool repeats_head (struct repeats *s, struct report *r);
/* A whole report, whose head may have been one: whether to keep still about
 * it.  Else it is remembered, and e->repeats is set. */
bool repeats_whole (struct repeats *s, struct report *r);
void repeats_forget (struct repeats *s);
/* Those of one kind: what comes is another attempt. */
void repeats_forget_kind (struct repeats *s, const char *kind);

#endif
