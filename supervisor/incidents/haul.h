/* SPDX-License-Identifier: Apache-2.0
 *
 * What one collector brings home.
 *
 * The collector's thread puts in, the loop takes out: evidence while it
 * comes, in pieces, and facts, impact and gaps at the end.  It belongs to the
 * diagnosis and not to the job: of a collector that got stuck all that it
 * brought by then is there.
 */
#ifndef HANGDOG_SUPERVISOR_HAUL_H
#define HANGDOG_SUPERVISOR_HAUL_H

#include "diag/collector.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct haul;
struct haul_limit;
struct job;
struct loop;

#define HAUL_MAX_FILES 64
#define HAUL_MAX_BYTES (8u << 20)
#define HAUL_MAX_FACTS 256
#define HAUL_MAX_ATTACHED 16
#define HAUL_PIECE (256u << 10) /* at most, of a file at a time */
/* Of what was not taken yet: beyond it the collector waits. */
#define HAUL_QUEUE (1u << 20)

/* What several of them may bring together, and what their files are called.
 * Any thread; counted. */
int haul_limit_new (uint64_t bytes, struct haul_limit **ret,
                    struct error *err);
struct haul_limit *haul_limit_ref (struct haul_limit *l); /* NULL is fine */
void haul_limit_unref (struct haul_limit *l); /* NULL is fine */
void haul_limit_raise (struct haul_limit *l, uint64_t bytes);
uint64_t haul_limit_left (const struct haul_limit *l);

/* Where it goes; loop thread. */
struct haul_ops
{
  /* The next piece of a file. */
  void (*file) (const char *name, uint64_t offset, const void *data,
                size_t len, void *arg);
  /* May that much be handed over now?  When it may not, haul_pump() is to be
   * called when it may.  NULL = always. */
  bool (*room) (size_t len, void *arg);
  /* An act that is to be on disk before it is done: haul_answer() is owed,
   * also later.  NULL = nobody remembers it: none is done. */
  void (*intend) (struct haul *h, const char *undo, void *arg);
  void (*undone) (const char *act, void *arg);
};

/* One reference.  limit: shared with others, or NULL. */
int haul_new (struct loop *loop, const char *collector,
              struct haul_limit *limit, const struct haul_ops *ops, void *arg,
              struct haul **ret, struct error *err);
/* Any thread. */
struct haul *haul_ref (struct haul *h);
void haul_unref (struct haul *h); /* NULL is fine */
/* Loop thread: an act is on disk, or err.  False: nobody waits for that any
 * more, it is not done. */
bool haul_answer (struct haul *h, const struct error *err);
/* Before it brings anything: its name among those with the same limit, which
 * a file's name gets where another one of them has begun a file of that name:
 * "a/b.txt" is "a/b-STEP.txt" then. */
void haul_step (struct haul *h, const char *step);
/* In the collector's thread, before it brings anything: where more waits to be
 * taken than HAUL_QUEUE, it stands in out->file() until there is room, or the
 * job is to stop.  Without a job it never stands. */
void haul_job (struct haul *h, const struct job *job);
/* For the collector's thread, as long as it has a reference. */
struct collect_out *haul_out (struct haul *h);

/* What was brought, besides files.  Facts are good as long as the haul; the
 * arrays are the caller's. */
struct haul_end
{
  const struct fact *facts;
  unsigned nfacts;
  struct json_object *impact, *gaps;
  struct json_object *files; /* their names */
  struct json_object *attached; /* what lies beside the bundle, or NULL */
  struct json_object *cut; /* {NAME: bytes with those not here}, or NULL */
  uint64_t lost;           /* bytes that are not here, of all files */
  uint64_t bytes;                    /* of all files */
};
/* Loop thread, once: what comes from now on goes nowhere.  With ret NULL nobody
 * wants any of it; else pieces that there was no room for are still there. */
void haul_close (struct haul *h, struct haul_end *ret);
/* Loop thread: hands over what there is room for; true when nothing is left. */
bool haul_pump (struct haul *h);
/* What is left goes nowhere; how much it was. */
uint64_t haul_drop (struct haul *h);

#endif
