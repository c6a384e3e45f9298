/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog mailbox: makes the image of a mailbox, and shows what is in one.
 * Needs no daemon: it is the caller's file, by his rights.
 */
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/units.h"
#include "transports/disk/mailbox.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* ---- create ---- */

static int
make_id (char id[33], struct error *err)
{
  unsigned char bytes[16];

  if (getrandom (bytes, sizeof (bytes), 0) != (ssize_t) sizeof (bytes))
    return error_set (err, EIO, "no random numbers");
  for (size_t i = 0; i < sizeof (bytes); i++)
    snprintf (id + 2 * i, 3, "%02x", bytes[i]);
  return 0;
}

static int
write_image (const char *file, const struct mailbox_header *h,
             struct error *err)
{
  CLEANUP_FREE unsigned char *image = malloc (h->size);
  CLEANUP_CLOSE int fd = -1;
  int r;

  if (!image)
    return error_set (err, ENOMEM, "no memory");
  mailbox_make (h, image);
  /* What is there already may be a guest's. */
  fd = open (file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return error_errno (err, errno, "%s", file);
  r = io_write (fd, image, h->size);
  if (r == 0 && fsync (fd) < 0)
    r = -errno;
  if (r < 0)
    {
      unlink (file);
      return error_errno (err, -r, "%s", file);
    }
  return 0;
}

static struct json_object *
head_row (const struct mailbox_header *h)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "row", "mailbox");
  json_add_str (o, "id", h->id);
  json_add_str (o, "mode", h->report_only ? "report-only" : "commands");
  json_add_int (o, "size", (int64_t) h->size);
  return o;
}

static int
create (struct cli *cli)
{
  const char *size = cli_option (cli, "--size"), *file;
  struct mailbox_header h = { .size = MAILBOX_SIZE };
  struct error err = ERROR_INIT;
  int r;

  h.report_only = cli_flag (cli, "--report-only");
  r = cli_rest (cli, &verb_mailbox, 2);
  if (r)
    return r;
  file = cli_arg (cli, 2);
  if (!file)
    return cli_usage (&verb_mailbox, "which file?");
  if (size && units_parse_size (size, &h.size, &err) < 0)
    return cli_usage (&verb_mailbox, error_text (&err));
  if (h.size < MAILBOX_SIZE_MIN || h.size > MAILBOX_SIZE_MAX
      || h.size % MAILBOX_BLOCK)
    return cli_usage (&verb_mailbox,
                      "--size is from 256KiB to 16MiB, in whole 4KiB");
  if (make_id (h.id, &err) < 0 || write_image (file, &h, &err) < 0)
    return cli_fail (&err);
  if (cli->json)
    {
      CLEANUP_JSON struct json_object *row = head_row (&h);

      print_json (row);
    }
  else
    printf ("mailbox=%s mode=%s\n", h.id,
            h.report_only ? "report-only" : "commands");
  return EXIT_WELL;
}

/* ---- show ---- */

/* All that is in one. */
struct shown
{
  struct mailbox_header header;
  enum mailbox_state beat_is, command_is, answer_is;
  struct mailbox_beat beat;
  struct mailbox_command command;
  struct mailbox_answer answer;
  bool output_fits;
  const char *output;
};

static int
decode (const char *file, unsigned char *image, struct shown *s,
        struct error *err)
{
  unsigned char heads[2 * MAILBOX_BLOCK];
  CLEANUP_CLOSE int fd = open (file, O_RDONLY | O_CLOEXEC);
  size_t len = 0;
  int r = fd < 0 ? -errno : io_read (fd, image, MAILBOX_SIZE_MIN, &len);

  if (r < 0)
    return error_errno (err, -r, "%s", file);
  r = mailbox_header_decode (image, len < MAILBOX_BLOCK ? len : MAILBOX_BLOCK,
                             &s->header, err);
  if (r < 0)
    return error_wrap (err, "%s", file);
  if (len < MAILBOX_SIZE_MIN)
    return error_set (err, EBADMSG, "%s: it is cut off", file);
  s->beat_is = mailbox_beat_decode (image + MAILBOX_BEAT_AT (0), sizeof heads,
                                    &s->beat);
  s->command_is = mailbox_command_decode (image + MAILBOX_COMMAND_AT (0),
                                          sizeof heads, &s->command);
  for (unsigned i = 0; i < 2; i++)
    memcpy (heads + i * MAILBOX_BLOCK, image + MAILBOX_ANSWER_AT (i),
            MAILBOX_BLOCK);
  s->answer_is = mailbox_answer_decode (heads, sizeof heads, &s->answer);
  if (s->answer_is == MAILBOX_GOOD)
    {
      s->output = (char *) image + MAILBOX_OUTPUT_AT (s->answer.slot.seq % 2);
      s->output_fits
          = mailbox_output_fits (&s->answer, s->output, s->answer.len);
    }
  return 0;
}

static struct json_object *
beat_row (const struct shown *s)
{
  struct json_object *o = json_object_new_object ();
  const struct mailbox_beat *b = &s->beat;

  json_add_str (o, "state", mailbox_state_names[s->beat_is]);
  if (s->beat_is != MAILBOX_GOOD)
    return o;
  json_add_int (o, "seq", (int64_t) b->slot.seq);
  json_add_bool (o, "other_bad", b->slot.other_bad);
  json_add_str (o, "boot", b->boot);
  json_add_str (o, "run", b->run);
  json_add_int (o, "time", (int64_t) b->time_s);
  json_add_int (o, "interval", b->interval_s);
  json_add_bool (o, "commands", b->commands);
  for (unsigned i = 0; i < b->nfigures; i++)
    json_object_object_add (o, b->figures[i].name,
                            json_object_new_double (b->figures[i].value));
  json_add_text (o, "text", b->text, b->text_len);
  return o;
}

static struct json_object *
command_row (const struct shown *s)
{
  struct json_object *o = json_object_new_object ();
  const struct mailbox_command *c = &s->command;

  json_add_str (o, "state", mailbox_state_names[s->command_is]);
  if (s->command_is != MAILBOX_GOOD)
    return o;
  json_add_int (o, "seq", (int64_t) c->slot.seq);
  json_add_str (o, "id", c->id);
  if (!*c->id)
    return o;
  json_add_int (o, "until", (int64_t) c->until_s);
  json_add_text (o, "command", c->text, c->len);
  return o;
}

static struct json_object *
answer_row (const struct shown *s)
{
  struct json_object *o = json_object_new_object ();
  const struct mailbox_answer *a = &s->answer;

  json_add_str (o, "state", mailbox_state_names[s->answer_is]);
  if (s->answer_is != MAILBOX_GOOD)
    return o;
  json_add_int (o, "seq", (int64_t) a->slot.seq);
  json_add_str (o, "id", a->id);
  json_add_str (o, "end", mailbox_answer_names[a->state]);
  json_add_int (o, "status", a->status);
  json_add_bool (o, "truncated", a->truncated);
  json_add_bool (o, "whole", s->output_fits);
  if (s->output_fits)
    json_add_text (o, "output", s->output, a->len);
  return o;
}

static void
show_json (const struct shown *s)
{
  struct json_object *o = head_row (&s->header);

  json_object_object_add (o, "beat", beat_row (s));
  json_object_object_add (o, "command", command_row (s));
  json_object_object_add (o, "answer", answer_row (s));
  print_json (o);
  json_object_put (o);
}

static void
show_beat (const struct shown *s)
{
  const struct mailbox_beat *b = &s->beat;

  if (s->beat_is != MAILBOX_GOOD)
    {
      printf ("heartbeat: %s\n", s->beat_is == MAILBOX_EMPTY
                                     ? "none was ever written"
                                     : "what is there is none");
      return;
    }
  printf ("heartbeat: %llu, every %u s, %s%s\n  boot %s, script %s\n",
          (unsigned long long) b->slot.seq, b->interval_s,
          b->commands ? "runs commands" : "reports only",
          b->slot.other_bad ? ", the other slot is not whole" : "", b->boot,
          b->run);
  for (unsigned i = 0; i < b->nfigures; i++)
    printf ("  %s %g\n", b->figures[i].name, b->figures[i].value);
  if (b->text_len)
    print_text (stdout, b->text);
}

static void
show_rest (const struct shown *s)
{
  const struct mailbox_answer *a = &s->answer;

  if (s->command_is != MAILBOX_GOOD || !*s->command.id)
    printf ("command: none\n");
  else
    {
      printf ("command: %s, until the guest is up for %llu s: ",
              s->command.id, (unsigned long long) s->command.until_s);
      print_text (stdout, s->command.text);
      printf ("\n");
    }
  if (s->answer_is != MAILBOX_GOOD)
    {
      printf ("answer: none\n");
      return;
    }
  printf ("answer: to %s: %s, status %d, %zu bytes%s%s\n", a->id,
          mailbox_answer_names[a->state], a->status, a->len,
          a->truncated ? ", cut off" : "",
          s->output_fits ? "" : ", which are not whole");
}

static int
show (struct cli *cli)
{
  CLEANUP_FREE unsigned char *image = malloc (MAILBOX_SIZE_MIN);
  struct error err = ERROR_INIT;
  struct shown s = { 0 };
  int r = cli_rest (cli, &verb_mailbox, 2);

  if (r)
    return r;
  if (!cli_arg (cli, 2))
    return cli_usage (&verb_mailbox, "which file?");
  if (!image)
    error_set (&err, ENOMEM, "no memory");
  else
    decode (cli_arg (cli, 2), image, &s, &err);
  if (err.code)
    return cli_fail (&err);
  if (cli->json)
    {
      show_json (&s);
      return EXIT_WELL;
    }
  printf ("mailbox=%s mode=%s\n", s.header.id,
          s.header.report_only ? "report-only" : "commands");
  show_beat (&s);
  show_rest (&s);
  return EXIT_WELL;
}

static int
run (struct cli *cli)
{
  static const char *const words[] = { "create", "show", NULL };
  const char *what = cli_arg (cli, 1);

  if (what && strcmp (what, "create") == 0)
    return create (cli);
  if (what && strcmp (what, "show") == 0)
    return show (cli);
  return what ? cli_no_word (&verb_mailbox, what, words)
              : cli_usage (&verb_mailbox, "create or show?");
}

const struct verb verb_mailbox = {
  .name = "mailbox",
  .args = "create FILE [--size SIZE] [--report-only] | show FILE",
  .summary = "make the image of a guest's mailbox, or show what is in one",
  .help = "  --size SIZE    from 256KiB to 16MiB; default 1MiB\n"
          "  --report-only  it carries the guest's heartbeat and no commands\n"
          "A mailbox is a small raw disk by which a guest tells how it is, "
          "and is asked,\nwithout a console or a network. FILE must not be "
          "there yet.\n"
          "Exit codes: 0, 1 it can't be read or written, 2 there is none, or "
          "create finds one,\nor usage.\n"
          "\nExamples:\n"
          "  hangdog mailbox create /var/lib/hangdog-mailboxes/web.mailbox\n"
          "  hangdog mailbox show web.mailbox --json\n",
  .run = run,
};
