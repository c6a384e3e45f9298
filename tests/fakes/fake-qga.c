/* SPDX-License-Identifier: Apache-2.0
 *
 * fake-qga MODE SOCKET [WORD]...: a guest agent at a socket that behaves, or misbehaves
 * in one way.
 *
 * Prints "ready" when it listens, and ends with its standard input.  Modes:
 *   well          answers
 *   leftovers     before each answer to a sync what earlier clients left:
 *                 half a reply, an answer to another's sync
 *   bytewise      as well, one byte per write
 *   slow          as well, one byte a second
 *   silent        takes all and says nothing
 *   sync-only     answers the sync, then nothing
 *   wrong-id      answers each sync with another id
 *   noise         never a marker, endless
 *   markers       nothing but markers, endless
 *   huge          a reply of 100 MB
 *   endless       a reply without an end
 *   malformed     a reply that is no JSON
 *   deep          a reply nested a hundred thousand times
 *   many          a reply of 400,000 values
 *   list          a reply that is no object
 *   half          half a reply, then nothing
 *   close         closes in the middle of a reply
 *   no-accept     never accepts; its queue has one place
 *   endless-exec  a program that never ends
 *   bad-base64    a program whose output is no base64
 *   big-exec      a program that says 200 KB
 *   killed        a program that a signal ends
 *   blocked       guest-exec is disabled
 *   frozen        the same, and the file systems are frozen
 *   old           has no guest-exec
 *   windows       says that it is a Windows
 *   bad-piece     a file whose pieces have another length than they say
 *   big-file      a file that does not end
 */
#include "tests/fakes/fake-lines.h"

static unsigned polls, pieces;
static char ran[1500];

static bool
flood (int fd, const char *first, const char *piece, size_t len, size_t bytes)
{
  bool go = say_text (fd, first);

  for (size_t done = 0; go && done < bytes; done += len)
    go = say (fd, piece, len);
  return go;
}

static void
base64 (const char *text, size_t len, char *out)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789+/";

  for (size_t i = 0; i < len; i += 3)
    {
      size_t n = len - i < 3 ? len - i : 3;
      unsigned v = (unsigned) (unsigned char) text[i] << 16;

      if (n > 1)
        v |= (unsigned) (unsigned char) text[i + 1] << 8;
      if (n > 2)
        v |= (unsigned) (unsigned char) text[i + 2];
      *out++ = digits[v >> 18 & 63];
      *out++ = digits[v >> 12 & 63];
      *out++ = n > 1 ? digits[v >> 6 & 63] : '=';
      *out++ = n > 2 ? digits[v & 63] : '=';
    }
  *out = '\0';
}

/* ---- commands ---- */

static void
exec_status (char *out, size_t n)
{
  static char big[300000];
  char text[2100];

  if (is ("endless-exec") || polls++ < 2)
    snprintf (out, n, "{\"return\":{\"exited\":false}}");
  else if (is ("killed"))
    snprintf (out, n, "{\"return\":{\"exited\":true,\"signal\":9}}");
  else if (is ("bad-base64"))
    snprintf (out, n, "{\"return\":{\"exited\":true,\"exitcode\":0,"
                      "\"out-data\":\"!!!!\"}}");
  else if (is ("big-exec"))
    {
      memset (big, 'A', 266668);
      snprintf (out, n, "{\"return\":{\"exited\":true,\"exitcode\":0,"
                        "\"out-data\":\"%s\"}}", big);
    }
  else
    {
      base64 (ran, strlen (ran), text);
      snprintf (out, n, "{\"return\":{\"exited\":true,\"exitcode\":3,"
                        "\"out-data\":\"%s\",\"err-data\":\"ZXJy\"}}", text);
    }
}

static void
file_read (char *out, size_t n)
{
  static const char content[] = "ok 1700000000 load 0.25\n";
  char text[100];

  base64 (content, strlen (content), text);
  if (is ("bad-piece"))
    snprintf (out, n, "{\"return\":{\"count\":5,\"buf-b64\":\"%s\","
                      "\"eof\":false}}", text);
  else if (is ("big-file") || pieces++ == 0)
    snprintf (out, n, "{\"return\":{\"count\":%zu,\"buf-b64\":\"%s\","
                      "\"eof\":false}}", strlen (content), text);
  else
    snprintf (out, n, "{\"return\":{\"count\":0,\"buf-b64\":\"\","
                      "\"eof\":true}}");
}

static const char interfaces[]
    = "{\"return\":[{\"name\":\"lo\",\"ip-addresses\":[{\"ip-address-type\":"
      "\"ipv4\",\"ip-address\":\"127.0.0.1\",\"prefix\":8}],"
      "\"hardware-address\":\"00:00:00:00:00:00\"},"
      "{\"name\":\"eth0\",\"ip-addresses\":[{\"ip-address-type\":\"ipv4\","
      "\"ip-address\":\"192.0.2.7\",\"prefix\":24},{\"ip-address-type\":"
      "\"ipv6\",\"ip-address\":\"2001:DB8:0::7\",\"prefix\":64},"
      "{\"ip-address-type\":\"ipv6\",\"ip-address\":\"fe80::1\",\"prefix\":64},"
      "{\"ip-address\":\"not one\"}],"
      "\"hardware-address\":\"52:54:00:AA:bb:01\"},{\"name\":\"tun\"}]}";

static void
answer_to (const char *line, char *out, size_t n)
{
  char command[64], path[64];
  bool exec;

  value_of (line, "\"execute\"", command, sizeof command);
  value_of (line, "\"path\"", path, sizeof path);
  exec = strcmp (command, "guest-exec") == 0;
  if (exec && (is ("blocked") || is ("frozen")))
    snprintf (out, n, "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":"
                      "\"Command guest-exec has been disabled\"}}");
  else if (exec && is ("old"))
    snprintf (out, n, "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":"
                      "\"The command guest-exec has not been found\"}}");
  else if (strstr (path, "nope"))
    snprintf (out, n, "{\"error\":{\"class\":\"GenericError\",\"desc\":"
                      "\"No such file or directory\"}}");
  else if (exec)
    {
      polls = 0;
      snprintf (ran, sizeof ran, "%s", strstr (line, "\"path\""));
      snprintf (out, n, "{\"return\":{\"pid\":42}}");
    }
  else if (strcmp (command, "guest-exec-status") == 0)
    exec_status (out, n);
  else if (strcmp (command, "guest-fsfreeze-status") == 0)
    snprintf (out, n, "{\"return\":\"%s\"}", is ("frozen") ? "frozen" : "thawed");
  else if (strcmp (command, "guest-get-osinfo") == 0)
    snprintf (out, n, "{\"return\":{\"id\":\"%s\"}}",
              is ("windows") ? "mswindows" : "debian");
  else if (strcmp (command, "guest-get-time") == 0)
    snprintf (out, n, "{\"return\":1700000060000000000}");
  else if (strcmp (command, "guest-file-open") == 0)
    {
      pieces = 0;
      snprintf (out, n, "{\"return\":1000}");
    }
  else if (strcmp (command, "guest-file-read") == 0)
    file_read (out, n);
  else if (strcmp (command, "guest-network-get-interfaces") == 0)
    snprintf (out, n, "%s", interfaces);
  else if (strcmp (command, "guest-info") == 0)
    snprintf (out, n, "{\"return\":{\"version\":\"9.9.9\\u001b[2J\","
                      "\"supported_commands\":[{\"name\":\"guest-exec\","
                      "\"enabled\":%s,\"success-response\":true}]}}",
              is ("blocked") ? "false" : "true");
  else
    snprintf (out, n, "{\"return\":{}}");
}

/* ---- what is wrong with it ---- */

static bool
sync_answer (int fd, const char *line)
{
  char id[32], out[128];

  value_of (line, "\"id\"", id, sizeof id);
  if (is ("leftovers")
      && !say_text (fd, "{\"return\":{\"pid\":1}}\n{\"return\": [1, 2"
                        "\xff{\"return\":4242}\n{\"return\":{}}\n"))
    return false;
  if (is ("noise"))
    return flood (fd, "", "login: {\"return\":1}\n", 21, (size_t) -1 / 2);
  if (is ("markers"))
    return flood (fd, "", "\xff\xff\xff\xff", 4, (size_t) -1 / 2);
  if (is ("wrong-id"))
    snprintf (id, sizeof id, "7");
  snprintf (out, sizeof out, "\xff{\"return\":%s}\n", id);
  return say_text (fd, out);
}

static bool
misbehave (int fd)
{
  static char piece[65536], spaces[4096];

  memset (piece, 'x', sizeof piece);
  memset (spaces, ' ', sizeof spaces);
  if (is ("sync-only"))
    hold (fd);
  else if (is ("huge"))
    return flood (fd, "{\"return\":\"", piece, sizeof piece, 100000000);
  else if (is ("endless"))
    return flood (fd, "{\"return\":{}", spaces, sizeof spaces, (size_t) -1 / 2);
  else if (is ("malformed"))
    return say_text (fd, "{\"return\": nul, \x01}\n");
  else if (is ("list"))
    return say_text (fd, "[{\"return\":{}}]\n");
  else if (is ("deep"))
    {
      memset (piece, '[', sizeof piece);
      return say_text (fd, "{\"return\":") && say (fd, piece, sizeof piece)
             && say (fd, piece, 34464) && say_text (fd, "\n");
    }
  else if (is ("many"))
    {
      for (size_t i = 0; i < sizeof piece; i += 2)
        memcpy (piece + i, "0,", 2);
      return flood (fd, "{\"return\":[", piece, sizeof piece, 786432)
             && say_text (fd, "0]}\n");
    }
  else if (is ("half") || is ("close"))
    {
      say_text (fd, "{\"return\":{\"pi");
      if (is ("half"))
        hold (fd);
    }
  return false;
}

static bool
is_bad (void)
{
  static const char *const bad[]
      = { "sync-only", "huge", "endless", "malformed", "list", "deep", "many",
          "half", "close" };

  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
    if (is (bad[i]))
      return true;
  return false;
}

static bool
answer (int fd, const char *line)
{
  static char out[400000];

  if (is ("silent"))
    return true;
  if (strstr (line, "guest-sync-delimited"))
    return sync_answer (fd, line);
  if (is_bad ())
    return misbehave (fd);
  answer_to (line, out, sizeof out - 1);
  return say_text (fd, out) && say_text (fd, "\n");
}

static void
serve (int fd)
{
  converse (fd, answer);
}

int
main (int argc, char **argv)
{
  return serve_at (argc, argv, serve);
}
