/* SPDX-License-Identifier: Apache-2.0
 *
 * Guests that fail together: what they have in common of their host.  Pure: it
 * is fed with snapshots of guests and with when they failed, and says which
 * resource is the likely culprit, if one is.
 *
 * A resource is one where guests that failed within CROWD_WINDOW_MS are at
 * least as many as its kind asks for, and most of those that use it.  What
 * belongs to few (a disk, a server of disks) tells more than what most guests
 * of a host share (a folder of images, a bridge); of several, that by which
 * more of them failed.
 */
#ifndef HANGDOG_SUPERVISOR_CROWD_H
#define HANGDOG_SUPERVISOR_CROWD_H

#include "guests/guest.h"

#define CROWD_WINDOW_MS 60000

enum crowd_kind
{
  CROWD_DISK,   /* one file or device behind several guests */
  CROWD_SERVER, /* NBD, iSCSI, ...: who serves their disks */
  CROWD_FOLDER, /* images, or volumes of one group, beside each other */
  CROWD_BRIDGE,
  CROWD_SOURCE, /* libvirt: of guests that could not be asked */
  CROWD_KIND_MAX,
};
extern const char *const crowd_kind_names[]; /* NULL terminated */

struct crowd_resource
{
  enum crowd_kind kind;
  char name[280]; /* "nbd 10.0.0.1:10809", "/var/lib/libvirt/images" */
};

#define CROWD_MAX_RESOURCES (2 * GUEST_MAX_DISKS + GUEST_MAX_NICS + 1)
/* What that guest needs of its host, by its snapshot; returns how many, each
 * once. */
unsigned crowd_resources (const struct guest *g,
                          struct crowd_resource ret[CROWD_MAX_RESOURCES]);
bool crowd_uses (const struct guest *g, const struct crowd_resource *r);

struct crowd_member
{
  const struct guest *guest;
  bool failed;        /* and is not well again */
  uint64_t failed_ms; /* then; any clock that only goes forward */
  bool mute;          /* it could not be asked: nothing else is known */
};
struct crowd
{
  struct crowd_resource resource;
  unsigned failed, users;
  uint64_t first_ms; /* the first of those that failed */
};
/* What list[who], which failed, has in common with others of them that did;
 * false: nothing that says more than chance. */
bool crowd_find (const struct crowd_member *list, size_t n, size_t who,
                 uint64_t now_ms, struct crowd *ret);

#endif
