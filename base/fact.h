/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts: what flows between the rooms.
 *
 * A fact says: of this incarnation, this name has this value, seen by this
 * source at this time.  Anyone may publish, from any thread; subscribers are
 * called on the loop thread, in the order of publishing.  The queue between
 * is bounded; what does not fit is dropped and counted (and the next fact of
 * that guest that does fit is preceded by a "fact.gap" one).
 *
 * Names are dotted and lower case, from the wide to the narrow, and say what
 * is so: "kernel.answers", "disk.vda.moved".  Who says so is the source:
 * another vantage point says the same under the same name.  All of them are in
 * diag/facts.def, and who publishes one that is not has a test against him.
 */
#ifndef HANGDOG_BASE_FACT_H
#define HANGDOG_BASE_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct loop;
struct json_object;

#define UUID_TEXT 37 /* with the NUL */

/* Which life of which guest.  Two incarnations are the same only if all
 * fields are.  pid 0 = not known (a remote libvirt); start_time is field 22
 * of /proc/PID/stat, or without a pid the number that the hypervisor gave to
 * this start (0 = none); boot counts the guest's own reboots within that
 * process. */
struct incarnation
{
  char uuid[UUID_TEXT];
  int32_t pid;
  uint64_t start_time;
  uint32_t boot;
};

bool incarnation_equal (const struct incarnation *a,
                        const struct incarnation *b);
/* "uuid/pid/start/boot"; n >= 96.  Returns dst. */
char *incarnation_format (char *dst, size_t n, const struct incarnation *inc);

enum fact_type
{
  FACT_TEXT,
  FACT_INT,
  FACT_REAL,
  FACT_BOOL,
};

#define FACT_NAME_MAX 72 /* "probe." and the name of a scenario */
#define FACT_TEXT_MAX 240

struct fact
{
  struct incarnation inc; /* uuid "" = the host */
  char name[FACT_NAME_MAX];
  enum fact_type type;
  uint32_t sample; /* of what one look took several of: which, from 1 */
  uint32_t more;   /* so many like it are told of by this one, too */
  uint64_t kernel_us; /* when it was by the clock of the guest's kernel, of
                         what that wrote down itself; 0 = nobody said */
  union
  {
    char text[FACT_TEXT_MAX]; /* cut, never refused; may hold guest bytes */
    int64_t i;
    double d;
    bool b;
  };
  char source[32];  /* who says so: "monitor", "console", "host" */
  uint64_t time_ms; /* clock_ms() */
};

/* These fill all of *f, with the present time.  inc NULL = the host. */
void fact_text (struct fact *f, const struct incarnation *inc,
                const char *name, const char *source, const char *text,
                size_t len);
void fact_int (struct fact *f, const struct incarnation *inc,
               const char *name, const char *source, int64_t v);
void fact_real (struct fact *f, const struct incarnation *inc,
                const char *name, const char *source, double v);
void fact_bool (struct fact *f, const struct incarnation *inc,
                const char *name, const char *source, bool v);
/* {"guest", "incarnation", "name", "value", "sample", "more" and "kernel_us"
 * (unless they are 0), "source", "time_ms"}; text is escaped, a NaN is null. */
struct json_object *fact_to_json (const struct fact *f);

struct fact_bus;
struct fact_sub;

/* max_queued, at least 2, facts of some 400 bytes. */
int fact_bus_new (struct loop *loop, size_t max_queued,
                  struct fact_bus **ret_bus, struct error *err);
/* When nobody publishes any more, after the tables, before loop_free(). */
void fact_bus_free (struct fact_bus *bus);

/* Any thread; never blocks. */
void fact_publish (struct fact_bus *bus, const struct fact *fact);

/* Loop thread.  prefix "" gets all; "probe." what begins so.  A callback may
 * subscribe, unsubscribe (itself too) and publish; a new subscriber sees what
 * comes after it.  "fact.gap" (int: how many were lost) has its own name: who
 * counts on completeness subscribes to it too.  Losses of more than 64 guests
 * at a time are told as one gap of the host. */
int fact_subscribe (struct fact_bus *bus, const char *name,
                    const char *prefix,
                    void (*fn) (const struct fact *fact, void *arg), void *arg,
                    struct fact_sub **ret_sub, struct error *err);
void fact_unsubscribe (struct fact_sub *sub);

uint64_t fact_bus_dropped (struct fact_bus *bus);

/* The latest fact per guest, name and source: a small table that is a
 * subscriber.  fact_latest() is the one that came last, whoever said it;
 * fact_each() shows all, those of one name in the order in which they came.
 * Beyond max_per_guest the family that has the most names (the same up to the
 * first dot) makes room, by the name of it that was silent for the longest
 * time: many of a kind do not push out what is only said when it changes.  It
 * is no sample any more, and may be of an earlier incarnation: look at inc.
 * What is returned or shown is good until the next one is looked at.  Loop
 * thread. */
struct fact_table;
int fact_table_new (struct fact_bus *bus, size_t max_per_guest,
                    struct fact_table **ret, struct error *err);
void fact_table_free (struct fact_table *t);
const struct fact *fact_latest (struct fact_table *t, const char *uuid,
                                const char *name);
void fact_each (struct fact_table *t, const char *uuid,
                void (*fn) (const struct fact *f, void *arg), void *arg);
void fact_forget (struct fact_table *t, const char *uuid);

#endif
