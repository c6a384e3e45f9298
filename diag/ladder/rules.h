/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the ladder and of the verdict: documents (those in diag/rules
 * are built in), and an operator's own beside them.
 *
 *   { "schema": "hangdog/verdict-rules/1",
 *     "words": { "mute": "silent|no-echo" },
 *     "facets": [
 *       { "facet": "host", "state": "slow", "if": "host.psi.io.full > 60" } ],
 *     "verdicts": [
 *       { "name": "qemu-gone", "class": "vmm-dead", "confidence": "high",
 *         "codes": ["$mute", "timeout"],
 *         "if": ["vmm == dead", "qemu.state == gone"],
 *         "culprit": "QEMU process", "says": "...", "next": "..." } ],
 *     "findings": [
 *       { "name": "disk-errors", "level": "fail", "if": "disk.*.errors > 0",
 *         "says": "...", "see": "disk/disk.json" } ] }
 *
 * Of the facets' rules the first that holds says its state, of the verdicts'
 * the first is the verdict, of the findings' all that hold are findings.  What
 * is taken later goes before what is there, and in the place of a verdict or a
 * finding of its name.  Conditions are those of cond.h; "$mute" in them, in
 * codes and in templates stands for a word, or for a list of conditions.
 * "class", "culprit", "says" are templates: {fact} is the latest text or number
 * of that fact, {scenario} and {outcome} are what brought us here.
 * docs/verdicts.md has it for people.
 *
 * Once nobody takes any more in, they are immutable and good for any thread;
 * their count is atomic.
 */
#ifndef HANGDOG_DIAG_RULES_H
#define HANGDOG_DIAG_RULES_H

#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;
struct json_doc;

#define VERDICT_RULES_SCHEMA "hangdog/verdict-rules/1"
#define VERDICT_RULES_MOST 2048 /* of each kind, in all files */

struct verdict_rules;

/* The shipped ones, to which more may be taken while nobody else has them. */
int verdict_rules_new (struct verdict_rules **ret, struct error *err);
/* A file; nothing of it is taken on failure. */
int verdict_rules_take (struct verdict_rules *rules, const char *text,
                        size_t len, const char *origin, struct error *err);
int verdict_rules_take_doc (struct verdict_rules *rules,
                            const struct json_doc *doc, struct error *err);
struct verdict_rules *verdict_rules_ref (struct verdict_rules *rules);
void verdict_rules_unref (struct verdict_rules *rules); /* NULL is fine */

struct verdict_rules_count
{
  size_t facets, verdicts, findings;
  size_t own, replaced; /* of operators; of them in the place of ours */
};
void verdict_rules_count (const struct verdict_rules *rules,
                          struct verdict_rules_count *ret);
/* Of the documents that they were taken from, one behind the other as they are
 * without comments and blanks: the same sum, the same rules. */
void verdict_rules_sum (const struct verdict_rules *rules,
                        char ret_hex[DIGEST_HEX]);
/* Each code of an outcome that a rule asks for. */
void verdict_rules_each_code (const struct verdict_rules *rules,
                              void (*fn) (const char *rule, const char *code,
                                          void *arg),
                              void *arg);
/* The JSON Schema of such a file. */
void verdict_rules_schema (struct buf *out);

#endif
