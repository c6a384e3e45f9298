/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing a mailbox, in hangdog-disk.
 *
 * Blocks are read and written whole and aligned, past this host's page cache
 * where the file system lets us: what the guest has written is what is seen,
 * also where another host or a network has the storage.
 */
#include "transports/disk/disk_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 100
/* So often is looked again for what is not whole: it may be being written. */
#define AGAIN 5
/* Of the time there is, for taking the command back. */
#define WITHDRAW_MS 300

static void
nap (uint64_t ms)
{
  struct timespec t = { (time_t) (ms / 1000), (long) (ms % 1000) * 1000000 };

  nanosleep (&t, NULL);
}

static int
read_blocks (struct disk_io *io, unsigned char *dst, size_t len, uint64_t at,
             struct error *err)
{
  ssize_t n;

  if (!io->direct)
    (void) posix_fadvise (io->fd, (off_t) at, (off_t) len,
                          POSIX_FADV_DONTNEED);
  n = pread (io->fd, dst, len, (off_t) at);
  if (n < 0)
    return error_errno (err, errno, "reading the mailbox");
  if ((size_t) n != len)
    return error_set (err, EIO, "the mailbox is cut off");
  return 0;
}

static int
write_block (struct disk_io *io, uint64_t at, struct error *err)
{
  int r = io_pwrite (io->fd, io->room, MAILBOX_BLOCK, at);

  if (r == 0 && fdatasync (io->fd) < 0)
    r = -errno;
  return r < 0 ? error_errno (err, -r, "writing to the mailbox") : 0;
}

/* O_DIRECT where it does; some file systems take it and then refuse. */
static void
learn_direct (struct disk_io *io)
{
  int flags = fcntl (io->fd, F_GETFL);

  io->direct = flags >= 0 && fcntl (io->fd, F_SETFL, flags | O_DIRECT) == 0;
  if (io->direct && pread (io->fd, io->room, MAILBOX_BLOCK, 0) < 0)
    {
      (void) fcntl (io->fd, F_SETFL, flags);
      io->direct = false;
    }
}

int
disk_io_open_ (struct disk_io *io, int fd, struct mailbox_header *ret,
               struct error *err)
{
  int r;

  io->fd = fd;
  if (posix_memalign ((void **) &io->room, MAILBOX_BLOCK, DISK_ROOM) != 0)
    return error_set (err, ENOMEM, "no memory");
  learn_direct (io);
  r = read_blocks (io, io->room, MAILBOX_BLOCK, 0, err);
  return r < 0 ? r
               : mailbox_header_decode (io->room, MAILBOX_BLOCK, ret, err);
}

int
disk_io_beat_ (struct disk_io *io, enum mailbox_state *ret_state,
               struct mailbox_beat *ret, struct error *err)
{
  int r;

  for (unsigned i = 0;; i++)
    {
      r = read_blocks (io, io->room, 2 * MAILBOX_BLOCK, MAILBOX_BEAT_AT (0),
                       err);
      if (r < 0)
        return r;
      *ret_state = mailbox_beat_decode (io->room, 2 * MAILBOX_BLOCK, ret);
      if (*ret_state != MAILBOX_BAD || i == AGAIN)
        return 0;
      nap (POLL_MS);
    }
}

/* ---- a command ---- */

struct asking
{
  struct disk_io *io;
  struct ask_result *ret;
  struct mailbox_command cmd;
  struct mailbox_beat first, last; /* heartbeats, since it was written */
  bool taken;
  uint64_t deadline;
};

static void
end (struct asking *a, enum ask_end how, const char *why)
{
  a->ret->end = how;
  snprintf (a->ret->detail, sizeof a->ret->detail, "%s", why);
}

static int
make_id (char id[33])
{
  unsigned char bytes[16];

  if (getrandom (bytes, sizeof bytes, 0) != (ssize_t) sizeof bytes)
    return -EIO;
  for (size_t i = 0; i < sizeof bytes; i++)
    snprintf (id + 2 * i, 3, "%02x", bytes[i]);
  return 0;
}

static int
put_command (struct asking *a, struct error *err)
{
  struct disk_io *io = a->io;
  int r;

  a->cmd.slot.seq = a->cmd.slot.seq % MAILBOX_SEQ_MAX + 1;
  r = mailbox_command_encode (&a->cmd, io->room, err);
  return r < 0 ? r
               : write_block (io, MAILBOX_COMMAND_AT (a->cmd.slot.seq % 2),
                              err);
}

static int
leave_command (struct asking *a, const char *command, struct error *err)
{
  struct mailbox_command was = { 0 };
  uint64_t now = clock_ms ();
  uint64_t ms = now < a->deadline ? a->deadline - now : 0;
  unsigned left = (unsigned) (ms / 1000) + 1;
  int r = read_blocks (a->io, a->io->room, 2 * MAILBOX_BLOCK,
                       MAILBOX_COMMAND_AT (0), err);

  if (r < 0)
    return r;
  /* Spoilt by the guest: from the beginning, then. */
  (void) mailbox_command_decode (a->io->room, 2 * MAILBOX_BLOCK, &was);
  a->cmd = (struct mailbox_command){ .slot.seq = was.slot.seq,
                                     .timeout_s = left,
                                     .len = strlen (command) };
  if (a->cmd.len > MAILBOX_COMMAND_MAX)
    return error_set (err, E2BIG, "the command is too long for a mailbox");
  memcpy (a->cmd.text, command, a->cmd.len);
  snprintf (a->cmd.boot, sizeof a->cmd.boot, "%s", a->first.boot);
  /* The heartbeat may be as old as it may get. */
  a->cmd.until_s = a->first.uptime_s + a->first.interval_s + left + 2;
  if (make_id (a->cmd.id) < 0)
    return error_set (err, EIO, "no random numbers");
  return put_command (a, err);
}

static int
take_output (struct asking *a, const struct mailbox_answer *answer,
             struct error *err)
{
  size_t blocks = (answer->len + MAILBOX_BLOCK - 1) / MAILBOX_BLOCK;
  int r = read_blocks (a->io, a->io->room, blocks * MAILBOX_BLOCK,
                       MAILBOX_OUTPUT_AT (answer->slot.seq % 2), err);

  if (r < 0)
    return r;
  if (!mailbox_output_fits (answer, a->io->room, answer->len))
    return 0;
  buf_append (&a->ret->output, a->io->room, answer->len);
  return 1;
}

/* 1: it is over. */
static int
take_answer (struct asking *a, const struct mailbox_answer *answer,
             struct error *err)
{
  int r = 1;

  a->taken = true;
  if ((answer->state == MAILBOX_DONE || answer->state == MAILBOX_KILLED)
      && answer->len > 0)
    r = take_output (a, answer, err);
  if (r <= 0)
    return r;
  switch (answer->state)
    {
    case MAILBOX_DONE:
      a->ret->status = answer->status;
      if (answer->truncated)
        end (a, ASK_FLOOD, "the command said more than 64 KiB");
      else
        end (a, ASK_OK, "");
      return 1;
    case MAILBOX_KILLED:
      end (a, ASK_NO_ANSWER, "the command did not end in time, and the guest "
                             "ended it");
      return 1;
    case MAILBOX_EXPIRED:
      end (a, ASK_NO_ANSWER, "the guest found the command too late, and did "
                             "not run it");
      return 1;
    case MAILBOX_REFUSED:
      end (a, ASK_REPORT_ONLY, "its script does not run commands");
      return 1;
    default:
      return 0;
    }
}

/* 1: it is over. */
static int
look_for_answer (struct asking *a, struct error *err)
{
  struct mailbox_answer answer;
  struct disk_io *io = a->io;
  int r;

  for (unsigned slot = 0; slot < 2; slot++)
    {
      r = read_blocks (io, io->room + slot * MAILBOX_BLOCK, MAILBOX_BLOCK,
                       MAILBOX_ANSWER_AT (slot), err);
      if (r < 0)
        return r;
    }
  if (mailbox_answer_decode (io->room, 2 * MAILBOX_BLOCK, &answer)
          != MAILBOX_GOOD
      || strcmp (answer.id, a->cmd.id) != 0)
    return 0;
  return take_answer (a, &answer, err);
}

/* Nobody answered in time. */
static void
tell_silence (struct asking *a)
{
  enum mailbox_state st;
  struct error why = ERROR_INIT;

  a->last = a->first;
  if (disk_io_beat_ (a->io, &st, &a->last, &why) < 0)
    end (a, ASK_MAILBOX_UNUSABLE, error_text (&why));
  else if (a->taken)
    end (a, ASK_NO_ANSWER, "the command was begun, and did not end in time");
  else if (st == MAILBOX_GOOD
           && mailbox_compare (a->first.boot, a->first.slot.seq, &a->last)
                  != MAILBOX_SAME)
    end (a, ASK_NO_ANSWER, "it writes its heartbeat, and did not take the "
                           "command");
  else
    end (a, ASK_SILENT, "neither a heartbeat nor an answer came");
}

static int
converse (struct asking *a, const char *command, struct error *err)
{
  int r;

  /* A guest that writes in that moment, or a slow disk, has taken it all. */
  if (clock_ms () >= a->deadline)
    {
      end (a, ASK_MAILBOX_UNUSABLE, "there was no time left to ask");
      return 0;
    }
  r = leave_command (a, command, err);
  if (r < 0)
    return r;
  a->ret->begun = true;
  do
    {
      nap (POLL_MS);
      r = look_for_answer (a, err);
    }
  while (r == 0 && clock_ms () < a->deadline);
  if (r < 0)
    return r;
  if (r == 0)
    tell_silence (a);
  /* Taken back: who comes late finds nothing to run. */
  a->cmd.id[0] = '\0';
  a->cmd.len = 0;
  return put_command (a, err);
}

int
disk_io_ask_ (struct disk_io *io, const struct mailbox_header *h,
              const char *command, uint64_t deadline, struct ask_result *ret,
              struct error *err)
{
  struct asking a = { .io = io, .ret = ret,
                      .deadline = deadline - WITHDRAW_MS };
  enum mailbox_state st;
  int r;

  if (h->report_only)
    {
      end (&a, ASK_REPORT_ONLY, "this mailbox is for reports only");
      return 0;
    }
  if ((fcntl (io->fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
    {
      end (&a, ASK_MAILBOX_UNUSABLE, "this host may only read it: see "
           "ReadWritePaths= in docs/mailbox.md");
      return 0;
    }
  r = disk_io_beat_ (io, &st, &a.first, err);
  if (r < 0)
    return r;
  if (st == MAILBOX_EMPTY)
    end (&a, ASK_SILENT, "nobody has ever written a heartbeat there");
  else if (st == MAILBOX_BAD)
    end (&a, ASK_PROTOCOL, "what is written there is no heartbeat");
  else if (!a.first.commands)
    end (&a, ASK_REPORT_ONLY, "its script does not run commands");
  else
    return converse (&a, command, err);
  return 0;
}
