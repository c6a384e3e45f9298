/* SPDX-License-Identifier: Apache-2.0
 *
 * Several things of one kind, side by side: what is dead costs its own time
 * then, and not that of those behind it.
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/job.h"

#include <pthread.h>
#include <stdatomic.h>

#define STACK_BYTES (256u << 10)

struct together
{
  const struct collect_ctx *ctx;
  collect_part_fn *part;
  void *arg;
  unsigned n;
  atomic_uint next;
};

/* So that each has its turn: its share of what is left. */
static uint64_t
share_until (const struct together *t, unsigned i)
{
  unsigned turns = (t->n - i + COLLECT_AT_ONCE - 1) / COLLECT_AT_ONCE;
  uint64_t now = clock_ms (), end = t->ctx->deadline;

  return now < end ? now + (end - now) / turns : end;
}

static void *
work (void *arg)
{
  struct together *t = arg;
  unsigned i;

  while (!collect_over (t->ctx)
         && (i = atomic_fetch_add (&t->next, 1)) < t->n)
    {
      struct collect_ctx own = *t->ctx;

      own.out = NULL;
      own.deadline = share_until (t, i);
      t->part (&own, i, t->arg);
    }
  return NULL;
}

void
collect_together (const struct collect_ctx *ctx, unsigned n,
                  collect_part_fn *part, void *arg)
{
  struct together t = { .ctx = ctx, .part = part, .arg = arg, .n = n };
  pthread_t threads[COLLECT_AT_ONCE - 1];
  unsigned nthreads = 0;
  pthread_attr_t attr;

  pthread_attr_init (&attr);
  pthread_attr_setstacksize (&attr, STACK_BYTES);
  /* With none of them it is one after the other. */
  while (nthreads + 1 < n && nthreads < COLLECT_AT_ONCE - 1
         && pthread_create (&threads[nthreads], &attr, work, &t) == 0)
    {
      job_helper_begun ();
      nthreads++;
    }
  pthread_attr_destroy (&attr);
  (void) work (&t);
  while (nthreads)
    {
      pthread_join (threads[--nthreads], NULL);
      job_helper_over ();
    }
}
