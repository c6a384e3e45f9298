/* SPDX-License-Identifier: Apache-2.0
 *
 * fake-qmp MODE SOCKET: a QMP server that behaves, or misbehaves in one way.
 *
 * Prints "ready" when it listens, and ends with its standard input.  Modes:
 *   well          answers every command, with an event before each reply
 *   early-event   events before the greeting's capabilities reply
 *   bytewise      as well, one byte per write
 *   no-greeting   accepts and says nothing
 *   greet-only    greets, then says nothing
 *   caps-only     answers qmp_capabilities, then says nothing
 *   endless       greets, then sends one line without an end
 *   events        greets, then events for ever
 *   garbage       greets with something that is no JSON
 *   not-object    greets with a list
 *   dup-key       a reply with a key twice
 *   close-early   closes after accepting
 *   close-mid     closes in the middle of a reply
 *   error         every command but the capabilities is an error
 *   no-accept     never accepts; its queue has one place
 */
#include "tests/fakes/fake-lines.h"

static const char greeting[]
    = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 1, "
      "\"major\": 9}, \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";
static const char event[]
    = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "
      "\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 0, "
      "\"return\": {}}}\r\n";

static const char *
answer_to (const char *command)
{
  if (strcmp (command, "query-status") == 0)
    return "{\"status\": \"running\", \"running\": true}";
  if (strcmp (command, "query-blockstats") == 0)
    return "[{\"device\": \"\", \"node-name\": \"n0\", \"qdev\": "
           "\"/machine/peripheral/disk0/virtio-backend\", \"stats\": "
           "{\"rd_bytes\": 10, \"wr_bytes\": 20, \"rd_operations\": 1, "
           "\"wr_operations\": 2, \"flush_operations\": 3, "
           "\"failed_rd_operations\": 4, \"failed_wr_operations\": 1}}, "
           "{\"device\": \"drive-a\", \"stats\": {\"rd_bytes\": 7}}, 5]";
  if (strcmp (command, "query-block") == 0)
    return "[{\"device\": \"\", \"qdev\": "
           "\"/machine/peripheral/disk0/virtio-backend\", \"io-status\": "
           "\"nospace\"}, {\"device\": \"cd\", \"io-status\": \"ok\"}, 5]";
  if (strcmp (command, "x-query-virtio") == 0)
    return "[{\"name\": \"virtio-net\", \"path\": \"/machine/n\"}, 7, "
           "{\"name\": \"virtio-blk\", \"path\": "
           "\"/machine/peripheral/disk0/virtio-backend\"}]";
  if (strcmp (command, "x-query-virtio-status") == 0)
    return "{\"num-vqs\": 2}";
  if (strcmp (command, "x-query-virtio-queue-status") == 0)
    return "{\"inuse\": 3}";
  if (strcmp (command, "qom-list") == 0)
    return "[{\"name\": \"a\", \"type\": \"child<e1000>\"}, {\"name\": "
           "\"b\", \"type\": \"child<virtio-balloon-pci>\"}]";
  if (strcmp (command, "qom-get") == 0)
    return "{\"last-update\": 1000, \"stats\": {}}";
  return "{}";
}

static bool
answer (int fd, const char *line)
{
  char command[64], id[32], out[2048];
  bool caps;

  value_of (line, "\"execute\"", command, sizeof command);
  value_of (line, "\"id\"", id, sizeof id);
  caps = strcmp (command, "qmp_capabilities") == 0;
  if ((is ("well") || is ("early-event") || is ("bytewise"))
      && !say_text (fd, event))
    return false;
  if (is ("greet-only") || (is ("caps-only") && !caps))
    {
      hold (fd);
      return false;
    }
  if (is ("error") && !caps)
    snprintf (out, sizeof out,
              "{\"id\": %s, \"error\": {\"class\": \"CommandNotFound\", "
              "\"desc\": \"no %s here\"}}\r\n",
              id, command);
  else if (is ("dup-key") && !caps)
    snprintf (out, sizeof out, "{\"return\": {}, \"id\": %s, \"id\": 1}\r\n",
              id);
  else
    snprintf (out, sizeof out, "{\"return\": %s, \"id\": %s}\r\n",
              answer_to (command), id);
  if (is ("close-mid") && !caps)
    {
      say (fd, out, strlen (out) / 2);
      return false;
    }
  return say_text (fd, out);
}

static void
flood (int fd, const char *first, const char *piece)
{
  bool go = say_text (fd, first);

  while (go)
    go = say_text (fd, piece);
}

static void
serve (int fd)
{
  if (is ("close-early"))
    return;
  if (is ("no-greeting"))
    hold (fd);
  else if (is ("garbage"))
    say_text (fd, "login: \x01\xff\r\n");
  else if (is ("not-object"))
    say_text (fd, "[1, 2]\r\n");
  else if (is ("endless"))
    flood (fd, greeting, "{\"return\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  else if (is ("events"))
    flood (fd, greeting, event);
  else if (say_text (fd, greeting)
           && (!is ("early-event") || say_text (fd, event)))
    converse (fd, answer);
}

int
main (int argc, char **argv)
{
  return serve_at (argc, argv, serve);
}
