/* SPDX-License-Identifier: Apache-2.0
 *
 * Guests that fail together: what they have in common.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/incidents/crowd.h"

#include <stdio.h>
#include <string.h>

#define MOST 12
#define NOW 1000000

struct host
{
  struct guest *guests[MOST];
  struct crowd_member list[MOST];
  size_t n;
};

/* disks: by blanks. */
static struct guest *
guest (const char *disks, const char *bridge, const char *source)
{
  struct guest *g = guest_new ();

  while (*disks)
    {
      size_t len = strcspn (disks, " ");

      snprintf (g->disks[g->ndisks++].path, sizeof g->disks[0].path, "%.*s",
                (int) len, disks);
      disks += len + (disks[len] == ' ');
    }
  if (bridge)
    snprintf (g->nics[g->nnics++].bridge, sizeof g->nics[0].bridge, "%s",
              bridge);
  snprintf (g->source, sizeof g->source, "%s", source);
  snprintf (g->host, sizeof g->host, "qemu:///system");
  return g;
}

/* ago: it failed so many ms ago; < 0: it is well. */
static void
with (struct host *h, const char *disks, const char *bridge, int ago)
{
  assert_true (h->n < MOST);
  h->guests[h->n] = guest (disks, bridge, "rundir");
  h->list[h->n] = (struct crowd_member){
    .guest = h->guests[h->n],
    .failed = ago >= 0,
    .failed_ms = ago >= 0 ? (uint64_t) (NOW - ago) : 0,
  };
  h->n++;
}

static void
away (struct host *h)
{
  for (size_t i = 0; i < h->n; i++)
    guest_unref (h->guests[i]);
  h->n = 0;
}

static void
together (struct host *h, size_t who, enum crowd_kind kind, const char *name,
          unsigned failed, unsigned users)
{
  struct crowd c;

  assert_true (crowd_find (h->list, h->n, who, NOW, &c));
  assert_int_equal (c.resource.kind, kind);
  assert_string_equal (c.resource.name, name);
  assert_int_equal (c.failed, failed);
  assert_int_equal (c.users, users);
}

static void
by_chance (struct host *h, size_t who)
{
  struct crowd c = { .failed = 77 };

  assert_false (crowd_find (h->list, h->n, who, NOW, &c));
  assert_int_equal (c.failed, 77);
}

static void
has (const char *disk, const char *kind, const char *name)
{
  struct guest *g = guest (disk, NULL, "rundir");
  struct crowd_resource all[CROWD_MAX_RESOURCES];
  unsigned n = crowd_resources (g, all);

  for (unsigned i = 0; i < n; i++)
    if (strcmp (crowd_kind_names[all[i].kind], kind) == 0
        && strcmp (all[i].name, name) == 0)
      {
        assert_true (crowd_uses (g, &all[i]));
        guest_unref (g);
        return;
      }
  fail_msg ("%s has no %s \"%s\" (of %u)", disk, kind, name, n);
}

static void
what_a_guest_needs (void **state)
{
  struct crowd_resource all[CROWD_MAX_RESOURCES];
  struct guest *g;

  has ("/img/a/b.qcow2", "disk", "/img/a/b.qcow2");
  has ("/img/a/b.qcow2", "folder", "/img/a");
  has ("/dev/vg0/web", "folder", "/dev/vg0");
  has ("nbd://10.0.0.1:10809/x", "server", "nbd 10.0.0.1:10809");
  has ("nbd://10.0.0.1", "server", "nbd 10.0.0.1");
  has ("nbd+unix:///x?socket=/run/n", "server", "nbd /run/n");
  has ("nbd:10.0.0.1:10809:exportname=x", "server", "nbd 10.0.0.1:10809");
  has ("nbd:unix:/run/n:exportname=x", "server", "nbd /run/n");
  has ("nbd:unix:/run/n", "server", "nbd /run/n");
  has ("iscsi://10.0.0.2:3260/iqn/0", "server", "iscsi 10.0.0.2:3260");
  has ("json:{\"a\":1}", "disk", "json:{\"a\":1}");
  /* Devices are beside each other because they are devices. */
  g = guest ("/dev/sda /dev/mapper/a /dev/disk/by-id/x /dev/sda", "br0",
             "libvirt");
  assert_int_equal (crowd_resources (g, all), 3 + 1 + 1);
  guest_unref (g);
  g = guest ("", "", "rundir");
  assert_int_equal (crowd_resources (g, all), 0);
  guest_unref (g);
}

static void
all_that_can_be (void **state)
{
  struct crowd_resource all[CROWD_MAX_RESOURCES];
  struct guest *g = guest ("", NULL, "libvirt");

  for (; g->ndisks < GUEST_MAX_DISKS; g->ndisks++)
    snprintf (g->disks[g->ndisks].path, sizeof g->disks[0].path, "/%u/%0240u",
              g->ndisks, g->ndisks);
  for (; g->nnics < GUEST_MAX_NICS; g->nnics++)
    snprintf (g->nics[g->nnics].bridge, sizeof g->nics[0].bridge, "br%u",
              g->nnics);
  assert_int_equal (crowd_resources (g, all), CROWD_MAX_RESOURCES);
  guest_unref (g);
}

static void
four_of_one_server (void **state)
{
  struct host h = { .n = 0 };

  with (&h, "/a/root nbd://s:1/a", NULL, 9000);
  with (&h, "/b/root nbd://s:1/b", NULL, -1);
  with (&h, "/c/root nbd://s:1/c", NULL, -1);
  with (&h, "/d/root nbd://s:1/d", NULL, -1);
  with (&h, "/e/root nbd://t:1/e", NULL, -1);
  by_chance (&h, 0);
  h.list[1].failed = true;
  h.list[1].failed_ms = NOW - 1000;
  together (&h, 1, CROWD_SERVER, "nbd s:1", 2, 4);
  h.list[2].failed = h.list[3].failed = true;
  h.list[2].failed_ms = h.list[3].failed_ms = NOW;
  together (&h, 3, CROWD_SERVER, "nbd s:1", 4, 4);
  away (&h);
}

static void
few_of_many (void **state)
{
  struct host h = { .n = 0 };

  for (int i = 0; i < 6; i++)
    with (&h, "nbd://s:1/x", NULL, i < 2 ? 0 : -1);
  by_chance (&h, 0);
  away (&h);
}

/* One that failed an hour ago, and hangs still, says nothing of now. */
static void
long_ago (void **state)
{
  struct host h = { .n = 0 };

  with (&h, "nbd://s:1/a", NULL, CROWD_WINDOW_MS + 1);
  with (&h, "nbd://s:1/b", NULL, 0);
  by_chance (&h, 1);
  h.list[0].failed_ms = NOW - CROWD_WINDOW_MS;
  together (&h, 1, CROWD_SERVER, "nbd s:1", 2, 2);
  away (&h);
}

/* Images lie side by side on most hosts: two are chance, and so are three of
 * six. */
static void
what_nearly_all_have (void **state)
{
  static char path[6][16] = { "/i/0", "/i/1", "/i/2", "/i/3", "/i/4", "/i/5" };
  struct host h = { .n = 0 };

  for (int i = 0; i < 5; i++)
    with (&h, path[i], "br0", i < 2 ? 0 : -1);
  by_chance (&h, 0);
  h.list[2].failed = true;
  h.list[2].failed_ms = NOW;
  together (&h, 0, CROWD_FOLDER, "/i", 3, 5);
  with (&h, path[5], "br0", -1);
  by_chance (&h, 0);
  away (&h);
}

static void
few_have_it_before_all_have_it (void **state)
{
  struct host h = { .n = 0 };

  /* Five share a folder and all fail; two of them share a server. */
  for (int i = 0; i < 5; i++)
    with (&h, i < 2 ? "/i/x nbd://s:1/a" : "/i/y", NULL, 0);
  together (&h, 0, CROWD_DISK, "/i/x", 2, 2);
  h.guests[1]->disks[0].path[3] = 'z';
  together (&h, 0, CROWD_SERVER, "nbd s:1", 2, 2);
  away (&h);
}

static void
a_bridge (void **state)
{
  struct host h = { .n = 0 };

  with (&h, "/a/x", "br0", 0);
  with (&h, "/b/x", "br0", 0);
  with (&h, "/c/x", "br0", 0);
  with (&h, "/d/x", "br1", -1);
  together (&h, 2, CROWD_BRIDGE, "br0", 3, 3);
  away (&h);
}

/* A library that hangs makes no guest fail, and nobody can be asked. */
static void
who_could_not_be_asked (void **state)
{
  struct host h = { .n = 0 };

  for (int i = 0; i < 3; i++)
    {
      with (&h, "", NULL, 0);
      snprintf (h.guests[i]->source, sizeof h.guests[i]->source, "libvirt");
    }
  by_chance (&h, 0);
  for (int i = 0; i < 3; i++)
    h.list[i].mute = true;
  together (&h, 0, CROWD_SOURCE, "qemu:///system", 3, 3);
  away (&h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_a_guest_needs),
    cmocka_unit_test (all_that_can_be),
    cmocka_unit_test (four_of_one_server),
    cmocka_unit_test (few_of_many),
    cmocka_unit_test (long_ago),
    cmocka_unit_test (what_nearly_all_have),
    cmocka_unit_test (few_have_it_before_all_have_it),
    cmocka_unit_test (a_bridge),
    cmocka_unit_test (who_could_not_be_asked),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
