/* SPDX-License-Identifier: Apache-2.0
 *
 * EVE's status files: what each field does to a guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/opener.h"
#include "guests/eve.h"
#include "tests/lib/tmpdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID "11111111-2222-4333-8444-555555555555"

static struct tmpdir tmp;
static const char *const root = tmp.path;
static struct eve_orders orders;

static int
setup (void **state)
{
  memset (&orders, 0, sizeof orders);
  return tmpdir_make (&tmp);
}

static int
teardown (void **state)
{
  tmpdir_done (&tmp);
  return 0;
}

static void
make_folder (const char *path)
{
  char full[256];

  snprintf (full, sizeof full, "%s/%s", root, path);
  tmpdir_parents (full);
  mkdir (full, 0700);
}

static void
put_bytes (const char *folder, const void *text, size_t len)
{
  char path[256];
  FILE *f;

  make_folder (folder);
  snprintf (path, sizeof path, "%s/%s/" UUID ".json", root, folder);
  f = fopen (path, "w");
  assert_non_null (f);
  fwrite (text, 1, len, f);
  fclose (f);
}

static void
put (const char *folder, const char *text)
{
  put_bytes (folder, text, strlen (text));
}

static struct guest *
join (int spoke)
{
  struct guest *g = guest_new ();

  strcpy (g->inc.uuid, UUID);
  strcpy (g->display, "folder");
  g->run = GUEST_RUNNING;
  assert_int_equal (
      eve_join (opener_local (), root, clock_ms () + 60000, &orders, g, NULL),
      spoke);
  return g;
}

#define DS "domainmgr/DomainStatus"
#define DC "zedmanager/DomainConfig"
#define AS "zedmanager/AppInstanceStatus"
#define AC "zedagent/AppInstanceConfig"
#define NS "zedrouter/AppNetworkStatus"

static void
is_silent_without_files (void **state)
{
  struct guest *g = join (0);

  assert_string_equal (g->display, "folder");
  assert_int_equal (g->intent, INTENT_RUN);
  guest_unref (g);
}

static void
joins_all_files (void **state)
{
  struct guest *g;

  put (DS, "{\"UUIDandVersion\":{\"UUID\":\"" UUID "\",\"Version\":\"1\"},"
           "\"DisplayName\":\"ds\",\"State\":115,\"DomainId\":4711,"
           "\"CrashState\":0,\"VifList\":[{\"Bridge\":\"bn1\",\"Vif\":"
           "\"nbu1x1\",\"Mac\":\"AhY+AAAB\"}],\"DiskStatusList\":[{"
           "\"FileLocation\":\"/persist/a.qcow2\",\"Vdev\":\"xvda\"},"
           "{\"FileLocation\":\"\"}]}");
  put (DC, "{\"Activate\":true}");
  put (AS, "{\"DisplayName\":\"as\",\"State\":115,\"RestartInprogress\":0}");
  put (AC, "{\"DisplayName\":\"The shop\",\"DisableLogs\":true,"
           "\"Activate\":true,\"FixedResources\":{\"Memory\":524288,"
           "\"VCpus\":2,\"VirtualizationMode\":1}}");
  put (NS, "{\"AppNetAdapterList\":[{\"Mac\":\"AhY+AAAB\",\"Vif\":"
           "\"nbu1x1\",\"AssignedAddresses\":{\"IPv4Addrs\":[{\"Address\":"
           "\"10.1.0.2\",\"AssignedBy\":2}],\"IPv6Addrs\":null}},"
           "{\"Vif\":\"nbu2x1\",\"AllocatedIPv4Addr\":\"10.2.0.2\"}, 7]}");
  g = join (5);
  assert_string_equal (g->display, "The shop");
  assert_true (g->logs_disabled);
  assert_int_equal (g->intent, INTENT_RUN);
  assert_int_equal (g->memory_bytes, 512ull << 20);
  assert_int_equal (g->vcpus, 2);
  assert_int_equal (g->nnics, 2);
  assert_string_equal (g->nics[0].mac, "02:16:3e:00:00:01");
  assert_string_equal (g->nics[0].ifname, "nbu1x1");
  assert_string_equal (g->nics[0].ip, "10.1.0.2");
  assert_string_equal (g->nics[1].ip, "10.2.0.2");
  assert_int_equal (g->ndisks, 1);
  assert_string_equal (g->disks[0].target, "xvda");
  assert_string_equal (json_get_str (g->labels, "eve.state"), "RUNNING");
  assert_int_equal (eve_pid (opener_local (), root, clock_ms () + 60000, UUID),
                    4711);
  guest_unref (g);
}

/* Of several generations, and of what is none. */
static void
reads_addresses (void **state)
{
  static const struct
  {
    const char *adapter, *ip, *ip2;
  } cases[] = {
    { "\"AssignedAddresses\":{\"IPv4Addrs\":[{\"Address\":\"10.1.0.2\"}],"
      "\"IPv6Addrs\":[{\"Address\":\"FD00::2\"}]}",
      "10.1.0.2", "fd00::2" },
    { "\"AssignedAddresses\":{\"IPv4Addrs\":null,\"IPv6Addrs\":[{\"Address\":"
      "\"fd00::2\"}]}",
      "fd00::2", "" },
    { "\"AllocatedIPv4Addr\":\"10.1.0.3\",\"AllocatedIPv6List\":[]",
      "10.1.0.3", "" },
    { "\"AllocatedIPAddr\":\"10.1.0.4\"", "10.1.0.4", "" },
    { "\"AssignedAddresses\":{\"IPv4Addrs\":[7,{},{\"Address\":\"\"},"
      "{\"Address\":\"127.0.0.1\"},{\"Address\":\"10.1.0.5\"}]}",
      "10.1.0.5", "" },
    { "\"AssignedAddresses\":{\"IPv4Addrs\":[{\"Address\":\"10.1.0.2;rm\"}]}",
      "", "" },
    { "\"AssignedAddresses\":[],\"AllocatedIPv4Addr\":[7]", "", "" },
    { "\"AllocatedIPv4Addr\":\"224.0.0.1\"", "", "" },
  };
  char text[400];

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct guest *g;

      snprintf (text, sizeof text,
                "{\"AppNetAdapterList\":[{\"Mac\":\"02:16:3e:00:00:01\",%s}]}",
                cases[i].adapter);
      put (NS, text);
      g = join (1);
      assert_int_equal (g->nnics, 1);
      assert_string_equal (g->nics[0].ip, cases[i].ip);
      assert_string_equal (g->nics[0].ip2, cases[i].ip2);
      assert_string_equal (g->nics[0].ip_from, cases[i].ip[0] ? "eve" : "");
      guest_unref (g);
    }
}

static void
reads_the_intent (void **state)
{
  static const struct
  {
    const char *ds, *as, *dc, *ac;
    enum guest_intent intent;
  } cases[] = {
    { "{\"State\":115}", NULL, NULL, NULL, INTENT_RUN },
    { "{\"State\":114}", NULL, NULL, NULL, INTENT_START },
    { "{\"State\":117}", NULL, NULL, NULL, INTENT_PAUSE },
    { "{\"State\":118}", NULL, NULL, NULL, INTENT_STOP },
    { "{\"State\":\"118\"}", NULL, NULL, NULL, INTENT_STOP },
    { "{\"State\":120}", NULL, NULL, NULL, INTENT_RUN },
    { "{\"State\":255}", NULL, NULL, NULL, INTENT_RUN },
    { "{\"State\":-9223372036854775808}", NULL, NULL, NULL, INTENT_RUN },
    { "{\"State\":115,\"PendingDelete\":true}", NULL, NULL, NULL, INTENT_STOP },
    { NULL, "{\"State\":118}", NULL, NULL, INTENT_STOP },
    /* A restart is a stop that comes back. */
    { "{\"State\":118}", "{\"RestartInprogress\":2}", NULL, NULL,
      INTENT_RESTART },
    { "{\"State\":115}", "{\"PurgeInprogress\":4}", NULL, NULL,
      INTENT_RESTART },
    /* Still downloading what it will be replaced by. */
    { "{\"State\":115}", "{\"PurgeInprogress\":1}", NULL, NULL, INTENT_RUN },
    { "{\"State\":115}", "{\"SnapStatus\":{\"RollbackInProgress\":true}}", NULL,
      NULL, INTENT_RESTART },
    /* Who is nearer to the domain overrules. */
    { "{\"State\":115}", "{}", "{\"Activate\":true}", "{\"Activate\":false}",
      INTENT_RUN },
    { "{\"State\":115}", "{}", "{\"Activate\":false}", "{\"Activate\":true}",
      INTENT_STOP },
    { "{\"State\":115}", "{\"EffectiveActivate\":false}", NULL,
      "{\"Activate\":true}", INTENT_STOP },
    { "{\"State\":115}", "{\"EffectiveActivate\":true}", NULL,
      "{\"Activate\":false}", INTENT_RUN },
    { "{\"State\":115}", "{}", NULL, "{\"Activate\":false}", INTENT_STOP },
    /* And a crash that is being captured overrules all. */
    { "{\"State\":118,\"CrashState\":1}", "{\"RestartInprogress\":2}", NULL,
      NULL, INTENT_HANDS_OFF },
    { "{\"State\":115,\"CrashState\":\"capturing\"}", NULL, NULL, NULL,
      INTENT_HANDS_OFF },
    { "{\"State\":115,\"CrashState\":\"0\"}", NULL, NULL, NULL, INTENT_RUN },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct guest *g;
      const char *texts[]
          = { cases[i].ds, cases[i].as, cases[i].dc, cases[i].ac };
      static const char *const folders[] = { DS, AS, DC, AC };
      int spoke = 0;

      for (unsigned k = 0; k < ARRAY_LEN (texts); k++)
        if (texts[k])
          {
            put (folders[k], texts[k]);
            spoke++;
          }
      g = join (spoke);
      if (g->intent != cases[i].intent)
        fail_msg ("case %u: %s from %s", i, guest_intent_names[g->intent],
                  g->intent_from);
      assert_true (g->intent_from[0]);
      guest_unref (g);
      /* An empty root for the next one. */
      teardown (state);
      setup (state);
    }
}

/* As zedagent and zedmanager publish them, less what is not read. */
#define CONFIG(restart, purge, local)                                          \
  "{\"UUIDandVersion\":{\"UUID\":\"" UUID "\",\"Version\":\"7\"},"               \
  "\"DisplayName\":\"shop\",\"Errors\":null,\"Activate\":true,"                   \
  "\"RestartCmd\":{\"Counter\":" restart ",\"ApplyTime\":\"1790000000\"},"       \
  "\"PurgeCmd\":{\"Counter\":" purge ",\"ApplyTime\":\"\"},"                     \
  "\"LocalRestartCmd\":{\"Counter\":" local ",\"ApplyTime\":\"\"},"              \
  "\"LocalPurgeCmd\":{\"Counter\":0,\"ApplyTime\":\"\"},"                        \
  "\"HasLocalServer\":false,\"Snapshot\":{\"ActiveSnapshot\":\"\","              \
  "\"MaxSnapshots\":0,\"RollbackCmd\":{\"Counter\":0,\"ApplyTime\":\"\"},"       \
  "\"Snapshots\":null}}"
#define STATUS(restarting, purging)                                            \
  "{\"UUIDandVersion\":{\"UUID\":\"" UUID "\",\"Version\":\"7\"},"               \
  "\"DisplayName\":\"shop\",\"Activated\":true,"                               \
  "\"RestartInprogress\":" restarting ",\"RestartStartedAt\":"                 \
  "\"0001-01-01T00:00:00Z\",\"PurgeInprogress\":" purging ","                  \
  "\"PurgeStartedAt\":\"0001-01-01T00:00:00Z\",\"State\":115}"

static void
intends (int spoke, enum guest_intent intent, const char *from)
{
  struct guest *g = join (spoke);

  assert_string_equal (guest_intent_names[g->intent],
                       guest_intent_names[intent]);
  assert_string_equal (g->intent_from, from);
  guest_unref (g);
}

static void
knows_an_order_by_its_counter (void **state)
{
  static const char restart[] = "AppInstanceConfig.RestartCmd",
                    purge[] = "AppInstanceConfig.PurgeCmd";

  /* What was ordered before this life began has been done. */
  put (AC, CONFIG ("3", "1", "0"));
  put (AS, STATUS ("0", "0"));
  intends (2, INTENT_RUN, "eve");
  put (AC, CONFIG ("4", "1", "0"));
  intends (2, INTENT_RESTART, restart);
  intends (2, INTENT_RESTART, restart); /* until this life ends */
  put (AS, STATUS ("2", "0"));
  intends (2, INTENT_RESTART, "AppInstanceStatus.RestartInprogress=2");
  /* The next life. */
  memset (&orders, 0, sizeof orders);
  put (AS, STATUS ("0", "0"));
  intends (2, INTENT_RUN, "eve");
  /* By a local profile server. */
  put (AC, CONFIG ("4", "1", "1"));
  intends (2, INTENT_RESTART, restart);
  memset (&orders, 0, sizeof orders);
  intends (2, INTENT_RUN, "eve");
  /* A purge may have to download first. */
  put (AC, CONFIG ("4", "2", "1"));
  intends (2, INTENT_RESTART, purge);
  put (AS, STATUS ("0", "1"));
  intends (2, INTENT_RUN, "eve");
  put (AS, STATUS ("0", "0"));
  intends (2, INTENT_RESTART, purge);
}

static void
does_not_wait_for_an_order_for_ever (void **state)
{
  put (AC, CONFIG ("3", "1", "0"));
  intends (1, INTENT_RUN, "eve");
  put (AC, CONFIG ("4", "1", "0"));
  intends (1, INTENT_RESTART, "AppInstanceConfig.RestartCmd");
  assert_true (orders.rose_ms > 0);
  orders.rose_ms -= 16 * 60 * 1000; /* wraps as the difference does */
  intends (1, INTENT_RUN, "eve");
  intends (1, INTENT_RUN, "eve");
  put (AC, CONFIG ("5", "1", "0"));
  intends (1, INTENT_RESTART, "AppInstanceConfig.RestartCmd");
}

/* Early releases: the status has counters, too. */
static void
compares_with_counters_of_the_status (void **state)
{
  put (AC, CONFIG ("4", "0", "0"));
  put (AS, "{\"State\":115,\"RestartCmd\":{\"Counter\":3,\"ApplyTime\":\"\"}}");
  intends (2, INTENT_RESTART, "AppInstanceConfig.RestartCmd");
  put (AS, "{\"State\":115,\"RestartCmd\":{\"Counter\":4,\"ApplyTime\":\"\"}}");
  intends (2, INTENT_RUN, "eve");
  /* Nonsense is no order. */
  put (AC, "{\"RestartCmd\":{\"Counter\":-1},\"PurgeCmd\":7,\"Snapshot\":[]}");
  intends (2, INTENT_RUN, "eve");
}

static void
takes_an_absent_file_for_a_word (void **state)
{
  struct guest *g;

  put (DS, "{\"State\":115}");
  make_folder (DC);
  g = join (1);
  assert_int_equal (g->intent, INTENT_STOP);
  assert_string_equal (g->intent_from, "DomainConfig is gone");
  guest_unref (g);
}

static void
suffers_bad_files (void **state)
{
  char *big CLEANUP_FREE = malloc (70000);
  struct guest *g;

  memset (big, ' ', 70000);
  memcpy (big, "{}", 2);
  put_bytes (DS, big, 70000);
  put (AS, "[]");
  put (AC, "{\"DisplayName\":");
  put (NS, "{\"AppNetAdapterList\":{\"a\":1}}");
  put (DC, "{\"Activate\":\"no\"}");
  g = join (2);
  assert_int_equal (g->intent, INTENT_RUN);
  assert_int_equal (g->nnics, 0);
  assert_string_equal (g->display, "folder");
  guest_unref (g);
}

static void
bounds_what_it_takes (void **state)
{
  char text[8192] = "{\"AppNetAdapterList\":[";
  struct guest *g;

  for (unsigned i = 0; i < 40; i++)
    snprintf (text + strlen (text), sizeof text - strlen (text),
              "{\"Vif\":\"v%u\",\"Mac\":\"////=!!!\"},", i);
  strcat (text, "{}]}");
  put (NS, text);
  g = join (1);
  assert_int_equal (g->nnics, GUEST_MAX_NICS);
  assert_string_equal (g->nics[0].mac, "");
  guest_unref (g);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (is_silent_without_files), T (joins_all_files),
    T (reads_addresses),
    T (reads_the_intent),        T (takes_an_absent_file_for_a_word),
    T (suffers_bad_files),       T (bounds_what_it_takes),
    T (knows_an_order_by_its_counter),
    T (does_not_wait_for_an_order_for_ever),
    T (compares_with_counters_of_the_status),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
