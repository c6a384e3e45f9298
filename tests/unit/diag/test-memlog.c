/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's lines in memlogd's answer, against a socket that speaks as
 * memlogd does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/opener.h"
#include "diag/collect/collect.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DOMAIN "11111111-2222-4333-8444-555555555555.1.1"

static struct
{
  char dir[64], path[96];
  int listener;
  pthread_t thread;
  struct buf answer;
  bool hang; /* never comes to an end */
  char asked;
} peer;

static struct
{
  struct collect_out out;
  struct buf log, facts, gaps;
} haul;

static void
take_file (struct collect_out *out, const char *name, const void *data,
           size_t len)
{
  assert_string_equal (name, "console/platform.log");
  buf_append (&haul.log, data, len);
}

static void
take_fact (struct collect_out *out, const struct fact *f)
{
  buf_printf (&haul.facts, "%s=", f->name);
  if (f->type == FACT_TEXT)
    buf_printf (&haul.facts, "%s;", f->text);
  else
    buf_printf (&haul.facts, "%d;", (int) f->i);
}

static void
take_gap (struct collect_out *out, const char *what, const char *fmt, ...)
{
  va_list ap;
  char text[300];

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  buf_puts (&haul.gaps, text);
}

/* What is asked here ran for hours: so may this machine not. */
int
clock_gettime (clockid_t id, struct timespec *ts)
{
  int r = (int) syscall (SYS_clock_gettime, id, ts);

  if (r == 0 && id == CLOCK_BOOTTIME)
    ts->tv_sec += 30 * 86400;
  return r;
}

static void *
serve (void *arg)
{
  int fd = accept (peer.listener, NULL, NULL);
  size_t at = 0;
  char c;

  if (fd < 0)
    return NULL;
  if (read (fd, &peer.asked, 1) == 1)
    while (at < peer.answer.len)
      {
        ssize_t n = send (fd, buf_str (&peer.answer) + at, peer.answer.len - at,
                          MSG_NOSIGNAL);

        if (n < 0)
          break;
        at += (size_t) n;
      }
  if (peer.hang)
    (void) !read (fd, &c, 1);
  close (fd);
  return NULL;
}

static int
setup (void **state)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };

  memset (&peer, 0, sizeof peer);
  memset (&haul, 0, sizeof haul);
  peer.answer = (struct buf) BUF_INIT (8u << 20);
  haul.log = (struct buf) BUF_INIT (4u << 20);
  haul.facts = (struct buf) BUF_INIT (8192);
  haul.gaps = (struct buf) BUF_INIT (8192);
  haul.out = (struct collect_out){ .file = take_file,
                                   .fact = take_fact,
                                   .gap = take_gap };
  snprintf (peer.dir, sizeof peer.dir, "/tmp/hd-memlog-XXXXXX");
  assert_non_null (mkdtemp (peer.dir));
  snprintf (peer.path, sizeof peer.path, "%s/memlogdq.sock", peer.dir);
  snprintf (sa.sun_path, sizeof sa.sun_path, "%s", peer.path);
  peer.listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (peer.listener, (struct sockaddr *) &sa, sizeof sa),
                    0);
  assert_int_equal (listen (peer.listener, 1), 0);
  peer.asked = 'x';
  return 0;
}

static int
teardown (void **state)
{
  close (peer.listener);
  unlink (peer.path);
  rmdir (peer.dir);
  buf_done (&peer.answer);
  buf_done (&haul.log);
  buf_done (&haul.facts);
  buf_done (&haul.gaps);
  return 0;
}

/* seconds before now, as memlogd writes it */
static void
line (int ago, const char *source, const char *msg)
{
  time_t at = (time_t) (clock_wall_ms () / 1000) - ago;
  struct json_object *o = json_object_new_object ();
  char text[40];
  struct tm tm;

  gmtime_r (&at, &tm);
  strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%S.123456789Z", &tm);
  json_object_object_add (o, "time", json_object_new_string (text));
  json_object_object_add (o, "source", json_object_new_string (source));
  json_object_object_add (o, "msg", json_object_new_string (msg));
  buf_printf (&peer.answer, "%s\n",
              json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  json_object_put (o);
}

/* Of a QEMU that was started so long ago. */
static void
collect (int age, uint64_t budget_ms, bool served)
{
  struct guest *g = guest_new ();
  struct transport_env env = { .opener = opener_local () };
  struct collect_ctx ctx = { .guest = g, .env = &env, .out = &haul.out };
  struct timespec ts;

  clock_gettime (CLOCK_BOOTTIME, &ts);
  g->inc.pid = 7;
  g->inc.start_time
      = (uint64_t) (ts.tv_sec - age) * (uint64_t) sysconf (_SC_CLK_TCK);
  guest_copy (g->name, sizeof g->name, DOMAIN);
  guest_copy (g->source, sizeof g->source, "rundir");
  g->labels = json_object_new_object ();
  json_object_object_add (g->labels, "eve.root",
                          json_object_new_string (peer.dir));
  ctx.deadline = clock_ms () + budget_ms;
  if (served)
    assert_int_equal (pthread_create (&peer.thread, NULL, serve, NULL), 0);
  collect_memlog (&ctx);
  if (served)
    pthread_join (peer.thread, NULL);
  guest_unref (g);
}

static void
has (const struct buf *b, const char *what, bool yes)
{
  if (!strstr (buf_str (b), what) == yes)
    fail_msg ("%s'%s' in: %.2000s", yes ? "no " : "", what, buf_str (b));
}

static void
test_last_words (void **state)
{
  line (30, "pillar", "guest_vm-" DOMAIN " is what I say");
  line (30, "guest_vm-" DOMAIN, "[  100.0] fine\r");
  line (20, "guest_vm-other.1.1", "Kernel panic - not syncing: another's");
  line (10, "guest_vm-" DOMAIN, "Kernel panic - not syncing: \"mine\"\033[2J");
  line (9, "guest_vm_err-" DOMAIN, "qemu: a warning");
  collect (60, 60000, true);
  assert_int_equal (peer.asked, 0);
  has (&haul.log, "fine", true);
  has (&haul.log, "\"mine\"\\e[2J\n", true);
  has (&haul.log, "another", false);
  has (&haul.log, "is what I say", false);
  has (&haul.log, "a warning", false);
  has (&haul.facts, "console.platform.lines=2;", true);
  has (&haul.facts, "kernel.event.panic=kernel panic: \"mine\"", true);
  assert_int_equal (haul.gaps.len, 0);
}

static void
test_old_lives (void **state)
{
  /* Another QEMU of that name; this one's, but long ago. */
  line (7300, "guest_vm-" DOMAIN, "Kernel panic - not syncing: before");
  line (3000, "guest_vm-" DOMAIN, "Kernel panic - not syncing: long ago");
  line (10, "guest_vm-" DOMAIN, "login:");
  collect (7200, 60000, true);
  has (&haul.log, "before", false);
  has (&haul.log, "long ago", true);
  has (&haul.facts, "kernel.event.panic", false);
}

static void
test_bounds (void **state)
{
  char *big = malloc (200001);

  memset (big, 'a', 200000);
  big[200000] = '\0';
  line (10, "guest_vm-" DOMAIN, "the oldest");
  line (10, "guest_vm-" DOMAIN, big); /* longer than any line */
  big[8192] = '\0';
  for (unsigned i = 0; i < 200; i++)
    line (10, "guest_vm-" DOMAIN, big);
  line (10, "guest_vm-" DOMAIN, "Kernel panic - not syncing: at last");
  buf_puts (&peer.answer, "{\"time\":\"x\",\"source\":\"guest_vm-" DOMAIN
                          "\",\"msg\":\"no time\"}\n"
                          "{\"source\":\"guest_vm-" DOMAIN "\",\n\n[7\n"
                          "{\"time\":\"2026-01-01T00:00:00Z\",\"source\":"
                          "\"guest_vm-" DOMAIN "\",\"msg\":{}}\nthe rest");
  collect (60, 60000, true);
  assert_true (haul.log.len <= 256u << 10);
  has (&haul.log, "the oldest", false);
  has (&haul.log, "no time", false);
  has (&haul.facts, "kernel.event.panic=kernel panic: at last", true);
  has (&haul.gaps, "cut to the last ", true);
  free (big);
}

static void
test_troubles (void **state)
{
  peer.hang = true;
  line (10, "guest_vm-" DOMAIN, "what came is kept");
  /* Ends by its deadline, not by the peer, which waits for us. */
  collect (60, 1500, true);
  has (&haul.gaps, "does not come to an end", true);
  has (&haul.log, "what came is kept", true);
}

static void
test_nobody (void **state)
{
  close (peer.listener);
  peer.listener = -1;
  collect (60, 60000, false);
  has (&haul.gaps, "the platform's log: ", true);
  assert_int_equal (haul.log.len, 0);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_last_words), T (test_old_lives), T (test_bounds),
    T (test_troubles),   T (test_nobody),
  };

  return cmocka_run_group_tests_name ("memlog", tests, NULL, NULL);
}
