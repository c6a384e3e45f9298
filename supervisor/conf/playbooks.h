/* SPDX-License-Identifier: Apache-2.0
 *
 * The playbooks of this host: ours, and those of operators' files that the
 * configuration names.  Used by the daemon, and by hangdog-check, which is to
 * see what the daemon sees.
 */
#ifndef HANGDOG_SUPERVISOR_PLAYBOOKS_H
#define HANGDOG_SUPERVISOR_PLAYBOOKS_H

#include "base/error.h"
#include "base/json.h"
#include "diag/playbook.h"
#include "supervisor/conf/conf_files.h"

struct opener;

#define PLAYBOOKS_MAX 256 /* of operators */

struct playbooks_read
{
  struct playbook_set *set; /* ours, and those that are good */
  struct conf_taken own;    /* of operators */
  unsigned replaced;        /* of them in the place of ours */
};

/* In a job (it may wait for a disk).  paths: of char *, files and folders, one
 * playbook in a file.  A file that is not good is a fault, and the others are
 * taken.  Errors are only those of memory. */
int playbooks_read (struct opener *opener, const struct json_list *paths,
                    uint64_t deadline, struct playbooks_read *ret,
                    struct error *err);
void playbooks_read_done (struct playbooks_read *r);

#endif
