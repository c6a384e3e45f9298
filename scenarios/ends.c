/* SPDX-License-Identifier: Apache-2.0
 *
 * What each end of asking means: the one table for all ways.
 *
 * An outcome says what it means for the guest's health, its code what it means
 * for the way (codes.def): whether another one is worth a try (WAY_UNUSABLE),
 * has to be asked, too, before the guest is blamed (WAY_LOST), or would tell
 * the same.
 */
#include "scenarios/scenario_impl.h"

#include "transports/ask.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

#define LOGIN_HINT                                                             \
  "; set up autologin there, or use a dialogue that expects the prompt"
#define PASSWORD_HINT "; hangdog types none"

struct meaning
{
  enum outcome outcome;
  const char *code;
  const char *sentence;      /* where the way itself says nothing */
  const char *before, *hint; /* around what it says */
};

static const struct meaning means[ASK_MAX] = {
  [ASK_KILLED]
  = { OUTCOME_FAILED, "killed", "the command was ended by a signal" },
  [ASK_SILENT] = { OUTCOME_FAILED, "silent", "nothing at all came back" },
  [ASK_NO_ECHO]
  = { OUTCOME_FAILED, "no-echo", "the console did not echo what was typed" },
  [ASK_NO_ANSWER] = { OUTCOME_FAILED, "no-answer",
                      "the command was taken, and then nothing answered it "
                      "in time" },
  [ASK_XOFF] = { OUTCOME_FAILED, "xoff", "the console takes no input" },
  [ASK_UNREACHABLE]
  = { OUTCOME_FAILED, "unreachable", "its address can't be reached" },
  [ASK_REFUSED] = { OUTCOME_FAILED, "refused", "the connection was refused" },
  [ASK_TIMEOUT]
  = { OUTCOME_FAILED, "timeout", "nobody answered the connection in time" },
  [ASK_PROTOCOL]
  = { OUTCOME_FAILED, "protocol", "what answers is not what is asked for" },
  [ASK_LOGIN_TIMEOUT]
  = { OUTCOME_FAILED, "login-timeout", "nobody was let in in time" },
  [ASK_DISCONNECTED] = { OUTCOME_FAILED, "disconnected", "it hung up" },
  /* Whoever answers there is not known to be the guest, and somebody must be
   * told, whatever another way says. */
  [ASK_HOST_CHANGED] = { OUTCOME_FAILED, "host-key-changed",
                         "who answers has another key than it must have",
                         .before = "HOST KEY CHANGED: " },
  [ASK_CANT]
  = { OUTCOME_FAILED, "agent-error", "who was asked could not do it" },

  [ASK_LOGIN] = { OUTCOME_NO_VERDICT, "login-prompt",
                  "the console is at a login prompt", .hint = LOGIN_HINT },
  [ASK_PASSWORD] = { OUTCOME_NO_VERDICT, "password-prompt",
                     "the console asks for a password", .hint = PASSWORD_HINT },
  [ASK_AUTH] = { OUTCOME_NO_VERDICT, "auth-failed", "it does not let us in" },
  [ASK_HOST_UNKNOWN] = { OUTCOME_NO_VERDICT, "host-key-unknown",
                         "nobody has said which key it must have" },
  /* It was asked, and did what was asked, and more. */
  [ASK_FLOOD] = { OUTCOME_NO_VERDICT, "output-flood",
                  "the command said more than is listened to" },
  /* Nobody answers in a boot, by whatever way. */
  [ASK_BOOTLOADER] = { OUTCOME_NO_VERDICT, "bootloader",
                       "the console is in the firmware or boot loader" },
  [ASK_BOOTING]
  = { OUTCOME_NO_VERDICT, "booting", "the guest boots or shuts down" },
  [ASK_FLOODED] = { OUTCOME_NO_VERDICT, "console-flooded",
                    "the guest prints faster than can be searched: its "
                    "console can't be asked now" },
  [ASK_BLOCKED]
  = { OUTCOME_NO_VERDICT, "agent-blocked", "its agent blocks the command" },
  /* Whoever writes there waits until the backup is done. */
  [ASK_FROZEN]
  = { OUTCOME_NO_VERDICT, "frozen", "the guest's file systems are frozen" },
  [ASK_NOT_YET] = { OUTCOME_NO_VERDICT, "agent-waiting",
                    "its agent has not answered yet, and the guest is young" },

  [ASK_BUSY] = { OUTCOME_NO_VERDICT, "console-busy",
                 "another client or person has the console" },
  [ASK_TAKEN] = { OUTCOME_NO_VERDICT, "console-taken",
                  "the console was taken or went away on the way" },
  [ASK_ABSENT]
  = { OUTCOME_NO_VERDICT, "console-absent", "there is no such console now" },
  [ASK_READ_ONLY]
  = { OUTCOME_NO_VERDICT, "console-read-only", "it can't be typed into" },
  [ASK_NO_MAILBOX]
  = { OUTCOME_NO_VERDICT, "mailbox-absent", "it has no mailbox" },
  [ASK_REPORT_ONLY] = { OUTCOME_NO_VERDICT, "mailbox-report-only",
                        "its mailbox takes no commands" },
  [ASK_MAILBOX_UNUSABLE] = { OUTCOME_NO_VERDICT, "mailbox-unusable",
                             "its mailbox can't be opened or read" },
  [ASK_MAILBOX_STUCK]
  = { OUTCOME_NO_VERDICT, "mailbox-stuck",
      "what its mailbox is on does not answer this host" },
  [ASK_OPEN_TIMEOUT] = { OUTCOME_NO_VERDICT, "console-timeout",
                         "the console did not open in time" },
  [ASK_BROKEN]
  = { OUTCOME_NO_VERDICT, "console-broken", "the console does not open" },
  [ASK_NO_ROUTE]
  = { OUTCOME_NO_VERDICT, "no-route", "this host has no way there" },
  [ASK_NO_NETNS]
  = { OUTCOME_NO_VERDICT, "no-netns", "the network namespace can't be had" },
  [ASK_NO_ADDRESS] = { OUTCOME_NO_VERDICT, "no-address",
                       "the guest's address is not known here" },
  [ASK_UNUSABLE] = { OUTCOME_NO_VERDICT, "ssh-unusable",
                     "what this host needs for it can't be used" },
  [ASK_STUCK]
  = { OUTCOME_NO_VERDICT, "own-failure", "who asked had to be ended" },
};

/* The same end by another way than the console, where it is called something
 * else there. */
static const struct
{
  const char *way;
  enum ask_end end;
  struct meaning means;
} means_by_way[] = {
  { "agent",
    ASK_SILENT,
    { OUTCOME_FAILED, "agent-silent", "its agent does not answer" } },
  { "agent",
    ASK_BUSY,
    { OUTCOME_NO_VERDICT, "agent-busy", "another client has the agent" } },
  { "agent",
    ASK_ABSENT,
    { OUTCOME_NO_VERDICT, "agent-absent",
      "there is no agent that could be asked" } },
  { "agent",
    ASK_TAKEN,
    { OUTCOME_NO_VERDICT, "agent-absent", "the agent's channel went away" } },
  { "agent",
    ASK_OPEN_TIMEOUT,
    { OUTCOME_NO_VERDICT, "agent-broken",
      "the agent's channel did not open in time" } },
  { "agent",
    ASK_BROKEN,
    { OUTCOME_NO_VERDICT, "agent-broken",
      "the agent's channel does not open" } },
};

static const struct meaning *
meaning_of (const struct transport_ops *way, enum ask_end end)
{
  for (size_t i = 0; way && i < ARRAY_LEN (means_by_way);
       i++)
    if (means_by_way[i].end == end
        && strcmp (means_by_way[i].way, way->name) == 0)
      return &means_by_way[i].means;
  return &means[end < ASK_MAX ? end : ASK_OK];
}

void
judge_end (enum ask_end end, const char *detail, struct outcome_report *ret)
{
  judge_end_by (NULL, end, detail, ret);
}

void
judge_end_by (const struct transport_ops *way, enum ask_end end,
              const char *detail, struct outcome_report *ret)
{
  const struct meaning *m = meaning_of (way, end);
  char seen[170];

  if (!m->code)
    {
      report_set (ret, OUTCOME_NO_VERDICT, "internal",
                  "an end of asking that has no meaning (%d)", (int) end);
      return;
    }
  /* What was seen, where the way says it; else what it means. */
  if (detail && *detail)
    report_set (ret, m->outcome, m->code, "%s%s%s", m->before ? m->before : "",
                report_quote (seen, sizeof seen, detail, strlen (detail)),
                m->hint ? m->hint : "");
  else
    report_set (ret, m->outcome, m->code, "%s", m->sentence);
}
