/* SPDX-License-Identifier: Apache-2.0
 *
 * What the collectors of one diagnosis share: so many bytes, and the names of
 * the files in its bundle, each of which is one file's.
 */
#include "supervisor/incidents/haul_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct haul_limit
{
  atomic_uint refs;
  _Atomic uint64_t left;

  pthread_mutex_t m; /* what follows */
  char (*names)[HAUL_NAME];
  unsigned nnames;
};

/* ---- bytes ---- */

int
haul_limit_new (uint64_t bytes, struct haul_limit **ret, struct error *err)
{
  struct haul_limit *l = calloc (1, sizeof (*l));

  if (!l)
    return error_set (err, ENOMEM, "no memory for a diagnosis");
  atomic_init (&l->refs, 1);
  atomic_init (&l->left, bytes);
  pthread_mutex_init (&l->m, NULL);
  *ret = l;
  return 0;
}

struct haul_limit *
haul_limit_ref (struct haul_limit *l)
{
  if (l)
    atomic_fetch_add (&l->refs, 1);
  return l;
}

void
haul_limit_unref (struct haul_limit *l)
{
  if (!l || atomic_fetch_sub (&l->refs, 1) != 1)
    return;
  pthread_mutex_destroy (&l->m);
  free (l->names);
  free (l);
}

void
haul_limit_raise (struct haul_limit *l, uint64_t bytes)
{
  atomic_fetch_add (&l->left, bytes);
}

uint64_t
haul_limit_left (const struct haul_limit *l)
{
  return atomic_load (&l->left);
}

bool
haul_limit_take (struct haul_limit *l, size_t len)
{
  uint64_t left;

  if (!l)
    return true;
  left = atomic_load (&l->left);
  while (left >= len)
    if (atomic_compare_exchange_weak (&l->left, &left, left - len))
      return true;
  return false;
}

/* ---- names of files ---- */

#define NAME_MAX_SHOWN 99 /* as of a bundle's members */
#define SUFFIX_MAX 16
#define STEP_MAX 24

/* A name that there is: that of the step before its suffix. */
static void
name_of_step (char *dst, const char *name, const char *step, unsigned nth)
{
  const char *slash = strrchr (name, '/'), *base = slash ? slash + 1 : name;
  const char *end = name + strlen (name), *dot = strrchr (base, '.');
  char more[12] = "";
  int stem;

  if (!dot || dot == base || end - dot > SUFFIX_MAX)
    dot = end;
  if (nth > 1)
    snprintf (more, sizeof (more), "-%u", nth);
  stem = NAME_MAX_SHOWN - (int) (end - dot) - 1 - STEP_MAX
         - (int) strlen (more);
  if (dot - name < stem)
    stem = (int) (dot - name);
  /* No part of a name begins with a "-". */
  stem -= name[stem - 1] == '/';
  snprintf (dst, HAUL_NAME, "%.*s-%.*s%s%s", stem, name, STEP_MAX, step, more,
            dot);
}

static bool
is_taken_locked (const struct haul_limit *l, const char *name)
{
  for (unsigned i = 0; i < l->nnames; i++)
    if (strcmp (l->names[i], name) == 0)
      return true;
  return false;
}

bool
haul_limit_name (struct haul_limit *l, const char *name, const char *step,
                 char *dst)
{
  char (*names)[HAUL_NAME];

  snprintf (dst, HAUL_NAME, "%s", name);
  if (!l)
    return true;
  LOCK_SCOPE (&l->m);
  for (unsigned i = 1; is_taken_locked (l, dst); i++)
    name_of_step (dst, name, step, i);
  names = reallocarray (l->names, l->nnames + 1, sizeof (*names));
  if (!names)
    return false;
  l->names = names;
  memcpy (names[l->nnames++], dst, HAUL_NAME);
  return true;
}
