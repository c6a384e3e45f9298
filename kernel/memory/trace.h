/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's trace buffer, for the section that tells it: rings of pages
 * with what was traced on each CPU, and what the kernel says about the events
 * in them.
 */
#ifndef HANGDOG_KERNEL_MEMORY_TRACE_H
#define HANGDOG_KERNEL_MEMORY_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel;
struct look;

/* ---- a CPU's ring (trace_ring.c) ---- */

#define TRACE_MAX_PAGES (1u << 16) /* of a CPU */

struct trace_page
{
  uint64_t at, stamp; /* its data, and the time that its events count from */
  uint32_t entries;   /* as it says itself */
  uint32_t read;      /* bytes that somebody has taken out */
};

/* What the ring's own counters say. */
struct trace_counts
{
  uint64_t entries;   /* in the ring */
  uint64_t overrun;   /* older ones that were written over */
  uint64_t lost;      /* that could not be written at all */
  uint64_t bytes, pages;
  bool off;
};

struct trace_ring
{
  unsigned cpu;
  struct trace_counts counts;
  struct trace_page *pages; /* in the order of time, as far as they are */
  size_t n, room, at;       /* at: the one that comes next */
  uint32_t page_size;
  bool damaged, changed; /* pages lead nowhere; were written meanwhile */
  /* The present page, copied, and the event in it. */
  uint8_t *copy;
  uint32_t len, next, unread;
  uint64_t stamp;
  const uint8_t *event;
  uint32_t event_len;
};

/* Lists its pages; -ENOMEM, or 0: what lacks is in `damaged`. */
int trace_ring_open (struct kernel *k, uint64_t at, unsigned cpu,
                     uint32_t page_size, struct trace_ring *r);
void trace_ring_close (struct trace_ring *r);
/* The next event, oldest first: stamp, event and event_len, until the next
 * call.  1, 0: there is none, -ENOMEM. */
int trace_ring_next (struct kernel *k, struct trace_ring *r);

/* ---- what events are (trace_events.c) ---- */

enum trace_kind
{
  TRACE_NUMBER,
  TRACE_POINTER,
  TRACE_STRING, /* a pointer to one */
  TRACE_TEXT,   /* in place: as long as its size, or to the event's end */
  TRACE_NUMBERS,
  TRACE_BYTES,
  TRACE_AWAY,   /* its place and length are in it: TRACE_AWAY_... */
};

struct trace_field
{
  char name[40];
  uint32_t offset, size;
  uint8_t each;      /* of TRACE_NUMBERS: one's size */
  uint8_t kind, away; /* away: the kind that it leads to */
  bool is_signed, relative;
};

struct trace_format
{
  uint64_t at; /* the trace_event_call */
  uint16_t id;
  bool loaded;
  char name[64], system[40];
  struct trace_field *fields;
  unsigned n;
};

struct trace_formats
{
  struct trace_format *all; /* by id */
  size_t n;
  bool damaged;
};

/* -ENOMEM, or 0: what lacks is in `damaged`. */
int trace_formats_read (struct kernel *k, struct trace_formats *f);
void trace_formats_free (struct trace_formats *f);
/* NULL: the kernel knows of none. */
const struct trace_format *trace_format_of (struct kernel *k,
                                            struct trace_formats *f,
                                            uint16_t id);

/* ---- an event in a row (trace_say.c) ---- */

/* Members of the present row: what the event says.  f NULL: only that nobody
 * knows what it is. */
void trace_say_event (struct look *l, const struct trace_format *f,
                      uint16_t id, const uint8_t *event, uint32_t len);

/* What printf would have made of a format and the words that the kernel kept
 * for it; how long it is (trace_print.c). */
size_t trace_print (struct kernel *k, const char *fmt, const uint8_t *words,
                    size_t len, char *dst, size_t size);

#endif
