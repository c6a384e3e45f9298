/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of codes (codes.def).
 */
#include "scenarios/scenario.h"

#include <string.h>

#define CODE(code, outcome, flags, way, help)                                  \
  { code, outcome, flags, way, help },
const struct outcome_code outcome_codes[] = {
#include "scenarios/codes.def"
  { .code = NULL },
};
#undef CODE

const struct outcome_code *
outcome_code_find (const char *code)
{
  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    if (strcmp (c->code, code) == 0)
      return c;
  return NULL;
}

enum way_said
outcome_code_way (const char *code)
{
  const struct outcome_code *c = outcome_code_find (code);

  return c ? c->way : WAY_UNSAID;
}
