/* SPDX-License-Identifier: Apache-2.0
 *
 * The room where console bytes wait: slots in a memory file.
 */
#include "supervisor/writer/writer_log_wait.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

_Static_assert (sizeof (struct wait_slot) <= WAIT_SLOT, "a slot has its size");

struct wait_room
{
  int fd;
  struct wait_slot *slots;
  size_t n;
  uint32_t *idle; /* a stack of those that nobody has */
  size_t nidle;
};

int
wait_room_new (int fd, size_t n, struct wait_room **ret, struct error *err)
{
  struct wait_room *r = calloc (1, sizeof *r);
  struct stat st;
  void *at;

  if (r == NULL || (r->idle = calloc (n, sizeof *r->idle)) == NULL)
    {
      free (r);
      close (fd);
      return error_set (err, ENOMEM, "no memory for what waits to be logged");
    }
  r->fd = fd;
  r->n = n;
  /* One with a name, that came by this number, is not for us to write to.
   * Pages that nobody touches are not there. */
  at = fstat (fd, &st) < 0 || !S_ISREG (st.st_mode) || st.st_nlink > 0
               || ftruncate (fd, (off_t) (n * sizeof *r->slots)) < 0
           ? MAP_FAILED
           : mmap (NULL, n * sizeof *r->slots, PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);
  if (at == MAP_FAILED)
    {
      int e = errno;

      wait_room_free (r);
      return error_errno (err, e, "the memory for what waits to be logged");
    }
  r->slots = at;
  /* The first is on top, so that those in use stand together. */
  for (size_t i = n; i > 0; i--)
    r->idle[r->nidle++] = (uint32_t) (i - 1);
  *ret = r;
  return 0;
}

void
wait_room_free (struct wait_room *r)
{
  if (r == NULL)
    return;
  if (r->slots)
    munmap (r->slots, r->n * sizeof *r->slots);
  close (r->fd);
  free (r->idle);
  free (r);
}

struct wait_slot *
wait_room_take (struct wait_room *r)
{
  return r && r->nidle > 0 ? &r->slots[r->idle[--r->nidle]] : NULL;
}

void
wait_room_give (struct wait_room *r, struct wait_slot *s)
{
  if (s == NULL)
    return;
  s->len = 0;
  r->idle[r->nidle++] = (uint32_t) (s - r->slots);
}

static bool
is_sound (const struct wait_slot *s)
{
  return s->len <= WAIT_BYTES && memchr (s->uuid, '\0', sizeof s->uuid)
         && memchr (s->name, '\0', sizeof s->name) && text_is_name (s->uuid)
         && text_is_name (s->name);
}

void
wait_room_left (struct wait_room *r,
                void (*fn) (const struct wait_slot *s, void *arg), void *arg)
{
  for (size_t i = 0; i < r->n; i++)
    {
      struct wait_slot *s = &r->slots[i];
      off_t data;

      /* The holes of a file that was hardly used are passed over. */
      if (i % (4096 / sizeof *s) == 0)
        {
          data = lseek (r->fd, (off_t) (i * sizeof *s), SEEK_DATA);
          if (data < 0)
            return;
          if ((size_t) data / sizeof *s > i)
            {
              i = (size_t) data / sizeof *s - 1;
              continue;
            }
        }
      if (s->len == 0)
        continue;
      if (is_sound (s))
        fn (s, arg);
      s->len = 0;
    }
}

bool
wait_add (struct wait_slot *s, const void *data, size_t len)
{
  if (len > WAIT_BYTES - s->len)
    return false;
  memcpy (s->data + s->len, data, len);
  atomic_signal_fence (memory_order_release);
  s->len = (uint16_t) (s->len + len);
  return true;
}
