/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon is made of.  One of these per process, made and taken down
 * in supervisor/daemon/daemon.c; each part is opaque to the rest, and knows
 * whom its own env names.  Only what answers clients (control*.c) sees all of
 * it.
 */
#ifndef HANGDOG_SUPERVISOR_DAEMON_H
#define HANGDOG_SUPERVISOR_DAEMON_H

#include "supervisor/conf/settings.h"
#include "supervisor/incidents/diagnose.h"
#include "supervisor/links/writer_state.h"
#include "supervisor/watch/bindings.h"
#include "transports/transport.h"

#include <stdbool.h>

struct addresses;
struct bindings;
struct probe;
struct agents;
struct boots;
struct acpi_ports;
struct control;
struct eyes;
struct fact_bus;
struct fact_table;
struct guest_registry;
struct hostclock;
struct hub;
struct incidents;
struct job_pool;
struct keeper_link;
struct layers;
struct loop;
struct reach;
struct pauses;
struct playbook_set;
struct texts;
struct watchdog;
struct writer_link;
struct writer_link_ops;

#define DAEMON_MAX_SOURCES 32

struct running_source
{
  const struct guest_source_ops *ops;
  void *self;
  char what[160]; /* "libvirt qemu:///system" */
  char failed[200]; /* why it could not start, "" if it did */
};

struct daemon
{
  struct loop *loop;
  struct job_pool *jobs;
  struct fact_bus *bus;
  struct fact_table *facts;
  struct guest_registry *registry;
  struct hub *hub;
  struct keeper_link *keeper;
  struct writer_link *writer;
  struct writer_state writer_state; /* what it said of itself */
  struct addresses *addresses; /* NULL while only draining; so is reach */
  struct reach *reach;
  struct hostclock *host;
  struct pauses *pauses;
  struct bindings *bindings;
  struct layers *layers; /* of scenarios */
  struct playbook_set *playbooks; /* in force */
  struct probe *probes; /* of clients that wait for an outcome */
  struct boots *boots;
  struct agents *agents; /* the guests' */
  struct texts *texts; /* NULL while only draining */
  struct eyes *eyes; /* NULL while only draining */
  struct acpi_ports *ports; /* the same */
  struct incidents *incidents;
  struct control *control;
  struct watchdog *watchdog;
  struct transport_env env;
  struct diagnosis_env diagnosis;
  const struct config *config;
  char config_path[4096];
  char ssh_dir[4096 + 8]; /* beside it */
  /* As of the start: jobs have these without a reference. */
  const struct config *first_config;
  const char *exec_dirs[17];
  char http_dir[4096 + 8]; /* and this */
  struct http_pool *http;
  char libexec[4096];
  char state[4096];
  char run[4096]; /* "" = not told */
  char exec_left[4096 + 8]; /* in it */
  struct running_source sources[DAEMON_MAX_SOURCES];
  unsigned nsources;
  unsigned cores; /* that are being written */
  bool drain_only;
  bool loading;         /* the scenarios are being read */
  bool load_again;      /* and then, by the configuration of that time */
  char not_loaded[320]; /* why those in force are not those on disk, or "" */
  char bad_rules[600];  /* the same of operators' text rules */
  char bad_playbooks[600]; /* and of their playbooks */
  bool playbooks_known;    /* as rules_known */
  unsigned playbooks_own;  /* of operators, in force */
  bool rules_known;     /* a later mistake does not undo those that are */
  unsigned rules_files; /* whose rules are in force */
  bool verdicts_known;  /* the same of rules of the verdict */
  unsigned verdict_files;
  uint64_t started_ms;
};

/* daemon_load.c: reads what the configuration names; again, if it is being
 * read already. */
void daemon_load (struct daemon *d);

/* daemon_ways.c: makes addresses and reach, and, as a binding_listen_fn, tells
 * them of what an outcome says of its ways. */
int daemon_ways (struct daemon *d, struct error *err);
void daemon_outcome (const struct binding_info *info,
                     enum health_change change, void *daemon);

/* daemon_judges.c: makes pauses, the host's clock, bindings, layers and
 * incidents. */
int daemon_judges (struct daemon *d, struct error *err);

/* daemon_writer.c: who hears of the writer.  Its argument is the daemon. */
extern const struct writer_link_ops daemon_writer;

int daemon_main (int argc, char **argv);

#endif
