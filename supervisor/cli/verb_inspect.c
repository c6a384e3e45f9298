/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog inspect: what a guest's kernel does, read from its memory.
 *
 * Of a guest the daemon is asked: it has the rights by its keeper, and by
 * whom.  A core is read here, by a parser of our own.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/inspect_view.h"
#include "supervisor/inspect.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_PART INSPECT_MAX_ROW /* of a row that is not all there yet */

struct inspect
{
  struct inspect_view *view;
  struct buf part;
  struct json_object *end;
  /* What is asked for besides. */
  bool folded, registers, watch;
  unsigned samples;
  uint64_t apart_ms;
  int socket;      /* of a watch ... */
  _Atomic bool ended; /* ... that somebody has ended */
};

static int
take_lines (const void *lines, size_t len, void *arg)
{
  struct inspect *i = arg;

  return inspect_view_lines (i->view, lines, len);
}

/* Pieces of the daemon's answer end anywhere. */
static int
take_bytes (struct inspect *i, const char *bytes, size_t len)
{
  const char *last = memrchr (bytes, '\n', len);
  size_t whole = last ? (size_t) (last - bytes) + 1 : 0;
  int r = 0;

  if (i->part.len > 0 && last)
    {
      size_t first
          = (size_t) ((const char *) memchr (bytes, '\n', len) - bytes) + 1;

      buf_append (&i->part, bytes, first);
      r = i->part.cut ? -EBADMSG
                      : take_lines (buf_str (&i->part), i->part.len, i);
      buf_clear (&i->part);
      i->part.cut = false;
      bytes += first;
      len -= first;
      whole -= first;
    }
  if (r == 0 && whole > 0)
    r = take_lines (bytes, whole, i);
  buf_append (&i->part, bytes + whole, len - whole);
  return r;
}

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct inspect *i = arg;

  if (len > 0)
    return take_bytes (i, body, len);
  json_object_put (i->end);
  i->end = json_object_get (row);
  return 0;
}

/* ---- asking ---- */

static struct json_object *
sections_of (const struct cli *cli, const struct inspect *i)
{
  struct json_object *list = NULL;

  for (int n = 2; cli_arg (cli, n); n++)
    {
      if (!list)
        list = json_object_new_array ();
      json_object_array_add (list, json_object_new_string (cli_arg (cli, n)));
    }
  if (!list && i->watch)
    {
      list = json_object_new_array ();
      json_object_array_add (list, json_object_new_string ("system"));
      json_object_array_add (list, json_object_new_string ("cpus"));
      json_object_array_add (list, json_object_new_string ("io"));
    }
  if (!list && i->folded)
    {
      list = json_object_new_array ();
      json_object_array_add (list, json_object_new_string ("cpus"));
      json_object_array_add (list, json_object_new_string ("tasks"));
    }
  return list;
}

static int
look_at_core (const struct cli *cli, struct inspect *i, int fd,
              struct json_object *sections, struct error *err)
{
  CLEANUP_JSON struct json_object *where = json_object_new_object ();
  const struct inspect_spec spec = { .libexec = cli->libexec,
                                     .inputs = &fd,
                                     .ninputs = 1,
                                     .where = where,
                                     .sections = sections };

  json_add_str (where, "op", "core");
  return inspect_run (&spec, take_lines, i, &i->end, err);
}

/* ^C ends a watch as it should end: a daemon that was started for it, too. */
static void *
wait_for_end (void *arg)
{
  struct inspect *i = arg;
  sigset_t set;
  int which;

  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  sigwait (&set, &which);
  i->ended = true;
  shutdown (i->socket, SHUT_RDWR);
  return NULL;
}

static int
call (struct client *c, struct json_object *head, struct inspect *i,
      struct error *err)
{
  pthread_t thread;
  sigset_t set;
  bool ended;
  int r;

  if (!i->watch)
    return client_call (c, head, on_row, i, err);
  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  i->socket = client_socket (c);
  if (pthread_create (&thread, NULL, wait_for_end, i) != 0)
    {
      pthread_sigmask (SIG_UNBLOCK, &set, NULL);
      return client_call (c, head, on_row, i, err);
    }
  r = client_call (c, head, on_row, i, err);
  ended = i->ended;
  pthread_kill (thread, SIGTERM);
  pthread_join (thread, NULL);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  i->ended = ended;
  return ended ? 0 : r;
}

static int
look_at_guest (const struct cli *cli, struct inspect *i, const char *guest,
               struct json_object *sections, struct error *err)
{
  struct json_object *head = client_request ("inspect", guest);
  struct client *c = NULL;
  int r = client_open (cli, true, &c, err);

  if (r < 0)
    {
      json_object_put (head);
      return r;
    }
  if (sections)
    json_object_object_add (head, "sections", json_object_get (sections));
  json_add_bool (head, "registers", i->registers);
  if (i->watch)
    json_add_bool (head, "watch", true);
  if (i->samples > 1)
    json_add_int (head, "samples", (int) i->samples);
  json_add_int (head, "apart_ms", (int64_t) i->apart_ms);
  r = call (c, head, i, err);
  client_close (c);
  if (r == -EBADMSG && err->code == 0)
    return error_set (err, EIO, "the daemon said what is no row");
  return r;
}

/* As the last row, which begins like all others. */
static void
print_end (struct json_object *end)
{
  CLEANUP_JSON struct json_object *row = json_object_new_object ();

  json_add_str (row, "row", "end");
  json_object_object_foreach (end, key, value)
    if (strcmp (key, "row") != 0)
      json_object_object_add (row, key, json_object_get (value));
  print_json (row);
}

/* What is ours to say of the whole. */
static int
judge (const struct cli *cli, const struct inspect *i)
{
  const char *why = json_get_str (i->end, "why");
  long long dropped = (long long) json_get_int (i->end, "dropped", 0);

  if (i->ended)
    return EXIT_WELL;
  if (cli->json && i->end)
    print_end (i->end);
  if (why)
    print_paragraph (stderr, "hangdog: ", why);
  if (dropped > 0)
    fprintf (stderr, "hangdog: %lld rows were too many\n", dropped);
  if (!json_get_bool (i->end, "found", false))
    return EXIT_NO_VERDICT;
  if (inspect_view_unknown (i->view))
    return cli_unknown (&verb_inspect, inspect_view_unknown (i->view));
  return why || dropped > 0 || inspect_view_lacks (i->view) > 0 ? EXIT_PARTIAL
                                                                : EXIT_WELL;
}

static int
fail (const struct error *err)
{
  int r = cli_fail (err);

  return err->code == EOPNOTSUPP ? EXIT_NO_VERDICT
         : err->code == EBADMSG  ? EXIT_USAGE
                                 : r;
}

/* --watch takes what follows it when that is a time: "--watch 500ms cpus". */
static const char *
take_watch (struct cli *cli, struct inspect *i)
{
  uint64_t ms;

  for (int n = 1; n < cli->argc; n++)
    {
      char *word = cli->argv[n], *value = NULL;
      int words = 1;

      if (strncmp (word, "--watch", 7) != 0
          || (word[7] != '\0' && word[7] != '='))
        continue;
      i->watch = true;
      if (word[7] == '=')
        value = word + 8;
      else if (n + 1 < cli->argc
               && units_parse_duration (cli->argv[n + 1], &ms, NULL) == 0)
        {
          value = cli->argv[n + 1];
          words = 2;
        }
      for (int at = n; at + words <= cli->argc; at++)
        cli->argv[at] = at + words < cli->argc ? cli->argv[at + words] : NULL;
      cli->argc -= words;
      return value;
    }
  return NULL;
}

static const char *
take_options (struct cli *cli, struct inspect *i, struct error *err)
{
  const char *every = take_watch (cli, i);
  const char *samples = cli_option (cli, "--samples");
  const char *apart = cli_option (cli, "--apart");

  i->folded = cli_flag (cli, "--folded");
  i->registers = !cli_flag (cli, "--no-registers");
  i->samples = 1;
  i->apart_ms = i->watch ? 2000 : 1000;
  if (samples && strcmp (samples, "2") == 0)
    i->samples = 2;
  else if (samples && strcmp (samples, "1") != 0)
    return "--samples is 1 or 2";
  if (i->watch && (samples || apart || i->folded))
    return "--watch goes with neither --samples, --apart nor --folded";
  if (i->folded && (cli->json || samples))
    return "--folded goes with neither --json nor --samples";
  if (apart && i->samples < 2)
    return "--apart is how far two samples are apart: --samples 2";
  if ((apart && units_parse_duration (apart, &i->apart_ms, err) < 0)
      || (every && units_parse_duration (every, &i->apart_ms, err) < 0))
    return error_text (err);
  if (i->apart_ms < 100 || i->apart_ms > 60000)
    return "looks may be 100ms to 1m apart";
  return NULL;
}

static int
ask (struct cli *cli, struct inspect *i, const char *what, int fd,
     struct error *err)
{
  CLEANUP_JSON struct json_object *sections = sections_of (cli, i);

  return fd >= 0 ? look_at_core (cli, i, fd, sections, err)
                 : look_at_guest (cli, i, what, sections, err);
}

static int
run (struct cli *cli)
{
  struct inspect i = { .part = BUF_INIT (MAX_PART) };
  CLEANUP_CLOSE int fd = -1;
  struct error err = ERROR_INIT;
  const char *why = take_options (cli, &i, &err), *what = cli_arg (cli, 1);
  int r = cli_rest (cli, &verb_inspect, 32);

  if (why)
    return cli_usage (&verb_inspect, why);
  if (r)
    return r;
  if (!what)
    return cli_usage (&verb_inspect, "which guest, or which core?");
  r = inspect_open_core (cli, what, &fd, &err);
  if (r < 0)
    return fail (&err);
  if (r > 0 && (i.watch || i.samples > 1))
    return cli_usage (&verb_inspect, "nothing moves in a core");
  i.view = inspect_view_new (i.folded    ? INSPECT_FOLDED
                             : cli->json ? INSPECT_JSON
                             : i.watch   ? INSPECT_WATCH
                                         : INSPECT_TEXT,
                             stdout);
  if (!i.view)
    return EXIT_ERROR;
  r = ask (cli, &i, what, fd, &err);
  inspect_view_end (i.view);
  r = r < 0 ? fail (&err) : judge (cli, &i);
  inspect_view_free (i.view);
  json_object_put (i.end);
  buf_done (&i.part);
  return r;
}

const struct verb verb_inspect = {
  .name = "inspect",
  .args = "GUEST|CORE [system|cpus|tasks|locks|io|mem|modules|dmesg|all]... "
          "[--folded] [--no-registers] [--samples 2 [--apart 1s]] "
          "[--watch [INTERVAL]]",
  .summary = "read a guest's kernel in its memory, from outside",
  .help
  = "Needs nothing of the guest: no agent, no debuginfo, no pause; it works "
    "when the guest\nanswers nothing and when QEMU's monitor is stuck.  "
    "Without "
    "sections all that are cheap.\nOf a guest the daemon is asked, or one is "
    "started for this; CORE is a file made by\ndump-guest-memory or `virsh "
    "dump "
    "--memory-only`, or EVE's guestmem.elf.zst (./NAME when a guest is\ncalled "
    "so).\n"
    "  --folded        stacks of all tasks for a flame graph: "
    "comm;func;func COUNT\n"
    "  --no-registers  do not ask the monitor for the vCPUs' registers "
    "(through "
    "libvirt that\n                  marks the domain as tainted)\n"
    "  --samples 2     look twice, --apart (1s) from each other: rows \"moved\" "
    "tell what is\n                  stuck from what is slow\n"
    "  --watch [2s]    look again and again, as top does, until ^C; the "
    "kernel is looked for once\n"
    "  --json          a row on each line: docs/inspect-json.md\n"
    "What the guest says of itself may be a lie of the guest.\n"
    "Exit codes: 0 well, 1 error, 2 no such guest or no core, 5 something "
    "could "
    "not be found\nout, 6 no kernel that can be read (encrypted, no Linux, no "
    "process here).\n"
    "\nExamples:\n"
    "  hangdog inspect web-1\n"
    "  hangdog inspect web-1 cpus locks\n"
    "  hangdog inspect web-1 --json tasks | jq 'select(.state==\"D\")'\n"
    "  hangdog inspect /var/crash/web-1.core dmesg\n"
    "  hangdog inspect web-1 --samples 2 --apart 5s tasks io\n"
    "  hangdog inspect web-1 --watch 1s\n"
    "  hangdog inspect web-1 --folded | flamegraph.pl >web-1.svg\n",
  .run = run,
};
