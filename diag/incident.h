/* SPDX-License-Identifier: Apache-2.0
 *
 * An incident: one time that one guest was not well, from the first trouble
 * to its end, with what was found.
 */
#ifndef HANGDOG_DIAG_INCIDENT_H
#define HANGDOG_DIAG_INCIDENT_H

#include "guests/guest.h"

#include <json-c/json.h>

struct buf;
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
  INCIDENT_CLOSED,    /* nothing stood when it was packed: it was ordered, or a
                         suspicion that nothing came of */
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
/* Before a signature: how it was made (diag/ladder/signature.c).  Another way
 * is another number, so that no repeat is counted that is none. */
#define SIGNATURE_FORMAT "2-"
#define SIGNATURE_TEXT 19

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
   * the culprit's innermost functions, or the culprit without addresses, pids,
   * times. */
  char signature[SIGNATURE_TEXT];
  struct verdict_fact facts[VERDICT_FACTS]; /* what it rests on */
  unsigned nfacts;
};
extern const char *const verdict_classes[]; /* NULL terminated */

#define VERDICT_BRIEF 400
/* A text of a verdict as a card shows it: "..." behind what fills its `room`,
 * for that was cut; and of a long one that `said` (or NULL) has word by word
 * only how it begins.  Returns dst. */
char *verdict_brief (const char *text, size_t room, const char *said,
                     char dst[VERDICT_BRIEF]);
/* Whether one of the gaps says just this: then it need not be said again. */
bool verdict_gap_says (struct json_object *gaps, const char *about,
                       const char *why);

/* What happened to it, in the order of time. */
enum incident_moment_kind
{
  MOMENT_ORDERED,
  MOMENT_SUSPECTED, /* on the word of one who is not believed alone */
  MOMENT_CONFIRMED,
  MOMENT_JOINED,    /* another check sees the same trouble */
  MOMENT_NEAR_MISS, /* it was well again before anybody confirmed it */
  MOMENT_DIAGNOSING,
  MOMENT_JUDGED,
  MOMENT_PACKED,
  MOMENT_SHIPPED,
  /* Its ends, in the order of enum incident_end. */
  MOMENT_REPLACED,
  MOMENT_REBOOTED,
  MOMENT_RECOVERED,
  MOMENT_WITHDRAWN,
  MOMENT_CLOSED,
  MOMENT_MAX,
};
extern const char *const incident_moment_names[];

struct incident_moment
{
  enum incident_moment_kind kind;
  uint64_t wall_ms;
  unsigned count; /* so often, from wall_ms on */
  char what[72];  /* by whom, as what; "" = nothing more is to be said */
};
#define INCIDENT_MOMENTS 24
/* The last so many are kept for what must not be missing. */
#define INCIDENT_MOMENTS_KEPT 10

/* Something that was done to the guest, or is about to be, and has to be
 * undone: in the document before it is done, so that whoever starts after a
 * crash knows of it. */
enum incident_act_state
{
  ACT_OPEN,
  ACT_UNDONE,
  ACT_DROPPED, /* there is nothing to be undone any more; why says so */
};
extern const char *const incident_act_names[];

struct incident_act
{
  char act[24];
  char undo[200]; /* {"act": ..., ...}: what its undoer needs */
  enum incident_act_state state;
  uint64_t wall_ms, over_wall_ms; /* 0: it is open */
  char why[120]; /* "" = nothing more is to be said */
};
#define INCIDENT_ACTS 8

/* Why one is dropped that was not begun: all such reasons begin so. */
#define INCIDENT_NOT_DONE "it was not done"
bool incident_act_was_done (const struct incident_act *act);

struct incident
{
  char id[UUID_TEXT];
  /* Of this document: the higher one is the newer one, wherever both are.
   * Whoever puts it into a sink has it grow. */
  uint64_t rev;
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
  struct incident_moment timeline[INCIDENT_MOMENTS];
  unsigned moments;      /* of them there are */
  unsigned moments_lost; /* for which there was no place */
  struct incident_act acts[INCIDENT_ACTS];
  unsigned nacts;
  /* The same trouble of the same guest that was told before, or ""; and of that
   * one: how often it came again, and when last. */
  char repeat_of[UUID_TEXT];
  unsigned repeats;
  uint64_t repeated_wall_ms;
  /* Of the host's own: its guests' incidents, for the document.  Of whoever
   * has it written, for that moment; not read back, for each of them names its
   * parent. */
  struct json_object *children;
  char no_bundle[96]; /* why none was made of it; "" = one was, or will be */
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

/* One moment more; what was said already is counted.  Bounded: incident.c's
 * neighbour incident_timeline.c. */
void incident_note (struct incident *inc, enum incident_moment_kind kind,
                    uint64_t wall_ms, const char *what);
/* That of its end; not for INCIDENT_NOT_ENDED. */
enum incident_moment_kind incident_end_moment (enum incident_end end);
bool incident_has_moment (const struct incident *inc,
                          enum incident_moment_kind kind, const char *what);
/* An array of {"time","time_ms","step","what","count"}, and back: what is not
 * understood there is passed over.  Private to incident*.c. */
struct json_object *incident_timeline_json (const struct incident *inc);
void incident_timeline_read (struct json_object *list, struct incident *inc);

/* One act more, open.  undo: a JSON object with "act", as text.  One of a name
 * is open at a time.  One that is over makes place for it where nothing is lost
 * by that: it was the same, and undone in time, or was not done at all.
 * -EBUSY, -EINVAL, -ENOSPC. */
int incident_intend (struct incident *inc, const char *undo, uint64_t wall_ms,
                     struct incident_act **ret, struct error *err);
/* The open one of that name; NULL: any. */
struct incident_act *incident_act_open (struct incident *inc,
                                        const char *act);
void incident_act_over (struct incident_act *act,
                        enum incident_act_state state, const char *why);
/* Private to incident*.c, as those of the timeline. */
struct json_object *incident_acts_json (const struct incident *inc);
void incident_acts_read (struct json_object *list, struct incident *inc);

#endif
