/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-beat, the real one: who is added is read, who cannot be is told, and
 * one that does not come back holds up nobody for long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "supervisor/beats/beater.h"
#include "tests/lib/built.h"
#include "tests/lib/until.h"
#include "tests/unit/transports/memory-beat-bed.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define GUESTS 3u

struct world
{
  struct loop *loop;
  struct beater *b;
  char libexec[PATH_MAX];
  struct bed beds[GUESTS];
  struct beat_table *tables[GUESTS];
  unsigned beats, failed, lost;
  struct beat last[GUESTS + 1]; /* by number */
  uint32_t failed_id, lost_id;
};

static void
on_beat (uint32_t id, const struct beat *b, void *arg)
{
  struct world *w = arg;

  assert_in_range (id, 1, GUESTS);
  w->beats++;
  w->last[id] = *b;
}

static void
on_failed (uint32_t id, const struct error *why, void *arg)
{
  struct world *w = arg;

  w->failed++;
  w->failed_id = id;
}

static void
on_lost (uint32_t id, void *arg)
{
  struct world *w = arg;

  w->lost++;
  w->lost_id = id;
}

static const struct beater_ops ops
    = { .beat = on_beat, .failed = on_failed, .lost = on_lost };

static void
add (struct world *w, uint32_t id)
{
  assert_int_equal (beater_add (w->b, id, w->tables[id - 1],
                                w->beds[id - 1].fd, NULL),
                    0);
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);
  char *slash;

  built_path (w->libexec, "hangdog-beat");
  if ((slash = strrchr (w->libexec, '/')))
    *slash = '\0';
  assert_int_equal (loop_new (&w->loop, NULL), 0);
  assert_int_equal (beater_new (w->loop, w->libexec, &ops, w, &w->b, NULL), 0);
  for (unsigned i = 0; i < GUESTS; i++)
    {
      struct bed *b = &w->beds[i];

      bed_new (b);
      fill (b);
      poke64 (b, (1ull << 32) + 64, 1000 + i);
      put_cpu (b, 0, 2, 100, 5, false, 7000);
      put_cpu (b, 1, 0, 200, -3, true, 8000);
      assert_int_equal (load (b, &w->tables[i]), 0);
      add (w, i + 1);
    }
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  beater_free (w->b);
  loop_free (w->loop);
  for (unsigned i = 0; i < GUESTS; i++)
    {
      beat_table_free (w->tables[i]);
      bed_free (&w->beds[i]);
    }
  free (w);
  return 0;
}

static const uint32_t all[GUESTS] = { 1, 2, 3 };

static void
ask_all (struct world *w, unsigned want)
{
  unsigned before = w->beats;

  UNTIL_LOOP (w->loop, beater_ask (w->b, all, GUESTS));
  UNTIL_LOOP (w->loop, w->beats + w->failed >= before + want);
}

static void
reads_all (void **state)
{
  struct world *w = *state;

  ask_all (w, GUESTS);
  for (unsigned id = 1; id <= GUESTS; id++)
    {
      const struct beat *b = &w->last[id];

      assert_true (b->canary_ok);
      assert_int_equal (b->ticks, 1000 + id - 1);
      assert_int_equal (b->cpus, 2);
      assert_int_equal (b->blocked, 2);
      assert_int_equal (b->cpu[0].switches, 100);
      assert_true (b->cpu[1].idle);
    }
  /* It moves; another kernel is seen; and who is dropped is not read. */
  poke64 (&w->beds[0], (1ull << 32) + 64, 5000);
  poke64 (&w->beds[1], LOW + 0x5000, ~BOOT);
  beater_drop (w->b, 3);
  w->last[3].ticks = 77;
  ask_all (w, GUESTS - 1);
  assert_int_equal (w->last[1].ticks, 5000);
  assert_false (w->last[2].canary_ok);
  assert_int_equal (w->last[3].ticks, 77);
  assert_int_equal (w->failed + w->lost, 0);
}

static void
says_who_cannot_be_read (void **state)
{
  struct world *w = *state;

  assert_int_equal (ftruncate (w->beds[1].fd, 0), 0);
  ask_all (w, GUESTS);
  assert_int_equal (w->failed, 1);
  assert_int_equal (w->failed_id, 2);
  assert_int_equal (w->beats, GUESTS - 1);
  ask_all (w, GUESTS - 1);
  assert_int_equal (w->failed, 1);
}

static void
begins_anew (void **state)
{
  struct world *w = *state;
  pid_t first = beater_pid (w->b);

  ask_all (w, GUESTS);
  assert_true (first > 0);
  kill (first, SIGKILL);
  UNTIL_LOOP (w->loop, w->lost == 1);
  assert_int_equal (w->lost_id, 0);
  assert_int_equal (beater_pid (w->b), 0);
  assert_false (beater_ask (w->b, all, GUESTS));
  for (uint32_t id = 1; id <= GUESTS; id++)
    add (w, id);
  assert_true (beater_pid (w->b) > 0 && beater_pid (w->b) != first);
  w->beats = 0;
  ask_all (w, GUESTS);
  assert_int_equal (w->beats, GUESTS);
}

static void
stopped (pid_t pid)
{
  int status;

  assert_int_equal (waitpid (pid, &status, __WALL), pid);
  assert_true (WIFSTOPPED (status));
}

/* Held where it reads the second guest, as by pages that do not come. */
static void
hold_in_second_read (pid_t pid, struct world *w)
{
  struct __ptrace_syscall_info info;
  unsigned reads = 0, per = beat_table_reads (w->tables[0]);

  for (;;)
    {
      assert_int_equal (ptrace (PTRACE_SYSCALL, pid, NULL, NULL), 0);
      stopped (pid);
      memset (&info, 0, sizeof info);
      assert_true (ptrace (PTRACE_GET_SYSCALL_INFO, pid,
                           (void *) sizeof info, &info)
                   > 0);
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY
          && info.entry.nr == SYS_pread64 && ++reads == per + 1)
        return;
    }
}

static void
says_whom_it_is_stuck_in (void **state)
{
  struct world *w = *state;
  pid_t pid = beater_pid (w->b);

  ask_all (w, GUESTS);
  if (ptrace (PTRACE_SEIZE, pid, NULL,
              (void *) (uintptr_t) PTRACE_O_TRACESYSGOOD)
      < 0)
    skip (); /* a container without the right to */
  /* Before the question goes out: it might be through with it. */
  assert_int_equal (ptrace (PTRACE_INTERRUPT, pid, NULL, NULL), 0);
  stopped (pid);
  assert_true (beater_ask (w->b, all, GUESTS));
  assert_int_equal (loop_round (w->loop, 0, NULL), 0);
  hold_in_second_read (pid, w);
  w->beats = 0;
  UNTIL_LOOP (w->loop, w->lost == 1);
  assert_int_equal (w->lost_id, 2);
  assert_int_equal (w->beats, 0);
  add (w, 1);
  add (w, 3);
  ask_all (w, 2);
  assert_int_equal (w->beats, 2);
}

/* What it is given is looked at as if a stranger had sent it. */
static void
refuses_tables_that_are_none (void **state)
{
  struct world *w = *state;
  struct beat_table *t = NULL;
  size_t len;
  const void *flat = beat_table_flat (w->tables[0], &len);
  CLEANUP_FREE unsigned char *copy = malloc (len);

  assert_int_equal (beat_table_unflat (flat, len, &t, NULL), 0);
  beat_table_free (t);
  assert_int_equal (beat_table_unflat (flat, len - 1, &t, NULL), -EBADMSG);
  assert_int_equal (beat_table_unflat (flat, 3, &t, NULL), -EBADMSG);
  for (size_t i = 0; i < len; i++)
    {
      struct beat out;

      memcpy (copy, flat, len);
      copy[i] ^= 0xff;
      t = NULL;
      if (beat_table_unflat (copy, len, &t, NULL) == 0)
        (void) beat_read (t, w->beds[0].fd, &out, NULL);
      beat_table_free (t);
    }
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (reads_all),
    T (says_who_cannot_be_read),
    T (begins_anew),
    T (says_whom_it_is_stuck_in),
    T (refuses_tables_that_are_none),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
