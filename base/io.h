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

/* To the end of the file, or until dst is full: a full dst may mean that
 * there is more. */
int io_read (int fd, void *dst, size_t cap, size_t *ret_len);
int io_write (int fd, const void *data, size_t len);
int io_pwrite (int fd, const void *data, size_t len, uint64_t offset);

/* Lists the folder that dirfd stands for, from its beginning; dirfd stays with
 * the caller.  NULL with errno. */
DIR *io_opendir (int dirfd);

#endif
