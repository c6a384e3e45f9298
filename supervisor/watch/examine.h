/* SPDX-License-Identifier: Apache-2.0
 *
 * Examining a guest's ways: what `doctor` of each transport and collector says
 * of it, as an array.  One job for all who want to know, for `hangdog doctor`
 * and for the first look at each life.
 */
#ifndef HANGDOG_SUPERVISOR_EXAMINE_H
#define HANGDOG_SUPERVISOR_EXAMINE_H

#include "transports/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collector_doctor;
struct error;
struct guest;
struct job_pool;

/* Rows of one examination; what comes after them is counted. */
#define EXAM_ROWS 128

struct exam_row
{
  const char *transport, *collector; /* which; one of them is NULL */
  enum doctor_state state;
  bool skipped; /* there was no time to look at it */
  /* Escaped, and bounded. */
  char what[96], finding[800];
  char fix[800]; /* the exact command, "" = none: never a part of one */
};

struct exam
{
  const struct guest *guest; /* as it was when it was examined */
  const struct exam_row *rows;
  size_t nrows, left_out;
};

struct exam_how
{
  const char *name; /* of the job */
  uint64_t timeout_ms;
  uint64_t one_ms; /* for each: what does not answer takes no other's time */
  /* Any thread; NULL = all of them. */
  bool (*looks_at) (const struct transport_ops *t, const struct guest *g);
  const struct collector_doctor *collectors; /* ends with NULL; NULL = none */
};

/* On the loop; exam NULL: it did not come back in time. */
typedef void exam_fn (const struct exam *exam, void *arg);

/* fn is called if this is 0, and then once. */
int examine (struct job_pool *jobs, const struct transport_env *env,
             const struct guest *g, const struct exam_how *how, exam_fn *fn,
             void *arg, struct error *err);

extern const char *const exam_state_names[]; /* by enum doctor_state */

#endif
