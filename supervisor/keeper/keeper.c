/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-keeper: the only process with rights.
 *
 * It starts the writer and the daemon, watches that they answer, kills and
 * restarts them, owns the control socket (so that clients find it also while
 * the daemon restarts), and opens for the daemon what the configuration
 * names.  It reads no guest byte and no client byte.
 */
#include "supervisor/conf/finding.h"
#include "supervisor/conf/settings.h"
#include "supervisor/keeper/children.h"
#include "supervisor/keeper/ends.h"
#include "supervisor/keeper/identity.h"
#include "supervisor/keeper/keeper_open.h"
#include "supervisor/keeper/notify.h"
#include "supervisor/keeper/places.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/store.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DRAIN_ONLY_DEATHS 3
#define STOP_GRACE_MS 4000

struct keeper
{
  struct loop *loop;
  struct watch *signals;
  const char *config_path, *run_path, *state_path, *libexec;
  bool config_given;
  bool only_check; /* perhaps the configuration of another host */
  const struct config *config;
  char *config_text;
  size_t config_len;
  struct keeper_open *opener;
  struct child *daemon, *writer;
  struct ends for_daemon, for_writer;
  int control;  /* listening */
  int lock, state_lock;
  int log_room; /* the writers', one after the other: writer_log_wait.h */
  int signal_fd;
  bool with_libvirt; /* the daemon that was started last: guests/virt_rooms.h */
  char daemon_path[4096], writer_path[4096];
  char *for_writers; /* its --config */
  bool stopping;
  int exit_code;
};

/* ---- configuration ---- */

/* Reads and checks; what is there is only replaced when all is well. */
static int
load_config (struct keeper *k, struct error *err)
{
  CLEANUP_CONFIG const struct config *fresh = NULL;
  CLEANUP_FREE char *text = NULL;
  size_t len = 0;
  int r;

  r = store_get_path (k->config_path, JSON_MAX_FILE, &text, &len, err);
  if (r == -ENOENT && !k->config_given)
    r = 0;
  if (r == 0)
    r = config_read (text, len, k->config_path, &fresh, err);
  if (r == 0 && !k->only_check)
    {
      r = identity_check (fresh, err);
      if (r < 0)
        error_wrap (err, "%s", k->config_path);
    }
  if (r == 0)
    r = keeper_open_roots (k->opener, fresh, k->config_path, err);
  if (r < 0)
    return r;
  config_unref (k->config);
  k->config = steal_ptr (&fresh);
  free (k->config_text);
  k->config_text = steal_ptr (&text);
  k->config_len = len;
  return 0;
}

/* ---- the two children ---- */

static int
prepare_daemon (void *arg, const char **argv, unsigned max_argv, int *fds,
                unsigned *nfds, struct error *err)
{
  struct keeper *k = arg;
  struct ends e;
  unsigned n = 0;
  int r;

  k->with_libvirt = config_wants_libvirt (k->config);
  snprintf (k->daemon_path, sizeof (k->daemon_path), "%s/hangdog-daemon%s",
            k->libexec, k->with_libvirt ? "-libvirt" : "");
  r = ends_take (&k->for_daemon, &k->for_writer, k->writer, &e, err);
  if (r < 0)
    return r;
  fds[0] = e.channel;
  fds[1] = e.pipe;
  fds[2] = fcntl (k->control, F_DUPFD_CLOEXEC, 3);
  *nfds = 3;
  if (k->daemon && child_recent_deaths (k->daemon) >= DRAIN_ONLY_DEATHS)
    {
      log_error ("the daemon died %u times in ten minutes: it now only drains "
                 "the consoles; see its messages above, then restart hangdog",
                 child_recent_deaths (k->daemon));
      argv[n++] = "--drain-only";
    }
  argv[n] = NULL;
  return 0;
}

static void
daemon_started (struct child *c, void *arg)
{
  struct keeper *k = arg;
  struct json_object *head = json_object_new_object ();

  keeper_open_reader (k->opener, child_pid (c), child_channel (c));
  json_add_str (head, "op", "config");
  json_add_str (head, "path", k->config_path);
  json_add_str (head, "libexec", k->libexec);
  json_add_str (head, "state", k->state_path);
  json_add_str (head, "run", k->run_path);
  channel_send (child_channel (c), head, k->config_text, k->config_len, NULL,
                0);
  keeper_open_tell_stuck (k->opener);
}

/* What of the configuration is the writer's, as it is now: as text, or NULL. */
static char *
writers_part (struct keeper *k)
{
  CLEANUP_JSON struct json_object *all = config_to_json (k->config);
  CLEANUP_JSON struct json_object *part = json_object_new_object ();
  struct json_object *o;

  if ((o = json_get (all, "sink")))
    json_object_object_add (part, "sink", json_object_get (o));
  if ((o = json_get (all, "sinks")))
    json_object_object_add (part, "sinks", json_object_get (o));
  if ((o = json_get (all, "limits")))
    json_object_object_add (part, "limits", json_object_get (o));
  return strdup (json_object_to_json_string (part));
}

static int
prepare_writer (void *arg, const char **argv, unsigned max_argv, int *fds,
                unsigned *nfds, struct error *err)
{
  struct keeper *k = arg;
  struct ends e;
  int r;

  r = ends_take (&k->for_writer, &k->for_daemon, k->daemon, &e, err);
  if (r < 0)
    return r;
  /* As it is now: the last one may have been started long ago. */
  free (k->for_writers);
  k->for_writers = writers_part (k);
  fds[0] = e.channel;
  fds[1] = e.pipe;
  *nfds = 2;
  if (k->log_room >= 0)
    fds[(*nfds)++] = fcntl (k->log_room, F_DUPFD_CLOEXEC, 3);
  argv[0] = "--state";
  argv[1] = k->state_path;
  argv[2] = "--config";
  argv[3] = k->for_writers ? k->for_writers : "{}";
  argv[4] = "--libexec";
  argv[5] = k->libexec;
  argv[6] = NULL;
  return 0;
}

static void
daemon_frame (struct child *c, struct frame *frame, void *arg)
{
  struct keeper *k = arg;
  const char *op = json_get_str (frame->head, "op");
  struct error err = ERROR_INIT;

  if (op && strcmp (op, "open") == 0)
    keeper_open_serve (k->opener, child_channel (c), frame);
  else if (op && strcmp (op, "ready") == 0)
    notify ("READY=1");
  else if (op && strcmp (op, "status") == 0)
    {
      char line[256];
      const char *text = json_get_str (frame->head, "text");

      snprintf (line, sizeof (line), "STATUS=%.200s", text ? text : "");
      notify (line);
    }
  else
    {
      error_set (&err, ENOSYS, "the keeper does not know that request");
      channel_reply_error (child_channel (c), frame, &err);
    }
}

static void
child_died (struct child *c, const char *how, void *arg)
{
  struct keeper *k = arg;

  if (c == k->daemon)
    keeper_open_release_all (k->opener);
  if (k->stopping && !child_pid (k->daemon) && !child_pid (k->writer))
    loop_stop (k->loop);
  /* The writer goes last: it still has the daemon's last words to store. */
  else if (k->stopping && c == k->daemon)
    child_stop (k->writer, STOP_GRACE_MS);
}

/* ---- signals ---- */

static void
reload (struct keeper *k)
{
  struct error err = ERROR_INIT;
  struct json_object *head;
  CLEANUP_FREE char *part = NULL;

  if (load_config (k, &err) < 0)
    {
      log_error ("the configuration is not taken, the last good one stays: %s",
                 error_text (&err));
      return;
    }
  log_info ("configuration read again");
  if (k->with_libvirt != config_wants_libvirt (k->config))
    child_renew (k->daemon, STOP_GRACE_MS);
  else if (child_channel (k->daemon))
    {
      head = json_object_new_object ();
      json_add_str (head, "op", "reload");
      channel_send (child_channel (k->daemon), head, k->config_text,
                    k->config_len, NULL, 0);
    }
  if (child_channel (k->writer))
    {
      head = json_object_new_object ();
      json_add_str (head, "op", "reload");
      part = writers_part (k);
      channel_send (child_channel (k->writer), head, part,
                    part ? strlen (part) : 0, NULL, 0);
    }
}

static void
reap (struct keeper *k)
{
  int status;
  pid_t pid;

  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    {
      child_reaped (k->daemon, pid, status);
      child_reaped (k->writer, pid, status);
    }
}

static void
on_signal (struct watch *w, int fd, unsigned events, void *arg)
{
  struct keeper *k = arg;
  struct signalfd_siginfo si;

  while (read (fd, &si, sizeof (si)) == sizeof (si))
    switch (si.ssi_signo)
      {
      case SIGCHLD:
        reap (k);
        break;
      case SIGHUP:
        reload (k);
        break;
      default:
        if (!k->stopping)
          log_info ("stopping on signal %u", si.ssi_signo);
        k->stopping = true;
        notify ("STOPPING=1");
        child_stop (k->daemon, STOP_GRACE_MS);
        if (!child_pid (k->daemon))
          child_stop (k->writer, STOP_GRACE_MS);
        if (!child_pid (k->daemon) && !child_pid (k->writer))
          loop_stop (k->loop);
      }
}

static int
catch_signals (struct keeper *k, struct error *err)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, NULL);
  signal (SIGPIPE, SIG_IGN);
  k->signal_fd = signalfd (-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (k->signal_fd < 0)
    return error_errno (err, errno, "signalfd");
  return loop_watch (k->loop, "signals", k->signal_fd, LOOP_READ, on_signal, k,
                     &k->signals, err);
}

/* ---- start ---- */

/* Where the operator's programs, which run as the daemon does, get folders. */
static int
exec_folder (const struct keeper *k, const struct child_spec *daemon,
             struct error *err)
{
  char path[4096];

  snprintf (path, sizeof (path), "%s/" EXEC_PATH, k->run_path);
  return place_folder (path, 0700, daemon->uid, daemon->gid, daemon->drop,
                       err);
}

static int
start_children (struct keeper *k, struct error *err)
{
  struct child_spec daemon = {
    .name = "daemon",
    .silent_ms = CHILD_SILENT_MS,
    .prepare = prepare_daemon,
    .started = daemon_started,
    .on_frame = daemon_frame,
    .died = child_died,
    .arg = k,
  };
  struct child_spec writer = {
    .name = "writer",
    .silent_ms = 4 * CHILD_SILENT_MS,
    .prepare = prepare_writer,
    .died = child_died,
    .arg = k,
  };
  int r;

  r = children_identity (k->config, &daemon, &writer, err);
  /* Who runs as we do may ask us: a program that the daemon runs.  Not where
   * that is nobody, who is many. */
  if (r == 0 && writer.drop)
    r = place_control_give (k->run_path, writer.uid, err);
  if (r < 0)
    return r;
  /* Without it each line is written by itself. */
  k->log_room = memfd_create ("hangdog-log-room", MFD_CLOEXEC);
  r = place_folder (k->state_path, 0700, writer.uid, writer.gid, writer.drop,
                    err);
  if (r == 0)
    r = place_lock_state (k->state_path, &k->state_lock, err);
  if (r == 0)
    r = exec_folder (k, &daemon, err);
  if (r < 0)
    return r;
  snprintf (k->writer_path, sizeof (k->writer_path), "%s/hangdog-writer",
            k->libexec);
  daemon.program = k->daemon_path;
  writer.program = k->writer_path;
  r = child_new (k->loop, &writer, &k->writer, err);
  if (r == 0)
    r = child_new (k->loop, &daemon, &k->daemon, err);
  if (r == 0)
    r = child_start (k->writer, err);
  if (r == 0)
    r = child_start (k->daemon, err);
  return r;
}

static int
keeper_run (struct keeper *k, struct error *err)
{
  int r;

  r = loop_new (&k->loop, err);
  if (r == 0)
    r = keeper_open_new (k->loop, &k->opener, err);
  if (r == 0)
    r = load_config (k, err);
  if (r < 0)
    {
      k->exit_code = 2;
      return r;
    }
  r = place_folder (k->run_path, 0755, 0, 0, false, err);
  if (r == 0)
    r = place_lock_run (k->run_path, &k->lock, err);
  if (r == 0)
    r = place_control (k->run_path, k->config->group, &k->control, err);
  if (r == 0)
    r = catch_signals (k, err);
  if (r == 0)
    r = start_children (k, err);
  if (r == 0)
    r = loop_run (k->loop, err);
  return r;
}

static void
keeper_done (struct keeper *k)
{
  /* Ours, since we hold the lock. */
  if (k->control >= 0)
    {
      place_control_remove (k->run_path);
      close (k->control);
    }
  child_free (k->daemon);
  child_free (k->writer);
  ends_close (&k->for_daemon);
  ends_close (&k->for_writer);
  keeper_open_free (k->opener);
  watch_free (k->signals);
  loop_free (k->loop);
  config_unref (k->config);
  free (k->config_text);
}

static const char usage[]
    = "Usage: hangdog daemon [--config FILE] [--run DIR] [--state DIR] "
      "[--debug]\n"
      "\n"
      "Supervises all guests of this host until it is told to stop.\n"
      "  --config FILE  configuration (default " CONFIG_PATH ")\n"
      "  --run DIR      sockets and locks (default " RUN_PATH ")\n"
      "  --state DIR    spool and console logs (default " STATE_PATH ")\n"
      "  --check        read the configuration, say what is wrong, end\n"
      "  --json         say it as JSON, a line each, also on a terminal\n"
      "  --debug        say more\n"
      "SIGHUP reads the configuration again.\n";

/* told: "FILES:ERRORS:NOTES" of what who called us has looked at already. */
static int
check_config (struct keeper *k, bool json, const char *told)
{
  struct findings f = { .json = json };
  struct error err = ERROR_INIT;
  int r = keeper_open_new (NULL, &k->opener, &err);

  k->only_check = true;
  if (sscanf (told, "%u:%u:%u", &f.files, &f.errors, &f.notes) != 3)
    f.files = f.errors = f.notes = 0;
  f.files++;
  if (r == 0)
    r = load_config (k, &err);
  if (r < 0)
    finding_error (&f, k->config_path, &err);
  else if (!json && f.errors == 0)
    puts ("ok");
  if (r == 0 && !k->config_given && access (k->config_path, F_OK) < 0)
    finding_note (&f, k->config_path,
                  "it is not there: every guest is watched, none is asked");
  if (r == 0 && identity_check (k->config, &err) < 0)
    {
      error_wrap (&err, "this host would not take it");
      finding_note (&f, k->config_path, error_text (&err));
    }
  keeper_done (k);
  return findings_end (&f);
}

/* How it was started, beside what a keeper keeps. */
struct start
{
  bool debug, check, json;
  const char *told;
};

/* The exit code, or -1: go on. */
static int
parse_options (int argc, char **argv, struct keeper *k, struct start *ret)
{
  static const struct option options[] = {
    { "config", required_argument, NULL, 'c' },
    { "run", required_argument, NULL, 'r' },
    { "state", required_argument, NULL, 's' },
    { "libexec", required_argument, NULL, 'l' },
    { "debug", no_argument, NULL, 'd' },
    { "check", no_argument, NULL, 'k' },
    { "json", no_argument, NULL, 'j' },
    { "told", required_argument, NULL, 't' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
  };
  int c;

  while ((c = getopt_long (argc, argv, ":", options, NULL)) != -1)
    switch (c)
      {
      case 'c':
        k->config_path = optarg;
        k->config_given = true;
        break;
      case 'r':
        k->run_path = optarg;
        break;
      case 's':
        k->state_path = optarg;
        break;
      case 'l':
        k->libexec = optarg;
        break;
      case 'd':
        ret->debug = true;
        break;
      case 'k':
        ret->check = true;
        break;
      case 'j':
        ret->json = true;
        break;
      case 't':
        ret->told = optarg;
        break;
      case 'h':
        fputs (usage, stdout);
        return 0;
      default:
        fprintf (stderr, "hangdog daemon: %s \"%.100s\"; see `hangdog daemon "
                         "--help`\n",
                 c == ':' ? "a value is missing after" : "unknown option",
                 argv[optind - 1]);
        return 2;
      }
  if (optind < argc)
    {
      fprintf (stderr, "hangdog daemon: what is \"%.100s\" for? See `hangdog "
                       "daemon --help`\n", argv[optind]);
      return 2;
    }
  return -1;
}

int
main (int argc, char **argv)
{
  struct keeper k = {
    .config_path = CONFIG_PATH,
    .run_path = RUN_PATH,
    .state_path = STATE_PATH,
    .libexec = LIBEXECDIR,
    .for_daemon = ENDS_DAEMON,
    .for_writer = ENDS_WRITER,
    .control = -1,
    .lock = -1,
    .log_room = -1,
    .state_lock = -1,
  };
  struct start start = { .told = "" };
  struct error err = ERROR_INIT;
  const char *env = getenv ("HANGDOG_LIBEXEC");
  int r;

  io_open_standard ();
  if (env && env[0] == '/')
    k.libexec = env;
  r = parse_options (argc, argv, &k, &start);
  if (r >= 0)
    return r;
  umask (027);
  log_open ("keeper", start.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
            start.json || !isatty (STDERR_FILENO));
  if (start.debug)
    setenv ("HANGDOG_DEBUG", "1", 1);
  if (start.check)
    return check_config (&k, start.json, start.told);
  r = keeper_run (&k, &err);
  keeper_done (&k);
  if (r < 0)
    {
      fprintf (stderr, "hangdog: %s\n", error_text (&err));
      return k.exit_code ? k.exit_code : 1;
    }
  return 0;
}
