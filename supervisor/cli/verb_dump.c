/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog dump: the daemon's own state, as it words it.
 */
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  bool json = *(bool *) arg;
  const char *p = body, *end = p + len;

  struct buf text CLEANUP_BUF = BUF_INIT (SIZE_MAX / 2);

  if (!json)
    {
      /* There are names in it. */
      text_escape (&text, body, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
      fputs (buf_str (&text), stdout);
    }
  for (size_t n; json && p < end; p += n + 1)
    {
      const char *newline = memchr (p, '\n', (size_t) (end - p));
      struct json_object *line = json_object_new_object ();

      n = (size_t) ((newline ? newline : end) - p);
      json_add_text (line, "line", p, n);
      print_json (line);
      json_object_put (line);
    }
  return 0;
}

static int
run (struct cli *cli)
{
  int r = cli_rest (cli, &verb_dump, 0);

  return r ? r
           : cli_ask (cli, false, client_request ("dump", NULL), on_row,
                      &cli->json);
}

const struct verb verb_dump = {
  .name = "dump",
  .args = "",
  .summary = "show the daemon's own state: jobs, timers, bounds, drops",
  .help = "For people who mend hangdog: the words may change with every "
          "version.  With --json\na line is a row.\n"
          "Exit codes: 0, 1 no daemon answers.\n"
          "\nExample:\n  hangdog dump | grep dropped\n",
  .run = run,
};
