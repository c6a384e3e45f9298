/* SPDX-License-Identifier: Apache-2.0
 *
 * memory-where PID unix ROOT PATH | PID libvirt URI UUID
 *
 * Where that QEMU has its guest's memory, by /proc, and whether its monitor
 * says the same; then with what was plugged in since it was started.
 */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/opener.h"
#include "transports/memory/memory.h"
#ifdef WITH_LIBVIRT
#include "guests/virt.h"
#endif

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 60000

static void
print_ranges (const struct memory_map *map)
{
  for (unsigned i = 0; i < map->n; i++)
    printf ("range gpa=%#llx len=%#llx at=%#llx va=%#llx\n",
            (unsigned long long) map->ranges[i].gpa,
            (unsigned long long) map->ranges[i].len,
            (unsigned long long) map->ranges[i].at,
            (unsigned long long) map->ranges[i].va);
}

static int
where (const struct transport_env *env, const struct guest *g)
{
  struct memory m = { .fd = -1, .pagemap = -1 };
  struct error err = ERROR_INIT;
  int r = memory_open (env, g, clock_ms () + DEADLINE_MS, &m, &err);

  if (r < 0)
    {
      printf ("failed %s\n", error_text (&err));
      return 1;
    }
  printf ("machine=%s size=%llu by=%s note=%s\n", m.map.machine,
          (unsigned long long) m.map.size, m.map.file ? "file" : "process",
          m.map.note);
  print_ranges (&m.map);
  r = memory_cross_check (env, g, clock_ms () + DEADLINE_MS, &m.map, &err);
  printf ("cross-check=%s\n", r == 0 ? "same" : error_text (&err));
  if (m.map.plugged || m.map.guess)
    {
      r = memory_ask (env, g, clock_ms () + DEADLINE_MS, &m, &err);
      printf ("asked=%s note=%s\n", r == 0 ? "added" : error_text (&err),
              m.map.note);
      print_ranges (&m.map);
    }
  memory_done (&m);
  return r < 0;
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
  int r = 2;

  if (argc != 5 || !g || loop_new (&loop, NULL) < 0
      || pthread_create (&thread, NULL, run_loop, loop) != 0)
    {
      fprintf (stderr, "memory-where: PID unix ROOT PATH | PID libvirt URI "
                       "UUID\n");
      return 2;
    }
  g->inc.pid = (int32_t) strtol (argv[1], NULL, 10);
  guest_copy (g->display, sizeof g->display, argv[4]);
  if (proc_start_time (g->inc.pid, &g->inc.start_time, NULL) < 0)
    fprintf (stderr, "memory-where: there is no process %s\n", argv[1]);
  else if (strcmp (argv[2], "unix") == 0)
    {
      g->monitor = MONITOR_UNIX;
      guest_copy (g->monitor_root, sizeof g->monitor_root, argv[3]);
      guest_copy (g->monitor_path, sizeof g->monitor_path, argv[4]);
      r = where (&env, g);
    }
#ifdef WITH_LIBVIRT
  else if (virt_init (loop, NULL) >= 0)
    {
      g->monitor = MONITOR_LIBVIRT;
      guest_copy (g->host, sizeof g->host, argv[3]);
      guest_copy (g->inc.uuid, sizeof g->inc.uuid, argv[4]);
      r = where (&env, g);
    }
#endif
  loop_stop (loop);
  pthread_join (thread, NULL);
  guest_unref (g);
  return r;
}
