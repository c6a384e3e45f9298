/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the keeper's children run as.
 */
#include "supervisor/identity.h"
#include "supervisor/children.h"
#include "supervisor/settings.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

int
children_identity (const struct config *cfg, struct child_spec *daemon,
                   struct child_spec *writer, struct error *err)
{
  const char *want = cfg->user[0] ? cfg->user : "hangdog";
  struct passwd *pw;
  char *const *more = cfg->groups.items;
  struct group *gr;

  if (geteuid () != 0)
    return 0;
  errno = 0;
  pw = getpwnam (want);
  if (!pw && cfg->user[0])
    return error_set (err, EINVAL,
                      "user \"%s\" of the configuration does not exist: "
                      "adduser --system --group %s",
                      want, want);
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
      gr = getgrnam (more[i]);
      if (!gr)
        return error_set (err, EINVAL, "group \"%s\" does not exist", more[i]);
      if (daemon->ngroups < ARRAY_LEN (daemon->groups))
        daemon->groups[daemon->ngroups++] = gr->gr_gid;
    }
  return 0;
}
