/* SPDX-License-Identifier: Apache-2.0
 *
 * What libvirt calls when something happens.
 *
 * A callback asks libvirt nothing (its thread may be the one that would have
 * to read the answer): it writes a note and posts it to the loop.
 */
#include "guests/libvirt.h"

#include "base/cleanup.h"
#include "base/loop.h"
#include "guests/virt.h"

#include <libvirt/virterror.h>

#include <stdlib.h>
#include <string.h>

#define MAX_EARS 12

/* ---- sets ---- */

bool
libvirt_set_has (const struct libvirt_set *set, const char *uuid)
{
  for (unsigned i = 0; i < set->n; i++)
    if (strcmp (set->uuids[i], uuid) == 0)
      return true;
  return false;
}

void
libvirt_set_add (struct libvirt_set *set, const char *uuid)
{
  if (set->all || libvirt_set_has (set, uuid))
    return;
  if (set->n == LIBVIRT_MAX_NAMED)
    set->all = true;
  else
    guest_copy (set->uuids[set->n++], UUID_TEXT, uuid);
}

void
libvirt_set_remove (struct libvirt_set *set, const char *uuid)
{
  for (unsigned i = 0; i < set->n; i++)
    if (strcmp (set->uuids[i], uuid) == 0)
      {
        /* The last one takes its place: the order says nothing. */
        set->n--;
        memmove (set->uuids[i], set->uuids[set->n], UUID_TEXT);
        return;
      }
}

/* ---- the link ---- */

struct libvirt_link *
libvirt_link_new (struct loop *loop)
{
  struct libvirt_link *link = calloc (1, sizeof *link);

  if (!link)
    return NULL;
  atomic_init (&link->refs, 1);
  link->loop = loop;
  return link;
}

struct libvirt_link *
libvirt_link_ref (struct libvirt_link *link)
{
  atomic_fetch_add_explicit (&link->refs, 1, memory_order_relaxed);
  return link;
}

void
libvirt_link_unref (struct libvirt_link *link)
{
  if (link
      && atomic_fetch_sub_explicit (&link->refs, 1, memory_order_acq_rel) == 1)
    free (link);
}

/* From libvirt's event thread to the loop: callbacks may not block, and the
 * registry belongs to the loop. */
struct letter
{
  struct libvirt_link *link;
  struct libvirt_note note;
};

static void
letter_drop (void *arg)
{
  struct letter *l = arg;

  libvirt_link_unref (l->link);
  free (l);
}

static void
letter_read (void *arg)
{
  struct letter *l = arg;

  if (l->link->owner)
    l->link->on_note (l->link->owner, &l->note);
  letter_drop (l);
}

static void
send (struct libvirt_link *link, const struct libvirt_note *note)
{
  struct letter *l = malloc (sizeof *l);

  /* Without memory the note is lost; the next full look finds the state. */
  if (!l)
    return;
  l->link = libvirt_link_ref (link);
  l->note = *note;
  if (loop_post (link->loop, letter_read, l, letter_drop) < 0)
    letter_drop (l);
}

static void
send_of (struct libvirt_link *link, virDomainPtr dom,
         enum libvirt_note_kind kind, enum guest_event event,
         const char *detail)
{
  struct libvirt_note note = { .kind = kind, .event = event };

  if (virDomainGetUUIDString (dom, note.uuid) < 0)
    return;
  guest_copy (note.detail, sizeof note.detail, detail);
  send (link, &note);
}

/* ---- lifecycle ---- */

static const char *
name_of (const char *const *names, unsigned n, int i)
{
  return i >= 0 && i < (int) n && names[i] ? names[i] : "";
}
/* A libvirt newer than its header we were built with has more of them. */
#define NAME_OF(names, i) name_of (names, ARRAY_LEN (names), i)

static const char *const suspended_names[] = {
  [VIR_DOMAIN_EVENT_SUSPENDED_PAUSED] = "user",
  [VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED] = "migration",
  [VIR_DOMAIN_EVENT_SUSPENDED_IOERROR] = "io-error",
  [VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG] = "watchdog",
  [VIR_DOMAIN_EVENT_SUSPENDED_RESTORED] = "restored",
  [VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT] = "from-snapshot",
  [VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR] = "api-error",
  [VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY] = "postcopy",
  [VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED] = "postcopy-failed",
};

static const char *const stopped_names[] = {
  [VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN] = "shutdown",
  [VIR_DOMAIN_EVENT_STOPPED_DESTROYED] = "destroyed",
  [VIR_DOMAIN_EVENT_STOPPED_CRASHED] = "crashed",
  [VIR_DOMAIN_EVENT_STOPPED_MIGRATED] = "migrated",
  [VIR_DOMAIN_EVENT_STOPPED_SAVED] = "saved",
  [VIR_DOMAIN_EVENT_STOPPED_FAILED] = "failed",
  [VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT] = "from-snapshot",
};

static const char *const shutdown_names[] = {
  [VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED] = "finished",
  [VIR_DOMAIN_EVENT_SHUTDOWN_GUEST] = "guest",
  [VIR_DOMAIN_EVENT_SHUTDOWN_HOST] = "host",
};

static int
on_lifecycle (virConnectPtr conn, virDomainPtr dom, int event, int detail,
              void *opaque)
{
  struct libvirt_link *link = opaque;
  const char *name;

  switch (event)
    {
    case VIR_DOMAIN_EVENT_SUSPENDED:
      name = NAME_OF (suspended_names, detail);
      send_of (link, dom, LIBVIRT_EVENT,
               detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR
                   ? GUEST_EVENT_IO_ERROR
                   : GUEST_EVENT_STOP,
               name);
      break;
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
      send_of (link, dom, LIBVIRT_EVENT, GUEST_EVENT_STOP, "pm-suspended");
      break;
    case VIR_DOMAIN_EVENT_RESUMED:
      send_of (link, dom, LIBVIRT_EVENT, GUEST_EVENT_RESUME, "");
      break;
    case VIR_DOMAIN_EVENT_STOPPED:
      send_of (link, dom, LIBVIRT_EVENT, GUEST_EVENT_SHUTDOWN,
               NAME_OF (stopped_names, detail));
      break;
    case VIR_DOMAIN_EVENT_SHUTDOWN:
      send_of (link, dom, LIBVIRT_EVENT, GUEST_EVENT_SHUTDOWN,
               NAME_OF (shutdown_names, detail));
      break;
    case VIR_DOMAIN_EVENT_CRASHED:
      send_of (link, dom, LIBVIRT_EVENT, GUEST_EVENT_PANIC, "");
      break;
    /* Defined, started, ...: no event of the guest, but its list changed. */
    default:
      send_of (link, dom, LIBVIRT_DIRTY, 0, "");
    }
  return 0;
}

/* ---- the others ---- */

static void
on_reboot (virConnectPtr conn, virDomainPtr dom, void *opaque)
{
  send_of (opaque, dom, LIBVIRT_EVENT, GUEST_EVENT_RESET, "");
}

static void
on_watchdog (virConnectPtr conn, virDomainPtr dom, int action, void *opaque)
{
  static const char *const names[] = {
    [VIR_DOMAIN_EVENT_WATCHDOG_NONE] = "none",
    [VIR_DOMAIN_EVENT_WATCHDOG_PAUSE] = "pause",
    [VIR_DOMAIN_EVENT_WATCHDOG_RESET] = "reset",
    [VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF] = "poweroff",
    [VIR_DOMAIN_EVENT_WATCHDOG_SHUTDOWN] = "shutdown",
    [VIR_DOMAIN_EVENT_WATCHDOG_DEBUG] = "debug",
    [VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI] = "inject-nmi",
  };

  send_of (opaque, dom, LIBVIRT_EVENT, GUEST_EVENT_WATCHDOG,
           NAME_OF (names, action));
}

/* libvirt sends it besides the lifecycle event, and only this one names the
 * disk. */
static void
on_io_error (virConnectPtr conn, virDomainPtr dom, const char *path,
             const char *alias, int action, const char *reason, void *opaque)
{
  char detail[128];

  snprintf (detail, sizeof detail, "%.40s %.20s %.60s", alias ? alias : "",
            reason ? reason : "", path ? path : "");
  send_of (opaque, dom, LIBVIRT_EVENT, GUEST_EVENT_IO_ERROR, detail);
}

static void
on_agent (virConnectPtr conn, virDomainPtr dom, int state, int reason,
          void *opaque)
{
  send_of (opaque, dom, LIBVIRT_EVENT,
           state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
               ? GUEST_EVENT_AGENT_UP
               : GUEST_EVENT_AGENT_DOWN,
           "");
}

static void
on_control_error (virConnectPtr conn, virDomainPtr dom, void *opaque)
{
  send_of (opaque, dom, LIBVIRT_DIRTY, 0, "");
}

static void
on_device (virConnectPtr conn, virDomainPtr dom, const char *alias,
           void *opaque)
{
  send_of (opaque, dom, LIBVIRT_DIRTY, 0, "");
}

static void
on_metadata (virConnectPtr conn, virDomainPtr dom, int type, const char *uri,
             void *opaque)
{
  send_of (opaque, dom, LIBVIRT_DIRTY, 0, "");
}

static void
on_iteration (virConnectPtr conn, virDomainPtr dom, int iteration, void *opaque)
{
  send_of (opaque, dom, LIBVIRT_MIGRATING, 0, "");
}

static void
on_job_completed (virConnectPtr conn, virDomainPtr dom,
                  virTypedParameterPtr params, int nparams, void *opaque)
{
  send_of (opaque, dom, LIBVIRT_SETTLED, 0, "");
}

static void
on_close (virConnectPtr conn, int reason, void *opaque)
{
  const struct libvirt_note note = { .kind = LIBVIRT_CLOSED };

  send (opaque, &note);
}

/* ---- listening ---- */

struct libvirt_ears
{
  virConnectPtr conn;
  struct libvirt_link *link; /* the close callback's */
  int ids[MAX_EARS];
  unsigned n;
};

static const struct
{
  int id;
  virConnectDomainEventGenericCallback fn;
} callbacks[] = {
  { VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle) },
  { VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK (on_reboot) },
  { VIR_DOMAIN_EVENT_ID_WATCHDOG, VIR_DOMAIN_EVENT_CALLBACK (on_watchdog) },
  { VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
    VIR_DOMAIN_EVENT_CALLBACK (on_io_error) },
  { VIR_DOMAIN_EVENT_ID_CONTROL_ERROR,
    VIR_DOMAIN_EVENT_CALLBACK (on_control_error) },
  { VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK (on_agent) },
  { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK (on_device) },
  { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK (on_device) },
  { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
    VIR_DOMAIN_EVENT_CALLBACK (on_metadata) },
  { VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
    VIR_DOMAIN_EVENT_CALLBACK (on_iteration) },
  { VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
    VIR_DOMAIN_EVENT_CALLBACK (on_job_completed) },
};

static void
unlink_free (void *opaque)
{
  libvirt_link_unref (opaque);
}

int
libvirt_listen (virConnectPtr conn, struct libvirt_link *link,
                struct libvirt_ears **ret_ears, struct error *err)
{
  struct libvirt_ears *e = calloc (1, sizeof *e);

  if (!e)
    return error_errno (err, ENOMEM, "libvirt events");
  e->conn = conn;
  virConnectRef (conn);
  e->link = libvirt_link_ref (link);
  for (unsigned i = 0; i < ARRAY_LEN (callbacks); i++)
    {
      int id = virConnectDomainEventRegisterAny (
          conn, NULL, callbacks[i].id, callbacks[i].fn, libvirt_link_ref (link),
          unlink_free);

      if (id >= 0)
        {
          e->ids[e->n++] = id;
          continue;
        }
      /* The reference that unlink_free() would have given back. */
      libvirt_link_unref (link);
      /* Older hosts don't know all; without the first nothing works. */
      if (callbacks[i].id == VIR_DOMAIN_EVENT_ID_LIFECYCLE)
        {
          int r = virt_error (err, "listening to lifecycle events");

          libvirt_ears_free (e);
          return r;
        }
      virResetLastError ();
    }
  /* Drivers without such a callback (test) take it, forget it, and never call
   * a free function: so the reference is kept here. */
  if (virConnectRegisterCloseCallback (conn, on_close, link, NULL) < 0)
    virResetLastError ();
  *ret_ears = e;
  return 0;
}

bool
libvirt_ears_on (const struct libvirt_ears *ears, virConnectPtr conn)
{
  return ears && ears->conn == conn;
}

void
libvirt_ears_free (void *ears)
{
  struct libvirt_ears *e = ears;

  if (!e)
    return;
  /* Each callback holds the connection.  On a dead one this fails, but only
   * after it let go on our side. */
  for (unsigned i = 0; i < e->n; i++)
    virConnectDomainEventDeregisterAny (e->conn, e->ids[i]);
  virConnectUnregisterCloseCallback (e->conn, on_close);
  virConnectClose (e->conn);
  virResetLastError ();
  libvirt_link_unref (e->link);
  free (e);
}
