/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference controller's inbox.
 *
 * The file is renamed before its row is committed: a crash between the two
 * leaves a file without a row, which the sender's next try renames over.  The
 * other order could acknowledge what is not there.
 */
#include "controller-proto/controller.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct inbox
{
  pthread_mutex_t lock; /* the data base, and the order of rename and commit */
  sqlite3 *db;
  int dirfd;
};

static const char schema[]
    = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "CREATE TABLE IF NOT EXISTS bundles ("
      " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
      " id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,"
      " digest TEXT NOT NULL, bytes INTEGER NOT NULL,"
      " arrived TEXT NOT NULL, repeats INTEGER NOT NULL DEFAULT 0);"
      "CREATE TABLE IF NOT EXISTS incidents ("
      " seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
      " rev INTEGER NOT NULL, arrived TEXT NOT NULL,"
      " repeats INTEGER NOT NULL DEFAULT 0);";

static int
db_error (struct inbox *in, struct error *err)
{
  return error_set (err, EIO, "the data base: %s",
                    in->db ? sqlite3_errmsg (in->db) : "no memory");
}

static void
finalizep (sqlite3_stmt **st)
{
  sqlite3_finalize (*st);
}
#define CLEANUP_STMT __attribute__ ((cleanup (finalizep)))

/* What a crash left of uploads. */
static void
remove_parts (int dirfd)
{
  CLEANUP_CLOSEDIR DIR *d = io_opendir (dirfd);
  struct dirent *e;

  if (d == NULL)
    return;
  while ((e = readdir (d)) != NULL)
    if (strncmp (e->d_name, ".part-", 6) == 0)
      unlinkat (dirfd, e->d_name, 0);
}

int
inbox_open (int data, const char *path, struct inbox **ret, int *ret_bundles,
            struct error *err)
{
  struct inbox *in = calloc (1, sizeof *in);
  char file[4096];
  int fd = -1, r = 0;

  if (in == NULL)
    return error_set (err, ENOMEM, "no memory for the inbox");
  pthread_mutex_init (&in->lock, NULL);
  in->dirfd = -1;
  if (mkdirat (data, "bundles", 0700) < 0 && errno != EEXIST)
    r = error_errno (err, errno, "making %s/bundles", path);
  else if ((in->dirfd = openat (data, "bundles",
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0
           || (fd = fcntl (in->dirfd, F_DUPFD_CLOEXEC, 3)) < 0)
    r = error_errno (err, errno, "opening %s/bundles", path);
  else if ((size_t) snprintf (file, sizeof file, "%s/inbox.db", path)
           >= sizeof file)
    r = error_set (err, ENAMETOOLONG, "%s", path);
  else if (sqlite3_open_v2 (file, &in->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                | SQLITE_OPEN_NOMUTEX,
                            NULL)
               != SQLITE_OK
           || sqlite3_exec (in->db, schema, NULL, NULL, NULL) != SQLITE_OK)
    r = db_error (in, err);
  if (r < 0)
    {
      if (fd >= 0)
        close (fd);
      inbox_close (in);
      return r;
    }
  remove_parts (in->dirfd);
  *ret = in;
  *ret_bundles = fd;
  return 0;
}

void
inbox_close (struct inbox *in)
{
  if (in == NULL)
    return;
  sqlite3_close (in->db);
  if (in->dirfd >= 0)
    close (in->dirfd);
  pthread_mutex_destroy (&in->lock);
  free (in);
}

/* 0 = neither id nor name is known; 1 = known and the same; -EEXIST. */
static int
known (struct inbox *in, const char *id, const char *name, const char *digest,
       struct error *err)
{
  CLEANUP_STMT sqlite3_stmt *st = NULL;
  int r;

  if (sqlite3_prepare_v2 (in->db,
                          "SELECT id = ?1 AND name = ?2 AND digest = ?3"
                          " FROM bundles WHERE id = ?1 OR name = ?2",
                          -1, &st, NULL)
      != SQLITE_OK)
    return db_error (in, err);
  sqlite3_bind_text (st, 1, id, -1, SQLITE_STATIC);
  sqlite3_bind_text (st, 2, name, -1, SQLITE_STATIC);
  sqlite3_bind_text (st, 3, digest, -1, SQLITE_STATIC);
  r = sqlite3_step (st);
  if (r == SQLITE_DONE)
    return 0;
  if (r != SQLITE_ROW)
    return db_error (in, err);
  if (!sqlite3_column_int (st, 0))
    return error_set (err, EEXIST, "%s is there with another content", name);
  return 1;
}

static int
run (struct inbox *in, const char *sql, const char *id, const char *name,
     const char *digest, uint64_t bytes, struct error *err)
{
  CLEANUP_STMT sqlite3_stmt *st = NULL;
  char now[32];

  if (sqlite3_prepare_v2 (in->db, sql, -1, &st, NULL) != SQLITE_OK)
    return db_error (in, err);
  sqlite3_bind_text (st, 1, id, -1, SQLITE_STATIC);
  if (name)
    {
      sqlite3_bind_text (st, 2, name, -1, SQLITE_STATIC);
      sqlite3_bind_text (st, 3, digest, -1, SQLITE_STATIC);
      sqlite3_bind_int64 (st, 4, (sqlite3_int64) bytes);
      sqlite3_bind_text (st, 5,
                         clock_format (now, sizeof now, clock_wall_ms ()), -1,
                         SQLITE_TRANSIENT);
    }
  if (sqlite3_step (st) != SQLITE_DONE)
    return db_error (in, err);
  return 0;
}

int
inbox_apply (struct inbox *in, const char *part, const char *id,
             const char *name, const char *digest, uint64_t bytes,
             struct error *err)
{
  LOCK_SCOPE (&in->lock);
  int r = known (in, id, name, digest, err);

  if (r < 0)
    return r;
  if (r == 1)
    {
      r = run (in, "UPDATE bundles SET repeats = repeats + 1 WHERE id = ?1",
               id, NULL, NULL, 0, err);
      return r < 0 ? r : INBOX_AGAIN;
    }
  if (renameat (in->dirfd, part, in->dirfd, name) < 0
      || fsync (in->dirfd) < 0)
    return error_errno (err, errno, "putting %s in its place", name);
  r = run (in,
           "INSERT INTO bundles (id, name, digest, bytes, arrived)"
           " VALUES (?1, ?2, ?3, ?4, ?5)",
           id, name, digest, bytes, err);
  return r < 0 ? r : INBOX_NEW;
}

/* ---- documents ---- */

/* 0 = there is none. */
static int
known_rev (struct inbox *in, const char *id, int64_t *ret, struct error *err)
{
  CLEANUP_STMT sqlite3_stmt *st = NULL;
  int r;

  if (sqlite3_prepare_v2 (in->db, "SELECT rev FROM incidents WHERE id = ?1",
                          -1, &st, NULL)
      != SQLITE_OK)
    return db_error (in, err);
  sqlite3_bind_text (st, 1, id, -1, SQLITE_STATIC);
  r = sqlite3_step (st);
  if (r != SQLITE_DONE && r != SQLITE_ROW)
    return db_error (in, err);
  *ret = r == SQLITE_ROW ? sqlite3_column_int64 (st, 0) : 0;
  return 0;
}

static int
put_rev (struct inbox *in, const char *id, int64_t rev, struct error *err)
{
  CLEANUP_STMT sqlite3_stmt *st = NULL;
  char now[32];

  if (sqlite3_prepare_v2 (in->db,
                          "INSERT INTO incidents (id, rev, arrived)"
                          " VALUES (?1, ?2, ?3) ON CONFLICT (id)"
                          " DO UPDATE SET rev = ?2, arrived = ?3",
                          -1, &st, NULL)
      != SQLITE_OK)
    return db_error (in, err);
  sqlite3_bind_text (st, 1, id, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (st, 2, rev);
  sqlite3_bind_text (st, 3,
                     clock_format (now, sizeof now, clock_wall_ms ()), -1,
                     SQLITE_TRANSIENT);
  return sqlite3_step (st) == SQLITE_DONE ? 0 : db_error (in, err);
}

int
inbox_document (struct inbox *in, const char *part, const char *name,
                const char *id, int64_t rev, struct error *err)
{
  LOCK_SCOPE (&in->lock);
  int64_t known = 0;
  int r = known_rev (in, id, &known, err);

  if (r < 0)
    return r;
  if (rev <= known)
    {
      r = run (in, "UPDATE incidents SET repeats = repeats + 1 WHERE id = ?1",
               id, NULL, NULL, 0, err);
      return r < 0 ? r : INBOX_AGAIN;
    }
  if (renameat (in->dirfd, part, in->dirfd, name) < 0
      || fsync (in->dirfd) < 0)
    return error_errno (err, errno, "putting %s in its place", name);
  r = put_rev (in, id, rev, err);
  return r < 0 ? r : known ? INBOX_NEWER : INBOX_NEW;
}

/* ---- lists ---- */

static void
add_row (struct json_object *rows, sqlite3_stmt *st)
{
  struct json_object *o = json_object_new_object ();

  for (int i = 0; i < sqlite3_column_count (st); i++)
    if (sqlite3_column_type (st, i) == SQLITE_INTEGER)
      json_add_int (o, sqlite3_column_name (st, i),
                    sqlite3_column_int64 (st, i));
    else
      json_add_text (o, sqlite3_column_name (st, i),
                     (const char *) sqlite3_column_text (st, i),
                     (size_t) sqlite3_column_bytes (st, i));
  json_object_array_add (rows, o);
}

static int
list (struct inbox *in, const char *sql, const char *key, int64_t after,
      unsigned max, struct json_object **ret, struct error *err)
{
  LOCK_SCOPE (&in->lock);
  CLEANUP_STMT sqlite3_stmt *st = NULL;
  struct json_object *rows, *all;
  int r;

  if (sqlite3_prepare_v2 (in->db, sql, -1, &st, NULL) != SQLITE_OK)
    return db_error (in, err);
  sqlite3_bind_int64 (st, 1, after);
  sqlite3_bind_int64 (st, 2, max);
  rows = json_object_new_array ();
  while ((r = sqlite3_step (st)) == SQLITE_ROW)
    add_row (rows, st);
  if (r != SQLITE_DONE)
    {
      json_object_put (rows);
      return db_error (in, err);
    }
  all = json_object_new_object ();
  json_object_object_add (all, key, rows);
  *ret = all;
  return 0;
}

int
inbox_list (struct inbox *in, int64_t after, unsigned max,
            struct json_object **ret, struct error *err)
{
  return list (in,
               "SELECT seq, id, name, digest, bytes, arrived, repeats"
               " FROM bundles WHERE seq > ?1 ORDER BY seq LIMIT ?2",
               "bundles", after, max, ret, err);
}

int
inbox_incidents (struct inbox *in, int64_t after, unsigned max,
                 struct json_object **ret, struct error *err)
{
  return list (in,
               "SELECT seq, id, rev, arrived, repeats"
               " FROM incidents WHERE seq > ?1 ORDER BY seq LIMIT ?2",
               "incidents", after, max, ret, err);
}
