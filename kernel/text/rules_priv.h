/* SPDX-License-Identifier: Apache-2.0
 *
 * Between rules.c, rules_load.c, rules_try.c and what is built in.
 */
#ifndef HANGDOG_KERNEL_TEXT_RULES_PRIV_H
#define HANGDOG_KERNEL_TEXT_RULES_PRIV_H

#include "base/embedded.h"
#include "base/json.h"
#include "base/regex.h"
#include "kernel/text/rules_impl.h"
#include "kernel/text/scan.h"

extern const struct embedded_file rules_builtin[];

/* A file as it was read: owns every text of its rules. */
struct rules_file
{
  struct rules_file *next;
  char *origin;
  int schema;
  struct json_list docs; /* of struct rule_doc, see rules_load.c */
  struct text_rule *rules;
  unsigned n;
  unsigned batch; /* counts from 1; ours are 0 */
};

struct rules_pool;

struct text_rules
{
  struct rules_file *files; /* the newest first; ours, in order, last */
  struct text_rule **order; /* as they are asked */
  unsigned n;
  unsigned batches;
  struct text_scan *scan;   /* ids are places in order */
  struct rules_pool *pool;
};

/* ---- rules_load.c ---- */

/* Reads and compiles a file; it is not part of r yet, which tells what names
 * are taken and how much room there is.  ret_doc may be NULL. */
int rules_file_load (const struct text_rules *r, const char *json, size_t len,
                     const char *origin, unsigned batch,
                     struct rules_file **ret, struct json_doc **ret_doc,
                     struct error *err);
void rules_file_free (struct rules_file *f);

/* ---- rules_try.c ---- */

/* The samples of one file of r, which was read from that document. */
int rules_file_try (struct text_rules *r, const struct rules_file *f,
                    const struct json_doc *doc, struct error *err);

/* ---- rules.c ---- */

bool rule_applies (const struct text_rule *rule, const struct text_msg *msg,
                   const struct stage *stage);
/* One rule alone, literals not asked.  1, 0, or -E2BIG when it was given up. */
int rule_try (const struct text_rule *rule, struct regex_scratch *s,
              const struct text_msg *msg, struct rule_match *ret);
/* For one thread at a time; NULL without memory. */
struct regex_scratch *rules_take (const struct text_rules *r);
void rules_give (const struct text_rules *r, struct regex_scratch *s);

/* ---- rules_match.c ---- */

struct template_piece
{
  const char *text; /* goes as it is; a doubled brace is one already */
  size_t ntext;
  const char *name; /* what stands in braces behind it; NULL = nothing */
  size_t nname;
};
/* 1 with the next piece of a template, 0 at its end, -EINVAL: a brace that
 * does not close, or nothing in it. */
int template_next (const char **at, struct template_piece *ret);

#endif
