/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes over a gdb socket: packets, and registers in them.  Pure.
 *
 * What comes is QEMU's, and whatever it was made to say: a packet is bounded,
 * its sum is checked, and its text is used only where it is hexadecimal.
 */
#ifndef HANGDOG_TRANSPORTS_GDB_WIRE_H
#define HANGDOG_TRANSPORTS_GDB_WIRE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define GDB_MAX_PACKET (16u << 10)

struct gdb_wire
{
  enum
  {
    GDB_OUTSIDE,
    GDB_INSIDE,
    GDB_SUM,
    GDB_SUM2,
  } state;
  struct buf packet; /* what is in it, repetitions written out */
  bool escaped, repeat;
  uint8_t sum, said;
};

void gdb_wire_init (struct gdb_wire *w);
void gdb_wire_done (struct gdb_wire *w);
/* 1: a whole packet is in w->packet until the next call; 0: more is needed;
 * -EBADMSG, -E2BIG.  *ret_used: bytes that were taken. */
int gdb_wire_feed (struct gdb_wire *w, const void *data, size_t len,
                   size_t *ret_used, struct error *err);
/* As it is sent. */
void gdb_wire_frame (struct buf *out, const char *text);

/* Names of threads in an answer to qfThreadInfo or qsThreadInfo, "m" and a list
 * of them, or "l".  How many were added to dst, at most max in all; *ret_more:
 * it is to be asked for the next. */
#define GDB_THREAD 24
unsigned gdb_threads (const char *text, size_t len, char (*dst)[GDB_THREAD],
                      unsigned have, unsigned max, bool *ret_more);

enum gdb_arch
{
  GDB_X86_64,
  GDB_AARCH64,
};
/* The answer to g, as lines of NAME=VALUE.  False: it is none. */
bool gdb_registers (enum gdb_arch arch, const char *hex, size_t len,
                    struct buf *out);

#endif
