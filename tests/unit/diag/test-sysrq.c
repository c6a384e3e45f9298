/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the kernel: the route for each console, the answers of several
 * kernels, and silence.  The kernel is played.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "play.h"

#include "diag/collect/collect.h"
#include "transports/ask.h"
#include "transports/console/hub.h"
#include "transports/memory/look_guest.h"
#include "transports/monitor/monitor.h"

#include "config.h"
#ifdef WITH_LIBVIRT
#include "guests/virt.h"
#endif

/* ---- the guest's other end ---- */

static struct kernel
{
  char takes;          /* 'b' BREAK + key, 'o' ^O + key, 'k' keyboard, 'm' mux
                          break, 0 nothing */
  const char *answer;  /* what it prints then */
  bool endless;        /* and then goes on for ever */
  uint64_t chunk_gap;  /* ms between pieces of the answer */
  size_t chunk;        /* bytes of one piece, 0 = all */
  int lease_rc, monitor_rc;
  int breaks, leases, presses;
  bool armed, lost;
  bool lives_anew;     /* by now, as libvirt says */
  const char *pending;
  uint64_t ready_ms;
  /* Of a guest whose memory can be read: pid > 0. */
  bool obeys;     /* answers by the key, and minds its mask */
  int level, mask, taps, looks;
  bool no_intent, slow_disk, stuck; /* stuck: it never goes back */
  char intent[200];                 /* that is open */
  int intents, undones;
} k;
static struct buf typed = BUF_INIT (65536); /* all that was written */

/* As drivers/tty/sysrq.c has it. */
static const char *
obey (char key)
{
  static char text[300];
  unsigned need = key >= '0' && key <= '9' ? 2
                  : key == 'h'             ? 0x1ff
                  : key == 'q' || key == 'd' ? 0
                                             : 8;

  if (k.mask == 0)
    return NULL;
  if (k.mask != 1 && !((unsigned) k.mask & need))
    return "sysrq: This sysrq operation is disabled.\r\n";
  if (key == 'h')
    return "sysrq: HELP : loglevel(0-9) reboot(b)\r\n";
  if (key >= '0' && key <= '9')
    {
      if (!k.stuck || key == '9')
        k.level = key - '0';
      snprintf (text, sizeof text,
                "sysrq: Changing Loglevel\r\nsysrq: Loglevel set to %c\r\n",
                key);
    }
  else
    snprintf (text, sizeof text, "sysrq: Show %c\r\n%s", key,
              k.level > 6 ? "task:dd              state:D stack:0 pid:2\r\n"
                          : "");
  return text;
}

static void
hit (char key)
{
  k.pending = k.obeys ? obey (key) : k.answer;
  k.ready_ms = now_ms + 1;
}

int
look_guest_open (struct look_guest *l, uint64_t deadline, struct error *err)
{
  assert_true (l->no_registers);
  k.looks++;
  return 0;
}

int
look_guest_ask (struct look_guest *l, struct json_object *sections,
                uint64_t deadline, look_rows_fn *fn, void *arg,
                struct json_object **ret_end, struct error *err)
{
  char rows[200];
  int n = snprintf (rows, sizeof rows,
                    "{\"row\":\"guest\"}\n{\"row\":\"system\","
                    "\"loglevel\":%d,\"sysrq\":%d}\n",
                    k.level, k.mask);

  assert_string_equal (json_object_to_json_string_ext (sections, 0),
                       "[\"system\"]");
  return k.level < 0 ? -EIO : fn (rows, (size_t) n, arg);
}

void
look_guest_close (struct look_guest *l)
{
}

int
hub_lease (struct hub *hub, const char *uuid, const char *console,
           enum lease_rank rank, const char *who, bool take,
           uint64_t deadline, struct lease **ret, struct error *err)
{
  assert_int_equal (rank, LEASE_DIAGNOSIS);
  assert_false (take);
  if (k.lease_rc < 0)
    return error_set (err, -k.lease_rc, "held by a person");
  k.leases++;
  *ret = (struct lease *) &k;
  return 0;
}

void
lease_free (struct lease *l)
{
  k.leases--;
}

bool
lease_lost (struct lease *l)
{
  return k.lost;
}

struct tap *
lease_tap (struct lease *l)
{
  return (struct tap *) &k;
}

int
lease_write (struct lease *l, const void *data, size_t len, uint64_t deadline,
             struct error *err)
{
  const char *p = data;

  buf_append (&typed, data, len);
  if (k.takes == 'o' && len == 2 && p[0] == 0x0f)
    hit (p[1]);
  if (k.takes == 'b' && k.armed && len == 1)
    hit (p[0]);
  k.armed = false;
  return 0;
}

int
lease_write_raw (struct lease *l, const void *data, size_t len,
                 uint64_t deadline, struct error *err)
{
  buf_append (&typed, data, len);
  if (k.takes == 'm' && len == 7
      && memcmp (data, "\001c\001bw\001c", 7) == 0)
    hit ('w');
  return 0;
}

size_t
tap_read (struct tap *tap, void *dst, size_t n, uint64_t *ret_lost)
{
  size_t len;

  *ret_lost = 0;
  if (!k.pending || now_ms < k.ready_ms)
    return 0;
  len = strlen (k.pending);
  if (k.chunk && len > k.chunk)
    len = k.chunk;
  len = len < n ? len : n;
  memcpy (dst, k.pending, len);
  k.pending += len;
  k.ready_ms = now_ms + k.chunk_gap;
  if (!*k.pending)
    k.pending = k.endless ? "more and more\n" : NULL;
  return len;
}

int
tap_wait (struct tap *tap, uint64_t deadline)
{
  if (k.pending && k.ready_ms <= deadline)
    {
      now_ms = k.ready_ms > now_ms ? k.ready_ms : now_ms;
      return 0;
    }
  now_ms = deadline > now_ms ? deadline : now_ms + 1;
  return -ETIMEDOUT;
}

int
monitor_open (const struct transport_env *env, const struct guest *g,
              uint64_t deadline, struct monitor **ret_m,
              enum monitor_health *ret_health, struct error *err)
{
  if (k.monitor_rc < 0)
    return error_set (err, -k.monitor_rc, "monitor held");
  *ret_m = (struct monitor *) &k;
  return 0;
}

int
monitor_command (struct monitor *m, const char *command,
                 struct json_object *args, uint64_t deadline,
                 struct json_object **ret_reply, struct error *err)
{
  if (strcmp (command, "chardev-send-break") == 0)
    {
      assert_string_equal (json_get_str (args, "id"), "charserial0");
      k.breaks++;
      k.armed = !k.armed;
    }
  else
    {
      struct json_object *keys = json_get (args, "keys");

      assert_string_equal (command, "send-key");
      k.presses++;
      if (k.takes == 'k')
        hit (json_get_str (json_object_array_get_idx (keys, 2), "data")[0]);
    }
  json_object_put (args);
  *ret_reply = json_object_new_object ();
  return 0;
}

void
monitor_close (struct monitor *m)
{
}

#ifdef WITH_LIBVIRT
int
virt_domain (const char *uri, const struct incarnation *inc,
             virDomainPtr *ret_dom, struct error *err)
{
  assert_string_equal (inc->uuid, "u");
  if (k.lives_anew)
    return error_set (err, ESTALE, "the domain was started again");
  *ret_dom = NULL;
  return 0;
}

int
virt_error (struct error *err, const char *what)
{
  return error_set (err, EIO, "%s", what);
}

/* These stand before the library's own. */
int
virDomainSendKey (virDomainPtr domain, unsigned int codeset,
                  unsigned int holdtime, unsigned int *keycodes, int nkeycodes,
                  unsigned int flags)
{
  assert_int_equal (nkeycodes, 3);
  assert_int_equal (keycodes[0], 56);
  assert_int_equal (keycodes[1], 99);
  assert_int_equal (keycodes[2], 17);
  k.presses++;
  if (k.takes == 'k')
    hit ('w');
  return 0;
}

int
virDomainFree (virDomainPtr domain)
{
  return 0;
}
#endif

/* Only the console collector reads what is kept; nobody taps. */
int
hub_kept (struct hub *hub, const char *uuid, const char *console,
          struct buf *out, struct hub_kept *ret, struct error *err)
{
  fail ();
  return -1;
}

int
hub_tap (struct hub *hub, const char *uuid, const char *console,
         const char *name, enum tap_start start,
         void (*on_data) (struct tap *tap, void *arg), void *arg,
         struct tap **ret_tap, struct error *err)
{
  assert_int_equal (start, TAP_NOW | TAP_ACTIVE);
  k.taps++;
  *ret_tap = (struct tap *) &k;
  return 0;
}

void
tap_free (struct tap *tap)
{
  k.taps--;
}

/* A shell there, for those who may not press: the frame is not its business. */
static struct
{
  const char *says;
  char command[2100];
} shell;

static int
shell_ask (const struct transport_env *env, const struct guest *g,
           const struct ask *q, struct job *job, struct ask_result *ret,
           struct error *err)
{
  snprintf (shell.command, sizeof shell.command, "%s", q->command);
  *ret = (struct ask_result){ .end = shell.says ? ASK_OK : ASK_SILENT,
                              .begun = true,
                              .output = BUF_INIT (65536) };
  buf_puts (&ret->output, shell.says ? shell.says : "");
  return 0;
}

const struct transport_ops transport_console
    = { .name = "console", .lane = LANE_CONSOLE, .command = shell_ask };
const struct transport_ops transport_agent
    = { .name = "agent", .lane = LANE_AGENT, .command = shell_ask };

/* ---- running ---- */

static struct guest
guest (enum console_device device)
{
  static struct guest_console console;
  struct guest g = { .name = "vm", .display = "vm", .nconsoles = 1,
                     .monitor = MONITOR_UNIX, .consoles = &console };

  memset (&console, 0, sizeof console);
  snprintf (g.inc.uuid, sizeof g.inc.uuid, "u");
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "serial0");
  snprintf (g.consoles[0].alias, sizeof g.consoles[0].alias, "charserial0");
  g.consoles[0].device = device;
  g.consoles[0].muxed = device == CONSOLE_DEV_MUX;
  return g;
}

static int
intend (struct collect_out *out, struct json_object *undo, struct error *err)
{
  const char *text = json_object_to_json_string_ext (undo, 0);

  assert_string_equal (k.intent, "");
  assert_true (strlen (text) < sizeof k.intent);
  if (!k.slow_disk)
    snprintf (k.intent, sizeof k.intent, "%s", text), k.intents++;
  json_object_put (undo);
  return k.slow_disk ? error_set (err, ETIMEDOUT, "not on disk") : 0;
}

static void
undone (struct collect_out *out, const char *act)
{
  assert_string_equal (act, "loglevel");
  k.intent[0] = '\0';
  k.undones++;
}

static struct haul *
ask (const struct guest *g, const char *params, int want_rc)
{
  struct transport_env env = { NULL, NULL, NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;

  h->out.intend = k.no_intent ? NULL : intend;
  h->out.undone = undone;
  buf_clear (&typed);
  k.breaks = 0;
  k.pending = NULL;
  k.armed = false;
  if (collect (&collect_sysrq, g, &env, params, h, &err) != want_rc)
    fail_msg ("%s", err.msg);
  assert_int_equal (k.leases, 0);
  assert_int_equal (k.taps, 0);
  return h;
}

#define W61                                                                   \
  "\r\n[   12.345678] sysrq: Show Blocked State\r\n"                          \
  "[   12.345700] task:jbd2/vda1-8     state:D stack:0     pid:201\r\n"       \
  "[   12.345701] Call Trace:\r\n[   12.345702]  <TASK>\r\n"                  \
  "[   12.345703]  __schedule+0x2eb/0x8d0\r\n[   12.345710]  </TASK>\r\n"

static void
test_answers (void **state)
{
  static const struct
  {
    const char *text, *answer;
    int64_t lines, blocked;
  } cases[] = {
    { W61, "shown", 6, 1 },
    { "login: w\r\n[1.0] sysrq: SysRq : Show Blocked State\n", "shown", 1,
      -999 },
    { "SysRq : Show Blocked State\n  task PC stack\n", "shown", 2, 0 },
    { "[1.0] sysrq: This sysrq operation is disabled.\r\n", "disabled", 1,
      -999 },
    { "SysRq : HELP : loglevel(0-9) reboot(b)\n", "shown", 1, -999 },
    { "sysrq: Show without an end of the line", "none", -999, -999 },
    { "w\r\nlogin: ", "none", -999, -999 },
  };
  struct guest g = guest (CONSOLE_DEV_SERIAL);

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct haul *h;

      k = (struct kernel){ .takes = 'b', .answer = cases[i].text };
      h = ask (&g, NULL, 0);
      assert_string_equal (text_of (h, "kernel.answers"), cases[i].answer);
      assert_string_equal (text_of (h, "sysrq.w.answer"), cases[i].answer);
      assert_int_equal (int_of (h, "sysrq.w.lines"), cases[i].lines);
      assert_int_equal (int_of (h, "tasks.blocked"), cases[i].blocked);
      assert_int_equal (k.breaks, 1);
      assert_non_null (strstr (buf_str (&h->impact),
                               "sent SysRq w to console serial0 by break"));
      if (strcmp (cases[i].answer, "none") == 0)
        {
          /* One try, and the line is killed. */
          assert_string_equal (buf_str (&typed), "w\x15");
          assert_string_equal (file_of (h, "sysrq/w.txt"), "(none)");
        }
      else
        {
          assert_string_equal (buf_str (&typed), "w");
          assert_non_null (strstr (file_of (h, "sysrq/w.txt"), "ys"));
          assert_null (strstr (file_of (h, "sysrq/w.txt"), "login"));
          assert_string_equal (text_of (h, "sysrq.route"), "break");
        }
      haul_free (h);
    }
}

/* Who waits on what. */
static void
test_blocked (void **state)
{
  static const char text[]
      = "sysrq: Show Blocked State\r\n"
        "[ 1.1] task:pool work/0:1 x state:D stack:0 pid:1\r\n"
        "[ 1.1]  __schedule+0x34d/0xa00\r\n[ 1.1]  schedule+0x5a/0xd0\r\n"
        "[ 1.1]  __mutex_lock.constprop.0+0x39d/0x720\r\n"
        "[ 1.1]  ? zoo_rcustall+0x30/0x30 [zoo]\r\n"
        "[ 1.1]  zoo_mutex_waiter+0x1d/0x30 [zoo]\r\n"
        "[ 1.1]  kthread+0xda/0x100\r\n"
        "[ 1.2] task:dd              state:D stack:0 pid:2\r\n"
        "[ 1.2]  schedule+0x5a/0xd0\r\n[ 1.2]  io_schedule+0x46/0x70\r\n"
        "[ 1.2]  folio_wait_bit_common+0x13d/0x350\r\n"
        "[ 1.2] RIP: 0033:0x7f+0x1\r\n"
        "[ 1.3] task:x               state:D\r\n";
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = text };
  h = ask (&g, NULL, 0);
  assert_int_equal (int_of (h, "tasks.blocked"), 3);
  assert_int_equal (int_of (h, "tasks.in_io"), 1);
  assert_int_equal (int_of (h, "tasks.in_lock"), 1);
  assert_string_equal (text_of (h, "tasks.culprit"),
                       "pool work/0:1 x in zoo_mutex_waiter [zoo]");
  haul_free (h);
  /* The header alone does not say that nobody is blocked. */
  k = (struct kernel){ .takes = 'b', .answer = "sysrq: Show\r\n" };
  h = ask (&g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "only the header"));
  haul_free (h);
}

/* In pieces, with pauses shorter than the quiet, all of it is got. */
static void
test_pieces (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = W61, .chunk = 20,
                       .chunk_gap = 300 };
  h = ask (&g, NULL, 0);
  assert_int_equal (int_of (h, "sysrq.w.lines"), 6);
  haul_free (h);
}

/* A guest that prints for ever ends by the budget (play.h checks it). */
static void
test_flood (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = W61, .endless = true,
                       .chunk_gap = 10 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "kernel.answers"), "shown");
  haul_free (h);

  k = (struct kernel){ .takes = 'b', .answer = "noise\n", .endless = true };
  k.chunk_gap = 1;
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "kernel.answers"), "none");
  haul_free (h);
}

static void
test_escaped (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b',
                       .answer = "sysrq: Show\n\033[2Jevil\x07\n" };
  h = ask (&g, NULL, 0);
  assert_string_equal (file_of (h, "sysrq/w.txt"),
                       "sysrq: Show\n\\e[2Jevil\\x07\n");
  haul_free (h);
}

static void
test_routes (void **state)
{
  struct haul *h;
  struct guest g;

  g = guest (CONSOLE_DEV_VIRTIO);
  k = (struct kernel){ .takes = 'o', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "ctrl-o");
  assert_string_equal (buf_str (&typed), "\x0fw");
  assert_int_equal (k.breaks, 0);
  haul_free (h);

  /* Behind a mux: one after another, until the kernel answers. */
  g = guest (CONSOLE_DEV_MUX);
  k = (struct kernel){ .takes = 'k', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "keyboard");
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);
  k = (struct kernel){ .takes = 'm', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "mux-break");
  assert_string_equal (buf_str (&typed), "\x0fw\x15\001c\001bw\001c");
  assert_non_null (strstr (buf_str (&h->impact), "input focus"));
  haul_free (h);

  /* A route that worked is the route for the keys that follow. */
  k = (struct kernel){ .takes = 'o', .answer = W61 };
  h = ask (&g, "{\"keys\":\"wl\"}", 0);
  assert_string_equal (text_of (h, "sysrq.l.answer"), "shown");
  assert_string_equal (buf_str (&typed), "\x0fw\x0fl");
  assert_int_equal (k.presses, 1);
  haul_free (h);
  /* R can't be pressed. */
  h = ask (&g, "{\"keys\":\"R\"}", 0);
  assert_int_equal (k.presses, 1);
  haul_free (h);

  /* Without a monitor a serial console can't be sent a BREAK. */
  g = guest (CONSOLE_DEV_SERIAL);
  g.monitor = MONITOR_NONE;
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "kernel.answers"), "none");
  assert_non_null (strstr (buf_str (&h->gaps), "BREAK need a monitor"));
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);

  /* Nothing is typed when the BREAK could not be sent. */
  g = guest (CONSOLE_DEV_SERIAL);
  k = (struct kernel){ .takes = 'b', .answer = W61, .monitor_rc = -EBUSY };
  h = ask (&g, NULL, 0);
  assert_string_equal (buf_str (&typed), "");
  assert_non_null (strstr (buf_str (&h->gaps), "break: monitor held"));
  haul_free (h);

  /* Raw commands through libvirt are told. */
  g = guest (CONSOLE_DEV_SERIAL);
  g.monitor = MONITOR_LIBVIRT;
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->impact), "tainted"));
  haul_free (h);
#ifdef WITH_LIBVIRT
  /* And not needed where the keyboard will do. */
  k = (struct kernel){ .takes = 'k', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "keyboard");
  assert_int_equal (k.presses, 1);
  assert_null (strstr (buf_str (&h->impact), "tainted"));
  haul_free (h);
  /* Libvirt goes by the uuid: the next life is not pressed at. */
  k = (struct kernel){ .takes = 'k', .answer = W61, .lives_anew = true };
  h = ask (&g, NULL, 0);
  assert_int_equal (k.presses, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "started again"));
  haul_free (h);
#endif
}

static void
test_keys (void **state)
{
  static const char *const refused[] = { "c", "b", "o", "e", "i", "u", "f",
                                         "s", "wc", "", "n", "j", "x",
                                         "wwwwwwwwwwwwwwwww" };
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
    {
      char params[80];

      k = (struct kernel){ .takes = 'b', .answer = W61 };
      snprintf (params, sizeof params, "{\"keys\":\"%s\"}", refused[i]);
      h = ask (&g, params, strlen (refused[i]) == 0 || strlen (refused[i]) > 16
                               ? -EINVAL
                               : -EPERM);
      assert_string_equal (buf_str (&typed), "");
      assert_int_equal (k.breaks, 0);
      haul_free (h);
    }
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  h = ask (&g, "{\"keys\":\"9wlm\"}", 0);
  assert_string_equal (buf_str (&typed), "9wlm");
  assert_int_equal (k.breaks, 4);
  haul_free (h);
  /* Silence is asked once, not once per key. */
  k = (struct kernel){ .takes = 0 };
  h = ask (&g, "{\"keys\":\"wlm\"}", 0);
  assert_string_equal (buf_str (&typed), "w\x15");
  haul_free (h);
}

/* ---- a guest whose memory says what it lets one do ---- */

static struct guest
known (int level, int mask)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);

  g.inc.pid = 77;
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = level,
                       .mask = mask };
  return g;
}

static void
test_loglevel (void **state)
{
  struct guest g = known (4, 1);
  struct haul *h = ask (&g, "{\"keys\":\"tw\"}", 0);

  /* Life first, t last, and the level as it was. */
  assert_string_equal (buf_str (&typed), "h9wt4");
  assert_int_equal (k.level, 4);
  assert_int_equal (k.intents, 1);
  assert_int_equal (k.undones, 1);
  assert_int_equal (int_of (h, "sysrq.w.lines"), 2);
  assert_int_equal (int_of (h, "tasks.blocked"), 1);
  assert_int_equal (int_of (h, "sysrq.mask"), 1);
  assert_non_null (strstr (buf_str (&h->impact), "back to 4"));
  haul_free (h);

  /* Where nothing is hidden nothing is raised. */
  g = known (7, 1);
  h = ask (&g, "{\"keys\":\"wl\"}", 0);
  assert_string_equal (buf_str (&typed), "wl");
  haul_free (h);
  g = known (4, 1);
  haul_free (ask (&g, "{\"keys\":\"h\"}", 0));
  assert_string_equal (buf_str (&typed), "h");

  /* Not known, nobody to remember it, not on disk, refused: left alone. */
  g = known (-1, 1);
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_string_equal (buf_str (&typed), "hw");
  assert_non_null (strstr (buf_str (&h->gaps), "what to put back"));
  haul_free (h);
  g = known (4, 1);
  k.no_intent = true;
  haul_free (ask (&g, "{\"keys\":\"hw\"}", 0));
  assert_string_equal (buf_str (&typed), "hw");
  g = known (4, 1);
  k.slow_disk = true;
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_string_equal (buf_str (&typed), "hw");
  assert_non_null (strstr (buf_str (&h->gaps), "not on disk"));
  haul_free (h);
  g = known (4, 8);
  haul_free (ask (&g, "{\"keys\":\"hw\"}", 0));
  assert_string_equal (buf_str (&typed), "hw");

  /* A kernel that is silent is not raised; one that does not go back stays
   * in somebody's book. */
  g = known (4, 1);
  k.takes = 0;
  haul_free (ask (&g, "{\"keys\":\"hw\"}", 0));
  assert_string_equal (buf_str (&typed), "h\x15");
  assert_int_equal (k.intents, 0);
  g = known (4, 1);
  k.stuck = true;
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_int_equal (k.undones, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "not put back"));
  assert_non_null (strstr (k.intent, "\"level\":4"));
  haul_free (h);
}

/* A budget that ends in the middle is no reason to leave it raised. */
static void
test_budget (void **state)
{
  struct guest g = known (4, 1);
  struct haul *h;

  k.chunk = 1;
  k.chunk_gap = 60;
  h = ask (&g, "{\"keys\":\"hwlmpz\"}", 0);
  assert_int_equal (k.level, 4);
  assert_int_equal (k.undones, 1);
  assert_null (strstr (buf_str (&typed), "z"));
  haul_free (h);
}

static void
test_mask (void **state)
{
  struct guest g = known (4, 0x1b6); /* Debian's: no dumps */
  struct haul *h = ask (&g, "{\"keys\":\"hwlm\"}", 0);

  assert_string_equal (buf_str (&typed), "h");
  assert_string_equal (text_of (h, "kernel.answers"), "shown");
  assert_string_equal (text_of (h, "sysrq.refused"), "wlm");
  assert_string_equal (text_of (h, "sysrq.w.answer"), "(none)");
  assert_non_null (strstr (buf_str (&h->gaps), "kernel.sysrq is 438"));
  haul_free (h);
  g = known (4, 16);
  haul_free (ask (&g, "{\"keys\":\"w\"}", 0));
  assert_string_equal (buf_str (&typed), "h");
  /* q and d are in no mask. */
  g = known (7, 8);
  haul_free (ask (&g, "{\"keys\":\"wqd\"}", 0));
  assert_string_equal (buf_str (&typed), "w");
  /* Switched off: silence would say nothing. */
  g = known (4, 0);
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_string_equal (buf_str (&typed), "");
  assert_string_equal (text_of (h, "kernel.answers"), "(none)");
  haul_free (h);
  /* Not known: it says so itself. */
  g = known (-1, 0x1b6);
  h = ask (&g, "{\"keys\":\"w\"}", 0);
  assert_string_equal (text_of (h, "kernel.answers"), "disabled");
  assert_string_equal (text_of (h, "sysrq.refused"), "w");
  haul_free (h);
}

/* Nothing is typed, and the console is taken from nobody. */
static void
test_keyboard (void **state)
{
  struct guest g = known (4, 1);
  struct haul *h;

  k.takes = 'k';
  k.lease_rc = -EBUSY;
  h = ask (&g, "{\"keys\":\"h\",\"by\":\"keyboard\"}", 0);
  assert_string_equal (text_of (h, "kernel.answers"), "shown");
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);
  /* A guest may have no driver for one. */
  k.takes = 'b';
  h = ask (&g, "{\"keys\":\"h\",\"by\":\"keyboard\"}", 0);
  assert_string_equal (text_of (h, "kernel.answers"), "(none)");
  assert_string_equal (text_of (h, "sysrq.h.answer"), "none");
  assert_int_equal (k.breaks, 0);
  haul_free (h);
}

static void
test_shell (void **state)
{
  struct guest g = known (4, 0x1b6);
  struct haul *h;

  shell.says = "@@ w\r\n> 1.0] sysrq: Show Blocked State\r\n"
               "> 1.1] task:dd              state:D stack:0 pid:2\r\n"
               "@@ m\r\n> 2.0] sysrq: Show Memory\r\n@@ c\r\n|no\r\n"
               "@@ end\r\n";
  h = ask (&g, "{\"keys\":\"wm\",\"by\":\"console\"}", 0);
  assert_non_null (strstr (shell.command, "for k in w m;"));
  /* One that would not survive the line discipline is none. */
  for (const char *p = shell.command; *p; p++)
    assert_in_range (*p, 0x20, 0x7e);
  assert_int_equal (int_of (h, "tasks.blocked"), 1);
  assert_string_equal (text_of (h, "sysrq.m.answer"), "shown");
  assert_string_equal (file_of (h, "sysrq/m.txt"),
                       "[ 2.0] sysrq: Show Memory\n");
  assert_string_equal (file_of (h, "sysrq/c.txt"), "(none)");
  /* Neither the loglevel nor the keyboard is touched for it. */
  assert_string_equal (buf_str (&typed), "");
  assert_int_equal (k.presses + k.intents + k.looks, 0);
  haul_free (h);
  shell.says = "@@ cannot\r\n";
  haul_free (ask (&g, "{\"keys\":\"w\",\"by\":\"agent\"}", -EACCES));
  shell.says = NULL;
  haul_free (ask (&g, "{\"keys\":\"w\",\"by\":\"console\"}", -ENODATA));
}

/* After a crash. */
static void
test_undo (void **state)
{
  static const struct
  {
    int level, rc, want;
    const char *typed;
  } cases[] = {
    { 9, 0, 4, "4" },
    { 4, 0, 4, "" }, /* it never came to it */
    { 7, 0, 7, "" }, /* somebody has set another since */
  };
  struct json_object *undo = json_tokener_parse (
      "{\"act\":\"loglevel\",\"level\":4,\"console\":\"serial0\"}");

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct transport_env env = { NULL };
      struct guest g = known (cases[i].level, 1);
      struct haul *h = haul_new ();
      struct error err = ERROR_INIT;
      struct collect_ctx ctx = { .guest = &g, .env = &env, .scenario = "",
                                 .deadline = now_ms + 8000, .out = &h->out };

      buf_clear (&typed);
      assert_int_equal (sysrq_undo_level.run (&ctx, undo, &err), cases[i].rc);
      assert_int_equal (k.level, cases[i].want);
      assert_string_equal (buf_str (&typed), cases[i].typed);
      /* It does not answer: to be tried again. */
      k.level = 9;
      k.takes = 0;
      assert_int_equal (sysrq_undo_level.run (&ctx, undo, &err), -EIO);
      assert_int_equal (k.leases, 0);
      haul_free (h);
    }
  json_object_put (undo);
}

static void
test_console (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = W61, .lease_rc = -EBUSY };
  haul_free (ask (&g, NULL, -EBUSY));
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  haul_free (ask (&g, "{\"console\":\"nope\"}", -ENOENT));
  g.consoles[0].kind = CONSOLE_LOG;
  haul_free (ask (&g, NULL, -ENOENT));
  g = guest (CONSOLE_DEV_SERIAL);
  /* Somebody took the console on the way: nothing more is typed. */
  k = (struct kernel){ .takes = 0, .lost = true };
  h = ask (&g, NULL, 0);
  assert_string_equal (buf_str (&typed), "w");
  haul_free (h);
  buf_done (&typed);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_answers), cmocka_unit_test (test_pieces),
    cmocka_unit_test (test_blocked),
    cmocka_unit_test (test_flood),   cmocka_unit_test (test_escaped),
    cmocka_unit_test (test_routes),  cmocka_unit_test (test_keys),
    cmocka_unit_test (test_loglevel), cmocka_unit_test (test_budget),
    cmocka_unit_test (test_mask),    cmocka_unit_test (test_keyboard),
    cmocka_unit_test (test_shell),
    cmocka_unit_test (test_undo),    cmocka_unit_test (test_console),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
