/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle redact: the same bundle, without what names somebody and
 * without secrets.  It is unpacked by the parser, each file is looked through
 * by hangdog-redact, its page is made anew by hangdog-report, and what came of
 * it is packed.
 */
#include "supervisor/cli/archive.h"
#include "supervisor/cli/bundle.h"
#include "supervisor/cli/folder.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/io.h"
#include "base/json.h"
#include "base/store.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define UNPACK_MAX (2ull << 30)
#define MANIFEST_MAX (4u << 20)
#define RULES_MAX (256u << 10)
#define MEMBERS_MAX 512
#define NAME_MAX_BYTES 256
#define ASK_MS 120000
#define KEY_BYTES 32

struct job
{
  struct cli *cli;
  struct helper helper;
  struct folder raw, out;
  char names[MEMBERS_MAX][NAME_MAX_BYTES];
  unsigned nnames, left_out;
  int64_t hits;
  struct json_object *gaps, *about;
};

/* ---- asking hangdog-redact ---- */

/* Takes head.  What it said, or NULL with err. */
static struct json_object *
ask (struct helper *h, struct json_object *head, const void *body, size_t len,
     const int *fds, unsigned nfds, struct error *err)
{
  CLEANUP_JSON struct json_object *question = head;
  CLEANUP_FRAME struct frame f = { 0 };
  uint64_t deadline = clock_ms () + ASK_MS;
  const char *why;

  if (helper_say (h, question, body, len, fds, nfds, deadline, err) < 0
      || helper_hear (h, &f, deadline, err) < 0)
    return NULL;
  if (json_get_bool (f.head, "ok", false))
    return json_object_get (f.head);
  why = json_get_str (f.head, "why");
  error_set (err, EBADMSG, "%s", why ? why : "hangdog-redact did not say why");
  return NULL;
}

static struct json_object *
question (const char *op)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", op);
  return o;
}

static int
tell (struct job *j, const char *op, const char *origin, const char *name,
      const void *body, size_t len, struct error *err)
{
  struct json_object *head = question (op), *said;

  if (origin)
    json_add_text (head, "origin", origin, strlen (origin));
  if (name)
    json_add_text (head, "name", name, strlen (name));
  said = ask (&j->helper, head, body, len, NULL, 0, err);
  if (!said)
    return -err->code;
  json_object_put (said);
  return 0;
}

/* ---- the key ---- */

static int
read_key (const char *path, struct job *j, struct error *err)
{
  char *key;
  size_t len;
  int r = secret_read (path, &key, &len, err);

  if (r < 0)
    return r;
  r = tell (j, "key", NULL, NULL, key, len, err);
  secret_free (key, len);
  return r;
}

/* The host's own, so that bundles of one host agree.  Made once; where it can
 * be neither read nor made, one that is good for this bundle. */
static int
host_key (struct job *j, struct error *err)
{
  unsigned char bytes[KEY_BYTES];
  char path[4096], hex[2 * KEY_BYTES + 1];
  int fd, r;

  snprintf (path, sizeof (path), "%s/redact.key", j->cli->state_path);
  if (access (path, R_OK) == 0)
    return read_key (path, j, err);
  if (getrandom (bytes, sizeof (bytes), 0) != sizeof (bytes))
    return error_errno (err, errno, "making a key");
  for (unsigned i = 0; i < KEY_BYTES; i++)
    snprintf (hex + 2 * i, 3, "%02x", bytes[i]);
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    fprintf (stderr, "hangdog: no key in %s (%s): one for this bundle alone\n",
             path, strerror (errno));
  else if ((r = io_write (fd, hex, sizeof (hex) - 1)) < 0 || fsync (fd) < 0)
    {
      unlink (path);
      close (fd);
      return error_errno (err, r < 0 ? -r : errno, "%s", path);
    }
  if (fd >= 0)
    close (fd);
  r = tell (j, "key", NULL, NULL, hex, sizeof (hex) - 1, err);
  explicit_bzero (hex, sizeof (hex));
  return r;
}

/* ---- the members ---- */

static int
by_name (const void *a, const void *b)
{
  return strcmp (a, b);
}

static void
list (struct job *j, int dirfd, const char *prefix, unsigned depth)
{
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d CLEANUP_CLOSEDIR = fd < 0 ? NULL : fdopendir (fd);
  struct dirent *e;
  struct stat st;

  while (d && (e = readdir (d)))
    {
      char name[NAME_MAX_BYTES];

      if (e->d_name[0] == '.'
          || (size_t) snprintf (name, sizeof (name), "%s%s%s", prefix,
                                prefix[0] ? "/" : "", e->d_name)
                 >= sizeof (name)
          || fstatat (dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue;
      if (S_ISREG (st.st_mode) && j->nnames < MEMBERS_MAX)
        memcpy (j->names[j->nnames++], name, sizeof (name));
      else if (S_ISDIR (st.st_mode) && depth < 8)
        {
          CLEANUP_CLOSE int sub
              = openat (dirfd, e->d_name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          if (sub >= 0)
            list (j, sub, name, depth + 1);
        }
    }
}

/* Made anew, and not redacted. */
static bool
is_made_anew (const char *name)
{
  return strcmp (name, "index.html") == 0 || strcmp (name, "SHA256SUMS") == 0;
}

static int
open_raw (struct job *j, const char *name, struct error *err)
{
  int fd = openat (j->raw.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

  return fd < 0 ? error_errno (err, errno, "%s", name) : fd;
}

static int
learn (struct job *j, const char *name, struct error *err)
{
  CLEANUP_CLOSE int fd = open_raw (j, name, err);
  struct json_object *said;

  if (fd < 0)
    return fd;
  said = ask (&j->helper, question ("learn"), NULL, 0, &fd, 1, err);
  if (!said)
    return error_wrap (err, "%s", name);
  json_object_put (said);
  return 0;
}

static void
leave_out (struct job *j, const char *name, const char *why)
{
  struct json_object *o = json_object_new_object ();

  json_add_text (o, "what", name, strlen (name));
  json_add_str (o, "why", why);
  json_object_array_add (j->gaps, o);
  j->left_out++;
}

/* What it is to be called, in dst; "" = it is left out, and that was said. */
static int
new_name (struct job *j, const char *name, char dst[NAME_MAX_BYTES],
          struct error *err)
{
  struct json_object *head = question ("name");
  CLEANUP_JSON struct json_object *said = NULL;
  const char *is, *why;

  json_add_text (head, "name", name, strlen (name));
  said = ask (&j->helper, head, NULL, 0, NULL, 0, err);
  if (!said)
    return -err->code;
  is = json_get_str (said, "name");
  why = json_get_str (said, "left_out");
  if (!why && (!is || strlen (is) >= NAME_MAX_BYTES || !archive_is_path (is)))
    why = "its name cannot be redacted";
  dst[0] = '\0';
  if (why)
    leave_out (j, name, why);
  else
    snprintf (dst, NAME_MAX_BYTES, "%s", is);
  return 0;
}

static int
redact (struct job *j, const char *name, struct error *err)
{
  CLEANUP_CLOSE int in = open_raw (j, name, err), out = -1;
  CLEANUP_JSON struct json_object *said = NULL, *about = NULL;
  char as[NAME_MAX_BYTES];
  int r;

  if (in < 0)
    return in;
  if ((r = new_name (j, name, as, err)) < 0 || !as[0])
    return r;
  out = archive_create (j->out.fd, as, err);
  if (out < 0)
    return out;
  said = ask (&j->helper, question ("redact"), NULL, 0,
              (int[]){ in, out }, 2, err);
  if (!said)
    return error_wrap (err, "%s", name);
  if (!json_get_bool (said, "text", false))
    {
      unlinkat (j->out.fd, as, 0);
      leave_out (j, name, "it is no text, and no rule can look into it");
      return 0;
    }
  j->hits += json_get_int (said, "hits", 0);
  about = json_object_new_object ();
  json_add_int (about, "redactions", json_get_int (said, "hits", 0));
  json_object_object_add (j->about, as, json_object_get (about));
  return 0;
}

/* ---- the manifest ---- */

static int
load (int dirfd, struct json_doc **ret, struct error *err)
{
  CLEANUP_FREE char *text = NULL;
  size_t len;
  int r = store_get_file (dirfd, "manifest.json", MANIFEST_MAX, &text, &len,
                          err);

  return r < 0 ? error_wrap (err, "manifest.json")
               : json_parse (text, len, JSON_WIRE, "manifest.json",
                             MANIFEST_MAX, ret, err);
}

/* The host says its name there, and text need not. */
static int
tell_host (struct job *j, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  const char *name;
  int r = load (j->raw.fd, &doc, err);

  if (r < 0)
    return r;
  name = json_get_str (json_get (json_root (doc), "host"), "name");
  return name ? tell (j, "word", "hostname", name, NULL, 0, err) : 0;
}

static void
move_gaps (struct json_object *from, const char *key, const char *what,
           const char *why, struct json_object *to)
{
  struct json_object *all = json_get (from, key);

  if (!json_object_is_type (all, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (all); i++)
    {
      struct json_object *was = json_object_array_get_idx (all, i);
      struct json_object *o;

      if (strcmp (what, "what") == 0)
        {
          json_object_array_add (to, json_object_get (was));
          continue;
        }
      o = json_object_new_object ();
      json_add_str (o, "what", json_get_str (was, what));
      json_add_str (o, "why", json_get_str (was, why));
      json_object_array_add (to, o);
    }
}

/* The head of the new one: what the old one said, but what packing says. */
static struct json_object *
head_of (struct job *j, struct json_object *was, struct json_object *redaction)
{
  static const char *const anew[]
      = { "schema", "bundle", "created", "tool", "files", "missing", "gaps",
          "redaction" };
  struct json_object *head = json_object_new_object ();
  struct json_object *source = json_object_new_object ();
  struct json_object *gaps = json_object_new_array ();
  unsigned i;

  json_object_object_foreach (was, key, value)
    {
      for (i = 0; i < ARRAY_LEN (anew); i++)
        if (strcmp (key, anew[i]) == 0)
          break;
      if (i == ARRAY_LEN (anew))
        json_object_object_add (head, key, json_object_get (value));
    }
  for (i = 1; i < 4; i++)
    if (json_get (was, anew[i]))
      json_object_object_add (source, anew[i],
                              json_object_get (json_get (was, anew[i])));
  json_object_object_add (head, "source", source);
  move_gaps (was, "gaps", "what", "why", gaps);
  move_gaps (was, "missing", "path", "reason", gaps);
  for (size_t k = 0; k < json_object_array_length (j->gaps); k++)
    json_object_array_add (
        gaps, json_object_get (json_object_array_get_idx (j->gaps, k)));
  json_object_object_add (head, "gaps", gaps);
  json_object_object_add (head, "redaction", redaction);
  json_object_object_add (head, "about", json_object_get (j->about));
  return head;
}

/* hangdog-report reads the manifest in the folder, which packing makes. */
static int
make_page (struct job *j, struct json_object *was, struct json_object *head,
           struct error *err)
{
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  CLEANUP_CLOSE int page = archive_create (j->out.fd, "index.html", err);
  size_t len = 0;
  const char *text;
  int r;

  if (page < 0)
    return page;
  json_object_object_foreach (head, key, value)
    json_object_object_add (all, key, json_object_get (value));
  json_object_object_add (all, "tool", json_object_get (json_get (was,
                                                                   "tool")));
  json_object_object_add (all, "created",
                          json_object_get (json_get (was, "created")));
  text = json_object_to_json_string_length (all, JSON_C_TO_STRING_PLAIN, &len);
  r = store_put_file (j->out.fd, "manifest.json", text, len, 0600, err);
  if (r == 0)
    r = folder_page (j->cli, j->out.fd, page, err);
  unlinkat (j->out.fd, "manifest.json", 0);
  return r;
}

/* ---- the new bundle ---- */

static int
pack (struct job *j, struct json_object *head, const char *to,
      struct error *err)
{
  const char *slash = strrchr (to, '/'), *name = slash ? slash + 1 : to;
  struct helper h = HELPER_INIT;
  CLEANUP_CLOSE int dir = -1;
  CLEANUP_JSON struct json_object *said = NULL;
  struct json_object *ask_head;
  char path[4096];
  size_t len = 0;
  const char *text;
  int r;

  snprintf (path, sizeof (path), "%.*s",
            slash ? (int) (slash - to) + 1 : 1, slash ? to : ".");
  dir = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return error_errno (err, errno, "%s", path);
  if (faccessat (dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    return error_set (err, EEXIST, "%s is there already", to);
  r = helper_start (&(struct helper_spec){
                        .libexec = j->cli->libexec,
                        .program = "hangdog-redact",
                        .args = (const char *const[]){ "pack", NULL },
                        .fds = (int[]){ j->out.fd, dir },
                        .nfds = 2 },
                    &h, err);
  if (r < 0)
    return r;
  text = json_object_to_json_string_length (head, JSON_C_TO_STRING_PLAIN,
                                            &len);
  ask_head = question ("pack");
  json_add_text (ask_head, "name", name, strlen (name));
  said = ask (&h, ask_head, text, len, NULL, 0, err);
  helper_end (&h);
  return said ? 0 : -err->code;
}

static void
show (struct job *j, struct json_object *redaction)
{
  const char *key = json_get_str (redaction, "key");
  struct json_object *counts = json_get (redaction, "counts");

  if (j->cli->json)
    {
      json_add_int (redaction, "members", j->nnames);
      json_add_int (redaction, "left_out", j->left_out);
      print_json (redaction);
      return;
    }
  printf ("redact members=%u left_out=%u replaced=%lld key=%s\n", j->nnames,
          j->left_out, (long long) j->hits, key ? key : "?");
  json_object_object_foreach (counts, name, n)
    {
      printf ("%10lld  ", (long long) json_object_get_int64 (n));
      print_text (stdout, name);
      fputc ('\n', stdout);
    }
}

/* ---- the whole ---- */

static int
prepare (struct job *j, const char *file, const char *key, const char *rules,
         struct error *err)
{
  CLEANUP_FREE char *text = NULL;
  struct unpacked all;
  size_t len;
  int r;

  if ((r = folder_make (&j->raw, err)) < 0
      || (r = folder_make (&j->out, err)) < 0
      || (r = archive_unpack (j->cli, file, j->raw.fd, UNPACK_MAX, &all, err))
             < 0
      || (r = helper_start (&(struct helper_spec){
                                .libexec = j->cli->libexec,
                                .program = "hangdog-redact" },
                            &j->helper, err))
             < 0)
    return r;
  r = key ? read_key (key, j, err) : host_key (j, err);
  if (r == 0 && rules
      && (r = store_get_file (AT_FDCWD, rules, RULES_MAX, &text, &len, err))
             == 0)
    r = tell (j, "rules", rules, NULL, text, len, err);
  if (r == 0)
    r = tell_host (j, err);
  list (j, j->raw.fd, "", 0);
  qsort (j->names, j->nnames, sizeof (j->names[0]), by_name);
  return r;
}

static int
make (struct job *j, const char *to, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *was = NULL;
  CLEANUP_JSON struct json_object *said = NULL, *head = NULL;
  struct json_object *redaction;
  int r = 0;

  for (unsigned i = 0; i < j->nnames && r == 0; i++)
    r = is_made_anew (j->names[i]) ? 0 : learn (j, j->names[i], err);
  for (unsigned i = 0; i < j->nnames && r == 0; i++)
    r = is_made_anew (j->names[i]) ? 0 : redact (j, j->names[i], err);
  if (r == 0)
    r = load (j->out.fd, &was, err);
  if (r < 0)
    return r;
  unlinkat (j->out.fd, "manifest.json", 0);
  said = ask (&j->helper, question ("done"), NULL, 0, NULL, 0, err);
  if (!said)
    return -err->code;
  redaction = json_get (said, "redaction");
  head = head_of (j, json_root (was), json_object_get (redaction));
  if (to && (r = make_page (j, json_root (was), head, err)) < 0)
    return error_wrap (err, "index.html");
  if (to)
    r = pack (j, head, to, err);
  if (r == 0)
    show (j, redaction);
  return r;
}

int
bundle_redact (struct cli *cli, const char *file, const char *to,
               const char *key, const char *rules, struct error *err)
{
  struct job *j = calloc (1, sizeof (*j));
  int r;

  if (!j)
    return error_set (err, ENOMEM, "no memory");
  j->cli = cli;
  j->helper = (struct helper) HELPER_INIT;
  j->raw = j->out = (struct folder) FOLDER_INIT;
  j->gaps = json_object_new_array ();
  j->about = json_object_new_object ();
  r = prepare (j, file, key, rules, err);
  if (r == 0)
    r = make (j, to, err);
  helper_end (&j->helper);
  folder_drop (&j->raw);
  folder_drop (&j->out);
  json_object_put (j->gaps);
  json_object_put (j->about);
  free (j);
  return r;
}
