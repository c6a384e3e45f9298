/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector qmp: questions to QEMU's monitor that a playbook names.
 *
 * Questions alone: QMP's query-..., and what HMP tells by "info ...".  Both
 * change nothing, by the way they are named in QEMU.
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/memory/memory.h"
#include "transports/monitor/monitor.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "qmp/asked.jsonl"
#define MAX_COMMANDS 16
#define MAX_REPLY (256u << 10)
#define INFO "info "

struct qmp_own
{
  struct json_list commands; /* char * */
  bool raw;
};

static const struct json_field fields[] = {
  { .name = "commands",
    .kind = JSON_ARRAY,
    .offset = offsetof (struct qmp_own, commands),
    .required = true,
    .min = 1,
    .max = MAX_COMMANDS,
    .elem_kind = JSON_STRING,
    .elem_size = sizeof (char *),
    .help = "questions without arguments: QMP's \"query-...\", or HMP's "
            "\"info ...\"" },
  { .name = "raw",
    .kind = JSON_BOOL,
    .offset = offsetof (struct qmp_own, raw),
    .help = "through libvirt, too: these are raw commands there, which taint "
            "the domain" },
  { .name = NULL },
};

static bool
is_info (const char *command)
{
  return strncmp (command, INFO, strlen (INFO)) == 0;
}

static bool
is_question (const char *command)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
  const char *rest = command;

  if (is_info (command))
    {
      rest += strlen (INFO);
      /* One line of words: HMP has no other way to go on. */
      return *rest && strlen (rest) < 80
             && rest[strspn (rest, "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789-_ /.:")]
                    == '\0';
    }
  if (strncmp (rest, "x-", 2) == 0)
    rest += 2;
  return strncmp (rest, "query-", 6) == 0 && rest[6] && strlen (rest) < 64
         && rest[strspn (rest, letters)] == '\0';
}

static int
check (const struct json_doc *doc, const char *path, const void *arg,
       uint64_t budget_ms, struct error *err)
{
  const struct qmp_own *own = arg;
  char *const *list = own->commands.items;
  char at[80];

  (void) budget_ms;
  for (size_t i = 0; i < own->commands.count; i++)
    if (!is_question (list[i]))
      {
        snprintf (at, sizeof at, "%s.commands[%zu]", path, i);
        return json_error_at (doc, at, err,
                              "only questions are asked: \"query-...\", or "
                              "\"info ...\"");
      }
  return 0;
}

/* Registers where keys may be are nobody's business. */
static struct json_object *
trimmed (struct json_object *reply)
{
  const char *said = json_object_get_string (reply);
  char *text = said ? strdup (said) : NULL;
  struct json_object *o;

  if (!text)
    return reply;
  o = json_object_new_string_len (
      text, (int) memory_registers_trim (text, strlen (text)));
  free (text);
  json_object_put (reply);
  return o;
}

static int
ask (struct collect_ctx *ctx, struct monitor *m, const char *command)
{
  struct buf out CLEANUP_BUF = BUF_INIT (MAX_REPLY);
  CLEANUP_JSON struct json_object *line = json_object_new_object ();
  struct json_object *reply = NULL, *args = NULL;
  struct error why = ERROR_INIT;
  char at[32];
  int rc;

  json_add_str (line, "time", clock_format (at, sizeof at, clock_wall_ms ()));
  json_add_str (line, "asked", command);
  if (is_info (command))
    {
      args = json_object_new_object ();
      json_add_str (args, "command-line", command);
    }
  rc = monitor_command (m, args ? "human-monitor-command" : command, args,
                        collect_until (ctx, MONITOR_HOLD_MS), &reply, &why);
  if (rc >= 0 && is_info (command))
    reply = trimmed (reply);
  if (rc >= 0)
    json_object_object_add (line, "return", reply);
  else
    {
      json_add_text (line, "error", why.msg, strlen (why.msg));
      ctx->out->gap (ctx->out, FILE_NAME, "%s: %s", command,
                     error_text (&why));
    }
  json_show (line, &out);
  buf_putc (&out, '\n');
  if (out.cut)
    ctx->out->gap (ctx->out, FILE_NAME, "%s: more than %u KiB", command,
                   MAX_REPLY >> 10);
  else
    ctx->out->file (ctx->out, FILE_NAME, buf_str (&out), out.len);
  /* One that QEMU does not know is no reason to stop asking. */
  return rc == -EREMOTEIO ? 0 : rc;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct qmp_own *own = ctx->own;
  const struct guest *g = ctx->guest;
  char *const *list = own->commands.items;
  enum monitor_health health = MONITOR_GONE;
  uint64_t begun = clock_ms ();
  struct monitor *m = NULL;
  unsigned n = 0;
  int rc;

  if (g->monitor == MONITOR_NONE)
    return error_set (err, ENOENT, "this guest has no monitor to ask");
  if (g->monitor == MONITOR_LIBVIRT && !own->raw)
    return error_set (err, EACCES,
                      "through libvirt these are raw commands, which taint "
                      "the domain: the step does not say \"raw\"");
  rc = monitor_open (ctx->env, g, collect_until (ctx, MONITOR_HOLD_MS), &m,
                     &health, err);
  if (rc < 0)
    return rc;
  for (; n < own->commands.count && rc == 0 && !collect_over (ctx)
         && clock_ms () - begun < MONITOR_HOLD_MS;
       n++)
    rc = ask (ctx, m, list[n]);
  monitor_close (m);
  if (n < own->commands.count)
    ctx->out->gap (ctx->out, FILE_NAME, "not asked: the last %zu of %zu",
                   own->commands.count - n, own->commands.count);
  ctx->out->impact_since (ctx->out, begun, "%u questions to the monitor%s", n,
                          g->monitor == MONITOR_LIBVIRT
                              ? ", raw ones through libvirt: the domain is "
                                "tainted (custom-monitor)"
                              : "");
  return 0;
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct qmp_own *own = arg;

  if (g->monitor == MONITOR_NONE)
    snprintf (ret->never, sizeof ret->never,
              "this guest has no monitor to ask");
  else if (g->monitor == MONITOR_LIBVIRT && !own->raw)
    snprintf (ret->never, sizeof ret->never,
              "through libvirt that taints the domain, and the step does not "
              "say \"raw\"");
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "asks its monitor %zu questions%s", own->commands.count,
            g->monitor == MONITOR_LIBVIRT
                ? " by raw commands: the domain is tainted"
                : "");
}

const struct collector collect_qmp = {
  .name = "qmp",
  .summary = "questions to QEMU's monitor that the step names",
  .touch = TOUCH_MONITOR,
  .lane = LANE_MONITOR,
  .budget_ms = 6000,
  .bytes = 16 << 10,
  .fields = fields,
  .own_size = sizeof (struct qmp_own),
  .check = check,
  .plan = plan,
  .run = run,
};
