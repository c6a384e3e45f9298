/* SPDX-License-Identifier: Apache-2.0
 *
 * A command, asked in a dialogue, and what is to come of it: for test-session
 * and test-session-no-shell.
 */
#ifndef HANGDOG_TEST_SESSION_BED_H
#define HANGDOG_TEST_SESSION_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "tests/lib/until.h"
#include "tests/fakes/hubscene.h"
#include "transports/console/session.h"

static inline int
ask (struct scene *s, unsigned index, enum lease_rank rank,
     const char *command, uint64_t ms, struct command_result *ret)
{
  char uuid[UUID_TEXT];
  struct session *ses;
  struct error err = ERROR_INIT;
  uint64_t deadline = clock_ms () + ms;
  int r = session_open (s->w.hub,
                        hubworld_uuid (index, uuid, sizeof uuid), "serial0",
                        rank, "test", deadline, &ses, &err);

  if (r < 0)
    return r;
  r = session_command (ses, command, deadline, ret, &err);
  session_close (ses);
  return r;
}

static inline void
expect_end (struct scene *s, enum lease_rank rank, uint64_t ms,
             enum ask_end end)
{
  struct command_result ret;

  assert_int_equal (ask (s, 0, rank, "uptime", ms, &ret), 0);
  if (ret.end != end)
    fail_msg ("end %d, not %d: %s", ret.end, end,
              ret.detail);
  command_result_done (&ret);
}

static inline void
expect_ok (struct scene *s, const char *command, const char *output,
           int status)
{
  struct command_result ret;

  assert_int_equal (ask (s, 0, LEASE_SCENARIO, command, UNTIL_MS, &ret), 0);
  if (ret.end != ASK_OK)
    fail_msg ("end %d: %s", ret.end, ret.detail);
  assert_int_equal (ret.status, status);
  if (output)
    assert_string_equal (buf_str (&ret.output), output);
  command_result_done (&ret);
}

#define UPTIME " 10:00:00 up 1 day,  load average: 0.00, 0.01, 0.05\n"

#endif
