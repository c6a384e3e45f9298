/* SPDX-License-Identifier: Apache-2.0
 *
 * State that survives kill -9, power loss and a full disk.
 *
 * A store is a folder entry of our own format: a log of records, each with a
 * length, a type, a sequence number and a CRC-32C over all of it.  What
 * store_append() has returned 0 for is on the disk (fdatasync of the file;
 * fsync of the folder when it is new).  Opening replays all good records in
 * order; a torn tail is cut off; a bad record in the middle is copied to
 * `NAME.bad` and skipped, never the reason not to start.  store_replace()
 * writes a new log beside the old one and renames it over (compaction).
 *
 * ENOSPC: an append that fails leaves the log as it was (it is cut back), so
 * the next one after space came back goes well without help.
 */
#ifndef HANGDOG_BASE_STORE_H
#define HANGDOG_BASE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct store;

#define STORE_MAX_RECORD (1u << 20)

struct store_stats
{
  uint64_t records;  /* good ones replayed at open, plus appended */
  uint64_t bad;      /* set aside at open */
  uint64_t torn;     /* bytes cut off the tail at open */
  uint64_t bytes;    /* size of the log now */
};

typedef int store_replay_fn (uint16_t type, const void *data, size_t len,
                             void *arg);

/* dirfd: the folder; name: the file in it.  fn returning < 0 ends opening
 * with that error. */
int store_open (int dirfd, const char *name, store_replay_fn *fn, void *arg,
                struct store **ret_store, struct error *err);
void store_close (struct store *st);
int store_append (struct store *st, uint16_t type, const void *data,
                  size_t len, struct error *err);
/* Begins a fresh log: emit(st, arg) appends (store_append) what shall be in
 * it; the whole takes effect at once or not at all. */
int store_replace (struct store *st,
                   int (*emit) (struct store *fresh, void *arg,
                                struct error *err),
                   void *arg, struct error *err);
void store_stats (const struct store *st, struct store_stats *ret);

/* A whole small file, replaced atomically: temporary name, fsync, rename,
 * fsync of the folder. */
int store_put_file (int dirfd, const char *name, const void *data, size_t len,
                    unsigned mode, struct error *err);
/* Reads at most max bytes of a regular file; *ret_data is malloc'ed and NUL
 * terminated. */
int store_get_file (int dirfd, const char *name, size_t max, char **ret_data,
                    size_t *ret_len, struct error *err);

uint32_t crc32c (uint32_t crc, const void *data, size_t len);

/* ---- state paths ---- */

/* A state folder carries a file FORMAT holding "hangdog state N\n".  Opens
 * (making it 0700 when absent) and checks it: a newer format is refused with
 * a sentence that says what to do. */
#define STATE_FORMAT 1
int state_open (const char *path, int *ret_dirfd, struct error *err);

/* ---- secrets ---- */

/* A secret is only ever read from a file: regular, owned by root or the
 * caller, not readable by group or others, at most 64 KiB, one trailing
 * newline dropped.  Free with secret_free(), which wipes it. */
int secret_read (const char *path, char **ret_secret, size_t *ret_len,
                 struct error *err);
void secret_free (char *secret, size_t len);

#endif
