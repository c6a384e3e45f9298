/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that watches the daemon's own loop.  A live but stuck daemon is
 * worse than a dead one: consoles that are open and not read stop their
 * guests.  When the loop has been in one round for `stuck_ms`, the thread
 * lets go of all consoles and ends the process.  It counts only time in which
 * it ran on schedule itself: a starved host is not a stuck daemon.
 */
#ifndef HANGDOG_SUPERVISOR_WATCHDOG_H
#define HANGDOG_SUPERVISOR_WATCHDOG_H

#include <stdint.h>

struct error;
struct hub;
struct loop;
struct watchdog;

int watchdog_start (struct loop *loop, struct hub *hub, uint64_t stuck_ms,
                    struct watchdog **ret, struct error *err);
void watchdog_stop (struct watchdog *w);

#endif
