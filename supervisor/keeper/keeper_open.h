/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's side of opening: checks that a request names a root of the
 * configuration, opens, and keeps the locks of terminals until the daemon
 * lets go of them or dies.
 */
#ifndef HANGDOG_SUPERVISOR_KEEPER_OPEN_H
#define HANGDOG_SUPERVISOR_KEEPER_OPEN_H

#include "base/channel.h"

struct config;
struct error;
struct keeper_open;
struct loop;

int keeper_open_new (struct loop *loop, struct keeper_open **ret,
                     struct error *err);
void keeper_open_free (struct keeper_open *ko);
int keeper_open_roots (struct keeper_open *ko, const struct config *cfg,
                       const char *config_path, struct error *err);
/* Answers {"op":"open",...}. */
void keeper_open_serve (struct keeper_open *ko, struct channel *ch,
                        struct frame *request);
/* Who reads what is opened from now on. */
void keeper_open_reader (struct keeper_open *ko, int32_t pid,
                         struct channel *ch);
/* Tells that reader which folders do not answer at present. */
void keeper_open_tell_stuck (struct keeper_open *ko);
void keeper_open_release_all (struct keeper_open *ko);

#endif
