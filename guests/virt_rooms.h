/* SPDX-License-Identifier: Apache-2.0
 *
 * What only a process that links libvirt can do.
 *
 * Each of these is there twice: in librooms_virt.a, which calls libvirt, and in
 * librooms_novirt.a (virt_none.c of each room), which says that it can't be
 * done here.  A programme chooses by what it is linked with, so that no other
 * file needs to know; and a host without a libvirt source is not charged for
 * libvirt's forty libraries.  The other members: guest_source_libvirt,
 * monitor_libvirt and what is beside it, console_stream, sysrq_press_libvirt_.
 */
#ifndef HANGDOG_GUESTS_VIRT_ROOMS_H
#define HANGDOG_GUESTS_VIRT_ROOMS_H

struct error;
struct loop;

#define VIRT_NONE_TEXT                                                        \
  "libvirt is not to be had here: hangdog was built without it, or no "       \
  "source of kind \"libvirt\" is configured"

/* Registers the loop as libvirt's; once per process, before any connection. */
int virt_init (struct loop *loop, struct error *err);
/* Closes all; the process is ending.  Loop thread, after its last round and
 * before loop_free(). */
void virt_done (void);

#endif
