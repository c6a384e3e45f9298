/* SPDX-License-Identifier: Apache-2.0
 *
 * A spool in a folder of its own, for its tests.  Incidents have numbers here.
 */
#ifndef HANGDOG_TESTS_SPOOL_BED_H
#define HANGDOG_TESTS_SPOOL_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/bundle.h"
#include "controller-proto/spool_impl.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TO "here"

struct place
{
  struct tmpdir tmp;
  struct spool *sp;
  struct error err;
};

void begin (struct place *p, const struct spool_limits *l);
int setup (void **state);
int teardown (void **state);
const char *id_of (unsigned n);
int incident (struct place *p, unsigned n);
int ended (struct place *p, unsigned n, bool has);
/* Not compressible. */
int artifact (struct place *p, unsigned n, const char *name, size_t len);
int pack (struct place *p, unsigned n);
/* What is to go next, there; "" = nothing. */
const char *next_to (struct place *p, const char *sink, struct spool_load *ret);
void send_to (struct place *p, const char *sink, const char *what);
/* Whatever is to go now, of all. */
void send_all (struct place *p, const char *sink);
/* One part of one item, wherever it is in the order. */
struct spool_load load_of (unsigned n, enum spool_part part, uint64_t rev);
void sent_whole (struct place *p, unsigned n);
void refused_whole (struct place *p, unsigned n, const char *why);
struct spool_stats stats (struct place *p);
struct spool_item look (struct place *p, unsigned n);
struct json_object *manifest_of (struct place *p, unsigned n);

#endif
