/* SPDX-License-Identifier: Apache-2.0
 *
 * What errors of asking over the network mean: the one table for the kinds
 * that ask there by themselves.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "transports/net/tcp.h"

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
    /* Of a connection that stood. */
    { -ECONNRESET, OUTCOME_FAILED, "reset" },
    { -EPIPE, OUTCOME_FAILED, "reset" },
    { -ENOMSG, OUTCOME_FAILED, "mismatch" },
    { -EBADMSG, OUTCOME_FAILED, "protocol" },
    { -ECANCELED, OUTCOME_NO_VERDICT, "stopped" },
    { -E2BIG, OUTCOME_NO_VERDICT, "regex-limit" },
  };
  enum ask_end end = tcp_connect_end (rc);
  char text[160];

  for (size_t i = 0; i < ARRAY_LEN (known); i++)
    if (known[i].rc == rc)
      {
        report_set (ret, known[i].outcome, known[i].code, "%s",
                    report_quote (text, sizeof text, error_text (why),
                                  strlen (error_text (why))));
        return 0;
      }
  if (end != ASK_MAX)
    {
      judge_end (end, error_text (why), ret);
      return 0;
    }
  if (err)
    *err = *why;
  return rc;
}
