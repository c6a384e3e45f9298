/* SPDX-License-Identifier: Apache-2.0
 *
 * All that happened around one incident, on one clock: timeline.jsonl of a
 * bundle, a row a line (docs/bundle.md, docs/schema/timeline-1.json).
 *
 * Rows come in any order and by the clock that they were told by; they are
 * written in the order of time, each with the host's wall clock and its
 * monotonic one.  Bounded in rows and bytes: what says least goes first, and
 * the last line says how much went.  Pure.
 */
#ifndef HANGDOG_DIAG_TIMELINE_H
#define HANGDOG_DIAG_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct error;
struct timeline;

/* What says most first. */
enum timeline_kind
{
  TIMELINE_INCIDENT,  /* a step of its own */
  TIMELINE_VERDICT,
  TIMELINE_ACT,       /* on the guest; intended, and undone */
  TIMELINE_CHECK,     /* a scenario failed, or is well again */
  TIMELINE_LIFECYCLE, /* its hypervisor, or its console, tells of its life */
  TIMELINE_KERNEL,    /* its kernel's text */
  TIMELINE_COLLECTOR, /* began, ended */
  TIMELINE_KINDS,
};
extern const char *const timeline_kind_names[];

enum timeline_clock
{
  TIMELINE_WALL,      /* clock_wall_ms() */
  TIMELINE_MONOTONIC, /* clock_ms() */
};
extern const char *const timeline_clock_names[];

#define TIMELINE_ROWS 320
#define TIMELINE_BYTES (192u << 10)
#define TIMELINE_WHAT 160

/* All that is text may be a guest's: it is escaped. */
struct timeline_row
{
  enum timeline_kind kind;
  enum timeline_clock clock; /* that ms is of */
  uint64_t ms;
  const char *step;   /* of an incident's; NULL else */
  const char *source; /* who says so; NULL = hangdog itself */
  const char *what;
  unsigned count;     /* so often, from then on; 0 and 1 say nothing */
  double guest_s;     /* of its kernel's own clock; below 0 = not known */
};

/* How the clocks stand to each other. */
struct timeline_clocks
{
  int64_t mono_to_wall; /* wall clock less monotonic clock, in ms */
  bool knows_guest;
  /* The guest's kernel's clock was 0 at that moment of the host's monotonic
   * one; give or take. */
  double guest_offset_s, guest_error_s;
  const char *guest_by; /* "memory", "console" */
};

int timeline_new (struct timeline **ret, struct error *err);
void timeline_free (struct timeline *tl);
void timeline_add (struct timeline *tl, const struct timeline_row *row);
void timeline_write (struct timeline *tl, const struct timeline_clocks *clocks,
                     struct buf *out);

#define CLEANUP_TIMELINE __attribute__ ((cleanup (timeline_freep)))
static inline void
timeline_freep (struct timeline **p)
{
  timeline_free (*p);
}

#endif
