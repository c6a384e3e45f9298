/* SPDX-License-Identifier: Apache-2.0
 *
 * The key of pseudonyms: the caller's, or the host's own.
 */
#include "supervisor/archive/redaction_impl.h"

#include "base/error.h"
#include "base/io.h"
#include "base/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define KEY_BYTES 32

static int
read_key (struct redaction *s, const char *path, struct error *err)
{
  char *key;
  size_t len;
  int r = secret_read (path, &key, &len, err);

  if (r < 0)
    return r;
  r = redaction_tell (s, "key", NULL, NULL, key, len, err);
  secret_free (key, len);
  return r;
}

/* Whole under its name or not at all: who is killed in between must not leave
 * half a key, and of two who make one the second takes the first one's. */
static int
make_key (const char *path, const char *hex, struct error *err)
{
  char tmp[4160];
  int fd, r = 0;

  snprintf (tmp, sizeof (tmp), "%s.%d.new", path, (int) gettid ());
  fd = open (tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return error_errno (err, errno, "%s", tmp);
  if ((r = io_write (fd, hex, strlen (hex))) < 0)
    error_errno (err, -r, "%s", tmp);
  else if (fsync (fd) < 0 || (link (tmp, path) < 0 && errno != EEXIST))
    r = error_errno (err, errno, "%s", path);
  unlink (tmp);
  close (fd);
  return r;
}

/* The host's own, so that bundles of one host agree. */
static int
host_key (struct redaction *s, struct error *err)
{
  unsigned char bytes[KEY_BYTES];
  char path[4096], hex[2 * KEY_BYTES + 1];
  struct error why = ERROR_INIT;
  int r;

  snprintf (path, sizeof (path), "%s/redact.key", s->spec.state);
  if (access (path, R_OK) == 0)
    return read_key (s, path, err);
  if (getrandom (bytes, sizeof (bytes), 0) != sizeof (bytes))
    return error_errno (err, errno, "making a key");
  for (unsigned i = 0; i < KEY_BYTES; i++)
    snprintf (hex + 2 * i, 3, "%02x", bytes[i]);
  r = access (path, F_OK) == 0 ? error_errno (&why, EACCES, "%s", path)
                               : make_key (path, hex, &why);
  if (r == 0)
    r = read_key (s, path, err);
  else if (s->spec.any_key)
    {
      snprintf (s->trouble, sizeof (s->trouble), "%s", error_text (&why));
      r = redaction_tell (s, "key", NULL, NULL, hex, sizeof (hex) - 1, err);
    }
  else
    *err = why;
  explicit_bzero (hex, sizeof (hex));
  return r;
}

int
redaction_key (struct redaction *s, struct error *err)
{
  return s->spec.key ? read_key (s, s->spec.key, err) : host_key (s, err);
}
