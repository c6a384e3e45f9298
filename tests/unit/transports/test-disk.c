/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk transport: hangdog-disk as it is started by a job, and the guest's
 * own script as the one who answers, both on a file.
 */
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
#include "base/sanitize.h"
#include "base/seccomp_arch.h"
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

/* ---- what every test needs ---- */

static void
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

static void
play (const char *how)
{
  const char *argv[] = { "sh",   script, "--device", box,  "--dir",
                         work,   "--interval", "1", "--poll", "1",
                         how,    NULL };

  assert_int_equal (posix_spawnp (&player, "sh", NULL, NULL,
                                  (char **) (uintptr_t) argv, environ),
                    0);
}

static void
stop_playing (void)
{
  int status;

  if (player <= 0)
    return;
  kill (player, SIGKILL);
  waitpid (player, &status, 0);
  player = 0;
}

static int
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

static int
over (void **state)
{
  stop_playing ();
  return 0;
}

static void
look (const struct disk_patience *how, uint64_t ms, struct disk_look *ret)
{
  struct error err = ERROR_INIT;

  if (disk_look (&env, &guest, how, clock_ms () + ms, ret, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

/* As disk_ask(), without a job. */
static enum ask_end
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
static void
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

/* ---- finding it ---- */

static bool
finds (const char *mailbox)
{
  CLEANUP_CLOSE int fd = -1;
  char why[256];

  return disk_open_ (&env, &guest, mailbox, clock_ms () + LONG_MS, &fd, why,
                     sizeof why)
         == DISK_OK;
}

static void
test_find (void **state)
{
  char path[256];

  /* By the guest's name, by its uuid, by its disks, by what is said. */
  assert_true (finds (NULL));
  snprintf (guest.name, sizeof guest.name, "db");
  assert_false (finds (NULL));
  assert_false (finds ("db.mailbox"));
  assert_false (finds ("/etc/passwd"));
  snprintf (path, sizeof path, "%s/" UUID ".mailbox", tmp.path);
  assert_int_equal (link (box, path), 0);
  assert_true (finds (NULL));
  unlink (path);
  /* In a folder of its own, which it may be able to write. */
  snprintf (path, sizeof path, "%s/" UUID, tmp.path);
  assert_int_equal (mkdir (path, 0700), 0);
  snprintf (path, sizeof path, "%s/" UUID "/" UUID ".mailbox", tmp.path);
  assert_int_equal (link (box, path), 0);
  assert_true (finds (NULL));
  assert_true (finds (path));
  unlink (path);
  assert_int_equal (symlink (box, path), 0);
  assert_false (finds (NULL));
  snprintf (path, sizeof path, "%s/" UUID, tmp.path);
  tmpdir_remove (path);
  guest.ndisks = 2;
  snprintf (disks[0].target, sizeof disks[0].target, "vda");
  snprintf (disks[0].path, sizeof disks[0].path, "/etc/passwd");
  snprintf (disks[1].target, sizeof disks[1].target, "vdb");
  snprintf (disks[1].path, sizeof disks[1].path, "%s", box);
  assert_true (finds (NULL));
  assert_true (finds ("vdb"));
  assert_true (finds (box));
  assert_false (finds ("vda"));
  /* Its owner names a guest as he likes. */
  guest.ndisks = 0;
  snprintf (guest.name, sizeof guest.name, "../%s", "web");
  assert_false (finds (NULL));
  assert_int_equal (disk_folders (env.disk, NULL, 0, NULL), 0);
  assert_false (finds (box));
}

/* A document may be for many guests, a guest may be called as another is, and
 * on another host the same path is another file. */
static void
test_whose (void **state)
{
  CLEANUP_CLOSE int fd = -1;
  char path[256], why[256];

  assert_true (finds ("web.mailbox"));
  assert_true (finds (box));
  snprintf (guest.name, sizeof guest.name, "db");
  assert_false (finds ("web.mailbox"));
  assert_false (finds (box));
  assert_int_equal (disk_open_ (&env, &guest, box, clock_ms () + LONG_MS, &fd,
                                why, sizeof why),
                    DISK_ABSENT);
  assert_non_null (strstr (why, "not this guest's"));
  assert_non_null (strstr (why, "db.mailbox"));
  /* By its name: another's uuid. */
  snprintf (guest.name, sizeof guest.name,
            "99999999-2222-3333-4444-555555555555");
  snprintf (path, sizeof path, "%s/%s.mailbox", tmp.path, guest.name);
  assert_int_equal (link (box, path), 0);
  assert_false (finds (NULL));
  assert_false (finds (path));
  unlink (path);
  /* A guest of another host: only by its uuid. */
  snprintf (guest.name, sizeof guest.name, "web");
  guest.ndisks = 1;
  snprintf (disks[0].target, sizeof disks[0].target, "vda");
  snprintf (disks[0].path, sizeof disks[0].path, "%s", box);
  assert_true (finds ("vda"));
  guest.inc.pid = 0;
  assert_false (finds (NULL));
  assert_false (finds ("vda"));
  assert_false (finds (box));
  snprintf (path, sizeof path, "%s/" UUID ".mailbox", tmp.path);
  assert_int_equal (link (box, path), 0);
  assert_true (finds (NULL));
  unlink (path);
}

/* ---- a heartbeat ---- */

static const struct disk_patience patience = { .missed = 2 };

static void
test_absent (void **state)
{
  struct ask_result r;
  struct disk_look l;

  unlink (box);
  look (&patience, LONG_MS, &l);
  assert_int_equal (l.end, DISK_ABSENT);
  assert_int_equal (ask ("true", LONG_MS, &r), ASK_NO_MAILBOX);
  ask_result_done (&r);
}

static void
test_empty (void **state)
{
  struct ask_result r;
  struct disk_look l;

  look (&patience, LONG_MS, &l);
  assert_int_equal (l.end, DISK_OK);
  assert_int_equal (l.state, MAILBOX_EMPTY);
  assert_int_equal (ask ("true", LONG_MS, &r), ASK_SILENT);
  assert_false (r.begun);
  ask_result_done (&r);
}

static void
spoil (off_t from, size_t len)
{
  CLEANUP_CLOSE int fd = open (box, O_WRONLY);
  unsigned char *noise = malloc (len);

  for (size_t i = 0; i < len; i++)
    noise[i] = (unsigned char) (i * 167 + (i >> 8) * 13 + 1);
  assert_int_equal (io_pwrite (fd, noise, len, (uint64_t) from), 0);
  free (noise);
}

static void
test_garbled (void **state)
{
  struct ask_result r;
  struct disk_look l;

  spoil (MAILBOX_BLOCK, MAILBOX_SIZE_MIN - MAILBOX_BLOCK);
  look (&patience, LONG_MS, &l);
  assert_int_equal (l.end, DISK_OK);
  assert_int_equal (l.state, MAILBOX_BAD);
  assert_int_equal (ask ("true", LONG_MS, &r), ASK_PROTOCOL);
  ask_result_done (&r);
  /* Its header, too; the magic, and it is none any more. */
  spoil (200, MAILBOX_BLOCK - 200);
  look (&patience, LONG_MS, &l);
  assert_int_equal (l.end, DISK_OK);
  spoil (40, 60);
  look (&patience, LONG_MS, &l);
  assert_int_equal (l.end, DISK_UNUSABLE);
  spoil (0, 100);
  look (&patience, LONG_MS, &l);
  assert_int_equal (l.end, DISK_ABSENT);
}

static void
test_beats (void **state)
{
  struct disk_look l;
  uint64_t seq;

  play ("--report-only");
  wait_for_beat ();
  /* Nobody has seen it move before: that is waited for. */
  look (&patience, LONG_MS, &l);
  assert_int_equal (l.state, MAILBOX_GOOD);
  assert_true (l.fresh);
  assert_false (l.missing);
  assert_int_equal (l.beat.interval_s, 1);
  assert_false (l.beat.commands);
  assert_true (l.beat.nfigures >= 8);
  seq = l.beat.slot.seq;
  stop_playing ();
  /* It is not missed at once, and then it is. */
  look (&(struct disk_patience){ .every_ms = 100, .missed = 1 }, LONG_MS, &l);
  while (!l.missing)
    {
      assert_true (l.age_ms <= l.limit_ms);
      look (&(struct disk_patience){ .every_ms = 100, .missed = 1 }, LONG_MS,
            &l);
    }
  assert_false (l.fresh);
  assert_int_equal (l.move, MAILBOX_SAME);
  assert_true (l.beat.slot.seq >= seq);
  seq = l.beat.slot.seq;
  /* And it is back, where it stopped. */
  play ("--report-only");
  do
    look (&patience, LONG_MS, &l);
  while (l.beat.slot.seq == seq);
  assert_true (l.beat.slot.seq > seq);
  assert_int_equal (l.move, MAILBOX_MOVED);
  assert_true (l.fresh);
}

/* A snapshot: what was there comes back, and is no sign of life. */
static void
test_older (void **state)
{
  unsigned char *image = malloc (MAILBOX_SIZE_MIN);
  struct disk_look l;
  size_t len;
  int fd;

  play ("--report-only");
  wait_for_beat ();
  fd = open (box, O_RDWR);
  assert_int_equal (io_read (fd, image, MAILBOX_SIZE_MIN, &len), 0);
  look (&patience, LONG_MS, &l);
  assert_true (l.fresh);
  stop_playing ();
  assert_int_equal (io_pwrite (fd, image, len, 0), 0);
  look (&(struct disk_patience){ .every_ms = 1000, .missed = 9 }, 4000, &l);
  assert_int_equal (l.state, MAILBOX_GOOD);
  assert_false (l.fresh);
  close (fd);
  free (image);
}

/* ---- commands ---- */

static void
test_commands (void **state)
{
  static const struct
  {
    const char *command;
    enum ask_end end;
    int status;
    const char *says;
  } asked[] = {
    { "echo hello; exit 3", ASK_OK, 3, "hello\n" },
    { "true", ASK_OK, 0, "" },
    { "printf 'a\\000b'", ASK_OK, 0, NULL },
    { "cat; echo on stderr >&2", ASK_OK, 0, "on stderr\n" },
    { "no-such-command-here", ASK_OK, 127, NULL },
    { "kill -9 $$", ASK_OK, 137, NULL },
    { "head -c 65536 /dev/zero", ASK_OK, 0, NULL },
    { "yes", ASK_FLOOD, 0, NULL },
  };
  struct ask_result r;

  play ("--allow-commands");
  wait_for_beat ();
  for (size_t i = 0; i < ARRAY_LEN (asked); i++)
    {
      if (ask (asked[i].command, LONG_MS, &r) != asked[i].end)
        fail_msg ("%s: ended as %d: %s", asked[i].command, (int) r.end,
                  r.detail);
      assert_true (r.begun);
      if (r.end == ASK_OK && r.status != asked[i].status)
        fail_msg ("%s: status %d: %s", asked[i].command, r.status,
                  buf_str (&r.output));
      if (asked[i].says)
        assert_string_equal (buf_str (&r.output), asked[i].says);
      ask_result_done (&r);
    }
  assert_int_equal (ask ("printf 'a\\000b'", LONG_MS, &r), ASK_OK);
  assert_int_equal (r.output.len, 3);
  assert_memory_equal (r.output.data, "a\0b", 3);
  ask_result_done (&r);
}

/* One that does not end; and then one that does, by the same script. */
static void
test_endless (void **state)
{
  struct ask_result r;

  uint64_t until = clock_ms () + LONG_MS;

  play ("--allow-commands");
  wait_for_beat ();
  /* On a machine that is very busy it is not even taken in that time. */
  while (ask ("echo begun; sleep 600", 5000, &r) != ASK_NO_ANSWER)
    {
      assert_true (clock_ms () < until);
      ask_result_done (&r);
    }
  ask_result_done (&r);
  assert_int_equal (ask ("echo again", LONG_MS, &r), ASK_OK);
  assert_string_equal (buf_str (&r.output), "again\n");
  ask_result_done (&r);
}

static void
test_report_only (void **state)
{
  struct ask_result r;

  play ("--report-only");
  wait_for_beat ();
  assert_int_equal (ask ("true", LONG_MS, &r), ASK_REPORT_ONLY);
  ask_result_done (&r);
  stop_playing ();
  /* By the header, whatever the script would do. */
  make_box (true);
  tmpdir_remove (work);
  play ("--allow-commands");
  wait_for_beat ();
  assert_int_equal (ask ("true", LONG_MS, &r), ASK_REPORT_ONLY);
  ask_result_done (&r);
}

static void
test_nobody (void **state)
{
  unsigned char blocks[2 * MAILBOX_BLOCK];
  struct mailbox_command c;
  struct ask_result r;
  int fd;

  play ("--allow-commands");
  wait_for_beat ();
  stop_playing ();
  assert_int_equal (ask ("true", 5000, &r), ASK_SILENT);
  assert_true (r.begun);
  ask_result_done (&r);
  /* Who comes late finds nothing to run. */
  fd = open (box, O_RDONLY);
  assert_true (pread (fd, blocks, sizeof blocks, MAILBOX_COMMAND_AT (0))
               == sizeof blocks);
  close (fd);
  assert_int_equal (mailbox_command_decode (blocks, sizeof blocks, &c),
                    MAILBOX_GOOD);
  assert_string_equal (c.id, "");
}

static enum mailbox_state
command_there (struct mailbox_command *ret)
{
  CLEANUP_CLOSE int fd = open (box, O_RDONLY);
  unsigned char blocks[2 * MAILBOX_BLOCK];

  assert_true (pread (fd, blocks, sizeof blocks, MAILBOX_COMMAND_AT (0))
               == sizeof blocks);
  return mailbox_command_decode (blocks, sizeof blocks, ret);
}

/* What can't be written is not tried; and where there is no time for an answer
 * nothing is left there, least of all with a time that has wrapped. */
static void
test_not_begun (void **state)
{
  struct ask_result r = { .status = -1,
                          .output = BUF_INIT (MAILBOX_OUTPUT_MAX) };
  struct mailbox_command c;
  int fd;

  play ("--allow-commands");
  wait_for_beat ();
  fd = open (box, O_RDONLY);
  assert_int_equal (disk_run_ (&env, UUID, fd, "true", clock_ms () + LONG_MS,
                               &r, NULL),
                    0);
  close (fd);
  assert_int_equal (r.end, ASK_MAILBOX_UNUSABLE);
  assert_false (r.begun);
  assert_non_null (strstr (r.detail, "may only read it"));
  ask_result_done (&r);
  assert_int_equal (command_there (&c), MAILBOX_EMPTY);
  /* Killed before it can say so on a machine that is very busy. */
  if (ask ("true", 300, &r) != ASK_MAILBOX_STUCK)
    {
      assert_int_equal (r.end, ASK_MAILBOX_UNUSABLE);
      assert_false (r.begun);
      assert_non_null (strstr (r.detail, "no time"));
    }
  ask_result_done (&r);
  assert_int_equal (command_there (&c), MAILBOX_EMPTY);
}

/* One that may run for years: not one of ours, and not run. */
static void
test_for_years (void **state)
{
  CLEANUP_CLOSE int fd = open (box, O_RDWR);
  unsigned char blocks[2 * MAILBOX_BLOCK];
  char text[600], count[160];
  struct mailbox_beat b;
  struct ask_result r;
  int n;

  snprintf (count, sizeof count, "%s/years", tmp.path);
  play ("--allow-commands");
  wait_for_beat ();
  assert_true (pread (fd, blocks, sizeof blocks, MAILBOX_BEAT_AT (0)) > 0);
  assert_int_equal (mailbox_beat_decode (blocks, sizeof blocks, &b),
                    MAILBOX_GOOD);
  n = snprintf (text, sizeof text,
                "kind=command\nseq=1\nid=00112233445566778899aabbccddeeff\n"
                "boot=%s\nuntil=%llu\ntimeout=4294967295\n\necho x >%s",
                b.boot, (unsigned long long) b.uptime_s + 10000, count);
  assert_int_equal (mailbox_record (text, (size_t) n, blocks, NULL), 0);
  assert_int_equal (io_pwrite (fd, blocks, MAILBOX_BLOCK,
                               MAILBOX_COMMAND_AT (1)),
                    0);
  /* It has looked at both behind the second heartbeat from now. */
  for (uint64_t seq = b.slot.seq, until = clock_ms () + LONG_MS;
       b.slot.seq < seq + 4; poll (NULL, 0, 50))
    {
      assert_true (clock_ms () < until);
      assert_true (pread (fd, blocks, sizeof blocks, MAILBOX_BEAT_AT (0)) > 0);
      (void) mailbox_beat_decode (blocks, sizeof blocks, &b);
    }
  assert_int_equal (access (count, F_OK), -1);
  assert_int_equal (ask ("echo well", LONG_MS, &r), ASK_OK);
  assert_string_equal (buf_str (&r.output), "well\n");
  ask_result_done (&r);
  assert_int_equal (access (count, F_OK), -1);
}

/* A script that is killed when it has begun does not begin again. */
static void
test_once (void **state)
{
  struct ask_result r;
  char command[256], count[160];
  uint64_t until;
  struct stat sb;

  snprintf (count, sizeof count, "%s/count", tmp.path);
  snprintf (command, sizeof command, "echo x >>%s; sleep 1", count);
  unlink (count);
  play ("--allow-commands");
  wait_for_beat ();
  assert_int_equal (ask (command, LONG_MS, &r), ASK_OK);
  ask_result_done (&r);
  stop_playing ();
  {
    /* As it was before it was taken back. */
    struct mailbox_command c = { .slot.seq = 0 };
    unsigned char blocks[2 * MAILBOX_BLOCK], heads[2 * MAILBOX_BLOCK];
    struct mailbox_answer a;
    struct mailbox_beat b;
    CLEANUP_CLOSE int fd = open (box, O_RDWR);

    assert_true (pread (fd, heads, MAILBOX_BLOCK, MAILBOX_ANSWER_AT (0)) > 0);
    assert_true (pread (fd, heads + MAILBOX_BLOCK, MAILBOX_BLOCK,
                        MAILBOX_ANSWER_AT (1))
                 > 0);
    assert_int_equal (mailbox_answer_decode (heads, sizeof heads, &a),
                      MAILBOX_GOOD);
    assert_true (pread (fd, blocks, sizeof blocks, MAILBOX_BEAT_AT (0)) > 0);
    assert_int_equal (mailbox_beat_decode (blocks, sizeof blocks, &b),
                      MAILBOX_GOOD);
    c.slot.seq = 1000;
    snprintf (c.id, sizeof c.id, "%s", a.id);
    snprintf (c.boot, sizeof c.boot, "%s", b.boot);
    c.until_s = b.uptime_s + 10000;
    c.timeout_s = 5;
    c.len = (size_t) snprintf (c.text, sizeof c.text, "%s", command);
    assert_int_equal (mailbox_command_encode (&c, blocks, NULL), 0);
    assert_int_equal (io_pwrite (fd, blocks, MAILBOX_BLOCK,
                                 MAILBOX_COMMAND_AT (0)),
                      0);
  }
  play ("--allow-commands");
  /* It looks for commands: one of another id is run behind it. */
  until = clock_ms () + LONG_MS;
  while (ask ("true", LONG_MS, &r) != ASK_OK)
    {
      assert_true (clock_ms () < until);
      ask_result_done (&r);
    }
  ask_result_done (&r);
  assert_int_equal (stat (count, &sb), 0);
  assert_int_equal (sb.st_size, 2);
  unlink (count);
}

/* ---- our side ---- */

static void
test_stuck (void **state)
{
  static const char lame[] = "#!/bin/sh\nexec sleep 1000\n";
  char dir[128], path[192];
  struct ask_result r;
  struct disk_look l;
  uint64_t begun;

  snprintf (dir, sizeof dir, "%s/lame", tmp.path);
  snprintf (path, sizeof path, "%s/" DISK_HELPER, dir);
  assert_int_equal (mkdir (dir, 0700), 0);
  assert_int_equal (tmpdir_put (AT_FDCWD, path, lame, sizeof lame - 1), 0);
  assert_int_equal (chmod (path, 0700), 0);
  env.libexec = dir;
  begun = clock_ms ();
  look (&patience, 1000, &l);
  assert_int_equal (l.end, DISK_STUCK);
  assert_int_equal (ask ("true", 1000, &r), ASK_MAILBOX_STUCK);
  ask_result_done (&r);
  /* Back at its deadline, however that is killed. */
  assert_true (clock_ms () - begun < LONG_MS);
  assert_non_null (strstr (l.detail, "did not come back in time"));
  tmpdir_remove (dir);
}

/* The field of a process, -1 when it is gone. */
static int
field_of (pid_t pid, const char *name)
{
  char path[64], line[256];
  int ret = -1;
  FILE *f;

  snprintf (path, sizeof path, "/proc/%d/status", (int) pid);
  f = fopen (path, "re");
  while (f && fgets (line, sizeof line, f))
    if (strncmp (line, name, strlen (name)) == 0)
      ret = (int) strtol (line + strlen (name), NULL, 10);
  if (f)
    fclose (f);
  return ret;
}

/* What reads a guest's bytes has its two descriptors and nothing else. */
static void
test_jail (void **state)
{
  CLEANUP_CLOSE int fd = open (box, O_RDWR);
  const struct helper_spec spec = { .libexec = libexec,
                                    .program = DISK_HELPER,
                                    .fds = &fd,
                                    .nfds = 1 };
  uint64_t until = clock_ms () + LONG_MS;
  int mode = 0;

#ifndef SECCOMP_ARCH
  skip ();
#endif
  if (SANITIZED || field_of (getpid (), "Seccomp:") < 0)
    skip ();
  /* It ends by its alarm where nobody asks it; a slow machine needs another. */
  while (mode != 2)
    {
      struct helper h = HELPER_INIT;

      assert_true (clock_ms () < until);
      assert_int_equal (helper_start (&spec, &h, NULL), 0);
      while (mode != 2 && !helper_wait (&h, clock_ms () + 5, NULL, NULL))
        mode = field_of (h.pid, "Seccomp:");
      assert_true (helper_end (&h));
    }
}

/* One that hangs in the kernel is not followed by another. */
static void
test_stuck_before (void **state)
{
  struct helper h = { .pid = getpid (), .sock = -1 };
  struct disk_seen seen;

  disk_keep_ (env.disk, UUID, &(struct disk_seen){ .seq = 5 });
  disk_recall_ (env.disk, UUID, &seen);
  assert_int_equal (seen.seq, 5);
  disk_recall_ (env.disk, "other", &seen);
  assert_int_equal (seen.seq, 0);
  assert_false (disk_stuck_ (env.disk, UUID));
  /* A child that was collected is not there any more. */
  h.pid = fork ();
  if (h.pid == 0)
    _exit (0);
  disk_leave_stuck_ (env.disk, UUID, &h);
  assert_false (disk_stuck_ (env.disk, UUID));
}

static int
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

static int
finish (void **state)
{
  disk_free (env.disk);
  tmpdir_remove (tmp.path);
  return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown (fn, fresh, over)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_find),     TEST (test_whose),       TEST (test_not_begun),
    TEST (test_for_years), TEST (test_absent),     TEST (test_empty),
    TEST (test_garbled),  TEST (test_beats),       TEST (test_older),
    TEST (test_commands), TEST (test_endless),     TEST (test_report_only),
    TEST (test_nobody),   TEST (test_once),        TEST (test_stuck),
    TEST (test_stuck_before), TEST (test_jail),
  };

  return cmocka_run_group_tests (tests, begin, finish);
}
