/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at the QEMU process, for when the console can't be had.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/opener.h"

#include <stdio.h>
#include <string.h>

/* State of /proc/PID/stat, '?' when it can't be read, 0 when it is gone. */
static char
state_of (const struct incarnation *inc)
{
  uint64_t start;
  char state;
  /* Another process may have the number by now: then ours is gone. */
  int rc = proc_start_time (inc->pid, &start, NULL);

  if (rc == -ESRCH || rc == -ENOENT || (rc >= 0 && start != inc->start_time))
    return 0;
  state = proc_state (inc->pid);
  return state ? state : '?';
}

bool
judge_process (const struct guest *g, struct outcome_report *ret)
{
  /* Not on this host, or not known: nothing can be seen from here. */
  if (g->inc.pid <= 0)
    return false;
  switch (state_of (&g->inc))
    {
    case 'T':
    case 't':
      report_set (ret, OUTCOME_FAILED, "vmm-stopped",
                  "the QEMU process %d is stopped by a signal or a debugger",
                  g->inc.pid);
      return true;
    case 'Z':
    case 'X':
    case 0:
      report_set (ret, OUTCOME_FAILED, "vmm-dead",
                  "the QEMU process %d has ended", g->inc.pid);
      return true;
    default:
      return false;
    }
}
