/* SPDX-License-Identifier: Apache-2.0
 *
 * What collectors ask, played: monitor, network and consoles.  For test-collect
 * and test-collect-ways.
 */
#ifndef HANGDOG_TEST_COLLECT_PLAYED_H
#define HANGDOG_TEST_COLLECT_PLAYED_H

#include "collect-bed.h"

#include "base/cleanup.h"
#include "transports/console/ask.h"
#include "transports/monitor/monitor.h"
#include "transports/net/arp.h"
#include "transports/net/icmp.h"
#include "transports/net/tcp.h"

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

#endif
