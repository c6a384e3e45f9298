/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bytes of quiet consoles wait for each other on their way into the
 * raw log: a write for each line would be most of what a writer of a thousand
 * consoles does.
 *
 * The room is a memory file that the keeper has, too.  A writer that is killed
 * leaves it behind, and its successor writes what still waits: each slot says
 * which file it belongs to and where, so nothing is lost and nothing is
 * written twice.
 */
#ifndef HANGDOG_SUPERVISOR_WRITER_LOG_WAIT_H
#define HANGDOG_SUPERVISOR_WRITER_LOG_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct wait_room;

#define WAIT_SLOT 1024u
#define WAIT_BYTES (WAIT_SLOT - 160u)

struct wait_slot
{
  char uuid[65], name[65];
  uint16_t len; /* 0 = nobody's; set last, cleared first */
  uint32_t pad;
  uint64_t ino, base; /* of the raw log, and its size without these bytes */
  uint64_t wall_ms;   /* when the first of them came */
  char data[WAIT_BYTES];
};

/* fd, which is taken, with room for n slots. */
int wait_room_new (int fd, size_t n, struct wait_room **ret,
                   struct error *err);
void wait_room_free (struct wait_room *r);
/* A slot that nobody has; NULL when there is none. */
struct wait_slot *wait_room_take (struct wait_room *r);
void wait_room_give (struct wait_room *r, struct wait_slot *s);
/* What a killed one left, each once; then its slot is empty.  Slots that make
 * no sense are emptied, too. */
void wait_room_left (struct wait_room *r,
                     void (*fn) (const struct wait_slot *s, void *arg),
                     void *arg);

/* False when it does not fit. */
bool wait_add (struct wait_slot *s, const void *data, size_t len);

#endif
