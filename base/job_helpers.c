/* SPDX-License-Identifier: Apache-2.0
 *
 * How many threads there are beside the pools of jobs.
 */
#include "base/job.h"

#include <stdatomic.h>

/* Of the process, as those threads are. */
static atomic_uint helpers;

void
job_helper_begun (void)
{
  atomic_fetch_add (&helpers, 1);
}

void
job_helper_over (void)
{
  atomic_fetch_sub (&helpers, 1);
}

unsigned
job_helpers (void)
{
  return atomic_load (&helpers);
}
