/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions from anybody, one on each line: each is taken or gets one
 * printable line that says what is wrong; what is taken is written again in
 * one spelling, which is read as the same, and is asked of a few facts.
 */
#include "base/error.h"
#include "base/json.h"
#include "diag/ladder/ladder_impl.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 64
#define FACTS 11

static struct fact_set *
some_facts (void)
{
  static struct fact facts[FACTS];
  static struct fact_set *set;

  if (set)
    return set;
  fact_text (&facts[0], NULL, "vmm.status", "monitor", "paused", 6);
  fact_text (&facts[1], NULL, "vmm.monitor", "monitor", "answers", 7);
  fact_text (&facts[2], NULL, "kernel.event.panic", "console", "x", 1);
  fact_int (&facts[3], NULL, "vcpu.busy", "host", 2);
  fact_int (&facts[4], NULL, "vcpu.count", "host", 2);
  fact_bool (&facts[5], NULL, "disk.any_moved", "monitor", false);
  fact_real (&facts[6], NULL, "vcpu.0.share", "host", 0.5);
  fact_text (&facts[7], NULL, "vmm.status", "libvirt", "running", 7);
  fact_int (&facts[8], NULL, "disk.vda.errors", "monitor", 3);
  fact_int (&facts[9], NULL, "disk.[v*].errors", "monitor", 4);
  fact_text (&facts[10], NULL, "disk.[v*].pool", "host", "p", 1);
  MUST (fact_set_new (FACTS, &set, NULL) == 0);
  fact_set_fill (set, facts, FACTS);
  return set;
}

static void
one_line (const struct error *err)
{
  MUST (err->code > 0 && err->msg[0]);
  for (const unsigned char *p = (const unsigned char *) err->msg; *p; p++)
    MUST (*p >= 0x20 && *p != 0x7f);
}

static struct cond_list *
take (struct json_object *o, struct error *err)
{
  struct cond_list *list = NULL;

  return cond_list_read (NULL, o, "if", &list, err) == 0 ? list : NULL;
}

static void
ask (const char *text, size_t len)
{
  struct json_object *o CLEANUP_JSON
      = json_object_new_string_len (text, (int) len);
  struct ladder ladder = { .facets[FACET_VMM].state = FACET_ALIVE };
  struct error err = ERROR_INIT;
  struct cond_list *list = take (o, &err);

  if (!list)
    {
      one_line (&err);
      return;
    }
  struct json_object *said CLEANUP_JSON = cond_list_to_json (list);
  struct cond_list *again = take (said, &err);
  MUST (again);
  struct json_object *twice CLEANUP_JSON = cond_list_to_json (again);
  MUST (strcmp (json_object_get_string (said), json_object_get_string (twice))
        == 0);
  const char *failed = NULL;
  const struct fact *first = NULL;
  bool so = cond_list_holds (list, some_facts (), &ladder, &failed, &first);
  MUST (so == cond_list_holds (again, some_facts (), &ladder, NULL, NULL));
  MUST (so || (failed && !first));
  cond_list_free (list);
  cond_list_free (again);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *p = (const char *) data, *end = p + size;

  for (int i = 0; i < LINES_MAX && p < end; i++)
    {
      const char *nl = memchr (p, '\n', (size_t) (end - p));
      size_t len = (size_t) ((nl ? nl : end) - p);

      ask (p, len);
      p += len + 1;
    }
  return 0;
}
