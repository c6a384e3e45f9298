/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog diagnose --all: each guest, two at once, and their bundles into one
 * folder: for an integration test that failed.
 */
#include "supervisor/cli/diagnose.h"
#include "supervisor/cli/progress.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many as the daemon does at once by itself: what waits there would only
 * hold a connection. */
#define AT_ONCE 2
#define MAX_GUESTS 4096

struct one
{
  char uuid[64], name[300];
  int code;
  char class_[64], confidence[16], incident[64];
  char bundle[PATH_MAX]; /* where it is now */
  char why[504];         /* what went wrong, "" = nothing */
  struct json_object *row; /* its incident, until that is copied */
};

struct all
{
  const struct cli *cli;
  const char *playbook, *dir;
  struct one *list;
  unsigned n, next;
  pthread_mutex_t lock; /* next, and what is printed */
};

/* ---- one of them, on a worker's thread ---- */

struct asking
{
  struct all *all;
  struct one *one;
};

static void
progress (struct asking *as, struct json_object *row)
{
  struct all *all = as->all;

  if (all->cli->json || !json_get_bool (row, "ended", false))
    return;
  LOCK_SCOPE (&all->lock);
  progress_say ("PROGRESS", as->one->name);
  fprintf (stderr, " %lld/%lld %s%s", (long long) json_get_int (row, "n", 0),
           (long long) json_get_int (row, "total", 0), row_str (row, "step"),
           json_get (row, "failure") ? ", not got: " : "\n");
  if (json_get (row, "failure"))
    {
      print_text (stderr, row_str (row, "failure"));
      fputc ('\n', stderr);
    }
}

static void
take_incident (struct one *one, struct json_object *row)
{
  struct json_object *v = json_get (row, "verdict");

  snprintf (one->class_, sizeof (one->class_), "%.63s", row_str (v, "class"));
  snprintf (one->confidence, sizeof (one->confidence), "%.15s",
            row_str (v, "confidence"));
  snprintf (one->incident, sizeof (one->incident), "%.63s",
            row_str (row, "id"));
  snprintf (one->bundle, sizeof (one->bundle), "%.4095s",
            row_str (row, "bundle"));
  snprintf (one->why, sizeof (one->why), "%.503s",
            row_str (row, "bundle_error"));
  one->code = diagnose_code (one->class_);
  json_object_put (one->row);
  one->row = json_object_get (row);
}

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct asking *as = arg;
  const char *kind = row_str (row, "row");

  (void) body;
  (void) len;
  if (strcmp (kind, "progress") == 0)
    progress (as, row);
  else if (strcmp (kind, "incident") == 0)
    take_incident (as->one, row);
  return 0;
}

static int
copy_bytes (int from, int to)
{
  char block[64 << 10];
  ssize_t n;
  int r = 0;

  while (r == 0 && (n = read (from, block, sizeof (block))) != 0)
    r = n < 0 ? -errno : io_write (to, block, (size_t) n);
  return r;
}

/* Of one without. */
static int
none_is_made (struct json_object *row, struct error *err)
{
  const char *why = row_str (row, "no_bundle");

  return error_set (err, ENOENT, "%s",
                    why[0] ? why : "none was made; the daemon's log says why");
}

/* what: of which this is.  A member of `group` may order a bundle, and not
 * read it. */
static int
not_copied (const char *bundle, int r, const char *what, struct error *err)
{
  bool theirs = r == -EACCES && strcmp (what, bundle) == 0;

  return error_set (err, -r, "the bundle is at %.200s and could not be "
                    "copied: %.200s: %s%s",
                    bundle, what, strerror (-r), theirs ? "; use sudo" : "");
}

int
diagnose_fetch (const char *dir, const char *guest, char bundle[PATH_MAX],
                struct json_object *row, struct error *err)
{
  const char *slash = strrchr (bundle, '/');
  CLEANUP_CLOSE int from = -1, to = -1;
  char path[PATH_MAX], part[PATH_MAX];
  int r;

  if (!bundle[0])
    return none_is_made (row, err);
  if ((unsigned) snprintf (path, sizeof (path), "%s/%s-%s", dir, guest,
                           slash ? slash + 1 : bundle)
          >= sizeof (path)
      || (unsigned) snprintf (part, sizeof (part), "%s.part", path)
             >= sizeof (part))
    return not_copied (bundle, -ENAMETOOLONG, dir, err);
  from = open (bundle, O_RDONLY | O_CLOEXEC);
  if (from < 0)
    return not_copied (bundle, -errno, bundle, err);
  to = open (part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (to < 0)
    return not_copied (bundle, -errno, part, err);
  r = copy_bytes (from, to);
  if (r == 0 && rename (part, path) < 0)
    r = -errno;
  if (r < 0)
    {
      unlink (part);
      return not_copied (bundle, r, path, err);
    }
  snprintf (bundle, PATH_MAX, "%s", path);
  return 0;
}

static void
ask (struct all *all, struct one *one)
{
  struct asking as = { all, one };
  struct json_object *head = client_request ("diagnose", one->uuid);
  struct error err = ERROR_INIT;
  struct client *c = NULL;
  int r;

  if (all->playbook)
    json_add_str (head, "playbook", all->playbook);
  r = client_open (all->cli, false, &c, &err);
  if (r < 0)
    json_object_put (head);
  else
    r = client_call (c, head, on_row, &as, &err);
  client_close (c);
  if (r == 0 && !one->incident[0])
    r = error_set (&err, EIO, "the daemon was stopped on the way");
  if (r == 0 && all->dir && !one->why[0])
    r = diagnose_fetch (all->dir,
                        text_is_name (one->name) ? one->name : one->uuid,
                        one->bundle, one->row, &err);
  if (r < 0)
    snprintf (one->why, sizeof (one->why), "%.503s", error_text (&err));
  json_object_put (steal_ptr (&one->row));
}

static void
print_row (const struct one *one, uint64_t took_ms)
{
  CLEANUP_JSON struct json_object *o = json_object_new_object ();

  json_add_str (o, "row", "diagnosed");
  json_add_text (o, "guest", one->name, strlen (one->name));
  json_add_str (o, "uuid", one->uuid);
  if (one->incident[0])
    {
      json_add_str (o, "incident", one->incident);
      json_add_str (o, "class", one->class_);
      json_add_str (o, "confidence", one->confidence);
      json_add_text (o, "bundle", one->bundle, strlen (one->bundle));
    }
  json_add_int (o, "took_ms", (int64_t) took_ms);
  if (one->why[0])
    json_add_text (o, "error", one->why, strlen (one->why));
  print_json (o);
}

static void
print_end (struct all *all, const struct one *one, uint64_t took_ms)
{
  char took[32];
  LOCK_SCOPE (&all->lock);

  if (all->cli->json)
    {
      print_row (one, took_ms);
      return;
    }
  progress_say (one->why[0] ? "FAIL" : "OK", one->name);
  fprintf (stderr, " %s", print_age (took, sizeof (took), took_ms));
  if (one->class_[0])
    fprintf (stderr, " verdict=%s", one->class_);
  if (one->why[0])
    {
      fputs (": ", stderr);
      print_text (stderr, one->why);
    }
  fputc ('\n', stderr);
}

static struct one *
take_next (struct all *all)
{
  LOCK_SCOPE (&all->lock);

  if (all->next >= all->n)
    return NULL;
  if (!all->cli->json)
    {
      progress_say ("BEGIN", all->list[all->next].name);
      fputc ('\n', stderr);
    }
  return &all->list[all->next++];
}

static void *
work (void *arg)
{
  struct all *all = arg;
  struct one *one;

  while ((one = take_next (all)))
    {
      uint64_t began = clock_ms ();

      ask (all, one);
      print_end (all, one, clock_ms () - began);
    }
  return NULL;
}

/* ---- all of them ---- */

static int
on_guest (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct all *all = arg;
  struct one *list;

  (void) body;
  (void) len;
  if (strcmp (row_str (row, "row"), "guest") != 0 || all->n >= MAX_GUESTS)
    return 0;
  list = realloc (all->list, (all->n + 1) * sizeof (*list));
  if (!list)
    return -ENOMEM;
  all->list = list;
  list[all->n] = (struct one){ .code = EXIT_ERROR };
  snprintf (list[all->n].uuid, sizeof (list->uuid), "%.63s",
            row_str (row, "uuid"));
  snprintf (list[all->n++].name, sizeof (list->name), "%.299s",
            row_str (row, "display"));
  return 0;
}

static void
work_all (struct all *all)
{
  pthread_t threads[AT_ONCE];
  unsigned n = 0;

  while (n < AT_ONCE && pthread_create (&threads[n], NULL, work, all) == 0)
    n++;
  /* Without any: one after another. */
  if (n == 0)
    work (all);
  while (n > 0)
    pthread_join (threads[--n], NULL);
}

struct count
{
  unsigned trouble, slow, unsure, failed;
};

static struct count
count (const struct all *all)
{
  struct count c = { 0 };

  for (unsigned i = 0; i < all->n; i++)
    {
      const struct one *one = &all->list[i];

      c.failed += one->why[0] != '\0';
      c.trouble += one->code == EXIT_TROUBLE;
      c.slow += one->code == EXIT_DEGRADED;
      c.unsure += one->code == EXIT_NO_VERDICT;
    }
  return c;
}

static int
tell (const struct all *all)
{
  const struct count c = count (all);

  if (all->cli->json)
    {
      CLEANUP_JSON struct json_object *o = json_object_new_object ();

      json_add_str (o, "row", "all");
      json_add_int (o, "guests", all->n);
      json_add_int (o, "trouble", c.trouble);
      json_add_int (o, "slow", c.slow);
      json_add_int (o, "no_verdict", c.unsure);
      json_add_int (o, "failed", c.failed);
      print_json (o);
    }
  else
    printf ("guests=%u trouble=%u slow=%u no-verdict=%u failed=%u\n", all->n,
            c.trouble, c.slow, c.unsure, c.failed);
  for (unsigned i = 0; i < all->n && !all->cli->json; i++)
    {
      const struct one *one = &all->list[i];

      printf ("verdict=%s guest=", one->class_[0] ? one->class_ : "-");
      print_text (stdout, one->name);
      printf (" confidence=%s bundle=",
              one->confidence[0] ? one->confidence : "-");
      print_text (stdout, one->bundle[0] ? one->bundle : "-");
      fputc ('\n', stdout);
    }
  return c.trouble            ? EXIT_TROUBLE
         : c.failed           ? EXIT_PARTIAL
         : c.slow             ? EXIT_DEGRADED
         : c.unsure || !all->n ? EXIT_NO_VERDICT
                              : EXIT_WELL;
}

struct playbook_known
{
  const char *name;
  bool found;
};

static int
on_table (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct playbook_known *p = arg;

  (void) body;
  (void) len;
  p->found |= strcmp (row_str (row, "table"), "playbook") == 0
              && strcmp (row_str (row, "name"), p->name) == 0;
  return 0;
}

/* Where there are guests each of them tells of a playbook that is not there. */
static int
no_guests (struct client *c, const char *playbook, struct error *err)
{
  struct playbook_known p = { .name = playbook };
  int r = playbook ? client_call (c, client_request ("tables", NULL), on_table,
                                  &p, err)
                   : 0;

  if (r == 0 && playbook && !p.found)
    return error_set (err, EINVAL, "no playbook \"%.60s\": `hangdog playbook "
                                   "list` names them", playbook);
  if (r == 0)
    fputs ("hangdog: there is no guest to look at\n", stderr);
  return r;
}

int
diagnose_folder (const char *dir, struct error *err)
{
  struct stat st;

  if (mkdir (dir, 0700) == 0)
    return 0;
  if (errno != EEXIST)
    return error_errno (err, errno, "making %s", dir);
  if (stat (dir, &st) < 0 || !S_ISDIR (st.st_mode))
    return error_set (err, ENOTDIR, "%s is no folder", dir);
  return 0;
}

int
diagnose_all (const struct cli *cli, const char *playbook, const char *dir)
{
  struct all all = { .cli = cli,
                     .playbook = playbook,
                     .dir = dir,
                     .lock = PTHREAD_MUTEX_INITIALIZER };
  struct error err = ERROR_INIT;
  struct client *c = NULL;
  int r = dir ? diagnose_folder (dir, &err) : 0;

  /* Held to the end: a daemon that is started for this is its. */
  if (r == 0)
    r = client_open (cli, true, &c, &err);
  if (r == 0)
    r = client_call (c, client_request ("list", NULL), on_guest, &all, &err);
  if (r == 0 && !all.n)
    r = no_guests (c, playbook, &err);
  if (r < 0)
    r = cli_fail (&err);
  else
    {
      work_all (&all);
      r = tell (&all);
    }
  client_close (c);
  free (all.list);
  return r;
}
