/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog thread.
 */
#include "supervisor/daemon/watchdog.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "transports/console/hub.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 100

struct watchdog
{
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t cond;
  bool stop;
  struct loop *loop;
  struct hub *hub;
  uint64_t stuck_ms;
};

/* write(2) only: the heap may be what is broken. */
static void
last_words (void)
{
  static const char text[]
      = "hangdog-daemon: the loop is stuck; consoles let go, ending\n";

  (void) !write (STDERR_FILENO, text, sizeof (text) - 1);
}

static void *
watch (void *arg)
{
  struct watchdog *w = arg;
  uint64_t last = clock_ms (), now, beat, seen = 0, since, owed = 0;
  struct timespec ts;

  pthread_mutex_lock (&w->lock);
  while (!w->stop)
    {
      clock_gettime (CLOCK_MONOTONIC, &ts);
      ts.tv_nsec += TICK_MS * 1000000L;
      if (ts.tv_nsec >= 1000000000L)
        {
          ts.tv_sec++;
          ts.tv_nsec -= 1000000000L;
        }
      pthread_cond_timedwait (&w->cond, &w->lock, &ts);
      now = clock_ms ();
      beat = loop_beat (w->loop, &since);
      /* Asleep, or moved on since the last look: all is well. */
      if (since == 0 || beat != seen)
        owed = 0;
      else
        owed += now - last > 2 * TICK_MS ? TICK_MS : now - last;
      seen = beat;
      last = now;
      if (owed >= w->stuck_ms)
        {
          hub_let_go (w->hub);
          last_words ();
          _exit (70);
        }
    }
  pthread_mutex_unlock (&w->lock);
  return NULL;
}

int
watchdog_start (struct loop *loop, struct hub *hub, uint64_t stuck_ms,
                struct watchdog **ret, struct error *err)
{
  struct watchdog *w = calloc (1, sizeof (*w));
  pthread_condattr_t attr;
  int r;

  if (!w)
    return error_set (err, ENOMEM, "no memory for the watchdog");
  w->loop = loop;
  w->hub = hub;
  w->stuck_ms = stuck_ms;
  pthread_mutex_init (&w->lock, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&w->cond, &attr);
  pthread_condattr_destroy (&attr);
  r = pthread_create (&w->thread, NULL, watch, w);
  if (r != 0)
    {
      free (w);
      return error_errno (err, r, "starting the watchdog");
    }
  *ret = w;
  return 0;
}

void
watchdog_stop (struct watchdog *w)
{
  if (!w)
    return;
  pthread_mutex_lock (&w->lock);
  w->stop = true;
  pthread_cond_signal (&w->cond);
  pthread_mutex_unlock (&w->lock);
  pthread_join (w->thread, NULL);
  pthread_cond_destroy (&w->cond);
  pthread_mutex_destroy (&w->lock);
  free (w);
}
