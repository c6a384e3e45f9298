/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog inspect: what a guest's kernel does, read from its memory.
 *
 * Of a guest the daemon is asked: it has the rights by its keeper, and by
 * whom.  A core is read here, by a parser of our own.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/inspect_view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "base/units.h"
#include "transports/memory/look.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCH_MS 2000
#define APART_MS 1000
#define MAX_PART LOOK_MAX_ROW /* of a row that is not all there yet */

struct inspect
{
  struct inspect_view *view;
  struct buf part;
  struct json_object *end;
  bool looks; /* one after the other */
};

static int take_looks (struct inspect *i, const char *lines, size_t len);

/* What is wanted, of what. */
struct wish
{
  const char *what;
  int core; /* -1 = a guest */
  struct client *client;
  enum inspect_form form;
  struct json_object *sections;
  bool registers, again;
  unsigned samples;
  uint64_t apart_ms;
  struct inspect_past *past;
};

static int
take_lines (const void *lines, size_t len, void *arg)
{
  struct inspect *i = arg;

  return i->looks ? take_looks (i, lines, len)
                  : inspect_view_lines (i->view, lines, len);
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
  const struct look_source src = { .libexec = cli->libexec,
                                   .inputs = &fd,
                                   .ninputs = 1,
                                   .where = where };
  const struct look_question q = { .sections = sections };

  json_add_str (where, "op", "core");
  return look_once (&src, &q, clock_ms () + LOOK_USUAL_MS, take_lines, i,
                    &i->end, err);
}

static struct json_object *
request_of (const struct wish *w)
{
  struct json_object *head = client_request ("inspect", w->what);

  if (w->sections)
    json_object_object_add (head, "sections", json_object_get (w->sections));
  json_add_bool (head, "registers", w->registers);
  if (w->again)
    json_add_bool (head, "watch", true);
  json_add_int (head, "samples", (int64_t) w->samples);
  json_add_int (head, "apart_ms", (int64_t) w->apart_ms);
  return head;
}

static int
look_at_guest (struct inspect *i, const struct wish *w, struct error *err)
{
  int r = client_call (w->client, request_of (w), on_row, i, err);

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
  int r;

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
  r = inspect_view_worst (i->view);
  if (r == EXIT_TROUBLE || r == EXIT_NO_VERDICT)
    return r;
  return why || dropped > 0 || inspect_view_lacks (i->view) > 0 ? EXIT_PARTIAL
                                                                : r;
}

/* A file that cannot be read is the caller's; a guest that cannot is not. */
static int
fail (const struct error *err, bool file)
{
  int r = cli_fail (err);

  return err->code == EOPNOTSUPP || err->code == ESTALE ? EXIT_NO_VERDICT
         : err->code == EBADMSG && file ? EXIT_USAGE
                                        : r;
}

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
                   : look_at_guest (&i, w, &err);
  if (r < 0 || json_get_int (i.end, "dropped", 0) > 0)
    inspect_view_cut (i.view);
  inspect_view_end (i.view);
  r = r < 0 ? fail (&err, w->core >= 0) : judge (cli, &i);
  inspect_view_free (i.view);
  json_object_put (i.end);
  buf_done (&i.part);
  return r;
}

/* ---- again and again ---- */

/* On a terminal a picture takes the place of the one before; else they follow
 * each other. */
struct watching
{
  struct inspect i;
  const struct wish *w;
  FILE *to;
  char *text; /* of a picture; NULL = it goes straight out */
  size_t len;
  bool screen;
  /* ^C: set by a thread of its own. */
  int socket;
  _Atomic bool ended;
};

static int
begin_picture (struct watching *x)
{
  x->to = x->screen ? open_memstream (&x->text, &x->len) : stdout;
  x->i.view = x->to ? inspect_view_new (x->w->form, x->to, x->w->past) : NULL;
  return x->i.view ? 0 : -ENOMEM;
}

static void
end_picture (struct watching *x, bool show)
{
  if (x->i.view && show)
    inspect_view_end (x->i.view);
  inspect_view_free (x->i.view);
  x->i.view = NULL;
  if (x->screen && x->to)
    {
      fclose (x->to);
      if (show)
        print_screen (x->text);
      free (x->text);
      x->text = NULL;
    }
  x->to = NULL;
  fflush (stdout);
}

/* Says why nothing was seen; a guest that boots will be. */
static void
say_why (const char *line, size_t len)
{
  struct json_tokener *tok = json_tokener_new ();
  CLEANUP_JSON struct json_object *row
      = tok ? json_tokener_parse_ex (tok, line, (int) len) : NULL;
  const char *why = json_get_str (row, "why");

  json_tokener_free (tok);
  if (why)
    print_paragraph (stderr, "hangdog: ", why);
}

/* Lines up to a row "sample", which ends a look. */
static int
take_looks (struct inspect *i, const char *lines, size_t len)
{
  static const char mark[] = "{\"row\":\"sample\"";
  struct watching *x = container_of (i, struct watching, i);
  const char *from = lines, *end = lines + len;
  int r = 0;

  for (const char *p = lines; p < end && r == 0;)
    {
      const char *next = memchr (p, '\n', (size_t) (end - p));
      size_t n = (size_t) ((next ? next + 1 : end) - p);

      if (n >= sizeof mark && memcmp (p, mark, sizeof mark - 1) == 0)
        {
          r = inspect_view_lines (i->view, from, (size_t) (p + n - from));
          from = p + n;
          end_picture (x, true);
          say_why (p, n);
          r = r < 0 ? r : begin_picture (x);
          if (ferror (stdout))
            r = -EPIPE;
        }
      p += n;
    }
  return r < 0 || from == end
             ? r
             : inspect_view_lines (i->view, from, (size_t) (end - from));
}

static void
signals_of_end (sigset_t *set)
{
  sigemptyset (set);
  sigaddset (set, SIGINT);
  sigaddset (set, SIGTERM);
}

/* ^C ends a watch as it should end: with the daemon that was started for it. */
static void *
wait_for_end (void *arg)
{
  struct watching *x = arg;
  sigset_t set;
  int which;

  signals_of_end (&set);
  sigwait (&set, &which);
  x->ended = true;
  shutdown (x->socket, SHUT_RDWR);
  return NULL;
}

static int
watch_until_end (struct watching *x, struct error *err)
{
  pthread_t thread;
  sigset_t set;
  bool ended;
  int r;

  signals_of_end (&set);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  if (pthread_create (&thread, NULL, wait_for_end, x) != 0)
    {
      pthread_sigmask (SIG_UNBLOCK, &set, NULL);
      return error_set (err, EAGAIN, "no thread");
    }
  r = look_at_guest (&x->i, x->w, err);
  ended = x->ended;
  pthread_kill (thread, SIGTERM);
  pthread_join (thread, NULL);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  return ended ? 0 : r;
}

static int
watch (const struct cli *cli, const struct wish *w)
{
  struct watching x = { .i = { .part = BUF_INIT (MAX_PART), .looks = true },
                        .w = w,
                        .screen = isatty (STDOUT_FILENO) && !cli->json,
                        .socket = client_socket (w->client) };
  struct error err = ERROR_INIT;
  int r = begin_picture (&x);

  if (r == 0)
    r = watch_until_end (&x, &err);
  end_picture (&x, false);
  json_object_put (x.i.end);
  buf_done (&x.i.part);
  /* Who reads no more has seen enough. */
  return r == 0 || r == -EPIPE ? EXIT_WELL : fail (&err, false);
}

static int
look_or_watch (const struct cli *cli, struct wish *w)
{
  struct error err = ERROR_INIT;
  int r;

  if (w->core < 0 && client_open (cli, true, &w->client, &err) < 0)
    return fail (&err, false);
  r = w->again ? watch (cli, w) : look (cli, w, stdout);
  client_close (w->client);
  return r;
}

/* --watch takes what follows it when that is a time: "--watch 500ms cpus". */
static const char *
take_watch (struct cli *cli, struct wish *w)
{
  uint64_t ms;

  for (int n = 1; n < cli->argc; n++)
    {
      char *word = cli->argv[n], *value = NULL;
      int words = 1;

      if (strncmp (word, "--watch", 7) != 0
          || (word[7] != '\0' && word[7] != '='))
        continue;
      w->again = true;
      if (word[7] == '=')
        value = word + 8;
      else if (n + 1 < cli->argc
               && units_parse_duration (cli->argv[n + 1], &ms, NULL) == 0)
        {
          value = cli->argv[n + 1];
          words = 2;
        }
      for (int at = n; at + words < cli->argc; at++)
        cli->argv[at] = cli->argv[at + words];
      cli->argc -= words;
      return value;
    }
  return NULL;
}

/* NULL, or what is wrong. */
static const char *
take_times (struct cli *cli, struct wish *w, struct error *err)
{
  const char *every = take_watch (cli, w);
  const char *samples = cli_option (cli, "--samples");
  const char *apart = cli_option (cli, "--apart");

  w->samples = samples && strcmp (samples, "2") == 0 ? 2 : 1;
  w->apart_ms = w->again ? WATCH_MS : APART_MS;
  if (samples && w->samples == 1 && strcmp (samples, "1") != 0)
    return "--samples is 1 or 2";
  if (w->again && (samples || apart))
    return "--watch or --samples?";
  if (apart && w->samples < 2)
    return "--apart is how far two samples are apart: --samples 2";
  every = apart ? apart : every;
  if (every && units_parse_duration (every, &w->apart_ms, err) < 0)
    return error_text (err);
  return w->apart_ms < 100 || w->apart_ms > 60000
             ? "looks may be 100ms to 1m apart"
             : NULL;
}

/* What is in the usage between "[" and "]": a slip of the pen is told before
 * a guest is looked at for it. */
static const char *
unknown_section (const struct cli *cli, char *why, size_t n)
{
  char copy[400], near[200];
  const char *known[32];
  unsigned k = 0;

  snprintf (copy, sizeof (copy), "%s", strchr (verb_inspect.args, '[') + 1);
  copy[strcspn (copy, "]")] = '\0';
  for (char *s = copy; s && k < ARRAY_LEN (known) - 1;)
    known[k++] = strsep (&s, "|");
  known[k] = NULL;
  for (int i = 2; cli_arg (cli, i); i++)
    {
      for (k = 0; known[k] && strcmp (known[k], cli_arg (cli, i)) != 0;)
        k++;
      if (known[k])
        continue;
      snprintf (why, n, "what is \"%.60s\" for?%s", cli_arg (cli, i),
                text_did_you_mean (near, sizeof (near), cli_arg (cli, i),
                                   known));
      return why;
    }
  return NULL;
}

static const char *
contradiction (const struct cli *cli, const struct wish *w, bool folded)
{
  if (!cli_arg (cli, 1))
    return "which guest, or which core?";
  if (folded && cli->json)
    return "--folded or --json?";
  if (folded && w->again)
    return "--folded or --watch?";
  if (folded && w->samples > 1)
    return "--folded or --samples?";
  return NULL;
}

static int
run (struct cli *cli)
{
  static const char *const top[] = { "system", "cpus", "tasks", NULL };
  static const char *const stacks[] = { "cpus", "tasks", NULL };
  bool folded = cli_flag (cli, "--folded");
  struct wish w
      = { .core = -1, .registers = !cli_flag (cli, "--no-registers") };
  CLEANUP_JSON struct json_object *sections = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct error err = ERROR_INIT;
  const char *why = take_times (cli, &w, &err);
  char slip[300];
  int r = cli_rest (cli, &verb_inspect, 32);

  if (r)
    return r;
  why = why ? why : contradiction (cli, &w, folded);
  why = why ? why : unknown_section (cli, slip, sizeof (slip));
  if (why)
    return cli_usage (&verb_inspect, why);
  w.what = cli_arg (cli, 1);
  if (inspect_open_core (cli, w.what, &fd, &err) < 0)
    return fail (&err, true);
  if (fd >= 0 && (w.again || w.samples > 1))
    return cli_usage (&verb_inspect, "a core does not change: --watch and "
                                     "--samples are for guests");
  w.core = fd;
  w.form = folded      ? INSPECT_FOLDED
           : cli->json ? INSPECT_JSON
           : w.again   ? INSPECT_TOP
                       : INSPECT_TEXT;
  w.sections = sections = sections_of (cli, folded    ? stacks
                                             : w.again ? top
                                                       : NULL);
  w.past = inspect_past_new ();
  r = w.past ? look_or_watch (cli, &w) : EXIT_ERROR;
  inspect_past_free (w.past);
  return r;
}

const struct verb verb_inspect = {
  .name = "inspect",
  .args = "GUEST|CORE [system|cpus|tasks|procs|locks|io|mem|timers|workqueues|"
          "net|mounts|modules|ftrace|dmesg|all]... [--folded] [--no-registers] "
          "[--watch [INTERVAL]] [--samples 2 [--apart 1s]]",
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
    "ftrace is what the kernel was told to trace, and only told when it is "
    "asked for.\n"
    "  --folded        stacks of all tasks for a flame graph: "
    "comm;func;func COUNT\n"
    "  --samples 2     look twice, --apart (1s) from each other: what moved, "
    "to tell stuck\n                  from slow\n"
    "  --watch [2s]    until ^C, so often: who is blocked, who runs, who is "
    "given a "
    "CPU how often\n                  (SW/S), and where they stand\n"
    "  --no-registers  do not ask the monitor for the vCPUs' registers "
    "(through "
    "libvirt that\n                  marks the domain as tainted)\n"
    "  --json          a row on each line: docs/inspect-json.md\n"
    "What the guest says of itself may be a lie of the guest.\n"
    "Exit codes: 0 well, 1 error, 2 no such guest or no core, 3 what stands "
    "out is trouble,\n4 it is less than that, 5 something could not be found "
    "out, 6 the guest does not run, or\nno kernel that can be read "
    "(encrypted, no Linux, no process here).\n"
    "\nExamples:\n"
    "  hangdog inspect web-1\n"
    "  hangdog inspect web-1 cpus locks\n"
    "  hangdog inspect web-1 --watch 1s\n"
    "  hangdog inspect web-1 --samples 2 --apart 5s tasks io\n"
    "  hangdog inspect web-1 --json tasks | jq 'select(.state==\"D\")'\n"
    "  hangdog inspect /var/crash/web-1.core dmesg\n"
    "  hangdog inspect web-1 ftrace\n"
    "  hangdog inspect web-1 --folded | flamegraph.pl >web-1.svg\n",
  .run = run,
};
