/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output that means harm: whatever it is, what comes of it is bounded,
 * is a document, and is the same however the text was cut.
 */
#include "tests/unit/kernel-text/dump.h"

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_frames (const struct text_frame *f, unsigned n)
{
  MUST (n <= SYSRQ_MAX_STACK);
  for (unsigned i = 0; i < n; i++)
    MUST (memchr (f[i].func, '\0', sizeof f[i].func)
          && memchr (f[i].module, '\0', sizeof f[i].module));
}

static void
check_tasks (const struct sysrq_dump *d)
{
  const struct sysrq_task *t;
  const struct sysrq_cpu *c;
  unsigned n = sysrq_dump_tasks (d, &t), blocked = 0;

  MUST (n <= SYSRQ_MAX_TASKS);
  for (unsigned i = 0; i < n; i++)
    {
      check_frames (t[i].frames, t[i].nframes);
      MUST (t[i].nregs <= SYSRQ_MAX_REGS && t[i].state);
      MUST (t[i].pid >= -1);
      blocked += t[i].state == 'D';
    }
  MUST (sysrq_dump_blocked (d, NULL, 0) <= blocked);
  n = sysrq_dump_cpus (d, &c);
  MUST (n <= SYSRQ_MAX_CPUS);
  for (unsigned i = 0; i < n; i++)
    {
      check_frames (c[i].frames, c[i].nframes);
      MUST (c[i].nregs <= SYSRQ_MAX_REGS && c[i].interrupted <= c[i].nframes);
    }
}

/* The first byte: how large the pieces are. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (64u << 20);
  struct json_object *docs[2];
  struct json_doc *doc = NULL;
  const char *text;

  if (size < 1 || size > 1u << 16)
    return 0;
  for (unsigned i = 0; i < 2; i++)
    {
      struct sysrq_dump *d
          = dump_of_bytes (data + 1, size - 1, i ? data[0] + 1u : 0);

      check_tasks (d);
      docs[i] = sysrq_dump_to_json (d);
      if (i == 0)
        sysrq_dump_show (d, &shown);
      sysrq_dump_free (d);
      MUST (docs[i]);
    }
  MUST (json_object_equal (docs[0], docs[1]));
  text = json_object_to_json_string_ext (docs[0], JSON_C_TO_STRING_PLAIN);
  MUST (json_parse (text, strlen (text), JSON_WIRE, "dump", 64u << 20, &doc,
                    NULL)
        == 0);
  json_doc_free (doc);
  doc = NULL;
  MUST (!shown.cut);
  MUST (json_parse (buf_str (&shown), shown.len, JSON_WIRE, "shown",
                    64u << 20, &doc, NULL)
        == 0);
  json_doc_free (doc);
  json_object_put (docs[0]);
  json_object_put (docs[1]);
  return 0;
}
