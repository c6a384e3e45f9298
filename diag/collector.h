/* SPDX-License-Identifier: Apache-2.0
 *
 * A collector gets one kind of evidence.  One file each, one line in the
 * table.  It runs in a job's thread within its budget; what it could not get
 * has a reason.
 */
#ifndef HANGDOG_DIAG_COLLECTOR_H
#define HANGDOG_DIAG_COLLECTOR_H

#include "transports/transport.h"

#include <json-c/json.h>

struct error;
struct fact_set;
struct job;
struct json_doc;
struct json_field;

enum collect_touch
{
  TOUCH_NOTHING,  /* host only, or memory read */
  TOUCH_MONITOR,  /* holds the monitor shortly */
  TOUCH_CONSOLE,  /* types into the console */
  TOUCH_NETWORK,  /* packets to the guest */
  TOUCH_INTRUSIVE, /* changes the guest */
};
extern const char *const collect_touch_names[];

struct collect_attachment
{
  const char *path; /* its last part is its name */
  uint64_t bytes;
  const char *sha256; /* 64 digits, or NULL */
  const char *send;   /* "auto", "on-request", "never": may it leave the host */
};

/* What a run of a collector brings home. */
struct collect_out
{
  /* A file of the bundle; name as in bundle.h.  May be called several times
   * for one name (appends).  Any bytes.  They are on their way when it
   * returns: what was handed over is not lost with who hands over. */
  void (*file) (struct collect_out *out, const char *name, const void *data,
                size_t len);
  void (*fact) (struct collect_out *out, const struct fact *fact);
  /* What was done to the guest, for the bundle's impact list. */
  void (*impact) (struct collect_out *out, const char *fmt, ...)
      __attribute__ ((format (printf, 2, 3)));
  /* The same of one that took its time: it began at that clock_ms(). */
  void (*impact_since) (struct collect_out *out, uint64_t begun_ms,
                        const char *fmt, ...)
      __attribute__ ((format (printf, 3, 4)));
  /* What was not got, and why. */
  void (*gap) (struct collect_out *out, const char *what, const char *fmt,
               ...) __attribute__ ((format (printf, 3, 4)));
  /* What lies beside the bundle on this host: too large for it, or nobody
   * else's business.  NULL where nobody keeps a list of such. */
  void (*attach) (struct collect_out *out,
                  const struct collect_attachment *a);
  /* Before an act that has to be undone: on disk when it returns 0, so that
   * who starts after a crash undoes it.  undo: {"act": NAME, ...}, taken; less
   * than 200 bytes of JSON, and all that the undoer of that name needs.  It
   * waits for the disk, until the job is to stop; < 0, or NULL where there is
   * nobody to remember it: then do not act.  One of a name is open at a
   * time. */
  int (*intend) (struct collect_out *out, struct json_object *undo,
                 struct error *err);
  /* It is undone.  What is not when the collector ended, or was given up, its
   * undoer undoes. */
  void (*undone) (struct collect_out *out, const char *act);
};

struct collect_ctx
{
  const struct guest *guest;
  const struct transport_env *env;
  struct job *job;
  uint64_t deadline; /* clock_ms() */
  const void *own;   /* what fields filled of the step; NULL = no fields */
  /* What scenarios know of this guest, {"addresses": [...], ...}, or NULL:
   * bindings_hints() in supervisor/watch/bindings.h. */
  struct json_object *hints;
  const char *scenario; /* that failed, "" = none: BY_... */
  const char *step;     /* its name in the playbook, NULL = of no step */
  struct collect_out *out;
};

/* One act of a step, as --dry-run shows it before and `impact` after. */
#define COLLECT_ACTS 8
struct collect_plan
{
  enum collect_touch touch;
  enum job_lane lane;
  uint64_t ms, bytes;  /* at most, and about */
  char acts[COLLECT_ACTS][120]; /* what is done to the guest, "" ends */
  char never[160]; /* not "": it will not be done here, and why */
  bool none;       /* because the guest has no such thing: no failure */
};

struct collector
{
  const char *name;
  const char *summary;
  enum collect_touch touch;
  enum job_lane lane;    /* two of one lane never run at once */
  uint64_t budget_ms;    /* default */
  uint64_t bytes;        /* what it usually brings, for --dry-run */
  /* What it gets is soon gone: of several guests that are looked at, it is got
   * of all of them before anything that keeps. */
  bool fades;

  /* The keys of its step beside `do`, `name`, `budget` and `if`, and the struct
   * that they fill, ctx->own; own_init: its defaults (no pointers that would
   * be freed), NULL: zeroes.  All NULL: it has none. */
  const struct json_field *fields;
  size_t own_size;
  const void *own_init;
  /* More than the table can say; may be NULL.  budget_ms: the step's. */
  int (*check) (const struct json_doc *doc, const char *path, const void *own,
                uint64_t budget_ms, struct error *err);
  /* What it will do to this guest, by the snapshot alone: any thread, no I/O.
   * ret holds the constants above and may be changed; NULL: they hold. */
  void (*plan) (const struct guest *g, const void *own,
                struct collect_plan *ret);

  /* 0, or < 0 with err: the runner records the gap.  -ENODEV: the guest has no
   * such thing, which is no failure. */
  int (*run) (struct collect_ctx *ctx, struct error *err);
};
/* The constants, and then its plan(). */
void collector_plan (const struct collector *c, const struct guest *g,
                     const void *own, struct collect_plan *ret);

extern const struct collector collect_memory;
extern const struct collector collect_monitor;
extern const struct collector collect_sysrq;
extern const struct collector collect_disk;
extern const struct collector collect_net;
extern const struct collector collect_host;
extern const struct collector collect_image;
extern const struct collector collect_screen;
extern const struct collector collect_console;
extern const struct collector collect_inside;
extern const struct collector collect_application;
extern const struct collector collect_gdb;
extern const struct collector collect_nmi;
extern const struct collector collect_exec;
extern const struct collector collect_core;
extern const struct collector collect_qmp;
extern const struct collector collect_commands;
extern const struct collector collect_dialogue;
extern const struct collector collect_xon;
extern const struct collector *const collectors[]; /* ends with NULL */

/* Who undoes an act that was intended, where its collector could not: that got
 * stuck, or the daemon died.  Runs in a job; before the next diagnosis of that
 * guest begins, and again later, until it goes well, was tried often enough or
 * the guest lives another life.  It may have been done already, or never been
 * begun. */
struct collect_undoer
{
  const char *act;
  enum job_lane lane;
  uint64_t budget_ms;
  bool outlives_boot; /* is QEMU's own: the guest's reboot does not undo it */
  /* undo: what intend() was given.  ctx->own and hints are NULL, scenario is
   * "", and nothing that is brought home is looked at.  0: it is as it was. */
  int (*run) (struct collect_ctx *ctx, struct json_object *undo,
              struct error *err);
  /* It fails so often at most, and is dropped then; 0 = as often as it takes.
   * in_vain: what a person is told then, of 90 bytes at most. */
  unsigned tries;
  const char *in_vain;
  bool pauses; /* as long as it is not undone the guest stands */
  /* Of what is asked of a guest that may be mute for days: the time between
   * two tries doubles up to so long, and is ten minutes again when the guest
   * shows life; 0 = up to ten minutes. */
  uint64_t most_ms;
};
extern const struct collect_undoer *const collect_undoers[]; /* ends NULL */
const struct collect_undoer *collect_undoer_find (const char *act);

/* For `hangdog doctor`: what a collector lacks here, and what mends it.  In a
 * job; looks only. */
struct collector_doctor
{
  const struct collector *collector;
  void (*doctor) (const struct transport_env *env, const struct guest *g,
                  struct doctor_report *r, uint64_t deadline);
};
extern const struct collector_doctor collector_doctors[]; /* ends with NULL */
const struct collector *collector_find (const char *name);

#endif
