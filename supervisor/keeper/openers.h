/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening without waiting: what a dead file system holds for ever is a helper
 * process, never the keeper.
 *
 * A helper is a fork of the keeper with its rights and none of its
 * descriptors.  It does one request at a time.  A request that takes longer
 * than OPENERS_SLOW_MS is given up; its helper is left to it, and as long as
 * it is stuck, the same path is refused at once, and with OPENERS_PER_FOLDER
 * stuck helpers all that lies in the same folder (root and first component; of
 * mailboxes, the root; a disk that is asked how it is, OPEN_HEALTH, and a file
 * that a QEMU has open, "PID/fd/N", are each one by itself).  Mailboxes lie
 * where guests' disks do, and are read to find out that they are some: however
 * many of their folders are dead, they get no more than OPENERS_OF_MAILBOXES
 * helpers, disks that are asked how they are no more than OPENERS_OF_HEALTH,
 * and files of QEMUs OPENERS_OF_IMAGES: of these -EAGAIN says so, for what is
 * refused by that alone is not late.
 */
#ifndef HANGDOG_SUPERVISOR_OPENERS_H
#define HANGDOG_SUPERVISOR_OPENERS_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct loop;
struct open_req;
struct openers;

#define OPENERS_SLOW_MS 1000
#define OPENERS_MAX 20
#define OPENERS_PER_FOLDER 2
#define OPENERS_OF_MAILBOXES 8
#define OPENERS_OF_HEALTH 4
#define OPENERS_OF_IMAGES 4
#define OPENERS_QUEUED 4096

/* Called once per request, on the loop; the descriptors are the callee's.
 * lock is -1 where there is none. */
typedef void openers_done_fn (int fd, int lock, const struct error *err,
                              void *arg);

/* A folder stopped answering, or answers again. */
typedef void openers_stuck_fn (const char *folder, bool stuck,
                               uint64_t since_ms, void *arg);

int openers_new (struct loop *loop, openers_stuck_fn *fn, void *arg,
                 struct openers **ret, struct error *err);
/* Every done() that is owed is called, with -ECANCELED. */
void openers_free (struct openers *o);
/* Calls the stuck function again for all that are. */
void openers_tell_stuck (struct openers *o);
/* req is copied.  done() may be called before this returns. */
void openers_ask (struct openers *o, const struct open_req *req,
                  openers_done_fn *done, void *arg);

#endif
