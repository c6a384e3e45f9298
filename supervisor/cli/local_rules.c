/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration and the text rules of this host, as its daemon would take
 * them, for verbs that ask no daemon.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/opener.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_MS 15000

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

int
local_rules (const struct config *cfg, struct text_rules_read *ret,
             struct error *err)
{
  return text_rules_read (opener_local (), &cfg->rules, true,
                          clock_ms () + READ_MS, ret, err);
}

int
local_verdicts (const struct config *cfg, struct verdict_files *ret,
                struct error *err)
{
  return verdict_files_read (opener_local (), &cfg->verdicts,
                             clock_ms () + READ_MS, ret, err);
}

void
local_rules_faults (const struct text_rules_read *r)
{
  for (unsigned i = 0; i < r->nfaults && i < TEXT_FAULTS_MAX; i++)
    {
      fputs ("hangdog: not taken: ", stderr);
      print_text (stderr, error_text (&r->faults[i].err));
      fputc ('\n', stderr);
    }
  if (r->nfaults > TEXT_FAULTS_MAX)
    fprintf (stderr, "hangdog: and %u more files\n",
             r->nfaults - TEXT_FAULTS_MAX);
}
