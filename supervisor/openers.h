/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening without waiting: what a dead file system holds for ever is a helper
 * process, never the keeper.
 *
 * A helper is a fork of the keeper with its rights and none of its
 * descriptors.  It does one request at a time.  A request that takes longer
 * than OPENERS_SLOW_MS is given up; its helper is left to it, and as long as
 * it is stuck, what lies in the same folder (root and first component) is
 * refused at once.  So a dead folder costs at most OPENERS_PER_FOLDER helpers.
 */
#ifndef HANGDOG_SUPERVISOR_OPENERS_H
#define HANGDOG_SUPERVISOR_OPENERS_H

#include <stdint.h>

struct error;
struct loop;
struct open_req;
struct openers;

#define OPENERS_SLOW_MS 1000
#define OPENERS_MAX 16
#define OPENERS_PER_FOLDER 2
#define OPENERS_QUEUED 4096

/* Called once per request, on the loop; the descriptors are the callee's.
 * lock is -1 where there is none. */
typedef void openers_done_fn (int fd, int lock, const struct error *err,
                              void *arg);

int openers_new (struct loop *loop, struct openers **ret, struct error *err);
/* Every done() that is owed is called, with -ECANCELED. */
void openers_free (struct openers *o);
/* req is copied.  done() may be called before this returns. */
void openers_ask (struct openers *o, const struct open_req *req,
                  openers_done_fn *done, void *arg);

#endif
