/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows that a judgement is made of, and how they are asked.
 */
#ifndef HANGDOG_DIAG_OUTSIDE_OUTSIDE_IMPL_H
#define HANGDOG_DIAG_OUTSIDE_OUTSIDE_IMPL_H

#include "base/buf.h"
#include "base/json.h"
#include "diag/outside/ended.h"
#include "diag/outside/outside.h"

#include <string.h>

#define MAX_SHOWN 4 /* of those who wait */
#define LATE_S 1.0  /* a timer that no interrupt came for */

struct outside_rows
{
  struct json_object **rows; /* each a reference */
  size_t n, cap;
};

struct outside
{
  struct outside_rows stacks; /* by their number, less 1 */
  struct outside_rows tasks, told, before;
  struct ended_log ended; /* whom its kernel has ended */
  struct outside_finding list[OUTSIDE_FINDINGS];
  size_t n;
  struct outside_pid *pids; /* of all tasks, sorted; NULL = they are not */
  size_t irqs_off; /* CPUs that take no interrupts, and not for a moment */
  bool arm; /* its kernel is one for arm64 */
  bool lacks_memory; /* as outside_short_of_memory_() says */
  bool processes; /* rows of them were told */
  bool cpus_beyond; /* it has more CPUs than are looked at */
};

/* "" when there is no such string. */
static inline const char *
str_of (struct json_object *row, const char *key)
{
  const char *s = json_get_str (row, key);

  return s ? s : "";
}

/* Bounded, so that what is left of two of them, or twice one, is a number. */
static inline long long
num_of (struct json_object *row, const char *key)
{
  const long long most = 1ll << 60;
  long long v = json_get_int (row, key, 0);

  return v > most ? most : v < -most ? -most : v;
}

/* Seconds; beyond thirty years either way they are nobody's. */
static inline double
real_of (struct json_object *row, const char *key)
{
  double v = json_object_get_double (json_get (row, key));

  return v > -1e9 && v < 1e9 ? v : 0;
}

/* Of a list; anything else has none. */
static inline size_t
len_of (struct json_object *list)
{
  return json_object_is_type (list, json_type_array)
             ? json_object_array_length (list)
             : 0;
}

/* The next row of a kind, from *i on; NULL = there is none. */
struct json_object *outside_next_ (const struct outside *o, const char *kind,
                                   size_t *i);
/* The one whose member is that number. */
struct json_object *outside_row_of_ (const struct outside *o, const char *kind,
                                     const char *key, long long want);
/* The same of the look before; kind and number. */
struct json_object *outside_before_ (const struct outside *o,
                                     const char *kind, const char *key,
                                     long long want);
struct json_object *outside_task_ (const struct outside *o, long long pid);
/* All were added: each is found at once. */
void outside_sort_tasks_ (struct outside *o);

/* A culprit: who, and where it stands; to be added to, and put.  who and where
 * may be NULL. */
struct json_object *outside_culprit_ (const struct outside *o,
                                      struct json_object *who,
                                      struct json_object *where);

/* Of whom a row tells by name and number: and where it stands. */
struct json_object *outside_culprit_of_pid_ (const struct outside *o,
                                             struct json_object *who);
/* As outside_place() without the innermost `from` frames. */
void outside_place_from_ (const struct outside *o, struct json_object *row,
                          unsigned from, char dst[OUTSIDE_PLACE]);
/* "spin [zoo]" in two members of a culprit. */
void outside_add_function_ (struct json_object *culprit, const char *at);
/* Where it was when it panicked: behind panic() and what leads there. */
void outside_panic_place_ (const struct outside *o, struct json_object *cpu,
                           char dst[OUTSIDE_PLACE]);

/* The first of these, as outside_frames_() gives them, behind panic() and what
 * leads there; n: they did not come from there. */
unsigned outside_behind_panic_ (const char *const *names, unsigned n);

/* That row's stack is one by which the culprit is known (stacks.c). */
void outside_add_stack_ (const struct outside *o, struct json_object *culprit,
                         struct json_object *row);
/* What it is known by when it comes again: wait_key() of each, in the order of
 * the alphabet with "|" between, so that it does not matter with whom of a
 * circle it was begun; "" = by no stack.  They are taken out of it. */
void outside_take_key_ (const struct outside *o,
                           struct json_object *culprit,
                           char dst[OUTSIDE_KEY]);
void outside_row_key_ (const struct outside *o, struct json_object *row,
                       char dst[OUTSIDE_KEY]);

/* One finding more.  Takes the culprit. */
void outside_say_ (struct outside *o, enum outside_weight weight,
                   const char *class, struct json_object *culprit,
                   const char *fmt, ...)
    __attribute__ ((format (printf, 5, 6)));
/* Two looks were had, and this task in D did not run between them; of one look
 * it is what time says. */
bool outside_is_stuck_ (const struct outside *o, struct json_object *task);
/* Who called vfork() is in state D until its child goes on by itself. */
bool outside_is_vfork_ (const struct outside *o, struct json_object *task);
/* It was made to stand still with others, by who may order that. */
bool outside_is_frozen_ (const struct outside *o, struct json_object *task);
/* The frames of a row, as wait_of() takes them: at most n. */
unsigned outside_frames_ (const struct outside *o, struct json_object *row,
                          const char **names, unsigned n);
/* Who has it, if that is known. */
struct json_object *outside_culprit_of_lock_ (const struct outside *o,
                                              struct json_object *lock);
/* That task is among who waits for this lock. */
bool outside_waits_ (struct json_object *lock, long long pid);
/* The longest that one of these waits. */
double outside_longest_ (const struct outside *o, struct json_object *list);
/* "zoo_holder (315)" */
void outside_add_who_ (struct buf *to, struct json_object *task);
/* A line by which a kernel names what it panics for a moment later
 * (panic.c). */
bool outside_is_report_ (const char *text);
/* The panic, if it has panicked. */
void outside_panic_ (struct outside *o);
void outside_cpus_ (struct outside *o);
/* What it could be given, and what holds files, of all memory; -1 = not known
 * (memory.c). */
double outside_available_ (const struct outside *o);
double outside_file_cache_ (const struct outside *o);
/* "memory_full", "memory_some": percent of the last seconds; -1 = not known. */
double outside_memory_pressure_ (const struct outside *o, const char *which);
/* Little is left, and somebody waits for it.  to: why, or NULL. */
bool outside_short_of_memory_ (const struct outside *o, struct buf *to);
/* Who has most of it; false: nobody has so much. */
bool outside_memory_holder_ (const struct outside *o, struct buf *to);
/* What stands there asks the kernel for memory, or looks for some. */
bool outside_asks_memory_ (const struct outside *o, struct json_object *row);
void outside_memory_ (struct outside *o);
/* The fact tasks.most (crowd.c). */
void outside_crowd_facts (const struct outside *o, const char *source,
                          const struct incarnation *inc,
                          outside_fact_fn *fn, void *arg);
/* Two looks, and nothing moved between them: who has its CPUs, of those whose
 * registers were not seen.  False: something moved, or all of them are idle
 * (cpus.c). */
bool outside_standing_ (const struct outside *o, struct buf *to);
/* How many processes read its consoles; -1 = not known (consoles.c).
 * *ret_held: the first of them where all stand still, or NULL. */
int outside_console_readers_ (const struct outside *o,
                              struct json_object **ret_held);
/* What holds the output of its consoles back, "key", "program" or "line"; ""
 * = nothing that is known of.  *ret_waits: who has waited longest, and not for
 * a moment, for a terminal of them to take what it says, or NULL. */
const char *outside_console_stopped_ (const struct outside *o,
                                      struct json_object **ret_waits);

#endif
