/* SPDX-License-Identifier: Apache-2.0
 *
 * The registers of who a report is about.  See report_impl.h.
 *
 * A report may show several sets: those of the kernel where it was, of
 * userspace where it came from, of other CPUs, and the first ones once more at
 * its end.  The first are taken, which stand before the first stack.
 */
#include "kernel/text/report_impl.h"

#include "kernel/text/cursor.h"

#include <string.h>

static bool
is_name_byte (char c)
{
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
         || (c >= '0' && c <= '9');
}

/* "0018:ffffc90000e6fd30" is what is behind the segment; "ff2c(0000)" what is
 * before its own number. */
static bool
take_value (struct cursor *c, uint64_t *ret)
{
  unsigned digits;

  if (!cur_hex (c, ret, &digits) || digits < 4)
    return false;
  if (digits == 4 && cur_lit (c, ":") && !cur_hex (c, ret, &digits))
    return false;
  while (c->p < c->end && *c->p != ' ' && *c->p != '\t')
    if (!memchr ("()0123456789abcdef", *c->p++, 18))
      return false;
  return true;
}

static void
put (struct text_event *e, const struct cursor *name, uint64_t value)
{
  char text[sizeof e->regs[0].name];

  cur_copy (name, text, sizeof text);
  for (unsigned i = 0; i < e->nregs; i++)
    if (strcmp (e->regs[i].name, text) == 0)
      return;
  if (e->nregs == TEXT_REGS_MAX)
    return;
  memcpy (e->regs[e->nregs].name, text, sizeof text);
  e->regs[e->nregs++].value = value;
}

void
report_registers (struct report *r, const char *s, size_t len)
{
  struct cursor c = { s, s + len }, name;
  uint64_t value;

  if (!r->e.rip[0] || r->has_trace || r->ncalls > 0)
    return;
  for (cur_blanks (&c); c.p < c.end; cur_blanks (&c))
    {
      name = (struct cursor){ c.p, c.p };
      while (c.p < c.end && is_name_byte (*c.p))
        c.p++;
      name.end = c.p;
      if (cur_left (&name) < 2
          || cur_left (&name) >= sizeof r->e.regs[0].name)
        return;
      cur_blanks (&c);
      /* Older kernels say where it was before the "Oops: 0002 [#1]". */
      if (!cur_lit (&c, ":") || cur_at (&name, "Oops"))
        return;
      cur_blanks (&c);
      if (!take_value (&c, &value))
        return;
      put (&r->e, &name, value);
    }
}
