/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets in the file system: who is there, who is dead, what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/channel.h"
#include "base/error.h"
#include "tests/lib/tmpdir.h"

static void
test_sockets (void **state)
{
  char path[80], file[80], far[200];
  struct tmpdir tmp;
  struct error err = ERROR_INIT;
  int l = -1, c = -1, x = -1;
  struct stat st;
  pid_t pid = 0;
  uid_t uid = 1;

  assert_int_equal (tmpdir_make (&tmp), 0);
  snprintf (path, sizeof path, "%s/sock", tmp.path);
  snprintf (file, sizeof file, "%s/file", tmp.path);
  memset (far, 'x', sizeof far);
  far[sizeof far - 1] = '\0';
  assert_int_equal (socket_connect (path, &x, &err), -ENOENT);
  assert_int_equal (socket_listen (far, 0600, &x, &err), -ENAMETOOLONG);
  assert_int_equal (socket_listen (path, 0660, &l, &err), 0);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0660);
  assert_int_equal (socket_listen (path, 0600, &x, &err), -EADDRINUSE);
  assert_int_equal (socket_connect (path, &c, &err), 0);
  assert_int_equal (socket_peer (c, &pid, &uid, NULL, &err), 0);
  assert_int_equal (pid, getpid ());
  assert_int_equal (uid, geteuid ());
  assert_true (fcntl (c, F_GETFL) & O_NONBLOCK);
  /* A listener that is full is alive. */
  assert_int_equal (listen (l, 0), 0);
  assert_int_equal (socket_connect (path, &x, &err), -EAGAIN);
  assert_int_equal (socket_listen (path, 0600, &x, &err), -EADDRINUSE);
  close (c);
  close (l);
  /* Dead: refused, and replaced. */
  assert_int_equal (socket_connect (path, &x, &err), -ECONNREFUSED);
  assert_int_equal (socket_listen (path, 0600, &l, &err), 0);
  close (l);
  /* What is no socket stays. */
  assert_int_equal (close (open (file, O_CREAT | O_WRONLY, 0600)), 0);
  assert_int_equal (socket_listen (file, 0600, &x, &err), -EADDRINUSE);
  assert_int_equal (stat (file, &st), 0);
  assert_int_equal (x, -1);
  tmpdir_done (&tmp);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_sockets),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
