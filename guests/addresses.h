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

struct addresses_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct opener *opener;
  struct guest_registry *registry;
};
int addresses_new (const struct addresses_env *env, struct addresses **ret,
                   struct error *err);
/* When no job of its is left. */
void addresses_free (struct addresses *a);

/* Lease files, or folders of them; copied. */
void addresses_leases (struct addresses *a, char *const *paths, size_t n);
/* What follows comes a round of the loop later. */
void addresses_guest (struct addresses *a, enum guest_change change,
                      const struct guest *was, const struct guest *now);
/* Somebody had to do without one: there is a look soon, but no storm. */
void addresses_want (struct addresses *a);
void addresses_dump (const struct addresses *a, struct buf *out);

#endif
