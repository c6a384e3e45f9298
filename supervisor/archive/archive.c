/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the parser about an archive, and unpacking one.
 */
#include "supervisor/archive/archive.h"

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "transports/memory/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Longer than its own deadline: the parser ends itself first, and says why. */
#define PARSE_MS 120000
enum
{
  FOREIGN = 1, /* it takes the parser for what others pack */
  ENDED,
};

struct asking
{
  const char *file;
  archive_fn *fn;
  void *arg;
  struct error err;
  struct json_object *end; /* what the parser ended with */
  const struct archive_far *far;
  int fd;
  uint64_t total; /* bytes of it */
};

/* ---- the parser ---- */

static int
ended (struct asking *a, struct json_object *head, struct error *err)
{
  const char *why = json_get_str (head, "why");
  const char *manifest = json_get_str (head, "manifest");

  if (json_get_bool (head, "ok", false))
    return 0;
  if (manifest)
    return error_set (err, EBADMSG, "%s: %s", a->file, manifest);
  if (why)
    return error_set (err, EBADMSG, "%s: %s%s", a->file, why,
                      json_get_bool (head, "torn", false)
                              && json_get_int (head, "members", 0) > 0
                          ? " (what came before it was taken)"
                          : "");
  return 0; /* the members told it */
}

static int
answer (struct frame *f, void *arg)
{
  struct asking *a = arg;
  const char *op = json_get_str (f->head, "op");
  off_t at;
  int r;

  if (!op)
    return 0;
  if (strcmp (op, "end") == 0)
    {
      a->end = json_object_get (f->head);
      return ENDED;
    }
  if (strcmp (op, "foreign") == 0)
    return FOREIGN;
  /* The parser's descriptor is the same open file as ours. */
  if (a->far && (at = lseek (a->fd, 0, SEEK_CUR)) >= 0)
    a->far->fn ((uint64_t) at, a->total, a->far->arg);
  r = a->fn (op, f, a->arg, &a->err);
  return r < 0 ? r : 0;
}

static int
ask (const char *libexec, struct asking *a, const char *program,
     const char *task, const char *name, int fd, struct error *err)
{
  const char *args[] = { task, name, NULL };
  const struct parser_spec spec = { .libexec = libexec,
                                    .program = program,
                                    .args = args,
                                    .inputs = &fd,
                                    .ninputs = 1 };
  struct parser_run *run = NULL;
  struct json_object *end;
  int r = parser_run_start (&spec, &run, err);

  if (r < 0)
    return r;
  r = parser_run_listen (run, clock_ms () + PARSE_MS, answer, a, err);
  /* One that does not answer may not end by itself either. */
  parser_run_end (run, r < 0, NULL);
  if (a->err.code)
    {
      *err = a->err;
      return -a->err.code;
    }
  if (r < 0)
    return error_wrap (err, "%s", a->file);
  if (r == FOREIGN)
    return r;
  end = steal_ptr (&a->end);
  r = ended (a, end, err);
  json_object_put (end);
  return r;
}

int
archive_read (const char *libexec, const char *file, const char *task,
              const char *name, archive_fn *fn, void *arg,
              const struct archive_far *far, struct error *err)
{
  struct asking a = { .file = file, .fn = fn, .arg = arg, .far = far,
                      .err = ERROR_INIT };
  CLEANUP_CLOSE int fd = -1;
  struct stat st;
  int r;

  /* O_NONBLOCK: opening a FIFO would wait for who writes to it. */
  fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return error_errno (err, errno, "%s", file);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "%s is not a file", file);
  a.fd = fd;
  a.total = (uint64_t) st.st_size;
  r = ask (libexec, &a, "hangdog-parser", task, name, fd, err);
  /* Archives of others take a library that starts slowly. */
  if (r == FOREIGN && lseek (fd, 0, SEEK_SET) == 0)
    r = ask (libexec, &a, "hangdog-parser-foreign", task, name, fd, err);
  if (r == FOREIGN)
    r = error_set (err, EBADMSG, "%s is no archive that can be read here",
                   file);
  return r;
}

/* ---- unpacking ---- */

struct unpacking
{
  int dirfd, fd; /* fd: of the present member, -1 = none */
  uint64_t max_bytes;
  struct unpacked *all;
};

/* The parser has refused what is no name in a bundle; it may have been taken
 * over by what it reads. */
static int
keep_data (const char *op, struct frame *f, void *arg, struct error *err)
{
  (void) err;
  if (strcmp (op, "data") == 0)
    buf_append (arg, f->body, f->body_len);
  return 0;
}

int
archive_manifest_of (const char *libexec, const char *file,
                     struct json_doc **ret, struct error *ret_damage,
                     struct error *err)
{
  CLEANUP_BUF struct buf text = BUF_INIT (BUNDLE_MAX_MANIFEST);
  struct error damage = ERROR_INIT;
  int r = archive_read (libexec, file, "bundle-cat", "manifest.json", keep_data,
                        &text, NULL, &damage);

  if (text.cut)
    return error_set (err, E2BIG, "%s: its manifest has more than %u MiB",
                      file, BUNDLE_MAX_MANIFEST >> 20);
  if (r < 0 && r != -EBADMSG)
    {
      *err = damage;
      return r;
    }
  /* It is the first: what is torn further on has it whole. */
  if (json_parse (buf_str (&text), text.len, JSON_WIRE, "manifest.json",
                  BUNDLE_MAX_MANIFEST, ret, err)
      < 0)
    return r == 0 ? error_wrap (err, "%s", file)
                  : error_set (err, EBADMSG,
                               "%s; it has no manifest that is whole",
                               damage.msg);
  *ret_damage = damage;
  return 0;
}

int
archive_manifest (const char *libexec, const char *file, struct json_doc **ret,
                  struct error *err)
{
  struct error damage = ERROR_INIT;
  struct json_doc *doc = NULL;
  int r = archive_manifest_of (libexec, file, &doc, &damage, err);

  if (r == 0 && damage.code)
    {
      json_doc_free (doc);
      *err = damage;
      return -damage.code;
    }
  if (r == 0)
    *ret = doc;
  return r;
}

bool
archive_is_path (const char *name)
{
  char part[256];
  const char *at = name, *slash;

  for (unsigned depth = 0; depth < 8; depth++)
    {
      size_t len = (slash = strchr (at, '/')) ? (size_t) (slash - at)
                                              : strlen (at);

      if (len == 0 || len >= sizeof (part))
        return false;
      memcpy (part, at, len);
      part[len] = '\0';
      if (!text_is_name (part))
        return false;
      if (!slash)
        return true;
      at = slash + 1;
    }
  return false;
}

/* Each folder by itself: none of them may be a link. */
int
archive_create (int dirfd, const char *name, struct error *err)
{
  CLEANUP_CLOSE int dir = dup (dirfd);
  const char *at = name, *slash;
  char part[256];
  int next, fd;

  if (!archive_is_path (name))
    return error_set (err, EBADMSG, "a member's name is none of a bundle's");
  while (dir >= 0 && (slash = strchr (at, '/')))
    {
      snprintf (part, sizeof (part), "%.*s", (int) (slash - at), at);
      if (mkdirat (dir, part, 0700) < 0 && errno != EEXIST)
        return error_errno (err, errno, "making the folder of %s", name);
      next = openat (dir, part,
                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      close (dir);
      dir = next;
      at = slash + 1;
    }
  fd = dir < 0 ? -1
               : openat (dir, at,
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         0600);
  return fd < 0 ? error_errno (err, errno, "%s", name) : fd;
}

static int
begin (struct unpacking *u, const char *name, struct error *err)
{
  if (u->fd >= 0)
    close (u->fd);
  u->fd = archive_create (u->dirfd, name, err);
  if (u->fd < 0)
    return -err->code;
  u->all->files++;
  return 0;
}

static int
unpack (const char *op, struct frame *f, void *arg, struct error *err)
{
  struct unpacking *u = arg;
  const char *name = json_get_str (f->head, "name");
  int r;

  if (strcmp (op, "begin") == 0)
    return begin (u, name ? name : "", err);
  if (strcmp (op, "data") != 0)
    return 0;
  if (u->fd < 0)
    return error_set (err, EBADMSG, "bytes of no member");
  u->all->bytes += f->body_len;
  if (u->all->bytes > u->max_bytes)
    return error_set (err, EFBIG, "it holds more than %llu bytes",
                      (unsigned long long) u->max_bytes);
  r = io_write (u->fd, f->body, f->body_len);
  return r < 0 ? error_errno (err, -r, "writing a member") : 0;
}

int
archive_unpack (const char *libexec, const char *file, int dirfd,
                uint64_t max_bytes, struct unpacked *ret,
                const struct archive_far *far, struct error *err)
{
  struct unpacking u = { .dirfd = dirfd, .fd = -1, .max_bytes = max_bytes,
                         .all = ret };
  int r;

  *ret = (struct unpacked){ 0 };
  r = archive_read (libexec, file, "bundle-all", NULL, unpack, &u, far,
                    err);
  if (u.fd >= 0)
    close (u.fd);
  return r;
}
