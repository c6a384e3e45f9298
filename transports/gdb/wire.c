/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets of the gdb remote protocol, and registers in them.
 */
#include "transports/gdb/wire.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- packets: $TEXT#SUM ---- */

void
gdb_wire_init (struct gdb_wire *w)
{
  *w = (struct gdb_wire){ .packet = BUF_INIT (GDB_MAX_PACKET) };
}

void
gdb_wire_done (struct gdb_wire *w)
{
  buf_done (&w->packet);
}

static int
hex_of (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "0* " is "0000": the character behind the star, less 29, is how many more. */
static bool
repeat (struct gdb_wire *w, char c)
{
  int n = (unsigned char) c - 29;
  char last;

  w->repeat = false;
  if (w->packet.len == 0 || n < 3 || (unsigned char) c > 126)
    return false;
  last = w->packet.data[w->packet.len - 1];
  while (n-- > 0)
    buf_putc (&w->packet, last);
  return true;
}

static bool
inside (struct gdb_wire *w, char c)
{
  if (c == '#')
    {
      w->state = GDB_SUM;
      return !w->escaped && !w->repeat;
    }
  w->sum = (uint8_t) (w->sum + (uint8_t) c);
  if (w->repeat)
    return repeat (w, c);
  if (w->escaped)
    buf_putc (&w->packet, c ^ 0x20);
  else if (c == '*')
    w->repeat = true;
  else if (c != '}')
    buf_putc (&w->packet, c);
  w->escaped = c == '}' && !w->escaped;
  return c != '$';
}

/* 1: that was its last byte; 0: it is not whole yet; -1: it is none. */
static int
one_byte (struct gdb_wire *w, char c)
{
  int v;

  switch (w->state)
    {
    case GDB_OUTSIDE:
      /* Acknowledgements, and what nobody asked for. */
      if (c != '$')
        return 0;
      buf_clear (&w->packet);
      w->escaped = w->repeat = false;
      w->sum = w->said = 0;
      w->state = GDB_INSIDE;
      return 0;
    case GDB_INSIDE:
      return inside (w, c) ? 0 : -1;
    case GDB_SUM:
    case GDB_SUM2:
      v = hex_of (c);
      w->said = (uint8_t) (w->said << 4 | (v & 15));
      if (v < 0)
        return -1;
      if (w->state == GDB_SUM)
        {
          w->state = GDB_SUM2;
          return 0;
        }
      w->state = GDB_OUTSIDE;
      return w->said == w->sum ? 1 : -1;
    }
  return -1;
}

int
gdb_wire_feed (struct gdb_wire *w, const void *data, size_t len,
               size_t *ret_used, struct error *err)
{
  const char *p = data;

  for (size_t i = 0; i < len; i++)
    {
      int r = one_byte (w, p[i]);

      *ret_used = i + 1;
      if (w->packet.cut)
        return error_set (err, E2BIG, "a packet of more than %u bytes",
                          GDB_MAX_PACKET);
      if (r < 0)
        return error_set (err, EBADMSG, "what comes is not gdb's protocol");
      if (r > 0)
        return 1;
    }
  *ret_used = len;
  return 0;
}

void
gdb_wire_frame (struct buf *out, const char *text)
{
  uint8_t sum = 0;

  for (const char *p = text; *p; p++)
    sum = (uint8_t) (sum + (uint8_t) *p);
  buf_printf (out, "$%s#%02x", text, sum);
}

/* ---- threads ---- */

static bool
is_thread (const char *p, size_t n)
{
  if (n == 0 || n >= GDB_THREAD)
    return false;
  for (size_t i = 0; i < n; i++)
    if (hex_of (p[i]) < 0 && p[i] != 'p' && p[i] != '.')
      return false;
  return true;
}

unsigned
gdb_threads (const char *text, size_t len, char (*dst)[GDB_THREAD],
             unsigned have, unsigned max, bool *ret_more)
{
  const char *p = text + 1, *end = text + len;

  *ret_more = len > 1 && text[0] == 'm';
  while (*ret_more && p < end && have < max)
    {
      const char *comma = memchr (p, ',', (size_t) (end - p));
      size_t n = (size_t) ((comma ? comma : end) - p);

      if (is_thread (p, n))
        snprintf (dst[have++], GDB_THREAD, "%.*s", (int) n, p);
      p += n + 1;
    }
  return have;
}

/* ---- registers ---- */

struct row
{
  const char *name; /* "%u" where there are several */
  unsigned n, bytes;
};
static const struct row x86_64[] = {
  { "RAX", 1, 8 },   { "RBX", 1, 8 }, { "RCX", 1, 8 }, { "RDX", 1, 8 },
  { "RSI", 1, 8 },   { "RDI", 1, 8 }, { "RBP", 1, 8 }, { "RSP", 1, 8 },
  { "R8", 1, 8 },    { "R9", 1, 8 },  { "R10", 1, 8 }, { "R11", 1, 8 },
  { "R12", 1, 8 },   { "R13", 1, 8 }, { "R14", 1, 8 }, { "R15", 1, 8 },
  { "RIP", 1, 8 },   { "RFL", 1, 4 }, { "CS", 1, 4 },  { "SS", 1, 4 },
  { "DS", 1, 4 },    { "ES", 1, 4 },  { "FS", 1, 4 },  { "GS", 1, 4 },
  { NULL, 0, 0 },
};
static const struct row aarch64[] = {
  { "X", 31, 8 }, { "SP", 1, 8 }, { "PC", 1, 8 }, { "PSTATE", 1, 4 },
  { NULL, 0, 0 },
};
static const struct row *const rows[]
    = { [GDB_X86_64] = x86_64, [GDB_AARCH64] = aarch64 };

/* Little end first. */
static bool
value_of (const char *hex, unsigned bytes, uint64_t *ret)
{
  uint64_t v = 0;

  for (unsigned i = 0; i < bytes; i++)
    {
      int high = hex_of (hex[2 * i]), low = hex_of (hex[2 * i + 1]);

      if (high < 0 || low < 0)
        return false;
      v |= (uint64_t) (high << 4 | low) << 8 * i;
    }
  *ret = v;
  return true;
}

bool
gdb_registers (enum gdb_arch arch, const char *hex, size_t len,
               struct buf *out)
{
  size_t at = 0;
  uint64_t v;

  for (const struct row *r = rows[arch]; r->name; r++)
    for (unsigned i = 0; i < r->n; i++, at += 2 * r->bytes)
      {
        char name[16];

        if (len - at < 2 * r->bytes || !value_of (hex + at, r->bytes, &v))
          return false;
        snprintf (name, sizeof name, r->n > 1 ? "%s%02u" : "%s", r->name, i);
        buf_printf (out, "%s=%0*" PRIx64 "\n", name, (int) (2 * r->bytes), v);
      }
  return true;
}
