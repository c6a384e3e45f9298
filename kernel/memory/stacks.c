/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks in rows, each said once.
 */
#include "kernel/memory/stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STACKS 65536u

struct seen
{
  uint64_t hash;
  unsigned number;
};

struct stacks
{
  struct seen *slots;
  size_t nslots;
  unsigned n;
};

struct stacks *
stacks_new (void)
{
  return calloc (1, sizeof (struct stacks));
}

void
stacks_free (struct stacks *s)
{
  if (!s)
    return;
  free (s->slots);
  free (s);
}

/* Two different ones with one number would be a lie, at one in 2^64. */
static uint64_t
hash_of (const struct stack *s)
{
  uint64_t h = UINT64_C (0xcbf29ce484222325) + s->end;

  for (unsigned i = 0; i < s->n; i++)
    {
      h = (h ^ s->frames[i].pc) * UINT64_C (0x9e3779b97f4a7c15);
      h = (h ^ (h >> 29)) + s->frames[i].guess + 2 * s->frames[i].interrupt;
    }
  return h ? h : 1;
}

static bool
grow (struct stacks *s)
{
  size_t n = s->nslots ? 2 * s->nslots : 256, at;
  struct seen *slots = calloc (n, sizeof *slots);

  if (!slots)
    return false;
  for (size_t i = 0; i < s->nslots; i++)
    if (s->slots[i].hash)
      {
        for (at = s->slots[i].hash & (n - 1); slots[at].hash;
             at = (at + 1) & (n - 1))
          ;
        slots[at] = s->slots[i];
      }
  free (s->slots);
  s->slots = slots;
  s->nslots = n;
  return true;
}

/* The number it has; *ret_new: it had none. */
static unsigned
number_of (struct stacks *s, uint64_t hash, bool *ret_new)
{
  size_t at;

  *ret_new = false;
  if (2 * (s->n + 1) > s->nslots && (s->n >= MAX_STACKS || !grow (s)))
    return 0;
  for (at = hash & (s->nslots - 1); s->slots[at].hash;
       at = (at + 1) & (s->nslots - 1))
    if (s->slots[at].hash == hash)
      return s->slots[at].number;
  s->slots[at] = (struct seen){ hash, ++s->n };
  *ret_new = true;
  return s->n;
}

/* Of a return address the call before it is meant, which may be the last thing
 * of its function; the distance is said as the kernel says it. */
static void
say_frame (struct look *l, const struct frame *f)
{
  struct ksym sym;
  char text[700];
  uint64_t pc = f->exact ? f->pc : f->pc - 1;

  if (!kernel_sym (l->k, pc, &sym))
    {
      snprintf (text, sizeof text, "0x%llx", (unsigned long long) f->pc);
      rows_str (l->rows, NULL, text);
      return;
    }
  if (sym.size)
    snprintf (text, sizeof text, "%s%s+0x%llx/0x%llx", f->guess ? "? " : "",
              sym.name, (unsigned long long) (f->pc - sym.start),
              (unsigned long long) sym.size);
  else
    snprintf (text, sizeof text, "%s%s+0x%llx", f->guess ? "? " : "",
              sym.name, (unsigned long long) (f->pc - sym.start));
  if (sym.module)
    {
      size_t n = strlen (text);

      snprintf (text + n, sizeof text - n, " [%s]", sym.module);
    }
  rows_str (l->rows, NULL, text);
}

static const char *
end_name (enum unwind_end end)
{
  static const char *const names[]
      = { [END_USER] = "user", [END_THREAD] = "thread", [END_CUT] = "cut",
          [END_LOST] = "lost" };

  return names[end];
}

unsigned
stacks_say (struct look *l, const struct stack *s)
{
  unsigned number;
  bool fresh;

  if (!l->stacks || s->n == 0
      || (number = number_of (l->stacks, hash_of (s), &fresh)) == 0)
    return 0;
  if (!fresh)
    return number;
  rows_begin (l->rows, "stack");
  rows_uint (l->rows, "id", number);
  rows_array (l->rows, "frames");
  for (unsigned i = 0; i < s->n; i++)
    {
      if (s->frames[i].interrupt)
        rows_str (l->rows, NULL, "<interrupt>");
      say_frame (l, &s->frames[i]);
    }
  rows_array_end (l->rows);
  rows_str (l->rows, "end", end_name (s->end));
  rows_end (l->rows);
  return number;
}

void
stacks_user (struct look *l, const struct stack *s)
{
  if (s->user_pc)
    rows_hex (l->rows, "user_pc", s->user_pc);
  if (s->nr == UINT64_MAX)
    return;
  rows_uint (l->rows, "syscall", s->nr);
  rows_array (l->rows, "args");
  for (unsigned i = 0; i < 6; i++)
    rows_hex (l->rows, NULL, s->args[i]);
  rows_array_end (l->rows);
}
