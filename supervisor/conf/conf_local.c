/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the configuration with one's own rights.
 */
#include "supervisor/conf/conf_local.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int
read_config (const char *path, const struct config **ret, struct error *err)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  CLEANUP_FREE char *text = NULL;
  struct stat st;
  size_t n;
  int r;

  if (fd < 0)
    return error_errno (err, errno, "%s", path);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "%s is not a file", path);
  text = malloc (JSON_MAX_FILE);
  if (!text)
    return error_set (err, ENOMEM, "no memory");
  r = io_read (fd, text, JSON_MAX_FILE, &n);
  if (r < 0)
    return error_errno (err, -r, "%s", path);
  return config_read (text, n, path, ret, err);
}

int
local_config (const char *path, const struct config **ret, struct error *err)
{
  if (!path && access (CONFIG_PATH, F_OK) < 0)
    return config_read (NULL, 0, CONFIG_PATH, ret, err);
  if (read_config (path ? path : CONFIG_PATH, ret, err) == 0)
    return 0;
  return config_read (NULL, 0, CONFIG_PATH, ret, NULL) < 0 ? -ENOMEM : 1;
}
