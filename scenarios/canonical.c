/* SPDX-License-Identifier: Apache-2.0
 *
 * A scenario back as a document: every member, in the table's order, in one
 * spelling, so that two documents that mean the same compare equal as text.
 */
#include "scenarios/scenario_impl.h"

struct json_object *
scenario_to_json (const struct scenario *s)
{
  return json_encode (scenario_fields, s);
}
