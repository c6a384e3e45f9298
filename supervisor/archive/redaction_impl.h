/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the redaction share.
 */
#ifndef HANGDOG_ARCHIVE_REDACTION_IMPL_H
#define HANGDOG_ARCHIVE_REDACTION_IMPL_H

#include "supervisor/archive/folder.h"
#include "supervisor/archive/redaction.h"

#include "base/helper.h"

#define REDACTION_UNPACK (2ull << 30)
#define MEMBERS_MAX 512
#define NAME_MAX_BYTES 256

struct redaction
{
  struct redaction_spec spec;
  char id[REDACTION_ID], trouble[200];
  struct helper helper;
  struct folder raw, out;
  char names[MEMBERS_MAX][NAME_MAX_BYTES];
  unsigned nnames, left_out, steps;
  int64_t hits;
  int64_t unlearnt;   /* so often a name was told of, and is not known */
  struct json_doc *manifest; /* of the bundle, as it was */
  struct json_object *gaps, *about;
};

/* Takes head.  What hangdog-redact said, or NULL with err. */
struct json_object *redaction_ask (struct helper *h, struct json_object *head,
                                   const void *body, size_t len,
                                   const int *fds, unsigned nfds,
                                   struct error *err);
struct json_object *redaction_question (const char *op);
int redaction_tell (struct redaction *s, const char *op, const char *origin,
                    const char *name, const void *body, size_t len,
                    struct error *err);
/* Has it learn names from that file. */
int redaction_learn (struct redaction *s, int fd, const char *name,
                     struct error *err);
/* The same, in the place of what is looked through: out gets it.  json: it is
 * a document, and stays one. */
struct json_object *redaction_redact (struct redaction *s, int in, int out,
                                      bool json, struct error *err);
/* Nothing in it was said by a guest. */
bool redaction_host_made (const char *member);
/* The names of all files below dirfd: what the host has made comes first. */
void redaction_list (struct redaction *s, int dirfd);

/* ---- redaction_bundle.c ---- */

/* Its name, by the manifest of what was unpacked. */
int redaction_tell_host (struct redaction *s, struct error *err);

/* ---- redaction_key.c ---- */

int redaction_key (struct redaction *s, struct error *err);

#endif
