/* SPDX-License-Identifier: Apache-2.0
 *
 * A small world for tests and benches of the console hub.
 */
#include "tests/fakes/hubworld.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#define LOOK_MS 2

static void
must (int r, const struct error *err)
{
  if (r >= 0)
    return;
  fprintf (stderr, "hubworld: %s\n", error_text (err));
  abort ();
}

/* ---- on the loop's thread ---- */

struct call
{
  void (*fn) (void *arg);
  void *arg;
  pthread_mutex_t m;
  pthread_cond_t c;
  bool done;
};

static void
run_call (void *arg)
{
  struct call *call = arg;

  call->fn (call->arg);
  LOCK_SCOPE (&call->m);
  call->done = true;
  pthread_cond_signal (&call->c);
}

void
hubworld_do (struct hubworld *w, void (*fn) (void *arg), void *arg)
{
  struct call call = { .fn = fn, .arg = arg };

  pthread_mutex_init (&call.m, NULL);
  pthread_cond_init (&call.c, NULL);
  must (loop_post (w->loop, run_call, &call, NULL), NULL);
  pthread_mutex_lock (&call.m);
  while (!call.done)
    pthread_cond_wait (&call.c, &call.m);
  pthread_mutex_unlock (&call.m);
  pthread_cond_destroy (&call.c);
  pthread_mutex_destroy (&call.m);
}

static void *
run_loop (void *arg)
{
  struct hubworld *w = arg;
  struct error err = ERROR_INIT;

  must (loop_run (w->loop, &err), &err);
  return NULL;
}

struct start
{
  struct hubworld *w;
  const struct hub_limits *limits;
  const struct console_sink *sink;
};

static void
make_hub (void *arg)
{
  struct start *s = arg;
  struct error err = ERROR_INIT;

  must (hub_new (s->w->loop, s->w->jobs, opener_local (), s->w->bus,
                 s->limits, s->sink, &s->w->hub, &err),
        &err);
}

void
hubworld_start (struct hubworld *w, const struct hub_limits *limits,
                const struct job_limits *jobs, const struct console_sink *sink)
{
  struct error err = ERROR_INIT;
  struct start s = { w, limits, sink };
  struct job_limits default_jobs = { .max_threads = 64, .max_discarded = 32,
                                     .grace_ms = 500,
                                     .stack_bytes = 256 << 10 };

  memset (w, 0, sizeof *w);
  must (loop_new (&w->loop, &err), &err);
  must (job_pool_new (w->loop, jobs ? jobs : &default_jobs, &w->jobs, &err),
        &err);
  must (fact_bus_new (w->loop, 4096, &w->bus, &err), &err);
  must (-pthread_create (&w->thread, NULL, run_loop, w), NULL);
  hubworld_do (w, make_hub, &s);
}

static void
free_hub (void *arg)
{
  struct hubworld *w = arg;

  hub_free (w->hub);
  w->hub = NULL;
}

void
hubworld_stop (struct hubworld *w)
{
  hubworld_do (w, free_hub, w);
  loop_stop (w->loop);
  pthread_join (w->thread, NULL);
  job_pool_free (w->jobs, 2000);
  fact_bus_free (w->bus);
  loop_free (w->loop);
}

/* ---- guests ---- */

const char *
hubworld_uuid (unsigned index, char *dst, size_t n)
{
  snprintf (dst, n, "00000000-0000-4000-8000-%012x", index);
  return dst;
}

struct guest *
hubworld_snapshot (unsigned index, enum console_kind kind,
                   enum console_mode mode, const char *path)
{
  struct guest *g = guest_new ();
  struct guest_console *c = &g->consoles[0];
  const char *slash = strrchr (path, '/');

  hubworld_uuid (index, g->inc.uuid, sizeof g->inc.uuid);
  snprintf (g->name, sizeof g->name, "fake%u", index);
  snprintf (g->display, sizeof g->display, "fake%u", index);
  snprintf (g->source, sizeof g->source, "test");
  g->run = GUEST_RUNNING;
  g->nconsoles = 1;
  snprintf (c->name, sizeof c->name, "serial0");
  c->kind = kind;
  c->mode = mode;
  snprintf (c->root, sizeof c->root, "%.*s", (int) (slash - path), path);
  snprintf (c->path, sizeof c->path, "%s", slash + 1);
  return g;
}

struct tell
{
  struct hubworld *w;
  enum guest_change change;
  const struct guest *g;
};

static void
tell_hub (void *arg)
{
  struct tell *t = arg;

  if (t->change == GUEST_GONE)
    hub_guest (t->w->hub, t->change, t->g, NULL);
  else
    hub_guest (t->w->hub, t->change, NULL, t->g);
}

void
hubworld_tell (struct hubworld *w, enum guest_change change, struct guest *g)
{
  struct tell t = { w, change, g };

  hubworld_do (w, tell_hub, &t);
  guest_unref (g);
}

void
hubworld_guest (struct hubworld *w, unsigned index, enum guest_change change,
                enum console_kind kind, enum console_mode mode,
                const char *path)
{
  hubworld_tell (w, change, hubworld_snapshot (index, kind, mode, path));
}

/* ---- looking ---- */

struct see
{
  struct hubworld *w;
  char uuid[UUID_TEXT];
  struct hubworld_seen *ret;
  enum console_state state;
  unsigned n;
};

static void
see_one (const struct console_info *i, void *arg)
{
  struct see *s = arg;

  s->n += i->state == s->state;
  if (!s->ret || strcmp (i->uuid, s->uuid) != 0)
    return;
  s->ret->found = true;
  s->ret->state = i->state;
  s->ret->bytes = i->bytes;
  s->ret->log_dropped = i->log_dropped;
  s->ret->connects = i->connects;
  s->ret->ring_bytes = i->ring_bytes;
  snprintf (s->ret->detail, sizeof s->ret->detail, "%s", i->detail);
  snprintf (s->ret->holder, sizeof s->ret->holder, "%s", i->holder);
}

static void
see_all (void *arg)
{
  struct see *s = arg;

  hub_each (s->w->hub, see_one, s);
}

void
hubworld_see (struct hubworld *w, unsigned index, struct hubworld_seen *ret)
{
  struct see s = { .w = w, .ret = ret };

  memset (ret, 0, sizeof *ret);
  hubworld_uuid (index, s.uuid, sizeof s.uuid);
  hubworld_do (w, see_all, &s);
}

unsigned
hubworld_count (struct hubworld *w, enum console_state state)
{
  struct see s = { .w = w, .state = state };

  hubworld_do (w, see_all, &s);
  return s.n;
}

bool
hubworld_wait (struct hubworld *w, unsigned index, enum console_state state,
               uint64_t most_ms)
{
  struct timespec ts = { .tv_nsec = LOOK_MS * 1000000 };
  uint64_t until = clock_ms () + most_ms;
  struct hubworld_seen seen;

  do
    {
      hubworld_see (w, index, &seen);
      if (seen.found && seen.state == state)
        return true;
      (void) nanosleep (&ts, NULL);
    }
  while (clock_ms () < until);
  return false;
}
