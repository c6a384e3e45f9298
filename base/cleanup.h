/* SPDX-License-Identifier: Apache-2.0
 *
 * Scope-bound cleanup.  A variable declared with one of these is released
 * when its scope ends, on every path out of it; steal_fd()/steal_ptr() hand
 * the value on instead.
 */
#ifndef HANGDOG_BASE_CLEANUP_H
#define HANGDOG_BASE_CLEANUP_H

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void
cleanup_free_ (void *p)
{
  free (*(void **) p);
}

static inline void
cleanup_close_ (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

static inline void
cleanup_fclose_ (FILE **f)
{
  if (*f)
    fclose (*f);
}

static inline void
cleanup_closedir_ (DIR **d)
{
  if (*d)
    closedir (*d);
}

static inline void
cleanup_unlock_ (pthread_mutex_t **m)
{
  if (*m)
    pthread_mutex_unlock (*m);
}

#define CLEANUP(fn) __attribute__ ((cleanup (fn)))
#define CLEANUP_FREE CLEANUP (cleanup_free_)
#define CLEANUP_CLOSE CLEANUP (cleanup_close_)
#define CLEANUP_FCLOSE CLEANUP (cleanup_fclose_)
#define CLEANUP_CLOSEDIR CLEANUP (cleanup_closedir_)

/* Lock for the rest of the scope. */
#define LOCK_SCOPE_CAT2(a, b) a##b
#define LOCK_SCOPE_CAT(a, b) LOCK_SCOPE_CAT2 (a, b)
#define LOCK_SCOPE(m)                                                         \
  __attribute__ ((cleanup (cleanup_unlock_), unused))                         \
  pthread_mutex_t *LOCK_SCOPE_CAT (lock_scope_, __LINE__)                   \
      = (pthread_mutex_lock (m), (m))

static inline int
steal_fd (int *fd)
{
  int r = *fd;

  *fd = -1;
  return r;
}

#define steal_ptr(p)                                                          \
  ({                                                                          \
    __typeof__ (*(p)) steal_r_ = *(p);                                        \
    *(p) = NULL;                                                              \
    steal_r_;                                                                 \
  })

#define ARRAY_LEN(a) (sizeof (a) / sizeof ((a)[0]))

#define container_of(ptr, type, member)                                       \
  ((type *) (void *) ((char *) (ptr) -offsetof (type, member)))

#endif
