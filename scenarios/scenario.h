/* SPDX-License-Identifier: Apache-2.0
 *
 * What "well" means: the scenario document, version 1.
 *
 *   {
 *     "schema": "hangdog/scenario/1",
 *     "name": "uptime",
 *     "kind": "console-command",
 *     "select": {"name": "app*"},
 *     "transports": ["console"],
 *     "interval": "30s", "timeout": "10s", "jitter": "0s",
 *     "initial-delay": "60s", "retry-interval": "5s",
 *     "failure-threshold": 2, "success-threshold": 1,
 *     "quiet-hours": [{"from": "22:00", "to": "06:00", "days": "sat,sun"}],
 *     "severity": "critical", "playbook": "standard",
 *
 *     "command": "uptime",
 *     "expect": {"status": 0, "output": "load average"}
 *   }
 *
 * What every scenario has is described by one table, what only its kind has by
 * the kind's (kinds/NAME.c): each key at one place.
 *
 * The same document is read from a file, the command line and a controller.
 * A scenario is immutable once parsed, counted references: one in flight
 * finishes under the text it began with.
 */
#ifndef HANGDOG_SCENARIOS_SCENARIO_H
#define HANGDOG_SCENARIOS_SCENARIO_H

#include "base/json.h"
#include "guests/guest.h"
#include "kernel/text/uptime.h"
#include "scenarios/flap.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct fact;
struct job;
struct line_pattern;
struct lines;
struct scenario_at;
struct transport_env;
struct transport_ops;

#define SCENARIO_SCHEMA "hangdog/scenario/1"

enum scenario_severity
{
  SCENARIO_INFO,
  SCENARIO_WARNING,
  SCENARIO_CRITICAL,
};

extern const char *const scenario_severity_names[];

struct scenario_select
{
  char *name;         /* glob on the hypervisor's or display name */
  char *uuid;         /* glob */
  char *display_name; /* glob */
  struct json_object *labels; /* {"key": "glob"}: all must match */
};

struct scenario_hours
{
  char *from, *to; /* "HH:MM" local time */
  char *days;      /* "mon,tue" or NULL = every day */
};

/* What answers in the guest, where that is known; NULL, 0: it is not. */
struct scenario_behind
{
  char *unit, *container, *process;
  int64_t port;
};

struct scenario_kind;

struct scenario
{
  char *schema;
  char *name;
  char *kind_name;
  const struct scenario_kind *kind;
  char *description;
  struct scenario_select select;
  struct json_list transports; /* of char * */
  uint64_t interval_ms, timeout_ms, jitter_ms, initial_delay_ms, retry_ms;
  uint64_t max_time_ms; /* a right answer may take so long, 0 = any time */
  int64_t failure_threshold, success_threshold;
  bool flap_damping;
  struct json_list quiet_hours; /* of struct scenario_hours */
  int severity;
  bool alert; /* its failures make incidents */
  char *playbook;
  struct scenario_behind behind;
  void *own; /* what is its kind's: the struct that kind->fields fill */
  char *origin; /* "file PATH", "bound": who read it says so, once; NULL = not
                   said.  No part of what it says */
  int refs;
};

/* doc must be an object (or one element of a "scenarios" array, at path). */
int scenario_parse (const struct json_doc *doc, struct json_object *obj,
                    const char *path, struct scenario **ret,
                    struct error *err);
/* All of a document, which is one scenario or {"scenarios": [...]}; the array
 * is malloc'ed. */
int scenario_list (const struct json_doc *doc, struct scenario ***ret,
                   size_t *ret_n, struct error *err);
/* The path in doc of a key of the i-th of them, for json_error_at(). */
void scenario_place (const struct json_doc *doc, size_t i, const char *key,
                     char *dst, size_t n);
/* Of one that looks at others: are they there, and of kinds that look
 * themselves?  Only the list of all scenarios can tell. */
int scenario_check_parts (struct scenario *const *list, size_t n,
                          const struct scenario *s, struct error *err);
struct scenario *scenario_ref (struct scenario *s);
void scenario_unref (struct scenario *s);
/* Documents that differ only in spelling have the same text here. */
struct json_object *scenario_to_json (const struct scenario *s);
void scenario_schema (struct buf *out);

bool scenario_selects (const struct scenario *s, const struct guest *g);
bool scenario_quiet (const struct scenario *s, uint64_t wall_ms);

/* What it listens for, compiled; *ret NULL: nothing. */
int scenario_lines (const struct scenario *s, struct lines **ret,
                    struct error *err);

/* ---- outcomes ---- */

enum outcome
{
  OUTCOME_OK,
  OUTCOME_FAILED,   /* the guest did not do what "well" means */
  OUTCOME_NO_VERDICT, /* could not ask: busy, held, starved, misconfigured */
};
extern const char *const outcome_names[];

/* What an attempt says of the way that it took. */
enum way_said
{
  WAY_UNSAID,   /* nothing */
  WAY_ANSWERS,  /* it leads to somebody who answered, whatever he said */
  WAY_GUEST,    /* it is the guest: nobody answers by any other way, too */
  WAY_LOST,     /* nobody answers there: another way tells why */
  WAY_UNUSABLE, /* the guest was not asked: another way may do */
};
extern const char *const way_names[];

/* As many ways as one question may have. */
#define SCENARIO_MAX_WAYS 4

/* A way that was tried, and did not bring the answer. */
struct tried
{
  char transport[16];
  char code[32];
  char sentence[120];
  enum way_said way;
};

/* What a code means for a guest that can't be asked, what its host may have to
 * do with one that failed, and what is said of that one in a word: see
 * codes.def. */
#define CODE_PLAIN 0u
#define CODE_MUTE (1u << 0)
#define CODE_HELD (1u << 1)
#define CODE_EXCUSED (1u << 2)
#define CODE_CLOSED (1u << 3)
#define CODE_LATE (1u << 4)
#define CODE_TOLD (1u << 5)
#define CODE_LIVES (1u << 6)
#define CODE_LOST (1u << 7)
#define CODE_KEEPS (1u << 8)
#define CODE_SURE (1u << 9)
#define CODE_LOOK (1u << 10)

struct outcome_code
{
  const char *code;
  enum outcome outcome;
  unsigned flags;
  enum way_said way; /* by which the guest was asked */
  const char *help;  /* one line, for the manual */
};
extern const struct outcome_code outcome_codes[]; /* ends with code NULL */
const struct outcome_code *outcome_code_find (const char *code);
/* WAY_UNSAID of one that is not in the table. */
enum way_said outcome_code_way (const char *code);

struct outcome_report
{
  enum outcome outcome;
  char transport[16];   /* who spoke, or was asked in vain: the runner's */
  char code[32];        /* one of codes.def's */
  char sentence[200];   /* for people; escaped already */
  uint64_t took_ms;
  uint64_t own_ms;      /* of it, what hangdog itself took before it asked */
  double value;         /* a number worth plotting, NAN if none */
  bool has_uptime;      /* the answer was how long the guest is up: */
  struct uptime uptime;
  enum way_said way;
  bool shell;           /* who answered did so on the guest's console */
  unsigned ntried;
  struct tried tried[SCENARIO_MAX_WAYS - 1]; /* the runner's; the last member:
                           most have none, and it is kept without those */
};

/* ---- kinds ----
 *
 * A kind has one of three shapes.  One that asks does it in a job, for as long
 * as it takes, by one way at a time.  One that watches is told what others
 * have seen, and one that combines looks at what other scenarios of the guest
 * have found: both are pure, on the loop, and say at the end of each interval
 * how the guest is.
 */

/* In a job, deadline = the scenario's timeout; way: the transport that it goes
 * by, of those that the scenario lists.  < 0 only for our own failures (then
 * no verdict).  The report's transport is filled by who called. */
typedef int scenario_ask_fn (const struct scenario *s, const struct guest *g,
                             const struct transport_ops *way,
                             const struct transport_env *env,
                             struct job *job, struct outcome_report *ret,
                             struct error *err);

/* State is of one guest and scenario.  It begins when the scenario is bound,
 * and anew with another text of it and when what it knows is over.  It may not
 * keep s: an equal one may take its place. */
struct scenario_watch
{
  /* Of which facts it is told: prefixes as of fact_subscribe(), NULL
   * terminated.  Of those that are known already (the latest of each name) it
   * is told at once, with the time at which each was published.  Only facts of
   * the guest's present life; "fact.gap" has to be listed by who must know
   * that some were lost. */
  const char *const *facts;
  /* What it listens for in the guest's text, at most LINES_MAX: how many.
   * The strings are s's.  It is told of them as facts (scenarios/lines.h).
   * NULL: nothing. */
  size_t (*listens) (const struct scenario *s, struct line_pattern *ret);
  /* What ends what it knows. */
  bool of_process; /* only another process, not another boot */
  void *(*state_new) (const struct scenario *s, uint64_t now_ms);
  void (*state_free) (void *state);
  void (*fact) (void *state, const struct scenario *s,
                const struct fact *fact, uint64_t now_ms);
  /* Between those times nobody could see or hear: the host stood still, or
   * this process did.  What would have come then has not been, or comes now
   * all at once; ages that were measured over it mean nothing.  May be NULL:
   * a failure of the next interval does not count in either case. */
  void (*gap) (void *state, const struct scenario *s, uint64_t from_ms,
               uint64_t to_ms);
  /* Its interval is over. */
  void (*due) (void *state, const struct scenario *s, uint64_t now_ms,
               struct outcome_report *ret);
  /* After it was told something: when it has to say what it would not have
   * said the last time, 0 = nothing yet.  It is not waited longer then.  May
   * be NULL. */
  uint64_t (*soon) (void *state, const struct scenario *s);
};

/* What another scenario of the same guest has found. */
struct scenario_part
{
  const char *name;
  bool bound; /* it is asked of this guest at all */
  const struct outcome_report *last; /* of this life; NULL = none yet */
  uint64_t age_ms;                   /* of last */
  uint64_t interval_ms;
  int health;                        /* enum health */
};

#define SCENARIO_MAX_PARTS 16

struct scenario_combine
{
  /* The names of those that it looks at; none may be one that combines. */
  size_t (*parts) (const struct scenario *s, const char *const **ret);
  void (*combine) (const struct scenario *s,
                   const struct scenario_part *parts, size_t n,
                   struct outcome_report *ret);
};

/* One expression that answers are judged by; where: what has it, for people;
 * wanted: it must match, and else must not. */
typedef void scenario_expect_fn (const char *where, const char *regex,
                                 bool wanted, void *arg);
/* What one run costs, as far as it can be told before, of a guest that is
 * well. */
struct scenario_cost
{
  double typed;   /* bytes typed at its console */
  double console; /* bytes that its console says because of it */
  double network; /* bytes over the network, in both directions */
  double disk;    /* bytes read and written of a disk */
  double cpu_us;  /* of this host: hangdog's part (docs/bench.md) */
};
/* The ways in the order in which it asks by them; NULL behind the last. */
const char *scenario_way (const struct scenario *s, size_t i);
/* way may be NULL: it asks nobody. */
struct scenario_cost scenario_cost (const struct scenario *s,
                                    const char *way);

struct scenario_kind
{
  const char *name;
  const char *summary;
  /* By which it asks if the document lists none: the first.  NULL
   * terminated; those behind it are what the document may list, too. */
  const char *const *transports;
  /* May go by whatever transport carries a command. */
  bool commands;
  /* One run is one question, so how long its answer takes tells something of
   * the guest: it may have `max-time`. */
  bool timed;
  /* Who answers, or beats, is a process in the guest: how it ends says how the
   * guest's applications are (the fact probe.*, else look.*). */
  bool application;

  /* ---- of its documents ---- */

  /* The keys that it has beside those of every scenario, and the struct that
   * they fill, s->own; own_init: its defaults (no pointers that would be
   * freed), NULL: zeroes. */
  const struct json_field *fields;
  size_t own_size;
  const void *own_init;
  /* More than the tables can say; may be NULL. */
  int (*check) (const struct scenario *s, const struct scenario_at *at);
  /* What is allowed, and to be known; NULL: nothing of that sort. */
  const char *(*note) (const struct scenario *s);
  /* As scenario_cost(), in a struct of zeroes; NULL: it costs next to nothing,
   * as what is told of facts does. */
  void (*cost) (const struct scenario *s, const struct transport_ops *way,
                struct scenario_cost *ret);
  /* As scenario_hints(); NULL: it knows nothing of that sort. */
  void (*hints) (const struct scenario *s, const struct guest *g,
                 struct json_object *all);
  /* By what it judges a console's answers, for who tries a document on a
   * recorded log; NULL: nothing of that sort. */
  void (*expects) (const struct scenario *s, scenario_expect_fn *fn,
                   void *arg);

  /* ---- of its runs: its shape, one of these ---- */

  scenario_ask_fn *ask;
  const struct scenario_watch *watch;
  const struct scenario_combine *combine;
};

extern const struct scenario_kind kind_acpi_heartbeat;
extern const struct scenario_kind kind_agent_exec;
extern const struct scenario_kind kind_agent_file;
extern const struct scenario_kind kind_agent_ping;
extern const struct scenario_kind kind_all;
extern const struct scenario_kind kind_any;
extern const struct scenario_kind kind_arp;
extern const struct scenario_kind kind_boot_stage;
extern const struct scenario_kind kind_console_command;
extern const struct scenario_kind kind_console_flood;
extern const struct scenario_kind kind_console_heartbeat;
extern const struct scenario_kind kind_console_pattern;
extern const struct scenario_kind kind_console_silence;
extern const struct scenario_kind kind_dialogue;
extern const struct scenario_kind kind_disk_mailbox;
extern const struct scenario_kind kind_dns;
extern const struct scenario_kind kind_exec;
extern const struct scenario_kind kind_http;
extern const struct scenario_kind kind_icmp;
extern const struct scenario_kind kind_memory_heartbeat;
extern const struct scenario_kind kind_memory_tasks;
extern const struct scenario_kind kind_monitor;
extern const struct scenario_kind kind_sequence;
extern const struct scenario_kind kind_ssh_command;
extern const struct scenario_kind kind_tcp;
/* The kind's ask(), and then what is the same for all: a right answer that
 * took longer than it may is failed. */
scenario_ask_fn scenario_ask;
extern const struct scenario_kind *const scenario_kinds[]; /* ends with NULL */
const struct scenario_kind *scenario_kind_find (const char *name);
/* Of the manual: {"kind", "summary", "shape", "transports", "commands",
 * "keys": [{"key": "expect.output", "type", "required", "default", "min",
 * "max", "values", "help"}]}; those beside those of every scenario. */
struct json_object *scenario_kind_describe (const struct scenario_kind *kind);

/* What its document knows of this guest, for who looks at it in trouble.  Into
 * `all`; each has "scenario", its name, and there are at most SCENARIO_HINTS of
 * one sort:
 *   "addresses"  address, netns, send, expect: asked over TCP; what is said,
 *                and the PCRE2 of what must come, the scenario's or what shows
 *                itself to whoever connects
 *   "logins"     address, netns, user, key, password: names of files
 *   "consoles"   console: where a shell is
 *   "commands"   command: that is run in the guest
 *   "behind"     unit, container, process, port: who answers there
 */
#define SCENARIO_HINTS 16
void scenario_hints (const struct scenario *s, const struct guest *g,
                     struct json_object *all);

/* ---- thresholds: pure, one per bound scenario ---- */

enum health
{
  HEALTH_UNKNOWN,
  HEALTH_WELL,
  HEALTH_SUSPECT, /* failing, threshold not reached */
  HEALTH_FAILED,
};
extern const char *const health_names[];

struct health_state
{
  enum health health;
  unsigned failures, successes; /* in a row */
  unsigned mute; /* in a row: no verdict, because nothing could be asked */
  unsigned excused; /* since an answer or a failure: no verdict, because of
                       what the console shows */
  bool excused_told;
  uint64_t excused_ms; /* the first of them */
  uint64_t since_ms;
  uint64_t runs;          /* outcomes fed, of every sort */
  uint64_t last_ms;       /* when the last was fed */
  enum outcome last;
  struct flap flap;
};

enum health_change
{
  HEALTH_SAME,
  HEALTH_BECAME_WELL,
  HEALTH_BECAME_SUSPECT,
  HEALTH_BECAME_FAILED,
  HEALTH_BECAME_MUTE, /* could not be asked, again and again */
};

/* What an outcome makes of it: health_sure(), health_feed() and health_mute()
 * in one. */
enum health_change health_take (struct health_state *st,
                                const struct scenario *s,
                                const struct outcome_report *report,
                                uint64_t now_ms);
/* No verdict changes nothing but is remembered by the caller's statistics. */
enum health_change health_feed (struct health_state *st,
                                const struct scenario *s,
                                enum outcome outcome, uint64_t now_ms);
/* Before it is fed: one whose code leaves no doubt is believed at once. */
void health_sure (struct health_state *st, const struct scenario *s,
                  const struct outcome_report *report);
/* To be fed the same outcome.  No verdict because the console is broken, does
 * not open in time, or the way to it is stuck, is no failure of the guest; but
 * what goes on so for HEALTH_MUTE_TIMES the failure threshold is worth a look:
 * it may be QEMU that does not answer.  So is a console that shows a boot, a
 * boot loader or a flood, as often and for HEALTH_EXCUSED_MS: anybody in the
 * guest can print it, and a boot can hang; and a login prompt, where the
 * check was well before.  True at that outcome, once. */
#define HEALTH_MUTE_TIMES 3
#define HEALTH_EXCUSED_MS (15u * 60 * 1000)
bool health_mute (struct health_state *st, const struct scenario *s,
                  const struct outcome_report *report);
/* When to run next after the outcome fed last, of a run begun at started_ms.
 * Before any was fed: the first run, with started_ms the time from which
 * initial-delay counts (the guest's boot).  A first failure is looked at
 * again retry-interval after the answer, not after the question: two samples
 * must be apart in time also when the first one timed out. */
uint64_t health_next (const struct health_state *st, const struct scenario *s,
                      uint64_t started_ms, uint64_t random);

#endif
