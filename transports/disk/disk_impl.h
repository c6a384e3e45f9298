/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this transport share.
 */
#ifndef HANGDOG_TRANSPORTS_DISK_IMPL_H
#define HANGDOG_TRANSPORTS_DISK_IMPL_H

#include "base/buf.h"
#include "base/helper.h"
#include "transports/ask.h"
#include "transports/disk/disk.h"

#define DISK_HELPER "hangdog-disk"

/* ---- what was seen, by guest ---- */

struct disk_seen
{
  char boot[40]; /* "" = nothing yet */
  uint64_t seq;
  uint64_t looked_ms; /* when it was last looked at */
  uint64_t moved_ms;  /* when it was first seen as it is */
  bool proven;        /* it was seen to move, by this process */
};

/* A copy; all zero for one that is not known. */
void disk_recall_ (struct disk *d, const char *uuid, struct disk_seen *ret);
void disk_keep_ (struct disk *d, const char *uuid,
                 const struct disk_seen *seen);
/* A helper that could not be ended: the next one is not started before it is
 * gone.  True: one is still there. */
bool disk_stuck_ (struct disk *d, const char *uuid);
void disk_leave_stuck_ (struct disk *d, const char *uuid,
                        const struct helper *h);

/* Opens the guest's mailbox; what `mailbox` names is opened only where it is
 * that guest's.  DISK_OK with *ret_fd, else with the sentence in
 * detail. */
enum disk_end disk_open_ (const struct transport_env *env,
                          const struct guest *g, const char *mailbox,
                          uint64_t deadline, int *ret_fd, char *detail,
                          size_t n);

/* ---- the helper's questions ---- */

struct disk_seeing
{
  enum mailbox_state state;
  bool report_only;
  struct mailbox_beat beat;
};

/* Until the heartbeat is another than that (boot "": any), for wait_ms at
 * most.  DISK_OK with ret filled. */
int disk_see_ (const struct transport_env *env, const char *uuid, int fd,
               const char *boot, uint64_t seq, uint64_t wait_ms,
               uint64_t deadline, enum disk_end *ret_end,
               struct disk_seeing *ret, char *detail, size_t n,
               struct error *err);
int disk_run_ (const struct transport_env *env, const char *uuid, int fd,
               const char *command, uint64_t deadline, struct ask_result *ret,
               struct error *err);

/* ---- what the helper itself does (hangdog-disk) ---- */

struct disk_io
{
  int fd;
  bool direct;         /* it is read past this host's memory */
  unsigned char *room; /* aligned */
};
#define DISK_ROOM (MAILBOX_OUTPUT_MAX + MAILBOX_BLOCK)

/* < 0: the disk can't be read; -ENOENT, -EBADMSG as of
 * mailbox_header_decode(). */
int disk_io_open_ (struct disk_io *io, int fd, struct mailbox_header *ret,
                   struct error *err);
int disk_io_beat_ (struct disk_io *io, enum mailbox_state *ret_state,
                   struct mailbox_beat *ret, struct error *err);
/* See disk_run_(); ends by the deadline. */
int disk_io_ask_ (struct disk_io *io, const struct mailbox_header *h,
                  const char *command, uint64_t deadline,
                  struct ask_result *ret, struct error *err);

#endif
