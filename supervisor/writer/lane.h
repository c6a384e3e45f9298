/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane: one thread that does what it is given, in order.
 *
 * The writer has one for the disk, one for shipping and one for looking at
 * what may hang.  What is given runs on the lane's thread and is then done
 * with; it reports back by loop_post().  Any thread.
 */
#ifndef HANGDOG_SUPERVISOR_LANE_H
#define HANGDOG_SUPERVISOR_LANE_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct lane;

typedef void lane_fn (void *arg);

int lane_new (const char *name, struct lane **ret, struct error *err);
/* Waits for the thread to end what it is at (which a hung disk never does:
 * a process that must end in spite of it does so without this). */
void lane_free (struct lane *l);
/* Runs fn(arg) on the lane; drop(arg) instead if the lane is freed first.
 * -EBUSY when max is not 0 and so many wait already; -ENOMEM. */
int lane_add (struct lane *l, size_t max, lane_fn *fn, void *arg,
              lane_fn *drop);
/* For how long the present one has been at it, 0 when idle. */
uint64_t lane_busy_ms (struct lane *l);
size_t lane_waiting (struct lane *l);

#endif
