/* SPDX-License-Identifier: Apache-2.0
 *
 * One diagnosis: the steps of a playbook, one collector after another, each
 * in a job of its own with a budget; then the ladder and the verdict.  Loop
 * thread; it knows nothing of incidents, disks or clients.
 */
#ifndef HANGDOG_SUPERVISOR_DIAGNOSE_H
#define HANGDOG_SUPERVISOR_DIAGNOSE_H

#include "diag/collector.h"
#include "diag/ladder/ladder.h"
#include "diag/ladder/rules.h"
#include "diag/playbook.h"

struct bindings;
struct diagnosis;
struct error;
struct fact_table;
struct guest_registry;
struct job_pool;
struct loop;
struct texts;
struct turns;

/* Whom it asks. */
struct diagnosis_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct guest_registry *registry;
  struct fact_table *facts;
  struct bindings *bindings;
  struct texts *texts;
  const struct transport_env *transports;
  struct verdict_rules *rules; /* each diagnosis takes a reference */
  char config_sha256[DIGEST_HEX]; /* "" = there is no document */
  struct turns *turns; /* that it takes with others; NULL = it need not */
};

/* Loop thread.  err NULL: it is on disk.  False: nobody waits for that any
 * more, it is not done. */
typedef bool diagnosis_answer_fn (const struct error *err, void *arg);

struct diagnosis_ops
{
  /* A file of evidence, whole or a part (offset = what came before), at most
   * HAUL_PIECE at a time; while its collector still runs. */
  void (*file) (const char *name, uint64_t offset, const void *data,
                size_t len, void *arg);
  /* May it be that much now?  When it may not, what is brought stays where it
   * is, and those who bring wait; diagnosis_room() is to be called when it
   * may.  NULL = always. */
  bool (*room) (size_t len, void *arg);
  /* An act that has to be undone is to be on disk before it is done; fn is
   * owed, once, also when the diagnosis is over.  NULL: none is done. */
  void (*intend) (const char *undo, diagnosis_answer_fn *fn, void *fn_arg,
                  void *arg);
  void (*undone) (const char *act, void *arg);
  /* Phase n of total begins (what != NULL) or ended (took, failure). */
  void (*progress) (unsigned n, unsigned total, const char *what, bool ended,
                    const char *failure, void *arg);
  /* head: members for the manifest (impact, gaps, collectors, ladder); the
   * callee's.  The diagnosis is freed afterwards. */
  void (*done) (const struct verdict *verdict, struct json_object *head,
                void *arg);
};

/* env and cause are copied, of the playbook a reference is taken. */
int diagnosis_start (const struct diagnosis_env *env, const struct guest *g,
                     const struct cause *cause, struct playbook *playbook,
                     const struct diagnosis_ops *ops, void *arg,
                     struct diagnosis **ret, struct error *err);
/* Somebody else tells of the same trouble, and is believed more: what was
 * found so far stays, and is judged by his cause.  Those steps of his playbook
 * whose names there are not yet are done behind the others; true: there are
 * such. */
bool diagnosis_retell (struct diagnosis *dg, const struct cause *cause,
                       struct playbook *playbook);
/* No further step; what there is is judged, done is called. */
void diagnosis_stop (struct diagnosis *dg, const char *why);
/* There may be room again for files. */
void diagnosis_room (struct diagnosis *dg);
/* At the daemon's end, when its jobs have ended: done is not called. */
void diagnosis_free (struct diagnosis *dg);

#endif
