/* SPDX-License-Identifier: Apache-2.0
 *
 * The plainest reader there is of one console, to compare with.
 *
 *   plain-reader [-s SWEEP_MS] [-l LOG] PATH
 *
 * Reads PATH (a pty or a unix socket) as soon as there is something, or, with
 * -s, leaves it alone for so long after it became readable; appends what came
 * to LOG.  Until SIGTERM; then says how many bytes came.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ending;

static void
on_term (int sig)
{
  ending = 1;
}

static int
open_console (const char *path)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  struct termios t;
  struct stat st;
  int fd;

  if (stat (path, &st) < 0)
    return -1;
  if (S_ISSOCK (st.st_mode))
    {
      snprintf (sa.sun_path, sizeof sa.sun_path, "%s", path);
      fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd < 0 || connect (fd, (struct sockaddr *) &sa, sizeof sa) < 0)
        return -1;
    }
  else
    {
      fd = open (path, O_RDWR | O_NOCTTY | O_CLOEXEC);
      if (fd < 0 || tcgetattr (fd, &t) < 0)
        return -1;
      cfmakeraw (&t);
      (void) tcsetattr (fd, TCSANOW, &t);
    }
  (void) fcntl (fd, F_SETFL, O_NONBLOCK);
  return fd;
}

int
main (int argc, char **argv)
{
  struct sigaction term = { .sa_handler = on_term };
  unsigned long long total = 0;
  struct timespec sweep = { 0 };
  static char buf[65536];
  int fd, log = -1, o;
  ssize_t n;

  while ((o = getopt (argc, argv, "s:l:")) != -1)
    switch (o)
      {
      case 's':
        sweep.tv_nsec = atol (optarg) * 1000000;
        break;
      case 'l':
        log = open (optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        break;
      default:
        return 2;
      }
  fd = optind < argc ? open_console (argv[optind]) : -1;
  if (fd < 0)
    {
      fprintf (stderr, "plain-reader: %s\n", strerror (errno));
      return 1;
    }
  (void) sigaction (SIGTERM, &term, NULL);
  while (!ending)
    {
      struct pollfd p = { .fd = fd, .events = POLLIN };

      if (poll (&p, 1, -1) < 0)
        continue;
      if (sweep.tv_nsec)
        (void) nanosleep (&sweep, NULL);
      n = read (fd, buf, sizeof buf);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        break;
      if (n < 0)
        continue;
      total += (unsigned long long) n;
      if (log >= 0 && write (log, buf, (size_t) n) != n)
        return 1;
    }
  printf ("%llu\n", total);
  return 0;
}
