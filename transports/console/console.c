/* SPDX-License-Identifier: Apache-2.0
 *
 * The console as a transport: what it is, and why it does not work.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "transports/console/ask.h"
#include "transports/console/hub_impl.h"
#include "transports/transport.h"

#define WHAT_MAX 96
#define FINDING_MAX 320

struct exam
{
  struct doctor_report *report;
  const struct guest *guest;
  const struct guest_console *console;
  char what[WHAT_MAX];
};

static void
say (struct exam *e, enum doctor_state state, const char *fix,
     const char *fmt, ...) __attribute__ ((format (printf, 4, 5)));

static void
say (struct exam *e, enum doctor_state state, const char *fix,
     const char *fmt, ...)
{
  char finding[FINDING_MAX];
  va_list ap;

  va_start (ap, fmt);
  (void) vsnprintf (finding, sizeof finding, fmt, ap);
  va_end (ap);
  e->report->line (e->report, state, e->what, finding, fix);
}

static void
say_talking (struct exam *e, const struct hub_look *look)
{
  char age[32];
  uint64_t now = clock_ms ();

  units_format_duration (age, sizeof age,
                         now > look->last_byte_ms ? now - look->last_byte_ms
                                                  : 0);
  say (e, DOCTOR_OK, NULL, "connected; %llu bytes so far, the last one %s ago",
       (unsigned long long) look->bytes, age);
}

static void
say_held (struct exam *e, const struct hub_look *look)
{
  char fix[400] = "";

  if (e->console->kind == CONSOLE_UNIX)
    snprintf (fix, sizeof fix, "ss -xp | grep '%s/%s'", e->console->root,
              e->console->path);
  say (e, DOCTOR_BAD, fix[0] ? fix : NULL, "another client has it: %s",
       look->detail);
}

static void
say_state (struct exam *e, const struct hub_look *look)
{
  char fix[256];

  switch (look->state)
    {
    case CONSOLE_TALKING:
      say_talking (e, look);
      break;
    case CONSOLE_SILENT:
      say (e, DOCTOR_WARN,
           "in the guest: systemctl enable --now serial-getty@ttyS0",
           "connected, but nothing has come yet: the guest may not use this "
           "console");
      break;
    case CONSOLE_IDLE:
      say (e, DOCTOR_OK, NULL, "connected for dialogues only");
      break;
    case CONSOLE_CONNECTING:
      say (e, DOCTOR_WARN, NULL, "connecting%s%s", look->detail[0] ? ": " : "",
           look->detail);
      break;
    case CONSOLE_HELD:
      say_held (e, look);
      break;
    case CONSOLE_GIVEN_WAY:
      say (e, DOCTOR_WARN, NULL, "given up for now: %s", look->detail);
      break;
    default:
      snprintf (fix, sizeof fix,
                "add \"roots\": [\"%s\"] to /etc/hangdog/config.json, then "
                "systemctl reload hangdog",
                e->console->root);
      say (e, DOCTOR_BAD, look->code == -EPERM ? fix : NULL, "%s%s%s",
           console_state_names[look->state], look->detail[0] ? ": " : "",
           look->detail);
    }
}

static void
examine (struct exam *e, const struct transport_env *env)
{
  const struct guest_console *con = e->console;
  struct error err = ERROR_INIT;
  struct hub_look look;

  snprintf (e->what, sizeof e->what, "console %s (%s, %s)", con->name,
            console_kind_names[con->kind], console_mode_names[con->mode]);
  if (!env->hub)
    say (e, DOCTOR_NA, NULL, "consoles are watched by the daemon only");
  else if (hub_look (env->hub, e->guest->inc.uuid, con->name, &look, &err) < 0)
    say (e, DOCTOR_BAD, NULL, "%s", error_text (&err));
  else
    say_state (e, &look);
  if (con->mode == CONSOLE_TAIL || con->kind == CONSOLE_LOG)
    say (e, DOCTOR_WARN, NULL, "a log: it can be read, not typed into");
  else if (con->kind == CONSOLE_STREAM)
    say (e, DOCTOR_WARN, NULL,
         "through libvirt: about seven times the CPU of a local pty");
}

static void
console_doctor (const struct transport_env *env, const struct guest *g,
                struct doctor_report *r, uint64_t deadline)
{
  struct exam e = { .report = r, .guest = g, .what = "console" };
  char fix[512];

  if (g->run == GUEST_OFF)
    say (&e, DOCTOR_NA, NULL, "the guest is off");
  else if (g->nconsoles == 0)
    say (&e, DOCTOR_BAD, guest_mend_console (g, fix, sizeof fix),
         "the guest has no console that can be reached");
  else
    for (unsigned i = 0; i < g->nconsoles && i < GUEST_MAX_CONSOLES; i++)
      {
        e.console = &g->consoles[i];
        examine (&e, env);
      }
}

static const char *
console_absent (const struct guest *g)
{
  return g->nconsoles == 0 ? "the guest has no console that can be reached"
                           : NULL;
}

const struct transport_ops transport_console = {
  .name = "console",
  .summary = "the serial or virtio console: its text, and commands typed into "
             "a shell that is logged in there",
  .touches = "keeps the console connected (hold) or takes it for each dialogue "
             "(probe); a dialogue types one line, and its echo is in the "
             "console's log",
  .lane = LANE_CONSOLE,
  .command = console_ask,
  .absent = console_absent,
  .cpu_us = 400,
  .doctor = console_doctor,
};
