/* SPDX-License-Identifier: Apache-2.0
 *
 * Helper threads for calls of libvirt: see virt_call.h.
 */
#include "transports/virt_call.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/job.h"
#include "guests/virt.h"

#include <stdlib.h>
#include <time.h>

#define MAX_HELPERS 32

void
virt_call_unref (struct virt_call *c)
{
  bool last;

  if (!c)
    return;
  {
    LOCK_SCOPE (&c->m);
    last = --c->refs == 0;
  }
  if (!last)
    return;
  pthread_mutex_destroy (&c->m);
  pthread_cond_destroy (&c->back);
  c->kind->done (c);
  free (c);
}

struct virt_call *
virt_call_new (const struct virt_call_kind *kind, const struct guest *g)
{
  struct virt_call *c = calloc (1, kind->size);
  pthread_condattr_t attr;

  if (!c)
    return NULL;
  c->kind = kind;
  pthread_mutex_init (&c->m, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&c->back, &attr);
  pthread_condattr_destroy (&attr);
  c->refs = 1;
  guest_copy (c->uri, sizeof c->uri, g->host);
  c->inc = g->inc;
  return c;
}

/* ---- the helper's side ---- */

static int
ask_domain (struct virt_call *c, struct error *why)
{
  virConnectPtr conn = NULL;
  virDomainPtr dom;
  int r = virt_borrow (c->uri, &conn, why);

  if (r < 0)
    return r;
  dom = virDomainLookupByUUIDString (conn, c->inc.uuid);
  r = dom ? c->kind->ask (c, dom, why) : virt_error (why, c->inc.uuid);
  if (dom)
    virDomainFree (dom);
  virt_return (c->uri, conn);
  return r;
}

static void *
helper (void *arg)
{
  struct virt_call *c = arg;
  atomic_uint *helpers = c->kind->helpers;
  struct error why = ERROR_INIT;
  int r = ask_domain (c, &why);

  {
    LOCK_SCOPE (&c->m);
    c->rc = r;
    c->why = why;
    c->over = true;
    pthread_cond_signal (&c->back);
  }
  virt_call_unref (c);
  atomic_fetch_sub (helpers, 1);
  job_helper_over ();
  return NULL;
}

/* ---- the asker's side ---- */

int
virt_call_start (struct virt_call *c, struct error *err)
{
  pthread_attr_t attr;
  pthread_t thread;
  int r;

  if (atomic_fetch_add (c->kind->helpers, 1) >= MAX_HELPERS)
    {
      atomic_fetch_sub (c->kind->helpers, 1);
      return error_set (err, EAGAIN, "%u %s have not come back", MAX_HELPERS,
                        c->kind->what);
    }
  pthread_attr_init (&attr);
  pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize (&attr, 256u << 10);
  c->refs++;
  job_helper_begun ();
  r = pthread_create (&thread, &attr, helper, c);
  pthread_attr_destroy (&attr);
  if (r == 0)
    return 0;
  c->refs--;
  job_helper_over ();
  atomic_fetch_sub (c->kind->helpers, 1);
  return error_errno (err, r, "a thread for libvirt");
}

int
virt_call_wait (struct virt_call *c, uint64_t deadline)
{
  const struct timespec until
      = { .tv_sec = (time_t) (deadline / 1000),
          .tv_nsec = (long) (deadline % 1000) * 1000000 };
  int r;

  LOCK_SCOPE (&c->m);
  while (!c->over)
    {
      r = deadline == CLOCK_NEVER
              ? pthread_cond_wait (&c->back, &c->m)
              : pthread_cond_timedwait (&c->back, &c->m, &until);
      if (r != 0 && !c->over)
        return -ETIMEDOUT;
    }
  return 0;
}
