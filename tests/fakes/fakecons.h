/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake guest consoles: N of them in one thread or process, behind unix sockets
 * or ptys, as QEMU would serve them.
 *
 * Each emits log lines at a rate (numbered and checked, so that one missing
 * byte shows), answers a shell as busybox's sh would, or plays something else:
 * a login prompt, a boot loader, a dead guest, one that takes no input.  It
 * measures for how long the reader kept it from writing ("guest-blocked").
 * As with a real UART, nothing is emitted while nobody is connected.
 */
#ifndef HANGDOG_TESTS_FAKECONS_H
#define HANGDOG_TESTS_FAKECONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct fakecons;

enum fake_play
{
  FAKE_SHELL,
  FAKE_NOECHO,  /* a shell on a terminal that does not echo */
  FAKE_MUTE,    /* echoes, executes nothing */
  FAKE_LOGIN,
  FAKE_PASSWORD,
  FAKE_GRUB,
  FAKE_UBOOT,
  FAKE_DEAD,    /* takes input, says nothing; its log goes on */
  FAKE_XOFF,    /* takes no input at all; its log goes on */
  FAKE_STOPPED, /* ^S was typed: says nothing at all until XON */
  FAKE_TWICE,   /* echoes, and says each line once more */
  FAKE_LATE,    /* says each line back a while after its end */
  FAKE_FORGE,   /* makes an answer of the line: \n are ends of lines in it,
                 * quotes are none, and a result is put in */
  FAKE_PLAY_MAX,
};
extern const char *const fake_play_names[];

struct fakecons_config
{
  unsigned n;
  const char *dir;   /* sockets "cons0"... or links to ptys are made there */
  bool folders;      /* sockets "fake0/cons"...: a run directory */
  bool pty;
  bool cooked;       /* ptys whose line discipline still echoes and edits */
  unsigned rate;     /* bytes of log per second and console */
  bool weave;        /* log lines are the kernel's, between any two bytes */
  bool bytewise;     /* one byte per write(2), as QEMU's UART does */
  bool wrap;         /* echo as a line editor on 80 columns does */
  unsigned sndbuf;   /* 0 = the system's default */
  unsigned slot_ms;  /* each console emits once per slot (20) */
  const char *shell; /* a real one to run: "/bin/bash"; NULL = our own */
  enum fake_play play;
};

int fakecons_new (const struct fakecons_config *cfg, struct fakecons **ret_f,
                  struct error *err);
void fakecons_free (struct fakecons *f);
/* Until fakecons_stop(). */
void fakecons_run (struct fakecons *f);
void fakecons_stop (struct fakecons *f); /* any thread */

/* A thread that runs it; 0 or a negative errno. */
int fakecons_thread (struct fakecons *f, pthread_t *ret);
/* -n N -r BYTES -p -w -b -W -s SNDBUF -t SLOT_MS -S SHELL -P PLAY DIR, over
 * what cfg holds; 0, or -1 for anything else. */
int fakecons_options (int argc, char **argv, struct fakecons_config *cfg);

/* Any thread: one command, done when it returns.  console: number or "*".
 *   play CONSOLE NAME    dead shell login ...
 *   rate CONSOLE BYTES   of log per second
 *   say CONSOLE TEXT     with \n \r \e as in C
 *   drop CONSOLE         closes the connection, as a dying QEMU does
 *   accept CONSOLE 0|1   0: connections are left in the queue (QEMU stuck)
 * -EINVAL for anything else. */
int fakecons_command (struct fakecons *f, const char *line);

struct fakecons_stats
{
  uint64_t bytes, lines, connects, keys, executed;
  uint64_t blocked_us;
  bool connected;
};
/* Any thread; console -1 sums all up. */
void fakecons_stats (struct fakecons *f, int console,
                     struct fakecons_stats *ret);
void fakecons_report (struct fakecons *f, struct buf *out); /* JSON */
/* Path of a console's socket or of its pty's slave. */
const char *fakecons_path (struct fakecons *f, unsigned console);
/* Its listening socket: who calls listen(2) on it last is its process. */
int fakecons_listener (struct fakecons *f, unsigned console);

/* ---- the reader's side: is every line there? ---- */

#define FAKE_LINE 80 /* bytes of a log line with its CR LF */

struct fakecheck
{
  char line[160];
  size_t len;
  uint64_t lines, next, lost, broken;
};
/* Feeds a piece of what one console said; other text between the log lines
 * is skipped. */
void fakecheck_feed (struct fakecheck *c, const void *data, size_t len);

#endif
