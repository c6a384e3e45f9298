/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the bundle share: the ustar header, where input comes
 * from, and the two readers.
 */
#ifndef HANGDOG_PROTO_BUNDLE_IMPL_H
#define HANGDOG_PROTO_BUNDLE_IMPL_H

#include "controller-proto/bundle.h"

#define TAR_BLOCK 512
/* A name that needs no prefix field and no extension header. */
#define BUNDLE_MAX_NAME 99
#define BUNDLE_MAX_DEPTH 8
/* Sums as sha256sum writes them; the last member. */
#define BUNDLE_SUMS "SHA256SUMS"

struct ustar
{
  char name[100];
  char mode[8], uid[8], gid[8];
  char size[12], mtime[12];
  char chksum[8];
  char typeflag;
  char linkname[100];
  char magic[6], version[2];
  char uname[32], gname[32];
  char devmajor[8], devminor[8];
  char prefix[155];
  char pad[12];
};
_Static_assert (sizeof (struct ustar) == TAR_BLOCK, "a header is one block");

/* The sum over the header with the checksum field read as blanks. */
unsigned ustar_sum (const struct ustar *h);

/* Input with a first part that was already read, to look at it. */
#define BUNDLE_PEEK (64u << 10)
struct bundle_source
{
  int fd;
  unsigned char *peek; /* BUNDLE_PEEK bytes */
  size_t peek_len, peek_pos;
  bool at_end;         /* the descriptor has said so */
};
/* Up to len bytes; 0 at the end; negative errno. */
ssize_t bundle_source_read (struct bundle_source *src, void *dst, size_t len);

/* One file on its way into a bundle. */
struct bundle_member
{
  char path[BUNDLE_MAX_NAME + 1];
  unsigned rank;
  uint64_t bytes;      /* in the bundle */
  uint64_t orig_bytes; /* on disk */
  uint64_t lines;      /* ends of lines, in the bundle */
  uint64_t mtime_s;
  uint64_t frame_offset, frame_bytes;
  uint64_t good_bytes; /* less than bytes when the disk failed */
  int read_errno;
  char sha256[65];
};
struct bundle_members
{
  const struct bundle_member *members;
  size_t count;
};
/* head as for bundle_pack(); missing: a list, of which a reference is taken. */
struct json_object *bundle_manifest (const struct bundle_members *all,
                                     struct json_object *missing,
                                     const char *name,
                                     struct json_object *head);
const char *bundle_media_type (const char *path);

/* Our own format: ustar members in zstd frames.  Damage costs the members
 * it lies in: reading goes on at the next frame (-EBADMSG at the end). */
int bundle_read_own (struct bundle_source *src, uint64_t max_bytes,
                     const struct bundle_reader_ops *ops, void *arg,
                     struct error *err);
/* Anything libarchive knows among tar and its usual compressions. */
int bundle_read_foreign (struct bundle_source *src, uint64_t max_bytes,
                         const struct bundle_reader_ops *ops, void *arg,
                         struct error *err);

#endif
