/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives, for who is not to read them: they are hostile, so the parser
 * process, which can do nothing else, does, and tells of what is in them.
 */
#ifndef HANGDOG_ARCHIVE_H
#define HANGDOG_ARCHIVE_H

#include "controller-proto/bundle.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct frame;
struct json_doc;

/* A frame of the parser's: its `op` is data, member, missing or begin
 * (docs/parser-protocol.md).  Negative with err ends it. */
typedef int archive_fn (const char *op, struct frame *f, void *arg,
                        struct error *err);

/* Told with each frame: how many of the file's bytes are read.  NULL: nobody
 * wants to know. */
struct archive_far
{
  void (*fn) (uint64_t done, uint64_t total, void *arg);
  void *arg;
};

/* task: one of the parser's about archives; name: its argument, or NULL.
 * -EBADMSG: the archive can't be read, is torn, or lacks what was asked for;
 * what came before was told. */
int archive_read (const char *libexec, const char *file, const char *task,
                  const char *name, archive_fn *fn, void *arg,
                  const struct archive_far *far, struct error *err);

/* A bundle's manifest, read. */
int archive_manifest (const char *libexec, const char *file,
                      struct json_doc **ret, struct error *err);
/* Also of a bundle that is damaged behind it, as *ret_damage tells then (code
 * 0: it is not).  Only what is no manifest at all is an error. */
int archive_manifest_of (const char *libexec, const char *file,
                         struct json_doc **ret, struct error *ret_damage,
                         struct error *err);

/* A name that leads nowhere but below a folder of ours. */
bool archive_is_path (const char *name);
/* A new file of such a name below dirfd, with the folders that it takes. */
int archive_create (int dirfd, const char *name, struct error *err);

struct unpacked
{
  unsigned files;
  uint64_t bytes;
};
/* All of it below dirfd, an empty folder of ours: new files only, through no
 * link, and no more than max_bytes. */
int archive_unpack (const char *libexec, const char *file, int dirfd,
                    uint64_t max_bytes, struct unpacked *ret,
                    const struct archive_far *far, struct error *err);

#endif
