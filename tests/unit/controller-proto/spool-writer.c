/* SPDX-License-Identifier: Apache-2.0
 *
 * spool-writer: what test-crash-spool.sh crashes.
 *
 *   spool-writer write DIR
 *     Opens the spool DIR and takes a few incidents through it.  Prints
 *     "ack STEP" for each step that was acknowledged; one that fails is
 *     tried again ("fail STEP").
 *   spool-writer check DIR ACKS
 *     Opens it again and checks that every acknowledged step holds, that the
 *     step under way was done or not done, that nothing else lies about, and
 *     that the spool works.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/bundle.h"
#include "controller-proto/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_TRIES 4

#define A "aaaaaaaa-0000-4000-8000-000000000000"
#define B "bbbbbbbb-0000-4000-8000-000000000000"
#define C "cccccccc-0000-4000-8000-000000000000"
#define D "dddddddd-0000-4000-8000-000000000000"
#define E "eeeeeeee-0000-4000-8000-000000000000"

enum act
{
  INCIDENT,
  REPLACE,
  ARTIFACT,
  PACK,
  TOLD, /* the document */
  SENT, /* the bundle */
  FAILED,
  PARK,
  RETRY,
  END, /* another revision, of what was packed */
  DROP,
};

/* Where the item is after each step; "" = nowhere. */
static const struct step
{
  enum act act;
  const char *id;
  const char *place;
} steps[] = {
  { INCIDENT, A, "open" },  { ARTIFACT, A, "open" }, { REPLACE, A, "open" },
  { INCIDENT, D, "open" },  { PACK, A, "ready" },    { INCIDENT, B, "open" },
  { ARTIFACT, B, "open" },  { DROP, D, "" },         { PACK, B, "ready" },
  { FAILED, B, "ready" },   { TOLD, A, "ready" },    { SENT, A, "sent" },
  { TOLD, B, "ready" },     { PARK, B, "parked" },   { END, A, "sent" },
  { INCIDENT, C, "open" },  { RETRY, B, "ready" },   { TOLD, A, "sent" },
  { ARTIFACT, C, "open" },  { END, C, "open" },
};

static const struct spool_limits limits = { .free_floor = 1 };
static const char *const here[] = { "here" };

static int
open_spool (const char *dir, struct spool **ret, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;

  if (mkdir (dir, 0700) < 0 && errno != EEXIST)
    return error_errno (err, errno, "%s", dir);
  fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "%s", dir);
  int r = spool_open (fd, &limits, ret, err);
  if (r == 0)
    spool_sinks (*ret, here, 1);
  return r;
}

static int
next_of (struct spool *sp, const char *id, enum spool_part part,
         struct spool_load *ret)
{
  *ret = (struct spool_load){ .part = part, .rev = 1 };
  snprintf (ret->item.id, sizeof ret->item.id, "%s", id);
  if (part == SPOOL_DOCUMENT)
    {
      CLEANUP_FREE char *json = NULL;
      CLEANUP_JSON struct json_object *o = NULL;
      size_t len;
      int r = spool_document (sp, id, NULL, &json, &len, NULL);

      if (r < 0)
        return r;
      o = json_tokener_parse (json);
      ret->rev = (uint64_t) json_get_int (o, "rev", 1);
    }
  return 0;
}

static int
do_step (struct spool *sp, const struct step *s, struct error *err)
{
  static const char one[] = "{\"state\":1}", two[] = "{\"state\":2}";
  static const char three[] = "{\"state\":3,\"rev\":9,\"end\":\"recovered\"}";
  struct spool_item item;
  struct spool_load doc, bundle;
  char data[5000];

  next_of (sp, s->id, SPOOL_DOCUMENT, &doc);
  next_of (sp, s->id, SPOOL_BUNDLE, &bundle);

  memset (data, 'x', sizeof data);
  switch (s->act)
    {
    case INCIDENT:
      return spool_incident (sp, s->id, one, strlen (one), false, err);
    case REPLACE:
      return spool_incident (sp, s->id, two, strlen (two), false, err);
    case ARTIFACT:
      return spool_artifact (sp, s->id, "console/raw.log", 0, data,
                             sizeof data, err);
    case PACK:
      return spool_pack (sp, s->id, NULL, &item, err);
    case TOLD:
      return spool_sent (sp, *here, &doc, err);
    case SENT:
      return spool_sent (sp, *here, &bundle, err);
    case FAILED:
      return spool_failed (sp, *here, &bundle, 1, "no answer", err);
    case PARK:
      return spool_park (sp, *here, &bundle, "refused", err);
    case END:
      return spool_incident (sp, s->id, three, strlen (three), true, err);
    case RETRY:
      return spool_retry (sp, s->id, err);
    case DROP:
      return spool_drop (sp, s->id, err);
    }
  return -EINVAL;
}

static int
do_write (const char *dir)
{
  struct spool *sp = NULL;
  struct error err = ERROR_INIT;
  int r = -1;

  for (unsigned i = 0; i < MAX_TRIES && r < 0; i++)
    if ((r = open_spool (dir, &sp, &err)) < 0)
      printf ("fail open: %s\n", error_text (&err));
  if (r < 0)
    return 1;
  for (unsigned i = 0; i < ARRAY_LEN (steps); i++)
    {
      r = -1;
      for (unsigned k = 0; k < MAX_TRIES && r < 0; k++)
        {
          r = do_step (sp, &steps[i], &err);
          /* A move whose last fsync failed was made nevertheless. */
          if (r == -EALREADY && k > 0)
            r = 0;
          if (r < 0)
            printf ("fail %u: %s\n", i, error_text (&err));
        }
      if (r < 0)
        return 1;
      printf ("ack %u\n", i);
      fflush (stdout);
    }
  spool_close (sp);
  return 0;
}

/* ---- checking ---- */

static int problems;

#define CHECK(cond, ...)                                                      \
  do                                                                          \
    if (!(cond))                                                              \
      {                                                                       \
        problems++;                                                           \
        fprintf (stderr, "CHECK: " __VA_ARGS__);                              \
        fputc ('\n', stderr);                                                 \
      }                                                                       \
  while (0)

struct found
{
  const char *id;
  unsigned times;
  struct spool_item item;
};

static void
see (const struct spool_item *item, void *arg)
{
  struct found *f = arg;

  if (strcmp (item->id, f->id) == 0)
    {
      f->times++;
      f->item = *item;
    }
}

static void
find (struct spool *sp, struct found *f)
{
  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    spool_each (sp, (enum spool_place) i, see, f);
}

static bool
skip_member (void *arg, const char *name, uint64_t size)
{
  (*(unsigned *) arg)++;
  return false;
}

static void
check_bundle (struct spool *sp, const struct spool_item *it)
{
  static const struct bundle_reader_ops ops = { .member = skip_member };
  CLEANUP_CLOSE int fd = -1;
  struct error err = ERROR_INIT;
  char hex[65] = "";
  uint64_t size = 0;
  unsigned members = 0;

  if (spool_bundle_fd (sp, it->id, &fd, &err) < 0
      || sha256_fd (fd, hex, &size, &err) < 0)
    {
      CHECK (false, "the bundle of %s: %s", it->id, error_text (&err));
      return;
    }
  CHECK (strcmp (hex, it->digest) == 0, "%s: another digest", it->id);
  CHECK (size == it->bytes, "%s: another size", it->id);
  lseek (fd, 0, SEEK_SET);
  CHECK (bundle_read (fd, 1u << 20, &ops, &members, &err) == 0, "%s: %s",
         it->id, error_text (&err));
  CHECK (members >= 2, "%s: %u members", it->id, members);
}

static void
check_id (struct spool *sp, const char *id, int last)
{
  struct found f = { .id = id };
  const char *was = "", *next = NULL;
  bool replaced = false, dropping = false, over = false;

  for (int i = 0; i < (int) ARRAY_LEN (steps); i++)
    {
      if (strcmp (steps[i].id, id) != 0)
        continue;
      if (i <= last)
        was = steps[i].place;
      else if (i == last + 1)
        next = steps[i].place;
      replaced |= i <= last && steps[i].act == REPLACE;
      over |= i <= last && steps[i].act == END;
      dropping |= i == last + 1 && steps[i].act == DROP;
    }
  find (sp, &f);
  CHECK (f.times <= 1, "%s is in %u places", id, f.times);
  const char *is = f.times ? spool_place_names[f.item.place] : "";
  CHECK (strcmp (is, was) == 0 || (next && strcmp (is, next) == 0),
         "%s is in \"%s\", not in \"%s\"", id, is, was);
  if (f.times == 0)
    return;
  CLEANUP_FREE char *json = NULL;
  struct error err = ERROR_INIT;
  size_t len = 0;
  int r = spool_document (sp, id, NULL, &json, &len, &err);
  CHECK (r == 0, "%s: %s", id, error_text (&err));
  if (r == 0 && over)
    CHECK (strstr (json, "recovered"), "%s: its end is lost", id);
  else if (r == 0 && replaced)
    CHECK (!strstr (json, ":1,"), "%s: the replaced incident is back", id);
  if (f.item.place != SPOOL_OPEN && !dropping)
    check_bundle (sp, &f.item);
}

/* Nothing lies in a folder but what belongs to an item there. */
static void
check_folder (struct spool *sp, const char *dir, const char *folder,
              const char *tail)
{
  char path[4096];
  CLEANUP_CLOSEDIR DIR *d = NULL;
  struct dirent *e;

  snprintf (path, sizeof path, "%s/%s", dir, folder);
  d = opendir (path);
  CHECK (d, "%s is not there", path);
  while (d && (e = readdir (d)))
    {
      char id[40];
      struct found f = { .id = id };

      if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
        continue;
      snprintf (id, sizeof id, "%.36s", e->d_name);
      find (sp, &f);
      CHECK (tail && f.times == 1 && strlen (e->d_name) >= 36
                 && strcmp (e->d_name + 36, tail) == 0
                 && (strcmp (tail, "") != 0 || f.item.place == SPOOL_OPEN)
                 && (strcmp (tail, ".tar.zst") != 0 || f.item.bundle),
             "%s/%s lies about", path, e->d_name);
    }
}

static int
last_ack (const char *path)
{
  FILE *f = fopen (path, "re");
  char line[600];
  int last = -1;

  while (f && fgets (line, sizeof line, f))
    sscanf (line, "ack %d", &last);
  if (f)
    fclose (f);
  return last;
}

static int
do_check (const char *dir, const char *acks)
{
  struct spool *sp = NULL;
  struct error err = ERROR_INIT;
  struct spool_item item;
  struct spool_load load;
  int last = last_ack (acks);

  if (open_spool (dir, &sp, &err) < 0)
    {
      fprintf (stderr, "CHECK: it does not open: %s\n", error_text (&err));
      return 1;
    }
  check_id (sp, A, last);
  check_id (sp, B, last);
  check_id (sp, C, last);
  check_id (sp, D, last);
  check_folder (sp, dir, "incidents", ".json");
  check_folder (sp, dir, "blobs", ".tar.zst");
  check_folder (sp, dir, "open", "");
  check_folder (sp, dir, "bad", NULL);
  next_of (sp, E, SPOOL_BUNDLE, &load);
  CHECK (spool_incident (sp, E, "{}", 2, false, &err) == 0
             && spool_pack (sp, E, NULL, &item, &err) == 0
             && spool_sent (sp, *here, &load, &err) == 0,
         "it does not work: %s", error_text (&err));
  spool_close (sp);
  return problems ? 1 : 0;
}

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "write") == 0)
    return do_write (argv[2]);
  if (argc == 4 && strcmp (argv[1], "check") == 0)
    return do_check (argv[2], argv[3]);
  return 2;
}
