/* SPDX-License-Identifier: Apache-2.0
 *
 * The monitor, whichever way it is reached, and what others ask of it.
 */
#include "config.h"

#include "transports/monitor/monitor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/monitor/libvirt.h"
#include "transports/monitor/look.h"

#include <stdlib.h>
#include <string.h>

const char *const monitor_health_names[] = {
  [MONITOR_ANSWERS] = "answers",
  [MONITOR_GREETS_ONLY] = "greets-only",
  [MONITOR_NO_GREETING] = "no-greeting",
  [MONITOR_HELD] = "held",
  [MONITOR_GONE] = "gone",
  [MONITOR_HEALTH_MAX] = NULL,
};

/* One client's use of it, for one job: not shared between threads. */
struct monitor
{
  const struct monitor_ops *ops;
  void *self;
};

static const struct monitor_ops *
ops_of (const struct guest *g, struct error *err)
{
  switch (g->monitor)
    {
    case MONITOR_UNIX:
      return &monitor_unix;
    case MONITOR_LIBVIRT:
      return &monitor_libvirt;
    case MONITOR_NONE:
      break;
    }
  error_set (err, ENOENT, "%s has no monitor", g->display);
  return NULL;
}

int
monitor_open (const struct transport_env *env, const struct guest *g,
              uint64_t deadline, struct monitor **ret_m,
              enum monitor_health *ret_health, struct error *err)
{
  struct error why = ERROR_INIT;
  struct monitor *m = NULL;
  int r;

  /* What a failure looks like before the transport was asked. */
  *ret_health = MONITOR_GONE;
  m = calloc (1, sizeof *m);
  if (!m)
    return error_errno (err, ENOMEM, "monitor");
  m->ops = ops_of (g, &why);
  if (!m->ops)
    r = error_set (err, why.code, "%s", why.msg);
  else
    r = m->ops->open (env, g, deadline, &m->self, ret_health, err);
  if (r < 0)
    {
      free (m);
      return r;
    }
  *ret_m = m;
  return 0;
}

int
monitor_command (struct monitor *m, const char *command,
                 struct json_object *args, uint64_t deadline,
                 struct json_object **ret_reply, struct error *err)
{
  return m->ops->command (m->self, command, args, deadline, ret_reply, err);
}

int
monitor_give (struct monitor *m, const char *command, int fd,
              uint64_t deadline, struct json_object **ret_reply,
              struct error *err)
{
  if (!m->ops->give)
    return error_set (err, ENOTSUP, "a descriptor can't be given that way");
  return m->ops->give (m->self, command, fd, deadline, ret_reply, err);
}

void
monitor_close (struct monitor *m)
{
  if (!m)
    return;
  m->ops->close (m->self);
  free (m);
}

static void
monitor_closep (struct monitor **m)
{
  monitor_close (*m);
}

/* One command on a connection of its own. */
static int
ask_once (const struct transport_env *env, const struct guest *g,
          const char *command, uint64_t deadline,
          enum monitor_health *ret_health, struct json_object **ret_reply,
          struct error *err)
{
  struct monitor *m CLEANUP (monitor_closep) = NULL;
  int r;

  r = monitor_open (env, g, deadline, &m, ret_health, err);
  if (r < 0)
    return r;
  r = monitor_command (m, command, NULL, deadline, ret_reply, err);
  /* Capabilities are answered by whoever reads the socket; the command needs
   * the main loop.  So this too is "greets only". */
  if (r == -ETIMEDOUT)
    *ret_health = MONITOR_GREETS_ONLY;
  return r;
}

int
monitor_status (const struct transport_env *env, const struct guest *g,
                uint64_t deadline, enum monitor_health *ret_health,
                char *ret_status, size_t n, struct error *err)
{
  struct json_object *reply CLEANUP_JSON = NULL;
  const char *status;
  int r;

  /* Through libvirt's own call: a raw QMP command taints the domain, and a
   * healthy guest is not tainted for a status. */
  if (g->monitor == MONITOR_LIBVIRT)
    return monitor_libvirt_status (g, deadline, ret_health, ret_status, n, err);
  r = ask_once (env, g, "query-status", deadline, ret_health, &reply, err);
  if (r < 0)
    return r;
  status = json_get_str (reply, "status");
  if (!status)
    return error_set (err, EPROTO, "query-status: no status in the reply");
  guest_copy (ret_status, n, status);
  return 0;
}

/* ---- block counters ---- */

static bool
crawls (struct json_object *inserted)
{
  static const char *const bps[] = { "bps", "bps_rd", "bps_wr" };
  static const char *const iops[] = { "iops", "iops_rd", "iops_wr" };
  bool ret = false;

  for (unsigned i = 0; i < ARRAY_LEN (bps); i++)
    ret = ret
          || monitor_bounds_crawl_ (json_get_int (inserted, bps[i], 0),
                                    json_get_int (inserted, iops[i], 0));
  return ret;
}

void
monitor_disk_bounds_ (struct json_object *reply, struct json_object *disks)
{
  size_t n = json_count (reply);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *dev = json_object_array_get_idx (reply, i);
      struct json_object *inserted = json_get (dev, "inserted"), *disk;
      char name[128];

      monitor_disk_name_ (dev, name, sizeof name);
      disk = name[0] && inserted ? json_get (disks, name) : NULL;
      if (disk)
        json_add_bool (disk, "crawls", crawls (inserted));
    }
}

int
monitor_blockstats (const struct transport_env *env, const struct guest *g,
                    uint64_t deadline, struct json_object **ret,
                    struct error *err)
{
  struct json_object *reply CLEANUP_JSON = NULL;
  struct json_object *blocks CLEANUP_JSON = NULL;
  enum monitor_health health;
  int r;

  /* As above: without a taint. */
  if (g->monitor == MONITOR_LIBVIRT)
    return monitor_libvirt_blockstats (g, deadline, ret, err);
  r = ask_once (env, g, "query-blockstats", deadline, &health, &reply, err);
  if (r < 0)
    return r;
  if (!json_object_is_type (reply, json_type_array))
    return error_set (err, EPROTO, "query-blockstats: not a list");
  *ret = monitor_disks_ (reply);
  /* Counters are what is asked for; bounds say more of them. */
  if (ask_once (env, g, "query-block", deadline, &health, &blocks, NULL) == 0)
    monitor_disk_bounds_ (blocks, *ret);
  return 0;
}

/* ---- doctor ---- */

/* The command that tells more; "" when there is none. */
static void
fix_of (const struct guest *g, enum monitor_health health, char *dst, size_t n)
{
  dst[0] = '\0';
  switch (health)
    {
    case MONITOR_HELD:
      snprintf (dst, n, "ss -xp | grep '%s/%s'", g->monitor_root,
                g->monitor_path);
      break;
    case MONITOR_NO_GREETING:
    case MONITOR_GREETS_ONLY:
      snprintf (dst, n, "hangdog diagnose %s", g->inc.uuid);
      break;
    case MONITOR_GONE:
      if (g->monitor == MONITOR_LIBVIRT)
        snprintf (dst, n, "virsh -c '%s' domcontrol %s", g->host,
                  g->inc.uuid);
      break;
    case MONITOR_ANSWERS:
    case MONITOR_HEALTH_MAX:
      break;
    }
}

static void
monitor_doctor (const struct transport_env *env, const struct guest *g,
                struct doctor_report *rep, uint64_t deadline)
{
  struct error err = ERROR_INIT;
  enum monitor_health health = MONITOR_GONE;
  char status[64], text[400], fix[512];

  if (g->monitor == MONITOR_NONE)
    {
      rep->line (rep, DOCTOR_NA, "monitor", "this guest has none", NULL);
      return;
    }
  if (g->run == GUEST_OFF)
    {
      rep->line (rep, DOCTOR_NA, "monitor", "the guest is off", NULL);
      return;
    }
  if (monitor_status (env, g, deadline, &health, status, sizeof status, &err)
      == 0)
    {
      snprintf (text, sizeof text, "answers: the guest is %s", status);
      rep->line (rep, DOCTOR_OK, "monitor", text, NULL);
      return;
    }
  snprintf (text, sizeof text, "%s: %s", monitor_health_names[health],
            error_text (&err));
  fix_of (g, health, fix, sizeof fix);
  rep->line (rep, health == MONITOR_HELD ? DOCTOR_WARN : DOCTOR_BAD, "monitor",
             text, fix[0] ? fix : NULL);
}

const struct transport_ops transport_monitor = {
  .name = "monitor",
  .summary = "QEMU's monitor (QMP), by its socket or through libvirt",
  .touches = "a socket is held for at most 2 s, and its owner waits so long; "
             "raw commands through libvirt taint the guest",
  .lane = LANE_MONITOR,
  .cpu_us = 500,
  .doctor = monitor_doctor,
};
