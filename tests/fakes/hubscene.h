/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of consoles share: fake consoles, a hub that drains them,
 * and all it drained.
 */
#ifndef HANGDOG_TESTS_HUBSCENE_H
#define HANGDOG_TESTS_HUBSCENE_H

#include "base/buf.h"
#include "tests/fakes/fakecons.h"
#include "tests/fakes/hubworld.h"
#include "tests/lib/tmpdir.h"

#define SCENE_MOST 16

struct scene
{
  struct tmpdir tmp;
  struct fakecons *fake;
  pthread_t thread;
  struct hubworld w;
  enum console_kind kind;
  pthread_mutex_t m; /* what follows */
  struct fakecheck check[SCENE_MOST];
  uint64_t sunk[SCENE_MOST];
  struct buf said; /* all of console 0 */
  bool refuse;     /* the sink takes nothing */
};

/* cfg NULL: a hub without fakes; scene_fakes() may add them later. */
void scene_begin (struct scene *s, struct fakecons_config *cfg,
                  enum console_mode mode, const struct hub_limits *limits);
void scene_fakes (struct scene *s, struct fakecons_config *cfg);
void scene_end (struct scene *s);

/* Keys that the console 0 was given. */
uint64_t scene_keys (struct scene *s);
uint64_t scene_sunk (struct scene *s, unsigned i);
bool scene_said (struct scene *s, const char *text);
bool scene_wait_said (struct scene *s, const char *text, unsigned ms);
/* All that the first n fakes wrote has come, and every line of it is whole. */
void scene_check_all (struct scene *s, unsigned n);

/* Of console 0. */
int scene_lease (struct scene *s, enum lease_rank rank, bool take, unsigned ms,
                 struct lease **ret_l);
struct tap *scene_tap (struct scene *s, int start,
                       void (*on_data) (struct tap *tap, void *arg),
                       void *arg);
void scene_release (struct scene *s, uint64_t ms);

#endif
