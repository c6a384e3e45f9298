/* SPDX-License-Identifier: Apache-2.0
 *
 * What machine a guest is, and on what host.
 */
#include "diag/report/machine.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/units.h"

#include <inttypes.h>
#include <string.h>

static void
part (struct buf *out, const char *before, const char *text)
{
  if (text && text[0])
    buf_printf (out, "%s%s%s", out->len ? ", " : "", before, text);
}

static void
cpus (struct buf *out, int64_t n, const char *model)
{
  if (n > 0)
    buf_printf (out, "%s%" PRId64 " CPU%s", out->len ? ", " : "", n,
                n == 1 ? "" : "s");
  if (n > 0 && model && model[0])
    buf_printf (out, " (%s)", model);
}

static void
memory (struct buf *out, int64_t bytes)
{
  char text[32];

  if (bytes > 0)
    part (out, "", units_format_size (text, sizeof text, (uint64_t) bytes));
}

/* The newest of that name. */
static const char *
fact (struct json_object *manifest, const char *name)
{
  struct json_object *facts = json_get (manifest, "facts");
  const char *newest = NULL;
  int64_t at = -1;

  for (size_t i = 0; i < json_count (facts); i++)
    {
      struct json_object *f = json_object_array_get_idx (facts, i);
      const char *is = json_get_str (f, "name");

      if (is && strcmp (is, name) == 0 && json_get_int (f, "time_ms", 0) > at)
        {
          at = json_get_int (f, "time_ms", 0);
          newest = json_get_str (f, "value");
        }
    }
  return newest;
}

void
machine_guest (struct json_object *manifest, struct buf *out)
{
  struct json_object *g = json_get (manifest, "guest");

  cpus (out, json_get_int (g, "vcpus", 0), json_get_str (g, "cpu"));
  memory (out, json_get_int (g, "memory_bytes", 0));
  part (out, "", json_get_str (g, "machine"));
  part (out, "", json_get_str (g, "accel"));
  part (out, "QEMU ", fact (manifest, "vmm.version"));
  part (out, "kernel ", fact (manifest, "kernel.release"));
}

void
machine_host (struct json_object *manifest, struct buf *out)
{
  struct json_object *h = json_get (manifest, "host");

  part (out, "", json_get_str (h, "name"));
  cpus (out, json_get_int (h, "cpus", 0), json_get_str (h, "cpu"));
  memory (out, json_get_int (h, "mem_bytes", 0));
  part (out, "", json_get_str (h, "os"));
  part (out, "kernel ", json_get_str (h, "kernel"));
}
