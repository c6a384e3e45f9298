/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of whom when a guest seems dead: of one of libvirt's whether it
 * is paused, for who came later was not told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "supervisor/beats/eyes_impl.h"
#include "transports/memory/look_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- who is asked ---- */

static const char *status; /* of libvirt's; NULL: it does not answer */
static const char *state_of_qemu = "";
static unsigned asked;
static bool no_registers;

uint64_t
job_deadline (const struct job *job)
{
  return UINT64_MAX;
}

bool
job_stopping (const struct job *job)
{
  return false;
}

/* What comes of asking it once and again. */
static enum monitor_health healths[2];
static int answers[2];

int
monitor_status (const struct transport_env *env, const struct guest *g,
                uint64_t deadline, enum monitor_health *ret_health,
                char *ret_status, size_t n, struct error *err)
{
  *ret_health = healths[asked];
  return answers[asked++];
}

int
look_guest_open (struct look_guest *l, uint64_t deadline, struct error *err)
{
  no_registers = l->no_registers;
  return 0;
}

int
look_guest_beat (struct look_guest *l, uint64_t deadline, unsigned char *dst,
                 size_t *ret_len, struct error *err)
{
  snprintf (l->state, sizeof l->state, "%s", state_of_qemu);
  return 0;
}

void
look_guest_close (struct look_guest *l)
{
}

int
beat_table_new (const void *bytes, size_t len, const struct memory_map *map,
                int pagemap, struct beat_table **ret, struct error *err)
{
  return 0;
}

void
beat_table_free (struct beat_table *t)
{
}

int
monitor_look (const struct transport_env *env, const struct guest *g,
              unsigned wants, uint64_t deadline,
              enum monitor_health *ret_health, struct monitor_look *ret,
              struct error *err)
{
  asked++;
  assert_int_equal (wants, 0);
  if (!status)
    return -ETIMEDOUT;
  snprintf (ret->status, sizeof ret->status, "%s", status);
  ret->disks = NULL;
  return 0;
}

/* ---- tests ---- */

static struct find
found (enum monitor_kind kind, bool doubt)
{
  struct guest *g = guest_new ();
  struct find f = { .guest = g, .doubt = doubt, .fd = -1 };

  asked = 0;
  g->monitor = kind;
  assert_int_equal (find_run_ (NULL, &f), 0);
  guest_unref (g);
  return f;
}

static void
asks_libvirt_for_its_state (void **state)
{
  status = "paused";
  assert_true (found (MONITOR_LIBVIRT, true).stands);
  assert_int_equal (asked, 1);
  assert_true (no_registers);
  status = "running";
  assert_false (found (MONITOR_LIBVIRT, true).stands);
  assert_false (found (MONITOR_LIBVIRT, true).blind);
  status = "io-error";
  assert_false (found (MONITOR_LIBVIRT, true).stands);
  status = "guest-panicked";
  assert_false (found (MONITOR_LIBVIRT, true).stands);
  status = NULL;
  assert_true (found (MONITOR_LIBVIRT, true).blind);
}

/* Who is well is not asked, and of others the registers come with it. */
static void
asks_nobody_else (void **state)
{
  status = "paused";
  assert_false (found (MONITOR_LIBVIRT, false).stands);
  assert_int_equal (asked, 0);
  assert_true (found (MONITOR_UNIX, true).blind);
  assert_int_equal (asked, 0);
  assert_false (no_registers);
}

/* Only who was made to wait is excused; what stopped by itself is dead. */
static void
excuses_who_is_made_to_wait (void **state)
{
  static const struct
  {
    const char *state;
    bool stands;
  } cases[] = {
    { "", false },           { "running", false },
    { "paused", true },      { "inmigrate", true },
    { "save-vm", true },     { "guest-panicked", false },
    { "io-error", false },   { "internal-error", false },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      state_of_qemu = status = cases[i].state;
      assert_true (found (MONITOR_UNIX, true).stands == cases[i].stands);
      assert_true (found (MONITOR_LIBVIRT, true).stands == cases[i].stands);
    }
  state_of_qemu = "";
}

/* Who greets and does not answer, both times; who does not greet may have
 * another client, and who is gone is not mute. */
static void
is_mute_after_two_questions (void **state)
{
  static const struct
  {
    enum monitor_health health[2];
    int r[2];
    unsigned asked;
    bool mute;
  } cases[] = {
    { { MONITOR_GREETS_ONLY, MONITOR_GREETS_ONLY },
      { -ETIMEDOUT, -ETIMEDOUT }, 2, true },
    { { MONITOR_GREETS_ONLY, MONITOR_ANSWERS }, { -ETIMEDOUT, 0 }, 2, false },
    { { MONITOR_ANSWERS }, { 0 }, 1, false },
    { { MONITOR_NO_GREETING }, { -ETIMEDOUT }, 1, false },
    { { MONITOR_HELD }, { -EBUSY }, 1, false },
    { { MONITOR_GREETS_ONLY, MONITOR_GONE }, { -ETIMEDOUT, -ECONNREFUSED }, 2,
      false },
    { { MONITOR_GREETS_ONLY }, { -EPIPE }, 1, false },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct question q = { .mute = false };

      memcpy (healths, cases[i].health, sizeof healths);
      memcpy (answers, cases[i].r, sizeof answers);
      asked = 0;
      assert_int_equal (ask_run_ (NULL, &q), 0);
      assert_int_equal (asked, cases[i].asked);
      assert_true (q.mute == cases[i].mute);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (asks_libvirt_for_its_state),
    cmocka_unit_test (asks_nobody_else),
    cmocka_unit_test (is_mute_after_two_questions),
    cmocka_unit_test (excuses_who_is_made_to_wait),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
