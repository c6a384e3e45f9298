/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's tasks about bundles and other archives.
 */
#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_io.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/bundle.h"
#include "controller-proto/sha256.h"

#include <errno.h>
#include <string.h>

/* Of an archive, expanded. */
#define MAX_BYTES (2ull << 30)

enum mode
{
  LIST,
  CAT,
  ALL,
  VERIFY,
};

struct bundle_task
{
  struct parser_io *io;
  enum mode mode;
  const char *wanted; /* CAT */
  char name[256];     /* of the present member */
  uint64_t bytes;
  unsigned members, bad;
  bool found;
  struct sha256 *sum;
  struct buf manifest_text;
  struct json_doc *manifest;
  const char *manifest_trouble; /* why it cannot be checked against it */
  bool listed[BUNDLE_MAX_MEMBERS]; /* that entry of "files" was seen */
};

/* ---- answering ---- */

static void
say (struct bundle_task *t, struct json_object *head, const void *body,
     size_t len)
{
  parser_answer (t->io, head, body, len);
}

/* ---- the manifest ---- */

static void
take_manifest (struct bundle_task *t)
{
  struct error err = ERROR_INIT;
  struct json_object *files;

  if (t->manifest_text.cut
      || json_parse (buf_str (&t->manifest_text), t->manifest_text.len,
                     JSON_WIRE, "manifest.json", BUNDLE_MAX_MANIFEST,
                     &t->manifest, &err)
             < 0)
    {
      t->manifest_trouble = "the manifest cannot be read";
      return;
    }
  files = json_get (json_root (t->manifest), "files");
  if (!json_object_is_type (files, json_type_array)
      || json_object_array_length (files) > BUNDLE_MAX_MEMBERS)
    t->manifest_trouble = "the manifest lists no files";
}

static struct json_object *
files_of (struct bundle_task *t)
{
  return t->manifest && !t->manifest_trouble
             ? json_get (json_root (t->manifest), "files")
             : NULL;
}

static void
add_some (struct json_object *head, const char *key, const char *text)
{
  if (text)
    json_add_text (head, key, text, strnlen (text, 1024));
}

/* How many there will be, for who shows how far it is. */
static void
tell_listed (struct bundle_task *t)
{
  struct json_object *files = files_of (t);
  struct json_object *head = parser_message ("listed");

  json_add_int (head, "members",
                files ? 1 + (int64_t) json_object_array_length (files) : 0);
  say (t, head, NULL, 0);
}

/* What lies beside the bundle. */
static void
tell_attached (struct bundle_task *t)
{
  struct json_object *list
      = t->manifest ? json_get (json_root (t->manifest), "attachments") : NULL;
  size_t n = json_count (list);

  for (size_t i = 0; i < n && i < BUNDLE_MAX_ATTACHED; i++)
    {
      struct json_object *a = json_object_array_get_idx (list, i), *head;
      const char *name = json_get_str (a, "name");

      if (!name)
        continue;
      head = parser_message ("attachment");
      add_some (head, "name", name);
      json_add_int (head, "bytes", json_get_int (a, "bytes", -1));
      add_some (head, "sha256", json_get_str (a, "sha256"));
      add_some (head, "send", json_get_str (a, "send"));
      add_some (head, "path", json_get_str (a, "path"));
      say (t, head, NULL, 0);
    }
}

/* "ok", or what is wrong with the member that has just ended.  hex NULL: it
 * was cut off. */
static const char *
judge (struct bundle_task *t, const char *hex)
{
  struct json_object *files = files_of (t);

  for (size_t i = 0; files && i < json_object_array_length (files); i++)
    {
      struct json_object *f = json_object_array_get_idx (files, i);
      const char *path = json_get_str (f, "path");
      const char *sum = json_get_str (f, "sha256");

      if (path == NULL || strcmp (path, t->name) != 0)
        continue;
      t->listed[i] = true;
      if (!hex)
        break;
      return sum && strcmp (sum, hex) == 0
                     && json_get_int (f, "bytes", -1) == (int64_t) t->bytes
                 ? "ok"
                 : "differs";
    }
  return hex ? "unlisted" : "incomplete";
}

/* ---- members ---- */

static bool
is_manifest (const struct bundle_task *t)
{
  return t->members == 1 && strcmp (t->name, "manifest.json") == 0;
}

static bool
on_member (void *arg, const char *name, uint64_t size)
{
  struct bundle_task *t = arg;

  snprintf (t->name, sizeof t->name, "%s", name);
  t->bytes = size;
  t->members++;
  if (t->io->failed)
    return false;
  if (t->mode == CAT)
    {
      bool wanted = !t->found && strcmp (name, t->wanted) == 0;

      t->found |= wanted;
      return wanted;
    }
  if (t->mode == VERIFY)
    sha256_reset (t->sum);
  if (t->mode == ALL)
    {
      struct json_object *head = parser_message ("begin");

      json_add_text (head, "name", t->name, strlen (t->name));
      say (t, head, NULL, 0);
    }
  return true;
}

static void
on_data (void *arg, const void *data, size_t len)
{
  struct bundle_task *t = arg;
  const char *p = data;

  if (t->mode == CAT || t->mode == ALL)
    for (size_t n; len > 0 && !t->io->failed; p += n, len -= n)
      {
        n = len < (64u << 10) ? len : 64u << 10;
        say (t, parser_message ("data"), p, n);
      }
  if (t->mode == VERIFY)
    sha256_add (t->sum, data, len);
  if ((t->mode == VERIFY || t->mode == LIST) && is_manifest (t))
    buf_append (&t->manifest_text, data, len);
}

static void
on_end (void *arg, bool complete)
{
  struct bundle_task *t = arg;
  struct json_object *head = parser_message ("member");
  const char *state = complete ? "ok" : "incomplete";

  json_add_text (head, "name", t->name, strlen (t->name));
  json_add_int (head, "bytes", (int64_t) t->bytes);
  if (t->mode == VERIFY && complete)
    {
      char hex[SHA256_HEX];

      sha256_end (t->sum, hex);
      json_add_str (head, "sha256", hex);
      if (!is_manifest (t))
        state = judge (t, hex);
    }
  else if (t->mode == VERIFY)
    state = judge (t, NULL);
  json_add_str (head, "state", state);
  t->bad += strcmp (state, "ok") != 0;
  say (t, head, NULL, 0);
  if (complete && is_manifest (t)
      && (t->mode == VERIFY || t->mode == LIST))
    {
      take_manifest (t);
      if (t->mode == VERIFY)
        tell_listed (t);
      tell_attached (t);
    }
}

static const struct bundle_reader_ops reader
    = { .member = on_member, .data = on_data, .member_end = on_end };

/* ---- the whole ---- */

/* damaged: bytes in its midst could not be read, and among them may be whatever
 * was not seen. */
static void
tell_missing (struct bundle_task *t, bool damaged)
{
  struct json_object *files = files_of (t);

  for (size_t i = 0; files && i < json_object_array_length (files); i++)
    {
      const char *path
          = json_get_str (json_object_array_get_idx (files, i), "path");
      struct json_object *head;

      if (t->listed[i])
        continue;
      head = parser_message ("missing");
      json_add_text (head, "name", path ? path : "",
                     path ? strlen (path) : 0);
      json_add_str (head, "state", damaged ? "damaged" : "missing");
      t->bad++;
      say (t, head, NULL, 0);
    }
}

static int
finish (struct bundle_task *t, int r, const struct error *why,
        struct error *err)
{
  struct json_object *head = parser_message ("end");
  bool ok = r == 0 && t->bad == 0;

  if (t->mode == VERIFY && !t->manifest && !t->manifest_trouble)
    t->manifest_trouble = "there is no manifest";
  if (t->mode == VERIFY && t->manifest_trouble)
    {
      ok = false;
      json_add_str (head, "manifest", t->manifest_trouble);
    }
  if (t->mode == CAT && !t->found)
    {
      CLEANUP_BUF struct buf text = BUF_INIT (512);

      ok = false;
      buf_printf (&text, "it has no member \"%s\"", t->wanted);
      json_add_text (head, "why", buf_str (&text), text.len);
    }
  if (r < 0)
    json_add_text (head, "why", error_text (why), strlen (error_text (why)));
  if (r == -EPIPE)
    json_add_bool (head, "torn", true);
  json_add_int (head, "members", t->members);
  json_add_bool (head, "ok", ok);
  say (t, head, NULL, 0);
  return parser_answered (t->io, err);
}

/* It takes hangdog-parser-foreign, which can read what others pack. */
static int
say_foreign (struct bundle_task *t, struct error *err)
{
  say (t, parser_message ("foreign"), NULL, 0);
  return parser_answered (t->io, err);
}

static int
run (struct parser_io *io, enum mode mode, const char *wanted,
     struct error *err)
{
  struct bundle_task t = { .io = io, .mode = mode, .wanted = wanted };
  struct error why = ERROR_INIT;
  int input = parser_input (io, 0, err), r = input < 0 ? input : 0;

  t.manifest_text = (struct buf) BUF_INIT (BUNDLE_MAX_MANIFEST);
  if (r == 0 && mode == VERIFY)
    r = sha256_new (&t.sum, err);
  if (r < 0)
    return r;
  r = bundle_read (input, MAX_BYTES, &reader, &t, &why);
  if (r == -ENOEXEC)
    r = say_foreign (&t, err);
  else
    {
      if (mode == VERIFY)
        tell_missing (&t, r < 0 && r != -EPIPE);
      r = finish (&t, r, &why, err);
    }
  sha256_free (t.sum);
  json_doc_free (t.manifest);
  buf_done (&t.manifest_text);
  return r;
}

static int
run_list (struct parser_io *io, int argc, char **argv, struct error *err)
{
  return run (io, LIST, NULL, err);
}

static int
run_cat (struct parser_io *io, int argc, char **argv, struct error *err)
{
  if (argc != 1)
    return error_set (err, EINVAL, "bundle-cat wants one name");
  return run (io, CAT, argv[0], err);
}

static int
run_all (struct parser_io *io, int argc, char **argv, struct error *err)
{
  return run (io, ALL, NULL, err);
}

static int
run_verify (struct parser_io *io, int argc, char **argv, struct error *err)
{
  return run (io, VERIFY, NULL, err);
}

#ifdef BUNDLE_OWN_ONLY
#define warm_sums NULL
#else
/* libcrypto reads its configuration and makes its tables at first use. */
static int
warm_sums (struct error *err)
{
  CLEANUP_SHA256 struct sha256 *s = NULL;
  char hex[SHA256_HEX];
  int r = sha256_new (&s, err);

  if (r < 0)
    return r;
  sha256_add (s, "x", 1);
  sha256_end (s, hex);
  return 0;
}
#endif

const struct parser_task task_bundle_list = {
  .name = "bundle-list",
  .summary = "the members of an archive, with their sizes",
  .run = run_list,
};

const struct parser_task task_bundle_cat = {
  .name = "bundle-cat",
  .args = "NAME",
  .summary = "the bytes of one member",
  .run = run_cat,
};

const struct parser_task task_bundle_all = {
  .name = "bundle-all",
  .summary = "the members of an archive, one after another, with their bytes",
  .run = run_all,
};

const struct parser_task task_bundle_verify = {
  .name = "bundle-verify",
  .summary = "a bundle's members against its manifest",
  .warm_up = warm_sums,
  .run = run_verify,
};
