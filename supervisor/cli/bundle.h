/* SPDX-License-Identifier: Apache-2.0
 *
 * What `hangdog bundle` does with a bundle besides reading it out.
 */
#ifndef HANGDOG_CLI_BUNDLE_H
#define HANGDOG_CLI_BUNDLE_H

#include "supervisor/cli/cli.h"

struct error;

struct bundle_redact
{
  const char *file, *to;   /* to NULL: only says what would be replaced */
  const char *key, *rules; /* files, or NULL */
  bool strict;
};
/* *ret_said: why it failed stands there already. */
int bundle_redact (struct cli *cli, const struct bundle_redact *what,
                   bool *ret_said, struct error *err);

/* What was seen of one, also of one that is damaged. */
struct bundle_seen
{
  unsigned members, bad;
  /* What lies beside it, does not, or cannot be read. */
  unsigned attached, elsewhere, unreadable;
};
/* Prints its members, and what lies beside it.  verify: compares them with the
 * manifest; the latter is looked for in dir, or where file is when NULL. */
int bundle_look (struct cli *cli, const char *file, const char *dir,
                 bool verify, struct bundle_seen *ret, struct error *err);

struct bundle_grep
{
  const char *pattern, *member; /* member: a glob, or NULL */
  bool nocase, names, counts;
};
/* Prints what matches; *ret_hits grows.  *ret_some: it had members that could
 * be read, also where it is damaged. */
int bundle_grep (struct cli *cli, const struct bundle_grep *what,
                 const char *file, bool prefix, unsigned *ret_hits,
                 bool *ret_some, struct error *err);

/* numbers: also facts that are numbers in both.  *ret_differ: they do. */
int bundle_diff (struct cli *cli, const char *a, const char *b, bool numbers,
                 bool *ret_differ, struct error *err);

#endif
