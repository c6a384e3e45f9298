/* SPDX-License-Identifier: Apache-2.0
 *
 * Collectors: monitor, disk, net, console.  Monitor, network and consoles are
 * played.  Host and QEMU's process are test-collect-host's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "collect-bed.h"

#include "base/cleanup.h"
#include "transports/console/ask.h"
#include "transports/monitor/monitor.h"
#include "transports/net/arp.h"
#include "transports/net/icmp.h"
#include "transports/net/tcp.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what is played ---- */

static struct
{
  struct
  {
    int rc;
    enum monitor_health health;
    const char *status;
    uint64_t took_ms;
  } status[2];
  int asked, counted;
  const char *stats[2]; /* JSON, NULL = an error */
  int tcp_rc;
  const char *tcp_text;
  char tcp_address[80], tcp_expect[80];
  const char *kept; /* of the console's ring */
  size_t kept_len;
  uint64_t lost, last_ms;
  enum console_state state;
  const char *detail; /* NULL is none */
  int code;           /* why, 0 is none */
  int tap_rc;
} play;

const char *const console_state_names[]
    = { "absent", "idle",     "connecting", "held", "silent",
        "talking", "given-way", "broken",     NULL };
const char *const monitor_health_names[]
    = { "answers", "greets-only", "no-greeting", "held", "gone", NULL };

int
monitor_status (const struct transport_env *env, const struct guest *g,
                uint64_t deadline, enum monitor_health *ret_health,
                char *ret_status, size_t n, struct error *err)
{
  int i = play.asked++;

  assert_in_range (i, 0, 1);
  assert_true (deadline <= now_ms + MONITOR_HOLD_MS);
  *ret_health = play.status[i].health;
  now_ms += play.status[i].took_ms;
  if (play.status[i].rc < 0)
    return error_set (err, -play.status[i].rc, "no answer\033");
  snprintf (ret_status, n, "%s", play.status[i].status);
  return 0;
}

int
monitor_blockstats (const struct transport_env *env, const struct guest *g,
                    uint64_t deadline, struct json_object **ret,
                    struct error *err)
{
  int i = play.counted++;

  assert_in_range (i, 0, 1);
  if (!play.stats[i])
    return error_set (err, ETIMEDOUT, "no answer");
  *ret = json_tokener_parse (play.stats[i]);
  return 0;
}

int
monitor_open (const struct transport_env *env, const struct guest *g,
              uint64_t deadline, struct monitor **ret_m,
              enum monitor_health *ret_health, struct error *err)
{
  return error_set (err, ENOENT, "none");
}

int
monitor_command (struct monitor *m, const char *command,
                 struct json_object *args, uint64_t deadline,
                 struct json_object **ret_reply, struct error *err)
{
  fail ();
  return -1;
}

int
monitor_give (struct monitor *m, const char *command, int fd,
              uint64_t deadline, struct json_object **ret_reply,
              struct error *err)
{
  fail ();
  return -1;
}

void
monitor_close (struct monitor *m)
{
}

int
tcp_check (const struct tcp_check *check, uint64_t deadline,
           struct tcp_result *ret, struct error *err)
{
  snprintf (play.tcp_address, sizeof play.tcp_address, "%s", check->address);
  snprintf (play.tcp_expect, sizeof play.tcp_expect, "%s",
            check->expect ? check->expect : "");
  if (play.tcp_text)
    buf_puts (ret->answer, play.tcp_text);
  if (play.tcp_rc < 0)
    return error_set (err, -play.tcp_rc, "no connection");
  ret->connect_ms = 7;
  return 0;
}

int
arp_ask (const struct arp_check *check, uint64_t deadline,
         struct arp_result *ret, struct error *err)
{
  return error_set (err, ENONET, "no right to");
}

int
icmp_ask (const struct icmp_check *check, uint64_t deadline,
          struct icmp_result *ret, struct error *err)
{
  ret->sent = 2;
  ret->received = play.tcp_rc == 0;
  return 0;
}

/* The only way to a console's text that the collectors have here: a tap, which
 * may connect one, is not for them. */
int
hub_kept (struct hub *hub, const char *uuid, const char *console,
          struct buf *out, struct hub_kept *ret, struct error *err)
{
  if (play.tap_rc < 0)
    return error_set (err, -play.tap_rc, "no such console");
  buf_append (out, play.kept, play.kept_len);
  *ret = (struct hub_kept){ play.state, play.lost, play.last_ms };
  if (play.last_ms)
    {
      ret->nmarks = 2;
      ret->marks[0] = (struct hub_mark){ 0, play.last_ms - 1000 };
      ret->marks[1] = (struct hub_mark){ 50, play.last_ms };
      ret->ntyped = 2;
      ret->typed[0] = (struct tap_span){ 4, 47 }; /* a line and its end */
      ret->typed[1] = (struct tap_span){ 50, play.kept_len };
    }
  return 0;
}

int
hub_tap (struct hub *hub, const char *uuid, const char *console,
         const char *name, enum tap_start start,
         void (*on_data) (struct tap *tap, void *arg), void *arg,
         struct tap **ret_tap, struct error *err)
{
  fail ();
  return -1;
}

void
tap_free (struct tap *tap)
{
  fail ();
}

size_t
tap_read (struct tap *tap, void *dst, size_t n, uint64_t *ret_lost)
{
  fail ();
  return 0;
}

int
tap_wait (struct tap *tap, uint64_t deadline)
{
  fail ();
  return -1;
}

int
hub_look (struct hub *hub, const char *uuid, const char *name,
          struct hub_look *ret, struct error *err)
{
  *ret = (struct hub_look){ .state = play.state, .code = play.code };
  snprintf (ret->detail, sizeof ret->detail, "%s",
            play.detail ? play.detail : "");
  return 0;
}

int
hub_lease (struct hub *hub, const char *uuid, const char *console,
           enum lease_rank rank, const char *who, bool take,
           uint64_t deadline, struct lease **ret, struct error *err)
{
  return error_set (err, EBUSY, "held");
}

void
lease_free (struct lease *l)
{
}

bool
lease_lost (struct lease *l)
{
  return false;
}

struct tap *
lease_tap (struct lease *l)
{
  return NULL;
}

int
lease_write (struct lease *l, const void *data, size_t len, uint64_t deadline,
             struct error *err)
{
  fail ();
  return -1;
}

int
lease_write_raw (struct lease *l, const void *data, size_t len,
                 uint64_t deadline, struct error *err)
{
  fail ();
  return -1;
}

int
lease_await_taken (struct lease *l, uint64_t deadline)
{
  fail ();
  return -1;
}

/* Collector dialogue is test-dialogue's. */
int
console_ask_open (const struct transport_env *env, const struct guest *g,
                  const char *console, enum lease_rank rank, const char *who,
                  uint64_t deadline, struct session **ret,
                  struct ask_result *result, struct error *err)
{
  fail ();
  return -1;
}

int
session_xon (struct session *s, uint64_t quiet_ms, uint64_t deadline,
             struct error *err)
{
  fail ();
  return -1;
}

void
session_close (struct session *s)
{
}

void
session_record (struct session *s, session_said_fn *fn, void *arg)
{
}

int
session_send (struct session *s, const void *data, size_t len,
              uint64_t deadline, struct error *err)
{
  fail ();
  return -1;
}

int
session_expect (struct session *s, const struct expect *patterns, unsigned n,
                uint64_t deadline, struct buf *ret_before,
                struct buf *ret_match, struct error *err)
{
  fail ();
  return -1;
}

bool
session_saw_bytes (struct session *s)
{
  return false;
}

/* Those that the table of collectors names besides. */
const struct transport_ops transport_console = { .name = "console" };
const struct transport_ops transport_agent = { .name = "agent" };

static struct haul *
get (const struct collector *c, const struct guest *g, const char *params,
     int want_rc)
{
  play.asked = play.counted = 0;
  return collected (c, g, params, want_rc);
}

/* ---- the table ---- */

static void
test_table (void **state)
{
  for (size_t i = 0; collectors[i]; i++)
    {
      const struct collector *c = collectors[i];

      assert_ptr_equal (collector_find (c->name), c);
      assert_true (c->summary && c->lane && c->run && c->budget_ms > 0);
      assert_non_null (collect_touch_names[c->touch]);
      /* What changes the guest says so before. */
      assert_true (c->touch != TOUCH_INTRUSIVE || c->plan);
      /* What touches less comes first. */
      assert_true (i == 0 || collectors[i - 1]->touch <= c->touch
                   || c->touch == TOUCH_CONSOLE
                   || c->touch == TOUCH_INTRUSIVE
                   || collectors[i - 1]->touch == TOUCH_INTRUSIVE);
    }
  assert_null (collector_find ("nothing"));
}

/* ---- monitor ---- */

static pid_t
stopped_child (void)
{
  pid_t pid = fork ();
  int status;

  assert_true (pid >= 0);
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      raise (SIGSTOP);
      _exit (0);
    }
  assert_int_equal (waitpid (pid, &status, WUNTRACED), pid);
  assert_true (WIFSTOPPED (status));
  return pid;
}

static void
end_child (pid_t pid)
{
  assert_int_equal (kill (pid, SIGKILL), 0);
  assert_int_equal (waitpid (pid, NULL, 0), pid);
}

static void
test_monitor (void **state)
{
  struct guest g = guest ();
  struct haul *h;
  uint64_t began;

  memset (&play, 0, sizeof play);
  play.status[0].status = "running";
  play.status[1].status = "paused";
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (play.asked, 2);
  assert_int_equal (h->nfacts, 4);
  assert_string_equal (text_of (h, "vmm.status"), "paused");
  assert_string_equal (text_of (h, "vmm.monitor"), "answers");
  assert_true (h->facts[3].time_ms >= h->facts[0].time_ms + 1000);
  assert_non_null (strstr (file_of (h, "monitor/status.json"), "\"paused\""));
  haul_free (h);

  /* Greets, and then nothing: what was waited for it parts the samples. */
  for (int i = 0; i < 2; i++)
    {
      play.status[i].rc = -ETIMEDOUT;
      play.status[i].health = MONITOR_GREETS_ONLY;
      play.status[i].took_ms = MONITOR_HOLD_MS;
    }
  began = now_ms;
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (now_ms - began, 2 * MONITOR_HOLD_MS);
  assert_string_equal (text_of (h, "vmm.monitor"), "greets-only");
  assert_string_equal (text_of (h, "vmm.status"), "(none)");
  assert_null (strchr (file_of (h, "monitor/status.json"), '\033'));
  haul_free (h);

  /* A process that is stopped is not asked again, and that is said. */
  g.inc.pid = stopped_child ();
  play.asked = 0;
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (play.asked, 1);
  assert_string_equal (text_of (h, "qemu.state"), "stopped");
  assert_string_equal (text_of (h, "vmm.monitor"), "greets-only");
  haul_free (h);
  end_child (g.inc.pid);
  g.inc.pid = 0;

  /* Our own trouble is no fact about QEMU, but a step that failed. */
  for (int i = 0; i < 2; i++)
    {
      play.status[i].rc = -EMFILE;
      play.status[i].health = MONITOR_GONE;
      play.status[i].took_ms = 0;
    }
  h = get (&collect_monitor, &g, NULL, -EMFILE);
  assert_int_equal (h->nfacts, 0);
  haul_free (h);

  g.monitor = MONITOR_NONE;
  haul_free (get (&collect_monitor, &g, NULL, -ENOENT));
}

/* ---- disk ---- */

#define S(rd, err)                                                            \
  "{\"rd_bytes\":0,\"rd_ops\":" #rd ",\"wr_bytes\":0,\"wr_ops\":5,"           \
  "\"flush_ops\":0,\"errors\":" #err "}"

static void
test_disk (void **state)
{
  struct guest g = guest ();
  struct haul *h;

  memset (&play, 0, sizeof play);
  play.stats[0] = "{\"vda\":" S (1, 0) ",\"VD.b/x\":" S (9, 2) "}";
  play.stats[1] = "{\"vda\":" S (2, 0) ",\"VD.b/x\":" S (9, 5) ",\"new\":"
                  S (1, 1) "}";
  h = get (&collect_disk, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.vda.moved"), 1);
  assert_int_equal (int_of (h, "disk.vda.new_errors"), 0);
  assert_int_equal (int_of (h, "disk.vd_b_x.moved"), 0);
  assert_int_equal (int_of (h, "disk.vd_b_x.new_errors"), 3);
  assert_int_equal (int_of (h, "disk.vd_b_x.errors"), 5);
  assert_int_equal (int_of (h, "disk.new.moved"), -999);
  assert_int_equal (int_of (h, "disk.any_moved"), 1);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "second"));
  haul_free (h);

  play.stats[1] = play.stats[0];
  h = get (&collect_disk, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.any_moved"), 0);
  haul_free (h);

  /* Of a guest without disks none stands still. */
  play.stats[0] = play.stats[1] = "{}";
  h = get (&collect_disk, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.any_moved"), -999);
  haul_free (h);

  /* The first sample is kept when the second fails. */
  play.stats[1] = NULL;
  h = get (&collect_disk, &g, NULL, -ETIMEDOUT);
  assert_int_equal (h->nfacts, 0);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "first"));
  haul_free (h);
  play.stats[0] = NULL;
  haul_free (get (&collect_disk, &g, NULL, -ETIMEDOUT));
}

/* In the monitor's two samples: nobody waits for two more. */
static void
test_disk_by_monitor (void **state)
{
  struct guest g = guest ();
  uint64_t began = now_ms;
  struct haul *h;

  memset (&play, 0, sizeof play);
  play.status[0].status = play.status[1].status = "running";
  play.stats[0] = "{\"vda\":" S (1, 0) "}";
  play.stats[1] = "{\"vda\":" S (1, 1) "}";
  h = get (&collect_monitor, &g, NULL, 0);
  assert_in_range (now_ms - began, 1000, 1100);
  assert_int_equal (int_of (h, "disk.any_moved"), 0);
  assert_int_equal (int_of (h, "disk.vda.new_errors"), 1);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "second"));
  haul_free (h);

  /* One that answers the second time has been counted once. */
  play.status[0].rc = -ETIMEDOUT;
  play.status[0].health = MONITOR_GREETS_ONLY;
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.any_moved"), -999);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "first"));
  haul_free (h);
}

/* ---- net ---- */

/* Asks where scenarios ask: who answers is known of one of them. */
static void
test_net_hints (void **state)
{
  static const struct
  {
    const char *hints, *failed, *address, *expect;
  } cases[] = {
    { "[{'scenario':'a','address':'192.0.2.1:1'}]", "", "192.0.2.1:1" },
    { "[{'scenario':'a','address':'192.0.2.1:1','send':'x'},"
      "{'scenario':'b','address':'192.0.2.1:2','expect':'SSH'}]",
      "a", "192.0.2.1:2", "SSH" },
    { "[{'scenario':'a','address':'192.0.2.1:1'},"
      "{'scenario':'b','address':'192.0.2.1:2'}]",
      "b", "192.0.2.1:2" },
    { "[{'scenario':'a','address':'192.0.2.1:1','expect':'SSH'},"
      "{'scenario':'b','address':'192.0.2.1:2','expect':'SSH'}]",
      "b", "192.0.2.1:2", "SSH" },
  };
  struct guest g = guest ();

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      CLEANUP_JSON struct json_object *hints = json_object_new_object ();
      struct haul *h;

      json_object_object_add (hints, "addresses",
                              json_tokener_parse (cases[i].hints));
      memset (&play, 0, sizeof play);
      play.tcp_text = "SSH";
      hinted = hints;
      failed = cases[i].failed;
      h = get (&collect_net, &g, NULL, 0);
      hinted = NULL;
      failed = NULL;
      assert_string_equal (play.tcp_address, cases[i].address);
      assert_string_equal (play.tcp_expect,
                           cases[i].expect ? cases[i].expect : "");
      haul_free (h);
      /* What the step says counts more. */
      h = get (&collect_net, &g, "{\"address\":\"192.0.2.3:3\"}", 0);
      assert_string_equal (play.tcp_address, "192.0.2.3:3");
      haul_free (h);
    }
}

static void
test_net (void **state)
{
  static const struct
  {
    const char *params;
    int rc;
    const char *answer;
    bool mute;
  } cases[] = {
    { "{\"address\":\"192.0.2.1:22\"}", 0, "open" },
    { "{\"address\":\"192.0.2.1:22\"}", -ECONNREFUSED, "refused" },
    { "{\"address\":\"192.0.2.1:22\"}", -ETIMEDOUT, "timeout" },
    { "{\"address\":\"192.0.2.1:22\"}", -EHOSTUNREACH, "unreachable" },
    { "{\"address\":\"192.0.2.1:22\"}", -ENOMSG, "mismatch" },
    { "{\"address\":\"192.0.2.1:22\"}", -ENOMSG, "reset", true },
    { "{\"address\":\"127.0.0.1:2222\"}", -ENOMSG, "forwarded", true },
    { "{\"address\":\"192.0.2.1:22\"}", -ECONNRESET, "reset" },
    /* A forwarder takes what the guest never sees. */
    { "{\"address\":\"127.0.0.1:2222\"}", 0, "forwarded" },
    { "{\"address\":\"[::1]:2222\"}", 0, "forwarded" },
    { "{\"address\":\"127.0.0.1:2222\"}", -ECONNREFUSED, "no-forwarder" },
    { "{\"address\":\"127.0.0.1:2222\",\"expect\":\"SSH\"}", 0, "open" },
    { "{\"address\":\"127.0.0.1:2222\",\"expect\":\"SSH\"}", -ETIMEDOUT,
      "timeout" },
  };
  struct guest g = guest ();
  struct haul *h;

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      memset (&play, 0, sizeof play);
      play.tcp_rc = cases[i].rc;
      play.tcp_text = cases[i].mute ? "" : "SSH\033";
      h = get (&collect_net, &g, cases[i].params, 0);
      assert_string_equal (text_of (h, "net.answer"), cases[i].answer);
      assert_non_null (strstr (buf_str (&h->impact), "connected to"));
      assert_null (strchr (file_of (h, "net/net.json"), '\033'));
      haul_free (h);
    }
  /* Our own trouble is a gap, and no fact. */
  play.tcp_rc = -EMFILE;
  h = get (&collect_net, &g, cases[0].params, 0);
  assert_string_equal (text_of (h, "net.answer"), "(none)");
  assert_non_null (strstr (buf_str (&h->gaps), "net/answer: no connection"));
  haul_free (h);
  /* Nobody knows the address; then its own; its tap is lo here. */
  h = get (&collect_net, &g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "address is not known"));
  assert_non_null (strstr (buf_str (&h->gaps), "no network interface"));
  haul_free (h);
  play.tcp_rc = 0;
  g.nnics = 3;
  snprintf (g.nics[0].ifname, sizeof g.nics[0].ifname, "../../proc");
  snprintf (g.nics[1].ifname, sizeof g.nics[1].ifname, "lo");
  snprintf (g.nics[2].ip, sizeof g.nics[2].ip, "::1");
  snprintf (g.nics[0].lease, sizeof g.nics[0].lease, "192.0.2.6");
  snprintf (g.nics[2].lease, sizeof g.nics[2].lease, "192.0.2.7");
  g.nics[2].lease_until_s = clock_wall_ms () / 1000 - 100;
  g.nics[2].lease_gone = true;
  h = get (&collect_net, &g, NULL, 0);
  assert_string_equal (text_of (h, "net.lease"), "ran-out");
  assert_in_range (-int_of (h, "net.lease_left_s"), 100, 200);
  assert_non_null (strstr (file_of (h, "net/net.json"), "192.0.2.7"));
  assert_string_equal (play.tcp_address, "[::1]:22");
  assert_string_equal (text_of (h, "net.answer"), "forwarded");
  assert_true (int_of (h, "net.guest_sent") >= 0);
  assert_int_equal (int_of (h, "net.not_taken"), 0);
  assert_non_null (strstr (file_of (h, "net/net.json"), "rx_packets"));
  assert_non_null (strstr (buf_str (&h->gaps), "2 of its 3 interfaces"));
  haul_free (h);
  /* Somewhere behind a router, where anybody may answer: not asked. */
  play.tcp_address[0] = '\0';
  snprintf (g.nics[2].ip, sizeof g.nics[2].ip, "203.0.113.77");
  g.nics[2].lease_until_s = LEASE_FOR_EVER;
  h = get (&collect_net, &g, NULL, 0);
  assert_string_equal (text_of (h, "net.lease"), "gone");
  assert_string_equal (play.tcp_address, "");
  assert_non_null (strstr (buf_str (&h->gaps), "not in a network of this"));
  haul_free (h);
}

/* ---- console ---- */

/* What there was no time for has that for its reason. */
static void
test_console_without_time (void **state)
{
  struct guest g = guest ();
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };

  g.nconsoles = 2;
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "serial0");
  g.consoles[0].mode = CONSOLE_PROBE;
  assert_int_equal (collect_console.run (&ctx, NULL), 0);
  assert_non_null (strstr (buf_str (&h->gaps), "ended before serial0"));
  assert_non_null (strstr (buf_str (&h->gaps), "the platform's log: "));
  haul_free (h);
}

static void
test_console (void **state)
{
  static const char text[]
      = "Kernel panic - not syncing: of the boot before\n"
        "[    0.000000] Linux version 6.1\r\n"
        "[   98.7] Memory cgroup out of memory: Killed process 7 (ant)\n"
        "[   98.8] app[7]: we were blocked for more than 3 seconds\n"
        "[   98.9] Buffer I/O error on dev sr0, logical block 0\n"
        "[   99.1] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [ant:7]"
        "\033[2J\r\nlogin: \x00\xff";
  struct guest g = guest ();
  char row[120];
  struct haul *h;

  memset (&play, 0, sizeof play);
  haul_free (get (&collect_console, &g, NULL, -ENOENT));
  g.nconsoles = 2;
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "serial0");
  snprintf (g.consoles[1].name, sizeof g.consoles[1].name, "shim/cons");
  play.kept = text;
  play.kept_len = sizeof text - 1;
  play.lost = 17;
  play.state = CONSOLE_TALKING;
  play.last_ms = now_ms - 4000;
  h = get (&collect_console, &g, NULL, 0);
  assert_string_equal (text_of (h, "console.state"), "talking");
  assert_int_equal (int_of (h, "console.silent_ms"), 4000);
  assert_int_equal (int_of (h, "console.kept"), sizeof text - 1);
  assert_string_equal (text_of (h, "kernel.event.soft_lockup"),
                       "BUG: soft lockup: ant");
  assert_non_null (strstr (text_of (h, "kernel.event.oom_kill_cgroup"), "ant"));
  /* Words are no marks, nor are remarks. */
  assert_string_equal (text_of (h, "kernel.event.hung_task"), "(none)");
  assert_string_equal (text_of (h, "kernel.event.io_error"), "(none)");
  /* Before the last boot is another life. */
  assert_string_equal (text_of (h, "kernel.event.panic"), "(none)");
  assert_memory_equal (file_of (h, "console/tail.raw"), text, sizeof text - 1);
  assert_non_null (strstr (file_of (h, "console/tail.log"), "\\e[2J\n"));
  assert_non_null (strstr (file_of (h, "console/tail.log"), "\\x00\\xff"));
  assert_non_null (strstr (buf_str (&h->gaps), "17 older bytes"));
  snprintf (row, sizeof row, "{\"offset\":50,\"line\":2,\"mono_ms\":%llu,",
            (unsigned long long) now_ms - 4000);
  assert_non_null (strstr (file_of (h, "console/index.jsonl"), row));
  assert_non_null (strstr (file_of (h, "console/index.jsonl"),
                           "\"line\":1,\"last_line\":1,\"typed_by\""));
  assert_non_null (strstr (file_of (h, "console/index.jsonl"),
                           "\"line\":2,\"last_line\":7,\"typed_by\""));
  assert_string_not_equal (file_of (h, "console/shim_cons-tail.raw"),
                           "(none)");
  haul_free (h);

  /* Broken by us is told apart from broken by itself. */
  play.state = CONSOLE_BROKEN;
  play.detail = "the other end is a folder";
  h = get (&collect_console, &g, NULL, 0);
  assert_string_equal (text_of (h, "console.state"), "broken");
  assert_string_equal (text_of (h, "console.refused"), "(none)");
  haul_free (h);
  play.code = -EPERM;
  play.detail = "/x is not among the folders of the configuration";
  h = get (&collect_console, &g, NULL, 0);
  assert_string_equal (text_of (h, "console.refused"), play.detail);
  haul_free (h);

  play.tap_rc = -ENOENT;
  h = get (&collect_console, &g, NULL, 0);
  assert_int_equal (h->nfacts, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "serial0: no such console"));
  haul_free (h);
}

/* Of a kind the first is told last: it counts where nobody asks when it was. */
static void
test_marks_have_their_time (void **state)
{
  static const char text[]
      = "[    0.000000] Linux version 6.1\r\n"
        "[   99.100000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! "
        "[ant:7]\r\n"
        "[ 7300.100000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! "
        "[bee:8]\r\n"
        "[ 7310.500000] Kernel panic - not syncing: softlockup: hung tasks\r\n";
  struct guest g = guest ();
  const struct fact *f;
  struct haul *h;

  memset (&play, 0, sizeof play);
  g.nconsoles = 1;
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "serial0");
  play.kept = text;
  play.kept_len = sizeof text - 1;
  h = get (&collect_console, &g, NULL, 0);
  f = fact_of (h, "kernel.event.soft_lockup");
  assert_int_equal (f->kernel_us, 99100000);
  assert_string_equal (f->text, "BUG: soft lockup: ant");
  assert_string_equal (f[-1].name, "kernel.event.soft_lockup");
  assert_int_equal (f[-1].kernel_us, 7300100000);
  assert_non_null (strstr (f[-1].text, "BUG: soft lockup"));
  f = fact_of (h, "kernel.event.panic");
  assert_int_equal (f->kernel_us, 7310500000);
  assert_string_not_equal (f[-1].name, "kernel.event.panic");
  haul_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_table), cmocka_unit_test (test_monitor),
    cmocka_unit_test (test_disk),  cmocka_unit_test (test_disk_by_monitor),
    cmocka_unit_test (test_net),
    cmocka_unit_test (test_net_hints), cmocka_unit_test (test_console),
    cmocka_unit_test (test_marks_have_their_time),
    cmocka_unit_test (test_console_without_time),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
