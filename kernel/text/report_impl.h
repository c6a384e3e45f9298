/* SPDX-License-Identifier: Apache-2.0
 *
 * Between report.c and report_detail.c.
 */
#ifndef HANGDOG_KERNEL_TEXT_REPORT_IMPL_H
#define HANGDOG_KERNEL_TEXT_REPORT_IMPL_H

#include "kernel/text/report.h"

void span_put (char *dst, size_t n, const char *s, size_t len);
bool span_begins (const char *s, size_t len, const char *word);
const char *span_find (const char *s, size_t len, const char *word);

void report_mark (struct report *r, enum item_kind kind);

/* What a line that is no frame says of the report: marks, names, numbers.
 * False = nothing. */
bool report_detail (struct report *r, const char *s, size_t len);
/* Takes the registers of a line that is the report's, if it has some. */
void report_registers (struct report *r, const char *s, size_t len);

/* Whether the line says who was killed. */
bool report_tells_victim (const struct rule_match *m);
/* Of a report of want of memory: whether the quiet since who was killed is its
 * end. */
bool report_oom_over (const struct report *r);

#endif
