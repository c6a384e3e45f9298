/* SPDX-License-Identifier: Apache-2.0
 *
 * Who looks for addresses, when, and what the snapshots get of it.  Loop, jobs
 * and registry are the real ones, and the leases are files of the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/opener.h"
#include "guests/addresses.h"
#include "tests/lib/until.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define B "bbbbbbbb-2222-4333-8444-555555555555"
/* Of no maker's, so that nobody here has them. */
#define MAC_A "06:fe:ed:00:00:0a"
#define MAC_B "06:fe:ed:00:00:0b"

struct world
{
  struct loop *loop;
  struct job_pool *jobs;
  struct guest_registry *reg;
  struct addresses *a;
  char file[64];
  unsigned changes;
  enum guest_change last;
  /* What agents say, and how often they were asked. */
  pthread_mutex_t lock;
  struct address_said said[4];
  size_t nsaid;
  unsigned asked;
};

static int
agent_says (void *arg, const struct guest *g, uint64_t deadline,
            struct address_said *ret, size_t max, size_t *ret_n,
            struct error *err)
{
  struct world *w = arg;
  size_t n;

  pthread_mutex_lock (&w->lock);
  w->asked++;
  n = w->nsaid;
  memcpy (ret, w->said, n * sizeof ret[0]);
  pthread_mutex_unlock (&w->lock);
  if (n == 0)
    return error_set (err, ETIMEDOUT, "silent");
  *ret_n = n;
  return 0;
}

static void
agent_will_say (struct world *w, const char *mac, const char *ip)
{
  pthread_mutex_lock (&w->lock);
  guest_copy (w->said[w->nsaid].mac, sizeof w->said[0].mac, mac);
  guest_copy (w->said[w->nsaid].ip, sizeof w->said[0].ip, ip);
  w->nsaid++;
  pthread_mutex_unlock (&w->lock);
}

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  w->changes++;
  w->last = change;
  addresses_guest (w->a, change, was, now);
}

static int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);
  struct addresses_env env;
  char *path = w->file;
  int fd;

  pthread_mutex_init (&w->lock, NULL);
  snprintf (w->file, sizeof w->file, "/tmp/test-addresses.XXXXXX");
  fd = mkstemp (w->file);
  assert_true (fd >= 0);
  close (fd);
  assert_int_equal (loop_new_fake (&w->loop, NULL), 0);
  assert_int_equal (job_pool_new (w->loop, &few, &w->jobs, NULL), 0);
  assert_int_equal (registry_new (w->loop, NULL, &w->reg, NULL), 0);
  env = (struct addresses_env){ .loop = w->loop,
                                .jobs = w->jobs,
                                .opener = opener_local (),
                                .registry = w->reg,
                                .ask = agent_says,
                                .ask_arg = w };
  assert_int_equal (addresses_new (&env, &w->a, NULL), 0);
  addresses_leases (path, w->a);
  assert_int_equal (registry_listen (w->reg, on_guest, NULL, w, NULL), 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  assert_int_equal (job_pool_free (w->jobs, UNTIL_MS), 0);
  registry_free (w->reg);
  addresses_free (w->a);
  loop_free (w->loop);
  unlink (w->file);
  pthread_mutex_destroy (&w->lock);
  free (w);
  return 0;
}

static void
leases (struct world *w, const char *text)
{
  FILE *f = fopen (w->file, "w");

  assert_non_null (f);
  fputs (text, f);
  fclose (f);
}

static struct guest *
a_guest (const char *uuid, const char *mac, uint64_t start_time)
{
  struct guest *g = guest_new ();

  guest_copy (g->inc.uuid, sizeof g->inc.uuid, uuid);
  /* A process that is not there, as it may be by the time of the look. */
  g->inc.pid = 0x7ffffff0;
  g->inc.start_time = start_time;
  guest_copy (g->source, sizeof g->source, "rundir");
  guest_copy (g->host, sizeof g->host, "/run/x");
  g->run = GUEST_RUNNING;
  g->nnics = 1;
  guest_copy (g->nics[0].mac, sizeof g->nics[0].mac, mac);
  return g;
}

static const char *
said (struct world *w, const char *uuid, char dst[160])
{
  const struct guest *g = NULL;

  if (registry_find (w->reg, uuid, &g, NULL) < 0)
    return "";
  snprintf (dst, 160, "%s|%s|%s", g->nics[0].ip, g->nics[0].ip_from,
            g->nics[0].refused);
  guest_unref (g);
  return dst;
}

#define UNTIL_SAID(uuid, text)                                                \
  do                                                                          \
    {                                                                         \
      char dst_[160];                                                         \
      UNTIL_LOOP (w->loop, strcmp (said (w, uuid, dst_), text) == 0);         \
    }                                                                         \
  while (0)

static unsigned long
looks (struct world *w)
{
  CLEANUP_BUF struct buf out = BUF_INIT (4096);

  addresses_dump (w->a, &out);
  return strtoul (strstr (buf_str (&out), "looks ") + 6, NULL, 10);
}

static void
until_idle (struct world *w)
{
  struct job_stats stats;

  UNTIL_LOOP (w->loop, (job_pool_stats (w->jobs, &stats), stats.running == 0));
}

static void
finds_and_follows (void **state)
{
  struct world *w = *state;
  struct guest *g;

  leases (w, "0 " MAC_A " 192.0.2.7 * *\n");
  registry_update (w->reg, a_guest (A, MAC_A, 100));
  assert_int_equal (w->changes, 1);
  loop_advance (w->loop, 1000);
  UNTIL_SAID (A, "192.0.2.7|lease|");
  assert_int_equal (w->changes, 2);
  assert_int_equal (w->last, GUEST_CHANGED);
  /* Its source tells of it again, and knows none. */
  registry_update (w->reg, a_guest (A, MAC_A, 100));
  assert_int_equal (w->changes, 2);
  /* A minute later it is the same, and nobody is told. */
  loop_advance (w->loop, 60000);
  UNTIL_LOOP (w->loop, looks (w) == 2);
  until_idle (w);
  assert_int_equal (w->changes, 2);
  leases (w, "0 " MAC_A " 192.0.2.8 * *\n");
  loop_advance (w->loop, 60000);
  UNTIL_SAID (A, "192.0.2.8|lease|");
  assert_int_equal (w->changes, 3);
  leases (w, "");
  loop_advance (w->loop, 60000);
  UNTIL_SAID (A, "||");
  /* Another boot keeps it, another process does not. */
  leases (w, "0 " MAC_A " 192.0.2.8 * *\n");
  loop_advance (w->loop, 60000);
  UNTIL_SAID (A, "192.0.2.8|lease|");
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_RESET, NULL);
  UNTIL_SAID (A, "192.0.2.8|lease|");
  g = a_guest (A, MAC_A, 200);
  g->run = GUEST_STARTING;
  registry_update (w->reg, g);
  UNTIL_SAID (A, "||");
  loop_advance (w->loop, 5000);
  UNTIL_SAID (A, "192.0.2.8|lease|");
}

static void
two_that_claim_one (void **state)
{
  struct world *w = *state;
  struct guest *g;

  leases (w, "0 " MAC_A " 10.1.0.2 * *\n");
  registry_update (w->reg, a_guest (A, MAC_A, 100));
  loop_advance (w->loop, 1000);
  UNTIL_SAID (A, "10.1.0.2|lease|");
  g = a_guest (B, MAC_B, 100);
  guest_copy (g->nics[0].ip, sizeof g->nics[0].ip, "10.1.0.2");
  guest_copy (g->nics[0].ip_from, sizeof g->nics[0].ip_from, "eve");
  registry_update (w->reg, g);
  /* At once, and without another look. */
  loop_advance (w->loop, 0);
  UNTIL_SAID (A, "|lease|10.1.0.2");
  UNTIL_SAID (B, "|eve|10.1.0.2");
  /* What its source says again is not news. */
  w->changes = 0;
  g = a_guest (B, MAC_B, 100);
  guest_copy (g->nics[0].ip, sizeof g->nics[0].ip, "10.1.0.2");
  guest_copy (g->nics[0].ip_from, sizeof g->nics[0].ip_from, "eve");
  registry_update (w->reg, g);
  loop_advance (w->loop, 100);
  assert_int_equal (w->changes, 0);
  registry_gone (w->reg, "rundir", "/run/x", B);
  loop_advance (w->loop, 0);
  UNTIL_SAID (A, "10.1.0.2|lease|");
}

static void
by_a_label (void **state)
{
  struct world *w = *state;
  struct guest *g = a_guest (A, MAC_A, 100);

  g->labels = json_object_new_object ();
  json_add_str (g->labels, "address", "192.0.2.99");
  registry_update (w->reg, g);
  loop_advance (w->loop, 0);
  UNTIL_SAID (A, "192.0.2.99|label|");
  g = a_guest (A, MAC_A, 100);
  registry_update (w->reg, g);
  loop_advance (w->loop, 0);
  UNTIL_SAID (A, "||");
}

/* A check found none. */
static void
want (struct world *w, const char *uuid)
{
  const struct guest *g = NULL;

  assert_int_equal (registry_find (w->reg, uuid, &g, NULL), 0);
  addresses_want (w->a, g);
  guest_unref (g);
}

static struct guest *
with_agent (const char *uuid, const char *mac, uint64_t start_time)
{
  struct guest *g = a_guest (uuid, mac, start_time);

  g->agent = AGENT_UNIX;
  guest_copy (g->nics[0].ifname, sizeof g->nics[0].ifname, "vnet0");
  return g;
}

static unsigned
asked (struct world *w)
{
  unsigned n;

  pthread_mutex_lock (&w->lock);
  n = w->asked;
  pthread_mutex_unlock (&w->lock);
  return n;
}

/* Time, in steps in which whoever looks is back. */
static void
pass (struct world *w, unsigned ms)
{
  for (; ms > 0; ms -= 1000)
    {
      loop_advance (w->loop, 1000);
      until_idle (w);
    }
}

/* The guest is found, looked for, and missed. */
static void
is_missed (struct world *w, struct guest *g)
{
  char uuid[UUID_TEXT];

  memcpy (uuid, g->inc.uuid, sizeof uuid);
  registry_update (w->reg, g);
  loop_advance (w->loop, 1000);
  UNTIL_LOOP (w->loop, looks (w) == 1);
  until_idle (w);
  want (w, uuid);
  loop_advance (w->loop, 0);
}

static void
by_its_agent (void **state)
{
  struct world *w = *state;

  agent_will_say (w, "06:fe:ed:00:00:77", "192.0.2.77");
  agent_will_say (w, MAC_A, "127.0.0.1");
  agent_will_say (w, "06:FE:ED:00:00:0A", "192.0.2.7");
  agent_will_say (w, MAC_A, "192.0.2.8");
  is_missed (w, with_agent (A, MAC_A, 100));
  UNTIL_LOOP (w->loop, asked (w) == 1);
  until_idle (w);
  /* Not before the host was looked at: it may be somebody else's. */
  pass (w, 4000);
  UNTIL_SAID (A, "||");
  pass (w, 2000);
  UNTIL_SAID (A, "192.0.2.7|agent|");
  /* Asked again after ten minutes, not by each check, and used meanwhile. */
  for (unsigned i = 0; i < 9; i++)
    {
      want (w, A);
      pass (w, 60000);
      UNTIL_SAID (A, "192.0.2.7|agent|");
    }
  assert_int_equal (asked (w), 1);
  pass (w, 60000);
  assert_int_equal (asked (w), 2);
  UNTIL_SAID (A, "192.0.2.7|agent|");
  /* One that does not answer keeps it. */
  w->nsaid = 0;
  pass (w, 601000);
  assert_int_equal (asked (w), 3);
  UNTIL_SAID (A, "192.0.2.7|agent|");
  /* The host comes to know better. */
  leases (w, "0 " MAC_A " 192.0.2.9 * *\n");
  pass (w, 60000);
  UNTIL_SAID (A, "192.0.2.9|lease|");
  pass (w, 1200000);
  assert_int_equal (asked (w), 3);
}

static void
its_agent_says_another_ones (void **state)
{
  struct world *w = *state;

  leases (w, "0 06:fe:ed:00:00:77 192.0.2.7 * *\n");
  agent_will_say (w, MAC_A, "192.0.2.7");
  is_missed (w, with_agent (A, MAC_A, 100));
  UNTIL_LOOP (w->loop, asked (w) == 1);
  until_idle (w);
  pass (w, 5000);
  UNTIL_SAID (A, "|agent|192.0.2.7");
  /* Another process has said nothing. */
  registry_update (w->reg, with_agent (A, MAC_A, 200));
  UNTIL_SAID (A, "||");
}

/* Who has none, or a network that leads to nobody here. */
static void
nobody_to_ask (void **state)
{
  struct world *w = *state;
  struct guest *g = with_agent (A, MAC_A, 100);

  agent_will_say (w, MAC_A, "10.0.2.15");
  g->nics[0].ifname[0] = '\0';
  is_missed (w, g);
  g = with_agent (A, MAC_A, 100);
  g->agent = AGENT_NONE;
  registry_update (w->reg, g);
  want (w, A);
  /* Nobody missed it, nor what is known. */
  registry_update (w->reg, with_agent (B, MAC_B, 100));
  pass (w, 1200000);
  assert_int_equal (asked (w), 0);
  leases (w, "0 " MAC_B " 192.0.2.7 * *\n");
  pass (w, 60000);
  UNTIL_SAID (B, "192.0.2.7|lease|");
  want (w, B);
  loop_advance (w->loop, 0);
  until_idle (w);
  assert_int_equal (asked (w), 0);
}

/* Everybody who misses one asks for a look: there is one in five seconds. */
static void
is_no_storm (void **state)
{
  struct world *w = *state;

  registry_update (w->reg, a_guest (A, MAC_A, 100));
  loop_advance (w->loop, 1000);
  UNTIL_LOOP (w->loop, looks (w) == 1);
  until_idle (w);
  for (unsigned i = 0; i < 1000; i++)
    want (w, A);
  loop_advance (w->loop, 4900);
  assert_int_equal (looks (w), 1);
  loop_advance (w->loop, 200);
  UNTIL_LOOP (w->loop, looks (w) == 2);
  until_idle (w);
  leases (w, "0 " MAC_A " 192.0.2.7 * *\n");
  want (w, A);
  loop_advance (w->loop, 5000);
  UNTIL_SAID (A, "192.0.2.7|lease|");
}

/* Who has no interface is not looked for, nor who is off. */
static void
nobody_to_look_for (void **state)
{
  struct world *w = *state;
  struct guest *g = a_guest (A, MAC_A, 100);

  g->nnics = 0;
  registry_update (w->reg, g);
  loop_advance (w->loop, 300000);
  assert_int_equal (looks (w), 0);
  g = a_guest (A, MAC_A, 100);
  g->run = GUEST_OFF;
  registry_update (w->reg, g);
  loop_advance (w->loop, 300000);
  assert_int_equal (looks (w), 0);
  registry_gone (w->reg, "rundir", "/run/x", A);
  loop_advance (w->loop, 300000);
  assert_int_equal (looks (w), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (finds_and_follows),
    T (two_that_claim_one),
    T (by_a_label),
    T (by_its_agent),
    T (its_agent_says_another_ones),
    T (nobody_to_ask),
    T (is_no_storm),
    T (nobody_to_look_for),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
