/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that a path of the configuration names: one file, or a folder's
 * *.json by their names (scenarios, rules).  Read through an opener: the daemon
 * has no right to open files, and a folder may be on a disk that hangs, so call
 * it in a job.
 */
#ifndef HANGDOG_SUPERVISOR_CONF_FILES_H
#define HANGDOG_SUPERVISOR_CONF_FILES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct json_list;
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

/* ---- what operators add to ours: rules, playbooks ---- */

#define CONF_FAULTS 8

struct conf_fault
{
  char *file; /* or NULL: no memory for its name */
  struct error err;
};

struct conf_taken
{
  unsigned files, taken;
  const char *missing; /* the first path that is not there, of paths: no fault,
                          for who has none of his own yet */
  unsigned nfaults;    /* all; the first few are told */
  struct conf_fault faults[CONF_FAULTS];
};

/* Takes one file, or says why not. */
typedef int conf_take_fn (const struct conf_file *f, void *arg,
                          struct error *err);
/* paths: of char *, in that order.  A file that is not good is a fault, and the
 * others are taken. */
void conf_files_take (struct opener *opener, const struct json_list *paths,
                      const char *what, uint64_t deadline, conf_take_fn *fn,
                      void *arg, struct conf_taken *ret);
/* How many of its faults are told. */
unsigned conf_taken_told (const struct conf_taken *t);
void conf_taken_done (struct conf_taken *t);

#endif
