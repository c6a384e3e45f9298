/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle grep: lines of all members that match.  The parser reads the
 * archive; the lines are matched here under the limits that guests' text gets.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/cli/bundle.h"
#include "supervisor/cli/progress.h"

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/regex.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64u << 10)

struct grep
{
  const struct bundle_grep *what;
  struct cli *cli;
  const char *file;
  bool prefix; /* several bundles: the name of each stands before its lines */
  struct regex *regex;
  char member[256];
  bool wanted, some;
  uint64_t line;
  unsigned hits, of_member, given_up;
  struct buf text;
};

static void
show (struct grep *g, const char *p, size_t len)
{
  CLEANUP_JSON struct json_object *o = NULL;
  CLEANUP_BUF struct buf out = BUF_INIT (LINE_MAX_BYTES * 4);

  if (g->cli->json)
    {
      o = json_object_new_object ();
      json_add_text (o, "bundle", g->file, strlen (g->file));
      json_add_text (o, "member", g->member, strlen (g->member));
      json_add_int (o, "line", (int64_t) g->line);
      json_add_text (o, "text", p, len);
      print_json (o);
      return;
    }
  if (g->prefix)
    {
      print_text (stdout, g->file);
      fputc (':', stdout);
    }
  print_text (stdout, g->member);
  printf (":%llu: ", (unsigned long long) g->line);
  text_escape (&out, p, len, TEXT_KEEP_TAB);
  puts (buf_str (&out));
}

static void
end_line (struct grep *g)
{
  const char *p = buf_str (&g->text);
  size_t len = g->text.len;
  int r;

  g->line++;
  if (len > 0 && p[len - 1] == '\r')
    len--;
  r = regex_match (g->regex, p, len, NULL);
  g->given_up += r < 0;
  if (r > 0)
    {
      g->hits++;
      g->of_member++;
      if (!g->what->names && !g->what->counts)
        show (g, p, len);
    }
  buf_clear (&g->text);
}

static void
take (struct grep *g, const char *p, size_t len)
{
  while (len > 0)
    {
      const char *nl = memchr (p, '\n', len);
      size_t n = nl ? (size_t) (nl - p) : len;

      /* Of a line that is longer, the beginning. */
      buf_append (&g->text, p, n);
      if (nl)
        end_line (g);
      p += n + (nl != NULL);
      len -= n + (nl != NULL);
    }
}

/* -l and -c: one line for a member. */
static void
sum_up (struct grep *g)
{
  CLEANUP_JSON struct json_object *o = NULL;

  if (g->of_member == 0 || (!g->what->names && !g->what->counts))
    return;
  if (g->cli->json)
    {
      o = json_object_new_object ();
      json_add_text (o, "bundle", g->file, strlen (g->file));
      json_add_text (o, "member", g->member, strlen (g->member));
      json_add_int (o, "count", g->of_member);
      print_json (o);
      return;
    }
  if (g->prefix)
    {
      print_text (stdout, g->file);
      fputc (':', stdout);
    }
  print_text (stdout, g->member);
  if (g->what->counts)
    printf (":%u", g->of_member);
  fputc ('\n', stdout);
}

static int
told (const char *op, struct frame *f, void *arg, struct error *err)
{
  struct grep *g = arg;
  const char *name = json_get_str (f->head, "name");

  (void) err;
  if (strcmp (op, "begin") == 0)
    {
      snprintf (g->member, sizeof (g->member), "%s", name ? name : "");
      g->some = true;
      g->wanted = !g->what->member || text_glob (g->what->member, g->member);
      g->line = 0;
      g->of_member = 0;
      buf_clear (&g->text);
    }
  else if (strcmp (op, "data") == 0 && g->wanted)
    take (g, f->body, f->body_len);
  else if (strcmp (op, "member") == 0 && g->wanted)
    {
      if (g->text.len)
        end_line (g);
      sum_up (g);
      g->wanted = false;
    }
  return 0;
}

int
bundle_grep (struct cli *cli, const struct bundle_grep *what,
             const char *file, bool prefix, unsigned *ret_hits,
             bool *ret_some, struct error *err)
{
  CLEANUP_BUF struct buf pattern = BUF_INIT (REGEX_MAX_PATTERN);
  CLEANUP_REGEX struct regex *regex = NULL;
  struct grep g = { .what = what, .cli = cli, .file = file,
                    .prefix = prefix };
  struct progress progress;
  const struct archive_far far = { progress_far, &progress };
  int r;

  if (what->nocase)
    buf_puts (&pattern, "(?i)");
  buf_puts (&pattern, what->pattern);
  if ((r = regex_new (buf_str (&pattern), &regex, err)) < 0)
    return r;
  g.regex = regex;
  g.text = (struct buf) BUF_INIT (LINE_MAX_BYTES);
  progress_late (&progress, file, cli->json || isatty (STDOUT_FILENO));
  r = archive_read (cli->libexec, file, "bundle-all", NULL, told, &g, &far,
                    err);
  progress_end (&progress, r >= 0, "");
  buf_done (&g.text);
  if (g.given_up)
    fprintf (stderr, "hangdog: %u lines took too long to look at\n",
             g.given_up);
  *ret_hits += g.hits;
  *ret_some = g.some;
  return r;
}
