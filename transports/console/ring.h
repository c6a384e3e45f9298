/* SPDX-License-Identifier: Apache-2.0
 *
 * What a console said last: a byte ring that drops the oldest.
 *
 * Positions are absolute byte counts since the ring was made, so that any
 * number of readers keep their own place and notice exactly how much they
 * missed.  One writer (the loop), many readers (job and text threads); the
 * ring's lock is the innermost one, nothing is called while it is held.
 * Arrival times are kept as marks, at most one per append, the last
 * RING_MARKS of them.
 */
#ifndef HANGDOG_TRANSPORTS_RING_H
#define HANGDOG_TRANSPORTS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct ring;

/* What a reader needs that comes when it is told to; what is older is in the
 * writer's log. */
#define RING_SMALL (4u << 10)
#define RING_LARGE (256u << 10)
#define RING_MARKS 32

int ring_new (size_t size, struct ring **ret_ring, struct error *err);
void ring_free (struct ring *r);

/* Loop thread.  Never blocks on a reader, never fails. */
void ring_append (struct ring *r, const void *data, size_t len,
                  uint64_t now_ms);
/* To another size, keeping the newest bytes; positions stay valid.  Without
 * memory it stays as it was. */
int ring_resize (struct ring *r, size_t size);

/* Copies what is there from *pos on (at most n bytes), moves *pos behind it.
 * If the ring has lost bytes at *pos, *ret_lost says how many were skipped
 * first.  0 = nothing new. */
size_t ring_read (struct ring *r, uint64_t *pos, void *dst, size_t n,
                  uint64_t *ret_lost);
uint64_t ring_head (struct ring *r); /* position behind the newest byte */
uint64_t ring_tail (struct ring *r); /* position of the oldest byte kept */
uint64_t ring_last_ms (struct ring *r); /* arrival of the newest byte, 0 none */
/* Arrival time of the append that brought byte pos, as well as it is known. */
uint64_t ring_time_of (struct ring *r, uint64_t pos);

/* What is known of when the bytes from `from` on came, oldest first: each mark
 * is good from its position to that of the next one.  The first may be at
 * `from` itself, of what came with bytes before it.  How many. */
struct ring_mark
{
  uint64_t pos, ms;
};
unsigned ring_marks (struct ring *r, uint64_t from,
                     struct ring_mark ret[RING_MARKS]);

/* Blocks until there is something behind pos, the ring is kicked, or the
 * deadline (clock_ms()) passes.  0, -ETIMEDOUT, or -ECANCELED when kicked. */
int ring_wait (struct ring *r, uint64_t pos, uint64_t deadline);
/* Wakes all waiters: something they should look at (a lost lease, a closed
 * console, a job told to stop). */
void ring_kick (struct ring *r);
/* For a reader that must not miss a kick between looking and waiting: how
 * many there were so far, and a wait that also ends when that number is not
 * *kicks any more (-ECANCELED; *kicks is brought up to date). */
uint64_t ring_kicks (struct ring *r);
int ring_wait_kicked (struct ring *r, uint64_t pos, uint64_t *kicks,
                      uint64_t deadline);

size_t ring_size (struct ring *r);

#endif
