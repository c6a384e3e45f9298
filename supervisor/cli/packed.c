/* SPDX-License-Identifier: Apache-2.0
 *
 * What a log is packed into that is no text, or text of another kind, and the
 * command that unpacks it: a file that holds nothing we understand must not be
 * said to be well.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

#define LOOK 4096 /* so far in is looked for what tells one sort of text */

static const struct packed
{
  const char *magic;
  unsigned len;
  const char *has; /* and further on; NULL = nothing else is needed */
  const char *what;
  const char *before, *after; /* of the file's name; NULL = no way */
  bool named;                 /* the command takes no standard input */
} packed[] = {
  { "\x1f\x8b", 2, NULL, "compressed by gzip", "zcat ", "", false },
  { "\x28\xb5\x2f\xfd", 4, NULL, "compressed by zstd", "zstdcat ", "",
    false },
  { "\xfd"
    "7zXZ",
    5, NULL, "compressed by xz", "xzcat ", "", false },
  { "BZh", 3, NULL, "compressed by bzip2", "bzcat ", "", false },
  { "\x04\x22\x4d\x18", 4, NULL, "compressed by lz4", "lz4cat ", "", false },
  { "PK\x03\x04", 4, NULL, "a zip archive", "unzip -p ", "", true },
  { "LPKSHHRH", 8, NULL, "a journal",
    "journalctl -k -o short-monotonic --file ", "", true },
  { "__CURSOR=", 9, NULL, "a journal's export",
    "sed -n s/^MESSAGE=//p ", "", false },
  { "{", 1, "\"__REALTIME_TIMESTAMP\"", "a journal in JSON",
    "jq -r .MESSAGE ", "", false },
  { "{\"log\":\"", 8, NULL, "a container's log in JSON", "jq -rj .log ", "",
    false },
  { "QFI\xfb", 4, NULL, "a disk image, and no text", NULL, NULL, false },
  { "KDUMP   ", 8, NULL, "a kernel's dump, and no text", NULL, NULL, false },
  { "makedumpfile", 12, NULL, "a kernel's dump, and no text", NULL, NULL,
    false },
  { "\x7f"
    "ELF",
    4, NULL, "a core dump or a programme, and no text", NULL, NULL, false },
};

int
packed_check (const char *name, const char *p, size_t len, const char *verb,
              struct error *err)
{
  bool in = strcmp (name, "-") == 0;
  size_t look = len < LOOK ? len : LOOK;

  for (unsigned i = 0; i < ARRAY_LEN (packed); i++)
    {
      const struct packed *k = &packed[i];
      const char *file = !in ? name : k->named ? "FILE" : "";

      if (len < k->len || memcmp (p, k->magic, k->len)
          || (k->has && !memmem (p, look, k->has, strlen (k->has))))
        continue;
      if (in)
        name = "the standard input";
      if (!k->before)
        return error_set (err, EINVAL, "%s is %s", name, k->what);
      return error_set (err, EINVAL, "%s is %s: %s%s%s | hangdog %s", name,
                        k->what, k->before, file, k->after, verb);
    }
  return 0;
}
