/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk drive transport: a guest is asked through its mailbox
 * (transports/disk/mailbox.h), where it has no shell on a console and no
 * network.
 *
 * The disk may be dead, and what is on it a stranger's: a helper, hangdog-disk,
 * gets the descriptor, reads, writes, decodes and is killed when its time is
 * over.  The descriptor is the opener's (OPEN_MAILBOX), who has looked that it
 * is a mailbox's: nobody here can get one of a guest's own disk.
 */
#ifndef HANGDOG_TRANSPORTS_DISK_H
#define HANGDOG_TRANSPORTS_DISK_H

#include "transports/ask.h"
#include "transports/disk/mailbox.h"

#include <stdbool.h>
#include <stdint.h>

struct ask;
struct ask_result;
struct error;
struct guest;
struct job;
struct transport_env;

/* ---- what is known of all mailboxes; any thread ---- */

/* Where they may be, and what was seen of each guest's: a guest's clock is not
 * trusted, so how old its heartbeat is can only be told by who has seen it
 * move.  It is bounded; who was not asked for longest is forgotten. */
struct disk;

int disk_new (struct disk **ret, struct error *err);
void disk_free (struct disk *d); /* NULL is fine */
/* The folders from now on, as the configuration names them. */
int disk_folders (struct disk *d, char *const *folders, size_t n,
                  struct error *err);

/* ---- one look at a heartbeat ---- */

enum disk_end
{
  DISK_OK,       /* it was looked at */
  DISK_ABSENT,   /* this guest has no mailbox */
  DISK_STUCK,    /* who looks does not come back: the host's storage */
  DISK_UNUSABLE, /* it can't be opened or read */
};

/* The same for who asks by a command. */
enum ask_end disk_ask_end (enum disk_end end);

/* What is asked for. */
struct disk_patience
{
  const char *mailbox; /* as in struct ask; NULL = find it */
  uint64_t every_ms;   /* 0 = as often as the guest says that it writes */
  unsigned missed;     /* so many may be missing */
};

struct disk_look
{
  enum disk_end end;
  char detail[256];         /* for people, of all but DISK_OK; not escaped */
  enum mailbox_state state; /* of its heartbeat */
  bool report_only;
  struct mailbox_beat beat; /* of MAILBOX_GOOD; without the text */
  enum mailbox_move move;   /* since it was last looked at */
  /* Fresh: it has moved, and its age is within every * (missed + 1).  Missing:
   * it has been watched for longer than that, and did not move.  Neither: it
   * was not watched for long enough. */
  bool fresh, missing;
  uint64_t age_ms;   /* since it was seen to move, or first seen */
  uint64_t limit_ms; /* what every and missed make */
};

/* Blocking, for jobs, back at the deadline.  < 0 only for our own failures.
 * A heartbeat that was never seen before is waited for as long as it takes to
 * tell, or the deadline lets it. */
int disk_look (const struct transport_env *env, const struct guest *g,
               const struct disk_patience *how, uint64_t deadline,
               struct disk_look *ret, struct error *err);

/* The member `command` of transport_disk. */
int disk_ask (const struct transport_env *env, const struct guest *g,
              const struct ask *ask, struct job *job, struct ask_result *ret,
              struct error *err);

#endif
