/* SPDX-License-Identifier: Apache-2.0
 *
 * All that a monitor says of itself and of the guest, asked twice: what it
 * said is kept as it was said (qmp/transcript.jsonl).
 *
 * Over a socket of QEMU's own each time is one connection, held for as long as
 * monitor.h allows: what was not answered by then is a gap.  Through libvirt
 * there are calls of its own for most of it; the rest only when the step says
 * `raw`, for that taints the domain.
 */
#include "diag/collect/qmp.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/memory/memory.h"
#include "transports/monitor/look.h"

#include <stdio.h>
#include <string.h>

#define FILE_NAME "qmp/transcript.jsonl"
#define MAX_REPLY (128u << 10) /* of one, in the transcript */
#define MAX_ROUND (512u << 10) /* of all of one round */

/* Only questions: nothing here changes QEMU or the guest.  What is worth most
 * comes first, since time may run out. */
const struct qmp_question qmp_questions[] = {
  { "status", "query-status", NULL, true, false },
  { "registers", "human-monitor-command",
    "{\"command-line\":\"info registers -a\"}", true, true },
  { "blockstats", "query-blockstats", NULL, true, false },
  { "block", "query-block", NULL, true, false },
  { "cpus", "query-cpus-fast", NULL, false, false },
  { "jobs", "query-jobs", NULL, true, false },
  { "block-jobs", "query-block-jobs", NULL, true, false },
  { "migration", "query-migrate", NULL, true, false },
  { "vcpu-stats", "query-stats",
    "{\"target\":\"vcpu\"}", true, false },
  { "vm-stats", "query-stats", "{\"target\":\"vm\"}", true, false },
  { "chardev", "query-chardev", NULL, true, false },
  { "balloon", "query-balloon", NULL, false, false },
  { "iothreads", "query-iothreads", NULL, false, false },
  { "lapic", "human-monitor-command",
    "{\"command-line\":\"info lapic\"}", false, true },
  { "version", "query-version", NULL, false, false },
  { NULL, NULL, NULL, false, false },
};

struct round
{
  struct collect_ctx *ctx;
  struct json_object *said;
  size_t bytes;
  unsigned asked;
};

/* One line of the transcript; takes o. */
static void
put_line (struct round *r, struct json_object *o)
{
  struct buf line CLEANUP_BUF = BUF_INIT (MAX_REPLY * 2);

  json_show (o, &line);
  json_object_put (o);
  if (line.cut || r->bytes + line.len > MAX_ROUND)
    {
      r->ctx->out->gap (r->ctx->out, FILE_NAME,
                        "an answer of more than %u bytes",
                        line.cut ? MAX_REPLY * 2 : MAX_ROUND);
      return;
    }
  buf_putc (&line, '\n');
  r->bytes += line.len;
  r->ctx->out->file (r->ctx->out, FILE_NAME, buf_str (&line), line.len);
}

/* What a person reads for himself; and of the registers those where keys may
 * be are nobody's business. */
static struct json_object *
without_vectors (struct json_object *reply)
{
  const char *said = json_object_get_string (reply);
  char *text = said ? strdup (said) : NULL;
  struct json_object *trimmed;
  size_t len;

  if (!text)
    return reply;
  len = memory_registers_trim (text, strlen (text));
  trimmed = json_object_new_string_len (text, (int) len);
  free (text);
  json_object_put (reply);
  return trimmed;
}

static int
ask_one (struct round *r, struct monitor *m, const struct qmp_question *q)
{
  struct json_object *reply = NULL, *line = json_object_new_object ();
  struct json_object *args = q->args ? json_tokener_parse (q->args) : NULL;
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  char at[32];
  int rc;

  json_add_str (line, "time", clock_format (at, sizeof at, clock_wall_ms ()));
  json_add_str (line, "execute", q->execute);
  if (args)
    json_object_object_add (line, "arguments", json_object_get (args));
  rc = monitor_command (m, q->execute, args,
                        collect_until (r->ctx, MONITOR_HOLD_MS), &reply, &why);
  json_add_int (line, "took_ms", (int64_t) (clock_ms () - begun));
  if (rc >= 0 && q->human)
    reply = without_vectors (reply);
  if (rc >= 0)
    json_object_object_add (line, "return", json_object_get (reply));
  else
    json_add_text (line, "error", why.msg, strlen (why.msg));
  put_line (r, line);
  r->asked++;
  if (rc >= 0)
    json_object_object_add (r->said, q->name, reply);
  /* One that QEMU does not know is no reason to stop asking. */
  else if (rc != -EREMOTEIO)
    r->ctx->out->gap (r->ctx->out, FILE_NAME, "%s: %s", q->name,
                      error_text (&why));
  return rc == -EREMOTEIO ? 0 : rc;
}

static void
ask_all (struct round *r, bool second)
{
  const struct guest *g = r->ctx->guest;
  enum monitor_health health = MONITOR_GONE;
  struct error why = ERROR_INIT;
  struct monitor *m = NULL;
  uint64_t begun = clock_ms ();
  unsigned left = 0;
  int rc = monitor_open (r->ctx->env, g,
                         collect_until (r->ctx, MONITOR_HOLD_MS), &m, &health,
                         &why);

  if (rc < 0)
    {
      r->ctx->out->gap (r->ctx->out, FILE_NAME, "%s", error_text (&why));
      return;
    }
  for (const struct qmp_question *q = qmp_questions; q->name; q++)
    if (second && !q->twice)
      continue;
    else if (rc >= 0 && !collect_over (r->ctx))
      rc = ask_one (r, m, q);
    else
      left++;
  monitor_close (m);
  if (left)
    r->ctx->out->gap (r->ctx->out, FILE_NAME, "not asked: the last %u: %s",
                      left, rc < 0 ? "the one before was not answered"
                                   : "the budget ended");
  if (g->monitor == MONITOR_LIBVIRT)
    r->ctx->out->impact_since (
        r->ctx->out, begun,
        "raw monitor commands through libvirt, %u of them: the domain is "
        "tainted (custom-monitor)",
        r->asked);
  else
    r->ctx->out->impact_since (
        r->ctx->out, begun,
        "the monitor's socket held for %llu ms, %u questions",
        (unsigned long long) (clock_ms () - begun), r->asked);
}

static void
ask_typed (struct round *r)
{
  struct json_object *typed = NULL, *line;
  struct error why = ERROR_INIT;
  char at[32];

  if (monitor_libvirt_typed (r->ctx->guest,
                             collect_until (r->ctx, MONITOR_HOLD_MS), &typed,
                             &why)
      < 0)
    {
      r->ctx->out->gap (r->ctx->out, FILE_NAME, "libvirt's own calls: %s",
                        error_text (&why));
      return;
    }
  line = json_object_new_object ();
  json_add_str (line, "time", clock_format (at, sizeof at, clock_wall_ms ()));
  json_add_str (line, "libvirt", "statistics, disk errors, job, io tune");
  json_object_object_add (line, "return", json_object_get (typed));
  put_line (r, line);
  json_object_object_add (r->said, "libvirt", typed);
}

void
qmp_round (struct collect_ctx *ctx, bool raw, bool second,
           struct qmp_said *ret)
{
  struct round r = { .ctx = ctx, .said = json_object_new_object () };
  bool typed = ctx->guest->monitor == MONITOR_LIBVIRT;

  ret->at_us = clock_us ();
  if (typed)
    ask_typed (&r);
  if (!typed || raw)
    ask_all (&r, second);
  else if (!second)
    ctx->out->gap (ctx->out, "qmp/registers",
                   "through libvirt these are raw commands, which taint the "
                   "domain: the step does not say \"raw\"");
  ret->said = r.said;
}
