/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a bundle.
 *
 * The manifest comes first but is only known when everything else was read
 * once, so the members are compressed into a body beside the bundle, which is
 * then written behind the manifest.  Each member is one zstd frame that holds
 * its tar header, its data and the padding: plain tar reads the whole, and
 * the manifest says where each frame begins.
 */
#include "config.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "controller-proto/bundle_impl.h"
#include "controller-proto/sha256.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#define COPY_BYTES (64u << 10)
/* Level and window: 1 MiB keeps a packing writer's memory small on an edge
 * box and costs a few percent of size on text. */
#define ZSTD_LEVEL 3
#define ZSTD_WINDOW_LOG 20
#define SUMS_MAX (BUNDLE_MAX_MEMBERS * (BUNDLE_MAX_NAME + SHA256_HEX + 3))

struct packer
{
  int workdir;
  const char *const *order;
  struct json_object *missing; /* what could not go in, and why */
  struct bundle_member *members;
  size_t count;
  ZSTD_CCtx *cctx;
  struct sha256 *sum;   /* of a member */
  struct sha256 *whole; /* of what is written to the final file */
  int out;
  uint64_t out_bytes;
  char *in_buf, *out_buf;
  size_t out_cap;
};

static void
ustar_fill (struct ustar *h, const char *name, uint64_t size, uint64_t mtime)
{
  memset (h, 0, sizeof *h);
  memcpy (h->name, name, strlen (name));
  snprintf (h->mode, sizeof h->mode, "%07o", 0644);
  snprintf (h->uid, sizeof h->uid, "%07o", 0);
  snprintf (h->gid, sizeof h->gid, "%07o", 0);
  snprintf (h->size, sizeof h->size, "%011llo", (unsigned long long) size);
  snprintf (h->mtime, sizeof h->mtime, "%011llo",
            (unsigned long long) (mtime & 077777777777ULL));
  h->typeflag = '0';
  memcpy (h->magic, "ustar", 6);
  memcpy (h->version, "00", 2);
  snprintf (h->chksum, sizeof h->chksum, "%06o", ustar_sum (h) & 0777777);
  h->chksum[7] = ' ';
}

/* ---- output ---- */

static int
write_out (struct packer *p, const void *data, size_t len, struct error *err)
{
  int r;

  if (p->whole)
    sha256_add (p->whole, data, len);
  r = io_write (p->out, data, len);
  if (r < 0)
    return error_errno (err, -r, "writing the bundle");
  p->out_bytes += len;
  return 0;
}

static int
compress (struct packer *p, const void *data, size_t len,
          ZSTD_EndDirective how, struct error *err)
{
  ZSTD_inBuffer in = { data, len, 0 };
  size_t left;

  do
    {
      ZSTD_outBuffer out = { p->out_buf, p->out_cap, 0 };

      left = ZSTD_compressStream2 (p->cctx, &out, &in, how);
      if (ZSTD_isError (left))
        return error_set (err, EIO, "compressing: %s",
                          ZSTD_getErrorName (left));
      int r = write_out (p, p->out_buf, out.pos, err);
      if (r < 0)
        return r;
    }
  while (how == ZSTD_e_end ? left != 0 : in.pos < in.size);
  return 0;
}

/* The header of a member; its frame says how long it will be, so that a
 * reader can refuse a bomb before it goes off. */
static int
begin_frame (struct packer *p, const char *name, uint64_t size,
             uint64_t mtime, struct error *err)
{
  struct ustar h;
  uint64_t pad = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;

  ZSTD_CCtx_setPledgedSrcSize (p->cctx, TAR_BLOCK + size + pad);
  ustar_fill (&h, name, size, mtime);
  return compress (p, &h, sizeof h, ZSTD_e_continue, err);
}

static int
end_frame (struct packer *p, uint64_t size, struct error *err)
{
  static const char zeros[TAR_BLOCK];

  return compress (p, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK,
                   ZSTD_e_end, err);
}

/* ---- members ---- */

static void
note_missing (struct packer *p, const char *path, const char *why)
{
  struct json_object *o = json_object_new_object ();

  if (o == NULL || json_object_array_length (p->missing) >= 256)
    {
      json_object_put (o);
      return;
    }
  json_add_text (o, "path", path, strlen (path));
  json_add_str (o, "reason", why);
  json_object_array_add (p->missing, o);
}

static unsigned
rank_of (const struct packer *p, const char *path)
{
  unsigned i;

  for (i = 0; p->order && p->order[i]; i++)
    if (strncmp (path, p->order[i], strlen (p->order[i])) == 0)
      break;
  return i;
}

static void
add_member (struct packer *p, const char *path, const struct stat *st)
{
  struct bundle_member *m;

  /* One place is the manifest's, and one that of the sums. */
  if (p->count >= BUNDLE_MAX_MEMBERS - 2)
    {
      note_missing (p, path, "too many files for one bundle");
      return;
    }
  m = &p->members[p->count++];
  memset (m, 0, sizeof *m);
  memcpy (m->path, path, strlen (path) + 1);
  m->rank = rank_of (p, path);
  m->orig_bytes = (uint64_t) st->st_size;
  m->bytes = m->orig_bytes > BUNDLE_MAX_MEMBER ? BUNDLE_MAX_MEMBER
                                               : m->orig_bytes;
  m->mtime_s = st->st_mtime > 0 ? (uint64_t) st->st_mtime : 0;
}

static bool
is_made_here (const char *path)
{
  return strcmp (path, "manifest.json") == 0 || strcmp (path, BUNDLE_SUMS) == 0;
}

static int
walk (struct packer *p, int dirfd, const char *prefix, unsigned depth,
      struct error *err)
{
  CLEANUP_CLOSEDIR DIR *d = io_opendir (dirfd);
  struct dirent *e;

  if (d == NULL)
    return error_errno (err, errno, "listing %s", *prefix ? prefix : ".");
  while ((e = readdir (d)) != NULL)
    {
      char path[BUNDLE_MAX_NAME + 300];
      struct stat st;

      if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
        continue;
      snprintf (path, sizeof path, "%s%s", prefix, e->d_name);
      if (!bundle_name_ok (path) || depth >= BUNDLE_MAX_DEPTH
          || is_made_here (path))
        note_missing (p, path, "not a name that a bundle may hold");
      else if (fstatat (dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        note_missing (p, path, strerror (errno));
      else if (S_ISREG (st.st_mode))
        add_member (p, path, &st);
      else if (S_ISDIR (st.st_mode))
        {
          CLEANUP_CLOSE int sub
              = openat (dirfd, e->d_name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          size_t n = strlen (path);

          if (sub < 0)
            {
              note_missing (p, path, strerror (errno));
              continue;
            }
          path[n] = '/';
          path[n + 1] = '\0';
          int r = walk (p, sub, path, depth + 1, err);
          if (r < 0)
            return r;
        }
      else
        note_missing (p, path, "not a regular file");
    }
  return 0;
}

static int
compare (const void *a, const void *b)
{
  const struct bundle_member *x = a, *y = b;

  if (x->rank != y->rank)
    return x->rank < y->rank ? -1 : 1;
  return strcmp (x->path, y->path);
}

static void
count_lines (struct bundle_member *m, const char *p, size_t len)
{
  for (const char *end = p + len, *nl;
       (nl = memchr (p, '\n', (size_t) (end - p))); p = nl + 1)
    m->lines++;
}

/* Data of one member.  A disk that fails under it leaves zeros and a remark
 * in the manifest: the other members are still worth having. */
static int
pack_data (struct packer *p, struct bundle_member *m, int fd, struct error *err)
{
  uint64_t done = 0;

  while (done < m->bytes)
    {
      uint64_t left = m->bytes - done;
      size_t want = left < COPY_BYTES ? (size_t) left : COPY_BYTES;
      ssize_t n = -1;

      if (m->read_errno == 0)
        n = pread (fd, p->in_buf, want, (off_t) done);
      if (n < 0 && m->read_errno == 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          if (m->read_errno == 0)
            m->read_errno = n < 0 ? errno : ENODATA;
          memset (p->in_buf, 0, want);
          n = (ssize_t) want;
        }
      else
        m->good_bytes += (uint64_t) n;
      sha256_add (p->sum, p->in_buf, (size_t) n);
      count_lines (m, p->in_buf, (size_t) n);
      int r = compress (p, p->in_buf, (size_t) n, ZSTD_e_continue, err);
      if (r < 0)
        return r;
      done += (uint64_t) n;
    }
  return 0;
}

static int
pack_member (struct packer *p, struct bundle_member *m, struct error *err)
{
  CLEANUP_CLOSE int fd
      = openat (p->workdir, m->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  int r;

  if (fd < 0)
    m->read_errno = errno;
  m->frame_offset = p->out_bytes;
  sha256_reset (p->sum);
  if ((r = begin_frame (p, m->path, m->bytes, m->mtime_s, err)) < 0
      || (r = pack_data (p, m, fd, err)) < 0
      || (r = end_frame (p, m->bytes, err)) < 0)
    return r;
  sha256_end (p->sum, m->sha256);
  m->frame_bytes = p->out_bytes - m->frame_offset;
  return 0;
}

/* ---- what is made here ---- */

static int
pack_text (struct packer *p, const char *name, const char *text, size_t len,
           struct error *err)
{
  int r;

  if ((r = begin_frame (p, name, len, clock_wall_ms () / 1000, err)) < 0
      || (r = compress (p, text, len, ZSTD_e_continue, err)) < 0)
    return r;
  return end_frame (p, len, err);
}

/* For who has no more than sha256sum: all but the manifest and itself.  The
 * manifest has its own sum. */
static int
pack_sums (struct packer *p, struct error *err)
{
  CLEANUP_BUF struct buf text = BUF_INIT (SUMS_MAX);
  struct bundle_member *m = &p->members[p->count];
  int r;

  for (size_t i = 0; i < p->count; i++)
    buf_printf (&text, "%s  %s\n", p->members[i].sha256, p->members[i].path);
  memset (m, 0, sizeof *m);
  memcpy (m->path, BUNDLE_SUMS, sizeof BUNDLE_SUMS);
  m->bytes = m->orig_bytes = m->good_bytes = text.len;
  m->lines = p->count;
  m->mtime_s = clock_wall_ms () / 1000;
  m->frame_offset = p->out_bytes;
  if ((r = pack_text (p, m->path, buf_str (&text), text.len, err)) < 0)
    return r;
  sha256_reset (p->sum);
  sha256_add (p->sum, buf_str (&text), text.len);
  sha256_end (p->sum, m->sha256);
  m->frame_bytes = p->out_bytes - m->frame_offset;
  p->count++;
  return 0;
}

static int
pack_manifest (struct packer *p, const char *name, struct json_object *head,
               struct error *err)
{
  const struct bundle_members all = { p->members, p->count };
  CLEANUP_JSON struct json_object *m
      = bundle_manifest (&all, p->missing, name, head);
  size_t len = 0;
  const char *text = json_object_to_json_string_length (
      m, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

  if (text == NULL)
    return error_set (err, ENOMEM, "no memory for the manifest");
  return pack_text (p, "manifest.json", text, len, err);
}

/* ---- the whole ---- */

static int
packer_init (struct packer *p, struct error *err)
{
  int r;

  p->members = calloc (BUNDLE_MAX_MEMBERS, sizeof *p->members);
  p->missing = json_object_new_array ();
  p->cctx = ZSTD_createCCtx ();
  p->in_buf = malloc (COPY_BYTES);
  p->out_cap = ZSTD_CStreamOutSize ();
  p->out_buf = malloc (p->out_cap);
  if (!p->members || !p->missing || !p->cctx || !p->in_buf || !p->out_buf)
    return error_set (err, ENOMEM, "no memory for packing");
  ZSTD_CCtx_setParameter (p->cctx, ZSTD_c_compressionLevel, ZSTD_LEVEL);
  ZSTD_CCtx_setParameter (p->cctx, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
  ZSTD_CCtx_setParameter (p->cctx, ZSTD_c_checksumFlag, 1);
  if ((r = sha256_new (&p->sum, err)) < 0)
    return r;
  return 0;
}

static void
packer_done (struct packer *p)
{
  sha256_free (p->sum);
  sha256_free (p->whole);
  free (p->members);
  json_object_put (p->missing);
  ZSTD_freeCCtx (p->cctx);
  free (p->in_buf);
  free (p->out_buf);
}

static int
pack_body (struct packer *p, int body, struct error *err)
{
  static const char end[2 * TAR_BLOCK];
  int r = walk (p, p->workdir, "", 0, err);

  if (r < 0)
    return r;
  qsort (p->members, p->count, sizeof *p->members, compare);
  p->out = body;
  p->out_bytes = 0;
  for (size_t i = 0; i < p->count; i++)
    if ((r = pack_member (p, &p->members[i], err)) < 0)
      return error_wrap (err, "%s", p->members[i].path);
  if ((r = pack_sums (p, err)) < 0)
    return r;
  ZSTD_CCtx_setPledgedSrcSize (p->cctx, sizeof end);
  return compress (p, end, sizeof end, ZSTD_e_end, err);
}

static int
pack_whole (struct packer *p, int body, int final, const char *name,
            struct json_object *head, struct error *err)
{
  int r = sha256_new (&p->whole, err);

  if (r < 0)
    return r;
  p->out = final;
  p->out_bytes = 0;
  if ((r = pack_manifest (p, name, head, err)) < 0)
    return r;
  for (off_t at = 0;;)
    {
      ssize_t n = pread (body, p->in_buf, COPY_BYTES, at);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading the body back");
      if (n == 0)
        break;
      if ((r = write_out (p, p->in_buf, (size_t) n, err)) < 0)
        return r;
      at += n;
    }
  if (fsync (final) < 0)
    return error_errno (err, errno, "fsync of the bundle");
  return 0;
}

int
bundle_pack (int workdir, int outdir, const char *name,
             struct json_object *head, const char *const *order,
             char ret_digest[65], uint64_t *ret_size, struct error *err)
{
  struct packer p = { .workdir = workdir, .order = order };
  CLEANUP_CLOSE int body = -1, final = -1;
  char body_name[160], part_name[160], digest[SHA256_HEX];
  int r;

  if (!text_is_name (name))
    return error_set (err, EINVAL, "not a name for a bundle");
  /* Dot files: whoever reads the folder after a crash removes them. */
  snprintf (body_name, sizeof body_name, ".%s.body", name);
  snprintf (part_name, sizeof part_name, ".%s.part", name);
  body = openat (outdir, body_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                 0600);
  if (body >= 0)
    final = openat (outdir, part_name,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (body < 0 || final < 0)
    r = error_errno (err, errno, "creating %s", name);
  else if ((r = packer_init (&p, err)) == 0
           && (r = pack_body (&p, body, err)) == 0
           && (r = pack_whole (&p, body, final, name, head, err)) == 0)
    {
      sha256_end (p.whole, digest);
      if (!sha256_hex_ok (digest))
        r = error_set (err, EIO, "libcrypto could not make a checksum");
      else if (renameat (outdir, part_name, outdir, name) < 0
               || fsync (outdir) < 0)
        r = error_errno (err, errno, "putting %s in its place", name);
    }
  if (body >= 0)
    unlinkat (outdir, body_name, 0);
  if (r == 0)
    {
      memcpy (ret_digest, digest, sizeof digest);
      *ret_size = p.out_bytes;
    }
  else if (final >= 0)
    unlinkat (outdir, part_name, 0);
  packer_done (&p);
  return r;
}
