/* SPDX-License-Identifier: Apache-2.0
 *
 * A scenario back as a document: every member, in the tables' order, in one
 * spelling, so that two documents that mean the same compare equal as text.
 */
#include "scenarios/scenario_impl.h"

struct json_object *
scenario_to_json (const struct scenario *s)
{
  struct json_field table[3];

  scenario_table (s->kind, table);
  return json_encode (table, s);
}
