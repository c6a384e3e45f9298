/* SPDX-License-Identifier: Apache-2.0
 *
 * The session: a hangdog-redact with its key and its rules, and the document
 * of an incident.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/archive/redaction_impl.h"

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/store.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RULES_MAX (256u << 10)
#define DOCUMENT_MAX (1u << 20)
#define ASK_MS 120000
#define ERRNO_MAX 4096

/* ---- asking hangdog-redact ---- */

struct json_object *
redaction_ask (struct helper *h, struct json_object *head, const void *body,
               size_t len, const int *fds, unsigned nfds, struct error *err)
{
  CLEANUP_JSON struct json_object *question = head;
  CLEANUP_FRAME struct frame f = { 0 };
  uint64_t deadline = clock_ms () + ASK_MS;
  const char *why;
  int64_t code;

  if (helper_say (h, question, body, len, fds, nfds, deadline, err) < 0
      || helper_hear (h, &f, deadline, err) < 0)
    return NULL;
  if (json_get_bool (f.head, "ok", false))
    return json_object_get (f.head);
  why = json_get_str (f.head, "why");
  code = json_get_int (f.head, "errno", EBADMSG);
  error_set (err, code > 0 && code < ERRNO_MAX ? (int) code : EBADMSG, "%s",
             why ? why : "hangdog-redact did not say why");
  return NULL;
}

struct json_object *
redaction_question (const char *op)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", op);
  return o;
}

int
redaction_tell (struct redaction *s, const char *op, const char *origin,
                const char *name, const void *body, size_t len,
                struct error *err)
{
  struct json_object *head = redaction_question (op), *said;

  if (origin)
    json_add_text (head, "origin", origin, strlen (origin));
  if (name)
    json_add_text (head, "name", name, strlen (name));
  said = redaction_ask (&s->helper, head, body, len, NULL, 0, err);
  if (!said)
    return -err->code;
  json_object_put (said);
  return 0;
}

/* ---- what it learns from ---- */

/* Guests may print names without end, and there is place for so many only:
 * what is learnt first is what they have no hand in. */
bool
redaction_host_made (const char *member)
{
  static const char *const folders[]
      = { "host/", "qemu/", "monitor/", "disk/", "net/", "metrics/" };

  for (unsigned i = 0; i < ARRAY_LEN (folders); i++)
    if (strncmp (member, folders[i], strlen (folders[i])) == 0)
      return true;
  return false;
}

/* Then what only quotes a guest. */
static int
rank (const char *member)
{
  static const char *const files[]
      = { "manifest.json", "incident.json", "timeline.jsonl" };

  if (redaction_host_made (member))
    return 0;
  for (unsigned i = 0; i < ARRAY_LEN (files); i++)
    if (strcmp (member, files[i]) == 0)
      return 1;
  return 2;
}

static int
by_maker (const void *a, const void *b)
{
  int d = rank (a) - rank (b);

  return d ? d : strcmp (a, b);
}

static void
list (struct redaction *s, int dirfd, const char *prefix, unsigned depth)
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
      if (S_ISREG (st.st_mode) && s->nnames < MEMBERS_MAX)
        snprintf (s->names[s->nnames++], NAME_MAX_BYTES, "%s", name);
      else if (S_ISDIR (st.st_mode) && depth < 8)
        {
          CLEANUP_CLOSE int sub
              = openat (dirfd, e->d_name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          if (sub >= 0)
            list (s, sub, name, depth + 1);
        }
    }
}

void
redaction_list (struct redaction *s, int dirfd)
{
  s->nnames = 0;
  list (s, dirfd, "", 0);
  qsort (s->names, s->nnames, sizeof (s->names[0]), by_maker);
}

int
redaction_learn (struct redaction *s, int fd, const char *name,
                 struct error *err)
{
  struct json_object *said
      = redaction_ask (&s->helper, redaction_question ("learn"), NULL, 0, &fd,
                       1, err);

  if (!said)
    return error_wrap (err, "%s", name);
  s->unlearnt = json_get_int (said, "unlearnt", 0);
  json_object_put (said);
  return 0;
}

struct json_object *
redaction_redact (struct redaction *s, int in, int out, bool json,
                  struct error *err)
{
  struct json_object *question = redaction_question ("redact");

  json_add_bool (question, "json", json);
  return redaction_ask (&s->helper, question, NULL, 0, (int[]){ in, out }, 2,
                        err);
}

/* ---- beginning and end ---- */

/* The rules that are shipped go with the version. */
static void
name_it (struct redaction *s, const char *rules, size_t len)
{
  unsigned char md[DIGEST_BYTES];
  struct digest d;

  digest_init (&d);
  digest_add (&d, PACKAGE_VERSION, sizeof (PACKAGE_VERSION));
  digest_add (&d, s->spec.strict ? "s" : "-", 1);
  if (rules)
    digest_add (&d, rules, len);
  digest_end (&d, md);
  for (unsigned i = 0; i < (REDACTION_ID - 1) / 2; i++)
    snprintf (s->id + 2 * i, 3, "%02x", md[i]);
}

static int
take_rules (struct redaction *s, struct error *err)
{
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  int r = s->spec.rules ? store_get_file (AT_FDCWD, s->spec.rules, RULES_MAX,
                                          &text, &len, err)
                        : 0;

  if (r == 0)
    name_it (s, text, len);
  if (r == 0 && s->spec.strict)
    r = redaction_tell (s, "strict", NULL, NULL, NULL, 0, err);
  if (r == 0 && s->spec.rules)
    r = redaction_tell (s, "rules", s->spec.rules, NULL, text, len, err);
  return r;
}

int
redaction_new (const struct redaction_spec *spec, struct redaction **ret,
               struct error *err)
{
  CLEANUP_REDACTION struct redaction *s = calloc (1, sizeof (*s));
  int r;

  if (!s)
    return error_set (err, ENOMEM, "no memory");
  s->spec = *spec;
  s->helper = (struct helper) HELPER_INIT;
  s->raw = s->out = (struct folder) FOLDER_INIT;
  s->gaps = json_object_new_array ();
  s->about = json_object_new_object ();
  r = helper_start (&(struct helper_spec){ .libexec = spec->libexec,
                                           .program = "hangdog-redact" },
                    &s->helper, err);
  if (r < 0 || (r = redaction_key (s, err)) < 0
      || (r = take_rules (s, err)) < 0)
    return r;
  *ret = steal_ptr (&s);
  return 0;
}

void
redaction_free (struct redaction *s)
{
  if (!s)
    return;
  helper_end (&s->helper);
  folder_drop (&s->raw);
  folder_drop (&s->out);
  json_object_put (s->gaps);
  json_object_put (s->about);
  json_doc_free (s->manifest);
  free (s);
}

const char *
redaction_id (const struct redaction *s)
{
  return s->id;
}

const char *
redaction_key_trouble (const struct redaction *s)
{
  return s->trouble[0] ? s->trouble : NULL;
}

/* ---- whose fault it is ---- */

bool
redaction_passes (int rc)
{
  static const int passing[]
      = { ENOSPC, EDQUOT, EIO, EAGAIN, EINTR, ETIMEDOUT, ENOMEM, EMFILE,
          ENFILE };

  for (unsigned i = 0; i < ARRAY_LEN (passing); i++)
    if (rc == -passing[i])
      return true;
  return false;
}

/* ---- a document ---- */

/* Of its files those that the host has made, or the others.  What cannot be
 * opened any more was packed or removed in between. */
static int
learn_folder (struct redaction *s, int folder, bool host_made,
              struct error *err)
{
  int r = 0;

  if (folder < 0)
    return 0;
  redaction_list (s, folder);
  for (unsigned i = 0; i < s->nnames && r == 0; i++)
    {
      if (redaction_host_made (s->names[i]) != host_made)
        continue;
      CLEANUP_CLOSE int fd
          = openat (folder, s->names[i], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

      if (fd >= 0)
        r = redaction_learn (s, fd, s->names[i], err);
    }
  return r;
}

/* What can be read of it is learnt from. */
static int
unpack (struct redaction *s, const char *bundle, struct error *err)
{
  struct error why = ERROR_INIT;
  struct unpacked all;
  int r = folder_make (s->spec.beneath, &s->raw, err);

  if (r == 0)
    r = archive_unpack (s->spec.libexec, bundle, s->raw.fd, REDACTION_UNPACK,
                        &all, NULL, err);
  if (r == -EBADMSG)
    r = 0;
  /* A torn one may have no manifest. */
  if (r == 0 && (r = redaction_tell_host (s, &why)) < 0)
    {
      if (!redaction_passes (r))
        return 0;
      *err = why;
    }
  return r;
}

/* A file that nobody else sees, with that in it. */
static int
memory_file (const char *text, size_t len, struct error *err)
{
  int fd = memfd_create ("document", MFD_CLOEXEC), r;

  if (fd < 0)
    return error_errno (err, errno, "a document");
  if ((r = io_write (fd, text, len)) < 0 || lseek (fd, 0, SEEK_SET) < 0)
    {
      close (fd);
      return error_errno (err, r < 0 ? -r : errno, "a document");
    }
  return fd;
}

/* What it is found by stays, whatever rules say. */
static void
keep_place (struct json_object *is, struct json_object *was)
{
  static const char *const stays[] = { "schema", "id", "rev" };

  for (unsigned i = 0; i < ARRAY_LEN (stays); i++)
    if (json_get (was, stays[i]))
      json_object_object_add (is, stays[i],
                              json_object_get (json_get (was, stays[i])));
}

/* Words of our own tables, and of nobody else's. */
static void
copy_word (struct json_object *to, struct json_object *from, const char *key)
{
  const char *word = json_get_str (from, key);

  if (json_object_is_type (to, json_type_object) && word
      && strlen (word) < 40
      && strspn (word, "abcdefghijklmnopqrstuvwxyz-") == strlen (word))
    json_add_str (to, key, word);
}

static int
take_document (int fd, struct json_object *was, struct buf *out,
               struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_FREE char *text = NULL;
  struct error why = ERROR_INIT;
  struct json_object *is;
  struct stat st;
  ssize_t n;
  int r;

  if (fstat (fd, &st) == 0 && st.st_size > DOCUMENT_MAX)
    return error_set (err, E2BIG, "a document grows");
  if (fstat (fd, &st) < 0 || !(text = malloc ((size_t) st.st_size + 1))
      || (n = pread (fd, text, (size_t) st.st_size, 0)) != st.st_size)
    return error_set (err, EIO, "a redacted document can't be read");
  r = json_parse (text, (size_t) n, JSON_WIRE, "the redacted document",
                  DOCUMENT_MAX, &doc, &why);
  if (r < 0)
    return error_set (err, r == -ENOMEM ? ENOMEM : EBADMSG, "%s",
                      error_text (&why));
  is = json_root (doc);
  keep_place (is, was);
  copy_word (is, was, "end");
  copy_word (json_get (is, "verdict"), json_get (was, "verdict"), "class");
  json_show (is, out);
  return out->cut ? error_set (err, E2BIG, "a document grows") : 0;
}

int
redaction_stub (const char *text, size_t len, struct buf *out,
                struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_JSON struct json_object *stub = json_object_new_object ();
  struct json_object *verdict = json_object_new_object (), *was;
  int r = json_parse (text, len, JSON_WIRE, "a document", DOCUMENT_MAX, &doc,
                      err);

  json_object_object_add (stub, "verdict", verdict);
  if (r < 0)
    return r;
  was = json_root (doc);
  keep_place (stub, was);
  copy_word (stub, was, "end");
  copy_word (verdict, json_get (was, "verdict"), "class");
  json_add_str (verdict, "sentence", "redaction failed");
  json_add_str (stub, "redaction", "failed");
  buf_clear (out);
  json_show (stub, out);
  return 0;
}

static int
learn_all (struct redaction *s, int folder, int in, struct error *err)
{
  int r;

  if ((r = learn_folder (s, folder, true, err)) < 0
      || (r = redaction_learn (s, in, "document", err)) < 0
      || (r = learn_folder (s, folder, false, err)) < 0)
    return r;
  return lseek (in, 0, SEEK_SET) < 0 ? error_errno (err, errno, "a document")
                                     : 0;
}

int
redaction_document (struct redaction *s, int folder, const char *bundle,
                    const char *text, size_t len, struct buf *out,
                    struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_JSON struct json_object *said = NULL;
  CLEANUP_CLOSE int in = -1, to = memory_file ("", 0, err);
  CLEANUP_BUF struct buf spread = BUF_INIT (DOCUMENT_MAX);
  int r = json_parse (text, len, JSON_WIRE, "a document", DOCUMENT_MAX, &doc,
                      err);

  if (r < 0 || to < 0)
    return r < 0 ? r : -err->code;
  /* A value a line: names are learnt from lines, and of long ones only from
   * pieces. */
  json_show_spread (json_root (doc), &spread);
  in = memory_file (buf_str (&spread), spread.len, err);
  if (in < 0)
    return -err->code;
  if (bundle && (r = unpack (s, bundle, err)) < 0)
    return r;
  r = learn_all (s, bundle ? s->raw.fd : folder, in, err);
  folder_drop (&s->raw);
  if (r < 0)
    return r;
  if (s->spec.strict && s->unlearnt)
    return error_set (err, EBADMSG, "more names than can be learnt");
  said = redaction_redact (s, in, to, true, err);
  return said ? take_document (to, json_root (doc), out, err) : -err->code;
}
