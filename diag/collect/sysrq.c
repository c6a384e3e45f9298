/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector sysrq: asks the guest's kernel for its own view, at interrupt
 * level, over the console.
 *
 * Of its step: {"keys": "w"}: dumps (d h l m p q t w z R) and loglevels (0-9);
 * keys that change the guest are refused where the playbook is read.  h is the
 * harmless one: it asks nothing of the kernel but a line, which says that it
 * lives.  t says so much that it comes last, whatever the order.
 *
 * The guest's keyboard comes first: it types nothing at anybody.  The next
 * route depends on what the kernel has at the other end: a serial port wants
 * BREAK and then the key within 5 s, hvc wants ^O and the key (and some
 * process that has it open), and behind EVE's mux either may be the one.  A
 * route is believed only when the
 * kernel's own "sysrq:" line comes back; "This sysrq operation is disabled."
 * is an answer too: interrupts are taken and the console works.  A second
 * BREAK would disarm the first, and a key that no kernel took was typed at
 * whoever reads the console: so one try per route, with a line kill after.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "transports/console/hub.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_KEYS 16
#define HEADER_MS 3000
#define QUIET_MS 700
#define BODY_MS 8000
#define MAX_BODY (1u << 20)
#define LINE_KILL "\x15"

struct sysrq_own
{
  char *keys, *console;
};

static const struct json_field fields[] = {
  { .name = "keys",
    .kind = JSON_STRING,
    .offset = offsetof (struct sysrq_own, keys),
    .min = 1,
    .max = MAX_KEYS,
    .help = "SysRq keys: dumps (d h l m p q t w z R) and loglevels (0-9); "
            "h asks for a line only, t comes last" },
  { .name = "console",
    .kind = JSON_STRING,
    .offset = offsetof (struct sysrq_own, console),
    .min = 1,
    .max = 64,
    .help = "the console that is typed at, where there are several" },
  { .name = NULL },
};

enum route
{
  ROUTE_KEYBOARD,  /* the guest's keyboard: alt-sysrq-key */
  ROUTE_BREAK,     /* monitor: chardev-send-break, then the key */
  ROUTE_CTRL_O,    /* ^O and the key */
  ROUTE_MUX_BREAK, /* ^A c, ^A b, the key, ^A c */
  ROUTE_MAX,
};

static const char *const route_names[]
    = { "keyboard", "break", "ctrl-o", "mux-break" };

enum answer
{
  ANSWER_NONE,
  ANSWER_DISABLED,
  ANSWER_SHOWN,
};
static const char *const answer_names[] = { "none", "disabled", "shown" };

struct asking
{
  struct collect_ctx *ctx;
  const struct guest_console *con;
  struct lease *lease;
  struct tap *tap;
  struct buf text; /* since the key was sent */
  size_t header;   /* where the kernel's line begins in it */
};

/* ---- sending ---- */

static int
send_break (struct asking *a, struct error *err)
{
  struct json_object *args = json_object_new_object ();

  json_add_str (args, "id", a->con->alias);
  return sysrq_ask_monitor (a->ctx, "chardev-send-break", args, err);
}

/* For so long nobody takes what it prints for trouble: not longer than needed,
 * for it may have some meanwhile. */
static void
announce (const struct asking *a, char key, uint64_t ms)
{
  const struct transport_env *env = a->ctx->env;

  if (env->own_text)
    env->own_text (env->own_text_arg, a->ctx->guest->inc.uuid, key,
                   clock_ms () + ms);
}

static int
send_key (struct asking *a, enum route route, char key, struct error *err)
{
  struct collect_ctx *ctx = a->ctx;
  uint64_t until = collect_until (ctx, 2000);
  const char ctrl_o[2] = { '\x0f', key };
  /* All at once: focus must go back even if the lease is lost after it. */
  const char mux[7] = { '\x01', 'c', '\x01', 'b', key, '\x01', 'c' };
  int rc;

  announce (a, key, HEADER_MS + 1000);
  switch (route)
    {
    case ROUTE_BREAK:
      rc = send_break (a, err);
      if (rc < 0)
        return rc;
      rc = lease_write (a->lease, &key, 1, until, err);
      break;
    case ROUTE_CTRL_O:
      rc = lease_write (a->lease, ctrl_o, sizeof ctrl_o, until, err);
      break;
    case ROUTE_KEYBOARD:
      rc = sysrq_press (ctx, key, err);
      break;
    case ROUTE_MUX_BREAK:
      rc = lease_write_raw (a->lease, mux, sizeof mux, until, err);
      if (rc >= 0)
        ctx->out->impact (ctx->out,
                          "switched the console's input focus there and back");
      break;
    default:
      return error_set (err, EINVAL, "no such route");
    }
  if (rc >= 0)
    ctx->out->impact (ctx->out, "sent SysRq %c to console %s by %s", key,
                      a->con->name, route_names[route]);
  return rc;
}

/* ---- the answer ---- */

/* Newer "sysrq: Show ...", older "SysRq : Show ...". */
static const char *
find_header (const char *text, size_t len)
{
  static const char *const heads[] = { "sysrq: ", "SysRq : " };
  const char *best = NULL;

  for (size_t i = 0; i < ARRAY_LEN (heads); i++)
    {
      const char *hit = memmem (text, len, heads[i], strlen (heads[i]));

      if (hit && (!best || hit < best))
        best = hit;
    }
  return best;
}

/* Whole header line seen? */
static bool
header_seen (struct asking *a, enum answer *ret, bool *ret_single)
{
  const char *text = buf_str (&a->text);
  const char *at = find_header (text, a->text.len), *end, *line;
  size_t n;

  if (!at)
    return false;
  end = memchr (at, '\n', a->text.len - (size_t) (at - text));
  if (!end)
    return false;
  n = (size_t) (end - at);
  for (line = at; line > text && line[-1] != '\n'; line--)
    ;
  a->header = (size_t) (line - text);
  *ret = memmem (at, n, "operation is disabled", 21) ? ANSWER_DISABLED
                                                     : ANSWER_SHOWN;
  *ret_single
      = *ret == ANSWER_DISABLED || memmem (at, n, "HELP", 4) != NULL;
  return true;
}

/* Reads what there is, waiting at most until; false when nothing came. */
static bool
read_more (struct asking *a, uint64_t until)
{
  char chunk[4096];
  uint64_t lost;
  size_t n = tap_read (a->tap, chunk, sizeof chunk, &lost);

  if (n == 0)
    {
      if (tap_wait (a->tap, until) < 0)
        return false;
      n = tap_read (a->tap, chunk, sizeof chunk, &lost);
    }
  buf_append (&a->text, chunk, n);
  return n > 0;
}

static enum answer
await_answer (struct asking *a, char key)
{
  uint64_t header_by = collect_until (a->ctx, HEADER_MS), body_by;
  enum answer answer = ANSWER_NONE;
  bool single = false;

  while (!header_seen (a, &answer, &single))
    {
      if (a->text.cut || collect_over (a->ctx) || lease_lost (a->lease))
        return ANSWER_NONE;
      if (clock_ms () >= header_by)
        return ANSWER_NONE;
      read_more (a, header_by);
    }
  if (!single)
    announce (a, key, BODY_MS);
  else
    announce (a, '\0', 0);
  body_by = collect_until (a->ctx, BODY_MS);
  while (!single && !a->text.cut && clock_ms () < body_by
         && !collect_over (a->ctx) && !lease_lost (a->lease))
    {
      uint64_t quiet = collect_until (a->ctx, QUIET_MS);

      /* Silence in the middle of a line is a printer that stalls. */
      if (!read_more (a, quiet < body_by ? quiet : body_by)
          && a->text.data[a->text.len - 1] == '\n')
        {
          announce (a, '\0', 0);
          break;
        }
    }
  return answer;
}

/* ---- routes ---- */

static unsigned
routes_of (const struct asking *a, char key, enum route *out)
{
  const struct guest *g = a->ctx->guest;
  bool can_break = g->monitor != MONITOR_NONE && a->con->alias[0];
  unsigned n = 0;

  if (sysrq_can_press (g, key))
    out[n++] = ROUTE_KEYBOARD;
  switch (a->con->device)
    {
    case CONSOLE_DEV_VIRTIO:
      out[n++] = ROUTE_CTRL_O;
      break;
    case CONSOLE_DEV_MUX:
      /* Focus is on hvc0 from the start; a key behind a BREAK that went
       * there is typed at its shell, so that comes last. */
      out[n++] = ROUTE_CTRL_O;
      if (a->con->muxed)
        out[n++] = ROUTE_MUX_BREAK;
      break;
    case CONSOLE_DEV_SERIAL:
    case CONSOLE_DEV_UNKNOWN:
      if (can_break)
        out[n++] = ROUTE_BREAK;
      break;
    }
  return n;
}

static void
clean_up (struct asking *a, enum route route, char key)
{
  if (route == ROUTE_KEYBOARD || lease_lost (a->lease))
    return;
  /* Nobody took the key as SysRq: it stands on somebody's input line. */
  lease_write (a->lease, LINE_KILL, 1, collect_until (a->ctx, 500), NULL);
  a->ctx->out->impact (a->ctx->out,
                       "no kernel answered: \"%c\" was typed at console %s, "
                       "and the line killed with ^U",
                       key, a->con->name);
}

/* Tries the known route, or each that fits. */
static enum answer
ask_key (struct asking *a, char key, int *known)
{
  enum route routes[ROUTE_MAX];
  unsigned n = routes_of (a, key, routes);

  if (*known >= 0)
    routes[0] = (enum route) *known, n = 1;
  if (n == 0)
    a->ctx->out->gap (a->ctx->out, "sysrq",
                      "no way to send it: a keyboard and BREAK need a "
                      "monitor, BREAK the console's chardev id");
  for (unsigned i = 0; i < n && !collect_over (a->ctx); i++)
    {
      struct error why = ERROR_INIT;
      enum answer answer;

      buf_clear (&a->text);
      if (send_key (a, routes[i], key, &why) < 0)
        {
          a->ctx->out->gap (a->ctx->out, "sysrq", "%s: %s",
                            route_names[routes[i]], error_text (&why));
          continue;
        }
      answer = await_answer (a, key);
      if (answer != ANSWER_NONE)
        {
          *known = (int) routes[i];
          return answer;
        }
      clean_up (a, routes[i], key);
    }
  return ANSWER_NONE;
}

/* ---- what was found ---- */

static int64_t
count_lines (const struct buf *b, size_t from)
{
  int64_t n = 0;

  for (size_t i = from; i < b->len; i++)
    n += b->data[i] == '\n';
  return n;
}

static void
keep (struct asking *a, char key, enum answer answer)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * MAX_BODY);
  struct collect_ctx *ctx = a->ctx;
  char name[FACT_NAME_MAX], file[32];

  snprintf (name, sizeof name, "sysrq.%c.answer", key);
  collect_str (ctx, name, "sysrq", answer_names[answer]);
  if (answer == ANSWER_NONE)
    return;
  snprintf (file, sizeof file, "sysrq/%c.txt", key);
  text_escape (&shown, a->text.data + a->header, a->text.len - a->header,
               TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  ctx->out->file (ctx->out, file, buf_str (&shown), shown.len);
  if (a->text.cut)
    ctx->out->gap (ctx->out, file, "longer than %u bytes", MAX_BODY);
  snprintf (name, sizeof name, "sysrq.%c.lines", key);
  /* One line is the header alone: the console loglevel hides the rest. */
  collect_int (ctx, name, "sysrq", count_lines (&a->text, a->header));
  if (key == 'w' && answer == ANSWER_SHOWN)
    collect_blocked (ctx, a->text.data + a->header, a->text.len - a->header);
}

static const struct guest_console *
choose (const struct collect_ctx *ctx)
{
  const struct sysrq_own *own = ctx->own;
  const char *want = own ? own->console : NULL;

  if (want)
    return guest_console_find (ctx->guest, want);
  for (unsigned i = 0; i < ctx->guest->nconsoles; i++)
    if (ctx->guest->consoles[i].kind != CONSOLE_LOG
        && ctx->guest->consoles[i].mode != CONSOLE_TAIL)
      return &ctx->guest->consoles[i];
  return NULL;
}

static int
check_keys (const char *keys, struct error *err)
{
  if (!*keys || strlen (keys) > MAX_KEYS)
    return error_set (err, EINVAL, "\"keys\" must be 1 to %d SysRq keys",
                      MAX_KEYS);
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
       struct error *err)
{
  const struct sysrq_own *own = arg;
  struct error why = ERROR_INIT;
  char at[80];

  if (!own->keys || check_keys (own->keys, &why) == 0)
    return 0;
  snprintf (at, sizeof at, "%s.keys", path);
  return json_error_at (doc, at, err, "%s", error_text (&why));
}

/* What says most comes last: what is asked before it is there by then. */
static void
in_order (const char *keys, char dst[MAX_KEYS + 1])
{
  size_t n = 0;

  for (const char *k = keys; *k; k++)
    if (*k != 't')
      dst[n++] = *k;
  for (const char *k = keys; *k; k++)
    if (*k == 't')
      dst[n++] = *k;
  dst[n] = '\0';
}

/* Its step's, or what there is to know first. */
static const char *
keys_of (const struct collect_ctx *ctx)
{
  const struct sysrq_own *own = ctx->own;

  return own && own->keys ? own->keys : "w";
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct sysrq_own *own = arg;
  const char *keys = own && own->keys ? own->keys : "w";

  snprintf (ret->acts[0], sizeof ret->acts[0],
            "sends SysRq %.16s by keyboard, BREAK or ^O, what the guest has",
            keys);
  snprintf (ret->acts[1], sizeof ret->acts[1],
            "where no kernel takes a key it is typed, and the line killed");
  ret->bytes *= strlen (keys);
  ret->ms += 4000 * (strlen (keys) - 1);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  struct asking a = { .ctx = ctx, .text = BUF_INIT (MAX_BODY) };
  const char *wanted = keys_of (ctx);
  char keys[MAX_KEYS + 1];
  enum answer best = ANSWER_NONE;
  int route = -1, rc;

  rc = check_keys (wanted, err);
  if (rc < 0)
    return rc;
  in_order (wanted, keys);
  a.con = choose (ctx);
  if (!a.con)
    return error_set (err, ENOENT, "no console that can be typed into");
  rc = hub_lease (ctx->env->hub, ctx->guest->inc.uuid, a.con->name,
                  LEASE_DIAGNOSIS, "diagnosis", false,
                  collect_until (ctx, HEADER_MS), &a.lease, err);
  if (rc < 0)
    return rc;
  a.tap = lease_tap (a.lease);
  for (const char *k = keys; *k && !collect_over (ctx); k++)
    {
      enum answer answer = ask_key (&a, *k, &route);

      keep (&a, *k, answer);
      best = answer > best ? answer : best;
      /* The routes that fit have been tried: another key fares no better. */
      if (answer == ANSWER_NONE)
        break;
    }
  collect_str (ctx, "kernel.answers", "sysrq", answer_names[best]);
  if (route >= 0)
    collect_str (ctx, "sysrq.route", "sysrq", route_names[route]);
  lease_free (a.lease);
  buf_done (&a.text);
  return 0;
}

const struct collector collect_sysrq = {
  .name = "sysrq",
  .summary = "the kernel's own dumps by SysRq over the console",
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
