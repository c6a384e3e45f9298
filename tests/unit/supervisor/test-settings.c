/* SPDX-License-Identifier: Apache-2.0
 *
 * Bad configurations: one clear line with place and hint; good ones.
 */
#include "config.h"

#include "supervisor/conf/settings.h"

#include "base/buf.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int
parse (const char *text, const struct config **cfg, struct error *err)
{
  return config_read (text, strlen (text), "config.json", cfg, err);
}

/* The message must hold each of the words, and be one line. */
static void
refused (const char *text, const char *place, const char *hint)
{
  const struct config *cfg;
  struct error err = ERROR_INIT;

  assert_true (parse (text, &cfg, &err) < 0);
  if (!strstr (err.msg, place) || !strstr (err.msg, hint))
    fail_msg ("\"%s\" lacks \"%s\" or \"%s\"", err.msg, place, hint);
  assert_null (strchr (err.msg, '\n'));
}

static void
test_bad (void **state)
{
  refused ("{\n  \"sorces\": []\n}", "config.json:2:3", "\"sources\"");
  refused ("{\"sources\": 3}", "config.json:1:", "array");
  refused ("{\"sources\": [{\"kind\": \"libvirt\"}]}", "sources[0]",
#ifdef WITH_LIBVIRT
           "uri"
#else
           "it has: rundir"
#endif
  );
  refused ("{\"sources\": [{\"kind\": \"rundir\"}]}", "sources[0]", "root");
  refused ("{\"sources\": [{\"kind\": \"rundir\", \"root\": \"run\"}]}",
           "sources[0]", "absolute");
#define RUNDIR "{\"sources\": [{\"kind\": \"rundir\", \"root\": \"/r\", "
  refused (RUNDIR "\"consoles\": \"cons,../x\"}]}", "sources[0].consoles",
           "not a path");
  refused (RUNDIR "\"consoles\": \"a,,b\"}]}", "sources[0].consoles", "name");
  refused (RUNDIR "\"pidfile\": \"..\"}]}", "sources[0].pidfile", "name");
  refused (RUNDIR "\"monitor\": \"a/b\"}]}", "sources[0].monitor", "name");
  refused (RUNDIR "\"monitor\": \"listener.qmp\"}]}", "sources[0].monitor",
           "use \"qmp\"");
  refused (RUNDIR "\"eve\": \"run\"}]}", "sources[0].eve", "absolute");
#ifdef WITH_LIBVIRT
  refused ("{\"sources\": [{\"kind\": \"libvirt\", \"uri\": \"q m:///s\"}]}",
           "sources[0].uri", "qemu:///system");
  refused ("{\"sources\": [{\"kind\": \"libvirt\", \"uri\": \"here\"}]}",
           "sources[0].uri", "qemu:///system");
#endif
  refused ("{\"scenarios\": [\"mine\"]}", "scenarios[0]", "absolute");
  refused ("{\"sources\": [{\"kind\": \"xen\"}]}", "sources[0]", "rundir");
  refused ("{\"sources\": [{\"uri\": \"qemu:///system\"}]}", "sources[0]",
           "kind");
  refused ("{\"user\": \"a\", \"user\": \"b\"}", "config.json:1:", "user");
  refused ("{\"sink\": {\"url\": \"gopher://x\"}}", "sink.url", "dir:/");
  refused ("{\"sink\": {\"proxy\": \"ftp://x\"}}", "sink.proxy", "socks5h");
  refused ("{\"sink\": {\"proxy\": \"http://me:pw@x:1\"}}", "sink.proxy",
           "https_proxy");
  refused ("{\"sink\": {\"key-file\": \"/k\"}}", "sink.key-file", "cert-file");
#ifdef WITH_CURL
  refused ("{\"sink\": {\"url\": \"https://me:pw@x/y\"}}", "sink.url",
           "token-file");
  refused ("{\"sink\": {\"url\": \"https://x/y?token=z\"}}", "sink.url", "?");
#endif
  refused ("{\"limits\": {\"console-sweep\": \"5\"}}", "limits.console-sweep",
           "");
  refused ("{\"limits\": {\"spool-free-floor\": \"0B\"}}",
           "limits.spool-free-floor", "1B");
  refused ("{\"limits\": {\"max-threads\": 1}}", "limits.max-threads", "4");
  refused ("{\"schema\": \"hangdog/config/2\"}", "schema", "hangdog/config/1");
  refused ("{} x", "config.json:1:4", "");
  refused ("", "config.json", "");
}

static void
test_good (void **state)
{
  const struct config *cfg;
  struct error err = ERROR_INIT;
  const struct guest_source_config *src;

  assert_int_equal (
      parse ("{ // a comment\n \"sources\": [{\"kind\": \"rundir\", \"root\": "
             "\"/r\", \"console-mode\": \"hold\"}, {\"kind\": \"rundir\", "
             "\"root\": \"/s\"},], \"limits\": {\"ring-total\": \"1MiB\"} }",
             &cfg, &err),
      0);
  assert_int_equal (cfg->sources.count, 2);
  src = cfg->sources.items;
  assert_string_equal (src[0].root, "/r");
  assert_int_equal (src[0].console_mode, CONSOLE_HOLD);
  assert_string_equal (src[0].monitor, "qmp");
  assert_int_equal (src[1].console_mode, -1);
  assert_int_equal (cfg->limits.ring_total, 1 << 20);
  assert_int_equal (cfg->limits.sweep_ms, 5);
  config_unref (cfg);
}

/* A source list in the document replaces the defaults, and what was read can
 * be printed and read again. */
static void
test_round (void **state)
{
  const struct config *cfg, *again;
  struct error err = ERROR_INIT;
  struct json_object *json;
  const char *text;

  assert_int_equal (parse ("{\"sources\": [{\"kind\": \"rundir\", \"root\": "
                           "\"/r\", \"eve\": \"/run\"}], \"scenarios\": "
                           "[\"/a/b.json\"], \"roots\": [\"/x\"]}",
                           &cfg, &err),
                    0);
  json = config_to_json (cfg);
  text = json_object_to_json_string (json);
  assert_int_equal (parse (text, &again, &err), 0);
  assert_int_equal (again->sources.count, 1);
  assert_int_equal (again->scenarios.count, 1);
  json_object_put (json);
  config_unref (cfg);
  config_unref (again);
}

/* Every key of a document stands in it again, in one spelling. */
static void
test_canonical (void **state)
{
  static const char full[]
      = "{ \"schema\": \"hangdog\\/config\\/1\", \"user\": \"u\", "
        "\"group\": \"g\", \"group-may\": [ \"console\", \"look\" ], "
        "\"groups\": [ \"h\" ], \"sources\": [ { "
        "\"kind\": \"rundir\", \"root\": \"\\/r\", \"consoles\": "
        "\"a,b\", \"monitor\": \"m\", \"pidfile\": \"p\", \"eve\": "
        "\"\\/e\", \"console-mode\": \"tail\" }, { \"kind\": "
        "\"rundir\", \"root\": \"\\/s\", \"consoles\": "
        "\"cons,shim-cons\", \"monitor\": \"qmp\", \"pidfile\": "
        "\"pid\" } ], \"roots\": [ ], \"mailboxes\": [ \"\\/m\" ], "
        "\"scenarios\": [ \"\\/a\" ], "
        "\"rules\": [ ], \"verdicts\": [ ], \"playbooks\": [ ], "
        "\"leases\": [ \"\\/l\" ], \"exec\": [ \"\\/x\" ], "
        "\"repeat\": \"6h\", \"intrusive\": [ ], "
        "\"heartbeat\": \"10s\", "
        "\"default-scenario\": true, \"sink\": { \"url\": \"dir:\\/d\", "
        "\"token-file\": \"t\", \"ca-file\": \"c\", \"cert-file\": "
        "\"d\", \"key-file\": \"k\", \"proxy\": \"none\", "
        "\"timeout\": \"61s\", \"max-rate\": 5 }, \"limits\": { "
        "\"console-sweep\": \"6ms\", \"ring-total\": 1048577, "
        "\"log-total\": 1048578, \"spool-total\": 1048579, "
        "\"spool-free-floor\": 7, \"max-threads\": 8, "
        "\"max-diagnoses\": 3, \"text-threads\": 1 } }";
  const struct config *cfg;
  struct error err = ERROR_INIT;
  struct json_object *json;

  if (parse (full, &cfg, &err) < 0)
    fail_msg ("%s", err.msg);
  assert_int_equal (config_group_may (cfg), MAY_CONSOLE | MAY_LOOK);
  json = config_to_json (cfg);
  assert_string_equal (json_object_to_json_string (json), full);
  json_object_put (json);
  config_unref (cfg);
  /* Where nothing is sent, nothing is said about how. */
  assert_int_equal (parse ("{\"sink\": {\"max-rate\": 7}, \"sources\": [{"
                           "\"kind\": \"rundir\", \"root\": \"/r\", "
                           "\"console-mode\": \"default\"}]}",
                           &cfg, &err),
                    0);
  json = config_to_json (cfg);
  assert_null (json_get (json, "sink"));
  assert_null (strstr (json_object_to_json_string (json), "console-mode"));
  json_object_put (json);
  config_unref (cfg);
}

struct seen
{
  unsigned n;
  char all[1024];
};

static void
note_root (const char *root, void *arg)
{
  struct seen *s = arg;

  s->n++;
  strncat (s->all, " ", sizeof (s->all) - strlen (s->all) - 1);
  strncat (s->all, root, sizeof (s->all) - strlen (s->all) - 1);
}

/* What the keeper may open follows from the document, and nothing else. */
static void
test_roots (void **state)
{
  const struct config *cfg;
  struct error err = ERROR_INIT;
  struct seen seen = { 0 };

  assert_int_equal (parse ("{\"sources\": [{\"kind\": \"rundir\", \"root\": "
                           "\"/r/kvm\", \"eve\": \"/r\"}], \"scenarios\": "
                           "[\"/a/b.json\"], \"roots\": [\"/x\"], "
                           "\"mailboxes\": [\"/boxes\"]}",
                           &cfg, &err),
                    0);
  config_roots (cfg, "/etc/hangdog/config.json", note_root, &seen);
  assert_string_equal (seen.all, " /proc /dev/pts /etc/hangdog /a/b.json /a "
                                 "/x /r/kvm /r");
  /* Where mailboxes are nothing else is opened. */
  seen = (struct seen){ 0 };
  config_mailboxes (cfg, note_root, &seen);
  assert_string_equal (seen.all, " /boxes");
  config_unref (cfg);
  assert_int_equal (parse ("{\"mailboxes\": [\"boxes\"]}", &cfg, &err),
                    -EINVAL);
}

/* EVE's folder of leases is looked for each time, beneath what may be opened
 * anyway; who names places has those alone. */
static void
test_leases (void **state)
{
  const struct config *cfg;
  struct error err = ERROR_INIT;
  struct seen seen = { 0 }, roots = { 0 };

#define EVE "\"sources\": [{\"kind\": \"rundir\", \"root\": \"/r/kvm\", "  \
            "\"eve\": \"/r\"}]"
  assert_int_equal (parse ("{" EVE "}", &cfg, &err), 0);
  config_lease_places (cfg, note_root, &seen);
  assert_non_null (strstr (seen.all, " /r/./zedrouter/dnsmasq.leases"));
  config_roots (cfg, "/etc/hangdog/config.json", note_root, &roots);
  assert_non_null (strstr (roots.all, " /r"));
  assert_null (strstr (roots.all, "zedrouter"));
  config_unref (cfg);
  seen = (struct seen){ 0 };
  assert_int_equal (parse ("{" EVE ", \"leases\": [\"/l\"]}", &cfg, &err), 0);
  config_lease_places (cfg, note_root, &seen);
  assert_string_equal (seen.all, " /l");
  config_unref (cfg);
  /* No EVE, nothing of it. */
  seen = (struct seen){ 0 };
  assert_int_equal (parse ("{\"sources\": [{\"kind\": \"rundir\", \"root\": "
                           "\"/r/kvm\"}]}", &cfg, &err),
                    0);
  config_lease_places (cfg, note_root, &seen);
  assert_null (strstr (seen.all, "zedrouter"));
  config_unref (cfg);
}

static void
test_schema (void **state)
{
  struct buf out = BUF_INIT (1u << 20);

  config_schema (&out);
  assert_false (out.cut);
  assert_non_null (strstr (buf_str (&out), "console-mode"));
  buf_done (&out);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_bad),    cmocka_unit_test (test_good),
    cmocka_unit_test (test_round),  cmocka_unit_test (test_canonical),
    cmocka_unit_test (test_roots),
    cmocka_unit_test (test_leases),
    cmocka_unit_test (test_schema),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
