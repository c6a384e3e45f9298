/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical text of a scenario tells any two documents apart that mean
 * something else: a reload goes by it.  Each key of full documents of each
 * kind is changed, one at a time, as its field in the table allows.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "scenarios/scenario_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/base/json-round.h"

#define MAX_PATHS 128

/* A schedule in which nothing is the default. */
#define COMMON                                                                \
  "\"schema\":\"hangdog/scenario/1\",\"name\":\"n\",\"description\":\"d\","   \
  "\"select\":{\"name\":\"a*\",\"uuid\":\"0*\",\"display-name\":\"b\","       \
  "\"labels\":{\"k\":\"v\"}},\"interval\":\"61s\",\"timeout\":\"11s\","       \
  "\"jitter\":\"7s\",\"initial-delay\":\"3s\",\"retry-interval\":\"4s\","     \
  "\"failure-threshold\":3,\"success-threshold\":4,"         \
  "\"flap-damping\":false,\"quiet-hours\":["                                 \
  "{\"from\":\"22:00\",\"to\":\"06:00\",\"days\":\"sat\"}],"                  \
  "\"severity\":\"warning\",\"alert\":false,\"playbook\":\"quick\","     \
  "\"behind\":{\"unit\":\"u\",\"container\":\"c\",\"process\":\"p\","     \
  "\"port\":8080},"
#define ANSWER                                                                \
  "\"output\":\"(?<l>[0-9]+) (?<m>[0-9]+)\",\"not-output\":\"x\","            \
  "\"compare\":[{\"capture\":\"l\",\"op\":\"<\",\"value\":4.5},"              \
  "{\"capture\":\"l\",\"op\":\">\",\"value\":1}]"

static const struct full
{
  const char *kind, *text;
} full[] = {
  { "all", COMMON "\"of\":[\"a\",\"b\"]" },
  { "any", COMMON "\"of\":[\"a\",\"b\",\"c\"],\"at-least\":2" },
  { "acpi-heartbeat",
    COMMON "\"transports\":[\"acpi\"],\"every\":\"10s\",\"missed\":4" },
  { "console-command",
    COMMON "\"transports\":[\"console\"],\"console\":\"serial0\","
           "\"command\":\"c\",\"expect\":{\"status\":3," ANSWER "}" },
  { "boot-stage",
    COMMON "\"transports\":[\"console\"],\"stage\":\"shell\",\"within\":\"10m\"" },
  { "console-flood",
    COMMON "\"transports\":[\"console\"],\"rate\":100,\"window\":\"50s\"" },
  { "console-heartbeat",
    COMMON "\"transports\":[\"console\"],\"label\":\"l\",\"console\":"
           "\"serial0\",\"every\":\"10s\",\"missed\":3,\"first\":"
           "\"10m\"" },
  { "console-heartbeat",
    COMMON "\"transports\":[\"console\"],\"pattern\":\"(?<n>.)(?<o>.)\","
           "\"counter\":\"n\",\"every\":\"10s\"" },
  { "console-pattern",
    COMMON "\"transports\":[\"console\"],\"must-match\":\"m\","
           "\"within\":\"10m\",\"must-not-match\":\"n\",\"clear\":"
           "\"11m\",\"console\":\"serial0\"" },
  { "console-silence",
    COMMON "\"transports\":[\"console\"],\"silence\":\"10m\"" },
  { "console-command",
    COMMON "\"transports\":[\"console\",\"disk\"],\"console\":\"serial0\","
           "\"mailbox\":\"vdb\",\"command\":\"c\"" },
  { "disk-mailbox",
    COMMON "\"transports\":[\"disk\"],\"mailbox\":\"vdb\",\"every\":\"5s\","
           "\"missed\":3,\"limits\":[{\"figure\":\"load1\",\"op\":\"<\","
           "\"value\":3}],\"command\":\"c\",\"expect\":{\"status\":3,"
           ANSWER "}" },
  { "disk-mailbox",
    COMMON "\"transports\":[\"disk\"],\"limits\":[{\"figure\":\"load1\","
           "\"op\":\"<\",\"value\":3}]" },
  { "dialogue",
    COMMON "\"transports\":[\"console\"],\"console\":\"serial0\",\"steps\":["
           "{\"name\":\"a\",\"send\":\"\\\\x01\\r\\\\e[A\",\"expect\":[\"x\","
           "\"y\"],\"timeout\":\"1500ms\",\"go-to\":\"c\",\"else\":\"b\"},"
           "{\"name\":\"b\",\"expect\":[\"z\"],\"fail\":\"f\"},"
           "{\"name\":\"c\",\"send\":\"q\",\"go-to\":\"end\"},"
           "{\"name\":\"d\",\"expect\":[\"z\"]}]" },
  { "exec",
    COMMON "\"transports\":[\"exec\"],\"program\":\"p\",\"args\":[\"a\",\"b\"],"
           "\"expect\":{\"status\":3," ANSWER "}" },
  { "monitor",
    COMMON "\"transports\":[\"monitor\"],\"run-state\":false,\"block\":false,"
           "\"vcpus\":true,\"vcpus-stuck\":true,\"balloon-age\":\"60s\","
           "\"samples-apart\":\"2s\"" },
  { "sequence", COMMON "\"of\":[\"a\",\"b\"]" },
  { "memory-heartbeat",
    COMMON "\"transports\":[\"memory\"],\"vcpus\":false,\"ticks\":false,"
           "\"scheduler\":false,\"stands\":\"45s\",\"load\":4.5,"
           "\"blocked\":3,\"for\":\"2m\"" },
  { "memory-tasks",
    COMMON "\"transports\":[\"memory\"],\"blocked-for\":\"45s\","
           "\"disks\":false,\"filesystems\":false,"
           "\"samples-apart\":\"2s\"" },
  { "tcp",
    COMMON "\"transports\":[\"tcp\"],\"address\":\"192.0.2.1:22\","
           "\"netns\":\"blue\","
           "\"send\":\"hi\\\\x07\",\"expect\":{" ANSWER "}" },
  { "icmp",
    COMMON "\"transports\":[\"icmp\"],\"address\":\"192.0.2.1\","
           "\"netns\":\"blue\",\"count\":4,\"spacing\":\"300ms\","
           "\"bytes\":64,\"max-loss\":40,\"max-rtt\":\"1s\"" },
  { "arp",
    COMMON "\"transports\":[\"arp\"],\"address\":\"192.0.2.1\","
           "\"netns\":\"blue\",\"interface\":\"br0\"" },
  { "dns",
    COMMON "\"transports\":[\"dns\"],\"address\":\"192.0.2.1:53\","
           "\"netns\":\"blue\",\"query\":\"app.lan\",\"type\":\"SRV\","
           "\"expect\":{\"rcode\":\"nxdomain\"," ANSWER "}" },
#ifdef WITH_CURL
  { "http",
    COMMON "\"transports\":[\"http\"],\"url\":\"https://192.0.2.1/a\","
           "\"address\":\"192.0.2.2:443\",\"netns\":\"blue\","
           "\"method\":\"POST\",\"body\":\"b\",\"headers\":[\"A: b\"],"
           "\"redirects\":2,\"tls\":{\"ca\":\"c\",\"server-name\":"
           "\"n\",\"warn-before\":\"9h\",\"fail-before\":\"8h\"},"
           "\"auth\":{\"bearer\":\"t\"},\"expect\":{\"status\":"
           "[\"404\"],\"headers\":[\"^a\"]," ANSWER "}" },
  { "http",
    COMMON "\"url\":\"https://192.0.2.1/a\",\"method\":\"HEAD\","
           "\"tls\":{\"verify\":false}" },
  { "http",
    COMMON "\"url\":\"https://192.0.2.1/a\",\"auth\":{\"user\":\"u\","
           "\"password\":\"p\"}" },
#endif
  { "agent-exec",
    COMMON "\"transports\":[\"agent\"],\"program\":\"/bin/p\","
           "\"args\":[\"a\",\"b\"],\"expect\":{\"status\":3," ANSWER "}" },
  { "agent-file",
    COMMON "\"transports\":[\"agent\"],\"path\":\"/f\",\"max-age\":\"1m\","
           "\"expect\":{\"output\":\"(?<stamp>x)\"}" },
  { "agent-file",
    COMMON "\"path\":\"/f\",\"expect\":{" ANSWER "}" },
  { "agent-ping", COMMON "\"transports\":[\"agent\"]" },
#ifdef WITH_SSH
  { "ssh-command",
    COMMON "\"transports\":[\"ssh\"],\"address\":\"192.0.2.1:22\","
           "\"netns\":\"blue\","
           "\"command\":\"c\",\"ssh\":{\"user\":\"u\",\"key\":\"k\","
           "\"password\":\"p\",\"host-keys\":\"strict\"},"
           "\"expect\":{\"status\":3," ANSWER "}" },
  { "ssh-command",
    COMMON "\"transports\":[\"disk\",\"ssh\"],\"address\":"
           "\"192.0.2.1:22\",\"mailbox\":\"vdb\",\"command\":\"c\","
           "\"ssh\":{\"user\":\"u\",\"key\":\"k\"}" },
  { "ssh-command",
    COMMON "\"transports\":[\"console\",\"ssh\"],\"address\":"
           "\"192.0.2.1:22\",\"console\":\"serial0\",\"command\":\"c\","
           "\"ssh\":{\"user\":\"u\",\"key\":\"k\"}" },
  { "console-command",
    COMMON "\"transports\":[\"console\",\"ssh\"],\"address\":"
           "\"192.0.2.1:22\",\"netns\":\"b\","
           "\"console\":\"serial0\",\"command\":\"c\","
           "\"ssh\":{\"user\":\"u\",\"key\":\"k\",\"password\":\"p\","
           "\"host-keys\":\"strict\"}" },
  { "console-command",
    COMMON "\"transports\":[\"console\",\"ssh\"],\"address\":"
           "\"192.0.2.1:22\",\"console\":\"serial0\",\"command\":\"c\","
           "\"ssh\":{\"user\":\"u\",\"key\":\"k\",\"host-keys\":"
           "\"accept-new\"}" },
  /* A password and a host that nobody knows don't go together. */
  { "ssh-command",
    COMMON "\"address\":\"192.0.2.1:22\",\"command\":\"c\",\"ssh\":"
           "{\"user\":\"u\",\"key\":\"k\",\"host-keys\":\"accept-new\"}" },
#endif
};

struct bed
{
  const char *kind;
  struct json_object *root;
  char *was; /* the canonical text before anything is changed */
  /* What was changed, and made another text. */
  char told[MAX_PATHS][80];
  size_t ntold;
};

/* Where a value stands. */
struct place
{
  struct json_object *parent;
  const char *key; /* NULL: element `at` */
  size_t at;
};

static char *
canonical (struct json_object *obj, struct error *err)
{
  CLEANUP_JSON struct json_object *json = NULL;
  struct scenario *s = NULL;
  char *text;

  if (scenario_parse (NULL, obj, "", &s, err) < 0)
    return NULL;
  json = scenario_to_json (s);
  text = strdup (json_object_to_json_string (json));
  scenario_unref (s);
  return text;
}

static void
note (struct bed *b, const char *path)
{
  for (size_t i = 0; i < b->ntold; i++)
    if (strcmp (b->told[i], path) == 0)
      return;
  assert_true (b->ntold < MAX_PATHS);
  snprintf (b->told[b->ntold++], sizeof b->told[0], "%s", path);
}

static void
put (const struct place *at, struct json_object *value)
{
  if (!at->key)
    json_object_array_put_idx (at->parent, at->at, value);
  else if (value)
    json_object_object_add (at->parent, at->key, value);
  else
    json_object_object_del (at->parent, at->key);
}

/* With the value in place of what is there, NULL = without it: refused, or
 * another text.  Takes the value over. */
static void
try (struct bed *b, const struct place *at, const char *path,
     struct json_object *value)
{
  struct json_object *was
      = at->key ? json_object_object_get (at->parent, at->key)
                : json_object_array_get_idx (at->parent, at->at);
  struct error err = ERROR_INIT;
  CLEANUP_FREE char *now = NULL;

  json_object_get (was);
  put (at, value);
  now = canonical (b->root, &err);
  if (now && strcmp (now, b->was) == 0)
    fail_msg ("%s: another %s gives the same text: %s", b->kind, path,
              json_object_to_json_string (b->root));
  if (now)
    note (b, path);
  put (at, was);
}

static void
try_strings (struct bed *b, const struct place *at, const char *path,
             const char *text)
{
  static const char *const words[] = { "end", "mon", "d", "load5" };
  char other[400];
  size_t n = strlen (text);

  assert_true (n > 0 && n + 2 < sizeof other);
  snprintf (other, sizeof other, "%sx", text);
  try (b, at, path, json_object_new_string (other));
  snprintf (other, sizeof other, "%s", text);
  other[n - 1]++;
  try (b, at, path, json_object_new_string (other));
  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    if (strcmp (words[i], text) != 0)
      try (b, at, path, json_object_new_string (words[i]));
}

static void
try_duration (struct bed *b, const struct place *at, const char *path,
              const char *text)
{
  char other[40], *unit;
  long n = strtol (text, &unit, 10);

  snprintf (other, sizeof other, "%ld%s", n + 1, unit);
  try (b, at, path, json_object_new_string (other));
}

static void
try_leaf (struct bed *b, const struct json_field *f, const struct place *at,
          const char *path, struct json_object *v)
{
  switch (f->kind)
    {
    case JSON_BOOL:
      try (b, at, path,
           json_object_new_boolean (!json_object_get_boolean (v)));
      break;
    case JSON_INT:
    case JSON_SIZE:
      try (b, at, path, json_object_new_int64 (json_object_get_int64 (v) + 1));
      break;
    case JSON_DOUBLE:
      try (b, at, path,
           json_object_new_double (json_object_get_double (v) + 1));
      break;
    case JSON_DURATION:
      try_duration (b, at, path, json_object_get_string (v));
      break;
    case JSON_ENUM:
      for (size_t i = 0; f->names[i]; i++)
        if (strcmp (f->names[i], json_object_get_string (v)) != 0)
          try (b, at, path, json_object_new_string (f->names[i]));
      break;
    case JSON_RAW:
      try (b, at, path, json_tokener_parse ("{\"k\":\"w\"}"));
      try (b, at, path, json_tokener_parse ("{\"k\":\"v\",\"j\":\"v\"}"));
      break;
    default:
      try_strings (b, at, path, json_object_get_string (v));
    }
}

static void try_object (struct bed *b, const struct json_field *fields,
                        struct json_object *obj, const char *path);

static void
try_list (struct bed *b, const struct json_field *f, struct json_object *list,
          const char *path)
{
  struct json_field elem = { .kind = f->elem_kind, .names = f->names };

  for (size_t i = 0; i < json_object_array_length (list); i++)
    {
      struct json_object *v = json_object_array_get_idx (list, i);
      struct place at = { list, NULL, i };

      if (f->sub)
        try_object (b, f->sub, v, path);
      else
        try_leaf (b, &elem, &at, path, v);
    }
}

static void
try_field (struct bed *b, const struct json_field *f, struct json_object *obj,
           const char *path)
{
  struct place at = { obj, f->name, 0 };
  struct json_object *v = json_get (obj, f->name);
  char own[80];

  snprintf (own, sizeof own, "%s%s%s", path, *path ? "." : "", f->name);
  if (!v || strcmp (own, "schema") == 0 || strcmp (own, "kind") == 0)
    return;
  if (f->kind == JSON_OBJECT)
    try_object (b, f->sub, v, own);
  else if (f->kind == JSON_ARRAY)
    try_list (b, f, v, own);
  else
    try_leaf (b, f, &at, own, v);
  if (!f->required && strcmp (json_object_get_string (v), "strict") != 0)
    try (b, &at, own, NULL);
}

static void
try_object (struct bed *b, const struct json_field *fields,
            struct json_object *obj, const char *path)
{
  for (; fields->kind != JSON_END; fields++)
    if (fields->kind == JSON_GROUP)
      try_object (b, fields->sub, obj, path);
    else
      try_field (b, fields, obj, path);
}

/* Each path of the table was changed in one document or another. */
static void
all_told (struct bed *b, const struct json_field *fields, const char *path)
{
  for (; fields->kind != JSON_END; fields++)
    {
      char own[80];
      size_t i = 0;

      snprintf (own, sizeof own, "%s%s%s", path, *path ? "." : "",
                fields->name ? fields->name : "");
      if (strcmp (own, "schema") == 0 || strcmp (own, "kind") == 0)
        continue;
      if (strcmp (own, "transports") == 0
          && !scenario_kind_find (b->kind)->transports)
        continue;
      if (strcmp (own, "max-time") == 0
          && !scenario_kind_find (b->kind)->timed)
        continue;
      if (fields->sub)
        {
          all_told (b, fields->sub, fields->name ? own : path);
          continue;
        }
      while (i < b->ntold && strcmp (b->told[i], own) != 0)
        i++;
      if (i == b->ntold)
        fail_msg ("%s: no other %s was taken", b->kind, own);
    }
}

static void
try_full (struct bed *b, const struct full *f, const struct json_field *table)
{
  struct error err = ERROR_INIT;
  char text[2000];

  snprintf (text, sizeof text, "{\"kind\":\"%s\",%s%s}", f->kind,
            scenario_kind_find (f->kind)->timed ? "\"max-time\":\"2s\"," : "",
            f->text);
  b->root = json_tokener_parse (text);
  assert_non_null (b->root);
  b->was = canonical (b->root, &err);
  if (!b->was)
    fail_msg ("%s: %s", f->kind, err.msg);
  try_object (b, table, b->root, "");
  json_object_put (b->root);
  free (b->was);
}

/* For each kind: each of its keys, in one full document of it or another. */
static void
test_each_key_tells (void **state)
{
  for (size_t k = 0; scenario_kinds[k]; k++)
    {
      struct bed b = { .kind = scenario_kinds[k]->name };
      struct json_field table[3];
      size_t n = 0;

      scenario_table (scenario_kinds[k], table);
      for (size_t i = 0; i < ARRAY_LEN (full); i++)
        if (strcmp (full[i].kind, b.kind) == 0)
          {
            try_full (&b, &full[i], table);
            n++;
          }
#ifndef WITH_SSH
      if (scenario_kinds[k]->commands)
        continue;
#endif
#ifndef WITH_CURL
      if (strcmp (b.kind, "http") == 0)
        continue;
#endif
      if (!n)
        fail_msg ("no full document of kind %s", b.kind);
      all_told (&b, table, "");
    }
}

/* What any document of a kind's tables says is what is read again. */
static void
test_round (void **state)
{
  for (size_t k = 0; scenario_kinds[k]; k++)
    {
      const struct scenario_kind *kind = scenario_kinds[k];
      struct json_field table[3];

      scenario_table (kind, table);
      json_round (table, SCENARIO_OWN_AT + kind->own_size, NULL, 200);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_each_key_tells),
    cmocka_unit_test (test_round),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
