/* SPDX-License-Identifier: Apache-2.0
 *
 * The monitor over its socket, against a server that misbehaves.
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
#include "base/json.h"
#include "base/opener.h"
#include "transports/monitor/look.h"
#include "tests/lib/until.h"
#include "fake-bed.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct fake
{
  struct fake_process p;
  struct guest *g;
  struct transport_env env;
};

static void
fake_start (struct fake *f, const char *mode)
{
  memset (f, 0, sizeof *f);
  fake_spawn (&f->p, "tests/fakes/fake-qmp", mode, "qmp");
  f->env.opener = opener_local ();
  f->g = guest_new ();
  f->g->monitor = MONITOR_UNIX;
  f->g->inc.pid = f->p.pid;
  assert_int_equal (proc_start_time (f->p.pid, &f->g->inc.start_time, NULL), 0);
  snprintf (f->g->monitor_root, sizeof f->g->monitor_root, "%s", f->p.tmp.path);
  strcpy (f->g->monitor_path, "qmp");
}

static void
fake_stop (struct fake *f)
{
  fake_end (&f->p);
  guest_unref (f->g);
}

/* query-status against a server of that mode, with so much time. */
static int
status_of (const char *mode, uint64_t ms, enum monitor_health *health,
           char *status, size_t n, struct error *err)
{
  struct fake f;
  int r;

  fake_start (&f, mode);
  *health = MONITOR_HEALTH_MAX;
  r = monitor_status (&f.env, f.g, clock_ms () + ms, health, status, n, err);
  fake_stop (&f);
  return r;
}

static void
answers_whatever_comes_between (void **state)
{
  static const char *const modes[] = { "well", "early-event", "bytewise" };

  for (unsigned i = 0; i < ARRAY_LEN (modes); i++)
    {
      struct error err = ERROR_INIT;
      enum monitor_health health;
      char status[32] = "";
      int r = status_of (modes[i], 1900, &health, status, sizeof status, &err);

      if (r < 0)
        fail_msg ("%s: %s", modes[i], error_text (&err));
      assert_string_equal (status, "running");
      assert_int_equal (health, MONITOR_ANSWERS);
    }
}

static void
tells_three_ways_of_not_answering (void **state)
{
  static const struct
  {
    const char *mode;
    enum monitor_health health;
    int code;
  } cases[] = {
    { "no-greeting", MONITOR_NO_GREETING, ETIMEDOUT },
    { "greet-only", MONITOR_GREETS_ONLY, ETIMEDOUT },
    { "caps-only", MONITOR_GREETS_ONLY, ETIMEDOUT },
    { "garbage", MONITOR_NO_GREETING, EINVAL },
    { "not-object", MONITOR_NO_GREETING, EPROTO },
    { "close-early", MONITOR_NO_GREETING, EPIPE },
    { "events", MONITOR_GREETS_ONLY, EPROTO },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;
      enum monitor_health health;
      char status[32] = "untouched";
      uint64_t ms = cases[i].code == ETIMEDOUT ? 1500 : 1900;
      int r
          = status_of (cases[i].mode, ms, &health, status, sizeof status, &err);

      if (r != -cases[i].code || health != cases[i].health)
        fail_msg ("%s: %d, %s: %s", cases[i].mode, r,
                  monitor_health_names[health], error_text (&err));
      assert_string_equal (status, "untouched");
    }
}

static void
bounds_a_reply_without_end (void **state)
{
  struct error err = ERROR_INIT;
  enum monitor_health health;
  char status[32];

  assert_int_equal (
      status_of ("endless", 60000, &health, status, sizeof status, &err),
      -EMSGSIZE);
  assert_int_equal (health, MONITOR_GREETS_ONLY);
}

static void
passes_errors_on (void **state)
{
  struct error err = ERROR_INIT;
  enum monitor_health health;
  char status[32];

  assert_int_equal (
      status_of ("error", 1900, &health, status, sizeof status, &err),
      -EREMOTEIO);
  assert_int_equal (health, MONITOR_ANSWERS);
  assert_non_null (strstr (err.msg, "CommandNotFound: no query-status here"));

  assert_int_equal (
      status_of ("close-mid", 1900, &health, status, sizeof status, &err),
      -EPIPE);
  /* Strict: json-c alone would take the second of two ids. */
  assert_int_equal (
      status_of ("dup-key", 1900, &health, status, sizeof status, &err),
      -EINVAL);
}

static void
says_when_nobody_accepts (void **state)
{
  struct error err = ERROR_INIT;
  enum monitor_health health = MONITOR_HEALTH_MAX;
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  char status[32];
  int queued[4];
  struct fake f;

  fake_start (&f, "no-accept");
  snprintf (sa.sun_path, sizeof sa.sun_path, "%s/qmp", f.p.tmp.path);
  for (unsigned i = 0; i < ARRAY_LEN (queued); i++)
    {
      queued[i] = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
      (void) !connect (queued[i], (struct sockaddr *) &sa, sizeof sa);
    }
  assert_int_equal (monitor_status (&f.env, f.g, clock_ms () + 300, &health,
                                    status, sizeof status, &err),
                    -EAGAIN);
  assert_int_equal (health, MONITOR_HELD);
  for (unsigned i = 0; i < ARRAY_LEN (queued); i++)
    close (queued[i]);
  fake_stop (&f);
}

static void
refuses_the_owners_own_ear (void **state)
{
  struct error err = ERROR_INIT;
  enum monitor_health health = MONITOR_HEALTH_MAX;
  struct monitor *m = NULL;
  struct fake f;

  fake_start (&f, "well");
  strcpy (f.g->monitor_path, "listener.qmp");
  assert_int_equal (
      monitor_open (&f.env, f.g, CLOCK_NEVER, &m, &health, &err), -EPERM);
  strcpy (f.g->monitor_path, "a/listener.qmp");
  assert_int_equal (
      monitor_open (&f.env, f.g, CLOCK_NEVER, &m, &health, &err), -EPERM);
  strcpy (f.g->monitor_path, "absent");
  assert_int_equal (
      monitor_open (&f.env, f.g, CLOCK_NEVER, &m, &health, &err),
      -ENOENT);
  assert_int_equal (health, MONITOR_GONE);
  assert_null (m);
  fake_stop (&f);
}

static void
checks_whose_socket_it_is (void **state)
{
  struct error err = ERROR_INIT;
  enum monitor_health health = MONITOR_HEALTH_MAX;
  struct monitor *m = NULL;
  struct fake f;

  fake_start (&f, "well");
  f.g->inc.pid = getpid ();
  assert_int_equal (proc_start_time (getpid (), &f.g->inc.start_time, NULL), 0);
  assert_true (monitor_open (&f.env, f.g, CLOCK_NEVER, &m, &health, &err)
               < 0);
  assert_int_equal (health, MONITOR_GONE);
  fake_stop (&f);
}

static void
lets_go_after_its_time (void **state)
{
  struct error err = ERROR_INIT;
  enum monitor_health health;
  struct monitor *m = NULL;
  struct json_object *reply = NULL;
  uint64_t began = clock_ms (), took;
  struct fake f;

  fake_start (&f, "caps-only");
  assert_int_equal (monitor_open (&f.env, f.g, CLOCK_NEVER, &m, &health, &err),
                    0);
  assert_int_equal (
      monitor_command (m, "query-status", NULL, CLOCK_NEVER, &reply, &err),
      -ETIMEDOUT);
  took = clock_ms () - began;
  assert_in_range (took, MONITOR_HOLD_MS, MONITOR_HOLD_MS + 30000);
  /* And nothing more is even sent. */
  assert_int_equal (monitor_command (m, "query-status",
                                     json_object_new_object (), CLOCK_NEVER,
                                     &reply, &err),
                    -ETIMEDOUT);
  assert_null (reply);
  monitor_close (m);
  fake_stop (&f);
}

static void
reads_block_counters (void **state)
{
  struct error err = ERROR_INIT;
  struct json_object *stats CLEANUP_JSON = NULL;
  struct json_object *disk;
  struct fake f;

  fake_start (&f, "well");
  assert_int_equal (
      monitor_blockstats (&f.env, f.g, CLOCK_NEVER, &stats, &err), 0);
  fake_stop (&f);
  assert_int_equal (json_object_object_length (stats), 2);
  disk = json_get (stats, "disk0");
  assert_int_equal (json_get_int (disk, "rd_bytes", -1), 10);
  assert_int_equal (json_get_int (disk, "wr_ops", -1), 2);
  assert_int_equal (json_get_int (disk, "flush_ops", -1), 3);
  assert_int_equal (json_get_int (disk, "errors", -1), 5);
  assert_int_equal (json_get_int (json_get (stats, "drive-a"), "rd_bytes", -1),
                    7);
}

/* Bounds of a disk that anybody may live with are none. */
static void
knows_a_disk_that_crawls (void **state)
{
  struct json_object *disks CLEANUP_JSON = json_tokener_parse (
      "{\"a\":{},\"b\":{},\"c\":{},\"d\":{},\"e\":{}}");
  struct json_object *reply CLEANUP_JSON = json_tokener_parse (
      "[{\"device\":\"a\",\"inserted\":{\"bps\":4096}},"
      "{\"device\":\"b\",\"inserted\":{\"bps\":104857600,\"iops\":500}},"
      "{\"device\":\"c\",\"inserted\":{\"bps\":0,\"iops_wr\":1}},"
      "{\"device\":\"d\",\"inserted\":{\"bps\":\"x\"}},"
      "{\"device\":\"e\"},{\"device\":\"f\",\"inserted\":{\"bps\":1}},7]");

  monitor_disk_bounds_ (reply, disks);
  assert_true (json_get_bool (json_get (disks, "a"), "crawls", false));
  assert_false (json_get_bool (json_get (disks, "b"), "crawls", true));
  assert_true (json_get_bool (json_get (disks, "c"), "crawls", false));
  assert_false (json_get_bool (json_get (disks, "d"), "crawls", true));
  /* Of an empty drive nothing is told. */
  assert_null (json_get (json_get (disks, "e"), "crawls"));
  assert_int_equal (json_object_object_length (disks), 5);
}

/* All of it on one connection; what is not asked for is not there. */
static void
looks (void **state)
{
  for (unsigned wants = 0; wants < 4; wants++)
    {
      struct monitor_look look CLEANUP_LOOK = { .balloon_s = -7 };
      enum monitor_health health;
      struct error err = ERROR_INIT;
      struct json_object *disk;
      struct fake f;
      int r;

      fake_start (&f, "well");
      r = monitor_look (&f.env, f.g, wants, CLOCK_NEVER, &health, &look,
                        &err);
      fake_stop (&f);
      if (r < 0)
        fail_msg ("%s", error_text (&err));
      assert_string_equal (look.status, "running");
      assert_int_equal (health, MONITOR_ANSWERS);
      /* Some fifty years. */
      assert_int_equal (look.balloon_s > 1000000000,
                        (wants & MONITOR_WANTS_BALLOON) != 0);
      assert_int_equal (look.balloon_s == -1,
                        !(wants & MONITOR_WANTS_BALLOON));
      assert_int_equal (look.disks != NULL,
                        (wants & MONITOR_WANTS_DISKS) != 0);
      if (!look.disks)
        continue;
      assert_int_equal (json_object_object_length (look.disks), 2);
      disk = json_get (look.disks, "disk0");
      assert_int_equal (json_get_int (disk, "in_flight", -1), 6);
      assert_string_equal (json_get_str (disk, "io_status"), "nospace");
      disk = json_get (look.disks, "drive-a");
      assert_null (json_get (disk, "in_flight"));
      assert_null (json_get (disk, "io_status"));
    }
}

/* A QEMU that knows none of it, or does not answer. */
static void
looks_in_vain (void **state)
{
  static const struct
  {
    const char *mode;
    int rc;
    enum monitor_health health;
  } cases[] = {
    { "error", -EREMOTEIO, MONITOR_ANSWERS },
    { "caps-only", -ETIMEDOUT, MONITOR_GREETS_ONLY },
    { "no-greeting", -ETIMEDOUT, MONITOR_NO_GREETING },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct monitor_look look = { .balloon_s = -7 };
      enum monitor_health health = MONITOR_HEALTH_MAX;
      struct fake f;
      int rc = 0;

      /* So little time may be too little for what it does answer. */
      for (unsigned ms = 300; ms < 60000 && health != cases[i].health; ms *= 4)
        {
          fake_start (&f, cases[i].mode);
          rc = monitor_look (&f.env, f.g, MONITOR_WANTS_DISKS,
                             clock_ms () + ms, &health, &look, NULL);
          fake_stop (&f);
        }
      assert_int_equal (rc, cases[i].rc);
      assert_int_equal (health, cases[i].health);
      assert_int_equal (look.balloon_s, -7);
      assert_null (look.disks);
    }
}

static void
tells_what_stands (void **state)
{
  CLEANUP_JSON struct json_object *was
      = json_tokener_parse ("{\"rd_ops\":1,\"wr_ops\":2,\"errors\":3}");
  static const char *const now[]
      = { "{\"rd_ops\":1,\"wr_ops\":2,\"errors\":4}",
          "{\"rd_ops\":1,\"wr_ops\":3}",
          "{\"rd_ops\":1,\"wr_ops\":2,\"flush_ops\":1}" };

  for (size_t i = 0; i < ARRAY_LEN (now); i++)
    {
      CLEANUP_JSON struct json_object *disk = json_tokener_parse (now[i]);

      assert_int_equal (monitor_disk_moved (was, disk), i > 0);
    }
  assert_true (monitor_is_stopped ("paused"));
  assert_false (monitor_is_stopped ("io-error"));
}

struct seen
{
  struct doctor_report rep;
  unsigned lines;
  enum doctor_state state;
};

static void
see_line (struct doctor_report *r, enum doctor_state state, const char *what,
          const char *finding, const char *fix)
{
  struct seen *s = container_of (r, struct seen, rep);

  s->lines++;
  s->state = state;
}

static void
doctor_says_what_is_wrong (void **state)
{
  static const struct
  {
    const char *mode;
    enum doctor_state state;
  } cases[] = { { "well", DOCTOR_OK }, { "greet-only", DOCTOR_BAD } };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct seen s = { .rep = { .line = see_line } };
      struct fake f;

      fake_start (&f, cases[i].mode);
      f.g->run = GUEST_RUNNING;
      transport_monitor.doctor (&f.env, f.g, &s.rep, CLOCK_NEVER);
      assert_int_equal (s.lines, 1);
      assert_int_equal (s.state, cases[i].state);
      f.g->monitor = MONITOR_NONE;
      transport_monitor.doctor (&f.env, f.g, &s.rep, clock_ms () + 300);
      assert_int_equal (s.state, DOCTOR_NA);
      fake_stop (&f);
    }
}

/* Of all threads, so no less than the one that asks. */
static void
adds_up_its_threads (void **state)
{
  struct thread_time all = { 0 }, own = { 0 };

  assert_true (monitor_thread_time (getpid (), gettid (), &own));
  assert_true (monitor_process_time (getpid (), &all));
  assert_true (own.run > 0 && all.run >= own.run && all.wait >= own.wait);
  assert_false (monitor_process_time (INT32_MAX, &all));
}

/* Whoever calls vfork() waits in the kernel until its child has gone. */
static void *
wait_in_kernel (void *arg)
{
  const int *fds = arg;
  pid_t pid;

  (void) prctl (PR_SET_NAME, "CPU 3/KVM");
  pid = vfork ();
  if (pid == 0)
    {
      char c;

      _exit (read (fds[0], &c, 1) == 1 ? 0 : 1);
    }
  (void) waitpid (pid, NULL, 0);
  return NULL;
}

static void
knows_who_waits_in_the_kernel (void **state)
{
  struct monitor_vcpu v[MONITOR_MAX_VCPUS] = { 0 };
  pthread_t thread;
  int fds[2];

  assert_int_equal (monitor_blocked (getpid (), v), 0);
  assert_int_equal (monitor_blocked (INT32_MAX, v), 0);
  assert_int_equal (pipe (fds), 0);
  assert_int_equal (pthread_create (&thread, NULL, wait_in_kernel, fds), 0);
  UNTIL (monitor_blocked (getpid (), v) == 1);
  assert_int_equal (v[0].number, 3);
  assert_int_not_equal (v[0].tid, gettid ());
  assert_true (v[0].time.run > 0);
  assert_int_equal (write (fds[1], "", 1), 1);
  assert_int_equal (pthread_join (thread, NULL), 0);
  assert_int_equal (monitor_blocked (getpid (), v), 0);
  close (fds[0]);
  close (fds[1]);
}

static void *
read_a_byte (void *arg)
{
  char byte;

  return read (*(const int *) arg, &byte, 1) == 1 ? arg : NULL;
}

/* Not who runs, or waits in the kernel, with any of its threads. */
static void
knows_who_sleeps (void **state)
{
  struct monitor_vcpu v[MONITOR_MAX_VCPUS] = { 0 };
  pthread_t thread;
  int fds[2], go[2];
  pid_t pid;

  assert_false (monitor_sleeps (INT32_MAX));
  assert_int_equal (pipe (fds), 0);
  assert_int_equal (pipe (go), 0);
  pid = fork ();
  if (pid == 0)
    {
      (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
      if (read_a_byte (go)
          && pthread_create (&thread, NULL, wait_in_kernel, fds) == 0)
        (void) pthread_join (thread, NULL);
      _exit (0);
    }
  assert_true (pid > 0);
  UNTIL (monitor_sleeps (pid));
  assert_int_equal (write (go[1], "", 1), 1);
  UNTIL (monitor_blocked (pid, v) == 1);
  assert_false (monitor_sleeps (pid));
  assert_int_equal (write (fds[1], "", 1), 1);
  assert_int_equal (waitpid (pid, NULL, 0), pid);
  assert_int_equal (pthread_create (&thread, NULL, read_a_byte, go), 0);
  /* Long before the last of these the other one has gone to sleep. */
  for (unsigned i = 0; i < 1000; i++)
    assert_false (monitor_sleeps (getpid ()));
  assert_int_equal (write (go[1], "", 1), 1);
  assert_int_equal (pthread_join (thread, NULL), 0);
  for (unsigned i = 0; i < 2; i++)
    close (fds[i]), close (go[i]);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (answers_whatever_comes_between),
    cmocka_unit_test (tells_three_ways_of_not_answering),
    cmocka_unit_test (bounds_a_reply_without_end),
    cmocka_unit_test (passes_errors_on),
    cmocka_unit_test (says_when_nobody_accepts),
    cmocka_unit_test (refuses_the_owners_own_ear),
    cmocka_unit_test (checks_whose_socket_it_is),
    cmocka_unit_test (lets_go_after_its_time),
    cmocka_unit_test (reads_block_counters),
    cmocka_unit_test (knows_a_disk_that_crawls),
    cmocka_unit_test (looks),
    cmocka_unit_test (looks_in_vain),
    cmocka_unit_test (tells_what_stands),
    cmocka_unit_test (doctor_says_what_is_wrong),
    cmocka_unit_test (adds_up_its_threads),
    cmocka_unit_test (knows_who_waits_in_the_kernel),
    cmocka_unit_test (knows_who_sleeps),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
