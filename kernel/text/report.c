/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports, line by line.  See report.h.
 */
#include "kernel/text/report.h"

#include "kernel/text/report_impl.h"
#include "kernel/text/skips.h"
#include "kernel/text/titles.h"

#include "base/cleanup.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_FIRST 32

void
span_put (char *dst, size_t n, const char *s, size_t len)
{
  if (len >= n)
    len = n - 1;
  memcpy (dst, s, len);
  dst[len] = '\0';
}

bool
span_begins (const char *s, size_t len, const char *word)
{
  size_t n = strlen (word);

  return len >= n && memcmp (s, word, n) == 0;
}

const char *
span_find (const char *s, size_t len, const char *word)
{
  return memmem (s, len, word, strlen (word));
}

/* The spans point into a line that is gone when the title is made: they are
 * set anew, into the copy of its head. */
static void
keep_match (struct report *r, const struct rule_match *m,
            const struct text_msg *msg)
{
  size_t i, len = msg->len < sizeof r->head ? msg->len : sizeof r->head - 1;
  struct rule_span *s;

  span_put (r->head, sizeof r->head, msg->text, msg->len);
  r->match = *m;
  for (i = 0; i <= ARRAY_LEN (m->group); i++)
    {
      s = i < ARRAY_LEN (m->group) ? &r->match.group[i] : &r->match.whole;
      if (!s->text)
        continue;
      if (s->text < msg->text || s->text + s->len > msg->text + len)
        {
          s->text = NULL;
          s->len = 0;
        }
      else
        s->text = r->head + (s->text - msg->text);
    }
}

struct report *
report_new (const struct rule_match *m, const struct text_msg *msg)
{
  struct report *r = malloc (sizeof *r);
  struct rule_span func;
  struct text_frame f;

  if (!r)
    return NULL;
  /* Most of it is frames, of which there are none yet. */
  memset (r, 0, offsetof (struct report, e.frames));
  memset (&r->e.nregs, 0,
          sizeof *r - offsetof (struct report, e.nregs));
  r->recipe = recipe_find (m->rule->report);
  keep_match (r, m, msg);
  r->callers[0].caller = msg->caller;
  r->callers[0].id = msg->caller == CALLER_NONE ? 0 : msg->caller_id;
  r->ncallers = 1;
  r->e.pid = r->e.cpu = -1;
  r->e.seconds = -1;
  r->e.stamp_us = msg->stamped ? (int64_t) msg->stamp_us : -1;
  rule_fill (m, &r->e);
  func = rule_member (m, MEMBER_FUNC);
  if (func.text && func.len)
    {
      if (frame_parse (func.text, func.len, &f) == FRAME_CALL)
        memcpy (r->head_func, f.func, sizeof r->head_func);
      else
        {
          const char *dot = memchr (func.text, '.', func.len);

          span_put (r->head_func, sizeof r->head_func, func.text,
                    dot ? (size_t) (dot - func.text) : func.len);
        }
    }
  if (msg->caller == CALLER_CPU && r->e.cpu < 0
      && !(r->recipe->flags & (RECIPE_LINE | RECIPE_STALL)))
    r->e.cpu = (int) msg->caller_id;
  r->victim = (r->recipe->flags & RECIPE_OOM) && report_tells_victim (m);
  r->stamped = msg->stamped;
  r->last_us = msg->stamped ? msg->stamp_us : 0;
  r->e.first_line = r->e.last_line = msg->line->number;
  r->e.first_at = msg->line->at;
  r->e.end_at = msg->line->at + msg->line->raw_len;
  r->e.first_ms = msg->line->first_ms;
  r->e.last_ms = msg->line->last_ms;
  return r;
}

void
report_free (struct report *r)
{
  if (!r)
    return;
  free (r->items);
  free (r);
}

size_t
report_size (const struct report *r)
{
  return sizeof *r + r->capacity * sizeof *r->items;
}

bool
report_has_caller (const struct report *r, const struct text_msg *msg)
{
  unsigned i;

  for (i = 0; i < r->ncallers; i++)
    if (r->callers[i].caller == msg->caller
        && (msg->caller == CALLER_NONE || r->callers[i].id == msg->caller_id))
      return true;
  return false;
}

void
report_add_caller (struct report *r, const struct text_msg *msg)
{
  if (r->ncallers == REPORT_CALLERS_MAX)
    return;
  r->callers[r->ncallers].caller = msg->caller;
  r->callers[r->ncallers].id = msg->caller_id;
  r->ncallers++;
}

bool
report_absorbs (const struct report *r, const struct text_rule *rule)
{
  const char *const *k;

  /* Behind its stack, the same words begin something new. */
  if (r->ncalls || r->lines > 24 || !r->recipe->absorbs)
    return false;
  for (k = r->recipe->absorbs; *k; k++)
    if (strcmp (*k, rule->kind) == 0)
      return true;
  return false;
}

/* Of a stack that is too long (they overflow by recursion) the beginning and
 * the end are kept. */
static void
drop_middle (struct report *r)
{
  unsigned keep = REPORT_ITEMS_MAX / 2, drop = REPORT_ITEMS_MAX / 4;

  memmove (&r->items[keep], &r->items[keep + drop],
           (REPORT_ITEMS_MAX - keep - drop) * sizeof *r->items);
  r->nitems -= drop;
  r->lost_items += drop;
}

static struct report_item *
add_item (struct report *r, enum item_kind kind)
{
  struct report_item *it;

  if (r->nitems == REPORT_ITEMS_MAX)
    drop_middle (r);
  if (r->nitems == r->capacity)
    {
      unsigned n = r->capacity ? r->capacity * 2 : ITEMS_FIRST;

      if (n > REPORT_ITEMS_MAX)
        n = REPORT_ITEMS_MAX;
      it = n > r->capacity ? realloc (r->items, n * sizeof *it) : NULL;
      if (!it)
        {
          r->lost_items++;
          return NULL;
        }
      r->items = it;
      r->capacity = n;
    }
  it = &r->items[r->nitems++];
  it->kind = kind;
  return it;
}

void
report_mark (struct report *r, enum item_kind kind)
{
  struct report_item *it = add_item (r, kind);

  if (it)
    memset (&it->frame, 0, sizeof it->frame);
}

void
report_nested (struct report *r)
{
  report_mark (r, ITEM_NESTED);
}

static void
add_frame (struct report *r, enum item_kind kind, const struct text_frame *f)
{
  struct report_item *it = add_item (r, kind);

  if (it)
    it->frame = *f;
  r->in_stack = kind == ITEM_CALL && !title_skips (&stack_bottoms, f->func);
  if (kind == ITEM_CALL && !f->guess)
    r->ncalls++;
}

/* " <IRQ>  [<ffffffff81234567>] f+0x1/0x2": the stack's name may stand on the
 * frame's own line. */
static void
eat_stack_name (struct report *r, const char **s, size_t *len)
{
  static const char *const names[]
      = { "<IRQ>", "<NMI>", "<SOFTIRQ>", "<#DF>", "<#PF>", "<#DB>", "<#MC>",
          "<ENTRY_TRAMPOLINE>", NULL };
  static const char *const ends[]
      = { "</IRQ>", "</NMI>", "<EOI>", "<<EOE>>", "</SOFTIRQ>", "</#DF>",
          "</#PF>", "</#DB>", "</#MC>", "</ENTRY_TRAMPOLINE>", NULL };
  static const char *const tasks[] = { "<TASK>", "</TASK>", NULL };
  const char *const *lists[] = { names, ends, tasks };
  const enum item_kind kinds[] = { ITEM_IRQ, ITEM_IRQ_END, ITEM_IRQ_END };
  size_t i;
  const char *const *n;

  if (!*len || **s != '<')
    return;
  for (i = 0; i < ARRAY_LEN (lists); i++)
    for (n = lists[i]; *n; n++)
      if (span_begins (*s, *len, *n))
        {
          *s += strlen (*n);
          *len -= strlen (*n);
          while (*len && (**s == ' ' || **s == '\t'))
            {
              ++*s;
              --*len;
            }
          if (i < 2)
            report_mark (r, kinds[i]);
          return;
        }
}

/* A frame or a mark.  False = something else. */
static bool
take_stack (struct report *r, const char *s, size_t len)
{
  struct text_frame f;

  eat_stack_name (r, &s, &len);
  if (!len)
    return true;
  switch (frame_parse (s, len, &f))
    {
    case FRAME_CALL:
      if (r->place_next && !r->head_func[0])
        memcpy (r->head_func, f.func, sizeof r->head_func);
      r->place_next = false;
      if (r->safe_next && !f.guess && !title_skips (&skip_tools, f.func)
          && !title_skips (&skip_printing, f.func))
        {
          memcpy (r->head_func, f.func, sizeof r->head_func);
          r->safe_next = false;
        }
      add_frame (r, ITEM_CALL, &f);
      return true;
    case FRAME_IP:
      if (!r->e.rip[0])
        memcpy (r->e.rip, f.func, sizeof r->e.rip);
      add_frame (r, ITEM_IP, &f);
      return true;
    case FRAME_LR:
      add_frame (r, ITEM_LR, &f);
      return true;
    case FRAME_USER:
      r->in_stack = false;
      report_mark (r, ITEM_USER);
      return true;
    case FRAME_RAW:
      return true;
    case FRAME_NOT:
      break;
    }
  return false;
}

/* "RAX: 0000", "x29: ffff", "Code: 48 89", rows of words: part of a report,
 * without a meaning for it. */
static bool
is_dump (const char *s, size_t len)
{
  size_t i, hex = 0, name = 0;
  const char *colon = memchr (s, ':', len < 12 ? len : 12);

  if (colon && colon > s + 1)
    name = (size_t) (colon - s) + 1;
  while (name < len && s[name] == ' ')
    name++;
  for (i = name; i < len && i < name + 9; i++)
    if ((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f'))
      hex++;
    else
      break;
  /* Segments have four digits, and a colon behind them. */
  return hex >= 8 || (name && hex == 4 && i < len && s[i] != '-');
}

bool
report_line (struct report *r, const struct text_msg *msg)
{
  const char *s = msg->text;
  size_t len = msg->len;

  r->lines++;
  if (msg->line->torn || msg->line->cut)
    r->mixed = true;
  while (len && (*s == ' ' || *s == '\t'))
    {
      s++;
      len--;
    }
  while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
    len--;
  if (!len)
    return r->lines >= REPORT_LINES_MAX;
  if ((r->recipe->flags & RECIPE_MESSAGE) && r->lines == 1)
    span_put (r->message, sizeof r->message, s, len);
  if (report_detail (r, s, len) || take_stack (r, s, len)
      || is_dump (s, len))
    {
      r->idle = 0;
      r->e.last_line = msg->line->number;
      r->e.end_at = msg->line->at + msg->line->raw_len;
      r->e.last_ms = msg->line->last_ms;
      if (msg->stamped && msg->stamp_us > r->last_us)
        r->last_us = msg->stamp_us;
      report_registers (r, s, len);
    }
  else if (msg->stamped || !r->stamped)
    r->idle++;
  return r->over || r->lines >= REPORT_LINES_MAX
         || r->idle > r->recipe->idle || report_oom_over (r);
}

/* ---- the end ---- */

static void
copy_frames (struct report *r)
{
  unsigned i;

  for (i = 0; i < r->nitems && r->e.nframes < TEXT_FRAMES_MAX; i++)
    {
      const struct report_item *it = &r->items[i];

      /* The end of a fault says once more where it was. */
      if (it->kind == ITEM_IP && i > 0 && r->e.nframes > 1
          && strcmp (it->frame.func, r->e.rip) == 0
          && r->items[i - 1].kind != ITEM_IRQ_END)
        continue;
      if (it->kind == ITEM_CALL || it->kind == ITEM_IP)
        r->e.frames[r->e.nframes++] = it->frame;
    }
}

/* "Call Trace:", and then something else: its frames are elsewhere. */
static bool
is_trace_empty (const struct report *r)
{
  unsigned i, j;

  for (i = 0; i < r->nitems; i++)
    {
      if (r->items[i].kind != ITEM_TRACE)
        continue;
      for (j = i + 1; j < r->nitems; j++)
        if (r->items[j].kind != ITEM_IRQ && r->items[j].kind != ITEM_IRQ_END)
          break;
      return j == r->nitems
             || (r->items[j].kind != ITEM_CALL
                 && r->items[j].kind != ITEM_USER);
    }
  return false;
}

/* Who makes calls fail on purpose says so with a stack.  Where callers are not
 * told apart, such a stack is somebody else's, in the middle of this one. */
static bool
is_injected (const struct report *r)
{
  static const char *const names[] = { "fail_dump", "should_fail*" };
  static const struct skip_list list = { names, ARRAY_LEN (names) };
  unsigned i;

  /* A stall shows what every CPU does. */
  if (r->callers[0].caller != CALLER_NONE
      || (r->recipe->flags & RECIPE_STALL))
    return false;
  for (i = 0; i < r->nitems; i++)
    if (r->items[i].kind == ITEM_CALL
        && title_skips (&list, r->items[i].frame.func))
      return true;
  return false;
}

/* Whether the title may be wrong.  A quiet guest leaves the stack out on
 * purpose; a text that ends with the head, or within what follows it, was cut
 * off.  Where no function is in the title, nothing of it is missing. */
static bool
is_corrupted (const struct report *r, bool cut)
{
  if (r->mixed || strstr (r->func, TITLE_NO_FUNC))
    return true;
  if (!title_needs_func (r))
    return false;
  if (r->e.evidence == EVIDENCE_PARTIAL)
    return true;
  if (r->e.evidence == EVIDENCE_HEADER)
    return !(r->recipe->flags & RECIPE_QUIET) || (cut && r->lines < 1);
  return is_trace_empty (r) || is_injected (r);
}

void
report_finish (struct report *r, bool cut)
{
  bool line = r->recipe->flags & RECIPE_LINE;
  bool found, nobody;

  copy_frames (r);
  nobody = (r->recipe->flags & RECIPE_STALL) && title_blames_nobody (r);
  found = title_choose (r, r->func, sizeof r->func, r->generic,
                        sizeof r->generic);
  r->found = found;
  if (line)
    r->e.evidence = EVIDENCE_REPORT;
  else if (r->e.nframes == 0 && !r->has_trace && !r->body)
    r->e.evidence = EVIDENCE_HEADER;
  else if ((!found && !nobody)
           || (cut && !nobody && !r->over && r->ncalls < 2))
    r->e.evidence = EVIDENCE_PARTIAL;
  else
    r->e.evidence = EVIDENCE_REPORT;
  if (!line)
    r->e.corrupted = is_corrupted (r, cut);
  if ((r->recipe->flags & RECIPE_HUNG) && !r->e.class_[0])
    {
      const char *class = title_wait_class (r);

      span_put (r->e.class_, sizeof r->e.class_, class, strlen (class));
    }
  title_report (r);
  title_signature (&r->e);
}
