/* SPDX-License-Identifier: Apache-2.0
 *
 * May anything be typed: by stage, by reset, and for how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "supervisor/text/typing.h"

#define NOW (100u * 60 * 1000)
#define SECOND 1000u
#define MINUTE (60u * SECOND)

static enum typing
at (const struct texts_stand *st)
{
  char what[120];
  enum typing t = typing_at (st, NOW, what, sizeof what);

  assert_int_equal (what[0] != '\0', t == TYPING_BOOTING);
  return t;
}

static struct texts_stand
stands (enum text_stage stage, enum text_stop stop, uint32_t boots,
        uint64_t ago_ms)
{
  return (struct texts_stand){ .stage = { .stage = stage,
                                          .stop = stop,
                                          .boots = boots,
                                          .since_ms = NOW - ago_ms } };
}

static void
test_stages (void **state)
{
  static const struct
  {
    enum text_stage stage;
    enum text_stop stop;
    uint32_t boots;
    uint64_t ago_ms;
    enum typing want;
  } v[] = {
    { STAGE_UNKNOWN, STOP_NONE, 0, 0, TYPING_FREE },
    { STAGE_SHELL, STOP_NONE, 1, 0, TYPING_FREE },
    { STAGE_LOGIN, STOP_NONE, 1, 0, TYPING_LOGIN },
    { STAGE_LOGIN, STOP_NONE, 0, 99 * MINUTE, TYPING_LOGIN },
    /* A key stops it. */
    { STAGE_FIRMWARE, STOP_NONE, 1, 0, TYPING_BOOTING },
    { STAGE_BOOTLOADER, STOP_NONE, 1, 9 * MINUTE, TYPING_BOOTING },
    { STAGE_BOOTLOADER, STOP_NONE, 1, 10 * MINUTE, TYPING_FREE },
    /* Silent in the middle. */
    { STAGE_KERNEL, STOP_NONE, 1, 179 * SECOND, TYPING_BOOTING },
    { STAGE_KERNEL, STOP_NONE, 1, 180 * SECOND, TYPING_FREE },
    { STAGE_INITRAMFS, STOP_NONE, 1, 179 * SECOND, TYPING_BOOTING },
    { STAGE_USERSPACE, STOP_NONE, 1, 179 * SECOND, TYPING_BOOTING },
    { STAGE_SHUTDOWN, STOP_NONE, 0, 179 * SECOND, TYPING_BOOTING },
    { STAGE_SHUTDOWN, STOP_HALTED, 0, 180 * SECOND, TYPING_FREE },
    /* We came late, and its beginning was not seen. */
    { STAGE_KERNEL, STOP_NONE, 0, 29 * SECOND, TYPING_BOOTING },
    { STAGE_USERSPACE, STOP_NONE, 0, 30 * SECOND, TYPING_FREE },
    /* It waits for a person. */
    { STAGE_INITRAMFS, STOP_PASSPHRASE, 1, 9 * MINUTE, TYPING_BOOTING },
    { STAGE_USERSPACE, STOP_MAINTENANCE, 1, 9 * MINUTE, TYPING_BOOTING },
    { STAGE_USERSPACE, STOP_FSCK, 1, 10 * MINUTE, TYPING_FREE },
    /* Dead, and to be found so. */
    { STAGE_KERNEL, STOP_PANIC, 1, 0, TYPING_FREE },
  };

  for (size_t i = 0; i < sizeof v / sizeof *v; i++)
    {
      struct texts_stand st
          = stands (v[i].stage, v[i].stop, v[i].boots, v[i].ago_ms);

      if (at (&st) != v[i].want)
        fail_msg ("%zu: %s/%s is %d, not %d", i,
                  text_stage_names[v[i].stage], text_stop_names[v[i].stop],
                  at (&st), v[i].want);
    }
}

static void
test_reset (void **state)
{
  struct texts_stand st = { .reset_ms = NOW - 5 * SECOND };

  /* Nothing has come since: a boot loader may sit there. */
  assert_int_equal (at (&st), TYPING_BOOTING);
  st.reset_ms = NOW - TYPING_RESET_MS;
  assert_int_equal (at (&st), TYPING_FREE);
  /* By its memory alone: its prompt may stand there, and nobody has read it. */
  st.by_memory = true;
  st.reset_ms = NOW - TYPING_UNSEEN_MS + SECOND;
  assert_int_equal (at (&st), TYPING_BOOTING);
  st.reset_ms = NOW - TYPING_UNSEEN_MS;
  assert_int_equal (at (&st), TYPING_FREE);
  st.by_memory = false;
  assert_int_equal (at (&st), TYPING_BOOTING);
  st.reset_ms = NOW - TYPING_RESET_MS;
  /* One that gets a third of what it wants takes three times as long; and
   * nobody is waited for without an end. */
  st.starved = 3;
  assert_int_equal (at (&st), TYPING_BOOTING);
  st.reset_ms = NOW - 3 * TYPING_RESET_MS;
  assert_int_equal (at (&st), TYPING_FREE);
  st.starved = 1000;
  assert_int_equal (at (&st), TYPING_BOOTING);
  st.reset_ms = NOW - TYPING_STARVED_MAX * TYPING_RESET_MS;
  assert_int_equal (at (&st), TYPING_FREE);
  st = stands (STAGE_KERNEL, STOP_NONE, 1, TYPING_HARM_MS - SECOND);
  st.starved = 1000;
  assert_int_equal (at (&st), TYPING_BOOTING);
  st = stands (STAGE_KERNEL, STOP_NONE, 1, TYPING_HARM_MS);
  st.starved = 1000;
  assert_int_equal (at (&st), TYPING_FREE);
  st = stands (STAGE_KERNEL, STOP_NONE, 1, TYPING_STAGE_MS + SECOND);
  assert_int_equal (at (&st), TYPING_FREE);
  st.starved = 2;
  assert_int_equal (at (&st), TYPING_BOOTING);
  st.starved = 0;
  /* A prompt of the life before is none of this one's. */
  st = stands (STAGE_SHELL, STOP_NONE, 0, 6 * SECOND);
  st.reset_ms = NOW - 5 * SECOND;
  assert_int_equal (at (&st), TYPING_BOOTING);
  st = stands (STAGE_SHELL, STOP_NONE, 1, 1 * SECOND);
  st.reset_ms = NOW - 5 * SECOND;
  assert_int_equal (at (&st), TYPING_FREE);
}

static void
test_answered (void **state)
{
  struct texts_stand st = stands (STAGE_KERNEL, STOP_NONE, 0, 0);

  st.answered = true;
  assert_int_equal (at (&st), TYPING_FREE);
  st = stands (STAGE_LOGIN, STOP_NONE, 0, 0);
  st.answered = true;
  assert_int_equal (at (&st), TYPING_FREE);
  st = stands (STAGE_BOOTLOADER, STOP_NONE, 1, 0);
  st.stage.replay = true;
  assert_int_equal (at (&st), TYPING_FREE);
}

static void
test_kernel_prints (void **state)
{
  struct texts_stand st = stands (STAGE_SHELL, STOP_NONE, 0, 0);

  assert_false (typing_kernel_prints (&st));
  /* A release alone is what anybody may have shown. */
  snprintf (st.stage.release, sizeof st.stage.release, "6.1.0");
  assert_false (typing_kernel_prints (&st));
  st.stage.boots = 1;
  assert_true (typing_kernel_prints (&st));
  st.reset_ms = NOW + 1;
  assert_false (typing_kernel_prints (&st));
  st = stands (STAGE_LOGIN, STOP_NONE, 0, 99 * MINUTE);
  st.stage.live_us = 1;
  st.stage.live_ms = NOW - 99 * MINUTE;
  assert_false (typing_kernel_prints (&st));
  st.stage.printed_ms = NOW - 99 * MINUTE;
  assert_true (typing_kernel_prints (&st));
  /* There it does, and what is asked about is another console. */
  st.beside = true;
  assert_false (typing_kernel_prints (&st));
  st.beside = false;
  /* Of the boot before. */
  st.reset_ms = NOW - 98 * MINUTE;
  assert_false (typing_kernel_prints (&st));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_stages),
    cmocka_unit_test (test_reset),
    cmocka_unit_test (test_answered),
    cmocka_unit_test (test_kernel_prints),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
