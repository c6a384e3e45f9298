/* SPDX-License-Identifier: Apache-2.0
 *
 * fake-peer MODE: a server on loopback that behaves, or means ill in one way.
 *
 * Prints its port when it listens, and ends with its standard input.  Modes:
 *   well      greets as an sshd does, and hangs up
 *   greets    greets so, and never says a word again
 *   trickle   a byte a second, for ever
 *   headers   the beginning of an HTTP answer, then its headers a byte a second
 *   content   an HTTP answer whose content comes a byte a second
 *   flood     more bytes than anybody can read, for ever
 *   dns       UDP: whoever asked gets datagrams of garbage for ever
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEERS 64
#define DATAGRAMS 20 /* each time round */

static const char *mode;
static char piece[65536];
static uint32_t noise = 1;

static bool
is (const char *name)
{
  return strcmp (mode, name) == 0;
}

static uint64_t
now_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

/* Ends the process with its standard input: no test leaves one behind. */
static bool
wait_or_end (int fd, int ms)
{
  struct pollfd p[2] = { { .fd = 0, .events = POLLIN },
                         { .fd = fd, .events = POLLIN } };
  char c;

  if (poll (p, 2, ms) < 0 && errno != EINTR)
    exit (1);
  if (p[0].revents && read (0, &c, 1) <= 0)
    exit (0);
  return p[1].revents != 0;
}

static int
bound (int type)
{
  struct sockaddr_in a
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof a;
  int fd = socket (AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0 || bind (fd, (struct sockaddr *) &a, len) < 0
      || (type == SOCK_STREAM && listen (fd, PEERS) < 0)
      || getsockname (fd, (struct sockaddr *) &a, &len) < 0)
    {
      perror ("fake-peer");
      exit (1);
    }
  printf ("%u\n", ntohs (a.sin_port));
  fflush (stdout);
  return fd;
}

static bool
say (int fd, const char *text, size_t len)
{
  ssize_t n = send (fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool
say_text (int fd, const char *text)
{
  return say (fd, text, strlen (text));
}

static bool
greet (int fd)
{
  static const char http[] = "HTTP/1.1 200 OK\r\nServer: x\r\nX-Long: ";

  if (is ("well") || is ("greets"))
    return say_text (fd, "SSH-2.0-fake\r\n") && is ("greets");
  if (is ("headers"))
    return say_text (fd, http);
  if (is ("content"))
    return say_text (fd, http) && say_text (fd, "\r\n\r\n");
  return true;
}

static bool
gone (int fd)
{
  char c[4096];
  ssize_t n = recv (fd, c, sizeof c, MSG_DONTWAIT);

  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void
serve (void)
{
  int listener = bound (SOCK_STREAM), fds[PEERS], n = 0;
  uint64_t at = 0;

  for (;;)
    {
      bool second = now_ms () - at >= 1000;
      int fd;

      if (second)
        at = now_ms ();
      if (wait_or_end (n < PEERS ? listener : -1, is ("flood") ? 5 : 50)
          && (fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        {
          if (greet (fd))
            fds[n++] = fd;
          else
            close (fd);
        }
      for (int i = 0; i < n; i++)
        {
          bool go = !gone (fds[i]);

          if (go && is ("flood"))
            go = say (fds[i], piece, sizeof piece);
          else if (go && second && !is ("greets"))
            go = say (fds[i], "x", 1);
          if (!go)
            {
              close (fds[i]);
              fds[i--] = fds[--n];
            }
        }
    }
}

/* Half of it with the head and the words of the question, so that it is read
 * further: counts of records that are not there, names that point at
 * themselves. */
static size_t
garble (char *out, const char *asked, size_t len)
{
  size_t n = 12 + len;

  for (size_t i = 0; i < 512; i++)
    {
      noise = noise * 1664525u + 1013904223u;
      out[i] = (char) (noise >> 24);
    }
  if (noise & 0x100)
    return 512;
  memcpy (out, asked, len);
  out[2] = (char) 0x81;
  out[3] = 0;
  out[6] = (char) 0xff;
  out[7] = (char) 0xff;
  out[len] = (char) 0xc0;
  out[len + 1] = (char) len;
  return n;
}

static void
serve_dns (void)
{
  int fd = bound (SOCK_DGRAM);
  char asked[300], out[1024];
  struct sockaddr_in from;
  socklen_t len = sizeof from;
  ssize_t n = 0, got;

  for (;;)
    {
      if (wait_or_end (fd, n >= 12 ? 2 : -1))
        {
          got = recvfrom (fd, asked, sizeof asked, 0,
                          (struct sockaddr *) &from, &len);
          n = got >= 12 ? got : n;
        }
      for (int i = 0; n >= 12 && i < DATAGRAMS; i++)
        (void) sendto (fd, out, garble (out, asked, (size_t) n), 0,
                       (struct sockaddr *) &from, sizeof from);
    }
}

int
main (int argc, char **argv)
{
  if (argc != 2)
    return 2;
  mode = argv[1];
  memset (piece, 'x', sizeof piece);
  if (is ("dns"))
    serve_dns ();
  serve ();
}
