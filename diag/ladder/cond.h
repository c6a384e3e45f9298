/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions on facts and facets, in words: one language for rules of the
 * ladder and of the verdict, and for the steps of a playbook.
 *
 *   vmm == alive                     a facet's state
 *   run-state != dead                or any other state, unknown too
 *   block in dead|slow               one of several states
 *   vmm.status begins paused         the latest text of a fact
 *   vmm.event == 'SHUTDOWN crashed'  a text of several words
 *   qemu.blocked_in has pipe_write
 *   kernel.answers in shown|disabled by sysrq
 *   kernel.answers != none           there is such a fact, and it is another
 *   vmm.monitor always greets-only   all that were said, and two samples
 *   vcpu.busy == @vcpu.count         the same number as that fact's
 *   tasks.blocked > 0                and <, >=, <=, ==, !=
 *   disk.any_moved == false
 *   kernel.event.panic               there is such a fact
 *   no kernel.event.panic            there is none
 *   kernel.answers == none by 2      two sources say so
 *   kernel.event.oom_kill then kernel.event.panic within 30s
 *   vmm.event == RESET then no guest.stage == login within 2m
 *
 *   disk.$1.new_errors > 0           and, in another of the same list,
 *   disk.$1.pool_trouble by host     ... of the same disk
 *
 * A name is a facet's (facet_names), or a fact's of diag/facts.def; several
 * with "|" between them and globs mean any of them.  "$1" is one part of a
 * name, the same wherever it stands in a list.  Both sides of "then" are
 * conditions on one fact each, without "by" and "always".  "then no" waits for
 * its time: before anything was said that late, it does not hold.  When a fact
 * was is said by the guest's kernel where both sides have its stamp.  What no
 * fact can ever say is an error where it is read: a condition that can never
 * hold misleads.  `docs/verdicts.md` has it for people.
 *
 * Immutable once read, and so good for any thread.
 */
#ifndef HANGDOG_DIAG_COND_H
#define HANGDOG_DIAG_COND_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;
struct fact;
struct fact_set;
struct json_doc;
struct ladder;

#define COND_TEXT 400 /* at most, in bytes, with its end */
#define COND_MOST 16  /* in one list */

/* All of them have to hold.  An empty list always holds. */
struct cond_list;

/* when: a string or an array of strings, at `path` of doc (NULL: errors name
 * the path alone); NULL = an empty list. */
int cond_list_read (const struct json_doc *doc, struct json_object *when,
                    const char *path, struct cond_list **ret,
                    struct error *err);
void cond_list_free (struct cond_list *list); /* NULL is fine */
/* As it was written, in one spelling: a string or an array of them. */
struct json_object *cond_list_to_json (const struct cond_list *list);

/* ladder NULL: facets are unknown.  *ret_failed (may be NULL): the first that
 * does not hold, as text; *ret_first (may be NULL): the fact that the first
 * one was true of, NULL if there is none.  What "$1" stood for when a list held
 * it stands for in that set until the next list is asked. */
bool cond_list_holds (const struct cond_list *list, struct fact_set *set,
                      const struct ladder *ladder, const char **ret_failed,
                      const struct fact **ret_first);

#endif
