/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU's monitor, directly over its socket or through libvirt.  In a job's
 * thread; every read has a deadline.
 *
 * A directly opened socket is shared with its owner (EVE's pillar has no read
 * deadline of its own while it waits for it): it is held for at most
 * MONITOR_HOLD_MS and closed.
 */
#ifndef HANGDOG_TRANSPORTS_MONITOR_H
#define HANGDOG_TRANSPORTS_MONITOR_H

#include "transports/transport.h"

#include <json-c/json.h>

#define MONITOR_HOLD_MS 2000
#define MONITOR_MAX_REPLY (4u << 20)

enum monitor_health
{
  MONITOR_ANSWERS,     /* greeting and an answer: main loop runs */
  MONITOR_GREETS_ONLY, /* greeting, no answer: main loop or BQL stuck */
  MONITOR_NO_GREETING, /* connected, nothing said: another client, or the
                          whole process is stopped */
  MONITOR_HELD,        /* the listener's queue is full */
  MONITOR_GONE,        /* no socket, refused */
  MONITOR_HEALTH_MAX,
};
extern const char *const monitor_health_names[];

struct monitor;

struct monitor_ops
{
  const char *name;
  int (*open) (const struct transport_env *env, const struct guest *g,
               uint64_t deadline, void **ret_self,
               enum monitor_health *ret_health, struct error *err);
  /* *ret_reply is the value of "return". */
  int (*command) (void *self, const char *command, struct json_object *args,
                  uint64_t deadline, struct json_object **ret_reply,
                  struct error *err);
  /* The same of a command that a descriptor comes with; NULL: it can't. */
  int (*give) (void *self, const char *command, int fd, uint64_t deadline,
               struct json_object **ret_reply, struct error *err);
  void (*close) (void *self);
};

extern const struct monitor_ops monitor_unix;
extern const struct monitor_ops monitor_libvirt; /* raw commands: taints */

/* Chooses by g->monitor.  *ret_health is set in every case. */
int monitor_open (const struct transport_env *env, const struct guest *g,
                  uint64_t deadline, struct monitor **ret_m,
                  enum monitor_health *ret_health, struct error *err);
/* args may be NULL; its reference is taken.  A QMP error is -EREMOTEIO with
 * class and description in err; no answer -ETIMEDOUT. */
int monitor_command (struct monitor *m, const char *command,
                     struct json_object *args, uint64_t deadline,
                     struct json_object **ret_reply, struct error *err);
/* The same, and QEMU is given fd, which stays the caller's, too.  -ENOTSUP:
 * not by this way. */
int monitor_give (struct monitor *m, const char *command, int fd,
                  uint64_t deadline, struct json_object **ret_reply,
                  struct error *err);
void monitor_close (struct monitor *m);

/* query-status the way that does not taint: typed libvirt calls there, QMP
 * here.  ret_status: "running", "paused", "io-error", ... and reason. */
int monitor_status (const struct transport_env *env, const struct guest *g,
                    uint64_t deadline, enum monitor_health *ret_health,
                    char *ret_status, size_t n, struct error *err);

/* Block counters of all disks: {"vda":{"rd_bytes":..,"rd_ops":..,
 * "wr_bytes":..,"wr_ops":..,"flush_ops":..,"errors":..}}; typed libvirt
 * call there, query-blockstats here. */
int monitor_blockstats (const struct transport_env *env,
                        const struct guest *g, uint64_t deadline,
                        struct json_object **ret, struct error *err);

#endif
