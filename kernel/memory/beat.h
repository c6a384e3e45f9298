/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a kernel keeps what moves while it lives: ticks, context switches,
 * clocks, load, tasks in D; and what is another in each boot.  Found out once,
 * here, as places in the guest's memory; read again and again elsewhere.
 */
#ifndef HANGDOG_KERNEL_MEMORY_BEAT_H
#define HANGDOG_KERNEL_MEMORY_BEAT_H

#include "base/beat_wire.h"

struct error;
struct kernel;

/* A table into dst, which has BEAT_MAX_TABLE bytes.  What is not known is not
 * in it.  -ENOENT: too little is known to tell whether it lives. */
int kernel_beat (struct kernel *k, unsigned char *dst, size_t *ret_len,
                 struct error *err);

#endif
