/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to text*.c: a guest's text, and who reads it.
 *
 *   text.c         the table: guests and consoles coming and going
 *   text_look.c    what is known of them, for who asks
 *   text_worker.c  the threads: queue, timers, feeding readers
 *   text_listen.c  what scenarios listen for
 *   text_say.c     what becomes of what was found: facts, and a guest's list
 *
 * All consoles of a guest are one worker's.  Who may touch what:
 *
 *   loop     the table and its lists; what is marked so
 *   worker   readers, taps, what is marked so
 *   t->m     what both look at; nothing but the ring's lock is taken under it
 *   w->m     the worker's queue; nothing is taken under it
 *
 * A console that goes is unlisted by the loop and freed by its worker.
 */
#ifndef HANGDOG_SUPERVISOR_TEXT_IMPL_H
#define HANGDOG_SUPERVISOR_TEXT_IMPL_H

#include "supervisor/text/text.h"

#include "scenarios/lines.h"
#include "transports/console/hub.h"
#include "transports/monitor/look.h"

#include <pthread.h>
#include <stdatomic.h>

#define TEXT_BUCKETS 256
#define TEXT_CHUNK (16u << 10) /* fed at once */
#define TEXT_TURN (256u << 10) /* of one console before the next has its turn  \
                                */
/* A console whose lines cost much (an operator's expression that goes astray)
 * does not keep its turn for all of that. */
#define TEXT_TURN_MS 20
#define TEXT_ORDERS 8
/* Rules that are given up again and again are told of in the log. */
#define TEXT_SLOW_RULES 16
#define TEXT_SLOW_FIRST 10
#define TEXT_SAMPLE 240 /* of a line that is kept as an example */

/* What is kept for a bundle. */
#define EVENTS_FIRST 4 /* the first ones of a life: most is said by them */
#define EVENTS_LAST 12
#define EVENTS_MAX (EVENTS_FIRST + EVENTS_LAST)
#define EVENT_BYTES (16u << 10)
#define EVENTS_TOTAL (4u << 20) /* of all guests */

/* Kinds whose repeats are counted, per guest; beyond it the oldest goes. */
#define SAID_KINDS 12
#define SAID_AGAIN_MS 10000 /* repeats are summed up for so long */
#define SAID_BURST 24       /* facts at once, and one more each */
#define SAID_REFILL_MS 2000
#define KEPT_BURST 48 /* events of which the whole report is kept, likewise */
#define KEPT_REFILL_MS 500
#define STAGE_AGAIN_MS 1000

/* A replayed log shows stamps that are so far ahead of what we saw of the
 * boot: a kernel says all at once what it did before it had a console. */
#define REPLAY_AHEAD_MS 30000
#define REPLAY_WATCH_MS 60000

struct tokens
{
  unsigned left;
  uint64_t at;
};

struct said
{
  const char *kind; /* of text_kinds; NULL = free */
  uint64_t since_ms, id;
  unsigned source; /* whose id */
  unsigned more;   /* since then, not told */
  int64_t stamp_us; /* of the latest; -1 = none */
  bool trouble;
  char title[TEXT_TITLE_MAX];
};

struct kept_event
{
  char *json;
  size_t len;
  uint64_t id;
  unsigned source;
  unsigned count;        /* the same again, without its text */
  uint64_t last_wall_ms; /* of those */
  uint64_t head;         /* of kind and title as its first line has it */
  char signature[20];    /* "" = not known yet */
};

/* Of a guest that had an event; others have none of it. */
struct text_trouble
{
  struct
  {
    /* worker */
    struct said said[SAID_KINDS];
    /* t->m */
    unsigned events, hung;
    bool oops;
    uint64_t last_ms;
    const char *last_kind;
    enum text_severity severity;
    char title[TEXT_TITLE_MAX];
  } of_boot;
  /* Of the process: all of it goes with that. */
  /* worker */
  struct tokens facts, reports;
  /* t->m; what the last boot came to is worth keeping: a guest that boots over
   * and over tells by it why. */
  struct kept_event kept[EVENTS_MAX]; /* the first, and then a ring */
  unsigned nkept, next;               /* of the ring: the slot that goes next */
};

struct text_guest
{
  struct text_guest *next; /* loop, and t->m to change it */
  char uuid[UUID_TEXT];
  struct text_worker *worker;
  struct text_source *sources;  /* loop, and t->m to change it */
  unsigned refs;                /* t->m: the table, and each source */
  struct text_trouble *trouble; /* t->m to change it: worker */
  bool boot, replay;            /* t->m: to be told to the loop */
  struct lines **listen;        /* t->m; what scenarios listen for */
  size_t nlisten;
  uint64_t listen_serial; /* t->m; rises with each change of it */
};

/* Done when the reader comes to that place of the ring. */
struct text_order
{
  uint64_t at, until_ms;
  enum
  {
    ORDER_LIFE,
    ORDER_OURS
  } what;
  enum guest_change change; /* ORDER_LIFE */
  char key;                 /* ORDER_OURS */
};

struct text_source
{
  struct texts *all;
  struct text_guest *guest;
  struct text_source *next; /* guest->sources */
  struct tap *tap;          /* worker; its place is anybody's */
  char console[32];
  unsigned serial;

  /* loop */
  bool noted; /* among those of this tick */
  bool going; /* and no more is to come of it */
  struct text_source *next_noted;

  /* w->m */
  bool queued;
  bool last; /* nobody knows it any more: to be freed when its turn comes */
  struct text_source *next_queued;

  /* t->m */
  struct incarnation next_inc;
  struct text_order orders[TEXT_ORDERS];
  unsigned norders;
  bool primary;
  struct stage stage;             /* a copy, to be looked at */
  struct
  {
    uint64_t reset_ms; /* 0 = none, or it answered */
    bool by_memory;    /* it tells of that reset, and nobody else does */
    uint32_t answered; /* 1 + stage.boots when it did, 0 = not */
    struct thread_time cpu; /* what its QEMU had had by the reset */
  } of_boot;
  struct text_reader_stats stats; /* of the reader and those before it */

  /* worker */
  struct text_reader *reader;      /* NULL before the first byte */
  struct text_reader_stats before; /* of readers that are no more */
  uint64_t hung_told;              /* of the reader's count */
  struct incarnation inc;
  unsigned heap_at; /* 1 + place in the heap, 0 = none */
  uint64_t due_ms;
  uint64_t boot_ms, boot_stamp_us; /* a boot seen in the text: is it one? */
  uint64_t stage_said_ms;
  struct stage said_stage;
  bool stage_new;
  struct listener *listener; /* NULL = nobody listens */
  uint64_t listen_serial;    /* of what it listens for */
  uint64_t reader_at;        /* place of the ring at which the reader began */
  uint64_t asked_until_ms;   /* SysRq output is not the guest's own until */
  struct tap_span typed[TAP_SPANS];
  unsigned ntyped;
};

struct text_worker
{
  struct texts *all;
  pthread_t thread;
  unsigned index;
  bool running;

  /* loop */
  struct text_source *noted, **noted_end;
  unsigned guests, consoles;

  pthread_mutex_t m;
  pthread_cond_t cond;
  struct text_source *queue, **queue_end;
  bool stop, sleeping;
  uint64_t wakeups, turns, timers; /* counted, for the dump */

  /* worker */
  struct text_source **heap;
  unsigned nheap, cap;
  /* The latest two lines of the console that is being fed. */
  struct
  {
    uint64_t number;
    size_t len;
    char text[TEXT_SAMPLE];
  } line[2];
  unsigned line_at;
  struct regex_scratch *scratch; /* NULL before it is needed */
  char chunk[TEXT_CHUNK];
};

/* Outlives the rest for a call that the loop still has in its queue. */
struct text_post
{
  atomic_uint refs;
  atomic_bool posted;
  struct texts *t; /* loop; NULL when there is none any more */
};

struct texts
{
  struct loop *loop;
  struct hub *hub;
  struct fact_bus *bus;
  const struct text_rules *rules; /* loop, and t->m to change it */
  struct
  {
    const struct text_rule *rule;
    unsigned told;
  } slow[TEXT_SLOW_RULES]; /* loop */
  const struct texts_ops *ops;
  void *arg;
  unsigned threads; /* 0 = as many as it takes */
  unsigned serial;
  unsigned nguests, nsources, untapped; /* loop */
  struct text_post *post;
  struct text_worker *workers[TEXTS_THREADS];

  pthread_mutex_t m;
  struct text_guest *buckets[TEXT_BUCKETS];
  size_t event_bytes;
  uint64_t events_dropped, facts_held, ours, replays;
  bool gave_up; /* to be told to the loop: a rule took too long */
};

/* ---- text.c ---- */

/* Worker: something is to be told to the loop (guest->boot, ->replay). */
void text_post_ (struct texts *t);
void text_guest_unref_ (struct texts *t, struct text_guest *g);
/* Loop, or t->m held.  NULL when it is not there. */
struct text_guest *text_guest_find_ (struct texts *t, const char *uuid);

/* ---- text_worker.c ---- */

int text_worker_new_ (struct texts *t, unsigned index, struct text_worker **ret,
                      struct error *err);
/* Waits for it; what is still in its queue stays there. */
void text_worker_stop_ (struct text_worker *w);
void text_worker_free_ (struct text_worker *w);
/* Loop: those noted since the last time, one wake-up for all. */
void text_worker_wake_ (struct text_worker *w);
void text_worker_note_ (struct text_worker *w, struct text_source *s);
/* The worker, or anybody when it has stopped. */
void text_source_free_ (struct text_source *s);

/* ---- text_listen.c ---- */

void text_listen_free_ (struct text_guest *g);
/* Worker, before each turn: others may be listened for. */
void text_listen_follow_ (struct text_source *s);
/* Worker, before a piece is fed. */
void text_listen_piece_ (struct text_source *s);
void text_listen_line_ (struct text_worker *w, struct text_source *s,
                        const struct text_msg *msg);

/* ---- text_say.c: worker ---- */

void text_say_suspect_ (struct text_worker *w, struct text_source *s,
                        const struct text_event *e);
void text_say_event_ (struct text_worker *w, struct text_source *s,
                      const struct text_event *e);
/* Warnings of hung tasks, also those that are no news. */
void text_say_hung_ (struct text_source *s, unsigned n);
/* What waits for its time, at now.  When there is more, or CLOCK_NEVER. */
uint64_t text_say_due_ (struct text_source *s, uint64_t now);
/* What ends with it is forgotten. */
void text_say_life_ (struct text_source *s, enum guest_change change);
void text_trouble_free_ (struct texts *t, struct text_guest *g);
/* t->m held. */
const char *text_note_ (const struct text_trouble *tr);

#endif
