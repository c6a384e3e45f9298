/* SPDX-License-Identifier: Apache-2.0
 *
 * How far long work is, on stderr: a bar on a terminal, which the next one
 * takes the place of; in a pipe lines that a programme can follow:
 *
 *   BEGIN OF
 *   PROGRESS OF N/TOTAL what   (once a second at most, and not in the first)
 *   OK OF text          or: FAIL OF text
 *
 * OF is a guest, a file: what the work is of.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_PROGRESS_H
#define HANGDOG_SUPERVISOR_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress
{
  const char *of;
  uint64_t begun, shown; /* clock_ms() */
  bool terminal, quiet;
  bool late; /* not begun: it may be short */
  bool on; /* a bar stands there */
};

/* quiet: nothing is said at all, as with --json.  of stays the caller's. */
void progress_begin (struct progress *p, const char *of, bool quiet);
/* The same of work that is short as a rule: nothing is said, BEGIN neither, if
 * it ends within a second. */
void progress_late (struct progress *p, const char *of, bool quiet);
/* n of total is done.  what: for people, may be somebody else's text. */
void progress_step (struct progress *p, uint64_t n, uint64_t total,
                    const char *what);
/* The same of one that is to be read in any case, as what came of it. */
void progress_told (struct progress *p, uint64_t n, uint64_t total,
                    const char *what);
/* Of bytes: five times a second on a terminal. */
void progress_bytes (struct progress *p, uint64_t done, uint64_t total);
/* The same, for who is given a function: p is a struct progress. */
void progress_far (uint64_t done, uint64_t total, void *p);
/* The bar is taken away: for a line that is to stay. */
void progress_clear (struct progress *p);
/* text "": there is nothing more to say.  True: a line says it, and who said
 * it again as an error would say it twice. */
bool progress_end (struct progress *p, bool ok, const char *text);

/* "WORD OF", for who does several at once. */
void progress_say (const char *word, const char *of);

unsigned progress_percent (uint64_t done, uint64_t total);
/* "[=====>    ]"; returns dst. */
char *progress_bar (char *dst, size_t n, uint64_t done, uint64_t total);
/* "1.5GiB of 3GiB  400MiB/s  3s left"; returns dst. */
char *progress_rate (char *dst, size_t n, uint64_t done, uint64_t total,
                     uint64_t ms);

#endif
