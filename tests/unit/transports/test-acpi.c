/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's ACPI heartbeat: its frames in whatever comes, and its port: when
 * it is opened, read, let go, and what is told.
 *
 * Loop, jobs and facts are the real ones; QEMU's socket is one of a pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/opener.h"
#include "tests/lib/until.h"
#include "transports/acpi/beat.h"
#include "transports/acpi/ports.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"

static size_t
frame (unsigned char dst[16], uint32_t sequence)
{
  unsigned char p[16] = { 0xa5, 'H', 'D', 1, 0, 0, 0, 0, 9, 8, 7, 6, 50, 0 };
  unsigned a = 0, b = 0;

  memcpy (p + 4, &(uint32_t){ htole32 (sequence) }, 4);
  for (unsigned i = 0; i < 14; i++)
    {
      a = (a + p[i]) % 255;
      b = (b + a) % 255;
    }
  p[14] = (unsigned char) a;
  p[15] = (unsigned char) b;
  memcpy (dst, p, 16);
  return 16;
}

/* ---- frames ---- */

struct seen
{
  unsigned n;
  struct acpi_beat last;
};

static void
on_frame (const struct acpi_beat *beat, void *arg)
{
  struct seen *s = arg;

  s->n++;
  s->last = *beat;
}

static void
reads_frames (void **state)
{
  struct acpi_beat_reader r = { .n = 0 };
  struct seen s = { 0 };
  unsigned char f[16];
  /* As a real guest sent it: the table and this reader agree. */
  static const unsigned char real[]
      = { 0xa5, 0x48, 0x44, 0x01, 0x05, 0x00, 0x00, 0x00,
          0x00, 0xae, 0xcb, 0x03, 0x32, 0x00, 0xe7, 0x31 };

  acpi_beat_feed (&r, real, sizeof real, on_frame, &s);
  assert_int_equal (s.n, 1);
  assert_int_equal (s.last.sequence, 5);
  assert_int_equal (s.last.clock, 0x03cbae00);
  assert_int_equal (s.last.every_ms, 5000);
  /* In the middle of one, in pieces, with noise that looks like a beginning. */
  frame (f, 6);
  acpi_beat_feed (&r, f + 9, 7, on_frame, &s);
  acpi_beat_feed (&r, "\xa5\xa5HD", 4, on_frame, &s);
  for (unsigned i = 0; i < 16; i++)
    acpi_beat_feed (&r, f + i, 1, on_frame, &s);
  assert_int_equal (s.n, 2);
  assert_int_equal (s.last.sequence, 6);
  assert_int_equal (r.noise, 11);
  /* A changed one is none; the next is. */
  f[9] ^= 1;
  acpi_beat_feed (&r, f, 16, on_frame, &s);
  assert_int_equal (s.n, 2);
  frame (f, 0xfffffff0);
  acpi_beat_feed (&r, f, 16, on_frame, &s);
  assert_int_equal (s.n, 3);
  assert_int_equal (s.last.sequence, 0xfffffff0);
  /* One that lacks a byte does not cost the one behind it. */
  frame (f, 7);
  acpi_beat_feed (&r, f, 15, on_frame, &s);
  frame (f, 8);
  acpi_beat_feed (&r, f, 16, on_frame, &s);
  assert_int_equal (s.n, 4);
  assert_int_equal (s.last.sequence, 8);
  assert_int_equal (r.n, 0);
}

/* ---- the port ---- */

struct world
{
  struct acpi_ports_env env;
  struct acpi_ports *ports;
  struct guest *guest;
  int64_t beat;
  unsigned beats, ticks;
  char port[FACT_TEXT_MAX];
};

/* QEMU's end of the last that was opened, and how opening goes. */
static int qemu = -1, open_rc;
static unsigned opened;

static int
fake_open (struct opener *self, const struct open_req *req, uint64_t deadline,
           int *ret_fd, int *ret_lock, struct error *err)
{
  int pair[2];

  assert_int_equal (req->kind, OPEN_UNIX);
  assert_string_equal (req->root, "/run/x");
  assert_string_equal (req->path, "a/beat");
  assert_int_equal (req->check_pid, 7);
  opened++;
  if (open_rc < 0)
    return error_set (err, -open_rc, "nobody listens");
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                    0);
  if (qemu >= 0)
    close (qemu);
  qemu = pair[1];
  *ret_fd = pair[0];
  return 0;
}

static struct opener opener = { .open = fake_open };

static void
on_fact (const struct fact *fact, void *arg)
{
  struct world *w = arg;

  assert_string_equal (fact->source, "acpi");
  if (strcmp (fact->name, "guest.acpi_beat") == 0)
    {
      w->beat = fact->i;
      w->beats++;
    }
  else if (strcmp (fact->name, "guest.acpi_port") == 0)
    snprintf (w->port, sizeof w->port, "%s", fact->text);
  else
    w->ticks++;
}

static void
guest_is (struct world *w, uint64_t start_time, uint32_t boot,
          enum guest_run run, const char *path)
{
  struct guest *g = guest_new (), *was = w->guest;
  enum guest_change change = !was ? GUEST_ADDED
                             : was->inc.start_time != start_time
                                 ? GUEST_REPLACED
                             : was->inc.boot != boot ? GUEST_REBOOTED
                                                     : GUEST_CHANGED;

  snprintf (g->inc.uuid, sizeof g->inc.uuid, A);
  g->inc.pid = 7;
  g->inc.start_time = start_time;
  g->inc.boot = boot;
  snprintf (g->display, sizeof g->display, "a");
  snprintf (g->source, sizeof g->source, "rundir");
  snprintf (g->beat_root, sizeof g->beat_root, "/run/x");
  snprintf (g->beat_path, sizeof g->beat_path, "%s", path);
  g->run = run;
  acpi_ports_guest (w->ports, change, was, g);
  guest_unref (was);
  w->guest = g;
}

static int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);
  struct fact_sub *sub;

  qemu = -1;
  opened = 0;
  open_rc = 0;
  w->env.opener = &opener;
  assert_int_equal (loop_new_fake (&w->env.loop, NULL), 0);
  assert_int_equal (job_pool_new (w->env.loop, &few, &w->env.jobs, NULL), 0);
  assert_int_equal (fact_bus_new (w->env.loop, 64, &w->env.bus, NULL), 0);
  assert_int_equal (
      fact_subscribe (w->env.bus, "test", "guest.", on_fact, w, &sub, NULL), 0);
  assert_int_equal (acpi_ports_new (&w->env, &w->ports, NULL), 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  assert_int_equal (job_pool_free (w->env.jobs, UNTIL_MS), 0);
  acpi_ports_free (w->ports);
  guest_unref (w->guest);
  fact_bus_free (w->env.bus);
  loop_free (w->env.loop);
  if (qemu >= 0)
    close (qemu);
  free (w);
  return 0;
}

/* Time passes, and what it brings is told. */
static void
pass (struct world *w, uint64_t ms)
{
  struct job_stats stats;

  for (uint64_t step; ms > 0; ms -= step)
    {
      step = ms < 100 ? ms : 100;
      assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
      loop_advance (w->env.loop, step);
      UNTIL_LOOP (w->env.loop,
                  (job_pool_stats (w->env.jobs, &stats), stats.running == 0));
    }
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
}

static void
send_beat (uint32_t sequence)
{
  unsigned char f[16];

  frame (f, sequence);
  assert_int_equal (write (qemu, f, 16), 16);
}

static void
begin (struct world *w)
{
  guest_is (w, 100, 0, GUEST_RUNNING, "a/beat");
  pass (w, 100);
  assert_int_equal (opened, 1);
  assert_string_equal (w->port, "read");
}

static void
tells_beats (void **state)
{
  struct world *w = *state;

  begin (w);
  for (unsigned i = 1; i <= 5; i++)
    {
      send_beat (i);
      pass (w, 5000);
      assert_int_equal (w->beat, i);
    }
  assert_int_equal (w->beats, 5);
  assert_int_equal (w->ticks, 1);
  pass (w, 60000);
  send_beat (6);
  pass (w, 1000);
  assert_int_equal (w->ticks, 2);
  /* Somebody in the guest reads the zone all the time. */
  for (unsigned i = 7; i < 40; i++)
    {
      send_beat (i);
      pass (w, 100);
    }
  assert_in_range (w->beats, 7, 11);
}

static void
goes_with_the_guest (void **state)
{
  struct world *w = *state;

  begin (w);
  w->port[0] = '\0';
  guest_is (w, 100, 1, GUEST_RUNNING, "a/beat");
  pass (w, 100);
  /* The same port, of another life. */
  assert_int_equal (opened, 1);
  assert_string_equal (w->port, "read");
  guest_is (w, 200, 0, GUEST_RUNNING, "a/beat");
  pass (w, 1000);
  assert_int_equal (opened, 2);
  guest_is (w, 200, 0, GUEST_OFF, "a/beat");
  pass (w, 100000);
  assert_int_equal (opened, 2);
  guest_is (w, 200, 0, GUEST_RUNNING, "");
  pass (w, 100000);
  assert_int_equal (opened, 2);
}

static void
comes_again (void **state)
{
  struct world *w = *state;

  open_rc = -ECONNREFUSED;
  guest_is (w, 100, 0, GUEST_RUNNING, "a/beat");
  pass (w, 1000);
  assert_string_equal (w->port, "unread: nobody listens");
  pass (w, 600000);
  /* More and more seldom. */
  assert_in_range (opened, 5, 15);
  open_rc = 0;
  pass (w, 120000);
  assert_string_equal (w->port, "read");
  opened = 0;
  close (qemu);
  qemu = -1;
  pass (w, 1000);
  assert_string_equal (w->port, "unread: QEMU closed it");
  pass (w, 10000);
  assert_int_equal (opened, 1);
  assert_string_equal (w->port, "read");
}

/* All of it is taken, since QEMU waits for that; but not for ever. */
static void
is_flooded (void **state)
{
  struct world *w = *state;
  static char much[4096];

  begin (w);
  memset (much, 0xa5, sizeof much);
  for (unsigned i = 0; i < 40; i++)
    {
      (void) !send (qemu, much, sizeof much, MSG_NOSIGNAL);
      pass (w, 200);
    }
  assert_string_equal (w->port, "unread: the guest floods it");
  assert_int_equal (opened, 1);
  pass (w, 60000);
  assert_int_equal (opened, 2);
  assert_string_equal (w->port, "read");
  send_beat (3);
  pass (w, 1000);
  assert_int_equal (w->beat, 3);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (reads_frames), T (tells_beats),
    T (goes_with_the_guest),         T (comes_again),
    T (is_flooded),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
