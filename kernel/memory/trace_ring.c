/* SPDX-License-Identifier: Apache-2.0
 *
 * One CPU's ring of the trace buffer.
 *
 * Pages hang together in a circle; flags in the low bits of the pointers say
 * which of them is the oldest.  Beside the circle is the reader's page: it was
 * swapped out of it, holds what is older than all of the circle, and may be
 * the one that is written as well.  The newest is the one that commits go to.
 *
 * A page begins with a time; each event has how much later it is than the one
 * before it.  It is copied whole and looked at in the copy.
 */
#include "kernel/memory/trace.h"

#include "kernel/memory/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINK_FLAGS UINT64_C (3)
/* Flags of a page's length say that events before it were lost. */
#define COMMIT_BYTES 0x3fffffffu

#define TYPE_LEN_BITS 5
#define TYPE_PADDING 29u
#define TYPE_EXTEND 30u
#define TYPE_STAMP 31u
#define DELTA_BITS 27
/* A stamp of its own has no room for the highest bits of the time. */
#define STAMP_BITS 59

/* ---- its pages ---- */

/* Types are the guest's, too: what is read of a copied page must be in it. */
static bool
fits (struct kernel *k, uint32_t page_size)
{
  const struct field_at *at = k->fields.at;
  uint32_t data = at[PAGE_DATA].offset;

  return at[PAGE_STAMP].size == 8 && at[PAGE_COMMIT].size == 8
         && data < page_size && at[PAGE_STAMP].offset < data
         && data - at[PAGE_STAMP].offset >= 8 && at[PAGE_COMMIT].offset < data
         && data - at[PAGE_COMMIT].offset >= 8;
}

static bool
get (struct kernel *k, uint64_t at, enum field f, uint64_t *ret)
{
  return at != 0 && kernel_get (k, at, f, ret);
}

static uint64_t
count (struct kernel *k, uint64_t at, enum field f)
{
  uint64_t v;

  return get (k, at, f, &v) ? v : 0;
}

static void
read_counts (struct kernel *k, uint64_t at, struct trace_counts *c)
{
  uint64_t gone;

  *c = (struct trace_counts){
    .entries = count (k, at, RING_ENTRIES),
    .overrun = count (k, at, RING_OVERRUN),
    .lost = count (k, at, RING_LOST) + count (k, at, RING_DROPPED),
    .bytes = count (k, at, RING_BYTES),
    .pages = count (k, at, RING_NR_PAGES),
    .off = (count (k, at, RING_OFF) & UINT32_MAX) != 0,
  };
  /* It counts all that were ever written. */
  gone = c->overrun + count (k, at, RING_READ);
  c->entries = c->entries > gone ? c->entries - gone : 0;
}

static bool
make_room (struct trace_ring *r)
{
  size_t room = r->room ? 2 * r->room : 64;
  struct trace_page *pages;

  if (r->n < r->room)
    return true;
  pages = reallocarray (r->pages, room, sizeof *pages);
  if (!pages)
    return false;
  r->pages = pages;
  r->room = room;
  return true;
}

/* One that has nothing in it is left out. */
static int
add_page (struct kernel *k, struct trace_ring *r, uint64_t page)
{
  struct trace_page p;
  uint64_t read, entries, commit;

  if (!get (k, page, PAGE_PAGE, &p.at) || p.at == 0
      || !get (k, page, PAGE_READ, &read)
      || !get (k, page, PAGE_ENTRIES, &entries)
      || !get (k, p.at, PAGE_STAMP, &p.stamp)
      || !get (k, p.at, PAGE_COMMIT, &commit))
    return -EFAULT;
  commit &= COMMIT_BYTES;
  if (read >= commit)
    return 0;
  p.read = (uint32_t) read;
  p.entries = entries < r->page_size / 4 ? (uint32_t) entries
                                         : r->page_size / 4;
  if (!make_room (r))
    return -ENOMEM;
  r->pages[r->n++] = p;
  return 0;
}

struct link
{
  uint64_t next, prev;
};

/* The node of the oldest page: the one that its neighbour's pointer marks.
 * Where the kernel last saw it, where none is marked. */
static uint64_t
find_head (struct kernel *k, uint64_t from, uint64_t npages)
{
  uint64_t at = from;
  struct link here;

  for (uint64_t i = 0; i <= npages; i++)
    {
      if (space_read (k->space, at, &here, sizeof here) < 0)
        return 0;
      if (here.next & LINK_FLAGS)
        return here.next & ~LINK_FLAGS;
      at = here.next;
    }
  return from;
}

/* From the oldest page to the one that is written, or around. */
static int
add_circle (struct kernel *k, struct trace_ring *r, uint64_t head,
            uint64_t commit)
{
  uint64_t to_page = k->fields.at[PAGE_LIST].offset, at = head;
  struct link here, there;
  int e;

  for (uint64_t i = 0; i < r->counts.pages; i++)
    {
      e = add_page (k, r, at - to_page);
      if (e < 0 || at - to_page == commit)
        return e;
      if (space_read (k->space, at, &here, sizeof here) < 0)
        return -EFAULT;
      here.next &= ~LINK_FLAGS;
      if (space_read (k->space, here.next, &there, sizeof there) < 0
          || there.prev != at)
        return -EFAULT;
      at = here.next;
      if (at == head)
        return 0;
    }
  return -EFAULT;
}

static int
list_pages (struct kernel *k, uint64_t at, struct trace_ring *r)
{
  uint64_t reader, commit, any, head;
  int e;

  if (!get (k, at, RING_READER, &reader) || !get (k, at, RING_COMMIT, &commit)
      || !get (k, at, RING_PAGES, &any) || r->counts.pages == 0
      || r->counts.pages > TRACE_MAX_PAGES || !fits (k, r->page_size))
    return -EFAULT;
  e = add_page (k, r, reader);
  if (e < 0 || reader == commit)
    return e;
  head = find_head (k, any & ~LINK_FLAGS, r->counts.pages);
  return head != 0 ? add_circle (k, r, head, commit) : -EFAULT;
}

int
trace_ring_open (struct kernel *k, uint64_t at, unsigned cpu,
                 uint32_t page_size, struct trace_ring *r)
{
  int e;

  *r = (struct trace_ring){ .cpu = cpu, .page_size = page_size };
  read_counts (k, at, &r->counts);
  e = list_pages (k, at, r);
  r->damaged = e == -EFAULT;
  return e == -ENOMEM ? e : 0;
}

void
trace_ring_close (struct trace_ring *r)
{
  free (r->pages);
  free (r->copy);
  *r = (struct trace_ring){ 0 };
}

/* ---- its events ---- */

/* The next page; false: it was written over since it was listed, or is gone. */
static bool
take_page (struct kernel *k, struct trace_ring *r)
{
  const struct trace_page *p = &r->pages[r->at];
  uint32_t data = k->fields.at[PAGE_DATA].offset;
  uint64_t stamp, commit;

  if (space_read (k->space, p->at, r->copy, r->page_size) < 0)
    return false;
  memcpy (&stamp, r->copy + k->fields.at[PAGE_STAMP].offset, sizeof stamp);
  memcpy (&commit, r->copy + k->fields.at[PAGE_COMMIT].offset, sizeof commit);
  commit &= COMMIT_BYTES;
  if (stamp != p->stamp || commit > r->page_size - data)
    return false;
  r->stamp = stamp;
  r->unread = data + p->read;
  r->next = data;
  r->len = data + (uint32_t) commit;
  return true;
}

static uint32_t
word_at (const struct trace_ring *r, uint32_t at)
{
  uint32_t v;

  memcpy (&v, r->copy + at, sizeof v);
  return v;
}

/* A record that only moves the time; its length. */
static uint32_t
take_time (struct trace_ring *r, uint32_t type, uint32_t delta)
{
  const uint64_t mask = (UINT64_C (1) << STAMP_BITS) - 1;
  uint64_t t = (uint64_t) word_at (r, r->next + 4) << DELTA_BITS | delta;

  if (type == TYPE_EXTEND)
    r->stamp += t;
  else
    {
      t = (t & mask) | (r->stamp & ~mask);
      /* Time goes on: the bits that are not there went one up. */
      if (t < r->stamp && r->stamp > mask)
        t += UINT64_C (1) << STAMP_BITS;
      r->stamp = t;
    }
  return 8;
}

/* One record of the present page.  1: an event, 0: something else, -EBADMSG:
 * the page makes no sense from here on, or ends. */
static int
take_record (struct trace_ring *r)
{
  uint32_t head, type, delta, len, at = r->next, body = 4;

  if (r->len - at < 8)
    return -EBADMSG;
  head = word_at (r, at);
  type = head & ((1u << TYPE_LEN_BITS) - 1);
  delta = head >> TYPE_LEN_BITS;
  if (type == TYPE_EXTEND || type == TYPE_STAMP)
    {
      r->next += take_time (r, type, delta);
      return 0;
    }
  if (type == TYPE_PADDING && delta == 0)
    return -EBADMSG; /* what is left of the page */
  if (type == TYPE_PADDING || type == 0)
    {
      len = word_at (r, at + 4);
      body = 8;
    }
  else
    len = type * 4;
  if (len < 4 || len > r->len - at - 4)
    return -EBADMSG;
  r->next += 4 + len;
  if (type == TYPE_PADDING)
    return 0; /* it was thought better of */
  r->stamp += delta;
  if (at < r->unread)
    return 0;
  r->event = r->copy + at + body;
  r->event_len = 4 + len - body;
  return 1;
}

static bool
next_page (struct kernel *k, struct trace_ring *r)
{
  while (r->at < r->n)
    {
      bool good = take_page (k, r);

      r->at++;
      if (good)
        return true;
      r->changed = true;
    }
  return false;
}

int
trace_ring_next (struct kernel *k, struct trace_ring *r)
{
  int e;

  if (!r->copy && r->n > 0 && !(r->copy = malloc (r->page_size)))
    return -ENOMEM;
  do
    while (r->next < r->len)
      {
        e = take_record (r);
        if (e > 0)
          return 1;
        if (e < 0)
          r->next = r->len;
      }
  while (next_page (k, r));
  return 0;
}
