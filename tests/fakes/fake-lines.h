/* SPDX-License-Identifier: Apache-2.0
 *
 * A server at a socket that is asked in lines, for fake-qga and fake-qmp.
 * Included once in a programme, which says how it serves who has come; it
 * ends with its standard input.
 */
#ifndef HANGDOG_TEST_FAKE_LINES_H
#define HANGDOG_TEST_FAKE_LINES_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *mode;

static inline bool
is (const char *name)
{
  return strcmp (mode, name) == 0;
}

/* Ends the process with its standard input: no test leaves one behind. */
static inline bool
wait_or_end (int fd, short events, int ms)
{
  struct pollfd p[2]
      = { { .fd = 0, .events = POLLIN }, { .fd = fd, .events = events } };
  char c;
  int r;

  while ((r = poll (p, 2, ms)) < 0 && errno == EINTR)
    ;
  if (p[0].revents && read (0, &c, 1) <= 0)
    exit (0);
  return r > 0;
}

static inline bool
say (int fd, const char *text, size_t len)
{
  size_t step = is ("bytewise") || is ("slow") ? 1 : len;

  while (len > 0)
    {
      ssize_t n;

      if (is ("slow"))
        wait_or_end (-1, 0, 1000);
      wait_or_end (fd, POLLOUT, -1);
      n = send (fd, text, step < len ? step : len, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
      if (n > 0)
        {
          text += n;
          len -= (size_t) n;
        }
    }
  return true;
}

static inline bool
say_text (int fd, const char *text)
{
  return say (fd, text, strlen (text));
}

static inline void
hold (int fd)
{
  char c[256];
  ssize_t n;

  do
    {
      wait_or_end (fd, POLLIN, -1);
      n = recv (fd, c, sizeof c, 0);
    }
  while (n > 0 || (n < 0 && errno == EAGAIN));
}

/* The text of the value of "key" in line, as it stands there. */
static inline void
value_of (const char *line, const char *key, char *dst, size_t n)
{
  const char *p = strstr (line, key);

  dst[0] = '\0';
  if (!p)
    return;
  p += strlen (key);
  p += strspn (p, "\": ");
  snprintf (dst, n, "%.*s", (int) strcspn (p, "\",}"), p);
}

/* Until answer says false, or nobody is there to be answered. */
static inline void
converse (int fd, bool (*answer) (int fd, const char *line))
{
  char line[8192];
  size_t len = 0;

  for (;;)
    {
      ssize_t n;
      char *end;

      wait_or_end (fd, POLLIN, -1);
      n = recv (fd, line + len, sizeof line - 1 - len, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (n <= 0)
        return;
      len += (size_t) n;
      line[len] = '\0';
      while ((end = strchr (line, '\n')))
        {
          *end = '\0';
          if (!answer (fd, line))
            return;
          len -= (size_t) (end + 1 - line);
          memmove (line, end + 1, len + 1);
        }
      if (len == sizeof line - 1)
        return;
    }
}

/* MODE SOCKET; what follows is for who looks for a QEMU.  One at a time. */
static inline int
serve_at (int argc, char **argv, void (*serve) (int fd))
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  int s;

  if (argc < 3 || strlen (argv[2]) >= sizeof sa.sun_path)
    return 2;
  mode = argv[1];
  strncpy (sa.sun_path, argv[2], sizeof sa.sun_path - 1);
  s = socket (AF_UNIX, SOCK_STREAM, 0);
  if (s < 0 || bind (s, (struct sockaddr *) &sa, sizeof sa) < 0
      || listen (s, is ("no-accept") ? 0 : 4) < 0)
    {
      perror (argv[2]);
      return 1;
    }
  puts ("ready");
  fflush (stdout);
  for (;;)
    {
      int fd;

      wait_or_end (is ("no-accept") ? -1 : s, POLLIN, -1);
      fd = accept (s, NULL, NULL);
      if (fd < 0)
        continue;
      fcntl (fd, F_SETFL, O_NONBLOCK);
      serve (fd);
      close (fd);
    }
}

#endif
