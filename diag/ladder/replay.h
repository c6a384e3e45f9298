/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of today on the facts of a bundle's manifest.
 *
 * A manifest may be anybody's: what is not as it should be is left out and
 * counted, and all is bounded.
 */
#ifndef HANGDOG_DIAG_REPLAY_H
#define HANGDOG_DIAG_REPLAY_H

#include "diag/ladder/ladder.h"

#define REPLAY_FACTS 1024

struct verdict_rules;

struct replay
{
  struct judgement now;
  struct verdict then;     /* class_ "": the bundle has none */
  struct json_object *was; /* its "findings", or NULL: the manifest's */
  char guest[128], incident[UUID_TEXT];
  unsigned facts, left_out;
};

/* -EINVAL: it is no manifest of an incident's bundle. */
int replay_manifest (const struct verdict_rules *rules,
                     struct json_object *manifest, struct replay *ret,
                     struct error *err);
/* {"incident", "guest", "facts", "verdict", "ladder", "findings", "questions",
 * "was", "same", "changed": ["class", ...], "new_findings",
 * "lost_findings"}: as long as the manifest. */
struct json_object *replay_to_json (const struct replay *r);
/* Nothing in the verdict differs that a person would act on. */
bool replay_is_same (const struct replay *r);
void replay_done (struct replay *r);

#endif
