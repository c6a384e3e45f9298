/* SPDX-License-Identifier: Apache-2.0
 *
 * The other end of a socket, for tests of frames and channels: raw bytes,
 * descriptors out of place, and a count of those that leak.
 */
#ifndef HANGDOG_TESTS_FRAME_PEER_H
#define HANGDOG_TESTS_FRAME_PEER_H

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <dirent.h>
#include <endian.h>
#include <string.h>
#include <sys/socket.h>

static inline unsigned
count_fds (void)
{
  CLEANUP_CLOSEDIR DIR *d = opendir ("/proc/self/fd");
  unsigned n = 0;

  while (readdir (d))
    n++;
  return n;
}

/* What a socket holds is the kernel's own default, whatever this machine was
 * told: the tests send more than that, and less. */
static inline void
pair (int sv[2])
{
  const int half = 106496;

  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
  for (int i = 0; i < 2; i++)
    (void) setsockopt (sv[i], SOL_SOCKET, SO_SNDBUF, &half, sizeof half);
}

static inline struct json_object *
op (const char *name)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", name);
  return o;
}

static inline uint64_t
in_ms (uint64_t ms)
{
  return clock_ms () + ms;
}

/* A frame by hand: returns its length. */
static inline size_t
raw (char *dst, const char *head, uint32_t body_len)
{
  uint32_t v = htole32 ((uint32_t) strlen (head));

  memcpy (dst, "HDF1", 4);
  memcpy (dst + 4, &v, 4);
  v = htole32 (body_len);
  memcpy (dst + 8, &v, 4);
  memcpy (dst + 12, head, strlen (head));
  memset (dst + 12 + strlen (head), 'b', body_len);
  return 12 + strlen (head) + body_len;
}

static inline ssize_t
send_fds (int sock, const void *data, size_t len, int fd, unsigned n)
{
  union
  {
    char bytes[CMSG_SPACE (64 * sizeof (int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = { (void *) data, len };
  struct msghdr msg = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = CMSG_SPACE (n * sizeof (int)) };
  struct cmsghdr *c;

  memset (&control, 0, sizeof control);
  c = CMSG_FIRSTHDR (&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN (n * sizeof (int));
  for (unsigned i = 0; i < n; i++)
    memcpy (CMSG_DATA (c) + i * sizeof (int), &fd, sizeof fd);
  return sendmsg (sock, &msg, MSG_NOSIGNAL);
}

#endif
