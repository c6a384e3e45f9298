/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the redaction share.
 */
#ifndef HANGDOG_PROTO_REDACT_IMPL_H
#define HANGDOG_PROTO_REDACT_IMPL_H

#include "controller-proto/redact.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/embedded.h"
#include "base/json.h"
#include "base/regex.h"

extern const struct embedded_file redact_rules_shipped[];

enum redact_kind
{
  KIND_IPV4,
  KIND_IPV6,
  KIND_MAC,
  KIND_EMAIL,
  KIND_HOSTNAME,
  KIND_USER,
  KIND_UUID,
  KIND_SECRET,
  KIND_MAX,
};
extern const char *const redact_kinds[]; /* NULL terminated */

/* ---- rules ---- */

#define NEAR_MAX 16     /* literals of a rule */
#define NEAR_BYTES 32

/* An expression that is tried on lines in which one of its literals is. */
struct redact_pattern
{
  char name[32];
  enum redact_kind as;
  struct regex *regex;
  unsigned group;
  char until[32]; /* "" = it ends with its line */
};

/* One of them. */
struct redact_near
{
  char text[NEAR_BYTES]; /* lower case */
  unsigned char len, pattern;
  uint16_t next; /* 1 + index of one that may begin there, too; 0 = none */
};

/* Where one of a pass may begin: by the first two bytes. */
#define REDACT_FIRSTS 1024
struct redact_begins
{
  unsigned char bits[65536 / 8];
  uint16_t first[REDACT_FIRSTS]; /* by some of the bits: 1 + index */
};
static inline unsigned
redact_pair (unsigned char a, unsigned char b)
{
  return (unsigned) b << 8 | a;
}

struct redact_words
{
  char **words;
  size_t n;
};

struct redact_named
{
  char *word;
  enum redact_kind as;
};

struct redact_leave
{
  char *member, *reason;
};

#define PATTERNS_MAX 64
struct redact_rules
{
  char name[64];
  int64_t version;
  bool kinds[KIND_MAX];
  struct redact_words versions, domains, no_domains, keep;
  struct redact_pattern patterns[PATTERNS_MAX]; /* of both passes */
  bool learns[PATTERNS_MAX];
  unsigned npatterns;
  struct redact_leave *leave;
  size_t nleave;
  struct redact_named *named; /* that no text has to tell of */
  size_t nnamed;
  struct redact_near nears[PATTERNS_MAX * NEAR_MAX];
  unsigned nnears;
  struct redact_begins begins[2]; /* by enum redact_pass */
};
int redact_rules_add (struct redact_rules *rules, const char *text, size_t len,
                      const char *origin, struct error *err);
void redact_rules_done (struct redact_rules *rules);
/* word as it stands there, any case; a list with globs if `glob`. */
bool redact_listed (const struct redact_words *list, const char *word,
                    size_t len, bool glob);

/* ---- pseudonyms ---- */

#define FAKE_MAX 160
#define REDACT_ORDERS 2048 /* a power of two */

/* In which order the values of a byte come behind the bytes before it. */
struct redact_order
{
  unsigned char seed[24], seed_len;
  uint16_t n; /* 0 = none yet */
  unsigned char order[256];
};

/* What became of a word, behind what kind it is. */
#define REDACT_SUMS 256 /* a power of two */
struct redact_sum
{
  char text[72], hex[9];
  unsigned char len; /* 0 = none yet */
};

struct redact_faker
{
  struct digest_key key;
  /* What was made before: so many of them, or NULL, none is kept. */
  struct redact_order *orders;
  struct redact_sum *sums;
};

/* Each writes the pseudonym of a value to dst.  False: it stays. */
bool redact_fake_ipv4 (const struct redact_faker *f, const unsigned char ip[4],
                       char dst[FAKE_MAX]);
bool redact_fake_ipv6 (const struct redact_faker *f,
                       const unsigned char ip[16], char dst[FAKE_MAX]);
bool redact_fake_mac (const struct redact_faker *f, const unsigned char mac[6],
                      char sep, bool upper, char dst[FAKE_MAX]);
void redact_fake_word (const struct redact_faker *f, enum redact_kind kind,
                       const char *word, size_t len, char dst[FAKE_MAX]);
/* A host's name with dots: the first part as the word alone would be. */
void redact_fake_host (const struct redact_faker *f, const char *name,
                       size_t len, char dst[FAKE_MAX]);

/* ---- the machine ---- */

#define WORDS_MAX 1024
#define WORD_BYTES 64
#define WORD_SLOTS 4096 /* a power of two, above WORDS_MAX */
#define CACHE_SLOTS 2048 /* a power of two */

struct redact_word
{
  char text[WORD_BYTES]; /* lower case */
  enum redact_kind kind;
};

struct redact_cached
{
  unsigned char value[16], len;
  unsigned char kind, form;
  bool fake; /* else it stays */
  char text[48];
};

struct redactor
{
  struct redact_faker faker;
  char key_name[17];
  struct redact_rules rules;
  struct regex_scratch *scratch;
  enum redact_pass pass;

  struct redact_word words[WORDS_MAX];
  uint16_t slots[WORD_SLOTS]; /* 1 + index */
  unsigned nwords;
  uint64_t unlearnt; /* told of when there was no place left */
  struct redact_cached *cache;

  char line[REDACT_LINE], low[REDACT_LINE];
  size_t len;
  bool binary;
  const struct redact_pattern *inside; /* whose `until` has not come yet */
  unsigned inside_lines;
  uint64_t hits, counts[KIND_MAX];
  uint64_t secret_counts[PATTERNS_MAX], lines_given_up;
};

/* One line without its end, or a piece of one, in which no secret is. */
void redact_scan (struct redactor *r, const char *p, size_t len,
                  struct buf *out);
/* The index of a learned word + 1; 0 = it is none. */
unsigned redact_word_find (const struct redactor *r, const char *p,
                           size_t len);

#endif
