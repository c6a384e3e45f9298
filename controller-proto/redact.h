/* SPDX-License-Identifier: Apache-2.0
 *
 * Redaction: what names somebody is replaced by a pseudonym, what is secret by
 * a mark, and all else stays as it is.
 *
 * A pseudonym is made of the value under a key (HMAC-SHA256): under the same
 * key the same value has the same one in every file and every bundle, and
 * without the key nobody gets the value back by trying all of them.  No list
 * of what was replaced is kept anywhere.  An address keeps its kind: what was
 * private stays so, two of one network stay in one network, loopback,
 * link-local, multicast, the ranges of documentation, netmasks and broadcast
 * are left.  Two addresses never become one.
 *
 * What is an address is found by a scanner of our own, in one pass; secrets
 * and the names that text tells of by rules, which are data.  Lines are taken
 * in pieces of REDACT_LINE bytes, so memory and time are bounded whatever is
 * fed.  A line that a rule cannot look through within its limits is replaced
 * as a whole.
 */
#ifndef HANGDOG_PROTO_REDACT_H
#define HANGDOG_PROTO_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct json_object;
struct redactor;

#define REDACT_MARK "[redacted]"
#define REDACT_LINE (16u << 10)
#define REDACT_KEY_MIN 16 /* bytes */
#define REDACT_RULES_MAX (256u << 10)
#define REDACT_RULES_SCHEMA "hangdog/redact-rules/1"

/* With the rules that are shipped. */
int redactor_new (const void *key, size_t len, struct redactor **ret,
                  struct error *err);
void redactor_free (struct redactor *r);
static inline void
redactor_freep_ (struct redactor **r)
{
  redactor_free (*r);
}
#define CLEANUP_REDACTOR __attribute__ ((cleanup (redactor_freep_)))

/* A document of rules, added to what is there. */
int redactor_rules (struct redactor *r, const char *text, size_t len,
                    const char *origin, struct error *err);

/* The JSON Schema of such a document. */
void redact_rules_schema (struct buf *out);

/* A word that is known to be one, "hostname" or "user"; what everybody has, or
 * what is too short to be told from other words, is not taken. */
void redactor_word (struct redactor *r, const char *as, const char *word);

/* ---- text, in pieces of any size ---- */

enum redact_pass
{
  REDACT_LEARN,   /* looks for names, and writes nothing */
  REDACT_REPLACE,
};
void redact_begin (struct redactor *r, enum redact_pass pass);
/* What is finished is appended to out (NULL when learning). */
void redact_feed (struct redactor *r, const void *data, size_t len,
                  struct buf *out);
/* The last line.  False: it was not text (a zero byte): what came out is
 * nothing to hand on. */
bool redact_end (struct redactor *r, struct buf *out);
/* How many were replaced since redact_begin(). */
uint64_t redact_hits (const struct redactor *r);

/* How often a name was told of that there was no place left for, since
 * redactor_new(): it may stand in what comes out. */
uint64_t redact_unlearnt (const struct redactor *r);

/* A whole document: what comes out is one, too, and each value of it depends
 * on itself and its key alone.  The caller's, as is doc still. */
struct json_object *redact_json (struct redactor *r, struct json_object *doc,
                                 uint64_t *ret_hits);

/* Why a member of this name is not redacted but left out; NULL = it is. */
const char *redact_left_out (const struct redactor *r, const char *member);

/* {"ruleset","version","mode","key","counts":{KIND: N}}, of all since
 * redactor_new(). */
struct json_object *redact_to_json (const struct redactor *r);

#endif
