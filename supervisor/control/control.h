/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket: what the command line, tests and operators ask of the
 * daemon.  Frames as in base/channel.h; the first one is the server's hello.
 * Whoever may open the socket (root, and the group of the configuration) may
 * ask; who asks is known by SO_PEERCRED and written into what it causes.
 *
 * There may be more than one socket: a client is known by the one that it came
 * in by, which says who it is and what it may.  An operation is one function
 * and one line of the table in control.c, where it is also said what one must
 * be allowed to ask for it; what is refused is answered with EPERM.
 */
#ifndef HANGDOG_SUPERVISOR_CONTROL_H
#define HANGDOG_SUPERVISOR_CONTROL_H

#include "base/channel.h"
#include "scenarios/scenario.h"

#include <stdbool.h>

struct binding_info;
struct buf;
struct client;
struct control;
struct daemon;
struct error;
struct guest;
struct outcome_report;

#define CONTROL_PROTOCOL 1

/* Who comes in by a socket. */
struct control_listener
{
  /* In the place of a user: "controller" is "controller (pid 123)" in all that
   * it causes.  NULL: "uid 0 (pid 123)". */
  const char *name;
  const char *setting; /* of the configuration, which says what it may */
  /* MAY_... (supervisor/conf/settings.h), asked anew for each request: the
   * configuration may have changed meanwhile. */
  unsigned (*may) (const struct daemon *d, uid_t uid);
};
/* The control socket itself: root, the daemon's own user, and a group. */
extern const struct control_listener control_local;

int control_new (struct daemon *d, struct control **ret, struct error *err);
/* listen_fd is taken, unless it fails.  from must outlive it. */
int control_listen (struct control *c, int listen_fd,
                    const struct control_listener *from, struct error *err);
/* One who is connected already.  The same. */
int control_welcome (struct control *c, int fd,
                     const struct control_listener *from, struct error *err);
void control_free (struct control *c);
unsigned control_clients (const struct control *c);

/* ---- for the operations ---- */

/* One request being answered, over as many rows as it likes.  Freed by
 * answer_end()/answer_error(), or when the client goes: then `gone` is
 * called, once, and the answer must not be touched any more. */
struct answer
{
  struct daemon *d;
  struct client *client;
  struct json_object *head; /* the request's */
  void (*gone) (struct answer *a);
  void *arg; /* the operation's */
  bool cut;    /* a row did not fit the client's queue */
  char by[64]; /* "uid 0 (pid 123)" */
  struct answer *next;
  /* Until its turn has come. */
  void (*run) (struct answer *a, struct frame *frame);
  void *body;
  size_t body_len;
  struct answer *next_due;
};

/* Takes row's reference.  false when the client is too slow to take it. */
bool answer_row (struct answer *a, struct json_object *row);
bool answer_bytes (struct answer *a, struct json_object *row,
                   const void *body, size_t len);
/* A row, and a descriptor beside it, which stays the caller's. */
bool answer_fd (struct answer *a, struct json_object *row, int fd);
void answer_end (struct answer *a, struct json_object *last /* or NULL */);
void answer_error (struct answer *a, const struct error *why);
/* Another request of the same client that is still being answered. */
struct answer *answer_find (struct answer *a, int64_t id);
/* The guest named by the member "guest"; on NULL the answer is ended, and
 * gone. */
const struct guest *answer_guest (struct answer *a);

/* Into the row of a check: the number that its answer has, if it has one. */
void control_add_value (struct json_object *row,
                        const struct outcome_report *last);

/* Into the row of a guest: "health", and "finding" where a way is lost. */
void control_add_word (struct daemon *d, const struct guest *g,
                       struct json_object *row);
/* The table of the ways to a guest. */
void control_reach_rows (struct answer *a, const char *uuid);

/* ---- of scenarios ---- */

/* A binding_listen_fn of the daemon: whoever waits for that outcome is told. */
void control_outcome (const struct binding_info *info,
                      enum health_change change, void *daemon);
/* How many wait so. */
void control_probes_dump (const struct daemon *d, struct buf *out);
/* Which ways did not bring the answer, and why. */
struct json_object *control_tried (const struct outcome_report *r);

/* ---- diagnoses ----
 *
 * What is asked and answered (control_diagnose.c).  "of" is an incident's id,
 * or what answer_guest() takes: then it is the newest of that guest that is
 * not packed yet.
 *
 * {"op":"diagnose", "guest":G, "playbook":P?}
 *   {"row":"accepted", "incident":ID}
 *   {"row":"progress", "n":N, "total":N, "step":what, "ended":bool,
 *    "failure"?}                                       for each step
 *   end {"row":"incident", ...the incident, "bundle":path, "bundle_error"?}
 *   Who leaves meanwhile leaves it running.
 * {"op":"plan", "guest":G, "playbook":P?}                (control_plan.c)
 *   {"row":"step", "n":N, "step":name, "collector":name, "summary", "touch",
 *    "lane", "ms":N, "bytes":N, "if":text or list?, "acts":[text],
 *    "never":why?}                                     for each step
 *   end {"row":"plan", "guest", "uuid", "playbook", "origin", "steps":N,
 *    "touching":steps that touch the guest, "ms":at most, "bytes":about}
 *   What a diagnosis would do; nothing is done
 * {"op":"watch", "of":X}
 *   The same rows of a diagnosis that is under way, whoever ordered it, from
 *   the step that runs now; as many clients as like.  Of one that is over only
 *   the end.  ENOENT: none of that guest is under way, or no such incident;
 *   EBUSY: too many watch it
 * {"op":"cancel", "of":X}
 *   end {"row":"cancelled", "incident":ID}: no further step
 *   is begun; what there is is judged and packed, and who watches is told.
 *   ENOENT as above; EALREADY: it is judged
 *
 * ---- scenarios as a whole ----
 *
 * What is asked and answered (control_scenarios.c).  "guest" is what
 * answer_guest() takes; "scenario" a name; both may be left out where a "?" is.
 * "who" is free text for people, beside what the socket knows of the caller.
 *
 * {"op":"scenarios", "guest":G?}
 *   {"row":"scenario", "name", "kind", "origin":"file PATH"|"built-in"|"bound",
 *    "severity":"critical", "interval_ms", "timeout_ms", "description"?,
 *    "guests":N, "well":N, "suspect":N, "failed":N, "unknown":N, "paused":N,
 *    "flapping":N, "paused_until_ms":wall clock?, "bound_by"?,
 *    "shadowed":true?, "fault"?}                                 for each
 *   {"row":"pause", "guest":display or "", "uuid", "scenario":name or "",
 *    "who", "by":"uid 0 (pid 123)", "reason", "since_ms", "until_ms":both wall
 *    clock, "left_ms"}                                           for each
 *   "guest": only those that are bound to it, and counted for it alone.
 *   "paused_until_ms" is there when all of its guests are paused.  "fault":
 *   it has no verdict, since it names a scenario that is not there.  The
 *   built-in one has "without":[display...]: guests that others are for, and
 *   that are not watched by their memory for that.
 * {"op":"scenario-show", "scenario":S}
 *   {"row":"document", "name", "origin", "bound_by"?, "document":{...}} with
 *   all defaults filled in; ENOENT
 * {"op":"scenario-pause", "guest":G?, "scenario":S?, "seconds":N, "reason":T?,
 *  "who":T?}
 *   {"row":"pause",...} as above, end {"bindings":N now paused by it,
 *   "kept":bool, "why"?}.  Neither guest nor scenario: all of all.  seconds is
 *   1 to 31 days.  The same guest and scenario again replaces the pause.
 *   ENOENT: no such guest or scenario; ENOBUFS: 256 pauses stand.
 * {"op":"scenario-resume", "guest":G?, "scenario":S?}
 *   {"row":"pause",...} for each that ends: those that name this guest, or this
 *   scenario, or both; all, where neither is given.  end {"ended":N, "still":N
 *   bindings that a wider pause holds on, "kept":bool, "why"?}
 * {"op":"scenario-bind", "document":{...}, "guest":G?, "who":T?}, or the
 *  document as text in the body, with "origin":its name for messages
 *   One scenario.  guest: in the place of the document's "select", that guest
 *   alone.  {"row":"scenario",...} as above, end {"replaced":bool (one of that
 *   name that was bound), "kept":bool, "why"?}.  EINVAL: what the checker says;
 *   EEXIST: a file has one of that name; ENOBUFS: 256 are bound, or 900 KiB;
 *   EMSGSIZE: more than 64 KiB; EBUSY: those of the files are not read yet
 * {"op":"scenario-unbind", "scenario":S}
 *   end {"kept":bool, "why"?}.  ENOENT; EPERM: it is a file's
 *
 * kept: false when the writer could not put it on disk: it is in force, and
 * does not survive this daemon; why says.
 *
 * In `status`: {"row":"host", "code":"host-suspended"|"host-frozen"|
 * "host-starved", "says", "ago_ms", "lasted_ms", "guests":N without verdict for
 * it} while it matters; {"row":"pause",...} that hold a guest; in each
 * {"row":"incident"} "flapping" and "flaps"; and in each {"row":"scenario"} of
 * a binding "flapping":bool, "flap_percent", "paused":bool and
 * "history":{"runs":"++-?...": oldest first, "since_ms":age of the first,
 * "last_ms":age of the last, "availability":0..1?, "p50_ms"?, "p90_ms"?,
 * "p99_ms"?, "max_ms"?}; with "guest", also "times_ms":[age of each run]. */

struct pause;
/* {"row":"pause",...} */
struct json_object *control_pause_row (const struct pause *pause);
/* {"row":"scenario",...} of a whole scenario; false when there is none of that
 * name. */
bool control_scenario_row (struct answer *a, const char *name);
/* Ends the answer when what was changed is on disk: control_kept() with it is
 * the kept_done_fn of whoever keeps it.  Takes last.  On NULL the answer is
 * ended. */
struct control_keeping;
struct control_keeping *control_keep (struct answer *a,
                                      struct json_object *last);
void control_kept (const struct error *why, void *keeping);

struct binding_info;
struct guest;
/* {"row":"heartbeat",...}: its heartbeat, from memory. */
void control_beat_row (struct answer *a, const struct guest *g,
                       bool trouble_only);
/* Guests whose built-in scenario says that their memory can't be read: of all
 * guests that is told once, {"row":"no-heartbeat", "guests":N, "says"}. */
struct control_mute
{
  unsigned guests;
  char why[350]; /* of the first */
};
/* True when that is one of them, and counted. */
bool control_mute (struct control_mute *m, const struct binding_info *info);
void control_mute_row (struct answer *a, const struct control_mute *m);

struct control_op
{
  const char *name;
  void (*run) (struct answer *a, struct frame *frame);
  unsigned may; /* MAY_...: what one needs for it */
  /* A member of the request that makes more of it where it is true, and what
   * that needs besides. */
  const char *more;
  unsigned more_may;
};

void op_list (struct answer *a, struct frame *f);
void op_status (struct answer *a, struct frame *f);
void op_incidents (struct answer *a, struct frame *f);
void op_dump (struct answer *a, struct frame *f);
void op_tables (struct answer *a, struct frame *f);
void op_probe (struct answer *a, struct frame *f);
void op_scenario_run (struct answer *a, struct frame *f);
void op_diagnose (struct answer *a, struct frame *f);
void op_plan (struct answer *a, struct frame *f);
void op_watch (struct answer *a, struct frame *f);
void op_cancel (struct answer *a, struct frame *f);
void op_release (struct answer *a, struct frame *f);
void op_doctor (struct answer *a, struct frame *f);
void op_inspect (struct answer *a, struct frame *f);
void op_core (struct answer *a, struct frame *f);
void op_spool (struct answer *a, struct frame *f);
void op_console (struct answer *a, struct frame *f);
void op_input (struct answer *a, struct frame *f);
void op_scenarios (struct answer *a, struct frame *f);
void op_scenario_show (struct answer *a, struct frame *f);
void op_scenario_pause (struct answer *a, struct frame *f);
void op_scenario_resume (struct answer *a, struct frame *f);
void op_scenario_bind (struct answer *a, struct frame *f);
void op_scenario_unbind (struct answer *a, struct frame *f);

#endif
