/* SPDX-License-Identifier: Apache-2.0
 *
 * What errors of asking over the network mean: the one table for the kinds
 * that ask there by themselves.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

int
judge_net (int rc, const struct error *why, struct outcome_report *ret,
           struct error *err)
{
  static const struct
  {
    int rc;
    enum outcome outcome;
    const char *code;
  } known[] = {
    { -ECONNREFUSED, OUTCOME_FAILED, "refused" },
    { -ECONNRESET, OUTCOME_FAILED, "reset" },
    { -EPIPE, OUTCOME_FAILED, "reset" },
    { -EHOSTUNREACH, OUTCOME_FAILED, "unreachable" },
    { -EHOSTDOWN, OUTCOME_FAILED, "unreachable" },
    { -ETIMEDOUT, OUTCOME_FAILED, "timeout" },
    { -ENOMSG, OUTCOME_FAILED, "mismatch" },
    { -EBADMSG, OUTCOME_FAILED, "protocol" },
    /* The host's own: no route, no interface. */
    { -ENETUNREACH, OUTCOME_NO_VERDICT, "no-route" },
    { -ENETDOWN, OUTCOME_NO_VERDICT, "no-route" },
    { -ENODEV, OUTCOME_NO_VERDICT, "no-route" },
    { -ENXIO, OUTCOME_NO_VERDICT, "no-route" },
    { -ENONET, OUTCOME_NO_VERDICT, "no-netns" },
    { -ECANCELED, OUTCOME_NO_VERDICT, "stopped" },
    { -E2BIG, OUTCOME_NO_VERDICT, "regex-limit" },
  };
  char text[160];

  for (size_t i = 0; i < ARRAY_LEN (known); i++)
    if (known[i].rc == rc)
      {
        report_set (ret, known[i].outcome, known[i].code, "%s",
                    report_quote (text, sizeof text, error_text (why),
                                  strlen (error_text (why))));
        return 0;
      }
  if (err)
    *err = *why;
  return rc;
}
