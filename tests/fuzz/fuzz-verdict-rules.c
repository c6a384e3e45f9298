/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of rules of the verdict from anybody: each is taken whole or gets one
 * printable line that says what is wrong, and then the rules are what they
 * were; what is taken is asked of a few facts.
 */
#include "base/error.h"
#include "diag/ladder/rules_impl.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
one_line (const struct error *err)
{
  MUST (err->code > 0 && err->msg[0]);
  for (const unsigned char *p = (const unsigned char *) err->msg; *p; p++)
    MUST (*p >= 0x20 && *p != 0x7f);
}

static void
printable (const char *s, size_t max)
{
  MUST (strnlen (s, max) < max);
  for (; *s; s++)
    MUST ((unsigned char) *s >= 0x20 && *s != 0x7f);
}

static void
ask (const struct verdict_rules *rules)
{
  const struct cause cause = { "web", "silent", "not \x1b a word" };
  struct fact facts[4];
  struct fact_set *set;
  struct ladder ladder;
  struct verdict v;

  fact_text (&facts[0], NULL, "vmm.status", "monitor", "\x1b[1m\xff", 5);
  fact_text (&facts[1], NULL, "kernel.event.panic", "console", "x\n", 2);
  fact_int (&facts[2], NULL, "vcpu.busy", "host", 2);
  fact_bool (&facts[3], NULL, "disk.any_moved", "monitor", false);
  MUST (fact_set_new (4, &set, NULL) == 0);
  fact_set_fill (set, facts, 4);
  ladder_climb (rules, set, &ladder);
  ladder_verdict (rules, &ladder, set, &cause, &v);
  printable (v.class_, sizeof v.class_);
  printable (v.culprit, sizeof v.culprit);
  printable (v.sentence, sizeof v.sentence);
  printable (v.next, sizeof v.next);
  MUST (v.class_[0] && v.confidence[0]);
  fact_set_free (set);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct verdict_rules *ours;
  struct verdict_rules more = { .refs = 1 };
  struct error err = ERROR_INIT;

  if (size > 32768)
    return 0;
  MUST (ours || verdict_rules_new (&ours, &err) == 0);
  if (verdict_rules_read_ (ours, (const char *) data, size, "fuzz", &more,
                           &err)
      < 0)
    {
      one_line (&err);
      MUST (more.nfacets + more.nverdicts + more.nfindings == 0);
      return 0;
    }
  ask (&more);
  verdict_rules_done_ (&more);
  return 0;
}
