/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-beat: one process that reads the heartbeats of all guests.
 *
 * Reading a guest's memory may never come back: its pages may be swapped out
 * to what is dead.  So it is not done by who holds consoles, and one process
 * for all costs a few microseconds a guest.  It gets descriptors and tables
 * that were checked (transports/memory/beat.h) and parses nothing; before each
 * guest it writes down, in a page that both have, whose turn it is.  When no
 * answer comes that page says whose memory it is stuck in; the process is
 * killed, and another one begins with the next guest that is added.
 *
 * Loop thread only.
 */
#ifndef HANGDOG_SUPERVISOR_BEATER_H
#define HANGDOG_SUPERVISOR_BEATER_H

#include "transports/memory/beat.h"

#include <sys/types.h>

struct beater;
struct error;
struct loop;

/* Guests have numbers from 1 to this. */
#define BEATER_MAX 16384u
/* Of one question. */
#define BEATER_ASK_MAX 1024u
/* A reading that takes longer does not come back. */
#define BEATER_STUCK_MS 2000u

struct beater_ops
{
  void (*beat) (uint32_t id, const struct beat *beat, void *arg);
  /* It could not be read, and is dropped. */
  void (*failed) (uint32_t id, const struct error *why, void *arg);
  /* The process is gone, and with it all who were added: in whose memory it is
   * stuck, 0 = nobody's. */
  void (*lost) (uint32_t id, void *arg);
};

/* No process yet.  libexec: the folder of our programmes; both are the
 * caller's for as long as it lives. */
int beater_new (struct loop *loop, const char *libexec,
                const struct beater_ops *ops, void *arg, struct beater **ret,
                struct error *err);
void beater_free (struct beater *b); /* NULL is fine */

/* Starts the process if there is none.  Both stay the caller's. */
int beater_add (struct beater *b, uint32_t id, const struct beat_table *table,
                int fd, struct error *err);
void beater_drop (struct beater *b, uint32_t id);
/* Has these read now.  False: the last question is not answered yet, or there
 * is no process.  Nothing is called back for who is not there. */
bool beater_ask (struct beater *b, const uint32_t *ids, unsigned n);
pid_t beater_pid (const struct beater *b); /* 0 = none */

/* ---- what both sides know ---- */

/* Descriptors of the process: the channel, and the page. */
#define BEATER_CHANNEL 3
#define BEATER_PAGE 4

/* Before each beat in an answer. */
struct beater_record
{
  uint32_t id;
  int32_t rc;    /* of beat_read() */
  uint32_t cpus; /* BEAT_FLAT() of it follows, if rc is 0 */
};

#endif
