/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives that somebody else made, by libarchive.  Only filters that run in
 * this process are registered: libarchive would start programs for others.
 */
#include "config.h"

#include "controller-proto/bundle_impl.h"

#ifdef WITH_LIBARCHIVE

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#define CHUNK (64u << 10)
#define FOREIGN_MAX_NAME 255

struct foreign
{
  struct bundle_source *src;
  const struct bundle_reader_ops *ops;
  void *arg;
  uint64_t max_bytes, delivered;
  unsigned members;
  unsigned char *chunk;
  struct archive *a;
  bool hit_end; /* libarchive asked for bytes that were not there */
  int read_errno;
};

static la_ssize_t
on_read (struct archive *a, void *arg, const void **ret)
{
  struct foreign *f = arg;
  ssize_t n = bundle_source_read (f->src, f->chunk, CHUNK);

  if (n < 0)
    {
      f->read_errno = (int) -n;
      archive_set_error (a, f->read_errno, "read error");
      return -1;
    }
  f->hit_end = n == 0;
  *ret = f->chunk;
  return n;
}

static int
failed (struct foreign *f, struct error *err)
{
  const char *why = archive_error_string (f->a);

  if (f->read_errno)
    return error_errno (err, f->read_errno, "reading the archive");
  if (f->hit_end && f->members == 0)
    return error_set (err, EBADMSG, "this is no archive, or ends before its "
                                    "first member does");
  if (f->hit_end)
    return error_set (err, EPIPE, "the archive ends before its end");
  return error_set (err, EBADMSG, "not an archive that can be read: %s",
                    why ? why : "no reason given");
}

/* Names of strangers may hold blanks and plus signs, but never lead out of
 * where they are, and never hold what a terminal would obey. */
static bool
foreign_name_ok (const char *name)
{
  size_t len = name ? strlen (name) : 0;

  if (len == 0 || len > FOREIGN_MAX_NAME || name[0] == '/')
    return false;
  for (size_t i = 0; i < len;)
    {
      uint32_t cp;
      unsigned n = text_utf8 ((const unsigned char *) name + i, len - i, &cp);

      if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == '\\')
        return false;
      i += n;
    }
  for (const char *p = name; *p;)
    {
      size_t n = strcspn (p, "/");

      if (n == 2 && p[0] == '.' && p[1] == '.')
        return false;
      p += n;
      p += *p == '/';
    }
  return true;
}

static int
read_member (struct foreign *f, const char *name, struct archive_entry *e,
             struct error *err)
{
  uint64_t size = (uint64_t) archive_entry_size (e), at = 0;
  const void *data;
  size_t len;
  la_int64_t offset;
  int r;

  if (!archive_entry_size_is_set (e) || archive_entry_size (e) < 0
      || size > BUNDLE_MAX_MEMBER || size > f->max_bytes - f->delivered)
    return error_set (err, EFBIG, "%s is larger than allowed", name);
  f->delivered += size;
  if (!f->ops->member (f->arg, name, size))
    return archive_read_data_skip (f->a) < ARCHIVE_WARN ? failed (f, err) : 0;
  while ((r = archive_read_data_block (f->a, &data, &len, &offset))
         == ARCHIVE_OK)
    {
      /* A hole or more than was said: nothing that we want to guess about. */
      if ((uint64_t) offset != at || len > size - at)
        {
          f->ops->member_end (f->arg, false);
          return error_set (err, EBADMSG, "%s is not a plain file", name);
        }
      f->ops->data (f->arg, data, len);
      at += len;
    }
  f->ops->member_end (f->arg, r == ARCHIVE_EOF && at == size);
  return r == ARCHIVE_EOF ? 0 : failed (f, err);
}

static int
run (struct foreign *f, struct error *err)
{
  struct archive_entry *e;
  int r;

  while ((r = archive_read_next_header (f->a, &e)) == ARCHIVE_OK
         || r == ARCHIVE_WARN)
    {
      const char *name = archive_entry_pathname (e);

      if (++f->members > BUNDLE_MAX_MEMBERS)
        return error_set (err, EFBIG, "more than %u members",
                          BUNDLE_MAX_MEMBERS);
      while (name && name[0] == '.' && name[1] == '/')
        name += 2;
      if (archive_entry_filetype (e) == AE_IFDIR
          && (name == NULL || *name == '\0' || foreign_name_ok (name)))
        continue;
      if (archive_entry_filetype (e) != AE_IFREG
          || archive_entry_hardlink (e) != NULL || !foreign_name_ok (name))
        return error_set (err, EBADMSG,
                          "a member that is refused (links, devices and "
                          "names that lead elsewhere are)");
      int rc = read_member (f, name, e, err);
      if (rc < 0)
        return rc;
    }
  return r == ARCHIVE_EOF ? 0 : failed (f, err);
}

int
bundle_read_foreign (struct bundle_source *src, uint64_t max_bytes,
                     const struct bundle_reader_ops *ops, void *arg,
                     struct error *err)
{
  CLEANUP_FREE unsigned char *chunk = malloc (CHUNK);
  struct foreign f = { .src = src, .ops = ops, .arg = arg, .chunk = chunk,
                       .max_bytes = max_bytes, .a = archive_read_new () };
  int r;

  if (chunk == NULL || f.a == NULL)
    {
      archive_read_free (f.a);
      return error_set (err, ENOMEM, "no memory to read an archive");
    }
  archive_read_support_filter_gzip (f.a);
  archive_read_support_filter_bzip2 (f.a);
  archive_read_support_filter_xz (f.a);
  archive_read_support_filter_zstd (f.a);
  archive_read_support_format_tar (f.a);
  if (archive_read_open (f.a, &f, NULL, on_read, NULL) != ARCHIVE_OK)
    r = failed (&f, err);
  else
    r = run (&f, err);
  archive_read_free (f.a);
  return r;
}

#else
/* An empty translation unit is not C. */
typedef int bundle_foreign_unused;
#endif
