/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-disk: one question on descriptor 3, about the mailbox that is
 * descriptor 4, one answer.  Started by transports/disk/ask.c.  It opens
 * nothing, and ends with whoever started it, and at the latest by its alarm;
 * but a disk that is dead may hold it in the kernel: that is why it is a
 * process.
 */
#include "transports/disk/disk_impl.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SAY_MS 2000
#define MAX_MS (24u * 60 * 60 * 1000)
#define LOOK_AGAIN_MS 200

/* ---- its answers ---- */

static int
answer (struct json_object *head, const struct buf *body)
{
  int rc;

  json_add_int (head, "re", 1);
  rc = frame_write (HELPER_CHANNEL, head, body ? body->data : NULL,
                    body ? body->len : 0, NULL, 0, clock_ms () + SAY_MS,
                    NULL);
  json_object_put (head);
  return rc < 0 ? 1 : 0;
}

static int
answer_end (enum disk_end end, const char *detail)
{
  struct json_object *head = json_object_new_object ();

  json_add_int (head, "end", end);
  json_add_text (head, "detail", detail, strlen (detail));
  return answer (head, NULL);
}

static struct json_object *
figures_of (const struct mailbox_beat *b)
{
  struct json_object *o = json_object_new_object ();

  for (unsigned i = 0; i < b->nfigures; i++)
    json_object_object_add (o, b->figures[i].name,
                            json_object_new_double (b->figures[i].value));
  return o;
}

static int
answer_beat (const struct mailbox_header *h, enum mailbox_state state,
             const struct mailbox_beat *b)
{
  struct json_object *head = json_object_new_object ();

  json_add_int (head, "end", DISK_OK);
  json_add_bool (head, "report-only", h->report_only);
  json_add_int (head, "state", state);
  if (state == MAILBOX_GOOD)
    {
      json_add_str (head, "boot", b->boot);
      json_add_str (head, "run", b->run);
      json_add_int (head, "seq", (int64_t) b->slot.seq);
      json_add_int (head, "time", (int64_t) b->time_s);
      json_add_int (head, "uptime", (int64_t) b->uptime_s);
      json_add_int (head, "interval", b->interval_s);
      json_add_bool (head, "commands", b->commands);
      json_add_bool (head, "other-bad", b->slot.other_bad);
      json_object_object_add (head, "figures", figures_of (b));
    }
  return answer (head, NULL);
}

/* ---- its questions ---- */

static int
look (struct disk_io *io, const struct mailbox_header *h,
      struct json_object *q, uint64_t deadline)
{
  const char *boot = json_get_str (q, "boot");
  int64_t seq = json_get_int (q, "seq", 0), wait = json_get_int (q, "wait", 0);
  uint64_t until = clock_ms () + (uint64_t) (wait > 0 ? wait : 0);
  struct timespec nap = { 0, LOOK_AGAIN_MS * 1000000l };
  struct error why = ERROR_INIT;
  struct mailbox_beat b;
  enum mailbox_state st;

  for (;;)
    {
      if (disk_io_beat_ (io, &st, &b, &why) < 0)
        return answer_end (DISK_UNUSABLE, error_text (&why));
      if (!boot || !*boot || clock_ms () >= until || clock_ms () >= deadline)
        break;
      if (st == MAILBOX_GOOD
          && mailbox_compare (boot, (uint64_t) seq, &b) != MAILBOX_SAME)
        break;
      nanosleep (&nap, NULL);
    }
  return answer_beat (h, st, &b);
}

static int
ask (struct disk_io *io, const struct mailbox_header *h, const char *command,
     uint64_t deadline)
{
  struct ask_result r = { .status = -1,
                          .output = BUF_INIT (MAILBOX_OUTPUT_MAX) };
  struct json_object *head = json_object_new_object ();
  struct error why = ERROR_INIT;
  int rc;

  if (disk_io_ask_ (io, h, command, deadline, &r, &why) < 0)
    {
      r.end = ASK_MAILBOX_UNUSABLE;
      snprintf (r.detail, sizeof r.detail, "%s", error_text (&why));
    }
  json_add_int (head, "end", r.end);
  json_add_int (head, "status", r.status);
  json_add_bool (head, "begun", r.begun);
  json_add_text (head, "detail", r.detail, strlen (r.detail));
  rc = answer (head, &r.output);
  ask_result_done (&r);
  return rc;
}

/* Neither header nor mailbox: the same to both questions, each in its own
 * words. */
static int
refuse (bool is_look, int rc, const struct error *why)
{
  struct json_object *head;

  if (is_look)
    return answer_end (rc == -ENOENT ? DISK_ABSENT : DISK_UNUSABLE,
                       error_text (why));
  head = json_object_new_object ();
  json_add_int (head, "end",
                rc == -ENOENT ? ASK_NO_MAILBOX : ASK_MAILBOX_UNUSABLE);
  json_add_bool (head, "begun", false);
  json_add_str (head, "detail", error_text (why));
  return answer (head, NULL);
}

static int
serve (struct json_object *q)
{
  const char *op = json_get_str (q, "op"), *command;
  int64_t ms = json_get_int (q, "ms", -1);
  struct mailbox_header h;
  struct disk_io io = { .fd = -1 };
  struct error why = ERROR_INIT;
  uint64_t deadline;
  bool is_look;
  int rc;

  if (!op || ms < 0 || ms > MAX_MS)
    return 2;
  is_look = strcmp (op, "look") == 0;
  command = json_get_str (q, "command");
  if (!is_look && (strcmp (op, "ask") != 0 || !command))
    return 2;
  alarm ((unsigned) (ms / 1000 + 2));
  deadline = clock_ms () + (uint64_t) ms;
  rc = disk_io_open_ (&io, HELPER_CHANNEL + 1, &h, &why);
  if (rc < 0)
    rc = refuse (is_look, rc, &why);
  else
    rc = is_look ? look (&io, &h, q, deadline)
                 : ask (&io, &h, command, deadline);
  free (io.room);
  return rc;
}

/* What its two descriptors need, and the time; what it reads is a guest's. */
static void
enter_jail (void)
{
  static const int calls[] = {
    SYS_read, SYS_write, SYS_sendmsg, SYS_recvmsg, SYS_sendto, SYS_recvfrom,
    SYS_ppoll, SYS_pread64, SYS_pwrite64, SYS_fdatasync, SYS_fadvise64,
    SYS_close, SYS_setitimer, SYS_nanosleep, SYS_clock_nanosleep,
    SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom, SYS_munmap,
    SYS_mremap, SYS_brk, SYS_madvise, SYS_futex, SYS_rt_sigreturn,
    SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef SYS_poll
    SYS_poll,
#endif
#ifdef SYS_alarm
    SYS_alarm,
#endif
  };

  /* Each wall stands on its own; a kernel need not have them. */
  (void) helper_no_files ();
  (void) helper_only_calls (calls, ARRAY_LEN (calls));
}

int
main (void)
{
  struct frame f = { 0 };
  int rc;

  helper_confine (&(struct helper_limits){
      .memory_bytes = 64u << 20,
      .files = 16,
      .file_bytes = MAILBOX_SIZE_MAX });
  enter_jail ();
  alarm (SAY_MS / 1000 + 1);
  if (frame_read (HELPER_CHANNEL, &f, clock_ms () + SAY_MS, NULL) < 0)
    {
      fprintf (stderr, "hangdog-disk: started by hangdog, not by people\n");
      return 2;
    }
  rc = serve (f.head);
  frame_done (&f);
  return rc;
}
