/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the verdict of this host: ours, and those of operators' files
 * that the configuration names (verdicts.d).  Used by the daemon, and by the
 * command line, which is to see what the daemon sees.
 */
#ifndef HANGDOG_SUPERVISOR_VERDICT_FILES_H
#define HANGDOG_SUPERVISOR_VERDICT_FILES_H

#include "base/error.h"
#include "base/json.h"
#include "diag/ladder/rules.h"
#include "supervisor/conf/conf_files.h"

struct opener;

struct verdict_files
{
  struct verdict_rules *rules;
  struct conf_taken own; /* of operators */
};

/* In a job (it may wait for a disk).  paths: of char *, in that order; a file
 * that is read later goes before.  A file that is not good is a fault, and the
 * others are taken.  Errors are only those of memory. */
int verdict_files_read (struct opener *opener, const struct json_list *paths,
                        uint64_t deadline, struct verdict_files *ret,
                        struct error *err);
void verdict_files_done (struct verdict_files *v);

#endif
