/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations and sizes as people write them: "500ms" "30s" "5m" "2h" "1d",
 * "512" "64KiB" "64MiB" "2GiB" (bytes).  A number without a unit is refused
 * for a duration: nobody should have to guess.  What the formatters write is
 * read back ("1m30s", "1.5MiB"); a duration finer than a millisecond is
 * refused.  Everything is overflow checked.
 */
#ifndef HANGDOG_BASE_UNITS_H
#define HANGDOG_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

struct error;

int units_parse_duration (const char *s, uint64_t *ret_ms, struct error *err);
int units_parse_size (const char *s, uint64_t *ret_bytes, struct error *err);

/* "1m30s", "250ms", "0s"; at most the two largest units.  Returns dst. */
char *units_format_duration (char *dst, size_t n, uint64_t ms);
/* "1.5MiB", "512B".  Returns dst. */
char *units_format_size (char *dst, size_t n, uint64_t bytes);

#endif
