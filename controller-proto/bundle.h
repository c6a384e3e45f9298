/* SPDX-License-Identifier: Apache-2.0
 *
 * The bundle: one .tar.zst that a stranger can open and understand.
 *
 * manifest.json is the first member and lists every other with size, SHA-256,
 * source, times and, for what is missing, the reason.  Each member is a zstd
 * frame of its own, in order of value, so that a bundle cut short by a bad
 * link is still readable up to the cut.  Names are of our own making
 * ([A-Za-z0-9._-] components, no "..", no links, no devices).
 */
#ifndef HANGDOG_PROTO_BUNDLE_H
#define HANGDOG_PROTO_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

struct buf;
struct error;

#define BUNDLE_SCHEMA "hangdog/bundle/1"
#define BUNDLE_MAX_MEMBERS 512
#define BUNDLE_MAX_MEMBER (64u << 20)
#define BUNDLE_MAX_MANIFEST (4u << 20) /* that anybody reads */
#define BUNDLE_MAX_ATTACHED 256        /* that a manifest tells of */

/* Packs the files below workdir (a folder descriptor) into outdir/name, all
 * members that `order` (NULL terminated prefixes) names first, the rest by
 * name.  head is merged into the manifest (incident, impact, gaps...).  The
 * file appears under its name only when it is complete and on disk.
 * *ret_digest gets the SHA-256 of the whole as hex. */
int bundle_pack (int workdir, int outdir, const char *name,
                 struct json_object *head, const char *const *order,
                 char ret_digest[65], uint64_t *ret_size, struct error *err);

/* What the manifest says of this host: for who makes the page before there is
 * a manifest. */
struct json_object *bundle_host (void);

/* The order of an incident's bundle: what says most comes first. */
extern const char *const bundle_order[];

/* ---- reading: hostile input, in the parser process ---- */

struct bundle_reader_ops
{
  /* Called for each member; chunks follow.  Returning false skips it. */
  bool (*member) (void *arg, const char *name, uint64_t size);
  void (*data) (void *arg, const void *data, size_t len);
  void (*member_end) (void *arg, bool complete);
};
/* Reads fd (a .tar.zst, .tar.gz, .tar...; by libarchive when built with it,
 * else only our own format).  Bounded: members, name lengths, expanded bytes
 * (max_bytes).  Links, devices, absolute names and ".." are refused.  A torn
 * end is -EPIPE after everything before it was delivered. */
int bundle_read (int fd, uint64_t max_bytes,
                 const struct bundle_reader_ops *ops, void *arg,
                 struct error *err);

/* "public", "internal", "secret": of a member of that name. */
const char *bundle_sensitivity (const char *path);

/* True for a name that may stand in a bundle. */
bool bundle_name_ok (const char *name);

int sha256_fd (int fd, char ret_hex[65], uint64_t *ret_size,
               struct error *err);

#endif
