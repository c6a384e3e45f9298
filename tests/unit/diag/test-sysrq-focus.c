/* SPDX-License-Identifier: Apache-2.0
 *
 * The input focus of QEMU's mux: a daemon is killed at each byte of what moves
 * it there and back, and who starts after it finds it where it was.  The mux
 * takes its input byte by byte, as QEMU does, and forgets the rest when its
 * client goes; it and the disk outlive the daemon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sysrq-bed.h"

#define NEVER 1000

enum
{
  HVC,
  SERIAL,
};

/* What outlives the daemon. */
static struct mux
{
  int focus;
  bool escape, ctrl_o, broke;
  bool hvc_answers, serial_answers;
  int shell; /* characters typed at somebody's shell */
  int moved; /* how often the focus was moved */
  unsigned dies_at, taken;
  char disk[200]; /* the intent there, "" = none */
} *m;

static void
at_hvc (char c)
{
  if (m->ctrl_o && m->hvc_answers)
    hit (c);
  else if (c != 0x0f && c != 0x15)
    m->shell++;
  m->ctrl_o = c == 0x0f;
}

static void
at_serial (char c)
{
  if (m->broke && m->serial_answers)
    hit (c);
  m->broke = false;
}

/* As mux_proc_byte() of QEMU. */
static void
take (char c)
{
  if (m->escape && c != 0x01)
    {
      m->escape = false;
      assert_int_not_equal (c, 'x'); /* quits it */
      m->moved += c == 'c';
      m->focus ^= c == 'c';
      m->broke |= c == 'b' && m->focus == SERIAL;
    }
  else if (!m->escape && c == 0x01)
    m->escape = true;
  else
    {
      m->escape = false;
      (m->focus == HVC ? at_hvc : at_serial) (c);
    }
}

static void
to_the_mux (const char *data, size_t len)
{
  /* Only what moves it is interrupted: with a read after each byte. */
  bool moves = memmem (data, len, "\001c", 2) != NULL;

  for (size_t i = 0; i < len; i++, m->taken += moves)
    {
      if (moves && m->taken == m->dies_at)
        raise (SIGKILL);
      take (data[i]);
    }
}

static int
onto_disk (struct collect_out *out, struct json_object *undo,
           struct error *err)
{
  int r = intend (out, undo, err);

  snprintf (m->disk, sizeof m->disk, "%s", k.intent);
  return r;
}

static void
off_disk (struct collect_out *out, const char *act)
{
  undone (out, act);
  m->disk[0] = '\0';
}

/* A daemon's life: it asks, or finds what is on disk and undoes it.  How it
 * ended. */
static int
live (const struct guest *g, bool undoes)
{
  pid_t pid = fork ();
  int status;

  if (pid == 0)
    {
      struct transport_env env = { NULL };
      struct haul *h = haul_new ();
      struct error err = ERROR_INIT;
      struct collect_ctx ctx
          = { .guest = g, .env = &env, .scenario = "", .out = &h->out,
              .deadline = now_ms + sysrq_undo_focus.budget_ms };
      struct json_object *undo = json_tokener_parse (m->disk);

      if (undoes)
        _exit (sysrq_undo_focus.run (&ctx, undo, &err) < 0);
      h->out.intend = onto_disk;
      h->out.undone = off_disk;
      _exit (collect (&collect_sysrq, g, &env, "{\"keys\":\"h\"}", h, &err)
             < 0);
    }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  return WIFSIGNALED (status) ? -WTERMSIG (status) : WEXITSTATUS (status);
}

static struct guest
begin (bool hvc, bool serial, unsigned dies_at)
{
  struct guest g = guest (CONSOLE_DEV_MUX);

  g.monitor = MONITOR_NONE; /* no keyboard: a mux alone */
  k = (struct kernel){ .obeys = true, .mask = 1, .level = 7 };
  memset (m, 0, sizeof *m);
  m->hvc_answers = hvc;
  m->serial_answers = serial;
  m->dies_at = dies_at;
  to_mux = to_the_mux;
  return g;
}

/* One that nobody kills: there and back, remembered only in between. */
static void
test_goes_back (void **state)
{
  struct guest g = begin (false, true, NEVER);

  assert_int_equal (live (&g, false), 0);
  assert_int_equal (m->focus, HVC);
  assert_int_equal (m->moved, 2);
  assert_string_equal (m->disk, "");
  /* And none of it where hvc answers. */
  g = begin (true, true, 0);
  assert_int_equal (live (&g, false), 0);
  assert_int_equal (m->moved, 0);
}

static void
test_killed (void **state)
{
  unsigned was_left = 0;

  for (unsigned at = 0; at < 7; at++)
    {
      struct guest g = begin (false, true, at);

      assert_int_equal (live (&g, false), -SIGKILL);
      assert_non_null (strstr (m->disk, "\"focus\""));
      was_left += m->focus == SERIAL;
      /* The next one is killed as well, wherever it moves something. */
      for (m->dies_at = 0; m->dies_at < 9; m->dies_at++)
        {
          struct mux was = *m;

          m->taken = 0;
          assert_in_range (live (&g, true) + SIGKILL, 0, SIGKILL);
          m->dies_at = NEVER;
          assert_int_equal (live (&g, true), 0);
          assert_int_equal (m->focus, HVC);
          assert_false (m->escape);
          *m = was;
        }
    }
  /* Between ^A c and ^A c. */
  assert_int_equal (was_left, 5);
}

/* Who has it is told by hvc, too; where neither answers nothing is moved. */
static void
test_who_has_it (void **state)
{
  for (int focus = HVC; focus <= SERIAL; focus++)
    {
      struct guest g = begin (true, false, NEVER);

      snprintf (m->disk, sizeof m->disk, "{\"act\":\"focus\"}");
      m->focus = focus;
      assert_int_equal (live (&g, true), focus == HVC ? 0 : 1);
      g = begin (false, false, NEVER);
      snprintf (m->disk, sizeof m->disk, "{\"act\":\"focus\"}");
      m->focus = focus;
      assert_int_equal (live (&g, true), 1);
      assert_int_equal (m->focus, focus);
    }
}

/* It is not moved where nobody would remember it, and not forgotten while QEMU
 * has not read all of it. */
static void
test_remembered (void **state)
{
  struct guest g = begin (false, true, NEVER);
  struct haul *h;

  k.no_intent = true;
  h = ask (&g, "{\"keys\":\"h\"}", 0);
  assert_int_equal (m->moved, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "nobody would put it back"));
  haul_free (h);
  g = begin (false, true, NEVER);
  k.slow_disk = true;
  h = ask (&g, "{\"keys\":\"h\"}", 0);
  assert_int_equal (m->moved, 0);
  haul_free (h);

  g = begin (false, true, NEVER);
  k.untaken = true;
  h = ask (&g, "{\"keys\":\"h\"}", 0);
  assert_int_equal (k.intents, 1);
  assert_int_equal (k.undones, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "input focus is back"));
  haul_free (h);
  /* Several keys are one act. */
  g = begin (false, true, NEVER);
  haul_free (ask (&g, "{\"keys\":\"hwl\"}", 0));
  assert_int_equal (k.intents, 1);
  assert_int_equal (k.undones, 1);
  assert_int_equal (m->moved, 6);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_goes_back),
    cmocka_unit_test (test_killed),
    cmocka_unit_test (test_who_has_it),
    cmocka_unit_test (test_remembered),
  };

  m = mmap (NULL, sizeof *m, PROT_READ | PROT_WRITE,
            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return m == MAP_FAILED ? 99 : cmocka_run_group_tests (tests, NULL, NULL);
}
