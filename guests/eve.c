/* SPDX-License-Identifier: Apache-2.0
 *
 * EVE's status files.
 *
 * pillar's services publish each object as one JSON file, written beside and
 * renamed over.  Which field feeds what:
 *
 *   domainmgr/DomainStatus         DisplayName    display
 *                                  State          intent, label eve.state
 *                                  CrashState     intent hands-off
 *                                  PendingDelete  intent stop
 *                                  DisableLogs    logs_disabled
 *                                  DomainId       a hint for the pid
 *                                  VifList        nics
 *                                  DiskStatusList disks
 *                                  Memory, VCpus  memory, vcpus
 *   zedmanager/AppInstanceStatus   RestartInprogress, PurgeInprogress,
 *                                  SnapStatus.RollbackInProgress  restart
 *                                  EffectiveActivate, State       stop, ...
 *   zedmanager/DomainConfig        Activate; its absence          stop
 *   zedagent/AppInstanceConfig     DisplayName, DisableLogs, Activate
 *                                  RestartCmd, PurgeCmd, LocalRestartCmd,
 *                                  LocalPurgeCmd, Snapshot.RollbackCmd:
 *                                  Counter higher than the life began
 *                                  with (or than AppInstanceStatus has,
 *                                  before 6.x)             restart
 *   zedrouter/AppNetworkStatus     AppNetAdapterList (UnderlayNetworkList
 *                                  before 9.x): Mac, Vif, addresses
 *
 * EVE writes what it is about to do before it does it, so a stop that is
 * meant is an intent here before the process ends.
 */
#include "guests/eve.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/opener.h"
#include "base/text.h"
#include "guests/address.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_STATUS_FILE (64u << 10)

enum eve_file
{
  DOMAIN_STATUS,
  DOMAIN_CONFIG,
  APP_STATUS,
  APP_CONFIG,
  NETWORK_STATUS,
};

const char *const eve_folders[] = {
  [DOMAIN_STATUS] = "domainmgr/DomainStatus",
  [DOMAIN_CONFIG] = "zedmanager/DomainConfig",
  [APP_STATUS] = "zedmanager/AppInstanceStatus",
  [APP_CONFIG] = "zedagent/AppInstanceConfig",
  [NETWORK_STATUS] = "zedrouter/AppNetworkStatus",
  [EVE_FOLDERS] = NULL,
};

/* SwState, which begins at 100, with what it means for us. */
#define SW_STATE_FIRST 100
static const struct
{
  const char *name;
  enum guest_intent intent;
} sw_states[] = {
  { "INITIAL", INTENT_START },
  { "RESOLVING_TAG", INTENT_START },
  { "RESOLVED_TAG", INTENT_START },
  { "DOWNLOADING", INTENT_START },
  { "DOWNLOADED", INTENT_START },
  { "VERIFYING", INTENT_START },
  { "VERIFIED", INTENT_START },
  { "LOADING", INTENT_START },
  { "LOADED", INTENT_START },
  { "CREATING_VOLUME", INTENT_START },
  { "CREATED_VOLUME", INTENT_START },
  { "INSTALLED", INTENT_START },
  { "AWAITNETWORKINSTANCE", INTENT_START },
  { "START_DELAYED", INTENT_START },
  { "BOOTING", INTENT_START },
  { "RUNNING", INTENT_RUN },
  { "PAUSING", INTENT_PAUSE },
  { "PAUSED", INTENT_PAUSE },
  { "HALTING", INTENT_STOP },
  { "HALTED", INTENT_STOP },
  /* The owner has not asked for these two: they are troubles. */
  { "BROKEN", INTENT_RUN },
  { "UNKNOWN", INTENT_RUN },
};

/* Inprogress: 1 downloads while the old guest still works, from 2 on it is
 * brought down, remade and brought up. */
#define BRING_DOWN 2

/* Orders that were not carried out by then are taken for done or refused: EVE
 * gives a guest 11 minutes to shut down. */
#define ORDER_MS (15u * 60 * 1000)

struct eve
{
  struct opener *opener;
  struct eve_orders *orders;
  const char *root, *uuid;
  uint64_t deadline;
  struct json_doc *docs[EVE_FOLDERS];
  struct json_object *obj[EVE_FOLDERS]; /* NULL: no such file */
  bool absent[EVE_FOLDERS]; /* the folder is there, the file is not */
};

static void
eve_done (struct eve *e)
{
  for (unsigned i = 0; i < EVE_FOLDERS; i++)
    json_doc_free (e->docs[i]);
}

/* Regular, bounded, whole. */
static int
read_regular (int fd, char *buf, size_t max, size_t *ret_len, struct error *err)
{
  struct stat st;
  size_t len = 0;
  int r;

  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "not a regular file");
  r = io_read (fd, buf, max, &len);
  if (r < 0)
    return error_errno (err, -r, "reading");
  /* Full: it is at least as large, and may have no end. */
  if (len == max)
    return error_set (err, EFBIG, "more than %zu bytes", max - 1);
  *ret_len = len;
  return 0;
}

static int
open_below (struct eve *e, enum open_kind kind, const char *path, int *ret_fd)
{
  const struct open_req req = { .kind = kind, .root = e->root, .path = path };
  struct error err = ERROR_INIT;

  return e->opener->open (e->opener, &req, e->deadline, ret_fd, NULL, &err);
}

/* Loads one file.  One that can't be read or parsed is as if it were not
 * there, but not "absent": nothing is concluded from it. */
static void
eve_load (struct eve *e, enum eve_file which)
{
  char *text CLEANUP_FREE = NULL;
  int fd CLEANUP_CLOSE = -1;
  int dir CLEANUP_CLOSE = -1;
  char path[128];
  size_t len = 0;
  int r;

  snprintf (path, sizeof path, "%s/%s.json", eve_folders[which], e->uuid);
  r = open_below (e, OPEN_FILE, path, &fd);
  if (r == -ENOENT)
    e->absent[which] = open_below (e, OPEN_DIR, eve_folders[which], &dir) == 0;
  if (r < 0)
    return;
  text = malloc (MAX_STATUS_FILE);
  if (!text || read_regular (fd, text, MAX_STATUS_FILE, &len, NULL) < 0
      || json_parse (text, len, JSON_WIRE, path, MAX_STATUS_FILE,
                     &e->docs[which], NULL)
             < 0)
    return;
  if (json_object_is_type (json_root (e->docs[which]), json_type_object))
    e->obj[which] = json_root (e->docs[which]);
}

/* ---- small readers ---- */

static void
copy_text (char *dst, size_t n, struct json_object *obj, const char *key)
{
  const char *s = json_get_str (obj, key);

  if (s && s[0])
    guest_copy (dst, n, s);
}

/* A number, or the number in a text; enums have been both. */
static int64_t
get_enum (struct json_object *obj, const char *key)
{
  const char *s = json_get_str (obj, key);

  return s ? strtoll (s, NULL, 10) : json_get_int (obj, key, 0);
}

static bool
get_bool (struct json_object *obj, const char *key, bool dflt)
{
  return json_get_bool (obj, key, dflt);
}

static int
base64_digit (char c)
{
  static const char digits[]
      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *p = c ? strchr (digits, c) : NULL;

  return p ? (int) (p - digits) : -1;
}

/* Go writes a net.HardwareAddr as base64 of its six bytes; other releases
 * have it as text. */
static void
copy_mac (char *dst, size_t n, struct json_object *obj, const char *key)
{
  const char *s = json_get_str (obj, key);
  unsigned char b[6];

  if (!s || !s[0])
    return;
  if (strlen (s) != 8)
    {
      guest_copy (dst, n, s);
      return;
    }
  for (unsigned i = 0; i < 2; i++)
    {
      uint32_t v = 0;

      for (unsigned k = 0; k < 4; k++)
        {
          int d = base64_digit (s[4 * i + k]);

          if (d < 0)
            return;
          v = v << 6 | (uint32_t) d;
        }
      b[3 * i] = (unsigned char) (v >> 16);
      b[3 * i + 1] = (unsigned char) (v >> 8);
      b[3 * i + 2] = (unsigned char) v;
    }
  snprintf (dst, n, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
            b[4], b[5]);
}

/* ---- parts of a guest ---- */

/* The first of a list of Address, as far as it may be used. */
static bool
first_address (struct json_object *list, char dst[ADDRESS_TEXT])
{
  if (!json_object_is_type (list, json_type_array))
    return false;
  for (size_t i = 0; i < json_object_array_length (list) && i < 16; i++)
    if (address_clean (dst, json_get_str (json_object_array_get_idx (list, i),
                                          "Address")))
      return true;
  return false;
}

/* AssignedAddresses.IPv4Addrs[0].Address and IPv6Addrs', or what older
 * releases had. */
static void
copy_address (struct guest_nic *nic, struct json_object *adapter)
{
  static const char *const older[] = { "AllocatedIPv4Addr", "AllocatedIPAddr" };
  struct json_object *assigned = json_get (adapter, "AssignedAddresses");
  bool known = first_address (json_get (assigned, "IPv4Addrs"), nic->ip);

  for (unsigned i = 0; i < ARRAY_LEN (older) && !known; i++)
    known = address_clean (nic->ip, json_get_str (adapter, older[i]));
  if (first_address (json_get (assigned, "IPv6Addrs"),
                     known ? nic->ip2 : nic->ip))
    known = true;
  if (known)
    guest_copy (nic->ip_from, sizeof nic->ip_from,
                address_from_names[ADDRESS_EVE]);
}

static struct guest_nic *
nic_for (struct guest *g, const struct guest_nic *like)
{
  for (unsigned i = 0; i < g->nnics; i++)
    if ((like->mac[0] && strcasecmp (g->nics[i].mac, like->mac) == 0)
        || (like->ifname[0] && strcmp (g->nics[i].ifname, like->ifname) == 0))
      return &g->nics[i];
  if (g->nnics == GUEST_MAX_NICS)
    return NULL;
  return &g->nics[g->nnics++];
}

static void
join_nics (struct guest *g, struct json_object *list)
{
  if (!json_object_is_type (list, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (list); i++)
    {
      struct json_object *a = json_object_array_get_idx (list, i);
      struct guest_nic in = { .mac = "" }, *nic;

      copy_mac (in.mac, sizeof in.mac, a, "Mac");
      copy_text (in.ifname, sizeof in.ifname, a, "Vif");
      copy_text (in.ifname, sizeof in.ifname, a, "VifUsed");
      copy_text (in.bridge, sizeof in.bridge, a, "Bridge");
      copy_address (&in, a);
      if (!in.mac[0] && !in.ifname[0])
        continue;
      nic = nic_for (g, &in);
      if (!nic)
        return;
      if (in.mac[0])
        guest_copy (nic->mac, sizeof nic->mac, in.mac);
      if (in.ifname[0])
        guest_copy (nic->ifname, sizeof nic->ifname, in.ifname);
      if (in.bridge[0])
        guest_copy (nic->bridge, sizeof nic->bridge, in.bridge);
      if (in.ip[0])
        address_copy (nic, &in);
    }
}

static void
join_disks (struct guest *g, struct json_object *list)
{
  if (g->ndisks || !json_object_is_type (list, json_type_array))
    return;
  for (size_t i = 0;
       i < json_object_array_length (list) && g->ndisks < GUEST_MAX_DISKS; i++)
    {
      struct json_object *d = json_object_array_get_idx (list, i);
      struct guest_disk *disk = &g->disks[g->ndisks];

      copy_text (disk->path, sizeof disk->path, d, "FileLocation");
      copy_text (disk->target, sizeof disk->target, d, "Vdev");
      if (!disk->path[0])
        continue;
      if (!disk->target[0])
        snprintf (disk->target, sizeof disk->target, "disk%u", g->ndisks);
      g->ndisks++;
    }
}

static void
join_sizes (struct guest *g, struct json_object *config)
{
  int64_t kib = json_get_int (config, "Memory", 0);
  int64_t vcpus = json_get_int (config, "VCpus", 0);

  if (g->memory_bytes == 0 && kib > 0 && kib < INT64_MAX / 1024)
    g->memory_bytes = (uint64_t) kib * 1024;
  if (g->vcpus == 0 && vcpus > 0 && vcpus <= 65536)
    g->vcpus = (unsigned) vcpus;
}

static void
label (struct guest *g, const char *key, const char *value)
{
  if (!g->labels)
    g->labels = json_object_new_object ();
  json_add_text (g->labels, key, value, strlen (value));
}

/* ---- intent ---- */

static void
intend (struct guest *g, enum guest_intent intent, const char *from)
{
  g->intent = intent;
  guest_copy (g->intent_from, sizeof g->intent_from, from);
}

/* A crash is being captured, or the guest is held after one. */
static bool
is_crash_held (struct json_object *status)
{
  struct json_object *v = json_get (status, "CrashState");
  const char *s = json_get_str (status, "CrashState");

  if (s)
    return s[0] && strcmp (s, "0") != 0 && strcasecmp (s, "none") != 0;
  return json_object_is_type (v, json_type_int)
         && json_object_get_int64 (v) != 0;
}

static bool
intend_restart (struct guest *g, struct json_object *status)
{
  static const char *const flags[] = { "PurgeInprogress", "RestartInprogress" };

  for (unsigned i = 0; i < ARRAY_LEN (flags); i++)
    {
      int64_t step = get_enum (status, flags[i]);
      char from[64];

      if (step <= 0)
        continue;
      snprintf (from, sizeof from, "AppInstanceStatus.%s=%d", flags[i],
                (int) step);
      label (g, "eve.in_progress", from);
      if (step >= BRING_DOWN)
        {
          intend (g, INTENT_RESTART, from);
          return true;
        }
    }
  if (get_bool (json_get (status, "SnapStatus"), "RollbackInProgress", false))
    {
      intend (g, INTENT_RESTART, "AppInstanceStatus.RollbackInProgress");
      return true;
    }
  return false;
}

static uint64_t
counter_of (struct json_object *obj, const char *key)
{
  int64_t n = json_get_int (json_get (obj, key), "Counter", 0);

  return n > 0 && n <= UINT32_MAX ? (uint64_t) n : 0;
}

/* Both the controller's and a local profile server's. */
static struct eve_orders
orders_of (struct json_object *config)
{
  return (struct eve_orders){
    .known = true,
    .restarts = counter_of (config, "RestartCmd")
                + counter_of (config, "LocalRestartCmd"),
    .purges = counter_of (config, "PurgeCmd")
              + counter_of (config, "LocalPurgeCmd"),
    .rollbacks = counter_of (json_get (config, "Snapshot"), "RollbackCmd"),
  };
}

/* Early releases say in the status how far they have come; later ones do not,
 * so what counts is what this life began with. */
static const char *
order_above (const struct eve_orders *now, const struct eve_orders *began,
             struct json_object *status)
{
  if (now->purges > began->purges
      || (json_get (status, "PurgeCmd")
          && now->purges > orders_of (status).purges))
    return "AppInstanceConfig.PurgeCmd";
  if (now->restarts > began->restarts
      || (json_get (status, "RestartCmd")
          && now->restarts > orders_of (status).restarts))
    return "AppInstanceConfig.RestartCmd";
  if (now->rollbacks > began->rollbacks)
    return "AppInstanceConfig.Snapshot.RollbackCmd";
  return NULL;
}

static bool
intend_ordered (struct guest *g, const struct eve *e)
{
  struct eve_orders now = orders_of (e->obj[APP_CONFIG]), *o = e->orders;
  uint64_t t = clock_ms ();
  const char *from;

  if (!e->obj[APP_CONFIG] || !o)
    return false;
  if (!o->known)
    *o = now;
  from = order_above (&now, o, e->obj[APP_STATUS]);
  if (!from)
    {
      o->rose_ms = 0;
      return false;
    }
  if (!o->rose_ms)
    o->rose_ms = t;
  if (t - o->rose_ms > ORDER_MS)
    {
      /* The time stays, so that a status that lags for ever does not bring
       * it back. */
      now.rose_ms = o->rose_ms;
      *o = now;
      return false;
    }
  /* While EVE downloads what it is to become, the guest works. */
  if (get_enum (e->obj[APP_STATUS], "PurgeInprogress") == BRING_DOWN - 1)
    return false;
  intend (g, INTENT_RESTART, from);
  return true;
}

/* Who has taken back the wish that it runs.  The nearest to the domain speaks
 * first: a local profile may overrule the controller's Activate. */
static bool
intend_stop (struct guest *g, const struct eve *e)
{
  const char *from = NULL;

  if (get_bool (e->obj[DOMAIN_STATUS], "PendingDelete", false))
    from = "DomainStatus.PendingDelete";
  else if (e->obj[DOMAIN_STATUS] && e->absent[DOMAIN_CONFIG])
    from = "DomainConfig is gone";
  else if (e->obj[APP_STATUS] && e->absent[APP_CONFIG])
    from = "AppInstanceConfig is gone";
  else if (e->obj[DOMAIN_CONFIG])
    from = get_bool (e->obj[DOMAIN_CONFIG], "Activate", true)
               ? NULL
               : "DomainConfig.Activate=false";
  else if (json_get (e->obj[APP_STATUS], "EffectiveActivate"))
    from = get_bool (e->obj[APP_STATUS], "EffectiveActivate", true)
               ? NULL
               : "AppInstanceStatus.EffectiveActivate=false";
  else if (!get_bool (e->obj[APP_CONFIG], "Activate", true))
    from = "AppInstanceConfig.Activate=false";
  if (from)
    intend (g, INTENT_STOP, from);
  return from != NULL;
}

static bool
intend_by_state (struct guest *g, struct json_object *status,
                 const char *object)
{
  int64_t state = get_enum (status, "State");
  char from[64];

  if (!status || state < SW_STATE_FIRST
      || state >= SW_STATE_FIRST + (int64_t) ARRAY_LEN (sw_states))
    return false;
  state -= SW_STATE_FIRST;
  label (g, "eve.state", sw_states[state].name);
  if (sw_states[state].intent == INTENT_RUN)
    return false;
  snprintf (from, sizeof from, "%s.State=%s", object, sw_states[state].name);
  intend (g, sw_states[state].intent, from);
  return true;
}

static void
join_intent (struct guest *g, const struct eve *e)
{
  bool by_state;

  /* The state is asked in any case: its name becomes a label. */
  by_state = e->obj[DOMAIN_STATUS]
                 ? intend_by_state (g, e->obj[DOMAIN_STATUS], "DomainStatus")
                 : intend_by_state (g, e->obj[APP_STATUS], "AppInstanceStatus");
  if (is_crash_held (e->obj[DOMAIN_STATUS]))
    intend (g, INTENT_HANDS_OFF, "DomainStatus.CrashState");
  else if (!intend_restart (g, e->obj[APP_STATUS]) && !intend_stop (g, e)
           && !intend_ordered (g, e) && !by_state)
    intend (g, INTENT_RUN, "eve");
}

/* ---- the whole ---- */

int
eve_join (struct opener *opener, const char *root, uint64_t deadline,
          struct eve_orders *orders, struct guest *g, struct error *err)
{
  struct eve e CLEANUP (eve_done) = {
    .opener = opener,
    .orders = orders,
    .root = root,
    .uuid = g->inc.uuid,
    .deadline = deadline,
  };
  struct json_object *app, *domain;
  int spoke = 0;

  if (clock_ms () >= deadline)
    return error_set (err, ETIMEDOUT, "no time left for EVE's status");
  for (unsigned i = 0; i < EVE_FOLDERS; i++)
    {
      eve_load (&e, i);
      spoke += e.obj[i] != NULL;
    }
  if (spoke == 0)
    return 0;
  app = e.obj[APP_CONFIG];
  domain = e.obj[DOMAIN_STATUS];
  copy_text (g->display, sizeof g->display, e.obj[APP_STATUS], "DisplayName");
  copy_text (g->display, sizeof g->display, domain, "DisplayName");
  copy_text (g->display, sizeof g->display, app, "DisplayName");
  g->logs_disabled = get_bool (domain, "DisableLogs", false)
                     || get_bool (app, "DisableLogs", false);
  join_nics (g, json_get (domain, "VifList"));
  join_nics (g, json_get (e.obj[NETWORK_STATUS], "UnderlayNetworkList"));
  join_nics (g, json_get (e.obj[NETWORK_STATUS], "AppNetAdapterList"));
  join_disks (g, json_get (domain, "DiskStatusList"));
  join_sizes (g, domain);
  join_sizes (g, json_get (app, "FixedResources"));
  label (g, "eve.root", root); /* memlogd's socket is there, too */
  join_intent (g, &e);
  return spoke;
}

int32_t
eve_pid (struct opener *opener, const char *root, uint64_t deadline,
         const char *uuid)
{
  struct eve e CLEANUP (eve_done)
      = { .opener = opener, .root = root, .uuid = uuid, .deadline = deadline };
  int64_t pid;

  eve_load (&e, DOMAIN_STATUS);
  pid = json_get_int (e.obj[DOMAIN_STATUS], "DomainId", 0);
  return pid > 0 && pid <= INT32_MAX ? (int32_t) pid : 0;
}
