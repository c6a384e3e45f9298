/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialogues with a guest of which somebody else knows more than its screen
 * shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/lib/until.h"
#include "tests/fakes/hubscene.h"
#include "transports/console/session.h"

/* What is known of the guest, and how often that was asked. */
struct known
{
  enum typing is[3]; /* the last one stays */
  unsigned asked;
};

static enum typing
known (void *arg, const char *uuid, const char *console, char *what, size_t n)
{
  struct known *k = arg;
  enum typing is = k->is[k->asked < 2 ? k->asked : 2];

  k->asked++;
  assert_string_equal (console, "serial0");
  snprintf (what, n, "%s", is == TYPING_BOOTING ? "it boots" : "");
  return is;
}

static enum ask_end
ask_guarded (struct scene *s, struct known *k, uint64_t ms)
{
  char uuid[UUID_TEXT];
  struct session *ses;
  struct command_result ret;
  uint64_t deadline = clock_ms () + ms;

  assert_int_equal (
      session_open (s->w.hub, hubworld_uuid (0, uuid, sizeof uuid), "serial0",
                    LEASE_SCENARIO, "test", deadline, &ses, NULL),
      0);
  session_guard (ses, known, k);
  assert_int_equal (session_command (ses, "uptime", deadline, &ret, NULL), 0);
  if (ret.end == ASK_BOOTING)
    {
      assert_string_equal (ret.detail, "it boots");
      assert_int_equal (session_send (ses, "x", 1, deadline, NULL),
                        -EHOSTDOWN);
    }
  command_result_done (&ret);
  session_close (ses);
  return ret.end;
}

/* It is silent in the middle of its boot: the screen tells nothing. */
static void
test_what_is_known_of_a_silent_guest (void **state)
{
  static const enum typing now = TYPING_BOOTING, at_login = TYPING_LOGIN;
  struct fakecons_config cfg = { .play = FAKE_DEAD };
  struct known boots = { { now, now, now }, 0 };
  struct known is_reset = { { TYPING_FREE, now, now }, 0 };
  struct known login = { { at_login, at_login, at_login }, 0 };
  struct known nothing = { { TYPING_FREE }, 0 };
  uint64_t before;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (ask_guarded (&s, &boots, 4000), ASK_BOOTING);
  assert_int_equal (scene_keys (&s), 0);
  /* Between two keys: the first ones only. */
  assert_int_equal (ask_guarded (&s, &is_reset, 4000), ASK_BOOTING);
  UNTIL (scene_keys (&s) >= 3); /* it was not waited for who reads them */
  nap_ms (50);
  assert_int_equal (scene_keys (&s), 3);
  /* A getty that is slow gets a carriage return, and no command. */
  before = scene_keys (&s);
  assert_int_equal (ask_guarded (&s, &login, 4000), ASK_SILENT);
  assert_in_range (scene_keys (&s) - before, 3, 6);
  before = scene_keys (&s);
  assert_int_equal (ask_guarded (&s, &nothing, 4000), ASK_SILENT);
  assert_in_range (scene_keys (&s) - before, 60, 1000);
  scene_end (&s);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_what_is_known_of_a_silent_guest),
  };

  (void) signal (SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
