/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector sysrq: asks the guest's kernel for its own view, at interrupt
 * level.
 *
 * Of its step: {"keys": "w"}: dumps (d h l m p q t w z R) and loglevels (0-9);
 * keys that change the guest are refused where the playbook is read.  h is the
 * harmless one: it asks nothing of the kernel but a line, which says that it
 * lives; it comes first, and where the loglevel has to be raised it is asked
 * in any case.  t says so much that it comes last.
 *
 * What the guest lets nobody ask is not asked, but for one key: that it
 * refuses is a sign of life.  And nothing is, where no Linux was seen: on
 * another system Alt, PrtSc and a letter go to whoever has a window open.
 */
#include "diag/collect/sysrq_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/collect/collect.h"
#include "diag/collect/inside.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define RESTORE_MS 5000 /* of the budget, kept for it */
#define NEXT_MS 3000    /* and for each key that is asked later */

/* Who is asked: the kernel in any way that fits; by its keyboard alone, where
 * nothing is to be typed at anybody; a shell, by one of inside_ways. */
enum by
{
  BY_KERNEL,
  BY_KEYBOARD,
  BY_SHELL,
};
static const char *const by_names[]
    = { "kernel", "keyboard", "console", "agent", "ssh", NULL };
/* Who says what its loglevel is: its memory, and then one of inside_ways. */
static const char *const level_names[]
    = { "memory", "console", "agent", "ssh", NULL };

struct sysrq_own
{
  char *keys, *console;
  int by;    /* index into by_names */
  int level; /* index into level_names */
};

static const struct sysrq_own defaults = { .by = BY_KERNEL };

static const struct json_field fields[] = {
  { .name = "keys",
    .kind = JSON_STRING,
    .offset = offsetof (struct sysrq_own, keys),
    .min = 1,
    .max = SYSRQ_MAX_KEYS,
    .help = "SysRq keys: dumps (d h l m p q t w z R) and loglevels (0-9); "
            "h asks for a line only, t comes last" },
  { .name = "console",
    .kind = JSON_STRING,
    .offset = offsetof (struct sysrq_own, console),
    .min = 1,
    .max = 64,
    .help = "the console that is typed at, where there are several" },
  { .name = "by",
    .kind = JSON_ENUM,
    .offset = offsetof (struct sysrq_own, by),
    .names = by_names,
    .help = "kernel: its keyboard, BREAK or ^O, what there is; keyboard: by "
            "that alone, nothing is typed; console, agent, ssh: by a shell" },
  { .name = "level",
    .kind = JSON_ENUM,
    .offset = offsetof (struct sysrq_own, level),
    .names = level_names,
    .help = "who tells its loglevel, so that it can be raised and put back: "
            "its memory; where that can't be read, a shell by this way" },
  { .name = NULL },
};

/* ---- what was found ---- */

static int64_t
count_lines (const char *text, size_t len)
{
  int64_t n = 0;

  for (size_t i = 0; i < len; i++)
    n += text[i] == '\n';
  return n;
}

/* Is there anything in these that a low loglevel hides? */
static bool
has_body (const char *keys)
{
  return keys[strspn (keys, "h0123456789")] != '\0';
}

void
sysrq_keep (struct collect_ctx *ctx, char key, enum sysrq_answer answer,
            const struct buf *said, size_t from, bool loud)
{
  const char *text = buf_str (said) + from;
  size_t len = said->len - from;
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * SYSRQ_MAX_BODY);
  char name[FACT_NAME_MAX], file[32];

  snprintf (name, sizeof name, "sysrq.%c.answer", key);
  collect_str (ctx, name, "sysrq", sysrq_answer_names[answer]);
  if (answer == ANSWER_NONE)
    return;
  snprintf (file, sizeof file, "sysrq/%c.txt", key);
  text_escape (&shown, text, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  ctx->out->file (ctx->out, file, buf_str (&shown), shown.len);
  if (said->cut)
    ctx->out->gap (ctx->out, file, "cut after its first %zu KiB", len >> 10);
  snprintf (name, sizeof name, "sysrq.%c.lines", key);
  /* One line is the header alone: the console loglevel hides the rest. */
  collect_int (ctx, name, "sysrq", count_lines (text, len));
  if (answer == ANSWER_SHOWN && has_body ((char[]){ key, '\0' }))
    collect_dump (ctx, key, text, len, loud);
}

/* ---- which keys ---- */

static int
check_keys (const char *keys, struct error *err)
{
  if (!*keys || strlen (keys) > SYSRQ_MAX_KEYS)
    return error_set (err, EINVAL, "\"keys\" must be 1 to %d SysRq keys",
                      SYSRQ_MAX_KEYS);
  for (const char *k = keys; *k; k++)
    if (!strchr ("dhlmpqtwzR0123456789", *k))
      return error_set (err, EPERM,
                        "SysRq %c is refused: only dumps (d h l m p q t w z "
                        "R) and loglevels (0-9) are sent",
                        *k >= ' ' && *k < 0x7f ? *k : '?');
  return 0;
}

/* Where it is read: nobody who writes one has to wait until it is done. */
static int
check (const struct json_doc *doc, const char *path, const void *arg,
       uint64_t budget_ms, struct error *err)
{
  const struct sysrq_own *own = arg;
  struct error why = ERROR_INIT;
  char at[80];

  (void) budget_ms;
  if (!own->keys || check_keys (own->keys, &why) == 0)
    return 0;
  snprintf (at, sizeof at, "%s.keys", path);
  return json_error_at (doc, at, err, "%s", error_text (&why));
}

/* Life first, and last what says most: what is asked before it is there by
 * then. */
static void
in_order (const char *keys, char dst[SYSRQ_MAX_KEYS + 1])
{
  size_t n = 0;

  if (strchr (keys, 'h'))
    dst[n++] = 'h';
  for (const char *k = keys; *k; k++)
    if (*k != 'h' && *k != 't')
      dst[n++] = *k;
  if (strchr (keys, 't'))
    dst[n++] = 't';
  dst[n] = '\0';
}

/* Its step's, or what there is to know first. */
static const char *
keys_of (const struct sysrq_own *own)
{
  return own->keys ? own->keys : "w";
}

/* ---- asking ---- */

struct round
{
  struct sysrq_asking a;
  struct sysrq_state state;
  enum sysrq_answer best;
  bool keyboard;
  char refused[SYSRQ_MAX_KEYS + 2];
  size_t nrefused;
  char hidden[SYSRQ_MAX_KEYS + 1]; /* their headers alone were shown */
  size_t nhidden;
};

/* Without those that the guest refuses; where that would be all, the harmless
 * one: any answer is a sign of life. */
static void
leave_refused (struct round *r, char *keys)
{
  struct collect_ctx *ctx = r->a.ctx;
  size_t n = 0;

  for (const char *k = keys; *k; k++)
    if (sysrq_allowed (r->state.mask, *k))
      keys[n++] = *k;
    else
      r->refused[r->nrefused++] = *k;
  keys[n] = '\0';
  if (r->nrefused > 0)
    ctx->out->gap (ctx->out, "sysrq",
                   "not asked: %s, which the guest lets nobody press "
                   "(kernel.sysrq is %d)",
                   r->refused, r->state.mask);
  if (n == 0 && r->state.mask != 0)
    memcpy (keys, "h", 2);
}

/* Why it is not all there. */
static void
tell_missing (const struct sysrq_asking *a, char key)
{
  struct collect_out *out = a->ctx->out;
  char file[32];

  snprintf (file, sizeof file, "sysrq/%c.txt", key);
  if (a->unfinished)
    out->gap (out, file, "cut after %.1f s and %zu KiB: the guest had not "
                         "come to its end when the time for it was over",
              (double) a->took_ms / 1000, a->text.len >> 10);
  else if (a->loud && !a->text.cut
           && (a->end == SYSRQ_END_MISSING || a->end == SYSRQ_END_CPUS))
    out->gap (out, file, "%s: the guest was silent for %.1f s",
              a->end == SYSRQ_END_CPUS ? "not all of its CPUs answered"
                                       : "what stands at its end is missing",
              (double) sysrq_quiet_ms (a->end) / 1000);
  if (a->overrun > 0)
    out->gap (out, file, "%llu bytes in it came faster than they were read",
              (unsigned long long) a->overrun);
}

static void
leave_unknown (struct round *r, char *keys)
{
  struct collect_ctx *ctx = r->a.ctx;

  if (sysrq_is_linux (ctx, &r->state))
    return;
  ctx->out->gap (ctx->out, "sysrq",
                 "nothing was pressed: that the guest runs Linux is not known "
                 "(neither by its memory nor by kernel text on a console)");
  *keys = '\0';
}

static bool
ask_one (struct round *r, char key)
{
  struct sysrq_asking *a = &r->a;
  enum sysrq_answer answer = sysrq_ask (a, key);

  sysrq_keep (a->ctx, key, answer, &a->text, a->header, a->loud);
  if (answer == ANSWER_SHOWN)
    tell_missing (a, key);
  if (answer == ANSWER_DISABLED)
    r->refused[r->nrefused++] = key;
  if (answer == ANSWER_SHOWN && !a->loud && has_body ((char[]){ key, '\0' })
      && count_lines (buf_str (&a->text) + a->header,
                      a->text.len - a->header)
             <= 1)
    r->hidden[r->nhidden++] = key;
  if (answer > r->best)
    r->best = answer;
  /* The ways that fit have been tried: another key fares no better. */
  return answer != ANSWER_NONE;
}

static void
not_asked (const struct round *r, const char *keys)
{
  struct collect_ctx *ctx = r->a.ctx;

  if (*keys)
    ctx->out->gap (ctx->out, "sysrq", "not asked: %s: %s", keys,
                   collect_over (ctx) ? "the budget ended"
                                      : "the one before was not answered");
}

/* One after another.  None takes all the time of those that come behind it:
 * what a guest says may have no end. */
static void
ask_each (struct round *r, const char *keys, uint64_t deadline)
{
  struct collect_ctx *ctx = r->a.ctx, mine = *ctx;

  r->a.ctx = &mine;
  for (; *keys; keys++)
    {
      uint64_t now = clock_ms (), left = deadline > now ? deadline - now : 0;
      uint64_t keep = NEXT_MS * (strlen (keys) - 1);

      mine.deadline = deadline - (keep < left / 2 ? keep : left / 2);
      if (collect_over (&mine))
        break;
      if (!ask_one (r, *keys))
        {
          keys++;
          break;
        }
    }
  not_asked (r, keys);
  r->a.ctx = ctx;
}

/* Only who answers is asked for more; and only he has his loglevel raised. */
static void
ask_all (struct round *r, const char *keys)
{
  struct collect_ctx *ctx = r->a.ctx;
  bool raised, raises = has_body (keys) && sysrq_can_raise (&r->a, &r->state);

  if ((raises || *keys == 'h')
      && !ask_one (r, 'h'))
    {
      not_asked (r, keys + (*keys == 'h'));
      return;
    }
  keys += *keys == 'h';
  if (!*keys)
    return;
  raised = raises && sysrq_raise (&r->a, &r->state);
  r->a.loud = r->a.loud || raised;
  ask_each (r, keys, ctx->deadline - (raised ? RESTORE_MS : 0));
  if (raised)
    sysrq_restore (&r->a, &r->state);
}

static void
tell (struct round *r)
{
  struct collect_ctx *ctx = r->a.ctx;

  /* A kernel that has no driver for a keyboard does not answer by it: that it
   * is silent says something only where all ways were tried. */
  if (r->best > ANSWER_NONE || (!r->keyboard && !r->a.withheld))
    collect_str (ctx, "kernel.answers", "sysrq",
                 sysrq_answer_names[r->best]);
  if (r->nhidden > 0)
    collect_str (ctx, "sysrq.hidden", "sysrq", r->hidden);
  if (r->a.route >= 0)
    collect_str (ctx, "sysrq.route", "sysrq", sysrq_route_names[r->a.route]);
}

static int
by_kernel (struct collect_ctx *ctx, const struct sysrq_own *own, char *keys,
           struct error *err)
{
  struct round r = { .a = { .ctx = ctx },
                     .keyboard = own->by == BY_KEYBOARD };
  const char *from;
  int rc;

  sysrq_look (ctx, &r.state);
  from = r.state.mask < 0 ? "inside" : "memory";
  if (own->level > 0 && r.state.level < 0 && has_body (keys))
    sysrq_look_inside (ctx, own->level - 1, &r.state);
  if (r.state.mask >= 0)
    collect_int (ctx, "sysrq.mask", from, r.state.mask);
  r.a.loud = r.state.level >= 7;
  leave_refused (&r, keys);
  if (*keys)
    leave_unknown (&r, keys);
  rc = *keys ? sysrq_open (&r.a, own->console, &r.state, !r.keyboard, err)
             : 0;
  if (rc == 0 && *keys)
    {
      ask_all (&r, keys);
      tell (&r);
    }
  if (r.nrefused > 0)
    collect_str (ctx, "sysrq.refused", "sysrq", r.refused);
  sysrq_close (&r.a);
  return rc;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct sysrq_own *own = ctx->own ? ctx->own : &defaults;
  char keys[SYSRQ_MAX_KEYS + 1];
  int rc = check_keys (keys_of (own), err);

  if (rc < 0)
    return rc;
  in_order (keys_of (own), keys);
  return own->by >= BY_SHELL ? sysrq_by_shell (ctx, keys, own->by - BY_SHELL,
                                               err)
                             : by_kernel (ctx, own, keys, err);
}

/* ---- what will be done ---- */

static void
plan_shell (const struct guest *g, const struct sysrq_own *own,
            struct collect_plan *ret)
{
  const struct inside_own way = { .way = own->by - BY_SHELL };

  inside_plan (g, &way, ret);
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "writes %.16s into /proc/sysrq-trigger by its %s", keys_of (own),
            by_names[own->by]);
}

static void
plan_kernel (const struct guest *g, const struct sysrq_own *own,
             struct collect_plan *ret)
{
  bool libvirt = g->monitor == MONITOR_LIBVIRT;

  if (own->by == BY_KEYBOARD)
    {
      ret->touch = TOUCH_MONITOR;
      ret->lane = LANE_MONITOR;
      snprintf (ret->acts[0], sizeof ret->acts[0],
                "presses SysRq %.16s on the guest's keyboard, if it is known "
                "to run Linux",
                keys_of (own));
      if (g->monitor == MONITOR_NONE)
        snprintf (ret->never, sizeof ret->never,
                  "this guest has no monitor to press keys by");
    }
  else
    {
      snprintf (ret->acts[0], sizeof ret->acts[0],
                "sends SysRq %.16s by keyboard, BREAK or ^O, what it has, if "
                "known to run Linux",
                keys_of (own));
      snprintf (ret->acts[1], sizeof ret->acts[1],
                "at its kernel's console alone; what no kernel takes is "
                "typed, the line killed%s",
                libvirt ? "; BREAK taints the domain" : "");
    }
  if (has_body (keys_of (own)))
    snprintf (ret->acts[2], sizeof ret->acts[2],
              "where its loglevel hides what it says and is known: raises it, "
              "and puts it back");
  if (has_body (keys_of (own)) && own->level > 0)
    snprintf (ret->acts[3], sizeof ret->acts[3],
              "where memory does not tell that loglevel: reads it by its %s",
              level_names[own->level]);
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct sysrq_own *own = arg ? arg : &defaults;
  size_t n = strlen (keys_of (own));

  if (own->by >= BY_SHELL)
    plan_shell (g, own, ret);
  else
    plan_kernel (g, own, ret);
  ret->bytes *= n;
  ret->ms += 4000 * (n - 1);
}

const struct collector collect_sysrq = {
  .name = "sysrq",
  .summary = "the kernel's own dumps by SysRq",
  .touch = TOUCH_CONSOLE,
  .lane = LANE_CONSOLE,
  .budget_ms = 20000,
  .bytes = 64 << 10,
  .fields = fields,
  .own_size = sizeof (struct sysrq_own),
  .check = check,
  .plan = plan,
  .run = run,
};
