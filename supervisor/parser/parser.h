/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-parser: its jail, and the table of what it can be asked.
 *
 * One process per task, exec'd with fd 3 = channel and fd 4 = input, or as
 * many from 4 on as --inputs says.  What it
 * reads may be the work of somebody who wants out of here, so it is given
 * nothing to get out with: no files, no network, no other process, little
 * memory, little time.
 */
#ifndef HANGDOG_SUPERVISOR_PARSER_H
#define HANGDOG_SUPERVISOR_PARSER_H

#include "transports/memory/parser.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct parser_io;

struct parser_task
{
  const char *name;
  const char *args; /* for the usage line */
  const char *summary;
  /* Before the jail: what opens files or needs other calls once. */
  int (*warm_up) (struct error *err);
  /* In the jail. */
  int (*run) (struct parser_io *io, int argc, char **argv,
              struct error *err);
  /* What it takes unless it is told otherwise; 0 = what all others do. */
  uint64_t memory;
  unsigned cpu_s;
};
extern const struct parser_task *const parser_tasks[]; /* ends with NULL */

extern const struct parser_task task_bundle_list, task_bundle_cat,
    task_bundle_all,
    task_bundle_verify, task_inspect, task_core, task_unzstd, task_image;

struct jail
{
  uint64_t memory;      /* address space */
  uint64_t deadline_ms; /* of the whole process; 0 = none */
  unsigned cpu_s;       /* 0 = no limit */
  unsigned files;       /* descriptors; 0 = those of a parser */
};
/* The list of system calls: its programme (len 0: none for this architecture),
 * and installing it; by libseccomp, or only written to a descriptor. */
struct sock_filter;
const struct sock_filter *jail_filter (size_t *ret_len);
int jail_filter_calls (struct error *err);
int jail_filter_seccomp (int export_fd, struct error *err);
/* For the rest of this process.  *ret_landlock: the kernel has it. */
int jail_enter (const struct jail *j, bool *ret_landlock, struct error *err);

#endif
