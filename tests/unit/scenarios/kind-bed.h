/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of scenario kinds: the session, the TCP check and the ssh command
 * are played here, and a test says what comes back.  Included once in a
 * programme.
 */
#ifndef HANGDOG_TESTS_KIND_BED_H
#define HANGDOG_TESTS_KIND_BED_H

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/opener.h"
#include "scenarios/scenario.h"
#include "transports/agent/agent.h"
#include "transports/console/ask.h"
#include "transports/console/session.h"
#include "transports/disk/disk.h"
#include "transports/memory/look_guest.h"
#include "transports/net/arp.h"
#include "transports/net/dns.h"
#include "transports/net/http.h"
#include "transports/net/icmp.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"
#include "transports/ssh/ssh.h"
#include "transports/transport.h"

#include <stdio.h>
#include <string.h>

/* ---- what is played ---- */

static struct
{
  int open_rc;
  char console[32];
  uint64_t open_left; /* of the deadline given */
  int opened, closed;
  int command_rc;
  enum ask_end end;
  int status;
  const char *output;
  char typed[256];
  int send_rc;
  /* expect(): what has "come", matched literally against the regex text */
  const char *const *script;
  size_t at;
  bool saw, guarded;
  int tcp_rc; /* of whatever asks over the network */
  char netns[64];
  struct icmp_check icmp_check;
  struct icmp_result icmp;
  struct arp_result arp;
  char ifname[32];
  unsigned rcode, records;
  char query[64];
  /* One after the other; the last again and again. */
  const struct http_result *http;
  const char *http_headers;
  unsigned http_asked;
  char http_host[256], http_path[256];
  struct http_ask http_ask;
  char tcp_address[80];
  int ssh_rc;
  enum ssh_end ssh_end;
  struct ssh_cmd ssh;
  char ssh_address[80];
  struct disk_look look;
  struct disk_patience patience;
  char mailbox[64];
  enum ask_end disk_end;
  int disk_rc;
  int agent_rc;
  enum ask_end agent_end;
  bool agent_begun;
  char agent_asked[300]; /* what, and its arguments */
  double agent_now;
  /* Rows of looks at memory, ' for "; NULL: it can't be opened. */
  const char *rows[2];
  unsigned looks;
  const char *no_kernel; /* why not */
} play;

/* Nothing in this programme makes jobs. */
struct job
{
  uint64_t deadline;
};

uint64_t
job_deadline (const struct job *job)
{
  return job->deadline;
}

bool
job_stopping (const struct job *job)
{
  return clock_ms () >= job->deadline;
}

bool
job_pause (const struct job *job, uint64_t ms)
{
  usleep ((useconds_t) ms * 1000);
  return !job_stopping (job);
}

int
session_open (struct hub *hub, const char *uuid, const char *console,
              enum lease_rank rank, const char *who, uint64_t deadline,
              struct session **ret_s, struct error *err)
{
  assert_int_equal (rank, LEASE_SCENARIO);
  snprintf (play.console, sizeof play.console, "%s", console);
  play.open_left = deadline - clock_ms ();
  if (play.open_rc < 0)
    return error_set (err, -play.open_rc, "held by socat (pid 7)\033[2J");
  play.opened++;
  *ret_s = (struct session *) &play;
  return 0;
}

void
session_close (struct session *s)
{
  if (s)
    play.closed++;
}

/* Whoever talks is guarded, by what the room above knows. */
static enum typing
may_type (void *arg, const char *uuid, const char *console, char *what,
          size_t n)
{
  return TYPING_FREE;
}

void
session_guard (struct session *s, typing_fn *fn, void *arg)
{
  assert_true (fn == may_type);
  assert_ptr_equal (arg, &play);
  play.guarded = true;
}

size_t
session_command_typed (const char *command)
{
  return strlen (command);
}

int
session_command (struct session *s, const char *command, uint64_t deadline,
                 struct command_result *ret, struct error *err)
{
  assert_true (play.guarded);
  if (play.command_rc < 0)
    return error_set (err, -play.command_rc, "no memory");
  ret->end = play.end;
  ret->status = play.status;
  ret->output = (struct buf) BUF_INIT (4096);
  ret->kernel = (struct buf) BUF_INIT (4096);
  buf_puts (&ret->output, play.output ? play.output : "");
  snprintf (ret->detail, sizeof ret->detail, "seen\x1b here");
  return 0;
}

void
command_result_done (struct command_result *r)
{
  buf_done (&r->output);
  buf_done (&r->kernel);
}

int
session_send (struct session *s, const void *data, size_t len,
              uint64_t deadline, struct error *err)
{
  assert_true (play.guarded);
  if (play.send_rc < 0)
    return error_set (err, -play.send_rc, "no");
  strncat (play.typed, data, len);
  return 0;
}

/* The script holds, per expect, the index that matches as "0".."9", "-" for
 * nothing in time, "!" for a lost lease. */
int
session_expect (struct session *s, const struct expect *patterns, unsigned n,
                uint64_t deadline, struct buf *before, struct buf *match,
                struct error *err)
{
  const char *now = play.script[play.at] ? play.script[play.at++] : "-";

  if (*now == '!')
    return error_set (err, ECANCELED, "lost");
  if (*now == '-')
    return error_set (err, ETIMEDOUT, "nothing");
  if (*now == '#')
    return error_set (err, EIO, "broken");
  play.saw = true;
  assert_in_range (*now - '0', 0, n - 1);
  buf_puts (match, "text\x1b[1m");
  return *now - '0';
}

bool
session_saw_bytes (struct session *s)
{
  return play.saw;
}

static inline void play_at (const struct net_place *at, const char *address);

int
tcp_check (const struct tcp_check *check, uint64_t deadline,
           struct tcp_result *ret, struct error *err)
{
  play_at (check->at, check->address);
  if (play.output)
    buf_puts (ret->answer, play.output);
  if (play.tcp_rc < 0)
    return error_set (err, -play.tcp_rc, "while connecting");
  ret->connect_ms = 12;
  return 0;
}

static inline void
play_at (const struct net_place *at, const char *address)
{
  snprintf (play.netns, sizeof play.netns, "%s",
            at && at->netns ? at->netns : "");
  snprintf (play.tcp_address, sizeof play.tcp_address, "%s", address);
}

int
icmp_ask (const struct icmp_check *check, uint64_t deadline,
          struct icmp_result *ret, struct error *err)
{
  play_at (check->at, check->address);
  play.icmp_check = *check;
  if (play.tcp_rc < 0)
    return error_set (err, -play.tcp_rc, "sending");
  *ret = play.icmp;
  return 0;
}

int
arp_ask (const struct arp_check *check, uint64_t deadline,
         struct arp_result *ret, struct error *err)
{
  play_at (check->at, check->address);
  snprintf (play.ifname, sizeof play.ifname, "%s", check->ifname);
  if (play.tcp_rc < 0)
    return error_set (err, -play.tcp_rc, "the interface");
  *ret = play.arp;
  return 0;
}

int
dns_ask (const struct dns_check *check, uint64_t deadline,
         struct dns_result *ret, struct error *err)
{
  play_at (check->at, check->address);
  snprintf (play.query, sizeof play.query, "%s %s", check->name,
            dns_type_names[check->type]);
  if (play.tcp_rc < 0)
    return error_set (err, -play.tcp_rc, "asking");
  buf_puts (ret->answer.text, play.output ? play.output : "");
  ret->answer.rcode = play.rcode;
  ret->answer.count = play.records;
  ret->took_us = 2500;
  return 0;
}

int
http_run (struct http_pool *pool, const struct http_ask *ask,
          uint64_t deadline, struct http_result *ret, struct error *err)
{
  play_at (ask->at, ask->address);
  play.http_ask = *ask;
  play.http_asked++;
  snprintf (play.http_host, sizeof play.http_host, "%s://%s:%u",
            ask->tls ? "https" : "http", ask->host, ask->port);
  snprintf (play.http_path, sizeof play.http_path, "%s", ask->path);
  if (play.tcp_rc < 0)
    return error_set (err, -play.tcp_rc, "no helper");
  *ret = *play.http;
  if (play.http->redirect[0])
    play.http++;
  ret->headers = (struct buf) BUF_INIT (4096);
  ret->body = (struct buf) BUF_INIT (4096);
  buf_puts (&ret->headers, play.http_headers ? play.http_headers : "");
  buf_puts (&ret->body, play.output ? play.output : "");
  return 0;
}

void
http_result_done (struct http_result *r)
{
  buf_done (&r->headers);
  buf_done (&r->body);
}

int
ssh_run (const char *libexec, const struct ssh_cmd *cmd, uint64_t deadline,
         struct ssh_result *ret, struct error *err)
{
  assert_string_equal (libexec, "/libexec");
  play.ssh = *cmd;
  snprintf (play.ssh_address, sizeof play.ssh_address, "%s", cmd->address);
  if (play.ssh_rc < 0)
    return error_set (err, -play.ssh_rc, "no helper");
  *ret = (struct ssh_result){ .end = play.ssh_end, .status = play.status,
                              .output = BUF_INIT (4096) };
  buf_puts (&ret->output, play.output ? play.output : "");
  snprintf (ret->detail, sizeof ret->detail, "so it\033[2J is");
  return 0;
}

void
ssh_result_done (struct ssh_result *r)
{
  buf_done (&r->output);
}

bool
ssh_secret_name (const char *name)
{
  return true;
}

int
disk_look (const struct transport_env *env, const struct guest *g,
           const struct disk_patience *how, uint64_t deadline,
           struct disk_look *ret, struct error *err)
{
  play.patience = *how;
  snprintf (play.mailbox, sizeof play.mailbox, "%s",
            how->mailbox ? how->mailbox : "");
  if (play.disk_rc < 0)
    return error_set (err, -play.disk_rc, "no helper");
  *ret = play.look;
  return 0;
}

int
disk_ask (const struct transport_env *env, const struct guest *g,
          const struct ask *ask, struct job *job, struct ask_result *ret,
          struct error *err)
{
  snprintf (play.mailbox, sizeof play.mailbox, "%s",
            ask->mailbox ? ask->mailbox : "");
  snprintf (play.typed, sizeof play.typed, "%s", ask->command);
  *ret = (struct ask_result){ .end = play.disk_end, .status = play.status,
                              .begun = true, .output = BUF_INIT (4096) };
  buf_puts (&ret->output, play.output ? play.output : "");
  snprintf (ret->detail, sizeof ret->detail, "so it\033[2J is");
  return 0;
}

static inline int
play_agent (const char *what, struct ask_result *ret, struct error *err)
{
  snprintf (play.agent_asked, sizeof play.agent_asked, "%s", what);
  if (play.agent_rc < 0)
    return error_set (err, -play.agent_rc, "no memory");
  *ret = (struct ask_result){ .end = play.agent_end,
                              .status = play.status,
                              .took_ms = 7,
                              .begun = play.agent_begun,
                              .output = BUF_INIT (4096) };
  buf_puts (&ret->output, play.output ? play.output : "");
  snprintf (ret->detail, sizeof ret->detail, "so\x1b it says");
  return 0;
}

int
agent_ping (const struct transport_env *env, const struct guest *g,
            uint64_t deadline, struct ask_result *ret, struct error *err)
{
  return play_agent ("ping", ret, err);
}

int
agent_exec (const struct transport_env *env, const struct guest *g,
            const char *program, const char *const *args, uint64_t deadline,
            struct ask_result *ret, struct error *err)
{
  char what[300];
  size_t at = (size_t) snprintf (what, sizeof what, "%s", program);

  for (; *args && at < sizeof what; args++)
    at += (size_t) snprintf (what + at, sizeof what - at, "|%s", *args);
  return play_agent (what, ret, err);
}

int
agent_file (const struct transport_env *env, const struct guest *g,
            const char *path, uint64_t deadline, double *ret_now_s,
            struct ask_result *ret, struct error *err)
{
  if (ret_now_s)
    *ret_now_s = play.agent_now;
  return play_agent (path, ret, err);
}

int
agent_ask (const struct transport_env *env, const struct guest *g,
           const struct ask *ask, struct job *job, struct ask_result *ret,
           struct error *err)
{
  return play_agent (ask->command, ret, err);
}

int
look_guest_open (struct look_guest *l, uint64_t deadline, struct error *err)
{
  assert_true (l->no_registers);
  return play.rows[0] ? 0 : error_set (err, EPERM, "no right to\033 read it");
}

int
look_guest_check (struct look_guest *l, uint64_t deadline, struct error *err)
{
  return 0;
}

int
look_guest_ask (struct look_guest *l, struct json_object *sections,
                uint64_t deadline, look_rows_fn *fn, void *arg,
                struct json_object **ret_end, struct error *err)
{
  char *text;
  int rc;

  assert_in_range (play.looks, 0, 1);
  text = strdup (play.rows[play.looks++]);
  for (char *p = text; *p; p++)
    *p = *p == '\'' ? '"' : *p;
  rc = fn (text, strlen (text), arg);
  free (text);
  *ret_end = json_object_new_object ();
  json_add_bool (*ret_end, "found", !play.no_kernel);
  if (play.no_kernel)
    json_add_str (*ret_end, "why", play.no_kernel);
  return rc;
}

void
look_guest_close (struct look_guest *l)
{
}

/* The ways, as they are, down to what is played above. */
static const struct transport_ops
    way_console = { .name = "console", .lane = LANE_CONSOLE,
                    .command = console_ask },
    way_disk = { .name = "disk", .lane = LANE_DISK, .command = disk_ask },
    way_ssh = { .name = "ssh", .lane = LANE_SSH,
#ifdef WITH_SSH
                .command = ssh_ask,
#endif
                .needs = ASK_NEEDS_ADDRESS | ASK_NEEDS_LOGIN },
    way_tcp = { .name = "tcp", .lane = LANE_TCP },
    way_agent = { .name = "agent", .lane = LANE_AGENT, .command = agent_ask },
    way_exec = { .name = "exec", .lane = LANE_EXEC },
    way_monitor = { .name = "monitor", .lane = LANE_MONITOR },
    way_http = { .name = "http", .lane = LANE_HTTP },
    way_icmp = { .name = "icmp", .lane = LANE_ICMP },
    way_dns = { .name = "dns", .lane = LANE_DNS },
    way_arp = { .name = "arp", .lane = LANE_ARP },
    way_memory = { .name = "memory", .lane = LANE_MEMORY };
const struct transport_ops *const transports[]
    = { &way_console, &way_disk,    &way_ssh,  &way_tcp,  &way_agent,
        &way_exec,    &way_monitor, &way_http, &way_icmp,
        &way_dns,     &way_arp,     &way_memory, NULL };

const struct transport_ops *
transport_find (const char *name)
{
  const struct transport_ops *const *t = transports;

  while (*t && strcmp ((*t)->name, name) != 0)
    t++;
  return *t;
}

/* ---- running one ---- */

static inline struct scenario *
parsed (const char *text)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct scenario *s = NULL;

  if (json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE, &doc,
                  &err)
          < 0
      || scenario_parse (doc, json_root (doc), "", &s, &err) < 0)
    fail_msg ("%s", err.msg);
  return s;
}

/* By its first way, or the one of that name. */
static inline int
run_by (const char *way, const char *text, const struct guest *g,
        struct outcome_report *ret)
{
  struct job job = { clock_ms () + 10000 };
  struct transport_env env = { .may_type = may_type, .may_type_arg = &play,
                              .libexec = "/libexec", .ssh_dir = "/ssh",
                              .http_dir = "/http",
                              .http = (struct http_pool *) &play };
  struct error err = ERROR_INIT;
  struct scenario *s = parsed (text);
  int rc;

  memset (ret, 0, sizeof *ret);
  rc = scenario_ask (s, g, transport_find (way ? way : s->kind->transports[0]),
                     &env, &job, ret, &err);
  if (rc < 0)
    assert_int_not_equal (err.code, 0);
  scenario_unref (s);
  /* Whatever the guest said, a sentence is fit to be shown. */
  for (const char *p = ret->sentence; *p; p++)
    assert_true ((unsigned char) *p >= 0x20);
  assert_int_equal (play.opened, play.closed);
  return rc;
}

static inline int
run_on (const char *text, const struct guest *g, struct outcome_report *ret)
{
  return run_by (NULL, text, g, ret);
}

static inline struct guest
guest (void)
{
  static struct guest_console consoles[2];
  static struct guest_nic nics[2];
  struct guest g = { .name = "vm", .display = "vm", .nconsoles = 2,
                     .consoles = consoles, .nics = nics };

  memset (consoles, 0, sizeof consoles);
  memset (nics, 0, sizeof nics);
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "log");
  g.consoles[0].kind = CONSOLE_LOG;
  snprintf (g.consoles[1].name, sizeof g.consoles[1].name, "serial0");
  return g;
}

static inline void
expect_run (const char *text, enum outcome outcome, const char *code)
{
  struct guest g = guest ();
  struct outcome_report r;

  assert_int_equal (run_on (text, &g, &r), 0);
  if (r.outcome != outcome || strcmp (r.code, code) != 0)
    fail_msg ("%s: %s %s: %s", text, outcome_names[r.outcome], r.code,
              r.sentence);
  assert_true (r.sentence[0] || outcome == OUTCOME_OK);
  /* What is said of an answer does not stop where an empty one would stand. */
  if (r.sentence[0] && r.sentence[strlen (r.sentence) - 1] == ' ')
    fail_msg ("%s: \"%s\"", text, r.sentence);
  assert_non_null (outcome_code_find (r.code));
  assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
  /* What came in a dialogue may be anybody's. */
  if (strstr (text, "\"dialogue\"")
      && (strcmp (code, "mismatch") == 0 || strcmp (code, "endless") == 0))
    assert_int_equal (r.way, WAY_UNSAID);
  else
    assert_int_equal (r.way, outcome_code_way (r.code));
}

static inline void
fresh (void)
{
  memset (&play, 0, sizeof play);
}

#endif
