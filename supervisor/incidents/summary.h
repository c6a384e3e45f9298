/* SPDX-License-Identifier: Apache-2.0
 *
 * summary.txt: the answer for a person, 80 columns, the verdict first.
 */
#ifndef HANGDOG_SUPERVISOR_SUMMARY_H
#define HANGDOG_SUPERVISOR_SUMMARY_H

#include "diag/incident.h"

struct buf;

void summary_text (const struct incident *inc, struct json_object *head,
                   struct buf *out);
/* The same for `less -R`: SGR alone, of 16 colours, put back at the end of each
 * line, so that a jump into the middle shows no other colour. */
void summary_ansi (const char *text, struct buf *out);

#endif
