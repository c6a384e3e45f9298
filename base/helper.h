/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of our own that do what the one who starts them had better not:
 * speak to a stranger, read what is hostile, touch a disk that may be dead.
 *
 * Each is one of our programmes, started with a socket as descriptor
 * HELPER_CHANNEL and what else it is given as the numbers behind it.  It gets
 * frames (base/channel.h) and answers with frames; what it says is believed
 * only after a check.  It can be ended in any step, and nothing has to be put
 * back then.
 *
 * Any thread, but one thread at a time for each.
 */
#ifndef HANGDOG_BASE_HELPER_H
#define HANGDOG_BASE_HELPER_H

#include "base/channel.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct json_object;
struct rusage;

#define HELPER_CHANNEL 3
#define HELPER_MAX_FDS 8

/* ---- who starts one ---- */

struct helper_spec
{
  const char *libexec; /* the folder of our programmes */
  const char *program; /* "hangdog-ssh" */
  const char *const *args; /* behind its name, NULL terminated; NULL = none */
  const int *fds;      /* stay the caller's; HELPER_CHANNEL + 1, ... there */
  unsigned nfds;
  bool environ;        /* it gets ours; else but LC_ALL=C */
};

struct helper
{
  pid_t pid; /* 0 = none */
  int sock;  /* our end of its channel, -1 = none; blocking */
};

/* *ret as it should be before the first start and after helper_end(). */
#define HELPER_INIT { .pid = 0, .sock = -1 }

/* -ENOEXEC: it is not installed there. */
int helper_start (const struct helper_spec *spec, struct helper *ret,
                  struct error *err);
/* One question; head is the caller's. */
int helper_say (struct helper *h, struct json_object *head, const void *body,
                size_t len, const int *fds, unsigned nfds, uint64_t deadline,
                struct error *err);
/* How much of what is left until then it is told that it has: so much less that
 * it can say itself that time is over. */
uint64_t helper_left (uint64_t deadline, uint64_t margin_ms);
/* One answer; frame_done() it.  -ETIMEDOUT: none came in time; -EPIPE: it
 * ended without one.  In both cases the only thing left to do is to end it. */
int helper_hear (struct helper *h, struct frame *ret, uint64_t deadline,
                 struct error *err);
/* What an error of helper_say() or helper_hear() says of it, for people: true,
 * and dst has "hangdog-ssh did not come back in time"; false: that is none of
 * its doing. */
bool helper_ended_text (int rc, const char *program, char *dst, size_t n);
/* The error of an answer that can't be true: whoever it spoke to may have taken
 * it over. */
int helper_lies (const char *program, struct error *err);
/* Waits for it to end by itself, or by a signal that it was sent: true, it is
 * gone then, with how it ended (-1: somebody else has collected it) and what it
 * has used; both may be NULL. */
bool helper_wait (struct helper *h, uint64_t deadline, int *ret_status,
                  struct rusage *ret_usage);
/* Kills it, and waits a moment for it to be gone.  False: it hangs in the
 * host's kernel, and may be asked for again.  One that was never started, or
 * ended already, is gone. */
bool helper_end (struct helper *h);

/* ---- the programme itself ---- */

struct helper_limits
{
  uint64_t memory_bytes; /* of addresses; 0 = no limit */
  unsigned files;        /* descriptors */
  uint64_t file_bytes;   /* of a file that it writes */
  /* It ends when its channel does, and not with the thread that started it. */
  bool stays;
};

/* First thing in main(): ends with who started it, gains no rights, leaves no
 * core, and has no more than that.  What a sanitizer needs is left to it. */
void helper_confine (const struct helper_limits *limits);

struct helper_jail
{
  const char *read[4]; /* files or folders; NULL = none */
  const char *write;   /* a folder in which it may write, and not read;
                          NULL = it writes nowhere */
};

/* Before a stranger's first word, and behind helper_confine(): from then on it
 * reads these files and the host's libraries and authorities, makes no process,
 * signals none, and speaks to nobody but by the sockets that it has.  As far as
 * this kernel has such walls; each stands without the other. */
void helper_enclose (const struct helper_jail *jail);
/* Behind that, for one that needs what it was given and nothing else. */

/* No file is opened any more, by landlock; false where the kernel has none. */
bool helper_no_files (void);
/* All system calls but these, and mmap(), mprotect() (nothing that can be run)
 * and fcntl() (F_GETFL, F_SETFL), end with EACCES.  -ENOSYS where the numbers
 * are not known; with a sanitizer nothing is done. */
int helper_only_calls (const int *calls, size_t n);

#endif
