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
#include "transports/console/kline.h"
#include "tests/lib/tmpdir.h"

#include <stdio.h>

#define TAKES_MS 700 /* to be answered */

static struct
{
  int rc;
  enum ask_end end;
  const char *says;
  const char *by; /* who was asked */
  char command[4096], login[80];
} play;

static int
answer (const char *by, const struct ask *ask, struct ask_result *ret,
        struct error *err)
{
  play.by = by;
  snprintf (play.command, sizeof play.command, "%s", ask->command);
  if (ask->address)
    snprintf (play.login, sizeof play.login, "%s@%s %s", ask->user,
              ask->address, ask->key);
  if (play.rc < 0)
    return error_set (err, -play.rc, "no way");
  *ret = (struct ask_result){ .end = play.end,
                              .begun = play.says != NULL,
                              .output = BUF_INIT (1u << 20) };
  snprintf (ret->detail, sizeof ret->detail, "as played");
  if (play.says)
    buf_puts (&ret->output, play.says);
  now_ms += TAKES_MS;
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

static int
by_ssh (const struct transport_env *env, const struct guest *g,
        const struct ask *ask, struct job *job, struct ask_result *ret,
        struct error *err)
{
  return answer ("ssh", ask, ret, err);
}

static const char *
no_agent (const struct guest *g)
{
  return "it has no channel for an agent";
}

const struct transport_ops transport_console
    = { .name = "console", .lane = LANE_CONSOLE, .command = by_console };
const struct transport_ops transport_ssh
    = { .name = "ssh", .lane = LANE_NET, .command = by_ssh };
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

/* A shell's editor takes no more in a line (that of busybox 1023), of which
 * the transport's own frame is a part; in brackets lines are one command. */
static void
is_typed (void)
{
  size_t n = strlen (play.command);

  assert_true (n < 2560);
  assert_true (play.command[0] == '(' && strrchr (play.command, ')'));
  for (const char *p = play.command; *p; p += strspn (p, "\n"))
    {
      assert_true (strcspn (p, "\n") < 900);
      p += strcspn (p, "\n");
    }
}

#define INSIDE                                                                \
  "@@ uptime\r\n123.45 200.00\r\n\r\n@@ loadavg\n1.50 1.0 0.5 1/60 99\n"      \
  "@@ meminfo\nMemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n" \
  "@@ pressure/cpu\nsome avg10=1.00\n@@ dmesg\n>    1.000000] hello\033[2J\n" \
  "@@ failed\nshop.service loaded failed failed Shop\n"                       \
  "* db.service    loaded failed failed Db\n"                                 \
  "@@ df\nFilesystem 1024-blocks Used Available Capacity Mounted on\n"        \
  "/dev/loop0 100 100 0 100% /snap\n/dev/sdb 9 9 800000000 99% /big\n"        \
  "/dev/vda 100 99 1 99% /data\n@@ end\n"

static void
what_it_says_of_itself (void **state)
{
  struct haul *h = get (&collect_inside, INSIDE, ASK_OK, 0);

  assert_string_equal (play.by, "console");
  is_typed ();
  assert_true (fact_of (h, "guest.uptime_s")->d > 123);
  assert_true (fact_of (h, "guest.load1")->d > 1.4);
  assert_true (fact_of (h, "mem.available")->d == 0.25);
  assert_int_equal (int_of (h, "units.failed"), 2);
  assert_string_equal (text_of (h, "units.failed_which"),
                       "shop.service, db.service");
  assert_string_equal (text_of (h, "fs.full"), "/data (/dev/vda, 99 %)");
  assert_string_equal (text_of (h, "inside.way"), "console");
  assert_string_equal (file_of (h, "inside/pressure-cpu.txt"),
                       "some avg10=1.00\n");
  assert_string_equal (file_of (h, "inside/dmesg.txt"),
                       "[    1.000000] hello\\e[2J\n");
  assert_string_equal (buf_str (&h->gaps), "");
  assert_non_null (strstr (buf_str (&h->impact), "read-only command"));
  /* When it was begun, not when it was answered. */
  assert_int_equal (impact_begun, now_ms - TAKES_MS);
  haul_free (h);
}

/* Of its network devices, too; nothing of what anybody may write there harms. */
static void
what_its_links_are (void **state)
{
  struct haul *h
      = get (&collect_inside,
             "@@ links\r\n= lo 0x9 unknown 0 0 0\r\n"
             "= ens3 0x1003 down 1 0 0\r\n+ lo 127.0.0.1/8\r\n"
             "+ ens3 10.0.2.15/24\n@@ end\n",
             ASK_OK, 0);

  assert_string_equal (text_of (h, "net.amiss"), "no-link");
  assert_string_equal (text_of (h, "net.culprit"),
                       "device ens3 has no carrier: its link is down");
  assert_int_equal (int_of (h, "net.devices_well"), 0);
  haul_free (h);
  h = get (&collect_inside,
           "@@ links\n= lo 0x9 unknown 0 0 0\n= ens3 0x1003 up 1 0 0\n"
           "+ lo 127.0.0.1/8\n@@ end\n",
           ASK_OK, 0);
  assert_string_equal (text_of (h, "net.amiss"), "no-address");
  haul_free (h);
  /* Routes are told, and none is for all else. */
#define WELL                                                                  \
  "@@ links\n= lo 0x9 unknown 0 0 0\n= ens3 0x1003 up 1 0 0\n"               \
  "+ lo 127.0.0.1/8\n+ ens3 10.0.2.15/24\n~ Iface Destination\n"
  h = get (&collect_inside, WELL "~ ens3 0002000A\n@@ end\n", ASK_OK, 0);
  assert_string_equal (text_of (h, "net.amiss"), "no-route");
  assert_int_equal (int_of (h, "net.devices_well"), 1);
  haul_free (h);
  h = get (&collect_inside, WELL "~ ens3 00000000\n@@ end\n", ASK_OK, 0);
  assert_string_equal (text_of (h, "net.amiss"), "nothing");
  haul_free (h);
  /* Nobody told of addresses. */
  h = get (&collect_inside,
           "@@ links\n= ens3 0x1003 up 1 0 0\n= wg0 0x0\n+ x\n@@ end\n",
           ASK_OK, 0);
  assert_string_equal (text_of (h, "net.amiss"), "nothing");
  assert_int_equal (int_of (h, "net.devices_well"), 1);
  haul_free (h);
}

/* The kernel's log, on its way through a console whose reader takes out what
 * the kernel says meanwhile. */
static void
log_comes_through (void **state)
{
  static const char log[] = "[    1.000000] one\nand two\n[    2.000000] 3\n";
  struct buf text CLEANUP_BUF = BUF_INIT (4096);
  struct buf back CLEANUP_BUF = BUF_INIT (4096);
  struct kline k = KLINE_INIT;
  struct inside_part part = { .name = "dmesg" };
  char said[256], cmd[256];
  size_t n;
  FILE *f;

  snprintf (cmd, sizeof cmd, "printf '%s' | %s", log, INSIDE_MARK);
  f = popen (cmd, "r");
  assert_non_null (f);
  n = fread (said, 1, sizeof said, f);
  assert_int_equal (pclose (f), 0);
  kline_feed (&k, said, n, &text, NULL);
  kline_end (&k, &text);
  part.text = buf_str (&text);
  part.len = text.len;
  inside_unmark (&part, &back);
  assert_string_equal (buf_str (&back), log);
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
  haul_free (get (&collect_application,
                  "@@ P\n@@ P x\ng\nk\nt\nt 1\nt x y\ns \n@@ F\np\nf f\n"
                  "@@ M\nfiles\n@@ L\n0A\n@@ G\n/\n/:\n:/\n@@ U 0\ns\n@@ B 0\n"
                  "@@ S\nId=\n\nExecStart={ path=\n@@ K\n>\n|[x] y\n"
                  "@@ N\nn\n\"\n"
                  "@@ H\n:\n/cpu.stat:nr_\n@@ D\n/ / / / 1% /\n@@ I\n\n",
                  ASK_OK, 0));
}

/* What stands behind its end would make a head of what is there. */
static const char *
parts_of (const char *text)
{
  static char names[200];
  size_t n = strlen (text), ats = 0;
  char *copy = malloc (n + 8), *end = copy + n;
  const char *at = copy;
  struct inside_part part;

  memcpy (copy, text, n);
  while (ats < 2 && ats < n && text[n - 1 - ats] == '@')
    ats++;
  snprintf (end, 8, "%s", &"@@ evil"[ats]);
  names[0] = '\0';
  while (inside_next (&at, end, &part))
    snprintf (names + strlen (names), sizeof names - strlen (names),
              "%s(%zu) ", part.name, part.len);
  assert_true (at <= end);
  free (copy);
  return names;
}

/* Heads stand at the beginning of a line, and what came may end anywhere. */
static void
which_parts_there_are (void **state)
{
  static const struct
  {
    const char *text, *parts;
  } all[] = {
    { "", "" },
    { "@", "" },
    { "@@", "" },
    { "@@ ", "(0) " },
    { "@@ a", "a(0) " },
    { "@@ a\r\n", "a(0) " },
    { "x\n@@", "" },
    { "x @@ a\ny\n@@ b\nz", "b(1) " },
    { "@@ a\nx\n@@", "a(4) " },
    { "@@ a\nx @@ b\ny\n@@ c\n", "a(9) c(0) " },
    { "@@ a\nx\n@@ ", "a(2) (0) " },
    { "@@ 123456789012345678901234567890123456789\nx\n",
      "123456789012345678901234567890123456789(2) " },
    { "@@ 1234567890123456789012345678901234567890\nx\n",
      "123456789012345678901234567890123456789(2) " },
  };

  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    assert_string_equal (parts_of (all[i].text), all[i].parts);
}

/* Of a large one a hundredth is much. */
static void
which_is_full (void **state)
{
  static const struct
  {
    const char *line;
    bool inodes, is, full;
  } all[] = {
    { "/dev/vda 100 99 1 99% /data", false, true, true },
    { "/dev/vda 100 98 2 98% /data", false, true, true },
    { "/dev/vda 100 97 3 97% /data", false, true, false },
    { "/dev/vda 9000000 8934465 65535 99% /data", false, true, true },
    { "/dev/vda 9000000 8934464 65536 99% /data", false, true, false },
    { "/dev/vda 9000000 9000000 65536 100% /data", false, true, true },
    { "/dev/vda 100 99 1 99% /data", true, true, false },
    { "/dev/vda 100 100 0 100% /data", true, true, true },
    { "/dev/loop3 100 100 0 100% /snap/x", false, true, false },
    { "/dev/vda 100 100 0 100% data", false, false, false },
    { "Filesystem 1K-blocks Used Available Use% Mounted on", false, false,
      false },
  };

  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    {
      struct inside_fs fs;

      assert_int_equal (inside_df (all[i].line, all[i].inodes, &fs),
                        all[i].is);
      if (all[i].is)
        assert_int_equal (fs.full, all[i].full);
    }
}

/* What the shells below have instead of those programs: functions, since that
 * of busybox asks no PATH. */
#define PROGRAMS                                                              \
  "alias l=false h=false o=false\n"                                           \
  "timeout() { shift; \"$@\"; }\nls() { cat; }\nsleep() { :; }\n"              \
  "dmesg() { i=0; while [ $i -lt 200 ]; do i=$((i+1)); "                      \
  "printf '[ 1.%06d] %0160d\\n' $i $i; done; }\n"                             \
  "journalctl() { echo one; echo '[two]'; }\n"                                \
  "systemctl() { return 1; }\npodman() { return 1; }\n"                       \
  "crictl() { return 1; }\n"                                                  \
  "docker() { i=0; while [ $i -lt 99 ]; do i=$((i+1)); "                      \
  "printf 'box %0160d\\n' $i; done; }\n"                                      \
  "df() { cat; echo /dev/vda 100 99 1 99% /data; }\n"

/* What is asked says in that shell; "next" is typed behind it. */
static void
run_shell (const char *shell, struct buf *out)
{
  struct tmpdir t;
  char cmd[128], chunk[4096];
  FILE *f;
  size_t n;

  assert_int_equal (tmpdir_make (&t), 0);
  snprintf (cmd, sizeof cmd, "%s/script", t.path);
  f = fopen (cmd, "w");
  assert_non_null (f);
  fprintf (f, "%s%s\nread x && echo \"@@ left $x\"\n:\n", PROGRAMS,
           play.command);
  fclose (f);
  snprintf (cmd, sizeof cmd, "echo next | %s %s/script", shell, t.path);
  f = popen (cmd, "r");
  assert_non_null (f);
  while ((n = fread (chunk, 1, sizeof chunk, f)) > 0)
    buf_append (out, chunk, n);
  assert_int_equal (pclose (f), 0);
  tmpdir_remove (t.path);
  close (t.fd);
}

/* In each shell that is here: of logs the newest lines come, of all else the
 * first, and what was cut says how much. */
static void
what_shells_cut (void **state)
{
  static const char *const shells[] = { "sh", "bash", "busybox sh" };
  char cmd[80];

  haul_free (get (&collect_inside, "@@ end\n", ASK_OK, 0));
  for (size_t i = 0; i < ARRAY_LEN (shells); i++)
    {
      struct buf said CLEANUP_BUF = BUF_INIT (1u << 20);
      struct haul *h;
      const char *text;

      snprintf (cmd, sizeof cmd, "%s -c true 2>/dev/null", shells[i]);
      if (system (cmd) != 0)
        continue;
      run_shell (shells[i], &said);
      assert_in_range (said.len, 12000, 64u << 10);
      h = get (&collect_inside, buf_str (&said), ASK_OK, 0);
      text = file_of (h, "inside/dmesg.txt");
      assert_non_null (strstr (text, "[ 1.000200] 0"));
      assert_non_null (strstr (text, "[ 1.000160] 0"));
      assert_null (strstr (text, "[ 1.000140] 0"));
      assert_int_equal (strncmp (text, "[ 1.0001", 8), 0);
      assert_non_null (strstr (buf_str (&h->gaps), "inside/dmesg.txt: cut to "
                               "its last 8192 of 13839 bytes"));
      assert_string_equal (file_of (h, "inside/journal.txt"), "one\n[two]\n");
      text = file_of (h, "inside/containers.txt");
      assert_int_equal (strncmp (text, "box 00", 6), 0);
      assert_string_equal (text + strlen (text) - 2, "4\n");
      assert_non_null (strstr (buf_str (&h->gaps), "inside/containers.txt: "
                               "cut to its first 4096 of 16334 bytes"));
      assert_string_equal (text_of (h, "fs.full"), "/data (/dev/vda, 99 %)");
      assert_null (strstr (file_of (h, "inside/stat.txt"), "\nintr 0 0"));
      assert_non_null (strstr (file_of (h, "inside/stat.txt"), "procs_run"));
      haul_free (h);
    }
}

/* A program that has nothing to look at, as a grep for which there are no
 * files, reads nothing of what is typed at the guest, nor waits for it. */
static void
what_is_typed_behind (void **state)
{
  static const struct collector *const both[]
      = { &collect_inside, &collect_application };
  static const char *const shells[] = { "sh", "bash", "busybox sh" };
  char cmd[80];

  for (size_t i = 0; i < ARRAY_LEN (both) * ARRAY_LEN (shells); i++)
    {
      const char *shell = shells[i / ARRAY_LEN (both)];
      struct buf said CLEANUP_BUF = BUF_INIT (1u << 20);

      snprintf (cmd, sizeof cmd, "%s -c true 2>/dev/null", shell);
      if (system (cmd) != 0)
        continue;
      haul_free (get (both[i % ARRAY_LEN (both)], "@@ end\n", ASK_OK, 0));
      run_shell (shell, &said);
      assert_non_null (strstr (buf_str (&said), "@@ left next\n"));
    }
}

/* As a real guest said it. */
#define APP(pid, comm, unit, threads)                                         \
  "@@ P " pid "\nc " comm "\ng 0::/system.slice/" unit "\n"                   \
  "s 1085.00 S 3 11\n" threads "o 5\n"
#define FUTEX(tid)                                                            \
  "t " tid " S futex_wait_queue 202 0x424a1b\n"                               \
  "k [<0>] futex_wait_queue+0x60/0x90\nk [<0>] do_futex+0x106/0x1b0\n"
#define WEB                                                                   \
  APP ("70", "web", "web.service", "t 70 S ep_poll 232 0x4\n")
#define SHOP                                                                  \
  APP ("80", "shop", "shop.service", FUTEX ("80") FUTEX ("91"))               \
  WEB "@@ F\np 70\nf 900\np 80\nf 12\nf 901\n@@ M\n"                          \
  "80/limits:Max open files            1024                 4096 files\n"
#define LISTEN(port, waiting, inode)                                          \
  "   0: 00000000:" port " 00000000:0000 0A 00000000:0000000" waiting         \
  " 00:00000000 00000000     0        0 " inode " 1 0000 100 0 0 10 0\n"
#define BOX "3b5c9e7f1a2d4c6e8f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60"
#define CPU(what) "./system.slice/docker-" BOX ".scope/cpu." what "\n"
#define ASKED                                                                 \
  "{\"commands\":[{\"scenario\":\"s\",\"command\":\"ask-it 8080\"}]}"

static void
culprit (const char *says, const char *want, const char *amiss)
{
  struct haul *h;

  hinted = json_tokener_parse (ASKED);
  failed = "s";
  h = get (&collect_application, says, ASK_OK, 0);
  json_object_put (hinted);
  hinted = NULL;
  failed = NULL;
  assert_string_equal (text_of (h, "app.culprit"), want);
  assert_string_equal (text_of (h, "app.amiss"), amiss);
  assert_string_equal (text_of (h, "inside.way"), "console");
  haul_free (h);
}

static void
which_one_it_is (void **state)
{
  struct haul *h;

  culprit (SHOP "@@ L\n" LISTEN ("0050", "0", "900")
                LISTEN ("1F90", "2", "901") "@@ end\n",
           "shop.service, shop (80), takes no connections: 2 wait, 2 of 2 threads "
           "wait in a futex",
           "futex");
  culprit (WEB APP ("80", "shop", "docker-3b5c.scope",
                    "t 80 D folio_wait_bit 0 0x4\n")
           "@@ F\np 80\nf 901\n@@ L\n" LISTEN ("1F90", "0", "901")
           "@@ G\n./system.slice/docker-3b5c.scope/memory.max:4096\n"
           "./system.slice/docker-3b5c.scope/memory.events:oom_kill 2\n"
           "@@ U 80\ns 1086.00 D 3 11\n@@ end\n",
           "docker-3b5c.scope, shop (80), blocked in read: folio_wait_bit, 2 "
           "killed for lack of memory in its group",
           "blocked");
  culprit (WEB APP ("80", "shop", "shop.service", "t 80 R 0 running running\n")
           "@@ F\np 80\nf 901\n@@ L\n" LISTEN ("1F90", "1", "901")
           "@@ U 70\ns 1086.00 S 3 11\n@@ U 80\ns 1086.10 R 99 12\n@@ end\n",
           "shop.service, shop (80), takes no connections: 1 wait, runs without a "
           "pause",
           "busy");
  culprit (WEB "@@ F\np 70\nf 900\n@@ L\n" LISTEN ("0050", "0", "900")
           "@@ end\n", "(none)", "(none)");
  culprit (WEB APP ("80", "shop", "docker-" BOX ".scope", "t 80 S x 0 0x4\n")
           "@@ F\np 80\nf 901\n@@ L\n" LISTEN ("1F90", "1", "901")
           "@@ G\n" CPU ("max:1000 100000") CPU ("stat:nr_periods 10")
           CPU ("stat:nr_throttled 5")
           "@@ N\nn /system.slice/docker-" BOX ".scope\n"
           "\"Name\":\"/till\n"
           "@@ H\n" CPU ("stat:nr_periods 20") CPU ("stat:nr_throttled 14")
           "@@ end\n",
           "docker-3b5c9e7f1a2d (till), shop (80), takes no connections: 1 "
           "wait, is throttled to 1 % of a processor (in 9 of 10 periods), "
           "waits in read: x",
           "throttled");
  culprit (WEB APP ("80", "shop", "shop.service", "t 80 S x 0 0x4\n")
           "@@ F\np 80\nf 901\nw /data/log\n"
           "@@ L\n" LISTEN ("1F90", "0", "901")
           "@@ D\n/dev/vdb 9 9 0 100% /data\n@@ I\n/dev/vdb 9 1 8 12% /data\n"
           "@@ end\n",
           "shop.service, shop (80), writes to /data/log, and /data has no room "
           "left",
           "no-room");
  h = get (&collect_application,
           "@@ S\nResult=signal\nId=shop.service\nExecMainPID=80\n"
           "ExecMainCode=2\nExecMainStatus=11\nNRestarts=0\nExecStart={ path="
           "/usr/bin/labd ; argv[]=/usr/bin/labd shop ; }\n\n@@ end\n",
           ASK_OK, 0);
  assert_string_equal (text_of (h, "app.ended"),
                       "shop.service, labd (80), has ended by signal 11 "
                       "(SEGV)");
  assert_int_equal (int_of (h, "app.count"), 0);
  is_typed ();
  haul_free (h);
  /* What the kernel says of it says more. */
  h = get (&collect_application,
           WEB "@@ S\nResult=signal\nId=shop.service\nExecMainPID=80\n"
           "@@ K\n> 1000.000000] shop[80]: segfault at 0 ip 1 sp 2 error 4 in "
           "labd[400000+1000]\n@@ I\n/dev/vda 9 9 0 100% /srv\n@@ end\n",
           ASK_OK, 0);
  assert_string_equal (text_of (h, "app.ended"),
                       "shop.service, shop (80), crashed: segfault in labd");
  assert_string_equal (text_of (h, "fs.full"),
                       "/srv (/dev/vda, 100 % of its inodes)");
  haul_free (h);
}

#define TITLE "  sl  local_address rem_address   st tx_queue rx_queue\n"

static void
nobody_listens (const char *says, bool want)
{
  struct haul *h;

  hinted = json_tokener_parse (
      "{\"behind\":[{\"scenario\":\"s\",\"port\":22}]}");
  failed = "s";
  h = get (&collect_application, says, ASK_OK, 0);
  json_object_put (hinted);
  hinted = NULL;
  failed = NULL;
  assert_non_null (strstr (file_of (h, "application/applications.json"),
                           want ? "\"nobody_listens\":true"
                                : "\"nobody_listens\":false"));
  haul_free (h);
}

/* Whoever is not root is not told whose a socket is: somebody listens.  Nor
 * does one listen to whom the list was not told, or not all of it. */
static void
whose_it_is_not_known (void **state)
{
  static char says[64000];
  size_t n;

  nobody_listens (SHOP "@@ L\n" LISTEN ("0016", "0", "77") TITLE "@@ end\n",
                  false);
  nobody_listens (SHOP "@@ L\n" TITLE "@@ end\n", true);
  nobody_listens (SHOP "@@ L\n" LISTEN ("0050", "0", "7") TITLE "@@ end\n",
                  true);
  nobody_listens (SHOP "@@ L\n" LISTEN ("0050", "0", "7") "@@ end\n", false);
  nobody_listens (SHOP "@@ L\n@@ end\n", false);
  nobody_listens (SHOP "@@ end\n", false);
  n = (size_t) snprintf (says, sizeof says, "%s@@ L\n" TITLE, SHOP);
  for (int i = 1; i < 200; i++)
    n += (size_t) snprintf (says + n, sizeof says - n, "%s",
                            LISTEN ("0050", "0", "7"));
  snprintf (says + n, sizeof says - n, "@@ end\n");
  nobody_listens (says, false);
  n = 0;
  for (int i = 0; i < 60; i++)
    n += (size_t) snprintf (says + n, sizeof says - n,
                            "@@ P %d\nc a\ng 0::/\ns 1.0 S 1 1\n", 100 + i);
  snprintf (says + n, sizeof says - n, "@@ L\n" TITLE "@@ end\n");
  nobody_listens (says, false);
}

/* What a terminal would obey does not come out as it came in. */
static void
its_bytes_are_shown (void **state)
{
  static const char bad[]
      = APP ("80", "shop", "shop.service",
             "t 80 D x\x7f\xc2\x9bz 0 0x4\n"
             "t 81 D y 0 0x4\nk [<0>] f\x9bq\xff+0x1/0x2\n")
        "@@ F\np 80\nf 901\n@@ L\n" LISTEN ("1F90", "0", "901") "@@ end\n";
  struct haul *h;
  const char *doc;

  hinted = json_tokener_parse (ASKED);
  failed = "s";
  h = get (&collect_application, bad, ASK_OK, 0);
  json_object_put (hinted);
  hinted = NULL;
  failed = NULL;
  doc = file_of (h, "application/applications.json");
  assert_non_null (strstr (doc, "\"stack\""));
  assert_non_null (strstr (doc, "z\""));
  for (const char *p = doc; *p; p++)
    if ((unsigned char) *p >= 0x7f || (*p < ' ' && *p != '\n'))
      fail_msg ("0x%02x in %s", (unsigned char) *p, doc);
  haul_free (h);
}

/* As a scenario logs in, and not otherwise. */
static void
over_ssh (void **state)
{
  static const struct guest g = { .name = "vm", .inc = { .uuid = "u" } };
  struct transport_env env = { .hub = NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;

  play.says = SHOP "@@ end\n";
  play.end = ASK_OK;
  assert_int_equal (collect (&collect_application, &g, &env,
                             "{\"way\":\"ssh\"}", h, &err), -ENOENT);
  hinted = json_tokener_parse (
      "{\"logins\":[{\"scenario\":\"s\",\"address\":\"10.0.0.5:22\","
      "\"user\":\"root\",\"key\":\"k\"}]}");
  assert_int_equal (collect (&collect_application, &g, &env,
                             "{\"way\":\"ssh\"}", h, &err), 0);
  json_object_put (hinted);
  hinted = NULL;
  assert_string_equal (play.by, "ssh");
  assert_string_equal (play.login, "root@10.0.0.5:22 k");
  assert_string_equal (text_of (h, "inside.way"), "ssh");
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

/* What a step names, with its status, and where it was cut off. */
static void
commands_of_a_step (void **state)
{
  static const struct guest g = { .name = "vm", .display = "vm",
                                  .inc = { .uuid = "u" } };
  static const char params[]
      = "{\"run\":[\"uptime\",\"dmesg | tail\",\"df\"],\"way\":\"ssh\"}";
  struct json_object *login = json_tokener_parse (
      "{\"logins\":[{\"address\":\"192.0.2.7:22\",\"user\":\"u\"}]}");
  struct transport_env env = { .hub = NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  const char *said;

  play.says = "@@ 0\r\n|up\033[2J\r\n|@@ =0\r\n\r\n@@ 1\n>    1.0] dead\n"
              "|@@ =3\n@@ 9\n|x\n@@ 2\n|no e";
  play.end = ASK_OK;
  hinted = login;
  assert_int_equal (collect (&collect_commands, &g, &env, params, h, &err), 0);
  hinted = NULL;
  json_object_put (login);
  assert_string_equal (play.by, "ssh");
  assert_non_null (strstr (play.command, "( dmesg | tail ) 2>&1"));
  said = file_of (h, "inside/commands.txt");
  assert_non_null (strstr (said, "$ uptime\nup\\e[2J\n(status 0)\n"));
  assert_non_null (strstr (said, "$ dmesg | tail\n[    1.0] dead\n(status 3)"));
  assert_non_null (strstr (said, "(cut off)"));
  assert_null (strstr (said, "x\n(st"));
  assert_non_null (strstr (buf_str (&h->gaps), "its end is missing"));
  assert_non_null (strstr (buf_str (&h->impact), "ran in the guest: uptime"));
  haul_free (h);
}

/* Of two such steps in a playbook neither writes into the other's file. */
static void
each_step_has_its_file (void **state)
{
  static const struct guest g = { .name = "vm", .inc = { .uuid = "u" } };
  struct transport_env env = { .hub = NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;

  play.says = "@@ 0\n|up\n|@@ =0\n@@ end\n";
  play.end = ASK_OK;
  assert_int_equal (collect (&collect_commands, &g, &env,
                             "{\"run\":[\"uptime\"]}", h, &err),
                    0);
  step_named = "later";
  assert_int_equal (collect (&collect_commands, &g, &env,
                             "{\"run\":[\"df\"]}", h, &err),
                    0);
  step_named = NULL;
  assert_non_null (strstr (file_of (h, "inside/commands.txt"), "$ uptime"));
  assert_null (strstr (file_of (h, "inside/commands.txt"), "$ df"));
  assert_non_null (strstr (file_of (h, "inside/commands-later.txt"), "$ df"));
  haul_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_it_says_of_itself),
    cmocka_unit_test (what_its_links_are),
    cmocka_unit_test (log_comes_through),
    cmocka_unit_test (what_is_cut_off),
    cmocka_unit_test (which_parts_there_are),
    cmocka_unit_test (which_is_full),
    cmocka_unit_test (what_shells_cut),
    cmocka_unit_test (what_is_typed_behind),
    cmocka_unit_test (commands_of_a_step),
    cmocka_unit_test (which_one_it_is),
    cmocka_unit_test (whose_it_is_not_known),
    cmocka_unit_test (its_bytes_are_shown),
    cmocka_unit_test (over_ssh),
    cmocka_unit_test (says_before_what_it_does),
    cmocka_unit_test (each_step_has_its_file),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
