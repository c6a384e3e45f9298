/* SPDX-License-Identifier: Apache-2.0
 *
 * What packing and reading a bundle agree on: names, and the sum of a header.
 */
#include "controller-proto/bundle_impl.h"

#include "base/text.h"

#include <string.h>

const char *const bundle_order[]
    = { "incident.json",  "summary",       "index.html",
        "timeline.jsonl", "stacks.",       "kernel/",
        "memory/",        "sysrq/",        "console/tail",
        "monitor/",       "application/",  "metrics/",
        NULL };

bool
bundle_name_ok (const char *name)
{
  unsigned depth = 0;

  if (name == NULL || strlen (name) > BUNDLE_MAX_NAME)
    return false;
  for (;;)
    {
      char part[BUNDLE_MAX_NAME + 1];
      size_t n = strcspn (name, "/");

      memcpy (part, name, n);
      part[n] = '\0';
      /* No empty part, nothing that begins with a dot: no "..", no "//". */
      if (!text_is_name (part) || ++depth > BUNDLE_MAX_DEPTH)
        return false;
      if (name[n] == '\0')
        return true;
      name += n + 1;
    }
}

unsigned
ustar_sum (const struct ustar *h)
{
  const unsigned char *p = (const unsigned char *) h;
  unsigned sum = 0;

  for (size_t i = 0; i < sizeof *h; i++)
    sum += i >= offsetof (struct ustar, chksum)
                   && i < offsetof (struct ustar, chksum) + sizeof h->chksum
               ? ' '
               : p[i];
  return sum;
}
