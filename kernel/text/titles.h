/* SPDX-License-Identifier: Apache-2.0
 *
 * What an event is called.
 */
#ifndef HANGDOG_KERNEL_TEXT_TITLES_H
#define HANGDOG_KERNEL_TEXT_TITLES_H

#include "kernel/text/report.h"

#define TITLE_NO_FUNC "corrupted" /* as trackers say it */

/* Whether a pattern of the list fits; of NULL none does. */
bool title_skips (const struct skip_list *list, const char *func);

/* Whether this function is but a tool of others, or prints reports. */
bool title_says_nothing (const struct report *r, const char *func);

/* The function that trackers name a report after.  dst gets it as it stands in
 * the stack; false when there is none.  *ret_generic gets what several calls
 * of the same sort are called, if there is such a name ("" = none). */
bool title_choose (const struct report *r, char *dst, size_t n,
                   char *ret_generic, size_t ngeneric);

/* Of a stall: whether nobody in the kernel can be meant.  A CPU that userspace
 * does not let go of has no kernel stack; nor is it to be found where only the
 * helper's that starved was printed. */
bool title_blames_nobody (const struct report *r);

/* Of a task that hangs: the class of what it waits for, "" = not known. */
const char *title_wait_class (const struct report *r);

/* Whether its title has a name in it that only its stack can tell. */
bool title_needs_func (const struct report *r);

/* From the head alone. */
void title_head (struct report *r);
/* From all of it; evidence and corrupted must have been set. */
void title_report (struct report *r);

/* Standalone numbers as NUM, addresses as ADDR; dst may be src. */
void title_numbers (const char *src, char *dst, size_t n);

/* "HANG" by the title's beginning, for rules that do not say; "" = unknown. */
const char *title_type (const char *title);

/* Of kind and title, without what differs from time to time. */
void title_signature (struct text_event *e);

#endif
