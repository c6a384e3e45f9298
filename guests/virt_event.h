/* SPDX-License-Identifier: Apache-2.0
 *
 * Our loop as libvirt's event implementation.  Internal to guests/.
 */
#ifndef HANGDOG_GUESTS_VIRT_EVENT_H
#define HANGDOG_GUESTS_VIRT_EVENT_H

struct error;
struct loop;

/* Before any connection; -EALREADY the second time. */
int virt_event_register (struct loop *loop, struct error *err);
/* On the loop's thread, after its last round and before loop_free(). */
void virt_event_done (void);

#endif
