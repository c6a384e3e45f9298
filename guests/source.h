/* SPDX-License-Identifier: Apache-2.0
 *
 * Where guests come from.  One file per source, one line in the table.
 *
 * A source runs on the loop and does what may block in jobs (guest "host",
 * lane "source NAME").  It tells the registry; it never decides what a
 * change means.
 */
#ifndef HANGDOG_GUESTS_SOURCE_H
#define HANGDOG_GUESTS_SOURCE_H

#include "guests/registry.h"

struct buf;
struct error;
struct job_pool;
struct loop;
struct opener;

struct guest_source_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct opener *opener;
  struct guest_registry *registry;
  struct fact_bus *bus;
};

/* From the configuration: "sources": [{"kind": "rundir", ...}] */
struct guest_source_config
{
  char *kind;     /* "libvirt" or "rundir" */
  char *uri;      /* libvirt */
  char *root;     /* rundir: "/run/hypervisor/kvm" */
  char *consoles; /* rundir: comma separated file names to look for, in order
                     ("cons,shim-cons") */
  char *monitor;  /* rundir: file name of the monitor socket to use ("qmp") */
  char *pidfile;  /* rundir: "pid" */
  char *eve;      /* rundir: EVE's status root ("/run"), "" = not EVE */
  int console_mode; /* enum console_mode, or -1 = the source's own default:
                       hold on libvirt, probe on rundir */
};

/* Another place that says it is a guest that is seen elsewhere already. */
struct guest_double
{
  const char *uuid;
  const char *name;  /* of this one */
  const char *taken; /* of the one that is watched instead */
  bool running;
};

struct guest_source_ops
{
  const char *name;
  const char *summary; /* one line for `hangdog list sources` */
  int (*start) (const struct guest_source_env *env,
                const struct guest_source_config *cfg, void **ret_self,
                struct error *err);
  void (*refresh) (void *self); /* look again soon */
  /* One line of state per call for `status` and `dump`: connected since,
   * last error, retry in. */
  void (*describe) (void *self, struct buf *out);
  bool (*healthy) (void *self);
  /* May be NULL: this source has none. */
  void (*doubles) (void *self,
                   void (*fn) (const struct guest_double *d, void *arg),
                   void *arg);
  void (*stop) (void *self); /* NULL is fine */
};

extern const struct guest_source_ops guest_source_rundir;
extern const struct guest_source_ops guest_source_libvirt;

/* All that this build has; ends with NULL. */
extern const struct guest_source_ops *const guest_sources[];
const struct guest_source_ops *guest_source_find (const char *kind);

#endif
