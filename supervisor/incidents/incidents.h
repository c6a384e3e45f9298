/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents: from a scenario that failed to a bundle on its way.
 *
 *   failed ─► put (durable) ─► diagnosis ─► verdict ─► pack ─► shipped
 *
 * One guest has at most one standing incident: while it stands, further
 * failures join it.  It ends when the guest is well again, lives another
 * life, or is gone.  Standing incidents survive a restart of the daemon, so
 * that the same hang is not told twice.  Loop thread only.
 *
 * They are told directly of what must not be lost; text that a guest's kernel
 * may have printed (kernel.trouble.* facts) they hear on the bus, as a
 * suspicion.
 */
#ifndef HANGDOG_SUPERVISOR_INCIDENTS_H
#define HANGDOG_SUPERVISOR_INCIDENTS_H

#include "diag/incident.h"
#include "guests/registry.h"
#include "scenarios/scenario.h"
#include "supervisor/watch/bindings.h"

struct diagnosis_env;
struct error;
struct fact_bus;
struct incidents;
struct loop;
struct playbook_set;
struct writer_link;

/* A program of the operator's that is run when a bundle is on disk. */
struct incidents_notify
{
  const char *const *argv; /* its name, and arguments; outlives all jobs */
  size_t nargv;            /* 0: there is none */
  uint64_t timeout_ms;
};

/* Whom they ask and tell. */
struct incidents_env
{
  struct loop *loop;
  struct fact_bus *bus;
  struct guest_registry *registry;
  struct bindings *bindings;
  struct writer_link *writer;
  const struct diagnosis_env *diagnosis;
  struct playbook_set *playbooks; /* a reference is taken */
  unsigned max_diagnoses; /* at once */
  uint64_t repeat_ms; /* incidents_repeat() */
  struct incidents_notify notify;
  bool drain_only;        /* what text says is not heard */
};
/* env is copied. */
int incidents_new (const struct incidents_env *env, struct incidents **ret,
                   struct error *err);
void incidents_limit (struct incidents *in, unsigned max_diagnoses);
/* So long after a trouble of a guest the same one has no bundle of its own;
 * 0: each has. */
void incidents_repeat (struct incidents *in, uint64_t repeat_ms);
/* Those that count from now on; a diagnosis that runs keeps its own.  To be
 * called once they are read, also when they are as they were: what waits for
 * one that is in none of the first begins then. */
void incidents_playbooks (struct incidents *in,
                          struct playbook_set *playbooks);
void incidents_free (struct incidents *in);

/* A binding_listen_fn. */
void incidents_outcome (const struct binding_info *info,
                        enum health_change change, void *arg);
/* Where only text shows that it was rebooted (BOOT_BY_TEXT) what stands goes
 * on standing, "rebooted?", until somebody confirms it; text ends what text
 * alone has raised.  A state that shows trouble of which no event tells begins
 * an incident. */
void incidents_guest (struct incidents *in, enum guest_change change,
                      const struct guest *was, const struct guest *now);
/* To be called when the bindings were set anew, and both layers of scenarios
 * are known: who was told of by one that is gone is not called hung by it for
 * ever. */
void incidents_settled (struct incidents *in);
/* What a guest's hypervisor says of it. */
void incidents_event (struct incidents *in, const struct guest *g,
                      enum guest_event event, const char *detail);
/* These guests were well and stopped answering together, on a host that is
 * short (says is the sentence).  true: that is why, and it is followed as an
 * incident of the host's, which ends when it is not told for a while.  false:
 * they have something else in common, and failed. */
bool incidents_pressed (struct incidents *in,
                        const struct guest *const *guests, size_t n,
                        const char *says);
/* The writer is there (again). */
void incidents_writer_up (struct incidents *in);
/* What became of a bundle on its way to a sink. */
void incidents_shipped (struct incidents *in, const char *id,
                        const char *sink);
void incidents_parked (struct incidents *in, const char *id, const char *why);

/* Progress of one incident, for who ordered it, and for others. */
struct incident_watch_ops
{
  void (*progress) (unsigned n, unsigned total, const char *what, bool ended,
                    const char *failure, void *arg);
  /* bundle: path on the host, "" when it could not be made (why says).  The
   * last that is told. */
  void (*packed) (const struct incident *inc, const char *bundle,
                  const struct error *why, void *arg);
};
/* A diagnosis that somebody asked for.  playbook NULL = standard. */
int incidents_order (struct incidents *in, const struct guest *g,
                     const char *playbook, const char *by,
                     const struct incident_watch_ops *ops, void *arg,
                     char ret_id[UUID_TEXT], struct error *err);
/* The incident of that id, or the newest of the guest of that uuid that is not
 * packed yet; NULL: none.  The id is as long-lived as the incident. */
const char *incidents_find (struct incidents *in, const char *id,
                            const char *uuid);
/* Another one who is told: first, before this returns, of all steps that there
 * were.  Of one that is packed the end is told before this returns.  -ENOENT;
 * -EBUSY: it has MAX_WATCHERS. */
int incidents_watch (struct incidents *in, const char *id,
                     const struct incident_watch_ops *ops, void *arg,
                     struct error *err);
/* Who watched or ordered has gone, known by its arg: the diagnosis goes on. */
void incidents_unwatch (struct incidents *in, const char *id,
                        const void *arg);
/* Its diagnosis is called off: no further step, what there is is judged and
 * packed.  by: "uid 0 (pid 123)".  -ENOENT; -EALREADY: it is judged. */
int incidents_cancel (struct incidents *in, const char *id, const char *by,
                      struct error *err);

struct incident_info
{
  const struct incident *incident;
  bool collecting, waiting;
  bool perhaps_rebooted; /* it stands, and by its text the guest began anew */
  bool flapping; /* it is held open: its check is now well and now not */
  unsigned flaps; /* so often it would have been another one */
  unsigned children; /* of one of the host's own: incidents of guests */
  struct json_object *child_list; /* the same as its document has them */
  const char *bundle; /* path, "" before it is packed */
  const char *shipped; /* "", "shipped", "parked: why" */
};
void incidents_each (struct incidents *in,
                     void (*fn) (const struct incident_info *info, void *arg),
                     void *arg);
/* Is it that guest's, or the host's that one of the guest's belongs to? */
bool incidents_concerns (struct incidents *in, const struct incident *inc,
                         const char *uuid);
/* The standing incident of that guest, NULL if it is well. */
const struct incident *incidents_standing (struct incidents *in,
                                           const char *uuid);

#endif
