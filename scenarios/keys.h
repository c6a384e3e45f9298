/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that several kinds have, each described once: a kind lists the groups
 * that it wants in its table, as JSON_GROUP, and has their structs in its own.
 *
 *   struct own { char *console; struct scenario_command ask; };
 *
 *   static const struct json_field fields[] = {
 *     { .kind = JSON_GROUP, .sub = scenario_console_keys,
 *       .offset = offsetof (struct own, console) },
 *     { .kind = JSON_GROUP, .sub = scenario_command_keys,
 *       .offset = offsetof (struct own, ask) },
 *     { 0 },
 *   };
 *
 * What a table can't say of a group its scenario_check_...() does: to be
 * called by the kind's check.
 */
#ifndef HANGDOG_SCENARIOS_KEYS_H
#define HANGDOG_SCENARIOS_KEYS_H

#include "scenarios/scenario.h"

/* Where a document is being read. */
struct scenario_at
{
  const struct json_doc *doc;
  const char *path; /* of the scenario in it */
  struct error *err;
};
/* The error of a key (a path below the scenario's), or of the whole scenario
 * (""). */
int scenario_bad (const struct scenario_at *at, const char *key,
                  const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* Bytes of a regular expression in a document: fewer than base/regex.h has
 * room for, and part of the published schema. */
#define SCENARIO_REGEX_MAX 1024

/* ---- "expect": what the answer must be ---- */

struct scenario_expect
{
  int64_t status;   /* exit status, -1 = do not care (default 0) */
  char *output;     /* PCRE2 that must match, or NULL */
  char *not_output; /* PCRE2 that must not match, or NULL */
  struct json_list compare; /* of struct scenario_compare */
};

struct scenario_compare
{
  char *capture; /* named group of `output` */
  int op;        /* index into scenario_compare_ops */
  double value;
};
extern const char *const scenario_compare_ops[]; /* "<" "<=" ... */

/* Of a struct scenario_expect; an answer over the network has no status. */
extern const struct json_field scenario_answer_keys[];
/* What is in there but a status, for who has one of its own. */
extern const struct json_field scenario_answer_members[];
/* The same of what ends with a status. */
extern const struct json_field scenario_expect_keys[];
int scenario_check_expect (const struct scenario_at *at,
                           const struct scenario_expect *expect);

/* ---- "command" and "expect" ---- */

struct scenario_command
{
  char *command; /* one line */
  struct scenario_expect expect;
};
extern const struct json_field scenario_command_keys[];
/* why_line ends the sentence for a command that is not one line: "must be one
 * line without control characters; ...". */
int scenario_check_command (const struct scenario_at *at,
                            const struct scenario_command *command,
                            const char *why_line);

/* ---- "address": of a char * ---- */

/* "IP:PORT", or "guest:PORT" for the guest's own. */
extern const struct json_field scenario_address_keys[];
int scenario_check_address (const struct scenario_at *at, const char *address,
                            bool *ret_loopback);
/* What it means for this guest: it, or dst; NULL with ret filled (no verdict)
 * when the guest's own is not known. */
const char *scenario_address (const char *address, const struct guest *g,
                              char *dst, size_t n, struct outcome_report *ret);
/* For a kind's hints(). */
struct scenario_place
{
  const char *address, *netns;
  const char *send, *expect; /* or NULL */
};
void scenario_hint_address (const struct scenario *s, const struct guest *g,
                            const struct scenario_place *at,
                            struct json_object *all);

/* A command that it runs in the guest; NULL: none. */
void scenario_hint_command (const struct scenario *s, const char *command,
                            struct json_object *all);

/* The same without a port: "IP", or "guest", which is what NULL means.  four:
 * IPv4 only. */
extern const struct json_field scenario_host_keys[];
int scenario_check_host (const struct scenario_at *at, const char *address,
                         bool four);
const char *scenario_host (const char *address, bool four,
                           const struct guest *g, char *dst, size_t n,
                           struct outcome_report *ret);

/* ---- "netns": of a char *, NULL = the host's ---- */

/* The network namespace in which the guest is reached. */
extern const struct json_field scenario_netns_keys[];
int scenario_check_netns (const struct scenario_at *at, const char *netns);

/* ---- "samples-apart": of a uint64_t ---- */

/* Two looks that far from each other, which take looks_ms, fit into the
 * timeout. */
int scenario_check_samples (const struct scenario *s,
                            const struct scenario_at *at, uint64_t apart_ms,
                            uint64_t looks_ms);

/* ---- "console": of a char *, NULL = the guest's first ---- */

extern const struct json_field scenario_console_keys[];

/* ---- "ssh": how to log in ---- */

/* Secrets are names of files in a folder of the host's. */
struct scenario_ssh
{
  char *user;
  char *key, *password; /* one or both; NULL = none */
  int hosts;            /* enum scenario_hosts */
};
enum scenario_hosts
{
  HOSTS_STRICT,
  HOSTS_ACCEPT_NEW,
};
int scenario_check_ssh (const struct scenario_at *at,
                        const struct scenario_ssh *ssh);

/* ---- "mailbox": of a char *, NULL = the one that is found ---- */

extern const struct json_field scenario_mailbox_keys[];

/* ---- "console", "mailbox", "address" and "ssh": what the ways need that a
 * command may go by; each may be missing ---- */

struct scenario_ways
{
  char *console;
  char *mailbox;
  char *address;
  char *netns;
  struct scenario_ssh ssh; /* user NULL: it is missing */
};
extern const struct json_field scenario_ways_keys[];
/* For a kind's hints(). */
void scenario_hint_ways (const struct scenario *s, const struct guest *g,
                         const struct scenario_ways *ways,
                         struct json_object *all);

/* ---- "of": of a struct json_list of char *, other scenarios ---- */

/* With it the own struct of a kind that combines begins: then these are its
 * check() and its parts(). */
extern const struct json_field scenario_of_keys[];
int scenario_check_of (const struct scenario *s, const struct scenario_at *at);
size_t scenario_parts_of (const struct scenario *s, const char *const **ret);

#endif
