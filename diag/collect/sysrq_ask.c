/* SPDX-License-Identifier: Apache-2.0
 *
 * One SysRq key, over a console.
 *
 * The guest's keyboard comes first: it types nothing at anybody.  The next
 * way depends on what the kernel has at the other end: a serial port wants
 * BREAK and then the key within 5 s, hvc wants ^O and the key (and some
 * process that has it open), and behind EVE's mux either may be the one.  A
 * way is believed only when the
 * kernel's own "sysrq:" line comes back; "This sysrq operation is disabled."
 * is an answer too: interrupts are taken and the console works.  A second
 * BREAK would disarm the first, and a key that no kernel took was typed at
 * whoever reads the console: so one try per way, with a line kill after.
 */
#include "diag/collect/sysrq_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/collect/collect.h"
#include "transports/console/hub.h"

#include <stdio.h>
#include <string.h>

#define STALL_MS 5000  /* in the middle of a line */
#define LOOK_EVERY_MS 50u
#define GRACE_MS 1000  /* while it is waited for: its printer may be slow */
#define AFTER_CUT_MS 15000
#define WRITE_MS 2000
#define LINE_KILL "\x15"

const char *const sysrq_route_names[]
    = { "keyboard", "break", "ctrl-o", "mux-break", "mux-here" };
const char *const sysrq_answer_names[] = { "none", "disabled", "shown" };

/* ---- sending ---- */

static int
send_break (struct sysrq_asking *a, struct error *err)
{
  struct json_object *args = json_object_new_object ();

  json_add_str (args, "id", a->con->alias);
  return sysrq_ask_monitor (a->ctx, "chardev-send-break", args, err);
}

/* Not for longer than needed: it may have trouble of its own meanwhile. */
void
sysrq_announce (const struct collect_ctx *ctx, char key, uint64_t ms)
{
  const struct transport_env *env = ctx->env;

  if (env->own_text)
    env->own_text (env->own_text_arg, ctx->guest->inc.uuid, key,
                   clock_ms () + ms);
}

static int
send_key (struct sysrq_asking *a, enum sysrq_route route, char key,
          struct error *err)
{
  struct collect_ctx *ctx = a->ctx;
  uint64_t until = collect_until (ctx, WRITE_MS);
  const char ctrl_o[2] = { '\x0f', key };
  /* All at once: focus must go back even if the lease is lost after it. */
  const char mux[7] = { '\x01', 'c', '\x01', 'b', key, '\x01', 'c' };
  const char here[3] = { '\x01', 'b', key };
  int rc;

  sysrq_announce (ctx, key, SYSRQ_HEADER_MS + 1000);
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
    case ROUTE_MUX_HERE:
      rc = lease_write_raw (a->lease, here, sizeof here, until, err);
      break;
    case ROUTE_MUX_BREAK:
      rc = sysrq_focus_goes (a, err);
      if (rc >= 0)
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
                      a->con->name, sysrq_route_names[route]);
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
header_seen (struct sysrq_asking *a, enum sysrq_answer *ret, bool *ret_single)
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

/* Reads what there is, waiting at most until; false when nothing came.  More
 * than is kept is read, too: what comes behind it is another answer. */
static bool
read_more (struct sysrq_asking *a, uint64_t until)
{
  char chunk[4096];
  uint64_t lost = 0;
  size_t n = tap_read (a->tap, chunk, sizeof chunk, &lost);

  if (n == 0)
    {
      if (tap_wait (a->tap, until) < 0)
        return false;
      n = tap_read (a->tap, chunk, sizeof chunk, &lost);
    }
  a->overrun += lost;
  buf_append (&a->text, chunk, n);
  return n > 0;
}

static bool
lost (const struct sysrq_asking *a)
{
  return a->lease && lease_lost (a->lease);
}

/* For as long as it goes on it is ours, and no longer than needed. */
static void
still_ours (struct sysrq_asking *a, char key, uint64_t ms)
{
  uint64_t now = clock_ms ();

  if (now + ms + GRACE_MS <= a->ours_until)
    return;
  a->ours_until = now + ms + 3 * GRACE_MS;
  sysrq_announce (a->ctx, key, ms + 3 * GRACE_MS);
}

/* By what comes last, and by quiet, which ends it where it is over; a printer
 * may stall in the middle of a line.  0: it is over now. */
static uint64_t
quiet_of (const struct sysrq_asking *a, char key, enum sysrq_end *ret)
{
  const char *text = buf_str (&a->text) + a->header;
  size_t len = a->text.len - a->header;
  uint64_t ms;

  *ret = sysrq_end_of (key, text, len);
  ms = sysrq_quiet_ms (*ret);
  return ms < STALL_MS && !a->text.cut && text[len - 1] != '\n' ? STALL_MS
                                                                : ms;
}

/* While it comes, as long as the budget lasts. */
static void
await_body (struct sysrq_asking *a, char key)
{
  uint64_t begun = clock_ms (), looked = 0, ms;

  a->ours_until = 0;
  a->unfinished = true;
  while (!collect_over (a->ctx) && !lost (a))
    {
      /* It may come a byte at a time, and all of it is looked through. */
      if (looked && clock_ms () < looked + LOOK_EVERY_MS
          && (read_more (a, collect_until (a->ctx, LOOK_EVERY_MS))
              || collect_over (a->ctx)))
        continue;
      looked = clock_ms ();
      ms = quiet_of (a, key, &a->end);
      if (ms > 0)
        still_ours (a, key, ms);
      if (ms == 0
          || (!read_more (a, collect_until (a->ctx, ms))
              && !collect_over (a->ctx)))
        {
          a->unfinished = false;
          sysrq_announce (a->ctx, '\0', 0);
          break;
        }
    }
  a->took_ms = clock_ms () - begun;
  if (a->unfinished)
    sysrq_announce (a->ctx, key, AFTER_CUT_MS);
}

void
sysrq_await_quiet (struct sysrq_asking *a, uint64_t until)
{
  uint64_t ms = sysrq_quiet_ms (SYSRQ_END_NONE), now;

  while (a->unfinished && !lost (a) && (now = clock_ms ()) < until)
    {
      buf_clear (&a->text);
      if (!read_more (a, now + ms < until ? now + ms : until)
          && now + ms < until)
        a->unfinished = false;
    }
}

/* A kernel that still prints what it was asked before takes no key until it has
 * done so: it has all the time that it needs for that. */
static enum sysrq_answer
await_answer (struct sysrq_asking *a, char key)
{
  uint64_t header_by = collect_until (a->ctx, SYSRQ_HEADER_MS);
  enum sysrq_answer answer = ANSWER_NONE;
  bool single = false;

  while (!header_seen (a, &answer, &single))
    {
      if (a->text.cut || collect_over (a->ctx) || lost (a)
          || clock_ms () >= header_by)
        return ANSWER_NONE;
      if (read_more (a, header_by) && a->unfinished)
        {
          header_by = collect_until (a->ctx, SYSRQ_HEADER_MS);
          sysrq_announce (a->ctx, key, SYSRQ_HEADER_MS + GRACE_MS);
        }
    }
  a->unfinished = false;
  if (single)
    sysrq_announce (a->ctx, '\0', 0);
  else
    await_body (a, key);
  return answer;
}

/* ---- routes ---- */

/* What is typed at nobody comes first; what would be typed at somebody, where
 * no kernel takes it, only where one is known to. */
static unsigned
routes_of (struct sysrq_asking *a, char key, enum sysrq_route *out)
{
  const struct guest *g = a->ctx->guest;
  enum console_device device = a->con->device;
  bool serial = a->where & SYSRQ_AT_SERIAL, hvc = a->where & SYSRQ_AT_HVC;
  bool can_break = g->monitor != MONITOR_NONE && a->con->alias[0];
  bool mux = device == CONSOLE_DEV_MUX;
  unsigned n = 0;

  if (sysrq_can_press (g, key))
    out[n++] = ROUTE_KEYBOARD;
  if (!a->lease)
    return n;
  a->withheld = !a->where;
  if (hvc && (mux || device == CONSOLE_DEV_VIRTIO))
    out[n++] = ROUTE_CTRL_O;
  /* Focus is on hvc0 from the start; a key behind a BREAK that went there is
   * typed at its shell, so that comes last. */
  if (serial && mux && a->con->muxed)
    out[n++] = ROUTE_MUX_BREAK;
  if (serial && can_break && !mux && device != CONSOLE_DEV_VIRTIO)
    out[n++] = ROUTE_BREAK;
  return n;
}

static void
tell_withheld (const struct sysrq_asking *a, unsigned n)
{
  if (a->withheld)
    a->ctx->out->gap (a->ctx->out, "sysrq",
                      "not typed at console %s: that it is a console of the "
                      "guest's kernel is not known (neither from its console= "
                      "nor by kernel text there)",
                      a->con->name);
  else if (n == 0)
    a->ctx->out->gap (a->ctx->out, "sysrq",
                      "no way to send it: a keyboard and BREAK need a "
                      "monitor, BREAK the console's chardev id");
}

static void
clean_up (struct sysrq_asking *a, enum sysrq_route route, char key)
{
  if (route == ROUTE_KEYBOARD || lost (a))
    return;
  /* Nobody took the key as SysRq: it stands on somebody's input line. */
  lease_write (a->lease, LINE_KILL, 1, collect_until (a->ctx, 500), NULL);
  a->ctx->out->impact (a->ctx->out,
                       "no kernel answered: \"%c\" was typed at console %s, "
                       "and the line killed with ^U",
                       key, a->con->name);
}

enum sysrq_answer
sysrq_ask (struct sysrq_asking *a, char key)
{
  enum sysrq_route routes[ROUTE_MAX];
  unsigned n = routes_of (a, key, routes);

  if (a->route >= 0)
    routes[0] = (enum sysrq_route) a->route, n = 1;
  for (unsigned i = 0; i < n && !collect_over (a->ctx); i++)
    {
      struct error why = ERROR_INIT;
      enum sysrq_answer answer;

      buf_clear (&a->text);
      a->overrun = a->took_ms = 0;
      a->end = SYSRQ_END_WHOLE;
      if (send_key (a, routes[i], key, &why) < 0)
        {
          a->ctx->out->gap (a->ctx->out, "sysrq", "%s: %s",
                            sysrq_route_names[routes[i]], error_text (&why));
          continue;
        }
      answer = await_answer (a, key);
      if (answer != ANSWER_NONE)
        {
          a->route = (int) routes[i];
          return answer;
        }
      clean_up (a, routes[i], key);
    }
  tell_withheld (a, n);
  return ANSWER_NONE;
}

/* ---- at a console ---- */

int
sysrq_open (struct sysrq_asking *a, const char *con,
            const struct sysrq_state *known, bool typing, struct error *err)
{
  const struct guest *g = a->ctx->guest;
  int rc;

  a->route = -1;
  a->text = (struct buf) BUF_INIT (SYSRQ_MAX_BODY);
  a->con = sysrq_choose (a->ctx, known, con, &a->where);
  if (!a->con)
    return error_set (err, ENOENT, "no console that can be typed into");
  if (!typing)
    {
      rc = hub_tap (a->ctx->env->hub, g->inc.uuid, a->con->name, "diagnosis",
                    TAP_NOW | TAP_ACTIVE, NULL, NULL, &a->own_tap, err);
      a->tap = a->own_tap;
      return rc;
    }
  rc = hub_lease (a->ctx->env->hub, g->inc.uuid, a->con->name,
                  LEASE_DIAGNOSIS, "diagnosis", false,
                  collect_until (a->ctx, SYSRQ_HEADER_MS), &a->lease, err);
  if (rc == 0)
    a->tap = lease_tap (a->lease);
  return rc;
}

void
sysrq_close (struct sysrq_asking *a)
{
  sysrq_focus_back (a);
  if (a->lease)
    lease_free (a->lease);
  if (a->own_tap)
    tap_free (a->own_tap);
  a->lease = NULL;
  a->tap = a->own_tap = NULL;
  buf_done (&a->text);
}
