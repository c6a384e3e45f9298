/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest agent among the transports, and what is wrong with it.
 */
#include "transports/agent/agent_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "transports/transport.h"

#include <stdio.h>
#include <string.h>

#define INSTALL                                                               \
  "apt-get install qemu-guest-agent (in the guest; dnf, zypper, apk have it "  \
  "under the same name; Windows: virtio-win's guest-agent)"

/* The guest's words, fit for a terminal. */
static void
plain_text (char *dst, size_t n, const char *text)
{
  struct buf plain CLEANUP_BUF = BUF_INIT (n - 1);

  text_escape (&plain, text, strlen (text), 0);
  snprintf (dst, n, "%s", buf_str (&plain));
}

static void
tell_info (struct doctor_report *rep, struct json_object *value)
{
  char version[AGENT_VERSION_MAX], missing[200], text[300];
  struct error why = ERROR_INIT;

  if (agent_said_info (value, version, sizeof version, missing, sizeof missing,
                       &why)
      < 0)
    {
      plain_text (text, sizeof text, error_text (&why));
      rep->line (rep, DOCTOR_BAD, "agent", text, NULL);
      return;
    }
  if (missing[0])
    {
      snprintf (text, sizeof text, "qemu-ga %s answers; it blocks, or does not "
                "have: %s", version, missing);
      rep->line (rep, DOCTOR_WARN, "agent", text,
                 "take them off block-rpcs (blacklist) in "
                 "/etc/qemu/qemu-ga.conf, or FILTER_RPC_ARGS in "
                 "/etc/sysconfig/qemu-ga, in the guest");
      return;
    }
  snprintf (text, sizeof text, "qemu-ga %s answers", version);
  rep->line (rep, DOCTOR_OK, "agent", text, NULL);
}

static void
tell_failure (struct doctor_report *rep, enum ask_end end, const char *detail)
{
  char text[300];

  plain_text (text, sizeof text, detail);
  switch (end)
    {
    case ASK_BUSY:
      rep->line (rep, DOCTOR_WARN, "agent", text, NULL);
      break;
    case ASK_SILENT:
    case ASK_NOT_YET:
      rep->line (rep, DOCTOR_BAD, "agent", text, INSTALL);
      break;
    default:
      rep->line (rep, DOCTOR_BAD, "agent", text, NULL);
    }
}

/* guest-info is a question that changes nothing. */
static void
agent_doctor (const struct transport_env *env, const struct guest *g,
              struct doctor_report *rep, uint64_t deadline)
{
  CLEANUP_JSON struct json_object *value = NULL;
  struct ask_result result = { .status = -1 };
  struct error why = ERROR_INIT;
  struct agent_talk t;
  int r;

  if (g->agent == AGENT_NONE)
    {
      rep->line (rep, DOCTOR_NA, "agent",
                 "the guest has no channel for a guest agent (EVE makes none)",
                 NULL);
      return;
    }
  agent_begin (&t, env, g, deadline);
  r = agent_call (&t, "guest-info", NULL, &value, &why);
  if (agent_finish (&t, r, &result, &why) < 0)
    rep->line (rep, DOCTOR_BAD, "agent", error_text (&why), NULL);
  else if (result.end == ASK_OK)
    tell_info (rep, value);
  else
    tell_failure (rep, result.end, result.detail);
  agent_end (&t);
}

static const char *
agent_absent (const struct guest *g)
{
  return g->agent == AGENT_NONE ? "the guest has no channel for a guest agent"
                                : NULL;
}

const struct transport_ops transport_agent = {
  .name = "agent",
  .summary = "questions to the guest agent, by its channel or through libvirt",
  .touches = "one question to the agent per check; a command starts a process "
             "in the guest",
  .lane = LANE_AGENT,
  .command = agent_ask,
  .cpu_us = 300,
  .absent = agent_absent,
  .doctor = agent_doctor,
};
