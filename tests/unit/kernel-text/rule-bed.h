/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules from a few words, and lines for them.
 */
#ifndef HANGDOG_TESTS_RULE_BED_H
#define HANGDOG_TESTS_RULE_BED_H

#include "base/error.h"
#include "kernel/text/rules_impl.h"

#include <stdio.h>
#include <string.h>

#define RULES_HEAD "{ \"schema\": \"hangdog/text-rules/1\", \"rules\": ["
#define RULES_TAIL "] }"

static inline struct text_rules *
rules_with (const char *list)
{
  static char text[1 << 16];
  struct text_rules *r = NULL;
  struct error err = ERROR_INIT;
  int n = snprintf (text, sizeof text, RULES_HEAD "%s" RULES_TAIL, list);

  assert_in_range (n, 1, sizeof text - 1);
  if (text_rules_none (&r, &err) < 0
      || text_rules_add (r, text, (size_t) n, "bed.json", &err) < 0)
    fail_msg ("%s", error_text (&err));
  return r;
}

/* A message as it is after its prefixes were taken off. */
static inline struct text_msg
message (const char *text, enum text_from from)
{
  static struct text_line line;

  line = (struct text_line){ .text = text, .len = strlen (text) };
  return (struct text_msg){
    .line = &line,
    .text = text,
    .len = strlen (text),
    .from = from,
    .level = -1,
  };
}

static inline struct stage
stage_of (enum text_stage stage)
{
  struct stage s = STAGE_INIT;

  s.stage = stage;
  return s;
}

#endif
