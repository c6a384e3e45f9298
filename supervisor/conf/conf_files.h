/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that a path of the configuration names: one file, or a folder's
 * *.json by their names (scenarios, rules).  Read through an opener: the daemon
 * has no right to open files, and a folder may be on a disk that hangs, so call
 * it in a job.
 */
#ifndef HANGDOG_SUPERVISOR_CONF_FILES_H
#define HANGDOG_SUPERVISOR_CONF_FILES_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct opener;

#define CONF_FILES_MAX 256

struct conf_file
{
  const char *origin; /* its whole path, for messages */
  const char *text;
  size_t len;
  const struct error *why; /* it could not be read: no text */
};

/* A negative return ends it. */
typedef int conf_file_fn (const struct conf_file *f, void *arg,
                          struct error *err);
/* what: "scenario", for messages.  A path that is not there is an error. */
int conf_files_each (struct opener *opener, const char *path, const char *what,
                     uint64_t deadline, conf_file_fn *fn, void *arg,
                     struct error *err);

#endif
