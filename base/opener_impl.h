/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the opener: what opener.c, opener_proc.c and opener_tty.c share.
 */
#ifndef HANGDOG_BASE_OPENER_IMPL_H
#define HANGDOG_BASE_OPENER_IMPL_H

#include "base/opener.h"

/* "/proc/self/fd/N" */
struct fd_path
{
  char text[32];
};
struct fd_path fd_path_ (int fd);

/* Opens root/path without leaving root. */
int open_beneath_ (const struct open_req *req, int flags, struct error *err);

int open_proc_ (const struct open_req *req, int *ret_fd, struct error *err);

/* text in memory, which nobody changes any more; -errno. */
int open_sealed_ (const char *text, size_t len, int *ret_fd);

int check_kmsg_ (const struct open_req *req, struct error *err);
int open_kmsg_ (const struct open_req *req, int *ret_fd, struct error *err);

int check_health_ (const struct open_req *req, struct error *err);
/* Below sys ("/sys/dev/block"): that device has been suspended, and would be
 * woken by whoever opens it. */
bool open_suspended_ (const char *sys, const char *number);
/* From the sense data that CHECK POWER MODE left; -EBADMSG: it does not say. */
int open_asleep_ (const uint8_t *sense, size_t n, bool *ret);
int open_health_ (const struct open_req *req, int *ret_fd, struct error *err);

/* Is the request for a socket well-formed? */
int check_socket_ (const struct open_req *req, struct error *err);
int open_socket_ (const struct open_req *req, int *ret_fd, struct error *err);

int open_tty_ (const struct open_req *req, int *ret_fd, int *ret_lock,
               struct error *err);

#endif
