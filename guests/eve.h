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

/* Reads EVE's files about g->inc.uuid below root and fills name, state,
 * intent, addresses and labels.  Missing files and fields are no error: each
 * release has its own.  Returns how many files spoke; < 0 only when the
 * opener itself failed. */
int eve_join (struct opener *opener, const char *root, uint64_t deadline,
              struct guest *g, struct error *err);

/* The process that EVE says is this guest's QEMU; 0 = not said.  A hint: the
 * process has to be checked. */
int32_t eve_pid (struct opener *opener, const char *root, uint64_t deadline,
                 const char *uuid);

#endif
