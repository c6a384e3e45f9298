/* SPDX-License-Identifier: Apache-2.0
 *
 * A fake of tests/fakes at a socket of its own, for test-agent and test-qmp.
 */
#ifndef HANGDOG_TEST_FAKE_BED_H
#define HANGDOG_TEST_FAKE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct fake_process
{
  struct tmpdir tmp;
  pid_t pid;
  int stdin_fd; /* it ends with that */
};

/* It listens at "name" in its folder when this returns. */
static inline void
fake_spawn (struct fake_process *p, const char *fake, const char *mode,
            const char *name)
{
  char program[PATH_MAX], socket_path[80], ready[6] = "";
  char *argv[] = { program, (char *) mode, socket_path, NULL };
  posix_spawn_file_actions_t fa;
  int in[2], out[2];

  assert_int_equal (tmpdir_make (&p->tmp), 0);
  snprintf (socket_path, sizeof socket_path, "%s/%s", p->tmp.path, name);
  built_path (program, fake);
  assert_int_equal (pipe2 (in, O_CLOEXEC), 0);
  assert_int_equal (pipe2 (out, O_CLOEXEC), 0);
  posix_spawn_file_actions_init (&fa);
  posix_spawn_file_actions_adddup2 (&fa, in[0], 0);
  posix_spawn_file_actions_adddup2 (&fa, out[1], 1);
  assert_int_equal (posix_spawn (&p->pid, program, &fa, NULL, argv, environ),
                    0);
  posix_spawn_file_actions_destroy (&fa);
  close (in[0]);
  close (out[1]);
  p->stdin_fd = in[1];
  assert_int_equal (read (out[0], ready, 5), 5);
  assert_string_equal (ready, "ready");
  close (out[0]);
}

static inline void
fake_end (struct fake_process *p)
{
  int status;

  close (p->stdin_fd);
  assert_int_equal (waitpid (p->pid, &status, 0), p->pid);
  tmpdir_done (&p->tmp);
}

#endif
