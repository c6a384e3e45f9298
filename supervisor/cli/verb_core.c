/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog core: a guest's memory into a file, for later and for others.
 *
 * What is in it comes from a parser, by a socket that the daemon gave us; the
 * file is written here, with the caller's rights: the disk may be dead, and
 * then it is only we who wait for it.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/core_file.h"
#include "supervisor/cli/progress.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#define PART_MS 90000 /* for the rest of a frame that has begun */
#define END_MS 3000   /* for the daemon to see that we want no more */

struct core_verb
{
  struct core_file_spec spec;
  const char *guest;
  bool registers;
  struct client *client;
  struct core_file *file;
  struct progress progress;
  uint64_t present;
  bool head, ended, refused; /* refused: by us */
  int signal; /* that told us to stop */
  struct json_object *row;
  char sum[DIGEST_HEX]; /* "" = none */
  struct error *err;
};

/* ---- what comes ---- */

static int
take_head (struct core_verb *v, struct frame *f)
{
  int64_t bytes = json_get_int (f->head, "bytes", -1);
  int64_t present = json_get_int (f->head, "present", -1);
  int r;

  if (v->head || bytes < 0 || present < 0)
    return error_set (v->err, EBADMSG, "the core has no head");
  v->head = true;
  r = core_file_begin (v->file, (uint64_t) bytes,
                       (uint64_t) present + f->body_len, v->err);
  if (r == 0)
    r = core_file_put (v->file, 0, f->body, f->body_len, v->err);
  v->present = (uint64_t) present;
  progress_begin (&v->progress, v->guest, false);
  return r;
}

/* 1: there will be no more. */
static int
take_frame (struct core_verb *v, struct frame *f)
{
  const char *op = json_get_str (f->head, "op");
  int64_t n;

  if (op && strcmp (op, "head") == 0)
    return take_head (v, f);
  if (!v->head || !op)
    return error_set (v->err, EBADMSG, "what came is no part of a core");
  if (strcmp (op, "end") == 0)
    {
      v->ended = true;
      return 1;
    }
  if (strcmp (op, "data") == 0)
    {
      n = json_get_int (f->head, "at", -1);
      return n < 0 ? error_set (v->err, EBADMSG, "a part without a place")
                   : core_file_put (v->file, (uint64_t) n, f->body, f->body_len,
                                    v->err);
    }
  n = json_get_int (f->head, "seen", 0);
  if (strcmp (op, "progress") == 0 && n > 0)
    progress_bytes (&v->progress, (uint64_t) n, v->present);
  return 0;
}

static int
take_signal (struct core_verb *v, int fd)
{
  struct signalfd_siginfo info;

  if (read (fd, &info, sizeof info) != sizeof info)
    return 0;
  v->signal = (int) info.ssi_signo;
  return error_set (v->err, ECANCELED, "cancelled");
}

/* Until the end, or until the daemon has something to say: then a parser that
 * is stuck will say nothing more here. */
static int
take_all (struct core_verb *v, int data, int signals)
{
  struct pollfd p[] = { { .fd = data, .events = POLLIN },
                        { .fd = signals, .events = POLLIN },
                        { .fd = client_socket (v->client), .events = POLLIN } };
  int r = 0;

  while (r == 0)
    {
      CLEANUP_FRAME struct frame f = { 0 };

      if (poll (p, ARRAY_LEN (p), -1) < 0)
        continue;
      if (p[1].revents)
        r = take_signal (v, signals);
      else if (p[0].revents)
        {
          r = frame_read (data, &f, clock_ms () + PART_MS, NULL);
          /* The daemon says why. */
          r = r < 0 ? 1 : take_frame (v, &f);
        }
      else if (p[2].revents)
        r = 1;
    }
  return r < 0 ? r : 0;
}

/* The first row of the answer brings the socket, the last one is ours to
 * print. */
static int
on_answer (struct frame *f, void *arg)
{
  struct core_verb *v = arg;
  CLEANUP_CLOSE int signals = -1;
  sigset_t set, old;
  int r;

  if (f->nfds == 0)
    {
      json_object_put (v->row);
      v->row = json_object_get (f->head);
      return 0;
    }
  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGALRM);
  sigprocmask (SIG_BLOCK, &set, &old);
  signals = signalfd (-1, &set, SFD_CLOEXEC);
  r = signals < 0 ? error_errno (v->err, errno, "signalfd")
                  : take_all (v, f->fds[0], signals);
  v->refused = r < 0;
  progress_clear (&v->progress);
  sigprocmask (SIG_SETMASK, &old, NULL);
  return r;
}

/* ---- the whole ---- */

/* Who tries again at once, with another --max, is not to be told that one is
 * being written already. */
static void
wait_for_end (struct client *c)
{
  CLEANUP_FRAME struct frame f = { 0 };

  (void) frame_read (client_socket (c), &f, clock_ms () + END_MS, NULL);
}

static int
fetch (const struct cli *cli, struct core_verb *v)
{
  struct json_object *head = client_request ("core", v->guest);
  int r = client_open (cli, true, &v->client, v->err);

  if (r < 0)
    {
      json_object_put (head);
      return r;
    }
  json_add_bool (head, "registers", v->registers);
  r = client_call_frames (v->client, head, on_answer, v, v->err);
  if (v->refused && !v->signal)
    wait_for_end (v->client);
  if (r == 0 && (!v->ended || !v->row))
    r = error_set (v->err, EIO, "the core broke off");
  if (r == 0)
    r = core_file_commit (v->file, v->err);
  if (r == 0)
    (void) core_file_sum (v->file, v->sum);
  client_close (v->client);
  return r;
}

static void
print_line (const struct core_verb *v)
{
  const char *why = json_get_str (v->row, "registers_why");
  char a[32], b[32];

  printf ("core=");
  print_text (stdout, v->spec.path);
  printf (" guest=");
  print_text (stdout, row_str (v->row, "guest"));
  printf (" size=%s disk=%s cpus=%lld vmcoreinfo=%s",
          units_format_size (a, sizeof a,
                             (uint64_t) json_get_int (v->row, "bytes", 0)),
          units_format_size (b, sizeof b, core_file_written (v->file)),
          (long long) json_get_int (v->row, "cpus", 0),
          json_get_bool (v->row, "vmcoreinfo", false) ? "yes" : "no");
  /* The step of a playbook reads it there: behind all that is a guest's. */
  if (v->spec.sum)
    printf (" bytes=%lld", (long long) json_get_int (v->row, "bytes", 0));
  if (v->sum[0])
    printf (" sha256=%s", v->sum);
  putchar ('\n');
  if (json_get_str (v->row, "note"))
    print_paragraph (stdout, "note: ", json_get_str (v->row, "note"));
  if (json_get_str (v->row, "kernel_why"))
    print_paragraph (stdout, "no kernel was found in it: ",
                     json_get_str (v->row, "kernel_why"));
  if (why)
    print_paragraph (stdout, "without registers: ", why);
}

static int
succeed (const struct cli *cli, struct core_verb *v, uint64_t ms)
{
  int64_t unreadable = json_get_int (v->row, "unreadable", 0);

  if (cli->json)
    {
      json_add_text (v->row, "file", v->spec.path, strlen (v->spec.path));
      json_add_int (v->row, "disk_bytes",
                    (int64_t) core_file_written (v->file));
      json_add_int (v->row, "ms", (int64_t) ms);
      if (v->sum[0])
        json_add_str (v->row, "sha256", v->sum);
      print_json (v->row);
    }
  else
    print_line (v);
  if (unreadable > 0)
    fprintf (stderr,
             "hangdog: %lld bytes of it this host cannot read; they are "
             "zeros in the core\n",
             (long long) unreadable);
  return unreadable > 0 ? EXIT_PARTIAL : EXIT_WELL;
}

static int
fail (struct core_verb *v)
{
  const char *partial = core_file_partial (v->file);
  int code = v->err->code, r = cli_fail (v->err);

  if (partial)
    {
      fprintf (stderr, "hangdog: what there is of it is in ");
      print_text (stderr, partial);
      fputc ('\n', stderr);
    }
  return code == EOPNOTSUPP || code == ESTALE ? EXIT_NO_VERDICT : r;
}

static int
take_size (struct cli *cli, const char *name, uint64_t *ret)
{
  const char *text = cli_option (cli, name);
  struct error err = ERROR_INIT;

  if (!text || units_parse_size (text, ret, &err) == 0)
    return 0;
  error_wrap (&err, "%s", name);
  cli_fail (&err);
  return EXIT_USAGE;
}

/* By a timer, for the dead disk may be where we are. */
static int
take_within (struct cli *cli)
{
  const char *text = cli_option (cli, "--within");
  struct itimerval at = { 0 };
  struct error err = ERROR_INIT;
  uint64_t ms;

  if (!text)
    return 0;
  if (units_parse_duration (text, &ms, &err) < 0)
    {
      error_wrap (&err, "--within");
      cli_fail (&err);
      return EXIT_USAGE;
    }
  at.it_value.tv_sec = (time_t) (ms / 1000);
  at.it_value.tv_usec = (suseconds_t) (ms % 1000 * 1000);
  setitimer (ITIMER_REAL, &at, NULL);
  return 0;
}

static int
take_options (struct cli *cli, struct core_verb *v)
{
  int r;

  v->registers = !cli_flag (cli, "--no-registers");
  v->spec.force = cli_flag (cli, "--force");
  v->spec.keep = cli_flag (cli, "--keep");
  v->spec.sum = cli_flag (cli, "--sum");
  v->spec.path = cli_option (cli, "-o");
  if ((r = take_within (cli)))
    return r;
  if ((r = take_size (cli, "--max", &v->spec.max))
      || (r = take_size (cli, "--leave", &v->spec.leave)))
    return r;
  r = cli_guest (cli, &verb_core, &v->guest);
  if (r)
    return r;
  if (!v->spec.path)
    return cli_usage (&verb_core, "into which file? -o FILE");
  return strcmp (v->spec.path, "-") == 0
             ? cli_usage (&verb_core, "a core has holes and needs a file: "
                                      "-o FILE, and ./- for one of that name")
             : 0;
}

static int
run (struct cli *cli)
{
  struct error err = ERROR_INIT;
  struct core_verb v = { .err = &err };
  uint64_t begun = clock_ms ();
  int r = take_options (cli, &v);

  if (r)
    return r;
  if (core_file_new (&v.spec, &v.file, &err) < 0)
    return cli_fail (&err);
  r = fetch (cli, &v);
  progress_end (&v.progress, r == 0,
                r == 0 ? v.spec.path : error_text (v.err));
  r = r < 0 ? fail (&v) : succeed (cli, &v, clock_ms () - begun);
  core_file_free (v.file);
  json_object_put (v.row);
  /* As whoever started us expects of one that was told to stop. */
  if (v.signal)
    {
      signal (v.signal, SIG_DFL);
      raise (v.signal);
    }
  return r;
}

const struct verb verb_core = {
  .name = "core",
  .args = "GUEST -o FILE [--max SIZE] [--leave SIZE] [--force] [--keep] "
          "[--within DURATION] [--no-registers] [--sum]",
  .summary = "write a running guest's memory to a file, for crash and drgn",
  .help
  = "The guest is not stopped, and QEMU is not asked for it: it works when the "
    "guest's storage\nis dead and when the monitor is stuck.  What comes is an "
    "ELF core, sparse: what the guest\nnever touched takes no room.  It has "
    "VMCOREINFO where the kernel wrote one, and the vCPUs'\nregisters where "
    "the monitor tells them within 2 s.  The guest goes on running: what it "
    "changes\nmeanwhile is there before or after the change.\n"
    "  -o FILE         readable by you alone; it gets its name when all is in "
    "it\n"
    "  --max SIZE      it may take so much of the disk\n"
    "  --leave SIZE    so much of the disk stays free (else 5 %, at least "
    "64MiB, at most 2GiB)\n"
    "  --force         write over a FILE that is there, and remove what was "
    "left of others\n                  (FILE.partial-...)\n"
    "  --keep          keep what there is when it does not become whole "
    "(FILE.partial-...)\n"
    "  --within TIME   give it up then, and leave nothing behind\n"
    "  --no-registers  do not ask the monitor (through libvirt that marks the "
    "domain as tainted)\n"
    "  --sum           also the SHA-256 of FILE, as `sha256sum` tells it; not "
    "of one that\n                  it takes longer than 10 s of the processor "
    "for\n"
    "  --json          what was written, as one line\n"
    "It holds all the guest knows, its keys too: keep it as you keep those.\n"
    "Exit codes: 0 well, 1 error, 2 no such guest or FILE is there, 5 some "
    "pages could not be read,\n6 not possible (encrypted, no process here, "
    "two others under way).\n"
    "\nExamples:\n"
    "  hangdog core web-1 -o /var/crash/web-1.core\n"
    "  hangdog inspect /var/crash/web-1.core cpus locks\n"
    "  hangdog core web-1 -o web-1.core --max 4GiB --json | jq .release\n"
    "  crash vmlinux web-1.core\n"
    "  drgn -c web-1.core -s vmlinux\n",
  .run = run,
};
