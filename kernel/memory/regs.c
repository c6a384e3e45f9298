/* SPDX-License-Identifier: Apache-2.0
 *
 * vCPUs' registers, out of a monitor's text.
 */
#include "kernel/memory/regs_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define EFLAGS_IF 0x200u
#define PSTATE_I 0x80u

/* ---- text ---- */

struct reg_name
{
  const char *name;
  size_t at;
};

#define GPR(name, i)                                                           \
  {                                                                            \
    name, offsetof (struct vcpu_regs, gpr) + (i) *8                            \
  }
#define REG(name, member)                                                      \
  {                                                                            \
    name, offsetof (struct vcpu_regs, member)                                  \
  }

/* As QEMU says them, of 64 and of 32 bits. */
static const struct reg_name x86_names[] = {
  GPR ("RAX", 0),     GPR ("RCX", 1),     GPR ("RDX", 2),   GPR ("RBX", 3),
  GPR ("RSP", 4),     GPR ("RBP", 5),     GPR ("RSI", 6),   GPR ("RDI", 7),
  GPR ("R8", 8),      GPR ("R9", 9),      GPR ("R10", 10),  GPR ("R11", 11),
  GPR ("R12", 12),    GPR ("R13", 13),    GPR ("R14", 14),  GPR ("R15", 15),
  GPR ("EAX", 0),     GPR ("ECX", 1),     GPR ("EDX", 2),   GPR ("EBX", 3),
  GPR ("ESP", 4),     GPR ("EBP", 5),     GPR ("ESI", 6),   GPR ("EDI", 7),
  REG ("RIP", pc),    REG ("RFL", flags), REG ("EIP", pc),  REG ("EFL", flags),
  REG ("CR0", cr0),   REG ("CR2", cr2),   REG ("CR3", cr3), REG ("CR4", cr4),
  REG ("EFER", efer),
};

static const char *const x86_segments[SEG_MAX]
    = { "CS", "DS", "ES", "FS", "GS", "SS", "LDT", "TR", "GDT", "IDT" };

static const char *
skip_spaces (const char *p, const char *end)
{
  while (p < end && (*p == ' ' || *p == '\t'))
    p++;
  return p;
}

/* Hex digits, at least one and at most 16; NULL when it is none. */
static const char *
read_hex (const char *p, const char *end, uint64_t *ret)
{
  uint64_t v = 0;
  unsigned n = 0;

  for (; p < end && n < 17; p++, n++)
    {
      char c = *p;
      unsigned d;

      if (c >= '0' && c <= '9')
        d = (unsigned) (c - '0');
      else if (c >= 'a' && c <= 'f')
        d = (unsigned) (c - 'a') + 10;
      else if (c >= 'A' && c <= 'F')
        d = (unsigned) (c - 'A') + 10;
      else
        break;
      v = v << 4 | d;
    }
  if (n == 0 || n > 16)
    return NULL;
  *ret = v;
  return p;
}

static bool
is_name (const char *name, size_t len, const char *want)
{
  return strlen (want) == len && memcmp (name, want, len) == 0;
}

static void
put_u64 (struct vcpu_regs *r, size_t at, uint64_t v)
{
  memcpy ((unsigned char *) r + at, &v, sizeof v);
}

/* "GS =0000 ffff8a010f600000 ffffffff 00c00000": selector, base, limit, flags;
 * of GDT and IDT base and limit. */
static void
take_segment (struct vcpu_regs *r, enum vcpu_seg which, const char *value,
              const char *end)
{
  uint64_t v[4] = { 0 };
  unsigned first = which >= SEG_GDT ? 1 : 0, n = first;
  struct vcpu_segment *s = &r->seg[which];

  while (n < 4 && value)
    {
      value = read_hex (skip_spaces (value, end), end, &v[n]);
      n += value != NULL;
    }
  if (n < 2)
    return;
  *s = (struct vcpu_segment){ .selector = (uint32_t) v[0],
                              .base = v[1],
                              .limit = (uint32_t) v[2],
                              .flags = (uint32_t) v[3] };
  if (which == SEG_GS)
    r->gs_base = s->base;
  else if (which == SEG_TR)
    r->tr_base = s->base;
  else if (which == SEG_IDT)
    r->idt_base = s->base;
}

static void
take_x86 (struct vcpu_regs *r, const char *name, size_t len, const char *value,
          const char *end)
{
  uint64_t v;

  if (!read_hex (value, end, &v))
    return;
  for (size_t i = 0; i < ARRAY_LEN (x86_names); i++)
    if (is_name (name, len, x86_names[i].name))
      {
        put_u64 (r, x86_names[i].at, v);
        if (x86_names[i].at == offsetof (struct vcpu_regs, pc))
          r->arch = ARCH_X86_64;
        return;
      }
  if (is_name (name, len, "CPL"))
    r->cpl = (unsigned) (v & 3);
  else if (is_name (name, len, "HLT"))
    r->halted = v == 1;
  else
    for (unsigned i = 0; i < SEG_MAX; i++)
      if (is_name (name, len, x86_segments[i]))
        take_segment (r, (enum vcpu_seg) i, value, end);
}

/* PC, SP, PSTATE, X00 .. X30 and X0 .. X9. */
static void
take_arm64 (struct vcpu_regs *r, const char *name, size_t len,
            const char *value, const char *end)
{
  uint64_t v;

  if (!read_hex (value, end, &v))
    return;
  if (is_name (name, len, "PC"))
    {
      r->pc = v;
      r->arch = ARCH_ARM64;
    }
  else if (is_name (name, len, "SP"))
    r->sp = v;
  else if (is_name (name, len, "PSTATE"))
    r->flags = v;
  else if (len >= 2 && len <= 3 && name[0] == 'X')
    {
      unsigned n = 0;

      for (size_t i = 1; i < len; i++)
        n = name[i] >= '0' && name[i] <= '9'
                ? n * 10 + (unsigned) (name[i] - '0')
                : 99;
      if (n < 31)
        r->gpr[n] = v;
    }
}

/* What follows from the others. */
void
regs_finish_ (struct vcpu_regs *r)
{
  if (r->arch == ARCH_X86_64)
    {
      r->sp = r->gpr[4];
      r->fp = r->gpr[5];
      r->irqs_off = !(r->flags & EFLAGS_IF);
    }
  else if (r->arch == ARCH_ARM64)
    {
      r->gpr[31] = r->sp;
      r->fp = r->gpr[29];
      r->irqs_off = r->flags & PSTATE_I;
      r->cpl = (r->flags >> 2 & 3) == 0 ? 3 : 0;
    }
}

/* NAME=VALUE, or NAME =VALUE where the name is padded. */
static void
take_line (struct vcpu_regs *r, const char *line, const char *end)
{
  const char *eq = line;

  while ((eq = memchr (eq, '=', (size_t) (end - eq))))
    {
      const char *last = eq, *name;

      while (last > line && last[-1] == ' ')
        last--;
      name = last;
      while (name > line
             && ((name[-1] >= 'A' && name[-1] <= 'Z')
                 || (name[-1] >= '0' && name[-1] <= '9')))
        name--;
      eq++;
      if (name == last || last - name > 6)
        continue;
      take_x86 (r, name, (size_t) (last - name), skip_spaces (eq, end), end);
      take_arm64 (r, name, (size_t) (last - name), skip_spaces (eq, end), end);
    }
}

/* "CPU#12"; false for another line. */
static bool
is_cpu (const char *line, const char *end, unsigned *ret)
{
  unsigned n = 0;
  const char *p = line + 4;

  if (end - line < 5 || memcmp (line, "CPU#", 4) != 0)
    return false;
  for (; p < end && *p >= '0' && *p <= '9' && n < 100000; p++)
    n = n * 10 + (unsigned) (*p - '0');
  *ret = n;
  return true;
}

int
regs_parse (const char *text, size_t len, struct vcpu_regs *dst, size_t max,
            struct error *err)
{
  const char *p = text, *end = text + len;
  size_t n = 0;
  bool in = false;
  size_t kept = 0;

  while (p < end)
    {
      const char *eol = memchr (p, '\n', (size_t) (end - p));
      const char *stop = eol ? eol : end;
      unsigned index;

      if (is_cpu (p, stop, &index))
        {
          in = n < max;
          if (in)
            dst[n++] = (struct vcpu_regs){ .index = index };
        }
      else if (in)
        take_line (&dst[n - 1], p, stop);
      p = eol ? eol + 1 : end;
    }
  for (size_t i = 0; i < n; i++)
    {
      regs_finish_ (&dst[i]);
      if (dst[i].arch != ARCH_NONE)
        dst[kept++] = dst[i];
    }
  if (kept == 0)
    return error_set (err, EBADMSG,
                      "there is no CPU in what the monitor said"
                      " of its registers");
  return (int) kept;
}
