/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening what the daemon itself may not.
 *
 * Rooms that need a descriptor of something privileged (a guest's console,
 * its monitor socket, a file in its run directory, /proc/PID/mem) ask an
 * opener.  In the daemon that is the keeper, over its socket; in tests and in
 * the keeper itself it is opener_local().  A request names a *root* from the
 * configuration and a path beneath it, never a free path; symbolic links
 * inside the root are not followed out of it (openat2, RESOLVE_BENEATH).
 */
#ifndef HANGDOG_BASE_OPENER_H
#define HANGDOG_BASE_OPENER_H

#include <stdint.h>

struct error;

enum open_kind
{
  OPEN_FILE,    /* O_RDONLY regular file */
  OPEN_DIR,     /* O_RDONLY|O_DIRECTORY, for listing */
  OPEN_INOTIFY, /* a new inotify fd watching that folder for create, delete,
                   moved-to, close-write */
  OPEN_UNIX,    /* a connected SOCK_STREAM, non-blocking; -EAGAIN: held by
                   another (the listener's queue is full) */
  OPEN_TTY,     /* a terminal device, O_RDWR|O_NOCTTY|O_NONBLOCK, exclusive
                   through the UUCP lock libvirt uses: -EBUSY when held.  A
                   second descriptor (ret_lock) holds the lock: closing it
                   lets go */
  OPEN_PROC,    /* path "PID/NAME" below /proc for NAME in a fixed list (mem,
                   stack, syscall, wchan, status, ns/net, pidfd, task); the
                   process's start time must equal check_start */
  OPEN_KIND_MAX,
};

struct open_req
{
  enum open_kind kind;
  const char *root;     /* absolute folder, must be one the keeper was told */
  const char *path;     /* relative to root */
  int32_t check_pid;    /* OPEN_UNIX: the peer must be this process (0 = any) */
  uint64_t check_start; /* start time that check_pid (or PID) must have */
};

struct opener
{
  /* Blocking, any thread but the loop's; never longer than deadline
   * (clock_ms()).  *ret_lock may be NULL; it is set to -1 where there is no
   * lock. */
  int (*open) (struct opener *self, const struct open_req *req,
               uint64_t deadline, int *ret_fd, int *ret_lock,
               struct error *err);
};

/* Opens with the rights of the calling process.  nroots = 0: any root. */
struct opener *opener_local (void);
int opener_do (const struct open_req *req, int *ret_fd, int *ret_lock,
               struct error *err);

/* Start time (field 22 of /proc/PID/stat) or -ESRCH. */
int proc_start_time (int32_t pid, uint64_t *ret, struct error *err);

#endif
