/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder that a program of the operator's may leave files in: made for one
 * run, read when nobody of the program's is left, and removed.  In the inside
 * of hangdog-exec.
 *
 * It has a lock as long as its run lasts, so that one without is a leftover,
 * whoever was killed.  What is in it is the program's: any names, any depth,
 * and no end.
 */
#ifndef HANGDOG_TRANSPORTS_EXEC_FOLDER_H
#define HANGDOG_TRANSPORTS_EXEC_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

struct error;

/* No file that it writes gets larger, by the kernel's own limit. */
#define EXEC_FOLDER_FILE (15u << 20)

struct exec_folder
{
  char path[4352]; /* "" = there is none */
  int base, fd;    /* the folder that it is in, and it, locked */
};
#define EXEC_FOLDER_INIT { .path = "", .base = -1, .fd = -1 }

/* base: a folder of the daemon's that is there. */
int exec_folder_make (const char *base, struct exec_folder *ret,
                      struct error *err);
/* More is in it than a program may keep there while it runs, or a file that
 * may not grow; a look that costs no more, however much that is.  Between two
 * looks there may be more: a bound of all files together takes a file system
 * of its own (or a quota), and that a right that nobody here has. */
bool exec_folder_over (const struct exec_folder *f);

struct exec_folder_ops
{
  /* The next piece of a file, in the order of their names; false: enough. */
  bool (*piece) (void *arg, const char *name, const void *data, size_t len);
  /* Why something of that name is not there, or not all of it; "" = of what
   * is beyond the bounds. */
  bool (*gap) (void *arg, const char *name, const char *why);
};
/* What there is directly in it: plain files, as far as the bounds go. */
void exec_folder_take (const struct exec_folder *f,
                       const struct exec_folder_ops *ops, void *arg);
/* With all that is in it; done nothing where there is none. */
void exec_folder_remove (struct exec_folder *f);
/* Those in `base` that were left. */
void exec_folder_sweep (const char *base);

#endif
