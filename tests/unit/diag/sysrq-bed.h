/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel that is asked by SysRq, played, for test-sysrq and
 * test-sysrq-level.
 */
#ifndef HANGDOG_TEST_SYSRQ_BED_H
#define HANGDOG_TEST_SYSRQ_BED_H

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
  bool armed, lost, untaken;
  bool lives_anew;     /* by now, as libvirt says */
  const char *pending;
  uint64_t ready_ms;
  /* Of a guest whose memory can be read: pid > 0. */
  bool obeys;     /* answers by the key, and minds its mask */
  int level, mask, taps, looks;
  bool blind;     /* but its memory can't */
  bool no_intent, slow_disk, stuck; /* stuck: it never goes back */
  char intent[200];                 /* that is open */
  int intents, undones;
  bool in_turn;      /* a key is taken when all is printed that was asked for */
  const char *body;  /* of one that obeys */
  const char *cmdline;              /* that its memory has */
  const char *kept;                 /* what came over its console; NULL = the
                                       kernel's text */
  bool read_along;                  /* somebody does, and knows, */
  int prints;                       /* as kernel_prints_fn */
  uint64_t ours_until, last_ms; /* announced as asked for; what came last */
  int strange;       /* bytes that came, and were not announced */
  int into;          /* keys that were sent while it still printed */
} k;
static struct buf typed = BUF_INIT (65536); /* all that was written */
/* QEMU's mux in between, where one plays it. */
static void (*to_mux) (const char *data, size_t len);

/* As drivers/tty/sysrq.c has it. */
static const char *
obey (char key)
{
  static char text[300];
  static struct buf shown = BUF_INIT (1u << 20);
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
  else if (k.body)
    {
      buf_clear (&shown);
      buf_printf (&shown, "sysrq: Show %c\r\n%s", key, k.body);
      return buf_str (&shown);
    }
  else
    snprintf (text, sizeof text, "sysrq: Show %c\r\n%s", key,
              k.level > 6 ? "task:dd              state:D stack:0 pid:2\r\n"
                          : "");
  return text;
}

static inline void
hit (char key)
{
  static struct buf both = BUF_INIT (2u << 20);
  struct buf left CLEANUP_BUF = BUF_INIT (2u << 20);
  const char *next;

  if (k.in_turn && k.pending)
    {
      k.into++;
      buf_puts (&left, k.pending);
    }
  next = k.obeys ? obey (key) : k.answer;
  if (left.len == 0 || !next)
    {
      k.pending = next;
      k.ready_ms = now_ms + 1;
      return;
    }
  buf_clear (&both);
  buf_printf (&both, "%s%s", buf_str (&left), next);
  k.pending = buf_str (&both);
}

/* Who hears of it takes what comes until then for asked for. */
static inline void
note_ours (void *arg, const char *uuid, char key, uint64_t until_ms)
{
  assert_string_equal (uuid, "u");
  if (key == '\0' || until_ms > k.ours_until)
    k.ours_until = until_ms;
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
                    "\"loglevel\":%d,\"sysrq\":%d,\"cmdline\":\"%s\"}\n",
                    k.level, k.mask, k.cmdline ? k.cmdline : "");

  assert_string_equal (json_object_to_json_string_ext (sections, 0),
                       "[\"system\"]");
  return k.level < 0 || k.blind ? -EIO : fn (rows, (size_t) n, arg);
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
  if (to_mux)
    to_mux (data, len);
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
  assert_true (deadline > now_ms);
  buf_append (&typed, data, len);
  if (to_mux)
    to_mux (data, len);
  if (k.takes == 'm' && len == 7
      && memcmp (data, "\001c\001bw\001c", 7) == 0)
    hit ('w');
  return 0;
}

int
lease_await_taken (struct lease *l, uint64_t deadline)
{
  assert_int_equal (k.leases, 1);
  assert_true (deadline >= now_ms);
  return k.untaken ? -ETIMEDOUT : 0;
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
  k.last_ms = now_ms;
  k.strange += k.ours_until < now_ms;
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
      assert_int_equal (strncmp (json_get_str (args, "id"), "charserial", 10), 0);
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

int
hub_kept (struct hub *hub, const char *uuid, const char *console,
          struct buf *out, struct hub_kept *ret, struct error *err)
{
  buf_puts (out, k.kept ? k.kept : "[    0.000000] Linux version 6.1.0\r\n");
  return 0;
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
  uint64_t until_ms;
} shell;

static inline int
shell_ask (const struct transport_env *env, const struct guest *g,
           const struct ask *q, struct job *job, struct ask_result *ret,
           struct error *err)
{
  snprintf (shell.command, sizeof shell.command, "%s", q->command);
  shell.until_ms = q->until_ms;
  *ret = (struct ask_result){ .end = shell.says ? ASK_OK : ASK_SILENT,
                              .begun = true,
                              .output = BUF_INIT (1u << 20) };
  buf_puts (&ret->output, shell.says ? shell.says : "");
  return 0;
}

const struct transport_ops transport_console
    = { .name = "console", .lane = LANE_CONSOLE, .command = shell_ask };
const struct transport_ops transport_agent
    = { .name = "agent", .lane = LANE_AGENT, .command = shell_ask };
const struct transport_ops transport_ssh
    = { .name = "ssh", .lane = LANE_SSH, .command = shell_ask };

/* ---- running ---- */

static inline struct guest
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

static inline int
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

static inline void
undone (struct collect_out *out, const char *act)
{
  assert_non_null (strstr (k.intent, act));
  k.intent[0] = '\0';
  k.undones++;
}

static inline int
prints (void *arg, const char *uuid, const char *console)
{
  return k.prints;
}

static inline struct haul *
ask (const struct guest *g, const char *params, int want_rc)
{
  struct transport_env env
      = { .own_text = note_ours,
          .kernel_prints = k.read_along ? prints : NULL };
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

#endif
