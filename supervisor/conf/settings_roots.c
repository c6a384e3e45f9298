/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration gives leave for: folders below which something is
 * opened, acts, programs.
 */
#include "supervisor/conf/settings_impl.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "transports/exec/exec.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void
parent_of (char *dst, size_t n, const char *path)
{
  char *slash;

  snprintf (dst, n, "%s", path);
  slash = strrchr (dst, '/');
  if (slash && slash != dst)
    *slash = '\0';
}

/* Files and folders: of a file it is the folder that is opened in. */
static void
paths_roots (const struct json_list *paths,
             void (*fn) (const char *root, void *arg), void *arg)
{
  char *const *path = paths->items;
  char dir[4096];

  for (size_t i = 0; i < paths->count; i++)
    {
      fn (path[i], arg);
      parent_of (dir, sizeof (dir), path[i]);
      fn (dir, arg);
    }
}

void
config_roots (const struct config *cfg, const char *config_path,
              void (*fn) (const char *root, void *arg), void *arg)
{
  const struct guest_source_config *src = cfg->sources.items;
  char dir[4096];

  fn ("/proc", arg);
  fn ("/dev/pts", arg);
  parent_of (dir, sizeof (dir), config_path);
  fn (dir, arg);
  paths_roots (&cfg->scenarios, fn, arg);
  paths_roots (&cfg->rules, fn, arg);
  paths_roots (&cfg->verdicts, fn, arg);
  paths_roots (&cfg->playbooks, fn, arg);
  paths_roots (&cfg->leases, fn, arg);
  for (size_t i = 0; i < cfg->roots.count; i++)
    fn (((char *const *) cfg->roots.items)[i], arg);
  for (size_t i = 0; i < cfg->sources.count; i++)
    {
      if (src[i].root)
        fn (src[i].root, arg);
      if (src[i].eve)
        fn (src[i].eve, arg);
    }
}

void
config_lease_places (const struct config *cfg,
                     void (*fn) (const char *path, void *arg), void *arg)
{
  const struct guest_source_config *src = cfg->sources.items;
  char path[4096];

  for (size_t i = 0; i < cfg->leases.count; i++)
    fn (((char *const *) cfg->leases.items)[i], arg);
  for (size_t i = 0; i < cfg->sources.count && !cfg->leases_named; i++)
    if (src[i].eve && src[i].eve[0])
      {
        snprintf (path, sizeof (path), "%s/./zedrouter/dnsmasq.leases",
                  src[i].eve);
        fn (path, arg);
      }
}

void
config_mailboxes (const struct config *cfg,
                  void (*fn) (const char *root, void *arg), void *arg)
{
  for (size_t i = 0; i < cfg->mailboxes.count; i++)
    fn (((char *const *) cfg->mailboxes.items)[i], arg);
}

/* ---- words that are bits ---- */

static unsigned
bits_of (const struct json_list *words)
{
  const int *list = words->items;
  unsigned bits = 0;

  for (size_t i = 0; i < words->count; i++)
    bits |= 1u << list[i];
  return bits;
}

unsigned
config_group_may (const struct config *cfg)
{
  return bits_of (&cfg->group_may);
}

unsigned
config_intrusive (const struct config *cfg)
{
  return bits_of (&cfg->intrusive);
}

/* ---- acts ---- */

const struct json_field config_notify_fields[] = {
  { "exec", JSON_ARRAY, offsetof (struct config_notify, exec),
    .required = true, .min = 1, .max = EXEC_MAX_ARGS,
    .elem_kind = JSON_STRING, .elem_size = sizeof (char *),
    .help = "a program's name in a folder of `exec`, and its arguments" },
  { "timeout", JSON_DURATION, offsetof (struct config_notify, timeout_ms),
    .min = 1000, .max = 10 * 60 * 1000,
    .help = "when it is over, the program is ended with all that it has "
            "started; default 30s" },
  { 0 },
};

static int
check_paths (const struct json_doc *doc, const char *key,
             const struct json_list *paths, struct error *err)
{
  char path[64];

  for (size_t i = 0; i < paths->count; i++)
    if (((char *const *) paths->items)[i][0] != '/')
      {
        snprintf (path, sizeof (path), "%s[%zu]", key, i);
        return json_error_at (doc, path, err, "it must be an absolute path");
      }
  return 0;
}

static int
check_all_paths (const struct json_doc *doc, const struct config *cfg,
                 struct error *err)
{
  const struct
  {
    const char *key;
    const struct json_list *paths;
  } all[] = {
    { "roots", &cfg->roots },         { "mailboxes", &cfg->mailboxes },
    { "scenarios", &cfg->scenarios }, { "rules", &cfg->rules },
    { "verdicts", &cfg->verdicts },   { "playbooks", &cfg->playbooks },
    { "leases", &cfg->leases },       { "exec", &cfg->exec },
  };
  int r = 0;

  for (size_t i = 0; r == 0 && i < ARRAY_LEN (all); i++)
    r = check_paths (doc, all[i].key, all[i].paths, err);
  return r;
}

int
config_check_leave (const struct json_doc *doc, const struct config *cfg,
                   struct error *err)
{
  char *const *exec = cfg->notify.exec.items;

  if (cfg->cores && cfg->cores[0] != '/')
    return json_error_at (doc, "cores", err, "it must be an absolute path");
  if (cfg->notify.exec.count && !text_is_name (exec[0]))
    return json_error_at (doc, "notify.exec[0]", err,
                          "is the name of a program in a folder of `exec`, "
                          "not a path");
  return check_all_paths (doc, cfg, err);
}
