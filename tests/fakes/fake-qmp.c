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
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char greeting[]
    = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 1, "
      "\"major\": 9}, \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";
static const char event[]
    = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "
      "\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 0, "
      "\"return\": {}}}\r\n";

static const char *mode;

static bool
is (const char *name)
{
  return strcmp (mode, name) == 0;
}

/* Ends the process with its standard input: no test leaves one behind. */
static void
wait_or_end (int fd, short events)
{
  struct pollfd p[2]
      = { { .fd = fd, .events = events }, { .fd = 0, .events = POLLIN } };
  char c;

  while (poll (p, 2, -1) < 0 && errno == EINTR)
    ;
  if (p[1].revents && read (0, &c, 1) <= 0)
    exit (0);
}

static bool
say (int fd, const char *text, size_t len)
{
  size_t step = is ("bytewise") ? 1 : len;

  while (len > 0)
    {
      ssize_t n;

      wait_or_end (fd, POLLOUT);
      n = send (fd, text, step < len ? step : len, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
      if (n > 0)
        {
          text += n;
          len -= (size_t) n;
        }
    }
  return true;
}

static bool
say_text (int fd, const char *text)
{
  return say (fd, text, strlen (text));
}

static void
hold (int fd)
{
  char c[256];

  do
    wait_or_end (fd, POLLIN);
  while (recv (fd, c, sizeof c, 0) > 0);
}

/* The text of the value of "key" in line, as it stands there. */
static void
value_of (const char *line, const char *key, char *dst, size_t n)
{
  const char *p = strstr (line, key);

  dst[0] = '\0';
  if (!p)
    return;
  p += strlen (key);
  p += strspn (p, "\": ");
  snprintf (dst, n, "%.*s", (int) strcspn (p, "\",}"), p);
}

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
converse (int fd)
{
  char line[4096];
  size_t len = 0;

  for (;;)
    {
      ssize_t n;
      char *end;

      wait_or_end (fd, POLLIN);
      n = recv (fd, line + len, sizeof line - 1 - len, 0);
      if (n <= 0)
        return;
      len += (size_t) n;
      line[len] = '\0';
      while ((end = strchr (line, '\n')))
        {
          *end = '\0';
          if (!answer (fd, line))
            return;
          len -= (size_t) (end + 1 - line);
          memmove (line, end + 1, len + 1);
        }
      if (len == sizeof line - 1)
        return;
    }
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
    converse (fd);
}

int
main (int argc, char **argv)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  int s;

  if (argc < 3 || strlen (argv[2]) >= sizeof sa.sun_path)
    return 2;
  mode = argv[1];
  strncpy (sa.sun_path, argv[2], sizeof sa.sun_path - 1);
  s = socket (AF_UNIX, SOCK_STREAM, 0);
  if (s < 0 || bind (s, (struct sockaddr *) &sa, sizeof sa) < 0
      || listen (s, is ("no-accept") ? 0 : 4) < 0)
    {
      perror (argv[2]);
      return 1;
    }
  puts ("ready");
  fflush (stdout);
  for (;;)
    {
      int fd;

      wait_or_end (is ("no-accept") ? -1 : s, POLLIN);
      fd = accept (s, NULL, NULL);
      if (fd < 0)
        continue;
      fcntl (fd, F_SETFL, O_NONBLOCK);
      serve (fd);
      close (fd);
    }
}
