/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenario documents: what is taken, in which one spelling it comes back,
 * and the line that each mistake gets.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/units.h"
#include "scenarios/scenario_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int
parse (const char *text, struct scenario **ret, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  int rc = json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE,
                       &doc, err);

  if (rc < 0)
    return rc;
  return scenario_parse (doc, json_root (doc), "", ret, err);
}

/* ---- mistakes ---- */

#define CC "\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"c\""
#define AT_TCP "\"kind\":\"tcp\",\"address\":\"192.0.2.1:22\""
#define TCP "\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:22\""
#define SSH "\"name\":\"n\",\"kind\":\"ssh-command\",\"command\":\"c\""
#define SSH_AT SSH ",\"address\":\"127.0.0.1:22\""
#define DLG "\"name\":\"n\",\"kind\":\"dialogue\",\"steps\":"

static const struct
{
  const char *text, *error;
} mistakes[] = {
  { "{", "doc:1:2: " },
  { "[]", "doc:1:1: a scenario must be an object" },
  { "{}", "doc:1:1: " },
  { "{" CC ",\n \"comand\": \"x\"}",
    "doc:2:2: comand: unknown key \"comand\" (did you mean \"command\"?)" },
  { "{" CC ",\"name\":\"m\"}", "duplicate key" },
  { "{" CC ",\"timeout\":10}", "timeout: expected a duration" },
  { "{" CC ",\"interval\":\"10\"}", "interval: " },
  { "{" CC ",\"command\":7}", "duplicate key" },
  { "{\"kind\":\"tcp\",\"name\":7}", "doc:1:15: name: expected a string" },
  { "{\"name\":\"n\"}", "doc:1:1: the key \"kind\" is missing" },
  { "{\"kind\":7}", "doc:1:2: kind: expected a string, found a number" },
  { "{" CC ",\"schema\":\"hangdog/scenario/2\"}",
    "schema: this hangdog reads \"hangdog/scenario/1\"" },
  { "{\"name\":\"a b\"," AT_TCP "}", "doc:1:2: name: a name is made" },
  { "{\"name\":\"order\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:1\"}",
    "doc:1:2: name: \"order\" is" },
  { "{\"name\":\"n\",\"kind\":\"tcpp\"}",
    "doc:1:13: kind: there is no such kind (did you mean \"tcp\"?)" },
  { "{\"name\":\"n\",\"kind\":\"quux\"}",
    "kind: there is no such kind (known: " },
  { "{" CC ",\"interval\":\"999ms\"}",
    "interval: 999ms is too short: 1s is the least" },
  { "{" CC ",\"timeout\":\"30s\"}",
    "timeout: 30s is not shorter than the interval of 30s: one run would "
    "still wait when the next begins; shorten the timeout or lengthen the "
    "interval" },
  { "{" CC ",\"timeout\":\"99ms\"}", "timeout: 99ms is too short" },
  { "{" CC ",\"max-time\":\"10s\"}",
    "max-time: is not shorter than the timeout of 10s: an answer that comes "
    "later is never seen" },
  { "{" CC ",\"max-time\":\"0s\"}", "max-time: " },
  { "{\"name\":\"n\",\"kind\":\"icmp\",\"max-time\":\"1s\"}",
    "max-time: a scenario of kind icmp is not one question with one answer; it "
    "has \"max-rtt\"" },
  { "{\"name\":\"n\",\"kind\":\"all\",\"of\":[\"a\"],\"max-time\":\"1s\"}",
    "max-time: a scenario of kind all is not one question with one answer" },
  { "{" CC ",\"jitter\":\"31s\"}", "jitter: is longer than the interval" },
  { "{" CC ",\"retry-interval\":\"10ms\"}", "retry-interval: is too short" },
  { "{" CC ",\"failure-threshold\":0}", "failure-threshold: " },
  { "{" CC ",\"severity\":\"high\"}", "severity: " },
  { "{" CC ",\"playbook\":\"../x\"}", "playbook: a name is made" },
  { "{" CC ",\"transports\":[\"tcp\"]}",
    "transports[0]: a console-command scenario can use only \"console\"" },
  { "{" CC ",\"select\":{\"labels\":7}}", "select.labels: must be an object" },
  { "{" CC ",\"select\":{\"labels\":{\"a\":\"b\",\"c\":1}}}",
    "select.labels.c: must be a string" },
  { "{" CC ",\"quiet-hours\":[{\"from\":\"22:00\",\"to\":\"6:000\"}]}",
    "quiet-hours[0].to: must be a time of day as HH:MM" },
  { "{" CC ",\"quiet-hours\":[{\"from\":\"25:00\",\"to\":\"06:00\"}]}",
    "quiet-hours[0].from: must be a time of day" },
  { "{" CC ",\"quiet-hours\":[{\"from\":\"06:00\",\"to\":\"06:00\"}]}",
    "quiet-hours[0].to: is the same as `from`" },
  { "{" CC ",\"quiet-hours\":[{\"from\":\"06:00\",\"to\":\"07:00\","
    "\"days\":\"mon,tues\"}]}",
    "quiet-hours[0].days: must be days" },
  { "{" CC ",\"expect\":{\"output\":\"a(b\"}}",
    "expect.output: not a regular expression: missing closing parenthesis at "
    "offset 3" },
  { "{" CC ",\"expect\":{\"not-output\":\"[\"}}",
    "expect.not-output: not a regular expression" },
  { "{" CC ",\"expect\":{\"output\":\"(*UTF)a\"}}",
    "expect.output: not a regular expression" },
  { "{" CC ",\"expect\":{\"compare\":[{\"capture\":\"x\",\"op\":\"<\","
    "\"value\":1}]}}",
    "expect.compare[0].capture: there is no expect.output" },
  { "{" CC ",\"expect\":{\"output\":\"(?<y>.)\",\"compare\":[{\"capture\":"
    "\"x\",\"op\":\"<\",\"value\":1}]}}",
    "expect.compare[0].capture: expect.output has no group of that name; "
    "write it as (?<x>...)" },
  { "{" CC ",\"expect\":{\"output\":\"(?<x>.)\",\"compare\":[{\"capture\":"
    "\"x\",\"op\":\"=<\",\"value\":1}]}}",
    "expect.compare[0].op: " },
  { "{\"name\":\"n\",\"kind\":\"console-command\"}",
    "doc:1:1: the key \"command\" is missing" },
  { "{\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"a\\nb\"}",
    "command: must be one line" },
  { "{" CC ",\"address\":\"192.0.2.1:1\"}",
    "address: none of its transports has a use for it" },
  { "{" CC ",\n\"send\":\"x\"}",
    "doc:2:1: send: \"send\" is a key of kind tcp, not of console-command" },
  { "{" CC ",\"steps\":[{\"name\":\"a\",\"expect\":[\"x\"]}]}",
    "steps: \"steps\" is a key of kind dialogue, not of console-command" },
  { "{\"name\":\"n\",\"kind\":\"tcp\"}", "the key \"address\" is missing" },
  { "{" TCP ",\"expect\":{\"status\":1}}",
    "expect.status: \"expect.status\" is a key of kinds " },
  { "{\"name\":\"n\",\"kind\":\"exec\"}", "the key \"program\" is missing" },
  { "{\"name\":\"n\",\"kind\":\"exec\",\"program\":\"/bin/sh\"}",
    "doc:1:27: program: is the name of a program in a folder" },
  { "{\"name\":\"n\",\"kind\":\"exec\",\"program\":\"..\"}",
    "program: is the name" },
  { "{\"name\":\"n\",\"kind\":\"exec\",\"program\":\"p\",\"args\":[\"a\","
    "\"b\\n\"]}",
    "args[1]: must have no control characters" },
  { "{\"name\":\"n\",\"kind\":\"exec\",\"program\":\"p\",\"transports\":["
    "\"ssh\"]}",
    "transports[0]: a exec scenario can use only \"exec\"" },
  { "{\"name\":\"n\",\"kind\":\"monitor\",\"run-state\":false,\"block\":"
    "false}",
    "kind: there is nothing to look at" },
  { "{\"name\":\"n\",\"kind\":\"monitor\",\"samples-apart\":\"9600ms\"}",
    "samples-apart: does not fit into the timeout" },
  { "{\"name\":\"n\",\"kind\":\"monitor\",\"balloon-age\":\"1s\"}",
    "balloon-age" },
  { "{\"name\":\"n\",\"kind\":\"all\",\"of\":[]}", "of: " },
  { "{\"name\":\"n\",\"kind\":\"all\",\"of\":[\"a\",\"b/c\"]}",
    "of[1]: is no name of a scenario" },
  { "{\"name\":\"n\",\"kind\":\"any\",\"of\":[\"a\",\"a\"]}",
    "of[1]: \"a\" is there twice" },
  { "{\"name\":\"n\",\"kind\":\"sequence\",\"of\":[\"a\",\"n\"]}",
    "of[1]: is this scenario itself" },
  { "{\"name\":\"n\",\"kind\":\"any\",\"of\":[\"a\",\"b\"],\"at-least\":3}",
    "at-least: can never be: there are but 2" },
  { "{\"name\":\"n\",\"kind\":\"all\",\"of\":[\"a\"],\"transports\":["
    "\"tcp\"]}",
    "transports[0]: a scenario of kind all asks nobody" },
  { "{" TCP ",\"expect\":{\"statos\":1}}",
    "expect.statos: unknown key \"statos\" (known: output, not-output, "
    "compare)" },
  { "{" CC ",\"transports\":[\"console\",\"console\"]}",
    "transports[1]: \"console\" is there twice" },
  { "{" TCP ",\"steps\":[]}", "is a key of kind dialogue, not of tcp" },
  { "{" TCP ",\"console\":\"x\"}", "is a key of kinds console-command, " },
  { "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"example.org:22\"}",
    "doc:1:26: address: must be \"IP:PORT\"" },
  { "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"192.0.2.1\"}", "IP:PORT" },
  { "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:0\"}", "IP:PORT" },
  { "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:65536\"}",
    "IP:PORT" },
  { "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"[::1:22\"}", "IP:PORT" },
  { "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"127.0.0.1:22\"}",
    "address: on a loopback address a connection alone proves nothing" },
  { "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"[::1]:22\"}",
    "address: on a loopback" },
  { "{" TCP ",\"send\":\"a\\\\qb\"}", "send: unknown escape" },
  { "{" TCP ",\"send\":\"\\\\x00\"}", "send: a byte of value 0" },
  { "{" TCP ",\"send\":\"\\u0000\"}", "\\u0000 is not allowed" },
  { "{" TCP ",\"send\":\"\\\\x1\"}", "send: unknown escape" },
  { "{" TCP ",\"send\":\"end\\\\\"}", "send: unknown escape" },
#ifdef WITH_SSH
  { "{" SSH ",\"address\":\"192.0.2.1:22\"}",
    "the key \"ssh\" is missing" },
  { "{" SSH ",\"ssh\":{\"user\":\"u\",\"key\":\"k\"}}",
    "the key \"address\" is missing" },
  { "{" SSH_AT ",\"ssh\":{\"key\":\"k\"}}", "ssh" },
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u\"}}",
    "ssh: needs a \"key\" or a \"password\"" },
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"key\":\"../token\"}}",
    "ssh: keys and passwords are named by a file" },
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"password\":\"/etc/shadow\"}}",
    "ssh: keys and passwords are named by a file" },
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"key\":\"accepted\"}}",
    "ssh: keys and passwords are named by a file" },
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u v\",\"key\":\"k\"}}", "ssh.user: has" },
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"password\":\"p\","
    "\"host-keys\":\"accept-new\"}}",
    "ssh: a password is not shown to a server that nobody knows" },
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"key\":\"k\",\"host-keys\":"
    "\"any\"}}",
    "ssh.host-keys: " },
  { "{" SSH_AT ",\"console\":\"x\",\"ssh\":{\"user\":\"u\",\"key\":\"k\"}}",
    "console: none of its transports has a use for it" },
  { "{" TCP ",\"ssh\":{\"user\":\"u\",\"key\":\"k\"}}",
    "ssh: \"ssh\" is a key of kinds console-command and ssh-command, not of "
    "tcp" },
  { "{" CC ",\"transports\":[\"console\",\"ssh\"]}",
    "doc:1:1: the key \"address\" is missing: ssh needs it" },
  { "{" CC ",\"transports\":[\"console\",\"ssh\"],\"address\":"
    "\"guest:22\"}",
    "the key \"ssh\" is missing" },
  { "{" CC ",\"transports\":[\"ssh\"],\"address\":\"guest:22\",\"ssh\":{"
    "\"user\":\"u\",\"key\":\"k\"},\"console\":\"x\"}",
    "console: none of its transports has a use" },
  { "{" SSH_AT ",\"transports\":[\"ssh\",\"console\"],\"timeout\":\"15s\","
    "\"ssh\":{\"user\":\"u\",\"key\":\"k\"}}",
    "timeout: 2 transports, one after another, do not fit into the interval "
    "of 30s" },
#else
  { "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"key\":\"k\"}}",
    "kind: this hangdog is built without ssh" },
#endif
  { "{" DLG "[]}", "steps: it must have 1 to 64 elements, it has 0" },
  { "{\"name\":\"n\",\"kind\":\"dialogue\"}",
    "the key \"steps\" is missing" },
  { "{" DLG "[{\"name\":\"a\",\"send\":\"x\"}]}",
    "steps[0]: no step has an \"expect\"" },
  { "{" DLG "[{\"name\":\"a\\u001b\",\"expect\":[\"x\"]}]}",
    "steps[0].name: a name is made" },
  { "{" DLG "[{\"name\":\"end\",\"expect\":[\"x\"]}]}",
    "steps[0].name: \"end\" is the name of the well end" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"]},{\"name\":\"a\","
    "\"expect\":[\"x\"]}]}",
    "steps[1].name: another step has the same name" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"b\"}]}",
    "steps[0].go-to: there is no step \"b\"" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"],\"else\":\"b\"}]}",
    "steps[0].else: there is no step \"b\"" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"],\"fail\":\"f\","
    "\"go-to\":\"end\"}]}",
    "steps[0].go-to: a step with \"fail\" goes nowhere" },
  { "{" DLG "[{\"name\":\"a\",\"send\":\"x\",\"timeout\":\"1s\"},"
    "{\"name\":\"b\",\"expect\":[\"x\"]}]}",
    "steps[0].timeout: has no meaning without \"expect\"" },
  { "{" DLG "[{\"name\":\"a\"},{\"name\":\"b\",\"expect\":[\"x\"]}]}",
    "steps[0]: this step does nothing" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"],\"timeout\":\"11s\"}]}",
    "steps[0].timeout: is longer than all of it may take" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\",\"y*\"]}]}",
    "steps[0].expect[1]: matches no text at all" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x(\"]}]}",
    "steps[0].expect[0]: not a regular expression" },
  { "{" DLG "[{\"name\":\"a\",\"send\":\"echo ${nonce}\\r\"},{\"name\":"
    "\"b\",\"expect\":[\"x\",\"${nonce}\"]}]}",
    "steps[1].expect[1]: matches what step \"a\" sends, so an echo" },
  { "{" DLG "[{\"name\":\"a\",\"send\":\"${nonce}\\r\",\"expect\":"
    "[\"^${nonce}\"]}]}",
    "steps[0].expect[0]: matches what step \"a\" sends" },
  { "{" DLG "[{\"name\":\"a\",\"send\":\"x\",\"go-to\":\"a\"},"
    "{\"name\":\"b\",\"expect\":[\"x\"]}]}",
    "steps[0].go-to: goes round for ever" },
  { "{" DLG "[{\"name\":\"z\",\"expect\":[\"x\"]},{\"name\":\"a\",\"send\":"
    "\"x\"},{\"name\":\"b\",\"send\":\"y\",\"go-to\":\"a\"}]}",
    "goes round for ever without an \"expect\"" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"a\"}]}",
    "steps[0]: no way leads from here to the end" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"],\"else\":\"a\"},{\"name\":"
    "\"b\",\"expect\":[\"y\"],\"go-to\":\"a\"}]}",
    "steps[0]: no way leads from here to the end" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"]},{\"name\":\"b\",\"fail\":"
    "\"no\"}]}",
    "steps[0]: no way leads from here to the end" },
  { "{" DLG "[{\"name\":\"a\",\"expect\":[\"x\"]}],\"expect\":{\"output\":"
    "\"x\"}}",
    "expect: \"expect\" is a key of kinds " },
};

static void
test_mistakes (void **state)
{
  for (size_t i = 0; i < ARRAY_LEN (mistakes); i++)
    {
      struct scenario *s = NULL;
      struct error err = ERROR_INIT;
      int rc = parse (mistakes[i].text, &s, &err);

      if (rc >= 0)
        fail_msg ("was taken: %s", mistakes[i].text);
      assert_null (s);
      assert_int_equal (rc, -EINVAL);
      if (strncmp (err.msg, "doc:", 4) != 0 || strchr (err.msg, '\n')
          || !strstr (err.msg, mistakes[i].error))
        fail_msg ("%s\n  said:   %s\n  wanted: %s", mistakes[i].text, err.msg,
                  mistakes[i].error);
    }
}

/* Without anybody to write to. */
static void
test_no_error_wanted (void **state)
{
  for (size_t i = 0; i < ARRAY_LEN (mistakes); i++)
    {
      struct scenario *s = NULL;

      assert_int_equal (parse (mistakes[i].text, &s, NULL), -EINVAL);
    }
}

/* ---- what is taken ---- */

static void
test_defaults (void **state)
{
  struct scenario *s;
  struct error err = ERROR_INIT;

  assert_int_equal (parse ("{" CC "}", &s, &err), 0);
  assert_int_equal (s->interval_ms, 30000);
  assert_int_equal (s->timeout_ms, 10000);
  assert_int_equal (s->initial_delay_ms, 60000);
  assert_int_equal (s->retry_ms, 5000);
  assert_int_equal (s->failure_threshold, 2);
  assert_int_equal (s->success_threshold, 1);
  assert_int_equal (s->severity, SCENARIO_CRITICAL);
  assert_string_equal (s->playbook, "standard");
  assert_ptr_equal (s->kind, &kind_console_command);
  assert_ptr_equal (scenario_ref (s), s);
  scenario_unref (s);
  assert_string_equal (s->name, "n");
  scenario_unref (s);
  scenario_unref (NULL);
}

static void
test_escapes (void **state)
{
  char text[6 * 1024 + 200] = "{" TCP ",\"send\":\"";
  CLEANUP_JSON struct json_object *json = NULL;
  struct error err = ERROR_INIT;
  struct scenario *s, *again;

  /* As long as may be, and four times as long in the one spelling. */
  for (size_t i = 0; i < 1024; i++)
    strcat (text, "\\u0001");
  strcat (text, "\"}");
  if (parse (text, &s, &err) < 0)
    fail_msg ("%s", err.msg);
  json = scenario_to_json (s);
  assert_int_equal (strlen (json_get_str (json, "send")), 4096);
  if (parse (json_object_to_json_string (json), &again, &err) < 0)
    fail_msg ("%s", err.msg);
  scenario_unref (s);
  scenario_unref (again);
}

static const char *const good[] = {
  "{" CC "}",
  "{\"$schema\":\"x\"," CC "}",
  "{" CC ",\"expect\":{\"status\":-1,\"output\":\"load (?<l>[0-9.]+)\","
  "\"not-output\":\"x\",\"compare\":[{\"capture\":\"l\",\"op\":\"<\","
  "\"value\":4.5}]},\"console\":\"serial0\",\"transports\":[\"console\"]}",
  "{" TCP ",\"send\":\"GET / HTTP/1.0\\r\\n\\r\\n\",\"expect\":{\"output\":"
  "\"HTTP\"}}",
  "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"guest:22\",\"severity\":"
  "\"info\",\"jitter\":\"7s\",\"interval\":\"1h1m1s\",\"quiet-hours\":["
  "{\"from\":\"00:00\",\"to\":\"24:00\",\"days\":\"sun\"}]}",
  "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"[2001:db8::7]:22\","
  "\"select\":{\"labels\":{\"b\":\"*\",\"a\":\"x\"},\"uuid\":\"0*\"}}",
#ifdef WITH_SSH
  "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"key\":\"k\",\"host-keys\":"
  "\"accept-new\"},\"expect\":{\"status\":2}}",
  "{" SSH_AT ",\"ssh\":{\"user\":\"u\",\"key\":\"k\"},\"transports\":["
  "\"console\",\"ssh\"],\"console\":\"serial0\"}",
#endif
  "{" DLG "[{\"name\":\"a\",\"send\":\"\\\\x01\\\\e\\r\\\\xfe\\u00e9${nonce}"
  "\",\"expect\":[\"login: $\",\"x${nonce}\"],\"timeout\":\"1500ms\","
  "\"else\":\"b\"},{\"name\":\"b\",\"expect\":[\"z\"],\"fail\":\"f\"},"
  "{\"name\":\"c\",\"send\":\"q\",\"go-to\":\"end\"}]}",
};

/* What comes back is taken again and comes back the same. */
static void
test_canonical (void **state)
{
  for (size_t i = 0; i < ARRAY_LEN (good); i++)
    {
      struct scenario *a, *b;
      struct error err = ERROR_INIT;
      struct json_object *ja, *jb;

      if (parse (good[i], &a, &err) < 0)
        fail_msg ("%s: %s", good[i], err.msg);
      ja = scenario_to_json (a);
      if (parse (json_object_to_json_string (ja), &b, &err) < 0)
        fail_msg ("%s: %s", json_object_to_json_string (ja), err.msg);
      jb = scenario_to_json (b);
      assert_string_equal (json_object_to_json_string (ja),
                           json_object_to_json_string (jb));
      json_object_put (ja);
      json_object_put (jb);
      scenario_unref (a);
      scenario_unref (b);
    }
}

static void
test_spelling (void **state)
{
  static const char *const same[]
      = { "{\"schema\":\"hangdog/scenario/1\"," CC ",\"interval\":\"60s\",\"select\":{\"labels\":{\"b\":\"1\","
          "\"a\":\"2\"}},\"expect\":{\"output\":\"a\"}}",
          "// the same\n{\"expect\":{\"output\":\"\\u0061\",\"status\":0},"
          "\"interval\":\"1m\",\"retry-interval\":\"5000ms\",\n\"select\":{"
          "\"labels\":{\"a\":\"2\",\"b\":\"1\"}}," CC ",}" };
  char *first = NULL;

  for (size_t i = 0; i < 2; i++)
    {
      struct scenario *s;
      struct error err = ERROR_INIT;
      struct json_object *o;

      if (parse (same[i], &s, &err) < 0)
        fail_msg ("%s", err.msg);
      o = scenario_to_json (s);
      if (!first)
        first = strdup (json_object_to_json_string (o));
      else
        assert_string_equal (first, json_object_to_json_string (o));
      json_object_put (o);
      scenario_unref (s);
    }
  free (first);
}

/* ---- files ---- */

static int
load (const char *text, struct scenario ***ret, size_t *ret_n,
      struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, err),
                    0);
  return scenario_list (doc, ret, ret_n, err);
}

static void
test_load (void **state)
{
  struct scenario **all;
  struct error err = ERROR_INIT;
  size_t n;

  assert_int_equal (load ("{" TCP "}", &all, &n, &err), 0);
  assert_int_equal (n, 1);
  scenario_unref (all[0]);
  free (all);
  assert_int_equal (load ("{\"scenarios\":[{" TCP "},{\"name\":\"m\",\"kind\":"
                          "\"tcp\",\"address\":\"192.0.2.1:1\"}]}",
                          &all, &n, &err),
                    0);
  assert_int_equal (n, 2);
  assert_string_equal (all[1]->name, "m");
  scenario_unref (all[0]);
  scenario_unref (all[1]);
  free (all);
  assert_int_equal (load ("{\"scenarios\":[]}", &all, &n, &err), 0);
  assert_int_equal (n, 0);
  free (all);

  assert_int_equal (load ("{\"scenarios\":[{" TCP "},{" TCP "}]}", &all, &n,
                          &err),
                    -EINVAL);
  assert_non_null (strstr (err.msg, "scenarios[1].name: scenarios[0] has the "
                                    "same name"));
  assert_int_equal (load ("{\"scenarios\":[{" TCP "},\n{" TCP
                          ",\"timeout\":\"30s\"}]}",
                          &all, &n, &err),
                    -EINVAL);
  assert_non_null (strstr (err.msg, ":2:"));
  assert_non_null (strstr (err.msg, "scenarios[1].timeout: 30s is not"));
  assert_int_equal (load ("{\"scenarios\":[],\"interval\":\"1s\"}", &all, &n,
                          &err),
                    -EINVAL);
  assert_non_null (strstr (err.msg, "interval: unknown key"));
  assert_int_equal (load ("{\"scenarios\":{}}", &all, &n, &err), -EINVAL);
}

/* ---- selecting ---- */

static bool
selected (const char *select)
{
  struct guest g = { .name = "vm-7", .display = "My App" };
  struct error err = ERROR_INIT;
  struct scenario *s;
  char text[400];
  bool yes;

  snprintf (g.inc.uuid, sizeof g.inc.uuid, "%s",
            "0f3c9a52-0000-4000-8000-000000000001");
  g.labels = json_object_new_object ();
  json_object_object_add (g.labels, "role", json_object_new_string ("db"));
  snprintf (text, sizeof text, "{" CC ",\"select\":%s}", select);
  if (parse (text, &s, &err) < 0)
    fail_msg ("%s", err.msg);
  yes = scenario_selects (s, &g);
  g.labels = (json_object_put (g.labels), NULL);
  /* A label can't match a guest that has none. */
  if (strstr (select, "labels"))
    assert_false (scenario_selects (s, &g));
  scenario_unref (s);
  return yes;
}

static void
test_select (void **state)
{
  assert_true (selected ("{}"));
  assert_true (selected ("{\"name\":\"vm-*\"}"));
  assert_true (selected ("{\"name\":\"My*\"}"));
  assert_false (selected ("{\"name\":\"vm\"}"));
  assert_true (selected ("{\"display-name\":\"My ?pp\"}"));
  assert_false (selected ("{\"display-name\":\"vm-7\"}"));
  assert_true (selected ("{\"uuid\":\"0f3c*\"}"));
  assert_false (selected ("{\"uuid\":\"1*\"}"));
  assert_false (selected ("{\"uuid\":\"0f3c*\",\"name\":\"no\"}"));
  assert_true (selected ("{\"labels\":{\"role\":\"d?\"}}"));
  assert_false (selected ("{\"labels\":{\"role\":\"web\"}}"));
  assert_false (selected ("{\"labels\":{\"rack\":\"*\"}}"));
}

static void
test_quiet (void **state)
{
  static const struct
  {
    const char *hours;
    const char *when; /* "D HH:MM", D the day of March 2026: 1 is a Sunday */
    bool quiet;
  } cases[] = {
    { "{\"from\":\"22:00\",\"to\":\"06:00\"}", "2 21:59", false },
    { "{\"from\":\"22:00\",\"to\":\"06:00\"}", "2 22:00", true },
    { "{\"from\":\"22:00\",\"to\":\"06:00\"}", "3 05:59", true },
    { "{\"from\":\"22:00\",\"to\":\"06:00\"}", "3 06:00", false },
    { "{\"from\":\"08:00\",\"to\":\"09:00\"}", "3 08:30", true },
    { "{\"from\":\"08:00\",\"to\":\"09:00\"}", "3 09:00", false },
    { "{\"from\":\"00:00\",\"to\":\"24:00\",\"days\":\"sun\"}", "1 23:59", true },
    { "{\"from\":\"00:00\",\"to\":\"24:00\",\"days\":\"sun\"}", "2 00:00", false },
    /* The days are those on which it begins. */
    { "{\"from\":\"22:00\",\"to\":\"06:00\",\"days\":\"sun\"}", "2 05:00", true },
    { "{\"from\":\"22:00\",\"to\":\"06:00\",\"days\":\"sun\"}", "1 05:00", false },
    { "{\"from\":\"22:00\",\"to\":\"06:00\",\"days\":\"sat\"}", "1 05:00", true },
    { "{\"from\":\"22:00\",\"to\":\"06:00\",\"days\":\"mon,sat\"}", "1 23:00", false },
  };

  setenv ("TZ", "UTC-3", 1);
  tzset ();
  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;
      struct scenario *s;
      struct tm tm = { .tm_year = 126, .tm_mon = 2 };
      char text[300];

      snprintf (text, sizeof text, "{" CC ",\"quiet-hours\":[%s]}",
                cases[i].hours);
      if (parse (text, &s, &err) < 0)
        fail_msg ("%s", err.msg);
      assert_int_equal (sscanf (cases[i].when, "%d %d:%d", &tm.tm_mday,
                                &tm.tm_hour, &tm.tm_min),
                        3);
      if (scenario_quiet (s, (uint64_t) mktime (&tm) * 1000)
          != cases[i].quiet)
        fail_msg ("%s at %s", cases[i].hours, cases[i].when);
      scenario_unref (s);
    }
}

static uint64_t
milliseconds (const char *text)
{
  uint64_t ms = 0;

  assert_int_equal (units_parse_duration (text, &ms, NULL), 0);
  return ms;
}

/* What a document that says nothing has is what its keys say of it. */
static void
test_defaults_as_told (void **state)
{
  struct error err = ERROR_INIT;
  struct scenario *s = NULL;
  CLEANUP_JSON struct json_object *told = NULL;
  unsigned n = 0;

  assert_int_equal (parse ("{" CC "}", &s, &err), 0);
  told = scenario_to_json (s);
  for (const struct json_field *f = scenario_fields; f->name; f++)
    {
      const char *help = strstr (f->help, "default ");
      struct json_object *is = json_get (told, f->name);

      /* In words: there is no value. */
      if (!help || strchr (help + 8, ' '))
        continue;
      assert_non_null (is);
      if (f->kind == JSON_DURATION)
        assert_int_equal (milliseconds (json_object_get_string (is)),
                          milliseconds (help + 8));
      else
        assert_string_equal (json_object_get_string (is), help + 8);
      n++;
    }
  assert_true (n >= 10);
  scenario_unref (s);
}

/* The published schema is what the table prints. */
static void
test_schema (void **state)
{
  struct buf now CLEANUP_BUF = BUF_INIT (1u << 20);
  const char *srcdir = getenv ("srcdir");
  CLEANUP_FCLOSE FILE *f = NULL;
  CLEANUP_FREE char *kept = calloc (1, 1u << 20);
  char path[1024];
  size_t n;

  snprintf (path, sizeof path, "%s/scenarios/schema/scenario-1.json",
            srcdir ? srcdir : ".");
  f = fopen (path, "r");
  assert_non_null (f);
  n = fread (kept, 1, (1u << 20) - 1, f);
  assert_true (n > 0);
  scenario_schema (&now);
  for (size_t at = 0; at <= n; at++)
    if (buf_str (&now)[at] != kept[at])
      fail_msg ("%s is another at byte %zu, print it again (hangdog scenario "
                "schema): \"%.60s\" is now \"%.60s\"", path, at, kept + at,
                buf_str (&now) + at);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_mistakes), cmocka_unit_test (test_no_error_wanted),
    cmocka_unit_test (test_defaults), cmocka_unit_test (test_escapes),
    cmocka_unit_test (test_canonical), cmocka_unit_test (test_spelling),
    cmocka_unit_test (test_load), cmocka_unit_test (test_select),
    cmocka_unit_test (test_quiet), cmocka_unit_test (test_schema),
    cmocka_unit_test (test_defaults_as_told),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
