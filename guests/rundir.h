/* SPDX-License-Identifier: Apache-2.0
 *
 * The two halves of the run directory source: the loop's (rundir.c) and the
 * scanning job's (rundir_scan.c; rundir_folder.c says what a folder shows,
 * rundir_who.c whose process is in it).  Internal to guests/.
 */
#ifndef HANGDOG_GUESTS_RUNDIR_H
#define HANGDOG_GUESTS_RUNDIR_H

#include "base/error.h"
#include "base/opener.h"
#include "guests/eve.h"
#include "guests/guest.h"
#include "guests/qemu.h"

#include <dirent.h>

#define RUNDIR_MAX_GUESTS 4096u
#define RUNDIR_MAX_WATCHED 32u /* folders with an inotify descriptor */
#define RUNDIR_NAME 129 /* text_is_name() allows 128 */

struct job;
struct opener;

/* What one run directory is about; owned by whoever made it. */
struct rundir_config
{
  char *root, *consoles, *monitor, *pidfile, *eve;
  enum console_mode mode;
};

/* One folder, as the loop knows it and as the job finds it. */
struct rundir_folder
{
  char name[RUNDIR_NAME];
  char uuid[UUID_TEXT]; /* "" = not known yet */
  int32_t pid;
  uint64_t start_time;
  struct eve_orders orders; /* of that process's life */
  bool watched;           /* in: the loop has an inotify descriptor of it */
  bool blind;             /* out: its process lives, but the folder does not
                             answer: the guest is as it was */
  bool followed;          /* in: the loop has a pidfd of that pid */
  bool settled;           /* out: its QEMU is all there, no need to watch it */
  int inotify_fd, pid_fd; /* out: new ones, or -1 */
};

/* A folder of a guest that another folder is taken for. */
struct rundir_double
{
  char uuid[UUID_TEXT], name[RUNDIR_NAME], taken[RUNDIR_NAME];
  bool running;
};
#define RUNDIR_MAX_DOUBLES 64

/* A QEMU somewhere on this host, and what it says of itself. */
struct rundir_proc
{
  int32_t pid;
  char name[RUNDIR_NAME], folder[256], uuid[UUID_TEXT];
};

/* All that a scanning job needs and finds.  The job owns it while it runs. */
struct rundir_scan
{
  struct opener *opener;
  struct rundir_config cfg;
  struct rundir_folder *known; /* in */
  size_t nknown;
  bool want_root; /* in: the loop needs these inotify fds */
  bool want_eve[EVE_FOLDERS];

  bool listed; /* out: the root was read; guests is all there is */
  struct rundir_folder *folders;
  size_t nfolders;
  struct guest **guests; /* one per folder that is a guest */
  size_t nguests;
  struct rundir_double *doubles; /* out: the first of them */
  size_t ndoubles;
  int root_fd, eve_fd[EVE_FOLDERS];
  uint32_t owner;            /* the job's own: of the root folder */
  struct rundir_proc *procs; /* the job's own */
  size_t nprocs;
  size_t nwatched;
  unsigned skipped; /* names that are none, folders beyond the bound */
  struct error why;
};

int rundir_config_copy (struct rundir_config *dst,
                        const struct rundir_config *src);
void rundir_config_done (struct rundir_config *cfg);

/* ---- inside the job ---- */

struct rundir_look
{
  struct rundir_scan *scan;
  uint64_t deadline;
};

int rundir_open (const struct rundir_look *l, enum open_kind kind,
                 const char *root, const char *path, int *ret_fd,
                 struct error *err);
/* At most max - 1 bytes, NUL terminated; longer files are cut. */
int rundir_read (const struct rundir_look *l, const char *root,
                 const char *path, char *buf, size_t max, size_t *ret_len);

DIR *rundir_list (const struct rundir_look *l, const char *path, int *ret_code,
                  struct error *err);

struct rundir_who
{
  const char *folder, *uuid; /* in; uuid "" = not known */
  struct qemu_proc proc;     /* out; pid 0 = nobody */
  struct qemu_args *args;    /* out; the caller's */
  bool by_file;              /* out: the pid file names it */
};

/* Returns true when there is a pid file, whatever it says. */
bool rundir_find_process (const struct rundir_look *l, struct rundir_who *w);
/* A stable one for a QEMU that was started without; uuid of UUID_TEXT. */
void rundir_make_uuid (char *uuid, const char *root, const char *name);

/* What may be something of a guest's, in its folder: rundir_folder.c. */
#define RUNDIR_MAX_ENTRIES 256u
struct rundir_entries
{
  unsigned count;
  struct
  {
    char name[32];
    unsigned char type; /* DT_... */
  } e[RUNDIR_MAX_ENTRIES];
};

int rundir_entries_read (const struct rundir_look *l, const char *folder,
                         struct rundir_entries *list, struct error *err);
/* A folder that holds nothing of a guest is none. */
bool rundir_is_guest (const struct rundir_config *cfg,
                      const struct rundir_entries *list);
/* NULL: no memory. */
struct guest *rundir_guest (const struct rundir_look *l,
                            struct rundir_folder *f, struct rundir_who *w,
                            bool has_pidfile,
                            const struct rundir_entries *list);

/* ---- the job ---- */

struct rundir_scan *rundir_scan_new (void);
void rundir_scan_free (void *scan); /* closes what nobody took */
/* In a job. */
int rundir_scan_run (struct job *job, void *scan);

#endif
