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
 * the next one after space came back goes well without help.  Bad records for
 * which there is no room to set them aside stay in the log, are skipped, and
 * are set aside at the first opening with room.
 *
 * What is set aside: each bad extent, in a NAME.bad that stops growing at
 * 4 MiB; or the whole log, replacing NAME.bad, when nothing in it says where
 * records begin or the disk refuses to read parts of it.
 *
 * A record that was not acknowledged may be there after a crash (the one that
 * was being appended), once.  What is replayed is durable when it is replayed
 * as far as the disk says so.
 *
 * A store belongs to one thread of one process at a time (flock): opening it
 * a second time is -EBUSY.
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
  uint64_t records;  /* good ones in the log: replayed at open or put there by
                        store_replace(), plus appended */
  uint64_t bad;      /* set aside at open */
  uint64_t torn;     /* bytes cut off the tail at open */
  uint64_t bytes;    /* size of the log now */
};

typedef int store_replay_fn (uint16_t type, const void *data, size_t len,
                             void *arg);

/* dirfd: the folder, opened for reading (not O_PATH), duplicated; name: the
 * file in it.  fn (may be NULL) returning < 0 ends opening with that error,
 * and the log is untouched then.  A log in a later version's format is
 * -EPROTONOSUPPORT. */
int store_open (int dirfd, const char *name, store_replay_fn *fn, void *arg,
                struct store **ret_store, struct error *err);
void store_close (struct store *st);
int store_append (struct store *st, uint16_t type, const void *data,
                  size_t len, struct error *err);
/* Begins a fresh log: emit(st, arg) appends (store_append) what shall be in
 * it; the whole takes effect at once or not at all.  One failure leaves the
 * fresh log in force all the same: when everything went well but the last
 * fsync of the folder ("syncing the folder"), a power cut may bring either of
 * the two back.  No append is acknowledged before that fsync has gone well. */
int store_replace (struct store *st,
                   int (*emit) (struct store *fresh, void *arg,
                                struct error *err),
                   void *arg, struct error *err);
void store_stats (const struct store *st, struct store_stats *ret);

/* A whole small file, replaced atomically: temporary name (NAME.new), fsync,
 * rename, fsync of the folder.  mode is exact, whatever the umask.  One
 * writer per name at a time. */
int store_put_file (int dirfd, const char *name, const void *data, size_t len,
                    unsigned mode, struct error *err);
/* Reads a regular file (not through a symbolic link) of at most max bytes;
 * more is -EFBIG.  *ret_data is malloc'ed and NUL terminated. */
int store_get_file (int dirfd, const char *name, size_t max, char **ret_data,
                    size_t *ret_len, struct error *err);
/* The same by a whole path, which errors name. */
int store_get_path (const char *path, size_t max, char **ret_data,
                    size_t *ret_len, struct error *err);

/* CRC-32C, chainable: start with 0. */
uint32_t crc32c (uint32_t crc, const void *data, size_t len);

/* ---- state paths ---- */

/* A state folder carries a file FORMAT holding "hangdog state N\n".  Opens
 * (making it 0700 when absent, not its parents) and checks it: a newer format
 * is refused (-EPROTONOSUPPORT) with a sentence that says what to do, as is a
 * folder that everybody may write (-EPERM). */
#define STATE_FORMAT 1
int state_open (const char *path, int *ret_dirfd, struct error *err);

/* ---- secrets ---- */

/* A secret is only ever read from a file: regular, owned by root or the
 * caller, closed to group and others, at most 64 KiB, one trailing newline
 * dropped, not empty.  Free with secret_free(), which wipes it. */
int secret_read (const char *path, char **ret_secret, size_t *ret_len,
                 struct error *err);
void secret_free (char *secret, size_t len);

#endif
