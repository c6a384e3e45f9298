/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's configuration: one JSON document with comments.  Everything
 * has a default; without a file hangdog watches every guest it can find and
 * touches none.
 */
#ifndef HANGDOG_SUPERVISOR_SETTINGS_H
#define HANGDOG_SUPERVISOR_SETTINGS_H

#include "base/digest.h"
#include "base/json.h"
#include "controller-proto/ship.h"
#include "guests/source.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

#define CONFIG_SCHEMA "hangdog/config/1"
#define CONFIG_PATH "/etc/hangdog/config.json"
#define CONFIG_SCENARIOS "/etc/hangdog/scenarios"
#define CONFIG_RULES "/etc/hangdog/rules.d"
#define CONFIG_VERDICTS "/etc/hangdog/verdicts.d"
#define CONFIG_PLAYBOOKS "/etc/hangdog/playbooks.d"
#define CONFIG_EXEC "/etc/hangdog/exec.d"
#define RUN_PATH "/run/hangdog"
#define EXEC_PATH "exec" /* in it: what programs leave */
#define STATE_PATH "/var/lib/hangdog"
#define CONTROL_SOCKET "control"

/* What somebody may do who is let in at a control socket. */
enum may
{
  MAY_LOOK = 1 << 0,     /* at all that hangdog knows; read consoles along */
  MAY_PROBE = 1 << 1,    /* have checks run that are bound, examine ways */
  MAY_BIND = 1 << 2,     /* bind scenarios, run one's own, pause them */
  MAY_DIAGNOSE = 1 << 3, /* order diagnoses, call them off, inspect memory */
  MAY_CONSOLE = 1 << 4,  /* type at consoles, have them let go */
  MAY_ADMIN = 1 << 5,    /* take a guest's memory as a file, drop bundles */
};
#define MAY_ALL (2 * MAY_ADMIN - 1)
/* By bit, NULL terminated. */
extern const char *const may_names[];

struct config_limits
{
  uint64_t sweep_ms;
  uint64_t ring_total;
  uint64_t log_total;      /* bytes of console logs on disk */
  uint64_t spool_total;
  uint64_t spool_free_floor;
  int64_t max_threads;
  int64_t max_diagnoses;
  int64_t text_threads; /* 0 = as many as it takes */
};

/* Who is told of a bundle that is on disk. */
struct config_notify
{
  struct json_list exec; /* char *: a program of a folder of `exec`, and its
                            arguments; none: nobody */
  uint64_t timeout_ms;
};
#define CONFIG_NOTIFY_MS 30000

/* Read once and never changed, so a job may have a reference of its own. */
struct config
{
  atomic_uint refs;
  char sha256[DIGEST_HEX]; /* of the document; "" = there is none */
  char *schema;
  char *user, *group;         /* "" = stay what we are */
  struct json_list group_may; /* int: what members of the group may, by bit */
  struct json_list groups;    /* char *: further groups of the daemon */
  struct json_list sources;   /* struct guest_source_config */
  struct json_list roots;     /* char *: further folders with sockets */
  struct json_list mailboxes; /* char *: folders with mailboxes */
  struct json_list scenarios; /* char *: files and folders */
  struct json_list rules;     /* char *: the same, of text rules */
  struct json_list verdicts;  /* char *: the same, of rules of the verdict */
  struct json_list playbooks; /* char *: and of playbooks */
  struct json_list leases;    /* char *: files of DHCP leases, and folders */
  bool leases_named;          /* by the document */
  struct json_list exec;      /* char *: folders of programs */
  uint64_t repeat_ms;         /* 0 = each incident has a bundle */
  struct json_list intrusive; /* int: enum intrusive, by bit */
  char *cores;                /* folder of cores, NULL = none are made */
  struct config_notify notify;
  uint64_t heartbeat_ms;      /* 0 = no heartbeats from memory */
  bool default_scenario;      /* a guest without any has the built-in one */
  struct sink_config sink;    /* that of a host with one */
  struct json_list sinks;     /* struct sink_config */
  struct config_limits limits;
};

/* The defaults of this host, and on top of them what the document says; text
 * NULL: the defaults alone.  origin: for messages. */
int config_read (const char *text, size_t len, const char *origin,
                 const struct config **ret, struct error *err);
const struct config *config_ref (const struct config *cfg);
void config_unref (const struct config *cfg); /* NULL is fine */
static inline void
config_unrefp (const struct config **cfg)
{
  config_unref (*cfg);
}
#define CLEANUP_CONFIG __attribute__ ((cleanup (config_unrefp)))
/* MAY_...: what members of the group may. */
unsigned config_group_may (const struct config *cfg);
/* INTRUSIVE_...: what may be done to guests. */
unsigned config_intrusive (const struct config *cfg);
/* Whether a source is of that kind. */
bool config_wants_libvirt (const struct config *cfg);
/* Where is sent to; at most max, in the order of the document. */
unsigned config_sinks (const struct config *cfg,
                       const struct sink_config **ret, unsigned max);
#define CONFIG_SINK "default" /* the name of "sink" */
#define CONFIG_MAX_SINKS 4
#define SINK_NAME_MAX 31
void config_schema (struct buf *out);
struct json_object *config_to_json (const struct config *cfg);

/* The opener roots that this configuration needs; calls fn for each. */
void config_roots (const struct config *cfg, const char *config_path,
                   void (*fn) (const char *root, void *arg), void *arg);
/* The same of those in which only mailboxes are opened. */
void config_mailboxes (const struct config *cfg,
                       void (*fn) (const char *root, void *arg), void *arg);
/* Where leases are looked for, as address_read_path() has it: those of the
 * configuration, and EVE's where it is a source and none are named.  Not all
 * are there: EVE's come with its first application.  All is beneath what
 * config_roots() tells of. */
void config_lease_places (const struct config *cfg,
                          void (*fn) (const char *path, void *arg), void *arg);

#endif
