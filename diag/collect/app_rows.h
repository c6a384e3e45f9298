/* SPDX-License-Identifier: Apache-2.0
 *
 * What a shell in the guest says of its processes, in the rows of a look
 * (docs/inspect-json.md): so that one judgement serves both vantage points.
 */
#ifndef HANGDOG_DIAG_APP_ROWS_H
#define HANGDOG_DIAG_APP_ROWS_H

#include "diag/collect/inside.h"

struct app_rows;
struct outside;

/* Read-only, bounded, in lines that a shell's editor takes (that of busybox
 * cuts at 1023 bytes) and in brackets, so that they are one command; with as
 * few processes of its own as it goes: of an emulated guest each costs tens of
 * milliseconds. */
extern const char app_rows_script[];

/* NULL: no memory.  Rows go to `to`, whose they are then. */
struct app_rows *app_rows_new (struct outside *to);
void app_rows_free (struct app_rows *r);
/* Any bytes. */
void app_rows_part (struct app_rows *r, const struct inside_part *part);
unsigned app_rows_processes (const struct app_rows *r);
/* A file system that has no room left; NULL = there is none. */
const char *app_rows_full (const struct app_rows *r);

#endif
