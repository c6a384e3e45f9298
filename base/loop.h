/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: epoll, a heap of timers, and a queue for other threads.
 *
 * Everything here is called on the loop's own thread, except the functions
 * that say otherwise.  Each watch and timer has a name, so that loop_dump()
 * can say what the process waits for.  A callback may free or re-arm any
 * watch or timer, itself included: memory is released after the round.
 * One round runs, in this order, what the kernel reports on fds, the timers
 * that are due, and the posted calls.
 *
 * Time comes from a struct loop_clock, so that tests turn the hands
 * themselves (loop_new_fake) and no test needs to sleep.
 */
#ifndef HANGDOG_BASE_LOOP_H
#define HANGDOG_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct error;
struct loop;
struct watch;
struct timer;

enum loop_events
{
  LOOP_READ = 1 << 0,
  LOOP_WRITE = 1 << 1,
  LOOP_HANGUP = 1 << 2, /* reported, never asked for: HUP or ERR */
};

typedef void loop_watch_fn (struct watch *w, int fd, unsigned events,
                            void *arg);
typedef void loop_timer_fn (struct timer *t, void *arg);
typedef void loop_call_fn (void *arg);

int loop_new (struct loop **ret_loop, struct error *err);
/* A loop whose clock stands still until loop_advance(). */
int loop_new_fake (struct loop **ret_loop, struct error *err);
/* Frees what is still queued without running it. */
void loop_free (struct loop *loop);

uint64_t loop_now (struct loop *loop); /* ms; read once per round; any thread
                                          may use clock_ms() instead */

/* Several watches may exist on one fd (libvirt needs it), with masks of their
 * own.  LOOP_HANGUP comes unasked and as long as it lasts: who gets it has to
 * close or to mute.  A mask of 0 mutes the watch: nothing at all is reported.
 * An fd may be closed before its watches are freed: they fall silent and
 * disturb neither others nor the next file with that number.  Regular files
 * cannot be watched (-EPERM, at once or, muted, never reported). */
int loop_watch (struct loop *loop, const char *name, int fd, unsigned events,
                loop_watch_fn *fn, void *arg, struct watch **ret_watch,
                struct error *err);
void watch_set (struct watch *w, unsigned events);
/* Its events may wait for up to LOOP_PATIENCE_MS, though only while there are
 * so many of the patient ones that a wake-up for each would be what this
 * process does.  They are told of what comes, not of what was left: the
 * callback takes all there is, or makes itself impatient again.  Of several
 * watches on one fd all must be patient. */
#define LOOP_PATIENCE_MS 14
void watch_patient (struct watch *w, bool patient);
void watch_free (struct watch *w); /* does not close the fd; NULL is fine */

/* A timer starts disarmed and runs once per arming.  Arming an armed timer
 * moves it: O(log n), and it cannot fail.  A time in the past is now; what is
 * armed for now by a callback runs in the next round.  Timers run in order of
 * their time, then of their arming. */
int loop_timer (struct loop *loop, const char *name, loop_timer_fn *fn,
                void *arg, struct timer **ret_timer, struct error *err);
void timer_at (struct timer *t, uint64_t at_ms); /* loop_now() scale */
void timer_in (struct timer *t, uint64_t delay_ms);
void timer_stop (struct timer *t);
bool timer_armed (const struct timer *t);
void timer_free (struct timer *t); /* NULL is fine */

/* From ANY thread: run fn(arg) once on the loop thread, in order of posting.
 * drop(arg), if given, is called instead when the loop is freed first.
 * -ENOMEM only. */
int loop_post (struct loop *loop, loop_call_fn *fn, void *arg,
               loop_call_fn *drop);

/* Runs until loop_stop(), also one that came before.  loop_round() sleeps for
 * the next event, never longer than max_ms, runs what is due, and returns.
 * With a fake clock it sleeps in real time, for fds and posted calls. */
int loop_run (struct loop *loop, struct error *err);
int loop_round (struct loop *loop, uint64_t max_ms, struct error *err);
void loop_stop (struct loop *loop); /* any thread */

/* Fake clock only: moves it and runs all timers that fall due, in order. */
void loop_advance (struct loop *loop, uint64_t ms);
/* The same without running anything, as a process finds it that stood still:
 * what fell due meanwhile runs in the next round. */
void loop_jump (struct loop *loop, uint64_t ms);

/* Any thread: a counter that moves with each round, and the clock_ms() at
 * which the present round began (0 while it sleeps): for the watchdog. */
uint64_t loop_beat (struct loop *loop, uint64_t *ret_busy_since);

void loop_dump (struct loop *loop, struct buf *out);

#endif
