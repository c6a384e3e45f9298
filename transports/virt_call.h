/* SPDX-License-Identifier: Apache-2.0
 *
 * A call of libvirt that may never come back.
 *
 * libvirt waits for QEMU and for agents without a deadline, or with one that
 * it does not keep itself: so each question is asked by a helper thread that
 * may be left behind.  Who asked goes on at its deadline, and what it has
 * shared with the helper lives until both are through with it.  The helpers of
 * one kind are bounded together.
 */
#ifndef HANGDOG_TRANSPORTS_VIRT_CALL_H
#define HANGDOG_TRANSPORTS_VIRT_CALL_H

#include "base/error.h"
#include "guests/guest.h"

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct virt_call;

struct virt_call_kind
{
  const char *what; /* "questions to libvirt", for people */
  size_t size;      /* of the struct that begins with its struct virt_call */
  /* Of the process: helpers outlive whoever started them. */
  atomic_uint *helpers;
  /* In the helper, over a connection of its own, which a stuck answer takes
   * with it. */
  int (*ask) (struct virt_call *c, virDomainPtr dom, struct error *why);
  /* By whoever is the last: frees what is behind the struct virt_call. */
  void (*done) (struct virt_call *c);
};

/* Between virt_call_start() and a virt_call_wait() that returned 0 all that
 * comes with it is the helper's, but for `reached`. */
struct virt_call
{
  const struct virt_call_kind *kind;
  pthread_mutex_t m;
  pthread_cond_t back;
  unsigned refs;
  bool over;
  /* Set by ask(): libvirt itself has answered, and now another has to. */
  atomic_bool reached;
  char uri[sizeof ((struct guest *) 0)->host];
  struct incarnation inc;
  /* out */
  int rc;
  struct error why;
};

/* kind->size zeroes with that at their beginning; NULL without memory. */
struct virt_call *virt_call_new (const struct virt_call_kind *kind,
                                 const struct guest *g);
void virt_call_unref (struct virt_call *c);
/* -EAGAIN: too many have not come back. */
int virt_call_start (struct virt_call *c, struct error *err);
/* 0 when the helper is done; -ETIMEDOUT. */
int virt_call_wait (struct virt_call *c, uint64_t deadline);

#endif
