/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections to libvirt: kept, shared, replaced when they are dead.
 *
 * The table is guarded by one lock that is never held over a libvirt call.
 * Who finds a slot being connected by another waits for it; a connect that
 * sticks (ssh to a dead host) keeps only those waiting who want that host.
 */
#include "guests/virt.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/loop.h"
#include "base/opener.h"
#include "guests/virt_event.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CONNECTIONS 64
#define WAIT_FOR_OTHER_S 10
/* A peer that says nothing for 3 s is asked, and given up when it has let two
 * such questions pass: 9 s, so that `status` can tell within 10. */
#define KEEPALIVE_S 3
#define KEEPALIVE_COUNT 2

/* Borrowed connections that came back. */
#define MAX_IDLE 16

struct idle
{
  char uri[256];
  virConnectPtr conn;
};

struct slot
{
  char uri[256];
  enum virt_use use;
  virConnectPtr conn;
  bool connecting;
};

/* libvirt's event loop is one per process, and so is this table. */
static struct
{
  pthread_mutex_t m;
  pthread_cond_t changed;
  struct slot slots[MAX_CONNECTIONS];
  unsigned nslots;
  struct idle idle[MAX_IDLE];
  unsigned nidle;
  /* The loop's thread only, but for the first, which stays. */
  struct loop *loop;
  void (*on_lost) (virConnectPtr conn, void *arg);
  void *on_lost_arg;
} virt
    = { .m = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* libvirt prints every error on stderr unless somebody takes it. */
static void
keep_quiet (void *unused, virErrorPtr err)
{
}

int
virt_init (struct loop *loop, struct error *err)
{
  int r;

  virSetErrorFunc (NULL, keep_quiet);
  if (virInitialize () < 0)
    return virt_error (err, "libvirt");
  r = virt_event_register (loop, err);
  if (r == 0)
    virt.loop = loop;
  return r;
}

int
virt_error (struct error *err, const char *what)
{
  virErrorPtr e = virGetLastError ();
  const char *text = e && e->message ? e->message : "unknown error";
  int code = EIO;

  switch (e ? e->code : VIR_ERR_OK)
    {
    case VIR_ERR_NO_DOMAIN:
      code = ENOENT;
      break;
    case VIR_ERR_OPERATION_TIMEOUT:
    case VIR_ERR_AGENT_UNRESPONSIVE:
      code = ETIMEDOUT;
      break;
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
      code = EACCES;
      break;
    case VIR_ERR_NO_SUPPORT:
      code = ENOTSUP;
      break;
    default:
      break;
    }
  return error_set (err, code, "%s: %s", what, text);
}

/* libvirt does not say so, and who opens the read-only socket by its path does
 * not know either.  A call that only who may write gets an answer to, and
 * that changes nothing: the format does not exist. */
bool
virt_read_only (virConnectPtr conn)
{
  char *text = virConnectDomainXMLToNative (conn, "none", "<domain/>", 0);
  virErrorPtr e = virGetLastError ();
  bool denied = !text && e && e->code == VIR_ERR_OPERATION_DENIED;

  free (text);
  virResetLastError ();
  return denied;
}

/* ---- slots; virt.m is held ---- */

static struct slot *
slot_of (const char *uri, enum virt_use use)
{
  struct slot *s;

  for (unsigned i = 0; i < virt.nslots; i++)
    if (virt.slots[i].use == use && strcmp (virt.slots[i].uri, uri) == 0)
      return &virt.slots[i];
  if (virt.nslots == MAX_CONNECTIONS || strlen (uri) >= sizeof s->uri)
    return NULL;
  s = &virt.slots[virt.nslots++];
  *s = (struct slot){ .use = use };
  memcpy (s->uri, uri, strlen (uri) + 1);
  return s;
}

static bool
wait_for_other (struct slot *s)
{
  struct timespec until;

  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += WAIT_FOR_OTHER_S;
  while (s->connecting)
    if (pthread_cond_timedwait (&virt.changed, &virt.m, &until) != 0)
      return !s->connecting;
  return true;
}

/* ---- losing ---- */

void
virt_on_lost (void (*fn) (virConnectPtr conn, void *arg), void *arg)
{
  virt.on_lost = fn;
  virt.on_lost_arg = arg;
}

static void
tell_lost (void *conn)
{
  if (virt.on_lost)
    virt.on_lost (conn, virt.on_lost_arg);
}

/* On any thread. */
static void
ask_closed (virConnectPtr conn, int reason, void *unused)
{
  (void) loop_post (virt.loop, tell_lost, conn, NULL);
}

/* Closed by us: the callback holds a reference. */
static void
drop_conn (virConnectPtr conn)
{
  if (virConnectUnregisterCloseCallback (conn, ask_closed) < 0)
    virResetLastError ();
  virConnectClose (conn);
}

/* ---- connecting ---- */

static virConnectPtr
open_conn (const char *uri, struct error *err)
{
  virConnectPtr conn = virConnectOpen (uri);

  /* The right to look is enough to watch and to ask how a guest is. */
  if (!conn)
    conn = virConnectOpenReadOnly (uri);
  if (!conn)
    {
      virt_error (err, uri);
      return NULL;
    }
  /* Local drivers have none and need none. */
  if (virConnectSetKeepAlive (conn, KEEPALIVE_S, KEEPALIVE_COUNT) < 0)
    virResetLastError ();
  return conn;
}

/* The slot's connection with a reference of the caller's, if it is alive. */
static virConnectPtr
live_conn (const char *uri, enum virt_use use)
{
  virConnectPtr conn = NULL, dead = NULL;
  struct slot *s;

  {
    LOCK_SCOPE (&virt.m);
    s = slot_of (uri, use);
    if (s && wait_for_other (s) && s->conn)
      {
        conn = s->conn;
        virConnectRef (conn);
      }
  }
  if (!conn || virConnectIsAlive (conn) == 1)
    return conn;
  virResetLastError ();
  {
    LOCK_SCOPE (&virt.m);
    if (s->conn == conn)
      dead = steal_ptr (&s->conn);
  }
  if (dead)
    drop_conn (dead);
  virConnectClose (conn);
  return NULL;
}

int
virt_connect (const char *uri, enum virt_use use, virConnectPtr *ret_conn,
              struct error *err)
{
  virConnectPtr conn = live_conn (uri, use);
  struct error why = ERROR_INIT;
  struct slot *s;

  if (conn)
    {
      *ret_conn = conn;
      return 0;
    }
  {
    LOCK_SCOPE (&virt.m);
    s = slot_of (uri, use);
    if (!s)
      return error_set (err, ENOBUFS, "%.100s: too many libvirt hosts", uri);
    if (s->connecting)
      return error_set (err, EBUSY, "%s: another thread is still connecting",
                        uri);
    s->connecting = true;
  }
  conn = open_conn (uri, &why);
  if (conn && use == VIRT_ASK
      && virConnectRegisterCloseCallback (conn, ask_closed, NULL, NULL) < 0)
    virResetLastError ();
  {
    LOCK_SCOPE (&virt.m);
    s->connecting = false;
    if (conn && !s->conn)
      {
        s->conn = conn;
        virConnectRef (conn);
      }
    pthread_cond_broadcast (&virt.changed);
  }
  if (!conn)
    return error_set (err, why.code, "%s", why.msg);
  *ret_conn = conn;
  return 0;
}

/* ---- borrowing ---- */

static virConnectPtr
take_idle (const char *uri)
{
  virConnectPtr conn;

  LOCK_SCOPE (&virt.m);
  for (unsigned i = 0; i < virt.nidle; i++)
    if (strcmp (virt.idle[i].uri, uri) == 0)
      {
        conn = virt.idle[i].conn;
        virt.idle[i] = virt.idle[--virt.nidle];
        return conn;
      }
  return NULL;
}

int
virt_borrow (const char *uri, virConnectPtr *ret_conn, struct error *err)
{
  struct error why = ERROR_INIT;
  virConnectPtr conn;

  while ((conn = take_idle (uri)))
    {
      if (virConnectIsAlive (conn) == 1)
        {
          *ret_conn = conn;
          return 0;
        }
      virConnectClose (conn);
    }
  conn = open_conn (uri, &why);
  if (!conn)
    return error_set (err, why.code, "%s", why.msg);
  *ret_conn = conn;
  return 0;
}

void
virt_return (const char *uri, virConnectPtr conn)
{
  {
    LOCK_SCOPE (&virt.m);
    if (virt.nidle < MAX_IDLE && strlen (uri) < sizeof virt.idle[0].uri)
      {
        struct idle *i = &virt.idle[virt.nidle++];

        memcpy (i->uri, uri, strlen (uri) + 1);
        i->conn = conn;
        return;
      }
  }
  virConnectClose (conn);
}

/* The number that libvirt gave it when it was started is its life where there
 * is no process to look at (a remote host): libvirt_scan.c has put it there. */
int
virt_check_life (virDomainPtr dom, const struct incarnation *inc,
                 struct error *err)
{
  unsigned id = virDomainGetID (dom);
  uint64_t life = id;

  if (id == (unsigned) -1)
    return error_set (err, ESTALE, "the domain does not run any more");
  if (inc->pid > 0 && proc_start_time (inc->pid, &life, NULL) < 0)
    return error_set (err, ESTALE, "QEMU's process %d is gone: the domain "
                      "runs in another one", inc->pid);
  if (life != inc->start_time)
    return error_set (err, ESTALE, "the domain was started again");
  return 0;
}

int
virt_domain (const char *uri, const struct incarnation *inc,
             virDomainPtr *ret_dom, struct error *err)
{
  virConnectPtr conn = NULL;
  virDomainPtr dom;
  int r;

  r = virt_connect (uri, VIRT_ASK, &conn, err);
  if (r < 0)
    return r;
  dom = virDomainLookupByUUIDString (conn, inc->uuid);
  r = dom ? virt_check_life (dom, inc, err) : virt_error (err, inc->uuid);
  virConnectClose (conn); /* the domain holds its own reference */
  if (r == 0)
    *ret_dom = dom;
  else if (dom)
    virDomainFree (dom);
  return r;
}

void
virt_done (void)
{
  for (;;)
    {
      virConnectPtr conn = NULL;

      {
        LOCK_SCOPE (&virt.m);
        if (virt.nslots > 0)
          conn = virt.slots[--virt.nslots].conn;
        else if (virt.nidle > 0)
          conn = virt.idle[--virt.nidle].conn;
        else
          break;
      }
      if (conn)
        drop_conn (conn);
    }
  virt_event_done ();
}
