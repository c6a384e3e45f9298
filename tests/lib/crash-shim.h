/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of crash-shim.so share: crash-shim.c takes the calls,
 * crash-undo.c remembers how to undo them.
 */
#ifndef HANGDOG_TESTS_CRASH_SHIM_H
#define HANGDOG_TESTS_CRASH_SHIM_H

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The next definition of the same name: libc's. */
#define REAL(fn) ((__typeof__ (&fn)) dlsym (RTLD_NEXT, #fn))

enum when
{
  WHEN_BEFORE,
  WHEN_AFTER,
  WHEN_TORN,
  WHEN_LOST,
  WHEN_MIXED,
};

struct undo;

/* A preloaded library has no caller that could hold this for it. */
struct shim
{
  pthread_once_t once;
  pthread_mutex_t lock; /* for newest, backups */
  bool on;
  unsigned long at, fail_at, fail_count; /* 0 = never */
  int fail_errno;
  enum when when;
  uint64_t seed;
  const char *under, *count_file;
  int lost_dir;
  off_t bad_block; /* -1 = none */
  struct stat bad_file;
  atomic_ulong count;
  struct undo *newest;
  unsigned long backups;
};

extern struct shim shim;

enum undo_kind
{
  UNDO_DATA,   /* put the old bytes and the old size back */
  UNDO_CREATE, /* remove name */
  UNDO_MKDIR,  /* remove the folder */
  UNDO_REMOVE, /* bring name back from its second name */
  UNDO_RENAME, /* name2 back to name, and what name2 was before */
};

/* Whether undo information has to be kept. */
bool recording (void);
/* Before [off, off + len) of fd is overwritten, or, with len 0, before the
 * file is cut at off. */
void note_data (int fd, off_t off, size_t len);
/* Before a name is made or (UNDO_REMOVE) removed; before one is moved. */
void note_name (enum undo_kind kind, int dirfd, const char *path);
void note_rename (int olddir, const char *oldpath, int newdir,
                  const char *newpath);
/* Everything that a sync of this file or folder makes last; NULL: all. */
void forget (const struct stat *sb);
/* The folder of path, opened, and the last component; -1 when there is none. */
int open_parent (int dirfd, const char *path, char name[NAME_MAX + 1]);
/* Ends the process; with power_cut what was not synced is undone first. */
_Noreturn void crash (bool power_cut);

#endif
