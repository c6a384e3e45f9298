/* SPDX-License-Identifier: Apache-2.0
 *
 * What a trace event says, in members of a row.
 *
 * Of most events each member by its own name, as the kernel describes it.  A
 * few of the kernel's own have no description that would do: functions, what
 * was printed, stacks.
 */
#include "kernel/memory/trace.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/look.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096u
#define NUMBERS_MAX 64u
#define BYTES_MAX 64u
#define FRAMES_MAX 64u
#define STRING_MAX 256u

struct saying
{
  struct look *l;
  const struct trace_format *f;
  const uint8_t *event;
  uint32_t len;
};

static uint64_t
number (const struct saying *s, uint32_t at, uint32_t size)
{
  uint64_t v = 0;

  if (size <= sizeof v && at <= s->len && size <= s->len - at)
    memcpy (&v, s->event + at, size);
  return v;
}

static const struct trace_field *
field_of (const struct saying *s, const char *name)
{
  for (unsigned i = 0; i < s->f->n; i++)
    if (strcmp (s->f->fields[i].name, name) == 0)
      return &s->f->fields[i];
  return NULL;
}

/* A member of eight bytes, or fewer; false: it has no such member. */
static bool
member (const struct saying *s, const char *name, uint64_t *ret)
{
  const struct trace_field *f = field_of (s, name);

  if (!f || f->size == 0 || f->size > 8 || f->offset > s->len
      || f->size > s->len - f->offset)
    return false;
  *ret = number (s, f->offset, f->size);
  return true;
}

/* ---- members in general ---- */

/* Code is said by its name. */
static void
say_address (const struct saying *s, const char *name, uint64_t v)
{
  struct kernel *k = s->l->k;
  char text[700];

  if (k->syms && ksyms_is_text (k->syms, v))
    {
      kernel_name_of (k, v, text, sizeof text);
      rows_text (s->l->rows, name, text, strlen (text));
    }
  else
    rows_hex (s->l->rows, name, v);
}

static void
say_number (const struct saying *s, const char *name,
            const struct trace_field *f, uint32_t at, uint32_t size)
{
  uint64_t v = number (s, at, size), sign = UINT64_C (1) << (size * 8 - 1);

  if (f->is_signed)
    rows_int (s->l->rows, name, (int64_t) ((v ^ sign) - sign));
  else if (size == 8 && space_is_kernel (s->l->k->space, v) && v >> 32)
    say_address (s, name, v);
  else
    rows_uint (s->l->rows, name, v);
}

/* Only of what does not change: others may be something else by now. */
static void
say_string (const struct saying *s, const char *name, uint64_t v)
{
  struct kernel *k = s->l->k;
  char text[STRING_MAX];

  if ((v - k->image.va < k->image.len || kernel_module_of (k, v))
      && space_text (k->space, v, text, sizeof text))
    rows_text (s->l->rows, name, text, strlen (text));
  else
    say_address (s, name, v);
}

static void
say_bytes (const struct saying *s, const char *name, uint32_t at,
           uint32_t size)
{
  char text[2 * BYTES_MAX + 4];
  size_t n = 0;

  for (uint32_t i = 0; i < size && i < BYTES_MAX; i++)
    n += (size_t) snprintf (text + n, sizeof text - n, "%02x",
                            s->event[at + i]);
  snprintf (text + n, sizeof text - n, "%s", size > BYTES_MAX ? "..." : "");
  rows_str (s->l->rows, name, text);
}

static void
say_value (const struct saying *s, const struct trace_field *f,
           enum trace_kind kind, uint32_t at, uint32_t size)
{
  const char *text = (const char *) s->event + at;

  if (at > s->len)
    return;
  /* Those without a size go on to the end of the event. */
  if (size > s->len - at || (size == 0 && f->kind != TRACE_AWAY))
    size = s->len - at;
  switch (kind)
    {
    case TRACE_NUMBER:
      if (size == f->size)
        say_number (s, f->name, f, at, size);
      break;
    case TRACE_POINTER:
      say_address (s, f->name, number (s, at, size));
      break;
    case TRACE_STRING:
      say_string (s, f->name, number (s, at, size));
      break;
    case TRACE_TEXT:
      rows_text (s->l->rows, f->name, text, strnlen (text, size));
      break;
    case TRACE_NUMBERS:
      rows_array (s->l->rows, f->name);
      for (uint32_t i = 0; i < size / f->each && i < NUMBERS_MAX; i++)
        say_number (s, NULL, f, at + i * f->each, f->each);
      rows_array_end (s->l->rows);
      break;
    default:
      say_bytes (s, f->name, at, size);
    }
}

static void
say_field (const struct saying *s, const struct trace_field *f)
{
  uint32_t at;

  if (f->kind != TRACE_AWAY)
    {
      say_value (s, f, f->kind, f->offset, f->size);
      return;
    }
  at = (uint32_t) number (s, f->offset, 4);
  say_value (s, f, f->away,
             (at & 0xffff) + (f->relative ? f->offset + 4 : 0), at >> 16);
}

/* ---- the kernel's own ---- */

static void
name_only (struct kernel *k, uint64_t va, char *dst, size_t size)
{
  struct ksym sym;

  if (!kernel_sym (k, va, &sym))
    snprintf (dst, size, "0x%" PRIx64, va);
  else if (sym.module)
    snprintf (dst, size, "%.400s [%.60s]", sym.name, sym.module);
  else
    snprintf (dst, size, "%.400s", sym.name);
}

/* As the tracer says it. */
static bool
say_function (const struct saying *s)
{
  char callee[512], caller[512], text[1100];
  uint64_t ip, parent;

  if (!member (s, "ip", &ip) || !member (s, "parent_ip", &parent))
    return false;
  name_only (s->l->k, ip, callee, sizeof callee);
  name_only (s->l->k, parent, caller, sizeof caller);
  snprintf (text, sizeof text, "%s <-%s", callee, caller);
  rows_text (s->l->rows, "text", text, strlen (text));
  return true;
}

static void
say_text (const struct saying *s, const char *text, size_t len)
{
  char where[512];
  uint64_t ip;

  if (member (s, "ip", &ip))
    {
      name_only (s->l->k, ip, where, sizeof where);
      rows_text (s->l->rows, "by", where, strlen (where));
    }
  while (len > 0 && text[len - 1] == '\n')
    len--;
  rows_text (s->l->rows, "text", text, len);
}

static bool
say_printed (const struct saying *s)
{
  const struct trace_field *f = field_of (s, "buf");
  const char *text;

  if (!f || f->offset > s->len)
    return false;
  text = (const char *) s->event + f->offset;
  say_text (s, text, strnlen (text, s->len - f->offset));
  return true;
}

/* The text is where the kernel's own texts are. */
static bool
say_put (const struct saying *s)
{
  char text[TEXT_MAX];
  uint64_t at;

  if (!member (s, "str", &at)
      || !space_text (s->l->k->space, at, text, sizeof text))
    return false;
  say_text (s, text, strlen (text));
  return true;
}

static bool
say_format (const struct saying *s)
{
  const struct trace_field *words = field_of (s, "buf");
  char fmt[TEXT_MAX / 4], text[TEXT_MAX];
  uint64_t at;
  size_t len;

  if (!words || words->offset > s->len || !member (s, "fmt", &at)
      || !space_text (s->l->k->space, at, fmt, sizeof fmt))
    return false;
  len = trace_print (s->l->k, fmt, s->event + words->offset,
                     s->len - words->offset, text, sizeof text);
  say_text (s, text, len);
  return true;
}

static bool
say_stack (const struct saying *s)
{
  const struct trace_field *f = field_of (s, "caller");
  uint64_t n, va;
  char text[700];

  if (!f || f->offset > s->len || !member (s, "size", &n))
    return false;
  rows_array (s->l->rows, "frames");
  for (uint32_t i = 0; i < n && i < FRAMES_MAX
                       && f->offset + 8 * (i + 1) <= s->len;
       i++)
    {
      va = number (s, f->offset + 8 * i, 8);
      if (va == UINT64_MAX)
        break;
      kernel_name_of (s->l->k, va, text, sizeof text);
      rows_text (s->l->rows, NULL, text, strlen (text));
    }
  rows_array_end (s->l->rows);
  return true;
}

static const struct
{
  const char *name;
  bool (*say) (const struct saying *s);
} own[] = {
  { "function", say_function }, { "print", say_printed },
  { "bprint", say_format },     { "bputs", say_put },
  { "kernel_stack", say_stack },
};

static bool
say_own (const struct saying *s)
{
  if (strcmp (s->f->system, "ftrace") != 0)
    return false;
  for (size_t i = 0; i < ARRAY_LEN (own); i++)
    if (strcmp (own[i].name, s->f->name) == 0)
      return own[i].say (s);
  return false;
}

void
trace_say_event (struct look *l, const struct trace_format *f, uint16_t id,
                 const uint8_t *event, uint32_t len)
{
  const struct saying s = { .l = l, .f = f, .event = event, .len = len };

  if (!f || f->name[0] == '\0')
    {
      rows_uint (l->rows, "type", id);
      return;
    }
  rows_text (l->rows, "event", f->name, strlen (f->name));
  if (f->system[0])
    rows_text (l->rows, "system", f->system, strlen (f->system));
  if (say_own (&s) || f->n == 0)
    return;
  rows_object (l->rows, "fields");
  for (unsigned i = 0; i < f->n; i++)
    say_field (&s, &f->fields[i]);
  rows_object_end (l->rows);
}
