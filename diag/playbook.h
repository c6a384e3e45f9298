/* SPDX-License-Identifier: Apache-2.0
 *
 * Playbooks: what a diagnosis does, in which order, under which conditions.
 *
 * A JSON document each.  Those that are shipped are files in diag/playbooks/,
 * built in and read by the same reader as an operator's own in playbooks.d;
 * one of an operator's may take the place of a shipped one of its name.
 *
 *   { "name": "storage", "summary": "disks first",
 *     "budget": "30s", "bytes": "32MiB",
 *     "steps": [
 *       "host",
 *       { "do": "monitor", "budget": "5s" },
 *       { "do": "sysrq", "name": "blocked", "keys": ["w"],
 *         "if": "vmm == alive" }
 *     ] }
 *
 * A playbook, and a set of them, is immutable and counted: whoever runs one
 * has it, whatever is loaded meanwhile.  The counts are atomic; but `own` of a
 * step may hold JSON, whose counts are not: who takes that to another thread
 * copies it.
 */
#ifndef HANGDOG_DIAG_PLAYBOOK_H
#define HANGDOG_DIAG_PLAYBOOK_H

#include "diag/collector.h"

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct cond_list;
struct error;
struct json_doc;

#define PLAYBOOK_SCHEMA "hangdog/playbook/1"
#define PLAYBOOK_NAME 64
#define PLAYBOOK_STEPS 32

struct playbook_step
{
  char name[PLAYBOOK_NAME];    /* unique in its playbook; as `do` if not said */
  const struct collector *collector;
  void *own;                   /* what collector->fields fill, or NULL */
  uint64_t budget_ms;          /* 0 = as its plan says */
  struct cond_list *when;      /* NULL = always */
};

struct playbook
{
  int refs;
  char name[PLAYBOOK_NAME];
  char *summary;
  char *origin;                /* "shipped", or the file */
  uint64_t budget_ms, bytes;   /* of all steps together; 0 = no bound */
  struct playbook_step *steps;
  unsigned nsteps;
};

/* obj: an object at `path` of doc. */
int playbook_read (const struct json_doc *doc, struct json_object *obj,
                   const char *path, const char *origin,
                   struct playbook **ret, struct error *err);
struct playbook *playbook_ref (struct playbook *p);
void playbook_unref (struct playbook *p); /* NULL is fine */
/* Of a step of that name; NULL = there is none. */
const struct playbook_step *playbook_step_named (const struct playbook *p,
                                                 const char *name);
/* In one spelling: read again it is the same. */
struct json_object *playbook_to_json (const struct playbook *p);
void playbook_schema (struct buf *out);

/* All that there are, of unique names, sorted by them. */
struct playbook_set
{
  int refs;
  struct playbook **list;
  unsigned n;
};

/* The shipped ones, and n of an operator's, of which it takes references: one
 * that has a shipped one's name takes its place. */
int playbook_set_new (struct playbook *const *own, unsigned n,
                      struct playbook_set **ret, struct error *err);
struct playbook_set *playbook_set_ref (struct playbook_set *set);
void playbook_set_unref (struct playbook_set *set); /* NULL is fine */
/* NULL = there is none of that name. */
struct playbook *playbook_find (const struct playbook_set *set,
                                const char *name);
/* -EINVAL when there is none of that name (NULL or "" is fine); err names the
 * nearest. */
int playbook_check (const struct playbook_set *set, const char *name,
                    struct error *err);

/* The name of what is done where nobody says: standard. */
extern const char playbook_default[];
/* And where what was said is not there any more: no-touch, for that may have
 * been chosen because it touches nothing. */
extern const char playbook_harmless[];

#endif
