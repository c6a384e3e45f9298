/* SPDX-License-Identifier: Apache-2.0
 *
 * For the collector monitor: asking all there is to ask (qmp.c), and what
 * the answers mean (qmp_facts.c).
 */
#ifndef HANGDOG_DIAG_QMP_H
#define HANGDOG_DIAG_QMP_H

#include "diag/collect/collect.h"

struct qmp_question
{
  const char *name;    /* under which its answer is kept */
  const char *execute; /* QMP */
  const char *args;    /* JSON, or NULL */
  bool twice;          /* what it tells may move */
  bool human;          /* a text for people */
};
extern const struct qmp_question qmp_questions[]; /* ends with a NULL name */

/* The answers of one round, by the names of their questions; "libvirt" is what
 * monitor_libvirt_typed() said. */
struct qmp_said
{
  struct json_object *said;
  uint64_t at_us;
};

/* raw: through libvirt also what there is no call for. */
void qmp_round (struct collect_ctx *ctx, bool raw, bool second,
                struct qmp_said *ret);
/* was, now: `said` of two rounds; was may be NULL. */
void qmp_facts (struct collect_ctx *ctx, struct json_object *was,
                struct json_object *now);
/* metrics/vm.otlp.jsonl: what was counted in both rounds, each of which may
 * have said nothing. */
void qmp_metrics (struct collect_ctx *ctx, const struct qmp_said *was,
                  const struct qmp_said *now);
/* KVM's count of that name of the vCPU at that place of the list; -1 = none. */
int64_t qmp_kvm_count_ (struct json_object *list, size_t at,
                        const char *want);
/* Of one disk, by QEMU's own histograms (latency.c); was may be NULL. */
void qmp_latency_ (struct collect_ctx *ctx, const char *target,
                   struct json_object *was, struct json_object *now);

#endif
