/* SPDX-License-Identifier: Apache-2.0
 *
 * Manifests from anybody: each is judged by our rules or gets one line that
 * says why not; what is said of it is bounded and printable.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/ladder/replay.h"
#include "diag/ladder/rules.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define INPUT_MAX (256u << 10)

static void
printable (const char *s)
{
  for (; *s; s++)
    MUST ((unsigned char) *s >= 0x20 && *s != 0x7f);
}

static void
say (const struct replay *replay)
{
  struct json_object *all CLEANUP_JSON = replay_to_json (replay);
  struct buf text CLEANUP_BUF = BUF_INIT (4u << 20);

  MUST (replay->facts <= REPLAY_FACTS);
  MUST (replay->now.verdict.class_[0]);
  printable (replay->now.verdict.culprit);
  printable (replay->now.verdict.sentence);
  json_show (all, &text);
  MUST (!text.cut);
  printable (buf_str (&text));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct verdict_rules *ours;
  struct json_doc *doc CLEANUP_JSON_DOC = NULL;
  struct error err = ERROR_INIT;
  struct replay replay;

  MUST (ours || verdict_rules_new (&ours, &err) == 0);
  if (json_parse ((const char *) data, size, JSON_WIRE, "manifest.json",
                  INPUT_MAX, &doc, &err)
      < 0)
    return 0;
  if (replay_manifest (ours, json_root (doc), &replay, &err) < 0)
    {
      MUST (err.code > 0 && err.msg[0]);
      printable (err.msg);
      return 0;
    }
  say (&replay);
  replay_done (&replay);
  return 0;
}
