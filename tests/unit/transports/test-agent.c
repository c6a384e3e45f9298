/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest agent over its socket, against one that misbehaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "base/sanitize.h"
#include "guests/guest.h"
#include "transports/agent/agent_impl.h"
#include "transports/transport.h"
#include "fake-bed.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Far more than any of it takes; what has to wait for its end takes WAIT_MS,
 * in which a sync must be answered also on a busy machine. */
#define ENOUGH_MS 60000
#define WAIT_MS 4000

struct fake
{
  struct fake_process p;
  struct guest *g;
  struct transport_env env;
  struct agents *agents;
};

static void
fake_start (struct fake *f, const char *mode)
{
  memset (f, 0, sizeof *f);
  fake_spawn (&f->p, "tests/fakes/fake-qga", mode, "qga");
  assert_int_equal (agents_new (&f->agents, NULL), 0);
  f->env.opener = opener_local ();
  f->env.agents = f->agents;
  f->g = guest_new ();
  f->g->agent = AGENT_UNIX;
  f->g->inc.pid = f->p.pid;
  assert_int_equal (proc_start_time (f->p.pid, &f->g->inc.start_time, NULL), 0);
  snprintf (f->g->inc.uuid, sizeof f->g->inc.uuid,
            "11111111-2222-4333-8444-555555555555");
  snprintf (f->g->host, sizeof f->g->host, "%s", f->p.tmp.path);
  snprintf (f->g->agent_path, sizeof f->g->agent_path, "qga");
}

static void
fake_stop (struct fake *f)
{
  fake_end (&f->p);
  guest_unref (f->g);
  agents_free (f->agents);
}

/* As if it had answered a question before. */
static void
has_answered (struct fake *f)
{
  struct agent_known known;

  agents_look (f->agents, &f->g->inc, clock_ms (), &known);
  agents_answered (f->agents, &f->g->inc);
}

enum what
{
  PING,
  EXEC,
  FILE_,
};

static int
ask (struct fake *f, enum what what, uint64_t ms, struct ask_result *ret)
{
  static const char *const args[] = { "-x", "a \"b\"", NULL };
  uint64_t deadline = clock_ms () + ms;
  double now;

  *ret = (struct ask_result){ 0 };
  switch (what)
    {
    case PING:
      return agent_ping (&f->env, f->g, deadline, ret, NULL);
    case EXEC:
      return agent_exec (&f->env, f->g, "/bin/prog", args, deadline, ret,
                         NULL);
    default:
      return agent_file (&f->env, f->g, "/run/health", deadline, &now, ret,
                         NULL);
    }
}

static void
expect_end (const char *mode, enum what what, enum ask_end end,
            const char *detail)
{
  struct ask_result r;
  struct fake f;

  fake_start (&f, mode);
  has_answered (&f);
  assert_int_equal (ask (&f, what, ENOUGH_MS, &r), 0);
  if (r.end != end || (detail && !strstr (r.detail, detail)))
    fail_msg ("%s: %d instead of %d: %s", mode, r.end, end, r.detail);
  assert_true (r.begun);
  ask_result_done (&r);
  fake_stop (&f);
}

/* ---- a good one ---- */

static void
answers_whatever_was_left_there (void **state)
{
  static const char *const modes[] = { "well", "leftovers", "bytewise" };

  for (unsigned i = 0; i < ARRAY_LEN (modes); i++)
    {
      expect_end (modes[i], PING, ASK_OK, NULL);
      expect_end (modes[i], FILE_, ASK_OK, NULL);
    }
}

static void
runs_a_program (void **state)
{
  struct ask_result r;
  struct fake f;

  fake_start (&f, "leftovers");
  assert_int_equal (ask (&f, EXEC, ENOUGH_MS, &r), 0);
  assert_int_equal (r.end, ASK_OK);
  assert_int_equal (r.status, 3);
  /* Its output is what it was told to run, then what it said on stderr. */
  assert_non_null (strstr (buf_str (&r.output), "prog\","));
  assert_non_null (
      strstr (buf_str (&r.output), "\"arg\":[\"-x\",\"a \\\"b\\\"\"]"));
  assert_non_null (strstr (buf_str (&r.output), "\"capture-output\":true"));
  assert_string_equal (buf_str (&r.output) + r.output.len - 3, "err");
  ask_result_done (&r);
  fake_stop (&f);
}

static void
reads_a_file (void **state)
{
  struct ask_result r;
  double now = 0;
  struct fake f;

  fake_start (&f, "well");
  assert_int_equal (agent_file (&f.env, f.g, "/run/health",
                                clock_ms () + ENOUGH_MS, &now, &r, NULL),
                    0);
  assert_int_equal (r.end, ASK_OK);
  assert_string_equal (buf_str (&r.output), "ok 1700000000 load 0.25\n");
  assert_true (now > 1700000059.9 && now < 1700000060.1);
  ask_result_done (&r);
  assert_int_equal (agent_file (&f.env, f.g, "/nope", clock_ms () + ENOUGH_MS,
                                &now, &r, NULL),
                    0);
  assert_int_equal (r.end, ASK_CANT);
  assert_non_null (strstr (r.detail, "No such file"));
  assert_true (isnan (now));
  ask_result_done (&r);
  fake_stop (&f);
}

static void
tells_addresses (void **state)
{
  struct agent_address a[4];
  struct error err = ERROR_INIT;
  size_t n = 99;
  struct fake f;

  fake_start (&f, "well");
  assert_int_equal (agent_addresses (&f.env, f.g, clock_ms () + ENOUGH_MS, a,
                                     ARRAY_LEN (a), &n, &err),
                    0);
  assert_int_equal (n, 2);
  assert_string_equal (a[0].ip, "192.0.2.7");
  assert_string_equal (a[0].mac, "52:54:00:aa:bb:01");
  assert_string_equal (a[0].ifname, "eth0");
  assert_int_equal (a[0].prefix, 24);
  assert_false (a[0].v6);
  assert_string_equal (a[1].ip, "2001:db8::7");
  assert_true (a[1].v6);
  assert_int_equal (agent_addresses (&f.env, f.g, clock_ms () + ENOUGH_MS, a,
                                     1, &n, &err),
                    0);
  assert_int_equal (n, 1);
  f.g->agent = AGENT_NONE;
  assert_int_equal (agent_addresses (&f.env, f.g, clock_ms () + ENOUGH_MS, a,
                                     1, &n, &err),
                    -ENOENT);
  fake_stop (&f);
}

/* ---- bad ones, which show themselves ---- */

static void
tells_what_it_gets (void **state)
{
  expect_end ("malformed", PING, ASK_PROTOCOL, "no JSON");
  expect_end ("deep", PING, ASK_PROTOCOL, "no JSON");
  expect_end ("list", PING, ASK_PROTOCOL, "no object");
  expect_end ("close", PING, ASK_TAKEN, "closed");
  expect_end ("blocked", EXEC, ASK_BLOCKED, "blocks guest-exec");
  expect_end ("frozen", EXEC, ASK_FROZEN, "frozen");
  expect_end ("old", EXEC, ASK_BLOCKED, "has no guest-exec");
  expect_end ("killed", EXEC, ASK_KILLED, "signal 9");
  expect_end ("bad-base64", EXEC, ASK_PROTOCOL, "base64");
  expect_end ("big-exec", EXEC, ASK_FLOOD, "64 KiB");
  expect_end ("bad-piece", FILE_, ASK_PROTOCOL, "another length");
  expect_end ("big-file", FILE_, ASK_FLOOD, "64 KiB");
}

/* Peak of this process, from now. */
static void
peak_reset (void)
{
  CLEANUP_CLOSE int fd = open ("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

  (void) !write (fd, "5", 1);
}

static long
peak_kib (void)
{
  CLEANUP_FCLOSE FILE *f = fopen ("/proc/self/status", "re");
  char line[256];
  long kib = -1;

  while (f && fgets (line, sizeof line, f))
    if (sscanf (line, "VmHWM: %ld", &kib) == 1)
      break;
  return kib;
}

/* What is said without an end is given up, and takes no memory: 1 MiB of text
 * and its tree. */
static void
bounds_what_it_takes (void **state)
{
  static const struct
  {
    const char *mode, *detail;
  } cases[] = {
    { "huge", "given up" },    { "endless", "given up" },
    { "noise", "given up" },   { "markers", "given up" },
    { "many", "values" },
  };
  long before;

  expect_end ("well", PING, ASK_OK, NULL);
  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      peak_reset ();
      before = peak_kib ();
      expect_end (cases[i].mode, PING, ASK_PROTOCOL, cases[i].detail);
      print_message ("%s: %ld KiB more at most\n", cases[i].mode,
                     peak_kib () - before);
      /* A sanitizer keeps what was freed, and so does valgrind. */
      if (!SANITIZED && !getenv ("LD_PRELOAD"))
        assert_true (peak_kib () - before < 16 * 1024);
    }
}

/* ---- bad ones that are waited for: all at once ---- */

struct waiting
{
  const char *mode;
  enum what what;
  enum ask_end end;
  struct fake f;
  pthread_t thread;
  int rc;
  uint64_t took;
  struct ask_result r;
};

static void *
wait_for (void *arg)
{
  struct waiting *w = arg;
  uint64_t began = clock_ms ();

  w->rc = ask (&w->f, w->what, WAIT_MS, &w->r);
  w->took = clock_ms () - began;
  return NULL;
}

static void
ends_at_the_deadline (void **state)
{
  struct waiting all[] = {
    { "silent", PING, ASK_SILENT },      { "wrong-id", PING, ASK_SILENT },
    { "slow", PING, ASK_SILENT },        { "sync-only", PING, ASK_NO_ANSWER },
    { "half", EXEC, ASK_NO_ANSWER },     { "endless-exec", EXEC, ASK_NO_ANSWER },
  };

  for (unsigned i = 0; i < ARRAY_LEN (all); i++)
    {
      fake_start (&all[i].f, all[i].mode);
      has_answered (&all[i].f);
      assert_int_equal (
          pthread_create (&all[i].thread, NULL, wait_for, &all[i]), 0);
    }
  for (unsigned i = 0; i < ARRAY_LEN (all); i++)
    {
      struct waiting *w = &all[i];

      pthread_join (w->thread, NULL);
      assert_int_equal (w->rc, 0);
      if (w->r.end != w->end)
        fail_msg ("%s: %d instead of %d: %s", w->mode, w->r.end, w->end,
                  w->r.detail);
      assert_in_range (w->took, WAIT_MS / 2, WAIT_MS + 30000);
      ask_result_done (&w->r);
      fake_stop (&w->f);
    }
}

/* ---- who has it ---- */

static void
sees_another_client (void **state)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  struct ask_result r;
  struct fake f;
  int fd;

  fake_start (&f, "silent");
  has_answered (&f);
  snprintf (sa.sun_path, sizeof sa.sun_path, "%s/qga", f.p.tmp.path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (connect (fd, (struct sockaddr *) &sa, sizeof sa), 0);
  /* That it was accepted is seen by what it takes. */
  assert_int_equal (write (fd, "x", 1), 1);
  assert_int_equal (ask (&f, PING, ENOUGH_MS, &r), 0);
  /* Where the kernel does not tell, the sync would be waited for. */
  assert_int_equal (r.end, ASK_BUSY);
  assert_false (r.begun);
  ask_result_done (&r);
  close (fd);
  fake_stop (&f);
}

static void
lets_go_of_it (void **state)
{
  struct ask_result r;
  struct fake f;

  /* A client at a time: a second question would wait for the first's end. */
  fake_start (&f, "well");
  for (unsigned i = 0; i < 20; i++)
    {
      assert_int_equal (ask (&f, PING, ENOUGH_MS, &r), 0);
      assert_int_equal (r.end, ASK_OK);
      ask_result_done (&r);
    }
  f.g->inc.start_time++;
  assert_int_equal (ask (&f, PING, ENOUGH_MS, &r), 0);
  assert_int_equal (r.end, ASK_ABSENT);
  ask_result_done (&r);
  f.g->agent = AGENT_NONE;
  assert_int_equal (ask (&f, PING, ENOUGH_MS, &r), 0);
  assert_int_equal (r.end, ASK_ABSENT);
  ask_result_done (&r);
  fake_stop (&f);
}

/* ---- what is remembered ---- */

static void
remembers_who_has_answered (void **state)
{
  struct incarnation a = { .uuid = "a", .pid = 1, .start_time = 5 }, b = a;
  struct agents *agents;
  struct agent_known k;

  assert_int_equal (agents_new (&agents, NULL), 0);
  agents_look (agents, &a, 1000, &k);
  assert_int_equal (k.first_ms, 1000);
  assert_false (k.answered || k.ever);
  assert_int_equal (k.windows, -1);
  agents_answered (agents, &a);
  agents_system (agents, &a, true);
  agents_look (agents, &a, 2000, &k);
  assert_int_equal (k.first_ms, 1000);
  assert_true (k.answered && k.ever);
  assert_int_equal (k.windows, 1);
  /* Another boot of it: it has answered, but not in this one. */
  b.boot++;
  agents_look (agents, &b, 3000, &k);
  assert_int_equal (k.first_ms, 3000);
  assert_true (!k.answered && k.ever);
  assert_int_equal (k.windows, -1);
  /* What comes late is of the life before. */
  agents_answered (agents, &a);
  agents_look (agents, &b, 4000, &k);
  assert_false (k.answered);
  agents_look (NULL, &b, 4000, &k);
  assert_int_equal (k.first_ms, 4000);
  /* Bounded: of thousands some are forgotten, and nobody is another. */
  for (unsigned i = 0; i < 20000; i++)
    {
      struct incarnation inc = { .pid = 1 };

      snprintf (inc.uuid, sizeof inc.uuid, "guest-%u", i);
      agents_look (agents, &inc, 5000 + i, &k);
      assert_false (k.answered || k.ever);
      agents_answered (agents, &inc);
    }
  agents_free (agents);
}

/* One that has never answered is waited for while the guest is young. */
static void
gives_a_young_guest_time (void **state)
{
  struct ask_result r;
  struct fake f;

  fake_start (&f, "silent");
  assert_int_equal (ask (&f, PING, WAIT_MS, &r), 0);
  assert_int_equal (r.end, ASK_NOT_YET);
  ask_result_done (&r);
  fake_stop (&f);
}

/* ---- doctor ---- */

struct seen
{
  struct doctor_report rep;
  unsigned lines;
  enum doctor_state state;
  char finding[400];
};

static void
see_line (struct doctor_report *rep, enum doctor_state state, const char *what,
          const char *finding, const char *fix)
{
  struct seen *s = (struct seen *) rep; /* its first member */

  assert_string_equal (what, "agent");
  s->lines++;
  s->state = state;
  snprintf (s->finding, sizeof s->finding, "%s", finding);
}

static void
doctor_says_what_is_wrong (void **state)
{
  static const struct
  {
    const char *mode;
    enum doctor_state state;
    const char *finding;
  } cases[] = {
    /* What a guest calls itself reaches a terminal. */
    { "well", DOCTOR_WARN, "qemu-ga 9.9.9??2J answers; it blocks, or does not "
                           "have: guest-exec-status guest-file-open" },
    { "blocked", DOCTOR_WARN, "have: guest-exec guest-exec-status" },
    { "malformed", DOCTOR_BAD, "no JSON" },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct seen s = { .rep = { .line = see_line } };
      struct fake f;

      fake_start (&f, cases[i].mode);
      transport_agent.doctor (&f.env, f.g, &s.rep, clock_ms () + ENOUGH_MS);
      assert_int_equal (s.lines, 1);
      if (s.state != cases[i].state || !strstr (s.finding, cases[i].finding))
        fail_msg ("%s: %d: %s", cases[i].mode, s.state, s.finding);
      f.g->agent = AGENT_NONE;
      transport_agent.doctor (&f.env, f.g, &s.rep, clock_ms () + ENOUGH_MS);
      assert_int_equal (s.state, DOCTOR_NA);
      fake_stop (&f);
    }
}

/* ---- commands ---- */

static void
asks_whatever_shell_there_is (void **state)
{
  static const struct
  {
    const char *mode, *ran;
  } cases[] = {
    { "well", "sh\",\"arg\":[\"-c\",\"uptime | x\"]" },
    { "windows", "cmd.exe\",\"arg\":[\"\\/c\",\"uptime | x\"]" },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct ask_result r;
      struct fake f;

      fake_start (&f, cases[i].mode);
      assert_int_equal (agent_shell (&f.env, f.g, "uptime | x",
                                     clock_ms () + ENOUGH_MS, &r, NULL),
                        0);
      assert_int_equal (r.end, ASK_OK);
      if (!strstr (buf_str (&r.output), cases[i].ran))
        fail_msg ("%s: %s", cases[i].mode, buf_str (&r.output));
      ask_result_done (&r);
      fake_stop (&f);
    }
}

/* Nobody said that there must be one: a way that never led to anybody is none;
 * who asks the agent itself misses it. */
static void
a_command_misses_no_agent_that_never_was (void **state)
{
  struct agent_known known;
  struct ask_result r;
  struct fake f;

  fake_start (&f, "silent");
  /* An old guest, of whose process nothing is known. */
  f.g->inc.pid = 0;
  agents_look (f.agents, &f.g->inc, 1, &known);
  if (clock_ms () <= 1 + AGENT_GRACE_MS)
    {
      fake_stop (&f);
      skip (); /* the host has just been started */
    }
  assert_int_equal (agent_shell (&f.env, f.g, "x", clock_ms () + WAIT_MS,
                                 &r, NULL),
                    0);
  assert_int_equal (r.end, ASK_ABSENT);
  ask_result_done (&r);
  assert_int_equal (agent_ping (&f.env, f.g, clock_ms () + WAIT_MS / 2, &r,
                                NULL),
                    0);
  assert_int_equal (r.end, ASK_SILENT);
  ask_result_done (&r);
  fake_stop (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (answers_whatever_was_left_there),
    cmocka_unit_test (runs_a_program),
    cmocka_unit_test (reads_a_file),
    cmocka_unit_test (tells_addresses),
    cmocka_unit_test (tells_what_it_gets),
    cmocka_unit_test (bounds_what_it_takes),
    cmocka_unit_test (ends_at_the_deadline),
    cmocka_unit_test (sees_another_client),
    cmocka_unit_test (lets_go_of_it),
    cmocka_unit_test (remembers_who_has_answered),
    cmocka_unit_test (gives_a_young_guest_time),
    cmocka_unit_test (asks_whatever_shell_there_is),
    cmocka_unit_test (a_command_misses_no_agent_that_never_was),
    cmocka_unit_test (doctor_says_what_is_wrong),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
