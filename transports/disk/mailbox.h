/* SPDX-License-Identifier: Apache-2.0
 *
 * The mailbox: a small raw disk on which a guest writes how it is, and takes
 * commands.  docs/mailbox-format.md is the format, byte by byte; here it is
 * read and written.  Pure: bytes in, a struct out.
 *
 * Everything but an answer's output is a record: one line with a checksum and
 * a length, lines "key=value", an empty line, and what follows them.  Each
 * record has two places, written in turn, so that a writer who is cut off in
 * the middle spoils the older one.  The bytes are a stranger's: no length and
 * no number is believed before the checksum fits and it is in its bounds.
 */
#ifndef HANGDOG_TRANSPORTS_MAILBOX_H
#define HANGDOG_TRANSPORTS_MAILBOX_H

#include "base/opener.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define MAILBOX_MAGIC OPEN_MAILBOX_MAGIC
#define MAILBOX_BLOCK 4096u
#define MAILBOX_SIZE_MIN (256u << 10)
#define MAILBOX_SIZE_MAX OPEN_MAILBOX_MAX
#define MAILBOX_SIZE (1u << 20)

/* Where all is; slot: 0 or 1, the parity of the record's sequence. */
#define MAILBOX_BEAT_AT(slot) ((1 + (slot)) * MAILBOX_BLOCK)
#define MAILBOX_COMMAND_AT(slot) ((3 + (slot)) * MAILBOX_BLOCK)
#define MAILBOX_ANSWER_AT(slot) ((8 + 24 * (slot)) * MAILBOX_BLOCK)
#define MAILBOX_OUTPUT_AT(slot) (MAILBOX_ANSWER_AT (slot) + MAILBOX_BLOCK)

#define MAILBOX_COMMAND_MAX 2048u
#define MAILBOX_OUTPUT_MAX (64u << 10)
#define MAILBOX_TEXT_MAX 1500u
#define MAILBOX_TIMEOUT_MAX 86400u
#define MAILBOX_FIGURES 32
/* Room of "HMBX CCCCCCCCCC LLLLLL\n". */
#define MAILBOX_PREFIX 23u
#define MAILBOX_RECORD_MAX (MAILBOX_BLOCK - MAILBOX_PREFIX)
/* Beyond it a sequence is not one. */
#define MAILBOX_SEQ_MAX 9999999999ull

/* The CRC-32 of gzip: a guest has that in every busybox, and cksum in few. */
uint32_t mailbox_crc (const void *data, size_t len);

/* ---- the header: the host's, written once ---- */

struct mailbox_header
{
  uint64_t size;
  bool report_only; /* nobody writes commands, nobody runs any */
  char id[33];      /* of this mailbox, for people */
};
/* A block.  -ENOENT: no mailbox at all; -EBADMSG: one whose header is not
 * whole, or of no known version. */
int mailbox_header_decode (const void *block, size_t len,
                           struct mailbox_header *ret, struct error *err);
void mailbox_header_encode (const struct mailbox_header *h,
                            unsigned char block[MAILBOX_BLOCK]);
bool mailbox_has_magic (const void *bytes, size_t len);

/* ---- what is in a place of two slots ---- */

enum mailbox_state
{
  MAILBOX_GOOD,  /* the newer of those that are whole */
  MAILBOX_EMPTY, /* nobody has ever written there */
  MAILBOX_BAD,   /* none is whole */
};
extern const char *const mailbox_state_names[];

struct mailbox_slot
{
  uint64_t seq;
  bool other_bad; /* the other one is neither whole nor empty: it was being
                     written, or somebody was cut off in it */
};

/* ---- the heartbeat: the guest's ---- */

struct mailbox_figure
{
  char name[24];
  double value;
};

struct mailbox_beat
{
  struct mailbox_slot slot;
  char boot[40]; /* the kernel's boot id */
  char run[40];  /* of this start of the script */
  uint64_t time_s; /* by the guest's clock: for people */
  uint64_t uptime_s;
  unsigned interval_s;
  bool commands; /* it takes some */
  unsigned nfigures;
  struct mailbox_figure figures[MAILBOX_FIGURES];
  size_t text_len;
  char text[MAILBOX_TEXT_MAX + 1];
};
/* Both blocks, one behind the other. */
enum mailbox_state mailbox_beat_decode (const void *blocks, size_t len,
                                        struct mailbox_beat *ret);
/* NAN when it is not there. */
double mailbox_figure (const struct mailbox_beat *b, const char *name);
/* All that a guest may say, NULL terminated. */
extern const char *const mailbox_figure_names[];

/* How one heartbeat stands to what was seen before. */
enum mailbox_move
{
  MAILBOX_FIRST,
  MAILBOX_SAME,
  MAILBOX_MOVED,
  MAILBOX_REBOOTED, /* moved, by another boot of the guest */
  MAILBOX_OLDER,    /* what is there was there before: a snapshot that was
                       restored, a script that lost its place.  No sign of
                       life, until it moves */
};
enum mailbox_move mailbox_compare (const char *boot, uint64_t seq,
                                   const struct mailbox_beat *now);

/* ---- the command: the host's ---- */

struct mailbox_command
{
  struct mailbox_slot slot;
  char id[33];       /* 128 bits as hexadecimal digits; "" = none, it was
                        answered or withdrawn */
  char boot[40];     /* for this boot only */
  uint64_t until_s;  /* not begun when the guest is up for longer */
  unsigned timeout_s; /* for which it may run */
  size_t len;
  char text[MAILBOX_COMMAND_MAX + 1];
};
enum mailbox_state mailbox_command_decode (const void *blocks, size_t len,
                                           struct mailbox_command *ret);
/* -E2BIG: the command is too long; -ERANGE: it may run for longer than one
 * that is read, or not at all. */
int mailbox_command_encode (const struct mailbox_command *c,
                            unsigned char block[MAILBOX_BLOCK],
                            struct error *err);

/* ---- the answer: the guest's ---- */

enum mailbox_answer_state
{
  MAILBOX_BEGUN,   /* it runs, or ran when the guest died */
  MAILBOX_DONE,    /* it ended, with a status */
  MAILBOX_KILLED,  /* it did not end in time */
  MAILBOX_EXPIRED, /* it was found too late */
  MAILBOX_REFUSED, /* this guest takes no commands */
  MAILBOX_ANSWER_STATES,
};
extern const char *const mailbox_answer_names[];

struct mailbox_answer
{
  struct mailbox_slot slot;
  char id[33];
  enum mailbox_answer_state state;
  int status;
  bool truncated;
  size_t len;    /* of the output */
  uint32_t sum;  /* its checksum */
};
/* The first blocks of both, one behind the other. */
enum mailbox_state mailbox_answer_decode (const void *blocks, size_t len,
                                          struct mailbox_answer *ret);
/* Is that output the one that a spoke of? */
bool mailbox_output_fits (const struct mailbox_answer *a, const void *output,
                          size_t len);

/* ---- any record ---- */

/* A block with that record, as the guest's script writes it: for tests and
 * for who plays a guest.  -E2BIG. */
int mailbox_record (const char *payload, size_t len,
                    unsigned char block[MAILBOX_BLOCK], struct error *err);

/* A new mailbox, of size bytes, all of it. */
void mailbox_make (const struct mailbox_header *h, unsigned char *image);

#endif
