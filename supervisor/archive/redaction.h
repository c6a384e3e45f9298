/* SPDX-License-Identifier: Apache-2.0
 *
 * What is to leave the host, and may not as it is: a bundle, or the document
 * of an incident, made anew without what names somebody and without secrets.
 *
 * All of it was said by guests, so it is unpacked by the parser, looked
 * through by hangdog-redact, which has the descriptors that it is given and
 * nothing else, and its page is made by hangdog-report.  Blocking.
 */
#ifndef HANGDOG_ARCHIVE_REDACTION_H
#define HANGDOG_ARCHIVE_REDACTION_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct redaction;

struct redaction_spec
{
  const char *libexec;
  const char *beneath; /* where it is unpacked for a while; NULL = TMPDIR */
  const char *state;   /* the folder with the host's own key */
  const char *key;     /* a file instead of that, or NULL */
  const char *rules;   /* a file of rules behind the shipped ones, or NULL */
  bool strict;         /* what may hold a secret that no rule knows stays */
  bool any_key;        /* where the host's cannot be made: one for this time */
  /* So far, in members of which each is looked through twice; or NULL. */
  void (*step) (void *arg, unsigned n, unsigned of, const char *member);
  void *arg;
};

/* With a hangdog-redact that has its key and all rules.  Negative: there is
 * nothing wrong with what is to be redacted. */
int redaction_new (const struct redaction_spec *spec, struct redaction **ret,
                   struct error *err);
void redaction_free (struct redaction *s);
static inline void
redaction_freep_ (struct redaction **s)
{
  redaction_free (*s);
}
#define CLEANUP_REDACTION __attribute__ ((cleanup (redaction_freep_)))

/* Which redaction it is: what was made by another one is to be made anew. */
#define REDACTION_ID 17
const char *redaction_id (const struct redaction *s);
/* Why the key is good for this time only, or NULL. */
const char *redaction_key_trouble (const struct redaction *s);

struct redacted
{
  struct json_object *redaction; /* as in the manifest; the caller's */
  unsigned members, left_out;
  int64_t hits;
  char digest[65];
  uint64_t bytes;
};
/* Once for each session.  dirfd -1: only says what would be replaced; else the
 * new bundle is there as NAME, whole and on disk, or not at all.  -EBADMSG:
 * `file` is no bundle that can be looked through. */
int redaction_bundle (struct redaction *s, const char *file, int dirfd,
                      const char *name, struct redacted *ret,
                      struct error *err);

/* The host's trouble, of a disk or of memory, say, which ends by itself: rc
 * says nothing against what was to be redacted. */
bool redaction_passes (int rc);

/* The document of an incident; names are learnt from it and from its evidence
 * as well: a folder (-1 = none) or its bundle (NULL = none).  Its id and its
 * revision stay.  -EBADMSG, -E2BIG: it is no good, and will not be. */
int redaction_document (struct redaction *s, int folder, const char *bundle,
                        const char *text, size_t len, struct buf *out,
                        struct error *err);
/* What may be told of it when that fails: that it is there, and its class. */
int redaction_stub (const char *text, size_t len, struct buf *out,
                    struct error *err);

#endif
