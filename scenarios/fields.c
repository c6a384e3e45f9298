/* SPDX-License-Identifier: Apache-2.0
 *
 * The scenario document as a table: it checks, fills the struct, suggests
 * the nearest key, and prints the schema.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"

#include <stddef.h>

#define SECOND 1000
#define DAY (24 * 60 * 60 * SECOND)

/* Their places in the list are the cases of holds() in judge.c. */
const char *const scenario_compare_ops[]
    = { "<", "<=", "==", "!=", ">=", ">", NULL };

static const char *const severities[]
    = { "info", "warning", "critical", NULL };

#define AT(type, member) .offset = offsetof (struct type, member)

static const struct json_field select_fields[] = {
  { .name = "name", .kind = JSON_STRING, AT (scenario_select, name),
    .max = 128, .min = 1,
    .help = "glob on the hypervisor's or the display name" },
  { .name = "uuid", .kind = JSON_STRING, AT (scenario_select, uuid),
    .min = 1, .max = 64, .help = "glob on the uuid" },
  { .name = "display-name", .kind = JSON_STRING,
    AT (scenario_select, display_name), .min = 1, .max = 128,
    .help = "glob on what people call it" },
  { .name = "labels", .kind = JSON_RAW, AT (scenario_select, labels),
    .help = "object of label: glob; all must match" },
  { .name = NULL },
};

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

static const struct json_field expect_fields[] = {
  { .name = "status", .kind = JSON_INT, AT (scenario_expect, status),
    .min = -1, .max = 255,
    .help = "exit status of the command, -1 = any; default 0" },
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

/* Lengths are bounds on what one document may make the daemon keep and type:
 * it may come from a controller. */
static const struct json_field step_fields[] = {
  { .name = "name", .kind = JSON_STRING, AT (scenario_step, name),
    .required = true, .min = 1, .max = 63, .help = "of this step" },
  { .name = "send", .kind = JSON_BYTES, AT (scenario_step, send), .min = 1,
    .max = 1024,
    .help = "typed first; \\r \\n \\t \\e \\xNN \\\\ as in C, ${nonce} is "
            "random in each run" },
  { .name = "expect", .kind = JSON_ARRAY, AT (scenario_step, expect),
    .max = 16, .elem_size = sizeof (char *), .elem_kind = JSON_STRING,
    .help = "PCRE2s: the first that matches decides" },
  { .name = "timeout", .kind = JSON_DURATION,
    AT (scenario_step, timeout_ms), .min = 1, .max = DAY,
    .help = "how long to wait for one; default what is left of the "
            "scenario's" },
  { .name = "go-to", .kind = JSON_STRING, AT (scenario_step, go_to),
    .min = 1, .max = 63,
    .help = "step after a match, \"end\" = well; default the next" },
  { .name = "else", .kind = JSON_STRING, AT (scenario_step, otherwise),
    .min = 1, .max = 63,
    .help = "step when nothing matched in time; default: failed" },
  { .name = "fail", .kind = JSON_STRING, AT (scenario_step, fail), .min = 1,
    .max = 150, .help = "sentence: a match here is a failure" },
  { .name = NULL },
};

const char *const scenario_ssh_hosts[] = { "strict", "accept-new", NULL };

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
    .names = scenario_ssh_hosts,
    .help = "strict: only hosts in known_hosts there; accept-new: one never "
            "seen is noted down; default strict" },
  { .name = NULL },
};

static const struct json_field hours_fields[] = {
  { .name = "from", .kind = JSON_STRING, AT (scenario_hours, from),
    .required = true, .min = 5, .max = 5, .help = "HH:MM, local time" },
  { .name = "to", .kind = JSON_STRING, AT (scenario_hours, to),
    .required = true, .min = 5, .max = 5,
    .help = "HH:MM, not included; before `from` = on the next day" },
  { .name = "days", .kind = JSON_STRING, AT (scenario_hours, days),
    .min = 3, .max = 40,
    .help = "\"mon,tue\": days on which it begins; default every day" },
  { .name = NULL },
};

const struct json_field scenario_fields[] = {
  { .name = "schema", .kind = JSON_STRING, AT (scenario, schema),
    .help = SCENARIO_SCHEMA },
  { .name = "name", .kind = JSON_STRING, AT (scenario, name),
    .required = true, .min = 1, .max = 63,
    .help = "[A-Za-z0-9._-], unique on a host" },
  { .name = "kind", .kind = JSON_STRING, AT (scenario, kind_name),
    .required = true, .min = 1, .max = 32,
    .help = "console-command, dialogue, ssh-command or tcp" },
  { .name = "description", .kind = JSON_STRING, AT (scenario, description),
    .max = 1000, .min = 0, .help = "for people" },
  { .name = "select", .kind = JSON_OBJECT, AT (scenario, select),
    .sub = select_fields,
    .help = "which guests; all that is given must match" },
  { .name = "transports", .kind = JSON_ARRAY, AT (scenario, transports),
    .max = 8, .elem_size = sizeof (char *), .elem_kind = JSON_STRING,
    .help = "ways it may take; default those of its kind" },
  /* Lower bounds that depend on another member are checked in scenario.c,
   * which can name both. */
  { .name = "interval", .kind = JSON_DURATION, AT (scenario, interval_ms),
    .min = 0, .max = 7LL * DAY,
    .help = "from start to start, 1s or longer; default 30s" },
  { .name = "timeout", .kind = JSON_DURATION, AT (scenario, timeout_ms),
    .min = 0, .max = DAY,
    .help = "for one run, shorter than the interval; default 10s" },
  { .name = "jitter", .kind = JSON_DURATION, AT (scenario, jitter_ms),
    .min = 0, .max = DAY,
    .help = "random time added to the interval; default 0s" },
  { .name = "initial-delay", .kind = JSON_DURATION,
    AT (scenario, initial_delay_ms), .min = 0, .max = DAY,
    .help = "after the guest's boot; default 60s" },
  { .name = "retry-interval", .kind = JSON_DURATION, AT (scenario, retry_ms),
    .min = 0, .max = DAY,
    .help = "until the next look after a first failure; default 5s" },
  { .name = "failure-threshold", .kind = JSON_INT,
    AT (scenario, failure_threshold), .min = 1, .max = 100,
    .help = "failures in a row that make an incident; default 2" },
  { .name = "success-threshold", .kind = JSON_INT,
    AT (scenario, success_threshold), .min = 1, .max = 100,
    .help = "successes in a row that make it well; default 1" },
  { .name = "quiet-hours", .kind = JSON_ARRAY, AT (scenario, quiet_hours),
    .max = 16, .sub = hours_fields,
    .elem_size = sizeof (struct scenario_hours),
    .help = "when it is not run" },
  { .name = "severity", .kind = JSON_ENUM, AT (scenario, severity),
    .names = severities, .help = "of its incidents; default critical" },
  { .name = "playbook", .kind = JSON_STRING, AT (scenario, playbook),
    .min = 1, .max = 63,
    .help = "what is collected when it failed; default standard" },
  { .name = "console", .kind = JSON_STRING, AT (scenario, console),
    .min = 1, .max = 31,
    .help = "which console; default the first that can be typed into" },
  { .name = "command", .kind = JSON_STRING, AT (scenario, command),
    .min = 1, .max = 1024,
    .help = "console-command, ssh-command: one shell command" },
  { .name = "address", .kind = JSON_STRING, AT (scenario, address),
    .min = 1, .max = 64,
    .help = "tcp, ssh-command: \"IP:PORT\", or \"guest:PORT\" for the "
            "guest's own" },
  { .name = "ssh", .kind = JSON_OBJECT, AT (scenario, ssh),
    .sub = ssh_fields, .help = "ssh-command: how to log in" },
  { .name = "send", .kind = JSON_BYTES, AT (scenario, send), .min = 1,
    .max = 1024,
    .help = "tcp: sent after connecting, escapes as in a step" },
  { .name = "expect", .kind = JSON_OBJECT, AT (scenario, expect),
    .sub = expect_fields, .help = "what \"well\" means" },
  { .name = "steps", .kind = JSON_ARRAY, AT (scenario, steps), .max = 64,
    .sub = step_fields, .elem_size = sizeof (struct scenario_step),
    .help = "dialogue: what is said and waited for" },
  { .name = NULL },
};

void
scenario_schema (struct buf *out)
{
  json_schema (scenario_fields, SCENARIO_SCHEMA,
               "What \"well\" means for a guest", out);
}
