/* SPDX-License-Identifier: Apache-2.0
 *
 * What checking documents found, for people and for programmes: the same from
 * the keeper (configuration) and from hangdog-check (scenarios).
 */
#ifndef HANGDOG_SUPERVISOR_FINDING_H
#define HANGDOG_SUPERVISOR_FINDING_H

#include <stdbool.h>

struct error;

struct findings
{
  bool json; /* rows on stdout; else errors on stderr, the rest on stdout */
  unsigned files, errors, notes;
};

void finding_error (struct findings *f, const char *file,
                    const struct error *err);
/* Nothing is wrong, but it is worth knowing. */
void finding_note (struct findings *f, const char *file, const char *text);
/* The last row; returns the exit code: 0, 2 for errors, 1 when not all of it
 * could be printed. */
int findings_end (const struct findings *f);

#endif
