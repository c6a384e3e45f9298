/* SPDX-License-Identifier: Apache-2.0
 *
 * Collectors inside and application: what a shell in the guest answers, in
 * parts, cut off, and not at all.  The shell is played.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "play.h"

#include "base/cleanup.h"
#include "diag/collect/inside.h"
#include "transports/ask.h"

static struct
{
  int rc;
  enum ask_end end;
  const char *says;
  const char *by; /* who was asked */
  char command[4096];
} play;

static int
answer (const char *by, const struct ask *ask, struct ask_result *ret,
        struct error *err)
{
  play.by = by;
  snprintf (play.command, sizeof play.command, "%s", ask->command);
  if (play.rc < 0)
    return error_set (err, -play.rc, "no way");
  *ret = (struct ask_result){ .end = play.end,
                              .begun = play.says != NULL,
                              .output = BUF_INIT (1u << 20) };
  snprintf (ret->detail, sizeof ret->detail, "as played");
  if (play.says)
    buf_puts (&ret->output, play.says);
  return 0;
}

static int
by_console (const struct transport_env *env, const struct guest *g,
            const struct ask *ask, struct job *job, struct ask_result *ret,
            struct error *err)
{
  return answer ("console", ask, ret, err);
}

static int
by_agent (const struct transport_env *env, const struct guest *g,
          const struct ask *ask, struct job *job, struct ask_result *ret,
          struct error *err)
{
  return answer ("agent", ask, ret, err);
}

static const char *
no_agent (const struct guest *g)
{
  return "it has no channel for an agent";
}

const struct transport_ops transport_console
    = { .name = "console", .lane = LANE_CONSOLE, .command = by_console };
const struct transport_ops transport_agent = { .name = "agent",
                                               .lane = LANE_AGENT,
                                               .command = by_agent,
                                               .absent = no_agent };

static struct haul *
get (const struct collector *c, const char *says, enum ask_end end,
     int want_rc)
{
  static const struct guest g = { .name = "vm", .display = "vm",
                                  .inc = { .uuid = "u" } };
  struct transport_env env = { .hub = NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  int rc;

  play.says = says;
  play.end = end;
  rc = collect (c, &g, &env, NULL, h, &err);
  if (rc != want_rc)
    fail_msg ("%s: %d: %s", c->name, rc, err.msg);
  return h;
}

#define INSIDE                                                                \
  "@@ uptime\r\n123.45 200.00\r\n\r\n@@ loadavg\n1.50 1.0 0.5 1/60 99\n"      \
  "@@ meminfo\nMemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n" \
  "@@ pressure/cpu\nsome avg10=1.00\n@@ dmesg\n|[ 1.0] hello\033[2J\n"        \
  "@@ failed\nshop.service loaded failed failed Shop\n"                       \
  "* db.service    loaded failed failed Db\n"                                 \
  "@@ df\nFilesystem 1024-blocks Used Available Capacity Mounted on\n"        \
  "tmpfs 100 100 0 100% /run\n/dev/vda 100 99 1 99% /data\n@@ end\n"

static void
what_it_says_of_itself (void **state)
{
  struct haul *h = get (&collect_inside, INSIDE, ASK_OK, 0);

  assert_string_equal (play.by, "console");
  assert_true (strlen (play.command) < 2048);
  assert_null (strchr (play.command, '\n'));
  assert_true (fact_of (h, "guest.uptime_s")->d > 123);
  assert_true (fact_of (h, "guest.load1")->d > 1.4);
  assert_true (fact_of (h, "mem.available")->d == 0.25);
  assert_int_equal (int_of (h, "units.failed"), 2);
  assert_string_equal (text_of (h, "units.failed_which"),
                       "shop.service, db.service");
  assert_string_equal (text_of (h, "fs.full"), "/data");
  assert_string_equal (text_of (h, "inside.way"), "console");
  assert_string_equal (file_of (h, "inside/pressure-cpu.txt"),
                       "some avg10=1.00\n");
  assert_null (strchr (file_of (h, "inside/dmesg.txt"), '\033'));
  assert_string_equal (buf_str (&h->gaps), "");
  assert_non_null (strstr (buf_str (&h->impact), "read-only command"));
  haul_free (h);
}

static void
what_is_cut_off (void **state)
{
  struct haul *h = get (&collect_inside, "@@ uptime\n5.0 1.0\n@@ loadavg\n0.1",
                        ASK_NO_ANSWER, 0);

  assert_true (fact_of (h, "guest.uptime_s")->d == 5.0);
  assert_true (fact_of (h, "guest.load1")->d > 0);
  assert_non_null (strstr (buf_str (&h->gaps), "cut off: as played"));
  assert_non_null (strstr (buf_str (&h->gaps), "its end is missing"));
  haul_free (h);
  haul_free (get (&collect_inside, NULL, ASK_SILENT, -ENODATA));
  play.rc = -EIO;
  haul_free (get (&collect_inside, NULL, ASK_OK, -EIO));
  play.rc = 0;
  /* Anything at all. */
  haul_free (get (&collect_inside, "@@ \n@@ df\n% % %\n@@@@ x\n@@", ASK_OK, 0));
  haul_free (get (&collect_application, "@@ P\n@@ P x\ng\nt\ns \nf f\n@@ L\n0A\n"
                                        "@@ U 0\ns\n@@ F\nId=\n", ASK_OK, 0));
}

#define APP(pid, unit, state, threads, sockets)                               \
  "@@ P " pid "\nc shop\ng 0::/system.slice/" unit "\n"                       \
  "s " state " 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 4 0\n" threads sockets
#define WELL                                                                  \
  APP ("70", "web.service", "S", "t S ep_poll 232\n", "f 900\n")
#define LISTEN(waiting, inode)                                                \
  "   0: 00000000:1F90 00000000:0000 0A 00000000:0000000" waiting             \
  " 00:00000000 00000000     0        0 " inode " 1 0000 100 0 0 10 0\n"
#define AGAIN(pid, user)                                                      \
  "@@ U " pid "\ns S 1 1 1 0 -1 0 0 0 0 0 " user " 50 0 0 20 0 4 0\n"

static void
culprit (const char *says, const char *want)
{
  struct haul *h = get (&collect_application, says, ASK_OK, 0);

  assert_string_equal (text_of (h, "app.culprit"), want);
  haul_free (h);
}

static void
which_one_it_is (void **state)
{
  struct haul *h;

  culprit (WELL "@@ L\n" LISTEN ("0", "900") "@@ end\n", "(none)");
  culprit (WELL APP ("80", "shop.service", "T", "t T do_signal_stop 0\n", "")
           "@@ end\n",
           "shop.service, shop (80), is stopped, waits in do_signal_stop");
  culprit (WELL APP ("80", "shop.service", "S",
                     "t S futex_wait_queue 202\nt S futex_wait_queue 202\n"
                     "t S ep_poll 232\n", "f 901\n")
           "@@ L\n" LISTEN ("0", "900") LISTEN ("3", "901") "@@ end\n",
           "shop.service, shop (80), takes no connections: 3 wait, 2 of 3 "
           "threads wait in a futex");
  culprit (WELL APP ("80", "docker-3b5c.scope", "S",
                     "t S ep_poll 232\nt D folio_wait_bit 0\n", "")
           "@@ end\n",
           "docker-3b5c.scope, shop (80), blocked in folio_wait_bit");
  culprit (WELL APP ("80", "shop.service", "R", "t R 0 running\n", "")
           "@@ L\n" AGAIN ("70", "101") AGAIN ("80", "195") "@@ end\n",
           "shop.service, shop (80), runs without a pause");
  culprit (WELL APP ("80", "shop.service", "S", "t S ep_poll 1\n", "")
           "oom_kill 2\n@@ end\n",
           "shop.service, shop (80), waits in ep_poll, 2 killed for lack of "
           "memory in its group");
  h = get (&collect_application,
           "@@ F\nResult=oom-kill\nId=shop.service\n@@ end\n", ASK_OK, 0);
  assert_string_equal (text_of (h, "app.failed"), "(oom-kill), shop.service");
  assert_int_equal (int_of (h, "app.count"), 0);
  assert_true (strlen (play.command) < 2048);
  haul_free (h);
}

static void
says_before_what_it_does (void **state)
{
  static const struct inside_own agent = { .way = 1 };
  struct guest g = { .name = "vm" };
  struct collect_plan p;

  collector_plan (&collect_inside, &g, NULL, &p);
  assert_int_equal (p.lane, LANE_CONSOLE);
  assert_string_equal (p.never, "");
  assert_non_null (strstr (p.acts[0], "console"));
  collector_plan (&collect_application, &g, &agent, &p);
  assert_int_equal (p.lane, LANE_AGENT);
  assert_string_equal (p.never, "it has no channel for an agent");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_it_says_of_itself),
    cmocka_unit_test (what_is_cut_off),
    cmocka_unit_test (which_one_it_is),
    cmocka_unit_test (says_before_what_it_does),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
