/* SPDX-License-Identifier: Apache-2.0
 *
 * All guests of this host, whoever found them.  Loop thread only.
 *
 * Sources (guests/source.h) tell the registry what they see; listeners (the
 * console hub, the bindings) hear of changes.  That a guest began anew is
 * decided here and nowhere else: by another process or place of it, by
 * GUEST_EVENT_RESET, and by what others notice and tell (registry_rebooted).
 * Whoever knows something of a guest hears of it as a change, and forgets what
 * ends with it.
 */
#ifndef HANGDOG_GUESTS_REGISTRY_H
#define HANGDOG_GUESTS_REGISTRY_H

#include "guests/guest.h"

#include <string.h>

struct error;
struct fact_bus;
struct loop;
struct guest_registry;

/* In the order of how much of what was known of it is over. */
enum guest_change
{
  GUEST_ADDED,
  GUEST_CHANGED,  /* same incarnation, something else differs */
  GUEST_REBOOTED, /* another boot of the same process; boot_by says by whom */
  GUEST_REPLACED, /* another process, or another place */
  GUEST_GONE,
  GUEST_CHANGE_MAX,
};
extern const char *const guest_change_names[];

/* What is known of a guest lives as long as its boot, as its process, or as
 * the guest.  Who keeps such things has the first two in members of_boot and
 * of_process, in which all zero means that nothing is known yet; this ends
 * what ends with a change.  The rest goes with the guest. */
#define GUEST_FORGET_BOOT(kept, change)                                        \
  ((change) >= GUEST_REBOOTED                                                  \
       ? (void) memset (&(kept)->of_boot, 0, sizeof (kept)->of_boot)           \
       : (void) 0)
#define GUEST_FORGET_PROCESS(kept, change)                                     \
  ((change) >= GUEST_REPLACED                                                  \
       ? (void) memset (&(kept)->of_process, 0, sizeof (kept)->of_process)     \
       : (void) 0)

enum guest_event
{
  GUEST_EVENT_RESET,
  GUEST_EVENT_SHUTDOWN,
  GUEST_EVENT_STOP,
  GUEST_EVENT_RESUME,
  GUEST_EVENT_IO_ERROR,
  GUEST_EVENT_WATCHDOG,
  GUEST_EVENT_PANIC,
  GUEST_EVENT_AGENT_UP,
  GUEST_EVENT_AGENT_DOWN,
  GUEST_EVENT_DIED, /* its QEMU ended, and nobody had asked for that */
  GUEST_EVENT_MAX,
};
extern const char *const guest_event_names[];
/* The hypervisor says that something is wrong, which needs no scenario. */
bool guest_event_is_trouble (enum guest_event event);

/* now is NULL for GUEST_GONE, was is NULL for GUEST_ADDED.  A listener may
 * not change the registry. */
typedef void guest_listen_fn (enum guest_change change,
                              const struct guest *was,
                              const struct guest *now, void *arg);
typedef void guest_event_fn (const struct guest *g, enum guest_event event,
                             const char *detail, void *arg);

/* Publishes facts vmm.status ("paused", then a space and the reason if there
 * is one), guest.intent ("stop" and who said so), guest.boot ("2 uptime": the
 * number and boot_by; not of a process's first), vmm.event ("RESET" and its
 * detail) and vmm.trouble (the last event that is one: guest_event_is_trouble)
 * into bus, which may be NULL.  A guest that is gone gets
 * vmm.status "off gone". */
int registry_new (struct loop *loop, struct fact_bus *bus,
                  struct guest_registry **ret, struct error *err);
void registry_free (struct guest_registry *reg);

/* Takes the reference of g (which the caller must not change any more).  Its
 * boot is the registry's, and its uuid is in lower case from here on, here and
 * wherever a guest is named by its uuid: only what people type (registry_find)
 * may have it otherwise.  Everything else is the source's.  A guest
 * of the same uuid from another source or host is another place of that guest
 * if the pids differ, or if none is known (remote hosts) and it is off at one
 * or on its way; else the first source owns it and the second is ignored.
 * One place is shown to listeners and to all who ask: one where it is not off,
 * and among those the one that was shown before.  Another place taking over
 * (a migration) is a GUEST_REPLACED.  False when it was ignored. */
bool registry_update (struct guest_registry *reg, struct guest *g);
void registry_gone (struct guest_registry *reg, const char *source,
                    const char *host, const char *uuid);
/* A source has told everything it sees of that host: whatever else it once
 * told and did not tell since registry_sweep_begin() is gone.  Between begin
 * and end only registry_update() and registry_keep() calls of that source;
 * keep: it can't be looked at now, and is taken to be as it was. */
void registry_sweep_begin (struct guest_registry *reg, const char *source,
                           const char *host);
void registry_keep (struct guest_registry *reg, const char *source,
                    const char *host, const char *uuid);
void registry_sweep_end (struct guest_registry *reg, const char *source,
                         const char *host);
/* By the place of it: a guest may be on its way between two hosts of one
 * source.  Heard only of the place that is shown. */
void registry_event (struct guest_registry *reg, const char *source,
                     const char *host, const char *uuid,
                     enum guest_event event, const char *detail);
/* Ignored when inc is not current, and when somebody else has already told of
 * a boot in the last two minutes: the hypervisor's event, another kernel in
 * memory and the banner of one boot are one boot.  Not so an uptime: who tells
 * of it has seen it fall in that very inc, so it is one more, however soon. */
void registry_rebooted (struct guest_registry *reg,
                        const struct incarnation *inc, enum boot_by by);
/* Of a current inc whose boot is suspected, else ignored: by whom it is known
 * that it was a boot; BOOT_BY_NOBODY, that it was none.  Listeners hear that
 * boot_by changed. */
void registry_boot_known (struct guest_registry *reg,
                          const struct incarnation *inc, enum boot_by by);

/* What others than its source know of the addresses of a guest: ip, ip2,
 * ip_from and refused of each nic that it has by that mac (or ifname, where it
 * has none).  Of what its source itself does not say they stay until they are
 * told anew, or its process ends.  Ignored when inc is not current. */
void registry_addresses (struct guest_registry *reg,
                         const struct incarnation *inc,
                         const struct guest_nic *nics, unsigned n);

/* What an earlier run of this programme had counted, which would begin at 0
 * again: inc's boot number is that of its process's guest, also when it is
 * only found later. */
void registry_recall (struct guest_registry *reg,
                      const struct incarnation *inc);

int registry_listen (struct guest_registry *reg, guest_listen_fn *fn,
                     guest_event_fn *on_event, void *arg, struct error *err);

/* By uuid, name or display name, in this order; an unambiguous uuid prefix of
 * at least 4 characters will do.  -ENOENT (err names the nearest) or
 * -EEXIST when ambiguous.  Takes a reference. */
int registry_find (struct guest_registry *reg, const char *what,
                   const struct guest **ret_guest, struct error *err);
bool registry_is_current (struct guest_registry *reg,
                          const struct incarnation *inc);
/* fn may not change the registry. */
void registry_each (struct guest_registry *reg,
                    void (*fn) (const struct guest *g, void *arg), void *arg);
size_t registry_count (struct guest_registry *reg);
/* Guests that were not taken because there are too many. */
uint64_t registry_refused (struct guest_registry *reg);

#endif
