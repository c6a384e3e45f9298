/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the keeper's children run as.
 */
#include "supervisor/keeper/identity.h"
#include "supervisor/conf/settings.h"
#include "supervisor/keeper/children.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

static int
find_user (const struct config *cfg, struct passwd **ret, struct error *err)
{
  const char *want = cfg->user[0] ? cfg->user : "hangdog";

  *ret = getpwnam (want);
  if (!*ret && cfg->user[0])
    return error_set (err, EINVAL,
                      "user \"%s\" of the configuration does not exist: "
                      "adduser --system --group %s",
                      want, want);
  return 0;
}

static int
find_group (const char *name, struct group **ret, struct error *err)
{
  *ret = getgrnam (name);
  if (!*ret)
    return error_set (err, EINVAL,
                      "group \"%s\" of the configuration does not exist: "
                      "addgroup --system %s",
                      name, name);
  return 0;
}

int
identity_check (const struct config *cfg, struct error *err)
{
  char *const *more = cfg->groups.items;
  struct passwd *pw;
  struct group *gr;
  int r = find_user (cfg, &pw, err);

  if (r == 0 && cfg->group[0])
    r = find_group (cfg->group, &gr, err);
  for (size_t i = 0; r == 0 && i < cfg->groups.count; i++)
    r = find_group (more[i], &gr, err);
  return r;
}

int
children_identity (const struct config *cfg, struct child_spec *daemon,
                   struct child_spec *writer, struct error *err)
{
  struct passwd *pw;
  char *const *more = cfg->groups.items;
  struct group *gr;
  int r;

  if (geteuid () != 0)
    return 0;
  r = find_user (cfg, &pw, err);
  if (r < 0)
    return r;
  if (pw)
    {
      writer->drop = true;
      writer->uid = pw->pw_uid;
      writer->gid = pw->pw_gid;
    }
  else
    pw = getpwnam ("nobody"); /* it needs no file of its own */
  if (!pw)
    return error_set (err, EINVAL,
                      "there is neither a user hangdog nor nobody");
  daemon->drop = true;
  daemon->uid = pw->pw_uid;
  daemon->gid = pw->pw_gid;
  gr = getgrnam ("libvirt");
  if (gr)
    daemon->groups[daemon->ngroups++] = gr->gr_gid;
  for (size_t i = 0; i < cfg->groups.count; i++)
    {
      r = find_group (more[i], &gr, err);
      if (r < 0)
        return r;
      if (daemon->ngroups < ARRAY_LEN (daemon->groups))
        daemon->groups[daemon->ngroups++] = gr->gr_gid;
    }
  return 0;
}
