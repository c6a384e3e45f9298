/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk transport: commands that are put into a guest's mailbox, and
 * what is believed of the answers.
 */
#include "disk-bed.h"

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_not_begun),
    TEST (test_for_years),
    TEST (test_commands),
    TEST (test_endless),
    TEST (test_report_only),
    TEST (test_nobody),
    TEST (test_once),
  };

  return cmocka_run_group_tests (tests, begin, finish);
}
