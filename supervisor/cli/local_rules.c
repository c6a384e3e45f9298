/* SPDX-License-Identifier: Apache-2.0
 *
 * The text rules of this host, as its daemon would take them, for verbs that
 * ask no daemon.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"

#define READ_MS 15000

int
local_rules (const struct config *cfg, struct text_rules_read *ret,
             struct error *err)
{
  return text_rules_read (opener_local (), &cfg->rules, true,
                          clock_ms () + READ_MS, ret, err);
}

int
local_verdicts (const struct config *cfg, struct verdict_files *ret,
                struct error *err)
{
  return verdict_files_read (opener_local (), &cfg->verdicts,
                             clock_ms () + READ_MS, ret, err);
}

void
local_rules_faults (const struct text_rules_read *r)
{
  for (unsigned i = 0; i < conf_taken_told (&r->own); i++)
    {
      fputs ("hangdog: not taken: ", stderr);
      print_text (stderr, error_text (&r->own.faults[i].err));
      fputc ('\n', stderr);
    }
  if (r->own.nfaults > CONF_FAULTS)
    fprintf (stderr, "hangdog: and %u more files\n",
             r->own.nfaults - CONF_FAULTS);
}
