/* SPDX-License-Identifier: Apache-2.0
 *
 * line-check: is every log line of a fake console there?  Reads what it said
 * on stdin until the end; prints "LINES LOST BROKEN".
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/fakes/fakecons.h"

int
main (void)
{
  static struct fakecheck c;
  static char buf[65536];
  ssize_t n;

  while ((n = read (STDIN_FILENO, buf, sizeof buf)) > 0)
    fakecheck_feed (&c, buf, (size_t) n);
  printf ("%llu %llu %llu\n", (unsigned long long) c.lines,
          (unsigned long long) c.lost, (unsigned long long) c.broken);
  return 0;
}
