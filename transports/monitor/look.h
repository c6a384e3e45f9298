/* SPDX-License-Identifier: Apache-2.0
 *
 * How QEMU says that a guest is: its run state, what its disks do, its balloon
 * and its vCPUs.  For who asks it again and again, and for who diagnoses; in a
 * job's thread.
 */
#ifndef HANGDOG_TRANSPORTS_MONITOR_LOOK_H
#define HANGDOG_TRANSPORTS_MONITOR_LOOK_H

#include "transports/monitor/monitor.h"

/* States that a person, libvirt or a migration brings about.  Not among them:
 * io-error, internal-error, guest-panicked, watchdog, shutdown. */
bool monitor_is_stopped (const char *status);

/* Whether a disk (a value of monitor_blockstats()) has done anything between
 * two looks. */
bool monitor_disk_moved (struct json_object *was, struct json_object *now);

/* ---- the whole ---- */

enum monitor_wants
{
  MONITOR_WANTS_DISKS = 1 << 0,
  MONITOR_WANTS_BALLOON = 1 << 1,
};

struct monitor_look
{
  char status[64];
  /* As monitor_blockstats() has it, and in each disk, where it is told:
   * "in_flight", requests that the guest has made and QEMU has not answered
   * (virtio disks of a QEMU from 7.2 on, asked directly), and "io_status":
   * "ok", "failed" or "nospace". */
  struct json_object *disks;
  /* For how long the guest's balloon driver has told nothing; -1: there is
   * none, or nobody asks it (the device's guest-stats-polling-interval). */
  int64_t balloon_s;
};

static inline void
monitor_look_done (struct monitor_look *l)
{
  json_object_put (l->disks);
}
#define CLEANUP_LOOK __attribute__ ((cleanup (monitor_look_done)))

/* wants: enum monitor_wants.  One connection; what QEMU does not know how to
 * tell is left out. */
int monitor_look (const struct transport_env *env, const struct guest *g,
                  unsigned wants, uint64_t deadline,
                  enum monitor_health *ret_health, struct monitor_look *ret,
                  struct error *err);

/* ---- through libvirt ---- */

/* All that it has calls of its own for, so that nothing is tainted:
 * {"stats": {"block.0.rd.reqs": N, ...}, "io_tune": {"vda": {...,
 * "throttled": bool, "crawls": bool}}, "disk_errors": {"vda":
 * "failed"|"nospace"}, "job": "bounded"|"unbounded"}; the last three where it
 * tells.  -ENOTSUP without libvirt. */
int monitor_libvirt_typed (const struct guest *g, uint64_t deadline,
                           struct json_object **ret, struct error *err);

/* ---- vCPUs ---- */

/* What a thread of the guest's QEMU has run, and waited for a processor, in
 * ns; false when it is gone.  Both together tell a vCPU that spins also on a
 * host that is short of processors. */
struct thread_time
{
  uint64_t run, wait;
};
bool monitor_thread_time (int pid, int tid, struct thread_time *ret);
/* Of all that it has now together. */
bool monitor_process_time (int pid, struct thread_time *ret);

#define MONITOR_MAX_VCPUS 64

struct monitor_vcpu
{
  int number, tid;
  struct thread_time time;
};

/* Its vCPUs and how long each has run by now: as QEMU's monitor says, over a
 * socket of its own, or by the names of its threads, which libvirt has it give
 * them.  How many; 0: not known here. */
size_t monitor_vcpus (const struct transport_env *env, const struct guest *g,
                      uint64_t deadline,
                      struct monitor_vcpu ret[MONITOR_MAX_VCPUS]);

/* By the names of its threads alone: asks nobody and waits for nobody. */
size_t monitor_vcpus_named (int pid,
                            struct monitor_vcpu ret[MONITOR_MAX_VCPUS]);

/* Its threads that wait in the host's kernel right now (state D), and how long
 * each has run: `number` is -1 where that is no vCPU's by its name.  The first
 * of them. */
size_t monitor_blocked (int pid, struct monitor_vcpu ret[MONITOR_MAX_VCPUS]);

/* None of its threads runs, wants to, or waits in the host's kernel (D), right
 * now. */
bool monitor_sleeps (int pid);

/* ---- of this folder ---- */

/* Disks by name, of query-blockstats' answer. */
struct json_object *monitor_disks_ (struct json_object *reply);
/* Of query-block's answer, into those: "crawls", whether its owner lets it do
 * next to nothing. */
void monitor_disk_bounds_ (struct json_object *reply,
                           struct json_object *disks);
/* Whether one of these bounds, 0: none, is next to nothing: a disk of
 * today's does many times that. */
static inline bool
monitor_bounds_crawl_ (int64_t bps, int64_t iops)
{
  return (bps > 0 && bps < 256 * 1024) || (iops > 0 && iops < 16);
}
/* The name under which a disk is known in struct guest. */
void monitor_disk_name_ (struct json_object *dev, char *dst, size_t n);
int monitor_libvirt_look (const struct guest *g, unsigned wants,
                          uint64_t deadline, struct monitor_look *ret,
                          struct error *err);

#endif
