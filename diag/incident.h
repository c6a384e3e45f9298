/* SPDX-License-Identifier: Apache-2.0
 *
 * An incident: one time that one guest was not well, from the first trouble
 * to its end, with what was found.
 */
#ifndef HANGDOG_DIAG_INCIDENT_H
#define HANGDOG_DIAG_INCIDENT_H

#include "guests/guest.h"

#include <json-c/json.h>

struct error;

#define INCIDENT_SCHEMA "hangdog/incident/1"
#define INCIDENT_KEY 300
/* In the place of a uuid, in an incident of the host's own. */
#define INCIDENT_OF_HOST "host"

/* Who told of it, where no scenario failed: in place of the scenario's name,
 * and of its outcome's code. */
#define BY_ORDER "order" /* a person, or a controller */
#define CODE_ORDERED "ordered"
#define BY_MONITOR "monitor" /* the guest's hypervisor */
#define CODE_VMM_EVENT "vmm-event"
#define BY_HOST "host" /* several guests failed together */
#define CODE_CROWD "failed-together"
#define CODE_PRESSED "host-starved" /* the same, and the host is short */
#define BY_KERNEL "kernel" /* text that the guest's kernel may have printed */
#define CODE_KERNEL_EVENT "kernel-event"

enum incident_phase
{
  INCIDENT_OPEN,      /* on disk, nothing done yet */
  INCIDENT_COLLECTING,
  INCIDENT_PACKED,
  INCIDENT_ENDED,
};
extern const char *const incident_phase_names[];

enum incident_end
{
  INCIDENT_NOT_ENDED,
  INCIDENT_REPLACED,  /* another incarnation by its owner's doing; or text
                         alone told of it, and now there is a firmer one */
  INCIDENT_REBOOTED,
  INCIDENT_RECOVERED,
  INCIDENT_WITHDRAWN, /* nobody asks any more: its scenario was taken away */
};
extern const char *const incident_end_names[];

/* How much it matters, by whoever wrote the scenario that failed. */
enum incident_severity
{
  INCIDENT_UNRATED, /* nobody said: it was ordered, or written before this was
                       there */
  INCIDENT_INFO,
  INCIDENT_WARNING,
  INCIDENT_CRITICAL,
};
extern const char *const incident_severity_names[];

/* A fact that a verdict rests on, for who reads it later: escaped. */
struct verdict_fact
{
  char name[72];
  char value[160];
  char source[32];
  uint64_t time_ms; /* clock_ms() of the host that judged */
};

#define VERDICT_FACTS 8
#define SIGNATURE_TEXT 17

struct verdict
{
  char class_[32];     /* one of the house's classes: verdict_classes[] */
  char culprit[160];
  char confidence[8];  /* "low", "medium", "high"; "certain": that, and two
                          vantage points say so */
  char sentence[320];
  char next[320];
  char rule[64];       /* which said so; "" = none did */
  /* The same trouble has the same one, whatever the numbers in it: class and
   * culprit without addresses, pids, times. */
  char signature[SIGNATURE_TEXT];
  struct verdict_fact facts[VERDICT_FACTS]; /* what it rests on */
  unsigned nfacts;
};
extern const char *const verdict_classes[]; /* NULL terminated */

struct incident
{
  char id[UUID_TEXT];
  /* "" in that of one guest.  Of the host's own, its subject: what guests that
   * failed together have in common ("server nbd 10.0.0.1:10809"); its inc is
   * of nobody then. */
  char key[INCIDENT_KEY];
  char parent[UUID_TEXT]; /* the id of the host's that it belongs to, or "" */
  struct incarnation inc;
  char guest[128];     /* display name */
  char scenario[64];   /* or BY_... */
  /* Of the outcome that failed: what rules go by (docs/scenarios.md has all
   * codes; "" in an incident that was written before there was this field) and
   * what people read. */
  char code[32];
  char reason[200];
  enum incident_severity severity;
  char playbook[64];   /* what the diagnosis is to do; "" = standard */
  unsigned attempts;   /* diagnoses that were begun, this one included */
  enum incident_phase phase;
  enum incident_end end;
  uint64_t last_ok_wall_ms, opened_wall_ms, collected_wall_ms, ended_wall_ms;
  struct verdict verdict;
};

void incident_new_id (char id[UUID_TEXT]);
/* Is it by BY_... with CODE_..., and not by a scenario that somebody gave the
 * same name? */
bool incident_is_by (const struct incident *inc, const char *by,
                     const char *code);
/* Is it the host's own? */
bool incident_is_of_host (const struct incident *inc);
struct json_object *verdict_to_json (const struct verdict *v);
struct json_object *incident_to_json (const struct incident *inc);
int incident_from_json (struct json_object *obj, struct incident *ret,
                        struct error *err);

/* Where incidents go.  In the daemon: the writer, over its channel.  done is
 * called on the loop thread, with err set on failure. */
typedef void incident_done_fn (const struct error *err,
                               struct json_object *answer, void *arg);
struct incident_sink
{
  /* Durable before done: nothing is done about an incident before that. */
  void (*put) (struct incident_sink *self, const struct incident *inc,
               incident_done_fn *done, void *arg);
  void (*artifact) (struct incident_sink *self, const char *id,
                    const char *name, uint64_t offset, const void *data,
                    size_t len, incident_done_fn *done, void *arg);
  void (*pack) (struct incident_sink *self, const char *id,
                struct json_object *head, incident_done_fn *done, void *arg);
};

#endif
