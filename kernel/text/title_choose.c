/* SPDX-License-Identifier: Apache-2.0
 *
 * Which function a report is named after.  See titles.h.
 *
 * The top of a stack is seldom whose fault it is: allocators, locks and the
 * code that prints the report stand above.  And where something loops or
 * waits, the top is another one each time: there the function is taken that
 * everybody who comes this way has in common.
 */
#include "kernel/text/titles.h"

#include "base/cleanup.h"
#include "kernel/text/skips.h"
#include "kernel/wait.h"

#include <stdio.h>
#include <string.h>

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

/* "*end", "*middle*". */
static bool
inner_fits (const char *pat, const char *func)
{
  size_t n = strlen (pat), len = strlen (func);

  if (n > 2 && pat[n - 1] == '*')
    return memmem (func, len, pat + 1, n - 2) != NULL;
  return len >= n - 1 && strcmp (func + len - (n - 1), pat + 1) == 0;
}

/* Each frame is compared with hundreds of them: one walk, no lengths. */
static bool
pattern_fits (const char *pat, const char *func)
{
  if (*pat == '*')
    return inner_fits (pat, func);
  while (*pat && *pat == *func)
    {
      pat++;
      func++;
    }
  return (*pat == '*' && !pat[1]) || (!*pat && !*func);
}

/* By what a list is sorted. */
static unsigned
key_of (const char *s)
{
  unsigned key = (unsigned) (unsigned char) s[0] << 16;

  if (s[0] && s[1])
    key |= (unsigned) (unsigned char) s[1] << 8 | (unsigned char) s[2];
  return key;
}

bool
title_skips (const struct skip_list *list, const char *func)
{
  unsigned from = 0, to, key = key_of (func);

  if (!list)
    return false;
  for (; from < list->n && *list->names[from] == '*'; from++)
    if (inner_fits (list->names[from], func))
      return true;
  for (to = list->n; from < to;)
    {
      unsigned middle = from + (to - from) / 2;

      if (key_of (list->names[middle]) < key)
        from = middle + 1;
      else
        to = middle;
    }
  for (; from < list->n && key_of (list->names[from]) == key; from++)
    if (pattern_fits (list->names[from], func))
      return true;
  return false;
}

static const char *
bucket_of (const struct skip_bucket *b, const char *func)
{
  for (; b->pattern; b++)
    if (pattern_fits (b->pattern, func))
      return b->name;
  return NULL;
}

bool
title_says_nothing (const struct report *r, const char *func)
{
  return title_skips (&skip_tools, func) || title_skips (&skip_printing, func)
         || title_skips (r->recipe->skip, func);
}

/* What an inlined function is, only a symbolizer knows: a title with its name
 * would not be the one that others have. */
static bool
is_loose (const struct text_frame *f)
{
  return f->guess || (!f->size && !f->offset && f->where[0]);
}

static void
put (char *dst, size_t n, const char *s)
{
  size_t len = strlen (s);

  if (len >= n)
    len = n - 1;
  memcpy (dst, s, len);
  dst[len] = '\0';
}

/* ---- faults, warnings, traces ---- */

/* The first that says something of the frames from item i on, within one
 * stack: frames of earlier times are another story. */
static bool
choose_from (const struct report *r, unsigned i, char *dst, size_t n)
{
  bool traced = false, old = false;

  for (; i < r->nitems; i++)
    {
      const struct report_item *it = &r->items[i];

      switch (it->kind)
        {
        case ITEM_SECTION:
          old = true;
          break;
        case ITEM_TRACE:
          old = false;
          break;
        case ITEM_CPU:
        case ITEM_TASK:
          if (traced)
            return false;
          break;
        case ITEM_CALL:
        case ITEM_IP:
          if (is_loose (&it->frame) || old)
            break;
          traced = true;
          if (!title_says_nothing (r, it->frame.func))
            {
              put (dst, n, it->frame.func);
              return true;
            }
          break;
        default:
          break;
        }
    }
  return false;
}

static unsigned
first_of (const struct report *r, enum item_kind kind)
{
  unsigned i;

  for (i = 0; i < r->nitems; i++)
    if (r->items[i].kind == kind)
      return i;
  return r->nitems;
}

/* From where the CPU was; if that was no function, from who called it. */
static bool
choose_oops (const struct report *r, char *dst, size_t n)
{
  unsigned ip = first_of (r, ITEM_IP), trace = first_of (r, ITEM_TRACE);
  unsigned from = ip < trace ? ip : trace;

  return choose_from (r, from < r->nitems ? from : 0, dst, n);
}

/* Names before the stack are of locks and of places passed long ago.  Where
 * no line says that it begins, it begins with who printed it. */
static bool
choose_trace (const struct report *r, char *dst, size_t n)
{
  static const char *const names[]
      = { "dump_backtrace*", "dump_stack*", "show_stack*", "show_trace*",
          "unwind_backtrace" };
  static const struct skip_list printers = { names, ARRAY_LEN (names) };
  unsigned i = first_of (r, ITEM_TRACE);

  if (i == r->nitems)
    for (i = 0; i < r->nitems; i++)
      if (r->items[i].kind == ITEM_CALL
          && title_skips (&printers, r->items[i].frame.func))
        break;
  if (i == r->nitems && r->ncalls < 2)
    return false;
  return choose_from (r, i < r->nitems ? i : 0, dst, n);
}

/* Behind the frames of a warning's own code. */
static bool
choose_caller (const struct report *r, const char *func, char *dst, size_t n)
{
  unsigned i;

  for (i = 0; i < r->nitems; i++)
    if ((r->items[i].kind == ITEM_CALL || r->items[i].kind == ITEM_IP)
        && !r->items[i].frame.guess
        && strcmp (r->items[i].frame.func, func) == 0)
      return choose_from (r, i + 1, dst, n);
  return choose_from (r, 0, dst, n);
}

/* Not an address. */
static bool
is_function (const char *s)
{
  size_t len = strlen (s);

  if (!len || is_digit (*s))
    return false;
  return len < 8 || strspn (s, "0123456789abcdef") < len;
}

static bool
choose_head (const struct report *r, char *dst, size_t n)
{
  char caller[TEXT_FUNC_MAX];

  if (!is_function (r->head_func) || title_says_nothing (r, r->head_func))
    return false;
  if ((r->recipe->flags & RECIPE_WARN)
      && title_skips (&blames_caller, r->head_func))
    {
      unsigned i;

      for (i = 0; i < r->nitems; i++)
        if ((r->items[i].kind == ITEM_CALL || r->items[i].kind == ITEM_IP)
            && !r->items[i].frame.guess
            && strcmp (r->items[i].frame.func, r->head_func) == 0)
          break;
      for (; i < r->nitems; i++)
        if (r->items[i].kind == ITEM_CALL && !r->items[i].frame.guess
            && strcmp (r->items[i].frame.func, r->head_func) != 0)
          break;
      if (!choose_from (r, i, caller, sizeof caller))
        put (caller, sizeof caller, TITLE_NO_FUNC);
      (void) snprintf (dst, n, "%.60s/%.30s", caller, r->head_func);
      return true;
    }
  put (dst, n, r->head_func);
  return true;
}

/* ---- stalls ---- */

struct stall
{
  const char *prev; /* the frame above */
  const char *top;  /* the first that says something */
  bool tick;        /* within the interrupt that noticed it */
  bool helper;      /* the stack of the starved kthread */
};

/* One frame.  True = *ret is the one. */
static bool
stall_frame (struct stall *s, const struct report *r, const char *func,
             const char **ret)
{
  if (title_skips (&skip_tick, func))
    s->tick = true;
  if (s->tick)
    {
      if (title_skips (&tick_entries, func))
        {
          s->tick = false;
          s->prev = NULL;
        }
      return false;
    }
  if (bucket_of (stall_buckets, func) || title_skips (&stall_selves, func))
    {
      bool self = !s->prev || !title_skips (&stall_anchors, func);

      *ret = self ? func : s->prev;
      return true;
    }
  if (title_skips (&stall_anchors, func))
    {
      if (s->prev)
        {
          *ret = s->prev;
          return true;
        }
      return false;
    }
  if (!title_says_nothing (r, func) && !title_skips (&tick_entries, func))
    {
      s->prev = func;
      if (!s->top)
        s->top = func;
    }
  return false;
}

static bool
choose_stall (const struct report *r, char *dst, size_t n)
{
  struct stall s = { NULL, NULL, false, false };
  const char *found = NULL;
  unsigned i;

  for (i = 0; i < r->nitems && !found; i++)
    {
      const struct report_item *it = &r->items[i];

      switch (it->kind)
        {
        case ITEM_KTHREAD:
          s.helper = true;
          break;
        case ITEM_CPU:
          s.helper = s.tick = false;
          s.prev = NULL;
          break;
        case ITEM_TASK:
          /* The helper's own line comes right behind its mark. */
          if (i && r->items[i - 1].kind != ITEM_KTHREAD)
            s.helper = false;
          s.tick = false;
          s.prev = NULL;
          break;
        case ITEM_IRQ_END:
          if (s.tick)
            s.prev = NULL;
          s.tick = false;
          break;
        case ITEM_IP:
          s.tick = false;
          s.prev = NULL;
          if (!s.helper)
            (void) stall_frame (&s, r, it->frame.func, &found);
          break;
        case ITEM_CALL:
          if (!s.helper && !is_loose (&it->frame))
            (void) stall_frame (&s, r, it->frame.func, &found);
          break;
        default:
          break;
        }
    }
  if (!found)
    return false;
  put (dst, n, found);
  return true;
}

bool
title_blames_nobody (const struct report *r)
{
  bool helper = false, helped = false, user = false;
  unsigned i, frames = 0, helped_frames = 0;

  for (i = 0; i < r->nitems; i++)
    switch (r->items[i].kind)
      {
      case ITEM_USER:
        user = true;
        break;
      case ITEM_KTHREAD:
        helper = helped = true;
        break;
      case ITEM_CPU:
        helper = false;
        break;
      case ITEM_TASK:
        helper = i && r->items[i - 1].kind == ITEM_KTHREAD;
        break;
      case ITEM_CALL:
      case ITEM_IP:
        if (helper)
          helped_frames++;
        frames += !helper && !is_loose (&r->items[i].frame)
                  && !title_skips (&skip_tick, r->items[i].frame.func)
                  && !title_skips (&tick_entries, r->items[i].frame.func)
                  && !title_skips (&stack_bottoms, r->items[i].frame.func)
                  && !title_says_nothing (r, r->items[i].frame.func)
                  && strncmp (r->items[i].frame.func, "hrtimer", 7) != 0
                  && strncmp (r->items[i].frame.func, "__hrtimer", 9) != 0;
        break;
      default:
        break;
      }
  return frames == 0
         && (user || r->cpu_idle
             || (helped && (r->has_trace || helped_frames > 0)));
}

/* ---- hung tasks ---- */

const char *
title_wait_class (const struct report *r)
{
  static const char *const classes[WAIT_MAX]
      = { NULL, "storage-stalled", "lock-deadlock" };
  const char *class = NULL;
  unsigned i;

  for (i = 0; i < r->nitems && !class; i++)
    if (r->items[i].kind == ITEM_CALL && !is_loose (&r->items[i].frame))
      class = classes[wait_for (r->items[i].frame.func)];
  /* Nothing but a lock has a holder. */
  return class ? class : r->e.other[0] ? "lock-deadlock" : "";
}

static bool
choose_hung (const struct report *r, char *dst, size_t n, const char **bucket)
{
  const char *func = NULL, *named = NULL;
  unsigned i;
  bool traced = false;

  for (i = 0; i < r->nitems; i++)
    {
      const struct report_item *it = &r->items[i];

      if ((it->kind == ITEM_TRACE || it->kind == ITEM_TASK) && traced)
        break;
      if (it->kind != ITEM_CALL || is_loose (&it->frame))
        continue;
      traced = true;
      *bucket = bucket_of (hung_buckets, it->frame.func);
      if (*bucket)
        {
          named = it->frame.func;
          break;
        }
      if (!func && !title_skips (&skip_waiting, it->frame.func))
        func = it->frame.func;
    }
  if (!named && !func)
    return false;
  put (dst, n, named ? named : func);
  return true;
}

bool
title_choose (const struct report *r, char *dst, size_t n, char *ret_generic,
              size_t ngeneric)
{
  unsigned flags = r->recipe->flags;
  char func[TEXT_FUNC_MAX] = "", generic[TEXT_FUNC_MAX] = "";
  const char *bucket = NULL;
  bool found;

  if (flags & RECIPE_LINE)
    {
      put (func, sizeof func, r->head_func);
      found = func[0] != '\0';
    }
  else if (flags & RECIPE_STALL)
    {
      found = choose_stall (r, func, sizeof func);
      bucket = found ? bucket_of (stall_buckets, func) : NULL;
    }
  else if ((flags & RECIPE_ANCHOR) && choose_stall (r, func, sizeof func))
    found = true;
  else if (flags & RECIPE_HUNG)
    found = choose_hung (r, func, sizeof func, &bucket);
  else
    {
      found = (flags & RECIPE_HEAD) && choose_head (r, func, sizeof func);
      if (found && (flags & RECIPE_WARN) && !strchr (func, '/')
          && !choose_from (r, 0, generic, sizeof generic))
        return false; /* the stack that must follow did not: cut off */
      if (!found && (flags & RECIPE_WARN) && r->head_func[0])
        found = choose_caller (r, r->head_func, func, sizeof func);
      else if (!found && (flags & RECIPE_IP))
        found = choose_oops (r, func, sizeof func);
      else if (!found)
        found = choose_trace (r, func, sizeof func);
    }
  /* A tool that is to blame itself is better than nobody. */
  if (!found && (flags & RECIPE_HEAD) && !(flags & RECIPE_WARN)
      && is_function (r->head_func))
    {
      put (func, sizeof func, r->head_func);
      found = true;
    }
  if (!found)
    return false;
  if (bucket)
    put (generic, sizeof generic, bucket);
  else
    frame_generic_syscall (func, generic, sizeof generic);
  if (strcmp (generic, func) == 0)
    generic[0] = '\0';
  put (dst, n, func);
  put (ret_generic, ngeneric, generic);
  return true;
}
