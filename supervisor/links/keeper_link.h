/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's end of the keeper's channel: an opener for job threads, and
 * the answer to its pings.
 */
#ifndef HANGDOG_SUPERVISOR_KEEPER_LINK_H
#define HANGDOG_SUPERVISOR_KEEPER_LINK_H

#include "base/channel.h"
#include "base/opener.h"

struct error;
struct keeper_link;
struct loop;

/* A folder that the keeper can't open in, as long as that is so. */
struct stuck_folder
{
  char folder[256];
  uint64_t since_ms; /* clock_ms() */
};

struct keeper_link_ops
{
  void (*reload) (const char *text, size_t len, void *arg);
  void (*peer) (int channel, int pipe, void *arg); /* takes both */
  void (*gone) (void *arg);
};

/* Takes fd. */
int keeper_link_new (struct loop *loop, int fd,
                     const struct keeper_link_ops *ops, void *arg,
                     struct keeper_link **ret, struct error *err);
void keeper_link_free (struct keeper_link *kl);
struct opener *keeper_link_opener (struct keeper_link *kl);
const struct stuck_folder *keeper_link_stuck (const struct keeper_link *kl,
                                              unsigned *ret_n);
void keeper_link_ready (struct keeper_link *kl);
void keeper_link_status (struct keeper_link *kl, const char *text);

#endif
