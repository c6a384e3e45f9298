/* SPDX-License-Identifier: Apache-2.0
 *
 * What guests say themselves of their addresses, by their agents.  Nobody is
 * asked but where a check needed an address and nobody else knew one; few at a
 * time, in the agent's lane, and seldom.  Loop thread only.
 */
#ifndef HANGDOG_GUESTS_HEARSAY_H
#define HANGDOG_GUESTS_HEARSAY_H

#include "guests/address.h"
#include "guests/addresses.h"

struct hearsay;

struct hearsay_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct guest_registry *registry;
  addresses_ask_fn *ask; /* NULL: nobody is asked */
  void *ask_arg;
  void (*heard) (void *arg); /* hearsay_claims() has others than before */
  void *arg;
};
int hearsay_new (const struct hearsay_env *env, struct hearsay **ret,
                 struct error *err);
/* When no job of its is left. */
void hearsay_free (struct hearsay *h);

/* A check missed this guest's address. */
void hearsay_want (struct hearsay *h, const struct guest *g);
/* It has gone, or is another by now. */
void hearsay_forget (struct hearsay *h, const char *uuid);
/* What was said until then (loop_now()), and is not too long ago. */
void hearsay_claims (const struct hearsay *h, uint64_t until_ms,
                     struct address_claims *ret);
unsigned long long hearsay_questions (const struct hearsay *h);

#endif
