/* SPDX-License-Identifier: Apache-2.0
 *
 * The text rules of this host: ours, and those of operators' files that the
 * configuration names.  Used by the daemon, and by the command line, which is
 * to see what the daemon sees.
 */
#ifndef HANGDOG_SUPERVISOR_TEXT_RULES_H
#define HANGDOG_SUPERVISOR_TEXT_RULES_H

#include "base/error.h"
#include "base/json.h"
#include "kernel/text/rules.h"
#include "supervisor/conf/conf_files.h"

struct opener;

struct text_rules_read
{
  struct text_rules *rules; /* NULL: ours alone, and nobody wanted these */
  struct conf_taken own;    /* of operators */
  unsigned added, replaced; /* their rules; of them in the place of ours */
};

/* In a job (it may wait for a disk).  paths: of char *, in that order; a file
 * that is read later goes before.  A file that is not good is a fault, and
 * the others are taken.  Errors are only those of memory.  To compile ours
 * takes a while: without a file it is done only for who wants them (ours). */
int text_rules_read (struct opener *opener, const struct json_list *paths,
                     bool ours, uint64_t deadline, struct text_rules_read *ret,
                     struct error *err);
void text_rules_read_done (struct text_rules_read *r);

#endif
