/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: the dump, its contexts, and which line goes where.
 */
#include "kernel/text/sysrq_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the kernel says when it takes a key; beginnings.  Newer kernels say
 * more of it, so the first that fits wins. */
static const struct
{
  const char *says;
  char key;
} headers[] = {
  { "Show State", 't' },
  { "Show Blocked State", 'w' },
  { "Show backtrace of all active CPUs", 'l' },
  { "Show Memory", 'm' },
  { "Show Regs", 'p' },
  { "Show clockevent devices", 'q' },
  { "Show Pending Timers", 'q' },
  { "Show pending hrtimers", 'q' },
  { "Dump ftrace buffer", 'z' },
  { "Show Locks Held", 'd' },
  { "Emergency Sync", 's' },
  { "Emergency Remount", 'u' },
  { "Nice All RT Tasks", 'n' },
  { "Replay kernel logs", 'R' },
  { "HELP", 'h' },
  { "Manual OOM execution", 'f' },
  { "Terminate All Tasks", 'e' },
  { "Kill All Tasks", 'i' },
  { "Emergency Thaw", 'j' },
  { "SAK", 'k' },
  { "Trigger a crash", 'c' },
  { "Resetting", 'b' },
  { "Power Off", 'o' },
  { "Keyboard mode set", 'r' },
};

int
sysrq_dump_new (struct sysrq_dump **ret, struct error *err)
{
  struct sysrq_dump *d = calloc (1, sizeof *d);

  if (!d)
    return error_set (err, ENOMEM, "no memory for a SysRq dump");
  for (unsigned i = 0; i < DUMP_CONTEXTS; i++)
    d->ctx[i].block.task = d->ctx[i].block.cpu = -1;
  *ret = d;
  return 0;
}

void
sysrq_dump_free (struct sysrq_dump *d)
{
  if (!d)
    return;
  for (unsigned i = 0; i < d->ntasks; i++)
    {
      free (d->tasks[i].frames);
      free (d->tasks[i].regs);
    }
  for (unsigned i = 0; i < d->ncpus; i++)
    {
      free (d->cpus[i].frames);
      free (d->cpus[i].regs);
    }
  for (unsigned i = 0; i < DUMP_CONTEXTS; i++)
    {
      json_object_put (d->ctx[i].memory);
      json_object_put (d->ctx[i].zone);
    }
  for (unsigned i = 0; i < DUMP_TRACE; i++)
    free (d->trace[i]);
  json_object_put (d->memories);
  json_object_put (d->timers);
  json_object_put (d->locks);
  json_object_put (d->work);
  json_object_put (d->sched);
  free (d->tasks);
  free (d->cpus);
  free (d);
}

void
dump_gap (struct sysrq_dump *d, const char *kind, uint64_t count,
          const char *fmt, ...)
{
  struct dump_gap *last = d->ngaps ? &d->gaps[d->ngaps - 1] : NULL;
  char what[sizeof last->what];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (what, sizeof what, fmt, ap);
  va_end (ap);
  if (last && strcmp (last->kind, kind) == 0 && strcmp (last->what, what) == 0)
    {
      last->count += count;
      return;
    }
  if (d->ngaps == DUMP_GAPS)
    {
      d->more_gaps++;
      return;
    }
  d->gaps[d->ngaps] = (struct dump_gap){ .kind = kind, .line = d->line,
                                         .count = count };
  memcpy (d->gaps[d->ngaps++].what, what, sizeof what);
}

void
dump_text (struct json_object *o, const char *name, const struct cursor *c)
{
  char text[128];

  cur_copy (c, text, sizeof text);
  json_add_text (o, name, text, strlen (text));
}

struct json_object *
dump_array (struct json_object *o, const char *name)
{
  struct json_object *list = json_get (o, name);

  if (!list)
    {
      list = json_object_new_array ();
      json_object_object_add (o, name, list);
    }
  return json_object_is_type (list, json_type_array) ? list : NULL;
}

void
dump_section (struct sysrq_dump *d, struct dump_ctx *ctx, section_fn *section)
{
  dump_block_close (d, ctx);
  ctx->section = section;
  ctx->strays = 0;
  ctx->regs_come = false;
  if (section)
    d->body++;
}

static void
ctx_done (struct sysrq_dump *d, struct dump_ctx *ctx)
{
  dump_section (d, ctx, NULL);
  json_object_put (ctx->memory);
  json_object_put (ctx->zone);
  *ctx = (struct dump_ctx){ .block = { .task = -1, .cpu = -1 } };
}

/* Whose line this is.  Kernels that do not say it have one context. */
static struct dump_ctx *
ctx_of (struct sysrq_dump *d, const struct text_msg *msg)
{
  struct dump_ctx *old = &d->ctx[0];
  uint32_t id = msg->caller == CALLER_NONE ? 0 : msg->caller_id;

  for (unsigned i = 0; i < DUMP_CONTEXTS; i++)
    {
      struct dump_ctx *c = &d->ctx[i];

      if (c->used && c->kind == msg->caller && c->id == id)
        {
          c->last = d->line;
          return c;
        }
      if (!c->used ? old->used : old->used && c->last < old->last)
        old = c;
    }
  ctx_done (d, old);
  old->used = true;
  old->kind = msg->caller;
  old->id = id;
  old->last = d->line;
  return old;
}

/* ---- headers ---- */

static void
add_key (struct sysrq_dump *d, char key)
{
  size_t n = strlen (d->keys);

  if (!strchr (d->keys, key) && n + 1 < sizeof d->keys)
    {
      d->keys[n] = key;
      d->keys[n + 1] = '\0';
    }
}

/* What the header before this one (or the text's end) got: some bodies always
 * have lines, at a console loglevel that lets them through. */
static void
header_over (struct sysrq_dump *d)
{
  if (!d->key || !strchr ("twlmpqz", d->key) || d->body > 0)
    return;
  dump_gap (d, "header-only", 1,
            d->key == 'w' ? "SysRq %c: nobody is blocked, or the console's "
                            "loglevel hides it"
                          : "SysRq %c: the console's loglevel hides the rest, "
                            "or it is cut off",
            d->key);
}

static void
help_more (struct sysrq_dump *d, const struct cursor *c)
{
  size_t n = strlen (d->help);

  if (n && n + 1 < sizeof d->help)
    {
      d->help[n++] = ' ';
      d->help[n] = '\0';
    }
  cur_copy (c, d->help + n, sizeof d->help - n);
}

static void
header (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  char key = '\0';
  uint64_t level;

  d->any = true;
  dump_section (d, ctx, NULL);
  if (cur_lit (&c, "This sysrq operation is disabled"))
    {
      d->refused = true;
      return;
    }
  if (cur_lit (&c, "Loglevel set to ") && cur_u64 (&c, &level) && level < 10)
    {
      add_key (d, (char) ('0' + level));
      return;
    }
  for (size_t i = 0; i < ARRAY_LEN (headers) && !key; i++)
    if (cur_lit (&c, headers[i].says))
      key = headers[i].key;
  if (!key)
    return;
  header_over (d);
  add_key (d, key);
  d->key = key;
  d->key_line = d->line;
  d->body = 0;
  ctx->regs_come = key == 'p';
  if (key == 's' && cur_at (&c, " complete"))
    d->synced = true;
  if (key == 'h' && (cur_blanks (&c), cur_lit (&c, ":")))
    {
      d->help[0] = '\0';
      help_more (d, &c);
      d->helping = true;
    }
}

/* "sysrq: Show State", "sysrq: SysRq : Show State", "SysRq : Show State"; what
 * comes after an act, and a HELP that was torn into several lines. */
static bool
header_line (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  bool helping = d->helping;
  struct cursor rest, word;

  d->helping = false;
  cur_blanks (&c);
  if (c.p == c.end)
    return false;
  if (*c.p == 's' || *c.p == 'S')
    {
      bool is = cur_lit (&c, "sysrq: ");

      if (cur_lit (&c, "SysRq : ") || is)
        {
          header (d, ctx, c);
          return true;
        }
    }
  if (cur_at (&c, "Emergency Sync complete"))
    return d->any = d->synced = true;
  if (cur_at (&c, "Emergency Remount complete"))
    return d->any = d->remounted = true;
  rest = c;
  if (!helping || !cur_word (&rest, &word) || word.end[-1] != ')'
      || !memchr (word.p, '(', cur_left (&word)))
    return false;
  help_more (d, &c);
  return d->helping = true;
}

/* ---- lines ---- */

/* "** 24 printk messages dropped **", also glued before a line. */
static bool
dropped (struct sysrq_dump *d, struct cursor c)
{
  const char *at = cur_find (&c, "printk messages dropped **");
  uint64_t n = 0;

  if (!at)
    return false;
  while (at > c.p && *at != '*')
    at--;
  c.p = at + (*at == '*');
  cur_blanks (&c);
  cur_u64 (&c, &n);
  dump_gap (d, "dropped", n ? n : 1,
            "messages that the kernel could not print in time");
  return true;
}

/* Bytes or messages that never came: whatever stack is open may lack some. */
static void
tear (struct sysrq_dump *d)
{
  for (unsigned i = 0; i < DUMP_CONTEXTS; i++)
    {
      const struct dump_block *b = &d->ctx[i].block;

      if (b->task >= 0)
        d->tasks[b->task].torn = true;
      if (b->cpu >= 0)
        d->cpus[b->cpu].torn = true;
    }
}

static bool
losses (struct sysrq_dump *d, const struct text_msg *msg)
{
  const struct text_line *l = msg->line;
  struct cursor c = { msg->text, msg->text + msg->len };
  bool mark;

  if (l && l->torn)
    dump_gap (d, "lost", 1, "bytes that were not read in time");
  if (l && l->cut)
    dump_gap (d, "lost", l->cut, "bytes of a line that is too long");
  mark = msg->len && *msg->text == '*' && dropped (d, c);
  if (l && l->text && msg->text > l->text && *l->text == '*')
    {
      c = (struct cursor){ l->text, msg->text };
      if (dropped (d, c))
        tear (d);
    }
  if (mark || (l && l->torn))
    tear (d);
  return mark;
}

/* Another kernel begins: nobody who was blocked is, and nothing goes on. */
static void
see_boot (struct sysrq_dump *d, const struct text_msg *msg)
{
  struct cursor c = { msg->text, msg->text + msg->len };

  d->stamped = d->stamped || msg->stamped;
  /* `cat /proc/version` prints it, too. */
  if (!cur_lit (&c, "Linux version ") || msg->stamp_us > 2000000
      || (d->stamped && msg->from != FROM_KERNEL))
    return;
  tear (d);
  for (unsigned i = 0; i < DUMP_CONTEXTS; i++)
    ctx_done (d, &d->ctx[i]);
  header_over (d);
  d->key = '\0';
  d->boot++;
}

typedef bool head_fn (struct sysrq_dump *d, struct dump_ctx *ctx,
                      struct cursor c);

static bool
head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  static head_fn *const fns[] = {
    dump_task_head, dump_cpu_head,   dump_hung_line,  dump_memory_head,
    dump_lock_head, dump_timer_head, dump_sched_head, dump_work_head,
    dump_trace_head,
  };

  if (ctx->regs_come && dump_regs_head (d, ctx, c))
    return true;
  for (size_t i = 0; i < ARRAY_LEN (fns); i++)
    if (fns[i] (d, ctx, c))
      return true;
  return false;
}

void
sysrq_dump_line (struct sysrq_dump *d, const struct text_msg *msg)
{
  struct cursor c = { msg->text, msg->text + msg->len };
  struct dump_ctx *ctx;

  /* In a journal other programmes' lines stand between the kernel's. */
  if (msg->from == FROM_USER || msg->len == 0)
    return;
  /* It is given again when its end has come. */
  if (msg->line && msg->line->open)
    return;
  d->line = msg->line ? msg->line->number : d->line + 1;
  if (losses (d, msg))
    return;
  cur_trim (&c);
  if (c.p == c.end)
    return;
  see_boot (d, msg);
  ctx = ctx_of (d, msg);
  if (header_line (d, ctx, c) || head (d, ctx, c))
    {
      d->any = true;
      return;
    }
  if (!ctx->section)
    return;
  if (ctx->section (d, ctx, c))
    {
      ctx->strays = 0;
      d->body++;
    }
  else if (++ctx->strays > DUMP_STRAYS)
    dump_section (d, ctx, NULL);
}

void
sysrq_dump_end (struct sysrq_dump *d)
{
  for (unsigned i = 0; i < DUMP_CONTEXTS; i++)
    ctx_done (d, &d->ctx[i]);
  header_over (d);
  d->key = '\0';
  dump_tasks_end (d);
  dump_memory_end (d);
  dump_timer_end (d);
  dump_lock_end (d);
  dump_trace_end (d);
}

/* ---- what was found ---- */

const char *
sysrq_dump_keys (const struct sysrq_dump *d)
{
  return d->keys;
}

bool
sysrq_dump_refused (const struct sysrq_dump *d)
{
  return d->refused;
}

const char *
sysrq_dump_help (const struct sysrq_dump *d)
{
  return d->help;
}

unsigned
sysrq_dump_tasks (const struct sysrq_dump *d, const struct sysrq_task **ret)
{
  *ret = d->tasks;
  return d->ntasks;
}

unsigned
sysrq_dump_cpus (const struct sysrq_dump *d, const struct sysrq_cpu **ret)
{
  *ret = d->cpus;
  return d->ncpus;
}

unsigned
sysrq_dump_gaps (const struct sysrq_dump *d)
{
  return d->ngaps;
}

bool
sysrq_dump_any (const struct sysrq_dump *d)
{
  return d->any;
}
