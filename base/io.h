/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole reads and writes: the kernel may take less than it was given, and a
 * signal may come between.  For descriptors that block; all return 0 or a
 * negative errno.
 */
#ifndef HANGDOG_BASE_IO_H
#define HANGDOG_BASE_IO_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* To the end of the file, or until dst is full: a full dst may mean that
 * there is more. */
int io_read (int fd, void *dst, size_t cap, size_t *ret_len);
int io_write (int fd, const void *data, size_t len);
int io_pwrite (int fd, const void *data, size_t len, uint64_t offset);

/* Waits for poll()'s events until the deadline (CLOCK_NEVER: for ever);
 * -ETIMEDOUT. */
int io_wait (int fd, short events, uint64_t deadline);
/* All of it into a socket, which need not block: waits for room.
 * -ETIMEDOUT. */
int io_send (int fd, const void *data, size_t len, uint64_t deadline);

/* The first thing in main(): descriptors 0 to 2 are open from here on.  A
 * programme that was started without them would give their numbers to a socket
 * or to somebody's file, and print into that. */
void io_open_standard (void);
/* The last thing of a programme whose answer is what it prints: 0 when all of
 * it arrived, or when its reader went away and so has had enough. */
int io_finish_stdout (struct error *err);

/* Lists the folder that dirfd stands for, from its beginning; dirfd stays with
 * the caller.  NULL with errno. */
DIR *io_opendir (int dirfd);

#endif
