/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows that the daemon answers "status" with, and their tables for people.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_STATUS_H
#define HANGDOG_SUPERVISOR_CLI_STATUS_H

#include <json-c/json.h>
#include <stdio.h>

enum status_kind
{
  STATUS_DAEMON,
  STATUS_SOURCE,
  STATUS_GUEST,
  STATUS_CONSOLE,
  STATUS_SCENARIO,
  STATUS_INCIDENT,
  STATUS_STUCK,
  STATUS_TEXT,
  STATUS_DOUBLE,
  STATUS_BEAT,
  STATUS_NO_BEAT,
  STATUS_REACH,
  STATUS_HOST,
  STATUS_HISTORY, /* made here, of a guest's scenarios */
  STATUS_KINDS,
};
/* What a row's member "row" has. */
extern const char *const status_kinds[STATUS_KINDS];

/* rows: arrays, by kind.  What is shown of them is added to them. */
void status_tables (struct json_object *const rows[STATUS_KINDS], FILE *out);

#endif
