/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel says about its trace events: their names by their numbers,
 * and the members of each, from the lists by which it makes the files
 * events/.../format.
 *
 * There are thousands of events and a buffer has a few kinds of them: only
 * numbers are read beforehand.
 */
#include "kernel/memory/trace.h"

#include "kernel/memory/kernel.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FORMATS 65536u
#define MAX_FIELDS 128u
#define TYPE_MAX 64u

/* ---- all of them ---- */

struct taking
{
  struct kernel *k;
  struct trace_formats *f;
  size_t room;
  bool failed;
};

static bool
on_call (uint64_t node, void *arg)
{
  struct taking *t = arg;
  struct trace_formats *f = t->f;
  uint64_t at = node - t->k->fields.at[CALL_LIST].offset, id;

  if (!kernel_get (t->k, at, CALL_TYPE, &id) || id > UINT16_MAX)
    return true;
  if (f->n == t->room)
    {
      size_t room = t->room ? 2 * t->room : 1024;
      struct trace_format *all = reallocarray (f->all, room, sizeof *all);

      if (!all)
        {
          t->failed = true;
          return false;
        }
      f->all = all;
      t->room = room;
    }
  f->all[f->n++] = (struct trace_format){ .at = at, .id = (uint16_t) id };
  return true;
}

static int
by_id (const void *a, const void *b)
{
  const struct trace_format *x = a, *y = b;

  return x->id < y->id ? -1 : x->id > y->id;
}

int
trace_formats_read (struct kernel *k, struct trace_formats *f)
{
  struct taking t = { .k = k, .f = f };
  uint64_t head = kernel_var (k, "ftrace_events");

  *f = (struct trace_formats){ 0 };
  if (!head || !kernel_has (k, CALL_LIST) || !kernel_has (k, CALL_TYPE))
    return 0;
  f->damaged = kernel_list (k, head, MAX_FORMATS, on_call, &t) < 0;
  if (f->n > 0)
    qsort (f->all, f->n, sizeof *f->all, by_id);
  return t.failed ? -ENOMEM : 0;
}

void
trace_formats_free (struct trace_formats *f)
{
  for (size_t i = 0; i < f->n; i++)
    free (f->all[i].fields);
  free (f->all);
  *f = (struct trace_formats){ 0 };
}

/* ---- one member ---- */

/* How large one of an array of these is; 0 = not known. */
static uint8_t
size_of (const char *type, size_t len)
{
  static const struct
  {
    const char *word;
    uint8_t size;
  } words[] = {
    { "64", 8 }, { "long", 8 },  { "32", 4 }, { "int", 4 },
    { "16", 2 }, { "short", 2 }, { "8", 1 },  { "char", 1 },
  };

  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    {
      size_t n = strlen (words[i].word);

      if (len >= n && memcmp (type + len - n, words[i].word, n) == 0)
        return words[i].size;
    }
  return 0;
}

static uint8_t
kind_of_array (const char *type, const char *bracket, struct trace_field *f)
{
  size_t len = (size_t) (bracket - type);
  unsigned long n = strtoul (bracket + 1, NULL, 10);

  while (len > 0 && type[len - 1] == ' ')
    len--;
  if ((len == 4 && memcmp (type, "char", 4) == 0)
      || (len == 10 && memcmp (type, "const char", 10) == 0))
    return TRACE_TEXT;
  f->each = len > 0 && type[len - 1] == '*' ? 8 : size_of (type, len);
  if (f->each == 0 && n > 0 && f->size % n == 0 && f->size / n <= 8)
    f->each = (uint8_t) (f->size / n);
  return f->each == 2 || f->each == 4 || f->each == 8 ? TRACE_NUMBERS
                                                      : TRACE_BYTES;
}

static uint8_t
kind_of (const char *type, struct trace_field *f)
{
  const char *bracket = strchr (type, '[');

  if (bracket)
    return kind_of_array (type, bracket, f);
  if (strchr (type, '*') && f->size == 8)
    return strstr (type, "char *") && !strstr (type, "**") ? TRACE_STRING
                                                           : TRACE_POINTER;
  return f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8
             ? TRACE_NUMBER
             : TRACE_BYTES;
}

/* Its own place tells where it is: from the event's beginning, or from behind
 * that place. */
static bool
leads_away (const char **type, bool *relative)
{
  static const char absolute_word[] = "__data_loc ", word[] = "__rel_loc ";

  *relative = strncmp (*type, word, sizeof word - 1) == 0;
  if (*relative)
    *type += sizeof word - 1;
  else if (strncmp (*type, absolute_word, sizeof absolute_word - 1) == 0)
    *type += sizeof absolute_word - 1;
  else
    return false;
  return true;
}

/* It becomes the name of a member of a row: those are not escaped. */
static bool
is_word (const char *name)
{
  if (*name == '\0')
    return false;
  for (; *name; name++)
    if (!isalnum ((unsigned char) *name) && *name != '_')
      return false;
  return true;
}

static bool
read_field (struct kernel *k, uint64_t at, struct trace_field *f)
{
  uint64_t name, type_at, offset, size, is_signed;
  char text[TYPE_MAX];
  const char *type = text;

  *f = (struct trace_field){ 0 };
  if (!kernel_get (k, at, EVENT_FIELD_NAME, &name)
      || !kernel_get (k, at, EVENT_FIELD_TYPE, &type_at)
      || !kernel_get (k, at, EVENT_FIELD_OFFSET, &offset)
      || !kernel_get (k, at, EVENT_FIELD_SIZE, &size)
      || offset > UINT16_MAX || size > UINT16_MAX
      || !space_text (k->space, name, f->name, sizeof f->name)
      || !space_text (k->space, type_at, text, sizeof text)
      || !is_word (f->name))
    return false;
  f->offset = (uint32_t) offset;
  f->size = (uint32_t) size;
  f->is_signed = kernel_get (k, at, EVENT_FIELD_SIGNED, &is_signed)
                 && is_signed != 0;
  if (leads_away (&type, &f->relative) && size == 4)
    {
      f->away = kind_of (type, f);
      f->kind = TRACE_AWAY;
    }
  else
    f->kind = kind_of (type, f);
  return true;
}

/* ---- one format ---- */

struct filling
{
  struct kernel *k;
  struct trace_format *f;
  struct trace_field fields[MAX_FIELDS];
};

static bool
on_field (uint64_t node, void *arg)
{
  struct filling *g = arg;
  uint64_t at = node - g->k->fields.at[EVENT_FIELD_LINK].offset;

  if (read_field (g->k, at, &g->fields[g->f->n]))
    g->f->n++;
  return g->f->n < MAX_FIELDS;
}

/* System calls share a class: the members of each are with its own data. */
static uint64_t
list_of (struct kernel *k, const struct trace_format *f, uint64_t class)
{
  struct ksym sym;
  uint64_t fn, data;

  if (kernel_has (k, SYSCALL_FIELDS)
      && kernel_get (k, class, CLASS_GET_FIELDS, &fn) && fn
      && kernel_sym (k, fn, &sym) && strstr (sym.name, "syscall_get_enter")
      && kernel_get (k, f->at, CALL_DATA, &data) && data)
    return data + k->fields.at[SYSCALL_FIELDS].offset;
  return class + k->fields.at[CLASS_FIELDS].offset;
}

/* Those that were made from trace points have no name of their own. */
static void
read_name (struct kernel *k, struct trace_format *f)
{
  int64_t of_point = 0, custom = 0;
  uint64_t flags = 0, name;

  if (!k->btf || !btf_enum (k->btf, "TRACE_EVENT_FL_TRACEPOINT", &of_point)
      || !btf_enum (k->btf, "TRACE_EVENT_FL_CUSTOM", &custom))
    custom = 0;
  if (!kernel_get (k, f->at, CALL_FLAGS, &flags)
      || !kernel_get (k, f->at, CALL_NAME, &name)
      || ((flags & (uint64_t) of_point) && !(flags & (uint64_t) custom)
          && !kernel_get (k, name, TRACEPOINT_NAME, &name))
      || !space_text (k->space, name, f->name, sizeof f->name))
    f->name[0] = '\0';
}

static void
load (struct kernel *k, struct trace_format *f)
{
  struct filling g = { .k = k, .f = f };
  uint64_t class, system;

  f->loaded = true;
  read_name (k, f);
  if (!kernel_get (k, f->at, CALL_CLASS, &class))
    return;
  if (!kernel_get (k, class, CLASS_SYSTEM, &system)
      || !space_text (k->space, system, f->system, sizeof f->system))
    f->system[0] = '\0';
  if (!kernel_has (k, EVENT_FIELD_LINK) || !kernel_has (k, CLASS_FIELDS))
    return;
  (void) kernel_list (k, list_of (k, f, class), MAX_FIELDS, on_field, &g);
  f->fields = f->n ? calloc (f->n, sizeof *f->fields) : NULL;
  if (!f->fields)
    f->n = 0;
  /* The kernel puts each before those that it had. */
  for (unsigned i = 0; i < f->n; i++)
    f->fields[i] = g.fields[f->n - 1 - i];
}

const struct trace_format *
trace_format_of (struct kernel *k, struct trace_formats *f, uint16_t id)
{
  struct trace_format key = { .id = id }, *found;

  found = f->n > 0 ? bsearch (&key, f->all, f->n, sizeof key, by_id) : NULL;
  if (found && !found->loaded)
    load (k, found);
  return found;
}
