/* SPDX-License-Identifier: Apache-2.0
 *
 * What EVE's own services say of an application, joined to its guest.
 */
#ifndef HANGDOG_GUESTS_EVE_H
#define HANGDOG_GUESTS_EVE_H

#include "guests/guest.h"

struct error;
struct opener;

/* Folders below the status root whose changes matter; NULL terminated. */
extern const char *const eve_folders[];
#define EVE_FOLDERS 5

/* What has to be remembered of one life of a guest between two joins, all
 * zero when that life is first seen.  A restart or purge is ordered by raising
 * a counter; EVE's own marks of it come later, and the status does not say how
 * far it has come. */
struct eve_orders
{
  bool known;
  uint64_t restarts, purges, rollbacks; /* that this life began with */
  uint64_t rose_ms; /* when one was first seen to be higher, 0 = it is not */
};

/* Reads EVE's files about g->inc.uuid below root and fills name, state,
 * intent, addresses and labels.  Missing files and fields are no error: each
 * release has its own.  orders may be NULL.  Returns how many files spoke; < 0
 * only when the opener itself failed. */
int eve_join (struct opener *opener, const char *root, uint64_t deadline,
              struct eve_orders *orders, struct guest *g, struct error *err);

/* The process that EVE says is this guest's QEMU; 0 = not said.  A hint: the
 * process has to be checked. */
int32_t eve_pid (struct opener *opener, const char *root, uint64_t deadline,
                 const char *uuid);

#endif
