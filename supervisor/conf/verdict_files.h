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

struct opener;

#define VERDICT_FAULTS_MAX 4

struct verdict_files
{
  struct verdict_rules *rules;
  unsigned files, taken; /* of operators */
  const char *missing;   /* the first path that is not there, of paths: no
                            fault, for who has no rules of his own yet */
  unsigned nfaults;      /* all; the first few are told */
  struct error faults[VERDICT_FAULTS_MAX];
};

/* In a job (it may wait for a disk).  paths: of char *, in that order; a file
 * that is read later goes before.  A file that is not good is a fault, and the
 * others are taken.  Errors are only those of memory. */
int verdict_files_read (struct opener *opener, const struct json_list *paths,
                        uint64_t deadline, struct verdict_files *ret,
                        struct error *err);
void verdict_files_done (struct verdict_files *v);

#endif
