/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows that the daemon answers "status" with, and their tables for people.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_STATUS_H
#define HANGDOG_SUPERVISOR_CLI_STATUS_H

#include "supervisor/conf/health_words.h"

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
  STATUS_PAUSE,
  STATUS_HISTORY, /* made here, of a guest's scenarios */
  STATUS_KINDS,
};
/* What a row's member "row" has. */
extern const char *const status_kinds[STATUS_KINDS];

/* Of health_words.def in its order, then "absent"; ends with NULL. */
extern const char *const health_words[];
/* WORD_MAX: a daemon that is newer, or older, knows others. */
enum health_word health_word_find (const char *word);
/* What so many guests of each word come to; the last are of no word. */
int health_code (const unsigned by_word[WORD_MAX + 1]);

/* rows: arrays, by kind.  What is shown of them is added to them. */
void status_tables (struct json_object *const rows[STATUS_KINDS], FILE *out);

#endif
