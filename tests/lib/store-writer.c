/* SPDX-License-Identifier: Apache-2.0
 *
 * store-writer: what test-crash-store.sh crashes.
 *
 *   store-writer write DIR COUNT
 *     Opens the store DIR/log, goes on where it ends, and appends COUNT
 *     numbered records; after half of them it replaces the log by one that
 *     holds the same records.  Each number is printed once it is
 *     acknowledged ("ack N"); a failed call as "fail N" and tried again.
 *   store-writer check DIR ACKS FIRST [clean]
 *     Opens DIR/log and checks: the numbers from FIRST on in order, each once,
 *     each with the content that belongs to it; all that ACKS (the output of
 *     a writer) says are there, and at most the one being appended besides.
 *     Then appends one more and looks that it is there.  clean: nothing bad
 *     or torn may be found, for no writer crashed.
 *   store-writer put DIR COUNT
 *     Opens the state folder DIR/state and puts COUNT versions of a file into
 *     it; "ack N" for each that is said to last.
 *   store-writer check-put DIR ACKS
 *     Looks that the file is, whole, the version acknowledged last or the one
 *     after it, and puts one more.
 *   store-writer damage DIR
 *     Writes DIR/log with a bad record at its front and a torn one behind.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/store.h"

#define MAX_LEN 1600
#define MAX_TRIES 8

struct log
{
  unsigned first; /* number of the first record, 0 = none seen */
  unsigned last;
};

/* The content belongs to the number; the lengths cross sectors and blocks. */
static size_t
content (unsigned char dst[MAX_LEN], unsigned number)
{
  size_t len = 4 + number * 397 % (MAX_LEN - 4);

  for (size_t i = 0; i < len; i++)
    dst[i] = (unsigned char) (number * 7 + i * 13 + (i >> 8) + 1);
  memcpy (dst, &number, 4);
  return len;
}

static int
see (uint16_t type, const void *data, size_t len, void *arg)
{
  struct log *log = arg;
  unsigned char want[MAX_LEN];
  unsigned number = 0;

  if (len >= 4)
    memcpy (&number, data, 4);
  if (number == 0 || content (want, number) != len
      || memcmp (want, data, len) != 0 || type != (uint16_t) number)
    {
      fprintf (stderr, "made-up record: type %u, %zu bytes\n", type, len);
      return -EBADMSG;
    }
  if (log->last && number != log->last + 1)
    {
      fprintf (stderr, "record %u after %u\n", number, log->last);
      return -EBADMSG;
    }
  if (!log->first)
    log->first = number;
  log->last = number;
  return 0;
}

static int
append (struct store *st, unsigned number, struct error *err)
{
  unsigned char data[MAX_LEN];
  size_t len = content (data, number);

  return store_append (st, (uint16_t) number, data, len, err);
}

static int
emit (struct store *fresh, void *arg, struct error *err)
{
  const struct log *log = arg;

  for (unsigned i = log->first; i <= log->last; i++)
    {
      int r = append (fresh, i, err);

      if (r < 0)
        return r;
    }
  return 0;
}

static int
complain (const struct error *err)
{
  fprintf (stderr, "store-writer: %s\n", error_text (err));
  return 1;
}

static int
open_folder (const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    perror (path);
  return fd;
}

/* A call may fail and must then go well again once the fault is gone: so a
 * few tries, and each failure is on record. */
static int
open_store (int dirfd, struct log *log, struct store **ret, struct error *err)
{
  int r = -1;

  for (int i = 0; r < 0 && i < MAX_TRIES; i++)
    {
      *log = (struct log){ 0 };
      r = store_open (dirfd, "log", see, log, ret, err);
      if (r < 0)
        {
          printf ("fail open: %s\n", error_text (err));
          fflush (stdout);
        }
    }
  return r;
}

static int
do_write (const char *path, unsigned count)
{
  CLEANUP_CLOSE int dirfd = open_folder (path);
  struct error err = ERROR_INIT;
  struct store *st = NULL;
  struct log log;

  if (dirfd < 0)
    return 2;
  if (open_store (dirfd, &log, &st, &err) < 0)
    return complain (&err);
  printf ("from %u\n", log.last);
  for (unsigned i = 0, tries = 0; i < count;)
    {
      int r = i == count / 2 && tries == 0
                  ? store_replace (st, emit, &log, &err)
                  : 0;

      if (r < 0)
        printf ("fail replace: %s\n", error_text (&err));
      r = append (st, log.last + 1, &err);
      if (r < 0)
        {
          printf ("fail %u: %s\n", log.last + 1, error_text (&err));
          if (++tries > MAX_TRIES)
            return complain (&err);
        }
      else
        {
          log.last++;
          if (!log.first)
            log.first = log.last;
          printf ("ack %u\n", log.last);
          i++;
          tries = 0;
        }
      fflush (stdout);
    }
  store_close (st);
  return 0;
}

/* The last acknowledged number in a writer's output. */
static unsigned
last_ack (const char *path)
{
  CLEANUP_FCLOSE FILE *f = fopen (path, "re");
  char line[700];
  unsigned n, last = 0;

  while (f && fgets (line, sizeof line, f))
    if (sscanf (line, "ack %u", &n) == 1 || sscanf (line, "from %u", &n) == 1)
      last = n;
  return last;
}

static int
do_check (const char *path, const char *acks, unsigned first, bool clean)
{
  CLEANUP_CLOSE int dirfd = open_folder (path);
  struct error err = ERROR_INIT;
  struct store_stats stats;
  struct store *st = NULL;
  struct log log = { 0 };
  unsigned acked = last_ack (acks);

  if (dirfd < 0)
    return 2;
  if (store_open (dirfd, "log", see, &log, &st, &err) < 0)
    return complain (&err);
  store_stats (st, &stats);
  if (clean && stats.bad + stats.torn > 0)
    fputs ("damage without a crash\n", stderr);
  else if (log.last && log.first != first)
    fprintf (stderr, "the first record is %u\n", log.first);
  else if (log.last < acked)
    fprintf (stderr, "acknowledged up to %u, there up to %u\n", acked,
             log.last);
  else if (log.last > acked + 1)
    fprintf (stderr, "%u records that nobody appended\n", log.last - acked);
  else if (append (st, log.last + 1, &err) < 0)
    complain (&err);
  else
    {
      unsigned want = log.last + 1;

      store_close (st);
      st = NULL;
      log = (struct log){ 0 };
      if (store_open (dirfd, "log", see, &log, &st, &err) < 0)
        return complain (&err);
      store_stats (st, &stats);
      store_close (st);
      if (log.last == want && stats.bad + stats.torn == 0)
        return 0;
      fprintf (stderr, "after one more: up to %u, bad %llu, torn %llu\n",
               log.last, (unsigned long long) stats.bad,
               (unsigned long long) stats.torn);
      return 1;
    }
  store_close (st);
  return 1;
}

/* Records 1 to 6; then the first is spoilt and the last cut short. */
static int
do_damage (const char *path)
{
  CLEANUP_CLOSE int dirfd = open_folder (path);
  struct error err = ERROR_INIT;
  struct store *st = NULL;
  struct log log = { 0 };
  struct stat sb;

  if (dirfd < 0)
    return 2;
  if (store_open (dirfd, "log", see, &log, &st, &err) < 0)
    return complain (&err);
  for (unsigned i = 1; i <= 6; i++)
    if (append (st, i, &err) < 0)
      return complain (&err);
  store_close (st);
  CLEANUP_CLOSE int fd = openat (dirfd, "log", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &sb) < 0 || pwrite (fd, "spoilt", 6, 100) != 6
      || ftruncate (fd, sb.st_size - 9) < 0)
    return 2;
  return 0;
}

static int
open_state (const char *path, struct error *err)
{
  char sub[4096];
  int fd = -1;

  snprintf (sub, sizeof sub, "%s/state", path);
  for (int i = 0; fd < 0 && i < MAX_TRIES; i++)
    if (state_open (sub, &fd, err) < 0)
      printf ("fail open: %s\n", error_text (err));
  return fd;
}

static int
do_put (const char *path, unsigned count)
{
  struct error err = ERROR_INIT;
  CLEANUP_CLOSE int fd = open_state (path, &err);
  unsigned char data[MAX_LEN];

  if (fd < 0)
    return complain (&err);
  for (unsigned i = 1, tries = 0; i <= count;)
    {
      if (store_put_file (fd, "f", data, content (data, i), 0600, &err) == 0)
        {
          printf ("ack %u\n", i++);
          tries = 0;
        }
      else if (++tries > MAX_TRIES)
        return complain (&err);
      fflush (stdout);
    }
  return 0;
}

static int
do_check_put (const char *path, const char *acks)
{
  struct error err = ERROR_INIT;
  CLEANUP_CLOSE int fd = open_state (path, &err);
  CLEANUP_FREE char *data = NULL;
  unsigned char want[MAX_LEN];
  unsigned acked = last_ack (acks);
  size_t len = 0;

  if (fd < 0)
    return complain (&err);
  int r = store_get_file (fd, "f", MAX_LEN, &data, &len, &err);
  if (r < 0 && !(r == -ENOENT && acked == 0))
    return complain (&err);
  for (unsigned v = acked ? acked : 1; r == 0; v++)
    {
      if (v > acked + 1)
        {
          fprintf (stderr, "neither version %u nor the next\n", acked);
          return 1;
        }
      if (content (want, v) == len && memcmp (want, data, len) == 0)
        break;
    }
  r = store_put_file (fd, "f", "end", 3, 0600, &err);
  return r < 0 ? complain (&err) : 0;
}

int
main (int argc, char **argv)
{
  if (argc == 4 && strcmp (argv[1], "write") == 0)
    return do_write (argv[2], (unsigned) atoi (argv[3]));
  if ((argc == 5 || argc == 6) && strcmp (argv[1], "check") == 0)
    return do_check (argv[2], argv[3], (unsigned) atoi (argv[4]), argc == 6);
  if (argc == 4 && strcmp (argv[1], "put") == 0)
    return do_put (argv[2], (unsigned) atoi (argv[3]));
  if (argc == 4 && strcmp (argv[1], "check-put") == 0)
    return do_check_put (argv[2], argv[3]);
  if (argc == 3 && strcmp (argv[1], "damage") == 0)
    return do_damage (argv[2]);
  fputs ("usage: store-writer write DIR COUNT | check DIR ACKS FIRST [clean] |"
         "\n  put DIR COUNT | check-put DIR ACKS | damage DIR\n",
         stderr);
  return 2;
}
