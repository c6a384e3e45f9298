/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-disk as it is started by a job, and the guest's own script as the
 * one who answers, both on a file: for test-disk and test-disk-command.
 */
#ifndef HANGDOG_TEST_DISK_BED_H
#define HANGDOG_TEST_DISK_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/opener.h"
#include "guests/guest.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"
#include "transports/ask.h"
#include "transports/disk/disk_impl.h"
#include "transports/transport.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "11111111-2222-3333-4444-555555555555"
/* For what comes at once on a machine that is not busy. */
#define LONG_MS 30000

extern char **environ;

static struct tmpdir tmp;
static char libexec[PATH_MAX], box[128], work[128], script[PATH_MAX];
static struct transport_env env;
static struct guest_disk disks[2];
static struct guest guest;
static pid_t player; /* who plays the guest, 0 = nobody */

static inline void
make_box (bool report_only)
{
  struct mailbox_header h = { .size = MAILBOX_SIZE_MIN,
                              .report_only = report_only,
                              .id = "0123456789abcdef0123456789abcdef" };
  unsigned char *image = malloc (h.size);
  CLEANUP_CLOSE int fd = open (box, O_RDWR | O_CREAT | O_TRUNC, 0600);

  mailbox_make (&h, image);
  assert_true (fd >= 0);
  assert_int_equal (io_write (fd, image, h.size), 0);
  free (image);
}

static inline void
play (const char *how)
{
  const char *argv[] = { "sh",   script, "--device", box,  "--dir",
                         work,   "--interval", "1", "--poll", "1",
                         how,    NULL };

  assert_int_equal (posix_spawnp (&player, "sh", NULL, NULL,
                                  (char **) (uintptr_t) argv, environ),
                    0);
}

static inline void
stop_playing (void)
{
  int status;

  if (player <= 0)
    return;
  kill (player, SIGKILL);
  waitpid (player, &status, 0);
  player = 0;
}

static inline int
fresh (void **state)
{
  char *folders[] = { tmp.path };

  stop_playing ();
  tmpdir_remove (work);
  disk_free (env.disk);
  assert_int_equal (disk_new (&env.disk, NULL), 0);
  assert_int_equal (disk_folders (env.disk, folders, 1, NULL), 0);
  env.libexec = libexec;
  env.opener = opener_local ();
  memset (&guest, 0, sizeof guest);
  memset (disks, 0, sizeof disks);
  guest.disks = disks;
  snprintf (guest.inc.uuid, sizeof guest.inc.uuid, UUID);
  guest.inc.pid = getpid ();
  snprintf (guest.name, sizeof guest.name, "web");
  make_box (false);
  return 0;
}

static inline int
over (void **state)
{
  stop_playing ();
  return 0;
}

static inline void
look (const struct disk_patience *how, uint64_t ms, struct disk_look *ret)
{
  struct error err = ERROR_INIT;

  if (disk_look (&env, &guest, how, clock_ms () + ms, ret, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

/* As disk_ask(), without a job. */
static inline enum ask_end
ask (const char *command, uint64_t ms, struct ask_result *ret)
{
  CLEANUP_CLOSE int fd = -1;
  struct error err = ERROR_INIT;

  *ret = (struct ask_result){ .status = -1,
                              .output = BUF_INIT (MAILBOX_OUTPUT_MAX) };
  if (disk_open_ (&env, &guest, NULL, clock_ms () + ms, &fd, ret->detail,
                  sizeof ret->detail)
      != DISK_OK)
    return ASK_NO_MAILBOX;
  if (disk_run_ (&env, UUID, fd, command, clock_ms () + ms, ret, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return ret->end;
}

/* Until its script has written: nobody knows how long it takes to start. */
static inline void
wait_for_beat (void)
{
  uint64_t until = clock_ms () + LONG_MS;
  unsigned char blocks[2 * MAILBOX_BLOCK];
  struct mailbox_beat b;

  for (;;)
    {
      CLEANUP_CLOSE int fd = open (box, O_RDONLY);

      assert_true (pread (fd, blocks, sizeof blocks, MAILBOX_BEAT_AT (0))
                   == sizeof blocks);
      if (mailbox_beat_decode (blocks, sizeof blocks, &b) == MAILBOX_GOOD)
        return;
      assert_true (clock_ms () < until);
      poll (NULL, 0, 20);
    }
}

static inline int
begin (void **state)
{
  const char *src = getenv ("HANGDOG_SRC") ? getenv ("HANGDOG_SRC")
                                           : getenv ("srcdir");
  char *last;

  built_path (libexec, DISK_HELPER);
  if (access (libexec, X_OK) < 0)
    return -1;
  last = strrchr (libexec, '/');
  *last = '\0';
  snprintf (script, sizeof script, "%s/packaging/guest/hangdog-mailbox",
            src ? src : ".");
  if (tmpdir_make (&tmp) < 0)
    return -1;
  snprintf (box, sizeof box, "%s/web.mailbox", tmp.path);
  snprintf (work, sizeof work, "%s/work", tmp.path);
  return 0;
}

static inline int
finish (void **state)
{
  disk_free (env.disk);
  tmpdir_remove (tmp.path);
  return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown (fn, fresh, over)

#endif
