/* SPDX-License-Identifier: Apache-2.0
 *
 * The mailbox's format: what is whole is read, what was torn at any byte is
 * the older one or nothing, and no length is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transports/disk/mailbox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"
#define ID "0123456789abcdef0123456789abcdef"
#define BLOCKS (2 * MAILBOX_BLOCK)

/* Two slots as they are on the disk. */
struct area
{
  unsigned char bytes[BLOCKS];
};

static void
put (struct area *a, unsigned slot, const char *fmt, ...)
{
  char text[MAILBOX_BLOCK];
  va_list ap;
  int n;

  va_start (ap, fmt);
  n = vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  assert_int_equal (mailbox_record (text, (size_t) n,
                                    a->bytes + slot * MAILBOX_BLOCK, NULL),
                    0);
}

static void
put_beat (struct area *a, unsigned seq, const char *boot, const char *more)
{
  put (a, seq % 2,
       "kind=beat\nseq=%u\nboot=%s\nrun=%s\ntime=1700000000\ninterval=10\n"
       "commands=yes\nuptime=%u.5\nload1=0.25\nblocked=%u\n%s",
       seq, boot, OTHER, seq * 10, seq, more);
}

static enum mailbox_state
beat_of (const struct area *a, struct mailbox_beat *ret)
{
  return mailbox_beat_decode (a->bytes, BLOCKS, ret);
}

static void
test_crc (void **state)
{
  unsigned char zeros[300] = { 0 };

  /* As gzip writes them behind what it packs. */
  assert_int_equal (mailbox_crc ("", 0), 0);
  assert_int_equal (mailbox_crc ("123456789", 9), 3421780262u);
  assert_int_equal (mailbox_crc (zeros, 300), 3040120786u);
}

static void
test_header (void **state)
{
  struct mailbox_header h = { .size = MAILBOX_SIZE, .report_only = true,
                              .id = ID }, got;
  unsigned char block[MAILBOX_BLOCK], *image = malloc (MAILBOX_SIZE);

  mailbox_make (&h, image);
  memcpy (block, image, sizeof block);
  assert_int_equal (mailbox_header_decode (block, sizeof block, &got, NULL),
                    0);
  assert_true (got.report_only);
  assert_int_equal (got.size, MAILBOX_SIZE);
  assert_string_equal (got.id, ID);
  h.report_only = false;
  mailbox_header_encode (&h, block);
  assert_int_equal (mailbox_header_decode (block, sizeof block, &got, NULL),
                    0);
  assert_false (got.report_only);
  assert_int_equal (mailbox_header_decode (block, 100, &got, NULL),
                    -EBADMSG);
  assert_int_equal (mailbox_header_decode (block, 10, &got, NULL), -ENOENT);
  /* Each byte of it counts. */
  for (size_t i = 0; i < 100; i++)
    {
      block[i] ^= 1;
      assert_true (mailbox_header_decode (block, sizeof block, &got, NULL)
                   < 0);
      block[i] ^= 1;
    }
  h.size = MAILBOX_SIZE_MAX + MAILBOX_BLOCK;
  mailbox_header_encode (&h, block);
  assert_int_equal (mailbox_header_decode (block, sizeof block, &got, NULL),
                    -EBADMSG);
  free (image);
}

static void
test_beat (void **state)
{
  struct area a = { 0 };
  struct mailbox_beat b = { 0 };

  assert_int_equal (beat_of (&a, &b), MAILBOX_EMPTY);
  put_beat (&a, 7, BOOT, "\nsome text");
  assert_int_equal (beat_of (&a, &b), MAILBOX_GOOD);
  assert_int_equal (b.slot.seq, 7);
  assert_false (b.slot.other_bad);
  assert_string_equal (b.boot, BOOT);
  assert_int_equal (b.interval_s, 10);
  assert_int_equal (b.uptime_s, 70);
  assert_true (b.commands);
  assert_true (mailbox_figure (&b, "load1") == 0.25);
  assert_true (mailbox_figure (&b, "blocked") == 7);
  assert_true (isnan (mailbox_figure (&b, "swap_free_kib")));
  assert_string_equal (b.text, "some text");
  put_beat (&a, 8, BOOT, "\n");
  assert_int_equal (beat_of (&a, &b), MAILBOX_GOOD);
  assert_int_equal (b.slot.seq, 8);
  /* A key of tomorrow. */
  put_beat (&a, 9, BOOT, "colour=blue\n\n");
  assert_int_equal (beat_of (&a, &b), MAILBOX_GOOD);
  assert_int_equal (b.slot.seq, 9);
  assert_int_equal (mailbox_beat_decode (a.bytes, BLOCKS - 1, &b),
                    MAILBOX_BAD);
}

/* What no script of ours writes: the slot before it is what counts. */
static void
test_bad_beats (void **state)
{
  static const char *const bad[] = {
    "",                        /* no end of the lines */
    "load5=1",                 /* the same */
    "\n\nbad\nseq=10\n",       /* two bodies are one: this is good */
    "uptime=3\n\n",            /* twice */
    "no equals sign\n\n",
    "=x\n\n",
    "UPPER=1\n\n",
    "load5=\x01\n\n",
    "averyveryveryverylongkeyname=1\n\n",
  };
  struct area a;
  struct mailbox_beat b;

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      memset (&a, 0, sizeof a);
      put_beat (&a, 9, BOOT, "\n");
      put_beat (&a, 10, BOOT, bad[i]);
      assert_int_equal (beat_of (&a, &b), MAILBOX_GOOD);
      assert_int_equal (b.slot.seq, i == 2 ? 10 : 9);
      assert_true (b.slot.other_bad == (i != 2));
    }
  /* In the other one's place; of another kind; with another number. */
  put (&a, 0, "kind=beat\nseq=11\nboot=%s\nrun=%s\ntime=1\ninterval=1\n"
       "commands=no\nuptime=1\n\n", BOOT, BOOT);
  assert_int_equal (beat_of (&a, &b), MAILBOX_GOOD);
  assert_int_equal (b.slot.seq, 9);
  put (&a, 0, "kind=answer\nseq=12\n\n");
  beat_of (&a, &b);
  assert_int_equal (b.slot.seq, 9);
  put (&a, 0, "kind=beat\nseq=12\nboot=%s\nrun=%s\ntime=1\ninterval=0\n"
       "commands=no\nuptime=1\n\n", BOOT, BOOT);
  beat_of (&a, &b);
  assert_int_equal (b.slot.seq, 9);
  put (&a, 0, "kind=beat\nseq=12\nboot=%s\nrun=%s\ntime=1\ninterval=1\n"
       "commands=no\nuptime=nan\n\n", BOOT, BOOT);
  beat_of (&a, &b);
  assert_int_equal (b.slot.seq, 9);
  put (&a, 0, "kind=beat\nseq=99999999998\nboot=%s\nrun=%s\ntime=1\n"
       "interval=1\ncommands=no\nuptime=1\n\n", BOOT, BOOT);
  beat_of (&a, &b);
  assert_int_equal (b.slot.seq, 9);
}

/* A figure that is none is left out; the heartbeat is one all the same. */
static void
test_bad_figures (void **state)
{
  static const char *const bad[]
      = { "0x10", "-1", "1e3", "inf", "1.2.3", " 1", "",
          "1234567890123456789012" };
  struct mailbox_beat b;
  struct area a;

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      char line[64];

      memset (&a, 0, sizeof a);
      snprintf (line, sizeof line, "load5=%s\n\n", bad[i]);
      put_beat (&a, 1, BOOT, line);
      assert_int_equal (beat_of (&a, &b), MAILBOX_GOOD);
      assert_true (isnan (mailbox_figure (&b, "load5")));
    }
}

/* A checksum that fits does not make a length one that is believed. */
static void
test_lengths (void **state)
{
  struct area a = { 0 };
  struct mailbox_beat b;

  put_beat (&a, 1, BOOT, "\n");
  for (unsigned len = 0; len <= 999999; len += len < 5000 ? 1 : 4999)
    {
      struct area t = a;
      unsigned char *block = t.bytes + MAILBOX_BLOCK;
      size_t real = len <= MAILBOX_RECORD_MAX ? len : MAILBOX_RECORD_MAX;
      char head[32];

      snprintf (head, sizeof head, "HMBX %010lu %06u\n",
                (unsigned long) mailbox_crc (block + MAILBOX_PREFIX, real),
                len);
      memcpy (block, head, MAILBOX_PREFIX);
      if (beat_of (&t, &b) == MAILBOX_GOOD)
        assert_int_equal (b.slot.seq, 1);
    }
}

/* The new bytes as far as they came, the old ones behind them; and the other
 * way round, since a disk may write from behind. */
static void
test_torn_beats (void **state)
{
  struct area before = { 0 }, after;
  unsigned whole = 0;

  put_beat (&before, 41, BOOT, "load15=1.5\n\nold text that is longer");
  put_beat (&before, 42, BOOT, "\n");
  after = before;
  put_beat (&after, 43, BOOT, "load15=2.75\n\nnew");
  for (size_t cut = 0; cut <= 2 * BLOCKS; cut++)
    {
      bool behind = cut > BLOCKS;
      size_t n = behind ? cut - BLOCKS : cut;
      struct area t = behind ? after : before;
      struct mailbox_beat b;

      memcpy (t.bytes, (behind ? before : after).bytes, n);
      assert_int_equal (beat_of (&t, &b), MAILBOX_GOOD);
      /* What lies behind a record is not part of it. */
      if (b.slot.seq == 43)
        {
          assert_true (mailbox_figure (&b, "load15") == 2.75);
          assert_true (mailbox_figure (&b, "uptime") == 430.5);
          assert_string_equal (b.text, "new");
          assert_false (b.slot.other_bad);
          whole++;
        }
      else
        {
          assert_int_equal (b.slot.seq, 42);
          assert_true (memcmp (&t, &after, sizeof t) != 0);
          assert_true (mailbox_figure (&b, "uptime") == 420.5);
          assert_true (mailbox_figure (&b, "blocked") == 42);
        }
    }
  /* In each order some were already, and most were not yet. */
  assert_true (whole > 2 && whole < 2 * BLOCKS);
}

/* The first one of all: what there was is nothing. */
static void
test_torn_first (void **state)
{
  struct area after = { 0 };
  struct mailbox_beat b;

  put_beat (&after, 1, BOOT, "\n");
  for (size_t cut = MAILBOX_BLOCK; cut <= BLOCKS; cut++)
    {
      struct area t = { 0 };
      enum mailbox_state st;

      memcpy (t.bytes, after.bytes, cut);
      st = beat_of (&t, &b);
      if (memcmp (&t, &after, sizeof t) == 0)
        assert_int_equal (st, MAILBOX_GOOD);
      else if (cut > MAILBOX_BLOCK)
        assert_int_equal (st, MAILBOX_BAD);
      else
        assert_int_equal (st, MAILBOX_EMPTY);
    }
}

static void
test_compare (void **state)
{
  struct mailbox_beat b = { .slot.seq = 10, .boot = BOOT };

  assert_int_equal (mailbox_compare ("", 0, &b), MAILBOX_FIRST);
  assert_int_equal (mailbox_compare (BOOT, 10, &b), MAILBOX_SAME);
  assert_int_equal (mailbox_compare (BOOT, 9, &b), MAILBOX_MOVED);
  assert_int_equal (mailbox_compare (OTHER, 9, &b), MAILBOX_REBOOTED);
  /* A snapshot of this boot, or of one before it. */
  assert_int_equal (mailbox_compare (BOOT, 11, &b), MAILBOX_OLDER);
  assert_int_equal (mailbox_compare (OTHER, 11, &b), MAILBOX_OLDER);
  assert_int_equal (mailbox_compare (OTHER, 10, &b), MAILBOX_OLDER);
}

static struct mailbox_command
some_command (void)
{
  struct mailbox_command c = { .slot.seq = 4, .id = ID, .boot = BOOT,
                               .until_s = 500, .timeout_s = 7 };

  c.len = (size_t) snprintf (c.text, sizeof c.text, "uptime\n\necho x");
  return c;
}

static void
test_command (void **state)
{
  struct mailbox_command c = some_command (), got;
  struct area a = { 0 };

  assert_int_equal (mailbox_command_decode (a.bytes, BLOCKS, &got),
                    MAILBOX_EMPTY);
  assert_int_equal (mailbox_command_encode (&c, a.bytes, NULL), 0);
  assert_int_equal (mailbox_command_decode (a.bytes, BLOCKS, &got),
                    MAILBOX_GOOD);
  assert_int_equal (got.slot.seq, 4);
  assert_string_equal (got.id, ID);
  assert_string_equal (got.boot, BOOT);
  assert_int_equal (got.until_s, 500);
  assert_int_equal (got.timeout_s, 7);
  assert_string_equal (got.text, "uptime\n\necho x");
  /* Withdrawn. */
  c.slot.seq++;
  c.id[0] = '\0';
  assert_int_equal (mailbox_command_encode (&c, a.bytes + MAILBOX_BLOCK, NULL),
                    0);
  assert_int_equal (mailbox_command_decode (a.bytes, BLOCKS, &got),
                    MAILBOX_GOOD);
  assert_int_equal (got.slot.seq, 5);
  assert_string_equal (got.id, "");
  c = some_command ();
  c.len = MAILBOX_COMMAND_MAX + 1;
  assert_int_equal (mailbox_command_encode (&c, a.bytes, NULL), -E2BIG);
  c.len = MAILBOX_COMMAND_MAX;
  memset (c.text, 'x', c.len);
  assert_int_equal (mailbox_command_encode (&c, a.bytes, NULL), 0);
}

static void
test_answer (void **state)
{
  struct area a = { 0 };
  struct mailbox_answer got;

  put (&a, 0, "kind=answer\nseq=2\nid=%s\nstate=begun\nstatus=0\n"
       "truncated=no\nlength=0\nsum=0\n\n", ID);
  put (&a, 1, "kind=answer\nseq=3\nid=%s\nstate=done\nstatus=3\n"
       "truncated=no\nlength=9\nsum=3421780262\n\n", ID);
  assert_int_equal (mailbox_answer_decode (a.bytes, BLOCKS, &got),
                    MAILBOX_GOOD);
  assert_int_equal (got.state, MAILBOX_DONE);
  assert_int_equal (got.status, 3);
  assert_true (mailbox_output_fits (&got, "123456789", 9));
  assert_false (mailbox_output_fits (&got, "123456780", 9));
  assert_false (mailbox_output_fits (&got, "123456789", 8));
  put (&a, 1, "kind=answer\nseq=3\nid=%s\nstate=done\nstatus=3\n"
       "truncated=no\nlength=65537\nsum=1\n\n", ID);
  assert_int_equal (mailbox_answer_decode (a.bytes, BLOCKS, &got),
                    MAILBOX_GOOD);
  assert_int_equal (got.state, MAILBOX_BEGUN);
  put (&a, 1, "kind=answer\nseq=3\nid=%s\nstate=dome\nstatus=3\n"
       "truncated=no\nlength=5\nsum=1\n\n", ID);
  assert_int_equal (mailbox_answer_decode (a.bytes, BLOCKS, &got),
                    MAILBOX_GOOD);
  assert_int_equal (got.state, MAILBOX_BEGUN);
}

/* Anything: none of it is a record.  The same bytes each time. */
static void
test_noise (void **state)
{
  uint64_t x = 88172645463325252ull;
  struct area a;

  for (unsigned round = 0; round < 200; round++)
    {
      struct mailbox_command c;
      struct mailbox_answer an;
      struct mailbox_header h;
      struct mailbox_beat b;

      for (size_t i = 0; i < sizeof a.bytes; i++)
        {
          x ^= x << 13;
          x ^= x >> 7;
          x ^= x << 17;
          a.bytes[i] = (unsigned char) x;
        }
      assert_int_equal (beat_of (&a, &b), MAILBOX_BAD);
      assert_int_equal (mailbox_command_decode (a.bytes, BLOCKS, &c),
                        MAILBOX_BAD);
      assert_int_equal (mailbox_answer_decode (a.bytes, BLOCKS, &an),
                        MAILBOX_BAD);
      assert_int_equal (mailbox_header_decode (a.bytes, BLOCKS, &h, NULL),
                        -ENOENT);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_crc),       cmocka_unit_test (test_header),
    cmocka_unit_test (test_beat),        cmocka_unit_test (test_bad_beats),
    cmocka_unit_test (test_bad_figures), cmocka_unit_test (test_lengths),
    cmocka_unit_test (test_torn_beats),  cmocka_unit_test (test_torn_first),
    cmocka_unit_test (test_compare),     cmocka_unit_test (test_command),
    cmocka_unit_test (test_answer),      cmocka_unit_test (test_noise),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
