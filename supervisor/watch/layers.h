/* SPDX-License-Identifier: Apache-2.0
 *
 * Which scenarios there are, in layers: those of the files, and those that were
 * bound at run time, which outlive the daemon.  A name is in one of them only;
 * where a file comes to have one that is bound, the file counts and the bound
 * one waits.  All together are given to the bindings, and looked at there: one
 * that names another that is not there has no verdict, and says so in its row;
 * no other is the worse for it.  Loop thread only.
 */
#ifndef HANGDOG_SUPERVISOR_LAYERS_H
#define HANGDOG_SUPERVISOR_LAYERS_H

#include "scenarios/scenario.h"
#include "supervisor/links/kept.h"

#define BOUND_MAX 256
#define BOUND_DOCUMENT_MAX (64u << 10)
#define BOUND_ALL_MAX (900u << 10) /* of all their texts, as one state file has
                                      them, which may have 1 MiB */

struct bindings;
struct layers;
struct loop;

struct layers_env
{
  struct loop *loop;
  struct bindings *bindings;
  struct writer_link *writer; /* NULL: what is bound ends with us */
  /* The bindings were set, and of both layers all is known. */
  void (*settled) (void *arg); /* or NULL */
  void *arg;
};
/* env is copied. */
int layers_new (const struct layers_env *env, struct layers **ret,
                struct error *err);
void layers_free (struct layers *l);
void layers_writer_up (struct layers *l);

/* Those of the files.  Takes over the references; the array is the
 * caller's. */
int layers_files (struct layers *l, struct scenario **list, size_t n,
                  struct error *err);
/* They can't be read: what is bound counts all the same. */
void layers_no_files (struct layers *l);

struct layer_info
{
  const struct scenario *scenario;
  const char *origin; /* "file PATH", "built-in", "bound" */
  const char *who, *by; /* of one that is bound, else "" */
  bool shadowed; /* bound, but a file has one of that name */
  bool standby;  /* of guests that no other is for */
  const char *fault; /* why it has no verdict by what there is, or "" */
};
/* Takes a reference of its own.  One of the same name that is bound is
 * replaced.  -EEXIST: a file has one of that name; -EBUSY: the files are not
 * read yet; -ENOBUFS, -EMSGSIZE. */
int layers_bind (struct layers *l, struct scenario *s, const char *who,
                 const char *by, bool *ret_replaced, struct error *err);
/* -ENOENT; -EPERM: it is a file's. */
int layers_unbind (struct layers *l, const char *name, struct error *err);
/* Behind either: puts them on disk.  done may be called before this
 * returns. */
void layers_keep (struct layers *l, kept_done_fn *done, void *arg);
/* These know the built-in one, too, which is the bindings'. */
bool layers_find (struct layers *l, const char *name, struct layer_info *ret);
void layers_each (struct layers *l,
                  void (*fn) (const struct layer_info *info, void *arg),
                  void *arg);

#endif
