/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of all guests, read as it comes: what the hub drains is fed to a
 * reader (kernel/text) per console, on one or two threads that do nothing
 * else, and what is found becomes facts:
 *
 *   kernel.event.KIND    text  title of the latest one (not of SysRq output
 *                              that we asked for, nor of a log shown again)
 *   kernel.trouble.KIND  text  the same, of those that are errors or worse:
 *                              a suspicion (incidents_trouble.c)
 *   kernel.class         text  what the latest trouble is called in a verdict,
 *   kernel.title         text  and its title
 *   guest.stage, guest.stop    text  how far its boot came; why it stands there
 *   kernel.release       text
 *   kernel.boots         int   boots begun in this text
 *   heard.SCENARIO       text  a line that this scenario listens for,
 *   counted.SCENARIO     int   or the number in it
 *   unwanted.SCENARIO    text  a line that it must not hear
 *   unheard.SCENARIO     int   lines on which its expression was given up
 *
 * guest.stage, guest.stop, kernel.release and kernel.boots of a guest's further
 * consoles have the console's name behind them.  The first of a kind is told
 * at once, what follows is summed up, and all of a guest together are
 * rationed: it may print what it likes.
 *
 * Nothing here ever holds up the hub: a reader that is too slow loses text,
 * and the loss is fed to it as a gap, counted and shown.  A console that says
 * nothing costs some hundred bytes, one that does costs its reader.
 *
 * Loop thread, where it does not say otherwise.  All of it takes NULL for a
 * struct texts, and does nothing then (a daemon that only drains).
 */
#ifndef HANGDOG_SUPERVISOR_TEXT_H
#define HANGDOG_SUPERVISOR_TEXT_H

#include "guests/registry.h"
#include "kernel/text/reader.h"

struct buf;
struct error;
struct fact_bus;
struct hub;
struct lines;
struct loop;
struct texts;

struct texts_ops
{
  /* Loop thread; each may be NULL.  A boot began in this guest's text; and:
   * what was taken for one was the log of a kernel that is up for longer. */
  void (*boot) (const char *uuid, void *arg);
  void (*replay) (const char *uuid, void *arg);
};

/* Takes the rules, unless it fails.  threads 0 = as many as it takes: one,
 * and two for more than TEXTS_FEW consoles. */
#define TEXTS_FEW 2000
#define TEXTS_THREADS 2
int texts_new (struct loop *loop, struct hub *hub, struct fact_bus *bus,
               struct text_rules *rules, unsigned threads,
               const struct texts_ops *ops, void *arg, struct texts **ret,
               struct error *err);
/* Before the hub; nobody may be in texts_ours() any more. */
void texts_free (struct texts *t);
void texts_limit (struct texts *t, unsigned threads); /* for guests to come */
/* Others from now on.  Takes them.  Who is being read goes over to them between
 * two lines, what is known of him stays. */
void texts_rules (struct texts *t, struct text_rules *rules);

/* After the hub was told the same. */
void texts_guest (struct texts *t, enum guest_change change,
                  const struct guest *was, const struct guest *now);

/* What scenarios listen for in this guest's text, from the next piece of it on
 * (scenarios/lines.h); takes references.  What hangdog types, its echo and its
 * answers are not searched, unless the guest's kernel says them now; nor is a
 * log that is shown again.  To be said again after texts_guest(). */
void texts_listen (struct texts *t, const char *uuid,
                   struct lines *const *list, size_t n);

/* Any thread, before the key is pressed: what the guest prints then, until
 * that time at most (clock_ms()), is no trouble of its own.  And with a key of
 * 0 when it was seen to its end. */
void texts_ours (struct texts *t, const char *uuid, char key,
                 uint64_t until_ms);

/* What was found of a guest in this life, oldest first, one JSON object a
 * line: the first few and the latest, see EVENTS_... in text_impl.h. */
void texts_events (struct texts *t, const char *uuid, struct buf *out);

/* What is known of a console that somebody is about to type at. */
struct texts_stand
{
  struct stage stage;
  bool beside; /* as another of its consoles has it: this one says nothing */
  /* The guest was reset then, and has not answered since; 0 = it was not. */
  uint64_t reset_ms;
  bool by_memory; /* it tells of that, and nobody else does */
  bool answered;  /* a shell there did, in this boot */
  /* Since that reset its QEMU had one in so many of the processor seconds that
   * it wanted: so many times longer a boot takes.  0 = not known. */
  unsigned starved;
};
/* Any thread; false: nothing is. */
bool texts_stand (struct texts *t, const char *uuid, const char *console,
                  struct texts_stand *ret);
/* A shell on a console of this guest has just answered. */
void texts_answered (struct texts *t, const char *uuid);

struct texts_look
{
  const char *uuid, *console;
  const struct stage *stage;
  const char *kind, *title; /* the guest's last event, "" = none; guest bytes */
  enum text_severity severity;
  uint64_t event_ms;              /* when it was, 0 = none */
  unsigned events;                /* in this life */
  const char *note;               /* why silence is no good sign now, or "" */
  struct text_reader_stats stats; /* of earlier lives too, but memory */
};
/* uuid NULL: of all guests. */
void texts_each (struct texts *t, const char *uuid,
                 void (*fn) (const struct texts_look *look, void *arg),
                 void *arg);
void texts_dump (struct texts *t, struct buf *out);

#endif
