/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to incidents*.c: one incident as the daemon holds it, and the list
 * of them.
 *
 *   incidents.c          the list, and looking at it
 *   incidents_trouble.c  what begins and ends one
 *   incidents_state.c    and trouble that no event told of
 *   incidents_life.c     what becomes of it: from the disk to the bundle
 *   incidents_collect.c  its diagnosis
 *   incidents_pack.c     its bundle
 *   incidents_order.c    diagnoses that somebody asked for
 *   incidents_watch.c    those who watch one, and who call it off
 *   incidents_restart.c  those of a daemon before this one
 *   incidents_host.c     of several guests together: the host's own
 *   incidents_host_verdict.c  and what is said of it, by what evidence
 *   incidents_repeat.c   those that say nothing new
 *   incidents_timeline.c what happened, for the bundle
 *   incidents_acts.c     what is done to guests and has to be undone
 */
#ifndef HANGDOG_SUPERVISOR_INCIDENTS_IMPL_H
#define HANGDOG_SUPERVISOR_INCIDENTS_IMPL_H

#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/links/writer_link.h"

#include "base/error.h"

struct buf;
struct cause;
struct fact_sub;
struct happened;
struct timer;

#define MAX_INCIDENTS 256
/* Of them, those that people ordered and that are not packed yet: orders must
 * not leave troubles without a place. */
#define MAX_ORDERS 32
#define MAX_WATCHERS 16 /* of one incident */
#define FIND_GUESTS_MS 15000
/* For who could not be asked, or what nobody has confirmed: it is looked at,
 * but nothing is typed, pressed or sent. */
#define CAREFUL_PLAYBOOK "quick"
/* Diagnoses that have begun, at most: each takes memory for its facts.  How
 * many of them are at it at once is max_diagnoses. */
#define MAX_BEGUN 16
/* Of one guest within an hour. */
#define MAX_BUNDLES 6
/* A diagnosis that took the daemon with it this often is not begun again. */
#define MAX_ATTEMPTS 2

/* How far it is on its way to a bundle.  Only incident_step() changes it. */
enum life
{
  LIFE_WRITING,    /* being put on disk: before that nothing is done */
  LIFE_WAITING,    /* for its turn; after a restart, for its guest */
  LIFE_COUNTING,   /* this attempt is being put on disk */
  LIFE_COLLECTING, /* its diagnosis runs */
  LIFE_PACKING,    /* judged or given up: the writer packs */
  LIFE_DONE,       /* packed, or it could not be: kept for `status` */
};

enum step
{
  STEP_WRITTEN,
  STEP_BEGUN,
  STEP_COUNTED,
  STEP_JUDGED,
  STEP_GIVEN_UP,
  STEP_PACKED,
  STEP_TAKEN_UP, /* a daemon before us did not get as far as packing it */
  STEP_MAX,
};

/* Is its guest in trouble by it?  Goes beside its life: a guest may be well
 * before the bundle is packed, and hung for days after. */
enum stand
{
  STAND_NOT, /* never did (an order), or not any more: inc.end says how it
                ended, if it did */
  STAND_SUSPECTED, /* not called hung yet: it could not be asked, or text
                      alone says so */
  STAND_FIRM,
};

/* Who is told of one. */
struct watcher
{
  struct watcher *next;
  const struct incident_watch_ops *ops;
  void *arg;
};

/* One incident as the daemon holds it. */
struct active
{
  struct incidents *all;
  struct active *next;
  struct incident inc; /* inc.phase follows life */
  enum life life;
  enum stand stand;
  bool perhaps_rebooted; /* text alone shows that its life is over: it stands
                            until another says so */
  bool flapping;  /* its check is now well and now not: it is held open */
  unsigned flaps; /* times it would have been opened again meanwhile */
  const struct guest *guest; /* as it was when it began; NULL after restart */
  struct diagnosis *diagnosis; /* while it runs */
  struct error file_error; /* the first file that could not be stored */
  char bundle[512], shipped[160];
  struct watcher *watchers;
  struct told_step *steps; /* for who comes later: incidents_watch.c */
  unsigned nsteps;
  char cancelled[120]; /* by whom, "" = nobody */
  uint64_t raised_ms;   /* loop_now() when it began to stand; 0: before us */
  bool could_not_ask;   /* by it its guest could not be asked */
  uint64_t joined_ms;   /* the host's own: when the last child came */
  bool grew;            /* and that was when it was judged already */
  uint64_t pressed_until_ms; /* of a host that is short: then it is over */
  uint64_t disk_by_ms;  /* so long the writer is waited for; 0 = it is not */
  unsigned late;        /* answers of the writer that were not waited for */
  unsigned awaited;     /* answers of the writer that have yet to come, and
                           name it */
  char undoing[24];     /* the act that a job undoes now, "" = none */
  unsigned undo_tries;  /* of the act that is open, that failed */
  uint64_t undo_at_ms;  /* not before */
  uint64_t undo_tried_ms; /* in vain, when last */
  uint64_t stood_ms;    /* the guest, for acts that are undone */
};

struct incidents
{
  struct incidents_env env;
  struct playbook_set *playbooks; /* a reference */
  bool playbooks_read; /* not only those that are built in */
  struct active *first; /* the newest */
  unsigned count;
  struct turns *turns; /* of those that have begun */
  unsigned max_begun;  /* MAX_BEGUN */
  uint64_t repeat_ms;  /* so long the same trouble is told once; 0 = never */
  unsigned max_bundles; /* MAX_BUNDLES */
  unsigned notifying; /* programs that run */
  unsigned missteps; /* refused by incident_step(): a mistake of ours */
  struct timer *found;
  struct timer *again; /* what was there before could not be read */
  unsigned tries;
  struct timer *together; /* hosts' incidents are looked at */
  struct timer *undo;     /* acts that are open are looked at */
  struct timer *disk;     /* the writer was waited for long enough */
  struct happened *happened; /* to guests, for timelines */
  struct fact_sub *heard;  /* suspicions */
  struct fact_sub *staged; /* how far a boot came */
  uint64_t found_by_ms; /* until then an incident waits for its guest */
  bool listing; /* those that were there before were asked for */
  bool known;   /* what was there before this daemon is in the list: only now
                   is it sure that a trouble is a new one */
  bool settled; /* which scenarios there are is known: only now is it sure
                   that one of them is gone */
};

/* ---- the list: incidents.c ---- */

struct active *incidents_by_id (struct incidents *in, const char *id);
/* The one by which that guest is in trouble, suspected or firm. */
struct active *incidents_standing_of (struct incidents *in, const char *uuid);
/* Is there a place for one more?  Makes one, if it can. */
bool incidents_room (struct incidents *in);
/* A new one at the head of the list (one of a daemon before us: by its age),
 * LIFE_WRITING, that does not stand; NULL when there are too many. */
struct active *incidents_add (struct incidents *in,
                              const struct incident *inc,
                              const struct guest *g);
/* One that nobody knows of yet. */
void incident_remove (struct active *a);
/* What brought us here, and what is to be done about it; playbook NULL: what
 * was to be done before. */
void incident_tell (struct incident *inc, const char *playbook,
                    const struct cause *cause);
struct active *incidents_new_one (struct incidents *in, const struct guest *g,
                                  const char *playbook,
                                  const struct cause *cause);
/* So that what was there before can be asked for: incidents_restart.c. */
int incidents_remember (struct incidents *in, struct error *err);

/* ---- the life of one: incidents_life.c ---- */

/* The only way from one life to the next.  False, counted and logged when the
 * step is not one that can be taken from there: nothing changes then. */
bool incident_step (struct active *a, enum step step);
/* The timer of those that wait for the writer. */
int incidents_life_new (struct incidents *in, struct error *err);
/* Has the writer put it on disk; all that follows comes by itself. */
void incidents_put_durable (struct active *a);
/* It changed: the next daemon is to know it as it is now. */
void incident_put (struct active *a);
/* done says first that it was answered: until all answers have come a stays in
 * the list, however far it is.  What could not be asked is told before what
 * was asked earlier. */
void incident_put_then (struct active *a, incident_done_fn *done, void *arg);
void incident_answered (struct active *a);
/* Somebody has all of it. */
void incident_is_shipped (struct active *a);
/* For its timeline, now; what may be NULL.  Whoever notes puts. */
void incident_moment (struct active *a, enum incident_moment_kind kind,
                      const char *what);
/* Starts what may start: oldest first. */
void incidents_pump (struct incidents *in);
/* Of one that waits or is being looked at: what there is becomes its bundle. */
void incident_give_up (struct active *a, const char *why);
/* One that waits and is judged without a diagnosis: takes head. */
void incident_conclude (struct active *a, struct json_object *head);
/* Called off: what there is becomes its bundle. */
void incident_call_off (struct active *a);

/* ---- its diagnosis: incidents_collect.c ---- */

/* Begins; all that follows comes by itself. */
void incident_collect (struct active *a);
/* Evidence, to its folder at the writer. */
void incident_store_file (struct active *a, const char *name, uint64_t offset,
                          const void *data, size_t len);
/* There is a verdict: what was a suspicion is firm by it, or none, or stays
 * one. */
void incident_settle (struct active *a);
/* Somebody else's trouble is the same, and he is believed more: the incident
 * is his from now on.  Only before it is judged; what was found stays. */
void incident_retell (struct active *a, const char *playbook,
                      const struct cause *cause);
/* Only text says so: it may stand, but not firmly. */
bool incident_in_doubt (const struct incident *inc);
/* Raised by what memory shows the first time (CODE_LOOK). */
bool incident_is_look (const struct incident *inc);

/* ---- its bundle: incidents_pack.c ---- */

/* In LIFE_PACKING: takes head. */
void incident_pack (struct active *a, struct json_object *head);
/* It is judged, and a bundle of it would be too much (incidents_repeat.c). */
void incident_close_without (struct active *a);
/* Its bundle is on disk: who is to be told of it is (incidents_notify.c). */
void incident_notify (struct active *a);

/* ---- who is told: incidents_watch.c ---- */

int incident_watch (struct active *a, const struct incident_watch_ops *ops,
                    void *arg, struct error *err);
void incident_watched_step (struct active *a, unsigned n, unsigned total,
                            const char *what, bool ended,
                            const char *failure);
/* The end: nobody watches it any more. */
void incident_watched_end (struct active *a, const struct error *err);
void incident_watchers_free (struct active *a);
void incident_steps_forget (struct active *a);

/* ---- what was told already: incidents_repeat.c ---- */

/* It is judged: is a bundle of it too much?  Says so in its document. */
bool incident_is_told (struct active *a);

/* ---- acts that have to be undone: incidents_acts.c ---- */

int incidents_acts_new (struct incidents *in, struct error *err);
/* A collector of its diagnosis is about to act, or has undone it. */
void incident_act_begins (struct active *a, const char *undo,
                          diagnosis_answer_fn *fn, void *arg);
void incident_act_undone (struct active *a, const char *name);
/* One of a daemon before this one: for how long the guest stood then. */
void incident_acts_recall (struct active *a);
/* Begins what of the open ones nobody is at. */
void incidents_undo (struct incidents *in);
/* That guest shows life: it may let be undone what it did not before. */
void incidents_alive (struct incidents *in, const char *uuid);
/* Is something to be undone before that guest is looked at? */
bool incidents_undo_first (const struct incidents *in, const char *uuid);
/* What its collectors did not undo themselves, for the bundle. */
void incident_acts_impact (const struct active *a, struct json_object *head);

/* ---- what happened, and when: incidents_timeline.c ---- */

/* timeline.jsonl; how the guest's clock stands to the host's becomes
 * "guest_clock" of head. */
void incident_tell_timeline (struct active *a, struct json_object *head,
                             struct buf *out);

/* ---- of several guests together: incidents_host.c ---- */

int incidents_host_new (struct incidents *in, struct error *err);
/* One more stands: has it failed together with others? */
void incidents_together (struct incidents *in, struct active *a);
/* One that has a parent ended. */
void incidents_apart (struct incidents *in, const struct active *a);
/* All that there was before this daemon is known: ends those of the host whose
 * guests have recovered meanwhile. */
void incidents_childless (struct incidents *in);
/* Those whose children are judged. */
void incidents_judge_hosts (struct incidents *in);
unsigned incident_children (const struct active *a);
/* Of the host's own, for documents: an array of {"incident","guest","class"};
 * NULL: it is a guest's. */
struct json_object *incident_children_json (const struct active *host);

/* ---- what is said of these: incidents_host_verdict.c ---- */

/* a's incident is one of those that host's is of. */
bool incident_is_child (const struct active *a, const struct active *host);
/* The verdict on guests that failed together, by what theirs came to; on a host
 * that is short, by what it shows now.  Facts go into head, which may be NULL.
 */
void incident_say_crowd (struct active *host, struct json_object *head);
void incident_say_pressed (struct active *host, struct json_object *head);

/* ---- what begins and ends them: incidents_trouble.c ---- */

/* Its guest is not in trouble by it any more. */
void incident_ended (struct active *a, enum incident_end how);

int incidents_hear (struct incidents *in, struct error *err);
/* What became known meanwhile: takes up the failures that waited for it. */
void incidents_known (struct incidents *in);
/* Ends those whose scenario is not bound to their guest any more. */
void incidents_orphans (struct incidents *in);
/* Trouble that this guest's state shows, or how it changed: incidents_state.c.
 */
void incidents_seen (struct incidents *in, const struct guest *g);
void incidents_state (struct incidents *in, const struct guest *was,
                      const struct guest *now);

#endif
