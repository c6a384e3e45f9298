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

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WATCH_MS 2000
#define MAX_PART INSPECT_MAX_ROW /* of a row that is not all there yet */

struct inspect
{
  struct inspect_view *view;
  struct buf part;
  struct json_object *end;
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

/* Those that are named, else usual ones, else NULL. */
static struct json_object *
sections_of (const struct cli *cli, const char *const *usual)
{
  struct json_object *list = NULL;
  const char *name;

  for (int n = 0; (name = cli_arg (cli, 2) ? cli_arg (cli, n + 2)
                          : usual          ? usual[n]
                                           : NULL);
       n++)
    {
      if (!list)
        list = json_object_new_array ();
      json_object_array_add (list, json_object_new_string (name));
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

static int
look_at_guest (struct inspect *i, struct client *c, const char *guest,
               struct json_object *sections, bool registers, struct error *err)
{
  struct json_object *head = client_request ("inspect", guest);
  int r;

  if (sections)
    json_object_object_add (head, "sections", json_object_get (sections));
  json_add_bool (head, "registers", registers);
  r = client_call (c, head, on_row, i, err);
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

/* A file that cannot be read is the caller's; a guest that cannot is not. */
static int
fail (const struct error *err, bool file)
{
  int r = cli_fail (err);

  return err->code == EOPNOTSUPP        ? EXIT_NO_VERDICT
         : err->code == EBADMSG && file ? EXIT_USAGE
                                        : r;
}

/* What is wanted, of what. */
struct wish
{
  const char *what;
  int core; /* -1 = a guest */
  struct client *client;
  enum inspect_form form;
  struct json_object *sections;
  bool registers;
  struct inspect_past *past;
};

static int
look (const struct cli *cli, const struct wish *w, FILE *to)
{
  struct inspect i = { .part = BUF_INIT (MAX_PART) };
  struct error err = ERROR_INIT;
  int r;

  i.view = inspect_view_new (w->form, to, w->past);
  if (!i.view)
    return EXIT_ERROR;
  r = w->core >= 0 ? look_at_core (cli, &i, w->core, w->sections, &err)
                   : look_at_guest (&i, w->client, w->what, w->sections,
                                    w->registers, &err);
  inspect_view_end (i.view);
  r = r < 0 ? fail (&err, w->core >= 0) : judge (cli, &i);
  inspect_view_free (i.view);
  json_object_put (i.end);
  buf_done (&i.part);
  return r;
}

/* On a terminal a picture takes the place of the one before. */
static int
picture (const struct cli *cli, const struct wish *w)
{
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  FILE *to = open_memstream (&text, &len);
  int r;

  if (!to)
    return EXIT_ERROR;
  r = look (cli, w, to);
  fclose (to);
  if (r == EXIT_WELL || r == EXIT_PARTIAL)
    print_screen (text);
  return r;
}

/* Until it is told to stop, or the guest is gone. */
static int
watch (const struct cli *cli, struct wish *w)
{
  bool screen = isatty (STDOUT_FILENO) && !cli->json;
  int r;

  do
    {
      r = screen ? picture (cli, w) : look (cli, w, stdout);
      fflush (stdout);
      if (r == EXIT_WELL || r == EXIT_PARTIAL)
        cli_nap (WATCH_MS);
    }
  while ((r == EXIT_WELL || r == EXIT_PARTIAL) && !ferror (stdout));
  return r;
}

static int
look_or_watch (const struct cli *cli, struct wish *w, bool again)
{
  struct error err = ERROR_INIT;
  int r;

  if (w->core < 0 && client_open (cli, true, &w->client, &err) < 0)
    return fail (&err, false);
  r = again ? watch (cli, w) : look (cli, w, stdout);
  client_close (w->client);
  return r;
}

static const char *
contradiction (const struct cli *cli, bool folded, bool again)
{
  if (!cli_arg (cli, 1))
    return "which guest, or which core?";
  if (folded && cli->json)
    return "--folded or --json?";
  if (folded && again)
    return "--folded or --watch?";
  return NULL;
}

static int
run (struct cli *cli)
{
  static const char *const top[] = { "system", "cpus", "tasks", NULL };
  static const char *const stacks[] = { "cpus", "tasks", NULL };
  bool folded = cli_flag (cli, "--folded"), again = cli_flag (cli, "--watch");
  struct wish w
      = { .core = -1, .registers = !cli_flag (cli, "--no-registers") };
  CLEANUP_JSON struct json_object *sections = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_inspect, 32);

  if (r)
    return r;
  if (contradiction (cli, folded, again))
    return cli_usage (&verb_inspect, contradiction (cli, folded, again));
  w.what = cli_arg (cli, 1);
  if (inspect_open_core (cli, w.what, &fd, &err) < 0)
    return fail (&err, true);
  if (fd >= 0 && again)
    return cli_usage (&verb_inspect, "a core does not change: --watch is for "
                                     "guests");
  w.core = fd;
  w.form = folded      ? INSPECT_FOLDED
           : cli->json ? INSPECT_JSON
           : again     ? INSPECT_TOP
                       : INSPECT_TEXT;
  w.sections = sections = sections_of (cli, folded  ? stacks
                                            : again ? top
                                                    : NULL);
  w.past = inspect_past_new ();
  r = w.past ? look_or_watch (cli, &w, again) : EXIT_ERROR;
  inspect_past_free (w.past);
  return r;
}

const struct verb verb_inspect = {
  .name = "inspect",
  .args = "GUEST|CORE [system|cpus|tasks|locks|io|mem|timers|workqueues|net|"
          "mounts|modules|dmesg|all]... [--folded] [--watch] [--no-registers]",
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
    "  --watch         every two seconds: who is blocked, who runs, who is "
    "given a "
    "CPU how often\n                  (SW/S), and where they stand\n"
    "  --no-registers  do not ask the monitor for the vCPUs' registers "
    "(through "
    "libvirt that\n                  marks the domain as tainted)\n"
    "  --json          a row on each line: docs/inspect-json.md\n"
    "What the guest says of itself may be a lie of the guest.\n"
    "Exit codes: 0 well, 1 error, 2 no such guest or no core, 5 something "
    "could "
    "not be found\nout, 6 no kernel that can be read (encrypted, no Linux, no "
    "process here).\n"
    "\nExamples:\n"
    "  hangdog inspect web-1\n"
    "  hangdog inspect web-1 cpus locks\n"
    "  hangdog inspect web-1 --watch\n"
    "  hangdog inspect web-1 --json tasks | jq 'select(.state==\"D\")'\n"
    "  hangdog inspect /var/crash/web-1.core dmesg\n"
    "  hangdog inspect web-1 --folded | flamegraph.pl >web-1.svg\n",
  .run = run,
};
