/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that several kinds have: the tables, and what a table can't say.
 */
#include "scenarios/scenario_impl.h"

#include "base/error.h"
#include "transports/net/socket.h"
#include "transports/ssh/ssh.h"

#include <stddef.h>
#include <stdio.h>

#define AT(type, member) .offset = offsetof (struct type, member)

/* ---- expect ---- */

/* Their places in the list are the cases of judge_holds() in judge.c. */
const char *const scenario_compare_ops[]
    = { "<", "<=", "==", "!=", ">=", ">", NULL };

static const struct json_field compare_fields[] = {
  { .name = "capture", .kind = JSON_STRING, AT (scenario_compare, capture),
    .required = true, .min = 1, .max = 32,
    .help = "a named group of `output` that is a number" },
  { .name = "op", .kind = JSON_ENUM, AT (scenario_compare, op),
    .required = true, .names = scenario_compare_ops,
    .help = "what must hold between it and the value" },
  { .name = "value", .kind = JSON_DOUBLE, AT (scenario_compare, value),
    .required = true, .help = "the number it is compared with" },
  { .name = NULL },
};

const struct json_field scenario_answer_members[] = {
  { .name = "output", .kind = JSON_STRING, AT (scenario_expect, output),
    .min = 1, .max = SCENARIO_REGEX_MAX,
    .help = "PCRE2 that must match; ^ and $ are the ends of a line" },
  { .name = "not-output", .kind = JSON_STRING,
    AT (scenario_expect, not_output), .min = 1, .max = SCENARIO_REGEX_MAX,
    .help = "PCRE2 that must not match" },
  { .name = "compare", .kind = JSON_ARRAY, AT (scenario_expect, compare),
    .max = 8, .sub = compare_fields,
    .elem_size = sizeof (struct scenario_compare),
    .help = "numbers that `output` captured, all must hold" },
  { .name = NULL },
};

static const struct json_field expect_fields[] = {
  { .name = "status", .kind = JSON_INT, AT (scenario_expect, status),
    .min = -1, .max = 255,
    .help = "exit status of the command, -1 = any; default 0" },
  { .kind = JSON_GROUP, .sub = scenario_answer_members },
  { .name = NULL },
};

#define WELL_HELP "what \"well\" means"

const struct json_field scenario_answer_keys[] = {
  { .name = "expect", .kind = JSON_OBJECT, .sub = scenario_answer_members,
    .help = WELL_HELP },
  { .name = NULL },
};

const struct json_field scenario_expect_keys[] = {
  { .name = "expect", .kind = JSON_OBJECT, .sub = expect_fields,
    .help = WELL_HELP },
  { .name = NULL },
};

static int
check_regex (const struct scenario_at *at, const char *key,
             const char *pattern, struct regex **ret)
{
  struct error why = ERROR_INIT;
  struct regex *re;

  if (regex_new (pattern, &re, &why) < 0)
    return scenario_bad (at, key, "%s", error_text (&why));
  if (ret)
    *ret = re;
  else
    regex_free (re);
  return 0;
}

int
scenario_check_expect (const struct scenario_at *at,
                       const struct scenario_expect *expect)
{
  const struct scenario_compare *c = expect->compare.items;
  CLEANUP_REGEX struct regex *re = NULL;
  int rc;

  if (expect->output
      && (rc = check_regex (at, "expect.output", expect->output, &re)) < 0)
    return rc;
  if (expect->not_output
      && (rc = check_regex (at, "expect.not-output", expect->not_output,
                            NULL))
             < 0)
    return rc;
  for (size_t i = 0; i < expect->compare.count; i++, c++)
    {
      char key[64];

      snprintf (key, sizeof key, "expect.compare[%zu].capture", i);
      if (!re)
        return scenario_bad (at, key,
                             "there is no expect.output to capture it; add "
                             "one with a group (?<%s>...)",
                             c->capture);
      if (!regex_has_group (re, c->capture))
        return scenario_bad (at, key,
                             "expect.output has no group of that name; write "
                             "it as (?<%s>...)",
                             c->capture);
    }
  return 0;
}

/* ---- command ---- */

const struct json_field scenario_command_keys[] = {
  { .name = "command", .kind = JSON_STRING, AT (scenario_command, command),
    .required = true, .min = 1, .max = 1024, .help = "one shell command" },
  { .name = "expect", .kind = JSON_OBJECT, AT (scenario_command, expect),
    .sub = expect_fields, .help = WELL_HELP },
  { .name = NULL },
};

int
scenario_check_command (const struct scenario_at *at,
                        const struct scenario_command *command,
                        const char *why_line)
{
  for (const unsigned char *p = (const unsigned char *) command->command; *p;
       p++)
    if (*p < 0x20 || *p == 0x7f)
      return scenario_bad (at, "command",
                           "must be one line without control characters; use "
                           "\";\" between commands, %s",
                           why_line);
  return scenario_check_expect (at, &command->expect);
}

/* ---- console ---- */

const struct json_field scenario_console_keys[] = {
  { .name = "console", .kind = JSON_STRING, .min = 1, .max = 31,
    .help = "which console; default the first that can be typed into" },
  { .name = NULL },
};

/* ---- mailbox ---- */

const struct json_field scenario_mailbox_keys[] = {
  { .name = "mailbox", .kind = JSON_STRING, .min = 1, .max = 255,
    .help = "disk: which disk of the guest (\"vdb\"), or which of its "
            "files in the folders of `mailboxes` (UUID.mailbox, NAME.mailbox); "
            "default the one that is a mailbox" },
  { .name = NULL },
};

/* ---- netns ---- */

const struct json_field scenario_netns_keys[] = {
  { .name = "netns", .kind = JSON_STRING, .min = 1, .max = 64,
    .help = "network namespace to ask from: a name in /run/netns, or "
            "\"guest\" for the one that the guest's QEMU runs in; default the "
            "host's" },
  { .name = NULL },
};

int
scenario_check_netns (const struct scenario_at *at, const char *netns)
{
  if (!netns || net_name_ok (netns))
    return 0;
  return scenario_bad (at, "netns",
                       "must be a name in /run/netns, without a path, or "
                       "\"guest\"");
}

/* ---- samples ---- */

int
scenario_check_samples (const struct scenario *s,
                        const struct scenario_at *at, uint64_t apart_ms,
                        uint64_t looks_ms)
{
  if (apart_ms + looks_ms <= s->timeout_ms)
    return 0;
  return scenario_bad (at, "samples-apart",
                       "does not fit into the timeout with two looks; "
                       "lengthen that, or shorten this");
}

/* ---- ssh ---- */

static const char *const host_names[] = { "strict", "accept-new", NULL };

static const struct json_field ssh_fields[] = {
  { .name = "user", .kind = JSON_STRING, AT (scenario_ssh, user),
    .required = true, .min = 1, .max = 64, .help = "to log in as" },
  { .name = "key", .kind = JSON_STRING, AT (scenario_ssh, key), .min = 1,
    .max = 63,
    .help = "name of a private key in the folder ssh beside the "
            "configuration" },
  { .name = "password", .kind = JSON_STRING, AT (scenario_ssh, password),
    .min = 1, .max = 63,
    .help = "name of a file there that holds a password" },
  { .name = "host-keys", .kind = JSON_ENUM, AT (scenario_ssh, hosts),
    .names = host_names,
    .help = "strict: only hosts in known_hosts there; accept-new: one never "
            "seen is noted down; default strict" },
  { .name = NULL },
};

const struct json_field scenario_ways_keys[] = {
  { .kind = JSON_GROUP, .sub = scenario_console_keys,
    AT (scenario_ways, console) },
  { .kind = JSON_GROUP, .sub = scenario_mailbox_keys,
    AT (scenario_ways, mailbox) },
  { .name = "address", .kind = JSON_STRING, AT (scenario_ways, address),
    .min = 1, .max = 64,
    .help = "ssh: \"IP:PORT\", or \"guest:PORT\" for the guest's own" },
  { .kind = JSON_GROUP, .sub = scenario_netns_keys,
    AT (scenario_ways, netns) },
  { .name = "ssh", .kind = JSON_OBJECT, AT (scenario_ways, ssh),
    .sub = ssh_fields, .help = "ssh: how to log in" },
  { .name = NULL },
};

int
scenario_check_ssh (const struct scenario_at *at,
                    const struct scenario_ssh *ssh)
{
  /* It would be taken for an option or a host by whoever prints it. */
  for (const char *p = ssh->user; *p; p++)
    if ((unsigned char) *p <= 0x20 || (unsigned char) *p >= 0x7f)
      return scenario_bad (at, "ssh.user",
                           "has a byte that no user's name has");
  if (!ssh->key && !ssh->password)
    return scenario_bad (at, "ssh", "needs a \"key\" or a \"password\"");
  if ((ssh->key && !ssh_secret_name (ssh->key))
      || (ssh->password && !ssh_secret_name (ssh->password)))
    return scenario_bad (at, "ssh",
                         "keys and passwords are named by a file in the "
                         "folder ssh beside the configuration, without a "
                         "path");
  if (ssh->password && ssh->hosts == HOSTS_ACCEPT_NEW)
    return scenario_bad (at, "ssh",
                         "a password is not shown to a server that nobody "
                         "knows: use a key, or \"host-keys\": \"strict\"");
  return 0;
}
