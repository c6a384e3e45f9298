/* SPDX-License-Identifier: Apache-2.0
 *
 * fake-memlogd SOCKET SOURCE FILE
 *
 * Answers at SOCKET as linuxkit's memlogd does: a client writes a byte (0:
 * dump) and reads a JSON object for each line that there is, here those of
 * FILE, as of SOURCE and of now.
 */
#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void
dump (int fd, const char *source, const char *file)
{
  FILE *in = fopen (file, "r"), *out = fdopen (fd, "w");
  char *line = NULL, at[40];
  size_t size = 0;
  ssize_t len;
  struct tm tm;
  time_t now = time (NULL);

  strftime (at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", gmtime_r (&now, &tm));
  while (in && out && (len = getline (&line, &size, in)) > 0)
    {
      struct json_object *o = json_object_new_object ();

      json_object_object_add (o, "time", json_object_new_string (at));
      json_object_object_add (o, "source", json_object_new_string (source));
      json_object_object_add (
          o, "msg",
          json_object_new_string_len (line, (int) strcspn (line, "\r\n")));
      fprintf (out, "%s\n",
               json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
      json_object_put (o);
    }
  free (line);
  if (in)
    fclose (in);
  if (out)
    fclose (out);
}

int
main (int argc, char **argv)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  int s = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
  char mode;

  if (argc != 4 || strlen (argv[1]) >= sizeof sa.sun_path)
    {
      fprintf (stderr, "usage: fake-memlogd SOCKET SOURCE FILE\n");
      return 2;
    }
  memcpy (sa.sun_path, argv[1], strlen (argv[1]) + 1);
  unlink (argv[1]);
  if (bind (s, (struct sockaddr *) &sa, sizeof sa) < 0 || listen (s, 4) < 0)
    {
      fprintf (stderr, "fake-memlogd: %s: %s\n", argv[1], strerror (errno));
      return 1;
    }
  while ((fd = accept (s, NULL, NULL)) >= 0)
    if (read (fd, &mode, 1) == 1 && mode == 0)
      dump (fd, argv[2], argv[3]);
    else
      close (fd);
  return 1;
}
