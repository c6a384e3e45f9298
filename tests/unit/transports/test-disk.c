/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk transport: whether a guest's mailbox is found, what its
 * heartbeat says, and what becomes of the process that reads it.
 */
#include "disk-bed.h"

#include "base/sanitize.h"
#include "base/seccomp_arch.h"

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_find),
    TEST (test_whose),
    TEST (test_absent),
    TEST (test_empty),
    TEST (test_garbled),
    TEST (test_beats),
    TEST (test_older),
    TEST (test_stuck),
    TEST (test_stuck_before),
    TEST (test_jail),
  };

  return cmocka_run_group_tests (tests, begin, finish);
}
