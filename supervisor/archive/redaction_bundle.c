/* SPDX-License-Identifier: Apache-2.0
 *
 * A bundle without what names somebody and without secrets: each file is looked
 * through, the page is made anew, and what came of it is packed.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/archive/redaction_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/store.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- the members ---- */

/* Made anew, and not redacted. */
static bool
is_made_anew (const char *name)
{
  return strcmp (name, "index.html") == 0 || strcmp (name, "SHA256SUMS") == 0;
}

static bool
is_manifest (const char *name)
{
  return strcmp (name, "manifest.json") == 0;
}

static int
open_raw (struct redaction *s, const char *name, struct error *err)
{
  int fd = openat (s->raw.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

  return fd < 0 ? error_errno (err, errno, "%s", name) : fd;
}

static int
learn (struct redaction *s, const char *name, struct error *err)
{
  CLEANUP_CLOSE int fd = open_raw (s, name, err);

  return fd < 0 ? fd : redaction_learn (s, fd, name, err);
}

static void
leave_out (struct redaction *s, const char *name, const char *why)
{
  struct json_object *o = json_object_new_object ();

  json_add_text (o, "what", name, strlen (name));
  json_add_str (o, "why", why);
  json_object_array_add (s->gaps, o);
  s->left_out++;
}

/* What it is to be called, in dst; "" = it is left out, and that was said. */
static int
new_name (struct redaction *s, const char *name, char dst[NAME_MAX_BYTES],
          struct error *err)
{
  struct json_object *head = redaction_question ("name");
  CLEANUP_JSON struct json_object *said = NULL;
  const char *is, *why;

  json_add_text (head, "name", name, strlen (name));
  said = redaction_ask (&s->helper, head, NULL, 0, NULL, 0, err);
  if (!said)
    return -err->code;
  is = json_get_str (said, "name");
  why = json_get_str (said, "left_out");
  if (!why && (!is || strlen (is) >= NAME_MAX_BYTES || !archive_is_path (is)))
    why = "its name cannot be redacted";
  dst[0] = '\0';
  /* Of a name that is not known one member may have told, and another one may
   * hold it. */
  if (!why && s->spec.strict && s->unlearnt && !is_manifest (name)
      && !redaction_host_made (name))
    why = "more names were told of than can be learnt";
  if (why)
    leave_out (s, is ? is : "a member", why);
  else
    snprintf (dst, NAME_MAX_BYTES, "%s", is);
  return 0;
}

/* Two names may have become one: a number goes before the last dot. */
static int
create (struct redaction *s, char name[NAME_MAX_BYTES], struct error *err)
{
  char first[NAME_MAX_BYTES];
  const char *dot, *slash;
  int fd = archive_create (s->out.fd, name, err);

  memcpy (first, name, sizeof (first));
  dot = strrchr (first, '.');
  slash = strrchr (first, '/');
  if (!dot || (slash && dot < slash))
    dot = first + strlen (first);
  for (unsigned i = 2; fd == -EEXIST && i < MEMBERS_MAX + 2; i++)
    {
      if ((size_t) snprintf (name, NAME_MAX_BYTES, "%.*s.%u%s",
                             (int) (dot - first), first, i, dot)
          >= NAME_MAX_BYTES)
        break;
      *err = (struct error) ERROR_INIT;
      fd = archive_create (s->out.fd, name, err);
    }
  return fd;
}

/* When it was last written, as the manifest has it. */
static void
keep_time (struct redaction *s, const char *name, int fd)
{
  struct json_object *all = json_get (json_root (s->manifest), "files");
  struct timespec t[2] = { 0 };
  struct tm tm = { 0 };

  if (!json_object_is_type (all, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (all); i++)
    {
      struct json_object *file = json_object_array_get_idx (all, i);
      const char *path = json_get_str (file, "path");
      const char *when = json_get_str (file, "modified");

      if (!path || strcmp (path, name) != 0)
        continue;
      if (!when || !strptime (when, "%Y-%m-%dT%H:%M:%S", &tm))
        return;
      t[0].tv_sec = t[1].tv_sec = timegm (&tm);
      futimens (fd, t);
      return;
    }
}

/* What is read as a document later on, or by others, stays one. */
static struct json_object *
look_through (struct redaction *s, const char *name, int in, int out,
              struct error *err)
{
  bool json = is_manifest (name) || strcmp (name, "incident.json") == 0;
  struct json_object *said = redaction_redact (s, in, out, json, err);

  if (said || !json || is_manifest (name)
      || (err->code != EBADMSG && err->code != E2BIG))
    return said;
  /* It was none before. */
  if (lseek (in, 0, SEEK_SET) < 0 || ftruncate (out, 0) < 0
      || lseek (out, 0, SEEK_SET) < 0)
    return NULL;
  *err = (struct error) ERROR_INIT;
  return redaction_redact (s, in, out, false, err);
}

static int
redact (struct redaction *s, const char *name, struct error *err)
{
  CLEANUP_CLOSE int in = open_raw (s, name, err), out = -1;
  CLEANUP_JSON struct json_object *said = NULL, *about = NULL;
  char as[NAME_MAX_BYTES];
  int r;

  if (in < 0)
    return in;
  if ((r = new_name (s, name, as, err)) < 0 || !as[0])
    return r;
  out = create (s, as, err);
  if (out == -ENOTDIR || out == -EEXIST)
    {
      leave_out (s, as, "its name has become another's");
      return 0;
    }
  if (out < 0)
    return out;
  said = look_through (s, name, in, out, err);
  if (!said)
    return error_wrap (err, "%s", name);
  if (!json_get_bool (said, "text", false))
    {
      unlinkat (s->out.fd, as, 0);
      leave_out (s, as, "it is no text, and no rule can look into it");
      return 0;
    }
  keep_time (s, name, out);
  s->hits += json_get_int (said, "hits", 0);
  about = json_object_new_object ();
  json_add_int (about, "redactions", json_get_int (said, "hits", 0));
  json_object_object_add (s->about, as, json_object_get (about));
  return 0;
}

/* ---- the manifest ---- */

static int
load (int dirfd, struct json_doc **ret, struct error *err)
{
  CLEANUP_FREE char *text = NULL;
  size_t len;
  int r = store_get_file (dirfd, "manifest.json", BUNDLE_MAX_MANIFEST, &text,
                          &len, err);

  return r < 0 ? error_wrap (err, "manifest.json")
               : json_parse (text, len, JSON_WIRE, "manifest.json",
                             BUNDLE_MAX_MANIFEST, ret, err);
}

/* The host says its name there, and text need not. */
int
redaction_tell_host (struct redaction *s, struct error *err)
{
  const char *name;
  int r;

  json_doc_free (steal_ptr (&s->manifest));
  if ((r = load (s->raw.fd, &s->manifest, err)) < 0)
    return r;
  name = json_get_str (json_get (json_root (s->manifest), "host"), "name");
  return name ? redaction_tell (s, "word", "hostname", name, NULL, 0, err) : 0;
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
head_of (struct redaction *s, struct json_object *was,
         struct json_object *redaction)
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
  for (size_t k = 0; k < json_object_array_length (s->gaps); k++)
    json_object_array_add (
        gaps, json_object_get (json_object_array_get_idx (s->gaps, k)));
  json_object_object_add (head, "gaps", gaps);
  json_object_object_add (head, "redaction", redaction);
  json_object_object_add (head, "about", json_object_get (s->about));
  return head;
}

/* hangdog-report reads the manifest in the folder, which packing makes.  A
 * bundle is whole without its page. */
static int
make_page (struct redaction *s, struct json_object *was,
           struct json_object *head, struct error *err)
{
  struct error why = ERROR_INIT;
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  CLEANUP_CLOSE int page = archive_create (s->out.fd, "index.html", err);
  CLEANUP_BUF struct buf text = BUF_INIT (BUNDLE_MAX_MANIFEST);
  int r;

  if (page < 0)
    return page;
  json_add_str (all, "schema", BUNDLE_SCHEMA);
  json_object_object_foreach (head, key, value)
    json_object_object_add (all, key, json_object_get (value));
  json_object_object_add (all, "tool", json_object_get (json_get (was,
                                                                   "tool")));
  json_object_object_add (all, "created",
                          json_object_get (json_get (was, "created")));
  json_show (all, &text);
  r = store_put_file (s->out.fd, "manifest.json", buf_str (&text), text.len,
                      0600, err);
  if (r == 0 && folder_page (s->spec.libexec, s->out.fd, page, NULL, &why) < 0)
    {
      leave_out (s, "index.html", error_text (&why));
      json_object_array_add (
          json_get (head, "gaps"),
          json_object_get (json_object_array_get_idx (
              s->gaps, json_object_array_length (s->gaps) - 1)));
      unlinkat (s->out.fd, "index.html", 0);
    }
  unlinkat (s->out.fd, "manifest.json", 0);
  return r;
}

/* ---- the new bundle ---- */

static int
pack (struct redaction *s, struct json_object *head, int dir, const char *name,
      struct redacted *ret, struct error *err)
{
  struct helper h = HELPER_INIT;
  CLEANUP_JSON struct json_object *said = NULL;
  struct json_object *question = redaction_question ("pack");
  CLEANUP_BUF struct buf text = BUF_INIT (BUNDLE_MAX_MANIFEST);
  const char *digest;
  int r = helper_start (&(struct helper_spec){
                            .libexec = s->spec.libexec,
                            .program = "hangdog-redact",
                            .args = (const char *const[]){ "pack", NULL },
                            .fds = (int[]){ s->out.fd, dir },
                            .nfds = 2 },
                        &h, err);

  if (r < 0)
    {
      json_object_put (question);
      return r;
    }
  json_show (head, &text);
  json_add_text (question, "name", name, strlen (name));
  said = redaction_ask (&h, question, buf_str (&text), text.len, NULL, 0, err);
  helper_end (&h);
  digest = json_get_str (said, "digest");
  if (!said || !digest)
    return said ? helper_lies ("hangdog-redact", err) : -err->code;
  snprintf (ret->digest, sizeof (ret->digest), "%s", digest);
  ret->bytes = (uint64_t) json_get_int (said, "bytes", 0);
  return 0;
}

/* ---- the whole ---- */

static int
prepare (struct redaction *s, const char *file, struct error *err)
{
  struct unpacked all;
  int r;

  if ((r = folder_make (s->spec.beneath, &s->raw, err)) < 0
      || (r = folder_make (s->spec.beneath, &s->out, err)) < 0
      || (r = archive_unpack (s->spec.libexec, file, s->raw.fd,
                              REDACTION_UNPACK, &all, NULL, err))
             < 0)
    return r;
  r = redaction_tell_host (s, err);
  redaction_list (s, s->raw.fd);
  return r;
}

static int
each (struct redaction *s,
      int (*fn) (struct redaction *s, const char *name, struct error *err),
      struct error *err)
{
  int r = 0;

  for (unsigned i = 0; i < s->nnames && r == 0; i++)
    {
      if (!is_made_anew (s->names[i]))
        r = fn (s, s->names[i], err);
      s->steps++;
      if (s->spec.step && r == 0)
        s->spec.step (s->spec.arg, s->steps, 2 * s->nnames, s->names[i]);
    }
  return r;
}

int
redaction_bundle (struct redaction *s, const char *file, int dirfd,
                  const char *name, struct redacted *ret, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *was = NULL;
  CLEANUP_JSON struct json_object *said = NULL, *head = NULL;
  struct json_object *redaction;
  int r = prepare (s, file, err);

  *ret = (struct redacted){ 0 };
  if (r < 0 || (r = each (s, learn, err)) < 0
      || (r = each (s, redact, err)) < 0
      || (r = load (s->out.fd, &was, err)) < 0)
    return r;
  unlinkat (s->out.fd, "manifest.json", 0);
  said = redaction_ask (&s->helper, redaction_question ("done"), NULL, 0, NULL,
                        0, err);
  if (!said)
    return -err->code;
  redaction = json_get (said, "redaction");
  head = head_of (s, json_root (was), json_object_get (redaction));
  if (dirfd >= 0 && (r = make_page (s, json_root (was), head, err)) < 0)
    return error_wrap (err, "index.html");
  if (dirfd >= 0 && (r = pack (s, head, dirfd, name, ret, err)) < 0)
    return r;
  ret->redaction = json_object_get (redaction);
  ret->members = s->nnames;
  ret->left_out = s->left_out;
  ret->hits = s->hits;
  return 0;
}
