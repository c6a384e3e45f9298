/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at a libvirt host, in a job's thread, over the VIRT_WATCH
 * connection.
 *
 * Only calls that libvirt answers from its own memory: none of them waits for
 * a QEMU, so that one stuck guest does not hide the others.
 */
#include "guests/libvirt.h"

#include "base/cleanup.h"
#include "base/job.h"
#include "base/json.h"
#include "guests/qemu.h"
#include "guests/virt.h"
#include "guests/virt_domain.h"

#include <json-c/json.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

/* A command that QEMU has not answered for so long is worth a label. */
#define BUSY_MS 5000

/* A QEMU process by the uuid on its command line: libvirt has no call for the
 * pid. */
struct proc
{
  char uuid[UUID_TEXT];
  int32_t pid;
  uint64_t start_time;
};

struct procs
{
  struct proc *list;
  size_t n, cap;
};

struct libvirt_scan *
libvirt_scan_new (void)
{
  return calloc (1, sizeof (struct libvirt_scan));
}

void
libvirt_scan_free (void *scan)
{
  struct libvirt_scan *s = scan;

  if (!s)
    return;
  libvirt_ears_free (s->ears);
  libvirt_link_unref (s->link);
  for (size_t i = 0; i < s->nguests; i++)
    guest_unref (s->guests[i]);
  free (s->guests);
  free (s);
}

/* ---- processes ---- */

static bool
remember (const struct qemu_proc *proc, const struct qemu_args *args, void *arg)
{
  struct procs *p = arg;

  if (p->n == p->cap)
    {
      size_t cap = p->cap ? 2 * p->cap : 64;
      struct proc *list = realloc (p->list, cap * sizeof *list);

      if (!list)
        return true;
      p->list = list;
      p->cap = cap;
    }
  if (proc->state != 'Z' && proc->state != 'X'
      && uuid_copy (p->list[p->n].uuid, qemu_args_uuid (args)))
    {
      p->list[p->n].pid = proc->pid;
      p->list[p->n++].start_time = proc->start_time;
    }
  return p->n == LIBVIRT_MAX_GUESTS;
}

static void
procs_done (struct procs *p)
{
  free (p->list);
}

/* How much the process has in common with the domain beside its uuid. */
static unsigned
likeness (const struct proc *proc, const struct guest *g, unsigned id)
{
  char folder[32];
  struct qemu_args *args CLEANUP_QEMU_ARGS = NULL;
  struct qemu_proc now;
  unsigned like;

  if (qemu_proc_read (proc->pid, &now, &args, NULL) < 0
      || now.start_time != proc->start_time)
    return 0;
  like = 1 + (strcmp (qemu_args_name (args), g->name) == 0);
  /* Its monitor is in ".../domain-7-name/": one that is being migrated
   * differs from the other in nothing else. */
  snprintf (folder, sizeof folder, "/domain-%u-", id);
  like += 4 * qemu_args_mention (args, folder);
  for (unsigned i = 0; i < g->ndisks; i++)
    if (g->disks[i].path[0])
      like += 2 * qemu_args_mention (args, g->disks[i].path);
  return like;
}

/* Two hypervisors of one host may have guests of the same uuid: copies of one
 * definition.  To take one's process for the other's would be to say that a
 * guest died which runs. */
static void
set_process (struct libvirt_scan *s, struct guest *g, virDomainPtr dom,
             const struct procs *p)
{
  unsigned id = virDomainGetID (dom);
  bool tie = false;
  const struct proc *found = NULL;
  unsigned best = 0, like;

  for (size_t i = 0; i < p->n; i++)
    if (strcmp (p->list[i].uuid, g->inc.uuid) == 0)
      {
        if (found && best == 0)
          best = likeness (found, g, id);
        like = found ? likeness (&p->list[i], g, id) : 0;
        if (!found || like > best)
          {
            found = &p->list[i];
            best = like;
            tie = false;
          }
        else if (like == best)
          tie = true;
      }
  if (!found)
    {
      /* A remote host: libvirt's number of this start tells one life from the
       * next, see virt_check_life(). */
      g->inc.start_time = id == (unsigned) -1 ? 0 : id;
      return;
    }
  if (tie)
    libvirt_set_add (&s->unsure, g->inc.uuid);
  g->inc.pid = found->pid;
  g->inc.start_time = found->start_time;
}

/* ---- one domain ---- */

static void
label (struct guest *g, const char *key, const char *value)
{
  if (!g->labels)
    g->labels = json_object_new_object ();
  json_add_str (g->labels, key, value);
}

/* What libvirt is doing with it, or waits for. */
static void
add_control (struct guest *g, virDomainPtr dom)
{
  virDomainControlInfo info;

  if (virDomainGetControlInfo (dom, &info, 0) < 0)
    return;
  if (info.state == VIR_DOMAIN_CONTROL_JOB)
    label (g, "libvirt.job", "active");
  else if (info.state == VIR_DOMAIN_CONTROL_OCCUPIED
           && info.stateTime > BUSY_MS)
    label (g, "libvirt.monitor", "busy");
  else if (info.state == VIR_DOMAIN_CONTROL_ERROR)
    label (g, "libvirt.monitor", "error");
}

static int
read_domain (const struct libvirt_scan *s, virDomainPtr dom, struct guest *g,
             struct error *err)
{
  int state = VIR_DOMAIN_NOSTATE, reason = 0, r;
  char *xml CLEANUP_FREE = NULL;
  bool active;

  if (virDomainGetState (dom, &state, &reason, 0) < 0)
    return virt_error (err, "state");
  active = state != VIR_DOMAIN_SHUTOFF;
  xml = virDomainGetXMLDesc (dom, 0);
  if (!xml)
    return virt_error (err, "XML");
  r = virt_domain_from_xml (g, xml, strlen (xml), active, s->local, s->mode,
                            err);
  if (r < 0)
    return r;
  guest_copy (g->source, sizeof g->source, "libvirt");
  guest_copy (g->host, sizeof g->host, s->uri);
  virt_domain_set_state (g, state, reason);
  if (!active)
    return 0;
  g->monitor = MONITOR_LIBVIRT;
  add_control (g, dom);
  /* Of a migration that leaves the guest running only its events tell. */
  if (g->intent == INTENT_RUN && libvirt_set_has (&s->migrating, g->inc.uuid))
    {
      g->intent = INTENT_MIGRATE;
      guest_copy (g->intent_from, sizeof g->intent_from, "libvirt: migration");
    }
  return 0;
}

static int
add_domain (struct libvirt_scan *s, virDomainPtr dom, const struct procs *procs)
{
  struct guest *g = guest_new ();
  struct error err = ERROR_INIT;
  char uuid[UUID_TEXT] = "";
  int r;

  if (!g)
    return error_errno (&s->why, ENOMEM, "%s", s->uri);
  virDomainGetUUIDString (dom, uuid);
  r = read_domain (s, dom, g, &err);
  if (r == 0)
    {
      if (g->run != GUEST_OFF)
        set_process (s, g, dom, procs);
      s->guests[s->nguests++] = guest_seal (g);
      return 0;
    }
  guest_unref (g);
  /* It went away meanwhile, or speaks in riddles: the others still count. */
  if (r == -ENOENT)
    libvirt_set_add (&s->gone, uuid);
  else
    {
      s->skipped++;
      s->why = err;
    }
  return 0;
}

/* ---- all of them ---- */

static void
free_domains (virDomainPtr *doms, int n)
{
  for (int i = 0; i < n; i++)
    virDomainFree (doms[i]);
  free (doms);
}

static int
scan_all (struct libvirt_scan *s, const struct job *job, virConnectPtr conn,
          const struct procs *procs)
{
  virDomainPtr *doms = NULL;
  int n = virConnectListAllDomains (conn, &doms, 0);
  int r = 0;

  if (n < 0)
    return virt_error (&s->why, s->uri);
  for (int i = 0; i < n && r == 0; i++)
    if (job_stopping (job))
      r = error_set (&s->why, ETIMEDOUT, "%s: out of time after %d domains",
                     s->uri, i);
    else if (s->nguests == LIBVIRT_MAX_GUESTS)
      s->skipped++;
    else
      r = add_domain (s, doms[i], procs);
  free_domains (doms, n);
  /* One that could not be read is still there: it must not be swept away. */
  s->listed = r == 0 && s->skipped == 0;
  return r;
}

static int
scan_named (struct libvirt_scan *s, const struct job *job, virConnectPtr conn,
            const struct procs *procs)
{
  int r = 0;

  for (unsigned i = 0; i < s->wanted.n && r == 0 && !job_stopping (job); i++)
    {
      virDomainPtr dom = virDomainLookupByUUIDString (conn, s->wanted.uuids[i]);

      if (dom)
        {
          r = add_domain (s, dom, procs);
          virDomainFree (dom);
        }
      else if (virt_error (&s->why, s->wanted.uuids[i]) == -ENOENT)
        libvirt_set_add (&s->gone, s->wanted.uuids[i]);
      else
        r = -s->why.code;
    }
  return r;
}

/* A new connection hears nothing yet, and what happened before it is only
 * found by looking at all. */
static int
listen_on (struct libvirt_scan *s, virConnectPtr conn)
{
  if (libvirt_ears_on (s->ears, conn))
    return 0;
  libvirt_ears_free (steal_ptr (&s->ears));
  s->wanted.all = true;
  s->read_only = virt_read_only (conn);
  return libvirt_listen (conn, s->link, &s->ears, &s->why);
}

int
libvirt_scan_run (struct job *job, void *scan)
{
  struct libvirt_scan *s = scan;
  struct procs procs CLEANUP (procs_done) = { NULL, 0, 0 };
  virConnectPtr conn = NULL;
  int r;

  s->guests = calloc (LIBVIRT_MAX_GUESTS, sizeof (struct guest *));
  if (!s->guests)
    return error_errno (&s->why, ENOMEM, "%s", s->uri);
  r = virt_connect (s->uri, VIRT_WATCH, &conn, &s->why);
  if (r < 0)
    return r;
  r = listen_on (s, conn);
  if (r == 0)
    {
      s->connected = true;
      if (s->local)
        qemu_proc_find (remember, &procs, NULL);
      r = s->wanted.all ? scan_all (s, job, conn, &procs)
                        : scan_named (s, job, conn, &procs);
    }
  virConnectClose (conn);
  return r;
}
