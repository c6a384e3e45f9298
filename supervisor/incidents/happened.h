/* SPDX-License-Identifier: Apache-2.0
 *
 * What happened to guests lately, so far as facts tell of moments: their
 * hypervisor's events, boots and their stages, what their owners want.  Who
 * asks for a fact's value is told the latest; here are those before it, too.
 * A ring, bounded in all and of each guest.  Loop thread.
 */
#ifndef HANGDOG_SUPERVISOR_HAPPENED_H
#define HANGDOG_SUPERVISOR_HAPPENED_H

#include <stdint.h>

struct error;
struct fact;
struct fact_bus;
struct happened;

#define HAPPENED_ALL 256
#define HAPPENED_OF_GUEST 48

struct happening
{
  const char *name, *source, *text;
  uint64_t ms; /* clock_ms() */
  unsigned count; /* so often in a row, from then on */
};

int happened_new (struct fact_bus *bus, struct happened **ret,
                  struct error *err);
void happened_free (struct happened *h);
/* As if the bus had told of it. */
void happened_add (struct happened *h, const struct fact *f);
/* Of that guest, the oldest first. */
void happened_each (const struct happened *h, const char *uuid,
                    void (*fn) (const struct happening *one, void *arg),
                    void *arg);

#endif
