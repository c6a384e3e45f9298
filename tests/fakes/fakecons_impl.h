/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the fake consoles: fakecons.c moves bytes, fakecons_guest.c plays
 * the guest behind them.
 */
#ifndef HANGDOG_TESTS_FAKECONS_IMPL_H
#define HANGDOG_TESTS_FAKECONS_IMPL_H

#include <sys/types.h>

#include "base/buf.h"
#include "tests/fakes/fakecons.h"

#define FAKE_INPUT 4096

struct fake
{
  struct fakecons *f;
  unsigned index;
  char path[108];
  int listen_fd, fd, slave_fd;
  int shell_fd; /* master of the real shell's pty, -1 = our own shell */
  pid_t shell_pid;
  bool accepting, readable_off;
  uint32_t armed; /* what epoll was told about fd */

  struct buf out; /* said, not written yet */
  size_t out_at;
  uint64_t blocked_since, blocked_us;
  uint64_t bytes, lines, connects, keys, executed;

  unsigned rate;
  uint64_t owed_us; /* in byte-microseconds */
  uint64_t seq;
  enum fake_play play;

  char input[FAKE_INPUT]; /* the line being typed */
  size_t ninput;
  unsigned column;
  bool in_password;
  bool hung;         /* a command that does not end */
  uint64_t busy_until_ms;
  char rest[FAKE_INPUT]; /* of the command line, after a sleep */
  int status;
  uint32_t random;
};

/* fakecons.c */
void fake_say (struct fake *c, const char *data, size_t len);
void fake_says (struct fake *c, const char *text);
const struct fakecons_config *fake_config (const struct fake *c);

/* fakecons_guest.c */
void fake_log_line (struct fake *c, struct buf *out);
uint32_t fake_random (struct fake *c);
void fake_begin (struct fake *c); /* shows what it plays */
void fake_key (struct fake *c, char key);
void fake_tick (struct fake *c, uint64_t now_ms);

#endif
