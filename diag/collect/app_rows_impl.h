/* SPDX-License-Identifier: Apache-2.0
 *
 * What rows are made from: processes with their threads and sockets
 * (app_rows.c), control groups, units and file systems (app_rows_system.c).
 */
#ifndef HANGDOG_DIAG_APP_ROWS_IMPL_H
#define HANGDOG_DIAG_APP_ROWS_IMPL_H

#include "diag/collect/app_rows.h"
#include "base/json.h"

#define MAX_PROCS 64
#define MAX_SOCKETS 512
#define MAX_GROUPS 64

struct proc
{
  long pid;
  char comm[32];
  double at, ticks; /* seconds of its clock; of a processor */
  long files;
};

struct socket
{
  long pid;
  unsigned long long inode;
};

/* Its bound of the processors, and how often it was reached. */
struct group
{
  char path[200];
  double cpus; /* 0 = no bound */
  long long periods[2], throttled[2]; /* then and now */
};

/* As systemd shows it, property by property. */
struct unit
{
  char id[96], result[32], comm[32];
  long long pid, code, status, us, restarts;
};

struct app_rows
{
  struct outside *to;
  struct proc procs[MAX_PROCS];
  unsigned nprocs;
  struct socket sockets[MAX_SOCKETS];
  unsigned nsockets;
  int64_t stacks; /* that were told */
  struct group groups[MAX_GROUPS];
  unsigned ngroups;
  struct unit unit;
  char named[200]; /* the group whose name follows */
  char full[300];  /* the first file system that is */
  bool clock;      /* was told */
};

struct json_object *app_row_new_ (const char *kind);
void app_row_text_ (struct json_object *row, const char *key,
                    const char *text);
void app_row_done_ (struct app_rows *r, struct json_object *row);
/* Copies the next line of a part. */
bool app_rows_line_ (const char **at, const char *end, char dst[512]);

/* ---- app_rows_system.c ---- */

/* Of part "G", and "H" once more; then what they say. */
void app_rows_group_ (struct app_rows *r, char *line, bool again);
void app_rows_groups_done_ (struct app_rows *r);
void app_rows_name_ (struct app_rows *r, const char *line);
void app_rows_unit_ (struct app_rows *r, const char *line);
void app_rows_unit_done_ (struct app_rows *r);
void app_rows_log_ (struct app_rows *r, const struct inside_part *part);
void app_rows_fs_ (struct app_rows *r, const char *line, bool inodes);

#endif
