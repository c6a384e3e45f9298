/* SPDX-License-Identifier: Apache-2.0
 *
 * Console bytes on their way from the daemon to the writer.
 *
 * A pipe of its own, because these are many and small and may be dropped,
 * where the writer's channel carries what may not.  A record is
 *
 *     u32 id · u32 len · u64 wall ms · len bytes          (little endian)
 *
 * id is declared by a channel message {"op":"console-open","id":N,
 * "uuid":U,"name":C} before its first record (the writer keeps records of an
 * id it does not know yet for up to 1 s).  len with the
 * top bit set is a gap mark: that many bytes (the low 31 bits) were dropped
 * here, no bytes follow.  The daemon gathers a round's records and writes
 * them without blocking, whole records only: a full pipe means a gap.
 */
#ifndef HANGDOG_SUPERVISOR_LOGPIPE_H
#define HANGDOG_SUPERVISOR_LOGPIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct logpipe;

#define LOGPIPE_GAP 0x80000000u
#define LOGPIPE_IDS 16384u /* an id is less, and so many are known at a time */
#define LOGPIPE_MAX_RECORD (64u << 10)

/* ---- the daemon's end ---- */

/* Takes fd (may be -1: everything is a gap until logpipe_set_fd). */
int logpipe_new (int fd, struct logpipe **ret, struct error *err);
void logpipe_free (struct logpipe *lp);
void logpipe_set_fd (struct logpipe *lp, int fd);
/* Gathers; false when it was dropped.  logpipe_flush() at the end of a
 * round. */
bool logpipe_put (struct logpipe *lp, uint32_t id, const void *data,
                  size_t len, uint64_t wall_ms);
void logpipe_flush (struct logpipe *lp);
/* Bytes gathered and not in the pipe yet. */
size_t logpipe_pending (const struct logpipe *lp);
/* All dropped so far, in bytes. */
uint64_t logpipe_dropped (const struct logpipe *lp);

/* ---- the writer's end ---- */

struct logpipe_reader;
typedef void logpipe_fn (uint32_t id, const void *data, size_t len,
                         uint64_t gap, uint64_t wall_ms, void *arg);
int logpipe_reader_new (int fd, struct logpipe_reader **ret,
                        struct error *err);
void logpipe_reader_free (struct logpipe_reader *r);
/* Reads what is there and calls fn per record.  0, or -EPIPE at the end. */
int logpipe_read (struct logpipe_reader *r, logpipe_fn *fn, void *arg,
                  struct error *err);

#endif
