/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of standing incidents, kept by the writer over a restart of the
 * daemon (state file "standing.json"), so that one hang is told once.
 */
#ifndef HANGDOG_SUPERVISOR_STANDING_H
#define HANGDOG_SUPERVISOR_STANDING_H

#include "diag/incident.h"

struct error;
struct standing;
struct writer_link;

int standing_new (struct standing **ret, struct error *err);
void standing_free (struct standing *s);
void standing_clear (struct standing *s);
void standing_add (struct standing *s, const struct incident *inc);
void standing_save (struct standing *s, struct writer_link *wl);

/* Reads it and calls loaded(arg) once, also when there was none. */
void standing_load (struct standing *s, struct writer_link *wl,
                    void (*loaded) (void *arg), void *arg);
bool standing_loaded (const struct standing *s); /* or being loaded */
void standing_each (struct standing *s,
                    void (*fn) (const struct incident *inc, void *arg),
                    void *arg);

#endif
