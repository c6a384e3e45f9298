/* SPDX-License-Identifier: Apache-2.0
 *
 * tcp-peer: both ends of a TCP connection on loopback, for shell tests.
 *
 *   tcp-peer serve
 *     Prints its port, then takes one connection after the other: reads to
 *     the end of the stream, answers "got BYTES sum CRC" and closes.  A line
 *     on stdout for each: that, or "broken after BYTES".  Until killed.
 *   tcp-peer send PORT BYTES [TIMEOUT_MS]
 *     Sends BYTES of a fixed pattern, ends its side, prints what is answered
 *     and " in MS".  Status: 0 answered, 3 reset, 4 nothing within TIMEOUT_MS
 *     (10000), 5 closed without an answer.
 *   tcp-peer sum BYTES
 *     Prints the answer that a server gives to so many bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/store.h"

static void
pattern (unsigned char *dst, size_t len, size_t at)
{
  for (size_t i = 0; i < len; i++, at++)
    dst[i] = (unsigned char) (at * 31 + (at >> 8));
}

static int
listen_any (unsigned *ret_port)
{
  struct sockaddr_in a
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof a;
  CLEANUP_CLOSE int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || bind (fd, (struct sockaddr *) &a, len) < 0
      || listen (fd, 64) < 0
      || getsockname (fd, (struct sockaddr *) &a, &len) < 0)
    return -1;
  *ret_port = ntohs (a.sin_port);
  return steal_fd (&fd);
}

static void
answer (int fd)
{
  unsigned char data[65536];
  char reply[64];
  uint64_t total = 0;
  uint32_t sum = 0;
  ssize_t n;

  while ((n = recv (fd, data, sizeof data, 0)) > 0)
    {
      sum = crc32c (sum, data, (size_t) n);
      total += (uint64_t) n;
    }
  if (n < 0)
    {
      printf ("broken after %llu\n", (unsigned long long) total);
      return;
    }
  int len = snprintf (reply, sizeof reply, "got %llu sum %08x\n",
                      (unsigned long long) total, sum);
  fputs (reply, stdout);
  (void) !send (fd, reply, (size_t) len, MSG_NOSIGNAL);
}

static int
do_serve (void)
{
  unsigned port;
  CLEANUP_CLOSE int listener = listen_any (&port);

  if (listener < 0)
    return 1;
  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("%u\n", port);
  for (;;)
    {
      CLEANUP_CLOSE int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

      if (fd >= 0)
        answer (fd);
    }
}

/* 0 when ready, else the exit status. */
static int
await_fd (int fd, short events, uint64_t deadline)
{
  uint64_t now = clock_ms ();
  struct pollfd pfd = { .fd = fd, .events = events };

  if (now < deadline && poll (&pfd, 1, (int) (deadline - now)) > 0)
    return 0;
  puts ("timeout");
  return 4;
}

static int
send_all (int fd, size_t total, uint64_t deadline)
{
  unsigned char data[16384];

  for (size_t at = 0; at < total;)
    {
      size_t want = total - at < sizeof data ? total - at : sizeof data;
      int r = await_fd (fd, POLLOUT, deadline);

      if (r > 0)
        return r;
      pattern (data, want, at);
      ssize_t n = send (fd, data, want, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN)
        {
          puts ("reset");
          return 3;
        }
      at += n > 0 ? (size_t) n : 0;
    }
  shutdown (fd, SHUT_WR);
  return 0;
}

static int
do_send (int port, size_t total, uint64_t timeout_ms)
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_port = htons ((uint16_t) port),
                           .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  CLEANUP_CLOSE int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  uint64_t start = clock_ms (), deadline = start + timeout_ms;
  char reply[256];
  size_t len = 0;
  ssize_t n = 1;

  if (fd < 0 || connect (fd, (struct sockaddr *) &a, sizeof a) < 0)
    {
      perror ("connect");
      return 1;
    }
  int r = send_all (fd, total, deadline);
  while (r == 0 && n > 0 && len < sizeof reply - 1)
    {
      r = await_fd (fd, POLLIN, deadline);
      if (r == 0)
        n = recv (fd, reply + len, sizeof reply - 1 - len, 0);
      if (r == 0 && n > 0)
        len += (size_t) n;
    }
  if (r > 0)
    return r;
  if (n < 0)
    {
      puts ("reset");
      return 3;
    }
  if (len == 0)
    {
      puts ("closed");
      return 5;
    }
  reply[len] = '\0';
  reply[strcspn (reply, "\n")] = '\0';
  printf ("%s in %llu\n", reply, (unsigned long long) (clock_ms () - start));
  return 0;
}

static int
do_sum (size_t total)
{
  unsigned char data[16384];
  uint32_t sum = 0;

  for (size_t at = 0; at < total;)
    {
      size_t n = total - at < sizeof data ? total - at : sizeof data;

      pattern (data, n, at);
      sum = crc32c (sum, data, n);
      at += n;
    }
  printf ("got %zu sum %08x\n", total, sum);
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc == 2 && strcmp (argv[1], "serve") == 0)
    return do_serve ();
  if (argc == 3 && strcmp (argv[1], "sum") == 0)
    return do_sum (strtoull (argv[2], NULL, 10));
  if ((argc == 4 || argc == 5) && strcmp (argv[1], "send") == 0)
    return do_send (atoi (argv[2]), strtoull (argv[3], NULL, 10),
                    argc == 5 ? strtoull (argv[4], NULL, 10) : 10000);
  fputs ("usage: tcp-peer serve | send PORT BYTES [TIMEOUT_MS] | sum BYTES\n",
         stderr);
  return 2;
}
