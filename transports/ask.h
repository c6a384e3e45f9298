/* SPDX-License-Identifier: Apache-2.0
 *
 * One command and its answer, whoever carries it.
 *
 * Whoever wants to know something of a guest that its shell can say asks it
 * through the member `command` of a transport, and gets one of the ends below
 * in each case.  What an end means for a guest's health is not said here: see
 * scenarios/ends.c.
 */
#ifndef HANGDOG_TRANSPORTS_ASK_H
#define HANGDOG_TRANSPORTS_ASK_H

#include "base/buf.h"
#include "base/job.h"

#include <stdbool.h>
#include <stdint.h>

enum ask_end
{
  ASK_OK, /* the command ended, with a status */
  /* it was asked, and did not do it */
  ASK_KILLED,        /* the command ended by a signal */
  ASK_SILENT,        /* nothing at all came back */
  ASK_NO_ECHO,       /* other bytes came, but not the echo of what we typed */
  ASK_NO_ANSWER,     /* it was taken, and then no answer in time */
  ASK_XOFF,          /* takes no input: flow control or a full FIFO */
  ASK_UNREACHABLE,
  ASK_REFUSED,
  ASK_TIMEOUT,       /* nobody answered the connection */
  ASK_PROTOCOL,      /* what answers is not what is asked */
  ASK_LOGIN_TIMEOUT, /* spoke, but did not let us as far as a command */
  ASK_DISCONNECTED,  /* it hung up */
  ASK_HOST_CHANGED,  /* who answers is not who it was */
  ASK_CANT,          /* it answered that it can't do it */
  /* it is there, and not for us */
  ASK_LOGIN,         /* at a login prompt */
  ASK_PASSWORD,      /* at a password prompt */
  ASK_AUTH,          /* it does not let us in */
  ASK_HOST_UNKNOWN,  /* nobody has said who it must be */
  ASK_FLOOD,         /* the command said more than is listened to */
  ASK_BOOTLOADER,    /* GRUB, U-Boot, firmware */
  ASK_BOOTING,       /* it boots or shuts down right now */
  ASK_FLOODED,       /* bytes came faster than they can be searched */
  ASK_BLOCKED,       /* its owner does not let it do that */
  ASK_FROZEN,        /* its file systems are frozen, for a backup */
  ASK_NOT_YET,       /* nobody has answered yet, and the guest is young */
  /* the way to it is not free, or not there */
  ASK_BUSY,          /* held by another client, or somebody of higher rank */
  ASK_TAKEN,         /* was taken or went away on the way */
  ASK_ABSENT,        /* no such console now */
  ASK_READ_ONLY,
  ASK_NO_MAILBOX,
  ASK_REPORT_ONLY,   /* a mailbox, through which no command is run */
  ASK_MAILBOX_UNUSABLE,
  ASK_MAILBOX_STUCK, /* what it is on does not answer this host */
  ASK_OPEN_TIMEOUT,  /* did not open in time */
  ASK_BROKEN,        /* does not open */
  ASK_NO_ROUTE,      /* this host has no way there */
  ASK_NO_NETNS,    /* nor the network namespace that it is to be asked from */
  ASK_NO_ADDRESS,    /* nor does it know where that is */
  ASK_UNUSABLE,      /* our side: a key file, the known hosts */
  ASK_STUCK,         /* our side: whoever asks had to be killed */
  ASK_MAX,
};

/* What is asked, and all that a way may need for it: each takes its own. */
struct ask
{
  const char *command;
  const char *who;      /* shown to whoever waits for the same: "scenario up" */
  const char *console;  /* which one, NULL = the first that can be typed into */
  const char *mailbox;  /* which one, as in a scenario; NULL = find it */
  const char *address;  /* "IP:PORT"; NULL = not known */
  const char *netns;    /* as of net/socket.h */
  const char *user;
  const char *key, *password; /* names of files, as in ssh/ssh.h */
  bool accept_new;
  uint64_t until_ms;    /* clock_ms(); 0 = as long as its job may take */
};

static inline uint64_t
ask_deadline (const struct ask *ask, const struct job *job)
{
  uint64_t until = job_deadline (job);

  return ask->until_ms && ask->until_ms < until ? ask->until_ms : until;
}

struct ask_result
{
  enum ask_end end;
  int status;        /* of ASK_OK: the command's exit status */
  uint64_t took_ms;  /* all of it, with finding and opening the way */
  uint64_t own_ms;   /* of it, what is not between sending what is asked and
                        its answer, where the way can tell */
  bool begun;        /* the guest may have seen something of it */
  bool shell;        /* with ASK_OK: it was a shell on the guest's console */
  struct buf output; /* what the command said; guest bytes */
  struct buf kernel; /* kernel lines that came in between, taken out */
  char detail[256];  /* one sentence for people, or ""; not escaped */
};

static inline void
ask_result_done (struct ask_result *r)
{
  buf_done (&r->output);
  buf_done (&r->kernel);
}

#endif
