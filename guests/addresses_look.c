/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at who has which address, in a job's thread.
 */
#include "guests/addresses_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/job.h"
#include "base/opener.h"
#include "guests/virt_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct addresses_look *
addresses_look_new (size_t nguests)
{
  struct addresses_look *l = calloc (1, sizeof *l);

  if (!l)
    return NULL;
  l->macs = calloc (nguests * GUEST_MAX_NICS + 1, sizeof l->macs[0]);
  l->places = calloc (nguests + 1, sizeof l->places[0]);
  l->asked = calloc (ADDRESSES_MAX_ASKED, sizeof l->asked[0]);
  l->own = calloc (ADDRESSES_MAX_OWN, sizeof l->own[0]);
  if (l->macs && l->places && l->asked && l->own)
    return l;
  addresses_look_free (l);
  return NULL;
}

void
addresses_look_free (void *look)
{
  struct addresses_look *l = look;

  if (!l)
    return;
  for (size_t i = 0; i < l->npaths; i++)
    free (l->paths[i]);
  free (l->paths);
  free (l->macs);
  free (l->ips);
  free (l->places);
  free (l->asked);
  free (l->own);
  address_claims_done (&l->claims);
  free (l);
}

/* Once per process: its network is not changed under a QEMU.  One that can't
 * be looked at is taken for ours. */
static void
find_place (struct addresses_look *l, struct addresses_place *p,
            uint64_t deadline)
{
  char path[64];
  const struct open_req req = { .kind = OPEN_PROC,
                                .root = "/proc",
                                .path = path,
                                .check_pid = p->pid,
                                .check_start = p->start_time };
  CLEANUP_CLOSE int fd = -1;
  struct stat ours, theirs;

  snprintf (path, sizeof path, "%d/ns/net", (int) p->pid);
  p->known = true;
  p->foreign
      = l->opener->open (l->opener, &req, deadline, &fd, NULL, NULL) == 0
        && fstat (fd, &theirs) == 0 && stat ("/proc/self/ns/net", &ours) == 0
        && (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev);
}

static void
look_into_places (struct addresses_look *l, struct job *job,
                  const struct address_reading *r)
{
  for (size_t i = 0; i < l->nplaces && !job_stopping (job); i++)
    {
      struct addresses_place *p = &l->places[i];

      if (!p->known)
        find_place (l, p, job_deadline (job));
      /* It may be over by now, which is no trouble of ours. */
      if (p->foreign)
        (void) address_read_process (r, p->pid, p->start_time, NULL);
    }
}

static int
look_at_host (struct addresses_look *l, struct job *job,
              const struct address_reading *r)
{
  int rc = address_read_neighbours (r, &l->why);

  l->nown = address_read_own (l->own, ADDRESSES_MAX_OWN);
  l->leases_known = true;
  for (size_t i = 0; i < l->npaths && !job_stopping (job); i++)
    {
      int one = address_read_path (r, l->opener, l->paths[i],
                                   job_deadline (job), &l->why);

      if (one < 0)
        {
          rc = one;
          l->leases_known = false;
        }
    }
  look_into_places (l, job, r);
  return rc;
}

int
addresses_look_run (struct job *job, void *look)
{
  struct addresses_look *l = look;
  const struct address_reading r = {
    .out = &l->claims,
    .macs = (const char (*)[ADDRESS_MAC_TEXT]) l->macs,
    .nmacs = l->nmacs,
    .ips = (const char (*)[ADDRESS_TEXT]) l->ips,
    .nips = l->nips,
    .now_ms = clock_ms (),
    .wall_ms = clock_wall_ms (),
  };
  int rc;

  if (!l->uri[0])
    return look_at_host (l, job, &r);
  rc = virt_addresses (l->uri, (const char (*)[UUID_TEXT]) l->asked, l->nasked,
                       job, &r, &l->why);
  l->leases_known = rc == 0;
  return rc;
}
