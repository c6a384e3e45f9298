/* SPDX-License-Identifier: Apache-2.0
 *
 * Who finds out which addresses guests have, and keeps the registry's
 * snapshots so: jobs of the host look once a minute, and soon where one is
 * wanted; all guests are served by one look.  Loop thread only.
 */
#ifndef HANGDOG_GUESTS_ADDRESSES_H
#define HANGDOG_GUESTS_ADDRESSES_H

#include "guests/registry.h"

struct addresses;
struct buf;
struct error;
struct job_pool;
struct loop;
struct opener;

/* What a guest's agent says of its nics.  In a job of the agent's lane; 0 with
 * at most max of them in ret, or an errno. */
struct address_said
{
  char mac[18], ip[46];
};
typedef int addresses_ask_fn (void *arg, const struct guest *g,
                              uint64_t deadline, struct address_said *ret,
                              size_t max, size_t *ret_n, struct error *err);

struct addresses_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct opener *opener;
  struct guest_registry *registry;
  addresses_ask_fn *ask; /* NULL: no agent is asked */
  void *ask_arg;
};
int addresses_new (const struct addresses_env *env, struct addresses **ret,
                   struct error *err);
/* When no job of its is left. */
void addresses_free (struct addresses *a);

/* One more lease file, or folder of them, as address_read_path() has it;
 * copied. */
void addresses_leases (const char *path, void *addresses);
void addresses_no_leases (struct addresses *a);
/* What follows comes a round of the loop later. */
void addresses_guest (struct addresses *a, enum guest_change change,
                      const struct guest *was, const struct guest *now);
/* Somebody had to do without this guest's: there is a look soon, but no storm;
 * and its agent is asked, if nobody else knows. */
void addresses_want (struct addresses *a, const struct guest *g);
void addresses_dump (const struct addresses *a, struct buf *out);

#endif
