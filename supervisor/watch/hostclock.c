/* SPDX-License-Identifier: Apache-2.0
 *
 * Gaps in the host's time.
 */
#include "supervisor/watch/hostclock.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pressure.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GAPS 8
/* Clocks are read one after the other; a suspend is longer. */
#define SUSPEND_MS 300
#define LATE_MS 1000
/* A look sooner than this says no more than the last one. */
#define SOON_MS 200
/* Of a tick spent in line for a processor, that starves us; of one in which a
 * crowd of failures would be the host's doing. */
#define STARVED_PERCENT 50
#define PRESSED_PERCENT 10
#define MEMORY_PRESSED 10.0
#define CPU_PRESSED 60.0
#define PRESSED_MS 30000

const char *const host_codes[]
    = { "host-suspended", "host-frozen", "host-starved", NULL };

struct hostclock
{
  struct hostclock_env env;
  struct timer *tick;
  struct host_sample last;
  struct host_gap gaps[GAPS]; /* a ring */
  unsigned n, at;
  uint64_t pressed_ms; /* when it was last seen so, 0 = never */
  char pressed[96];
  int sched_fd, cpu_fd, memory_fd;
};

/* ---- what two samples tell ---- */

struct gone
{
  uint64_t mono, boot, ran, waited; /* ms */
};

static uint64_t
since (uint64_t now, uint64_t was)
{
  return now > was ? now - was : 0;
}

static struct gone
gone (const struct host_sample *was, const struct host_sample *now)
{
  return (struct gone){
    .mono = since (now->mono_ms, was->mono_ms),
    .boot = since (now->boot_ms, was->boot_ms),
    .ran = since (now->ran_us, was->ran_us) / 1000,
    .waited = since (now->waited_us, was->waited_us) / 1000,
  };
}

static bool
tell (struct host_gap *ret, enum host_why why, uint64_t ms, const char *what,
      const char *more)
{
  char text[32];

  ret->why = why;
  ret->lasted_ms = ms;
  units_format_duration (text, sizeof (text), ms);
  snprintf (ret->says, sizeof (ret->says), "%s %s%s", what, text, more);
  return true;
}

bool
host_compare (const struct host_sample *was, const struct host_sample *now,
              struct host_gap *ret)
{
  struct gone g = gone (was, now);
  uint64_t late = g.mono > HOST_TICK_MS ? g.mono - HOST_TICK_MS : 0;
  char more[64] = "";

  *ret = (struct host_gap){ .from_ms = was->mono_ms, .to_ms = now->mono_ms };
  if (g.boot > g.mono + SUSPEND_MS)
    {
      ret->to_ms += HOST_SETTLE_MS;
      return tell (ret, HOST_SUSPENDED, g.boot - g.mono,
                   "the host was suspended for", "");
    }
  if (now->cpu_some >= 0)
    snprintf (more, sizeof (more), " (processors under pressure: %.0f %%)",
              now->cpu_some);
  /* A tick has its length, and what was long may have been waited for. */
  if (now->has_sched
      && (g.waited * 100 >= STARVED_PERCENT * (late ? late : g.mono))
      && g.waited * 100 >= STARVED_PERCENT * HOST_TICK_MS)
    return tell (ret, HOST_STARVED, g.waited,
                 "hangdog waited for a processor for", more);
  /* What used the processor itself did not stand still. */
  if (late >= LATE_MS && !(now->has_sched && g.ran * 2 >= late))
    return tell (ret, HOST_FROZEN, late, "hangdog stood still for", "");
  return false;
}

/* Less than a gap; "" when it is not so.  Memory is here alone: on a quiet host
 * one guest that swaps is all that runs, and all that waits. */
static void
compare_pressed (const struct host_sample *was, const struct host_sample *now,
                 char *dst, size_t n)
{
  struct gone g = gone (was, now);

  dst[0] = '\0';
  if (now->has_sched && g.mono >= SOON_MS
      && g.waited * 100 >= PRESSED_PERCENT * g.mono)
    snprintf (dst, n, "hangdog waited for a processor for %llu of %llu ms",
              (unsigned long long) g.waited, (unsigned long long) g.mono);
  else if (now->memory_full >= MEMORY_PRESSED)
    snprintf (dst, n, "all that ran waited for memory for %.0f %% of 10 s",
              now->memory_full);
  else if (now->cpu_some >= CPU_PRESSED)
    snprintf (dst, n, "its processors were under pressure for %.0f %% of 10 s",
              now->cpu_some);
}

/* ---- what is there to be read ---- */

static int
open_one (const char *path)
{
  return open (path, O_RDONLY | O_CLOEXEC);
}

/* < 0 when there is none. */
static double
psi_of (int fd, const char *kind)
{
  char text[256];
  ssize_t n = fd < 0 ? -1 : pread (fd, text, sizeof (text) - 1, 0);
  double v;

  if (n <= 0)
    return -1;
  text[n] = '\0';
  return pressure_avg10 (text, kind, &v) ? v : -1;
}

static void
read_sched (struct hostclock *h, struct host_sample *s)
{
  char text[96];
  ssize_t n = h->sched_fd < 0
                  ? -1
                  : pread (h->sched_fd, text, sizeof (text) - 1, 0);
  unsigned long long ran, waited;
  char *end;

  if (n <= 0)
    return;
  text[n] = '\0';
  ran = strtoull (text, &end, 10);
  waited = strtoull (end, NULL, 10);
  s->has_sched = *end == ' ';
  s->ran_us = ran / 1000;
  s->waited_us = waited / 1000;
}

static void
sample (struct hostclock *h, struct host_sample *ret)
{
  *ret = (struct host_sample){ .cpu_some = -1, .memory_full = -1 };
  if (h->env.sample)
    {
      h->env.sample (ret, h->env.arg);
      return;
    }
  ret->boot_ms = clock_boot_ms ();
  ret->mono_ms = clock_ms ();
  read_sched (h, ret);
  ret->cpu_some = psi_of (h->cpu_fd, "some");
  ret->memory_full = psi_of (h->memory_fd, "full");
}

/* ---- gaps ---- */

/* More of the one before: a host that starves does so for many ticks. */
static bool
extend (struct hostclock *h, const struct host_gap *g)
{
  struct host_gap *last;

  if (!h->n)
    return false;
  last = &h->gaps[(h->at + GAPS - 1) % GAPS];
  if (last->why != g->why || g->why == HOST_SUSPENDED
      || g->from_ms > last->to_ms + 2 * HOST_TICK_MS)
    return false;
  last->to_ms = g->to_ms;
  last->lasted_ms += g->lasted_ms;
  memcpy (last->says, g->says, sizeof (last->says));
  return true;
}

static void
remember (struct hostclock *h, const struct host_gap *g)
{
  if (extend (h, g))
    return;
  h->gaps[h->at] = *g;
  h->at = (h->at + 1) % GAPS;
  if (h->n < GAPS)
    h->n++;
  log_warn ("%s: what checks bring meanwhile does not count, unless it is well",
            g->says);
}

void
hostclock_look (struct hostclock *h)
{
  struct host_sample now;
  struct host_gap g;
  char pressed[sizeof (h->pressed)];
  bool gap;

  if (loop_now (h->env.loop) < h->last.mono_ms + SOON_MS)
    return;
  sample (h, &now);
  gap = host_compare (&h->last, &now, &g);
  compare_pressed (&h->last, &now, pressed, sizeof (pressed));
  if (pressed[0])
    {
      h->pressed_ms = now.mono_ms;
      memcpy (h->pressed, pressed, sizeof (h->pressed));
    }
  h->last = now;
  if (!gap)
    return;
  remember (h, &g);
  if (h->env.gap)
    h->env.gap (&g, h->env.arg);
}

static void
on_tick (struct timer *t, void *arg)
{
  hostclock_look (arg);
  timer_in (t, HOST_TICK_MS);
}

bool
hostclock_over (struct hostclock *h, uint64_t from_ms, uint64_t to_ms,
                struct host_gap *ret)
{
  hostclock_look (h);
  for (unsigned i = 0; i < h->n; i++)
    {
      const struct host_gap *g = &h->gaps[(h->at + GAPS - 1 - i) % GAPS];

      if (g->to_ms < from_ms || g->from_ms > to_ms)
        continue;
      *ret = *g;
      return true;
    }
  return false;
}

bool
hostclock_last (struct hostclock *h, struct host_gap *ret)
{
  if (!h->n)
    return false;
  *ret = h->gaps[(h->at + GAPS - 1) % GAPS];
  return true;
}

const char *
hostclock_pressed (struct hostclock *h)
{
  hostclock_look (h);
  return h->pressed_ms
                 && h->last.mono_ms - h->pressed_ms <= PRESSED_MS
             ? h->pressed
             : "";
}

/* ---- making ---- */

int
hostclock_new (const struct hostclock_env *env, struct hostclock **ret,
               struct error *err)
{
  struct hostclock *h = calloc (1, sizeof (*h));
  int r;

  if (!h)
    return error_set (err, ENOMEM, "no memory for the host's clock");
  h->env = *env;
  h->sched_fd = h->cpu_fd = h->memory_fd = -1;
  if (!env->sample)
    {
      /* What is not there is not known. */
      h->sched_fd = open_one ("/proc/thread-self/schedstat");
      h->cpu_fd = open_one ("/proc/pressure/cpu");
      h->memory_fd = open_one ("/proc/pressure/memory");
    }
  r = loop_timer (env->loop, "host clock", on_tick, h, &h->tick, err);
  if (r < 0)
    {
      hostclock_free (h);
      return r;
    }
  sample (h, &h->last);
  timer_in (h->tick, HOST_TICK_MS);
  *ret = h;
  return 0;
}

void
hostclock_free (struct hostclock *h)
{
  if (!h)
    return;
  timer_free (h->tick);
  cleanup_close_ (&h->sched_fd);
  cleanup_close_ (&h->cpu_fd);
  cleanup_close_ (&h->memory_fd);
  free (h);
}
