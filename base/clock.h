/* SPDX-License-Identifier: Apache-2.0
 *
 * Time.  Deadlines and ages use CLOCK_MONOTONIC in milliseconds; wall time is
 * only for what people and controllers read.
 */
#ifndef HANGDOG_BASE_CLOCK_H
#define HANGDOG_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_NEVER UINT64_MAX

uint64_t clock_ms (void);      /* CLOCK_MONOTONIC */
uint64_t clock_us (void);      /* CLOCK_MONOTONIC */
uint64_t clock_boot_ms (void); /* CLOCK_BOOTTIME: with the host's suspends */
uint64_t clock_cpu_us (void);  /* that this thread has used */
uint64_t clock_wall_ms (void); /* CLOCK_REALTIME since the epoch */

/* When a process began, by field 22 of its /proc/PID/stat, on clock_ms()'s
 * scale; 0: before that has begun (the host was suspended since). */
uint64_t clock_of_start (uint64_t ticks);

/* "2026-03-01T10:00:00.123Z"; n >= 25.  Returns dst. */
char *clock_format (char *dst, size_t n, uint64_t wall_ms);

#endif
