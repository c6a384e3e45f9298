/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of guests: from a fake console's bytes to facts, what is ours,
 * another life, other rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/text-bed.h"

/* ---- what is found becomes facts ---- */

static void
test_panic (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct fact f;
  struct seen v;

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  assert_string_equal (last (w, "guest.stage").text, "kernel");
  assert_true (heard (w, "kernel.release", 1));
  assert_string_equal (last (w, "kernel.release").text, "6.1.0-41-amd64");
  assert_true (heard (w, "kernel.boots", 1));
  says (w, 0, PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  assert_int_equal (count (w, "kernel.trouble.panic"), 1);
  f = last (w, "kernel.trouble.panic");
  assert_non_null (strstr (f.text, "Attempted to kill init"));
  assert_int_equal (f.inc.start_time, 7);
  /* Its list has it once, whether its report is over or not. */
  see (w, &v);
  assert_int_equal (v.n, 1);
  assert_int_equal (v.events, 1);
  assert_non_null (strstr (v.title, "Attempted to kill init"));
  assert_non_null (strstr (buf_str (&v.list), "\"kind\":\"panic\""));
  assert_non_null (strstr (buf_str (&v.list), "\"console\":\"serial0\""));
  assert_non_null (strstr (buf_str (&v.list), "exitcode=0x00000700"));
  assert_ptr_equal (strchr (buf_str (&v.list), '\n'),
                    buf_str (&v.list) + v.list.len - 1);
  assert_non_null (strstr (buf_str (&v.dump), "worker 0:"));
  seen_done (&v);
  end (w);
}

/* The first at once, the others are held back. */
static void
test_a_flood_of_events (void **state)
{
  struct world *w = begin (1, 0, NULL);

  says (w, 0, BANNER);
  for (unsigned i = 0; i < 200; i++)
    says (w, 0,
          "[   99.000000] INFO: task x:99 blocked for more than 120 "
          "seconds.\\r\\n");
  says (w, 0, PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  assert_in_range (count (w, "kernel.trouble.hung_task"), 1, 2);
  end (w);
}

static bool
noted (struct world *w, const char *words)
{
  struct seen v;

  for (uint64_t until = clock_ms () + WAIT_MS; clock_ms () < until; nap_ms (1))
    {
      see (w, &v);
      seen_done (&v);
      if (strstr (v.note, words) && strstr (v.note, "silence is no recovery"))
        return true;
    }
  return false;
}

static void
test_silence_is_no_recovery (void **state)
{
  struct world *w = begin (1, 0, NULL);
  char line[160];
  struct seen v;

  says (w, 0, BANNER);
  for (unsigned i = 0; i < TEXT_HUNG_WARNINGS; i++)
    {
      see (w, &v);
      assert_string_equal (v.note, "");
      seen_done (&v);
      snprintf (line, sizeof line,
                "[  %u.000000] INFO: task x%u:%u blocked for more than 120 "
                "seconds.\\r\\n",
                120 + i, i, 50 + i);
      says (w, 0, line);
    }
  assert_true (noted (w, "as many hung tasks as it ever tells of"));
  says (w, 0, PANIC);
  assert_true (noted (w, "had an oops or a panic"));
  end (w);
}

static void
test_nor_after_an_oops (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;

  says (w, 0,
        BANNER "[  120.000000] BUG: kernel NULL pointer dereference, address: "
               "0000000000000008\\r\\n");
  assert_true (noted (w, "had an oops or a panic"));
  /* Until another kernel boots. */
  says (w, 0,
        BANNER "[    1.000000] INFO: task x:9 blocked for more than 120 "
               "seconds.\\r\\n");
  assert_true (heard (w, "kernel.event.hung_task", 1));
  see (w, &v);
  assert_string_equal (v.note, "");
  seen_done (&v);
  end (w);
}

/* ---- what is ours ---- */

static void
test_our_own_keys (void **state)
{
  struct world *w = begin (1, 0, NULL);
  char uuid[UUID_TEXT];

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  ours (w, 'l');
  says (w, 0,
        "[  100.000000] sysrq: Show backtrace of all active CPUs\\r\\n"
        "[  100.000100] NMI backtrace for cpu 0\\r\\n"
        "[  100.000200] CPU: 0 PID: 99 Comm: x Not tainted 6.1.0 #1\\r\\n"
        "[  100.000300] RIP: 0010:native_halt+0x5/0x10\\r\\n"
        "[  100.000400] Call Trace:\\r\\n"
        "[  100.000500]  do_nothing+0x1/0x2\\r\\n"
        "[  100.000600] INFO: task x:99 blocked for more than 120 "
        "seconds.\\r\\n");
  assert_true (read_beyond (w, 380));
  nap_ms (400); /* and what is said of it when nothing more comes */
  assert_int_equal (count (w, "kernel.trouble.hung_task"), 0);
  /* What comes when that was all is the guest's own. */
  texts_ours (w->t, hubworld_uuid (0, uuid, sizeof uuid), '\0', clock_ms ());
  nap_ms (2);
  says (w, 0,
        "[  101.000000] INFO: task y:98 blocked for more than 120 "
        "seconds.\\r\\n");
  assert_true (heard (w, "kernel.trouble.hung_task", 1));
  end (w);
}

/* ---- lives ---- */

static void
test_another_life (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;

  says (w, 0, BANNER PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  assert_int_equal (last (w, "kernel.event.panic").inc.start_time, 7);
  guest (w, 0, GUEST_REPLACED, 8, 0);
  assert_true (hubworld_wait (&w->s.w, 0, CONSOLE_SILENT, WAIT_MS));
  for (uint64_t until = clock_ms () + WAIT_MS; clock_ms () < until; nap_ms (1))
    {
      see (w, &v);
      seen_done (&v);
      if (v.stage == STAGE_UNKNOWN)
        break;
    }
  assert_int_equal (v.stage, STAGE_UNKNOWN);
  assert_int_equal (v.events, 0);
  assert_int_equal (v.list.len, 0);
  says (w, 0, BANNER PANIC);
  assert_true (heard (w, "kernel.event.panic", 2));
  assert_int_equal (last (w, "kernel.event.panic").inc.start_time, 8);
  end (w);
}

static void
test_boots (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;

  says (w, 0, BANNER PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  for (uint64_t until = clock_ms () + WAIT_MS;
       atomic_load (&w->boots) < 1 && clock_ms () < until; nap_ms (1))
    ;
  assert_int_equal (atomic_load (&w->boots), 1);
  /* The registry counts it: what was read of it already is not forgotten. */
  guest (w, 0, GUEST_REBOOTED, 7, 1);
  says (w, 0, "[   13.000000] something else\\r\\n");
  assert_true (heard (w, "guest.stage", 2));
  assert_int_equal (last (w, "guest.stage").inc.boot, 1);
  assert_string_equal (last (w, "guest.stage").text, "kernel");
  see (w, &v);
  assert_int_equal (v.events, 1);
  seen_done (&v);
  assert_int_equal (atomic_load (&w->replays), 0);
  /* A log that somebody looks at. */
  says (w, 0, BANNER "[ 4000.000000] eth0: link up\\r\\n");
  for (uint64_t until = clock_ms () + WAIT_MS;
       atomic_load (&w->replays) < 1 && clock_ms () < until; nap_ms (1))
    ;
  assert_int_equal (atomic_load (&w->replays), 1);
  end (w);
}

static enum text_stage
stand (struct world *w, struct texts_stand *ret)
{
  char uuid[UUID_TEXT];

  assert_true (texts_stand (w->t, hubworld_uuid (0, uuid, sizeof uuid),
                            "serial0", ret));
  assert_false (texts_stand (w->t, uuid, "nosuch", ret));
  return ret->stage.stage;
}

/* What is known of somebody who is about to be typed at. */
static void
test_stand (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct texts_stand st;
  char uuid[UUID_TEXT];
  uint64_t until;

  says (w, 0, "lab login: ");
  assert_true (heard (w, "guest.stage", 1));
  assert_int_equal (stand (w, &st), STAGE_LOGIN);
  assert_int_equal (st.reset_ms, 0);
  assert_false (st.answered);
  texts_answered (w->t, hubworld_uuid (0, uuid, sizeof uuid));
  stand (w, &st);
  assert_true (st.answered);
  /* Told of a reset, before its console says anything. */
  guest (w, 0, GUEST_REBOOTED, 7, 1);
  stand (w, &st);
  assert_false (st.answered);
  assert_in_range (clock_ms () - st.reset_ms, 0, WAIT_MS);
  assert_int_equal (st.starved, 0); /* nobody is there who had any time */
  says (w, 0, BANNER);
  assert_true (heard (w, "kernel.boots", 1));
  assert_int_equal (stand (w, &st), STAGE_KERNEL);
  assert_true (st.stage.since_ms >= st.reset_ms);
  texts_answered (w->t, uuid);
  stand (w, &st);
  assert_true (st.answered);
  assert_int_equal (st.reset_ms, 0);
  /* And a boot that nobody told of. */
  says (w, 0, PANIC BANNER);
  assert_true (heard (w, "kernel.boots", 2));
  stand (w, &st);
  assert_false (st.answered);
  /* Somebody is sure of it only when it has been at its prompt for a while:
   * then it does not begin anew. */
  says (w, 0, "lab login: ");
  until = clock_ms () + WAIT_MS;
  while (stand (w, &st) != STAGE_LOGIN && clock_ms () < until)
    nap_ms (1);
  nap_ms (20);
  guest (w, 0, GUEST_REBOOTED, 7, 2);
  do
    stand (w, &st);
  while ((st.reset_ms == 0 || st.reset_ms > st.stage.since_ms)
         && clock_ms () < until);
  assert_in_range (st.reset_ms, 1, st.stage.since_ms);
  assert_int_equal (st.stage.stage, STAGE_LOGIN);
  assert_false (texts_stand (NULL, uuid, "serial0", &st));
  end (w);
}

/* ---- other rules ---- */

static void
test_other_rules (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;

  says (w, 0, BANNER "pump 1\\r\\n");
  assert_true (heard (w, "guest.stage", 1));
  other_rules (w, pump_rules ("one"));
  says (w, 0, "pump 2\\r\\n");
  assert_true (heard (w, "kernel.event.warning", 1));
  assert_string_equal (last (w, "kernel.event.warning").text, "one");
  /* What was known of it stays, and what the old ones found is not found
   * again. */
  see (w, &v);
  assert_int_equal (v.events, 1);
  assert_int_equal (v.stage, STAGE_KERNEL);
  assert_non_null (
      strstr (buf_str (&v.dump), "of operators 1 (0 in the place of ours)"));
  seen_done (&v);
  assert_int_equal (count (w, "kernel.boots"), 1);
  says (w, 0, PANIC);
  assert_true (heard (w, "kernel.event.panic", 1));
  end (w);
}

#define T(fn) cmocka_unit_test (fn)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_panic),
    T (test_a_flood_of_events),
    T (test_silence_is_no_recovery),
    T (test_nor_after_an_oops),
    T (test_our_own_keys),
    T (test_another_life),
    T (test_boots),
    T (test_stand),
    T (test_other_rules),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
