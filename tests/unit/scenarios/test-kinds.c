/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of what came back: each end of talking, each answer, each
 * step.  The session and the TCP check are played here.
 */
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
#include "transports/console/session.h"
#include "transports/net/tcp.h"
#include "transports/ssh/ssh.h"
#include "transports/transport.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what is played ---- */

static struct
{
  int open_rc;
  char console[32];
  uint64_t open_left; /* of the deadline given */
  int opened, closed;
  int command_rc;
  enum talk talk;
  int status;
  const char *output;
  char typed[256];
  int send_rc;
  /* expect(): what has "come", matched literally against the regex text */
  const char *const *script;
  size_t at;
  bool saw, guarded;
  int tcp_rc;
  char tcp_address[80];
  int ssh_rc;
  enum ssh_end ssh_end;
  struct ssh_cmd ssh;
  char ssh_address[80];
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

int
session_command (struct session *s, const char *command, uint64_t deadline,
                 struct command_result *ret, struct error *err)
{
  assert_true (play.guarded);
  if (play.command_rc < 0)
    return error_set (err, -play.command_rc, "no memory");
  ret->talk = play.talk;
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

int
tcp_check (const struct tcp_check *check, uint64_t deadline,
           struct tcp_result *ret, struct error *err)
{
  snprintf (play.tcp_address, sizeof play.tcp_address, "%s", check->address);
  if (play.output)
    buf_puts (ret->answer, play.output);
  if (play.tcp_rc < 0)
    return error_set (err, -play.tcp_rc, "while connecting");
  ret->connect_ms = 12;
  return 0;
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

/* ---- running one ---- */

static int
run_on (const char *text, const struct guest *g, struct outcome_report *ret)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct job job = { clock_ms () + 10000 };
  struct transport_env env = { .may_type = may_type, .may_type_arg = &play,
                              .libexec = "/libexec", .ssh_dir = "/ssh" };
  struct error err = ERROR_INIT;
  struct scenario *s = NULL;
  int rc;

  if (json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE, &doc,
                  &err)
          < 0
      || scenario_parse (doc, json_root (doc), "", &s, &err) < 0)
    fail_msg ("%s", err.msg);
  memset (ret, 0, sizeof *ret);
  rc = s->kind->run (s, g, &env, &job, ret, &err);
  if (rc < 0)
    assert_int_not_equal (err.code, 0);
  scenario_unref (s);
  /* Whatever the guest said, a sentence is fit to be shown. */
  for (const char *p = ret->sentence; *p; p++)
    assert_true ((unsigned char) *p >= 0x20);
  assert_int_equal (play.opened, play.closed);
  return rc;
}

static struct guest
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

static void
expect_run (const char *text, enum outcome outcome, const char *code)
{
  struct guest g = guest ();
  struct outcome_report r;

  assert_int_equal (run_on (text, &g, &r), 0);
  if (r.outcome != outcome || strcmp (r.code, code) != 0)
    fail_msg ("%s: %s %s: %s", text, outcome_names[r.outcome], r.code,
              r.sentence);
  assert_true (r.sentence[0] || outcome == OUTCOME_OK);
}

static void
fresh (void)
{
  memset (&play, 0, sizeof play);
}

/* ---- console-command ---- */

#define CC "\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"c\""

static void
test_talk (void **state)
{
  static const struct
  {
    enum talk talk;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { TALK_OK, OUTCOME_OK, "ok" },
    { TALK_SILENT, OUTCOME_FAILED, "silent" },
    { TALK_NO_ECHO, OUTCOME_FAILED, "no-echo" },
    { TALK_NO_ANSWER, OUTCOME_FAILED, "no-answer" },
    { TALK_XOFF, OUTCOME_FAILED, "xoff" },
    { TALK_LOGIN, OUTCOME_NO_VERDICT, "login-prompt" },
    { TALK_PASSWORD, OUTCOME_NO_VERDICT, "password-prompt" },
    { TALK_BOOTLOADER, OUTCOME_NO_VERDICT, "bootloader" },
    { TALK_BOOTING, OUTCOME_NO_VERDICT, "booting" },
    { TALK_BUSY, OUTCOME_NO_VERDICT, "console-busy" },
    { TALK_LOST, OUTCOME_NO_VERDICT, "console-lost" },
    { TALK_ABSENT, OUTCOME_NO_VERDICT, "console-absent" },
    { TALK_FLOODED, OUTCOME_NO_VERDICT, "console-flooded" },
  };

  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      play.talk = ends[i].talk;
      play.output = "fine\n";
      expect_run ("{" CC "}", ends[i].outcome, ends[i].code);
      assert_int_equal (play.opened, 1);
      assert_string_equal (play.console, "serial0");
    }
  /* At least half of the time is left for the question itself. */
  assert_in_range (play.open_left, 4000, 5001);
}

static void
test_open_errors (void **state)
{
  static const struct
  {
    int rc;
    const char *code;
  } errors[] = {
    { -EBUSY, "console-busy" },
    { -ENOENT, "console-absent" },
    { -ETIMEDOUT, "console-timeout" },
    { -EROFS, "console-read-only" },
    { -EIO, "console-broken" },
    { -ECANCELED, "console-lost" },
  };
  struct guest g = guest ();
  struct outcome_report r;

  for (size_t i = 0; i < ARRAY_LEN (errors); i++)
    {
      fresh ();
      play.open_rc = errors[i].rc;
      expect_run ("{" CC "}", OUTCOME_NO_VERDICT, errors[i].code);
    }
  /* Our own failures are no outcome. */
  fresh ();
  play.open_rc = -ENOMEM;
  assert_int_equal (run_on ("{" CC "}", &g, &r), -ENOMEM);
  fresh ();
  play.command_rc = -ENOMEM;
  assert_int_equal (run_on ("{" CC "}", &g, &r), -ENOMEM);
}

/* A console that can't be had because QEMU is stopped, or gone. */
static void
test_process (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;
  struct error err = ERROR_INIT;
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    {
      raise (SIGSTOP);
      _exit (0);
    }
  assert_int_equal (waitpid (pid, &status, WUNTRACED), pid);
  g.inc.pid = pid;
  assert_int_equal (proc_start_time (pid, &g.inc.start_time, &err), 0);
  fresh ();
  play.open_rc = -EBUSY;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "vmm-stopped");
  assert_int_equal (r.outcome, OUTCOME_FAILED);
  /* With an answer nobody asks how the process is. */
  fresh ();
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "ok");
  /* The number is another process's. */
  play.open_rc = -EBUSY;
  g.inc.start_time++;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "vmm-dead");
  g.inc.start_time--;
  kill (pid, SIGKILL);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "vmm-dead");
  /* And a QEMU that runs is just busy. */
  g.inc.pid = getpid ();
  assert_int_equal (proc_start_time (g.inc.pid, &g.inc.start_time, &err), 0);
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "console-busy");
}

static void
test_which_console (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  expect_run ("{" CC ",\"console\":\"serial9\"}", OUTCOME_NO_VERDICT,
              "console-absent");
  expect_run ("{" CC ",\"console\":\"\\u001b[2J\"}", OUTCOME_NO_VERDICT,
              "console-absent");
  g.nconsoles = 1;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "console-read-only");
  g.nconsoles = 0;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "console-absent");
}

static void
answer (const char *expect, int status, const char *output,
        enum outcome outcome, const char *code)
{
  char text[600];

  fresh ();
  play.status = status;
  play.output = output;
  snprintf (text, sizeof text, "{" CC ",\"expect\":%s}", expect);
  expect_run (text, outcome, code);
}

#define LOAD                                                                  \
  "{\"output\":\"load (?<l>[0-9.x]*)\",\"compare\":[{\"capture\":\"l\","      \
  "\"op\":\"%s\",\"value\":2}]}"

static void
test_answers (void **state)
{
  static const struct
  {
    const char *op, *output, *code;
  } compares[] = {
    { "<", "load 1.5", "ok" },      { "<", "load 2", "compare" },
    { "<=", "load 2.0", "ok" },     { "<=", "load 2.1", "compare" },
    { "==", "load 2", "ok" },       { "==", "load 3", "compare" },
    { "!=", "load 3", "ok" },       { "!=", "load 2", "compare" },
    { ">=", "load 2", "ok" },       { ">=", "load 1", "compare" },
    { ">", "load 3", "ok" },        { ">", "load 2", "compare" },
    { "<", "load 1x", "not-a-number" }, { "<", "load ", "not-a-number" },
    { "<", "nothing", "mismatch" },
  };
  char text[200];

  answer ("{}", 0, "", OUTCOME_OK, "ok");
  answer ("{}", 1, "", OUTCOME_FAILED, "status");
  answer ("{\"status\":3}", 3, "", OUTCOME_OK, "ok");
  answer ("{\"status\":-1}", 77, "\033[2J", OUTCOME_OK, "ok");
  answer ("{\"output\":\"^b$\"}", 0, "a\nb\nc", OUTCOME_OK, "ok");
  answer ("{\"output\":\"^b$\"}", 0, "a\nbc", OUTCOME_FAILED, "mismatch");
  answer ("{\"not-output\":\"err\"}", 0, "no er", OUTCOME_OK, "ok");
  answer ("{\"not-output\":\"err\"}", 0, "\033err", OUTCOME_FAILED,
          "forbidden");
  /* Bytes that are no UTF-8 are still text. */
  answer ("{\"output\":\"b\"}", 0, "\xff\xfe b", OUTCOME_OK, "ok");
  for (size_t i = 0; i < ARRAY_LEN (compares); i++)
    {
      snprintf (text, sizeof text, LOAD, compares[i].op);
      answer (text, 0, compares[i].output,
              strcmp (compares[i].code, "ok") == 0 ? OUTCOME_OK
                                                   : OUTCOME_FAILED,
              compares[i].code);
    }
  /* A guest that answers with what is costly to match is not judged. */
  answer ("{\"output\":\"(a+)+$\"}", 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
          OUTCOME_NO_VERDICT, "regex-limit");
}

/* Many lines make one sentence. */
static void
test_one_line (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  play.output = "\r\n one\r\ntwo\n\nthree \r\n";
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.sentence, "one | two | three");
  play.output = " \r\n";
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.sentence, "");
}

static void
test_value (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;
  char text[400];

  fresh ();
  play.output = "load 1.25";
  snprintf (text, sizeof text, "{" CC ",\"expect\":" LOAD "}", "<");
  assert_int_equal (run_on (text, &g, &r), 0);
  assert_true (r.value == 1.25);
  assert_string_equal (r.transport, "console");
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_true (isnan (r.value));
}

/* ---- dialogue ---- */

static void
steps (const char *list, const char *const *script, enum outcome outcome,
       const char *code)
{
  char text[800];

  fresh ();
  play.script = script;
  snprintf (text, sizeof text,
            "{\"name\":\"n\",\"kind\":\"dialogue\",\"steps\":[%s]}", list);
  expect_run (text, outcome, code);
}

#define SCRIPT(...) (const char *const[]) { __VA_ARGS__, NULL }
#define A "{\"name\":\"a\",\"send\":\"1\",\"expect\":[\"x\",\"y\"]}"
#define B "{\"name\":\"b\",\"expect\":[\"z\"]}"
#define B_FAIL "{\"name\":\"b\",\"expect\":[\"z\"],\"fail\":\"it \\u001b burns\"}"

static void
test_steps (void **state)
{
  steps (A, SCRIPT ("0"), OUTCOME_OK, "ok");
  assert_string_equal (play.typed, "1");
  steps (A, SCRIPT ("1"), OUTCOME_OK, "ok");
  steps (A, SCRIPT ("-"), OUTCOME_FAILED, "silent");
  steps (A "," B, SCRIPT ("0", "-"), OUTCOME_FAILED, "mismatch");
  steps (A "," B_FAIL, SCRIPT ("0", "0"), OUTCOME_FAILED, "fail-step");
  steps (A "," B_FAIL, SCRIPT ("0", "-"), OUTCOME_OK, "ok");
  steps (A, SCRIPT ("!"), OUTCOME_NO_VERDICT, "console-lost");
  /* Jumps: over the failing one, to the end, and when nothing came. */
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"c\"}," B_FAIL
         ",{\"name\":\"c\",\"send\":\"3\",\"expect\":[\"w\"]}",
         SCRIPT ("0", "0"), OUTCOME_OK, "ok");
  assert_string_equal (play.typed, "3");
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"end\"}," B_FAIL,
         SCRIPT ("0", "0"), OUTCOME_OK, "ok");
  assert_int_equal (play.at, 1);
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"end\",\"else\":\"c\"},"
         "{\"name\":\"b\",\"send\":\"2\",\"go-to\":\"end\"},"
         "{\"name\":\"c\",\"send\":\"3\",\"go-to\":\"b\"}",
         SCRIPT ("-"), OUTCOME_OK, "ok");
  assert_string_equal (play.typed, "32");
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"end\"},"
         "{\"name\":\"b\",\"send\":\"2\",\"fail\":\"never\"}",
         SCRIPT ("0"), OUTCOME_OK, "ok");
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"else\":\"b\",\"go-to\":\"end\"}"
         ",{\"name\":\"b\",\"fail\":\"reached\"}",
         SCRIPT ("-"), OUTCOME_FAILED, "fail-step");
}

/* Nothing is typed at a guest that boots, and it has not failed. */
static void
test_boots (void **state)
{
  static const char text[]
      = "{\"name\":\"n\",\"kind\":\"dialogue\",\"steps\":[" A "]}";

  fresh ();
  play.send_rc = -EHOSTDOWN;
  expect_run (text, OUTCOME_NO_VERDICT, "booting");
  assert_string_equal (play.typed, "");
}

/* A circle that always matches ends by its number of steps. */
static void
test_endless (void **state)
{
  static const char *always[1200];

  for (size_t i = 0; i + 1 < ARRAY_LEN (always); i++)
    always[i] = "0";
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"a\",\"else\":\"end\"}",
         always,
         OUTCOME_FAILED, "endless");
  assert_int_equal (play.at, 1000);
}

static void
test_steps_errors (void **state)
{
  static const char text[]
      = "{\"name\":\"n\",\"kind\":\"dialogue\",\"steps\":[" A "]}";
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  play.script = SCRIPT ("#");
  assert_int_equal (run_on (text, &g, &r), -EIO);
  fresh ();
  play.send_rc = -ETIMEDOUT;
  expect_run (text, OUTCOME_FAILED, "xoff");
  fresh ();
  play.send_rc = -EPIPE;
  expect_run (text, OUTCOME_NO_VERDICT, "console-lost");
  fresh ();
  play.open_rc = -EBUSY;
  expect_run (text, OUTCOME_NO_VERDICT, "console-busy");
}

static void
test_nonce (void **state)
{
  char first[256];

  steps ("{\"name\":\"a\",\"send\":\"echo <${nonce}>\",\"expect\":[\"x\"]}",
         SCRIPT ("0"), OUTCOME_OK, "ok");
  assert_int_equal (strlen (play.typed), strlen ("echo <>") + 16);
  snprintf (first, sizeof first, "%s", play.typed);
  steps ("{\"name\":\"a\",\"send\":\"echo <${nonce}>\",\"expect\":[\"x\"]}",
         SCRIPT ("0"), OUTCOME_OK, "ok");
  assert_string_not_equal (first, play.typed);
}

/* ---- tcp ---- */

#define TCP(extra)                                                            \
  "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:22\"" extra "}"
#define OWN                                                                   \
  "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"guest:22\"}"

static void
test_tcp (void **state)
{
  static const struct
  {
    int rc;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { 0, OUTCOME_OK, "ok" },
    { -ECONNREFUSED, OUTCOME_FAILED, "refused" },
    { -ECONNRESET, OUTCOME_FAILED, "reset" },
    { -EHOSTUNREACH, OUTCOME_FAILED, "unreachable" },
    { -ETIMEDOUT, OUTCOME_FAILED, "timeout" },
    { -ENOMSG, OUTCOME_FAILED, "mismatch" },
    { -ENETUNREACH, OUTCOME_NO_VERDICT, "no-route" },
  };
  struct guest g = guest ();
  struct outcome_report r;

  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      play.tcp_rc = ends[i].rc;
      expect_run (TCP (), ends[i].outcome, ends[i].code);
      assert_string_equal (play.tcp_address, "192.0.2.1:22");
    }
  fresh ();
  play.tcp_rc = -EMFILE;
  assert_int_equal (run_on (TCP (), &g, &r), -EMFILE);

  fresh ();
  play.output = "SSH-2.0-x";
  expect_run (TCP (",\"expect\":{\"output\":\"^SSH\"}"), OUTCOME_OK, "ok");
  expect_run (TCP (",\"expect\":{\"output\":\"^SSH\",\"not-output\":\"x\"}"),
              OUTCOME_FAILED, "forbidden");
}

static void
test_own_address (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  assert_int_equal (run_on (OWN, &g, &r), 0);
  assert_string_equal (r.code, "no-address");
  assert_int_equal (r.outcome, OUTCOME_NO_VERDICT);
  g.nnics = 2;
  snprintf (g.nics[1].ip, sizeof g.nics[1].ip, "192.0.2.9");
  assert_int_equal (run_on (OWN, &g, &r), 0);
  assert_string_equal (play.tcp_address, "192.0.2.9:22");
  assert_true (r.value == 12);
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "2001:db8::9");
  assert_int_equal (run_on (OWN, &g, &r), 0);
  assert_string_equal (play.tcp_address, "[2001:db8::9]:22");
}

/* ---- ssh-command ---- */

#ifdef WITH_SSH
#define SSH(extra)                                                            \
  "{\"name\":\"n\",\"kind\":\"ssh-command\",\"command\":\"uptime\","           \
  "\"address\":\"guest:22\",\"ssh\":{\"user\":\"u\",\"key\":\"k\"}" extra "}"

static void
test_ssh (void **state)
{
  static const struct
  {
    enum ssh_end end;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { SSH_END_OK, OUTCOME_OK, "ok" },
    { SSH_END_KILLED, OUTCOME_FAILED, "killed" },
    { SSH_END_NO_ROUTE, OUTCOME_NO_VERDICT, "no-route" },
    { SSH_END_UNREACHABLE, OUTCOME_FAILED, "unreachable" },
    { SSH_END_REFUSED, OUTCOME_FAILED, "refused" },
    { SSH_END_TIMEOUT, OUTCOME_FAILED, "timeout" },
    { SSH_END_SILENT, OUTCOME_FAILED, "silent" },
    { SSH_END_PROTOCOL, OUTCOME_FAILED, "protocol" },
    { SSH_END_HOST_UNKNOWN, OUTCOME_NO_VERDICT, "host-key-unknown" },
    { SSH_END_HOST_CHANGED, OUTCOME_FAILED, "host-key-changed" },
    { SSH_END_AUTH, OUTCOME_NO_VERDICT, "auth-failed" },
    { SSH_END_LOGIN_TIMEOUT, OUTCOME_FAILED, "login-timeout" },
    { SSH_END_NO_ANSWER, OUTCOME_FAILED, "no-answer" },
    { SSH_END_DISCONNECTED, OUTCOME_FAILED, "disconnected" },
    { SSH_END_FLOOD, OUTCOME_NO_VERDICT, "output-flood" },
    { SSH_END_UNUSABLE, OUTCOME_NO_VERDICT, "ssh-unusable" },
    { SSH_END_STUCK, OUTCOME_NO_VERDICT, "own-failure" },
  };
  struct guest g = guest ();
  struct outcome_report r;

  assert_int_equal (ARRAY_LEN (ends), SSH_END_MAX);
  fresh ();
  assert_int_equal (run_on (SSH (""), &g, &r), 0);
  assert_string_equal (r.code, "no-address");
  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      play.ssh_end = ends[i].end;
      assert_int_equal (run_on (SSH (""), &g, &r), 0);
      assert_int_equal (r.outcome, ends[i].outcome);
      assert_string_equal (r.code, ends[i].code);
      assert_string_equal (r.transport, "ssh");
    }
  assert_string_equal (play.ssh_address, "192.0.2.9:22");
  assert_string_equal (play.ssh.dir, "/ssh");
  assert_false (play.ssh.accept_new);
  fresh ();
  play.ssh_rc = -ENOEXEC;
  assert_int_equal (run_on (SSH (""), &g, &r), -ENOEXEC);
}

static void
test_ssh_answers (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  fresh ();
  play.status = 3;
  assert_int_equal (run_on (SSH (""), &g, &r), 0);
  assert_string_equal (r.code, "status");
  assert_int_equal (
      run_on (SSH (",\"expect\":{\"status\":3,\"output\":\"x\"}"), &g, &r), 0);
  assert_string_equal (r.code, "mismatch");
  fresh ();
  play.output = "12.34 56.78\n";
  assert_int_equal (run_on (SSH (""), &g, &r), 0);
  assert_string_equal (r.code, "ok");
  assert_true (r.has_uptime);
}
#endif

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_talk),       cmocka_unit_test (test_open_errors),
    cmocka_unit_test (test_which_console),
    cmocka_unit_test (test_process), cmocka_unit_test (test_answers),
    cmocka_unit_test (test_value), cmocka_unit_test (test_one_line),
         cmocka_unit_test (test_steps),
    cmocka_unit_test (test_boots),        cmocka_unit_test (test_endless),
    cmocka_unit_test (test_steps_errors),
    cmocka_unit_test (test_nonce),      cmocka_unit_test (test_tcp),
    cmocka_unit_test (test_own_address),
#ifdef WITH_SSH
    cmocka_unit_test (test_ssh),        cmocka_unit_test (test_ssh_answers),
#endif
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
