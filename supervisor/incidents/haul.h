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
struct loop;

#define HAUL_MAX_FILES 64
#define HAUL_MAX_BYTES (8u << 20)
#define HAUL_MAX_FACTS 256
#define HAUL_PIECE (256u << 10) /* at most, of a file at a time */

/* Loop thread: the next piece of a file. */
typedef void haul_file_fn (const char *name, uint64_t offset,
                           const void *data, size_t len, void *arg);

/* One reference. */
int haul_new (struct loop *loop, const char *collector, haul_file_fn *file,
              void *arg, struct haul **ret, struct error *err);
/* Any thread. */
struct haul *haul_ref (struct haul *h);
void haul_unref (struct haul *h); /* NULL is fine */
/* For the collector's thread, as long as it has a reference. */
struct collect_out *haul_out (struct haul *h);

/* What was brought, besides files.  Facts are good as long as the haul; the
 * arrays are the caller's. */
struct haul_end
{
  const struct fact *facts;
  unsigned nfacts;
  struct json_object *impact, *gaps;
  uint64_t bytes;                    /* of all files */
};
/* Loop thread, once: the last pieces are told, and what comes from now on goes
 * nowhere.  With ret NULL nobody wants any of it. */
void haul_close (struct haul *h, struct haul_end *ret);

#endif
