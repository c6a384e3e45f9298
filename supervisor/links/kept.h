/* SPDX-License-Identifier: Apache-2.0
 *
 * Something that outlives the daemon: one small JSON document in the writer's
 * state folder.  Read once, when the writer first answers; written whole each
 * time that it changes.  Before it is read nothing is written, so that what an
 * earlier daemon kept is not lost: a disk that can't be read is asked again,
 * and what we do not understand is put aside, as FILE.bad, before anything is
 * written in its place.  Loop thread only.
 */
#ifndef HANGDOG_SUPERVISOR_KEPT_H
#define HANGDOG_SUPERVISOR_KEPT_H

#include <json-c/json.h>
#include <stdbool.h>

struct error;
struct kept;
struct loop;
struct writer_link;

struct kept_ops
{
  const char *file; /* in the state folder */
  const char *what; /* for the log: "the list of pauses" */
  /* What is there; NULL when there is nothing, or nothing to be read.  False:
   * there is more than was taken.  Once, or again if that could not be put
   * aside. */
  bool (*take) (struct json_object *root, void *arg);
  /* A new object of what there is now. */
  struct json_object *(*give) (void *arg);
};
/* The writer may be NULL: nothing is kept then. */
int kept_new (struct loop *loop, struct writer_link *writer,
              const struct kept_ops *ops, void *arg, struct kept **ret,
              struct error *err);
void kept_free (struct kept *k);
/* The writer is there (again). */
void kept_up (struct kept *k);

/* why: NULL when it is durable. */
typedef void kept_done_fn (const struct error *why, void *arg);
/* It changed.  done may be NULL, and may be called before this returns. */
void kept_save (struct kept *k, kept_done_fn *done, void *arg);

#endif
