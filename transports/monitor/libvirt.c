/* SPDX-License-Identifier: Apache-2.0
 *
 * The monitor through libvirt.
 *
 * libvirt waits for QEMU without a deadline, so each question is a call that
 * may be left behind (transports/virt_call.h): that QEMU did not answer is
 * what who asked has learned.  A guest that libvirt already waits for is not
 * asked again, so no more than one helper sticks per guest.
 */
#include "transports/monitor/libvirt.h"
#include "transports/monitor/libvirt_params.h"
#include "transports/monitor/look.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "guests/virt.h"
#include "transports/virt_call.h"

#include <libvirt/libvirt-qemu.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A command that takes longer than this is taken for one that sticks. */
#define OCCUPIED_MS 1000

struct ask
{
  struct virt_call base; /* reached: of a call that needs QEMU's answer */
  /* in */
  int (*fn) (struct ask *a, virDomainPtr dom, struct error *why);
  char *command;
  /* out */
  enum monitor_health health;
  char status[64];
  char *text;
  struct json_object *stats;
  int64_t balloon_s;
};

static atomic_uint helpers;

/* ---- the helper's side ---- */

/* False when libvirt itself waits for that QEMU already. */
static bool
may_ask (struct ask *a, virDomainPtr dom, struct error *err)
{
  virDomainControlInfo info;

  if (virDomainGetControlInfo (dom, &info, 0) < 0)
    return true;
  if (info.state == VIR_DOMAIN_CONTROL_OCCUPIED && info.stateTime > OCCUPIED_MS)
    {
      a->health = MONITOR_GREETS_ONLY;
      error_set (err, ETIMEDOUT,
                 "libvirt has waited for QEMU's monitor for %lld ms",
                 (long long) info.stateTime);
      return false;
    }
  if (info.state == VIR_DOMAIN_CONTROL_ERROR)
    {
      a->health = MONITOR_GONE;
      error_set (err, EIO, "libvirt has lost QEMU's monitor");
      return false;
    }
  return true;
}

static int
ask_qemu (struct virt_call *c, virDomainPtr dom, struct error *why)
{
  struct ask *a = (struct ask *) c;

  return may_ask (a, dom, why) ? a->fn (a, dom, why) : -why->code;
}

static void
ask_done (struct virt_call *c)
{
  struct ask *a = (struct ask *) c;

  free (a->command);
  free (a->text);
  json_object_put (a->stats);
}

static const struct virt_call_kind questions
    = { .what = "questions to libvirt",
        .size = sizeof (struct ask),
        .helpers = &helpers,
        .ask = ask_qemu,
        .done = ask_done };

/* ---- the asker's side ---- */

static struct ask *
ask_new (const struct guest *g,
         int (*fn) (struct ask *, virDomainPtr, struct error *),
         struct error *err)
{
  struct ask *a = (struct ask *) virt_call_new (&questions, g);

  if (!a)
    {
      error_errno (err, ENOMEM, "monitor");
      return NULL;
    }
  a->fn = fn;
  a->health = MONITOR_GONE;
  return a;
}

static void
ask_unrefp (struct ask **a)
{
  if (*a)
    virt_call_unref (&(*a)->base);
}
#define CLEANUP_ASK CLEANUP (ask_unrefp)

/* Runs a->fn in a helper.  On 0 everything in `a` is the asker's. */
static int
ask_wait (struct ask *a, uint64_t deadline, enum monitor_health *ret_health,
          struct error *err)
{
  struct virt_call *c = &a->base;
  int r = virt_call_start (c, err);

  if (r < 0)
    return r;
  if (virt_call_wait (c, deadline) < 0)
    {
      bool reached = atomic_load (&c->reached);

      *ret_health = reached ? MONITOR_GREETS_ONLY : MONITOR_GONE;
      return reached ? error_set (err, ETIMEDOUT,
                                  "QEMU did not answer libvirt in time")
                     : error_set (err, ETIMEDOUT, "%s does not answer",
                                  c->uri);
    }
  *ret_health = a->health;
  if (c->rc < 0)
    return error_set (err, c->why.code ? c->why.code : -c->rc, "%s",
                      error_text (&c->why));
  return 0;
}

/* What fn leaves in stats. */
static int
ask_stats (const struct guest *g,
           int (*fn) (struct ask *, virDomainPtr, struct error *),
           uint64_t deadline, struct json_object **ret, struct error *err)
{
  struct ask *a CLEANUP_ASK = ask_new (g, fn, err);
  enum monitor_health health;
  int r;

  if (!a)
    return -ENOMEM;
  r = ask_wait (a, deadline, &health, err);
  if (r == 0)
    *ret = steal_ptr (&a->stats);
  return r;
}

/* ---- status ---- */

/* QEMU's names for what libvirt has in two numbers. */
static const char *
status_name (int state, int reason)
{
  switch (state)
    {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
      return "running";
    case VIR_DOMAIN_SHUTDOWN:
      return "shutdown";
    case VIR_DOMAIN_SHUTOFF:
      return "off";
    case VIR_DOMAIN_CRASHED:
      return "guest-panicked";
    case VIR_DOMAIN_PMSUSPENDED:
      return "suspended";
    case VIR_DOMAIN_PAUSED:
      break;
    default:
      return "unknown";
    }
  switch (reason)
    {
    case VIR_DOMAIN_PAUSED_IOERROR:
      return "io-error";
    case VIR_DOMAIN_PAUSED_WATCHDOG:
      return "watchdog";
    case VIR_DOMAIN_PAUSED_CRASHED:
      return "guest-panicked";
    case VIR_DOMAIN_PAUSED_SAVE:
    case VIR_DOMAIN_PAUSED_SNAPSHOT:
      return "save-vm";
    case VIR_DOMAIN_PAUSED_MIGRATION:
      return "finish-migrate";
    case VIR_DOMAIN_PAUSED_STARTING_UP:
      return "prelaunch";
    default:
      return "paused";
    }
}

/* Block statistics need QEMU's answer.  Without waiting: libvirt leaves them
 * out while another call holds the domain. */
static int
get_stats (struct ask *a, virDomainPtr dom, unsigned what, unsigned flags,
           virDomainStatsRecordPtr **ret, struct error *why)
{
  virDomainPtr doms[] = { dom, NULL };
  int n;

  atomic_store (&a->base.reached, true);
  n = virDomainListGetStats (doms, what, ret, flags);
  return n < 0 ? virt_error (why, "statistics") : n;
}

static bool
is_occupied (virDomainPtr dom)
{
  virDomainControlInfo info;

  return virDomainGetControlInfo (dom, &info, 0) == 0
         && info.state == VIR_DOMAIN_CONTROL_OCCUPIED;
}

/* 0 once QEMU's main loop has answered: us, or whoever was before us (then
 * libvirt is not occupied any more).  Where it does neither, may_ask() says
 * so after OCCUPIED_MS. */
static int
await_answer (struct ask *a, virDomainPtr dom, struct error *why)
{
  for (;;)
    {
      virDomainStatsRecordPtr *records = NULL;
      int n = get_stats (a, dom, VIR_DOMAIN_STATS_BLOCK,
                         VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT, &records,
                         why);

      if (n >= 0)
        virDomainStatsRecordListFree (records);
      /* A driver without statistics (test) has no QEMU to ask. */
      if (n == -ENOTSUP)
        return 0;
      if (n < 0)
        return n;
      if (!is_occupied (dom))
        return 0;
      nanosleep (&(struct timespec){ .tv_nsec = 100 * 1000000 }, NULL);
      if (!may_ask (a, dom, why))
        return -why->code;
    }
}

static int
ask_status (struct ask *a, virDomainPtr dom, struct error *why)
{
  int state = 0, reason = 0, r;

  if (virDomainGetState (dom, &state, &reason, 0) < 0)
    return virt_error (why, "state");
  guest_copy (a->status, sizeof a->status, status_name (state, reason));
  if (state == VIR_DOMAIN_SHUTOFF)
    return error_set (why, ENOENT, "the domain is off");
  r = await_answer (a, dom, why);
  if (r == 0)
    a->health = MONITOR_ANSWERS;
  return r;
}

int
monitor_libvirt_status (const struct guest *g, uint64_t deadline,
                        enum monitor_health *ret_health, char *ret_status,
                        size_t n, struct error *err)
{
  struct ask *a CLEANUP_ASK = ask_new (g, ask_status, err);
  int r;

  *ret_health = MONITOR_GONE;
  if (!a)
    return -ENOMEM;
  r = ask_wait (a, deadline, ret_health, err);
  if (r == 0)
    guest_copy (ret_status, n, a->status);
  return r;
}

/* ---- block counters ---- */

static int64_t
get_number (virDomainStatsRecordPtr rec, unsigned disk, const char *what)
{
  unsigned long long v = 0;
  char name[VIR_TYPED_PARAM_FIELD_LENGTH];

  snprintf (name, sizeof name, "block.%u.%s", disk, what);
  if (virTypedParamsGetULLong (rec->params, rec->nparams, name, &v) != 1
      || v > INT64_MAX)
    return 0;
  return (int64_t) v;
}

static struct json_object *
disks_of (virDomainStatsRecordPtr rec)
{
  static const struct
  {
    const char *key, *param;
  } counters[] = {
    { "rd_bytes", "rd.bytes" }, { "rd_ops", "rd.reqs" },
    { "wr_bytes", "wr.bytes" }, { "wr_ops", "wr.reqs" },
    { "flush_ops", "fl.reqs" }, { "errors", "errors" },
  };
  struct json_object *out = json_object_new_object ();
  unsigned count = 0;

  virTypedParamsGetUInt (rec->params, rec->nparams, "block.count", &count);
  for (unsigned i = 0; i < count && i < 256; i++)
    {
      struct json_object *disk;
      const char *name = NULL;
      char param[VIR_TYPED_PARAM_FIELD_LENGTH];

      snprintf (param, sizeof param, "block.%u.name", i);
      if (virTypedParamsGetString (rec->params, rec->nparams, param, &name) != 1
          || !name)
        continue;
      disk = json_object_new_object ();
      for (unsigned k = 0; k < ARRAY_LEN (counters); k++)
        json_add_int (disk, counters[k].key,
                      get_number (rec, i, counters[k].param));
      json_object_object_add (out, name, disk);
    }
  return out;
}

/* As monitor_disk_bounds_() has it of QEMU's own answer. */
static void
add_bounds (struct json_object *disks, virDomainPtr dom)
{
  json_object_object_foreach (disks, name, disk)
  {
    struct json_object *tune CLEANUP_JSON = monitor_io_tune_ (dom, name);

    if (tune)
      json_object_object_add (disk, "crawls",
                              json_object_get (json_get (tune, "crawls")));
  }
}

static int
ask_blockstats (struct ask *a, virDomainPtr dom, struct error *why)
{
  virDomainStatsRecordPtr *records = NULL;
  int n;

  /* Counters of one that is off are all zero, which says nothing. */
  if (virDomainIsActive (dom) == 0)
    return error_set (why, ENOENT, "the domain is off");
  n = get_stats (a, dom, VIR_DOMAIN_STATS_BLOCK, 0, &records, why);
  if (n < 0)
    return n;
  if (n > 0)
    a->stats = disks_of (records[0]);
  virDomainStatsRecordListFree (records);
  if (a->stats)
    add_bounds (a->stats, dom);
  a->health = MONITOR_ANSWERS;
  return a->stats ? 0 : error_set (why, ENOENT, "no statistics");
}

int
monitor_libvirt_blockstats (const struct guest *g, uint64_t deadline,
                            struct json_object **ret, struct error *err)
{
  return ask_stats (g, ask_blockstats, deadline, ret, err);
}

/* ---- a look ---- */

/* On which of them QEMU stopped the guest, or would have. */
static void
add_disk_errors (struct json_object *disks, virDomainPtr dom)
{
  virDomainDiskError errors[GUEST_MAX_DISKS];
  int n = virDomainGetDiskErrors (dom, errors, ARRAY_LEN (errors), 0);

  for (int i = 0; i < n; i++)
    {
      struct json_object *disk = json_get (disks, errors[i].disk);

      if (disk)
        json_add_str (disk, "io_status",
                      errors[i].error == VIR_DOMAIN_DISK_ERROR_NO_SPACE
                          ? "nospace"
                          : "failed");
      free (errors[i].disk);
    }
}

static int
ask_look (struct ask *a, virDomainPtr dom, struct error *why)
{
  virDomainStatsRecordPtr *records = NULL;
  unsigned long long told = 0;
  int64_t now = (int64_t) (clock_wall_ms () / 1000);
  int n;

  if (virDomainIsActive (dom) == 0)
    return error_set (why, ENOENT, "the domain is off");
  n = get_stats (a, dom, VIR_DOMAIN_STATS_BLOCK | VIR_DOMAIN_STATS_BALLOON, 0,
                 &records, why);
  if (n < 0)
    return n;
  if (n > 0)
    {
      a->stats = disks_of (records[0]);
      add_disk_errors (a->stats, dom);
      if (virTypedParamsGetULLong (records[0]->params, records[0]->nparams,
                                   "balloon.last-update", &told)
              == 1
          && told > 0 && told <= INT64_MAX)
        a->balloon_s = (int64_t) told < now ? now - (int64_t) told : 0;
    }
  virDomainStatsRecordListFree (records);
  a->health = MONITOR_ANSWERS;
  return a->stats ? 0 : error_set (why, ENOENT, "no statistics");
}

int
monitor_libvirt_look (const struct guest *g, unsigned wants,
                      uint64_t deadline, struct monitor_look *ret,
                      struct error *err)
{
  struct ask *a CLEANUP_ASK = ask_new (g, ask_look, err);
  enum monitor_health health;
  int r;

  (void) wants;
  if (!a)
    return -ENOMEM;
  a->balloon_s = -1;
  r = ask_wait (a, deadline, &health, err);
  if (r < 0)
    return r;
  ret->disks = steal_ptr (&a->stats);
  ret->balloon_s = a->balloon_s;
  return 0;
}

/* ---- all there is a call for ---- */

static void
add_io_tunes (struct json_object *out, virDomainPtr dom,
              virDomainStatsRecordPtr rec)
{
  struct json_object *all = json_object_new_object ();

  for (unsigned i = 0; i < GUEST_MAX_DISKS; i++)
    {
      const char *name = NULL;
      char param[VIR_TYPED_PARAM_FIELD_LENGTH];
      struct json_object *tune;

      snprintf (param, sizeof param, "block.%u.name", i);
      if (virTypedParamsGetString (rec->params, rec->nparams, param, &name) != 1
          || !name)
        break;
      tune = monitor_io_tune_ (dom, name);
      if (tune)
        json_object_object_add (all, name, tune);
    }
  json_object_object_add (out, "io_tune", all);
}

static void
add_errors (struct json_object *out, virDomainPtr dom)
{
  virDomainDiskError errors[GUEST_MAX_DISKS];
  int n = virDomainGetDiskErrors (dom, errors, ARRAY_LEN (errors), 0);
  struct json_object *all;

  if (n < 0)
    return;
  all = json_object_new_object ();
  for (int i = 0; i < n; i++)
    {
      json_add_str (all, errors[i].disk,
                    errors[i].error == VIR_DOMAIN_DISK_ERROR_NO_SPACE
                        ? "nospace"
                        : "failed");
      free (errors[i].disk);
    }
  json_object_object_add (out, "disk_errors", all);
}

static void
add_job (struct json_object *out, virDomainPtr dom)
{
  static const char *const types[] = { NULL, "bounded", "unbounded" };
  virDomainJobInfo info;

  if (virDomainGetJobInfo (dom, &info) == 0 && info.type > 0
      && info.type < (int) ARRAY_LEN (types))
    json_add_str (out, "job", types[info.type]);
}

static int
ask_typed (struct ask *a, virDomainPtr dom, struct error *why)
{
  virDomainStatsRecordPtr *records = NULL;
  int n;

  if (virDomainIsActive (dom) == 0)
    return error_set (why, ENOENT, "the domain is off");
  n = get_stats (a, dom, 0, 0, &records, why);
  if (n < 0)
    return n;
  a->stats = json_object_new_object ();
  if (n > 0)
    {
      json_object_object_add (
          a->stats, "stats",
          monitor_params_json_ (records[0]->params, records[0]->nparams));
      add_io_tunes (a->stats, dom, records[0]);
    }
  virDomainStatsRecordListFree (records);
  add_errors (a->stats, dom);
  add_job (a->stats, dom);
  a->health = MONITOR_ANSWERS;
  return 0;
}

int
monitor_libvirt_typed (const struct guest *g, uint64_t deadline,
                       struct json_object **ret, struct error *err)
{
  return ask_stats (g, ask_typed, deadline, ret, err);
}

/* ---- raw commands ---- */

struct raw
{
  struct guest *g; /* only host and uuid of it */
};

static void
raw_close (void *self)
{
  struct raw *raw = self;

  if (!raw)
    return;
  guest_unref (raw->g);
  free (raw);
}

static int
raw_open (const struct transport_env *env, const struct guest *g,
          uint64_t deadline, void **ret_self, enum monitor_health *ret_health,
          struct error *err)
{
  char status[64];
  struct raw *raw;
  int r;

  r = monitor_libvirt_status (g, deadline, ret_health, status, sizeof status,
                              err);
  if (r < 0)
    return r;
  raw = calloc (1, sizeof *raw);
  if (!raw)
    return error_errno (err, ENOMEM, "monitor");
  raw->g = guest_ref (g);
  *ret_self = raw;
  return 0;
}

static int
ask_raw (struct ask *a, virDomainPtr dom, struct error *why)
{
  int r = virt_check_life (dom, &a->base.inc, why);

  if (r < 0)
    return r;
  atomic_store (&a->base.reached, true);
  if (virDomainQemuMonitorCommand (dom, a->command, &a->text,
                                   VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT)
      < 0)
    return virt_error (why, "raw command");
  a->health = MONITOR_ANSWERS;
  return 0;
}

/* The reply as QEMU wrote it: "return" or "error". */
static int
parse_raw (const char *text, struct json_object **ret_reply, struct error *err)
{
  struct json_doc *doc CLEANUP_JSON_DOC = NULL;
  struct json_object *value = NULL, *e;
  const char *class, *desc;
  int r;

  r = json_parse (text, strlen (text), JSON_WIRE, "libvirt", MONITOR_MAX_REPLY,
                  &doc, err);
  if (r < 0)
    return r;
  e = json_get (json_root (doc), "error");
  if (e)
    {
      class = json_get_str (e, "class");
      desc = json_get_str (e, "desc");
      return error_set (err, EREMOTEIO, "%.64s: %.300s", class ? class : "?",
                        desc ? desc : "?");
    }
  if (!json_object_object_get_ex (json_root (doc), "return", &value))
    return error_set (err, EPROTO, "neither return nor error");
  *ret_reply = json_object_get (value);
  return 0;
}

static int
raw_command (void *self, const char *command, struct json_object *args,
             uint64_t deadline, struct json_object **ret_reply,
             struct error *err)
{
  struct raw *raw = self;
  struct json_object *msg CLEANUP_JSON = json_object_new_object ();
  struct ask *a CLEANUP_ASK = ask_new (raw->g, ask_raw, err);
  enum monitor_health health;
  int r;

  json_add_str (msg, "execute", command);
  if (args)
    json_object_object_add (msg, "arguments", args);
  if (!a)
    return -ENOMEM;
  a->command
      = strdup (json_object_to_json_string_ext (msg, JSON_C_TO_STRING_PLAIN));
  if (!a->command)
    return error_errno (err, ENOMEM, "monitor");
  r = ask_wait (a, deadline, &health, err);
  if (r == 0)
    r = parse_raw (a->text ? a->text : "", ret_reply, err);
  if (r < 0)
    error_wrap (err, "%.64s", command);
  return r;
}

const struct monitor_ops monitor_libvirt = {
  .name = "libvirt",
  .open = raw_open,
  .command = raw_command,
  .close = raw_close,
};
