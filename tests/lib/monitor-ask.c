/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor-ask unix ROOT PATH | libvirt URI UUID   [COMMAND]
 *
 * Asks one monitor for status, block counters and, if given, a command; one
 * line each with the time it took.  Deadline 2 s.
 */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/opener.h"
#include "transports/monitor/monitor.h"
#ifdef WITH_LIBVIRT
#include "guests/virt.h"
#endif

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void
say (const char *what, uint64_t began, int r, const char *text,
     const struct error *err)
{
  printf ("%s %s ms=%llu %s\n", what, r < 0 ? "failed" : "ok",
          (unsigned long long) (clock_ms () - began),
          r < 0 ? error_text (err) : text);
}

static void
ask (const struct transport_env *env, const struct guest *g,
     const char *command)
{
  struct error err = ERROR_INIT;
  enum monitor_health health;
  struct json_object *stats CLEANUP_JSON = NULL;
  struct json_object *reply CLEANUP_JSON = NULL;
  struct monitor *m = NULL;
  char status[64] = "", text[128];
  uint64_t began = clock_ms ();
  int r;

  r = monitor_status (env, g, began + 2000, &health, status, sizeof status,
                      &err);
  printf ("health=%s ", monitor_health_names[health]);
  snprintf (text, sizeof text, "status=%s", status);
  say ("status", began, r, text, &err);
  began = clock_ms ();
  r = monitor_blockstats (env, g, began + 2000, &stats, &err);
  say ("blockstats", began, r,
       r < 0 ? "" : json_object_to_json_string_ext (stats, 0), &err);
  if (!command)
    return;
  began = clock_ms ();
  r = monitor_open (env, g, began + 2000, &m, &health, &err);
  if (r == 0)
    r = monitor_command (m, command, NULL, began + 2000, &reply, &err);
  say (command, began, r,
       r < 0 ? "" : json_object_to_json_string_ext (reply, 0), &err);
  monitor_close (m);
}

/* libvirt's connections live on it, as they do in the daemon. */
static void *
run_loop (void *loop)
{
  (void) !loop_run (loop, NULL);
  return NULL;
}

int
main (int argc, char **argv)
{
  struct transport_env env = { .opener = opener_local () };
  struct guest *g = guest_new ();
  struct loop *loop = NULL;
  pthread_t thread;

  if (argc < 4 || !g || loop_new (&loop, NULL) < 0)
    {
      fputs ("monitor-ask unix ROOT PATH | libvirt URI UUID [COMMAND]\n",
             stderr);
      return 2;
    }
  guest_copy (g->display, sizeof g->display, argv[3]);
  if (strcmp (argv[1], "unix") == 0)
    {
      g->monitor = MONITOR_UNIX;
      guest_copy (g->monitor_root, sizeof g->monitor_root, argv[2]);
      guest_copy (g->monitor_path, sizeof g->monitor_path, argv[3]);
    }
  else
    {
      g->monitor = MONITOR_LIBVIRT;
      guest_copy (g->host, sizeof g->host, argv[2]);
      guest_copy (g->inc.uuid, sizeof g->inc.uuid, argv[3]);
#ifdef WITH_LIBVIRT
      virt_init (loop, NULL);
#endif
    }
  pthread_create (&thread, NULL, run_loop, loop);
  ask (&env, g, argc > 4 ? argv[4] : NULL);
  guest_unref (g);
  return 0;
}
