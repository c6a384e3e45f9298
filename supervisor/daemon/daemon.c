/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-daemon: makes the parts, joins them, runs the loop.
 *
 * Exec'd by the keeper without rights, with these descriptors:
 *   3  channel to the keeper      4  channel to the writer
 *   5  log pipe to the writer     6  listening control socket
 */
#include "supervisor/beats/eyes.h"
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/daemon/watchdog.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/links/keeper_link.h"
#include "supervisor/links/writer_link.h"
#include "supervisor/text/text.h"
#include "supervisor/text/typing.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/boots.h"
#include "supervisor/watch/hostclock.h"
#include "supervisor/watch/layers.h"
#include "supervisor/watch/pauses.h"
#include "supervisor/watch/reach.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "config.h"
#include "guests/addresses.h"
#include "guests/virt_rooms.h"
#include "transports/agent/agent.h"
#include "transports/acpi/ports.h"
#include "transports/console/hub.h"
#include "transports/disk/disk.h"
#include "transports/net/http.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FD_KEEPER 3
#define FD_WRITER 4
#define FD_PIPE 5
#define FD_CONTROL 6
#define STUCK_MS 1200
#define CONFIG_WAIT_MS 10000
#define JOBS_WAIT_MS 1500
#define FACTS_QUEUED 4096
#define FACTS_PER_GUEST 128
#define LOG_KEPT (64u << 10) /* bytes of its last lines, for bundles */

/* ---- joining the rooms ---- */

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct daemon *d = arg;
  const struct guest *g = now ? now : was;

  if (change == GUEST_REBOOTED)
    log_guest (LOG_LEVEL_INFO, g->inc.uuid,
               "guest=\"%s\" %s: %s, boot %u, by %s", g->display,
               guest_change_names[change], guest_run_names[g->run], g->inc.boot,
               boot_by_names[g->boot_by]);
  else if (change != GUEST_CHANGED)
    log_guest (LOG_LEVEL_INFO, g->inc.uuid, "guest=\"%s\" %s: %s", g->display,
               guest_change_names[change], guest_run_names[g->run]);
  hub_guest (d->hub, change, was, now);
  boots_guest (d->boots, change, was, now);
  if (d->drain_only)
    return;
  texts_guest (d->texts, change, was, now);
  eyes_guest (d->eyes, change, was, now);
  acpi_ports_guest (d->ports, change, was, now);
  addresses_guest (d->addresses, change, was, now);
  reach_guest (d->reach, change, was, now);
  bindings_guest (d->bindings, change, was, now);
  incidents_guest (d->incidents, change, was, now);
  if (change == GUEST_GONE)
    fact_forget (d->facts, was->inc.uuid);
}

static void
on_guest_event (const struct guest *g, enum guest_event event,
                const char *detail, void *arg)
{
  struct daemon *d = arg;

  log_guest (LOG_LEVEL_INFO, g->inc.uuid, "guest=\"%s\" event %s %s",
             g->display, guest_event_names[event], detail ? detail : "");
  if (d->drain_only)
    return;
  reach_event (d->reach, g, event);
  incidents_event (d->incidents, g, event, detail);
}

/* ---- sources ---- */

static void
start_source (struct daemon *d, const struct guest_source_config *cfg)
{
  struct guest_source_env env = {
    .loop = d->loop,
    .jobs = d->jobs,
    .opener = keeper_link_opener (d->keeper),
    .registry = d->registry,
    .bus = d->bus,
  };
  struct running_source *s;
  struct error err = ERROR_INIT;

  if (d->nsources >= DAEMON_MAX_SOURCES)
    return;
  s = &d->sources[d->nsources++];
  s->ops = guest_source_find (cfg->kind);
  snprintf (s->what, sizeof (s->what), "%s %s", cfg->kind,
            cfg->uri    ? cfg->uri
            : cfg->root ? cfg->root
                        : "");
  if (!s->ops || s->ops->start (&env, cfg, &s->self, &err) < 0)
    {
      s->self = NULL;
      snprintf (s->failed, sizeof (s->failed), "%.199s",
                s->ops ? error_text (&err) : "not in this build");
      log_error ("source %s does not start: %s", s->what, s->failed);
    }
}

static void
stop_sources (struct daemon *d)
{
  for (unsigned i = 0; i < d->nsources; i++)
    if (d->sources[i].self)
      d->sources[i].ops->stop (d->sources[i].self);
  d->nsources = 0;
}

static void
start_sources (struct daemon *d)
{
  const struct guest_source_config *src = d->config->sources.items;

  for (size_t i = 0; i < d->config->sources.count; i++)
    start_source (d, &src[i]);
  if (d->config->sources.count == 0)
    log_warn ("no source of guests: neither libvirt nor a run directory is "
              "on this host, and the configuration names none");
}

/* ---- the keeper's orders ---- */

static void
apply_jobs (struct daemon *d, const struct config *was)
{
  unsigned most = (unsigned) d->config->limits.max_threads;

  (void) was;
  job_pool_limit (d->jobs, most, most / 2);
}

static void
apply_consoles (struct daemon *d, const struct config *was)
{
  const struct config_limits *l = &d->config->limits;

  (void) was;
  hub_limit (d->hub, (unsigned) l->sweep_ms, l->ring_total);
}

static void
apply_texts (struct daemon *d, const struct config *was)
{
  (void) was;
  texts_limit (d->texts, (unsigned) d->config->limits.text_threads);
}

static void
apply_incidents (struct daemon *d, const struct config *was)
{
  (void) was;
  incidents_limit (d->incidents, (unsigned) d->config->limits.max_diagnoses);
  incidents_repeat (d->incidents, d->config->repeat_ms);
}

static void
apply_eyes (struct daemon *d, const struct config *was)
{
  (void) was;
  eyes_interval (d->eyes, d->config->heartbeat_ms);
}

static void
apply_leases (struct daemon *d, const struct config *was)
{
  (void) was;
  addresses_no_leases (d->addresses);
  config_lease_places (d->config, addresses_leases, d->addresses);
}

/* Those that did not change go on. */
static void
apply_sources (struct daemon *d, const struct config *was)
{
  CLEANUP_JSON struct json_object *before = config_to_json (was);
  CLEANUP_JSON struct json_object *now = config_to_json (d->config);

  if (json_object_equal (json_get (before, "sources"),
                         json_get (now, "sources")))
    return;
  stop_sources (d);
  start_sources (d);
}

static void
apply_documents (struct daemon *d, const struct config *was)
{
  (void) was;
  daemon_load (d);
}

/* Whoever is made by a part of the configuration, with another one from now
 * on, in this order. */
static void (*const appliers[]) (struct daemon *d, const struct config *was)
    = { apply_jobs, apply_consoles, apply_texts,   apply_incidents,
        apply_eyes, apply_leases,   apply_sources, apply_documents };

/* The keeper has checked the document. */
static void
reload (const char *text, size_t len, void *arg)
{
  struct daemon *d = arg;
  const struct config *fresh, *was = d->config;
  struct error err = ERROR_INIT;

  if (config_read (text, len, d->config_path, &fresh, &err) < 0)
    {
      log_error ("the configuration is not taken: %s", error_text (&err));
      return;
    }
  d->config = fresh;
  memcpy (d->diagnosis.config_sha256, fresh->sha256, DIGEST_HEX);
  for (unsigned i = 0; i < ARRAY_LEN (appliers); i++)
    appliers[i](d, was);
  config_unref (was);
}

static void
new_peer (int channel, int pipe, void *arg)
{
  struct daemon *d = arg;

  writer_link_connect (d->writer, channel, pipe);
}

static void
keeper_gone (void *arg)
{
  struct daemon *d = arg;

  log_error ("the keeper is gone: ending");
  loop_stop (d->loop);
}

static const struct keeper_link_ops keeper_ops = {
  .reload = reload,
  .peer = new_peer,
  .gone = keeper_gone,
};

static void
on_signal (struct watch *w, int fd, unsigned events, void *arg)
{
  struct daemon *d = arg;
  struct signalfd_siginfo si;

  while (read (fd, &si, sizeof (si)) == sizeof (si))
    loop_stop (d->loop);
}

/* ---- making and unmaking ---- */

/* The configuration comes first, before anything is made of it. */
static int
take_config (struct daemon *d, struct error *err)
{
  CLEANUP_FRAME struct frame f = { 0 };
  const char *path, *libexec, *state, *run, *slash;
  int r;

  r = frame_read (FD_KEEPER, &f, clock_ms () + CONFIG_WAIT_MS, err);
  if (r < 0)
    return error_wrap (err, "waiting for the configuration");
  path = json_get_str (f.head, "path");
  libexec = json_get_str (f.head, "libexec");
  state = json_get_str (f.head, "state");
  run = json_get_str (f.head, "run");
  snprintf (d->config_path, sizeof (d->config_path), "%s",
            path ? path : "config");
  snprintf (d->libexec, sizeof (d->libexec), "%s", libexec ? libexec : "");
  snprintf (d->state, sizeof (d->state), "%s", state ? state : "");
  snprintf (d->run, sizeof (d->run), "%s", run ? run : "");
  if (d->run[0])
    snprintf (d->exec_left, sizeof (d->exec_left), "%s/" EXEC_PATH, d->run);
  slash = strrchr (d->config_path, '/');
  snprintf (d->ssh_dir, sizeof (d->ssh_dir), "%.*sssh",
            slash ? (int) (slash + 1 - d->config_path) : 0, d->config_path);
  snprintf (d->http_dir, sizeof (d->http_dir), "%.*shttp",
            slash ? (int) (slash + 1 - d->config_path) : 0, d->config_path);
  return config_read (f.body, f.body_len, d->config_path, &d->config, err);
}

static int
make_floor (struct daemon *d, struct error *err)
{
  struct job_limits limits = {
    .max_threads = (unsigned) d->config->limits.max_threads,
    .max_discarded = (unsigned) d->config->limits.max_threads / 2,
    .grace_ms = 500,
    .stack_bytes = 256 << 10,
  };
  int r;

  r = job_pool_new (d->loop, &limits, &d->jobs, err);
  if (r == 0)
    r = fact_bus_new (d->loop, FACTS_QUEUED, &d->bus, err);
  if (r == 0)
    r = fact_table_new (d->bus, FACTS_PER_GUEST, &d->facts, err);
  if (r == 0)
    r = keeper_link_new (d->loop, FD_KEEPER, &keeper_ops, d, &d->keeper, err);
  if (r == 0)
    r = writer_link_new (d->loop, &daemon_writer, d, &d->writer, err);
  if (r == 0)
    r = registry_new (d->loop, d->bus, &d->registry, err);
  if (r == 0)
    r = virt_init (d->loop, err);
  return r;
}

static void
own_text (void *arg, const char *uuid, char key, uint64_t until_ms)
{
  struct daemon *d = arg;

  texts_ours (d->texts, uuid, key, until_ms);
  /* What is printed by one of these is a line. */
  if (key != 'h' && (key < '0' || key > '9'))
    eyes_ours (d->eyes, uuid, until_ms);
}

static enum typing
may_type (void *arg, const char *uuid, const char *console, char *what,
          size_t n)
{
  struct texts_stand stand;

  return texts_stand (((struct daemon *) arg)->texts, uuid, console, &stand)
             ? typing_at (&stand, clock_ms (), what, n)
             : TYPING_FREE;
}

static int
kernel_prints (void *arg, const char *uuid, const char *console)
{
  struct texts_stand stand;

  return texts_stand (((struct daemon *) arg)->texts, uuid, console, &stand)
             ? typing_kernel_prints (&stand)
             : -1;
}

static void
on_text_boot (const char *uuid, void *arg)
{
  boots_text (((struct daemon *) arg)->boots, uuid);
}

static void
on_text_replay (const char *uuid, void *arg)
{
  boots_replay (((struct daemon *) arg)->boots, uuid);
}

static void
on_memory_anew (const struct incarnation *inc, void *arg)
{
  boots_memory (((struct daemon *) arg)->boots, inc);
}

static const struct texts_ops text_ops = {
  .boot = on_text_boot,
  .replay = on_text_replay,
};

/* A daemon that died of something drains only: text is among what it may have
 * died of. */
static int
make_texts (struct daemon *d, struct error *err)
{
  struct text_rules *rules;
  int r;

  if (d->drain_only)
    return 0;
  r = text_rules_new (&rules, err);
  if (r < 0)
    return r;
  r = texts_new (d->loop, d->hub, d->bus, rules,
                 (unsigned) d->config->limits.text_threads, &text_ops, d,
                 &d->texts, err);
  if (r < 0)
    text_rules_free (rules);
  return r;
}

static int
make_eyes (struct daemon *d, struct error *err)
{
  const struct eyes_env env = {
    .loop = d->loop,
    .jobs = d->jobs,
    .bus = d->bus,
    .registry = d->registry,
    .transports = &d->env,
    .interval_ms = d->config->heartbeat_ms,
    .anew = on_memory_anew,
    .arg = d,
  };

  return d->drain_only ? 0 : eyes_new (&env, &d->eyes, err);
}

static int
make_rooms (struct daemon *d, struct error *err)
{
  struct hub_limits limits = {
    .sweep_ms = (unsigned) d->config->limits.sweep_ms,
    .ring_total = d->config->limits.ring_total,
    .reconnect_min_ms = 200,
    .reconnect_max_ms = 10000,
    .give_way_ms = 10 * 60 * 1000,
  };
  int r;

  r = boots_new (d->loop, d->registry, &d->boots, err);
  if (r >= 0)
    r = agents_new (&d->agents, err);
  if (r < 0)
    return r;
  r = hub_new (d->loop, d->jobs, keeper_link_opener (d->keeper), d->bus,
               &limits, writer_link_consoles (d->writer), &d->hub, err);
  if (r < 0)
    return r;
  d->first_config = config_ref (d->config);
  for (size_t i = 0; i < d->config->exec.count
                     && i < ARRAY_LEN (d->exec_dirs) - 1; i++)
    d->exec_dirs[i] = ((char *const *) d->config->exec.items)[i];
  r = http_pool_new (d->libexec, &d->http, err);
  if (r < 0)
    return r;
  d->env = (struct transport_env){
    .opener = keeper_link_opener (d->keeper),
    .hub = d->hub,
    .bus = d->bus,
    .own_text = own_text,
    .own_text_arg = d,
    .may_type = may_type,
    .may_type_arg = d,
    .kernel_prints = kernel_prints,
    .kernel_prints_arg = d,
    .libexec = d->libexec,
    .ssh_dir = d->ssh_dir,
    .exec_dirs = d->exec_dirs,
    .agents = d->agents,
    .http_dir = d->http_dir,
    .http = d->http,
    .intrusive = config_intrusive (d->config),
    .core_dir = d->config->cores,
    .exec_left = d->exec_left[0] ? d->exec_left : NULL,
    .run_dir = d->run[0] ? d->run : NULL,
  };
  r = disk_new (&d->env.disk, err);
  if (r < 0)
    return r;
  r = make_texts (d, err);
  if (r == 0)
    r = watchdog_start (d->loop, d->hub, STUCK_MS, &d->watchdog, err);
  if (r == 0)
    r = make_eyes (d, err);
  if (r == 0)
    r = daemon_ways (d, err);
  if (r == 0)
    r = daemon_judges (d, err);
  if (r == 0)
    r = control_new (d, &d->control, err);
  if (r == 0)
    r = control_listen (d->control, FD_CONTROL, &control_local, err);
  if (r == 0)
    r = registry_listen (d->registry, on_guest, on_guest_event, d, err);
  if (r == 0)
    r = bindings_listen (d->bindings, incidents_outcome, d->incidents, err);
  if (r == 0)
    r = bindings_listen (d->bindings, control_outcome, d, err);
  if (r == 0)
    r = bindings_listen (d->bindings, daemon_outcome, d, err);
  return r;
}

/* In the order in which nobody is left calling what is gone. */
static void
unmake (struct daemon *d)
{
  control_free (d->control);
  stop_sources (d);
  if (job_pool_free (d->jobs, JOBS_WAIT_MS) > 0)
    {
      /* They are stuck in what they asked, and use the rest when they come
       * out of it: nothing is freed under them. */
      writer_link_flush (d->writer);
      _exit (0);
    }
  writer_link_disconnect (d->writer);
  incidents_free (d->incidents);
  verdict_rules_unref (d->diagnosis.rules);
  layers_free (d->layers);
  playbook_set_unref (d->playbooks);
  bindings_free (d->bindings);
  hostclock_free (d->host);
  pauses_free (d->pauses);
  watchdog_stop (d->watchdog);
  acpi_ports_free (d->ports);
  reach_free (d->reach);
  addresses_free (d->addresses);
  eyes_free (d->eyes);
  texts_free (d->texts);
  hub_free (d->hub);
  agents_free (d->agents);
  boots_free (d->boots);
  registry_free (d->registry);
  fact_table_free (d->facts);
  fact_bus_free (d->bus);
  writer_link_free (d->writer);
  keeper_link_free (d->keeper);
  disk_free (d->env.disk);
  http_pool_free (d->http);
  virt_done ();
  loop_free (d->loop);
  config_unref (d->first_config);
  config_unref (d->config);
}

static int
signals (struct daemon *d, struct error *err)
{
  struct watch *w;
  sigset_t set;
  int fd;

  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGHUP, SIG_IGN);
  fd = signalfd (-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "signalfd");
  return loop_watch (d->loop, "signals", fd, LOOP_READ, on_signal, d, &w,
                     err);
}

/* A thread's arena is private dirty memory: a few for all will do. */
static void
bound_memory (void)
{
  struct rlimit files;

  mallopt (M_ARENA_MAX, 2);
  mallopt (M_TRIM_THRESHOLD, 256 << 10);
  if (getrlimit (RLIMIT_NOFILE, &files) == 0)
    {
      files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
      setrlimit (RLIMIT_NOFILE, &files);
    }
}

static int
daemon_run (struct daemon *d, struct error *err)
{
  int r;

  for (int fd = FD_KEEPER; fd <= FD_CONTROL; fd++)
    if (fcntl (fd, F_SETFD, FD_CLOEXEC) < 0)
      return error_set (err, EINVAL,
                        "this is started by hangdog-keeper; you want "
                        "`hangdog daemon`");
  r = loop_new (&d->loop, err);
  if (r == 0)
    r = take_config (d, err);
  if (r == 0)
    r = signals (d, err);
  if (r == 0)
    r = make_floor (d, err);
  if (r == 0)
    r = make_rooms (d, err);
  if (r < 0)
    return r;
  d->started_ms = loop_now (d->loop);
  writer_link_connect (d->writer, FD_WRITER, FD_PIPE);
  start_sources (d);
  daemon_load (d);
  keeper_link_ready (d->keeper);
  log_info ("version %s%s", PACKAGE_VERSION,
            d->drain_only ? ", draining only" : "");
  return loop_run (d->loop, err);
}

int
daemon_main (int argc, char **argv)
{
  struct daemon *d = calloc (1, sizeof (*d));
  struct error err = ERROR_INIT;
  int r;

  if (!d)
    return 1;
  bound_memory ();
  log_open ("daemon",
            getenv ("HANGDOG_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
            !isatty (STDERR_FILENO));
  log_keep (LOG_KEPT);
  d->drain_only = argc > 1 && strcmp (argv[1], "--drain-only") == 0;
  r = daemon_run (d, &err);
  if (r < 0)
    log_error ("%s", error_text (&err));
  unmake (d);
  free (d);
  return r < 0 ? 1 : 0;
}
