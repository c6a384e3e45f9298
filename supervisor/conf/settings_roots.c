/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders that a configuration gives leave for: what is opened lies below one
 * of them.
 */
#include "supervisor/conf/settings.h"

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
