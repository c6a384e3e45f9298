/* SPDX-License-Identifier: Apache-2.0
 *
 * A chardev's socket of QEMU: has it accepted us, and who else is there?
 *
 * Such a socket serves one client.  A second one connects all the same, as far
 * as it can tell, and waits in the listener's queue.  The kernel knows
 * (sockdiag.h):
 *   - a connected socket whose peer has no inode was not accepted yet;
 *   - a listener's queue names the inodes of those who wait in it;
 *   - accepted sockets carry the listener's file, whatever the path to it is
 *     called in this mount namespace.
 * A listener in another network namespace is simply not found, and then nobody
 * is seen to wait.  All but the last of these are for a job's thread.
 */
#ifndef HANGDOG_TRANSPORTS_CHARDEV_H
#define HANGDOG_TRANSPORTS_CHARDEV_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct sockdiag_answer;

/* A listening socket's file, as the kernel's socket diagnosis knows it: the
 * only name that holds across mount namespaces. */
struct socket_file
{
  bool known;
  uint32_t dev, ino;
};

/* 0 once QEMU has accepted fd, and the listener's file, if it can be told;
 * -EBUSY when somebody else is connected, -ETIMEDOUT when nobody is and it does
 * not. */
int chardev_wait_accepted (int fd, uint64_t deadline,
                           struct socket_file *ret_file, struct error *err);
/* Why its queue was full (the opener's -EAGAIN): the same two. */
int chardev_queue_full (const char *root, const char *name,
                        struct error *err);
/* Is somebody else connected to the listener that has our fd in its queue?
 * 1 yes, 0 no, < 0 not known. */
int chardev_held_by_other (int fd);
/* The same of the listener at a path, for when we are not even queued. */
int chardev_file_held (const char *path);
bool socket_file_is (const struct socket_file *file,
                     const struct sockdiag_answer *a);

#endif
