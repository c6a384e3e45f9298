/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to hangdog analyze: one bundle, and many of them.
 */
#ifndef HANGDOG_CLI_ANALYZE_H
#define HANGDOG_CLI_ANALYZE_H

#include "supervisor/archive/archive.h"
#include "supervisor/cli/cli.h"

#include "base/error.h"
#include "diag/ladder/replay.h"

/* One bundle, judged.  all: what replay_to_json() makes of it. */
struct analyzed
{
  struct json_doc *doc;
  struct json_object *all;
  struct replay replay;
  bool done;
  struct error damage; /* code 0: the bundle is whole */
};

/* file: a bundle, or a folder with an unpacked one.  One whose manifest is
 * whole is judged, whatever else of it is damaged. */
int analyze_one (struct cli *cli, const struct verdict_rules *rules,
                 const char *file, struct analyzed *ret, struct error *err);
void analyze_done (struct analyzed *a);

/* Bundles below folders and by name, without end: *ret_many: more than one
 * was asked for, or a folder of them. */
struct bundle_list
{
  char **names;
  size_t n;
  bool many;
};
int bundle_list_add (struct bundle_list *list, const char *path,
                     struct error *err);
void bundle_list_sort (struct bundle_list *list);
void bundle_list_done (struct bundle_list *list);

/* A row for each; an exit code. */
int analyze_many (struct cli *cli, const struct verdict_rules *rules,
                  const struct bundle_list *list);

#endif
