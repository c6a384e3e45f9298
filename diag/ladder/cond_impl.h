/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reader of conditions asks of the names in them.
 */
#ifndef HANGDOG_DIAG_COND_IMPL_H
#define HANGDOG_DIAG_COND_IMPL_H

#include "diag/ladder/ladder_impl.h"

#define COND_KNOWN 384 /* names, to find the nearest among */

enum cond_type
{
  COND_IS_ANY,
  COND_IS_TEXT,
  COND_IS_NUMBER,
  COND_IS_BOOL,
};

/* There is no `what` of that name; the nearest of known. */
int cond_unknown_ (const char *what, const char *name,
                   const char *const *known, struct error *err);

/* fn for each of the names with "|" between them, to the first that fails. */
typedef int cond_name_fn (const char *name, void *arg, struct error *err);
int cond_each_name_ (const char *names, cond_name_fn *fn, void *arg,
                     struct error *err);
/* All names are there; *ret: of which type the first of them is. */
int cond_check_names_ (const char *names, enum cond_type *ret,
                       struct error *err);

struct cond_wanted
{
  enum cond_type type;
  enum cond_op op;
  const char *text; /* NULL = any */
};
/* A cond_name_fn, arg is a struct cond_wanted: such a fact can be so. */
int cond_name_fits_ (const char *name, void *arg, struct error *err);

#endif
