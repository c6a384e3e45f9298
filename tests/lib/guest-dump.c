/* SPDX-License-Identifier: Apache-2.0
 *
 * guest-dump rundir ROOT [EVE-ROOT] | libvirt URI
 *
 * Runs one source and prints what the registry hears, one JSON object per
 * line: {"change":"added","guest":{...}} and {"event":"RESET",...}.  "?" on
 * standard input prints the source's own line; its end ends the programme.
 */
#include "config.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/opener.h"
#include "guests/source.h"
#ifdef WITH_LIBVIRT
#include "guests/virt.h"
#endif

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const change_names[] = {
  [GUEST_ADDED] = "added",
  [GUEST_CHANGED] = "changed",
  [GUEST_REBOOTED] = "reincarnated",
  [GUEST_REPLACED] = "reincarnated",
  [GUEST_GONE] = "gone",
};

struct dump
{
  struct guest_source_env env;
  const struct guest_source_ops *ops;
  void *source;
};

static void
print (struct json_object *obj)
{
  puts (json_object_to_json_string_ext (obj, JSON_C_TO_STRING_PLAIN));
  fflush (stdout);
  json_object_put (obj);
}

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct json_object *obj = json_object_new_object ();

  json_add_str (obj, "change", change_names[change]);
  json_object_object_add (obj, "guest", guest_to_json (now ? now : was));
  print (obj);
}

static void
on_event (const struct guest *g, enum guest_event event, const char *detail,
          void *arg)
{
  struct json_object *obj = json_object_new_object ();

  json_add_str (obj, "event", guest_event_names[event]);
  json_add_str (obj, "uuid", g->inc.uuid);
  json_add_int (obj, "boot", g->inc.boot);
  if (detail)
    json_add_text (obj, "detail", detail, strlen (detail));
  print (obj);
}

static void
on_fact (const struct fact *f, void *arg)
{
  struct json_object *obj = json_object_new_object ();

  json_object_object_add (obj, "fact", fact_to_json (f));
  print (obj);
}

static void
on_stdin (struct watch *w, int fd, unsigned events, void *arg)
{
  struct dump *d = arg;
  struct buf line CLEANUP_BUF = BUF_INIT (4096);
  char c[64];

  if (read (fd, c, sizeof c) <= 0)
    {
      watch_free (w);
      loop_stop (d->env.loop);
      return;
    }
  d->ops->describe (d->source, &line);
  printf ("%s: %s", d->ops->healthy (d->source) ? "healthy" : "unwell",
          buf_str (&line));
  fflush (stdout);
}

static int
run (struct dump *d, int argc, char **argv, struct error *err)
{
  struct guest_source_config cfg = { .kind = argv[1], .console_mode = -1 };
  struct watch *in = NULL;
  struct fact_sub *sub = NULL;
  int r;

  d->ops = guest_source_find (argv[1]);
  if (!d->ops)
    return error_set (err, EINVAL, "no source '%s' in this build", argv[1]);
  cfg.root = cfg.uri = argv[2];
  cfg.eve = argc > 3 ? argv[3] : NULL;
  d->env.opener = opener_local ();
  if ((r = loop_new (&d->env.loop, err)) < 0
      || (r = job_pool_new (d->env.loop, NULL, &d->env.jobs, err)) < 0
      || (r = fact_bus_new (d->env.loop, 1024, &d->env.bus, err)) < 0
      || (r = registry_new (d->env.loop, d->env.bus, &d->env.registry, err)) < 0
      || (r = registry_listen (d->env.registry, on_guest, on_event, d, err)) < 0
      || (r = fact_subscribe (d->env.bus, "dump", "", on_fact, d, &sub, err))
             < 0)
    return r;
#ifdef WITH_LIBVIRT
  if (strcmp (argv[1], "libvirt") == 0
      && (r = virt_init (d->env.loop, err)) < 0)
    return r;
#endif
  r = d->ops->start (&d->env, &cfg, &d->source, err);
  if (r == 0)
    r = loop_watch (d->env.loop, "stdin", 0, LOOP_READ, on_stdin, d, &in, err);
  if (r == 0)
    r = loop_run (d->env.loop, err);
  d->ops->stop (d->source);
  job_pool_free (d->env.jobs, 1000);
#ifdef WITH_LIBVIRT
  virt_done ();
#endif
  fact_unsubscribe (sub);
  registry_free (d->env.registry);
  fact_bus_free (d->env.bus);
  loop_free (d->env.loop);
  return r;
}

int
main (int argc, char **argv)
{
  struct error err = ERROR_INIT;
  struct dump d = { .ops = NULL };

  if (argc < 3)
    {
      fputs ("guest-dump rundir ROOT [EVE-ROOT] | libvirt URI\n", stderr);
      return 2;
    }
  if (run (&d, argc, argv, &err) < 0)
    {
      fprintf (stderr, "guest-dump: %s\n", error_text (&err));
      return 1;
    }
  return 0;
}
