/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest that began anew inside of the same QEMU, where nobody tells of it:
 * by its uptime, when a dialogue brings one back, and by its text, in which a
 * firmware, a boot loader or a kernel begins (text.h).  The registry is told
 * (registry_rebooted), and tells everybody.  Loop thread only.
 *
 * Or by its memory, in which the kernel that was read is not any more
 * (eyes.h): an uptime has nobody brought, and its console is silent until the
 * new kernel has come to it.
 *
 * What text or memory alone shows is a suspicion.  It begins a new life, so
 * that a guest that boots is not called hung by answers of the life before; but
 * it ends no trouble that others saw (incidents.h) until it is confirmed: by
 * the other of the two within a minute, an uptime that is no longer than the
 * time since, a reset that the hypervisor tells of, or an answer.
 *
 * An uptime came within a nonce's frame, so it is what the guest says; one that
 * fell to more than the time since the last one is of another clock.  Text
 * anybody can print.  It counts after some seconds, unless a check that was
 * begun before it is answered well, and faster than a guest boots (it was
 * `dmesg`), or the text goes on as that of a kernel that is older.  What a
 * guest can win by all this is that failed checks are counted from zero, a few
 * times an hour as long as something answers, and then ever more seldom: a
 * hang is told, however slow the check.
 */
#ifndef HANGDOG_SUPERVISOR_BOOTS_H
#define HANGDOG_SUPERVISOR_BOOTS_H

#include "guests/registry.h"
#include "kernel/text/uptime.h"

struct boots;
struct error;
struct loop;

int boots_new (struct loop *loop, struct guest_registry *registry,
               struct boots **ret, struct error *err);
void boots_free (struct boots *b);

/* A boot began in a guest's text; and: it was the log of one that began long
 * ago. */
void boots_text (struct boots *b, const char *uuid);
void boots_replay (struct boots *b, const char *uuid);
/* Of that life nothing is left in its memory.  It counts once until something
 * answers: a loop of boots is not held for so many guests that boot. */
void boots_memory (struct boots *b, const struct incarnation *inc);

/* The registry's listener hands this on. */
void boots_guest (struct boots *b, enum guest_change change,
                  const struct guest *was, const struct guest *now);

/* A check of that life, begun then, was answered well.  up is NULL when it
 * brought no uptime.  True: the guest began anew, and has another incarnation
 * by now, in which it gave that answer. */
bool boots_answered (struct boots *b, const struct incarnation *inc,
                     uint64_t begun_ms, const struct uptime *up);

#endif
